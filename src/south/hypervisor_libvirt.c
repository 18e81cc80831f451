/* SPDX-License-Identifier: Apache-2.0 */
/* The requests of the libvirt driver. What it knows of servers and their domains is libvirt_server's, the blocking
 * calls are libvirt_calls', libvirt's own thread is libvirt_session's.
 *
 * A transfer is one call that blocks a worker of 'transfer_pool' until libvirt has finished. Meanwhile its timer has a
 * worker of the source's pool ask for its progress; and libvirt tells each new pass over the memory by an event, which
 * goes on at once with the other numbers as last read. */
#include "south/hypervisor_libvirt.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "south/libvirt_calls.h"
#include "south/libvirt_server.h"

#define PROGRESS_MS 200

struct libvirt_driver {
    struct hypervisor_driver base;
    struct loop *loop;
    struct event_queue *queue;
    struct libvirt_events *events;
    struct libvirt_server **servers;
    size_t n_servers;
    struct worker_pool *transfer_pool;
    struct transfer *transfers;
};

struct transfer {
    struct transfer *next;
    struct libvirt_driver *driver;
    struct libvirt_server *server;
    uint64_t request;
    struct hypervisor_transfer asked;
    struct timer *timer;
    struct transfer_progress progress; /* as told last */
    atomic_bool abort;                 /* wanted; kept trying while the transfer lasts */
    atomic_bool over;                  /* its call has returned, but maybe not been heard of */
    bool asking;                       /* a worker asks for progress, or aborts */
    bool ended;
    int result;
    struct err err;
};

/* A question about one VM; 'transfer' is null for those that are not part of one. */
struct question {
    struct libvirt_driver *driver;
    struct libvirt_server *server;
    struct transfer *transfer;
    uint64_t request;
    virConnectPtr connection;
    uint8_t uuid[UUID_SIZE];
    struct vm vm;
    struct transfer_progress progress;
    bool abort;
    int result;
    struct err err;
};

static struct libvirt_driver *driver_of(struct hypervisor_driver *driver)
{
    return (struct libvirt_driver *) (void *) driver; /* its first member */
}

static struct libvirt_server *find_server(const struct libvirt_driver *driver, const char *name, struct err *err)
{
    for (size_t i = 0; i < driver->n_servers; i++)
        if (!strcmp(driver->servers[i]->name, name))
            return driver->servers[i];
    err_set(err, ERR_NOT_FOUND, "no server is called %s", name);
    return NULL;
}

/* The transfer of that VM away from 'server', or null. */
static struct transfer *find_transfer(const struct libvirt_driver *driver, const struct libvirt_server *server,
                                      const uint8_t uuid[UUID_SIZE])
{
    for (struct transfer *transfer = driver->transfers; transfer; transfer = transfer->next)
        if (transfer->server == server && !transfer->ended && !memcmp(transfer->asked.uuid, uuid, UUID_SIZE))
            return transfer;
    return NULL;
}

static struct question *question_new(struct libvirt_driver *driver, struct libvirt_server *server,
                                     const uint8_t uuid[UUID_SIZE], uint64_t request)
{
    struct question *question = xcalloc(1, sizeof *question);

    question->driver = driver;
    question->server = server;
    question->request = request;
    memcpy(question->uuid, uuid, UUID_SIZE);
    /* What holds if the pool is freed before a worker has come to it. */
    question->result = err_set(&question->err, ERR_CANCELLED, "the driver is stopped");
    question->connection = libvirt_server_connection(server, &question->err);
    return question;
}

static void tell_progress(struct transfer *transfer)
{
    struct event *event = event_push(transfer->driver->queue, EVENT_PROGRESS);

    event->request = transfer->request;
    event->progress = transfer->progress;
}

/* Ends a transfer once neither its call nor a question of it is with a worker. */
static void transfer_settle(struct transfer *transfer)
{
    struct transfer **at = &transfer->driver->transfers;

    if (!transfer->ended || transfer->asking)
        return;
    while (*at != transfer)
        at = &(*at)->next;
    *at = transfer->next;
    timer_free(transfer->timer);
    free(transfer);
}

