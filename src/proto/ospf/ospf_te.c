/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/ospf/ospf_te.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define AGE_SIZE 2
#define CHECKSUM_AT 16
#define MEASURE_MASK UINT32_C(0xffffff)
#define ANOMALOUS UINT32_C(0x80000000)

enum { TLV_ROUTER_ADDRESS = 1, TLV_LINK = 2 };

struct link_row {
    uint16_t type;
    uint16_t least;   /* bytes of the value that are read; more are skipped */
    uint32_t present; /* its bit; 0: there may be several */
    void (*decode)(struct wire *r, struct ospf_te_link *link);
    void (*encode)(struct wire *w, const struct ospf_te_link *link);
};

/* ---- Header and checksum ---- */

int ospf_lsa_header_decode(const uint8_t *bytes, size_t size, struct ospf_lsa_header *header, struct err *err)
{
    struct wire r = wire_reader(bytes, size);
    struct ospf_lsa_header h = {.age = wire_get_u16(&r)};

    h.options = wire_get_u8(&r);
    h.type = wire_get_u8(&r);
    h.id = wire_get_u32(&r);
    h.advertising_router = wire_get_u32(&r);
    h.sequence = wire_get_u32(&r);
    h.checksum = wire_get_u16(&r);
    h.length = wire_get_u16(&r);
    if (!wire_ok(&r))
        return err_set(err, ERR_SHORT, "an LSA of %zu bytes is shorter than its header", size);
    if (h.length < OSPF_LSA_HEADER_SIZE)
        return err_set(err, ERR_MALFORMED, "the header of an LSA says that it has %u bytes, less than the header",
                       h.length);
    if (h.length > size)
        return err_set(err, ERR_SHORT, "the header of an LSA says that it has %u bytes, but there are %zu", h.length,
                       size);
    *header = h;
    return 0;
}

void ospf_lsa_header_encode(struct wire *w, const struct ospf_lsa_header *header)
{
    wire_put_u16(w, header->age);
    wire_put_u8(w, header->options);
    wire_put_u8(w, header->type);
    wire_put_u32(w, header->id);
    wire_put_u32(w, header->advertising_router);
    wire_put_u32(w, header->sequence);
    wire_put_u32(w, 0);
}

int ospf_lsa_seal(struct wire *w)
{
    wire_patch_u16(w, CHECKSUM_AT + 2, (uint16_t) w->pos);
    if (!wire_ok(w))
        return ERR_SHORT;
    wire_patch_u16(w, CHECKSUM_AT, ospf_lsa_checksum(w->data, w->pos));
    return (int) w->pos;
}

/* The two check octets X and Y are such that both sums over the LSA, with them in it, are 0 modulo 255; RFC 905 annex B
 * solves that for them. 'c1' is the sum of the sums, so a byte counts once more for each byte behind it. */
uint16_t ospf_lsa_checksum(const uint8_t *lsa, size_t length)
{
    uint32_t c0 = 0, c1 = 0;

    for (size_t i = AGE_SIZE; i < length; i++) {
        c0 = (c0 + (i == CHECKSUM_AT || i == CHECKSUM_AT + 1 ? 0 : lsa[i])) % 255;
        c1 = (c1 + c0) % 255;
    }
    /* After X come length - 17 bytes: X counts so often, and once; Y one time less. */
    uint32_t after = (uint32_t) (length - CHECKSUM_AT - 1) % 255;
    uint32_t x = (after * c0 + 255 - c1) % 255;
    uint32_t y = (2 * 255 - c0 - x) % 255;

    /* One's complement arithmetic has two zeros; 0 would mean that there is no checksum. */
    return (uint16_t) ((x ? x : 255) << 8 | (y ? y : 255));
}

/* Not by comparing with what we would put: a sender may use either zero. */
bool ospf_lsa_is_intact(const uint8_t *lsa, size_t length)
{
    uint32_t c0 = 0, c1 = 0;

    for (size_t i = AGE_SIZE; i < length; i++) {
        c0 = (c0 + lsa[i]) % 255;
        c1 = (c1 + c0) % 255;
    }
    return c0 == 0 && c1 == 0;
}

