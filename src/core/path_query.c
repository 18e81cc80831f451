/* SPDX-License-Identifier: Apache-2.0 */
/* Queries: what they ask of a link, what they exclude, and what comes back. */
#include "core/path_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- exclusions ---------------------------------------------------------------------------------------------------- */

void path_query_free(struct path_query *query)
{
    free(query->excluded_nodes);
    free(query->excluded_links);
    query->excluded_nodes = NULL;
    query->excluded_links = NULL;
    query->n_excluded_nodes = query->cap_excluded_nodes = 0;
    query->n_excluded_links = query->cap_excluded_links = 0;
}

static bool has_node(const struct path_query *query, uint32_t router_id)
{
    for (size_t i = 0; i < query->n_excluded_nodes; i++) {
        if (query->excluded_nodes[i] == router_id)
            return true;
    }
    return false;
}

static bool has_link(const struct path_query *query, const struct te_link_key *key)
{
    for (size_t i = 0; i < query->n_excluded_links; i++) {
        if (!te_link_key_compare(&query->excluded_links[i], key))
            return true;
    }
    return false;
}

void path_exclude_node(struct path_query *query, uint32_t router_id)
{
    if (has_node(query, router_id))
        return;
    query->excluded_nodes = array_reserve(query->excluded_nodes, query->n_excluded_nodes, &query->cap_excluded_nodes,
                                          sizeof(*query->excluded_nodes));
    query->excluded_nodes[query->n_excluded_nodes++] = router_id;
}

void path_exclude_link(struct path_query *query, const struct te_link_key *key)
{
    if (has_link(query, key))
        return;
    query->excluded_links = array_reserve(query->excluded_links, query->n_excluded_links, &query->cap_excluded_links,
                                          sizeof(*query->excluded_links));
    query->excluded_links[query->n_excluded_links++] = *key;
}

/* The link of the node that the error is about, by the interface it names. Nodes name the interface that a message left
 * or would leave by, but some the one that it came in by, which may be known by the neighbour's name for it. */
static const struct path_slot *slot_of_error(const struct path_graph *graph, uint32_t area,
                                             const struct lsp_error *error)
{
    struct te_link_key key = {area, error->node, error->interface_ip, error->interface_ip ? 0 : error->interface_id};
    uint32_t slot = path_slot_find(graph, &key);
    if (slot != PATH_NONE)
        return &graph->slots[slot];
    for (size_t i = 0; error->interface_ip && i < graph->n_slots; i++) {
        const struct te_link *link = &graph->slots[i].link;
        if (link->key.area == area && (link->key.from == error->node || link->to == error->node) &&
            (link->key.local_ip == error->interface_ip || link->remote_ip == error->interface_ip))
            return &graph->slots[i];
    }
    return NULL;
}

static int exclude_error_node(struct path_query *query, const struct path_graph *graph, uint32_t node, struct err *err)
{
    char name[IPV4_TEXT_SIZE];
    if (path_node_find(graph, query->area, node) == PATH_NONE)
        return err_set(err, ERR_NOT_FOUND, "the error comes from %s, which is no node of the TED: nothing to avoid",
                       ipv4_format(node, name));
    if (node == query->from || node == query->to)
        return err_set(err, ERR_CONFLICT, "the error is about %s, an end of the LSP: no other path avoids it",
                       ipv4_format(node, name));
    if (has_node(query, node))
        return err_set(err, ERR_EXISTS, "the error is about node %s, which the path did not use",
                       ipv4_format(node, name));
    path_exclude_node(query, node);
    return 0;
}

int path_exclude_error(struct path_query *query, const struct path_graph *graph, const struct lsp_error *error,
                       struct err *err)
{
    char text[128], name[IPV4_TEXT_SIZE];
    if (!error->node)
        return err_set(err, ERR_NOT_FOUND, "the error names no node: nothing to avoid");
    if (!error->interface_ip && !error->interface_id)
        return exclude_error_node(query, graph, error->node, err);
    const struct path_slot *slot = slot_of_error(graph, query->area, error);
    if (!slot && (error->node == query->from || error->node == query->to))
        return err_set(err, ERR_CONFLICT,
                       "the error is about an interface of %s that is no link, at an end of the LSP: "
                       "no other path avoids it",
                       ipv4_format(error->node, name));
    if (!slot)
        return exclude_error_node(query, graph, error->node, err);
    bool reverse_too = slot->reverse != PATH_NONE && has_link(query, &graph->slots[slot->reverse].link.key);
    if (has_link(query, &slot->link.key) || reverse_too)
        return err_set(err, ERR_EXISTS, "the error is about %s, which the path did not use",
                       path_link_text(&slot->link, text, sizeof(text)));
    path_exclude_link(query, &slot->link.key);
    return 0;
}

