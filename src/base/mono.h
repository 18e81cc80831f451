/* SPDX-License-Identifier: Apache-2.0 */
/* A point of monotonic time in a struct of its own, so that it cannot be mixed with plain integers. Pure code gets it
 * as an argument and never asks for it. */
#ifndef BASE_MONO_H
#define BASE_MONO_H

#include <stdbool.h>
#include <stdint.h>

struct mono {
    int64_t ms; /* since an arbitrary point */
};

#define MONO_NEVER ((struct mono) {INT64_MAX})

static inline struct mono mono_add(struct mono t, int64_t ms)
{
    return (struct mono) {t.ms > INT64_MAX - ms ? INT64_MAX : t.ms + ms};
}

static inline int64_t mono_diff(struct mono later, struct mono earlier)
{
    return later.ms - earlier.ms;
}

static inline bool mono_reached(struct mono deadline, struct mono now)
{
    return now.ms >= deadline.ms;
}

static inline struct mono mono_min(struct mono a, struct mono b)
{
    return a.ms < b.ms ? a : b;
}

#endif
