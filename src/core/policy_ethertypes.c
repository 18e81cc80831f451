/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about what is neither IP nor ARP, as flows and back. As no such packet is of two ethertypes, a direction's
 * rules are a set of ethertypes that it allows. */
#include <string.h>

#include "base/alloc.h"
#include "core/pipeline.h"
#include "core/pipeline_flows.h"
#include "core/policy_families.h"
#include "core/policy_state.h"

static enum flow_field_id mac_field(enum policy_direction direction)
{
    return direction == POLICY_FROM_VM ? FIELD_ETH_SRC : FIELD_ETH_DST;
}

void policy_ethertypes_to_flows(const struct policy *policy, const struct policy_site *site, struct flow_txn *txn)
{
    for (unsigned d = 0; d < 2; d++) {
        uint16_t types[POLICY_ETHERTYPES_MAX];
        unsigned n = policy_ethertypes(policy, d, types);

        for (unsigned i = 0; i < n; i++) {
            struct flow flow = flow_make(site->table[d], POLICY_PRIORITY_FIRST, site->cookie);

            match_mac(&flow.match, mac_field(d), &site->mac);
            match_u(&flow.match, FIELD_ETH_TYPE, types[i]);
            flow.meter = site->numbers.meters[d];
            flow_goto(&flow, site->next_table[d]);
            flow_txn_add(txn, flow);
        }
    }
}

bool policy_ethertype_concerns(const struct policy_site *site, const struct flow *flow, enum policy_direction direction)
{
    const struct flow_field *mac = match_find(&flow->match, mac_field(direction));
    uint64_t type;

    return flow->table == site->table[direction] && mac && flow_field_exact(mac) &&
           memcmp(mac->value, site->mac.bytes, sizeof site->mac.bytes) == 0 &&
           match_get_u(&flow->match, FIELD_ETH_TYPE, &type) && type != ETH_TYPE_IP && type != ETH_TYPE_IPV6 &&
           type != ETH_TYPE_ARP;
}

static int refuse(const struct flow *flow, const char *why, const struct policy *policy, struct err *err)
{
    AUTO_FREE char *text = flow_format(flow);

    return err_set(err, ERR_UNSUPPORTED, "policy %s: %s: %s", policy->name, why, text);
}

/* The limit of what is allowed of an ethertype is that of IP, if any IP is allowed. */
static int read_meter(const struct flow *flow, const struct flow_meter *meters, size_t n_meters,
                      enum policy_direction direction, struct policy_uses *uses, struct policy *policy, struct err *err)
{
    if (policy_passes_any(policy, direction) && flow->meter != uses->meters[direction])
        return refuse(flow, "it has another meter than what else is allowed", policy, err);
    if (!flow->meter || policy->rate[direction].kbps)
        return 0;
    for (size_t i = 0; i < n_meters; i++) {
        if (meters[i].id != flow->meter)
            continue;
        policy->rate[direction] = (struct policy_rate) {meters[i].rate, meters[i].burst};
        uses->meters[direction] = flow->meter;
        return 0;
    }
    return refuse(flow, "the switch did not show its meter", policy, err);
}

/* Of a flow that concerns the VM: 0 and whether it lets its packets pass. */
static int read_flow(const struct flow *flow, const struct policy_site *site, enum policy_direction direction,
                     const struct policy *policy, bool *passes, struct err *err)
{
    *passes = flow->goto_table == site->next_table[direction];
    if (flow->has_unknown || flow->match.n != 2 || flow->n_actions || flow->metadata_mask || flow->idle_timeout ||
        flow->hard_timeout || (!*passes && flow->goto_table != FLOW_NO_GOTO))
        return refuse(flow, "it does more than allow or deny an ethertype", policy, err);
    return 0;
}

/* The flow of the highest priority that has the ethertype of 'like'. */
static const struct flow *first_of(const struct flow *flows, size_t n_flows, const struct policy_site *site,
                                   enum policy_direction direction, const struct flow *like)
{
    const struct flow *first = like;

    for (size_t i = 0; i < n_flows; i++) {
        if (policy_ethertype_concerns(site, &flows[i], direction) && flows[i].priority > first->priority &&
            match_equal(&flows[i].match, &like->match))
            first = &flows[i];
    }
    return first;
}

int policy_ethertypes_read(const struct flow *flows, size_t n_flows, const struct flow_meter *meters, size_t n_meters,
                           const struct policy_site *site, struct policy_uses *uses, struct policy *policy,
                           struct err *err)
{
    size_t n_rules = policy->n_rules;

    for (size_t i = 0; i < n_flows; i++) {
        for (unsigned d = 0; d < 2; d++) {
            struct policy_rule rule = policy_rule_any(d, POLICY_ALLOW);
            uint64_t type = 0;
            bool passes;

            if (!policy_ethertype_concerns(site, &flows[i], d))
                continue;
            if (read_flow(&flows[i], site, d, policy, &passes, err) < 0)
                return ERR_UNSUPPORTED;
            if (!passes || first_of(flows, n_flows, site, d, &flows[i]) != &flows[i])
                continue;
            if (read_meter(&flows[i], meters, n_meters, d, uses, policy, err) < 0)
                return ERR_UNSUPPORTED;
            match_get_u(&flows[i].match, FIELD_ETH_TYPE, &type);
            rule.ethertype = (uint16_t) type;
            policy_add_rule(policy, rule);
        }
    }
    /* How many rules there are is no matter of what is only compared. */
    if (policy->n_rules > n_rules && policy_ethertypes_check(policy, err) < 0)
        return err->code = ERR_UNSUPPORTED;
    return 0;
}
