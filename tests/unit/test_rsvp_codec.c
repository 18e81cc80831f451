/* SPDX-License-Identifier: Apache-2.0 */
/* RSVP messages as bytes: each type and object as the RFCs draw them, and random ones there and back. */
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

/* More objects that the messages of sample_of_lsp() share. */
#define HOP_INDEX "00180303 0afc0001 0000000c 0003000c 0afd0001 0000000c "
#define ERROR_INDEX "00180603 0afd0002 04010002 0003000c 0afd0002 00000005 "
#define ETHERNET "000205dc 00020018 00000000 49989680 461c4000 00000000 00000000 " /* 1.25e6 and 1e4 bytes */
#define BUCKET "7f000005 49989680 461c4000 49989680 00000040 000005dc "
#define ACKS "000c1801 00123456 00000007 000c1802 00123456 00000008 "
#define LABELS "00000002 00000064 00000065 00000066 "

static const struct {
    uint8_t type;
    const char *bytes;
} vectors[] = {
    {RSVP_PATH,
     "11018efb 3f000148 " ACKS MESSAGE_ID SESSION HOP_INDEX TIME_VALUES
     "00301401 01080afc00022000 040c00000afd000500000003 0308000200000065 0308800200000066 81080afd00092000 "
     "00081304 02330021 00142401 " LABELS "0020cf01 00000001 00000002 00000004 04030209 6d6967726174696f6e 000000 "
     "0008c301 0afd0001 0008c401 80000002 " TEMPLATE "00200c06 " ETHERNET
     "00201501 01080afc00012000 03088002000003e9 040c00000afd00010000000c "
     "00088102 000003eb 00082202 000003ec 00082302 000003e9 000cf801 0102030405060708"},
    {RSVP_RESV,
     "1102e172 3f0000c0 " MESSAGE_ID SESSION HOP_INDEX TIME_VALUES
     "00080f01 0afd0005 0008c301 0afd0005 0008c401 00000001 00080801 0000000a 00200906 " ETHERNET FILTER
     "00081002 000007d2 00281501 01080afc00022000 03080002000007d2 03088002000003e9 040c00000afd000500000003"},
    {RSVP_PATH_ERR, "11033ab8 3f000088 " MESSAGE_ID SESSION ERROR_INDEX "00148201 " LABELS TEMPLATE "00200c06 " ETHERNET
                    "000c1501 01080afc00012000"},
    {RSVP_RESV_ERR,
     "1104ca00 3f000088 " MESSAGE_ID SESSION "00140303 0afc0001 0000000c 00010008 0afd0001 "
     "00140603 0afd0002 04010002 00010008 0afd0002 00080801 00000012 00200906 " ETHERNET FILTER "00081002 000007d2"},
    {RSVP_PATH_TEAR, "1105e1b7 3f000074 " MESSAGE_ID SESSION HOP_INDEX "0008c401 00000005 " TEMPLATE
                     "00240c02 00000007 01000006 " BUCKET},
    {RSVP_RESV_TEAR, "1106a8e5 3f000068 " MESSAGE_ID SESSION "000c0301 0afc0001 0000000c 00080801 0000000a "
                     "00240902 00000007 05000006 " BUCKET FILTER},
    {RSVP_RESV_CONF,
     "110765a3 3f00004c " MESSAGE_ID SESSION "000c0601 0afd0001 00000000 00080f01 0afd0005 00080801 0000000a " FILTER},
    {RSVP_ACK, "110d16d8 3f000020 " ACKS},
    {RSVP_SREFRESH, "110fbc0f 3f00001c 00141901 00abcdef 01020304 01020305 01020306"},
    {RSVP_HELLO, "11144638 3f000020 000c1602 11223344 55667788 000c8301 0000ea60 0001d4c0"},
    {RSVP_NOTIFY, "1115b37f 3f000050 " MESSAGE_ID ERROR_INDEX SESSION "0008c401 00000001 " TEMPLATE},
};

