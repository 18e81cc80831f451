/* SPDX-License-Identifier: Apache-2.0 */
/* Constrained shortest paths (CSPF) through the transport networks, for LSPs that are bidirectional and co-routed.
 *
 *   graph      the TED (model/ted.h) in a form for searching. Each flooded change is told to it: a change of bandwidth,
 *              colour, delay or metric, and a link that goes and comes back, are dealt with on the spot; a link between
 *              nodes that had none costs a rebuild of the arrays, at the next query.
 *   bookings   bandwidth that LSPs of ours take before the flood tells so.
 *   queries    one path, or a disjoint pair, or the widest path; crankback adds what failed to a query's exclusions.
 *
 * What a link must be to be used:
 *   - flooded by both its ends, each naming the other's interface (RFC 2328 §16.1 (2)(b), RFC 3630): an LSP takes both
 *     directions, and a link whose other end is silent is down or new.
 *   - it has the bandwidth in both directions, at the setup priority, less what is booked.
 *   - the affinities (RFC 3209 §4.7.4) allow the colours of both directions.
 *   - its delay is the larger of both directions', so that a bound holds both ways. Where a query asks about delay (as
 *     its metric or as a bound), a link that floods none is not used: a bound that nobody can vouch for is none.
 * The cost is the sum of the TE metrics (RFC 3630 §2.5.5) from ingress to egress, or of the delays.
 *
 * How: A* over arrays in the order of a breadth-first walk. Its lower bounds are distances from up to 16 landmarks,
 * taken over all links whatever their bandwidth (ALT: Goldberg and Harrelson, 2005). A constraint only takes links
 * away, and so leaves a lower bound one; a link that gets nearer or comes anew is propagated to the landmarks that it
 * brings nearer. A query makes at most one landmark, so none pays for all of them; graphs under PATH_LANDMARK_NODES
 * have none. A delay bound beside another metric makes the problem NP-hard; labels are set in the order of an exact
 * bound of their cost then, and pruned by dominance (exact, up to PATH_LABELS_MAX). A disjoint pair is Suurballe's
 * (1974), with split nodes where nodes are to be disjoint.
 *
 * One answer for one TED: of the paths that cost the least, the one with the fewest links; of those the one that,
 * walked from the egress back, takes the link with the least key first. It does not depend on the order in which links
 * came.
 *
 * Memory: for each link some 220 bytes (arrays grow by doubling, so 150 of them may be held twice), and 64 more with a
 * booking; for each node some 50, and 68 for the landmarks of each metric that was asked for. Searches under a delay
 * bound take up to 48 bytes a label (50 MB at the limit), pairs 48 bytes a node, while they last. */
#ifndef CORE_PATH_H
#define CORE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mono.h"
#include "model/lsp.h"
#include "model/ted.h"

#define PATH_LANDMARK_NODES 32
#define PATH_LABELS_MAX (1u << 20)
#define PATH_LINKS_MAX (LSP_HOPS_MAX - 4) /* an ERO holds also both client interfaces and their labels */

/* -- the graph ----------------------------------------------------------------------------------------------------- */

struct path_graph;

struct path_graph *path_graph_new(void);
void path_graph_free(struct path_graph *graph); /* may be null */

/* As ted_set(), ted_remove() and ted_clear(). */
bool path_graph_set(struct path_graph *graph, const struct te_link *link);
bool path_graph_remove(struct path_graph *graph, const struct te_link_key *key);
size_t path_graph_clear(struct path_graph *graph, const uint32_t *area);
/* Makes it equal to the TED, by its differences. */
void path_graph_load(struct path_graph *graph, const struct ted *ted);

/* -- bandwidth in flight ------------------------------------------------------------------------------------------- */

/* A node floods what a new LSP takes up to 5 s later (MinLSInterval, RFC 2328 §B), so that two LSPs that are set up one
 * after the other would both be sent over a link that has room for one. A booking counts against its links
 *   - while the LSP is being set up, on each link until a flood shows at least as much less, PATH_BOOKING_SETUP_MS at
 *     most (who asked for it should have heard by then), and
 *   - once it is up, on each link until the link's bandwidth is flooded anew, PATH_BOOKING_UP_MS at most.
 * A node that was quiet floods at once, often before the LSP is reported up. A smaller change during set-up may show
 * another LSP, ours or not, and what was admitted before it. A flood that arrives when the LSP is up was nearly always
 * made after this link had admitted it, since admission comes before the answer, and that before the report. A flood
 * that is taken wrongly for this LSP's makes the link count too little, and that costs a crankback: a node admits no
 * more than it has. */
#define PATH_BOOKING_SETUP_MS 120000
#define PATH_BOOKING_UP_MS 10000

/* Books 'bps' in both directions of the links for the LSP of that name (in place of its former booking). Links that are
 * not in the graph are left out. 'holding_priority': 0..7; setup priorities that are not better than it find less. */
void path_book(struct path_graph *graph, const char *name, const struct te_link *links, size_t n, uint64_t bps,
               uint8_t holding_priority, struct mono now);
