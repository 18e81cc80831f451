/* SPDX-License-Identifier: Apache-2.0 */
#include "core/policy_bdd.h"

#include <string.h>

#include "base/alloc.h"
#include "core/policy_outcome.h"
#include "core/policy_state.h"

#define FIRST_CAPACITY 1024

static const uint8_t field_bits[BDD_FIELDS] = {
    [BDD_FAMILY] = 1,  [BDD_PROTOCOL] = 8,     [BDD_V4] = 32,
    [BDD_V6] = 128,    [BDD_ICMP_TYPE] = 8,    [BDD_ICMP_CODE] = 8,
    [BDD_SOURCE] = 16, [BDD_DESTINATION] = 16, [BDD_TCP_FLAGS] = TCP_FLAGS_BITS,
    [BDD_DSCP] = 6,
};

static size_t hash3(uint32_t a, uint32_t b, uint32_t c)
{
    uint64_t h = ((uint64_t) a << 32 | b) * UINT64_C(0x9e3779b97f4a7c15);

    h = (h ^ h >> 29 ^ c) * UINT64_C(0xbf58476d1ce4e5b9);
    return (size_t) (h ^ h >> 32);
}

void bdd_init(struct bdd *bdd, const uint8_t order[BDD_FIELDS], size_t nodes_max)
{
    unsigned level = 0;

    *bdd = (struct bdd) {.n_nodes = BDD_FIRST, .capacity = FIRST_CAPACITY, .nodes_max = nodes_max};
    for (unsigned i = 0; i < BDD_FIELDS; i++) {
        bdd->order[i] = order[i];
        bdd->first[order[i]] = (uint8_t) level;
        level += field_bits[order[i]];
    }
    bdd->nodes = xmalloc(bdd->capacity * sizeof *bdd->nodes);
    bdd->buckets = xcalloc(2 * bdd->capacity, sizeof *bdd->buckets);
    bdd->cache = xcalloc(bdd->capacity, sizeof *bdd->cache);
    for (bdd_ref t = 0; t < BDD_FIRST; t++)
        bdd->nodes[t] = (struct bdd_node) {t, t, BDD_LEVEL_TERMINAL};
}

void bdd_init_sets(struct bdd *bdd, const struct bdd *like)
{
    *bdd = (struct bdd) {.n_nodes = BDD_FIRST, .capacity = FIRST_CAPACITY, .nodes_max = like->nodes_max};
    memcpy(bdd->order, like->order, sizeof bdd->order);
    memcpy(bdd->first, like->first, sizeof bdd->first);
    bdd->nodes = xmalloc(bdd->capacity * sizeof *bdd->nodes);
    for (bdd_ref t = 0; t < BDD_FIRST; t++)
        bdd->nodes[t] = (struct bdd_node) {t, t, BDD_LEVEL_TERMINAL};
}

void bdd_free(struct bdd *bdd)
{
    free(bdd->nodes);
    free(bdd->buckets);
    free(bdd->cache);
    *bdd = (struct bdd) {0};
}

unsigned bdd_field_bits(enum bdd_field field)
{
    return field_bits[field];
}

enum bdd_field bdd_field_of(const struct bdd *bdd, bdd_ref ref)
{
    unsigned level = bdd->nodes[ref].level;

    for (unsigned i = 0; i < BDD_FIELDS; i++) {
        enum bdd_field field = bdd->order[i];

        if (level < bdd->first[field] + field_bits[field])
            return field;
    }
    return BDD_FIELDS;
}

/* The node's, or a free one that has its tag. Nodes are far apart in memory: those of other tags are not looked at. */
static struct bdd_bucket *find_bucket(struct bdd *bdd, const struct bdd_node *node)
{
    size_t mask = 2 * bdd->capacity - 1;
    size_t hash = hash3(node->low, node->high, node->level), i = hash & mask;
    uint32_t tag = (uint32_t) (hash >> 32);

