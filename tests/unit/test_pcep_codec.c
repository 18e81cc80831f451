/* SPDX-License-Identifier: Apache-2.0 */
/* PCEP messages: golden bytes of what we send, golden text of what others sent (tests/data/pcep/README.md says who),
 * every message cut at every length, what is refused and how, random messages there and back, LSPs there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "golden.h"
#include "pcep_random.h"
#include "pcep_samples.h"

#ifndef TEST_DATA
#define TEST_DATA "tests/data"
#endif

#define VECTORS_MAX 64

struct vector {
    char name[64];
    uint8_t bytes[512];
    size_t size;
};

static size_t vectors_read(const char *file, struct vector *vectors)
{
    AUTO_FREE char *path = xasprintf("%s/pcep/%s", TEST_DATA, file);
    FILE *in = fopen(path, "r");
    char line[256];
    size_t n = 0;

    assert_non_null(in);
    while (fgets(line, sizeof line, in)) {
        unsigned byte;

        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#') {
            assert_true(n < VECTORS_MAX);
            vectors[n] = (struct vector) {0};
            snprintf(vectors[n++].name, sizeof vectors[0].name, "%.60s", line + 2);
            continue;
        }
        for (const char *digits = line; sscanf(digits, "%2x", &byte) == 1; digits += 2) {
            assert_true(vectors[n - 1].size < sizeof vectors[0].bytes);
            vectors[n - 1].bytes[vectors[n - 1].size++] = (uint8_t) byte;
        }
    }
    fclose(in);
    assert_true(n > 0);
    return n;
}

/* What a message says, or why it is refused and how; returns the code. */
static int describe(struct strbuf *s, const uint8_t *bytes, size_t size)
{
    struct pcep_message message;
    struct pcep_refusal refusal;
    struct err err = {0};
    int rc = pcep_decode(bytes, size, &message, &refusal, &err);

    if (rc < 0) {
        assert_true(err.text[0]);
        strbuf_printf(s, "%s, answered with ", err.text);
        if (refusal.type) {
            AUTO_FREE char *answer = pcep_error_format(refusal.type, refusal.value);

            strbuf_puts(s, answer);
            if (refusal.has)
                strbuf_printf(s, " for %s %u", refusal.has & PCEP_HAS_SRP ? "SRP" : "RP", refusal.id);
            strbuf_puts(s, "\n");
        } else {
            strbuf_puts(s, "Close\n");
        }
        return rc;
    }
    AUTO_FREE char *text = pcep_message_format(&message);

    strbuf_printf(s, "%s\n", text);
    pcep_message_free(&message);
    return 0;
}

static void test_what_we_send(void **state)
{
    (void) state;
    static uint8_t bytes[PCEP_MESSAGE_MAX];
    struct strbuf hex = {0}, text = {0};

    for (unsigned i = 0; i < N_SAMPLES; i++) {
        struct wire w = wire_writer(bytes, sizeof bytes);
        struct pcep_message message;
        struct err err;

        const char *name = sample(i, &message);

        assert_int_equal(pcep_encode(&w, &message, &err), 0);
        pcep_message_free(&message);
        strbuf_printf(&hex, "%s# %s\n", i ? "\n" : "", name);
        for (size_t at = 0; at < w.pos; at++)
            strbuf_printf(&hex, "%02x%s", bytes[at], at % 48 == 47 || at + 1 == w.pos ? "\n" : "");
        strbuf_printf(&text, "# %s\n", name);
        assert_int_equal(describe(&text, bytes, w.pos), 0);
    }
    golden_text("pcep/sent.hex", hex.text);
    golden_text("pcep/sent.txt", text.text);
    strbuf_free(&hex);
    strbuf_free(&text);
}

static void described(const char *hex, const char *txt)
{
    static struct vector vectors[VECTORS_MAX];
    size_t n = vectors_read(hex, vectors);
    struct strbuf s = {0};

    for (size_t i = 0; i < n; i++) {
        strbuf_printf(&s, "# %s\n", vectors[i].name);
        describe(&s, vectors[i].bytes, vectors[i].size);
    }
    golden_text(txt, s.text);
    strbuf_free(&s);
}

