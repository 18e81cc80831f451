/* SPDX-License-Identifier: Apache-2.0 */
/* Path comes: is it new, a refresh, or another state under the name of one that stands? PathTear ends it. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "gmpls/node_internal.h"

#define ENCODING_PACKET 1 /* RFC 3471 §3.1.1 */
#define SWITCHING_PSC1 1
#define GPID_ETHERNET 33

/* ---- ERO: RFC 3209 §4.3.4.1, RFC 3473 §5.1, RFC 4003 ---- */

static bool prefix_covers(const struct lsp_hop *hop, uint32_t address)
{
    return hop->length == 0 || ((hop->address ^ address) >> (32 - hop->length)) == 0;
}

static bool hop_is_mine(const struct gmpls_node *node, const struct lsp_hop *hop)
{
    if (hop->type != HOP_IPV4)
        return false;
    if (hop->length >= 32)
        return node_is_mine(node, hop->address);
    if (prefix_covers(hop, node->config.router_id))
        return true;
    for (size_t l = 0; l < node->n_links; l++) {
        if (prefix_covers(hop, node->links[l].config.local))
            return true;
    }
    return false;
}

static int link_towards(const struct gmpls_node *node, const struct lsp_hop *hop)
{
    for (size_t l = 0; l < node->n_links; l++) {
        if (node->links[l].config.remote == hop->address)
            return (int) l;
    }
    for (size_t l = 0; l < node->n_links; l++) {
        if (node->links[l].config.remote_router == hop->address && node_link_usable(node, (int) l))
            return (int) l;
    }
    return NODE_LINK_NONE;
}

static size_t take_labels(const struct lsp_route *ero, size_t i, struct next_hop *next)
{
    for (; i < ero->n && ero->hops[i].type == HOP_LABEL; i++) {
        if (ero->hops[i].upstream)
            next->upstream_label = ero->hops[i].label;
        else
            next->label = ero->hops[i].label;
    }
    return i;
}

static bool hop_is_client(const struct gmpls_node *node, const struct lsp_route *ero, size_t i)
{
    return i < ero->n && ero->hops[i].type == HOP_UNNUMBERED && ero->hops[i].address == node->config.router_id;
}

/* The end of the ERO, at the egress. */
static struct refusal ero_client(const struct lsp_route *ero, size_t i, struct next_hop *next)
{
    next->egress = true;
    next->client = ero->hops[i].interface;
    if (take_labels(ero, i + 1, next) != ero->n)
        return refuse(RSVP_ERR_ROUTING, RSVP_ROUTING_BAD_ERO);
    if (next->label > UINT16_MAX)
        return refuse(RSVP_ERR_ROUTING, RSVP_ROUTING_UNACCEPTABLE_LABEL);
    next->vlan = (uint16_t) next->label;
    next->label = 0;
    return ACCEPTED;
}

struct refusal ero_next(const struct gmpls_node *node, const struct lsp_route *ero, bool initial, struct next_hop *next,
                        struct lsp_route *rest)
{
    size_t i = 0;

    *next = (struct next_hop) {.link = NODE_LINK_NONE};
    while (i < ero->n && hop_is_mine(node, &ero->hops[i]))
        i++;
    if (i == 0 && !initial)
        return refuse(RSVP_ERR_ROUTING, RSVP_ROUTING_BAD_INITIAL);
    if (hop_is_client(node, ero, i))
        return ero_client(ero, i, next);
    if (i == ero->n) /* we are the last, but for which client? */
        return refuse(RSVP_ERR_ROUTING, RSVP_ROUTING_NO_ROUTE);
    if (ero->hops[i].type == HOP_LABEL)
        return refuse(RSVP_ERR_ROUTING, RSVP_ROUTING_BAD_ERO);
    if (ero->hops[i].type == HOP_IPV4 && ero->hops[i].length >= 32)
        next->link = link_towards(node, &ero->hops[i]);
    if (next->link == NODE_LINK_NONE) /* whatever is not next to us: we compute no routes */
        return refuse(RSVP_ERR_ROUTING, ero->hops[i].loose ? RSVP_ROUTING_BAD_LOOSE : RSVP_ROUTING_BAD_STRICT);
    if (rest)
        lsp_route_add(rest, ero->hops[i]);
    for (i = take_labels(ero, i + 1, next); rest && i < ero->n; i++)
        lsp_route_add(rest, ero->hops[i]);
    return ACCEPTED;
}

/* ---- a new one ---- */

