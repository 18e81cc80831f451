/* SPDX-License-Identifier: Apache-2.0 */
/* The client's promise: what it says about a call that got no answer is true. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "io_http_world.h"

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void expect_error(struct http_result *result, int code, const char *text)
{
    assert_int_equal(result->n, 1);
    assert_int_equal(result->status, 0);
    if (result->err.code != code || !strstr(result->err.text, text))
        fail_msg("%s \"%s\" instead of %s \"%s\"", err_id(result->err.code), result->err.text, err_id(code), text);
    http_result_free(result);
}

static void expect_status(struct http_result *result, int status)
{
    if (result->err.code)
        fail_msg("%s", result->err.text);
    assert_int_equal(result->n, 1);
    assert_int_equal(result->status, status);
    http_result_free(result);
}

static void ask_large(struct http_world *w)
{
    enum { SIZE = 8 << 20 };
    struct http_result result;
    AUTO_FREE char *body = xmalloc(SIZE);

    for (size_t i = 0; i < SIZE; i++)
        body[i] = (char) (i * 11 >> 4);
    http_world_call(w, &result, "PUT", "/body", body, SIZE, 60000);
    http_world_run(w);
    assert_int_equal(result.body.length, SIZE);
    assert_memory_equal(result.body.text, body, SIZE);
    expect_status(&result, 201);
}

static void test_eight_mebibytes_both_ways(void **state)
{
    struct http_world *w = *state;

    http_world_serve(w, 0);
    ask_large(w);
}

static void test_eight_mebibytes_both_ways_over_tls(void **state)
{
    struct http_world *w = *state;

    http_world_serve_tls(w, "server");
    ask_large(w);
}

static void test_slow_call_does_not_hold_up_others(void **state)
{
    struct http_world *w = *state;
    struct http_result slow, fast;

    http_world_serve(w, 0);
    w->stop_when_held = 1;
    http_world_call(w, &slow, "PUT", "/hold", "{}", 2, 60000);
    loop_run(w->loop);
    for (int i = 0; i < 3; i++) {
        http_world_call(w, &fast, "GET", "/echo", NULL, 0, 60000);
        while (fast.n == 0) {
            w->n_waiting--; /* stop for this one */
            loop_run(w->loop);
            w->n_waiting++;
        }
        expect_status(&fast, 200);
        assert_int_equal(slow.n, 0);
    }
    http_reply(w->held[0], 200, NULL, "{}", 2);
    http_world_run(w);
    expect_status(&slow, 200);
}

static void test_more_calls_than_connections(void **state)
{
    struct http_world *w = *state;
    struct http_result results[8];

    http_world_serve(w, 0);
    w->stop_when_held = 4;
    for (size_t i = 0; i < 4; i++)
        http_world_call(w, &results[i], "PUT", "/hold", "{}", 2, 60000);
    for (size_t i = 4; i < 8; i++)
        http_world_call(w, &results[i], "GET", "/echo", NULL, 0, 60000);
    loop_run(w->loop);
    assert_int_equal(w->n_handled, 4); /* the others wait */
    for (size_t i = 0; i < 4; i++)
        http_reply(w->held[i], 200, NULL, "{}", 2);
    http_world_run(w);
    for (size_t i = 0; i < 8; i++)
        expect_status(&results[i], 200);
}

static void test_nobody_listens(void **state)
{
    struct http_world *w = *state;
    struct http_result result;

    http_world_serve(w, 0);
    http_server_free(w->server);
    w->server = NULL;
    http_world_ask(w, &result, "PUT", "/echo", "{}");
    assert_memory_equal(result.err.text, "127.0.0.1:", 10);
    expect_error(&result, ERR_UNREACHABLE, ": PUT /echo: Connection refused");
}

static void test_server_restarted(void **state)
{
    struct http_world *w = *state;
    struct http_result result;

    http_world_serve(w, 0);
    uint16_t port = http_server_port(w->server);
    for (int i = 0; i < 5; i++) {
        http_world_ask(w, &result, "PUT", "/echo", "{}");
        expect_status(&result, 200);
        http_server_free(w->server);
        http_world_serve(w, port);
    }
    assert_int_equal(w->n_handled, 5);
}

