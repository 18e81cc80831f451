/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server. It stands on streams and not on libevent's evhttp: in 2.1 evhttp either does not notice that the
 * client of an unanswered request goes away, or ends the whole program when that client sends another byte. */
#include "io/http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/alloc.h"
#include "io/http_message.h"
#include "io/io_internal.h"

/* A client has this long to connect with TLS and to send a request, from the last answer on. */
#define REQUEST_MS 60000
#define CONNECTIONS_MAX 256
/* The client of a streamed answer that has this much still to read is too slow, or gone. */
#define BACKLOG_MAX (4u << 20)

struct http_server {
    struct loop *loop;
    struct listener *listener;
    size_t max_body;
    http_handler_fn *handler;
    void *arg;
    struct connection *connections;
    unsigned n_connections;
};

struct connection {
    struct connection *next, **previous;
    struct http_server *server;
    struct stream *stream;
    struct timer *idle;
    struct http_message message;  /* that arrives */
    struct http_request *request; /* that is not answered yet; meanwhile nothing is read */
    bool continued;               /* 100 was sent for 'message' */
};

struct http_request {
    struct connection *connection; /* null: the client has gone */
    struct http_message message;
    char *path, *peer_name;
    struct http_field *query; /* decoded */
    size_t n_query, query_capacity;
    struct strbuf headers; /* of the answer, set by the handler */
    bool chunked;          /* of the streamed answer */
    loop_fn *closed;
    void *closed_arg;
};

static const char *reason_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {409, "Conflict"},
        {410, "Gone"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return ""; /* it may be empty, RFC 9112 section 4 */
}

static void request_free(struct http_request *request)
{
    for (size_t i = 0; i < request->n_query; i++) {
        free(request->query[i].name);
        free(request->query[i].value);
    }
    free(request->query);
    strbuf_free(&request->headers);
    free(request->path);
    free(request->peer_name);
    http_message_free(&request->message);
    free(request);
}

/* The stream was closed or given away before. A request that waits for its answer loses its client. */
static void connection_free(struct connection *connection)
{
    struct http_request *request = connection->request;

    *connection->previous = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    connection->server->n_connections--;
    timer_free(connection->idle);
    http_message_free(&connection->message);
    free(connection);
    if (!request)
        return;
    request->connection = NULL;
    if (request->closed)
        request->closed(request->closed_arg);
}

static void connection_finish(struct connection *connection)
{
    stream_finish(connection->stream);
    connection_free(connection);
}

static void connection_close(struct connection *connection)
{
    stream_close(connection->stream);
    connection_free(connection);
}

static void connection_idle(void *arg)
{
    connection_close(arg);
}

static void await_request(struct connection *connection)
{
    struct http_server *server = connection->server;

    http_message_init(&connection->message, false, server->max_body);
    connection->continued = false;
    timer_set(connection->idle, mono_add(loop_now(server->loop), REQUEST_MS));
}

static void write_head(struct connection *connection, int status, const char *content_type, const char *length,
                       bool keep_alive)
{
    AUTO_STRBUF struct strbuf head = {0};
    char date[64];
    struct tm tm;
    time_t now = time(NULL);

    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    strbuf_printf(&head, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, reason_phrase(status), date);
    if (content_type)
        strbuf_printf(&head, "Content-Type: %s\r\n", content_type);
    if (connection->request)
        strbuf_add(&head, connection->request->headers.text, connection->request->headers.length);
    strbuf_printf(&head, "%s%s\r\n", length, keep_alive ? "" : "Connection: close\r\n");
    stream_write(connection->stream, head.text, head.length);
}

static void write_answer(struct connection *connection, int status, const char *content_type, const void *body,
                         size_t size, bool keep_alive)
{
    char length[64] = "";

    /* RFC 9110 section 8.6: no Content-Length with 204 */
    if (status == 204) {
        write_head(connection, status, NULL, length, keep_alive);
        return;
    }
    snprintf(length, sizeof length, "Content-Length: %zu\r\n", size);
    write_head(connection, status, content_type, length, keep_alive);
    if (size > 0)
        stream_write(connection->stream, body, size);
}

