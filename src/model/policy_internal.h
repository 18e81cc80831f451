/* SPDX-License-Identifier: Apache-2.0 */
/* What policy*.c share. */
#ifndef MODEL_POLICY_INTERNAL_H
#define MODEL_POLICY_INTERNAL_H

#include "model/json.h"
#include "model/policy.h"

extern const char *const policy_direction_names[2];

/* {"kbps": ..., "burst-kbit": ...}; 'path' is for messages. 0 or ERR_INVALID. */
int policy_rate_read(const json_t *json, const char *path, struct policy_rate *rate, struct err *err);
json_t *policy_rate_to_json(const struct policy_rate *rate);

/* A burst without a rate, or one that is too small for it. 0, or ERR_INVALID with the members' names; 'path' is of what
 * has them. */
int policy_burst_check(uint32_t rate, uint32_t burst, const char *path, const char *rate_name, const char *burst_name,
                       struct err *err);

/* The members "rate-limit" and "new-connections". 0 or ERR_INVALID with direction and member. */
int policy_rates_read(const json_t *json, struct policy *policy, struct err *err);
json_t *policy_rates_to_json(const struct policy *policy);
int policy_new_limits_read(const json_t *json, struct policy *policy, struct err *err);
json_t *policy_new_limits_to_json(const struct policy *policy);
/* Both, of one direction. 0, or ERR_INVALID and a sentence that begins with the member. */
int policy_limits_check(const struct policy *policy, enum policy_direction direction, struct err *err);

/* The member "classes". 0 or ERR_INVALID with class and member. */
int policy_classes_read(const json_t *json, struct policy *policy, struct err *err);
json_t *policy_classes_to_json(const struct policy *policy);
/* 0 or ERR_INVALID with class and member. */
int policy_classes_check(const struct policy *policy, struct err *err);

/* A rule's member "class"; its set_dscp and in_class then say so. */
void policy_class_of_rule_read(struct json_reader *r, const struct policy *policy, struct policy_rule *rule);
/* 0, or ERR_INVALID and a sentence that begins with the rule's member. */
int policy_class_of_rule_check(const struct policy *policy, const struct policy_rule *rule, struct err *err);

/* A rule's member "ethertype", after "family". */
void policy_ethertype_read(struct json_reader *r, struct policy_rule *rule);
/* The same as of a class. */
int policy_ethertype_check(const struct policy_rule *rule, struct err *err);

#endif
