/* SPDX-License-Identifier: Apache-2.0 */
/* Disjoint pairs (Suurballe 1974; Bhandari 1999 for links that go both ways). The second search may walk back along the
 * first path, which gives a link of it up; what is left of both then makes the pair. Its lengths are reduced by the
 * distances of the first search, so that none is negative, and walking back is free.
 *
 * Where nodes are to be disjoint, a node of the first path has two sides: who comes to it over a link of its own is at
 * its entry, and may only walk back from there; who came walking back is at its exit, and may leave over any link, or
 * walk on back. Where sharing is allowed, a link may be used again, and an entry crossed to the exit, at one in the
 * first part of the length, so that the least sharing goes before the least cost. */
#include "core/path_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reached { /* of a side of a place: index 2 * place, of an entry one more */
    uint64_t cost;
    uint32_t shared; /* PATH_NONE: not reached */
    uint32_t before; /* index */
    uint32_t arc;    /* by which, of the first path when walking back; NONE: from one side to the other */
};

struct pair {
    struct path_run *run;
    bool nodes; /* are to be disjoint */
    bool share;
    const struct path_trace *first;
    uint64_t total; /* length of the first path */
    uint32_t
        *before; /* by place on the first path: 1 + index of the arc that comes to it; 0: not on it, or its source */
    uint32_t *after; /* the same of the arc that leaves */
    struct reached *reached;
    struct path_ranks heap;
};

static uint64_t potential(const struct pair *pair, uint32_t place)
{
    uint64_t distance = path_state_distance(pair->run->graph, place);
    return distance < pair->total ? distance : pair->total;
}

static bool has_sides(const struct pair *pair, uint32_t place)
{
    return pair->nodes && pair->before[place] && pair->after[place];
}

static void reach(struct pair *pair, uint32_t from, uint32_t to, uint32_t arc, bool shares, uint64_t length)
{
    const struct reached *before = &pair->reached[from];
    struct reached *reached = &pair->reached[to];
    uint32_t shared = before->shared + shares;
    uint64_t cost = before->cost + length;
    if (shared > reached->shared || (shared == reached->shared && cost >= reached->cost))
        return;
    *reached = (struct reached) {cost, shared, from, arc};
    path_ranks_push(&pair->heap, shared, cost, to);
}

/* Back along the first path. */
static void walk_back(struct pair *pair, uint32_t at, uint32_t place)
{
    const struct path_arcs *arcs = &pair->run->graph->arcs;
    uint32_t arc = pair->first->arcs[pair->before[place] - 1];
    reach(pair, at, 2 * arcs->head[arcs->twin[arc]], arc, false, 0);
}

/* The first path's own link, once more: it needs the bandwidth twice. */
static void share_link(struct pair *pair, uint32_t at, uint32_t arc)
{
    const struct path_filter *filter = &pair->run->filter;
    uint64_t free = path_arc_bps(pair->run->graph, arc, filter->priority);
    uint32_t place = pair->run->graph->arcs.head[arc];
    if (pair->share && free / 2 >= filter->bandwidth_bps)
        reach(pair, at, 2 * place + has_sides(pair, place), arc, true, 0);
}

static void leave(struct pair *pair, uint32_t at, uint32_t place)
{
    const struct path_graph *graph = pair->run->graph;
    const struct path_arcs *arcs = &graph->arcs;
    const uint32_t *weight = arcs->weight[pair->run->query->metric];
    uint32_t before = pair->before[place] ? arcs->twin[pair->first->arcs[pair->before[place] - 1]] : PATH_NONE;
    uint32_t after = pair->after[place] ? pair->first->arcs[pair->after[place] - 1] : PATH_NONE;
    uint64_t here = potential(pair, place);
    for (uint32_t arc = arcs->first[place]; arc < arcs->first[place + 1]; arc++) {
        uint32_t next = arcs->head[arc];
        if (next == pair->run->from || arc == before || !path_arc_open(graph, &pair->run->filter, arc))
            continue;
        if (arc == after)
            share_link(pair, at, arc);
        else
            reach(pair, at, 2 * next + has_sides(pair, next), arc, false,
                  path_length(weight[arc]) + here - potential(pair, next));
    }
    if (before != PATH_NONE)
        walk_back(pair, at, place);
}

static void expand(struct pair *pair, uint32_t at)
{
    uint32_t place = at / 2;
    if (!(at & 1)) {
        leave(pair, at, place);
        return;
    }
    walk_back(pair, at, place);
    if (pair->share)
        reach(pair, at, 2 * place, PATH_NONE, true, 0);
}

