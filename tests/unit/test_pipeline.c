/* SPDX-License-Identifier: Apache-2.0 */
/* The pipelines: what each function does to a switch, held against tests/data/pipeline/NAME.txt, and the frames that a
 * gateway makes itself. SCG_GOLDEN=write writes the files anew; review the difference. How the flows treat packets on
 * an Open vSwitch is in tests/lab/test_pipeline.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/err.h"
#include "core/pipeline.h"
#include "core/policy.h"
#include "golden.h"

static const uint32_t fabric_ports[] = {1, 2}, server_ports[] = {3, 4};
static const struct pipeline_fabric fabric = {fabric_ports, 2, false};

static const struct pipeline_segment segment = {
    .number = 1,
    .cookie = COOKIE_SCG | (uint64_t) COOKIE_SEGMENT << 40 | 1,
    .vlan = 100,
    .gateway_mac = {{0x02, 0x5c, 0x67, 0, 0, 1}},
    .gateway = {IP_V4, {10, 100, 0, 1}},
    .length = 24,
};

static const struct pipeline_vm vm = {
    .cookie = COOKIE_SCG | (uint64_t) COOKIE_VM << 40 | 0x11,
    .mac = {{0x52, 0x54, 0, 0, 0, 0x11}},
    .ip = {IP_V4, {10, 100, 0, 11}},
    .server_port = 3,
};

static const struct pipeline_uplink uplink = {
    .uplink_port = 3,
    .router_port = 4,
    .router = {IP_V4, {192, 0, 2, 2}},
    .next_hop = {IP_V4, {192, 0, 2, 1}},
};

static void golden(const char *name, struct flow_txn *txn)
{
    golden_txn("pipeline", name, txn);
}

static void test_p(void **state)
{
    (void) state;
    struct flow_txn txn = {0};

    pipeline_base_p(&txn, false);
    golden("base-p", &txn);
}

static void test_base_tor(void **state)
{
    (void) state;
    struct flow_txn txn = {0};

    pipeline_base_tor(&txn, server_ports, 2, &fabric);
    golden("base-tor", &txn);
}

static void test_base_tor_before_any_port_is_known(void **state)
{
    (void) state;
    struct flow_txn txn = {0};

    pipeline_base_tor(&txn, NULL, 0, &(struct pipeline_fabric) {0});
    golden("base-tor-empty", &txn);
}

static void test_base_pe(void **state)
{
    (void) state;
    struct flow_txn txn = {0};

    pipeline_base_pe(&txn, &uplink, &fabric);
    golden("base-pe", &txn);
}

static void test_base_inter_dc(void **state)
{
    (void) state;
    struct flow_txn txn = {0};

    pipeline_base_inter_dc(&txn, &fabric);
    golden("base-inter-dc", &txn);
}

static void test_segment_tor(void **state)
{
    (void) state;
    struct flow_txn txn = {0};

    pipeline_segment_tor(&txn, &segment, server_ports, 2);
    golden("segment-tor", &txn);
}

static void test_segment_tor_without_vms(void **state)
{
    (void) state;
    struct flow_txn txn = {0};

    pipeline_segment_tor(&txn, &segment, NULL, 0);
    golden("segment-tor-empty", &txn);
}

static void test_segment_pe(void **state)
{
    (void) state;
    struct flow_txn txn = {0};

    pipeline_segment_pe(&txn, &segment);
    golden("segment-pe", &txn);
}

static void test_segment_remove(void **state)
{
    (void) state;
    struct flow_txn txn = {0};

    pipeline_segment_remove(&txn, &segment);
    golden("segment-remove", &txn);
}

static void test_neighbour(void **state)
{
    (void) state;
    const struct mac mac = {{2, 0, 0, 0, 0, 0x99}};
    struct flow_txn resolved = {0}, unresolved = {0};

    pipeline_neighbour_pe(&resolved, &uplink, &mac);
    golden("neighbour-resolved", &resolved);
    pipeline_neighbour_pe(&unresolved, &uplink, NULL);
    golden("neighbour-unresolved", &unresolved);
}

static void test_vm_tor(void **state)
{
    (void) state;
    const struct policy_numbers numbers = {.meters = {0, 7}, .class_meters[POLICY_TO_VM] = {8}};
    struct policy policy = {.name = "V1", .default_verdict = {POLICY_ALLOW, POLICY_DENY}, .rate = {{0, 0}, {5000, 0}}};
    struct policy_rule web = policy_rule_any(POLICY_TO_VM, POLICY_ALLOW);
    struct policy_rule rules[2];
    struct flow_txn txn = {0};

    web.family = IP_V4;
    web.protocol = 6;
    web.destination_port = (struct port_range) {80, 80};
    rules[0] = rules[1] = web;
    rules[1].destination_port = (struct port_range) {443, 443};
    rules[1].set_dscp = 34;
    rules[1].in_class = true;
    policy.classes[0] = (struct policy_class) {.name = "video", .dscp = 34, .rate[POLICY_TO_VM] = {2000, 0}};
    policy.n_classes = 1;
    policy.rules = rules;
    policy.n_rules = 2;
    pipeline_vm_tor(&txn, &segment, &vm, &policy, &numbers);
    golden("vm-tor", &txn);
}

static void test_vm_tor_stateful(void **state)
{
    (void) state;
    const struct policy_numbers numbers = {.meters = {0, 7}};
    struct policy policy = {.name = "V1", .rate = {{0, 0}, {5000, 0}}};
    struct policy_rule any = policy_rule_any(POLICY_FROM_VM, POLICY_ALLOW);
    struct flow_txn txn = {0};

    any.stateful = true;
    any.set_dscp = 8;
    policy.rules = &any;
    policy.n_rules = 1;
    pipeline_vm_tor(&txn, &segment, &vm, &policy, &numbers);
    golden("vm-tor-stateful", &txn);
}

static void test_vm_tor_rejecting(void **state)
{
    (void) state;
    const struct policy_numbers numbers = {.reject_meters = {5, 6}};
    struct policy policy = {.name = "V1", .default_verdict = {POLICY_ALLOW, POLICY_REJECT}};
    struct policy_rule rules[] = {policy_rule_any(POLICY_FROM_VM, POLICY_REJECT),
                                  policy_rule_any(POLICY_FROM_VM, POLICY_ALLOW)};
    struct flow_txn txn = {0};

    rules[0].protocol = 17;
    rules[1].stateful = true;
    rules[1].protocol = 6;
    policy.rules = rules;
    policy.n_rules = ARRAY_LEN(rules);
    pipeline_vm_tor(&txn, &segment, &vm, &policy, &numbers);
    golden("vm-tor-rejecting", &txn);
}

static void test_passed(void **state)
{
    (void) state;
    struct flow flow = {0};

    pipeline_passed(&flow, &segment);
    AUTO_FREE char *text = flow_format(&flow);
    assert_non_null(strstr(text, "set_field:0x1->reg0,set_field:0x1->reg1,resubmit(,"));
    flow_free(&flow);
}

/* Beside the class's meter and the direction's, and for replies. */
static void test_vm_tor_limited(void **state)
{
    (void) state;
    const struct policy_numbers numbers = {.meters = {0, 7}, .limit_meters = {5, 6}, .class_meters[POLICY_TO_VM] = {8}};
    struct policy policy = {.name = "V1",
                            .rate = {{0, 0}, {5000, 0}},
                            .new_limit = {{10, 0}, {100, 200}},
                            .classes = {{.name = "video", .dscp = 34, .rate[POLICY_TO_VM] = {2000, 0}}},
                            .n_classes = 1};
    struct policy_rule rules[] = {policy_rule_any(POLICY_FROM_VM, POLICY_ALLOW),
                                  policy_rule_any(POLICY_TO_VM, POLICY_ALLOW),
                                  policy_rule_any(POLICY_TO_VM, POLICY_ALLOW)};
    struct flow_txn txn = {0};

    rules[0].protocol = rules[1].protocol = 6;
    rules[0].stateful = true;
    rules[1].set_dscp = 34;
    rules[1].in_class = true;
    rules[2].protocol = 17;
    policy.rules = rules;
    policy.n_rules = ARRAY_LEN(rules);
    pipeline_vm_tor(&txn, &segment, &vm, &policy, &numbers);
    golden("vm-tor-limited", &txn);
}

