/* SPDX-License-Identifier: Apache-2.0 */
/* A policy's JSON form both ways, the sentence of each refusal, and policy_check() on what JSON cannot even say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "model/policy.h"
#include "policy_random.h"

#ifndef TEST_DATA
#define TEST_DATA "tests/data"
#endif

static void json_comes_back_as_it_was(void **state)
{
    static const char *const lines[] = {
        "to-vm allow tcp remote 198.51.100.0/24 source-port 1024-65535 destination-port 80 set-dscp 46",
        "to-vm allow icmp icmp-type 8",
        "to-vm allow icmpv6 icmp-type 135",
        "from-vm deny udp remote 2001:db8::/32",
        "from-vm deny ipv6 protocol 47",
        "from-vm allow udp class-dscp 34",
        "to-vm allow icmp icmp-type 3 icmp-code 4",
        "from-vm deny tcp dscp 0 tcp-flags syn,!ack",
        "to-vm allow tcp remote @office destination-port 22",
        "to-vm allow ipv6 any remote @office",
        "from-vm deny any remote 192.0.2.1/32,2001:db8:1::/48",
        "to-vm deny any",
    };
    json_t *json = json_load_file(TEST_DATA "/policy/full.json", 0, NULL);
    struct policy policy;
    struct err err = {0};

    (void) state;
    assert_non_null(json);
    if (policy_from_json(json, &policy, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(policy.name, "V2");
    assert_int_equal(policy.default_verdict[POLICY_FROM_VM], POLICY_ALLOW);
    assert_int_equal(policy.default_verdict[POLICY_TO_VM], POLICY_DENY);
    assert_int_equal(policy.rate[POLICY_FROM_VM].burst_kbit, 2000);
    assert_int_equal(policy.rate[POLICY_TO_VM].kbps, 50000);
    assert_int_equal(policy.new_limit[POLICY_FROM_VM].per_second, 20);
    assert_int_equal(policy.new_limit[POLICY_FROM_VM].burst, 0);
    assert_int_equal(policy.new_limit[POLICY_TO_VM].burst, 200);
    assert_int_equal(policy.rules[1].family, IP_V4);
    assert_int_equal(policy.rules[2].family, IP_V6);
    assert_int_equal(policy.rules[11].family, IP_NONE);
    assert_int_equal(policy.n_classes, 2);
    assert_string_equal(policy.classes[0].name, "video");
    assert_int_equal(policy.classes[0].rate[POLICY_FROM_VM].kbps, 3000);
    assert_int_equal(policy.n_rules, ARRAY_LEN(lines));
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        AUTO_FREE char *text = policy_rule_format(&policy.rules[i]);

        assert_string_equal(text, lines[i]);
    }

    struct policy copy = policy_copy(&policy);
    policy_free(&policy);
    json_t *again = policy_to_json(&copy);
    assert_true(json_equal(json, again));
    json_decref(json);
    json_decref(again);
    policy_free(&copy);
}

static void random_policies_survive_json(void **state)
{
    struct random r = {13};

    (void) state;
    for (unsigned round = 0; round < 2000; round++) {
        struct policy policy = random_policy(&r, random_below(&r, 10), round % 2), back;
        json_t *json = policy_to_json(&policy);
        struct err err = {0};

        if (policy_from_json(json, &back, &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(back.n_rules, policy.n_rules);
        for (size_t i = 0; i < policy.n_rules; i++) {
            const struct policy_rule *a = &policy.rules[i], *b = &back.rules[i];

            assert_true(a->direction == b->direction && a->verdict == b->verdict && a->family == b->family &&
                        a->protocol == b->protocol && prefix_equal(&a->remote, &b->remote) &&
                        !a->remotes == !b->remotes && a->icmp_type == b->icmp_type && a->icmp_code == b->icmp_code &&
                        a->in_class == b->in_class && a->dscp == b->dscp && a->tcp_flags.mask == b->tcp_flags.mask &&
                        a->tcp_flags.value == b->tcp_flags.value && a->set_dscp == b->set_dscp);
            assert_memory_equal(&a->source_port, &b->source_port, sizeof a->source_port);
            assert_memory_equal(&a->destination_port, &b->destination_port, sizeof a->destination_port);
        }
        for (unsigned d = 0; d < 2; d++) {
            assert_int_equal(back.default_verdict[d], policy.default_verdict[d]);
            assert_int_equal(back.rate[d].kbps, policy.rate[d].kbps);
            assert_int_equal(back.rate[d].burst_kbit, policy.rate[d].burst_kbit);
            assert_memory_equal(&back.new_limit[d], &policy.new_limit[d], sizeof back.new_limit[d]);
            for (unsigned c = 0; c < policy.n_classes; c++)
                assert_memory_equal(&back.classes[c].rate[d], &policy.classes[c].rate[d], sizeof back.rate[d]);
            for (unsigned c = 0; c < policy.n_classes; c++)
                assert_memory_equal(&back.classes[c].queue[d], &policy.classes[c].queue[d],
                                    sizeof back.classes[c].queue[d]);
        }
        json_decref(json);
        policy_free(&policy);
        policy_free(&back);
    }
}

/* Quotes are single for legibility. The rule cases stand for the members behind a complete first rule. */
static const struct {
    const char *text, *sentence;
} bad_policies[] = {
    {"[]", "policy: expected an object, found an array"},
    {"{}", "policy: missing"},
    {"{'policy': 1}", "policy: expected a string, found a whole number"},
    {"{'policy': ''}", "policy: the name has to have 1..64 bytes"},
    {"{'policy': '12345678901234567890123456789012345678901234567890123456789012345'}",
     "policy: the name has to have 1..64 bytes"},
    {"{'policy': 'V', 'rule': []}", "policy V: rule: unknown member"},
    {"{'policy': 'V', 'rules': {}}", "policy V: rules: expected an array, found an object"},
    {"{'policy': 'V', 'default': 'deny'}", "policy V: default: expected an object, found a string"},
    {"{'policy': 'V', 'default': {'to-vm': 'drop'}}",
     "policy V: default.to-vm: expected deny, allow or reject, found \"drop\""},
    {"{'policy': 'V', 'default': {'tovm': 'deny'}}", "policy V: default.tovm: unknown member"},
    {"{'policy': 'V', 'rate-limit': {'to-vm': 5}}",
     "policy V: rate-limit.to-vm: expected an object, found a whole number"},
    {"{'policy': 'V', 'rate-limit': {'both': {}}}", "policy V: rate-limit.both: unknown member"},
    {"{'policy': 'V', 'rate-limit': {'to-vm': {'mbps': 1}}}", "policy V: rate-limit.to-vm.mbps: unknown member"},
    {"{'policy': 'V', 'rate-limit': {'from-vm': {'kbps': -1}}}",
     "policy V: rate-limit.from-vm.kbps: expected 0..4294967295, found -1"},
    {"{'policy': 'V', 'sets': ['10.0.0.0/8']}", "policy V: sets: expected an object, found an array"},
    {"{'policy': 'V', 'sets': {'a': '10.0.0.0/8'}}", "policy V: sets.a: expected an array of addresses and prefixes"},
    {"{'policy': 'V', 'sets': {'a': []}}", "policy V: sets.a: expected at least one address or prefix, found none"},
    {"{'policy': 'V', 'sets': {'a b': ['10.0.0.1']}}",
     "policy V: sets.a b: the name has to have 1..64 letters, digits, '.', '_' or '-'"},
    {"{'policy': 'V', 'sets': {'': ['10.0.0.1']}}",
     "policy V: sets.: the name has to have 1..64 letters, digits, '.', '_' or '-'"},
    {"{'policy': 'V', 'sets': {'a': ['10.0.0.1', '10.0.0.1/8']}}",
     "policy V: sets.a[1]: expected an address or a prefix without bits beyond its length, found \"10.0.0.1/8\""},
    {"{'policy': 'V', 'sets': {'a': ['10.0.0.1', 10]}}",
     "policy V: sets.a[1]: expected an address or a prefix without bits beyond its length, found \"something else\""},
    {"{'policy': 'V', 'sets': {'a': ['10.0.0.1', '::1', '10.0.0.1/32']}}",
     "policy V: sets.a: 10.0.0.1/32 is named twice"},
    {"{'policy': 'V', 'rate-limit': {'from-vm': {'burst-kbit': 5}}}",
     "policy V: rate-limit.from-vm.burst-kbit: a burst without kbps"},
    {"{'policy': 'V', 'rate-limit': {'from-vm': {'kbps': 100001, 'burst-kbit': 100}}}",
     "policy V: rate-limit.from-vm.burst-kbit: 100 is less than what kbps, 100001, brings in a millisecond, and a "
     "switch would let nothing pass; give it at least 101"},
    {"{'policy': 'V', 'new-connections': 5}", "policy V: new-connections: expected an object, found a whole number"},
    {"{'policy': 'V', 'new-connections': {'both': {}}}", "policy V: new-connections.both: unknown member"},
    {"{'policy': 'V', 'new-connections': {'to-vm': 5}}",
     "policy V: new-connections.to-vm: expected an object, found a whole number"},
    {"{'policy': 'V', 'new-connections': {'to-vm': {}}}", "policy V: new-connections.to-vm.per-second: missing"},
    {"{'policy': 'V', 'new-connections': {'to-vm': {'per-second': 0}}}",
     "policy V: new-connections.to-vm.per-second: expected 1..4294967295, found 0"},
    {"{'policy': 'V', 'new-connections': {'to-vm': {'per-second': 5, 'burst': 0}}}",
     "policy V: new-connections.to-vm.burst: expected 1..4294967295, found 0"},
    {"{'policy': 'V', 'new-connections': {'from-vm': {'per-second': 5, 'kbps': 1}}}",
     "policy V: new-connections.from-vm.kbps: unknown member"},
    {"{'policy': 'V', 'new-connections': {'from-vm': {'per-second': 5001, 'burst': 5}}}",
     "policy V: new-connections.from-vm.burst: 5 is less than what per-second, 5001, brings in a millisecond, and a "
     "switch would let nothing pass; give it at least 6"},
    {"{'policy': 'V', 'classes': []}", "policy V: classes: expected an object, found an array"},
    {"{'policy': 'V', 'classes': {'': {'dscp': 1}}}", "policy V: classes: the name of a class has to have 1..64 bytes"},
    {"{'policy': 'V', 'classes': {'a': {}}}", "policy V: classes.a.dscp: missing"},
    {"{'policy': 'V', 'classes': {'a': {'dscp': 64}}}", "policy V: classes.a.dscp: expected 0..63, found 64"},
    {"{'policy': 'V', 'classes': {'a': {'dscp': 1, 'both': {}}}}", "policy V: classes.a.both: unknown member"},
    {"{'policy': 'V', 'classes': {'a': {'dscp': 1, 'to-vm': {'rate': {}}}}}",
     "policy V: classes.a.to-vm.rate: unknown member"},
    {"{'policy': 'V', 'classes': {'a': {'dscp': 1, 'to-vm': {'rate-limit': {'kbps': -1}}}}}",
     "policy V: classes.a.to-vm.rate-limit.kbps: expected 0..4294967295, found -1"},
    {"{'policy': 'V', 'classes': {'a': {'dscp': 1, 'to-vm': {'rate-limit': {'burst-kbit': 1}}}}}",
     "policy V: classes.a.to-vm.rate-limit.burst-kbit: a burst without kbps"},
    {"{'policy': 'V', 'classes': {'a': {'dscp': 1, 'to-vm': {'queue': {}}}}}",
     "policy V: classes.a.to-vm.queue: it says nothing; give it min-kbps, max-kbps or a priority of 1..7"},
    {"{'policy': 'V', 'classes': {'a': {'dscp': 1, 'to-vm': {'queue': {'priority': 0}}}}}",
     "policy V: classes.a.to-vm.queue: it says nothing; give it min-kbps, max-kbps or a priority of 1..7"},
    {"{'policy': 'V', 'classes': {'a': {'dscp': 1, 'to-vm': {'queue': {'min-kbps': 1, 'priority': 8}}}}}",
     "policy V: classes.a.to-vm.queue.priority: expected 0..7, found 8"},
    {"{'policy': 'V', 'classes': {'a': {'dscp': 1, 'to-vm': {'queue': {'kbps': 1}}}}}",
     "policy V: classes.a.to-vm.queue.kbps: unknown member"},
    {"{'policy': 'V', 'classes': {'a': {'dscp': 1, 'to-vm': {'queue': {'min-kbps': 0}}}}}",
     "policy V: classes.a.to-vm.queue.min-kbps: expected 1..4294967295, found 0"},
    {"{'policy': 'V', 'classes': {'a': {'dscp': 1, 'to-vm': {'queue': {'min-kbps': 3, 'max-kbps': 2}}}}}",
     "policy V: classes.a.to-vm.queue.min-kbps: 3 is more than max-kbps, 2"},
    {"{'policy': 'V', 'classes': {'a': {'dscp': 1}, 'b': {'dscp': 1}}}",
     "policy V: classes.b.dscp: 1 is that of class a, too; a DSCP is of one class"},
    {"{'policy': 'V', 'classes': {'a': {'dscp': 1}, 'b': {'dscp': 2}, 'c': {'dscp': 3}, 'd': {'dscp': 4},"
     " 'e': {'dscp': 5}, 'f': {'dscp': 6}, 'g': {'dscp': 7}, 'h': {'dscp': 8}}}",
     "policy V: classes: 8 are too many, a policy has at most 7"},
#define CLASSES "{'policy': 'V', 'classes': {'a': {'dscp': 1, 'from-vm': {'rate-limit': {'kbps': 9}}}}, 'rules': "
    {CLASSES "[{'direction': 'to-vm', 'action': 'allow', 'class': 'a'}]}",
     "policy V: rule 1: class: class a has nothing in direction to-vm; give it a rate-limit or a queue there, or use "
     "set-dscp"},
    {CLASSES "[{'direction': 'from-vm', 'action': 'deny', 'class': 'a'}]}",
     "policy V: rule 1: class: packets that are denied are in no class; remove it or allow them"},
    {CLASSES "[{'direction': 'from-vm', 'action': 'allow', 'class': 'b'}]}",
     "policy V: rule 1: class: the policy has no class \"b\"; add it to its \"classes\""},
    {CLASSES "[{'direction': 'from-vm', 'action': 'allow', 'class': 'a', 'set-dscp': 1}]}",
     "policy V: rule 1: set-dscp: class a marks packets with its own DSCP, 1; remove one of the two"},
};