static struct rsvp_message decode_one(const uint8_t *bytes, size_t size)
{
    struct rsvp_packet packet = {.data = bytes, .size = size};
    struct rsvp_message m, none;
    struct err err = {0};

    if (rsvp_decode(&packet, &m, NULL, &err) != 1)
        fail_msg("%s", err.text);
    assert_int_equal(rsvp_decode(&packet, &none, NULL, &err), 0);
    assert_int_equal(rsvp_decode(&packet, &none, NULL, &err), 0);
    return m;
}

static void every_message_is_as_the_rfcs_draw_it(void **state)
{
    (void) state;
    uint8_t expected[1024], bytes[1024];

    assert_int_equal(ARRAY_LEN(vectors), sizeof rsvp_sample_types);
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        struct rsvp_message m = rsvp_sample(vectors[i].type);
        size_t n = from_hex(vectors[i].bytes, expected);
        struct err err = {0};

        assert_int_equal(rsvp_encode(&m, bytes, sizeof bytes, &err), n);
        assert_memory_equal(bytes, expected, n);

        struct rsvp_message back = decode_one(expected, n);

        assert_true(rsvp_same(&m, &back));
        rsvp_message_free(&m);
        rsvp_message_free(&back);
    }
}

/* What a Path of other implementations looks like: objects in another order, packet labels, what is to be ignored. */
static void forms_that_are_never_sent_are_read(void **state)
{
    (void) state;
    uint8_t bytes[1024];
    const char *path = "10010000 ff0000ec " TEMPLATE SESSION "00080000 deadbeef "                   /* NULL */
                       "000c0301 01010101 00000000 00081301 00000800 "                              /* L3PID of IPv4 */
                       "00240404 0000000000000000000000000000000000000000000000000000000000000000 " /* INTEGRITY */
                       "00200c06 " ETHERNET "000c0d02 00000000 00000000 " TIME_VALUES               /* ADSPEC */
                       "0010cf07 07070005 6c737000 61000000 "                   /* a zero in the name */
                       "00082301 00000014 00102401 02000001 00000020 00000023 " /* 20; a range */
                       "000c8601 00000000 00000000 00082502 00000000";          /* CAPABILITY; replaced below */
    size_t n = from_hex(path, bytes);

    bytes[n - 6] = 37, bytes[n - 5] = 1; /* PROTECTION: any */
    bytes[6] = (uint8_t) (n >> 8);
    bytes[7] = (uint8_t) n;

    struct rsvp_message m = decode_one(bytes, n);

    assert_int_equal(m.ttl, 255);
    assert_false(m.refresh_reduction);
    assert_int_equal(m.label_request.encoding, 0);
    assert_int_equal(m.label_request.gpid, 0x0800);
    assert_string_equal(m.attribute.name, "lsp");
    assert_int_equal(m.attribute.setup_priority, 7);
    assert_int_equal(m.upstream_label, 20);
    assert_int_equal(m.n_labels, 4);
    assert_int_equal(m.labels[3], 0x23);
    assert_int_equal(m.n_unknown, 1);
    assert_int_equal(m.unknown[0].class, 37);
    assert_int_equal(m.hop.if_type, RSVP_IF_NONE);
    rsvp_message_free(&m);
}

static void names_are_cut_and_made_printable(void **state)
{
    (void) state;
    uint8_t bytes[1024];
    struct err err = {0};
    struct rsvp_message m = rsvp_sample(RSVP_PATH), back;

    memset(m.attribute.name, 'a', LSP_NAME_SIZE - 1);
    m.attribute.name[3] = '\n';
    int n = rsvp_encode(&m, bytes, sizeof bytes, &err);

    assert_true(n > 0);
    back = decode_one(bytes, (size_t) n);
    m.attribute.name[3] = '?';
    assert_true(rsvp_same(&m, &back));
    rsvp_message_free(&back);
    rsvp_message_free(&m);

    n = (int) from_hex("10010000 ff000194 " TEMPLATE SESSION HOP_INDEX
                       "00081304 02330021 00200c06 " ETHERNET TIME_VALUES "0108cf07 070700ff ",
                       bytes);
    memset(bytes + n, 'b', 256);
    n += 256;
    bytes[6] = (uint8_t) (n >> 8);
    bytes[7] = (uint8_t) n;
    back = decode_one(bytes, (size_t) n);
    assert_int_equal(strlen(back.attribute.name), LSP_NAME_SIZE - 1);
    rsvp_message_free(&back);
}

