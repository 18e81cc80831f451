/* SPDX-License-Identifier: Apache-2.0 */
/* Dummy switches and routes. A switch holds flows as OpenFlow 1.3 says: an add replaces the flow of equal table, match
 * and priority. What is ordered happens after a while, at once and whole; it may be lost, refused, or done and not
 * answered. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "unit/flow_walk.h"
#include "world.h"

struct order_to_switch {
    struct site *site;
    struct sim_switch *sw;
    uint64_t request;
    struct flow_txn txn;
};

struct sim_switch *device(struct site *site, const char *name)
{
    for (unsigned i = 0; i < site->n_switches; i++) {
        if (strcmp(site->sw[i].name, name) == 0)
            return &site->sw[i];
    }
    return NULL;
}

static struct site *site_of_switches(struct switch_driver *driver)
{
    return (struct site *) ((char *) driver - offsetof(struct site, switches));
}

/* ---- a switch's tables ---- */

static void remove_flow(struct sim_switch *sw, size_t i)
{
    flow_free(&sw->flows.flows[i]);
    sw->flows.flows[i] = sw->flows.flows[--sw->flows.n];
}

static bool same_place(const struct flow *a, const struct flow *b)
{
    return a->table == b->table && a->priority == b->priority && match_equal(&a->match, &b->match);
}

static void change(struct sim_switch *sw, const struct flow_mod *mod)
{
    for (size_t i = sw->flows.n; i-- > 0;) {
        const struct flow *held = &sw->flows.flows[i];
        bool hit = mod->command == FLOW_DELETE ?
                       (mod->flow.table == FLOW_TABLE_ALL || mod->flow.table == held->table) &&
                           (held->cookie & mod->cookie_mask) == (mod->flow.cookie & mod->cookie_mask) :
                       same_place(held, &mod->flow);

        if (hit)
            remove_flow(sw, i);
    }
    if (mod->command == FLOW_ADD)
        flow_list_add(&sw->flows, flow_copy(&mod->flow));
}

static void set_meter(struct sim_switch *sw, const struct flow_meter *meter)
{
    size_t i = 0;

    while (i < sw->n_meters && sw->meters[i].id != meter->id)
        i++;
    if (i == sw->n_meters && i < ARRAY_LEN(sw->meters))
        sw->n_meters++;
    sw->meters[i] = *meter;
}

static void delete_meter(struct sim_switch *sw, uint32_t id)
{
    for (size_t i = 0; i < sw->n_meters; i++) {
        if (sw->meters[i].id == id)
            sw->meters[i] = sw->meters[--sw->n_meters];
    }
}

static void carry_out(struct sim_switch *sw, const struct flow_txn *txn)
{
    sw->version++;
    for (size_t i = 0; i < txn->n_meters_add; i++)
        set_meter(sw, &txn->meters_add[i]);
    for (size_t i = 0; i < txn->n_mods; i++)
        change(sw, &txn->mods[i]);
    for (size_t i = 0; i < txn->n_meters_delete; i++)
        delete_meter(sw, txn->meters_delete[i]);
}

/* ---- orders ---- */

static void free_order(struct world *world, void *arg)
{
    struct order_to_switch *order = arg;

    (void) world;
    flow_txn_free(&order->txn);
    free(order);
}

static bool has_connections(const struct flow_txn *txn)
{
    bool has = false;

    for (size_t i = 0; i < txn->n_mods; i++)
        has |= txn->mods[i].command == FLOW_ADD && txn->mods[i].flow.table >= TOR_STATE_FROM;
    return has;
}

/* A VM whose flows its ToR does not take may be cut off, and its connections with it. */
static bool may_cut_off(const struct site *site, const struct flow_txn *txn)
{
    const struct world *world = site->world;
    bool may = false;

    for (unsigned v = 0; v < world->n_vms; v++) {
        for (size_t i = 0; i < txn->n_mods && world->vms[v].at == site; i++)
            may |= txn->mods[i].command == FLOW_ADD && txn->mods[i].flow.cookie == cookie_of_vm(world->vms[v].vm.uuid);
    }
    return may;
}

static void reach_switch(struct world *world, void *arg)
{
    struct order_to_switch *order = arg;
    struct site *site = order->site;
    int64_t back = 1 + chance(world, 20);

    if (order->sw->off) {
        deliver_done(site, back, order->request, ERR_UNKNOWN, "the dummy switch went away");
    } else if (fault(world, world->percent_refused)) {
        world->forgets |= has_connections(&order->txn);
        world->cuts_off |= may_cut_off(site, &order->txn);
        deliver_done(site, back, order->request, ERR_REFUSED, "the dummy switch refuses");
    } else {
        tell(world, site, "%s takes %zu changes", order->sw->name, order->txn.n_mods);
        carry_out(order->sw, &order->txn);
        if (fault(world, world->percent_lost))
            deliver_done(site, 10000, order->request, ERR_UNKNOWN, "the dummy switch did not answer");
        else
            deliver_done(site, back, order->request, 0, NULL);
    }
    free_order(world, order);
}

