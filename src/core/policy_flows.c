/* SPDX-License-Identifier: Apache-2.0 */
/* A policy to the flows of a ToR's policy tables. */
#include "core/policy.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "core/pipeline.h"
#include "core/policy_field.h"
#include "core/policy_reject.h"
#include "core/policy_passing.h"
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

/* What a rule lets one field be: one of these. An empty mask is any value. */
struct choice {
    struct flow_field *fields;
    size_t n;
};

enum { CHOICE_REMOTE, CHOICE_SOURCE, CHOICE_DESTINATION, CHOICES };

static void add_to_choice(struct choice *choice, enum flow_field_id field, const struct flow_match *match)
{
    const struct flow_field *found = match_find(match, field);

    choice->fields[choice->n++] = found ? *found : (struct flow_field) {.id = (uint8_t) field};
}

static struct choice choice_of_remotes(const struct policy_site *site, const struct policy_rule *rule)
{
    bool from_vm = rule->direction == POLICY_FROM_VM;
    enum flow_field_id v4 = from_vm ? FIELD_IPV4_DST : FIELD_IPV4_SRC, v6 = from_vm ? FIELD_IPV6_DST : FIELD_IPV6_SRC;
    AUTO_FREE struct prefix *cover = NULL;
    const struct prefix *prefixes = &rule->remote;
    size_t n = 1;

    if (rule->remotes) {
        n = address_set_cover(rule->remotes, site->ip.family, &cover);
        prefixes = cover;
    }
    struct choice choice = {.fields = xcalloc(n + 1, sizeof *choice.fields)};
    for (size_t i = 0; i < n; i++) {
        struct flow_match match = {0};

        if (prefixes[i].ip.family != IP_NONE)
            match_prefix(&match, v4, v6, &prefixes[i]);
        add_to_choice(&choice, site->ip.family == IP_V6 ? v6 : v4, &match);
    }
    return choice;
}

static struct choice choice_of_ports(enum flow_field_id field, const struct port_range *range)
{
    struct port_mask masks[PORT_MASKS_MAX];
    unsigned n = port_masks(range, masks);
    struct choice choice = {.fields = xcalloc(n, sizeof *choice.fields)};

    for (unsigned i = 0; i < n; i++) {
        struct flow_match match = {0};

        match_u_masked(&match, field, masks[i].value, masks[i].mask);
        add_to_choice(&choice, field, &match);
    }
    return choice;
}

static void choices_of(const struct policy_site *site, const struct policy_rule *rule, struct choice choices[CHOICES])
{
    bool tcp = rule->protocol == IP_TCP;

    choices[CHOICE_REMOTE] = choice_of_remotes(site, rule);
    choices[CHOICE_SOURCE] = choice_of_ports(tcp ? FIELD_TCP_SRC : FIELD_UDP_SRC, &rule->source_port);
    choices[CHOICE_DESTINATION] = choice_of_ports(tcp ? FIELD_TCP_DST : FIELD_UDP_DST, &rule->destination_port);
}

static void choices_free(struct choice choices[CHOICES])
{
    for (unsigned c = 0; c < CHOICES; c++)
        free(choices[c].fields);
}

static void choose(struct flow_match *match, const struct flow_field *field)
{
    match_bytes(match, field->id, field->value, field->mask);
}

/* How many flows it takes: as a product, and as a conjunction. */
static size_t product_of(const struct choice choices[CHOICES])
{
    return choices[CHOICE_REMOTE].n * choices[CHOICE_SOURCE].n * choices[CHOICE_DESTINATION].n;
}

static size_t sum_of(const struct choice choices[CHOICES])
{
    size_t sum = 1;

    for (unsigned c = 0; c < CHOICES; c++)
        sum += choices[c].n > 1 ? choices[c].n : 0;
    return sum;
}

/* Whose flows go where, in which directions what is denied may be a reply, and with more than how many flows a rule
 * becomes a conjunction, if that takes fewer. */
