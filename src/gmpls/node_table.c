/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "gmpls/node_internal.h"

const struct sm_state lsp_phases[PHASES] = {
    [PHASE_SIGNALLED] = {"signalled", SM_TO(PHASE_RESERVED) | SM_TO(PHASE_GONE), false},
    [PHASE_RESERVED] = {"reserved",
                        SM_TO(PHASE_SIGNALLED) | SM_TO(PHASE_PROBED) | SM_TO(PHASE_ESTABLISHED) |
                            SM_TO(PHASE_DELETING) | SM_TO(PHASE_GONE),
                        false},
    [PHASE_PROBED] = {"probed", SM_TO(PHASE_ESTABLISHED) | SM_TO(PHASE_DELETING) | SM_TO(PHASE_GONE), false},
    [PHASE_ESTABLISHED] = {"established", SM_TO(PHASE_SIGNALLED) | SM_TO(PHASE_DELETING) | SM_TO(PHASE_GONE), false},
    [PHASE_RECOVERING] = {"recovering",
                          SM_TO(PHASE_SIGNALLED) | SM_TO(PHASE_ESTABLISHED) | SM_TO(PHASE_DELETING) | SM_TO(PHASE_GONE),
                          false},
    [PHASE_DELETING] = {"deleting", SM_TO(PHASE_GONE), false},
    [PHASE_GONE] = {"gone", 0, true},
};

void lsp_move(struct gmpls_lsp *lsp, enum lsp_phase phase)
{
    sm_move(&lsp->sm, phase);
}

/* ---- finding ---- */

static uint32_t hash_key(const struct rsvp_session *session, const struct rsvp_sender *sender)
{
    uint32_t hash = hash_add(0, session->destination);

    hash = hash_add(hash, session->extended_tunnel_id);
    hash = hash_add(hash, sender->source);
    return hash_add(hash, (uint32_t) session->tunnel_id << 16 | sender->lsp_id);
}

static uint32_t hash_name(const char *name)
{
    uint32_t hash = 0;

    for (; *name; name++)
        hash = hash_add(hash, (uint8_t) *name);
    return hash;
}

static bool key_equal(const struct gmpls_lsp *lsp, const struct rsvp_session *session, const struct rsvp_sender *sender)
{
    return lsp->session.destination == session->destination && lsp->session.tunnel_id == session->tunnel_id &&
           lsp->session.extended_tunnel_id == session->extended_tunnel_id && lsp->sender.source == sender->source &&
           lsp->sender.lsp_id == sender->lsp_id;
}

struct gmpls_lsp *lsp_find(const struct gmpls_node *node, const struct rsvp_session *session,
                           const struct rsvp_sender *sender)
{
    for (struct hmap_node *at = hmap_first(&node->by_key, hash_key(session, sender)); at; at = hmap_same(at)) {
        struct gmpls_lsp *lsp = OWNER_OF(at, struct gmpls_lsp, by_key);

        if (key_equal(lsp, session, sender))
            return lsp;
    }
    return NULL;
}

struct gmpls_lsp *lsp_find_id(const struct gmpls_node *node, uint32_t id)
{
    for (struct hmap_node *at = hmap_first(&node->by_id, hash_add(0, id)); at; at = hmap_same(at)) {
        struct gmpls_lsp *lsp = OWNER_OF(at, struct gmpls_lsp, by_id);

        if (lsp->id == id)
            return lsp;
    }
    return NULL;
}

struct gmpls_lsp *lsp_find_name(const struct gmpls_node *node, const char *name)
{
    for (struct hmap_node *at = hmap_first(&node->by_name, hash_name(name)); at; at = hmap_same(at)) {
        struct gmpls_lsp *lsp = OWNER_OF(at, struct lsp_ingress, by_name)->lsp;

        if (strcmp(lsp->attribute.name, name) == 0)
            return lsp;
    }
    return NULL;
}

static uint32_t new_id(struct gmpls_node *node)
{
    do {
        node->next_id++;
    } while (node->next_id == 0 || lsp_find_id(node, node->next_id) || found_has(node, node->next_id));
    return node->next_id;
}

