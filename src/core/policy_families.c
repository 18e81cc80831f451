/* SPDX-License-Identifier: Apache-2.0 */
/* One policy from the flows of several addresses of a VM. Addresses of IPv6 must be treated alike, for a policy knows
 * the VM only as "the VM"; what is said of IPv4 alone, or of IPv6 alone, becomes rules of that family. */
#include "core/policy_families.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "core/policy_state.h"

#define ADDRESSES_MAX 8

/* What was read of one address. */
struct part {
    const struct policy_site *site;
    struct policy policy;
    struct policy_uses uses;
    bool found; /* some flow concerns it; else all of it passes, or nothing */
};

static void free_parts(struct part (*parts)[ADDRESSES_MAX])
{
    for (unsigned i = 0; i < ADDRESSES_MAX; i++)
        policy_free(&(*parts)[i].policy);
}

static int refuse(const struct part *a, const struct part *b, const char *why, struct err *err)
{
    char of_a[IP_TEXT_SIZE], of_b[IP_TEXT_SIZE];

    return err_set(err, ERR_UNSUPPORTED, "policy %s: flows of %s and of %s are not one policy: %s", a->policy.name,
                   ip_format(&a->site->ip, of_a), ip_format(&b->site->ip, of_b), why);
}

static bool uses_class(const struct policy *policy, enum policy_direction direction, uint8_t dscp)
{
    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct policy_rule *rule = &policy->rules[i];

        if (rule->direction == direction && rule->in_class && rule->set_dscp == dscp)
            return true;
    }
    return false;
}

/* What both let pass is limited together, or not at all. */
static int check_uses(const struct part *a, const struct part *b, struct err *err)
{
    for (unsigned d = 0; d < 2; d++) {
        if (policy_passes_any(&a->policy, d) && policy_passes_any(&b->policy, d) &&
            a->uses.meters[d] != b->uses.meters[d])
            return refuse(a, b, "they have different meters in one direction", err);
        if (policy_passes_any(&a->policy, d) && policy_passes_any(&b->policy, d) &&
            a->uses.limit_meters[d] != b->uses.limit_meters[d])
            return refuse(a, b, "they have different limits of new connections", err);
        for (uint8_t dscp = 0; dscp < 64; dscp++) {
            if (!uses_class(&a->policy, d, dscp) || !uses_class(&b->policy, d, dscp))
                continue;
            if (a->uses.class_meters[d][dscp] != b->uses.class_meters[d][dscp])
                return refuse(a, b, "they have different meters in the class of one DSCP", err);
            if (a->uses.class_queues[d][dscp] != b->uses.class_queues[d][dscp])
                return refuse(a, b, "they have different queues in the class of one DSCP", err);
        }
    }
    return 0;
}

static int check_alike(const struct part *a, const struct part *b, struct err *err)
{
    AUTO_FREE char *witness = NULL;

    if (!policy_equivalent_in(&a->policy, &b->policy, IP_V6, &witness))
        return refuse(a, b, witness, err);
    return check_uses(a, b, err);
}

static int take_classes(const struct policy *from, struct policy *policy, struct err *err)
{
    for (unsigned i = 0; i < from->n_classes; i++) {
        const struct policy_class *class = &from->classes[i];
        int at = policy_class_obtain(policy, class->dscp);

        if (at < 0)
            return err_set(err, ERR_UNSUPPORTED,
                           "policy %s: the VM's flows of both families make more classes than the %d that a policy can "
                           "have, with that of DSCP %u",
                           policy->name, POLICY_CLASSES_MAX, class->dscp);
        for (unsigned d = 0; d < 2; d++) {
            if (!uses_class(from, d, class->dscp))
                continue;
            policy->classes[at].rate[d] = class->rate[d];
            policy->classes[at].queue[d] = class->queue[d];
        }
    }
    return 0;
}

/* Whether one rule without a family says what both say. Those of lists of addresses are never the same. */
static bool same_rule(const struct policy_rule *a, const struct policy_rule *b)
{
    if (a->family != IP_NONE || b->family != IP_NONE || a->remotes || b->remotes || a->direction != b->direction)
        return false;
    AUTO_FREE char *of_a = policy_rule_format(a);
    AUTO_FREE char *of_b = policy_rule_format(b);
    return strcmp(of_a, of_b) == 0;
}

static void take_rule(struct policy *policy, struct policy_rule rule, enum ip_family family)
{
    rule.family = (uint8_t) family;
    policy_add_rule(policy, rule);
}

