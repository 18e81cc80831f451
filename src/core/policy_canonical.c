/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical form of a policy: rules written down from its decision diagram, so that only the treatment of packets
 * decides what they are.
 *
 * From the top of the diagram, field by field: values that lead to the same sub-diagram are one block of rules, the
 * most frequent one comes last and matches any value; TCP flags are taken one by one. Remote addresses become the
 * fewest nested prefixes (R. Draves et al., "Constructing Optimal IP Routing Tables", INFOCOM 1999: longest prefix
 * first is first match). Then, from the last rule up, each that decides no packet otherwise than those behind it is
 * dropped. Which order of fields gives few rules depends on the policy; three are tried for each direction and the
 * shortest result is taken. Wherever a choice is free, sub-diagrams are told apart by the order in which a walk from
 * the root meets them, never by how they were built. */
#include "core/policy.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "core/policy_bdd.h"
#include "core/policy_outcome.h"
#include "core/policy_state.h"

#define RULES_LIMIT 16384
#define LABELS_MAX 16
#define NO_LABEL UINT32_MAX

static const uint8_t field_orders[][BDD_FIELDS] = {
    {BDD_FAMILY, BDD_PROTOCOL, BDD_V4, BDD_V6, BDD_ICMP_TYPE, BDD_ICMP_CODE, BDD_DESTINATION, BDD_SOURCE, BDD_TCP_FLAGS,
     BDD_DSCP},
    {BDD_FAMILY, BDD_V4, BDD_V6, BDD_PROTOCOL, BDD_ICMP_TYPE, BDD_ICMP_CODE, BDD_DESTINATION, BDD_SOURCE, BDD_TCP_FLAGS,
     BDD_DSCP},
    {BDD_FAMILY, BDD_PROTOCOL, BDD_ICMP_TYPE, BDD_ICMP_CODE, BDD_DESTINATION, BDD_SOURCE, BDD_TCP_FLAGS, BDD_DSCP,
     BDD_V4, BDD_V6},
};

/* Sub-diagrams that a prefix may lead to with the fewest prefixes below it, in the order of their numbers. Beyond
 * LABELS_MAX the rest is forgotten, which only costs rules. */
struct labels {
    unsigned n;
    bdd_ref refs[LABELS_MAX];
};

struct emitter {
    const struct bdd *bdd;
    uint32_t *numbers;      /* by reference: when a walk from the root first met it, from 1 */
    uint64_t *weights;      /* paths to terminals: a guess at the rules that it takes */
    uint32_t *counts;       /* scratch, zero between uses */
    struct labels **labels; /* of nodes that test an address; null: not known yet */
    struct policy rules;
    bool exceeded;
};

struct interval {
    uint32_t first, last;
    bdd_ref ref;
};

struct intervals {
    struct interval *items;
    size_t n, capacity;
};

static void emit(struct emitter *e, bdd_ref ref, struct policy_rule rule);

static void number_nodes(struct emitter *e, bdd_ref ref, uint32_t *next)
{
    const struct bdd_node *node = &e->bdd->nodes[ref];

    if (e->numbers[ref])
        return;
    e->numbers[ref] = (*next)++;
    if (bdd_is_terminal(e->bdd, ref)) {
        e->weights[ref] = 1;
        return;
    }
    number_nodes(e, node->low, next);
    number_nodes(e, node->high, next);

    uint64_t weight = e->weights[node->low] + e->weights[node->high];
    e->weights[ref] = weight < UINT64_MAX / 4 ? weight : UINT64_MAX / 4;
}

/* Whether 'a', which occurs 'a_count' times, is the better one to write last, once, for any value. */
static bool better(const struct emitter *e, bdd_ref a, uint32_t a_count, bdd_ref b, uint32_t b_count)
{
    if (a_count != b_count)
        return a_count > b_count;
    if (e->weights[a] != e->weights[b])
        return e->weights[a] > e->weights[b];
    return e->numbers[a] < e->numbers[b];
}

static bool within(const struct emitter *e, bdd_ref ref, enum bdd_field field)
{
    return e->bdd->nodes[ref].level < e->bdd->first[field] + bdd_field_bits(field);
}

