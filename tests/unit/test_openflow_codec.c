/* SPDX-License-Identifier: Apache-2.0 */
/* OpenFlow messages: golden bytes of what we send, golden text of what switches sent (tests/data/openflow/README.md
 * says which), every message cut at every length, and random flows there and back. */
#include "golden.h"
#include "test_openflow_vectors.h"

#include "test_openflow_random.h"

static struct flow classify_flow(void)
{
    struct flow flow = flow_make(0, 200, UINT64_C(0x5c67010000000001));
    struct mac mac = {{0x02, 0, 0, 0, 0, 1}};

    match_u(&flow.match, FIELD_IN_PORT, 3);
    match_u(&flow.match, FIELD_VLAN_VID, VLAN_PRESENT | 100);
    match_mac(&flow.match, FIELD_ETH_SRC, &mac);
    match_u(&flow.match, FIELD_ETH_TYPE, 0x0800);
    match_u(&flow.match, FIELD_IP_PROTO, 6);
    match_u_masked(&flow.match, FIELD_TCP_DST, 80, 0xfff0);
    match_u_masked(&flow.match, FIELD_TCP_FLAGS, 0x02, 0x12);
    match_u(&flow.match, FIELD_REG0, 7);
    flow.meter = 5;
    flow.idle_timeout = 10;
    flow.hard_timeout = 20;
    flow.send_flow_removed = true;
    flow_add_action(&flow, ACTION_POP_VLAN);
    flow_set_u(&flow, FIELD_REG1, 2);
    flow_set_bytes(&flow, FIELD_REG2, (const uint8_t[]) {0, 0, 5, 0}, (const uint8_t[]) {0, 0, 0xff, 0});
    flow_add_action(&flow, ACTION_DEC_TTL);
    flow_add_action(&flow, ACTION_SET_QUEUE)->queue = 4;
    flow_move(&flow, FIELD_ETH_SRC, FIELD_ETH_DST);
    flow_add_action(&flow, ACTION_GROUP)->group = 9;
    flow_add_action(&flow, ACTION_RESUBMIT)->table = 6;
    flow_add_action(&flow, ACTION_PUSH_VLAN);
    flow_set_u(&flow, FIELD_VLAN_VID, 101);
    flow_set_u(&flow, FIELD_IN_PORT, PORT_NONE);
    flow_output(&flow, PORT_NORMAL);
    flow_output(&flow, PORT_CONTROLLER);
    flow.metadata = 1;
    flow.metadata_mask = 3;
    flow.goto_table = 1;
    return flow;
}

/* Everything that circuits need. */
static struct flow circuit_flow(void)
{
    struct flow flow = flow_make(0, 200, UINT64_C(0x5c67120000000001));
    uint16_t clone;

    match_u(&flow.match, FIELD_IN_PORT, 3);
    match_u(&flow.match, FIELD_PACKET_TYPE, PACKET_TYPE_ETHERNET);
    match_u(&flow.match, FIELD_ETH_TYPE, 0x8847);
    match_u(&flow.match, FIELD_MPLS_LABEL, 1048575);
    match_u(&flow.match, FIELD_MPLS_TC, 5);
    match_u(&flow.match, FIELD_MPLS_BOS, 1);
    match_u(&flow.match, FIELD_MPLS_TTL, 64);
    flow_set_u(&flow, FIELD_MPLS_LABEL, 16);
    flow_add_action(&flow, ACTION_DEC_MPLS_TTL);
    flow_add_action(&flow, ACTION_PUSH_MPLS)->ethertype = 0x8847;
    flow_add_action(&flow, ACTION_SET_MPLS_TTL)->ttl = 255;
    flow_add_action(&flow, ACTION_POP_MPLS)->ethertype = 0x8847;
    clone = flow_clone_begin(&flow);
    flow_set_u(&flow, FIELD_REG0, 2);
    flow_add_action(&flow, ACTION_ENCAP)->packet_type = PACKET_TYPE_MPLS;
    flow_add_action(&flow, ACTION_ENCAP)->packet_type = PACKET_TYPE_ETHERNET;
    flow_add_action(&flow, ACTION_RESUBMIT)->table = 3;
    flow_clone_end(&flow, clone);
    flow_add_action(&flow, ACTION_LEARN)->learn = (struct flow_learn) {
        .table = 2,
        .priority = 100,
        .idle_timeout = 300,
        .hard_timeout = 3600,
        .limit = 1000,
        .delete_learned = true,
        .cookie = flow.cookie,
        .n_specs = 3,
        .specs = {{LEARN_MATCH_VALUE, 0, FIELD_IN_PORT, 5},
                  {LEARN_MATCH_FIELD, FIELD_ETH_SRC, FIELD_ETH_DST, 0},
                  {LEARN_LOAD_VALUE, 0, FIELD_REG0, 2}},
    };
    flow_add_action(&flow, ACTION_DECAP)->packet_type = PACKET_TYPE_ETHERNET;
    flow_output(&flow, PORT_IN_PORT);
    return flow;
}

