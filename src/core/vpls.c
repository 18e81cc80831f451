/* SPDX-License-Identifier: Apache-2.0 */
#include "core/vpls.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/pipeline_flows.h"

#define TUNNEL_TTL 255 /* RFC 3443 §3.2: the pipe's own */
#define VC_TTL 2       /* enough for the far end, and no further */

enum {
    PRIORITY_NEVER = 300,
    PRIORITY_END = 200,
    PRIORITY_KNOWN = 200,
    PRIORITY_EXPIRED = 150,
    PRIORITY_USER = 150,
    PRIORITY_REST = 100
};

/* Base */

static void drop_expired(struct flow_txn *txn, uint8_t ttl)
{
    struct flow flow = flow_make(VPLS_LABEL, ttl ? PRIORITY_EXPIRED : PRIORITY_NEVER, pipeline_base_cookie());

    match_u(&flow.match, FIELD_ETH_TYPE, ETH_TYPE_MPLS);
    match_u(&flow.match, FIELD_MPLS_TTL, ttl);
    flow_txn_add(txn, flow);
}

static void from_fabric(struct flow_txn *txn, const uint32_t *port, uint32_t origin)
{
    struct flow flow = flow_make(0, 100, pipeline_base_cookie());

    if (port)
        match_u(&flow.match, FIELD_IN_PORT, *port);
    match_u(&flow.match, FIELD_ETH_TYPE, ETH_TYPE_MPLS);
    match_u(&flow.match, FIELD_VLAN_VID, 0);
    if (origin)
        flow_set_u(&flow, FIELD_REG1, origin);
    flow_goto(&flow, VPLS_LABEL);
    flow_txn_add(txn, flow);
}

void vpls_base(struct flow_txn *txn, const struct pipeline_fabric *fabric, uint32_t origin)
{
    drop_expired(txn, 0);
    drop_expired(txn, 1);
    for (size_t i = 0; i < fabric->n; i++)
        from_fabric(txn, &fabric->ports[i], origin);
}

void vpls_base_p(struct flow_txn *txn)
{
    drop_expired(txn, 0);
    drop_expired(txn, 1);
    from_fabric(txn, NULL, 0);
}

/* What may not enter a pseudowire: what came by one, and MPLS. */
static void drop_at_entry(struct flow_txn *txn, uint8_t table)
{
    static const uint16_t mpls[] = {ETH_TYPE_MPLS, ETH_TYPE_MPLS_MULTICAST};
    struct flow horizon = flow_make(table, PRIORITY_NEVER, pipeline_base_cookie());

    match_u(&horizon.match, FIELD_REG5, 1);
    flow_txn_add(txn, horizon);
    for (unsigned i = 0; i < 2; i++) {
        struct flow flow = flow_make(table, PRIORITY_NEVER - 10, pipeline_base_cookie());

        match_u(&flow.match, FIELD_ETH_TYPE, mpls[i]);
        flow_txn_add(txn, flow);
    }
}

void vpls_base_edge(struct flow_txn *txn, uint8_t turn, uint8_t fabric)
{
    struct flow from_gateway = flow_make(0, 100, pipeline_base_cookie());
    struct flow back = flow_make(turn, 0, pipeline_base_cookie());

    match_u(&from_gateway.match, FIELD_IN_PORT, PORT_CONTROLLER);
    match_u_masked(&from_gateway.match, FIELD_VLAN_VID, VLAN_PRESENT, VLAN_PRESENT);
    flow_goto(&from_gateway, fabric);
    flow_txn_add(txn, from_gateway);

    flow_set_u(&back, FIELD_REG5, 0);
    flow_goto(&back, fabric);
    flow_txn_add(txn, back);
    drop_at_entry(txn, fabric);
}

/* Tunnels */

