/* SPDX-License-Identifier: Apache-2.0 */
/* Policies to flows: packet by packet against a reference. */
#include "policy_flows.h"

/* What is marked as rejected, and is no reply, goes to the gateway. */
static void expect_told(const struct flow_list *list, const struct policy_site *site, enum policy_direction direction,
                        const struct flow_match *header)
{
    struct flow_match marked = *header;

    match_u(&marked, FIELD_REG6, 3);
    const struct flow *verdict = flow_lookup(list, site->verdict_table[direction], &marked);
    assert_non_null(verdict);
    assert_int_equal(verdict->meter, site->numbers.reject_meters[direction]);
    assert_true(verdict->n_actions == 1 && verdict->goto_table == FLOW_NO_GOTO);
    assert_int_equal(verdict->actions[0].port, PORT_CONTROLLER);
    assert_int_equal(verdict->actions[0].max_len, site->ip.family == IP_V6 ? 1246 : 562);
}

/* The packet is in the class of its DSCP: it has that one's queue and meter. */
static int flows_decide_class(const struct flow_list *list, const struct policy *policy, const struct policy_site *site,
                              enum policy_direction direction, const struct packet *p, const struct flow *flow)
{
    unsigned teaches = teaching(flow, site, direction);
    int dscp = (int) flow_field_u(&flow->actions[teaches].field), class = policy_class_find(policy, dscp);
    uint32_t queue = flow->n_actions > teaches + 1 ? flow->actions[teaches + 1].queue : 0;

    assert_int_equal(queue, site->numbers.class_queues[direction][class]);
    check_meters(list, site, direction, p, site->numbers.class_meters[direction][class], flow);
    return DECIDED_CLASS + dscp;
}

/* As policy_decide(). The meters, too, have to be the class's and the direction's. */
static int flows_decide(const struct flow_list *list, const struct policy *policy, const struct policy_site *site,
                        enum policy_direction direction, const struct packet *p)
{
    struct flow_match header = header_of(site, direction, p);
    const struct flow *best = flow_lookup(list, site->table[direction], &header);

    assert_non_null(best);
    if (best->goto_table == FLOW_NO_GOTO) {
        assert_int_equal(best->n_actions, 0);
        return DECIDED_DENY;
    }
    if (flow_marks_rejected(best)) {
        assert_true(best->n_actions == 1 || flow_asks(best, site, direction));
        assert_int_equal(best->goto_table, site->verdict_table[direction]);
        expect_told(list, site, direction, &header);
        return DECIDED_REJECT;
    }
    if (flow_asks(best, site, direction))
        return DECIDED_DENY;
    unsigned teaches = teaching(best, site, direction);
    int replies = teaches ? DECIDED_REPLIES : 0;
    bool limited = best->goto_table == site->limit_table[direction];
    assert_int_equal(limited, site->numbers.limit_meters[direction] != 0);
    if (best->goto_table == site->rate_table[direction] || (limited && best->meter) || best->n_actions > 1 + teaches)
        return flows_decide_class(list, policy, site, direction, p, best) + replies;
    check_meters(list, site, direction, p, 0, best);
    if (best->n_actions == teaches)
        return 64 + replies;
    assert_int_equal(best->n_actions, 1 + teaches);
    assert_int_equal(best->actions[teaches].field.id, FIELD_IP_DSCP);
    return (int) flow_field_u(&best->actions[teaches].field) + replies;
}

static void compare_packets(struct random *r, const struct flow_list *list, const struct policy *policy,
                            const struct policy_site *site, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        enum policy_direction direction = random_below(r, 2);
        struct packet p = random_packet(r, site->ip.family);

        if (policy->n_rules && random_below(r, 4))
            packet_at_border(r, &policy->rules[random_below(r, (uint32_t) policy->n_rules)], &p);
        assert_int_equal(flows_decide(list, policy, site, direction, &p), policy_decide(policy, direction, &p));
    }
}

static size_t count_clauses(const struct flow_list *list)
{
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++)
        n += flow_is_clause(&list->flows[i]);
    return n;
}

static void flows_treat_packets_as_the_policy(void **state)
{
    struct random r = {11};
    const char *const addresses[] = {"10.0.0.1", "2000::1"};
    unsigned n_conjunctive = 0, n_rounds = rounds(4000);

    (void) state;
    for (unsigned round = 0; round < n_rounds; round++) {
        struct policy_site site = site_of(addresses[round % 2]);
        struct policy policy = random_policy(&r, random_below(&r, 10), false);
        struct flow_meter meters[METERS_MAX];
        struct flow_queue queues[QUEUES_MAX];

        number_meters(&policy, &site, meters);
        number_queues(&policy, &site, queues);
        struct flow_list list = flows_of(&policy, &site);
        compare_packets(&r, &list, &policy, &site, 20);
        n_conjunctive += count_clauses(&list) > 0;
        flow_list_free(&list);
        policy_free(&policy);
    }
    assert_true(n_conjunctive > n_rounds / 100);
}

