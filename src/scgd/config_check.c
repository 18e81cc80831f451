/* SPDX-License-Identifier: Apache-2.0 */
#include "scgd/config_check.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "config/check.h"
#include "model/inventory.h"
#include "model/ted.h"

static void check_uri(struct check *c, const char *path, const char *text)
{
    const char *scheme_end = strstr(text, "://");

    if (!scheme_end || scheme_end == text)
        refuse(c, path, "\"%s\" is not a libvirt URI such as qemu+tcp://10.0.0.1/system", text);
}

/* "tcp:ADDRESS:PORT" with IPv6 in brackets, or "unix:PATH". */
static void check_ovsdb(struct check *c, const char *path, const char *text)
{
    char address[IP_TEXT_SIZE + 1];
    struct ip ip;
    unsigned port;
    int end = 0;

    if (strncmp(text, "unix:", 5) == 0) {
        check_socket(c, path, text + 5);
        return;
    }
    bool v6 = sscanf(text, "tcp:[%46[^]]]:%5u%n", address, &port, &end) == 2;
    bool v4 = !v6 && sscanf(text, "tcp:%46[^]:[]:%5u%n", address, &port, &end) == 2;
    if ((!v6 && !v4) || text[end] || ip_parse(address, &ip) < 0 || (ip.family == IP_V6) != v6)
        refuse(c, path, "\"%s\" is neither tcp:ADDRESS:PORT nor unix:PATH", text);
    else
        check_port(c, path, port);
}

static void check_listeners(struct check *c)
{
    const struct config *config = c->config;
    const struct {
        const char *name;
        struct config_endpoint at;
    } listeners[] = {
        {"rest", config->rest},
        {"peer", {config->peer.address, config->peer.port}},
        {"openflow", config->openflow},
        {"transport.pcep", config->transport ? config->transport->pcep : (struct config_endpoint) {0}},
    };

    for (unsigned i = 0; i < ARRAY_LEN(listeners) && listeners[i].at.address; i++) {
        const struct config_endpoint *at = &listeners[i].at;

        check_endpoint(c, listeners[i].name, at);
        for (unsigned j = 0; j < i; j++)
            if (at->port == listeners[j].at.port && strcmp(at->address, listeners[j].at.address) == 0)
                refuse(c, path_in(listeners[i].name, "port").text, "%u on %s is what %s listens on already", at->port,
                       at->address, listeners[j].name);
    }
    check_file(c, "peer.ca", config->peer.ca);
    check_file(c, "peer.certificate", config->peer.certificate);
    check_file(c, "peer.key", config->peer.key);
}

static void check_ovsdbs(struct check *c)
{
    char *const *ovsdb = c->config->ovsdb;

    for (unsigned i = 0; i < c->config->ovsdb_count; i++) {
        struct path path;

        snprintf(path.text, sizeof path.text, "ovsdb[%u]", i);
        check_ovsdb(c, path.text, ovsdb[i]);
        for (unsigned j = 0; j < i; j++)
            if (strcmp(ovsdb[i], ovsdb[j]) == 0)
                refuse(c, path.text, "\"%s\" is ovsdb[%u] already", ovsdb[i], j);
    }
}

static void check_servers(struct check *c)
{
    const struct config_server *servers = c->config->servers;

    for (unsigned i = 0; i < c->config->servers_count; i++) {
        for (unsigned j = 0; j < i; j++) {
            check_unlike(c, "servers", i, j, "name", servers[i].name, servers[j].name);
            check_unlike(c, "servers", i, j, "uri", servers[i].uri, servers[j].uri);
        }
        check_uri(c, path_of("servers", i, "uri").text, servers[i].uri);
        check_uri(c, path_of("servers", i, "migration-uri").text, servers[i].migration_uri);
        check_ip(c, path_of("servers", i, "migration-address").text, servers[i].migration_address);
    }
}

/* A router id and a client port, or neither. */
static void check_attachment(struct check *c, const char *list, unsigned index, struct config_attachment *transport)
{
    struct path router_id = path_of(list, index, "transport-router-id");

    if (transport->router_id && (ipv4_parse(transport->router_id, &transport->router) < 0 || transport->router == 0))
        refuse(c, router_id.text, "\"%s\" is not a router id such as 10.253.0.11", transport->router_id);
    if (!transport->router_id && transport->client)
        refuse(c, router_id.text, "this key is missing, and transport-client needs it");
    if (transport->router_id && !transport->client)
        refuse(c, path_of(list, index, "transport-client").text,
               "this key is missing or 0; it is the id of the client port at %s", transport->router_id);
}

