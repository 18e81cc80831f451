/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded cursor over bytes, for reading and for writing, with a sticky error: read ten fields, check once.
 *
 * After the first access beyond the end, every read yields zeros, every write does nothing, and 'error' stays set.
 * All numbers are in network byte order on the wire and in host order here. The cursor never owns its bytes. */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct wire {
    uint8_t *data;
    size_t size; /* bytes that may be touched */
    size_t pos;  /* 0..size */
    int error;   /* 0, ERR_SHORT, or what wire_fail() was given; the first one stays */
};

/* A cursor that reads 'size' bytes at 'data'. Only wire_get_*, wire_skip and wire_sub may be used on it. */
struct wire wire_reader(const void *data, size_t size);

/* A cursor that writes up to 'size' bytes to 'data'. */
struct wire wire_writer(void *data, size_t size);

void wire_fail(struct wire *w, int error);

uint32_t wire_get_u24(struct wire *w);
uint64_t wire_get_u64(struct wire *w);
void wire_get(struct wire *w, void *to, size_t n);

void wire_put_u24(struct wire *w, uint32_t value);
void wire_put_u64(struct wire *w, uint64_t value);
void wire_put(struct wire *w, const void *from, size_t n);
void wire_put_zeros(struct wire *w, size_t n);

/* The sum of RFC 1071 that is 'sum' and then these bytes, an odd last one being followed by a zero. Its complement is
 * the checksum of IP, ICMP, TCP, UDP and RSVP. All but the last piece of what is summed must have an even size. */
uint16_t wire_sum(uint16_t sum, const void *data, size_t size);
/* The sum of the pseudo header of TCP and UDP (RFC 9293 §3.1), and of what IPv6 carries (RFC 8200 §8.1): two addresses
 * of 'address_size' bytes, the protocol, and how many bytes of it follow, which are fewer than 65,536. */
uint16_t wire_sum_pseudo(const void *from, const void *to, size_t address_size, uint8_t protocol, size_t length);

/* Overwrites a 16-bit length that was put at 'pos' before. */
void wire_patch_u16(struct wire *w, size_t pos, uint16_t value);

/* ---- the most used, of which the compiler makes one load or store each ---- */

static inline size_t wire_left(const struct wire *w)
{
    return w->error ? 0 : w->size - w->pos;
}

static inline bool wire_ok(const struct wire *w)
{
    return w->error == 0;
}

/* For the functions below: null, and 'w' has failed, if fewer than 'n' bytes are left. */
static inline uint8_t *wire_advance(struct wire *w, size_t n)
{
    if (w->error)
        return NULL;
    if (n > w->size - w->pos) {
        w->error = ERR_SHORT;
        return NULL;
    }
    uint8_t *p = w->data + w->pos;

    w->pos += n;
    return p;
}

static inline uint8_t wire_get_u8(struct wire *w)
{
    const uint8_t *p = wire_advance(w, 1);

    return p ? p[0] : 0;
}

static inline uint16_t wire_get_u16(struct wire *w)
{
    const uint8_t *p = wire_advance(w, 2);

    return (uint16_t) (p ? p[0] << 8 | p[1] : 0);
}

static inline uint32_t wire_u32_at(const uint8_t *p)
{
    return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

static inline uint32_t wire_get_u32(struct wire *w)
{
    const uint8_t *p = wire_advance(w, 4);

    return p ? wire_u32_at(p) : 0;
}

static inline void wire_skip(struct wire *w, size_t n)
{
    wire_advance(w, n);
}

/* Carves the next 'n' bytes out as a reader of their own, so that inner parsing cannot leave its envelope. If fewer
 * are left, 'w' fails and the child is empty and failed too. */
static inline struct wire wire_sub(struct wire *w, size_t n)
{
    uint8_t *p = wire_advance(w, n);

    if (!p)
        return (struct wire) {.error = w->error};
    return (struct wire) {.data = p, .size = n};
}

static inline void wire_put_u8(struct wire *w, uint8_t value)
{
    uint8_t *p = wire_advance(w, 1);

    if (p)
        p[0] = value;
}

static inline void wire_put_u16(struct wire *w, uint16_t value)
{
    uint8_t *p = wire_advance(w, 2);

    if (!p)
        return;
    p[0] = (uint8_t) (value >> 8);
    p[1] = (uint8_t) value;
}

static inline void wire_u32_to(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t) (value >> 24);
    p[1] = (uint8_t) (value >> 16);
    p[2] = (uint8_t) (value >> 8);
    p[3] = (uint8_t) value;
}

static inline void wire_put_u32(struct wire *w, uint32_t value)
{
    uint8_t *p = wire_advance(w, 4);

    if (p)
        wire_u32_to(p, value);
}

#endif
