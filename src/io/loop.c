/* SPDX-License-Identifier: Apache-2.0 */
#include "io/loop.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "base/alloc.h"
#include "io/io_internal.h"

struct posted {
    loop_fn *fn;
    void *arg;
};

/* Timers live in a heap of our own behind one event of libevent: libevent counts from a cached clock, so two of its
 * timers may fire a little early and in the wrong order. */
struct loop {
    struct event_base *base;
    struct event *terminate, *interrupt; /* null until loop_handle_signals() */

    struct event *alarm; /* for the first timer of the heap */
    struct timer **heap;
    size_t n_timers, timers_capacity;
    uint64_t next_order;
    struct mono ringing; /* while timers ring: since when */

    struct stream *finishing;

    struct event *wake;
    pthread_mutex_t lock; /* for the three below */
    struct posted *posted;
    size_t n_posted, posted_capacity;
};

#define NOT_IN_HEAP SIZE_MAX

struct timer {
    struct loop *loop;
    loop_fn *fn;
    void *arg;
    struct mono at;
    uint64_t order; /* of setting: breaks ties */
    size_t position;
};

struct event_base *loop_base(const struct loop *loop)
{
    return loop->base;
}

struct stream **loop_finishing(struct loop *loop)
{
    return &loop->finishing;
}

struct mono loop_now(const struct loop *loop)
{
    struct timespec now;

    (void) loop;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (struct mono) {(int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000};
}

static bool earlier(const struct timer *a, const struct timer *b)
{
    return a->at.ms != b->at.ms ? a->at.ms < b->at.ms : a->order < b->order;
}

static void heap_place(struct loop *loop, struct timer *timer, size_t position)
{
    loop->heap[position] = timer;
    timer->position = position;
}

static void heap_up(struct loop *loop, struct timer *timer, size_t position)
{
    while (position > 0 && earlier(timer, loop->heap[(position - 1) / 2])) {
        heap_place(loop, loop->heap[(position - 1) / 2], position);
        position = (position - 1) / 2;
    }
    heap_place(loop, timer, position);
}

static void heap_down(struct loop *loop, struct timer *timer, size_t position)
{
    for (;;) {
        size_t child = 2 * position + 1;

        if (child >= loop->n_timers)
            break;
        if (child + 1 < loop->n_timers && earlier(loop->heap[child + 1], loop->heap[child]))
            child++;
        if (!earlier(loop->heap[child], timer))
            break;
        heap_place(loop, loop->heap[child], position);
        position = child;
    }
    heap_place(loop, timer, position);
}

static void heap_remove(struct loop *loop, struct timer *timer)
{
    size_t hole = timer->position;

    if (hole == NOT_IN_HEAP)
        return;
    timer->position = NOT_IN_HEAP;
    struct timer *last = loop->heap[--loop->n_timers];
    if (last == timer)
        return;
    if (hole > 0 && earlier(last, loop->heap[(hole - 1) / 2]))
        heap_up(loop, last, hole);
    else
        heap_down(loop, last, hole);
}

static void alarm_set(struct loop *loop)
{
    if (loop->n_timers == 0) {
        event_del(loop->alarm);
        return;
    }
    int64_t wait = mono_diff(loop->heap[0]->at, loop_now(loop));
    if (wait < 0)
        wait = 0;
    event_add(loop->alarm, &(struct timeval) {.tv_sec = wait / 1000, .tv_usec = wait % 1000 * 1000});
}

static void alarm_rings(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    const struct mono now = loop_now(loop);
    const uint64_t limit = loop->next_order;

    (void) fd;
    (void) what;
    loop->ringing = now;
    /* A timer that a callback sets to now waits for the next turn, so that timers cannot starve the sockets. */
    while (loop->n_timers > 0 && mono_reached(loop->heap[0]->at, now) && loop->heap[0]->order < limit) {
        struct timer *timer = loop->heap[0];

        heap_remove(loop, timer);
        timer->fn(timer->arg);
    }
    loop->ringing.ms = INT64_MIN;
    alarm_set(loop);
}

static void wake_up(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;

    (void) fd;
    (void) what;
    pthread_mutex_lock(&loop->lock);
    AUTO_FREE struct posted *posted = loop->posted;
    size_t n = loop->n_posted;
    loop->posted = NULL;
    loop->n_posted = 0;
    loop->posted_capacity = 0;
    pthread_mutex_unlock(&loop->lock);

    for (size_t i = 0; i < n; i++)
        posted[i].fn(posted[i].arg);
}

static void stop_on_signal(evutil_socket_t fd, short what, void *arg)
{
    (void) fd;
    (void) what;
    loop_stop(arg);
}

static struct event *signal_event(struct loop *loop, int number)
{
    struct event *event = evsignal_new(loop->base, number, stop_on_signal, loop);

