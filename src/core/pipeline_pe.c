/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline of a PE towards the IP network: an anycast gateway made of flows. */
#include "core/pipeline.h"
#include "core/pipeline_flows.h"

#define ICMP_PROTOCOL 1
#define ICMP_ECHO 8
#define ICMP_ECHO_REPLY 0

static struct flow uplink_flow(const struct pipeline_uplink *uplink, uint16_t priority)
{
    struct flow flow = flow_make(PE_CLASSIFY, priority, pipeline_base_cookie());

    match_u(&flow.match, FIELD_IN_PORT, uplink->uplink_port);
    match_u(&flow.match, FIELD_VLAN_VID, 0);
    return flow;
}

/* From the uplink: ARP and what is for the routing daemon's address to it, other IP perhaps to VMs. */
static void from_uplink(struct flow_txn *txn, const struct pipeline_uplink *uplink)
{
    struct flow next_hop = uplink_flow(uplink, 110), arp = uplink_flow(uplink, 100);
    struct flow router = uplink_flow(uplink, 100), ip = uplink_flow(uplink, 90);

    match_ip(&next_hop.match, FIELD_ARP_SPA, &uplink->next_hop);
    match_u(&next_hop.match, FIELD_ARP_OP, ARP_REPLY);
    flow_to_controller(&next_hop);
    flow_output(&next_hop, uplink->router_port);
    flow_txn_add(txn, next_hop);

    match_u(&arp.match, FIELD_ETH_TYPE, ETH_TYPE_ARP);
    flow_output(&arp, uplink->router_port);
    flow_txn_add(txn, arp);

    match_ip(&router.match, FIELD_IPV4_DST, &uplink->router);
    flow_output(&router, uplink->router_port);
    flow_txn_add(txn, router);

    match_u(&ip.match, FIELD_ETH_TYPE, ETH_TYPE_IP);
    flow_goto(&ip, PE_ROUTE);
    flow_txn_add(txn, ip);
}

void pipeline_base_pe(struct flow_txn *txn, const struct pipeline_uplink *uplink, const struct pipeline_fabric *fabric)
{
    struct flow from_router = flow_make(PE_CLASSIFY, 100, pipeline_base_cookie());

    pipeline_base_begin(txn);
    from_uplink(txn, uplink);
    match_u(&from_router.match, FIELD_IN_PORT, uplink->router_port);
    flow_output(&from_router, uplink->uplink_port);
    flow_txn_add(txn, from_router);
    pipeline_miss(txn, PE_VLAN, PE_FABRIC);
    pipeline_base_fabric(txn, fabric, PE_VLAN, 0, PE_RETURN, PE_FABRIC);
}

static struct flow vlan_flow(const struct pipeline_segment *segment, uint16_t priority, uint64_t cookie)
{
    struct flow flow = flow_make(PE_VLAN, priority, cookie);

    match_u(&flow.match, FIELD_VLAN_VID, VLAN_PRESENT | segment->vlan);
    return flow;
}

static struct flow arp_request_flow(const struct pipeline_segment *segment, uint16_t priority, uint64_t cookie,
                                    const struct prefix *target)
{
    struct flow flow = vlan_flow(segment, priority, cookie);

    match_prefix(&flow.match, FIELD_ARP_TPA, FIELD_ARP_TPA, target);
    match_u(&flow.match, FIELD_ARP_OP, ARP_REQUEST);
    return flow;
}

/* To where the packet came from; in VPLS mode by the pseudowire to its new destination. */
static void send_back(struct flow *flow, const struct pipeline_segment *segment)
{
    if (segment->vpls)
        flow_goto(flow, PE_RETURN);
    else
        flow_output(flow, PORT_IN_PORT);
}

/* Turns an ARP request for 'target' into the reply that it is at the gateway's MAC, and sends it back. */
static void answer_arp(struct flow_txn *txn, const struct pipeline_segment *segment, uint16_t priority,
                       const struct prefix *target)
{
    struct flow flow = arp_request_flow(segment, priority, segment->cookie, target);

    flow_move(&flow, FIELD_ETH_SRC, FIELD_ETH_DST);
    flow_set_mac(&flow, FIELD_ETH_SRC, &segment->gateway_mac);
    flow_set_u(&flow, FIELD_ARP_OP, ARP_REPLY);
    flow_move(&flow, FIELD_ARP_SHA, FIELD_ARP_THA);
    flow_set_mac(&flow, FIELD_ARP_SHA, &segment->gateway_mac);
    flow_move(&flow, FIELD_ARP_TPA, FIELD_REG2);
    flow_move(&flow, FIELD_ARP_SPA, FIELD_ARP_TPA);
    flow_move(&flow, FIELD_REG2, FIELD_ARP_SPA);
    send_back(&flow, segment);
    flow_txn_add(txn, flow);
}

static struct flow to_gateway_flow(const struct pipeline_segment *segment, uint16_t priority)
{
    struct flow flow = vlan_flow(segment, priority, segment->cookie);

