/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wire.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/err.h"

struct wire wire_reader(const void *data, size_t size)
{
    /* The reader shares its type with the writer; wire_put_* on it would be a programming error. */
    return (struct wire) {.data = (uint8_t *) (uintptr_t) data, .size = size};
}

struct wire wire_writer(void *data, size_t size)
{
    return (struct wire) {.data = data, .size = size};
}

void wire_fail(struct wire *w, int error)
{
    if (!w->error)
        w->error = error;
}

uint32_t wire_get_u24(struct wire *w)
{
    const uint8_t *p = wire_advance(w, 3);

    return p ? (uint32_t) p[0] << 16 | (uint32_t) p[1] << 8 | p[2] : 0;
}

uint64_t wire_get_u64(struct wire *w)
{
    const uint8_t *p = wire_advance(w, 8);

    return p ? (uint64_t) wire_u32_at(p) << 32 | wire_u32_at(p + 4) : 0;
}

void wire_get(struct wire *w, void *to, size_t n)
{
    const uint8_t *p = wire_advance(w, n);

    if (p && n)
        memcpy(to, p, n);
    else if (n)
        memset(to, 0, n);
}

void wire_put_u24(struct wire *w, uint32_t value)
{
    uint8_t *p = wire_advance(w, 3);

    if (!p)
        return;
    p[0] = (uint8_t) (value >> 16);
    p[1] = (uint8_t) (value >> 8);
    p[2] = (uint8_t) value;
}

void wire_put_u64(struct wire *w, uint64_t value)
{
    uint8_t *p = wire_advance(w, 8);

    if (!p)
        return;
    wire_u32_to(p, (uint32_t) (value >> 32));
    wire_u32_to(p + 4, (uint32_t) value);
}

void wire_put(struct wire *w, const void *from, size_t n)
{
    uint8_t *p = wire_advance(w, n);

    if (p && n)
        memcpy(p, from, n);
}

void wire_put_zeros(struct wire *w, size_t n)
{
    uint8_t *p = wire_advance(w, n);

    if (p && n)
        memset(p, 0, n);
}

void wire_patch_u16(struct wire *w, size_t pos, uint16_t value)
{
    if (w->error || pos + 2 > w->pos) {
        wire_fail(w, ERR_SHORT);
        return;
    }
    w->data[pos] = (uint8_t) (value >> 8);
    w->data[pos + 1] = (uint8_t) value;
}

/* The sum is the same in either byte order. */
uint16_t wire_sum(uint16_t sum, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint64_t total = htons(sum);
    uint32_t word;
    size_t i = 0;

    for (; i + sizeof word <= size; i += sizeof word) {
        memcpy(&word, bytes + i, sizeof word);
        total += word;
    }
    word = 0;
    if (i < size)
        memcpy(&word, bytes + i, size - i);
    total += word;
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return ntohs((uint16_t) total);
}

uint16_t wire_sum_pseudo(const void *from, const void *to, size_t address_size, uint8_t protocol, size_t length)
{
    const uint8_t rest[] = {0, protocol, (uint8_t) (length >> 8), (uint8_t) length};
    uint16_t sum = wire_sum(wire_sum(0, from, address_size), to, address_size);

    return wire_sum(sum, rest, sizeof rest);
}
