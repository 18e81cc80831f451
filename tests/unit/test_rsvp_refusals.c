/* SPDX-License-Identifier: Apache-2.0 */
/* RSVP messages that are refused: each is told by name and place, and answered where the RFCs want an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/rsvp/rsvp.h"
#include "rsvp_hex.h"
#include "rsvp_samples.h"

#define HOP "000c0301 0afc0001 0000000c "
#define REQUEST "00081304 02330021 "
#define PROFILE "00020018 00000000 49989680 461c4000 00000000 00000000 "
#define TSPEC "00200c06 000205dc " PROFILE
#define FLOWSPEC "00200906 000205dc " PROFILE
#define STYLE "00080801 0000000a "
#define LABEL "00081002 000007d2 "
#define ERROR "000c0601 0afd0002 00010002 "

/* Messages are told without checksum and length, which assemble() fills in. */
#define HEADER(type) "10" type "0000 ff000000 "
#define PATH HEADER("01") SESSION HOP TIME_VALUES REQUEST TEMPLATE TSPEC
#define RESV HEADER("02") SESSION HOP TIME_VALUES STYLE FLOWSPEC FILTER LABEL

static size_t assemble(const char *hex, uint8_t *bytes)
{
    size_t n = from_hex(hex, bytes);

    bytes[6] = (uint8_t) (n >> 8);
    bytes[7] = (uint8_t) n;
    return n;
}

static void assert_refused(const uint8_t *bytes, size_t size, int status, const char *reason,
                           struct rsvp_refusal *refusal)
{
    /* A copy of that size, so that a sanitizer sees whoever reads beyond it. */
    AUTO_FREE uint8_t *copy = xmemdup(bytes, size);
    struct rsvp_packet packet = {.data = copy, .size = size};
    struct rsvp_message message = {.type = 99};
    struct err err = {0};
    int got = rsvp_decode(&packet, &message, refusal, &err);

    if (got != status || !strstr(err.text, reason))
        fail_msg("%d, \"%s\" instead of %d, \"%s\"", got, err.text, status, reason);
    assert_int_equal(message.type, 99);
    assert_int_equal(rsvp_decode(&packet, &message, NULL, &err), 0);
}

struct refused {
    const char *message; /* hex */
    int status;
    const char *reason;
    uint8_t answer, code;
    uint16_t value;
};

static void assert_all_refused(const struct refused *cases, size_t n)
{
    uint8_t bytes[4096];

    for (size_t i = 0; i < n; i++) {
        struct rsvp_refusal refusal;
        size_t size = assemble(cases[i].message, bytes);

        assert_refused(bytes, size, cases[i].status, cases[i].reason, &refusal);
        if (refusal.answer != cases[i].answer || refusal.code != cases[i].code || refusal.value != cases[i].value)
            fail_msg("\"%s\" is answered by %u with %u/%u", cases[i].reason, refusal.answer, refusal.code,
                     refusal.value);
    }
}

static void the_messages_that_are_changed_below_are_good(void **state)
{
    (void) state;
    static const char *const good[] = {PATH, RESV, PATH MESSAGE_ID, HEADER("03") SESSION ERROR TEMPLATE};

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        uint8_t bytes[1024];
        struct rsvp_packet packet = {.data = bytes, .size = assemble(good[i], bytes)};
        struct rsvp_message message;
        struct rsvp_refusal refusal;
        struct err err = {0};

        if (rsvp_decode(&packet, &message, &refusal, &err) != 1)
            fail_msg("%s", err.text);
        assert_int_equal(refusal.answer, 0);
        rsvp_message_free(&message);
    }
}