    match_mac(&flow.match, FIELD_ETH_DST, &segment->gateway_mac);
    match_u(&flow.match, FIELD_ETH_TYPE, ETH_TYPE_IP);
    return flow;
}

/* Pings of the gateway's address are answered; other IP to it is dropped. */
static void gateway_address(struct flow_txn *txn, const struct pipeline_segment *segment)
{
    struct flow ping = to_gateway_flow(segment, 200), other = to_gateway_flow(segment, 150);

    match_ip(&ping.match, FIELD_IPV4_DST, &segment->gateway);
    match_u(&ping.match, FIELD_IP_PROTO, ICMP_PROTOCOL);
    match_u(&ping.match, FIELD_ICMPV4_TYPE, ICMP_ECHO);
    flow_move(&ping, FIELD_ETH_SRC, FIELD_ETH_DST);
    flow_set_mac(&ping, FIELD_ETH_SRC, &segment->gateway_mac);
    flow_move(&ping, FIELD_IPV4_DST, FIELD_REG2);
    flow_move(&ping, FIELD_IPV4_SRC, FIELD_IPV4_DST);
    flow_move(&ping, FIELD_REG2, FIELD_IPV4_SRC);
    flow_set_u(&ping, FIELD_ICMPV4_TYPE, ICMP_ECHO_REPLY);
    send_back(&ping, segment);
    flow_txn_add(txn, ping);

    match_ip(&other.match, FIELD_IPV4_DST, &segment->gateway);
    flow_txn_add(txn, other);
}

void pipeline_segment_pe(struct flow_txn *txn, const struct pipeline_segment *segment)
{
    struct prefix gateway = prefix_of(&segment->gateway, 32);
    struct prefix subnet = prefix_of(&segment->gateway, segment->length);
    struct flow to_route = to_gateway_flow(segment, 100);
    struct flow route = flow_make(PE_ROUTE, 100, segment->cookie);

    pipeline_segment_remove(txn, segment);
    answer_arp(txn, segment, 200, &gateway);
    answer_arp(txn, segment, 100, &subnet);
    gateway_address(txn, segment);

    flow_set_u(&to_route, FIELD_REG0, segment->number);
    flow_add_action(&to_route, ACTION_POP_VLAN);
    flow_goto(&to_route, PE_ROUTE);
    flow_txn_add(txn, to_route);

    match_u(&route.match, FIELD_REG0, segment->number);
    match_u(&route.match, FIELD_ETH_TYPE, ETH_TYPE_IP);
    flow_add_action(&route, ACTION_DEC_TTL);
    flow_set_mac(&route, FIELD_ETH_SRC, &segment->gateway_mac);
    flow_goto(&route, PE_NEIGHBOUR);
    flow_txn_add(txn, route);
}

void pipeline_neighbour_pe(struct flow_txn *txn, const struct pipeline_uplink *uplink, const struct mac *next_hop_mac)
{
    uint64_t cookie = cookie_make(COOKIE_NEIGHBOUR, uplink->uplink_port);
    struct flow flow = flow_make(PE_NEIGHBOUR, 100, cookie);

    flow_txn_delete_cookie(txn, FLOW_TABLE_ALL, cookie, COOKIE_EXACT);
    if (!next_hop_mac)
        return;
    flow_set_mac(&flow, FIELD_ETH_DST, next_hop_mac);
    flow_output(&flow, uplink->uplink_port);
    flow_txn_add(txn, flow);
}

/* Nobody behind the transport port, or behind one circuit of it ('vlan' not 0), sends with this MAC. */
static void forbid_source(struct flow_txn *txn, uint64_t cookie, uint32_t transport_port, uint16_t vlan,
                          const struct mac *mac)
{
    struct flow flow = flow_make(PE_CLASSIFY, 150, cookie);

    match_u(&flow.match, FIELD_IN_PORT, transport_port);
    if (vlan)
        match_u(&flow.match, FIELD_VLAN_VID, VLAN_PRESENT | vlan);
    match_mac(&flow.match, FIELD_ETH_SRC, mac);
    flow_txn_add(txn, flow);
}

/* From the circuit to CLASSIFY. */
static struct flow circuit_flow(const struct pipeline_circuit *circuit, uint16_t priority)
{
    struct flow flow = flow_make(PE_CLASSIFY, priority, circuit->cookie);

    match_u(&flow.match, FIELD_IN_PORT, circuit->transport_port);
    match_u(&flow.match, FIELD_VLAN_VID, VLAN_PRESENT | circuit->vlan);
    return flow;
}

static void into_segment(struct flow_txn *txn, const struct pipeline_segment *segment, struct flow flow)
{
    flow_set_u(&flow, FIELD_VLAN_VID, VLAN_PRESENT | segment->vlan);
    flow_goto(&flow, PE_FABRIC);
    flow_txn_add(txn, flow);
}

static void into_circuit(struct flow_txn *txn, const struct pipeline_circuit *circuit, struct flow flow)
{
    flow_set_u(&flow, FIELD_VLAN_VID, VLAN_PRESENT | circuit->vlan);
    flow_output(&flow, circuit->transport_port);
    flow_txn_add(txn, flow);
}

