/* SPDX-License-Identifier: Apache-2.0 */
#include "io/raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/io_internal.h"

#define QUEUE_MAX (4 << 20) /* bytes that wait to be sent */
#define KERNEL_BUFFER (4 << 20)
#define IP_HEADER_MAX 60
#define SOURCES_MAX 128
#define PACKET_SIZE (IP_HEADER_MAX + RAW_PACKET_MAX)

struct waiting {
    struct waiting *next;
    struct raw_destination to;
    size_t n;
    uint8_t bytes[];
};

struct raw {
    int fd, whole; /* 'whole' sends packets with their IP header, which takes the kernel less */
    uint8_t protocol;
    struct event *readable, *fd_writable, *whole_writable;
    raw_fn *received;
    void *arg;
    struct waiting *first, *last;
    size_t queued;                 /* bytes */
    uint32_t sources[SOURCES_MAX]; /* that have been found to be ours */
    size_t n_sources;
    struct raw_counters counters;
    bool reading, freed; /* raw_free() within 'received' leaves the rest to the reader */
    uint8_t *buffer;
};

/* ---- receiving ---- */

static unsigned interface_of(struct msghdr *header)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        struct in_pktinfo info;

        if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_PKTINFO)
            continue;
        memcpy(&info, CMSG_DATA(c), sizeof info);
        return (unsigned) info.ipi_ifindex;
    }
    return 0;
}

/* The kernel has checked the IP header; its length is looked at all the same. */
static void take_packet(struct raw *raw, const uint8_t *bytes, size_t n, unsigned interface)
{
    struct iphdr ip;
    size_t header;

    if (n < sizeof ip)
        return;
    memcpy(&ip, bytes, sizeof ip);
    header = ip.ihl * 4u;
    if (header < sizeof ip || header > n)
        return;
    raw->counters.received++;
    raw->received(raw->arg, &(struct raw_packet) {.source = ntohl(ip.saddr),
                                                  .destination = ntohl(ip.daddr),
                                                  .interface = interface,
                                                  .ttl = ip.ttl,
                                                  .bytes = bytes + header,
                                                  .n = n - header});
}

/* One packet for each turn of the loop, as they come one by one: recvmmsg() would look for a second one before it hands
 * out the first, and the first is what somebody waits for. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct raw *raw = arg;
    char control[CMSG_SPACE(sizeof(struct in_pktinfo))];
    struct iovec part = {raw->buffer, PACKET_SIZE};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &header, MSG_DONTWAIT);

    (void) what;
    if (n < 0)
        return; /* an error is an ICMP message about what was sent before: nothing to read */
    raw->reading = true;
    take_packet(raw, raw->buffer, (size_t) n, interface_of(&header));
    raw->reading = false;
    if (raw->freed)
        raw_free(raw);
}

/* ---- sending ---- */

static const uint8_t alert[] = {IPOPT_RA, 4, 0, 0};

static size_t put_control(struct msghdr *header, size_t used, int type, const void *value, size_t n)
{
    struct cmsghdr *c = (struct cmsghdr *) (void *) ((char *) header->msg_control + used);

    c->cmsg_level = IPPROTO_IP;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(n);
    memcpy(CMSG_DATA(c), value, n);
    return used + CMSG_SPACE(n);
}

/* What is longer than the link allows: the kernel makes fragments of it. 0 or errno. */
static int send_long(const struct raw *raw, const struct raw_destination *to, const void *bytes, size_t n)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(to->destination)}};
    struct in_pktinfo info = {.ipi_ifindex = (int) to->interface, .ipi_spec_dst = {htonl(to->source)}};
    struct iovec part = {(void *) (uintptr_t) bytes, n};
    int ttl = to->ttl;
    _Alignas(
        struct cmsghdr) char control[CMSG_SPACE(sizeof info) + CMSG_SPACE(sizeof ttl) + CMSG_SPACE(sizeof alert)] = {0};
    struct msghdr header = {
        .msg_name = &address, .msg_namelen = sizeof address, .msg_iov = &part, .msg_iovlen = 1, .msg_control = control};
    size_t used = put_control(&header, 0, IP_PKTINFO, &info, sizeof info);

    used = put_control(&header, used, IP_TTL, &ttl, sizeof ttl);
    if (to->router_alert)
        used = put_control(&header, used, IP_RETOPTS, alert, sizeof alert);
    header.msg_controllen = used;
    return sendmsg(raw->fd, &header, MSG_DONTWAIT) < 0 ? errno : 0;
}

