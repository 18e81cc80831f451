/* SPDX-License-Identifier: Apache-2.0 */
/* A policy read back from the flows of a switch, whoever installed them.
 *
 * First what is known of the VM besides its address (MAC, port, registers) is learned from flows that name its address
 * exactly. Then each flow of the two policy tables that the VM's packets can meet becomes a rule, or is refused by
 * name; flows of a conjunctive match become the rules that they stand for. Rules of one priority that differ only in
 * adjacent ports, or only in the other end, are joined. What remains is checked for what an ordered list cannot say:
 * overlapping flows of one priority with different outcomes, more than one meter or limit. */
#include "core/policy.h"

#include <stdio.h>

#include "core/pipeline.h"
#include "core/policy_outcome.h"
#include "core/policy_passing.h"
#include "core/policy_reader.h"
#include "core/policy_reject.h"
#include "core/policy_state.h"

#define ETH_TYPE_IPV4 0x0800
#define ETH_TYPE_IPV6 0x86dd
#define OVERLAPS_MAX (1u << 24) /* pairs of remotes that are compared: what somebody's flows can make us do */

/* There for all VMs, or for probe packets. */
static bool is_nobodys(const struct flow *flow)
{
    uint64_t kind = flow->cookie & COOKIE_KIND_MASK;

    return kind == cookie_make(COOKIE_BASE, 0) || kind == cookie_make(COOKIE_PROBE, 0);
}

/* Whether the addresses let packets of the VM in this direction through. '*exact' if the flow names just that one. */
static bool meets_address(const struct policy_site *site, const struct flow *flow, enum policy_direction direction,
                          bool *exact)
{
    const struct flow_field *type = match_find(&flow->match, FIELD_ETH_TYPE);
    const struct flow_field *field = match_find(&flow->match, policy_vm_field(site, direction));

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
    return table == site->table[direction] || table == site->verdict_table[direction] ||
           table == site->limit_table[direction] || table == site->rate_table[direction];
}

bool policy_flow_concerns(const struct policy_site *site, const struct flow *flow)
{
    bool exact, met = meets_address(site, flow, POLICY_FROM_VM, &exact);

    if (policy_ethertype_concerns(site, flow, POLICY_FROM_VM) || policy_ethertype_concerns(site, flow, POLICY_TO_VM))
        return true;
    for (unsigned d = 0; d < 2; d++) {
        /* What was learned says nothing of the policy, and there may be thousands of it. */
        if (flow->table == site->state_table[d])
            return policy_state_is_teacher(flow) && meets_address(site, flow, d, &exact);
    }
    if (is_of_direction(site, POLICY_TO_VM, flow->table))
        return meets_address(site, flow, POLICY_TO_VM, &exact);
    return met && (exact || is_of_direction(site, POLICY_FROM_VM, flow->table));
}

