/* SPDX-License-Identifier: Apache-2.0 */
/* Cross-connects: what each function does to a switch, held against tests/data/crossconnect/NAME.txt, and the probe.
 * SCG_GOLDEN=write writes the files anew; review the difference. How the flows treat frames on an Open vSwitch is in
 * tests/lab/test_crossconnect.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "gmpls/crossconnect.h"
#include "golden.h"

#define NODE 0x0afd0005u /* 10.253.0.5 */

static const struct xc_side west = {.kind = XC_LINK, .port = 1, .in_label = 100, .out_label = 200};
static const struct xc_side east = {.kind = XC_LINK, .port = 2, .in_label = 1048575, .out_label = 16};
static const struct xc_side vlan = {.kind = XC_VLAN, .port = 3, .vlan = 30};
static const struct xc_side bridge = {.kind = XC_BRIDGE, .port = 4};

static struct xc make(struct xc_side in, struct xc_side out)
{
    return (struct xc) {.id = 7, .node = NODE, .in = in, .out = out, .rate_bps = 10000001};
}

static void golden_set(const char *name, struct xc_side in, struct xc_side out)
{
    struct flow_txn txn = {0};
    struct xc xc = make(in, out);

    assert_int_equal(xc_check(&xc, NULL), 0);
    xc_set(&txn, &xc);
    golden_txn("crossconnect", name, &txn);
}

static void test_base(void **state)
{
    (void) state;
    struct flow_txn txn = {0};

    xc_base(&txn);
    golden_txn("crossconnect", "base", &txn);
}

static void test_lsps(void **state)
{
    (void) state;
    golden_set("transit", west, east);
    golden_set("ingress-vlan", vlan, west);
    golden_set("egress-vlan", west, vlan);
    golden_set("ingress-bridge", bridge, west);
    golden_set("egress-bridge", west, bridge);
}

static void test_clear(void **state)
{
    (void) state;
    struct flow_txn txn = {0};

    xc_clear(&txn, 7);
    golden_txn("crossconnect", "clear", &txn);
}

static void test_bridge(void **state)
{
    (void) state;
    struct flow_txn txn = {0};

    xc_bridge(&txn, 4, (const uint32_t[]) {7, 8}, 2);
    golden_txn("crossconnect", "bridge", &txn);
    xc_bridge(&txn, 4, NULL, 0);
    golden_txn("crossconnect", "bridge-empty", &txn);
}

static void test_as_many_lsps_as_a_client_may_have(void **state)
{
    (void) state;
    struct flow_txn txn = {0};
    uint32_t ids[XC_BRIDGE_LSPS_MAX];

    for (uint32_t i = 0; i < XC_BRIDGE_LSPS_MAX; i++)
        ids[i] = i + 1;
    xc_bridge(&txn, 4, ids, XC_BRIDGE_LSPS_MAX);
    for (size_t i = 0; i < txn.n_mods; i++)
        assert_in_range(txn.mods[i].flow.n_actions, 0, FLOW_ACTIONS_MAX);
    flow_txn_free(&txn);
}

/* Between nodes, the label that one sends is the one that the next expects, and a frame never goes back where it came
 * from, but for the probe at the egress. */
static void test_both_directions_use_their_own_labels(void **state)
{
    (void) state;
    struct flow_txn txn = {0};
    struct xc xc = make(west, east);
    size_t found = 0;

    xc_set(&txn, &xc);
    for (size_t i = 0; i < txn.n_mods; i++) {
        const struct flow *flow = &txn.mods[i].flow;
        uint64_t port = 0, label = 0;

        if (txn.mods[i].command != FLOW_ADD)
            continue;
        assert_true(match_get_u(&flow->match, FIELD_IN_PORT, &port));
        assert_true(match_get_u(&flow->match, FIELD_MPLS_LABEL, &label));
        assert_int_equal(label, port == 1 ? 100 : 1048575);
        assert_int_equal(flow->actions[0].type, ACTION_DEC_MPLS_TTL);
        assert_int_equal(flow_field_u(&flow->actions[1].field), port == 1 ? 16 : 200);
        assert_int_equal(flow->actions[flow->n_actions - 1].port, port == 1 ? 2 : 1);
        found++;
    }
    assert_int_equal(found, 4);
    flow_txn_free(&txn);
}

static void test_a_link_that_goes_out_where_it_came_in(void **state)
{
    (void) state;
    struct flow_txn txn = {0};
    struct xc_side other = west;

    other.in_label = 101;
    struct xc xc = make(west, other);

    xc_set(&txn, &xc);
    for (size_t i = 0; i < txn.n_mods; i++) {
        const struct flow *flow = &txn.mods[i].flow;

        if (txn.mods[i].command == FLOW_ADD)
            assert_int_equal(flow->actions[flow->n_actions - 1].port, PORT_IN_PORT);
    }
    flow_txn_free(&txn);
}

