/* SPDX-License-Identifier: Apache-2.0 */
#include "core/policy_passing.h"

#include "core/pipeline.h"
#include "core/policy_field.h"

void policy_pass(const struct policy_site *site, enum policy_direction direction, uint32_t class_meter,
                 struct flow *flow)
{
    bool limited = site->numbers.limit_meters[direction];

    flow->meter = class_meter || limited ? class_meter : site->numbers.meters[direction];
    flow->goto_table = limited     ? site->limit_table[direction] :
                       class_meter ? site->rate_table[direction] :
                                     site->next_table[direction];
}

/* Its goto, or the resubmit that stands for it. */
static bool leads_to(const struct flow *flow, uint8_t table)
{
    const struct flow_action *last = flow->n_actions ? &flow->actions[flow->n_actions - 1] : NULL;

    return flow->goto_table == table ||
           (flow->goto_table == FLOW_NO_GOTO && last && last->type == ACTION_RESUBMIT && last->table == table);
}

bool policy_is_limited(const struct policy_site *site, enum policy_direction direction, const struct flow *flow)
{
    return leads_to(flow, site->limit_table[direction]);
}

bool policy_is_behind(const struct policy_site *site, enum policy_direction direction, const struct flow *flow)
{
    return policy_is_limited(site, direction, flow) || leads_to(flow, site->rate_table[direction]);
}

static struct flow limit_flow(const struct policy_site *site, enum policy_direction direction)
{
    struct flow flow = flow_make(site->limit_table[direction], LIMIT_PRIORITY, site->cookie);

    policy_match_vm(&flow.match, site, direction);
    match_u(&flow.match, FIELD_IP_PROTO, IP_TCP);
    match_u_masked(&flow.match, FIELD_TCP_FLAGS, TCP_SYN, TCP_SYN | TCP_ACK);
    flow.meter = site->numbers.limit_meters[direction];
    flow.goto_table = site->rate_table[direction];
    return flow;
}

static struct flow rate_flow(const struct policy_site *site, enum policy_direction direction)
{
    struct flow flow = flow_make(site->rate_table[direction], POLICY_PRIORITY_DEFAULT, site->cookie);

    policy_match_vm(&flow.match, site, direction);
    flow.meter = site->numbers.meters[direction];
    flow.goto_table = site->next_table[direction];
    return flow;
}

void policy_passing_add(const struct policy_site *site, enum policy_direction direction, bool classed,
                        struct flow_txn *txn)
{
    bool limited = site->numbers.limit_meters[direction];

    if (limited)
        flow_txn_add(txn, limit_flow(site, direction));
    if (site->numbers.meters[direction] && (limited || classed))
        flow_txn_add(txn, rate_flow(site, direction));
}

static bool is_like(const struct flow *flow, struct flow wanted)
{
    wanted.priority = flow->priority;
    wanted.cookie = flow->cookie;
    wanted.meter = flow->meter;
    return !flow->has_unknown && flow_equal(&wanted, flow);
}

bool policy_is_limit(const struct policy_site *site, enum policy_direction direction, const struct flow *flow)
{
    return is_like(flow, limit_flow(site, direction));
}

bool policy_is_rate(const struct policy_site *site, enum policy_direction direction, const struct flow *flow)
{
    return is_like(flow, rate_flow(site, direction));
}