static void test_vm_tor_unrestricted(void **state)
{
    (void) state;
    const struct policy_numbers numbers = {0};
    struct flow_txn txn = {0};

    pipeline_vm_tor(&txn, &segment, &vm, NULL, &numbers);
    golden("vm-tor-unrestricted", &txn);
}

/* The same in both families: what it sends, its neighbour discovery, what it gets, its policy. */
static void test_vm_tor_ipv6(void **state)
{
    (void) state;
    const struct policy_numbers numbers = {.meters = {0, 7}};
    struct policy policy = {.name = "V1", .default_verdict = {POLICY_ALLOW, POLICY_DENY}, .rate = {{0, 0}, {5000, 0}}};
    struct policy_rule rules[] = {
        policy_rule_any(POLICY_TO_VM, POLICY_ALLOW), policy_rule_any(POLICY_TO_VM, POLICY_ALLOW),
        policy_rule_any(POLICY_TO_VM, POLICY_ALLOW), policy_rule_any(POLICY_FROM_VM, POLICY_ALLOW)};
    struct pipeline_vm both = vm;
    struct flow_txn txn = {0};

    both.ip6 = (struct ip6_list) {1, {{IP_V6, {0x20, 0x01, 0x0d, 0xb8, [15] = 0x11}}}};
    rules[0].protocol = 6;
    rules[0].destination_port = (struct port_range) {80, 80};
    rules[0].stateful = true;
    rules[1].protocol = 58;
    rules[1].family = IP_V6;
    rules[1].icmp_type = 128;
    rules[2].ethertype = rules[3].ethertype = 0x88b5;
    policy.rules = rules;
    policy.n_rules = ARRAY_LEN(rules);
    pipeline_vm_tor(&txn, &segment, &both, &policy, &numbers);
    golden("vm-tor-ipv6", &txn);
}

