/* SPDX-License-Identifier: Apache-2.0 */
/* A policy read back from the flows of a switch, whoever installed them.
 *
 * First what is known of the VM besides its address (MAC, port, registers) is learned from flows that name its address
 * exactly. Then each flow of the two policy tables that the VM's packets can meet becomes a rule, or is refused by
 * name. Rules of one priority that differ only in adjacent ports, or only in the other end, are joined. What remains is
 * checked for what an ordered list cannot say: overlapping flows of one priority with different outcomes, more than one meter. */
#include "core/policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "core/pipeline.h"
#include "core/policy_outcome.h"
#include "core/policy_readings.h"
#include "core/policy_state.h"

#define ETH_TYPE_IPV4 0x0800
#define ETH_TYPE_IPV6 0x86dd

/* What a flow may match besides the address without saying anything new about the VM's packets. */
enum trait { TRAIT_PORT, TRAIT_MAC, TRAIT_REG0, TRAIT_REG1, TRAITS };

struct traits {
    const struct flow *from[TRAITS]; /* null: unknown */
    uint64_t value[TRAITS];
};

struct meter_list {
    const struct flow_meter *meters;
    size_t n;
};

struct reader {
    const struct policy_site *site;
    struct meter_list meters;
    struct traits traits;
    const struct flow *rate_flows[2]; /* of the VM in the tables of rates, by direction; null: none */
    struct readings readings;
    const struct flow *replies[2]; /* by direction: what lets replies pass; null: nothing does */
    struct err *err;
};

static int refuse(struct reader *reader, const struct flow *flow, const struct flow *other, const char *why)
{
    AUTO_FREE char *text = flow_format(flow);
    AUTO_FREE char *other_text = other ? flow_format(other) : NULL;

    return err_set(reader->err, ERR_UNSUPPORTED, "flows of %s cannot be read as a policy: %s: %s%s%s",
                   reader->site->ip.family == IP_V6 ? "an IPv6 address" : "an IPv4 address", why, text,
                   other ? " and " : "", other ? other_text : "");
}

/* Which trait of the VM a field shows in its own packets (FROM_VM) or in those to it; -1: none. */
static int trait_of(unsigned field, enum policy_direction direction)
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

static unsigned vm_field(const struct policy_site *site, enum policy_direction direction)
{
    if (site->ip.family == IP_V6)
        return direction == POLICY_FROM_VM ? FIELD_IPV6_SRC : FIELD_IPV6_DST;
    return direction == POLICY_FROM_VM ? FIELD_IPV4_SRC : FIELD_IPV4_DST;
}

static unsigned remote_field(const struct policy_site *site, enum policy_direction direction)
{
    return vm_field(site, direction == POLICY_FROM_VM ? POLICY_TO_VM : POLICY_FROM_VM);
}

static bool is_base(const struct flow *flow)
{
    return (flow->cookie & COOKIE_SCG_MASK) == COOKIE_SCG && (flow->cookie >> 40 & 0xff) == COOKIE_BASE;
}

/* Whether the addresses let packets of the VM in this direction through. '*exact' if the flow names just that one. */
static bool meets_address(const struct policy_site *site, const struct flow *flow, enum policy_direction direction,
                          bool *exact)
{
    const struct flow_field *type = match_find(&flow->match, FIELD_ETH_TYPE);
    const struct flow_field *field = match_find(&flow->match, vm_field(site, direction));

    *exact = field && flow_field_exact(field);
    if (type && flow_field_u(type) != (site->ip.family == IP_V6 ? ETH_TYPE_IPV6 : ETH_TYPE_IPV4))
        return false;
    for (unsigned i = 0; field && i < sizeof field->mask; i++) {
        if ((site->ip.bytes[i] & field->mask[i]) != field->value[i])
            return false;
    }
    return true;
}

/* Whether the table is one that a policy's flows of the direction are in. */
static bool is_of_direction(const struct policy_site *site, enum policy_direction direction, uint8_t table)
{
    return table == site->table[direction] || table == site->rate_table[direction] ||
           table == site->verdict_table[direction];
}

