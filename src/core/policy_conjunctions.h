/* SPDX-License-Identifier: Apache-2.0 */
/* Conjunctive matches (ovs-fields(7)), read back as the rules that they stand for. Internal to core/policy_*.c. */
#ifndef CORE_POLICY_CONJUNCTIONS_H
#define CORE_POLICY_CONJUNCTIONS_H

#include "core/policy_readings.h"

/* Of a flow with conjunction actions: what it matches, and one of these actions. */
struct clause {
    struct flow_conjunction of;
    struct reading reading;
};

/* Of a flow that matches a conj_id: what else it matches, and what it does. */
struct joint {
    uint32_t id;
    struct reading reading;
};

struct conjunctions {
    struct clause *clauses;
    size_t n_clauses, cap_clauses;
    struct joint *joints;
    size_t n_joints, cap_joints;
};

/* False if there are more than anybody's policy has: it was left out. */
bool conjunctions_add_clause(struct conjunctions *conjunctions, struct flow_conjunction of, struct reading reading);
void conjunctions_add_joint(struct conjunctions *conjunctions, uint32_t id, struct reading reading);
void conjunctions_free(struct conjunctions *conjunctions);

/* Adds to 'readings' one for each combination of flows of all clauses, with what the flow of its conj_id does. Returns
 * null, or why they cannot be said as rules (what that takes is bounded), and '*flow', whose fault it is. Clauses
 * without a flow for their conj_id, and those of which one is missing, do nothing. */
const char *conjunctions_read(struct conjunctions *conjunctions, struct readings *readings, const struct flow **flow);

#endif
