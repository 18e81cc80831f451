/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "io/loop.h"

/* A test that hangs must fail: it is not waited for longer than this. */
#define DEADLINE_MS 20000

struct world {
    struct loop *loop;
    struct timer *deadline;
    struct worker_pool *pool;
    char trace[256];
    struct timer *a, *b, *c;
    struct mono due;
    unsigned n;
    pthread_t loop_thread;
};

static void too_late(void *arg)
{
    (void) arg;
    fail_msg("nothing happened for %d ms", DEADLINE_MS);
}

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);

    w->loop = loop_new();
    w->deadline = timer_new(w->loop, too_late, w);
    timer_set(w->deadline, mono_add(loop_now(w->loop), DEADLINE_MS));
    w->loop_thread = pthread_self();
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    worker_pool_free(w->pool);
    timer_free(w->deadline);
    timer_free(w->a);
    timer_free(w->b);
    timer_free(w->c);
    loop_free(w->loop);
    free(w);
    return 0;
}

static void trace(struct world *w, const char *what)
{
    strncat(w->trace, what, sizeof w->trace - strlen(w->trace) - 1);
}

static void ring_a(void *arg)
{
    trace(arg, "a");
}

static void ring_b(void *arg)
{
    trace(arg, "b");
}

static void ring_last(void *arg)
{
    struct world *w = arg;

    trace(w, "c");
    loop_stop(w->loop);
}

static void test_timers_ring_in_order_of_deadline_then_of_setting(void **state)
{
    struct world *w = *state;
    struct mono now = loop_now(w->loop);

    w->a = timer_new(w->loop, ring_a, w);
    w->b = timer_new(w->loop, ring_b, w);
    w->c = timer_new(w->loop, ring_last, w);
    timer_set(w->c, mono_add(now, 30));
    timer_set(w->b, mono_add(now, 20));
    timer_set(w->a, mono_add(now, 10));
    loop_run(w->loop);
    assert_string_equal(w->trace, "abc");

    now = loop_now(w->loop);
    timer_set(w->b, mono_add(now, 5));
    timer_set(w->a, mono_add(now, 5));
    timer_set(w->c, mono_add(now, 5));
    loop_run(w->loop);
    assert_string_equal(w->trace, "abcbac");
}

static void test_timer_set_again_or_cancelled(void **state)
{
    struct world *w = *state;
    struct mono now = loop_now(w->loop);

    w->a = timer_new(w->loop, ring_a, w);
    w->b = timer_new(w->loop, ring_b, w);
    w->c = timer_new(w->loop, ring_last, w);
    timer_set(w->a, mono_add(now, 1));
    timer_set(w->b, mono_add(now, 2));
    timer_set(w->c, mono_add(now, 3));
    timer_set(w->a, MONO_NEVER);
    timer_set(w->c, mono_add(now, 10));
    timer_set(w->c, mono_add(now, 20));
    loop_run(w->loop);
    assert_string_equal(w->trace, "bc");
}

static void check_due(void *arg)
{
    struct world *w = arg;
    struct mono now = loop_now(w->loop);

    assert_true(mono_reached(w->due, now));
    if (++w->n == 50) {
        loop_stop(w->loop);
        return;
    }
    w->due = mono_add(now, w->n % 4);
    timer_set(w->a, w->due);
}

static void test_timer_never_rings_early(void **state)
{
    struct world *w = *state;

    w->a = timer_new(w->loop, check_due, w);
    w->due = loop_now(w->loop);
    timer_set(w->a, w->due);
    loop_run(w->loop);
    assert_int_equal(w->n, 50);
}

static void set_to_the_past(void *arg)
{
    struct world *w = arg;

    timer_set(w->a, (struct mono) {0});
}

