/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of scgd.yaml. */
#include "scgd/config.h"

#include <ctype.h>

#include "config/schema.h"
#include "model/inventory.h"
#include "scgd/config_check.h"

#define LIST_MAX 4096

struct vlan_range {
    uint16_t first, last;
};

struct given_limits {
    uint32_t *migrations, *vms_per_order, *transfers, *message_bytes;
};

struct given_timeouts {
    uint32_t *peer, *transfer, *switch_;
};

struct given_history {
    uint32_t *migrations;
};

struct given_drift {
    uint32_t *interval;
    bool *repair;
};

/* What libcyaml loads; 'config' stands first, so that a pointer to either is one to both. */
struct document {
    struct config config;
    enum log_level *log_level;
    enum config_mode *mode;
    struct vlan_range vlans;
    struct given_limits limits;
    struct given_timeouts timeouts;
    struct given_history history;
    struct given_drift drift;
};

#define NAME(key, type, member) TEXT_TO(key, type, member, NAME_SIZE - 1)
#define NAME_OPTIONAL(key, type, member) TEXT_TO_OPTIONAL(key, type, member, NAME_SIZE - 1)
#define GROUP(key, flags, member, fields) CYAML_FIELD_MAPPING(key, flags, struct document, member, fields)
#define LIST(key, flags, member, entry, min) \
    CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | (flags), struct document, member, &(entry), min, LIST_MAX)

/* libcyaml's own booleans take any word that it does not know for true. */
static const cyaml_strval_t bool_words[] = {{"false", false}, {"true", true}};
static const cyaml_strval_t mode_words[] = {{"ethernet", MODE_ETHERNET}, {"vpls", MODE_VPLS}};
static const cyaml_strval_t role_words[] = {{"ip", EDGE_IP}, {"inter-dc", EDGE_INTER_DC}};

/* A row for each key. */
/* clang-format off */
static const cyaml_schema_field_t peer_listen_fields[] = {
    TEXT("address", struct config_peer_listen, address),
    NUMBER("port", struct config_peer_listen, port),
    TEXT("ca", struct config_peer_listen, ca),
    TEXT("certificate", struct config_peer_listen, certificate),
    TEXT("key", struct config_peer_listen, key),
    CYAML_FIELD_END};

static const cyaml_schema_field_t server_fields[] = {
    NAME("name", struct config_server, name),
    TEXT("uri", struct config_server, uri),
    TEXT("migration-uri", struct config_server, migration_uri),
    TEXT("migration-address", struct config_server, migration_address),
    CYAML_FIELD_END};
ENTRY(server_entry, struct config_server, server_fields);

static const cyaml_schema_field_t routes_fields[] = {
    TEXT("socket", struct config_routes, socket),
    TEXT("include", struct config_routes, include),
    CYAML_FIELD_END};

static const cyaml_schema_field_t peer_fields[] = {
    NAME("dc", struct config_peer, dc),
    NAME_OPTIONAL("name", struct config_peer, name),
    TEXT("address", struct config_peer, address),
    NUMBER("port", struct config_peer, port),
    NAME_OPTIONAL("transport-router-id", struct config_peer, transport.router_id),
    CYAML_FIELD_UINT("transport-client", CYAML_FLAG_OPTIONAL, struct config_peer, transport.client),
    CYAML_FIELD_END};
ENTRY(peer_entry, struct config_peer, peer_fields);

static const cyaml_schema_field_t segment_fields[] = {
    NAME("name", struct config_segment, name),
    TEXT("gateway", struct config_segment, gateway),
    TEXT("gateway-mac", struct config_segment, gateway_mac),
    CYAML_FIELD_END};
ENTRY(segment_entry, struct config_segment, segment_fields);

static const cyaml_schema_field_t vlan_fields[] = {
    NUMBER("first", struct vlan_range, first),
    NUMBER("last", struct vlan_range, last),
    CYAML_FIELD_END};

static const cyaml_schema_field_t metric_fields[] = {
    NAME("from", struct config_link_metric, from),
    NAME("to", struct config_link_metric, to),
    NUMBER("metric", struct config_link_metric, metric),
    CYAML_FIELD_END};
