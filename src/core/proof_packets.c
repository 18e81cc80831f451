/* SPDX-License-Identifier: Apache-2.0 */
/* The packets of a VM, as patterns that a flow's match is held against. */
#include "core/proof_internal.h"

#include <string.h>

#include "core/pipeline.h"
#include "core/pipeline_flows.h"

bool proof_match_meets(const struct flow_match *a, const struct flow_match *b)
{
    for (unsigned i = 0, j = 0; i < a->n && j < b->n;) {
        const struct flow_field *x = &a->fields[i], *y = &b->fields[j];

        for (unsigned k = 0; k < FIELD_BYTES && x->id == y->id; k++) {
            if ((x->value[k] ^ y->value[k]) & x->mask[k] & y->mask[k])
                return false;
        }
        i += x->id <= y->id;
        j += y->id <= x->id;
    }
    return true;
}

static enum proof_way way_of(enum proof_pattern pattern)
{
    return pattern < TO_IP ? PROOF_FROM_VM : pattern < AS_IP ? PROOF_TO_VM : PROOF_AS_VM;
}

/* A VM sends and gets by its link-local address nothing but what finds hosts; what is not about an address of IPv6
 * counts as that one's. */
static bool is_about(enum proof_pattern pattern, bool link_local)
{
    switch (pattern) {
    case FROM_IPV6:
    case TO_IPV6:
    case AS_IPV6:
        return !link_local;
    case TO_ASKED_ND:
    case AS_ND_SOURCE:
    case AS_ND_TARGET:
    case AS_ND_PROBE:
        return true;
    default:
        return link_local;
    }
}

/* Its link-local address, then the others; returns how many. */
static unsigned own_addresses(const struct proof_vm *vm, struct ip own[1 + IP6_LIST_MAX])
{
    own[0] = ip_link_local(&vm->mac);
    memcpy(own + 1, vm->ip6.items, vm->ip6.n * sizeof *own);
    return 1u + vm->ip6.n;
}

static bool knows_segment(uint8_t table)
{
    return table != TOR_CLASSIFY && table != TOR_VLAN && table != TOR_SPOOF;
}

/* Of a message of neighbour discovery; its target may be null. */
static void match_discovery(struct flow_match *match, uint8_t type, const struct ip *target)
{
    match_u(match, FIELD_ETH_TYPE, ETH_TYPE_IPV6);
    match_u(match, FIELD_IP_PROTO, IP_ICMPV6);
    if (type)
        match_u(match, FIELD_ICMPV6_TYPE, type);
    if (target)
        match_bytes(match, FIELD_ND_TARGET, target->bytes, NULL);
}

/* RFC 4291 §2.7.1, RFC 2464 §7. */
static struct mac solicited_node(const struct ip *ip)
{
    struct mac mac = {{0x33, 0x33, 0xff, ip->bytes[13], ip->bytes[14], ip->bytes[15]}};

    return mac;
}

/* What the patterns are about, besides where the packets come from and go to. */
static void pattern_contents(const struct proof_vm *vm, enum proof_pattern pattern, const struct ip *own,
                             struct flow_match *match)
{
    static const struct ip unspecified;

    switch (pattern) {
    case FROM_IP:
    case AS_IP:
        match_ip(match, FIELD_IPV4_SRC, &vm->ip);
        break;
    case TO_IP:
        match_ip(match, FIELD_IPV4_DST, &vm->ip);
        break;
    case FROM_ARP:
    case AS_ARP:
        match_ip(match, FIELD_ARP_SPA, &vm->ip);
        break;
    case TO_ARP:
        match_u(match, FIELD_ETH_TYPE, ETH_TYPE_ARP);
        break;
    case TO_ASKED_ARP:
        match_ip(match, FIELD_ARP_TPA, &vm->ip);
        break;
    case FROM_IPV6:
    case AS_IPV6:
        match_ip(match, FIELD_IPV6_SRC, own);
        break;
    case TO_IPV6:
        match_ip(match, FIELD_IPV6_DST, own);
        break;
    case FROM_ND:
    case TO_ND:
        match_discovery(match, 0, NULL);
        break;
    case TO_ASKED_ND:
        match_discovery(match, ND_SOLICITATION, own);
        break;
    case AS_ND_SOURCE:
        match_discovery(match, 0, NULL);
        match_bytes(match, FIELD_IPV6_SRC, own->bytes, NULL);
        break;
    case AS_ND_TARGET:
        match_discovery(match, ND_ADVERTISEMENT, own);
        break;
    case AS_ND_PROBE:
        match_discovery(match, ND_SOLICITATION, own);
        match_bytes(match, FIELD_IPV6_SRC, unspecified.bytes, NULL);
        break;
    case FROM_OTHER:
    case TO_OTHER:
    case PATTERNS:
        break;
    }
}

