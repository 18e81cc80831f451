/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/ovsdb/ovsdb_frame.h"

#include <string.h>

#include "base/err.h"

void ovsdb_framer_add(struct ovsdb_framer *framer, const void *bytes, size_t n)
{
    struct strbuf *buffer = &framer->buffer;

    if (framer->start) {
        memmove(buffer->text, buffer->text + framer->start, buffer->length - framer->start);
        buffer->length -= framer->start;
        framer->scanned -= framer->start;
        framer->start = 0;
    }
    strbuf_add(buffer, bytes, n);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void scan_in_string(struct ovsdb_framer *framer, char c)
{
    if (framer->escaped)
        framer->escaped = false;
    else if (c == '\\')
        framer->escaped = true;
    else if (c == '"')
        framer->in_string = false;
}

/* Takes one byte outside of strings; ERR_MALFORMED or 0. */
static int scan_outside(struct ovsdb_framer *framer, char c)
{
    if (framer->depth == 0 && c != '{')
        return ERR_MALFORMED;
    if (c == '"')
        framer->in_string = true;
    else if (c == '{' || c == '[')
        framer->depth++;
    else if (c == '}' || c == ']')
        framer->depth--;
    return framer->depth > OVSDB_DEPTH_MAX ? ERR_MALFORMED : 0;
}

int ovsdb_framer_next(struct ovsdb_framer *framer, const char **message, size_t *size)
{
    const struct strbuf *buffer = &framer->buffer;

    while (framer->scanned < buffer->length) {
        char c = buffer->text[framer->scanned];

        if (framer->depth == 0 && is_space(c)) {
            framer->start = ++framer->scanned;
            continue;
        }
        if (framer->scanned - framer->start >= OVSDB_MESSAGE_MAX)
            return ERR_TOO_LARGE;
        if (framer->in_string)
            scan_in_string(framer, c);
        else if (scan_outside(framer, c) < 0)
            return ERR_MALFORMED;
        framer->scanned++;
        if (framer->depth == 0) {
            *message = buffer->text + framer->start;
            *size = framer->scanned - framer->start;
            framer->start = framer->scanned;
            return 1;
        }
    }
    return 0;
}

void ovsdb_framer_free(struct ovsdb_framer *framer)
{
    strbuf_free(&framer->buffer);
    *framer = (struct ovsdb_framer) {0};
}
