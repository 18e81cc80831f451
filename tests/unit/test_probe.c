/* SPDX-License-Identifier: Apache-2.0 */
/* Probe packets: chosen as the reference of policies decides them, complete, well-formed, and on a ToR's flows never
 * anywhere but at the controller. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "core/probe.h"
#include "flow_table.h"
#include "flow_walk.h"
#include "policy_random.h"
#include "policy_site.h"
#include "policy_text.h"

#define MANY 100000

static const struct probe_site site = {
    .mac = {{0x52, 0x54, 0, 0, 0, 0x11}},
    .ip = {IP_V4, {10, 100, 0, 11}},
    .server_port = 3,
    .segment = 1,
    .nonce = 0xabcdef,
};

static const struct ip address6 = {IP_V6, {0x20, 0x01, 0x0d, 0xb8, [15] = 0x11}};

static struct probe *choose(const struct policy *policy, enum ip_family family, size_t max, size_t *n)
{
    struct probe *probes = NULL;
    struct err err;

    assert_int_equal(probe_choose(policy, family, max, &probes, n, &err), 0);
    return probes;
}

static struct packet packet_of(const struct policy_rule *rule)
{
    return (struct packet) {
        .remote = rule->remote.ip,
        .protocol = (uint8_t) rule->protocol,
        .icmp_type = (uint8_t) rule->icmp_type,
        .icmp_code = (uint8_t) rule->icmp_code,
        .dscp = (uint8_t) rule->dscp,
        .tcp_flags = rule->tcp_flags.value,
        .source = rule->source_port.first,
        .destination = rule->destination_port.first,
    };
}

static void chooses_a_packet_for_each_rule_and_one_just_outside(void **state)
{
    (void) state;
    struct policy policy = policy_of_text(
        "{\"policy\": \"V1\", \"default\": {\"from-vm\": \"allow\"}, \"rules\": ["
        "{\"direction\": \"to-vm\", \"action\": \"allow\", \"protocol\": \"tcp\", \"destination-port\": \"80-443\"},"
        "{\"direction\": \"to-vm\", \"action\": \"deny\", \"protocol\": \"tcp\", \"destination-port\": 80},"
        "{\"direction\": \"to-vm\", \"action\": \"allow\", \"protocol\": \"icmp\", \"remote\": \"192.0.2.0/24\","
        " \"icmp-type\": 8, \"set-dscp\": 46}]}");
    struct strbuf text = {0};
    size_t n;
    struct probe *probes = choose(&policy, IP_V4, MANY, &n);

    for (size_t i = 0; i < n; i++) {
        char *packet = policy_rule_format(&probes[i].packet);

        strbuf_printf(&text, "%zu %s\n", probes[i].rule + 1, packet);
        free(packet);
    }
    assert_string_equal(
        text.text,
        "4 from-vm allow tcp remote 198.51.100.1/32 source-port 49152 destination-port 49153 dscp 0 tcp-flags ack\n"
        "3 to-vm allow icmp remote 192.0.2.1/32 icmp-type 8 icmp-code 0 dscp 0 set-dscp 46\n"
        "1 to-vm allow tcp remote 198.51.100.1/32 source-port 49152 destination-port 81 dscp 0 tcp-flags ack\n"
        "4 to-vm deny tcp remote 198.51.100.1/32 source-port 49152 destination-port 49153 dscp 0 tcp-flags ack\n"
        /* Just outside; of the default, too. Rule 2 decides nothing. */
        "4 to-vm deny icmp remote 192.0.3.0/32 icmp-type 8 icmp-code 0 dscp 0\n"
        "4 to-vm deny tcp remote 198.51.100.1/32 source-port 49152 destination-port 79 dscp 0 tcp-flags ack\n"
        "1 to-vm allow tcp remote 198.51.100.1/32 source-port 49152 destination-port 443 dscp 0 tcp-flags ack\n");
    free(probes);
    strbuf_free(&text);
    policy_free(&policy);
}

/* Whether a packet can be a probe: of what random_packet() makes, all but these. */
static bool can_be_sent(const struct packet *p)
{
    return p->remote.family == IP_V4 || p->protocol != 0;
}

static enum policy_verdict verdict_of(int decided)
{
    return decided == DECIDED_REJECT ? POLICY_REJECT : decided < 0 ? POLICY_DENY : POLICY_ALLOW;
}

/* Which rule decides it: the first that matches it, of which the reference is asked one by one, each against a default
 * that says otherwise. */
