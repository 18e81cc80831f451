/* SPDX-License-Identifier: Apache-2.0 */
/* Routes: the sub-objects of EXPLICIT_ROUTE and RECORD_ROUTE. Both have type and length in two bytes and, but for the
 * first bit of the type (loose; an ERO's only) and the flags (an RRO's only), the same content. */
#include "proto/rsvp/rsvp_internal.h"

#include "base/alloc.h"

#define SUBOBJECT_LEAST 4 /* RFC 3209 §4.3.3.1: a multiple of 4, and at least that */
#define ERO_LOOSE 0x80
#define LABEL_UPSTREAM 0x80 /* RFC 3473 §5.1, §5.2 */
#define LABEL_CTYPE_PACKET 1

static bool address_read(struct wire *w, struct lsp_hop *hop)
{
    hop->address = wire_get_u32(w);
    hop->length = wire_get_u8(w);
    wire_skip(w, 1); /* reserved, or flags of local protection */
    return hop->length <= 32;
}

static void address_write(struct wire *w, const struct lsp_hop *hop)
{
    wire_put_u32(w, hop->address);
    wire_put_u8(w, hop->length);
    wire_put_u8(w, 0);
}

static bool unnumbered_read(struct wire *w, struct lsp_hop *hop)
{
    wire_skip(w, 2);
    hop->address = wire_get_u32(w);
    hop->interface = wire_get_u32(w);
    return true;
}

static void unnumbered_write(struct wire *w, const struct lsp_hop *hop)
{
    wire_put_zeros(w, 2);
    wire_put_u32(w, hop->address);
    wire_put_u32(w, hop->interface);
}

static bool label_read(struct wire *w, struct lsp_hop *hop)
{
    hop->upstream = wire_get_u8(w) & LABEL_UPSTREAM;
    uint8_t ctype = wire_get_u8(w);

    hop->label = wire_get_u32(w);
    return ctype == RSVP_CTYPE_GENERALIZED_LABEL || ctype == LABEL_CTYPE_PACKET;
}

static void label_write(struct wire *w, const struct lsp_hop *hop)
{
    wire_put_u8(w, hop->upstream ? LABEL_UPSTREAM : 0);
    wire_put_u8(w, RSVP_CTYPE_GENERALIZED_LABEL);
    wire_put_u32(w, hop->label);
}

/* By enum lsp_hop_type. A label of more than 32 bits would be longer; nobody here can use one. */
static const struct {
    uint8_t type;
    uint8_t length;                                    /* all of it */
    bool (*read)(struct wire *w, struct lsp_hop *hop); /* false: not a value that we know */
    void (*write)(struct wire *w, const struct lsp_hop *hop);
} subobjects[] = {
    [HOP_IPV4] = {1, 8, address_read, address_write},              /* RFC 3209 §4.3.3.2, §4.4.1.1 */
    [HOP_UNNUMBERED] = {4, 12, unnumbered_read, unnumbered_write}, /* RFC 3477 §4, §5 */
    [HOP_LABEL] = {3, 8, label_read, label_write}, /* RFC 3473 §5.1, RFC 3209 §4.4.1.2 with RFC 3473 §5.2 */
};

/* How many sub-objects there are, or -1 if their lengths do not fit. */
static int count(struct wire w)
{
    int n = 0;

    for (; wire_left(&w) > 0; n++) {
        wire_skip(&w, 1);
        uint8_t length = wire_get_u8(&w);

        if (length < SUBOBJECT_LEAST || length % 4 != 0)
            return -1;
        wire_skip(&w, length - 2u);
        if (!wire_ok(&w))
            return -1;
    }
    return n;
}

/* Whether it is a sub-object that we know, whole. */
static bool hop_read(struct wire *w, uint8_t type, uint8_t length, struct lsp_hop *hop)
{
    for (size_t i = 0; i < ARRAY_LEN(subobjects); i++) {
        if (subobjects[i].type == type) {
            hop->type = (uint8_t) i;
            return length == subobjects[i].length && subobjects[i].read(w, hop);
        }
    }
    return false;
}

/* An ERO that we do not understand is a bad one (RFC 3209 §4.3.4.1); of an RRO the sub-object is passed over
 * (§4.4.5). */
static void route_read(struct rsvp_reading *r, struct wire *w, struct lsp_route *route, bool is_ero)
{
    const uint8_t code = is_ero ? RSVP_ERR_ROUTING : 0;
    const uint16_t value = is_ero ? RSVP_ROUTING_BAD_ERO : 0;
    int n = count(*w);

    if (n < 0 || n > LSP_HOPS_MAX) {
        if (n < 0)
            rsvp_refuse(r, ERR_MALFORMED, code, value, "the length of a sub-object does not fit");
        else
            rsvp_refuse(r, ERR_TOO_LARGE, code, value, "it has %d sub-objects, at most %d are taken", n, LSP_HOPS_MAX);
        wire_skip(w, wire_left(w));
        return;
    }
    if (n > 0) {
        route->hops = xmalloc((size_t) n * sizeof *route->hops);
        route->capacity = (size_t) n;
    }
    while (wire_left(w) > 0) {
        struct lsp_hop hop = {0};
        size_t at = r->offset + 4 + w->pos;
        uint8_t type = wire_get_u8(w), length = wire_get_u8(w);
        struct wire body = wire_sub(w, length - 2u);

        if (is_ero && type & ERO_LOOSE) {
            hop.loose = true;
            type &= (uint8_t) ~ERO_LOOSE;
        }
        if (hop_read(&body, type, length, &hop))
            route->hops[route->n++] = hop;
        else if (is_ero)
            rsvp_refuse(r, ERR_UNSUPPORTED, code, value, "the sub-object of type %u, length %u at byte %zu is unknown",
                        type, length, at);
    }
}

static void route_write(const struct lsp_route *route, bool is_ero, struct wire *w)
{
    if (route->n > LSP_HOPS_MAX)
        wire_fail(w, ERR_TOO_LARGE);
    for (size_t i = 0; i < route->n && wire_ok(w); i++) {
        const struct lsp_hop *hop = &route->hops[i];

        if (hop->type >= ARRAY_LEN(subobjects) || (hop->type == HOP_IPV4 && hop->length > 32)) {
            wire_fail(w, ERR_INVALID);
            return;
        }
        wire_put_u8(w, subobjects[hop->type].type | (is_ero && hop->loose ? ERO_LOOSE : 0));
        wire_put_u8(w, subobjects[hop->type].length);
        subobjects[hop->type].write(w, hop);
    }
}

void rsvp_ero_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype)
{
    (void) ctype;
    route_read(r, w, &r->message.ero, true);
}

void rsvp_rro_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype)
{
    (void) ctype;
    route_read(r, w, &r->message.rro, false);
}

uint8_t rsvp_ero_write(const struct rsvp_message *m, size_t index, struct wire *w)
{
    (void) index;
    route_write(&m->ero, true, w);
    return 1;
}

uint8_t rsvp_rro_write(const struct rsvp_message *m, size_t index, struct wire *w)
{
    (void) index;
    route_write(&m->rro, false, w);
    return 1;
}
