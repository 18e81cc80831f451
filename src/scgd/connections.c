/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of stateful policies, on their way with a VM: read from the ToR that has learned them, and put where they
 * are wanted. They are sent when the target is configured, when the VM has been paused, and before the target is told
 * that the VM has crossed; what was learned in between is new, what was sent before is replaced by the same. */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "proto/peer/peer.h"
#include "scgd/gateway.h"

#define SEND_MS 5000         /* for one message */
#define CONNECTION_BYTES 256 /* of one in a message, at most */

static const struct order *order_of(const struct migration *migration)
{
    return &migration->saga->order;
}

/* What may be otherwise later fails the join, which may try again. A move is not stopped for anything else: who loses a
 * connection opens a new one. */
static void fail(struct join *join, const char *vm, const struct err *err)
{
    if (err->code == ERR_UNREACHABLE || err->code == ERR_UNKNOWN || err->code == ERR_TIMEOUT)
        join_fail(join, err);
    else
        log_warn(FAULT_PEER, order_of(join->migration)->id, "connections of VM %s: %s", vm, err->text);
}

static void sent(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    const struct order *order = order_of(join->migration);
    AUTO_FREE char *vm = context;
    struct err err = event->err;
    (void) gateway;

    if (err.code == 0 && event->answer.status == 404)
        err_set(&err, ERR_UNSUPPORTED, "its gateway takes none");
    else if (err.code == 0 && event->answer.status >= 300)
        problem_decode(event->answer.status, event->answer.body, &err);
    if (err.code && event->err.code == 0) /* else the driver has named it */
        err_prefix(&err, "data center %s", order->target_dc);
    if (err.code)
        fail(join, vm, &err);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void send(struct gateway *gateway, struct join *join, const char *vm, const struct connection_list *list)
{
    const struct order *order = order_of(join->migration);
    size_t most = smaller(gateway->config->limits.message_bytes / CONNECTION_BYTES, PEER_CONNECTIONS_MAX);

    if (list->n)
        log_info(order->id, "sends %zu connections of VM %s to data center %s", list->n, vm, order->target_dc);
    for (size_t at = 0, n; at < list->n; at += n) {
        n = smaller(list->n - at, most);

        struct connection_list part = {.items = list->items + at, .n = n};
        uint64_t request = gateway_request(gateway, join, sent, xstrdup(vm));

        gateway->south.peers->ops->call(gateway->south.peers, request, order->target_dc, PEER_CONNECTIONS, order->id,
                                        peer_connections_encode(vm, &part), SEND_MS);
    }
}

/* One of the two tables of a VM's connections is being read. */
struct reading_state {
    char vm[NAME_SIZE];
    struct policy_site sites[PIPELINE_SITES_MAX];
    unsigned n_sites;
    uint16_t idle_max; /* seconds */
};

static bool concerned(void *arg, const struct flow *flow)
{
    const struct reading_state *reading = arg;

    for (unsigned i = 0; i < reading->n_sites; i++) {
        if (connections_concern(&reading->sites[i], flow))
            return true;
    }
    return false;
}

static void read_done(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    AUTO_FREE struct reading_state *reading = context;
    struct connection_list list = {0};
    struct err err = event->err;

    if (err.code == 0)
        connections_from_sites(event->read.flows.flows, event->read.flows.n, reading->sites, reading->n_sites, &list,
                               &err);
    if (err.code)
        fail(join, reading->vm, &err);
    for (size_t i = 0; i < list.n; i++) {
        if (list.items[i].idle_timeout > reading->idle_max)
            list.items[i].idle_timeout = reading->idle_max;
    }
    send(gateway, join, reading->vm, &list);
    connection_list_free(&list);
}

void connections_send(struct gateway *gateway, struct migration *migration, unsigned v, uint16_t idle_max,
                      struct join *join)
{
    const struct migration_vm *vm = &order_of(migration)->vms[v];
    struct err err = {0};
    uint32_t port;

    if (!policy_is_stateful(&vm->policy))
        return;
    join->migration = migration;
    const struct switch_info *tor = network_tor(gateway, vm->server, &port, &err);
    if (!tor) {
        join_fail(join, &err);
        return;
    }
    for (unsigned d = 0; d < 2; d++) {
        struct reading_state *reading = xcalloc(1, sizeof *reading);

        memcpy(reading->vm, vm->name, NAME_SIZE);
        reading->n_sites = pipeline_policy_sites(cookie_of_vm(vm->uuid), &vm->nics[0].mac, &vm->nics[0].ip,
                                                 &vm->nics[0].ip6, reading->sites);
        reading->idle_max = idle_max;
        const struct switch_query query = {reading->sites[0].state_table[d], 0, 0, concerned, reading};
        uint64_t request = gateway_request(gateway, join, read_done, reading);
        gateway->south.switches->ops->read(gateway->south.switches, request, tor->name, &query);
    }
}

/* Told again only after there was room. */
static bool is_full(unsigned n, unsigned max, bool was_full)
{
    return n >= (was_full ? max / 10 * 9 : max);
}

void connections_counted(struct tenant *tenant, const struct known_connections *known)
{
    tenant->known = *known;
    for (unsigned d = 0; d < 2; d++) {
        bool was_full = tenant->known_full[d];
        bool whole = is_full(known->whole[d], CONNECTIONS_MAX, was_full);

        tenant->known_full[d] = whole || is_full(known->half_open[d], CONNECTIONS_HALF_OPEN_MAX, was_full);
        if (was_full || !tenant->known_full[d])
            continue;
        log_warn(
            FAULT_OPERATOR, tenant->name,
            "its ToR knows %u %s of its policy's stateful rules %s, as many as it may: replies to further ones are "
            "dropped; let what is used so much pass by rules that are not stateful, or look at the VM",
            whole ? known->whole[d] : known->half_open[d],
            whole ? "connections" : "TCP connections that nobody has answered",
            d == POLICY_TO_VM ? "from-vm" : "to-vm");
    }
}

void connections_install(struct gateway *gateway, const uint8_t uuid[UUID_SIZE], const struct connection_list *list,
                         struct join *join)
{
    const struct tenant *tenant = network_tenant(gateway, uuid);
    struct flow_txn txn = {0};
    struct err err = {0};
    uint32_t port;

    if (!tenant || !policy_is_stateful(&tenant->policy))
        return;
    const struct switch_info *tor = network_tor(gateway, tenant->server, &port, &err);
    if (!tor) {
        join_fail(join, &err);
        return;
    }
    struct policy_site sites[PIPELINE_SITES_MAX];
    unsigned n = pipeline_policy_sites(cookie_of_vm(tenant->uuid), &tenant->mac, &tenant->ip, &tenant->ip6, sites);
    for (unsigned i = 0; i < n; i++)
        connections_to_flows(list, &sites[i], &txn);
    if (txn.n_mods)
        network_apply(gateway, tor, &txn, join);
}
