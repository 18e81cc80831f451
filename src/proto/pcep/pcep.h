/* SPDX-License-Identifier: Apache-2.0 */
/* PCEP, the protocol between path computation elements (PCE: the gateway) and path computation clients (PCC: the
 * ingress of an LSP): messages as bytes to and from structs. Pure: no socket, no clock.
 *
 * Siblings
 *   pcep.h             this contract
 *   pcep_codec.c       messages: header, which objects each holds, in which order, what of them is missed
 *   pcep_object.c      the table of objects: class, type, least length, read, write
 *   pcep_tlv.c         the tables of TLVs
 *   pcep_route.c       sub-objects of ERO and RRO: IPv4, unnumbered interface, label, SR segment
 *   pcep_lsp.c         between items of messages and the LSPs of model/lsp.h
 *   pcep_text.c        names of messages and errors, a message as text
 *   pcep_session.h     a session as a pure state machine, for both roles; pcep_session.c, pcep_open.c (how it comes
 *                      up), pcep_pce.c, pcep_pcc.c
 *
 * Documents
 *   RFC 5440 (base), 8231 (stateful PCE), 8281 (LSPs that a PCE initiates), 8408 (path setup types), 8664 (segment
 *   routing), 8779 (GMPLS), 9357 and 9504 (stateful PCE for GMPLS); sub-objects: RFC 3209 §4.3, 3473 §5, 3477 §4.
 *
 * How a circuit goes over PCEP
 *   The gateway computes the path, and asks the ingress with PCInitiate: END-POINTS are the router ids, the ERO is the
 *   path, strict, by the addresses of the interfaces at the far ends of the links. Where the client's frames enter and
 *   leave, the ERO says, too: explicit label control (RFC 4003, RFC 8779 §2.6). Its first two sub-objects are the
 *   ingress's client interface (unnumbered, RFC 3477) and a label that is the VLAN there; its last two the egress's.
 *   The RRO of the reports names the same, with the VLANs that are used, around the hops and their labels. pcep_lsp.c
 *   is the only place that knows.
 *   LSPs are bidirectional and co-routed: both speakers announce GMPLS-CAPABILITY, and LSP-EXTENDED-FLAG has G and B
 *   (RFC 9504 §6.2.3).
 *   Why an LSP failed comes in the RSVP-ERROR-SPEC TLV, with the interface (IF_ID ERROR_SPEC): that is what the gateway
 *   computes around.
 *
 * Departures, and why
 *   - The order of objects in a message is strict in what we send and free in what we take: real peers differ.
 *   - In stateful messages the P flag is 0 in what we send (RFC 8231 §7), and what lacks it is taken; a P flag counts
 *     only on what is unknown or not supported, which is refused then (RFC 5440 §7.2) and otherwise skipped.
 *   - A symbolic path name of more than LSP_NAME_SIZE - 1 bytes, or with bytes that are no printable ASCII, is refused:
 *     cut or altered, it would not be unique any more.
 *   - Sub-objects of routes other than those that pcep_route.c names (IPv6, AS numbers, path keys...) are counted and
 *     skipped: a PCE still learns of the LSP, but a PCC refuses to set up what it understood only in part.
 *   - Whether a PCE asks for an LSP in one direction or in both, ours is bidirectional: more than asked for, not less.
 *   - Segment routing (path setup type 1) is read and written for peers that speak nothing else; the gateway uses
 *     RSVP-TE (type 0) only. */
#ifndef PROTO_PCEP_PCEP_H
#define PROTO_PCEP_PCEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/wire.h"
#include "model/lsp.h"

#define PCEP_PORT 4189
#define PCEP_VERSION 1
#define PCEP_HEADER_SIZE 4
#define PCEP_MESSAGE_MAX 65535
#define PCEP_ITEMS_MAX 2048 /* of one message; more are refused */

