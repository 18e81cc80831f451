/* SPDX-License-Identifier: Apache-2.0 */
/* Hello, restarts, and neighbours of another make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "rsvp_neighbour_world.h"

/* ---- Hello ---- */

static void hello_needs_both_directions(void **state)
{
    struct world *w = new_world();

    (void) state;
    start(w, A);
    start(w, B);
    lose(w, B, "Hello request b1>0"); /* A x-- B */
    pass(w, A, "Hello request a1>0"); /* A --> B */
    told(w, B, "");
    lose(w, B, "Hello ack b1>a1");     /* A x-- B: it was heard, which A does not know */
    pass(w, B, "Hello request b1>a1"); /* A <-- B: at once, since A was new to it */
    told(w, A, "up");
    assert_false(neighbour_is_up(w->neighbours[B]));
    pass(w, A, "Hello ack a1>b1"); /* A --> B */
    told(w, B, "up");
    pass(w, A, "Hello request a1>b1"); /* A --> B */
    pass(w, B, "Hello ack b1>a1");     /* A <-- B */
    quiet(w);
    end(w);
}

static void hello_of_one_side_is_enough(void **state)
{
    struct world *w = new_world();

    (void) state;
    w->configs[A].hello_ms = 1000;
    w->configs[B].hello_ms = 1200;
    meet(w);
    for (unsigned i = 0; i < 20; i++) {
        wait_ms(w, 1000);
        pass(w, A, "Hello request a1>b1"); /* A --> B */
        pass(w, B, "Hello ack b1>a1");     /* A <-- B, and none of its own */
        quiet(w);
    }
    told(w, A, "");
    told(w, B, "");
    end(w);
}

static void silent_neighbour_is_down_and_its_state_waits(void **state)
{
    struct world *w = new_world();

    (void) state;
    w->configs[A].refresh_ms = 1000;
    w->configs[B].hello_ms = 1000;
    meet(w);
    install(w, 1, 1);
    for (unsigned i = 0; i < 3; i++)
        wait_ms(w, 1000);
    told(w, B, "down");
    assert_false(neighbour_is_up(w->neighbours[B]));
    wait_ms(w, 60000); /* ten lifetimes */
    told(w, B, "");
    end(w);
}

static void short_silence_is_no_restart(void **state)
{
    struct world *w = new_world();

    (void) state;
    w->configs[A].hello_ms = w->configs[B].hello_ms = 1000;
    meet(w);
    install(w, 1, 1);
    wait_ms(w, 2949);
    for (unsigned i = 0; i < 2; i++) {
        lose(w, A, "Hello request a1>b1"); /* A --x B */
        lose(w, B, "Hello request b1>a1"); /* A x-- B */
    }
    wait_ms(w, 1);
    lose(w, A, "Hello request a1>0"); /* A --x B */
    lose(w, B, "Hello request b1>0"); /* A x-- B */
    told(w, A, "down");
    told(w, B, "down");
    wait_ms(w, 1000);
    pass(w, A, "Hello request a1>0"); /* A --> B */
    pass(w, B, "Hello request b1>0"); /* A <-- B: had left before */
    pass(w, B, "Hello ack b1>a1");    /* A <-- B */
    told(w, A, "up");
    pass(w, A, "Hello ack a1>b1"); /* A --> B */
    told(w, B, "up");
    wait_ms(w, 0);
    pass(w, A, "Srefresh 1"); /* A --> B: who knows what was lost */
    quiet(w);
    end(w);
}

static void late_hello_is_no_restart(void **state)
{
    struct world *w = world_that_met();

    (void) state;
    kill_side(w, B);
    w->configs[B].instance = 0xb2;
    start(w, B);
    pass(w, B, "Hello request b2>0"); /* A <-- B */
    pass(w, A, "Hello ack a1>b2");    /* A --> B */
    told(w, B, "up");
    pass(w, A, "Hello request a1>b2"); /* A --> B */
    pass(w, B, "Hello ack b2>a1");     /* A <-- B */
    told(w, A, "down restarted up");
    give(w, B,
         (struct rsvp_message) {.type = RSVP_HELLO, /* A <-- B: of its former life */
                                .refresh_reduction = true,
                                .has = RSVP_HAS_HELLO,
                                .hello = {.source_instance = 0xb1, .destination_instance = 0xa1}});
    told(w, A, "");
    quiet(w);
    give(w, B,
         (struct rsvp_message) {.type = RSVP_HELLO, /* A <-- B: RFC 3209 §5.3 forbids instance 0 */
                                .refresh_reduction = true,
                                .has = RSVP_HAS_HELLO,
                                .hello = {.source_instance = 0, .destination_instance = 0xa1}});
    told(w, A, "");
    quiet(w);
    end(w);
}