static void worker_ask_progress(void *arg)
{
    struct question *question = arg;

    question->result = question->abort ? worker_abort(question->connection, question->uuid, &question->err) :
                                         worker_read_progress(question->connection, question->uuid, &question->progress,
                                                              &question->err);
}

static void progress_done(void *arg)
{
    struct question *question = arg;
    struct transfer *transfer = question->transfer;

    transfer->asking = false;
    if (!transfer->ended) {
        if (!question->result && !question->abort) {
            /* The iteration is told by an event, too, which may have been faster. */
            if (question->progress.iteration < transfer->progress.iteration)
                question->progress.iteration = transfer->progress.iteration;
            transfer->progress = question->progress;
            tell_progress(transfer);
        }
        timer_set(transfer->timer, mono_add(loop_now(transfer->driver->loop), PROGRESS_MS));
    }
    transfer_settle(transfer);
    free(question);
}

static void on_progress_timer(void *arg)
{
    struct transfer *transfer = arg;
    struct question *question = question_new(transfer->driver, transfer->server, transfer->asked.uuid,
                                             transfer->request);

    if (!question->connection) {
        /* The server is down. The transfer has a connection of its own and may not be: its call will tell. */
        free(question);
        timer_set(transfer->timer, mono_add(loop_now(transfer->driver->loop), PROGRESS_MS));
        return;
    }
    question->transfer = transfer;
    question->abort = atomic_load(&transfer->abort);
    transfer->asking = true;
    worker_run(transfer->server->pool, worker_ask_progress, progress_done, question);
}

static void worker_run_transfer(void *arg)
{
    struct transfer *transfer = arg;

    transfer->result = worker_transfer(transfer->server->uri, &transfer->asked, &transfer->abort, &transfer->err);
    atomic_store(&transfer->over, true);
}

static void transfer_done(void *arg)
{
    struct transfer *transfer = arg;

    transfer->ended = true;
    timer_set(transfer->timer, MONO_NEVER);
    event_push_done(transfer->driver->queue, transfer->request, transfer->result ? &transfer->err : NULL);
    libvirt_server_reread(transfer->server, transfer->asked.uuid);
    transfer_settle(transfer);
}

static void driver_transfer(struct hypervisor_driver *base, uint64_t request, const struct hypervisor_transfer *asked)
{
    struct libvirt_driver *driver = driver_of(base);
    struct err err;
    struct libvirt_server *server = find_server(driver, asked->server, &err);

    if (!server || !libvirt_server_connection(server, &err)) {
        err_prefix(&err, "transfer of VM %s", asked->vm);
        event_push_done(driver->queue, request, &err);
        return;
    }
    struct transfer *transfer = xcalloc(1, sizeof *transfer);
    transfer->driver = driver;
    transfer->server = server;
    transfer->request = request;
    transfer->asked = *asked;
    transfer->result = err_set(&transfer->err, ERR_CANCELLED, "the driver is stopped");
    transfer->timer = timer_new(driver->loop, on_progress_timer, transfer);
    transfer->next = driver->transfers;
    driver->transfers = transfer;
    timer_set(transfer->timer, mono_add(loop_now(driver->loop), PROGRESS_MS));
    worker_run(driver->transfer_pool, worker_run_transfer, transfer_done, transfer);
}

static void worker_ask_abort(void *arg)
{
    struct question *question = arg;

    question->result = worker_abort(question->connection, question->uuid, &question->err);
}

static void abort_done(void *arg)
{
    struct question *question = arg;

    /* A transfer of ours that has no job yet, or has it no more: its timer keeps trying, and its end tells the rest. */
    if (question->result == ERR_CONFLICT && find_transfer(question->driver, question->server, question->uuid))
        question->result = 0;
    event_push_done(question->driver->queue, question->request, question->result ? &question->err : NULL);
    free(question);
}

