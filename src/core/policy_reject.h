/* SPDX-License-Identifier: Apache-2.0 */
/* What policies reject, as flows:
 *
 *   policy table of d:   what rejects: reg6 = POLICY_REJECTED; where replies are awaited, resubmit(state table of d),
 *                        which may change that; verdict table of d
 *   verdict table of d:  100 of the VM's address with that -> meter, the beginning of the packet to the controller,
 *                        which answers it (core/reject.h). Else dropped, as what the meter does not let pass.
 *
 * So rejects are denials but for the answer: a switch without a gateway denies. Internal to core/policy_*.c. */
#ifndef CORE_POLICY_REJECT_H
#define CORE_POLICY_REJECT_H

#include "core/policy.h"
#include "core/policy_readings.h"

#define POLICY_REJECTED 3 /* in reg6; core/policy_state.h has others */

/* Makes a flow of the direction's policy table, which has no actions yet, reject. policy_state_ask() may follow. */
void policy_reject_mark(const struct policy_site *site, enum policy_direction direction, struct flow *flow);
/* How many of the flow's actions, from its first on, are those of policy_reject_mark(): 1 or 0. */
unsigned policy_reject_marks(const struct flow *flow);
/* Whether the flow rejects, and does nothing else. */
bool policy_reject_is(const struct policy_site *site, enum policy_direction direction, const struct flow *flow);
/* The flow that hands what is rejected to the controller. */
struct flow policy_reject_verdict(const struct policy_site *site, enum policy_direction direction);
/* Whether it is among the flows, with whatever cookie and meter. */
bool policy_reject_has_verdict(const struct policy_site *site, enum policy_direction direction,
                               const struct flow *flows, size_t n_flows);
/* A flow of the readings that rejects in the direction, if that one is not there; else null. */
const struct flow *policy_reject_untold(const struct policy_site *site, enum policy_direction direction,
                                        const struct readings *readings, const struct flow *flows, size_t n_flows);

#endif
