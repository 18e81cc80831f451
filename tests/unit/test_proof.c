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
static const struct proof_vm vm = {PORT, SEGMENT, {{0x52, 0x54, 0, 0, 0, 1}}, {IP_V4, {10, 0, 0, 1}}};

static struct flow_txn ours_of(void)
{
    struct pipeline_segment segment = {.number = SEGMENT,
                                       .cookie = cookie_make(COOKIE_SEGMENT, 1),
                                       .vlan = 100,
                                       .gateway = {IP_V4, {10, 0, 0, 254}},
                                       .length = 24};
    struct pipeline_vm at = {.cookie = cookie_make(COOKIE_VM, 1), .mac = vm_mac, .ip = vm.ip, .server_port = PORT};
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
    bool takes = proof_takes(&vm, flow, PROOF_BOTH, ours, n, &packet);
    assert_int_equal(takes, packet != NULL);
    if (takes)
        assert_true(proof_meets(&vm, flow, PROOF_BOTH));
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
        cmocka_unit_test(higher_flows_take),
        cmocka_unit_test(others_flows_do_not),
        cmocka_unit_test(flows_behind_ours_do_not),
        cmocka_unit_test(flows_behind_clauses_take),
        cmocka_unit_test(fingerprints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
