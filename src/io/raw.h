/* SPDX-License-Identifier: Apache-2.0 */
/* Raw IPv4 sockets on the loop: packets of one IP protocol, as RSVP (46) wants them. Needs CAP_NET_RAW. */
#ifndef IO_RAW_H
#define IO_RAW_H

#include "io/loop.h"

struct raw;

struct raw_packet {               /* received */
    uint32_t source, destination; /* host byte order */
    unsigned interface;           /* index of the one that it came in at */
    uint8_t ttl;
    const uint8_t *bytes; /* behind the IP header; valid during the call */
    size_t n;
};

struct raw_destination {
    uint32_t source, destination; /* host byte order; 'source' is one of ours, 0: the kernel chooses */
    unsigned interface;           /* index; 0: the kernel chooses by its routes */
    uint8_t ttl;
    bool router_alert; /* RFC 2113: each router on the way looks at it */
};

struct raw_counters {
    uint64_t sent, received;
    uint64_t queued;  /* of those sent: waited for the kernel */
    uint64_t dropped; /* to send: the queue was full, or the kernel refused it */
};

#define RAW_PACKET_MAX 65515 /* an IPv4 packet without its header; longer than a link allows goes in fragments */

typedef void raw_fn(void *arg, const struct raw_packet *packet);

/* Packets to any of our addresses are received, and those with Router Alert that we would forward. Null and 'err':
 * ERR_REFUSED without the right to it. */
struct raw *raw_new(struct loop *loop, uint8_t protocol, raw_fn *received, void *arg, struct err *err);
void raw_free(struct raw *raw); /* drops what waits; null is fine. May be called from 'received' */

/* Never blocks: what the kernel does not take now waits, up to 4 MiB. 0; ERR_TOO_LARGE; ERR_EXHAUSTED: the queue is
 * full; ERR_UNREACHABLE, ERR_IO: the kernel's refusal. The packet is dropped then, which a protocol over IP has to
 * bear. */
int raw_send(struct raw *raw, const struct raw_destination *to, const void *bytes, size_t n, struct err *err);
const struct raw_counters *raw_counters(const struct raw *raw);

/* Index of an interface, 0 if there is none of this name. */
unsigned raw_interface(const char *name);

#endif
