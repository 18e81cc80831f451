/* SPDX-License-Identifier: Apache-2.0 */
/* Probe packets: whether a ToR does what its flows say. Each rule of a VM's policy gets a packet that it decides, and
 * one just outside of it that is treated otherwise. The gateway sends them into the ToR's tables as if the VM, or the
 * fabric, had; what becomes of them is compared with the policy. Pure.
 *
 *   from the VM   in_port of its server -> CLASSIFY ... POLICY_FROM ... ─┐ POLICY_TO: diverted to the controller
 *   to the VM     reg0, reg1 of the fabric -> POLICY_TO ...             ─┘ FORWARD: diverted to the controller
 *
 * A probe carries the mark of its direction in reg3, which no other packet does; diverts are there only while probes
 * are sent. If they were missing, a probe would go nowhere either: its destination MAC is a group's that FORWARD drops.
 * That address tells which probe it is, too. */
#ifndef CORE_PROBE_H
#define CORE_PROBE_H

#include "model/flow.h"
#include "model/policy.h"

/* A packet: 'packet' matches it, and no other but for TCP flags that it does not name, which are not set. Its verdict
 * and mark are what the policy does with it. */
struct probe {
    struct policy_rule packet;
    size_t rule; /* that decides it, from 0; policy->n_rules: the default of the direction */
};

/* Chooses at most 'max' probes for the packets of one family. A rule that decides no packet of it gets none, nor does
 * one that only decides what no probe can be: IPv6 extension headers, neighbour discovery, DHCPv6. Where there is no
 * room for all, the packets that rules decide come before those just outside. 0 and '*probes', which the caller frees;
 * or ERR_TOO_LARGE: the rules are too entangled (BDD_NODES_MAX). */
int probe_choose(const struct policy *policy, enum ip_family family, size_t max, struct probe **probes, size_t *n,
                 struct err *err);

/* Whose probes they are. */
struct probe_site {
    struct mac mac;
    struct ip ip;         /* the VM's, of the probes' family */
    uint32_t server_port; /* of its ToR */
    uint32_t segment;     /* reg0, 1.. */
    uint32_t nonce;       /* 24 bits, so that what comes back late is not taken for one of the next */
};

#define PROBE_FRAME_SIZE 74 /* at most */

/* The diverts of a ToR; and without them. */
void probe_divert(struct flow_txn *txn);
void probe_divert_end(struct flow_txn *txn);
/* Whether it is one of them: no packet but a probe can meet it. */
bool probe_is_divert(const struct flow *flow);

/* Writes the probe as a frame; returns its size. 'id' comes back with it. */
size_t probe_frame(const struct probe_site *site, const struct policy_rule *packet, uint16_t id,
                   uint8_t frame[PROBE_FRAME_SIZE]);
/* How such a frame begins its way: port, and as a flow its actions, which the caller frees. */
uint32_t probe_way(const struct probe_site *site, enum policy_direction direction, struct flow *way);
/* Of a frame that comes back whatever rules say: straight to a divert. */
void probe_way_back(struct flow *way);
/* Whether it is a probe of 'nonce': then which, and its DSCP now. */
bool probe_read(const uint8_t *frame, size_t size, uint32_t nonce, uint16_t *id, uint8_t *dscp);

#endif
