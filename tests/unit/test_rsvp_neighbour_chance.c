/* SPDX-License-Identifier: Apache-2.0 */
/* Two RSVP neighbours over a channel that loses, doubles and reorders messages by chance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "rsvp_neighbour_world.h"

#define LSPS 40

struct chance {
    struct world *w;
    uint32_t random;
    struct {
        struct mono at;
        struct rsvp_message message;
    } air[2][IN_FLIGHT_MAX];
    unsigned n_air[2];
    unsigned lost_refreshes[2];
    uint32_t version;        /* goes into each message as its label */
    uint32_t kept[2][LSPS];  /* by the sender; 0: not */
    uint32_t heard[2][LSPS]; /* by the receiver: the last one */
    uint32_t held[2][LSPS];  /* by the receiver; 0: torn */
    uint32_t errors_sent, errors_heard;
    bool calm;
};

static uint32_t chance(struct chance *c, uint32_t n)
{
    c->random = c->random * 1664525 + 1013904223;
    return (c->random >> 8) % n;
}

static void launch(struct chance *c, enum side from, const struct rsvp_message *message)
{
    assert_true(c->n_air[from] < IN_FLIGHT_MAX);
    c->air[from][c->n_air[from]].at = mono_add(c->w->now, 1 + chance(c, c->calm ? 5 : 300));
    c->air[from][c->n_air[from]++].message = rsvp_message_copy(message);
}

/* Loses a tenth and doubles a tenth; but of three Srefresh one arrives, as RFC 2205 §3.7 builds upon. */
static void into_the_air(struct chance *c, enum side from, struct rsvp_message *message)
{
    bool refresh = message->type == RSVP_SREFRESH;
    bool lost = !c->calm && chance(c, 10) == 0 && !(refresh && c->lost_refreshes[from] >= 2);

    if (refresh)
        c->lost_refreshes[from] = lost ? c->lost_refreshes[from] + 1 : 0;
    if (!lost)
        launch(c, from, message);
    if (!lost && !c->calm && chance(c, 10) == 0)
        launch(c, from, message);
    rsvp_message_free(message);
}

static void hear_chance(struct chance *c, enum side to, struct neighbour_event *event)
{
    enum side from = to == A ? B : A;
    const struct rsvp_message *message = &event->message;
    unsigned lsp = message->session.tunnel_id;

    assert_int_not_equal(event->type, NEIGHBOUR_EXPIRED);
    assert_int_not_equal(event->type, NEIGHBOUR_UNDELIVERED);
    assert_int_not_equal(event->type, NEIGHBOUR_DOWN);
    if (event->type != NEIGHBOUR_MESSAGE)
        return;
    if (message->type == RSVP_NOTIFY) {
        c->errors_heard++;
        rsvp_message_free(&event->message);
        return;
    }
    assert_true(message->label > c->heard[from][lsp]); /* nothing twice, nothing that is out of date */
    c->heard[from][lsp] = message->label;
    c->held[from][lsp] = message->type == RSVP_PATH ? message->label : 0;
    rsvp_message_free(&event->message);
}

static void settle(struct chance *c)
{
    for (enum side side = A; side <= B; side++) {
        struct neighbour_event event;
        struct rsvp_message message;

        while (neighbour_output(c->w->neighbours[side], &message))
            into_the_air(c, side, &message);
        while (neighbour_event(c->w->neighbours[side], &event))
            hear_chance(c, side, &event);
    }
}

static void arrive(struct chance *c)
{
    for (enum side from = A; from <= B; from++) {
        for (unsigned i = 0; i < c->n_air[from]; i++) {
            struct rsvp_message message = c->air[from][i].message;

            if (!mono_reached(c->air[from][i].at, c->w->now))
                continue;
            c->air[from][i--] = c->air[from][--c->n_air[from]];
            neighbour_receive(c->w->neighbours[from == A ? B : A], &message, c->w->now);
            settle(c);
        }
    }
}

static void act(struct chance *c)
{
    enum side side = (enum side) chance(c, 2);
    unsigned lsp = chance(c, LSPS), what = chance(c, 10);
    struct rsvp_message message = make(RSVP_PATH, lsp);

    message.has |= RSVP_HAS_LABEL;
    message.label = ++c->version;
    if (what < 6) {
        neighbour_keep(c->w->neighbours[side], &message, c->w->now);
        c->kept[side][lsp] = c->version;
    } else if (what < 8 && c->kept[side][lsp]) {
        message.type = RSVP_PATH_TEAR;
        neighbour_send(c->w->neighbours[side], &message, c->w->now);
        c->kept[side][lsp] = 0;
    } else {
        message.type = RSVP_NOTIFY;
        neighbour_send(c->w->neighbours[side], &message, c->w->now);
        c->errors_sent++;
    }
    settle(c);
}

static void run(struct chance *c, int64_t ms, unsigned acts_of_1000)
{
    struct mono end = mono_add(c->w->now, ms);

    while (c->w->now.ms < end.ms) {
        c->w->now.ms++;
        arrive(c);
        for (enum side side = A; side <= B; side++)
            if (mono_reached(neighbour_deadline(c->w->neighbours[side]), c->w->now))
                neighbour_tick(c->w->neighbours[side], c->w->now);
        settle(c);
        if (chance(c, 1000) < acts_of_1000)
            act(c);
    }
}

static void loss_doubling_and_disorder_leave_both_in_step(void **state)
{
    (void) state;
    for (unsigned seed = 1; seed <= 10; seed++) {
        struct chance *c = xcalloc(1, sizeof *c);

        c->random = seed;
        c->w = new_world();
        for (enum side side = A; side <= B; side++) {
            c->w->configs[side].hello_ms = 1000;
            c->w->configs[side].hello_miss = 10;
            c->w->configs[side].refresh_ms = 3000;
            c->w->configs[side].retries = 10;
            c->w->neighbours[side] = neighbour_new(&c->w->configs[side], c->w->now);
        }
        c->calm = true;
        run(c, 1000, 0);
        c->calm = false;
        run(c, 30000, 30);
        c->calm = true;
        run(c, 600000, 0); /* the last repeat of 10 comes after 500 << 9 ms; states live 15.75 s unless refreshed */
        assert_memory_equal(c->kept, c->held, sizeof c->kept);
        assert_int_equal(c->errors_heard, c->errors_sent);
        assert_true(counters(c->w, A)->repeats > 0 && counters(c->w, A)->duplicates > 0);
        for (enum side side = A; side <= B; side++)
            while (c->n_air[side])
                rsvp_message_free(&c->air[side][--c->n_air[side]].message);
        end(c->w);
        free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_doubling_and_disorder_leave_both_in_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
