/* SPDX-License-Identifier: Apache-2.0 */
/* Streams over TCP and Unix sockets; those over TLS are in test_io_tls.c. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "io/loop.h"

#define DEADLINE_MS 60000

struct world;

/* One end of a connection and what happened at it. */
struct end {
    struct world *w;
    struct stream *stream; /* null once it is down or closed */
    struct strbuf got;
    size_t total;  /* bytes consumed */
    size_t expect; /* the loop stops when 'total' reaches it */
    size_t least;  /* consumes nothing before this many have arrived */
    size_t most;   /* consumes no more at once; 0: everything */
    unsigned calls;
    bool echo, up, down, close_on_data, close_in_up, finish_on_data, stop_on_down, close_in_down;
    struct err reason;
};

struct world {
    struct loop *loop;
    struct timer *deadline;
    struct listener *listener;
    struct end client, server;
};

static void too_late(void *arg)
{
    (void) arg;
    fail_msg("nothing happened for %d ms", DEADLINE_MS);
}

static void on_up(void *arg)
{
    struct end *end = arg;

    end->up = true;
    if (end->close_in_up) {
        stream_close(end->stream);
        end->stream = NULL;
    }
}

static size_t on_data(void *arg, const uint8_t *bytes, size_t n)
{
    struct end *end = arg;

    end->calls++;
    if (n < end->least)
        return 0;
    if (end->most && n > end->most)
        n = end->most;
    if (end->echo)
        stream_write(end->stream, bytes, n);
    else
        strbuf_add(&end->got, bytes, n);
    end->total += n;
    if (end->close_on_data)
        stream_close(end->stream);
    if (end->finish_on_data)
        stream_finish(end->stream);
    if (end->close_on_data || end->finish_on_data)
        end->stream = NULL;
    if (end->expect && end->total >= end->expect)
        loop_stop(end->w->loop);
    return n;
}

static void on_down(void *arg, const struct err *reason)
{
    struct end *end = arg;

    end->down = true;
    end->reason = *reason;
    if (end->close_in_down)
        stream_close(end->stream);
    end->stream = NULL;
    if (end->stop_on_down)
        loop_stop(end->w->loop);
}

static const struct stream_callbacks callbacks = {on_up, on_data, on_down};

static void on_accepted(void *arg, struct stream *stream)
{
    struct world *w = arg;

    assert_null(w->server.stream);
    w->server.stream = stream;
    stream_set_callbacks(stream, &callbacks, &w->server);
}

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    struct err err = {0};

    w->loop = loop_new();
    w->deadline = timer_new(w->loop, too_late, w);
    timer_set(w->deadline, mono_add(loop_now(w->loop), DEADLINE_MS));
    w->listener = listener_new(w->loop, "127.0.0.1", 0, on_accepted, w, &err);
    assert_non_null(w->listener);
    w->client.w = w->server.w = w;
    *state = w;
    return 0;
}

static void end_close(struct end *end)
{
    if (end->stream)
        stream_close(end->stream);
    end->stream = NULL;
    strbuf_free(&end->got);
}

static int tear_down(void **state)
{
    struct world *w = *state;

    end_close(&w->client);
    end_close(&w->server);
    listener_free(w->listener);
    timer_free(w->deadline);
    loop_free(w->loop);
    free(w);
    return 0;
}

static void connect_to(struct world *w, uint16_t port)
{
    AUTO_FREE char *where = xasprintf("tcp:127.0.0.1:%u", port);
    struct err err = {0};

    w->client.stream = stream_connect(w->loop, where, &callbacks, &w->client, &err);
    assert_non_null(w->client.stream);
}

/* A port that nobody listens on: it was free a moment ago. */
static uint16_t dead_port(struct world *w)
{
    struct listener *listener = listener_new(w->loop, "127.0.0.1", 0, on_accepted, w, NULL);
    uint16_t port = listener_port(listener);

    listener_free(listener);
    return port;
}

static void test_echo(void **state)
{
    struct world *w = *state;

    w->server.echo = true;
    w->client.expect = 5;
    connect_to(w, listener_port(w->listener));
    stream_write(w->client.stream, "hello", 5); /* not connected yet */
    assert_int_equal(stream_pending(w->client.stream), 5);
    assert_false(w->client.up);
    loop_run(w->loop);
    assert_true(w->client.up);
    assert_false(w->server.up);
    assert_string_equal(w->client.got.text, "hello");
    assert_int_equal(stream_pending(w->client.stream), 0);

    AUTO_FREE char *peer = xasprintf("127.0.0.1:%u", listener_port(w->listener));
    assert_string_equal(stream_peer(w->client.stream), peer);
    assert_memory_equal(stream_peer(w->server.stream), "127.0.0.1:", 10);
    assert_string_equal(stream_peer_name(w->server.stream), "");
}