static void packets_that_are_no_message(void **state)
{
    (void) state;
    uint8_t bytes[1024];
    size_t size = assemble(PATH, bytes);
    struct rsvp_message hello = rsvp_sample(RSVP_HELLO);
    struct err err = {0};

    assert_refused(bytes, 0, ERR_SHORT, "0 bytes are too few", NULL);
    assert_refused(bytes, 7, ERR_SHORT, "7 bytes are too few", NULL);
    assert_refused(bytes, size - 4, ERR_SHORT, "of which", NULL);
    bytes[size] = 0;
    assert_refused(bytes, size + 1, ERR_MALFORMED, "1 bytes behind", NULL);
    bytes[7]--;
    assert_refused(bytes, size, ERR_MALFORMED, "no header and whole objects", NULL);
    bytes[7] = 4;
    assert_refused(bytes, size, ERR_MALFORMED, "an RSVP Path of 4 bytes", NULL);
    bytes[7] = (uint8_t) size;
    bytes[0] = 0x20;
    assert_refused(bytes, size, ERR_UNSUPPORTED, "version 2", NULL);
    bytes[0] = 0x10;
    bytes[1] = 8;
    assert_refused(bytes, size, ERR_UNSUPPORTED, "type 8", NULL);
    bytes[1] = 255;
    assert_refused(bytes, size, ERR_UNSUPPORTED, "type 255", NULL);

    int n = rsvp_encode(&hello, bytes, sizeof bytes, &err);

    assert_true(n > 0);
    for (int i = 4; i < n; i++) { /* any byte matters to the sum; a length is found out before */
        if (i == 6 || i == 7)
            continue;
        bytes[i] ^= 0x10;
        assert_refused(bytes, (size_t) n, ERR_MALFORMED, "wrong checksum", NULL);
        bytes[i] ^= 0x10;
    }
}

/* Cut anywhere, and with the length in the header made to fit: never read as whole, never read beyond. */
static void messages_that_are_cut_off(void **state)
{
    (void) state;
    uint8_t bytes[1024];

    for (size_t type = 0; type < sizeof rsvp_sample_types; type++) {
        struct rsvp_message m = rsvp_sample(rsvp_sample_types[type]);
        struct err err = {0};
        int size = rsvp_encode(&m, bytes, sizeof bytes, &err);

        assert_true(size > 0);
        bytes[2] = bytes[3] = 0;
        for (int n = 0; n < size; n++) {
            AUTO_FREE uint8_t *copy = xmemdup(bytes, (size_t) n);
            struct rsvp_packet packet = {.data = copy, .size = (size_t) n};
            struct rsvp_message back;

            assert_true(rsvp_decode(&packet, &back, NULL, &err) < 0);
            if (n < RSVP_HEADER_SIZE)
                continue;
            copy[6] = (uint8_t) (n >> 8);
            copy[7] = (uint8_t) n;
            packet = (struct rsvp_packet) {.data = copy, .size = (size_t) n};
            if (rsvp_decode(&packet, &back, NULL, &err) == 1) /* what is cut off may be missing */
                rsvp_message_free(&back);
            else
                assert_string_not_equal(err.text, "");
        }
        rsvp_message_free(&m);
    }
}

static void objects_whose_length_is_wrong(void **state)
{
    (void) state;
    static const struct refused cases[] = {
        {PATH "0000cf07", ERR_MALFORMED, "SESSION_ATTRIBUTE at byte 96: its length is 0", 0, 0, 0},
        {PATH "0003cf07", ERR_MALFORMED, "its length is 3", 0, 0, 0},
        {PATH "0006cf07 00000000", ERR_MALFORMED, "its length is 6, the message has 8 bytes", 0, 0, 0},
        {PATH "000ccf07 00000000", ERR_MALFORMED, "its length is 12, the message has 8 bytes", 0, 0, 0},
        {PATH "fffcf801 00000000", ERR_MALFORMED, "object of an unknown class at byte 96", 0, 0, 0},
        /* An error before it is not answered, since what follows may name another LSP. */
        {HEADER("01") "00080201 00000000 " SESSION TEMPLATE "0000cf07", ERR_MALFORMED, "its length is 0", 0, 0, 0},
        {HEADER("01") "000c0107 0afd0005 00000007", ERR_SHORT, "at least 12 are needed", 0, 0, 0},
        {HEADER("01") "00140107 0afd0005 00000007 0afd0001 00000000", ERR_MALFORMED, "4 bytes too many", 0, 0, 0},
        {HEADER("14") "00081601 00000001", ERR_SHORT, "RSVP Hello, HELLO at byte 8", 0, 0, 0},
        {HEADER("0f") "00081901 00000001", ERR_SHORT, "MESSAGE_ID_LIST", 0, 0, 0},
        {HEADER("0d") "00081801 00000001", ERR_SHORT, "MESSAGE_ID_ACK", 0, 0, 0},
        {PATH "0004c401", ERR_SHORT, "ADMIN_STATUS", 0, 0, 0},
        {PATH "0004c301", ERR_SHORT, "NOTIFY_REQUEST", 0, 0, 0},
        {PATH "00042301", ERR_SHORT, "UPSTREAM_LABEL", 0, 0, 0},
        {PATH "00042401", ERR_SHORT, "LABEL_SET", 0, 0, 0},
        {PATH "0010cf01 00000000 00000000 00000000", ERR_SHORT, "SESSION_ATTRIBUTE", 0, 0, 0},
        {PATH "00042501", ERR_SHORT, "PROTECTION", 0, 0, 0},
        {HEADER("14") "000c1601 00000001 00000000 00088301 00000000", ERR_SHORT, "RESTART_CAP", 0, 0, 0},
    };

    assert_all_refused(cases, ARRAY_LEN(cases));
}