/* Asks something that is not answered, with a timeout that grows until it is long enough to send the request. */
static void expect_timeout(struct http_world *w, const char *path)
{
    struct http_result result;
    uint32_t timeout_ms = 25;

    do {
        timeout_ms *= 2;
        http_world_call(w, &result, "PUT", path, "{}", 2, timeout_ms);
        http_world_run(w);
    } while (result.err.code == ERR_UNREACHABLE);
    AUTO_FREE char *text = xasprintf(": PUT %s: no answer within %u ms", path, timeout_ms);
    expect_error(&result, ERR_TIMEOUT, text);
}

static void test_no_answer_in_time(void **state)
{
    struct http_world *w = *state;
    struct http_result result;

    http_world_serve(w, 0);
    expect_timeout(w, "/hold");
    for (unsigned i = 0; i < w->n_held; i++)
        http_reply(w->held[i], 200, NULL, "{}", 2);
    http_world_ask(w, &result, "GET", "/echo", "");
    expect_status(&result, 200);
}

static void test_waiting_call_that_is_not_sent_in_time(void **state)
{
    struct http_world *w = *state;
    struct http_result held[4], result;

    http_world_serve(w, 0);
    for (size_t i = 0; i < 4; i++)
        http_world_call(w, &held[i], "PUT", "/hold", "{}", 2, 60000);
    w->stop_when_held = 4;
    loop_run(w->loop);
    http_world_call(w, &result, "PUT", "/echo", "{}", 2, 50);
    w->n_waiting -= 4;
    http_world_run(w);
    w->n_waiting += 4;
    expect_error(&result, ERR_UNREACHABLE, ": PUT /echo: not sent within 50 ms");
    assert_int_equal(w->n_handled, 4);
    for (size_t i = 0; i < 4; i++)
        http_reply(w->held[i], 200, NULL, "{}", 2);
    http_world_run(w);
    for (size_t i = 0; i < 4; i++)
        expect_status(&held[i], 200);
}

static void test_server_that_never_does_tls(void **state)
{
    struct http_world *w = *state;
    struct http_result result;

    w->client_tls = certificates_tls(&w->certificates, "ca", "client");
    http_world_script(w, "", UINT32_MAX);
    http_world_call(w, &result, "PUT", "/x", "{}", 2, 50);
    http_world_run(w);
    expect_error(&result, ERR_UNREACHABLE, ": PUT /x: no connection within 50 ms");
}

static void test_server_hangs_up_instead_of_answering(void **state)
{
    struct http_world *w = *state;
    struct http_result result;

    http_world_script(w, "", 0);
    http_world_ask(w, &result, "PUT", "/x", "{}");
    expect_error(&result, ERR_UNKNOWN, ": PUT /x: no answer, it may have been processed: closed by the other end");
    http_world_ask(w, &result, "GET", "/x", "");
    expect_error(&result, ERR_UNKNOWN, "closed by the other end");
    assert_int_equal(w->n_script_data, 2); /* none was sent twice */
}

static void test_server_hangs_up_within_the_request(void **state)
{
    enum { SIZE = 32 << 20 }; /* more than two sockets hold */
    struct http_world *w = *state;
    struct http_result result;
    AUTO_FREE char *body = xcalloc(1, SIZE);

    http_world_script(w, "", 0);
    http_world_call(w, &result, "PUT", "/x", body, SIZE, 60000);
    http_world_run(w);
    expect_error(&result, ERR_UNREACHABLE, ": PUT /x: ");
    assert_int_equal(w->n_script_data, 1);
}

static void test_kept_connection_breaks_on_a_get(void **state)
{
    struct http_world *w = *state;
    struct http_result result;

    http_world_script(w, OK_ANSWER, 1);
    for (int i = 0; i < 3; i++) {
        http_world_ask(w, &result, "GET", "/x", "");
        expect_status(&result, 200);
    }
    assert_int_equal(w->n_script_data, 5); /* the second and third were sent twice */
}

static void test_kept_connection_breaks_on_a_put(void **state)
{
    struct http_world *w = *state;
    struct http_result result;

    http_world_script(w, OK_ANSWER, 1);
    http_world_ask(w, &result, "PUT", "/x", "{}");
    expect_status(&result, 200);
    http_world_ask(w, &result, "PUT", "/x", "{}");
    expect_error(&result, ERR_UNKNOWN, "it may have been processed");
    assert_int_equal(w->n_script_data, 2);
}