static const struct {
    const char *members, *sentence; /* behind "policy V: rule 2: " */
} bad_rules[] = {
    {"'action': 'allow'", "direction: missing"},
    {"'direction': 'to-vm'", "action: missing"},
    {"'direction': 'in', 'action': 'allow'", "direction: expected from-vm or to-vm, found \"in\""},
    {"'direction': 'to-vm', 'action': 'accept'", "action: expected deny, allow or reject, found \"accept\""},
    {"'direction': 'to-vm', 'action': true", "action: expected a string, found true"},
#define RULE "'direction': 'to-vm', 'action': 'allow', "
    {RULE "'port': 80", "port: unknown member"},
    {RULE "'protocol': 'sctp'", "protocol: expected any, tcp, udp, icmp, icmpv6 or a number, found \"sctp\""},
    {RULE "'protocol': 256", "protocol: expected 0..255, found 256"},
    {RULE "'protocol': -1", "protocol: expected 0..255, found -1"},
    {RULE "'protocol': 6.5", "protocol: expected a whole number, found a fraction"},
    {RULE "'remote': '10.0.0.1/8'",
     "remote: expected an address or a prefix without bits beyond its length, found \"10.0.0.1/8\""},
    {RULE "'remote': 10", "remote: expected a string, found a whole number"},
    {RULE "'remote': '@home'", "remote: there is no set \"home\" in the policy; define it under \"sets\""},
    {RULE "'remote': '@'", "remote: there is no set \"\" in the policy; define it under \"sets\""},
    {RULE "'remote': []", "remote: expected at least one address or prefix, found none"},
    {RULE "'remote': ['10.0.0.0/8', '@home']",
     "remote[1]: expected an address or a prefix without bits beyond its length, found \"@home\""},
    {RULE "'destination-port': 80", "destination-port: only tcp and udp have ports; set protocol to one of them"},
    {RULE "'protocol': 'icmp', 'source-port': '1-2'",
     "source-port: only tcp and udp have ports; set protocol to one of them"},
    {RULE "'protocol': 'tcp', 'destination-port': 65536", "destination-port: expected 0..65535, found 65536"},
    {RULE "'protocol': 'tcp', 'destination-port': [80]", "destination-port: expected a whole number, found an array"},
    {RULE "'protocol': 'tcp', 'source-port': '443-80'", "source-port: range 443-80 is upside down"},
    {RULE "'protocol': 'tcp', 'source-port': '80'",
     "source-port: expected a port or \"first-last\" within 0..65535, found \"80\""},
    {RULE "'protocol': 'tcp', 'source-port': '1-65536'",
     "source-port: expected a port or \"first-last\" within 0..65535, found \"1-65536\""},
    {RULE "'protocol': 'tcp', 'source-port': '1-2-3'",
     "source-port: expected a port or \"first-last\" within 0..65535, found \"1-2-3\""},
    {RULE "'protocol': 'tcp', 'source-port': ' 1-2'",
     "source-port: expected a port or \"first-last\" within 0..65535, found \" 1-2\""},
    {RULE "'protocol': 'tcp', 'source-port': '-1-2'",
     "source-port: expected a port or \"first-last\" within 0..65535, found \"-1-2\""},
    {RULE "'protocol': 'tcp', 'icmp-type': 8",
     "icmp-type: only icmp and icmpv6 have types; set protocol to one of them"},
    {RULE "'protocol': 'icmp', 'icmp-type': 256", "icmp-type: expected 0..255, found 256"},
    {RULE "'protocol': 'icmp', 'icmp-type': 8, 'family': 'ipv6'",
     "family: ipv6 contradicts icmp-type of the same rule"},
    {RULE "'protocol': 'icmpv6', 'icmp-type': 8, 'remote': '10.0.0.1'",
     "icmp-type: types of icmp go with family ipv4, types of icmpv6 with ipv6"},
    {RULE "'family': 'ipv6', 'remote': '10.0.0.1'", "family: ipv6 contradicts remote of the same rule"},
    {RULE "'family': 'inet'", "family: expected ipv4 or ipv6, found \"inet\""},
    {RULE "'stateful': 1", "stateful: expected true or false, found a whole number"},
    {"'direction': 'to-vm', 'action': 'deny', 'stateful': true",
     "stateful: what is denied has no replies; remove it or allow the packets"},
    {RULE "'protocol': 47, 'stateful': true", "stateful: only tcp, udp, icmp and icmpv6 have replies that can be told"},
    {RULE "'protocol': 'icmp', 'icmp-type': 0, 'stateful': true",
     "stateful: of icmp only echo requests have replies; set icmp-type to 8"},
    {RULE "'protocol': 'icmpv6', 'icmp-type': 129, 'stateful': true",
     "stateful: of icmpv6 only echo requests have replies; set icmp-type to 128"},
    {RULE "'protocol': 'icmp', 'remote': '2001:db8::/32', 'stateful': true",
     "stateful: icmp goes with family ipv4, icmpv6 with ipv6"},
    {RULE "'protocol': 'icmp', 'icmp-code': 0", "icmp-code: codes belong to a type; set icmp-type, too"},
    {RULE "'protocol': 'icmp', 'icmp-type': 3, 'icmp-code': 256", "icmp-code: expected 0..255, found 256"},
    {RULE "'dscp': 64", "dscp: expected 0..63, found 64"},
    {RULE "'dscp': 'ef'", "dscp: expected a whole number, found a string"},
    {RULE "'tcp-flags': 'syn'", "tcp-flags: only tcp has them; set protocol to tcp"},
    {RULE "'protocol': 'tcp', 'tcp-flags': 'syn,!acknowledgement'",
     "tcp-flags: expected fin, syn, rst, psh, ack, urg, ece, cwr or ns, with ! before those that are to be clear, "
     "found "
     "\"acknowledgement\""},
    {RULE "'protocol': 'tcp', 'tcp-flags': ''",
     "tcp-flags: expected fin, syn, rst, psh, ack, urg, ece, cwr or ns, with ! before those that are to be clear, "
     "found "
     "\"\""},
    {RULE "'protocol': 'tcp', 'tcp-flags': 'syn,!syn'", "tcp-flags: syn is named twice"},
    {RULE "'set-dscp': 64", "set-dscp: expected 0..63, found 64"},
    {"'direction': 'to-vm', 'action': 'deny', 'set-dscp': 1",
     "set-dscp: packets that are denied cannot be marked; remove it or allow them"},
    {"'direction': 'to-vm', 'action': 'reject', 'set-dscp': 1",
     "set-dscp: packets that are denied cannot be marked; remove it or allow them"},
    {"'direction': 'to-vm', 'action': 'reject', 'stateful': true",
     "stateful: what is denied has no replies; remove it or allow the packets"},
    {RULE "'ethertype': 'ipx'", "ethertype: expected ipv4, ipv6 or 0x0600 to 0xffff"},
    {RULE "'ethertype': '0x05ff'", "ethertype: expected ipv4, ipv6 or 0x0600 to 0xffff"},
    {RULE "'ethertype': 65536", "ethertype: expected ipv4, ipv6 or 0x0600 to 0xffff"},
    {RULE "'ethertype': '0x88bg'", "ethertype: expected ipv4, ipv6 or 0x0600 to 0xffff"},
    {RULE "'ethertype': true", "ethertype: expected ipv4, ipv6 or 0x0600 to 0xffff"},
    {RULE "'ethertype': 'ipv6', 'remote': '10.0.0.1'",
     "ethertype: ipv6 contradicts the family, remote or icmp-type of the same rule"},
    {RULE "'ethertype': 2048, 'family': 'ipv6'",
     "ethertype: ipv4 contradicts the family, remote or icmp-type of the same rule"},
    {RULE "'ethertype': 'arp'", "ethertype: ARP is inspected and passes whatever policies say; remove the rule"},
    {RULE "'ethertype': '0x8847'", "ethertype: a VM's frames have no MPLS labels; labelled ones are dropped"},
    {RULE "'ethertype': 34997, 'protocol': 'tcp'",
     "protocol: only IP has that, and the rule is about ethertype 0x88b5; remove one"},
    {RULE "'ethertype': '0x88b5', 'remote': '10.0.0.1'",
     "remote: only IP has that, and the rule is about ethertype 0x88b5; remove one"},
    {RULE "'ethertype': '0x88b5', 'family': 'ipv4'",
     "family: only IP has that, and the rule is about ethertype 0x88b5; remove one"},
    {RULE "'ethertype': '0x88b5', 'stateful': true",
     "stateful: only IP has that, and the rule is about ethertype 0x88b5; remove one"},
    {RULE "'ethertype': '0x88b5', 'dscp': 1",
     "dscp: only IP has that, and the rule is about ethertype 0x88b5; remove one"},
    {"'direction': 'to-vm', 'action': 'reject', 'ethertype': '0x88b5'",
     "action: only IP has that, and the rule is about ethertype 0x88b5; remove one"},
};

