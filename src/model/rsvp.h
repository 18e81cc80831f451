/* SPDX-License-Identifier: Apache-2.0 */
/* An RSVP-TE message in host terms: what proto/rsvp encodes and decodes, and what gmpls/ decides upon.
 *
 * One struct holds every message; 'has' tells which objects are there. Addresses are IPv4 in host byte order, rates
 * bits per second. Sources: RFC 2205 (base), RFC 2961 (refresh reduction), RFC 3209 (TE), RFC 3473 (GMPLS), RFC 3477
 * (unnumbered), RFC 6003 (Ethernet traffic parameters). */
#ifndef MODEL_RSVP_H
#define MODEL_RSVP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/lsp.h"

enum rsvp_type {
    RSVP_PATH = 1,
    RSVP_RESV = 2,
    RSVP_PATH_ERR = 3,
    RSVP_RESV_ERR = 4,
    RSVP_PATH_TEAR = 5,
    RSVP_RESV_TEAR = 6,
    RSVP_RESV_CONF = 7,
    RSVP_BUNDLE = 12, /* only on the wire: the decoder hands out the messages in it one by one */
    RSVP_ACK = 13,
    RSVP_SREFRESH = 15,
    RSVP_HELLO = 20,
    RSVP_NOTIFY = 21
};

enum rsvp_has {
    RSVP_HAS_SESSION = 1 << 0,
    RSVP_HAS_HOP = 1 << 1,
    RSVP_HAS_TIME_VALUES = 1 << 2,
    RSVP_HAS_ERROR = 1 << 3,
    RSVP_HAS_STYLE = 1 << 4,
    RSVP_HAS_SENDER = 1 << 5, /* SENDER_TEMPLATE, or FILTER_SPEC in messages that go upstream */
    RSVP_HAS_TSPEC = 1 << 6,  /* SENDER_TSPEC, or FLOWSPEC in messages that go upstream */
    RSVP_HAS_RESV_CONFIRM = 1 << 7,
    RSVP_HAS_ERO = 1 << 8,
    RSVP_HAS_RRO = 1 << 9,
    RSVP_HAS_LABEL_REQUEST = 1 << 10,
    RSVP_HAS_LABEL = 1 << 11,
    RSVP_HAS_UPSTREAM_LABEL = 1 << 12,
    RSVP_HAS_SUGGESTED_LABEL = 1 << 13,
    RSVP_HAS_RECOVERY_LABEL = 1 << 14,
    RSVP_HAS_ATTRIBUTE = 1 << 15, /* SESSION_ATTRIBUTE */
    RSVP_HAS_ADMIN_STATUS = 1 << 16,
    RSVP_HAS_NOTIFY_REQUEST = 1 << 17,
    RSVP_HAS_MESSAGE_ID = 1 << 18,
    RSVP_HAS_HELLO = 1 << 19,
    RSVP_HAS_RESTART_CAP = 1 << 20,
    RSVP_HAS_LABEL_SET = 1 << 21,
    RSVP_HAS_ACCEPTABLE_LABELS = 1 << 22
};

struct rsvp_session { /* LSP_TUNNEL_IPv4, RFC 3209 §4.6.1.1 */
    uint32_t destination;
    uint16_t tunnel_id;
    uint32_t extended_tunnel_id;
};

struct rsvp_sender { /* LSP_TUNNEL_IPv4, RFC 3209 §4.6.2.1 */
    uint32_t source;
    uint16_t lsp_id;
};

enum rsvp_if_type { RSVP_IF_NONE = 0, RSVP_IF_IPV4 = 1, RSVP_IF_INDEX = 3 }; /* TLV types of RFC 3471 §9.1.1 */

struct rsvp_hop {     /* C-Type 1 if 'if_type' is NONE, else IF_ID, C-Type 3: RFC 3473 §8.1 */
    uint32_t address; /* of the control channel's interface */
    uint32_t lih;     /* logical interface handle: what the sender of Path puts in comes back in Resv */
    uint8_t if_type;
    uint32_t if_address; /* of the data link */
    uint32_t if_id;      /* of INDEX */
};

enum rsvp_style { RSVP_STYLE_FF = 0x0a, RSVP_STYLE_SE = 0x12 };

enum rsvp_tspec_kind { RSVP_TSPEC_INTSERV = 2, RSVP_TSPEC_ETHERNET = 6 }; /* C-Types */

struct rsvp_tspec {
    uint8_t kind;
    uint64_t rate_bps;   /* Ethernet CIR (RFC 6003 §4), or Intserv token bucket rate */
    uint64_t burst_bits; /* CBS, or bucket size */
    uint16_t mtu;        /* bytes */
};

struct rsvp_label_request { /* generalized, RFC 3471 §3.1 */
    uint8_t encoding;       /* 1 packet, 2 Ethernet */
    uint8_t switching;      /* 1 PSC-1, 51 L2SC */
    uint16_t gpid;          /* 33 Ethernet PHY frame... as RFC 3471 §3.1.1 lists */
};

struct rsvp_attribute { /* RFC 3209 §4.7; with affinities C-Type 1, without C-Type 7 */
    uint8_t setup_priority, holding_priority;
    uint8_t flags; /* 0x01 local protection, 0x02 label recording, 0x04 SE style */
    bool has_affinity;
    uint32_t exclude_any, include_any, include_all;
    char name[LSP_NAME_SIZE]; /* longer ones are cut */
};

#define RSVP_ADMIN_REFLECT 0x80000000u /* RFC 3473 §7.1 */
#define RSVP_ADMIN_TESTING 0x00000004u
#define RSVP_ADMIN_DOWN 0x00000002u
#define RSVP_ADMIN_DELETION 0x00000001u

#define RSVP_MESSAGE_ID_ACK_DESIRED 0x01

