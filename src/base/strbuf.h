/* SPDX-License-Identifier: Apache-2.0 */
/* A string that grows. Zero-initialise it; always null-terminated once something was added. */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

#include <stddef.h>

struct strbuf {
    char *text; /* null until something was added */
    size_t length;
    size_t capacity;
};

void strbuf_printf(struct strbuf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void strbuf_puts(struct strbuf *b, const char *s);
void strbuf_add(struct strbuf *b, const void *bytes, size_t n);
void strbuf_clear(struct strbuf *b); /* keeps the memory */
void strbuf_free(struct strbuf *b);

/* Hands the string to the caller, who frees it; the buffer is empty again. Never null. */
char *strbuf_take(struct strbuf *b);

#define AUTO_STRBUF __attribute__((cleanup(strbuf_free)))

#endif
