/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of path computation share; for core/path*.c only.
 *
 * A slot is a link of the TED, or was one: links come back, and the arrays keep a place for them. Two slots that name
 * each other's interfaces are a pair. A place is a node's index in the arrays, an arc one direction of a pair there;
 * arcs leave their node in the order of their keys. */
#ifndef CORE_PATH_GRAPH_H
#define CORE_PATH_GRAPH_H

#include "core/path.h"
#include "core/path_heap.h"

#define PATH_NONE UINT32_MAX
#define PATH_METRICS 2
#define PATH_LANDMARKS 16

/* Distances are kept as (cost << PATH_HOP_BITS) + links, so that of equal costs the fewer links are nearer and no link
 * is of length 0. Room for costs of 2^48, and 65,535 links. */
#define PATH_HOP_BITS 16

struct path_slot {
    struct te_link link;
    bool present;
    uint32_t node;     /* of link.key.from */
    uint32_t reverse;  /* the slot of the other direction; NONE */
    uint32_t arc;      /* NONE: not in the arrays, or they are stale */
    uint64_t *booked;  /* by holding priority; null: nothing */
    uint32_t bookings; /* how many */
};

struct path_node {
    uint32_t area, router;
    uint32_t place;
};

/* Open addressing over indices of another array. */
struct path_index {
    uint32_t *table;
    size_t size; /* a power of two, or 0 */
};

struct path_arcs {
    uint32_t *first; /* by place, and one more */
    uint32_t *node;  /* by place */
    uint32_t n_places, n_arcs;
    /* by arc: */
    uint32_t *head; /* place */
    uint32_t *twin; /* the other direction's arc */
    uint32_t *slot;
    uint32_t *colours;
    uint32_t *weight[PATH_METRICS];  /* of DELAY: the same both ways; TE_DELAY_NONE */
    uint32_t *usable[TE_PRIORITIES]; /* path_usable() of both directions; 0: the pair is not present */
};

/* Distances over pairs that are present, each as short as its shorter direction, whatever its bandwidth. */
struct path_landmarks {
    uint32_t n;
    int32_t *distance; /* by place * PATH_LANDMARKS + landmark; PATH_FAR and more are PATH_FAR */
    int32_t *nearest;  /* by place: to any of them */
    size_t weakened;   /* links that went or got longer since the landmarks were made */
};
#define PATH_FAR INT32_MAX

struct path_state { /* of a place in a search */
    uint64_t distance;
    uint32_t bound; /* of the cost from here to the target */
    uint32_t stamp; /* of the search that the rest is from */
};

/* An array of arcs that make a path, in its order. */
struct path_trace {
    uint32_t *arcs;
    size_t n, capacity;
};

struct path_booking;

struct path_graph {
    struct path_slot *slots;
    size_t n_slots, cap_slots, n_present;
    struct path_node *nodes;
    size_t n_nodes, cap_nodes;
    struct path_index slot_index, node_index;
    struct path_arcs arcs;
    bool stale; /* the arrays: pairs were made or dissolved */
    struct path_landmarks landmarks[PATH_METRICS];
    struct path_state *states;
    uint32_t stamp;
    struct path_heap heap;
    struct path_trace trace; /* of the query under way; kept for its memory */
    struct path_booking *bookings;
    size_t n_bookings, cap_bookings;
};

/* What an arc must be in one query. */
struct path_filter {
    const struct path_arcs *arcs;
    const uint32_t *usable;
    uint32_t enough, least; /* of usable: what has so much is wide enough; less than the least is not; between them it
                             * has to be looked at */
    uint64_t bandwidth_bps;
    uint8_t priority;
    bool plain; /* nothing but bandwidth */
    bool delay_known;
    uint32_t exclude_any, include_any, include_all;
};

/* Bandwidth in 32 bits, rounded down: kbit/s + 1. */
#define PATH_USABLE_MAX (UINT32_MAX - 1)
static inline uint32_t path_usable(uint64_t bps)
{
    return bps / 1000 < PATH_USABLE_MAX - 1 ? (uint32_t) (bps / 1000) + 1 : PATH_USABLE_MAX;
}