/* With its header given, the kernel would send a packet from anybody's address. 0 or errno. */
static int check_source(struct raw *raw, uint32_t source)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(source)}};
    int fd, errnum = 0;

    for (size_t i = 0; i < raw->n_sources; i++)
        if (raw->sources[i] == source)
            return 0;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof address) < 0)
        errnum = errno;
    if (fd >= 0)
        close(fd);
    if (!errnum && raw->n_sources < SOURCES_MAX)
        raw->sources[raw->n_sources++] = source;
    return errnum;
}

/* 0 or errno; EMSGSIZE: longer than the link allows. The kernel fills in lengths, identification and checksum, and the
 * source if it is 0. */
static int send_whole(const struct raw *raw, const struct raw_destination *to, const void *bytes, size_t n)
{
    struct iphdr ip = {.version = 4,
                       .ihl = (sizeof ip + (to->router_alert ? sizeof alert : 0)) / 4,
                       .ttl = to->ttl,
                       .protocol = raw->protocol,
                       .saddr = htonl(to->source),
                       .daddr = htonl(to->destination)};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(to->destination)}};
    struct in_pktinfo info = {.ipi_ifindex = (int) to->interface};
    struct iovec parts[] = {{&ip, sizeof ip},
                            {(void *) (uintptr_t) alert, to->router_alert ? sizeof alert : 0},
                            {(void *) (uintptr_t) bytes, n}};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof info)] = {0};
    struct msghdr header = {.msg_name = &address,
                            .msg_namelen = sizeof address,
                            .msg_iov = parts,
                            .msg_iovlen = ARRAY_LEN(parts),
                            .msg_control = control};

    header.msg_controllen = put_control(&header, 0, IP_PKTINFO, &info, sizeof info);
    return sendmsg(raw->whole, &header, MSG_DONTWAIT) < 0 ? errno : 0;
}

/* 0 or errno. 'writable' is the event to wait for if the kernel does not take it now. */
static int send_now(struct raw *raw, const struct raw_destination *to, const void *bytes, size_t n,
                    struct event **writable)
{
    int errnum = check_source(raw, to->source);

    if (!errnum)
        errnum = send_whole(raw, to, bytes, n);

    *writable = raw->whole_writable;
    if (errnum != EMSGSIZE)
        return errnum;
    *writable = raw->fd_writable;
    return send_long(raw, to, bytes, n);
}

static bool must_wait(int errnum)
{
    return errnum == EAGAIN || errnum == EWOULDBLOCK || errnum == ENOBUFS;
}

static void drop_first(struct raw *raw)
{
    struct waiting *first = raw->first;

    raw->first = first->next;
    if (!first->next)
        raw->last = NULL;
    raw->queued -= first->n;
    free(first);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct raw *raw = arg;

    (void) fd;
    (void) what;
    while (raw->first) {
        struct event *writable;
        int errnum = send_now(raw, &raw->first->to, raw->first->bytes, raw->first->n, &writable);

        if (must_wait(errnum)) {
            event_add(writable, NULL);
            return;
        }
        if (errnum)
            raw->counters.dropped++;
        else
            raw->counters.sent++;
        drop_first(raw);
    }
}

static void wait_in_queue(struct raw *raw, const struct raw_destination *to, const void *bytes, size_t n)
{
    struct waiting *waiting = xmalloc(sizeof *waiting + n);

    *waiting = (struct waiting) {.to = *to, .n = n};
    memcpy(waiting->bytes, bytes, n);
    if (raw->last)
        raw->last->next = waiting;
    else
        raw->first = waiting;
    raw->last = waiting;
    raw->queued += n;
    raw->counters.queued++;
}

