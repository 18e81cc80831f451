/* SPDX-License-Identifier: Apache-2.0 */
/* Policies to flows and back. */
#include <stdio.h>
#include <string.h>

#include "policy_flows.h"

/* As many rules as a policy may have, each of which stands as three. */
static void rules_without_a_protocol_read_back_as_one(void **state)
{
    struct policy_site site = site_of("10.0.0.1");
    struct policy policy = {.name = "V1"}, back;
    struct err err = {0};
    char *witness = NULL;

    (void) state;
    for (unsigned i = 0; i < POLICY_RULES_MAX; i++) {
        struct policy_rule rule = policy_rule_any(i % 2, POLICY_ALLOW);

        rule.stateful = true;
        rule.family = IP_V4;
        rule.remote = prefix_of(&(struct ip) {IP_V4, {172, (uint8_t) (16 + i / 256), (uint8_t) i}}, 32);
        policy_add_rule(&policy, rule);
    }
    struct flow_list list = flows_of(&policy, &site);
    if (policy_from_flows(list.flows, list.n, NULL, 0, &site, false, "V1", &back, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(back.n_rules, policy.n_rules);
    if (policy_check(&back, &err) < 0)
        fail_msg("%s", err.text);
    if (!policy_equivalent_in(&policy, &back, IP_V4, &witness))
        fail_msg("%s", witness);
    policy_free(&back);
    policy_free(&policy);
    flow_list_free(&list);
}

static void add_flows(const struct policy *policy, const struct policy_site *site, struct flow_list *list)
{
    struct flow_list part = flows_of(policy, site);

    for (size_t f = 0; f < part.n; f++)
        flow_list_add(list, flow_copy(&part.flows[f]));
    flow_list_free(&part);
}

static char *canonical_text(const struct policy *policy)
{
    struct policy canonical = policy_canonical(policy);
    json_t *json = policy_to_json(&canonical);
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);

    json_decref(json);
    policy_free(&canonical);
    return text;
}

static void fail_with_policies(const struct policy *a, const struct policy *b, const char *why)
{
    json_t *x = policy_to_json(a), *y = policy_to_json(b);

    json_dumpf(x, stderr, 0);
    fprintf(stderr, "\n");
    json_dumpf(y, stderr, 0);
    json_decref(x);
    json_decref(y);
    fail_msg("%s", why);
}

static void round_trip(struct random *r, unsigned round)
{
    bool plain = round % 2;
    struct policy_site site = site_of(!plain && round % 4 ? "2000::1" : "10.0.0.1");
    struct policy policy = random_policy(r, random_below(r, 9), plain), back;
    struct flow_meter meters[METERS_MAX];
    size_t n_meters = number_meters(&policy, &site, meters);
    struct flow_queue queues[QUEUES_MAX];
    struct err err = {0};
    char *witness = NULL;

    number_queues(&policy, &site, queues);
    struct flow_list list = flows_of(&policy, &site);
    if (policy_from_flows(list.flows, list.n, meters, n_meters, &site, round % 3, "V1", &back, &err) < 0)
        fail_with_policies(&policy, &policy, err.text);
    assert_int_equal(policy_check(&back, &err), 0);
    if (!policy_equivalent_in(&policy, &back, site.ip.family, &witness))
        fail_with_policies(&policy, &back, witness);
    if (plain && !policy_equivalent(&policy, &back, &witness))
        fail_with_policies(&policy, &back, witness);
    if (plain && round % 8 == 1) {
        char *a = canonical_text(&policy), *b = canonical_text(&back), hash[2][17];

        assert_string_equal(a, b);
        policy_hash(&policy, hash[0]);
        policy_hash(&back, hash[1]);
        assert_string_equal(hash[0], hash[1]);
        free(a);
        free(b);
    }
    policy_free(&back);
    policy_free(&policy);
    flow_list_free(&list);
}

/* Of a VM with addresses of both families: all of the policy comes back. */
static void policy_to_flows_of_all_addresses_to_policy(void **state)
{
    static const struct ip v4 = {IP_V4, {10, 0, 0, 1}};
    static const struct ip6_list v6 = {2, {{IP_V6, {0x20, [15] = 1}}, {IP_V6, {0x20, [15] = 2}}}};
    static const struct mac vm_mac = {{0x52, 0x54, 0, 0, 0, 1}};
    struct random r = {6};

    (void) state;
    for (unsigned round = 0, n = rounds(20000); round < n; round++) {
        struct policy_site sites[PIPELINE_SITES_MAX];
        unsigned n_sites = pipeline_policy_sites(cookie_make(COOKIE_VM, 1), &vm_mac, &v4, &v6, sites);

        n_sites = round % 3 ? n_sites : 1;
        struct policy policy = random_policy(&r, random_below(&r, 9), round % 2), back;
        struct flow_meter meters[METERS_MAX];
        struct flow_queue queues[QUEUES_MAX];
        size_t n_meters = number_meters(&policy, &sites[0], meters);
        struct flow_list list = {0};
        struct flow_txn others = {0};
        struct err err = {0};
        char *witness = NULL;

        for (unsigned n_types = random_below(&r, 4); n_types > 0; n_types--) {
            struct policy_rule rule = policy_rule_any(random_below(&r, 2), random_below(&r, 2));

            rule.ethertype = (uint16_t) (0x88b5 + random_below(&r, 3));
            policy_add_rule(&policy, rule);
        }
        number_queues(&policy, &sites[0], queues);
        policy_ethertypes_to_flows(&policy, &sites[0], &others);
        list_of_txn(&others, &list);
        flow_txn_free(&others);
        for (unsigned i = 0; i < n_sites; i++) {
            struct ip ip = sites[i].ip;

            sites[i] = sites[0];
            sites[i].ip = ip;
            add_flows(&policy, &sites[i], &list);
        }
        if (policy_from_sites(list.flows, list.n, meters, n_meters, sites, n_sites, round % 3, "V1", &back, &err) < 0)
            fail_with_policies(&policy, &policy, err.text);
        assert_int_equal(policy_check(&back, &err), 0);
        if (!policy_equivalent_in(&policy, &back, n_sites > 1 ? IP_NONE : IP_V4, &witness))
            fail_with_policies(&policy, &back, witness);
        if (round % 16 == 1) {
            char *a = canonical_text(&policy), *b = canonical_text(&back);

            assert_string_equal(a, b);
            free(a);
            free(b);
        }
        policy_free(&back);
        policy_free(&policy);
        flow_list_free(&list);
    }
}

/* What an administrator can write, but no policy say. */
static void addresses_that_differ_are_refused(void **state)
{
    static const struct ip v4 = {IP_V4, {10, 0, 0, 1}};
    static const struct ip6_list v6 = {2, {{IP_V6, {0x20, [15] = 1}}, {IP_V6, {0x20, [15] = 2}}}};
    static const struct mac vm_mac = {{0x52, 0x54, 0, 0, 0, 1}};
    static const struct flow_meter meters[] = {{1, 1000, 0, false}, {2, 1000, 0, false}};
    struct policy_site sites[PIPELINE_SITES_MAX];
    unsigned n = pipeline_policy_sites(cookie_make(COOKIE_VM, 1), &vm_mac, &v4, &v6, sites);
    struct policy open = {.name = "V1", .default_verdict = {POLICY_ALLOW, POLICY_ALLOW}}, back;
    struct policy closed = {.name = "V1", .default_verdict = {POLICY_ALLOW, POLICY_DENY}};
    struct flow_list list = {0};
    struct err err = {0};

    (void) state;
    assert_int_equal(policy_from_sites(NULL, 0, NULL, 0, sites, n, true, "V1", &back, &err), ERR_NOT_FOUND);
    for (unsigned i = 0; i < 2; i++) /* IPv4 is closed, one address of IPv6, too */
        add_flows(&closed, &sites[i], &list);
    assert_int_equal(policy_from_sites(list.flows, list.n, NULL, 0, sites, n, true, "V1", &back, &err),
                     ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "2000::2"));
    /* The second closed, too: one policy, with no rules. */
    add_flows(&closed, &sites[2], &list);
    assert_int_equal(policy_from_sites(list.flows, list.n, NULL, 0, sites, n, true, "V1", &back, &err), 0);
    assert_true(policy_equivalent(&closed, &back, NULL));
    assert_int_equal(back.n_rules, 0);
    policy_free(&back);
    /* Only IPv4 is closed: the rest is what misses. */
    struct flow_list first = flows_of(&closed, &sites[0]);
    assert_int_equal(policy_from_sites(first.flows, first.n, NULL, 0, sites, n, true, "V1", &back, &err), 0);
    assert_true(policy_equivalent_in(&closed, &back, IP_V4, NULL));
    assert_true(policy_equivalent_in(&open, &back, IP_V6, NULL));
    policy_free(&back);
    flow_list_free(&first);
    flow_list_free(&list);
    list = (struct flow_list) {0};
    /* Two meters of one rate are no limit on the sum. */
    for (unsigned i = 0; i < 2; i++) {
        sites[i].numbers.meters[POLICY_FROM_VM] = 1 + i;
        add_flows(&open, &sites[i], &list);
    }
    assert_int_equal(policy_from_sites(list.flows, list.n, meters, 2, sites, 2, true, "V1", &back, &err),
                     ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "meters"));
    flow_list_free(&list);
}

