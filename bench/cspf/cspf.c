/* SPDX-License-Identifier: Apache-2.0 */
/* Times path computation beside a textbook's and igraph's, on the same queries, and holds their costs against each
 * other.
 *
 * usage: cspf NODES|TOPOLOGY ROUNDS QUERIES SEED
 *
 * NODES of a random network, or the name of one of tests/data/topologies. Prints JSON: nodes, links, what making our
 * graph and its landmarks took, for each round the time of each query on each side in nanoseconds, and what a change of
 * a link's bandwidth took us. Ends with status 1 if two sides disagree. */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "core/path.h"
#include "sides.h"
#include "topology/topology.h"

#define GBPS 1000000000ull
#define CHANGES 10000 /* of a link's bandwidth, after all rounds */
#define WARM_UP 32    /* queries before the clock starts: caches, and our landmarks, one a query */

static const struct side *const sides[] = {&side_ours, &side_textbook, &side_igraph};
static const char *const keys[] = {"ours", "textbook", "igraph"};
/* What is asked for. Links have 1 to 10 Gbit/s free, evenly, so that 10, 20 and 30 % of them have less. */
static const uint64_t rates[] = {2 * GBPS, 3 * GBPS, 4 * GBPS};

struct bench {
    struct topology topology;
    struct te_link *links;
    size_t n_links;
    void *states[ARRAY_LEN(sides)];
    uint64_t make_ns[ARRAY_LEN(sides)];
    size_t make_bytes[ARRAY_LEN(sides)];
    uint64_t warm_ns; /* of ours, all queries of the warm-up */
    uint64_t seed;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Both directions of a cable have the same free bandwidth. */
static void load_links(struct bench *bench)
{
    size_t n_cables = bench->topology.n_links;
    AUTO_FREE uint64_t *free_bps = xcalloc(n_cables, sizeof(*free_bps));
    for (size_t i = 0; i < n_cables; i++)
        free_bps[i] = (1 + topology_random_below(&bench->seed, 10)) * GBPS;
    bench->links = topology_links(&bench->topology, 0, 10 * GBPS, &bench->n_links);
    for (size_t i = 0; i < bench->n_links; i++) {
        size_t cable = (bench->links[i].key.local_ip - topology_address(0, 0)) / 4;
        for (int p = 0; p < TE_PRIORITIES; p++)
            bench->links[i].unreserved_bps[p] = free_bps[cable];
    }
}

static void make_sides(struct bench *bench)
{
    for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
        size_t bytes = heap_bytes();
        uint64_t begin = now_ns();
        bench->states[i] = sides[i]->make(bench->links, bench->n_links, bench->topology.n_nodes, rates,
                                          ARRAY_LEN(rates));
        bench->make_ns[i] = now_ns() - begin;
        bench->make_bytes[i] = heap_bytes() - bytes;
    }
}

/* A pair of nodes with a path between them. */
static struct query draw(struct bench *bench)
{
    for (;;) {
        uint32_t n = (uint32_t) bench->topology.n_nodes;
        struct query query = {.from = topology_random_below(&bench->seed, n),
                              .to = topology_random_below(&bench->seed, n),
                              .bps = rates[topology_random_below(&bench->seed, ARRAY_LEN(rates))]};
        if (query.from != query.to && side_textbook.find(bench->states[1], &query) != COST_NONE)
            return query;
    }
}

/* What a round found: of each side, a value for each query. */
struct found {
    uint64_t *cost[ARRAY_LEN(sides)], *ns[ARRAY_LEN(sides)];
};

/* Each side answers all queries before the next one does. Who begins is another one in each round. */
static void ask(struct bench *bench, const struct query *queries, size_t n, size_t turn, struct found *found)
{
    for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
        size_t side = (turn + i) % ARRAY_LEN(sides);
        for (size_t query = 0; query < n; query++) {
            uint64_t begin = now_ns();
            found->cost[side][query] = sides[side]->find(bench->states[side], &queries[query]);
            found->ns[side][query] = now_ns() - begin;
        }
    }
}

