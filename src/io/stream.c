/* SPDX-License-Identifier: Apache-2.0 */
#include "io/loop.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/io_internal.h"

/* A peer may make us hold this much that its reader has not consumed. */
#define UNREAD_MAX (16u << 20)
/* A stream that finishes gets this long to send what is queued and to see the other end close. */
#define FINISH_MS 10000
/* X.520 allows a common name 64 characters; in UTF-8 up to 4 bytes each. */
#define PEER_NAME_SIZE (64 * 4 + 1)

struct stream {
    struct loop *loop;
    struct stream_callbacks callbacks;
    void *arg;
    const struct tls *tls; /* null: plain */
    char *server_name;     /* that the certificate must be valid for; null if accepted or without TLS */
    char peer[sizeof((struct sockaddr_un *) NULL)->sun_path + 1];
    char peer_name[PEER_NAME_SIZE];

    int fd;                     /* until there is a bufferevent, which then owns it */
    int errnum;                 /* of a connect() that failed at once */
    struct event *connecting;   /* null once TCP is connected */
    struct evbuffer *early;     /* written before TCP was connected */
    struct bufferevent *buffer; /* null before */
    bool up;

    bool in_callback;
    bool closed; /* by stream_close() during a callback, or down: freed when the callback returns */

    struct timer *finish; /* set: stream_finish() was called, and the stream is in the loop's list */
    struct stream *next_finishing, **previous_finishing;
};

static struct stream *stream_new(struct loop *loop)
{
    struct stream *stream = xcalloc(1, sizeof *stream);

    stream->loop = loop;
    stream->fd = -1;
    return stream;
}

/* libevent closes the socket only in a later turn of the loop; the other end shall know at once. */
static void end_connection(const struct stream *stream)
{
    if (stream->tls && stream->up)
        SSL_shutdown(bufferevent_openssl_get_ssl(stream->buffer));
    shutdown(bufferevent_getfd(stream->buffer), SHUT_RDWR);
}

void stream_free_now(struct stream *stream)
{
    if (stream->finish) {
        *stream->previous_finishing = stream->next_finishing;
        if (stream->next_finishing)
            stream->next_finishing->previous_finishing = stream->previous_finishing;
        timer_free(stream->finish);
    }
    if (stream->connecting)
        event_free(stream->connecting);
    if (stream->early)
        evbuffer_free(stream->early);
    if (stream->buffer) {
        end_connection(stream);
        bufferevent_free(stream->buffer);
    }
    if (stream->fd >= 0)
        close(stream->fd);
    free(stream->server_name);
    free(stream);
}

static void go_down(struct stream *stream, int code, const char *why)
{
    struct err reason = {0};

    err_set(&reason, code, "%s: %s", stream->peer, why);
    stream->in_callback = true;
    stream->closed = true;
    stream->callbacks.down(stream->arg, &reason);
    stream_free_now(stream);
}

static void on_data(struct bufferevent *buffer, void *arg)
{
    struct stream *stream = arg;
    struct evbuffer *input = bufferevent_get_input(buffer);
    size_t n = evbuffer_get_length(input);

    if (n == 0)
        return;
    stream->in_callback = true;
    size_t consumed = stream->callbacks.data(stream->arg, evbuffer_pullup(input, -1), n);
    stream->in_callback = false;
    if (stream->closed) {
        stream_free_now(stream);
        return;
    }
    if (stream->finish)
        return;
    assert(consumed <= n);
    evbuffer_drain(input, consumed);
    if (n - consumed > UNREAD_MAX)
        go_down(stream, ERR_TOO_LARGE, "sent a message that is larger than 16 MiB");
}

static void go_up(struct stream *stream)
{
    stream->up = true;
    if (!stream->callbacks.up)
        return;
    stream->in_callback = true;
    stream->callbacks.up(stream->arg);
    stream->in_callback = false;
    if (stream->closed)
        stream_free_now(stream);
}

