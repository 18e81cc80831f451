/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline of a ToR. */
#include <stdlib.h>

#include "base/alloc.h"
#include "core/pipeline.h"
#include "core/pipeline_flows.h"
#include "core/policy.h"

#define ICMPV6_PROTOCOL 58
#define ND_SOLICITATION 135 /* types of ICMPv6, RFC 4861 §4.3, §4.4 */
#define ND_ADVERTISEMENT 136

static void match_nd(struct flow_match *match, uint8_t type)
{
    match_u(match, FIELD_ETH_TYPE, ETH_TYPE_IPV6);
    match_u(match, FIELD_IP_PROTO, ICMPV6_PROTOCOL);
    match_u(match, FIELD_ICMPV6_TYPE, type);
    match_u(match, FIELD_ICMPV6_CODE, 0);
}

void pipeline_base_tor(struct flow_txn *txn, const uint32_t *server_ports, size_t n_server_ports,
                       const struct pipeline_fabric *fabric)
{
    pipeline_base_begin(txn);
    for (size_t i = 0; i < n_server_ports; i++) {
        struct flow flow = flow_make(TOR_CLASSIFY, 100, pipeline_base_cookie());

        match_u(&flow.match, FIELD_IN_PORT, server_ports[i]);
        match_u(&flow.match, FIELD_VLAN_VID, 0);
        flow_set_u(&flow, FIELD_REG1, PIPELINE_FROM_SERVER);
        flow_goto(&flow, TOR_SPOOF);
        flow_txn_add(txn, flow);
    }
    pipeline_base_fabric(txn, fabric, TOR_VLAN, PIPELINE_FROM_FABRIC, TOR_RETURN, TOR_FABRIC);
    pipeline_miss(txn, TOR_VLAN, TOR_FABRIC);
    pipeline_miss(txn, TOR_POLICY_FROM, TOR_POLICY_TO);
    pipeline_miss(txn, TOR_RATE_FROM, TOR_POLICY_TO);
    pipeline_miss(txn, TOR_POLICY_TO, TOR_FORWARD);
    pipeline_miss(txn, TOR_RATE_TO, TOR_FORWARD);
}

static struct flow forward_flow(const struct pipeline_segment *segment, uint16_t priority, uint64_t cookie)
{
    struct flow flow = flow_make(TOR_FORWARD, priority, cookie);

    match_u(&flow.match, FIELD_REG0, segment->number);
    return flow;
}

/* What asks a group who has an address: the packets by which hosts find each other. */
enum flooded { FLOOD_ARP, FLOOD_SOLICITATION, FLOOD_ADVERTISEMENT, FLOODED };

static void match_flooded(struct flow_match *match, enum flooded kind)
{
    static const struct mac all_nodes = {{0x33, 0x33, 0, 0, 0, 1}};

    switch (kind) {
    case FLOOD_ARP:
        match_u(match, FIELD_ETH_TYPE, ETH_TYPE_ARP);
        match_mac(match, FIELD_ETH_DST, &mac_broadcast);
        return;
    case FLOOD_SOLICITATION:
        match_nd(match, ND_SOLICITATION);
        match_u_masked(match, FIELD_ETH_DST, UINT64_C(0x3333ff000000), UINT64_C(0xffffff000000));
        return;
    case FLOOD_ADVERTISEMENT:
        match_nd(match, ND_ADVERTISEMENT);
        match_mac(match, FIELD_ETH_DST, &all_nodes);
        return;
    case FLOODED:
        return;
    }
}

/* To servers, then into the fabric. What came from a server goes there, too: other VMs of the segment may run on it. */
static void flood(struct flow_txn *txn, const struct pipeline_segment *segment, enum flooded kind, bool from_server,
                  const uint32_t *server_ports, size_t n)
{
    struct flow flow = forward_flow(segment, from_server ? 170 : 160, segment->cookie);

    match_flooded(&flow.match, kind);
    if (from_server)
        match_u(&flow.match, FIELD_REG1, PIPELINE_FROM_SERVER);
    for (size_t i = 0; i < n; i++)
        flow_output(&flow, server_ports[i]);
    if (from_server)
        flow_output(&flow, PORT_IN_PORT);
    flow_push_vlan(&flow, segment->vlan);
    flow_goto(&flow, TOR_FABRIC);
    flow_txn_add(txn, flow);
}

