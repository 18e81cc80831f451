/* SPDX-License-Identifier: Apache-2.0 */
/* A request of a session, and what reads and transactions know of each other. */
#ifndef PROTO_OPENFLOW_REQUEST_H
#define PROTO_OPENFLOW_REQUEST_H

#include "proto/openflow/openflow_session_internal.h"

enum request_kind { REQUEST_TXN, REQUEST_FLOWS, REQUEST_METERS, REQUEST_PORTS };

/* Each state of a transaction waits for one message: a barrier reply, or the reply to the commit. */
enum txn_state {
    TXN_QUEUED, /* enough are under way, it waits to fill a bundle, or needs the meters of an earlier one */
    TXN_METERS, /* meters added */
    TXN_BUNDLE, /* bundle opened and filled */
    TXN_READY,  /* waits for no message, but until the earlier ones' commits are sent */
    TXN_COMMIT,
    TXN_FINISH, /* meters that existed already modified, others deleted */
    TXN_UNDO,   /* after a refusal: bundle discarded, added meters deleted */
    TXN_DONE
};

enum meter_state { METER_ADDED, METER_EXISTED, METER_REFUSED };

struct of_request {
    struct of_request *next, **previous;
    uint64_t id;
    enum request_kind kind;
    struct mono deadline;
    uint32_t xid; /* the answer that it waits for */

    /* Of a transaction */
    struct sm sm;
    struct flow_txn txn;
    struct of_buffer bundle_bytes; /* encoded before anything is sent, so that what cannot be encoded changes nothing */
    uint32_t bundle;
    uint32_t open_xid, meters_xid, mods_xid, deletes_xid; /* the first of each kind's */
    uint8_t *meters;                                      /* enum meter_state of each of txn.meters_add */
    uint32_t *named;                                      /* every meter that it names, rising */
    size_t n_named, cap_named;
    bool changes_meters; /* adds or deletes some */
    bool wants_barrier;  /* after what has just been sent */
    bool bundle_is_open;
    bool shared;        /* the bundle, with others */
    bool alone;         /* is to have a bundle of its own: the one that it shared was refused */
    struct err failure; /* the first refusal */
};

/* openflow_request.c */

/* A new one at the end; null if the session is not up, which is told. */
struct of_request *of_request_new(struct of_session *session, enum request_kind kind, uint64_t id, int64_t timeout_ms,
                                  struct mono now);
/* Takes the request out and tells the caller; of_txns_advance() is due after a transaction. */
void of_request_end(struct of_session *session, struct of_request *request, const struct err *err);

/* openflow_txn.c */

/* Sends what can be sent now: commits in the order in which the transactions came, and the beginnings of others. */
void of_txns_advance(struct of_session *session);
/* An answer: true if it is for this transaction. Barrier replies go to of_txns_barrier(), true if one waited for it. */
bool of_txn_message(struct of_session *session, struct of_request *request, const struct of_message *message);
bool of_txns_barrier(struct of_session *session, uint32_t xid);
/* Takes back what is not committed, without waiting for an answer. */
void of_txn_undo(struct of_session *session, struct of_request *request);
/* Whether something of it may stand in the switch although the connection, and with it an open bundle, is gone. */
bool of_txn_may_stand(const struct of_request *request);

#endif