/* Neighbour discovery, and the registers and port of a pseudowire. */
static struct flow solicitation_flow(void)
{
    static const uint8_t target[16] = {0xfe, 0x80, [8] = 0x50, 0x54, 0, 0xff, 0xfe, 0, 0, 0x11};
    const struct mac mac = {{0x52, 0x54, 0, 0, 0, 0x11}};
    struct flow flow = flow_make(2, 100, UINT64_C(0x5c67030000000001));

    match_u(&flow.match, FIELD_ETH_TYPE, 0x86dd);
    match_u(&flow.match, FIELD_IP_PROTO, 58);
    match_u(&flow.match, FIELD_IP_TTL, 255);
    match_u(&flow.match, FIELD_ICMPV6_TYPE, 135);
    match_u(&flow.match, FIELD_ICMPV6_CODE, 0);
    match_bytes(&flow.match, FIELD_ND_TARGET, target, NULL);
    match_mac(&flow.match, FIELD_ND_SLL, &mac);
    match_u(&flow.match, FIELD_REG5, 1);
    flow_set_u(&flow, FIELD_REG4, 3);
    flow_set_u(&flow, FIELD_IN_PORT, PORT_NONE);
    return flow;
}

/* A connection over IPv6 that teaches its replies, and the flow that it teaches. */
static struct flow teaching_flow(void)
{
    struct flow flow = flow_make(3, 100, UINT64_C(0x5c67030000000001));

    match_u(&flow.match, FIELD_ETH_TYPE, 0x86dd);
    match_u(&flow.match, FIELD_IP_PROTO, 6);
    flow_add_action(&flow, ACTION_LEARN)->learn = (struct flow_learn) {
        .table = 31,
        .priority = 100,
        .idle_timeout = 3600,
        .fin = {.idle_timeout = 10, .hard_timeout = 60},
        .limit = 5000,
        .cookie = UINT64_C(0x5c67080000000001),
        .n_specs = 7,
        .specs = {{LEARN_MATCH_VALUE, 0, FIELD_ETH_TYPE, 0x86dd},
                  {LEARN_MATCH_VALUE, 0, FIELD_IP_PROTO, 6},
                  {LEARN_MATCH_FIELD, FIELD_IPV6_DST, FIELD_IPV6_SRC, 0},
                  {LEARN_MATCH_FIELD, FIELD_IPV6_SRC, FIELD_IPV6_DST, 0},
                  {LEARN_MATCH_FIELD, FIELD_TCP_DST, FIELD_TCP_SRC, 0},
                  {LEARN_MATCH_FIELD, FIELD_TCP_SRC, FIELD_TCP_DST, 0},
                  {LEARN_LOAD_VALUE, 0, FIELD_REG6, 1}},
    };
    flow_set_u(&flow, FIELD_REG6, 1);
    flow_add_action(&flow, ACTION_FIN_TIMEOUT)->fin = (struct flow_fin) {10, 60};
    return flow;
}

/* A clause of a conjunctive match, and the flow that all of them lead to. */
static struct flow clause_flow(void)
{
    struct flow flow = flow_make(4, 9000, UINT64_C(0x5c67030000000001));

    match_u(&flow.match, FIELD_ETH_TYPE, 0x0800);
    match_u_masked(&flow.match, FIELD_IPV4_SRC, 0xc6336400, 0xffffff00);
    flow_add_action(&flow, ACTION_CONJUNCTION)->conjunction = (struct flow_conjunction) {1000, 1, 3};
    flow_add_action(&flow, ACTION_CONJUNCTION)->conjunction = (struct flow_conjunction) {1001, 2, 2};
    return flow;
}

static struct flow conjunction_flow(void)
{
    struct flow flow = flow_make(4, 9000, UINT64_C(0x5c67030000000001));

