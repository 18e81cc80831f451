/* SPDX-License-Identifier: Apache-2.0 */
#include "gmpls/neighbour_internal.h"

#include "base/alloc.h"

struct neighbour_event *neighbour_add_event(struct neighbour *n, enum neighbour_event_type type)
{
    struct neighbour_event *event;

    n->events = array_reserve(n->events, n->n_events, &n->events_capacity, sizeof *n->events);
    event = &n->events[n->n_events++];
    *event = (struct neighbour_event) {.type = type};
    return event;
}

struct neighbour_key neighbour_key_of(const struct rsvp_message *message)
{
    return (struct neighbour_key) {message->type, message->session, message->sender};
}

uint32_t neighbour_key_hash(const struct neighbour_key *key)
{
    uint32_t hash = hash_add(key->type, key->session.destination);

    hash = hash_add(hash, key->session.extended_tunnel_id);
    hash = hash_add(hash, key->sender.source);
    return hash_add(hash, (uint32_t) key->session.tunnel_id << 16 | key->sender.lsp_id);
}

bool neighbour_key_equal(const struct neighbour_key *a, const struct neighbour_key *b)
{
    return a->type == b->type && a->session.destination == b->session.destination &&
           a->session.tunnel_id == b->session.tunnel_id &&
           a->session.extended_tunnel_id == b->session.extended_tunnel_id && a->sender.source == b->sender.source &&
           a->sender.lsp_id == b->sender.lsp_id;
}

uint32_t neighbour_id_hash(uint32_t epoch, uint32_t id)
{
    return hash_add(epoch, id);
}

bool neighbour_is_waited_for(const struct neighbour *n)
{
    return n->was_up && !n->up;
}

struct neighbour *neighbour_new(const struct neighbour_config *config, struct mono now)
{
    struct neighbour *n = xcalloc(1, sizeof *n);

    n->config = *config;
    n->now = now;
    hello_start(n);
    sent_start(n);
    return n;
}

void neighbour_free(struct neighbour *n)
{
    struct neighbour_event event;

    if (!n)
        return;
    while (neighbour_event(n, &event))
        rsvp_message_free(&event.message);
    sent_free(n);
    received_free(n);
    free(n->acks);
    free(n->events);
    free(n);
}

void neighbour_receive(struct neighbour *n, struct rsvp_message *message, struct mono now)
{
    n->now = now;
    n->counters.received++;
    sent_capability(n, message->refresh_reduction);
    sent_acks(n, message);
    switch (message->type) {
    case RSVP_PATH:
    case RSVP_RESV:
        received_state(n, message);
        return;
    case RSVP_HELLO:
        hello_receive(n, message);
        break;
    case RSVP_SREFRESH:
        received_srefresh(n, message);
        break;
    case RSVP_ACK:
    case RSVP_BUNDLE:
        break;
    default:
        received_other(n, message);
        return;
    }
    rsvp_message_free(message);
}

/* Hello first: it must not wait behind the states that its answer sets going. */
bool neighbour_output(struct neighbour *n, struct rsvp_message *message)
{
    struct rsvp_message next = {.type = RSVP_ACK, .ttl = 255};

    if (!hello_output(n, &next)) {
        if (sent_output(n, &next))
            acks_move(n, &next, ACKS_ALONG);
        else if (n->acks_due)
            acks_move(n, &next, ACKS_OF_ACK);
        else
            return false;
    }
    next.refresh_reduction = true;
    n->counters.sent++;
    n->counters.refreshes += next.type == RSVP_SREFRESH;
    *message = next;
    return true;
}

bool neighbour_event(struct neighbour *n, struct neighbour_event *event)
{
    if (n->first_event == n->n_events)
        return false;
    *event = n->events[n->first_event++];
    if (n->first_event == n->n_events)
        n->first_event = n->n_events = 0;
    return true;
}

void neighbour_tick(struct neighbour *n, struct mono now)
{
    n->now = now;
    hello_tick(n);
    sent_tick(n);
    received_tick(n);
}

struct mono neighbour_deadline(const struct neighbour *n)
{
    return mono_min(hello_deadline(n), mono_min(sent_deadline(n), received_deadline(n)));
}

bool neighbour_is_up(const struct neighbour *n)
{
    return n->up;
}

const struct neighbour_counters *neighbour_counters(const struct neighbour *n)
{
    return &n->counters;
}
