/* SPDX-License-Identifier: Apache-2.0 */
/* Policies that are read from flows which an administrator wrote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <stdio.h>
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

static struct admin admin_start(void)
{
    return (struct admin) {.site = site_of("10.0.0.1"),
                           .meters = {{FROM_METER, 1000, 100, false},
                                      {TO_METER, 2000, 0, false},
                                      {LIMIT_METER, 50, 20, true},
                                      {BROKEN_METER, 5000, 1, true},
                                      {ODD_METER, 0, 0, false}}};
}

/* A flow of table TOR_POLICY_TO to 'destination' (null: any address); goto the next table if 'allow'. */
static struct flow *admin_add(struct admin *admin, uint16_t priority, const char *destination, bool allow)
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

static void match_tcp(struct flow *flow, uint16_t port, uint16_t mask)
{
    match_u(&flow->match, FIELD_ETH_TYPE, 0x0800);
    match_u(&flow->match, FIELD_IP_PROTO, 6);
    match_u_masked(&flow->match, FIELD_TCP_DST, port, mask);
}

static int admin_read(struct admin *admin)
{
    return policy_from_flows(admin->list.flows, admin->list.n, admin->meters, ARRAY_LEN(admin->meters), &admin->site,
                             admin->miss_allows, "V1", &admin->policy, &admin->err);
}

static void admin_end(struct admin *admin)
{
    flow_list_free(&admin->list);
    policy_free(&admin->policy);
}

/* Reads the flows and compares rule texts, in order, and the default of TO_VM; ends the case. */
static void expect_rules(struct admin *admin, enum policy_verdict verdict, const char *const *texts)
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
static void expect_refusal(struct admin *admin, const char *why, const char *flow)
{
    admin->policy.n_rules = 12345;
    assert_int_equal(admin_read(admin), ERR_UNSUPPORTED);
    assert_int_equal(admin->policy.n_rules, 12345); /* left alone */
    admin->policy.n_rules = 0;
    if (!strstr(admin->err.text, why) || !strstr(admin->err.text, flow))
        fail_msg("expected \"%s\" and \"%s\" in: %s", why, flow, admin->err.text);
    admin_end(admin);
}

static void reads_prefixes_wildcards_and_foreign_priorities(void **state)
{
    struct admin a = admin_start();

    (void) state;
    match_tcp(admin_add(&a, 500, "10.0.0.0/24", true), 22, 0xffff);
    match_tcp(admin_add(&a, 900, NULL, false), 23, 0xffff);
    admin_add(&a, 700, "10.0.1.0/24", true);            /* of other VMs */
    struct flow *flow = admin_add(&a, 600, NULL, true); /* no packet of an IPv4 address */
    match_u(&flow->match, FIELD_ETH_TYPE, 0x86dd);
    flow = admin_add(&a, 32768, NULL, true); /* our own base flow */
    flow->cookie = cookie_make(COOKIE_BASE, 0);
    flow = admin_add(&a, 100, "10.0.0.1", false);
    flow_add_action(flow, ACTION_RESUBMIT)->table = TOR_FORWARD;
    match_u_masked(&flow->match, FIELD_IPV4_SRC, 0xc6336400, 0xffffff00);
    expect_rules(&a, POLICY_DENY,
                 (const char *const[]) {"to-vm deny tcp destination-port 23", "to-vm allow tcp destination-port 22",
                                        "to-vm allow any remote 198.51.100.0/24", NULL});
}

/* A flow of a class: its DSCP (-1: none) and meter (0: none), then the table of rates. */
static struct flow *add_classed(struct admin *admin, uint16_t port, int dscp, uint32_t meter)
{
    struct flow *flow = admin_add(admin, 100, "10.0.0.1", true);

    match_tcp(flow, port, 0xffff);
    if (dscp >= 0)
        flow_set_u(flow, FIELD_IP_DSCP, (uint64_t) dscp);
    flow->meter = meter;
    flow->goto_table = TOR_RATE_TO;
    return flow;
}

static void reads_classes(void **state)
{
    struct admin a = admin_start();

    (void) state;
    add_classed(&a, 80, 34, FROM_METER);
    add_classed(&a, 443, 34, FROM_METER);
    admin_add(&a, 50, "10.0.0.1", true)->meter = TO_METER;
    struct flow *rate = admin_add(&a, 1, "10.0.0.1", true);
    rate->table = TOR_RATE_TO;
    rate->meter = TO_METER;
    assert_int_equal(admin_read(&a), 0);
    assert_int_equal(a.policy.n_classes, 1);
    assert_string_equal(a.policy.classes[0].name, "dscp-34");
    assert_int_equal(a.policy.classes[0].rate[POLICY_TO_VM].kbps, 1000);
    assert_int_equal(a.policy.rate[POLICY_TO_VM].kbps, 2000);
    policy_free(&a.policy);
    expect_rules(&a, POLICY_ALLOW,
                 (const char *const[]) {"to-vm allow tcp destination-port 80 class-dscp 34",
                                        "to-vm allow tcp destination-port 443 class-dscp 34", NULL});
}