static void check_peers(struct check *c)
{
    struct config_peer *peers = c->config->peers;

    for (unsigned i = 0; i < c->config->peers_count; i++) {
        if (strcmp(peers[i].dc, c->config->dc) == 0)
            refuse(c, path_of("peers", i, "dc").text, "\"%s\" is this data center itself", peers[i].dc);
        for (unsigned j = 0; j < i; j++) {
            check_unlike(c, "peers", i, j, "dc", peers[i].dc, peers[j].dc);
            if (strcmp(peers[i].address, peers[j].address) == 0 && peers[i].port == peers[j].port)
                refuse(c, path_of("peers", i, "address").text, "\"%s\" port %u is that of peers[%u] already",
                       peers[i].address, peers[i].port, j);
        }
        check_ip(c, path_of("peers", i, "address").text, peers[i].address);
        check_port(c, path_of("peers", i, "port").text, peers[i].port);
        check_attachment(c, "peers", i, &peers[i].transport);
    }
}

static void parse_segment(struct check *c, unsigned index, struct config_segment *segment)
{
    struct path gateway = path_of("segments", index, "gateway"), mac = path_of("segments", index, "gateway-mac");
    static const struct mac zero;

    if (!strchr(segment->gateway, '/') ||
        ip_with_length_parse(segment->gateway, &segment->gateway_ip, &segment->length) < 0) {
        refuse(c, gateway.text, "\"%s\" is not ADDRESS/LENGTH such as 10.100.0.1/24", segment->gateway);
        return;
    }

    unsigned host_bits = ip_bits(segment->gateway_ip.family) - segment->length;
    struct prefix network = prefix_of(&segment->gateway_ip, segment->length);
    if (!segment->length || host_bits < 2)
        refuse(c, gateway.text, "\"%s\" is no prefix that a segment of VMs could have", segment->gateway);
    if (ip_equal(&network.ip, &segment->gateway_ip))
        refuse(c, gateway.text, "\"%s\" is the address of the network itself, not of a gateway in it",
               segment->gateway);
    if (prefix_place(&network, &segment->gateway_ip) == PREFIX_BROADCAST)
        refuse(c, gateway.text, "\"%s\" is the broadcast address of the network, not of a gateway in it",
               segment->gateway);
    if (mac_parse(segment->gateway_mac, &segment->mac) < 0)
        refuse(c, mac.text, "\"%s\" is not a MAC address such as 02:00:00:00:00:01", segment->gateway_mac);
    if ((segment->mac.bytes[0] & 1) || mac_equal(&segment->mac, &zero))
        refuse(c, mac.text, "\"%s\" is not the address of one station", segment->gateway_mac);
}

static void check_segments(struct check *c)
{
    struct config_segment *segments = c->config->segments;

    for (unsigned i = 0; i < c->config->segments_count; i++) {
        parse_segment(c, i, &segments[i]);
        for (unsigned j = 0; j < i && !c->status; j++) {
            uint8_t shorter = segments[i].length < segments[j].length ? segments[i].length : segments[j].length;
            struct prefix wider = prefix_of(&segments[i].gateway_ip, shorter);

            check_unlike(c, "segments", i, j, "name", segments[i].name, segments[j].name);
            if (prefix_contains(&wider, &segments[j].gateway_ip))
                refuse(c, path_of("segments", i, "gateway").text, "\"%s\" overlaps \"%s\" of segments[%u]",
                       segments[i].gateway, segments[j].gateway, j);
        }
    }
}

static void check_vlans(struct check *c)
{
    const struct config *config = c->config;

    check_first_last(c, "vlans", config->vlan_first, config->vlan_last, 1, 4094);
}

static void check_metrics(struct check *c)
{
    const struct config_link_metric *metrics = c->config->vpls->metrics;

    for (unsigned i = 0; i < c->config->vpls->metrics_count; i++) {
        check_range(c, path_of("vpls.metrics", i, "metric").text, metrics[i].metric, 1, 65535);
        if (strcmp(metrics[i].from, metrics[i].to) == 0)
            refuse(c, path_of("vpls.metrics", i, "to").text, "\"%s\" is the switch at the other end, too",
                   metrics[i].to);
        for (unsigned j = 0; j < i; j++)
            if ((strcmp(metrics[i].from, metrics[j].from) == 0 && strcmp(metrics[i].to, metrics[j].to) == 0) ||
                (strcmp(metrics[i].from, metrics[j].to) == 0 && strcmp(metrics[i].to, metrics[j].from) == 0))
                refuse(c, path_of("vpls.metrics", i, "to").text,
                       "the metric between \"%s\" and \"%s\" is that of vpls.metrics[%u] already", metrics[i].from,
                       metrics[i].to, j);
    }
}

