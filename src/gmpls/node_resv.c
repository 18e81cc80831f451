/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from downstream when all goes well, and what the switch says. */
#include <string.h>

#include "base/alloc.h"
#include "gmpls/node_internal.h"

/* ---- to the switch and to the neighbours ---- */

struct node_xc lsp_xc(const struct gmpls_lsp *lsp)
{
    return (struct node_xc) {.id = lsp->id, .in = lsp->in.side, .out = lsp->out.side, .rate_bps = lsp->tspec.rate_bps};
}

void lsp_connect(struct gmpls_node *node, struct gmpls_lsp *lsp)
{
    node_queue(node, NODE_XC_SET)->xc = lsp_xc(lsp);
    lsp->xc_waits++;
    if (!lsp->xc_set)
        node->usage.xcs++;
    lsp->xc_set = true;
}

void lsp_disconnect(struct gmpls_node *node, struct gmpls_lsp *lsp)
{
    if (!lsp->xc_set)
        return;
    node_queue(node, NODE_XC_CLEAR)->xc = lsp_xc(lsp);
    lsp->xc_set = false;
    node->usage.xcs--;
}

void lsp_send_path(struct gmpls_node *node, struct gmpls_lsp *lsp, bool recovery, struct mono now)
{
    struct rsvp_message message = message_path(node, lsp);

    if (recovery && lsp->out.side.out_label) { /* RFC 3473 §9.5.3 */
        message.has |= RSVP_HAS_RECOVERY_LABEL;
        message.recovery_label = lsp->out.side.out_label;
    }
    link_keep(node, lsp->out.side.link, &message, now);
}

void lsp_send_resv(struct gmpls_node *node, struct gmpls_lsp *lsp, struct mono now)
{
    struct rsvp_message message = message_resv(node, lsp);

    link_keep(node, lsp->in.side.link, &message, now);
}

void lsp_maybe_recovered(struct gmpls_node *node, struct gmpls_lsp *lsp)
{
    bool path = lsp->ingress || lsp->path_fresh, resv = !end_is_link(&lsp->out) || lsp->resv_fresh;

    if (lsp_phase(lsp) != PHASE_RECOVERING || !path || !resv)
        return;
    lsp_move(lsp, PHASE_ESTABLISHED);
    node->counters.recovered++;
}

void node_xc_done(struct gmpls_node *node, uint32_t id, int code, struct mono now)
{
    struct gmpls_lsp *lsp = lsp_find_id(node, id);

    if (!lsp || lsp->xc_waits == 0)
        return;
    lsp->xc_waits--;
    if (lsp->xc_set && code < 0) {
        node_say(node, LINE_XC_REFUSED, NODE_LINK_NONE, true, now, "the switch refused the cross-connect of LSP %s: %s",
                 lsp->attribute.name, err_name(code));
        lsp_fail(node, lsp, refuse(RSVP_ERR_SYSTEM, 1), now);
    } else if (lsp->xc_set && lsp->xc_waits == 0 && lsp_phase(lsp) == PHASE_RESERVED) {
        if (lsp->ingress) {
            ingress_connected(node, lsp, now);
        } else {
            lsp_move(lsp, PHASE_ESTABLISHED);
            node->counters.set_up++;
        }
    }
    node_settle(node, now);
}

/* ---- Resv ---- */

static void refuse_resv(struct gmpls_node *node, int link, const struct rsvp_message *message, uint8_t code,
                        uint16_t value, struct mono now)
{
    struct rsvp_message answer = message_resv_err(node, link, message, code, value);
    struct neighbour_key key = {RSVP_RESV, message->session, message->sender};

    neighbour_drop_received(node->links[link].neighbour, &key);
    link_send(node, link, &answer, now);
}

static bool label_acceptable(const struct gmpls_node *node, const struct gmpls_lsp *lsp,
                             const struct rsvp_message *message)
{
    struct next_hop next;

    if (!(message->has & RSVP_HAS_LABEL) || message->label < NODE_LABEL_MIN || message->label > NODE_LABEL_MAX)
        return false;
    ero_next(node, &lsp->ero, lsp->ingress, &next, NULL);
    return next.label == 0 || next.label == message->label; /* explicit label control: RFC 3473 §5.1 */
}

/* RFC 2205 §3.1.8: the ingress confirms to the node that asked. */
static void confirm(struct gmpls_node *node, const struct gmpls_lsp *lsp, struct mono now)
{
    struct rsvp_message message = {.type = RSVP_RESV_CONF,
                                   .has = RSVP_HAS_SESSION | RSVP_HAS_ERROR | RSVP_HAS_RESV_CONFIRM | RSVP_HAS_STYLE |
                                          RSVP_HAS_SENDER | RSVP_HAS_TSPEC,
                                   .session = lsp->session,
                                   .sender = lsp->sender,
                                   .tspec = lsp->tspec,
                                   .style = lsp->style,
                                   .resv_confirm = lsp->resv_confirm,
                                   .error = {.node = node->config.router_id}};

    link_send(node, lsp->out.side.link, &message, now);
}

static void resv_first(struct gmpls_node *node, struct gmpls_lsp *lsp, struct mono now)
{
    lsp_move(lsp, PHASE_RESERVED);
    if (lsp->ingress) {
        if (lsp->resv_confirm)
            confirm(node, lsp, now);
    } else {
        lsp_send_resv(node, lsp, now);
        lsp_save(node, lsp);
    }
    lsp_connect(node, lsp);
}

