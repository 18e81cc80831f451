/* SPDX-License-Identifier: Apache-2.0 */
/* Labels: the request for one, those that are given, and sets of them. */
#include "proto/rsvp/rsvp_internal.h"

#include "base/alloc.h"

void rsvp_label_request_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype)
{
    struct rsvp_label_request *request = &r->message.label_request;

    if (ctype == 1) { /* RFC 3209 §4.2.1: of packets, and the client's protocol as an EtherType */
        wire_skip(w, 2);
    } else {
        request->encoding = wire_get_u8(w);
        request->switching = wire_get_u8(w);
        if (request->encoding == 0)
            rsvp_refuse(r, ERR_MALFORMED, RSVP_ERR_ROUTING, RSVP_ROUTING_ENCODING, "there is no LSP encoding type 0");
    }
    request->gpid = wire_get_u16(w);
}

uint8_t rsvp_label_request_write(const struct rsvp_message *m, size_t index, struct wire *w)
{
    const struct rsvp_label_request *request = &m->label_request;

    (void) index;
    wire_put_u8(w, request->encoding);
    wire_put_u8(w, request->encoding ? request->switching : 0);
    wire_put_u16(w, request->gpid);
    return request->encoding ? 4 : 1;
}

static uint32_t one_label(struct rsvp_reading *r, struct wire *w)
{
    if (wire_left(w) != 4)
        rsvp_refuse(r, ERR_UNSUPPORTED, RSVP_ERR_ROUTING, RSVP_ROUTING_UNACCEPTABLE_LABEL, "a label of %zu bytes",
                    wire_left(w));
    uint32_t label = wire_get_u32(w);

    wire_skip(w, wire_left(w));
    return label;
}

#define LABEL_OBJECT(name) \
    void rsvp_##name##_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype) \
    { \
        (void) ctype; \
        r->message.name = one_label(r, w); \
    } \
\
    uint8_t rsvp_##name##_write(const struct rsvp_message *m, size_t index, struct wire *w) \
    { \
        (void) index; \
        wire_put_u32(w, m->name); \
        return RSVP_CTYPE_GENERALIZED_LABEL; \
    }
LABEL_OBJECT(label)
LABEL_OBJECT(upstream_label)
LABEL_OBJECT(suggested_label)
LABEL_OBJECT(recovery_label)
#undef LABEL_OBJECT

enum label_set_action { INCLUSIVE_LIST, EXCLUSIVE_LIST, INCLUSIVE_RANGE, EXCLUSIVE_RANGE }; /* RFC 3471 §3.5.1 */

static void label_add(struct rsvp_reading *r, uint32_t label)
{
    struct rsvp_message *m = &r->message;

    m->labels = array_reserve(m->labels, m->n_labels, &r->cap_labels, sizeof *m->labels);
    m->labels[m->n_labels++] = label;
}

void rsvp_label_set_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype)
{
    const uint8_t action = wire_get_u8(w);
    size_t room = RSVP_LABELS_MAX - r->message.n_labels, n = 0;

    (void) ctype;
    wire_skip(w, 3); /* reserved, and the C-Type of the labels: it is that of the LSP */
    if (action == INCLUSIVE_LIST) {
        n = wire_left(w) / 4;
        while (n <= room && wire_left(w) > 0)
            label_add(r, wire_get_u32(w));
    } else if (action == INCLUSIVE_RANGE && wire_left(w) == 8) {
        uint32_t first = wire_get_u32(w), last = wire_get_u32(w);

        n = last < first ? 0 : (size_t) last - first + 1;
        for (size_t i = 0; n <= room && i < n; i++)
            label_add(r, first + (uint32_t) i);
    } else {
        rsvp_refuse(r, ERR_UNSUPPORTED, RSVP_ERR_ROUTING, RSVP_ROUTING_LABEL_SET,
                    "it is neither a list nor a range of labels to take, but action %u", action);
    }
    if (n > room)
        rsvp_refuse(r, ERR_TOO_LARGE, RSVP_ERR_ROUTING, RSVP_ROUTING_LABEL_SET, "more than %d labels", RSVP_LABELS_MAX);
    wire_skip(w, wire_left(w));
}

uint8_t rsvp_label_set_write(const struct rsvp_message *m, size_t index, struct wire *w)
{
    (void) index;
    if (m->n_labels > RSVP_LABELS_MAX)
        wire_fail(w, ERR_TOO_LARGE);
    wire_put_u8(w, INCLUSIVE_LIST);
    wire_put_u24(w, RSVP_CTYPE_GENERALIZED_LABEL);
    for (size_t i = 0; i < m->n_labels && wire_ok(w); i++)
        wire_put_u32(w, m->labels[i]);
    return 1;
}