static void test_vm_pe(void **state)
{
    (void) state;
    struct flow_txn txn = {0};

    pipeline_vm_pe(&txn, &segment, &vm);
    golden("vm-pe", &txn);
}

static void test_vm_remove(void **state)
{
    (void) state;
    struct flow_txn txn = {0};

    pipeline_vm_remove(&txn, &vm);
    golden("vm-remove", &txn);
}

static void test_channel(void **state)
{
    (void) state;
    const struct pipeline_channel channel = {
        .cookie = COOKIE_SCG | (uint64_t) COOKIE_CHANNEL << 40 | 9,
        .server_port = 3,
        .uplink_port = 4,
        .local = {IP_V4, {10, 254, 0, 11}},
        .remote = {IP_V4, {10, 254, 0, 12}},
    };
    struct flow_txn opened = {0}, closed = {0};

    pipeline_channel_open(&opened, &channel);
    golden("channel-open", &opened);
    pipeline_channel_close(&closed, channel.cookie);
    golden("channel-close", &closed);
}

/* Through a circuit: a VLAN of the transport port instead of the uplink. */
static void test_channel_at_a_vlan(void **state)
{
    (void) state;
    const struct pipeline_channel channel = {
        .cookie = COOKIE_SCG | (uint64_t) COOKIE_CHANNEL << 40 | 9,
        .server_port = 3,
        .uplink_port = 5,
        .vlan = 200,
        .local = {IP_V4, {10, 254, 0, 11}},
        .remote = {IP_V4, {10, 254, 0, 12}},
    };
    struct flow_txn txn = {0};

    pipeline_channel_open(&txn, &channel);
    golden("channel-open-vlan", &txn);
}

static const struct ip user_addresses[] = {
    {IP_V4, {10, 100, 0, 101}}, {IP_V4, {10, 100, 0, 102}}, {IP_V6, {0x20, 0x01, 0x0d, 0xb8, [15] = 0x65}}};

static const struct pipeline_circuit circuit = {
    .cookie = COOKIE_SCG | (uint64_t) COOKIE_CIRCUIT << 40 | 0xce1,
    .transport_port = 5,
    .vlan = 201,
    .addresses = user_addresses,
    .n_addresses = ARRAY_LEN(user_addresses),
};

