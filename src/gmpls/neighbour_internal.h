/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of gmpls/neighbour.h: Hello, what is sent and what was received. Each part keeps its own members of 'struct
 * neighbour'; times of the last call are in 'now'. */
#ifndef GMPLS_NEIGHBOUR_INTERNAL_H
#define GMPLS_NEIGHBOUR_INTERNAL_H

#include "base/hmap.h"
#include "base/timers.h"
#include "gmpls/neighbour.h"

/* An Ack message, and a message that takes acks along, stay below 1,500 bytes. */
#define ACKS_OF_ACK 120
#define ACKS_ALONG 48

/* How long an id is remembered whose state is gone, or whose message left no state: longer than it is repeated by a
 * neighbour whose timers are not far from those of RFC 2961 §6.2. */
#define REMEMBER_MS 30000
#define REMEMBERED_MAX 16384 /* messages that left no state, and states that are gone; the oldest are forgotten */

struct outgoing { /* in the queue of messages to send */
    struct outgoing *next, *previous;
    struct sent *sent;           /* it is copied; null: */
    struct rsvp_message message; /* sent once, and gone with this entry */
};

/* A message of ours that waits for its ack, or a state of ours that is refreshed. */
struct sent {
    struct hmap_node by_key; /* of a state */
    struct hmap_node by_id;  /* if 'has_id' */
    struct timer_entry timer;
    struct outgoing *queued; /* null if it is not in the queue */
    struct neighbour_key key;
    struct rsvp_message message;
    uint32_t id;
    bool state, has_id, acked;
    unsigned attempts; /* sent so often since it changed */
};

/* A state of the other side. */
struct received {
    struct hmap_node by_key;
    struct hmap_node by_id; /* if 'has_id' */
    struct timer_entry timer;
    struct neighbour_key key;
    struct mono expires; /* not before 'timer', which is not moved on each refresh */
    int64_t lifetime_ms;
    uint32_t epoch, id;
    uint32_t life; /* of the other side, in which it was heard last; 0: never */
    bool has_id;
    bool gone; /* only its id is remembered, against messages that come late */
    struct received *gone_before, *gone_after;
    struct rsvp_message *plain; /* without id: to know a change from a refresh */
};

struct remembered { /* a message that left no state */
    struct hmap_node node;
    struct remembered *next;
    struct mono until;
    uint32_t epoch, id;
};

enum capability { CAPABILITY_UNKNOWN, CAPABILITY_PLAIN, CAPABILITY_REDUCTION };

struct neighbour {
    struct neighbour_config config;
    struct neighbour_counters counters;
    struct mono now;
    uint32_t random;
    struct neighbour_event *events;
    size_t first_event, n_events, events_capacity;

    bool up, was_up;
    uint32_t instance, instance_before; /* of the other side; 0: none yet */
    uint32_t life;                      /* counts those instances */
    uint32_t reflected;                 /* what we show it as its instance; 0 while we do not hear it */
    bool restarted;                     /* to be told with the next UP */
    struct rsvp_restart_cap restart;
    struct mono hello_next, hello_dead;
    bool request_due, ack_due;

    enum capability capability;
    uint32_t next_id;
    struct hmap sent_by_key, sent_by_id;
    struct timers sent_timers;
    struct outgoing *out_first, *out_last;
    struct mono refresh_next;

    struct rsvp_ack *acks; /* owed to the other side */
    size_t first_ack, n_acks, acks_capacity;
    struct mono acks_next; /* sent alone then */
    bool acks_due;

    struct hmap received_by_key, received_by_id;
    struct timers received_timers;
    struct received *gone_first, *gone_last; /* the oldest first */
    size_t n_gone;
    struct hmap remembered;
    struct remembered *remembered_first, *remembered_last;
};

struct neighbour_event *neighbour_add_event(struct neighbour *n, enum neighbour_event_type type);
struct neighbour_key neighbour_key_of(const struct rsvp_message *message);
uint32_t neighbour_key_hash(const struct neighbour_key *key);
bool neighbour_key_equal(const struct neighbour_key *a, const struct neighbour_key *b);
uint32_t neighbour_id_hash(uint32_t epoch, uint32_t id);
/* The other side was up, but is silent: RFC 3473 §9.5 has its state kept, though nothing refreshes it. */
bool neighbour_is_waited_for(const struct neighbour *n);

void hello_start(struct neighbour *n);
void hello_receive(struct neighbour *n, const struct rsvp_message *message);
void hello_tick(struct neighbour *n);
bool hello_output(struct neighbour *n, struct rsvp_message *message);
struct mono hello_deadline(const struct neighbour *n);

void sent_start(struct neighbour *n);
/* The header's flag in a message of the other side: RFC 2961 §2. */
void sent_capability(struct neighbour *n, bool refresh_reduction);
void sent_acks(struct neighbour *n, const struct rsvp_message *message);
/* The other side is up again. */
void sent_up(struct neighbour *n, bool restarted);
void sent_tick(struct neighbour *n);
bool sent_output(struct neighbour *n, struct rsvp_message *message);
struct mono sent_deadline(const struct neighbour *n);
void sent_free(struct neighbour *n);

void acks_add(struct neighbour *n, bool nack, uint32_t epoch, uint32_t id);
/* Moves up to 'max' of the acks owed into 'message', which has none. */
void acks_move(struct neighbour *n, struct rsvp_message *message, size_t max);

/* A Path or Resv; taken over. */
void received_state(struct neighbour *n, struct rsvp_message *message);
/* A message that leaves no state; taken over. */
void received_other(struct neighbour *n, struct rsvp_message *message);
void received_srefresh(struct neighbour *n, const struct rsvp_message *message);
/* The other side is up again: its states get a lifetime to be refreshed in. */
void received_up(struct neighbour *n);
void received_tick(struct neighbour *n);
struct mono received_deadline(const struct neighbour *n);
void received_free(struct neighbour *n);

#endif
