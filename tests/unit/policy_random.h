/* SPDX-License-Identifier: Apache-2.0 */
/* Random policies for property tests, from a seed: few distinct values, at the edges, so that rules meet each other. */
#ifndef TESTS_POLICY_RANDOM_H
#define TESTS_POLICY_RANDOM_H

#include "base/alloc.h"
#include "model/policy.h"

struct random {
    uint64_t state; /* not 0 */
};

/* xorshift64 (G. Marsaglia, "Xorshift RNGs", 2003); 0..n-1. */
static inline uint32_t random_below(struct random *r, uint32_t n)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return (uint32_t) ((r->state >> 11) % n);
}

static inline uint16_t random_port(struct random *r)
{
    static const uint16_t ports[] = {0, 1, 79, 80, 81, 443, 1023, 1024, 1025, 8080, 32767, 32768, 65534, 65535};

    return random_below(r, 8) ? ports[random_below(r, ARRAY_LEN(ports))] : (uint16_t) random_below(r, 65536);
}

static inline struct ip random_ip(struct random *r, uint8_t family)
{
    struct ip ip = {.family = family, .bytes = {10}};
    unsigned last = family == IP_V6 ? 15 : 3;

    if (family == IP_V6)
        ip.bytes[0] = 0x20;
    ip.bytes[1] = (uint8_t) (random_below(r, 2) ? 0 : 128);
    ip.bytes[last] = (uint8_t) (random_below(r, 4) ? random_below(r, 8) : 254 + random_below(r, 2));
    return ip;
}

static inline struct port_range random_range(struct random *r)
{
    uint16_t a = random_port(r), b = random_port(r);

    switch (random_below(r, 3)) {
    case 0:
        return (struct port_range) {0, 65535};
    case 1:
        return (struct port_range) {a, a};
    default:
        return a < b ? (struct port_range) {a, b} : (struct port_range) {b, a};
    }
}

/* If such a rule can be; without IPv6 if 'plain'. */
static inline void make_stateful(struct policy_rule *rule, bool plain)
{
    bool has_replies = rule->protocol == 6 || rule->protocol == 17 || (rule->protocol == POLICY_ANY && !plain) ||
                       (rule->protocol == 1 && rule->family != IP_V6) ||
                       (rule->protocol == 58 && rule->family != IP_V4 && !plain);
    int16_t echo = rule->protocol == 58 ? 128 : 8;

    rule->stateful = has_replies && (rule->icmp_type == POLICY_ANY || rule->icmp_type == echo);
}

/* 'plain': as if only IPv4 existed; no rule says "family" but through a remote or an ICMP type. */
static inline struct policy_rule random_rule(struct random *r, bool plain)
{
    static const int16_t protocols[] = {POLICY_ANY, POLICY_ANY, 1, 6, 6, 17, 47, 58};
    static const uint8_t lengths[] = {1, 8, 9, 24, 29, 30, 31, 32, 127, 128};
    struct policy_rule rule = policy_rule_any(random_below(r, 2), random_below(r, 3));

    if (!plain)
        rule.family = (uint8_t) (random_below(r, 3) ? IP_NONE : random_below(r, 3) ? IP_V4 : IP_V6);
    rule.protocol = protocols[random_below(r, ARRAY_LEN(protocols))];
    if (random_below(r, 2)) {
        rule.family = rule.family == IP_NONE ? IP_V4 : rule.family;
        struct ip ip = random_ip(r, rule.family);
        uint8_t length = lengths[random_below(r, rule.family == IP_V6 ? 10 : 8)];

        rule.remote = prefix_of(&ip, !plain && !random_below(r, 10) ? 0 : length);
    }
    if (rule.protocol == 6 || rule.protocol == 17) {
        rule.source_port = random_below(r, 3) ? (struct port_range) {0, 65535} : random_range(r);
        rule.destination_port = random_range(r);
        if (!random_below(r, 10)) /* the most masks */
            rule.source_port = rule.destination_port = (struct port_range) {1, 65534};
    }
    if (rule.protocol == 1 && random_below(r, 2) && rule.family != IP_V6) {
        rule.family = IP_V4;
        rule.icmp_type = (int16_t) (random_below(r, 3) * 4);
    }
    if (!plain && rule.protocol == 58 && random_below(r, 2) && rule.family != IP_V4) {
        rule.family = IP_V6;
        rule.icmp_type = (int16_t) (127 + random_below(r, 3));
    }
    if (rule.icmp_type != POLICY_ANY && random_below(r, 2))
        rule.icmp_code = (int16_t) random_below(r, 2);
    if (rule.protocol == 6 && random_below(r, 2)) {
        rule.tcp_flags.mask = (uint16_t) (1u << random_below(r, 9) | 1u << random_below(r, 3));
        rule.tcp_flags.value = (uint16_t) random_below(r, 512) & rule.tcp_flags.mask;
    }
    if (!random_below(r, 5))
        rule.dscp = (int16_t) (random_below(r, 2) ? 46 : 63 * random_below(r, 2));
    if (rule.verdict == POLICY_ALLOW && !random_below(r, 3))
        make_stateful(&rule, plain);
    if (rule.verdict == POLICY_ALLOW && !random_below(r, 3))
        rule.set_dscp = (int16_t) (random_below(r, 2) ? 46 : 63 * random_below(r, 2));
    return rule;
}

