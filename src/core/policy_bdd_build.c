/* SPDX-License-Identifier: Apache-2.0 */
/* The diagram of a policy, from the top down.
 *
 * At each bit stand the rules that still may match, in order, each as the set of packets that it matches below; the
 * next bit that one of them tests parts them in two lists. What is behind a rule that matches all is never met. A list
 * that was met before has its diagram already. So few nodes are made that are not in the diagram in the end: five to
 * thirty times fewer than by combining rules from the bottom up. */
#include <string.h>

#include "base/alloc.h"
#include "core/policy_bdd.h"
#include "core/policy_outcome.h"

#define ITEMS_PER_NODE 4 /* of what nodes_max allows: the lists must not take all memory either */

struct item {
    bdd_ref set;      /* in 'sets' */
    bdd_ref terminal; /* in 'bdd' */
};

/* A list, or what is left of its elements behind. */
struct list {
    size_t at;
    uint32_t n;
};

struct known {
    struct list list; /* n == 0: free */
    bdd_ref root;
};

struct builder {
    struct bdd *bdd;
    struct bdd sets;
    struct item *items;
    size_t n_items, cap_items;
    struct known *known; /* open addressing */
    size_t n_known, cap_known;
};

static void add_item(struct builder *b, struct item item)
{
    b->items = array_reserve(b->items, b->n_items, &b->cap_items, sizeof item);
    b->items[b->n_items++] = item;
}

static size_t hash_list(const struct item *items, size_t n)
{
    uint64_t h = n;

    for (size_t i = 0; i < n; i++)
        h = (h ^ ((uint64_t) items[i].set << 32 | items[i].terminal)) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t) (h ^ h >> 32);
}

static struct known *find_known(const struct builder *b, struct list list)
{
    const struct item *items = b->items + list.at;
    size_t i = hash_list(items, list.n) & (b->cap_known - 1);

    for (; b->known[i].list.n; i = (i + 1) & (b->cap_known - 1)) {
        const struct list *other = &b->known[i].list;

        if (other->n == list.n && memcmp(b->items + other->at, items, list.n * sizeof *items) == 0)
            break;
    }
    return &b->known[i];
}

static void remember(struct builder *b, struct list list, bdd_ref root)
{
    if (b->n_known * 2 >= b->cap_known) {
        struct known *old = b->known;
        size_t n = b->cap_known;

        b->cap_known *= 2;
        b->known = xcalloc(b->cap_known, sizeof *b->known);
        for (size_t i = 0; i < n; i++) {
            if (old[i].list.n)
                *find_known(b, old[i].list) = old[i];
        }
        free(old);
    }
    *find_known(b, list) = (struct known) {list, root};
    b->n_known++;
}

/* Ends the list that begins at 'at': the last one matches all, and what does the same just before it is no news. */
static struct list end_list(struct builder *b, size_t at)
{
    while (b->n_items - at > 1 && b->items[b->n_items - 2].terminal == b->items[b->n_items - 1].terminal)
        b->n_items--;
    b->items[b->n_items - 1].set = BDD_TRUE;
    return (struct list) {at, (uint32_t) (b->n_items - at)};
}

/* Appends what the list is where the bit of 'level' is 'high'. */
static struct list part_list(struct builder *b, struct list list, unsigned level, bool high)
{
    size_t at = b->n_items;

    for (uint32_t i = 0; i < list.n; i++) {
        struct item item = b->items[list.at + i];
        const struct bdd_node *node = &b->sets.nodes[item.set];

        if (node->level == level)
            item.set = high ? node->high : node->low;
        if (item.set == BDD_FALSE)
            continue;
        add_item(b, item);
        if (item.set == BDD_TRUE)
            break;
    }
    return end_list(b, at);
}

/* Appends the list with another set for its i-th element; BDD_FALSE: without it. */
static struct list change_list(struct builder *b, struct list list, uint32_t i, bdd_ref set)
{
    size_t at = b->n_items;

    for (uint32_t k = 0; k < list.n; k++) {
        struct item item = b->items[list.at + k];

        if (k == i)
            item.set = set;
        if (item.set != BDD_FALSE)
            add_item(b, item);
        if (item.set == BDD_TRUE)
            break;
    }
    return end_list(b, at);
}

/* The bit that is tested next, the first element that tests it, and the bit that the others test next. */
struct next_test {
    unsigned level, others;
    uint32_t i;
};

static struct next_test next_test(const struct builder *b, struct list list)
{
    struct next_test next = {BDD_LEVEL_TERMINAL, BDD_LEVEL_TERMINAL, 0};