static int signed_compare(uint32_t a, uint32_t b)
{
    a ^= UINT32_C(0x80000000);
    b ^= UINT32_C(0x80000000);
    return (a > b) - (a < b);
}

int ospf_lsa_compare(const struct ospf_lsa_header *a, const struct ospf_lsa_header *b)
{
    int order = signed_compare(a->sequence, b->sequence);

    return order ? order : (a->checksum > b->checksum) - (a->checksum < b->checksum);
}

bool ospf_lsa_is_te(const struct ospf_lsa_header *header)
{
    return header->type == OSPF_LSA_OPAQUE_AREA && header->id >> 24 == OSPF_OPAQUE_TE;
}

/* ---- Sub-TLVs of a link ---- */

static void type_decode(struct wire *r, struct ospf_te_link *link)
{
    link->type = wire_get_u8(r);
}

static void type_encode(struct wire *w, const struct ospf_te_link *link)
{
    wire_put_u8(w, link->type);
}

/* Most are one number of 32 bits, a few one octet of flags and a number of 24. */
#define NUMBER(name, field) \
    static void name##_decode(struct wire *r, struct ospf_te_link *link) \
    { \
        link->field = wire_get_u32(r); \
    } \
    static void name##_encode(struct wire *w, const struct ospf_te_link *link) \
    { \
        wire_put_u32(w, link->field); \
    }

NUMBER(id, id)
NUMBER(local_ip, local_ip)
NUMBER(remote_ip, remote_ip)
NUMBER(metric, metric)
NUMBER(max, max_bandwidth)
NUMBER(reservable, reservable_bandwidth)
NUMBER(admin_group, admin_group)
NUMBER(residual, residual_bandwidth)
NUMBER(available, available_bandwidth)
NUMBER(utilized, utilized_bandwidth)

static void floats_decode(struct wire *r, uint32_t floats[TE_PRIORITIES])
{
    for (size_t i = 0; i < TE_PRIORITIES; i++)
        floats[i] = wire_get_u32(r);
}

static void floats_encode(struct wire *w, const uint32_t floats[TE_PRIORITIES])
{
    for (size_t i = 0; i < TE_PRIORITIES; i++)
        wire_put_u32(w, floats[i]);
}

static void unreserved_decode(struct wire *r, struct ospf_te_link *link)
{
    floats_decode(r, link->unreserved_bandwidth);
}

static void unreserved_encode(struct wire *w, const struct ospf_te_link *link)
{
    floats_encode(w, link->unreserved_bandwidth);
}

static void interface_ids_decode(struct wire *r, struct ospf_te_link *link)
{
    link->local_id = wire_get_u32(r);
    link->remote_id = wire_get_u32(r);
}

static void interface_ids_encode(struct wire *w, const struct ospf_te_link *link)
{
    wire_put_u32(w, link->local_id);
    wire_put_u32(w, link->remote_id);
}

static void protection_decode(struct wire *r, struct ospf_te_link *link)
{
    link->protection = wire_get_u8(r);
}

static void protection_encode(struct wire *w, const struct ospf_te_link *link)
{
    wire_put_u8(w, link->protection);
    wire_put_zeros(w, 3);
}

static void iscd_decode(struct wire *r, struct ospf_te_link *link)
{
    if (link->n_iscds == OSPF_TE_ISCD_MAX) {
        wire_fail(r, ERR_TOO_LARGE);
        return;
    }
    struct ospf_te_iscd *iscd = &link->iscds[link->n_iscds++];

    iscd->capability = wire_get_u8(r);
    iscd->encoding = wire_get_u8(r);
    wire_skip(r, 2);
    floats_decode(r, iscd->max_lsp_bandwidth);
}

static void iscd_encode(struct wire *w, const struct ospf_te_iscd *iscd)
{
    wire_put_u8(w, iscd->capability);
    wire_put_u8(w, iscd->encoding);
    wire_put_zeros(w, 2);
    floats_encode(w, iscd->max_lsp_bandwidth);
}

static void srlg_decode(struct wire *r, struct ospf_te_link *link)
{
    while (wire_left(r) >= 4 && link->n_srlgs < OSPF_TE_SRLG_MAX)
        link->srlgs[link->n_srlgs++] = wire_get_u32(r);
}

