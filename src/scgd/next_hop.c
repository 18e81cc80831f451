/* SPDX-License-Identifier: Apache-2.0 */
/* The MAC address of the PE's next hop towards the IP network, which the gateway asks for by ARP. It is kept in the
 * store: a gateway that starts brings the PE to what it shall hold before there can be an answer, and the PE must not
 * drop meanwhile what VMs send. */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/gateway.h"

#define KIND "next-hop" /* of documents in the store, by the PE's name */
#define PROBE_UNKNOWN_MS 1000
#define PROBE_KNOWN_MS 30000

const struct mac *next_hop_mac(const struct gateway *gateway)
{
    const struct next_hop *hop = &gateway->network.next_hop;

    return mac_equal(&hop->mac, &(struct mac) {0}) ? NULL : &hop->mac;
}

/* What is stored of another address, or another PE, says nothing. */
static bool load(void *arg, const char *pe, const char *text)
{
    struct gateway *gateway = arg;
    const struct config_edge *edge = network_edge_config(gateway, EDGE_IP);
    const char *address = NULL, *at = NULL;
    struct mac mac;
    struct ip ip;

    if (!edge || strcmp(pe, edge->switch_name) != 0)
        return true;

    json_t *json = json_loads(text, 0, NULL);
    if (json_unpack(json, "{s:s, s:s}", "address", &address, "mac", &at) == 0 && ip_parse(address, &ip) == 0 &&
        mac_parse(at, &mac) == 0) {
        if (ip_equal(&ip, &edge->next_hop_ip))
            gateway->network.next_hop.mac = mac;
    } else {
        log_error(FAULT_OURS, pe, "what the store knows of the next hop is damaged, and is asked for again");
    }
    json_decref(json);
    return false;
}

int next_hop_load(struct gateway *gateway, struct err *err)
{
    return store_document_each(gateway->store, KIND, load, gateway, err);
}

static int keep(struct gateway *gateway, const struct config_edge *edge, const char *mac, struct err *err)
{
    char address[IP_TEXT_SIZE];
    json_t *json = json_pack("{s:s, s:s}", "address", ip_format(&edge->next_hop_ip, address), "mac", mac);

    return gateway_keep(gateway, KIND, edge->switch_name, json, err);
}

void next_hop_packet(struct gateway *gateway, const struct event *event)
{
    struct next_hop *hop = &gateway->network.next_hop;
    const struct config_edge *edge = network_edge_config(gateway, EDGE_IP);
    const struct switch_info *pe = network_edge(gateway, SWITCH_ROLE_PE, NULL);
    struct pipeline_uplink uplink;
    struct mac mac;
    struct ip ip;

    if (!pe || strcmp(event->name, pe->name) != 0 || presence_uplink(gateway, pe, &uplink, NULL) < 0 ||
        pipeline_arp_reply(event->packet.frame, event->packet.size, &mac, &ip) < 0 ||
        !ip_equal(&ip, &edge->next_hop_ip))
        return;
    hop->probe_at = mono_add(gateway->now, PROBE_KNOWN_MS);
    hop->answered = true;
    if (mac_equal(&mac, &hop->mac))
        return;
    hop->mac = mac;

    char text[MAC_TEXT_SIZE];
    struct flow_txn txn = {0};
    struct join *join = network_background_join();
    struct err err = {0};

    log_info(pe->name, "next hop %s is at %s", edge->next_hop, mac_format(&mac, text));
    if (keep(gateway, edge, text, &err) < 0)
        log_error(FAULT_OURS, pe->name, "the next hop's MAC address cannot be kept: %s", err.text);
    pipeline_neighbour_pe(&txn, &uplink, &mac);
    network_apply(gateway, pe, &txn, join);
    join_close(gateway, join);
}

void next_hop_probe(struct gateway *gateway)
{
    struct network *network = &gateway->network;
    const struct config_edge *edge = network_edge_config(gateway, EDGE_IP);
    const struct switch_info *pe = network_edge(gateway, SWITCH_ROLE_PE, NULL);
    struct pipeline_uplink uplink;
    uint8_t frame[ARP_FRAME_SIZE];

    if (!pe || presence_uplink(gateway, pe, &uplink, NULL) < 0 || gateway->config->segments_count == 0) {
        network->next_hop.probe_at = MONO_NEVER; /* the PE's coming sets it again */
        return;
    }
    network->next_hop.probe_at = mono_add(gateway->now, network->next_hop.answered ? PROBE_KNOWN_MS : PROBE_UNKNOWN_MS);
    pipeline_arp_probe(&network->segments[0].flows.gateway_mac, &edge->next_hop_ip, frame);
    gateway->south.switches->ops->packet_out(gateway->south.switches, pe->name, uplink.uplink_port, frame,
                                             sizeof frame);
}