static inline uint64_t path_length(uint32_t weight)
{
    return ((uint64_t) weight << PATH_HOP_BITS) + 1;
}

/* path_graph.c */
uint32_t path_slot_find(const struct path_graph *graph, const struct te_link_key *key);  /* PATH_NONE; may be absent */
uint32_t path_node_find(const struct path_graph *graph, uint32_t area, uint32_t router); /* PATH_NONE */
bool path_pair_present(const struct path_graph *graph, const struct path_slot *slot);
void path_graph_fresh(struct path_graph *graph);                /* rebuilds what is stale */
void path_slot_booked(struct path_graph *graph, uint32_t slot); /* its 'booked' has changed */
/* What is free in both directions. */
uint64_t path_arc_bps(const struct path_graph *graph, uint32_t arc, uint8_t priority);

/* path_booking.c */
/* The slot's bandwidth was flooded anew; 'before' is the link as it was until then. */
void path_booking_flooded(struct path_graph *graph, uint32_t slot, const struct te_link *before);
void path_bookings_free(struct path_graph *graph);

/* path_landmarks.c */
void path_landmarks_prepare(struct path_graph *graph, enum path_metric metric); /* makes one more, if it is time to */
void path_landmarks_shorter(struct path_graph *graph, uint32_t arc); /* the pair came, or may have got shorter */
void path_landmarks_longer(struct path_graph *graph);                /* one went, or got longer */
/* After a rebuild: 'before' has the former place of each, PATH_NONE if it is new. */
void path_landmarks_move(struct path_graph *graph, const uint32_t *before);
void path_landmarks_free(struct path_landmarks *landmarks);

/* path_query.c */
bool path_arc_open_slow(const struct path_graph *graph, const struct path_filter *filter, uint32_t arc);

static inline bool path_arc_open(const struct path_graph *graph, const struct path_filter *filter, uint32_t arc)
{
    uint32_t usable = filter->usable[arc];
    if (usable >= filter->enough && filter->plain)
        return true;
    return usable >= filter->least && path_arc_open_slow(graph, filter, arc);
}

enum path_constraint { /* bits: what a query's filter and mask are made of */
                       PATH_WITH_BANDWIDTH = 1 << 0,
                       PATH_WITH_AFFINITIES = 1 << 1,
                       PATH_WITH_EXCLUSIONS = 1 << 2,
                       PATH_WITH_DELAYS = 1 << 3,
                       PATH_WITH_ALL = 15
};

/* A query under way: its ends, its filter, and excluded links, which are hidden from the arrays until path_run_end().
 * */
struct path_run {
    struct path_graph *graph;
    const struct path_query *query;
    uint32_t from, to; /* places */
    struct path_filter filter;
    struct path_hidden *hidden;
    size_t n_hidden, cap_hidden;
};

struct path_hidden {
    uint32_t arc, usable;
};

/* The errors that a query has before any search. Nothing to end if it fails. */
int path_run_begin(struct path_run *run, struct path_graph *graph, const struct path_query *query, unsigned constraints,
                   struct err *err);
void path_run_end(struct path_run *run);

/* path_search.c: the best path by the query's metric, without its delay bound. False: there is none. Without 'goal' it
 * looks in all directions, and graph->states hold the distances of all places that are nearer than the target. */
bool path_search(struct path_run *run, bool goal, struct path_trace *trace);
uint64_t path_state_distance(const struct path_graph *graph, uint32_t place); /* of the last search; UINT64_MAX */

/* path_bounded.c: the same with it. 0, ERR_CONFLICT, ERR_TOO_LARGE; 'trace' holds the path without the bound first. */
int path_search_bounded(struct path_run *run, struct path_trace *trace, struct err *err);

/* path_explain.c: why path_search() found none. Returns the code. */
int path_explain(struct path_graph *graph, const struct path_query *query, struct err *err);
char *path_link_text(const struct te_link *link, char *buffer, size_t size); /* "link 10.0.0.1 of 10.253.0.1" */
char *path_rate_text(uint64_t bps, char *buffer, size_t size);               /* "2.5 Gbit/s" */

void path_result_make(const struct path_run *run, const struct path_trace *trace, struct path_result *result);

#endif
