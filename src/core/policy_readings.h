/* SPDX-License-Identifier: Apache-2.0 */
/* What single flows say, as rules, on the way to a policy. Internal to core/policy_*.c. */
#ifndef CORE_POLICY_READINGS_H
#define CORE_POLICY_READINGS_H

#include "model/flow.h"
#include "model/policy.h"

struct reading {
    struct policy_rule rule;
    uint16_t priority;
    uint32_t meter;
    bool asks;               /* it denies what is no reply */
    bool has_meter;          /* it is that of the rule's class */
    bool limited;            /* it goes through the limit of new connections */
    uint32_t queue;          /* 0: none */
    const struct flow *flow; /* borrowed; for messages */
};

struct readings {
    struct reading *items;
    size_t n, capacity;
};

void readings_add(struct readings *readings, struct reading reading);
void readings_free(struct readings *readings);
/* Sorts by direction and falling priority, and joins those of one priority and outcome that differ in nothing but
 * adjacent ports, then the parts of stateful rules without a protocol, then those that differ in nothing but the other
 * end, whose lists become sets of 'policy'. */
void readings_join(struct readings *readings, struct policy *policy);
void readings_join_ports(struct readings *readings); /* only the first */
/* As qsort comparator, by all but what is for messages. */
int readings_compare(const void *a, const void *b);
/* Narrows 'rule' to the packets that 'other', of its direction, matches, too. False if there are none. Neither has a
 * set. */
bool policy_rules_intersect(const struct policy_rule *other, struct policy_rule *rule);
/* Whether a packet can match both rules, which have one direction and family. */
bool policy_rules_meet(const struct policy_rule *a, const struct policy_rule *b);

#endif
