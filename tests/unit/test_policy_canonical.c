/* SPDX-License-Identifier: Apache-2.0 */
/* Equality of policies, canonical forms and hashes: policies rewritten without changing what they do, and policies that
 * differ in a single packet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/policy.h"
#include "core/policy_bdd.h"
#include "policy_random.h"
#include "policy_text.h"

#ifndef TEST_DATA
#define TEST_DATA "tests/data"
#endif

static char *text_of(const struct policy *policy)
{
    json_t *json = policy_to_json(policy);
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);

    json_decref(json);
    return text;
}

static char *canonical_text(const struct policy *policy)
{
    struct policy canonical = policy_canonical(policy);
    char *text = text_of(&canonical);

    policy_free(&canonical);
    return text;
}

/* Rewrites that change no packet's treatment */

static void insert_rule(struct policy *policy, size_t at, struct policy_rule rule)
{
    policy_add_rule(policy, rule);
    memmove(&policy->rules[at + 1], &policy->rules[at], (policy->n_rules - 1 - at) * sizeof rule);
    policy->rules[at] = rule;
}

static bool outcome_equal(const struct policy_rule *a, const struct policy_rule *b)
{
    return a->verdict == b->verdict && a->set_dscp == b->set_dscp && a->in_class == b->in_class &&
           a->stateful == b->stateful;
}

static bool disjoint(const struct policy_rule *a, const struct policy_rule *b)
{
    return a->direction != b->direction || (a->family && b->family && a->family != b->family) ||
           (a->protocol != POLICY_ANY && b->protocol != POLICY_ANY && a->protocol != b->protocol) ||
           a->source_port.last < b->source_port.first || b->source_port.last < a->source_port.first ||
           a->destination_port.last < b->destination_port.first || b->destination_port.last < a->destination_port.first;
}

static void split_rule(struct policy *policy, size_t i, struct random *r)
{
    struct policy_rule *rule = &policy->rules[i], half = *rule;
    struct port_range *range = &rule->destination_port;
    unsigned bits = ip_bits(rule->remote.ip.family);

    if (range->first < range->last && (rule->protocol == 6 || rule->protocol == 17)) {
        uint16_t at = (uint16_t) (range->first + random_below(r, (uint32_t) range->last - range->first));

        half.destination_port.last = at;
        range->first = (uint16_t) (at + 1);
        insert_rule(policy, i, half);
    } else if (bits && rule->remote.length < bits) {
        unsigned length = rule->remote.length;

        rule->remote.length++;
        half.remote.length++;
        half.remote.ip.bytes[length / 8] |= (uint8_t) (0x80 >> length % 8);
        insert_rule(policy, i, half);
    } else if (rule->family == IP_NONE && !(rule->stateful && (rule->protocol == 1 || rule->protocol == 58))) {
        rule->family = IP_V4;
        half.family = IP_V6;
        insert_rule(policy, i, half);
    }
}

/* A rule that never decides, behind one that matches more. */
static void add_shadowed(struct policy *policy, size_t i, struct random *r)
{
    struct policy_rule rule = policy->rules[i];

    /* Without "stateful" it would match more. */
    if (!rule.stateful)
        rule.verdict = (uint8_t) random_below(r, 3);
    rule.set_dscp = POLICY_ANY;
    rule.in_class = false;
    if (rule.protocol == POLICY_ANY)
        rule.protocol = 6;
    insert_rule(policy, i + 1 + random_below(r, (uint32_t) (policy->n_rules - i)), rule);
}

static void rewrite(struct policy *policy, struct random *r)
{
    struct policy_rule rule = random_rule(r, false);
    uint32_t i = policy->n_rules ? random_below(r, (uint32_t) policy->n_rules) : 0;

    switch (random_below(r, 4)) {
    case 0:
        rule.verdict = (uint8_t) policy->default_verdict[rule.direction];
        rule.set_dscp = POLICY_ANY;
        rule.in_class = false;
        rule.stateful = false;
        policy_add_rule(policy, rule);
        return;
    case 1:
        if (policy->n_rules)
            split_rule(policy, i, r);
        return;
    case 2:
        if (policy->n_rules)
            add_shadowed(policy, i, r);
        return;
    default:
        if (i + 1 < policy->n_rules && (disjoint(&policy->rules[i], &policy->rules[i + 1]) ||
                                        outcome_equal(&policy->rules[i], &policy->rules[i + 1]))) {
            rule = policy->rules[i];
            policy->rules[i] = policy->rules[i + 1];
            policy->rules[i + 1] = rule;
        }
    }
}

