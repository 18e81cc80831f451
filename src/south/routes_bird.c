/* SPDX-License-Identifier: Apache-2.0 */
#include "south/routes_bird.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "proto/bird/bird.h"

#define ANSWER_MS 30000 /* for connecting, the command, and a reconfiguration that takes its time, together */
#define ASK_AGAIN_MS 100

enum state {
    STATE_IDLE,
    STATE_GREETING,    /* the connection or BIRD's greeting is awaited */
    STATE_CONFIGURING, /* the answer to BIRD_CONFIGURE is awaited */
    STATE_ASKING,      /* the answer to BIRD_STATUS is awaited */
    STATE_PAUSING      /* until BIRD_STATUS is sent again */
};

/* A set of routes and the requests that end when it is in force or has failed. */
struct job {
    uint64_t *requests;
    size_t n, capacity;
    char *text; /* of the include file; null: no job */
};

struct routes_bird {
    struct routes_driver driver;
    struct loop *loop;
    struct event_queue *queue;
    char *where, *include;
    struct stream *stream; /* null: not connected */
    unsigned connections;  /* tried so far */
    struct timer *deadline, *ask_again;
    enum state state;
    struct job active, waiting;
    char *present;   /* text of the include file */
    char *previous;  /* its text before the active job */
    char *confirmed; /* text that BIRD confirmed last over this connection, or null */
};

static void replace(char **text, char *by)
{
    free(*text);
    *text = by;
}

/* --- the include file --- */

static int write_all(int fd, const char *text)
{
    size_t left = strlen(text);

    while (left) {
        ssize_t n = write(fd, text, left);

        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0) {
            text += n;
            left -= (size_t) n;
        }
    }
    return 0;
}

/* A rename is on disk only once its directory is. */
static int sync_directory(const char *path)
{
    AUTO_FREE char *copy = xstrdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return -1;

    int result = fsync(fd);
    int errnum = errno;
    close(fd);
    errno = errnum;
    return result;
}

/* 0, or -1 and errno. */
static int write_new_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0)
        return -1;
    /* BIRD runs as a user of its own, whatever our umask is. */
    int result = fchmod(fd, 0644) == 0 && write_all(fd, text) == 0 && fsync(fd) == 0 ? 0 : -1;
    int errnum = errno;
    close(fd);
    errno = errnum;
    return result;
}

/* Puts 'text' in the place of the file at once: whoever opens it sees the old or the new one. */
static int write_include(struct routes_bird *bird, const char *text, struct err *err)
{
    AUTO_FREE char *new_path = xasprintf("%s.new", bird->include);

    if (write_new_file(new_path, text) < 0 || rename(new_path, bird->include) < 0) {
        int errnum = errno;

        unlink(new_path);
        return err_set(err, err_from_errno(errnum), "routes file %s: cannot be written: %s", bird->include,
                       strerror(errnum));
    }
    replace(&bird->present, xstrdup(text));
    if (sync_directory(bird->include) < 0)
        return err_set(err, err_from_errno(errno), "routes file %s: its directory cannot be synced: %s", bird->include,
                       strerror(errno));
    return 0;
}

/* Learns what the file holds, or makes an empty one. */
static int read_include(struct routes_bird *bird, struct err *err)
{
    AUTO_STRBUF struct strbuf text = {0};
    char block[4096];
    size_t n;
    FILE *file = fopen(bird->include, "re");

    if (!file && errno == ENOENT)
        return write_include(bird, "", err);
    if (!file)
        return err_set(err, err_from_errno(errno), "routes file %s: cannot be read: %s", bird->include,
                       strerror(errno));
    while ((n = fread(block, 1, sizeof block, file)) > 0)
        strbuf_add(&text, block, n);

    int errnum = ferror(file) ? errno : 0;
    fclose(file);
    if (errnum)
        return err_set(err, err_from_errno(errnum), "routes file %s: cannot be read: %s", bird->include,
                       strerror(errnum));
    bird->present = strbuf_take(&text);
    return 0;
}

/* --- jobs --- */

static void job_add(struct job *job, uint64_t request)
{
    job->requests = array_reserve(job->requests, job->n, &job->capacity, sizeof *job->requests);
    job->requests[job->n++] = request;
}

