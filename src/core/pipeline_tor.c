/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline of a ToR. */
#include <stdlib.h>

#include "base/alloc.h"
#include "core/pipeline.h"
#include "core/pipeline_flows.h"
#include "core/policy.h"

#define PRIORITY_ND 65000 /* above all rules of policies */

/* What no VM may send, whatever else it may: routers' messages, answers of a DHCPv6 server, and what looks like
 * neighbour discovery but is none of what SPOOF's flows of a VM let through before. */
static void refuse_infrastructure(struct flow_txn *txn)
{
    for (unsigned i = 0; i < PIPELINE_INFRASTRUCTURE; i++) {
        struct flow flow = flow_make(TOR_SPOOF, 95, pipeline_base_cookie());

        pipeline_match_infrastructure(&flow.match, i);
        flow_txn_add(txn, flow);
    }
}

/* Neighbour discovery, which its sender's ToR has inspected, passes the rules of its receiver. */
static void pass_discovery(struct flow_txn *txn)
{
    static const uint8_t types[] = {ND_SOLICITATION, ND_ADVERTISEMENT};

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct flow flow = flow_make(TOR_POLICY_TO, PRIORITY_ND, pipeline_base_cookie());

        match_nd(&flow.match, types[i]);
        match_u(&flow.match, FIELD_IP_TTL, ND_HOP_LIMIT);
        flow_goto(&flow, TOR_FORWARD);
        flow_txn_add(txn, flow);
    }
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
    refuse_infrastructure(txn);
    pass_discovery(txn);
    pipeline_miss(txn, TOR_VLAN, TOR_FABRIC);
    pipeline_miss(txn, TOR_POLICY_FROM, TOR_POLICY_TO);
    pipeline_miss(txn, TOR_LIMIT_FROM, TOR_RATE_FROM);
    pipeline_miss(txn, TOR_RATE_FROM, TOR_POLICY_TO);
    pipeline_miss(txn, TOR_POLICY_TO, TOR_FORWARD);
    pipeline_miss(txn, TOR_LIMIT_TO, TOR_RATE_TO);
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
    for (unsigned i = 0; i < vm->ip6.n; i++) {
        struct flow ip6 = spoof_flow(segment, vm, TOR_POLICY_FROM);

        ip6.priority = 90;
        match_ip(&ip6.match, FIELD_IPV6_SRC, &vm->ip6.items[i]);
        flow_txn_add(txn, ip6);
    }
}

static struct flow nd_flow(const struct pipeline_segment *segment, const struct pipeline_vm *vm, uint8_t type,
                           const struct ip *source)
{
    struct flow flow = spoof_flow(segment, vm, TOR_FORWARD);

    match_nd(&flow.match, type);
    match_u(&flow.match, FIELD_IP_TTL, ND_HOP_LIMIT);
    match_bytes(&flow.match, FIELD_IPV6_SRC, source->bytes, NULL);
    return flow;
}

/* With the VM's MAC as the link-layer address, and without one. */
static void add_with_option(struct flow_txn *txn, const struct pipeline_vm *vm, enum flow_field_id option,
                            struct flow flow)
{
    static const struct mac none;
    struct flow without = flow_copy(&flow);

    match_mac(&flow.match, option, &vm->mac);
    flow_txn_add(txn, flow);
    match_mac(&without.match, option, &none);
    flow_txn_add(txn, without);
}

/* Neighbour discovery (RFC 4861) by the VM's own addresses: solicitations with one of them as source, or for one of
 * them from nowhere, which is how a host sees whether another one has it (RFC 4862 §5.4.2); advertisements of them. The
 * option with the link-layer address has the VM's MAC, or is not there. Open vSwitch has 0 for what is not there, and
 * for all of them, the target too, if an option is there twice: so there is no flow without a target. What is sought is
 * a link-local address, or, by a VM that has others, a global, unique local or link-local one. */
