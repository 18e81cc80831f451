/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "io_http_world.h"

static void test_methods(void **state)
{
    static const char *const methods[] = {"GET", "PUT", "POST", "DELETE", "PATCH"};
    struct http_world *w = *state;

    http_world_serve(w, 0);
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        AUTO_FREE char *expected = xasprintf("%s /echo q=- x=- peer= {\"a\":1}", methods[i]);
        struct http_result result;

        http_world_ask(w, &result, methods[i], "/echo", "{\"a\":1}");
        assert_int_equal(result.status, 200);
        assert_string_equal(result.body.text, expected);
        http_result_free(&result);
    }
}

static void test_path_query_and_header(void **state)
{
    struct http_world *w = *state;
    struct raw_client raw = {0};

    http_world_serve(w, 0);
    raw_ask(w, &raw, "GET /echo%20a+b%2Fc?p=1&q=x%26y+z&r#frag HTTP/1.1\r\nHost: a\r\nX-Test: yes\r\n\r\n", "peer=");
    assert_memory_equal(raw.got.text, "HTTP/1.1 200 OK\r\nDate: ", 23);
    assert_non_null(strstr(raw.got.text, "\r\nContent-Type: text/plain\r\n"));
    assert_non_null(strstr(raw.got.text, "\r\n\r\nGET /echo a+b/c q=x&y z x=yes peer="));
    raw_ask(w, &raw, "GET http://gw.example/echo?q HTTP/1.1\r\nHost: a\r\n\r\n", "peer=");
    assert_non_null(strstr(raw.got.text, "\r\n\r\nGET /echo q= x=- peer="));
    raw_free(&raw);
}

static void expect_refusal(struct http_world *w, const char *text, const char *first_line)
{
    struct raw_client raw = {0};

    raw_ask(w, &raw, text, NULL);
    assert_true(raw.down);
    if (!raw.got.text || strncmp(raw.got.text, first_line, strlen(first_line)) != 0)
        fail_msg("\"%s\" is answered \"%s\"", text, raw.got.text ? raw.got.text : "");
    assert_non_null(strstr(raw.got.text, "Connection: close\r\n"));
    raw_free(&raw);
}

