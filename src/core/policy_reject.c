/* SPDX-License-Identifier: Apache-2.0 */
#include "core/policy_reject.h"

#include "core/pipeline.h"
#include "core/policy_field.h"
#include "core/policy_state.h"
#include "core/reject.h"

bool policy_rejects(const struct policy *policy, enum policy_direction direction, enum ip_family family)
{
    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct policy_rule *rule = &policy->rules[i];

        if (rule->direction == direction && rule->verdict == POLICY_REJECT &&
            (rule->family == IP_NONE || family == IP_NONE || rule->family == family))
            return true;
    }
    return policy->default_verdict[direction] == POLICY_REJECT;
}

void policy_reject_mark(const struct policy_site *site, enum policy_direction direction, struct flow *flow)
{
    flow_set_u(flow, FIELD_REG6, POLICY_REJECTED);
    flow->goto_table = site->verdict_table[direction];
}

unsigned policy_reject_marks(const struct flow *flow)
{
    const struct flow_action *first = flow->n_actions ? &flow->actions[0] : NULL;

    return first && first->type == ACTION_SET_FIELD && first->field.id == FIELD_REG6 &&
           flow_field_exact(&first->field) && flow_field_u(&first->field) == POLICY_REJECTED;
}

bool policy_reject_is(const struct policy_site *site, enum policy_direction direction, const struct flow *flow)
{
    if (!policy_reject_marks(flow) || flow->meter)
        return false;
    return policy_state_is_ask(site, direction, flow) ||
           (flow->n_actions == 1 && flow->goto_table == site->verdict_table[direction]);
}

struct flow policy_reject_verdict(const struct policy_site *site, enum policy_direction direction)
{
    struct flow flow = flow_make(site->verdict_table[direction], STATE_PRIORITY, site->cookie);

    policy_match_vm(&flow.match, site, direction);
    match_u(&flow.match, FIELD_REG6, POLICY_REJECTED);
    flow.meter = site->numbers.reject_meters[direction];

    struct flow_action *output = flow_add_action(&flow, ACTION_OUTPUT);
    output->port = PORT_CONTROLLER;
    output->max_len = reject_read_size(site->ip.family);
    return flow;
}

bool policy_reject_has_verdict(const struct policy_site *site, enum policy_direction direction,
                               const struct flow *flows, size_t n_flows)
{
    return policy_find_verdict(policy_reject_verdict(site, direction), flows, n_flows);
}

const struct flow *policy_reject_untold(const struct policy_site *site, enum policy_direction direction,
                                        const struct readings *readings, const struct flow *flows, size_t n_flows)
{
    for (size_t i = 0; i < readings->n; i++) {
        const struct reading *reading = &readings->items[i];

        if (reading->rule.direction == direction && reading->rule.verdict == POLICY_REJECT)
            return policy_reject_has_verdict(site, direction, flows, n_flows) ? NULL : reading->flow;
    }
    return NULL;
}