static void rewritten_policies_have_one_canonical_form(void **state)
{
    struct random r = {3};

    (void) state;
    for (unsigned round = 0; round < 4000; round++) {
        struct policy policy = random_policy(&r, random_below(&r, 8), false), other = policy_copy(&policy);
        char *witness = NULL, hash[2][17];
        struct err err;

        for (unsigned i = 0; i < 12; i++)
            rewrite(&other, &r);
        assert_int_equal(policy_check(&other, &err), 0);
        char *a = canonical_text(&policy), *b = canonical_text(&other);
        if (!policy_equivalent(&policy, &other, &witness))
            fail_msg("%s", witness);
        assert_string_equal(a, b);
        policy_hash(&policy, hash[0]);
        policy_hash(&other, hash[1]);
        assert_string_equal(hash[0], hash[1]);
        free(a);
        free(b);
        policy_free(&policy);
        policy_free(&other);
    }
}

/* Side by side more sub-diagrams than a prefix keeps in mind (LABELS_MAX), met in any order. */
static void shuffled_disjoint_rules_have_one_canonical_form(void **state)
{
    struct random r = {17};
    struct policy policy = {.name = "V1"};

    (void) state;
    for (unsigned i = 0; i < 60; i++) {
        struct policy_rule rule = policy_rule_any(POLICY_TO_VM, POLICY_ALLOW);
        struct ip ip = {.family = IP_V4, .bytes = {10, 0, 0, (uint8_t) i}};

        rule.family = IP_V4;
        rule.protocol = 6;
        rule.remote = prefix_of(&ip, 32);
        rule.destination_port = (struct port_range) {0, (uint16_t) (i * 1000)};
        policy_add_rule(&policy, rule);
    }
    char *first = canonical_text(&policy);
    for (unsigned round = 0; round < 200; round++) {
        for (uint32_t i = 59; i > 0; i--) {
            uint32_t j = random_below(&r, i + 1);
            struct policy_rule rule = policy.rules[i];

            policy.rules[i] = policy.rules[j];
            policy.rules[j] = rule;
        }
        char *text = canonical_text(&policy);
        assert_string_equal(first, text);
        free(text);
    }
    free(first);
    policy_free(&policy);
}

static void canonical_form_treats_packets_alike(void **state)
{
    struct random r = {9};

    (void) state;
    for (unsigned round = 0; round < 3000; round++) {
        struct policy policy = random_policy(&r, random_below(&r, 12), false), canonical = policy_canonical(&policy);
        struct err err;

        assert_int_equal(policy_check(&canonical, &err), 0);
        for (unsigned i = 0; i < 60; i++) {
            struct packet p = random_packet(&r, i % 3 ? IP_V4 : IP_V6);
            enum policy_direction d = i % 2;

            assert_int_equal(policy_decide(&canonical, d, &p), policy_decide(&policy, d, &p));
        }
        policy_free(&policy);
        policy_free(&canonical);
    }
}

static void canonical_form_is_its_own_and_lean(void **state)
{
    struct random r = {21};

    (void) state;
    for (unsigned round = 0; round < 1000; round++) {
        struct policy policy = random_policy(&r, random_below(&r, 8), false), canonical = policy_canonical(&policy);
        char *once = text_of(&canonical), *twice = canonical_text(&canonical);

        assert_string_equal(once, twice);
        for (size_t i = 0; i < canonical.n_rules; i++) {
            struct policy without = policy_copy(&canonical);

            without.n_rules--;
            memmove(&without.rules[i], &without.rules[i + 1], (without.n_rules - i) * sizeof *without.rules);
            assert_false(policy_equivalent(&canonical, &without, NULL));
            policy_free(&without);
        }
        free(once);
        free(twice);
        policy_free(&policy);
        policy_free(&canonical);
    }
}

