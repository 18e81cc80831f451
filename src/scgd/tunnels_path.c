/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of tunnels through the links that LLDP has shown: core/path over a TED whose routers are the data center's
 * switches and whose interfaces are their ports. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "core/path.h"
#include "scgd/tunnels_internal.h"

/* ---- links ---- */

static bool port_up(const struct gateway *gateway, const char *switch_name, uint32_t number)
{
    const struct switch_port *port = switch_port_by_number(inventory_switch(&gateway->inventory, switch_name), number);

    return port && port->up;
}

static bool link_shown(const struct gateway *gateway, const char *from, uint32_t from_port, const char *to,
                       uint32_t to_port)
{
    for (size_t i = 0; i < gateway->inventory.n_links; i++) {
        const struct link *link = &gateway->inventory.links[i];

        if (link->from_port == from_port && link->to_port == to_port && strcmp(link->from_switch, from) == 0 &&
            strcmp(link->to_switch, to) == 0)
            return port_up(gateway, from, from_port) && port_up(gateway, to, to_port);
    }
    return false;
}

bool tunnel_path_stands(const struct gateway *gateway, const struct tunnel_path *path)
{
    for (unsigned i = 0; i + 1 < path->n; i++) {
        const struct tunnel_node *node = &path->nodes[i], *next = &path->nodes[i + 1];
        const struct switch_info *sw = inventory_switch(&gateway->inventory, node->name);

        if (!link_shown(gateway, node->name, node->out_port, next->name, next->in_port) ||
            !link_shown(gateway, next->name, next->in_port, node->name, node->out_port) || (i > 0 && !sw->up))
            return false;
    }
    return path->n > 0;
}

bool tunnel_path_judged(const struct gateway *gateway, const struct tunnel_path *path)
{
    for (unsigned i = 0; i < path->n; i++) {
        const struct tunnel_node *node = &path->nodes[i];
        const struct switch_info *sw = inventory_switch(&gateway->inventory, node->name);
        const struct switch_port *in = switch_port_by_number(sw, node->in_port),
                                 *out = switch_port_by_number(sw, node->out_port);

        if (sw && ((node->in_port && !(in && in->up)) || (node->out_port && !(out && out->up))))
            return true;
    }
    return path->n == 0 || tunnel_path_stands(gateway, path);
}

static uint32_t metric_of(const struct config_vpls *vpls, const struct link *link)
{
    for (unsigned i = 0; vpls && i < vpls->metrics_count; i++) {
        const struct config_link_metric *m = &vpls->metrics[i];

        if ((strcmp(m->from, link->from_switch) == 0 && strcmp(m->to, link->to_switch) == 0) ||
            (strcmp(m->from, link->to_switch) == 0 && strcmp(m->to, link->from_switch) == 0))
            return m->metric;
    }
    return 1;
}

/* ---- the TED ---- */

/* Router ids are places in the list of switches by name, from 1, so that equal paths are told apart by names, however
 * the switches came. */
struct routers {
    const struct switch_info **switches;
    size_t n;
};

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct switch_info *const *) a)->name, (*(const struct switch_info *const *) b)->name);
}

static struct routers routers_of(const struct inventory *inventory)
{
    struct routers routers = {xcalloc(inventory->n_switches, sizeof *routers.switches), inventory->n_switches};

    for (size_t i = 0; i < routers.n; i++)
        routers.switches[i] = &inventory->switches[i];
    qsort(routers.switches, routers.n, sizeof *routers.switches, by_name);
    return routers;
}

/* 0: no such switch. */
static uint32_t router_id(const struct routers *routers, const char *name)
{
    for (size_t i = 0; i < routers->n; i++) {
        if (strcmp(routers->switches[i]->name, name) == 0)
            return (uint32_t) i + 1;
    }
    return 0;
}

static bool port_fits(const struct gateway *gateway, const char *switch_name, uint32_t number, uint32_t mtu)
{
    const struct switch_port *port = switch_port_by_number(inventory_switch(&gateway->inventory, switch_name), number);

    return port && port->up && (!port->mtu || port->mtu >= mtu);
}

/* With links that are up and have that MTU. */
static void fill_graph(const struct gateway *gateway, const struct routers *routers, uint32_t mtu,
                       struct path_graph *graph)
{
    for (size_t i = 0; i < gateway->inventory.n_links; i++) {
        const struct link *link = &gateway->inventory.links[i];
        uint32_t from = router_id(routers, link->from_switch), to = router_id(routers, link->to_switch);

        if (!from || !to || from == to || !port_fits(gateway, link->from_switch, link->from_port, mtu) ||
            !port_fits(gateway, link->to_switch, link->to_port, mtu))
            continue;
        path_graph_set(graph, &(struct te_link) {.key = {.from = from, .local_id = link->from_port},
                                                 .to = to,
                                                 .remote_id = link->to_port,
                                                 .metric = metric_of(gateway->config->vpls, link),
                                                 .delay_us = TE_DELAY_NONE});
    }
}

/* ---- where it is cut ---- */

static bool joined(const struct gateway *gateway, const char *a, const char *b)
{
    for (size_t i = 0; i < gateway->inventory.n_links; i++) {
        const struct link *link = &gateway->inventory.links[i];

        if (strcmp(link->from_switch, a) == 0 && strcmp(link->to_switch, b) == 0 &&
            link_shown(gateway, a, link->from_port, b, link->to_port) &&
            link_shown(gateway, b, link->to_port, a, link->from_port))
            return true;
    }
    return false;
}

