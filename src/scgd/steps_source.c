/* SPDX-License-Identifier: Apache-2.0 */
/* The source's steps up to the pivot: what each does, how its outcome is found out, how it is undone. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "scgd/steps_internal.h"

#define CONNECTIONS_EARLY_S 600 /* for which those stay that are told before the transfer and not again */

/* ---- what both files need ---- */

void source_call_peer(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial,
                      enum peer_verb verb, json_t *body, uint32_t timeout_ms, answer_fn *fn)
{
    struct join *join = join_new(NULL);

    join->migration = migration;
    join->step = step;
    join->serial = serial;
    uint64_t request = gateway_request(gateway, join, fn, NULL);
    gateway->south.peers->ops->call(gateway->south.peers, request, step_order(migration)->target_dc, verb,
                                    step_order(migration)->id, body, timeout_ms);
    join_close(gateway, join);
}

void source_outcome(struct gateway *gateway, const struct join *join, enum saga_event_type type, const struct err *err)
{
    step_outcome(gateway, join->migration, join->step, join->serial, type, err);
}

int source_read_status(const struct event *event, struct peer_status *status, struct err *err)
{
    if (event->err.code) {
        *err = event->err;
        return err->code;
    }
    if (event->answer.status >= 300) {
        problem_decode(event->answer.status, event->answer.body, err);
        return err->code;
    }
    return peer_status_decode(event->answer.body, status, err);
}

const struct peer_vm_status *source_status_of_vm(const struct peer_status *status, const char *name)
{
    for (unsigned v = 0; v < status->n_vms; v++) {
        if (strcmp(status->vms[v].name, name) == 0)
            return &status->vms[v];
    }
    return NULL;
}

/* ---- policy-collect ---- */

static void collect_policy(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial)
{
    struct join *join = step_join(migration, step, serial, false);

    policy_collect(gateway, join, step_vm(migration, step));
    join_close(gateway, join);
}

/* ---- target-configure ---- */

static void told(struct gateway *gateway, struct join *join)
{
    source_outcome(gateway, join, SAGA_STEP_OK, NULL);
}

/* The target is configured. Before a VM goes there, its connections do. */
static void tell_connections(struct gateway *gateway, const struct join *join)
{
    struct join *telling = join_new(told);

    telling->migration = join->migration;
    telling->step = join->step;
    telling->serial = join->serial;
    for (unsigned v = 0; v < step_order(join->migration)->n_vms; v++)
        connections_send(gateway, join->migration, v, CONNECTIONS_EARLY_S, telling);
    join_close(gateway, telling);
}

static void configured(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    struct order *order = step_order(join->migration);
    struct peer_status status;
    struct err err = {0};
    (void) context;

    if (source_read_status(event, &status, &err) < 0) {
        if (err.code == ERR_UNREACHABLE && event->err.code)
            join->migration->target_untouched = join->migration->saga->steps[join->step].attempts == 1;
        if (event->err.code == 0) /* else the driver has named it */
            err_prefix(&err, "data center %s", order->target_dc);
        source_outcome(gateway, join,
                       err.code == ERR_UNKNOWN || err.code == ERR_TIMEOUT ? SAGA_STEP_UNKNOWN : SAGA_STEP_FAILED, &err);
        return;
    }
    memcpy(order->target_uri, status.target_uri, sizeof order->target_uri);
    memcpy(order->target_address, status.target_address, sizeof order->target_address);
    if (event->answer.status == 200)
        tell_connections(gateway, join);
    else
        source_outcome(gateway, join, SAGA_STEP_UNKNOWN, NULL);
}

static bool is_configured(const char *state)
{
    return strcmp(state, "configured") == 0 || strcmp(state, "activated") == 0 || strcmp(state, "committed") == 0;
}

