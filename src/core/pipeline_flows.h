/* SPDX-License-Identifier: Apache-2.0 */
/* What the pipelines share. */
#ifndef CORE_PIPELINE_FLOWS_H
#define CORE_PIPELINE_FLOWS_H

#include "core/pipeline.h"

#define ETH_TYPE_IP 0x0800
#define ETH_TYPE_ARP 0x0806
#define ETH_TYPE_LLDP 0x88cc
#define ETH_TYPE_IPV6 0x86dd
#define ND_ROUTER_SOLICITATION 133 /* types of ICMPv6, RFC 4861 §4 */
#define ND_ROUTER_ADVERTISEMENT 134
#define ND_SOLICITATION 135
#define ND_ADVERTISEMENT 136
#define ND_REDIRECT 137
#define ND_HOP_LIMIT 255 /* a packet that has another has come through a router: RFC 4861 §7.1 */
#define ARP_REQUEST 1
#define ARP_REPLY 2

extern const struct mac mac_broadcast;

uint64_t pipeline_base_cookie(void);

/* An exact address; sets eth_type, too. 'field' is one of IPV4_*, ARP_SPA and ARP_TPA, or, for IPv6, of IPV6_*. */
void match_ip(struct flow_match *match, enum flow_field_id field, const struct ip *ip);

/* An ICMPv6 message of that type, code 0. */
void match_nd(struct flow_match *match, uint8_t type);

/* What only infrastructure of a segment sends by IPv6, or what looks like it: kind 0..PIPELINE_INFRASTRUCTURE - 1. All
 * messages of neighbour discovery, which are let through singly before, DHCPv6 to a client, and first fragments of
 * ICMPv6: a switch does not tell their types, and nobody sends neighbour discovery in fragments (RFC 6980). */
#define PIPELINE_INFRASTRUCTURE 7
void pipeline_match_infrastructure(struct flow_match *match, unsigned kind);

void flow_goto(struct flow *flow, uint8_t table);
void flow_to_controller(struct flow *flow); /* the whole packet */
void flow_push_vlan(struct flow *flow, uint16_t vlan);

/* Begins a switch's base flows: deletes the old ones; LLDP goes to the controller. */
void pipeline_base_begin(struct flow_txn *txn);
/* Of an edge, in either mode. Table 0: what each fabric port brings; what is tagged goes to 'vlan', a table, in
 * Ethernet mode. 'origin': for reg1, or 0. Tables 'turn' and 'next': into the fabric, also by the packet's own port and
 * otherwise. 'turn' is FLOW_NO_GOTO where nothing turns round. */
void pipeline_base_fabric(struct flow_txn *txn, const struct pipeline_fabric *fabric, uint8_t vlan, uint32_t origin,
                          uint8_t turn, uint8_t next);
/* Of VPLS mode. Every switch: tunnel labels of what comes by the fabric's ports (of a P: by any port). 'origin': for
 * reg1, or 0. */
void vpls_base(struct flow_txn *txn, const struct pipeline_fabric *fabric, uint32_t origin);
void vpls_base_p(struct flow_txn *txn);
/* An edge: what the gateway sends, the flow of table 'turn', and what table 'fabric' lets into no pseudowire. */
void vpls_base_edge(struct flow_txn *txn, uint8_t turn, uint8_t fabric);

/* A flow at priority 0 that takes what is left in 'table' to 'next'. */
void pipeline_miss(struct flow_txn *txn, uint8_t table, uint8_t next);

#endif
