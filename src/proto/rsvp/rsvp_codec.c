/* SPDX-License-Identifier: Apache-2.0 */
/* Packets and messages: the common header, and which objects a message holds. */
#include "proto/rsvp/rsvp_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define RSVP_VERSION 1
#define FLAG_REFRESH_REDUCTION 0x01 /* RFC 2961 §2 */
#define OBJECT_HEADER_SIZE 4
#define CHECKSUM_AT 2
#define REASON_SIZE 256

/* One row a type of message: its objects in the order in which they are sent, and the error message that answers it. */
#define NEED 0x100 /* beside a class: there is no such message without it */
#define OBJECTS_MAX 20

static const struct {
    uint8_t answer;
    uint16_t objects[OBJECTS_MAX]; /* up to the first 0 */
} messages[] = {
    /* RFC 3473 §10.1: with the sender descriptor of a bidirectional LSP */
    [RSVP_PATH] = {RSVP_PATH_ERR,
                   {CLASS_ACK, CLASS_MESSAGE_ID, NEED | CLASS_SESSION, NEED | CLASS_HOP, NEED | CLASS_TIME_VALUES,
                    CLASS_ERO, NEED | CLASS_LABEL_REQUEST, CLASS_LABEL_SET, CLASS_ATTRIBUTE, CLASS_NOTIFY_REQUEST,
                    CLASS_ADMIN_STATUS, NEED | CLASS_SENDER_TEMPLATE, NEED | CLASS_SENDER_TSPEC, CLASS_RRO,
                    CLASS_SUGGESTED_LABEL, CLASS_RECOVERY_LABEL, CLASS_UPSTREAM_LABEL}},
    /* RFC 3473 §10.1, RFC 3209 §3.2 */
    [RSVP_RESV] = {RSVP_RESV_ERR,
                   {CLASS_ACK, CLASS_MESSAGE_ID, NEED | CLASS_SESSION, NEED | CLASS_HOP, NEED | CLASS_TIME_VALUES,
                    CLASS_RESV_CONFIRM, CLASS_NOTIFY_REQUEST, CLASS_ADMIN_STATUS, NEED | CLASS_STYLE,
                    NEED | CLASS_FLOWSPEC, NEED | CLASS_FILTER_SPEC, NEED | CLASS_LABEL, CLASS_RRO}},
    /* RFC 3473 §10.1, RFC 2205 §3.1.7; the sender is what leads it to the ingress */
    [RSVP_PATH_ERR] = {0,
                       {CLASS_ACK, CLASS_MESSAGE_ID, NEED | CLASS_SESSION, NEED | CLASS_ERROR_SPEC,
                        CLASS_ACCEPTABLE_LABEL_SET, NEED | CLASS_SENDER_TEMPLATE, CLASS_SENDER_TSPEC, CLASS_RRO}},
    /* RFC 3473 §10.1, RFC 2205 §3.1.8 */
    [RSVP_RESV_ERR] = {0,
                       {CLASS_ACK, CLASS_MESSAGE_ID, NEED | CLASS_SESSION, NEED | CLASS_HOP, NEED | CLASS_ERROR_SPEC,
                        CLASS_ACCEPTABLE_LABEL_SET, NEED | CLASS_STYLE, CLASS_FLOWSPEC, NEED | CLASS_FILTER_SPEC,
                        CLASS_LABEL, CLASS_RRO}},
    /* RFC 2205 §3.1.5, RFC 3473 §10.1 */
    [RSVP_PATH_TEAR] = {0,
                        {CLASS_ACK, CLASS_MESSAGE_ID, NEED | CLASS_SESSION, NEED | CLASS_HOP, CLASS_ADMIN_STATUS,
                         NEED | CLASS_SENDER_TEMPLATE, CLASS_SENDER_TSPEC, CLASS_RRO}},
    /* RFC 2205 §3.1.6 */
    [RSVP_RESV_TEAR] = {0,
                        {CLASS_ACK, CLASS_MESSAGE_ID, NEED | CLASS_SESSION, NEED | CLASS_HOP, CLASS_ADMIN_STATUS,
                         NEED | CLASS_STYLE, CLASS_FLOWSPEC, NEED | CLASS_FILTER_SPEC, CLASS_LABEL, CLASS_RRO}},
    /* RFC 2205 §3.1.9 */
    [RSVP_RESV_CONF] = {0,
                        {CLASS_ACK, CLASS_MESSAGE_ID, NEED | CLASS_SESSION, NEED | CLASS_ERROR_SPEC,
                         NEED | CLASS_RESV_CONFIRM, NEED | CLASS_STYLE, CLASS_FLOWSPEC, NEED | CLASS_FILTER_SPEC,
                         CLASS_LABEL}},
    /* RFC 2961 §4.4 */
    [RSVP_ACK] = {0, {NEED | CLASS_ACK}},
    /* RFC 2961 §5.2 */
    [RSVP_SREFRESH] = {0, {CLASS_ACK, CLASS_MESSAGE_ID, NEED | CLASS_MESSAGE_ID_LIST}},
    /* RFC 3209 §5.1, RFC 3473 §9.2 */
    [RSVP_HELLO] = {0, {CLASS_ACK, CLASS_MESSAGE_ID, NEED | CLASS_HELLO, CLASS_RESTART_CAP}},
    /* RFC 3473 §4.3; of the two forms the one with a sender descriptor */
    [RSVP_NOTIFY] = {0,
                     {CLASS_ACK, CLASS_MESSAGE_ID, NEED | CLASS_ERROR_SPEC, NEED | CLASS_SESSION, CLASS_ADMIN_STATUS,
                      NEED | CLASS_SENDER_TEMPLATE, CLASS_SENDER_TSPEC}},
};

