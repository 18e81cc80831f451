/* SPDX-License-Identifier: Apache-2.0 */
/* What passes the ingress's control channel: a capture with the kernel's timestamps, in which an LSP's set-up and a
 * bare UDP echo are timed in the same way, from the packet that leaves to the one that comes back. */
#ifndef BENCH_TAP_H
#define BENCH_TAP_H

#include <stdint.h>

struct tap {
    int capture, echo; /* sockets in the ingress's namespace */
    uint16_t port;
};

struct tap_trip {
    int64_t out_ns, back_ns;        /* Unix time; 0: not seen */
    uint32_t out_bytes, back_bytes; /* IP packets */
};

/* 'space' is the path of a network namespace. Ends the program if it cannot. */
void tap_open(struct tap *tap, const char *space, const char *interface, uint16_t port);
void tap_close(struct tap *tap);
/* Forgets what was captured so far. */
void tap_clear(struct tap *tap);
/* The first Path that has left and the first Resv that has come, RFC 5814 §5. */
struct tap_trip tap_setup(struct tap *tap);
/* Sends a datagram of 'out' bytes (IP packet) to 'address' that comes back with 'back', and waits for it, a second at
 * the most. */
struct tap_trip tap_echo(struct tap *tap, uint32_t address, uint32_t out, uint32_t back);

#endif
