/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "gmpls/node_internal.h"

struct neighbour_key lsp_key(const struct gmpls_lsp *lsp, uint8_t type)
{
    return (struct neighbour_key) {.type = type, .session = lsp->session, .sender = lsp->sender};
}

static struct rsvp_message message_of(uint8_t type, const struct gmpls_lsp *lsp)
{
    return (struct rsvp_message) {.type = type,
                                  .has = RSVP_HAS_SESSION | RSVP_HAS_SENDER | RSVP_HAS_TSPEC,
                                  .session = lsp->session,
                                  .sender = lsp->sender,
                                  .tspec = lsp->tspec};
}

/* RFC 3473 §8.1.1: the data link by its address at the Path's sender, in both directions. */
static void add_hop(struct rsvp_message *message, const struct node_link *link, uint32_t lih, uint32_t interface)
{
    message->has |= RSVP_HAS_HOP;
    message->hop = (struct rsvp_hop) {
        .address = link->config.local, .lih = lih, .if_type = RSVP_IF_IPV4, .if_address = interface};
}

/* ---- objects that are passed on: RFC 2205 §3.10 ---- */

void lsp_unknown_free(struct lsp_unknown *unknown)
{
    for (unsigned u = 0; u < unknown->n; u++)
        free(unknown->objects[u].body);
    free(unknown->objects);
    *unknown = (struct lsp_unknown) {0};
}

void lsp_unknown_take(struct lsp_unknown *unknown, struct rsvp_message *message)
{
    lsp_unknown_free(unknown);
    if (message->n_unknown)
        unknown->objects = xmemdup(message->unknown, message->n_unknown * sizeof *unknown->objects);
    unknown->n = message->n_unknown;
    message->n_unknown = 0;
}

bool lsp_unknown_equal(const struct lsp_unknown *unknown, const struct rsvp_message *message)
{
    return rsvp_unknown_equal(unknown->objects, unknown->n, message->unknown, message->n_unknown);
}

static void add_unknown(struct rsvp_message *message, const struct lsp_unknown *unknown)
{
    message->n_unknown = unknown->n;
    for (unsigned u = 0; u < unknown->n; u++) {
        message->unknown[u] = unknown->objects[u];
        message->unknown[u].body = xmemdup(unknown->objects[u].body, unknown->objects[u].size);
    }
}

/* ---- messages ---- */

static void record_address(struct lsp_route *route, uint32_t address)
{
    lsp_route_add(route, (struct lsp_hop) {.type = HOP_IPV4, .address = address, .length = 32});
}

static void record_label(struct lsp_route *route, uint32_t label, bool upstream)
{
    lsp_route_add(route, (struct lsp_hop) {.type = HOP_LABEL, .label = label, .upstream = upstream});
}

static void record_client(const struct gmpls_node *node, struct lsp_route *route, const struct node_side *side)
{
    lsp_route_add(
        route, (struct lsp_hop) {.type = HOP_UNNUMBERED, .address = node->config.router_id, .interface = side->client});
    record_label(route, side->vlan, false);
}

/* RFC 3209 §4.4.3: a record that would become too long is left out. 'n' are to be added. */
static bool can_record(const struct gmpls_lsp *lsp, const struct lsp_route *rest, size_t n)
{
    return lsp->recording && rest->n + n <= LSP_HOPS_MAX;
}

static void record_rest(struct lsp_route *route, const struct lsp_route *rest)
{
    for (size_t h = 0; h < rest->n; h++)
        lsp_route_add(route, rest->hops[h]);
}

struct rsvp_message message_path(const struct gmpls_node *node, const struct gmpls_lsp *lsp)
{
    const struct node_link *link = &node->links[lsp->out.side.link];
    struct rsvp_message message = message_of(RSVP_PATH, lsp);
    struct next_hop next;

    message.has |= RSVP_HAS_LABEL_REQUEST | RSVP_HAS_ERO | RSVP_HAS_UPSTREAM_LABEL;
    /* Our handle of the interface: it comes back in Resv (RFC 2205 §3.1.2). */
    add_hop(&message, link, (uint32_t) lsp->out.side.link + 1, link->config.local);
    ero_next(node, &lsp->ero, lsp->ingress, &next, &message.ero);
    message.label_request = lsp->label_request;
    message.upstream_label = lsp->out.side.in_label;
    if (lsp->has_attribute) {
        message.has |= RSVP_HAS_ATTRIBUTE;
        message.attribute = lsp->attribute;
    }
    if (next.label) { /* RFC 3473 §5.1.1 */
        message.has |= RSVP_HAS_LABEL_SET;
        message.labels = xmemdup(&next.label, sizeof next.label);
        message.n_labels = 1;
    }
    if (lsp->admin_status) {
        message.has |= RSVP_HAS_ADMIN_STATUS;
        message.admin_status = lsp->admin_status;
    }
    if (lsp->notify_node) {
        message.has |= RSVP_HAS_NOTIFY_REQUEST;
        message.notify_node = lsp->notify_node;
    }
    if (can_record(lsp, &lsp->path_rro, 2)) { /* RFC 3209 §4.4.3: the newest on top, a label behind its address */
        message.has |= RSVP_HAS_RRO;
        record_address(&message.rro, link->config.local);
        record_label(&message.rro, lsp->out.side.in_label, true);
        if (lsp->ingress)
            record_client(node, &message.rro, &lsp->in.side);
        else
            record_rest(&message.rro, &lsp->path_rro);
    }
    add_unknown(&message, &lsp->path_unknown);
    return message;
}

