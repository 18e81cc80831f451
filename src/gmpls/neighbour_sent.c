/* SPDX-License-Identifier: Apache-2.0 */
/* What we send: states, that are refreshed until they are forgotten, and other messages, that are gone with their ack.
 * Both carry a MESSAGE_ID and are repeated until their ack comes (RFC 2961 §6); from then on a state is one id in the
 * Srefresh of each refresh interval, so that a round over n states costs n/1024 messages.
 *
 * A neighbour whose header lacks the flag of refresh reduction might reject the MESSAGE_ID object (class 0bbbbbbb), so
 * it gets none: its states are sent again in full, each at its own jittered time (RFC 2205 §3.7). It is so treated also
 * until its first message shows the flag. */
#include "gmpls/neighbour_internal.h"

#include "base/alloc.h"

#define TTL 255

static uint32_t next_random(struct neighbour *n)
{
    n->random ^= n->random << 13;
    n->random ^= n->random >> 17;
    n->random ^= n->random << 5;
    return n->random;
}

/* RFC 2205 §3.7: anywhere in 0.5..1.5 of the refresh interval. */
static struct mono next_refresh(struct neighbour *n)
{
    int64_t refresh_ms = n->config.refresh_ms;

    return mono_add(n->now, refresh_ms / 2 + next_random(n) % (refresh_ms + 1));
}

void sent_start(struct neighbour *n)
{
    n->random = hash_add(n->config.seed, 1) | 1;
    n->next_id = n->config.first_id ? n->config.first_id : 1;
    n->refresh_next = next_refresh(n);
}

/* ---- the queue ---- */

static struct outgoing *enqueue(struct neighbour *n, struct sent *sent)
{
    struct outgoing *out = xcalloc(1, sizeof *out);

    out->sent = sent;
    out->previous = n->out_last;
    if (n->out_last)
        n->out_last->next = out;
    else
        n->out_first = out;
    n->out_last = out;
    return out;
}

static void dequeue(struct neighbour *n, struct outgoing *out)
{
    if (out->previous)
        out->previous->next = out->next;
    else
        n->out_first = out->next;
    if (out->next)
        out->next->previous = out->previous;
    else
        n->out_last = out->previous;
    if (out->sent)
        out->sent->queued = NULL;
    free(out);
}

static void enqueue_sent(struct neighbour *n, struct sent *sent)
{
    if (!sent->queued)
        sent->queued = enqueue(n, sent);
}

static void enqueue_once(struct neighbour *n, struct rsvp_message *message)
{
    enqueue(n, NULL)->message = *message;
    *message = (struct rsvp_message) {0};
}

bool sent_output(struct neighbour *n, struct rsvp_message *message)
{
    struct outgoing *out = n->out_first;

    if (!out)
        return false;
    *message = out->sent ? rsvp_message_copy(&out->sent->message) : out->message;
    message->ttl = TTL;
    if (message->type == RSVP_PATH || message->type == RSVP_RESV) {
        message->has |= RSVP_HAS_TIME_VALUES;
        message->refresh_ms = n->config.refresh_ms;
    }
    dequeue(n, out);
    return true;
}

/* ---- one message or state ---- */

static struct sent *find_state(const struct neighbour *n, const struct neighbour_key *key)
{
    for (struct hmap_node *at = hmap_first(&n->sent_by_key, neighbour_key_hash(key)); at; at = hmap_same(at)) {
        struct sent *sent = OWNER_OF(at, struct sent, by_key);

        if (neighbour_key_equal(&sent->key, key))
            return sent;
    }
    return NULL;
}

static struct sent *find_id(const struct neighbour *n, uint32_t id)
{
    for (struct hmap_node *at = hmap_first(&n->sent_by_id, neighbour_id_hash(0, id)); at; at = hmap_same(at)) {
        struct sent *sent = OWNER_OF(at, struct sent, by_id);

        if (sent->id == id)
            return sent;
    }
    return NULL;
}

static void drop_id(struct neighbour *n, struct sent *sent)
{
    if (sent->has_id)
        hmap_remove(&n->sent_by_id, &sent->by_id);
    sent->has_id = false;
    sent->acked = false;
    sent->message.has &= ~(uint32_t) RSVP_HAS_MESSAGE_ID;
}

