/* SPDX-License-Identifier: Apache-2.0 */
/* Reliable delivery and refresh between two RSVP neighbours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "rsvp_neighbour_world.h"

/* ---- reliable delivery ---- */

static void acks_ride_along(void **state)
{
    struct world *w = world_that_met();

    (void) state;
    keep(w, A, RSVP_PATH, 1);
    pass(w, A, "Path1 id 1"); /* A --> B */
    keep(w, B, RSVP_RESV, 1);
    pass(w, B, "Resv1 id 101 ack 1"); /* A <-- B */
    told(w, A, "Resv1");
    quiet(w);
    wait_ms(w, 50);
    pass(w, A, "Ack ack 101"); /* A --> B: nothing to ride on */
    wait_ms(w, 10000);
    quiet(w);
    end(w);
}

static void acks_are_bundled(void **state)
{
    struct world *w = world_that_met();

    (void) state;
    for (unsigned lsp = 1; lsp <= 3; lsp++)
        keep(w, A, RSVP_PATH, lsp);
    pass(w, A, "Path1 id 1"); /* A --> B */
    wait_ms(w, 20);
    pass(w, A, "Path2 id 2"); /* A --> B */
    pass(w, A, "Path3 id 3"); /* A --> B */
    wait_ms(w, 29);
    quiet(w);
    wait_ms(w, 1);
    pass(w, B, "Ack ack 1 ack 2 ack 3"); /* A <-- B */
    wait_ms(w, 10000);
    quiet(w);
    end(w);
}

static void many_acks_do_not_wait(void **state)
{
    struct world *w = world_that_met();

    (void) state;
    for (unsigned lsp = 1; lsp <= 300; lsp++)
        keep(w, A, RSVP_PATH, lsp);
    while (w->n_flight[A]) {
        AUTO_FREE char *text = text_of(&w->flight[A][0]);

        pass(w, A, text); /* A --> B */
    }
    assert_int_equal(w->n_flight[B], 2);
    assert_int_equal(w->flight[B][0].n_acks, 120);
    wait_ms(w, 50);
    assert_int_equal(w->n_flight[B], 3);
    assert_int_equal(w->flight[B][2].n_acks, 60);
    end(w);
}

static void lost_message_is_repeated_with_growing_gaps(void **state)
{
    struct world *w = world_that_met();

    (void) state;
    keep(w, A, RSVP_PATH, 1);
    lose(w, A, "Path1 id 1"); /* A --x B */
    wait_ms(w, 499);
    quiet(w);
    wait_ms(w, 1);
    lose(w, A, "Path1 id 1"); /* A --x B */
    wait_ms(w, 999);
    quiet(w);
    wait_ms(w, 1);
    pass(w, A, "Path1 id 1"); /* A --> B: third, and the last */
    told(w, B, "Path1");
    wait_ms(w, 50);
    pass(w, B, "Ack ack 1"); /* A <-- B */
    wait_ms(w, 5000);
    quiet(w);
    told(w, A, "");
    assert_int_equal(counters(w, A)->repeats, 2);
    end(w);
}

static void undelivered_state_is_still_refreshed(void **state)
{
    struct world *w = world_that_met();

    (void) state;
    keep(w, A, RSVP_PATH, 1);
    say(w, A, RSVP_PATH_ERR, 2);
    for (unsigned i = 0; i < 3; i++) {
        lose(w, A, "Path1 id 1");    /* A --x B */
        lose(w, A, "PathErr2 id 2"); /* A --x B */
        wait_ms(w, 500 << i);
    }
    told(w, A, "undelivered Path1 undelivered PathErr2");
    quiet(w);
    wait_ms(w, 45000);
    pass(w, A, "Path1 id 1"); /* A --> B */
    told(w, B, "Path1");
    end(w);
}

static void lost_ack_is_repeated_and_nothing_told_twice(void **state)
{
    struct world *w = world_that_met();

    (void) state;
    keep(w, A, RSVP_PATH, 1);
    say(w, A, RSVP_NOTIFY, 2);
    pass_twice(w, A, "Path1 id 1");   /* A ==> B */
    pass_twice(w, A, "Notify2 id 2"); /* A ==> B */
    told(w, B, "Path1 Notify2");
    wait_ms(w, 50);
    lose(w, B, "Ack ack 1 ack 1 ack 2 ack 2"); /* A x-- B */
    wait_ms(w, 450);
    pass(w, A, "Path1 id 1");   /* A --> B */
    pass(w, A, "Notify2 id 2"); /* A --> B */
    told(w, B, "");
    wait_ms(w, 50);
    pass(w, B, "Ack ack 1 ack 2"); /* A <-- B */
    wait_ms(w, 10000);
    quiet(w);
    assert_int_equal(counters(w, B)->duplicates, 4);
    end(w);
}