static void test_what_is_no_request(void **state)
{
    struct http_world *w = *state;
    struct http_result result;

    http_world_serve(w, 0);
    expect_refusal(w, "\x16\x03\x01\x02\x01\r\n", "HTTP/1.1 400 Bad Request\r\n");
    expect_refusal(w, "GET\r\n", "HTTP/1.1 400 ");
    expect_refusal(w, "GET relative HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 ");
    expect_refusal(w, "GET http://gw?q HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 ");
    expect_refusal(w, "GET /%0 HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 ");
    expect_refusal(w, "GET /%x1 HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 ");
    expect_refusal(w, "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 ");
    expect_refusal(w, "GET /?q=%f HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 ");
    expect_refusal(w, "BREW /echo HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 501 Not Implemented\r\n");
    expect_refusal(w, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 501 ");
    expect_refusal(w, "GET / HTTP/3.0\r\n", "HTTP/1.1 505 ");
    assert_int_equal(w->n_handled, 0);
    http_world_ask(w, &result, "GET", "/echo", "");
    assert_int_equal(result.status, 200);
    http_result_free(&result);
}

static void test_unknown_path_and_no_content(void **state)
{
    struct http_world *w = *state;
    struct http_result result;

    http_world_serve(w, 0);
    http_world_ask(w, &result, "GET", "/x", "");
    assert_int_equal(result.status, 404);
    http_result_free(&result);
    http_world_ask(w, &result, "DELETE", "/nothing", "");
    assert_int_equal(result.status, 204);
    http_result_free(&result);
}

static void test_late_answer(void **state)
{
    struct http_world *w = *state;
    struct http_result result;

    http_world_serve(w, 0);
    http_world_ask(w, &result, "PUT", "/late", "{}");
    assert_string_equal(result.body.text, "\"late\"");
    http_result_free(&result);
}

static void test_bytes_of_a_client_that_waits(void **state)
{
    struct http_world *w = *state;
    struct raw_client raw = {0};

    http_world_serve(w, 0);
    raw_ask(w, &raw, "GET /late HTTP/1.1\r\nHost: a\r\n\r\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n", "peer=");
    const char *late = strstr(raw.got.text, "\"late\"HTTP/1.1 200 OK\r\n");
    assert_non_null(late);
    assert_non_null(strstr(late, "\r\n\r\nGET /echo q="));
    raw_free(&raw);
}

static void test_next_request_waits_for_the_answer(void **state)
{
    struct http_world *w = *state;
    struct raw_client raw = {0};
    struct http_result result;

    http_world_serve(w, 0);
    w->stop_when_held = 1;
    raw_ask(w, &raw, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n", NULL);
    stream_write(raw.stream, "GET /echo HTTP/1.1\r\n", 20);
    http_world_ask(w, &result, "GET", "/late", ""); /* time enough for the bytes to come */
    http_result_free(&result);
    assert_int_equal(w->n_handled, 2);
    http_reply(w->held[0], 200, NULL, "\"held\"", 6);
    raw_ask(w, &raw, "Host: a\r\n\r\n", "peer=");
    assert_non_null(strstr(raw.got.text, "\"held\"HTTP/1.1 200 OK\r\n"));
    assert_int_equal(w->n_handled, 3);
    raw_free(&raw);
}

static void test_many_requests_at_once(void **state)
{
    struct http_world *w = *state;
    struct raw_client raw = {0};
    AUTO_STRBUF struct strbuf text = {0};

    http_world_serve(w, 0);
    for (unsigned i = 0; i < 100; i++)
        strbuf_puts(&text, "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    strbuf_puts(&text, "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    raw_ask(w, &raw, text.text, NULL);
    assert_true(raw.down);
    assert_int_equal(w->n_handled, 101);
    raw_free(&raw);
}

static void test_client_goes_before_the_answer(void **state)
{
    struct http_world *w = *state;
    struct raw_client raw = {0};
    struct http_result result;
    struct raw_client other = {0};

    http_world_serve(w, 0);
    w->stop_when_held = 1;
    raw_ask(w, &raw, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n", NULL);
    w->stop_when_held = 2;
    raw_ask(w, &other, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n", NULL);
    raw_free(&raw);
    raw_free(&other);
    http_reply(w->held[0], 200, NULL, "{}", 2);     /* the server does not know it yet */
    http_world_ask(w, &result, "GET", "/late", ""); /* now it does */
    http_reply(w->held[1], 200, NULL, "{}", 2);
    http_result_free(&result);
    http_world_ask(w, &result, "GET", "/echo", "");
    assert_int_equal(result.status, 200);
    http_result_free(&result);
}

static void test_server_goes_before_the_answer(void **state)
{
    struct http_world *w = *state;
    struct raw_client raw = {0};

    http_world_serve(w, 0);
    w->stop_when_held = 1;
    raw_ask(w, &raw, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n", NULL);
    http_server_free(w->server);
    w->server = NULL;
    assert_string_equal(http_path(w->held[0]), "/hold");
    http_reply(w->held[0], 200, NULL, "{}", 2);
    raw_free(&raw);
}

static void test_body_too_large(void **state)
{
    struct http_world *w = *state;
    const size_t size = HTTP_WORLD_MAX_BODY + 1;
    AUTO_FREE char *body = xcalloc(1, size);
    struct raw_client raw = {0};

    http_world_serve(w, 0);
    AUTO_FREE char *head = xasprintf("PUT /body HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", size);
    raw_ask(w, &raw, head, "close");
    assert_memory_equal(raw.got.text, "HTTP/1.1 413 ", 13);
    stream_write(raw.stream, body, size); /* is not read any more, and harms nobody */
    loop_run(w->loop);
    assert_true(raw.down);
    assert_int_equal(w->n_handled, 0);
    raw_free(&raw);
}

static void test_expect_continue(void **state)
{
    struct http_world *w = *state;
    struct raw_client raw = {0};

    http_world_serve(w, 0);
    raw_ask(w, &raw, "PUT /body HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n", "\r\n\r\n");
    assert_string_equal(raw.got.text, "HTTP/1.1 100 Continue\r\n\r\n");
    raw_ask(w, &raw, "\"a\"\n", "\"a\"\n");
    assert_memory_equal(raw.got.text, "HTTP/1.1 201 Created\r\n", 22);
    raw_free(&raw);
}

static void test_streamed_answer(void **state)
{
    struct http_world *w = *state;
    struct http_result result;

    http_world_serve(w, 0);
    w->stop_when_held = 1;
    http_world_call(w, &result, "GET", "/stream", NULL, 0, 60000);
    loop_run(w->loop);
    http_stream_send(w->held[0], "one ", 4);
    http_stream_send(w->held[0], "", 0);
    http_stream_send(w->held[0], "two", 3);
    http_stream_end(w->held[0]);
    http_world_run(w);
    assert_int_equal(result.status, 200);
    assert_string_equal(result.body.text, "one two");
    assert_int_equal(w->n_closed, 0);
    http_result_free(&result);
    http_world_ask(w, &result, "GET", "/echo", ""); /* on the same connection */
    assert_int_equal(result.status, 200);
    http_result_free(&result);
}

static void test_streamed_answer_without_chunks(void **state)
{
    struct http_world *w = *state;
    struct raw_client raw = {0};

    http_world_serve(w, 0);
    w->stop_when_held = 1;
    raw_ask(w, &raw, "GET /stream HTTP/1.0\r\n\r\n", NULL);
    http_stream_send(w->held[0], "one ", 4);
    http_stream_send(w->held[0], "two", 3);
    http_stream_end(w->held[0]);
    loop_run(w->loop);
    assert_true(raw.down);
    assert_non_null(strstr(raw.got.text, "\r\n\r\none two"));
    raw_free(&raw);
}

static void test_client_of_a_streamed_answer_goes(void **state)
{
    struct http_world *w = *state;
    struct raw_client raw = {0};

    http_world_serve(w, 0);
    w->stop_when_held = 1;
    raw_ask(w, &raw, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", NULL);
    http_stream_send(w->held[0], "one", 3);
    raw_free(&raw);
    loop_run(w->loop);
    assert_int_equal(w->n_closed, 1);
    http_stream_send(w->held[0], "two", 3);
    http_stream_end(w->held[0]);
}

static void test_client_that_does_not_read(void **state)
{
    static const char request[] = "GET /flood HTTP/1.1\r\nHost: a\r\n\r\n";
    struct http_world *w = *state;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    http_world_serve(w, 0);
    struct sockaddr_in server = {.sin_family = AF_INET,
                                 .sin_port = htons(http_server_port(w->server)),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *) &server, sizeof server), 0);
    assert_int_equal(write(fd, request, sizeof request - 1), sizeof request - 1);
    loop_run(w->loop);
    assert_int_equal(w->n_closed, 1);
    http_stream_end(w->held[0]);
    close(fd);
}

static void test_more_connections_than_served(void **state)
{
    struct http_world *w = *state;
    int fds[256];
    struct raw_client raw = {0};

    http_world_serve(w, 0);
    struct sockaddr_in server = {.sin_family = AF_INET,
                                 .sin_port = htons(http_server_port(w->server)),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fds[i], (struct sockaddr *) &server, sizeof server), 0);
    }
    raw_ask(w, &raw, "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", "peer=");
    assert_true(raw.down);
    raw_free(&raw);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    /* They are gone as soon as the server has read it; its answer comes from the same turns of the loop. */
    do {
        raw_free(&raw);
        raw = (struct raw_client) {0};
        raw_ask(w, &raw, "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", "peer=");
    } while (raw.down);
    raw_free(&raw);
}

static void test_peer_name(void **state)
{
    struct http_world *w = *state;
    struct http_result result;

    http_world_serve_tls(w, "server");
    http_world_ask(w, &result, "GET", "/echo", "");
    assert_int_equal(result.status, 200);
    assert_string_equal(result.body.text, "GET /echo q=- x=- peer=dc-a ");
    http_result_free(&result);
}

static void test_port_in_use(void **state)
{
    struct http_world *w = *state;
    struct err err = {0};

    http_world_serve(w, 0);
    uint16_t port = http_server_port(w->server);
    AUTO_FREE char *text = xasprintf("listen on 127.0.0.1:%u: Address already in use", port);
    assert_null(http_server_new(w->loop, "127.0.0.1", port, NULL, 1, NULL, NULL, &err));
    assert_string_equal(err.text, text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, http_world_set_up, http_world_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_methods),
        TEST(test_path_query_and_header),
        TEST(test_what_is_no_request),
        TEST(test_unknown_path_and_no_content),
        TEST(test_late_answer),
        TEST(test_bytes_of_a_client_that_waits),
        TEST(test_next_request_waits_for_the_answer),
        TEST(test_many_requests_at_once),
        TEST(test_client_goes_before_the_answer),
        TEST(test_server_goes_before_the_answer),
        TEST(test_body_too_large),
        TEST(test_expect_continue),
        TEST(test_streamed_answer),
        TEST(test_streamed_answer_without_chunks),
        TEST(test_client_of_a_streamed_answer_goes),
        TEST(test_client_that_does_not_read),
        TEST(test_more_connections_than_served),
        TEST(test_peer_name),
        TEST(test_port_in_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
