/* SPDX-License-Identifier: Apache-2.0 */
/* What policy.c and policy_class.c share. */
#ifndef MODEL_POLICY_INTERNAL_H
#define MODEL_POLICY_INTERNAL_H

#include "model/json.h"
#include "model/policy.h"

extern const char *const policy_direction_names[2];

/* {"kbps": ..., "burst-kbit": ...}; 'path' is for messages. 0 or ERR_INVALID. */
int policy_rate_read(const json_t *json, const char *path, struct policy_rate *rate, struct err *err);
json_t *policy_rate_to_json(const struct policy_rate *rate);

/* The member "classes". 0 or ERR_INVALID with class and member. */
int policy_classes_read(const json_t *json, struct policy *policy, struct err *err);
json_t *policy_classes_to_json(const struct policy *policy);
/* 0 or ERR_INVALID with class and member. */
int policy_classes_check(const struct policy *policy, struct err *err);

/* A rule's member "class"; its set_dscp and in_class then say so. */
void policy_class_of_rule_read(struct json_reader *r, const struct policy *policy, struct policy_rule *rule);
/* 0, or ERR_INVALID and a sentence that begins with the rule's member. */
int policy_class_of_rule_check(const struct policy *policy, const struct policy_rule *rule, struct err *err);

#endif
