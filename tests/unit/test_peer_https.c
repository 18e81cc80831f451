/* SPDX-License-Identifier: Apache-2.0 */
/* The peer driver against the peer server over mutual TLS: every verb, answers that come late or never, and peers that
 * do not get through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "dummy_backend.h"
#include "io/http.h"
#include "io_certificates.h"
#include "north/peer_api.h"
#include "south/peer_https.h"

#define DEADLINE_MS 60000
#define MAX_BODY 65536
#define ID "0d6b8f5e-3a9c-4f0e-9d0b-1c5a2e7f1a01"

struct world {
    struct certificates certificates;
    struct loop *loop;
    struct timer *deadline;
    struct tls *server_tls, *client_tls;
    struct dummy_backend dummy;
    struct peer_api *api;
    struct event_queue queue;
    struct peer_driver *driver;
};

static void too_late(void *arg)
{
    (void) arg;
    fail_msg("nothing happened for %d ms", DEADLINE_MS);
}

static void stop(void *arg)
{
    struct world *w = arg;

    loop_stop(w->loop);
}

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    struct err err = {0};

    certificates_make(&w->certificates);
    dummy_backend_init(&w->dummy, TEST_DATA "/scgctl/gateway.json");
    w->loop = loop_new();
    w->deadline = timer_new(w->loop, too_late, w);
    timer_set(w->deadline, mono_add(loop_now(w->loop), DEADLINE_MS));
    w->queue.wake = stop;
    w->queue.wake_arg = w;
    w->server_tls = certificates_tls(&w->certificates, "ca", "server");
    w->api = peer_api_new(w->loop, "127.0.0.1", 0, w->server_tls, MAX_BODY, &w->dummy.backend, &err);
    if (!w->api)
        fail_msg("%s", err.text);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    if (w->driver)
        w->driver->ops->free(w->driver);
    peer_api_free(w->api);
    tls_free(w->client_tls);
    tls_free(w->server_tls);
    event_queue_clear(&w->queue);
    timer_free(w->deadline);
    loop_free(w->loop);
    dummy_backend_free(&w->dummy);
    certificates_remove(&w->certificates);
    free(w);
    return 0;
}

/* A driver whose peer "B" is 127.0.0.1:'port'. */
static void connect_as(struct world *w, const char *ca, const char *certificate, uint16_t port, size_t max_body)
{
    const struct peer_https_peer peers[] = {{"A", "192.0.2.1", 1}, {"B", "127.0.0.1", port}};

    w->client_tls = certificates_tls(&w->certificates, ca, certificate);
    const struct peer_https_config config = {peers, ARRAY_LEN(peers), w->client_tls, max_body};
    w->driver = peer_https_new(w->loop, &w->queue, &config);
}

static void call(struct world *w, uint64_t request, const char *dc, enum peer_verb verb, json_t *body,
                 uint32_t timeout_ms)
{
    w->driver->ops->call(w->driver, request, dc, verb, ID, body, timeout_ms);
}

/* The next event, which ends 'request'; freed with event_discard(). */
static struct event *await(struct world *w, uint64_t request)
{
    while (w->queue.n == 0)
        loop_run(w->loop);

    struct event *event = event_pop(&w->queue);
    assert_int_equal(event->type, EVENT_DONE);
    assert_int_equal(event->request, request);
    return event;
}

static void await_answer(struct world *w, uint64_t request, int status, const char *body)
{
    struct event *event = await(w, request);

    if (event->err.code)
        fail_msg("%s", event->err.text);
    AUTO_FREE char *text = event->answer.body ? json_dumps(event->answer.body, JSON_COMPACT) : xstrdup("none");
    assert_int_equal(event->answer.status, status);
    assert_string_equal(text, body);
    event_discard(event);
}

static void await_failure(struct world *w, uint64_t request, int code, const char *text)
{
    struct event *event = await(w, request);

    assert_string_equal(err_id(event->err.code), err_id(code));
    assert_memory_equal(event->err.text, "data center ", 12);
    if (!strstr(event->err.text, text))
        fail_msg("'%s' is not in '%s'", text, event->err.text);
    event_discard(event);
}

static void run_until_asked(struct world *w, unsigned n)
{
    w->dummy.asked = stop;
    w->dummy.asked_arg = w;
    while (w->dummy.n_replies < n)
        loop_run(w->loop);
}

/* ---- */

