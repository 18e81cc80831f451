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

static uint64_t get_number(struct wire *w, size_t n)
{
    const uint8_t *p = advance(w, n);
    uint64_t value = 0;

    for (size_t i = 0; p && i < n; i++)
        value = value << 8 | p[i];
    return value;
}

uint8_t wire_get_u8(struct wire *w)
{
    return (uint8_t) get_number(w, 1);
}

uint16_t wire_get_u16(struct wire *w)
{
    return (uint16_t) get_number(w, 2);
}

uint32_t wire_get_u24(struct wire *w)
{
    return (uint32_t) get_number(w, 3);
}

uint32_t wire_get_u32(struct wire *w)
{
    return (uint32_t) get_number(w, 4);
}

uint64_t wire_get_u64(struct wire *w)
{
    return get_number(w, 8);
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

static void put_number(struct wire *w, uint64_t value, size_t n)
{
    uint8_t *p = advance(w, n);

    for (size_t i = 0; p && i < n; i++)
        p[i] = (uint8_t) (value >> (8 * (n - 1 - i)));
}

void wire_put_u8(struct wire *w, uint8_t value)
{
    put_number(w, value, 1);
}

void wire_put_u16(struct wire *w, uint16_t value)
{
    put_number(w, value, 2);
}

void wire_put_u24(struct wire *w, uint32_t value)
{
    put_number(w, value, 3);
}

void wire_put_u32(struct wire *w, uint32_t value)
{
    put_number(w, value, 4);
}

void wire_put_u64(struct wire *w, uint64_t value)
{
    put_number(w, value, 8);
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
