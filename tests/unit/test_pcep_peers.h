/* SPDX-License-Identifier: Apache-2.0 */
/* A PCEP session in a test: what it sends and what its events say, as text; a script plays the other side, or a second
 * session does. */
#ifndef TESTS_UNIT_TEST_PCEP_PEERS_H
#define TESTS_UNIT_TEST_PCEP_PEERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "pcep_samples.h"
#include "proto/pcep/pcep_session.h"

struct peer {
    struct pcep_session *session;
    struct mono now;
};

static inline struct peer peer_connect_with(const struct pcep_session_config *config)
{
    struct peer peer = {.now = {1000}};

    peer.session = pcep_session_new(config, peer.now);
    return peer;
}

static inline struct peer peer_connect(enum pcep_role role)
{
    struct pcep_session_config config = PCEP_SESSION_DEFAULTS(role);

    return peer_connect_with(&config);
}

static inline void peer_gone(struct peer *peer)
{
    pcep_session_free(peer->session);
}

/* Takes one message off the front of 'bytes'; adds it to 's' as text. Returns its size. */
static inline size_t put_message(struct strbuf *s, const uint8_t *bytes, size_t size)
{
    struct pcep_message message;
    struct pcep_refusal refusal;
    struct err err = {0};
    uint8_t type;
    uint16_t length;

    assert_int_equal(pcep_header_decode(bytes, size, &type, &length), 0);
    assert_true(length <= size);
    assert_int_equal(pcep_decode(bytes, length, &message, &refusal, &err), 0);
    AUTO_FREE char *text = pcep_message_format(&message);

    strbuf_printf(s, "%s\n", text);
    pcep_message_free(&message);
    return length;
}

static inline void assert_sent_at(struct peer *peer, const char *expected, const char *file, int line)
{
    struct strbuf s = {0};
    size_t size, at = 0;
    const uint8_t *bytes = pcep_session_output(peer->session, &size);

    strbuf_puts(&s, "");
    while (at < size)
        at += put_message(&s, bytes + at, size - at);
    pcep_session_sent(peer->session, size, peer->now);
    if (strcmp(s.text, expected) != 0)
        fail_msg("%s:%d: sent\n%snot\n%s", file, line, s.text, expected);
    strbuf_free(&s);
}
#define assert_sent(peer, expected) assert_sent_at(peer, expected, __FILE__, __LINE__)

static inline void put_report(struct strbuf *s, const struct lsp_report *report)
{
    AUTO_FREE char *record = lsp_route_format(&report->record);

    strbuf_printf(s, " '%s' %s%s", report->name, lsp_state_name(report->state), report->removed ? " removed" : "");
    if (record[0])
        strbuf_printf(s, " by %s", record);
    if (report->error.code) {
        AUTO_FREE char *error = lsp_error_format(&report->error);

        strbuf_printf(s, ": %s", error);
    }
}

static inline void put_event(struct strbuf *s, const struct pcep_event *event)
{
    static const char *const names[] = {"UP",   "DOWN",     "ERROR",  "SYNCED", "REPORT",
                                        "DONE", "INITIATE", "UPDATE", "REMOVE"};

    strbuf_puts(s, names[event->type]);
    switch (event->type) {
    case PCEP_EVENT_UP:
        strbuf_printf(s, " keepalive %u dead %u", event->peer.keepalive_s, event->peer.dead_s);
        break;
    case PCEP_EVENT_REPORT:
        strbuf_printf(s, " %u", event->plsp_id);
        put_report(s, &event->report);
        strbuf_printf(s, "%s%s", event->delegated ? " delegated" : "", event->created ? " created" : "");
        break;
    case PCEP_EVENT_DONE:
        strbuf_printf(s, " %u", (unsigned) event->request);
        if (event->has_report)
            put_report(s, &event->report);
        break;
    case PCEP_EVENT_INITIATE:
    case PCEP_EVENT_UPDATE:
    case PCEP_EVENT_REMOVE: {
        AUTO_FREE char *route = lsp_route_format(&event->lsp.route);

        strbuf_printf(s, " %u '%s'%s", event->srp_id, event->lsp.name, event->delegated ? "" : " not delegated");
        if (event->type != PCEP_EVENT_REMOVE)
            strbuf_printf(s, " by %s with %llu bit/s", route, (unsigned long long) event->lsp.bandwidth_bps);
        break;
    }
    case PCEP_EVENT_DOWN:
    case PCEP_EVENT_ERROR:
    case PCEP_EVENT_SYNCED:
        break;
    }
    if (event->err.code)
        strbuf_printf(s, " %s: %s", err_id(event->err.code), event->err.text);
    strbuf_puts(s, "\n");
}

