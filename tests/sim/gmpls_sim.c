/* SPDX-License-Identifier: Apache-2.0 */
/* gmpls_sim [--seeds N] [--first S] | --seed S | --rate: runs seeds one after another; --seed tells the whole story of
 * one; --rate measures set-up in memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "gmpls_world.h"
#include "seeds.h"

#define SETTLE_MS 100000     /* longer than any timer of theirs runs */
#define SETTLE_SOON_MS 10000 /* shorter than the lifetime of soft state, longer than a set-up may take */
#define COOKIE_INITIATE(l) (2 * (uint64_t) (l) + 2)
#define COOKIE_REMOVE(l) (2 * (uint64_t) (l) + 3)

/* ---- askers ---- */

static struct net_lsp *lsp_named(struct net *net, const char *name)
{
    size_t l = (size_t) strtoul(name + 1, NULL, 10);

    return l < net->n_lsps ? &net->lsps[l] : NULL;
}

void asker_told(struct net *net, uint32_t n, const struct lsp_report *report, uint64_t cookie)
{
    struct net_lsp *lsp = lsp_named(net, report->name);
    AUTO_FREE char *error = lsp_error_format(&report->error);

    net_tell(net, "%u reports %s %s%s%s%s", n, report->name, lsp_state_name(report->state),
             report->removed ? " removed" : "", report->error.code ? ": " : "", report->error.code ? error : "");
    if (!lsp || lsp->ingress != n) {
        net_break(net, "5: node %u reports an LSP %s that nobody asked of it", n, report->name);
        return;
    }
    if (cookie == COOKIE_INITIATE(lsp - net->lsps))
        lsp->answered++;
    else if (cookie == COOKIE_REMOVE(lsp - net->lsps))
        lsp->removals_answered++;
    else if (cookie)
        net_break(net, "5: node %u answers with an unknown cookie", n);
    if (cookie && (report->state == LSP_GOING_UP || report->state == LSP_GOING_DOWN))
        net_break(net, "5: LSP %s: an answer that is none", report->name);
    net->reached_up += report->state == LSP_UP && cookie;
    net->refused += report->removed && !lsp->up && report->error.code;
    net->failed += report->removed && lsp->up && report->error.code;
    lsp->up |= report->state == LSP_UP;
    lsp->gone |= report->removed;
}

struct sync {
    struct net *net;
    uint32_t n;
};

static void is_there(void *arg, const struct lsp_report *report)
{
    struct sync *sync = arg;
    struct net_lsp *lsp = lsp_named(sync->net, report->name);

    if (!lsp || lsp->ingress != sync->n || lsp->gone)
        net_break(sync->net, "5: node %u has LSP %s again", sync->n, report->name);
    else
        lsp->up = lsp->gone = true; /* see asker_sync() */
}

/* After a restart: what the node still has is there, anything else is gone. */
void asker_sync(struct net *net, uint32_t n)
{
    struct sync sync = {net, n};

    for (size_t l = 0; l < net->n_lsps; l++) {
        if (net->lsps[l].ingress == n)
            net->lsps[l].up = false;
    }
    node_report_each(net->nodes[n].node, is_there, &sync);
    for (size_t l = 0; l < net->n_lsps; l++) {
        if (net->lsps[l].ingress == n)
            net->lsps[l].gone = !net->lsps[l].up;
    }
}

/* ---- requests ---- */

static bool breadth_first(struct net *net, uint32_t from, uint32_t to, bool avoid, uint32_t *by)
{
    AUTO_FREE uint32_t *queue = xcalloc(net->n_nodes, sizeof *queue);
    size_t first = 0, n = 0;

    for (size_t i = 0; i < net->n_nodes; i++)
        by[i] = UINT32_MAX;
    queue[n++] = from;
    while (first < n) {
        uint32_t at = queue[first++];
        const struct net_node *node = &net->nodes[at];
        size_t start = net_chance(net, (uint32_t) node->n_links);

        for (size_t i = 0; i < node->n_links; i++) {
            size_t l = (start + i) % node->n_links;
            const struct net_cable *cable = &net->cables[node->cables[l]];
            uint32_t next = cable->nodes[1 - node->ends[l]];

            if (next == from || by[next] != UINT32_MAX || (avoid && !(cable->data_up && cable->control_up)))
                continue;
            by[next] = node->cables[l];
            queue[n++] = next;
        }
    }
    return by[to] != UINT32_MAX;
}

