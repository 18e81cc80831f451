/* SPDX-License-Identifier: Apache-2.0 */
/* The client of zebra's command line against a scripted zebra on a thread of its own, which writes down every command
 * and refuses those that the test names. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "loop_until.h"
#include "south/zebra_vty.h"

#define MBIT UINT64_C(1000000)

struct zebra {
    char path[64];
    int listening, client;
    pthread_t thread;
    pthread_mutex_t lock;
    struct strbuf log;  /* commands, each with a newline */
    const char *refuse; /* commands that contain this */
    bool hang_up;       /* closes instead of the next answer */
    bool stop;
};

struct world {
    struct loop *loop;
    struct zebra zebra;
    struct zebra_vty *client;
    unsigned done, refused;
    struct err refusal;
};

/* ---- The scripted zebra ---- */

/* What it answers to a command, or 0: nothing. */
static size_t answer_to(struct zebra *zebra, const char *command, char *answer, size_t size)
{
    bool refused = zebra->refuse && strstr(command, zebra->refuse);
    int n = snprintf(answer, size, "%s", refused ? "no such thing\n" : "");

    strbuf_printf(&zebra->log, "%s\n", command);
    if (zebra->hang_up)
        return 0;
    memset(answer + n, 0, 4);
    answer[n + 3] = refused ? 13 : 0;
    return (size_t) n + 4;
}

static bool serve(struct zebra *zebra, char *buffer, size_t *n, size_t size)
{
    char answer[64];
    ssize_t got = recv(zebra->client, buffer + *n, size - *n, 0);

    if (got <= 0)
        return false;
    *n += (size_t) got;
    for (char *end; (end = memchr(buffer, '\0', *n));) {
        pthread_mutex_lock(&zebra->lock);
        size_t length = answer_to(zebra, buffer, answer, sizeof answer);
        bool hang_up = zebra->hang_up;
        zebra->hang_up = false;
        pthread_mutex_unlock(&zebra->lock);
        if (hang_up || (length && send(zebra->client, answer, length, MSG_NOSIGNAL) < 0))
            return false;
        *n -= (size_t) (end + 1 - buffer);
        memmove(buffer, end + 1, *n);
    }
    return true;
}

static void *zebra_main(void *arg)
{
    struct zebra *zebra = arg;
    char buffer[4096];
    size_t n = 0;

    for (;;) {
        struct pollfd fds[] = {{zebra->listening, POLLIN, 0}, {zebra->client, POLLIN, 0}};

        poll(fds, zebra->client < 0 ? 1 : 2, 10);
        pthread_mutex_lock(&zebra->lock);
        bool stop = zebra->stop;
        pthread_mutex_unlock(&zebra->lock);
        if (stop)
            return NULL;
        if (zebra->client < 0 && (fds[0].revents & POLLIN)) {
            zebra->client = accept(zebra->listening, NULL, NULL);
            n = 0;
        } else if (zebra->client >= 0 && fds[1].revents && !serve(zebra, buffer, &n, sizeof buffer)) {
            close(zebra->client);
            zebra->client = -1;
        }
    }
}

static void zebra_start(struct zebra *zebra)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    memcpy(un.sun_path, zebra->path, sizeof zebra->path);
    zebra->client = -1;
    zebra->stop = false;
    zebra->listening = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(zebra->listening, (struct sockaddr *) &un, sizeof un), 0);
    assert_int_equal(listen(zebra->listening, 4), 0);
    assert_int_equal(pthread_create(&zebra->thread, NULL, zebra_main, zebra), 0);
}

static void zebra_stop(struct zebra *zebra)
{
    pthread_mutex_lock(&zebra->lock);
    zebra->stop = true;
    pthread_mutex_unlock(&zebra->lock);
    pthread_join(zebra->thread, NULL);
    if (zebra->client >= 0)
        close(zebra->client);
    close(zebra->listening);
    unlink(zebra->path);
}

/* ---- The test's loop ---- */

static bool is_settled(struct world *world)
{
    return zebra_vty_settled(world->client);
}

static bool is_lost(struct world *world)
{
    return !zebra_vty_settled(world->client);
}

static bool has_refused(struct world *world)
{
    return world->refused > 0;
}

/* How often zebra was told a command, since the last forget_log(). */
static unsigned times_told(struct world *world, const char *command)
{
    AUTO_FREE char *line = xasprintf("%s\n", command);
    unsigned n = 0;

    pthread_mutex_lock(&world->zebra.lock);
    for (const char *at = world->zebra.log.text; at && (at = strstr(at, line)); at++)
        n++;
    pthread_mutex_unlock(&world->zebra.lock);
    return n;
}

static void forget_log(struct world *world)
{
    pthread_mutex_lock(&world->zebra.lock);
    strbuf_clear(&world->zebra.log);
    pthread_mutex_unlock(&world->zebra.lock);
}

static void script(struct world *world, const char *refuse, bool hang_up)
{
    pthread_mutex_lock(&world->zebra.lock);
    world->zebra.refuse = refuse;
    world->zebra.hang_up = hang_up;
    pthread_mutex_unlock(&world->zebra.lock);
}

static void on_done(void *arg, const char *interface, const struct err *err)
{
    struct world *world = arg;

    assert_int_equal(strncmp(interface, "t1-pe", 5), 0);
    world->done++;
    if (err) {
        world->refused++;
        world->refusal = *err;
    }
}

static void set(struct world *world, const char *interface, uint64_t bps)
{
    struct vty_link link = {0};
    struct err err;

    snprintf(link.interface, sizeof link.interface, "%s", interface);
    for (size_t p = 0; p < TE_PRIORITIES; p++)
        link.unreserved_bps[p] = 1000 * MBIT;
    link.unreserved_bps[7] = bps;
    assert_int_equal(zebra_vty_set(world->client, &link, &err), 0);
}

