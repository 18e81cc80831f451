/* SPDX-License-Identifier: Apache-2.0 */
/* Reduced ordered decision diagrams over the header bits that a policy can test, with outcomes as terminals: for one
 * order of the fields there is exactly one diagram for each way to treat packets, so equality is equality of roots.
 * (R. Bryant, "Graph-Based Algorithms for Boolean Function Manipulation", IEEE ToC C-35(8), 1986; several terminals:
 * E. Clarke et al., "Spectral transforms for large Boolean functions", DAC 1993.) Internal to core/policy_*.c. */
#ifndef CORE_POLICY_BDD_H
#define CORE_POLICY_BDD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/policy.h"

/* The fields of a header, as the diagram sees them. Remote has one field for each family; IPv6 bits are only met below
 * the IPv6 branch of BDD_FAMILY, and only where a rule tests them, ports, TCP flags and ICMP type only below their
 * protocol, an ICMP code only below its type. */
enum bdd_field {
    BDD_FAMILY,
    BDD_PROTOCOL,
    BDD_V4,
    BDD_V6,
    BDD_ICMP_TYPE,
    BDD_ICMP_CODE,
    BDD_SOURCE,
    BDD_DESTINATION,
    BDD_TCP_FLAGS,
    BDD_DSCP,
    BDD_FIELDS
};

/* A reference to a node; the same reference is the same function. Sets of packets have these two as terminals, what
 * policies do to packets has policy_outcome()s. */
typedef uint32_t bdd_ref;
#define BDD_FALSE 0u
#define BDD_TRUE 1u
#define BDD_FIRST 2u /* node beyond them */

#define BDD_LEVEL_TERMINAL UINT8_MAX

/* A diagram that needs more nodes is given up: rules that a peer sends must not take all memory. 'full' is then set. */
#define BDD_NODES_MAX (4u << 20)

struct bdd_node {
    bdd_ref low, high; /* where the bit is 0, 1; of a terminal: its outcome */
    uint8_t level;     /* bit that is tested, counted from the top; BDD_LEVEL_TERMINAL */
};

struct bdd_bucket {
    bdd_ref ref;  /* 0: free */
    uint32_t tag; /* of the node's hash */
};

struct bdd_cached {
    uint32_t a, b, c, result;
};

struct bdd {
    uint8_t order[BDD_FIELDS]; /* enum bdd_field, from the top */
    uint8_t first[BDD_FIELDS]; /* level of each field's highest bit */
    struct bdd_node *nodes;    /* by reference */
    size_t n_nodes, capacity, nodes_max;
    struct bdd_bucket *buckets; /* open addressing, 2 * capacity */
    struct bdd_cached *cache;   /* 'capacity' entries; lossy */
    bool full;
};

/* 'order' holds every field once, BDD_FAMILY first, BDD_PROTOCOL above ports, TCP flags and ICMP type; BDD_ICMP_CODE
 * next to BDD_ICMP_TYPE. */
void bdd_init(struct bdd *bdd, const uint8_t order[BDD_FIELDS], size_t nodes_max);
void bdd_free(struct bdd *bdd);

unsigned bdd_field_bits(enum bdd_field field);
/* The field that 'ref' tests; BDD_FIELDS for a terminal. */
enum bdd_field bdd_field_of(const struct bdd *bdd, bdd_ref ref);

/* The node that tests the bit of 'level'; one that both ways lead to the same is that. */
bdd_ref bdd_node(struct bdd *bdd, unsigned level, bdd_ref low, bdd_ref high);
/* For bdd_rule_pieces() alone, with the order of another: nodes of the same function may be there several times. */
void bdd_init_sets(struct bdd *bdd, const struct bdd *like);

/* The packets of the family (IP_NONE: of both) that the rule matches, whatever its direction, as disjoint sets; returns
 * how many. */
#define BDD_PIECES_MAX 8
unsigned bdd_rule_pieces(struct bdd *bdd, const struct policy_rule *rule, enum ip_family family,
                         bdd_ref pieces[BDD_PIECES_MAX]);
/* The same of both families, as one set. */
bdd_ref bdd_rule(struct bdd *bdd, const struct policy_rule *rule);
/* The terminal of a policy_outcome(), and back. */
bdd_ref bdd_terminal(struct bdd *bdd, uint32_t outcome);
uint32_t bdd_outcome(const struct bdd *bdd, bdd_ref terminal);
/* The classes whose packets there are below 'ref': bit n is that of DSCP n. */
uint64_t bdd_classes(const struct bdd *bdd, bdd_ref ref);
bool bdd_is_terminal(const struct bdd *bdd, bdd_ref ref);
/* 'terminal' where 'set' is true, else what 'base' has. */
bdd_ref bdd_overlay(struct bdd *bdd, bdd_ref set, bdd_ref terminal, bdd_ref base);
/* Whether 'a' and 'b' differ for some packet outside 'set'. */
bool bdd_differ_outside(struct bdd *bdd, bdd_ref a, bdd_ref b, bdd_ref set);
/* Packets to look among: all, TCP's, or those that open a connection: TCP, SYN without ACK. */
enum bdd_packets { BDD_ALL, BDD_TCP, BDD_NEW };
/* Whether the outcome of one of these 'is' such. */
bool bdd_has(const struct bdd *bdd, bdd_ref root, enum bdd_packets packets, bool (*is)(uint32_t outcome));
/* How the policy treats the packets of a direction and a family; IP_NONE: of both. What a policy says of the other
 * family costs nothing. */
bdd_ref bdd_policy(struct bdd *bdd, const struct policy *policy, enum policy_direction direction,
                   enum ip_family family);
/* The same, but which rule decides: terminals' outcomes are indexes of rules; policy->n_rules: the default. */
bdd_ref bdd_policy_rules(struct bdd *bdd, const struct policy *policy, enum policy_direction direction,
                         enum ip_family family);

#endif