static bool in_loop(const struct gmpls_node *node, const struct lsp_route *rro)
{
    for (size_t h = 0; h < rro->n; h++) {
        if (rro->hops[h].type == HOP_IPV4 && node_is_mine(node, rro->hops[h].address))
            return true;
    }
    return false;
}

static struct refusal check_path(const struct gmpls_node *node, int link, const struct rsvp_message *message)
{
    if (message->tspec.rate_bps == 0) /* the ends would police nothing */
        return refuse_link(RSVP_ERR_TRAFFIC, RSVP_TRAFFIC_BAD_TSPEC, link);
    if (!(message->has & RSVP_HAS_ERO))
        return refuse(RSVP_ERR_ROUTING, RSVP_ROUTING_NO_ROUTE);
    if (message->label_request.encoding != ENCODING_PACKET)
        return refuse_link(RSVP_ERR_ROUTING, RSVP_ROUTING_ENCODING, link);
    if (message->label_request.switching != SWITCHING_PSC1)
        return refuse_link(RSVP_ERR_ROUTING, RSVP_ROUTING_SWITCHING, link);
    if (!(message->has & RSVP_HAS_UPSTREAM_LABEL) || message->upstream_label < NODE_LABEL_MIN ||
        message->upstream_label > NODE_LABEL_MAX)
        return (struct refusal) {
            .code = RSVP_ERR_ROUTING, .value = RSVP_ROUTING_UNACCEPTABLE_LABEL, .link = link, .acceptable = true};
    if (node->usage.lsps >= node->config.lsps_max)
        return refuse_link(RSVP_ERR_ROUTING, RSVP_ROUTING_NO_LABEL, link);
    if (in_loop(node, &message->rro))
        return refuse_link(RSVP_ERR_ROUTING, RSVP_ROUTING_LOOP, link);
    if (!node->links[link].data_up)
        return refuse_link(RSVP_ERR_ROUTING, RSVP_ROUTING_NO_ROUTE, link);
    return ACCEPTED;
}

/* 'adopts': frames pass already; the neighbour may not be heard yet. */
static struct refusal check_next(const struct gmpls_node *node, int link, const struct rsvp_message *message,
                                 const struct next_hop *next, bool adopts)
{
    if (next->egress)
        return node_is_mine(node, message->session.destination) ? ACCEPTED :
                                                                  refuse(RSVP_ERR_ROUTING, RSVP_ROUTING_NO_ROUTE);
    if (next->link == link)
        return refuse_link(RSVP_ERR_ROUTING, RSVP_ROUTING_LOOP, link);
    if (!(adopts ? node->links[next->link].data_up : node_link_usable(node, next->link)))
        return refuse_link(RSVP_ERR_ROUTING, RSVP_ROUTING_NO_ROUTE, next->link);
    return ACCEPTED;
}

static void take_routes(struct gmpls_lsp *lsp, struct rsvp_message *message)
{
    lsp_route_free(&lsp->ero);
    lsp_route_free(&lsp->path_rro);
    lsp->ero = message->ero;
    lsp->path_rro = message->rro;
    message->ero = message->rro = (struct lsp_route) {0};
    lsp->recording = message->has & RSVP_HAS_RRO;
}

/* What may change from one Path to the next of the same state. */
static void take_soft(struct gmpls_lsp *lsp, struct rsvp_message *message)
{
    lsp->previous_lih = message->hop.lih;
    lsp->admin_status = message->has & RSVP_HAS_ADMIN_STATUS ? message->admin_status : 0;
    lsp->notify_node = message->has & RSVP_HAS_NOTIFY_REQUEST ? message->notify_node : 0;
    take_routes(lsp, message);
    lsp_unknown_take(&lsp->path_unknown, message);
}

void lsp_take_priorities(struct gmpls_lsp *lsp)
{
    /* RFC 3209 §4.7.1: holding must not be worse than setup; without the object neither may push anybody away. */
    lsp->setup = lsp->has_attribute ? lsp->attribute.setup_priority & 7 : TE_PRIORITIES - 1;
    lsp->holding = lsp->has_attribute ? lsp->attribute.holding_priority & 7 : TE_PRIORITIES - 1;
    if (lsp->holding > lsp->setup)
        lsp->holding = lsp->setup;
}

static struct gmpls_lsp *lsp_of_path(struct gmpls_node *node, int link, struct rsvp_message *message, uint32_t id)
{
    struct gmpls_lsp *lsp = lsp_new(node, &message->session, &message->sender, id);

