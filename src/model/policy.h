/* SPDX-License-Identifier: Apache-2.0 */
/* The security and QoS policy of one VM: what an operator writes, what gateways exchange, what a switch enforces.
 *
 * Rules are ordered; the first that matches a packet decides; packets that none matches get the default of their
 * direction. Rules know the VM only as "the VM": its addresses are added when flows are made. */
#ifndef MODEL_POLICY_H
#define MODEL_POLICY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/addr.h"
#include "model/address_set.h"
#include "model/tcp_flags.h"

enum policy_direction { POLICY_FROM_VM, POLICY_TO_VM };
enum policy_verdict {
    POLICY_DENY,
    POLICY_ALLOW,
    POLICY_REJECT /* denied, and the sender is told: a TCP reset, or ICMP "administratively prohibited" */
};

struct port_range {
    uint16_t first, last; /* 0..65535: any */
};

#define POLICY_ANY (-1)
#define POLICY_RULES_MAX 4096    /* in one policy: what a peer or a file can make us hold */
#define POLICY_SETS_MAX 256      /* of one policy, by name */
#define POLICY_REMOTES_MAX 65536 /* addresses and prefixes of all its rules: each is a flow at least */
#define POLICY_NAME_MAX 64       /* bytes, without the null */
#define POLICY_ETHERTYPES_MAX 16 /* that the rules of one policy name */

struct policy_rule {
    uint8_t direction;    /* enum policy_direction */
    uint8_t verdict;      /* enum policy_verdict */
    uint8_t family;       /* enum ip_family; IP_NONE: both. Not IP_NONE if 'remote' or an ICMP type is given */
    int16_t protocol;     /* IANA protocol number (1 ICMP, 6 TCP, 17 UDP, 58 ICMPv6) or POLICY_ANY */
    struct prefix remote; /* the other end; ip.family IP_NONE: any */
    const struct address_set *remotes; /* or one of these, in the policy's 'sets'; null: 'remote' says it */
    struct port_range source_port;     /* of the packet; only with TCP and UDP */
    struct port_range destination_port;
    int16_t icmp_type;          /* or POLICY_ANY; only with ICMP and ICMPv6 */
    int16_t icmp_code;          /* or POLICY_ANY; only with an ICMP type */
    int16_t dscp;               /* 0..63 (RFC 2474), as packets come to the rules of their direction, or POLICY_ANY */
    struct tcp_flags tcp_flags; /* only with TCP */
    bool stateful;              /* allow only: replies to what it lets pass may pass, too, whatever denies them. It
                                 * matches only what has replies: TCP, UDP, echo requests of ICMP and ICMPv6 */
    int16_t set_dscp;           /* 0..63 written into packets that the rule allows, or POLICY_ANY: unchanged */
    bool in_class;              /* they belong to the class that has set_dscp */
    uint16_t ethertype;         /* 0: it is about IP. Else about packets to and from one host that are neither IP nor
                                 * ARP, and has no other member but direction and verdict */
};

struct policy_rate {
    uint32_t kbps;       /* kilobit/s; 0: no limit */
    uint32_t burst_kbit; /* 0: the switch's default */
};

/* A limit on the TCP segments with SYN and without ACK that a policy lets pass: each opens a connection, or tries it
 * again. No other protocol shows which of its packets is the first of a connection. */
struct policy_new_limit {
    uint32_t per_second; /* 0: no limit */
    uint32_t burst;      /* so many at once, after a pause; 0: the switch's default (Open vSwitch: per_second) */
};

/* Of a port, for a class of one VM. */
struct policy_queue {
    uint32_t min_kbps; /* promised, whatever else the port has to send; 0: nothing */
    uint32_t max_kbps; /* 0: what the port has */
    uint32_t
        priority; /* 0..POLICY_PRIORITY_MAX: who has what the port has beyond its promises; the least comes first */
};

#define POLICY_PRIORITY_MAX 7 /* linux-htb has 8 (TC_HTB_NUMPRIO); 0 is what a queue has if nothing is said */

#define POLICY_CLASSES_MAX 7 /* of one policy: as many as class selectors (RFC 2474) leave beside best effort */

/* A class of service (RFC 2475: what has one DSCP is treated alike): rules put packets into it, which are marked with
 * its DSCP. A direction in which it has neither rate nor queue is one that no rule may use it in. */
struct policy_class {
    char name[POLICY_NAME_MAX + 1]; /* only for who reads it: the DSCP tells classes apart */
    uint8_t dscp;                   /* 0..63, none twice in a policy */
    struct policy_rate rate[2];     /* by direction: a limit on what is in the class, below that of the direction */
    struct policy_queue queue[2];   /* by direction: towards the fabric, and towards the VM's server; all 0: none */
};

struct policy {
    char name[POLICY_NAME_MAX + 1];         /* of the VM that it belongs to */
    enum policy_verdict default_verdict[2]; /* by direction */
    struct policy_rate rate[2];             /* by direction: a limit on what the policy allows */
    struct policy_new_limit new_limit[2];   /* by direction: that the VM opens, or accepts */
    struct address_set **sets;              /* that it defines or that its rules use; a reference each */
    size_t n_sets, cap_sets;
    struct policy_class classes[POLICY_CLASSES_MAX]; /* in rising DSCP */
    unsigned n_classes;
    struct policy_rule *rules;
    size_t n_rules, cap_rules;
};

