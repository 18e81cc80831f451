/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hmap.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

/* The finalizer of MurmurHash3: each bit of the word reaches each bit of the hash. */
uint32_t hash_add(uint32_t hash, uint32_t word)
{
    hash = (hash ^ word) * 0x9e3779b1u;
    hash = (hash ^ (hash >> 16)) * 0x85ebca6bu;
    hash = (hash ^ (hash >> 13)) * 0xc2b2ae35u;
    return hash ^ (hash >> 16);
}

static void grow(struct hmap *map)
{
    size_t n_buckets = map->n_buckets ? 2 * map->n_buckets : 8;
    struct hmap_node **buckets = xcalloc(n_buckets, sizeof(struct hmap_node *));

    for (size_t i = 0; i < map->n_buckets; i++) {
        for (struct hmap_node *node = map->buckets[i], *next; node; node = next) {
            size_t to = node->hash & (n_buckets - 1);

            next = node->next;
            node->next = buckets[to];
            buckets[to] = node;
        }
    }
    free(map->buckets);
    map->buckets = buckets;
    map->n_buckets = n_buckets;
}

void hmap_insert(struct hmap *map, struct hmap_node *node, uint32_t hash)
{
    struct hmap_node **bucket;

    if (map->n >= map->n_buckets)
        grow(map);
    bucket = &map->buckets[hash & (map->n_buckets - 1)];
    *node = (struct hmap_node) {*bucket, hash};
    *bucket = node;
    map->n++;
}

void hmap_remove(struct hmap *map, struct hmap_node *node)
{
    struct hmap_node **at = &map->buckets[node->hash & (map->n_buckets - 1)];

    while (*at != node) {
        if (!*at) {
            fprintf(stderr, "hash table: a node to remove is not in it\n");
            abort();
        }
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    map->n--;
}

static struct hmap_node *skip_others(struct hmap_node *node, uint32_t hash)
{
    while (node && node->hash != hash)
        node = node->next;
    return node;
}

struct hmap_node *hmap_first(const struct hmap *map, uint32_t hash)
{
    return map->n ? skip_others(map->buckets[hash & (map->n_buckets - 1)], hash) : NULL;
}

struct hmap_node *hmap_same(const struct hmap_node *node)
{
    return skip_others(node->next, node->hash);
}

struct hmap_node *hmap_next(const struct hmap *map, const struct hmap_node *node)
{
    size_t bucket = 0;

    if (node) {
        if (node->next)
            return node->next;
        bucket = (node->hash & (map->n_buckets - 1)) + 1;
    }
    for (; bucket < map->n_buckets; bucket++) {
        if (map->buckets[bucket])
            return map->buckets[bucket];
    }
    return NULL;
}

struct hmap_node *hmap_any(const struct hmap *map)
{
    return map->n ? hmap_next(map, NULL) : NULL;
}

void hmap_free(struct hmap *map)
{
    free(map->buckets);
    *map = (struct hmap) {0};
}