/* An administrator's queues: at two ports towards the fabric, and at the VM's server. */
static const struct flow_queue admin_queues[] = {{.port = 1, .id = 5, .min_kbps = 100, .max_kbps = 200},
                                                 {.port = 2, .id = 5, .min_kbps = 100, .max_kbps = 300},
                                                 {.port = 1, .id = 6},
                                                 {.port = 9, .id = 5, .min_kbps = 1000},
                                                 {.port = 9, .id = 7, .min_kbps = 1000},
                                                 {.port = 9, .id = 8, .priority = 9}, /* Linux has no more than 7 */
                                                 {.port = 1, .id = 9, .max_kbps = 100, .priority = 1},
                                                 {.port = 2, .id = 9, .max_kbps = 100, .priority = 2}};

static struct admin admin_with_queues(void)
{
    struct admin a = admin_start();

    a.site.queues = admin_queues;
    a.site.n_queues = ARRAY_LEN(admin_queues);
    a.site.server_port = 9;
    return a;
}

/* A flow to the VM with a DSCP (-1: none) and a queue. */
static struct flow *add_queued(struct admin *admin, uint16_t port, int dscp, uint32_t queue)
{
    struct flow *flow = admin_add(admin, 100, "10.0.0.1", true);

    match_tcp(flow, port, 0xffff);
    if (dscp >= 0)
        flow_set_u(flow, FIELD_IP_DSCP, (uint64_t) dscp);
    flow_add_action(flow, ACTION_SET_QUEUE)->queue = queue;
    return flow;
}

static void reads_queues(void **state)
{
    struct admin a = admin_with_queues();

    (void) state;
    add_queued(&a, 80, 34, 5);
    add_queued(&a, 81, 34, 5);
    add_queued(&a, 90, 46, 7);
    add_queued(&a, 91, -1, 0); /* what has no queue set */
    add_queued(&a, 92, 10, 8);
    assert_int_equal(admin_read(&a), 0);
    assert_int_equal(a.policy.n_classes, 3);
    assert_int_equal(a.policy.classes[0].queue[POLICY_TO_VM].min_kbps, 0);
    assert_int_equal(a.policy.classes[0].queue[POLICY_TO_VM].priority, POLICY_PRIORITY_MAX);
    assert_int_equal(a.policy.classes[1].queue[POLICY_TO_VM].min_kbps, 1000);
    assert_int_equal(a.policy.classes[1].queue[POLICY_TO_VM].max_kbps, 0);
    assert_int_equal(a.policy.classes[1].queue[POLICY_TO_VM].priority, 0);
    assert_int_equal(policy_check(&a.policy, &a.err), 0);
    policy_free(&a.policy);
    expect_rules(&a, POLICY_DENY,
                 (const char *const[]) {"to-vm allow tcp destination-port 91",
                                        "to-vm allow tcp destination-port 92 class-dscp 10",
                                        "to-vm allow tcp destination-port 80-81 class-dscp 34",
                                        "to-vm allow tcp destination-port 90 class-dscp 46", NULL});
}

static void refuses_queues_that_are_no_class_s(void **state)
{
    static const struct {
        uint32_t queue;
        const char *reason, *action;
    } from_vm[] = {{5, "its queue has other rates", "set_queue:5"},
                   {6, "its queue has neither", "set_queue:6"},
                   {9, "its queue has another priority", "set_queue:9"}};
    struct admin a = admin_with_queues();

    (void) state;
    add_queued(&a, 80, -1, 5);
    expect_refusal(&a, "as a class's without its DSCP", "set_queue:5");

    a = admin_with_queues();
    add_queued(&a, 80, 34, 6); /* which is at another port */
    expect_refusal(&a, "did not show its queue", "set_queue:6");

    a = admin_with_queues();
    add_queued(&a, 80, 34, 5);
    add_queued(&a, 81, 34, 7)->meter = TO_METER; /* equal rates, but shared with nobody */
    expect_refusal(&a, "different meters in one direction", "set_queue:7");

    for (unsigned i = 0; i < ARRAY_LEN(from_vm); i++) {
        a = admin_with_queues();
        struct flow *flow = add_queued(&a, 80, 34, from_vm[i].queue);

        flow->table = TOR_POLICY_FROM;
        flow->goto_table = TOR_POLICY_TO;
        flow->match = (struct flow_match) {0};
        match_u(&flow->match, FIELD_ETH_TYPE, 0x0800);
        match_u(&flow->match, FIELD_IPV4_SRC, 0x0a000001);
        expect_refusal(&a, from_vm[i].reason, from_vm[i].action);
    }
}

