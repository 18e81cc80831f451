/* SPDX-License-Identifier: Apache-2.0 */
/* A client of the OSPF API of FRR's ospfd (its ospfd/ospf_api.h, TCP port 2607), as a pure state machine: bytes and the
 * time go in; bytes to send and events come out. It only listens: it never originates an LSA.
 *
 * There are two streams. The client connects from some port P while it listens on P + 1; ospfd connects back to P + 1
 * of the address that it sees. On the first, "synchronous", we send requests, and each gets a REPLY of its number; on
 * the second, "asynchronous", ospfd sends notifications, those too that a request has asked for.
 *
 *   disconnected -> waiting --both streams up; REGISTER_EVENT--> registering --REPLY; SYNC_LSDB, SYNC_ROUTER_ID-->
 *   synchronising --REPLY to both, and ROUTER_ID: all LSAs before it have been told--> synchronised
 *
 * A message is: version (1 byte, 1), type (1), length of what follows the head (2), sequence number (4: the request's
 * in its reply and in the notifications that it asked for, 0 in all other notifications). Learned from ospfd 8.4.4, and
 * heeded here:
 *   - bit t - 1 of a type mask stands for LSAs of type t; a wrong mask is accepted and nothing ever comes
 *   - a request that needs no body (SYNC_REACHABLE, SYNC_ISM, SYNC_NSM, SYNC_ROUTER_ID) must have one all the same: an
 *     empty one makes ospfd abort
 *   - the REPLY to SYNC_LSDB may overtake the LSAs, which take the other stream. SYNC_ROUTER_ID is answered on that
 *     stream, so what it asked for marks their end
 *   - LSAs of MaxAge, and deletions before each update, are told as they are: ospf_lsdb makes sense of them */
#ifndef PROTO_OSPF_API_H
#define PROTO_OSPF_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mono.h"

#define OSPF_API_PORT 2607
#define OSPF_API_HEADER_SIZE 8

enum ospf_api_stream { OSPF_API_SYNC, OSPF_API_ASYNC };

enum ospf_api_type {
    OSPF_API_REGISTER_EVENT = 3,
    OSPF_API_SYNC_LSDB = 4,
    OSPF_API_REPLY = 10,
    OSPF_API_READY_NOTIFY = 11,
    OSPF_API_LSA_UPDATE = 12,
    OSPF_API_LSA_DELETE = 13,
    OSPF_API_NEW_INTERFACE = 14,
    OSPF_API_DEL_INTERFACE = 15,
    OSPF_API_ISM_CHANGE = 16,
    OSPF_API_NSM_CHANGE = 17,
    OSPF_API_REACHABLE_CHANGE = 18,
    OSPF_API_SYNC_ROUTER_ID = 19,
    OSPF_API_ROUTER_ID_CHANGE = 20,
};

/* A notification. What its type does not have is 0. */
struct ospf_api_notice {
    uint8_t type;       /* enum ospf_api_type */
    uint32_t interface; /* address */
    uint32_t area;
    uint32_t neighbour;            /* address */
    uint32_t router;               /* id: of the neighbour, or ospfd's own */
    uint8_t status;                /* state of an interface or neighbour, as ospfd counts them */
    uint8_t lsa_type, opaque_type; /* READY_NOTIFY */
    uint16_t n_reachable, n_unreachable;
    bool self_originated;
    const uint8_t *lsa; /* within the bytes that were decoded */
    size_t lsa_size;
};

/* Decodes the body of a notification. 0, or with 'err' ERR_MALFORMED (shorter than its type) or ERR_UNSUPPORTED (no
 * type of a notification). */
int ospf_api_notice_decode(uint8_t type, const uint8_t *body, size_t size, struct ospf_api_notice *notice,
                           struct err *err);

enum ospf_api_event_type {
    OSPF_API_EVENT_NOTICE,      /* 'notice' */
    OSPF_API_EVENT_SYNC_BEGINS, /* every LSA is going to be told */
    OSPF_API_EVENT_SYNCED       /* and has been */
};

struct ospf_api_event {
    enum ospf_api_event_type type;
    struct ospf_api_notice notice; /* its LSA is the event's */
};

struct ospf_api;

/* 'timeout_ms' bounds the time from the first stream's coming up to OSPF_API_EVENT_SYNCED. */
struct ospf_api *ospf_api_new(uint32_t timeout_ms);
void ospf_api_free(struct ospf_api *api); /* null is fine */

/* A stream stands; either may be first. */
void ospf_api_up(struct ospf_api *api, enum ospf_api_stream stream, struct mono now);
/* One of the streams has gone, and the caller closes the other: all starts anew. Events that wait are dropped. */
void ospf_api_down(struct ospf_api *api);

/* Takes whole messages from the 'n' bytes. How many bytes that was: the rest has to come again with what follows; or a
 * negative code and 'err' if ospfd refuses a request or breaks the protocol, and the caller has to close both
 * streams. */
int ospf_api_input(struct ospf_api *api, enum ospf_api_stream stream, const uint8_t *bytes, size_t n, struct err *err);
/* 0, or ERR_TIMEOUT and 'err': close both streams. */
int ospf_api_tick(struct ospf_api *api, struct mono now, struct err *err);
struct mono ospf_api_deadline(const struct ospf_api *api); /* MONO_NEVER: nothing is waited for */
/* Queues a request that is answered at once; no-op unless synchronised. */
void ospf_api_probe(struct ospf_api *api);

bool ospf_api_synced(const struct ospf_api *api);

/* What has to be sent on the synchronous stream since the last call, '*n' bytes that the caller frees; null if nothing.
 */
char *ospf_api_output(struct ospf_api *api, size_t *n);
/* The oldest event that was not taken; false if there is none. To be ended by ospf_api_event_free(). */
bool ospf_api_event(struct ospf_api *api, struct ospf_api_event *event);
void ospf_api_event_free(struct ospf_api_event *event);

#endif
