/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: what parses, what does not, and that text comes back as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "model/addr.h"

static void macs(void **state)
{
    static const char *const bad[] = {"",
                                      "52:54:00:12:34",
                                      "52:54:00:12:34:5g",
                                      "52-54-00-12-34-56",
                                      "525400123456",
                                      "52:54:00:12:34:56:78",
                                      "5:54:00:12:34:561",
                                      " 2:54:00:12:34:56",
                                      "-1:54:00:12:34:56",
                                      "52:54:0x:12:34:56",
                                      "+2:54:00:12:34:56"};
    struct mac mac, before = {{1, 2, 3, 4, 5, 6}};
    char text[MAC_TEXT_SIZE];

    (void) state;
    assert_int_equal(mac_parse("52:54:00:AB:cd:ff", &mac), 0);
    assert_memory_equal(mac.bytes, "\x52\x54\x00\xab\xcd\xff", 6);
    assert_string_equal(mac_format(&mac, text), "52:54:00:ab:cd:ff");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        mac = before;
        if (mac_parse(bad[i], &mac) != ERR_INVALID)
            fail_msg("\"%s\" was taken", bad[i]);
        assert_true(mac_equal(&mac, &before));
    }
}

static void ips(void **state)
{
    static const struct {
        const char *text, *formatted;
        uint8_t family;
    } good[] = {
        {"0.0.0.0", "0.0.0.0", IP_V4},
        {"255.255.255.255", "255.255.255.255", IP_V4},
        {"2001:DB8:0:0::1", "2001:db8::1", IP_V6},
        {"::", "::", IP_V6},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.1", IP_V6},
    };
    static const char *const bad[] = {"",         "10.0.0", "10.0.0.256", "10.0.0.1.1", "10.0.0.1/8",
                                      "2001:db8", ":::",    "host",       " 10.0.0.1",  "10.0.0.1 "};
    struct ip ip, before = {.family = IP_V4, .bytes = {9, 9, 9, 9}};
    char text[IP_TEXT_SIZE];

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(ip_parse(good[i].text, &ip), 0);
        assert_int_equal(ip.family, good[i].family);
        assert_string_equal(ip_format(&ip, text), good[i].formatted);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ip = before;
        if (ip_parse(bad[i], &ip) != ERR_INVALID)
            fail_msg("\"%s\" was taken", bad[i]);
        assert_true(ip_equal(&ip, &before));
    }
    ip = (struct ip) {0};
    assert_string_equal(ip_format(&ip, text), "none");
}

static void prefixes(void **state)
{
    static const struct {
        const char *text, *formatted;
    } good[] = {
        {"10.0.0.0/8", "10.0.0.0/8"},
        {"0.0.0.0/0", "0.0.0.0/0"},
        {"10.1.2.3", "10.1.2.3/32"},
        {"10.1.2.2/31", "10.1.2.2/31"},
        {"2001:db8::/33", "2001:db8::/33"},
        {"2001:db8::1", "2001:db8::1/128"},
        {"::/0", "::/0"},
    };
    static const char *const bad[] = {"",
                                      "/8",
                                      "10.0.0.0/",
                                      "10.0.0.0/33",
                                      "10.0.0.0/-1",
                                      "10.0.0.0/ 8",
                                      "10.0.0.0/8x",
                                      "10.0.0.1/8",
                                      "10.128.0.0/8",
                                      "2001:db8::/129",
                                      "2001:db8::1/127",
                                      "10.0.0.0/99999999999999999999",
                                      "1000:2000:3000:4000:5000:6000:7000:8000:9000:a000/8"};
    struct prefix prefix, before;
    char text[PREFIX_TEXT_SIZE];

    (void) state;
    assert_int_equal(prefix_parse("192.0.2.0/24", &before), 0);
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(prefix_parse(good[i].text, &prefix), 0);
        assert_string_equal(prefix_format(&prefix, text), good[i].formatted);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        prefix = before;
        if (prefix_parse(bad[i], &prefix) != ERR_INVALID)
            fail_msg("\"%s\" was taken", bad[i]);
        assert_true(prefix_equal(&prefix, &before));
    }
}

static void interface_addresses_keep_host_bits(void **state)
{
    struct ip ip;
    uint8_t length;
    char text[IP_TEXT_SIZE];

    (void) state;
    assert_int_equal(ip_with_length_parse("10.100.0.1/24", &ip, &length), 0);
    assert_int_equal(length, 24);
    assert_string_equal(ip_format(&ip, text), "10.100.0.1");
    assert_int_equal(ip_with_length_parse("2001:db8::1", &ip, &length), 0);
    assert_int_equal(length, 128);
}

