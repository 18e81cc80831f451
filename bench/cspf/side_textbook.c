/* SPDX-License-Identifier: Apache-2.0 */
/* Dijkstra's algorithm as textbooks have it, written with care: adjacency arrays, a binary heap with decrease-key, and
 * an end as soon as the target is taken. The bandwidth of an arc is the smaller one of both directions', worked out
 * before. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sides.h"
#include "topology/topology.h"

struct arc {
    uint32_t head, metric;
    uint64_t bps;
};

struct textbook {
    size_t n;
    uint32_t *first; /* by node */
    struct arc *arcs;
    uint64_t *distance;
    uint32_t *before;   /* node */
    uint32_t *position; /* in the heap, + 1; 0: not in it */
    uint32_t *heap;     /* nodes */
    size_t n_heap;
    uint32_t *path;
};

static void *make(const struct te_link *links, size_t n_links, size_t n_nodes, const uint64_t *rates, size_t n_rates)
{
    (void) rates, (void) n_rates;
    struct textbook *t = xcalloc(1, sizeof(*t));
    t->n = n_nodes;
    t->first = xcalloc(n_nodes + 1, sizeof(*t->first));
    t->arcs = xcalloc(n_links, sizeof(*t->arcs));
    t->distance = xcalloc(n_nodes, sizeof(*t->distance));
    t->before = xcalloc(n_nodes, sizeof(*t->before));
    t->position = xcalloc(n_nodes, sizeof(*t->position));
    t->heap = xcalloc(n_nodes, sizeof(*t->heap));
    t->path = xcalloc(n_nodes, sizeof(*t->path));
    /* Links are sorted by the node that they leave. */
    for (size_t i = 0; i < n_links; i++) {
        t->first[links[i].key.from - topology_router(0) + 1]++;
        t->arcs[i] = (struct arc) {links[i].to - topology_router(0), links[i].metric,
                                   links[i].unreserved_bps[TE_PRIORITIES - 1]};
    }
    for (size_t i = 0; i < n_nodes; i++)
        t->first[i + 1] += t->first[i];
    return t;
}

static void sift_up(struct textbook *t, size_t at)
{
    uint32_t node = t->heap[at];
    for (; at && t->distance[t->heap[(at - 1) / 2]] > t->distance[node]; at = (at - 1) / 2) {
        t->heap[at] = t->heap[(at - 1) / 2];
        t->position[t->heap[at]] = (uint32_t) at + 1;
    }
    t->heap[at] = node;
    t->position[node] = (uint32_t) at + 1;
}

static uint32_t pop(struct textbook *t)
{
    uint32_t top = t->heap[0], node = t->heap[--t->n_heap];
    size_t at = 0;
    for (size_t child = 1; child < t->n_heap; child = 2 * at + 1) {
        if (child + 1 < t->n_heap && t->distance[t->heap[child + 1]] < t->distance[t->heap[child]])
            child++;
        if (t->distance[t->heap[child]] >= t->distance[node])
            break;
        t->heap[at] = t->heap[child];
        t->position[t->heap[at]] = (uint32_t) at + 1;
        at = child;
    }
    t->heap[at] = node;
    t->position[node] = (uint32_t) at + 1;
    t->position[top] = 0;
    return top;
}

static void relax(struct textbook *t, uint32_t from, uint32_t to, uint64_t distance)
{
    if (distance >= t->distance[to])
        return;
    t->distance[to] = distance;
    t->before[to] = from;
    if (!t->position[to]) {
        t->heap[t->n_heap] = to;
        t->position[to] = (uint32_t) ++t->n_heap;
    }
    sift_up(t, t->position[to] - 1);
}

static uint64_t find(void *state, const struct query *query)
{
    struct textbook *t = state;
    memset(t->distance, 0xff, t->n * sizeof(*t->distance));
    memset(t->position, 0, t->n * sizeof(*t->position));
    t->n_heap = 0;
    relax(t, query->from, query->from, 0);
    while (t->n_heap) {
        uint32_t node = pop(t);
        if (node == query->to)
            break;
        for (uint32_t i = t->first[node]; i < t->first[node + 1]; i++) {
            const struct arc *arc = &t->arcs[i];
            if (arc->bps >= query->bps)
                relax(t, node, arc->head, t->distance[node] + arc->metric);
        }
    }
    if (t->distance[query->to] == UINT64_MAX)
        return COST_NONE;
    size_t n = 0;
    for (uint32_t node = query->to; node != query->from; node = t->before[node])
        t->path[n++] = node;
    return t->distance[query->to];
}

static void free_state(void *state)
{
    struct textbook *t = state;
    free(t->first);
    free(t->arcs);
    free(t->distance);
    free(t->before);
    free(t->position);
    free(t->heap);
    free(t->path);
    free(t);
}

const struct side side_textbook = {"textbook Dijkstra", make, find, free_state};