static inline void assert_events_at(struct peer *peer, const char *expected, const char *file, int line)
{
    struct strbuf s = {0};
    struct pcep_event event;

    strbuf_puts(&s, "");
    while (pcep_session_event(peer->session, &event)) {
        put_event(&s, &event);
        pcep_event_free(&event);
    }
    if (strcmp(s.text, expected) != 0)
        fail_msg("%s:%d: events\n%snot\n%s", file, line, s.text, expected);
    strbuf_free(&s);
}
#define assert_events(peer, expected) assert_events_at(peer, expected, __FILE__, __LINE__)

/* What the other side sends, as hex; the length in each message's header is as given. */
static inline void receive(struct peer *peer, const char *hex)
{
    uint8_t bytes[1024];
    size_t size = 0;
    unsigned byte;

    for (; sscanf(hex, " %2x", &byte) == 1; hex += strspn(hex, " ") + 2) {
        assert_true(size < sizeof bytes);
        bytes[size++] = (uint8_t) byte;
    }
    pcep_session_receive(peer->session, bytes, size, peer->now);
}

static inline void receive_message(struct peer *peer, const struct pcep_message *message)
{
    static uint8_t bytes[PCEP_MESSAGE_MAX];
    struct wire w = wire_writer(bytes, sizeof bytes);

    assert_int_equal(pcep_encode(&w, message, NULL), 0);
    pcep_session_receive(peer->session, bytes, w.pos, peer->now);
}

static inline void receive_report(struct peer *peer, const struct lsp_report *report, uint32_t plsp_id, unsigned flags,
                                  uint32_t srp_id)
{
    struct pcep_item item = {.id = srp_id};

    pcep_item_from_report(&item, report, true);
    item.has |= srp_id ? PCEP_HAS_SRP : 0;
    item.plsp_id = plsp_id;
    item.flags |= flags & 0xfff;
    receive_message(peer, &(struct pcep_message) {.type = PCEP_REPORT, .items = &item, .n_items = 1});
    pcep_item_free(&item);
}

/* Time passes; a driver would call tick at each deadline. */
static inline void peer_wait(struct peer *peer, int64_t ms)
{
    struct mono end = mono_add(peer->now, ms);

    while (mono_reached(pcep_session_deadline(peer->session), end)) {
        struct mono deadline = pcep_session_deadline(peer->session);

        if (deadline.ms > peer->now.ms)
            peer->now = deadline;
        pcep_session_tick(peer->session, peer->now);
    }
    peer->now = end;
}

#define OPEN_OF_PEER "20010028 01100024 201e7809 00100004 00000005 00220008 00000001 00000000 002d0004 00000007"
#define OPEN_TEXT \
    "Open version 1 keepalive 30 s dead 120 s sid 0 stateful update initiate (0x5) setup types 0x1 GMPLS 0x7\n"
#define KEEPALIVE "20020004"
#define END_OF_SYNC "200a0010 20100008 00000000 07100004"

/* A session that is up; of a PCE, also synchronised, with no LSPs. */
static inline struct peer peer_up(enum pcep_role role)
{
    struct peer peer = peer_connect(role);

    receive(&peer, OPEN_OF_PEER KEEPALIVE);
    assert_sent(&peer, OPEN_TEXT "Keepalive\n");
    assert_events(&peer, "UP keepalive 30 dead 120\n");
    if (role == PCEP_PCE) {
        receive(&peer, END_OF_SYNC);
        assert_events(&peer, "SYNCED\n");
    }
    return peer;
}

/* Bytes go between two sessions until neither has any. */
static inline void exchange(struct peer *a, struct peer *b)
{
    for (bool moved = true; moved;) {
        struct peer *const ways[2][2] = {{a, b}, {b, a}};

        moved = false;
        for (unsigned i = 0; i < 2; i++) {
            size_t size;
            const uint8_t *bytes = pcep_session_output(ways[i][0]->session, &size);

            if (size == 0)
                continue;
            uint8_t *copy = xmemdup(bytes, size);

            pcep_session_sent(ways[i][0]->session, size, ways[i][0]->now);
            pcep_session_receive(ways[i][1]->session, copy, size, ways[i][1]->now);
            free(copy);
            moved = true;
        }
    }
}

#endif