static void overtaken_message_is_ignored(void **state)
{
    struct world *w = world_that_met();

    (void) state;
    keep(w, A, RSVP_PATH, 1);
    hold(w, A, "Path1 id 1");
    keep(w, A, RSVP_PATH, 1);
    pass(w, A, "Path1 id 2"); /* A --> B */
    release(w, A);            /* A --> B: the older one */
    told(w, B, "Path1");
    wait_ms(w, 50);
    pass(w, B, "Ack ack 2 ack 1"); /* A <-- B */
    quiet(w);
    end(w);
}

static void replaced_state_is_sent_once(void **state)
{
    struct world *w = world_that_met();

    (void) state;
    keep(w, A, RSVP_PATH, 1);
    lose(w, A, "Path1 id 1"); /* A --x B */
    keep(w, A, RSVP_PATH, 1);
    lose(w, A, "Path1 id 2"); /* A --x B */
    wait_ms(w, 500);
    pass(w, A, "Path1 id 2"); /* A --> B: and not the first one */
    quiet(w);
    end(w);
}

static void late_path_does_not_undo_a_tear(void **state)
{
    struct world *w = world_that_met();

    (void) state;
    keep(w, A, RSVP_PATH, 1);
    hold(w, A, "Path1 id 1");
    say(w, A, RSVP_PATH_TEAR, 1);
    pass(w, A, "PathTear1 id 2"); /* A --> B */
    release(w, A);                /* A --> B */
    told(w, B, "PathTear1");
    wait_ms(w, 50);
    pass(w, B, "Ack ack 2 ack 1"); /* A <-- B */
    keep(w, A, RSVP_PATH, 1);
    pass(w, A, "Path1 id 3"); /* A --> B: it is set up anew */
    told(w, B, "Path1");
    end(w);
}

static void late_tear_does_not_end_the_next_state(void **state)
{
    struct world *w = world_that_met();

    (void) state;
    install(w, 1, 1);
    say(w, A, RSVP_PATH_TEAR, 1);
    hold(w, A, "PathTear1 id 2");
    keep(w, A, RSVP_PATH, 1);
    pass(w, A, "Path1 id 3"); /* A --> B */
    release(w, A);            /* A --> B */
    told(w, B, "Path1");
    wait_ms(w, 50);
    pass(w, B, "Ack ack 3 ack 2"); /* A <-- B */
    wait_ms(w, 45000);
    while (w->n_flight[A])
        pass(w, A, "Srefresh 3"); /* A --> B: known */
    quiet(w);
    end(w);
}

static void torn_state_is_neither_refreshed_nor_expected(void **state)
{
    struct world *w = world_that_met();

    (void) state;
    install(w, 1, 1);
    say(w, A, RSVP_PATH_TEAR, 1);
    pass(w, A, "PathTear1 id 2"); /* A --> B */
    told(w, B, "PathTear1");
    wait_ms(w, 50);
    pass(w, B, "Ack ack 2"); /* A <-- B */
    wait_ms(w, 1000 * 1000 - 1000);
    told(w, B, "");
    quiet(w);
    end(w);
}

static void ids_wrap(void **state)
{
    struct world *w = new_world();

    (void) state;
    w->configs[A].first_id = 4294967294u;
    meet(w);
    install(w, 1, 4294967294u);
    install(w, 1, 4294967295u);
    keep(w, A, RSVP_PATH, 1);
    hold(w, A, "Path1 id 1"); /* 0 is left out */
    keep(w, A, RSVP_PATH, 1);
    pass(w, A, "Path1 id 2"); /* A --> B */
    release(w, A);            /* A --> B */
    told(w, B, "Path1");
    end(w);
}

