/* SPDX-License-Identifier: Apache-2.0 */
/* Memory. Running out of it aborts here and nowhere else; what a peer can make us allocate, its decoder bounds. */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull)); /* zeroed */
void *xrealloc(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2), malloc, returns_nonnull));
void *xmemdup(const void *p, size_t size) __attribute__((malloc, returns_nonnull));

/* Makes room for one more element: returns the array, moved if it had to grow. '*capacity' is kept up to date. */
void *array_reserve(void *array, size_t n, size_t *capacity, size_t element_size) __attribute__((returns_nonnull));

static inline void free_pointer(void *p)
{
    free(*(void **) p);
}

/* Frees a local pointer from malloc when it leaves its scope. */
#define AUTO_FREE __attribute__((cleanup(free_pointer)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
