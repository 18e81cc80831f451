/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a flow of a ToR takes a VM's packets, and a packet that shows it: decided over the whole header space of
 * model/flow.h, by cubes (a value and a mask for each field). Pure.
 *
 * Flows that are ours and stand as they shall are the reference. Any other flow changes what becomes of a VM's packets
 * if one of these can meet it: if its match and the VM's packets have something in common that no flow of ours of a
 * higher priority in its table takes before. A flow of the same priority as one of ours counts as before it, for which
 * of the two a packet meets is undefined (OpenFlow 1.3.5 §5.3).
 *
 * A VM's packets are its IP of either family, ARP, IPv6 neighbour discovery, what else its policy allows, to all and to
 * one; what is to it; and the questions of others who has its address. A flow that lets others say that they have its
 * address takes what nobody may send. */
#ifndef CORE_PROOF_H
#define CORE_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/addr.h"
#include "model/flow.h"
#include "model/policy.h"

/* What tells a VM's packets at its ToR. */
struct proof_vm {
    uint32_t port;    /* that its server hangs off */
    uint32_t segment; /* reg0 of its packets behind SPOOF and VLAN, 1.. */
    struct mac mac;
    struct ip ip; /* IPv4 */
    struct ip6_list ip6;
    /* What its policy allows beside IP, by direction; as many as 'n_ethertypes' says. */
    uint16_t ethertypes[2][POLICY_ETHERTYPES_MAX];
    uint8_t n_ethertypes[2];
};

enum proof_way {
    PROOF_FROM_VM = 1,
    PROOF_TO_VM = 2,
    PROOF_BOTH = 3,
    PROOF_AS_VM = 4, /* from others, with its address: in CLASSIFY and SPOOF, if the flow passes packets on */
    PROOF_ALL = 7
};

/* Whether the flow's match lets a packet of the VM through, in one of the ways. From POLICY_TO on, flows to the address
 * of another are that one's; from SPOOF up to there, flows that name no destination are the sender's. */
bool proof_meets(const struct proof_vm *vm, const struct flow *flow, enum proof_way way);

enum proof_answer {
    PROOF_TAKES_NOTHING,
    PROOF_TAKES,
    PROOF_TOO_MUCH /* 'steps' were used up before it was known */
};

/* Whether 'flow' takes a packet of the VM before all of 'ours'. Those of other tables or lower priority do not matter.
 * '*packet', if given, gets such a packet if it does, as ovs-ofctl would match it; caller frees. '*steps' is what may
 * be spent, a microsecond or a few each; what was is taken off. */
#define PROOF_STEPS_MAX (1u << 18) /* for all flows of a switch: nobody's flows shall keep the gateway busy */
enum proof_answer proof_takes(const struct proof_vm *vm, const struct flow *flow, enum proof_way way,
                              const struct flow *ours, size_t n_ours, unsigned *steps, char **packet);

/* Flows of a switch that are nobody's in particular, and complete for their tables. */
struct proof_base {
    const struct flow *flows;
    size_t n;
    /* What the gateway's packets look like to flows that take whatever comes, or comes by a port: the VLANs of
     * segments. Others' packets are no business of the gateway's there. */
    const struct flow_match *traffic;
    size_t n_traffic;
};

/* Whether the flow's match meets what one of the base's flows is for that is not before it. */
bool proof_base_meets(const struct proof_base *base, const struct flow *flow);
/* Whether the flow takes such a packet before all of the base's flows; the rest is as of proof_takes(). */
enum proof_answer proof_base_takes(const struct proof_base *base, const struct flow *flow, unsigned *steps,
                                   char **packet);

#endif
