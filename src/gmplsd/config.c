/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of gmplsd.yaml. libcyaml cannot tell a member that is absent from one that is 0, so those with a default
 * are loaded as pointers, beside the configuration that they then go into. */
#include "gmplsd/config.h"

#include <cyaml/cyaml.h>

#include "base/alloc.h"
#include "config/yaml.h"

#define NAME_MAX_LENGTH 31 /* of struct node_config */
#define PORT_MAX_LENGTH 15 /* an interface's; OpenFlow 1.3.5 §7.2.1 cuts longer ones, too */
#define TEXT_MAX_LENGTH 1024

struct given_timers {
    uint32_t *hello_ms, *hello_miss, *refresh_ms, *retry_ms, *retries, *restart_ms, *recovery_ms, *setup_ms;
};

/* What libcyaml loads; 'config' stands first, so that a pointer to either is one to both. */
struct document {
    struct config config;
    enum log_level *log_level;
    struct given_timers timers;
};

#define TEXT_TO(key, type, member, max) CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER, type, member, 1, max)
#define NAME(key, type, member) TEXT_TO(key, type, member, NAME_MAX_LENGTH)
#define PORT(key, type, member) TEXT_TO(key, type, member, PORT_MAX_LENGTH)
#define TEXT(key, type, member) TEXT_TO(key, type, member, TEXT_MAX_LENGTH)
#define TEXT_OPTIONAL(key, type, member) \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, member, 1, TEXT_MAX_LENGTH)
#define NUMBER(key, type, member) CYAML_FIELD_UINT(key, CYAML_FLAG_DEFAULT, type, member)
#define NUMBER_OPTIONAL(key, type, member) CYAML_FIELD_UINT_PTR(key, CYAML_FLAG_OPTIONAL, type, member)
#define GROUP(key, type, member, fields) CYAML_FIELD_MAPPING(key, CYAML_FLAG_DEFAULT, type, member, fields)
#define LIST(key, flags, member, entry, max) \
    CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | (flags), struct document, member, &(entry), 0, max)
#define ENTRY(name, type, fields) \
    static const cyaml_schema_value_t name = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, type, fields)}

static const cyaml_strval_t log_level_words[] = {
    {"error", LOG_ERROR}, {"warning", LOG_WARNING}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}};

static const cyaml_strval_t mode_words[] = {{"vlan", NODE_CLIENT_VLAN}, {"bridge", NODE_CLIENT_BRIDGE}};

/* A row for each key. */
/* clang-format off */
static const cyaml_schema_field_t endpoint_fields[] = {
    TEXT("address", struct config_endpoint, address),
    NUMBER("port", struct config_endpoint, port),
    CYAML_FIELD_END};
ENTRY(endpoint_entry, struct config_endpoint, endpoint_fields);

static const cyaml_schema_field_t range_fields[] = {
    NUMBER("first", struct config_range, first),
    NUMBER("last", struct config_range, last),
    CYAML_FIELD_END};

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
    GROUP("labels", struct config_te_link, labels, range_fields),
    CYAML_FIELD_END};
ENTRY(te_link_entry, struct config_te_link, te_link_fields);

static const cyaml_schema_field_t client_fields[] = {
    NAME("name", struct config_client, name),
    PORT("port", struct config_client, port),
    NUMBER("id", struct config_client, id),
    CYAML_FIELD_ENUM("mode", CYAML_FLAG_STRICT, struct config_client, mode, mode_words, ARRAY_LEN(mode_words)),
    CYAML_FIELD_MAPPING_PTR("vlans", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config_client, vlans,
                            range_fields),
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
    CYAML_FIELD_END};

static const cyaml_schema_field_t document_fields[] = {
    NAME("node", struct document, config.node),
    TEXT("router-id", struct document, config.router_id),
    GROUP("openflow", struct document, config.openflow, endpoint_fields),
    GROUP("bridge", struct document, config.bridge, bridge_fields),
    TEXT("store", struct document, config.store),
    CYAML_FIELD_ENUM_PTR("log-level", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct document, log_level,
                         log_level_words, ARRAY_LEN(log_level_words)),
    TEXT_OPTIONAL("zebra-vty", struct document, config.zebra_vty),
    CYAML_FIELD_MAPPING_PTR("status", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct document, config.status,
                            endpoint_fields),
    LIST("pces", CYAML_FLAG_OPTIONAL, config.pces, endpoint_entry, CONFIG_PCES_MAX),
    LIST("te-links", CYAML_FLAG_DEFAULT, config.te_links, te_link_entry, NODE_LINKS_MAX),
    LIST("clients", CYAML_FLAG_OPTIONAL, config.clients, client_entry, NODE_CLIENTS_MAX),
    CYAML_FIELD_MAPPING("timers", CYAML_FLAG_OPTIONAL, struct document, timers, timer_fields),
    CYAML_FIELD_END};
/* clang-format on */

static const cyaml_schema_value_t document_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct document, document_fields)};

static uint32_t given_or(const uint32_t *given, uint32_t otherwise)
{
    return given ? *given : otherwise;
}

/* The defaults are the values of docs/gmplsd.example.yaml. */
static void take_over(struct document *document)
{
    const struct given_timers *given = &document->timers;

    document->config.log_level = document->log_level ? *document->log_level : LOG_INFO;
    document->config.timers = (struct config_timers) {.hello_ms = given_or(given->hello_ms, 1000),
                                                      .hello_miss = given_or(given->hello_miss, 3),
                                                      .refresh_ms = given_or(given->refresh_ms, 30000),
                                                      .retry_ms = given_or(given->retry_ms, 500),
                                                      .retries = given_or(given->retries, 3),
                                                      .restart_ms = given_or(given->restart_ms, 10000),
                                                      .recovery_ms = given_or(given->recovery_ms, 10000),
                                                      .setup_ms = given_or(given->setup_ms, 10000)};
}

struct config *config_load(const char *path, struct err *err)
{
    void *data;

    if (config_yaml_load(path, &document_schema, &data, err) < 0)
        return NULL;

    struct document *document = data;
    take_over(document);
    if (config_check(&document->config, err) < 0) {
        err_prefix(err, "%s", path);
        config_free(&document->config);
        return NULL;
    }
    return &document->config;
}

void config_free(struct config *config)
{
    config_yaml_free(&document_schema, config);
}
