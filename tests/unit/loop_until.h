/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of what runs on a loop: goes on until the test's world is as it is waited for. */
#ifndef LOOP_UNTIL_H
#define LOOP_UNTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/loop.h"

#define LOOP_PATIENCE_MS 20000
#define LOOP_POLL_MS 5

struct world; /* the test's own */

struct loop_wait {
    struct loop *loop;
    struct timer *timer;
    struct mono deadline;
    bool (*until)(struct world *world);
    struct world *world;
};

static inline void loop_wait_look(void *arg)
{
    const struct loop_wait *wait = arg;

    if (wait->until(wait->world) || mono_reached(wait->deadline, loop_now(wait->loop)))
        loop_stop(wait->loop);
    else
        timer_set(wait->timer, mono_add(loop_now(wait->loop), LOOP_POLL_MS));
}

/* Runs the loop until 'until' is true of 'world'; the test fails after LOOP_PATIENCE_MS. */
static inline void loop_until(struct loop *loop, bool (*until)(struct world *world), struct world *world)
{
    struct loop_wait wait = {.loop = loop, .until = until, .world = world};

    wait.timer = timer_new(loop, loop_wait_look, &wait);
    wait.deadline = mono_add(loop_now(loop), LOOP_PATIENCE_MS);
    timer_set(wait.timer, loop_now(loop));
    loop_run(loop);
    timer_free(wait.timer);
    assert_true(until(world));
}

#endif
