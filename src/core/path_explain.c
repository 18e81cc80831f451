/* SPDX-License-Identifier: Apache-2.0 */
/* Why there is no path, and how much would fit. Only after a query has failed, so nothing here is hurried. */
#include "core/path_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether the target can be reached under these constraints of the query. 'seen': null, or by place, what is reached.
 * */
static bool reaches(struct path_graph *graph, const struct path_query *query, unsigned constraints, bool *seen)
{
    struct path_run run;
    if (path_run_begin(&run, graph, query, constraints, NULL))
        return false;
    const struct path_arcs *arcs = &graph->arcs;
    AUTO_FREE uint32_t *queue = xcalloc(arcs->n_places, sizeof(*queue));
    AUTO_FREE bool *own = seen ? NULL : xcalloc(arcs->n_places, sizeof(*own));
    bool *reached = seen ? seen : own;
    uint32_t n = 0;
    reached[run.from] = true;
    queue[n++] = run.from;
    for (uint32_t done = 0; done < n; done++) {
        for (uint32_t arc = arcs->first[queue[done]]; arc < arcs->first[queue[done] + 1]; arc++) {
            if (reached[arcs->head[arc]] || !path_arc_open(graph, &run.filter, arc))
                continue;
            reached[arcs->head[arc]] = true;
            queue[n++] = arcs->head[arc];
        }
    }
    path_run_end(&run);
    return reached[run.to];
}

/* The link of the least key that would lead on from what is reached, if its other end flooded it as well. */
static const struct te_link *one_sided(const struct path_graph *graph, const bool *seen)
{
    const struct te_link *best = NULL;
    for (size_t i = 0; i < graph->n_slots; i++) {
        const struct path_slot *slot = &graph->slots[i];
        if (!slot->present || path_pair_present(graph, slot))
            continue;
        uint32_t far = path_node_find(graph, slot->link.key.area, slot->link.to);
        if (seen[graph->nodes[slot->node].place] != seen[graph->nodes[far].place] &&
            (!best || te_link_key_compare(&slot->link.key, &best->key) < 0))
            best = &slot->link;
    }
    return best;
}

static int explain_unconnected(struct path_graph *graph, const struct path_query *query, const char *ends,
                               struct err *err)
{
    char text[128];
    AUTO_FREE bool *seen = xcalloc(graph->arcs.n_places, sizeof(*seen));
    reaches(graph, query, 0, seen);
    const struct te_link *link = one_sided(graph, seen);
    if (link)
        return err_set(err, ERR_UNREACHABLE,
                       "%s are not connected: %s is flooded by one end only; see to the other end's "
                       "OSPF and its interface addresses",
                       ends, path_link_text(link, text, sizeof(text)));
    return err_set(err, ERR_UNREACHABLE,
                   "%s are not connected by any links that OSPF floods: links are down, or missing", ends);
}

/* Which link takes what others do not: of the ones on the widest path, the narrowest. */
static bool widest(struct path_run *run, uint64_t *bps, struct te_link *limit)
{
    const struct path_graph *graph = run->graph;
    const struct path_arcs *arcs = &graph->arcs;
    const uint8_t priority = run->filter.priority;
    AUTO_FREE uint64_t *width = xcalloc(arcs->n_places, sizeof(*width));
    AUTO_FREE uint32_t *by = xmalloc(arcs->n_places * sizeof(*by));
    AUTO_FREE bool *reached = xcalloc(arcs->n_places, sizeof(*reached));
    struct path_ranks heap = {0};
    width[run->from] = UINT64_MAX;
    reached[run->from] = true;
    path_ranks_push(&heap, 0, 0, run->from);
    while (heap.n) {
        struct path_rank top = path_ranks_pop(&heap);
        if (top.item == run->to)
            break;
        if (top.high != UINT64_MAX - width[top.item])
            continue;
        for (uint32_t arc = arcs->first[top.item]; arc < arcs->first[top.item + 1]; arc++) {
            if (!path_arc_open(graph, &run->filter, arc))
                continue;
            uint64_t free = path_arc_bps(graph, arc, priority);
            uint64_t one = free < width[top.item] ? free : width[top.item];
            if (reached[arcs->head[arc]] && one <= width[arcs->head[arc]])
                continue;
            reached[arcs->head[arc]] = true;
            width[arcs->head[arc]] = one;
            by[arcs->head[arc]] = arc;
            path_ranks_push(&heap, UINT64_MAX - one, 0, arcs->head[arc]);
        }
    }
    free(heap.ranks);
    if (!reached[run->to])
        return false;
    *bps = width[run->to];
    for (uint32_t place = run->to; place != run->from; place = arcs->head[arcs->twin[by[place]]]) {
        if (path_arc_bps(graph, by[place], priority) == *bps)
            *limit = graph->slots[arcs->slot[by[place]]].link;
    }
    return true;
}

