/* SPDX-License-Identifier: Apache-2.0 */
/* Matches: OXM (OpenFlow 1.3.5 §7.2.3.2) and Nicira's NXM, which has the same header. */
#include <string.h>

#include "base/alloc.h"
#include "proto/openflow/openflow_internal.h"

#define OFPMT_OXM 1

enum { CLASS_NXM_0 = 0x0000, CLASS_NXM_1 = 0x0001, CLASS_BASIC = 0x8000, CLASS_EXPERIMENTER = 0xffff };

/* What a match must also say before it may say this (§7.2.3.8). */
enum needs { NOTHING, TAG, MPLS, IP, IPV4, IPV6, ARP, TCP, UDP, ICMPV4, ICMPV6, ND, SOLICITATION, ADVERTISEMENT };

/* The first row of a field is what we write; all of them are read. Class experimenter is always ONF's. */
static const struct of_field rows[] = {
    {FIELD_IN_PORT, CLASS_BASIC, 0, 4, NOTHING},
    {FIELD_IN_PORT, CLASS_NXM_0, 0, 2, NOTHING},
    {FIELD_PACKET_TYPE, CLASS_BASIC, 44, 4, NOTHING}, /* of OpenFlow 1.5 */
    {FIELD_METADATA, CLASS_BASIC, 2, 8, NOTHING},
    {FIELD_REG0, CLASS_NXM_1, 0, 4, NOTHING},
    {FIELD_REG1, CLASS_NXM_1, 1, 4, NOTHING},
    {FIELD_REG2, CLASS_NXM_1, 2, 4, NOTHING},
    {FIELD_REG3, CLASS_NXM_1, 3, 4, NOTHING},
    {FIELD_REG4, CLASS_NXM_1, 4, 4, NOTHING},
    {FIELD_REG5, CLASS_NXM_1, 5, 4, NOTHING},
    {FIELD_REG6, CLASS_NXM_1, 6, 4, NOTHING},
    {FIELD_CONJ_ID, CLASS_NXM_1, 37, 4, NOTHING},
    {FIELD_ETH_DST, CLASS_BASIC, 3, 6, NOTHING},
    {FIELD_ETH_DST, CLASS_NXM_0, 1, 6, NOTHING},
    {FIELD_ETH_SRC, CLASS_BASIC, 4, 6, NOTHING},
    {FIELD_ETH_SRC, CLASS_NXM_0, 2, 6, NOTHING},
    {FIELD_ETH_TYPE, CLASS_BASIC, 5, 2, NOTHING},
    {FIELD_ETH_TYPE, CLASS_NXM_0, 3, 2, NOTHING},
    {FIELD_VLAN_VID, CLASS_BASIC, 6, 2, NOTHING},
    {FIELD_VLAN_PCP, CLASS_BASIC, 7, 1, TAG},
    {FIELD_MPLS_LABEL, CLASS_BASIC, 34, 4, MPLS},
    {FIELD_MPLS_TC, CLASS_BASIC, 35, 1, MPLS},
    {FIELD_MPLS_BOS, CLASS_BASIC, 36, 1, MPLS},
    {FIELD_MPLS_TTL, CLASS_NXM_1, 30, 1, MPLS},
    {FIELD_IP_DSCP, CLASS_BASIC, 8, 1, IP},
    {FIELD_IP_ECN, CLASS_BASIC, 9, 1, IP},
    {FIELD_IP_ECN, CLASS_NXM_1, 28, 1, IP},
    {FIELD_IP_TTL, CLASS_NXM_1, 29, 1, IP},
    {FIELD_IP_FRAG, CLASS_NXM_1, 26, 1, IP},
    {FIELD_IP_PROTO, CLASS_BASIC, 10, 1, IP},
    {FIELD_IP_PROTO, CLASS_NXM_0, 6, 1, IP},
    {FIELD_IPV4_SRC, CLASS_BASIC, 11, 4, IPV4},
    {FIELD_IPV4_SRC, CLASS_NXM_0, 7, 4, IPV4},
    {FIELD_IPV4_DST, CLASS_BASIC, 12, 4, IPV4},
    {FIELD_IPV4_DST, CLASS_NXM_0, 8, 4, IPV4},
    {FIELD_TCP_SRC, CLASS_BASIC, 13, 2, TCP},
    {FIELD_TCP_SRC, CLASS_NXM_0, 9, 2, TCP},
    {FIELD_TCP_DST, CLASS_BASIC, 14, 2, TCP},
    {FIELD_TCP_DST, CLASS_NXM_0, 10, 2, TCP},
    {FIELD_UDP_SRC, CLASS_BASIC, 15, 2, UDP},
    {FIELD_UDP_SRC, CLASS_NXM_0, 11, 2, UDP},
    {FIELD_UDP_DST, CLASS_BASIC, 16, 2, UDP},
    {FIELD_UDP_DST, CLASS_NXM_0, 12, 2, UDP},
    {FIELD_ICMPV4_TYPE, CLASS_BASIC, 19, 1, ICMPV4},
    {FIELD_ICMPV4_TYPE, CLASS_NXM_0, 13, 1, ICMPV4},
    {FIELD_ICMPV4_CODE, CLASS_BASIC, 20, 1, ICMPV4},
    {FIELD_ICMPV4_CODE, CLASS_NXM_0, 14, 1, ICMPV4},
    {FIELD_ARP_OP, CLASS_BASIC, 21, 2, ARP},
    {FIELD_ARP_OP, CLASS_NXM_0, 15, 2, ARP},
    {FIELD_ARP_SPA, CLASS_BASIC, 22, 4, ARP},
    {FIELD_ARP_SPA, CLASS_NXM_0, 16, 4, ARP},
    {FIELD_ARP_TPA, CLASS_BASIC, 23, 4, ARP},
    {FIELD_ARP_TPA, CLASS_NXM_0, 17, 4, ARP},
    {FIELD_ARP_SHA, CLASS_BASIC, 24, 6, ARP},
    {FIELD_ARP_SHA, CLASS_NXM_1, 17, 6, ARP},
    {FIELD_ARP_THA, CLASS_BASIC, 25, 6, ARP},
    {FIELD_ARP_THA, CLASS_NXM_1, 18, 6, ARP},
    {FIELD_IPV6_SRC, CLASS_BASIC, 26, 16, IPV6},
    {FIELD_IPV6_SRC, CLASS_NXM_1, 19, 16, IPV6},
    {FIELD_IPV6_DST, CLASS_BASIC, 27, 16, IPV6},
    {FIELD_IPV6_DST, CLASS_NXM_1, 20, 16, IPV6},
    {FIELD_ICMPV6_TYPE, CLASS_BASIC, 29, 1, ICMPV6},
    {FIELD_ICMPV6_TYPE, CLASS_NXM_1, 21, 1, ICMPV6},
    {FIELD_ICMPV6_CODE, CLASS_BASIC, 30, 1, ICMPV6},
    {FIELD_ICMPV6_CODE, CLASS_NXM_1, 22, 1, ICMPV6},
    {FIELD_ND_TARGET, CLASS_BASIC, 31, 16, ND},
    {FIELD_ND_TARGET, CLASS_NXM_1, 23, 16, ND},
    {FIELD_ND_SLL, CLASS_BASIC, 32, 6, SOLICITATION},
    {FIELD_ND_SLL, CLASS_NXM_1, 24, 6, SOLICITATION},
    {FIELD_ND_TLL, CLASS_BASIC, 33, 6, ADVERTISEMENT},
    {FIELD_ND_TLL, CLASS_NXM_1, 25, 6, ADVERTISEMENT},
    {FIELD_TCP_FLAGS, CLASS_EXPERIMENTER, 42, 2, TCP},
    {FIELD_TCP_FLAGS, CLASS_NXM_1, 34, 2, TCP},
};