static void refuses_what_is_no_class(void **state)
{
    struct admin a = admin_start();

    (void) state;
    add_classed(&a, 80, -1, FROM_METER);
    expect_refusal(&a, "as a class's without its DSCP", "tcp_dst=80");

    a = admin_start();
    add_classed(&a, 80, 34, 0);
    expect_refusal(&a, "as a class's without its meter", "tcp_dst=80");

    a = admin_start();
    add_classed(&a, 80, 34, FROM_METER);
    add_classed(&a, 443, 34, TO_METER);
    expect_refusal(&a, "gives the class of its DSCP another rate or queue", "tcp_dst=443");

    a = admin_start();
    add_classed(&a, 80, 34, FROM_METER);
    admin_add(&a, 50, "10.0.0.1", true)->meter = TO_METER; /* which the class's packets do not meet */
    expect_refusal(&a, "is another than the first's", "meter:8");

    a = admin_start();
    add_classed(&a, 80, 34, FROM_METER);
    match_tcp(admin_add(&a, 1, "10.0.0.1", true), 80, 0xffff);
    a.list.flows[1].table = TOR_RATE_TO;
    expect_refusal(&a, "something else than meter what the VM's address has", "tcp_dst=80");

    a = admin_start();
    for (uint16_t i = 0; i <= POLICY_CLASSES_MAX; i++)
        add_classed(&a, i, i, FROM_METER);
    expect_refusal(&a, "more classes than a policy can have", "tcp_dst=7");
}

/* The flow by which new connections to the VM are limited. */
static struct flow *add_limit(struct admin *admin, uint32_t meter)
{
    struct flow *flow = admin_add(admin, 7, "10.0.0.1", true);

    flow->table = TOR_LIMIT_TO;
    match_u(&flow->match, FIELD_IP_PROTO, 6);
    match_u_masked(&flow->match, FIELD_TCP_FLAGS, 0x02, 0x12);
    flow->meter = meter;
    flow->goto_table = TOR_RATE_TO;
    return flow;
}

static struct flow *add_limited(struct admin *admin, uint16_t port)
{
    struct flow *flow = admin_add(admin, 100, "10.0.0.1", true);

    match_tcp(flow, port, 0xffff);
    flow->goto_table = TOR_LIMIT_TO;
    return flow;
}

/* Of a class with a meter, of one without, and behind them the direction's meter. */
static void reads_a_limit_of_new_connections(void **state)
{
    struct admin a = admin_start();

    (void) state;
    add_limited(&a, 80);
    struct flow *classed = add_limited(&a, 443);
    flow_set_u(classed, FIELD_IP_DSCP, 34);
    classed->meter = FROM_METER;
    add_limit(&a, LIMIT_METER);
    struct flow *rate = admin_add(&a, 1, "10.0.0.1", true);
    rate->table = TOR_RATE_TO;
    rate->meter = TO_METER;
    assert_int_equal(admin_read(&a), 0);
    assert_int_equal(a.policy.new_limit[POLICY_TO_VM].per_second, 50);
    assert_int_equal(a.policy.new_limit[POLICY_TO_VM].burst, 20);
    assert_int_equal(a.policy.new_limit[POLICY_FROM_VM].per_second, 0);
    assert_int_equal(a.policy.rate[POLICY_TO_VM].kbps, 2000);
    assert_int_equal(a.policy.classes[0].rate[POLICY_TO_VM].kbps, 1000);
    policy_free(&a.policy);
    expect_rules(&a, POLICY_DENY,
                 (const char *const[]) {"to-vm allow tcp destination-port 80",
                                        "to-vm allow tcp destination-port 443 class-dscp 34", NULL});

    a = admin_start(); /* the way there, without a limit at its end */
    add_limited(&a, 80);
    assert_int_equal(admin_read(&a), 0);
    assert_int_equal(a.policy.new_limit[POLICY_TO_VM].per_second, 0);
    policy_free(&a.policy);
    admin_end(&a);
}

static void refuses_what_is_no_limit_of_all(void **state)
{
    struct admin a = admin_start();

    (void) state;
    add_limited(&a, 80);
    match_tcp(admin_add(&a, 100, "10.0.0.1", true), 443, 0xffff);
    add_limit(&a, LIMIT_METER);
    expect_refusal(&a, "different limits of new connections", "tcp_dst=443");

    a = admin_start();
    add_limited(&a, 80);
    add_limit(&a, LIMIT_METER);
    a.miss_allows = true;
    expect_refusal(&a, "packets that miss every flow pass without that", "tcp_dst=80");

    a = admin_start();
    add_limited(&a, 80);
    match_u(&add_limit(&a, LIMIT_METER)->match, FIELD_TCP_DST, 81);
    expect_refusal(&a, "something else than limit the VM's address's new connections", "tcp_dst=81");

    a = admin_start();
    add_limited(&a, 80)->meter = FROM_METER;
    add_limit(&a, LIMIT_METER);
    expect_refusal(&a, "as a class's without its DSCP", "tcp_dst=80");
}

static void refuses_meters_of_another_kind(void **state)
{
    static const struct {
        uint32_t limit, rate;
        const char *why;
    } cases[] = {
        {FROM_METER, 0, "its meter counts bits"},
        {BROKEN_METER, 0, "it lets nothing pass"},
        {ODD_METER, 0, "not one that drops what is beyond one rate"},
        {99, 0, "did not show its meter"},
        {0, LIMIT_METER, "its meter counts packets"},
        {0, ODD_METER, "not one that drops what is beyond one rate"},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct admin a = admin_start();
        char text[16];

        add_limited(&a, 80);
        add_limit(&a, cases[i].limit);
        struct flow *rate = admin_add(&a, 1, "10.0.0.1", true);
        rate->table = TOR_RATE_TO;
        rate->meter = cases[i].rate;
        snprintf(text, sizeof text, "%s", cases[i].rate ? "tcp_dst=80" : "meter:");
        expect_refusal(&a, cases[i].why, text);
    }
}