static void messages_without_an_object_that_they_need(void **state)
{
    (void) state;
    static const struct refused cases[] = {
        {HEADER("01") HOP TIME_VALUES REQUEST TEMPLATE TSPEC, ERR_MALFORMED, "an RSVP Path without SESSION", 0, 0, 0},
        {HEADER("01") SESSION TIME_VALUES REQUEST TEMPLATE TSPEC, ERR_MALFORMED, "Path without RSVP_HOP", 0, 0, 0},
        {HEADER("01") SESSION HOP REQUEST TEMPLATE TSPEC, ERR_MALFORMED, "Path without TIME_VALUES", 0, 0, 0},
        {HEADER("01") SESSION HOP TIME_VALUES TEMPLATE TSPEC, ERR_MALFORMED, "Path without LABEL_REQUEST", 0, 0, 0},
        {HEADER("01") SESSION HOP TIME_VALUES REQUEST TSPEC, ERR_MALFORMED, "Path without SENDER_TEMPLATE", 0, 0, 0},
        {HEADER("01") SESSION HOP TIME_VALUES REQUEST FILTER TSPEC, ERR_MALFORMED, "without SENDER_TEMPLATE", 0, 0, 0},
        {HEADER("01") SESSION HOP TIME_VALUES REQUEST TEMPLATE, ERR_MALFORMED, "Path without SENDER_TSPEC", 0, 0, 0},
        {HEADER("02") SESSION HOP TIME_VALUES FLOWSPEC FILTER LABEL, ERR_MALFORMED, "Resv without STYLE", 0, 0, 0},
        {HEADER("02") SESSION HOP TIME_VALUES STYLE FILTER LABEL, ERR_MALFORMED, "Resv without FLOWSPEC", 0, 0, 0},
        {HEADER("02") SESSION HOP TIME_VALUES STYLE FLOWSPEC LABEL, ERR_MALFORMED, "without FILTER_SPEC", 0, 0, 0},
        {HEADER("02") SESSION HOP TIME_VALUES STYLE FLOWSPEC FILTER, ERR_MALFORMED, "Resv without LABEL", 0, 0, 0},
        {HEADER("03") SESSION TEMPLATE, ERR_MALFORMED, "PathErr without ERROR_SPEC", 0, 0, 0},
        {HEADER("03") SESSION ERROR, ERR_MALFORMED, "PathErr without SENDER_TEMPLATE", 0, 0, 0},
        {HEADER("04") SESSION ERROR STYLE FILTER, ERR_MALFORMED, "ResvErr without RSVP_HOP", 0, 0, 0},
        {HEADER("05") SESSION TEMPLATE, ERR_MALFORMED, "PathTear without RSVP_HOP", 0, 0, 0},
        {HEADER("06") SESSION HOP FILTER, ERR_MALFORMED, "ResvTear without STYLE", 0, 0, 0},
        {HEADER("07") SESSION ERROR STYLE FILTER, ERR_MALFORMED, "ResvConf without RESV_CONFIRM", 0, 0, 0},
        {HEADER("0d"), ERR_MALFORMED, "Ack without MESSAGE_ID_ACK", 0, 0, 0},
        {HEADER("0f"), ERR_MALFORMED, "Srefresh without MESSAGE_ID_LIST", 0, 0, 0},
        {HEADER("14"), ERR_MALFORMED, "Hello without HELLO", 0, 0, 0},
        {HEADER("15") SESSION TEMPLATE, ERR_MALFORMED, "Notify without ERROR_SPEC", 0, 0, 0},
    };

    assert_all_refused(cases, ARRAY_LEN(cases));
}