static void to_next_hop(struct flow *flow, uint32_t label, uint32_t port)
{
    const struct mac source = {{0x02, 0x5c, 0x4d, 0x50, (uint8_t) (port >> 8), (uint8_t) port}};

    flow_set_u(flow, FIELD_MPLS_LABEL, label);
    flow_set_u(flow, FIELD_MPLS_TC, 0);
    flow_set_mac(flow, FIELD_ETH_SRC, &source);
    flow_set_mac(flow, FIELD_ETH_DST, &flow_mpls_next_hop);
    flow_output(flow, port);
}

static struct flow labelled(uint64_t cookie, uint16_t priority, uint32_t label)
{
    struct flow flow = flow_make(VPLS_LABEL, priority, cookie);

    match_u(&flow.match, FIELD_ETH_TYPE, ETH_TYPE_MPLS);
    match_u(&flow.match, FIELD_MPLS_LABEL, label);
    match_u(&flow.match, FIELD_MPLS_BOS, 0);
    return flow;
}

void vpls_tunnel_head(struct flow_txn *txn, uint64_t cookie, uint32_t end, uint32_t out_label, uint32_t out_port)
{
    struct flow flow = flow_make(VPLS_TUNNEL, PRIORITY_REST, cookie);

    vpls_tunnel_remove(txn, cookie);
    match_u(&flow.match, FIELD_REG4, end);
    match_u(&flow.match, FIELD_ETH_TYPE, ETH_TYPE_MPLS);
    flow_set_u(&flow, FIELD_MPLS_TTL, TUNNEL_TTL);
    /* What the PE answers and routes may leave by the port that it came by. */
    flow_set_u(&flow, FIELD_IN_PORT, PORT_NONE);
    to_next_hop(&flow, out_label, out_port);
    flow_txn_add(txn, flow);
}

void vpls_tunnel_transit(struct flow_txn *txn, uint64_t cookie, uint32_t in_label, uint32_t out_label,
                         uint32_t out_port)
{
    struct flow flow = labelled(cookie, PRIORITY_REST, in_label);

    vpls_tunnel_remove(txn, cookie);
    flow_add_action(&flow, ACTION_DEC_MPLS_TTL);
    to_next_hop(&flow, out_label, out_port);
    flow_txn_add(txn, flow);
}

void vpls_tunnel_tail(struct flow_txn *txn, uint64_t cookie, uint32_t in_label)
{
    struct flow flow = labelled(cookie, PRIORITY_END, in_label);

    vpls_tunnel_remove(txn, cookie);
    flow_add_action(&flow, ACTION_POP_MPLS)->ethertype = ETH_TYPE_MPLS;
    flow_goto(&flow, VPLS_VC);
    flow_txn_add(txn, flow);
}

void vpls_tunnel_remove(struct flow_txn *txn, uint64_t cookie)
{
    flow_txn_delete_cookie(txn, FLOW_TABLE_ALL, cookie, COOKIE_EXACT);
}

/* Segments */

static void from_pseudowire(struct flow_txn *txn, const struct pipeline_segment *segment, uint32_t label, uint8_t vlan)
{
    struct flow decap = flow_make(VPLS_VC, PRIORITY_REST, segment->cookie);
    struct flow deliver = flow_make(VPLS_DELIVER, PRIORITY_REST, segment->cookie);

    match_u(&decap.match, FIELD_ETH_TYPE, ETH_TYPE_MPLS);
    match_u(&decap.match, FIELD_MPLS_LABEL, label);
    match_u(&decap.match, FIELD_MPLS_BOS, 1);
    flow_set_u(&decap, FIELD_REG0, segment->number);
    flow_set_u(&decap, FIELD_REG5, 1);
    flow_add_action(&decap, ACTION_DECAP)->packet_type = PACKET_TYPE_NEXT;
    flow_add_action(&decap, ACTION_DECAP)->packet_type = PACKET_TYPE_ETHERNET;
    flow_goto(&decap, VPLS_DELIVER);
    flow_txn_add(txn, decap);

    match_u(&deliver.match, FIELD_REG0, segment->number);
    flow_push_vlan(&deliver, segment->vlan);
    flow_add_action(&deliver, ACTION_RESUBMIT)->table = vlan;
    flow_txn_add(txn, deliver);
}