static void test_answers_that_cannot_be_understood(void **state)
{
    static const struct {
        const char *answer, *text;
    } rows[] = {
        {"SSH-2.0-OpenSSH_9.2\r\n", "the answer cannot be understood: malformed status line"},
        {"HTTP/1.1 200 OK\r\n\r\n", "neither Content-Length nor chunks"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", "body larger than the limit"},
    };
    struct http_world *w = *state;
    struct http_result result;

    http_world_script(w, NULL, UINT32_MAX);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        w->script_answer = rows[i].answer;
        http_world_ask(w, &result, "PUT", "/x", "{}");
        expect_error(&result, ERR_UNKNOWN, rows[i].text);
    }
}

static void test_answer_cut_short(void **state)
{
    struct http_world *w = *state;

    http_world_script(w, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", 1);
    expect_timeout(w, "/x");
}

static void test_answer_that_closes_and_answer_with_more(void **state)
{
    struct http_world *w = *state;
    struct http_result result;

    http_world_script(w, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", UINT32_MAX);
    http_world_ask(w, &result, "PUT", "/x", "{}");
    expect_status(&result, 200);
    w->script_answer = OK_ANSWER OK_ANSWER; /* the second must not answer the next call */
    http_world_ask(w, &result, "PUT", "/x", "{}");
    expect_status(&result, 200);
    w->script_answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    http_world_ask(w, &result, "PUT", "/x", "{}");
    expect_status(&result, 404);
    assert_int_equal(w->n_script_connections, 3);
}

static void ask_refused(struct http_world *w, const char *why)
{
    struct http_result result;

    for (int i = 0; i < 2; i++) {
        http_world_ask(w, &result, "PUT", "/echo", "{}");
        expect_error(&result, ERR_UNREACHABLE, why);
    }
    assert_int_equal(w->n_handled, 0);
}

static void test_server_of_another_ca(void **state)
{
    struct http_world *w = *state;

    http_world_serve_tls(w, "stranger");
    ask_refused(w, ": PUT /echo: its certificate is refused: unable to get local issuer certificate");
}

static void test_server_with_another_address(void **state)
{
    struct http_world *w = *state;

    http_world_serve_tls(w, "elsewhere");
    ask_refused(w, "its certificate is refused: IP address mismatch");
}

static void test_server_refuses_our_certificate(void **state)
{
    struct http_world *w = *state;

    w->client_tls = certificates_tls(&w->certificates, "ca", "stranger");
    http_world_serve_tls(w, "server");
    ask_refused(w, "it refuses our certificate: tlsv1 alert unknown ca");
}

static void test_plain_server(void **state)
{
    struct http_world *w = *state;

    w->client_tls = certificates_tls(&w->certificates, "ca", "client");
    http_world_serve(w, 0);
    ask_refused(w, "TLS: wrong version number");
}

static void use_name(struct http_world *w, const char *name)
{
    http_client_free(w->client);
    w->client = http_client_new(w->loop, name, http_server_port(w->server), w->client_tls, HTTP_WORLD_MAX_BODY);
}

static void test_server_by_name(void **state)
{
    struct http_world *w = *state;
    struct http_result results[3];

    http_world_serve_tls(w, "server");
    use_name(w, "localhost");
    for (size_t i = 0; i < ARRAY_LEN(results); i++)
        http_world_call(w, &results[i], "GET", "/echo", NULL, 0, 60000);
    http_world_run(w);
    for (size_t i = 0; i < ARRAY_LEN(results); i++)
        expect_status(&results[i], 200);
}

static void test_server_restarted_by_name(void **state)
{
    struct http_world *w = *state;
    struct http_result result;

    http_world_serve(w, 0);
    uint16_t port = http_server_port(w->server);
    use_name(w, "localhost");
    http_server_free(w->server);
    w->server = NULL;
    http_world_ask(w, &result, "GET", "/echo", "");
    expect_error(&result, ERR_UNREACHABLE, ": GET /echo: Connection refused");
    http_world_serve(w, port);
    http_world_ask(w, &result, "GET", "/echo", "");
    expect_status(&result, 200);
}

static void test_name_that_nobody_has(void **state)
{
    struct http_world *w = *state;
    struct http_result results[2];

    http_world_serve(w, 0);
    use_name(w, "no..name"); /* which no resolver is asked for */
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < ARRAY_LEN(results); i++)
            http_world_call(w, &results[i], "GET", "/echo", NULL, 0, 60000);
        http_world_run(w);
        for (size_t i = 0; i < ARRAY_LEN(results); i++)
            expect_error(&results[i], ERR_UNREACHABLE, ": GET /echo: Name or service not known");
    }
}

