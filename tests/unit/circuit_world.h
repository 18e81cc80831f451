/* SPDX-License-Identifier: Apache-2.0 */
/* A gateway of data center A over dummies that do at once what they are told, but for the transport network: what it is
 * asked is written down, and the test answers.
 *
 *                      t1 (1)
 *      pe (11) ------/   |   \------ ce's PE (15)        The number is the last byte of the router id, 10.253.0.N, and
 *    gate (13) ------\   |   /------ gate of B (14)      10.252.N.M is the address of N's interface to M. Every link
 *                      t2 (2)                            has 1000 Mbit/s; by t2 it is farther.
 *
 * V1 and V2 run on server-a and have policies, V3 is switched off; all are of segment web, 10.100.0.1/24. */
#ifndef CIRCUIT_WORLD_H
#define CIRCUIT_WORLD_H

#include "base/strbuf.h"
#include "north/backend.h"
#include "scgd/gateway.h"

#define SWITCHES 3
#define PENDING_MAX 16

enum { T1 = 1, T2 = 2, PE = 11, GATE = 13, GATE_B = 14, CE_PE = 15 };

/* An order to the transport network that has not been answered. */
struct pending {
    uint64_t request;
    bool remove;
    struct lsp_request lsp; /* of a removal only ingress and name */
};

struct circuit_world {
    struct config config;
    struct config_edge edges[2];
    struct config_transport transport_config;
    struct store *store;
    struct gateway *gateway;
    struct backend backend;
    int64_t now;
    struct event_queue queue;
    struct switch_driver switches;
    struct hypervisor_driver hypervisors;
    struct routes_driver routes;
    struct peer_driver peers;
    struct transport_driver transport;
    struct flow_list flows[SWITCHES]; /* tor, pe, gate */
    uint64_t flows_refused;           /* how many changes of flows the PE refuses next */
    uint64_t tor_refuses;             /* likewise, the ToR */
    size_t tor_room;                  /* the ToR takes so many flows; 0: any number */
    unsigned reads;                   /* of all flows of a switch */
    struct pending pending[PENDING_MAX];
    size_t n_pending;
    struct strbuf asked;            /* of the transport network, a line each, until expect() */
    struct flow_queue *held_queues; /* of the ToR, */
    size_t n_held_queues;
    struct strbuf queues;     /* of the ToR, as set: "PORT/NUMBER MIN-MAX DSCP VM" a line each */
    struct strbuf told;       /* of the PE's frames out of its transport port: "VLAN 200 10.100.0.11" a line each */
    uint64_t peer_request;    /* the last call to the peer; 0: none that waits */
    enum peer_verb peer_verb; /* of it */
    json_t *peer_body;
    struct backend_reply reply; /* that the peer of B, or who wants a plan, waits for */
    int reply_status;           /* 0: none yet */
    json_t *reply_body;
    const char *peer_vm_address;     /* of V9, see order_from_peer(); null: 10.100.0.19 */
    unsigned orders;                 /* that were given, here or by the peer */
    char peer_order[UUID_TEXT_SIZE]; /* id of the last one by the peer */
};

/* cmocka's set-up and tear-down. With everything there, and nothing wanted. */
int circuit_world_setup(void **state);
int circuit_world_setup_without_transport(
    void **state); /* the gateway has been started, ospfd and ingresses are away */
int circuit_world_teardown(void **state);

/* The gateway ends and starts again, with the same store; ospfd and ingresses are away, and the test tells them. */
void restart(struct circuit_world *w);
/* Likewise, in VPLS mode; 'vpls' is borrowed. LLDP has shown the link between tor and pe, and all else is there. */
void in_vpls_mode(struct circuit_world *w, struct config_vpls *vpls);
void topology_up(struct circuit_world *w); /* all links, and that these are all */
void topology_down(struct circuit_world *w);
void link_down(struct circuit_world *w, uint32_t from, uint32_t to); /* both directions are no longer flooded */
/* What is free on both directions from now on, for every priority. */
void link_free(struct circuit_world *w, uint32_t from, uint32_t to, uint32_t mbps);
void ingress_up(struct circuit_world *w, uint32_t router);
void ingress_down(struct circuit_world *w, uint32_t router);

