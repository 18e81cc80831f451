/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_ether.h>

#define UDP_HEADERS 28
#define PROTOCOL_RSVP 46
#define RSVP_PATH 1
#define RSVP_RESV 2

struct seen {
    int64_t at_ns;
    uint32_t bytes;
    uint8_t protocol, type; /* type: of an RSVP message */
    uint16_t port;          /* destination, of UDP */
    bool out;
};

static void give_up(const char *what)
{
    fprintf(stderr, "lsp: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void enter(const char *space)
{
    int fd = open(space, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
        give_up(space);
    close(fd);
}

static int open_capture(const char *interface)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    const int on = 1;
    int fd = socket(AF_PACKET, SOCK_DGRAM, 0); /* takes nothing before it is bound */

    at.sll_ifindex = (int) if_nametoindex(interface);
    if (fd < 0 || !at.sll_ifindex || setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *) &at, sizeof at) < 0)
        give_up(interface);
    return fd;
}

static int open_echo(uint16_t port)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval second = {.tv_sec = 1};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *) &own, sizeof own) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second) < 0)
        give_up("echo");
    return fd;
}

void tap_open(struct tap *tap, const char *space, const char *interface, uint16_t port)
{
    int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

    enter(space);
    tap->port = port;
    tap->capture = open_capture(interface);
    tap->echo = open_echo(port);
    if (own < 0 || setns(own, CLONE_NEWNET) < 0)
        give_up("/proc/self/ns/net");
    close(own);
}

void tap_close(struct tap *tap)
{
    close(tap->capture);
    close(tap->echo);
}

static int64_t timestamp(struct msghdr *header)
{
    struct timespec at = {0};

    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS)
            memcpy(&at, CMSG_DATA(c), sizeof at);
    return (int64_t) at.tv_sec * 1000000000 + at.tv_nsec;
}

/* The next packet; false if there is none. */
static bool next(const struct tap *tap, struct seen *seen)
{
    uint8_t bytes[128];
    char control[CMSG_SPACE(sizeof(struct timespec))];
    struct sockaddr_ll link;
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr header = {.msg_name = &link,
                            .msg_namelen = sizeof link,
                            .msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof control};
    ssize_t n = recvmsg(tap->capture, &header, MSG_DONTWAIT | MSG_TRUNC);

    if (n < 0)
        return false;
    *seen = (struct seen) {
        .at_ns = timestamp(&header), .bytes = (uint32_t) n, .out = link.sll_pkttype == PACKET_OUTGOING};
    size_t ip = n >= 28 && link.sll_protocol == htons(ETH_P_IP) ? (bytes[0] & 15u) * 4u : 0;
    if (ip < 20 || ip + 8 > (size_t) n)
        return true; /* of no interest */
    seen->protocol = bytes[9];
    seen->type = bytes[ip + 1];
    seen->port = (uint16_t) (bytes[ip + 2] << 8 | bytes[ip + 3]);
    return true;
}

void tap_clear(struct tap *tap)
{
    struct seen seen;

    while (next(tap, &seen))
        continue;
}

static void note(int64_t *at, uint32_t *bytes, const struct seen *seen)
{
    if (*at)
        return;
    *at = seen->at_ns;
    *bytes = seen->bytes;
}

struct tap_trip tap_setup(struct tap *tap)
{
    struct tap_trip trip = {0};
    struct seen seen;

    while (next(tap, &seen)) {
        if (seen.protocol == PROTOCOL_RSVP && seen.out && seen.type == RSVP_PATH)
            note(&trip.out_ns, &trip.out_bytes, &seen);
        if (seen.protocol == PROTOCOL_RSVP && !seen.out && seen.type == RSVP_RESV)
            note(&trip.back_ns, &trip.back_bytes, &seen);
    }
    return trip;
}

struct tap_trip tap_echo(struct tap *tap, uint32_t address, uint32_t out, uint32_t back)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(tap->port), .sin_addr = {.s_addr = htonl(address)}};
    uint8_t bytes[2048] = {(uint8_t) ((back - UDP_HEADERS) >> 8), (uint8_t) (back - UDP_HEADERS)};
    struct tap_trip trip = {0};
    struct seen seen;

    tap_clear(tap);
    if (out < UDP_HEADERS + 2 || out > sizeof bytes ||
        sendto(tap->echo, bytes, out - UDP_HEADERS, 0, (struct sockaddr *) &to, sizeof to) < 0 ||
        recv(tap->echo, bytes, sizeof bytes, 0) < 0)
        give_up("echo");
    while (next(tap, &seen)) {
        if (seen.protocol == IPPROTO_UDP && seen.port == tap->port && seen.out)
            note(&trip.out_ns, &trip.out_bytes, &seen);
        if (seen.protocol == IPPROTO_UDP && seen.port == tap->port && !seen.out)
            note(&trip.back_ns, &trip.back_bytes, &seen);
    }
    return trip;
}