static void job_free(struct job *job)
{
    free(job->requests);
    free(job->text);
    *job = (struct job) {0};
}

static void start(struct routes_bird *bird);

/* Ends the active job and begins with the one that waits. 'err' null: success. */
static void finish(struct routes_bird *bird, const struct err *err)
{
    timer_set(bird->deadline, MONO_NEVER);
    timer_set(bird->ask_again, MONO_NEVER);
    bird->state = STATE_IDLE;
    for (size_t i = 0; i < bird->active.n; i++)
        event_push_done(bird->queue, bird->active.requests[i], err);
    job_free(&bird->active);
    bird->active = bird->waiting;
    bird->waiting = (struct job) {0};
    if (bird->active.text)
        start(bird);
}

/* Ends the active job, and the connection, whose next bytes would answer a question of the past. */
static void fail_connection(struct routes_bird *bird, const struct err *err)
{
    stream_close(bird->stream);
    bird->stream = NULL;
    replace(&bird->confirmed, NULL);
    if (bird->active.text)
        finish(bird, err);
}

static void send_command(struct routes_bird *bird, const char *command, enum state state)
{
    stream_write(bird->stream, command, strlen(command));
    bird->state = state;
}

/* BIRD has said no: it goes on with what it had, and so must the file, for BIRD reads it when it starts again. */
static void refused(struct routes_bird *bird, const struct bird_reply *reply)
{
    struct err err, failure;

    err_set(&err, ERR_REFUSED, "BIRD at %s refused the routes: %s", bird->where, reply->text);
    if (write_include(bird, bird->previous, &failure) < 0)
        err_prefix(&err, "%s, and still holds routes that BIRD did not take", failure.text);
    finish(bird, &err);
}

/* Takes an answer to BIRD_CONFIGURE or BIRD_STATUS. */
static void answered(struct routes_bird *bird, const struct bird_reply *reply)
{
    struct err err;

    switch (bird_outcome(reply)) {
    case BIRD_CONFIGURED:
        replace(&bird->confirmed, xstrdup(bird->active.text));
        finish(bird, NULL);
        break;
    case BIRD_IN_PROGRESS:
        bird->state = STATE_PAUSING;
        timer_set(bird->ask_again, mono_add(loop_now(bird->loop), ASK_AGAIN_MS));
        break;
    case BIRD_SHUTTING_DOWN:
        err_set(&err, ERR_UNREACHABLE, "BIRD at %s is shutting down: %s", bird->where, reply->text);
        fail_connection(bird, &err);
        break;
    case BIRD_REFUSED:
        refused(bird, reply);
        break;
    case BIRD_READY:
    case BIRD_UNEXPECTED:
        err_set(&err, ERR_UNKNOWN, "BIRD at %s gave an answer that was not expected: %04d %s", bird->where, reply->code,
                reply->text);
        fail_connection(bird, &err);
        break;
    }
}

static void handle(struct routes_bird *bird, const struct bird_reply *reply)
{
    struct err err;

    switch (bird->state) {
    case STATE_GREETING:
        if (bird_outcome(reply) == BIRD_READY) {
            send_command(bird, BIRD_CONFIGURE, STATE_CONFIGURING);
            break;
        }
        err_set(&err, ERR_UNREACHABLE, "%s does not greet as BIRD does: %04d %s", bird->where, reply->code,
                reply->text);
        fail_connection(bird, &err);
        break;
    case STATE_CONFIGURING:
    case STATE_ASKING:
        answered(bird, reply);
        break;
    case STATE_IDLE:
    case STATE_PAUSING:
        err_set(&err, ERR_UNKNOWN, "BIRD at %s spoke without being asked: %04d %s", bird->where, reply->code,
                reply->text);
        fail_connection(bird, &err);
        break;
    }
}

static size_t on_data(void *arg, const uint8_t *bytes, size_t n)
{
    struct routes_bird *bird = arg;
    unsigned connection = bird->connections;
    struct bird_reply reply;
    size_t used = 0;
    int consumed;

    while ((consumed = bird_reply_decode(bytes + used, n - used, &reply)) > 0) {
        used += (size_t) consumed;
        handle(bird, &reply);
        if (!bird->stream || bird->connections != connection)
            return n;
    }
    if (consumed < 0) {
        struct err err;

        err_set(&err, ERR_UNKNOWN, "BIRD at %s does not speak BIRD's control protocol: %s", bird->where,
                err_name(consumed));
        fail_connection(bird, &err);
        return n;
    }
    return used;
}

