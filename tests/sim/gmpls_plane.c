/* SPDX-License-Identifier: Apache-2.0 */
/* The data plane, and what must hold. After each happening, of the node that it concerned:
 *
 *   1. no label is in use twice on a link, no VLAN twice on a client port; the pools know of each
 *   2. what is reserved on a link is the sum of its LSPs, and not more than the link has
 *
 * When all is quiet and there were no faults for long:
 *
 *   3. both ends of a link carry the same LSPs with the same labels and bandwidth, and the switches have what nodes
 *      want
 *   4. an LSP that its ingress calls up takes a frame to the egress's client and back; what nobody asked for is not
 *      there
 *   5. every request was answered, once
 *
 *      Where no message was lost and no node crashed, all this holds after a moment: nothing is left to time out.
 *
 * And when all was removed:
 *
 *   6. no node has an LSP, label, VLAN, bandwidth or record, no switch a cross-connect */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "gmpls/node_internal.h"
#include "gmpls_world.h"

/* ---- switches ---- */

void plane_clear(struct net_node *node, uint32_t id)
{
    for (size_t x = 0; x < node->n_xcs; x++) {
        if (node->xcs[x].id == id) {
            node->xcs[x] = node->xcs[--node->n_xcs];
            return;
        }
    }
}

static bool takes_same(const struct node_side *a, const struct node_side *b)
{
    if (a->link != b->link)
        return false;
    return a->link != NODE_LINK_NONE ? a->in_label == b->in_label :
                                       a->client == b->client && a->vlan == b->vlan && a->vlan != CLIENT_VLAN_NONE;
}

/* As in a switch, a flow takes the place of one that matches the same frames: a leftover's. */
static void push_away(struct net_node *node, const struct node_xc *xc)
{
    for (size_t x = node->n_xcs; x-- > 0;) {
        const struct node_xc *old = &node->xcs[x];

        if (takes_same(&old->in, &xc->in) || takes_same(&old->in, &xc->out) || takes_same(&old->out, &xc->in) ||
            takes_same(&old->out, &xc->out))
            node->xcs[x] = node->xcs[--node->n_xcs];
    }
}

void plane_set(struct net_node *node, const struct node_xc *xc)
{
    plane_clear(node, xc->id);
    push_away(node, xc);
    node->xcs = array_reserve(node->xcs, node->n_xcs, &node->cap_xcs, sizeof *node->xcs);
    node->xcs[node->n_xcs++] = *xc;
}

static void set_again(void *arg, const struct node_xc *xc)
{
    plane_set(arg, xc);
}

void plane_read(struct net *net, struct net_node *node)
{
    AUTO_FREE struct node_xc *found = xcalloc(node->n_xcs + 1, sizeof *found);
    size_t n = 0;

    for (size_t x = 0; x < node->n_xcs; x++) {
        if (!lsp_find_id(node->node, node->xcs[x].id))
            found[n++] = node->xcs[x];
    }
    node_xc_each(node->node, set_again, node);
    node_switch_read(node->node, found, n, net_now(net));
}

void plane_repair(struct net_node *node)
{
    node->n_xcs = 0;
    node_xc_each(node->node, set_again, node);
}

static const struct node_xc *find_in(const struct net_node *node, int link, uint32_t label, bool *towards_in)
{
    for (size_t x = 0; x < node->n_xcs; x++) {
        const struct node_xc *xc = &node->xcs[x];

        *towards_in = xc->out.link == link && xc->out.in_label == label;
        if (*towards_in || (xc->in.link == link && xc->in.in_label == label))
            return xc;
    }
    return NULL;
}

/* A frame that leaves node 'n' at this side; null if it is lost, else where it ends and in which cross-connect. */
static const struct node_xc *walk(const struct net *net, uint32_t *n, const struct node_side *side, bool *at_in)
{
    for (unsigned hops = 0; hops < 300; hops++) {
        const struct net_cable *cable = &net->cables[net->nodes[*n].cables[side->link]];
        unsigned to = 1u - net->nodes[*n].ends[side->link];
        const struct node_xc *xc;
        bool towards_in;

        if (!cable->data_up)
            return NULL;
        *n = cable->nodes[to];
        xc = find_in(&net->nodes[*n], cable->links[to], side->out_label, &towards_in);
        if (!xc)
            return NULL;
        side = towards_in ? &xc->in : &xc->out;
        if (side->link == NODE_LINK_NONE) {
            *at_in = towards_in;
            return xc;
        }
    }
    return NULL;
}