static bool random_route(struct net *net, uint32_t from, uint32_t to, struct lsp_route *route)
{
    AUTO_FREE uint32_t *by = xcalloc(net->n_nodes, sizeof *by);
    struct lsp_hop hops[LSP_HOPS_MAX];
    size_t n = 0;

    if (!breadth_first(net, from, to, net_chance(net, 5) != 0, by))
        return false;
    while (to != from) {
        const struct net_cable *cable = &net->cables[by[to]];
        int end = cable->nodes[0] == to ? 0 : 1;

        hops[n++] = (struct lsp_hop) {.type = HOP_IPV4, .address = topology_address(by[to], end), .length = 32};
        to = cable->nodes[1 - end];
    }
    while (n > 0)
        lsp_route_add(route, hops[--n]);
    return true;
}

/* Now and then a request that somebody on the way must refuse. */
static void spoil(struct net *net, struct lsp_request *request)
{
    struct lsp_route *route = &request->route;

    switch (net_chance(net, 30)) {
    case 0: /* back to where it came from */
        if (route->n > 1)
            route->hops[route->n - 1] = route->hops[0];
        break;
    case 1: /* a hop that nobody has */
        route->hops[net_chance(net, (uint32_t) route->n)].address ^= 0x40000000;
        break;
    case 2:
        request->egress_client.interface = 77;
        break;
    case 3:
        request->egress_client.vlan = 4095;
        break;
    case 4: /* the last is not the egress */
        route->n--;
        break;
    default:
        break;
    }
}

/* A new LSP; or one that is gone is asked for again, under its name. */
static struct net_lsp *lsp_to_ask_for(struct net *net, uint32_t from, uint32_t to)
{
    size_t l = net->n_lsps ? net_chance(net, (uint32_t) (2 * net->n_lsps)) : 0;
    struct net_lsp *lsp;

    if (l >= net->n_lsps || !net->lsps[l].gone || !net->nodes[net->lsps[l].ingress].node) {
        l = net->n_lsps;
        net->lsps = array_reserve(net->lsps, net->n_lsps, &net->cap_lsps, sizeof *net->lsps);
        net->lsps[net->n_lsps++] = (struct net_lsp) {.ingress = from, .egress = to};
    }
    lsp = &net->lsps[l];
    *lsp = (struct net_lsp) {
        .ingress = lsp->ingress, .egress = lsp->egress, .life = net->nodes[lsp->ingress].life, .asked = 1};
    snprintf(lsp->name, sizeof lsp->name, "l%zu", l);
    net->asked++;
    return lsp;
}

static struct lsp_request random_request(struct net *net, const struct net_lsp *lsp)
{
    struct lsp_request request = {.ingress = net->nodes[lsp->ingress].router,
                                  .egress = net->nodes[lsp->egress].router,
                                  .ingress_client = {CLIENT_PORT_VLAN, CLIENT_VLAN_ANY},
                                  .egress_client = {CLIENT_PORT_VLAN, CLIENT_VLAN_ANY},
                                  .bandwidth_bps = (uint64_t) (1 + net_chance(net, 8)) * 50000000,
                                  .setup_priority = (uint8_t) net_chance(net, 8)};

    memcpy(request.name, lsp->name, sizeof request.name);
    request.holding_priority = (uint8_t) net_chance(net, request.setup_priority + 1u);
    if (net_chance(net, 3) == 0)
        request.egress_client.interface = CLIENT_PORT_BRIDGE;
    if (net_chance(net, 8) == 0)
        request.ingress_client.vlan = (uint16_t) (1 + net_chance(net, 200));
    if (random_route(net, lsp->ingress, lsp->egress, &request.route))
        spoil(net, &request);
    return request;
}

