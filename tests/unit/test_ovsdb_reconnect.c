/* SPDX-License-Identifier: Apache-2.0 */
/* When to connect, probe and give up: each step names the time, what happens, and what has to be done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "proto/ovsdb/reconnect.h"

#define LIMIT 5000

enum step_type { RUN, CONNECTED, RECEIVED, LOST };

struct step {
    int64_t at; /* ms */
    enum step_type type;
    enum reconnect_action action; /* of RUN */
    int64_t deadline;             /* afterwards */
};

static void play(const struct step *steps, size_t n)
{
    struct reconnect r;

    reconnect_init(&r, LIMIT, (struct mono) {0});
    for (size_t i = 0; i < n; i++) {
        const struct step *step = &steps[i];
        struct mono now = {step->at};
        enum reconnect_action action = RECONNECT_NOTHING;

        switch (step->type) {
        case RUN:
            action = reconnect_run(&r, now);
            break;
        case CONNECTED:
            reconnect_connected(&r, now);
            break;
        case RECEIVED:
            reconnect_received(&r, now);
            break;
        case LOST:
            reconnect_disconnected(&r, now);
            break;
        }
        if (action != step->action || reconnect_deadline(&r).ms != step->deadline)
            fail_msg("step %zu: action %d, deadline %lld", i, (int) action, (long long) reconnect_deadline(&r).ms);
    }
}

static void backoff_doubles_up_to_its_bound(void **state)
{
    static const struct step steps[] = {
        {0, RUN, RECONNECT_CONNECT, LIMIT},      {10, LOST, RECONNECT_NOTHING, 1010},
        {1009, RUN, RECONNECT_NOTHING, 1010},    {1010, RUN, RECONNECT_CONNECT, 1010 + LIMIT},
        {1020, LOST, RECONNECT_NOTHING, 3020},   {3020, RUN, RECONNECT_CONNECT, 3020 + LIMIT},
        {3020, LOST, RECONNECT_NOTHING, 7020},   {7020, RUN, RECONNECT_CONNECT, 7020 + LIMIT},
        {7020, LOST, RECONNECT_NOTHING, 15020},  {15020, RUN, RECONNECT_CONNECT, 15020 + LIMIT},
        {15020, LOST, RECONNECT_NOTHING, 23020},
    };

    (void) state;
    play(steps, ARRAY_LEN(steps));
}

static void connecting_has_a_time_limit(void **state)
{
    static const struct step steps[] = {
        {0, RUN, RECONNECT_CONNECT, LIMIT},
        {LIMIT - 1, RUN, RECONNECT_NOTHING, LIMIT},
        {LIMIT, RUN, RECONNECT_DISCONNECT, LIMIT + 1000},
        {LIMIT + 1000, RUN, RECONNECT_CONNECT, 2 * LIMIT + 1000},
    };

    (void) state;
    play(steps, ARRAY_LEN(steps));
}

static void silence_is_probed_and_then_ended(void **state)
{
    static const struct step steps[] = {
        {0, RUN, RECONNECT_CONNECT, LIMIT},
        {5, CONNECTED, RECONNECT_NOTHING, 5 + LIMIT},
        {100, RECEIVED, RECONNECT_NOTHING, 100 + LIMIT},
        {5 + LIMIT, RUN, RECONNECT_NOTHING, 100 + LIMIT},
        {100 + LIMIT, RUN, RECONNECT_PROBE, 100 + 2 * LIMIT},
        {200 + LIMIT, RECEIVED, RECONNECT_NOTHING, 200 + 2 * LIMIT},
        {200 + 2 * LIMIT, RUN, RECONNECT_PROBE, 200 + 3 * LIMIT},
        {200 + 3 * LIMIT, RUN, RECONNECT_DISCONNECT, 1200 + 3 * LIMIT},
        {1200 + 3 * LIMIT, RUN, RECONNECT_CONNECT, 1200 + 4 * LIMIT},
    };

    (void) state;
    play(steps, ARRAY_LEN(steps));
}

static void only_a_long_connection_resets_the_backoff(void **state)
{
    static const struct step steps[] = {
        {0, RUN, RECONNECT_CONNECT, LIMIT},
        {0, LOST, RECONNECT_NOTHING, 1000},
        {1000, RUN, RECONNECT_CONNECT, 1000 + LIMIT},
        {1000, CONNECTED, RECONNECT_NOTHING, 1000 + LIMIT},
        {1100, LOST, RECONNECT_NOTHING, 3100},
        {3100, RUN, RECONNECT_CONNECT, 3100 + LIMIT},
        {3100, CONNECTED, RECONNECT_NOTHING, 3100 + LIMIT},
        {8000, RECEIVED, RECONNECT_NOTHING, 8000 + LIMIT},
        {11100, LOST, RECONNECT_NOTHING, 12100},
    };

    (void) state;
    play(steps, ARRAY_LEN(steps));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backoff_doubles_up_to_its_bound),
        cmocka_unit_test(connecting_has_a_time_limit),
        cmocka_unit_test(silence_is_probed_and_then_ended),
        cmocka_unit_test(only_a_long_connection_resets_the_backoff),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