static void only_the_first_route_counts(void **state)
{
    (void) state;
    uint8_t bytes[1024];
    size_t n = from_hex("10050000 ff000054 " SESSION "000c0301 01010101 00000000 " TEMPLATE
                        "000c1501 01080afc00012000 000c1501 01080afc00022000 00081501 22040000",
                        bytes);

    bytes[7] = (uint8_t) n;
    struct rsvp_message m = decode_one(bytes, n);

    assert_int_equal(m.rro.n, 1);
    assert_int_equal(m.rro.hops[0].address, SAMPLE_LINK(1));
    rsvp_message_free(&m);
}

/* Of an RRO what is unknown is left out, whatever its length. */
static void unknown_sub_objects_of_a_record_are_passed_over(void **state)
{
    (void) state;
    uint8_t bytes[1024];
    size_t n = from_hex("10050000 ff000054 " SESSION "000c0301 01010101 00000000 " TEMPLATE
                        "00281501 22040000 01080afc00012001 03080103000007d2 81080afc00092000 0308010100000014",
                        bytes);

    bytes[7] = (uint8_t) n;
    struct rsvp_message m = decode_one(bytes, n);

    assert_int_equal(m.rro.n, 2);
    assert_int_equal(m.rro.hops[0].address, SAMPLE_LINK(1));
    assert_int_equal(m.rro.hops[1].label, 20);
    rsvp_message_free(&m);
}

static void the_first_interface_of_an_error_counts(void **state)
{
    (void) state;
    uint8_t bytes[1024];
    size_t n = from_hex("10030000 ff000000 " SESSION TEMPLATE
                        "002c0603 0afd0002 00180005 02040008 61626364 00010008 0afc0007 0003000c 0afd0002 00000005 "
                        "00060004 ",
                        bytes);

    bytes[7] = (uint8_t) n;
    struct rsvp_message m = decode_one(bytes, n);

    assert_int_equal(m.error.code, RSVP_ERR_ROUTING);
    assert_int_equal(m.error.interface_ip, SAMPLE_LINK(7));
    assert_int_equal(m.error.interface_id, 0);
    assert_false(m.error.path_state_removed);
    rsvp_message_free(&m);
}

/* What was read can always be sent on. */
static void an_infinite_rate_becomes_the_greatest_that_is_sent(void **state)
{
    (void) state;
    uint8_t bytes[1024];
    struct err err = {0};
    size_t n = from_hex("10050000 ff000000 " SESSION "000c0301 01010101 00000000 " TEMPLATE
                        "00240c02 00000007 01000006 7f000005 7f800000 ffc00000 7f800000 00000040 00010000",
                        bytes);

    bytes[7] = (uint8_t) n;
    struct rsvp_message m = decode_one(bytes, n);

    assert_true(m.tspec.rate_bps == UINT64_C(0xffffff) << 40);
    assert_int_equal(m.tspec.burst_bits, 0); /* no number */
    assert_int_equal(m.tspec.mtu, UINT16_MAX);
    int size = rsvp_encode(&m, bytes, sizeof bytes, &err);

    assert_int_equal(size, n);
    struct rsvp_message back = decode_one(bytes, n);

    assert_true(rsvp_same(&m, &back));
    rsvp_message_free(&m);
    rsvp_message_free(&back);
}

