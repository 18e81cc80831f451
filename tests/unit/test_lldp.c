/* SPDX-License-Identifier: Apache-2.0 */
/* LLDP frames: what lldpd 1.0.16 sent (captured), our own there and back, and frames that contradict themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/wire.h"
#include "proto/lldp/lldp.h"

#define HEAD \
    "0180c200000e" \
    "1e48ffdbd393" \
    "88cc"
#define CHASSIS "0207041e48ffdbd393"
#define PORT "0407031e48ffdbd393"
#define TTL "06020078"

static const char from_lldpd[] = HEAD CHASSIS PORT "06020004"
                                                   "0a087365727665722d61"
                                                   "0c0b74657374207365727665720e04009c0080"
                                                   "10181102fe8000000000000030ccd1fffee510f4020000000400"
                                                   "08027732"
                                                   "fe0900120f030100000000"
                                                   "fe0900120f010080000036"
                                                   "0000";

struct frame {
    uint8_t bytes[LLDP_FRAME_MAX];
    size_t size;
};

static struct frame frame_of(const char *hex)
{
    struct frame frame = {0};
    unsigned byte;

    for (; sscanf(hex, "%2x", &byte) == 1; hex += 2) {
        assert_true(frame.size < sizeof frame.bytes);
        frame.bytes[frame.size++] = (uint8_t) byte;
    }
    return frame;
}

static void test_lldpd(void **state)
{
    (void) state;
    struct frame frame = frame_of(from_lldpd);
    struct lldp lldp;
    struct err err;
    char text[LLDP_ID_TEXT_SIZE];
    uint64_t dpid;
    uint32_t port;

    assert_int_equal(lldp_decode(frame.bytes, frame.size, &lldp, &err), 0);
    assert_string_equal(mac_format(&lldp.source, text), "1e:48:ff:db:d3:93");
    assert_string_equal(lldp_id_format(&lldp.chassis, LLDP_CHASSIS_MAC, text), "1e:48:ff:db:d3:93");
    assert_string_equal(lldp_id_format(&lldp.port, LLDP_PORT_MAC, text), "1e:48:ff:db:d3:93");
    assert_int_equal(lldp.ttl, 4);
    assert_string_equal(lldp.system_name, "server-a");
    assert_string_equal(lldp.port_description, "w2");
    assert_false(lldp_is_of_port(&lldp, &dpid, &port));

    /* Its farewell: TTL 0 and nothing else */
    frame = frame_of(HEAD CHASSIS PORT "06020000"
                                       "0000");
    assert_int_equal(lldp_decode(frame.bytes, frame.size, &lldp, &err), 0);
    assert_int_equal(lldp.ttl, 0);
    assert_string_equal(lldp.system_name, "");
}

static void test_our_own(void **state)
{
    (void) state;
    struct mac mac = {{2, 0, 0, 0, 0, 9}};
    struct lldp lldp = lldp_of_port(UINT64_C(0xfedc000000000102), UINT32_MAX, &mac, 30), back;
    uint8_t frame[LLDP_FRAME_MAX];
    char text[LLDP_ID_TEXT_SIZE];
    uint64_t dpid = 0;
    uint32_t port = 0;
    struct err err;
    int size = lldp_encode(&lldp, frame, sizeof frame);
    struct frame expected = frame_of("0180c200000e"
                                     "020000000009"
                                     "88cc"
                                     "0215"
                                     "07"
                                     "7363673a66656463303030303030303030313032"
                                     "040b"
                                     "07"
                                     "34323934393637323935"
                                     "0602001e"
                                     "0000");

    assert_int_equal(size, (int) expected.size);
    assert_memory_equal(frame, expected.bytes, expected.size);
    assert_int_equal(lldp_decode(frame, (size_t) size, &back, &err), 0);
    assert_memory_equal(&back, &lldp, sizeof lldp);
    assert_true(lldp_is_of_port(&back, &dpid, &port));
    assert_true(dpid == UINT64_C(0xfedc000000000102));
    assert_int_equal(port, UINT32_MAX);
    assert_string_equal(lldp_id_format(&back.chassis, LLDP_CHASSIS_MAC, text), "scg:fedc000000000102");

    /* With texts of the greatest length, there and back, and in memory that is one byte too small */
    memset(lldp.system_name, 'n', 255);
    memset(lldp.port_description, 'd', 255);
    size = lldp_encode(&lldp, frame, sizeof frame);
    assert_int_equal(lldp_decode(frame, (size_t) size, &back, &err), 0);
    assert_memory_equal(&back, &lldp, sizeof lldp);
    AUTO_FREE uint8_t *small = xmalloc((size_t) size - 1);

    assert_int_equal(lldp_encode(&lldp, small, (size_t) size - 1), ERR_SHORT);
}

