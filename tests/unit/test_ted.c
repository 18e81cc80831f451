/* SPDX-License-Identifier: Apache-2.0 */
/* The traffic engineering database: order, change, both ends of a link, addresses and rates as they are flooded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/err.h"
#include "model/ted.h"

static struct te_link numbered(uint32_t area, uint32_t from, uint32_t to, uint32_t local_ip, uint32_t remote_ip)
{
    return (struct te_link) {.key = {.area = area, .from = from, .local_ip = local_ip},
                             .to = to,
                             .remote_ip = remote_ip,
                             .delay_us = TE_DELAY_NONE};
}

static struct te_link unnumbered(uint32_t from, uint32_t to, uint32_t local_id, uint32_t remote_id)
{
    return (struct te_link) {.key = {.area = 1, .from = from, .local_id = local_id}, .to = to, .remote_id = remote_id};
}

static void test_order(void **state)
{
    (void) state;
    /* A permutation: 7 and 64 share no factor */
    struct ted ted = {0};

    for (uint32_t i = 0; i < 64; i++) {
        uint32_t n = i * 7 % 64;
        struct te_link link = numbered(n >> 4, n >> 2 & 3, 9, n & 3, 0);

        assert_true(ted_set(&ted, &link));
        assert_int_equal(ted.version, i + 1);
    }
    assert_int_equal(ted.n_links, 64);
    for (size_t i = 1; i < ted.n_links; i++)
        assert_true(te_link_key_compare(&ted.links[i - 1].key, &ted.links[i].key) < 0);

    size_t n;
    const struct te_link *run = ted_of_node(&ted, 2, 1, &n);
    assert_int_equal(n, 4);
    assert_ptr_equal(run, &ted.links[2 * 16 + 4]);
    assert_null(ted_of_node(&ted, 2, 4, &n));
    assert_int_equal(n, 0);

    for (uint32_t i = 0; i < 64; i++) {
        uint32_t n_key = i * 11 % 64;
        struct te_link_key key = {.area = n_key >> 4, .from = n_key >> 2 & 3, .local_ip = n_key & 3};

        assert_non_null(ted_find(&ted, &key));
        assert_true(ted_remove(&ted, &key));
        assert_null(ted_find(&ted, &key));
        assert_false(ted_remove(&ted, &key));
    }
    assert_int_equal(ted.n_links, 0);
    assert_int_equal(ted.version, 128);
    ted_free(&ted);
}

