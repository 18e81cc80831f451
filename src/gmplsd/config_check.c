/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "config/check.h"
#include "gmplsd/config.h"

#define VLAN_MAX 4094

static uint32_t check_ipv4(struct check *c, const char *path, const char *text)
{
    struct ip ip = check_ip(c, path, text);
    uint32_t address = (uint32_t) ip.bytes[0] << 24 | (uint32_t) ip.bytes[1] << 16 | (uint32_t) ip.bytes[2] << 8 |
                       ip.bytes[3];

    if (!c->status && (ip.family != IP_V4 || !address))
        refuse(c, path, "\"%s\" is not the IPv4 address of a node or an interface", text);
    return address;
}

static void check_bridge(struct check *c)
{
    const char *text = c->config->bridge.datapath_id;
    size_t n = strlen(text);

    for (size_t i = 0; i < n; i++)
        if (!isxdigit((unsigned char) text[i]))
            n = 0;
    c->config->bridge.dpid = n == 16 ? strtoull(text, NULL, 16) : 0;
    if (!c->config->bridge.dpid)
        refuse(c, "bridge.datapath-id", "\"%s\" is not the 16 hexadecimal digits of a datapath id", text);
}

static void check_pces(struct check *c)
{
    const struct config_endpoint *pces = c->config->pces;

    for (unsigned i = 0; i < c->config->pces_count; i++) {
        check_ip(c, path_of("pces", i, "address").text, pces[i].address);
        check_port(c, path_of("pces", i, "port").text, pces[i].port);
        for (unsigned j = 0; j < i; j++) /* RFC 5440 §4.2.1 has one session between two addresses */
            check_unlike(c, "pces", i, j, "address", pces[i].address, pces[j].address);
    }
}

static void check_te_link(struct check *c, unsigned i, struct config_te_link *link)
{
    link->local_address = check_ipv4(c, path_of("te-links", i, "local").text, link->local);
    link->remote_address = check_ipv4(c, path_of("te-links", i, "remote").text, link->remote);
    if (link->remote_router)
        link->remote_router_id = check_ipv4(c, path_of("te-links", i, "remote-router").text, link->remote_router);
    if (link->local_address == link->remote_address)
        refuse(c, path_of("te-links", i, "remote").text, "\"%s\" is the local address, too", link->remote);
    check_range(c, path_of("te-links", i, "bandwidth-mbps").text, link->bandwidth_mbps, 1, 1000000);
    check_first_last(c, path_of("te-links", i, "labels").text, link->labels.first, link->labels.last, NODE_LABEL_MIN,
                     NODE_LABEL_MAX);
}

static void check_te_links(struct check *c)
{
    struct config_te_link *links = c->config->te_links;

    for (unsigned i = 0; i < c->config->te_links_count; i++) {
        check_te_link(c, i, &links[i]);
        for (unsigned j = 0; j < i; j++) {
            check_unlike(c, "te-links", i, j, "name", links[i].name, links[j].name);
            check_unlike(c, "te-links", i, j, "port", links[i].port, links[j].port);
            check_unlike(c, "te-links", i, j, "interface", links[i].interface, links[j].interface);
            check_unlike(c, "te-links", i, j, "local", links[i].local, links[j].local);
            check_unlike(c, "te-links", i, j, "remote", links[i].remote, links[j].remote);
        }
    }
}

static void check_client(struct check *c, unsigned i, const struct config_client *client)
{
    struct path vlans = path_of("clients", i, "vlans");

    if (!client->id)
        refuse(c, path_of("clients", i, "id").text, "0 is no interface id");
    if (client->mode == NODE_CLIENT_VLAN && !client->vlans)
        refuse(c, vlans.text, "this key is missing, and a client of mode vlan needs it");
    if (client->mode == NODE_CLIENT_BRIDGE && client->vlans)
        refuse(c, vlans.text, "only a client of mode vlan has this key");
    if (client->vlans)
        check_first_last(c, vlans.text, client->vlans->first, client->vlans->last, 1, VLAN_MAX);
}

static void check_clients(struct check *c)
{
    const struct config *config = c->config;
    const struct config_client *clients = config->clients;

    for (unsigned i = 0; i < config->clients_count; i++) {
        check_client(c, i, &clients[i]);
        for (unsigned j = 0; j < i; j++) {
            check_unlike(c, "clients", i, j, "name", clients[i].name, clients[j].name);
            check_unlike(c, "clients", i, j, "port", clients[i].port, clients[j].port);
            if (clients[i].id == clients[j].id)
                refuse(c, path_of("clients", i, "id").text, "%u is the id of clients[%u] already", clients[i].id, j);
        }
        for (unsigned j = 0; j < config->te_links_count; j++)
            if (strcmp(clients[i].port, config->te_links[j].port) == 0)
                refuse(c, path_of("clients", i, "port").text, "\"%s\" is the port of te-links[%u] already",
                       clients[i].port, j);
    }
}

static void check_timers(struct check *c)
{
    const struct config_timers *timers = &c->config->timers;

    check_range(c, "timers.hello-ms", timers->hello_ms, 5, 600000);
    check_range(c, "timers.hello-miss", timers->hello_miss, 2, 100);
    check_range(c, "timers.refresh-ms", timers->refresh_ms, 100, 3600000);
    check_range(c, "timers.retry-ms", timers->retry_ms, 10, 60000);
    check_range(c, "timers.retries", timers->retries, 1, 16);
    check_range(c, "timers.restart-ms", timers->restart_ms, 0, 3600000);
    check_range(c, "timers.recovery-ms", timers->recovery_ms, 1, 3600000);
    check_range(c, "timers.setup-ms", timers->setup_ms, 100, 600000);
    check_range(c, "timers.link-hold-ms", timers->link_hold_ms, 0, 600000);
    check_range(c, "timers.client-hold-ms", timers->client_hold_ms, 0, 3600000);
    check_range(c, "timers.openflow-hold-ms", timers->openflow_hold_ms, 1000, 3600000);
}

int config_check(struct config *config, struct err *err)
{
    struct check c = {.config = config, .err = err};

    config->router = check_ipv4(&c, "router-id", config->router_id);
    check_endpoint(&c, "openflow", &config->openflow);
    check_bridge(&c);
    check_file(&c, "store", config->store);
    if (config->zebra_vty)
        check_socket(&c, "zebra-vty", config->zebra_vty);
    if (config->status)
        check_endpoint(&c, "status", config->status);
    check_pces(&c);
    check_te_links(&c);
    check_clients(&c);
    check_timers(&c);
    return c.status;
}
