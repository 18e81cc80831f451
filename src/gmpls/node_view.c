/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "gmpls/node_internal.h"

void node_xc_each(const struct gmpls_node *node, node_xc_fn *fn, void *arg)
{
    for (struct hmap_node *at = hmap_next(&node->by_id, NULL); at; at = hmap_next(&node->by_id, at)) {
        const struct gmpls_lsp *lsp = OWNER_OF(at, struct gmpls_lsp, by_id);
        struct node_xc xc = lsp_xc(lsp);

        if (lsp->xc_set)
            fn(arg, &xc);
    }
}

void node_report_each(const struct gmpls_node *node, node_report_fn *fn, void *arg)
{
    for (struct hmap_node *at = hmap_next(&node->by_name, NULL); at; at = hmap_next(&node->by_name, at)) {
        const struct gmpls_lsp *lsp = OWNER_OF(at, struct lsp_ingress, by_name)->lsp;
        struct lsp_report *report = ingress_report_of(node, lsp, ingress_state(lsp));

        fn(arg, report);
        lsp_report_free(report);
        free(report);
    }
}

/* A link whose data plane is down has nothing to offer, though its control channel may still flood it. */
void node_unreserved(const struct gmpls_node *node, int link, uint64_t unreserved[TE_PRIORITIES])
{
    for (unsigned p = 0; p < TE_PRIORITIES; p++)
        unreserved[p] = node->links[link].data_up ? link_unreserved(&node->links[link], p) : 0;
}

bool node_link_usable(const struct gmpls_node *node, int link)
{
    return node->links[link].data_up && neighbour_is_up(node->links[link].neighbour);
}

const struct node_counters *node_counters(const struct gmpls_node *node)
{
    return &node->counters;
}

struct node_usage node_usage(const struct gmpls_node *node)
{
    return node->usage;
}

static json_t *address_json(uint32_t address)
{
    char text[16];

    return json_string(ipv4_format(address, text));
}

static json_t *link_view(const struct gmpls_node *node, size_t l)
{
    const struct node_link *link = &node->links[l];
    json_t *unreserved = json_array();
    uint64_t rates[TE_PRIORITIES];

    node_unreserved(node, (int) l, rates);
    for (unsigned p = 0; p < TE_PRIORITIES; p++)
        json_array_append_new(unreserved, json_integer((json_int_t) rates[p]));
    return json_pack("{s:s, s:o, s:o, s:b, s:b, s:I, s:o, s:I}", "name", link->config.name, "local",
                     address_json(link->config.local), "remote", address_json(link->config.remote), "up", link->data_up,
                     "neighbour", neighbour_is_up(link->neighbour), "bandwidth",
                     (json_int_t) link->config.bandwidth_bps, "unreserved", unreserved, "labels",
                     (json_int_t) link->labels.n_used);
}

static json_t *side_view(const struct gmpls_node *node, const struct node_side *side)
{
    if (side->link == NODE_LINK_NONE)
        return json_pack("{s:I, s:i}", "client", (json_int_t) side->client, "vlan", side->vlan);
    return json_pack("{s:s, s:I, s:I}", "link", node->links[side->link].config.name, "in_label",
                     (json_int_t) side->in_label, "out_label", (json_int_t) side->out_label);
}

static json_t *lsp_view(const struct gmpls_node *node, const struct gmpls_lsp *lsp)
{
    return json_pack("{s:I, s:s, s:s, s:o, s:o, s:i, s:i, s:I, s:i, s:i, s:o, s:o}", "id", (json_int_t) lsp->id, "name",
                     lsp->attribute.name, "state", sm_name(&lsp->sm), "ingress", address_json(lsp->sender.source),
                     "egress", address_json(lsp->session.destination), "tunnel", lsp->session.tunnel_id, "lsp",
                     lsp->sender.lsp_id, "bandwidth", (json_int_t) lsp->tspec.rate_bps, "setup", lsp->setup, "holding",
                     lsp->holding, "in", side_view(node, &lsp->in.side), "out", side_view(node, &lsp->out.side));
}

static json_t *counters_view(const struct node_counters *c)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "path",
                     (json_int_t) c->path, "resv", (json_int_t) c->resv, "path_err", (json_int_t) c->path_err,
                     "resv_err", (json_int_t) c->resv_err, "path_tear", (json_int_t) c->path_tear, "resv_tear",
                     (json_int_t) c->resv_tear, "resv_conf", (json_int_t) c->resv_conf, "notify",
                     (json_int_t) c->notify, "set_up", (json_int_t) c->set_up, "refused", (json_int_t) c->refused,
                     "failed", (json_int_t) c->failed, "preempted", (json_int_t) c->preempted, "removed",
                     (json_int_t) c->removed, "expired", (json_int_t) c->expired, "recovered",
                     (json_int_t) c->recovered, "adopted", (json_int_t) c->adopted);
}

json_t *node_view(const struct gmpls_node *node)
{
    json_t *links = json_array(), *clients = json_array(), *lsps = json_array();

    for (size_t l = 0; l < node->n_links; l++)
        json_array_append_new(links, link_view(node, l));
    for (size_t p = 0; p < node->n_ports; p++) {
        const struct node_port *port = &node->ports[p];

        json_array_append_new(
            clients, json_pack("{s:s, s:I, s:s, s:b}", "name", port->config.name, "id", (json_int_t) port->config.id,
                               "mode", port->config.mode == NODE_CLIENT_VLAN ? "vlan" : "bridge", "up", port->up));
    }
    for (struct hmap_node *at = hmap_next(&node->by_id, NULL); at; at = hmap_next(&node->by_id, at))
        json_array_append_new(lsps, lsp_view(node, OWNER_OF(at, struct gmpls_lsp, by_id)));
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "name", node->config.name, "router_id",
                     address_json(node->config.router_id), "links", links, "clients", clients, "lsps", lsps, "counters",
                     counters_view(&node->counters));
}