static void objects_that_come_twice(void **state)
{
    (void) state;
    static const struct refused cases[] = {
        {PATH SESSION, ERR_MALFORMED, "SESSION at byte 96: it is there a second time", 0, 0, 0},
        {PATH HOP, ERR_MALFORMED, "RSVP_HOP at byte 96", 0, 0, 0},
        {PATH TEMPLATE, ERR_MALFORMED, "SENDER_TEMPLATE at byte 96", 0, 0, 0},
        {PATH TSPEC, ERR_MALFORMED, "SENDER_TSPEC at byte 96", 0, 0, 0},
        {RESV LABEL, ERR_MALFORMED, "LABEL at byte 104", 0, 0, 0},
        {RESV FLOWSPEC FILTER LABEL, ERR_MALFORMED, "FLOWSPEC at byte 104", 0, 0, 0},
        {PATH MESSAGE_ID MESSAGE_ID, ERR_MALFORMED, "MESSAGE_ID at byte 108", 0, 0, 0},
    };

    assert_all_refused(cases, ARRAY_LEN(cases));
}

/* RFC 2205 §3.10: 0bbbbbbb refuses, 10bbbbbb is ignored, 11bbbbbb is forwarded; an unknown C-Type refuses. */
static void objects_that_are_unknown(void **state)
{
    (void) state;
    static const struct refused cases[] = {
        {HEADER("01") "00080203 00000000 " SESSION HOP TIME_VALUES REQUEST TEMPLATE TSPEC, ERR_UNSUPPORTED,
         "RSVP Path, object of an unknown class at byte 8: objects of this class are unknown", RSVP_PATH_ERR, 13,
         0x0203},
        {RESV "00087f01 00000000", ERR_UNSUPPORTED, "class", RSVP_RESV_ERR, 13, 0x7f01},
        {PATH "000c3f07 00000000 00000000", ERR_UNSUPPORTED, "class", RSVP_PATH_ERR, 13, 0x3f07}, /* DETOUR */
        {PATH "00084301 00000000", ERR_UNSUPPORTED, "class", RSVP_PATH_ERR, 13, 0x4301}, /* LSP_REQUIRED_ATTRIBUTES */
        {PATH "00082309 00000014", ERR_UNSUPPORTED, "C-Type 9 is unknown", RSVP_PATH_ERR, 14, 0x2309},
        {RESV "0008c409 00000000", ERR_UNSUPPORTED, "ADMIN_STATUS at byte 104: C-Type 9", RSVP_RESV_ERR, 14, 0xc409},
        {PATH "00082503 00000000", ERR_UNSUPPORTED, "PROTECTION", RSVP_PATH_ERR, 14, 0x2503},
        /* The first reason counts. */
        {PATH "00087f01 00000000 00082309 00000014", ERR_UNSUPPORTED, "class", RSVP_PATH_ERR, 13, 0x7f01},
        /* Only Path and Resv are answered, and only if they name their LSP. */
        {HEADER("03") SESSION ERROR TEMPLATE "00087f01 00000000", ERR_UNSUPPORTED, "class", 0, 0, 0},
        {HEADER("05") SESSION HOP TEMPLATE "00087f01 00000000", ERR_UNSUPPORTED, "class", 0, 0, 0},
        {HEADER("01") SESSION "00087f01 00000000", ERR_UNSUPPORTED, "class", 0, 0, 0},
        {HEADER("01") "00180108 00000000 00000000 00000000 00000000 00000000 " HOP TIME_VALUES REQUEST TEMPLATE TSPEC,
         ERR_UNSUPPORTED, "SESSION at byte 8: C-Type 8 is unknown", 0, 0, 0},
        {HEADER("14") "000c1603 00000001 00000000", ERR_UNSUPPORTED, "HELLO at byte 8: C-Type 3", 0, 0, 0},
    };

    assert_all_refused(cases, ARRAY_LEN(cases));

    uint8_t bytes[1024];
    struct rsvp_packet packet = {.data = bytes,
                                 .size = assemble(PATH "00088001 00000000 000cc009 0102030405060708 0004ff01", bytes)};
    struct rsvp_message message;
    struct err err = {0};

    assert_int_equal(rsvp_decode(&packet, &message, NULL, &err), 1);
    assert_int_equal(message.n_unknown, 2);
    assert_int_equal(message.unknown[0].class, 0xc0);
    assert_int_equal(message.unknown[0].ctype, 9);
    assert_int_equal(message.unknown[0].size, 8);
    assert_memory_equal(message.unknown[0].body, "\1\2\3\4\5\6\7\10", 8);
    assert_int_equal(message.unknown[1].size, 0);
    rsvp_message_free(&message);
}

