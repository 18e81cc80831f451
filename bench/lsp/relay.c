/* SPDX-License-Identifier: Apache-2.0 */
/* relay PORT PREVIOUS NEXT|-: one hop of the bare UDP echo that bench/lsp measures LSP set-up against. Sends what comes
 * from PREVIOUS to NEXT and the other way round; the last one (no NEXT) turns it round, with as many bytes as its first
 * two say. Nothing could do that with less: one blocking socket, two system calls for each datagram. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int open_socket(uint16_t port)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *) &own, sizeof own) < 0) {
        perror("relay");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    struct sockaddr_in previous = {.sin_family = AF_INET}, next = {.sin_family = AF_INET}, from;
    static unsigned char bytes[65536];
    ssize_t n;

    if (argc != 4 || inet_pton(AF_INET, argv[2], &previous.sin_addr) != 1) {
        fputs("usage: relay PORT PREVIOUS NEXT|-\n", stderr);
        return 2;
    }
    previous.sin_port = next.sin_port = htons((uint16_t) atoi(argv[1]));

    bool last = inet_pton(AF_INET, argv[3], &next.sin_addr) != 1;
    int fd = open_socket((uint16_t) atoi(argv[1]));

    for (;;) {
        socklen_t size = sizeof from;

        n = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *) &from, &size);
        if (n < 2)
            continue;
        if (last)
            sendto(fd, bytes, (size_t) bytes[0] << 8 | bytes[1], 0, (struct sockaddr *) &from, size);
        else if (from.sin_addr.s_addr == previous.sin_addr.s_addr)
            sendto(fd, bytes, (size_t) n, 0, (struct sockaddr *) &next, sizeof next);
        else
            sendto(fd, bytes, (size_t) n, 0, (struct sockaddr *) &previous, sizeof previous);
    }
}
