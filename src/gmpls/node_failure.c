/* SPDX-License-Identifier: Apache-2.0 */
/* How LSPs end otherwise than by removal. */
#include <string.h>

#include "base/alloc.h"
#include "gmpls/node_internal.h"

/* ---- ending one ---- */

struct lsp_error refusal_error(const struct gmpls_node *node, const struct refusal *refusal)
{
    struct lsp_error error = {
        .node = node->config.router_id, .code = refusal->code, .value = refusal->value, .path_state_removed = true};

    if (refusal->link != NODE_LINK_NONE)
        error.interface_ip = node->links[refusal->link].config.local;
    else
        error.interface_id = refusal->client;
    return error;
}

void lsp_release(struct gmpls_node *node, struct gmpls_lsp *lsp)
{
    struct neighbour_key path = lsp_key(lsp, RSVP_PATH), resv = lsp_key(lsp, RSVP_RESV);

    lsp_disconnect(node, lsp);
    if (end_is_link(&lsp->in))
        neighbour_forget(node->links[lsp->in.side.link].neighbour, &resv);
    if (end_is_link(&lsp->out)) {
        neighbour_forget(node->links[lsp->out.side.link].neighbour, &path);
        neighbour_drop_received(node->links[lsp->out.side.link].neighbour, &resv);
    }
    end_release(node, &lsp->in);
    end_release(node, &lsp->out);
    if (lsp->saved && !lsp->ingress)
        node_queue(node, NODE_FORGET)->key = lsp->id;
    lsp_move(lsp, PHASE_GONE);
    lsp_free(node, lsp);
}

void lsp_end_it(struct gmpls_node *node, struct gmpls_lsp *lsp, unsigned tell, const struct lsp_error *error,
                struct mono now)
{
    if (lsp->ingress)
        ingress_gone(node, lsp, error);
    if (tell & TELL_UP && end_is_link(&lsp->in)) {
        struct rsvp_message message = message_path_err(&lsp->session, &lsp->sender, &lsp->tspec, error);

        message.error.path_state_removed = true;
        link_send(node, lsp->in.side.link, &message, now);
    }
    if (tell & TELL_DOWN && end_is_link(&lsp->out)) {
        struct rsvp_message message = message_path_tear(node, lsp);

        link_send(node, lsp->out.side.link, &message, now);
    }
    if (end_is_link(&lsp->in)) {
        struct neighbour_key path = lsp_key(lsp, RSVP_PATH);

        neighbour_drop_received(node->links[lsp->in.side.link].neighbour, &path);
    }
    lsp_release(node, lsp);
}

/* ---- Notify: RFC 3473 §4.3; it is routed, so that no neighbour's machine repeats it ---- */

static void notify_send(struct gmpls_node *node, const struct gmpls_lsp *lsp, const struct lsp_error *error,
                        struct mono now)
{
    struct node_notify *notify;
    struct rsvp_message message = message_path_err(&lsp->session, &lsp->sender, &lsp->tspec, error);

    message.type = RSVP_NOTIFY;
    message.ttl = 255;
    message.has |= RSVP_HAS_MESSAGE_ID;
    message.message_id = (struct rsvp_message_id) {
        .flags = RSVP_MESSAGE_ID_ACK_DESIRED, .epoch = node->config.epoch, .id = ++node->next_notify};
    node->notifies = array_reserve(node->notifies, node->n_notifies, &node->cap_notifies, sizeof *node->notifies);
    notify = &node->notifies[node->n_notifies++];
    /* An address of ours that the ingress has in the LSP's record. */
    *notify = (struct node_notify) {.message = message,
                                    .source = node->links[lsp->in.side.link].config.local,
                                    .destination = lsp->notify_node,
                                    .wait_ms = node->config.retry_ms,
                                    .tries = 1,
                                    .at = mono_add(now, node->config.retry_ms)};
    node_send_routed(node, notify->source, notify->destination, &message);
}

static void notify_remove(struct gmpls_node *node, size_t n)
{
    rsvp_message_free(&node->notifies[n].message);
    node->notifies[n] = node->notifies[--node->n_notifies];
}

