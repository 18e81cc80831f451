/* SPDX-License-Identifier: Apache-2.0 */
/* Which packets show what a policy does: found in the diagram whose terminals are the rules that decide. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "core/policy_bdd.h"
#include "core/probe.h"

#define EXPERIMENTAL 253       /* RFC 3692 */
#define DHCPV6_CLIENT_PORT 546 /* RFC 8415 §7.2 */
#define HEADER_BYTES 32

/* The protocol first, so that packets of few of them show most rules; the remote address before the destination port,
 * so that what is just outside a rule is one port away rather than one address. */
static const uint8_t field_order[BDD_FIELDS] = {
    BDD_FAMILY, BDD_PROTOCOL, BDD_ICMP_TYPE,   BDD_ICMP_CODE, BDD_SOURCE,
    BDD_V4,     BDD_V6,       BDD_DESTINATION, BDD_TCP_FLAGS, BDD_DSCP,
};

/* Every bit of a header, by level of the diagram. */
struct header {
    uint8_t bits[HEADER_BYTES];
};

struct chooser {
    struct bdd bdd;
    const struct policy *policy;
    enum policy_direction direction;
    enum ip_family family;
    bdd_ref root;
    uint8_t *verdicts; /* by node: a bit for each verdict below it; 0: not known yet */
    bool *visited;     /* by node */
    bool *found;       /* by rule */
    struct header *headers;
};

static bool get_bit(const struct header *header, unsigned level)
{
    return header->bits[level / 8] & 0x80 >> level % 8;
}

static void set_bit(struct header *header, unsigned level, bool high)
{
    uint8_t bit = (uint8_t) (0x80 >> level % 8);

    header->bits[level / 8] = (uint8_t) (high ? header->bits[level / 8] | bit : header->bits[level / 8] & ~bit);
}

static void set_field(const struct bdd *bdd, struct header *header, enum bdd_field field, const uint8_t *bytes)
{
    for (unsigned i = 0; i < bdd_field_bits(field); i++)
        set_bit(header, bdd->first[field] + i, bytes[i / 8] & 0x80 >> i % 8);
}

static void set_number(const struct bdd *bdd, struct header *header, enum bdd_field field, unsigned value)
{
    unsigned n = bdd_field_bits(field);

    for (unsigned i = 0; i < n; i++)
        set_bit(header, bdd->first[field] + i, value >> (n - 1 - i) & 1);
}

static unsigned get_number(const struct bdd *bdd, const struct header *header, enum bdd_field field)
{
    unsigned value = 0;

    for (unsigned i = 0; i < bdd_field_bits(field); i++)
        value = value << 1 | get_bit(header, bdd->first[field] + i);
    return value;
}

/* What a packet has where no rule asks: documentation addresses (RFC 5737, RFC 3849), an established connection, so
 * that limits of new ones do not matter, an echo request. */
static struct header default_header(const struct chooser *c)
{
    static const uint8_t v4[4] = {198, 51, 100, 1};
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    struct header header = {0};

    set_number(&c->bdd, &header, BDD_FAMILY, c->family == IP_V6);
    set_field(&c->bdd, &header, BDD_V4, v4);
    set_field(&c->bdd, &header, BDD_V6, v6);
    set_number(&c->bdd, &header, BDD_SOURCE, 49152);
    set_number(&c->bdd, &header, BDD_DESTINATION, 49153);
    set_number(&c->bdd, &header, BDD_TCP_FLAGS, TCP_ACK);
    set_number(&c->bdd, &header, BDD_ICMP_TYPE, c->family == IP_V6 ? 128 : 8);
    return header;
}

/* Open vSwitch takes the headers of some protocols for extension headers (RFC 8200 §4, RFC 4302). What routers, DHCPv6
 * servers and neighbours say is not what policies are about: SPOOF drops most of it (pipeline.h). */
