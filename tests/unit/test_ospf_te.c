/* SPDX-License-Identifier: Apache-2.0 */
/* TE LSAs: what a Juniper router and an RFC 4203 speaker flooded, our own there and back, what becomes of them in the
 * TED, and LSAs that are wrong in one place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/wire.h"
#include "ospf_vectors.h"

#define IP(a, b, c, d) ((uint32_t) (a) << 24 | (b) << 16 | (c) << 8 | (d))
#define MBIT UINT64_C(1000000)

static struct vector vectors[VECTORS_MAX];

static int read_vectors(void **state)
{
    (void) state;
    return vectors_read(TEST_DATA "/ospf/te-lsas.hex", vectors) == 10 ? 0 : -1;
}

static struct ospf_te_lsa decoded(const struct vector *vector)
{
    struct ospf_te_lsa lsa;
    struct err err;

    if (ospf_te_lsa_decode(vector->bytes, vector->size, &lsa, &err) < 0)
        fail_msg("%s", err.text);
    return lsa;
}

/* All of them: intact, and the same again when they are encoded (their sub-TLVs stand in the order of our table). */
static void test_captured(void **state)
{
    (void) state;
    for (size_t i = 0; i < 10; i++) {
        struct ospf_te_lsa lsa = decoded(&vectors[i]);

        assert_int_equal(lsa.header.length, vectors[i].size);
        assert_int_equal(lsa.header.checksum, ospf_lsa_checksum(vectors[i].bytes, vectors[i].size));
        if (lsa.n_links && lsa.links[0].n_iscds)
            continue; /* what follows the bandwidths of a switching capability is not kept */
        struct vector again = te_lsa_vector(&lsa);
        assert_int_equal(again.size, vectors[i].size);
        assert_memory_equal(again.bytes, vectors[i].bytes, again.size);
    }
}

static void test_juniper(void **state)
{
    (void) state;
    struct ospf_te_lsa lsa = decoded(&vectors[2]);
    const struct ospf_te_link *link = &lsa.links[0];
    struct te_link te;

    assert_int_equal(lsa.header.age, 3);
    assert_int_equal(lsa.header.id, 0x01000003);
    assert_int_equal(lsa.header.advertising_router, IP(10, 255, 245, 35));
    assert_int_equal(lsa.header.sequence, 0x80000003);
    assert_int_equal(lsa.router_address, 0);
    assert_int_equal(lsa.n_links, 1);
    assert_int_equal(link->present, OSPF_TE_TYPE | OSPF_TE_ID | OSPF_TE_LOCAL_IP | OSPF_TE_REMOTE_IP | OSPF_TE_METRIC |
                                        OSPF_TE_MAX | OSPF_TE_RESERVABLE | OSPF_TE_UNRESERVED);
    assert_int_equal(link->n_iscds, 1);
    assert_int_equal(link->iscds[0].capability, 1);
    assert_int_equal(link->iscds[0].encoding, 2);

    assert_true(ospf_te_link_to_ted(link, 7, lsa.header.advertising_router, &te));
    assert_int_equal(te.key.area, 7);
    assert_int_equal(te.key.from, IP(10, 255, 245, 35));
    assert_int_equal(te.key.local_ip, IP(10, 40, 35, 14));
    assert_int_equal(te.key.local_id, 0);
    assert_int_equal(te.to, IP(10, 255, 245, 40));
    assert_int_equal(te.remote_ip, IP(10, 40, 35, 13));
    assert_int_equal(te.metric, 1);
    assert_int_equal(te.delay_us, TE_DELAY_NONE);
    assert_int_equal(te.max_bps, 100 * MBIT);
    assert_int_equal(te.reservable_bps, 100 * MBIT);
    for (size_t p = 0; p < TE_PRIORITIES; p++)
        assert_int_equal(te.unreserved_bps[p], 0);
}