static void test_rest_comes_again_with_what_follows(void **state)
{
    struct world *w = *state;

    w->server.most = 3;
    w->server.expect = 3;
    connect_to(w, listener_port(w->listener));
    stream_write(w->client.stream, "abcde", 5);
    loop_run(w->loop);
    assert_string_equal(w->server.got.text, "abc");
    assert_int_equal(w->server.calls, 1);

    w->server.most = 0;
    w->server.expect = 7;
    stream_write(w->client.stream, "fg", 2);
    loop_run(w->loop);
    assert_string_equal(w->server.got.text, "abcdefg");
    assert_int_equal(w->server.calls, 2);
}

static void test_message_arrives_whole_if_nothing_is_consumed_before(void **state)
{
    enum { SIZE = 1 << 20 };
    struct world *w = *state;
    AUTO_FREE char *message = xmalloc(SIZE);

    for (size_t i = 0; i < SIZE; i++)
        message[i] = (char) (i * 7 >> 3);
    w->server.least = SIZE;
    w->server.expect = SIZE;
    connect_to(w, listener_port(w->listener));
    stream_write(w->client.stream, message, SIZE);
    loop_run(w->loop);
    assert_int_equal(w->server.got.length, SIZE);
    assert_memory_equal(w->server.got.text, message, SIZE);
}

static void test_eight_mebibytes_both_ways(void **state)
{
    enum { SIZE = 8 << 20 };
    struct world *w = *state;
    AUTO_FREE char *message = xmalloc(SIZE);

    for (size_t i = 0; i < SIZE; i++)
        message[i] = (char) (i * 13 >> 5);
    w->server.echo = true;
    w->client.expect = SIZE;
    connect_to(w, listener_port(w->listener));
    stream_write(w->client.stream, message, SIZE);
    loop_run(w->loop);
    assert_int_equal(w->client.got.length, SIZE);
    assert_memory_equal(w->client.got.text, message, SIZE);
}

static void test_more_unread_than_allowed(void **state)
{
    enum { SIZE = (16 << 20) + (1 << 20) };
    struct world *w = *state;
    AUTO_FREE char *message = xcalloc(1, SIZE);

    w->server.least = SIZE_MAX;
    w->server.stop_on_down = true;
    connect_to(w, listener_port(w->listener));
    stream_write(w->client.stream, message, SIZE);
    loop_run(w->loop);
    assert_int_equal(w->server.reason.code, ERR_TOO_LARGE);
    assert_non_null(strstr(w->server.reason.text, "16 MiB"));
}

static void test_nobody_listens(void **state)
{
    struct world *w = *state;
    uint16_t port = dead_port(w);
    AUTO_FREE char *text = xasprintf("127.0.0.1:%u: Connection refused", port);

    w->client.stop_on_down = true;
    connect_to(w, port);
    stream_write(w->client.stream, "x", 1);
    assert_false(w->client.down);
    loop_run(w->loop);
    assert_int_equal(w->client.reason.code, ERR_UNREACHABLE);
    assert_string_equal(w->client.reason.text, text);
    assert_false(w->client.up);
}

static void test_other_end_closes(void **state)
{
    struct world *w = *state;

    w->server.close_on_data = true;
    w->client.stop_on_down = true;
    connect_to(w, listener_port(w->listener));
    stream_write(w->client.stream, "x", 1);
    loop_run(w->loop);
    assert_int_equal(w->client.reason.code, ERR_IO);
    assert_non_null(strstr(w->client.reason.text, ": closed by the other end"));
    assert_false(w->server.down); /* it closed by itself */
    assert_int_equal(w->server.calls, 1);
}

static void test_close_in_up_and_in_down(void **state)
{
    struct world *w = *state;

    w->client.close_in_up = true;
    w->server.stop_on_down = true;
    w->server.close_in_down = true;
    connect_to(w, listener_port(w->listener));
    loop_run(w->loop);
    assert_true(w->client.up);
    assert_false(w->client.down);
    assert_int_equal(w->server.reason.code, ERR_IO);
}

static void test_close_before_connected(void **state)
{
    struct world *w = *state;

    connect_to(w, listener_port(w->listener));
    stream_close(w->client.stream);
    w->client.stream = NULL;
    connect_to(w, listener_port(w->listener));
    stream_finish(w->client.stream);
    w->client.stream = NULL;
    assert_false(w->client.down);
}

/* The server sends much and finishes at once, with bytes of the client unread: all must arrive all the same. */
static void test_finish_sends_what_is_queued(void **state)
{
    enum { SIZE = 4 << 20 };
    struct world *w = *state;
    AUTO_FREE char *noise = xcalloc(1, SIZE);

    w->server.echo = true;
    w->server.least = 1000;
    w->server.finish_on_data = true;
    w->client.stop_on_down = true;
    connect_to(w, listener_port(w->listener));
    stream_write(w->client.stream, noise, SIZE);
    loop_run(w->loop);
    assert_int_equal(w->client.reason.code, ERR_IO);
    assert_non_null(strstr(w->client.reason.text, "closed by the other end"));
    assert_true(w->server.total >= 1000);
    assert_int_equal(w->client.total, w->server.total);
    assert_false(w->server.down);
}