/* Appends what the values of a field of up to 16 bits lead to, in rising order; neighbours that lead to the same are
 * one interval. 'first' are the bits above 'depth'. */
static void collect(const struct emitter *e, enum bdd_field field, bdd_ref ref, unsigned depth, uint32_t first,
                    struct intervals *to)
{
    unsigned bits = bdd_field_bits(field);

    if (within(e, ref, field)) {
        const struct bdd_node *node = &e->bdd->nodes[ref];
        bool tested = node->level == e->bdd->first[field] + depth;

        collect(e, field, tested ? node->low : ref, depth + 1, first, to);
        collect(e, field, tested ? node->high : ref, depth + 1, first | 1u << (bits - 1 - depth), to);
        return;
    }

    uint32_t last = first + (1u << (bits - depth)) - 1;
    if (to->n && to->items[to->n - 1].ref == ref) {
        to->items[to->n - 1].last = last;
        return;
    }
    to->items = array_reserve(to->items, to->n, &to->capacity, sizeof *to->items);
    to->items[to->n++] = (struct interval) {first, last, ref};
}

static void set_range(struct policy_rule *rule, enum bdd_field field, const struct interval *interval)
{
    struct port_range *range = field == BDD_SOURCE ? &rule->source_port : &rule->destination_port;

    *range = (struct port_range) {(uint16_t) interval->first, (uint16_t) interval->last};
}

/* Ports: a block for each interval but those of the most frequent sub-diagram, which comes last for any port. */
static void emit_ranges(struct emitter *e, enum bdd_field field, bdd_ref ref, struct policy_rule rule)
{
    struct intervals intervals = {0};

    collect(e, field, ref, 0, 0, &intervals);
    bdd_ref rest = intervals.items[0].ref;
    for (size_t i = 0; i < intervals.n; i++)
        e->counts[intervals.items[i].ref]++;
    for (size_t i = 1; i < intervals.n; i++) {
        bdd_ref r = intervals.items[i].ref;

        if (better(e, r, e->counts[r], rest, e->counts[rest]))
            rest = r;
    }
    for (size_t i = 0; i < intervals.n; i++)
        e->counts[intervals.items[i].ref] = 0;
    for (size_t i = 0; i < intervals.n; i++) {
        struct policy_rule part = rule;

        set_range(&part, field, &intervals.items[i]);
        if (intervals.items[i].ref != rest)
            emit(e, intervals.items[i].ref, part);
    }
    free(intervals.items);
    emit(e, rest, rule);
}

static void set_number(struct policy_rule *rule, enum bdd_field field, unsigned value)
{
    if (field == BDD_PROTOCOL) {
        rule->protocol = (int16_t) value;
    } else if (field == BDD_DSCP) {
        rule->dscp = (int16_t) value;
    } else if (field == BDD_ICMP_CODE) {
        rule->icmp_code = (int16_t) value;
    } else {
        rule->icmp_type = (int16_t) value;
        rule->family = rule->protocol == IP_ICMPV6 ? IP_V6 : IP_V4;
    }
}

/* What is below a protocol with ports, flags or types cannot be written for any protocol, nor a code for any type. */
static bool may_be_rest(const struct emitter *e, enum bdd_field field, unsigned value, bdd_ref ref)
{
    if (field == BDD_PROTOCOL)
        return value != IP_ICMP && value != IP_TCP && value != IP_UDP && value != IP_ICMPV6;
    return field != BDD_ICMP_TYPE || bdd_field_of(e->bdd, ref) != BDD_ICMP_CODE;
}