    for (; bdd->buckets[i].ref; i = (i + 1) & mask) {
        const struct bdd_node *other = &bdd->nodes[bdd->buckets[i].ref];

        if (bdd->buckets[i].tag == tag && other->low == node->low && other->high == node->high &&
            other->level == node->level)
            return &bdd->buckets[i];
    }
    bdd->buckets[i].tag = tag;
    return &bdd->buckets[i];
}

static void grow(struct bdd *bdd)
{
    bdd->capacity *= 2;
    bdd->nodes = xrealloc(bdd->nodes, bdd->capacity, sizeof *bdd->nodes);
    free(bdd->buckets);
    free(bdd->cache);
    bdd->buckets = xcalloc(2 * bdd->capacity, sizeof *bdd->buckets);
    bdd->cache = xcalloc(bdd->capacity, sizeof *bdd->cache);
    for (size_t i = BDD_FIRST; i < bdd->n_nodes; i++)
        find_bucket(bdd, &bdd->nodes[i])->ref = (bdd_ref) i;
}

static bdd_ref intern(struct bdd *bdd, struct bdd_node node)
{
    struct bdd_bucket *bucket = find_bucket(bdd, &node);

    if (bucket->ref)
        return bucket->ref;
    if (bdd->n_nodes >= bdd->nodes_max) {
        bdd->full = true;
        return BDD_FALSE;
    }
    if (bdd->n_nodes == bdd->capacity) {
        grow(bdd);
        bucket = find_bucket(bdd, &node);
    }
    bdd->nodes[bdd->n_nodes] = node;
    bucket->ref = (bdd_ref) bdd->n_nodes;
    return (bdd_ref) bdd->n_nodes++;
}

/* Without looking for its like. */
static bdd_ref append(struct bdd *bdd, struct bdd_node node)
{
    if (bdd->n_nodes >= bdd->nodes_max) {
        bdd->full = true;
        return BDD_FALSE;
    }
    bdd->nodes = array_reserve(bdd->nodes, bdd->n_nodes, &bdd->capacity, sizeof node);
    bdd->nodes[bdd->n_nodes] = node;
    return (bdd_ref) bdd->n_nodes++;
}

static bdd_ref make(struct bdd *bdd, unsigned level, bdd_ref low, bdd_ref high)
{
    struct bdd_node node = {low, high, (uint8_t) level};

    if (low == high)
        return low;
    return bdd->buckets ? intern(bdd, node) : append(bdd, node);
}

bdd_ref bdd_node(struct bdd *bdd, unsigned level, bdd_ref low, bdd_ref high)
{
    return make(bdd, level, low, high);
}

bdd_ref bdd_terminal(struct bdd *bdd, uint32_t outcome)
{
    return intern(bdd, (struct bdd_node) {outcome, outcome, BDD_LEVEL_TERMINAL});
}

uint32_t bdd_outcome(const struct bdd *bdd, bdd_ref terminal)
{
    return bdd->nodes[terminal].low;
}

bool bdd_is_terminal(const struct bdd *bdd, bdd_ref ref)
{
    return bdd->nodes[ref].level == BDD_LEVEL_TERMINAL;
}

/* 'next' where the first 'length' bits of the field are those of 'bytes'. */
static bdd_ref match_bits(struct bdd *bdd, enum bdd_field field, const uint8_t *bytes, unsigned length, bdd_ref next)
{
    for (unsigned i = length; i-- > 0;) {
        unsigned level = bdd->first[field] + i;

        next = bytes[i / 8] & 0x80 >> i % 8 ? make(bdd, level, BDD_FALSE, next) : make(bdd, level, next, BDD_FALSE);
    }
    return next;
}

/* 'next' where the field is within the range. 'from' and 'to' are what remains below a bit when all bits above it are
 * those of the first (last) number. */