static void reads_default_dscp_meter_and_miss(void **state)
{
    struct admin a = admin_start();

    (void) state;
    flow_set_u(admin_add(&a, 10, "10.0.0.1", true), FIELD_IP_DSCP, 46);
    a.list.flows[0].meter = TO_METER;
    admin_add(&a, 5, "10.0.0.1", false); /* never met */
    assert_int_equal(admin_read(&a), 0);
    assert_int_equal(a.policy.rate[POLICY_TO_VM].kbps, 2000);
    assert_int_equal(a.policy.rate[POLICY_FROM_VM].kbps, 0);
    policy_free(&a.policy);
    expect_rules(&a, POLICY_ALLOW, (const char *const[]) {"to-vm allow any set-dscp 46", NULL});

    a = admin_start();
    a.miss_allows = true;
    match_tcp(admin_add(&a, 10, "10.0.0.1", false), 22, 0xffff);
    expect_rules(&a, POLICY_ALLOW, (const char *const[]) {"to-vm deny tcp destination-port 22", NULL});
}

static void joins_masks_of_one_priority(void **state)
{
    struct admin a = admin_start();

    (void) state;
    match_tcp(admin_add(&a, 10, "10.0.0.1", true), 1000, 0xfff8);
    match_tcp(admin_add(&a, 10, "10.0.0.1", true), 1008, 0xfff0);
    match_tcp(admin_add(&a, 10, "10.0.0.1", true), 1024, 0xffff);
    match_tcp(admin_add(&a, 11, "10.0.0.1", true), 1025, 0xffff);
    match_tcp(admin_add(&a, 10, "10.0.0.1", true), 1026, 0xffff);
    expect_rules(&a, POLICY_DENY,
                 (const char *const[]) {"to-vm allow tcp destination-port 1025",
                                        "to-vm allow tcp destination-port 1000-1024",
                                        "to-vm allow tcp destination-port 1026", NULL});
}

static void joins_remotes_of_one_priority(void **state)
{
    struct admin a = admin_start();

    (void) state;
    for (unsigned i = 0; i < 3; i++) {
        struct flow *flow = admin_add(&a, 10, "10.0.0.1", true);

        match_u_masked(&flow->match, FIELD_IPV4_SRC, 0xc0000200 + i, 0xffffffff);
        match_tcp(flow, 22, 0xffff);
    }
    match_tcp(admin_add(&a, 10, "10.0.0.1", true), 80, 0xffff);
    match_u_masked(&admin_add(&a, 9, "10.0.0.1", true)->match, FIELD_IPV4_SRC, 0xc0000203, 0xffffffff);
    expect_rules(
        &a, POLICY_DENY,
        (const char *const[]) {"to-vm allow tcp remote 192.0.2.0/32,192.0.2.1/32,192.0.2.2/32 destination-port 22",
                               "to-vm allow tcp destination-port 80", "to-vm allow any remote 192.0.2.3/32", NULL});
}

static struct flow *add_clause(struct admin *admin, uint16_t priority, uint32_t id, uint8_t clause, uint8_t n)
{
    struct flow *flow = admin_add(admin, priority, "10.0.0.1", false);

    flow_add_action(flow, ACTION_CONJUNCTION)->conjunction = (struct flow_conjunction) {id, clause, n};
    return flow;
}

/* Two clauses: from one of two addresses, to one of two ports. */
static void add_conjunction(struct admin *admin, uint16_t priority, uint32_t id)
{
    for (unsigned i = 0; i < 2; i++) {
        match_u(&add_clause(admin, priority, id, 1, 2)->match, FIELD_IPV4_SRC, 0xc0000201 + i);
        match_tcp(add_clause(admin, priority, id, 2, 2), (uint16_t) (22 + 58 * i), 0xffff);
    }
}

static struct flow *add_joint(struct admin *admin, uint16_t priority, uint32_t id)
{
    struct flow *flow = admin_add(admin, priority, NULL, true);

    match_u(&flow->match, FIELD_CONJ_ID, id);
    return flow;
}

static void reads_conjunctions(void **state)
{
    struct admin a = admin_start();
    static const char *const expected[] = {
        "to-vm allow tcp remote 192.0.2.1/32,192.0.2.2/32 destination-port 22 set-dscp 46",
        "to-vm allow tcp remote 192.0.2.1/32,192.0.2.2/32 destination-port 80 set-dscp 46",
        "to-vm deny any remote 192.0.2.0/24", NULL};

    (void) state;
    add_conjunction(&a, 10, 7);
    flow_set_u(add_joint(&a, 10, 7), FIELD_IP_DSCP, 46);
    match_u_masked(&admin_add(&a, 9, "10.0.0.1", false)->match, FIELD_IPV4_SRC, 0xc0000200, 0xffffff00);
    match_u(&add_clause(&a, 8, 8, 1, 2)->match, FIELD_IPV4_SRC, 0xc0000209); /* the other clause is missing */
    add_joint(&a, 8, 8);
    add_conjunction(&a, 6, 9); /* which leads nowhere */
    expect_rules(&a, POLICY_DENY, expected);
}

