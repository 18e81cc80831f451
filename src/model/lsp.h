/* SPDX-License-Identifier: Apache-2.0 */
/* A label switched path (LSP), as its ingress is asked for it and as it reports it: the values that path computation,
 * PCEP, RSVP-TE and the gateway share.
 *
 * Addresses are IPv4 in host byte order. Rates are bits per second. An LSP here is bidirectional and co-routed: both
 * directions take the same links, each with its own labels (RFC 3473 §3). */
#ifndef MODEL_LSP_H
#define MODEL_LSP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/ted.h"

enum lsp_hop_type {
    HOP_IPV4,       /* address: of an interface, or a router id; RFC 3209 §4.3.3.2 */
    HOP_UNNUMBERED, /* address: router id; interface: RFC 3477 §4 */
    HOP_LABEL       /* of the interface that the hop before names; RFC 3473 §5.1, explicit label control RFC 4003 */
};

struct lsp_hop {
    uint8_t type;   /* enum lsp_hop_type */
    bool loose;     /* of IPV4 and UNNUMBERED; RFC 3209 §4.3.3.1 */
    bool upstream;  /* of LABEL: for the direction from egress to ingress */
    uint8_t length; /* of IPV4: bits of the prefix, 32 unless a peer says otherwise */
    uint32_t address;
    uint32_t interface;
    uint32_t label;
};

#define LSP_HOPS_MAX 255 /* more are refused by decoders */

struct lsp_route {
    struct lsp_hop *hops; /* owned: lsp_route_free() */
    size_t n, capacity;
};

void lsp_route_add(struct lsp_route *route, struct lsp_hop hop);
struct lsp_route lsp_route_copy(const struct lsp_route *route);
bool lsp_route_equal(const struct lsp_route *a, const struct lsp_route *b);
void lsp_route_free(struct lsp_route *route); /* its members */
/* "10.252.0.1 10.253.0.5/3 label 101"; caller frees. */
char *lsp_route_format(const struct lsp_route *route);

/* Where a client's frames enter or leave the LSP at its ends. */
#define CLIENT_VLAN_ANY 0       /* asked for: the node chooses one */
#define CLIENT_VLAN_NONE 0xffff /* the whole port, in bridge mode: no tag */

struct lsp_client {
    uint32_t interface; /* id of the node's client port */
    uint16_t vlan;      /* 1..4094, or one of the above */
};

#define LSP_NAME_SIZE 64

/* What an ingress is asked to set up. */
struct lsp_request {
    char name[LSP_NAME_SIZE]; /* unique at the ingress; RFC 8231 §7.3.2 */
    uint32_t ingress, egress; /* router ids */
    struct lsp_client ingress_client, egress_client;
    uint64_t bandwidth_bps;                         /* each direction */
    uint8_t setup_priority, holding_priority;       /* 0 best .. 7; holding is not worse than setup */
    uint32_t exclude_any, include_any, include_all; /* admin groups; RFC 3209 §4.7.4 */
    struct lsp_route route; /* strict, interface addresses of the far ends of the links, in order; owned */
};

/* RFC 8231 §7.3, field O. */
enum lsp_state { LSP_DOWN, LSP_UP, LSP_ACTIVE, LSP_GOING_DOWN, LSP_GOING_UP };

/* Why an LSP is not up: RFC 2205 §A.5, RFC 3209 §7.3, RFC 3473 §4. */
struct lsp_error {
    uint32_t node;                       /* that found it; 0: none */
    uint8_t code;                        /* RSVP error code; 0: no error */
    uint16_t value;                      /* RSVP error value */
    uint32_t interface_ip, interface_id; /* of IF_ID ERROR_SPEC: the interface of 'node' that it is about; 0: none */
    bool path_state_removed;             /* RFC 3473 §4.4 */
};

struct lsp_report {
    char name[LSP_NAME_SIZE];
    uint32_t ingress, egress;
    uint16_t tunnel_id, lsp_id;
    uint8_t state; /* enum lsp_state */
    bool removed;  /* it is gone, and this is the last report */
    uint64_t bandwidth_bps;
    struct lsp_client ingress_client, egress_client; /* the stitching points, once known */
    struct lsp_error error;
    struct lsp_route route;  /* asked for; owned */
    struct lsp_route record; /* taken, with labels: per link the address of its far end's interface, then the two labels
                              * used on that link; owned */
};

const char *lsp_state_name(enum lsp_state state);          /* "up", ...; never null */
const char *rsvp_error_name(uint8_t code, uint16_t value); /* in the words of the RFCs; never null */
/* "requested bandwidth unavailable (1/2) at 10.253.0.1, interface 10.252.0.5"; caller frees. */
char *lsp_error_format(const struct lsp_error *error);
void lsp_request_free(struct lsp_request *request); /* its members */
struct lsp_request lsp_request_copy(const struct lsp_request *request);
void lsp_report_free(struct lsp_report *report);
struct lsp_report lsp_report_copy(const struct lsp_report *report);

#endif