static bdd_ref match_range(struct bdd *bdd, enum bdd_field field, const struct port_range *range, bdd_ref next)
{
    bdd_ref from = next, to = next, both = next;

    for (unsigned i = 16; i-- > 0;) {
        unsigned level = bdd->first[field] + i;
        bool first = range->first >> (15 - i) & 1, last = range->last >> (15 - i) & 1;

        /* 'both' reads the old 'from' and 'to'. */
        if (first == last)
            both = first ? make(bdd, level, BDD_FALSE, both) : make(bdd, level, both, BDD_FALSE);
        else
            both = make(bdd, level, from, to);
        from = first ? make(bdd, level, BDD_FALSE, from) : make(bdd, level, from, next);
        to = last ? make(bdd, level, next, to) : make(bdd, level, to, BDD_FALSE);
    }
    return both;
}

/* The flags' highest bit is the field's first level. */
static bdd_ref match_flags(struct bdd *bdd, const struct tcp_flags *flags, bdd_ref next)
{
    for (unsigned bit = 0; bit < TCP_FLAGS_BITS; bit++) {
        unsigned level = bdd->first[BDD_TCP_FLAGS] + TCP_FLAGS_BITS - 1u - bit;

        if (flags->mask >> bit & 1)
            next = flags->value >> bit & 1 ? make(bdd, level, BDD_FALSE, next) : make(bdd, level, next, BDD_FALSE);
    }
    return next;
}

static bdd_ref match_number(struct bdd *bdd, enum bdd_field field, int16_t number, bdd_ref next)
{
    uint8_t byte = (uint8_t) ((unsigned) number << (8 - field_bits[field]));

    return number == POLICY_ANY ? next : match_bits(bdd, field, &byte, field_bits[field], next);
}

/* 'next' where the address is in one of the prefixes, which are disjoint, in rising order, and agree in their first
 * 'depth' bits. */
static bdd_ref match_cover(struct bdd *bdd, enum bdd_field field, const struct prefix *prefixes, size_t n,
                           unsigned depth, bdd_ref next)
{
    size_t n_low = 0;

    if (n == 0)
        return BDD_FALSE;
    if (prefixes->length == depth)
        return next;
    while (n_low < n && !(prefixes[n_low].ip.bytes[depth / 8] & 0x80 >> depth % 8))
        n_low++;
    bdd_ref low = match_cover(bdd, field, prefixes, n_low, depth + 1, next);
    bdd_ref high = match_cover(bdd, field, prefixes + n_low, n - n_low, depth + 1, next);
    return make(bdd, bdd->first[field] + depth, low, high);
}

static bdd_ref match_remote(struct bdd *bdd, enum bdd_field field, const struct policy_rule *rule, bdd_ref next)
{
    enum ip_family family = field == BDD_V4 ? IP_V4 : IP_V6;
    AUTO_FREE struct prefix *cover = NULL;

    if (rule->remotes && rule->family == family) {
        size_t n = address_set_cover(rule->remotes, family, &cover);

        return match_cover(bdd, field, cover, n, 0, next);
    }
    return rule->remote.ip.family == family ? match_bits(bdd, field, rule->remote.ip.bytes, rule->remote.length, next) :
                                              next;
}

static bdd_ref match_field(struct bdd *bdd, enum bdd_field field, const struct policy_rule *rule, bdd_ref next)
{
    uint8_t byte;

    switch (field) {
    case BDD_FAMILY:
        byte = rule->family == IP_V6 ? 0x80 : 0;
        return rule->family == IP_NONE ? next : match_bits(bdd, field, &byte, 1, next);
    case BDD_PROTOCOL:
        return match_number(bdd, field, rule->protocol, next);
    case BDD_V4:
    case BDD_V6:
        return match_remote(bdd, field, rule, next);
    case BDD_ICMP_TYPE:
        return match_number(bdd, field, rule->icmp_type, next);
    case BDD_ICMP_CODE:
        return match_number(bdd, field, rule->icmp_code, next);
    case BDD_TCP_FLAGS:
        return match_flags(bdd, &rule->tcp_flags, next);
    case BDD_DSCP:
        return match_number(bdd, field, rule->dscp, next);
    case BDD_SOURCE:
        return match_range(bdd, field, &rule->source_port, next);
    case BDD_DESTINATION:
        return match_range(bdd, field, &rule->destination_port, next);
    case BDD_FIELDS:
        break;
    }
    return next;
}