static size_t rule_of(const struct policy *policy, enum policy_direction direction, const struct packet *p)
{
    for (size_t i = 0; i < policy->n_rules; i++) {
        struct policy one = {.rules = &policy->rules[i], .n_rules = 1};
        enum policy_verdict verdict = policy->rules[i].verdict;

        one.default_verdict[direction] = verdict == POLICY_ALLOW ? POLICY_DENY : POLICY_ALLOW;
        if (verdict_of(policy_decide(&one, direction, p)) == verdict)
            return i;
    }
    return policy->n_rules;
}

static bool has_probe(const struct probe *probes, size_t n, enum policy_direction direction, size_t rule)
{
    for (size_t i = 0; i < n; i++) {
        if (probes[i].packet.direction == direction && probes[i].rule == rule)
            return true;
    }
    return false;
}

static void check_probes(const struct policy *policy, const struct probe *probes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct policy_rule *rule = &probes[i].packet;
        struct packet packet = packet_of(rule);
        int decided = policy_decide(policy, rule->direction, &packet);

        assert_int_equal(rule->verdict, verdict_of(decided));
        assert_int_equal(probes[i].rule, rule_of(policy, rule->direction, &packet));
        if (decided >= 0)
            assert_int_equal(rule->set_dscp == POLICY_ANY ? 64 : rule->set_dscp, decided % DECIDED_CLASS);
    }
}

static void probes_are_what_the_reference_says(void **state)
{
    (void) state;
    struct random r = {20260723};

    for (unsigned round = 0; round < 2000; round++) {
        struct policy policy = random_policy(&r, random_below(&r, 12), false);
        enum ip_family family = round % 2 ? IP_V6 : IP_V4;
        bool met[2][2] = {0}, probed[2][2] = {0};
        size_t n;
        struct probe *probes = choose(&policy, family, MANY, &n);

        check_probes(&policy, probes, n);
        for (size_t i = 0; i < n; i++)
            probed[probes[i].packet.direction][probes[i].packet.verdict != POLICY_ALLOW] = true;
        for (unsigned i = 0; i < 100; i++) {
            struct packet packet = random_packet(&r, (uint8_t) family);
            enum policy_direction direction = random_below(&r, 2);

            if (policy.n_rules)
                packet_at_border(&r, &policy.rules[random_below(&r, (uint32_t) policy.n_rules)], &packet);
            if (!can_be_sent(&packet))
                continue;
            met[direction][policy_decide(&policy, direction, &packet) < 0] = true;
            assert_true(has_probe(probes, n, direction, rule_of(&policy, direction, &packet)));
        }
        for (unsigned d = 0; d < 2; d++) {
            for (unsigned v = 0; v < 2; v++)
                assert_true(probed[d][v] || !met[d][v]);
        }
        free(probes);
        policy_free(&policy);
    }
}

static void no_more_than_asked_for(void **state)
{
    (void) state;
    struct random r = {7};
    struct policy policy = random_policy(&r, 40, false);
    size_t n, all;
    struct probe *few = choose(&policy, IP_V4, 5, &n), *every = choose(&policy, IP_V4, MANY, &all);

    assert_int_equal(n, 5);
    assert_in_range(all, 6, 2 * 2 * 41);
    check_probes(&policy, few, n);
    free(few);
    free(every);
    policy_free(&policy);
}

/* ---- on a ToR ---- */

static void add(struct flow_list *flows, struct flow_txn *txn)
{
    for (size_t i = 0; i < txn->n_mods; i++)
        flow_table_change(flows, &txn->mods[i]);
    flow_txn_free(txn);
    *txn = (struct flow_txn) {0};
}

static struct flow_list tor_of(const struct policy *policy, bool diverts)
{
    static const uint32_t fabric_ports[] = {1, 2}, server_ports[] = {3, 4};
    const struct pipeline_fabric fabric = {fabric_ports, 2, false};
    const struct pipeline_segment segment = {.number = site.segment,
                                             .cookie = cookie_make(COOKIE_SEGMENT, 1),
                                             .vlan = 100,
                                             .gateway = {IP_V4, {10, 100, 0, 1}},
                                             .length = 24};
    const struct pipeline_vm vm = {.cookie = cookie_make(COOKIE_VM, 1),
                                   .mac = site.mac,
                                   .ip = site.ip,
                                   .ip6 = {1, {address6}},
                                   .server_port = site.server_port};
    struct policy_site numbers = pipeline_policy_site(vm.cookie, &vm.ip);
    struct flow_meter meters[METERS_MAX];
    struct flow_list flows = {0};
    struct flow_txn txn = {0};

