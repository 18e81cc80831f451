/* SPDX-License-Identifier: Apache-2.0 */
/* Channels, users and transport networks as JSON. docs/openapi.yaml describes the same. */
#include <string.h>

#include "base/alloc.h"
#include "scgd/gateway.h"

#define MBPS 1000000

static json_t *router_id(uint32_t address)
{
    char text[16];

    return json_string(ipv4_format(address, text));
}

static json_t *view_configured(const struct gateway *gateway, const struct config_channel *channel)
{
    uint32_t booked = channel_booked_mbps(gateway, channel->name, NULL);

    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "name", channel->name, "kind", "configured", "state", "up",
                     "peer", channel->peer, "switch", channel->switch_name, "bandwidth-mbps",
                     (json_int_t) channel->bandwidth_mbps, "free-mbps",
                     (json_int_t) (booked < channel->bandwidth_mbps ? channel->bandwidth_mbps - booked : 0));
}

/* The nodes of the record of a route, with the labels by which frames enter each: from the ingress towards the egress,
 * and on the way back from the next one. */
static json_t *view_path(const struct gateway *gateway, const struct circuit *circuit)
{
    const struct lsp_route *record = &circuit->report.record;
    json_t *path = json_array(), *node = json_pack("{s:o}", "node", router_id(circuit->want.ingress));

    json_array_append_new(path, node);
    for (size_t i = 0; i < record->n; i++) {
        const struct lsp_hop *hop = &record->hops[i];

        if (hop->type == HOP_LABEL && node) {
            json_object_set_new(node, hop->upstream ? "upstream-label" : "label", json_integer(hop->label));
        } else if (hop->type == HOP_IPV4) {
            node = json_pack("{s:o, s:o}", "node", router_id(transport_node_at(gateway, hop->address)), "interface",
                             router_id(hop->address));
            json_array_append_new(path, node);
        } else {
            node = NULL; /* a client's port: the ends are told by their VLANs */
        }
    }
    return path;
}

json_t *view_circuit(const struct gateway *gateway, const struct circuit *circuit)
{
    static const char *const states[] = {"waiting", "setting-up", "up", "removing"};
    const struct lsp_request *want = &circuit->want;
    uint32_t mbps = (uint32_t) (want->bandwidth_bps / MBPS);
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:I, s:i, s:i, s:i}", "name", circuit->name, "kind",
        *circuit->user ? "user" : "migration", "state", states[circuit->state], "ingress", router_id(want->ingress),
        "egress", router_id(want->egress), "bandwidth-mbps", (json_int_t) mbps, "ingress-vlan",
        want->ingress_client.vlan == CLIENT_VLAN_NONE ? 0 : want->ingress_client.vlan, "egress-vlan",
        want->egress_client.vlan == CLIENT_VLAN_NONE ? 0 : want->egress_client.vlan, "priority", want->setup_priority);

    if (*circuit->user) {
        json_object_set_new(json, "user", json_string(circuit->user));
    } else {
        uint32_t booked = channel_booked_mbps(gateway, circuit->name, NULL);

        json_object_set_new(json, "peer", json_string(circuit->peer));
        json_object_set_new(json, "free-mbps", json_integer(booked < mbps ? mbps - booked : 0));
        json_object_set_new(json, "keep", json_boolean(circuit->keep));
    }
    if (circuit->state == CIRCUIT_UP)
        json_object_set_new(json, "path", view_path(gateway, circuit));
    if (circuit->err.code)
        json_object_set_new(json, "error", json_string(circuit->err.text));
    return json;
}

void view_channels(const struct gateway *gateway, json_t *array)
{
    for (unsigned i = 0; i < gateway->config->channels_count; i++)
        json_array_append_new(array, view_configured(gateway, &gateway->config->channels[i]));
    for (size_t i = 0; i < gateway->transport.n_circuits; i++)
        json_array_append_new(array, view_circuit(gateway, gateway->transport.circuits[i]));
}

void view_users(const struct gateway *gateway, json_t *array)
{
    for (size_t i = 0; i < gateway->transport.n_users; i++) {
        const struct user *user = &gateway->transport.users[i];
        const struct circuit *circuit = circuit_of_user(gateway, user->name);
        json_t *json = user_to_json(user);
        struct err err;

        if (user_check_access(gateway, user, &err) < 0)
            json_object_set_new(json, "error", json_string(err.text));
        if (circuit)
            json_object_set_new(json, "circuit", json_string(circuit->name));
        json_object_set_new(json, "connected", json_boolean(circuit && circuit->state == CIRCUIT_UP));
        json_array_append_new(array, json);
    }
}

static json_t *view_te_link(const struct te_link *link)
{
    json_t *unreserved = json_array();
    json_t *json = json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I}", "area", router_id(link->key.area), "from",
                             router_id(link->key.from), "to", router_id(link->to), "local",
                             router_id(link->key.local_ip), "remote", router_id(link->remote_ip), "metric",
                             (json_int_t) link->metric, "admin-group", (json_int_t) link->admin_group, "bandwidth-mbps",
                             (json_int_t) (link->max_bps / MBPS), "reservable-mbps",
                             (json_int_t) (link->reservable_bps / MBPS));

    for (unsigned p = 0; p < TE_PRIORITIES; p++)
        json_array_append_new(unreserved, json_integer((json_int_t) ((link->unreserved_bps[p] + MBPS / 2) / MBPS)));
    json_object_set_new(json, "unreserved-mbps", unreserved);
    if (link->delay_us != TE_DELAY_NONE)
        json_object_set_new(json, "delay-us", json_integer(link->delay_us));
    return json;
}

json_t *view_transport(const struct gateway *gateway)
{
    const struct transport *transport = &gateway->transport;
    json_t *links = json_array(), *ingresses = json_array();

    for (size_t i = 0; i < transport->ted.n_links; i++)
        json_array_append_new(links, view_te_link(&transport->ted.links[i]));
    for (size_t i = 0; i < transport->n_ingresses; i++)
        json_array_append_new(ingresses, router_id(transport->ingresses[i]));
    return json_pack("{s:b, s:o, s:o}", "synced", transport->ted_synced, "ingresses", ingresses, "links", links);
}