    match_u(&flow.match, FIELD_CONJ_ID, 1000);
    match_u(&flow.match, FIELD_ETH_TYPE, 0x0800);
    flow.goto_table = 5;
    return flow;
}

static void put_vector(struct strbuf *s, const char *name, struct wire *w)
{
    assert_true(wire_ok(w));
    strbuf_printf(s, "%s# %s\n", s->length ? "\n" : "", name);
    for (size_t at = 0; at < w->pos; at += 48) {
        describe_hex(s, w->data + at, w->pos - at < 48 ? w->pos - at : 48);
        strbuf_puts(s, "\n");
    }
    w->pos = 0;
}

static void test_what_we_send(void **state)
{
    (void) state;
    static uint8_t bytes[OF_MESSAGE_MAX];
    struct wire w = wire_writer(bytes, sizeof bytes);
    struct strbuf s = {0};
    struct flow_mod mod = {.command = FLOW_ADD, .flow = classify_flow()};
    struct of_bytes data = {(const uint8_t *) "ping", 4};
    struct flow_meter meter = {.id = 5, .rate = 1000, .burst = 100};
    struct of_flow_query query = {.table = 2, .cookie = 0x5c67, .cookie_mask = UINT64_MAX};
    uint8_t frame[14] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};

    of_hello_encode(&w, 1);
    put_vector(&s, "hello", &w);
    of_error_encode(&w, 2, OFPET_BAD_REQUEST, OFPBRC_BAD_TYPE,
                    (struct of_bytes) {(const uint8_t[]) {0x04, 0x63, 0, 8, 0, 0, 0, 2}, 8});
    put_vector(&s, "error", &w);
    of_echo_encode(&w, OFPT_ECHO_REQUEST, 3, (struct of_bytes) {0});
    put_vector(&s, "echo request", &w);
    of_echo_encode(&w, OFPT_ECHO_REPLY, 3, data);
    put_vector(&s, "echo reply", &w);
    of_empty_encode(&w, OFPT_FEATURES_REQUEST, 4);
    put_vector(&s, "features request", &w);
    of_empty_encode(&w, OFPT_BARRIER_REQUEST, 5);
    put_vector(&s, "barrier request", &w);
    of_set_config_encode(&w, 6, OF_CONTROLLER_NO_BUFFER);
    put_vector(&s, "set config", &w);
    assert_int_equal(
        of_packet_out_encode(
            &w, 7, &(struct of_packet_out) {PORT_CONTROLLER, mod.flow.actions + 12, 1, frame, sizeof frame}, NULL),
        0);
    put_vector(&s, "packet out", &w);
    assert_int_equal(of_flow_mod_encode(&w, 8, &mod, NULL), 0);
    put_vector(&s, "flow mod add", &w);
    mod.command = FLOW_DELETE_STRICT;
    assert_int_equal(of_flow_mod_encode(&w, 9, &mod, NULL), 0);
    put_vector(&s, "flow mod delete strict", &w);
    flow_free(&mod.flow);
    mod = (struct flow_mod) {
        .command = FLOW_DELETE, .cookie_mask = UINT64_MAX, .flow = flow_make(FLOW_TABLE_ALL, 0, 0x5c67)};
    assert_int_equal(of_flow_mod_encode(&w, 10, &mod, NULL), 0);
    put_vector(&s, "flow mod delete by cookie", &w);
    of_meter_mod_encode(&w, 11, OFPMC_ADD, &meter);
    put_vector(&s, "meter mod add", &w);
    meter.burst = 0;
    of_meter_mod_encode(&w, 12, OFPMC_MODIFY, &meter);
    put_vector(&s, "meter mod modify", &w);
    of_meter_mod_encode(&w, 13, OFPMC_DELETE, &meter);
    put_vector(&s, "meter mod delete", &w);
    meter = (struct flow_meter) {.id = 6, .rate = 50, .burst = 20, .packets = true};
    of_meter_mod_encode(&w, 11, OFPMC_ADD, &meter);
    put_vector(&s, "meter mod add, of packets", &w);
    of_bundle_encode(&w, 14, 1, OFPBCT_OPEN_REQUEST);
    put_vector(&s, "bundle open", &w);
    assert_int_equal(of_bundle_add_encode(&w, 15, 1, &mod, NULL), 0);
    put_vector(&s, "bundle add", &w);
    of_bundle_encode(&w, 16, 1, OFPBCT_COMMIT_REQUEST);
    put_vector(&s, "bundle commit", &w);
    of_bundle_encode(&w, 17, 1, OFPBCT_DISCARD_REQUEST);
    put_vector(&s, "bundle discard", &w);
    of_multipart_encode(&w, 18, OFPMP_PORT_DESC);
    put_vector(&s, "multipart request port desc", &w);
    of_flow_request_encode(&w, 19, &query);
    put_vector(&s, "multipart request flow", &w);
    of_meter_request_encode(&w, 20);
    put_vector(&s, "multipart request meter config", &w);
    mod = (struct flow_mod) {.command = FLOW_ADD, .flow = circuit_flow()};
    assert_int_equal(of_flow_mod_encode(&w, 21, &mod, NULL), 0);
    put_vector(&s, "flow mod add of a circuit", &w);
    flow_free(&mod.flow);
    mod = (struct flow_mod) {.command = FLOW_ADD, .flow = solicitation_flow()};
    assert_int_equal(of_flow_mod_encode(&w, 22, &mod, NULL), 0);
    put_vector(&s, "flow mod add of a solicitation", &w);
    flow_free(&mod.flow);
    mod = (struct flow_mod) {.command = FLOW_ADD, .flow = teaching_flow()};
    assert_int_equal(of_flow_mod_encode(&w, 23, &mod, NULL), 0);
    put_vector(&s, "flow mod add of a connection", &w);
    flow_free(&mod.flow);
    mod = (struct flow_mod) {.command = FLOW_ADD, .flow = clause_flow()};
    assert_int_equal(of_flow_mod_encode(&w, 24, &mod, NULL), 0);
    put_vector(&s, "flow mod add of a clause", &w);
    mod.flow.actions[1].conjunction.clause = 3;
    assert_int_equal(of_flow_mod_encode(&w, 25, &mod, NULL), ERR_INVALID);
    w.pos = 0;
    flow_free(&mod.flow);
    mod = (struct flow_mod) {.command = FLOW_ADD, .flow = conjunction_flow()};
    assert_int_equal(of_flow_mod_encode(&w, 26, &mod, NULL), 0);
    put_vector(&s, "flow mod add of a conjunction", &w);
    flow_free(&mod.flow);
    golden_text("openflow/sent.hex", s.text);
    strbuf_free(&s);
}

