/* SPDX-License-Identifier: Apache-2.0 */
/* Whether somebody else's flow takes a VM's packets, and flows' fingerprints. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "core/pipeline.h"
#include "core/policy.h"
#include "core/proof.h"

#define SEGMENT 7
#define PORT 3

static const struct mac vm_mac = {{0x52, 0x54, 0, 0, 0, 1}}, other_mac = {{0x52, 0x54, 0, 0, 0, 2}};
static const struct proof_vm vm = {PORT,
                                   SEGMENT,
                                   {{0x52, 0x54, 0, 0, 0, 1}},
                                   {IP_V4, {10, 0, 0, 1}},
                                   {1, {{IP_V6, {0x20, 0x01, [15] = 1}}}},
                                   {{0x88b5}, {0x88b5}},
                                   {1, 1}};

static struct flow_txn ours_of(void)
{
    struct pipeline_segment segment = {.number = SEGMENT,
                                       .cookie = cookie_make(COOKIE_SEGMENT, 1),
                                       .vlan = 100,
                                       .gateway = {IP_V4, {10, 0, 0, 254}},
                                       .length = 24};
    struct pipeline_vm at = {
        .cookie = cookie_make(COOKIE_VM, 1), .mac = vm_mac, .ip = vm.ip, .ip6 = vm.ip6, .server_port = PORT};
    const uint32_t servers[] = {PORT}, fabric_ports[] = {9};
    const struct policy_numbers none = {0};
    struct pipeline_fabric fabric = {fabric_ports, 1, false};
    struct policy policy = {.default_verdict = {POLICY_ALLOW, POLICY_DENY}};
    struct policy_rule rule = policy_rule_any(POLICY_TO_VM, POLICY_ALLOW);
    struct flow_txn txn = {0};

    rule.protocol = 6;
    rule.destination_port = (struct port_range) {80, 80};
    policy_add_rule(&policy, rule);
    /* So many masks that it becomes a conjunction. */
    rule = policy_rule_any(POLICY_FROM_VM, POLICY_DENY);
    rule.protocol = 17;
    rule.source_port = rule.destination_port = (struct port_range) {1, 65534};
    policy_add_rule(&policy, rule);
    for (unsigned d = 0; d < 2; d++) {
        rule = policy_rule_any(d, POLICY_ALLOW);
        rule.ethertype = 0x88b5;
        policy_add_rule(&policy, rule);
    }
    pipeline_base_tor(&txn, servers, 1, &fabric);
    pipeline_segment_tor(&txn, &segment, servers, 1);
    pipeline_vm_tor(&txn, &segment, &at, &policy, &none);
    policy_free(&policy);
    return txn;
}

/* The example, or null if the flow takes nothing; the caller frees. */
static char *taken(const struct flow *flow)
{
    struct flow_txn txn = ours_of();
    struct flow *ours = xcalloc(txn.n_mods, sizeof *ours);
    char *packet = NULL;
    size_t n = 0;

    for (size_t i = 0; i < txn.n_mods; i++) {
        if (txn.mods[i].command == FLOW_ADD)
            ours[n++] = txn.mods[i].flow;
    }
    unsigned steps = PROOF_STEPS_MAX;
    enum proof_answer answer = proof_takes(&vm, flow, PROOF_ALL, ours, n, &steps, &packet);
    assert_int_equal(answer, packet ? PROOF_TAKES : PROOF_TAKES_NOTHING);
    if (packet)
        assert_true(proof_meets(&vm, flow, PROOF_ALL));
    free(ours);
    flow_txn_free(&txn);
    return packet;
}

static void assert_takes(const struct flow *flow, const char *words)
{
    AUTO_FREE char *packet = taken(flow);

    assert_non_null(packet);
    if (!strstr(packet, words))
        fail_msg("%s is not in: %s", words, packet);
}

static void assert_takes_nothing(const struct flow *flow)
{
    AUTO_FREE char *packet = taken(flow);

    if (packet)
        fail_msg("takes %s", packet);
}