static void a_bundle_hands_out_its_messages(void **state)
{
    (void) state;
    uint8_t bytes[2048] = {0x10, RSVP_BUNDLE, 0, 0, 1, 0};
    size_t size = RSVP_HEADER_SIZE;
    struct err err = {0};

    for (size_t i = 0; i < sizeof rsvp_sample_types; i++) {
        struct rsvp_message m = rsvp_sample(rsvp_sample_types[i]);
        int n = rsvp_encode(&m, bytes + size, sizeof bytes - size, &err);

        assert_true(n > 0);
        size += (size_t) n;
        rsvp_message_free(&m);
    }
    bytes[6] = (uint8_t) (size >> 8);
    bytes[7] = (uint8_t) size;

    struct rsvp_packet packet = {.data = bytes, .size = size};
    struct rsvp_message m;
    size_t n = 0;

    while (rsvp_decode(&packet, &m, NULL, &err) == 1) {
        struct rsvp_message sample = rsvp_sample(rsvp_sample_types[n++]);

        assert_true(rsvp_same(&m, &sample));
        rsvp_message_free(&m);
        rsvp_message_free(&sample);
    }
    assert_true(packet.done && packet.pos == size && n == sizeof rsvp_sample_types);
}

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8 ^ *seed << 16;
}

static struct lsp_route random_route(uint32_t *seed, bool may_be_loose)
{
    struct lsp_route route = {0};

    for (uint32_t n = next(seed) % 6; n > 0; n--) {
        struct lsp_hop hop = {.type = (uint8_t) (next(seed) % 3)};

        hop.loose = may_be_loose && hop.type != HOP_LABEL && next(seed) % 4 == 0;
        hop.upstream = hop.type == HOP_LABEL && next(seed) % 2;
        hop.length = (uint8_t) (next(seed) % 33);
        hop.address = next(seed);
        hop.interface = next(seed);
        hop.label = next(seed);
        lsp_route_add(&route, hop);
    }
    return route;
}

/* Starts from the whole message of the type, changes its values, and takes away objects that may be missing. */
static struct rsvp_message random_message(uint32_t *seed)
{
    struct rsvp_message m = rsvp_sample(rsvp_sample_types[next(seed) % sizeof rsvp_sample_types]);
    const uint32_t may_miss = RSVP_HAS_ERO | RSVP_HAS_RRO | RSVP_HAS_SUGGESTED_LABEL | RSVP_HAS_RECOVERY_LABEL |
                              RSVP_HAS_UPSTREAM_LABEL | RSVP_HAS_ATTRIBUTE | RSVP_HAS_ADMIN_STATUS |
                              RSVP_HAS_NOTIFY_REQUEST | RSVP_HAS_MESSAGE_ID | RSVP_HAS_RESTART_CAP |
                              (m.type == RSVP_RESV_CONF ? 0 : RSVP_HAS_RESV_CONFIRM);
    const uint32_t rate = next(seed) >> 8; /* 24 bits: goes as it is */

