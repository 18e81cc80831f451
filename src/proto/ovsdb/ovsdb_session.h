/* SPDX-License-Identifier: Apache-2.0 */
/* One session with an OVSDB server (RFC 7047, ovsdb-server(7)), seen from its client, as a pure state machine: it takes
 * bytes and the time, and gives bytes, events and a copy of the rows that are monitored.
 *
 *   disconnected --connected, "monitor_cond" sent--> asking --reply--> ready
 *                                                      |                 ^
 *             the server does not know monitor_cond    +--> asking_plain-+   ("monitor", RFC 7047 §4.1.5)
 *
 * The copy outlives the connection: while there is none, it says what was last known, and a new connection's first
 * reply replaces it as a whole. */
#ifndef PROTO_OVSDB_SESSION_H
#define PROTO_OVSDB_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mono.h"
#include "proto/ovsdb/ovsdb_db.h"

enum ovsdb_event {
    OVSDB_READY,   /* the copy is complete */
    OVSDB_CHANGED, /* rows of it have changed */
    OVSDB_DONE     /* a transaction has ended: ovsdb_session_done() */
};

struct ovsdb_session;

/* 'timeout_ms' bounds the time from a new connection to OVSDB_READY. */
struct ovsdb_session *ovsdb_session_new(uint32_t timeout_ms);
void ovsdb_session_free(struct ovsdb_session *session);

/* A new connection stands; it has gone. */
void ovsdb_session_connected(struct ovsdb_session *session, struct mono now);
void ovsdb_session_disconnected(struct ovsdb_session *session);

/* Takes all 'n' bytes. 0, or a negative code and 'err': the server breaks the protocol or has no database Open_vSwitch,
 * and the caller has to close the connection. */
int ovsdb_session_input(struct ovsdb_session *session, const void *bytes, size_t n, struct err *err);

/* 0, or ERR_TIMEOUT and 'err' if the server has not answered in time and the caller has to close the connection. */
int ovsdb_session_tick(struct ovsdb_session *session, struct mono now, struct err *err);
struct mono ovsdb_session_deadline(const struct ovsdb_session *session); /* when to tick; MONO_NEVER: nothing waits */

/* Queues an echo request (RFC 7047 §4.1.11); whatever the server sends next shows that it lives. */
void ovsdb_session_probe(struct ovsdb_session *session);

/* Sends a transaction (RFC 7047 §4.1.3): 'operations' is an array, which is taken over. The session is ready.
 * OVSDB_DONE follows, for each in its order; the changes that it made have been told before. */
void ovsdb_session_transact(struct ovsdb_session *session, json_t *operations, uint64_t id);
/* After OVSDB_DONE: which one has ended, and how: err->code is 0, ERR_REFUSED (nothing of it stands), or ERR_UNKNOWN
 * (the connection ended first). */
void ovsdb_session_done(struct ovsdb_session *session, uint64_t *id, struct err *err);

bool ovsdb_session_ready(const struct ovsdb_session *session);
const struct ovsdb_db *ovsdb_session_db(const struct ovsdb_session *session);

/* What has to be sent since the last call, '*n' bytes that the caller frees; null if nothing. */
char *ovsdb_session_output(struct ovsdb_session *session, size_t *n);
/* The oldest event that was not taken; false if there is none. */
bool ovsdb_session_event(struct ovsdb_session *session, enum ovsdb_event *event);

#endif