    lsp->in.side.link = link;
    lsp->in.side.out_label = message->upstream_label;
    lsp->tspec = message->tspec;
    lsp->label_request = message->label_request;
    lsp->has_attribute = message->has & RSVP_HAS_ATTRIBUTE;
    if (lsp->has_attribute)
        lsp->attribute = message->attribute;
    if (lsp->has_attribute && lsp->attribute.flags & 0x04)
        lsp->style = RSVP_STYLE_SE;
    lsp_take_priorities(lsp);
    take_soft(lsp, message);
    return lsp;
}

struct refusal lsp_claim_next(struct gmpls_node *node, struct gmpls_lsp *lsp, const struct next_hop *next)
{
    struct label_wish wish = {.set = next->upstream_label ? &next->upstream_label : NULL, .n_set = 1};

    if (next->egress) {
        if (lsp->label_request.gpid != GPID_ETHERNET && lsp->label_request.gpid != 0)
            return refuse(RSVP_ERR_ROUTING, 10); /* unsupported L3PID: RFC 3209 §4.2.4 */
        return end_take_client(node, &lsp->out, next->client, next->vlan);
    }
    lsp->out.side.link = next->link;
    end_list(node, &lsp->out);
    return end_take_label(node, &lsp->out, &wish);
}

static struct refusal claim(struct gmpls_node *node, struct gmpls_lsp *lsp, const struct next_hop *next,
                            const struct rsvp_message *message, struct mono now)
{
    struct label_wish wish = {.set = message->has & RSVP_HAS_LABEL_SET ? message->labels : NULL,
                              .n_set = message->n_labels};
    struct refusal refusal;

    if (message->has & RSVP_HAS_SUGGESTED_LABEL)
        wish.suggested = message->suggested_label;
    if (message->has & RSVP_HAS_RECOVERY_LABEL) /* RFC 3473 §9.5.2 */
        wish.suggested = message->recovery_label;
    end_list(node, &lsp->in);
    refusal = end_take_label(node, &lsp->in, &wish);
    if (refusal.code == 0)
        refusal = lsp_claim_next(node, lsp, next);
    if (refusal.code == 0)
        refusal = lsp_admit(node, lsp, now);
    return refusal;
}

static void refuse_path(struct gmpls_node *node, int link, const struct rsvp_message *message, struct refusal why,
                        struct mono now)
{
    struct lsp_error error = refusal_error(node, &why);
    struct rsvp_message answer = message_path_err(&message->session, &message->sender, &message->tspec, &error);
    struct neighbour_key key = {RSVP_PATH, message->session, message->sender};

    node->counters.refused++;
    if (why.acceptable)
        message_add_acceptable(&answer, &node->links[link]);
    neighbour_drop_received(node->links[link].neighbour, &key);
    link_send(node, link, &answer, now);
}

/* RFC 3473 §9.5.2: with all the labels that the switch still has. */
static void adopt(struct gmpls_node *node, struct gmpls_lsp *lsp, const struct node_xc *found, struct next_hop *next)
{
    node->counters.adopted++;
    if (next->egress) {
        next->vlan = found->out.vlan;
        return;
    }
    next->upstream_label = found->out.in_label;
    lsp->out.side.out_label = found->out.out_label;
}

static struct refusal path_new(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now)
{
    struct refusal refusal = check_path(node, link, message);
    struct node_xc found = {0};
    struct next_hop next;
    struct gmpls_lsp *lsp;
    bool adopts;

    if (refusal.code == 0)
        refusal = ero_next(node, &message->ero, false, &next, NULL);
    adopts = refusal.code == 0 && found_take(node, link, message, &next, &found);
    if (refusal.code == 0)
        refusal = check_next(node, link, message, &next, adopts);
    if (refusal.code)
        return refusal;
    lsp = lsp_of_path(node, link, message, found.id);
    if (adopts)
        adopt(node, lsp, &found, &next);
    refusal = claim(node, lsp, &next, message, now);
    if (refusal.code) {
        lsp_release(node, lsp);
        return refusal;
    }
    if (!next.egress) {
        lsp_send_path(node, lsp, adopts, now);
        waiting_resv(node, lsp, now);
        return ACCEPTED;
    }
    lsp->resv_admin_status = lsp->admin_status & ~RSVP_ADMIN_REFLECT;
    lsp_move(lsp, PHASE_RESERVED);
    lsp_send_resv(node, lsp, now);
    lsp_connect(node, lsp);
    lsp_save(node, lsp);
    return ACCEPTED;
}

/* ---- one that stands ---- */

