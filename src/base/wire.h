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

size_t wire_left(const struct wire *w);
bool wire_ok(const struct wire *w);
void wire_fail(struct wire *w, int error);

uint8_t wire_get_u8(struct wire *w);
uint16_t wire_get_u16(struct wire *w);
uint32_t wire_get_u24(struct wire *w);
uint32_t wire_get_u32(struct wire *w);
uint64_t wire_get_u64(struct wire *w);
void wire_get(struct wire *w, void *to, size_t n);
void wire_skip(struct wire *w, size_t n);

/* Carves the next 'n' bytes out as a reader of their own, so that inner parsing cannot leave its envelope. If fewer
 * are left, 'w' fails and the child is empty and failed too. */
struct wire wire_sub(struct wire *w, size_t n);

void wire_put_u8(struct wire *w, uint8_t value);
void wire_put_u16(struct wire *w, uint16_t value);
void wire_put_u24(struct wire *w, uint32_t value);
void wire_put_u32(struct wire *w, uint32_t value);
void wire_put_u64(struct wire *w, uint64_t value);
void wire_put(struct wire *w, const void *from, size_t n);
void wire_put_zeros(struct wire *w, size_t n);

/* Overwrites a 16-bit length that was put at 'pos' before. */
void wire_patch_u16(struct wire *w, size_t pos, uint16_t value);

#endif