static void test_rfc4203(void **state)
{
    (void) state;
    struct ospf_te_lsa router = decoded(&vectors[3]), numbered = decoded(&vectors[4]),
                       unnumbered = decoded(&vectors[5]);
    struct te_link te;

    assert_int_equal(router.router_address, IP(10, 250, 0, 3));
    assert_int_equal(router.n_links, 0);

    assert_int_equal(numbered.links[0].admin_group, 3);
    assert_int_equal(numbered.links[0].local_id, 3);
    assert_int_equal(numbered.links[0].remote_id, 7);
    assert_int_equal(numbered.links[0].protection, 2);
    assert_int_equal(numbered.links[0].iscds[0].capability, 51);
    assert_int_equal(numbered.links[0].n_srlgs, 2);
    assert_int_equal(numbered.links[0].srlgs[1], 200);
    assert_true(ospf_te_link_to_ted(&numbered.links[0], 1, 9, &te));
    assert_int_equal(te.key.local_ip, IP(10, 203, 0, 1));
    assert_int_equal(te.key.local_id, 0); /* the address is enough */
    assert_int_equal(te.admin_group, 3);
    assert_int_equal(te.unreserved_bps[7], 1000 * MBIT);

    assert_int_equal(unnumbered.links[0].iscds[0].capability, 100);
    assert_true(ospf_te_link_to_ted(&unnumbered.links[0], 1, 9, &te));
    assert_int_equal(te.key.local_ip, 0);
    assert_int_equal(te.key.local_id, 9);
    assert_int_equal(te.remote_id, 11);
    assert_int_equal(te.max_bps, 10000 * MBIT);
}

static struct ospf_te_lsa everything(void)
{
    struct ospf_te_lsa lsa = te_lsa(5, 1, 2, 1000 * MBIT);
    struct ospf_te_link *link = &lsa.links[0];

    lsa.router_address = IP(10, 253, 0, 1);
    link->present = (OSPF_TE_UTILIZED << 1) - 1;
    link->metric = 10;
    link->admin_group = 0xdeadbeef;
    link->local_id = 1;
    link->remote_id = 2;
    link->protection = 2;
    link->reservable_bandwidth = bps_to_float_bits(900 * MBIT);
    link->delay = (struct ospf_te_measure) {true, 0xfffffe};
    link->delay_min = (struct ospf_te_measure) {true, 1};
    link->delay_max = 0xffffff;
    link->delay_variation = 3;
    link->loss = (struct ospf_te_measure) {false, 4};
    link->residual_bandwidth = link->available_bandwidth = link->utilized_bandwidth = bps_to_float_bits(MBIT);
    link->n_iscds = 1;
    link->iscds[0] = (struct ospf_te_iscd) {
        .capability = 51, .encoding = 2, .max_lsp_bandwidth = {1, 2, 3, 4, 5, 6, 7, 8}};
    link->n_srlgs = 3;
    link->srlgs[2] = 77;
    return lsa;
}

static void test_there_and_back(void **state)
{
    (void) state;
    struct ospf_te_lsa lsa = everything();
    struct vector vector = te_lsa_vector(&lsa);
    struct ospf_te_lsa back = decoded(&vector);

    lsa.header.length = (uint16_t) vector.size;
    lsa.header.checksum = back.header.checksum;
    assert_memory_equal(&back.header, &lsa.header, sizeof lsa.header);
    assert_int_equal(back.router_address, lsa.router_address);
    assert_int_equal(back.n_links, 1);
    struct vector again = te_lsa_vector(&back);
    assert_int_equal(again.size, vector.size);
    assert_memory_equal(again.bytes, vector.bytes, vector.size);
    assert_true(back.links[0].delay.anomalous);
    assert_int_equal(back.links[0].delay.value, 0xfffffe);
    assert_true(back.links[0].delay_min.anomalous);
    assert_int_equal(back.links[0].delay_max, 0xffffff);
    assert_false(back.links[0].loss.anomalous);
    assert_int_equal(back.links[0].srlgs[2], 77);

    uint8_t bytes[VECTOR_MAX];
    for (size_t size = 0; size < vector.size; size++)
        assert_int_equal(ospf_te_lsa_encode(&lsa, bytes, size), ERR_SHORT);
}