struct writer {
    const struct policy *policy;
    const struct policy_site *site;
    bool asks[2];
    size_t product_max;
    struct flow_txn *txn;
};

/* What an allow rule does with its packets. */
static void add_outcome(const struct writer *writer, const struct policy_rule *rule, struct flow *flow)
{
    const struct policy_site *site = writer->site;
    unsigned d = rule->direction;
    int class = rule->in_class ? policy_class_find(writer->policy, rule->set_dscp) : -1;
    uint32_t class_meter = 0;

    if (rule->stateful)
        policy_state_teach(site, d, flow);
    if (rule->set_dscp != POLICY_ANY)
        flow_set_u(flow, FIELD_IP_DSCP, (uint64_t) rule->set_dscp);
    if (class >= 0)
        class_meter = site->numbers.class_meters[d][class];
    if (class >= 0 && site->numbers.class_queues[d][class])
        flow_add_action(flow, ACTION_SET_QUEUE)->queue = site->numbers.class_queues[d][class];
    policy_pass(site, d, class_meter, flow);
}

static void add_flow(const struct writer *writer, const struct policy_rule *rule, uint16_t priority,
                     const struct flow_match *match)
{
    const struct policy_site *site = writer->site;
    struct flow flow = flow_make(site->table[rule->direction], priority, site->cookie);

    flow.match = *match;
    if (rule->verdict == POLICY_ALLOW)
        add_outcome(writer, rule, &flow);
    if (rule->verdict == POLICY_REJECT)
        policy_reject_mark(site, rule->direction, &flow);
    if (rule->verdict != POLICY_ALLOW && writer->asks[rule->direction])
        policy_state_ask(site, rule->direction, &flow);
    flow_txn_add(writer->txn, flow);
}

/* What all flows of the rule match. */
static struct flow_match match_common(const struct policy_site *site, const struct policy_rule *rule)
{
    struct flow_match match = {0};
    bool v6 = rule->family == IP_V6;