static void described(const char *hex, const char *txt)
{
    struct vectors vectors = vectors_read(hex);
    struct strbuf s = {0};

    for (size_t i = 0; i < vectors.n; i++) {
        strbuf_printf(&s, "# %s\n", vectors.list[i].name);
        describe(&s, vectors.list[i].bytes, vectors.list[i].size);
    }
    golden_text(txt, s.text);
    strbuf_free(&s);
    vectors_free(&vectors);
}

static void test_what_open_vswitch_sends(void **state)
{
    (void) state;
    described("ovs.hex", "openflow/ovs.txt");
}

static void test_what_an_ericsson_switch_and_its_controller_send(void **state)
{
    (void) state;
    described("ericsson.hex", "openflow/ericsson.txt");
}

/* Each message cut short, in memory of exactly that size, so that a read beyond it is caught. */
static void cut(const struct vector *vector)
{
    for (size_t size = 0; size < vector->size; size++) {
        uint8_t *copy = xmemdup(vector->bytes, size);
        struct strbuf s = {0};

        assert_int_equal(describe(&s, copy, size), ERR_SHORT);
        if (size >= 4) {
            /* The same with a header that admits it: some are whole messages then, but none may read on. */
            copy[2] = (uint8_t) (size >> 8);
            copy[3] = (uint8_t) size;
            describe(&s, copy, size);
        }
        strbuf_free(&s);
        free(copy);
    }
}

static void test_every_message_cut_at_every_length(void **state)
{
    (void) state;
    static const char *const files[] = {"sent.hex", "ovs.hex", "ericsson.hex"};

    for (size_t f = 0; f < ARRAY_LEN(files); f++) {
        struct vectors vectors = vectors_read(files[f]);

        for (size_t i = 0; i < vectors.n; i++)
            cut(&vectors.list[i]);
        vectors_free(&vectors);
    }
}

