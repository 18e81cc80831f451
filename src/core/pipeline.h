/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenFlow pipelines of the switches of a DC, as flows. Pure: topology and VMs in, flow transactions out. Plain
 * OpenFlow 1.3 but for registers and the move action (Nicira).
 *
 * This is about Ethernet mode. In VPLS mode the edges have the same tables, but their way into the fabric and out of it
 * is that of core/vpls.h, which says what CLASSIFY, RETURN and FABRIC do there; P switches are no bridges, and there is
 * no RSTP.
 *
 * P switches run RSTP and hand everything to NORMAL: they learn and flood, VLAN by VLAN. Edges (ToR, PE) run RSTP, too,
 * but never NORMAL: a frame for the fabric is output to every fabric port by name. Open vSwitch skips ports that RSTP
 * blocks, or that are down, and the port that the frame came in by; it drops what comes in by a blocked port. As edges
 * are leaves of the tree, one copy remains. So an edge learns no MAC that could become stale, a failing link needs no
 * new flow, servers never see a tagged frame, whatever OVSDB says of their ports, and an edge that became a transit
 * switch after failures still forwards, as a hub.
 *
 * Fabric ports are those with RSTP on, by OVSDB, linked or not: LLDP does not pass a port that RSTP blocks, in either
 * direction, so links that LLDP has not shown must carry traffic once the tree needs them. Server, uplink and router
 * ports have RSTP off (Port other_config:rstp-enable=false); a BPDU from a server then dies in SPOOF. Before any port
 * is known, base flows without ports serve to find servers; after a restart of the gateway, a switch's flows are left
 * alone until its ports are known again.
 *
 * A server's VMs hang off a bridge with isolated ports that learns nothing at any of them (ageing time 0): a frame
 * between two of them turns round at the ToR, and a bridge that had learned its destination would drop it.
 *
 * ToR (a switch that servers hang off):
 *
 *   CLASSIFY ─ from a server ──> SPOOF ─ IP ──> POLICY_FROM ──> POLICY_TO ──> FORWARD ──> server
 *      │                           └─ ARP, ND ────────────────────────^──────────^ │
 *      └────── from the fabric ─> VLAN ─ of a segment, tag popped ─────┘ (RETURN)  │
 *                                  └───── any other: transit ──────────────────────┴> FABRIC
 *
 *   reg0 holds the packet's segment number (1..), reg1 is PIPELINE_FROM_SERVER or PIPELINE_FROM_FABRIC.
 *
 *   CLASSIFY     200 LLDP (to 01:80:c2:00:00:0e: a server's bridge does not pass that on, so no VM can forge it) ->
 *                controller. 100 untagged from a server port -> reg1, SPOOF; tagged from a fabric port -> reg1, VLAN.
 *   VLAN         100 a segment's VLAN -> reg0, tag popped, POLICY_TO. 0 -> FABRIC.
 *   SPOOF        100 in_port, eth_src and ipv4_src, or arp_spa and arp_sha, of a VM belong together -> reg0; IP to
 *                POLICY_FROM, ARP to FORWARD. 100 IPv6 neighbour discovery as below -> reg0, FORWARD. 95 other messages
 *                of neighbour discovery (what is forged, routers' advertisements and redirects), DHCPv6 to a client,
 *                and first fragments of ICMPv6: dropped. 90 IPv6 with ipv6_src of the VM -> reg0, POLICY_FROM. All else
 *                is dropped: IPv6 of a VM that has no such address, RARP (a hypervisor's announcement), BPDUs, and any
 *                other ethertype but those that a rule of the VM's policy allows: 100 -> reg0, POLICY_FROM; they are
 *                judged by MACs.
 *   POLICY_FROM, POLICY_TO
 *                rules of the VM that the packet is from (to), by its address: POLICY_PRIORITY_*. 0 -> the next table.
 *                What they reject gets reg6 = 3 and goes to the direction's verdict table.
 *                POLICY_TO: 65000 neighbour discovery, which its sender's ToR has inspected -> FORWARD.
 *                What stateful rules let pass goes by their direction's state table; where there are any, what the
 *                other direction's rules deny asks that one's state table and goes to its verdict table.
 *   VERDICT_FROM, VERDICT_TO
 *                100 of the VM's address, and known as a reply (reg6 = 1) -> reg6 = 0, the next table. 100 of the VM's
 *                address, and rejected (reg6 = 3) -> a meter, the controller, which tells the sender: to what is from
 *                the VM the answer leaves by its server's port; to what is for the VM it goes from POLICY_TO on, as if
 *                the VM had sent it. Else dropped.
 *   STATE_FROM, STATE_TO
 *                beside the way, only asked: 100 learned, the 5-tuple of replies -> reg6 = 1; 90 the same, of TCP
 *                connections that are half open; 52 to 50 what stateful rules let pass and what is no reply teaches
 *                the other direction's. Learned flows carry COOKIE_STATE or COOKIE_HALF_OPEN and stay when the VM's
 *                flows are replaced. core/policy_state.h tells more.
 *   LIMIT_FROM, LIMIT_TO
 *                beside the way above: if new connections are limited, all that the policy lets pass comes here. 100 of
 *                the VM's address, TCP, SYN without ACK -> the limit's meter, RATE. 0 -> RATE.
 *   RATE_FROM, RATE_TO
 *                behind these: what comes from LIMIT, and packets of a class that has a meter of its own, for the VM's.
 *                0 -> the next table.
 *   FORWARD      200 to a VM's MAC from its own server's port -> IN_PORT; 190 to a VM's MAC from anywhere -> its
 *                server's port; both for ARP and ND, and for IP only if it is to the VM's address, because that is
 *                what POLICY_TO judged. 180 else to a VM's MAC: dropped. 170, 160 broadcast ARP, solicitations to a
 *                solicited-node group, advertisements to all nodes -> the servers with VMs of the segment (from a
 *                server: that one, too) and FABRIC. 150 other broadcast and multicast is dropped:
 *                no policy of a receiver could judge it. 100 all else of the segment -> VLAN pushed, FABRIC.
 *   RETURN       to the fabric, even by the port that it came from: for a packet that turns round at this switch.
 *   FABRIC       to the fabric, except back.
 *
 * IPv6 neighbour discovery (ND, RFC 4861) is let through for a VM's own addresses, the link-local one that it makes of
 * its MAC (RFC 4291 appendix A) and those that the gateway knows: what it solicits with such a source and its own MAC,
 * or for such an address from nowhere (duplicate address detection, RFC 4862 §5.4), and what it advertises of them;
 * with a hop limit of 255. Like ARP, it is not the policies' business. By its link-local address a VM sends and gets
 * nothing else. A VM that takes another address (RFC 7217, RFC 8981) is not heard. MLD (RFC 3810) is dropped like other
 * multicast: no switch here prunes by it, what is solicited goes to all. The PE does not route IPv6.
 * A switch does not tell types and ports of fragments. So all ICMPv6 in fragments is dropped, by its first one (RFC
 * 6980, RFC 7113 §2), which takes IPv6 pings above the MTU, too; DHCPv6 in fragments is not recognised.
 *
 * Probe packets (core/probe.h) are marked in reg3. While they are sent, flows at 65535 in POLICY_TO and FORWARD bring
 * those that get there to the controller.
 *
 * A redirect of a moved VM is a flow in FORWARD above 200: push another VLAN, in which the fabric has not learned the
 * VM's MAC, and go to RETURN. A flow in VLAN maps that VLAN to the segment at the other end. Else the P switches hold a
 * moved MAC's old place for up to five minutes: pipeline_garp() of the VM's own MAC, out of the ToR that it came to
 * (tagged to the fabric ports, untagged to the servers), moves it at once.
 *
 * PE towards the IP network:
 *
 *   0 CLASSIFY ─ from the fabric ─> 1 VLAN ─ to the gateway's MAC ─> 2 ROUTE ─ else ──> 3 NEIGHBOUR ──> uplink
 *        │                            └───── transit ─────────┐       ^  └──── to a VM ─> 4 RETURN ──> 5 FABRIC
 *        │                                                    └───────│────────────────────────────────────^
 *        ├───────── from the uplink, IP ──────────────────────────────┘
 *        └───────── from the uplink, ARP and to the routing daemon ──> router port; from that ──> uplink
 *
 *   CLASSIFY     200 LLDP -> controller. 100 router port -> uplink; tagged from a fabric port -> VLAN; from the uplink:
 *                110 an ARP reply of the next hop -> controller and router port, 100 other ARP, 100 IP to the routing
 *                daemon -> router port, 90 other IP -> ROUTE.
 *   VLAN         200 ARP request for the gateway -> answered. 150 for a VM of this DC -> FABRIC, it answers itself.
 *                100 for another address of the subnet -> answered with the gateway's MAC: that VM lives in another
 *                DC. 200 ping of the gateway -> answered; 150 other IP to the gateway -> dropped. 100 other IP to the
 *                gateway's MAC -> reg0, tag popped, ROUTE. 0 -> FABRIC.
 *   ROUTE        200 to a VM of this DC, from wherever -> TTL decremented, MACs rewritten, VLAN pushed, RETURN.
 *                100 from a segment -> TTL decremented, NEIGHBOUR. Else dropped: from the uplink, to no VM.
 *   NEIGHBOUR    100 -> eth_dst of the next hop, uplink; no flow before it is resolved.
 *   RETURN, FABRIC as on a ToR.
 *
 *   A circuit of a user on a transport network ends as a VLAN of the transport port. It is a part of the segment, for
 *   the user's addresses only:
 *   CLASSIFY     100 from the circuit, IP and ARP of one of its user's addresses -> the segment's VLAN, FABRIC; 150 but
 *                not with the MAC of a VM or of the gateway. Of IPv6: 120 solicitations by such an address and
 *                advertisements of it likewise, 110 other neighbour discovery, DHCPv6 to a client and first fragments
 *                of ICMPv6: dropped. Else dropped, also what is by a link-local address: where the user's MAC is not
 *                known, that is not, either.
 *   VLAN         150 ARP and solicitations for, 90 IP to such an address -> the circuit's VLAN, transport port. So a
 *                user gets what is meant for it, and no flooded frame of others; the gateway does not route for it.
 *
 * PE between DCs: a channel is two pairs of flows (IP, ARP) between a server's migration port and the uplink, in table
 * 0; tagged traffic from the fabric is passed on as transit, as above (tables 0 CLASSIFY, 1 FABRIC).
 *
 * Each function replaces all that carries its cookie: it deletes by cookie and adds, within the transaction's one
 * atomic bundle, in which no packet sees the state between. For some milliseconds after the commit, packets that the
 * switch has seen the like of are still treated as before: its datapath caches. */
#ifndef CORE_PIPELINE_H
#define CORE_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/addr.h"
#include "model/flow.h"
#include "model/policy.h"

enum tor_table {
    TOR_CLASSIFY,
    TOR_VLAN,
    TOR_SPOOF,
    TOR_POLICY_FROM,
    TOR_VERDICT_FROM,
    TOR_LIMIT_FROM,
    TOR_RATE_FROM,
    TOR_POLICY_TO,
    TOR_VERDICT_TO,
    TOR_LIMIT_TO,
    TOR_RATE_TO,
    TOR_FORWARD,
    TOR_RETURN,
    TOR_FABRIC,
    TOR_STATE_FROM = 30, /* beyond those of core/vpls.h; they are asked, packets never go there */
    TOR_STATE_TO,
    TOR_TABLES /* every flow of a VM is in a table below */
};

enum pe_table { PE_CLASSIFY, PE_VLAN, PE_ROUTE, PE_NEIGHBOUR, PE_RETURN, PE_FABRIC };

enum pipeline_origin { PIPELINE_FROM_SERVER = 1, PIPELINE_FROM_FABRIC = 2 }; /* in reg1 */

/* Cookies: 0x5c67 | kind (8 bits) | 40 bits that name the thing. A VM's flows carry its cookie in every table of every
 * switch, a segment's its own, the rest the base cookie, so that each goes by its cookie. */
#define COOKIE_SCG UINT64_C(0x5c67000000000000)
#define COOKIE_SCG_MASK UINT64_C(0xffff000000000000)
#define COOKIE_EXACT UINT64_MAX
#define COOKIE_KIND_MASK UINT64_C(0xffffff0000000000) /* all cookies of a kind */
enum cookie_kind {
    COOKIE_BASE = 1,
    COOKIE_SEGMENT = 2,
    COOKIE_VM = 3,
    COOKIE_CHANNEL = 4,
    COOKIE_NEIGHBOUR = 5,
    COOKIE_CIRCUIT = 6,
    COOKIE_TUNNEL = 7,    /* of VPLS mode: core/vpls.h */
    COOKIE_STATE = 8,     /* of a VM's connections: they outlive the flows that learned them */
    COOKIE_PROBE = 9,     /* diverts probe packets to the controller */
    COOKIE_HALF_OPEN = 10 /* of those connections of which only a TCP SYN has been seen */
};
uint64_t cookie_make(enum cookie_kind kind, uint64_t id); /* the low 40 bits of 'id' */
uint64_t cookie_of_vm(const uint8_t uuid[16]);            /* from the last five bytes of the VM's UUID */
uint64_t cookie_of_state(uint64_t vm_cookie);             /* of the connections of a VM, from its cookie */
uint64_t cookie_of_half_open(uint64_t vm_cookie);
bool cookie_is_learned(uint64_t cookie);                          /* one of these two, of any VM */
uint64_t cookie_of_name(enum cookie_kind kind, const char *name); /* FNV-1a of the name */

#define POLICY_PRIORITY_FIRST 60000 /* of rule 1; rule i has POLICY_PRIORITY_FIRST - (i - 1) */
#define POLICY_PRIORITY_DEFAULT 10
#define LIMIT_PRIORITY 100 /* in the tables of limits */
#define STATE_PRIORITY 100 /* of all flows of the verdict tables, and of learned ones */
#define STATE_PRIORITY_HALF_OPEN 90

/* Of each kind, on one switch; all of them fit a flow's actions (FLOW_ACTIONS_MAX). More is our defect: abort. */
#define PIPELINE_PORTS_MAX 56

struct pipeline_segment {
    uint32_t number; /* 1..: reg0 */
    uint64_t cookie;
    uint16_t vlan; /* 1..4094 in this DC */
    struct mac gateway_mac;
    struct ip gateway; /* IPv4 */
    uint8_t length;    /* of the subnet's prefix */
    bool vpls;         /* the DC's mode is VPLS: vpls_segment() belongs in the same transaction, at each of its ends */
};

/* A VM's interface as the pipeline sees it. A VM has one. */
struct pipeline_vm {
    uint64_t cookie;
    struct mac mac;
    struct ip ip;            /* IPv4 */
    struct ip6_list ip6;     /* may be empty: then its IPv6 is dropped, but for neighbour discovery */
    uint32_t server_port;    /* OpenFlow port of its ToR that its server hangs off; not used on a PE */
    uint32_t transport_port; /* of a PE: no circuit may send with the VM's MAC; 0: it has none. Not used on a ToR */
};

struct pipeline_uplink {
    uint32_t uplink_port, router_port;
    struct ip router; /* of the routing daemon */
    struct ip next_hop;
};

/* What connects a switch to the others of its DC. */
struct pipeline_fabric {
    const uint32_t *ports; /* that lead to switches of the DC; borrowed */
    size_t n;
    bool vpls; /* the DC's mode is VPLS, not Ethernet */
};

/* The one base flow that brings LLDP to the controller, beside whatever the switch holds. */
void pipeline_lldp(struct flow_txn *txn);
/* Base flows of a switch, complete; those of the other mode go. They carry COOKIE_BASE. 'server_ports': that servers
 * hang off. */
void pipeline_base_p(struct flow_txn *txn, bool vpls);
void pipeline_base_tor(struct flow_txn *txn, const uint32_t *server_ports, size_t n_server_ports,
                       const struct pipeline_fabric *fabric);
void pipeline_base_pe(struct flow_txn *txn, const struct pipeline_uplink *uplink, const struct pipeline_fabric *fabric);
void pipeline_base_inter_dc(struct flow_txn *txn, const struct pipeline_fabric *fabric);

/* A segment on a ToR: classification of its VLAN and its broadcast flows towards 'server_ports' (those with a VM of the
 * segment; may be none). */
void pipeline_segment_tor(struct flow_txn *txn, const struct pipeline_segment *segment, const uint32_t *server_ports,
                          size_t n);
/* A segment on the PE: its gateway. Put the segment's VMs into the same transaction, or before it, lest the gateway
 * answer ARP for them. */
void pipeline_segment_pe(struct flow_txn *txn, const struct pipeline_segment *segment);
void pipeline_segment_remove(struct flow_txn *txn, const struct pipeline_segment *segment);

/* The MAC of the PE's next hop; null: not resolved, traffic to the IP network is dropped. */
void pipeline_neighbour_pe(struct flow_txn *txn, const struct pipeline_uplink *uplink, const struct mac *next_hop_mac);

struct policy_numbers; /* core/policy.h, both */
struct policy_site;
/* Where the policy of a VM stands on a ToR, without its meters; the flows of one address of it. */
struct policy_site pipeline_policy_site(uint64_t vm_cookie, const struct ip *ip);
/* The same for all addresses of a VM, that of IPv4 first: returns how many, at most PIPELINE_SITES_MAX. */
#define PIPELINE_SITES_MAX (1 + IP6_LIST_MAX)
unsigned pipeline_policy_sites(uint64_t vm_cookie, const struct mac *mac, const struct ip *ip,
                               const struct ip6_list *ip6, struct policy_site *sites);
/* A VM on its ToR: spoofing and forwarding flows, plus the policy's. 'policy' null: the VM is not restricted.
 * 'numbers': of the policy's meters; they exist, or are added in the same transaction. What was learned stays if the
 * policy has stateful rules. */
void pipeline_vm_tor(struct flow_txn *txn, const struct pipeline_segment *segment, const struct pipeline_vm *vm,
                     const struct policy *policy, const struct policy_numbers *numbers);
/* A VM on the PE: route to it, no ARP answered for it. */
void pipeline_vm_pe(struct flow_txn *txn, const struct pipeline_segment *segment, const struct pipeline_vm *vm);
void pipeline_vm_remove(struct flow_txn *txn, const struct pipeline_vm *vm);
/* Adds to 'flow' what is to be done, in a packet-out from the port of its server, to a frame that goes on as if a VM of
 * the segment had sent it and its policy had let it pass. */
void pipeline_passed(struct flow *flow, const struct pipeline_segment *segment);
/* What a ToR has learned of the VM's connections goes. */
void pipeline_state_remove(struct flow_txn *txn, uint64_t vm_cookie);

/* The end of a user's circuit on the PE. */
struct pipeline_circuit {
    uint64_t cookie;
    uint32_t transport_port;
    uint16_t vlan;              /* 1..4094 on that port */
    const struct ip *addresses; /* of the user; borrowed */
    unsigned n_addresses;
};
void pipeline_circuit_pe(struct flow_txn *txn, const struct pipeline_segment *segment,
                         const struct pipeline_circuit *circuit);
void pipeline_circuit_remove(struct flow_txn *txn, uint64_t cookie);

/* An ARP request (RFC 5227 probe: sender address zero) for the PE's next hop, as a frame to send out of the uplink, and
 * its answer, which the PE sends to the controller. 'frame' has at least ARP_FRAME_SIZE bytes. */
#define ARP_FRAME_SIZE 42
void pipeline_arp_probe(const struct mac *from, const struct ip *target, uint8_t *frame);
/* A gratuitous ARP (request form, RFC 5944 §4.6) of 'ip' at 'mac', with VLAN tag 'vlan' if not 0. 'frame' has at least
 * GARP_FRAME_SIZE bytes; returns how many are used. Of the gateway's MAC, out of a PE's fabric ports, it leads the VMs
 * that 'ip' left behind to the gateway. */
#define GARP_FRAME_SIZE 46
size_t pipeline_garp(const struct mac *mac, const struct ip *ip, uint16_t vlan, uint8_t *frame);
/* The same as a request for 'target', who learns where 'ip' is as well, and answers: 'ip' learns where 'target' is. */
size_t pipeline_arp_request(const struct mac *mac, const struct ip *ip, const struct ip *target, uint16_t vlan,
                            uint8_t *frame);
/* An unsolicited neighbour advertisement of 'ip', IPv6, at 'mac' to all nodes (RFC 4861 §7.2.6), which overrides what
 * they know, with VLAN tag 'vlan' if not 0. 'frame' has at least ND_FRAME_SIZE bytes; returns how many are used. */
#define ND_FRAME_SIZE 90
size_t pipeline_nd_advertisement(const struct mac *mac, const struct ip *ip, uint16_t vlan, uint8_t *frame);
/* Reads an untagged ARP reply. 0 and the sender's addresses, or ERR_MALFORMED and the outputs left alone. */
int pipeline_arp_reply(const uint8_t *frame, size_t size, struct mac *sender, struct ip *address);

/* A migration channel on the inter-DC PE between a server's migration port and the uplink, or a VLAN of the transport
 * port, for traffic (ARP and IPv4) between two migration addresses. */
struct pipeline_channel {
    uint64_t cookie;
    uint32_t server_port, uplink_port;
    uint16_t vlan;           /* on uplink_port; 0: untagged */
    struct ip local, remote; /* migration addresses of the two servers */
};
void pipeline_channel_open(struct flow_txn *txn, const struct pipeline_channel *channel);
void pipeline_channel_close(struct flow_txn *txn, uint64_t cookie);

#endif
