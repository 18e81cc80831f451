/* SPDX-License-Identifier: Apache-2.0 */
/* VPLS mode: what each function does to a switch, held against tests/data/vpls/NAME.txt. SCG_GOLDEN=write writes the
 * files anew; review the difference. How the flows treat packets on an Open vSwitch is in
 * tests/lab/test_vpls_pipeline.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "core/pipeline.h"
#include "core/vpls.h"
#include "golden.h"

#define TUNNEL (COOKIE_SCG | (uint64_t) COOKIE_TUNNEL << 40 | 7)

static const uint32_t fabric_ports[] = {1, 2}, server_ports[] = {3, 4};
static const struct pipeline_fabric fabric = {fabric_ports, 2, true};

static const struct pipeline_segment segment = {
    .number = 1,
    .cookie = COOKIE_SCG | (uint64_t) COOKIE_SEGMENT << 40 | 1,
    .vlan = 100,
    .gateway_mac = {{0x02, 0x5c, 0x67, 0, 0, 1}},
    .gateway = {IP_V4, {10, 100, 0, 1}},
    .length = 24,
    .vpls = true,
};

static const struct pipeline_uplink uplink = {
    .uplink_port = 3,
    .router_port = 4,
    .router = {IP_V4, {192, 0, 2, 2}},
    .next_hop = {IP_V4, {192, 0, 2, 1}},
};

static const struct vpls_peer peers[] = {{2, 17}, {3, 1048575}};
static const struct vpls_known known[] = {{{{0x52, 0x54, 0, 0, 0, 0x15}}, 2},
                                          {{{0x02, 0x5c, 0x67, 0, 0, 1}}, 3},
                                          {{{0x52, 0x54, 0, 0, 0, 0x99}}, 4}}; /* its end is no peer */

static const struct vpls_user users[] = {
    {{IP_V4, {10, 100, 0, 101}}, 3}, {{IP_V4, {10, 100, 0, 102}}, 4}, {{IP_V6, {0x20, 0x01, [15] = 1}}, 3}};

static struct vpls_instance instance_at(enum vpls_edge edge)
{
    return (struct vpls_instance) {edge, 16, peers, ARRAY_LEN(peers), known, ARRAY_LEN(known), users, ARRAY_LEN(users)};
}

static void golden(const char *name, struct flow_txn *txn)
{
    golden_txn("vpls", name, txn);
}

static void test_base(void **state)
{
    (void) state;
    struct flow_txn txn = {0};

    pipeline_base_p(&txn, true);
    golden("base-p", &txn);
    pipeline_base_tor(&txn, server_ports, 2, &fabric);
    golden("base-tor", &txn);
    pipeline_base_pe(&txn, &uplink, &fabric);
    golden("base-pe", &txn);
    pipeline_base_inter_dc(&txn, &fabric);
    golden("base-inter-dc", &txn);
}

static void test_tunnels(void **state)
{
    (void) state;
    struct flow_txn txn = {0};

    vpls_tunnel_head(&txn, TUNNEL, 3, 16, 1);
    golden("head", &txn);
    vpls_tunnel_transit(&txn, TUNNEL, 16, 1048575, 2);
    golden("transit", &txn);
    vpls_tunnel_tail(&txn, TUNNEL, 1048575);
    golden("tail", &txn);
    vpls_tunnel_remove(&txn, TUNNEL);
    golden("tunnel-remove", &txn);
}

static void test_segment_at_a_tor(void **state)
{
    (void) state;
    struct vpls_instance instance = instance_at(VPLS_TOR);
    struct flow_txn txn = {0};

    vpls_segment(&txn, &segment, &instance);
    golden("segment-tor", &txn);
}

/* What the gateway answers goes by the pseudowires, too. */
static void test_segment_at_the_pe(void **state)
{
    (void) state;
    struct vpls_instance instance = instance_at(VPLS_PE);
    struct flow_txn txn = {0};

    pipeline_segment_pe(&txn, &segment);
    vpls_segment(&txn, &segment, &instance);
    golden("segment-pe", &txn);
}

/* A segment with one end, which is the only one that has a VM of it: nothing leaves. */
static void test_segment_without_peers(void **state)
{
    (void) state;
    struct vpls_instance instance = {.edge = VPLS_TOR, .label = 16};
    struct flow_txn txn = {0};

    vpls_segment(&txn, &segment, &instance);
    golden("segment-alone", &txn);
}

static void test_most_peers_fit_a_flow(void **state)
{
    (void) state;
    struct vpls_peer most[VPLS_PEERS_MAX];
    struct vpls_instance instance = {.edge = VPLS_TOR, .label = 16, .peers = most, .n_peers = VPLS_PEERS_MAX};
    struct flow_txn txn = {0};

    for (uint32_t i = 0; i < VPLS_PEERS_MAX; i++)
        most[i] = (struct vpls_peer) {i + 1, 17 + i};
    vpls_segment(&txn, &segment, &instance);
    for (size_t i = 0; i < txn.n_mods; i++)
        assert_in_range(txn.mods[i].flow.n_actions, 1, FLOW_ACTIONS_MAX);
    flow_txn_free(&txn);
}

static void each_flow_is_there_once(const struct flow_txn *txn)
{
    for (size_t i = 0; i < txn->n_mods; i++) {
        for (size_t j = i + 1; j < txn->n_mods; j++) {
            const struct flow *a = &txn->mods[i].flow, *b = &txn->mods[j].flow;

            if (txn->mods[i].command == FLOW_ADD && txn->mods[j].command == FLOW_ADD)
                assert_false(a->table == b->table && a->priority == b->priority && match_equal(&a->match, &b->match));
        }
    }
}

static void goto_only_leads_on(const struct flow_txn *txn)
{
    for (size_t i = 0; i < txn->n_mods; i++) {
        const struct flow *flow = &txn->mods[i].flow;

        if (txn->mods[i].command == FLOW_ADD)
            assert_true(flow->goto_table == FLOW_NO_GOTO || flow->goto_table > flow->table);
    }
}

static void test_a_whole_edge(void **state)
{
    (void) state;
    for (unsigned edge = VPLS_TOR; edge <= VPLS_PE; edge++) {
        struct vpls_instance first = instance_at((enum vpls_edge) edge), second = first;
        struct pipeline_segment other = segment;
        struct flow_txn txn = {0};

        other.number++;
        other.cookie++;
        other.vlan++;
        second.label++;
        if (edge == VPLS_TOR)
            pipeline_base_tor(&txn, server_ports, 2, &fabric);
        else
            pipeline_base_pe(&txn, &uplink, &fabric);
        vpls_segment(&txn, &segment, &first);
        vpls_segment(&txn, &other, &second);
        vpls_tunnel_head(&txn, TUNNEL, 2, 16, 1);
        vpls_tunnel_transit(&txn, TUNNEL + 1, 100, 200, 2);
        vpls_tunnel_tail(&txn, TUNNEL + 2, 101);
        each_flow_is_there_once(&txn);
        goto_only_leads_on(&txn);
        flow_txn_free(&txn);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base),
        cmocka_unit_test(test_tunnels),
        cmocka_unit_test(test_segment_at_a_tor),
        cmocka_unit_test(test_segment_at_the_pe),
        cmocka_unit_test(test_segment_without_peers),
        cmocka_unit_test(test_most_peers_fit_a_flow),
        cmocka_unit_test(test_a_whole_edge),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
