/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timers.h"

#include "base/alloc.h"

static void put(struct timers *timers, size_t place, struct timer_entry *entry)
{
    timers->entries[place - 1] = entry;
    entry->place = place;
}

static void sift(struct timers *timers, size_t place, struct timer_entry *entry)
{
    while (place > 1 && entry->at.ms < timers->entries[place / 2 - 1]->at.ms) {
        put(timers, place, timers->entries[place / 2 - 1]);
        place /= 2;
    }
    for (size_t child; (child = 2 * place) <= timers->n; place = child) {
        if (child < timers->n && timers->entries[child]->at.ms < timers->entries[child - 1]->at.ms)
            child++;
        if (timers->entries[child - 1]->at.ms >= entry->at.ms)
            break;
        put(timers, place, timers->entries[child - 1]);
    }
    put(timers, place, entry);
}

void timers_set(struct timers *timers, struct timer_entry *entry, struct mono at)
{
    entry->at = at;
    if (!entry->place) {
        timers->entries = array_reserve(timers->entries, timers->n, &timers->capacity, sizeof(struct timer_entry *));
        entry->place = ++timers->n;
        timers->entries[entry->place - 1] = entry;
    }
    sift(timers, entry->place, entry);
}

void timers_cancel(struct timers *timers, struct timer_entry *entry)
{
    size_t place = entry->place;
    struct timer_entry *last;

    if (!place)
        return;
    entry->place = 0;
    last = timers->entries[--timers->n];
    if (last != entry)
        sift(timers, place, last);
}

struct timer_entry *timers_due(struct timers *timers, struct mono now)
{
    struct timer_entry *entry = timers->n ? timers->entries[0] : NULL;

    if (!entry || !mono_reached(entry->at, now))
        return NULL;
    timers_cancel(timers, entry);
    return entry;
}

struct mono timers_deadline(const struct timers *timers)
{
    return timers->n ? timers->entries[0]->at : MONO_NEVER;
}

void timers_free(struct timers *timers)
{
    free(timers->entries);
    *timers = (struct timers) {0};
}