    number_meters(policy, &numbers, meters);
    pipeline_base_tor(&txn, server_ports, 2, &fabric);
    add(&flows, &txn);
    pipeline_segment_tor(&txn, &segment, server_ports, 2);
    add(&flows, &txn);
    pipeline_vm_tor(&txn, &segment, &vm, policy, &numbers.numbers);
    add(&flows, &txn);
    if (diverts)
        probe_divert(&txn);
    add(&flows, &txn);
    return flows;
}

static struct flow_walk send_probe(const struct flow_list *flows, const struct probe *probe, uint16_t id)
{
    struct probe_site of = site;
    uint8_t frame[PROBE_FRAME_SIZE];
    struct flow way;

    if (probe->packet.family == IP_V6)
        of.ip = address6;
    size_t size = probe_frame(&of, &probe->packet, id, frame);
    uint32_t in_port = probe_way(&of, probe->packet.direction, &way);
    struct flow_walk walk = flow_walk(flows, in_port, &way, frame, size);

    flow_free(&way);
    return walk;
}

static void goes_to_the_controller_or_nowhere(void **state)
{
    (void) state;
    struct random r = {4711};

    for (unsigned round = 0; round < 300; round++) {
        struct policy policy = random_policy(&r, random_below(&r, 12), false);
        struct flow_list with = tor_of(&policy, true), without = tor_of(&policy, false);
        size_t n;
        struct probe *probes = choose(&policy, round % 2 ? IP_V6 : IP_V4, MANY, &n);

        for (size_t i = 0; i < n; i++) {
            const struct policy_rule *packet = &probes[i].packet;
            struct flow_walk walk = send_probe(&with, &probes[i], (uint16_t) i);
            uint16_t id = 0;
            uint8_t dscp = 0;

            assert_int_equal(walk.outputs, 0);
            assert_int_equal(walk.to_controller != NULL, packet->verdict != POLICY_DENY);
            if (walk.to_controller)
                assert_int_equal(probe_is_divert(walk.to_controller), packet->verdict == POLICY_ALLOW);
            assert_true(probe_read(walk.frame, walk.size, site.nonce, &id, &dscp));
            assert_int_equal(id, i);
            if (packet->verdict == POLICY_ALLOW)
                assert_int_equal(dscp, packet->set_dscp == POLICY_ANY ? packet->dscp : packet->set_dscp);

            walk = send_probe(&without, &probes[i], (uint16_t) i);
            assert_int_equal(walk.outputs, 0);
            assert_int_equal(walk.to_controller != NULL, packet->verdict == POLICY_REJECT);
        }
        free(probes);
        flow_list_free(&with);
        flow_list_free(&without);
        policy_free(&policy);
    }
}

static void a_sentinel_comes_back_through_any_policy(void **state)
{
    (void) state;
    struct policy policy = {.name = "V1"}; /* nothing passes */
    struct flow_list flows = tor_of(&policy, true);
    const struct policy_rule packet = {.protocol = 255};
    uint8_t frame[PROBE_FRAME_SIZE];
    size_t size = probe_frame(&site, &packet, 0x8001, frame);
    struct flow way;

    probe_way_back(&way);
    struct flow_walk walk = flow_walk(&flows, site.server_port, &way, frame, size);
    assert_non_null(walk.to_controller);
    assert_int_equal(walk.outputs, 0);
    flow_free(&way);
    flow_list_free(&flows);
}

static void diverts_take_nothing_but_probes_and_go_by_their_cookie(void **state)
{
    (void) state;
    struct policy policy = {.name = "V1"};
    struct flow_list flows = tor_of(&policy, true);
    size_t n = flows.n, diverts = 0;
    struct flow_txn txn = {0};

    for (size_t i = 0; i < n; i++)
        diverts += probe_is_divert(&flows.flows[i]);
    assert_int_equal(diverts, 2);
    for (size_t i = 0; i < n; i++) {
        if (probe_is_divert(&flows.flows[i])) {
            struct flow other = flow_copy(&flows.flows[i]);

            assert_non_null(match_find(&other.match, FIELD_REG3));
            other.priority--;
            assert_false(probe_is_divert(&other));
            flow_free(&other);
        }
    }
    probe_divert_end(&txn);
    add(&flows, &txn);
    assert_int_equal(flows.n, n - 2);
    flow_list_free(&flows);
}

