/* SPDX-License-Identifier: Apache-2.0 */
/* Cookies, what the pipelines share, and the switches that have least of one: P and the PE between DCs. */
#include "core/pipeline.h"

#include <stdlib.h>

#include "core/pipeline_flows.h"

#define DHCPV6_CLIENT_PORT 546      /* RFC 8415 §7.2: servers and relays send to it */
#define CONTROLLER_NO_BUFFER 0xffff /* OFPCML_NO_BUFFER, OpenFlow 1.3.5 §7.2.5 */

enum inter_dc_table { INTER_DC_CLASSIFY, INTER_DC_FABRIC };

const struct mac mac_broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
static const struct mac mac_lldp = {{0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e}}; /* nearest bridge, IEEE 802.1AB §7.1 */

uint64_t cookie_make(enum cookie_kind kind, uint64_t id)
{
    return COOKIE_SCG | (uint64_t) kind << 40 | (id & UINT64_C(0xffffffffff));
}

uint64_t cookie_of_vm(const uint8_t uuid[16])
{
    uint64_t id = 0;

    for (unsigned i = 11; i < 16; i++)
        id = id << 8 | uuid[i];
    return cookie_make(COOKIE_VM, id);
}

uint64_t cookie_of_state(uint64_t vm_cookie)
{
    return cookie_make(COOKIE_STATE, vm_cookie);
}

uint64_t cookie_of_half_open(uint64_t vm_cookie)
{
    return cookie_make(COOKIE_HALF_OPEN, vm_cookie);
}

bool cookie_is_learned(uint64_t cookie)
{
    return (cookie & COOKIE_KIND_MASK) == cookie_make(COOKIE_STATE, 0) ||
           (cookie & COOKIE_KIND_MASK) == cookie_make(COOKIE_HALF_OPEN, 0);
}

uint64_t cookie_of_name(enum cookie_kind kind, const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (const char *c = name; *c; c++)
        hash = (hash ^ (uint8_t) *c) * UINT64_C(0x100000001b3);
    return cookie_make(kind, hash);
}

uint64_t pipeline_base_cookie(void)
{
    return cookie_make(COOKIE_BASE, 0);
}

void match_ip(struct flow_match *match, enum flow_field_id field, const struct ip *ip)
{
    struct prefix host = prefix_of(ip, (uint8_t) ip_bits(ip->family));

    match_prefix(match, field, field, &host);
}

void match_nd(struct flow_match *match, uint8_t type)
{
    match_u(match, FIELD_ETH_TYPE, ETH_TYPE_IPV6);
    match_u(match, FIELD_IP_PROTO, IP_ICMPV6);
    match_u(match, FIELD_ICMPV6_TYPE, type);
    match_u(match, FIELD_ICMPV6_CODE, 0);
}

void pipeline_match_infrastructure(struct flow_match *match, unsigned kind)
{
    match_u(match, FIELD_ETH_TYPE, ETH_TYPE_IPV6);
    if (kind == PIPELINE_INFRASTRUCTURE - 1) {
        match_u(match, FIELD_IP_FRAG, IP_FRAG_ANY);
        match_u(match, FIELD_IP_PROTO, IP_ICMPV6);
    } else if (kind == ND_REDIRECT - ND_ROUTER_SOLICITATION + 1) {
        match_u(match, FIELD_IP_PROTO, IP_UDP);
        match_u(match, FIELD_UDP_DST, DHCPV6_CLIENT_PORT);
    } else {
        match_u(match, FIELD_IP_PROTO, IP_ICMPV6);
        match_u(match, FIELD_ICMPV6_TYPE, ND_ROUTER_SOLICITATION + kind);
    }
}

void flow_goto(struct flow *flow, uint8_t table)
{
    flow->goto_table = table;
}

void flow_to_controller(struct flow *flow)
{
    struct flow_action *output = flow_add_action(flow, ACTION_OUTPUT);

    output->port = PORT_CONTROLLER;
    output->max_len = CONTROLLER_NO_BUFFER;
}

void flow_push_vlan(struct flow *flow, uint16_t vlan)
{
    flow_add_action(flow, ACTION_PUSH_VLAN);
    flow_set_u(flow, FIELD_VLAN_VID, VLAN_PRESENT | vlan);
}

void pipeline_lldp(struct flow_txn *txn)
{
    struct flow lldp = flow_make(0, 200, pipeline_base_cookie());

    match_u(&lldp.match, FIELD_ETH_TYPE, ETH_TYPE_LLDP);
    match_mac(&lldp.match, FIELD_ETH_DST, &mac_lldp);
    flow_to_controller(&lldp);
    flow_txn_add(txn, lldp);
}

void pipeline_base_begin(struct flow_txn *txn)
{
    flow_txn_delete_cookie(txn, FLOW_TABLE_ALL, pipeline_base_cookie(), COOKIE_EXACT);
    pipeline_lldp(txn);
}

static void from_fabric(struct flow_txn *txn, const struct pipeline_fabric *fabric, uint8_t vlan, uint32_t origin)
{
    for (size_t i = 0; i < fabric->n; i++) {
        struct flow flow = flow_make(0, 100, pipeline_base_cookie());

        match_u(&flow.match, FIELD_IN_PORT, fabric->ports[i]);
        match_u_masked(&flow.match, FIELD_VLAN_VID, VLAN_PRESENT, VLAN_PRESENT);
        if (origin)
            flow_set_u(&flow, FIELD_REG1, origin);
        flow_goto(&flow, vlan);
        flow_txn_add(txn, flow);
    }
}