static void on_error(struct stream *stream, int errnum)
{
    const int code = stream->up ? ERR_IO : ERR_UNREACHABLE;
    char why[ERR_TEXT_SIZE / 2];

    if (stream->tls) {
        unsigned long error = bufferevent_get_openssl_error(stream->buffer);

        if (tls_failure(bufferevent_openssl_get_ssl(stream->buffer), error, why, sizeof why)) {
            go_down(stream, ERR_REFUSED, why);
            return;
        }
        if (why[0]) {
            go_down(stream, code, why);
            return;
        }
    }
    go_down(stream, code, errnum ? strerror(errnum) : "closed by the other end");
}

static void on_event(struct bufferevent *buffer, short what, void *arg)
{
    struct stream *stream = arg;
    int errnum = EVUTIL_SOCKET_ERROR();

    (void) buffer;
    if (what & BEV_EVENT_CONNECTED)
        go_up(stream);
    else if (what & BEV_EVENT_ERROR)
        on_error(stream, errnum);
    else if (what & BEV_EVENT_EOF)
        on_error(stream, 0);
}

/* Small messages must not wait for the acknowledgement of earlier ones. No effect on a Unix socket. */
void socket_send_at_once(int fd)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void set_buffer(struct stream *stream)
{
    struct event_base *base = loop_base(stream->loop);
    const int options = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;

    if (stream->tls)
        stream->buffer = bufferevent_openssl_socket_new(
            base, stream->fd, tls_session_new(stream->tls, stream->server_name),
            stream->server_name ? BUFFEREVENT_SSL_CONNECTING : BUFFEREVENT_SSL_ACCEPTING, options);
    else
        stream->buffer = bufferevent_socket_new(base, stream->fd, options);
    if (!stream->buffer)
        abort(); /* out of memory */
    stream->fd = -1;
    bufferevent_setcb(stream->buffer, on_data, NULL, on_event, stream);
}

static void on_connect(evutil_socket_t fd, short what, void *arg)
{
    struct stream *stream = arg;
    int errnum = stream->errnum;
    socklen_t size = sizeof errnum;

    (void) what;
    if (errnum == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &size) < 0)
        errnum = errno;
    if (errnum) {
        go_down(stream, ERR_UNREACHABLE, strerror(errnum));
        return;
    }
    event_free(stream->connecting);
    stream->connecting = NULL;
    set_buffer(stream);
    bufferevent_enable(stream->buffer, EV_READ | EV_WRITE);
    bufferevent_write_buffer(stream->buffer, stream->early);
    if (!stream->tls)
        go_up(stream);
}

static int parse_tcp(const char *where, struct sockaddr_storage *address, socklen_t *size)
{
    const char *colon = strrchr(where, ':');
    char *end;

    if (!colon || colon[1] < '0' || colon[1] > '9')
        return ERR_INVALID;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (*end || port == 0 || port > UINT16_MAX)
        return ERR_INVALID;
    bool brackets = where[0] == '[' && colon > where && colon[-1] == ']';
    AUTO_FREE char *host = brackets ? xstrndup(where + 1, (size_t) (colon - where) - 2) :
                                      xstrndup(where, (size_t) (colon - where));
    /* An IPv6 address needs its brackets, an IPv4 address must not have them. */
    if (brackets != !!strchr(host, ':') || address_parse(host, (uint16_t) port, address, size) < 0)
        return ERR_INVALID;
    return 0;
}

static int parse_where(const char *where, struct stream *stream, struct sockaddr_storage *address, socklen_t *size)
{
    if (strncmp(where, "tcp:", 4) == 0) {
        if (parse_tcp(where + 4, address, size) < 0)
            return ERR_INVALID;
        address_format((struct sockaddr *) address, stream->peer, sizeof stream->peer);
        return 0;
    }
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (strncmp(where, "unix:", 5) != 0 || !where[5] || strlen(where + 5) >= sizeof un.sun_path)
        return ERR_INVALID;
    strcpy(un.sun_path, where + 5);
    strcpy(stream->peer, where + 5);
    memcpy(address, &un, sizeof un);
    *size = sizeof un;
    return 0;
}