/* A set of a few prefixes, some of them within others; the caller owns the reference. */
static inline struct address_set *random_set(struct random *r, bool plain, const char *name)
{
    struct prefix prefixes[8];
    size_t n = 0, most = 1 + random_below(r, 8);

    for (size_t i = 0; i < most; i++) {
        struct ip ip = random_ip(r, plain || random_below(r, 2) ? IP_V4 : IP_V6);
        uint8_t length = (uint8_t) ((ip.family == IP_V6 ? 120 : 24) + random_below(r, 9));
        size_t same = 0;

        prefixes[n] = prefix_of(&ip, length);
        while (!prefix_equal(&prefixes[same], &prefixes[n]))
            same++;
        n += same == n;
    }
    return address_set_new(name, prefixes, n);
}

/* Now and then the rule gets a list, or a set of the policy. */
static inline void random_remotes(struct random *r, bool plain, struct policy *policy, struct policy_rule *rule)
{
    if (random_below(r, 6) || (rule->family != IP_NONE && rule->icmp_type == POLICY_ANY && plain))
        return;
    if (!policy->n_sets || random_below(r, 2)) {
        AUTO_FREE char *name = random_below(r, 2) ? xasprintf("set-%zu", policy->n_sets) : xstrdup("");

        policy_add_set(policy, random_set(r, plain, name));
    }
    rule->remotes = policy->sets[random_below(r, (uint32_t) policy->n_sets)];
    rule->remote = (struct prefix) {0};
}

/* Gives the policy classes, and puts some of what it allows into them. */
static inline void random_classes(struct random *r, struct policy *policy)
{
    static const uint8_t dscps[] = {0, 10, 26, 34, 46, 63};

    for (unsigned i = random_below(r, 4); i > 0; i--) {
        int at = policy_class_obtain(policy, dscps[random_below(r, ARRAY_LEN(dscps))]);

        for (unsigned d = 0; d < 2; d++)
            policy->classes[at].rate[d] = (struct policy_rate) {random_below(r, 3) * 500, 0};
        for (unsigned d = 0; d < 2; d++)
            policy->classes[at].queue[d] = (struct policy_queue) {random_below(r, 2) * 100, random_below(r, 2) * 200,
                                                                  random_below(r, 2) * random_below(r, 8)};
        for (unsigned d = 0; d < 2; d++)
            policy->classes[at].rate[d].burst_kbit = policy->classes[at].rate[d].kbps ? random_below(r, 2) * 50 : 0;
    }
    for (size_t i = 0; i < policy->n_rules && policy->n_classes; i++) {
        struct policy_rule *rule = &policy->rules[i];
        const struct policy_class *class = &policy->classes[random_below(r, policy->n_classes)];

        if (rule->verdict != POLICY_ALLOW || !random_below(r, 3) ||
            (!class->rate[rule->direction].kbps && !policy_class_queued(class, rule->direction)))
            continue;
        rule->set_dscp = class->dscp;
        rule->in_class = true;
    }
}

static inline struct policy random_policy(struct random *r, unsigned n_rules, bool plain)
{
    struct policy policy = {.name = "V1"};

    for (unsigned d = 0; d < 2; d++) {
        policy.default_verdict[d] = random_below(r, 3);
        if (!random_below(r, 3))
            policy.rate[d] = (struct policy_rate) {1000 + random_below(r, 2), random_below(r, 2) * 100};
        if (!random_below(r, 3))
            policy.new_limit[d] = (struct policy_new_limit) {50 + random_below(r, 2), random_below(r, 2) * 20};
    }
    for (unsigned i = 0; i < n_rules; i++) {
        struct policy_rule rule = random_rule(r, plain);

        random_remotes(r, plain, &policy, &rule);
        policy_add_rule(&policy, rule);
    }
    random_classes(r, &policy);
    return policy;
}

/* A packet as its sender and its receiver see it; 'remote' is the other end than the VM. */
struct packet {
    struct ip remote;
    uint8_t protocol;
    uint8_t icmp_type, icmp_code;
    uint8_t dscp;
    uint16_t tcp_flags;
    uint16_t source, destination;
};

static inline struct packet random_packet(struct random *r, uint8_t family)
{
    static const uint8_t protocols[] = {0, 1, 6, 6, 17, 47, 58, 255};

    return (struct packet) {
        .remote = random_ip(r, family),
        .protocol = protocols[random_below(r, ARRAY_LEN(protocols))],
        .icmp_type = (uint8_t) (random_below(r, 2) ? random_below(r, 3) * 4 : 127 + random_below(r, 3)),
        .icmp_code = (uint8_t) random_below(r, 3),
        .dscp = (uint8_t) (random_below(r, 2) ? 46 :
                           random_below(r, 2) ? random_below(r, 64) :
                                                63 * random_below(r, 2)),
        .tcp_flags = (uint16_t) random_below(r, 512),
        .source = random_port(r),
        .destination = random_port(r),
    };
}