struct rsvp_message_id { /* RFC 2961 §4.1 */
    uint8_t flags;
    uint32_t epoch; /* 24 bits */
    uint32_t id;
};

struct rsvp_ack { /* RFC 2961 §4.2 */
    bool nack;
    uint32_t epoch, id;
};

struct rsvp_hello { /* RFC 3209 §5.3 */
    bool ack;       /* HELLO ACK, else HELLO REQUEST */
    uint32_t source_instance, destination_instance;
};

struct rsvp_restart_cap { /* RFC 3473 §9.1 */
    uint32_t restart_ms, recovery_ms;
};

#define RSVP_ACKS_MAX 256 /* of one message; more are sent in further messages, and refused when received */
#define RSVP_SREFRESH_MAX 1024
#define RSVP_LABELS_MAX 64 /* of LABEL_SET and ACCEPTABLE_LABEL_SET */

/* An object that this program does not know, whose class says that it is forwarded: RFC 2205 §3.10 (11bbbbbb). */
struct rsvp_unknown {
    uint8_t class, ctype;
    uint16_t size; /* of 'body' */
    uint8_t *body; /* owned */
};
#define RSVP_UNKNOWN_MAX 8
#define RSVP_UNKNOWN_BYTES_MAX 4096 /* of all bodies of a message: an LSP keeps them */

struct rsvp_message {
    uint8_t type;           /* enum rsvp_type */
    uint8_t ttl;            /* Send_TTL */
    bool refresh_reduction; /* the sender can do RFC 2961 (flag 0x01 of the header) */
    uint32_t has;           /* enum rsvp_has */
    struct rsvp_session session;
    struct rsvp_hop hop;
    uint32_t refresh_ms;    /* TIME_VALUES */
    struct lsp_error error; /* ERROR_SPEC, IF_ID if an interface is named */
    uint8_t style;
    struct rsvp_sender sender;
    struct rsvp_tspec tspec;
    uint32_t resv_confirm;     /* receiver's address */
    struct lsp_route ero, rro; /* owned */
    struct rsvp_label_request label_request;
    uint32_t label, upstream_label, suggested_label, recovery_label;
    struct rsvp_attribute attribute;
    uint32_t admin_status;
    uint32_t notify_node;
    struct rsvp_message_id message_id;
    struct rsvp_hello hello;
    struct rsvp_restart_cap restart_cap;
    uint32_t *labels; /* of LABEL_SET or ACCEPTABLE_LABEL_SET (an inclusive list); owned */
    size_t n_labels;
    struct rsvp_ack *acks; /* MESSAGE_ID_ACK and _NACK objects; owned */
    size_t n_acks;
    uint32_t srefresh_epoch; /* of the MESSAGE_ID_LIST */
    uint32_t *srefresh;      /* its ids; owned */
    size_t n_srefresh;
    struct rsvp_unknown unknown[RSVP_UNKNOWN_MAX];
    unsigned n_unknown;
};

bool rsvp_unknown_equal(const struct rsvp_unknown *a, unsigned n_a, const struct rsvp_unknown *b, unsigned n_b);
void rsvp_message_free(struct rsvp_message *message); /* its members */
struct rsvp_message rsvp_message_copy(const struct rsvp_message *message);
const char *rsvp_type_name(uint8_t type); /* "Path", ...; never null */
/* "Path 10.253.0.5/7 from 10.253.0.1/1 label ..." on one line, for logs and exchange tests; caller frees. */
char *rsvp_message_format(const struct rsvp_message *message);

/* Error codes and values that we send: RFC 2205 §B, RFC 3209 §7.3, RFC 3473 §13.1, RFC 4920 §5. */
enum rsvp_error_code {
    RSVP_ERR_ADMISSION = 1, /* values: 2 requested bandwidth unavailable */
    RSVP_ERR_POLICY = 2,    /* 5: preempted */
    RSVP_ERR_NO_PATH = 3,   /* no path information for this Resv */
    RSVP_ERR_NO_SENDER = 4,
    RSVP_ERR_CONFLICTING_STYLE = 5,
    RSVP_ERR_UNKNOWN_STYLE = 6,
    RSVP_ERR_UNKNOWN_CLASS = 13,
    RSVP_ERR_UNKNOWN_CTYPE = 14,
    RSVP_ERR_TRAFFIC = 21,
    RSVP_ERR_SYSTEM = 23,
    RSVP_ERR_ROUTING = 24,
    RSVP_ERR_NOTIFY = 25
};

enum rsvp_traffic_value { /* of RSVP_ERR_TRAFFIC: RFC 2205 appendix B */
                          RSVP_TRAFFIC_BAD_TSPEC = 4
};

enum rsvp_routing_value { /* of RSVP_ERR_ROUTING */
                          RSVP_ROUTING_BAD_ERO = 1,
                          RSVP_ROUTING_BAD_STRICT = 2,
                          RSVP_ROUTING_BAD_LOOSE = 3,
                          RSVP_ROUTING_BAD_INITIAL = 4,
                          RSVP_ROUTING_NO_ROUTE = 5,
                          RSVP_ROUTING_UNACCEPTABLE_LABEL = 6,
                          RSVP_ROUTING_LOOP = 7,
                          RSVP_ROUTING_NO_LABEL = 9,
                          RSVP_ROUTING_LABEL_SET = 11,
                          RSVP_ROUTING_SWITCHING = 12,
                          RSVP_ROUTING_ENCODING = 14,
                          RSVP_ROUTING_LINK_PROTECTION = 15,
                          RSVP_ROUTING_UNKNOWN_INTERFACE = 16
};

#define RSVP_ADMISSION_BANDWIDTH 2
#define RSVP_POLICY_PREEMPTED 5

#endif
