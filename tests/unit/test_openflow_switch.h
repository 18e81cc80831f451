/* SPDX-License-Identifier: Apache-2.0 */
/* A switch for transcripts of a session: it says what the test tells it to, and shows as text what the session sent and
 * which events it raised. "<--" is what the switch sends, "-->" what the session sends. */
#ifndef TESTS_UNIT_TEST_OPENFLOW_SWITCH_H
#define TESTS_UNIT_TEST_OPENFLOW_SWITCH_H

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
#include "proto/openflow/openflow_session.h"

#define SENT_MAX 64
#define TEST_DPID UINT64_C(0x5c6700000001)

struct peer {
    struct of_session *session;
    struct mono now;
    uint32_t xids[SENT_MAX]; /* of the messages that the last assert_sent() saw */
    size_t n_xids;
};

/* What the session sent */

static inline void show_experimenter(struct strbuf *s, struct wire *r)
{
    static const char *const controls[] = {"open", NULL, "close", NULL, "commit", NULL, "discard", NULL};

    wire_skip(r, 4);
    uint32_t type = wire_get_u32(r), bundle = wire_get_u32(r);
    uint16_t control = wire_get_u16(r);

    assert_int_equal(wire_get_u16(r), 3); /* atomic, ordered */
    if (type == 2300) {
        strbuf_printf(s, "bundle %" PRIu32 " %s", bundle, controls[control]);
        return;
    }
    wire_skip(r, OF_HEADER_SIZE);
    strbuf_printf(s, "bundle %" PRIu32 " add cookie %" PRIu64, bundle, wire_get_u64(r));
    wire_skip(r, 9);
    strbuf_printf(s, " command %u", wire_get_u8(r));
}

static inline void show_message(struct strbuf *s, const struct of_header *header, struct wire *r)
{
    static const char *const meter_commands[] = {"add", "modify", "delete"};
    uint16_t command;

    wire_skip(r, OF_HEADER_SIZE);
    switch (header->type) {
    case OFPT_EXPERIMENTER:
        show_experimenter(s, r);
        break;
    case OFPT_METER_MOD:
        command = wire_get_u16(r);
        wire_skip(r, 2);
        strbuf_printf(s, "meter %s %" PRIu32, meter_commands[command], wire_get_u32(r));
        break;
    case OFPT_MULTIPART_REQUEST:
        strbuf_printf(s, "multipart %u", wire_get_u16(r));
        break;
    case OFPT_ERROR:
        command = wire_get_u16(r);
        strbuf_printf(s, "error %u/%u", command, wire_get_u16(r));
        break;
    default:
        strbuf_puts(s, of_type_name(header->type));
        break;
    }
    strbuf_puts(s, "\n");
}

/* Takes all that the session has to send; 'expected' has a line a message. */
static inline void assert_sent(struct peer *peer, const char *expected)
{
    size_t size;
    const uint8_t *bytes = of_session_output(peer->session, &size);
    struct strbuf s = {0};

    strbuf_puts(&s, "");
    peer->n_xids = 0;
    for (size_t at = 0; at < size;) {
        struct of_header header;
        struct wire r;

        assert_int_equal(of_header_decode(bytes + at, size - at, &header), 0);
        assert_int_equal(header.version, OF_VERSION);
        assert_true(header.length <= size - at);
        r = wire_reader(bytes + at, header.length);
        assert_true(peer->n_xids < SENT_MAX);
        peer->xids[peer->n_xids++] = header.xid;
        show_message(&s, &header, &r);
        at += header.length;
    }
    of_session_sent(peer->session, size);
    assert_string_equal(s.text, expected);
    strbuf_free(&s);
}

/* What the switch sends */

static inline void receive(struct peer *peer, const struct wire *w)
{
    assert_true(wire_ok(w));
    of_session_receive(peer->session, w->data, w->pos, peer->now);
}

static inline size_t begin(struct wire *w, uint8_t version, uint8_t type, uint32_t xid)
{
    size_t start = w->pos;

    wire_put_u8(w, version);
    wire_put_u8(w, type);
    wire_put_u16(w, 0);
    wire_put_u32(w, xid);
    return start;
}

