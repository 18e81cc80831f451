/* SPDX-License-Identifier: Apache-2.0 */
/* Which packets of a VM a flow can match. Internal to core/proof*.c. */
#ifndef CORE_PROOF_INTERNAL_H
#define CORE_PROOF_INTERNAL_H

#include "core/proof.h"

#define FIELD_BYTES 16

/* Those of ND and IPV6 are about one IPv6 address of the VM, its link-local one or another, if not about all. */
enum proof_pattern {
    FROM_IP,
    FROM_ARP,
    FROM_ND, /* all */
    FROM_IPV6,
    FROM_OTHER, /* of one ethertype that its policy allows */
    TO_IP,
    TO_ARP,
    TO_ND, /* all */
    TO_IPV6,
    TO_OTHER,
    TO_ASKED_ARP, /* to all: who has its address */
    TO_ASKED_ND,
    AS_IP, /* from others: that they have its address */
    AS_ARP,
    AS_ND_TARGET, /* advertised */
    AS_ND_SOURCE,
    AS_ND_PROBE, /* RFC 4862 §5.4: a VM that hears it takes its own address for a duplicate */
    AS_IPV6,
    PATTERNS
};

/* Where the search for packets of the VM that a flow matches has come to: zeroed before the first. */
struct proof_meeting {
    enum proof_pattern pattern;
    unsigned item; /* the next: of its addresses of IPv6, or of ethertypes */
    struct flow_match packets;
};

/* Whether a packet can match both. */
bool proof_match_meets(const struct flow_match *a, const struct flow_match *b);
/* Whether packets come to the table after their sender was judged. */
bool proof_is_for_receivers(uint8_t table);
/* The next pattern of one of the ways that has such packets; false: there is none. */
bool proof_next_meeting(const struct proof_vm *vm, const struct flow *flow, enum proof_way way,
                        struct proof_meeting *at);

#endif