static void refuses_crooked_conjunctions(void **state)
{
    static const char *const why[] = {"does something else", "several flows", "lower priority", "behind another",
                                      "another number",      "matches more",  "single conj_id", "at one priority"};

    (void) state;
    for (unsigned i = 0; i < ARRAY_LEN(why); i++) {
        struct admin a = admin_start();

        add_conjunction(&a, 10, 7);
        struct flow *joint = add_joint(&a, i == 2 ? 9 : 10, 7);
        switch (i) {
        case 0:
            flow_set_u(&a.list.flows[0], FIELD_IP_DSCP, 46);
            break;
        case 1:
            add_joint(&a, 11, 7);
            break;
        case 3:
            match_u(&a.list.flows[0].match, FIELD_CONJ_ID, 8);
            break;
        case 4:
            add_clause(&a, 10, 7, 3, 3);
            break;
        case 5:
            match_u(&joint->match, FIELD_ETH_TYPE, 0x0800);
            match_u(&joint->match, FIELD_IPV4_SRC, 0xc0000201);
            break;
        case 6:
            match_u_masked(&joint->match, FIELD_CONJ_ID, 6, 6);
            break;
        case 7:
            match_u(&admin_add(&a, 10, "10.0.0.1", false)->match, FIELD_IPV4_SRC, 0xc0000202);
            break;
        default:
            break;
        }
        expect_refusal(&a, why[i], "priority=");
    }
}

/* Flows that would be read for hours, or fill the memory, are refused by name. */
static void bounds_what_many_conjunctions_take(void **state)
{
    struct admin a = admin_start();

    (void) state;
    for (unsigned i = 0; i < 100; i++) { /* of each of 255 conjunctions 50 addresses and 50 ports */
        struct flow *flow = admin_add(&a, 10, "10.0.0.1", false);

        if (i % 2)
            match_tcp(flow, (uint16_t) (2 * i), 0xffff);
        else
            match_u(&flow->match, FIELD_IPV4_SRC, 0xc0000200 + i);
        for (unsigned id = 1; id <= FLOW_ACTIONS_MAX; id++)
            flow_add_action(flow, ACTION_CONJUNCTION)->conjunction = (struct flow_conjunction) {id, 1 + i % 2, 2};
    }
    for (unsigned id = 1; id <= FLOW_ACTIONS_MAX; id++)
        add_joint(&a, 10, id);
    expect_refusal(&a, "more combinations", "conjunction(");

    a = admin_start();
    for (unsigned i = 0; i < 2100; i++) {
        struct flow *flow = admin_add(&a, 10, "10.0.0.1", false);

        match_u(&flow->match, FIELD_IPV4_SRC, 0xc0000000 + i);
        for (unsigned id = 1; id <= FLOW_ACTIONS_MAX; id++)
            flow_add_action(flow, ACTION_CONJUNCTION)->conjunction = (struct flow_conjunction) {id, 1, 2};
    }
    expect_refusal(&a, "more clauses", "conjunction(");
}

static void bounds_what_one_priority_takes(void **state)
{
    struct admin a = admin_start();

    (void) state;
    for (unsigned i = 0; i < 3 * ADDRESS_SET_PREFIXES_MAX; i++) {
        struct flow *flow = admin_add(&a, 10, "10.0.0.1", i % 3 == 0);

        match_u(&flow->match, FIELD_IPV4_SRC, 0xc0000000 + i);
        if (i % 3 == 1)
            match_tcp(flow, 22, 0xffff);
    }
    expect_refusal(&a, "too many of one priority", "ip_src=192.0.");

    a = admin_start();
    for (unsigned i = 0; i <= POLICY_RULES_MAX; i++)
        match_tcp(admin_add(&a, (uint16_t) (10000 - i), "10.0.0.1", i % 2), (uint16_t) (1 + i), 0xffff);
    expect_refusal(&a, "more rules than a policy has", "priority=5904");

    a = admin_start();
    for (unsigned i = 0; i <= POLICY_REMOTES_MAX; i++)
        match_u(&admin_add(&a, (uint16_t) (10000 - i / 4096), "10.0.0.1", true)->match, FIELD_IPV4_SRC, 0xc0000000 + i);
    expect_refusal(&a, "more addresses than a policy has", "priority=9984");
}

static void reads_flags_dscp_and_codes(void **state)
{
    struct admin a = admin_start();
    struct flow *flow = admin_add(&a, 12, "10.0.0.1", true);

    (void) state;
    match_tcp(flow, 22, 0xffff);
    match_u_masked(&flow->match, FIELD_TCP_FLAGS, 0x002, 0x012);
    flow = admin_add(&a, 11, "10.0.0.1", true);
    match_u(&flow->match, FIELD_IP_PROTO, 1);
    match_u(&flow->match, FIELD_ICMPV4_TYPE, 3);
    match_u(&flow->match, FIELD_ICMPV4_CODE, 4);
    match_u(&admin_add(&a, 10, "10.0.0.1", false)->match, FIELD_IP_DSCP, 46);
    admin_add(&a, 9, "10.0.0.1", true);
    expect_rules(&a, POLICY_ALLOW,
                 (const char *const[]) {"to-vm allow tcp destination-port 22 tcp-flags syn,!ack",
                                        "to-vm allow icmp icmp-type 3 icmp-code 4", "to-vm deny any dscp 46", NULL});
}

