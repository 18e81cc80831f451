/* SPDX-License-Identifier: Apache-2.0 */
/* Internal channels in VPLS mode: which switches are ends of which segment, the tunnels between them, and what of both
 * stands on which switch. core/vpls.h has the flows.
 *
 *   tunnels.c           which tunnels are wanted, their paths and labels; what has become free
 *   tunnels_ways.c      what switches hold of them; changes sent
 *   tunnels_holders.c   which switches hold what; labels
 *   tunnels_wait.c      joins that wait for all that
 *   tunnels_path.c      paths through the links that LLDP has shown
 *   tunnels_mtu.c       what MTU tunnels need, and what their links have
 *   tunnels_segments.c  ends of segments, their VC labels and MACs
 *   tunnels_ports.c     which ports are the fabric's
 *   tunnels_check.c     whether a tunnel could be made
 *   tunnels_store.c     what outlives the gateway
 *   views_tunnels.c     tunnels as JSON
 *
 * All of it follows from the tenants, the open segments and the links: tunnels_update() finds out what is to change and
 * sends the difference. A tunnel is wanted while two ends share an open segment; it leads through the same nodes in
 * both directions, each of which is a way of its own with a cookie and labels of its own. Its path is kept while every
 * link of it is up and wide enough for the VMs at its ends, or no other is. Nodes are changed from the tail to the
 * head, one after the other; where a way leads no more, it is removed after that.
 *
 * Whatever has changed gets a number from one counter. A switch that may hold something of it is its holder, until it
 * has confirmed a change with that number or a later one and is to hold nothing: only then labels are free. A switch
 * that is away holds that up until it is back and has been given everything anew. In Ethernet mode nothing here does
 * anything.
 *
 * Before the gateway is ready, paths are left as they were, and segments get ends but lose none. */
#ifndef SCGD_TUNNELS_H
#define SCGD_TUNNELS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "core/vpls.h"
#include "model/inventory.h"

struct gateway;
struct join;
struct order;
struct segment_state;

#define TUNNEL_NODES_MAX 16
#define TUNNEL_NAME_SIZE (2 * NAME_SIZE)

struct tunnel_node {
    char name[NAME_SIZE];
    uint32_t in_port, out_port; /* on the way from the first node to the last; 0 where there is none */
};

struct tunnel_path {
    unsigned n; /* 0: none */
    struct tunnel_node nodes[TUNNEL_NODES_MAX];
};

/* The port of a way that takes the shortest frames; 'port' null: none has told its MTU. */
struct narrowest {
    const struct switch_info *sw;
    const struct switch_port *port;
};

struct holder {
    char name[NAME_SIZE];
    uint64_t sent, confirmed; /* numbers of the changes that it was sent last, and has confirmed last */
};

struct holders {
    struct holder *list;
    size_t n, capacity;
    uint64_t changed; /* number of the last change */
};

struct tunnel_way {
    struct holders holders;
    uint32_t labels[TUNNEL_NODES_MAX]; /* by node of the path: by which frames enter it; 0: they begin there */
};

struct tunnel {
    char ends[2][NAME_SIZE]; /* the PE first, else by name */
    bool wanted;
    struct tunnel_path path;   /* from the first end */
    struct tunnel_way ways[2]; /* from the first end, from the second */
    struct err err;            /* why there is no path now; what stands is left alone */
    uint32_t vm_mtu;           /* largest of VMs behind its ends; 0: none is known */
    char longest[NAME_SIZE];   /* the VM that has it; of equals, the first by name */
    struct err narrow;         /* why long frames are lost on the path, though it stands */
};

/* A segment's end. */
struct vpls_end {
    char name[NAME_SIZE];
    uint32_t number, label; /* VC label that it gave the segment */
};

/* The ends of a segment, by name. */
struct vpls_ends {
    struct vpls_end ends[VPLS_PEERS_MAX + 1];
    unsigned n;
    char *text; /* all that follows from ends and tenants, so that a change is seen; null: nothing yet */
    struct holders holders;
    struct err err; /* why an end is left out */
};

/* A join that waits until a segment is carried between a ToR and the PE, or, with none, until tunnels that are not
 * wanted are gone. */
struct tunnel_waiter {
    char segment[NAME_SIZE], tor[NAME_SIZE];
    struct join *join;
};

/* A port that has shown a link to another switch of the data center stays the fabric's, also while it is down. */
struct fabric_port {
    char switch_name[NAME_SIZE], port_name[NAME_SIZE];
    uint32_t number;
};

struct tunnels {
    uint64_t last_change;
    struct tunnel **tunnels; /* by ends */
    size_t n_tunnels, cap_tunnels;
    struct vpls_ends *segments; /* one for each of the configuration's */
    struct tunnel_waiter *waiters;
    size_t n_waiters, cap_waiters;
    struct fabric_port *ports;
    size_t n_ports, cap_ports;
};

/* ---- life ---- */