const struct of_field *of_field_row(unsigned id)
{
    /* In the order of ids, each of which has a row: the first cannot lie before. */
    for (size_t i = id; i < ARRAY_LEN(rows); i++) {
        if (rows[i].id == id)
            return &rows[i];
    }
    return NULL;
}

static const struct of_field *row_find(uint16_t class, uint8_t number)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].class == class && rows[i].number == number)
            return &rows[i];
    }
    return NULL;
}

const struct of_field *of_field_of_header(uint32_t header)
{
    const struct of_field *row = row_find((uint16_t) (header >> 16), (uint8_t) (header >> 9 & 0x7f));

    return row && row->class != CLASS_EXPERIMENTER && !(header & 0x100) && (header & 0xff) == row->size ? row : NULL;
}

uint32_t of_field_header(const struct of_field *row)
{
    return (uint32_t) row->class << 16 | (uint32_t) row->number << 9 | row->size;
}

unsigned of_field_row_bits(const struct of_field *row)
{
    unsigned bits = flow_field_bits(row->id), room = row->size * 8u;

    return bits < room ? bits : room;
}

uint16_t of_port_to_16(uint32_t port)
{
    return (uint16_t) port;
}

uint32_t of_port_from_16(uint16_t port)
{
    return port >= OF_PORT16_RESERVED ? 0xffff0000u | port : port;
}

