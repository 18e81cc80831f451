/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wire.h"

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

size_t wire_left(const struct wire *w)
{
    return w->error ? 0 : w->size - w->pos;
}

bool wire_ok(const struct wire *w)
{
    return w->error == 0;
}

void wire_fail(struct wire *w, int error)
{
    if (!w->error)
        w->error = error;
}

static uint8_t *advance(struct wire *w, size_t n)
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

/* The compiler makes one load of each of these, and one store of those below. */

uint8_t wire_get_u8(struct wire *w)
{
    const uint8_t *p = advance(w, 1);

    return p ? p[0] : 0;
}

uint16_t wire_get_u16(struct wire *w)
{
    const uint8_t *p = advance(w, 2);

    return (uint16_t) (p ? p[0] << 8 | p[1] : 0);
}

uint32_t wire_get_u24(struct wire *w)
{
    const uint8_t *p = advance(w, 3);

    return p ? (uint32_t) p[0] << 16 | (uint32_t) p[1] << 8 | p[2] : 0;
}

static uint32_t u32_at(const uint8_t *p)
{
    return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

uint32_t wire_get_u32(struct wire *w)
{
    const uint8_t *p = advance(w, 4);

    return p ? u32_at(p) : 0;
}

uint64_t wire_get_u64(struct wire *w)
{
    const uint8_t *p = advance(w, 8);

    return p ? (uint64_t) u32_at(p) << 32 | u32_at(p + 4) : 0;
}

void wire_get(struct wire *w, void *to, size_t n)
{
    const uint8_t *p = advance(w, n);

    if (p && n)
        memcpy(to, p, n);
    else if (n)
        memset(to, 0, n);
}

void wire_skip(struct wire *w, size_t n)
{
    advance(w, n);
}

struct wire wire_sub(struct wire *w, size_t n)
{
    uint8_t *p = advance(w, n);

    if (!p)
        return (struct wire) {.error = w->error};
    return (struct wire) {.data = p, .size = n};
}

void wire_put_u8(struct wire *w, uint8_t value)
{
    uint8_t *p = advance(w, 1);

    if (p)
        p[0] = value;
}

void wire_put_u16(struct wire *w, uint16_t value)
{
    uint8_t *p = advance(w, 2);

    if (!p)
        return;
    p[0] = (uint8_t) (value >> 8);
    p[1] = (uint8_t) value;
}

void wire_put_u24(struct wire *w, uint32_t value)
{
    uint8_t *p = advance(w, 3);

    if (!p)
        return;
    p[0] = (uint8_t) (value >> 16);
    p[1] = (uint8_t) (value >> 8);
    p[2] = (uint8_t) value;
}

static void u32_to(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t) (value >> 24);
    p[1] = (uint8_t) (value >> 16);
    p[2] = (uint8_t) (value >> 8);
    p[3] = (uint8_t) value;
}

void wire_put_u32(struct wire *w, uint32_t value)
{
    uint8_t *p = advance(w, 4);

    if (p)
        u32_to(p, value);
}

void wire_put_u64(struct wire *w, uint64_t value)
{
    uint8_t *p = advance(w, 8);

    if (!p)
        return;
    u32_to(p, (uint32_t) (value >> 32));
    u32_to(p + 4, (uint32_t) value);
}

void wire_put(struct wire *w, const void *from, size_t n)
{
    uint8_t *p = advance(w, n);

    if (p && n)
        memcpy(p, from, n);
}

void wire_put_zeros(struct wire *w, size_t n)
{
    uint8_t *p = advance(w, n);

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