static struct mac destination_of(const struct proof_vm *vm, enum proof_pattern pattern, const struct ip *own)
{
    return pattern == TO_ASKED_ARP ? mac_broadcast : pattern == TO_ASKED_ND ? solicited_node(own) : vm->mac;
}

static struct flow_match pattern_match(const struct proof_vm *vm, enum proof_pattern pattern, const struct ip *own,
                                       uint8_t table)
{
    enum proof_way way = way_of(pattern);
    struct flow_match match = {0};

    if (knows_segment(table))
        match_u(&match, FIELD_REG0, vm->segment);
    if (way == PROOF_TO_VM) {
        struct mac destination = destination_of(vm, pattern, own);

        match_mac(&match, FIELD_ETH_DST, &destination);
    } else if (way == PROOF_FROM_VM) {
        match_u(&match, FIELD_IN_PORT, vm->port);
        match_mac(&match, FIELD_ETH_SRC, &vm->mac);
    }
    if (way != PROOF_TO_VM && table == TOR_CLASSIFY)
        match_u(&match, FIELD_VLAN_VID, 0);
    pattern_contents(vm, pattern, own, &match);
    return match;
}

bool proof_is_for_receivers(uint8_t table)
{
    return table >= TOR_POLICY_TO && table != TOR_STATE_FROM;
}

static bool is_other(const struct flow_field *field, const uint8_t *bytes)
{
    return field && flow_field_exact(field) && memcmp(field->value, bytes, flow_field_size(field->id)) != 0;
}

static bool is_group(const struct flow_field *mac)
{
    return mac->value[0] & mac->mask[0] & 1;
}

/* Whether the field is one exact address of IPv6 that is none of the VM's. */
static bool is_other_ipv6(const struct proof_vm *vm, const struct flow_field *field)
{
    struct ip own[1 + IP6_LIST_MAX];
    bool other = field && flow_field_exact(field);

    for (unsigned i = own_addresses(vm, own); i-- > 0 && other;)
        other = memcmp(field->value, own[i].bytes, sizeof own[i].bytes) != 0;
    return other;
}

static bool is_to_another(const struct proof_vm *vm, const struct flow *flow)
{
    const struct flow_field *ipv6 = match_find(&flow->match, FIELD_IPV6_DST);
    const struct flow_field *mac = match_find(&flow->match, FIELD_ETH_DST);

    return is_other(match_find(&flow->match, FIELD_IPV4_DST), vm->ip.bytes) ||
           (is_other_ipv6(vm, ipv6) && ipv6->value[0] != 0xff) || (is_other(mac, vm->mac.bytes) && !is_group(mac));
}

/* Those of any link-local address are how a sender asks whom it likes. */
static bool names_target(const struct flow *flow)
{
    const struct flow_field *target = match_find(&flow->match, FIELD_ND_TARGET);

    return target && flow_field_exact(target);
}

static bool names_receiver(const struct flow *flow, enum proof_pattern pattern)
{
    return match_find(&flow->match, FIELD_IPV4_DST) || match_find(&flow->match, FIELD_IPV6_DST) ||
           match_find(&flow->match, FIELD_ETH_DST) ||
           (pattern == TO_ASKED_ARP && match_find(&flow->match, FIELD_ARP_TPA)) ||
           (pattern == TO_ASKED_ND && names_target(flow));
}