    for (uint32_t i = 0; i < list.n; i++) {
        unsigned level = b->sets.nodes[b->items[list.at + i].set].level;

        if (level < next.level) {
            next.others = next.level;
            next.level = level;
            next.i = i;
        } else if (level < next.others) {
            next.others = level;
        }
    }
    return next;
}

static bool is_chain(const struct bdd_node *node)
{
    return node->level != BDD_LEVEL_TERMINAL && (node->low == BDD_FALSE || node->high == BDD_FALSE);
}

static bdd_ref build(struct builder *b, struct list list);

/* Down a prefix of one rule, as far as no other rule tests any of its bits: wherever a packet leaves it, it meets the
 * same, the others. */
static bdd_ref build_chain(struct builder *b, struct list list, struct next_test next)
{
    const struct bdd_node *nodes = b->sets.nodes;
    bdd_ref path[BDD_LEVEL_TERMINAL], set = b->items[list.at + next.i].set;
    unsigned n = 0;

    for (; is_chain(&nodes[set]) && nodes[set].level < next.others; n++) {
        path[n] = set;
        set = nodes[set].low == BDD_FALSE ? nodes[set].high : nodes[set].low;
    }
    bdd_ref left = build(b, change_list(b, list, next.i, BDD_FALSE));
    bdd_ref root = build(b, change_list(b, list, next.i, set));

    while (n-- > 0) {
        bool high = nodes[path[n]].low == BDD_FALSE;

        root = bdd_node(b->bdd, nodes[path[n]].level, high ? left : root, high ? root : left);
    }
    return root;
}

static bdd_ref build(struct builder *b, struct list list)
{
    if (list.n == 1 || b->bdd->full)
        return b->items[list.at].terminal;

    const struct known *known = find_known(b, list);
    if (known->list.n) {
        b->n_items = list.at; /* the list was the last one, and its like is kept */
        return known->root;
    }
    if (b->n_items > b->bdd->nodes_max * ITEMS_PER_NODE)
        b->bdd->full = true;

    struct next_test next = next_test(b, list);
    bdd_ref root;

    if (next.others > next.level && is_chain(&b->sets.nodes[b->items[list.at + next.i].set])) {
        root = build_chain(b, list, next);
    } else {
        bdd_ref low = build(b, part_list(b, list, next.level, false));
        bdd_ref high = build(b, part_list(b, list, next.level, true));

        root = bdd_node(b->bdd, next.level, low, high);
    }
    remember(b, list, root);
    return root;
}

static void add_rule(struct builder *b, const struct policy_rule *rule, enum ip_family family, uint32_t outcome)
{
    bdd_ref terminal = bdd_terminal(b->bdd, outcome), pieces[BDD_PIECES_MAX];
    unsigned n = bdd_rule_pieces(&b->sets, rule, family, pieces);

    for (unsigned i = 0; i < n; i++) {
        if (pieces[i] != BDD_FALSE)
            add_item(b, (struct item) {pieces[i], terminal});
    }
}

static bdd_ref build_policy(struct bdd *bdd, const struct policy *policy, enum policy_direction direction,
                            enum ip_family family, bool by_rule)
{
    struct builder b = {.bdd = bdd, .cap_known = 1024};

    bdd_init_sets(&b.sets, bdd);
    b.known = xcalloc(b.cap_known, sizeof *b.known);
    for (size_t i = 0; i < policy->n_rules; i++) {
        if (policy->rules[i].direction == direction)
            add_rule(&b, &policy->rules[i], family, by_rule ? (uint32_t) i : policy_outcome(&policy->rules[i]));
    }
    uint32_t rest = by_rule ? (uint32_t) policy->n_rules : policy_outcome_default(policy, direction);
    add_item(&b, (struct item) {BDD_TRUE, bdd_terminal(bdd, rest)});
    bdd->full |= b.sets.full;

    /* At no level yet: only what cannot be met goes. */
    bdd_ref root = build(&b, part_list(&b, (struct list) {0, (uint32_t) b.n_items}, BDD_LEVEL_TERMINAL, false));
    bdd_free(&b.sets);
    free(b.items);
    free(b.known);
    if (family == IP_NONE || bdd->nodes[root].level != bdd->first[BDD_FAMILY])
        return root;
    return family == IP_V6 ? bdd->nodes[root].high : bdd->nodes[root].low;
}

bdd_ref bdd_policy(struct bdd *bdd, const struct policy *policy, enum policy_direction direction, enum ip_family family)
{
    return build_policy(bdd, policy, direction, family, false);
}

bdd_ref bdd_policy_rules(struct bdd *bdd, const struct policy *policy, enum policy_direction direction,
                         enum ip_family family)
{
    return build_policy(bdd, policy, direction, family, true);
}
