/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind the rules of a direction d, for packets that they let pass: the limit of new connections, then the
 * direction's rate.
 *
 *   policy and verdict tables:   without a limit: the direction's meter, next table; in a class that has a meter: that
 *                                one, rate table. With a limit: the class's meter or none, limit table
 *   limit table of d:            100 of the VM's address, TCP, SYN without ACK -> the limit's meter, rate table. What
 *                                misses goes to the rate table
 *   rate table of d:             10 of the VM's address -> the direction's meter, next table. What misses goes there
 *
 * A flow has one meter (OpenFlow 1.3.5 §5.9). In this order what the rules deny uses up nothing of the limit, and what
 * the limit refuses nothing of the rate. Internal to core/policy_*.c. */
#ifndef CORE_POLICY_PASSING_H
#define CORE_POLICY_PASSING_H

#include "core/policy.h"

/* Lets the flow's packets pass, through the meter of their class, if that is not 0. */
void policy_pass(const struct policy_site *site, enum policy_direction direction, uint32_t class_meter,
                 struct flow *flow);
/* Whether the flow of the policy or verdict table leads to the limit; false: it passes packets on without, or none. */
bool policy_is_limited(const struct policy_site *site, enum policy_direction direction, const struct flow *flow);
/* Whether it leads to the limit or the rate. */
bool policy_is_behind(const struct policy_site *site, enum policy_direction direction, const struct flow *flow);

/* Adds the flows of the limit and the rate table that there have to be. 'classed': a class has a meter. */
void policy_passing_add(const struct policy_site *site, enum policy_direction direction, bool classed,
                        struct flow_txn *txn);
/* Whether the flow is the VM's in one of these tables, with whatever priority, cookie and meter. */
bool policy_is_limit(const struct policy_site *site, enum policy_direction direction, const struct flow *flow);
bool policy_is_rate(const struct policy_site *site, enum policy_direction direction, const struct flow *flow);

#endif
