/* SPDX-License-Identifier: Apache-2.0 */
/* The REST server over real sockets: every route, every kind of error, and streams of events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "dummy_backend.h"
#include "io/loop.h"
#include "north/rest.h"

#define DEADLINE_MS 60000
#define MAX_BODY 65536
#define ID "0d6b8f5e-3a9c-4f0e-9d0b-1c5a2e7f1a0"

struct world {
    struct loop *loop;
    struct timer *deadline;
    struct dummy_backend dummy;
    struct rest *rest;
};

/* A client that sends a text and keeps what comes. */
struct client {
    struct world *w;
    struct stream *stream; /* null: the server hung up */
    struct strbuf got;
    const char *until; /* the loop stops when this was read, or the server hangs up */
};

static void too_late(void *arg)
{
    (void) arg;
    fail_msg("nothing happened for %d ms", DEADLINE_MS);
}

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    struct err err = {0};

    dummy_backend_init(&w->dummy, TEST_DATA "/scgctl/gateway.json");
    w->loop = loop_new();
    w->deadline = timer_new(w->loop, too_late, w);
    timer_set(w->deadline, mono_add(loop_now(w->loop), DEADLINE_MS));
    w->rest = rest_new(w->loop, "127.0.0.1", 0, MAX_BODY, &w->dummy.backend, &err);
    if (!w->rest)
        fail_msg("%s", err.text);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    rest_free(w->rest);
    timer_free(w->deadline);
    loop_free(w->loop);
    dummy_backend_free(&w->dummy);
    free(w);
    return 0;
}

static bool has_read(const struct client *client)
{
    return !client->stream || (client->until && client->got.text && strstr(client->got.text, client->until));
}

static void stop_if_read(struct client *client)
{
    if (has_read(client))
        loop_stop(client->w->loop);
}

static size_t on_data(void *arg, const uint8_t *bytes, size_t n)
{
    struct client *client = arg;

    strbuf_add(&client->got, bytes, n);
    stop_if_read(client);
    return n;
}

static void on_down(void *arg, const struct err *reason)
{
    struct client *client = arg;

    (void) reason;
    client->stream = NULL;
    stop_if_read(client);
}

/* Connects and sends; what comes is read while the loop runs. */
static void client_send(struct world *w, struct client *client, const char *method, const char *path, const char *body)
{
    static const struct stream_callbacks callbacks = {NULL, on_data, on_down};
    AUTO_FREE char *where = xasprintf("tcp:127.0.0.1:%u", rest_port(w->rest));
    AUTO_FREE char *text = xasprintf("%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                                     method, path, strlen(body), body);
    struct err err = {0};

    *client = (struct client) {.w = w};
    client->stream = stream_connect(w->loop, where, &callbacks, client, &err);
    if (!client->stream)
        fail_msg("%s", err.text);
    stream_write(client->stream, text, strlen(text));
}

/* Runs until 'until' was read, or, with null, until the server hangs up. */
static void client_read(struct client *client, const char *until)
{
    client->until = until;
    while (!has_read(client)) /* another client may have stopped the loop */
        loop_run(client->w->loop);
    if (until && !(client->got.text && strstr(client->got.text, until)))
        fail_msg("'%s' is not in: %s", until, client->got.text ? client->got.text : "");
}

static void client_free(struct client *client)
{
    if (client->stream)
        stream_close(client->stream);
    strbuf_free(&client->got);
}

/* One whole exchange; the caller frees the answer. */
static char *ask(struct world *w, const char *method, const char *path, const char *body)
{
    struct client client;

    client_send(w, &client, method, path, body);
    client_read(&client, NULL);
    return strbuf_take(&client.got);
}

static int status_of(const char *answer)
{
    int status = 0;

    assert_int_equal(sscanf(answer, "HTTP/1.1 %d ", &status), 1);
    return status;
}

static const char *body_of(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");

    assert_non_null(end);
    return end + 4;
}

/* ---- reading ---- */

static void collections(void **state)
{
    static const char *const names[] = {"vms",      "servers", "switches", "links",    "segments",   "tunnels",
                                        "channels", "users",   "peers",    "policies", "migrations", "address-sets"};
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO_FREE char *path = xasprintf("/v1/%s", names[i]);
        AUTO_FREE char *answer = ask(w, "GET", path, "");
        json_t *json = json_loads(body_of(answer), 0, NULL);

        assert_int_equal(status_of(answer), 200);
        assert_non_null(strstr(answer, "Content-Type: application/json\r\n"));
        assert_int_equal(json_object_size(json), 1);
        assert_true(json_equal(json_object_get(json, names[i]), json_object_get(w->dummy.facts, names[i])));
        json_decref(json);
    }
}

