/* SPDX-License-Identifier: Apache-2.0 */
/* A flow, a meter and what a switch is asked to do with them, in host terms: the one form that policy translation and
 * the pipelines produce, that proto/openflow encodes and decodes, and that is compared when a switch is read back.
 *
 * Fields follow OpenFlow 1.3.5 §7.2.3 (OXM) and Open vSwitch's ovs-fields(7) for registers. */
#ifndef MODEL_FLOW_H
#define MODEL_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/addr.h"

/* In the order in which a match keeps them, which is OXM's prerequisite order (eth_type before ip_proto before ports).
 * X(NAME, text as in ovs-fields(7), bytes, bits that exist) */
#define FLOW_FIELD_TABLE(X) \
    X(IN_PORT, "in_port", 4, 32) \
    X(PACKET_TYPE, "packet_type", 4, 32) \
    X(METADATA, "metadata", 8, 64) \
    X(REG0, "reg0", 4, 32) \
    X(REG1, "reg1", 4, 32) \
    X(REG2, "reg2", 4, 32) \
    X(REG3, "reg3", 4, 32) \
    X(REG4, "reg4", 4, 32) \
    X(REG5, "reg5", 4, 32) \
    X(REG6, "reg6", 4, 32) \
    X(CONJ_ID, "conj_id", 4, 32) \
    X(ETH_DST, "eth_dst", 6, 48) \
    X(ETH_SRC, "eth_src", 6, 48) \
    X(ETH_TYPE, "eth_type", 2, 16) \
    X(VLAN_VID, "vlan_vid", 2, 13) \
    X(VLAN_PCP, "vlan_pcp", 1, 3) \
    X(MPLS_LABEL, "mpls_label", 4, 20) \
    X(MPLS_TC, "mpls_tc", 1, 3) \
    X(MPLS_BOS, "mpls_bos", 1, 1) \
    X(MPLS_TTL, "mpls_ttl", 1, 8) \
    X(IP_DSCP, "ip_dscp", 1, 6) \
    X(IP_ECN, "ip_ecn", 1, 2) \
    X(IP_TTL, "nw_ttl", 1, 8) \
    X(IP_FRAG, "ip_frag", 1, 2) \
    X(IP_PROTO, "ip_proto", 1, 8) \
    X(IPV4_SRC, "ip_src", 4, 32) \
    X(IPV4_DST, "ip_dst", 4, 32) \
    X(TCP_SRC, "tcp_src", 2, 16) \
    X(TCP_DST, "tcp_dst", 2, 16) \
    X(UDP_SRC, "udp_src", 2, 16) \
    X(UDP_DST, "udp_dst", 2, 16) \
    X(ICMPV4_TYPE, "icmp_type", 1, 8) \
    X(ICMPV4_CODE, "icmp_code", 1, 8) \
    X(ARP_OP, "arp_op", 2, 16) \
    X(ARP_SPA, "arp_spa", 4, 32) \
    X(ARP_TPA, "arp_tpa", 4, 32) \
    X(ARP_SHA, "arp_sha", 6, 48) \
    X(ARP_THA, "arp_tha", 6, 48) \
    X(IPV6_SRC, "ipv6_src", 16, 128) \
    X(IPV6_DST, "ipv6_dst", 16, 128) \
    X(ICMPV6_TYPE, "icmpv6_type", 1, 8) \
    X(ICMPV6_CODE, "icmpv6_code", 1, 8) \
    X(ND_TARGET, "nd_target", 16, 128) \
    X(ND_SLL, "nd_sll", 6, 48) \
    X(ND_TLL, "nd_tll", 6, 48) \
    X(TCP_FLAGS, "tcp_flags", 2, 12)

enum flow_field_id {
#define FLOW_FIELD_ENUM(name, text, bytes, bits) FIELD_##name,
    FLOW_FIELD_TABLE(FLOW_FIELD_ENUM)
#undef FLOW_FIELD_ENUM
        FLOW_FIELDS
};

/* OFPVID_PRESENT: set in a VLAN_VID value when there is a tag (OpenFlow 1.3.5 §7.2.3.7). */
#define VLAN_PRESENT 0x1000

/* Bits of IP_FRAG: ovs-fields(7). */
#define IP_FRAG_ANY 1
#define IP_FRAG_LATER 2 /* with IP_FRAG_ANY: not the first */

struct flow_field {
    uint8_t id;        /* enum flow_field_id */
    uint8_t value[16]; /* network order, the field's bytes first, the rest zero; bits outside 'mask' are zero */
    uint8_t mask[16];  /* ones in every existing bit: an exact match */
};

#define FLOW_MATCH_MAX 16

/* Fields in rising order of 'id', none twice; none with an all-zero mask. So equal matches are equal bytes. */
struct flow_match {
    uint8_t n;
    struct flow_field fields[FLOW_MATCH_MAX];
};