static struct ospf_te_measure measure_decode(struct wire *r)
{
    uint32_t word = wire_get_u32(r);

    return (struct ospf_te_measure) {.anomalous = word & ANOMALOUS, .value = word & MEASURE_MASK};
}

static void measure_encode(struct wire *w, struct ospf_te_measure measure)
{
    wire_put_u32(w, (measure.anomalous ? ANOMALOUS : 0) | (measure.value & MEASURE_MASK));
}

static void delay_decode(struct wire *r, struct ospf_te_link *link)
{
    link->delay = measure_decode(r);
}

static void delay_encode(struct wire *w, const struct ospf_te_link *link)
{
    measure_encode(w, link->delay);
}

static void delay_min_max_decode(struct wire *r, struct ospf_te_link *link)
{
    link->delay_min = measure_decode(r);
    link->delay_max = wire_get_u32(r) & MEASURE_MASK;
}

static void delay_min_max_encode(struct wire *w, const struct ospf_te_link *link)
{
    measure_encode(w, link->delay_min);
    wire_put_u32(w, link->delay_max & MEASURE_MASK);
}

static void delay_variation_decode(struct wire *r, struct ospf_te_link *link)
{
    link->delay_variation = wire_get_u32(r) & MEASURE_MASK;
}

static void delay_variation_encode(struct wire *w, const struct ospf_te_link *link)
{
    wire_put_u32(w, link->delay_variation & MEASURE_MASK);
}

static void loss_decode(struct wire *r, struct ospf_te_link *link)
{
    link->loss = measure_decode(r);
}

static void loss_encode(struct wire *w, const struct ospf_te_link *link)
{
    measure_encode(w, link->loss);
}

enum { SUB_ISCD = 15, SUB_SRLG = 16 };

/* The sections are named with the bits of 'present'. */
static const struct link_row rows[] = {
    {1, 1, OSPF_TE_TYPE, type_decode, type_encode},
    {2, 4, OSPF_TE_ID, id_decode, id_encode},
    {3, 4, OSPF_TE_LOCAL_IP, local_ip_decode, local_ip_encode},
    {4, 4, OSPF_TE_REMOTE_IP, remote_ip_decode, remote_ip_encode},
    {5, 4, OSPF_TE_METRIC, metric_decode, metric_encode},
    {6, 4, OSPF_TE_MAX, max_decode, max_encode},
    {7, 4, OSPF_TE_RESERVABLE, reservable_decode, reservable_encode},
    {8, 32, OSPF_TE_UNRESERVED, unreserved_decode, unreserved_encode},
    {9, 4, OSPF_TE_ADMIN_GROUP, admin_group_decode, admin_group_encode},
    {11, 8, OSPF_TE_INTERFACE_IDS, interface_ids_decode, interface_ids_encode},
    {14, 4, OSPF_TE_PROTECTION, protection_decode, protection_encode},
    {SUB_ISCD, 36, 0, iscd_decode, NULL}, /* RFC 4203 §1.4 */
    {SUB_SRLG, 0, 0, srlg_decode, NULL},  /* RFC 4203 §1.3 */
    {27, 4, OSPF_TE_DELAY, delay_decode, delay_encode},
    {28, 8, OSPF_TE_DELAY_MIN_MAX, delay_min_max_decode, delay_min_max_encode},
    {29, 4, OSPF_TE_DELAY_VARIATION, delay_variation_decode, delay_variation_encode},
    {30, 4, OSPF_TE_LOSS, loss_decode, loss_encode},
    {31, 4, OSPF_TE_RESIDUAL, residual_decode, residual_encode},
    {32, 4, OSPF_TE_AVAILABLE, available_decode, available_encode},
    {33, 4, OSPF_TE_UTILIZED, utilized_decode, utilized_encode},
};

static const struct link_row *row_find(uint16_t type)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].type == type)
            return &rows[i];
    }
    return NULL;
}

/* ---- Decoding ---- */

/* Carves the next TLV out of 'r', which has at least one byte left. */
static struct wire tlv_next(struct wire *r, uint16_t *type)
{
    *type = wire_get_u16(r);
    uint16_t length = wire_get_u16(r);
    struct wire value = wire_sub(r, length);
    size_t padding = (4 - length % 4U) % 4U;