static struct flow to_pseudowires(const struct pipeline_segment *segment, uint8_t fabric, uint16_t priority)
{
    struct flow flow = flow_make(fabric, priority, segment->cookie);

    match_u(&flow.match, FIELD_VLAN_VID, VLAN_PRESENT | segment->vlan);
    flow_add_action(&flow, ACTION_POP_VLAN);
    return flow;
}

/* encap(mpls) takes TTL and TC from an IP packet: both are set. The decap comes after all is done, for the sake of
 * frames that TUNNEL did not send: core/vpls.h, traps. */
static void enter_pseudowire(struct flow *flow, const struct vpls_peer *peer)
{
    flow_add_action(flow, ACTION_ENCAP)->packet_type = PACKET_TYPE_MPLS;
    flow_set_u(flow, FIELD_MPLS_LABEL, peer->label);
    flow_set_u(flow, FIELD_MPLS_TC, 0);
    flow_set_u(flow, FIELD_MPLS_TTL, VC_TTL);
    flow_add_action(flow, ACTION_ENCAP)->packet_type = PACKET_TYPE_MPLS;
    flow_add_action(flow, ACTION_ENCAP)->packet_type = PACKET_TYPE_ETHERNET;
    flow_set_u(flow, FIELD_REG4, peer->end);
    flow_add_action(flow, ACTION_RESUBMIT)->table = VPLS_TUNNEL;
    flow_add_action(flow, ACTION_DECAP)->packet_type = PACKET_TYPE_NEXT;
}

/* Adds the flow with its way to one end, if that is a peer. */
static void to_end(struct flow_txn *txn, struct flow flow, const struct vpls_instance *instance, uint32_t end)
{
    for (size_t i = 0; i < instance->n_peers; i++) {
        if (instance->peers[i].end == end) {
            enter_pseudowire(&flow, &instance->peers[i]);
            flow_txn_add(txn, flow);
            return;
        }
    }
    flow_free(&flow);
}

static void flood(struct flow_txn *txn, const struct pipeline_segment *segment, const struct vpls_instance *instance,
                  uint8_t fabric)
{
    struct flow flow = to_pseudowires(segment, fabric, PRIORITY_REST);

    for (size_t i = 0; i < instance->n_peers; i++) {
        uint16_t clone = flow_clone_begin(&flow);

        enter_pseudowire(&flow, &instance->peers[i]);
        flow_clone_end(&flow, clone);
    }
    flow_txn_add(txn, flow);
}

void vpls_segment(struct flow_txn *txn, const struct pipeline_segment *segment, const struct vpls_instance *instance)
{
    uint8_t fabric = instance->edge == VPLS_TOR ? TOR_FABRIC : PE_FABRIC;

    if (instance->n_peers > VPLS_PEERS_MAX) {
        fprintf(stderr, "vpls: %zu far ends of a segment; at most %d fit a flow\n", instance->n_peers, VPLS_PEERS_MAX);
        abort();
    }
    from_pseudowire(txn, segment, instance->label, instance->edge == VPLS_TOR ? TOR_VLAN : PE_VLAN);
    flood(txn, segment, instance, fabric);
    for (size_t i = 0; i < instance->n_known; i++) {
        struct flow flow = to_pseudowires(segment, fabric, PRIORITY_KNOWN);

        match_mac(&flow.match, FIELD_ETH_DST, &instance->known[i].mac);
        to_end(txn, flow, instance, instance->known[i].end);
    }
    for (size_t i = 0; i < instance->n_users; i++) {
        struct flow flow = to_pseudowires(segment, fabric, PRIORITY_USER);

        bool v6 = instance->users[i].ip.family == IP_V6;

        match_ip(&flow.match, v6 ? FIELD_IPV6_DST : FIELD_IPV4_DST, &instance->users[i].ip);
        to_end(txn, flow, instance, instance->users[i].end);
    }
}
