/* SPDX-License-Identifier: Apache-2.0 */
/* Flows in host terms: matches in one canonical form, equality, order, copies, text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "model/flow.h"

static void formatted(struct flow *flow, const char *expected)
{
    AUTO_FREE char *text = flow_format(flow);

    assert_string_equal(text, expected);
    flow_free(flow);
}

static void test_order_of_setting_does_not_matter(void **state)
{
    (void) state;
    static const enum flow_field_id ids[] = {FIELD_TCP_DST, FIELD_IN_PORT, FIELD_ETH_TYPE, FIELD_IP_PROTO, FIELD_REG0};
    struct flow_match first = {0};

    for (size_t start = 0; start < ARRAY_LEN(ids); start++) {
        for (size_t step = 1; step < ARRAY_LEN(ids); step++) {
            struct flow_match match = {0};

            /* 5 is prime, so every step visits all. */
            for (size_t i = 0; i < ARRAY_LEN(ids); i++)
                match_u(&match, ids[(start + i * step) % ARRAY_LEN(ids)], 6);
            if (first.n == 0)
                first = match;
            assert_true(match_equal(&first, &match));
            assert_memory_equal(&first, &match, sizeof match);
        }
    }
    assert_int_equal(first.n, 5);
    for (unsigned i = 1; i < first.n; i++)
        assert_true(first.fields[i - 1].id < first.fields[i].id);
}

static void test_setting_again_replaces(void **state)
{
    (void) state;
    struct flow_match match = {0};
    uint64_t value = 0;

    match_u(&match, FIELD_REG0, 1);
    match_u(&match, FIELD_METADATA, 9);
    match_u(&match, FIELD_REG0, 2);
    assert_int_equal(match.n, 2);
    assert_true(match_get_u(&match, FIELD_REG0, &value));
    assert_int_equal(value, 2);
    /* A mask of zero is no match at all. */
    match_u_masked(&match, FIELD_REG0, 2, 0);
    assert_null(match_find(&match, FIELD_REG0));
    match_u_masked(&match, FIELD_REG0, 2, 0);
    assert_int_equal(match.n, 1);
    struct flow_match fresh = {0};

    match_u(&fresh, FIELD_METADATA, 9);
    assert_memory_equal(&match, &fresh, sizeof match);
}

static void test_bits_outside_the_mask_and_the_field_are_dropped(void **state)
{
    (void) state;
    struct flow_match match = {0};
    uint64_t value = 7;

    match_u_masked(&match, FIELD_TCP_DST, 0x1234, 0xff00);
    assert_int_equal(flow_field_u(&match.fields[0]), 0x1200);
    assert_int_equal(flow_field_mask_u(&match.fields[0]), 0xff00);
    assert_false(flow_field_exact(&match.fields[0]));
    assert_false(match_get_u(&match, FIELD_TCP_DST, &value));
    assert_false(match_get_u(&match, FIELD_TCP_SRC, &value));
    assert_int_equal(value, 7);
    match.n = 0;
    match_u(&match, FIELD_VLAN_PCP, 0xff);
    assert_int_equal(flow_field_u(&match.fields[0]), 7);
    assert_true(flow_field_exact(&match.fields[0]));
    match_u_masked(&match, FIELD_VLAN_VID, 0xffff, 0x1fff);
    assert_true(flow_field_exact(match_find(&match, FIELD_VLAN_VID)));
    assert_int_equal(flow_field_u(match_find(&match, FIELD_VLAN_VID)), 0x1fff);
}

static void test_prefixes(void **state)
{
    (void) state;
    struct flow flow = flow_make(1, 2, 3);
    struct prefix v4, v6, any;

    assert_int_equal(prefix_parse("10.1.0.0/16", &v4), 0);
    assert_int_equal(prefix_parse("2001:db8::/33", &v6), 0);
    assert_int_equal(prefix_parse("0.0.0.0/0", &any), 0);
    match_prefix(&flow.match, FIELD_IPV4_SRC, FIELD_IPV6_SRC, &v4);
    match_prefix(&flow.match, FIELD_IPV4_DST, FIELD_IPV6_DST, &any);
    formatted(&flow, "cookie=0x3,table=1,priority=2,eth_type=0x0800,ip_src=10.1.0.0/255.255.0.0,actions=drop");
    flow = flow_make(1, 2, 3);
    match_prefix(&flow.match, FIELD_IPV4_SRC, FIELD_IPV6_SRC, &v6);
    formatted(&flow, "cookie=0x3,table=1,priority=2,eth_type=0x86dd,ipv6_src=2001:db8::/ffff:ffff:8000::,actions=drop");
    flow = flow_make(1, 2, 3);
    match_prefix(&flow.match, FIELD_ARP_TPA, FIELD_IPV6_DST, &v4);
    formatted(&flow, "cookie=0x3,table=1,priority=2,eth_type=0x0806,arp_tpa=10.1.0.0/255.255.0.0,actions=drop");
}