static inline void end(struct wire *w, size_t start)
{
    wire_patch_u16(w, start + 2, (uint16_t) (w->pos - start));
}

/* A message with 'body' after the header. */
static inline void switch_sends(struct peer *peer, uint8_t type, uint32_t xid, const void *body, size_t size)
{
    static uint8_t bytes[OF_MESSAGE_MAX];
    struct wire w = wire_writer(bytes, sizeof bytes);
    size_t start = begin(&w, OF_VERSION, type, xid);

    wire_put(&w, body, size);
    end(&w, start);
    receive(peer, &w);
}

static inline void switch_hello(struct peer *peer, uint8_t version)
{
    uint8_t bytes[8];
    struct wire w = wire_writer(bytes, sizeof bytes);

    end(&w, begin(&w, version, OFPT_HELLO, 1));
    receive(peer, &w);
}

static inline void switch_error(struct peer *peer, uint32_t xid, uint16_t type, uint16_t code)
{
    uint8_t body[12];
    struct wire w = wire_writer(body, sizeof body);

    wire_put_u16(&w, type);
    wire_put_u16(&w, code);
    wire_put_u32(&w, 0x04040008); /* about an experimenter message */
    wire_put_u32(&w, xid);
    switch_sends(peer, OFPT_ERROR, xid, body, sizeof body);
}

static inline void switch_barrier(struct peer *peer, uint32_t xid)
{
    switch_sends(peer, OFPT_BARRIER_REPLY, xid, NULL, 0);
}

static inline void switch_bundle(struct peer *peer, uint32_t xid, uint32_t bundle, uint16_t type)
{
    uint8_t body[16];
    struct wire w = wire_writer(body, sizeof body);

    wire_put_u32(&w, OF_EXPERIMENTER_ONF);
    wire_put_u32(&w, 2300);
    wire_put_u32(&w, bundle);
    wire_put_u16(&w, type);
    wire_put_u16(&w, 0);
    switch_sends(peer, OFPT_EXPERIMENTER, xid, body, sizeof body);
}

static inline void switch_features(struct peer *peer, uint32_t xid, uint8_t auxiliary)
{
    uint8_t body[24] = {0};
    struct wire w = wire_writer(body, sizeof body);

    wire_put_u64(&w, TEST_DPID);
    wire_put_u32(&w, 0);
    wire_put_u8(&w, 254);
    wire_put_u8(&w, auxiliary);
    switch_sends(peer, OFPT_FEATURES_REPLY, xid, body, sizeof body);
}

static inline void put_port(struct wire *w, uint32_t number, const char *name, bool link_down)
{
    char text[16] = {0};

    memcpy(text, name, strlen(name));
    wire_put_u32(w, number);
    wire_put_zeros(w, 4);
    wire_put(w, (const uint8_t[]) {2, 0, 0, 0, 0, (uint8_t) number}, 6);
    wire_put_zeros(w, 2);
    wire_put(w, text, sizeof text);
    wire_put_u32(w, 0);
    wire_put_u32(w, link_down);
    wire_put_zeros(w, 24);
}

static inline void switch_multipart(struct peer *peer, uint32_t xid, uint16_t type, bool more, const void *body,
                                    size_t size)
{
    static uint8_t bytes[OF_MESSAGE_MAX];
    struct wire w = wire_writer(bytes, sizeof bytes);
    size_t start = begin(&w, OF_VERSION, OFPT_MULTIPART_REPLY, xid);

    wire_put_u16(&w, type);
    wire_put_u16(&w, more);
    wire_put_zeros(&w, 4);
    wire_put(&w, body, size);
    end(&w, start);
    receive(peer, &w);
}

static inline void switch_ports(struct peer *peer, uint32_t xid)
{
    uint8_t body[128];
    struct wire w = wire_writer(body, sizeof body);

    put_port(&w, 1, "eth1", false);
    put_port(&w, 2, "eth2", true);
    switch_multipart(peer, xid, OFPMP_PORT_DESC, true, body, 64);
    switch_multipart(peer, xid, OFPMP_PORT_DESC, false, body + 64, 64);
}

