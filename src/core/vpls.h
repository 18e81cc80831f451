/* SPDX-License-Identifier: Apache-2.0 */
/* VPLS mode: the VM's Ethernet frames travel in MPLS inside the DC, as flows. Pure: tunnels and segments in, flow
 * transactions out. OpenFlow 1.3 but for Nicira's encap, decap, clone, resubmit and registers.
 *
 * Documents
 *   RFC 3031 §3.14 (labels of a node, whatever port they come by), §3.16; RFC 3032 §2.1, §2.4 label stack and TTL; RFC
 *   3443 §3.2 TTL of the pipe model; RFC 4448 §4.2 raw mode, §4.7, §6 Ethernet in a pseudowire; RFC 4762 §4, §7 VPLS;
 *   RFC 7213 Ethernet addresses between MPLS nodes.
 *
 * The ends of a segment are the PE and every ToR with a VM of it. From each end a tunnel leads to each other end, over
 * the DC's own nodes; a pseudowire of the segment goes through it. On a link: an Ethernet header, the tunnel's label
 * (S=0), the VC label (S=1), the VM's whole Ethernet frame without tag and FCS. So a VM with an IP MTU of 1500 needs
 * links with one of 1522 (VPLS_OVERHEAD); longer frames are lost without a word, which is why admission counts.
 *
 *   v1 ─ tor ═ label 35, VC 17 ═> p2 ═ label 32, VC 17 ═> tor2 ─ v5
 *
 * Within an edge nothing is new. Between the tables of core/pipeline.h, a frame has the tag of its segment's VLAN, as
 * in Ethernet mode, but here the tag never leaves the switch. FABRIC, the way out, turns it into labels; what the
 * fabric brings gets it back, and goes to VLAN like any frame of Ethernet mode:
 *
 *   0 CLASSIFY ─ MPLS ─> 20 LABEL ─ transit: swap ─────────────────────────────────────> link
 *                           └ the tunnel's end: pop ─> 21 VC ─ decap ─> 23 DELIVER ─> VLAN (TOR_, PE_)
 *   FABRIC ─ encap, to the one or a copy to each far end ─> 22 TUNNEL ─ tunnel label ──> link
 *
 *   reg0: the segment's number, between VC and DELIVER. reg4: number of the far end that a frame is to go to. reg5: 1,
 *   it came by a pseudowire.
 *
 *   CLASSIFY  100 untagged MPLS (of an edge: by a fabric port) -> LABEL. 100 tagged, by a packet-out of the gateway to
 *             the flow tables -> FABRIC: so a gratuitous ARP reaches the ends of a segment. Nothing else is taken from
 *             a fabric port but LLDP.
 *   LABEL     300 TTL 0 is dropped. 200 a tunnel that ends here -> label popped, VC. 150 TTL 1 is dropped. 100 a tunnel
 *             that goes on -> TTL decremented, label swapped, link. All with S=0.
 *   VC        100 the VC label that this end gave a segment, S=1 -> reg0, reg5, decapsulated, DELIVER.
 *   DELIVER   100 reg0 -> VLAN pushed, VLAN.
 *   RETURN    what the PE answers or routes is its own, and may go back: reg5 is cleared, FABRIC.
 *   FABRIC    300 from a pseudowire: dropped (split horizon, RFC 4762 §4.4). 290 MPLS of a client: dropped, see below.
 *             200 a segment's VLAN and a known MAC -> the pseudowire to its end; 150 and an IP address of a user -> the
 *             one to the PE. 100 its VLAN, else -> a copy for each far end: broadcast, multicast, unknown. All: tag
 *             popped, VC label, tunnel label, TUNNEL.
 *   TUNNEL    100 reg4 -> label, link. in_port is cleared, as what the PE routes may leave by the port that it came by.
 *   The tables from 20 on are the same on every switch. A P, and a PE between DCs, have CLASSIFY and LABEL only. An
 *   edge may be transit of others' tunnels.
 *
 * Departures, and why
 *   - No MAC is learned (RFC 4762 §4.2): the gateway knows where each VM is, so a moved VM is never looked for at its
 *     old place. There is no LDP (§6) either: the gateways' own allocation gives the labels.
 *   - The tunnel's label is popped by the last node, not the one before (RFC 3031 §3.16). So a VC label means something
 *     only below the label of a tunnel that ends here: one that comes alone is dropped, and a node that is fed a wrong
 *     label cannot enter a segment. It costs four bytes on the last link.
 *   - TTL is that of the pipe model: the tunnel's begins with 255, transit nodes decrement it, and an expired one is
 *     dropped without ICMP, which has no one to go to: under the labels is Ethernet. The VC label's is 2, as is usual
 *     for pseudowires: enough for the far end, and no further. The VM's packet is not looked into.
 *   - TC is 0 in both labels (RFC 4448 §4.7 lets an operator choose): the fabric has no queues that would look at it.
 *   - No control word (RFC 4448 §4.6): nothing here balances load by what looks like IP under a label, and nothing
 *     reorders.
 *   - Ethernet addresses on a link: RFC 7213's group address, so that no neighbour's address has to be learned; the
 *     source is locally administered and has the port's number. Nothing matches on either. Tagged MPLS is not taken.
 *
 * Traps of Open vSwitch 3.1's userspace datapath, beyond those in gmpls/crossconnect.h (flows match S, TC and TTL are
 * set after encap, a clone has its own encap):
 *   - encap(mpls) before clones that encap again aborts ovs-vswitchd at the first frame (pop_eth() asserts): each copy
 *     does it all, which is what limits VPLS_PEERS_MAX.
 *   - A copy whose encap no output has followed (no tunnel to that end, its port is gone) leaves the encap pending, and
 *     the next copy's aborts ovs-vswitchd (push_eth() asserts). A decap of the outer Ethernet header at the end of each
 *     copy settles what is pending, and does nothing else.
 *   - After a decap to Ethernet no push_vlan is accepted in the same flow: hence DELIVER.
 *   - encap(mpls) of a frame that carries MPLS aborts ovs-vswitchd. SPOOF lets none through, nor do circuits, but it
 *     is not left at that: FABRIC drops it. */
