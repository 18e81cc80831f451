/* SPDX-License-Identifier: Apache-2.0 */
/* Probe packets as frames and flows. */
#include "core/probe.h"

#include <string.h>

#include "base/wire.h"
#include "core/pipeline.h"
#include "core/pipeline_flows.h"

#define DIVERT_PRIORITY UINT16_MAX
#define DIVERTS 2 /* by direction */
#define MARK(direction) (UINT32_C(0x80000000) >> (direction))
#define GROUP_MAC 0x03 /* group and local bit: the first byte of a probe's destination */
#define MAC_SIZE 6
#define ETHERNET_SIZE 14
#define IPV4_SIZE 20
#define TCP_SIZE 20
#define TTL 64

/* ---- diverts ---- */

static struct flow divert(unsigned i)
{
    static const uint8_t tables[DIVERTS] = {[POLICY_FROM_VM] = TOR_POLICY_TO, [POLICY_TO_VM] = TOR_FORWARD};
    struct flow flow = flow_make(tables[i], DIVERT_PRIORITY, cookie_make(COOKIE_PROBE, 0));

    match_u_masked(&flow.match, FIELD_REG3, MARK(i), MARK(i));
    flow_to_controller(&flow);
    return flow;
}

void probe_divert_end(struct flow_txn *txn)
{
    flow_txn_delete_cookie(txn, FLOW_TABLE_ALL, cookie_make(COOKIE_PROBE, 0), COOKIE_KIND_MASK);
}

void probe_divert(struct flow_txn *txn)
{
    probe_divert_end(txn);
    for (unsigned i = 0; i < DIVERTS; i++)
        flow_txn_add(txn, divert(i));
}

bool probe_is_divert(const struct flow *flow)
{
    bool is = false;

    for (unsigned i = 0; i < DIVERTS && !is && flow->cookie == cookie_make(COOKIE_PROBE, 0); i++) {
        struct flow mine = divert(i);

        is = flow_equal(&mine, flow);
        flow_free(&mine);
    }
    return is;
}

/* ---- ways ---- */

static void begin(struct flow *way, enum policy_direction direction, uint8_t table)
{
    flow_set_u(way, FIELD_REG3, MARK(direction));
    flow_add_action(way, ACTION_RESUBMIT)->table = table;
}

uint32_t probe_way(const struct probe_site *site, enum policy_direction direction, struct flow *way)
{
    *way = (struct flow) {0};
    if (direction == POLICY_FROM_VM) {
        begin(way, direction, TOR_CLASSIFY);
        return site->server_port;
    }
    /* As VLAN leaves it. Not by a port of the fabric, which may be one that RSTP blocks. */
    flow_set_u(way, FIELD_REG0, site->segment);
    flow_set_u(way, FIELD_REG1, PIPELINE_FROM_FABRIC);
    begin(way, direction, TOR_POLICY_TO);
    return PORT_CONTROLLER;
}

void probe_way_back(struct flow *way)
{
    *way = (struct flow) {0};
    begin(way, POLICY_TO_VM, TOR_FORWARD);
}

/* ---- frames ---- */

static void put_transport(struct wire *w, const struct policy_rule *packet)
{
    switch (packet->protocol) {
    case IP_TCP:
        wire_put_u16(w, packet->source_port.first);
        wire_put_u16(w, packet->destination_port.first);
        wire_put_zeros(w, 8);
        wire_put_u16(w, (uint16_t) (TCP_SIZE / 4 << 12 | packet->tcp_flags.value));
        wire_put_zeros(w, 6);
        break;
    case IP_UDP:
        wire_put_u16(w, packet->source_port.first);
        wire_put_u16(w, packet->destination_port.first);
        wire_put_u16(w, 8);
        wire_put_zeros(w, 2);
        break;
    case IP_ICMP:
    case IP_ICMPV6:
        wire_put_u8(w, (uint8_t) (packet->icmp_type == POLICY_ANY ? 0 : packet->icmp_type));
        wire_put_u8(w, (uint8_t) (packet->icmp_code == POLICY_ANY ? 0 : packet->icmp_code));
        wire_put_zeros(w, 6);
        break;
    default:
        wire_put_zeros(w, TCP_SIZE);
    }
}