/* Protocol, ICMP type and code, DSCP: a block for each value but those of the most frequent sub-diagram. */
static void emit_numbers(struct emitter *e, enum bdd_field field, bdd_ref ref, struct policy_rule rule)
{
    struct intervals intervals = {0};
    bdd_ref refs[256], rest = NO_LABEL;
    unsigned n = 1u << bdd_field_bits(field);

    collect(e, field, ref, 0, 0, &intervals);
    for (size_t i = 0; i < intervals.n; i++) {
        for (uint32_t v = intervals.items[i].first; v <= intervals.items[i].last; v++)
            refs[v] = intervals.items[i].ref;
    }
    free(intervals.items);
    for (unsigned v = 0; v < n; v++)
        e->counts[refs[v]] += may_be_rest(e, field, v, refs[v]);
    for (unsigned v = 0; v < n; v++) {
        uint32_t count = e->counts[refs[v]];

        if (count && (rest == NO_LABEL || better(e, refs[v], count, rest, e->counts[rest])))
            rest = refs[v];
    }
    for (unsigned v = 0; v < n; v++)
        e->counts[refs[v]] = 0;
    for (unsigned v = 0; v < n; v++) {
        struct policy_rule part = rule;

        set_number(&part, field, v);
        if (refs[v] != rest)
            emit(e, refs[v], part);
    }
    if (rest != NO_LABEL)
        emit(e, rest, rule);
}

/* A flag: the half that takes more rules comes last, for any value of it. */
static void emit_flag(struct emitter *e, bdd_ref ref, struct policy_rule rule)
{
    const struct bdd_node *node = &e->bdd->nodes[ref];
    unsigned bit = e->bdd->first[BDD_TCP_FLAGS] + TCP_FLAGS_BITS - 1u - node->level;
    bool high_first = better(e, node->low, 1, node->high, 1);
    struct policy_rule part = rule;

    part.tcp_flags.mask |= (uint16_t) (1u << bit);
    part.tcp_flags.value |= (uint16_t) (high_first << bit);
    emit(e, high_first ? node->high : node->low, part);
    emit(e, high_first ? node->low : node->high, rule);
}

/* Merges two lists in the order of their numbers: what is in both, or, if 'either', what is in one of them. */
static struct labels merge_labels(const struct emitter *e, const struct labels *a, const struct labels *b, bool either)
{
    struct labels merged = {0};

    for (unsigned i = 0, j = 0; (i < a->n || j < b->n) && merged.n < LABELS_MAX;) {
        uint32_t x = i < a->n ? e->numbers[a->refs[i]] : UINT32_MAX, y = j < b->n ? e->numbers[b->refs[j]] : UINT32_MAX;

        if (x == y || either)
            merged.refs[merged.n++] = x <= y ? a->refs[i] : b->refs[j];
        i += x <= y;
        j += y <= x;
    }
    return merged;
}

static struct labels labels_of(struct emitter *e, enum bdd_field field, bdd_ref ref)
{
    const struct bdd_node *node = &e->bdd->nodes[ref];

    if (!within(e, ref, field))
        return (struct labels) {.n = 1, .refs = {ref}};
    if (!e->labels[ref]) {
        struct labels low = labels_of(e, field, node->low), high = labels_of(e, field, node->high);
        struct labels both = merge_labels(e, &low, &high, false);

        if (!both.n)
            both = merge_labels(e, &low, &high, true);
        e->labels[ref] = xmemdup(&both, sizeof both);
    }
    return *e->labels[ref];
}

/* The label of a prefix below one that has 'inherited': that one if it does as well. */
static bdd_ref choose_label(struct emitter *e, enum bdd_field field, bdd_ref ref, bdd_ref inherited)
{
    struct labels labels = labels_of(e, field, ref);
    bdd_ref best = labels.refs[0];

    for (unsigned i = 0; i < labels.n; i++) {
        if (labels.refs[i] == inherited)
            return inherited;
        if (better(e, labels.refs[i], 1, best, 1))
            best = labels.refs[i];
    }
    return best;
}

/* Longer prefixes first. 'rule->remote' is the prefix that leads to 'ref'. */
static void emit_prefixes(struct emitter *e, enum bdd_field field, bdd_ref ref, bdd_ref inherited,
                          const struct policy_rule *rule)
{
    bdd_ref label = choose_label(e, field, ref, inherited);
    unsigned depth = rule->remote.length;

    if (e->exceeded)
        return;
    if (within(e, ref, field)) {
        const struct bdd_node *node = &e->bdd->nodes[ref];
        bool tested = node->level == e->bdd->first[field] + depth;
        struct policy_rule child = *rule;

        child.remote.length++;
        emit_prefixes(e, field, tested ? node->low : ref, label, &child);
        child.remote.ip.bytes[depth / 8] |= (uint8_t) (0x80 >> depth % 8);
        emit_prefixes(e, field, tested ? node->high : ref, label, &child);
    }
    if (label == inherited)
        return;

    struct policy_rule whole = *rule;
    if (depth == 0)
        whole.remote = (struct prefix) {0};
    else
        whole.family = whole.remote.ip.family;
    emit(e, label, whole);
}

