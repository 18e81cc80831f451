/* SPDX-License-Identifier: Apache-2.0 */
/* The list of circuits; setting one up, and taking it down. */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/circuits_internal.h"

#define RETRY_FIRST_MS 1000
#define RETRY_LAST_MS 30000

/* ---- the list ---- */

struct circuit *circuit_find(const struct gateway *gateway, const char *name)
{
    for (size_t i = 0; i < gateway->transport.n_circuits; i++) {
        if (strcmp(gateway->transport.circuits[i]->name, name) == 0)
            return gateway->transport.circuits[i];
    }
    return NULL;
}

struct circuit *circuit_of_user(const struct gateway *gateway, const char *user)
{
    for (size_t i = 0; i < gateway->transport.n_circuits; i++) {
        if (strcmp(gateway->transport.circuits[i]->user, user) == 0)
            return gateway->transport.circuits[i];
    }
    return NULL;
}

bool ingress_is_up(const struct gateway *gateway, uint32_t router)
{
    for (size_t i = 0; i < gateway->transport.n_ingresses; i++) {
        if (gateway->transport.ingresses[i] == router)
            return true;
    }
    return false;
}

struct circuit *circuit_add(struct gateway *gateway, const struct circuit *like)
{
    struct transport *transport = &gateway->transport;
    struct circuit *circuit = xcalloc(1, sizeof *circuit);

    memcpy(circuit->name, like->name, sizeof circuit->name);
    memcpy(circuit->user, like->user, sizeof circuit->user);
    memcpy(circuit->peer, like->peer, sizeof circuit->peer);
    circuit->keep = like->keep;
    circuit->want = lsp_request_copy(&like->want);
    circuit->retry_at = MONO_NEVER;
    transport->circuits = array_reserve(transport->circuits, transport->n_circuits, &transport->cap_circuits,
                                        sizeof *transport->circuits);
    transport->circuits[transport->n_circuits++] = circuit;
    return circuit;
}

void circuit_free(struct circuit *circuit)
{
    lsp_request_free(&circuit->want);
    lsp_report_free(&circuit->report);
    free(circuit->waiters);
    free(circuit);
}

void circuit_notify(struct gateway *gateway, const struct circuit *circuit)
{
    json_t *json = NULL;

    if (gateway->notify && view_get(gateway, "channels", circuit->name, &json, NULL) == 0)
        gateway->notify(gateway->notify_arg, "channel", json);
    json_decref(json);
}

static void wait_for(struct circuit *circuit, struct join *join)
{
    circuit->waiters = array_reserve(circuit->waiters, circuit->n_waiters, &circuit->cap_waiters,
                                     sizeof *circuit->waiters);
    circuit->waiters[circuit->n_waiters++] = join;
    join->open++;
}

/* Lets everyone go who waits; 'err' null: it is as they wanted. They may open and close circuits from there. */
static void release(struct gateway *gateway, struct circuit *circuit, const struct err *err)
{
    struct join **waiters = circuit->waiters;
    size_t n = circuit->n_waiters;

    circuit->waiters = NULL;
    circuit->n_waiters = circuit->cap_waiters = 0;
    for (size_t i = 0; i < n; i++) {
        if (err)
            join_fail(waiters[i], err);
        join_close(gateway, waiters[i]);
    }
    free(waiters);
}

/* Who waits has to be told which circuit it is about. */
static void release_failed(struct gateway *gateway, struct circuit *circuit)
{
    struct err err = circuit->err;

    if (strncmp(err.text, circuit->name, strlen(circuit->name)) != 0)
        err_prefix(&err, "circuit %s", circuit->name);
    release(gateway, circuit, &err);
}

/* ---- setting up ---- */

/* Others may have been given its VLANs meanwhile, so if nobody has been told of them, any will do: the PE's flows
 * follow those of a user, and an order that has the channel open has told its peer. */
static void let_vlans_go(struct gateway *gateway, struct circuit *circuit)
{
    bool held = !*circuit->user && channel_held(gateway, circuit->name, NULL);

    if (!held)
        circuit->want.ingress_client.vlan = CLIENT_VLAN_ANY;
    if (!held && !*circuit->user) /* a user's access is as it was configured */
        circuit->want.egress_client.vlan = CLIENT_VLAN_ANY;
}

