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
#define CLASS_METER 10  /* of class i in direction d: + 2 i + d */
#define CLASS_QUEUE 100 /* of class i in direction d: + 2 i + d */
#define REJECT_METER 3  /* + direction */
#define SERVER_PORT 3
#define QUEUES_MAX (2 * POLICY_CLASSES_MAX)
#define LIMIT_METER 5 /* of direction d: + d */
#define METERS_MAX (4 + 2 * POLICY_CLASSES_MAX)

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
        site->numbers.reject_meters[d] = REJECT_METER + d;
        if (policy->rate[d].kbps) {
            site->numbers.meters[d] = FROM_METER + d;
            meters[n++] = (struct flow_meter) {FROM_METER + d, policy->rate[d].kbps, policy->rate[d].burst_kbit, false};
        }
        if (policy->new_limit[d].per_second) {
            site->numbers.limit_meters[d] = LIMIT_METER + d;
            meters[n++] = (struct flow_meter) {LIMIT_METER + d, policy->new_limit[d].per_second,
                                               policy->new_limit[d].burst, true};
        }
        for (unsigned i = 0; i < policy->n_classes; i++) {
            const struct policy_rate *rate = &policy->classes[i].rate[d];

            if (!rate->kbps)
                continue;
            site->numbers.class_meters[d][i] = CLASS_METER + 2 * i + d;
            meters[n++] = (struct flow_meter) {CLASS_METER + 2 * i + d, rate->kbps, rate->burst_kbit, false};
        }
    }
    return n;
}

/* The same for its queues, which the site then has; returns how many there are in 'queues'. */
static inline size_t number_queues(const struct policy *policy, struct policy_site *site,
                                   struct flow_queue queues[QUEUES_MAX])
{
    size_t n = 0;

    for (unsigned d = 0; d < 2; d++) {
        for (unsigned i = 0; i < policy->n_classes; i++) {
            const struct policy_queue *queue = &policy->classes[i].queue[d];

            if (!policy_class_queued(&policy->classes[i], d))
                continue;
            site->numbers.class_queues[d][i] = CLASS_QUEUE + 2 * i + d;
            queues[n++] = (struct flow_queue) {.port = d == POLICY_TO_VM ? SERVER_PORT : SERVER_PORT + 1,
                                               .id = CLASS_QUEUE + 2 * i + d,
                                               .min_kbps = queue->min_kbps,
                                               .max_kbps = queue->max_kbps,
                                               .priority = queue->priority};
        }
    }
    site->queues = queues;
    site->n_queues = n;
    site->server_port = SERVER_PORT;
    return n;
}

#endif