enum pcep_type { /* RFC 5440 §6.1, RFC 8231 §6, RFC 8281 §5 */
                 PCEP_OPEN = 1,
                 PCEP_KEEPALIVE = 2,
                 PCEP_REQUEST = 3,
                 PCEP_REPLY = 4,
                 PCEP_NOTIFICATION = 5,
                 PCEP_ERROR = 6,
                 PCEP_CLOSE = 7,
                 PCEP_REPORT = 10,
                 PCEP_UPDATE = 11,
                 PCEP_INITIATE = 12
};

enum pcep_setup { PCEP_RSVP_TE = 0, PCEP_SR = 1 }; /* path setup types, RFC 8408, RFC 8664 */

enum pcep_stateful { PCEP_LSP_UPDATE = 0x1, PCEP_LSP_INITIATE = 0x4 }; /* RFC 8231 §7.1.1, 8281 §4.1 */
enum pcep_gmpls { PCEP_GMPLS_REPORT = 0x1, PCEP_GMPLS_UPDATE = 0x2, PCEP_GMPLS_INITIATE = 0x4 }; /* RFC 9504 §6.2.1 */

#define PCEP_SPEAKER_SIZE 32

struct pcep_open {
    uint8_t version;
    uint8_t keepalive_s; /* the longest time between two messages of the sender; 0: it sends no keep-alives */
    uint8_t dead_s;      /* how long it may be silent before it counts as gone; 0 if keepalive_s is */
    uint8_t sid;
    bool stateful, gmpls, sr;             /* is there a TLV? */
    uint32_t stateful_flags, gmpls_flags; /* enum pcep_stateful, enum pcep_gmpls */
    bool has_setups;                      /* without the list, RSVP-TE it is (RFC 8408 §3) */
    uint32_t setups;                      /* bit n: path setup type n, 0..31 */
    uint8_t sr_flags, sr_depth;           /* maximum SID depth, RFC 8664 §4.1.2 */
    char speaker[PCEP_SPEAKER_SIZE];      /* SPEAKER-ENTITY-ID, RFC 8232 §3.3.2, if it is text that fits; else "" */
};

/* Whether the sender sets up LSPs in this way. */
bool pcep_open_can(const struct pcep_open *open, enum pcep_setup setup);

enum pcep_has {
    PCEP_HAS_SRP = 1 << 0,   /* id, remove */
    PCEP_HAS_RP = 1 << 1,    /* id, rp_flags */
    PCEP_HAS_SETUP = 1 << 2, /* TLV of either */
    PCEP_HAS_LSP = 1 << 3,   /* plsp_id, flags, state */
    PCEP_HAS_NAME = 1 << 4,
    PCEP_HAS_IDENTIFIERS = 1 << 5,
    PCEP_HAS_LSP_ERROR = 1 << 6,
    PCEP_HAS_RSVP_ERROR = 1 << 7,
    PCEP_HAS_EXTENDED = 1 << 8,
    PCEP_HAS_ENDPOINTS = 1 << 9,
    PCEP_HAS_GENERALIZED_ENDPOINTS = 1 << 10, /* not both */
    PCEP_HAS_ERO = 1 << 11,
    PCEP_HAS_RRO = 1 << 12,
    PCEP_HAS_LSPA = 1 << 13,
    PCEP_HAS_BANDWIDTH = 1 << 14,
    PCEP_HAS_METRIC = 1 << 15,
    PCEP_HAS_NO_PATH = 1 << 16,
    PCEP_HAS_ERROR = 1 << 17
};

enum pcep_lsp_flag { /* RFC 8231 §7.3, RFC 8281 §5.3.1 */
                     PCEP_DELEGATE = 0x001,
                     PCEP_SYNC = 0x002,
                     PCEP_REMOVE = 0x004,
                     PCEP_ADMIN_UP = 0x008,
                     PCEP_CREATE = 0x080
};
#define PCEP_PLSP_ID_MAX 0xfffffu

#define PCEP_EXTENDED_GMPLS 0x80000000u /* RFC 9504 §6.2.3 */
#define PCEP_EXTENDED_BIDIRECTIONAL 0x40000000u

