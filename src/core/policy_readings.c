/* SPDX-License-Identifier: Apache-2.0 */
#include "core/policy_readings.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "core/policy_outcome.h"
#include "core/policy_state.h"

void readings_add(struct readings *readings, struct reading reading)
{
    readings->items = array_reserve(readings->items, readings->n, &readings->capacity, sizeof reading);
    readings->items[readings->n++] = reading;
}

void readings_free(struct readings *readings)
{
    free(readings->items);
    *readings = (struct readings) {0};
}

static int order(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

/* All but the destination port. */
static int compare_sources(const struct reading *x, const struct reading *y)
{
    const struct policy_rule *a = &x->rule, *b = &y->rule;
    const int orders[] = {
        order(a->direction, b->direction),
        order(y->priority, x->priority),
        order(policy_outcome(a), policy_outcome(b)),
        order(x->meter, y->meter),
        order(x->has_meter, y->has_meter),
        order(x->limited, y->limited),
        order(x->queue, y->queue),
        order(b->protocol, a->protocol),
        order(a->icmp_type, b->icmp_type),
        order(a->icmp_code, b->icmp_code),
        order(a->dscp, b->dscp),
        order(a->tcp_flags.mask, b->tcp_flags.mask),
        order(a->tcp_flags.value, b->tcp_flags.value),
        order(b->remote.length, a->remote.length),
        memcmp(a->remote.ip.bytes, b->remote.ip.bytes, sizeof a->remote.ip.bytes),
        order(a->source_port.first, b->source_port.first),
        order(a->source_port.last, b->source_port.last),
    };

    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        if (orders[i])
            return orders[i];
    }
    return 0;
}

int readings_compare(const void *a, const void *b)
{
    const struct reading *x = a, *y = b;
    int sources = compare_sources(x, y);

    return sources ? sources : order(x->rule.destination_port.first, y->rule.destination_port.first);
}

/* Sorts, and joins readings that differ in nothing but adjacent or overlapping destination ports. */
static void join_destinations(struct readings *readings)
{
    size_t kept = 0;

    if (readings->n)
        qsort(readings->items, readings->n, sizeof *readings->items, readings_compare);
    for (size_t i = 0; i < readings->n; i++) {
        struct reading *item = &readings->items[i], *last = kept ? &readings->items[kept - 1] : NULL;
        const struct port_range *range = &item->rule.destination_port;

        if (last && compare_sources(last, item) == 0 && range->first <= last->rule.destination_port.last + 1) {
            if (range->last > last->rule.destination_port.last)
                last->rule.destination_port.last = range->last;
            continue;
        }
        readings->items[kept++] = *item;
    }
    readings->n = kept;
}

static void swap_ports(struct readings *readings)
{
    for (size_t i = 0; i < readings->n; i++) {
        struct policy_rule *rule = &readings->items[i].rule;
        struct port_range source = rule->source_port;

        rule->source_port = rule->destination_port;
        rule->destination_port = source;
    }
}

void readings_join_ports(struct readings *readings)
{
    join_destinations(readings);
    swap_ports(readings);
    join_destinations(readings);
    swap_ports(readings);
    if (readings->n)
        qsort(readings->items, readings->n, sizeof *readings->items, readings_compare);
}

/* All but the other end. */
static int compare_but_remotes(const struct reading *x, const struct reading *y)
{
    struct reading a = *x, b = *y;

    a.rule.remote = b.rule.remote = (struct prefix) {0};
    return readings_compare(&a, &b);
}

static int compare_remotes_last(const void *a, const void *b)
{
    int others = compare_but_remotes(a, b);

    return others ? others : readings_compare(a, b);
}

/* How many of the readings from the i-th on differ in nothing but the other end, which is in 'prefixes' then; at least
 * one. */
static size_t alike(const struct readings *readings, size_t i, struct prefix *prefixes)
{
    size_t n = 0;

    for (; n < ADDRESS_SET_PREFIXES_MAX && i + n < readings->n; n++) {
        const struct reading *item = &readings->items[i + n];

        if (item->rule.remote.ip.family == IP_NONE || compare_but_remotes(&readings->items[i], item) != 0)
            break;
        prefixes[n] = item->rule.remote;
    }
    return n ? n : 1;
}

static void join_remotes(struct readings *readings, struct policy *policy)
{
    AUTO_FREE struct prefix *prefixes = xcalloc(readings->n + 1, sizeof *prefixes);
    size_t kept = 0;

    if (!readings->n)
        return;
    qsort(readings->items, readings->n, sizeof *readings->items, compare_remotes_last);
    for (size_t i = 0, n; i < readings->n; i += n) {
        struct reading item = readings->items[i];

        n = alike(readings, i, prefixes);
        if (n > 1) {
            struct address_set *set = address_set_new("", prefixes, n);

            policy_add_set(policy, set);
            item.rule.remote = (struct prefix) {0};
            item.rule.remotes = set;
            if (item.rule.icmp_type == POLICY_ANY)
                item.rule.family = IP_NONE;
        }
        readings->items[kept++] = item;
    }
    readings->n = kept;
    qsort(readings->items, kept, sizeof *readings->items, readings_compare);
}

/* Of a part of a stateful rule that may be one without a protocol: that. Of others themselves. */
static struct reading whole_of(const struct reading *reading)
{
    struct reading whole = *reading;
    struct policy_rule parts[POLICY_PARTS_MAX];

