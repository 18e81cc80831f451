/* SPDX-License-Identifier: Apache-2.0 */
/* One RSVP neighbour over one control channel, as a pure state machine: soft state that is kept in step with little
 * traffic and without loss. What gmpls/node does with the state is not known here.
 *
 *   Hello               RFC 3209 §5, RFC 3473 §9: both sides learn of a silent neighbour, and of one that has restarted
 *   MESSAGE_ID, Ack     RFC 2961 §4, §6: each message is repeated until it is acknowledged
 *   Srefresh, NACK      RFC 2961 §5: unchanged state is refreshed by its ids alone; an id that the other side does not
 *                       know is refused and its message sent again
 *   lifetimes           RFC 2205 §3.7: state that the other side no longer refreshes runs out
 *
 * No socket, no clock: `now` is an argument. After each call drain neighbour_output() and neighbour_event(), and call
 * neighbour_tick() at neighbour_deadline(). */
#ifndef GMPLS_NEIGHBOUR_H
#define GMPLS_NEIGHBOUR_H

#include "base/mono.h"
#include "model/rsvp.h"

struct neighbour_config {
    uint32_t local, remote;           /* addresses of the control channel's two ends */
    uint32_t hello_ms;                /* between Hellos; > 0 */
    unsigned hello_miss;              /* the neighbour is down after so many of its intervals of silence; >= 2 */
    uint32_t refresh_ms;              /* R of RFC 2205 §3.7 */
    uint32_t retry_ms;                /* Rf of RFC 2961 §6.2, first interval; doubles each time */
    unsigned retries;                 /* Rl of RFC 2961 §6.2: sent so often in all; at least 1 */
    uint32_t restart_ms, recovery_ms; /* that we announce, RFC 3473 §9.1 */
    uint32_t instance;                /* ours, of this start of the program; not 0 */
    uint32_t epoch;                   /* ours, 24 bits; not the one before the restart */
    uint32_t seed;                    /* for the jitter of refreshes */
    uint32_t first_id;                /* of our MESSAGE_IDs; 0: 1 */
};

/* States of the other side that are held; further ones are neither taken nor acknowledged. */
#define NEIGHBOUR_STATES_MAX 65536

/* Names one state, the Path or the Resv of one LSP; or another message about it. */
struct neighbour_key {
    uint8_t type; /* enum rsvp_type */
    struct rsvp_session session;
    struct rsvp_sender sender;
};

enum neighbour_event_type {
    NEIGHBOUR_UP,   /* Hellos go both ways; 'restart' holds what it announces */
    NEIGHBOUR_DOWN, /* silent; its state is kept for its restart time (the node decides), and does not expire */
    /* Another instance than before: it has lost what it did not save. 'restart' holds what it announces. Comes with UP,
     * before it, and after DOWN if it was up. Each of our states is sent again in full. */
    NEIGHBOUR_RESTARTED,
    /* New or changed: repeats, refreshes, Hello, Ack and Srefresh are dealt with. 'message' is the taker's:
     * rsvp_message_free(). After a tear the state that it ends is no longer expected. */
    NEIGHBOUR_MESSAGE,
    NEIGHBOUR_EXPIRED, /* 'key' was not refreshed for its lifetime */
    /* 'key', its type that of the message: not acknowledged, however often it was sent; a state is still refreshed. */
    NEIGHBOUR_UNDELIVERED
};

struct neighbour_event {
    enum neighbour_event_type type;
    struct neighbour_key key;
    struct rsvp_restart_cap restart;
    struct rsvp_message message;
};

struct neighbour_counters {
    uint64_t sent, received;     /* messages */
    uint64_t repeats, refreshes; /* sent: repeated messages, Srefresh messages */
    uint64_t nacks_sent, nacks_received;
    uint64_t duplicates; /* received: repeats, refreshes in full, and what came late */
    uint64_t refused;    /* received: over NEIGHBOUR_STATES_MAX */
};

struct neighbour;

struct neighbour *neighbour_new(const struct neighbour_config *config, struct mono now);
void neighbour_free(struct neighbour *neighbour);

/* Ours to keep at the other side: sends 'message' (PATH or RESV; taken over, all but MESSAGE_ID, TIME_VALUES and
 * Send_TTL filled in) at once, and keeps it there until neighbour_forget(). The same key again: replaces it. */
void neighbour_keep(struct neighbour *neighbour, struct rsvp_message *message, struct mono now);
/* No longer refreshed, nor repeated; nothing is sent. */
void neighbour_forget(struct neighbour *neighbour, const struct neighbour_key *key);
/* Sends any other message (errors, tears, Notify, ResvConf; taken over), repeated until it is acknowledged. A tear also
 * forgets the state that it ends. */
void neighbour_send(struct neighbour *neighbour, struct rsvp_message *message, struct mono now);

/* A message from the other side; taken over. */
void neighbour_receive(struct neighbour *neighbour, struct rsvp_message *message, struct mono now);
/* The received state is gone (torn or refused by us): no more expiry, and a refresh of it is answered by a NACK. */
void neighbour_drop_received(struct neighbour *neighbour, const struct neighbour_key *key);
/* To come again after a restart, of ours or of the other side, or else to expire, in 'ms'. No-op if it has come since
 * the other side showed the instance that it has now: what it says at once may be here before its second Hello, which
 * tells us. */
void neighbour_expect_received(struct neighbour *neighbour, const struct neighbour_key *key, uint32_t ms,
                               struct mono now);

/* The oldest message to send, the taker's to free; false if there is none. */
bool neighbour_output(struct neighbour *neighbour, struct rsvp_message *message);
bool neighbour_event(struct neighbour *neighbour, struct neighbour_event *event);
void neighbour_tick(struct neighbour *neighbour, struct mono now);
struct mono neighbour_deadline(const struct neighbour *neighbour);
bool neighbour_is_up(const struct neighbour *neighbour);
const struct neighbour_counters *neighbour_counters(const struct neighbour *neighbour);

#endif