static const uint16_t *objects_of(uint8_t type)
{
    return type < ARRAY_LEN(messages) && messages[type].objects[0] ? messages[type].objects : NULL;
}

void rsvp_refuse(struct rsvp_reading *r, int status, uint8_t code, uint16_t value, const char *format, ...)
{
    char reason[REASON_SIZE];
    va_list args;

    r->object_refused = true;
    if (r->status)
        return;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    r->status = err_set(r->err, status, "RSVP %s, %s at byte %zu: %s", rsvp_type_name(r->message.type), r->object,
                        r->offset, reason);
    r->code = code;
    r->value = value;
}

/* Writing */

static int encode_failed(const struct rsvp_message *m, int status, const char *name, size_t size, struct err *err)
{
    if (status == ERR_SHORT)
        return err_set(err, status, "an RSVP %s does not fit into %zu bytes", rsvp_type_name(m->type), size);
    return err_set(err, status, "an RSVP %s cannot be sent with the %s that it was given", rsvp_type_name(m->type),
                   name);
}

/* Object header and body; the header is completed afterwards. */
static void object_write(const struct rsvp_object *row, uint8_t class, const struct rsvp_message *m, size_t index,
                         struct wire *w)
{
    const size_t start = w->pos;

    wire_put_zeros(w, OBJECT_HEADER_SIZE);
    uint8_t ctype = row->write(m, index, w);

    wire_patch_u16(w, start, (uint16_t) (w->pos - start));
    wire_patch_u16(w, start + 2, (uint16_t) (class << 8 | ctype));
}

/* Objects that are only passed on, behind those that we know: RFC 2205 §3.10 leaves the place open. */
static void unknown_write(const struct rsvp_message *m, struct wire *w)
{
    if (m->n_unknown > RSVP_UNKNOWN_MAX)
        wire_fail(w, ERR_TOO_LARGE);
    for (unsigned i = 0; i < m->n_unknown && wire_ok(w); i++) {
        const struct rsvp_unknown *object = &m->unknown[i];

        if (object->size % 4 != 0 || object->size > RSVP_MESSAGE_MAX - OBJECT_HEADER_SIZE)
            wire_fail(w, ERR_INVALID);
        wire_put_u16(w, (uint16_t) (object->size + OBJECT_HEADER_SIZE));
        wire_put_u8(w, object->class);
        wire_put_u8(w, object->ctype);
        wire_put(w, object->body, object->size);
    }
}