bool plane_walk(const struct net *net, uint32_t ingress, const struct node_xc *xc)
{
    const struct net_node *node = &net->nodes[ingress];
    const struct node_xc *end, *start = NULL;
    uint32_t at = ingress;
    bool at_in = true;

    for (size_t x = 0; x < node->n_xcs; x++) {
        if (node->xcs[x].id == xc->id)
            start = &node->xcs[x];
    }
    if (!start || start->in.link != NODE_LINK_NONE)
        return false;
    end = walk(net, &at, &start->out, &at_in);
    if (!end || at_in || end->out.link != NODE_LINK_NONE)
        return false;
    return walk(net, &at, &end->in, &at_in) == start && at == ingress && at_in;
}

/* ---- of one node ---- */

static void check_port(struct net *net, uint32_t n, const struct node_port *port)
{
    for (const struct lsp_end *a = port->ends; a; a = a->next) {
        for (const struct lsp_end *b = a->next; b; b = b->next) {
            if (a->side.vlan == b->side.vlan && a->side.vlan != CLIENT_VLAN_NONE)
                net_break(net, "1: node %u: VLAN %u of client %u is used twice", n, a->side.vlan, port->config.id);
        }
    }
}

static void check_link(struct net *net, uint32_t n, const struct node_link *link)
{
    uint64_t sum = 0, reserved = 0;
    size_t labels = 0;

    for (const struct lsp_end *a = link->ends; a; a = a->next) {
        sum += a->lsp->tspec.rate_bps;
        labels++;
        if (label_is_free(&link->labels, a->side.in_label))
            net_break(net, "1: node %u: label %u on link %s is not from the pool", n, a->side.in_label,
                      link->config.name);
        for (const struct lsp_end *b = a->next; b; b = b->next) {
            if (a->side.in_label == b->side.in_label)
                net_break(net, "1: node %u: label %u on link %s is used twice", n, a->side.in_label, link->config.name);
        }
    }
    for (unsigned p = 0; p < TE_PRIORITIES; p++)
        reserved += link->reserved[p];
    if (sum != reserved || sum > link->config.bandwidth_bps)
        net_break(net, "2: node %u: link %s has %llu bit/s reserved, its LSPs %llu", n, link->config.name,
                  (unsigned long long) reserved, (unsigned long long) sum);
    if (labels != link->labels.n_used)
        net_break(net, "1: node %u: link %s has %zu labels taken, and %zu LSPs", n, link->config.name,
                  link->labels.n_used, labels);
}

void check_node(struct net *net, uint32_t n)
{
    const struct gmpls_node *node = net->nodes[n].node;

    for (size_t l = 0; l < node->n_links; l++)
        check_link(net, n, &node->links[l]);
    for (size_t p = 0; p < node->n_ports; p++)
        check_port(net, n, &node->ports[p]);
}

/* ---- when all is quiet ---- */

static const char *name_of(const struct gmpls_lsp *lsp)
{
    return lsp->attribute.name;
}

/* The end that is downstream of 'out', which leaves node 'n'. */
static void check_pair(struct net *net, uint32_t n, const struct lsp_end *out)
{
    const struct gmpls_lsp *lsp = out->lsp, *other;
    const struct net_node *node = &net->nodes[n];
    const struct net_cable *cable = &net->cables[node->cables[out->side.link]];
    unsigned to = 1u - node->ends[out->side.link];
    const struct net_node *next = &net->nodes[cable->nodes[to]];

    other = lsp_find(next->node, &lsp->session, &lsp->sender);
    if (!other || other->in.side.link != cable->links[to])
        net_break(net, "3: LSP %s leaves node %u (%s), node %u does not know it", name_of(lsp), n, sm_name(&lsp->sm),
                  cable->nodes[to]);
    else if (other->in.side.in_label != out->side.out_label || other->in.side.out_label != out->side.in_label)
        net_break(net, "3: LSP %s: labels %u, %u at node %u, %u, %u at node %u", name_of(lsp), out->side.out_label,
                  out->side.in_label, n, other->in.side.in_label, other->in.side.out_label, cable->nodes[to]);
    else if (other->tspec.rate_bps != lsp->tspec.rate_bps || other->holding != lsp->holding)
        net_break(net, "3: LSP %s: nodes %u and %u reserve differently", name_of(lsp), n, cable->nodes[to]);
}

