/* SPDX-License-Identifier: Apache-2.0 */
#include "north/peer_api.h"

#include "base/alloc.h"
#include "io/http.h"
#include "north/http_json.h"
#include "north/owed.h"

struct peer_api {
    const struct backend *backend;
    struct http_server *server;
    struct owed_list owed;
};

/* A verb whose request may have a body. The name stays valid until the answer, and the backend may answer at once. */
static void with_body(struct peer_api *api, struct http_request *request, const char *id,
                      void (*verb)(void *gateway, const char *peer, const char *id, const json_t *body,
                                   struct backend_reply *reply))
{
    json_t *body = NULL;
    struct err err = {0};

    if (http_json_body(request, &body, &err) < 0) {
        http_json_error(request, &err);
        return;
    }
    AUTO_FREE char *peer = xstrdup(http_peer_name(request));
    verb(api->backend->gateway, peer, id, body, owed_add(&api->owed, request));
    json_decref(body);
}

static void without_body(struct peer_api *api, struct http_request *request, const char *id,
                         void (*verb)(void *gateway, const char *peer, const char *id, struct backend_reply *reply))
{
    AUTO_FREE char *peer = xstrdup(http_peer_name(request));

    verb(api->backend->gateway, peer, id, owed_add(&api->owed, request));
}

static void configure(void *arg, struct http_request *request, const char *id)
{
    struct peer_api *api = arg;

    with_body(api, request, id, api->backend->peer_configure);
}

static void activate(void *arg, struct http_request *request, const char *id)
{
    struct peer_api *api = arg;

    with_body(api, request, id, api->backend->peer_activate);
}

static void take_connections(void *arg, struct http_request *request, const char *id)
{
    struct peer_api *api = arg;

    with_body(api, request, id, api->backend->peer_connections);
}

static void commit(void *arg, struct http_request *request, const char *id)
{
    struct peer_api *api = arg;

    with_body(api, request, id, api->backend->peer_commit);
}

static void abort_migration(void *arg, struct http_request *request, const char *id)
{
    struct peer_api *api = arg;

    without_body(api, request, id, api->backend->peer_abort);
}

static void tell_status(void *arg, struct http_request *request, const char *id)
{
    struct peer_api *api = arg;

    without_body(api, request, id, api->backend->peer_status);
}

static void plan(void *arg, struct http_request *request, const char *id)
{
    struct peer_api *api = arg;

    with_body(api, request, id, api->backend->peer_plan);
}

static const struct route routes[] = {
    {"PUT", "/peer/v1/migrations/{}", configure},
    {"GET", "/peer/v1/migrations/{}", tell_status},
    {"POST", "/peer/v1/migrations/{}/activate", activate},
    {"PUT", "/peer/v1/migrations/{}/connections", take_connections},
    {"POST", "/peer/v1/migrations/{}/commit", commit},
    {"POST", "/peer/v1/migrations/{}/abort", abort_migration},
    {"POST", "/peer/v1/plans", plan},
};

static void handle(void *arg, struct http_request *request)
{
    http_json_route(routes, ARRAY_LEN(routes), request, arg);
}

struct peer_api *peer_api_new(struct loop *loop, const char *address, uint16_t port, struct tls *tls, size_t max_body,
                              const struct backend *backend, struct err *err)
{
    struct peer_api *api = xcalloc(1, sizeof *api);

    api->backend = backend;
    api->server = http_server_new(loop, address, port, tls, max_body, handle, api, err);
    if (!api->server) {
        err_prefix(err, "peer");
        free(api);
        return NULL;
    }
    return api;
}

/* The peer must not take silence for a refusal: what the backend has begun is in its journal, and goes on with the next
 * start. */
void peer_api_free(struct peer_api *api)
{
    if (!api)
        return;
    owed_end(&api->owed);
    http_server_free(api->server);
    free(api);
}

uint16_t peer_api_port(const struct peer_api *api)
{
    return http_server_port(api->server);
}