static void expect_refusal(const char *text, const char *sentence)
{
    AUTO_FREE char *quoted = xstrdup(text);
    struct policy policy = {.name = "before"};
    struct err err = {0};

    for (char *c = quoted; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json_t *json = json_loads(quoted, 0, NULL);
    assert_non_null(json);
    assert_int_equal(policy_from_json(json, &policy, &err), ERR_INVALID);
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.text, sentence);
    assert_string_equal(policy.name, "before"); /* left alone */
    json_decref(json);
}

static void bad_json_is_refused_by_name(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(bad_policies); i++)
        expect_refusal(bad_policies[i].text, bad_policies[i].sentence);
    for (size_t i = 0; i < ARRAY_LEN(bad_rules); i++) {
        AUTO_FREE char *text = xasprintf("{'policy': 'V', 'rules': [{'direction': 'to-vm', 'action': 'deny', "
                                         "'remote': ['10.0.0.0/8']}, {%s}]}",
                                         bad_rules[i].members);
        AUTO_FREE char *sentence = xasprintf("policy V: rule 2: %s", bad_rules[i].sentence);

        expect_refusal(text, sentence);
    }
    expect_refusal("{'policy': 'V', 'rules': ['deny']}", "policy V: rule 1: expected an object, found a string");
}

/* What is neither IP nor ARP: the first rule of an ethertype decides, and nothing is allowed by default. */
static void ethertypes_are_read(void **state)
{
    json_t *json = json_pack("{s:s, s:{s:s}, s:[{s:s, s:s, s:s}, {s:s, s:s, s:i}, {s:s, s:s, s:s}, {s:s, s:s, s:s},"
                             " {s:s, s:s, s:s}]}",
                             "policy", "V", "default", "to-vm", "allow", "rules", "direction", "to-vm", "action",
                             "deny", "ethertype", "0x88b6", "direction", "to-vm", "action", "allow", "ethertype",
                             0x88b7, "direction", "to-vm", "action", "allow", "ethertype", "0x88b6", "direction",
                             "to-vm", "action", "allow", "ethertype", "0x88B5", "direction", "to-vm", "action", "deny",
                             "ethertype", "ipv6");
    uint16_t types[POLICY_ETHERTYPES_MAX];
    struct policy policy;
    struct err err = {0};

    (void) state;
    assert_int_equal(policy_from_json(json, &policy, &err), 0);
    assert_int_equal(policy_ethertypes(&policy, POLICY_FROM_VM, types), 0);
    assert_int_equal(policy_ethertypes(&policy, POLICY_TO_VM, types), 2);
    assert_int_equal(types[0], 0x88b5);
    assert_int_equal(types[1], 0x88b7);
    assert_int_equal(policy.rules[4].family, IP_V6);
    assert_int_equal(policy.rules[4].ethertype, 0);
    AUTO_FREE char *text = policy_rule_format(&policy.rules[1]);
    assert_string_equal(text, "to-vm allow ethertype 0x88b7");
    json_t *again = policy_to_json(&policy);
    struct policy back;
    assert_int_equal(policy_from_json(again, &back, &err), 0);
    assert_int_equal(back.rules[1].ethertype, 0x88b7);
    for (unsigned i = 0; i < POLICY_ETHERTYPES_MAX; i++) {
        struct policy_rule rule = policy_rule_any(POLICY_TO_VM, POLICY_ALLOW);

        rule.ethertype = (uint16_t) (0x9000 + i);
        policy_add_rule(&policy, rule);
    }
    assert_int_equal(policy_check(&policy, &err), ERR_INVALID);
    assert_string_equal(err.text, "policy V: rule 19: ethertype: 0x900d is one too many, at most 16 differ");
    policy_free(&policy);
    policy_free(&back);
    json_decref(again);
    json_decref(json);
}