static void new_epoch_starts_over(void **state)
{
    struct world *w = world_that_met();
    struct rsvp_message path = make(RSVP_PATH, 1);

    (void) state;
    install(w, 1, 1);
    path.has |= RSVP_HAS_MESSAGE_ID;
    path.message_id = (struct rsvp_message_id) {RSVP_MESSAGE_ID_ACK_DESIRED, 0xaab, 1};
    path.refresh_reduction = true;
    give(w, A, path); /* A --> B: same id, another epoch */
    told(w, B, "Path1");
    wait_ms(w, 50);
    assert_int_equal(w->flight[B][0].acks[0].epoch, 0xaab);
    pass(w, B, "Ack ack 1"); /* A <-- B: of an epoch that A does not use */
    end(w);
}

/* ---- refresh ---- */

static void states_are_refreshed_by_their_ids(void **state)
{
    struct world *w = world_that_met();
    int64_t shortest = INT64_MAX, longest = 0;

    (void) state;
    install(w, 1, 1);
    wait_ms(w, 45000); /* at most 1.5 intervals */
    for (unsigned i = 0; i < 200; i++) {
        struct mono before = w->now;

        while (w->n_flight[A])
            pass(w, A, "Srefresh 1"); /* A --> B */
        before = w->now;
        while (!w->n_flight[A])
            wait_ms(w, 100);
        shortest = mono_diff(w->now, before) < shortest ? mono_diff(w->now, before) : shortest;
        longest = mono_diff(w->now, before) > longest ? mono_diff(w->now, before) : longest;
        while (w->n_flight[A] && w->flight[A][0].type == RSVP_HELLO)
            lose(w, A, "Hello request a1>b1");
        if (mono_diff(w->now, (struct mono) {0}) > 900000)
            break;
    }
    assert_true(shortest >= 15000 && longest <= 45100);
    assert_true(longest - shortest > 10000); /* it is jittered */
    told(w, B, "");
    end(w);
}

static void unrefreshed_state_expires(void **state)
{
    struct world *w = world_that_met();

    (void) state;
    install(w, 1, 1);
    kill_side(w, A);
    wait_ms(w, 157500 - 51); /* (3 + 0.5) * 1.5 * 30 s after it came */
    told(w, B, "");
    wait_ms(w, 1);
    told(w, B, "expired Path1");
    end(w);
}

static void unknown_id_is_refused_and_its_state_sent_again(void **state)
{
    struct world *w = world_that_met();
    struct neighbour_key key = key_of(RSVP_PATH, 1);

    (void) state;
    install(w, 1, 1);
    install(w, 2, 2);
    neighbour_drop_received(w->neighbours[B], &key);
    while (!w->n_flight[A])
        wait_ms(w, 1000);
    assert_int_equal(w->flight[A][0].n_srefresh, 2);
    if (w->flight[A][0].srefresh[0] == 1)
        pass_twice(w, A, "Srefresh 1,2"); /* A ==> B */
    else
        pass_twice(w, A, "Srefresh 2,1"); /* A ==> B */
    pass(w, B, "Ack nack 1");             /* A <-- B: at once */
    pass(w, B, "Ack nack 1");             /* A <-- B: Path1 is under way already */
    pass(w, A, "Path1 id 1");             /* A --> B */
    told(w, B, "Path1");
    wait_ms(w, 50);
    pass(w, B, "Ack ack 1"); /* A <-- B */
    quiet(w);
    assert_int_equal(counters(w, B)->nacks_sent, 2);
    assert_int_equal(counters(w, A)->nacks_received, 2);
    end(w);
}

static void refused_state_is_not_told_again_by_a_repeat(void **state)
{
    struct world *w = world_that_met();
    struct neighbour_key key = key_of(RSVP_PATH, 1);

    (void) state;
    keep(w, A, RSVP_PATH, 1);
    pass(w, A, "Path1 id 1"); /* A --> B */
    told(w, B, "Path1");
    neighbour_drop_received(w->neighbours[B], &key);
    say(w, B, RSVP_PATH_ERR, 1);
    lose(w, B, "PathErr1 id 101 ack 1"); /* A x-- B */
    wait_ms(w, 500);
    pass(w, A, "Path1 id 1"); /* A --> B */
    told(w, B, "");
    pass(w, B, "PathErr1 id 101"); /* A <-- B */
    told(w, A, "PathErr1");
    end(w);
}

