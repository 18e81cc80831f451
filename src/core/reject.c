/* SPDX-License-Identifier: Apache-2.0 */
#include "core/reject.h"

#include <stdbool.h>
#include <string.h>

#include "base/wire.h"
#include "core/pipeline_flows.h"
#include "model/tcp_flags.h"

#define ETHERNET_SIZE 14
#define IPV4_SIZE 20
#define IPV6_SIZE 40
#define TCP_SIZE 20
#define ICMP_SIZE 8

#define UNREACHABLE_V4 3 /* its type and code */
#define PROHIBITED_V4 13
#define UNREACHABLE_V6 1
#define PROHIBITED_V6 1

/* A rejected packet. */
struct rejected {
    uint8_t to_mac[6], from_mac[6];
    bool v6;
    const uint8_t *ip; /* from its header on */
    size_t size;       /* bytes of that which are here */
    uint8_t from[16], to[16];
    size_t address_size;
    uint8_t protocol;
    size_t header_size; /* of IP with its options or extension headers */
    size_t length;      /* of the whole packet, as IP says */
};

uint16_t reject_read_size(enum ip_family family)
{
    return family == IP_V6 ? ETHERNET_SIZE + REJECT_ICMPV6_MAX - IPV6_SIZE - ICMP_SIZE :
                             ETHERNET_SIZE + REJECT_ICMP_MAX - IPV4_SIZE - ICMP_SIZE;
}

/* ---- reading ---- */

static bool is_host_v4(const uint8_t *ip)
{
    return ip[0] != 0 && ip[0] != 127 && ip[0] < 224;
}

static bool is_host_v6(const uint8_t *ip)
{
    static const uint8_t zeros[15];

    return ip[0] != 0xff && (memcmp(ip, zeros, sizeof zeros) != 0 || ip[15] > 1);
}

static bool read_v4(struct wire *w, struct rejected *packet)
{
    uint8_t first = wire_get_u8(w);

    wire_skip(w, 1);
    packet->length = wire_get_u16(w);
    wire_skip(w, 2);
    bool is_later_fragment = wire_get_u16(w) & 0x1fff;
    wire_skip(w, 1);
    packet->protocol = wire_get_u8(w);
    wire_skip(w, 2);
    wire_get(w, packet->from, 4);
    wire_get(w, packet->to, 4);
    packet->address_size = 4;
    packet->header_size = (first & 0xf) * 4u;
    return wire_ok(w) && first >> 4 == 4 && packet->header_size >= IPV4_SIZE && packet->length >= packet->header_size &&
           !is_later_fragment && is_host_v4(packet->from) && is_host_v4(packet->to);
}

/* Goes over extension headers (RFC 8200 §4) to what they are before. */
static bool skip_extensions(struct wire *w, struct rejected *packet)
{
    for (;;) {
        size_t size;
        uint8_t next;

        switch (packet->protocol) {
        case 0:  /* hop by hop */
        case 43: /* routing */
        case 60: /* destination options */
            next = wire_get_u8(w);
            size = (wire_get_u8(w) + 1u) * 8;
            break;
        case 44: /* fragment */
            next = wire_get_u8(w);
            wire_skip(w, 1);
            if (wire_get_u16(w) & 0xfff8)
                return false;
            wire_skip(w, 4);
            packet->protocol = next;
            packet->header_size += 8;
            continue;
        case 51: /* authentication, RFC 4302 §2.2 */
            next = wire_get_u8(w);
            size = (wire_get_u8(w) + 2u) * 4;
            break;
        default:
            return wire_ok(w);
        }
        wire_skip(w, size - 2);
        packet->protocol = next;
        packet->header_size += size;
        if (!wire_ok(w))
            return false;
    }
}

static bool read_v6(struct wire *w, struct rejected *packet)
{
    uint32_t first = wire_get_u32(w);

    packet->length = IPV6_SIZE + wire_get_u16(w);
    packet->protocol = wire_get_u8(w);
    wire_skip(w, 1);
    wire_get(w, packet->from, 16);
    wire_get(w, packet->to, 16);
    packet->address_size = 16;
    packet->header_size = IPV6_SIZE;
    return wire_ok(w) && first >> 28 == 6 && is_host_v6(packet->from) && is_host_v6(packet->to) &&
           skip_extensions(w, packet) && packet->length >= packet->header_size;
}

static bool read_packet(const uint8_t *frame, size_t size, struct rejected *packet)
{
    struct wire w = wire_reader(frame, size);

    *packet = (struct rejected) {0};
    wire_get(&w, packet->to_mac, 6);
    wire_get(&w, packet->from_mac, 6);
    unsigned type = wire_get_u16(&w);
    if (!wire_ok(&w) || (packet->to_mac[0] | packet->from_mac[0]) & 1)
        return false;
    packet->ip = frame + w.pos;
    packet->size = size - w.pos;
    packet->v6 = type == ETH_TYPE_IPV6;
    if (packet->v6 ? !read_v6(&w, packet) : type != ETH_TYPE_IP || !read_v4(&w, packet))
        return false;
    if (packet->size > packet->length) /* the rest is padding of Ethernet */
        packet->size = packet->length;
    return packet->size >= packet->header_size;
}

