/* SPDX-License-Identifier: Apache-2.0 */
/* scgd's configuration file: YAML by libcyaml, then checked as a whole.
 * docs/scgd.example.yaml is the annotated form. */
#ifndef SCGD_CONFIG_H
#define SCGD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "config/types.h"
#include "model/addr.h"

struct config_peer_listen {
    char *address;
    uint16_t port;
    char *ca, *certificate, *key;
};

struct config_server {
    char *name, *uri, *migration_uri, *migration_address;
};

struct config_routes {
    char *socket, *include;
};

/* Where a switch of a data center is joined to a transport network: the client port of a transport node. */
struct config_attachment {
    char *router_id; /* of the node; null: none */
    uint32_t router; /* parsed */
    uint32_t client; /* id of its client port */
};

struct config_peer {
    char *dc, *address;
    char *name; /* common name of its certificate; by default "scg-" and 'dc' in lower case */
    uint16_t port;
    struct config_attachment transport; /* of its inter-DC PE, where migration channels to it end */
};

struct config_segment {
    char *name, *gateway, *gateway_mac; /* as written */
    struct ip gateway_ip;               /* parsed */
    uint8_t length;
    struct mac mac;
};

enum config_edge_role { EDGE_IP, EDGE_INTER_DC };

struct config_edge {
    char *switch_name;
    enum config_edge_role role;
    char *uplink_port;    /* may be null for EDGE_INTER_DC with a transport_port */
    char *transport_port; /* of the switch, towards a transport node; null: none */
    struct config_attachment transport;
    uint32_t migration_mbps; /* EDGE_INTER_DC: of a channel that is set up for an order that names no bandwidth */
    char *router_port, *router, *next_hop; /* EDGE_IP only */
    struct ip router_ip, next_hop_ip;
};

struct config_channel {
    char *name, *peer, *switch_name;
    uint32_t bandwidth_mbps;
};

/* How the fabric carries segments between ToRs and the PE. */
enum config_mode { MODE_ETHERNET, MODE_VPLS };

/* What a link of the fabric costs, each direction; 1 for those that are not named. */
struct config_link_metric {
    char *from, *to; /* switches */
    uint32_t metric;
};

struct config_vpls {
    struct config_range labels; /* that switches may be given */
    struct config_link_metric *metrics;
    unsigned metrics_count;
};

struct config_transport {
    struct config_endpoint ospf_api; /* of the ospfd beside the gateway */
    struct config_endpoint pcep;     /* where ingress nodes connect to */
    bool keep_channels;              /* what was set up for a migration stays for the next one */
};

struct config {
    char *dc;
    struct config_endpoint rest;
    struct config_peer_listen peer;
    struct config_endpoint openflow;
    char **ovsdb;
    unsigned ovsdb_count;
    char *store;
    enum log_level log_level;
    struct config_server *servers;
    unsigned servers_count;
    struct config_routes routes;
    struct config_peer *peers;
    unsigned peers_count;
    struct config_segment *segments;
    unsigned segments_count;
    uint16_t vlan_first, vlan_last;
    enum config_mode mode;
    struct config_vpls *vpls; /* null without MODE_VPLS */
    struct config_edge *edges;
    unsigned edges_count;
    struct config_channel *channels;
    unsigned channels_count;
    struct config_transport *transport; /* null: no transport network is known */
    struct {
        uint32_t migrations, vms_per_order, transfers, message_bytes;
    } limits;
    struct {
        uint32_t peer, transfer, switch_; /* seconds */
    } timeouts;
    struct {
        uint32_t migrations; /* how many that have ended are remembered */
    } history;
    struct {
        uint32_t interval; /* seconds between two audits of a ToR; 0: none */
        bool repair;       /* what others changed is put right */
    } drift;
};

/* Null and 'err' with file, line and column (or the member's path, where libcyaml knows no position) on anything
 * unknown, missing, of the wrong type, out of range, duplicate or contradictory (an edge's role without its members, a
 * channel to an unknown peer, two servers of one name, ...). Omitted limits, timeouts, history and drift get the
 * example file's values. */
struct config *config_load(const char *path, struct err *err);
void config_free(struct config *config);

#endif