/* The wildcard address with the port, in the family of 'like'. sin_port and sin6_port lie at the same place, RFC 3493
 * section 3.3. Port 0 leaves the choice to connect(). 0, or -1 and errno. */
static int bind_port(int fd, const struct sockaddr_storage *like, socklen_t size, uint16_t port)
{
    struct sockaddr_storage local = {.ss_family = like->ss_family};
    struct sockaddr_in in = {.sin_family = like->ss_family, .sin_port = htons(port)};

    if (port == 0)
        return 0;
    memcpy(&local, &in, sizeof in);
    /* A former connection from there, to whomever, may linger: that is no reason not to take the port. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int) {1}, sizeof(int));
    return bind(fd, (const struct sockaddr *) &local, size);
}

static void start(struct stream *stream, const struct sockaddr_storage *address, socklen_t size, uint16_t local_port)
{
    stream->early = evbuffer_new();
    stream->fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (stream->fd < 0) {
        stream->errnum = errno;
    } else {
        socket_send_at_once(stream->fd);
        if (bind_port(stream->fd, address, size, local_port) < 0 ||
            (connect(stream->fd, (const struct sockaddr *) address, size) < 0 && errno != EINPROGRESS))
            stream->errnum = errno;
    }
    /* A failure is told like any other: from the loop. */
    stream->connecting = event_new(loop_base(stream->loop), stream->errnum ? -1 : stream->fd,
                                   stream->errnum ? 0 : EV_WRITE, on_connect, stream);
    if (stream->errnum)
        event_active(stream->connecting, EV_WRITE, 0);
    else
        event_add(stream->connecting, NULL);
}

static struct stream *connect_stream(struct loop *loop, const char *where, uint16_t local_port, struct tls *tls,
                                     const char *server_name, const struct stream_callbacks *callbacks, void *arg,
                                     struct err *err)
{
    struct stream *stream = stream_new(loop);
    struct sockaddr_storage address = {0};
    socklen_t size = 0;

    if (parse_where(where, stream, &address, &size) < 0) {
        stream_free_now(stream);
        err_set(err, ERR_INVALID, "connect to \"%s\": expected tcp:ADDRESS:PORT (IPv6 in brackets) or unix:PATH",
                where);
        return NULL;
    }
    stream->tls = tls;
    stream->server_name = tls ? xstrdup(server_name) : NULL;
    stream->callbacks = *callbacks;
    stream->arg = arg;
    start(stream, &address, size, local_port);
    return stream;
}

struct stream *stream_connect_tls(struct loop *loop, const char *where, struct tls *tls, const char *server_name,
                                  const struct stream_callbacks *callbacks, void *arg, struct err *err)
{
    return connect_stream(loop, where, 0, tls, server_name, callbacks, arg, err);
}

struct stream *stream_connect(struct loop *loop, const char *where, const struct stream_callbacks *callbacks, void *arg,
                              struct err *err)
{
    return connect_stream(loop, where, 0, NULL, NULL, callbacks, arg, err);
}

struct stream *stream_connect_from(struct loop *loop, const char *where, uint16_t local_port,
                                   const struct stream_callbacks *callbacks, void *arg, struct err *err)
{
    return connect_stream(loop, where, local_port, NULL, NULL, callbacks, arg, err);
}

/* What the socket takes at once, if nothing waits before it: the loop, which may be busy, need not come round for it.
 * An error is left to the loop, which meets it, too. */
static size_t write_at_once(const struct stream *stream, const void *bytes, size_t n)
{
    if (stream->tls || !stream->buffer || evbuffer_get_length(bufferevent_get_output(stream->buffer)) > 0)
        return 0;
    ssize_t sent = send(bufferevent_getfd(stream->buffer), bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);

    return sent > 0 ? (size_t) sent : 0;
}

