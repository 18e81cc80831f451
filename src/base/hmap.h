/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table whose nodes lie in what they index: one thing can be in several tables, and nothing is allocated for it.
 * The caller computes hashes and compares keys:
 *
 *     for (struct hmap_node *node = hmap_first(&map, hash); node; node = hmap_same(node))
 *         if (key_equal(&OWNER_OF(node, struct thing, node)->key, key)) ...
 */
#ifndef BASE_HMAP_H
#define BASE_HMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OWNER_OF(pointer, type, member) ((type *) (void *) ((char *) (pointer) -offsetof(type, member)))

struct hmap_node {
    struct hmap_node *next;
    uint32_t hash;
};

struct hmap { /* all zero: empty */
    struct hmap_node **buckets;
    size_t n, n_buckets; /* n_buckets: 0 or a power of two */
};

/* Takes one more word of a key into a hash. */
uint32_t hash_add(uint32_t hash, uint32_t word);

void hmap_insert(struct hmap *map, struct hmap_node *node, uint32_t hash);
/* 'node' must be in 'map'. */
void hmap_remove(struct hmap *map, struct hmap_node *node);
/* The first, and the further nodes with just this hash. */
struct hmap_node *hmap_first(const struct hmap *map, uint32_t hash);
struct hmap_node *hmap_same(const struct hmap_node *node);
/* All nodes in no order: start with null. The table must not change in between; see hmap_any(). */
struct hmap_node *hmap_next(const struct hmap *map, const struct hmap_node *node);
/* Some node, for `while ((node = hmap_any(&map)))` loops that remove each; null if there is none. */
struct hmap_node *hmap_any(const struct hmap *map);
/* Frees the table, not its nodes. */
void hmap_free(struct hmap *map);

#endif