static void every_verb(void **state)
{
    struct world *w = *state;

    connect_as(w, "ca", "client", peer_api_port(w->api), MAX_BODY);
    call(w, 1, "B", PEER_CONFIGURE, json_pack("{s:i}", "version", 1), DEADLINE_MS);
    await_answer(w, 1, 200, "{\"verb\":\"configure\"}");
    call(w, 2, "B", PEER_ACTIVATE, json_pack("{s:s}", "vm", "V2"), DEADLINE_MS);
    await_answer(w, 2, 200, "{\"verb\":\"activate\"}");
    call(w, 3, "B", PEER_ABORT, NULL, DEADLINE_MS);
    await_answer(w, 3, 200, "{\"verb\":\"abort\"}");
    call(w, 4, "B", PEER_COMMIT, NULL, DEADLINE_MS);
    await_answer(w, 4, 200, "{\"verb\":\"commit\"}");
    call(w, 5, "B", PEER_STATUS, NULL, DEADLINE_MS);
    await_answer(w, 5, 200, "{\"verb\":\"status\"}");
    call(w, 6, "B", PEER_PLAN, json_pack("{s:i}", "version", 1), DEADLINE_MS);
    await_answer(w, 6, 200, "{\"verb\":\"plan\"}");
    call(w, 7, "B", PEER_CONNECTIONS, json_pack("{s:s}", "vm", "V2"), DEADLINE_MS);
    await_answer(w, 7, 200, "{\"verb\":\"connections\"}");
    assert_string_equal(w->dummy.log.text, "configure dc-a " ID " {\"version\":1}\n"
                                           "activate dc-a " ID " {\"vm\":\"V2\"}\n"
                                           "abort dc-a " ID " -\n"
                                           "commit dc-a " ID " -\n"
                                           "status dc-a " ID " -\n"
                                           "plan dc-a - {\"version\":1}\n"
                                           "connections dc-a " ID " {\"vm\":\"V2\"}\n");
}

/* An answer that takes its time holds up no other. */
static void late_answers(void **state)
{
    struct world *w = *state;

    connect_as(w, "ca", "client", peer_api_port(w->api), MAX_BODY);
    w->dummy.hold = true;
    call(w, 1, "B", PEER_CONFIGURE, json_object(), DEADLINE_MS);
    call(w, 2, "B", PEER_STATUS, NULL, DEADLINE_MS);
    run_until_asked(w, 2);

    bool in_order = strncmp(w->dummy.log.text, "configure", 9) == 0;
    backend_reply_send(w->dummy.replies[in_order], 202, json_pack("{s:i}", "n", 2));
    await_answer(w, 2, 202, "{\"n\":2}");
    backend_reply_send(w->dummy.replies[!in_order], 409, json_pack("{s:s}", "error", "ERR_REFUSED"));
    await_answer(w, 1, 409, "{\"error\":\"ERR_REFUSED\"}");
}

static void client_that_does_not_wait(void **state)
{
    struct world *w = *state;

    /* The connection stands before the clock is started. */
    connect_as(w, "ca", "client", peer_api_port(w->api), MAX_BODY);
    call(w, 9, "B", PEER_STATUS, NULL, DEADLINE_MS);
    await_answer(w, 9, 200, "{\"verb\":\"status\"}");
    w->dummy.hold = true;
    call(w, 1, "B", PEER_CONFIGURE, json_object(), 500);
    run_until_asked(w, 1);
    await_failure(w, 1, ERR_TIMEOUT, "no answer within 500 ms");

    /* Its answer goes nowhere, and the next call is answered. */
    w->dummy.hold = false;
    call(w, 2, "B", PEER_STATUS, NULL, DEADLINE_MS);
    await_answer(w, 2, 200, "{\"verb\":\"status\"}");
    backend_reply_send(w->dummy.replies[0], 200, json_object());
}

static void driver_freed_with_a_call(void **state)
{
    struct world *w = *state;

    connect_as(w, "ca", "client", peer_api_port(w->api), MAX_BODY);
    w->dummy.hold = true;
    call(w, 1, "B", PEER_CONFIGURE, json_object(), DEADLINE_MS);
    run_until_asked(w, 1);
    w->driver->ops->free(w->driver);
    w->driver = NULL;
    await_failure(w, 1, ERR_UNKNOWN, "shut down");
}

static void server_freed_with_a_call(void **state)
{
    struct world *w = *state;

    connect_as(w, "ca", "client", peer_api_port(w->api), MAX_BODY);
    w->dummy.hold = true;
    call(w, 1, "B", PEER_CONFIGURE, json_object(), DEADLINE_MS);
    run_until_asked(w, 1);
    peer_api_free(w->api);
    w->api = NULL;
    await_failure(w, 1, ERR_UNKNOWN, "it may have been processed");
}

static void certificate_that_the_server_refuses(void **state)
{
    struct world *w = *state;

    connect_as(w, "ca", "stranger", peer_api_port(w->api), MAX_BODY);
    call(w, 1, "B", PEER_CONFIGURE, json_object(), DEADLINE_MS);
    await_failure(w, 1, ERR_UNREACHABLE, "certificate");
    assert_int_equal(w->dummy.log.length, 0);
}

