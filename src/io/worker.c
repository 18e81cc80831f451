/* SPDX-License-Identifier: Apache-2.0 */
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>

#include "base/alloc.h"
#include "io/io_internal.h"

struct job {
    struct job *next;
    loop_fn *work, *done;
    void *arg;
};

struct job_list {
    struct job *first, **end;
};

struct worker_pool {
    struct event *finished_event; /* active: 'finished' has jobs */
    pthread_t *threads;
    unsigned n_threads, max_threads; /* of the loop thread alone */

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t changed;
    struct job_list waiting, finished;
    unsigned n_waiting, n_idle;
    bool stopping;
};

static void list_init(struct job_list *list)
{
    *list = (struct job_list) {.end = &list->first};
}

static void list_add(struct job_list *list, struct job *job)
{
    job->next = NULL;
    *list->end = job;
    list->end = &job->next;
}

static struct job *list_take_all(struct job_list *list)
{
    struct job *first = list->first;

    list_init(list);
    return first;
}

static struct job *list_take(struct job_list *list)
{
    struct job *job = list->first;

    list->first = job->next;
    if (!list->first)
        list->end = &list->first;
    return job;
}

static void *worker_main(void *arg)
{
    struct worker_pool *pool = arg;

    pthread_mutex_lock(&pool->lock);
    for (;;) {
        pool->n_idle++;
        while (!pool->stopping && !pool->waiting.first)
            pthread_cond_wait(&pool->changed, &pool->lock);
        pool->n_idle--;
        if (pool->stopping)
            break;
        struct job *job = list_take(&pool->waiting);
        pool->n_waiting--;
        pthread_mutex_unlock(&pool->lock);

        job->work(job->arg);

        pthread_mutex_lock(&pool->lock);
        list_add(&pool->finished, job);
        event_active(pool->finished_event, EV_READ, 0);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void call_done(struct job *job)
{
    while (job) {
        struct job *next = job->next;

        job->done(job->arg);
        free(job);
        job = next;
    }
}

static void on_finished(evutil_socket_t fd, short what, void *arg)
{
    struct worker_pool *pool = arg;

    (void) fd;
    (void) what;
    pthread_mutex_lock(&pool->lock);
    struct job *jobs = list_take_all(&pool->finished);
    pthread_mutex_unlock(&pool->lock);
    call_done(jobs);
}

struct worker_pool *worker_pool_new(struct loop *loop, unsigned threads)
{
    struct worker_pool *pool = xcalloc(1, sizeof *pool);

    pool->finished_event = event_new(loop_base(loop), -1, EV_PERSIST, on_finished, pool);
    pool->max_threads = threads;
    pool->threads = xcalloc(threads, sizeof *pool->threads);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->changed, NULL);
    list_init(&pool->waiting);
    list_init(&pool->finished);
    return pool;
}

/* Signals are the loop thread's. */
static void start_thread(struct worker_pool *pool)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int errnum = pthread_create(&pool->threads[pool->n_threads], NULL, worker_main, pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (errnum == 0)
        pool->n_threads++;
    else if (pool->n_threads == 0)
        abort(); /* like memory: without one thread nothing would ever run */
}

void worker_run(struct worker_pool *pool, loop_fn *work, loop_fn *done, void *arg)
{
    struct job *job = xmalloc(sizeof *job);

    *job = (struct job) {.work = work, .done = done, .arg = arg};
    pthread_mutex_lock(&pool->lock);
    list_add(&pool->waiting, job);
    bool short_of_threads = ++pool->n_waiting > pool->n_idle;
    pthread_cond_signal(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    if (short_of_threads && pool->n_threads < pool->max_threads)
        start_thread(pool);
}

void worker_pool_free(struct worker_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->n_threads; i++)
        pthread_join(pool->threads[i], NULL);

    call_done(list_take_all(&pool->finished));
    call_done(list_take_all(&pool->waiting));
    event_free(pool->finished_event);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->changed);
    free(pool->threads);
    free(pool);
}