/* False: no second path. */
static bool search_second(struct pair *pair)
{
    uint32_t from = 2 * pair->run->from, to = 2 * pair->run->to;
    size_t n = 2 * (size_t) pair->run->graph->arcs.n_places;
    memset(pair->reached, 0xff, n * sizeof(*pair->reached));
    pair->heap.n = 0;
    pair->heap.sequence = 0;
    pair->reached[from] = (struct reached) {0, 0, PATH_NONE, PATH_NONE};
    path_ranks_push(&pair->heap, 0, 0, from);
    while (pair->heap.n) {
        struct path_rank top = path_ranks_pop(&pair->heap);
        if (top.item == to)
            return true;
        if (top.high == pair->reached[top.item].shared && top.low == pair->reached[top.item].cost)
            expand(pair, top.item);
    }
    return false;
}

/* -- what is left of both ------------------------------------------------------------------------------------------ */

static void trace_add(struct path_trace *trace, uint32_t arc)
{
    trace->arcs = array_reserve(trace->arcs, trace->n, &trace->capacity, sizeof(*trace->arcs));
    trace->arcs[trace->n++] = arc;
}

/* Takes out the first of the arcs that leaves the place, by the order of keys; PATH_NONE. */
static uint32_t take(const struct path_arcs *arcs, struct path_trace *rest, uint32_t place)
{
    size_t best = rest->n;
    for (size_t i = 0; i < rest->n; i++) {
        if (arcs->head[arcs->twin[rest->arcs[i]]] == place && (best == rest->n || rest->arcs[i] < rest->arcs[best]))
            best = i;
    }
    if (best == rest->n)
        return PATH_NONE;
    uint32_t arc = rest->arcs[best];
    rest->arcs[best] = rest->arcs[--rest->n];
    return arc;
}

/* Nothing of the least length goes in circles, so each walk comes to the target. */
static void walk(const struct path_run *run, struct path_trace *rest, struct path_trace *path)
{
    const struct path_arcs *arcs = &run->graph->arcs;
    for (uint32_t place = run->from; place != run->to; place = arcs->head[path->arcs[path->n - 1]])
        trace_add(path, take(arcs, rest, place));
}

static void unravel(const struct pair *pair, struct path_trace path[2])
{
    const struct path_arcs *arcs = &pair->run->graph->arcs;
    struct path_trace rest = {0};
    for (size_t i = 0; i < pair->first->n; i++)
        trace_add(&rest, pair->first->arcs[i]);
    for (uint32_t at = 2 * pair->run->to; at != 2 * pair->run->from; at = pair->reached[at].before) {
        uint32_t arc = pair->reached[at].arc;
        /* Walking back, an arc of the first path was taken the other way round: it led from here. */
        bool back = arc != PATH_NONE && arcs->head[arc] != at / 2;
        for (size_t i = 0; back && i < rest.n; i++) {
            if (rest.arcs[i] == arc) {
                rest.arcs[i] = rest.arcs[--rest.n];
                break;
            }
        }
        if (arc != PATH_NONE && !back)
            trace_add(&rest, arc);
    }
    walk(pair->run, &rest, &path[0]);
    walk(pair->run, &rest, &path[1]);
    free(rest.arcs);
}

static void count_shared(const struct path_run *run, const struct path_trace path[2], struct path_shared *shared)
{
    const struct path_arcs *arcs = &run->graph->arcs;
    *shared = (struct path_shared) {0};
    for (size_t i = 0; i < path[0].n; i++) {
        for (size_t j = 0; j < path[1].n; j++) {
            uint32_t a = arcs->head[path[0].arcs[i]], b = arcs->head[path[1].arcs[j]];
            shared->links += path[0].arcs[i] == path[1].arcs[j];
            shared->nodes += a == b && a != run->to;
        }
    }
}

/* -- the query ----------------------------------------------------------------------------------------------------- */

static void pair_begin(struct pair *pair, struct path_run *run, enum path_disjoint kind, const struct path_trace *first)
{
    const struct path_arcs *arcs = &run->graph->arcs;
    *pair = (struct pair) {.run = run,
                           .nodes = kind == PATH_NODE_DISJOINT,
                           .first = first,
                           .total = path_state_distance(run->graph, run->to),
                           .before = xcalloc(arcs->n_places, sizeof(uint32_t)),
                           .after = xcalloc(arcs->n_places, sizeof(uint32_t)),
                           .reached = xmalloc(2 * (size_t) arcs->n_places * sizeof(struct reached))};
    for (uint32_t i = 0; i < first->n; i++) {
        pair->before[arcs->head[first->arcs[i]]] = i + 1;
        pair->after[arcs->head[arcs->twin[first->arcs[i]]]] = i + 1;
    }
}