/* -- what an arc must be ------------------------------------------------------------------------------------------- */

static bool colours_fit(const struct path_filter *filter, uint32_t colours)
{
    return !(colours & filter->exclude_any) && (!filter->include_any || (colours & filter->include_any)) &&
           (colours & filter->include_all) == filter->include_all;
}

bool path_arc_open_slow(const struct path_graph *graph, const struct path_filter *filter, uint32_t arc)
{
    const struct path_arcs *arcs = &graph->arcs;
    if (filter->usable[arc] < filter->enough && path_arc_bps(graph, arc, filter->priority) < filter->bandwidth_bps)
        return false;
    if (filter->delay_known && arcs->weight[PATH_DELAY][arc] == TE_DELAY_NONE)
        return false;
    return colours_fit(filter, arcs->colours[arc]) && colours_fit(filter, arcs->colours[arcs->twin[arc]]);
}

static struct path_filter filter_of(const struct path_graph *graph, const struct path_query *query,
                                    unsigned constraints)
{
    struct path_filter filter = {.usable = graph->arcs.usable[query->setup_priority],
                                 .priority = query->setup_priority,
                                 .bandwidth_bps = constraints & PATH_WITH_BANDWIDTH ? query->bandwidth_bps : 0};
    filter.least = path_usable(filter.bandwidth_bps);
    filter.enough = filter.least + (filter.bandwidth_bps % 1000 > 0 || filter.least == PATH_USABLE_MAX);
    if (constraints & PATH_WITH_AFFINITIES) {
        filter.exclude_any = query->exclude_any;
        filter.include_any = query->include_any;
        filter.include_all = query->include_all;
    }
    filter.delay_known = (constraints & PATH_WITH_DELAYS) && (query->max_delay_us || query->metric == PATH_DELAY);
    filter.plain = !filter.exclude_any && !filter.include_any && !filter.include_all && !filter.delay_known;
    return filter;
}

/* An excluded link is closed in the arrays while the query runs, so that no search has to ask. */
static void hide(struct path_run *run, uint32_t arc)
{
    uint32_t *usable = run->graph->arcs.usable[run->query->setup_priority];
    run->hidden = array_reserve(run->hidden, run->n_hidden, &run->cap_hidden, sizeof(*run->hidden));
    run->hidden[run->n_hidden++] = (struct path_hidden) {arc, usable[arc]};
    usable[arc] = usable[run->graph->arcs.twin[arc]] = 0;
}

static void hide_excluded(struct path_run *run)
{
    const struct path_query *query = run->query;
    const struct path_arcs *arcs = &run->graph->arcs;
    for (size_t i = 0; i < query->n_excluded_links; i++) {
        uint32_t slot = path_slot_find(run->graph, &query->excluded_links[i]);
        if (slot != PATH_NONE && run->graph->slots[slot].arc != PATH_NONE)
            hide(run, run->graph->slots[slot].arc);
    }
    for (size_t i = 0; i < query->n_excluded_nodes; i++) {
        uint32_t node = path_node_find(run->graph, query->area, query->excluded_nodes[i]);
        uint32_t place = node == PATH_NONE ? PATH_NONE : run->graph->nodes[node].place;
        for (uint32_t arc = place == PATH_NONE ? 0 : arcs->first[place];
             place != PATH_NONE && arc < arcs->first[place + 1]; arc++)
            hide(run, arc);
    }
}

static int place_of(const struct path_run *run, uint32_t router, const char *what, uint32_t *place, struct err *err)
{
    char name[IPV4_TEXT_SIZE], area[IPV4_TEXT_SIZE];
    uint32_t node = path_node_find(run->graph, run->query->area, router);
    if (node == PATH_NONE)
        return err_set(err, ERR_NOT_FOUND,
                       "the %s %s is not in the TED of area %s: is its OSPF up, and its router id right?", what,
                       ipv4_format(router, name), ipv4_format(run->query->area, area));
    *place = run->graph->nodes[node].place;
    return 0;
}