/* Appends rules that treat the packets that 'rule' matches as 'ref' says; the last of them is 'rule' with a verdict. */
static void emit(struct emitter *e, bdd_ref ref, struct policy_rule rule)
{
    const struct bdd_node *node = &e->bdd->nodes[ref];
    enum bdd_field field = bdd_field_of(e->bdd, ref);

    e->exceeded |= e->rules.n_rules >= RULES_LIMIT;
    if (e->exceeded)
        return;
    switch (field) {
    case BDD_FAMILY:
        rule.family = IP_V4;
        emit(e, node->low, rule);
        /* Only IPv6 is left, so rules need not say so unless they test what only IPv6 has. */
        rule.family = IP_NONE;
        emit(e, node->high, rule);
        return;
    case BDD_PROTOCOL:
    case BDD_ICMP_TYPE:
    case BDD_ICMP_CODE:
    case BDD_DSCP:
        emit_numbers(e, field, ref, rule);
        return;
    case BDD_V4:
    case BDD_V6:
        rule.remote.ip.family = field == BDD_V4 ? IP_V4 : IP_V6;
        emit_prefixes(e, field, ref, NO_LABEL, &rule);
        return;
    case BDD_SOURCE:
    case BDD_DESTINATION:
        emit_ranges(e, field, ref, rule);
        return;
    case BDD_TCP_FLAGS:
        emit_flag(e, ref, rule);
        return;
    case BDD_FIELDS:
        policy_outcome_apply(bdd_outcome(e->bdd, ref), &rule);
        policy_add_rule(&e->rules, rule);
        return;
    }
}

/* Drops every rule that decides no packet otherwise than those behind it would, and turns the last one, which matches
 * all packets, into the default. */
static void drop_redundant(struct bdd *bdd, struct policy *rules, enum policy_direction direction)
{
    size_t n = rules->n_rules, kept = n;
    AUTO_FREE bdd_ref *sets = xmalloc(n * sizeof *sets);
    AUTO_FREE bdd_ref *covered = xmalloc(n * sizeof *covered); /* by the rules in front */
    bdd_ref cover = BDD_FALSE;
    struct policy_rule last = rules->rules[n - 1];
    bdd_ref rest = bdd_terminal(bdd, policy_outcome(&last));

    for (size_t i = 0; i < n; i++) {
        sets[i] = bdd_rule(bdd, &rules->rules[i]);
        covered[i] = cover;
        cover = bdd_overlay(bdd, sets[i], BDD_TRUE, cover);
    }
    if (policy_outcome_is_plain(&last))
        rules->default_verdict[direction] = last.verdict;
    else
        rules->rules[--kept] = last;
    for (size_t i = n - 1; i-- > 0;) {
        bdd_ref outcome = bdd_terminal(bdd, policy_outcome(&rules->rules[i]));
        bdd_ref with = bdd_overlay(bdd, sets[i], outcome, rest);

        if (!bdd_differ_outside(bdd, with, rest, covered[i]))
            continue;
        rest = with;
        rules->rules[--kept] = rules->rules[i];
    }
    memmove(rules->rules, rules->rules + kept, (n - kept) * sizeof *rules->rules);
    rules->n_rules = n - kept;
}

/* Of one direction, whatever the order of fields. */
struct opening {
    bool passes_new; /* its rules let what opens a connection pass */
    bool keeps_tcp;  /* and let replies to TCP pass in the other direction */
};