static void match_host(struct flow *flow, enum flow_field_id field, uint8_t last, uint8_t length)
{
    const struct ip ip = {IP_V4, {10, 0, 0, last}};
    struct prefix prefix = prefix_of(&ip, length);

    match_prefix(&flow->match, field, field, &prefix);
}

static void higher_flows_take(void **state)
{
    struct flow all = flow_make(TOR_POLICY_TO, 65535, 0);
    struct flow net = flow_make(TOR_POLICY_TO, 61000, 0), same = flow_make(TOR_POLICY_FROM, POLICY_PRIORITY_DEFAULT, 0);
    struct flow port = flow_make(TOR_CLASSIFY, 300, 0), arp = flow_make(TOR_FORWARD, 500, 0);

    (void) state;
    assert_takes(&all, "eth_");
    match_host(&net, FIELD_IPV4_DST, 0, 24);
    assert_takes(&net, "ip_dst=10.0.0.");
    match_host(&same, FIELD_IPV4_SRC, 1, 32);
    assert_takes(&same, "ip_src=10.0.0.1"); /* of one priority: undefined which is met */
    match_u(&port.match, FIELD_IN_PORT, PORT);
    assert_takes(&port, "in_port=3");
    match_u(&arp.match, FIELD_ETH_TYPE, 0x0806);
    match_mac(&arp.match, FIELD_ETH_DST, &vm_mac);
    assert_takes(&arp, "eth_dst=52:54:00:00:00:01");
}

static void others_flows_do_not(void **state)
{
    struct flow host = flow_make(TOR_POLICY_TO, 65535, 0), mac = flow_make(TOR_SPOOF, 65535, 0);
    struct flow segment = flow_make(TOR_FORWARD, 65535, 0), port = flow_make(TOR_SPOOF, 65535, 0);

    (void) state;
    match_host(&host, FIELD_IPV4_DST, 2, 32);
    assert_takes_nothing(&host);
    assert_false(proof_meets(&vm, &host, PROOF_TO_VM));
    match_mac(&mac.match, FIELD_ETH_SRC, &other_mac);
    match_u(&mac.match, FIELD_IN_PORT, PORT);
    assert_false(proof_meets(&vm, &mac, PROOF_FROM_VM));
    match_u(&segment.match, FIELD_REG0, SEGMENT + 1);
    assert_takes_nothing(&segment);
    match_u(&port.match, FIELD_IN_PORT, PORT + 1);
    match_mac(&port.match, FIELD_ETH_SRC, &vm_mac);
    assert_false(proof_meets(&vm, &port, PROOF_FROM_VM)); /* what comes there is not from the VM */
}

static void flows_behind_ours_do_not(void **state)
{
    struct flow rest = flow_make(TOR_POLICY_TO, 5, 0), gap = flow_make(TOR_SPOOF, 90, 0);
    struct flow between = flow_make(TOR_POLICY_TO, 100, 0), forward = flow_make(TOR_FORWARD, 50, 0);

    (void) state;
    match_host(&rest, FIELD_IPV4_DST, 1, 32);
    assert_takes_nothing(&rest); /* the default of the policy is before it */
    match_host(&between, FIELD_IPV4_DST, 1, 32);
    match_u(&between.match, FIELD_IP_PROTO, 6);
    match_u_masked(&between.match, FIELD_TCP_DST, 80, 0xfffe);
    assert_takes(&between, "tcp_dst=81"); /* rule 1 has taken port 80 */
    assert_takes_nothing(&forward);
    match_host(&gap, FIELD_IPV4_SRC, 1, 32);
    match_mac(&gap.match, FIELD_ETH_SRC, &vm_mac);
    assert_takes_nothing(&gap);
    match_mac(&gap.match, FIELD_ETH_DST, &vm_mac);
    assert_takes(&gap, "in_port=2"); /* what comes there with its addresses is not its own, but to it */
}