static void drop(struct neighbour *n, struct sent *sent)
{
    drop_id(n, sent);
    if (sent->state)
        hmap_remove(&n->sent_by_key, &sent->by_key);
    timers_cancel(&n->sent_timers, &sent->timer);
    if (sent->queued)
        dequeue(n, sent->queued);
    rsvp_message_free(&sent->message);
    free(sent);
}

static void schedule_repeat(struct neighbour *n, struct sent *sent)
{
    unsigned doubled = sent->attempts > 16 ? 16 : sent->attempts - 1;

    timers_set(&n->sent_timers, &sent->timer, mono_add(n->now, (int64_t) n->config.retry_ms << doubled));
}

/* Sends it for the first time, or as if it were. */
static void transmit(struct neighbour *n, struct sent *sent)
{
    sent->acked = false;
    sent->attempts = 1;
    enqueue_sent(n, sent);
    if (sent->has_id)
        schedule_repeat(n, sent);
    else
        timers_set(&n->sent_timers, &sent->timer, next_refresh(n));
}

static void give_id(struct neighbour *n, struct sent *sent)
{
    while (!n->next_id || find_id(n, n->next_id)) /* after 2^32 messages an old state may still have its id */
        n->next_id++;
    sent->has_id = true;
    sent->id = n->next_id++;
    hmap_insert(&n->sent_by_id, &sent->by_id, neighbour_id_hash(0, sent->id));
    sent->message.has |= RSVP_HAS_MESSAGE_ID;
    sent->message.message_id = (struct rsvp_message_id) {RSVP_MESSAGE_ID_ACK_DESIRED, n->config.epoch, sent->id};
}

static struct sent *add(struct neighbour *n, struct rsvp_message *message, bool state)
{
    struct sent *sent = xcalloc(1, sizeof *sent);

    sent->message = *message;
    *message = (struct rsvp_message) {0};
    sent->key = neighbour_key_of(&sent->message);
    sent->state = state;
    if (state)
        hmap_insert(&n->sent_by_key, &sent->by_key, neighbour_key_hash(&sent->key));
    if (n->capability == CAPABILITY_REDUCTION)
        give_id(n, sent);
    transmit(n, sent);
    return sent;
}

void neighbour_keep(struct neighbour *n, struct rsvp_message *message, struct mono now)
{
    struct neighbour_key key = neighbour_key_of(message);

    n->now = now;
    neighbour_forget(n, &key);
    add(n, message, true);
}

void neighbour_forget(struct neighbour *n, const struct neighbour_key *key)
{
    struct sent *sent = find_state(n, key);

    if (sent)
        drop(n, sent);
}

void neighbour_send(struct neighbour *n, struct rsvp_message *message, struct mono now)
{
    struct neighbour_key key = neighbour_key_of(message);

    n->now = now;
    if (message->type == RSVP_PATH_TEAR || message->type == RSVP_RESV_TEAR) {
        key.type = message->type == RSVP_PATH_TEAR ? RSVP_PATH : RSVP_RESV;
        neighbour_forget(n, &key);
    }
    if (n->capability == CAPABILITY_REDUCTION)
        add(n, message, false);
    else
        enqueue_once(n, message);
}

/* ---- what the other side says ---- */

void sent_capability(struct neighbour *n, bool refresh_reduction)
{
    enum capability capability = refresh_reduction ? CAPABILITY_REDUCTION : CAPABILITY_PLAIN;
    struct hmap_node *at = NULL;
    bool was_reduction = n->capability == CAPABILITY_REDUCTION;

    if (n->capability == capability)
        return;
    n->capability = capability;
    if (was_reduction == refresh_reduction)
        return;
    while ((at = hmap_next(&n->sent_by_key, at))) {
        struct sent *sent = OWNER_OF(at, struct sent, by_key);

        drop_id(n, sent);
        if (refresh_reduction)
            give_id(n, sent);
        transmit(n, sent);
    }
    if (!refresh_reduction) /* what is left has no state, and no ack will come */
        while ((at = hmap_any(&n->sent_by_id)))
            drop(n, OWNER_OF(at, struct sent, by_id));
}

