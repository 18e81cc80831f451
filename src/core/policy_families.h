/* SPDX-License-Identifier: Apache-2.0 */
/* What a switch has of a VM's addresses, each read by itself, put together as one policy. Internal to core/policy_*.c.
 */
#ifndef CORE_POLICY_FAMILIES_H
#define CORE_POLICY_FAMILIES_H

#include "core/policy.h"

/* The meters and queues that an address's flows use, by direction; of a class by its DSCP. 0: none. */
struct policy_uses {
    uint32_t meters[2], limit_meters[2];
    uint32_t class_meters[2][64], class_queues[2][64];
};

/* policy_from_flows() of one address; '*uses' is set on success, too. */
int policy_read(const struct flow *flows, size_t n_flows, const struct flow_meter *meters, size_t n_meters,
                const struct policy_site *site, bool miss_allows, const char *vm_name, struct policy *policy,
                struct policy_uses *uses, struct err *err);

/* Whether the flow is about what is neither IP nor ARP, and names the VM's MAC. */
bool policy_ethertype_concerns(const struct policy_site *site, const struct flow *flow,
                               enum policy_direction direction);
/* Adds the rules that such flows are to the policy; 'uses' are those of its IP, and
 * get what only they have. 0 or ERR_UNSUPPORTED naming the flow. */
int policy_ethertypes_read(const struct flow *flows, size_t n_flows, const struct flow_meter *meters, size_t n_meters,
                           const struct policy_site *site, struct policy_uses *uses, struct policy *policy,
                           struct err *err);

#endif
