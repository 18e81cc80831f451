/* SPDX-License-Identifier: Apache-2.0 */
#include "io_http_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"

#define DEADLINE_MS 60000
#define LATE_MS 20

static void too_late(void *arg)
{
    (void) arg;
    fail_msg("nothing happened for %d ms", DEADLINE_MS);
}

int http_world_set_up(void **state)
{
    struct http_world *w = xcalloc(1, sizeof *w);

    certificates_make(&w->certificates);
    w->loop = loop_new();
    w->deadline = timer_new(w->loop, too_late, w);
    timer_set(w->deadline, mono_add(loop_now(w->loop), DEADLINE_MS));
    *state = w;
    return 0;
}

static void echo(struct http_request *request)
{
    size_t size;
    const char *body = http_body(request, &size);
    const char *query = http_query(request, "q");
    const char *header = http_header(request, "x-test");
    AUTO_FREE char *text = xasprintf("%s %s q=%s x=%s peer=%s %.*s", http_method(request), http_path(request),
                                     query ? query : "-", header ? header : "-", http_peer_name(request), (int) size,
                                     body);

    http_reply(request, 200, "text/plain", text, strlen(text));
}

struct late {
    struct http_request *request;
    struct timer *timer;
};

static void answer_late(void *arg)
{
    struct late *late = arg;

    http_reply(late->request, 200, NULL, "\"late\"", 6);
    timer_free(late->timer);
    free(late);
}

static void hold(struct http_world *w, struct http_request *request)
{
    w->held[w->n_held++] = request;
    if (w->n_held == w->stop_when_held)
        loop_stop(w->loop);
}

static void client_gone(void *arg)
{
    struct http_world *w = arg;

    w->n_closed++;
    timer_free(w->flood);
    w->flood = NULL;
    loop_stop(w->loop);
}

static void flood(void *arg)
{
    static const char much[1 << 16] = {0};
    struct http_world *w = arg;

    http_stream_send(w->held[0], much, sizeof much);
    timer_set(w->flood, loop_now(w->loop));
}

static void handler(void *arg, struct http_request *request)
{
    struct http_world *w = arg;
    const char *path = http_path(request);
    size_t size;

    w->n_handled++;
    if (strncmp(path, "/echo", 5) == 0) {
        echo(request);
    } else if (strcmp(path, "/body") == 0) {
        const char *body = http_body(request, &size);

        http_reply(request, 201, NULL, body, size);
    } else if (strcmp(path, "/nothing") == 0) {
        http_reply(request, 204, NULL, NULL, 0);
    } else if (strcmp(path, "/late") == 0) {
        struct late *late = xmalloc(sizeof *late);

        late->request = request;
        late->timer = timer_new(w->loop, answer_late, late);
        timer_set(late->timer, mono_add(loop_now(w->loop), LATE_MS));
    } else if (strcmp(path, "/hold") == 0) {
        hold(w, request);
    } else if (strcmp(path, "/stream") == 0) {
        http_stream_start(request, "text/plain", client_gone, w);
        hold(w, request);
    } else if (strcmp(path, "/flood") == 0) {
        http_stream_start(request, NULL, client_gone, w);
        w->flood = timer_new(w->loop, flood, w);
        hold(w, request);
        flood(w);
    } else {
        http_reply(request, 404, NULL, "{}", 2);
    }
}

void http_world_serve(struct http_world *w, uint16_t port)
{
    struct err err = {0};

    w->server = http_server_new(w->loop, "127.0.0.1", port, w->server_tls, HTTP_WORLD_MAX_BODY, handler, w, &err);
    if (!w->server)
        fail_msg("%s", err.text);
    if (!w->client)
        w->client = http_client_new(w->loop, "127.0.0.1", http_server_port(w->server), w->client_tls,
                                    HTTP_WORLD_MAX_BODY);
}

void http_world_serve_tls(struct http_world *w, const char *certificate)
{
    w->server_tls = certificates_tls(&w->certificates, "ca", certificate);
    if (!w->client_tls)
        w->client_tls = certificates_tls(&w->certificates, "ca", "client");
    http_world_serve(w, 0);
}

struct script_connection {
    struct script_connection *next;
    struct http_world *w;
    struct stream *stream;
    unsigned n_answers;
};

static void script_forget(struct script_connection *connection)
{
    struct script_connection **position = &connection->w->script_connections;

    while (*position != connection)
        position = &(*position)->next;
    *position = connection->next;
    free(connection);
}

