/* SPDX-License-Identifier: Apache-2.0 */
/* core/path, as the gateway uses it: the graph is fed link by link, and a query is a query of the public header. */
#include "core/path.h"
#include "sides.h"
#include "topology/topology.h"

static void *make(const struct te_link *links, size_t n_links, size_t n_nodes, const uint64_t *rates, size_t n_rates)
{
    (void) n_nodes, (void) rates, (void) n_rates;
    struct path_graph *graph = path_graph_new();
    for (size_t i = 0; i < n_links; i++)
        path_graph_set(graph, &links[i]);
    return graph;
}

static uint64_t find(void *state, const struct query *query)
{
    struct path_query asked = {.from = topology_router(query->from),
                               .to = topology_router(query->to),
                               .bandwidth_bps = query->bps,
                               .setup_priority = TE_PRIORITIES - 1};
    struct path_result result;
    if (path_find(state, &asked, &result, NULL))
        return COST_NONE;
    uint64_t cost = result.cost;
    path_result_free(&result);
    return cost;
}

static void free_state(void *state)
{
    path_graph_free(state);
}

const struct side side_ours = {"core/path", make, find, free_state};