/* Wherever random packets show a difference it is found, and equal hashes and forms mean equal treatment. */
static void differences_are_found(void **state)
{
    struct random r = {31};
    unsigned n_different = 0, n_equal = 0;

    (void) state;
    for (unsigned round = 0; round < 3000; round++) {
        struct policy a = random_policy(&r, 1 + random_below(&r, 6), false), b = policy_copy(&a);
        size_t i = random_below(&r, (uint32_t) b.n_rules);
        bool differ = false;
        char *witness = NULL, hash[2][17];

        b.rules[i] = random_rule(&r, false);
        for (unsigned k = 0; k < 100; k++) {
            struct packet p = random_packet(&r, k % 2 ? IP_V4 : IP_V6);

            differ |= policy_decide(&a, k / 2 % 2, &p) != policy_decide(&b, k / 2 % 2, &p);
        }
        bool equivalent = policy_equivalent(&a, &b, &witness);
        char *x = canonical_text(&a), *y = canonical_text(&b);

        assert_false(differ && equivalent);
        assert_int_equal(equivalent, witness == NULL);
        assert_int_equal(equivalent, strcmp(x, y) == 0);
        policy_hash(&a, hash[0]);
        policy_hash(&b, hash[1]);
        assert_int_equal(equivalent, strcmp(hash[0], hash[1]) == 0);
        n_different += differ;
        n_equal += equivalent;
        free(x);
        free(y);
        free(witness);
        policy_free(&a);
        policy_free(&b);
    }
    assert_true(n_different > 500 && n_equal > 100);
}