int rsvp_encode(const struct rsvp_message *m, uint8_t *buffer, size_t size, struct err *err)
{
    struct wire w = wire_writer(buffer, size < RSVP_MESSAGE_MAX ? size : RSVP_MESSAGE_MAX);
    const uint16_t *objects = objects_of(m->type);

    if (!objects)
        return err_set(err, ERR_INVALID, "there is no RSVP message of type %u to be sent", m->type);
    wire_put_u8(&w, RSVP_VERSION << 4 | (m->refresh_reduction ? FLAG_REFRESH_REDUCTION : 0));
    wire_put_u8(&w, m->type);
    wire_put_u16(&w, 0);
    wire_put_u8(&w, m->ttl);
    wire_put_u8(&w, 0);
    wire_put_u16(&w, 0);
    for (size_t i = 0; i < OBJECTS_MAX && objects[i]; i++) {
        const uint8_t class = (uint8_t) objects[i];
        const struct rsvp_object *row = rsvp_object_row(class);
        const size_t n = rsvp_object_count(m, class);

        if (n == 0 && objects[i] & NEED)
            return err_set(err, ERR_INVALID, "an RSVP %s cannot be sent without %s", rsvp_type_name(m->type),
                           row->name);
        for (size_t j = 0; j < n && wire_ok(&w); j++)
            object_write(row, class, m, j, &w);
        if (!wire_ok(&w))
            return encode_failed(m, w.error, row->name, size, err);
    }
    unknown_write(m, &w);
    wire_patch_u16(&w, 6, (uint16_t) w.pos);
    if (!wire_ok(&w))
        return encode_failed(m, w.error, "unknown objects", size, err);
    uint16_t checksum = (uint16_t) ~wire_sum(0, buffer, w.pos);

    /* Zero would mean that there is none; in this arithmetic the other one is the same. */
    wire_patch_u16(&w, CHECKSUM_AT, checksum ? checksum : 0xffff);
    return (int) w.pos;
}

/* Reading */

struct header {
    uint8_t version, flags, type, ttl;
    uint16_t checksum, length;
};

/* Whether the packet has the whole message. 'size' is what it has from here on; a message that stands 'alone' has it
 * all. */
static int frame_read(const uint8_t *data, size_t size, bool alone, struct header *header, struct err *err)
{
    struct wire w = wire_reader(data, size);
    const uint8_t first = wire_get_u8(&w);

    *header = (struct header) {.version = first >> 4, .flags = first & 0x0f};
    header->type = wire_get_u8(&w);
    header->checksum = wire_get_u16(&w);
    header->ttl = wire_get_u8(&w);
    wire_skip(&w, 1);
    header->length = wire_get_u16(&w);
    if (!wire_ok(&w))
        return err_set(err, ERR_SHORT, "%zu bytes are too few for the header of an RSVP message", size);
    if (header->version != RSVP_VERSION)
        return err_set(err, ERR_UNSUPPORTED, "RSVP of version %u, only %u is known", header->version, RSVP_VERSION);
    if (header->length < RSVP_HEADER_SIZE || header->length % 4 != 0)
        return err_set(err, ERR_MALFORMED, "an RSVP %s of %u bytes, which are no header and whole objects",
                       rsvp_type_name(header->type), header->length);
    if (header->length > size)
        return err_set(err, ERR_SHORT, "an RSVP %s of %u bytes, of which %zu are there", rsvp_type_name(header->type),
                       header->length, size);
    if (alone && header->length < size)
        return err_set(err, ERR_MALFORMED, "%zu bytes behind the %u of an RSVP %s", size - header->length,
                       header->length, rsvp_type_name(header->type));
    return 0;
}

static int checksum_check(const uint8_t *data, const struct header *header, struct err *err)
{
    if (header->checksum == 0 || wire_sum(0, data, header->length) == 0xffff)
        return 0;
    return err_set(err, ERR_MALFORMED, "an RSVP %s with a wrong checksum, 0x%04x", rsvp_type_name(header->type),
                   header->checksum);
}

static bool seen(const struct rsvp_reading *r, uint8_t class)
{
    return r->seen[class / 64] >> class % 64 & 1;
}

