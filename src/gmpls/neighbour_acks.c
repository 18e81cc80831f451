/* SPDX-License-Identifier: Apache-2.0 */
/* The acks that we owe. They wait a little for a message that takes them along, or for more of them, as RFC 2961 §4.3
 * wants; but only a part of the time after which the other side repeats. A full message's worth goes at once, and so
 * does a NACK, since state is missing. */
#include "gmpls/neighbour_internal.h"

#include <string.h>

#include "base/alloc.h"

#define DELAY_MS_MAX 50

void acks_add(struct neighbour *n, bool nack, uint32_t epoch, uint32_t id)
{
    uint32_t delay_ms = n->config.retry_ms / 8;

    if (!n->n_acks)
        n->acks_next = mono_add(n->now, delay_ms < DELAY_MS_MAX ? delay_ms : DELAY_MS_MAX);
    n->acks = array_reserve(n->acks, n->n_acks, &n->acks_capacity, sizeof *n->acks);
    n->acks[n->n_acks++] = (struct rsvp_ack) {nack, epoch, id};
    n->counters.nacks_sent += nack;
    if (nack || n->n_acks >= ACKS_OF_ACK)
        n->acks_due = true;
}

void acks_move(struct neighbour *n, struct rsvp_message *message, size_t max)
{
    size_t moved = n->n_acks - n->first_ack < max ? n->n_acks - n->first_ack : max;

    if (!moved)
        return;
    message->acks = xmemdup(n->acks + n->first_ack, moved * sizeof *n->acks);
    message->n_acks = moved;
    n->first_ack += moved;
    if (n->first_ack == n->n_acks) {
        n->first_ack = n->n_acks = 0;
        n->acks_due = false;
    }
}