static void witnesses(void **state)
{
    static const struct {
        const char *a, *b, *witness; /* null: equivalent */
    } cases[] = {
        {"{'policy': 'A'}", "{'policy': 'B', 'default': {'to-vm': 'deny'}}", NULL},
        {"{'policy': 'A'}", "{'policy': 'A', 'default': {'to-vm': 'allow'}}",
         "a packet to-vm: the first policy denies it, the second allows it"},
        {"{'policy': 'A', 'rules': [{'direction': 'from-vm', 'action': 'allow', 'protocol': 'tcp',"
         " 'remote': '10.0.0.0/8', 'destination-port': '80-443'}]}",
         "{'policy': 'A', 'rules': [{'direction': 'from-vm', 'action': 'allow', 'protocol': 'tcp',"
         " 'remote': '10.0.0.0/8', 'destination-port': '80-442'}]}",
         "a packet from-vm ipv4 remote 10.0.0.0 protocol 6 destination-port 443: the first policy allows it, the "
         "second denies it"},
        {"{'policy': 'A', 'rules': [{'direction': 'to-vm', 'action': 'allow', 'remote': '2001:db8::/32'}]}",
         "{'policy': 'A', 'rules': [{'direction': 'to-vm', 'action': 'allow', 'remote': '2001:db8::/32',"
         " 'set-dscp': 46}]}",
         "a packet to-vm ipv6 remote 2001:db8::: the first policy allows it, the second allows it with DSCP 46"},
        {"{'policy': 'A', 'default': {'to-vm': 'allow'}, 'rate-limit': {'to-vm': {'kbps': 100}}}",
         "{'policy': 'A', 'default': {'to-vm': 'allow'}, 'rate-limit': {'to-vm': {'kbps': 100, 'burst-kbit': 10}}}",
         "rate-limit to-vm: the first policy has 100 kbps with a burst of 0 kbit, the second 100 kbps with 10 kbit"},
        {"{'policy': 'A', 'rules': [{'direction': 'to-vm', 'action': 'allow', 'protocol': 'tcp',"
         " 'tcp-flags': 'syn,!ack', 'dscp': 46}]}",
         "{'policy': 'A', 'rules': [{'direction': 'to-vm', 'action': 'allow', 'protocol': 'tcp',"
         " 'tcp-flags': 'syn', 'dscp': 46}]}",
         "a packet to-vm protocol 6 tcp-flags syn,ack dscp 46: the first policy denies it, the second allows it"},
        {"{'policy': 'A', 'rules': [{'direction': 'to-vm', 'action': 'allow', 'protocol': 'icmp', 'icmp-type': 3,"
         " 'icmp-code': 4}]}",
         "{'policy': 'A', 'rules': [{'direction': 'to-vm', 'action': 'allow', 'protocol': 'icmp', 'icmp-type': 3,"
         " 'icmp-code': 5}]}",
         "a packet to-vm ipv4 protocol 1 icmp-type 3 icmp-code 4: the first policy allows it, the second denies it"},
        {"{'policy': 'A', 'sets': {'s': ['10.0.0.0/9', '10.128.0.0/9', '2001:db8::/32']},"
         " 'rules': [{'direction': 'to-vm', 'action': 'allow', 'remote': '@s'}]}",
         "{'policy': 'A', 'rules': [{'direction': 'to-vm', 'action': 'allow', 'remote': '10.0.0.0/8'},"
         " {'direction': 'to-vm', 'action': 'allow', 'remote': '2001:db8::/32'}]}",
         NULL},
        {"{'policy': 'A', 'rules': [{'direction': 'to-vm', 'action': 'allow', 'remote': ['10.0.0.0/8', '::1']}]}",
         "{'policy': 'A', 'rules': [{'direction': 'to-vm', 'action': 'allow', 'remote': '10.0.0.0/8'}]}",
         "a packet to-vm ipv6 remote ::1: the first policy allows it, the second denies it"},
        {"{'policy': 'A', 'rate-limit': {'to-vm': {'kbps': 100}}}", "{'policy': 'A'}", NULL}, /* a limit on nothing */
#define LIMIT(burst) "'new-connections': {'to-vm': {'per-second': 5, 'burst': " burst "}}"
#define TO_VM(rule) "'rules': [{'direction': 'to-vm', 'action': 'allow', " rule "}]}"
#define FROM_VM(rule) "'rules': [{'direction': 'from-vm', 'action': 'allow', 'stateful': true, " rule "}]}"
        {"{'policy': 'A', 'default': {'to-vm': 'allow'}, " LIMIT("1") "}",
         "{'policy': 'A', 'default': {'to-vm': 'allow'}, " LIMIT("2") "}",
         "new-connections to-vm: the first policy has 5 per second with a burst of 1, the second 5 per second with 2"},
        {"{'policy': 'A', " LIMIT("1") "}", "{'policy': 'A'}", NULL}, /* what opens none is not limited */
        {"{'policy': 'A', " LIMIT("1") ", " TO_VM("'protocol': 'udp'"), "{'policy': 'A', " TO_VM("'protocol': 'udp'"),
         NULL},
        {"{'policy': 'A', " LIMIT("1") ", " TO_VM("'protocol': 'tcp', 'tcp-flags': 'ack'"),
         "{'policy': 'A', " TO_VM("'protocol': 'tcp', 'tcp-flags': 'ack'"), NULL},
        {"{'policy': 'A', " LIMIT("1") ", " TO_VM("'protocol': 'tcp', 'tcp-flags': '!ack'"),
         "{'policy': 'A', " TO_VM("'protocol': 'tcp', 'tcp-flags': '!ack'"),
         "new-connections to-vm: the first policy has 5 per second with a burst of 1, the second 0 per second with 0"},
        {"{'policy': 'A', " LIMIT("1") ", " FROM_VM("'protocol': 'tcp', 'tcp-flags': 'ack'"), /* its replies */
         "{'policy': 'A', " FROM_VM("'protocol': 'tcp', 'tcp-flags': 'ack'"),
         "new-connections to-vm: the first policy has 5 per second with a burst of 1, the second 0 per second with 0"},
        {"{'policy': 'A', " LIMIT("1") ", " FROM_VM("'protocol': 'udp'"),
         "{'policy': 'A', " FROM_VM("'protocol': 'udp'"), NULL},
#define CLASSES(name, kbps) "'classes': {'" name "': {'dscp': 46, 'to-vm': {'rate-limit': {'kbps': " kbps "}}}}, "
#define IN_CLASS(name) "'rules': [{'direction': 'to-vm', 'action': 'allow', 'class': '" name "'}]}"
        {"{'policy': 'A', " CLASSES("x", "100") IN_CLASS("x"), "{'policy': 'A', " CLASSES("y", "100") IN_CLASS("y"),
         NULL},                                                                           /* names do not matter */
        {"{'policy': 'A', " CLASSES("x", "100") "'rules': []}", "{'policy': 'A'}", NULL}, /* a class of nothing */
        {"{'policy': 'A', " CLASSES("x", "100") IN_CLASS("x"), "{'policy': 'A', " CLASSES("x", "200") IN_CLASS("x"),
         "class of DSCP 46: rate-limit to-vm: the first policy has 100 kbps with a burst of 0 kbit, the second 200 "
         "kbps with 0 kbit"},
#define QUEUED(queue) "{'policy': 'A', 'classes': {'x': {'dscp': 46, 'to-vm': {'queue': " queue "}}}, " IN_CLASS("x")
        {QUEUED("{'min-kbps': 1, 'priority': 0}"), QUEUED("{'min-kbps': 1}"), NULL},
        {QUEUED("{'priority': 1}"), QUEUED("{'priority': 2}"),
         "class of DSCP 46: queue to-vm: the first policy has 0 to 0 kbps with priority 1, the second 0 to 0 kbps with "
         "2"},
        {"{'policy': 'A', " CLASSES("x", "100") IN_CLASS("x"),
         "{'policy': 'A', 'rules': [{'direction': 'to-vm', 'action': 'allow', 'set-dscp': 46}]}",
         "a packet to-vm: the first policy allows it in the class of DSCP 46, the second allows it with DSCP 46"},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *a_text = xstrdup(cases[i].a), *b_text = xstrdup(cases[i].b), *witness = NULL, hash[2][17];

        for (char *c = a_text; *c; c++)
            *c = *c == '\'' ? '"' : *c;
        for (char *c = b_text; *c; c++)
            *c = *c == '\'' ? '"' : *c;
        struct policy a = policy_of_text(a_text), b = policy_of_text(b_text);
        assert_int_equal(policy_equivalent(&a, &b, &witness), cases[i].witness == NULL);
        if (cases[i].witness)
            assert_string_equal(witness, cases[i].witness);
        policy_hash(&a, hash[0]);
        policy_hash(&b, hash[1]);
        assert_int_equal(strcmp(hash[0], hash[1]) == 0, cases[i].witness == NULL);
        free(witness);
        free(a_text);
        free(b_text);
        policy_free(&a);
        policy_free(&b);
    }
}