static void values_that_cannot_be_used(void **state)
{
    (void) state;
    static const struct refused cases[] = {
        {HEADER("01") SESSION HOP "00080501 00000000 " REQUEST TEMPLATE TSPEC, ERR_MALFORMED, "period of 0 ms", 0, 0,
         0},
        {HEADER("01") SESSION HOP TIME_VALUES "00081304 00330021 " TEMPLATE TSPEC, ERR_MALFORMED,
         "no LSP encoding type 0", RSVP_PATH_ERR, RSVP_ERR_ROUTING, RSVP_ROUTING_ENCODING},
        {PATH "000c2302 00000014 00000015", ERR_UNSUPPORTED, "a label of 8 bytes", RSVP_PATH_ERR, RSVP_ERR_ROUTING,
         RSVP_ROUTING_UNACCEPTABLE_LABEL},
        {PATH "0008cf07 08000000", ERR_MALFORMED, "priorities 8 and 0", 0, 0, 0},
        {PATH "000ccf07 00000005 61626364", ERR_MALFORMED, "a name of 5 bytes in 4", 0, 0, 0},
        {PATH "00082501 00000010", ERR_UNSUPPORTED, "links are not protected, 0x10", RSVP_PATH_ERR, RSVP_ERR_ROUTING,
         RSVP_ROUTING_LINK_PROTECTION},
        {HEADER("02") SESSION HOP TIME_VALUES "00080801 00000011 " FLOWSPEC FILTER LABEL, ERR_UNSUPPORTED,
         "style 0x11 is not for LSPs", RSVP_RESV_ERR, RSVP_ERR_UNKNOWN_STYLE, 0},
    };

    assert_all_refused(cases, ARRAY_LEN(cases));
}

static void sets_of_labels(void **state)
{
    (void) state;
    static const struct refused cases[] = {
        {PATH "000c2401 01000002 00000014", ERR_UNSUPPORTED, "action 1", RSVP_PATH_ERR, RSVP_ERR_ROUTING, 11},
        {PATH "00102401 03000002 00000014 00000015", ERR_UNSUPPORTED, "action 3", RSVP_PATH_ERR, RSVP_ERR_ROUTING, 11},
        {PATH "000c2401 02000002 00000014", ERR_UNSUPPORTED, "action 2", RSVP_PATH_ERR, RSVP_ERR_ROUTING, 11},
        {PATH "00102401 02000002 00000014 00000054", ERR_TOO_LARGE, "more than 64", RSVP_PATH_ERR, RSVP_ERR_ROUTING,
         11},
        {PATH "00102401 02000002 00000000 ffffffff", ERR_TOO_LARGE, "more than 64", RSVP_PATH_ERR, RSVP_ERR_ROUTING,
         11},
        {PATH "00102401 02000002 00000014 00000053 000c2401 00000002 00000090", ERR_TOO_LARGE, "LABEL_SET at byte 112",
         RSVP_PATH_ERR, RSVP_ERR_ROUTING, 11},
    };

    assert_all_refused(cases, ARRAY_LEN(cases));
}