/* What an LSP may take */
static void test_to_ted(void **state)
{
    (void) state;
    struct ospf_te_lsa lsa = te_lsa(1, 1, 2, 1000 * MBIT);
    struct ospf_te_link *link = &lsa.links[0];
    struct te_link te;

    assert_true(ospf_te_link_to_ted(link, 1, 9, &te));
    assert_int_equal(te.metric, 1);
    assert_int_equal(te.reservable_bps, 1000 * MBIT); /* as the maximum */

    /* A worse priority has no more than a better one: FRR floods the better first */
    link->unreserved_bandwidth[2] = bps_to_float_bits(100 * MBIT);
    link->unreserved_bandwidth[5] = bps_to_float_bits(50 * MBIT);
    assert_true(ospf_te_link_to_ted(link, 1, 9, &te));
    static const uint64_t mbit[TE_PRIORITIES] = {1000, 1000, 100, 100, 100, 50, 50, 50};
    for (size_t p = 0; p < TE_PRIORITIES; p++)
        assert_int_equal(te.unreserved_bps[p], mbit[p] * MBIT);

    /* The widest switching capability limits it, priority by priority */
    link->n_iscds = 2;
    for (size_t p = 0; p < TE_PRIORITIES; p++) {
        link->iscds[0].max_lsp_bandwidth[p] = bps_to_float_bits(10 * MBIT);
        link->iscds[1].max_lsp_bandwidth[p] = bps_to_float_bits(p < 4 ? 80 * MBIT : 5 * MBIT);
    }
    assert_true(ospf_te_link_to_ted(link, 1, 9, &te));
    assert_int_equal(te.unreserved_bps[0], 80 * MBIT);
    assert_int_equal(te.unreserved_bps[3], 80 * MBIT);
    assert_int_equal(te.unreserved_bps[7], 10 * MBIT);
    link->present &= ~(uint32_t) OSPF_TE_UNRESERVED;
    assert_true(ospf_te_link_to_ted(link, 1, 9, &te));
    assert_int_equal(te.unreserved_bps[0], 80 * MBIT);
    link->n_iscds = 0;
    assert_true(ospf_te_link_to_ted(link, 1, 9, &te));
    assert_int_equal(te.unreserved_bps[0], 0);

    link->present |= OSPF_TE_DELAY_MIN_MAX;
    link->delay_max = 30;
    assert_true(ospf_te_link_to_ted(link, 1, 9, &te));
    assert_int_equal(te.delay_us, 30);
    link->present |= OSPF_TE_DELAY;
    link->delay.value = 20;
    assert_true(ospf_te_link_to_ted(link, 1, 9, &te));
    assert_int_equal(te.delay_us, 20);

    /* No links of a TED */
    link->type = OSPF_TE_MULTI_ACCESS;
    assert_false(ospf_te_link_to_ted(link, 1, 9, &te));
    link->type = OSPF_TE_POINT_TO_POINT;
    link->local_ip = 0;
    assert_false(ospf_te_link_to_ted(link, 1, 9, &te));
}

/* A flipped bit anywhere but in the age (and of 0x00 and 0xff, which are one number to it) is noticed. */
static void test_checksum(void **state)
{
    (void) state;
    struct vector vector = vectors[4];
    struct ospf_te_lsa lsa;
    struct err err;

    for (size_t i = 2; i < vector.size; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            vector.bytes[i] ^= (uint8_t) (1 << bit);
            assert_false(ospf_lsa_is_intact(vector.bytes, vector.size));
            vector.bytes[i] ^= (uint8_t) (1 << bit);
        }
    }
    vector.bytes[1] = 200;
    assert_true(ospf_lsa_is_intact(vector.bytes, vector.size));
    vector.bytes[100] ^= 1;
    assert_int_equal(ospf_te_lsa_decode(vector.bytes, vector.size, &lsa, &err), ERR_MALFORMED);
    assert_non_null(strstr(err.text, "checksum"));
    assert_non_null(strstr(err.text, "10.250.0.3"));
}