static void driver_abort(struct hypervisor_driver *base, uint64_t request, const char *server_name,
                         const uint8_t uuid[UUID_SIZE])
{
    struct libvirt_driver *driver = driver_of(base);
    struct err err;
    struct libvirt_server *server = find_server(driver, server_name, &err);

    if (!server) {
        event_push_done(driver->queue, request, &err);
        return;
    }
    struct transfer *transfer = find_transfer(driver, server, uuid);
    struct question *question = question_new(driver, server, uuid, request);
    if (transfer)
        atomic_store(&transfer->abort, true);
    if (!question->connection) {
        event_push_done(driver->queue, request, &question->err);
        free(question);
        return;
    }
    worker_run(server->pool, worker_ask_abort, abort_done, question);
}

static void worker_ask_place(void *arg)
{
    struct question *question = arg;

    question->result = worker_read_state(question->connection, question->uuid, &question->vm, &question->err);
}

static void place_done(void *arg)
{
    struct question *question = arg;
    bool answered = !question->result || question->result == ERR_NOT_FOUND;
    struct event *event = event_push_done(question->driver->queue, question->request, answered ? NULL : &question->err);

    if (!answered)
        event->location = PLACE_UNKNOWN;
    else
        event->location = question->result ? PLACE_ABSENT : place_of_vm(&question->vm);
    free(question);
}

static void driver_locate(struct hypervisor_driver *base, uint64_t request, const char *server_name,
                          const uint8_t uuid[UUID_SIZE])
{
    struct libvirt_driver *driver = driver_of(base);
    struct err err;
    struct libvirt_server *server = find_server(driver, server_name, &err);

    if (!server) {
        event_push_done(driver->queue, request, &err)->location = PLACE_UNKNOWN;
        return;
    }
    struct question *question = question_new(driver, server, uuid, request);
    if (!question->connection) {
        question->result = question->err.code;
        place_done(question);
        return;
    }
    worker_run(server->pool, worker_ask_place, place_done, question);
}

static void on_job(void *arg, const struct libvirt_server *server, const struct session_event *event)
{
    struct transfer *transfer = find_transfer(arg, server, event->uuid);

    if (!transfer)
        return;
    if (event->type == SESSION_JOB)
        transfer->progress = event->progress;
    else
        transfer->progress.iteration = event->progress.iteration;
    tell_progress(transfer);
}

/* Until it ends, for a job that has just not begun cannot be aborted, and the call lasts as long as the job. */
static void abort_transfer(struct transfer *transfer)
{
    virConnectPtr connection = libvirt_server_connection(transfer->server, NULL);

    atomic_store(&transfer->abort, true);
    while (connection && !atomic_load(&transfer->over)) {
        worker_abort(connection, transfer->asked.uuid, NULL);
        nanosleep(&(struct timespec) {.tv_nsec = 50000000}, NULL);
    }
}

static void driver_free(struct hypervisor_driver *base)
{
    struct libvirt_driver *driver = driver_of(base);

    for (size_t i = 0; i < driver->n_servers; i++)
        libvirt_server_stop(driver->servers[i]);
    for (struct transfer *transfer = driver->transfers; transfer; transfer = transfer->next)
        abort_transfer(transfer);
    worker_pool_free(driver->transfer_pool);
    for (size_t i = 0; i < driver->n_servers; i++)
        libvirt_server_free(driver->servers[i]);
    libvirt_events_stop(driver->events);
    free(driver->servers);
    free(driver);
}

struct hypervisor_driver *hypervisor_libvirt_new(struct loop *loop, struct event_queue *queue,
                                                 const struct hypervisor_libvirt_config *config)
{
    static const struct hypervisor_ops ops = {
        .transfer = driver_transfer, .abort = driver_abort, .locate = driver_locate, .free = driver_free};
    struct libvirt_driver *driver = xcalloc(1, sizeof *driver);

    driver->base.ops = &ops;
    driver->loop = loop;
    driver->queue = queue;
    driver->events = libvirt_events_start(loop);
    driver->transfer_pool = worker_pool_new(loop, config->transfers);
    driver->servers = xcalloc(config->n_servers, sizeof(struct libvirt_server *));
    for (size_t i = 0; i < config->n_servers; i++)
        driver->servers[driver->n_servers++] = libvirt_server_new(loop, queue, driver->events, config->servers[i].name,
                                                                  config->servers[i].uri, on_job, driver);
    return &driver->base;
}