/* The same for an address of IPv6: what it sends, what it asks and answers by neighbour discovery, what is for it, and
 * who asks for it. */
static void circuit_ipv6(struct flow_txn *txn, const struct pipeline_segment *segment,
                         const struct pipeline_circuit *circuit, const struct ip *address)
{
    struct flow in = circuit_flow(circuit, 100), asks = circuit_flow(circuit, 120), tells = circuit_flow(circuit, 120);
    struct flow out = vlan_flow(segment, 90, circuit->cookie), asked = vlan_flow(segment, 150, circuit->cookie);

    match_ip(&in.match, FIELD_IPV6_SRC, address);
    into_segment(txn, segment, in);
    match_nd(&asks.match, ND_SOLICITATION);
    match_u(&asks.match, FIELD_IP_TTL, ND_HOP_LIMIT);
    match_ip(&asks.match, FIELD_IPV6_SRC, address);
    into_segment(txn, segment, asks);
    match_nd(&tells.match, ND_ADVERTISEMENT);
    match_u(&tells.match, FIELD_IP_TTL, ND_HOP_LIMIT);
    match_ip(&tells.match, FIELD_IPV6_SRC, address);
    match_bytes(&tells.match, FIELD_ND_TARGET, address->bytes, NULL);
    into_segment(txn, segment, tells);

    match_ip(&out.match, FIELD_IPV6_DST, address);
    into_circuit(txn, circuit, out);
    match_nd(&asked.match, ND_SOLICITATION);
    match_bytes(&asked.match, FIELD_ND_TARGET, address->bytes, NULL);
    into_circuit(txn, circuit, asked);
}

/* Of no user, nor of a user's circuit: what only the segment's own infrastructure would send. */
static void circuit_refuse_ipv6(struct flow_txn *txn, const struct pipeline_circuit *circuit)
{
    for (unsigned i = 0; i < PIPELINE_INFRASTRUCTURE; i++) {
        struct flow flow = circuit_flow(circuit, 110);

        pipeline_match_infrastructure(&flow.match, i);
        flow_txn_add(txn, flow);
    }
}

/* From the circuit into the segment, and back, for one address of its user and one kind of packet. */
static void circuit_address(struct flow_txn *txn, const struct pipeline_segment *segment,
                            const struct pipeline_circuit *circuit, const struct ip *address, bool arp)
{
    struct flow in = circuit_flow(circuit, 100), out = vlan_flow(segment, arp ? 150 : 90, circuit->cookie);

    match_ip(&in.match, arp ? FIELD_ARP_SPA : FIELD_IPV4_SRC, address);
    into_segment(txn, segment, in);
    match_ip(&out.match, arp ? FIELD_ARP_TPA : FIELD_IPV4_DST, address);
    into_circuit(txn, circuit, out);
}

void pipeline_circuit_pe(struct flow_txn *txn, const struct pipeline_segment *segment,
                         const struct pipeline_circuit *circuit)
{
    bool ipv6 = false;

    pipeline_circuit_remove(txn, circuit->cookie);
    forbid_source(txn, circuit->cookie, circuit->transport_port, circuit->vlan, &segment->gateway_mac);
    for (unsigned i = 0; i < circuit->n_addresses; i++) {
        if (circuit->addresses[i].family == IP_V6) {
            circuit_ipv6(txn, segment, circuit, &circuit->addresses[i]);
            ipv6 = true;
            continue;
        }
        circuit_address(txn, segment, circuit, &circuit->addresses[i], false);
        circuit_address(txn, segment, circuit, &circuit->addresses[i], true);
    }
    if (ipv6)
        circuit_refuse_ipv6(txn, circuit);
}

void pipeline_circuit_remove(struct flow_txn *txn, uint64_t cookie)
{
    flow_txn_delete_cookie(txn, FLOW_TABLE_ALL, cookie, COOKIE_EXACT);
}

void pipeline_vm_pe(struct flow_txn *txn, const struct pipeline_segment *segment, const struct pipeline_vm *vm)
{
    struct prefix address = prefix_of(&vm->ip, 32);
    struct flow arp = arp_request_flow(segment, 150, vm->cookie, &address);
    struct flow route = flow_make(PE_ROUTE, 200, vm->cookie);

    pipeline_vm_remove(txn, vm);
    flow_goto(&arp, PE_FABRIC);
    flow_txn_add(txn, arp);
    if (vm->transport_port)
        forbid_source(txn, vm->cookie, vm->transport_port, 0, &vm->mac);

    match_ip(&route.match, FIELD_IPV4_DST, &vm->ip);
    flow_add_action(&route, ACTION_DEC_TTL);
    flow_set_mac(&route, FIELD_ETH_SRC, &segment->gateway_mac);
    flow_set_mac(&route, FIELD_ETH_DST, &vm->mac);
    flow_push_vlan(&route, segment->vlan);
    flow_goto(&route, PE_RETURN);
    flow_txn_add(txn, route);
}