static void test_what_opendaylight_has(void **state)
{
    (void) state;
    described("opendaylight.hex", "pcep/opendaylight.txt");
}

static void test_what_pathd_and_its_pce_sent(void **state)
{
    (void) state;
    described("pathd.hex", "pcep/pathd.txt");
}

/* Each message cut short, in memory of exactly that size, so that a read beyond it is caught. */
static void test_every_message_cut_at_every_length(void **state)
{
    (void) state;
    static const char *const files[] = {"sent.hex", "opendaylight.hex", "pathd.hex"};
    static struct vector vectors[VECTORS_MAX];

    for (size_t f = 0; f < ARRAY_LEN(files); f++) {
        size_t n = vectors_read(files[f], vectors);

        for (size_t i = 0; i < n; i++) {
            for (size_t size = 0; size < vectors[i].size; size++) {
                uint8_t *copy = xmemdup(vectors[i].bytes, size);
                struct strbuf s = {0};

                assert_true(describe(&s, copy, size) < 0);
                if (size >= PCEP_HEADER_SIZE) {
                    /* The same with a header that admits it: some are whole messages then, but none may read on. */
                    copy[2] = (uint8_t) (size >> 8);
                    copy[3] = (uint8_t) size;
                    describe(&s, copy, size);
                }
                strbuf_free(&s);
                free(copy);
            }
        }
    }
}

static void assert_described(const char *hex, const char *expected)
{
    uint8_t bytes[512];
    size_t size = 0;
    unsigned byte;
    struct strbuf s = {0};

    for (; sscanf(hex, " %2x", &byte) == 1; hex += strspn(hex, " ") + 2)
        bytes[size++] = (uint8_t) byte;
    bytes[2] = (uint8_t) (size >> 8);
    bytes[3] = (uint8_t) size;
    describe(&s, bytes, size);
    assert_string_equal(s.text, expected);
    strbuf_free(&s);
}

#define INITIATE "200c0000"
#define REPORT "200a0000"
#define SRP_5 " 2110000c0000000000000005"
#define LSP_1 " 2010000800001000"
#define EMPTY_ERO " 07100004"

static void test_what_is_refused(void **state)
{
    (void) state;
    assert_described(
        INITIATE SRP_5 LSP_1 " 63120004",
        "PCInitiate: an object at byte 24, of class 99 and type 1, is unknown, and must be heeded, answered "
        "with unknown object class (3/1) for SRP 5\n");
    assert_described(INITIATE SRP_5 LSP_1 " 63100004", "PCInitiate SRP 5 LSP 1 down\n"); /* P is not set */
    assert_described(INITIATE SRP_5 LSP_1 " 11120008 00000000",
                     "PCInitiate: XRO at byte 24, of class 17 and type 1, is not supported here, and must be heeded, "
                     "answered with not supported object class (4/1) for SRP 5\n");
    assert_described(
        INITIATE SRP_5 LSP_1 " 05720008 00000000",
        "PCInitiate: BANDWIDTH at byte 24, of class 5 and type 7, is not supported here, and must be heeded, "
        "answered with unknown object type (3/2) for SRP 5\n");
    assert_described(INITIATE SRP_5 LSP_1 " 0f120008 00000001",
                     "PCInitiate: CLOSE at byte 24, of class 15 and type 1, is not supported here, and must be heeded, "
                     "answered with not supported object class (4/1) for SRP 5\n");
    assert_described(INITIATE LSP_1, "PCInitiate: SRP is missing, answered with SRP object missing (6/10)\n");
    assert_described(INITIATE SRP_5, "PCInitiate: LSP is missing, answered with LSP object missing (6/8) for SRP 5\n");
    assert_described(REPORT LSP_1, "PCRpt: ERO is missing, answered with ERO object missing (6/9)\n");
    assert_described(REPORT, "PCRpt: LSP is missing, answered with LSP object missing (6/8)\n");
    assert_described("20010000", "Open: the object OPEN is missing, answered with the first message is no valid Open "
                                 "(1/1)\n");
    assert_described("20070000", "Close: its object is missing, answered with Close\n");
    assert_described("20060000", "PCErr: its object is missing, answered with Close\n");
}

