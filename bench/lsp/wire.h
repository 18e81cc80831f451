/* SPDX-License-Identifier: Apache-2.0 */
/* What passes the ingress's control channel: a capture with the kernel's timestamps, in which an LSP's set-up and a
 * bare UDP echo are timed in the same way, from the packet that leaves to the one that comes back. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdint.h>

struct wire {
    int capture, echo; /* sockets in the ingress's namespace */
    uint16_t port;
};

struct wire_trip {
    int64_t out_ns, back_ns;        /* Unix time; 0: not seen */
    uint32_t out_bytes, back_bytes; /* IP packets */
};

/* 'space' is the path of a network namespace. Ends the program if it cannot. */
void wire_open(struct wire *wire, const char *space, const char *interface, uint16_t port);
void wire_close(struct wire *wire);
/* Forgets what was captured so far. */
void wire_clear(struct wire *wire);
/* The first Path that has left and the first Resv that has come, RFC 5814 §5. */
struct wire_trip wire_setup(struct wire *wire);
/* Sends a datagram of 'out' bytes (IP packet) to 'address' that comes back with 'back', and waits for it, a second at
 * the most. */
struct wire_trip wire_echo(struct wire *wire, uint32_t address, uint32_t out, uint32_t back);

#endif
