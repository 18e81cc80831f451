/* SPDX-License-Identifier: Apache-2.0 */
#include "capture.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/wire.h"

#define PCAP_MAGIC_MICROSECONDS 0xa1b2c3d4u
#define PCAP_MAGIC_NANOSECONDS 0xa1b23c4du
#define PCAP_HEADER_SIZE 24
#define PCAPNG_SECTION 0x0a0d0d0au
#define PCAPNG_BYTE_ORDER 0x1a2b3c4du
#define PCAPNG_INTERFACE 1
#define PCAPNG_PACKET 6 /* enhanced */
#define PCAPNG_SIMPLE_PACKET 3
#define INTERFACES_MAX 32

#define LINK_LOOPBACK 0 /* of BSD: four bytes of address family */
#define LINK_ETHERNET 1
#define LINK_RAW 101
#define LINK_COOKED 113
#define LINK_IPV4 228
#define LINK_COOKED_2 276

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_VLAN 0x8100

#define IPV4_HEADER_SIZE 20
#define SNAPSHOT 65535

struct capture {
    struct wire w;
    bool swapped; /* the file is little-endian */
    unsigned frame;
    uint32_t links[INTERFACES_MAX];
    size_t n_links;
    uint8_t protocol;
    capture_taker *taker;
    void *context;
};

static uint32_t get32(struct capture *c, struct wire *w)
{
    uint32_t value = wire_get_u32(w);

    return c->swapped ? __builtin_bswap32(value) : value;
}

static uint16_t get16(struct capture *c, struct wire *w)
{
    uint16_t value = wire_get_u16(w);

    return c->swapped ? __builtin_bswap16(value) : value;
}

static void take_ipv4(struct capture *c, struct wire *w)
{
    const struct wire start = *w;
    const uint8_t version = wire_get_u8(w);

    wire_skip(w, 1);
    size_t length = wire_get_u16(w);

    wire_skip(w, 5);
    uint8_t protocol = wire_get_u8(w);

    wire_skip(w, 2);
    struct capture_packet packet = {.frame = c->frame, .source = wire_get_u32(w), .destination = wire_get_u32(w)};
    size_t header = (version & 15) * 4u, there = wire_left(&start);

    if (!wire_ok(w) || version >> 4 != 4 || header < IPV4_HEADER_SIZE || header > there || protocol != c->protocol)
        return;
    if (length > there || length < header)
        length = there;
    packet.payload = start.data + start.pos + header;
    packet.size = length - header;
    c->taker(c->context, &packet);
}

static void take_frame(struct capture *c, uint32_t link, struct wire frame)
{
    uint16_t type = ETHERTYPE_IPV4;

    c->frame++;
    if (link == LINK_ETHERNET) {
        wire_skip(&frame, 12);
        while ((type = wire_get_u16(&frame)) == ETHERTYPE_VLAN)
            wire_skip(&frame, 2);
    } else if (link == LINK_LOOPBACK) {
        wire_skip(&frame, 4);
    } else if (link == LINK_COOKED) {
        wire_skip(&frame, 14);
        type = wire_get_u16(&frame);
    } else if (link == LINK_COOKED_2) {
        type = wire_get_u16(&frame);
        wire_skip(&frame, 18);
    } else if (link != LINK_RAW && link != LINK_IPV4) {
        return;
    }
    if (type == ETHERTYPE_IPV4)
        take_ipv4(c, &frame);
}

static int read_pcap(struct capture *c, struct err *err)
{
    wire_skip(&c->w, PCAP_HEADER_SIZE - 4);
    const uint32_t link = get32(c, &c->w) & 0xffff; /* beside it: the length of the frame check sequence */

    while (wire_left(&c->w) > 0) {
        wire_skip(&c->w, 8);
        uint32_t size = get32(c, &c->w);

        wire_skip(&c->w, 4);
        struct wire frame = wire_sub(&c->w, size);

        if (!wire_ok(&frame))
            return err_set(err, ERR_MALFORMED, "frame %u is cut off", c->frame + 1);
        take_frame(c, link, frame);
    }
    return 0;
}

static void read_block(struct capture *c, uint32_t type, struct wire *body)
{
    if (type == PCAPNG_INTERFACE && c->n_links < INTERFACES_MAX) {
        c->links[c->n_links++] = get16(c, body);
    } else if (type == PCAPNG_PACKET) {
        uint32_t interface = get32(c, body);

        wire_skip(body, 8);
        uint32_t size = get32(c, body);

        wire_skip(body, 4);
        take_frame(c, interface < c->n_links ? c->links[interface] : UINT32_MAX, wire_sub(body, size));
    } else if (type == PCAPNG_SIMPLE_PACKET) {
        uint32_t size = get32(c, body);

        take_frame(c, c->links[0], wire_sub(body, size < wire_left(body) ? size : wire_left(body)));
    }
}