static void test_circuit_pe(void **state)
{
    (void) state;
    struct flow_txn set = {0}, removed = {0};

    pipeline_circuit_pe(&set, &segment, &circuit);
    golden("circuit-pe", &set);
    pipeline_circuit_remove(&removed, circuit.cookie);
    golden("circuit-remove", &removed);
}

/* On a PE with a transport port, no circuit may send with the VM's address. */
static void test_vm_pe_with_circuits(void **state)
{
    (void) state;
    struct pipeline_vm with = vm;
    struct flow_txn txn = {0};

    with.transport_port = 5;
    pipeline_vm_pe(&txn, &segment, &with);
    golden("vm-pe-circuits", &txn);
}

static void assert_each_flow_is_there_once(const struct flow_txn *txn)
{
    for (size_t i = 0; i < txn->n_mods; i++) {
        const struct flow *a = &txn->mods[i].flow;

        for (size_t j = i + 1; j < txn->n_mods; j++) {
            const struct flow *b = &txn->mods[j].flow;

            if (txn->mods[i].command == FLOW_ADD && txn->mods[j].command == FLOW_ADD)
                assert_false(a->table == b->table && a->priority == b->priority && match_equal(&a->match, &b->match));
        }
    }
}

/* A flow that is there twice would silently replace the other, and with it, another cookie. */
static void test_no_flow_is_there_twice(void **state)
{
    (void) state;
    const struct policy_numbers numbers = {0};
    struct pipeline_vm other = vm;
    struct flow_txn txn = {0};

    other.cookie++;
    other.mac.bytes[5]++;
    other.ip.bytes[3]++;
    other.ip6 = (struct ip6_list) {2, {{IP_V6, {0x20, [15] = 1}}, {IP_V6, {0x20, [15] = 2}}}};
    pipeline_base_tor(&txn, server_ports, 2, &fabric);
    pipeline_segment_tor(&txn, &segment, server_ports, 2);
    pipeline_vm_tor(&txn, &segment, &vm, NULL, &numbers);
    pipeline_vm_tor(&txn, &segment, &other, NULL, &numbers);
    assert_each_flow_is_there_once(&txn);
    flow_txn_free(&txn);

    struct pipeline_circuit second = circuit;
    second.cookie++;
    second.vlan++;
    second.addresses = &(const struct ip) {IP_V4, {10, 100, 0, 103}};
    second.n_addresses = 1;
    struct pipeline_vm at_pe = vm;
    other.transport_port = at_pe.transport_port = 5;
    pipeline_base_pe(&txn, &uplink, &fabric);
    pipeline_segment_pe(&txn, &segment);
    pipeline_vm_pe(&txn, &segment, &at_pe);
    pipeline_vm_pe(&txn, &segment, &other);
    pipeline_circuit_pe(&txn, &segment, &circuit);
    pipeline_circuit_pe(&txn, &segment, &second);
    assert_each_flow_is_there_once(&txn);
    flow_txn_free(&txn);
}

static void test_goto_only_leads_on(void **state)
{
    (void) state;
    const struct policy_numbers numbers = {0};
    struct flow_txn txn = {0};

    pipeline_base_tor(&txn, server_ports, 2, &fabric);
    pipeline_segment_tor(&txn, &segment, server_ports, 2);
    pipeline_vm_tor(&txn, &segment, &vm, NULL, &numbers);
    pipeline_base_pe(&txn, &uplink, &fabric);
    pipeline_segment_pe(&txn, &segment);
    pipeline_vm_pe(&txn, &segment, &vm);
    pipeline_circuit_pe(&txn, &segment, &circuit);
    for (size_t i = 0; i < txn.n_mods; i++) {
        const struct flow *flow = &txn.mods[i].flow;

        if (txn.mods[i].command == FLOW_ADD)
            assert_true(flow->goto_table == FLOW_NO_GOTO || flow->goto_table > flow->table);
    }
    flow_txn_free(&txn);
}

