/* SPDX-License-Identifier: Apache-2.0 */
#include "north/rest.h"

#include <string.h>

#include "base/alloc.h"
#include "io/http.h"
#include "north/http_json.h"
#include "north/owed.h"

#define WATCHERS_MAX 128

/* A client that follows events. */
struct watcher {
    struct watcher *next, **previous;
    struct rest *rest;
    struct http_request *request;
    char *migration; /* null: everything */
};

struct rest {
    const struct backend *backend;
    struct http_server *server;
    struct watcher *watchers;
    unsigned n_watchers;
    struct owed_list owed;
};

/* ---- reading ---- */

static void show(const struct rest *rest, struct http_request *request, const char *collection, const char *name)
{
    json_t *json = NULL;
    struct err err = {0};

    if (rest->backend->get(rest->backend->gateway, collection, name, &json, &err) < 0)
        http_json_error(request, &err);
    else
        http_json_reply(request, 200, json);
}

/* GET /v1/COLLECTION[/NAME]: the path says which. */
static void get_collection(void *arg, struct http_request *request, const char *name)
{
    const char *path = http_path(request) + strlen("/v1/");
    AUTO_FREE char *collection = xstrndup(path, strcspn(path, "/"));

    show(arg, request, collection, *name ? name : NULL);
}

static void get_health(void *arg, struct http_request *request, const char *name)
{
    (void) name;
    show(arg, request, "health", NULL);
}

static void get_journal(void *arg, struct http_request *request, const char *id)
{
    struct rest *rest = arg;
    json_t *json = NULL;
    struct err err = {0};

    if (rest->backend->journal(rest->backend->gateway, id, &json, &err) < 0)
        http_json_error(request, &err);
    else
        http_json_reply(request, 200, json);
}

static void get_metrics(void *arg, struct http_request *request, const char *name)
{
    struct rest *rest = arg;
    AUTO_FREE char *text = rest->backend->metrics(rest->backend->gateway);

    (void) name;
    http_reply(request, 200, "text/plain; version=0.0.4; charset=utf-8", text, strlen(text));
}

/* ---- commands ---- */

/* A body that must be there. Otherwise the request has been answered. */
static json_t *require_body(struct http_request *request)
{
    json_t *body = NULL;
    struct err err = {0};

    if (http_json_body(request, &body, &err) == 0 && !body)
        err_set(&err, ERR_MALFORMED, "the body is empty, expected JSON");
    if (err.code)
        http_json_error(request, &err);
    return body;
}

/* Sets a member of a collection from the body, and answers with it as it then is. */
static void put_member(struct rest *rest, struct http_request *request, const char *collection, const char *name,
                       int (*put)(void *gateway, const char *name, const json_t *json, struct err *err))
{
    json_t *body = require_body(request);
    struct err err = {0};

    if (!body)
        return;
    if (put(rest->backend->gateway, name, body, &err) < 0)
        http_json_error(request, &err);
    else
        show(rest, request, collection, name);
    json_decref(body);
}

static void delete_member(struct rest *rest, struct http_request *request, const char *name,
                          int (*delete)(void *gateway, const char *name, struct err *err))
{
    struct err err = {0};

    if (delete (rest->backend->gateway, name, &err) < 0)
        http_json_error(request, &err);
    else
        http_reply(request, 204, NULL, "", 0);
}

static void put_policy(void *arg, struct http_request *request, const char *vm)
{
    struct rest *rest = arg;

    put_member(rest, request, "policies", vm, rest->backend->policy_put);
}

static void delete_policy(void *arg, struct http_request *request, const char *vm)
{
    struct rest *rest = arg;

    delete_member(rest, request, vm, rest->backend->policy_delete);
}

static void put_address_set(void *arg, struct http_request *request, const char *name)
{
    struct rest *rest = arg;

    put_member(rest, request, "address-sets", name, rest->backend->address_set_put);
}

static void delete_address_set(void *arg, struct http_request *request, const char *name)
{
    struct rest *rest = arg;

    delete_member(rest, request, name, rest->backend->address_set_delete);
}

static void put_user(void *arg, struct http_request *request, const char *name)
{
    struct rest *rest = arg;

    put_member(rest, request, "users", name, rest->backend->user_put);
}