struct gmpls_lsp *lsp_new(struct gmpls_node *node, const struct rsvp_session *session, const struct rsvp_sender *sender,
                          uint32_t id)
{
    struct gmpls_lsp *lsp = xcalloc(1, sizeof *lsp);

    lsp->sm = (struct sm) {lsp_phases, PHASES, PHASE_SIGNALLED};
    lsp->id = id ? id : new_id(node);
    lsp->session = *session;
    lsp->sender = *sender;
    lsp->in.lsp = lsp->out.lsp = lsp;
    lsp->in.side.link = lsp->out.side.link = NODE_LINK_NONE;
    lsp->style = RSVP_STYLE_FF;
    hmap_insert(&node->by_key, &lsp->by_key, hash_key(session, sender));
    hmap_insert(&node->by_id, &lsp->by_id, hash_add(0, lsp->id));
    node->usage.lsps++;
    return lsp;
}

void lsp_make_ingress(struct gmpls_node *node, struct gmpls_lsp *lsp)
{
    lsp->ingress = xcalloc(1, sizeof *lsp->ingress);
    lsp->ingress->lsp = lsp;
    lsp->ingress->deadline = lsp->ingress->probe_at = MONO_NEVER;
    hmap_insert(&node->by_name, &lsp->ingress->by_name, hash_name(lsp->attribute.name));
}

void lsp_free(struct gmpls_node *node, struct gmpls_lsp *lsp)
{
    hmap_remove(&node->by_key, &lsp->by_key);
    hmap_remove(&node->by_id, &lsp->by_id);
    if (lsp->ingress) {
        hmap_remove(&node->by_name, &lsp->ingress->by_name);
        timers_cancel(&node->timers, &lsp->ingress->timer);
        free(lsp->ingress);
    }
    lsp_unknown_free(&lsp->path_unknown);
    lsp_unknown_free(&lsp->resv_unknown);
    lsp_route_free(&lsp->ero);
    lsp_route_free(&lsp->path_rro);
    lsp_route_free(&lsp->resv_rro);
    free(lsp);
    node->usage.lsps--;
}

void lsp_timer(struct gmpls_node *node, struct gmpls_lsp *lsp)
{
    struct mono due = mono_min(lsp->ingress->deadline, lsp->ingress->probe_at);

    if (due.ms == MONO_NEVER.ms)
        timers_cancel(&node->timers, &lsp->ingress->timer);
    else
        timers_set(&node->timers, &lsp->ingress->timer, due);
}

void lsp_each(struct gmpls_node *node, lsp_fn *fn, void *arg)
{
    struct hmap_node *at = hmap_next(&node->by_id, NULL), *next;

    for (; at; at = next) {
        next = hmap_next(&node->by_id, at);
        fn(node, OWNER_OF(at, struct gmpls_lsp, by_id), arg);
    }
}

/* ---- the LSPs of a link or client ---- */

struct node_port *node_port(const struct gmpls_node *node, uint32_t client)
{
    for (size_t p = 0; p < node->n_ports; p++) {
        if (node->ports[p].config.id == client)
            return &node->ports[p];
    }
    return NULL;
}

static struct lsp_end **list_of(struct gmpls_node *node, const struct lsp_end *end)
{
    return end_is_link(end) ? &node->links[end->side.link].ends : &node_port(node, end->side.client)->ends;
}

void end_list(struct gmpls_node *node, struct lsp_end *end)
{
    struct lsp_end **head = list_of(node, end);

    end->previous = NULL;
    end->next = *head;
    if (*head)
        (*head)->previous = end;
    *head = end;
    end->listed = true;
}

void end_unlist(struct gmpls_node *node, struct lsp_end *end)
{
    if (!end->listed)
        return;
    if (end->previous)
        end->previous->next = end->next;
    else
        *list_of(node, end) = end->next;
    if (end->next)
        end->next->previous = end->previous;
    end->listed = false;
}
