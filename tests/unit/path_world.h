/* SPDX-License-Identifier: Apache-2.0 */
/* Small random networks and queries for the tests of path computation, and references that are too simple to be wrong:
 * distances by Bellman and Ford, and everything else by trying all paths. */
#ifndef PATH_WORLD_H
#define PATH_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "core/path.h"
#include "topology/topology.h"

#define AREA 7u
#define MBPS 1000000ull
#define WORLD_LINKS 512
#define WORLD_NODES 64

struct world {
    struct te_link links[WORLD_LINKS];
    size_t n, nodes, cables;
};

static inline uint32_t router(size_t node)
{
    return topology_router(node);
}

static inline size_t node_of(uint32_t router_id)
{
    return router_id - topology_router(0);
}

/* A cable between two nodes; each direction may have another metric and bandwidth. One in four is unnumbered. */
static inline void world_cable(struct world *world, uint64_t *seed, uint32_t a, uint32_t b, uint32_t metrics)
{
    uint32_t cable = (uint32_t) ++world->cables;
    bool numbered = topology_random_below(seed, 4) > 0;
    uint32_t metric = topology_random_below(seed, metrics);
    uint32_t delay = topology_random_below(seed, 12) ? 10 * topology_random_below(seed, 20) : TE_DELAY_NONE;
    for (int end = 0; end < 2; end++) {
        struct te_link *link = &world->links[world->n++];
        *link = (struct te_link) {.key = {.area = AREA, .from = router(end ? b : a)}, .to = router(end ? a : b)};
        link->metric = topology_random_below(seed, 4) ? metric : topology_random_below(seed, metrics);
        link->delay_us = topology_random_below(seed, 8) ? delay : 10 * topology_random_below(seed, 20);
        link->admin_group = topology_random_below(seed, 3) ? 1u << topology_random_below(seed, 3) : 3;
        uint64_t bps = (1 + topology_random_below(seed, 10)) * 100 * MBPS + topology_random_below(seed, 3);
        link->max_bps = link->reservable_bps = 1000 * MBPS;
        for (int p = 0; p < TE_PRIORITIES; p++)
            link->unreserved_bps[p] = p < 4 ? bps : bps - bps / 4;
        if (numbered) {
            link->key.local_ip = topology_address(cable, end);
            link->remote_ip = topology_address(cable, 1 - end);
        } else {
            link->key.local_id = 2 * cable + (uint32_t) end;
            link->remote_id = 2 * cable + 1 - (uint32_t) end;
        }
    }
}

/* 'cables' at random places; sometimes one end of a cable floods nothing, or names another interface. */
static inline void world_random(struct world *world, uint64_t *seed, size_t nodes, size_t cables, uint32_t metrics)
{
    *world = (struct world) {.nodes = nodes};
    for (size_t i = 0; i < cables; i++) {
        uint32_t a = topology_random_below(seed, (uint32_t) nodes), b = topology_random_below(seed, (uint32_t) nodes);
        if (a == b)
            continue;
        world_cable(world, seed, a, b, metrics);
        uint32_t fault = topology_random_below(seed, 30);
        if (fault == 0)
            world->n--;
        else if (fault == 1)
            world->links[world->n - 1].remote_ip = world->links[world->n - 1].remote_id = 1;
    }
}

static inline void world_shuffle(struct world *world, uint64_t *seed)
{
    for (size_t i = world->n; i > 1; i--) {
        size_t j = topology_random_below(seed, (uint32_t) i);
        struct te_link link = world->links[i - 1];
        world->links[i - 1] = world->links[j];
        world->links[j] = link;
    }
}

static inline struct path_graph *world_graph(const struct world *world)
{
    struct path_graph *graph = path_graph_new();
    for (size_t i = 0; i < world->n; i++)
        path_graph_set(graph, &world->links[i]);
    return graph;
}

/* Ends and constraints at random; each constraint in about a third of the queries. */
static inline struct path_query world_query(const struct world *world, uint64_t *seed)
{
    struct path_query query = {.area = AREA};
    query.from = router(topology_random_below(seed, (uint32_t) world->nodes));
    do
        query.to = router(topology_random_below(seed, (uint32_t) world->nodes));
    while (query.to == query.from);
    query.setup_priority = (uint8_t) topology_random_below(seed, TE_PRIORITIES);
    query.bandwidth_bps = topology_random_below(seed, 8) * 100 * MBPS + topology_random_below(seed, 2);
    query.metric = topology_random_below(seed, 4) ? PATH_TE_METRIC : PATH_DELAY;
    if (!topology_random_below(seed, 4))
        query.exclude_any = 1u << topology_random_below(seed, 3);
    if (!topology_random_below(seed, 4))
        query.include_any = 3u << topology_random_below(seed, 2);
    if (!topology_random_below(seed, 8))
        query.include_all = 1u << topology_random_below(seed, 3);
    if (!topology_random_below(seed, 3))
        path_exclude_node(&query, router(topology_random_below(seed, (uint32_t) world->nodes)));
    for (int i = 0; world->n && i < 2 && !topology_random_below(seed, 3); i++)
        path_exclude_link(&query, &world->links[topology_random_below(seed, (uint32_t) world->n)].key);
    return query;
}

/* -- references ---------------------------------------------------------------------------------------------------- */

static inline const struct te_link *ref_reverse(const struct world *world, const struct te_link *link)
{
    for (size_t i = 0; i < world->n; i++) {
        const struct te_link *other = &world->links[i];
        if (other->key.from == link->to && other->to == link->key.from && other->key.local_ip == link->remote_ip &&
            link->key.local_ip == other->remote_ip &&
            (link->key.local_ip || (other->key.local_id == link->remote_id && link->key.local_id == other->remote_id)))
            return other;
    }
    return NULL;
}

