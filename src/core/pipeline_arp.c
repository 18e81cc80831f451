/* SPDX-License-Identifier: Apache-2.0 */
/* The few ARP frames (RFC 826) that a gateway sends and reads itself. */
#include <string.h>

#include "base/err.h"
#include "base/wire.h"
#include "core/pipeline.h"
#include "core/pipeline_flows.h"

#define HARDWARE_ETHERNET 1
#define ETH_TYPE_VLAN 0x8100

static size_t request_encode(const struct mac *from, const struct ip *sender, const struct ip *target, uint16_t vlan,
                             uint8_t *frame)
{
    struct wire w = wire_writer(frame, GARP_FRAME_SIZE);

    wire_put(&w, mac_broadcast.bytes, 6);
    wire_put(&w, from->bytes, 6);
    if (vlan) {
        wire_put_u16(&w, ETH_TYPE_VLAN);
        wire_put_u16(&w, vlan);
    }
    wire_put_u16(&w, ETH_TYPE_ARP);
    wire_put_u16(&w, HARDWARE_ETHERNET);
    wire_put_u16(&w, ETH_TYPE_IP);
    wire_put_u8(&w, 6);
    wire_put_u8(&w, 4);
    wire_put_u16(&w, ARP_REQUEST);
    wire_put(&w, from->bytes, 6);
    wire_put(&w, sender->bytes, 4);
    wire_put_zeros(&w, 6);
    wire_put(&w, target->bytes, 4);
    return w.pos;
}

void pipeline_arp_probe(const struct mac *from, const struct ip *target, uint8_t *frame)
{
    static const struct ip unspecified = {.family = IP_V4};

    request_encode(from, &unspecified, target, 0, frame);
}

size_t pipeline_garp(const struct mac *mac, const struct ip *ip, uint16_t vlan, uint8_t *frame)
{
    return request_encode(mac, ip, ip, vlan, frame);
}

size_t pipeline_arp_request(const struct mac *mac, const struct ip *ip, const struct ip *target, uint16_t vlan,
                            uint8_t *frame)
{
    return request_encode(mac, ip, target, vlan, frame);
}

int pipeline_arp_reply(const uint8_t *frame, size_t size, struct mac *sender, struct ip *address)
{
    struct wire w = wire_reader(frame, size);
    struct mac mac;
    struct ip ip = {.family = IP_V4};

    wire_skip(&w, 12);
    if (wire_get_u16(&w) != ETH_TYPE_ARP || wire_get_u16(&w) != HARDWARE_ETHERNET || wire_get_u16(&w) != ETH_TYPE_IP ||
        wire_get_u8(&w) != 6 || wire_get_u8(&w) != 4 || wire_get_u16(&w) != ARP_REPLY)
        return ERR_MALFORMED;
    wire_get(&w, mac.bytes, 6);
    wire_get(&w, ip.bytes, 4);
    wire_skip(&w, 10);
    if (!wire_ok(&w))
        return ERR_MALFORMED;
    *sender = mac;
    *address = ip;
    return 0;
}
