/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of addresses in a policy's JSON form. Internal to model/policy*.c. */
#ifndef MODEL_POLICY_SETS_H
#define MODEL_POLICY_SETS_H

#include "model/json.h"
#include "model/policy.h"

/* The member "sets". 0, or ERR_INVALID and a sentence. */
int policy_sets_read(const json_t *json, struct policy *policy, struct err *err);
json_t *policy_sets_to_json(const struct policy *policy, bool shared);

/* A rule's member "remote": a prefix, "@name" or a list. Sets that are not the policy's come from 'book' (may be null)
 * and are then among those of the policy. */
void policy_remote_read(struct json_reader *r, const struct policy_book *book, struct policy *policy,
                        struct policy_rule *rule);
json_t *policy_remote_to_json(const struct policy_rule *rule); /* null: any */

#endif