static void initiate(struct net *net)
{
    uint32_t from = net_chance(net, net->n_busy), to = net_chance(net, net->n_busy);
    struct lsp_request request;
    struct net_lsp *lsp;
    struct err err = {0};

    if (from == to || !net->nodes[from].node)
        return;
    lsp = lsp_to_ask_for(net, from, to);
    from = lsp->ingress;
    request = random_request(net, lsp);
    net_tell(net, "%u is asked for %s to %u, %llu Mbit/s, priorities %u %u", from, lsp->name, lsp->egress,
             (unsigned long long) request.bandwidth_bps / 1000000, request.setup_priority, request.holding_priority);
    if (node_initiate(net->nodes[from].node, &request, COOKIE_INITIATE(lsp - net->lsps), net_now(net), &err)) {
        net_tell(net, "%u refuses: %s", from, err.text);
        lsp->asked = 0;
        lsp->gone = true;
    }
    net_drain(net, from);
    lsp_request_free(&request);
}

static void remove_lsp(struct net *net, size_t l, bool force)
{
    struct net_lsp *lsp = &net->lsps[l];
    struct net_node *node = &net->nodes[lsp->ingress];
    struct err err = {0};

    if (lsp->gone || !node->node)
        return;
    net_tell(net, "%u is asked to remove %s%s", lsp->ingress, lsp->name, force ? " by force" : "");
    lsp->removals++;
    if (node_remove(node->node, lsp->name, force, COOKIE_REMOVE(l), net_now(net), &err))
        lsp->removals--;
    net_drain(net, lsp->ingress);
}

/* ---- the run of a seed ---- */

/* 'reliable': only what is noticed at once fails, so that nothing may need a timer to be put right. */
static void cut_cable(struct net *net, bool reliable)
{
    uint32_t c = net_chance(net, (uint32_t) net->n_cables);
    unsigned what = reliable ? 1 : 1 + net_chance(net, 3); /* data plane, control channel, both */

    net->cuts++;
    net_cable_set(net, c, !(what & 1), !(what & 2));
    net_at(net, 200 + net_chance(net, 20000), HAPPENS_CABLE, c)->b = 3;
    if (what & 2) /* what is removed now, the other end does not hear of */
        net_run(net, net_chance(net, 4000));
}

static void client_flaps(struct net *net)
{
    uint32_t n = net_chance(net, (uint32_t) net->n_nodes);

    for (int up = 0; up < 2 && net->nodes[n].node; up++) {
        node_client(net->nodes[n].node, CLIENT_PORT_VLAN, up, net_now(net));
        net_drain(net, n);
    }
}

static void remove_some(struct net *net)
{
    for (uint32_t n = net->n_lsps ? 1 + net_chance(net, 3) : 0; n > 0; n--)
        remove_lsp(net, net_chance(net, (uint32_t) net->n_lsps), net_chance(net, 4) == 0);
}

static void disturb(struct net *net, bool reliable)
{
    uint32_t dice = net_chance(net, 100);

    if (dice < 60) {
        initiate(net);
    } else if (dice < 75) {
        remove_some(net);
    } else if (dice < 84 && !reliable) {
        uint32_t n = net_chance(net, (uint32_t) net->n_nodes);

        if (net->nodes[n].node)
            net_crash(net, n, 100 + net_chance(net, 20000));
    } else if (dice < 96) {
        cut_cable(net, reliable);
        if (net_chance(net, 2))
            remove_some(net);
    } else {
        client_flaps(net);
    }
}

static const char *const networks[] = {"abilene", "geant2012", "abilene", "nobel-eu",
                                       "abilene", "geant2012", "cogentco"};

static void choose_faults(struct net *net, bool reliable)
{
    static const unsigned lost[] = {0, 2, 10, 30}, twice[] = {0, 5, 20}, refused[] = {0, 0, 3};
    static const int64_t delay[] = {1, 10, 50, 300};

    net->percent_refused = refused[net_chance(net, ARRAY_LEN(refused))];
    net->delay_max = delay[net_chance(net, reliable ? 3 : ARRAY_LEN(delay))];
    net->faults_until = INT64_MAX;
    if (reliable)
        return;
    net->percent_lost = lost[net_chance(net, ARRAY_LEN(lost))];
    net->percent_twice = twice[net_chance(net, ARRAY_LEN(twice))];
    net->crash_within = true;
}