    wire_skip(r, padding < wire_left(r) ? padding : wire_left(r));
    return value;
}

static int link_decode(struct wire *r, struct ospf_te_link *link, struct err *err)
{
    while (wire_left(r)) {
        uint16_t type;
        struct wire value = tlv_next(r, &type);
        const struct link_row *row = row_find(type);

        if (!wire_ok(r))
            return err_set(err, ERR_SHORT, "sub-TLV %u is cut off by the end of its link", type);
        if (!row)
            continue;
        if (value.size < row->least)
            return err_set(err, ERR_MALFORMED, "sub-TLV %u has %zu bytes, expected %u", type, value.size, row->least);
        /* RFC 3630 §2.5: "each at most once". */
        if (link->present & row->present)
            return err_set(err, ERR_MALFORMED, "sub-TLV %u is there twice in one link", type);
        row->decode(&value, link);
        if (!wire_ok(&value))
            return err_set(err, value.error, "sub-TLV %u: a link has more than %d", type, OSPF_TE_ISCD_MAX);
        link->present |= row->present;
    }
    if ((link->present & (OSPF_TE_TYPE | OSPF_TE_ID)) != (OSPF_TE_TYPE | OSPF_TE_ID))
        return err_set(err, ERR_MALFORMED, "a link has no type or no link id (sub-TLVs 1 and 2)");
    return 0;
}

static int tlvs_decode(struct wire *r, struct ospf_te_lsa *lsa, struct err *err)
{
    while (wire_left(r)) {
        uint16_t type;
        struct wire value = tlv_next(r, &type);
        int status = 0;

        if (!wire_ok(r))
            return err_set(err, ERR_SHORT, "TLV %u is cut off by the end of the LSA", type);
        if (type == TLV_ROUTER_ADDRESS) {
            lsa->router_address = wire_get_u32(&value);
            if (!wire_ok(&value))
                status = err_set(err, ERR_MALFORMED, "the router address has %zu bytes, expected 4", value.size);
        } else if (type == TLV_LINK && lsa->n_links == OSPF_TE_LINKS_MAX) {
            status = err_set(err, ERR_TOO_LARGE, "more than %d links in one LSA", OSPF_TE_LINKS_MAX);
        } else if (type == TLV_LINK) {
            status = link_decode(&value, &lsa->links[lsa->n_links++], err);
        }
        if (status < 0)
            return status;
    }
    return 0;
}

static int prefix_lsa(struct err *err, const struct ospf_lsa_header *header)
{
    char router[IPV4_TEXT_SIZE], id[IPV4_TEXT_SIZE];

    return err_prefix(err, "TE LSA %s of %s, sequence %08x", ipv4_format(header->id, id),
                      ipv4_format(header->advertising_router, router), header->sequence);
}

int ospf_te_lsa_decode(const uint8_t *bytes, size_t size, struct ospf_te_lsa *lsa, struct err *err)
{
    struct ospf_lsa_header header;
    int status = ospf_lsa_header_decode(bytes, size, &header, err);

    if (status < 0)
        return status;
    if (!ospf_lsa_is_te(&header))
        return err_set(err, ERR_UNSUPPORTED, "an LSA of type %u, opaque type %u is no TE LSA", header.type,
                       header.id >> 24);
    if (!ospf_lsa_is_intact(bytes, header.length)) {
        err_set(err, ERR_MALFORMED, "its checksum is %04x, expected %04x", header.checksum,
                ospf_lsa_checksum(bytes, header.length));
        prefix_lsa(err, &header);
        return ERR_MALFORMED;
    }
    AUTO_FREE struct ospf_te_lsa *decoded = xcalloc(1, sizeof *decoded);
    struct wire r = wire_reader(bytes + OSPF_LSA_HEADER_SIZE, header.length - OSPF_LSA_HEADER_SIZE);

    decoded->header = header;
    status = tlvs_decode(&r, decoded, err);
    if (status < 0) {
        prefix_lsa(err, &header);
        return status;
    }
    *lsa = *decoded;
    return 0;
}

/* ---- Encoding ---- */