static int make_world(void **state)
{
    struct world *world = xcalloc(1, sizeof *world);
    struct err err;

    snprintf(world->zebra.path, sizeof world->zebra.path, "/tmp/test_zebra_vty.%d", (int) getpid());
    unlink(world->zebra.path);
    pthread_mutex_init(&world->zebra.lock, NULL);
    world->loop = loop_new();
    world->client = zebra_vty_new(world->loop, world->zebra.path, on_done, world, &err);
    assert_non_null(world->client);
    *state = world;
    return 0;
}

static int free_world(void **state)
{
    struct world *world = *state;

    zebra_vty_free(world->client);
    loop_free(world->loop);
    strbuf_free(&world->zebra.log);
    free(world);
    return 0;
}

/* ---- Tests ---- */

static void test_newest_value(void **state)
{
    struct world *world = *state;

    /* What is set before zebra is there, and again, is told once, with the newest value */
    set(world, "t1-pe1", 900 * MBIT);
    set(world, "t1-pe1", 800 * MBIT);
    set(world, "t1-pe2", 700 * MBIT);
    zebra_start(&world->zebra);
    loop_until(world->loop, is_settled, world);
    assert_int_equal(times_told(world, "interface t1-pe1"), 1);
    assert_int_equal(times_told(world, "unrsv-bw 7 100000000"), 1);
    assert_int_equal(times_told(world, "unrsv-bw 7 112500000"), 0);
    assert_int_equal(times_told(world, "interface t1-pe2"), 1);
    assert_int_equal(times_told(world, "unrsv-bw 0 125000000"), 2);
    assert_int_equal(world->done, 2);

    /* Only what differs; nothing, if nothing does */
    forget_log(world);
    for (uint64_t i = 0; i < 10; i++)
        set(world, "t1-pe1", (600 - i) * MBIT);
    set(world, "t1-pe2", 700 * MBIT);
    loop_until(world->loop, is_settled, world);
    assert_int_equal(times_told(world, "unrsv-bw 7 73875000"), 1);
    assert_int_equal(times_told(world, "interface t1-pe1"), 1);
    assert_int_equal(times_told(world, "interface t1-pe2"), 0);
    assert_int_equal(times_told(world, "end"), 1);
    assert_int_equal(world->done, 4);
    assert_int_equal(world->refused, 0);
    zebra_stop(&world->zebra);
}

static void test_zebra_starts_again(void **state)
{
    struct world *world = *state;

    zebra_start(&world->zebra);
    set(world, "t1-pe1", 900 * MBIT);
    loop_until(world->loop, is_settled, world);
    zebra_stop(&world->zebra);
    loop_until(world->loop, is_lost, world);
    set(world, "t1-pe2", 800 * MBIT);
    forget_log(world);
    /* It has forgotten everything, and is told everything */
    zebra_start(&world->zebra);
    loop_until(world->loop, is_settled, world);
    assert_int_equal(times_told(world, "unrsv-bw 0 125000000"), 2);
    assert_int_equal(times_told(world, "unrsv-bw 7 112500000"), 1);
    assert_int_equal(times_told(world, "unrsv-bw 7 100000000"), 1);

    /* In the middle of a dialogue */
    script(world, NULL, true);
    set(world, "t1-pe1", 700 * MBIT);
    loop_until(world->loop, is_settled, world);
    assert_int_equal(times_told(world, "unrsv-bw 7 87500000"), 1);
    zebra_stop(&world->zebra);
}

static void test_refusal(void **state)
{
    struct world *world = *state;
    struct err err;

    zebra_start(&world->zebra);
    script(world, "unrsv-bw 2", false);
    set(world, "t1-pe1", 900 * MBIT);
    loop_until(world->loop, has_refused, world);
    assert_int_equal(world->refusal.code, ERR_REFUSED);
    assert_string_equal(world->refusal.text,
                        "interface t1-pe1: zebra refuses \"unrsv-bw 2 125000000\" with status 13: no such thing");
    loop_until(world->loop, is_settled, world);
    /* The rest was left out, but for what leaves the mode */
    assert_int_equal(times_told(world, "unrsv-bw 3 125000000"), 0);
    assert_int_equal(times_told(world, "end"), 1);

    /* The next value is told as a whole, for nobody knows what stands */
    script(world, NULL, false);
    forget_log(world);
    set(world, "t1-pe1", 800 * MBIT);
    loop_until(world->loop, is_settled, world);
    assert_int_equal(times_told(world, "unrsv-bw 0 125000000"), 1);
    assert_int_equal(times_told(world, "unrsv-bw 7 100000000"), 1);
    assert_int_equal(world->refused, 1);

    struct vty_link bad = {.interface = "a b"};
    assert_int_equal(zebra_vty_set(world->client, &bad, &err), ERR_INVALID);
    zebra_vty_forget(world->client, "t1-pe1");
    zebra_vty_forget(world->client, "t1-pe1");
    assert_true(zebra_vty_settled(world->client));
    zebra_stop(&world->zebra);
}

static void test_path(void **state)
{
    struct world *world = *state;
    char path[200];
    struct err err;

    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_null(zebra_vty_new(world->loop, path, NULL, NULL, &err));
    assert_int_equal(err.code, ERR_INVALID);
    zebra_vty_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_newest_value, make_world, free_world),
        cmocka_unit_test_setup_teardown(test_zebra_starts_again, make_world, free_world),
        cmocka_unit_test_setup_teardown(test_refusal, make_world, free_world),
        cmocka_unit_test_setup_teardown(test_path, make_world, free_world),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