static void test_order(void **state)
{
    (void) state;
    const struct ospf_lsa_header first = {.sequence = 0x80000001, .checksum = 5},
                                 negative = {.sequence = 0xffffffff, .checksum = 5}, zero = {.sequence = 0},
                                 last = {.sequence = 0x7fffffff, .checksum = 5},
                                 same = {.sequence = 0x7fffffff, .checksum = 6};
    const struct ospf_lsa_header *order[] = {&first, &negative, &zero, &last, &same};

    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        for (size_t j = 0; j < ARRAY_LEN(order); j++) {
            int result = ospf_lsa_compare(order[i], order[j]);

            assert_int_equal((result > 0) - (result < 0), (i > j) - (i < j));
        }
    }
}

/* Puts TLVs behind a header, with the length and checksum that belong to them, and decodes that. */
static int decode_tlvs(const char *hex, size_t cut, struct ospf_te_lsa *lsa, struct err *err)
{
    struct vector vector = te_lsa_vector(&(struct ospf_te_lsa) {.header = {.type = 10, .id = 1 << 24}});
    unsigned byte;

    for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        vector.bytes[vector.size++] = (uint8_t) byte;
    vector.size -= cut;
    struct wire w = wire_writer(vector.bytes + 16, 4);
    wire_put_u16(&w, 0);
    wire_put_u16(&w, (uint16_t) vector.size);
    w.pos = 0;
    wire_put_u16(&w, ospf_lsa_checksum(vector.bytes, vector.size));
    return ospf_te_lsa_decode(vector.bytes, vector.size, lsa, err);
}

#define TYPE_P2P "0001000101000000"
#define ID "000200040afd0002"
#define ROUTER "000100040afd0001"

static void test_wrong(void **state)
{
    (void) state;
    static const struct {
        const char *hex;
        int code;
        const char *reason;
    } wrong[] = {
        {"00010004", ERR_SHORT, "TLV 1 is cut off"},
        {"000100020afd0000", ERR_MALFORMED, "router address has 2 bytes"},
        {"0002000c" TYPE_P2P "000200040afd", ERR_SHORT, "TLV 2 is cut off"},
        {"0002000c" TYPE_P2P "00020004", ERR_SHORT, "sub-TLV 2 is cut off by the end of its link"},
        {"00020008" TYPE_P2P, ERR_MALFORMED, "no type or no link id"},
        {"00020008" ID, ERR_MALFORMED, "no type or no link id"},
        {"00020000", ERR_MALFORMED, "no type or no link id"},
        {"00020018" TYPE_P2P ID ID, ERR_MALFORMED, "sub-TLV 2 is there twice"},
        {"00020018" TYPE_P2P ID "000800040afd0002", ERR_MALFORMED, "sub-TLV 8 has 4 bytes, expected 32"},
        {"00020010" TYPE_P2P "0002000000010000", ERR_MALFORMED, "sub-TLV 2 has 0 bytes"},
        {"0000ffff", ERR_SHORT, "TLV 0 is cut off"},
    };
    struct ospf_te_lsa lsa = {.n_links = 77};
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(decode_tlvs(wrong[i].hex, 0, &lsa, &err), wrong[i].code);
        if (!strstr(err.text, wrong[i].reason))
            fail_msg("\"%s\" does not say \"%s\"", err.text, wrong[i].reason);
        assert_int_equal(lsa.n_links, 77);
    }
}

