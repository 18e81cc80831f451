/* SPDX-License-Identifier: Apache-2.0 */
/* A policy to the flows of a ToR's policy tables. */
#include "core/policy.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "core/pipeline.h"
#include "core/policy_state.h"

/* The fewest aligned blocks that cover a range of 16-bit numbers: at most two for each bit but the first. */
#define PORT_MASKS_MAX 30

struct port_mask {
    uint16_t value, mask;
};

static unsigned port_masks(const struct port_range *range, struct port_mask masks[PORT_MASKS_MAX])
{
    unsigned n = 0;

    for (uint32_t first = range->first; first <= range->last;) {
        uint32_t size = 1;

        while (first % (size * 2) == 0 && first + size * 2 - 1 <= range->last && size < 0x10000)
            size *= 2;
        masks[n++] = (struct port_mask) {(uint16_t) first, (uint16_t) ~(size - 1)};
        first += size;
    }
    return n;
}

static void match_vm(struct flow_match *match, const struct policy_site *site, enum policy_direction direction)
{
    bool from_vm = direction == POLICY_FROM_VM;
    struct prefix vm = prefix_of(&site->ip, (uint8_t) ip_bits(site->ip.family));

    match_prefix(match, from_vm ? FIELD_IPV4_SRC : FIELD_IPV4_DST, from_vm ? FIELD_IPV6_SRC : FIELD_IPV6_DST, &vm);
}

/* Nothing for a prefix of no family. */
static void match_remote(struct flow_match *match, enum policy_direction direction, const struct prefix *remote)
{
    bool from_vm = direction == POLICY_FROM_VM;

    if (remote->ip.family != IP_NONE)
        match_prefix(match, from_vm ? FIELD_IPV4_DST : FIELD_IPV4_SRC, from_vm ? FIELD_IPV6_DST : FIELD_IPV6_SRC,
                     remote);
}

/* Prefixes of the other end. The caller frees '*remotes'. */
static size_t remotes_of(const struct policy_site *site, const struct policy_rule *rule, struct prefix **remotes)
{
    if (rule->remotes)
        return address_set_cover(rule->remotes, site->ip.family, remotes);
    *remotes = xmemdup(&rule->remote, sizeof rule->remote);
    return 1;
}

/* Whose flows go where, and in which directions what is denied may be a reply. */
struct writer {
    const struct policy *policy;
    const struct policy_site *site;
    bool asks[2];
    struct flow_txn *txn;
};

/* What an allow rule does with its packets. */
static void add_outcome(const struct writer *writer, const struct policy_rule *rule, struct flow *flow)
{
    const struct policy_site *site = writer->site;
    unsigned d = rule->direction;
    uint32_t class_meter = 0;

    if (rule->stateful)
        policy_state_learn(site, rule, flow);
    if (rule->set_dscp != POLICY_ANY)
        flow_set_u(flow, FIELD_IP_DSCP, (uint64_t) rule->set_dscp);
    if (rule->in_class)
        class_meter = site->numbers.class_meters[d][policy_class_find(writer->policy, rule->set_dscp)];
    flow->meter = class_meter ? class_meter : site->numbers.meters[d];
    flow->goto_table = class_meter ? site->rate_table[d] : site->next_table[d];
}

static void add_flow(const struct writer *writer, const struct policy_rule *rule, uint16_t priority,
                     const struct flow_match *match)
{
    const struct policy_site *site = writer->site;
    struct flow flow = flow_make(site->table[rule->direction], priority, site->cookie);

    flow.match = *match;
    if (rule->verdict == POLICY_ALLOW)
        add_outcome(writer, rule, &flow);
    else if (writer->asks[rule->direction])
        policy_state_ask(site, rule->direction, &flow);
    flow_txn_add(writer->txn, flow);
}

/* What all flows of the rule match. */
static struct flow_match match_common(const struct policy_site *site, const struct policy_rule *rule)
{
    struct flow_match match = {0};
    bool v6 = rule->family == IP_V6;