static void test_most_ports_fit_a_flow(void **state)
{
    (void) state;
    uint32_t ports[PIPELINE_PORTS_MAX];
    const struct pipeline_fabric most = {ports, PIPELINE_PORTS_MAX, false};
    struct flow_txn txn = {0};

    for (uint32_t i = 0; i < PIPELINE_PORTS_MAX; i++)
        ports[i] = i + 1;
    pipeline_base_tor(&txn, ports, PIPELINE_PORTS_MAX, &most);
    pipeline_segment_tor(&txn, &segment, ports, PIPELINE_PORTS_MAX);
    for (size_t i = 0; i < txn.n_mods; i++)
        assert_in_range(txn.mods[i].flow.n_actions, 0, FLOW_ACTIONS_MAX);
    flow_txn_free(&txn);
}

static void test_cookies(void **state)
{
    (void) state;
    const uint8_t uuid[16] = {0x5c, 0x67, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 1, 2, 3, 4, 5, 6};

    assert_int_equal(cookie_of_vm(uuid), UINT64_C(0x5c67030203040506));
    assert_int_equal(cookie_make(COOKIE_BASE, UINT64_MAX), UINT64_C(0x5c6701ffffffffff));
    /* FNV-1a of "a" is af63dc4c8601ec8c. */
    assert_int_equal(cookie_of_name(COOKIE_SEGMENT, "a"), UINT64_C(0x5c67024c8601ec8c));
    assert_int_equal(cookie_of_name(COOKIE_CHANNEL, "a") & COOKIE_SCG_MASK, COOKIE_SCG);
}

static void test_arp_probe(void **state)
{
    (void) state;
    static const uint8_t expected[ARP_FRAME_SIZE] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x5c, 0x67, 0, 0, 1, 0x08, 0x06, 0, 1, 0x08, 0,   6, 4, 0,
        1,    0x02, 0x5c, 0x67, 0,    0,    1,    0,    0,    0, 0, 0, 0,    0,    0, 0, 0,    192, 0, 2, 1};
    uint8_t frame[ARP_FRAME_SIZE];

    pipeline_arp_probe(&segment.gateway_mac, &uplink.next_hop, frame);
    assert_memory_equal(frame, expected, sizeof frame);
}

static void test_gratuitous_arp(void **state)
{
    (void) state;
    static const uint8_t expected[GARP_FRAME_SIZE] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0, 0,    0x11, 0x81, 0, 0, 100,
        0x08, 0x06, 0,    1,    0x08, 0,    6,    4,    0, 1, 0x52, 0x54, 0,    0, 0, 0x11,
        10,   100,  0,    11,   0,    0,    0,    0,    0, 0, 10,   100,  0,    11};
    uint8_t frame[GARP_FRAME_SIZE];

    assert_int_equal(pipeline_garp(&vm.mac, &vm.ip, 100, frame), GARP_FRAME_SIZE);
    assert_memory_equal(frame, expected, sizeof expected);
    assert_int_equal(pipeline_garp(&vm.mac, &vm.ip, 0, frame), ARP_FRAME_SIZE);
    assert_memory_equal(frame, expected, 12);
    assert_memory_equal(frame + 12, expected + 16, ARP_FRAME_SIZE - 12);
}

static void test_unsolicited_advertisement(void **state)
{
    (void) state;
    static const uint8_t expected[ND_FRAME_SIZE] = {
        0x33, 0x33, 0, 0,    0,    0x01, 0x52, 0x54, 0,    0,    0,    0x11, 0x81, 0,    0,    0x64, 0x86, 0xdd,
        0x60, 0,    0, 0,    0,    0x20, 0x3a, 0xff, 0x20, 0x01, 0x0d, 0xb8, 0,    0,    0,    0,    0,    0,
        0,    0,    0, 0,    0,    0x11, 0xff, 0x02, 0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
        0,    0,    0, 0x01, 0x88, 0,    0xa8, 0xa6, 0x20, 0,    0,    0,    0x20, 0x01, 0x0d, 0xb8, 0,    0,
        0,    0,    0, 0,    0,    0,    0,    0,    0,    0x11, 0x02, 0x01, 0x52, 0x54, 0,    0,    0,    0x11};
    static const struct ip ip = {IP_V6, {0x20, 0x01, 0x0d, 0xb8, [15] = 0x11}};
    uint8_t frame[ND_FRAME_SIZE];

    assert_int_equal(pipeline_nd_advertisement(&vm.mac, &ip, 100, frame), ND_FRAME_SIZE);
    assert_memory_equal(frame, expected, sizeof expected);
    assert_int_equal(pipeline_nd_advertisement(&vm.mac, &ip, 0, frame), ND_FRAME_SIZE - 4);
    assert_memory_equal(frame, expected, 12);
    assert_memory_equal(frame + 12, expected + 16, ND_FRAME_SIZE - 16);
}

