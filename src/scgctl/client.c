/* SPDX-License-Identifier: Apache-2.0 */
#include "scgctl/client.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "io/http_message.h"
#include "model/problem.h"

#define CONNECT_MS 5000
#define ANSWER_MS 60000
#define ANSWER_MAX (64u << 20)
#define FOREVER (-1)

struct client {
    char *url;
    char *host, *port;
    char *authority; /* HOST[:PORT] as in the URL */
    char *prefix;    /* of paths, "" or "/..." */
};

/* An exchange: a connection and the answer that arrives on it. */
struct exchange {
    int fd;
    struct strbuf received; /* not taken by 'message' yet */
    struct http_message message;
};

/* ---- URL ---- */

struct client *client_new(const char *url, struct err *err)
{
    static const char scheme[] = "http://";
    const char *authority = url + sizeof scheme - 1;

    if (strncasecmp(url, scheme, sizeof scheme - 1) != 0) {
        err_set(err, ERR_INVALID, "'%s' is no URL of a gateway, expected http://HOST:PORT", url);
        return NULL;
    }

    size_t n = strcspn(authority, "/?#");
    bool bracketed = authority[0] == '[';
    const char *host = authority + bracketed;
    size_t host_size = strcspn(host, bracketed ? "]/?#" : ":/?#");
    bool closed = !bracketed || host[host_size] == ']';
    const char *after = host + host_size + (bracketed && closed);
    const char *port = *after == ':' ? after + 1 : "80";
    size_t port_size = *after == ':' ? n - (size_t) (port - authority) : 2;

    if (!closed || host_size == 0 || port_size == 0 || strspn(port, "0123456789") < port_size || port_size > 5 ||
        (*after != ':' && after != authority + n)) {
        err_set(err, ERR_INVALID, "'%s' is no URL of a gateway, expected http://HOST:PORT", url);
        return NULL;
    }

    struct client *client = xcalloc(1, sizeof *client);
    size_t prefix_size = strcspn(authority + n, "?#");
    while (prefix_size > 0 && authority[n + prefix_size - 1] == '/')
        prefix_size--;
    client->url = xstrdup(url);
    client->host = xstrndup(host, host_size);
    client->port = xstrndup(port, port_size);
    client->authority = xstrndup(authority, n);
    client->prefix = xstrndup(authority + n, prefix_size);
    return client;
}

void client_free(struct client *client)
{
    if (!client)
        return;
    free(client->url);
    free(client->host);
    free(client->port);
    free(client->authority);
    free(client->prefix);
    free(client);
}

char *client_escape(const char *part)
{
    struct strbuf text = {0};

    for (; *part; part++) {
        if (isalnum((unsigned char) *part) || strchr("-._~", *part))
            strbuf_add(&text, part, 1);
        else
            strbuf_printf(&text, "%%%02X", (unsigned) (unsigned char) *part);
    }
    return strbuf_take(&text);
}

/* ---- connection ---- */

/* 0 or an errno. */
static int connect_to(const struct addrinfo *address, int *ret_fd)
{
    static const int on = 1, idle_s = 10, interval_s = 5, probes = 3;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;
    socklen_t size = sizeof error;

    if (fd < 0)
        return errno;
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0) {
        struct pollfd ready = {.fd = fd, .events = POLLOUT};

        error = errno;
        if (error == EINPROGRESS) {
            if (poll(&ready, 1, CONNECT_MS) == 1)
                getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
            else
                error = ETIMEDOUT;
        }
    }
    if (error) {
        close(fd);
        return error;
    }
    /* Whoever watches for an hour shall learn that the gateway's machine has gone. */
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    *ret_fd = fd;
    return 0;
}

static enum client_outcome open_connection(const struct client *client, int *ret_fd, struct err *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    int error = getaddrinfo(client->host, client->port, &hints, &found);

    if (error) {
        err_set(err, ERR_UNREACHABLE, "cannot reach the gateway at %s: %s", client->url, gai_strerror(error));
        return CLIENT_UNREACHABLE;
    }
    error = EHOSTUNREACH;
    for (const struct addrinfo *address = found; address && error; address = address->ai_next)
        error = connect_to(address, ret_fd);
    freeaddrinfo(found);
    if (error) {
        err_set(err, ERR_UNREACHABLE, "cannot reach the gateway at %s: %s", client->url, strerror(error));
        return CLIENT_UNREACHABLE;
    }
    return CLIENT_OK;
}

static enum client_outcome lost(const struct client *client, const char *why, struct err *err)
{
    err_set(err, ERR_IO, "connection to the gateway at %s is lost: %s", client->url, why);
    return CLIENT_LOST;
}

/* Waits for one of 'events' or an interrupt. */
static enum client_outcome wait_for(const struct client *client, int fd, short events, int interrupt, int timeout_ms,
                                    struct err *err)
{
    struct pollfd ready[] = {{.fd = fd, .events = events}, {.fd = interrupt, .events = POLLIN}};
    int n;

    do
        n = poll(ready, ARRAY_LEN(ready), timeout_ms);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return lost(client, "no answer in time", err);
    return ready[1].revents ? CLIENT_INTERRUPTED : CLIENT_OK;
}

