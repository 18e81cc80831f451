/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client. What matters most here is to say truly whether the server can have processed a request: the caller
 * undoes a step that was not sent, and asks after one whose outcome is unknown. */
#include "io/http.h"

#include <assert.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "io/http_message.h"
#include "io/io_internal.h"

/* A call that takes long must not hold up the others. */
#define LINKS 4

struct call {
    struct call *next;
    struct http_client *client;
    struct link *link; /* null: waits */
    struct timer *timer;
    uint32_t timeout_ms;
    char *title; /* "PUT /x" */
    struct strbuf request;
    bool is_get, again;     /* 'again': sent for the second time */
    const char *no_address; /* why the name cannot be resolved; null: it was not tried or could be */
    http_answer_fn *fn;
    void *arg;
};

/* A connection. */
struct link {
    struct http_client *client;
    struct stream *stream; /* null: this link is unused */
    struct call *call;     /* null: idle */
    struct http_message message;
    bool up, kept; /* 'kept': has served a call before */
};

struct http_client {
    struct loop *loop;
    char *address;
    uint16_t port;
    struct tls *tls;
    size_t max_body;
    char *host;  /* ADDRESS:PORT */
    char *where; /* for stream_connect(); null as long as the name is not resolved */
    bool by_name, resolving, freeing;
    struct worker_pool *resolver; /* null until needed */
    struct call *waiting;
    struct link links[LINKS];
};

static void pump(struct http_client *client);

static void call_free(struct call *call)
{
    timer_free(call->timer);
    strbuf_free(&call->request);
    free(call->title);
    free(call);
}

/* Last act of whoever calls it: 'fn' may free the client. */
static void call_end(struct call *call, const struct http_answer *answer, const struct err *err)
{
    call->fn(call->arg, answer, err);
    call_free(call);
}

static void call_fail(struct call *call, int code, const char *why)
{
    struct err err = {0};

    err_set(&err, code, "%s: %s: %s", call->client->host, call->title, why);
    call_end(call, NULL, &err);
}

static void wait_last(struct http_client *client, struct call *call)
{
    struct call **end = &client->waiting;

    while (*end)
        end = &(*end)->next;
    call->next = NULL;
    *end = call;
}

static void wait_first(struct http_client *client, struct call *call)
{
    call->link = NULL;
    call->next = client->waiting;
    client->waiting = call;
}

static struct call *take_waiting(struct http_client *client)
{
    struct call *call = client->waiting;

    client->waiting = call->next;
    return call;
}

static void link_clear(struct link *link)
{
    http_message_free(&link->message);
    *link = (struct link) {.client = link->client};
}

static void link_close(struct link *link)
{
    stream_close(link->stream);
    link_clear(link);
}

static void link_send(struct link *link)
{
    http_message_free(&link->message);
    http_message_init(&link->message, true, link->client->max_body);
    stream_write(link->stream, link->call->request.text, link->call->request.length);
}

static void on_up(void *arg)
{
    struct link *link = arg;

    link->up = true;
    link_send(link);
}

/* One idle connection is kept. */
static void link_idle(struct link *link)
{
    struct http_client *client = link->client;

    link->call = NULL;
    link->kept = true;
    for (unsigned i = 0; i < LINKS; i++)
        if (&client->links[i] != link && client->links[i].stream && !client->links[i].call) {
            link_close(link);
            return;
        }
}

static size_t on_data(void *arg, const uint8_t *bytes, size_t n)
{
    struct link *link = arg;
    struct http_client *client = link->client;
    struct call *call = link->call;

    if (!call) {
        link_close(link); /* an answer to nothing */
        return n;
    }
    size_t used = http_message_feed(&link->message, bytes, n);
    if (link->message.state != HTTP_COMPLETE && link->message.state != HTTP_BAD)
        return used;
    struct http_message message = link->message;
    http_message_init(&link->message, true, 0);
    if (message.state == HTTP_COMPLETE && message.keep_alive && used == n)
        link_idle(link);
    else
        link_close(link);
    pump(client);
    if (message.state == HTTP_COMPLETE) {
        const struct http_answer answer = {
            .status = message.status,
            .body = message.body.length ? message.body.text : "",
            .size = message.body.length,
        };
        const struct err none = {0};

        call_end(call, &answer, &none);
    } else {
        AUTO_FREE char *why = xasprintf("the answer cannot be understood: %s", message.why);

        call_fail(call, ERR_UNKNOWN, why);
    }
    http_message_free(&message);
    return n;
}

