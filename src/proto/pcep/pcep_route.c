/* SPDX-License-Identifier: Apache-2.0 */
/* Sub-objects of ERO and RRO. The first byte of an ERO's has the L bit (loose) above the type; the length counts all of
 * the sub-object (RFC 3209 §4.3.3). */
#include "base/alloc.h"
#include "proto/pcep/pcep_internal.h"

enum { SUB_IPV4 = 1, SUB_LABEL = 3, SUB_UNNUMBERED = 4, SUB_SR = 36 };

#define SUB_LOOSE 0x80
#define SUB_UPSTREAM 0x80       /* U, RFC 3473 §5.1 */
#define LABEL_GENERALIZED 2     /* C-Type, RFC 3473 §2.3 */
#define LABEL_FLAGS_GLOBAL 0x01 /* in an RRO, RFC 3209 §4.4.1.3 */
#define SR_FLAG_NO_NAI 0x8      /* F, RFC 8664 §4.3.1 */
#define SR_FLAG_NO_SID 0x4      /* S */
#define SR_FLAG_COMPLETE 0x2    /* C */
#define SR_FLAG_MPLS 0x1        /* M */
enum { NAI_NONE = 0, NAI_NODE = 1, NAI_ADJACENCY = 3 };

static void refuse(struct wire *r, struct err *err, const char *what, size_t at)
{
    wire_fail(r, ERR_MALFORMED);
    err_set(err, r->error, "the sub-object at byte %zu %s", at, what);
}

/* The next sub-object: its first byte, and its body as a reader. False at the end or at a failure. */
static bool sub_next(struct wire *r, uint8_t *first, struct wire *body, size_t *at, struct err *err)
{
    if (wire_left(r) == 0)
        return false;
    *at = r->pos;
    *first = wire_get_u8(r);
    uint8_t length = wire_get_u8(r);

    if (!wire_ok(r) || length < 4 || length % 4 != 0 || length - 2u > wire_left(r)) {
        refuse(r, err, "has a length that cannot be", *at);
        return false;
    }
    *body = wire_sub(r, length - 2u);
    return true;
}

static void route_add(struct wire *r, struct lsp_route *route, struct lsp_hop hop, struct err *err)
{
    if (route->n == LSP_HOPS_MAX) {
        wire_fail(r, ERR_TOO_LARGE);
        err_set(err, r->error, "more than %d sub-objects", LSP_HOPS_MAX);
        return;
    }
    lsp_route_add(route, hop);
}

/* A hop that ERO and RRO have in common; 'type' without the L bit. False if it is none of these. */
static bool hop_get(struct wire *body, uint8_t type, struct lsp_hop *hop)
{
    switch (type) {
    case SUB_IPV4:
        hop->type = HOP_IPV4;
        hop->address = wire_get_u32(body);
        hop->length = wire_get_u8(body);
        if (hop->length > 32)
            wire_fail(body, ERR_MALFORMED);
        return true;
    case SUB_UNNUMBERED:
        hop->type = HOP_UNNUMBERED;
        wire_skip(body, 2);
        hop->address = wire_get_u32(body);
        hop->interface = wire_get_u32(body);
        return true;
    case SUB_LABEL:
        hop->type = HOP_LABEL;
        hop->loose = false;
        hop->upstream = wire_get_u8(body) & SUB_UPSTREAM;
        wire_skip(body, 1);
        hop->label = wire_get_u32(body);
        return wire_left(body) == 0; /* a label of more than 32 bits is a wavelength or a timeslot */
    default:
        return false;
    }
}

static void segment_get(struct wire *r, struct wire *body, bool loose, struct pcep_item *item, struct err *err)
{
    struct pcep_segment segment = {.loose = loose, .nai_type = wire_get_u8(body) >> 4};

    body->pos--;
    uint16_t flags = wire_get_u16(body) & 0xfff;

    segment.has_sid = !(flags & SR_FLAG_NO_SID);
    segment.mpls = flags & SR_FLAG_MPLS;
    segment.complete = flags & SR_FLAG_COMPLETE;
    if (segment.has_sid)
        segment.sid = wire_get_u32(body);
    if (flags & SR_FLAG_NO_NAI)
        segment.nai_type = NAI_NONE;
    else if (segment.nai_type == NAI_NODE || segment.nai_type == NAI_ADJACENCY)
        segment.nai[0] = wire_get_u32(body);
    else
        segment.nai_type = NAI_NONE; /* of IPv6, or unnumbered: the SID says where to go */
    if (segment.nai_type == NAI_ADJACENCY)
        segment.nai[1] = wire_get_u32(body);
    if (!segment.has_sid && segment.nai_type == NAI_NONE)
        wire_fail(body, ERR_MALFORMED);
    if (!wire_ok(body))
        return;
    if (item->n_segments == LSP_HOPS_MAX) {
        wire_fail(r, ERR_TOO_LARGE);
        err_set(err, r->error, "more than %d sub-objects", LSP_HOPS_MAX);
        return;
    }
    item->segments = array_reserve(item->segments, item->n_segments, &item->cap_segments, sizeof segment);
    item->segments[item->n_segments++] = segment;
}

