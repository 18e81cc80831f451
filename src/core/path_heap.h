/* SPDX-License-Identifier: Apache-2.0 */
/* Priority queues of path computation: 4-ary heaps in arrays, without decrease-key (who gets nearer is put in anew, and
 * what is stale is passed over when it comes out). In a header, since they are the inner loop. */
#ifndef CORE_PATH_HEAP_H
#define CORE_PATH_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"

struct path_entry {
    uint64_t key;
    uint32_t item;
};

struct path_heap {
    struct path_entry *entries;
    size_t n, capacity;
};

static inline void path_heap_push(struct path_heap *heap, uint64_t key, uint32_t item)
{
    if (heap->n == heap->capacity)
        heap->entries = array_reserve(heap->entries, heap->n, &heap->capacity, sizeof(*heap->entries));
    struct path_entry *entries = heap->entries;
    size_t at = heap->n++;
    while (at) {
        size_t parent = (at - 1) / 4;
        if (entries[parent].key <= key)
            break;
        entries[at] = entries[parent];
        at = parent;
    }
    entries[at] = (struct path_entry) {key, item};
}

/* The heap must not be empty. */
static inline struct path_entry path_heap_pop(struct path_heap *heap)
{
    struct path_entry *entries = heap->entries, top = entries[0], last = entries[--heap->n];
    size_t n = heap->n, at = 0;
    for (size_t child = 1; child < n; child = 4 * at + 1) {
        size_t end = child + 4 < n ? child + 4 : n, least = child;
        for (size_t i = child + 1; i < end; i++)
            least = entries[i].key < entries[least].key ? i : least;
        if (entries[least].key >= last.key)
            break;
        entries[at] = entries[least];
        at = least;
    }
    if (n)
        entries[at] = last;
    return top;
}

/* Where an order has two parts, and what is equal in both comes out in the order in which it was put in. */
struct path_rank {
    uint64_t high, low;
    uint32_t sequence; /* set by push */
    uint32_t item;
};

struct path_ranks {
    struct path_rank *ranks;
    size_t n, capacity;
    uint32_t sequence;
};

static inline bool path_rank_less(const struct path_rank *a, const struct path_rank *b)
{
    if (a->high != b->high)
        return a->high < b->high;
    return a->low != b->low ? a->low < b->low : a->sequence < b->sequence;
}

static inline void path_ranks_push(struct path_ranks *heap, uint64_t high, uint64_t low, uint32_t item)
{
    heap->ranks = array_reserve(heap->ranks, heap->n, &heap->capacity, sizeof(*heap->ranks));
    struct path_rank *ranks = heap->ranks, rank = {high, low, heap->sequence++, item};
    size_t at = heap->n++;
    for (size_t parent; at && path_rank_less(&rank, &ranks[parent = (at - 1) / 2]); at = parent)
        ranks[at] = ranks[parent];
    ranks[at] = rank;
}

/* The heap must not be empty. */
static inline struct path_rank path_ranks_pop(struct path_ranks *heap)
{
    struct path_rank *ranks = heap->ranks, top = ranks[0], last = ranks[--heap->n];
    size_t n = heap->n, at = 0;
    for (size_t child = 1; child < n; child = 2 * at + 1) {
        child += child + 1 < n && path_rank_less(&ranks[child + 1], &ranks[child]);
        if (!path_rank_less(&ranks[child], &last))
            break;
        ranks[at] = ranks[child];
        at = child;
    }
    if (n)
        ranks[at] = last;
    return top;
}

#endif
