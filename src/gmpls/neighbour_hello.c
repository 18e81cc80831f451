/* SPDX-License-Identifier: Apache-2.0 */
/* Hello, RFC 3209 §5 with RFC 3473 §9. Our instance stays for the life of the program, also when the other side is
 * lost: RFC 3473 §9.3 keeps it, so that only a loss of state shows as a restart. The other side is up while it shows us
 * our own instance, which proves both directions; what shows another (0 after it lost us, our former one) is answered
 * but proves nothing, so that a Hello which comes late breaks nothing either. */
#include "gmpls/neighbour_internal.h"

static void go_down(struct neighbour *n)
{
    n->up = false;
    n->reflected = 0; /* RFC 3209 §5.3: nothing is reflected until the other side is heard again */
    neighbour_add_event(n, NEIGHBOUR_DOWN);
}

static void go_up(struct neighbour *n)
{
    bool restarted = n->restarted;

    if (restarted)
        neighbour_add_event(n, NEIGHBOUR_RESTARTED)->restart = n->restart;
    n->restarted = false;
    n->up = true;
    neighbour_add_event(n, NEIGHBOUR_UP)->restart = n->restart;
    sent_up(n, restarted);
    if (n->was_up)
        received_up(n);
    n->was_up = true;
}

void hello_start(struct neighbour *n)
{
    n->request_due = true;
    n->hello_next = mono_add(n->now, n->config.hello_ms);
}

static void learn_instance(struct neighbour *n, const struct rsvp_message *message)
{
    if (n->instance) {
        n->instance_before = n->instance;
        n->restarted = true;
        if (n->up)
            go_down(n);
    }
    n->instance = message->hello.source_instance;
    n->life++;
    n->restart = (struct rsvp_restart_cap) {0}; /* without the object nothing is kept over a restart: RFC 3473 §9.1 */
    /* An answer to our own request comes at once; the other side's next one, only after its interval. */
    n->request_due = !message->hello.ack;
}

void hello_receive(struct neighbour *n, const struct rsvp_message *message)
{
    const struct rsvp_hello *hello = &message->hello;

    if (!(message->has & RSVP_HAS_HELLO) || !hello->source_instance)
        return;
    if (hello->source_instance != n->instance && hello->source_instance == n->instance_before)
        return; /* came late, from before its restart */
    if (hello->source_instance != n->instance)
        learn_instance(n, message);
    if (message->has & RSVP_HAS_RESTART_CAP)
        n->restart = message->restart_cap;
    n->reflected = n->instance;
    if (!hello->ack) {
        n->ack_due = true;
        if (n->up) /* RFC 3209 §5.3: a request of the other side stands for one of ours */
            n->hello_next = mono_add(n->now, n->config.hello_ms);
    }
    if (hello->destination_instance != n->config.instance)
        return;
    n->hello_dead = mono_add(n->now, (int64_t) n->config.hello_ms * n->config.hello_miss);
    if (!n->up)
        go_up(n);
}

void hello_tick(struct neighbour *n)
{
    if (n->up && mono_reached(n->hello_dead, n->now))
        go_down(n);
    if (mono_reached(n->hello_next, n->now)) {
        n->request_due = true;
        n->hello_next = mono_add(n->now, n->config.hello_ms);
    }
}

bool hello_output(struct neighbour *n, struct rsvp_message *message)
{
    if (!n->ack_due && !n->request_due)
        return false;
    *message = (struct rsvp_message) {
        .type = RSVP_HELLO,
        .ttl = 1, /* RFC 3209 §5.1 */
        .has = RSVP_HAS_HELLO | RSVP_HAS_RESTART_CAP,
        .hello = {.ack = n->ack_due, .source_instance = n->config.instance, .destination_instance = n->reflected},
        .restart_cap = {n->config.restart_ms, n->config.recovery_ms},
    };
    if (n->ack_due)
        n->ack_due = false;
    else
        n->request_due = false;
    return true;
}

struct mono hello_deadline(const struct neighbour *n)
{
    return n->up ? mono_min(n->hello_next, n->hello_dead) : n->hello_next;
}
