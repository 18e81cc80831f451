/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

static void reserve(struct strbuf *b, size_t more)
{
    size_t need = b->length + more + 1;

    if (need <= b->capacity)
        return;
    b->capacity = need < 64 ? 64 : need * 2;
    b->text = xrealloc(b->text, b->capacity, 1);
}

void strbuf_printf(struct strbuf *b, const char *format, ...)
{
    va_list args, again;

    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n > 0) {
        reserve(b, (size_t) n);
        vsnprintf(b->text + b->length, (size_t) n + 1, format, again);
        b->length += (size_t) n;
    }
    va_end(again);
}

void strbuf_puts(struct strbuf *b, const char *s)
{
    strbuf_add(b, s, strlen(s));
}

void strbuf_add(struct strbuf *b, const void *bytes, size_t n)
{
    reserve(b, n);
    if (n)
        memcpy(b->text + b->length, bytes, n);
    b->length += n;
    b->text[b->length] = '\0';
}

void strbuf_clear(struct strbuf *b)
{
    b->length = 0;
    if (b->text)
        b->text[0] = '\0';
}

void strbuf_free(struct strbuf *b)
{
    free(b->text);
    *b = (struct strbuf) {0};
}

char *strbuf_take(struct strbuf *b)
{
    char *text = b->text ? b->text : xstrdup("");

    *b = (struct strbuf) {0};
    return text;
}
