/* SPDX-License-Identifier: Apache-2.0 */
/* Stateful rules as flows: what a packet that such a rule lets pass teaches the switch about its replies, and how the
 * rules of the other direction ask for that.
 *
 *   policy table of d:         a stateful rule: reg6 = 2, resubmit(state table of d), reg6 = 0, mark, pass
 *                              what denies, if the other direction has stateful rules: resubmit(state table of d),
 *                              verdict table of d
 *   state table of d:          100 learned, 5-tuple of the replies (of an echo: addresses and type) -> reg6 = 1
 *                              90 the same of a TCP connection that has only been asked for -> reg6 = 1
 *                              52..50 of the VM's address with reg6 = 2: learn(state table of the other direction)
 *   verdict table of d:        100 of the VM's address with reg6 = 1 -> reg6 = 0, passes. Else dropped.
 *
 * So rules have the first word: they mark and meter what is established, too, and only what they deny is looked up. And
 * only what is no reply itself teaches anything: what a server answers does not, whatever rule lets it pass.
 *
 * A TCP SYN teaches for a short time, and beside the limit of other connections: nobody may have answered, and a flood
 * of them must not keep others out for hours. What comes without SYN teaches for long; an RST teaches nothing.
 *
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
 * rule is its own only part. Returns how many; 0 if it can match no IP. */
unsigned policy_rule_parts(const struct policy_rule *rule, struct policy_rule parts[POLICY_PARTS_MAX]);

/* Whether what the direction's rules deny may be a reply: the other direction has a stateful rule. */
bool policy_awaits_replies(const struct policy *policy, enum policy_direction direction, enum ip_family family);

/* Whether any packet passes in the direction, by a rule or the default, or as a reply. */
bool policy_passes_any(const struct policy *policy, enum policy_direction direction);

/* Makes a flow of the direction's policy table, which has no actions yet, teach what its packets' replies are. */
void policy_state_teach(const struct policy_site *site, enum policy_direction direction, struct flow *flow);
/* The flows of the state table of a direction with stateful rules by which packets teach. */
void policy_state_teachers(const struct policy_site *site, enum policy_direction direction, struct flow_txn *txn);
/* Makes a flow of the direction's policy table ask for replies, else deny, or reject if it is marked so. */
void policy_state_ask(const struct policy_site *site, enum policy_direction direction, struct flow *flow);
/* The flow that lets replies pass. */
struct flow policy_state_verdict(const struct policy_site *site, enum policy_direction direction);

/* How many of the flow's actions, from its first on, are those by which it teaches; 0: it does not. */
unsigned policy_state_teaching(const struct policy_site *site, enum policy_direction direction,
                               const struct flow *flow);
/* Whether all packets of the rule, as it was read from a flow, have replies that can be told. */
bool policy_state_has_replies(const struct policy_rule *rule);
/* Whether the flow asks for replies. */
bool policy_state_is_ask(const struct policy_site *site, enum policy_direction direction, const struct flow *flow);
/* Whether the direction's state table has all that policy_state_teachers() makes, with whatever cookies. */
bool policy_state_has_teachers(const struct policy_site *site, enum policy_direction direction,
                               const struct flow *flows, size_t n_flows);
/* Whether the flow of a state table is one by which packets teach, and not one that was learned. */
bool policy_state_is_teacher(const struct flow *flow);
/* The flow of a verdict table that is 'wanted', which is freed, with whatever cookie and meter; null: there is none. */
const struct flow *policy_find_verdict(struct flow wanted, const struct flow *flows, size_t n_flows);
/* The flow that lets the VM's replies pass, with whatever cookie and meter; null: there is none. */
const struct flow *policy_state_find_verdict(const struct policy_site *site, enum policy_direction direction,
                                             const struct flow *flows, size_t n_flows);

#endif