static void routes_and_interfaces(void **state)
{
    (void) state;
    static const struct refused cases[] = {
        {PATH "00081401 01040000", ERR_UNSUPPORTED, "type 1, length 4 at byte 100", RSVP_PATH_ERR, RSVP_ERR_ROUTING, 1},
        {PATH "00081401 01080000", ERR_MALFORMED, "length of a sub-object", RSVP_PATH_ERR, RSVP_ERR_ROUTING, 1},
        {PATH "00081401 01000000", ERR_MALFORMED, "length of a sub-object", RSVP_PATH_ERR, RSVP_ERR_ROUTING, 1},
        {PATH "000c1401 01060a0000012000", ERR_MALFORMED, "length of a sub-object", RSVP_PATH_ERR, RSVP_ERR_ROUTING, 1},
        {PATH "000c1401 01080a0000012100", ERR_UNSUPPORTED, "type 1", RSVP_PATH_ERR, RSVP_ERR_ROUTING, 1},
        {PATH "000c1401 0308000300000014", ERR_UNSUPPORTED, "type 3", RSVP_PATH_ERR, RSVP_ERR_ROUTING, 1},
        {PATH "00101401 030c0002 00000014 00000015", ERR_UNSUPPORTED, "type 3", RSVP_PATH_ERR, RSVP_ERR_ROUTING, 1},
        {PATH "000c1401 2004fde8 a0040001", ERR_UNSUPPORTED, "type 32, length 4 at byte 100", RSVP_PATH_ERR,
         RSVP_ERR_ROUTING, 1},
        {PATH "00081501 01080000", ERR_MALFORMED, "RECORD_ROUTE", 0, 0, 0},
        {HEADER("01") SESSION "00100303 0afc0001 0000000c 00030004 " TIME_VALUES REQUEST TEMPLATE TSPEC, ERR_MALFORMED,
         "TLV 3 of 4 bytes", 0, 0, 0},
        {HEADER("01") SESSION "00100303 0afc0001 0000000c 00030008 " TIME_VALUES REQUEST TEMPLATE TSPEC, ERR_MALFORMED,
         "length of a TLV", 0, 0, 0},
        {HEADER("01") SESSION "00100303 0afc0001 0000000c 00030000 " TIME_VALUES REQUEST TEMPLATE TSPEC, ERR_MALFORMED,
         "length of a TLV", 0, 0, 0},
        {HEADER("01") SESSION
         "00180303 0afc0001 0000000c 0004000c 0afc0001 00000001 " TIME_VALUES REQUEST TEMPLATE TSPEC,
         ERR_UNSUPPORTED, "one interface", RSVP_PATH_ERR, RSVP_ERR_ROUTING, RSVP_ROUTING_UNKNOWN_INTERFACE},
        {HEADER("01") SESSION
         "001c0303 0afc0001 0000000c 00010008 0afc0001 00010008 0afc0002 " TIME_VALUES REQUEST TEMPLATE TSPEC,
         ERR_UNSUPPORTED, "one interface", RSVP_PATH_ERR, RSVP_ERR_ROUTING, RSVP_ROUTING_UNKNOWN_INTERFACE},
    };

    assert_all_refused(cases, ARRAY_LEN(cases));
}

