/* SPDX-License-Identifier: Apache-2.0 */
/* What the pipelines share. */
#ifndef CORE_PIPELINE_FLOWS_H
#define CORE_PIPELINE_FLOWS_H

#include "core/pipeline.h"

#define ETH_TYPE_IP 0x0800
#define ETH_TYPE_ARP 0x0806
#define ETH_TYPE_LLDP 0x88cc
#define ARP_REQUEST 1
#define ARP_REPLY 2

extern const struct mac mac_broadcast;

uint64_t pipeline_base_cookie(void);

/* An exact IPv4 or ARP address; sets eth_type, too. 'field' is one of IPV4_* and ARP_SPA, ARP_TPA. */
void match_ip(struct flow_match *match, enum flow_field_id field, const struct ip *ip);

void flow_goto(struct flow *flow, uint8_t table);
void flow_to_controller(struct flow *flow); /* the whole packet */
void flow_push_vlan(struct flow *flow, uint16_t vlan);

/* Begins a switch's base flows: deletes the old ones; LLDP goes to the controller. */
void pipeline_base_begin(struct flow_txn *txn);
/* Table 'from': tagged traffic of each fabric port goes to table 'to'. 'origin': for reg1, or 0. */
void pipeline_from_fabric(struct flow_txn *txn, uint8_t from, uint8_t to, uint32_t origin, const uint32_t *fabric_ports,
                          size_t n);
/* The flow of table 'fabric': out of all fabric ports but the packet's own. */
void pipeline_to_fabric(struct flow_txn *txn, uint8_t fabric, const uint32_t *fabric_ports, size_t n);
/* The flows of table 'turn': as 'fabric', which follows it, and the packet's own port. */
void pipeline_return_to_fabric(struct flow_txn *txn, uint8_t turn, uint8_t fabric, const uint32_t *fabric_ports,
                               size_t n);
/* A flow at priority 0 that takes what is left in 'table' to 'next'. */
void pipeline_miss(struct flow_txn *txn, uint8_t table, uint8_t next);

#endif