struct pcep_identifiers { /* IPV4-LSP-IDENTIFIERS, RFC 8231 §7.3.1 */
    uint32_t sender;
    uint16_t lsp_id, tunnel_id;
    uint32_t extended_tunnel_id, endpoint;
};

struct pcep_endpoints {
    uint32_t source, destination; /* addresses, or node ids of unnumbered interfaces */
    /* Of GENERALIZED_ENDPOINTS, RFC 8779 §2.5: */
    uint32_t source_interface, destination_interface; /* 0: an address */
    bool has_label_request;
    uint8_t encoding, switching; /* RFC 3471 §3.1.1 */
    uint16_t gpid;
};

struct pcep_metric { /* RFC 5440 §7.8 */
    uint8_t type;
    bool bound, computed;
    float value;
};
#define PCEP_METRICS_MAX 8 /* of an item; more are refused */

struct pcep_segment { /* SR-ERO sub-object, RFC 8664 §4.3 */
    bool loose;
    uint8_t nai_type;             /* 0 none, 1 IPv4 node, 3 IPv4 adjacency */
    bool has_sid, mpls, complete; /* S is not set; M; C */
    uint32_t sid;                 /* of 'mpls': label in the upper 20 bits */
    uint32_t nai[2];
};

/* What a message says of one LSP or one path request: the objects from an SRP, RP or LSP on. */
struct pcep_item {
    uint32_t has;      /* enum pcep_has */
    uint32_t id;       /* SRP-ID-number, or Request-ID-number */
    bool remove;       /* SRP flag R, RFC 8281 §5.2 */
    uint32_t rp_flags; /* 24 bits */
    uint8_t setup;     /* path setup type */
    uint32_t plsp_id;  /* 0..PCEP_PLSP_ID_MAX */
    uint16_t flags;    /* enum pcep_lsp_flag */
    uint8_t state;     /* enum lsp_state, or 5..7 */
    char name[LSP_NAME_SIZE];
    struct pcep_identifiers identifiers;
    uint32_t lsp_error;     /* RFC 8231 §7.3.3 */
    struct lsp_error error; /* RSVP-ERROR-SPEC, RFC 8231 §7.3.4 */
    uint32_t extended;      /* PCEP_EXTENDED_* */
    struct pcep_endpoints endpoints;
    struct lsp_route ero, rro;     /* owned */
    unsigned n_unknown;            /* sub-objects of the ERO that are of another kind, and skipped */
    struct pcep_segment *segments; /* of the ERO, whose hops are none then; owned */
    size_t n_segments, cap_segments;
    uint32_t exclude_any, include_any, include_all; /* LSPA */
    uint8_t setup_priority, holding_priority;
    bool local_protection;
    uint64_t bandwidth_bps; /* of generalized bandwidth: the committed rate */
    struct pcep_metric metrics[PCEP_METRICS_MAX];
    unsigned n_metrics;
    uint8_t no_path;         /* nature of issue */
    uint32_t no_path_vector; /* RFC 5440 §7.5; 0: not there */
    uint8_t error_type, error_value;
};

struct pcep_message {
    uint8_t type;  /* enum pcep_type, or what a peer invents: that has nothing but the type */
    bool has_open; /* in Open, and in an error that proposes other values */
    struct pcep_open open;
    struct pcep_item *items; /* of Request, Reply, Notification (RPs), Error, Report, Update, Initiate; owned */
    size_t n_items, cap_items;
    uint8_t close_reason;
    uint8_t notification_type, notification_value;
};

void pcep_message_free(struct pcep_message *message); /* its members */
/* Appends an item, zeroed, which stays valid until the next one is. */
struct pcep_item *pcep_message_add(struct pcep_message *message);
void pcep_item_free(struct pcep_item *item); /* its members */

