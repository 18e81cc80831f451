/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "io/http_message.h"

#define MAX_BODY 100

/* Feeds 'text' in pieces of 'piece' bytes, each together with what was not taken before; returns how much was taken. */
static size_t feed(struct http_message *message, const char *text, size_t piece)
{
    const size_t n = strlen(text);
    size_t used = 0;

    for (size_t have = piece;; have += piece) {
        if (have > n)
            have = n;
        used += http_message_feed(message, text + used, have - used);
        if (have == n)
            return used;
    }
}

static void parse(struct http_message *message, bool is_answer, const char *text, size_t piece)
{
    http_message_init(message, is_answer, MAX_BODY);
    size_t used = feed(message, text, piece);
    if (message->state != HTTP_COMPLETE)
        fail_msg("state %d %s: %s", message->state, message->why ? message->why : "", text);
    assert_int_equal(used, strlen(text));
}

static void test_request_with_body(void **state)
{
    static const char text[] = "\r\nPUT /v1/x?a=b HTTP/1.1\r\nHost: gw\r\nContent-Length:  5 \r\nX-Y:\r\n\r\nhello";

    (void) state;
    for (size_t piece = 1; piece <= sizeof text; piece++) {
        struct http_message message;

        parse(&message, false, text, piece);
        assert_string_equal(message.method, "PUT");
        assert_string_equal(message.target, "/v1/x?a=b");
        assert_string_equal(http_message_field(&message, "host"), "gw");
        assert_string_equal(http_message_field(&message, "x-y"), "");
        assert_null(http_message_field(&message, "x"));
        assert_string_equal(message.body.text, "hello");
        assert_true(message.keep_alive);
        assert_false(message.expects_continue);
        http_message_free(&message);
    }
}

static void test_chunks(void **state)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
                               "5;name=value\r\nhello\r\nB\r\n, world ...\r\n000\r\nTrailer: x\r\n\r\n";
    static const char expected[] = "hello, world ...";

    (void) state;
    for (size_t piece = 1; piece <= sizeof text; piece++) {
        struct http_message message;

        parse(&message, true, text, piece);
        assert_int_equal(message.status, 200);
        assert_string_equal(message.body.text, expected);
        http_message_free(&message);
    }
}

static void test_what_follows_is_left(void **state)
{
    struct http_message message;
    static const char first[] = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
    AUTO_FREE char *both = xasprintf("%sGET /2 HTTP/1.1\r\n", first);

    (void) state;
    http_message_init(&message, false, MAX_BODY);
    assert_int_equal(http_message_feed(&message, both, strlen(both)), strlen(first));
    assert_int_equal(message.state, HTTP_COMPLETE);
    assert_int_equal(http_message_feed(&message, both, strlen(both)), 0);
    http_message_free(&message);
}

static void test_provisional_answers_are_skipped(void **state)
{
    struct http_message message;

    (void) state;
    parse(&message, true, "HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 204 \r\n\r\n", 7);
    assert_int_equal(message.status, 204);
    assert_null(http_message_field(&message, "X"));
    http_message_free(&message);
}

static void test_keep_alive(void **state)
{
    static const struct {
        const char *text;
        bool keep_alive;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade , Close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.7\r\nHost: a\r\n\r\n", true},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_message message;

        parse(&message, false, rows[i].text, SIZE_MAX / 2);
        assert_int_equal(message.keep_alive, rows[i].keep_alive);
        http_message_free(&message);
    }
}

#define HEAD "GET / HTTP/1.1\r\nHost: a\r\n"

