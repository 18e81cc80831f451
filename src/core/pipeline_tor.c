/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline of a ToR. */
#include <stdlib.h>

#include "core/pipeline.h"
#include "core/pipeline_flows.h"
#include "core/policy.h"

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
    pipeline_miss(txn, TOR_POLICY_TO, TOR_FORWARD);
}

static struct flow forward_flow(const struct pipeline_segment *segment, uint16_t priority, uint64_t cookie)
{
    struct flow flow = flow_make(TOR_FORWARD, priority, cookie);

    match_u(&flow.match, FIELD_REG0, segment->number);
    return flow;
}

/* Broadcast ARP: to servers, then into the fabric. What came from a server goes there, too: other VMs of the segment
 * may run on it. */
static struct flow arp_broadcast_flow(const struct pipeline_segment *segment, uint16_t priority,
                                      const uint32_t *server_ports, size_t n)
{
    struct flow flow = forward_flow(segment, priority, segment->cookie);

    match_u(&flow.match, FIELD_ETH_TYPE, ETH_TYPE_ARP);
    match_mac(&flow.match, FIELD_ETH_DST, &mac_broadcast);
    for (size_t i = 0; i < n; i++)
        flow_output(&flow, server_ports[i]);
    return flow;
}

static void segment_forward(struct flow_txn *txn, const struct pipeline_segment *segment, const uint32_t *server_ports,
                            size_t n)
{
    struct flow from_server = arp_broadcast_flow(segment, 170, server_ports, n);
    struct flow from_fabric = arp_broadcast_flow(segment, 160, server_ports, n);
    struct flow other_group = forward_flow(segment, 150, segment->cookie);
    struct flow unicast = forward_flow(segment, 100, segment->cookie);

    match_u(&from_server.match, FIELD_REG1, PIPELINE_FROM_SERVER);
    flow_output(&from_server, PORT_IN_PORT);
    flow_push_vlan(&from_server, segment->vlan);
    flow_goto(&from_server, TOR_FABRIC);
    flow_txn_add(txn, from_server);

    flow_push_vlan(&from_fabric, segment->vlan);
    flow_goto(&from_fabric, TOR_FABRIC);
    flow_txn_add(txn, from_fabric);

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

/* To the VM by IP (to its address) or ARP, from its own server's port or from any other. */
static void vm_deliver(struct flow_txn *txn, const struct pipeline_segment *segment, const struct pipeline_vm *vm,
                       bool arp, bool own_port)
{
    struct flow flow = forward_flow(segment, own_port ? 200 : 190, vm->cookie);

    match_mac(&flow.match, FIELD_ETH_DST, &vm->mac);
    if (arp)
        match_u(&flow.match, FIELD_ETH_TYPE, ETH_TYPE_ARP);
    else
        match_ip(&flow.match, FIELD_IPV4_DST, &vm->ip);
    if (own_port)
        match_u(&flow.match, FIELD_IN_PORT, vm->server_port);
    flow_output(&flow, own_port ? PORT_IN_PORT : vm->server_port);
    flow_txn_add(txn, flow);
}

void pipeline_vm_tor(struct flow_txn *txn, const struct pipeline_segment *segment, const struct pipeline_vm *vm,
                     const struct policy *policy, const uint32_t meters[2])
{
    struct policy_site site = {
        .cookie = vm->cookie,
        .ip = vm->ip,
        .table = {TOR_POLICY_FROM, TOR_POLICY_TO},
        .next_table = {TOR_POLICY_TO, TOR_FORWARD},
        .meters = {meters[POLICY_FROM_VM], meters[POLICY_TO_VM]},
    };
    struct flow other = forward_flow(segment, 180, vm->cookie);

    pipeline_vm_remove(txn, vm);
    vm_spoof(txn, segment, vm);
    for (unsigned i = 0; i < 4; i++)
        vm_deliver(txn, segment, vm, i & 1, i & 2);
    match_mac(&other.match, FIELD_ETH_DST, &vm->mac);
    flow_txn_add(txn, other);
    if (policy)
        policy_to_flows(policy, &site, txn);
}