/* in_port, MAC and registers are the VM's own where another flow says so. */
static void accepts_the_vms_own_mac_and_port(void **state)
{
    struct admin a = admin_start();
    struct flow *flow = admin_add(&a, 10, "10.0.0.1", true);
    struct flow spoof = flow_make(TOR_SPOOF, 100, 0);

    (void) state;
    match_u(&flow->match, FIELD_REG0, 3);
    match_tcp(flow, 22, 0xffff);
    flow = admin_add(&a, 9, NULL, true);
    match_u(&flow->match, FIELD_REG0, 3);
    match_u(&flow->match, FIELD_ETH_DST, 0x525400000001);
    match_tcp(flow, 23, 0xffff);
    flow = admin_add(&a, 8, NULL, true); /* somebody else's MAC */
    match_u(&flow->match, FIELD_ETH_DST, 0x525400000002);
    match_tcp(flow, 24, 0xffff);
    match_u(&spoof.match, FIELD_IN_PORT, 4);
    match_u(&spoof.match, FIELD_ETH_SRC, 0x525400000001);
    match_u(&spoof.match, FIELD_ETH_TYPE, 0x0800);
    match_u(&spoof.match, FIELD_IPV4_SRC, 0x0a000001);
    flow_list_add(&a.list, spoof);
    expect_rules(
        &a, POLICY_DENY,
        (const char *const[]) {"to-vm allow tcp destination-port 22", "to-vm allow tcp destination-port 23", NULL});

    a = admin_start();
    flow = admin_add(&a, 9, NULL, true);
    match_u(&flow->match, FIELD_ETH_DST, 0x525400000001);
    expect_refusal(&a, "no other flow tells", "priority=9");

    a = admin_start();
    match_u(&admin_add(&a, 9, "10.0.0.1", true)->match, FIELD_REG0, 1);
    match_u(&admin_add(&a, 8, "10.0.0.1", true)->match, FIELD_REG0, 2);
    expect_refusal(&a, "disagree", "priority=8");

    a = admin_start();
    match_u(&admin_add(&a, 9, "10.0.0.1", true)->match, FIELD_IN_PORT, 1); /* where a packet to the VM came from */
    expect_refusal(&a, "no word for", "in_port=1");
}

static void refuses_what_a_policy_cannot_say(void **state)
{
    static const struct {
        enum flow_field_id field;
        uint64_t value, mask;
        const char *why;
    } cases[] = {
        {FIELD_TCP_FLAGS, 2, 0xfff, "reserved bits"},
        {FIELD_IP_DSCP, 40, 0x38, "masks a protocol, a DSCP"},
        {FIELD_ICMPV4_CODE, 0, 0xff, "without its type"},
        {FIELD_IP_ECN, 1, 3, "no word for"},
        {FIELD_METADATA, 1, 1, "no word for"},
        {FIELD_VLAN_VID, 0x1005, 0x1fff, "no word for"},
        {FIELD_TCP_DST, 1, 1, "no range"},
        {FIELD_TCP_SRC, 0x50, 0xf0ff, "no range"},
        {FIELD_IPV4_SRC, 1, 0xff0000ff, "no prefix"},
        {FIELD_UDP_DST, 1, 0xffff, "without their protocol"},
        {FIELD_ICMPV4_TYPE, 8, 0xff, "without its protocol"},
        {FIELD_REG2, 1, 0xffffffff, "no word for"},
        {FIELD_IP_PROTO, 4, 0xfc, "masks a protocol"},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct admin a = admin_start();
        struct flow *flow = admin_add(&a, 10, "10.0.0.1", true);

        match_u(&flow->match, FIELD_IP_PROTO, 6);
        match_u_masked(&flow->match, cases[i].field, cases[i].value, cases[i].mask);
        admin_add(&a, 9, "10.0.0.1", true);
        expect_refusal(&a, cases[i].why, "priority=10");
    }
}

static void refuses_other_instructions(void **state)
{
    (void) state;
    for (unsigned i = 0; i < 9; i++) {
        struct admin a = admin_start();
        struct flow *flow = admin_add(&a, 10, "10.0.0.1", i != 1 && i != 2);
        static const char *const why[] = {"something else", "something else", "another table",
                                          "another table",  "metadata",       "expires",
                                          "expires",        "not understood", "something else"};

        switch (i) {
        case 0:
            flow_set_u(flow, FIELD_ETH_DST, 1);
            break;
        case 1:
            flow_output(flow, 3);
            break;
        case 2:
            flow_add_action(flow, ACTION_RESUBMIT)->table = 77;
            break;
        case 3:
            flow->goto_table = 77;
            break;
        case 4:
            flow->metadata_mask = 1;
            break;
        case 5:
            flow->idle_timeout = 1;
            break;
        case 6:
            flow->hard_timeout = 1;
            break;
        case 7:
            flow->has_unknown = true;
            break;
        case 8: /* passed on twice */
            flow_add_action(flow, ACTION_RESUBMIT)->table = TOR_FORWARD;
            break;
        }
        expect_refusal(&a, why[i], "priority=10");
    }
}