/* Every part of the key counts, and in this order. */
static void test_key(void **state)
{
    (void) state;
    static const struct te_link_key keys[] = {
        {1, 0, 0, 0}, {1, 0, 0, UINT32_MAX}, {1, 0, 1, 0}, {1, 1, 0, 0}, {2, 0, 0, 0}, {UINT32_MAX, 0, 0, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        for (size_t j = 0; j < ARRAY_LEN(keys); j++) {
            int order = te_link_key_compare(&keys[i], &keys[j]);

            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    }
}

static void test_change(void **state)
{
    (void) state;
    struct ted ted = {0};
    struct te_link link = numbered(1, 10, 20, 100, 200);

    assert_true(ted_set(&ted, &link));
    assert_false(ted_set(&ted, &link));
    assert_int_equal(ted.version, 1);
    link.unreserved_bps[7] = 1;
    assert_true(ted_set(&ted, &link));
    assert_int_equal(ted.version, 2);
    assert_int_equal(ted.n_links, 1);
    assert_int_equal(ted_find(&ted, &link.key)->unreserved_bps[7], 1);
    ted_free(&ted);
}

static void test_clear(void **state)
{
    (void) state;
    struct ted ted = {0};
    const uint32_t area = 2;

    for (uint32_t i = 0; i < 9; i++) {
        struct te_link link = numbered(1 + i % 3, i, 0, i, 0);

        ted_set(&ted, &link);
    }
    assert_int_equal(ted_clear(&ted, &area), 3);
    assert_int_equal(ted.n_links, 6);
    for (size_t i = 0; i < ted.n_links; i++)
        assert_int_not_equal(ted.links[i].key.area, area);
    uint64_t version = ted.version;
    assert_int_equal(ted_clear(&ted, &area), 0);
    assert_int_equal(ted.version, version);
    assert_int_equal(ted_clear(&ted, NULL), 6);
    assert_int_equal(ted.n_links, 0);
    assert_int_equal(ted.version, version + 1);
    ted_free(&ted);
}

static void test_both_ends(void **state)
{
    (void) state;
    struct ted ted = {0};
    const struct te_link links[] = {
        numbered(1, 10, 20, 100, 200), numbered(1, 20, 10, 200, 100), unnumbered(10, 20, 5, 6),
        unnumbered(20, 10, 6, 5),      numbered(1, 10, 30, 101, 201), /* not flooded by the other end */
        numbered(1, 10, 40, 102, 202), numbered(1, 40, 50, 202, 102), /* the other end leads elsewhere */
        numbered(2, 30, 10, 201, 101),                                /* in another area */
    };

    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        ted_set(&ted, &links[i]);
    for (size_t i = 0; i < 4; i++)
        assert_ptr_equal(ted_reverse(&ted, &links[i]), ted_find(&ted, &links[i ^ 1].key));
    assert_null(ted_reverse(&ted, &links[4]));
    assert_null(ted_reverse(&ted, &links[5]));

    assert_ptr_equal(ted_find_address(&ted, 200), ted_find(&ted, &links[1].key));
    assert_null(ted_find_address(&ted, 0)); /* and not an unnumbered one */
    assert_null(ted_find_address(&ted, 7));

    uint32_t area = 77;
    assert_true(ted_has_node(&ted, 50, &area)); /* only at an end */
    assert_int_equal(area, 1);
    assert_false(ted_has_node(&ted, 60, &area));
    assert_int_equal(area, 1);
    ted_free(&ted);
}

static void test_ipv4(void **state)
{
    (void) state;
    static const char *const bad[] = {"",         "1",          "1.2.3",    "1.2.3.4.5", "1.2.3.256",
                                      "1.2.3.-4", " 1.2.3.4",   "1.2.3.4 ", "1..3.4",    "01.2.3.4",
                                      "1.2.3.4x", "1.2.3.0004", "+1.2.3.4"};
    char text[IPV4_TEXT_SIZE];
    uint32_t address = 7;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(ipv4_parse(bad[i], &address), ERR_INVALID);
        assert_int_equal(address, 7);
    }
    assert_int_equal(ipv4_parse("10.253.0.1", &address), 0);
    assert_int_equal(address, 0x0afd0001);
    assert_string_equal(ipv4_format(address, text), "10.253.0.1");
    assert_int_equal(ipv4_parse("255.255.255.255", &address), 0);
    assert_string_equal(ipv4_format(address, text), "255.255.255.255");
    assert_string_equal(ipv4_format(0, text), "0.0.0.0");
}

static void test_rates(void **state)
{
    (void) state;
    /* Floats as FRR floods them */
    assert_int_equal(bps_from_float_bits(0x4cee6b28), 1000000000); /* 125 Mbyte/s */
    assert_int_equal(bps_to_float_bits(1000000000), 0x4cee6b28);
    assert_int_equal(bps_from_float_bits(0x4b989680), 160000000);
    assert_int_equal(bps_from_float_bits(0), 0);
    assert_int_equal(bps_to_float_bits(0), 0);
    assert_int_equal(bps_from_float_bits(0x80000000), 0);       /* -0 */
    assert_int_equal(bps_from_float_bits(0xcb189680), 0);       /* negative */
    assert_int_equal(bps_from_float_bits(0x7fc00000), 0);       /* NaN */
    assert_true(bps_from_float_bits(0x7f800000) == UINT64_MAX); /* infinite */
    assert_true(bps_from_float_bits(bps_to_float_bits(UINT64_MAX)) > UINT64_MAX - (UINT64_C(1) << 40));
    assert_int_equal(bps_from_float_bits(bps_to_float_bits(1)), 1);

    /* 24 bits are exact; what needs more is rounded down, never up, and by less than 2^-23 */
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t exact = UINT64_C(1) << bit, odd = exact | exact >> 1 | exact >> 30 | 1;
        uint64_t back = bps_from_float_bits(bps_to_float_bits(odd));

        assert_true(bps_from_float_bits(bps_to_float_bits(exact)) == exact);
        assert_true(back <= odd && odd - back <= odd >> 23);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order), cmocka_unit_test(test_key),       cmocka_unit_test(test_change),
        cmocka_unit_test(test_clear), cmocka_unit_test(test_both_ends), cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_rates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