static void vm_spoof_nd(struct flow_txn *txn, const struct pipeline_segment *segment, const struct pipeline_vm *vm)
{
    static const struct ip unspecified;
    static const struct prefix link_local = {{IP_V6, {0xfe, 0x80}}, 10};
    static const struct prefix others[] = {{{IP_V6, {0x20}}, 3}, {{IP_V6, {0xfc}}, 6}};
    struct ip own[1 + IP6_LIST_MAX] = {ip_link_local(&vm->mac)};
    unsigned n = 1;

    for (; n <= vm->ip6.n; n++)
        own[n] = vm->ip6.items[n - 1];
    for (unsigned i = 0; i < n; i++) {
        struct flow probes = nd_flow(segment, vm, ND_SOLICITATION, &unspecified);

        for (unsigned sought = 0; sought < (n > 1 ? ARRAY_LEN(others) : 1); sought++) {
            struct flow asks = nd_flow(segment, vm, ND_SOLICITATION, &own[i]);

            match_prefix(&asks.match, FIELD_ND_TARGET, FIELD_ND_TARGET, n > 1 ? &others[sought] : &link_local);
            add_with_option(txn, vm, FIELD_ND_SLL, asks);
        }
        match_bytes(&probes.match, FIELD_ND_TARGET, own[i].bytes, NULL);
        match_bytes(&probes.match, FIELD_ND_SLL, (const uint8_t[16]) {0}, NULL);
        flow_txn_add(txn, probes);
        for (unsigned target = 0; target < n; target++) {
            struct flow tells = nd_flow(segment, vm, ND_ADVERTISEMENT, &own[i]);

            match_bytes(&tells.match, FIELD_ND_TARGET, own[target].bytes, NULL);
            add_with_option(txn, vm, FIELD_ND_TLL, tells);
        }
    }
}

/* To the VM, from any port but its own server's, and from that. */
static void deliver(struct flow_txn *txn, const struct pipeline_segment *segment, const struct pipeline_vm *vm,
                    const struct flow_match *match)
{
    for (unsigned own_port = 0; own_port < 2; own_port++) {
        struct flow flow = forward_flow(segment, own_port ? 200 : 190, vm->cookie);

        for (unsigned i = 0; i < match->n; i++)
            match_bytes(&flow.match, match->fields[i].id, match->fields[i].value, match->fields[i].mask);
        match_mac(&flow.match, FIELD_ETH_DST, &vm->mac);
        if (own_port)
            match_u(&flow.match, FIELD_IN_PORT, vm->server_port);
        flow_output(&flow, own_port ? PORT_IN_PORT : vm->server_port);
        flow_txn_add(txn, flow);
    }
}

/* How a packet may reach a VM: by IP, to its addresses only, or to find it. */
static void vm_deliver(struct flow_txn *txn, const struct pipeline_segment *segment, const struct pipeline_vm *vm)
{
    static const uint8_t discovery[] = {ND_SOLICITATION, ND_ADVERTISEMENT};
    struct flow_match ip = {0}, arp = {0};

    match_ip(&ip, FIELD_IPV4_DST, &vm->ip);
    deliver(txn, segment, vm, &ip);
    match_u(&arp, FIELD_ETH_TYPE, ETH_TYPE_ARP);
    deliver(txn, segment, vm, &arp);
    for (size_t i = 0; i < ARRAY_LEN(discovery); i++) {
        struct flow_match nd = {0};

        match_nd(&nd, discovery[i]);
        deliver(txn, segment, vm, &nd);
    }
    for (unsigned i = 0; i < vm->ip6.n; i++) {
        struct flow_match ip6 = {0};

        match_ip(&ip6, FIELD_IPV6_DST, &vm->ip6.items[i]);
        deliver(txn, segment, vm, &ip6);
    }
}

/* What its policy allows of neither IP nor ARP, which SPOOF and FORWARD drop otherwise: from its own MAC, and to it. */
static void vm_ethertypes(struct flow_txn *txn, const struct pipeline_segment *segment, const struct pipeline_vm *vm,
                          const struct policy *policy)
{
    uint16_t types[POLICY_ETHERTYPES_MAX];
    unsigned n = policy_ethertypes(policy, POLICY_FROM_VM, types);

    for (unsigned i = 0; i < n; i++) {
        struct flow flow = spoof_flow(segment, vm, TOR_POLICY_FROM);

        match_u(&flow.match, FIELD_ETH_TYPE, types[i]);
        flow_txn_add(txn, flow);
    }
    n = policy_ethertypes(policy, POLICY_TO_VM, types);
    for (unsigned i = 0; i < n; i++) {
        struct flow_match match = {0};

        match_u(&match, FIELD_ETH_TYPE, types[i]);
        deliver(txn, segment, vm, &match);
    }
}