/* Of one that is known: after a restart of somebody, or with something new in it. */
static void resv_again(struct gmpls_node *node, struct gmpls_lsp *lsp, bool label_changed, bool changed,
                       struct mono now)
{
    if (label_changed)
        lsp_connect(node, lsp);
    if (changed && !lsp->ingress)
        lsp_send_resv(node, lsp, now);
    if ((changed || label_changed) && (!lsp->ingress || lsp->saved))
        lsp_save(node, lsp);
    lsp_maybe_recovered(node, lsp);
    if (lsp->ingress && changed && lsp_phase(lsp) == PHASE_ESTABLISHED)
        ingress_report(node, lsp, LSP_UP, false, NULL, 0);
}

void resv_received(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now)
{
    struct gmpls_lsp *lsp = lsp_find(node, &message->session, &message->sender);
    uint32_t admin_status = message->has & RSVP_HAS_ADMIN_STATUS ? message->admin_status : 0;
    bool label_changed, changed;

    if (!lsp && resv_waits(node, link, message, now))
        return;
    if (!lsp || lsp->out.side.link != link) {
        refuse_resv(node, link, message, RSVP_ERR_NO_PATH, 0, now);
        return;
    }
    if (!label_acceptable(node, lsp, message)) {
        refuse_resv(node, link, message, RSVP_ERR_ROUTING, RSVP_ROUTING_UNACCEPTABLE_LABEL, now);
        lsp_fail(node, lsp, refuse_link(RSVP_ERR_ROUTING, RSVP_ROUTING_UNACCEPTABLE_LABEL, link), now);
        return;
    }
    label_changed = lsp->out.side.out_label != message->label;
    changed = !lsp_route_equal(&lsp->resv_rro, &message->rro) || lsp->resv_admin_status != admin_status ||
              !lsp_unknown_equal(&lsp->resv_unknown, message);
    lsp->out.side.out_label = message->label;
    lsp_route_free(&lsp->resv_rro);
    lsp->resv_rro = message->rro;
    message->rro = (struct lsp_route) {0};
    lsp_unknown_take(&lsp->resv_unknown, message);
    lsp->resv_admin_status = admin_status;
    lsp->resv_confirm = message->has & RSVP_HAS_RESV_CONFIRM ? message->resv_confirm : 0;
    lsp->resv_fresh = true;
    if (lsp->ingress && admin_status & RSVP_ADMIN_DELETION) {
        /* The reflection that a removal waits for, or the egress wants it removed (RFC 3473 §7.2.2). */
        node->counters.removed++;
        lsp_end_it(node, lsp, TELL_DOWN, NULL, now);
    } else if (lsp_phase(lsp) == PHASE_SIGNALLED) {
        resv_first(node, lsp, now);
    } else if (lsp_phase(lsp) != PHASE_DELETING) {
        resv_again(node, lsp, label_changed, changed, now);
    }
}

void resv_tear_received(struct gmpls_node *node, int link, const struct rsvp_message *message, struct mono now)
{
    struct gmpls_lsp *lsp = lsp_find(node, &message->session, &message->sender);
    struct lsp_error error = {
        .node = node->config.router_id, .code = RSVP_ERR_NOTIFY, .value = RSVP_NOTIFY_LSP_FAILURE};
    struct rsvp_message tear;

    waiting_drop(node, link, RSVP_RESV, message);
    if (!lsp || lsp->out.side.link != link || lsp_phase(lsp) == PHASE_SIGNALLED)
        return;
    if (lsp->ingress) {
        node->counters.failed++;
        lsp_end_it(node, lsp, TELL_BOTH, lsp_phase(lsp) == PHASE_DELETING ? NULL : &error, now);
        return;
    }
    lsp_unknown_free(&lsp->resv_unknown);
    tear = message_resv(node, lsp);
    tear.type = RSVP_RESV_TEAR;
    tear.has &= RSVP_HAS_SESSION | RSVP_HAS_HOP | RSVP_HAS_STYLE | RSVP_HAS_SENDER | RSVP_HAS_TSPEC;
    lsp_route_free(&tear.rro);
    link_send(node, lsp->in.side.link, &tear, now);
    lsp_disconnect(node, lsp);
    lsp->out.side.out_label = 0;
    lsp_route_free(&lsp->resv_rro);
    lsp_move(lsp, PHASE_SIGNALLED);
    lsp_save(node, lsp);
}

void resv_err_received(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now)
{
    struct gmpls_lsp *lsp = lsp_find(node, &message->session, &message->sender);

    if (!lsp || lsp->in.side.link != link)
        return;
    if (message->error.code == RSVP_ERR_NO_PATH) { /* upstream knows nothing of it: a leftover */
        node->counters.failed++;
        lsp_end_it(node, lsp, TELL_DOWN, NULL, now);
        return;
    }
    if (!end_is_link(&lsp->out)) {
        node_say(node, LINE_RESV_REFUSED, link, false, now, "link %s: our Resv of LSP %s was refused: %s",
                 node->links[link].config.name, lsp->attribute.name,
                 rsvp_error_name(message->error.code, message->error.value));
        return;
    }
    message->hop.address = node->links[lsp->out.side.link].config.local;
    message->hop.if_address = message->hop.address;
    link_forward(node, lsp->out.side.link, message, now);
}

void resv_conf_received(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now)
{
    struct gmpls_lsp *lsp = lsp_find(node, &message->session, &message->sender);

    if (lsp && lsp->in.side.link == link && end_is_link(&lsp->out))
        link_forward(node, lsp->out.side.link, message, now);
}