static int read_pcapng(struct capture *c, struct err *err)
{
    while (wire_left(&c->w) > 0) {
        uint32_t type = wire_get_u32(&c->w);
        struct wire ahead = c->w;

        if (type == PCAPNG_SECTION) {
            wire_skip(&ahead, 4);
            c->swapped = wire_get_u32(&ahead) != PCAPNG_BYTE_ORDER;
            c->n_links = 0;
        } else if (c->swapped) {
            type = __builtin_bswap32(type);
        }
        uint32_t length = get32(c, &c->w);
        struct wire body = wire_sub(&c->w, length < 12 ? SIZE_MAX : length - 12u);

        wire_skip(&c->w, 4);
        if (!wire_ok(&c->w))
            return err_set(err, ERR_MALFORMED, "a block behind frame %u is cut off", c->frame);
        read_block(c, type, &body);
    }
    return 0;
}

static int read_file(const char *path, uint8_t **bytes, size_t *size, struct err *err)
{
    FILE *file = fopen(path, "rb");
    size_t n = 0, capacity = 0;
    uint8_t *data = NULL;
    int c;

    if (!file)
        return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    while ((c = getc(file)) != EOF) {
        data = array_reserve(data, n, &capacity, 1);
        data[n++] = (uint8_t) c;
    }
    fclose(file);
    *bytes = data;
    *size = n;
    return 0;
}

int capture_read(const char *path, uint8_t protocol, capture_taker *taker, void *context, struct err *err)
{
    AUTO_FREE uint8_t *bytes = NULL;
    size_t size = 0;

    if (read_file(path, &bytes, &size, err) < 0)
        return err->code;
    struct capture c = {.w = wire_reader(bytes, size), .protocol = protocol, .taker = taker, .context = context};
    struct wire start = c.w;
    uint32_t magic = wire_get_u32(&start);

    if (magic == PCAPNG_SECTION)
        return read_pcapng(&c, err);
    c.swapped = magic != PCAP_MAGIC_MICROSECONDS && magic != PCAP_MAGIC_NANOSECONDS;
    magic = c.swapped ? __builtin_bswap32(magic) : magic;
    if (size < PCAP_HEADER_SIZE || (magic != PCAP_MAGIC_MICROSECONDS && magic != PCAP_MAGIC_NANOSECONDS))
        return err_set(err, ERR_MALFORMED, "%s: neither pcap nor pcapng", path);
    return read_pcap(&c, err);
}

static void put(FILE *file, const struct wire *w)
{
    fwrite(w->data, 1, w->pos, file);
}

void capture_begin(FILE *file)
{
    uint8_t bytes[PCAP_HEADER_SIZE];
    struct wire w = wire_writer(bytes, sizeof bytes);

    wire_put_u32(&w, PCAP_MAGIC_MICROSECONDS);
    wire_put_u16(&w, 2);
    wire_put_u16(&w, 4);
    wire_put_zeros(&w, 8);
    wire_put_u32(&w, SNAPSHOT);
    wire_put_u32(&w, LINK_RAW);
    put(file, &w);
}

void capture_add(FILE *file, uint8_t protocol, uint32_t source, uint32_t destination, const uint8_t *payload,
                 size_t size)
{
    uint8_t bytes[16 + IPV4_HEADER_SIZE];
    struct wire w = wire_writer(bytes, sizeof bytes);
    const uint32_t length = (uint32_t) (IPV4_HEADER_SIZE + size);
    uint32_t sum = 0;

    wire_put_zeros(&w, 8);
    wire_put_u32(&w, length);
    wire_put_u32(&w, length);
    wire_put_u16(&w, 0x4500);
    wire_put_u16(&w, (uint16_t) length);
    wire_put_u32(&w, 0);
    wire_put_u8(&w, 64);
    wire_put_u8(&w, protocol);
    wire_put_u16(&w, 0);
    wire_put_u32(&w, source);
    wire_put_u32(&w, destination);
    for (size_t i = 16; i < sizeof bytes; i += 2)
        sum += (uint32_t) bytes[i] << 8 | bytes[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~((sum & 0xffff) + (sum >> 16));
    bytes[16 + 10] = (uint8_t) (sum >> 8);
    bytes[16 + 11] = (uint8_t) sum;
    put(file, &w);
    fwrite(payload, 1, size, file);
}