enum flow_action_type {
    ACTION_OUTPUT,    /* port; max_len for PORT_CONTROLLER */
    ACTION_PUSH_VLAN, /* 0x8100 */
    ACTION_POP_VLAN,
    ACTION_PUSH_MPLS, /* ethertype: 0x8847 or 0x8848; behind the Ethernet header, unlike ACTION_ENCAP */
    ACTION_POP_MPLS,  /* ethertype of what is under the label */
    ACTION_SET_FIELD, /* field: value with an exact mask, or masked for registers and metadata (reg_load) */
    ACTION_MOVE,      /* Nicira NXAST_REG_MOVE: all bits of 'source' to all bits of 'destination' */
    ACTION_DEC_TTL,
    ACTION_SET_MPLS_TTL, /* ttl */
    ACTION_DEC_MPLS_TTL,
    ACTION_SET_QUEUE,   /* queue */
    ACTION_GROUP,       /* group */
    ACTION_RESUBMIT,    /* Nicira NXAST_RESUBMIT_TABLE: in_port of the packet, 'table' */
    ACTION_ENCAP,       /* Nicira NXAST_ENCAP: a header of 'packet_type' before the whole packet */
    ACTION_DECAP,       /* Nicira NXAST_DECAP: the outermost header goes, 'packet_type' is what remains */
    ACTION_CLONE,       /* Nicira NXAST_CLONE: the next 'nested' actions are done to a copy; those may be clones, too */
    ACTION_LEARN,       /* Nicira NXAST_LEARN, NXAST_LEARN2: 'learn' */
    ACTION_FIN_TIMEOUT, /* Nicira NXAST_FIN_TIMEOUT: the flow's own timeouts from a TCP FIN or RST on: 'fin' */
    ACTION_CONJUNCTION, /* Nicira NXAST_CONJUNCTION: 'conjunction' */
    ACTION_UNKNOWN      /* decoded, not understood: 'raw' keeps it for comparison and for a message that names it */
};

/* Packet types of ACTION_ENCAP, ACTION_DECAP and FIELD_PACKET_TYPE: a name space, then a type in it (OpenFlow 1.5.1
 * §7.2.3.11). */
#define PACKET_TYPE_ETHERNET 0x00000000u
#define PACKET_TYPE_MPLS 0x00018847u /* name space 1: Ethernet types */
#define PACKET_TYPE_NEXT 0x0000fffeu /* of ACTION_DECAP: what the header that goes says of the next one */

/* What a learned flow matches and does, from the packet that teaches it. Fields are whole; values, and what is loaded,
 * have up to 8 bytes. */
enum flow_learn_type {
    LEARN_MATCH_VALUE, /* destination=value; FIELD_IN_PORT is compared as 16 bits */
    LEARN_MATCH_FIELD, /* destination=source */
    LEARN_LOAD_VALUE,  /* value to destination */
    LEARN_LOAD_FIELD,  /* source to destination */
    LEARN_OUTPUT       /* to the port in 'source', a register */
};

struct flow_learn_spec {
    uint8_t type;                /* enum flow_learn_type */
    uint8_t source, destination; /* enum flow_field_id; 0 where the type has none */
    uint64_t value;              /* 0 where the type has none */
};

/* Timeouts that begin when a TCP FIN or RST is seen; one that is longer than the flow's own changes nothing. */
struct flow_fin {
    uint16_t idle_timeout, hard_timeout; /* seconds, 0: unchanged */
};

#define FLOW_LEARN_SPECS_MAX 8 /* more are kept as ACTION_UNKNOWN */

/* A learned flow replaces one with the same table, priority and match, its cookie included; the timeouts of that one
 * stay. */
struct flow_learn {
    uint8_t table;
    uint8_t n_specs;
    uint16_t priority;
    uint16_t idle_timeout, hard_timeout; /* seconds, 0: none */
    struct flow_fin fin;                 /* of an ACTION_FIN_TIMEOUT that the learned flow gets; both 0: none */
    bool send_flow_removed;
    bool delete_learned; /* what was learned into the table under this cookie goes with the flow that learns */
    uint32_t limit;      /* of flows in the table with this cookie; 0: none */
    uint64_t cookie;
    struct flow_learn_spec specs[FLOW_LEARN_SPECS_MAX];
};

#define ETH_TYPE_MPLS 0x8847 /* RFC 5332: unicast */
#define ETH_TYPE_MPLS_MULTICAST 0x8848
/* RFC 7213: destination of MPLS on a link between two nodes, so that no neighbour's address has to be learned. */
extern const struct mac flow_mpls_next_hop;