static struct flow rich_flow(void)
{
    struct flow flow = flow_make(4, 1000, UINT64_C(0x5c67030000000001));
    struct mac mac = {{2, 0, 0, 0, 0, 0x1f}};

    match_u(&flow.match, FIELD_IN_PORT, PORT_LOCAL);
    match_u(&flow.match, FIELD_VLAN_VID, VLAN_PRESENT | 100);
    match_mac(&flow.match, FIELD_ETH_SRC, &mac);
    match_u(&flow.match, FIELD_ETH_TYPE, 0x0800);
    match_u(&flow.match, FIELD_IP_PROTO, 6);
    match_u(&flow.match, FIELD_TCP_DST, 443);
    match_u_masked(&flow.match, FIELD_TCP_FLAGS, 2, 0x12);
    match_u_masked(&flow.match, FIELD_METADATA, 1, 3);
    flow.meter = 7;
    flow.idle_timeout = 5;
    flow.hard_timeout = 6;
    flow.send_flow_removed = true;
    flow_add_action(&flow, ACTION_PUSH_VLAN);
    flow_set_u(&flow, FIELD_VLAN_VID, 100);
    flow_add_action(&flow, ACTION_POP_VLAN);
    flow_set_mac(&flow, FIELD_ETH_DST, &mac);
    flow_set_bytes(&flow, FIELD_REG1, (const uint8_t[]) {0, 0, 1, 2}, (const uint8_t[]) {0, 0, 0xff, 0});
    flow_move(&flow, FIELD_ETH_SRC, FIELD_ETH_DST);
    flow_add_action(&flow, ACTION_DEC_TTL);
    flow_add_action(&flow, ACTION_SET_QUEUE)->queue = 3;
    flow_add_action(&flow, ACTION_GROUP)->group = 4;
    flow_add_action(&flow, ACTION_RESUBMIT)->table = 9;
    flow_set_u(&flow, FIELD_IN_PORT, PORT_NONE);
    flow_output(&flow, PORT_NORMAL);
    flow_output(&flow, PORT_CONTROLLER);
    flow_output(&flow, 12);
    flow.metadata = 2;
    flow.metadata_mask = 0xff;
    flow.goto_table = 5;
    return flow;
}

static void test_text(void **state)
{
    (void) state;
    struct flow flow = rich_flow();

    formatted(&flow,
              "cookie=0x5c67030000000001,table=4,priority=1000,idle_timeout=5,hard_timeout=6,send_flow_rem,"
              "in_port=LOCAL,metadata=0x1/0x3,eth_src=02:00:00:00:00:1f,eth_type=0x0800,vlan_vid=0x1064,ip_proto=6,"
              "tcp_dst=443,tcp_flags=0x2/0x12,actions=meter:7,push_vlan:0x8100,set_field:0x1064->vlan_vid,pop_vlan,"
              "set_field:02:00:00:00:00:1f->eth_dst,set_field:0x100/0xff00->reg1,move:eth_src[]->eth_dst[],dec_ttl,"
              "set_queue:3,group:4,resubmit(,9),load:0xffff->in_port[],output:NORMAL,CONTROLLER:65535,output:12,"
              "write_metadata:0x2/0xff,goto_table:5");
    flow = flow_make(0, 0, 0);
    struct flow_action *unknown = flow_add_action(&flow, ACTION_UNKNOWN);

    unknown->raw_length = 80;
    memset(unknown->raw, 0xab, 2);
    AUTO_FREE char *text = flow_format(&flow);

    assert_non_null(strstr(text, "actions=unknown(abab0000"));
    assert_non_null(strstr(text, "...)"));
    flow_free(&flow);
}