void stream_write(struct stream *stream, const void *bytes, size_t n)
{
    struct evbuffer *output = stream->buffer ? bufferevent_get_output(stream->buffer) : stream->early;
    size_t sent = write_at_once(stream, bytes, n);

    if (sent < n && evbuffer_add(output, (const uint8_t *) bytes + sent, n - sent) < 0)
        abort(); /* out of memory */
}

size_t stream_pending(const struct stream *stream)
{
    return evbuffer_get_length(stream->buffer ? bufferevent_get_output(stream->buffer) : stream->early);
}

void stream_close(struct stream *stream)
{
    if (stream->in_callback)
        stream->closed = true;
    else
        stream_free_now(stream);
}

/* The other end must read our last bytes before it learns that we closed: closing with its bytes unread would reset the
 * connection and throw ours away. So: end our direction, and discard what comes until it ends its own. */
static void finish_written(struct bufferevent *buffer, void *arg)
{
    const struct stream *stream = arg;

    if (evbuffer_get_length(bufferevent_get_output(buffer)) > 0)
        return;
    if (stream->tls)
        SSL_shutdown(bufferevent_openssl_get_ssl(buffer));
    shutdown(bufferevent_getfd(buffer), SHUT_WR);
}

static void finish_discard(struct bufferevent *buffer, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(buffer);

    (void) arg;
    evbuffer_drain(input, evbuffer_get_length(input));
}

static void finish_event(struct bufferevent *buffer, short what, void *arg)
{
    (void) buffer;
    if (!(what & BEV_EVENT_CONNECTED))
        stream_free_now(arg);
}

static void finish_late(void *arg)
{
    stream_free_now(arg);
}

void stream_finish(struct stream *stream)
{
    if (stream->closed)
        return;
    if (!stream->buffer) {
        stream_close(stream);
        return;
    }
    struct stream **list = loop_finishing(stream->loop);
    stream->next_finishing = *list;
    stream->previous_finishing = list;
    if (*list)
        (*list)->previous_finishing = &stream->next_finishing;
    *list = stream;
    stream->finish = timer_new(stream->loop, finish_late, stream);
    timer_set(stream->finish, mono_add(loop_now(stream->loop), FINISH_MS));
    bufferevent_setcb(stream->buffer, finish_discard, finish_written, finish_event, stream);
    bufferevent_enable(stream->buffer, EV_READ | EV_WRITE);
    finish_written(stream->buffer, stream);
}

const char *stream_peer(const struct stream *stream)
{
    return stream->peer;
}

bool stream_quiet(const struct stream *stream)
{
    char byte;
    ssize_t n = recv(bufferevent_getfd(stream->buffer), &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

void stream_set_callbacks(struct stream *stream, const struct stream_callbacks *callbacks, void *arg)
{
    stream->callbacks = *callbacks;
    stream->arg = arg;
    bufferevent_enable(stream->buffer, EV_READ | EV_WRITE);
}

void stream_again(struct stream *stream)
{
    bufferevent_trigger(stream->buffer, EV_READ, BEV_TRIG_DEFER_CALLBACKS | BEV_TRIG_IGNORE_WATERMARKS);
}

void stream_fail(struct stream *stream, int errnum)
{
    errno = errnum; /* bufferevent keeps it for the callback */
    bufferevent_trigger_event(stream->buffer, BEV_EVENT_ERROR, BEV_TRIG_DEFER_CALLBACKS);
}

const char *stream_peer_name(struct stream *stream)
{
    if (stream->tls && stream->buffer && !stream->peer_name[0])
        tls_peer_name(bufferevent_openssl_get_ssl(stream->buffer), stream->peer_name, sizeof stream->peer_name);
    return stream->peer_name;
}

struct stream *stream_accepted(struct loop *loop, int fd, const struct sockaddr *from, const struct tls *tls)
{
    struct stream *stream = stream_new(loop);

    address_format(from, stream->peer, sizeof stream->peer);
    stream->tls = tls;
    stream->fd = fd;
    set_buffer(stream);
    stream->up = !tls;
    return stream;
}
