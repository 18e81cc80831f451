/* SPDX-License-Identifier: Apache-2.0 */
/* The actions of circuits on the wire: clone, learn, encap, decap and those of MPLS. */
#include "test_openflow_vectors.h"

static void cannot_be_sent(struct flow *flow, const char *reason)
{
    struct flow_mod mod = {.command = FLOW_ADD, .flow = *flow};
    struct err err = {0};

    assert_true(encode_one(&mod, &err) < 0);
    assert_string_equal(err.text, reason);
    flow_free(flow);
}

static void test_circuits_that_cannot_be_sent(void **state)
{
    (void) state;
    struct flow flow = flow_make(1, 1, 1);

    match_u(&flow.match, FIELD_MPLS_LABEL, 16);
    cannot_be_sent(&flow,
                   "a match on mpls_label lacks the eth_type, ip_proto, icmpv6_type or VLAN tag that mpls_label needs");
    match_u(&flow.match, FIELD_ETH_TYPE, 0x8847);
    flow_add_action(&flow, ACTION_PUSH_MPLS)->ethertype = 0x8100;
    cannot_be_sent(&flow, "push_mpls of 0x8100, which is not MPLS");
    flow_output(&flow, 1);
    flow_add_action(&flow, ACTION_CLONE)->nested = 2;
    flow_output(&flow, 1);
    cannot_be_sent(&flow, "a clone of 2 actions, of which 1 follow");
    for (unsigned i = 0; i <= FLOW_CLONE_DEPTH_MAX; i++)
        flow_add_action(&flow, ACTION_CLONE)->nested = (uint16_t) (FLOW_CLONE_DEPTH_MAX + 1 - i);
    flow_output(&flow, 1);
    cannot_be_sent(&flow, "clones within clones; at most 4 are supported");

    static const struct {
        struct flow_learn_spec spec;
        const char *reason;
    } cases[] = {
        {{LEARN_MATCH_FIELD, FIELD_ETH_SRC, FIELD_REG0, 0}, "nothing can be learned into reg0 from eth_src"},
        {{LEARN_MATCH_VALUE, 0, FIELD_IPV6_DST, 1}, "nothing can be learned into ipv6_dst from a value"},
        {{LEARN_LOAD_VALUE, 0, FIELD_REG0, UINT64_C(1) << 32}, "0x100000000 does not fit reg0"},
        {{LEARN_MATCH_VALUE, 0, FIELD_IN_PORT, 0x10000}, "0x10000 does not fit in_port"},
        {{77, 0, FIELD_REG0, 1}, "nothing can be learned into reg0 from in_port"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        flow_learn_add(&flow_add_action(&flow, ACTION_LEARN)->learn, cases[i].spec);
        cannot_be_sent(&flow, cases[i].reason);
    }
    flow_add_action(&flow, ACTION_LEARN)->learn.n_specs = FLOW_LEARN_SPECS_MAX + 1;
    cannot_be_sent(&flow, "an action of learning has 9 specs; at most 8 are supported");
}

#define LEARN_LONG \
    "ffff00380000232000100000" \
    "0000006400000000000000000000020000000000" \
    "288000000000000000000000000000000001" \
    "000126100000"
#define LEARN_PART \
    "ffff00300000232000100000" \
    "0000006400000000000000000000020000000000" \
    "000c0000080200000000080200000000"
#define LEARN_TAIL \
    "ffff00280000232000100000" \
    "0000006400000000000000000000020000000000" \
    "0000000000000001"

/* What of encap and learn we do not use. */
static void test_unknown_forms_are_kept(void **state)
{
    (void) state;
    /* encap of MPLS with a header size; encap with a property */
    decoded_as(NO_MATCH "0004003000000000"
                        "ffff001000002320002e000400018847"
                        "ffff001800002320002e0000000188470004010800000000",
               FLOW_HEAD "actions=unknown(ffff001000002320002e000400018847),"
                         "unknown(ffff001800002320002e0000000188470004010800000000)");
    /* learn that loads an IPv6 address; of bits 0..11 of NXM_OF_VLAN_TCI; with a bit behind its end */
    decoded_as(NO_MATCH "0004009800000000" LEARN_LONG LEARN_PART LEARN_TAIL,
               FLOW_HEAD "actions=unknown(" LEARN_LONG "),unknown(" LEARN_PART "),unknown(" LEARN_TAIL ")");
}

static void test_clones_deeper_than_we_keep(void **state)
{
    (void) state;
    struct strbuf hex = {0};

    strbuf_printf(&hex, NO_MATCH "0004%04x00000000", 8 + 16 * (FLOW_CLONE_DEPTH_MAX + 1) + 8);
    for (unsigned i = FLOW_CLONE_DEPTH_MAX + 1; i > 0; i--)
        strbuf_printf(&hex, "ffff%04x00002320002a000000000000", 16 * i + 8);
    strbuf_puts(&hex, "0012000800000000");
    decoded_as(hex.text, FLOW_HEAD "actions=clone(clone(clone(clone("
                                   "unknown(ffff001800002320002a0000000000000012000800000000)))))");
    strbuf_free(&hex);
}

static void test_malformed_circuits(void **state)
{
    (void) state;
    /* a clone with an action that reaches beyond it; a learn that ends in its head, or in a spec */
    refused(NO_MATCH "0004002000000000"
                     "ffff001800002320002a000000000000"
                     "0000001000000001",
            "an action claims 16 bytes, 8 are left");
    refused(NO_MATCH "0004001800000000"
                     "ffff0010000023200010000000000064",
            "an action of 16 bytes contradicts its own length");
    refused(NO_MATCH "0004003000000000"
                     "ffff002800002320001000000000006400000000000000000000020000000000"
                     "0030800006060000",
            "an action of 40 bytes contradicts its own length");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_circuits_that_cannot_be_sent),
        cmocka_unit_test(test_unknown_forms_are_kept),
        cmocka_unit_test(test_clones_deeper_than_we_keep),
        cmocka_unit_test(test_malformed_circuits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