void of_oxm_put(struct wire *w, const struct flow_field *field)
{
    const struct of_field *row = of_field_row(field->id);
    bool masked = !flow_field_exact(field);
    size_t size = row->size * (masked ? 2u : 1u);

    wire_put_u16(w, row->class);
    wire_put_u8(w, (uint8_t) (row->number << 1 | masked));
    if (row->class == CLASS_EXPERIMENTER) {
        wire_put_u8(w, (uint8_t) (size + 4));
        wire_put_u32(w, OF_EXPERIMENTER_ONF);
    } else {
        wire_put_u8(w, (uint8_t) size);
    }
    wire_put(w, field->value, row->size);
    if (masked)
        wire_put(w, field->mask, row->size);
}

/* in_port is 32 bits wide in OXM, 16 in NXM. */
static bool widen_in_port(struct flow_field *field, bool masked)
{
    uint32_t port = of_port_from_16((uint16_t) (field->value[0] << 8 | field->value[1]));

    for (unsigned i = 0; i < 4; i++)
        field->value[i] = (uint8_t) (port >> (24 - 8 * i));
    memset(field->mask, 0xff, 4);
    return !masked;
}

int of_oxm_get(struct wire *r, struct flow_field *field)
{
    uint16_t class = wire_get_u16(r);
    uint8_t number = wire_get_u8(r);
    struct wire body = wire_sub(r, wire_get_u8(r));
    bool masked = number & 1;

    if (!wire_ok(r))
        return ERR_SHORT;
    if (class == CLASS_EXPERIMENTER) {
        uint32_t experimenter = wire_get_u32(&body);

        if (!wire_ok(&body))
            return ERR_MALFORMED;
        if (experimenter != OF_EXPERIMENTER_ONF)
            return 0;
    }
    const struct of_field *row = row_find(class, number >> 1);

    if (!row)
        return 0;
    if (wire_left(&body) != row->size * (masked ? 2u : 1u))
        return ERR_MALFORMED;

    struct flow_field got = {.id = row->id};

    wire_get(&body, got.value, row->size);
    memset(got.mask, 0xff, row->size);
    if (masked)
        wire_get(&body, got.mask, row->size);
    if (row->size < flow_field_size(row->id) && !widen_in_port(&got, masked))
        return 0;

    /* Going through a match drops the bits that the field does not have. */
    struct flow_match one = {0};

    match_bytes(&one, row->id, got.value, got.mask);
    *field = one.n ? one.fields[0] : (struct flow_field) {.id = row->id};
    return 1;
}

static bool matches_u(const struct flow_match *match, enum flow_field_id id, uint64_t wanted)
{
    uint64_t value;

    return match_get_u(match, id, &value) && value == wanted;
}

static bool is_v4(const struct flow_match *match)
{
    return matches_u(match, FIELD_ETH_TYPE, 0x0800);
}