static void apply(struct switch_driver *driver, uint64_t request, const char *name, struct flow_txn *txn)
{
    struct site *site = site_of_switches(driver);
    struct order_to_switch *order = xcalloc(1, sizeof *order);

    maybe_crash(site);
    *order = (struct order_to_switch) {site, device(site, name), request, *txn};
    *txn = (struct flow_txn) {0};
    if (site->cut) {
        free_order(site->world, order);
        return;
    }
    if (order->sw->off || fault(site->world, site->world->percent_lost)) {
        deliver_done(site, 100, request, ERR_UNREACHABLE, "the dummy switch is away");
        free_order(site->world, order);
    } else {
        /* What has left reaches the switch even if the gateway dies meanwhile. */
        int64_t at = site->world->now + 1 + chance(site->world, 30);

        if (at <= order->sw->busy_until)
            at = order->sw->busy_until + 1;
        order->sw->busy_until = at;
        world_at(site->world, at - site->world->now, site, false, reach_switch, order, free_order);
    }
    maybe_crash(site);
}

static void read_flows(struct switch_driver *driver, uint64_t request, const char *name,
                       const struct switch_query *query)
{
    struct site *site = site_of_switches(driver);
    struct sim_switch *sw = device(site, name);
    struct event event = {.type = EVENT_DONE, .request = request, .owns = EVENT_OWNS_READ};

    maybe_crash(site);
    if (site->cut)
        return;
    if (sw->off || fault(site->world, site->world->percent_lost)) {
        deliver_done(site, 10000, request, ERR_TIMEOUT, "the dummy switch did not answer");
        return;
    }
    for (size_t i = 0; i < sw->flows.n; i++) {
        const struct flow *flow = &sw->flows.flows[i];

        if ((query->table == FLOW_TABLE_ALL || flow->table == query->table) &&
            (flow->cookie & query->mask) == (query->cookie & query->mask) &&
            (!query->keep || query->keep(query->arg, flow)))
            flow_list_add(&event.read.flows, flow_copy(flow));
    }
    event.read.meters = xmemdup(sw->meters, sw->n_meters * sizeof *sw->meters);
    event.read.n_meters = sw->n_meters;
    deliver(site, 1 + chance(site->world, 30), event);
}

static void packet_out(struct switch_driver *driver, const char *name, uint32_t port, const void *frame, size_t size)
{
    (void) driver;
    (void) name;
    (void) port;
    (void) frame;
    (void) size;
}

/* What the flows send to the controller comes back, unless it is lost. */
static void inject(struct switch_driver *driver, const char *name, const struct switch_injection *injection)
{
    struct site *site = site_of_switches(driver);
    struct sim_switch *sw = device(site, name);
    const struct flow way = {.actions = (struct flow_action *) (uintptr_t) injection->actions,
                             .n_actions = (uint16_t) injection->n_actions};
    struct event event = {.type = EVENT_PACKET, .owns = EVENT_OWNS_PACKET};

    if (site->cut || sw->off || fault(site->world, site->world->percent_lost))
        return;

    struct flow_walk walk = flow_walk(&sw->flows, injection->in_port, &way, injection->frame, injection->size);
    if (walk.outputs && site->world->broken.code == 0)
        err_set(&site->world->broken, ERR_INTERNAL, "14: %s: a probe packet leaves %s", site->dc, name);
    if (!walk.to_controller)
        return;
    name_copy(event.name, name);
    event.packet.port = injection->in_port;
    event.packet.cookie = walk.to_controller->cookie;
    event.packet.frame = xmemdup(walk.frame, walk.size);
    event.packet.size = walk.size;
    deliver(site, 5, event);
}

static void free_driver(struct switch_driver *driver)
{
    (void) driver;
}

/* No policy of the simulation has a queue. */
static void set_queues(struct switch_driver *driver, uint64_t request, const char *name,
                       const struct switch_queue_set *set)
{
    struct site *site = site_of_switches(driver);
    (void) name;
    (void) set;

    if (!site->cut)
        deliver_done(site, 1, request, 0, NULL);
}

static const struct switch_ops switch_ops = {.apply = apply,
                                             .set_queues = set_queues,
                                             .read = read_flows,
                                             .packet_out = packet_out,
                                             .inject = inject,
                                             .free = free_driver};

/* ---- routes ---- */

static struct site *site_of_routes(struct routes_driver *driver)
{
    return (struct site *) ((char *) driver - offsetof(struct site, routes));
}

static void set_routes(struct routes_driver *driver, uint64_t request, const struct ip *hosts, size_t n)
{
    struct site *site = site_of_routes(driver);

    maybe_crash(site);
    if (site->cut)
        return;
    if (fault(site->world, site->world->percent_lost)) {
        deliver_done(site, 50, request, ERR_UNREACHABLE, "the dummy BIRD is away");
        return;
    }
    for (size_t i = 0; i < n; i++)
        site->routes_set[i] = hosts[i];
    site->n_routes = n;
    tell(site->world, site, "%zu host routes", n);
    deliver_done(site, 5 + chance(site->world, 20), request, 0, NULL);
    maybe_crash(site);
}

static void free_routes(struct routes_driver *driver)
{
    (void) driver;
}

static const struct routes_ops routes_ops = {.set = set_routes, .free = free_routes};

/* ---- life ---- */

void devices_init(struct site *site)
{
    site->switches.ops = &switch_ops;
    site->routes.ops = &routes_ops;
    fabric_init(site);
}