static struct address_set *find_lent(void *arg, const char *name)
{
    return strcmp(name, "lent") == 0 ? address_set_ref(arg) : NULL;
}

/* What the gateway lends is used, but not said again where the policy stays; what leaves has it with it. */
static void sets_are_lent(void **state)
{
    struct prefix prefix;
    struct policy policy, copy;
    struct err err = {0};
    json_t *json = json_pack("{s:s, s:{s:[s]}, s:[{s:s, s:s, s:s}, {s:s, s:s, s:s}]}", "policy", "V", "sets", "own",
                             "192.0.2.0/24", "rules", "direction", "to-vm", "action", "allow", "remote", "@lent",
                             "direction", "to-vm", "action", "allow", "remote", "@own");

    (void) state;
    assert_int_equal(prefix_parse("10.0.0.0/8", &prefix), 0);
    struct address_set *set = address_set_new("lent", &prefix, 1);
    set->shared = true;
    struct policy_book book = {find_lent, set};
    assert_int_equal(policy_from_json(json, &policy, &err), ERR_INVALID);
    assert_int_equal(policy_from_json_with(json, &book, &policy, &err), 0);
    assert_int_equal(set->references, 2);
    copy = policy_copy(&policy);
    policy_free(&policy);
    json_t *stays = policy_to_json_without(&copy), *leaves = policy_to_json(&copy);
    assert_true(json_equal(stays, json));
    assert_int_equal(json_object_size(json_object_get(leaves, "sets")), 2);
    policy_free(&copy);
    assert_int_equal(policy_from_json(leaves, &policy, &err), 0);
    assert_true(policy.rules[0].remotes != set && policy.rules[0].remotes->n == 1);
    policy_free(&policy);
    assert_int_equal(set->references, 1);

    json_object_set_new(json_array_get(json_object_get(json, "rules"), 1), "remote", json_string("@none"));
    assert_int_equal(policy_from_json_with(json, &book, &policy, &err), ERR_INVALID);
    assert_string_equal(err.text,
                        "policy V: rule 2: remote: there is no set \"none\" in the policy, nor among those of "
                        "the gateway; define it under \"sets\"");
    assert_int_equal(set->references, 1);
    address_set_unref(set);
    json_decref(json);
    json_decref(stays);
    json_decref(leaves);
}