    policy_match_vm(&match, site, rule->direction);
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

/* A flow for each combination. */
static void add_product(const struct writer *writer, const struct policy_rule *rule, uint16_t priority,
                        const struct choice choices[CHOICES])
{
    struct flow_match match = match_common(writer->site, rule);

    for (size_t r = 0; r < choices[CHOICE_REMOTE].n; r++) {
        choose(&match, &choices[CHOICE_REMOTE].fields[r]);
        for (size_t s = 0; s < choices[CHOICE_SOURCE].n; s++) {
            choose(&match, &choices[CHOICE_SOURCE].fields[s]);
            for (size_t t = 0; t < choices[CHOICE_DESTINATION].n; t++) {
                choose(&match, &choices[CHOICE_DESTINATION].fields[t]);
                add_flow(writer, rule, priority, &match);
            }
        }
    }
}

/* A flow for each value of each choice, and one for what meets all choices. The VM's address is in every flow, so VMs
 * do not meet each other's, whatever their ids. */
static void add_conjunction(const struct writer *writer, const struct policy_rule *rule, uint16_t priority, uint32_t id,
                            const struct choice choices[CHOICES])
{
    const struct policy_site *site = writer->site;
    struct flow_conjunction of = {.id = id};
    struct flow_match match = match_common(site, rule);

    for (unsigned c = 0; c < CHOICES; c++) {
        if (choices[c].n == 1)
            choose(&match, &choices[c].fields[0]);
        else
            of.n_clauses++;
    }
    for (unsigned c = 0; c < CHOICES; c++) {
        of.clause = (uint8_t) (of.clause + (choices[c].n > 1));
        for (size_t i = 0; i < choices[c].n && choices[c].n > 1; i++) {
            struct flow flow = flow_make(site->table[rule->direction], priority, site->cookie);

            flow.match = match;
            choose(&flow.match, &choices[c].fields[i]);
            flow_add_action(&flow, ACTION_CONJUNCTION)->conjunction = of;
            flow_txn_add(writer->txn, flow);
        }
    }
    match_u(&match, FIELD_CONJ_ID, id);
    add_flow(writer, rule, priority, &match);
}

static void add_part(const struct writer *writer, const struct policy_rule *rule, uint16_t priority, uint32_t id)
{
    struct choice choices[CHOICES];

    choices_of(writer->site, rule, choices);
    if (product_of(choices) <= writer->product_max || product_of(choices) <= sum_of(choices))
        add_product(writer, rule, priority, choices);
    else
        add_conjunction(writer, rule, priority, id, choices);
    choices_free(choices);
}

static bool concerns(const struct policy_rule *rule, const struct policy_site *site)
{
    return rule->family == IP_NONE || rule->family == site->ip.family;
}

static void add_rule(const struct writer *writer, const struct policy_rule *rule, uint16_t priority)
{
    struct policy_rule parts[POLICY_PARTS_MAX];
    unsigned n = policy_rule_parts(rule, parts);

    for (unsigned i = 0; i < n; i++) {
        if (concerns(&parts[i], writer->site))
            add_part(writer, &parts[i], priority, (uint32_t) (writer->site->cookie << 18) | i << 16 | priority);
    }
}

/* A conjunction has fewer flows, but makes the switch look at more of each packet: its caches get more entries, and
 * packets miss them more often (ARCHITECTURE.md has figures). So rules stay products up to PRODUCT_MAX flows, as long
 * as the policy has not more than FLOWS_GOAL in all. Decided by the policy alone: it has the same flows anywhere. */
#define PRODUCT_MAX 256
#define FLOWS_GOAL 4096

static size_t product_max_of(const struct policy *policy, const struct policy_site *site)
{
    AUTO_FREE size_t *products = xcalloc(policy->n_rules * POLICY_PARTS_MAX + 1, sizeof *products);
    AUTO_FREE size_t *sums = xcalloc(policy->n_rules * POLICY_PARTS_MAX + 1, sizeof *sums);
    size_t max = PRODUCT_MAX, n = 0;

    for (size_t i = 0; i < policy->n_rules; i++) {
        struct policy_rule parts[POLICY_PARTS_MAX];

        for (unsigned p = policy_rule_parts(&policy->rules[i], parts); p-- > 0;) {
            struct choice choices[CHOICES];

            if (!concerns(&parts[p], site))
                continue;
            choices_of(site, &parts[p], choices);
            products[n] = product_of(choices);
            sums[n++] = sum_of(choices);
            choices_free(choices);
        }
    }
    for (; max > 1; max /= 4) {
        size_t total = 0;

        for (size_t i = 0; i < n; i++)
            total += products[i] <= max || products[i] <= sums[i] ? products[i] : sums[i];
        if (total <= FLOWS_GOAL)
            break;
    }
    return max;
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

    writer.product_max = product_max_of(policy, site);
    for (unsigned d = 0; d < 2; d++)
        writer.asks[d] = policy_awaits_replies(policy, d, site->ip.family);
    for (size_t i = 0; i < policy->n_rules; i++)
        add_rule(&writer, &policy->rules[i], (uint16_t) (POLICY_PRIORITY_FIRST - i));
    for (unsigned d = 0; d < 2; d++) {
        struct policy_rule rest = policy_rule_any(d, policy->default_verdict[d]);

        add_rule(&writer, &rest, POLICY_PRIORITY_DEFAULT);
        if (writer.asks[d]) {
            flow_txn_add(txn, policy_state_verdict(site, d));
            policy_state_teachers(site, d == POLICY_FROM_VM ? POLICY_TO_VM : POLICY_FROM_VM, txn);
        }
        if (policy_rejects(policy, d, site->ip.family))
            flow_txn_add(txn, policy_reject_verdict(site, d));
        policy_passing_add(site, d, has_class_meter(policy, site, d), txn);
    }
}