static void traffic_parameters(void **state)
{
    (void) state;
#define PATH_OF(tspec) HEADER("01") SESSION HOP TIME_VALUES REQUEST TEMPLATE tspec
#define RESV_OF(flowspec) HEADER("02") SESSION HOP TIME_VALUES STYLE flowspec FILTER LABEL
#define BUCKET "49989680 461c4000 49989680 00000040 000005dc "
    static const struct refused cases[] = {
        {PATH_OF("00080c06 000205dc "), ERR_MALFORMED, "there is no bandwidth profile", RSVP_PATH_ERR, 21, 4},
        {RESV_OF("00080906 000205dc "), ERR_MALFORMED, "there is no bandwidth profile", RSVP_RESV_ERR, 21, 3},
        {PATH_OF("00380c06 000205dc " PROFILE PROFILE), ERR_UNSUPPORTED, "more than one", RSVP_PATH_ERR, 21, 2},
        {PATH_OF("00100c06 000205dc 00020008 00000000 "), ERR_MALFORMED, "profile of 8 bytes", RSVP_PATH_ERR, 21, 4},
        {PATH_OF("000c0c06 000205dc 00020018 "), ERR_SHORT, "shorter than its content", 0, 0, 0},
        {PATH_OF("000c0c06 000205dc 00080003 "), ERR_SHORT, "shorter than its content", 0, 0, 0},
        {PATH_OF("00240c02 00000007 06000006 7f000005 " BUCKET), ERR_UNSUPPORTED, "service 6", RSVP_PATH_ERR, 21, 2},
        {PATH_OF("00240c02 00000007 01000006 80000005 " BUCKET), ERR_MALFORMED, "no token bucket", RSVP_PATH_ERR, 21,
         4},
        {RESV_OF("00240902 00000007 05000006 7f000004 " BUCKET), ERR_MALFORMED, "no token bucket", RSVP_RESV_ERR, 21,
         3},
        {PATH_OF("00200c02 00000006 01000005 7f000005 49989680 461c4000 49989680 00000040 "), ERR_SHORT,
         "at least 32 are needed", 0, 0, 0},
    };

    assert_all_refused(cases, ARRAY_LEN(cases));
}

/* A list of so many objects of the size, each with the head and zeros. */
static size_t repeat(uint8_t *bytes, const char *message, const char *head, size_t size, size_t times)
{
    size_t n = from_hex(message, bytes);

    for (size_t i = 0; i < times; i++) {
        memset(bytes + n, 0, size);
        from_hex(head, bytes + n);
        n += size;
    }
    bytes[6] = (uint8_t) (n >> 8);
    bytes[7] = (uint8_t) n;
    return n;
}

static void more_than_is_taken(void **state)
{
    (void) state;
    static uint8_t bytes[65536];
    struct rsvp_refusal refusal;
    struct err err = {0};

    assert_refused(bytes, repeat(bytes, HEADER("0d"), "000c1801", 12, RSVP_ACKS_MAX + 1), ERR_TOO_LARGE,
                   "more than 256", &refusal);
    assert_refused(bytes, repeat(bytes, PATH, "0008f801", 8, RSVP_UNKNOWN_MAX + 1), ERR_TOO_LARGE, "more than 8",
                   &refusal);
    assert_int_equal(refusal.code, RSVP_ERR_SYSTEM);
    assert_refused(bytes, repeat(bytes, PATH, "0804f801", 2052, 3), ERR_TOO_LARGE, "4096 bytes", &refusal);
    assert_int_equal(refusal.code, RSVP_ERR_SYSTEM);
    assert_refused(bytes, repeat(bytes, HEADER("0f"), "04081901", 4 + 4 + 4 * 256, 5), ERR_TOO_LARGE,
                   "more than 1024 ids", &refusal);
    assert_refused(bytes, repeat(bytes, HEADER("0f") "000c1901 00000001 00000001", "000c1901", 12, 1), ERR_UNSUPPORTED,
                   "two epochs, 1 and 0", &refusal);

    size_t n = repeat(bytes, PATH "08041401", "01080a000001 2000", 8, LSP_HOPS_MAX + 1);

    assert_refused(bytes, n, ERR_TOO_LARGE, "256 sub-objects", &refusal);
    assert_int_equal(refusal.value, RSVP_ROUTING_BAD_ERO);

    n = repeat(bytes, HEADER("0d"), "000c1801", 12, RSVP_ACKS_MAX); /* so many are */
    struct rsvp_packet packet = {.data = bytes, .size = n};
    struct rsvp_message message;

    assert_int_equal(rsvp_decode(&packet, &message, NULL, &err), 1);
    assert_int_equal(message.n_acks, RSVP_ACKS_MAX);
    rsvp_message_free(&message);
}