void sent_acks(struct neighbour *n, const struct rsvp_message *message)
{
    for (size_t i = 0; i < message->n_acks; i++) {
        const struct rsvp_ack *ack = &message->acks[i];
        struct sent *sent = ack->epoch == n->config.epoch ? find_id(n, ack->id) : NULL;

        n->counters.nacks_received += ack->nack;
        if (!sent)
            continue;
        if (ack->nack) { /* RFC 2961 §5.5; one that is not acknowledged is on its way again already */
            if (sent->acked)
                transmit(n, sent);
        } else if (!sent->state) {
            drop(n, sent);
        } else {
            sent->acked = true;
            timers_cancel(&n->sent_timers, &sent->timer);
            if (sent->queued)
                dequeue(n, sent->queued);
        }
    }
}

/* RFC 3473 §9.5.1, §9.5.2: after a restart everything in full; else what never arrived, and all the rest refreshed. */
void sent_up(struct neighbour *n, bool restarted)
{
    struct hmap_node *at = NULL;

    while ((at = hmap_next(&n->sent_by_key, at))) {
        struct sent *sent = OWNER_OF(at, struct sent, by_key);

        if (restarted || (sent->has_id && !sent->acked && !sent->timer.place))
            transmit(n, sent);
    }
    if (n->was_up && !restarted)
        n->refresh_next = n->now;
}

/* ---- time ---- */

static void refresh(struct neighbour *n)
{
    struct rsvp_message srefresh = {.type = RSVP_SREFRESH, .srefresh_epoch = n->config.epoch};
    struct hmap_node *at = NULL;
    size_t left = n->sent_by_key.n;

    for (; (at = hmap_next(&n->sent_by_key, at)); left--) {
        struct sent *sent = OWNER_OF(at, struct sent, by_key);

        if (!sent->acked) {
            if (!sent->timer.place)
                enqueue_sent(n, sent); /* all its repeats were in vain, but its state may be there */
            continue;
        }
        if (!srefresh.srefresh)
            srefresh.srefresh = xcalloc(left < RSVP_SREFRESH_MAX ? left : RSVP_SREFRESH_MAX, sizeof *srefresh.srefresh);
        srefresh.srefresh[srefresh.n_srefresh++] = sent->id;
        if (srefresh.n_srefresh == RSVP_SREFRESH_MAX) {
            enqueue_once(n, &srefresh);
            srefresh = (struct rsvp_message) {.type = RSVP_SREFRESH, .srefresh_epoch = n->config.epoch};
        }
    }
    if (srefresh.n_srefresh)
        enqueue_once(n, &srefresh);
}

static void expire(struct neighbour *n, struct sent *sent)
{
    if (!sent->has_id) {
        transmit(n, sent);
        return;
    }
    if (sent->attempts < n->config.retries) {
        sent->attempts++;
        n->counters.repeats++;
        enqueue_sent(n, sent);
        schedule_repeat(n, sent);
        return;
    }
    neighbour_add_event(n, NEIGHBOUR_UNDELIVERED)->key = sent->key;
    if (!sent->state)
        drop(n, sent);
}

void sent_tick(struct neighbour *n)
{
    struct timer_entry *due;

    while ((due = timers_due(&n->sent_timers, n->now)))
        expire(n, OWNER_OF(due, struct sent, timer));
    if (mono_reached(n->refresh_next, n->now)) {
        n->refresh_next = next_refresh(n);
        if (n->capability == CAPABILITY_REDUCTION && !neighbour_is_waited_for(n))
            refresh(n);
    }
    if (n->n_acks && mono_reached(n->acks_next, n->now))
        n->acks_due = true;
}

struct mono sent_deadline(const struct neighbour *n)
{
    struct mono deadline = mono_min(n->refresh_next, timers_deadline(&n->sent_timers));

    return n->n_acks ? mono_min(deadline, n->acks_next) : deadline;
}

void sent_free(struct neighbour *n)
{
    struct hmap_node *at;

    while ((at = hmap_any(&n->sent_by_key)))
        drop(n, OWNER_OF(at, struct sent, by_key));
    while ((at = hmap_any(&n->sent_by_id)))
        drop(n, OWNER_OF(at, struct sent, by_id));
    while (n->out_first) {
        rsvp_message_free(&n->out_first->message);
        dequeue(n, n->out_first);
    }
    hmap_free(&n->sent_by_key);
    hmap_free(&n->sent_by_id);
    timers_free(&n->sent_timers);
}