static void remove_all(struct net *net, int64_t settle_ms)
{
    for (size_t l = 0; l < net->n_lsps && net->broken.code == 0; l++)
        remove_lsp(net, l, net_chance(net, 4) == 0);
    net_run(net, settle_ms);
}

static void run_seed(struct net *net)
{
    bool reliable = net->seed % 4 == 0;
    int64_t settle_ms = reliable ? SETTLE_SOON_MS : SETTLE_MS;
    unsigned happenings = 30 + net_chance(net, 120);

    /* Where all want to go, they are in each other's way. */
    net->n_busy = net_chance(net, 2) ? 4 : (uint32_t) net->n_nodes;
    net_start(net);
    choose_faults(net, reliable);
    for (unsigned h = 0; h < happenings && net->broken.code == 0; h++) {
        net_run(net, net_chance(net, 10) ? net_chance(net, 300) : net_chance(net, 5000));
        if (net->broken.code == 0)
            disturb(net, reliable);
    }
    net->faults_until = net->now;
    net->delay_max = 5;
    net_tell(net, "no more faults");
    net_run(net, settle_ms);
    if (net->broken.code == 0)
        check_quiet(net);
    for (unsigned i = 0; i < 5 && net->broken.code == 0; i++)
        initiate(net);
    net_run(net, settle_ms / 2);
    if (net->broken.code == 0)
        check_quiet(net);
    if (net->broken.code == 0)
        remove_all(net, settle_ms);
    if (net->broken.code == 0)
        check_empty(net);
}

struct totals {
    uint64_t happenings, lsps, up, refused, failed, crashes, cuts, expired, recovered, adopted, preempted;
};

static void add_counters(const struct net *net, struct totals *totals)
{
    for (size_t n = 0; n < net->n_nodes; n++) {
        const struct node_counters *counters = net->nodes[n].node ? node_counters(net->nodes[n].node) : NULL;

        totals->expired += counters ? counters->expired : 0;
        totals->recovered += counters ? counters->recovered : 0;
        totals->adopted += counters ? counters->adopted : 0;
        totals->preempted += counters ? counters->preempted : 0;
    }
}

static bool simulate(uint64_t seed, bool trace, struct totals *totals)
{
    struct net *net = xcalloc(1, sizeof *net);
    bool good;

    net_init(net, seed, networks[seed % ARRAY_LEN(networks)], trace);
    run_seed(net);
    good = net->broken.code == 0;
    if (!good)
        printf("seed %llu (%s) broke %s\n", (unsigned long long) seed, networks[seed % ARRAY_LEN(networks)],
               net->broken.text);
    totals->happenings += net->happenings;
    totals->lsps += net->asked;
    totals->up += net->reached_up;
    totals->refused += net->refused;
    totals->failed += net->failed;
    totals->crashes += net->crashes;
    totals->cuts += net->cuts;
    add_counters(net, totals);
    net_free(net);
    free(net);
    return good;
}

int main(int argc, char **argv)
{
    struct seeds seeds = {.first = 1, .n = 100};
    uint64_t passed = 0, failed = 0;
    struct totals totals = {0};

    if (argc == 2 && strcmp(argv[1], "--rate") == 0) {
        rate_print();
        return 0;
    }
    if (!seeds_read("gmpls_sim", argc, argv, &seeds))
        return 2;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.n; seed++) {
        if (simulate(seed, seeds.trace, &totals))
            passed++;
        else
            failed++;
    }
    printf("%llu happenings, %llu crashes, %llu cables cut; %llu LSPs asked for: %llu came up, %llu were refused, %llu "
           "failed later; at single nodes %llu were preempted, %llu timed out, %llu recovered, %llu without "
           "a record\n",
           (unsigned long long) totals.happenings, (unsigned long long) totals.crashes,
           (unsigned long long) totals.cuts, (unsigned long long) totals.lsps, (unsigned long long) totals.up,
           (unsigned long long) totals.refused, (unsigned long long) totals.failed,
           (unsigned long long) totals.preempted, (unsigned long long) totals.expired,
           (unsigned long long) totals.recovered, (unsigned long long) totals.adopted);
    printf("%llu passed, %llu failed\n", (unsigned long long) passed, (unsigned long long) failed);
    return failed ? 1 : 0;
}