/* SPOOF and what leads past it: nobody else may say that it has the VM's address. */
static void flows_for_impostors_take(void **state)
{
    const struct ip own = ip_link_local(&vm_mac), unspecified = {0};
    struct flow ip = flow_make(TOR_SPOOF, 50, 0), past = flow_make(TOR_CLASSIFY, 300, 0);
    struct flow arp = flow_make(TOR_SPOOF, 50, 0), other = flow_make(TOR_SPOOF, 50, 0);
    struct flow advertised = flow_make(TOR_SPOOF, 50, 0), probe = flow_make(TOR_SPOOF, 96, 0);

    (void) state;
    match_host(&ip, FIELD_IPV4_SRC, 1, 32);
    assert_takes_nothing(&ip); /* it drops what SPOOF drops anyway */
    ip.goto_table = TOR_FORWARD;
    assert_takes(&ip, "ip_src=10.0.0.1");
    match_u(&ip.match, FIELD_IN_PORT, PORT);
    match_mac(&ip.match, FIELD_ETH_SRC, &vm_mac);
    assert_takes_nothing(&ip); /* the VM itself, which its own flow is for */

    match_host(&arp, FIELD_ARP_SPA, 0, 24);
    match_mac(&arp.match, FIELD_ETH_SRC, &other_mac);
    flow_output(&arp, 4);
    assert_takes(&arp, "arp_spa=10.0.0.1");
    match_host(&other, FIELD_ARP_SPA, 2, 32);
    flow_output(&other, 4);
    assert_takes_nothing(&other);

    match_u(&advertised.match, FIELD_IN_PORT, PORT + 1);
    match_u(&advertised.match, FIELD_ETH_TYPE, 0x86dd);
    match_u(&advertised.match, FIELD_IP_PROTO, 58);
    match_u(&advertised.match, FIELD_ICMPV6_TYPE, 136);
    advertised.goto_table = TOR_FORWARD;
    assert_takes_nothing(&advertised); /* ours refuse what no VM's flow has let through */
    advertised.priority = 96;
    assert_takes(&advertised, "nd_target=fe80::5054:ff:fe00:1");
    probe.match = advertised.match;
    probe.goto_table = TOR_FORWARD;
    match_u(&probe.match, FIELD_ICMPV6_TYPE, 135);
    match_bytes(&probe.match, FIELD_IPV6_SRC, unspecified.bytes, NULL);
    match_bytes(&probe.match, FIELD_ND_TARGET, own.bytes, NULL);
    assert_takes(&probe, "icmpv6_type=135");

    match_u(&past.match, FIELD_IN_PORT, PORT + 1);
    match_mac(&past.match, FIELD_ETH_SRC, &other_mac);
    past.goto_table = TOR_SPOOF;
    assert_false(proof_meets(&vm, &past, PROOF_AS_VM)); /* SPOOF will tell */
    past.goto_table = TOR_FORWARD;
    assert_true(proof_meets(&vm, &past, PROOF_AS_VM));
    flow_free(&arp);
    flow_free(&other);
}

static void match_ipv6(struct flow *flow, enum flow_field_id field, uint8_t last)
{
    const struct ip ip = {IP_V6, {0x20, 0x01, [15] = last}};
    struct prefix prefix = prefix_of(&ip, 128);

    match_prefix(&flow->match, field, field, &prefix);
}

