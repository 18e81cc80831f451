/* SPDX-License-Identifier: Apache-2.0 */
/* igraph's Dijkstra with a single target. It knows no bandwidth: links that have too little weigh infinitely, which it
 * passes over, and the weights for each rate are made before the clock starts. */
#include <igraph/igraph.h>

#include "base/alloc.h"
#include "sides.h"
#include "topology/topology.h"

struct weighted {
    igraph_t graph;
    igraph_vector_t *weights; /* by rate */
    const uint64_t *rates;
    size_t n_rates;
    igraph_vector_int_t path;
};

static void *make(const struct te_link *links, size_t n_links, size_t n_nodes, const uint64_t *rates, size_t n_rates)
{
    struct weighted *weighted = xcalloc(1, sizeof(*weighted));
    igraph_vector_int_t edges;
    igraph_vector_int_init(&edges, (igraph_integer_t) (2 * n_links));
    for (size_t i = 0; i < n_links; i++) {
        VECTOR(edges)[2 * i] = links[i].key.from - topology_router(0);
        VECTOR(edges)[2 * i + 1] = links[i].to - topology_router(0);
    }
    igraph_create(&weighted->graph, &edges, (igraph_integer_t) n_nodes, IGRAPH_DIRECTED);
    igraph_vector_int_destroy(&edges);
    weighted->rates = rates;
    weighted->n_rates = n_rates;
    weighted->weights = xcalloc(n_rates, sizeof(*weighted->weights));
    for (size_t rate = 0; rate < n_rates; rate++) {
        igraph_vector_init(&weighted->weights[rate], (igraph_integer_t) n_links);
        for (size_t i = 0; i < n_links; i++)
            VECTOR(weighted->weights[rate])
        [i] = links[i].unreserved_bps[TE_PRIORITIES - 1] >= rates[rate] ? links[i].metric : IGRAPH_INFINITY;
    }
    igraph_vector_int_init(&weighted->path, 0);
    return weighted;
}

static uint64_t find(void *state, const struct query *query)
{
    struct weighted *weighted = state;
    size_t rate = 0;
    while (weighted->rates[rate] != query->bps)
        rate++;
    const igraph_vector_t *weights = &weighted->weights[rate];
    igraph_get_shortest_path_dijkstra(&weighted->graph, NULL, &weighted->path, query->from, query->to, weights,
                                      IGRAPH_OUT);
    igraph_integer_t n = igraph_vector_int_size(&weighted->path);
    uint64_t cost = 0;
    for (igraph_integer_t i = 0; i < n; i++)
        cost += (uint64_t) VECTOR(*weights)[VECTOR(weighted->path)[i]];
    return n ? cost : COST_NONE;
}

static void free_state(void *state)
{
    struct weighted *weighted = state;
    for (size_t rate = 0; rate < weighted->n_rates; rate++)
        igraph_vector_destroy(&weighted->weights[rate]);
    free(weighted->weights);
    igraph_vector_int_destroy(&weighted->path);
    igraph_destroy(&weighted->graph);
    free(weighted);
}

const struct side side_igraph = {"igraph", make, find, free_state};
