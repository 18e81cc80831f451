/* SPDX-License-Identifier: Apache-2.0 */
#include "rsvp_neighbour_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static const struct neighbour_config config_a = {.local = 0x0a000001,
                                                 .remote = 0x0a000002,
                                                 .hello_ms = 1000000,
                                                 .hello_miss = 3,
                                                 .refresh_ms = 30000,
                                                 .retry_ms = 500,
                                                 .retries = 3,
                                                 .restart_ms = 5000,
                                                 .recovery_ms = 7000,
                                                 .instance = 0xa1,
                                                 .epoch = 0xaaa,
                                                 .seed = 1};

char *text_of(const struct rsvp_message *m)
{
    struct strbuf text = {0};

    strbuf_puts(&text, rsvp_type_name(m->type));
    if (m->has & RSVP_HAS_SESSION)
        strbuf_printf(&text, "%u", m->session.tunnel_id);
    if (m->has & RSVP_HAS_HELLO)
        strbuf_printf(&text, " %s %x>%x", m->hello.ack ? "ack" : "request", m->hello.source_instance,
                      m->hello.destination_instance);
    if (m->has & RSVP_HAS_MESSAGE_ID)
        strbuf_printf(&text, " id %u", m->message_id.id);
    for (size_t i = 0; i < m->n_srefresh; i++)
        strbuf_printf(&text, "%c%u", i ? ',' : ' ', m->srefresh[i]);
    for (size_t i = 0; i < m->n_acks; i++)
        strbuf_printf(&text, " %s %u", m->acks[i].nack ? "nack" : "ack", m->acks[i].id);
    return strbuf_take(&text);
}

static void tell(struct strbuf *told, const char *what, const char *name, unsigned lsp)
{
    strbuf_printf(told, "%s%s", told->length ? " " : "", what);
    if (name)
        strbuf_printf(told, "%s%u", name, lsp);
}

static void hear(struct world *w, enum side side, struct neighbour_event *event)
{
    struct strbuf *told = &w->told[side];

    switch (event->type) {
    case NEIGHBOUR_UP:
        tell(told, "up", NULL, 0);
        break;
    case NEIGHBOUR_DOWN:
        tell(told, "down", NULL, 0);
        break;
    case NEIGHBOUR_RESTARTED:
        tell(told, "restarted", NULL, 0);
        assert_int_equal(event->restart.restart_ms, 5000);
        assert_int_equal(event->restart.recovery_ms, 7000);
        break;
    case NEIGHBOUR_MESSAGE:
        tell(told, "", rsvp_type_name(event->message.type), event->message.session.tunnel_id);
        rsvp_message_free(&event->message);
        break;
    case NEIGHBOUR_EXPIRED:
        tell(told, "expired ", rsvp_type_name(event->key.type), event->key.session.tunnel_id);
        break;
    case NEIGHBOUR_UNDELIVERED:
        tell(told, "undelivered ", rsvp_type_name(event->key.type), event->key.session.tunnel_id);
        break;
    }
}

static void drain(struct world *w)
{
    for (enum side side = A; side <= B; side++) {
        struct neighbour_event event;
        struct rsvp_message message;

        while (w->neighbours[side] && neighbour_output(w->neighbours[side], &message)) {
            assert_true(w->n_flight[side] < IN_FLIGHT_MAX);
            assert_true(message.refresh_reduction);
            assert_int_equal(message.ttl, message.type == RSVP_HELLO ? 1 : 255);
            w->flight[side][w->n_flight[side]++] = message;
        }
        while (w->neighbours[side] && neighbour_event(w->neighbours[side], &event))
            hear(w, side, &event);
    }
}

void give(struct world *w, enum side from, struct rsvp_message message)
{
    enum side to = from == A ? B : A;

    if (w->plain[from]) {
        message.refresh_reduction = false;
        assert_int_equal(message.n_acks, 0); /* a foreign one has no such objects */
    }
    if (w->neighbours[to])
        neighbour_receive(w->neighbours[to], &message, w->now);
    else
        rsvp_message_free(&message);
    drain(w);
}

static struct rsvp_message take_flight(struct world *w, enum side from, const char *expected)
{
    struct rsvp_message message;
    AUTO_FREE char *text = NULL;

    if (!w->n_flight[from])
        fail_msg("%c sent nothing, not: %s", "AB"[from], expected);
    message = w->flight[from][0];
    text = text_of(&message);
    assert_string_equal(text, expected);
    memmove(w->flight[from], w->flight[from] + 1, --w->n_flight[from] * sizeof message);
    return message;
}

void pass(struct world *w, enum side from, const char *expected)
{
    give(w, from, take_flight(w, from, expected));
}

void lose(struct world *w, enum side from, const char *expected)
{
    struct rsvp_message message = take_flight(w, from, expected);

    rsvp_message_free(&message);
}

void pass_twice(struct world *w, enum side from, const char *expected)
{
    struct rsvp_message message = take_flight(w, from, expected);
    struct rsvp_message copy = rsvp_message_copy(&message);

    give(w, from, message);
    give(w, from, copy);
}

