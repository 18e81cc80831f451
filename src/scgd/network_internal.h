/* SPDX-License-Identifier: Apache-2.0 */
/* What network.c, switch_activity.c, tenants.c and switches.c share. */
#ifndef SCGD_NETWORK_INTERNAL_H
#define SCGD_NETWORK_INTERNAL_H

#include "scgd/gateway.h"

/* Numbers of the ports that are the fabric's, or that are not; returns how many. */
size_t network_ports_of(const struct switch_info *sw, bool fabric, uint32_t ports[PIPELINE_PORTS_MAX]);
/* It has a VLAN and is not being closed. */
bool network_segment_open(const struct segment_state *segment);
/* The segment's flows on a ToR, or their removal where no server of the ToR has a VM of it. */
void network_add_segment_tor(struct gateway *gateway, const struct switch_info *tor,
                             const struct segment_state *segment, struct flow_txn *txn);
/* The segment's flows on the PE. */
void network_add_segment_pe(struct gateway *gateway, const struct switch_info *pe, const struct segment_state *segment,
                            struct flow_txn *txn);
/* The tenant's flows and meters on its ToR. 0, or what the store says. */
int network_add_tenant_tor(struct gateway *gateway, const struct tenant *tenant, const struct switch_info *tor,
                           uint32_t port, struct flow_txn *txn, struct err *err);
/* All of the tenant's flows are just being sent to its ToR. */
void network_tenant_sent(struct gateway *gateway, struct tenant *tenant);
/* The switch got by parts what it refused as a whole: the failures of nobody's order up to the one with the number
 * 'last' do not matter any more. */
void network_filled_by_parts(struct gateway *gateway, const char *switch_name, uint64_t last);
/* Whether a switch that answers so when it is sent all that it shall hold will get it in parts. */
bool network_parts_follow(const struct gateway *gateway, const char *switch_name, const struct err *err);
/* Sends all that a switch shall hold, as tunnels_apply_whole() does. A ToR that refuses it as one gets what all VMs
 * need, and then each VM's by itself: a VM whose flows do not fit has none and is named in the log. It alone is tried
 * again by network_retry_parts(), at network.parts_at. */
void network_apply_whole(struct gateway *gateway, const struct switch_info *sw, struct flow_txn *txn,
                         struct join *join);
struct pipeline_vm network_pipeline_vm(const struct tenant *tenant, uint32_t port);
#define NUMBER_OWNER_SIZE (UUID_TEXT_SIZE + 24) /* of a meter or a queue, in the store: the VM's UUID comes first */
/* The number of a class's queue on the ToR, or 0. */
uint32_t network_queue_number(const struct gateway *gateway, const struct tenant *tenant, const struct switch_info *tor,
                              enum policy_direction direction, unsigned class);
/* Numbers of queues go whose VMs nobody knows any more. */
void network_free_unknown_queues(struct gateway *gateway, const struct switch_info *tor);
/* A tenant, or in an open order. */
bool network_vm_known(const struct gateway *gateway, uint64_t cookie);
/* The ToR has deleted meters: numbers among theirs are free that no tenant's policy wants. */
void network_meters_deleted(struct gateway *gateway, const char *tor, const uint32_t *numbers, size_t n);
/* The pool of the store that numbers a ToR's meters. */
void network_meter_pool(const char *tor, char pool[NAME_SIZE + 8]);

#endif
