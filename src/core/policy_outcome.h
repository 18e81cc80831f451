/* SPDX-License-Identifier: Apache-2.0 */
/* What a rule does to a packet, as one number. Each part of it has bits of its own, so that a number means the same in
 * every diagram, hash and gateway. A new part takes bits that are 0 where a rule has nothing of it. Internal to
 * core/policy_*.c. */
#ifndef CORE_POLICY_OUTCOME_H
#define CORE_POLICY_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "model/policy.h"

/* Bits 0..1: enum policy_verdict; 2..8: DSCP + 1; 9: in the class of that DSCP; 10: stateful. */
uint32_t policy_outcome(const struct policy_rule *rule);
/* Gives the rule this outcome; what it matches stays. */
void policy_outcome_apply(uint32_t outcome, struct policy_rule *rule);
/* What packets get that no rule matches. */
uint32_t policy_outcome_default(const struct policy *policy, enum policy_direction direction);
/* Whether a default can say the same as the rule. */
bool policy_outcome_is_plain(const struct policy_rule *rule);
bool policy_outcome_passes(uint32_t outcome); /* whether the packet goes on */
bool policy_outcome_is_stateful(uint32_t outcome);
/* The DSCP of the class that the packet is in, or -1. */
int policy_outcome_class(uint32_t outcome);
/* Appends e.g. "allows it with DSCP 46". */
void policy_outcome_describe(uint32_t outcome, struct strbuf *text);

#endif