static void delete_user(void *arg, struct http_request *request, const char *name)
{
    struct rest *rest = arg;

    delete_member(rest, request, name, rest->backend->user_delete);
}

static void post_channel(void *arg, struct http_request *request, const char *name)
{
    struct rest *rest = arg;
    json_t *body = require_body(request), *channel = NULL;
    struct err err = {0};

    (void) name;
    if (!body)
        return;
    if (rest->backend->channel_create(rest->backend->gateway, body, &channel, &err) < 0) {
        http_json_error(request, &err);
    } else {
        AUTO_FREE char *location = xasprintf("/v1/channels/%s", json_string_value(json_object_get(channel, "name")));

        http_header_set(request, "Location", location);
        http_json_reply(request, 202, channel);
    }
    json_decref(body);
}

static void delete_channel(void *arg, struct http_request *request, const char *name)
{
    struct rest *rest = arg;

    delete_member(rest, request, name, rest->backend->channel_delete);
}

static void post_migration(void *arg, struct http_request *request, const char *name)
{
    struct rest *rest = arg;
    json_t *command = require_body(request), *answer = NULL;
    struct err err = {0};

    (void) name;
    if (!command)
        return;
    if (rest->backend->migrate(rest->backend->gateway, command, &answer, &err) < 0) {
        http_json_error(request, &err);
    } else {
        AUTO_FREE char *location = xasprintf("/v1/migrations/%s", json_string_value(json_object_get(answer, "id")));

        http_header_set(request, "Location", location);
        http_json_reply(request, 202, answer);
    }
    json_decref(command);
}

static void post_plan(void *arg, struct http_request *request, const char *name)
{
    struct rest *rest = arg;
    json_t *command = require_body(request);

    (void) name;
    if (command)
        rest->backend->plan(rest->backend->gateway, command, owed_add(&rest->owed, request));
    json_decref(command);
}

static void post_verification(void *arg, struct http_request *request, const char *name)
{
    struct rest *rest = arg;

    rest->backend->verify(rest->backend->gateway, *name ? name : NULL, owed_add(&rest->owed, request));
}

static void post_cancel(void *arg, struct http_request *request, const char *id)
{
    struct rest *rest = arg;
    json_t *migration = NULL;
    struct err err = {0};

    if (rest->backend->migration_cancel(rest->backend->gateway, id, &err) < 0 ||
        rest->backend->get(rest->backend->gateway, "migrations", id, &migration, &err) < 0)
        http_json_error(request, &err);
    else
        http_json_reply(request, 202, migration);
}

/* ---- events ---- */

static void watcher_end(struct watcher *watcher)
{
    *watcher->previous = watcher->next;
    if (watcher->next)
        watcher->next->previous = watcher->previous;
    watcher->rest->n_watchers--;
    http_stream_end(watcher->request);
    free(watcher->migration);
    free(watcher);
}

static void client_gone(void *arg)
{
    watcher_end(arg);
}

/* Whether the stream goes on. */
static bool watcher_tell(struct watcher *watcher, const char *type, json_t *json)
{
    if (watcher->migration) {
        const char *id = json_string_value(json_object_get(json, "id"));

        if (strcmp(type, "migration") != 0 || !id || strcmp(id, watcher->migration) != 0)
            return true;
    }

    json_t *event = json_pack("{s:s, s:O}", "type", type, "data", json);
    AUTO_FREE char *line = json_dumps(event, JSON_COMPACT);
    size_t n = strlen(line);

    json_decref(event);
    line[n] = '\n'; /* in place of the null: a line is sent at once, in one chunk */
    http_stream_send(watcher->request, line, n + 1);
    return !watcher->migration || !json_is_true(json_object_get(json, "ended"));
}

/* The stream of one migration begins with how it stands, so that nobody has to ask for it and then miss what happens
 * before the stream is there. */