    whole.rule.protocol = whole.rule.icmp_type = POLICY_ANY;
    whole.rule.family = whole.rule.remote.ip.family;
    for (unsigned n = policy_rule_parts(&whole.rule, parts); n-- > 0;) {
        struct reading part = whole;

        part.rule = parts[n];
        if (reading->rule.stateful && readings_compare(&part, reading) == 0)
            return whole;
    }
    return *reading;
}

static int compare_parts_last(const void *a, const void *b)
{
    const struct reading x = whole_of(a), y = whole_of(b);
    int wholes = readings_compare(&x, &y);

    return wholes ? wholes : readings_compare(a, b);
}

#define PARTS_OF_ADDRESS 3 /* TCP, UDP and the echo requests of its family */

static void join_parts(struct readings *readings)
{
    size_t kept = 0;

    if (readings->n)
        qsort(readings->items, readings->n, sizeof *readings->items, compare_parts_last);
    for (size_t i = 0, n; i < readings->n; i += n) {
        struct reading whole = whole_of(&readings->items[i]);

        for (n = 1; i + n < readings->n; n++) {
            const struct reading next = whole_of(&readings->items[i + n]);

            if (readings_compare(&whole, &next) != 0)
                break;
        }
        if (n == PARTS_OF_ADDRESS) {
            readings->items[kept++] = whole;
        } else {
            memmove(&readings->items[kept], &readings->items[i], n * sizeof *readings->items);
            kept += n;
        }
    }
    readings->n = kept;
}

void readings_join(struct readings *readings, struct policy *policy)
{
    readings_join_ports(readings);
    join_parts(readings);
    join_remotes(readings, policy);
}

static bool ranges_meet(const struct port_range *a, const struct port_range *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static bool prefixes_meet(const struct prefix *a, const struct prefix *b)
{
    const struct prefix *wide = a->length < b->length ? a : b, *narrow = wide == a ? b : a;

    return wide->ip.family == IP_NONE || prefix_contains(wide, &narrow->ip);
}

static const struct prefix *remotes_of(const struct policy_rule *rule, size_t *n)
{
    *n = rule->remotes ? rule->remotes->n : 1;
    return rule->remotes ? rule->remotes->prefixes : &rule->remote;
}

static bool remotes_meet(const struct policy_rule *a, const struct policy_rule *b)
{
    size_t n_a, n_b;
    const struct prefix *of_a = remotes_of(a, &n_a), *of_b = remotes_of(b, &n_b);

    for (size_t i = 0; i < n_a; i++) {
        for (size_t j = 0; j < n_b; j++) {
            if (prefixes_meet(&of_a[i], &of_b[j]))
                return true;
        }
    }
    return false;
}

static bool numbers_meet(int16_t a, int16_t b)
{
    return a == POLICY_ANY || b == POLICY_ANY || a == b;
}

static bool flags_meet(const struct tcp_flags *a, const struct tcp_flags *b)
{
    return !((a->value ^ b->value) & a->mask & b->mask);
}

static bool parts_meet(const struct policy_rule *a, const struct policy_rule *b)
{
    return numbers_meet(a->protocol, b->protocol) && numbers_meet(a->icmp_type, b->icmp_type) &&
           numbers_meet(a->icmp_code, b->icmp_code) && numbers_meet(a->dscp, b->dscp) &&
           flags_meet(&a->tcp_flags, &b->tcp_flags) && ranges_meet(&a->source_port, &b->source_port) &&
           ranges_meet(&a->destination_port, &b->destination_port) && remotes_meet(a, b);
}

bool policy_rules_meet(const struct policy_rule *a, const struct policy_rule *b)
{
    struct policy_rule of_a[POLICY_PARTS_MAX], of_b[POLICY_PARTS_MAX];
    unsigned n_a = policy_rule_parts(a, of_a), n_b = policy_rule_parts(b, of_b);

    for (unsigned i = 0; i < n_a; i++) {
        for (unsigned j = 0; j < n_b; j++) {
            if (parts_meet(&of_a[i], &of_b[j]))
                return true;
        }
    }
    return false;
}

static bool narrow_number(int16_t other, int16_t *number)
{
    if (*number == POLICY_ANY)
        *number = other;
    return other == POLICY_ANY || other == *number;
}

static bool narrow_range(const struct port_range *other, struct port_range *range)
{
    if (other->first > range->first)
        range->first = other->first;
    if (other->last < range->last)
        range->last = other->last;
    return range->first <= range->last;
}

static bool narrow_flags(const struct tcp_flags *other, struct tcp_flags *flags)
{
    bool meet = flags_meet(other, flags);

    flags->mask |= other->mask;
    flags->value |= other->value;
    return meet;
}

static bool narrow_remote(const struct prefix *other, struct prefix *remote)
{
    bool meet = other->ip.family == IP_NONE || remote->ip.family == IP_NONE || prefixes_meet(other, remote);

    if (other->ip.family != IP_NONE && (remote->ip.family == IP_NONE || other->length > remote->length))
        *remote = *other;
    return meet;
}

bool policy_rules_intersect(const struct policy_rule *other, struct policy_rule *rule)
{
    if (rule->family == IP_NONE)
        rule->family = other->family;
    return (other->family == IP_NONE || other->family == rule->family) &&
           narrow_number(other->protocol, &rule->protocol) && narrow_number(other->icmp_type, &rule->icmp_type) &&
           narrow_number(other->icmp_code, &rule->icmp_code) && narrow_number(other->dscp, &rule->dscp) &&
           narrow_flags(&other->tcp_flags, &rule->tcp_flags) && narrow_range(&other->source_port, &rule->source_port) &&
           narrow_range(&other->destination_port, &rule->destination_port) &&
           narrow_remote(&other->remote, &rule->remote);
}
