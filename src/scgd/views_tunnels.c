/* SPDX-License-Identifier: Apache-2.0 */
/* Internal channels as JSON: tunnels, and how segments are carried. docs/openapi.yaml describes the same. */
#include "base/alloc.h"
#include "scgd/tunnels_internal.h"

static const char *state_of(const struct tunnel *tunnel)
{
    return !tunnel->wanted ? "removing" : tunnel->err.code ? "down" : tunnel_up(tunnel) ? "up" : "setting-up";
}

/* The nodes, each with the label by which frames reach it from the one before, and that one on the way back. */
static json_t *view_path(const struct tunnel *tunnel)
{
    json_t *path = json_array();

    for (unsigned i = 0; i < tunnel->path.n; i++) {
        json_t *node = json_pack("{s:s}", "node", tunnel->path.nodes[i].name);

        if (i > 0) {
            json_object_set_new(node, "label", json_integer(tunnel->ways[0].labels[i]));
            json_object_set_new(node, "upstream-label", json_integer(tunnel->ways[1].labels[i - 1]));
        }
        json_array_append_new(path, node);
    }
    return path;
}

static json_t *view_tunnel(const struct gateway *gateway, const struct tunnel *tunnel)
{
    AUTO_FREE char *name = xasprintf("%s:%s", tunnel->ends[0], tunnel->ends[1]);
    json_t *segments = json_array();

    for (unsigned i = 0; i < gateway->config->segments_count; i++) {
        if (tunnels_segment_takes(gateway, i, tunnel))
            json_array_append_new(segments, json_string(gateway->config->segments[i].name));
    }
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "name", name, "from", tunnel->ends[0], "to",
                             tunnel->ends[1], "state", state_of(tunnel), "segments", segments, "path",
                             view_path(tunnel));

    if (tunnel->err.code)
        json_object_set_new(json, "error", json_string(tunnel->err.text));
    if (tunnel->narrow.code)
        json_object_set_new(json, "warning", json_string(tunnel->narrow.text));
    return json;
}

void view_tunnels(const struct gateway *gateway, json_t *array)
{
    for (size_t i = 0; i < gateway->tunnels.n_tunnels; i++)
        json_array_append_new(array, view_tunnel(gateway, gateway->tunnels.tunnels[i]));
}

void view_segment_channel(const struct gateway *gateway, unsigned segment, json_t *json)
{
    const struct vpls_ends *ends = &gateway->tunnels.segments[segment];
    json_t *array = json_array();

    json_object_set_new(json, "mode", json_string(tunnels_used(gateway) ? "vpls" : "ethernet"));
    for (unsigned i = 0; i < ends->n; i++)
        json_array_append_new(
            array, json_pack("{s:s, s:I}", "switch", ends->ends[i].name, "label", (json_int_t) ends->ends[i].label));
    if (tunnels_used(gateway))
        json_object_set(json, "ends", array);
    json_decref(array);
}