static void test_lengths_that_cannot_be(void **state)
{
    (void) state;
    assert_described(REPORT " 20100000", "PCRpt: LSP at byte 4: its length 0 cannot be, answered with Close\n");
    assert_described(REPORT " 2010000c 00001000",
                     "PCRpt: LSP at byte 4: its length 12 cannot be, answered with Close\n");
    assert_described(REPORT " 20100004" EMPTY_ERO,
                     "PCRpt: LSP at byte 4, of 4 bytes: message is shorter than its content, answered with malformed "
                     "object (10/11)\n");
    assert_described(REPORT " 20100010 00001000 00110008 61626300",
                     "PCRpt: LSP at byte 4, of 16 bytes: a TLV of type 17 leaves its object, answered with malformed "
                     "object (10/11)\n");
    assert_described(
        REPORT " 20100010 00001000 00110003 61000000",
        "PCRpt: LSP at byte 4, of 16 bytes: TLV SYMBOLIC-PATH-NAME of 3 bytes: a name with byte 0x00, which "
        "is no printable ASCII, answered with malformed object (10/11)\n");
    assert_described(
        REPORT " 20100010 00001000 00120004 01020304",
        "PCRpt: LSP at byte 4, of 16 bytes: TLV IPV4-LSP-IDENTIFIERS of 4 bytes: message is shorter than its "
        "content, answered with malformed object (10/11)\n");
    assert_described(REPORT LSP_1 " 0710000c 01080a00 00012000", "PCRpt LSP 1 down ERO [10.0.0.1]\n");
    assert_described(
        REPORT LSP_1 " 0710000c 010c0a00 00012000",
        "PCRpt: ERO at byte 12, of 12 bytes: the sub-object at byte 0 has a length that cannot be, answered "
        "with malformed object (10/11)\n");
    assert_described(
        REPORT LSP_1 " 0710000c 01000a00 00012000",
        "PCRpt: ERO at byte 12, of 12 bytes: the sub-object at byte 0 has a length that cannot be, answered "
        "with malformed object (10/11)\n");
    assert_described(REPORT LSP_1 " 07100008 01040a00",
                     "PCRpt: ERO at byte 12, of 8 bytes: the sub-object at byte 0 contradicts itself, answered with "
                     "malformed object (10/11)\n");
    assert_described(REPORT LSP_1 " 0710000c 01080a00 00012100",
                     "PCRpt: ERO at byte 12, of 12 bytes: the sub-object at byte 0 contradicts itself, answered with "
                     "malformed object (10/11)\n");
    assert_described(REPORT LSP_1 " 07100010 2004ffff 01080a00 00012000",
                     "PCRpt LSP 1 down ERO [10.0.0.1] of which 1 sub-objects are not known\n");
    assert_described(
        REPORT LSP_1 " 07100014 01080a00 00012000 24080009 03e81000",
        "PCRpt: ERO at byte 12, of 20 bytes: the sub-object at byte 8 mixes segments with other sub-objects, "
        "answered with malformed object (10/11)\n");
    assert_described("20010000 01100008", "Open: OPEN at byte 4: its length 8 cannot be, answered with the first "
                                          "message is no valid Open (1/1)\n");
}