static struct flow_meter meter_of(uint64_t rate_bps, size_t *n)
{
    struct flow_txn txn = {0};
    struct xc xc = make(vlan, west);
    struct flow_meter meter = {0};

    xc.rate_bps = rate_bps;
    xc_set(&txn, &xc);
    *n = txn.n_meters_add;
    if (*n)
        meter = txn.meters_add[0];
    for (size_t i = 0; i < txn.n_mods; i++) {
        const struct flow *flow = &txn.mods[i].flow;

        assert_true(flow->meter == 0 || flow->meter == meter.id || flow->meter == XC_PUNT_METER);
    }
    flow_txn_free(&txn);
    return meter;
}

static void test_meters(void **state)
{
    (void) state;
    static const struct {
        uint64_t bps;
        uint32_t kbps, burst_kbit;
    } cases[] = {
        {1, 1, 145},
        {1000, 1, 145},
        {1001, 2, 145},
        {1000000000, 1000000, 100000},
        {UINT64_MAX, UINT32_MAX, UINT32_MAX / 10},
    };
    size_t n;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct flow_meter meter = meter_of(cases[i].bps, &n);

        assert_int_equal(n, 1);
        assert_int_equal(meter.id, 7);
        assert_int_equal(meter.rate, cases[i].kbps);
        assert_int_equal(meter.burst, cases[i].burst_kbit);
    }
    /* 0 is not policed: a meter of 0 would drop all, or worse. */
    meter_of(0, &n);
    assert_int_equal(n, 0);
}

static void test_what_cannot_be(void **state)
{
    (void) state;
    struct xc_side bad;
    struct xc xc;
    struct err err = {0};

#define REFUSED(side, change, reason) \
    do { \
        bad = side; \
        change; \
        xc = make(bad, west); \
        assert_int_equal(xc_check(&xc, &err), ERR_INVALID); \
        assert_string_equal(err.text, reason); \
        xc = make(west, bad); \
        assert_int_equal(xc_check(&xc, NULL), ERR_INVALID); \
    } while (0)
    REFUSED(vlan, bad.vlan = 0, "LSP 7 has VLAN 0 at its 'in' side; 1..4094 can be used");
    REFUSED(vlan, bad.vlan = 4095, "LSP 7 has VLAN 4095 at its 'in' side; 1..4094 can be used");
    REFUSED(bridge, bad.port = 0, "LSP 7 has port 0 at its 'in' side; 1..65279 can be used");
    REFUSED(east, bad.port = 0xff00, "LSP 7 has port 65280 at its 'in' side; 1..65279 can be used");
    REFUSED(east, bad.in_label = 15, "LSP 7 has labels 15 and 16 at its 'in' side; 16..1048575 can be used");
    REFUSED(east, bad.out_label = 1048576,
            "LSP 7 has labels 1048575 and 1048576 at its 'in' side; 16..1048575 can be used");
#undef REFUSED
    xc = make(vlan, bridge);
    assert_int_equal(xc_check(&xc, &err), ERR_INVALID);
    assert_string_equal(err.text, "LSP 7 has clients on both sides; one of them has to be a link");
    xc = make(west, east);
    xc.id = 0;
    assert_int_equal(xc_check(&xc, &err), ERR_INVALID);
    assert_string_equal(err.text, "an LSP has id 0; 1..4294901759 can be used");
    xc.id = XC_PUNT_METER;
    assert_int_equal(xc_check(&xc, &err), ERR_INVALID);
    xc.id = XC_ID_MAX;
    assert_int_equal(xc_check(&xc, &err), 0);
}

static void test_cookies(void **state)
{
    (void) state;
    enum xc_cookie_kind kind = XC_COOKIE_BASE;
    uint32_t id = 0;

    assert_int_equal(xc_cookie(XC_COOKIE_LSP, 0x12345678), UINT64_C(0x5c67110012345678));
    assert_true(xc_cookie_parse(UINT64_C(0x5c67110012345678), &kind, &id));
    assert_int_equal(kind, XC_COOKIE_LSP);
    assert_int_equal(id, 0x12345678);
    assert_true(xc_cookie_parse(xc_cookie(XC_COOKIE_BRIDGE, 4), &kind, &id));
    assert_int_equal(kind, XC_COOKIE_BRIDGE);
    assert_int_equal(id, 4);
    assert_false(xc_cookie_parse(UINT64_C(0x5c67030000000001), &kind, &id)); /* of a VM */
    assert_false(xc_cookie_parse(UINT64_C(0x5c67130000000001), &kind, &id));
    assert_false(xc_cookie_parse(UINT64_C(0x5c67110100000001), &kind, &id));
    assert_false(xc_cookie_parse(7, &kind, &id));
    assert_int_equal(kind, XC_COOKIE_BRIDGE);
    assert_int_equal(id, 4);
}