static void covers_are_the_fewest_prefixes(void **state)
{
    static const char *const given[] = {"10.0.1.0/24", "10.0.0.0/24", "10.0.0.7", "10.0.2.0/23", "192.0.2.1", "::/1"};
    static const char *const expected[] = {"10.0.0.0/22", "192.0.2.1/32"};
    struct prefix prefixes[ARRAY_LEN(given)], *cover;
    char text[PREFIX_TEXT_SIZE];

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(given); i++)
        assert_int_equal(prefix_parse(given[i], &prefixes[i]), 0);
    struct address_set *set = address_set_new("", prefixes, ARRAY_LEN(given));
    assert_int_equal(address_set_cover(set, IP_V4, &cover), ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_string_equal(prefix_format(&cover[i], text), expected[i]);
    free(cover);
    assert_int_equal(address_set_cover(set, IP_V6, &cover), 1);
    free(cover);
    address_set_unref(set);
}

static void too_many_rules_are_refused(void **state)
{
    json_t *json = json_pack("{s:s, s:[]}", "policy", "V", "rules"), *rules = json_object_get(json, "rules");
    struct policy policy;
    struct err err;

    (void) state;
    for (unsigned i = 0; i < POLICY_RULES_MAX; i++)
        json_array_append_new(rules, json_pack("{s:s, s:s}", "direction", "to-vm", "action", "deny"));
    assert_int_equal(policy_from_json(json, &policy, &err), 0);
    policy_add_rule(&policy, policy_rule_any(POLICY_TO_VM, POLICY_DENY));
    assert_int_equal(policy_check(&policy, &err), ERR_INVALID);
    assert_string_equal(err.text, "policy V: rules: 4097 are too many, at most 4096 are kept");
    policy_free(&policy);

    json_array_append_new(rules, json_object());
    assert_int_equal(policy_from_json(json, &policy, &err), ERR_INVALID);
    assert_string_equal(err.text, "policy V: rules: 4097 are too many, at most 4096 are kept");
    json_decref(json);
}

