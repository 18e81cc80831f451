/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a tunnel could be made, for orders that are only planned. */
#include "scgd/tunnels_internal.h"

int tunnels_try(struct gateway *gateway, const char *segment, const char *tor, struct err *err)
{
    uint32_t labels[2][TUNNEL_NODES_MAX];
    struct tunnel_path path;
    struct tunnel like = {0};
    struct vpls_end end;
    const struct switch_info *pe;

    if (!tunnels_used(gateway))
        return 0;
    pe = network_edge(gateway, SWITCH_ROLE_PE, err);
    if (!pe || tunnels_path(gateway, pe->name, tor, &path, err) < 0 ||
        segment_take_end(gateway, segment, pe->name, &end, err) < 0 ||
        segment_take_end(gateway, segment, tor, &end, err) < 0)
        return err->code;
    tunnel_order(gateway, pe->name, tor, like.ends);
    return tunnel_take_labels(gateway, &like, &path, labels, err);
}