struct rsvp_message message_resv(const struct gmpls_node *node, const struct gmpls_lsp *lsp)
{
    const struct node_link *link = &node->links[lsp->in.side.link];
    struct rsvp_message message = message_of(RSVP_RESV, lsp);

    message.has |= RSVP_HAS_STYLE | RSVP_HAS_LABEL;
    add_hop(&message, link, lsp->previous_lih, link->config.remote);
    message.style = lsp->style;
    message.label = lsp->in.side.in_label;
    if (lsp->resv_admin_status) {
        message.has |= RSVP_HAS_ADMIN_STATUS;
        message.admin_status = lsp->resv_admin_status;
    }
    if (lsp->resv_confirm) {
        message.has |= RSVP_HAS_RESV_CONFIRM;
        message.resv_confirm = lsp->resv_confirm;
    }
    if (can_record(lsp, &lsp->resv_rro, 3)) {
        message.has |= RSVP_HAS_RRO;
        record_address(&message.rro, link->config.local);
        record_label(&message.rro, lsp->in.side.in_label, false);
        record_label(&message.rro, lsp->in.side.out_label, true);
        if (end_is_link(&lsp->out))
            record_rest(&message.rro, &lsp->resv_rro);
        else
            record_client(node, &message.rro, &lsp->out.side);
    }
    add_unknown(&message, &lsp->resv_unknown);
    return message;
}

struct rsvp_message message_path_tear(const struct gmpls_node *node, const struct gmpls_lsp *lsp)
{
    const struct node_link *link = &node->links[lsp->out.side.link];
    struct rsvp_message message = message_of(RSVP_PATH_TEAR, lsp);

    add_hop(&message, link, (uint32_t) lsp->out.side.link + 1, link->config.local);
    return message;
}

struct rsvp_message message_path_err(const struct rsvp_session *session, const struct rsvp_sender *sender,
                                     const struct rsvp_tspec *tspec, const struct lsp_error *error)
{
    return (struct rsvp_message) {.type = RSVP_PATH_ERR,
                                  .has = RSVP_HAS_SESSION | RSVP_HAS_ERROR | RSVP_HAS_SENDER | RSVP_HAS_TSPEC,
                                  .session = *session,
                                  .sender = *sender,
                                  .tspec = *tspec,
                                  .error = *error};
}

struct rsvp_message message_resv_err(const struct gmpls_node *node, int link, const struct rsvp_message *resv,
                                     uint8_t code, uint16_t value)
{
    struct rsvp_message message = {.type = RSVP_RESV_ERR,
                                   .has = RSVP_HAS_SESSION | RSVP_HAS_ERROR | RSVP_HAS_STYLE | RSVP_HAS_SENDER |
                                          RSVP_HAS_TSPEC,
                                   .session = resv->session,
                                   .sender = resv->sender,
                                   .tspec = resv->tspec,
                                   .style = resv->has & RSVP_HAS_STYLE ? resv->style : RSVP_STYLE_FF,
                                   .error = {.node = node->config.router_id, .code = code, .value = value}};

    add_hop(&message, &node->links[link], resv->hop.lih, node->links[link].config.local);
    return message;
}

/* RFC 3473 §4.1: of labels that we would send. All but the reserved ones would do; the first of our own range are most
 * likely to be in the other's. */
void message_add_acceptable(struct rsvp_message *message, const struct node_link *link)
{
    uint32_t n = link->config.label_last - link->config.label_first + 1;

    message->n_labels = n < RSVP_LABELS_MAX ? n : RSVP_LABELS_MAX;
    message->labels = xcalloc(message->n_labels, sizeof *message->labels);
    for (size_t l = 0; l < message->n_labels; l++)
        message->labels[l] = link->config.label_first + (uint32_t) l;
    message->has |= RSVP_HAS_ACCEPTABLE_LABELS;
}