static bool is_v6(const struct flow_match *match)
{
    return matches_u(match, FIELD_ETH_TYPE, 0x86dd);
}

static bool prerequisite_met(const struct flow_match *match, enum needs needs)
{
    const struct flow_field *vid;

    switch (needs) {
    case NOTHING:
        return true;
    case TAG:
        vid = match_find(match, FIELD_VLAN_VID);
        return vid && (flow_field_u(vid) & VLAN_PRESENT);
    case MPLS:
        return matches_u(match, FIELD_ETH_TYPE, 0x8847) || matches_u(match, FIELD_ETH_TYPE, 0x8848);
    case IP:
        return is_v4(match) || is_v6(match);
    case IPV4:
        return is_v4(match);
    case IPV6:
        return is_v6(match);
    case ARP:
        return matches_u(match, FIELD_ETH_TYPE, 0x0806);
    case TCP:
        return (is_v4(match) || is_v6(match)) && matches_u(match, FIELD_IP_PROTO, 6);
    case UDP:
        return (is_v4(match) || is_v6(match)) && matches_u(match, FIELD_IP_PROTO, 17);
    case ICMPV4:
        return is_v4(match) && matches_u(match, FIELD_IP_PROTO, 1);
    case ICMPV6:
        return is_v6(match) && matches_u(match, FIELD_IP_PROTO, 58);
    case ND:
        return prerequisite_met(match, SOLICITATION) || prerequisite_met(match, ADVERTISEMENT);
    case SOLICITATION:
        return prerequisite_met(match, ICMPV6) && matches_u(match, FIELD_ICMPV6_TYPE, 135);
    case ADVERTISEMENT:
        return prerequisite_met(match, ICMPV6) && matches_u(match, FIELD_ICMPV6_TYPE, 136);
    }
    return false;
}

int of_match_encode(struct wire *w, const struct flow_match *match, struct err *err)
{
    size_t start = w->pos;

    wire_put_u16(w, OFPMT_OXM);
    wire_put_u16(w, 0);
    for (unsigned i = 0; i < match->n; i++) {
        const struct flow_field *field = &match->fields[i];

        if (!prerequisite_met(match, of_field_row(field->id)->needs))
            return err_set(err, ERR_INVALID,
                           "a match on %s lacks the eth_type, ip_proto, icmpv6_type or VLAN tag that %s needs",
                           flow_field_name(field->id), flow_field_name(field->id));
        of_oxm_put(w, field);
    }
    wire_patch_u16(w, start + 2, (uint16_t) (w->pos - start));
    of_pad(w, start);
    return 0;
}

static int match_add(struct flow_match *match, const struct flow_field *field, bool *has_unknown, struct err *err)
{
    if (match_find(match, field->id))
        return err_set(err, ERR_MALFORMED, "a match has %s twice", flow_field_name(field->id));
    if (match->n == FLOW_MATCH_MAX)
        *has_unknown = true;
    else
        match_bytes(match, field->id, field->value, field->mask);
    return 0;
}

int of_match_decode(struct wire *r, struct flow_match *match, bool *has_unknown, struct err *err)
{
    struct flow_match got = {0};
    bool unknown = false;
    uint16_t type = wire_get_u16(r);
    uint16_t length = wire_get_u16(r);

    if (!wire_ok(r) || type != OFPMT_OXM || length < 4)
        return err_set(err, ERR_MALFORMED, "a match has type %u and length %u", type, length);

    struct wire oxms = wire_sub(r, length - 4u);

    wire_skip(r, (8 - length % 8u) % 8);
    if (!wire_ok(r))
        return err_set(err, ERR_SHORT, "a match of %u bytes does not fit its message", length);
    while (wire_left(&oxms)) {
        struct flow_field field;
        int rc = of_oxm_get(&oxms, &field);

        if (rc < 0)
            return err_set(err, ERR_MALFORMED, "a match field has a wrong length");
        if (rc == 0)
            unknown = true;
        else if ((rc = match_add(&got, &field, &unknown, err)) < 0)
            return rc;
    }
    *match = got;
    *has_unknown |= unknown;
    return 0;
}