/* A policy by which the VM may ask over TCP, and what its flows mean when one of them was changed. */
static void refuses_halves_of_stateful_rules(void **state)
{
    static const struct {
        const char *why, *before; /* the number of the table, in the flow's text */
        int table;
    } cases[] = {
        {"one denies replies that the other awaits", ",table=", TOR_POLICY_TO},
        {"no flow lets the replies pass that it awaits", "resubmit(,", TOR_STATE_FROM},
        {"no flow learns of the replies that it awaits", "resubmit(,", TOR_STATE_FROM},
        {"it lets replies pass, but no flow awaits any", ",table=", TOR_POLICY_TO},
        {"they have different meters in one direction", ",table=", TOR_VERDICT_TO},
        {"no flow learns of the replies that it awaits", "resubmit(,", TOR_STATE_FROM},
        {"it awaits replies to packets that have none", "resubmit(,", TOR_STATE_FROM},
    };
    struct policy policy = {.name = "V1"};
    struct policy_rule rule = policy_rule_any(POLICY_FROM_VM, POLICY_ALLOW);

    (void) state;
    rule.protocol = 6;
    rule.stateful = true;
    policy_add_rule(&policy, rule);
    rule = policy_rule_any(POLICY_TO_VM, POLICY_ALLOW);
    rule.protocol = 17;
    policy_add_rule(&policy, rule);
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct admin a = admin_start();
        struct flow_txn txn = {0};
        char text[64];

        policy_to_flows(&policy, &a.site, &txn);
        for (size_t m = 0; m < txn.n_mods; m++) {
            struct flow flow = flow_copy(&txn.mods[m].flow);
            bool learns = flow.n_actions && flow.actions[0].type == ACTION_LEARN;
            bool awaits = flow.table == TOR_POLICY_FROM && flow.n_actions == 3;

            if (i == 0 && flow.table == TOR_POLICY_TO && flow.priority == POLICY_PRIORITY_DEFAULT) {
                flow.goto_table = FLOW_NO_GOTO;
                flow.n_actions = 0;
            }
            if (i == 1 && flow.table == TOR_VERDICT_TO)
                flow.match.n--;
            if (i == 2 && learns)
                flow.actions[0].learn.specs[2].source = FIELD_IPV4_SRC;
            if (i == 3 && awaits)
                flow.n_actions = 0;
            if (i == 5 && flow.table == TOR_STATE_FROM && !flow.n_actions)
                match_u(&flow.match, FIELD_TCP_FLAGS, 4);
            if (i == 6 && awaits)
                match_u(&flow.match, FIELD_IP_PROTO, 47);
            if (i == 4 && flow.table == TOR_VERDICT_TO)
                flow.meter = TO_METER;
            flow_list_add(&a.list, flow);
        }
        flow_txn_free(&txn);
        snprintf(text, sizeof text, "%s%d", cases[i].before, cases[i].table);
        expect_refusal(&a, cases[i].why, text);
    }
    policy_free(&policy);
}

/* A policy that rejects all but what it knows, and what its flows mean when one of them was changed. */
static void refuses_halves_of_rejections(void **state)
{
    static const char *const whys[] = {"no flow hands to the gateway what it rejects",
                                       "no flow hands to the gateway what it rejects", "it does something else",
                                       "it does something else", "one denies replies that the other awaits"};
    struct policy policy = {.name = "V1", .default_verdict = {POLICY_ALLOW, POLICY_REJECT}}, other = policy;
    struct policy_rule rule = policy_rule_any(POLICY_FROM_VM, POLICY_ALLOW);

    (void) state;
    rule.stateful = true;
    policy_add_rule(&policy, rule);
    for (unsigned i = 0; i <= ARRAY_LEN(whys); i++) {
        struct admin a = admin_start();
        struct flow_txn txn = {0};
        char *witness = NULL;

        policy_to_flows(&policy, &a.site, &txn);
        for (size_t m = 0; m < txn.n_mods; m++) {
            struct flow flow = flow_copy(&txn.mods[m].flow);
            bool rejects = flow.table == TOR_POLICY_TO;
            bool tells = flow.n_actions == 1 && flow.actions[0].type == ACTION_OUTPUT;

            if (i == 0 && tells)
                flow.match.n--; /* reg6 */
            if (i == 1 && tells)
                flow.actions[0].max_len = 64;
            if (i == 2 && rejects)
                flow.actions[0].field.value[3] = 4;
            if (i == 3 && rejects)
                flow.actions[1].table = TOR_STATE_FROM;
            if (i == 4 && rejects)
                flow.n_actions = 1;
            flow_list_add(&a.list, flow);
        }
        flow_txn_free(&txn);
        if (i < ARRAY_LEN(whys)) {
            expect_refusal(&a, whys[i], ",table=");
            continue;
        }
        assert_int_equal(admin_read(&a), 0);
        assert_true(policy_equivalent_in(&a.policy, &policy, IP_V4, NULL));
        assert_false(policy_equivalent_in(&a.policy, &other, IP_V4, &witness));
        free(witness);
        admin_end(&a);
    }
    policy_free(&policy);
}