/* How a message that cannot be accepted is answered. */
struct pcep_refusal {
    uint8_t type, value; /* of the PCErr. 0: none; the session ends with Close, reason 3 (RFC 5440 §6.9): nothing in the
                          * stream can be trusted any more */
    uint32_t has;        /* PCEP_HAS_SRP or PCEP_HAS_RP: what it was about; or 0 */
    uint32_t id;
};

/* Reads the header at the front of a stream: the message's type and length. ERR_SHORT if it is not whole, ERR_MALFORMED
 * if its length is less than the header or no multiple of 4, ERR_UNSUPPORTED for another version. */
int pcep_header_decode(const uint8_t *bytes, size_t size, uint8_t *type, uint16_t *length);
/* Reads one whole message. Returns 0, or ERR_MALFORMED, ERR_SHORT, ERR_UNSUPPORTED or ERR_TOO_LARGE with a sentence
 * that names the object and its offset, and how to answer it; the message is left alone then. An unknown type is no
 * error here: its content is not looked at. */
int pcep_decode(const uint8_t *bytes, size_t size, struct pcep_message *message, struct pcep_refusal *refusal,
                struct err *err);
/* Appends one whole message. 0, or ERR_TOO_LARGE or ERR_INVALID; 'w' is to be thrown away then. Generalized bandwidth
 * is written as plain. */
int pcep_encode(struct wire *w, const struct pcep_message *message, struct err *err);

/* Between items and LSPs (pcep_lsp.c) */

/* The item of a PCInitiate or, with the PLSP-ID, of a PCUpd. 'gmpls': the peer announced GMPLS, too. */
void pcep_item_from_request(struct pcep_item *item, const struct lsp_request *request, bool gmpls);
/* The item of a PCRpt: all but PLSP-ID, SRP and the flags D, S, C. */
void pcep_item_from_report(struct pcep_item *item, const struct lsp_report *report, bool gmpls);
/* Back. What an item does not tell is 0, priorities 7. To be freed by the caller also after a failure. ERR_UNSUPPORTED
 * for a request whose route has SR segments or sub-objects that were skipped, and for a client's label that is no VLAN;
 * ERR_INVALID for priorities that cannot be. */
int pcep_item_to_request(const struct pcep_item *item, struct lsp_request *request, struct err *err);
int pcep_item_to_report(const struct pcep_item *item, struct lsp_report *report, struct err *err);

/* Texts (pcep_text.c) */

const char *pcep_type_name(uint8_t type); /* "PCRpt"; never null */
/* "unknown PLSP-ID (19/3)"; caller frees. */
char *pcep_error_format(uint8_t type, uint8_t value);
const char *pcep_close_name(uint8_t reason); /* never null */
/* A message on one line, all that was read of it; caller frees. */
char *pcep_message_format(const struct pcep_message *message);

enum pcep_error_type { /* RFC 5440 §7.15, 8231 §8.5, 8281 §8.5, 8408 §7.3; values are in pcep_text.c */
                       PCEP_ERR_OPEN = 1,
                       PCEP_ERR_CAPABILITY = 2,
                       PCEP_ERR_UNKNOWN_OBJECT = 3,
                       PCEP_ERR_NOT_SUPPORTED = 4,
                       PCEP_ERR_MISSING = 6,
                       PCEP_ERR_SECOND_SESSION = 9,
                       PCEP_ERR_INVALID_OBJECT = 10,
                       PCEP_ERR_OPERATION = 19,
                       PCEP_ERR_SYNC = 20,
                       PCEP_ERR_SETUP = 21,
                       PCEP_ERR_PARAMETERS = 23,
                       PCEP_ERR_INSTANTIATION = 24
};

enum pcep_close_reason { /* RFC 5440 §7.17 */
                         PCEP_CLOSE_NONE = 1,
                         PCEP_CLOSE_DEAD = 2,
                         PCEP_CLOSE_MALFORMED = 3,
                         PCEP_CLOSE_UNKNOWN_REQUESTS = 4,
                         PCEP_CLOSE_UNKNOWN_MESSAGES = 5
};

#endif
