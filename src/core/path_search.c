/* SPDX-License-Identifier: Apache-2.0 */
#include "core/path_graph.h"

#include <string.h>

struct bounds {
    const int32_t *distance; /* of all places; null: no landmarks */
    int32_t target[PATH_LANDMARKS];
};

static void choose_landmarks(const struct path_run *run, struct bounds *bounds)
{
    const struct path_landmarks *landmarks = &run->graph->landmarks[run->query->metric];
    if (!landmarks->n)
        return;
    bounds->distance = landmarks->distance;
    memcpy(bounds->target, &landmarks->distance[(size_t) run->to * PATH_LANDMARKS], sizeof(bounds->target));
}

/* All landmarks, those that are not made yet too (they are as far from everywhere): this becomes a few vector
 * operations, where to choose among them would cost as much as it saves. */
static inline uint32_t bound_at(const struct bounds *bounds, uint32_t place)
{
    if (!bounds->distance)
        return 0;
    const int32_t *row = &bounds->distance[(size_t) place * PATH_LANDMARKS];
    int32_t bound = 0;
    for (int i = 0; i < PATH_LANDMARKS; i++) {
        int32_t one = row[i] - bounds->target[i];
        one = one < 0 ? -one : one;
        bound = one > bound ? one : bound;
    }
    return (uint32_t) bound;
}

static uint32_t next_stamp(struct path_graph *graph)
{
    if (++graph->stamp == 0) {
        memset(graph->states, 0, graph->arcs.n_places * sizeof(*graph->states));
        graph->stamp = 1;
    }
    return graph->stamp;
}

/* Gives the true distance to each place whose distance and bound are at most the target's distance, the target's own
 * first of all; UINT64_MAX if it is not reached. */
static uint64_t spread(struct path_run *run, const struct bounds *bounds)
{
    struct path_graph *graph = run->graph;
    const struct path_filter filter = run->filter;
    const uint32_t *first = graph->arcs.first, *head = graph->arcs.head;
    const uint32_t *weight = graph->arcs.weight[run->query->metric];
    const uint32_t to = run->to, stamp = next_stamp(graph);
    struct path_state *states = graph->states;
    struct path_heap *heap = &graph->heap;
    uint64_t limit = UINT64_MAX;

    heap->n = 0;
    states[run->from] = (struct path_state) {0, bound_at(bounds, run->from), stamp};
    path_heap_push(heap, (uint64_t) states[run->from].bound << PATH_HOP_BITS, run->from);
    while (heap->n) {
        struct path_entry top = path_heap_pop(heap);
        const struct path_state *state = &states[top.item];
        /* What is on a path as good as the target's has fewer links than that, and so a lesser key. */
        if (top.key >= limit)
            break;
        if (top.key != state->distance + ((uint64_t) state->bound << PATH_HOP_BITS))
            continue;
        uint64_t distance = state->distance;
        for (uint32_t arc = first[top.item]; arc < first[top.item + 1]; arc++) {
            if (!path_arc_open(graph, &filter, arc))
                continue;
            uint32_t place = head[arc];
            struct path_state *next = &states[place];
            uint64_t length = distance + path_length(weight[arc]);
            if (next->stamp != stamp)
                *next = (struct path_state) {UINT64_MAX, bound_at(bounds, place), stamp};
            if (length >= next->distance)
                continue;
            next->distance = length;
            uint64_t key = length + ((uint64_t) next->bound << PATH_HOP_BITS);
            if (key >= limit)
                continue;
            if (place == to)
                limit = key;
            path_heap_push(heap, key, place);
        }
    }
    return limit;
}

uint64_t path_state_distance(const struct path_graph *graph, uint32_t place)
{
    return graph->states[place].stamp == graph->stamp ? graph->states[place].distance : UINT64_MAX;
}

/* The arc by which the path of the place comes: of the open ones on a shortest path, that of the least key. */
static uint32_t arc_before(const struct path_run *run, uint32_t place)
{
    const struct path_graph *graph = run->graph;
    const struct path_arcs *arcs = &graph->arcs;
    const uint32_t *weight = arcs->weight[run->query->metric];
    uint64_t distance = path_state_distance(graph, place);
    uint32_t best = PATH_NONE;
    for (uint32_t arc = arcs->first[place]; arc < arcs->first[place + 1]; arc++) {
        uint32_t back = arcs->twin[arc];
        uint64_t before = path_state_distance(graph, arcs->head[arc]);
        if (before == UINT64_MAX || before + path_length(weight[back]) != distance ||
            !path_arc_open(graph, &run->filter, back))
            continue;
        if (best == PATH_NONE ||
            te_link_key_compare(&graph->slots[arcs->slot[back]].link.key, &graph->slots[arcs->slot[best]].link.key) < 0)
            best = back;
    }
    return best;
}

bool path_search(struct path_run *run, bool goal, struct path_trace *trace)
{
    const struct path_arcs *arcs = &run->graph->arcs;
    struct bounds bounds = {0};
    if (goal)
        choose_landmarks(run, &bounds);
    if (spread(run, &bounds) == UINT64_MAX)
        return false;
    trace->n = 0;
    for (uint32_t place = run->to; place != run->from; place = arcs->head[arcs->twin[trace->arcs[trace->n - 1]]]) {
        trace->arcs = array_reserve(trace->arcs, trace->n, &trace->capacity, sizeof(*trace->arcs));
        trace->arcs[trace->n++] = arc_before(run, place);
    }
    for (size_t i = 0; i < trace->n / 2; i++) {
        uint32_t arc = trace->arcs[i];
        trace->arcs[i] = trace->arcs[trace->n - 1 - i];
        trace->arcs[trace->n - 1 - i] = arc;
    }
    return true;
}