const char *policy_verdict_name(enum policy_verdict verdict); /* "allow", ...; never null */
/* A rule that matches everything in its direction. */
struct policy_rule policy_rule_any(enum policy_direction direction, enum policy_verdict verdict);
void policy_add_rule(struct policy *policy, struct policy_rule rule);
void policy_add_set(struct policy *policy, struct address_set *set); /* takes over the reference */
void policy_free(struct policy *policy);                             /* its members */
/* The index of the class with that DSCP, or -1. */
int policy_class_find(const struct policy *policy, int dscp);
/* The same, which is added, named "dscp-N", if it is not there; -1: there are POLICY_CLASSES_MAX others. */
int policy_class_obtain(struct policy *policy, uint8_t dscp);
bool policy_class_queued(const struct policy_class *class, enum policy_direction direction); /* it has a queue */
/* Whether a meter with that rate a second and burst, 0: the default, lets its rate pass. Open vSwitch 3.1 refills a
 * bucket by the millisecond, and one that does not hold what comes in one millisecond never. */
bool policy_burst_fits(uint32_t rate, uint32_t burst);
struct policy policy_copy(const struct policy *policy);
/* The ethertypes that the policy allows in a direction, rising; returns how many. What is neither IP nor ARP is denied
 * unless a rule allows it, whatever the defaults say. */
unsigned policy_ethertypes(const struct policy *policy, enum policy_direction direction,
                           uint16_t types[POLICY_ETHERTYPES_MAX]);
/* 0, or ERR_INVALID with the policy's name and the rule's number: its rules name more than POLICY_ETHERTYPES_MAX. */
int policy_ethertypes_check(const struct policy *policy, struct err *err);

/* JSON form (files in YAML are the same tree); every member is optional but "policy", "direction", "action":
 *   {"policy": "V2", "default": {"from-vm": "allow", "to-vm": "deny"},
 *    "rate-limit": {"from-vm": {"kbps": 20000, "burst-kbit": 2000}, "to-vm": {"kbps": 50000}},
 *    "new-connections": {"to-vm": {"per-second": 100, "burst": 200}},
 *    "sets": {"office": ["10.0.0.0/8", "2001:db8::/32"]},
 *    "classes": {"voice": {"dscp": 46, "from-vm": {"rate-limit": {"kbps": 2000},
 *                                                  "queue": {"min-kbps": 1000, "max-kbps": 2000,
 *                                                            "priority": 1}}}},
 *    "rules": [{"direction": "to-vm", "action": "allow", "protocol": "tcp", "remote": "198.51.100.0/24",
 *               "source-port": "1024-65535", "destination-port": 80, "tcp-flags": "syn,!ack", "dscp": 0,
 *               "icmp-type": 8, "icmp-code": 0, "set-dscp": 46, "family": "ipv4"},
 *              {"direction": "from-vm", "action": "allow", "protocol": "udp", "class": "voice", "stateful": true}]}
 * "action" is allow|deny|reject. "remote" is an address, a prefix, a list of them, or "@office" for a set. "protocol"
 * is any|tcp|udp|icmp|icmpv6 or a number; a port is a number or "first-last". "ethertype"
 * is ipv4|ipv6, which say the same as "family", or a number from 0x0600 on, as such or as "0x88b5". Defaults are deny.
 * Returns 0, or ERR_INVALID with a sentence that names the rule's number (from 1) and the member; '*policy' is then
 * left alone. An unknown member is an error. On success the caller frees '*policy'. */
int policy_from_json(const json_t *json, struct policy *policy, struct err *err);
json_t *policy_to_json(const struct policy *policy); /* new reference; members at their defaults are left out */

/* Sets that a policy may use without defining them: the gateway's. */
struct policy_book {
    struct address_set *(*find)(void *arg, const char *name); /* a new reference, or null: there is none */
    void *arg;
};
/* Every set is there, and has nothing in it: for who cannot ask the gateway. */
extern const struct policy_book policy_book_unknown;
/* Whether the policy with that JSON form uses the gateway's set of that name. */
bool policy_json_uses_set(const json_t *json, const char *name);
/* The same for a policy that may use them ('book' null: none), and without those of them that it uses. */
int policy_from_json_with(const json_t *json, const struct policy_book *book, struct policy *policy, struct err *err);
json_t *policy_to_json_without(const struct policy *policy);

/* Contradictions that single members cannot show: ports without TCP/UDP, a range upside down, icmp-type without ICMP,
 * icmp-code without icmp-type, tcp-flags without TCP, a remote whose family differs, a mark or a class on what is
 * denied, a class that has nothing in the rule's direction, two classes with one DSCP, too many rules, an ethertype
 * that is not for rules, or with a member that only IP has. 0 or ERR_INVALID
 * with rule number, or class, and member. */
int policy_check(const struct policy *policy, struct err *err);

/* One line, e.g. "to-vm allow tcp remote 198.51.100.0/24 destination-port 80 set-dscp 46". Caller frees. */
char *policy_rule_format(const struct policy_rule *rule);

#endif