bool policy_flow_concerns(const struct policy_site *site, const struct flow *flow)
{
    bool exact, met = meets_address(site, flow, POLICY_FROM_VM, &exact);

    if (is_of_direction(site, POLICY_TO_VM, flow->table))
        return meets_address(site, flow, POLICY_TO_VM, &exact);
    /* What was learned says nothing of the policy, and there may be thousands of it. */
    if (flow->table == site->state_table[POLICY_FROM_VM] || flow->table == site->state_table[POLICY_TO_VM])
        return false;
    return met && (exact || is_of_direction(site, POLICY_FROM_VM, flow->table));
}

/* Learns from the policy tables, where a contradiction is an error. */
static int learn_traits(struct reader *reader, const struct flow *flow, enum policy_direction direction)
{
    struct traits *traits = &reader->traits;
    bool exact;

    if (flow->table != reader->site->table[direction] || is_base(flow) ||
        !meets_address(reader->site, flow, direction, &exact) || !exact)
        return 0;
    for (unsigned i = 0; i < flow->match.n; i++) {
        const struct flow_field *field = &flow->match.fields[i];
        int trait = trait_of(field->id, direction);

        if (trait < 0 || !flow_field_exact(field))
            continue;
        if (traits->from[trait] && traits->value[trait] != flow_field_u(field))
            return refuse(reader, traits->from[trait], flow, "they disagree about the VM's MAC, port or register");
        traits->from[trait] = flow;
        traits->value[trait] = flow_field_u(field);
    }
    return 0;
}

/* Learns what is still unknown from other tables (anti-spoofing); what they disagree about stays unknown. */
static void learn_elsewhere(struct reader *reader, const struct flow *flows, size_t n_flows)
{
    struct traits found = {0};
    bool disputed[TRAITS] = {false}, exact;

    for (size_t f = 0; f < n_flows; f++) {
        const struct flow *flow = &flows[f];

        if (flow->table == reader->site->table[POLICY_FROM_VM] || flow->table == reader->site->table[POLICY_TO_VM] ||
            !meets_address(reader->site, flow, POLICY_FROM_VM, &exact) || !exact)
            continue;
        for (unsigned i = 0; i < flow->match.n; i++) {
            const struct flow_field *field = &flow->match.fields[i];
            int trait = trait_of(field->id, POLICY_FROM_VM);

            if (trait < 0 || !flow_field_exact(field))
                continue;
            disputed[trait] |= found.from[trait] && found.value[trait] != flow_field_u(field);
            found.from[trait] = flow;
            found.value[trait] = flow_field_u(field);
        }
    }
    for (unsigned t = 0; t < TRAITS; t++) {
        if (!reader->traits.from[t] && !disputed[t]) {
            reader->traits.from[t] = found.from[t];
            reader->traits.value[t] = found.value[t];
        }
    }
}

