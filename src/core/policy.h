/* SPDX-License-Identifier: Apache-2.0 */
/* Policies and flows: a policy to the flows of a ToR's policy tables, flows back to a policy, and whether two policies
 * treat every packet alike. Pure. */
#ifndef CORE_POLICY_H
#define CORE_POLICY_H

#include "model/connection.h"
#include "model/flow.h"
#include "model/policy.h"

/* What a policy uses of its switch, by direction; 0: none. */
struct policy_numbers {
    uint32_t meters[2];                           /* of the direction as a whole */
    uint32_t limit_meters[2];                     /* of new connections */
    uint32_t class_meters[2][POLICY_CLASSES_MAX]; /* by index of the policy's class */
    uint32_t class_queues[2][POLICY_CLASSES_MAX];
    uint32_t reject_meters[2]; /* of what is handed to the gateway to be answered */
};

/* Where a policy's flows go. */
struct policy_site {
    uint64_t cookie;
    struct ip ip;     /* the VM's address (one call for each address) */
    struct mac mac;   /* the VM's: of rules by ethertype; all zero: not known */
    uint8_t table[2]; /* by direction */
    uint8_t verdict_table[2];
    uint8_t limit_table[2]; /* goes to rate_table, also what misses */
    uint8_t rate_table[2];
    uint8_t next_table[2]; /* behind all; where rate_table goes to what misses */
    struct policy_numbers numbers;
    uint8_t state_table[2];    /* by direction of the replies */
    uint64_t state_cookie;     /* of what stateful rules learn */
    uint64_t half_open_cookie; /* of what they learn of a TCP SYN */
    /* For policy_from_flows(): the switch's queues, and the port of the VM's server. What is sent to the VM goes out by
     * that one, what is from it by others. */
    const struct flow_queue *queues;
    size_t n_queues;
    uint32_t server_port;
};

/* Adds to 'txn' one flow per rule and mask: the rule's address-and-port match with the VM's address as source
 * (FROM_VM) or destination (TO_VM), and the default at POLICY_PRIORITY_DEFAULT. Port ranges become the fewest disjoint
 * masks, address sets the fewest prefixes; where their product is large, clauses of a conjunctive match. Allowed
 * packets get their DSCP, the direction's meter, and go to next_table; denied ones have no instructions; rejected ones
 * go to verdict_table, where a flow of the VM's address sends them through reject_meters[] to the controller. A flow
 * has one meter (OpenFlow 1.3.5 §5.9): packets of a class that has its own get that one, and go to rate_table, where a
 * flow of the VM's address at POLICY_PRIORITY_DEFAULT has the direction's, if there is one. Where new connections
 * are limited, all that pass go to limit_table, and from there to rate_table. The policy has passed policy_check(). */
void policy_to_flows(const struct policy *policy, const struct policy_site *site, struct flow_txn *txn);

/* Adds the flows of rules by ethertype, by the VM's MAC: of what they allow. Nothing else lets such packets get as far
 * as there. */
void policy_ethertypes_to_flows(const struct policy *policy, const struct policy_site *site, struct flow_txn *txn);

/* Reads a policy back from what a switch holds. Considers the flows in site->table[] that packets of the VM's address
 * can meet (whoever installed them, whatever cookie, priority or prefix; also those that match no address), but for
 * base flows and diverts (COOKIE_BASE, COOKIE_PROBE), in falling priority; masked ports that together are a range at
 * one priority become that range again, prefixes a list. What sets a queue, or has a meter and goes to limit_table or
 * rate_table, is a class's, the one of the DSCP that it writes. A match on the VM's MAC, in_port, reg0 or reg1 besides
 * is accepted where other flows of the VM tell that it is the VM's; it concerns somebody else where they tell
 * otherwise. Flows of a conjunctive match are read as the rules that they stand for. Meters are looked up in 'meters',
 * queues in site->queues. A direction without any default flow has verdict ALLOW if 'miss_allows', else DENY. Rules say
 * no family unless they have a remote or an ICMP type: flows of one address only show its family, so compare with
 * policy_equivalent_in().
 * Returns 0, ERR_NOT_FOUND if no flow concerns the VM, or ERR_UNSUPPORTED with a sentence that names the flow (its
 * flow_format()) and what cannot be represented: other matches or actions, flows that expire, flows of one priority
 * that overlap and differ, several meters in one direction but for those of classes, a limit of new connections that
 * not all have. '*policy' is set on success only; the caller frees it. */
