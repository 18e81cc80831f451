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

enum ovsdb_event_type {
    OVSDB_READY,   /* the copy is complete */
    OVSDB_CHANGED, /* rows of it have changed */
    OVSDB_DONE     /* 'request' has ended with 'err' */
};

struct ovsdb_event {
    enum ovsdb_event_type type;
    uint64_t request;
    struct err err; /* code 0: success */
};

struct ovsdb_session;

/* 'timeout_ms' bounds each request. */
struct ovsdb_session *ovsdb_session_new(uint32_t timeout_ms);
void ovsdb_session_free(struct ovsdb_session *session);

/* A new connection stands. */
void ovsdb_session_connected(struct ovsdb_session *session, struct mono now);
/* It has gone: requests that were sent end with ERR_UNKNOWN. */
void ovsdb_session_disconnected(struct ovsdb_session *session);

/* Takes all 'n' bytes. 0, or a negative code and 'err': the server breaks the protocol or has no database Open_vSwitch,
 * and the caller has to close the connection. */
int ovsdb_session_input(struct ovsdb_session *session, const void *bytes, size_t n, struct err *err);

/* Ends what has waited too long. 0, or ERR_TIMEOUT and 'err' if the caller has to close the connection. */
int ovsdb_session_tick(struct ovsdb_session *session, struct mono now, struct err *err);
struct mono ovsdb_session_deadline(const struct ovsdb_session *session); /* when to tick; MONO_NEVER: nothing waits */

/* Queues an echo request (RFC 7047 §4.1.11); whatever the server sends next shows that it lives. */
void ovsdb_session_probe(struct ovsdb_session *session);

/* Makes 'port' of 'bridge' carry exactly the tagged VLANs 'vlans' (1..4094, any order), and waits until ovs-vswitchd
 * has put it into effect. Nothing is written if the column holds that already. Ends in one OVSDB_DONE: ERR_UNREACHABLE
 * if not connected; ERR_INVALID; ERR_NOT_FOUND naming bridge and port; ERR_CONFLICT if it is an access port, whose
 * "trunks" has no effect; ERR_REFUSED; ERR_UNKNOWN if no answer came. */
void ovsdb_session_set_trunks(struct ovsdb_session *session, uint64_t request, const char *bridge, const char *port,
                              const uint16_t *vlans, size_t n, struct mono now);

bool ovsdb_session_ready(const struct ovsdb_session *session);
const struct ovsdb_db *ovsdb_session_db(const struct ovsdb_session *session);

/* What has to be sent since the last call, '*n' bytes that the caller frees; null if nothing. */
char *ovsdb_session_output(struct ovsdb_session *session, size_t *n);
/* The oldest event that was not taken; false if there is none. */
bool ovsdb_session_event(struct ovsdb_session *session, struct ovsdb_event *event);

#endif