#ifndef CORE_VPLS_H
#define CORE_VPLS_H

#include <stddef.h>
#include <stdint.h>

#include "core/pipeline.h"
#include "model/addr.h"
#include "model/flow.h"

/* Beside the tables of core/pipeline.h, the same on every switch. */
enum vpls_table { VPLS_LABEL = 20, VPLS_VC, VPLS_TUNNEL, VPLS_DELIVER };

#define VPLS_LABEL_MIN 16u /* RFC 3032 §2.1 */
#define VPLS_LABEL_MAX 1048575u
/* Far ends of a segment that one end floods to; what fits a flow (FLOW_ACTIONS_MAX). */
#define VPLS_PEERS_MAX 25
/* Bytes that an IP packet grows by between the ends: the VM's Ethernet header, which counts in the MTU of the links,
 * and two labels (RFC 4448, RFC 3032). */
#define VPLS_OVERHEAD 22

/* A tunnel leads from one end to another, for all segments that they share; "from>to" names it, and its cookie is
 * cookie_of_name(COOKIE_TUNNEL, "from>to") on every switch. Each of the three sets what one switch does for it, in
 * place of what that switch did before. Labels are VPLS_LABEL_MIN..VPLS_LABEL_MAX, ports OpenFlow ports of fabric
 * links. Set the tail first and the head last; remove the head first.
 *   head     of the first switch: for frames to 'end', the number of the far end (1..); 'out_label' is the next node's
 *   transit  'in_label' is this node's, 'out_label' the next one's
 *   tail     of the last switch: what comes with 'in_label' loses it, and goes by its VC label */
void vpls_tunnel_head(struct flow_txn *txn, uint64_t cookie, uint32_t end, uint32_t out_label, uint32_t out_port);
void vpls_tunnel_transit(struct flow_txn *txn, uint64_t cookie, uint32_t in_label, uint32_t out_label,
                         uint32_t out_port);
void vpls_tunnel_tail(struct flow_txn *txn, uint64_t cookie, uint32_t in_label);
/* Of one switch; a tunnel that is not there does no harm. */
void vpls_tunnel_remove(struct flow_txn *txn, uint64_t cookie);

/* A far end of a segment, as one of its ends sees it. */
struct vpls_peer {
    uint32_t end;   /* its number, 1.. */
    uint32_t label; /* the VC label that it gave the segment: it expects our frames under it */
};

/* A MAC that is behind a far end: of a VM, or the gateway's. */
struct vpls_known {
    struct mac mac;
    uint32_t end;
};

/* An address of a user of the segment, whose circuit ends at a far end, and whose MAC nobody knows. */
struct vpls_user {
    struct ip ip;
    uint32_t end;
};

enum vpls_edge { VPLS_TOR, VPLS_PE };

/* A segment at one of its ends: a virtual switch instance (RFC 4762 §4). All is borrowed. */
struct vpls_instance {
    enum vpls_edge edge;
    uint32_t label;                /* the VC label that this end gave the segment */
    const struct vpls_peer *peers; /* at most VPLS_PEERS_MAX; more is our defect: abort */
    size_t n_peers;
    const struct vpls_known *known; /* none twice; one whose end is no peer is flooded to, like one that is unknown */
    size_t n_known;
    const struct vpls_user *users; /* in the same way */
    size_t n_users;
};

/* Adds the pseudowires of a segment, under its cookie: in the same transaction, after pipeline_segment_tor() or
 * pipeline_segment_pe(), which delete by that cookie. 'segment->vpls' is set. */
void vpls_segment(struct flow_txn *txn, const struct pipeline_segment *segment, const struct vpls_instance *instance);

#endif