#define PORT_IN_PORT 0xfffffff8u
#define PORT_TABLE 0xfffffff9u /* of a packet-out: what the flow tables say */
#define PORT_NORMAL 0xfffffffau
#define PORT_FLOOD 0xfffffffbu
#define PORT_ALL 0xfffffffcu
#define PORT_CONTROLLER 0xfffffffdu
#define PORT_LOCAL 0xfffffffeu
#define PORT_NONE 0xffffffffu
#define PORT_MAX 0xffffff00u /* physical and logical ports are 1..PORT_MAX-1 */

/* One clause of a conjunctive match (ovs-fields(7)): a packet that meets a flow of each clause, all of one priority,
 * meets flows with the 'id' as conj_id, too. A flow with such actions has no others, and no instructions. */
struct flow_conjunction {
    uint32_t id;
    uint8_t clause;    /* 1..n_clauses */
    uint8_t n_clauses; /* 2..64 */
};

struct flow_action {
    uint8_t type; /* enum flow_action_type */
    uint8_t table;
    uint8_t source, destination; /* enum flow_field_id, of ACTION_MOVE */
    uint8_t ttl;
    uint16_t ethertype;
    uint16_t max_len;
    uint16_t nested;
    uint16_t raw_length;
    uint32_t port;
    uint32_t queue;
    uint32_t group;
    uint32_t packet_type;
    union {
        struct flow_learn learn;
        struct flow_field field;
        struct flow_conjunction conjunction;
        struct flow_fin fin;
        uint8_t raw[64]; /* the first bytes of an action that is not understood */
    };
};

#define FLOW_TABLE_ALL 0xff
#define FLOW_NO_GOTO 0xff
/* Nested ones are counted, too. More are refused by the encoder; the decoder drops them and sets has_unknown. */
#define FLOW_ACTIONS_MAX 255
#define FLOW_CLONE_DEPTH_MAX 4 /* clones within clones; the encoder refuses more, the decoder keeps them as unknown */

struct flow {
    uint8_t table;
    uint8_t goto_table; /* FLOW_NO_GOTO: none */
    uint16_t priority;
    uint16_t idle_timeout, hard_timeout; /* seconds, 0: none */
    uint16_t n_actions;
    bool send_flow_removed;
    bool has_unknown; /* decoded: an instruction or match field that we do not know was present */
    uint32_t meter;   /* 0: none */
    uint64_t cookie;
    uint64_t metadata, metadata_mask; /* of write-metadata; mask 0: none */
    struct flow_match match;
    struct flow_action *actions; /* apply-actions, in order; owned: flow_free() */
    uint64_t packets, bytes;     /* as read from a switch */
};

struct flow_meter {
    uint32_t id;    /* 1.. */
    uint32_t rate;  /* kilobit/s, or packets/s; as read, 0: it is no meter that drops beyond one rate */
    uint32_t burst; /* kilobit, or packets; 0: the switch's default */
    bool packets;   /* it counts packets */
};

/* A queue of a port, as OVSDB's tables QoS (linux-htb) and Queue have it. Flows name it by ACTION_SET_QUEUE. */
struct flow_queue {
    uint32_t port;     /* OpenFlow port that it sends out of */
    uint32_t id;       /* 1..FLOW_QUEUE_MAX; 0 is what no flow has set */
    uint32_t min_kbps; /* promised; 0: nothing */
    uint32_t max_kbps; /* 0: the port's rate */
    uint32_t priority; /* the least is the first to get what is not promised; as read, any */
    /* For who looks at the switch, and for hardware that sorts packets by their headers: */
    char vm[64]; /* NAME_SIZE of the model */
    struct ip ip;
    bool from_vm; /* 'ip' is the packets' source, else their destination */
    uint8_t dscp;
};

#define FLOW_QUEUE_MAX 61439 /* of linux-htb: ovs-vswitchd.conf.db(5) */

enum flow_command { FLOW_ADD, FLOW_DELETE, FLOW_DELETE_STRICT };

/* One change: for FLOW_DELETE only table, cookie with 'cookie_mask' and match count. */
struct flow_mod {
    enum flow_command command;
    uint64_t cookie_mask;
    struct flow flow;
};

/* What a switch is to do as one: meters first, then all flow changes in one atomic bundle, then a barrier. */
struct flow_txn {
    struct flow_meter *meters_add;
    size_t n_meters_add, cap_meters_add;
    uint32_t *meters_delete; /* after the bundle */
    size_t n_meters_delete, cap_meters_delete;
    struct flow_mod *mods;
    size_t n_mods, cap_mods;
};

struct flow_list {
    struct flow *flows;
    size_t n, capacity;
};

const char *flow_field_name(unsigned id); /* as in ovs-fields(7); never null */
size_t flow_field_size(unsigned id);      /* bytes */
unsigned flow_field_bits(unsigned id);