static void try_later(struct gateway *gateway, struct circuit *circuit, const struct err *err)
{
    int64_t ms = circuit->rounds < 5 ? (int64_t) RETRY_FIRST_MS << circuit->rounds : RETRY_LAST_MS;

    if (circuit->rounds == 0)
        log_warn(FAULT_PEER, circuit->name, "is not up: %s", err->text);
    circuit->rounds++;
    circuit->state = CIRCUIT_WAITING;
    circuit->err = *err;
    circuit->n_avoid = 0;
    circuit->cleared = false;
    circuit->retry_at = mono_add(gateway->now, ms > RETRY_LAST_MS ? RETRY_LAST_MS : ms);
    path_unbook(gateway->transport.graph, circuit->name);
    if (err->code == ERR_REFUSED)
        let_vlans_go(gateway, circuit);
    circuit_notify(gateway, circuit);
    release_failed(gateway, circuit);
}

/* Its user's flows stand, or do not: whoever waits for the circuit waits for them, too. */
static void installed(struct gateway *gateway, struct join *join)
{
    struct circuit *circuit = circuit_find(gateway, join->context);

    free(join->context);
    if (!circuit || circuit->state != CIRCUIT_UP)
        return;
    if (join->err.code && circuit->n_waiters == 0) { /* nobody would try again */
        struct join *background = network_background_join();

        join_fail(background, &join->err);
        join_close(gateway, background);
    }
    if (*circuit->user && !join->err.code) /* not before: answers must find the flows */
        user_announce_vms(gateway, circuit);
    release(gateway, circuit, join->err.code ? &join->err : NULL);
}

static void drop_name(struct join *join)
{
    free(join->context);
}

/* Of one that is up. */
static void install(struct gateway *gateway, const struct circuit *circuit)
{
    struct join *join = join_new(installed);

    join->context = xstrdup(circuit->name);
    join->drop = drop_name;
    if (*circuit->user)
        user_install(gateway, circuit, join);
    join_close(gateway, join);
}

void circuit_is_up(struct gateway *gateway, struct circuit *circuit, const struct lsp_report *report)
{
    AUTO_FREE char *route = lsp_route_format(&report->record);
    struct err err = {0};

    lsp_report_free(&circuit->report);
    circuit->report = lsp_report_copy(report);
    circuit->state = CIRCUIT_UP;
    circuit->stands = circuit->reported = true;
    circuit->retry_at = MONO_NEVER;
    circuit->rounds = circuit->n_avoid = 0;
    circuit->cleared = false;
    circuit->err = (struct err) {0};
    /* The ends are known to others by these VLANs, so if it is to be set up anew, it is with them. */
    circuit->want.ingress_client.vlan = report->ingress_client.vlan;
    circuit->want.egress_client.vlan = report->egress_client.vlan;
    if (circuit_store(gateway, circuit, &err) < 0)
        log_error(FAULT_OURS, circuit->name, "%s", err.text);
    path_book_up(gateway->transport.graph, circuit->name, gateway->now);
    log_info(circuit->name, "is up: %s", route);
    circuit_notify(gateway, circuit);
    install(gateway, circuit);
}

struct attempt {
    char name[LSP_NAME_SIZE];
    uint32_t number;
};

/* The circuit that an answer is for, if it still waits for it. Frees 'context'. */
static struct circuit *attempted(struct gateway *gateway, void *context, enum circuit_state state)
{
    AUTO_FREE struct attempt *attempt = context;
    struct circuit *circuit = circuit_find(gateway, attempt->name);

    return circuit && circuit->state == state && circuit->attempt == attempt->number ? circuit : NULL;
}

static struct attempt *begin_attempt(struct gateway *gateway, struct circuit *circuit)
{
    struct attempt *attempt = xmalloc(sizeof *attempt);

    memcpy(attempt->name, circuit->name, sizeof attempt->name);
    attempt->number = circuit->attempt = ++gateway->transport.attempts;
    return attempt;
}

static void avoid(struct circuit *circuit, const struct lsp_error *error)
{
    if (error->code && circuit->n_avoid < CIRCUIT_TRIES_MAX)
        circuit->avoid[circuit->n_avoid++] = *error;
}

/* A path was refused: the next one, if the refusal says what to avoid. */
static void refused(struct gateway *gateway, struct circuit *circuit, const struct event *event)
{
    const struct lsp_error *error = event->owns == EVENT_OWNS_LSP ? &event->lsp.error : NULL;
    unsigned before = circuit->n_avoid;

    path_unbook(gateway->transport.graph, circuit->name);
    if (error)
        avoid(circuit, error);
    circuit->err = event->err;
    if (circuit->n_avoid == before) {
        try_later(gateway, circuit, &event->err);
        return;
    }
    log_info(circuit->name, "%s; tries another path", event->err.text);
    circuit_set_up(gateway, circuit);
}