    event_add(event, NULL);
    return event;
}

static struct loop *make_loop(bool threads)
{
    struct loop *loop = xcalloc(1, sizeof *loop);

    /* Writes to a socket that the other end has closed must fail, not kill. */
    signal(SIGPIPE, SIG_IGN);
    if (threads)
        evthread_use_pthreads();
    struct event_config *config = event_config_new();
    if (!threads)
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    if (!loop->base)
        abort(); /* no epoll or no descriptor left at the start of the program */

    loop->ringing.ms = INT64_MIN;
    loop->alarm = evtimer_new(loop->base, alarm_rings, loop);
    loop->wake = event_new(loop->base, -1, EV_PERSIST, wake_up, loop);
    pthread_mutex_init(&loop->lock, NULL);
    return loop;
}

struct loop *loop_new(void)
{
    return make_loop(true);
}

struct loop *loop_new_alone(void)
{
    return make_loop(false);
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    while (loop->finishing)
        stream_free_now(loop->finishing);
    assert(loop->n_timers == 0);
    if (loop->terminate) {
        event_free(loop->terminate);
        event_free(loop->interrupt);
    }
    event_free(loop->alarm);
    event_free(loop->wake);
    /* Closed sockets still have their last turn to come; without it libevent would not free them. */
    while (event_base_get_num_events(loop->base, EVENT_BASE_COUNT_ACTIVE) > 0)
        event_base_loop(loop->base, EVLOOP_NONBLOCK);
    event_base_free(loop->base);
    pthread_mutex_destroy(&loop->lock);
    free(loop->heap);
    free(loop->posted);
    free(loop);
}

void loop_run(struct loop *loop)
{
    event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void loop_stop(struct loop *loop)
{
    event_base_loopbreak(loop->base);
}

void loop_handle_signals(struct loop *loop)
{
    if (loop->terminate)
        return;
    loop->terminate = signal_event(loop, SIGTERM);
    loop->interrupt = signal_event(loop, SIGINT);
}

void loop_post(struct loop *loop, loop_fn *fn, void *arg)
{
    pthread_mutex_lock(&loop->lock);
    loop->posted = array_reserve(loop->posted, loop->n_posted, &loop->posted_capacity, sizeof *loop->posted);
    loop->posted[loop->n_posted++] = (struct posted) {fn, arg};
    pthread_mutex_unlock(&loop->lock);
    event_active(loop->wake, EV_READ, 0);
}

struct timer *timer_new(struct loop *loop, loop_fn *fn, void *arg)
{
    struct timer *timer = xmalloc(sizeof *timer);

    *timer = (struct timer) {.loop = loop, .fn = fn, .arg = arg, .at = MONO_NEVER, .position = NOT_IN_HEAP};
    return timer;
}

void timer_set(struct timer *timer, struct mono at)
{
    struct loop *loop = timer->loop;

    heap_remove(loop, timer);
    if (at.ms != MONO_NEVER.ms) {
        /* One that is set to the past while others ring must not come before those that wait longer. */
        timer->at = at.ms < loop->ringing.ms ? loop->ringing : at;
        timer->order = loop->next_order++;
        loop->heap = array_reserve(loop->heap, loop->n_timers, &loop->timers_capacity, sizeof *loop->heap);
        heap_up(loop, timer, loop->n_timers++);
    }
    alarm_set(loop);
}

void timer_free(struct timer *timer)
{
    if (!timer)
        return;
    timer_set(timer, MONO_NEVER);
    free(timer);
}