/* Events */

static inline void show_event(struct strbuf *s, const struct of_event *event)
{
    AUTO_FREE char *flow = NULL;

    switch (event->type) {
    case OF_EVENT_UP:
        strbuf_printf(s, "UP %016" PRIx64 " meters %" PRIu32 " '%s'", event->up.features.dpid, event->up.max_meters,
                      event->up.desc.software);
        for (size_t i = 0; i < event->up.n_ports; i++)
            strbuf_printf(s, " %" PRIu32 "=%s", event->up.ports[i].number, event->up.ports[i].name);
        break;
    case OF_EVENT_DOWN:
        strbuf_printf(s, "DOWN %s: %s", err_id(event->err.code), event->err.text);
        break;
    case OF_EVENT_PORT_STATUS:
        strbuf_printf(s, "PORT_STATUS %u %s %s", event->port_status.reason, event->port_status.port.name,
                      event->port_status.port.link_down ? "down" : "up");
        break;
    case OF_EVENT_PACKET_IN:
        strbuf_printf(s, "PACKET_IN port %" PRIu32 " %zu bytes", event->packet_in.in_port, event->packet_in.frame.size);
        break;
    case OF_EVENT_FLOW_UPDATE:
        strbuf_printf(s, "FLOW_UPDATE %u table %u", event->flow_update.event, event->flow_update.table);
        break;
    case OF_EVENT_FLOW:
        flow = flow_format(&event->flow);
        strbuf_printf(s, "FLOW %" PRIu64 " %s", event->request, flow);
        break;
    case OF_EVENT_METER:
        strbuf_printf(s, "METER %" PRIu64 " %" PRIu32 " %" PRIu32 "%s", event->request, event->meter.id,
                      event->meter.rate, event->meter.packets ? " packets/s" : "");
        break;
    case OF_EVENT_PORT:
        strbuf_printf(s, "PORT %" PRIu64 " %s", event->request, event->port_status.port.name);
        break;
    case OF_EVENT_DONE:
        strbuf_printf(s, "DONE %" PRIu64 " %s%s%s", event->request, err_id(event->err.code),
                      event->err.code ? ": " : "", event->err.text);
        break;
    case OF_EVENT_ERROR:
        strbuf_printf(s, "ERROR %s: %s", err_id(event->err.code), event->err.text);
        break;
    }
    strbuf_puts(s, "\n");
}

static inline void assert_events(struct peer *peer, const char *expected)
{
    struct strbuf s = {0};
    struct of_event event;

    strbuf_puts(&s, "");
    while (of_session_event(peer->session, &event)) {
        show_event(&s, &event);
        of_event_free(&event);
    }
    assert_string_equal(s.text, expected);
    strbuf_free(&s);
}

/* Whole openings */

static inline struct peer peer_connect(void)
{
    struct mono now = {1000};

    return (struct peer) {.session = of_session_new(&OF_SESSION_DEFAULTS, now), .now = now};
}

#define HANDSHAKE "OFPT_FEATURES_REQUEST\nmultipart 0\nmultipart 11\nmultipart 13\nOFPT_SET_CONFIG\n"

static inline struct peer peer_up(void)
{
    struct peer peer = peer_connect();
    uint8_t meters[16] = {0, 0, 0, 100};

    assert_sent(&peer, "OFPT_HELLO\n");
    switch_hello(&peer, OF_VERSION);
    assert_sent(&peer, HANDSHAKE);
    switch_features(&peer, peer.xids[0], 0);
    switch_error(&peer, peer.xids[1], OFPET_BAD_REQUEST, 2);
    switch_multipart(&peer, peer.xids[2], OFPMP_METER_FEATURES, false, meters, sizeof meters);
    switch_ports(&peer, peer.xids[3]);
    assert_events(&peer, "UP 00005c6700000001 meters 100 '' 1=eth1 2=eth2\n");
    assert_true(of_session_is_up(peer.session));
    return peer;
}

static inline void peer_wait(struct peer *peer, int64_t ms)
{
    peer->now = mono_add(peer->now, ms);
    of_session_tick(peer->session, peer->now);
}

#endif