static void test_free_cancels(void **state)
{
    struct http_world *w = *state;
    struct http_result results[6];

    http_world_serve(w, 0);
    w->stop_when_held = 4;
    for (size_t i = 0; i < ARRAY_LEN(results); i++)
        http_world_call(w, &results[i], "PUT", "/hold", "{}", 2, 60000);
    loop_run(w->loop);
    http_client_free(w->client);
    w->client = NULL;
    for (size_t i = 0; i < ARRAY_LEN(results); i++)
        expect_error(&results[i], ERR_CANCELLED, "the client is shut down");
    for (size_t i = 0; i < 4; i++)
        http_reply(w->held[i], 200, NULL, "{}", 2);
}

static void test_free_during_a_look_up(void **state)
{
    struct http_world *w = *state;
    struct http_result result;

    http_world_serve(w, 0);
    use_name(w, "localhost");
    http_world_call(w, &result, "GET", "/echo", NULL, 0, 60000);
    http_client_free(w->client);
    w->client = NULL;
    expect_error(&result, ERR_CANCELLED, "the client is shut down");
}

static void free_client(void *arg, const struct http_answer *answer, const struct err *err)
{
    struct http_world *w = arg;

    (void) answer;
    (void) err;
    http_client_free(w->client);
    w->client = NULL;
    loop_stop(w->loop);
}

static void test_free_from_the_callback(void **state)
{
    static const char *const names[] = {"127.0.0.1", "no..name"};
    struct http_world *w = *state;

    http_world_serve(w, 0);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct http_result cancelled;

        use_name(w, names[i]);
        http_call(w->client, "GET", "/late", NULL, 0, 60000, free_client, w);
        http_world_call(w, &cancelled, "PUT", "/hold", "{}", 2, 60000);
        loop_run(w->loop);
        expect_error(&cancelled, ERR_CANCELLED, "the client is shut down");
    }
    for (unsigned i = 0; i < w->n_held; i++)
        http_reply(w->held[i], 200, NULL, "{}", 2);
}

/* Calls again from each answer, as a poller does. */
struct poller {
    struct http_world *w;
    unsigned n;
};

static void poll_again(void *arg, const struct http_answer *answer, const struct err *err)
{
    struct poller *poller = arg;

    assert_int_equal(err->code, 0);
    assert_int_equal(answer->status, 200);
    if (++poller->n == 20)
        loop_stop(poller->w->loop);
    else
        http_call(poller->w->client, "GET", "/echo", NULL, 0, 60000, poll_again, poller);
}

static void test_call_from_the_callback(void **state)
{
    struct http_world *w = *state;
    struct poller poller = {.w = w};

    http_world_serve_tls(w, "server");
    http_call(w->client, "GET", "/echo", NULL, 0, 60000, poll_again, &poller);
    loop_run(w->loop);
    assert_int_equal(poller.n, 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, http_world_set_up, http_world_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_eight_mebibytes_both_ways),
        TEST(test_eight_mebibytes_both_ways_over_tls),
        TEST(test_slow_call_does_not_hold_up_others),
        TEST(test_more_calls_than_connections),
        TEST(test_nobody_listens),
        TEST(test_server_restarted),
        TEST(test_no_answer_in_time),
        TEST(test_waiting_call_that_is_not_sent_in_time),
        TEST(test_server_that_never_does_tls),
        TEST(test_server_hangs_up_instead_of_answering),
        TEST(test_server_hangs_up_within_the_request),
        TEST(test_kept_connection_breaks_on_a_get),
        TEST(test_kept_connection_breaks_on_a_put),
        TEST(test_answers_that_cannot_be_understood),
        TEST(test_answer_cut_short),
        TEST(test_answer_that_closes_and_answer_with_more),
        TEST(test_server_of_another_ca),
        TEST(test_server_with_another_address),
        TEST(test_server_refuses_our_certificate),
        TEST(test_plain_server),
        TEST(test_server_by_name),
        TEST(test_server_restarted_by_name),
        TEST(test_name_that_nobody_has),
        TEST(test_free_cancels),
        TEST(test_free_during_a_look_up),
        TEST(test_free_from_the_callback),
        TEST(test_call_from_the_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