/* Learns from the policy tables, where a contradiction is an error. */
static int learn_traits(struct reader *reader, const struct flow *flow, enum policy_direction direction)
{
    struct traits *traits = &reader->traits;
    bool exact;

    if (flow->table != reader->site->table[direction] || is_nobodys(flow) ||
        !meets_address(reader->site, flow, direction, &exact) || !exact)
        return 0;
    for (unsigned i = 0; i < flow->match.n; i++) {
        const struct flow_field *field = &flow->match.fields[i];
        int trait = policy_trait_of(field->id, direction);

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
            int trait = policy_trait_of(field->id, POLICY_FROM_VM);

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
        int trait = policy_trait_of(field->id, direction);

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

/* A deny rule is a flow that sends its packets nowhere, a reject rule marks them for the verdict table; an allow rule
 * may mark them with a DSCP and goes to the next table. */
static const char *read_actions(const struct policy_site *site, const struct flow *flow, struct policy_rule *rule)
{
    unsigned teaching = policy_state_teaching(site, rule->direction, flow);
    uint8_t next = flow->goto_table;

    if (flow->metadata_mask)
        return "it writes metadata";
    if (policy_reject_is(site, rule->direction, flow)) {
        rule->verdict = POLICY_REJECT;
        return NULL;
    }
    if (policy_state_is_ask(site, rule->direction, flow))
        return NULL;
    rule->stateful = teaching > 0;
    if (rule->stateful && !policy_state_has_replies(rule))
        return "it awaits replies to packets that have none";
    for (unsigned i = teaching; i < flow->n_actions; i++) {
        const struct flow_action *action = &flow->actions[i];

        if (action->type == ACTION_SET_FIELD && action->field.id == FIELD_IP_DSCP && flow_field_exact(&action->field))
            rule->set_dscp = (int16_t) flow_field_u(&action->field);
        else if (action->type == ACTION_SET_QUEUE)
            rule->in_class = action->queue != 0;
        else if (action->type == ACTION_RESUBMIT && i + 1u == flow->n_actions && next == FLOW_NO_GOTO)
            next = action->table;
        else
            return "it does something else than deny, reject, mark with a DSCP, meter, queue or pass on";
    }
    bool behind = policy_is_behind(site, rule->direction, flow);
    if (next == site->rate_table[rule->direction] && !flow->meter)
        return "it passes packets on as a class's without its meter";
    rule->in_class |= behind && flow->meter;
    if (rule->in_class && next != FLOW_NO_GOTO && rule->set_dscp == POLICY_ANY)
        return "it passes packets on as a class's without its DSCP";
    if (next != FLOW_NO_GOTO && next != site->next_table[rule->direction] && !behind)
        return "it passes packets on to another table than the next";
    rule->verdict = next == FLOW_NO_GOTO ? POLICY_DENY : POLICY_ALLOW;
    if (rule->verdict == POLICY_DENY && rule->stateful)
        return "it awaits replies to packets that it drops";
    if (rule->verdict == POLICY_DENY) {
        rule->set_dscp = POLICY_ANY;
        rule->in_class = false;
    }
    return NULL;
}

static bool is_clause(const struct flow *flow)
{
    return flow->n_actions && flow->actions[0].type == ACTION_CONJUNCTION;
}

static const char *check_clause(const struct flow *flow)
{
    for (unsigned i = 0; i < flow->n_actions; i++) {
        if (flow->actions[i].type != ACTION_CONJUNCTION)
            return "it is a clause of a conjunction, and does something else";
    }
    if (flow->meter || flow->metadata_mask || flow->goto_table != FLOW_NO_GOTO)
        return "it is a clause of a conjunction, and does something else";
    return match_find(&flow->match, FIELD_CONJ_ID) ? "it is a clause of a conjunction behind another" : NULL;
}

static uint32_t queue_of(const struct flow *flow)
{
    uint32_t queue = 0;

    for (unsigned i = 0; i < flow->n_actions; i++) {
        if (flow->actions[i].type == ACTION_SET_QUEUE)
            queue = flow->actions[i].queue;
    }
    return queue;
}

/* A flow is a rule by itself, a clause of one or more conjunctions, or what a conjunction leads to. */
static int add_reading(struct reader *reader, const struct flow *flow, const struct policy_rule *rule)
{
    struct reading reading = {.rule = *rule, .priority = flow->priority, .flow = flow};
    uint64_t id;

    reading.meter = rule->verdict == POLICY_ALLOW ? flow->meter : 0;
    reading.asks = policy_state_is_ask(reader->site, (enum policy_direction) rule->direction, flow);
    reading.has_meter = reading.meter && policy_is_behind(reader->site, rule->direction, flow);
    reading.limited = rule->verdict == POLICY_ALLOW && policy_is_limited(reader->site, rule->direction, flow);
    reading.queue = rule->in_class ? queue_of(flow) : 0;
    if (is_clause(flow)) {
        for (unsigned i = 0; i < flow->n_actions; i++) {
            if (!conjunctions_add_clause(&reader->conjunctions, flow->actions[i].conjunction, reading))
                return refuse(reader, flow, NULL, "with it there are more clauses of conjunctions than can be read");
        }
    } else if (match_get_u(&flow->match, FIELD_CONJ_ID, &id)) {
        conjunctions_add_joint(&reader->conjunctions, (uint32_t) id, reading);
    } else {
        readings_add(&reader->readings, reading);
    }
    return 0;
}

static int read_flow(struct reader *reader, const struct flow *flow, enum policy_direction direction)
{
    struct policy_rule rule = policy_rule_any(direction, POLICY_DENY);
    const char *why = NULL;
    bool exact;

    if (flow->table != reader->site->table[direction] || is_nobodys(flow) ||
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
        why = policy_read_field(reader->site, &flow->match.fields[i], &rule);
    if (!why)
        why = is_clause(flow) ? check_clause(flow) : read_actions(reader->site, flow, &rule);
    if (why)
        return refuse(reader, flow, NULL, why);
    return add_reading(reader, flow, &rule);
}

/* In each of the tables behind the rules is one flow of the VM. */
static int read_behind(struct reader *reader, const struct flow *flow, enum policy_direction direction)
{
    const struct policy_site *site = reader->site;
    bool exact, of_limit = flow->table == site->limit_table[direction];
    const struct flow **place = of_limit ? &reader->limit_flows[direction] : &reader->rate_flows[direction];

    if ((!of_limit && flow->table != site->rate_table[direction]) || is_nobodys(flow) ||
        !meets_address(site, flow, direction, &exact))
        return 0;
    if (of_limit && !policy_is_limit(site, direction, flow))
        return refuse(reader, flow, NULL, "it does something else than limit the VM's address's new connections");
    if (!of_limit && !policy_is_rate(site, direction, flow))
        return refuse(reader, flow, NULL, "it does something else than meter what the VM's address has");
    if (*place)
        return refuse(reader, *place, flow, "there is one for the VM's address already");
    *place = flow;
    return 0;
}

/* In the verdict table are only our two flows of the VM. */
static int check_verdicts(struct reader *reader, enum policy_direction direction, const struct flow *flows,
                          size_t n_flows)
{
    const struct policy_site *site = reader->site;
    bool exact;

    for (size_t i = 0; i < n_flows; i++) {
        const struct flow *flow = &flows[i];

        if (flow->table == site->verdict_table[direction] && !is_nobodys(flow) &&
            meets_address(site, flow, direction, &exact) && !policy_state_find_verdict(site, direction, flow, 1) &&
            !policy_reject_has_verdict(site, direction, flow, 1))
            return refuse(reader, flow, NULL,
                          "it does something else than let replies pass or hand over what is rejected");
    }
    return 0;
}

static size_t n_remotes(const struct reading *reading)
{
    return reading->rule.remotes ? reading->rule.remotes->n : 1;
}

static bool matches_all(const struct policy_rule *rule)
{
    return rule->protocol == POLICY_ANY && rule->remote.ip.family == IP_NONE && !rule->remotes &&
           rule->dscp == POLICY_ANY && !rule->stateful;
}

/* What a policy has at most, beside its defaults: the flow is named with which it would have more. */
static int check_size(struct reader *reader)
{
    const struct readings *readings = &reader->readings;
    size_t rules = 0, remotes = 0;

    for (size_t i = 0; i < readings->n; i++) {
        const struct reading *reading = &readings->items[i];

        rules += !matches_all(&reading->rule) || !policy_outcome_is_plain(&reading->rule);
        remotes += n_remotes(reading);
        if (rules > POLICY_RULES_MAX)
            return refuse(reader, reading->flow, NULL, "with it they make more rules than a policy has");
        if (remotes > POLICY_REMOTES_MAX)
            return refuse(reader, reading->flow, NULL, "with it they name more addresses than a policy has");
    }
    return 0;
}

/* Which of two flows of one priority a packet meets is undefined (OpenFlow 1.3.5 §5.3). */
static int check_overlaps(struct reader *reader)
{
    const struct readings *readings = &reader->readings;
    uint64_t work = 0;

    for (size_t i = 0; i < readings->n; i++) {
        const struct reading *a = &readings->items[i];

        for (size_t j = i + 1; j < readings->n; j++) {
            const struct reading *b = &readings->items[j];

            if (b->priority != a->priority || b->rule.direction != a->rule.direction)
                break;
            if (policy_outcome(&a->rule) == policy_outcome(&b->rule))
                continue;
            work += (uint64_t) n_remotes(a) * n_remotes(b);
            if (work > OVERLAPS_MAX)
                return refuse(reader, a->flow, b->flow,
                              "there are too many of one priority to tell whether they overlap and differ");
            if (policy_rules_meet(&a->rule, &b->rule))
                return refuse(reader, a->flow, b->flow, "they overlap at one priority and differ in what they do");
        }
    }
    return 0;
}

/* Replies to what the one direction's stateful rules let pass have to be learned of, and to get past what the other
 * direction denies. */
static int check_replies(struct reader *reader, enum policy_direction direction, const struct flow *flows,
                         size_t n_flows)
{
    const struct readings *readings = &reader->readings;
    const struct flow *awaits = NULL;

    for (size_t i = 0; i < readings->n; i++) {
        if (readings->items[i].rule.stateful && readings->items[i].rule.direction != direction)
            awaits = readings->items[i].flow;
    }
    for (size_t i = 0; i < readings->n; i++) {
        const struct reading *reading = &readings->items[i];

        if (reading->rule.direction != direction || reading->rule.verdict == POLICY_ALLOW)
            continue;
        if (awaits && !reading->asks)
            return refuse(reader, reading->flow, awaits, "one denies replies that the other awaits");
        if (!awaits && reading->asks)
            return refuse(reader, reading->flow, NULL, "it lets replies pass, but no flow awaits any");
    }
    if (!awaits)
        return 0;
    if (!policy_state_has_teachers(reader->site, !direction, flows, n_flows))
        return refuse(reader, awaits, NULL, "no flow learns of the replies that it awaits, or another than shall");
    reader->replies[direction] = policy_state_find_verdict(reader->site, direction, flows, n_flows);
    return reader->replies[direction] ? 0 :
                                        refuse(reader, awaits, NULL, "no flow lets the replies pass that it awaits");
}

/* Rules, default, rate and limit of one direction, from the readings in falling priority. */
static int build_direction(struct reader *reader, enum policy_direction direction, bool miss_allows,
                           struct policy *policy)
{
    struct passing common = {0};
    bool covered = false;

    policy->default_verdict[direction] = miss_allows ? POLICY_ALLOW : POLICY_DENY;
    if (reader->replies[direction])
        passing_join(reader, direction, (struct passing) {.flow = reader->replies[direction]}, &common);
    /* What stands behind a rule for all packets is never met. */
    for (size_t i = 0; i < reader->readings.n && !covered; i++) {
        const struct reading *reading = &reader->readings.items[i];

        if (reading->rule.direction != direction)
            continue;
        if (reading->rule.in_class && class_read(reader, reading, policy) < 0)
            return ERR_UNSUPPORTED;
        if (reading->rule.verdict == POLICY_ALLOW &&
            passing_join(reader, direction, (struct passing) {.flow = reading->flow, .classed = reading->has_meter},
                         &common) < 0)
            return ERR_UNSUPPORTED;
        covered = matches_all(&reading->rule);
        if (covered)
            policy->default_verdict[direction] = reading->rule.verdict;
        if (!covered || !policy_outcome_is_plain(&reading->rule))
            policy_add_rule(policy, reading->rule);
    }
    return passing_read(reader, direction, &common, !covered && miss_allows, policy);
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
            if (read_flow(reader, &flows[i], d) < 0 || read_behind(reader, &flows[i], d) < 0)
                return ERR_UNSUPPORTED;
        }
    }

    const struct flow *flow;
    const char *why = conjunctions_read(&reader->conjunctions, &reader->readings, &flow);
    if (why)
        return refuse(reader, flow, NULL, why);
    for (unsigned d = 0; d < 2; d++) {
        if (check_replies(reader, d, flows, n_flows) < 0)
            return ERR_UNSUPPORTED;
        flow = policy_reject_untold(reader->site, d, &reader->readings, flows, n_flows);
        if (flow)
            return refuse(reader, flow, NULL, "no flow hands to the gateway what it rejects");
        if (check_verdicts(reader, d, flows, n_flows) < 0)
            return ERR_UNSUPPORTED;
    }
    return 0;
}

static int build_policy(struct reader *reader, bool miss_allows, struct policy *policy)
{
    if (!reader->readings.n)
        return err_set(reader->err, ERR_NOT_FOUND, "no flow of the policy tables concerns the VM's address");
    readings_join(&reader->readings, policy);
    if (check_size(reader) < 0 || check_overlaps(reader) < 0)
        return ERR_UNSUPPORTED;
    for (unsigned d = 0; d < 2; d++) {
        if (build_direction(reader, d, miss_allows, policy) < 0)
            return ERR_UNSUPPORTED;
    }
    return 0;
}

int policy_read(const struct flow *flows, size_t n_flows, const struct flow_meter *meters, size_t n_meters,
                const struct policy_site *site, bool miss_allows, const char *vm_name, struct policy *policy,
                struct policy_uses *uses, struct err *err)
{
    struct reader reader = {.site = site, .meters = {meters, n_meters}, .err = err};
    __attribute__((cleanup(policy_free))) struct policy read = {0};

    snprintf(read.name, sizeof read.name, "%s", vm_name);
    int status = read_flows(&reader, flows, n_flows);
    if (!status)
        status = build_policy(&reader, miss_allows, &read);
    readings_free(&reader.readings);
    conjunctions_free(&reader.conjunctions);
    if (status < 0) {
        err_prefix(err, "policy %s", read.name);
        return status;
    }
    *policy = read;
    *uses = reader.uses;
    read = (struct policy) {0};
    return 0;
}

int policy_from_flows(const struct flow *flows, size_t n_flows, const struct flow_meter *meters, size_t n_meters,
                      const struct policy_site *site, bool miss_allows, const char *vm_name, struct policy *policy,
                      struct err *err)
{
    struct policy_uses uses;

    return policy_read(flows, n_flows, meters, n_meters, site, miss_allows, vm_name, policy, &uses, err);
}
