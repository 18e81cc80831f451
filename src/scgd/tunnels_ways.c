/* SPDX-License-Identifier: Apache-2.0 */
/* What switches hold of the ways of tunnels, and how that is changed node by node. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "scgd/network_internal.h"
#include "scgd/tunnels_internal.h"

/* ---- a way's flows ---- */

/* "from>to" */
static void way_name(const struct tunnel *tunnel, unsigned w, char name[TUNNEL_NAME_SIZE])
{
    snprintf(name, TUNNEL_NAME_SIZE, "%s>%s", tunnel->ends[w], tunnel->ends[1 - w]);
}

static uint64_t way_cookie(const struct tunnel *tunnel, unsigned w)
{
    char name[TUNNEL_NAME_SIZE];

    way_name(tunnel, w, name);
    return cookie_of_name(COOKIE_TUNNEL, name);
}

/* What a switch holds of the way: in place of what it held, or nothing. */
static void add_way(struct gateway *gateway, const struct tunnel *tunnel, unsigned w, const char *switch_name,
                    struct flow_txn *txn)
{
    const struct tunnel_path *path = &tunnel->path;
    int at = tunnel_path_index(path, switch_name), last = (int) path->n - 1;
    uint64_t cookie = way_cookie(tunnel, w);
    const uint32_t *labels = tunnel->ways[w].labels;
    int step = w == 0 ? 1 : -1;
    uint32_t end;

    if (at < 0) {
        vpls_tunnel_remove(txn, cookie);
        return;
    }
    uint32_t out_port = w == 0 ? path->nodes[at].out_port : path->nodes[at].in_port;
    if (at == (w == 0 ? last : 0))
        vpls_tunnel_tail(txn, cookie, labels[at]);
    else if (at != (w == 0 ? 0 : last))
        vpls_tunnel_transit(txn, cookie, labels[at], labels[at + step], out_port);
    else if (store_number_get(gateway->store, "end", tunnel->ends[1 - w], &end, NULL) == 0)
        vpls_tunnel_head(txn, cookie, end, labels[at + step], out_port);
}

void tunnels_fill(struct gateway *gateway, const struct switch_info *sw, struct flow_txn *txn)
{
    flow_txn_delete_cookie(txn, FLOW_TABLE_ALL, cookie_make(COOKIE_TUNNEL, 0), COOKIE_KIND_MASK);
    for (size_t i = 0; i < gateway->tunnels.n_tunnels; i++) {
        const struct tunnel *tunnel = gateway->tunnels.tunnels[i];

        for (unsigned w = 0; w < 2 && tunnel_path_index(&tunnel->path, sw->name) >= 0; w++)
            add_way(gateway, tunnel, w, sw->name, txn);
    }
}

/* ---- changing a way ---- */

static void advance(struct gateway *gateway, struct tunnel *tunnel, unsigned w);

struct way_change {
    char ends[2][NAME_SIZE], switch_name[NAME_SIZE];
    unsigned way;
    uint64_t number;
};

static void way_changed(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    AUTO_FREE struct way_change *change = context;
    struct tunnel *tunnel = tunnel_find(gateway, change->ends[0], change->ends[1]);

    if (event->err.code) {
        join_fail(join, &event->err);
        if (tunnel)
            tunnels_fail_tunnel(gateway, tunnel, &event->err);
        return;
    }
    if (!tunnel)
        return;
    holders_confirm(&tunnel->ways[change->way].holders, change->switch_name, change->number);
    if (tunnel->ways[change->way].holders.changed == change->number)
        advance(gateway, tunnel, change->way);
    tunnels_settle(gateway);
}

/* Returns whether the rest has to wait for this one. */
static bool change_holder(struct gateway *gateway, struct tunnel *tunnel, unsigned w, const char *switch_name)
{
    struct holders *holders = &tunnel->ways[w].holders;
    struct holder *holder = holders_find(holders, switch_name);
    const struct switch_info *sw = inventory_switch(&gateway->inventory, switch_name);

    if (!holder || holder->confirmed >= holders->changed || !sw || !sw->up)
        return false;
    if (holder->sent >= holders->changed)
        return true;

    struct way_change *change = xcalloc(1, sizeof *change);
    struct join *join = network_background_join();
    struct flow_txn txn = {0};

    memcpy(change->ends, tunnel->ends, sizeof change->ends);
    memcpy(change->switch_name, sw->name, NAME_SIZE);
    change->way = w;
    change->number = holder->sent = holders->changed;
    add_way(gateway, tunnel, w, sw->name, &txn);
    uint64_t request = gateway_request(gateway, join, way_changed, change);
    network_send(gateway, request, sw->name, &txn);
    join_close(gateway, join);
    return true;
}