/* Where the checksum is in what follows the IP header; -1: there is none. */
static int checksum_at(int protocol, bool v6)
{
    switch (protocol) {
    case IP_TCP:
        return 16;
    case IP_UDP:
        return 6;
    case IP_ICMP:
        return v6 ? -1 : 2;
    case IP_ICMPV6:
        return v6 ? 2 : -1;
    default:
        return -1;
    }
}

static void put_ipv4(struct wire *w, const struct ip *from, const struct ip *to, const struct policy_rule *packet)
{
    size_t at = w->pos;

    wire_put_u8(w, 4 << 4 | IPV4_SIZE / 4);
    wire_put_u8(w, (uint8_t) (packet->dscp << 2));
    wire_put_zeros(w, 6);
    wire_put_u8(w, TTL);
    wire_put_u8(w, (uint8_t) packet->protocol);
    wire_put_zeros(w, 2);
    wire_put(w, from->bytes, 4);
    wire_put(w, to->bytes, 4);
    put_transport(w, packet);
    wire_patch_u16(w, at + 2, (uint16_t) (w->pos - at));
    wire_patch_u16(w, at + 10, (uint16_t) ~wire_sum(0, w->data + at, IPV4_SIZE));
}

static void put_ipv6(struct wire *w, const struct ip *from, const struct ip *to, const struct policy_rule *packet)
{
    size_t at = w->pos;

    wire_put_u32(w, UINT32_C(6) << 28 | (uint32_t) packet->dscp << 22);
    wire_put_zeros(w, 2);
    wire_put_u8(w, (uint8_t) packet->protocol);
    wire_put_u8(w, TTL);
    wire_put(w, from->bytes, 16);
    wire_put(w, to->bytes, 16);
    size_t transport = w->pos;
    put_transport(w, packet);
    wire_patch_u16(w, at + 4, (uint16_t) (w->pos - transport));
}

static void put_checksum(struct wire *w, size_t transport, int protocol, bool v6)
{
    int at = checksum_at(protocol, v6);
    size_t address_size = v6 ? 16 : 4, length = w->pos - transport;
    const uint8_t *to = w->data + transport - address_size; /* the addresses end where the transport header begins */
    uint16_t pseudo = protocol == IP_ICMP ?
                          0 :
                          wire_sum_pseudo(to - address_size, to, address_size, (uint8_t) protocol, length);
    uint16_t sum = wire_sum(pseudo, w->data + transport, length);

    /* Not its complement if that is 0, which says that UDP has none (RFC 768). */
    if (at >= 0)
        wire_patch_u16(w, transport + (size_t) at, sum == 0xffff ? sum : (uint16_t) ~sum);
}

size_t probe_frame(const struct probe_site *site, const struct policy_rule *packet, uint16_t id,
                   uint8_t frame[PROBE_FRAME_SIZE])
{
    static const struct mac outside = {{0x02, 0x5c, 0x67, 0, 0, 1}}; /* local: nobody's */
    struct wire w = wire_writer(frame, PROBE_FRAME_SIZE);
    bool from_vm = packet->direction == POLICY_FROM_VM, v6 = site->ip.family == IP_V6;
    const struct ip *from = from_vm ? &site->ip : &packet->remote.ip, *to = from_vm ? &packet->remote.ip : &site->ip;

    wire_put_u8(&w, GROUP_MAC);
    wire_put_u24(&w, site->nonce);
    wire_put_u16(&w, id);
    wire_put(&w, from_vm ? site->mac.bytes : outside.bytes, MAC_SIZE);
    wire_put_u16(&w, v6 ? ETH_TYPE_IPV6 : ETH_TYPE_IP);
    (v6 ? put_ipv6 : put_ipv4)(&w, from, to, packet);
    put_checksum(&w, ETHERNET_SIZE + (v6 ? 40 : IPV4_SIZE), packet->protocol, v6);
    return w.pos;
}

bool probe_read(const uint8_t *frame, size_t size, uint32_t nonce, uint16_t *id, uint8_t *dscp)
{
    struct wire r = wire_reader(frame, size);

    if (wire_get_u8(&r) != GROUP_MAC || wire_get_u24(&r) != nonce)
        return false;
    uint16_t number = wire_get_u16(&r);
    wire_skip(&r, MAC_SIZE);
    uint16_t type = wire_get_u16(&r), first = wire_get_u16(&r);

    if (!wire_ok(&r))
        return false;
    *id = number;
    *dscp = (uint8_t) (type == ETH_TYPE_IPV6 ? first >> 6 & 0x3f : first >> 2 & 0x3f);
    return true;
}