    m.ttl = (uint8_t) next(seed);
    m.refresh_reduction = next(seed) % 2;
    m.has &= ~(may_miss & next(seed));
    m.session = (struct rsvp_session) {next(seed), (uint16_t) next(seed), next(seed)};
    m.sender = (struct rsvp_sender) {next(seed), (uint16_t) next(seed)};
    m.hop = (struct rsvp_hop) {.address = next(seed), .lih = next(seed)};
    m.hop.if_type = (uint8_t[]) {RSVP_IF_NONE, RSVP_IF_IPV4, RSVP_IF_INDEX}[next(seed) % 3];
    m.hop.if_address = m.hop.if_type ? next(seed) : 0;
    m.hop.if_id = m.hop.if_type == RSVP_IF_INDEX ? next(seed) : 0;
    m.refresh_ms = 1 + next(seed) % 100000;
    m.error = (struct lsp_error) {.node = next(seed), .code = (uint8_t) next(seed), .value = (uint16_t) next(seed)};
    m.error.interface_ip = next(seed) % 2 ? next(seed) : 0;
    m.error.interface_id = next(seed) % 2 ? next(seed) : 0;
    m.error.path_state_removed = next(seed) % 2;
    m.style = next(seed) % 2 ? RSVP_STYLE_FF : RSVP_STYLE_SE;
    m.tspec = (struct rsvp_tspec) {.kind = next(seed) % 2 ? RSVP_TSPEC_ETHERNET : RSVP_TSPEC_INTSERV,
                                   .rate_bps = (uint64_t) rate << next(seed) % 30,
                                   .burst_bits = next(seed) >> 8,
                                   .mtu = (uint16_t) next(seed)};
    lsp_route_free(&m.ero);
    lsp_route_free(&m.rro);
    if (m.has & RSVP_HAS_ERO)
        m.ero = random_route(seed, true);
    if (m.has & RSVP_HAS_RRO)
        m.rro = random_route(seed, false);
    m.label_request = (struct rsvp_label_request) {.gpid = (uint16_t) next(seed), .encoding = (uint8_t) next(seed)};
    m.label_request.switching = m.label_request.encoding ? (uint8_t) next(seed) : 0;
    m.label = next(seed);
    m.upstream_label = next(seed);
    m.attribute.has_affinity = next(seed) % 2;
    if (!m.attribute.has_affinity)
        m.attribute.exclude_any = m.attribute.include_any = m.attribute.include_all = 0;
    memset(m.attribute.name, 0, sizeof m.attribute.name);
    memset(m.attribute.name, 'x', next(seed) % LSP_NAME_SIZE);
    m.admin_status = next(seed);
    m.hello = (struct rsvp_hello) {next(seed) % 2, next(seed), next(seed)};
    m.restart_cap = (struct rsvp_restart_cap) {next(seed), next(seed)};
    return m;
}

static void random_messages_come_back_the_same(void **state)
{
    (void) state;
    uint32_t seed = 1;

    for (unsigned i = 0; i < 20000; i++) {
        uint8_t bytes[2048];
        struct err err = {0};
        uint32_t before = seed;
        struct rsvp_message m = random_message(&seed);
        int n = rsvp_encode(&m, bytes, sizeof bytes, &err);

        if (n < 0)
            fail_msg("seed %u: %s", before, err.text);
        struct rsvp_message back = decode_one(bytes, (size_t) n);

        if (!rsvp_same(&m, &back))
            fail_msg("seed %u: a %s comes back otherwise", before, rsvp_type_name(m.type));
        rsvp_message_free(&m);
        rsvp_message_free(&back);
    }
}

static void assert_not_encoded(const struct rsvp_message *m, int status, const char *reason)
{
    static uint8_t bytes[65536];
    struct err err = {0};
    int got = rsvp_encode(m, bytes, sizeof bytes, &err);

    if (got != status || !strstr(err.text, reason))
        fail_msg("%d, \"%s\" instead of %d, \"%s\"", got, err.text, status, reason);
}

