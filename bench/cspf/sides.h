/* SPDX-License-Identifier: Apache-2.0 */
/* The three sides of the rows cspf-*: each gets the same links before the clock starts, and then the same queries. */
#ifndef CSPF_SIDES_H
#define CSPF_SIDES_H

#include <stddef.h>
#include <stdint.h>

#include "model/ted.h"

#define COST_NONE UINT64_MAX

struct query {
    uint32_t from, to; /* nodes */
    uint64_t bps;
};

/* Links are as topology_links() makes them; both directions of a cable have the same metric and bandwidth. What the
 * functions return is the cost of the path; the path itself is made, too. */
struct side {
    const char *name;
    void *(*make)(const struct te_link *links, size_t n_links, size_t n_nodes, const uint64_t *rates, size_t n_rates);
    uint64_t (*find)(void *state, const struct query *query);
    void (*free)(void *state);
};

extern const struct side side_ours, side_textbook, side_igraph;

#endif
