/* SPDX-License-Identifier: Apache-2.0 */
/* Dummy transport network of both data centers: one in which every PE and the user's PE hang off two nodes, t1 and t2.
 * It holds LSPs, which outlive the gateways that wanted them; what is ordered happens after a while, is refused by a
 * link of its path, is lost, or is done and not answered. An LSP may fail by itself. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "world.h"

#define ROUTER_T1 21u
#define ROUTER_T2 22u
#define ROUTER_CE 15u
#define AREA 1u
#define CAPACITY_BPS UINT64_C(10000000000)

static const uint32_t leaves[] = {SIM_ROUTER_PE_A, SIM_ROUTER_GATE_A, SIM_ROUTER_PE_B, SIM_ROUTER_GATE_B, ROUTER_CE};
static const uint32_t hubs[] = {ROUTER_T1, ROUTER_T2};

struct order_to_ingress {
    struct site *site;
    uint64_t request;
    bool remove;
    struct lsp_request lsp; /* a removal has only ingress and name */
};

static struct site *site_of(struct transport_driver *driver)
{
    return (struct site *) ((char *) driver - offsetof(struct site, transport));
}

static uint32_t address_of(uint32_t from, uint32_t to)
{
    return 0x0a000000 | from << 8 | to;
}

static struct sim_lsp *find(struct world *world, uint32_t ingress, const char *name)
{
    for (size_t i = 0; i < world->n_lsps; i++) {
        if (world->lsps[i].report.ingress == ingress && strcmp(world->lsps[i].report.name, name) == 0)
            return &world->lsps[i];
    }
    return NULL;
}

bool lsp_stands(struct world *world, uint32_t ingress, const char *begin)
{
    for (size_t i = 0; i < world->n_lsps; i++) {
        if (world->lsps[i].report.ingress == ingress && strncmp(world->lsps[i].report.name, begin, strlen(begin)) == 0)
            return true;
    }
    return false;
}

static uint16_t free_vlan(struct world *world, uint32_t router)
{
    uint16_t vlan = 200;

    for (size_t i = 0; i < world->n_lsps; i++) {
        const struct lsp_report *report = &world->lsps[i].report;

        if ((report->ingress == router && report->ingress_client.vlan == vlan) ||
            (report->egress == router && report->egress_client.vlan == vlan)) {
            vlan++;
            i = SIZE_MAX; /* from the start again */
        }
    }
    return vlan;
}

static void choose_vlan(struct world *world, uint32_t router, struct lsp_client *client)
{
    if (client->vlan == CLIENT_VLAN_ANY)
        client->vlan = free_vlan(world, router);
}

static struct event report_event(const struct lsp_report *report)
{
    struct event event = {.type = EVENT_LSP, .owns = EVENT_OWNS_LSP};

    event.lsp = lsp_report_copy(report);
    return event;
}

static void remove_at(struct world *world, size_t i)
{
    lsp_report_free(&world->lsps[i].report);
    world->lsps[i] = world->lsps[--world->n_lsps];
}

/* ---- orders ---- */

static void free_order(struct world *world, void *arg)
{
    struct order_to_ingress *order = arg;

    (void) world;
    lsp_request_free(&order->lsp);
    free(order);
}

static void answer(struct order_to_ingress *order, int code, const char *text, const struct lsp_report *report)
{
    struct event event = {.type = EVENT_DONE, .request = order->request};

    if (code)
        err_set(&event.err, code, "%s", text);
    if (report) {
        event.lsp = lsp_report_copy(report);
        event.owns = EVENT_OWNS_LSP;
    }
    deliver(order->site, 1 + chance(order->site->world, 20), event);
}

/* One link of the path has no room: which one, the error says. */
static void refuse(struct world *world, struct order_to_ingress *order)
{
    struct lsp_report report = {.state = LSP_DOWN, .removed = true};
    const struct lsp_route *route = &order->lsp.route;
    const struct lsp_hop *hop = &route->hops[chance(world, (uint32_t) route->n)];

    snprintf(report.name, sizeof report.name, "%s", order->lsp.name);
    report.ingress = order->lsp.ingress;
    report.error = (struct lsp_error) {
        .node = hop->address >> 8 & 0xff, .code = 1, .value = 2, .interface_ip = hop->address};
    answer(order, ERR_REFUSED, "requested bandwidth unavailable", &report);
}

static void create_lsp(struct world *world, struct order_to_ingress *order)
{
    struct sim_lsp *lsp;

    if (find(world, order->lsp.ingress, order->lsp.name)) {
        answer(order, ERR_EXISTS, "there is an LSP of that name", NULL);
        return;
    }
    if (order->lsp.route.n == 0) {
        err_set(&world->broken, ERR_INTERNAL, "8: LSP %s is asked for without a route", order->lsp.name);
        return;
    }
    if (fault(world, world->percent_refused * 3)) {
        refuse(world, order);
        return;
    }
    world->lsps = array_reserve(world->lsps, world->n_lsps, &world->cap_lsps, sizeof *world->lsps);
    struct lsp_report report = {.ingress = order->lsp.ingress,
                                .egress = order->lsp.egress,
                                .state = LSP_UP,
                                .bandwidth_bps = order->lsp.bandwidth_bps,
                                .ingress_client = order->lsp.ingress_client,
                                .egress_client = order->lsp.egress_client};
    snprintf(report.name, sizeof report.name, "%s", order->lsp.name);
    choose_vlan(world, report.ingress, &report.ingress_client);
    choose_vlan(world, report.egress, &report.egress_client);
    report.record = lsp_route_copy(&order->lsp.route);
    lsp = &world->lsps[world->n_lsps++];
    lsp->report = report;
    tell(world, order->site, "LSP %s is up", report.name);
    if (fault(world, world->percent_lost))
        answer(order, ERR_UNKNOWN, "the dummy ingress did not answer", NULL);
    else
        answer(order, 0, NULL, &report);
}

