/* SPDX-License-Identifier: Apache-2.0 */
/* gmplsd's configuration file: YAML by libcyaml, then checked as a whole.
 * docs/gmplsd.example.yaml is the annotated form. */
#ifndef GMPLSD_CONFIG_H
#define GMPLSD_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "config/types.h"
#include "gmpls/node.h"

/* Members that are text and have a number beside them are checked and parsed; addresses are in host byte order. */

struct config_bridge {
    char *datapath_id;
    uint64_t dpid;
};

struct config_te_link {
    char *name;
    char *port;      /* of the bridge */
    char *interface; /* of the control channel */
    char *local, *remote, *remote_router;
    uint32_t local_address, remote_address;
    uint32_t remote_router_id; /* 0: not given */
    uint32_t bandwidth_mbps;
    struct config_range labels;
};

struct config_client {
    char *name;
    char *port; /* of the bridge */
    uint32_t id;
    enum node_client_mode mode;
    struct config_range *vlans; /* null: of BRIDGE */
};

struct config_timers { /* see gmpls/node.h */
    uint32_t hello_ms, hello_miss, refresh_ms, retry_ms, retries, restart_ms, recovery_ms, setup_ms;
    uint32_t link_hold_ms, client_hold_ms, openflow_hold_ms;
};

#define CONFIG_PCES_MAX 2

struct config {
    char *node, *router_id;
    uint32_t router;
    struct config_endpoint openflow;
    struct config_bridge bridge;
    char *store;
    enum log_level log_level;
    char *zebra_vty;                /* null: free bandwidth is not flooded */
    struct config_endpoint *status; /* null: none */
    struct config_endpoint *pces;
    unsigned pces_count;
    struct config_te_link *te_links;
    unsigned te_links_count;
    struct config_client *clients;
    unsigned clients_count;
    struct config_timers timers;
};

/* Null and 'err' with file, line and column (or the member's path, where libcyaml knows no position) on anything
 * unknown, missing, of the wrong type, out of range, duplicate or contradictory. Omitted timers get the values of the
 * example file. */
struct config *config_load(const char *path, struct err *err);
void config_free(struct config *config);

/* What a schema cannot say: checks a loaded configuration as a whole and fills in its parsed members. 0, or ERR_INVALID
 * and a sentence that names the member by its path and the value. */
int config_check(struct config *config, struct err *err);

#endif