static void test_timer_of_the_past_does_not_starve_the_rest(void **state)
{
    struct world *w = *state;

    w->a = timer_new(w->loop, set_to_the_past, w);
    timer_set(w->a, (struct mono) {0});
    w->c = timer_new(w->loop, ring_last, w);
    timer_set(w->c, mono_add(loop_now(w->loop), 5));
    loop_run(w->loop);
    assert_string_equal(w->trace, "c");
}

static void free_the_others(void *arg)
{
    struct world *w = arg;

    timer_free(w->a);
    timer_free(w->b);
    w->a = NULL;
    w->b = NULL;
}

static void test_timer_freed_by_a_timer(void **state)
{
    struct world *w = *state;
    struct mono now = loop_now(w->loop);

    w->a = timer_new(w->loop, free_the_others, w);
    w->b = timer_new(w->loop, ring_b, w);
    w->c = timer_new(w->loop, ring_last, w);
    timer_set(w->a, now);
    timer_set(w->b, now);
    timer_set(w->c, mono_add(now, 1));
    loop_run(w->loop);
    assert_string_equal(w->trace, "c");
}

/* Against a sorted reference, with numbers from a fixed seed. */
struct many {
    struct world *w;
    struct timer *timer;
    struct mono at;
};

static void ring_many(void *arg)
{
    struct many *m = arg;

    assert_true(m->at.ms >= m->w->due.ms);
    m->w->due = m->at;
    if (--m->w->n == 0)
        loop_stop(m->w->loop);
}

static void test_many_timers(void **state)
{
    enum { N = 500 };
    struct world *w = *state;
    struct mono now = loop_now(w->loop);
    struct many many[N];
    unsigned seed = 1;

    for (int i = 0; i < N; i++) {
        many[i] = (struct many) {.w = w, .at = mono_add(now, rand_r(&seed) % 100)};
        many[i].timer = timer_new(w->loop, ring_many, &many[i]);
        timer_set(many[i].timer, many[i].at);
    }
    w->n = N;
    for (int i = 0; i < N; i += 3) {
        timer_set(many[i].timer, MONO_NEVER);
        w->n--;
    }
    loop_run(w->loop);
    for (int i = 0; i < N; i++)
        timer_free(many[i].timer);
    assert_int_equal(w->n, 0);
}

static void posted(void *arg)
{
    struct world *w = arg;

    assert_true(pthread_equal(pthread_self(), w->loop_thread));
    if (++w->n == 400)
        loop_stop(w->loop);
}

static void *post_hundred(void *arg)
{
    struct world *w = arg;

    for (int i = 0; i < 100; i++)
        loop_post(w->loop, posted, w);
    return NULL;
}

static void test_posts_of_any_thread_run_on_the_loop_thread(void **state)
{
    struct world *w = *state;
    pthread_t threads[4];

    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_hundred, w), 0);
    loop_run(w->loop);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(w->n, 400);
}

static void post_more(void *arg)
{
    struct world *w = arg;

    trace(w, "1");
    loop_post(w->loop, ring_last, w);
    trace(w, "2");
}

static void test_post_runs_later_and_in_order(void **state)
{
    struct world *w = *state;

    loop_post(w->loop, post_more, w);
    loop_post(w->loop, ring_a, w);
    assert_string_equal(w->trace, "");
    loop_run(w->loop);
    assert_string_equal(w->trace, "12ac");
}

static void send_signal(void *arg)
{
    (void) arg;
    raise(SIGTERM);
}

static void test_signal_stops_the_loop(void **state)
{
    struct world *w = *state;

    loop_handle_signals(w->loop);
    loop_post(w->loop, send_signal, w);
    loop_run(w->loop);
}

static long voluntary_switches(void)
{
    char line[256];
    long n = -1;
    FILE *file = fopen("/proc/thread-self/status", "r");

    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        sscanf(line, "voluntary_ctxt_switches: %ld", &n);
    fclose(file);
    return n;
}

static void test_idle_loop_is_not_woken(void **state)
{
    struct world *w = *state;

    w->c = timer_new(w->loop, ring_last, w);
    timer_set(w->c, mono_add(loop_now(w->loop), 300));
    long before = voluntary_switches();
    loop_run(w->loop);
    assert_in_range(voluntary_switches() - before, 1, 5);
}

