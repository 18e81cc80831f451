/* SPDX-License-Identifier: Apache-2.0 */
/* What outlives the gateway: paths of tunnels, so that they are kept, and which switches may hold flows. Labels and
 * numbers of ends are in the store's pools. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "model/json.h"
#include "scgd/tunnels_internal.h"

#define KIND_TUNNEL "tunnel" /* of documents in the store */
#define KIND_ENDS "segment-ends"

static json_t *names_of(const struct holders *holders)
{
    json_t *names = json_array();

    for (size_t i = 0; i < holders->n; i++)
        json_array_append_new(names, json_string(holders->list[i].name));
    return names;
}

/* The same whichever of the ends is the PE: by another configuration it may be the other one. */
static char *document_name(const struct tunnel *tunnel)
{
    bool in_order = strcmp(tunnel->ends[0], tunnel->ends[1]) < 0;

    return xasprintf("%s>%s", tunnel->ends[!in_order], tunnel->ends[in_order]);
}

int tunnel_store(struct gateway *gateway, const struct tunnel *tunnel, struct err *err)
{
    AUTO_FREE char *name = document_name(tunnel);
    json_t *nodes = json_array();

    if (tunnel->path.n + tunnel->ways[0].holders.n + tunnel->ways[1].holders.n == 0) {
        json_decref(nodes);
        return store_document_delete(gateway->store, KIND_TUNNEL, name, err);
    }
    for (unsigned i = 0; i < tunnel->path.n; i++) {
        const struct tunnel_node *node = &tunnel->path.nodes[i];

        json_array_append_new(nodes, json_pack("{s:s, s:I, s:I}", "switch", node->name, "in",
                                               (json_int_t) node->in_port, "out", (json_int_t) node->out_port));
    }
    return gateway_keep(gateway, KIND_TUNNEL, name,
                        json_pack("{s:s, s:s, s:o, s:o, s:o}", "from", tunnel->ends[0], "to", tunnel->ends[1], "nodes",
                                  nodes, "forth", names_of(&tunnel->ways[0].holders), "back",
                                  names_of(&tunnel->ways[1].holders)),
                        err);
}

int segment_ends_store(struct gateway *gateway, const char *segment, const struct vpls_ends *ends, struct err *err)
{
    if (ends->holders.n == 0)
        return store_document_delete(gateway->store, KIND_ENDS, segment, err);
    return gateway_keep(gateway, KIND_ENDS, segment, json_pack("{s:o}", "switches", names_of(&ends->holders)), err);
}

/* ---- loading ---- */

struct loading {
    struct gateway *gateway;
    struct err err;
};

static void load_holders(struct json_reader *r, const char *member, struct holders *holders, uint64_t changed)
{
    const json_t *names = json_get_array(r, member);

    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));

        if (name)
            holders_add(holders, name);
    }
    holders->changed = changed;
}

static int load_path(const json_t *nodes, struct tunnel_path *path, struct err *err)
{
    if (json_array_size(nodes) > TUNNEL_NODES_MAX)
        return err_set(err, ERR_TOO_LARGE, "%zu nodes; a tunnel may have %d", json_array_size(nodes), TUNNEL_NODES_MAX);
    for (size_t i = 0; i < json_array_size(nodes); i++) {
        struct json_reader r = json_reader_init(json_array_get(nodes, i), "nodes", err);
        struct tunnel_node *node = &path->nodes[i];
        const char *name = json_get_string(&r, "switch");

        node->in_port = (uint32_t) json_get_int(&r, "in", 0, UINT32_MAX);
        node->out_port = (uint32_t) json_get_int(&r, "out", 0, UINT32_MAX);
        if (r.status)
            return r.status;
        if (name_copy(node->name, name) < 0)
            return err_set(err, ERR_TOO_LARGE, "the name of switch %s is longer than %d bytes", name, NAME_SIZE - 1);
    }
    path->n = (unsigned) json_array_size(nodes);
    return 0;
}

static bool load_tunnel(void *arg, const char *name, const char *text)
{
    struct loading *loading = arg;
    struct gateway *gateway = loading->gateway;
    json_t *json = json_loads(text, 0, NULL);
    struct json_reader r = json_reader_init(json, name, &loading->err);
    const char *from = json_get_string(&r, "from"), *to = json_get_string(&r, "to");
    const json_t *nodes = json_get_array(&r, "nodes");

    if (r.status == 0) {
        struct tunnel *tunnel = tunnel_add(gateway, from, to);
        bool turned = strcmp(tunnel->ends[0], from) != 0; /* another switch is the PE now: the path is computed anew */

        load_holders(&r, "forth", &tunnel->ways[turned].holders, ++gateway->tunnels.last_change);
        load_holders(&r, "back", &tunnel->ways[!turned].holders, ++gateway->tunnels.last_change);
        if (r.status == 0 && !turned && load_path(nodes, &tunnel->path, &loading->err) == 0)
            tunnel_load_labels(gateway, tunnel, &loading->err);
        tunnel->wanted = tunnel->path.n > 0; /* until the gateway is ready, and knows */
    }
    json_decref(json);
    if (loading->err.code)
        err_prefix(&loading->err, "tunnel %s in the store", name);
    return loading->err.code == 0;
}

static bool load_ends(void *arg, const char *name, const char *text)
{
    struct loading *loading = arg;
    const struct segment_state *segment = network_segment(loading->gateway, name);
    json_t *json = json_loads(text, 0, NULL);
    struct json_reader r = json_reader_init(json, name, &loading->err);

    if (segment) /* else it was taken out of the configuration */
        load_holders(&r, "switches",
                     &loading->gateway->tunnels.segments[segment - loading->gateway->network.segments].holders,
                     ++loading->gateway->tunnels.last_change);
    json_decref(json);
    if (r.status)
        err_prefix(&loading->err, "ends of segment %s in the store", name);
    return r.status == 0;
}

int tunnels_load(struct gateway *gateway, struct err *err)
{
    struct loading loading = {.gateway = gateway};
    int status = 0;

    gateway->tunnels.segments = xcalloc(gateway->config->segments_count, sizeof *gateway->tunnels.segments);
    if (tunnels_used(gateway))
        status = store_document_each(gateway->store, KIND_TUNNEL, load_tunnel, &loading, err);
    if (status == 0 && loading.err.code == 0 && tunnels_used(gateway))
        status = store_document_each(gateway->store, KIND_ENDS, load_ends, &loading, err);
    if (status == 0 && loading.err.code) {
        *err = loading.err;
        status = err->code;
    }
    return status;
}