/* Adds or replaces a field, exact. A match that would have more than FLOW_MATCH_MAX fields is our defect: abort. */
void match_u(struct flow_match *match, enum flow_field_id id, uint64_t value); /* fields of up to 8 bytes */
void match_u_masked(struct flow_match *match, enum flow_field_id id, uint64_t value, uint64_t mask);
void match_mac(struct flow_match *match, enum flow_field_id id, const struct mac *mac);
/* Any field, from its bytes; 'mask' null: exact. */
void match_bytes(struct flow_match *match, enum flow_field_id id, const uint8_t *value, const uint8_t *mask);
/* An IPv4 prefix into the 4-byte field 'v4', an IPv6 prefix into 'v6'; sets eth_type, too (ARP's if 'v4' is a field of
 * ARP). Length 0 only sets eth_type. */
void match_prefix(struct flow_match *match, enum flow_field_id v4, enum flow_field_id v6, const struct prefix *prefix);
/* The field, or null. */
const struct flow_field *match_find(const struct flow_match *match, enum flow_field_id id);
/* Value of an exactly matched field of up to 8 bytes; false if it is absent or masked. */
bool match_get_u(const struct flow_match *match, enum flow_field_id id, uint64_t *value);
bool match_equal(const struct flow_match *a, const struct flow_match *b);
bool flow_field_exact(const struct flow_field *field);
uint64_t flow_field_u(const struct flow_field *field); /* value as a number, fields of up to 8 bytes */
uint64_t flow_field_mask_u(const struct flow_field *field);

/* A flow with nothing set but table, priority and cookie. */
struct flow flow_make(uint8_t table, uint16_t priority, uint64_t cookie);
struct flow_action *flow_add_action(struct flow *flow, enum flow_action_type type); /* zeroed but for its type */
void flow_output(struct flow *flow, uint32_t port); /* the whole packet, where it goes to PORT_CONTROLLER */
/* All of a field of up to 8 bytes; VLAN_PRESENT is added to a VLAN_VID. */
void flow_set_u(struct flow *flow, enum flow_field_id id, uint64_t value);
/* Any field, from its bytes; 'mask' null: all of it. */
void flow_set_bytes(struct flow *flow, enum flow_field_id id, const uint8_t *value, const uint8_t *mask);
void flow_set_mac(struct flow *flow, enum flow_field_id id, const struct mac *mac);
void flow_move(struct flow *flow, enum flow_field_id source, enum flow_field_id destination);
/* What is added between the two calls is nested in a clone; returns what flow_clone_end() is to be given. */
uint16_t flow_clone_begin(struct flow *flow);
void flow_clone_end(struct flow *flow, uint16_t clone);
/* Of a flow with ACTION_LEARN; too many specs are our defect: abort. */
void flow_learn_add(struct flow_learn *learn, struct flow_learn_spec spec);
void flow_free(struct flow *flow); /* its members, not itself */
struct flow flow_copy(const struct flow *flow);
/* Same table, priority, match, cookie, timeouts, instructions and actions; counters do not matter. */
bool flow_equal(const struct flow *a, const struct flow *b);
/* The same for flows that are equal; of others but for the odds of 64 bits. */
uint64_t flow_hash(const struct flow *flow);
/* One line as ovs-ofctl would write it; for messages and golden files. Caller frees. */
char *flow_format(const struct flow *flow);
/* The same of a match alone. */
char *flow_match_format(const struct flow_match *match);
/* As qsort comparator: table, then falling priority, then match bytes, then cookie. */
int flow_compare(const void *a, const void *b);
bool flow_meter_equal(const struct flow_meter *a, const struct flow_meter *b);
/* What it lets pass, e.g. "1000 kbit/s with bursts of 100 kbit". Caller frees. */
char *flow_meter_format(const struct flow_meter *meter);

void flow_list_add(struct flow_list *list, struct flow flow); /* takes over flow.actions */
void flow_list_free(struct flow_list *list);

void flow_txn_add(struct flow_txn *txn, struct flow flow); /* takes over flow.actions */
/* Deletes every flow in 'table' (or FLOW_TABLE_ALL) whose cookie equals 'cookie' under 'mask'. */
void flow_txn_delete_cookie(struct flow_txn *txn, uint8_t table, uint64_t cookie, uint64_t mask);
void flow_txn_delete_strict(struct flow_txn *txn, struct flow flow); /* takes over flow.actions */
void flow_txn_meter_add(struct flow_txn *txn, struct flow_meter meter);
void flow_txn_meter_delete(struct flow_txn *txn, uint32_t id);
void flow_txn_append(struct flow_txn *txn, const struct flow_txn *from); /* a copy */
struct flow_txn flow_txn_copy(const struct flow_txn *txn);
bool flow_txn_is_empty(const struct flow_txn *txn);
void flow_txn_free(struct flow_txn *txn);
char *flow_txn_format(const struct flow_txn *txn); /* a line per change; caller frees */

#endif
