/* SPDX-License-Identifier: Apache-2.0 */
/* Many deadlines, the nearest first: a binary heap whose timers lie in what they are for. */
#ifndef BASE_TIMERS_H
#define BASE_TIMERS_H

#include <stddef.h>

#include "base/mono.h"

struct timer_entry { /* all zero: not set */
    struct mono at;
    size_t place; /* in the heap, from 1; 0: not set */
};

struct timers { /* all zero: empty */
    struct timer_entry **entries;
    size_t n, capacity;
};

/* Sets, or moves. */
void timers_set(struct timers *timers, struct timer_entry *entry, struct mono at);
void timers_cancel(struct timers *timers, struct timer_entry *entry); /* no-op if it is not set */
/* Takes out one that is due at 'now'; null if none is. Use OWNER_OF (base/hmap.h) to see whose it is. */
struct timer_entry *timers_due(struct timers *timers, struct mono now);
struct mono timers_deadline(const struct timers *timers); /* MONO_NEVER if none is set */
void timers_free(struct timers *timers);                  /* not its entries */

#endif
