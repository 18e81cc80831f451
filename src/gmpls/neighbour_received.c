/* SPDX-License-Identifier: Apache-2.0 */
/* What the other side keeps here. A message is known by its id: the same id again is a repeat, an older one for the
 * same state came late (RFC 2961 §4.2), and both are acknowledged but not handed on. Ids of states that are gone are
 * remembered for a while, so that a late Path does not set up again what a tear took down. */
#include "gmpls/neighbour_internal.h"

#include <string.h>

#include "base/alloc.h"

#define REFRESH_MS_DEFAULT 30000 /* of a sender that gives no TIME_VALUES: RFC 2205 §3.7 */

/* L >= (K + 0.5) * 1.5 * R with K = 3: RFC 2205 §3.7. */
static int64_t lifetime_ms(const struct rsvp_message *message)
{
    int64_t refresh_ms = message->has & RSVP_HAS_TIME_VALUES ? message->refresh_ms : 0;

    return (refresh_ms ? refresh_ms : REFRESH_MS_DEFAULT) * 21 / 4;
}

/* Whether 'a' was sent before 'b': ids wrap, RFC 1982. */
static bool is_older(uint32_t a, uint32_t b)
{
    return (int32_t) (a - b) < 0;
}

static struct received *find_state(const struct neighbour *n, const struct neighbour_key *key)
{
    for (struct hmap_node *at = hmap_first(&n->received_by_key, neighbour_key_hash(key)); at; at = hmap_same(at)) {
        struct received *received = OWNER_OF(at, struct received, by_key);

        if (neighbour_key_equal(&received->key, key))
            return received;
    }
    return NULL;
}

static struct received *find_id(const struct neighbour *n, uint32_t epoch, uint32_t id)
{
    for (struct hmap_node *at = hmap_first(&n->received_by_id, neighbour_id_hash(epoch, id)); at; at = hmap_same(at)) {
        struct received *received = OWNER_OF(at, struct received, by_id);

        if (received->epoch == epoch && received->id == id)
            return received;
    }
    return NULL;
}

/* ---- one state ---- */

static void set_plain(struct received *received, const struct rsvp_message *message)
{
    if (received->plain) {
        rsvp_message_free(received->plain);
        free(received->plain);
        received->plain = NULL;
    }
    if (message) {
        struct rsvp_message copy = rsvp_message_copy(message);

        received->plain = xmemdup(&copy, sizeof copy);
    }
}

static void set_id(struct neighbour *n, struct received *received, const struct rsvp_message_id *id)
{
    if (received->has_id)
        hmap_remove(&n->received_by_id, &received->by_id);
    received->has_id = id;
    if (!id)
        return;
    received->epoch = id->epoch;
    received->id = id->id;
    hmap_insert(&n->received_by_id, &received->by_id, neighbour_id_hash(id->epoch, id->id));
}

static void set_gone(struct neighbour *n, struct received *received, bool gone)
{
    if (received->gone) {
        *(received->gone_before ? &received->gone_before->gone_after : &n->gone_first) = received->gone_after;
        *(received->gone_after ? &received->gone_after->gone_before : &n->gone_last) = received->gone_before;
        n->n_gone--;
    }
    received->gone = gone;
    if (!gone)
        return;
    received->gone_before = n->gone_last;
    received->gone_after = NULL;
    *(n->gone_last ? &n->gone_last->gone_after : &n->gone_first) = received;
    n->gone_last = received;
    n->n_gone++;
}

static void drop(struct neighbour *n, struct received *received)
{
    set_gone(n, received, false);
    set_id(n, received, NULL);
    set_plain(received, NULL);
    timers_cancel(&n->received_timers, &received->timer);
    hmap_remove(&n->received_by_key, &received->by_key);
    free(received);
}

static struct received *add(struct neighbour *n, const struct neighbour_key *key)
{
    struct received *received = xcalloc(1, sizeof *received);

    received->key = *key;
    hmap_insert(&n->received_by_key, &received->by_key, neighbour_key_hash(key));
    return received;
}

static void live(struct neighbour *n, struct received *received, int64_t ms)
{
    received->expires = mono_add(n->now, ms);
    if (!received->timer.place || received->expires.ms < received->timer.at.ms)
        timers_set(&n->received_timers, &received->timer, received->expires);
}

static void bury(struct neighbour *n, struct received *received)
{
    if (!received->has_id) {
        drop(n, received);
        return;
    }
    set_gone(n, received, true);
    live(n, received, REMEMBER_MS);
    if (n->n_gone > REMEMBERED_MAX) /* they must not take the room of states that live */
        drop(n, n->gone_first);
}

/* ---- messages that leave no state ---- */

static bool is_remembered(const struct neighbour *n, const struct rsvp_message_id *id)
{
    uint32_t hash = neighbour_id_hash(id->epoch, id->id);

    for (struct hmap_node *at = hmap_first(&n->remembered, hash); at; at = hmap_same(at)) {
        const struct remembered *remembered = OWNER_OF(at, struct remembered, node);

        if (remembered->epoch == id->epoch && remembered->id == id->id && !mono_reached(remembered->until, n->now))
            return true;
    }
    return false;
}

