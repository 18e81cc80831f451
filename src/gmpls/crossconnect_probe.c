/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wire.h"
#include "gmpls/crossconnect.h"

#define LABEL_GAL 13 /* RFC 5586 §4 */
#define ACH 0x1      /* RFC 5586 §2.1: the first nibble, then version and reserved bits 0 */
#define CHANNEL_TYPE 0x7ff8
#define TTL 255

static uint32_t stack_entry(uint32_t label, bool is_bottom, uint8_t ttl)
{
    return label << 12 | (uint32_t) is_bottom << 8 | ttl;
}

void xc_probe_encode(const struct xc *xc, uint64_t nonce, uint8_t *frame, size_t size)
{
    static const uint8_t next_hop[] = {0x01, 0x00, 0x5e, 0x90, 0x00, 0x00};
    struct mac source = xc_link_mac(xc->node, xc->out.port);
    struct wire w = wire_writer(frame, size);

    wire_put(&w, next_hop, sizeof next_hop);
    wire_put(&w, source.bytes, sizeof source.bytes);
    wire_put_u16(&w, ETH_TYPE_MPLS);
    wire_put_u32(&w, stack_entry(xc->out.out_label, false, TTL));
    wire_put_u32(&w, stack_entry(LABEL_GAL, true, TTL));
    wire_put_u16(&w, ACH << 12);
    wire_put_u16(&w, CHANNEL_TYPE);
    wire_put_u64(&w, nonce);
    wire_put_zeros(&w, size - w.pos);
}

int xc_probe_decode(const uint8_t *frame, size_t size, uint32_t *label, uint64_t *nonce)
{
    struct wire r = wire_reader(frame, size);

    wire_skip(&r, 12);
    bool right = wire_get_u16(&r) == ETH_TYPE_MPLS;
    uint32_t top = wire_get_u32(&r), alert = wire_get_u32(&r);

    right &= !(top & 0x100) && alert >> 12 == LABEL_GAL && (alert & 0x100);
    right &= wire_get_u16(&r) == ACH << 12;
    right &= wire_get_u16(&r) == CHANNEL_TYPE;
    uint64_t got = wire_get_u64(&r);

    if (!right || !wire_ok(&r))
        return ERR_MALFORMED;
    *label = top >> 12;
    *nonce = got;
    return 0;
}
