/* SPDX-License-Identifier: Apache-2.0 */
/* An OpenFlow session over the stream of a switch that has connected, driven by a loop: what comes in is given to the
 * session, what the session has to send goes out, and its events go to the user. */
#ifndef SOUTH_OPENFLOW_CONNECTION_H
#define SOUTH_OPENFLOW_CONNECTION_H

#include "io/loop.h"
#include "proto/openflow/openflow_session.h"

struct openflow_callbacks {
    /* Any but the last one, OF_EVENT_DOWN. What the user sets to null in it, the user has taken over. */
    void (*event)(void *arg, struct of_event *event);
    /* The session has ended, and all that it had to say is on its way: the connection is to be closed now. */
    void (*ended)(void *arg, const struct err *reason);
};

/* Part of the user's struct; all zero before it is started. */
struct openflow_connection {
    struct of_session *session; /* for of_session_...(); openflow_connection_run() is due afterwards */
    struct stream *stream;      /* null: gone */
    struct loop *loop;
    struct timer *timer;
    bool running; /* its events are being handled */
    const struct openflow_callbacks *callbacks;
    void *arg;
};

/* Begins with the handshake. 'stream' is the connection's from now on; 'timeout_ms' is how long a switch may take for
 * the handshake, and for a sign of life after it. May end the connection at once. */
void openflow_connection_start(struct openflow_connection *connection, struct loop *loop, struct stream *stream,
                               uint32_t timeout_ms, const struct openflow_callbacks *callbacks, void *arg);

/* Sends what the session has to send and acts on its events, which may call back, and that may call this again for the
 * same connection: the inner call leaves events to the outer one. May end the connection. */
void openflow_connection_run(struct openflow_connection *connection);

/* Hangs up if that has not been done, and frees the members; no callback. */
void openflow_connection_close(struct openflow_connection *connection);

#endif
