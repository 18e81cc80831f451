/* SPDX-License-Identifier: Apache-2.0 */
/* Rates, queues and limits that are read from flows which an administrator wrote. */
#include <stdio.h>

#include "policy_admin.h"

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
        cmocka_unit_test(reads_default_dscp_meter_and_miss),
        cmocka_unit_test(refuses_meters_that_differ_or_are_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