static void members(void **state)
{
    static const char *const paths[] = {"/v1/vms/V2",       "/v1/servers/server-a",    "/v1/switches/tor-a",
                                        "/v1/segments/web", "/v1/channels/pe3-pe4",    "/v1/peers/B",
                                        "/v1/policies/V2",  "/v1/migrations/" ID "3",  "/v1/vms/B%C3%BCro",
                                        "/v1/users/ce2",    "/v1/channels/A:user:ce1", "/v1/tunnels/pe1:tor-a"};
    static const char *const names[] = {"\"name\":\"V2\"",   "\"name\":\"server-a\"",   "\"name\":\"tor-a\"",
                                        "\"name\":\"web\"",  "\"name\":\"pe3-pe4\"",    "\"name\":\"B\"",
                                        "\"policy\":\"V2\"", "\"id\":\"" ID "3\"",      "\"name\":\"B\u00fcro\"",
                                        "\"name\":\"ce2\"",  "\"name\":\"A:user:ce1\"", "\"name\":\"pe1:tor-a\""};

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        AUTO_FREE char *answer = ask(*state, "GET", paths[i], "");

        assert_int_equal(status_of(answer), 200);
        assert_memory_equal(body_of(answer) + 1, names[i], strlen(names[i]));
    }
}

static void other_reading(void **state)
{
    struct world *w = *state;
    AUTO_FREE char *transport = ask(*state, "GET", "/v1/transport", "");
    AUTO_FREE char *journal = ask(*state, "GET", "/v1/migrations/" ID "3/journal", "");
    AUTO_FREE char *metrics = ask(*state, "GET", "/metrics", "");
    AUTO_FREE char *health = ask(*state, "GET", "/healthz", "");

    assert_int_equal(status_of(journal), 200);
    assert_non_null(strstr(body_of(journal), "{\"journal\":[{\"sequence\":1,"));
    assert_int_equal(status_of(metrics), 200);
    assert_non_null(strstr(metrics, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_string_equal(body_of(metrics), "# TYPE scg_vms gauge\nscg_vms 3\n");
    assert_int_equal(status_of(health), 200);
    assert_non_null(strstr(body_of(health), "\"status\":\"ok\""));
    assert_int_equal(status_of(transport), 200);
    json_t *json = json_loads(body_of(transport), 0, NULL);
    assert_true(json_equal(json, json_object_get(w->dummy.facts, "transport")));
    json_decref(json);
}

/* ---- errors ---- */

static void errors(void **state)
{
    static const struct {
        const char *method, *path, *body;
        int status;
        const char *answer;
    } rows[] = {
        {"GET", "/", "", 404, "{\"error\":\"ERR_NOT_FOUND\",\"reason\":\"there is no path '/'\"}"},
        {"GET", "/v1/vmss", "", 404, "{\"error\":\"ERR_NOT_FOUND\",\"reason\":\"there is no path '/v1/vmss'\"}"},
        {"GET", "/v1/vms/", "", 404, "{\"error\":\"ERR_NOT_FOUND\",\"reason\":\"there is no path '/v1/vms/'\"}"},
        {"GET", "/v1/vms/V2/x", "", 404,
         "{\"error\":\"ERR_NOT_FOUND\",\"reason\":\"there is no path '/v1/vms/V2/x'\"}"},
        {"GET", "/v1/links/x", "", 404, "{\"error\":\"ERR_NOT_FOUND\",\"reason\":\"there is no path '/v1/links/x'\"}"},
        {"GET", "/%FFx", "", 404, "{\"error\":\"ERR_NOT_FOUND\",\"reason\":\"there is no path '/?x'\"}"},
        {"GET", "/v1/vms/V9", "", 404,
         "{\"error\":\"ERR_NOT_FOUND\",\"reason\":\"vms: there is no 'V9' in data center A\"}"},
        {"GET", "/v1/migrations/x/journal", "", 404,
         "{\"error\":\"ERR_NOT_FOUND\",\"reason\":\"there is no migration 'x' in data center A\"}"},
        {"DELETE", "/v1/policies/V9", "", 404,
         "{\"error\":\"ERR_NOT_FOUND\",\"reason\":\"there is no policy of 'V9' in data center A\"}"},
        {"GET", "/v1/events?migration=x", "", 404,
         "{\"error\":\"ERR_NOT_FOUND\",\"reason\":\"migrations: there is no 'x' in data center A\"}"},
        {"POST", "/v1/migrations/" ID "3/cancel", "", 409,
         "{\"error\":\"ERR_CONFLICT\",\"reason\":\"migration " ID "3 has ended: done\"}"},
        {"POST", "/v1/migrations", "{\"to\":{\"dc\":\"full\"}}", 429,
         "{\"error\":\"ERR_EXHAUSTED\",\"reason\":\"8 migrations are open, as many as limits.migrations allows\"}"},
        {"POST", "/v1/migrations", "{}", 400, "{\"error\":\"ERR_INVALID\",\"reason\":\"order.to: missing\"}"},
        {"PUT", "/v1/policies/V2", "{\"bad\":1}", 400,
         "{\"error\":\"ERR_INVALID\",\"reason\":\"policy.bad: unknown member\"}"},
        {"GET", "/v1/transport/x", "", 404,
         "{\"error\":\"ERR_NOT_FOUND\",\"reason\":\"there is no path '/v1/transport/x'\"}"},
        {"GET", "/v1/users/ce9", "", 404,
         "{\"error\":\"ERR_NOT_FOUND\",\"reason\":\"users: there is no 'ce9' in data center A\"}"},
        {"PUT", "/v1/users/ce1", "{\"bad\":1}", 400,
         "{\"error\":\"ERR_INVALID\",\"reason\":\"user.bad: unknown member\"}"},
        {"PUT", "/v1/users/ce1", "", 400,
         "{\"error\":\"ERR_MALFORMED\",\"reason\":\"the body is empty, expected JSON\"}"},
        {"DELETE", "/v1/users/ce9", "", 404,
         "{\"error\":\"ERR_NOT_FOUND\",\"reason\":\"there is no user 'ce9' in data center A\"}"},
        {"POST", "/v1/channels", "{}", 400, "{\"error\":\"ERR_INVALID\",\"reason\":\"channel.peer: missing\"}"},
        {"POST", "/v1/channels", "", 400,
         "{\"error\":\"ERR_MALFORMED\",\"reason\":\"the body is empty, expected JSON\"}"},
        {"POST", "/v1/channels", "{\"peer\":\"full\"}", 429,
         "{\"error\":\"ERR_EXHAUSTED\",\"reason\":\"no path has 5000 Mbit/s free; the widest has 100\"}"},
        {"DELETE", "/v1/channels/x", "", 404,
         "{\"error\":\"ERR_NOT_FOUND\",\"reason\":\"there is no channel 'x' in data center A\"}"},
        {"DELETE", "/v1/channels/A:user:ce1", "", 409,
         "{\"error\":\"ERR_CONFLICT\",\"reason\":\"circuit A:user:ce1 belongs to user ce1; delete the user\"}"},
        {"PUT", "/v1/policies/V2", "", 400,
         "{\"error\":\"ERR_MALFORMED\",\"reason\":\"the body is empty, expected JSON\"}"},
        {"POST", "/v1/plans", "{\"to\":\n  {\"dc\": B}}", 400,
         "{\"error\":\"ERR_MALFORMED\",\"reason\":\"the body is no JSON: line 2, column 10: invalid token near 'B'\"}"},
        {"POST", "/v1/plans", "{\"to\":1,\"to\":2}", 400,
         "{\"error\":\"ERR_MALFORMED\",\"reason\":\"the body is no JSON: line 1, column 12: duplicate object key near "
         "'\\\"to\\\"'\"}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *answer = ask(*state, rows[i].method, rows[i].path, rows[i].body);

        assert_string_equal(body_of(answer), rows[i].answer);
        assert_int_equal(status_of(answer), rows[i].status);
        assert_non_null(strstr(answer, "Content-Type: application/json\r\n"));
    }
}

static void wrong_methods(void **state)
{
    static const struct {
        const char *method, *path, *allow;
    } rows[] = {
        {"POST", "/v1/vms", "Allow: GET\r\n"},
        {"POST", "/v1/policies/V2", "Allow: GET, PUT, DELETE\r\n"},
        {"DELETE", "/v1/migrations", "Allow: GET, POST\r\n"},
        {"PUT", "/v1/channels", "Allow: GET, POST\r\n"},
        {"PUT", "/v1/channels/x", "Allow: GET, DELETE\r\n"},
        {"POST", "/v1/users/ce1", "Allow: GET, PUT, DELETE\r\n"},
        {"POST", "/v1/address-sets/x", "Allow: GET, PUT, DELETE\r\n"},
        {"DELETE", "/v1/transport", "Allow: GET\r\n"},
        {"GET", "/v1/plans", "Allow: POST\r\n"},
        {"GET", "/v1/vms/V2/verification", "Allow: POST\r\n"},
        {"DELETE", "/v1/verification", "Allow: POST\r\n"},
        {"GET", "/v1/migrations/x/cancel", "Allow: POST\r\n"},
        {"PATCH", "/metrics", "Allow: GET\r\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *answer = ask(*state, rows[i].method, rows[i].path, "");

        assert_int_equal(status_of(answer), 405);
        assert_non_null(strstr(answer, rows[i].allow));
        assert_non_null(strstr(body_of(answer), "is not possible on '"));
    }
}

static void too_large(void **state)
{
    AUTO_FREE char *body = xmalloc(MAX_BODY + 2);

    memset(body, ' ', MAX_BODY + 1);
    body[MAX_BODY + 1] = '\0';
    AUTO_FREE char *answer = ask(*state, "PUT", "/v1/policies/V2", body);
    assert_int_equal(status_of(answer), 413);
}

static void port_in_use(void **state)
{
    struct world *w = *state;
    struct err err = {0};

    assert_null(rest_new(w->loop, "127.0.0.1", rest_port(w->rest), MAX_BODY, &w->dummy.backend, &err));
    assert_memory_equal(err.text, "rest: ", 6);
}

/* ---- commands ---- */

static void policies(void **state)
{
    struct world *w = *state;
    AUTO_FREE char *put = ask(w, "PUT", "/v1/policies/V1", "{\"policy\": \"V1\", \"rules\": []}");
    AUTO_FREE char *deleted = ask(w, "DELETE", "/v1/policies/V1", "");
    AUTO_FREE char *gone = ask(w, "GET", "/v1/policies/V1", "");

    assert_int_equal(status_of(put), 200);
    assert_string_equal(body_of(put), "{\"policy\":\"V1\",\"rules\":[]}");
    assert_int_equal(status_of(deleted), 204);
    assert_string_equal(body_of(deleted), "");
    assert_int_equal(status_of(gone), 404);
    assert_string_equal(w->dummy.log.text, "policy_put V1 {\"policy\":\"V1\",\"rules\":[]}\npolicy_delete V1 -\n");
}

static void address_sets(void **state)
{
    struct world *w = *state;
    AUTO_FREE char *put = ask(w, "PUT", "/v1/address-sets/home", "{\"name\": \"home\", \"prefixes\": [\"::1\"]}");
    AUTO_FREE char *bad = ask(w, "PUT", "/v1/address-sets/home", "{\"bad\": 1}");
    AUTO_FREE char *deleted = ask(w, "DELETE", "/v1/address-sets/home", "");
    AUTO_FREE char *gone = ask(w, "GET", "/v1/address-sets/home", "");

    assert_int_equal(status_of(put), 200);
    assert_string_equal(body_of(put), "{\"name\":\"home\",\"prefixes\":[\"::1\"]}");
    assert_int_equal(status_of(bad), 400);
    assert_int_equal(status_of(deleted), 204);
    assert_int_equal(status_of(gone), 404);
    assert_string_equal(w->dummy.log.text, "address_set_put home {\"name\":\"home\",\"prefixes\":[\"::1\"]}\n"
                                           "address_set_delete home -\n");
}

static void users(void **state)
{
    struct world *w = *state;
    AUTO_FREE char *put = ask(w, "PUT", "/v1/users/ce3", "{\"name\": \"ce3\"}");
    AUTO_FREE char *again = ask(w, "PUT", "/v1/users/ce3", "{\"name\": \"ce3\", \"vms\": []}");
    AUTO_FREE char *deleted = ask(w, "DELETE", "/v1/users/ce3", "");
    AUTO_FREE char *gone = ask(w, "GET", "/v1/users/ce3", "");

    assert_int_equal(status_of(put), 200);
    assert_string_equal(body_of(put), "{\"name\":\"ce3\",\"connected\":false}");
    assert_int_equal(status_of(again), 200);
    assert_string_equal(body_of(again), "{\"name\":\"ce3\",\"vms\":[],\"connected\":false}");
    assert_int_equal(status_of(deleted), 204);
    assert_string_equal(body_of(deleted), "");
    assert_int_equal(status_of(gone), 404);
    assert_string_equal(w->dummy.log.text, "user_put ce3 {\"name\":\"ce3\"}\n"
                                           "user_put ce3 {\"name\":\"ce3\",\"vms\":[]}\nuser_delete ce3 -\n");
}

static void channels(void **state)
{
    struct world *w = *state;
    AUTO_FREE char *created = ask(w, "POST", "/v1/channels", "{\"peer\": \"B\", \"bandwidth-mbps\": 100}");
    AUTO_FREE char *deleted = ask(w, "DELETE", "/v1/channels/A:channel:B:2", "");
    AUTO_FREE char *gone = ask(w, "GET", "/v1/channels/A:channel:B:2", "");

    assert_int_equal(status_of(created), 202);
    assert_non_null(strstr(created, "\r\nLocation: /v1/channels/A:channel:B:2\r\n"));
    assert_non_null(strstr(body_of(created), "{\"name\":\"A:channel:B:2\",\"kind\":\"migration\""));
    assert_int_equal(status_of(deleted), 204);
    assert_int_equal(status_of(gone), 404);
    assert_string_equal(w->dummy.log.text, "channel_create B {\"peer\":\"B\",\"bandwidth-mbps\":100}\n"
                                           "channel_delete A:channel:B:2 -\n");
}

static void migrations(void **state)
{
    struct world *w = *state;
    static const char order[] = "{\"vms\":[\"V2\"],\"to\":{\"dc\":\"B\",\"server\":\"server-b\"}}";
    AUTO_FREE char *plan = ask(w, "POST", "/v1/plans", order);
    AUTO_FREE char *accepted = ask(w, "POST", "/v1/migrations", order);
    AUTO_FREE char *cancelled = ask(w, "POST", "/v1/migrations/" ID "1/cancel", "");

    assert_int_equal(status_of(plan), 200);
    assert_non_null(strstr(body_of(plan), "\"plan\":[{\"stage\":0,\"step\":\"channel-reserve\","));
    assert_int_equal(status_of(accepted), 202);
    assert_non_null(strstr(accepted, "\r\nLocation: /v1/migrations/" ID "1\r\n"));
    assert_non_null(strstr(body_of(accepted), "{\"id\":\"" ID "1\""));
    assert_int_equal(status_of(cancelled), 202);
    assert_non_null(strstr(body_of(cancelled), "{\"id\":\"" ID "1\""));
    AUTO_FREE char *log = xasprintf("plan B %s\nmigrate B %s\ncancel " ID "1 -\n", order, order);
    assert_string_equal(w->dummy.log.text, log);
}

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

/* Three plans that the other data center takes its time for: one is told, of one the client has gone, and one is still
 * waited for when the server ends. */
static void plans_that_take_their_time(void **state)
{
    static const char order[] = "{\"vms\":[\"V2\"],\"to\":{\"dc\":\"B\",\"server\":\"server-b\"}}";
    struct world *w = *state;
    struct client clients[3];

    w->dummy.hold = true;
    w->dummy.asked = stop_loop;
    w->dummy.asked_arg = w->loop;
    for (unsigned i = 0; i < ARRAY_LEN(clients); i++) {
        client_send(w, &clients[i], "POST", "/v1/plans", order);
        while (w->dummy.n_replies <= i)
            loop_run(w->loop);
    }
    client_free(&clients[1]);
    backend_reply_send(w->dummy.replies[0], 409, json_pack("{s:s}", "error", "ERR_REFUSED"));
    client_read(&clients[0], NULL);
    assert_int_equal(status_of(clients[0].got.text), 409);
    assert_string_equal(body_of(clients[0].got.text), "{\"error\":\"ERR_REFUSED\"}");
    backend_reply_send(w->dummy.replies[1], 200, json_object());
    rest_free(w->rest);
    w->rest = NULL;
    client_read(&clients[2], NULL);
    client_free(&clients[0]);
    client_free(&clients[2]);
}

/* ---- events ---- */

static void notify(struct world *w, const char *type, const char *text)
{
    json_t *json = json_loads(text, 0, NULL);

    assert_non_null(json);
    rest_notify(w->rest, type, json);
    json_decref(json);
}

static void stream_of_everything(void **state)
{
    struct world *w = *state;
    struct client first, second;

    client_send(w, &first, "GET", "/v1/events", "");
    client_send(w, &second, "GET", "/v1/events", "");
    client_read(&first, "\r\n\r\n");
    client_read(&second, "\r\n\r\n");
    assert_non_null(strstr(first.got.text, "Content-Type: application/x-ndjson\r\n"));

    notify(w, "vm", "{\"name\":\"V1\"}");
    notify(w, "migration", "{\"id\":\"x\",\"ended\":true}");
    client_read(&first, "{\"type\":\"vm\",\"data\":{\"name\":\"V1\"}}\n");
    client_read(&first, "{\"type\":\"migration\",\"data\":{\"id\":\"x\",\"ended\":true}}\n");
    client_read(&second, "\"ended\":true}}\n");

    /* One goes away; the other still hears. */
    client_free(&first);
    notify(w, "vm", "{\"name\":\"V2\"}");
    client_read(&second, "\"V2\"}}\n");
    notify(w, "vm", "{\"name\":\"V3\"}");
    client_read(&second, "\"V3\"}}\n");
    assert_non_null(second.stream);
    client_free(&second);
}

static void stream_of_one_migration(void **state)
{
    struct world *w = *state;
    struct client client;

    client_send(w, &client, "GET", "/v1/events?migration=" ID "2", "");
    client_read(&client, "{\"type\":\"migration\",\"data\":{\"id\":\"" ID "2\"");
    client_read(&client, "\n\r\n");
    strbuf_clear(&client.got);
    notify(w, "vm", "{\"id\":\"" ID "2\"}");
    notify(w, "migration", "{\"id\":\"" ID "1\",\"ended\":true}");
    notify(w, "migration", "{\"id\":\"" ID "2\",\"ended\":false}");
    notify(w, "migration", "{\"id\":\"" ID "2\",\"ended\":true}");
    notify(w, "migration", "{\"id\":\"" ID "2\",\"ended\":true}");
    client_read(&client, NULL);
    assert_string_equal(client.got.text,
                        "58\r\n{\"type\":\"migration\",\"data\":{\"id\":\"" ID "2\",\"ended\":false}}\n\r\n"
                        "57\r\n{\"type\":\"migration\",\"data\":{\"id\":\"" ID "2\",\"ended\":true}}\n\r\n0\r\n\r\n");
    client_free(&client);
}

static void stream_of_an_ended_migration(void **state)
{
    AUTO_FREE char *answer = ask(*state, "GET", "/v1/events?migration=" ID "5", "");

    assert_int_equal(status_of(answer), 200);
    assert_non_null(strstr(answer, "\"state\":\"rolled_back\""));
    assert_non_null(strstr(answer, "\n\r\n0\r\n\r\n"));
}

static void streams_have_a_limit(void **state)
{
    struct world *w = *state;
    AUTO_FREE struct client *clients = xcalloc(128, sizeof *clients);

    for (size_t i = 0; i < 128; i++) {
        client_send(w, &clients[i], "GET", "/v1/events", "");
        client_read(&clients[i], "\r\n\r\n");
        assert_int_equal(status_of(clients[i].got.text), 200);
    }
    AUTO_FREE char *refused = ask(w, "GET", "/v1/events", "");
    assert_int_equal(status_of(refused), 429);

    /* The last ones are still open when the server is freed. */
    for (size_t i = 0; i < 128; i += 2)
        client_free(&clients[i]);
    notify(w, "vm", "{\"name\":\"V1\"}");
    for (size_t i = 1; i < 128; i += 2)
        client_read(&clients[i], "\"V1\"}}\n");
    rest_free(w->rest);
    w->rest = NULL;
    for (size_t i = 1; i < 128; i += 2) {
        client_read(&clients[i], NULL);
        client_free(&clients[i]);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(collections),
        TEST(members),
        TEST(other_reading),
        TEST(errors),
        TEST(wrong_methods),
        TEST(too_large),
        TEST(port_in_use),
        TEST(policies),
        TEST(address_sets),
        TEST(users),
        TEST(channels),
        TEST(migrations),
        TEST(plans_that_take_their_time),
        TEST(stream_of_everything),
        TEST(stream_of_one_migration),
        TEST(stream_of_an_ended_migration),
        TEST(streams_have_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