static void get_events(void *arg, struct http_request *request, const char *name)
{
    struct rest *rest = arg;
    const char *id = http_query(request, "migration");
    json_t *migration = NULL;
    struct err err = {0};

    (void) name;
    if (rest->n_watchers == WATCHERS_MAX)
        err_set(&err, ERR_EXHAUSTED, "%d clients follow events already; try again later", WATCHERS_MAX);
    if (err.code || (id && rest->backend->get(rest->backend->gateway, "migrations", id, &migration, &err) < 0)) {
        http_json_error(request, &err);
        return;
    }

    struct watcher *watcher = xcalloc(1, sizeof *watcher);
    *watcher = (struct watcher) {.next = rest->watchers, .previous = &rest->watchers, .rest = rest, .request = request};
    watcher->migration = id ? xstrdup(id) : NULL;
    if (watcher->next)
        watcher->next->previous = &watcher->next;
    rest->watchers = watcher;
    rest->n_watchers++;
    http_stream_start(request, "application/x-ndjson", client_gone, watcher);
    if (migration && !watcher_tell(watcher, "migration", migration))
        watcher_end(watcher);
    json_decref(migration);
}

void rest_notify(struct rest *rest, const char *type, json_t *json)
{
    struct watcher *next;

    for (struct watcher *watcher = rest->watchers; watcher; watcher = next) {
        next = watcher->next;
        if (!watcher_tell(watcher, type, json))
            watcher_end(watcher);
    }
}

/* ---- server ---- */

static const struct route routes[] = {
    {"GET", "/v1/vms", get_collection},
    {"GET", "/v1/vms/{}", get_collection},
    {"POST", "/v1/vms/{}/verification", post_verification},
    {"POST", "/v1/verification", post_verification},
    {"GET", "/v1/servers", get_collection},
    {"GET", "/v1/servers/{}", get_collection},
    {"GET", "/v1/switches", get_collection},
    {"GET", "/v1/switches/{}", get_collection},
    {"GET", "/v1/links", get_collection},
    {"GET", "/v1/segments", get_collection},
    {"GET", "/v1/segments/{}", get_collection},
    {"GET", "/v1/tunnels", get_collection},
    {"GET", "/v1/tunnels/{}", get_collection},
    {"GET", "/v1/channels", get_collection},
    {"POST", "/v1/channels", post_channel},
    {"GET", "/v1/channels/{}", get_collection},
    {"DELETE", "/v1/channels/{}", delete_channel},
    {"GET", "/v1/users", get_collection},
    {"GET", "/v1/users/{}", get_collection},
    {"PUT", "/v1/users/{}", put_user},
    {"DELETE", "/v1/users/{}", delete_user},
    {"GET", "/v1/transport", get_collection},
    {"GET", "/v1/peers", get_collection},
    {"GET", "/v1/peers/{}", get_collection},
    {"GET", "/v1/policies", get_collection},
    {"GET", "/v1/policies/{}", get_collection},
    {"PUT", "/v1/policies/{}", put_policy},
    {"DELETE", "/v1/policies/{}", delete_policy},
    {"GET", "/v1/address-sets", get_collection},
    {"GET", "/v1/address-sets/{}", get_collection},
    {"PUT", "/v1/address-sets/{}", put_address_set},
    {"DELETE", "/v1/address-sets/{}", delete_address_set},
    {"GET", "/v1/migrations", get_collection},
    {"POST", "/v1/migrations", post_migration},
    {"GET", "/v1/migrations/{}", get_collection},
    {"GET", "/v1/migrations/{}/journal", get_journal},
    {"POST", "/v1/migrations/{}/cancel", post_cancel},
    {"POST", "/v1/plans", post_plan},
    {"GET", "/v1/events", get_events},
    {"GET", "/metrics", get_metrics},
    {"GET", "/healthz", get_health},
};

static void handle(void *arg, struct http_request *request)
{
    http_json_route(routes, ARRAY_LEN(routes), request, arg);
}

struct rest *rest_new(struct loop *loop, const char *address, uint16_t port, size_t max_body,
                      const struct backend *backend, struct err *err)
{
    struct rest *rest = xcalloc(1, sizeof *rest);

    rest->backend = backend;
    rest->server = http_server_new(loop, address, port, NULL, max_body, handle, rest, err);
    if (!rest->server) {
        err_prefix(err, "rest");
        free(rest);
        return NULL;
    }
    return rest;
}

void rest_free(struct rest *rest)
{
    if (!rest)
        return;
    while (rest->watchers)
        watcher_end(rest->watchers);
    owed_end(&rest->owed);
    http_server_free(rest->server);
    free(rest);
}

uint16_t rest_port(const struct rest *rest)
{
    return http_server_port(rest->server);
}