static void test_every_flow_goes_by_its_cookie(void **state)
{
    (void) state;
    struct flow_txn txn = {0};
    struct xc xc = make(west, bridge);
    enum xc_cookie_kind kind;
    uint32_t id;

    xc_set(&txn, &xc);
    for (size_t i = 0; i < txn.n_mods; i++) {
        const struct flow *flow = &txn.mods[i].flow;

        assert_true(xc_cookie_parse(flow->cookie, &kind, &id) && kind == XC_COOKIE_LSP && id == 7);
        for (unsigned k = 0; k < flow->n_actions; k++)
            assert_true(flow->actions[k].type != ACTION_LEARN || flow->actions[k].learn.cookie == flow->cookie);
    }
    flow_txn_free(&txn);
}

static void test_probe(void **state)
{
    (void) state;
    static const uint8_t expected[XC_PROBE_SIZE_MIN] = {
        0x01, 0x00, 0x5e, 0x90, 0x00, 0x00,             /* RFC 7213 */
        0x02, 0x5c, 0x00, 0x05, 0x00, 0x01, 0x88, 0x47, /* from 10.253.0.5, port 1 */
        0x00, 0x0c, 0x80, 0xff,                         /* label 200, S 0, TTL 255 */
        0x00, 0x00, 0xd1, 0xff,                         /* GAL, S 1 */
        0x10, 0x00, 0x7f, 0xf8,                         /* RFC 5586 §2.1 */
        0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
    };
    struct xc xc = make(vlan, west);
    uint8_t frame[1500];
    uint32_t label = 1;
    uint64_t nonce = 2;

    memset(frame, 0xaa, sizeof frame);
    xc_probe_encode(&xc, UINT64_C(0x1122334455667788), frame, XC_PROBE_SIZE_MIN);
    assert_memory_equal(frame, expected, sizeof expected);
    assert_int_equal(frame[XC_PROBE_SIZE_MIN], 0xaa);
    for (size_t size = 0; size < 34; size++) {
        uint8_t *copy = xmemdup(frame, size);

        assert_int_equal(xc_probe_decode(copy, size, &label, &nonce), ERR_MALFORMED);
        free(copy);
    }
    assert_int_equal(label, 1);
    assert_int_equal(nonce, 2);
    assert_int_equal(xc_probe_decode(frame, 34, &label, &nonce), 0);
    xc_probe_encode(&xc, UINT64_MAX, frame, sizeof frame);
    assert_int_equal(xc_probe_decode(frame, sizeof frame, &label, &nonce), 0);
    assert_int_equal(label, 200);
    assert_true(nonce == UINT64_MAX);
    assert_int_equal(frame[sizeof frame - 1], 0);
}

/* Every bit that makes it a probe is looked at; TTLs, TC, addresses and what follows the nonce are not. */
static void test_what_is_no_probe(void **state)
{
    (void) state;
    struct xc xc = make(vlan, west);
    uint8_t frame[XC_PROBE_SIZE_MIN];
    uint32_t label;
    uint64_t nonce;

    xc_probe_encode(&xc, 5, frame, sizeof frame);
    for (unsigned bit = 0; bit < sizeof frame * 8; bit++) {
        unsigned byte = bit / 8;
        uint8_t mask = (uint8_t) (0x80 >> bit % 8);
        bool is_free = byte < 12 || (byte >= 14 && byte < 16) || (byte == 16 && mask != 1) || byte == 17 ||
                       byte == 21 || (byte == 20 && (mask & 0x0e)) || byte >= 26;

        frame[byte] ^= mask;
        assert_int_equal(xc_probe_decode(frame, sizeof frame, &label, &nonce), is_free ? 0 : ERR_MALFORMED);
        frame[byte] ^= mask;
    }
}

/* Whether a switch that did 'done' but for flow 'lacks' (-1: none) holds all of what 'wanted' does. */
static bool stands_after(const struct flow_txn *done, int lacks, const struct flow_txn *wanted)
{
    struct flow_list flows = {0};
    struct xc_held held;
    bool answer;

    for (size_t i = 0; i < done->n_mods; i++) {
        if (done->mods[i].command == FLOW_ADD && lacks-- != 0)
            flow_list_add(&flows, flow_copy(&done->mods[i].flow));
    }
    held = xc_held_make(&flows, done->meters_add, done->n_meters_add);
    answer = xc_stands(&held, wanted);
    xc_held_free(&held);
    flow_list_free(&flows);
    return answer;
}