void notify_acked(struct gmpls_node *node, const struct rsvp_message *message)
{
    for (size_t a = 0; a < message->n_acks; a++) {
        for (size_t n = 0; n < node->n_notifies; n++) {
            const struct rsvp_message_id *id = &node->notifies[n].message.message_id;

            if (id->id == message->acks[a].id && id->epoch == message->acks[a].epoch) {
                notify_remove(node, n);
                break;
            }
        }
    }
}

void notify_tick(struct gmpls_node *node, struct mono now)
{
    for (size_t n = node->n_notifies; n-- > 0;) {
        struct node_notify *notify = &node->notifies[n];

        if (!mono_reached(notify->at, now))
            continue;
        if (notify->tries++ >= node->config.retries) {
            notify_remove(node, n);
            continue;
        }
        notify->wait_ms *= 2;
        notify->at = mono_add(now, notify->wait_ms);
        node_send_routed(node, notify->source, notify->destination, &notify->message);
    }
}

static bool names(const struct lsp_route *route, uint32_t address)
{
    for (size_t h = 0; h < route->n; h++) {
        if (route->hops[h].type != HOP_LABEL && route->hops[h].address == address)
            return true;
    }
    return false;
}

/* It came from anywhere: only who carries an LSP may say that it has failed. */
void notify_received(struct gmpls_node *node, uint32_t source, const struct rsvp_message *message, struct mono now)
{
    struct gmpls_lsp *lsp = lsp_find(node, &message->session, &message->sender);
    char address[16];

    if (!lsp || !lsp->ingress)
        return;
    if (!names(&lsp->resv_rro, source) && !names(&lsp->ero, source)) {
        node_say(node, LINE_NOTIFY_IGNORED, NODE_LINK_NONE, true, now,
                 "LSP %s: a Notify from %s is left aside, as that is no node on its route", lsp->attribute.name,
                 ipv4_format(source, address));
        return;
    }
    if (message->error.code != RSVP_ERR_NOTIFY || message->error.value == RSVP_NOTIFY_LSP_FAILURE) {
        node->counters.failed++;
        lsp_end_it(node, lsp, TELL_BOTH, &message->error, now);
    } else {
        node_say(node, LINE_NEWS, lsp->out.side.link, false, now, "LSP %s: notified of: %s", lsp->attribute.name,
                 rsvp_error_name(message->error.code, message->error.value));
    }
}

void lsp_fail(struct gmpls_node *node, struct gmpls_lsp *lsp, struct refusal why, struct mono now)
{
    struct lsp_error error = refusal_error(node, &why);

    node->counters.failed++;
    if (lsp->notify_node && !lsp->ingress && !node_is_mine(node, lsp->notify_node))
        notify_send(node, lsp, &error, now);
    lsp_end_it(node, lsp, TELL_BOTH, &error, now);
}

/* ---- PathErr ---- */

/* The next node cannot use the upstream label, and says which ones it could: once or twice another one is tried. It has
 * no state, so that the Path with the new label is a new one to it. */
static bool other_label(struct gmpls_node *node, struct gmpls_lsp *lsp, const struct rsvp_message *message,
                        struct mono now)
{
    struct label_wish wish = {.set = message->labels, .n_set = message->n_labels};
    struct label_pool *pool = &node->links[lsp->out.side.link].labels;
    uint32_t old = lsp->out.side.in_label;
    struct next_hop next;

    ero_next(node, &lsp->ero, lsp->ingress, &next, NULL);
    if (message->error.code != RSVP_ERR_ROUTING || message->error.value != RSVP_ROUTING_UNACCEPTABLE_LABEL ||
        !(message->has & RSVP_HAS_ACCEPTABLE_LABELS) || lsp_phase(lsp) != PHASE_SIGNALLED || next.upstream_label ||
        lsp->label_tries >= 2 || end_take_label(node, &lsp->out, &wish).code) {
        lsp->out.side.in_label = old;
        return false;
    }
    label_give_back(pool, old);
    node->usage.labels--;
    lsp->label_tries++;
    lsp_send_path(node, lsp, false, now);
    return true;
}