static int refuse_to_send(struct raw *raw, const struct raw_destination *to, size_t n, int errnum, struct err *err)
{
    char address[INET_ADDRSTRLEN];
    struct in_addr in = {htonl(to->destination)};

    raw->counters.dropped++;
    inet_ntop(AF_INET, &in, address, sizeof address);
    if (n > RAW_PACKET_MAX)
        return err_set(err, ERR_TOO_LARGE, "a packet to %s has %zu bytes; %d are the most", address, n, RAW_PACKET_MAX);
    if (must_wait(errnum))
        return err_set(err, ERR_EXHAUSTED, "a packet to %s is dropped: %zu bytes wait to be sent already", address,
                       raw->queued);
    return err_set(err, err_from_errno(errnum), "cannot send to %s: %s", address, strerror(errnum));
}

int raw_send(struct raw *raw, const struct raw_destination *to, const void *bytes, size_t n, struct err *err)
{
    struct event *writable = NULL;
    int errnum = EAGAIN;

    if (n <= RAW_PACKET_MAX && !raw->first) /* nothing overtakes what waits */
        errnum = send_now(raw, to, bytes, n, &writable);
    if (errnum && (n > RAW_PACKET_MAX || !must_wait(errnum) || raw->queued + n > QUEUE_MAX))
        return refuse_to_send(raw, to, n, errnum, err);
    if (errnum)
        wait_in_queue(raw, to, bytes, n);
    else
        raw->counters.sent++;
    if (errnum && writable) /* the first of the queue */
        event_add(writable, NULL);
    return 0;
}

/* ---- life ---- */

static void set_buffers(int fd)
{
    const int size = KERNEL_BUFFER;

    /* A burst of set-ups must fit. FORCE needs CAP_NET_ADMIN, without which the system's limit holds. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

/* Returns 0 or errno. */
static int open_sockets(struct raw *raw)
{
    const int type = SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, on = 1;

    raw->fd = socket(AF_INET, type, raw->protocol);
    raw->whole = socket(AF_INET, type, IPPROTO_RAW); /* which sends only */
    if (raw->fd < 0 || raw->whole < 0 || setsockopt(raw->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) < 0 ||
        setsockopt(raw->fd, IPPROTO_IP, IP_ROUTER_ALERT, &on, sizeof on) < 0)
        return errno;
    set_buffers(raw->fd);
    set_buffers(raw->whole);
    return 0;
}

static void close_sockets(struct raw *raw)
{
    if (raw->fd >= 0)
        close(raw->fd);
    if (raw->whole >= 0)
        close(raw->whole);
}

struct raw *raw_new(struct loop *loop, uint8_t protocol, raw_fn *received, void *arg, struct err *err)
{
    struct event_base *base = loop_base(loop);
    struct raw *raw = xcalloc(1, sizeof *raw);
    int errnum;

    raw->protocol = protocol;
    raw->received = received;
    raw->arg = arg;
    errnum = open_sockets(raw);
    if (errnum) {
        err_set(err, err_from_errno(errnum), "no raw socket for IP protocol %u: %s; it needs CAP_NET_RAW", protocol,
                strerror(errnum));
        close_sockets(raw);
        free(raw);
        return NULL;
    }
    raw->buffer = xmalloc(PACKET_SIZE);
    raw->readable = event_new(base, raw->fd, EV_READ | EV_PERSIST, on_readable, raw);
    raw->fd_writable = event_new(base, raw->fd, EV_WRITE, on_writable, raw);
    raw->whole_writable = event_new(base, raw->whole, EV_WRITE, on_writable, raw);
    event_add(raw->readable, NULL);
    return raw;
}

void raw_free(struct raw *raw)
{
    if (!raw)
        return;
    if (raw->reading) {
        raw->freed = true;
        return;
    }
    event_free(raw->readable);
    event_free(raw->fd_writable);
    event_free(raw->whole_writable);
    close_sockets(raw);
    while (raw->first)
        drop_first(raw);
    free(raw->buffer);
    free(raw);
}

const struct raw_counters *raw_counters(const struct raw *raw)
{
    return &raw->counters;
}

unsigned raw_interface(const char *name)
{
    return if_nametoindex(name);
}