static void test_what_stands(void **state)
{
    struct flow_txn one = {0}, other = {0}, both = {0}, nothing = {0}, ends = {0};
    struct xc xc = make(bridge, east), changed = make(bridge, east);

    (void) state;
    xc_set(&one, &xc);
    assert_true(stands_after(&one, -1, &one));
    assert_false(stands_after(&nothing, -1, &one));
    for (int i = 0; i < 8; i++)
        assert_false(stands_after(&one, i, &one));
    changed.out.out_label++;
    xc_set(&other, &changed);
    assert_false(stands_after(&one, -1, &other));
    flow_txn_free(&other);
    changed = xc;
    changed.rate_bps *= 2; /* only the meter */
    xc_set(&other, &changed);
    assert_false(stands_after(&one, -1, &other));
    flow_txn_free(&other);
    changed = xc;
    changed.id++;
    xc_base(&both);
    xc_set(&both, &changed);
    assert_false(stands_after(&both, -1, &one));
    xc_set(&both, &xc);
    assert_true(stands_after(&both, -1, &one));
    xc_clear(&ends, xc.id); /* there is something to remove */
    assert_false(stands_after(&one, -1, &ends));
    xc_bridge(&nothing, bridge.port, NULL, 0);
    assert_true(stands_after(&one, -1, &nothing));
    flow_txn_free(&one);
    flow_txn_free(&both);
    flow_txn_free(&ends);
    flow_txn_free(&nothing);
}

static struct xc read_back(const struct flow_txn *txn, bool *there)
{
    struct flow_list flows = {0};
    struct xc_held held;
    struct xc xc = {0};

    for (size_t m = 0; m < txn->n_mods; m++)
        if (txn->mods[m].command == FLOW_ADD)
            flow_list_add(&flows, flow_copy(&txn->mods[m].flow));
    held = xc_held_make(&flows, txn->meters_add, txn->n_meters_add);
    *there = xc_read(&held, NODE, 7, &xc);
    xc_held_free(&held);
    flow_list_free(&flows);
    return xc;
}

static void assert_same_side(const struct xc_side *a, const struct xc_side *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->port, b->port);
    assert_int_equal(a->in_label, b->in_label);
    assert_int_equal(a->out_label, b->out_label);
    assert_int_equal(a->vlan, b->vlan);
}

static void test_lsps_are_read_back(void **state)
{
    const struct xc_side sides[][2] = {{west, east}, {vlan, west}, {west, vlan}, {bridge, west}, {west, bridge}};
    bool there;

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
        struct xc xc = make(sides[i][0], sides[i][1]), other = xc, got;
        struct flow_txn txn = {0};

        other.id = 8;
        other.in.port = 9;
        xc_base(&txn);
        xc_set(&txn, &other);
        xc_set(&txn, &xc);
        got = read_back(&txn, &there);
        assert_true(there);
        if (xc.out.kind == XC_LINK && xc.in.kind == XC_LINK && got.in.port == xc.out.port) {
            struct xc_side in = got.in; /* nothing tells which is which */

            got.in = got.out;
            got.out = in;
        }
        assert_same_side(&got.in, &xc.in);
        assert_same_side(&got.out, &xc.out);
        assert_int_equal(got.rate_bps, xc.in.kind == XC_LINK && xc.out.kind == XC_LINK ? 0 : 10001000);
        for (size_t m = 0; m < txn.n_mods; m++) { /* without any of its flows it is none */
            if (txn.mods[m].command != FLOW_ADD || txn.mods[m].flow.cookie != xc_cookie(XC_COOKIE_LSP, 7))
                continue;
            txn.mods[m].command = FLOW_DELETE;
            read_back(&txn, &there);
            assert_false(there);
            txn.mods[m].command = FLOW_ADD;
        }
        flow_txn_free(&txn);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base),
        cmocka_unit_test(test_lsps),
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_bridge),
        cmocka_unit_test(test_as_many_lsps_as_a_client_may_have),
        cmocka_unit_test(test_both_directions_use_their_own_labels),
        cmocka_unit_test(test_a_link_that_goes_out_where_it_came_in),
        cmocka_unit_test(test_meters),
        cmocka_unit_test(test_what_cannot_be),
        cmocka_unit_test(test_cookies),
        cmocka_unit_test(test_every_flow_goes_by_its_cookie),
        cmocka_unit_test(test_what_stands),
        cmocka_unit_test(test_lsps_are_read_back),
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_what_is_no_probe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