static void set_id(struct lldp_id *id, uint8_t subtype, const char *text)
{
    *id = (struct lldp_id) {.subtype = subtype, .length = (uint8_t) strlen(text)};
    memcpy(id->bytes, text, id->length);
}

static void test_not_our_own(void **state)
{
    (void) state;
    static const struct {
        uint8_t chassis_subtype, port_subtype;
        const char *chassis, *port;
    } cases[] = {
        {LLDP_CHASSIS_MAC, LLDP_PORT_LOCAL, "scg:0000000000000001", "1"},
        {LLDP_CHASSIS_LOCAL, LLDP_PORT_IF_NAME, "scg:0000000000000001", "1"},
        {LLDP_CHASSIS_LOCAL, LLDP_PORT_LOCAL, "scg:000000000000001", "1"},
        {LLDP_CHASSIS_LOCAL, LLDP_PORT_LOCAL, "scg:00000000000000011", "1"},
        {LLDP_CHASSIS_LOCAL, LLDP_PORT_LOCAL, "scg:000000000000000G", "1"},
        {LLDP_CHASSIS_LOCAL, LLDP_PORT_LOCAL, "gcs:0000000000000001", "1"},
        {LLDP_CHASSIS_LOCAL, LLDP_PORT_LOCAL, "scg:0000000000000001", "1a"},
        {LLDP_CHASSIS_LOCAL, LLDP_PORT_LOCAL, "scg:0000000000000001", ""},
        {LLDP_CHASSIS_LOCAL, LLDP_PORT_LOCAL, "scg:0000000000000001", "4294967296"},
    };
    uint64_t dpid = 1;
    uint32_t port = 1;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct lldp lldp = {0};

        set_id(&lldp.chassis, cases[i].chassis_subtype, cases[i].chassis);
        set_id(&lldp.port, cases[i].port_subtype, cases[i].port);
        assert_false(lldp_is_of_port(&lldp, &dpid, &port));
    }
    assert_true(dpid == 1 && port == 1);
}

static void test_ids_as_text(void **state)
{
    (void) state;
    struct lldp_id id = {.subtype = LLDP_PORT_IF_NAME, .length = 4, .bytes = "eth0"};
    char text[LLDP_ID_TEXT_SIZE];

    assert_string_equal(lldp_id_format(&id, LLDP_PORT_MAC, text), "eth0");
    id.bytes[1] = '\n';
    assert_string_equal(lldp_id_format(&id, LLDP_PORT_MAC, text), "650a6830");
    memset(id.bytes, 1, 255);
    id.length = 255;
    assert_int_equal(strlen(lldp_id_format(&id, LLDP_PORT_MAC, text)), 510);
    /* A MAC of the wrong length is no MAC. */
    id = (struct lldp_id) {.subtype = LLDP_PORT_MAC, .length = 5, .bytes = {1, 2, 3, 4, 5}};
    assert_string_equal(lldp_id_format(&id, LLDP_PORT_MAC, text), "0102030405");
}