static bool same_path(const struct gmpls_lsp *lsp, const struct rsvp_message *message)
{
    bool has_attribute = message->has & RSVP_HAS_ATTRIBUTE;

    return lsp->in.side.out_label == message->upstream_label && lsp_route_equal(&lsp->ero, &message->ero) &&
           lsp->tspec.rate_bps == message->tspec.rate_bps && lsp->has_attribute == has_attribute &&
           lsp->attribute.setup_priority == message->attribute.setup_priority &&
           lsp->attribute.holding_priority == message->attribute.holding_priority &&
           lsp->label_request.encoding == message->label_request.encoding &&
           lsp->label_request.switching == message->label_request.switching;
}

static void path_refreshed(struct gmpls_node *node, struct gmpls_lsp *lsp, struct rsvp_message *message,
                           struct mono now)
{
    uint32_t admin_status = message->has & RSVP_HAS_ADMIN_STATUS ? message->admin_status : 0;
    uint32_t notify_node = message->has & RSVP_HAS_NOTIFY_REQUEST ? message->notify_node : 0;
    bool recording = message->has & RSVP_HAS_RRO;
    bool lih_changed = lsp->previous_lih != message->hop.lih || lsp->recording != recording;
    bool admin_changed = lsp->admin_status != admin_status;
    bool changed = admin_changed || lsp->notify_node != notify_node || lsp->recording != recording ||
                   !lsp_route_equal(&lsp->path_rro, &message->rro) || !lsp_unknown_equal(&lsp->path_unknown, message);

    lsp->path_fresh = true;
    take_soft(lsp, message);
    if (changed && end_is_link(&lsp->out))
        lsp_send_path(node, lsp, false, now);
    if (admin_changed && !end_is_link(&lsp->out)) { /* RFC 3473 §7.2.1: the egress reflects */
        lsp->resv_admin_status = admin_status & ~RSVP_ADMIN_REFLECT;
        lih_changed = true;
    }
    if (lih_changed && lsp_phase(lsp) != PHASE_SIGNALLED)
        lsp_send_resv(node, lsp, now);
    if (changed || lih_changed)
        lsp_save(node, lsp);
    lsp_maybe_recovered(node, lsp);
}

/* Another route, rate or label under the same name: the old state goes, and the new one stands or falls by itself. If
 * its next hop is the same, the new Path takes the old one's place there, too; a PathTear might overtake it. */
static void path_replaced(struct gmpls_node *node, struct gmpls_lsp *lsp, struct rsvp_message *message, struct mono now)
{
    int link = lsp->in.side.link, old_out = lsp->out.side.link;
    struct neighbour_key key = lsp_key(lsp, RSVP_PATH);
    struct rsvp_message tear = {0};
    struct refusal refusal;

    if (old_out != NODE_LINK_NONE)
        tear = message_path_tear(node, lsp);
    lsp_release(node, lsp);
    refusal = path_new(node, link, message, now);
    lsp = lsp_find(node, &key.session, &key.sender);
    if (old_out != NODE_LINK_NONE && (!lsp || lsp->out.side.link != old_out))
        link_send(node, old_out, &tear, now);
    if (refusal.code)
        refuse_path(node, link, message, refusal, now);
}

void path_received(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now)
{
    const uint32_t needed = RSVP_HAS_SESSION | RSVP_HAS_HOP | RSVP_HAS_SENDER | RSVP_HAS_TSPEC;
    struct gmpls_lsp *lsp;
    struct refusal refusal;

    if ((message->has & needed) != needed) {
        node_say(node, LINE_PATH_DROPPED, link, false, now,
                 "link %s: a Path without SESSION, RSVP_HOP, SENDER_TEMPLATE or SENDER_TSPEC is dropped",
                 node->links[link].config.name);
        return;
    }
    lsp = lsp_find(node, &message->session, &message->sender);
    if (lsp && (lsp->ingress || lsp->in.side.link != link)) {
        refuse_path(node, link, message, refuse_link(RSVP_ERR_ROUTING, RSVP_ROUTING_LOOP, link), now);
        return;
    }
    if (lsp && same_path(lsp, message)) {
        path_refreshed(node, lsp, message, now);
    } else if (lsp) {
        path_replaced(node, lsp, message, now);
    } else if (!path_waits(node, link, message, now)) {
        refusal = path_new(node, link, message, now);
        if (refusal.code)
            refuse_path(node, link, message, refusal, now);
    }
}

void path_tear_received(struct gmpls_node *node, int link, const struct rsvp_message *message, struct mono now)
{
    struct gmpls_lsp *lsp = lsp_find(node, &message->session, &message->sender);

    waiting_drop(node, link, RSVP_PATH, message);
    if (!lsp || lsp->ingress || lsp->in.side.link != link)
        return;
    node->counters.removed++;
    lsp_end_it(node, lsp, TELL_DOWN, NULL, now);
}
