/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/io_internal.h"

/* The kernel cuts it to net.core.somaxconn. */
#define BACKLOG 512
/* Accepting rests this long when the process has no descriptor left, instead of trying again at once. */
#define EXHAUSTED_MS 100

struct listener {
    struct loop *loop;
    const struct tls *tls;
    struct evconnlistener *socket;
    struct timer *resume;
    listener_fn *accepted;
    void *arg;
};

static void on_accept(struct evconnlistener *socket, evutil_socket_t fd, struct sockaddr *from, int size, void *arg)
{
    struct listener *listener = arg;

    (void) socket;
    (void) size;
    socket_send_at_once(fd);
    listener->accepted(listener->arg, stream_accepted(listener->loop, fd, from, listener->tls));
}

static void on_accept_error(struct evconnlistener *socket, void *arg)
{
    struct listener *listener = arg;

    evconnlistener_disable(socket);
    timer_set(listener->resume, mono_add(loop_now(listener->loop), EXHAUSTED_MS));
}

static void accept_again(void *arg)
{
    struct listener *listener = arg;

    evconnlistener_enable(listener->socket);
}

static int open_socket(const struct sockaddr_storage *where, socklen_t size)
{
    const int on = 1;
    int fd = socket(where->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    /* Without SO_REUSEADDR a restarted daemon waits for its old connections' TIME_WAIT. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, (const struct sockaddr *) where, size) < 0 || listen(fd, BACKLOG) < 0) {
        int errnum = errno;

        close(fd);
        return -errnum;
    }
    return fd;
}

struct listener *listener_new_tls(struct loop *loop, const char *address, uint16_t port, const struct tls *tls,
                                  listener_fn *accepted, void *arg, struct err *err)
{
    struct sockaddr_storage where = {0};
    socklen_t size;

    if (address_parse(address, port, &where, &size) < 0) {
        err_set(err, ERR_INVALID, "listen on %s: not an IPv4 or IPv6 address", address);
        return NULL;
    }
    int fd = open_socket(&where, size);
    if (fd < 0) {
        char text[ADDRESS_TEXT_SIZE];

        address_format((struct sockaddr *) &where, text, sizeof text);
        err_set(err, err_from_errno(-fd), "listen on %s: %s", text, strerror(-fd));
        return NULL;
    }
    struct listener *listener = xmalloc(sizeof *listener);
    *listener = (struct listener) {.loop = loop, .tls = tls, .accepted = accepted, .arg = arg};
    listener->resume = timer_new(loop, accept_again, listener);
    listener->socket = evconnlistener_new(loop_base(loop), on_accept, listener,
                                          LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    evconnlistener_set_error_cb(listener->socket, on_accept_error);
    return listener;
}

struct listener *listener_new(struct loop *loop, const char *address, uint16_t port, listener_fn *accepted, void *arg,
                              struct err *err)
{
    return listener_new_tls(loop, address, port, NULL, accepted, arg, err);
}

uint16_t listener_port(const struct listener *listener)
{
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    struct sockaddr_in in;

    if (getsockname(evconnlistener_get_fd(listener->socket), (struct sockaddr *) &bound, &size) < 0)
        return 0;
    /* sin_port and sin6_port lie at the same place, RFC 3493 section 3.3. */
    memcpy(&in, &bound, sizeof in);
    return ntohs(in.sin_port);
}

void listener_free(struct listener *listener)
{
    if (!listener)
        return;
    timer_free(listener->resume);
    evconnlistener_free(listener->socket);
    free(listener);
}