static size_t tlv_begin(struct wire *w, uint16_t type)
{
    wire_put_u16(w, type);
    wire_put_u16(w, 0);
    return w->pos;
}

static void tlv_end(struct wire *w, size_t start)
{
    size_t length = w->pos - start;

    wire_patch_u16(w, start - 2, (uint16_t) length);
    wire_put_zeros(w, (4 - length % 4) % 4);
}

static void link_encode(struct wire *w, const struct ospf_te_link *link)
{
    size_t start = tlv_begin(w, TLV_LINK), sub;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (link->present & rows[i].present) {
            sub = tlv_begin(w, rows[i].type);
            rows[i].encode(w, link);
            tlv_end(w, sub);
        }
    }
    for (size_t i = 0; i < link->n_iscds; i++) {
        sub = tlv_begin(w, SUB_ISCD);
        iscd_encode(w, &link->iscds[i]);
        tlv_end(w, sub);
    }
    if (link->n_srlgs) {
        sub = tlv_begin(w, SUB_SRLG);
        for (size_t i = 0; i < link->n_srlgs; i++)
            wire_put_u32(w, link->srlgs[i]);
        tlv_end(w, sub);
    }
    tlv_end(w, start);
}

int ospf_te_lsa_encode(const struct ospf_te_lsa *lsa, uint8_t *bytes, size_t size)
{
    struct wire w = wire_writer(bytes, size < UINT16_MAX ? size : UINT16_MAX);

    ospf_lsa_header_encode(&w, &lsa->header);
    if (lsa->router_address) {
        size_t start = tlv_begin(&w, TLV_ROUTER_ADDRESS);

        wire_put_u32(&w, lsa->router_address);
        tlv_end(&w, start);
    }
    for (size_t i = 0; i < lsa->n_links; i++)
        link_encode(&w, &lsa->links[i]);
    return ospf_lsa_seal(&w);
}

/* ---- To the TED ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t lsp_limit(const struct ospf_te_link *link, size_t priority)
{
    uint64_t limit = 0;

    for (size_t i = 0; i < link->n_iscds; i++) {
        uint64_t bps = bps_from_float_bits(link->iscds[i].max_lsp_bandwidth[priority]);

        limit = bps > limit ? bps : limit;
    }
    return link->n_iscds ? limit : UINT64_MAX;
}

static void unreserved_to_ted(const struct ospf_te_link *link, struct te_link *te)
{
    uint64_t better = UINT64_MAX;

    for (size_t p = 0; p < TE_PRIORITIES; p++) {
        uint64_t limit = lsp_limit(link, p);

        if (link->present & OSPF_TE_UNRESERVED)
            limit = least(limit, bps_from_float_bits(link->unreserved_bandwidth[p]));
        else if (!link->n_iscds)
            limit = 0;
        better = least(better, limit);
        te->unreserved_bps[p] = better;
    }
}

bool ospf_te_link_to_ted(const struct ospf_te_link *link, uint32_t area, uint32_t advertising_router,
                         struct te_link *ret_link)
{
    /* Zero is what an unnumbered link's sender may put for an address, and for an id that it does not know. */
    const bool numbered = link->local_ip != 0;

    if (link->type != OSPF_TE_POINT_TO_POINT || (!numbered && link->local_id == 0))
        return false;
    struct te_link te = {
        .key = {area, advertising_router, link->local_ip, numbered ? 0 : link->local_id},
        .to = link->id,
        .remote_ip = link->remote_ip,
        .remote_id = numbered ? 0 : link->remote_id,
        .metric = link->present & OSPF_TE_METRIC ? link->metric : 1,
        .admin_group = link->admin_group,
        .delay_us = link->present & OSPF_TE_DELAY         ? link->delay.value :
                    link->present & OSPF_TE_DELAY_MIN_MAX ? link->delay_max :
                                                            TE_DELAY_NONE,
        .max_bps = bps_from_float_bits(link->max_bandwidth),
    };

    te.reservable_bps = link->present & OSPF_TE_RESERVABLE ? bps_from_float_bits(link->reservable_bandwidth) :
                                                             te.max_bps;
    unreserved_to_ted(link, &te);
    *ret_link = te;
    return true;
}
