/* SPDX-License-Identifier: Apache-2.0 */
/* Stateful rules as flows: what a packet that such a rule lets pass teaches the switch about its replies, and how the
 * rules of the other direction ask for that.
 *
 *   policy table of d:         a stateful rule: learn(state table of the other direction), mark, meter, next table
 *                              what denies, if the other direction has stateful rules: resubmit(state table of d),
 *                              verdict table of d
 *   state table of d:          100 learned, 5-tuple of the replies (of an echo: addresses and type) -> reg6 = 1
 *   verdict table of d:        100 of the VM's address with reg6 = 1 -> reg6 = 0, meter, next table. Else dropped.
 *
 * So rules have the first word: they mark and meter what is established, too, and only what they deny is looked up.
 * reg6 is cleared because a packet between two VMs of one ToR is judged twice. Internal to core/policy_*.c. */
#ifndef CORE_POLICY_STATE_H
#define CORE_POLICY_STATE_H

#include "core/policy.h"

#define ICMP_ECHO_REQUEST 8
#define ICMP_ECHO_REPLY 0
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129

#define POLICY_PARTS_MAX 4

/* The rule as rules of one protocol each, no two of which match the same packet. A stateful rule matches only what has
 * replies that can be told: TCP, UDP and echo requests; if it names no protocol, it is about all of these. Any other
 * rule is its own only part. Returns how many; 0 if it can match nothing. */
unsigned policy_rule_parts(const struct policy_rule *rule, struct policy_rule parts[POLICY_PARTS_MAX]);

/* Whether what the direction's rules deny may be a reply: the other direction has a stateful rule. */
bool policy_awaits_replies(const struct policy *policy, enum policy_direction direction, enum ip_family family);

/* Adds the action by which a flow of the rule, which is a part, learns. */
void policy_state_learn(const struct policy_site *site, const struct policy_rule *rule, struct flow *flow);
/* Makes a flow of the direction's policy table ask for replies, else deny. */
void policy_state_ask(const struct policy_site *site, enum policy_direction direction, struct flow *flow);
/* The flow that lets replies pass. */
struct flow policy_state_verdict(const struct policy_site *site, enum policy_direction direction);

/* Whether the action is the one by which a flow of the rule learns, whatever the cookie of what is learned. */
bool policy_state_is_learn(const struct policy_site *site, const struct policy_rule *rule,
                           const struct flow_action *action);
/* Whether the flow asks for replies. */
bool policy_state_is_ask(const struct policy_site *site, enum policy_direction direction, const struct flow *flow);
/* The flow that lets the VM's replies pass, with whatever cookie and meter; null: there is none. */
const struct flow *policy_state_find_verdict(const struct policy_site *site, enum policy_direction direction,
                                             const struct flow *flows, size_t n_flows);

#endif