ENTRY(metric_entry, struct config_link_metric, metric_fields);

static const cyaml_schema_field_t vpls_fields[] = {
    CYAML_FIELD_MAPPING("labels", CYAML_FLAG_DEFAULT, struct config_vpls, labels, config_range_fields),
    CYAML_FIELD_SEQUENCE("metrics", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config_vpls, metrics,
                         &metric_entry, 0, LIST_MAX),
    CYAML_FIELD_END};

static const cyaml_schema_field_t edge_fields[] = {
    NAME("switch", struct config_edge, switch_name),
    CYAML_FIELD_ENUM("role", CYAML_FLAG_STRICT, struct config_edge, role, role_words, ARRAY_LEN(role_words)),
    NAME_OPTIONAL("uplink-port", struct config_edge, uplink_port),
    NAME_OPTIONAL("transport-port", struct config_edge, transport_port),
    NAME_OPTIONAL("transport-router-id", struct config_edge, transport.router_id),
    CYAML_FIELD_UINT("transport-client", CYAML_FLAG_OPTIONAL, struct config_edge, transport.client),
    CYAML_FIELD_UINT("migration-mbps", CYAML_FLAG_OPTIONAL, struct config_edge, migration_mbps),
    NAME_OPTIONAL("router-port", struct config_edge, router_port),
    NAME_OPTIONAL("router", struct config_edge, router),
    NAME_OPTIONAL("next-hop", struct config_edge, next_hop),
    CYAML_FIELD_END};
ENTRY(edge_entry, struct config_edge, edge_fields);

static const cyaml_schema_field_t channel_fields[] = {
    NAME("name", struct config_channel, name),
    NAME("peer", struct config_channel, peer),
    NAME("switch", struct config_channel, switch_name),
    NUMBER("bandwidth-mbps", struct config_channel, bandwidth_mbps),
    CYAML_FIELD_END};
ENTRY(channel_entry, struct config_channel, channel_fields);

static const cyaml_schema_field_t transport_fields[] = {
    CYAML_FIELD_MAPPING("ospf-api", CYAML_FLAG_DEFAULT, struct config_transport, ospf_api, config_endpoint_fields),
    CYAML_FIELD_MAPPING("pcep", CYAML_FLAG_DEFAULT, struct config_transport, pcep, config_endpoint_fields),
    CYAML_FIELD_ENUM("keep-channels", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct config_transport, keep_channels,
                     bool_words, ARRAY_LEN(bool_words)),
    CYAML_FIELD_END};

static const cyaml_schema_field_t limit_fields[] = {
    NUMBER_OPTIONAL("migrations", struct given_limits, migrations),
    NUMBER_OPTIONAL("vms-per-order", struct given_limits, vms_per_order),
    NUMBER_OPTIONAL("transfers", struct given_limits, transfers),
    NUMBER_OPTIONAL("message-bytes", struct given_limits, message_bytes),
    CYAML_FIELD_END};

static const cyaml_schema_field_t timeout_fields[] = {
    NUMBER_OPTIONAL("peer", struct given_timeouts, peer),
    NUMBER_OPTIONAL("transfer", struct given_timeouts, transfer),
    NUMBER_OPTIONAL("switch", struct given_timeouts, switch_),
    CYAML_FIELD_END};

static const cyaml_schema_field_t history_fields[] = {
    NUMBER_OPTIONAL("migrations", struct given_history, migrations),
    CYAML_FIELD_END};

static const cyaml_schema_field_t drift_fields[] = {
    NUMBER_OPTIONAL("interval", struct given_drift, interval),
    CYAML_FIELD_ENUM_PTR("repair", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct given_drift, repair, bool_words,
                         ARRAY_LEN(bool_words)),
    CYAML_FIELD_END};

static const cyaml_schema_value_t ovsdb_entry = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, TEXT_MAX)};