    match_vm(&match, site, rule->direction);
    if (rule->protocol != POLICY_ANY)
        match_u(&match, FIELD_IP_PROTO, (uint64_t) rule->protocol);
    if (rule->icmp_type != POLICY_ANY)
        match_u(&match, v6 ? FIELD_ICMPV6_TYPE : FIELD_ICMPV4_TYPE, (uint64_t) rule->icmp_type);
    if (rule->icmp_code != POLICY_ANY)
        match_u(&match, v6 ? FIELD_ICMPV6_CODE : FIELD_ICMPV4_CODE, (uint64_t) rule->icmp_code);
    if (rule->dscp != POLICY_ANY)
        match_u(&match, FIELD_IP_DSCP, (uint64_t) rule->dscp);
    match_u_masked(&match, FIELD_TCP_FLAGS, rule->tcp_flags.value, rule->tcp_flags.mask);
    return match;
}

static void add_ports(const struct writer *writer, const struct policy_rule *rule, uint16_t priority,
                      struct flow_match *match)
{
    bool tcp = rule->protocol == 6;
    struct port_mask sources[PORT_MASKS_MAX], destinations[PORT_MASKS_MAX];
    unsigned n_sources = port_masks(&rule->source_port, sources);
    unsigned n_destinations = port_masks(&rule->destination_port, destinations);

    if (!tcp && rule->protocol != 17) {
        add_flow(writer, rule, priority, match);
        return;
    }
    for (unsigned s = 0; s < n_sources; s++) {
        match_u_masked(match, tcp ? FIELD_TCP_SRC : FIELD_UDP_SRC, sources[s].value, sources[s].mask);
        for (unsigned t = 0; t < n_destinations; t++) {
            match_u_masked(match, tcp ? FIELD_TCP_DST : FIELD_UDP_DST, destinations[t].value, destinations[t].mask);
            add_flow(writer, rule, priority, match);
        }
    }
}

static void add_part(const struct writer *writer, const struct policy_rule *rule, uint16_t priority)
{
    AUTO_FREE struct prefix *remotes = NULL;
    size_t n_remotes = remotes_of(writer->site, rule, &remotes);

    for (size_t i = 0; i < n_remotes; i++) {
        struct flow_match match = match_common(writer->site, rule);

        match_remote(&match, rule->direction, &remotes[i]);
        add_ports(writer, rule, priority, &match);
    }
}

static void add_rule(const struct writer *writer, const struct policy_rule *rule, uint16_t priority)
{
    struct policy_rule parts[POLICY_PARTS_MAX];
    unsigned n = policy_rule_parts(rule, parts);

    for (unsigned i = 0; i < n; i++) {
        if (parts[i].family == IP_NONE || parts[i].family == writer->site->ip.family)
            add_part(writer, &parts[i], priority);
    }
}

/* The direction's meter for what has been through that of a class. */
static void add_rate(const struct policy_site *site, enum policy_direction direction, struct flow_txn *txn)
{
    struct flow flow = flow_make(site->rate_table[direction], POLICY_PRIORITY_DEFAULT, site->cookie);

    match_vm(&flow.match, site, direction);
    flow.meter = site->numbers.meters[direction];
    flow.goto_table = site->next_table[direction];
    flow_txn_add(txn, flow);
}

static bool has_class_meter(const struct policy *policy, const struct policy_site *site,
                            enum policy_direction direction)
{
    for (unsigned i = 0; i < policy->n_classes; i++) {
        if (site->numbers.class_meters[direction][i])
            return true;
    }
    return false;
}

void policy_to_flows(const struct policy *policy, const struct policy_site *site, struct flow_txn *txn)
{
    struct writer writer = {.policy = policy, .site = site, .txn = txn};

    for (unsigned d = 0; d < 2; d++)
        writer.asks[d] = policy_awaits_replies(policy, d, site->ip.family);
    for (size_t i = 0; i < policy->n_rules; i++)
        add_rule(&writer, &policy->rules[i], (uint16_t) (POLICY_PRIORITY_FIRST - i));
    for (unsigned d = 0; d < 2; d++) {
        struct policy_rule rest = policy_rule_any(d, policy->default_verdict[d]);

        add_rule(&writer, &rest, POLICY_PRIORITY_DEFAULT);
        if (writer.asks[d])
            flow_txn_add(txn, policy_state_verdict(site, d));
        if (site->numbers.meters[d] && has_class_meter(policy, site, d))
            add_rate(site, d, txn);
    }
}
