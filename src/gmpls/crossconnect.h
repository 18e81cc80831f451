/* SPDX-License-Identifier: Apache-2.0 */
/* Cross-connects of a transport node as flows of its switch. Pure: a cross-connect in, flow transactions out. OpenFlow
 * 1.3 but for Nicira's encap, decap, clone, learn, move, resubmit and registers.
 *
 * Siblings
 *   crossconnect.h        this contract
 *   crossconnect.c        the flows
 *   crossconnect_probe.c  the frame that goes round an LSP
 *
 * Documents
 *   RFC 3031, 3032 label stack; RFC 3443 TTL (pipe model: the client's frame is not looked into); RFC 5586 associated
 *   channel and generic alert label; RFC 7213 Ethernet addresses between MPLS nodes; RFC 7746 and RFC 6435, whose
 *   purpose the probe serves; ovs-fields(7), ovs-actions(7).
 *
 * On a link: an Ethernet header, one label, the client's whole Ethernet frame (without FCS, and without its tag if the
 * client is a VLAN). So a client with an IP MTU of 1500 needs links with an MTU of 1518, of 9000 one of 9018: 14 for
 * the client's Ethernet header, 4 for the label; an MTU does not count the link's own header. Longer frames are lost
 * without a word.
 *   The destination is the group address that RFC 7213 gives to links with one node at either end: no neighbour's
 * address has to be learned or configured. The source is xc_link_mac(), locally administered and fixed for node and
 * port, so that a capture shows which node sent a frame. Nothing matches on either. TC is 0, TTL begins with 255.
 *
 *     client VLAN ────────────── meter, encap ─────────────────────────────────────────────────> link
 *     client bridge ─> 1 MAC ─> 4 FORWARD ─ encap, to the one or a copy to each ─> 5 ENCAP ─ meter ─> link
 *   0 CLASSIFY
 *     link, label of transit ─── swap ─────────────────────────────────────────────────────────> link
 *     link, label of an end ──── S = 1: decap ─> 6 DELIVER ────────────────────────────────────> client
 *                            │                       └ (a copy: 1 MAC, 2 HOLD, 3 TEACH)
 *                            └── S = 0: at the egress swap, back by the same link; at the ingress ─> controller
 *
 *   reg0: id of the LSP that a frame came by, or is to enter. For bridge clients, reg1: the client's port; reg2: the
 *   LSP behind which MAC knows an address, 0: unknown; reg3: 1 if HOLD knows it.
 *
 *   CLASSIFY  300 MPLS with a VLAN tag: dropped, see below. 250 from a bridge client MPLS, and what bridges never
 *             forward (01:80:c2:00:00:0x): dropped. 200 a client's VLAN; a bridge client's untagged frames; labels of
 *             ends. 150 MPLS with TTL 0 or 1: dropped. 100 labels of transit LSPs. 0 all else: dropped.
 *   MAC       100 learned, idle XC_MAC_IDLE_S: reg1 and destination -> reg2.
 *   HOLD      100 learned, for XC_HOLD_S: reg1 and destination -> reg3.
 *   TEACH     130 the sender is known behind this LSP, 120 or was moved just now: nothing. 110 unknown: MAC learns. 100
 *             known behind another LSP: HOLD learns, then MAC.
 *   FORWARD   200 unknown or to a group: a copy for each LSP of the client -> ENCAP. 100 known -> ENCAP.
 *   ENCAP     100 reg0: meter, label, link.
 *   DELIVER   110 for a bridge client, but from a group address: a copy with the sender as destination to MAC, HOLD and
 *             TEACH, the frame to the client. 100 to the client, tagged if it is a VLAN. Nothing leads from here to
 *             another LSP: that is the split horizon.
 *
 * Each end polices what enters there. The meter drops; its burst is 100 ms of the rate, but not less than two frames of
 * 9,018 bytes. It counts the client's frame, with its tag in VLAN mode, with the label in bridge mode.
 *
 * A moved MAC: any frame by another LSP moves it at once, a gratuitous ARP for one. It cannot move again for XC_HOLD_S.
 * That is because Open vSwitch repeats a learn action whenever it collects the counters of a datapath flow that had
 * packets, half a second later and more: what a VM had sent by its old LSP just before would take it back there.
 *
 * The probe: the LSP's label, which is not the bottom of the stack, then GAL. No client can send one, as its frames go
 * under a label that is the bottom. The egress's switch swaps the label for that of the other direction and sends it
 * back by the link that it came from; so it passes every flow of both directions but encap and decap. At the ingress it
 * goes to the controller as a packet-in (OFPR_ACTION, the LSP's cookie, the whole frame), through a meter that all LSPs
 * of the node share.
 *
 * Traps of Open vSwitch 3.1's userspace datapath, each tried or read in its source:
 *   - encap(mpls) of a frame that carries MPLS itself aborts ovs-vswitchd (push_eth() asserts). So MPLS of clients is
 *     dropped before.
 *   - Where a label is changed, the datapath writes the whole stack entry, but caches without looking at S and TC: the
 *     second frame of a label gets S and TC of the first. So each flow matches on S and sets TC.
 *   - One decap is one header: decap() for Ethernet, then decap(packet_type(ns=0,type=0)) for the label. What matches
 *     on the inner frame comes behind a recirculation, thus in another table; registers survive.
 *   - encap(mpls) takes TC and TTL from an IP packet: both are set.
 *   - A meter is an instruction in 1.3, so it cannot stand in clone(): hence ENCAP. But clone() becomes one in the
 *     datapath only if an encap, decap or meter stands in it itself, not behind a resubmit; else a meter that drops one
 *     copy drops all that follow. Hence encap stands in the copies, before the resubmit.
 *   - A copy whose encap no output has followed (its LSP's flow in ENCAP is not there, or the link's port is gone)
 *     leaves the encap pending, and the next copy's aborts ovs-vswitchd (push_eth() asserts). A decap of the Ethernet
 *     header at the end of each copy settles what is pending, and does nothing else.
 *   - Likewise, where another bridge's flow outputs to a patch port and then elsewhere, only a meter or encap in the
 *     very first flow behind the patch port makes it a copy. A VLAN client's has both; a bridge client should be no
 *     patch port.
 *   - A meter's rate of 0 is a division by zero there: a rate of 0 is no meter here.
 *   - dec_mpls_ttl of TTL 1 hands each packet up as OFPR_INVALID_TTL, though 1.3 controllers do not get it: they are
 *     dropped before, by mpls_ttl. set_mpls_ttl works, but is logged as deprecated; a set-field of mpls_ttl is not.
 *   - After the commit, the datapath's caches still follow the old flows for some milliseconds: a first probe may be
 *     lost.
 *   - A meter that is deleted takes the flows that name it along: it goes after them. */