/* Each family has as many as a policy can have. */
static void classes_of_both_families_are_too_many(void **state)
{
    struct policy_site sites[] = {site_of("10.0.0.1"), site_of("2000::1")};
    struct flow_meter meters[2 * POLICY_CLASSES_MAX];
    struct flow_list list = {0};
    struct policy back;
    struct err err = {0};

    (void) state;
    for (unsigned i = 0; i < 2; i++) {
        struct policy policy = {.name = "V1"};

        for (unsigned c = 0; c < POLICY_CLASSES_MAX; c++) {
            struct policy_rule rule = policy_rule_any(POLICY_TO_VM, POLICY_ALLOW);
            uint8_t dscp = (uint8_t) (1 + POLICY_CLASSES_MAX * i + c);
            int at = policy_class_obtain(&policy, dscp);
            uint32_t meter = 20 + dscp;

            rule.protocol = 6;
            rule.destination_port = (struct port_range) {dscp, dscp};
            rule.set_dscp = dscp;
            rule.in_class = true;
            policy.classes[at].rate[POLICY_TO_VM].kbps = 1000;
            sites[i].numbers.class_meters[POLICY_TO_VM][at] = meter;
            meters[POLICY_CLASSES_MAX * i + c] = (struct flow_meter) {meter, 1000, 0, false};
            policy_add_rule(&policy, rule);
        }
        add_flows(&policy, &sites[i], &list);
        policy_free(&policy);
    }
    assert_int_equal(
        policy_from_sites(list.flows, list.n, meters, ARRAY_LEN(meters), sites, 2, true, "V1", &back, &err),
        ERR_UNSUPPORTED);
    if (!strstr(err.text, "more classes than the 7 that a policy can have"))
        fail_msg("%s", err.text);
    flow_list_free(&list);
}