/* Each rule on a set is as many flows as the set has addresses. */
static void too_many_remotes_are_refused(void **state)
{
    enum { PREFIXES = 4096, RULES = POLICY_REMOTES_MAX / PREFIXES };
    AUTO_FREE struct prefix *prefixes = xcalloc(PREFIXES, sizeof *prefixes);
    struct policy policy = {.name = "V"};
    struct err err = {0};

    (void) state;
    for (unsigned i = 0; i < PREFIXES; i++)
        prefixes[i] = (struct prefix) {.ip = {IP_V4, {10, (uint8_t) (i >> 8), (uint8_t) i}}, .length = 24};
    policy_add_set(&policy, address_set_new("office", prefixes, PREFIXES));
    for (unsigned i = 0; i < RULES; i++) {
        struct policy_rule rule = policy_rule_any(POLICY_TO_VM, POLICY_ALLOW);

        rule.remotes = policy.sets[0];
        policy_add_rule(&policy, rule);
    }
    assert_int_equal(policy_check(&policy, &err), 0);
    policy_add_rule(&policy, policy_rule_any(POLICY_TO_VM, POLICY_DENY));
    assert_int_equal(policy_check(&policy, &err), ERR_INVALID);
    assert_string_equal(err.text,
                        "policy V: rules: 65537 remote addresses and prefixes in all, each as often as a rule "
                        "names it or its set, are too many, at most 65536 are kept");
    policy_free(&policy);
}

