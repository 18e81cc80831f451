/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the session share: ovsdb_session.c speaks JSON-RPC, ovsdb_trunks.c carries out one kind of
 * request. */
#ifndef PROTO_OVSDB_INTERNAL_H
#define PROTO_OVSDB_INTERNAL_H

#include "base/sm.h"
#include "base/strbuf.h"
#include "proto/ovsdb/ovsdb_frame.h"
#include "proto/ovsdb/ovsdb_session.h"

#define OVSDB_CFG_NOT_KNOWN INT64_MAX

/* A request to change trunks, until its OVSDB_DONE. */
struct ovsdb_pending {
    int64_t id; /* of the JSON-RPC request */
    uint64_t request;
    struct mono deadline;
    int64_t next_cfg; /* in effect once cur_cfg is this; OVSDB_CFG_NOT_KNOWN until the server has answered */
    char bridge[NAME_SIZE], port[NAME_SIZE];
};

struct ovsdb_session {
    struct sm sm;
    uint32_t timeout_ms;
    struct mono monitor_deadline; /* MONO_NEVER unless asking */
    struct ovsdb_framer framer;
    struct ovsdb_db db;
    struct strbuf output;
    int64_t last_id;
    struct ovsdb_pending *pending;
    size_t n_pending, cap_pending;
    struct ovsdb_event *events;
    size_t first_event, n_events, cap_events;
};

void ovsdb_push_event(struct ovsdb_session *session, enum ovsdb_event_type type, uint64_t request,
                      const struct err *err);
/* Queues a JSON-RPC request; takes over 'params' and 'id'. */
void ovsdb_send_request(struct ovsdb_session *session, const char *method, json_t *params, json_t *id);
/* "ERROR: DETAILS" of an <error> object, or the string that it is; "" if it is neither. */
void ovsdb_error_text(const json_t *error, char *text, size_t size);

/* The reply to a pending transaction. Replies to requests that have ended are ignored. */
void ovsdb_trunks_reply(struct ovsdb_session *session, int64_t id, const json_t *result, const json_t *error);
/* Ends with success the requests that are in effect. To be called whenever the root row may have changed. */
void ovsdb_trunks_settle(struct ovsdb_session *session);
/* Ends those whose deadline is reached, with ERR_UNKNOWN. MONO_NEVER: all of them, with 'why'. */
void ovsdb_trunks_expire(struct ovsdb_session *session, struct mono now, const char *why);

#endif