struct job {
    struct world *w;
    char name[2];
    bool worked;
};

static void worker_work(void *arg)
{
    struct job *job = arg;

    assert_false(pthread_equal(pthread_self(), job->w->loop_thread));
    job->worked = true;
}

static void job_done(void *arg)
{
    struct job *job = arg;

    assert_true(pthread_equal(pthread_self(), job->w->loop_thread));
    assert_true(job->worked);
    trace(job->w, job->name);
    if (++job->w->n == 8)
        loop_stop(job->w->loop);
}

static void test_worker_keeps_order_on_one_thread(void **state)
{
    struct world *w = *state;
    struct job jobs[8];

    w->pool = worker_pool_new(w->loop, 1);
    for (int i = 0; i < 8; i++) {
        jobs[i] = (struct job) {.w = w, .name = {(char) ('a' + i)}};
        worker_run(w->pool, worker_work, job_done, &jobs[i]);
    }
    loop_run(w->loop);
    assert_string_equal(w->trace, "abcdefgh");
}

struct meeting {
    struct world *w;
    pthread_barrier_t barrier;
};

/* Ends only if all three run at once. */
static void worker_meet(void *arg)
{
    struct meeting *meeting = arg;

    pthread_barrier_wait(&meeting->barrier);
}

static void met(void *arg)
{
    struct meeting *meeting = arg;

    if (++meeting->w->n == 3)
        loop_stop(meeting->w->loop);
}

static void test_workers_run_side_by_side(void **state)
{
    struct world *w = *state;
    struct meeting meeting = {.w = w};

    pthread_barrier_init(&meeting.barrier, NULL, 3);
    w->pool = worker_pool_new(w->loop, 3);
    for (int i = 0; i < 3; i++)
        worker_run(w->pool, worker_meet, met, &meeting);
    loop_run(w->loop);
    assert_int_equal(w->n, 3);
    pthread_barrier_destroy(&meeting.barrier);
}

struct held {
    pthread_barrier_t begun;
    unsigned n_worked, n_done;
};

static void worker_hold(void *arg)
{
    struct held *held = arg;

    pthread_barrier_wait(&held->begun);
    held->n_worked++;
}

static void worker_count(void *arg)
{
    struct held *held = arg;

    held->n_worked++;
}

static void held_done(void *arg)
{
    struct held *held = arg;

    held->n_done++;
}

static void test_free_waits_for_running_work_and_calls_every_done(void **state)
{
    struct world *w = *state;
    struct held held = {0};

    pthread_barrier_init(&held.begun, NULL, 2);
    w->pool = worker_pool_new(w->loop, 1);
    worker_run(w->pool, worker_hold, held_done, &held);
    for (int i = 0; i < 100; i++)
        worker_run(w->pool, worker_count, held_done, &held);
    pthread_barrier_wait(&held.begun);
    worker_pool_free(w->pool);
    w->pool = NULL;
    assert_in_range(held.n_worked, 1, 101);
    assert_int_equal(held.n_done, 101);
    pthread_barrier_destroy(&held.begun);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_timers_ring_in_order_of_deadline_then_of_setting),
        TEST(test_timer_set_again_or_cancelled),
        TEST(test_timer_never_rings_early),
        TEST(test_timer_of_the_past_does_not_starve_the_rest),
        TEST(test_timer_freed_by_a_timer),
        TEST(test_many_timers),
        TEST(test_posts_of_any_thread_run_on_the_loop_thread),
        TEST(test_post_runs_later_and_in_order),
        TEST(test_signal_stops_the_loop),
        TEST(test_idle_loop_is_not_woken),
        TEST(test_worker_keeps_order_on_one_thread),
        TEST(test_workers_run_side_by_side),
        TEST(test_free_waits_for_running_work_and_calls_every_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