/* Its IPv6 is its own as its IPv4 is. */
static void flows_of_ipv6_take(void **state)
{
    struct flow rest = flow_make(TOR_POLICY_TO, 5, 0), to = flow_make(TOR_POLICY_TO, 61000, 0);
    struct flow other = flow_make(TOR_POLICY_TO, 61000, 0), source = flow_make(TOR_SPOOF, 50, 0);
    struct flow asked = flow_make(TOR_FORWARD, 500, 0), advertised = flow_make(TOR_SPOOF, 96, 0);

    (void) state;
    match_ipv6(&rest, FIELD_IPV6_DST, 1);
    assert_takes_nothing(&rest);
    match_ipv6(&to, FIELD_IPV6_DST, 1);
    assert_takes(&to, "ipv6_dst=2001::1");
    match_ipv6(&other, FIELD_IPV6_DST, 2);
    assert_takes_nothing(&other);
    match_ipv6(&source, FIELD_IPV6_SRC, 1);
    assert_takes_nothing(&source);
    source.goto_table = TOR_POLICY_FROM;
    assert_takes(&source, "ipv6_src=2001::1");
    match_ipv6(&source, FIELD_IPV6_SRC, 2);
    assert_takes_nothing(&source);
    match_u(&asked.match, FIELD_ETH_DST, UINT64_C(0x3333ff000001));
    match_u(&asked.match, FIELD_ETH_TYPE, 0x86dd);
    match_u(&asked.match, FIELD_IP_PROTO, 58);
    match_u(&asked.match, FIELD_ICMPV6_TYPE, 135);
    match_bytes(&asked.match, FIELD_ND_TARGET, vm.ip6.items[0].bytes, NULL);
    assert_takes(&asked, "nd_target=2001::1");
    match_u(&advertised.match, FIELD_IN_PORT, PORT + 1);
    match_u(&advertised.match, FIELD_ETH_TYPE, 0x86dd);
    match_u(&advertised.match, FIELD_IP_PROTO, 58);
    match_u(&advertised.match, FIELD_ICMPV6_TYPE, 136);
    match_bytes(&advertised.match, FIELD_ND_TARGET, vm.ip6.items[0].bytes, NULL);
    advertised.goto_table = TOR_FORWARD;
    assert_takes(&advertised, "nd_target=2001::1");
}

/* What its policy allows beside IP. */
static void flows_of_ethertypes_take(void **state)
{
    struct flow to = flow_make(TOR_POLICY_TO, 61000, 0), from = flow_make(TOR_SPOOF, 200, 0);
    struct flow other = flow_make(TOR_POLICY_TO, 61000, 0), rest = flow_make(TOR_POLICY_FROM, 5, 0);

    (void) state;
    match_u(&to.match, FIELD_ETH_TYPE, 0x88b5);
    assert_takes(&to, "eth_type=0x88b5");
    match_mac(&from.match, FIELD_ETH_SRC, &vm_mac);
    match_u(&from.match, FIELD_ETH_TYPE, 0x88b5);
    assert_takes(&from, "eth_type=0x88b5");
    match_u(&other.match, FIELD_ETH_TYPE, 0x88b6);
    assert_takes_nothing(&other); /* none of it gets there */
    match_u(&rest.match, FIELD_ETH_TYPE, 0x88b5);
    assert_takes_nothing(&rest); /* the VM's own is before it */
}

/* What finds a VM, and what it finds others by, goes to all. */
static void flows_for_groups_take(void **state)
{
    static const uint8_t link_local[16] = {0xfe, 0x80}, link_local_mask[16] = {0xff, 0xc0};
    struct flow asks = flow_make(TOR_SPOOF, 100, 0);
    struct flow arp = flow_make(TOR_FORWARD, 500, 0), asked = flow_make(TOR_SPOOF, 500, 0);
    struct flow nodes = flow_make(TOR_FORWARD, 500, 0), solicited = flow_make(TOR_FORWARD, 500, 0);

    (void) state;
    match_mac(&asks.match, FIELD_ETH_SRC, &other_mac);
    match_u(&asks.match, FIELD_ETH_TYPE, 0x86dd);
    match_u(&asks.match, FIELD_IP_PROTO, 58);
    match_bytes(&asks.match, FIELD_ND_TARGET, link_local, link_local_mask);
    assert_takes_nothing(&asks); /* another VM may ask for any */
    match_u(&arp.match, FIELD_ETH_TYPE, 0x0806);
    match_u(&arp.match, FIELD_ETH_DST, UINT64_C(0xffffffffffff));
    assert_takes(&arp, "eth_dst=ff:ff:ff:ff:ff:ff");
    arp.priority = 155;
    assert_takes_nothing(&arp); /* floods come before it */
    arp.priority = 500;
    match_host(&arp, FIELD_ARP_SPA, 2, 32);
    assert_takes(&arp, "arp_tpa=10.0.0.1"); /* others' requests for the VM */
    match_host(&arp, FIELD_ARP_TPA, 3, 32);
    assert_takes_nothing(&arp);
    match_host(&asked, FIELD_ARP_TPA, 1, 32);
    assert_takes(&asked, "arp_tpa=10.0.0.1");

    match_u(&nodes.match, FIELD_ETH_TYPE, 0x86dd);
    match_u(&nodes.match, FIELD_ETH_DST, UINT64_C(0x333300000001));
    assert_takes(&nodes, "eth_src=52:54:00:00:00:01");
    match_mac(&nodes.match, FIELD_ETH_SRC, &other_mac);
    assert_takes_nothing(&nodes);
    match_u(&solicited.match, FIELD_ETH_DST, UINT64_C(0x3333ff000001));
    match_mac(&solicited.match, FIELD_ETH_SRC, &other_mac);
    assert_takes(&solicited, "nd_target=fe80::5054:ff:fe00:1");
}