/* Out of all fabric ports but the packet's own. */
static void to_fabric(struct flow_txn *txn, uint8_t table, const struct pipeline_fabric *fabric)
{
    struct flow flow = flow_make(table, 0, pipeline_base_cookie());

    if (fabric->n > PIPELINE_PORTS_MAX)
        abort();
    for (size_t i = 0; i < fabric->n; i++)
        flow_output(&flow, fabric->ports[i]);
    flow_txn_add(txn, flow);
}

/* As what follows in table 'next', and by the packet's own port. */
static void return_to_fabric(struct flow_txn *txn, uint8_t turn, uint8_t next, const struct pipeline_fabric *fabric)
{
    for (size_t i = 0; i < fabric->n; i++) {
        struct flow flow = flow_make(turn, 100, pipeline_base_cookie());

        match_u(&flow.match, FIELD_IN_PORT, fabric->ports[i]);
        flow_output(&flow, PORT_IN_PORT);
        flow_goto(&flow, next);
        flow_txn_add(txn, flow);
    }
    pipeline_miss(txn, turn, next);
}

void pipeline_base_fabric(struct flow_txn *txn, const struct pipeline_fabric *fabric, uint8_t vlan, uint32_t origin,
                          uint8_t turn, uint8_t next)
{
    if (fabric->vpls) {
        vpls_base(txn, fabric, origin);
        if (turn != FLOW_NO_GOTO)
            vpls_base_edge(txn, turn, next);
        return;
    }
    from_fabric(txn, fabric, vlan, origin);
    if (turn != FLOW_NO_GOTO)
        return_to_fabric(txn, turn, next, fabric);
    to_fabric(txn, next, fabric);
}

void pipeline_miss(struct flow_txn *txn, uint8_t table, uint8_t next)
{
    struct flow flow = flow_make(table, 0, pipeline_base_cookie());

    flow_goto(&flow, next);
    flow_txn_add(txn, flow);
}

void pipeline_base_p(struct flow_txn *txn, bool vpls)
{
    struct flow normal = flow_make(0, 0, pipeline_base_cookie());

    pipeline_base_begin(txn);
    if (vpls) {
        vpls_base_p(txn);
        return;
    }
    flow_output(&normal, PORT_NORMAL);
    flow_txn_add(txn, normal);
}

void pipeline_base_inter_dc(struct flow_txn *txn, const struct pipeline_fabric *fabric)
{
    pipeline_base_begin(txn);
    pipeline_base_fabric(txn, fabric, INTER_DC_FABRIC, 0, FLOW_NO_GOTO, INTER_DC_FABRIC);
}

static const enum flow_field_id ends_fields[2][2] = {{FIELD_IPV4_SRC, FIELD_IPV4_DST}, {FIELD_ARP_SPA, FIELD_ARP_TPA}};

/* From the server into the channel, by IP and by ARP. */
static void channel_out(struct flow_txn *txn, const struct pipeline_channel *channel)
{
    for (unsigned i = 0; i < 2; i++) {
        struct flow flow = flow_make(INTER_DC_CLASSIFY, 100, channel->cookie);

        match_u(&flow.match, FIELD_IN_PORT, channel->server_port);
        match_u(&flow.match, FIELD_VLAN_VID, 0);
        match_ip(&flow.match, ends_fields[i][0], &channel->local);
        match_ip(&flow.match, ends_fields[i][1], &channel->remote);
        if (channel->vlan)
            flow_push_vlan(&flow, channel->vlan);
        flow_output(&flow, channel->uplink_port);
        flow_txn_add(txn, flow);
    }
}

static void channel_in(struct flow_txn *txn, const struct pipeline_channel *channel)
{
    for (unsigned i = 0; i < 2; i++) {
        struct flow flow = flow_make(INTER_DC_CLASSIFY, 100, channel->cookie);

        match_u(&flow.match, FIELD_IN_PORT, channel->uplink_port);
        match_u(&flow.match, FIELD_VLAN_VID, channel->vlan ? VLAN_PRESENT | channel->vlan : 0);
        match_ip(&flow.match, ends_fields[i][0], &channel->remote);
        match_ip(&flow.match, ends_fields[i][1], &channel->local);
        if (channel->vlan)
            flow_add_action(&flow, ACTION_POP_VLAN);
        flow_output(&flow, channel->server_port);
        flow_txn_add(txn, flow);
    }
}

void pipeline_channel_open(struct flow_txn *txn, const struct pipeline_channel *channel)
{
    pipeline_channel_close(txn, channel->cookie);
    channel_out(txn, channel);
    channel_in(txn, channel);
}

void pipeline_channel_close(struct flow_txn *txn, uint64_t cookie)
{
    flow_txn_delete_cookie(txn, FLOW_TABLE_ALL, cookie, COOKIE_EXACT);
}

void pipeline_segment_remove(struct flow_txn *txn, const struct pipeline_segment *segment)
{
    flow_txn_delete_cookie(txn, FLOW_TABLE_ALL, segment->cookie, COOKIE_EXACT);
}

void pipeline_vm_remove(struct flow_txn *txn, const struct pipeline_vm *vm)
{
    flow_txn_delete_cookie(txn, FLOW_TABLE_ALL, vm->cookie, COOKIE_EXACT);
}
