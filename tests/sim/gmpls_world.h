/* SPDX-License-Identifier: Apache-2.0 */
/* A transport network in memory: every node a real gmpls_node with its neighbours, control channels that lose, delay,
 * repeat and reorder messages, switches that refuse, nodes that crash and come back, cables that are cut, in virtual
 * time, all from one seed. One happening at a time is taken; after each the invariants of the node that it concerned
 * are checked.
 *
 *   gmpls_world.c   time, chance, channels, nodes' lives      gmpls_plane.c   switches, frames, what must hold
 *   gmpls_sim.c     what askers want, the run of a seed       gmpls_rate.c    how fast, and how much memory */
#ifndef SIM_GMPLS_WORLD_H
#define SIM_GMPLS_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "gmpls/node.h"
#include "topology/topology.h"

#define CLIENT_PORT_VLAN 1
#define CLIENT_PORT_BRIDGE 2
#define CABLE_BPS 1000000000u

struct net;

enum happening_type {
    HAPPENS_MESSAGE, /* 'message' over cable 'a' arrives at its end 'b' */
    HAPPENS_ROUTED,  /* 'message' from router 'a' arrives at node 'b' */
    HAPPENS_SWITCH,  /* node 'a' (of 'life'): XC_SET or XC_CLEAR of 'xc' reaches its switch */
    HAPPENS_DONE,    /* node 'a': the switch's answer 'code' for xc 'b' */
    HAPPENS_PROBE,   /* node 'a': a frame with 'nonce' into 'xc' */
    HAPPENS_SEEN,    /* node 'a': it is back */
    HAPPENS_TICK,    /* node 'a' */
    HAPPENS_RESTART, /* node 'a' */
    HAPPENS_READ,    /* node 'a' (of 'life') has its switch back, and knows what it holds */
    HAPPENS_REPAIR,  /* node 'a' (of 'life'): what nobody wants goes */
    HAPPENS_CABLE    /* cable 'a': data plane is 'b' & 1, control channel 'b' & 2 */
};

struct net_happening {
    int64_t at;
    uint64_t sequence;
    enum happening_type type;
    uint32_t a, b;
    unsigned life;
    bool clear;
    int code;
    uint64_t nonce;
    struct node_xc xc;
    struct rsvp_message *message;
};

struct net_record {
    uint64_t key;
    char *text;
};

struct net_node {
    struct gmpls_node *node; /* null: crashed */
    unsigned life;
    uint32_t router;
    struct node_link_config links[NODE_LINKS_MAX];
    uint32_t cables[NODE_LINKS_MAX]; /* by link */
    uint8_t ends[NODE_LINKS_MAX];    /* which end of the cable is here */
    size_t n_links;
    struct net_record *records;
    size_t n_records, cap_records;
    struct node_xc *xcs; /* that stand in the switch */
    size_t n_xcs, cap_xcs;
    int64_t busy_until; /* the switch takes orders one after the other */
    int64_t tick_at;
    bool connected; /* to its switch; what it orders before is carried out, too */
    bool crashing;  /* what it orders no longer leaves */
};

struct net_cable {
    uint32_t nodes[2];
    int links[2]; /* number of the link at each end */
    bool data_up, control_up;
};

struct net_lsp { /* as its asker sees it */
    char name[LSP_NAME_SIZE];
    uint32_t ingress, egress; /* nodes */
    unsigned life;            /* of the ingress, when it was asked */
    unsigned asked, answered; /* initiate */
    unsigned removals, removals_answered;
    bool up, gone;
};

struct net {
    uint64_t seed, random;
    int64_t now, faults_until;
    unsigned percent_lost, percent_twice, percent_refused;
    bool crash_within; /* also between two actions of one input */
    int64_t delay_max;
    uint32_t n_busy; /* nodes that LSPs start and end at */
    struct topology topology;
    struct net_node *nodes;
    size_t n_nodes;
    struct net_cable *cables;
    size_t n_cables;
    struct net_happening *heap;
    size_t n_heap, cap_heap;
    uint64_t sequence;
    struct net_lsp *lsps;
    size_t n_lsps, cap_lsps;
    bool trace;
    bool quick; /* no invariants after each happening: for measuring */
    struct err broken;
    uint64_t happenings, messages, asked, reached_up, refused, failed, crashes, cuts;
};

/* gmpls_world.c */
void net_init(struct net *net, uint64_t seed, const char *topology, bool trace);
void net_ring(struct net *net, unsigned nodes, bool trace); /* no faults */
void net_start(struct net *net);                            /* all nodes, all cables */
void net_free(struct net *net);
bool net_step(struct net *net); /* false: an invariant broke */
void net_run(struct net *net, int64_t ms);
uint32_t net_chance(struct net *net, uint32_t n);  /* 0..n-1 */
bool net_fault(struct net *net, unsigned percent); /* never after faults_until */
void net_tell(struct net *net, const char *format, ...) __attribute__((format(printf, 2, 3)));
void net_break(struct net *net, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct net_happening *net_at(struct net *net, int64_t ms, enum happening_type type, uint32_t a);
void net_drain(struct net *net, uint32_t n); /* after an input to node 'n' */
void net_crash(struct net *net, uint32_t n, int64_t back_after_ms);
void net_cable_set(struct net *net, uint32_t cable, bool data_up, bool control_up);
struct net_lsp *net_lsp(struct net *net, uint64_t cookie, const char *name);
struct mono net_now(const struct net *net);

/* gmpls_plane.c */
void plane_set(struct net_node *node, const struct node_xc *xc);
void plane_clear(struct net_node *node, uint32_t id);
/* After a restart: what is to stand is set. The rest is handed to the node, and goes with the second call. */
void plane_read(struct net *net, struct net_node *node);
void plane_repair(struct net_node *node);
bool plane_walk(const struct net *net, uint32_t ingress, const struct node_xc *xc); /* there and back */
void check_node(struct net *net, uint32_t n);
void check_quiet(struct net *net);
void check_empty(struct net *net);

/* gmpls_sim.c: what a node reports to askers. */
void asker_told(struct net *net, uint32_t n, const struct lsp_report *report, uint64_t cookie);
void asker_sync(struct net *net, uint32_t n);

/* gmpls_rate.c */
void rate_print(void);

#endif
