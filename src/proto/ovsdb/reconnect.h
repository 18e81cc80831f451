/* SPDX-License-Identifier: Apache-2.0 */
/* When to connect, to probe and to give up a connection that has to stand for ever: pure, told what happened and what
 * time it is, and answering what to do. The connection itself is the caller's.
 *
 *   backoff --CONNECT--> connecting --connected--> active --silence, PROBE--> probing
 *      ^                     |                       | ^                      |   |
 *      +--------failed, or DISCONNECT after a time limit-----<----------------+   |
 *                                                      +-----anything received----+ */
#ifndef PROTO_OVSDB_RECONNECT_H
#define PROTO_OVSDB_RECONNECT_H

#include "base/mono.h"
#include "base/sm.h"

#define RECONNECT_BACKOFF_MIN_MS 1000 /* after the first failure; doubled by each further one */
#define RECONNECT_BACKOFF_MAX_MS 8000

enum reconnect_action {
    RECONNECT_NOTHING,
    RECONNECT_CONNECT,   /* start to connect */
    RECONNECT_PROBE,     /* send something that must be answered */
    RECONNECT_DISCONNECT /* close; reconnect_disconnected() is done already */
};

struct reconnect {
    struct sm sm;
    struct mono deadline;  /* of the present state */
    struct mono connected; /* since when, in active and probing */
    int64_t limit_ms;      /* of connecting; of silence before a probe; of its answer */
    int64_t backoff_ms;    /* the last one; 0: none since things were well */
};

/* 'limit_ms' bounds connecting, silence before a probe, and the answer to it. Connects at 'now'. */
void reconnect_init(struct reconnect *r, int64_t limit_ms, struct mono now);

/* To be called when the deadline is reached, and harmless before; acting on the answer is the caller's duty. */
enum reconnect_action reconnect_run(struct reconnect *r, struct mono now);
struct mono reconnect_deadline(const struct reconnect *r);

void reconnect_connected(struct reconnect *r, struct mono now);
void reconnect_received(struct reconnect *r, struct mono now); /* any bytes */
/* The connection failed or was closed, by whomever. A connection that stood for longer than the greatest backoff counts
 * as good: the next attempt comes after the least one. */
void reconnect_disconnected(struct reconnect *r, struct mono now);

#endif
