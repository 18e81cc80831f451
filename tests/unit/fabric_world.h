/* SPDX-License-Identifier: Apache-2.0 */
/* A gateway of a data center in VPLS mode over dummies. Switches do at once what they are told, but for one that a test
 * has made slow. A server hangs off each ToR, with VMs Va and Vb of segment web, Vc and Vd of segment db.
 *
 *     tor-a ── p1 ──── pe
 *       │    ╱    ╲    │           (p1 - p2, p1 - p3, which costs 10, p2 - p3, p3 - pe)
 *       p2 ──────── p3 ┘
 *       │
 *     tor-b                                                                                                       */
#ifndef FABRIC_WORLD_H
#define FABRIC_WORLD_H

#include "base/strbuf.h"
#include "north/backend.h"
#include "scgd/gateway.h"

enum { TOR_A, TOR_B, P1, P2, P3, PE, GATE, SWITCHES };
#define FABRIC_LINKS 9
#define FABRIC_LINK_PORT 11

extern const char *const fabric_names[SWITCHES];
/* At both its ends, a link's port is its place + FABRIC_LINK_PORT. */
extern const struct fabric_link {
    unsigned a, b;
} fabric_links[FABRIC_LINKS];

struct fabric_world {
    struct config config;
    struct config_vpls vpls;
    struct store *store;
    struct gateway *gateway;
    struct backend backend;
    int64_t now;
    struct event_queue queue;
    struct switch_driver switches;
    struct hypervisor_driver hypervisors;
    struct routes_driver routes;
    struct flow_list flows[SWITCHES];
    const char *slow; /* the switch that does not answer; null: none */
    uint64_t unanswered[64];
    size_t n_unanswered;
    struct strbuf ways;   /* which switches were told of the ways between pe and tor-a: "pe>tor-a: p1" a line */
    struct strbuf garp;   /* who sent a tagged gratuitous ARP, and where to: "tor-a table" a line */
    struct strbuf queues; /* which switch was to have how many queues, and whether these are all: "tor-a 1 complete" */
    bool silent[2];       /* no LLDP comes from server-a, from server-b */
    bool cut[FABRIC_LINKS], away[SWITCHES], rstp[SWITCHES]; /* rstp: on all links of the switch */
    uint32_t mtu[FABRIC_LINKS];                             /* 0: not told */
    uint32_t vm_mtu;                                        /* of VMs that vm_is() tells of */
};

/* cmocka's set-up and tear-down. The gateway is ready, and no VM runs. */
int fabric_world_setup(void **state);
int fabric_world_teardown(void **state);

void run(struct fabric_world *w);                         /* until no event is left */
void answer_until(struct fabric_world *w, uint64_t last); /* what the slow switch was asked up to that request */
void fail_unanswered(struct fabric_world *w);             /* all of it */
void pass_ms(struct fabric_world *w, int64_t ms);
/* The gateway ends; and starts again, sees servers, switches that are not away, but no link, and no VM. */
void stop(struct fabric_world *w);
void start(struct fabric_world *w);
void links_up(struct fabric_world *w);
void servers_listed(struct fabric_world *w);

void switch_up(struct fabric_world *w, unsigned sw);
/* LLDP shows server-a or server-b at its ToR or at the inter-DC PE. */
void attach(struct fabric_world *w, const char *server, unsigned sw);
void switch_down(struct fabric_world *w, unsigned sw);
unsigned link_between(unsigned a, unsigned b); /* its place in 'cut' */
void link_set(struct fabric_world *w, unsigned a, unsigned b, bool up);
/* A port of the link between 'sw' and another switch comes up, or goes down; no LLDP. */
void push_port(struct fabric_world *w, unsigned sw, unsigned other, bool up);
/* LLDP shows, or shows no more, one direction of a link. */
void push_link(struct fabric_world *w, enum event_type type, unsigned from, unsigned to);
void vm_is(struct fabric_world *w, char letter, enum vm_state state);

/* A tunnel as "up: pe p1 tor-a", or "gone"; and its error. Borrowed until the next. */
const char *tunnel(struct fabric_world *w, const char *name);
const char *error_of(struct fabric_world *w, const char *name);
/* Ends of web and their VC labels: "pe 100, tor-a 100". */
const char *ends(struct fabric_world *w);
unsigned flows_of(const struct fabric_world *w, unsigned sw, enum cookie_kind kind);
unsigned labels_of(const struct fabric_world *w, unsigned sw);
unsigned numbers_of(const struct fabric_world *w, const char *pool); /* how many are in use */
void expect_ways(struct fabric_world *w, const char *text);          /* since the last time */

#endif