/* A policy that would take some 100,000 flows as products, and what is read back from what it takes. */
static void large_policies_take_few_flows(void **state)
{
    struct random r = {12};
    struct policy_site site = site_of("10.0.0.1");
    struct policy policy = {.name = "V1"}, back;
    struct err err = {0};
    char *witness = NULL;

    (void) state;
    for (unsigned i = 0; i < 1000; i++) {
        struct policy_rule rule = policy_rule_any(random_below(&r, 2), random_below(&r, 2));

        rule.protocol = random_below(&r, 2) ? 6 : 17;
        rule.destination_port = (struct port_range) {(uint16_t) (i * 10 + 1), (uint16_t) (i * 10 + 1022)};
        if (i % 10 == 0)
            policy_add_set(&policy, random_set(&r, true, ""));
        rule.remotes = policy.sets[i / 10];
        policy_add_rule(&policy, rule);
    }
    struct flow_list list = flows_of(&policy, &site);
    assert_in_range(list.n, 10000, 30000);
    assert_true(count_clauses(&list) > 0);
    compare_packets(&r, &list, &policy, &site, 50);
    if (policy_from_flows(list.flows, list.n, NULL, 0, &site, false, "V1", &back, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(back.n_rules <= policy.n_rules);
    if (!policy_equivalent(&policy, &back, &witness))
        fail_msg("%s", witness);
    policy_free(&back);
    policy_free(&policy);
    flow_list_free(&list);
}

static void ranges_become_the_fewest_masks(void **state)
{
    static const struct {
        struct port_range range;
        size_t masks;
    } cases[] = {
        {{0, 65535}, 1},     {{80, 80}, 1},     {{1024, 65535}, 6}, {{1, 65534}, 30}, {{0, 0}, 1},
        {{65535, 65535}, 1}, {{1000, 1999}, 7}, {{80, 81}, 1},      {{81, 82}, 2},    {{32768, 65535}, 1},
    };
    struct policy_site site = site_of("10.0.0.1");

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct policy policy = {.name = "V1"};
        struct policy_rule rule = policy_rule_any(POLICY_TO_VM, POLICY_ALLOW);

        rule.protocol = 6;
        rule.destination_port = cases[i].range;
        policy_add_rule(&policy, rule);
        struct flow_list list = flows_of(&policy, &site);
        assert_int_equal(list.n, cases[i].masks + 2);

        /* Disjoint, and each port is covered just if it is in the range. */
        for (unsigned port = 0; port < 65536; port++) {
            unsigned n = 0;

            for (size_t f = 0; f + 2 < list.n; f++) {
                const struct flow_field *field = match_find(&list.flows[f].match, FIELD_TCP_DST);

                n += !field || (port & flow_field_mask_u(field)) == flow_field_u(field);
            }
            assert_int_equal(n, port >= cases[i].range.first && port <= cases[i].range.last);
        }
        flow_list_free(&list);
        policy_free(&policy);
    }
}

static void flow_text_of_a_policy(void **state)
{
    struct policy_site site = site_of("10.0.0.1");
    struct policy policy = {.name = "V1", .default_verdict = {POLICY_ALLOW, POLICY_DENY}};
    struct policy_rule rule = policy_rule_any(POLICY_TO_VM, POLICY_ALLOW);

    (void) state;
    site.numbers.meters[POLICY_TO_VM] = TO_METER;
    rule.protocol = 6;
    rule.family = IP_V4;
    assert_int_equal(prefix_parse("198.51.100.0/24", &rule.remote), 0);
    rule.destination_port = (struct port_range) {80, 80};
    rule.set_dscp = 46;
    policy_add_rule(&policy, rule);
    rule = policy_rule_any(POLICY_TO_VM, POLICY_ALLOW);
    rule.family = IP_V6;
    policy_add_rule(&policy, rule);

    struct flow_list list = flows_of(&policy, &site);
    assert_int_equal(list.n, 3); /* nothing of the IPv6 rule */
    const struct flow *flow = &list.flows[0];
    uint64_t value;
    assert_int_equal(flow->priority, POLICY_PRIORITY_FIRST);
    assert_int_equal(flow->table, TOR_POLICY_TO);
    assert_int_equal(flow->goto_table, TOR_FORWARD);
    assert_int_equal(flow->meter, TO_METER);
    assert_true(flow->cookie == site.cookie);
    assert_int_equal(flow->match.n, 5);
    assert_true(match_get_u(&flow->match, FIELD_IPV4_DST, &value) && value == 0x0a000001);
    assert_true(match_get_u(&flow->match, FIELD_IP_PROTO, &value) && value == 6);
    assert_true(match_get_u(&flow->match, FIELD_TCP_DST, &value) && value == 80);
    assert_int_equal(flow_field_mask_u(match_find(&flow->match, FIELD_IPV4_SRC)), 0xffffff00);
    assert_int_equal(list.flows[1].priority, POLICY_PRIORITY_DEFAULT);
    assert_int_equal(list.flows[1].goto_table, TOR_POLICY_TO);
    assert_int_equal(list.flows[1].match.n, 2);
    assert_int_equal(list.flows[2].goto_table, FLOW_NO_GOTO);
    flow_list_free(&list);
    policy_free(&policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flows_treat_packets_as_the_policy),
        cmocka_unit_test(large_policies_take_few_flows),
        cmocka_unit_test(ranges_become_the_fewest_masks),
        cmocka_unit_test(flow_text_of_a_policy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