static void removed_to_retry(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    struct circuit *circuit = attempted(gateway, context, CIRCUIT_SETTING_UP);

    (void) join;
    if (circuit && event->err.code)
        try_later(gateway, circuit, &event->err);
    else if (circuit)
        circuit_set_up(gateway, circuit);
}

static void remove_lsp(struct gateway *gateway, struct circuit *circuit, answer_fn *fn)
{
    struct join *join = join_new(NULL);
    uint64_t request = gateway_request(gateway, join, fn, begin_attempt(gateway, circuit));

    gateway->south.transport->ops->remove(gateway->south.transport, request, circuit->want.ingress, circuit->name);
    join_close(gateway, join);
}

static void created(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    struct circuit *circuit = attempted(gateway, context, CIRCUIT_SETTING_UP);

    (void) join;
    if (!circuit)
        return;
    switch (event->err.code) {
    case 0:
        circuit_is_up(gateway, circuit, &event->lsp);
        break;
    case ERR_REFUSED:
        refused(gateway, circuit, event);
        break;
    case ERR_EXISTS: /* one of before, on a path that is not known to be any good */
        if (circuit->cleared) {
            try_later(gateway, circuit, &event->err);
        } else {
            circuit->cleared = true;
            remove_lsp(gateway, circuit, removed_to_retry);
        }
        break;
    default:
        try_later(gateway, circuit, &event->err);
        break;
    }
}

int transport_check(const struct gateway *gateway, uint32_t ingress, struct err *err)
{
    char router[IPV4_TEXT_SIZE];

    if (!ingress_is_up(gateway, ingress))
        return err_set(err, ERR_UNREACHABLE, "transport node %s has no PCEP session with the gateway of data center %s",
                       ipv4_format(ingress, router), gateway->config->dc);
    if (!gateway->transport.ted_synced)
        return err_set(err, ERR_UNREACHABLE,
                       "the topology of the transport network is not known: no session with ospfd at %s port %u",
                       gateway->config->transport->ospf_api.address, gateway->config->transport->ospf_api.port);
    return 0;
}

void circuit_set_up(struct gateway *gateway, struct circuit *circuit)
{
    struct path_result path = {0};
    struct lsp_route route = {0};
    struct err err = {0};

    circuit->retry_at = MONO_NEVER;
    if (transport_check(gateway, circuit->want.ingress, &err) < 0) { /* an event will tell when it is there */
        circuit->state = CIRCUIT_WAITING;
        circuit->err = err;
        circuit_notify(gateway, circuit);
        release_failed(gateway, circuit);
        return;
    }
    if (circuit_path(gateway, circuit, &path, &err) < 0 || path_route(&path, &route, &err) < 0) {
        path_result_free(&path);
        if (circuit->n_avoid && circuit->err.code) { /* the refusal tells more than that nothing else is left */
            AUTO_FREE char *last = xstrdup(circuit->err.text);

            err_prefix(&err, "%s; no other path", last);
            err.code = ERR_REFUSED;
        }
        try_later(gateway, circuit, &err);
        return;
    }
    circuit->state = CIRCUIT_SETTING_UP;
    circuit->signalled = true;
    lsp_route_free(&circuit->want.route);
    circuit->want.route = route;
    path_book(gateway->transport.graph, circuit->name, path.links, path.n, circuit->want.bandwidth_bps,
              circuit->want.holding_priority, gateway->now);
    path_result_free(&path);

    struct join *join = join_new(NULL);
    uint64_t request = gateway_request(gateway, join, created, begin_attempt(gateway, circuit));

    gateway->south.transport->ops->create(gateway->south.transport, request, &circuit->want);
    circuit_notify(gateway, circuit);
    join_close(gateway, join);
}

void circuit_fell(struct gateway *gateway, struct circuit *circuit)
{
    if (!circuit->stands)
        return;
    circuit->stands = false;
    if (*circuit->user) { /* its VLAN may be given to another circuit */
        struct join *join = network_background_join();

        user_uninstall(gateway, circuit->user, join);
        join_close(gateway, join);
    }
}

void circuit_failed(struct gateway *gateway, struct circuit *circuit, const struct lsp_error *error, const char *why)
{
    log_warn(FAULT_PEER, circuit->name, "has failed: %s; is set up anew", why);
    err_set(&circuit->err, ERR_REFUSED, "it failed: %s", why);
    avoid(circuit, error);
    circuit->state = CIRCUIT_WAITING;
    path_unbook(gateway->transport.graph, circuit->name);
    circuit_fell(gateway, circuit);
    circuit_set_up(gateway, circuit);
}