#ifndef GMPLS_CROSSCONNECT_H
#define GMPLS_CROSSCONNECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/addr.h"
#include "model/flow.h"

enum xc_table { XC_CLASSIFY, XC_MAC, XC_HOLD, XC_TEACH, XC_FORWARD, XC_ENCAP, XC_DELIVER };

/* Cookies: 0x5c67 | kind (8 bits) | 40 bits: LSP's id, client's port, or 0. Every flow that is made here, or learned,
 * has one; the kinds are none of core/pipeline.h's. */
enum xc_cookie_kind { XC_COOKIE_BASE = 0x10, XC_COOKIE_LSP = 0x11, XC_COOKIE_BRIDGE = 0x12 };
uint64_t xc_cookie(enum xc_cookie_kind kind, uint32_t id);
/* Of a flow that was read from a switch: false if it is not one of these. */
bool xc_cookie_parse(uint64_t cookie, enum xc_cookie_kind *kind, uint32_t *id);

#define XC_LABEL_MIN 16u /* RFC 3032 §2.1 */
#define XC_LABEL_MAX 1048575u
#define XC_PORT_MAX 0xfeffu       /* Open vSwitch has none beyond those of OpenFlow 1.0 */
#define XC_ID_MAX 0xfffeffffu     /* an LSP's id is its meter's */
#define XC_PUNT_METER 0xffff0000u /* of what goes to the controller */
#define XC_PUNT_KBPS 1000
#define XC_BRIDGE_LSPS_MAX 42 /* of one client port; what fits a flow (FLOW_ACTIONS_MAX) */
#define XC_MACS_MAX 1024      /* learned from one LSP */
#define XC_MAC_IDLE_S 300     /* without a frame from or to it */
#define XC_HOLD_S 3           /* longer than the switch takes to collect its counters */