/* Answers what is no request, and hangs up: where the next one would begin is not known. */
static void refuse(struct connection *connection, int status, const char *why)
{
    AUTO_FREE char *body = xasprintf("%d %s: %s\n", status, reason_phrase(status), why);

    write_answer(connection, status, "text/plain", body, strlen(body), false);
    connection_finish(connection);
}

/* Percent-decodes 'n' characters of a string. Null if a sequence is malformed or means a null byte. */
static char *uri_decode(const char *s, size_t n, bool plus_is_blank)
{
    char *text = xmalloc(n + 1);
    size_t length = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned value = (unsigned char) s[i];

        if (s[i] == '+' && plus_is_blank)
            value = ' ';
        if (s[i] == '%') {
            const char digits[3] = {s[i + 1], i + 2 < n ? s[i + 2] : '\0'};

            if (i + 2 >= n || strspn(digits, "0123456789abcdefABCDEF") != 2 || strcmp(digits, "00") == 0) {
                free(text);
                return NULL;
            }
            value = (unsigned) strtoul(digits, NULL, 16);
            i += 2;
        }
        text[length++] = (char) value;
    }
    text[length] = '\0';
    return text;
}

static bool read_query(struct http_request *request, const char *query, size_t n)
{
    const char *end = query + n;

    while (query < end) {
        const char *ampersand = memchr(query, '&', (size_t) (end - query));
        const char *stop = ampersand ? ampersand : end;
        const char *equals = memchr(query, '=', (size_t) (stop - query));
        const char *name_end = equals ? equals : stop;
        const char *value = equals ? equals + 1 : stop;
        struct http_field field = {.name = uri_decode(query, (size_t) (name_end - query), true),
                                   .value = uri_decode(value, (size_t) (stop - value), true)};

        request->query = array_reserve(request->query, request->n_query, &request->query_capacity,
                                       sizeof *request->query);
        request->query[request->n_query++] = field;
        if (!field.name || !field.value)
            return false;
        query = ampersand ? ampersand + 1 : end;
    }
    return true;
}

/* RFC 9112 section 3.2: "/path?query", or the whole URI as if we were a proxy. */
static bool read_target(struct http_request *request)
{
    const char *target = request->message.target;
    const char *authority = strncasecmp(target, "http://", 7) == 0  ? target + 7 :
                            strncasecmp(target, "https://", 8) == 0 ? target + 8 :
                                                                      NULL;

    if (authority) {
        target = authority + strcspn(authority, "/?#");
        if (*target != '/')
            return false;
    }
    if (*target != '/')
        return false;
    size_t path_size = strcspn(target, "?#");
    const char *query = target[path_size] == '?' ? target + path_size + 1 : "";
    request->path = uri_decode(target, path_size, false);
    return request->path && read_query(request, query, strcspn(query, "#"));
}

static bool is_known(const char *method)
{
    static const char *const methods[] = {"GET", "PUT", "POST", "DELETE", "PATCH"};

    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (strcmp(method, methods[i]) == 0)
            return true;
    return false;
}

/* May free the connection. */
static void handle(struct connection *connection)
{
    struct http_server *server = connection->server;
    struct http_request *request = xcalloc(1, sizeof *request);

    request->message = connection->message;
    http_message_init(&connection->message, false, 0);
    bool known = is_known(request->message.method);
    if (!known || !read_target(request)) {
        request_free(request);
        refuse(connection, known ? 400 : 501, known ? "malformed target" : "method is not served");
        return;
    }
    request->peer_name = xstrdup(stream_peer_name(connection->stream));
    request->connection = connection;
    connection->request = request;
    timer_set(connection->idle, MONO_NEVER);
    server->handler(server->arg, request);
}

static size_t on_data(void *arg, const uint8_t *bytes, size_t n)
{
    struct connection *connection = arg;
    struct http_message *message = &connection->message;

    if (connection->request)
        return 0;
    size_t used = http_message_feed(message, bytes, n);
    if (message->state == HTTP_BAD) {
        refuse(connection, message->fault, message->why);
    } else if (message->state == HTTP_COMPLETE) {
        handle(connection);
    } else if (message->state > HTTP_FIELDS && message->expects_continue && !connection->continued) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

        connection->continued = true;
        stream_write(connection->stream, go_on, sizeof go_on - 1);
    }
    return used;
}

static void on_down(void *arg, const struct err *reason)
{
    (void) reason;
    connection_free(arg);
}