/* What the transport network was asked since, "" for nothing:
 *   "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN any/none"
 *   "remove A:user:ce1 at 11" */
void expect(struct circuit_world *w, const char *text);
/* An LSP as its ingress reports it by itself, on the path that was asked for last if that is known. */
void report(struct circuit_world *w, uint32_t ingress, const char *name, enum lsp_state state, uint16_t ingress_vlan,
            uint16_t egress_vlan);
/* It failed: 'node' says that its link to 'neighbour' (0: not which) is not to be had. */
void report_failed(struct circuit_world *w, uint32_t ingress, const char *name, uint32_t node, uint32_t neighbour);
/* Answers to what was asked. */
void answer_up(struct circuit_world *w, const char *name, uint16_t ingress_vlan, uint16_t egress_vlan);
void answer_refused(struct circuit_world *w, const char *name, uint32_t node, uint32_t neighbour);
void answer_error(struct circuit_world *w, const char *name, int code);
void answer_removed(struct circuit_world *w, const char *name);

/* Time passes; what is due is done. */
void pass_ms(struct circuit_world *w, int64_t ms);

/* The VLAN from which the PE takes frames of the user, 0 if from none. Fails if its flows disagree. */
unsigned vlan_of_user(struct circuit_world *w, const char *user);
/* How many flows the inter-DC PE has of channels, and the VLAN of the last one that has one. */
unsigned channel_flows(struct circuit_world *w, unsigned *vlan);

/* A member of the channel, or user, as the REST interface shows it; "" if it has none, "gone" if
 * there is no such thing. Borrowed until the next. */
const char *shown(struct circuit_world *w, const char *collection, const char *name, const char *member);
/* Sets the user: ce1 is {segment web, at port 1 of 15, 100 Mbit/s, 10.100.0.101, VMs V1 and V2} with 'changes', JSON or
 * null, on top. 0 or the error's code; '*err' is empty or tells why. */
int put_user(struct circuit_world *w, const char *name, const char *changes, struct err *err);
/* Orders a VM to server-b of B. The order's id, or null and why not. */
const char *order(struct circuit_world *w, const char *vm, unsigned mbps, struct err *err);
const char *state_of(struct circuit_world *w, const char *id);        /* of the migration */
void peer_away(struct circuit_world *w);                              /* the answer to the call that waits */
void peer_answers(struct circuit_world *w, int status, json_t *body); /* likewise; takes 'body' over */
/* Has the same order planned only; the answer will be in 'reply_status' (0: not yet) and 'reply_body'. */
void plan(struct circuit_world *w, const char *vm);
/* A VM, V9, comes from B with a user; 'user' as in put_user(). The answer is in 'reply_status' and 'reply_body'. */
void order_from_peer(struct circuit_world *w, const char *user, const char *changes);
/* The message of that order; and B wants such an order only planned: takes 'message' over. */
json_t *peer_message(struct circuit_world *w, const char *user, const char *changes);
void plan_for_peer(struct circuit_world *w, json_t *message);
/* Whoever asks next is answered into 'reply_status' and 'reply_body'. */
struct backend_reply *next_reply(struct circuit_world *w);
/* A port of a switch goes down, or OVSDB tells its MTU: tor has port 1 to the server, 2 to pe, 3 to gate. */
void port_down(struct circuit_world *w, const char *switch_name, uint32_t port);
void port_rate(struct circuit_world *w, const char *switch_name, uint32_t port, uint32_t kbps);
void port_mtu(struct circuit_world *w, const char *switch_name, uint32_t port, uint32_t mtu);
/* The table of the switch takes so many flows; the limits of its others are gone. */
void table_limit(struct circuit_world *w, const char *switch_name, uint8_t table, uint32_t flows);
/* LLDP shows a link, in both directions. */
void link_seen(struct circuit_world *w, const char *one, uint32_t one_port, const char *other, uint32_t other_port);
/* The hypervisor tells that Vn runs; its address is 10.100.0.(10 + n). */
void vm_arrives(struct circuit_world *w, const char *vm);

#endif