static void ten_thousand_states_are_ten_messages(void **state)
{
    struct world *w = new_world();
    uint64_t sent;

    (void) state;
    w->configs[A].retries = 8;
    meet(w);
    for (unsigned lsp = 0; lsp < 10000; lsp++) {
        keep(w, A, RSVP_PATH, lsp);
        while (w->n_flight[A]) {
            struct rsvp_message message = w->flight[A][--w->n_flight[A]];

            give(w, A, message); /* A --> B */
        }
    }
    wait_ms(w, 50);
    while (w->n_flight[B])
        give(w, B, w->flight[B][--w->n_flight[B]]); /* A <-- B: acks */
    sent = counters(w, A)->sent;
    while (!w->n_flight[A])
        wait_ms(w, 100);
    assert_int_equal(counters(w, A)->sent - sent, 10);
    assert_int_equal(counters(w, A)->refreshes, 10);
    assert_int_equal(w->flight[A][0].n_srefresh, RSVP_SREFRESH_MAX);
    assert_int_equal(w->flight[A][9].n_srefresh, 10000 - 9 * RSVP_SREFRESH_MAX);
    while (w->n_flight[A])
        give(w, A, w->flight[A][--w->n_flight[A]]); /* A --> B */
    assert_int_equal(counters(w, B)->nacks_sent, 0);
    end(w);
}

static void states_have_a_limit(void **state)
{
    struct world *w = world_that_met();
    unsigned told_first;

    (void) state;
    for (unsigned i = 0; i <= NEIGHBOUR_STATES_MAX; i++) {
        struct rsvp_message path = make(RSVP_PATH, i & 0xffff);

        path.sender.lsp_id = (uint16_t) (i >> 16);
        path.has |= RSVP_HAS_MESSAGE_ID;
        path.message_id = (struct rsvp_message_id) {RSVP_MESSAGE_ID_ACK_DESIRED, 0xaaa, i + 1};
        path.refresh_reduction = true;
        w->told[B].length = 0;
        give(w, A, path); /* A --> B */
        while (w->n_flight[B])
            rsvp_message_free(&w->flight[B][--w->n_flight[B]]);
        told_first = (unsigned) w->told[B].length;
        assert_int_equal(told_first != 0, i < NEIGHBOUR_STATES_MAX);
    }
    assert_int_equal(counters(w, B)->refused, 1);
    end(w);
}

/* However many are torn, there is room for those that come. */
static void what_is_gone_takes_no_room(void **state)
{
    struct world *w = world_that_met();

    (void) state;
    for (unsigned i = 0; i < 2 * NEIGHBOUR_STATES_MAX; i++) {
        struct rsvp_message message = make(i % 2 ? RSVP_PATH_TEAR : RSVP_PATH, (i / 2) & 0xffff);

        message.sender.lsp_id = (uint16_t) (i >> 17);
        message.has |= RSVP_HAS_MESSAGE_ID;
        message.message_id = (struct rsvp_message_id) {RSVP_MESSAGE_ID_ACK_DESIRED, 0xaaa, i + 1};
        message.refresh_reduction = true;
        give(w, A, message); /* A --> B */
        while (w->n_flight[B])
            rsvp_message_free(&w->flight[B][--w->n_flight[B]]);
    }
    w->told[B].length = 0;
    keep(w, A, RSVP_PATH, 7);
    pass(w, A, "Path7 id 1"); /* A --> B */
    told(w, B, "Path7");
    assert_int_equal(counters(w, B)->refused, 0);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acks_ride_along),
        cmocka_unit_test(acks_are_bundled),
        cmocka_unit_test(many_acks_do_not_wait),
        cmocka_unit_test(lost_message_is_repeated_with_growing_gaps),
        cmocka_unit_test(undelivered_state_is_still_refreshed),
        cmocka_unit_test(lost_ack_is_repeated_and_nothing_told_twice),
        cmocka_unit_test(overtaken_message_is_ignored),
        cmocka_unit_test(replaced_state_is_sent_once),
        cmocka_unit_test(late_path_does_not_undo_a_tear),
        cmocka_unit_test(late_tear_does_not_end_the_next_state),
        cmocka_unit_test(torn_state_is_neither_refreshed_nor_expected),
        cmocka_unit_test(ids_wrap),
        cmocka_unit_test(new_epoch_starts_over),
        cmocka_unit_test(states_are_refreshed_by_their_ids),
        cmocka_unit_test(unrefreshed_state_expires),
        cmocka_unit_test(unknown_id_is_refused_and_its_state_sent_again),
        cmocka_unit_test(refused_state_is_not_told_again_by_a_repeat),
        cmocka_unit_test(ten_thousand_states_are_ten_messages),
        cmocka_unit_test(states_have_a_limit),
        cmocka_unit_test(what_is_gone_takes_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