static bdd_ref match_part(struct bdd *bdd, const struct policy_rule *rule)
{
    bdd_ref set = BDD_TRUE;

    for (unsigned i = BDD_FIELDS; i-- > 0;)
        set = match_field(bdd, bdd->order[i], rule, set);
    return set;
}

unsigned bdd_rule_pieces(struct bdd *bdd, const struct policy_rule *rule, enum ip_family family,
                         bdd_ref pieces[BDD_PIECES_MAX])
{
    struct policy_rule parts[POLICY_PARTS_MAX];
    unsigned n = 0;

    for (unsigned i = policy_rule_parts(rule, parts); i-- > 0;) {
        struct policy_rule part = parts[i];

        if (family != IP_NONE && part.family != IP_NONE && part.family != family)
            continue;
        if (family != IP_NONE)
            part.family = (uint8_t) family;
        /* The addresses of a set have a family each. */
        if (part.remotes && part.family == IP_NONE) {
            part.family = IP_V4;
            pieces[n++] = match_part(bdd, &part);
            part.family = IP_V6;
        }
        pieces[n++] = match_part(bdd, &part);
    }
    return n;
}

bdd_ref bdd_rule(struct bdd *bdd, const struct policy_rule *rule)
{
    bdd_ref pieces[BDD_PIECES_MAX], set = BDD_FALSE;

    for (unsigned i = bdd_rule_pieces(bdd, rule, IP_NONE, pieces); i-- > 0;)
        set = bdd_overlay(bdd, pieces[i], BDD_TRUE, set);
    return set;
}

static bdd_ref low_of(const struct bdd *bdd, bdd_ref ref, unsigned level)
{
    return bdd->nodes[ref].level == level ? bdd->nodes[ref].low : ref;
}

static bdd_ref high_of(const struct bdd *bdd, bdd_ref ref, unsigned level)
{
    return bdd->nodes[ref].level == level ? bdd->nodes[ref].high : ref;
}

static unsigned top_level(const struct bdd *bdd, bdd_ref a, bdd_ref b)
{
    unsigned x = bdd->nodes[a].level, y = bdd->nodes[b].level;

    return x < y ? x : y;
}

/* The cached operations share one cache and tell their keys apart by 'c': a terminal but BDD_FALSE for an overlay,
 * DIFFER with the number of the set for a comparison. The array may move while a result is computed. */
#define DIFFER (UINT32_C(1) << 31)

static struct bdd_cached *cache_at(struct bdd *bdd, uint32_t a, uint32_t b, uint32_t c)
{
    return &bdd->cache[hash3(a, b, c) & (bdd->capacity - 1)];
}

static bool cache_hit(const struct bdd_cached *entry, uint32_t a, uint32_t b, uint32_t c)
{
    /* An unused entry has a == b == 0, which no operation looks up: they are terminals. */
    return entry->a == a && entry->b == b && entry->c == c;
}

bdd_ref bdd_overlay(struct bdd *bdd, bdd_ref set, bdd_ref terminal, bdd_ref base)
{
    if (set == BDD_FALSE || base == terminal || bdd->full)
        return base;
    if (set == BDD_TRUE)
        return terminal;

    const struct bdd_cached *cached = cache_at(bdd, set, base, terminal);
    if (cache_hit(cached, set, base, terminal))
        return cached->result;

    unsigned level = top_level(bdd, set, base);
    bdd_ref low = bdd_overlay(bdd, low_of(bdd, set, level), terminal, low_of(bdd, base, level));
    bdd_ref high = bdd_overlay(bdd, high_of(bdd, set, level), terminal, high_of(bdd, base, level));
    bdd_ref result = make(bdd, level, low, high);

    *cache_at(bdd, set, base, terminal) = (struct bdd_cached) {set, base, terminal, result};
    return result;
}