static void segment_forward(struct flow_txn *txn, const struct pipeline_segment *segment, const uint32_t *server_ports,
                            size_t n)
{
    struct flow other_group = forward_flow(segment, 150, segment->cookie);
    struct flow unicast = forward_flow(segment, 100, segment->cookie);

    for (enum flooded kind = 0; kind < FLOODED; kind++) {
        flood(txn, segment, kind, true, server_ports, n);
        flood(txn, segment, kind, false, server_ports, n);
    }
    match_u_masked(&other_group.match, FIELD_ETH_DST, UINT64_C(0x010000000000), UINT64_C(0x010000000000));
    flow_txn_add(txn, other_group);

    flow_push_vlan(&unicast, segment->vlan);
    flow_goto(&unicast, TOR_FABRIC);
    flow_txn_add(txn, unicast);
}

void pipeline_segment_tor(struct flow_txn *txn, const struct pipeline_segment *segment, const uint32_t *server_ports,
                          size_t n)
{
    struct flow vlan = flow_make(TOR_VLAN, 100, segment->cookie);

    if (n > PIPELINE_PORTS_MAX)
        abort();
    pipeline_segment_remove(txn, segment);
    match_u(&vlan.match, FIELD_VLAN_VID, VLAN_PRESENT | segment->vlan);
    flow_set_u(&vlan, FIELD_REG0, segment->number);
    flow_add_action(&vlan, ACTION_POP_VLAN);
    flow_goto(&vlan, TOR_POLICY_TO);
    flow_txn_add(txn, vlan);
    segment_forward(txn, segment, server_ports, n);
}

static struct flow spoof_flow(const struct pipeline_segment *segment, const struct pipeline_vm *vm, uint8_t next)
{
    struct flow flow = flow_make(TOR_SPOOF, 100, vm->cookie);

    match_u(&flow.match, FIELD_IN_PORT, vm->server_port);
    match_mac(&flow.match, FIELD_ETH_SRC, &vm->mac);
    flow_set_u(&flow, FIELD_REG0, segment->number);
    flow_goto(&flow, next);
    return flow;
}

static void vm_spoof(struct flow_txn *txn, const struct pipeline_segment *segment, const struct pipeline_vm *vm)
{
    struct flow ip = spoof_flow(segment, vm, TOR_POLICY_FROM);
    struct flow arp = spoof_flow(segment, vm, TOR_FORWARD);

    match_ip(&ip.match, FIELD_IPV4_SRC, &vm->ip);
    flow_txn_add(txn, ip);
    match_ip(&arp.match, FIELD_ARP_SPA, &vm->ip);
    match_mac(&arp.match, FIELD_ARP_SHA, &vm->mac);
    flow_txn_add(txn, arp);
}

/* Neighbour discovery (RFC 4861) by the VM's link-local address: solicitations with that as source, or for that from
 * nowhere, which is how a host sees whether another one has it (RFC 4862 §5.4.2); advertisements of that. The option
 * with the link-layer address has the VM's MAC, or is not there. Open vSwitch has 0 for what is not there, and for all
 * of them, the target too, if an option is there twice: so there is no flow without a target. */
static void vm_spoof_nd(struct flow_txn *txn, const struct pipeline_segment *segment, const struct pipeline_vm *vm)
{
    static const struct {
        uint8_t type;
        bool has_source, is_of_itself, has_option;
    } kinds[] = {{ND_SOLICITATION, true, false, true},
                 {ND_SOLICITATION, true, false, false},
                 {ND_SOLICITATION, false, true, false},
                 {ND_ADVERTISEMENT, true, true, true},
                 {ND_ADVERTISEMENT, true, true, false}};
    static const struct mac no_option;
    static const struct ip unspecified, link_local = {IP_V6, {0xff, 0xc0}}; /* the mask of fe80::/10 */
    struct ip own = ip_link_local(&vm->mac);

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct flow flow = spoof_flow(segment, vm, TOR_FORWARD);

        match_nd(&flow.match, kinds[i].type);
        match_u(&flow.match, FIELD_IP_TTL, 255);
        match_bytes(&flow.match, FIELD_IPV6_SRC, kinds[i].has_source ? own.bytes : unspecified.bytes, NULL);
        match_bytes(&flow.match, FIELD_ND_TARGET, own.bytes, kinds[i].is_of_itself ? NULL : link_local.bytes);
        match_mac(&flow.match, kinds[i].type == ND_SOLICITATION ? FIELD_ND_SLL : FIELD_ND_TLL,
                  kinds[i].has_option ? &vm->mac : &no_option);
        flow_txn_add(txn, flow);
    }
}

