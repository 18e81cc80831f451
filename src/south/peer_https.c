/* SPDX-License-Identifier: Apache-2.0 */
#include "south/peer_https.h"

#include <string.h>

#include "base/alloc.h"
#include "io/http.h"

struct peer {
    char *dc;
    struct http_client *client;
};

struct peer_https {
    struct peer_driver driver; /* first */
    struct event_queue *queue;
    struct peer *peers;
    size_t n_peers;
};

struct pending {
    struct peer_https *https;
    const char *dc; /* of the peer */
    uint64_t request;
};

static const struct {
    const char *method, *suffix; /* null: the request is of no migration */
} verbs[] = {
    [PEER_CONFIGURE] = {"PUT", ""},
    [PEER_ACTIVATE] = {"POST", "/activate"},
    [PEER_CONNECTIONS] = {"PUT", "/connections"},
    [PEER_ABORT] = {"POST", "/abort"},
    [PEER_COMMIT] = {"POST", "/commit"},
    [PEER_STATUS] = {"GET", ""},
    [PEER_PLAN] = {"POST", NULL},
};

static int read_answer(const struct http_answer *answer, json_t **ret_body, struct err *err)
{
    json_error_t error;
    json_t *body = json_loadb(answer->body, answer->size, JSON_REJECT_DUPLICATES, &error);

    /* An error's status says enough; its body may come from something on the way that speaks no JSON. */
    if (!body && answer->status < 300)
        return err_set(err, ERR_MALFORMED, "its answer with status %d is no JSON: line %d, column %d: %s",
                       answer->status, error.line, error.column, error.text);
    *ret_body = body;
    return 0;
}

static void answered(void *arg, const struct http_answer *answer, const struct err *failure)
{
    struct pending *pending = arg;
    struct err err = *failure;
    json_t *body = NULL;

    if (err.code == 0)
        read_answer(answer, &body, &err);
    else if (err.code == ERR_CANCELLED)
        err.code = ERR_UNKNOWN; /* we hung up; the peer may have got it */
    if (err.code)
        err_prefix(&err, "data center %s", pending->dc);

    struct event *event = event_push_done(pending->https->queue, pending->request, &err);
    if (err.code == 0) {
        event->answer.status = answer->status;
        event->answer.body = body;
        event->owns = EVENT_OWNS_ANSWER;
    }
    free(pending);
}

static struct peer *find_peer(const struct peer_https *https, const char *dc)
{
    for (size_t i = 0; i < https->n_peers; i++) {
        if (strcmp(https->peers[i].dc, dc) == 0)
            return &https->peers[i];
    }
    return NULL;
}

static void call(struct peer_driver *driver, uint64_t request, const char *dc, enum peer_verb verb, const char *id,
                 json_t *body, uint32_t timeout_ms)
{
    struct peer_https *https = (struct peer_https *) driver;
    const struct peer *peer = find_peer(https, dc);

    if (!peer) {
        struct err err = {0};

        json_decref(body);
        err_set(&err, ERR_UNREACHABLE, "data center %s is not a peer of this gateway", dc);
        event_push_done(https->queue, request, &err);
        return;
    }

    struct pending *pending = xcalloc(1, sizeof *pending);
    const char *suffix = verbs[verb].suffix;
    AUTO_FREE char *path = suffix ? xasprintf("/peer/v1/migrations/%s%s", id, suffix) : xstrdup("/peer/v1/plans");
    AUTO_FREE char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

    json_decref(body);
    *pending = (struct pending) {https, peer->dc, request};
    http_call(peer->client, verbs[verb].method, path, text, text ? strlen(text) : 0, timeout_ms, answered, pending);
}

static void free_driver(struct peer_driver *driver)
{
    struct peer_https *https = (struct peer_https *) driver;

    for (size_t i = 0; i < https->n_peers; i++) {
        http_client_free(https->peers[i].client);
        free(https->peers[i].dc);
    }
    free(https->peers);
    free(https);
}

struct peer_driver *peer_https_new(struct loop *loop, struct event_queue *queue, const struct peer_https_config *config)
{
    static const struct peer_ops ops = {call, free_driver};
    struct peer_https *https = xcalloc(1, sizeof *https);

    *https = (struct peer_https) {.driver = {&ops}, .queue = queue, .n_peers = config->n_peers};
    https->peers = xcalloc(config->n_peers, sizeof *https->peers);
    for (size_t i = 0; i < config->n_peers; i++) {
        const struct peer_https_peer *peer = &config->peers[i];

        https->peers[i].dc = xstrdup(peer->dc);
        https->peers[i].client = http_client_new(loop, peer->address, peer->port, config->tls, config->max_body);
    }
    return &https->driver;
}
