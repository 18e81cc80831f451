/* SPDX-License-Identifier: Apache-2.0 */
/* Policies that a gateway cannot take are refused by rule, or class, and field, and everything is as it was: what the
 * switches hold, and what is in the store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "circuit_world.h"
#include "circuit_world_internal.h"

#define RULES(rule) "{'rules': [{'direction': 'to-vm', 'action': 'deny'}, {'direction': 'to-vm', " rule "}]}"
#define QUEUE(queue) "{'classes': {'voice': {'dscp': 46, 'to-vm': {'queue': " queue "}}}}"

/* Port tor-server passes 1000 kbit/s, table POLICY_TO takes 8 flows. */
static const struct {
    const char *what, *policy, *sentence;
} bad[] = {
    {"contradictory fields", RULES("'action': 'allow', 'family': 'ipv6', 'remote': '10.0.0.1'"),
     "policy V1: rule 2: family: ipv6 contradicts remote of the same rule"},
    {"contradictory fields", RULES("'action': 'allow', 'protocol': 'icmp', 'destination-port': 80"),
     "policy V1: rule 2: destination-port: only tcp and udp have ports"},
    {"contradictory fields", RULES("'action': 'deny', 'stateful': true"),
     "policy V1: rule 2: stateful: what is denied has no replies"},
    {"an unknown field", RULES("'action': 'allow', 'port': 80"), "policy V1: rule 2: port: unknown member"},
    {"an unknown word", RULES("'action': 'accept'"), "policy V1: rule 2: action: expected "},
    {"a range upside down", RULES("'action': 'allow', 'protocol': 'tcp', 'destination-port': '443-80'"),
     "policy V1: rule 2: destination-port: range 443-80 is upside down"},
    {"a set that is missing", RULES("'action': 'allow', 'remote': '@office'"),
     "policy V1: rule 2: remote: there is no set \"office\""},
    {"a class that is missing", RULES("'action': 'allow', 'class': 'voice'"),
     "policy V1: rule 2: class: the policy has no class \"voice\""},
    {"a queue beyond the port's rate", QUEUE("{'min-kbps': 1001}"),
     "policy V1: classes.voice.to-vm.queue.min-kbps: 1001 is more than the 1000 kbit/s that port tor-server"},
    {"a queue beyond the port's rate", QUEUE("{'max-kbps': 1001}"),
     "policy V1: classes.voice.to-vm.queue.max-kbps: 1001 is more than the 1000 kbit/s that port tor-server"},
    {"a queue upside down", QUEUE("{'min-kbps': 3, 'max-kbps': 2}"),
     "policy V1: classes.voice.to-vm.queue.min-kbps: 3 is more than max-kbps, 2"},
    {"more than the switch's table takes", RULES("'action': 'allow', 'protocol': 'tcp', 'destination-port': '1-65534'"),
     "table "},
};

static json_t *policy_of(const char *text)
{
    AUTO_FREE char *quoted = xstrdup(text);

    for (char *c = quoted; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json_t *policy = json_loads(quoted, 0, NULL);
    assert_non_null(policy);
    json_object_set_new(policy, "policy", json_string("V1"));
    return policy;
}

static bool add_text(void *arg, const char *vm, const char *text)
{
    strbuf_printf(arg, "%s %s\n", vm, text);
    return true;
}

/* All that has to be as it was; the caller frees. */
static char *state_of_all(struct circuit_world *w)
{
    struct strbuf text = {0};

    for (unsigned sw = 0; sw < SWITCHES; sw++) {
        for (size_t i = 0; i < w->flows[sw].n; i++) {
            AUTO_FREE char *flow = flow_format(&w->flows[sw].flows[i]);

            strbuf_printf(&text, "%u %s\n", sw, flow);
        }
    }
    store_policy_each(w->store, add_text, &text, NULL);
    strbuf_printf(&text, "%s", w->queues.length ? w->queues.text : "");
    return strbuf_take(&text);
}

static void expect_refusal(struct circuit_world *w, const char *what, const char *policy, const char *sentence)
{
    AUTO_FREE char *before = state_of_all(w);
    json_t *json = policy_of(policy);
    struct err err = {0};

    if (w->backend.policy_put(w->gateway, "V1", json, &err) == 0)
        fail_msg("%s is taken", what);
    json_decref(json);
    if (!strstr(err.text, sentence))
        fail_msg("%s: \"%s\" is not in: %s", what, sentence, err.text);
    world_run(w);
    AUTO_FREE char *after = state_of_all(w);
    assert_string_equal(before, after);
}

static void bad_policies_are_refused(void **state)
{
    struct circuit_world *w = *state;

    for (uint32_t port = 1; port <= 3; port++)
        port_rate(w, "tor", port, 1000);
    table_limit(w, "tor", TOR_POLICY_TO, 8);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        expect_refusal(w, bad[i].what, bad[i].policy, bad[i].sentence);
}

/* Flows of table POLICY_TO, which takes 1000, as the REST interface says. */
static unsigned used(struct circuit_world *w)
{
    unsigned table, number;

    assert_int_equal(
        sscanf(shown(w, "switches", "tor", "tables"), "[{\"table\":%u,\"limit\":1000,\"used\":%u}]", &table, &number),
        2);
    assert_int_equal(table, TOR_POLICY_TO);
    return number;
}

/* As the switch was asked for them. */
static void tables_are_named_with_their_numbers(void **state)
{
    struct circuit_world *w = *state;
    AUTO_FREE char *sentence = xasprintf("table %u of switch tor takes 8 flows", TOR_POLICY_TO);

    table_limit(w, "tor", TOR_POLICY_TO, 8);
    expect_refusal(w, "a policy", bad[ARRAY_LEN(bad) - 1].policy, sentence);
    table_limit(w, "tor", TOR_POLICY_TO, 1000);
    unsigned before = used(w);
    json_t *json = policy_of(bad[ARRAY_LEN(bad) - 1].policy);
    struct err err = {0};
    if (w->backend.policy_put(w->gateway, "V1", json, &err) < 0)
        fail_msg("%s", err.text);
    json_decref(json);
    world_run(w);
    assert_int_equal(used(w) - before, 31); /* rule 1, and ports by mask */
}

static void sets_in_use_stay(void **state)
{
    struct circuit_world *w = *state;
    json_t *set = json_pack("{s:s, s:[s]}", "name", "office", "prefixes", "10.0.0.0/8");
    json_t *policy = policy_of(RULES("'action': 'allow', 'remote': '@office'"));
    struct err err = {0};

    if (w->backend.address_set_put(w->gateway, "office", set, &err) < 0 ||
        w->backend.policy_put(w->gateway, "V1", policy, &err) < 0)
        fail_msg("%s", err.text);
    json_decref(set);
    json_decref(policy);
    world_run(w);
    AUTO_FREE char *before = state_of_all(w);
    assert_true(w->backend.address_set_delete(w->gateway, "office", &err) < 0);
    assert_non_null(strstr(err.text, "office"));
    assert_non_null(strstr(err.text, "V1"));
    world_run(w);
    AUTO_FREE char *after = state_of_all(w);
    assert_string_equal(before, after);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, circuit_world_setup, circuit_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bad_policies_are_refused),
        TEST(tables_are_named_with_their_numbers),
        TEST(sets_in_use_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