static void configure_confirmed(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    struct order *order = step_order(join->migration);
    struct peer_status status;
    struct err err = {0};
    (void) context;

    if (source_read_status(event, &status, &err) < 0) {
        bool nothing = event->err.code == 0 && event->answer.status == 404;

        source_outcome(gateway, join, nothing ? SAGA_STEP_ABSENT : SAGA_STEP_BUSY, NULL);
    } else if (is_configured(status.state)) {
        memcpy(order->target_uri, status.target_uri, sizeof order->target_uri);
        memcpy(order->target_address, status.target_address, sizeof order->target_address);
        source_outcome(gateway, join, SAGA_STEP_PRESENT, NULL);
    } else if (strcmp(status.state, "rolling_back") == 0 || strcmp(status.state, "rolled_back") == 0) {
        if (status.reason.code == 0)
            err_set(&status.reason, ERR_REFUSED, "it rolled the migration back");
        err_prefix(&status.reason, "data center %s", order->target_dc);
        source_outcome(gateway, join, SAGA_STEP_ABSENT, &status.reason);
    } else {
        source_outcome(gateway, join, SAGA_STEP_BUSY, NULL);
    }
}

static void abort_answered(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    struct peer_status status;
    struct err err = {0};
    (void) context;

    if (source_read_status(event, &status, &err) < 0) {
        if (event->err.code == 0 && event->answer.status == 404) {
            source_outcome(gateway, join, SAGA_UNDO_OK, NULL);
            return;
        }
    } else if (strcmp(status.state, "rolled_back") == 0) {
        source_outcome(gateway, join, SAGA_UNDO_OK, NULL);
        return;
    } else {
        err_set(&err, ERR_UNKNOWN, "data center %s is still %s", step_order(join->migration)->target_dc, status.state);
    }
    source_outcome(gateway, join, SAGA_UNDO_FAILED, &err);
}

/* ---- channel ---- */

/* Between each server that a VM of the order runs on and the target's server; the two ends mirror each other. */
unsigned channels_of_order(const struct order *order, struct open_channel *channels)
{
    unsigned n = 0;

    for (unsigned v = 0; v < order->n_vms; v++) {
        struct open_channel channel = {0};
        bool source = order->role == ROLE_SOURCE;
        unsigned i = 0;

        memcpy(channel.owner, order->id, sizeof channel.owner);
        memcpy(channel.server, source ? order->vms[v].server : order->target_server, NAME_SIZE);
        channel.vlan = order->channel_vlan[order->role];
        if (ip_parse(source ? order->vms[v].source_address : order->target_address, &channel.local) < 0 ||
            ip_parse(source ? order->target_address : order->vms[v].source_address, &channel.remote) < 0)
            continue; /* refused by open_channels() */
        while (i < n &&
               (!ip_equal(&channels[i].local, &channel.local) || !ip_equal(&channels[i].remote, &channel.remote)))
            i++;
        if (i == n)
            channels[n++] = channel;
    }
    return n;
}

void open_channels(struct gateway *gateway, struct migration *migration, struct join *join)
{
    const struct order *order = step_order(migration);
    AUTO_FREE struct open_channel *channels = xcalloc(order->n_vms, sizeof *channels);
    unsigned n = channels_of_order(order, channels);

    if (n == 0) {
        struct err err;

        err_set(&err, ERR_INVALID, "migration addresses '%s' and '%s' are not both IP addresses",
                order->vms[0].source_address, order->target_address);
        join_fail(join, &err);
    }
    for (unsigned i = 0; i < n; i++)
        network_open_channel(gateway, &channels[i], join);
    join_close(gateway, join);
}

void close_channels(struct gateway *gateway, struct migration *migration, struct join *join)
{
    const struct order *order = step_order(migration);
    AUTO_FREE struct open_channel *channels = xcalloc(order->n_vms, sizeof *channels);

    network_close_channels(gateway, channels, channels_of_order(order, channels), join);
    join_close(gateway, join);
}

/* ---- the three verbs ---- */

/* Its circuit is up: by these VLANs it is entered at either side. */
static void channel_reserved(struct gateway *gateway, struct join *join)
{
    struct order *order = step_order(join->migration);
    const struct circuit *circuit = circuit_find(gateway, order->channel);

    if (join->err.code == 0 && circuit) {
        order->channel_vlan[ROLE_SOURCE] = circuit->report.ingress_client.vlan;
        order->channel_vlan[ROLE_TARGET] = circuit->report.egress_client.vlan;
    }
    source_outcome(gateway, join,
                   join->err.code == 0                                            ? SAGA_STEP_OK :
                   join->err.code == ERR_UNKNOWN || join->err.code == ERR_TIMEOUT ? SAGA_STEP_UNKNOWN :
                                                                                    SAGA_STEP_FAILED,
                   &join->err);
}