/* What RFC 8779 adds, which we do not send: generalized bandwidth; and what of an RRO is skipped. */
static void test_what_is_only_read(void **state)
{
    (void) state;
    /* Ethernet, RFC 6003: CIR 1,250,000 bytes/s */
    assert_described(INITIATE SRP_5 LSP_1 " 0530002c 001c0000 06000000 000005dc"
                                          " 00020018 01010000 49989680 49989680 00000000 00000000 00000000",
                     "PCInitiate SRP 5 LSP 1 down 10000000 bit/s\n");
    /* Intserv, RFC 2210 */
    assert_described(INITIATE SRP_5 LSP_1 " 05300030 00240000 02000000 00000007 01000006 7f000005"
                                          " 49989680 49989680 49989680 00000000 000005dc 00000000",
                     "PCInitiate SRP 5 LSP 1 down 10000000 bit/s\n");
    assert_described(
        INITIATE SRP_5 LSP_1 " 05300010 00040000 04000000 00000000",
        "PCInitiate: BANDWIDTH at byte 24, of 16 bytes: traffic parameters of type 4, answered with malformed "
        "object (10/11) for SRP 5\n");
    assert_described(
        INITIATE SRP_5 LSP_1 " 05300010 00080000 06000000 00000000",
        "PCInitiate: BANDWIDTH at byte 24, of 16 bytes: message is shorter than its content, answered with "
        "malformed object (10/11) for SRP 5\n");
    /* RRO: IPv6 */
    assert_described(REPORT LSP_1 EMPTY_ERO " 08100020 02140000 00000000 00000000 00000000 00010000 01080a00 00012000",
                     "PCRpt LSP 1 down ERO [] RRO [10.0.0.1]\n");
    /* Two errors, each after its request; then as pathd writes it, the request after the error. */
    assert_described("20060000" SRP_5 " 0d100008 00001801" SRP_5 " 0d100008 00001802",
                     "PCErr SRP 5 unacceptable instantiation parameters (24/1); SRP 5 internal error (24/2)\n");
    assert_described("20060000" SRP_5 SRP_5 " 0d100008 00001801",
                     "PCErr SRP 5 unacceptable instantiation parameters (24/1); SRP 5 unacceptable instantiation "
                     "parameters (24/1)\n");
    assert_described("20060000 0d100008 00001801" SRP_5 SRP_5,
                     "PCErr SRP 5 unacceptable instantiation parameters (24/1); SRP 5 unacceptable instantiation "
                     "parameters (24/1)\n");
    assert_described("20060000 0d100008 00000104 01100008 201e7800",
                     "PCErr version 1 keepalive 30 s dead 120 s sid 0 unacceptable session characteristics, negotiable "
                     "(1/4)\n");
    assert_described("20630000 ffffffff", "a message of an unknown type\n");
}

static void test_too_many(void **state)
{
    (void) state;
    static uint8_t bytes[PCEP_MESSAGE_MAX];
    struct wire w = wire_writer(bytes, sizeof bytes);
    struct strbuf s = {0};

    wire_put_u32(&w, 0x200a0000);
    for (unsigned i = 0; i <= PCEP_ITEMS_MAX; i++) {
        wire_put_u32(&w, 0x20100008);
        wire_put_u32(&w, i << 12);
    }
    wire_patch_u16(&w, 2, (uint16_t) w.pos);
    assert_int_equal(describe(&s, bytes, w.pos), ERR_TOO_LARGE);
    strbuf_clear(&s);
    w = wire_writer(bytes, sizeof bytes);
    wire_put_u32(&w, 0x200a0000);
    wire_put_u32(&w, 0x20100008);
    wire_put_u32(&w, 1 << 12);
    wire_put_u16(&w, 0x0710);
    wire_put_u16(&w, 4 + 8 * (LSP_HOPS_MAX + 1));
    for (unsigned i = 0; i <= LSP_HOPS_MAX; i++)
        wire_put_u64(&w, 0x01080a0000012000);
    wire_patch_u16(&w, 2, (uint16_t) w.pos);
    assert_int_equal(describe(&s, bytes, w.pos), ERR_TOO_LARGE);
    strbuf_free(&s);
}

/* Random messages */

static void assert_items_equal(struct pcep_item a, struct pcep_item b)
{
    assert_true(lsp_route_equal(&a.ero, &b.ero));
    assert_true(lsp_route_equal(&a.rro, &b.rro));
    assert_int_equal(a.n_segments, b.n_segments);
    for (size_t i = 0; i < a.n_segments; i++) {
        assert_int_equal(a.segments[i].loose, b.segments[i].loose);
        assert_int_equal(a.segments[i].nai_type, b.segments[i].nai_type);
        assert_int_equal(a.segments[i].has_sid, b.segments[i].has_sid);
        assert_int_equal(a.segments[i].mpls, b.segments[i].mpls);
        assert_int_equal(a.segments[i].complete, b.segments[i].complete);
        assert_int_equal(a.segments[i].sid, b.segments[i].sid);
        assert_memory_equal(a.segments[i].nai, b.segments[i].nai, sizeof a.segments[i].nai);
    }
    assert_string_equal(a.name, b.name);
    assert_int_equal(a.has, b.has);
    assert_int_equal(a.flags, b.flags);
    assert_int_equal(a.exclude_any, b.exclude_any);
    assert_int_equal(a.include_any, b.include_any);
    assert_int_equal(a.include_all, b.include_all);
    assert_int_equal(a.error.interface_id, b.error.interface_id);
    assert_int_equal(a.error.interface_ip, b.error.interface_ip);
}

