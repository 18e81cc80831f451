/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/ovsdb/reconnect.h"

#include "base/alloc.h"

enum { BACKOFF, CONNECTING, ACTIVE, PROBING };

static const struct sm_state states[] = {
    [BACKOFF] = {"backoff", SM_TO(CONNECTING), false},
    [CONNECTING] = {"connecting", SM_TO(BACKOFF) | SM_TO(ACTIVE), false},
    [ACTIVE] = {"active", SM_TO(BACKOFF) | SM_TO(PROBING), false},
    [PROBING] = {"probing", SM_TO(BACKOFF) | SM_TO(ACTIVE), false},
};

static void move(struct reconnect *r, unsigned state, struct mono deadline)
{
    sm_move(&r->sm, state);
    r->deadline = deadline;
}

void reconnect_init(struct reconnect *r, int64_t limit_ms, struct mono now)
{
    *r = (struct reconnect) {
        .sm = {states, ARRAY_LEN(states), BACKOFF},
        .deadline = now,
        .limit_ms = limit_ms,
    };
}

enum reconnect_action reconnect_run(struct reconnect *r, struct mono now)
{
    if (!mono_reached(r->deadline, now))
        return RECONNECT_NOTHING;
    switch (r->sm.current) {
    case BACKOFF:
        move(r, CONNECTING, mono_add(now, r->limit_ms));
        return RECONNECT_CONNECT;
    case ACTIVE:
        move(r, PROBING, mono_add(now, r->limit_ms));
        return RECONNECT_PROBE;
    default: /* CONNECTING, PROBING: the limit has passed */
        reconnect_disconnected(r, now);
        return RECONNECT_DISCONNECT;
    }
}

struct mono reconnect_deadline(const struct reconnect *r)
{
    return r->deadline;
}

void reconnect_connected(struct reconnect *r, struct mono now)
{
    r->connected = now;
    move(r, ACTIVE, mono_add(now, r->limit_ms));
}

void reconnect_received(struct reconnect *r, struct mono now)
{
    if (r->sm.current == PROBING)
        move(r, ACTIVE, mono_add(now, r->limit_ms));
    else
        r->deadline = mono_add(now, r->limit_ms);
}

void reconnect_disconnected(struct reconnect *r, struct mono now)
{
    bool was_good = r->sm.current != CONNECTING && mono_diff(now, r->connected) >= RECONNECT_BACKOFF_MAX_MS;

    if (was_good || r->backoff_ms == 0)
        r->backoff_ms = RECONNECT_BACKOFF_MIN_MS;
    else if (r->backoff_ms < RECONNECT_BACKOFF_MAX_MS)
        r->backoff_ms *= 2;
    move(r, BACKOFF, mono_add(now, r->backoff_ms));
}