struct policy_site pipeline_policy_site(uint64_t vm_cookie, const struct ip *ip)
{
    return (struct policy_site) {
        .cookie = vm_cookie,
        .ip = *ip,
        .table = {[POLICY_FROM_VM] = TOR_POLICY_FROM, [POLICY_TO_VM] = TOR_POLICY_TO},
        .verdict_table = {[POLICY_FROM_VM] = TOR_VERDICT_FROM, [POLICY_TO_VM] = TOR_VERDICT_TO},
        .limit_table = {[POLICY_FROM_VM] = TOR_LIMIT_FROM, [POLICY_TO_VM] = TOR_LIMIT_TO},
        .rate_table = {[POLICY_FROM_VM] = TOR_RATE_FROM, [POLICY_TO_VM] = TOR_RATE_TO},
        .next_table = {[POLICY_FROM_VM] = TOR_POLICY_TO, [POLICY_TO_VM] = TOR_FORWARD},
        .state_table = {[POLICY_FROM_VM] = TOR_STATE_FROM, [POLICY_TO_VM] = TOR_STATE_TO},
        .state_cookie = cookie_of_state(vm_cookie),
        .half_open_cookie = cookie_of_half_open(vm_cookie),
    };
}

unsigned pipeline_policy_sites(uint64_t vm_cookie, const struct mac *mac, const struct ip *ip,
                               const struct ip6_list *ip6, struct policy_site *sites)
{
    unsigned n = 0;

    sites[n++] = pipeline_policy_site(vm_cookie, ip);
    for (unsigned i = 0; i < ip6->n; i++)
        sites[n++] = pipeline_policy_site(vm_cookie, &ip6->items[i]);
    for (unsigned i = 0; i < n; i++)
        sites[i].mac = *mac;
    return n;
}

void pipeline_passed(struct flow *flow, const struct pipeline_segment *segment)
{
    flow_set_u(flow, FIELD_REG0, segment->number);
    flow_set_u(flow, FIELD_REG1, PIPELINE_FROM_SERVER);
    flow_add_action(flow, ACTION_RESUBMIT)->table = TOR_POLICY_TO;
}

void pipeline_state_remove(struct flow_txn *txn, uint64_t vm_cookie)
{
    flow_txn_delete_cookie(txn, FLOW_TABLE_ALL, cookie_of_state(vm_cookie), COOKIE_EXACT);
    flow_txn_delete_cookie(txn, FLOW_TABLE_ALL, cookie_of_half_open(vm_cookie), COOKIE_EXACT);
}

void pipeline_vm_tor(struct flow_txn *txn, const struct pipeline_segment *segment, const struct pipeline_vm *vm,
                     const struct policy *policy, const struct policy_numbers *numbers)
{
    struct policy_site sites[PIPELINE_SITES_MAX];
    unsigned n = pipeline_policy_sites(vm->cookie, &vm->mac, &vm->ip, &vm->ip6, sites);
    struct flow other = forward_flow(segment, 180, vm->cookie);

    pipeline_vm_remove(txn, vm);
    vm_spoof(txn, segment, vm);
    vm_spoof_nd(txn, segment, vm);
    vm_deliver(txn, segment, vm);
    match_mac(&other.match, FIELD_ETH_DST, &vm->mac);
    flow_txn_add(txn, other);
    if (!policy || !policy_is_stateful(policy)) /* nothing asks for it any more */
        pipeline_state_remove(txn, vm->cookie);
    for (unsigned i = 0; policy && i < n; i++) {
        sites[i].numbers = *numbers;
        policy_to_flows(policy, &sites[i], txn);
    }
    if (policy) {
        vm_ethertypes(txn, segment, vm, policy);
        policy_ethertypes_to_flows(policy, &sites[0], txn);
    }
}