int path_run_begin(struct path_run *run, struct path_graph *graph, const struct path_query *query, unsigned constraints,
                   struct err *err)
{
    char name[IPV4_TEXT_SIZE];
    *run = (struct path_run) {.graph = graph, .query = query};
    if (query->setup_priority >= TE_PRIORITIES || query->metric >= PATH_METRICS)
        return err_set(err, ERR_INVALID, "setup priority %u: it must be 0..7", query->setup_priority);
    if (query->from == query->to)
        return err_set(err, ERR_INVALID, "ingress and egress are the same node, %s", ipv4_format(query->from, name));
    path_graph_fresh(graph);
    int ret = place_of(run, query->from, "ingress", &run->from, err);
    if (!ret)
        ret = place_of(run, query->to, "egress", &run->to, err);
    if (ret)
        return ret;
    /* Before anything is hidden: landmarks stand on all links. */
    if (constraints == PATH_WITH_ALL)
        path_landmarks_prepare(graph, query->metric);
    run->filter = filter_of(graph, query, constraints);
    if (constraints & PATH_WITH_EXCLUSIONS)
        hide_excluded(run);
    return 0;
}

void path_run_end(struct path_run *run)
{
    /* Backwards, since what was hidden twice was 0 the second time. */
    while (run->n_hidden) {
        struct path_hidden hidden = run->hidden[--run->n_hidden];
        uint32_t *usable = run->graph->arcs.usable[run->query->setup_priority];
        usable[hidden.arc] = usable[run->graph->arcs.twin[hidden.arc]] = hidden.usable;
    }
    free(run->hidden);
    run->hidden = NULL;
}

/* -- what comes back ----------------------------------------------------------------------------------------------- */

char *path_link_text(const struct te_link *link, char *buffer, size_t size)
{
    char from[IPV4_TEXT_SIZE], to[IPV4_TEXT_SIZE], address[IPV4_TEXT_SIZE];
    if (link->key.local_ip)
        snprintf(buffer, size, "link %s (%s to %s)", ipv4_format(link->key.local_ip, address),
                 ipv4_format(link->key.from, from), ipv4_format(link->to, to));
    else
        snprintf(buffer, size, "link %u of %s (to %s)", link->key.local_id, ipv4_format(link->key.from, from),
                 ipv4_format(link->to, to));
    return buffer;
}

char *path_rate_text(uint64_t bps, char *buffer, size_t size)
{
    static const char *const units[] = {"bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"};
    size_t unit = 0;
    double rate = (double) bps;
    for (; rate >= 1000 && unit + 1 < ARRAY_LEN(units); unit++)
        rate /= 1000;
    snprintf(buffer, size, "%.4g %s", rate, units[unit]);
    return buffer;
}

void path_result_make(const struct path_run *run, const struct path_trace *trace, struct path_result *result)
{
    const struct path_graph *graph = run->graph;
    struct path_result made = {.links = xcalloc(trace->n, sizeof(*made.links)), .n = trace->n, .delay_known = true};
    for (size_t i = 0; i < trace->n; i++) {
        uint32_t arc = trace->arcs[i], delay = graph->arcs.weight[PATH_DELAY][arc];
        made.links[i] = graph->slots[graph->arcs.slot[arc]].link;
        made.cost += graph->arcs.weight[run->query->metric][arc];
        made.delay_known = made.delay_known && delay != TE_DELAY_NONE;
        made.delay_us += delay == TE_DELAY_NONE ? 0 : delay;
    }
    *result = made;
}

void path_result_free(struct path_result *result)
{
    free(result->links);
    *result = (struct path_result) {0};
}

int path_route(const struct path_result *result, struct lsp_route *route, struct err *err)
{
    struct lsp_route made = {0};
    if (result->n > PATH_LINKS_MAX)
        return err_set(err, ERR_TOO_LARGE, "a path of %zu links: signalling has room for %d", result->n,
                       PATH_LINKS_MAX);
    for (size_t i = 0; i < result->n; i++) {
        const struct te_link *link = &result->links[i];
        struct lsp_hop hop = {.type = HOP_IPV4, .length = 32, .address = link->remote_ip};
        if (!link->key.local_ip)
            hop = (struct lsp_hop) {.type = HOP_UNNUMBERED, .address = link->to, .interface = link->remote_id};
        lsp_route_add(&made, hop);
    }
    *route = made;
    return 0;
}

int path_find(struct path_graph *graph, const struct path_query *query, struct path_result *result, struct err *err)
{
    struct path_run run;
    struct path_trace *trace = &graph->trace;
    int ret = path_run_begin(&run, graph, query, PATH_WITH_ALL, err);
    if (ret)
        return ret;
    bool found = path_search(&run, true, trace);
    if (found && query->max_delay_us)
        ret = path_search_bounded(&run, trace, err);
    if (found && !ret)
        path_result_make(&run, trace, result);
    path_run_end(&run);
    return found ? ret : path_explain(graph, query, err);
}
