/* SPDX-License-Identifier: Apache-2.0 */
/* Flows which an administrator wrote, and what the gateway reads from them. */
#ifndef POLICY_ADMIN_H
#define POLICY_ADMIN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "policy_site.h"

struct admin {
    struct flow_list list;
    struct policy_site site;
    struct flow_meter meters[5];
    bool miss_allows;
    struct policy policy;
    struct err err;
};

#define BROKEN_METER 20 /* its burst is too small for its rate */
#define ODD_METER 21    /* of a kind that the gateway does not know */

static inline struct admin admin_start(void)
{
    return (struct admin) {.site = site_of("10.0.0.1"),
                           .meters = {{FROM_METER, 1000, 100, false},
                                      {TO_METER, 2000, 0, false},
                                      {LIMIT_METER, 50, 20, true},
                                      {BROKEN_METER, 5000, 1, true},
                                      {ODD_METER, 0, 0, false}}};
}

/* A flow of table TOR_POLICY_TO to 'destination' (null: any address); goto the next table if 'allow'. */
static inline struct flow *admin_add(struct admin *admin, uint16_t priority, const char *destination, bool allow)
{
    struct flow flow = flow_make(TOR_POLICY_TO, priority, 0);

    if (destination) {
        struct prefix prefix;

        assert_int_equal(prefix_parse(destination, &prefix), 0);
        match_prefix(&flow.match, FIELD_IPV4_DST, FIELD_IPV6_DST, &prefix);
    }
    if (allow)
        flow.goto_table = TOR_FORWARD;
    flow_list_add(&admin->list, flow);
    return &admin->list.flows[admin->list.n - 1];
}

static inline void match_tcp(struct flow *flow, uint16_t port, uint16_t mask)
{
    match_u(&flow->match, FIELD_ETH_TYPE, 0x0800);
    match_u(&flow->match, FIELD_IP_PROTO, 6);
    match_u_masked(&flow->match, FIELD_TCP_DST, port, mask);
}

static inline int admin_read(struct admin *admin)
{
    return policy_from_flows(admin->list.flows, admin->list.n, admin->meters, ARRAY_LEN(admin->meters), &admin->site,
                             admin->miss_allows, "V1", &admin->policy, &admin->err);
}

static inline void admin_end(struct admin *admin)
{
    flow_list_free(&admin->list);
    policy_free(&admin->policy);
}

/* Reads the flows and compares rule texts, in order, and the default of TO_VM; ends the case. */
static inline void expect_rules(struct admin *admin, enum policy_verdict verdict, const char *const *texts)
{
    size_t n = 0;

    if (admin_read(admin) < 0)
        fail_msg("%s", admin->err.text);
    for (; texts[n]; n++) {
        assert_true(n < admin->policy.n_rules);
        char *text = policy_rule_format(&admin->policy.rules[n]);
        assert_string_equal(text, texts[n]);
        free(text);
    }
    assert_int_equal(admin->policy.n_rules, n);
    assert_int_equal(admin->policy.default_verdict[POLICY_TO_VM], verdict);
    assert_string_equal(admin->policy.name, "V1");
    admin_end(admin);
}

/* Expects a refusal that says 'why' and names 'flow' (a piece of its text). */
static inline void expect_refusal(struct admin *admin, const char *why, const char *flow)
{
    admin->policy.n_rules = 12345;
    assert_int_equal(admin_read(admin), ERR_UNSUPPORTED);
    assert_int_equal(admin->policy.n_rules, 12345); /* left alone */
    admin->policy.n_rules = 0;
    if (!strstr(admin->err.text, why) || !strstr(admin->err.text, flow))
        fail_msg("expected \"%s\" and \"%s\" in: %s", why, flow, admin->err.text);
    admin_end(admin);
}

#endif