static void families_are_compared_apart(void **state)
{
    struct policy a = policy_of_text(
        "{\"policy\": \"A\", \"rules\": [{\"direction\": \"to-vm\", \"action\": \"allow\"}]}");
    struct policy b = policy_of_text("{\"policy\": \"A\", \"rules\": [{\"direction\": \"to-vm\", \"action\": \"allow\","
                                     " \"family\": \"ipv4\"}]}");

    (void) state;
    assert_true(policy_equivalent_in(&a, &b, IP_V4, NULL));
    assert_false(policy_equivalent_in(&a, &b, IP_V6, NULL));
    assert_false(policy_equivalent_in(&a, &b, IP_NONE, NULL));
    policy_free(&a);
    policy_free(&b);
}

/* What a policy says of IPv6, however much and entangled, is nothing to a VM that has none. */
static void other_family_costs_nothing(void **state)
{
    static const uint8_t order[BDD_FIELDS] = {BDD_FAMILY,    BDD_PROTOCOL,  BDD_V4,     BDD_V6,
                                              BDD_ICMP_TYPE, BDD_ICMP_CODE, BDD_SOURCE, BDD_DESTINATION,
                                              BDD_TCP_FLAGS, BDD_DSCP};
    struct random r = {9};
    struct policy policy = policy_of_text(
        "{\"policy\": \"A\", \"rules\": [{\"direction\": \"to-vm\", \"action\": \"allow\","
        " \"protocol\": \"tcp\", \"remote\": \"198.51.100.0/24\", \"destination-port\": 80}]}");
    struct policy other = policy_copy(&policy);
    struct bdd bdd;

    (void) state;
    for (unsigned i = 0; i < 2000; i++) {
        struct policy_rule rule = policy_rule_any(POLICY_TO_VM, i % 2);
        struct ip ip = {.family = IP_V6, .bytes = {0x20, 0x01}};

        for (unsigned b = 2; b < sizeof ip.bytes; b++)
            ip.bytes[b] = (uint8_t) random_below(&r, 256);
        rule.protocol = 6;
        rule.family = IP_V6;
        rule.remote = prefix_of(&ip, 128);
        policy_add_rule(&policy, rule);
    }
    bdd_init(&bdd, order, 1000);
    bdd_ref a = bdd_policy(&bdd, &policy, POLICY_TO_VM, IP_V4);
    assert_true(a == bdd_policy(&bdd, &other, POLICY_TO_VM, IP_V4));
    assert_false(bdd.full);
    bdd_policy(&bdd, &policy, POLICY_TO_VM, IP_V6);
    assert_true(bdd.full);
    bdd_free(&bdd);
    policy_free(&policy);
    policy_free(&other);
}

