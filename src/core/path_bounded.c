/* SPDX-License-Identifier: Apache-2.0 */
/* The cheapest path within a delay (restricted shortest path, NP-hard). Two searches from the target tell of each place
 * how near the target is by delay and by cost; then labels, each a path from the source with its cost and delay, are
 * taken in the order of their cost plus the cost that is left at least. A label is dropped if it cannot meet the bound,
 * or if its place has had a label before that was no later: that one was not dearer either, because labels of one place
 * come in the order of their costs. The first label at the target is the answer. */
#include "core/path_graph.h"

#include <stdlib.h>
#include <string.h>

struct label {
    uint64_t cost; /* from the source, with links */
    uint32_t delay, before, arc;
};

struct bounded {
    struct path_run *run;
    uint64_t *delay_left, *cost_left; /* by place; UINT64_MAX */
    uint32_t *earliest;               /* by place: delay of the labels taken so far */
    struct label *labels;
    size_t n_labels, cap_labels;
    struct path_ranks heap;
};

/* Distances to the target. 'within': null, or delays to the target; places later than the bound are left out. */
static uint64_t *distances_to(const struct path_run *run, enum path_metric metric, const uint64_t *within)
{
    struct path_graph *graph = run->graph;
    const struct path_arcs *arcs = &graph->arcs;
    const uint32_t *weight = arcs->weight[metric];
    uint64_t *distances = xmalloc(arcs->n_places * sizeof(*distances));
    memset(distances, 0xff, arcs->n_places * sizeof(*distances));
    graph->heap.n = 0;
    distances[run->to] = 0;
    path_heap_push(&graph->heap, 0, run->to);
    while (graph->heap.n) {
        struct path_entry top = path_heap_pop(&graph->heap);
        if (top.key != distances[top.item])
            continue;
        for (uint32_t arc = arcs->first[top.item]; arc < arcs->first[top.item + 1]; arc++) {
            uint32_t place = arcs->head[arc];
            /* Delays are sums of microseconds; costs have the links in them. */
            uint64_t length = metric == PATH_DELAY ? weight[arc] : path_length(weight[arcs->twin[arc]]);
            if (top.key + length >= distances[place] || !path_arc_open(graph, &run->filter, arc) ||
                (within && within[place] > run->query->max_delay_us))
                continue;
            distances[place] = top.key + length;
            path_heap_push(&graph->heap, distances[place], place);
        }
    }
    return distances;
}

static void add_label(struct bounded *bounded, uint32_t place, struct label label)
{
    bounded->labels = array_reserve(bounded->labels, bounded->n_labels, &bounded->cap_labels, sizeof(*bounded->labels));
    bounded->labels[bounded->n_labels] = label;
    path_ranks_push(&bounded->heap, label.cost + bounded->cost_left[place], label.delay,
                    (uint32_t) bounded->n_labels++);
}

/* The label's neighbours. False: there are too many labels. */
static bool grow(struct bounded *bounded, uint32_t at, uint32_t place)
{
    const struct path_graph *graph = bounded->run->graph;
    const struct path_query *query = bounded->run->query;
    const struct path_arcs *arcs = &graph->arcs;
    const uint32_t *weight = arcs->weight[query->metric];
    for (uint32_t arc = arcs->first[place]; arc < arcs->first[place + 1]; arc++) {
        const struct label label = bounded->labels[at];
        uint32_t next = arcs->head[arc];
        if (!path_arc_open(graph, &bounded->run->filter, arc) || bounded->cost_left[next] == UINT64_MAX)
            continue;
        uint64_t delay = (uint64_t) label.delay + arcs->weight[PATH_DELAY][arc];
        if (delay + bounded->delay_left[next] > query->max_delay_us || delay >= bounded->earliest[next])
            continue;
        if (bounded->n_labels == PATH_LABELS_MAX)
            return false;
        add_label(bounded, next, (struct label) {label.cost + path_length(weight[arc]), (uint32_t) delay, at, arc});
    }
    return true;
}

static void trace_back(const struct bounded *bounded, uint32_t at, struct path_trace *trace)
{
    trace->n = 0;
    for (uint32_t label = at; bounded->labels[label].arc != PATH_NONE; label = bounded->labels[label].before)
        trace->n++;
    size_t left = trace->n;
    trace->arcs = xrealloc(trace->arcs, trace->n + 1, sizeof(*trace->arcs));
    trace->capacity = trace->n + 1;
    for (uint32_t label = at; left; label = bounded->labels[label].before)
        trace->arcs[--left] = bounded->labels[label].arc;
}

static int set_labels(struct bounded *bounded, struct path_trace *trace, struct err *err)
{
    const struct path_run *run = bounded->run;
    const struct path_arcs *arcs = &run->graph->arcs;
    add_label(bounded, run->from, (struct label) {.before = PATH_NONE, .arc = PATH_NONE});
    while (bounded->heap.n) {
        uint32_t at = path_ranks_pop(&bounded->heap).item, arc = bounded->labels[at].arc;
        uint32_t place = arc == PATH_NONE ? run->from : arcs->head[arc];
        if (bounded->labels[at].delay >= bounded->earliest[place])
            continue;
        if (place == run->to) {
            trace_back(bounded, at, trace);
            return 0;
        }
        bounded->earliest[place] = bounded->labels[at].delay;
        if (!grow(bounded, at, place))
            return err_set(err, ERR_TOO_LARGE,
                           "the search for the cheapest path within %u us was given up after %u "
                           "partial paths: ask for the least delay, or loosen the bound",
                           run->query->max_delay_us, PATH_LABELS_MAX);
    }
    return err_set(err, ERR_INTERNAL, "a path within %u us was seen and then not found", run->query->max_delay_us);
}

static uint64_t delay_of(const struct path_run *run, const struct path_trace *trace)
{
    uint64_t delay = 0;
    for (size_t i = 0; i < trace->n; i++)
        delay += run->graph->arcs.weight[PATH_DELAY][trace->arcs[i]];
    return delay;
}

int path_search_bounded(struct path_run *run, struct path_trace *trace, struct err *err)
{
    const uint32_t max = run->query->max_delay_us;
    if (delay_of(run, trace) <= max)
        return 0;
    AUTO_FREE uint64_t *delay_left = distances_to(run, PATH_DELAY, NULL);
    if (delay_left[run->from] > max)
        return err_set(err, ERR_CONFLICT,
                       "no path within %u us: the least delay that the other constraints allow is %llu us", max,
                       (unsigned long long) delay_left[run->from]);
    AUTO_FREE uint64_t *cost_left = distances_to(run, (enum path_metric) run->query->metric, delay_left);
    size_t n = run->graph->arcs.n_places;
    AUTO_FREE uint32_t *earliest = xmalloc(n * sizeof(*earliest));
    memset(earliest, 0xff, n * sizeof(*earliest));
    struct bounded bounded = {.run = run, .delay_left = delay_left, .cost_left = cost_left, .earliest = earliest};
    int ret = set_labels(&bounded, trace, err);
    free(bounded.labels);
    free(bounded.heap.ranks);
    return ret;
}