/* Marks what can be reached from router 'from'. A switch that is away forwards, but takes no tunnel. */
static void reach(const struct gateway *gateway, const struct routers *routers, size_t from, bool *reached)
{
    reached[from] = true;
    for (size_t i = 0; i < routers->n; i++) {
        if (!reached[i] && routers->switches[i]->up &&
            joined(gateway, routers->switches[from]->name, routers->switches[i]->name))
            reach(gateway, routers, i, reached);
    }
}

static void list_switches(const struct routers *routers, const bool *reached, bool which, const char *but,
                          struct strbuf *text)
{
    const char *separator = "";

    for (size_t i = 0; i < routers->n; i++) {
        if (reached[i] != which || strcmp(routers->switches[i]->name, but) == 0)
            continue;
        strbuf_printf(text, "%s%s%s", separator, routers->switches[i]->name,
                      routers->switches[i]->up ? "" : " (not connected to this gateway)");
        separator = ", ";
    }
}

static int tell_cut(const struct gateway *gateway, const struct routers *routers, const char *from, const char *to,
                    struct err *err)
{
    AUTO_FREE bool *reached = xcalloc(routers->n, sizeof *reached);
    AUTO_STRBUF struct strbuf near = {0}, far = {0};

    reach(gateway, routers, router_id(routers, from) - 1, reached);
    list_switches(routers, reached, true, from, &near);
    strbuf_puts(&near, near.length ? ", but not" : "no other switch: not");
    list_switches(routers, reached, false, from, &far);
    return err_set(err, ERR_UNREACHABLE,
                   "the fabric of data center %s is cut between %s and %s: %s reaches %s %s; see 'scgctl link list'",
                   gateway->config->dc, from, to, from, near.text, far.text);
}

/* ---- the path ---- */

int tunnel_path_index(const struct tunnel_path *path, const char *switch_name)
{
    for (unsigned i = 0; i < path->n; i++) {
        if (strcmp(path->nodes[i].name, switch_name) == 0)
            return (int) i;
    }
    return -1;
}

static int take_over(const struct routers *routers, const struct path_result *result, struct tunnel_path *path,
                     struct err *err)
{
    struct tunnel_path found = {.n = (unsigned) result->n + 1};

    if (result->n >= TUNNEL_NODES_MAX)
        return err_set(err, ERR_TOO_LARGE, "the shortest path from %s to %s has %zu nodes; a tunnel may have %d",
                       routers->switches[result->links[0].key.from - 1]->name,
                       routers->switches[result->links[result->n - 1].to - 1]->name, result->n + 1, TUNNEL_NODES_MAX);
    for (size_t i = 0; i < result->n; i++) {
        const struct te_link *link = &result->links[i];

        found.nodes[i].out_port = link->key.local_id;
        found.nodes[i + 1].in_port = link->remote_id;
        memcpy(found.nodes[i].name, routers->switches[link->key.from - 1]->name, NAME_SIZE);
        memcpy(found.nodes[i + 1].name, routers->switches[link->to - 1]->name, NAME_SIZE);
    }
    *path = found;
    return 0;
}

static int find_path(const struct gateway *gateway, const struct routers *routers, const char *from, const char *to,
                     uint32_t mtu, struct tunnel_path *path, struct err *err)
{
    struct path_query query = {.from = router_id(routers, from), .to = router_id(routers, to)};
    struct path_graph *graph = path_graph_new();
    struct path_result result = {0};
    struct err none = {0};
    int status;

    fill_graph(gateway, routers, mtu, graph);
    for (size_t i = 0; i < routers->n; i++) {
        if (!routers->switches[i]->up && i + 1 != query.from && i + 1 != query.to)
            path_exclude_node(&query, (uint32_t) i + 1);
    }
    if (!query.from || !query.to)
        status = err_set(err, ERR_NOT_FOUND, "switch %s has not been seen in data center %s", query.from ? to : from,
                         gateway->config->dc);
    else if (path_find(graph, &query, &result, &none) < 0)
        status = tell_cut(gateway, routers, from, to, err);
    else
        status = take_over(routers, &result, path, err);
    path_result_free(&result);
    path_query_free(&query);
    path_graph_free(graph);
    return status;
}

int tunnel_find_path(const struct gateway *gateway, const char *from, const char *to, uint32_t mtu,
                     struct tunnel_path *path, struct err *err)
{
    struct routers routers = routers_of(&gateway->inventory);
    int status = find_path(gateway, &routers, from, to, mtu, path, mtu ? NULL : err);

    if (status && mtu)
        status = find_path(gateway, &routers, from, to, 0, path, err);
    free(routers.switches);
    return status;
}

int tunnel_choose_path(const struct gateway *gateway, const struct tunnel *tunnel, uint32_t mtu,
                       struct tunnel_path *path, struct err *err)
{
    uint32_t needed = tunnel_mtu(tunnel);
    bool stands = tunnel_path_stands(gateway, &tunnel->path);
    struct tunnel_path found;

    if (needed < mtu)
        needed = mtu;
    if (!stands || !tunnel_path_fits(gateway, &tunnel->path, needed)) {
        int status = tunnel_find_path(gateway, tunnel->ends[0], tunnel->ends[1], needed, &found, stands ? NULL : err);

        if (!stands && status)
            return status;
        stands = stands && (status || !tunnel_path_fits(gateway, &found, needed));
    }
    *path = stands ? tunnel->path : found;
    return 0;
}

int tunnels_path(const struct gateway *gateway, const char *one, const char *other, uint32_t mtu,
                 struct tunnel_path *path, struct err *err)
{
    const struct tunnel *tunnel = tunnel_find(gateway, one, other);
    struct tunnel like = {0};

    tunnel_order(gateway, one, other, like.ends);
    return tunnel_choose_path(gateway, tunnel ? tunnel : &like, mtu, path, err);
}