/* 1 if the VM's traits fit the flow, 0 if the flow is for something else, or an error if that cannot be told. */
static int meets_traits(struct reader *reader, const struct flow *flow, enum policy_direction direction)
{
    const struct flow_field *unknown = NULL;

    for (unsigned i = 0; i < flow->match.n; i++) {
        const struct flow_field *field = &flow->match.fields[i];
        int trait = trait_of(field->id, direction);

        if (trait < 0)
            continue;
        if (!reader->traits.from[trait])
            unknown = field;
        else if ((reader->traits.value[trait] & flow_field_mask_u(field)) != flow_field_u(field))
            return 0;
    }
    if (unknown)
        return refuse(reader, flow, NULL, "no other flow tells whether its MAC, port or register is the VM's");
    return 1;
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

/* Null, or why a policy has no word for the field. Fields come in order, so the protocol is known before ports. */
static const char *read_field(const struct policy_site *site, const struct flow_field *field, struct policy_rule *rule)
{
    if (field->id == vm_field(site, rule->direction) || trait_of(field->id, rule->direction) >= 0)
        return NULL;
    if (field->id == remote_field(site, rule->direction))
        return read_remote(field, site->ip.family, rule);
    switch (field->id) {
    case FIELD_ETH_TYPE:
        return flow_field_exact(field) ? NULL : "it masks eth_type";
    case FIELD_IP_DSCP:
        return read_number(field, &rule->dscp);
    case FIELD_TCP_FLAGS:
        return read_flags(field, rule->protocol == 6, &rule->tcp_flags);
    case FIELD_ICMPV4_CODE:
    case FIELD_ICMPV6_CODE:
        if (rule->icmp_type == POLICY_ANY)
            return "it matches an ICMP code without its type";
        return read_number(field, &rule->icmp_code);
    case FIELD_IP_PROTO:
        return read_number(field, &rule->protocol);
    case FIELD_TCP_SRC:
        return read_port(field, rule->protocol == 6, &rule->source_port);
    case FIELD_UDP_SRC:
        return read_port(field, rule->protocol == 17, &rule->source_port);
    case FIELD_TCP_DST:
        return read_port(field, rule->protocol == 6, &rule->destination_port);
    case FIELD_UDP_DST:
        return read_port(field, rule->protocol == 17, &rule->destination_port);
    case FIELD_ICMPV4_TYPE:
    case FIELD_ICMPV6_TYPE:
        if (rule->protocol != (site->ip.family == IP_V6 ? 58 : 1))
            return "it matches an ICMP type without its protocol";
        rule->family = site->ip.family;
        return read_number(field, &rule->icmp_type);
    default:
        return "it matches what a policy has no word for";
    }
}

/* A deny rule is a flow that sends its packets nowhere; an allow rule may mark them and goes to the next table. */
static const char *read_actions(const struct policy_site *site, const struct flow *flow, struct policy_rule *rule)
{
    uint8_t next = flow->goto_table;

    if (flow->metadata_mask)
        return "it writes metadata";
    if (policy_state_is_ask(site, rule->direction, flow))
        return NULL;
    for (unsigned i = 0; i < flow->n_actions; i++) {
        const struct flow_action *action = &flow->actions[i];

        if (i == 0 && policy_state_is_learn(site, rule, action))
            rule->stateful = true;
        else if (action->type == ACTION_SET_FIELD && action->field.id == FIELD_IP_DSCP &&
                 flow_field_exact(&action->field))
            rule->set_dscp = (int16_t) flow_field_u(&action->field);
        else if (action->type == ACTION_RESUBMIT && i + 1u == flow->n_actions && next == FLOW_NO_GOTO)
            next = action->table;
        else
            return "it does something else than deny, mark with a DSCP, meter or pass on";
    }
    rule->in_class = next == site->rate_table[rule->direction];
    if (rule->in_class && (rule->set_dscp == POLICY_ANY || !flow->meter))
        return "it passes packets on as a class's without its DSCP or its meter";
    if (next != FLOW_NO_GOTO && next != site->next_table[rule->direction] && !rule->in_class)
        return "it passes packets on to another table than the next";
    rule->verdict = next == FLOW_NO_GOTO ? POLICY_DENY : POLICY_ALLOW;
    if (rule->verdict == POLICY_DENY && rule->stateful)
        return "it learns from packets that it drops";
    if (rule->verdict == POLICY_DENY)
        rule->set_dscp = POLICY_ANY;
    return NULL;
}

static int read_flow(struct reader *reader, const struct flow *flow, enum policy_direction direction)
{
    struct policy_rule rule = policy_rule_any(direction, POLICY_DENY);
    const char *why = NULL;
    bool exact;

    if (flow->table != reader->site->table[direction] || is_base(flow) ||
        !meets_address(reader->site, flow, direction, &exact))
        return 0;

    int meets = meets_traits(reader, flow, direction);
    if (meets <= 0)
        return meets;
    if (flow->has_unknown)
        why = "it has a match or an instruction that is not understood";
    else if (flow->idle_timeout || flow->hard_timeout)
        why = "it expires";
    for (unsigned i = 0; i < flow->match.n && !why; i++)
        why = read_field(reader->site, &flow->match.fields[i], &rule);
    if (!why)
        why = read_actions(reader->site, flow, &rule);
    if (why)
        return refuse(reader, flow, NULL, why);

    struct reading reading = {.rule = rule, .priority = flow->priority, .flow = flow};
    reading.meter = rule.verdict == POLICY_ALLOW ? flow->meter : 0;
    reading.asks = policy_state_is_ask(reader->site, direction, flow);
    readings_add(&reader->readings, reading);
    return 0;
}

/* In the table behind the classes' meters is one flow of the VM, with the direction's. */
static int read_rate_flow(struct reader *reader, const struct flow *flow, enum policy_direction direction)
{
    const struct policy_site *site = reader->site;
    bool exact;

    if (flow->table != site->rate_table[direction] || is_base(flow) || !meets_address(site, flow, direction, &exact))
        return 0;
    if (!exact || flow->match.n > 2 || flow->n_actions || flow->has_unknown || flow->metadata_mask ||
        flow->idle_timeout || flow->hard_timeout || flow->goto_table != site->next_table[direction])
        return refuse(reader, flow, NULL, "it does something else than meter what the VM's address has");
    if (reader->rate_flows[direction])
        return refuse(reader, reader->rate_flows[direction], flow, "there is one for the VM's address already");
    reader->rate_flows[direction] = flow;
    return 0;
}

/* Which of two flows of one priority a packet meets is undefined (OpenFlow 1.3.5 §5.3). */
static int check_overlaps(struct reader *reader)
{
    const struct readings *readings = &reader->readings;

    for (size_t i = 0; i < readings->n; i++) {
        const struct reading *a = &readings->items[i];

        for (size_t j = i + 1; j < readings->n; j++) {
            const struct reading *b = &readings->items[j];

            if (b->priority != a->priority || b->rule.direction != a->rule.direction)
                break;
            if (policy_outcome(&a->rule) != policy_outcome(&b->rule) && policy_rules_meet(&a->rule, &b->rule))
                return refuse(reader, a->flow, b->flow, "they overlap at one priority and differ in what they do");
        }
    }
    return 0;
}

/* Replies to what the one direction's stateful rules let pass have to get past what the other direction denies. */
static int check_replies(struct reader *reader, enum policy_direction direction, const struct flow *flows,
                         size_t n_flows)
{
    const struct readings *readings = &reader->readings;
    const struct flow *learns = NULL;

    for (size_t i = 0; i < readings->n; i++) {
        if (readings->items[i].rule.stateful && readings->items[i].rule.direction != direction)
            learns = readings->items[i].flow;
    }
    for (size_t i = 0; i < readings->n; i++) {
        const struct reading *reading = &readings->items[i];

        if (reading->rule.direction != direction || reading->rule.verdict == POLICY_ALLOW)
            continue;
        if (learns && !reading->asks)
            return refuse(reader, reading->flow, learns, "one denies replies that the other learns");
        if (!learns && reading->asks)
            return refuse(reader, reading->flow, NULL, "it lets replies pass, but no flow learns any");
    }
    if (!learns)
        return 0;
    reader->replies[direction] = policy_state_find_verdict(reader->site, direction, flows, n_flows);
    return reader->replies[direction] ? 0 :
                                        refuse(reader, learns, NULL, "no flow lets the replies pass that it learns");
}

static bool matches_all(const struct policy_rule *rule)
{
    return rule->protocol == POLICY_ANY && rule->remote.ip.family == IP_NONE && !rule->remotes &&
           rule->dscp == POLICY_ANY;
}

/* The rate of the flow's meter. */
static int find_rate(struct reader *reader, const struct flow *flow, struct policy_rate *rate)
{
    for (size_t i = 0; i < reader->meters.n; i++) {
        const struct flow_meter *meter = &reader->meters.meters[i];

        if (meter->id == flow->meter) {
            *rate = (struct policy_rate) {meter->rate_kbps, meter->burst_kbit};
            return 0;
        }
    }
    return refuse(reader, flow, NULL, "the switch did not show its meter");
}

/* The class of a reading: it has one rate in a direction. */
static int read_class(struct reader *reader, const struct reading *reading, struct policy *policy)
{
    struct policy_rate rate = {0};
    int at = policy_class_obtain(policy, (uint8_t) reading->rule.set_dscp);

    if (at < 0)
        return refuse(reader, reading->flow, NULL, "the VM has more classes than a policy can have");
    if (find_rate(reader, reading->flow, &rate) < 0)
        return ERR_UNSUPPORTED;

    struct policy_rate *known = &policy->classes[at].rate[reading->rule.direction];
    if (known->kbps && (known->kbps != rate.kbps || known->burst_kbit != rate.burst_kbit))
        return refuse(reader, reading->flow, NULL, "another flow gives the class of its DSCP another rate");
    *known = rate;
    return 0;
}

/* The direction's rate. 'allows' is a flow that has it, 'classed' one that has a class's first; null: there is none. */
static int read_rate(struct reader *reader, enum policy_direction direction, const struct flow *allows,
                     const struct flow *classed, bool misses_pass, struct policy *policy)
{
    const struct flow *rate_flow = classed ? reader->rate_flows[direction] : NULL;

    if (classed && allows && allows->meter != (rate_flow ? rate_flow->meter : 0))
        return refuse(reader, allows, classed, "behind the meter of the second's class is another than the first's");
    if (!allows)
        allows = rate_flow;
    if (!allows || !allows->meter)
        return 0;
    if (misses_pass)
        return refuse(reader, allows, NULL, "it has a meter, but packets that miss every flow pass without one");
    return find_rate(reader, allows, &policy->rate[direction]);
}

/* Rules, default and rate of one direction, from the readings in falling priority. */
static int build_direction(struct reader *reader, enum policy_direction direction, bool miss_allows,
                           struct policy *policy)
{
    const struct flow *allows = reader->replies[direction], *classed = NULL;
    bool covered = false;

    policy->default_verdict[direction] = miss_allows ? POLICY_ALLOW : POLICY_DENY;
    /* What stands behind a rule for all packets is never met. */
    for (size_t i = 0; i < reader->readings.n && !covered; i++) {
        const struct reading *reading = &reader->readings.items[i];

        if (reading->rule.direction != direction)
            continue;
        if (reading->rule.in_class && read_class(reader, reading, policy) < 0)
            return ERR_UNSUPPORTED;
        if (reading->rule.in_class)
            classed = reading->flow;
        else if (reading->rule.verdict == POLICY_ALLOW && allows && allows->meter != reading->flow->meter)
            return refuse(reader, allows, reading->flow, "they have different meters in one direction");
        else if (reading->rule.verdict == POLICY_ALLOW)
            allows = reading->flow;
        covered = matches_all(&reading->rule);
        if (covered)
            policy->default_verdict[direction] = reading->rule.verdict;
        if (!covered || !policy_outcome_is_plain(&reading->rule))
            policy_add_rule(policy, reading->rule);
    }
    return read_rate(reader, direction, allows, classed, !covered && miss_allows, policy);
}

static int read_flows(struct reader *reader, const struct flow *flows, size_t n_flows)
{
    for (size_t i = 0; i < n_flows; i++) {
        for (unsigned d = 0; d < 2; d++) {
            if (learn_traits(reader, &flows[i], d) < 0)
                return ERR_UNSUPPORTED;
        }
    }
    learn_elsewhere(reader, flows, n_flows);
    for (size_t i = 0; i < n_flows; i++) {
        for (unsigned d = 0; d < 2; d++) {
            if (read_flow(reader, &flows[i], d) < 0 || read_rate_flow(reader, &flows[i], d) < 0)
                return ERR_UNSUPPORTED;
        }
    }
    for (unsigned d = 0; d < 2; d++) {
        if (check_replies(reader, d, flows, n_flows) < 0)
            return ERR_UNSUPPORTED;
    }
    return 0;
}

static int build_policy(struct reader *reader, bool miss_allows, struct policy *policy)
{
    if (!reader->readings.n)
        return err_set(reader->err, ERR_NOT_FOUND, "no flow of the policy tables concerns the VM's address");
    readings_join(&reader->readings, policy);
    if (reader->readings.n > POLICY_RULES_MAX)
        return err_set(reader->err, ERR_UNSUPPORTED, "the VM's flows make %zu rules, more than the %d of a policy",
                       reader->readings.n, POLICY_RULES_MAX);
    if (check_overlaps(reader) < 0)
        return ERR_UNSUPPORTED;
    for (unsigned d = 0; d < 2; d++) {
        if (build_direction(reader, d, miss_allows, policy) < 0)
            return ERR_UNSUPPORTED;
    }
    return 0;
}

int policy_from_flows(const struct flow *flows, size_t n_flows, const struct flow_meter *meters, size_t n_meters,
                      const struct policy_site *site, bool miss_allows, const char *vm_name, struct policy *policy,
                      struct err *err)
{
    struct reader reader = {.site = site, .meters = {meters, n_meters}, .err = err};
    __attribute__((cleanup(policy_free))) struct policy read = {0};

    snprintf(read.name, sizeof read.name, "%s", vm_name);
    int status = read_flows(&reader, flows, n_flows);
    if (!status)
        status = build_policy(&reader, miss_allows, &read);
    readings_free(&reader.readings);
    if (status < 0) {
        err_prefix(err, "policy %s", read.name);
        return status;
    }
    *policy = read;
    read = (struct policy) {0};
    return 0;
}