static void test_finish_is_cut_short_by_the_end_of_the_loop(void **state)
{
    struct world *w = *state;

    w->server.finish_on_data = true;
    w->server.expect = 1;
    connect_to(w, listener_port(w->listener));
    stream_write(w->client.stream, "x", 1);
    loop_run(w->loop);
    assert_null(w->server.stream); /* the loop owns it, tear_down() proves that nothing leaks */
}

static void test_addresses(void **state)
{
    struct world *w = *state;
    static const char *const wrong[] = {
        "",
        "tcp:",
        "tcp:127.0.0.1",
        "tcp:127.0.0.1:",
        "tcp:127.0.0.1:0",
        "tcp:127.0.0.1:65536",
        "tcp:127.0.0.1:1x",
        "tcp:localhost:80",
        "tcp:::1:80",
        "tcp:[127.0.0.1]:80",
        "tcp:[::1:80",
        "tcp:[]:80",
        "tcp:127.0.0.1:-1",
        "tcp:127.0.0.1: 80",
        "unix:",
        "udp:127.0.0.1:80",
        "127.0.0.1:80",
    };
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        memset(&err, 0, sizeof err);
        assert_null(stream_connect(w->loop, wrong[i], &callbacks, &w->client, &err));
        assert_int_equal(err.code, ERR_INVALID);
        assert_non_null(strstr(err.text, "expected tcp:ADDRESS:PORT"));
    }
    char path[200] = "unix:/";
    memset(path + 6, 'x', sizeof path - 7);
    assert_null(stream_connect(w->loop, path, &callbacks, &w->client, &err));

    w->client.stream = stream_connect(w->loop, "tcp:[2001:db8::1]:6653", &callbacks, &w->client, &err);
    assert_string_equal(stream_peer(w->client.stream), "[2001:db8::1]:6653");
}

static void test_listen_errors(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    uint16_t port = listener_port(w->listener);
    AUTO_FREE char *text = xasprintf("listen on 127.0.0.1:%u: Address already in use", port);

    assert_null(listener_new(w->loop, "127.0.0.1", port, on_accepted, w, &err));
    assert_string_equal(err.text, text);
    assert_null(listener_new(w->loop, "localhost", 1, on_accepted, w, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.text, "listen on localhost: not an IPv4 or IPv6 address");
}

static void test_ipv6(void **state)
{
    struct world *w = *state;
    struct err err = {0};

    listener_free(w->listener);
    w->listener = listener_new(w->loop, "::1", 0, on_accepted, w, &err);
    assert_non_null(w->listener);
    AUTO_FREE char *where = xasprintf("tcp:[::1]:%u", listener_port(w->listener));
    w->server.expect = 1;
    w->client.stream = stream_connect(w->loop, where, &callbacks, &w->client, &err);
    stream_write(w->client.stream, "x", 1);
    loop_run(w->loop);
    assert_memory_equal(stream_peer(w->server.stream), "[::1]:", 6);
}

static void test_unix_socket(void **state)
{
    struct world *w = *state;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    char directory[] = "/tmp/test_io.XXXXXX";
    char got[4];
    struct err err = {0};

    assert_non_null(mkdtemp(directory));
    snprintf(un.sun_path, sizeof un.sun_path, "%s/socket", directory);
    AUTO_FREE char *where = xasprintf("unix:%s", un.sun_path);

    w->client.stop_on_down = true;
    w->client.stream = stream_connect(w->loop, where, &callbacks, &w->client, &err);
    loop_run(w->loop);
    assert_int_equal(w->client.reason.code, ERR_UNREACHABLE);
    assert_non_null(strstr(w->client.reason.text, "socket: No such file or directory"));

    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(server, (struct sockaddr *) &un, sizeof un), 0);
    assert_int_equal(listen(server, 1), 0);
    w->client.stream = stream_connect(w->loop, where, &callbacks, &w->client, &err);
    assert_string_equal(stream_peer(w->client.stream), un.sun_path);
    int fd = accept(server, NULL, NULL); /* the kernel connects a Unix socket at once */
    assert_int_equal(write(fd, "pong", 4), 4);
    w->client.expect = 4;
    stream_write(w->client.stream, "ping", 4);
    loop_run(w->loop);
    assert_string_equal(w->client.got.text, "pong");
    assert_int_equal(read(fd, got, 4), 4);
    assert_memory_equal(got, "ping", 4);

    close(fd);
    close(server);
    unlink(un.sun_path);
    rmdir(directory);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_echo),
        TEST(test_rest_comes_again_with_what_follows),
        TEST(test_message_arrives_whole_if_nothing_is_consumed_before),
        TEST(test_eight_mebibytes_both_ways),
        TEST(test_more_unread_than_allowed),
        TEST(test_nobody_listens),
        TEST(test_other_end_closes),
        TEST(test_close_in_up_and_in_down),
        TEST(test_close_before_connected),
        TEST(test_finish_sends_what_is_queued),
        TEST(test_finish_is_cut_short_by_the_end_of_the_loop),
        TEST(test_addresses),
        TEST(test_listen_errors),
        TEST(test_ipv6),
        TEST(test_unix_socket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
