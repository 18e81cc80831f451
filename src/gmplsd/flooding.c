/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "gmplsd/daemon.h"
#include "south/zebra_vty.h"

struct flooding {
    const struct config *config;
    struct zebra_vty *zebra; /* null: not configured */
};

/* TE links of OSPF are the control channels' interfaces: ospfd knows no others. */
void flooding_set(struct flooding *flooding, int link, const uint64_t unreserved[TE_PRIORITIES])
{
    const struct config_te_link *te_link = &flooding->config->te_links[link];
    struct vty_link what = {0};
    struct err err;

    if (!flooding->zebra)
        return;
    snprintf(what.interface, sizeof what.interface, "%s", te_link->interface);
    memcpy(what.unreserved_bps, unreserved, sizeof what.unreserved_bps);
    if (zebra_vty_set(flooding->zebra, &what, &err) < 0)
        log_error(FAULT_OPERATOR, te_link->name, "its free bandwidth is not flooded: %s", err.text);
}

struct flooding *flooding_new(struct daemon *daemon, struct err *err)
{
    struct flooding *flooding = xcalloc(1, sizeof *flooding);

    flooding->config = daemon->config;
    if (daemon->config->zebra_vty)
        flooding->zebra = zebra_vty_new(daemon->loop, daemon->config->zebra_vty, NULL, NULL, err);
    if (daemon->config->zebra_vty && !flooding->zebra) {
        free(flooding);
        return NULL;
    }
    return flooding;
}

void flooding_free(struct flooding *flooding)
{
    if (!flooding)
        return;
    zebra_vty_free(flooding->zebra);
    free(flooding);
}