void path_err_received(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now)
{
    struct gmpls_lsp *lsp = lsp_find(node, &message->session, &message->sender);
    const struct lsp_error *error = &message->error;

    if (!lsp || lsp->out.side.link != link || other_label(node, lsp, message, now))
        return;
    if (error->path_state_removed) {
        node->counters.failed++;
        lsp_end_it(node, lsp, TELL_UP, error, now);
    } else if (!lsp->ingress) {
        link_forward(node, lsp->in.side.link, message, now);
    } else if (error->code == RSVP_ERR_NOTIFY && lsp_phase(lsp) == PHASE_ESTABLISHED) {
        node_say(node, LINE_NEWS, link, false, now, "LSP %s: %s", lsp->attribute.name,
                 rsvp_error_name(error->code, error->value));
    } else { /* downstream keeps its state, we do not want it */
        node->counters.failed++;
        lsp_end_it(node, lsp, TELL_BOTH, error, now);
    }
}

/* ---- links and clients ---- */

static void fail_all(struct gmpls_node *node, struct lsp_end *ends, struct refusal why, struct mono now)
{
    struct lsp_end *next;

    for (; ends; ends = next) {
        next = ends->next;
        lsp_fail(node, ends->lsp, why, now);
    }
}

/* Those of 'ends' that are only being set up, which is not worth waiting. */
static void fail_new(struct gmpls_node *node, struct lsp_end *ends, struct refusal why, struct mono now)
{
    struct lsp_end *next;

    for (; ends; ends = next) {
        enum lsp_phase phase = lsp_phase(ends->lsp);

        next = ends->next;
        if (phase == PHASE_SIGNALLED || phase == PHASE_RESERVED || phase == PHASE_PROBED)
            lsp_fail(node, ends->lsp, why, now);
    }
}

/* What has gone down is down; but those who stand there have 'ms' left. */
static void hold(struct gmpls_node *node, struct lsp_end *ends, struct mono *until, uint32_t ms, struct refusal why,
                 struct mono now)
{
    if (ms == 0) {
        fail_all(node, ends, why, now);
        return;
    }
    fail_new(node, ends, why, now);
    if (until->ms == MONO_NEVER.ms)
        *until = mono_add(now, ms);
    node->hold_due = mono_min(node->hold_due, *until);
}

static struct refusal link_is_cut(int link)
{
    return refuse_link(RSVP_ERR_NOTIFY, RSVP_NOTIFY_LSP_FAILURE, link);
}

static struct refusal client_is_cut(uint32_t client)
{
    struct refusal why = refuse(RSVP_ERR_NOTIFY, RSVP_NOTIFY_LSP_FAILURE);

    why.client = client;
    return why;
}

void node_link_data(struct gmpls_node *node, int link, bool up, struct mono now)
{
    struct node_link *changed = &node->links[link];

    changed->bandwidth_changed |= changed->data_up != up;
    changed->data_up = up;
    changed->data_told = true;
    if (up)
        changed->held_until = MONO_NEVER;
    else
        hold(node, changed->ends, &changed->held_until, node->config.link_hold_ms, link_is_cut(link), now);
    node_settle(node, now);
}

void node_client(struct gmpls_node *node, uint32_t id, bool up, struct mono now)
{
    struct node_port *port = node_port(node, id);

    if (!port)
        return;
    port->up = up;
    if (up)
        port->held_until = MONO_NEVER;
    else
        hold(node, port->ends, &port->held_until, node->config.client_hold_ms, client_is_cut(id), now);
    node_settle(node, now);
}

/* True if 'until' is over; else it counts for the node's next time. */
static bool is_over(struct gmpls_node *node, struct mono *until, struct mono now)
{
    if (!mono_reached(*until, now)) {
        node->hold_due = mono_min(node->hold_due, *until);
        return false;
    }
    *until = MONO_NEVER;
    return true;
}

void hold_tick(struct gmpls_node *node, struct mono now)
{
    if (!mono_reached(node->hold_due, now))
        return;
    node->hold_due = MONO_NEVER;
    for (size_t l = 0; l < node->n_links; l++) {
        if (is_over(node, &node->links[l].held_until, now))
            fail_all(node, node->links[l].ends, link_is_cut((int) l), now);
    }
    for (size_t p = 0; p < node->n_ports; p++) {
        if (is_over(node, &node->ports[p].held_until, now))
            fail_all(node, node->ports[p].ends, client_is_cut(node->ports[p].config.id), now);
    }
}

