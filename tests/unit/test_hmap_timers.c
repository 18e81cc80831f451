/* SPDX-License-Identifier: Apache-2.0 */
/* The hash table and the heap of deadlines, against plain arrays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/hmap.h"
#include "base/timers.h"

#define THINGS 500
#define STEPS 20000

struct thing {
    struct hmap_node node;
    struct timer_entry timer;
    bool there;
};

static uint32_t next_random(uint32_t *random)
{
    *random = *random * 1664525 + 1013904223;
    return *random >> 8;
}

/* Few hashes, so that many things share one. */
static uint32_t hash_of(unsigned i)
{
    return hash_add(0, i % 97);
}

static bool is_found(const struct hmap *map, const struct thing *thing, uint32_t hash)
{
    for (struct hmap_node *at = hmap_first(map, hash); at; at = hmap_same(at))
        if (OWNER_OF(at, struct thing, node) == thing)
            return true;
    return false;
}

static void table_holds_what_was_put_in(void **state)
{
    struct thing *things = xcalloc(THINGS, sizeof *things);
    struct hmap map = {0};
    uint32_t random = 1;
    size_t n = 0;

    (void) state;
    assert_null(hmap_first(&map, 1));
    assert_null(hmap_any(&map));
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned i = next_random(&random) % THINGS;
        size_t seen = 0;

        if (things[i].there)
            hmap_remove(&map, &things[i].node);
        else
            hmap_insert(&map, &things[i].node, hash_of(i));
        things[i].there = !things[i].there;
        n += things[i].there ? 1 : (size_t) -1;
        assert_int_equal(is_found(&map, &things[i], hash_of(i)), things[i].there);
        if (step % 100 != 0)
            continue;
        for (struct hmap_node *at = NULL; (at = hmap_next(&map, at)); seen++)
            assert_true(OWNER_OF(at, struct thing, node)->there);
        assert_int_equal(seen, n);
        assert_int_equal(map.n, n);
    }
    for (struct hmap_node *at; (at = hmap_any(&map));)
        hmap_remove(&map, at);
    hmap_free(&map);
    free(things);
}

static struct mono nearest(const struct thing *things)
{
    struct mono at = MONO_NEVER;

    for (unsigned i = 0; i < THINGS; i++)
        if (things[i].there)
            at = mono_min(at, things[i].timer.at);
    return at;
}

static void nearest_deadline_comes_first(void **state)
{
    struct thing *things = xcalloc(THINGS, sizeof *things);
    struct timers timers = {0};
    struct mono now = {0};
    uint32_t random = 1;

    (void) state;
    assert_null(timers_due(&timers, now));
    for (unsigned step = 0; step < STEPS; step++) {
        struct thing *thing = &things[next_random(&random) % THINGS];
        struct timer_entry *due;

        thing->there = next_random(&random) % 4 != 0;
        if (thing->there)
            timers_set(&timers, &thing->timer, mono_add(now, next_random(&random) % 1000));
        else
            timers_cancel(&timers, &thing->timer);
        assert_int_equal(timers_deadline(&timers).ms, nearest(things).ms);
        now.ms += next_random(&random) % 3;
        while ((due = timers_due(&timers, now))) {
            assert_int_equal(due->at.ms, nearest(things).ms);
            OWNER_OF(due, struct thing, timer)->there = false;
        }
        assert_true(nearest(things).ms > now.ms);
    }
    timers_free(&timers);
    free(things);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_holds_what_was_put_in),
        cmocka_unit_test(nearest_deadline_comes_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
