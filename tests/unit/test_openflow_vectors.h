/* SPDX-License-Identifier: Apache-2.0 */
/* Messages in tests/data/openflow/NAME.hex ("# name", then hex digits over some lines), and messages as text. */
#ifndef TESTS_UNIT_TEST_OPENFLOW_VECTORS_H
#define TESTS_UNIT_TEST_OPENFLOW_VECTORS_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "proto/openflow/openflow.h"

#ifndef TEST_DATA
#define TEST_DATA "tests/data"
#endif

struct vector {
    char name[64];
    uint8_t *bytes;
    size_t size, capacity;
};

struct vectors {
    struct vector *list;
    size_t n, capacity;
};

static inline void vectors_add_hex(struct vector *vector, const char *digits)
{
    unsigned byte;

    for (; sscanf(digits, "%2x", &byte) == 1; digits += 2) {
        vector->bytes = array_reserve(vector->bytes, vector->size, &vector->capacity, 1);
        vector->bytes[vector->size++] = (uint8_t) byte;
    }
}

static inline struct vectors vectors_read(const char *name)
{
    AUTO_FREE char *path = xasprintf("%s/openflow/%s", TEST_DATA, name);
    struct vectors vectors = {0};
    char line[256];
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#') {
            vectors.list = array_reserve(vectors.list, vectors.n, &vectors.capacity, sizeof vectors.list[0]);
            vectors.list[vectors.n] = (struct vector) {0};
            snprintf(vectors.list[vectors.n++].name, sizeof vectors.list[0].name, "%.60s", line + 2);
        } else if (line[0]) {
            assert_true(vectors.n > 0);
            vectors_add_hex(&vectors.list[vectors.n - 1], line);
        }
    }
    fclose(file);
    assert_true(vectors.n > 0);
    return vectors;
}

static inline void vectors_free(struct vectors *vectors)
{
    for (size_t i = 0; i < vectors->n; i++)
        free(vectors->list[i].bytes);
    free(vectors->list);
}

static inline void describe_hex(struct strbuf *s, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        strbuf_printf(s, "%02x", bytes[i]);
}

static inline void describe_flow(struct strbuf *s, const struct flow *flow)
{
    AUTO_FREE char *text = flow_format(flow);

    strbuf_printf(s, "  %s packets=%" PRIu64 " bytes=%" PRIu64 "\n", text, flow->packets, flow->bytes);
}

static inline void describe_port(struct strbuf *s, const struct of_port *port)
{
    char mac[MAC_TEXT_SIZE];

    strbuf_printf(s, "  port %" PRIu32 " '%s' %s%s%s speed %" PRIu32 "/%" PRIu32 "\n", port->number, port->name,
                  mac_format(&port->mac, mac), port->config_down ? " config-down" : "",
                  port->link_down ? " link-down" : "", port->curr_speed, port->max_speed);
}

/* The objects of a multipart reply; returns the first error, or 0. */
static inline int describe_multipart(struct strbuf *s, const struct of_multipart *multipart, struct err *err)
{
    struct wire body = multipart->body;
    struct flow flow;
    struct of_port port;
    struct flow_meter meter;
    struct of_desc desc;
    uint32_t max;
    int rc = 0;

    strbuf_printf(s, "  multipart %u%s\n", multipart->type, multipart->more ? " more" : "");
    switch (multipart->type) {
    case OFPMP_FLOW:
        while ((rc = of_flow_stats_next(&body, &flow, err)) > 0) {
            describe_flow(s, &flow);
            flow_free(&flow);
        }
        break;
    case OFPMP_PORT_DESC:
        while ((rc = of_port_desc_next(&body, &port, err)) > 0)
            describe_port(s, &port);
        break;
    case OFPMP_METER_CONFIG:
        while ((rc = of_meter_config_next(&body, &meter, err)) > 0)
            strbuf_printf(s, "  meter %" PRIu32 " rate %" PRIu32 " burst %" PRIu32 "\n", meter.id, meter.rate,
                          meter.burst);
        break;
    case OFPMP_METER_FEATURES:
        rc = of_meter_features_decode(&body, &max, err);
        if (rc == 0)
            strbuf_printf(s, "  at most %" PRIu32 " meters\n", max);
        break;
    case OFPMP_DESC:
        rc = of_desc_decode(&body, &desc, err);
        if (rc == 0)
            strbuf_printf(s, "  '%s' '%s' '%s' '%s' '%s'\n", desc.manufacturer, desc.hardware, desc.software,
                          desc.serial, desc.datapath);
        break;
    default:
        break;
    }
    return rc;
}