static void reserve_channel(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial)
{
    struct order *order = step_order(migration);
    struct channel_choice choice;
    struct err err = {0};

    if (channel_choose(gateway, order, &choice, &err) < 0) {
        step_outcome(gateway, migration, step, serial, SAGA_STEP_FAILED, &err);
        return;
    }
    memcpy(order->channel, choice.name, NAME_SIZE);
    order->channel_vlan[ROLE_SOURCE] = order->channel_vlan[ROLE_TARGET] = 0;
    if (choice.by_configuration) {
        step_outcome(gateway, migration, step, serial, SAGA_STEP_OK, NULL);
        return;
    }
    struct join *join = join_new(channel_reserved);

    join->migration = migration;
    join->step = step;
    join->serial = serial;
    circuit_open(gateway, &choice.circuit, join);
    join_close(gateway, join);
}

/* Those of the order's users that this data center no longer serves. */
void close_circuits(struct gateway *gateway, const struct order *order, struct join *join)
{
    for (unsigned u = 0; u < order->n_users; u++) {
        if (!user_is_served(gateway, order->users[u].name))
            user_disconnect(gateway, order->users[u].name, join);
    }
}

void source_apply(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial)
{
    uint32_t peer_ms = gateway->config->timeouts.peer * 1000;

    switch (migration->saga->steps[step].kind) {
    case STEP_CHANNEL_RESERVE:
        reserve_channel(gateway, migration, step, serial);
        break;
    case STEP_POLICY_COLLECT:
        collect_policy(gateway, migration, step, serial);
        break;
    case STEP_TARGET_CONFIGURE:
        source_call_peer(gateway, migration, step, serial, PEER_CONFIGURE, peer_configure_encode(step_order(migration)),
                         peer_ms, configured);
        break;
    case STEP_CHANNEL_OPEN:
        open_channels(gateway, migration, step_join(migration, step, serial, false));
        break;
    case STEP_TRANSFER:
        source_transfer(gateway, migration, step, serial);
        break;
    case STEP_TARGET_ACTIVATE:
        source_activate(gateway, migration, step, serial);
        break;
    case STEP_VM_REMOVE:
        source_remove_vm(gateway, migration, step, serial);
        break;
    case STEP_SEGMENT_CLOSE: {
        struct join *join = step_join(migration, step, serial, false);

        network_close_segments(gateway, join);
        join_close(gateway, join);
        break;
    }
    case STEP_CIRCUIT_CLOSE: {
        struct join *join = step_join(migration, step, serial, false);

        close_circuits(gateway, step_order(migration), join);
        join_close(gateway, join);
        break;
    }
    case STEP_CHANNEL_CLOSE: {
        struct join *join = step_join(migration, step, serial, false);

        channel_release(gateway, step_order(migration), join);
        close_channels(gateway, migration, join);
        break;
    }
    case STEP_TARGET_COMMIT:
        source_commit(gateway, migration, step, serial);
        break;
    default:
        break;
    }
}

void source_confirm(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial)
{
    switch (migration->saga->steps[step].kind) {
    case STEP_TARGET_CONFIGURE:
        source_call_peer(gateway, migration, step, serial, PEER_STATUS, NULL, PEER_QUICK_MS, configure_confirmed);
        break;
    case STEP_TRANSFER:
        source_locate(gateway, migration, step, serial);
        break;
    default:
        /* Doing it again finds out, and costs no more than asking. */
        step_outcome(gateway, migration, step, serial, SAGA_STEP_ABSENT, NULL);
        break;
    }
}

void source_undo(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial)
{
    switch (migration->saga->steps[step].kind) {
    case STEP_CHANNEL_RESERVE: {
        struct join *join = step_join(migration, step, serial, true);

        channel_release(gateway, step_order(migration), join);
        join_close(gateway, join);
        break;
    }
    case STEP_TARGET_CONFIGURE:
        if (migration->target_untouched)
            step_outcome(gateway, migration, step, serial, SAGA_UNDO_OK, NULL);
        else
            source_call_peer(gateway, migration, step, serial, PEER_ABORT, NULL, PEER_QUICK_MS, abort_answered);
        break;
    case STEP_CHANNEL_OPEN:
        close_channels(gateway, migration, step_join(migration, step, serial, true));
        break;
    default:
        step_outcome(gateway, migration, step, serial, SAGA_UNDO_OK, NULL);
        break;
    }
}