int policy_from_flows(const struct flow *flows, size_t n_flows, const struct flow_meter *meters, size_t n_meters,
                      const struct policy_site *site, bool miss_allows, const char *vm_name, struct policy *policy,
                      struct err *err);

/* The same of all addresses of a VM: that of IPv4, then those of IPv6, if any. What is said of one family only becomes
 * rules of that family, also each half of a list of both: there may be more than POLICY_RULES_MAX. That is enough to
 * compare; policy_check() tells whether it is a policy to keep. An address that no flow concerns is left to
 * 'miss_allows'. Flows of what is neither IP nor ARP count if they name the VM's MAC, which the first of 'sites' has.
 * ERR_UNSUPPORTED also if addresses of IPv6 are not treated alike, if what a meter or queue limits of one address it
 * does not of another, or if both families together have more classes than a policy can have. */
int policy_from_sites(const struct flow *flows, size_t n_flows, const struct flow_meter *meters, size_t n_meters,
                      const struct policy_site *sites, size_t n_sites, bool miss_allows, const char *vm_name,
                      struct policy *policy, struct err *err);

/* Whether any of its rules is stateful. */
bool policy_is_stateful(const struct policy *policy);
/* Whether its rules for the direction and the family (IP_NONE: any), or the direction's default, reject anything. */
bool policy_rejects(const struct policy *policy, enum policy_direction direction, enum ip_family family);
/* Whether the flow is of what a ToR has learned of the VM's connections, whoever made the rule that learned it. Those
 * that are half open are none yet: who has asked for one asks again. */
bool connections_concern(const struct policy_site *site, const struct flow *flow);
/* Adds the connections that such flows among 'flows' are to 'list', which the caller frees. 0, or ERR_UNSUPPORTED
 * naming the first flow that is no connection of the VM's and was left out. */
int connections_from_flows(const struct flow *flows, size_t n_flows, const struct policy_site *site,
                           struct connection_list *list, struct err *err);
/* The same for all addresses of a VM; the error is the first that any of them has. */
int connections_from_sites(const struct flow *flows, size_t n_flows, const struct policy_site *sites, size_t n_sites,
                           struct connection_list *list, struct err *err);
/* Whether the flow, by its cookie and all of its shape, is what stateful rules learn, half open or not: it stands in a
 * state table at its kind's priority, matches one connection, expires, and lets its packets pass as replies. */
bool connections_is_learned(const struct flow *flow);
/* Adds the flows that a ToR would have learned. Connections of another address of the VM are left out. */
void connections_to_flows(const struct connection_list *list, const struct policy_site *site, struct flow_txn *txn);

/* Whether policy_from_flows() can need the flow: the filter with which a switch is read. */
bool policy_flow_concerns(const struct policy_site *site, const struct flow *flow);

/* Whether both treat every packet alike: same verdict, DSCP and class for every packet in each direction, same rate
 * in each direction that allows anything, same limit of new connections where any are allowed, and of each class that
 * packets of a direction are in; names do not matter. A stateful rule is another than one that is not, also where the
 * other direction allows the replies anyway. Decided symbolically over the whole header space (reduced ordered
 * decision diagrams). If not and 'witness' is given, it gets a sentence with a packet that shows the difference;
 * caller frees. Policies whose diagram would exceed BDD_NODES_MAX nodes (thousands of random crossing ranges) count
 * as different, and the sentence says so. */
bool policy_equivalent(const struct policy *a, const struct policy *b, char **witness);

/* The same for the packets of one family only, which is all that the flows of one address can show. IP_NONE: both. */
bool policy_equivalent_in(const struct policy *a, const struct policy *b, enum ip_family family, char **witness);

/* The canonical form: equivalent policies have byte-equal canonical forms but for their names. Each rule decides some
 * packet otherwise than the rules after it, so none can be left out; defaults and order are fixed by the treatment of
 * packets alone. Classes are named "dscp-N", and have only what some packet gets; there are no sets. It can have more
 * rules than the policy. A policy whose form would be too large (BDD_NODES_MAX; 16,384 rules before redundant ones are
 * dropped) is returned as it is. Caller frees. */
struct policy policy_canonical(const struct policy *policy);

/* 16 hexadecimal digits that are the same for equivalent policies whatever their names, and differ for others but for
 * the odds of a 64-bit hash. Comparable between gateways of one version. 'hash' has 17 bytes. */
void policy_hash(const struct policy *policy, char *hash);

#endif