/* Whether a packet that meets it may get anywhere. */
static bool passes_on(const struct flow *flow)
{
    if (flow->goto_table != FLOW_NO_GOTO || flow->has_unknown)
        return true;
    for (unsigned i = 0; i < flow->n_actions; i++) {
        const struct flow_action *action = &flow->actions[i];

        if (action->type == ACTION_OUTPUT || action->type == ACTION_GROUP || action->type == ACTION_RESUBMIT ||
            action->type == ACTION_UNKNOWN)
            return true;
    }
    return false;
}

/* Whether it sends packets into the pipeline otherwise than by SPOOF. */
static bool avoids_spoof(const struct flow *flow)
{
    if (flow->goto_table != FLOW_NO_GOTO)
        return flow->goto_table != TOR_SPOOF;
    for (unsigned i = 0; i < flow->n_actions; i++) {
        if (flow->actions[i].type == ACTION_RESUBMIT && flow->actions[i].table != TOR_SPOOF)
            return true;
    }
    return false;
}

/* Most flows of a switch are not about the VM: that is told at once. */
static bool is_of_another(const struct proof_vm *vm, const struct flow *flow, enum proof_pattern pattern)
{
    static const struct ip unspecified;
    const struct flow_field *ipv6_source = match_find(&flow->match, FIELD_IPV6_SRC);

    switch (way_of(pattern)) {
    case PROOF_FROM_VM:
        /* What a receiver is to get is that VM's matter, what a sender may send is the sender's. */
        return is_other(match_find(&flow->match, FIELD_IPV4_SRC), vm->ip.bytes) ||
               (is_other_ipv6(vm, ipv6_source) && is_other(ipv6_source, unspecified.bytes)) ||
               is_other(match_find(&flow->match, FIELD_ETH_SRC), vm->mac.bytes) ||
               (proof_is_for_receivers(flow->table) && is_to_another(vm, flow));
    case PROOF_TO_VM:
        return is_to_another(vm, flow) ||
               (flow->table >= TOR_SPOOF && !proof_is_for_receivers(flow->table) && !names_receiver(flow, pattern));
    case PROOF_AS_VM:
        return flow->table == TOR_SPOOF ? !passes_on(flow) : flow->table != TOR_CLASSIFY || !avoids_spoof(flow);
    default:
        return true;
    }
}

/* Of patterns that are about ethertypes: the VM's; else null. */
static const uint16_t *ethertypes_of(const struct proof_vm *vm, enum proof_pattern pattern)
{
    return pattern == FROM_OTHER ? vm->ethertypes[POLICY_FROM_VM] :
           pattern == TO_OTHER   ? vm->ethertypes[POLICY_TO_VM] :
                                   NULL;
}

bool proof_next_meeting(const struct proof_vm *vm, const struct flow *flow, enum proof_way way,
                        struct proof_meeting *at)
{
    struct ip own[1 + IP6_LIST_MAX];
    unsigned n_own = own_addresses(vm, own);

    for (; at->pattern < PATTERNS; at->pattern++, at->item = 0) {
        if (!(way_of(at->pattern) & way) || is_of_another(vm, flow, at->pattern))
            continue;
        const uint16_t *types = ethertypes_of(vm, at->pattern);
        unsigned n = types ? vm->n_ethertypes[at->pattern == TO_OTHER ? POLICY_TO_VM : POLICY_FROM_VM] : n_own;

        while (at->item < n) {
            unsigned i = at->item++;

            if (!types && !is_about(at->pattern, i == 0))
                continue;
            at->packets = pattern_match(vm, at->pattern, types ? NULL : &own[i], flow->table);
            if (types)
                match_u(&at->packets, FIELD_ETH_TYPE, types[i]);
            if (proof_match_meets(&at->packets, &flow->match))
                return true;
        }
    }
    return false;
}

bool proof_meets(const struct proof_vm *vm, const struct flow *flow, enum proof_way way)
{
    struct proof_meeting at = {0};

    return proof_next_meeting(vm, flow, way, &at);
}
