/* SPDX-License-Identifier: Apache-2.0 */
/* The neighbour discovery (RFC 4861) that a gateway sends itself. */
#include <string.h>

#include "base/wire.h"
#include "core/pipeline.h"
#include "core/pipeline_flows.h"

#define ETH_TYPE_VLAN 0x8100
#define FLAG_OVERRIDE UINT32_C(0x20000000) /* RFC 4861 §4.4 */
#define OPTION_TARGET 2                    /* target link-layer address, §4.6.1; its length is in units of 8 bytes */
#define MESSAGE_SIZE 32

static const struct mac all_nodes_mac = {{0x33, 0x33, 0, 0, 0, 1}};
static const struct ip all_nodes = {IP_V6, {0xff, 0x02, [15] = 1}};

size_t pipeline_nd_advertisement(const struct mac *mac, const struct ip *ip, uint16_t vlan, uint8_t *frame)
{
    struct wire w = wire_writer(frame, ND_FRAME_SIZE);

    wire_put(&w, all_nodes_mac.bytes, 6);
    wire_put(&w, mac->bytes, 6);
    if (vlan) {
        wire_put_u16(&w, ETH_TYPE_VLAN);
        wire_put_u16(&w, vlan);
    }
    wire_put_u16(&w, ETH_TYPE_IPV6);
    wire_put_u32(&w, UINT32_C(6) << 28);
    wire_put_u16(&w, MESSAGE_SIZE);
    wire_put_u8(&w, IP_ICMPV6);
    wire_put_u8(&w, ND_HOP_LIMIT);
    wire_put(&w, ip->bytes, 16);
    wire_put(&w, all_nodes.bytes, 16);
    size_t message = w.pos;
    wire_put_u8(&w, ND_ADVERTISEMENT);
    wire_put_u8(&w, 0);
    wire_put_u16(&w, 0);
    wire_put_u32(&w, FLAG_OVERRIDE);
    wire_put(&w, ip->bytes, 16);
    wire_put_u8(&w, OPTION_TARGET);
    wire_put_u8(&w, 1);
    wire_put(&w, mac->bytes, 6);
    uint16_t sum = wire_sum_pseudo(ip->bytes, all_nodes.bytes, 16, IP_ICMPV6, MESSAGE_SIZE);
    wire_patch_u16(&w, message + 2, (uint16_t) ~wire_sum(sum, frame + message, MESSAGE_SIZE)); /* RFC 4443 §2.3 */
    return w.pos;
}