static void test_arp_reply(void **state)
{
    (void) state;
    uint8_t frame[60] = {0x02, 0x5c, 0x67, 0, 0, 1, 0x02, 0,   0, 0, 0, 0x99, 0x08, 0x06, 0, 1, 0x08, 0,   6, 4, 0,
                         2,    0x02, 0,    0, 0, 0, 0x99, 192, 0, 2, 1, 0x02, 0x5c, 0x67, 0, 0, 1,    192, 0, 2, 2};
    static const size_t fields[] = {12, 14, 16, 18, 19, 21}; /* eth_type, hardware, protocol, both lengths, operation */
    const struct mac expected = {{0x02, 0, 0, 0, 0, 0x99}}, untouched = {{9}};
    struct mac mac = untouched;
    struct ip ip = {0};

    for (size_t size = 0; size < ARP_FRAME_SIZE; size++) {
        AUTO_FREE uint8_t *cut = xmemdup(frame, size ? size : 1);

        assert_int_equal(pipeline_arp_reply(cut, size, &mac, &ip), ERR_MALFORMED);
    }
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        frame[fields[i]] ^= 3;
        assert_int_equal(pipeline_arp_reply(frame, sizeof frame, &mac, &ip), ERR_MALFORMED);
        frame[fields[i]] ^= 3;
    }
    assert_true(mac_equal(&mac, &untouched));
    assert_int_equal(ip.family, IP_NONE);
    assert_int_equal(pipeline_arp_reply(frame, ARP_FRAME_SIZE, &mac, &ip), 0);
    assert_true(mac_equal(&mac, &expected));
    assert_true(ip_equal(&ip, &uplink.next_hop));
    assert_int_equal(pipeline_arp_reply(frame, sizeof frame, &mac, &ip), 0); /* padded to Ethernet's least size */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_p),
        cmocka_unit_test(test_base_tor),
        cmocka_unit_test(test_base_tor_before_any_port_is_known),
        cmocka_unit_test(test_base_pe),
        cmocka_unit_test(test_base_inter_dc),
        cmocka_unit_test(test_segment_tor),
        cmocka_unit_test(test_segment_tor_without_vms),
        cmocka_unit_test(test_segment_pe),
        cmocka_unit_test(test_segment_remove),
        cmocka_unit_test(test_neighbour),
        cmocka_unit_test(test_vm_tor),
        cmocka_unit_test(test_vm_tor_stateful),
        cmocka_unit_test(test_vm_tor_rejecting),
        cmocka_unit_test(test_passed),
        cmocka_unit_test(test_vm_tor_limited),
        cmocka_unit_test(test_vm_tor_unrestricted),
        cmocka_unit_test(test_vm_tor_ipv6),
        cmocka_unit_test(test_vm_pe),
        cmocka_unit_test(test_vm_remove),
        cmocka_unit_test(test_channel),
        cmocka_unit_test(test_channel_at_a_vlan),
        cmocka_unit_test(test_circuit_pe),
        cmocka_unit_test(test_vm_pe_with_circuits),
        cmocka_unit_test(test_no_flow_is_there_twice),
        cmocka_unit_test(test_goto_only_leads_on),
        cmocka_unit_test(test_most_ports_fit_a_flow),
        cmocka_unit_test(test_cookies),
        cmocka_unit_test(test_arp_probe),
        cmocka_unit_test(test_gratuitous_arp),
        cmocka_unit_test(test_unsolicited_advertisement),
        cmocka_unit_test(test_arp_reply),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
