/* SPDX-License-Identifier: Apache-2.0 */
#include "scgd/circuits.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "core/path.h"
#include "model/json.h"
#include "scgd/gateway.h"

#define RETRY_FIRST_MS 1000
#define RETRY_LAST_MS 30000

#define KIND "channel" /* of documents in the store */

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

static bool ingress_is_up(const struct gateway *gateway, uint32_t router)
{
    for (size_t i = 0; i < gateway->transport.n_ingresses; i++) {
        if (gateway->transport.ingresses[i] == router)
            return true;
    }
    return false;
}

static bool of_this_dc(const struct gateway *gateway, const char *name)
{
    size_t n = strlen(gateway->config->dc);

    return strncmp(name, gateway->config->dc, n) == 0 && name[n] == ':';
}

static struct circuit *add(struct gateway *gateway, const struct circuit *like)
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

static void circuit_free(struct circuit *circuit)
{
    lsp_request_free(&circuit->want);
    lsp_report_free(&circuit->report);
    free(circuit->waiters);
    free(circuit);
}

static void notify(struct gateway *gateway, const struct circuit *circuit)
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

/* ---- setting up ---- */

static int put_document(struct gateway *gateway, const struct circuit *circuit, struct err *err)
{
    const struct lsp_request *want = &circuit->want;
    json_t *json = json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:i, s:I, s:i, s:I, s:i, s:i}", "user", circuit->user,
                             "peer", circuit->peer, "keep", circuit->keep, "ingress", (json_int_t) want->ingress,
                             "egress", (json_int_t) want->egress, "ingress-client",
                             (json_int_t) want->ingress_client.interface, "ingress-vlan", want->ingress_client.vlan,
                             "egress-client", (json_int_t) want->egress_client.interface, "egress-vlan",
                             want->egress_client.vlan, "bandwidth-bps", (json_int_t) want->bandwidth_bps,
                             "setup-priority", want->setup_priority, "holding-priority", want->holding_priority);
    AUTO_FREE char *text = json_dumps(json, JSON_COMPACT);

    json_decref(json);
    return store_document_put(gateway->store, KIND, circuit->name, text, err);
}

static void set_up(struct gateway *gateway, struct circuit *circuit);

static void try_later(struct gateway *gateway, struct circuit *circuit, const struct err *err)
{
    int64_t ms = circuit->rounds < 5 ? (int64_t) RETRY_FIRST_MS << circuit->rounds : RETRY_LAST_MS;

    if (circuit->rounds == 0)
        log_warn(FAULT_PEER, circuit->name, "is not up: %s", err->text);
    circuit->rounds++;
    circuit->state = CIRCUIT_WAITING;
    circuit->err = *err;
    circuit->n_avoid = 0;
    circuit->retry_at = mono_add(gateway->now, ms > RETRY_LAST_MS ? RETRY_LAST_MS : ms);
    path_unbook(gateway->transport.graph, circuit->name);
    notify(gateway, circuit);
    release(gateway, circuit, err);
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
    release(gateway, circuit, join->err.code ? &join->err : NULL);
}

static void drop_name(struct join *join)
{
    free(join->context);
}

static void is_up(struct gateway *gateway, struct circuit *circuit)
{
    AUTO_FREE char *route = lsp_route_format(&circuit->report.record);
    struct err err = {0};

    circuit->state = CIRCUIT_UP;
    circuit->retry_at = MONO_NEVER;
    circuit->rounds = circuit->n_avoid = 0;
    circuit->err = (struct err) {0};
    /* The ends are known to others by these VLANs, so if it is to be set up anew, it is with them. */
    circuit->want.ingress_client.vlan = circuit->report.ingress_client.vlan;
    circuit->want.egress_client.vlan = circuit->report.egress_client.vlan;
    if (put_document(gateway, circuit, &err) < 0)
        log_error(FAULT_OURS, circuit->name, "%s", err.text);
    path_book_up(gateway->transport.graph, circuit->name, gateway->now);
    log_info(circuit->name, "is up: %s", route);
    notify(gateway, circuit);

    struct join *join = join_new(installed);
    join->context = xstrdup(circuit->name);
    join->drop = drop_name;
    if (*circuit->user)
        user_install(gateway, circuit, join);
    join_close(gateway, join);
}