static void forget_first(struct neighbour *n)
{
    struct remembered *first = n->remembered_first;

    n->remembered_first = first->next;
    if (!first->next)
        n->remembered_last = NULL;
    hmap_remove(&n->remembered, &first->node);
    free(first);
}

static void remember(struct neighbour *n, const struct rsvp_message_id *id)
{
    struct remembered *remembered = xcalloc(1, sizeof *remembered);

    *remembered = (struct remembered) {.until = mono_add(n->now, REMEMBER_MS), .epoch = id->epoch, .id = id->id};
    if (n->remembered_last)
        n->remembered_last->next = remembered;
    else
        n->remembered_first = remembered;
    n->remembered_last = remembered;
    hmap_insert(&n->remembered, &remembered->node, neighbour_id_hash(id->epoch, id->id));
    while (n->remembered.n > REMEMBERED_MAX || mono_reached(n->remembered_first->until, n->now))
        forget_first(n);
}

/* ---- what came ---- */

static void acknowledge(struct neighbour *n, const struct rsvp_message *message)
{
    if (message->has & RSVP_HAS_MESSAGE_ID && message->message_id.flags & RSVP_MESSAGE_ID_ACK_DESIRED)
        acks_add(n, false, message->message_id.epoch, message->message_id.id);
}

static void hand_on(struct neighbour *n, struct rsvp_message *message)
{
    neighbour_add_event(n, NEIGHBOUR_MESSAGE)->message = *message;
    *message = (struct rsvp_message) {0};
}

static bool same_hop(const struct rsvp_hop *a, const struct rsvp_hop *b)
{
    return a->address == b->address && a->lih == b->lih && a->if_type == b->if_type && a->if_address == b->if_address &&
           a->if_id == b->if_id;
}

static bool same_attribute(const struct rsvp_attribute *a, const struct rsvp_attribute *b)
{
    return a->setup_priority == b->setup_priority && a->holding_priority == b->holding_priority &&
           a->flags == b->flags && a->has_affinity == b->has_affinity && a->exclude_any == b->exclude_any &&
           a->include_any == b->include_any && a->include_all == b->include_all && strcmp(a->name, b->name) == 0;
}

/* Of one key: whether they ask for the same. Members that 'has' does not show are zero in both. */
static bool same_state(const struct rsvp_message *a, const struct rsvp_message *b)
{
    const uint32_t of_message = RSVP_HAS_MESSAGE_ID | RSVP_HAS_TIME_VALUES;

    return (a->has & ~of_message) == (b->has & ~of_message) && same_hop(&a->hop, &b->hop) && a->style == b->style &&
           a->tspec.kind == b->tspec.kind && a->tspec.rate_bps == b->tspec.rate_bps &&
           a->tspec.burst_bits == b->tspec.burst_bits && a->tspec.mtu == b->tspec.mtu &&
           a->resv_confirm == b->resv_confirm && lsp_route_equal(&a->ero, &b->ero) &&
           lsp_route_equal(&a->rro, &b->rro) && a->label_request.encoding == b->label_request.encoding &&
           a->label_request.switching == b->label_request.switching && a->label_request.gpid == b->label_request.gpid &&
           a->label == b->label && a->upstream_label == b->upstream_label && a->suggested_label == b->suggested_label &&
           a->recovery_label == b->recovery_label && same_attribute(&a->attribute, &b->attribute) &&
           a->admin_status == b->admin_status && a->notify_node == b->notify_node && a->n_labels == b->n_labels &&
           (!a->n_labels || memcmp(a->labels, b->labels, a->n_labels * sizeof *a->labels) == 0) &&
           rsvp_unknown_equal(a->unknown, a->n_unknown, b->unknown, b->n_unknown);
}

enum novelty { NEW, REFRESH, LATE };

static enum novelty novelty_of(const struct received *received, const struct rsvp_message *message)
{
    const struct rsvp_message_id *id = message->has & RSVP_HAS_MESSAGE_ID ? &message->message_id : NULL;

    if (received->has_id && id && received->epoch == id->epoch) {
        if (received->id == id->id)
            return received->gone ? LATE : REFRESH;
        return is_older(id->id, received->id) ? LATE : NEW;
    }
    /* Before the other side knew that we can do more, it sent the same without id. */
    return received->plain && same_state(received->plain, message) ? REFRESH : NEW;
}