/* Keeps an object that is passed on. */
static void object_forward(struct rsvp_reading *r, uint8_t class, uint8_t ctype, const struct wire *body)
{
    struct rsvp_message *m = &r->message;

    if (m->n_unknown == RSVP_UNKNOWN_MAX || body->size > RSVP_UNKNOWN_BYTES_MAX - r->unknown_bytes) {
        rsvp_refuse(r, ERR_TOO_LARGE, RSVP_ERR_SYSTEM, 0,
                    "more than %d objects, or %d bytes in them, that would only be forwarded", RSVP_UNKNOWN_MAX,
                    RSVP_UNKNOWN_BYTES_MAX);
        return;
    }
    r->unknown_bytes += body->size;
    m->unknown[m->n_unknown++] = (struct rsvp_unknown) {.class = class,
                                                        .ctype = ctype,
                                                        .size = (uint16_t) body->size,
                                                        .body = body->size ? xmemdup(body->data, body->size) : NULL};
}

/* RFC 2205 §3.10 */
static void object_unknown(struct rsvp_reading *r, uint8_t class, uint8_t ctype, const struct wire *body)
{
    if (class < 0x80)
        rsvp_refuse(r, ERR_UNSUPPORTED, RSVP_ERR_UNKNOWN_CLASS, (uint16_t) (class << 8 | ctype),
                    "objects of this class are unknown");
    else if (class >= 0xc0)
        object_forward(r, class, ctype, body);
}

/* Whether a body of that C-Type and size may be read. */
static bool object_fits(struct rsvp_reading *r, const struct rsvp_object *row, uint8_t class, uint8_t ctype,
                        size_t size)
{
    for (size_t i = 0; i < ARRAY_LEN(row->ctype) && row->ctype[i]; i++) {
        if (row->ctype[i] != ctype)
            continue;
        if (size >= row->least[i])
            return true;
        rsvp_refuse(r, ERR_SHORT, 0, 0, "its body has %zu bytes, at least %u are needed", size, row->least[i]);
        return false;
    }
    rsvp_refuse(r, ERR_UNSUPPORTED, RSVP_ERR_UNKNOWN_CTYPE, (uint16_t) (class << 8 | ctype), "C-Type %u is unknown",
                ctype);
    return false;
}

/* Objects mostly come in the order in which we send them, so that the place is soon found from the last one's. */
static bool find_place(struct rsvp_reading *r, const uint16_t *objects, uint8_t class)
{
    size_t i = r->place;

    do {
        if ((uint8_t) objects[i] == class) {
            r->place = i;
            return true;
        }
        i = i + 1 < OBJECTS_MAX && objects[i + 1] ? i + 1 : 0;
    } while (i != r->place);
    return false;
}

static void object_read(struct rsvp_reading *r, const uint16_t *objects, uint8_t class, uint8_t ctype,
                        struct wire *body)
{
    const struct rsvp_object *row = rsvp_object_row(class);
    bool used = row->disposition == RSVP_FORWARD;

    if (!row->name) {
        object_unknown(r, class, ctype, body);
        return;
    }
    if (row->disposition == RSVP_USE)
        used = find_place(r, objects, class);
    if (!used || (row->repeats == RSVP_FIRST && seen(r, class)))
        return;
    if (row->repeats == RSVP_ONCE && seen(r, class)) {
        rsvp_refuse(r, ERR_MALFORMED, 0, 0, "it is there a second time");
        return;
    }
    r->seen[class / 64] |= UINT64_C(1) << class % 64;
    r->object_refused = false;
    if (row->read) {
        if (!object_fits(r, row, class, ctype, body->size))
            return;
        row->read(r, body, ctype);
        if (!wire_ok(body))
            rsvp_refuse(r, ERR_SHORT, 0, 0, "its body of %zu bytes is shorter than its content", body->size);
        else if (wire_left(body) > 0)
            rsvp_refuse(r, ERR_MALFORMED, 0, 0, "its body has %zu bytes too many", wire_left(body));
    }
    if (r->object_refused)
        return;
    r->message.has |= row->has;
    if (row->disposition == RSVP_FORWARD)
        object_forward(r, class, ctype, body);
}