static bool find_widest(struct path_graph *graph, const struct path_query *query, unsigned constraints, uint64_t *bps,
                        struct te_link *limit)
{
    struct path_run run;
    if (path_run_begin(&run, graph, query, constraints, NULL))
        return false;
    bool found = widest(&run, bps, limit);
    path_run_end(&run);
    return found;
}

static int explain_bandwidth(struct path_graph *graph, const struct path_query *query, unsigned constraints,
                             const char *ends, struct err *err)
{
    char asked[32], fits[32], text[128];
    struct te_link limit = {0};
    uint64_t bps = 0;
    find_widest(graph, query, constraints, &bps, &limit);
    return err_set(err, ERR_EXHAUSTED,
                   "no path between %s has %s free at priority %u: %s would fit%s, and %s limits it", ends,
                   path_rate_text(query->bandwidth_bps, asked, sizeof(asked)), query->setup_priority,
                   path_rate_text(bps, fits, sizeof(fits)), constraints ? "" : " without the other constraints",
                   path_link_text(&limit, text, sizeof(text)));
}

static int explain_cause(struct path_graph *graph, const struct path_query *query, unsigned cause, unsigned others,
                         const char *ends, struct err *err)
{
    switch (cause) {
    case PATH_WITH_BANDWIDTH:
        return explain_bandwidth(graph, query, others, ends, err);
    case PATH_WITH_AFFINITIES:
        return err_set(err, ERR_CONFLICT,
                       "the affinities (exclude-any 0x%x, include-any 0x%x, include-all 0x%x) bar every "
                       "path between %s: loosen them, or see to the colours of the links",
                       query->exclude_any, query->include_any, query->include_all, ends);
    case PATH_WITH_EXCLUSIONS:
        return err_set(err, ERR_CONFLICT, "the exclusions (%zu node%s, %zu link%s) bar every path between %s",
                       query->n_excluded_nodes, query->n_excluded_nodes == 1 ? "" : "s", query->n_excluded_links,
                       query->n_excluded_links == 1 ? "" : "s", ends);
    default:
        return err_set(err, ERR_CONFLICT,
                       "every path between %s takes links that flood no delay, so none can be promised: "
                       "configure the delay of the links, or do not ask for one",
                       ends);
    }
}

int path_explain(struct path_graph *graph, const struct path_query *query, struct err *err)
{
    static const unsigned causes[] = {PATH_WITH_BANDWIDTH, PATH_WITH_AFFINITIES, PATH_WITH_EXCLUSIONS,
                                      PATH_WITH_DELAYS};
    char from[IPV4_TEXT_SIZE], to[IPV4_TEXT_SIZE], ends[2 * IPV4_TEXT_SIZE + 8];
    snprintf(ends, sizeof(ends), "%s and %s", ipv4_format(query->from, from), ipv4_format(query->to, to));
    if (!reaches(graph, query, 0, NULL))
        return explain_unconnected(graph, query, ends, err);
    for (size_t i = 0; i < ARRAY_LEN(causes); i++) { /* the one that alone, if it were dropped, leaves a path */
        if (reaches(graph, query, PATH_WITH_ALL & ~causes[i], NULL))
            return explain_cause(graph, query, causes[i], PATH_WITH_ALL & ~causes[i], ends, err);
    }
    for (size_t i = 0; i < ARRAY_LEN(causes); i++) { /* the first of several that bar all paths by themselves */
        if (!reaches(graph, query, causes[i], NULL))
            return explain_cause(graph, query, causes[i], 0, ends, err);
    }
    return err_set(err, ERR_CONFLICT,
                   "%s are connected, but bandwidth, affinities, exclusions and delays together bar every "
                   "path: drop or loosen one after the other",
                   ends);
}

int path_widest(struct path_graph *graph, const struct path_query *query, uint64_t *bps, struct te_link *limit,
                struct err *err)
{
    struct path_run run;
    const unsigned constraints = PATH_WITH_AFFINITIES | PATH_WITH_EXCLUSIONS;
    int ret = path_run_begin(&run, graph, query, constraints, err);
    if (ret)
        return ret;
    bool found = widest(&run, bps, limit);
    path_run_end(&run);
    struct path_query unbound = *query;
    unbound.bandwidth_bps = 0;
    unbound.max_delay_us = 0;
    unbound.metric = PATH_TE_METRIC;
    return found ? 0 : path_explain(graph, &unbound, err);
}