static void remove_lsp(struct world *world, struct order_to_ingress *order)
{
    struct sim_lsp *lsp = find(world, order->lsp.ingress, order->lsp.name);

    if (fault(world, world->percent_refused)) {
        answer(order, ERR_REFUSED, "the dummy ingress refuses", NULL);
        return;
    }
    if (lsp) {
        tell(world, order->site, "LSP %s is removed", lsp->report.name);
        remove_at(world, (size_t) (lsp - world->lsps));
    }
    if (fault(world, world->percent_lost))
        answer(order, ERR_UNKNOWN, "the dummy ingress did not answer", NULL);
    else
        answer(order, 0, NULL, NULL);
}

static void reach_ingress(struct world *world, void *arg)
{
    struct order_to_ingress *order = arg;

    (order->remove ? remove_lsp : create_lsp)(world, order);
    free_order(world, order);
}

static void send(struct site *site, struct order_to_ingress order)
{
    struct order_to_ingress *copy = xmemdup(&order, sizeof order);
    struct world *world = site->world;
    int64_t at = world->now + 1 + chance(world, 60);

    maybe_crash(site);
    if (site->cut) {
        free_order(world, copy);
        return;
    }
    if (fault(world, world->percent_lost)) {
        deliver_done(site, 10, order.request, ERR_UNREACHABLE, "the dummy ingress is away");
        free_order(world, copy);
        return;
    }
    at = at > site->ingress_busy_until ? at : site->ingress_busy_until + 1;
    site->ingress_busy_until = at;
    world_at(world, at - world->now, site, false, reach_ingress, copy, free_order);
    maybe_crash(site);
}

static void create(struct transport_driver *driver, uint64_t request, const struct lsp_request *lsp)
{
    struct site *site = site_of(driver);

    send(site, (struct order_to_ingress) {site, request, false, lsp_request_copy(lsp)});
}

static void remove_order(struct transport_driver *driver, uint64_t request, uint32_t ingress, const char *name)
{
    struct site *site = site_of(driver);
    struct order_to_ingress order = {.site = site, .request = request, .remove = true};

    order.lsp.ingress = ingress;
    snprintf(order.lsp.name, sizeof order.lsp.name, "%s", name);
    send(site, order);
}

static void free_driver(struct transport_driver *driver)
{
    (void) driver;
}

static const struct transport_ops ops = {.create = create, .remove = remove_order, .free = free_driver};

void transport_init(struct site *site)
{
    site->transport.ops = &ops;
}

/* ---- what it says by itself ---- */

static void tell_link(struct site *site, uint32_t from, uint32_t to, uint32_t metric)
{
    struct event event = {.type = EVENT_TE_LINK};

    event.te_link = (struct te_link) {.key = {AREA, from, address_of(from, to), 0},
                                      .to = to,
                                      .remote_ip = address_of(to, from),
                                      .metric = metric,
                                      .delay_us = TE_DELAY_NONE,
                                      .max_bps = CAPACITY_BPS,
                                      .reservable_bps = CAPACITY_BPS};
    for (unsigned p = 0; p < TE_PRIORITIES; p++)
        event.te_link.unreserved_bps[p] = CAPACITY_BPS;
    deliver(site, 1 + chance(site->world, 200), event);
}

static void tell_ingress(struct world *world, void *arg)
{
    struct site *site = arg;
    const uint32_t routers[] = {site == &world->sites[0] ? SIM_ROUTER_PE_A : SIM_ROUTER_PE_B,
                                site == &world->sites[0] ? SIM_ROUTER_GATE_A : SIM_ROUTER_GATE_B};

    for (unsigned r = 0; r < ARRAY_LEN(routers); r++) {
        struct event up = {.type = EVENT_INGRESS_UP};

        for (size_t i = 0; i < world->n_lsps; i++) {
            if (world->lsps[i].report.ingress == routers[r])
                deliver(site, 1, report_event(&world->lsps[i].report));
        }
        up.router = routers[r];
        deliver(site, 2, up);
    }
}

void transport_tell_all(struct site *site)
{
    struct event synced = {.type = EVENT_TE_SYNCED};

    if (!site->config.transport)
        return;
    for (size_t l = 0; l < ARRAY_LEN(leaves); l++) {
        for (size_t h = 0; h < ARRAY_LEN(hubs); h++) {
            tell_link(site, leaves[l], hubs[h], 10 + (uint32_t) h);
            tell_link(site, hubs[h], leaves[l], 10 + (uint32_t) h);
        }
    }
    tell_link(site, ROUTER_T1, ROUTER_T2, 10);
    tell_link(site, ROUTER_T2, ROUTER_T1, 10);
    deliver(site, 250, synced);
    world_at(site->world, 1 + chance(site->world, 3000), site, true, tell_ingress, site, NULL);
}

void lsp_fails(struct world *world)
{
    if (world->n_lsps == 0)
        return;

    size_t i = chance(world, (uint32_t) world->n_lsps);
    struct lsp_report *report = &world->lsps[i].report;
    uint32_t hop = report->record.hops[chance(world, (uint32_t) report->record.n)].address;
    struct site *site = &world->sites[report->ingress == SIM_ROUTER_PE_B || report->ingress == SIM_ROUTER_GATE_B];

    tell(world, site, "LSP %s fails", report->name);
    world->lsp_failed = true;
    report->state = LSP_DOWN;
    report->removed = true;
    report->error = (struct lsp_error) {.node = hop >> 8 & 0xff, .code = 25, .value = 9, .interface_ip = hop};
    if (site->gateway)
        deliver(site, 1, report_event(report));
    remove_at(world, i);
}