static inline uint16_t port_at_border(struct random *r, const struct port_range *range)
{
    return (uint16_t) ((random_below(r, 2) ? range->first : range->last) + random_below(r, 3) - 1);
}

/* The first or last address of a prefix, or the one next to it outside. */
static inline struct ip ip_at_border(struct random *r, const struct prefix *prefix)
{
    struct ip ip = prefix->ip;
    int last = (int) ip_bits(ip.family) / 8 - 1, step = (int) random_below(r, 2);
    bool end = random_below(r, 2);

    for (unsigned bit = prefix->length; end && bit < ip_bits(ip.family); bit++)
        ip.bytes[bit / 8] |= (uint8_t) (0x80 >> bit % 8);
    for (; step && last >= 0; last--) {
        ip.bytes[last] = (uint8_t) (ip.bytes[last] + (end ? 1 : -1));
        step = ip.bytes[last] == (end ? 0 : 255);
    }
    return ip;
}

/* Makes the packet one that the rule just matches, or just does not. */
static inline void packet_at_border(struct random *r, const struct policy_rule *rule, struct packet *p)
{
    const struct prefix *remote = &rule->remote;

    if (rule->remotes && rule->remotes->n)
        remote = &rule->remotes->prefixes[random_below(r, (uint32_t) rule->remotes->n)];
    if (remote->ip.family == p->remote.family)
        p->remote = ip_at_border(r, remote);
    if (rule->protocol != POLICY_ANY && random_below(r, 10))
        p->protocol = (uint8_t) rule->protocol;
    if (rule->icmp_type != POLICY_ANY)
        p->icmp_type = (uint8_t) (rule->icmp_type + !random_below(r, 4));
    if (rule->icmp_code != POLICY_ANY)
        p->icmp_code = (uint8_t) (rule->icmp_code + !random_below(r, 4));
    if (rule->dscp != POLICY_ANY)
        p->dscp = (uint8_t) ((rule->dscp + !random_below(r, 4)) % 64);
    p->tcp_flags = (uint16_t) ((p->tcp_flags & ~rule->tcp_flags.mask) | rule->tcp_flags.value);
    p->tcp_flags ^= (uint16_t) (random_below(r, 4) ? 0 : 1u << random_below(r, TCP_FLAGS_BITS));
    p->source = port_at_border(r, &rule->source_port);
    p->destination = port_at_border(r, &rule->destination_port);
}

/* The reference: what a policy does with a packet, by reading the rules one by one. -1: denied; -2: rejected; 0..63:
 * allowed with that DSCP written; 64: allowed as it is; DECIDED_CLASS + DSCP: allowed in that class. DECIDED_REPLIES is
 * added where replies may pass, too. */
#define DECIDED_DENY (-1)
#define DECIDED_REJECT (-2)
#define DECIDED_CLASS 100
#define DECIDED_REPLIES 200

static inline bool packet_has_replies(const struct packet *p)
{
    return p->protocol == 6 || p->protocol == 17 ||
           (p->remote.family == IP_V6 ? p->protocol == 58 && p->icmp_type == 128 :
                                        p->protocol == 1 && p->icmp_type == 8);
}

static inline int decided_by(enum policy_verdict verdict)
{
    return verdict == POLICY_ALLOW ? 64 : verdict == POLICY_REJECT ? DECIDED_REJECT : DECIDED_DENY;
}

static inline int policy_decide(const struct policy *policy, enum policy_direction direction, const struct packet *p)
{
    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct policy_rule *rule = &policy->rules[i];
        const struct port_range *to = &rule->destination_port;
        bool ports = p->protocol == 6 || p->protocol == 17;

        if (rule->direction != direction || (rule->family != IP_NONE && rule->family != p->remote.family) ||
            (rule->protocol != POLICY_ANY && rule->protocol != p->protocol) ||
            (rule->remote.ip.family != IP_NONE && !prefix_contains(&rule->remote, &p->remote)) ||
            (rule->remotes && !address_set_contains(rule->remotes, &p->remote)) ||
            (ports && (p->source < rule->source_port.first || p->source > rule->source_port.last)) ||
            (ports && (p->destination < to->first || p->destination > to->last)) ||
            (rule->icmp_type != POLICY_ANY && rule->icmp_type != p->icmp_type) ||
            (rule->icmp_code != POLICY_ANY && rule->icmp_code != p->icmp_code) ||
            (rule->dscp != POLICY_ANY && rule->dscp != p->dscp) ||
            (p->tcp_flags & rule->tcp_flags.mask) != rule->tcp_flags.value ||
            (rule->stateful && !packet_has_replies(p)))
            continue;
        if (rule->verdict != POLICY_ALLOW)
            return decided_by(rule->verdict);
        return (rule->set_dscp == POLICY_ANY ? 64 : rule->set_dscp) + (rule->in_class ? DECIDED_CLASS : 0) +
               (rule->stateful ? DECIDED_REPLIES : 0);
    }
    return decided_by(policy->default_verdict[direction]);
}

#endif