static bool can_be_sent(const struct chooser *c, const struct header *header)
{
    if (c->family != IP_V6)
        return true;
    switch (get_number(&c->bdd, header, BDD_PROTOCOL)) {
    case 0:
    case 43:
    case 44:
    case 51:
    case 60:
        return false;
    case IP_ICMPV6: {
        unsigned type = get_number(&c->bdd, header, BDD_ICMP_TYPE);

        return type < 133 || type > 137;
    }
    case IP_UDP:
        return c->direction == POLICY_TO_VM || get_number(&c->bdd, header, BDD_DESTINATION) != DHCPV6_CLIENT_PORT;
    default:
        return true;
    }
}

static unsigned rule_at(const struct chooser *c, bdd_ref terminal)
{
    return bdd_outcome(&c->bdd, terminal);
}

static enum policy_verdict verdict_of(const struct chooser *c, size_t rule)
{
    return rule < c->policy->n_rules ? c->policy->rules[rule].verdict : c->policy->default_verdict[c->direction];
}

static uint8_t find_verdicts(struct chooser *c, bdd_ref ref)
{
    const struct bdd_node *node = &c->bdd.nodes[ref];

    if (c->verdicts[ref] == 0)
        c->verdicts[ref] = (uint8_t) (bdd_is_terminal(&c->bdd, ref) ?
                                          1u << verdict_of(c, rule_at(c, ref)) :
                                          (unsigned) find_verdicts(c, node->low) | find_verdicts(c, node->high));
    return c->verdicts[ref];
}

/* ---- packets that rules decide ---- */

/* Gives each rule that is met below 'ref' the header by which it is met first. */
static void find_packets(struct chooser *c, bdd_ref ref, struct header *header)
{
    const struct bdd_node *node = &c->bdd.nodes[ref];

    if (c->visited[ref])
        return;
    if (bdd_is_terminal(&c->bdd, ref)) {
        if (!can_be_sent(c, header))
            return;
        c->visited[ref] = c->found[rule_at(c, ref)] = true;
        c->headers[rule_at(c, ref)] = *header;
        return;
    }
    c->visited[ref] = true;
    bool usual = get_bit(header, node->level);
    for (unsigned i = 0; i < 2; i++) {
        bool high = i ? !usual : usual;

        set_bit(header, node->level, high);
        find_packets(c, high ? node->high : node->low, header);
    }
    set_bit(header, node->level, usual);
}

/* Down from 'ref' by the header as far as bits above 'level' are tested. */
static bdd_ref follow(const struct bdd *bdd, bdd_ref ref, const struct header *header, unsigned level)
{
    while (bdd->nodes[ref].level < level)
        ref = get_bit(header, bdd->nodes[ref].level) ? bdd->nodes[ref].high : bdd->nodes[ref].low;
    return ref;
}

#define USUAL_PROTOCOLS 4

static uint8_t usual_protocol(const struct chooser *c, unsigned i)
{
    const uint8_t usual[USUAL_PROTOCOLS] = {IP_TCP, IP_UDP, c->family == IP_V6 ? IP_ICMPV6 : IP_ICMP, EXPERIMENTAL};

    return usual[i];
}

static void find_all(struct chooser *c)
{
    const unsigned behind = c->bdd.first[BDD_PROTOCOL] + bdd_field_bits(BDD_PROTOCOL);

    for (unsigned i = 0; i < USUAL_PROTOCOLS + 256; i++) {
        struct header header = default_header(c);

        set_number(&c->bdd, &header, BDD_PROTOCOL, i < USUAL_PROTOCOLS ? usual_protocol(c, i) : i - USUAL_PROTOCOLS);
        if (can_be_sent(c, &header))
            find_packets(c, follow(&c->bdd, c->root, &header, behind), &header);
    }
}

/* ---- packets just outside ---- */

/* The field that the bit belongs to: its first bit's level, and the level behind its last. */
static void field_around(const struct bdd *bdd, unsigned level, unsigned *first, unsigned *behind)
{
    for (unsigned i = 0; i < BDD_FIELDS; i++) {
        enum bdd_field field = bdd->order[i];

        *first = bdd->first[field];
        *behind = *first + bdd_field_bits(field);
        if (level < *behind)
            return;
    }
}

/* The header on the other side of the bit of 'level' that is nearest and meets one of 'verdicts': it counts down to, or
 * up from, the border. */