/* How a packet may reach a VM: by IP, to its address only, or to find it. */
enum delivered { DELIVER_IP, DELIVER_ARP, DELIVER_SOLICITATION, DELIVER_ADVERTISEMENT, DELIVERED };

/* To the VM, from its own server's port or from any other. */
static void vm_deliver(struct flow_txn *txn, const struct pipeline_segment *segment, const struct pipeline_vm *vm,
                       enum delivered kind, bool own_port)
{
    struct flow flow = forward_flow(segment, own_port ? 200 : 190, vm->cookie);

    match_mac(&flow.match, FIELD_ETH_DST, &vm->mac);
    if (kind == DELIVER_IP)
        match_ip(&flow.match, FIELD_IPV4_DST, &vm->ip);
    else if (kind == DELIVER_ARP)
        match_u(&flow.match, FIELD_ETH_TYPE, ETH_TYPE_ARP);
    else
        match_nd(&flow.match, kind == DELIVER_SOLICITATION ? ND_SOLICITATION : ND_ADVERTISEMENT);
    if (own_port)
        match_u(&flow.match, FIELD_IN_PORT, vm->server_port);
    flow_output(&flow, own_port ? PORT_IN_PORT : vm->server_port);
    flow_txn_add(txn, flow);
}

struct policy_site pipeline_policy_site(uint64_t vm_cookie, const struct ip *ip)
{
    return (struct policy_site) {
        .cookie = vm_cookie,
        .ip = *ip,
        .table = {[POLICY_FROM_VM] = TOR_POLICY_FROM, [POLICY_TO_VM] = TOR_POLICY_TO},
        .verdict_table = {[POLICY_FROM_VM] = TOR_VERDICT_FROM, [POLICY_TO_VM] = TOR_VERDICT_TO},
        .rate_table = {[POLICY_FROM_VM] = TOR_RATE_FROM, [POLICY_TO_VM] = TOR_RATE_TO},
        .next_table = {[POLICY_FROM_VM] = TOR_POLICY_TO, [POLICY_TO_VM] = TOR_FORWARD},
        .state_table = {[POLICY_FROM_VM] = TOR_STATE_FROM, [POLICY_TO_VM] = TOR_STATE_TO},
        .state_cookie = cookie_of_state(vm_cookie),
    };
}

void pipeline_state_remove(struct flow_txn *txn, uint64_t vm_cookie)
{
    flow_txn_delete_cookie(txn, FLOW_TABLE_ALL, cookie_of_state(vm_cookie), COOKIE_EXACT);
}

void pipeline_vm_tor(struct flow_txn *txn, const struct pipeline_segment *segment, const struct pipeline_vm *vm,
                     const struct policy *policy, const struct policy_numbers *numbers)
{
    struct policy_site site = pipeline_policy_site(vm->cookie, &vm->ip);
    struct flow other = forward_flow(segment, 180, vm->cookie);

    pipeline_vm_remove(txn, vm);
    vm_spoof(txn, segment, vm);
    vm_spoof_nd(txn, segment, vm);
    for (enum delivered kind = 0; kind < DELIVERED; kind++) {
        vm_deliver(txn, segment, vm, kind, false);
        vm_deliver(txn, segment, vm, kind, true);
    }
    match_mac(&other.match, FIELD_ETH_DST, &vm->mac);
    flow_txn_add(txn, other);
    site.numbers = *numbers;
    if (!policy || !policy_is_stateful(policy)) /* nothing asks for it any more */
        pipeline_state_remove(txn, vm->cookie);
    if (policy)
        policy_to_flows(policy, &site, txn);
}