static void test_names_from_a_stranger(void **state)
{
    (void) state;
    struct frame frame = frame_of(HEAD CHASSIS PORT TTL "0a05"
                                                        "610a1b007f"
                                                        "0802"
                                                        "c3a9");
    struct lldp lldp;

    /* No End TLV, as padding is not there either; control characters do not reach a log. */
    assert_int_equal(lldp_decode(frame.bytes, frame.size, &lldp, NULL), 0);
    assert_string_equal(lldp.system_name, "a????");
    assert_string_equal(lldp.port_description, "\xc3\xa9");
}

static void test_malformed(void **state)
{
    (void) state;
    static const struct {
        const char *hex, *reason;
    } cases[] = {
        {"", "not an LLDP frame (0 bytes, ethertype 0x0000)"},
        {"0180c200000e"
         "1e48ffdbd393"
         "0800",
         "not an LLDP frame (14 bytes, ethertype 0x0800)"},
        {HEAD, "LLDP: chassis id, port id or TTL is missing"},
        {HEAD CHASSIS PORT "0000", "LLDP: chassis id, port id or TTL is missing"},
        {HEAD PORT CHASSIS TTL, "LLDP: TLV number 1 has type 2, not 1"},
        {HEAD CHASSIS CHASSIS TTL, "LLDP: TLV number 2 has type 1, not 2"},
        {HEAD CHASSIS PORT TTL PORT, "LLDP: a TLV of type 2 comes twice"},
        {HEAD CHASSIS PORT TTL "0a0161"
                               "0a0162",
         "LLDP: a TLV of type 5 comes twice"},
        {HEAD "020104" PORT TTL, "LLDP: a TLV of type 1 has 1 bytes"},
        {HEAD CHASSIS PORT "060100", "LLDP: a TLV of type 3 has 1 bytes"},
        {HEAD CHASSIS PORT TTL "0a0a61", "LLDP: a TLV of type 5 claims 10 bytes, beyond the frame"},
        {HEAD CHASSIS PORT TTL "0a", "LLDP: a TLV of type 0 claims 0 bytes, beyond the frame"},
    };
    struct lldp lldp = {.ttl = 77};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct frame frame = frame_of(cases[i].hex);
        struct err err = {0};

        assert_int_equal(lldp_decode(frame.bytes, frame.size, &lldp, &err), ERR_MALFORMED);
        assert_string_equal(err.text, cases[i].reason);
    }
    assert_int_equal(lldp.ttl, 77);
}

/* A name of 256 bytes does not fit the TLV's limit; one of 255 does. */
static void test_longest_names(void **state)
{
    (void) state;
    struct frame frame = frame_of(HEAD CHASSIS PORT TTL);
    struct lldp lldp;

    frame.bytes[frame.size++] = 0x0a;
    frame.bytes[frame.size++] = 0xff;
    memset(frame.bytes + frame.size, 'x', 256);
    assert_int_equal(lldp_decode(frame.bytes, frame.size + 255, &lldp, NULL), 0);
    assert_int_equal(strlen(lldp.system_name), 255);
    frame.bytes[frame.size - 2] = 0x0b;
    frame.bytes[frame.size - 1] = 0x00;
    assert_int_equal(lldp_decode(frame.bytes, frame.size + 256, &lldp, NULL), ERR_MALFORMED);
}

static void test_cut_at_every_length(void **state)
{
    (void) state;
    struct frame frame = frame_of(from_lldpd);
    struct lldp lldp;

    for (size_t size = 0; size < frame.size; size++) {
        AUTO_FREE uint8_t *copy = xmemdup(frame.bytes, size);
        int rc = lldp_decode(copy, size, &lldp, NULL);

        /* Whole after the three mandatory TLVs, wherever a later one ends; never before. */
        assert_true(rc == ERR_MALFORMED || (rc == 0 && size >= 36));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lldpd),
        cmocka_unit_test(test_our_own),
        cmocka_unit_test(test_not_our_own),
        cmocka_unit_test(test_ids_as_text),
        cmocka_unit_test(test_names_from_a_stranger),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_longest_names),
        cmocka_unit_test(test_cut_at_every_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
