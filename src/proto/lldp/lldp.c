/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/lldp/lldp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/wire.h"

#define CHASSIS_PREFIX "scg:"

enum { TLV_END = 0, TLV_CHASSIS = 1, TLV_PORT = 2, TLV_TTL = 3, TLV_PORT_DESCRIPTION = 4, TLV_SYSTEM_NAME = 5 };

static const uint8_t nearest_bridge[6] = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e};

static void id_decode(struct wire *r, struct lldp_id *id)
{
    id->subtype = wire_get_u8(r);
    id->length = (uint8_t) wire_left(r);
    wire_get(r, id->bytes, id->length);
}

static void id_encode(struct wire *w, const struct lldp_id *id)
{
    wire_put_u8(w, id->subtype);
    wire_put(w, id->bytes, id->length);
}

static void text_decode(struct wire *r, char *text)
{
    size_t n = wire_left(r);

    wire_get(r, text, n);
    text[n] = '\0';
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char) text[i] < 0x20 || text[i] == 0x7f)
            text[i] = '?';
    }
}

static void text_encode(struct wire *w, const char *text)
{
    wire_put(w, text, strlen(text));
}

static void chassis_decode(struct wire *r, struct lldp *lldp)
{
    id_decode(r, &lldp->chassis);
}

static void chassis_encode(struct wire *w, const struct lldp *lldp)
{
    id_encode(w, &lldp->chassis);
}

static void port_decode(struct wire *r, struct lldp *lldp)
{
    id_decode(r, &lldp->port);
}

static void port_encode(struct wire *w, const struct lldp *lldp)
{
    id_encode(w, &lldp->port);
}

static void ttl_decode(struct wire *r, struct lldp *lldp)
{
    lldp->ttl = wire_get_u16(r);
}

static void ttl_encode(struct wire *w, const struct lldp *lldp)
{
    wire_put_u16(w, lldp->ttl);
}

static void port_description_decode(struct wire *r, struct lldp *lldp)
{
    text_decode(r, lldp->port_description);
}

static void port_description_encode(struct wire *w, const struct lldp *lldp)
{
    text_encode(w, lldp->port_description);
}

static void system_name_decode(struct wire *r, struct lldp *lldp)
{
    text_decode(r, lldp->system_name);
}

static void system_name_encode(struct wire *w, const struct lldp *lldp)
{
    text_encode(w, lldp->system_name);
}

/* IEEE 802.1AB-2016 §8.5; in the order in which they are sent. Lengths are of the information string. */
static const struct tlv_row {
    uint8_t type;
    uint16_t least, most;
    bool mandatory;
    void (*decode)(struct wire *r, struct lldp *lldp);
    void (*encode)(struct wire *w, const struct lldp *lldp);
} rows[] = {
    {TLV_CHASSIS, 2, 256, true, chassis_decode, chassis_encode},
    {TLV_PORT, 2, 256, true, port_decode, port_encode},
    {TLV_TTL, 2, 511, true, ttl_decode, ttl_encode},
    {TLV_PORT_DESCRIPTION, 0, 255, false, port_description_decode, port_description_encode},
    {TLV_SYSTEM_NAME, 0, 255, false, system_name_decode, system_name_encode},
};

static const struct tlv_row *row_find(unsigned type)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].type == type)
            return &rows[i];
    }
    return NULL;
}

static int tlv_decode(unsigned type, struct wire *body, struct lldp *lldp, unsigned nth, unsigned *seen,
                      struct err *err)
{
    const struct tlv_row *row = row_find(type);
    size_t length = wire_left(body);

    if (nth < 3 && type != nth + 1)
        return err_set(err, ERR_MALFORMED, "LLDP: TLV number %u has type %u, not %u", nth + 1, type, nth + 1);
    if (!row)
        return 0;
    if (length < row->least || length > row->most)
        return err_set(err, ERR_MALFORMED, "LLDP: a TLV of type %u has %zu bytes", type, length);
    if (*seen & 1u << type)
        return err_set(err, ERR_MALFORMED, "LLDP: a TLV of type %u comes twice", type);
    *seen |= 1u << type;
    row->decode(body, lldp);
    return 0;
}