static void check_upstream(struct net *net, uint32_t n, const struct lsp_end *in)
{
    const struct net_node *node = &net->nodes[n];
    const struct net_cable *cable = &net->cables[node->cables[in->side.link]];
    unsigned from = 1u - node->ends[in->side.link];
    const struct gmpls_lsp *other = lsp_find(net->nodes[cable->nodes[from]].node, &in->lsp->session, &in->lsp->sender);

    if (!other || other->out.side.link != cable->links[from])
        net_break(net, "3: LSP %s comes to node %u (%s), node %u does not know it", name_of(in->lsp), n,
                  sm_name(&in->lsp->sm), cable->nodes[from]);
}

static bool same_side(const struct node_side *a, const struct node_side *b)
{
    return a->link == b->link && a->in_label == b->in_label && a->out_label == b->out_label && a->client == b->client &&
           a->vlan == b->vlan;
}

static void check_switch(struct net *net, uint32_t n, const struct gmpls_lsp *lsp)
{
    const struct net_node *node = &net->nodes[n];

    for (size_t x = 0; x < node->n_xcs; x++) {
        if (node->xcs[x].id != lsp->id)
            continue;
        if (!same_side(&node->xcs[x].in, &lsp->in.side) || !same_side(&node->xcs[x].out, &lsp->out.side))
            net_break(net, "3: the switch of node %u has other labels for LSP %s than the node", n, name_of(lsp));
        return;
    }
    net_break(net, "3: the switch of node %u lacks LSP %s", n, name_of(lsp));
}

static void check_lsps(struct net *net, uint32_t n)
{
    const struct net_node *node = &net->nodes[n];

    for (struct hmap_node *at = hmap_next(&node->node->by_id, NULL); at; at = hmap_next(&node->node->by_id, at)) {
        const struct gmpls_lsp *lsp = OWNER_OF(at, struct gmpls_lsp, by_id);
        struct node_xc xc = lsp_xc(lsp);

        if (lsp_phase(lsp) != PHASE_ESTABLISHED)
            net_break(net, "4: LSP %s is %s at node %u", name_of(lsp), sm_name(&lsp->sm), n);
        if (end_is_link(&lsp->out))
            check_pair(net, n, &lsp->out);
        if (end_is_link(&lsp->in))
            check_upstream(net, n, &lsp->in);
        check_switch(net, n, lsp);
        if (lsp->ingress && !plane_walk(net, n, &xc))
            net_break(net, "4: LSP %s is up, but a frame does not come through and back", name_of(lsp));
    }
    if (node->n_xcs != node_usage(node->node).xcs || node->n_records != node_usage(node->node).lsps)
        net_break(net, "3: node %u has %zu LSPs, its switch %zu cross-connects, its disk %zu records", n,
                  node_usage(node->node).lsps, node->n_xcs, node->n_records);
}

static void check_asker(struct net *net, const struct net_lsp *lsp)
{
    const struct net_node *node = &net->nodes[lsp->ingress];
    const struct gmpls_lsp *known = lsp_find_name(node->node, lsp->name);

    if (lsp->answered > 1 || lsp->removals_answered > lsp->removals)
        net_break(net, "5: LSP %s: a request was answered twice", lsp->name);
    if (lsp->life == node->life && (lsp->answered != lsp->asked || lsp->removals_answered != lsp->removals))
        net_break(net, "5: LSP %s: %u initiates, %u answers; %u removals, %u answers", lsp->name, lsp->asked,
                  lsp->answered, lsp->removals, lsp->removals_answered);
    if (lsp->up && !lsp->gone && !known)
        net_break(net, "5: LSP %s was reported up, and is gone without a word", lsp->name);
    if (lsp->gone && known)
        net_break(net, "5: LSP %s was reported gone, and is there", lsp->name);
}

void check_quiet(struct net *net)
{
    for (uint32_t n = 0; n < net->n_nodes; n++) {
        check_node(net, n);
        check_lsps(net, n);
    }
    for (size_t l = 0; l < net->n_lsps; l++)
        check_asker(net, &net->lsps[l]);
}

void check_empty(struct net *net)
{
    for (uint32_t n = 0; n < net->n_nodes; n++) {
        struct net_node *node = &net->nodes[n];
        struct node_usage usage = node_usage(node->node);

        if (usage.lsps || usage.xcs || usage.labels || usage.vlans || usage.reserved_bps || node->n_xcs ||
            node->n_records)
            net_break(net,
                      "6: node %u is left with %zu LSPs, %zu labels, %zu VLANs, %llu bit/s, %zu cross-connects, %zu "
                      "records",
                      n, usage.lsps, usage.labels, usage.vlans, (unsigned long long) usage.reserved_bps, node->n_xcs,
                      node->n_records);
    }
}