static void refuses_packets_to_a_controller(void **state)
{
    struct admin a = admin_start();
    struct flow *flow = admin_add(&a, 100, "10.0.0.1", false);

    (void) state;
    flow_output(flow, PORT_CONTROLLER);
    expect_refusal(&a, "it does something else", "CONTROLLER");

    a = admin_start();
    admin_add(&a, 100, "10.0.0.1", true);
    flow = admin_add(&a, 200, "10.0.0.0/8", false);
    flow->table = TOR_VERDICT_TO;
    flow_output(flow, PORT_CONTROLLER);
    expect_refusal(&a, "it does something else than let replies pass", "CONTROLLER");
}

static void refuses_ambiguous_overlaps(void **state)
{
    struct admin a = admin_start();

    (void) state;
    match_tcp(admin_add(&a, 10, "10.0.0.1", true), 80, 0xfff0);
    match_u_masked(&admin_add(&a, 10, "10.0.0.1", false)->match, FIELD_IPV4_SRC, 0x0a000000, 0xff000000);
    expect_refusal(&a, "overlap", "actions=drop and cookie");

    /* Apart, alike or at another priority they are fine. */
    a = admin_start();
    match_tcp(admin_add(&a, 10, "10.0.0.1", true), 80, 0xffff);
    match_tcp(admin_add(&a, 10, "10.0.0.1", false), 81, 0xffff);
    match_tcp(admin_add(&a, 10, "10.0.0.0/24", true), 80, 0xfffe);
    a.list.flows[2].priority = 9;
    match_tcp(admin_add(&a, 8, "10.0.0.1", false), 80, 0xfffe);
    match_u_masked(&admin_add(&a, 8, "10.0.0.1", false)->match, FIELD_IPV4_SRC, 0x0a000000, 0xff000000);
    assert_int_equal(admin_read(&a), 0);
    assert_int_equal(a.policy.n_rules, 5);
    admin_end(&a);
}

static void refuses_meters_that_differ_or_are_unknown(void **state)
{
    struct admin a = admin_start();

    (void) state;
    match_tcp(admin_add(&a, 10, "10.0.0.1", true), 80, 0xffff);
    a.list.flows[0].meter = TO_METER;
    match_tcp(admin_add(&a, 9, "10.0.0.1", true), 81, 0xffff);
    expect_refusal(&a, "different meters", "priority=9");

    a = admin_start();
    admin_add(&a, 10, "10.0.0.1", true)->meter = 99;
    expect_refusal(&a, "did not show its meter", "priority=10");

    a = admin_start();
    a.miss_allows = true;
    match_tcp(admin_add(&a, 10, "10.0.0.1", true), 80, 0xffff);
    a.list.flows[0].meter = TO_METER;
    expect_refusal(&a, "miss every flow", "priority=10");
}

static void finds_nothing_for_another_vm(void **state)
{
    struct admin a = admin_start();

    (void) state;
    admin_add(&a, 10, "10.0.0.2", true);
    admin_add(&a, 10, "10.0.0.1", true)->table = TOR_FORWARD;
    assert_int_equal(admin_read(&a), ERR_NOT_FOUND);
    assert_string_equal(a.err.text, "policy V1: no flow of the policy tables concerns the VM's address");
    admin_end(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_classes),
        cmocka_unit_test(reads_a_limit_of_new_connections),
        cmocka_unit_test(refuses_what_is_no_limit_of_all),
        cmocka_unit_test(refuses_meters_of_another_kind),
        cmocka_unit_test(reads_queues),
        cmocka_unit_test(refuses_queues_that_are_no_class_s),
        cmocka_unit_test(refuses_what_is_no_class),
        cmocka_unit_test(reads_prefixes_wildcards_and_foreign_priorities),
        cmocka_unit_test(reads_default_dscp_meter_and_miss),
        cmocka_unit_test(joins_masks_of_one_priority),
        cmocka_unit_test(joins_remotes_of_one_priority),
        cmocka_unit_test(reads_conjunctions),
        cmocka_unit_test(refuses_crooked_conjunctions),
        cmocka_unit_test(bounds_what_many_conjunctions_take),
        cmocka_unit_test(bounds_what_one_priority_takes),
        cmocka_unit_test(reads_flags_dscp_and_codes),
        cmocka_unit_test(accepts_the_vms_own_mac_and_port),
        cmocka_unit_test(refuses_what_a_policy_cannot_say),
        cmocka_unit_test(refuses_other_instructions),
        cmocka_unit_test(refuses_halves_of_stateful_rules),
        cmocka_unit_test(refuses_halves_of_rejections),
        cmocka_unit_test(refuses_packets_to_a_controller),
        cmocka_unit_test(refuses_ambiguous_overlaps),
        cmocka_unit_test(refuses_meters_that_differ_or_are_unknown),
        cmocka_unit_test(finds_nothing_for_another_vm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