static void on_down(void *arg, const struct err *reason)
{
    struct link *link = arg;
    struct http_client *client = link->client;
    struct call *call = link->call;
    /* The server acts on whole requests only, and on none of a client whose certificate it refuses. */
    const bool unsent = !link->up || stream_pending(link->stream) > 0 || reason->code == ERR_REFUSED;
    const char *reason_text = reason->text + strlen(stream_peer(link->stream)) + 2; /* without "PEER: " */
    const bool retry = call && link->kept && !call->again && (unsent || call->is_get);

    /* The name may mean another address by now. */
    if (!link->up && client->by_name) {
        free(client->where);
        client->where = NULL;
    }
    link_clear(link);
    if (retry) {
        call->again = true;
        wait_first(client, call);
    }
    pump(client);
    if (!call || retry)
        return;
    if (unsent) {
        call_fail(call, ERR_UNREACHABLE, reason_text);
        return;
    }
    AUTO_FREE char *why = xasprintf("no answer, it may have been processed: %s", reason_text);
    call_fail(call, ERR_UNKNOWN, why);
}

static void on_timeout(void *arg)
{
    struct call *call = arg;
    struct http_client *client = call->client;
    struct link *link = call->link;
    int code = ERR_UNREACHABLE;
    const char *what = "not sent";

    if (link) {
        if (!link->up) {
            what = "no connection";
        } else if (stream_pending(link->stream) == 0) {
            code = ERR_TIMEOUT;
            what = "no answer";
        }
        link_close(link);
    } else {
        struct call **position = &client->waiting;

        while (*position != call)
            position = &(*position)->next;
        *position = call->next;
    }
    pump(client);
    if (call->no_address) {
        call_fail(call, ERR_UNREACHABLE, call->no_address);
        return;
    }
    AUTO_FREE char *why = xasprintf("%s within %u ms", what, call->timeout_ms);
    call_fail(call, code, why);
}

struct resolution {
    struct http_client *client;
    char *address;
    char where[ADDRESS_TEXT_SIZE];
    int error; /* of getaddrinfo() */
};

static int worker_look_up(struct resolution *resolution, int family)
{
    const struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    AUTO_FREE char *port = xasprintf("%u", resolution->client->port);
    int error = getaddrinfo(resolution->address, port, &hints, &found);

    if (error == 0) {
        memcpy(resolution->where, "tcp:", 4);
        address_format(found->ai_addr, resolution->where + 4, sizeof resolution->where - 4);
        freeaddrinfo(found);
    }
    return error;
}

static void worker_resolve(void *arg)
{
    struct resolution *resolution = arg;

    resolution->error = worker_look_up(resolution, AF_INET);
    if (resolution->error)
        resolution->error = worker_look_up(resolution, AF_INET6);
}

static void resolved(void *arg)
{
    struct resolution *resolution = arg;
    struct http_client *client = resolution->client;
    int error = resolution->error;

    if (error == 0)
        client->where = xstrdup(resolution->where);
    client->resolving = false;
    free(resolution->address);
    free(resolution);
    if (client->freeing)
        return;
    /* Each call fails from its own timer, for any of them may free the client. */
    for (struct call *call = client->waiting; error && call; call = call->next) {
        call->no_address = gai_strerror(error);
        timer_set(call->timer, loop_now(client->loop));
    }
    if (error == 0)
        pump(client);
}

static void resolve(struct http_client *client)
{
    if (client->resolving)
        return;
    if (!client->resolver)
        client->resolver = worker_pool_new(client->loop, 1);
    struct resolution *resolution = xcalloc(1, sizeof *resolution);
    resolution->client = client;
    resolution->address = xstrdup(client->address);
    client->resolving = true;
    worker_run(client->resolver, worker_resolve, resolved, resolution);
}