static void test_text_of_conjunctions(void **state)
{
    (void) state;
    struct flow flow = flow_make(4, 9, 0), other;

    match_u(&flow.match, FIELD_CONJ_ID, 1000);
    flow.goto_table = 5;
    formatted(&flow, "cookie=0x0,table=4,priority=9,conj_id=1000,actions=goto_table:5");
    flow = flow_make(4, 9, 0);
    flow_add_action(&flow, ACTION_CONJUNCTION)->conjunction = (struct flow_conjunction) {1000, 1, 2};
    other = flow_copy(&flow);
    assert_true(flow_equal(&flow, &other));
    other.actions[0].conjunction.clause = 2;
    assert_false(flow_equal(&flow, &other));
    flow_free(&other);
    formatted(&flow, "cookie=0x0,table=4,priority=9,actions=conjunction(1000,1/2)");
}

static struct flow circuit_flow(void)
{
    struct flow flow = flow_make(0, 1, 2);
    uint16_t outer, inner;

    match_u(&flow.match, FIELD_PACKET_TYPE, PACKET_TYPE_MPLS);
    match_u(&flow.match, FIELD_ETH_TYPE, 0x8847);
    match_u(&flow.match, FIELD_MPLS_LABEL, 1048575);
    match_u_masked(&flow.match, FIELD_MPLS_TC, 4, 6);
    match_u(&flow.match, FIELD_MPLS_BOS, 1);
    match_u(&flow.match, FIELD_MPLS_TTL, 3);
    outer = flow_clone_begin(&flow);
    flow_add_action(&flow, ACTION_ENCAP)->packet_type = PACKET_TYPE_MPLS;
    inner = flow_clone_begin(&flow);
    flow_set_u(&flow, FIELD_MPLS_LABEL, 16);
    flow_clone_end(&flow, inner);
    flow_add_action(&flow, ACTION_ENCAP)->packet_type = PACKET_TYPE_ETHERNET;
    flow_clone_end(&flow, outer);
    flow_clone_end(&flow, flow_clone_begin(&flow));
    flow_add_action(&flow, ACTION_PUSH_MPLS)->ethertype = 0x8847;
    flow_add_action(&flow, ACTION_SET_MPLS_TTL)->ttl = 64;
    flow_add_action(&flow, ACTION_DEC_MPLS_TTL);
    flow_add_action(&flow, ACTION_POP_MPLS)->ethertype = 0x0800;
    flow_add_action(&flow, ACTION_DECAP)->packet_type = PACKET_TYPE_ETHERNET;
    flow_add_action(&flow, ACTION_DECAP)->packet_type = PACKET_TYPE_NEXT;

    struct flow_learn *learn = &flow_add_action(&flow, ACTION_LEARN)->learn;

    *learn = (struct flow_learn) {.table = 2,
                                  .priority = 3,
                                  .idle_timeout = 4,
                                  .hard_timeout = 5,
                                  .fin = {10, 11},
                                  .send_flow_removed = true,
                                  .delete_learned = true,
                                  .limit = 6,
                                  .cookie = 7};
    flow_learn_add(learn, (struct flow_learn_spec) {LEARN_MATCH_VALUE, 0, FIELD_IN_PORT, 8});
    flow_learn_add(learn, (struct flow_learn_spec) {LEARN_MATCH_FIELD, FIELD_ETH_SRC, FIELD_ETH_DST, 0});
    flow_learn_add(learn, (struct flow_learn_spec) {LEARN_LOAD_VALUE, 0, FIELD_REG0, 9});
    flow_learn_add(learn, (struct flow_learn_spec) {LEARN_LOAD_FIELD, FIELD_REG1, FIELD_REG2, 0});
    flow_learn_add(learn, (struct flow_learn_spec) {LEARN_OUTPUT, FIELD_REG3, 0, 0});
    flow_add_action(&flow, ACTION_FIN_TIMEOUT)->fin = (struct flow_fin) {12, 13};
    flow_output(&flow, 1);
    return flow;
}

static void test_text_of_circuits(void **state)
{
    (void) state;
    struct flow flow = circuit_flow();

    formatted(&flow, "cookie=0x2,table=0,priority=1,packet_type=(1,0x8847),eth_type=0x8847,mpls_label=1048575,"
                     "mpls_tc=0x4/0x6,mpls_bos=1,mpls_ttl=3,actions=clone(encap(mpls),"
                     "clone(set_field:16->mpls_label),encap(ethernet)),clone(),push_mpls:0x8847,set_mpls_ttl(64),"
                     "dec_mpls_ttl,pop_mpls:0x0800,decap(packet_type(ns=0,type=0)),decap(),learn(table=2,"
                     "idle_timeout=4,hard_timeout=5,fin_idle_timeout=10,fin_hard_timeout=11,priority=3,send_flow_rem,"
                     "delete_learned,cookie=0x7,limit=6,"
                     "in_port=8,eth_dst[]=eth_src[],load:0x9->reg0[],load:reg1[]->reg2[],output:reg3[]),"
                     "fin_timeout(idle_timeout=12,hard_timeout=13),output:1");
}