/* All objects, also behind one that is refused: the answer needs those that name the LSP. */
static void objects_read(struct rsvp_reading *r, const uint16_t *objects, const uint8_t *data, size_t size)
{
    struct wire w = wire_reader(data, size);

    wire_skip(&w, RSVP_HEADER_SIZE);
    while (wire_left(&w) > 0) {
        r->offset = w.pos;
        uint16_t length = wire_get_u16(&w);
        uint8_t class = wire_get_u8(&w), ctype = wire_get_u8(&w);
        const char *name = rsvp_object_row(class)->name;

        r->object = name ? name : "object of an unknown class";
        if (length < OBJECT_HEADER_SIZE || length % 4 != 0 || length > size - r->offset) {
            r->status = 0; /* nothing behind it can be trusted, so that there is no answer either */
            rsvp_refuse(r, ERR_MALFORMED, 0, 0, "its length is %u, the message has %zu bytes from there", length,
                        size - r->offset);
            return;
        }
        struct wire body = wire_sub(&w, length - (size_t) OBJECT_HEADER_SIZE);

        object_read(r, objects, class, ctype, &body);
    }
    for (size_t i = 0; i < OBJECTS_MAX && objects[i] && !r->status; i++)
        if (objects[i] & NEED && !seen(r, (uint8_t) objects[i]))
            r->status = err_set(r->err, ERR_MALFORMED, "an RSVP %s without %s", rsvp_type_name(r->message.type),
                                rsvp_object_row((uint8_t) objects[i])->name);
}

/* An answer goes to an LSP, so that it must have been named. */
static void refusal_fill(struct rsvp_refusal *refusal, const struct rsvp_reading *r)
{
    const uint32_t names_lsp = RSVP_HAS_SESSION | RSVP_HAS_SENDER;
    struct rsvp_message *about = &refusal->about;

    *refusal = (struct rsvp_refusal) {.about = r->message};
    about->ero = about->rro = (struct lsp_route) {0};
    about->labels = NULL;
    about->acks = NULL;
    about->srefresh = NULL;
    about->n_labels = about->n_acks = about->n_srefresh = 0;
    about->n_unknown = 0;
    about->has &= ~(uint32_t) (RSVP_HAS_ERO | RSVP_HAS_RRO | RSVP_HAS_LABEL_SET | RSVP_HAS_ACCEPTABLE_LABELS);
    if (r->code && (about->has & names_lsp) == names_lsp && messages[about->type].answer) {
        refusal->answer = messages[about->type].answer;
        refusal->code = r->code;
        refusal->value = r->value;
    }
}

static int message_read(const struct header *header, const uint8_t *data, struct rsvp_message *message,
                        struct rsvp_refusal *refusal, struct err *err)
{
    const uint16_t *objects = objects_of(header->type);
    struct rsvp_reading r = {
        .message = {.type = header->type,
                    .ttl = header->ttl,
                    .refresh_reduction = header->flags & FLAG_REFRESH_REDUCTION},
        .err = err,
    };

    if (!objects && refusal)
        *refusal = (struct rsvp_refusal) {0};
    if (!objects)
        return err_set(err, ERR_UNSUPPORTED, "RSVP messages of type %u are %s", header->type,
                       header->type == RSVP_BUNDLE ? "not for Bundles" : "unknown");
    objects_read(&r, objects, data, header->length);
    if (r.status < 0) {
        if (refusal)
            refusal_fill(refusal, &r);
        rsvp_message_free(&r.message);
        return r.status;
    }
    *message = r.message;
    return 1;
}

int rsvp_decode(struct rsvp_packet *packet, struct rsvp_message *message, struct rsvp_refusal *refusal, struct err *err)
{
    struct header header;
    int status;

    if (refusal)
        refusal->answer = 0;
    if (packet->done)
        return 0;
    status = frame_read(packet->data + packet->pos, packet->size - packet->pos, packet->pos == 0, &header, err);
    if (status == 0)
        status = checksum_check(packet->data + packet->pos, &header, err);
    else
        header.length = 0;
    if (status == 0 && header.type == RSVP_BUNDLE && packet->pos == 0) {
        packet->pos = RSVP_HEADER_SIZE;
        return rsvp_decode(packet, message, refusal, err);
    }
    const uint8_t *data = packet->data + packet->pos;

    /* Where the next message of a Bundle would begin, a length that is wrong does not tell. */
    packet->pos += header.length;
    packet->done = header.length == 0 || packet->pos == packet->size;
    if (refusal && status < 0)
        *refusal = (struct rsvp_refusal) {0};
    return status < 0 ? status : message_read(&header, data, message, refusal, err);
}