static void restarted_neighbour_gets_everything_again(void **state)
{
    struct world *w = world_that_met();

    (void) state;
    install(w, 1, 1);
    install(w, 2, 2);
    kill_side(w, B);
    w->configs[B].instance = 0xb2;
    w->configs[B].epoch = 0xbbc;
    start(w, B);
    pass(w, B, "Hello request b2>0"); /* A <-- B */
    told(w, A, "down");
    pass(w, A, "Hello ack a1>b2"); /* A --> B */
    told(w, B, "up");
    pass(w, A, "Hello request a1>b2"); /* A --> B */
    pass(w, B, "Hello ack b2>a1");     /* A <-- B */
    told(w, A, "restarted up");
    assert_int_equal(w->n_flight[A], 2);
    for (unsigned i = 0; i < 2; i++) {
        AUTO_FREE char *text = text_of(&w->flight[A][0]);

        pass(w, A, text); /* A --> B: both Paths, in no order */
    }
    assert_int_equal(strlen(w->told[B].text), strlen("Path1 Path2"));
    w->told[B].length = 0;
    wait_ms(w, 50);
    assert_int_equal(w->n_flight[B], 1);
    end(w);
}

static void own_restart_expects_what_was_saved(void **state)
{
    struct world *w = world_that_met();
    struct neighbour_key one = key_of(RSVP_PATH, 1), two = key_of(RSVP_PATH, 2);

    (void) state;
    install(w, 1, 1);
    install(w, 2, 2);
    say(w, A, RSVP_PATH_TEAR, 2);
    lose(w, A, "PathTear2 id 3"); /* A --x B: it is down already */
    kill_side(w, B);
    w->configs[B].instance = 0xb2;
    w->configs[B].epoch = 0xbbc;
    start(w, B);
    neighbour_expect_received(w->neighbours[B], &one, 7000, w->now);
    neighbour_expect_received(w->neighbours[B], &two, 7000, w->now);
    pass(w, B, "Hello request b2>0");  /* A <-- B */
    pass(w, A, "Hello ack a1>b2");     /* A --> B */
    pass(w, A, "Hello request a1>b2"); /* A --> B */
    pass(w, B, "Hello ack b2>a1");     /* A <-- B */
    pass(w, A, "Path1 id 1");          /* A --> B */
    told(w, A, "down restarted up");
    told(w, B, "up Path1");
    wait_ms(w, 6999);
    told(w, B, "");
    wait_ms(w, 1);
    told(w, B, "expired Path2");
    end(w);
}

/* A restarted neighbour sends what it kept as soon as it hears us, before we know that it hears us. */
static void what_a_restarted_neighbour_said_at_once_counts(void **state)
{
    struct world *w = world_that_met();
    struct neighbour_key one = key_of(RSVP_RESV, 1), two = key_of(RSVP_RESV, 2);

    (void) state;
    keep(w, B, RSVP_RESV, 1);
    pass(w, B, "Resv1 id 101"); /* A <-- B */
    keep(w, B, RSVP_RESV, 2);
    pass(w, B, "Resv2 id 102"); /* A <-- B */
    told(w, A, "Resv1 Resv2");
    wait_ms(w, 50);
    kill_side(w, B);
    w->configs[B].instance = 0xb2;
    w->configs[B].epoch = 0xbbc;
    start(w, B);
    keep(w, B, RSVP_RESV, 1); /* the other one is lost */
    while (w->n_flight[A])
        lose(w, A, "Ack ack 101 ack 102"); /* A --x B: of before */
    pass(w, B, "Hello request b2>0");      /* A <-- B */
    pass(w, B, "Resv1");                   /* A <-- B */
    told(w, A, "down Resv1");
    pass(w, A, "Hello ack a1>b2");     /* A --> B */
    pass(w, A, "Hello request a1>b2"); /* A --> B */
    while (w->n_flight[B] > 1)
        pass(w, B, "Resv1 id 101"); /* A <-- B: now it knows that we acknowledge */
    pass(w, B, "Hello ack b2>a1");  /* A <-- B */
    told(w, A, "restarted up");
    neighbour_expect_received(w->neighbours[A], &one, 7000, w->now);
    neighbour_expect_received(w->neighbours[A], &two, 7000, w->now);
    wait_ms(w, 7000);
    told(w, A, "expired Resv2");
    end(w);
}