/* The LSP is up. No-op if nothing is booked for it. */
void path_book_up(struct path_graph *graph, const char *name, struct mono now);
/* It failed, or was removed before the flood told of it: gives back at once. No-op if nothing is booked for it. */
void path_unbook(struct path_graph *graph, const char *name);
/* Gives back what is too old. Call it at path_booking_deadline(), and before a query. */
void path_booking_tick(struct path_graph *graph, struct mono now);
struct mono path_booking_deadline(const struct path_graph *graph); /* MONO_NEVER: nothing is booked */
/* What is booked on the link for LSPs that hold at 'priority' or better, bits per second. */
uint64_t path_booked(const struct path_graph *graph, const struct te_link_key *key, uint8_t priority);

/* -- queries ------------------------------------------------------------------------------------------------------- */

enum path_metric { PATH_TE_METRIC, PATH_DELAY };

struct path_query { /* all zero but area, from and to: any bandwidth, no constraint */
    uint32_t area;
    uint32_t from, to; /* router ids: ingress, egress */
    uint64_t bandwidth_bps;
    uint8_t setup_priority;                         /* 0..7 */
    uint8_t metric;                                 /* enum path_metric */
    uint32_t exclude_any, include_any, include_all; /* RFC 3209 §4.7.4; 0: no constraint */
    uint32_t max_delay_us;                          /* of the whole path, each direction; 0: no bound */
    uint32_t *excluded_nodes;                       /* router ids; owned */
    size_t n_excluded_nodes, cap_excluded_nodes;
    struct te_link_key *excluded_links; /* either direction excludes both; unknown ones are ignored; owned */
    size_t n_excluded_links, cap_excluded_links;
};

void path_query_free(struct path_query *query); /* its members */
void path_exclude_node(struct path_query *query, uint32_t router_id);
void path_exclude_link(struct path_query *query, const struct te_link_key *key);

/* Crankback (RFC 4920 §3): excludes from 'query' what the error of a failed set-up is about: the link that its
 * interface is an end of, or, without an interface, the node. Returns 0, or, with nothing excluded,
 *   ERR_NOT_FOUND  the error names no node, or no link or node of the TED: another path cannot be told from this one
 *   ERR_CONFLICT   it is about the ingress or the egress itself: no path avoids them
 *   ERR_EXISTS     that is excluded already: the node did not take the path that it was given */
int path_exclude_error(struct path_query *query, const struct path_graph *graph, const struct lsp_error *error,
                       struct err *err);

struct path_result {
    struct te_link *links; /* from ingress to egress; owned */
    size_t n;
    uint64_t cost;     /* sum of the query's metric */
    uint64_t delay_us; /* of the links that flood a delay */
    bool delay_known;  /* all of them do */
};

void path_result_free(struct path_result *result); /* its members */
/* The strict ERO: for each link the interface of its far end, unnumbered where the link is (RFC 3209 §4.3, RFC 3477
 * §4). 'route' gets it, the caller frees. ERR_TOO_LARGE: more than PATH_LINKS_MAX links. */
int path_route(const struct path_result *result, struct lsp_route *route, struct err *err);

/* The best path. Returns 0 and fills 'result' (caller frees), or
 *   ERR_INVALID      ingress and egress are the same, a priority above 7
 *   ERR_NOT_FOUND    ingress or egress is not in the area's TED
 *   ERR_UNREACHABLE  they are not connected
 *   ERR_EXHAUSTED    connected, but not with that bandwidth: tells how much would fit, and which link limits it
 *   ERR_CONFLICT     only without the affinities, the exclusions, or the delay bound: tells which, and the least delay
 *   ERR_TOO_LARGE    a search under a delay bound was given up */
int path_find(struct path_graph *graph, const struct path_query *query, struct path_result *result, struct err *err);

enum path_disjoint { PATH_LINK_DISJOINT, PATH_NODE_DISJOINT };

struct path_shared {     /* what both paths of a pair use */
    size_t links, nodes; /* nodes: between the ends */
};

/* Two paths with the least sum of costs that share no link (or neither link nor node between the ends). The cheaper one
 * is the first. If there is no such pair and 'shared' is null: ERR_CONFLICT, which tells what all pairs share. If
 * 'shared' is given, the pair that shares the fewest links (or links and nodes, one like the other) is found instead,
 * and of those the cheapest; shared links have the bandwidth twice, since each LSP reserves its own. A delay bound is
 * held against both paths of the pair that is found, and no other pair is looked for: ERR_CONFLICT. Else as
 * path_find(). */
int path_find_pair(struct path_graph *graph, const struct path_query *query, enum path_disjoint kind,
                   struct path_shared *shared, struct path_result result[2], struct err *err);

/* The largest bandwidth that any path has under the query's other constraints (but the delay bound), and the link that
 * limits it. Errors as path_find(). */
int path_widest(struct path_graph *graph, const struct path_query *query, uint64_t *bps, struct te_link *limit,
                struct err *err);

#endif