static struct header cross(const struct chooser *c, const struct header *from, bdd_ref beyond, unsigned level,
                           uint8_t verdicts)
{
    const struct bdd_node *nodes = c->bdd.nodes;
    struct header header = *from;
    bool was_high = get_bit(from, level);
    unsigned first, behind;

    field_around(&c->bdd, level, &first, &behind);
    set_bit(&header, level, !was_high);
    for (unsigned i = level + 1; i < behind; i++)
        set_bit(&header, i, was_high);
    while (!bdd_is_terminal(&c->bdd, beyond)) {
        unsigned at = nodes[beyond].level;
        bdd_ref next = get_bit(&header, at) ? nodes[beyond].high : nodes[beyond].low;

        if (!(c->verdicts[next] & verdicts)) {
            set_bit(&header, at, !get_bit(&header, at));
            next = get_bit(&header, at) ? nodes[beyond].high : nodes[beyond].low;
        }
        beyond = next;
    }
    return header;
}

/* The same of the protocol, which has no order: one that is in use, or for experiments, and all else as it is. False:
 * none of these meets one of 'verdicts'. */
static bool cross_protocol(const struct chooser *c, const struct header *from, unsigned level, uint8_t verdicts,
                           struct header *other)
{
    unsigned first = c->bdd.first[BDD_PROTOCOL];

    if (level < first || level >= first + bdd_field_bits(BDD_PROTOCOL))
        return false;
    *other = *from;
    for (unsigned i = 0; i < USUAL_PROTOCOLS; i++) {
        set_number(&c->bdd, other, BDD_PROTOCOL, usual_protocol(c, i));
        if (c->verdicts[follow(&c->bdd, c->root, other, BDD_LEVEL_TERMINAL)] & verdicts)
            return true;
    }
    return false;
}

/* A header that differs from this one as far down as possible and is treated otherwise: let through if this is not, and
 * not if this is. False: none can be sent. */
static bool find_outside(const struct chooser *c, const struct header *header, enum policy_verdict verdict,
                         struct header *outside)
{
    const struct bdd_node *nodes = c->bdd.nodes;
    const uint8_t allow = 1u << POLICY_ALLOW, others = verdict == POLICY_ALLOW ? (uint8_t) ~allow : allow;
    bool found = false;

    for (bdd_ref ref = c->root; !bdd_is_terminal(&c->bdd, ref);) {
        unsigned level = nodes[ref].level;
        bool high = get_bit(header, level);
        bdd_ref beyond = high ? nodes[ref].low : nodes[ref].high;

        if (c->verdicts[beyond] & others) {
            struct header other;

            if (!cross_protocol(c, header, level, others, &other))
                other = cross(c, header, beyond, level, others);

            if (can_be_sent(c, &other)) {
                *outside = other; /* the last one is the nearest */
                found = true;
            }
        }
        ref = high ? nodes[ref].high : nodes[ref].low;
    }
    return found;
}

/* ---- as probes ---- */

static struct probe probe_of(const struct chooser *c, const struct header *header)
{
    size_t rule = rule_at(c, follow(&c->bdd, c->root, header, BDD_LEVEL_TERMINAL));
    struct policy_rule packet = policy_rule_any(c->direction, verdict_of(c, rule));
    unsigned source = get_number(&c->bdd, header, BDD_SOURCE), to = get_number(&c->bdd, header, BDD_DESTINATION);
    enum bdd_field remote = c->family == IP_V6 ? BDD_V6 : BDD_V4;