static void take_report(struct circuit *circuit, const struct lsp_report *report)
{
    lsp_report_free(&circuit->report);
    circuit->report = lsp_report_copy(report);
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

static struct attempt *begin_attempt(struct circuit *circuit)
{
    struct attempt *attempt = xmalloc(sizeof *attempt);

    memcpy(attempt->name, circuit->name, sizeof attempt->name);
    attempt->number = ++circuit->attempt;
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
    set_up(gateway, circuit);
}

static void removed_to_retry(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    struct circuit *circuit = attempted(gateway, context, CIRCUIT_SETTING_UP);

    (void) join;
    if (circuit && event->err.code)
        try_later(gateway, circuit, &event->err);
    else if (circuit)
        set_up(gateway, circuit);
}

static void remove_lsp(struct gateway *gateway, struct circuit *circuit, answer_fn *fn)
{
    struct join *join = join_new(NULL);
    uint64_t request = gateway_request(gateway, join, fn, begin_attempt(circuit));

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
        take_report(circuit, &event->lsp);
        is_up(gateway, circuit);
        break;
    case ERR_REFUSED:
        refused(gateway, circuit, event);
        break;
    case ERR_EXISTS: /* one of before, on a path that is not known to be any good */
        remove_lsp(gateway, circuit, removed_to_retry);
        break;
    default:
        try_later(gateway, circuit, &event->err);
        break;
    }
}

/* Whether a path could be computed and signalled at all. If not, what is missing comes as an event. */
static int check_transport(const struct gateway *gateway, const struct circuit *circuit, struct err *err)
{
    char router[16];

    if (!ingress_is_up(gateway, circuit->want.ingress))
        return err_set(err, ERR_UNREACHABLE, "transport node %s has no PCEP session with the gateway of data center %s",
                       ipv4_format(circuit->want.ingress, router), gateway->config->dc);
    if (!gateway->transport.ted_synced)
        return err_set(err, ERR_UNREACHABLE,
                       "the topology of the transport network is not known: no session with ospfd at %s port %u",
                       gateway->config->transport->ospf_api.address, gateway->config->transport->ospf_api.port);
    return 0;
}

