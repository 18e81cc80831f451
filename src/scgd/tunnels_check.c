/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a tunnel could be made, and how, for orders that are only planned. */
#include "scgd/tunnels_internal.h"

int tunnels_try(struct gateway *gateway, const char *segment, const char *tor, uint32_t mtu, struct err *err)
{
    uint32_t labels[2][TUNNEL_NODES_MAX];
    struct tunnel_path path;
    struct tunnel like = {0};
    struct vpls_end end;
    const struct switch_info *pe;
    const struct vpls_ends *ends;

    if (!tunnels_used(gateway))
        return 0;
    ends = &gateway->tunnels.segments[network_segment(gateway, segment) - gateway->network.segments];
    if (!segment_has_end(ends, tor) && segment_check_room(ends->n, segment, tor, err) < 0)
        return err->code;
    pe = network_edge(gateway, SWITCH_ROLE_PE, err);
    if (!pe || tunnels_path(gateway, pe->name, tor, mtu, &path, err) < 0 ||
        segment_take_end(gateway, segment, pe->name, &end, err) < 0 ||
        segment_take_end(gateway, segment, tor, &end, err) < 0)
        return err->code;
    tunnel_order(gateway, pe->name, tor, like.ends);
    return tunnel_take_labels(gateway, &like, &path, labels, err);
}

void tunnels_describe(const struct gateway *gateway, const char *tor, uint32_t mtu, struct strbuf *text)
{
    const struct config_edge *pe = network_edge_config(gateway, EDGE_IP);
    struct tunnel_path path = {0};

    strbuf_puts(text, "VPLS through");
    if (pe)
        tunnels_path(gateway, pe->switch_name, tor, mtu, &path, NULL);
    for (unsigned i = 0; i < path.n; i++)
        strbuf_printf(text, " %s", path.nodes[i].name);
}