/* ---- a neighbour without refresh reduction ---- */

static void foreign_neighbour_gets_plain_messages(void **state)
{
    struct world *w = new_world();

    (void) state;
    w->plain[B] = true;
    w->configs[A].refresh_ms = 1000;
    meet(w);
    keep(w, A, RSVP_PATH, 1);
    lose(w, A, "Path1"); /* A --x B: no MESSAGE_ID, which it might reject */
    say(w, A, RSVP_PATH_ERR, 2);
    pass(w, A, "PathErr2"); /* A --> B */
    wait_ms(w, 1500);
    for (unsigned i = 0; i < 5; i++) {
        while (w->n_flight[A])
            pass(w, A, "Path1"); /* A --> B */
        wait_ms(w, 1500);
    }
    told(w, B, "PathErr2 Path1");
    told(w, A, "");
    while (w->n_flight[A])
        pass(w, A, "Path1"); /* A --> B */
    say(w, A, RSVP_PATH_TEAR, 1);
    pass(w, A, "PathTear1"); /* A --> B */
    wait_ms(w, 10000);
    quiet(w);
    told(w, B, "PathTear1");
    end(w);
}

static void change_without_id_is_seen(void **state)
{
    struct world *w = new_world();
    struct rsvp_message path = make(RSVP_PATH, 1), other = make(RSVP_PATH, 1);

    (void) state;
    w->plain[A] = true;
    meet(w);
    for (unsigned i = 0; i < 3; i++)
        give(w, A, rsvp_message_copy(&path)); /* A --> B */
    told(w, B, "Path1");
    other.has |= RSVP_HAS_UPSTREAM_LABEL;
    other.upstream_label = 17;
    for (unsigned i = 0; i < 3; i++)
        give(w, A, rsvp_message_copy(&other)); /* A --> B */
    told(w, B, "Path1");
    lsp_route_add(&other.rro, (struct lsp_hop) {.type = HOP_IPV4, .length = 32, .address = 1});
    other.has |= RSVP_HAS_RRO;
    for (unsigned i = 0; i < 3; i++)
        give(w, A, rsvp_message_copy(&other)); /* A --> B */
    told(w, B, "Path1");
    rsvp_message_free(&other);
    wait_ms(w, 157499);
    told(w, B, "");
    wait_ms(w, 1);
    told(w, B, "expired Path1");
    end(w);
}

static void state_sent_before_the_first_hello_gets_an_id(void **state)
{
    struct world *w = new_world();

    (void) state;
    start(w, A);
    start(w, B);
    keep(w, A, RSVP_PATH, 1);
    hold(w, A, "Hello request a1>0");
    pass(w, A, "Path1"); /* A --> B */
    told(w, B, "Path1");
    release(w, A);                    /* A --> B */
    pass(w, B, "Hello request b1>0"); /* A <-- B */
    pass(w, A, "Hello ack a1>b1");    /* A --> B */
    pass(w, A, "Hello request a1>b1");
    pass(w, A, "Path1 id 1"); /* A --> B */
    told(w, B, "up");         /* nothing new */
    wait_ms(w, 50);
    pass(w, B, "Hello ack b1>a1");
    pass(w, B, "Hello request b1>a1");
    pass(w, B, "Hello ack b1>a1");
    pass(w, B, "Ack ack 1"); /* A <-- B */
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_needs_both_directions),
        cmocka_unit_test(hello_of_one_side_is_enough),
        cmocka_unit_test(silent_neighbour_is_down_and_its_state_waits),
        cmocka_unit_test(short_silence_is_no_restart),
        cmocka_unit_test(late_hello_is_no_restart),
        cmocka_unit_test(restarted_neighbour_gets_everything_again),
        cmocka_unit_test(own_restart_expects_what_was_saved),
        cmocka_unit_test(what_a_restarted_neighbour_said_at_once_counts),
        cmocka_unit_test(foreign_neighbour_gets_plain_messages),
        cmocka_unit_test(change_without_id_is_seen),
        cmocka_unit_test(state_sent_before_the_first_hello_gets_an_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