static void test_random_messages_there_and_back(void **state)
{
    (void) state;
    static const uint32_t rsvp = PCEP_HAS_NAME | PCEP_HAS_IDENTIFIERS | PCEP_HAS_LSP_ERROR | PCEP_HAS_RSVP_ERROR |
                                 PCEP_HAS_EXTENDED | PCEP_HAS_ENDPOINTS | PCEP_HAS_GENERALIZED_ENDPOINTS |
                                 PCEP_HAS_LSPA | PCEP_HAS_BANDWIDTH | PCEP_HAS_METRIC | PCEP_HAS_SETUP;
    static const uint8_t types[] = {PCEP_REPORT, PCEP_UPDATE, PCEP_INITIATE};
    static uint8_t bytes[PCEP_MESSAGE_MAX];
    struct rng rng = {.state = 42};

    for (unsigned round = 0; round < 3000; round++) {
        struct pcep_message there = {.type = types[rng_below(&rng, 3)]}, back;
        struct pcep_refusal refusal;
        struct err err = {0};
        struct wire w = wire_writer(bytes, sizeof bytes);

        for (uint32_t n = 1 + rng_below(&rng, 3); n > 0; n--) {
            struct pcep_item *item = pcep_message_add(&there);
            uint32_t must = PCEP_HAS_LSP | PCEP_HAS_SRP | PCEP_HAS_ERO;

            random_item(&rng, item, rsvp | must | (there.type == PCEP_REPORT ? PCEP_HAS_RRO : 0));
            item->has |= must;
        }
        assert_int_equal(pcep_encode(&w, &there, &err), 0);
        assert_int_equal(pcep_decode(bytes, w.pos, &back, &refusal, &err), 0);
        assert_int_equal(there.n_items, back.n_items);
        AUTO_FREE char *sent = pcep_message_format(&there);
        AUTO_FREE char *got = pcep_message_format(&back);

        assert_string_equal(sent, got);
        for (size_t i = 0; i < there.n_items; i++)
            assert_items_equal(there.items[i], back.items[i]);
        pcep_message_free(&there);
        pcep_message_free(&back);
    }
}

/* LSPs */

static void assert_request_comes_back(const struct lsp_request *request)
{
    struct pcep_item item = {0};
    struct lsp_request back;
    struct err err;

    pcep_item_from_request(&item, request, true);
    assert_int_equal(pcep_item_to_request(&item, &back, &err), 0);
    assert_string_equal(request->name, back.name);
    assert_true(lsp_route_equal(&request->route, &back.route));
    assert_int_equal(request->ingress_client.interface, back.ingress_client.interface);
    assert_int_equal(request->ingress_client.vlan, back.ingress_client.vlan);
    assert_int_equal(request->egress_client.interface, back.egress_client.interface);
    assert_int_equal(request->egress_client.vlan, back.egress_client.vlan);
    assert_int_equal(request->ingress, back.ingress);
    assert_int_equal(request->egress, back.egress);
    assert_int_equal(request->bandwidth_bps, back.bandwidth_bps);
    assert_int_equal(request->setup_priority, back.setup_priority);
    assert_int_equal(request->holding_priority, back.holding_priority);
    assert_int_equal(request->exclude_any, back.exclude_any);
    assert_int_equal(request->include_any, back.include_any);
    assert_int_equal(request->include_all, back.include_all);
    lsp_request_free(&back);
    pcep_item_free(&item);
}

