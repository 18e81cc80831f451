/* SPDX-License-Identifier: Apache-2.0 */
/* Bandwidth in flight: path.h has the rule and its reasons. */
#include "core/path_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct path_booking {
    char name[LSP_NAME_SIZE];
    uint64_t bps;
    uint8_t priority; /* holding */
    bool up;
    struct mono until;
    struct te_link_key *links; /* owned; both directions of each; shrinks as floods tell */
    size_t n;
};

static size_t find(const struct path_graph *graph, const char *name)
{
    size_t i = 0;
    while (i < graph->n_bookings && strcmp(graph->bookings[i].name, name))
        i++;
    return i;
}

/* Takes the link's bandwidth, or gives it back. */
static void count(struct path_graph *graph, const struct te_link_key *key, const struct path_booking *booking,
                  bool takes)
{
    uint32_t at = path_slot_find(graph, key);
    if (at == PATH_NONE)
        return;
    struct path_slot *slot = &graph->slots[at];
    if (!slot->booked)
        slot->booked = xcalloc(TE_PRIORITIES, sizeof(*slot->booked));
    for (size_t p = booking->priority; p < TE_PRIORITIES; p++)
        slot->booked[p] += takes ? booking->bps : -booking->bps;
    slot->bookings += takes ? 1 : UINT32_MAX;
    if (!slot->bookings) {
        free(slot->booked);
        slot->booked = NULL;
    }
    path_slot_booked(graph, at);
}

static void give_back(struct path_graph *graph, size_t i)
{
    struct path_booking *booking = &graph->bookings[i];
    for (size_t link = 0; link < booking->n; link++)
        count(graph, &booking->links[link], booking, false);
    free(booking->links);
    *booking = graph->bookings[--graph->n_bookings];
}

static void add_link(struct path_graph *graph, struct path_booking *booking, uint32_t slot)
{
    booking->links[booking->n++] = graph->slots[slot].link.key;
    count(graph, &graph->slots[slot].link.key, booking, true);
}

void path_book(struct path_graph *graph, const char *name, const struct te_link *links, size_t n, uint64_t bps,
               uint8_t holding_priority, struct mono now)
{
    path_unbook(graph, name);
    graph->bookings = array_reserve(graph->bookings, graph->n_bookings, &graph->cap_bookings, sizeof(*graph->bookings));
    struct path_booking *booking = &graph->bookings[graph->n_bookings++];
    *booking = (struct path_booking) {.bps = bps,
                                      .priority = holding_priority,
                                      .until = mono_add(now, PATH_BOOKING_SETUP_MS),
                                      .links = xcalloc(2 * n + 1, sizeof(*booking->links))};
    snprintf(booking->name, sizeof(booking->name), "%s", name);
    for (size_t i = 0; i < n; i++) {
        uint32_t slot = path_slot_find(graph, &links[i].key);
        if (slot == PATH_NONE)
            continue;
        uint32_t reverse = graph->slots[slot].reverse;
        add_link(graph, booking, slot);
        if (reverse != PATH_NONE)
            add_link(graph, booking, reverse);
    }
}

void path_book_up(struct path_graph *graph, const char *name, struct mono now)
{
    size_t i = find(graph, name);
    if (i == graph->n_bookings || graph->bookings[i].up)
        return;
    graph->bookings[i].up = true;
    graph->bookings[i].until = mono_add(now, PATH_BOOKING_UP_MS);
}

void path_unbook(struct path_graph *graph, const char *name)
{
    size_t i = find(graph, name);
    if (i < graph->n_bookings)
        give_back(graph, i);
}

void path_booking_tick(struct path_graph *graph, struct mono now)
{
    for (size_t i = graph->n_bookings; i-- > 0;) {
        if (mono_reached(graph->bookings[i].until, now) || !graph->bookings[i].n)
            give_back(graph, i);
    }
}

struct mono path_booking_deadline(const struct path_graph *graph)
{
    struct mono deadline = MONO_NEVER;
    for (size_t i = 0; i < graph->n_bookings; i++)
        deadline = mono_min(deadline, graph->bookings[i].until);
    return deadline;
}

uint64_t path_booked(const struct path_graph *graph, const struct te_link_key *key, uint8_t priority)
{
    uint32_t slot = path_slot_find(graph, key);
    return slot == PATH_NONE || !graph->slots[slot].booked ? 0 : graph->slots[slot].booked[priority];
}

/* A flood tells of a booking whose LSP is up; of one during set-up if it takes as much away. 'less' is what it takes,
 * of which the rest is left for others. OSPF's floats have 24 bits. */
static bool tells(const struct path_booking *booking, uint64_t less[TE_PRIORITIES])
{
    if (!booking->up && less[booking->priority] + (less[booking->priority] >> 20) < booking->bps)
        return false;
    for (size_t p = booking->priority; p < TE_PRIORITIES; p++)
        less[p] -= less[p] < booking->bps ? less[p] : booking->bps;
    return true;
}

static void told(struct path_graph *graph, const struct te_link_key *key, bool up, uint64_t less[TE_PRIORITIES])
{
    for (size_t i = 0; i < graph->n_bookings; i++) {
        struct path_booking *booking = &graph->bookings[i];
        for (size_t at = booking->up == up ? booking->n : 0; at-- > 0;) {
            if (te_link_key_compare(&booking->links[at], key) || !tells(booking, less))
                continue;
            count(graph, key, booking, false);
            booking->links[at] = booking->links[--booking->n];
        }
    }
}

void path_booking_flooded(struct path_graph *graph, uint32_t slot, const struct te_link *before)
{
    const struct te_link *link = &graph->slots[slot].link;
    const struct te_link_key key = link->key;
    uint64_t less[TE_PRIORITIES];

    for (size_t p = 0; p < TE_PRIORITIES; p++) {
        less[p] = before->unreserved_bps[p] > link->unreserved_bps[p] ?
                      before->unreserved_bps[p] - link->unreserved_bps[p] :
                      0;
    }
    if (graph->slots[slot].booked) {
        told(graph, &key, true, less);
        told(graph, &key, false, less);
    }
}

void path_bookings_free(struct path_graph *graph)
{
    for (size_t i = 0; i < graph->n_bookings; i++)
        free(graph->bookings[i].links);
    free(graph->bookings);
    graph->bookings = NULL;
    graph->n_bookings = graph->cap_bookings = 0;
}