/* A packet that meets one clause meets what stands behind, unless it meets all clauses. */
static void flows_behind_clauses_take(void **state)
{
    struct flow behind = flow_make(TOR_POLICY_FROM, POLICY_PRIORITY_DEFAULT + 1, 0);

    (void) state;
    match_host(&behind, FIELD_IPV4_SRC, 1, 32);
    match_u(&behind.match, FIELD_IP_PROTO, 17);
    match_u(&behind.match, FIELD_UDP_SRC, 2);
    match_u(&behind.match, FIELD_UDP_DST, 0);
    assert_takes(&behind, "udp_src=2");
}

/* What is not known is not said to be so. */
static void work_is_bounded(void **state)
{
    struct flow_txn txn = ours_of();
    struct flow *ours = xcalloc(txn.n_mods, sizeof *ours);
    struct flow behind = flow_make(TOR_POLICY_TO, 5, 0);
    unsigned steps = 0, enough = 0;
    enum proof_answer answer;
    char *packet = NULL;

    (void) state;
    for (size_t i = 0; i < txn.n_mods; i++)
        ours[i] = txn.mods[i].flow; /* what is deleted has no match, and a table that none of these has */
    match_host(&behind, FIELD_IPV4_DST, 1, 32);
    do {
        steps = ++enough;
        answer = proof_takes(&vm, &behind, PROOF_ALL, ours, txn.n_mods, &steps, &packet);
        assert_null(packet);
        assert_int_not_equal(answer, PROOF_TAKES);
        assert_true(answer != PROOF_TOO_MUCH || steps == 0);
    } while (answer == PROOF_TOO_MUCH);
    assert_in_range(enough, 2, 100);
    free(ours);
    flow_txn_free(&txn);
}

static void fingerprints(void **state)
{
    struct flow_txn txn = ours_of();

    (void) state;
    for (size_t i = 0; i < txn.n_mods; i++) {
        struct flow copy = flow_copy(&txn.mods[i].flow);

        assert_true(flow_hash(&copy) == flow_hash(&txn.mods[i].flow));
        for (size_t j = 0; j < txn.n_mods; j++)
            assert_int_equal(flow_equal(&copy, &txn.mods[j].flow), flow_hash(&copy) == flow_hash(&txn.mods[j].flow));
        copy.idle_timeout ^= 1;
        assert_true(flow_hash(&copy) != flow_hash(&txn.mods[i].flow));
        flow_free(&copy);
    }
    flow_txn_free(&txn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(higher_flows_take),        cmocka_unit_test(others_flows_do_not),
        cmocka_unit_test(flows_behind_ours_do_not), cmocka_unit_test(flows_for_impostors_take),
        cmocka_unit_test(flows_for_groups_take),    cmocka_unit_test(flows_behind_clauses_take),
        cmocka_unit_test(flows_of_ipv6_take),       cmocka_unit_test(flows_of_ethertypes_take),
        cmocka_unit_test(work_is_bounded),          cmocka_unit_test(fingerprints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