void received_state(struct neighbour *n, struct rsvp_message *message)
{
    const struct rsvp_message_id *id = message->has & RSVP_HAS_MESSAGE_ID ? &message->message_id : NULL;
    struct neighbour_key key = neighbour_key_of(message);
    struct received *received = find_state(n, &key);
    enum novelty novelty = received ? novelty_of(received, message) : NEW;

    if (!received && n->received_by_key.n >= NEIGHBOUR_STATES_MAX) {
        n->counters.refused++; /* nor acknowledged: it comes again, and there may be room then */
        rsvp_message_free(message);
        return;
    }
    acknowledge(n, message);
    if (novelty == LATE) {
        n->counters.duplicates++;
        rsvp_message_free(message);
        return;
    }
    if (!received)
        received = add(n, &key);
    set_gone(n, received, false);
    received->life = n->life;
    received->lifetime_ms = lifetime_ms(message);
    live(n, received, received->lifetime_ms);
    set_id(n, received, id);
    if (novelty == REFRESH) {
        n->counters.duplicates++;
        if (id)
            set_plain(received, NULL);
        rsvp_message_free(message);
        return;
    }
    set_plain(received, id ? NULL : message);
    hand_on(n, message);
}

/* Returns whether the tear is about what is there, not about a former state of the same name. */
static bool end_state(struct neighbour *n, const struct rsvp_message *message)
{
    const struct rsvp_message_id *id = message->has & RSVP_HAS_MESSAGE_ID ? &message->message_id : NULL;
    struct neighbour_key key = neighbour_key_of(message);
    struct received *received;

    key.type = message->type == RSVP_PATH_TEAR ? RSVP_PATH : RSVP_RESV;
    received = find_state(n, &key);
    if (received && id && received->has_id && received->epoch == id->epoch && is_older(id->id, received->id))
        return false;
    if (!received && id && n->received_by_key.n < NEIGHBOUR_STATES_MAX)
        received = add(n, &key);
    if (!received)
        return true;
    if (id)
        set_id(n, received, id);
    set_plain(received, NULL);
    bury(n, received);
    return true;
}

void received_other(struct neighbour *n, struct rsvp_message *message)
{
    const struct rsvp_message_id *id = message->has & RSVP_HAS_MESSAGE_ID ? &message->message_id : NULL;
    bool tear = message->type == RSVP_PATH_TEAR || message->type == RSVP_RESV_TEAR;
    bool again = id && is_remembered(n, id);

    acknowledge(n, message);
    if (id && !again)
        remember(n, id);
    if (again || (tear && !end_state(n, message))) {
        n->counters.duplicates++;
        rsvp_message_free(message);
        return;
    }
    hand_on(n, message);
}

void received_srefresh(struct neighbour *n, const struct rsvp_message *message)
{
    acknowledge(n, message);
    for (size_t i = 0; i < message->n_srefresh; i++) {
        struct received *received = find_id(n, message->srefresh_epoch, message->srefresh[i]);

        if (received && !received->gone) {
            received->life = n->life;
            live(n, received, received->lifetime_ms);
            continue;
        }
        if (received) /* so that the full message that answers the NACK is taken */
            drop(n, received);
        acks_add(n, true, message->srefresh_epoch, message->srefresh[i]);
    }
}

void neighbour_drop_received(struct neighbour *n, const struct neighbour_key *key)
{
    struct received *received = find_state(n, key);

    if (received && !received->gone)
        bury(n, received);
}

void neighbour_expect_received(struct neighbour *n, const struct neighbour_key *key, uint32_t ms, struct mono now)
{
    struct received *received = find_state(n, key);

    n->now = now;
    if (received && (received->gone || (received->life && received->life == n->life)))
        return;
    if (!received)
        received = add(n, key);
    received->lifetime_ms = ms;
    live(n, received, ms);
}

/* ---- time ---- */

void received_up(struct neighbour *n)
{
    struct hmap_node *at = NULL;

    while ((at = hmap_next(&n->received_by_key, at))) {
        struct received *received = OWNER_OF(at, struct received, by_key);

        if (!received->gone && received->expires.ms < mono_add(n->now, received->lifetime_ms).ms)
            live(n, received, received->lifetime_ms);
    }
}

void received_tick(struct neighbour *n)
{
    struct timer_entry *due;

    while ((due = timers_due(&n->received_timers, n->now))) {
        struct received *received = OWNER_OF(due, struct received, timer);

        if (!mono_reached(received->expires, n->now)) {
            timers_set(&n->received_timers, &received->timer, received->expires);
            continue;
        }
        if (!received->gone && neighbour_is_waited_for(n)) {
            live(n, received, received->lifetime_ms);
            continue;
        }
        if (!received->gone)
            neighbour_add_event(n, NEIGHBOUR_EXPIRED)->key = received->key;
        drop(n, received);
    }
}

struct mono received_deadline(const struct neighbour *n)
{
    return timers_deadline(&n->received_timers);
}

void received_free(struct neighbour *n)
{
    struct hmap_node *at;

    while ((at = hmap_any(&n->received_by_key)))
        drop(n, OWNER_OF(at, struct received, by_key));
    while (n->remembered_first)
        forget_first(n);
    hmap_free(&n->received_by_key);
    hmap_free(&n->received_by_id);
    hmap_free(&n->remembered);
    timers_free(&n->received_timers);
}