static void check_mode(struct check *c)
{
    const struct config_vpls *vpls = c->config->vpls;

    if (c->config->mode == MODE_VPLS && !vpls)
        refuse(c, "vpls", "this section is missing, and 'mode: vpls' needs it, for the labels");
    if (c->config->mode != MODE_VPLS && vpls)
        refuse(c, "vpls", "this section is of no use without 'mode: vpls'");
    if (c->status || !vpls)
        return;
    check_range(c, "vpls.labels.first", vpls->labels.first, 16, 1048575); /* RFC 3032 §2.1 */
    check_range(c, "vpls.labels.last", vpls->labels.last, 16, 1048575);
    if (vpls->labels.first > vpls->labels.last)
        refuse(c, "vpls.labels.last", "%u is less than vpls.labels.first, which is %u", vpls->labels.last,
               vpls->labels.first);
    check_metrics(c);
}

/* The members that an edge has if and only if it leads to the IP network. */
static void check_router(struct check *c, unsigned index, struct config_edge *edge)
{
    const struct {
        const char *member, *value;
    } members[] = {{"router-port", edge->router_port}, {"router", edge->router}, {"next-hop", edge->next_hop}};

    for (unsigned i = 0; i < 3; i++) {
        struct path path = path_of("edges", index, members[i].member);

        if (edge->role == EDGE_IP && !members[i].value)
            refuse(c, path.text, "this key is missing, and an edge of role ip needs it");
        if (edge->role != EDGE_IP && members[i].value)
            refuse(c, path.text, "\"%s\": only an edge of role ip has this key", members[i].value);
    }
    if (edge->role != EDGE_IP || c->status)
        return;

    struct path next_hop = path_of("edges", index, "next-hop");
    edge->router_ip = check_ip(c, path_of("edges", index, "router").text, edge->router);
    edge->next_hop_ip = check_ip(c, next_hop.text, edge->next_hop);
    if (edge->router_ip.family != edge->next_hop_ip.family)
        refuse(c, next_hop.text, "\"%s\" and the router \"%s\" are of different IP versions", edge->next_hop,
               edge->router);
    if (ip_equal(&edge->router_ip, &edge->next_hop_ip))
        refuse(c, next_hop.text, "\"%s\" is the router itself", edge->next_hop);
    if (edge->uplink_port && strcmp(edge->router_port, edge->uplink_port) == 0)
        refuse(c, path_of("edges", index, "router-port").text, "\"%s\" is the uplink-port too", edge->router_port);
}

static void check_transport_edge(struct check *c, unsigned index, struct config_edge *edge)
{
    struct path port = path_of("edges", index, "transport-port");

    check_attachment(c, "edges", index, &edge->transport);
    if (!edge->transport_port && edge->transport.router_id)
        refuse(c, port.text, "this key is missing, and transport-router-id needs it");
    if (edge->transport_port && !edge->transport.router_id)
        refuse(c, path_of("edges", index, "transport-router-id").text,
               "this key is missing, and transport-port needs it");
    if (edge->transport_port && !c->config->transport)
        refuse(c, port.text, "\"%s\" is of no use without the section 'transport'", edge->transport_port);
    if (!edge->uplink_port && (edge->role == EDGE_IP || !edge->transport_port))
        refuse(c, path_of("edges", index, "uplink-port").text, "this key is missing, and %s",
               edge->role == EDGE_IP ? "an edge of role ip needs it" : "there is no transport-port either");
    if (edge->transport_port && edge->uplink_port && strcmp(edge->transport_port, edge->uplink_port) == 0)
        refuse(c, port.text, "\"%s\" is the uplink-port too", edge->transport_port);
    if (edge->transport_port && edge->router_port && strcmp(edge->transport_port, edge->router_port) == 0)
        refuse(c, port.text, "\"%s\" is the router-port too", edge->transport_port);
    if (edge->role == EDGE_IP && edge->migration_mbps)
        refuse(c, path_of("edges", index, "migration-mbps").text, "only an edge of role inter-dc has this key");
    if (edge->role == EDGE_INTER_DC)
        check_range(c, path_of("edges", index, "migration-mbps").text, edge->migration_mbps, 1, 1000000);
}