static void on_down(void *arg, const struct err *reason)
{
    struct routes_bird *bird = arg;
    struct err err;

    bird->stream = NULL;
    replace(&bird->confirmed, NULL);
    if (!bird->active.text)
        return;
    if (bird->state == STATE_GREETING)
        err_set(&err, ERR_UNREACHABLE, "BIRD cannot be reached; its routes file is ready for its start: %s",
                reason->text);
    else
        err_set(&err, ERR_UNKNOWN, "BIRD went away before it took over the routes, or just after it: %s", reason->text);
    finish(bird, &err);
}

static void on_deadline(void *arg)
{
    struct routes_bird *bird = arg;
    struct err err;

    err_set(&err, ERR_TIMEOUT, "BIRD at %s has not taken over the routes within %d s", bird->where, ANSWER_MS / 1000);
    fail_connection(bird, &err);
}

static void on_ask_again(void *arg)
{
    send_command(arg, BIRD_STATUS, STATE_ASKING);
}

static const struct stream_callbacks callbacks = {.data = on_data, .down = on_down};

/* Begins with the active job. */
static void start(struct routes_bird *bird)
{
    struct err err;

    if (bird->confirmed && strcmp(bird->confirmed, bird->active.text) == 0) {
        finish(bird, NULL);
        return;
    }
    replace(&bird->previous, xstrdup(bird->present));
    if (write_include(bird, bird->active.text, &err) < 0) {
        finish(bird, &err);
        return;
    }
    if (bird->stream) {
        send_command(bird, BIRD_CONFIGURE, STATE_CONFIGURING);
    } else {
        bird->stream = stream_connect(bird->loop, bird->where, &callbacks, bird, &err);
        if (!bird->stream) {
            finish(bird, &err);
            return;
        }
        bird->connections++;
        bird->state = STATE_GREETING;
    }
    timer_set(bird->deadline, mono_add(loop_now(bird->loop), ANSWER_MS));
}

static void set_routes(struct routes_driver *driver, uint64_t request, const struct ip *hosts, size_t n)
{
    struct routes_bird *bird = (struct routes_bird *) driver;
    AUTO_STRBUF struct strbuf text = {0};

    for (size_t i = 0; i < n; i++) {
        if (!ip_bits(hosts[i].family)) {
            struct err err;

            err_set(&err, ERR_INVALID, "host %zu of %zu to announce has no address", i + 1, n);
            event_push_done(bird->queue, request, &err);
            return;
        }
    }
    bird_routes_encode(hosts, n, &text);

    struct job *job = bird->active.text ? &bird->waiting : &bird->active;
    job_add(job, request);
    replace(&job->text, strbuf_take(&text));
    if (job == &bird->active)
        start(bird);
}

static void free_driver(struct routes_driver *driver)
{
    struct routes_bird *bird = (struct routes_bird *) driver;

    if (bird->stream)
        stream_close(bird->stream);
    timer_free(bird->deadline);
    timer_free(bird->ask_again);
    job_free(&bird->active);
    job_free(&bird->waiting);
    free(bird->present);
    free(bird->previous);
    free(bird->confirmed);
    free(bird->where);
    free(bird->include);
    free(bird);
}

static const struct routes_ops ops = {.set = set_routes, .free = free_driver};

struct routes_driver *routes_bird_new(struct loop *loop, struct event_queue *queue, const char *socket,
                                      const char *include, struct err *err)
{
    struct routes_bird *bird = xcalloc(1, sizeof *bird);

    bird->driver.ops = &ops;
    bird->loop = loop;
    bird->queue = queue;
    bird->where = xasprintf("unix:%s", socket);
    bird->include = xstrdup(include);
    bird->deadline = timer_new(loop, on_deadline, bird);
    bird->ask_again = timer_new(loop, on_ask_again, bird);
    if (read_include(bird, err) < 0) {
        free_driver(&bird->driver);
        return NULL;
    }
    return &bird->driver;
}