int lldp_decode(const uint8_t *frame, size_t size, struct lldp *lldp, struct err *err)
{
    struct wire r = wire_reader(frame, size);
    struct lldp got = {0};
    unsigned seen = 0, nth = 0;

    wire_skip(&r, 6);
    wire_get(&r, got.source.bytes, sizeof got.source.bytes);
    uint16_t ethertype = wire_get_u16(&r);

    if (!wire_ok(&r) || ethertype != LLDP_ETHERTYPE)
        return err_set(err, ERR_MALFORMED, "not an LLDP frame (%zu bytes, ethertype 0x%04x)", size, ethertype);
    while (wire_left(&r)) {
        uint16_t head = wire_get_u16(&r);
        unsigned type = head >> 9;
        struct wire body = wire_sub(&r, head & 0x1ffu);

        if (!wire_ok(&r))
            return err_set(err, ERR_MALFORMED, "LLDP: a TLV of type %u claims %u bytes, beyond the frame", type,
                           head & 0x1ffu);
        if (type == TLV_END)
            break;
        int rc = tlv_decode(type, &body, &got, nth++, &seen, err);

        if (rc < 0)
            return rc;
    }
    if (nth < 3)
        return err_set(err, ERR_MALFORMED, "LLDP: chassis id, port id or TTL is missing");
    *lldp = got;
    return 0;
}

int lldp_encode(const struct lldp *lldp, uint8_t *frame, size_t capacity)
{
    struct wire w = wire_writer(frame, capacity);

    wire_put(&w, nearest_bridge, sizeof nearest_bridge);
    wire_put(&w, lldp->source.bytes, sizeof lldp->source.bytes);
    wire_put_u16(&w, LLDP_ETHERTYPE);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t start = w.pos;

        wire_put_u16(&w, 0);
        rows[i].encode(&w, lldp);
        size_t length = w.pos - start - 2;

        if (length == 0 && !rows[i].mandatory && wire_ok(&w))
            w.pos = start;
        else
            wire_patch_u16(&w, start, (uint16_t) ((unsigned) rows[i].type << 9 | length));
    }
    wire_put_u16(&w, TLV_END);
    return wire_ok(&w) ? (int) w.pos : ERR_SHORT;
}

static struct lldp_id local_id(uint8_t subtype, const char *text)
{
    struct lldp_id id = {.subtype = subtype, .length = (uint8_t) strlen(text)};

    memcpy(id.bytes, text, id.length);
    return id;
}

struct lldp lldp_of_port(uint64_t dpid, uint32_t port, const struct mac *source, uint16_t ttl)
{
    char text[sizeof CHASSIS_PREFIX + 16];
    struct lldp lldp = {.source = *source, .ttl = ttl};

    snprintf(text, sizeof text, CHASSIS_PREFIX "%016" PRIx64, dpid);
    lldp.chassis = local_id(LLDP_CHASSIS_LOCAL, text);
    snprintf(text, sizeof text, "%" PRIu32, port);
    lldp.port = local_id(LLDP_PORT_LOCAL, text);
    return lldp;
}

/* 'n' characters as a number; only what lldp_of_port() writes. */
static bool parse_number(const uint8_t *text, size_t n, unsigned base, uint64_t most, uint64_t *value)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        const char *digit = memchr(digits, text[i], base);

        if (!digit || sum > (most - (uint64_t) (digit - digits)) / base)
            return false;
        sum = sum * base + (uint64_t) (digit - digits);
    }
    *value = sum;
    return n > 0;
}

bool lldp_is_of_port(const struct lldp *lldp, uint64_t *dpid, uint32_t *port)
{
    const size_t prefix = sizeof CHASSIS_PREFIX - 1;
    uint64_t chassis, number;

    if (lldp->chassis.subtype != LLDP_CHASSIS_LOCAL || lldp->port.subtype != LLDP_PORT_LOCAL ||
        lldp->chassis.length != prefix + 16 || memcmp(lldp->chassis.bytes, CHASSIS_PREFIX, prefix) != 0 ||
        !parse_number(lldp->chassis.bytes + prefix, 16, 16, UINT64_MAX, &chassis) ||
        !parse_number(lldp->port.bytes, lldp->port.length, 10, UINT32_MAX, &number))
        return false;
    *dpid = chassis;
    *port = (uint32_t) number;
    return true;
}

char *lldp_id_format(const struct lldp_id *id, uint8_t mac_subtype, char *buffer)
{
    bool printable = true;
    struct mac mac;

    if (id->subtype == mac_subtype && id->length == sizeof mac.bytes) {
        memcpy(mac.bytes, id->bytes, sizeof mac.bytes);
        return mac_format(&mac, buffer);
    }
    for (unsigned i = 0; i < id->length; i++)
        printable = printable && id->bytes[i] >= 0x20 && id->bytes[i] < 0x7f;
    if (printable) {
        memcpy(buffer, id->bytes, id->length);
        buffer[id->length] = '\0';
        return buffer;
    }
    for (unsigned i = 0; i < id->length; i++)
        snprintf(buffer + 2 * (size_t) i, 3, "%02x", id->bytes[i]);
    return buffer;
}