void pcep_ero_get(struct wire *r, struct pcep_item *item, struct err *err)
{
    uint8_t first;
    struct wire body;
    size_t at = 0;

    while (sub_next(r, &first, &body, &at, err)) {
        uint8_t type = first & 0x7f;
        struct lsp_hop hop = {.loose = first & SUB_LOOSE};

        if (type == SUB_SR)
            segment_get(r, &body, hop.loose, item, err);
        else if (!hop_get(&body, type, &hop))
            item->n_unknown++;
        else if (wire_ok(&body))
            route_add(r, &item->ero, hop, err);
        if (!wire_ok(&body))
            refuse(r, err, "contradicts itself", at);
    }
    /* RFC 8664 §5.2.1 */
    if (wire_ok(r) && item->n_segments && (item->ero.n || item->n_unknown))
        refuse(r, err, "mixes segments with other sub-objects", at);
}

void pcep_rro_get(struct wire *r, struct pcep_item *item, struct err *err)
{
    uint8_t type;
    struct wire body;
    size_t at = 0;

    while (sub_next(r, &type, &body, &at, err)) {
        struct lsp_hop hop = {0};

        /* What is recorded and not known is skipped (RFC 3209 §4.4.5). */
        if (!hop_get(&body, type, &hop))
            continue;
        if (!wire_ok(&body))
            refuse(r, err, "contradicts itself", at);
        else
            route_add(r, &item->rro, hop, err);
    }
}

static void hop_put(struct wire *w, const struct lsp_hop *hop, bool record)
{
    uint8_t loose = hop->loose && !record ? SUB_LOOSE : 0;

    switch (hop->type) {
    case HOP_IPV4:
        wire_put_u8(w, SUB_IPV4 | loose);
        wire_put_u8(w, 8);
        wire_put_u32(w, hop->address);
        wire_put_u8(w, hop->length);
        wire_put_u8(w, 0);
        break;
    case HOP_UNNUMBERED:
        wire_put_u8(w, SUB_UNNUMBERED | loose);
        wire_put_u8(w, 12);
        wire_put_u16(w, 0);
        wire_put_u32(w, hop->address);
        wire_put_u32(w, hop->interface);
        break;
    case HOP_LABEL:
        wire_put_u8(w, SUB_LABEL);
        wire_put_u8(w, 8);
        wire_put_u8(w, (hop->upstream ? SUB_UPSTREAM : 0) | (record ? LABEL_FLAGS_GLOBAL : 0));
        wire_put_u8(w, LABEL_GENERALIZED);
        wire_put_u32(w, hop->label);
        break;
    default:
        wire_fail(w, ERR_INVALID);
    }
}

static void segment_put(struct wire *w, const struct pcep_segment *segment)
{
    unsigned n_nai = segment->nai_type == NAI_NODE ? 1u : segment->nai_type == NAI_ADJACENCY ? 2u : 0u;
    uint16_t flags = (uint16_t) ((n_nai ? 0 : SR_FLAG_NO_NAI) | (segment->has_sid ? 0 : SR_FLAG_NO_SID) |
                                 (segment->complete ? SR_FLAG_COMPLETE : 0) | (segment->mpls ? SR_FLAG_MPLS : 0));

    wire_put_u8(w, SUB_SR | (segment->loose ? SUB_LOOSE : 0));
    wire_put_u8(w, (uint8_t) (4 + (segment->has_sid ? 4u : 0u) + 4 * n_nai));
    wire_put_u16(w, (uint16_t) ((unsigned) segment->nai_type << 12 | flags));
    if (segment->has_sid)
        wire_put_u32(w, segment->sid);
    for (unsigned i = 0; i < n_nai; i++)
        wire_put_u32(w, segment->nai[i]);
}

void pcep_ero_put(struct wire *w, const struct pcep_item *item)
{
    for (size_t i = 0; i < item->ero.n; i++)
        hop_put(w, &item->ero.hops[i], false);
    for (size_t i = 0; i < item->n_segments; i++)
        segment_put(w, &item->segments[i]);
}

void pcep_rro_put(struct wire *w, const struct pcep_item *item)
{
    for (size_t i = 0; i < item->rro.n; i++)
        hop_put(w, &item->rro.hops[i], true);
}