/* Canonical forms as text: what an operator would have written. */
static void canonical_forms_are_readable(void **state)
{
    json_error_t error;
    json_t *cases = json_load_file(TEST_DATA "/policy/canonical.json", 0, &error), *one;
    size_t i;

    (void) state;
    if (!cases)
        fail_msg("%s:%d: %s", error.source, error.line, error.text);
    json_array_foreach(cases, i, one) {
        struct policy policy;
        struct err err;
        const json_t *expected = json_object_get(one, "canonical");
        json_t *json = json_object_get(one, "given");

        if (policy_from_json(json, &policy, &err) < 0)
            fail_msg("%s", err.text);
        struct policy canonical = policy_canonical(&policy);
        json_t *got = policy_to_json(&canonical);
        if (!json_equal(got, expected)) {
            char *text = json_dumps(got, JSON_SORT_KEYS | JSON_INDENT(2));

            fail_msg("case %zu: %s", i + 1, text);
        }
        json_decref(got);
        policy_free(&canonical);
        policy_free(&policy);
    }
    json_decref(cases);
}

static void diagrams_are_bounded(void **state)
{
    static const uint8_t order[BDD_FIELDS] = {BDD_FAMILY,    BDD_PROTOCOL,  BDD_V4,     BDD_V6,
                                              BDD_ICMP_TYPE, BDD_ICMP_CODE, BDD_SOURCE, BDD_DESTINATION,
                                              BDD_TCP_FLAGS, BDD_DSCP};
    struct random r = {77};
    struct policy policy = random_policy(&r, 200, false);
    struct bdd bdd;

    (void) state;
    bdd_init(&bdd, order, 1000);
    bdd_policy(&bdd, &policy, POLICY_TO_VM, IP_NONE);
    assert_true(bdd.full);
    assert_in_range(bdd.n_nodes, 0, 1000);
    bdd_free(&bdd);
    policy_free(&policy);
}

/* Rules whose canonical form would be too long come back as they are. */
static void crossing_ranges_stay_as_they_are(void **state)
{
    struct random r = {5};
    struct policy policy = {.name = "V1"};

    (void) state;
    for (unsigned i = 0; i < 600; i++) {
        struct policy_rule rule = policy_rule_any(POLICY_TO_VM, i % 2);
        uint8_t second = (uint8_t) random_below(&r, 256), third = (uint8_t) random_below(&r, 256);
        struct ip ip = {.family = IP_V4, .bytes = {10, second, third}};
        uint16_t a = (uint16_t) random_below(&r, 60000), b = (uint16_t) random_below(&r, 30000);

        rule.protocol = 6;
        rule.family = IP_V4;
        rule.remote = prefix_of(&ip, (uint8_t) (8 + random_below(&r, 12)));
        rule.source_port = (struct port_range) {a, (uint16_t) (a + 5000)};
        rule.destination_port = (struct port_range) {b, (uint16_t) (b + 30000)};
        policy_add_rule(&policy, rule);
    }
    char *a = text_of(&policy), *b = canonical_text(&policy);
    assert_string_equal(a, b);
    free(a);
    free(b);
    policy_free(&policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rewritten_policies_have_one_canonical_form),
        cmocka_unit_test(shuffled_disjoint_rules_have_one_canonical_form),
        cmocka_unit_test(canonical_form_treats_packets_alike),
        cmocka_unit_test(canonical_form_is_its_own_and_lean),
        cmocka_unit_test(differences_are_found),
        cmocka_unit_test(witnesses),
        cmocka_unit_test(families_are_compared_apart),
        cmocka_unit_test(other_family_costs_nothing),
        cmocka_unit_test(canonical_forms_are_readable),
        cmocka_unit_test(diagrams_are_bounded),
        cmocka_unit_test(crossing_ranges_stay_as_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