static enum client_outcome send_all(const struct client *client, int fd, const char *bytes, size_t n, struct err *err)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return lost(client, strerror(errno), err);
        if (sent < 0) {
            enum client_outcome outcome = wait_for(client, fd, POLLOUT, -1, ANSWER_MS, err);

            if (outcome)
                return outcome;
            continue;
        }
        bytes += sent;
        n -= (size_t) sent;
    }
    return CLIENT_OK;
}

static enum client_outcome begin(const struct client *client, struct exchange *exchange, const char *method,
                                 const char *path, const json_t *body, struct err *err)
{
    AUTO_STRBUF struct strbuf request = {0};
    AUTO_FREE char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    enum client_outcome outcome = open_connection(client, &exchange->fd, err);

    if (outcome)
        return outcome;
    http_message_init(&exchange->message, true, ANSWER_MAX);
    strbuf_printf(&request, "%s %s%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", method, client->prefix, path,
                  client->authority);
    if (text)
        strbuf_puts(&request, "Content-Type: application/json\r\n");
    if (text || strcmp(method, "GET") != 0)
        strbuf_printf(&request, "Content-Length: %zu\r\n", text ? strlen(text) : 0);
    strbuf_puts(&request, "\r\n");
    if (text)
        strbuf_puts(&request, text);
    return send_all(client, exchange->fd, request.text, request.length, err);
}

static void end(struct exchange *exchange)
{
    if (exchange->fd >= 0)
        close(exchange->fd);
    strbuf_free(&exchange->received);
    http_message_free(&exchange->message);
}

/* Takes in what arrives next. */
static enum client_outcome receive(const struct client *client, struct exchange *exchange, int interrupt,
                                   int timeout_ms, struct err *err)
{
    char bytes[65536];
    struct strbuf *received = &exchange->received;
    enum client_outcome outcome = wait_for(client, exchange->fd, POLLIN, interrupt, timeout_ms, err);

    if (outcome)
        return outcome;
    ssize_t n = recv(exchange->fd, bytes, sizeof bytes, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return CLIENT_OK;
    if (n <= 0)
        return lost(client, n == 0 ? "the gateway closed it" : strerror(errno), err);
    strbuf_add(received, bytes, (size_t) n);

    size_t taken = http_message_feed(&exchange->message, received->text, received->length);
    memmove(received->text, received->text + taken, received->length - taken);
    received->length -= taken;
    if (exchange->message.state == HTTP_BAD)
        return lost(client, exchange->message.why, err);
    return CLIENT_OK;
}

/* ---- calls ---- */

static enum client_outcome receive_all(const struct client *client, struct exchange *exchange, struct err *err)
{
    enum client_outcome outcome = CLIENT_OK;

    while (outcome == CLIENT_OK && exchange->message.state != HTTP_COMPLETE)
        outcome = receive(client, exchange, -1, ANSWER_MS, err);
    return outcome;
}

static enum client_outcome read_answer(const struct client *client, const struct http_message *message,
                                       json_t **ret_answer, struct err *err)
{
    json_t *json = message->body.length ? json_loadb(message->body.text, message->body.length, 0, NULL) : NULL;

    if (message->status >= 300) {
        problem_decode(message->status, json, err);
        if (!json_object_get(json, "reason"))
            err_prefix(err, "the gateway at %s", client->url);
        json_decref(json);
        return CLIENT_REFUSED;
    }
    if (!json && message->body.length)
        return lost(client, "its answer is no JSON; is it a gateway?", err);
    if (ret_answer)
        *ret_answer = json;
    else
        json_decref(json);
    return CLIENT_OK;
}

enum client_outcome client_call(struct client *client, const char *method, const char *path, const json_t *body,
                                json_t **ret_answer, struct err *err)
{
    struct exchange exchange = {.fd = -1};
    enum client_outcome outcome = begin(client, &exchange, method, path, body, err);

    if (outcome == CLIENT_OK)
        outcome = receive_all(client, &exchange, err);
    if (outcome == CLIENT_OK)
        outcome = read_answer(client, &exchange.message, ret_answer, err);
    end(&exchange);
    return outcome;
}

/* Hands out the whole lines of the body so far. False once 'line' wants no more. */
static bool hand_out(struct strbuf *body, client_line_fn *line, void *arg)
{
    char *start = body->text, *newline;
    bool go_on = true;

    while (go_on && start && (newline = memchr(start, '\n', body->length - (size_t) (start - body->text)))) {
        *newline = '\0';
        go_on = line(arg, start);
        start = newline + 1;
    }
    if (start) {
        size_t left = body->length - (size_t) (start - body->text);

        memmove(body->text, start, left);
        body->length = left;
    }
    return go_on;
}

enum client_outcome client_stream(struct client *client, const char *path, int interrupt, client_line_fn *line,
                                  void *arg, struct err *err)
{
    struct exchange exchange = {.fd = -1};
    struct http_message *message = &exchange.message;
    enum client_outcome outcome = begin(client, &exchange, "GET", path, NULL, err);

    while (outcome == CLIENT_OK) {
        bool streaming = message->state > HTTP_FIELDS && message->status < 300;

        if (streaming && !hand_out(&message->body, line, arg))
            break;
        if (message->state == HTTP_COMPLETE) {
            outcome = streaming ? lost(client, "the gateway ended it", err) : read_answer(client, message, NULL, err);
            break;
        }
        outcome = receive(client, &exchange, interrupt, streaming ? FOREVER : ANSWER_MS, err);
    }
    end(&exchange);
    return outcome;
}