static void test_equality(void **state)
{
    (void) state;
    struct flow a = rich_flow(), b = flow_copy(&a);

    b.packets = 5;
    b.bytes = 6;
    assert_true(flow_equal(&a, &b));
#define DIFFERS(statement) \
    do { \
        struct flow c = flow_copy(&a); \
        statement; \
        assert_false(flow_equal(&a, &c)); \
        assert_false(flow_equal(&c, &a)); \
        flow_free(&c); \
    } while (0)
    DIFFERS(c.table = 1);
    DIFFERS(c.priority = 1);
    DIFFERS(c.cookie = 1);
    DIFFERS(c.idle_timeout = 1);
    DIFFERS(c.hard_timeout = 1);
    DIFFERS(c.send_flow_removed = false);
    DIFFERS(c.meter = 1);
    DIFFERS(c.goto_table = 1);
    DIFFERS(c.metadata = 1);
    DIFFERS(c.metadata_mask = 1);
    DIFFERS(c.has_unknown = true);
    DIFFERS(match_u(&c.match, FIELD_TCP_DST, 80));
    DIFFERS(match_u(&c.match, FIELD_REG0, 80));
    DIFFERS(flow_output(&c, 1));
    DIFFERS(c.actions[1].field.value[1] ^= 1);
    DIFFERS(c.actions[1].type = ACTION_POP_VLAN);
    DIFFERS(c.actions[5].destination = FIELD_ARP_SHA);
    DIFFERS(c.actions[7].queue = 1);
    DIFFERS(c.actions[8].group = 1);
    DIFFERS(c.actions[9].table = 1);
    DIFFERS(c.actions[11].port = 1);
    DIFFERS(c.actions[12].max_len = 1);
    flow_free(&a);
    flow_free(&b);
}

/* The actions of circuit_flow(): 0 clone, 1 encap, 2 clone, 3 set-field, 4 encap, 5 clone, 6 push, 7 set TTL,
 * 8 decrement TTL, 9 pop, 10 and 11 decap, 12 learn, 13 output. */
static void test_equality_of_circuits(void **state)
{
    (void) state;
    struct flow a = circuit_flow(), b = flow_copy(&a);

    assert_true(flow_equal(&a, &b));
    DIFFERS(c.actions[0].nested = 3);
    DIFFERS(c.actions[1].packet_type = PACKET_TYPE_ETHERNET);
    DIFFERS(c.actions[6].ethertype = 0x8848);
    DIFFERS(c.actions[7].ttl = 63);
    DIFFERS(c.actions[8].type = ACTION_DEC_TTL);
    DIFFERS(c.actions[9].ethertype = 0x86dd);
    DIFFERS(c.actions[10].packet_type = PACKET_TYPE_NEXT);
    DIFFERS(c.actions[12].learn.table = 1);
    DIFFERS(c.actions[12].learn.priority = 1);
    DIFFERS(c.actions[12].learn.idle_timeout = 1);
    DIFFERS(c.actions[12].learn.hard_timeout = 1);
    DIFFERS(c.actions[12].learn.send_flow_removed = false);
    DIFFERS(c.actions[12].learn.delete_learned = false);
    DIFFERS(c.actions[12].learn.limit = 1);
    DIFFERS(c.actions[12].learn.cookie = 1);
    DIFFERS(c.actions[12].learn.n_specs = 4);
    DIFFERS(c.actions[12].learn.specs[0].value = 1);
    DIFFERS(c.actions[12].learn.specs[1].type = LEARN_LOAD_FIELD);
    DIFFERS(c.actions[12].learn.specs[1].source = FIELD_ETH_DST);
    DIFFERS(c.actions[12].learn.specs[1].destination = FIELD_ETH_SRC);
#undef DIFFERS
    flow_free(&a);
    flow_free(&b);
}

