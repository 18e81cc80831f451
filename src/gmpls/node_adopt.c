/* SPDX-License-Identifier: Apache-2.0 */
/* After a start: LSPs of which no record tells, but the switch, and neighbours that are about to (RFC 3473 §9.5). What
 * they say of an LSP that is not known waits: a Path with RECOVERY_LABEL until the switch has been read, a Resv until
 * the LSP's Path is there. */
#include <stdlib.h>

#include "base/alloc.h"
#include "gmpls/node_internal.h"

bool node_is_recovering(const struct gmpls_node *node, struct mono now)
{
    return !mono_reached(node->recovery_until, now);
}

/* ---- what waits ---- */

static bool is_same(const struct node_waiting *waiting, int link, uint8_t type, const struct rsvp_message *message)
{
    const struct rsvp_session *a = &waiting->message.session, *b = &message->session;

    return waiting->link == link && waiting->message.type == type && a->destination == b->destination &&
           a->tunnel_id == b->tunnel_id && a->extended_tunnel_id == b->extended_tunnel_id &&
           waiting->message.sender.source == message->sender.source &&
           waiting->message.sender.lsp_id == message->sender.lsp_id;
}

static struct rsvp_message take_waiting(struct gmpls_node *node, size_t w)
{
    struct rsvp_message message = node->waiting[w].message;

    node->waiting[w] = node->waiting[--node->n_waiting];
    return message;
}

void waiting_drop(struct gmpls_node *node, int link, uint8_t type, const struct rsvp_message *about)
{
    for (size_t w = node->n_waiting; w-- > 0;) {
        if (is_same(&node->waiting[w], link, type, about)) {
            struct rsvp_message message = take_waiting(node, w);

            rsvp_message_free(&message);
        }
    }
}

static void wait_with(struct gmpls_node *node, int link, struct rsvp_message *message)
{
    waiting_drop(node, link, message->type, message);
    node->waiting = array_reserve(node->waiting, node->n_waiting, &node->cap_waiting, sizeof *node->waiting);
    node->waiting[node->n_waiting++] = (struct node_waiting) {.link = link, .message = *message};
    *message = (struct rsvp_message) {.type = message->type};
}

bool path_waits(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now)
{
    if (node->switch_read || !node_is_recovering(node, now) || !(message->has & RSVP_HAS_RECOVERY_LABEL))
        return false;
    wait_with(node, link, message);
    return true;
}

bool resv_waits(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now)
{
    /* Of an LSP that begins here no Path will tell. */
    if (!node_is_recovering(node, now) || message->sender.source == node->config.router_id)
        return false;
    wait_with(node, link, message);
    return true;
}

/* Those of one type, handled as if they came now. */
static void handle_waiting(struct gmpls_node *node, uint8_t type, struct mono now)
{
    for (size_t w = node->n_waiting; w-- > 0;) {
        int link = node->waiting[w].link;
        struct rsvp_message message;

        if (node->waiting[w].message.type != type)
            continue;
        message = take_waiting(node, w);
        if (type == RSVP_PATH)
            path_received(node, link, &message, now);
        else
            resv_received(node, link, &message, now);
        rsvp_message_free(&message);
        if (w > node->n_waiting)
            w = node->n_waiting;
    }
}

void waiting_resv(struct gmpls_node *node, const struct gmpls_lsp *lsp, struct mono now)
{
    struct rsvp_message about = {.session = lsp->session, .sender = lsp->sender};

    for (size_t w = 0; w < node->n_waiting; w++) {
        if (is_same(&node->waiting[w], lsp->out.side.link, RSVP_RESV, &about)) {
            int link = node->waiting[w].link;
            struct rsvp_message message = take_waiting(node, w);

            resv_received(node, link, &message, now);
            rsvp_message_free(&message);
            return;
        }
    }
}

/* ---- what the switch held ---- */

static bool goes_to(const struct node_side *side, const struct next_hop *next)
{
    if (!next->egress)
        return side->link == next->link && side->link != NODE_LINK_NONE;
    return side->link == NODE_LINK_NONE && side->client == next->client &&
           (next->vlan == CLIENT_VLAN_ANY || next->vlan == side->vlan);
}

/* With 'in' towards the ingress. */
static bool is_of_path(struct node_xc *xc, int link, const struct rsvp_message *message, const struct next_hop *next)
{
    if (xc->in.link != link || xc->in.in_label != message->recovery_label) {
        struct node_side other = xc->in;

        xc->in = xc->out;
        xc->out = other;
    }
    return xc->in.link == link && xc->in.in_label == message->recovery_label &&
           xc->in.out_label == message->upstream_label && goes_to(&xc->out, next);
}

bool found_take(struct gmpls_node *node, int link, const struct rsvp_message *message, const struct next_hop *next,
                struct node_xc *xc)
{
    if (!(message->has & RSVP_HAS_RECOVERY_LABEL))
        return false;
    for (size_t f = 0; f < node->n_found; f++) {
        struct node_xc found = node->found[f];

        if (!is_of_path(&found, link, message, next))
            continue;
        node->found[f] = node->found[--node->n_found];
        if (lsp_find_id(node, found.id) ||
            (!next->egress && !label_is_free(&node->links[next->link].labels, found.out.in_label)))
            return false; /* somebody was quicker */
        *xc = found;
        return true;
    }
    return false;
}

bool found_has(const struct gmpls_node *node, uint32_t id)
{
    for (size_t f = 0; f < node->n_found; f++) {
        if (node->found[f].id == id)
            return true;
    }
    return false;
}

void node_switch_read(struct gmpls_node *node, const struct node_xc *found, size_t n, struct mono now)
{
    if (node->switch_read)
        return;
    node->switch_read = true;
    if (n && node_is_recovering(node, now)) {
        node->found = xmemdup(found, n * sizeof *found);
        node->n_found = n;
    }
    handle_waiting(node, RSVP_PATH, now);
    node_settle(node, now);
}

void recovery_tick(struct gmpls_node *node, struct mono now)
{
    if (node->recovery_until.ms == MONO_NEVER.ms || node_is_recovering(node, now))
        return;
    node->recovery_until = (struct mono) {INT64_MIN}; /* over, and no deadline any more */
    node->n_found = 0;
    handle_waiting(node, RSVP_PATH, now); /* the switch has not come: they are refused */
    handle_waiting(node, RSVP_RESV, now);
}

void adoption_free(struct gmpls_node *node)
{
    for (size_t w = 0; w < node->n_waiting; w++)
        rsvp_message_free(&node->waiting[w].message);
    free(node->waiting);
    free(node->found);
}