void hold(struct world *w, enum side from, const char *expected)
{
    w->held = take_flight(w, from, expected);
}

void release(struct world *w, enum side from)
{
    give(w, from, w->held);
}

void quiet(struct world *w)
{
    for (enum side side = A; side <= B; side++) {
        if (w->n_flight[side]) {
            AUTO_FREE char *text = text_of(&w->flight[side][0]);

            fail_msg("%c sent, and nothing was expected: %s", "AB"[side], text);
        }
    }
}

void told(struct world *w, enum side side, const char *expected)
{
    AUTO_FREE char *text = strbuf_take(&w->told[side]);

    assert_string_equal(text ? text : "", expected);
}

static struct mono next_deadline(const struct world *w)
{
    struct mono deadline = MONO_NEVER;

    for (enum side side = A; side <= B; side++)
        if (w->neighbours[side])
            deadline = mono_min(deadline, neighbour_deadline(w->neighbours[side]));
    return deadline;
}

static void tick(struct world *w)
{
    for (enum side side = A; side <= B; side++)
        if (w->neighbours[side])
            neighbour_tick(w->neighbours[side], w->now);
    drain(w);
}

void wait_ms(struct world *w, int64_t ms)
{
    struct mono end = mono_add(w->now, ms);

    for (;;) {
        struct mono deadline = next_deadline(w);

        if (deadline.ms > end.ms)
            break;
        if (deadline.ms > w->now.ms)
            w->now = deadline;
        tick(w);
        assert_true(next_deadline(w).ms > w->now.ms); /* a deadline is dealt with, or it would be a busy loop */
    }
    w->now = end;
}

struct rsvp_message make(uint8_t type, unsigned lsp)
{
    return (struct rsvp_message) {.type = type,
                                  .has = RSVP_HAS_SESSION | RSVP_HAS_SENDER | RSVP_HAS_HOP,
                                  .session = {0x0a000009, (uint16_t) lsp, 0x0a000001},
                                  .sender = {0x0a000001, 1},
                                  .hop = {.address = 0x0a000001}};
}

struct neighbour_key key_of(uint8_t type, unsigned lsp)
{
    struct rsvp_message message = make(type, lsp);

    return (struct neighbour_key) {type, message.session, message.sender};
}

void keep(struct world *w, enum side side, uint8_t type, unsigned lsp)
{
    struct rsvp_message message = make(type, lsp);

    neighbour_keep(w->neighbours[side], &message, w->now);
    drain(w);
}

void say(struct world *w, enum side side, uint8_t type, unsigned lsp)
{
    struct rsvp_message message = make(type, lsp);

    neighbour_send(w->neighbours[side], &message, w->now);
    drain(w);
}

const struct neighbour_counters *counters(const struct world *w, enum side side)
{
    return neighbour_counters(w->neighbours[side]);
}

void start(struct world *w, enum side side)
{
    w->neighbours[side] = neighbour_new(&w->configs[side], w->now);
    drain(w);
}

void kill_side(struct world *w, enum side side)
{
    neighbour_free(w->neighbours[side]);
    w->neighbours[side] = NULL;
}

struct world *new_world(void)
{
    struct world *w = xcalloc(1, sizeof *w);

    w->configs[A] = w->configs[B] = config_a;
    w->configs[B].local = config_a.remote;
    w->configs[B].remote = config_a.local;
    w->configs[B].instance = 0xb1;
    w->configs[B].epoch = 0xbbb;
    w->configs[B].seed = 2;
    w->configs[B].first_id = 101;
    return w;
}

void meet(struct world *w)
{
    start(w, A);
    lose(w, A, "Hello request a1>0"); /* A --x: B is not there yet */
    start(w, B);
    pass(w, B, "Hello request b1>0"); /* A <-- B */
    pass(w, A, "Hello ack a1>b1");    /* A --> B */
    told(w, B, "up");
    pass(w, A, "Hello request a1>b1"); /* A --> B: at once, since B is new to it */
    pass(w, B, "Hello ack b1>a1");     /* A <-- B */
    told(w, A, "up");
    quiet(w);
}

struct world *world_that_met(void)
{
    struct world *w = new_world();

    meet(w);
    return w;
}

void end(struct world *w)
{
    for (enum side side = A; side <= B; side++) {
        kill_side(w, side);
        for (unsigned i = 0; i < w->n_flight[side]; i++)
            rsvp_message_free(&w->flight[side][i]);
        free(strbuf_take(&w->told[side]));
    }
    free(w);
}

void install(struct world *w, unsigned lsp, unsigned id)
{
    char path[32], ack[32], name[32];

    snprintf(path, sizeof path, "Path%u id %u", lsp, id);
    snprintf(ack, sizeof ack, "Ack ack %u", id);
    snprintf(name, sizeof name, "Path%u", lsp);
    keep(w, A, RSVP_PATH, lsp);
    pass(w, A, path); /* A --> B */
    told(w, B, name);
    wait_ms(w, 50);
    pass(w, B, ack); /* A <-- B */
    quiet(w);
}
