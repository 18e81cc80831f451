/* SPDX-License-Identifier: Apache-2.0 */
/* Which tunnels there are to be, their paths and labels. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/network_internal.h"
#include "scgd/tunnels_internal.h"

bool tunnels_used(const struct gateway *gateway)
{
    return gateway->config->mode == MODE_VPLS;
}

static char *way_owner(const struct tunnel *tunnel, unsigned w)
{
    return xasprintf("tunnel %s>%s", tunnel->ends[w], tunnel->ends[1 - w]);
}

/* ---- the list ---- */

bool tunnels_is_pe(const struct gateway *gateway, const char *switch_name)
{
    const struct config_edge *edge = network_edge_config(gateway, EDGE_IP);

    return edge && strcmp(edge->switch_name, switch_name) == 0;
}

void tunnel_order(const struct gateway *gateway, const char *one, const char *other, char ends[2][NAME_SIZE])
{
    bool first = tunnels_is_pe(gateway, one) || (!tunnels_is_pe(gateway, other) && strcmp(one, other) < 0);

    snprintf(ends[0], NAME_SIZE, "%s", first ? one : other);
    snprintf(ends[1], NAME_SIZE, "%s", first ? other : one);
}

static int compare_ends(char a[2][NAME_SIZE], char b[2][NAME_SIZE])
{
    int order = strcmp(a[0], b[0]);

    return order ? order : strcmp(a[1], b[1]);
}

