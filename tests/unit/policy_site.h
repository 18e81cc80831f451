/* SPDX-License-Identifier: Apache-2.0 */
/* Where the tests of policies and flows put a VM's policy. */
#ifndef POLICY_SITE_H
#define POLICY_SITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/pipeline.h"
#include "core/policy.h"

#define FROM_METER 7
#define TO_METER 8
#define CLASS_METER 10 /* of class i in direction d: + 2 i + d */
#define METERS_MAX (2 + 2 * POLICY_CLASSES_MAX)

static inline struct policy_site site_of(const char *address)
{
    struct ip ip;

    assert_int_equal(ip_parse(address, &ip), 0);
    return pipeline_policy_site(cookie_make(COOKIE_VM, 1), &ip);
}

/* Numbers the policy's meters, as a gateway would; returns how many there are in 'meters'. */
static inline size_t number_meters(const struct policy *policy, struct policy_site *site,
                                   struct flow_meter meters[METERS_MAX])
{
    size_t n = 0;

    for (unsigned d = 0; d < 2; d++) {
        if (policy->rate[d].kbps) {
            site->numbers.meters[d] = FROM_METER + d;
            meters[n++] = (struct flow_meter) {FROM_METER + d, policy->rate[d].kbps, policy->rate[d].burst_kbit};
        }
        for (unsigned i = 0; i < policy->n_classes; i++) {
            const struct policy_rate *rate = &policy->classes[i].rate[d];

            if (!rate->kbps)
                continue;
            site->numbers.class_meters[d][i] = CLASS_METER + 2 * i + d;
            meters[n++] = (struct flow_meter) {CLASS_METER + 2 * i + d, rate->kbps, rate->burst_kbit};
        }
    }
    return n;
}

#endif