static void what_cannot_be_sent_is_not_written(void **state)
{
    (void) state;
    uint8_t bytes[64];
    struct err err = {0};
    struct rsvp_message m = rsvp_sample(RSVP_PATH);

    assert_int_equal(rsvp_encode(&m, bytes, sizeof bytes, &err), ERR_SHORT);
    assert_non_null(strstr(err.text, "does not fit into 64 bytes"));
    m.has &= ~(uint32_t) RSVP_HAS_SENDER;
    assert_not_encoded(&m, ERR_INVALID, "an RSVP Path cannot be sent without SENDER_TEMPLATE");
    m.has |= RSVP_HAS_SENDER;

#define WITH(field, value, reason) \
    do { \
        struct rsvp_message bad = m; \
        bad.field = value; \
        assert_not_encoded(&bad, ERR_INVALID, reason); \
    } while (0)
    WITH(type, RSVP_BUNDLE, "no RSVP message of type 12");
    WITH(type, 8, "no RSVP message of type 8");
    WITH(type, 200, "no RSVP message of type 200");
    WITH(hop.if_type, 2, "RSVP_HOP");
    WITH(refresh_ms, 0, "TIME_VALUES");
    WITH(tspec.kind, 4, "SENDER_TSPEC");
    WITH(attribute.setup_priority, 8, "SESSION_ATTRIBUTE");
    WITH(message_id.epoch, 0x1000000, "MESSAGE_ID");
    WITH(acks[1].epoch, 0x1000000, "MESSAGE_ID_ACK");
    m.acks[1].epoch = 1;
    WITH(ero.hops[0].length, 33, "EXPLICIT_ROUTE");
    m.ero.hops[0].length = 32;
    WITH(ero.hops[0].type, 3, "EXPLICIT_ROUTE");
    m.ero.hops[0].type = HOP_IPV4;
    WITH(unknown[0].size, 3, "unknown objects");
    m.n_labels = RSVP_LABELS_MAX + 1;
    assert_not_encoded(&m, ERR_TOO_LARGE, "LABEL_SET");
    m.n_labels = 3;
    m.n_acks = RSVP_ACKS_MAX + 1;
    assert_not_encoded(&m, ERR_TOO_LARGE, "MESSAGE_ID_ACK");
    m.n_acks = 2;
    while (m.ero.n <= LSP_HOPS_MAX)
        sample_address(&m.ero, 1, false);
    assert_not_encoded(&m, ERR_TOO_LARGE, "EXPLICIT_ROUTE");
    rsvp_message_free(&m);

    m = rsvp_sample(RSVP_SREFRESH);
    WITH(srefresh_epoch, 0x1000000, "MESSAGE_ID_LIST");
    m.n_srefresh = RSVP_SREFRESH_MAX + 1;
    assert_not_encoded(&m, ERR_TOO_LARGE, "MESSAGE_ID_LIST");
    rsvp_message_free(&m);

    m = rsvp_sample(RSVP_RESV);
    WITH(style, 0x11, "STYLE");
    rsvp_message_free(&m);
}

/* As of a Path that is turned into a PathTear: the rest of 'has' does no harm. */
static void objects_without_a_place_are_left_out(void **state)
{
    (void) state;
    uint8_t bytes[1024];
    struct err err = {0};
    struct rsvp_message m = rsvp_sample(RSVP_PATH), back;

    m.type = RSVP_PATH_TEAR;
    int n = rsvp_encode(&m, bytes, sizeof bytes, &err);
    struct rsvp_packet packet = {.data = bytes, .size = (size_t) n};

    assert_true(n > 0);
    assert_int_equal(rsvp_decode(&packet, &back, NULL, &err), 1);
    assert_false(back.has & (RSVP_HAS_ERO | RSVP_HAS_LABEL_REQUEST | RSVP_HAS_UPSTREAM_LABEL | RSVP_HAS_TIME_VALUES));
    assert_int_equal(back.ero.n, 0);
    rsvp_message_free(&m);
    rsvp_message_free(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_is_as_the_rfcs_draw_it),
        cmocka_unit_test(forms_that_are_never_sent_are_read),
        cmocka_unit_test(names_are_cut_and_made_printable),
        cmocka_unit_test(only_the_first_route_counts),
        cmocka_unit_test(unknown_sub_objects_of_a_record_are_passed_over),
        cmocka_unit_test(the_first_interface_of_an_error_counts),
        cmocka_unit_test(an_infinite_rate_becomes_the_greatest_that_is_sent),
        cmocka_unit_test(a_bundle_hands_out_its_messages),
        cmocka_unit_test(random_messages_come_back_the_same),
        cmocka_unit_test(what_cannot_be_sent_is_not_written),
        cmocka_unit_test(objects_without_a_place_are_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