static void pair_end(struct pair *pair)
{
    free(pair->before);
    free(pair->after);
    free(pair->reached);
    free(pair->heap.ranks);
}

/* The first that both paths use, and should not, as text. */
static const char *shared_text(const struct pair *pair, const struct path_trace path[2], char *buffer, size_t size)
{
    const struct path_graph *graph = pair->run->graph;
    for (size_t i = 0; i < path[0].n; i++) {
        for (size_t j = 0; j < path[1].n; j++) {
            uint32_t a = path[0].arcs[i], b = path[1].arcs[j];
            const struct te_link *link = &graph->slots[graph->arcs.slot[a]].link;
            if (a == b)
                return path_link_text(link, buffer, size);
            if (pair->nodes && graph->arcs.head[a] == graph->arcs.head[b] && graph->arcs.head[a] != pair->run->to) {
                char name[IPV4_TEXT_SIZE];
                snprintf(buffer, size, "node %s", ipv4_format(link->to, name));
                return buffer;
            }
        }
    }
    return "nothing";
}

/* Tells what the best pair has to share. */
static int refuse(struct pair *pair, struct err *err)
{
    char text[128];
    struct path_trace path[2] = {0};
    const char *what = pair->nodes ? "node" : "link";
    pair->share = true;
    if (!search_second(pair))
        return err_set(err, ERR_CONFLICT,
                       "no two %s-disjoint paths, and what they would have to share has not the "
                       "bandwidth of both",
                       what);
    unravel(pair, path);
    err_set(err, ERR_CONFLICT,
            "no two %s-disjoint paths: the best pair shares %s; ask for the most disjoint pair, or "
            "provide another way around it",
            what, shared_text(pair, path, text, sizeof(text)));
    free(path[0].arcs);
    free(path[1].arcs);
    return ERR_CONFLICT;
}

/* The cheaper first; of equal ones that with fewer links, then that whose first other link has the lesser key. */
static bool in_order(const struct path_result *a, const struct path_result *b)
{
    if (a->cost != b->cost)
        return a->cost < b->cost;
    if (a->n != b->n)
        return a->n < b->n;
    for (size_t i = 0; i < a->n; i++) {
        int order = te_link_key_compare(&a->links[i].key, &b->links[i].key);
        if (order)
            return order < 0;
    }
    return true;
}

static int make_results(const struct path_run *run, const struct path_trace path[2], struct path_result result[2],
                        struct err *err)
{
    struct path_result made[2] = {0};
    const uint32_t max = run->query->max_delay_us;
    int ret = 0;
    path_result_make(run, &path[0], &made[0]);
    path_result_make(run, &path[1], &made[1]);
    uint64_t delay = made[0].delay_us > made[1].delay_us ? made[0].delay_us : made[1].delay_us;
    if (max && delay > max)
        ret = err_set(err, ERR_CONFLICT,
                      "the disjoint pair of the least cost has a delay of %llu us, more than the %u us asked "
                      "for: ask for the pair of the least delay, or loosen the bound",
                      (unsigned long long) delay, max);
    if (ret) {
        path_result_free(&made[0]);
        path_result_free(&made[1]);
        return ret;
    }
    bool swap = !in_order(&made[0], &made[1]);
    result[0] = made[swap];
    result[1] = made[!swap];
    return 0;
}

static int find_second(struct path_run *run, enum path_disjoint kind, const struct path_trace *first,
                       struct path_shared *shared, struct path_result result[2], struct err *err)
{
    struct pair pair;
    struct path_trace path[2] = {0};
    struct path_shared counted;
    pair_begin(&pair, run, kind, first);
    bool found = search_second(&pair);
    if (!found && shared) {
        pair.share = true;
        found = search_second(&pair);
    }
    int ret = found ? 0 : refuse(&pair, err);
    if (found) {
        unravel(&pair, path);
        count_shared(run, path, &counted);
        ret = make_results(run, path, result, err);
        if (!ret && shared)
            *shared = counted;
    }
    pair_end(&pair);
    free(path[0].arcs);
    free(path[1].arcs);
    return ret;
}

int path_find_pair(struct path_graph *graph, const struct path_query *query, enum path_disjoint kind,
                   struct path_shared *shared, struct path_result result[2], struct err *err)
{
    struct path_run run;
    struct path_trace *first = &graph->trace;
    int ret = path_run_begin(&run, graph, query, PATH_WITH_ALL, err);
    if (ret)
        return ret;
    bool found = path_search(&run, false, first);
    if (found)
        ret = find_second(&run, kind, first, shared, result, err);
    path_run_end(&run);
    return found ? ret : path_explain(graph, query, err);
}