/* RFC 1122 §3.2.2: unreachable, source quench, redirect, time exceeded, parameter problem. RFC 4443 §2.1, RFC 4861
 * §4.5: types below 128, and redirects. */
static bool is_icmp_error(const struct rejected *packet, uint8_t type)
{
    if (packet->protocol == IP_ICMPV6)
        return type < 128 || type == 137;
    return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/* ---- writing ---- */

static void put_headers(struct wire *w, const struct rejected *packet, uint8_t protocol, size_t length)
{
    wire_put(w, packet->from_mac, 6);
    wire_put(w, packet->to_mac, 6);
    wire_put_u16(w, packet->v6 ? ETH_TYPE_IPV6 : ETH_TYPE_IP);
    size_t start = w->pos;

    if (packet->v6) {
        wire_put_u32(w, UINT32_C(6) << 28);
        wire_put_u16(w, (uint16_t) length);
        wire_put_u8(w, protocol);
        wire_put_u8(w, 64);
    } else {
        wire_put_u16(w, 0x4500);
        wire_put_u16(w, (uint16_t) (IPV4_SIZE + length));
        wire_put_u16(w, 0);
        wire_put_u16(w, 0x4000); /* not to be fragmented, so it needs no identification (RFC 6864 §4.1) */
        wire_put_u8(w, 64);
        wire_put_u8(w, protocol);
        wire_put_u16(w, 0);
    }
    wire_put(w, packet->to, packet->address_size);
    wire_put(w, packet->from, packet->address_size);
    if (!packet->v6)
        wire_patch_u16(w, start + 10, (uint16_t) ~wire_sum(0, w->data + start, IPV4_SIZE));
}

/* The checksum of what was written from 'start' on; with the pseudo header of TCP and ICMPv6 (RFC 8200 §8.1). */
static uint16_t checksum(const struct wire *w, size_t start, const struct rejected *packet, uint8_t protocol)
{
    size_t length = w->pos - start;
    uint16_t sum = 0;

    if (protocol != IP_ICMP)
        sum = wire_sum_pseudo(packet->to, packet->from, packet->address_size, protocol, length);
    return (uint16_t) ~wire_sum(sum, w->data + start, length);
}

static void put_reset(struct wire *w, const struct rejected *packet)
{
    struct wire r = wire_reader(packet->ip + packet->header_size, packet->size - packet->header_size);
    size_t segment = packet->length - packet->header_size;
    uint16_t source = wire_get_u16(&r), destination = wire_get_u16(&r);
    uint32_t sequence = wire_get_u32(&r), acknowledged = wire_get_u32(&r);
    size_t header = (size_t) (wire_get_u8(&r) >> 4) * 4;
    uint8_t flags = wire_get_u8(&r);

    wire_skip(&r, 6);
    if (!wire_ok(&r) || header < TCP_SIZE || header > segment || flags & TCP_RST) {
        wire_fail(w, ERR_MALFORMED);
        return;
    }
    bool has_ack = flags & TCP_ACK;
    uint32_t length = (uint32_t) (segment - header) + !!(flags & TCP_SYN) + !!(flags & TCP_FIN);

    put_headers(w, packet, IP_TCP, TCP_SIZE);
    size_t start = w->pos;
    wire_put_u16(w, destination);
    wire_put_u16(w, source);
    wire_put_u32(w, has_ack ? acknowledged : 0);
    wire_put_u32(w, has_ack ? 0 : sequence + length);
    wire_put_u8(w, TCP_SIZE / 4 << 4);
    wire_put_u8(w, has_ack ? TCP_RST : TCP_RST | TCP_ACK);
    wire_put_zeros(w, 6); /* window, checksum, urgent pointer */
    wire_patch_u16(w, start + 16, checksum(w, start, packet, IP_TCP));
}

static void put_unreachable(struct wire *w, const struct rejected *packet)
{
    size_t room = (size_t) reject_read_size(packet->v6 ? IP_V6 : IP_V4) - ETHERNET_SIZE;
    size_t quoted = packet->size < room ? packet->size : room;
    uint8_t protocol = packet->v6 ? IP_ICMPV6 : IP_ICMP;

    if (packet->protocol == protocol &&
        (packet->size == packet->header_size || is_icmp_error(packet, packet->ip[packet->header_size]))) {
        wire_fail(w, ERR_MALFORMED);
        return;
    }
    put_headers(w, packet, protocol, ICMP_SIZE + quoted);
    size_t start = w->pos;
    wire_put_u8(w, packet->v6 ? UNREACHABLE_V6 : UNREACHABLE_V4);
    wire_put_u8(w, packet->v6 ? PROHIBITED_V6 : PROHIBITED_V4);
    wire_put_zeros(w, 6); /* checksum; unused */
    wire_put(w, packet->ip, quoted);
    wire_patch_u16(w, start + 2, checksum(w, start, packet, protocol));
}

size_t reject_answer(const uint8_t *frame, size_t size, uint8_t answer[REJECT_ANSWER_MAX])
{
    struct wire w = wire_writer(answer, REJECT_ANSWER_MAX);
    struct rejected packet;

    if (!read_packet(frame, size, &packet))
        return 0;
    if (packet.protocol == IP_TCP)
        put_reset(&w, &packet);
    else
        put_unreachable(&w, &packet);
    return wire_ok(&w) ? w.pos : 0;
}
