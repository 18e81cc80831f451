/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "gmplsd/daemon.h"
#include "io/http.h"

#define BODY_MAX 1024

struct status {
    struct daemon *daemon;
    struct http_server *server; /* null: not configured */
};

/* All 0 when the node carries nothing. */
static json_t *usage(const struct daemon *daemon)
{
    struct node_usage usage = node_usage(daemon->node);

    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "lsps", (json_int_t) usage.lsps, "cross-connects",
                     (json_int_t) usage.xcs, "labels", (json_int_t) usage.labels, "vlans", (json_int_t) usage.vlans,
                     "reserved-bps", (json_int_t) usage.reserved_bps);
}

static json_t *view(const struct daemon *daemon)
{
    json_t *json = node_view(daemon->node);

    json_object_set_new(json, "usage", usage(daemon));
    json_object_set_new(json, "rsvp", signalling_view(daemon->signalling));
    json_object_set_new(json, "bridge", switching_view(daemon->switching));
    json_object_set_new(json, "pces", pccs_view(daemon->pccs));
    return json;
}

static void handle(void *arg, struct http_request *request)
{
    const struct status *status = arg;
    json_t *json;
    char *text;

    if (strcmp(http_method(request), "GET") != 0 || strcmp(http_path(request), "/v1/node") != 0) {
        static const char nothing[] = "{\"error\": \"only GET /v1/node is answered here\"}\n";

        http_reply(request, 404, NULL, nothing, sizeof nothing - 1);
        return;
    }
    json = view(status->daemon);
    text = json_dumps(json, JSON_INDENT(2));
    http_reply(request, 200, NULL, text, strlen(text));
    free(text);
    json_decref(json);
}

struct status *status_new(struct daemon *daemon, struct err *err)
{
    const struct config_endpoint *endpoint = daemon->config->status;
    struct status *status = xcalloc(1, sizeof *status);

    status->daemon = daemon;
    if (endpoint)
        status->server = http_server_new(daemon->loop, endpoint->address, endpoint->port, NULL, BODY_MAX, handle,
                                         status, err);
    if (endpoint && !status->server) {
        free(status);
        return NULL;
    }
    return status;
}

void status_free(struct status *status)
{
    if (!status)
        return;
    http_server_free(status->server);
    free(status);
}