static void script_close(struct script_connection *connection)
{
    stream_close(connection->stream);
    script_forget(connection);
}

static size_t script_data(void *arg, const uint8_t *bytes, size_t n)
{
    struct script_connection *connection = arg;
    struct http_world *w = connection->w;

    (void) bytes;
    w->n_script_data++;
    if (connection->n_answers++ < w->n_script_answers) {
        stream_write(connection->stream, w->script_answer, strlen(w->script_answer));
        return n;
    }
    script_close(connection);
    return n;
}

static void script_down(void *arg, const struct err *reason)
{
    (void) reason;
    script_forget(arg);
}

static void script_accepted(void *arg, struct stream *stream)
{
    static const struct stream_callbacks callbacks = {.data = script_data, .down = script_down};
    struct http_world *w = arg;
    struct script_connection *connection = xmalloc(sizeof *connection);

    *connection = (struct script_connection) {.next = w->script_connections, .w = w, .stream = stream};
    w->script_connections = connection;
    w->n_script_connections++;
    stream_set_callbacks(stream, &callbacks, connection);
}

void http_world_script(struct http_world *w, const char *answer, unsigned n)
{
    w->script_answer = answer;
    w->n_script_answers = n;
    w->script = listener_new(w->loop, "127.0.0.1", 0, script_accepted, w, NULL);
    assert_non_null(w->script);
    w->client = http_client_new(w->loop, "127.0.0.1", listener_port(w->script), w->client_tls, HTTP_WORLD_MAX_BODY);
}

int http_world_tear_down(void **state)
{
    struct http_world *w = *state;

    http_client_free(w->client);
    http_server_free(w->server);
    listener_free(w->script);
    while (w->script_connections)
        script_close(w->script_connections);
    timer_free(w->deadline);
    timer_free(w->flood);
    loop_free(w->loop);
    tls_free(w->client_tls);
    tls_free(w->server_tls);
    certificates_remove(&w->certificates);
    free(w);
    return 0;
}

static void on_answer(void *arg, const struct http_answer *answer, const struct err *err)
{
    struct http_result *result = arg;

    result->n++;
    result->err = *err;
    if (answer) {
        assert_int_equal(err->code, 0);
        result->status = answer->status;
        strbuf_add(&result->body, answer->body, answer->size);
    }
    if (--result->w->n_waiting == 0)
        loop_stop(result->w->loop);
}

void http_world_call(struct http_world *w, struct http_result *result, const char *method, const char *path,
                     const void *body, size_t size, uint32_t timeout_ms)
{
    *result = (struct http_result) {.w = w};
    w->n_waiting++;
    http_call(w->client, method, path, body, size, timeout_ms, on_answer, result);
    assert_int_equal(result->n, 0); /* never from within */
}

void http_world_run(struct http_world *w)
{
    assert_true(w->n_waiting > 0);
    while (w->n_waiting > 0)
        loop_run(w->loop);
}

void http_world_ask(struct http_world *w, struct http_result *result, const char *method, const char *path,
                    const char *body)
{
    http_world_call(w, result, method, path, body, strlen(body), DEADLINE_MS);
    http_world_run(w);
    assert_int_equal(result->n, 1);
}

void http_result_free(struct http_result *result)
{
    strbuf_free(&result->body);
}

static size_t raw_data(void *arg, const uint8_t *bytes, size_t n)
{
    struct raw_client *raw = arg;

    strbuf_add(&raw->got, bytes, n);
    if (raw->until && strstr(raw->got.text, raw->until))
        loop_stop(raw->w->loop);
    return n;
}

static void raw_down(void *arg, const struct err *reason)
{
    struct raw_client *raw = arg;

    (void) reason;
    raw->down = true;
    raw->stream = NULL;
    loop_stop(raw->w->loop);
}

void raw_ask(struct http_world *w, struct raw_client *raw, const char *text, const char *until)
{
    static const struct stream_callbacks callbacks = {.data = raw_data, .down = raw_down};

    if (!raw->stream) {
        AUTO_FREE char *where = xasprintf("tcp:127.0.0.1:%u", http_server_port(w->server));

        *raw = (struct raw_client) {.w = w};
        raw->stream = stream_connect(w->loop, where, &callbacks, raw, NULL);
    }
    strbuf_clear(&raw->got);
    raw->until = until;
    stream_write(raw->stream, text, strlen(text));
    loop_run(w->loop);
}

void raw_free(struct raw_client *raw)
{
    if (raw->stream)
        stream_close(raw->stream);
    strbuf_free(&raw->got);
}