void circuits_retry(struct gateway *gateway, bool all)
{
    /* From the end: one whose order gives up in here is taken out. */
    for (size_t i = gateway->transport.n_circuits; i-- > 0;) {
        struct circuit *circuit = gateway->transport.circuits[i];

        if (circuit->state == CIRCUIT_WAITING && (all || mono_reached(circuit->retry_at, gateway->now)) &&
            (transport_check(gateway, circuit->want.ingress, NULL) == 0 || !all))
            circuit_set_up(gateway, circuit);
    }
}

/* ---- wanting, and no more ---- */

void circuit_open(struct gateway *gateway, const struct circuit *like, struct join *join)
{
    struct circuit *circuit = circuit_find(gateway, like->name);
    struct err err = {0};

    if (circuit && circuit->state == CIRCUIT_REMOVING) {
        err_set(&err, ERR_UNKNOWN, "circuit %s is just being taken down", like->name);
        join_fail(join, &err);
        return;
    }
    if (!circuit) {
        if (circuit_store(gateway, like, &err) < 0) {
            join_fail(join, &err);
            return;
        }
        circuit = circuit_add(gateway, like);
    }
    wait_for(circuit, join);
    if (circuit->state == CIRCUIT_WAITING)
        circuit_set_up(gateway, circuit);
    else if (circuit->state == CIRCUIT_UP)
        install(gateway, circuit);
}

static void forget(struct gateway *gateway, struct circuit *circuit)
{
    struct transport *transport = &gateway->transport;
    bool of_user = *circuit->user;
    size_t i = 0;

    log_info(circuit->name, "is taken down");
    while (transport->circuits[i] != circuit)
        i++;
    memmove(&transport->circuits[i], &transport->circuits[i + 1],
            (--transport->n_circuits - i) * sizeof *transport->circuits);
    path_unbook(transport->graph, circuit->name);
    if (gateway->notify) {
        json_t *json = json_pack("{s:s, s:s}", "name", circuit->name, "state", "removed");

        gateway->notify(gateway->notify_arg, "channel", json);
        json_decref(json);
    }
    release(gateway, circuit, NULL);
    circuit_free(circuit);
    if (of_user) /* one that was set again while this was being taken down */
        users_connect(gateway);
}

static void removed(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    struct circuit *circuit = attempted(gateway, context, CIRCUIT_REMOVING);
    struct err err = event->err;

    (void) join;
    if (!circuit)
        return;
    circuit->removal_asked = false;
    if (err.code == 0 && circuit_unstore(gateway, circuit, &err) == 0) {
        forget(gateway, circuit);
        return;
    }
    circuit->err = err;
    circuit->retry_at = mono_add(gateway->now, RETRY_LAST_MS);
    release(gateway, circuit, &err); /* whoever closed it does so again, and so does the next look */
}

void circuit_take_down(struct gateway *gateway, struct circuit *circuit)
{
    circuit->retry_at = MONO_NEVER;
    if (circuit->removal_asked)
        return;
    circuit->removal_asked = true;
    remove_lsp(gateway, circuit, removed);
}

void circuit_close(struct gateway *gateway, const char *name, struct join *join)
{
    struct circuit *circuit = circuit_find(gateway, name);
    struct err err;

    if (!circuit)
        return;
    if (circuit->state != CIRCUIT_REMOVING) {
        circuit->state = CIRCUIT_REMOVING; /* before anybody who waits for it looks */
        circuit->err = (struct err) {0};
        err_set(&err, ERR_CANCELLED, "circuit %s is no longer wanted", name);
        release(gateway, circuit, &err);
        circuit_notify(gateway, circuit);
    }
    if (circuit->signalled) {
        wait_for(circuit, join);
        circuit_take_down(gateway, circuit);
    } else if (circuit_unstore(gateway, circuit, &err) == 0) {
        forget(gateway, circuit);
    } else {
        join_fail(join, &err);
    }
}

void circuits_tidy(struct gateway *gateway, struct join *join)
{
    for (size_t i = gateway->transport.n_circuits; i-- > 0;) {
        struct circuit *circuit = gateway->transport.circuits[i];

        if (*circuit->user && !user_is_served(gateway, circuit->user))
            user_disconnect(gateway, circuit->user, join);
        else if (!*circuit->user && !circuit->keep && !channel_held(gateway, circuit->name, NULL))
            circuit_close(gateway, circuit->name, join);
    }
    users_connect(gateway);
}