static inline bool ref_colours(const struct path_query *query, uint32_t colours)
{
    return !(colours & query->exclude_any) && (!query->include_any || colours & query->include_any) &&
           (colours & query->include_all) == query->include_all;
}

static inline uint32_t ref_delay(const struct world *world, const struct te_link *link)
{
    const struct te_link *back = ref_reverse(world, link);
    return link->delay_us > back->delay_us ? link->delay_us : back->delay_us;
}

static inline bool ref_usable(const struct world *world, const struct path_query *query, const struct te_link *link)
{
    const struct te_link *back = ref_reverse(world, link);
    if (!back || link->unreserved_bps[query->setup_priority] < query->bandwidth_bps ||
        back->unreserved_bps[query->setup_priority] < query->bandwidth_bps)
        return false;
    if (!ref_colours(query, link->admin_group) || !ref_colours(query, back->admin_group))
        return false;
    if ((query->metric == PATH_DELAY || query->max_delay_us) && ref_delay(world, link) == TE_DELAY_NONE)
        return false;
    for (size_t i = 0; i < query->n_excluded_nodes; i++) {
        if (query->excluded_nodes[i] == link->to || query->excluded_nodes[i] == link->key.from)
            return false;
    }
    for (size_t i = 0; i < query->n_excluded_links; i++) {
        if (!te_link_key_compare(&query->excluded_links[i], &link->key) ||
            !te_link_key_compare(&query->excluded_links[i], &back->key))
            return false;
    }
    return true;
}

/* Cost in the upper bits, links in the lower ones. */
static inline uint64_t ref_length(const struct world *world, const struct path_query *query, const struct te_link *link)
{
    return ((uint64_t) (query->metric == PATH_DELAY ? ref_delay(world, link) : link->metric) << 16) + 1;
}

/* Lengths from the ingress by node; UINT64_MAX. */
static inline void ref_distances(const struct world *world, const struct path_query *query, uint64_t *distance)
{
    for (size_t i = 0; i < world->nodes; i++)
        distance[i] = UINT64_MAX;
    distance[node_of(query->from)] = 0;
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < world->n; i++) {
            const struct te_link *link = &world->links[i];
            uint64_t before = distance[node_of(link->key.from)];
            if (before == UINT64_MAX || !ref_usable(world, query, link))
                continue;
            uint64_t length = before + ref_length(world, query, link);
            if (length < distance[node_of(link->to)]) {
                distance[node_of(link->to)] = length;
                changed = true;
            }
        }
    }
}

/* The links of the best path by the rule of path.h, in the order of the path. 0: there is none. */
static inline size_t ref_path(const struct world *world, const struct path_query *query, struct te_link *path)
{
    uint64_t distance[WORLD_NODES];
    size_t n = 0;
    ref_distances(world, query, distance);
    if (distance[node_of(query->to)] == UINT64_MAX)
        return 0;
    for (uint32_t at = query->to; at != query->from; at = path[n++].key.from) {
        const struct te_link *best = NULL;
        for (size_t i = 0; i < world->n; i++) {
            const struct te_link *link = &world->links[i];
            if (link->to == at && ref_usable(world, query, link) && distance[node_of(link->key.from)] != UINT64_MAX &&
                distance[node_of(link->key.from)] + ref_length(world, query, link) == distance[node_of(at)] &&
                (!best || te_link_key_compare(&link->key, &best->key) < 0))
                best = link;
        }
        assert_non_null(best);
        path[n] = *best;
    }
    for (size_t i = 0; i < n / 2; i++) {
        struct te_link link = path[i];
        path[i] = path[n - 1 - i];
        path[n - 1 - i] = link;
    }
    return n;
}

/* All paths without a loop, one call each: 'path' holds indices into world->links. */
struct ref_walk {
    const struct world *world;
    const struct path_query *query;
    bool usable[WORLD_LINKS];
    uint32_t path[WORLD_NODES];
    size_t n;
    void (*found)(struct ref_walk *walk);
    void *context;
};

static inline void ref_walk_from(struct ref_walk *walk, uint32_t at, uint64_t visited)
{
    if (at == walk->query->to) {
        walk->found(walk);
        return;
    }
    for (uint32_t i = 0; i < walk->world->n; i++) {
        const struct te_link *link = &walk->world->links[i];
        if (link->key.from != at || !walk->usable[i] || visited & 1ull << node_of(link->to))
            continue;
        walk->path[walk->n++] = i;
        ref_walk_from(walk, link->to, visited | 1ull << node_of(link->to));
        walk->n--;
    }
}

static inline void ref_all_paths(struct ref_walk *walk)
{
    for (size_t i = 0; i < walk->world->n; i++)
        walk->usable[i] = ref_usable(walk->world, walk->query, &walk->world->links[i]);
    walk->n = 0;
    ref_walk_from(walk, walk->query->from, 1ull << node_of(walk->query->from));
}

/* -- what is true of every answer ---------------------------------------------------------------------------------- */

static inline void assert_valid(const struct world *world, const struct path_query *query,
                                const struct path_result *result)
{
    uint64_t cost = 0;
    uint32_t at = query->from;
    for (size_t i = 0; i < result->n; i++) {
        const struct te_link *link = &result->links[i];
        assert_int_equal(link->key.from, at);
        assert_true(ref_usable(world, query, link));
        cost += ref_length(world, query, link) >> 16;
        at = link->to;
    }
    assert_int_equal(at, query->to);
    assert_int_equal(result->cost, cost);
}

#endif