/* A message of fixed structure that says that it is shorter than that structure is refused. */
static void test_shorter_than_its_structure(void **state)
{
    (void) state;
    struct vectors vectors = vectors_read("ovs.hex");
    static const char *const names[] = {"features-reply 1",
                                        "port-status 1",
                                        "multipart-reply-flow 1",
                                        "multipart-reply-port-desc 1",
                                        "multipart-reply-desc 1",
                                        "multipart-reply-meter-features 1",
                                        "packet-in 1"};
    static const size_t least[] = {32, 80, 64, 80, 1072, 32, 42};
    size_t found = 0;

    for (size_t i = 0; i < vectors.n; i++) {
        for (size_t k = 0; k < ARRAY_LEN(names); k++) {
            if (strcmp(vectors.list[i].name, names[k]) != 0)
                continue;
            found++;
            size_t from = strncmp(names[k], "multipart", 9) == 0 ? 17 : 8;

            for (size_t size = from; size < least[k]; size++) {
                struct strbuf s = {0};
                uint8_t *copy = xmemdup(vectors.list[i].bytes, size);

                copy[2] = (uint8_t) (size >> 8);
                copy[3] = (uint8_t) size;
                assert_true(describe(&s, copy, size) < 0);
                strbuf_free(&s);
                free(copy);
            }
        }
    }
    assert_int_equal(found, ARRAY_LEN(names));
    vectors_free(&vectors);
}

static void test_random_flows_there_and_back(void **state)
{
    (void) state;
    struct rng rng = {20261123};
    static uint8_t bytes[OF_MESSAGE_MAX];

    for (unsigned i = 0; i < 20000; i++) {
        struct wire w = wire_writer(bytes, sizeof bytes);
        struct flow flow = random_flow(&rng), back;
        struct flow_mod mod = {.command = FLOW_ADD, .flow = flow};
        struct err err = {0};

        if (of_flow_mod_encode(&w, i, &mod, &err) < 0)
            fail_msg("flow %u: %s", i, err.text);
        w.pos = 0;
        put_flow_stats(&w, &flow);
        struct wire r = wire_reader(bytes, w.pos);

        if (of_flow_stats_next(&r, &back, &err) != 1)
            fail_msg("flow %u: %s", i, err.text);
        if (!flow_equal(&flow, &back)) {
            AUTO_FREE char *sent = flow_format(&flow);
            AUTO_FREE char *got = flow_format(&back);

            fail_msg("flow %u: %s came back as %s", i, sent, got);
        }
        assert_int_equal(of_flow_stats_next(&r, &back, &err), 0);
        flow_free(&flow);
        flow_free(&back);
    }
}

static void test_flows_that_cannot_be_sent(void **state)
{
    (void) state;
    struct flow_mod mod = {.command = FLOW_ADD, .flow = flow_make(1, 1, 1)};
    struct err err = {0};

    match_u(&mod.flow.match, FIELD_TCP_DST, 80);
    assert_int_equal(encode_one(&mod, &err), ERR_INVALID);
    assert_string_equal(err.text,
                        "a match on tcp_dst lacks the eth_type, ip_proto, icmpv6_type or VLAN tag that tcp_dst needs");
    mod.flow.match.n = 0;
    /* RFC 4861 §4.4: an advertisement has the target's address, not the source's. */
    match_u(&mod.flow.match, FIELD_ETH_TYPE, 0x86dd);
    match_u(&mod.flow.match, FIELD_IP_PROTO, 58);
    match_u(&mod.flow.match, FIELD_ICMPV6_TYPE, 136);
    match_u(&mod.flow.match, FIELD_ND_TLL, 1);
    assert_int_equal(encode_one(&mod, &err), 0);
    match_u(&mod.flow.match, FIELD_ND_SLL, 1);
    assert_int_equal(encode_one(&mod, &err), ERR_INVALID);
    assert_string_equal(err.text,
                        "a match on nd_sll lacks the eth_type, ip_proto, icmpv6_type or VLAN tag that nd_sll needs");
    mod.flow.match.n = 0;
    mod.flow.has_unknown = true;
    assert_int_equal(encode_one(&mod, &err), ERR_UNSUPPORTED);
    mod.flow.has_unknown = false;
    mod.flow.table = FLOW_TABLE_ALL;
    assert_int_equal(encode_one(&mod, &err), ERR_INVALID);
    mod.flow.table = 1;
    flow_set_u(&mod.flow, FIELD_IN_PORT, 0x10000);
    assert_int_equal(encode_one(&mod, &err), ERR_INVALID);
    flow_free(&mod.flow);
    flow_move(&mod.flow, FIELD_ETH_SRC, FIELD_REG0);
    assert_int_equal(encode_one(&mod, &err), ERR_INVALID);
    assert_string_equal(err.text, "eth_src cannot be moved to reg0");
    flow_free(&mod.flow);
    flow_set_bytes(&mod.flow, FIELD_VLAN_VID, (const uint8_t[]) {0, 5}, NULL);
    assert_int_equal(encode_one(&mod, &err), ERR_INVALID);
    flow_free(&mod.flow);
    flow_add_action(&mod.flow, ACTION_UNKNOWN)->raw_length = 72;
    assert_int_equal(encode_one(&mod, &err), ERR_UNSUPPORTED);
    flow_free(&mod.flow);
    for (unsigned i = 0; i <= FLOW_ACTIONS_MAX; i++)
        flow_output(&mod.flow, 1);
    assert_int_equal(encode_one(&mod, &err), ERR_TOO_LARGE);
    flow_free(&mod.flow);
}