static void expect_fault(const struct policy_rule *rule, const char *sentence)
{
    struct policy policy = {.name = "V"};
    struct err err = {0};

    policy_add_rule(&policy, *rule);
    assert_int_equal(policy_check(&policy, &err), ERR_INVALID);
    assert_string_equal(err.text, sentence);
    policy_free(&policy);
}

/* What reaches policy_check() from elsewhere than JSON. */
static void check_finds_what_json_cannot_say(void **state)
{
    const struct policy_rule any = policy_rule_any(POLICY_TO_VM, POLICY_ALLOW);
    struct policy_rule rule = any;
    struct policy policy = {.name = ""};
    struct err err;

    (void) state;
    rule.direction = 2;
    expect_fault(&rule, "policy V: rule 1: direction: no such direction (2)");
    rule = any;
    rule.verdict = 3;
    expect_fault(&rule, "policy V: rule 1: action: no such action (3)");
    rule = any;
    rule.family = 5;
    expect_fault(&rule, "policy V: rule 1: family: no such family (5)");
    rule = any;
    rule.remote.length = 8;
    expect_fault(&rule, "policy V: rule 1: remote: a length without an address");
    rule = any;
    rule.remote.ip.family = IP_V4;
    expect_fault(&rule, "policy V: rule 1: remote: the address is of another family than \"family\" says");
    rule.family = IP_V4;
    rule.remote.length = 33;
    expect_fault(&rule, "policy V: rule 1: remote: /33 is longer than the address");
    rule.remote.length = 8;
    rule.remote.ip.bytes[1] = 1;
    expect_fault(&rule, "policy V: rule 1: remote: bits are set beyond /8");
    rule = any;
    rule.protocol = 1;
    rule.icmp_type = 8;
    expect_fault(&rule, "policy V: rule 1: icmp-type: types of icmp go with family ipv4, types of icmpv6 with ipv6");
    rule = any;
    rule.protocol = 256;
    expect_fault(&rule, "policy V: rule 1: protocol: expected 0..255, found 256");
    assert_int_equal(policy_check(&policy, &err), ERR_INVALID);
    assert_string_equal(err.text, "policy: the name has to have 1..64 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_lent),
        cmocka_unit_test(covers_are_the_fewest_prefixes),
        cmocka_unit_test(json_comes_back_as_it_was),
        cmocka_unit_test(random_policies_survive_json),
        cmocka_unit_test(bad_json_is_refused_by_name),
        cmocka_unit_test(ethertypes_are_read),
        cmocka_unit_test(too_many_rules_are_refused),
        cmocka_unit_test(too_many_remotes_are_refused),
        cmocka_unit_test(check_finds_what_json_cannot_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
