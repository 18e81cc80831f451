/* SPDX-License-Identifier: Apache-2.0 */
#include "core/policy_outcome.h"

#define VERDICT_BITS 2
#define DSCP_BITS 7
#define DSCP_SHIFT VERDICT_BITS
#define CLASS_SHIFT (DSCP_SHIFT + DSCP_BITS)
#define STATEFUL_SHIFT (CLASS_SHIFT + 1)

static uint32_t part(uint32_t outcome, unsigned shift, unsigned bits)
{
    return outcome >> shift & ((1u << bits) - 1);
}

uint32_t policy_outcome(const struct policy_rule *rule)
{
    return rule->verdict | (uint32_t) (rule->set_dscp - POLICY_ANY) << DSCP_SHIFT |
           (uint32_t) rule->in_class << CLASS_SHIFT | (uint32_t) rule->stateful << STATEFUL_SHIFT;
}

void policy_outcome_apply(uint32_t outcome, struct policy_rule *rule)
{
    rule->verdict = (uint8_t) part(outcome, 0, VERDICT_BITS);
    rule->set_dscp = (int16_t) ((int) part(outcome, DSCP_SHIFT, DSCP_BITS) + POLICY_ANY);
    rule->in_class = part(outcome, CLASS_SHIFT, 1);
    rule->stateful = part(outcome, STATEFUL_SHIFT, 1);
}

uint32_t policy_outcome_default(const struct policy *policy, enum policy_direction direction)
{
    struct policy_rule rest = policy_rule_any(direction, policy->default_verdict[direction]);

    return policy_outcome(&rest);
}

bool policy_outcome_is_plain(const struct policy_rule *rule)
{
    struct policy_rule plain = policy_rule_any(rule->direction, rule->verdict);

    return policy_outcome(rule) == policy_outcome(&plain);
}

bool policy_outcome_passes(uint32_t outcome)
{
    return part(outcome, 0, VERDICT_BITS) == POLICY_ALLOW;
}

bool policy_outcome_is_stateful(uint32_t outcome)
{
    return part(outcome, STATEFUL_SHIFT, 1);
}

int policy_outcome_class(uint32_t outcome)
{
    struct policy_rule rule = {0};

    policy_outcome_apply(outcome, &rule);
    return rule.in_class ? rule.set_dscp : -1;
}

void policy_outcome_describe(uint32_t outcome, struct strbuf *text)
{
    static const char *const describes[] = {
        [POLICY_DENY] = "denies it", [POLICY_ALLOW] = "allows it", [POLICY_REJECT] = "rejects it"};
    struct policy_rule rule = {0};

    policy_outcome_apply(outcome, &rule);
    strbuf_puts(text, describes[rule.verdict]);
    if (rule.set_dscp != POLICY_ANY)
        strbuf_printf(text, rule.in_class ? " in the class of DSCP %d" : " with DSCP %d", rule.set_dscp);
    if (rule.stateful)
        strbuf_puts(text, " and its replies");
}