/* ---- neighbours: RFC 3473 §9.3 ---- */

static void neighbour_silent(struct gmpls_node *node, int link, struct mono now)
{
    struct node_link *silent = &node->links[link];
    struct lsp_end *next;

    if (silent->restart.restart_ms == 0) {
        link_gone(node, link, now);
        return;
    }
    silent->gone_at = mono_add(now, silent->restart.restart_ms);
    for (struct lsp_end *end = silent->ends; end; end = next) { /* what is only being set up is not worth waiting */
        next = end->next;
        if (end == &end->lsp->out && lsp_phase(end->lsp) == PHASE_SIGNALLED)
            lsp_fail(node, end->lsp, refuse_link(RSVP_ERR_ROUTING, RSVP_ROUTING_NO_ROUTE, link), now);
    }
}

/* It shows another instance. What it kept it will refresh; of ours its neighbour's machine sends all anew, but Path
 * with the label that it had given out. */
static void neighbour_restarted(struct gmpls_node *node, int link, struct mono now)
{
    struct node_link *back = &node->links[link];

    if (back->restart.recovery_ms == 0) { /* RFC 3473 §9.1: it kept nothing, no cross-connects either */
        link_gone(node, link, now);
        return;
    }
    for (struct lsp_end *end = back->ends; end; end = end->next) {
        bool down = end == &end->lsp->out;
        struct neighbour_key key = lsp_key(end->lsp, down ? RSVP_RESV : RSVP_PATH);

        if (!down || lsp_phase(end->lsp) != PHASE_SIGNALLED)
            neighbour_expect_received(back->neighbour, &key, back->restart.recovery_ms, now);
        if (down)
            lsp_send_path(node, end->lsp, true, now);
    }
}

void neighbour_changed(struct gmpls_node *node, int link, const struct neighbour_event *event, struct mono now)
{
    struct node_link *changed = &node->links[link];

    switch (event->type) {
    case NEIGHBOUR_UP:
        changed->gone_at = MONO_NEVER;
        node_say(node, LINE_NEIGHBOUR_HEARD, link, false, now, "link %s: the neighbour is heard", changed->config.name);
        break;
    case NEIGHBOUR_DOWN:
        node_say(node, LINE_NEIGHBOUR_SILENT, link, true, now, "link %s: the neighbour is silent",
                 changed->config.name);
        neighbour_silent(node, link, now);
        break;
    case NEIGHBOUR_RESTARTED:
        changed->restart = event->restart;
        node_say(node, LINE_NEIGHBOUR_RESTARTED, link, false, now, "link %s: the neighbour has restarted",
                 changed->config.name);
        neighbour_restarted(node, link, now);
        break;
    default:
        break;
    }
}

void link_gone(struct gmpls_node *node, int link, struct mono now)
{
    struct node_link *gone = &node->links[link];

    gone->gone_at = MONO_NEVER;
    fail_all(node, gone->ends, refuse_link(RSVP_ERR_NOTIFY, RSVP_NOTIFY_CONTROL_DEGRADED, link), now);
}

void neighbour_expired(struct gmpls_node *node, int link, const struct neighbour_key *key, struct mono now)
{
    struct gmpls_lsp *lsp = lsp_find(node, &key->session, &key->sender);

    waiting_drop(node, link, key->type, &(struct rsvp_message) {.session = key->session, .sender = key->sender});
    if (!lsp)
        return;
    if (key->type == RSVP_PATH && lsp->in.side.link == link) { /* RFC 2205 §3.7: as if a PathTear had come */
        node->counters.expired++;
        lsp_end_it(node, lsp, TELL_DOWN, NULL, now);
    } else if (key->type == RSVP_RESV && lsp->out.side.link == link && lsp_phase(lsp) != PHASE_SIGNALLED) {
        node->counters.expired++;
        lsp_fail(node, lsp, refuse_link(RSVP_ERR_NOTIFY, RSVP_NOTIFY_LSP_FAILURE, link), now);
    }
}