/* An idle connection that is still good, or null. The server may have closed one since the loop last looked. */
static struct link *find_idle(struct http_client *client)
{
    for (unsigned i = 0; i < LINKS; i++) {
        struct link *link = &client->links[i];

        if (!link->stream || link->call)
            continue;
        if (stream_quiet(link->stream))
            return link;
        link_close(link);
    }
    return NULL;
}

static struct link *find_unused(struct http_client *client)
{
    for (unsigned i = 0; i < LINKS; i++)
        if (!client->links[i].stream)
            return &client->links[i];
    return NULL;
}

static void link_connect(struct link *link)
{
    static const struct stream_callbacks callbacks = {on_up, on_data, on_down};
    struct http_client *client = link->client;

    link->stream = stream_connect_tls(client->loop, client->where, client->tls, client->address, &callbacks, link,
                                      NULL);
    assert(link->stream);
}

/* Gives waiting calls to connections. Calls nothing back. */
static void pump(struct http_client *client)
{
    while (client->waiting) {
        struct link *link = find_idle(client);

        if (link) {
            link->call = take_waiting(client);
            link->call->link = link;
            link_send(link);
            continue;
        }
        link = find_unused(client);
        if (!link)
            return;
        if (!client->where) {
            resolve(client);
            return;
        }
        link->call = take_waiting(client);
        link->call->link = link;
        link_connect(link);
    }
}

struct http_client *http_client_new(struct loop *loop, const char *address, uint16_t port, struct tls *tls,
                                    size_t max_body)
{
    struct http_client *client = xcalloc(1, sizeof *client);
    struct sockaddr_storage numeric;
    socklen_t size;
    char text[ADDRESS_TEXT_SIZE];

    *client = (struct http_client) {.loop = loop, .port = port, .tls = tls, .max_body = max_body};
    client->address = xstrdup(address);
    for (unsigned i = 0; i < LINKS; i++)
        client->links[i].client = client;
    client->by_name = address_parse(address, port, &numeric, &size) < 0;
    if (client->by_name) {
        client->host = xasprintf("%s:%u", address, port);
    } else {
        address_format((struct sockaddr *) &numeric, text, sizeof text);
        client->host = xstrdup(text);
        client->where = xasprintf("tcp:%s", text);
    }
    return client;
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    client->freeing = true;
    worker_pool_free(client->resolver);
    for (unsigned i = 0; i < LINKS; i++) {
        struct link *link = &client->links[i];

        if (link->call)
            wait_first(client, link->call);
        if (link->stream)
            link_close(link);
    }
    while (client->waiting)
        call_fail(take_waiting(client), ERR_CANCELLED, "the client is shut down");
    free(client->address);
    free(client->host);
    free(client->where);
    free(client);
}

void http_call(struct http_client *client, const char *method, const char *path, const void *body, size_t size,
               uint32_t timeout_ms, http_answer_fn *fn, void *arg)
{
    struct call *call = xcalloc(1, sizeof *call);

    assert(path[0] == '/' && !strpbrk(path, " \t\r\n"));
    *call = (struct call) {.client = client, .timeout_ms = timeout_ms, .fn = fn, .arg = arg};
    call->is_get = strcmp(method, "GET") == 0;
    call->title = xasprintf("%s %s", method, path);
    strbuf_printf(&call->request, "%s HTTP/1.1\r\nHost: %s\r\n", call->title, client->host);
    if (size > 0)
        strbuf_puts(&call->request, "Content-Type: application/json\r\n");
    if (size > 0 || !call->is_get)
        strbuf_printf(&call->request, "Content-Length: %zu\r\n", size);
    strbuf_puts(&call->request, "\r\n");
    strbuf_add(&call->request, body, size);
    call->timer = timer_new(client->loop, on_timeout, call);
    timer_set(call->timer, mono_add(loop_now(client->loop), timeout_ms));
    wait_last(client, call);
    pump(client);
}