static void test_tolerated(void **state)
{
    (void) state;
    struct ospf_te_lsa lsa;
    struct err err;

    /* unknown TLV, unknown sub-TLV, a router address beside a link */
    assert_int_equal(decode_tlvs("00630001ff000000" ROUTER "00020018" TYPE_P2P "04d20003aabbcc00" ID, 0, &lsa, &err),
                     0);
    assert_int_equal(lsa.router_address, IP(10, 253, 0, 1));
    assert_int_equal(lsa.n_links, 1);
    assert_int_equal(lsa.links[0].id, IP(10, 253, 0, 2));
    /* the padding of the last sub-TLV cut off */
    assert_int_equal(decode_tlvs("0002000d" ID TYPE_P2P, 3, &lsa, &err), 0);
    assert_int_equal(lsa.links[0].type, OSPF_TE_POINT_TO_POINT);
    /* nothing at all */
    assert_int_equal(decode_tlvs("", 0, &lsa, &err), 0);
    assert_int_equal(lsa.n_links, 0);
    /* several addresses: the first */
    assert_int_equal(decode_tlvs("0002001c" TYPE_P2P ID "000300080a0000010a000002", 0, &lsa, &err), 0);
    assert_int_equal(lsa.links[0].local_ip, IP(10, 0, 0, 1));
}

static void test_limits(void **state)
{
    (void) state;
    char links[4096] = "", capabilities[4096] = "00020000";
    struct ospf_te_lsa lsa;
    struct err err;

    for (int i = 0; i < OSPF_TE_LINKS_MAX; i++)
        strcat(links, "00020010" TYPE_P2P ID);
    assert_int_equal(decode_tlvs(links, 0, &lsa, &err), 0);
    assert_int_equal(lsa.n_links, OSPF_TE_LINKS_MAX);
    strcat(links, "00020010" TYPE_P2P ID);
    assert_int_equal(decode_tlvs(links, 0, &lsa, &err), ERR_TOO_LARGE);

    for (int i = 0; i < OSPF_TE_ISCD_MAX; i++) {
        strcat(capabilities, "000f002433020000");
        for (int p = 0; p < TE_PRIORITIES; p++)
            strcat(capabilities, "4cee6b28");
    }
    strcat(capabilities, TYPE_P2P ID);
    snprintf(capabilities + 4, 5, "%04x", (unsigned) strlen(capabilities) / 2 - 4);
    capabilities[8] = '0';
    assert_int_equal(decode_tlvs(capabilities, 0, &lsa, &err), 0);
    assert_int_equal(lsa.links[0].n_iscds, OSPF_TE_ISCD_MAX);
}

static void test_headers(void **state)
{
    (void) state;
    struct vector vector = vectors[3];
    struct ospf_te_lsa lsa;
    struct err err;

    for (size_t size = 0; size < vector.size; size++)
        assert_int_equal(ospf_te_lsa_decode(vector.bytes, size, &lsa, &err), ERR_SHORT);
    vector.bytes[19] = 19;
    assert_int_equal(ospf_te_lsa_decode(vector.bytes, vector.size, &lsa, &err), ERR_MALFORMED);
    vector = vectors[3];
    vector.bytes[3] = 11;
    assert_int_equal(ospf_te_lsa_decode(vector.bytes, vector.size, &lsa, &err), ERR_UNSUPPORTED);
    vector = vectors[3];
    vector.bytes[4] = 4; /* router information */
    assert_int_equal(ospf_te_lsa_decode(vector.bytes, vector.size, &lsa, &err), ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captured),       cmocka_unit_test(test_juniper), cmocka_unit_test(test_rfc4203),
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_to_ted),  cmocka_unit_test(test_checksum),
        cmocka_unit_test(test_order),          cmocka_unit_test(test_wrong),   cmocka_unit_test(test_tolerated),
        cmocka_unit_test(test_limits),         cmocka_unit_test(test_headers),
    };

    return cmocka_run_group_tests(tests, read_vectors, NULL);
}