/* The place of the tunnel with these ends, or where it belongs. */
static size_t place_of(const struct tunnels *tunnels, char ends[2][NAME_SIZE])
{
    size_t low = 0, high = tunnels->n_tunnels;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (compare_ends(tunnels->tunnels[middle]->ends, ends) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct tunnel *tunnel_find(const struct gateway *gateway, const char *one, const char *other)
{
    const struct tunnels *tunnels = &gateway->tunnels;
    char ends[2][NAME_SIZE];
    size_t i;

    tunnel_order(gateway, one, other, ends);
    i = place_of(tunnels, ends);
    return i < tunnels->n_tunnels && compare_ends(tunnels->tunnels[i]->ends, ends) == 0 ? tunnels->tunnels[i] : NULL;
}

struct tunnel *tunnel_add(struct gateway *gateway, const char *one, const char *other)
{
    struct tunnels *tunnels = &gateway->tunnels;
    struct tunnel *tunnel = xcalloc(1, sizeof *tunnel);
    size_t i;

    tunnel_order(gateway, one, other, tunnel->ends);
    i = place_of(tunnels, tunnel->ends);
    tunnels->tunnels = array_reserve(tunnels->tunnels, tunnels->n_tunnels, &tunnels->cap_tunnels,
                                     sizeof *tunnels->tunnels);
    memmove(&tunnels->tunnels[i + 1], &tunnels->tunnels[i], (tunnels->n_tunnels++ - i) * sizeof *tunnels->tunnels);
    tunnels->tunnels[i] = tunnel;
    return tunnel;
}

static void tunnel_free(struct tunnel *tunnel)
{
    free(tunnel->ways[0].holders.list);
    free(tunnel->ways[1].holders.list);
    free(tunnel);
}

void tunnels_free(struct gateway *gateway)
{
    struct tunnels *tunnels = &gateway->tunnels;

    for (size_t i = 0; i < tunnels->n_tunnels; i++)
        tunnel_free(tunnels->tunnels[i]);
    for (unsigned i = 0; tunnels->segments && i < gateway->config->segments_count; i++) {
        free(tunnels->segments[i].text);
        free(tunnels->segments[i].holders.list);
    }
    for (size_t i = 0; i < tunnels->n_waiters; i++)
        join_drop(tunnels->waiters[i].join);
    free(tunnels->tunnels);
    free(tunnels->segments);
    free(tunnels->waiters);
    free(tunnels->ports);
}

/* ---- what has become free ---- */

int tunnels_free_ends(struct gateway *gateway, const char *switch_name, struct err *err)
{
    const struct tunnels *tunnels = &gateway->tunnels;

    for (size_t i = 0; i < tunnels->n_tunnels; i++) {
        if (strcmp(tunnels->tunnels[i]->ends[0], switch_name) == 0 ||
            strcmp(tunnels->tunnels[i]->ends[1], switch_name) == 0)
            return 0;
    }
    for (unsigned i = 0; i < gateway->config->segments_count; i++) {
        if (holders_find(&tunnels->segments[i].holders, switch_name))
            return 0;
    }
    return store_number_free(gateway->store, "end", switch_name, err);
}

/* Frees the labels of nodes that the way leads through no more, once nobody holds a flow with them. Returns whether
 * there were any. */
static int free_labels(struct gateway *gateway, struct tunnel *tunnel, unsigned w, bool *ret_any, struct err *err)
{
    AUTO_FREE char *owner = way_owner(tunnel, w);
    struct holders *holders = &tunnel->ways[w].holders;
    int status = 0;

    for (size_t i = holders->n; holders_confirmed(holders) && i-- > 0 && status == 0;) {
        char pool[LABEL_POOL_SIZE], name[NAME_SIZE];

        memcpy(name, holders->list[i].name, NAME_SIZE);
        if (tunnel_path_index(&tunnel->path, name) >= 0)
            continue;
        label_pool(name, pool);
        status = store_number_free(gateway->store, pool, owner, err);
        holders_remove(holders, name);
        *ret_any = true;
    }
    return status;
}

static bool gone(const struct tunnel *tunnel)
{
    return !tunnel->wanted && tunnel->ways[0].holders.n + tunnel->ways[1].holders.n == 0;
}

static int settle_tunnel(struct gateway *gateway, struct tunnel *tunnel, struct err *err)
{
    bool any = false;
    int status = free_labels(gateway, tunnel, 0, &any, err);

    if (status == 0)
        status = free_labels(gateway, tunnel, 1, &any, err);
    return status == 0 && any ? tunnel_store(gateway, tunnel, err) : status;
}

static void drop(struct gateway *gateway, size_t i)
{
    struct tunnels *tunnels = &gateway->tunnels;
    struct tunnel *tunnel = tunnels->tunnels[i];
    struct err err = {0};

    memmove(&tunnels->tunnels[i], &tunnels->tunnels[i + 1], (--tunnels->n_tunnels - i) * sizeof *tunnels->tunnels);
    for (unsigned e = 0; e < 2; e++) {
        if (tunnels_free_ends(gateway, tunnel->ends[e], &err) < 0)
            log_error(FAULT_OURS, tunnel->ends[e], "%s", err.text);
    }
    tunnel_free(tunnel);
}

void tunnels_settle(struct gateway *gateway)
{
    struct tunnels *tunnels = &gateway->tunnels;
    struct err err = {0};

    for (size_t i = tunnels->n_tunnels; i-- > 0;) {
        struct tunnel *tunnel = tunnels->tunnels[i];

        if (settle_tunnel(gateway, tunnel, &err) < 0)
            log_error(FAULT_OURS, tunnel->ends[1], "%s", err.text);
        if (gone(tunnel))
            drop(gateway, i);
    }
    segments_settle(gateway);
    tunnels_check_waiters(gateway);
}

/* ---- planning ---- */

static void want(struct gateway *gateway)
{
    struct tunnels *tunnels = &gateway->tunnels;

    for (size_t i = 0; i < tunnels->n_tunnels; i++)
        tunnels->tunnels[i]->wanted = false;
    for (unsigned s = 0; s < gateway->config->segments_count; s++) {
        const struct vpls_ends *ends = &tunnels->segments[s];

        for (unsigned i = 0; i < ends->n; i++) {
            for (unsigned j = i + 1; j < ends->n; j++) {
                struct tunnel *tunnel = tunnel_find(gateway, ends->ends[i].name, ends->ends[j].name);

                if (!tunnel)
                    tunnel = tunnel_add(gateway, ends->ends[i].name, ends->ends[j].name);
                tunnel->wanted = true;
            }
        }
    }
}

int tunnel_take_labels(struct gateway *gateway, const struct tunnel *tunnel, const struct tunnel_path *path,
                       uint32_t labels[2][TUNNEL_NODES_MAX], struct err *err)
{
    for (unsigned w = 0; w < 2; w++) {
        AUTO_FREE char *owner = way_owner(tunnel, w);
        unsigned head = w == 0 ? 0 : path->n - 1;

        for (unsigned i = 0; i < path->n; i++) {
            labels[w][i] = 0;
            if (i != head && label_take(gateway, path->nodes[i].name, owner, &labels[w][i], err) < 0)
                return err->code;
        }
    }
    return 0;
}

int tunnel_load_labels(struct gateway *gateway, struct tunnel *tunnel, struct err *err)
{
    uint32_t labels[2][TUNNEL_NODES_MAX];
    int status = tunnel->path.n ? tunnel_take_labels(gateway, tunnel, &tunnel->path, labels, err) : 0;

    for (unsigned w = 0; w < 2 && status == 0 && tunnel->path.n; w++)
        memcpy(tunnel->ways[w].labels, labels[w], sizeof labels[w]);
    return status;
}

static void begin(struct gateway *gateway, struct tunnel *tunnel)
{
    for (unsigned w = 0; w < 2; w++) {
        for (unsigned i = 0; i < tunnel->path.n; i++)
            holders_add(&tunnel->ways[w].holders, tunnel->path.nodes[i].name);
        tunnel->ways[w].holders.changed = ++gateway->tunnels.last_change;
    }
}

/* Gives the tunnel its path, in the store first; it is left as it was on failure. */
static int set_path(struct gateway *gateway, struct tunnel *tunnel, const struct tunnel_path *path, struct err *err)
{
    struct tunnel_path old = tunnel->path;
    uint32_t labels[2][TUNNEL_NODES_MAX];
    int status = store_begin(gateway->store, err);

    if (status)
        return status;
    status = tunnel_take_labels(gateway, tunnel, path, labels, err);
    if (status) {
        store_rollback(gateway->store);
        return status;
    }
    tunnel->path = *path;
    begin(gateway, tunnel);
    tunnel_store(gateway, tunnel, err);
    status = store_commit(gateway->store, err); /* fails if anything before it did */
    if (status) {
        tunnel->path = old;
        return status;
    }
    for (unsigned w = 0; w < 2; w++)
        memcpy(tunnel->ways[w].labels, labels[w], sizeof labels[w]);
    return 0;
}

static char *path_text(const struct tunnel_path *path)
{
    char *text = xstrdup(path->nodes[0].name);

    for (unsigned i = 1; i < path->n; i++) {
        char *longer = xasprintf("%s %s", text, path->nodes[i].name);

        free(text);
        text = longer;
    }
    return text;
}

static bool same_path(const struct tunnel_path *a, const struct tunnel_path *b)
{
    bool same = a->n == b->n;

    for (unsigned i = 0; i < a->n && same; i++)
        same = a->nodes[i].in_port == b->nodes[i].in_port && a->nodes[i].out_port == b->nodes[i].out_port &&
               strcmp(a->nodes[i].name, b->nodes[i].name) == 0;
    return same;
}

static void choose_path(struct gateway *gateway, struct tunnel *tunnel)
{
    struct tunnel_path path;
    struct err err = {0};
    bool stands = tunnel_path_stands(gateway, &tunnel->path);
    int status = tunnel_choose_path(gateway, tunnel, 0, &path, &err);

    if (status == 0 && stands && same_path(&path, &tunnel->path)) {
        if (tunnel->err.code)
            log_info(tunnel->ends[1], "tunnel has its path again");
        tunnel->err = err;
        return;
    }
    if (status == 0 && set_path(gateway, tunnel, &path, &err) == 0) {
        AUTO_FREE char *nodes = path_text(&tunnel->path);

        log_info(tunnel->ends[1], "tunnel takes the path %s", nodes);
    } else if (stands) {
        err = (struct err) {0};                           /* no labels for a wider one */
    } else if (strcmp(err.text, tunnel->err.text) != 0) { /* once, not at every event */
        log_warn(FAULT_PEER, tunnel->ends[1], "no tunnel: %s", err.text);
    }
    tunnel->err = err;
}

static void plan_tunnel(struct gateway *gateway, struct tunnel *tunnel)
{
    if (!tunnel->wanted) {
        bool stood = tunnel->path.n > 0;

        tunnel->path.n = 0;
        tunnel->err = tunnel->narrow = (struct err) {0};
        if (stood)
            begin(gateway, tunnel);
        return;
    }
    choose_path(gateway, tunnel);
    tunnel_judge_mtu(gateway, tunnel);
}

void tunnels_plan(struct gateway *gateway)
{
    if (!tunnels_used(gateway))
        return;
    segments_plan(gateway);
    if (!gateway->ready)
        return;
    want(gateway);
    tunnels_measure(gateway);
    for (size_t i = 0; i < gateway->tunnels.n_tunnels; i++)
        plan_tunnel(gateway, gateway->tunnels.tunnels[i]);
}

void tunnels_update(struct gateway *gateway)
{
    struct tunnels *tunnels = &gateway->tunnels;

    tunnels_plan(gateway);
    if (!tunnels_used(gateway) || !gateway->ready)
        return;
    for (size_t i = 0; i < tunnels->n_tunnels; i++)
        tunnel_send(gateway, tunnels->tunnels[i]);
    segments_send(gateway);
    tunnels_settle(gateway);
}

bool tunnels_seen(const struct gateway *gateway)
{
    const struct config_edge *pe = network_edge_config(gateway, EDGE_IP);
    struct tunnel_path path;
    uint32_t port;

    for (unsigned i = 0; tunnels_used(gateway) && pe && i < gateway->config->servers_count; i++) {
        const struct switch_info *tor = network_tor(gateway, gateway->config->servers[i].name, &port, NULL);

        if (!tor || tunnel_find_path(gateway, pe->switch_name, tor->name, 0, &path, NULL) < 0)
            return false;
    }
    for (size_t i = 0; i < gateway->tunnels.n_tunnels; i++) {
        if (!tunnel_path_judged(gateway, &gateway->tunnels.tunnels[i]->path))
            return false;
    }
    return true;
}
