/* SPDX-License-Identifier: Apache-2.0 */
/* Policies as tests write them. After <cmocka.h>. */
#ifndef TESTS_POLICY_TEXT_H
#define TESTS_POLICY_TEXT_H

#include "model/policy.h"

/* The policy of a JSON text, which must be one; the caller frees. */
static inline struct policy policy_of_text(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    struct policy policy = {0};
    struct err err;

    assert_non_null(json);
    if (policy_from_json(json, &policy, &err) < 0)
        fail_msg("%s", err.text);
    json_decref(json);
    return policy;
}

#endif