/* Rules and default of one direction with one order of fields. False if they would be too many. */
static bool emit_direction(const struct policy *policy, enum policy_direction direction,
                           const uint8_t order[BDD_FIELDS], struct policy *ret_rules, struct opening *opening)
{
    __attribute__((cleanup(bdd_free))) struct bdd bdd;
    struct emitter e = {.bdd = &bdd};
    uint32_t next = 1;

    bdd_init(&bdd, order, BDD_NODES_MAX);
    bdd_ref root = bdd_policy(&bdd, policy, direction, IP_NONE);
    if (bdd.full)
        return false;
    size_t n = bdd.n_nodes;
    e.numbers = xcalloc(n, sizeof *e.numbers);
    e.weights = xcalloc(n, sizeof *e.weights);
    e.counts = xcalloc(n, sizeof *e.counts);
    e.labels = xcalloc(n, sizeof *e.labels);
    opening->passes_new = bdd_has(&bdd, root, BDD_NEW, policy_outcome_passes);
    opening->keeps_tcp = bdd_has(&bdd, root, BDD_TCP, policy_outcome_is_stateful);
    number_nodes(&e, root, &next);
    emit(&e, root, policy_rule_any(direction, POLICY_DENY));
    for (size_t i = 0; i < n; i++)
        free(e.labels[i]);
    free(e.numbers);
    free(e.weights);
    free(e.counts);
    free(e.labels);
    if (!e.exceeded)
        drop_redundant(&bdd, &e.rules, direction);
    if (e.exceeded || bdd.full) {
        policy_free(&e.rules);
        return false;
    }
    *ret_rules = e.rules;
    return true;
}

/* Gives the canonical policy what its rules use of the classes of 'policy'. */
static void add_classes(const struct policy *policy, struct policy *canonical)
{
    for (size_t i = 0; i < canonical->n_rules; i++) {
        const struct policy_rule *rule = &canonical->rules[i];

        if (!rule->in_class)
            continue;
        int from = policy_class_find(policy, rule->set_dscp);
        int to = policy_class_obtain(canonical, (uint8_t) rule->set_dscp);
        canonical->classes[to].rate[rule->direction] = policy->classes[from].rate[rule->direction];
        canonical->classes[to].queue[rule->direction] = policy->classes[from].queue[rule->direction];
    }
}

/* A rule for each ethertype that the direction allows. */
static void add_ethertypes(const struct policy *policy, enum policy_direction direction, struct policy *canonical)
{
    uint16_t types[POLICY_ETHERTYPES_MAX];
    unsigned n = policy_ethertypes(policy, direction, types);

    for (unsigned i = 0; i < n; i++) {
        struct policy_rule rule = policy_rule_any(direction, POLICY_ALLOW);

        rule.ethertype = types[i];
        policy_add_rule(canonical, rule);
    }
}

struct policy policy_canonical(const struct policy *policy)
{
    struct policy canonical = *policy;
    struct opening opening[2];

    canonical.rules = NULL;
    canonical.n_rules = canonical.cap_rules = 0;
    canonical.sets = NULL;
    canonical.n_sets = canonical.cap_sets = 0;
    memset(canonical.classes, 0, sizeof canonical.classes);
    canonical.n_classes = 0;
    for (unsigned d = 0; d < 2; d++) {
        __attribute__((cleanup(policy_free))) struct policy best = {0};
        bool found = false;

        for (size_t i = 0; i < ARRAY_LEN(field_orders); i++) {
            struct policy rules;

            if (!emit_direction(policy, d, field_orders[i], &rules, &opening[d]))
                continue;
            if (!found || rules.n_rules < best.n_rules) {
                policy_free(&best);
                best = rules;
            } else {
                policy_free(&rules);
            }
            found = true;
        }
        if (!found) {
            policy_free(&canonical);
            return policy_copy(policy);
        }
        canonical.default_verdict[d] = best.default_verdict[d];
        for (size_t i = 0; i < best.n_rules; i++)
            policy_add_rule(&canonical, best.rules[i]);
        add_ethertypes(policy, d, &canonical);
    }
    for (unsigned d = 0; d < 2; d++) {
        if (!canonical.rate[d].kbps || !policy_passes_any(&canonical, d))
            canonical.rate[d] = (struct policy_rate) {0};
        if (!opening[d].passes_new && !opening[!d].keeps_tcp)
            canonical.new_limit[d] = (struct policy_new_limit) {0};
    }
    add_classes(policy, &canonical);
    return canonical;
}
