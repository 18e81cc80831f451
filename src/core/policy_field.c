/* SPDX-License-Identifier: Apache-2.0 */
#include "core/policy_field.h"

#include <string.h>

int policy_trait_of(unsigned field, enum policy_direction direction)
{
    switch (field) {
    case FIELD_IN_PORT:
        return direction == POLICY_FROM_VM ? TRAIT_PORT : -1;
    case FIELD_ETH_SRC:
        return direction == POLICY_FROM_VM ? TRAIT_MAC : -1;
    case FIELD_ETH_DST:
        return direction == POLICY_TO_VM ? TRAIT_MAC : -1;
    case FIELD_REG0:
        return TRAIT_REG0;
    case FIELD_REG1:
        return direction == POLICY_FROM_VM ? TRAIT_REG1 : -1;
    default:
        return -1;
    }
}

unsigned policy_vm_field(const struct policy_site *site, enum policy_direction direction)
{
    if (site->ip.family == IP_V6)
        return direction == POLICY_FROM_VM ? FIELD_IPV6_SRC : FIELD_IPV6_DST;
    return direction == POLICY_FROM_VM ? FIELD_IPV4_SRC : FIELD_IPV4_DST;
}

void policy_match_vm(struct flow_match *match, const struct policy_site *site, enum policy_direction direction)
{
    bool from_vm = direction == POLICY_FROM_VM;
    struct prefix vm = prefix_of(&site->ip, (uint8_t) ip_bits(site->ip.family));

    match_prefix(match, from_vm ? FIELD_IPV4_SRC : FIELD_IPV4_DST, from_vm ? FIELD_IPV6_SRC : FIELD_IPV6_DST, &vm);
}

static unsigned remote_field(const struct policy_site *site, enum policy_direction direction)
{
    return policy_vm_field(site, direction == POLICY_FROM_VM ? POLICY_TO_VM : POLICY_FROM_VM);
}

/* Length of a mask of leading ones, or -1. */
static int mask_length(const uint8_t *mask, unsigned bits)
{
    unsigned length = 0;

    while (length < bits && mask[length / 8] & 0x80 >> length % 8)
        length++;
    for (unsigned i = length; i < bits; i++) {
        if (mask[i / 8] & 0x80 >> i % 8)
            return -1;
    }
    return (int) length;
}

static const char *read_port(const struct flow_field *field, bool right_protocol, struct port_range *range)
{
    if (!right_protocol)
        return "it matches ports without their protocol";
    if (mask_length(field->mask, 16) < 0)
        return "its port mask is no range";
    range->first = (uint16_t) flow_field_u(field);
    range->last = (uint16_t) (range->first | (~flow_field_mask_u(field) & 0xffff));
    return NULL;
}

static const char *read_number(const struct flow_field *field, int16_t *number)
{
    if (!flow_field_exact(field))
        return "it masks a protocol, a DSCP, an ICMP type or code";
    *number = (int16_t) flow_field_u(field);
    return NULL;
}

static const char *read_flags(const struct flow_field *field, bool right_protocol, struct tcp_flags *flags)
{
    if (!right_protocol)
        return "it matches TCP flags without their protocol";
    if (flow_field_mask_u(field) & ~(uint64_t) TCP_FLAGS_ALL)
        return "it matches reserved bits of the TCP header";
    *flags = (struct tcp_flags) {(uint16_t) flow_field_u(field), (uint16_t) flow_field_mask_u(field)};
    return NULL;
}

static const char *read_remote(const struct flow_field *field, uint8_t family, struct policy_rule *rule)
{
    int length = mask_length(field->mask, ip_bits(family));

    if (length < 0)
        return "its address mask is no prefix";
    rule->family = family;
    rule->remote.ip.family = family;
    rule->remote.length = (uint8_t) length;
    memcpy(rule->remote.ip.bytes, field->value, sizeof field->value);
    return NULL;
}

const char *policy_read_field(const struct policy_site *site, const struct flow_field *field, struct policy_rule *rule)
{
    if (field->id == policy_vm_field(site, rule->direction) || policy_trait_of(field->id, rule->direction) >= 0)
        return NULL;
    if (field->id == remote_field(site, rule->direction))
        return read_remote(field, site->ip.family, rule);
    switch (field->id) {
    case FIELD_ETH_TYPE:
        return flow_field_exact(field) ? NULL : "it masks eth_type";
    case FIELD_CONJ_ID: /* see add_reading() */
        return flow_field_exact(field) && flow_field_u(field) ? NULL : "it does not match a single conj_id";
    case FIELD_IP_DSCP:
        return read_number(field, &rule->dscp);
    case FIELD_TCP_FLAGS:
        return read_flags(field, rule->protocol == IP_TCP, &rule->tcp_flags);
    case FIELD_ICMPV4_CODE:
    case FIELD_ICMPV6_CODE:
        if (rule->icmp_type == POLICY_ANY)
            return "it matches an ICMP code without its type";
        return read_number(field, &rule->icmp_code);
    case FIELD_IP_PROTO:
        return read_number(field, &rule->protocol);
    case FIELD_TCP_SRC:
        return read_port(field, rule->protocol == IP_TCP, &rule->source_port);
    case FIELD_UDP_SRC:
        return read_port(field, rule->protocol == IP_UDP, &rule->source_port);
    case FIELD_TCP_DST:
        return read_port(field, rule->protocol == IP_TCP, &rule->destination_port);
    case FIELD_UDP_DST:
        return read_port(field, rule->protocol == IP_UDP, &rule->destination_port);
    case FIELD_ICMPV4_TYPE:
    case FIELD_ICMPV6_TYPE:
        if (rule->protocol != (site->ip.family == IP_V6 ? IP_ICMPV6 : IP_ICMP))
            return "it matches an ICMP type without its protocol";
        rule->family = site->ip.family;
        return read_number(field, &rule->icmp_type);
    default:
        return "it matches what a policy has no word for";
    }
}