static void test_unknown_actions_are_equal_only_if_kept_whole(void **state)
{
    (void) state;
    struct flow a = flow_make(0, 0, 0);
    struct flow_action *action = flow_add_action(&a, ACTION_UNKNOWN);

    action->raw_length = 64;
    struct flow b = flow_copy(&a);

    assert_true(flow_equal(&a, &b));
    b.actions[0].raw[63] = 1;
    assert_false(flow_equal(&a, &b));
    a.actions[0].raw_length = b.actions[0].raw_length = 72;
    b.actions[0].raw[63] = 0;
    assert_false(flow_equal(&a, &b));
    flow_free(&a);
    flow_free(&b);
}

static void test_order(void **state)
{
    (void) state;
    struct flow flows[] = {flow_make(1, 5, 2), flow_make(0, 1, 0), flow_make(1, 9, 0), flow_make(1, 5, 1),
                           flow_make(1, 5, 0)};

    match_u(&flows[4].match, FIELD_IN_PORT, 1);
    qsort(flows, ARRAY_LEN(flows), sizeof flows[0], flow_compare);
    assert_int_equal(flows[0].table, 0);
    assert_int_equal(flows[1].priority, 9);
    assert_int_equal(flows[2].cookie, 1);
    assert_int_equal(flows[3].cookie, 2);
    assert_int_equal(flows[4].match.n, 1);
    assert_int_equal(flow_compare(&flows[2], &flows[2]), 0);
}

static void test_transactions(void **state)
{
    (void) state;
    struct flow_txn txn = {0};
    struct flow flow = flow_make(1, 2, 3);

    flow_output(&flow, 4);
    flow_txn_meter_add(&txn, (struct flow_meter) {.id = 1, .rate = 100, .burst = 10});
    flow_txn_meter_add(&txn, (struct flow_meter) {.id = 3, .rate = 20, .packets = true});
    flow_txn_delete_cookie(&txn, FLOW_TABLE_ALL, 0x10, UINT64_MAX);
    flow_txn_delete_cookie(&txn, 2, 0x10, 0xf0);
    flow_txn_delete_strict(&txn, flow_copy(&flow));
    flow_txn_add(&txn, flow);
    flow_txn_meter_delete(&txn, 2);
    struct flow_txn copy = flow_txn_copy(&txn);
    AUTO_FREE char *text = flow_txn_format(&txn);

    flow_txn_free(&txn);
    assert_int_equal(txn.n_mods, 0);
    AUTO_FREE char *again = flow_txn_format(&copy);

    assert_string_equal(text, again);
    assert_string_equal(text, "meter_add meter=1,kbps,burst,band=type=drop,rate=100,burst_size=10\n"
                              "meter_add meter=3,pktps,band=type=drop,rate=20\n"
                              "delete cookie=0x10/0xffffffffffffffff\n"
                              "delete cookie=0x10/0xf0,table=2\n"
                              "delete_strict table=1,priority=2\n"
                              "add cookie=0x3,table=1,priority=2,actions=output:4\n"
                              "meter_delete meter=2\n");
    flow_txn_free(&copy);

    struct flow_list list = {0};

    for (unsigned i = 0; i < 100; i++) {
        struct flow one = flow_make(0, 0, i);

        flow_output(&one, i);
        flow_list_add(&list, one);
    }
    assert_int_equal(list.n, 100);
    assert_int_equal(list.flows[99].actions[0].port, 99);
    flow_list_free(&list);
    assert_int_equal(list.n, 0);
}

static void test_names_and_sizes(void **state)
{
    (void) state;
    for (unsigned id = 0; id < FLOW_FIELDS; id++) {
        assert_true(flow_field_size(id) >= 1 && flow_field_size(id) <= 16);
        assert_true(flow_field_bits(id) <= 8 * flow_field_size(id));
        /* A label has 20 bits in the four bytes of its OXM. */
        assert_true(id == FIELD_MPLS_LABEL || flow_field_bits(id) > 8 * (flow_field_size(id) - 1));
    }
    assert_string_equal(flow_field_name(FIELD_IPV4_SRC), "ip_src");
    assert_string_equal(flow_field_name(FLOW_FIELDS), "unknown");
    assert_int_equal(flow_field_size(FLOW_FIELDS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_of_setting_does_not_matter),
        cmocka_unit_test(test_setting_again_replaces),
        cmocka_unit_test(test_bits_outside_the_mask_and_the_field_are_dropped),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_of_circuits),
        cmocka_unit_test(test_text_of_conjunctions),
        cmocka_unit_test(test_equality),
        cmocka_unit_test(test_equality_of_circuits),
        cmocka_unit_test(test_unknown_actions_are_equal_only_if_kept_whole),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_transactions),
        cmocka_unit_test(test_names_and_sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