    packet.set_dscp = rule < c->policy->n_rules ? c->policy->rules[rule].set_dscp : POLICY_ANY;
    packet.family = (uint8_t) c->family;
    packet.protocol = (int16_t) get_number(&c->bdd, header, BDD_PROTOCOL);
    packet.dscp = (int16_t) get_number(&c->bdd, header, BDD_DSCP);
    packet.remote.ip.family = (uint8_t) c->family;
    packet.remote.length = (uint8_t) ip_bits(packet.remote.ip.family);
    for (unsigned i = 0; i < packet.remote.length; i++)
        packet.remote.ip.bytes[i / 8] |= (uint8_t) (get_bit(header, c->bdd.first[remote] + i) << (7 - i % 8));
    if (packet.protocol == IP_TCP || packet.protocol == IP_UDP) {
        packet.source_port = (struct port_range) {(uint16_t) source, (uint16_t) source};
        packet.destination_port = (struct port_range) {(uint16_t) to, (uint16_t) to};
    }
    if (packet.protocol == IP_TCP)
        packet.tcp_flags.value = packet.tcp_flags.mask = (uint16_t) get_number(&c->bdd, header, BDD_TCP_FLAGS);
    if (packet.protocol == (c->family == IP_V6 ? IP_ICMPV6 : IP_ICMP)) {
        packet.icmp_type = (int16_t) get_number(&c->bdd, header, BDD_ICMP_TYPE);
        packet.icmp_code = (int16_t) get_number(&c->bdd, header, BDD_ICMP_CODE);
    }
    return (struct probe) {packet, rule};
}

struct choice {
    struct header header;
    bool outside;
};

static int compare_choices(const void *a, const void *b)
{
    const struct choice *x = a, *y = b;
    int order = memcmp(&x->header, &y->header, sizeof x->header);

    return order ? order : x->outside - y->outside;
}

/* Rules share packets: what is just outside of one is decided by another. */
static size_t drop_repeated(struct choice *choices, size_t n)
{
    size_t kept = 0;

    if (n)
        qsort(choices, n, sizeof *choices, compare_choices);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || memcmp(&choices[i].header, &choices[kept - 1].header, sizeof choices->header) != 0)
            choices[kept++] = choices[i];
    }
    return kept;
}

struct list {
    struct probe *probes;
    size_t n, capacity;
};

static void add_probe(struct list *list, struct probe probe)
{
    list->probes = array_reserve(list->probes, list->n, &list->capacity, sizeof probe);
    list->probes[list->n++] = probe;
}

static void choose_direction(struct chooser *c, struct list *inside, struct list *outside)
{
    size_t n_rules = c->policy->n_rules + 1, n = 0;
    AUTO_FREE struct choice *choices = xcalloc(2 * n_rules, sizeof *choices);

    c->verdicts = xcalloc(c->bdd.n_nodes, sizeof *c->verdicts);
    c->visited = xcalloc(c->bdd.n_nodes, sizeof *c->visited);
    c->found = xcalloc(n_rules, sizeof *c->found);
    c->headers = xcalloc(n_rules, sizeof *c->headers);
    find_verdicts(c, c->root);
    find_all(c);
    for (size_t i = 0; i < n_rules; i++) {
        struct header other;

        if (!c->found[i])
            continue;
        choices[n++] = (struct choice) {c->headers[i], false};
        if (find_outside(c, &c->headers[i], verdict_of(c, i), &other))
            choices[n++] = (struct choice) {other, true};
    }
    n = drop_repeated(choices, n);
    for (size_t i = 0; i < n; i++)
        add_probe(choices[i].outside ? outside : inside, probe_of(c, &choices[i].header));
    free(c->verdicts);
    free(c->visited);
    free(c->found);
    free(c->headers);
}

int probe_choose(const struct policy *policy, enum ip_family family, size_t max, struct probe **probes, size_t *n,
                 struct err *err)
{
    struct list inside = {0}, outside = {0};
    bool full = false;

    for (unsigned d = 0; d < 2 && !full; d++) {
        struct chooser c = {.policy = policy, .direction = d, .family = family};

        bdd_init(&c.bdd, field_order, BDD_NODES_MAX);
        c.root = bdd_policy_rules(&c.bdd, policy, d, family);
        full = c.bdd.full;
        if (!full)
            choose_direction(&c, &inside, &outside);
        bdd_free(&c.bdd);
    }
    for (size_t i = 0; i < outside.n && inside.n < max && !full; i++)
        add_probe(&inside, outside.probes[i]);
    free(outside.probes);
    if (full) {
        free(inside.probes);
        return err_set(err, ERR_TOO_LARGE, "the rules of the policy are too entangled to choose probe packets");
    }
    *n = inside.n < max ? inside.n : max;
    *probes = inside.probes;
    return 0;
}