/* Each of its lists of both families is read as two. */
static void rules_of_both_families_may_be_many(void **state)
{
    struct policy_site sites[] = {site_of("10.0.0.1"), site_of("2000::1")};
    struct policy policy = {.name = "V1"}, back;
    struct prefix prefixes[2];
    struct flow_list list = {0};
    struct err err = {0};
    char *witness = NULL;

    (void) state;
    assert_int_equal(prefix_parse("192.0.2.0/24", &prefixes[0]), 0);
    assert_int_equal(prefix_parse("2001:db8::/32", &prefixes[1]), 0);
    struct address_set *both = address_set_new("both", prefixes, 2);
    policy_add_set(&policy, both);
    for (unsigned i = 0; i <= POLICY_RULES_MAX / 2; i++) {
        struct policy_rule rule = policy_rule_any(POLICY_TO_VM, POLICY_ALLOW);

        rule.protocol = 6;
        rule.destination_port = (struct port_range) {(uint16_t) (2 * i), (uint16_t) (2 * i)};
        rule.remotes = both;
        policy_add_rule(&policy, rule);
    }
    assert_int_equal(policy_check(&policy, &err), 0);
    for (unsigned i = 0; i < 2; i++)
        add_flows(&policy, &sites[i], &list);
    if (policy_from_sites(list.flows, list.n, NULL, 0, sites, 2, true, "V1", &back, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(back.n_rules > POLICY_RULES_MAX);
    if (!policy_equivalent(&policy, &back, &witness))
        fail_msg("%s", witness);
    assert_int_equal(policy_check(&back, &err), ERR_INVALID);
    policy_free(&back);
    policy_free(&policy);
    flow_list_free(&list);
}

static void policy_to_flows_to_policy(void **state)
{
    struct random r = {5};

    (void) state;
    for (unsigned round = 0, n = rounds(50000); round < n; round++)
        round_trip(&r, round);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_of_both_families_are_too_many),
        cmocka_unit_test(rules_of_both_families_may_be_many),
        cmocka_unit_test(rules_without_a_protocol_read_back_as_one),
        cmocka_unit_test(policy_to_flows_to_policy),
        cmocka_unit_test(policy_to_flows_of_all_addresses_to_policy),
        cmocka_unit_test(addresses_that_differ_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