static void test_a_request_comes_back(void **state)
{
    (void) state;
    struct lsp_request request = sample_request();

    assert_request_comes_back(&request);
    request.egress_client = (struct lsp_client) {.interface = 3, .vlan = CLIENT_VLAN_NONE};
    assert_request_comes_back(&request);
    request.ingress_client = (struct lsp_client) {0};
    assert_request_comes_back(&request);
    request.egress_client = (struct lsp_client) {0};
    assert_request_comes_back(&request);
    /* A link without addresses whose far end is the egress is no client. */
    lsp_route_add(&request.route, (struct lsp_hop) {.type = HOP_UNNUMBERED, .address = request.egress, .interface = 3});
    assert_request_comes_back(&request);
    lsp_route_free(&request.route);
    assert_request_comes_back(&request);
    lsp_request_free(&request);
}

static void test_a_report_comes_back(void **state)
{
    (void) state;
    for (unsigned i = 0; i < 4; i++) {
        struct lsp_report report = sample_report(i == 1), back;
        struct pcep_item item = {0};
        struct err err;

        if (i == 2)
            report.ingress_client = report.egress_client = (struct lsp_client) {0};
        if (i == 3) {
            report.egress_client = (struct lsp_client) {0};
            report.record.hops[report.record.n - 3] = (struct lsp_hop) {
                .type = HOP_UNNUMBERED, .address = report.egress, .interface = 4};
        }
        pcep_item_from_report(&item, &report, true);
        assert_int_equal(pcep_item_to_report(&item, &back, &err), 0);
        assert_string_equal(report.name, back.name);
        assert_true(lsp_route_equal(&report.route, &back.route));
        assert_true(lsp_route_equal(&report.record, &back.record));
        assert_int_equal(report.state, back.state);
        assert_int_equal(report.ingress, back.ingress);
        assert_int_equal(report.egress, back.egress);
        assert_int_equal(report.tunnel_id, back.tunnel_id);
        assert_int_equal(report.lsp_id, back.lsp_id);
        assert_int_equal(report.bandwidth_bps, back.bandwidth_bps);
        assert_int_equal(report.ingress_client.interface, back.ingress_client.interface);
        assert_int_equal(report.ingress_client.vlan, back.ingress_client.vlan);
        assert_int_equal(report.egress_client.interface, back.egress_client.interface);
        assert_int_equal(report.egress_client.vlan, back.egress_client.vlan);
        assert_int_equal(report.error.code, back.error.code);
        assert_int_equal(report.error.node, back.error.node);
        assert_int_equal(report.error.interface_ip, back.error.interface_ip);
        assert_int_equal(report.error.path_state_removed, back.error.path_state_removed);
        lsp_report_free(&report);
        lsp_report_free(&back);
        pcep_item_free(&item);
    }
}

static void test_a_request_that_cannot_be(void **state)
{
    (void) state;
    struct lsp_request request = sample_request(), back;
    struct pcep_item item = {0};
    struct err err = {0};

    pcep_item_from_request(&item, &request, false);
    assert_false(item.has & PCEP_HAS_EXTENDED);
    item.ero.hops[1].label = 70000;
    assert_int_equal(pcep_item_to_request(&item, &back, &err), ERR_UNSUPPORTED);
    assert_string_equal(err.text, "the label of a client's interface, 70000, is no VLAN");
    lsp_request_free(&back);
    item.ero.hops[1].label = 70;
    item.holding_priority = 5;
    assert_int_equal(pcep_item_to_request(&item, &back, &err), ERR_INVALID);
    lsp_request_free(&back);
    item.holding_priority = 3;
    item.n_unknown = 1;
    assert_int_equal(pcep_item_to_request(&item, &back, &err), ERR_UNSUPPORTED);
    lsp_request_free(&back);
    pcep_item_free(&item);
    item = (struct pcep_item) {0};
    sample_segments(&item);
    assert_int_equal(pcep_item_to_request(&item, &back, &err), ERR_UNSUPPORTED);
    lsp_request_free(&back);
    pcep_item_free(&item);
    lsp_request_free(&request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_we_send),
        cmocka_unit_test(test_what_opendaylight_has),
        cmocka_unit_test(test_what_pathd_and_its_pce_sent),
        cmocka_unit_test(test_every_message_cut_at_every_length),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_lengths_that_cannot_be),
        cmocka_unit_test(test_what_is_only_read),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_random_messages_there_and_back),
        cmocka_unit_test(test_a_request_comes_back),
        cmocka_unit_test(test_a_report_comes_back),
        cmocka_unit_test(test_a_request_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