static bool agree(const struct query *queries, size_t n, const struct found *found)
{
    for (size_t side = 1; side < ARRAY_LEN(sides); side++) {
        for (size_t i = 0; i < n; i++) {
            if (found->cost[side][i] == found->cost[0][i])
                continue;
            fprintf(stderr, "from %u to %u with %" PRIu64 " bit/s: cost %" PRIu64 " by %s, %" PRIu64 " by %s\n",
                    queries[i].from, queries[i].to, queries[i].bps, found->cost[0][i], sides[0]->name,
                    found->cost[side][i], sides[side]->name);
            return false;
        }
    }
    return true;
}

static void print(size_t n, const struct found *found)
{
    for (size_t side = 0; side < ARRAY_LEN(sides); side++) {
        printf("%s\"%s\": [", side ? ", " : "{", keys[side]);
        for (size_t i = 0; i < n; i++)
            printf("%s%" PRIu64, i ? ", " : "", found->ns[side][i]);
        printf("]");
    }
    printf("}");
}

/* False: two sides disagree. */
static bool run_round(struct bench *bench, size_t n, size_t turn, uint64_t *ours_ns)
{
    AUTO_FREE struct query *queries = xcalloc(n, sizeof(*queries));
    struct found found;
    for (size_t i = 0; i < n; i++)
        queries[i] = draw(bench);
    for (size_t side = 0; side < ARRAY_LEN(sides); side++) {
        found.cost[side] = xcalloc(n, sizeof(uint64_t));
        found.ns[side] = xcalloc(n, sizeof(uint64_t));
    }
    ask(bench, queries, n, turn, &found);
    bool same = agree(queries, n, &found);
    if (ours_ns) {
        for (size_t i = 0; i < n; i++)
            *ours_ns += found.ns[0][i];
    } else if (same) {
        print(n, &found);
    }
    for (size_t side = 0; side < ARRAY_LEN(sides); side++) {
        free(found.cost[side]);
        free(found.ns[side]);
    }
    return same;
}

/* What it costs us to take in a link's flooded bandwidth: nanoseconds a link. */
static uint64_t time_changes(struct bench *bench)
{
    AUTO_FREE struct te_link *changed = xcalloc(CHANGES, sizeof(*changed));
    for (size_t i = 0; i < CHANGES; i++) {
        changed[i] = bench->links[topology_random_below(&bench->seed, (uint32_t) bench->n_links)];
        for (int p = 0; p < TE_PRIORITIES; p++)
            changed[i].unreserved_bps[p] = topology_random_below(&bench->seed, 10) * GBPS;
    }
    uint64_t begin = now_ns();
    for (size_t i = 0; i < CHANGES; i++)
        path_graph_set(bench->states[0], &changed[i]);
    return (now_ns() - begin) / CHANGES;
}

static bool run(struct bench *bench, size_t rounds, size_t queries)
{
    load_links(bench);
    make_sides(bench);
    size_t bytes = heap_bytes();
    if (!run_round(bench, WARM_UP, 0, &bench->warm_ns))
        return false;
    bench->make_bytes[0] += heap_bytes() - bytes;
    printf("{\"nodes\": %zu, \"links\": %zu, \"make_ns\": %" PRIu64 ", \"warm_queries\": %d, \"warm_ns\": %" PRIu64
           ", \"bytes\": %zu, "
           "\"rounds\": [",
           bench->topology.n_nodes, bench->n_links, bench->make_ns[0], WARM_UP, bench->warm_ns, bench->make_bytes[0]);
    bool same = true;
    for (size_t i = 0; same && i < rounds; i++) {
        printf(i ? ",\n" : "\n");
        same = run_round(bench, queries, i, NULL);
    }
    printf("], \"change_ns\": %" PRIu64 "}\n", time_changes(bench));
    return same;
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    if (argc != 5) {
        fprintf(stderr, "usage: cspf NODES|TOPOLOGY ROUNDS QUERIES SEED\n");
        return 2;
    }
    bench.seed = strtoull(argv[4], NULL, 10);
    size_t nodes = strtoull(argv[1], NULL, 10);
    if (nodes)
        topology_random(&bench.topology, nodes, bench.seed);
    else
        topology_load(&bench.topology, argv[1]);
    bool same = run(&bench, strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    for (size_t i = 0; i < ARRAY_LEN(sides); i++)
        sides[i]->free(bench.states[i]);
    free(bench.links);
    topology_free(&bench.topology);
    return same ? 0 : 1;
}