static inline int describe_body(struct strbuf *s, const struct of_message *m, struct err *err)
{
    char name[OF_ERROR_TEXT_SIZE];

    switch (m->header.type) {
    case OFPT_HELLO:
        strbuf_printf(s, "  bitmap %s 0x%x\n", m->hello.has_bitmap ? "yes" : "no", m->hello.bitmap);
        break;
    case OFPT_ERROR:
        strbuf_printf(s, "  %s about ", of_error_format(&m->error, name));
        describe_hex(s, m->error.data.data, m->error.data.size);
        strbuf_puts(s, "\n");
        break;
    case OFPT_ECHO_REQUEST:
    case OFPT_ECHO_REPLY:
        strbuf_printf(s, "  %zu bytes\n", m->echo.size);
        break;
    case OFPT_EXPERIMENTER:
        if (m->is_bundle)
            strbuf_printf(s, "  bundle %" PRIu32 " type %u flags %u\n", m->bundle.id, m->bundle.type, m->bundle.flags);
        break;
    case OFPT_FEATURES_REPLY:
        strbuf_printf(s, "  dpid %016" PRIx64 " buffers %" PRIu32 " tables %u auxiliary %u capabilities 0x%x\n",
                      m->features.dpid, m->features.n_buffers, m->features.n_tables, m->features.auxiliary_id,
                      m->features.capabilities);
        break;
    case OFPT_PACKET_IN:
        strbuf_printf(s, "  port %" PRIu32 " cookie 0x%" PRIx64 " table %u reason %u size %u frame ",
                      m->packet_in.in_port, m->packet_in.cookie, m->packet_in.table, m->packet_in.reason,
                      m->packet_in.total_size);
        describe_hex(s, m->packet_in.frame.data, m->packet_in.frame.size);
        strbuf_puts(s, "\n");
        break;
    case OFPT_PORT_STATUS:
        strbuf_printf(s, "  reason %u\n", m->port_status.reason);
        describe_port(s, &m->port_status.port);
        break;
    case OFPT_MULTIPART_REPLY:
        return describe_multipart(s, &m->multipart, err);
    default:
        break;
    }
    return 0;
}

/* A controller sends these and never reads them, but the match and the instructions are those of a reply. */
static inline int describe_flow_mod(struct strbuf *s, const uint8_t *bytes, size_t size, struct err *err)
{
    struct wire r = wire_reader(bytes, size);
    struct flow flow = flow_make(0, 0, 0);
    int rc;

    wire_skip(&r, 48);
    if ((rc = of_match_decode(&r, &flow.match, &flow.has_unknown, err)) < 0 ||
        (rc = of_instructions_decode(&r, &flow, err)) < 0)
        return rc;
    describe_flow(s, &flow);
    flow_free(&flow);
    return 0;
}

/* Decodes and describes; returns the first error of the message or of an object in it, or 0. */
static inline int describe(struct strbuf *s, const uint8_t *bytes, size_t size)
{
    struct of_message message;
    struct err err = {0};
    int rc = of_decode(bytes, size, &message, &err);

    if (rc == 0) {
        strbuf_printf(s, "%s xid 0x%x length %u\n", of_type_name(message.header.type), message.header.xid,
                      message.header.length);
        rc = message.header.type == OFPT_FLOW_MOD ? describe_flow_mod(s, bytes, size, &err) :
                                                    describe_body(s, &message, &err);
    }
    if (rc < 0)
        strbuf_printf(s, "  %s: %s\n", err_id(rc), err.text);
    return rc;
}

static inline int encode_one(const struct flow_mod *mod, struct err *err)
{
    static uint8_t bytes[OF_MESSAGE_MAX];
    struct wire w = wire_writer(bytes, sizeof bytes);

    return of_flow_mod_encode(&w, 1, mod, err);
}

/* One flow of a reply, from the hex digits of its match and instructions. */
static inline int decode_flow(const char *hex, struct flow *flow, struct err *err)
{
    struct vector vector = {0};
    uint8_t bytes[4096] = {0};
    struct wire w = wire_writer(bytes, sizeof bytes);

    vectors_add_hex(&vector, hex);
    wire_put_u16(&w, (uint16_t) (48 + vector.size));
    wire_put_zeros(&w, 46);
    wire_put(&w, vector.bytes, vector.size);
    free(vector.bytes);
    struct wire r = wire_reader(bytes, w.pos);

    return of_flow_stats_next(&r, flow, err);
}

static inline void decoded_as(const char *hex, const char *expected)
{
    struct flow flow;
    struct err err = {0};

    if (decode_flow(hex, &flow, &err) != 1)
        fail_msg("%s: %s", hex, err.text);
    AUTO_FREE char *text = flow_format(&flow);

    assert_string_equal(text, expected);
    flow_free(&flow);
}

#define FLOW_HEAD "cookie=0x0,table=0,priority=0,"
#define NO_MATCH "0001000400000000"

static inline void refused(const char *hex, const char *reason)
{
    struct flow flow;
    struct err err = {0};

    assert_true(decode_flow(hex, &flow, &err) < 0);
    assert_string_equal(err.text, reason);
}

#endif