static void test_bad_requests(void **state)
{
    static const struct {
        int fault;
        const char *text;
    } rows[] = {
        {400, "\n"},
        {400, "GET / HTTP/1.1\n"},
        {400, "hello\r\n"},
        {400, "GET /\r\n"},
        {400, " GET / HTTP/1.1\r\n"},
        {400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET / x HTTP/1.1\r\n"},
        {400, "G(T / HTTP/1.1\r\n"},
        {400, "GET /\x01 HTTP/1.1\r\n"},
        {400, "GET / HTTX/1.1\r\n"},
        {400, "GET / HTTP/1.x\r\n"},
        {505, "GET / HTTP/2.0\r\n"},
        {400, "GET / HTTP/1.1\r\n\r\n"}, /* no Host */
        {400, HEAD "Host: b\r\n\r\n"},
        {400, HEAD "no colon\r\n"},
        {400, HEAD ": no name\r\n"},
        {400, HEAD "Na me: x\r\n"},
        {400, HEAD "Name : x\r\n"},
        {400, HEAD "A: b\r\n continued\r\n"},
        {400, HEAD "A: b\x7f\r\n"},
        {400, HEAD "A: b\rc\r\n"},
        {400, HEAD "Content-Length: 1\r\nContent-Length: 1\r\n"},
        {400, HEAD "Content-Length: -1\r\n\r\n"},
        {400, HEAD "Content-Length: +1\r\n\r\n"},
        {400, HEAD "Content-Length: 1, 1\r\n\r\n"},
        {400, HEAD "Content-Length:\r\n\r\n"},
        {413, HEAD "Content-Length: 101\r\n\r\n"},
        {413, HEAD "Content-Length: 99999999999999999999999999\r\n\r\n"},
        {400, HEAD "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {501, HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n"},
        {400, "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {400, HEAD "Transfer-Encoding: chunked\r\n\r\nx\r\n"},
        {400, HEAD "Transfer-Encoding: chunked\r\n\r\n\r\n"},
        {400, HEAD "Transfer-Encoding: chunked\r\n\r\n-1\r\n"},
        {400, HEAD "Transfer-Encoding: chunked\r\n\r\n1x\r\n"},
        {400, HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n"},
        {400, HEAD "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffffffff\r\n"},
        {413, HEAD "Transfer-Encoding: chunked\r\n\r\nffffffffffffff\r\n"},
        {413, HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n64\r\n"},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_message message;

        http_message_init(&message, false, MAX_BODY);
        feed(&message, rows[i].text, 1000);
        if (message.state != HTTP_BAD || message.fault != rows[i].fault)
            fail_msg("state %d fault %d instead of %d: %s", message.state, message.fault, rows[i].fault, rows[i].text);
        assert_non_null(message.why);
        http_message_free(&message);
    }
}

static void test_null_bytes(void **state)
{
    static const char text[] = "GET /\0 HTTP/1.1\r\n";
    static const char field[] = "GET / HTTP/1.1\r\nA: b\0c\r\n";
    struct http_message message;

    (void) state;
    http_message_init(&message, false, MAX_BODY);
    http_message_feed(&message, text, sizeof text - 1);
    assert_int_equal(message.fault, 400);
    http_message_free(&message);
    http_message_init(&message, false, MAX_BODY);
    http_message_feed(&message, field, sizeof field - 1);
    assert_int_equal(message.fault, 400);
    http_message_free(&message);
}

static void test_bad_answers(void **state)
{
    static const char *const rows[] = {
        "HTTP/1.1 20 OK\r\n", "HTTP/1.1 2000 OK\r\n",    "HTTP/1.1 099 X\r\n",         "HTTP/1.1 abc\r\n",
        "HTTP/1.1\r\n",       "HTTP/1.1 200 OK\r\n\r\n", "220 smtp.example ESMTP\r\n", "SSH-2.0-OpenSSH\r\n",
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_message message;

        http_message_init(&message, true, MAX_BODY);
        feed(&message, rows[i], 1000);
        if (message.state != HTTP_BAD)
            fail_msg("accepted: %s", rows[i]);
        http_message_free(&message);
    }
}

/* Feeds 'head' and then 'line' again and again; returns the fault that this ends with. */
static int flood(const char *head, const char *line, unsigned times)
{
    AUTO_STRBUF struct strbuf text = {0};
    struct http_message message;

    strbuf_puts(&text, head);
    for (unsigned i = 0; i < times; i++)
        strbuf_puts(&text, line);
    http_message_init(&message, false, MAX_BODY);
    http_message_feed(&message, text.text, text.length);
    assert_int_equal(message.state, HTTP_BAD);
    http_message_free(&message);
    return message.fault;
}

static void test_floods(void **state)
{
    (void) state;
    assert_int_equal(flood(HEAD, "A: b\r\n", 100), 431);
    assert_int_equal(flood(HEAD, "endless line ", 6000), 431);
    assert_int_equal(flood("", "\r\n", 40000), 431);
    assert_int_equal(flood(HEAD "Transfer-Encoding: chunked\r\n\r\n1;", "extension", 200), 400);
    assert_int_equal(flood(HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n", "Trailer: x\r\n", 7000), 431);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_with_body),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_what_follows_is_left),
        cmocka_unit_test(test_provisional_answers_are_skipped),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_null_bytes),
        cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_floods),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