/* Each prefix length against single bits. */
static void masks_and_containment(void **state)
{
    struct ip all = {.family = IP_V6};

    (void) state;
    memset(all.bytes, 0xff, sizeof all.bytes);
    for (unsigned length = 0; length <= 128; length++) {
        struct prefix prefix = prefix_of(&all, (uint8_t) length);

        for (unsigned bit = 0; bit < 128; bit++) {
            struct ip other = all;

            assert_int_equal(prefix.ip.bytes[bit / 8] >> (7 - bit % 8) & 1, bit < length);
            other.bytes[bit / 8] ^= (uint8_t) (0x80 >> bit % 8);
            assert_int_equal(prefix_contains(&prefix, &other), bit >= length);
        }
    }

    struct prefix v4 = {.ip = {.family = IP_V4}};
    assert_false(prefix_contains(&v4, &all));
    assert_int_equal(ip_bits(IP_V4), 32);
    assert_int_equal(ip_bits(IP_V6), 128);
    assert_int_equal(ip_bits(IP_NONE), 0);
}

static void places_in_a_prefix(void **state)
{
    static const struct {
        const char *prefix, *ip;
        enum prefix_place place;
    } rows[] = {
        {"10.100.0.0/24", "10.100.0.0", PREFIX_NETWORK},
        {"10.100.0.0/24", "10.100.0.1", PREFIX_HOST},
        {"10.100.0.0/24", "10.100.0.254", PREFIX_HOST},
        {"10.100.0.0/24", "10.100.0.255", PREFIX_BROADCAST},
        {"10.100.0.0/24", "10.100.1.0", PREFIX_OUTSIDE},
        {"10.100.0.0/22", "10.100.0.255", PREFIX_HOST},
        {"10.100.0.0/22", "10.100.3.255", PREFIX_BROADCAST},
        {"10.100.0.4/30", "10.100.0.6", PREFIX_HOST},
        {"10.100.0.4/30", "10.100.0.7", PREFIX_BROADCAST},
        {"10.100.0.4/31", "10.100.0.4", PREFIX_HOST},
        {"10.100.0.4/31", "10.100.0.5", PREFIX_HOST},
        {"10.100.0.4/32", "10.100.0.4", PREFIX_HOST},
        {"0.0.0.0/0", "255.255.255.255", PREFIX_BROADCAST},
        {"2001:db8::/64", "2001:db8::", PREFIX_NETWORK},
        {"2001:db8::/64", "2001:db8::ffff:ffff:ffff:ffff", PREFIX_HOST},
        {"2001:db8::/127", "2001:db8::", PREFIX_HOST},
        {"2001:db8::/64", "10.100.0.1", PREFIX_OUTSIDE},
    };
    struct prefix prefix;
    struct ip ip;

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(prefix_parse(rows[i].prefix, &prefix), 0);
        assert_int_equal(ip_parse(rows[i].ip, &ip), 0);
        if (prefix_place(&prefix, &ip) != rows[i].place)
            fail_msg("%s in %s: %d", rows[i].ip, rows[i].prefix, prefix_place(&prefix, &ip));
    }
}

static void test_link_local(void **state)
{
    (void) state;
    const struct mac local = {{0x52, 0x54, 0, 0x1a, 0, 0x11}}, global = {{0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde}};
    struct ip first = ip_link_local(&local), second = ip_link_local(&global);
    char text[IP_TEXT_SIZE];

    assert_string_equal(ip_format(&first, text), "fe80::5054:ff:fe1a:11");
    assert_string_equal(ip_format(&second, text), "fe80::3656:78ff:fe9a:bcde"); /* RFC 4291 appendix A */
}

static void lists_of_ipv6(void **state)
{
    static const char *const refused[] = {"::", "::1", "ff02::1", "fe80::1", "::ffff:10.0.0.1", "10.0.0.1"};
    struct ip6_list a = {0}, b = {0};
    struct ip ip;

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        assert_int_equal(ip_parse(refused[i], &ip), 0);
        assert_int_equal(ip6_list_add(&a, &ip), ERR_INVALID);
    }
    for (unsigned i = 0; i < IP6_LIST_MAX; i++) {
        ip = (struct ip) {IP_V6, {0xfd, [15] = (uint8_t) i}};
        assert_int_equal(ip6_list_add(&a, &ip), 0);
        assert_int_equal(ip6_list_add(&a, &ip), ERR_CONFLICT);
        ip.bytes[15] = (uint8_t) (IP6_LIST_MAX - 1 - i);
        assert_false(ip6_list_equal(&a, &b));
        assert_int_equal(ip6_list_add(&b, &ip), 0);
    }
    assert_true(ip6_list_equal(&a, &b));
    assert_true(ip6_list_has(&a, &ip));
    assert_int_equal(ip_parse("2001:db8::1", &ip), 0);
    assert_false(ip6_list_has(&a, &ip));
    assert_int_equal(ip6_list_add(&a, &ip), ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(macs),
        cmocka_unit_test(ips),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(interface_addresses_keep_host_bits),
        cmocka_unit_test(masks_and_containment),
        cmocka_unit_test(places_in_a_prefix),
        cmocka_unit_test(test_link_local),
        cmocka_unit_test(lists_of_ipv6),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