int tunnels_load(struct gateway *gateway, struct err *err);
void tunnels_free(struct gateway *gateway);
bool tunnels_used(const struct gateway *gateway); /* the mode is VPLS */
/* The fabric has shown a path from the PE to every server's ToR, and what became of tunnels that stood before. True in
 * Ethernet mode. */
bool tunnels_seen(const struct gateway *gateway);

/* ---- what is to be ---- */

/* After any change of tenants, segments, links or switches: sends what differs. */
void tunnels_update(struct gateway *gateway);
/* Likewise, for what is to be sent to whole switches: only finds out. */
void tunnels_plan(struct gateway *gateway);
/* Holds 'join' until the PE and the server's ToR, as ends of the segment, and every node of the tunnel between them
 * have confirmed; fails it if one cannot. */
void tunnels_await_segment(struct gateway *gateway, const char *segment, const char *server, struct join *join);
/* Holds it until tunnels that are not wanted are gone from every switch that is up. */
void tunnels_await_removal(struct gateway *gateway, struct join *join);
/* A switch that may hold something of the segment is away, also if it has been since before the gateway started. */
bool tunnels_holder_away(const struct gateway *gateway, const struct segment_state *segment);
/* Every switch has given the segment up: its VC labels are free. */
void tunnels_segment_closed(struct gateway *gateway, const struct segment_state *segment);

/* ---- what a switch holds ---- */

/* Adds a segment's pseudowires to what its end gets; nothing if the switch is none, or in Ethernet mode. */
void tunnels_add_segment(struct gateway *gateway, const struct switch_info *sw, const struct segment_state *segment,
                         struct flow_txn *txn);
/* The tunnels that lead through a switch, in place of all that it has. */
void tunnels_fill(struct gateway *gateway, const struct switch_info *sw, struct flow_txn *txn);
/* Sends all that a switch shall hold: 'txn' leaves nothing else there, so it confirms every change so far.
 * 'in_parts': what network_parts_follow() is true of will be sent again in parts, so that nobody who waits for the
 * switch is told of the refusal. */
void tunnels_apply_whole(struct gateway *gateway, const struct switch_info *sw, bool in_parts, struct flow_txn *txn,
                         struct join *join);

/* ---- ports ---- */

/* Of ports that a driver tells of, before the inventory has them: says of each whether it is the fabric's. Warns of a
 * switch that runs RSTP, unless it did before. */
void tunnels_judge_ports(struct gateway *gateway, const char *switch_name, struct switch_port *ports, size_t n);
/* A link was seen at a port. Returns whether the port is the fabric's only now. */
bool tunnels_link_seen(struct gateway *gateway, const char *switch_name, uint32_t port);
/* A server was: the port is not the fabric's any more. */
void tunnels_server_seen(struct gateway *gateway, const char *switch_name, uint32_t port);

/* ---- looking at it ---- */

/* The path between two switches, from the PE if one of them is the PE, else from the first by name: the standing one,
 * or the one that a tunnel would take now. 'mtu': what VMs more would need on its links (tunnels_mtu_of_order()), or 0;
 * narrower links are taken only where no path does without. 0, ERR_NOT_FOUND (a switch is not known), ERR_UNREACHABLE
 * with a sentence that says where the fabric is cut, or ERR_TOO_LARGE. */
int tunnels_path(const struct gateway *gateway, const char *one, const char *other, uint32_t mtu,
                 struct tunnel_path *path, struct err *err);
/* Whether a segment could have an end at that ToR, and a tunnel from there to the PE: takes end numbers and labels in
 * the store, in a transaction that the caller rolls back. 'mtu' as for tunnels_path(). 0, in Ethernet mode too; or
 * what tunnels_path() says, or ERR_EXHAUSTED, or ERR_TOO_LARGE if the segment has as many ends as it may have. */
int tunnels_try(struct gateway *gateway, const char *segment, const char *tor, uint32_t mtu, struct err *err);
/* Adds "VPLS through pe1 p1 tor-a": the path from the PE to the ToR that there is, or would be. */
void tunnels_describe(const struct gateway *gateway, const char *tor, uint32_t mtu, struct strbuf *text);
/* What the VMs of an order need on every link of a tunnel, bytes. */
uint32_t tunnels_mtu_of_order(const struct order *order);
void narrowest_consider(struct narrowest *narrowest, const struct switch_info *sw, const struct switch_port *port);
struct narrowest tunnels_narrowest(const struct gateway *gateway, const struct tunnel_path *path);
/* All nodes of its path, in both directions, have confirmed. */
bool tunnel_up(const struct tunnel *tunnel);
/* The switch has confirmed all that tunnels and segments have there. True in Ethernet mode. */
bool tunnels_settled(const struct gateway *gateway, const char *switch_name);
/* Both are ends of the open segment. */
bool tunnels_segment_takes(const struct gateway *gateway, unsigned segment, const struct tunnel *tunnel);
void view_tunnels(const struct gateway *gateway, json_t *array); /* appends them */
/* Adds to the view of the segment of that index how it is carried. */
void view_segment_channel(const struct gateway *gateway, unsigned segment, json_t *json);

#endif