static void check_edges(struct check *c)
{
    struct config_edge *edges = c->config->edges;

    for (unsigned i = 0; i < c->config->edges_count; i++) {
        for (unsigned j = 0; j < i; j++) {
            if (strcmp(edges[i].switch_name, edges[j].switch_name) != 0)
                continue;
            if (edges[i].role == edges[j].role)
                refuse(c, path_of("edges", i, "switch").text, "\"%s\" has this role in edges[%u] already",
                       edges[i].switch_name, j);
            if (edges[i].uplink_port && edges[j].uplink_port)
                check_unlike(c, "edges", i, j, "uplink-port", edges[i].uplink_port, edges[j].uplink_port);
        }
        check_router(c, i, &edges[i]);
        check_transport_edge(c, i, &edges[i]);
        for (unsigned j = 0; j < i; j++) {
            if (edges[i].transport.router && edges[i].transport.router == edges[j].transport.router &&
                edges[i].transport.client == edges[j].transport.client)
                refuse(c, path_of("edges", i, "transport-client").text, "%u at %s is that of edges[%u] already",
                       edges[i].transport.client, edges[i].transport.router_id, j);
        }
    }
}

static bool has_peer(const struct config *config, const char *dc)
{
    for (unsigned i = 0; i < config->peers_count; i++)
        if (strcmp(config->peers[i].dc, dc) == 0)
            return true;
    return false;
}

static bool has_inter_dc_edge(const struct config *config, const char *switch_name)
{
    for (unsigned i = 0; i < config->edges_count; i++)
        if (config->edges[i].role == EDGE_INTER_DC && config->edges[i].uplink_port &&
            strcmp(config->edges[i].switch_name, switch_name) == 0)
            return true;
    return false;
}

static void check_channels(struct check *c)
{
    const struct config_channel *channels = c->config->channels;

    for (unsigned i = 0; i < c->config->channels_count; i++) {
        for (unsigned j = 0; j < i; j++)
            check_unlike(c, "channels", i, j, "name", channels[i].name, channels[j].name);
        if (!has_peer(c->config, channels[i].peer))
            refuse(c, path_of("channels", i, "peer").text, "\"%s\" is not the dc of any of the peers",
                   channels[i].peer);
        if (!has_inter_dc_edge(c->config, channels[i].switch_name))
            refuse(c, path_of("channels", i, "switch").text,
                   "\"%s\" is not the switch of any edge of role inter-dc with an uplink-port",
                   channels[i].switch_name);
        check_range(c, path_of("channels", i, "bandwidth-mbps").text, channels[i].bandwidth_mbps, 1, 1000000);
    }
}

static void check_transport(struct check *c)
{
    const struct config_transport *transport = c->config->transport;

    if (!transport)
        return;
    check_endpoint(c, "transport.ospf-api", &transport->ospf_api);
}

static void check_limits(struct check *c)
{
    const struct config *config = c->config;

    check_range(c, "limits.migrations", config->limits.migrations, 1, 1000);
    check_range(c, "limits.vms-per-order", config->limits.vms_per_order, 1, 1000);
    check_range(c, "limits.transfers", config->limits.transfers, 1, 100);
    check_range(c, "limits.message-bytes", config->limits.message_bytes, 4096, 64 * 1024 * 1024);
    check_range(c, "timeouts.peer", config->timeouts.peer, 1, 3600);
    check_range(c, "timeouts.transfer", config->timeouts.transfer, 1, 86400);
    check_range(c, "timeouts.switch", config->timeouts.switch_, 1, 3600);
    check_range(c, "history.migrations", config->history.migrations, 10, 1000000);
    check_range(c, "drift.interval", config->drift.interval, 0, 86400);
}

int config_check(struct config *config, struct err *err)
{
    struct check c = {.config = config, .err = err};

    check_listeners(&c);
    check_ovsdbs(&c);
    check_file(&c, "store", config->store);
    check_socket(&c, "routes.socket", config->routes.socket);
    check_file(&c, "routes.include", config->routes.include);
    check_servers(&c);
    check_peers(&c);
    check_segments(&c);
    check_vlans(&c);
    check_mode(&c);
    check_edges(&c);
    check_channels(&c);
    check_transport(&c);
    check_limits(&c);
    return c.status;
}