/* ---- frames ---- */

static struct probe probe_like(const char *rule)
{
    AUTO_FREE char *text = xasprintf("{\"policy\": \"V1\", \"rules\": [%s]}", rule);
    struct policy policy = policy_of_text(text);
    struct probe probe = {.packet = policy.rules[0]};

    policy_free(&policy);
    return probe;
}

#define RULE(protocol, remote, more) \
    "{\"direction\": \"to-vm\", \"action\": \"allow\", \"dscp\": 46, \"remote\": \"" remote \
    "\", \"protocol\": " protocol more "}"

static void frames_are_whole(void **state)
{
    (void) state;
    static const struct {
        const char *rule;
        const char *hex; /* what follows the Ethernet header */
    } cases[] = {
        {RULE("\"tcp\"", "192.0.2.9", ", \"source-port\": 1024, \"destination-port\": 80, \"tcp-flags\": \"syn\""),
         "45b80028000000004006ada0c00002090a64000b04000050000000000000000050020000df1a0000"},
        {RULE("\"udp\"", "192.0.2.9", ", \"source-port\": 1024, \"destination-port\": 53"),
         "45b8001c000000004011ada1c00002090a64000b0400003500082f31"},
        {RULE("\"icmp\"", "192.0.2.9", ", \"icmp-type\": 8, \"icmp-code\": 0"),
         "45b8001c000000004001adb1c00002090a64000b0800f7ff00000000"},
        {RULE("47", "192.0.2.9", ""),
         "45b8002800000000402fad77c00002090a64000b0000000000000000000000000000000000000000"},
        {RULE("\"tcp\"", "2001:db8::9", ", \"source-port\": 1024, \"destination-port\": 80"),
         "6b8000000014064020010db800000000000000000000000920010db8000100000000000000000011"
         "0400005000000000000000005000000050080000"},
        {RULE("\"icmpv6\"", "2001:db8::9", ", \"icmp-type\": 128, \"icmp-code\": 0"),
         "6b80000000083a4020010db800000000000000000000000920010db80001000000000000000000118000243000000000"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct probe probe = probe_like(cases[i].rule);
        struct probe_site of = site;
        uint8_t frame[PROBE_FRAME_SIZE];
        struct strbuf hex = {0};

        if (probe.packet.remote.ip.family == IP_V6)
            assert_int_equal(ip_parse("2001:db8:1::11", &of.ip), 0);
        size_t size = probe_frame(&of, &probe.packet, 0x0102, frame);
        for (size_t b = 14; b < size; b++)
            strbuf_printf(&hex, "%02x", frame[b]);
        assert_string_equal(hex.text, cases[i].hex);
        assert_memory_equal(frame, "\x03\xab\xcd\xef\x01\x02\x02\x5c\x67\x00\x00\x01", 12);
        strbuf_free(&hex);
    }
}

static void only_a_probe_is_read_as_one(void **state)
{
    (void) state;
    struct probe probe = probe_like(RULE("\"udp\"", "192.0.2.9", ""));
    uint8_t frame[PROBE_FRAME_SIZE], dscp = 1;
    size_t size = probe_frame(&site, &probe.packet, 9, frame);
    uint16_t id = 1;

    assert_false(probe_read(frame, size, site.nonce + 1, &id, &dscp));
    assert_false(probe_read(frame, 15, site.nonce, &id, &dscp));
    assert_false(probe_read(frame, 0, site.nonce, &id, &dscp));
    assert_int_equal(id, 1);
    assert_true(probe_read(frame, size, site.nonce, &id, &dscp));
    assert_int_equal(id, 9);
    assert_int_equal(dscp, 46);
    frame[0] = 0x01;
    assert_false(probe_read(frame, size, site.nonce, &id, &dscp));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chooses_a_packet_for_each_rule_and_one_just_outside),
        cmocka_unit_test(probes_are_what_the_reference_says),
        cmocka_unit_test(no_more_than_asked_for),
        cmocka_unit_test(goes_to_the_controller_or_nowhere),
        cmocka_unit_test(a_sentinel_comes_back_through_any_policy),
        cmocka_unit_test(diverts_take_nothing_but_probes_and_go_by_their_cookie),
        cmocka_unit_test(frames_are_whole),
        cmocka_unit_test(only_a_probe_is_read_as_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