static void certificate_that_the_client_refuses(void **state)
{
    struct world *w = *state;

    connect_as(w, "other-ca", "stranger", peer_api_port(w->api), MAX_BODY);
    call(w, 1, "B", PEER_CONFIGURE, json_object(), DEADLINE_MS);
    await_failure(w, 1, ERR_UNREACHABLE, "certificate");
    assert_int_equal(w->dummy.log.length, 0);
}

static void nobody_there(void **state)
{
    struct world *w = *state;
    uint16_t port = peer_api_port(w->api);

    peer_api_free(w->api);
    w->api = NULL;
    connect_as(w, "ca", "client", port, MAX_BODY);
    call(w, 1, "B", PEER_STATUS, NULL, DEADLINE_MS);
    await_failure(w, 1, ERR_UNREACHABLE, "data center B: ");
    call(w, 2, "C", PEER_CONFIGURE, json_object(), DEADLINE_MS);
    await_failure(w, 2, ERR_UNREACHABLE, "data center C is not a peer of this gateway");
}

/* A server whose answers are what the test says. */
struct odd_server {
    int status;
    const char *body;
};

static void answer_oddly(void *arg, struct http_request *request)
{
    const struct odd_server *odd = arg;

    http_reply(request, odd->status, NULL, odd->body, strlen(odd->body));
}

static void answers_that_are_no_json(void **state)
{
    struct world *w = *state;
    struct odd_server odd = {200, "{\"a\": \n x"};
    struct err err = {0};
    struct http_server *server = http_server_new(w->loop, "127.0.0.1", 0, w->server_tls, MAX_BODY, answer_oddly, &odd,
                                                 &err);

    assert_non_null(server);
    connect_as(w, "ca", "client", http_server_port(server), 64);
    call(w, 1, "B", PEER_STATUS, NULL, DEADLINE_MS);
    await_failure(w, 1, ERR_MALFORMED, "data center B: its answer with status 200 is no JSON: line 2, column 2: ");
    odd = (struct odd_server) {502, "<html>"};
    call(w, 2, "B", PEER_STATUS, NULL, DEADLINE_MS);
    await_answer(w, 2, 502, "none");
    odd = (struct odd_server) {200, "{\"a\":                                                                 1}"};
    call(w, 3, "B", PEER_STATUS, NULL, DEADLINE_MS);
    await_failure(w, 3, ERR_UNKNOWN, "larger");
    http_server_free(server);
}

/* ---- what the server refuses by itself ---- */

struct raw_answer {
    struct world *w;
    int status;
    char *body;
};

static void keep_answer(void *arg, const struct http_answer *answer, const struct err *err)
{
    struct raw_answer *raw = arg;

    if (err->code)
        fail_msg("%s", err->text);
    raw->status = answer->status;
    raw->body = xstrndup(answer->body, answer->size);
    loop_stop(raw->w->loop);
}

static void malformed_requests(void **state)
{
    static const struct {
        const char *method, *path, *body;
        int status;
        const char *answer;
    } rows[] = {
        {"PUT", "/peer/v1/migrations/" ID, "{\"version\":\n}", 400,
         "{\"error\":\"ERR_MALFORMED\","
         "\"reason\":\"the body is no JSON: line 2, column 1: unexpected token near '}'\"}"},
        {"GET", "/peer/v2/migrations/" ID, "", 404,
         "{\"error\":\"ERR_NOT_FOUND\",\"reason\":\"there is no path '/peer/v2/migrations/" ID "'\"}"},
        {"DELETE", "/peer/v1/migrations/" ID, "", 405,
         "{\"error\":\"ERR_UNSUPPORTED\",\"reason\":\"DELETE is not possible on '/peer/v1/migrations/" ID
         "', only PUT, GET\"}"},
        {"GET", "/v1/vms", "", 404, "{\"error\":\"ERR_NOT_FOUND\",\"reason\":\"there is no path '/v1/vms'\"}"},
    };
    struct world *w = *state;

    w->client_tls = certificates_tls(&w->certificates, "ca", "client");
    struct http_client *client = http_client_new(w->loop, "127.0.0.1", peer_api_port(w->api), w->client_tls, MAX_BODY);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct raw_answer raw = {.w = w};

        http_call(client, rows[i].method, rows[i].path, rows[i].body, strlen(rows[i].body), DEADLINE_MS, keep_answer,
                  &raw);
        loop_run(w->loop);
        assert_string_equal(raw.body, rows[i].answer);
        assert_int_equal(raw.status, rows[i].status);
        free(raw.body);
    }
    http_client_free(client);
    assert_int_equal(w->dummy.log.length, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_verb),
        TEST(late_answers),
        TEST(client_that_does_not_wait),
        TEST(driver_freed_with_a_call),
        TEST(server_freed_with_a_call),
        TEST(certificate_that_the_server_refuses),
        TEST(certificate_that_the_client_refuses),
        TEST(nobody_there),
        TEST(answers_that_are_no_json),
        TEST(malformed_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
