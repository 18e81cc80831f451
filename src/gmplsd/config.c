/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of gmplsd.yaml. */
#include "gmplsd/config.h"

#include "config/schema.h"

#define NAME_MAX_LENGTH 31 /* of struct node_config */
#define PORT_MAX_LENGTH 15 /* an interface's; OpenFlow 1.3.5 §7.2.1 cuts longer ones, too */

struct given_timers {
    uint32_t *hello_ms, *hello_miss, *refresh_ms, *retry_ms, *retries, *restart_ms, *recovery_ms, *setup_ms;
    uint32_t *link_hold_ms, *client_hold_ms, *openflow_hold_ms;
};

/* What libcyaml loads; 'config' stands first, so that a pointer to either is one to both. */
struct document {
    struct config config;
    enum log_level *log_level;
    struct given_timers timers;
};

#define NAME(key, type, member) TEXT_TO(key, type, member, NAME_MAX_LENGTH)
#define PORT(key, type, member) TEXT_TO(key, type, member, PORT_MAX_LENGTH)
#define GROUP(key, type, member, fields) CYAML_FIELD_MAPPING(key, CYAML_FLAG_DEFAULT, type, member, fields)
#define LIST(key, flags, member, entry, max) \
    CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | (flags), struct document, member, &(entry), 0, max)

static const cyaml_strval_t mode_words[] = {{"vlan", NODE_CLIENT_VLAN}, {"bridge", NODE_CLIENT_BRIDGE}};

/* A row for each key. */
/* clang-format off */
ENTRY(endpoint_entry, struct config_endpoint, config_endpoint_fields);

static const cyaml_schema_field_t bridge_fields[] = {
    TEXT("datapath-id", struct config_bridge, datapath_id),
    CYAML_FIELD_END};

static const cyaml_schema_field_t te_link_fields[] = {
    NAME("name", struct config_te_link, name),
    PORT("port", struct config_te_link, port),
    PORT("interface", struct config_te_link, interface),
    TEXT("local", struct config_te_link, local),
    TEXT("remote", struct config_te_link, remote),
    TEXT_OPTIONAL("remote-router", struct config_te_link, remote_router),
    NUMBER("bandwidth-mbps", struct config_te_link, bandwidth_mbps),
    GROUP("labels", struct config_te_link, labels, config_range_fields),
    CYAML_FIELD_END};
ENTRY(te_link_entry, struct config_te_link, te_link_fields);

static const cyaml_schema_field_t client_fields[] = {
    NAME("name", struct config_client, name),
    PORT("port", struct config_client, port),
    NUMBER("id", struct config_client, id),
    CYAML_FIELD_ENUM("mode", CYAML_FLAG_STRICT, struct config_client, mode, mode_words, ARRAY_LEN(mode_words)),
    CYAML_FIELD_MAPPING_PTR("vlans", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config_client, vlans,
                            config_range_fields),
    CYAML_FIELD_END};
ENTRY(client_entry, struct config_client, client_fields);

static const cyaml_schema_field_t timer_fields[] = {
    NUMBER_OPTIONAL("hello-ms", struct given_timers, hello_ms),
    NUMBER_OPTIONAL("hello-miss", struct given_timers, hello_miss),
    NUMBER_OPTIONAL("refresh-ms", struct given_timers, refresh_ms),
    NUMBER_OPTIONAL("retry-ms", struct given_timers, retry_ms),
    NUMBER_OPTIONAL("retries", struct given_timers, retries),
    NUMBER_OPTIONAL("restart-ms", struct given_timers, restart_ms),
    NUMBER_OPTIONAL("recovery-ms", struct given_timers, recovery_ms),
    NUMBER_OPTIONAL("setup-ms", struct given_timers, setup_ms),
    NUMBER_OPTIONAL("link-hold-ms", struct given_timers, link_hold_ms),
    NUMBER_OPTIONAL("client-hold-ms", struct given_timers, client_hold_ms),
    NUMBER_OPTIONAL("openflow-hold-ms", struct given_timers, openflow_hold_ms),
    CYAML_FIELD_END};

static const cyaml_schema_field_t document_fields[] = {
    NAME("node", struct document, config.node),
    TEXT("router-id", struct document, config.router_id),
    GROUP("openflow", struct document, config.openflow, config_endpoint_fields),
    GROUP("bridge", struct document, config.bridge, bridge_fields),
    TEXT("store", struct document, config.store),
    LOG_LEVEL_OPTIONAL("log-level", struct document, log_level),
    TEXT_OPTIONAL("zebra-vty", struct document, config.zebra_vty),
    CYAML_FIELD_MAPPING_PTR("status", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct document, config.status,
                            config_endpoint_fields),
    LIST("pces", CYAML_FLAG_OPTIONAL, config.pces, endpoint_entry, CONFIG_PCES_MAX),
    LIST("te-links", CYAML_FLAG_DEFAULT, config.te_links, te_link_entry, NODE_LINKS_MAX),
    LIST("clients", CYAML_FLAG_OPTIONAL, config.clients, client_entry, NODE_CLIENTS_MAX),
    CYAML_FIELD_MAPPING("timers", CYAML_FLAG_OPTIONAL, struct document, timers, timer_fields),
    CYAML_FIELD_END};
/* clang-format on */

static const cyaml_schema_value_t document_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct document, document_fields)};

/* The defaults are the values of docs/gmplsd.example.yaml. */
static void take_over(void *loaded)
{
    struct document *document = loaded;
    const struct given_timers *given = &document->timers;

    document->config.log_level = document->log_level ? *document->log_level : LOG_INFO;
    document->config.timers = (struct config_timers) {
        .hello_ms = config_given_or(given->hello_ms, 1000),
        .hello_miss = config_given_or(given->hello_miss, 3),
        .refresh_ms = config_given_or(given->refresh_ms, 30000),
        .retry_ms = config_given_or(given->retry_ms, 500),
        .retries = config_given_or(given->retries, 3),
        .restart_ms = config_given_or(given->restart_ms, 10000),
        .recovery_ms = config_given_or(given->recovery_ms, 10000),
        .setup_ms = config_given_or(given->setup_ms, 10000),
        .link_hold_ms = config_given_or(given->link_hold_ms, 0),
        .client_hold_ms = config_given_or(given->client_hold_ms, 10000),
        .openflow_hold_ms = config_given_or(given->openflow_hold_ms, 15000)};
}

struct config *config_load(const char *path, struct err *err)
{
    return config_yaml_load_checked(path, &document_schema, take_over, config_check, err);
}

void config_free(struct config *config)
{
    config_yaml_free(&document_schema, config);
}
