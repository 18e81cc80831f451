/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that are read from flows which an administrator wrote. */
#include <stdio.h>

#include "policy_admin.h"

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
        cmocka_unit_test(reads_prefixes_wildcards_and_foreign_priorities),
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
        cmocka_unit_test(finds_nothing_for_another_vm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