static void test_other_forms_of_the_same(void **state)
{
    (void) state;
    /* NXM_OF_IN_PORT and NXM_OF_ETH_TYPE */
    decoded_as("00010010"
               "00000002"
               "fffe"
               "00000602"
               "0800",
               FLOW_HEAD "in_port=LOCAL,eth_type=0x0800,actions=drop");
    /* NXM_NX_TCP_FLAGS */
    decoded_as("0001000a"
               "00014402"
               "0012"
               "000000000000",
               FLOW_HEAD "tcp_flags=0x12/0xfff,actions=drop");
    /* reg_load of bits 8..15 of NXM_NX_REG2, and of all of NXM_NX_REG0 */
    decoded_as(NO_MATCH "0004003800000000"
                        "ffff0018000023200007"
                        "0207"
                        "00010404"
                        "0000000000000005"
                        "ffff0018000023200007"
                        "001f"
                        "00010004"
                        "0000000000000009",
               FLOW_HEAD "actions=set_field:0x500/0xff00->reg2,set_field:0x9->reg0");
    /* reg_load of the upper bits of NXM_NX_IPV6_DST */
    decoded_as(NO_MATCH "0004002000000000"
                        "ffff0018000023200007"
                        "181f"
                        "00012810"
                        "0000000020010db8",
               FLOW_HEAD "actions=set_field:2001:db8::/ffff:ffff::->ipv6_dst");
    /* in_port from NXM_OF_IN_PORT to reg0[0..15] is no move of all bits */
    decoded_as(NO_MATCH "0004002000000000"
                        "ffff0018000023200006"
                        "0010"
                        "0000"
                        "0000"
                        "00000002"
                        "00010004",
               FLOW_HEAD "actions=unknown(ffff00180000232000060010000000000000000200010004)");
}

static void test_unknown_is_kept_or_counted(void **state)
{
    (void) state;
    /* tun_id */
    decoded_as("00010010"
               "00012008"
               "0000000000000004",
               FLOW_HEAD "(and more that is not understood),actions=drop");
    /* an experimenter's field, not ONF's */
    decoded_as("0001000c"
               "ffff5404"
               "00002320"
               "00000000",
               FLOW_HEAD "(and more that is not understood),actions=drop");
    /* write-actions */
    decoded_as(NO_MATCH "0003000800000000", FLOW_HEAD "(and more that is not understood),actions=drop");
    /* push_vlan of 802.1ad, set_nw_ttl, an action of another experimenter */
    decoded_as(NO_MATCH "0004002800000000"
                        "0011000888a80000"
                        "0017000840000000"
                        "ffff00100000abcd0000000000000000",
               FLOW_HEAD "actions=unknown(0011000888a80000),unknown(0017000840000000),"
                         "unknown(ffff00100000abcd0000000000000000)");
}

static void test_more_actions_than_we_keep(void **state)
{
    (void) state;
    struct strbuf hex = {0};
    struct flow flow;

    strbuf_printf(&hex, NO_MATCH "0004%04x00000000", 8 + 8 * (FLOW_ACTIONS_MAX + 1));
    for (unsigned i = 0; i <= FLOW_ACTIONS_MAX; i++)
        strbuf_puts(&hex, "0012000800000000");
    assert_int_equal(decode_flow(hex.text, &flow, NULL), 1);
    assert_int_equal(flow.n_actions, FLOW_ACTIONS_MAX);
    assert_true(flow.has_unknown);
    flow_free(&flow);
    strbuf_free(&hex);
}