static void one_bad_message_of_a_bundle_harms_no_other(void **state)
{
    (void) state;
    uint8_t bytes[1024];
    const char *hello = "10140000 01000014 000c1601 00000001 00000002 ";
    char hex[1024];
    struct rsvp_message message;
    struct err err = {0};
    unsigned taken = 0, refused = 0;
    int status;

    /* A wrong checksum, an unknown type, a Bundle within, a Hello without its object. */
    snprintf(hex, sizeof hex, "%s%s10140001 01000014 000c1601 00000001 00000002 %s10280000 01000008 %s%s", HEADER("0c"),
             hello, hello, "100c0000 01000008 10140000 01000008 ", hello);
    struct rsvp_packet packet = {.data = bytes, .size = assemble(hex, bytes)};

    while ((status = rsvp_decode(&packet, &message, NULL, &err)) != 0) {
        if (status < 0) {
            refused++;
            continue;
        }
        taken++;
        assert_int_equal(message.hello.destination_instance, 2);
        rsvp_message_free(&message);
    }
    assert_int_equal(taken, 3);
    assert_int_equal(refused, 4);

    size_t n = assemble(HEADER("0c"), bytes);

    assert_refused(bytes, n, ERR_SHORT, "0 bytes are too few", NULL);
    n = assemble(HEADER("0c") "10140000 01000018 000c1601 00000001 00000002", bytes);
    assert_refused(bytes, n, ERR_SHORT, "of which 20 are there", NULL);
}

static void what_was_read_names_the_lsp(void **state)
{
    (void) state;
    uint8_t bytes[1024];
    struct rsvp_refusal refusal;

    assert_refused(bytes, assemble(PATH MESSAGE_ID "00087f01 00000000 000c1801 00000000 00000000", bytes),
                   ERR_UNSUPPORTED, "class", &refusal);
    assert_int_equal(refusal.answer, RSVP_PATH_ERR);
    assert_int_equal(refusal.code, RSVP_ERR_UNKNOWN_CLASS);
    assert_int_equal(refusal.value, 0x7f01);
    assert_int_equal(refusal.about.session.tunnel_id, 7);
    assert_int_equal(refusal.about.sender.lsp_id, 3);
    assert_true(refusal.about.has & RSVP_HAS_MESSAGE_ID);
    assert_int_equal(refusal.about.message_id.id, 0x01020304);
    assert_int_equal(refusal.about.n_acks, 0);

    /* An object that could not be read is not there. */
    assert_refused(bytes, assemble(PATH_OF("00080c06 000205dc "), bytes), ERR_MALFORMED, "profile", &refusal);
    assert_int_equal(refusal.answer, RSVP_PATH_ERR);
    assert_false(refusal.about.has & RSVP_HAS_TSPEC);

    assert_refused(bytes, assemble(RESV "00087f01 00000000", bytes), ERR_UNSUPPORTED, "class", &refusal);
    assert_int_equal(refusal.answer, RSVP_RESV_ERR);

    assert_refused(bytes, assemble(PATH SESSION, bytes), ERR_MALFORMED, "second time", &refusal);
    assert_int_equal(refusal.answer, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_messages_that_are_changed_below_are_good),
        cmocka_unit_test(packets_that_are_no_message),
        cmocka_unit_test(messages_that_are_cut_off),
        cmocka_unit_test(objects_whose_length_is_wrong),
        cmocka_unit_test(messages_without_an_object_that_they_need),
        cmocka_unit_test(objects_that_come_twice),
        cmocka_unit_test(objects_that_are_unknown),
        cmocka_unit_test(values_that_cannot_be_used),
        cmocka_unit_test(sets_of_labels),
        cmocka_unit_test(routes_and_interfaces),
        cmocka_unit_test(traffic_parameters),
        cmocka_unit_test(more_than_is_taken),
        cmocka_unit_test(one_bad_message_of_a_bundle_harms_no_other),
        cmocka_unit_test(what_was_read_names_the_lsp),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
