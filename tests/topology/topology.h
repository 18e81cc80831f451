/* SPDX-License-Identifier: Apache-2.0 */
/* Transport networks for tests and benches: real ones from tests/data/topologies, and random ones from a seed.
 *
 *     struct topology topology;
 *     topology_load(&topology, "germany50");
 *     size_t n;
 *     AUTO_FREE struct te_link *links = topology_links(&topology, AREA, 10 * GBPS, &n);
 *     for (size_t i = 0; i < n; i++)
 *         ted_set(&ted, &links[i]);
 *     ...
 *     topology_free(&topology);
 *
 * Meson: link 'topology'; TEST_DATA is known to it. A node is its index, 0 .. n_nodes - 1, and so is a link, which is
 * the whole of a cable: topology_links() makes two TE links of each. What cannot be read ends the program, with the
 * reason. */
#ifndef TOPOLOGY_TOPOLOGY_H
#define TOPOLOGY_TOPOLOGY_H

#include <stddef.h>
#include <stdint.h>

#include "model/ted.h"

/* What tests/data/topologies has, ended by null: the nodes and cables of each are in its README.md. */
extern const char *const topology_names[];

struct topology_link {
    uint32_t a, b; /* nodes; never the same. Two nodes may have several links */
    uint32_t length_m;
};

struct topology {
    size_t n_nodes, n_links, cap_nodes, cap_links;
    char **names; /* of nodes, ASCII, not unique; null if the topology is random */
    struct topology_link *links;
};

void topology_load(struct topology *topology, const char *name);

/* Nodes strewn over a square of 4,000 km, linked where they are near; on the average six links end at a node.
 * Connected. The same for the same seed, everywhere. */
void topology_random(struct topology *topology, size_t nodes, uint64_t seed);

void topology_free(struct topology *topology); /* its members */

/* The addresses of a topology: router ids 10.0.0.1 and following; a link is 100.64.0.0/30 and following, with .1 at its
 * end 'a' and .2 at its end 'b'. There is room for 2^24 nodes and 2^20 links. */
uint32_t topology_router(size_t node);
uint32_t topology_address(size_t link, int end); /* end: 0 is a, 1 is b */

/* Both TE links of each cable, sorted by key, numbered, all of 'bps' reservable and unreserved at each priority. The
 * metric is the length in 100 m, the delay 5 us for each km, rounded up. Caller frees. */
struct te_link *topology_links(const struct topology *topology, uint32_t area, uint64_t bps, size_t *n);

/* A generator for tests and benches (splitmix64): the next number from '*state', which may start with anything. */
uint64_t topology_random_next(uint64_t *state);
/* 0 .. below - 1. */
uint32_t topology_random_below(uint64_t *state, uint32_t below);

#endif