/* The place of the k-th node of a way, counted from its tail. */
static unsigned from_tail(const struct tunnel *tunnel, unsigned w, unsigned k)
{
    return w == 0 ? tunnel->path.n - 1 - k : k;
}

/* The next node that has not confirmed: of the path from tail to head, then where the way leads no more, its former
 * head first. What a switch that is away lacks, or has too much, it gets when it is back. */
static void advance(struct gateway *gateway, struct tunnel *tunnel, unsigned w)
{
    struct holders *holders = &tunnel->ways[w].holders;

    for (unsigned k = 0; k < tunnel->path.n; k++) {
        if (change_holder(gateway, tunnel, w, tunnel->path.nodes[from_tail(tunnel, w, k)].name))
            return;
    }
    if (tunnel->path.n == 0 && change_holder(gateway, tunnel, w, tunnel->ends[w]))
        return;
    for (size_t i = 0; i < holders->n; i++) {
        if (change_holder(gateway, tunnel, w, holders->list[i].name))
            return;
    }
}

void tunnel_send(struct gateway *gateway, struct tunnel *tunnel)
{
    advance(gateway, tunnel, 0);
    advance(gateway, tunnel, 1);
}

/* ---- whole switches ---- */

struct whole {
    char switch_name[NAME_SIZE];
    uint64_t number;
    bool in_parts; /* it can be sent again in parts: a refusal is not the end */
};

/* Of either way: a switch that the tunnel leads through no more may be done with one before the other. */
static bool holds(const struct tunnel *tunnel, const char *switch_name)
{
    return holders_find(&tunnel->ways[0].holders, switch_name) || holders_find(&tunnel->ways[1].holders, switch_name);
}

static void whole_confirmed(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    AUTO_FREE struct whole *whole = context;
    struct tunnels *tunnels = &gateway->tunnels;

    if (event->err.code) {
        join_fail(join, &event->err);
        if (whole->in_parts && network_parts_follow(gateway, whole->switch_name, &event->err))
            return;
        for (size_t i = 0; i < tunnels->n_tunnels; i++) {
            if (holds(tunnels->tunnels[i], whole->switch_name))
                tunnels_fail_tunnel(gateway, tunnels->tunnels[i], &event->err);
        }
        for (unsigned i = 0; i < gateway->config->segments_count; i++) {
            if (holders_find(&tunnels->segments[i].holders, whole->switch_name))
                tunnels_fail_segment(gateway, gateway->config->segments[i].name, whole->switch_name, &event->err);
        }
        return;
    }
    for (size_t i = 0; i < tunnels->n_tunnels; i++) {
        for (unsigned w = 0; w < 2; w++)
            holders_confirm(&tunnels->tunnels[i]->ways[w].holders, whole->switch_name, whole->number);
    }
    for (unsigned i = 0; i < gateway->config->segments_count; i++)
        holders_confirm(&tunnels->segments[i].holders, whole->switch_name, whole->number);
    for (size_t i = 0; i < tunnels->n_tunnels; i++)
        tunnel_send(gateway, tunnels->tunnels[i]);
    tunnels_settle(gateway);
}

static void mark_sent(struct holders *holders, const char *switch_name, uint64_t number)
{
    struct holder *holder = holders_find(holders, switch_name);

    if (holder)
        holder->sent = number;
}

void tunnels_apply_whole(struct gateway *gateway, const struct switch_info *sw, bool in_parts, struct flow_txn *txn,
                         struct join *join)
{
    struct tunnels *tunnels = &gateway->tunnels;
    struct whole *whole = xcalloc(1, sizeof *whole);

    memcpy(whole->switch_name, sw->name, NAME_SIZE);
    whole->number = tunnels->last_change;
    whole->in_parts = in_parts;
    for (size_t i = 0; i < tunnels->n_tunnels; i++) {
        for (unsigned w = 0; w < 2; w++)
            mark_sent(&tunnels->tunnels[i]->ways[w].holders, sw->name, whole->number);
    }
    for (unsigned i = 0; i < gateway->config->segments_count; i++)
        mark_sent(&tunnels->segments[i].holders, sw->name, whole->number);
    uint64_t request = gateway_request(gateway, join, whole_confirmed, whole);
    network_send(gateway, request, sw->name, txn);
}