static void test_malformed_flows(void **state)
{
    (void) state;
    refused("0000000400000000", "a match has type 0 and length 4");
    refused("0001000300000000", "a match has type 1 and length 3");
    refused("0001002000000000", "a match of 32 bytes does not fit its message");
    refused("0001000b"
            "80000003"
            "000001"
            "0000000000",
            "a match field has a wrong length");
    refused("0001000c"
            "80000a02"
            "0800"
            "0000"
            "00000000",
            "a match field has a wrong length");
    refused("00010010"
            "80000a020800"
            "80000a020800",
            "a match has eth_type twice");
    refused(NO_MATCH "0004000000000000", "an instruction claims 0 bytes");
    refused(NO_MATCH "0004001000000000", "an instruction claims 16 bytes, beyond its message");
    refused(NO_MATCH "0001001000000000"
                     "0000000000000000",
            "an instruction of type 1 has 16 bytes or comes twice");
    refused(NO_MATCH "0001000801000000"
                     "0001000801000000",
            "an instruction of type 1 has 8 bytes or comes twice");
    refused(NO_MATCH "0004001000000000"
                     "0012000000000000",
            "an action claims 0 bytes, 8 are left");
    refused(NO_MATCH "0004001000000000"
                     "0012001000000000",
            "an action claims 16 bytes, 8 are left");
    refused(NO_MATCH "0004001000000000"
                     "0000000800000001",
            "an action of 8 bytes contradicts its own length");
    refused(NO_MATCH "0004001800000000"
                     "00190010"
                     "80000a03"
                     "0000000000000000",
            "an action of 16 bytes contradicts its own length");
}

static void test_names_of_errors(void **state)
{
    (void) state;
    static const struct {
        struct of_error error;
        const char *name;
    } cases[] = {
        {{.type = 2, .code = 4}, "OFPET_BAD_ACTION/OFPBAC_BAD_OUT_PORT"},
        {{.type = 12, .code = 1}, "OFPET_METER_MOD_FAILED/OFPMMFC_METER_EXISTS"},
        {{.type = 13, .code = 5}, "OFPET_TABLE_FEATURES_FAILED/OFPTFFC_EPERM"},
        {{.type = 5, .code = 99}, "OFPET_FLOW_MOD_FAILED/code 99"},
        {{.type = 77, .code = 1}, "type 77/code 1"},
        {{.type = 0xffff, .code = 2313, .experimenter = OF_EXPERIMENTER_ONF}, "ONFET_BUNDLE_FAILED/OFPBFC_MSG_FAILED"},
        {{.type = 0xffff, .code = 2299, .experimenter = OF_EXPERIMENTER_ONF}, "OFPET_EXPERIMENTER/0x4f4e4600/2299"},
        {{.type = 0xffff, .code = 11, .experimenter = OF_EXPERIMENTER_NICIRA}, "OFPET_EXPERIMENTER/0x00002320/11"},
    };
    char name[OF_ERROR_TEXT_SIZE];

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(of_error_format(&cases[i].error, name), cases[i].name);
}

static void test_versions(void **state)
{
    (void) state;
    static const struct {
        uint8_t version;
        struct of_hello hello;
        bool accepted;
    } cases[] = {
        {0x04, {0}, true},          {0x01, {0}, false},          {0x06, {0}, true},          {0x04, {true, 0x12}, true},
        {0x06, {true, 0x72}, true}, {0x06, {true, 0x60}, false}, {0x01, {true, 0x10}, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(of_hello_accepts(&(struct of_header) {.version = cases[i].version}, &cases[i].hello),
                         cases[i].accepted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_we_send),
        cmocka_unit_test(test_what_open_vswitch_sends),
        cmocka_unit_test(test_what_an_ericsson_switch_and_its_controller_send),
        cmocka_unit_test(test_every_message_cut_at_every_length),
        cmocka_unit_test(test_shorter_than_its_structure),
        cmocka_unit_test(test_random_flows_there_and_back),
        cmocka_unit_test(test_flows_that_cannot_be_sent),
        cmocka_unit_test(test_other_forms_of_the_same),
        cmocka_unit_test(test_unknown_is_kept_or_counted),
        cmocka_unit_test(test_more_actions_than_we_keep),
        cmocka_unit_test(test_malformed_flows),
        cmocka_unit_test(test_names_of_errors),
        cmocka_unit_test(test_versions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