static const cyaml_schema_field_t document_fields[] = {
    NAME("dc", struct document, config.dc),
    GROUP("rest", CYAML_FLAG_DEFAULT, config.rest, config_endpoint_fields),
    GROUP("peer", CYAML_FLAG_DEFAULT, config.peer, peer_listen_fields),
    GROUP("openflow", CYAML_FLAG_DEFAULT, config.openflow, config_endpoint_fields),
    LIST("ovsdb", CYAML_FLAG_DEFAULT, config.ovsdb, ovsdb_entry, 1),
    TEXT("store", struct document, config.store),
    LOG_LEVEL_OPTIONAL("log-level", struct document, log_level),
    LIST("servers", CYAML_FLAG_OPTIONAL, config.servers, server_entry, 0),
    GROUP("routes", CYAML_FLAG_DEFAULT, config.routes, routes_fields),
    LIST("peers", CYAML_FLAG_OPTIONAL, config.peers, peer_entry, 0),
    LIST("segments", CYAML_FLAG_OPTIONAL, config.segments, segment_entry, 0),
    CYAML_FIELD_ENUM_PTR("mode", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct document, mode, mode_words,
                         ARRAY_LEN(mode_words)),
    CYAML_FIELD_MAPPING_PTR("vpls", CYAML_FLAG_OPTIONAL, struct document, config.vpls, vpls_fields),
    GROUP("vlans", CYAML_FLAG_DEFAULT, vlans, vlan_fields),
    LIST("edges", CYAML_FLAG_OPTIONAL, config.edges, edge_entry, 0),
    LIST("channels", CYAML_FLAG_OPTIONAL, config.channels, channel_entry, 0),
    CYAML_FIELD_MAPPING_PTR("transport", CYAML_FLAG_OPTIONAL, struct document, config.transport, transport_fields),
    GROUP("limits", CYAML_FLAG_OPTIONAL, limits, limit_fields),
    GROUP("timeouts", CYAML_FLAG_OPTIONAL, timeouts, timeout_fields),
    GROUP("history", CYAML_FLAG_OPTIONAL, history, history_fields),
    GROUP("drift", CYAML_FLAG_OPTIONAL, drift, drift_fields),
    CYAML_FIELD_END};
/* clang-format on */

static const cyaml_schema_value_t document_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct document, document_fields)};

/* The defaults are the values of docs/scgd.example.yaml. */
static void take_over(void *loaded)
{
    struct document *document = loaded;
    struct config *config = &document->config;

    config->log_level = document->log_level ? *document->log_level : LOG_INFO;
    config->mode = document->mode ? *document->mode : MODE_ETHERNET;
    config->vlan_first = document->vlans.first;
    config->vlan_last = document->vlans.last;
    config->limits.migrations = config_given_or(document->limits.migrations, 8);
    config->limits.vms_per_order = config_given_or(document->limits.vms_per_order, 16);
    config->limits.transfers = config_given_or(document->limits.transfers, 2);
    config->limits.message_bytes = config_given_or(document->limits.message_bytes, 1048576);
    config->timeouts.peer = config_given_or(document->timeouts.peer, 30);
    config->timeouts.transfer = config_given_or(document->timeouts.transfer, 600);
    config->timeouts.switch_ = config_given_or(document->timeouts.switch_, 10);
    config->history.migrations = config_given_or(document->history.migrations, 1000);
    config->drift.interval = config_given_or(document->drift.interval, 60);
    config->drift.repair = document->drift.repair && *document->drift.repair;
    for (unsigned i = 0; i < config->edges_count; i++) {
        if (config->edges[i].role == EDGE_INTER_DC && config->edges[i].migration_mbps == 0)
            config->edges[i].migration_mbps = 1000;
    }
    for (unsigned i = 0; i < config->peers_count; i++) {
        struct config_peer *peer = &config->peers[i];

        if (peer->name)
            continue;
        peer->name = xasprintf("scg-%s", peer->dc);
        for (char *c = peer->name; *c; c++)
            *c = (char) tolower((unsigned char) *c);
    }
}

struct config *config_load(const char *path, struct err *err)
{
    return config_yaml_load_checked(path, &document_schema, take_over, config_check, err);
}

void config_free(struct config *config)
{
    config_yaml_free(&document_schema, config);
}