enum xc_side_kind {
    XC_LINK,  /* port, in_label, out_label */
    XC_VLAN,  /* port, vlan */
    XC_BRIDGE /* port: untagged frames; several LSPs on one port, see xc_bridge() */
};

struct xc_side {
    enum xc_side_kind kind;
    uint32_t port;                /* OpenFlow port, 1..XC_PORT_MAX */
    uint32_t in_label, out_label; /* of frames that come from there, that go there; XC_LABEL_MIN..XC_LABEL_MAX */
    uint16_t vlan;                /* 1..4094 */
};

/* Both directions of an LSP at one node. */
struct xc {
    uint32_t id;       /* 1..XC_ID_MAX; unique on the node */
    uint32_t node;     /* router id */
    struct xc_side in; /* towards the ingress; a client: this is the ingress, and the probe comes back here */
    struct xc_side out;
    uint64_t rate_bps; /* of an end: of what enters from the client; 0: not policed */
};

/* ERR_INVALID and a sentence: values out of their ranges, or clients on both sides. */
int xc_check(const struct xc *xc, struct err *err);

/* What every transport switch needs; replaces what carries the base cookie, and brings XC_PUNT_METER. Without anything
 * else, nothing passes. */
void xc_base(struct flow_txn *txn);

/* Sets, or replaces as one, all flows of an LSP and its meter; 'xc' has passed xc_check(). What has been learned from
 * the LSP stays, so its client must not change: clear it, then. A meter that is no longer needed stays until
 * xc_clear(). For a bridge client, xc_bridge() belongs in the same transaction. */
void xc_set(struct flow_txn *txn, const struct xc *xc);
/* Removes an LSP with its meter and what was learned from it; one that is not there does no harm. For a bridge client,
 * xc_bridge() without it belongs in the same transaction. */
void xc_clear(struct flow_txn *txn, uint32_t id);
/* The LSPs of a bridge client's port, all of them, at most XC_BRIDGE_LSPS_MAX (more is our defect: abort). None: the
 * port is closed. */
void xc_bridge(struct flow_txn *txn, uint32_t port, const uint32_t *ids, size_t n);

/* What a switch holds; refers to the flows that it is made of. */
struct xc_held {
    const struct flow **flows; /* by cookie */
    struct flow_meter *meters; /* by id */
    size_t n_flows, n_meters;
};
struct xc_held xc_held_make(const struct flow_list *flows, const struct flow_meter *meters, size_t n_meters);
void xc_held_free(struct xc_held *held);
/* Whether the switch holds all that 'txn', of one call of the functions above, adds, and nothing that it removes for
 * good: it would change nothing, but start counters anew. */
bool xc_stands(const struct xc_held *held, const struct flow_txn *txn);
/* The LSP whose flows and meter stand just as xc_set() makes them on 'node', its rate rounded up to kbit/s. False if
 * they do not. Of two links nothing tells which is 'in'. */
bool xc_read(const struct xc_held *held, uint32_t node, uint32_t id, struct xc *xc);

/* The source of frames that 'node' sends by 'port': 02:5c, low half of the router id, port. */
struct mac xc_link_mac(uint32_t node, uint32_t port);

/* The probe: Ethernet, the LSP's label, GAL, associated channel header (experimental channel type 0x7ff8), nonce,
 * zeros. A switch is to send it out of xc->out.port. */
#define XC_PROBE_SIZE_MIN 60
#define XC_PROBE_SIZE_MAX 9032 /* the link's MTU can be tried, too: its frames have 14 bytes more than that */
/* 'xc' is an ingress: 'in' a client, 'out' a link. 'frame' has 'size' bytes, XC_PROBE_SIZE_MIN..XC_PROBE_SIZE_MAX. */
void xc_probe_encode(const struct xc *xc, uint64_t nonce, uint8_t *frame, size_t size);
/* Reads a frame that came to the controller. 0, the label that it came with and its nonce; or ERR_MALFORMED if it is no
 * probe, and the outputs are left alone. */
int xc_probe_decode(const uint8_t *frame, size_t size, uint32_t *label, uint64_t *nonce);

#endif