static void set_up(struct gateway *gateway, struct circuit *circuit)
{
    struct path_result path = {0};
    struct lsp_route route = {0};
    struct err err = {0};

    circuit->retry_at = MONO_NEVER;
    if (check_transport(gateway, circuit, &err) < 0) {
        circuit->state = CIRCUIT_WAITING;
        circuit->err = err;
        release(gateway, circuit, &err);
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
    lsp_route_free(&circuit->want.route);
    circuit->want.route = route;
    path_book(gateway->transport.graph, circuit->name, path.links, path.n, circuit->want.bandwidth_bps,
              circuit->want.holding_priority, gateway->now);
    path_result_free(&path);

    struct join *join = join_new(NULL);
    uint64_t request = gateway_request(gateway, join, created, begin_attempt(circuit));

    gateway->south.transport->ops->create(gateway->south.transport, request, &circuit->want);
    notify(gateway, circuit);
    join_close(gateway, join);
}

/* 'all': something has changed for the better; else those whose time has come. */
static void retry_waiting(struct gateway *gateway, bool all)
{
    for (size_t i = 0; i < gateway->transport.n_circuits; i++) {
        struct circuit *circuit = gateway->transport.circuits[i];

        if (circuit->state == CIRCUIT_WAITING && (all || mono_reached(circuit->retry_at, gateway->now)) &&
            (check_transport(gateway, circuit, NULL) == 0 || !all))
            set_up(gateway, circuit);
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
        if (put_document(gateway, like, &err) < 0) {
            join_fail(join, &err);
            return;
        }
        circuit = add(gateway, like);
    } else if (circuit->state == CIRCUIT_UP) {
        if (*circuit->user)
            user_install(gateway, circuit, join);
        return;
    }
    wait_for(circuit, join);
    if (circuit->state == CIRCUIT_WAITING)
        set_up(gateway, circuit);
}

static void forget(struct gateway *gateway, struct circuit *circuit)
{
    struct transport *transport = &gateway->transport;
    struct err err = {0};

    if (store_document_delete(gateway->store, KIND, circuit->name, &err) < 0) {
        circuit->state = CIRCUIT_WAITING;
        release(gateway, circuit, &err);
        return;
    }
    log_info(circuit->name, "is taken down");
    for (size_t i = 0; i < transport->n_circuits; i++) {
        if (transport->circuits[i] == circuit)
            transport->circuits[i] = transport->circuits[--transport->n_circuits];
    }
    path_unbook(transport->graph, circuit->name);
    if (gateway->notify) {
        json_t *json = json_pack("{s:s, s:s}", "name", circuit->name, "state", "removed");

        gateway->notify(gateway->notify_arg, "channel", json);
        json_decref(json);
    }
    release(gateway, circuit, NULL);
    circuit_free(circuit);
}

static void removed(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    struct circuit *circuit = attempted(gateway, context, CIRCUIT_REMOVING);

    (void) join;
    if (!circuit)
        return;
    if (event->err.code == 0) {
        forget(gateway, circuit);
        return;
    }
    circuit->err = event->err;
    circuit->retry_at = mono_add(gateway->now, RETRY_LAST_MS);
    release(gateway, circuit, &event->err); /* whoever closed it does so again, and so does the next look */
}

void circuit_close(struct gateway *gateway, const char *name, struct join *join)
{
    struct circuit *circuit = circuit_find(gateway, name);
    struct err cancelled;

    if (!circuit)
        return;
    if (circuit->state != CIRCUIT_REMOVING) {
        err_set(&cancelled, ERR_CANCELLED, "circuit %s is no longer wanted", name);
        release(gateway, circuit, &cancelled);
    }
    circuit->state = CIRCUIT_REMOVING;
    circuit->retry_at = MONO_NEVER;
    wait_for(circuit, join);
    remove_lsp(gateway, circuit, removed);
}

/* ---- migration channels ---- */

int circuit_plan_channel(const struct gateway *gateway, const char *dc, uint32_t mbps, struct circuit *like,
                         struct err *err)
{
    const struct config_edge *edge = network_edge_config(gateway, EDGE_INTER_DC);
    const struct config_peer *peer = gateway_peer_config(gateway, dc);
    unsigned number = 1;

    if (!gateway->config->transport || !edge || !edge->transport_port || !peer || !peer->transport.router_id)
        return err_set(err, ERR_NOT_FOUND,
                       "there is no channel to data center %s, and none can be set up: the configuration has no %s", dc,
                       !gateway->config->transport    ? "section 'transport'" :
                       !edge || !edge->transport_port ? "inter-dc edge with a transport-port" :
                                                        "transport-router-id of that peer");
    *like = (struct circuit) {.want = {.ingress = edge->transport.router,
                                       .egress = peer->transport.router,
                                       .ingress_client = {edge->transport.client, CLIENT_VLAN_ANY},
                                       .egress_client = {peer->transport.client, CLIENT_VLAN_ANY},
                                       .bandwidth_bps = (uint64_t) (mbps ? mbps : edge->migration_mbps) * 1000000,
                                       .setup_priority = 4,
                                       .holding_priority = 4}};
    name_copy(like->peer, dc);
    do {
        if (snprintf(like->name, sizeof like->name, "%s:channel:%s:%u", gateway->config->dc, dc, number++) >=
            (int) sizeof like->name)
            return err_set(err, ERR_TOO_LARGE, "the names of data centers %s and %s are too long for an LSP's name",
                           gateway->config->dc, dc);
    } while (circuit_find(gateway, like->name));
    memcpy(like->want.name, like->name, sizeof like->want.name);
    return 0;
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
}

/* ---- what the transport networks say ---- */

/* Of this data center, and nobody here knows it: left over from a store that was lost, or from a removal whose answer
 * was. */
static void remove_stranger(struct gateway *gateway, const struct lsp_report *report)
{
    struct join *join = network_background_join();
    uint64_t request = gateway_request(gateway, join, NULL, NULL);

    log_info(report->name, "nobody knows this LSP any more, removes it");
    gateway->south.transport->ops->remove(gateway->south.transport, request, report->ingress, report->name);
    join_close(gateway, join);
}

static void lsp_reported(struct gateway *gateway, const struct lsp_report *report)
{
    struct circuit *circuit = circuit_find(gateway, report->name);
    bool stands = !report->removed && (report->state == LSP_UP || report->state == LSP_ACTIVE);

    if (!circuit) {
        if (!report->removed && of_this_dc(gateway, report->name))
            remove_stranger(gateway, report);
        return;
    }
    if (circuit->state == CIRCUIT_WAITING && stands) {
        take_report(circuit, report);
        is_up(gateway, circuit);
    } else if (circuit->state == CIRCUIT_UP && stands) {
        take_report(circuit, report);
    } else if (circuit->state == CIRCUIT_UP && (report->removed || report->state == LSP_DOWN)) {
        AUTO_FREE char *why = lsp_error_format(&report->error);

        log_warn(FAULT_PEER, circuit->name, "has failed: %s; is set up anew", why);
        err_set(&circuit->err, ERR_REFUSED, "it failed: %s", why);
        avoid(circuit, &report->error);
        circuit->state = CIRCUIT_WAITING;
        set_up(gateway, circuit);
    }
}

static void ingress_up(struct gateway *gateway, uint32_t router)
{
    struct transport *transport = &gateway->transport;
    char text[16];

    log_info(ipv4_format(router, text), "sets up LSPs for this gateway");
    if (!ingress_is_up(gateway, router)) {
        transport->ingresses = array_reserve(transport->ingresses, transport->n_ingresses, &transport->cap_ingresses,
                                             sizeof *transport->ingresses);
        transport->ingresses[transport->n_ingresses++] = router;
    }
    for (size_t i = 0; i < transport->n_circuits; i++) {
        struct circuit *circuit = transport->circuits[i];

        if (circuit->want.ingress == router && circuit->state == CIRCUIT_REMOVING)
            remove_lsp(gateway, circuit, removed);
    }
    retry_waiting(gateway, true);
}

/* LSPs stand without the session; whether they do is told when it is back. */
static void ingress_down(struct gateway *gateway, uint32_t router, const struct err *why)
{
    struct transport *transport = &gateway->transport;
    char text[16];

    log_warn(FAULT_PEER, ipv4_format(router, text), "no longer sets up LSPs for this gateway: %s", why->text);
    for (size_t i = 0; i < transport->n_ingresses; i++) {
        if (transport->ingresses[i] == router)
            transport->ingresses[i--] = transport->ingresses[--transport->n_ingresses];
    }
}

void transport_event(struct gateway *gateway, const struct event *event)
{
    struct transport *transport = &gateway->transport;

    switch (event->type) {
    case EVENT_TE_LINK:
        ted_set(&transport->ted, &event->te_link);
        path_graph_set(transport->graph, &event->te_link);
        break;
    case EVENT_TE_LINK_GONE:
        ted_remove(&transport->ted, &event->te_link.key);
        path_graph_remove(transport->graph, &event->te_link.key);
        break;
    case EVENT_TE_SYNCED:
        log_info("transport", "topology is known: %zu links", transport->ted.n_links);
        transport->ted_synced = true;
        retry_waiting(gateway, true);
        break;
    case EVENT_TE_DOWN:
        log_warn(FAULT_PEER, "transport", "topology is no longer told: %s", event->err.text);
        transport->ted_synced = false;
        break;
    case EVENT_INGRESS_UP:
        ingress_up(gateway, event->router);
        break;
    case EVENT_INGRESS_DOWN:
        ingress_down(gateway, event->router, &event->err);
        break;
    case EVENT_LSP:
        lsp_reported(gateway, &event->lsp);
        break;
    default:
        break;
    }
}

bool transport_seen(const struct gateway *gateway)
{
    for (unsigned i = 0; i < gateway->config->edges_count; i++) {
        const struct config_edge *edge = &gateway->config->edges[i];

        if (edge->transport_port && !ingress_is_up(gateway, edge->transport.router))
            return false;
    }
    return !gateway->config->transport || gateway->transport.ted_synced;
}

void transport_tick(struct gateway *gateway)
{
    struct transport *transport = &gateway->transport;

    retry_waiting(gateway, false);
    for (size_t i = transport->n_circuits; i-- > 0;) {
        struct circuit *circuit = transport->circuits[i];

        if (circuit->state == CIRCUIT_REMOVING && mono_reached(circuit->retry_at, gateway->now)) {
            circuit->retry_at = MONO_NEVER;
            remove_lsp(gateway, circuit, removed);
        }
    }
}

struct mono transport_deadline(const struct gateway *gateway)
{
    struct mono deadline = MONO_NEVER;

    for (size_t i = 0; i < gateway->transport.n_circuits; i++)
        deadline = mono_min(deadline, gateway->transport.circuits[i]->retry_at);
    return deadline;
}

/* ---- life ---- */

struct loading {
    struct gateway *gateway;
    struct err err;
};

static bool load_one(void *arg, const char *name, const char *text)
{
    struct loading *loading = arg;
    struct circuit like = {0};
    json_t *json = json_loads(text, 0, NULL);
    struct json_reader r = json_reader_init(json, name, &loading->err);

    const char *user = json_opt_string(&r, "user", ""), *peer = json_opt_string(&r, "peer", "");
    snprintf(like.name, sizeof like.name, "%s", name);
    memcpy(like.want.name, like.name, sizeof like.want.name);
    snprintf(like.user, sizeof like.user, "%s", user ? user : "");
    snprintf(like.peer, sizeof like.peer, "%s", peer ? peer : "");
    like.keep = json_opt_bool(&r, "keep", false);
    like.want.ingress = (uint32_t) json_get_int(&r, "ingress", 1, UINT32_MAX);
    like.want.egress = (uint32_t) json_get_int(&r, "egress", 1, UINT32_MAX);
    like.want.ingress_client.interface = (uint32_t) json_get_int(&r, "ingress-client", 1, UINT32_MAX);
    like.want.ingress_client.vlan = (uint16_t) json_get_int(&r, "ingress-vlan", 0, UINT16_MAX);
    like.want.egress_client.interface = (uint32_t) json_get_int(&r, "egress-client", 1, UINT32_MAX);
    like.want.egress_client.vlan = (uint16_t) json_get_int(&r, "egress-vlan", 0, UINT16_MAX);
    like.want.bandwidth_bps = (uint64_t) json_get_int(&r, "bandwidth-bps", 1, INT64_MAX);
    like.want.setup_priority = (uint8_t) json_get_int(&r, "setup-priority", 0, 7);
    like.want.holding_priority = (uint8_t) json_get_int(&r, "holding-priority", 0, 7);
    if (r.status == 0)
        add(loading->gateway, &like);
    else
        err_prefix(&loading->err, "circuit %s in the store", name);
    json_decref(json);
    return r.status == 0;
}

static bool load_user(void *arg, const char *name, const char *text)
{
    struct loading *loading = arg;
    struct transport *transport = &loading->gateway->transport;
    json_t *json = json_loads(text, 0, NULL);
    struct user user;

    if (user_from_json(json, "user", true, &user, &loading->err) < 0) {
        err_prefix(&loading->err, "user %s in the store", name);
    } else {
        transport->users = array_reserve(transport->users, transport->n_users, &transport->cap_users,
                                         sizeof *transport->users);
        transport->users[transport->n_users++] = user;
    }
    json_decref(json);
    return loading->err.code == 0;
}

int transport_load(struct gateway *gateway, struct err *err)
{
    struct loading loading = {.gateway = gateway};

    gateway->transport.graph = path_graph_new();

    int status = store_document_each(gateway->store, KIND, load_one, &loading, err);
    if (status == 0 && loading.err.code == 0)
        status = store_document_each(gateway->store, "user", load_user, &loading, err);
    if (status == 0 && loading.err.code) {
        *err = loading.err;
        status = err->code;
    }
    return status;
}

void transport_free(struct gateway *gateway)
{
    struct transport *transport = &gateway->transport;

    for (size_t i = 0; i < transport->n_circuits; i++) {
        for (size_t w = 0; w < transport->circuits[i]->n_waiters; w++)
            join_drop(transport->circuits[i]->waiters[w]);
        circuit_free(transport->circuits[i]);
    }
    for (size_t i = 0; i < transport->n_users; i++)
        user_free(&transport->users[i]);
    free(transport->circuits);
    free(transport->users);
    free(transport->ingresses);
    path_graph_free(transport->graph);
    ted_free(&transport->ted);
}