bool bdd_differ_outside(struct bdd *bdd, bdd_ref a, bdd_ref b, bdd_ref set)
{
    uint32_t key = DIFFER | set;

    if (a == b || set == BDD_TRUE)
        return false;

    unsigned level = top_level(bdd, a, b);
    if (bdd->nodes[set].level < level)
        level = bdd->nodes[set].level;
    if (level == BDD_LEVEL_TERMINAL)
        return true;

    struct bdd_cached *cached = cache_at(bdd, a, b, key);
    if (cache_hit(cached, a, b, key))
        return cached->result;

    bool result = bdd_differ_outside(bdd, low_of(bdd, a, level), low_of(bdd, b, level), low_of(bdd, set, level)) ||
                  bdd_differ_outside(bdd, high_of(bdd, a, level), high_of(bdd, b, level), high_of(bdd, set, level));

    *cached = (struct bdd_cached) {a, b, key, result};
    return result;
}

static void find_classes(const struct bdd *bdd, bdd_ref ref, bool *seen, uint64_t *classes)
{
    if (seen[ref])
        return;
    seen[ref] = true;
    if (!bdd_is_terminal(bdd, ref)) {
        find_classes(bdd, bdd->nodes[ref].low, seen, classes);
        find_classes(bdd, bdd->nodes[ref].high, seen, classes);
    } else if (policy_outcome_class(bdd_outcome(bdd, ref)) >= 0) {
        *classes |= UINT64_C(1) << policy_outcome_class(bdd_outcome(bdd, ref));
    }
}

uint64_t bdd_classes(const struct bdd *bdd, bdd_ref ref)
{
    AUTO_FREE bool *seen = xcalloc(bdd->n_nodes, sizeof *seen);
    uint64_t classes = 0;

    find_classes(bdd, ref, seen, &classes);
    return classes;
}

/* Which way such packets go from a node; both, if they differ in its bit. */
static void ways_of(const struct bdd *bdd, bdd_ref ref, enum bdd_packets packets, bool *low, bool *high)
{
    enum bdd_field field = bdd_field_of(bdd, ref);
    unsigned bit = bdd->first[field] + field_bits[field] - 1u - bdd->nodes[ref].level; /* 0: the lowest */

    *low = *high = true;
    if (field == BDD_PROTOCOL && packets != BDD_ALL) {
        *high = (unsigned) IP_TCP >> bit & 1;
        *low = !*high;
    } else if (field == BDD_TCP_FLAGS && packets == BDD_NEW) {
        *low = bit != TCP_SYN_BIT;
        *high = bit != TCP_ACK_BIT;
    }
}

struct search {
    const struct bdd *bdd;
    enum bdd_packets packets;
    bool (*is)(uint32_t outcome);
    bool *seen;
};

static bool search_from(const struct search *search, bdd_ref ref)
{
    const struct bdd_node *node = &search->bdd->nodes[ref];
    bool low, high;

    if (bdd_is_terminal(search->bdd, ref))
        return search->is(bdd_outcome(search->bdd, ref));
    if (search->seen[ref])
        return false;
    search->seen[ref] = true;
    ways_of(search->bdd, ref, search->packets, &low, &high);
    return (low && search_from(search, node->low)) || (high && search_from(search, node->high));
}

bool bdd_has(const struct bdd *bdd, bdd_ref root, enum bdd_packets packets, bool (*is)(uint32_t outcome))
{
    AUTO_FREE bool *seen = xcalloc(bdd->n_nodes, sizeof *seen);
    struct search search = {bdd, packets, is, seen};

    return search_from(&search, root);
}
