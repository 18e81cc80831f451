/* SPDX-License-Identifier: Apache-2.0 */
/* One GMPLS node between three scripted neighbours, its switch and its askers:
 *
 *      10.253.0.10 A ---1---. .---2--- B 10.253.0.20
 *                            N              client ports of N: 7 (VLANs 100 to 102), 8 (bridge)
 *      10.253.0.30 C ---3---'               link to A: labels 1000 to 1003; B: 2000 to 2999; C: 3000 to 3999
 *
 * Link l has addresses 10.252.l.1 at N and 10.252.l.2, and 100 Mbit/s. What N says is a list of lines that a script
 * takes off one by one: "B <-- Path ..." (what the neighbour's own machine lets through: no Hello, Ack, repeat),
 * "xc set A 1000/500 B 2000/600" (in/out label), "xc clear ...", "probe", "report lsp1 up ...". */
#ifndef TESTS_GMPLS_NODE_WORLD_H
#define TESTS_GMPLS_NODE_WORLD_H

#include "gmpls/neighbour.h"
#include "gmpls/node.h"

enum peer { A, B, C, PEERS };

#define ROUTER_N 0x0afd0001u
#define ROUTER(peer) (0x0afd0000u + 10 * ((uint32_t) (peer) + 1))
#define LOCAL(peer) (0x0afc0001u + 256 * ((uint32_t) (peer) + 1))
#define REMOTE(peer) (LOCAL(peer) + 1)
#define MBPS 1000000u
#define LINES_MAX 256
#define RECORDS_MAX 64

struct node_world {
    struct gmpls_node *node;
    struct neighbour *peers[PEERS];
    struct mono now;
    char *lines[LINES_MAX];
    unsigned first, n_lines;
    char *records[RECORDS_MAX]; /* by key */
    uint32_t instance;
    uint32_t xc;       /* id of the last XC_SET */
    uint64_t nonce;    /* of the last probe */
    bool stubborn;     /* neighbours refresh what was ended all the same */
    bool deaf[PEERS];  /* nothing passes on this control channel */
    uint32_t lsps_max; /* from the next revive() on */
    uint32_t peer_restart_ms, peer_recovery_ms, peer_refresh_ms;
    struct node_xc found[2];
    size_t n_found;
    uint32_t link_hold_ms, client_hold_ms; /* of the node, from its next start on */
    struct rsvp_message routed;            /* the last that went routed */
    uint32_t routed_from;
    unsigned logged;
    char log[ERR_TEXT_SIZE]; /* the last */
};

struct node_world *node_world(void); /* all links up, all neighbours heard */
void node_world_end(struct node_world *w);
void want(struct node_world *w, const char *line); /* the next line is just this */
void silent(struct node_world *w);                 /* there is none */
void pass_over(struct node_world *w);              /* the lines of what is not the matter */
void pass_ms(struct node_world *w, int64_t ms);
/* LSP 'n': from A to B through N, 10 Mbit/s, priorities 7 and 7, upstream label 500 + n. */
struct rsvp_message path(unsigned n);
struct rsvp_message path_to_client(unsigned n, uint32_t client, uint32_t vlan); /* N is its egress */
struct rsvp_message resv(unsigned n, uint32_t label);                           /* from B */
struct rsvp_message about(uint8_t type, unsigned n);                            /* tears and errors */
void ero(struct rsvp_message *message, size_t n, const struct lsp_hop *hops);
struct lsp_hop hop(uint32_t address);
struct lsp_hop label_hop(uint32_t label, bool upstream);
struct lsp_hop client_hop(uint32_t router, uint32_t interface);
void says(struct node_world *w, enum peer peer, struct rsvp_message message); /* a Path or Resv is kept by it */
void xc_done(struct node_world *w, int code);
void nothing_left(struct node_world *w); /* in the node */
struct node_usage usage(const struct node_world *w);
/* LSP "lsp1" from here to B's client 3, 10 Mbit/s; cookie 5. */
struct lsp_request request(void);
int initiate(struct node_world *w, struct lsp_request with, struct err *err); /* taken over */
void to_up(struct node_world *w); /* "lsp1" comes up: its Path, Resv (label 600), switch, probe */
/* The node crashes and comes back with its records, which it keeps; all neighbours hear it again. */
void crash(struct node_world *w);
void revive(struct node_world *w);
void revive_without_links(struct node_world *w); /* the switch has not connected yet; nothing is carried */
void links_up(struct node_world *w);             /* it has, and holds 'found' beyond the node's cross-connects */
void peer_restarts(struct node_world *w, enum peer peer);
void carry(struct node_world *w); /* messages until there are none */

#endif