static void on_accepted(void *arg, struct stream *stream)
{
    static const struct stream_callbacks callbacks = {.data = on_data, .down = on_down};
    struct http_server *server = arg;

    if (server->n_connections == CONNECTIONS_MAX) {
        stream_close(stream);
        return;
    }
    struct connection *connection = xcalloc(1, sizeof *connection);
    connection->server = server;
    connection->stream = stream;
    connection->idle = timer_new(server->loop, connection_idle, connection);
    connection->next = server->connections;
    connection->previous = &server->connections;
    if (connection->next)
        connection->next->previous = &connection->next;
    server->connections = connection;
    server->n_connections++;
    await_request(connection);
    stream_set_callbacks(stream, &callbacks, connection);
}

struct http_server *http_server_new(struct loop *loop, const char *address, uint16_t port, struct tls *tls,
                                    size_t max_body, http_handler_fn *handler, void *arg, struct err *err)
{
    struct http_server *server = xcalloc(1, sizeof *server);

    *server = (struct http_server) {.loop = loop, .max_body = max_body, .handler = handler, .arg = arg};
    server->listener = listener_new_tls(loop, address, port, tls, on_accepted, server, err);
    if (!server->listener) {
        free(server);
        return NULL;
    }
    return server;
}

uint16_t http_server_port(const struct http_server *server)
{
    return listener_port(server->listener);
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    listener_free(server->listener);
    while (server->connections)
        connection_close(server->connections);
    free(server);
}

const char *http_method(const struct http_request *request)
{
    return request->message.method;
}

const char *http_path(const struct http_request *request)
{
    return request->path;
}

const char *http_query(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->n_query; i++)
        if (strcmp(request->query[i].name, name) == 0)
            return request->query[i].value;
    return NULL;
}

const char *http_body(const struct http_request *request, size_t *size)
{
    *size = request->message.body.length;
    return *size ? request->message.body.text : "";
}

const char *http_header(const struct http_request *request, const char *name)
{
    return http_message_field(&request->message, name);
}

const char *http_peer_name(const struct http_request *request)
{
    return request->peer_name;
}

/* The answer is queued whole: frees the request, and goes on with the connection if it is to stay. */
static void answered(struct http_request *request)
{
    struct connection *connection = request->connection;

    if (connection) {
        connection->request = NULL;
        if (request->message.keep_alive) {
            await_request(connection);
            stream_again(connection->stream);
        } else {
            connection_finish(connection);
        }
    }
    request_free(request);
}

void http_header_set(struct http_request *request, const char *name, const char *value)
{
    strbuf_printf(&request->headers, "%s: %s\r\n", name, value);
}

void http_reply(struct http_request *request, int status, const char *content_type, const void *body, size_t size)
{
    if (request->connection)
        write_answer(request->connection, status, content_type ? content_type : "application/json", body, size,
                     request->message.keep_alive);
    answered(request);
}

void http_stream_start(struct http_request *request, const char *content_type, loop_fn *closed, void *arg)
{
    request->closed = closed;
    request->closed_arg = arg;
    request->chunked = request->message.minor > 0;
    /* HTTP/1.0 knows no chunks: the end of the connection is the end of the answer. */
    if (!request->chunked)
        request->message.keep_alive = false;
    if (request->connection)
        write_head(request->connection, 200, content_type, request->chunked ? "Transfer-Encoding: chunked\r\n" : "",
                   request->message.keep_alive);
}

void http_stream_send(struct http_request *request, const void *bytes, size_t n)
{
    if (!request->connection || n == 0)
        return; /* an empty chunk would be the last one */
    struct stream *stream = request->connection->stream;
    if (stream_pending(stream) > BACKLOG_MAX) {
        stream_fail(stream, ENOBUFS);
        return;
    }
    if (request->chunked) {
        char size[32];

        stream_write(stream, size, (size_t) snprintf(size, sizeof size, "%zx\r\n", n));
    }
    stream_write(stream, bytes, n);
    if (request->chunked)
        stream_write(stream, "\r\n", 2);
}

void http_stream_end(struct http_request *request)
{
    if (request->connection && request->chunked)
        stream_write(request->connection->stream, "0\r\n\r\n", 5);
    answered(request);
}