/* Both lists keep their order; how they are mixed does not matter, for no packet is of both families. */
static void take_rules(const struct policy *v4, const struct policy *v6, struct policy *policy)
{
    size_t i = 0, j = 0;

    while (i < v4->n_rules || j < v6->n_rules) {
        bool both = i < v4->n_rules && j < v6->n_rules && same_rule(&v4->rules[i], &v6->rules[j]);
        bool first = i < v4->n_rules && (j == v6->n_rules || v4->rules[i].family == IP_V4 || v4->rules[i].remotes ||
                                         v6->rules[j].family == IP_NONE);

        if (both) {
            policy_add_rule(policy, v4->rules[i++]);
            j++;
        } else if (first) {
            take_rule(policy, v4->rules[i++], IP_V4);
        } else {
            take_rule(policy, v6->rules[j++], IP_V6);
        }
    }
}

static void take_sets(const struct policy *from, struct policy *policy)
{
    for (size_t i = 0; i < from->n_sets; i++)
        policy_add_set(policy, address_set_ref(from->sets[i]));
}

static int join_families(const struct part *v4, const struct part *v6, struct policy *policy, struct err *err)
{
    __attribute__((cleanup(policy_free))) struct policy joined = {0};

    if (check_uses(v4, v6, err) < 0)
        return err->code;
    memcpy(joined.name, v4->policy.name, sizeof joined.name);
    take_sets(&v4->policy, &joined);
    take_sets(&v6->policy, &joined);
    take_rules(&v4->policy, &v6->policy, &joined);
    for (unsigned d = 0; d < 2; d++) {
        const struct policy *limited = policy_passes_any(&v4->policy, d) ? &v4->policy : &v6->policy;

        joined.rate[d] = limited->rate[d];
        joined.new_limit[d] = limited->new_limit[d];
        joined.default_verdict[d] = v4->policy.default_verdict[d];
        if (v6->policy.default_verdict[d] != joined.default_verdict[d])
            take_rule(&joined, policy_rule_any(d, v6->policy.default_verdict[d]), IP_V6);
    }
    if (take_classes(&v4->policy, &joined, err) < 0 || take_classes(&v6->policy, &joined, err) < 0)
        return err->code;
    *policy = joined;
    joined = (struct policy) {0};
    return 0;
}

/* An address that no flow concerns is left to what misses. */
static int read_part(const struct flow *flows, size_t n_flows, const struct flow_meter *meters, size_t n_meters,
                     bool miss_allows, const char *vm_name, struct part *part, struct err *err)
{
    int status = policy_read(flows, n_flows, meters, n_meters, part->site, miss_allows, vm_name, &part->policy,
                             &part->uses, err);

    part->found = status == 0;
    if (status != ERR_NOT_FOUND)
        return status;
    snprintf(part->policy.name, sizeof part->policy.name, "%s", vm_name);
    part->policy.default_verdict[POLICY_FROM_VM] = miss_allows ? POLICY_ALLOW : POLICY_DENY;
    part->policy.default_verdict[POLICY_TO_VM] = part->policy.default_verdict[POLICY_FROM_VM];
    return 0;
}

int policy_from_sites(const struct flow *flows, size_t n_flows, const struct flow_meter *meters, size_t n_meters,
                      const struct policy_site *sites, size_t n_sites, bool miss_allows, const char *vm_name,
                      struct policy *policy, struct err *err)
{
    __attribute__((cleanup(free_parts))) struct part parts[ADDRESSES_MAX] = {0};
    __attribute__((cleanup(policy_free))) struct policy joined = {0};
    struct policy_uses uses;
    bool found = false;

    for (size_t i = 0; i < n_sites && i < ADDRESSES_MAX; i++) {
        parts[i].site = &sites[i];
        if (read_part(flows, n_flows, meters, n_meters, miss_allows, vm_name, &parts[i], err) < 0)
            return err->code;
        found |= parts[i].found;
    }
    if (!found)
        return err_set(err, ERR_NOT_FOUND, "policy %s: no flow of the policy tables concerns the VM's addresses",
                       vm_name);
    for (size_t i = 2; i < n_sites && i < ADDRESSES_MAX; i++) {
        if (check_alike(&parts[1], &parts[i], err) < 0)
            return err->code;
    }
    uses = parts[0].uses;
    if (n_sites == 1) {
        joined = parts[0].policy;
        parts[0].policy = (struct policy) {0};
    } else if (join_families(&parts[0], &parts[1], &joined, err) < 0) {
        return err->code;
    }
    for (unsigned d = 0; d < 2 && n_sites > 1; d++)
        uses.meters[d] = uses.meters[d] ? uses.meters[d] : parts[1].uses.meters[d];
    if (policy_ethertypes_read(flows, n_flows, meters, n_meters, &sites[0], &uses, &joined, err) < 0)
        return err->code;
    *policy = joined;
    joined = (struct policy) {0};
    return 0;
}
