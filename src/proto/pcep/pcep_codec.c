/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: the header, which objects each type holds, and how they make up items. */
#include <string.h>

#include "base/alloc.h"
#include "proto/pcep/pcep_internal.h"

#define OBJECTS_MAX 12

/* A list of classes and types, ended by class 0. */
struct object_id {
    uint8_t class, type;
};

/* What an item must have, and the value of error 6 (mandatory object missing) if it does not. */
struct must {
    uint32_t has;
    uint8_t value;
};

/* One row a message type. 'starts': an object that begins another item; a second LSP does so, too. 'order': in which
 * objects are written, and which ones may be there at all. */
static const struct message_row {
    uint8_t type;
    const char *name;
    struct object_id order[OBJECTS_MAX];
    uint32_t starts; /* enum pcep_has */
    struct must must[4];
} rows[] = {
    {PCEP_OPEN, "Open", {{CLASS_OPEN, 1}}, 0, {{0}}},
    {PCEP_KEEPALIVE, "Keepalive", {{0}}, 0, {{0}}},
    {PCEP_REQUEST, /* RFC 5440 §6.4 */
     "PCReq",
     {{CLASS_RP, 1},
      {CLASS_ENDPOINTS, 1},
      {CLASS_ENDPOINTS, 5},
      {CLASS_LSP, 1},
      {CLASS_LSPA, 1},
      {CLASS_BANDWIDTH, 1},
      {CLASS_METRIC, 1},
      {CLASS_RRO, 1},
      {CLASS_BANDWIDTH, 2},
      {CLASS_BANDWIDTH, 3},
      {CLASS_BANDWIDTH, 4}},
     PCEP_HAS_RP,
     {{PCEP_HAS_RP, 1}}},
    {PCEP_REPLY, /* RFC 5440 §6.5 */
     "PCRep",
     {{CLASS_RP, 1},
      {CLASS_NO_PATH, 1},
      {CLASS_LSP, 1},
      {CLASS_ERO, 1},
      {CLASS_LSPA, 1},
      {CLASS_BANDWIDTH, 1},
      {CLASS_METRIC, 1},
      {CLASS_BANDWIDTH, 3},
      {CLASS_ENDPOINTS, 1},
      {CLASS_ENDPOINTS, 5}},
     PCEP_HAS_RP,
     {{PCEP_HAS_RP, 1}}},
    {PCEP_NOTIFICATION, "PCNtf", {{CLASS_RP, 1}, {CLASS_NOTIFICATION, 1}}, PCEP_HAS_RP, {{0}}},
    {PCEP_ERROR, /* RFC 5440 §6.7, RFC 8231 §6.3 */
     "PCErr",
     {{CLASS_RP, 1}, {CLASS_SRP, 1}, {CLASS_ERROR, 1}, {CLASS_OPEN, 1}},
     0,
     {{0}}},
    {PCEP_CLOSE, "Close", {{CLASS_CLOSE, 1}}, 0, {{0}}},
    {PCEP_REPORT, /* RFC 8231 §6.1, RFC 9504 §A.1: BANDWIDTH and METRIC before the RRO are those that are used */
     "PCRpt",
     {{CLASS_SRP, 1},
      {CLASS_LSP, 1},
      {CLASS_ENDPOINTS, 1},
      {CLASS_ENDPOINTS, 5},
      {CLASS_ERO, 1},
      {CLASS_BANDWIDTH, 1},
      {CLASS_METRIC, 1},
      {CLASS_RRO, 1},
      {CLASS_LSPA, 1},
      {CLASS_BANDWIDTH, 3}},
     PCEP_HAS_SRP,
     {{PCEP_HAS_LSP, 8}, {PCEP_HAS_ERO, 9}}},
    {PCEP_UPDATE, /* RFC 8231 §6.2, RFC 9504 §A.2 */
     "PCUpd",
     {{CLASS_SRP, 1},
      {CLASS_LSP, 1},
      {CLASS_ENDPOINTS, 1},
      {CLASS_ENDPOINTS, 5},
      {CLASS_ERO, 1},
      {CLASS_LSPA, 1},
      {CLASS_BANDWIDTH, 1},
      {CLASS_METRIC, 1},
      {CLASS_BANDWIDTH, 3}},
     PCEP_HAS_SRP,
     {{PCEP_HAS_SRP, 10}, {PCEP_HAS_LSP, 8}, {PCEP_HAS_ERO, 9}}},
    {PCEP_INITIATE, /* RFC 8281 §5.1; a removal has no ERO, what a set-up lacks pcep_item_to_request() tells */
     "PCInitiate",
     {{CLASS_SRP, 1},
      {CLASS_LSP, 1},
      {CLASS_ENDPOINTS, 1},
      {CLASS_ENDPOINTS, 5},
      {CLASS_ERO, 1},
      {CLASS_LSPA, 1},
      {CLASS_BANDWIDTH, 1},
      {CLASS_METRIC, 1},
      {CLASS_BANDWIDTH, 3}},
     PCEP_HAS_SRP,
     {{PCEP_HAS_SRP, 10}, {PCEP_HAS_LSP, 8}}},
};

static const struct message_row *row_of(uint8_t type)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].type == type)
            return &rows[i];
    return NULL;
}

const char *pcep_type_name(uint8_t type)
{
    const struct message_row *row = row_of(type);

    return row ? row->name : "a message of an unknown type";
}

bool pcep_open_can(const struct pcep_open *open, enum pcep_setup setup)
{
    return open->has_setups ? open->setups >> setup & 1 : setup == PCEP_RSVP_TE;
}

/* Items */

void pcep_item_free(struct pcep_item *item)
{
    lsp_route_free(&item->ero);
    lsp_route_free(&item->rro);
    free(item->segments);
    item->segments = NULL;
    item->n_segments = item->cap_segments = 0;
}

void pcep_message_free(struct pcep_message *message)
{
    for (size_t i = 0; i < message->n_items; i++)
        pcep_item_free(&message->items[i]);
    free(message->items);
    message->items = NULL;
    message->n_items = message->cap_items = 0;
}

struct pcep_item *pcep_message_add(struct pcep_message *message)
{
    message->items = array_reserve(message->items, message->n_items, &message->cap_items, sizeof message->items[0]);
    struct pcep_item *item = &message->items[message->n_items++];

    memset(item, 0, sizeof *item);
    return item;
}

/* Decoding */

struct decoder {
    const struct message_row *row;
    struct pcep_message *message;
    struct pcep_refusal *refusal;
    struct err *err;
    bool has_own; /* an object that belongs to no item came */
};

static int refuse(struct decoder *d, const struct pcep_item *item, uint8_t type, uint8_t value)
{
    *d->refusal = (struct pcep_refusal) {.type = type, .value = value};
    if (item) {
        d->refusal->has = item->has & (PCEP_HAS_SRP | PCEP_HAS_RP);
        d->refusal->id = item->id;
    }
    return d->err->code;
}

static struct pcep_item *last_item(struct pcep_message *message)
{
    return message->n_items ? &message->items[message->n_items - 1] : NULL;
}

/* The item that an object belongs to: the last one, or a new one. Null, and an error, if there are too many. */
static struct pcep_item *item_for(struct decoder *d, const struct pcep_object *object)
{
    struct pcep_item *last = last_item(d->message);
    bool starts = object->has & d->row->starts || (object->has == PCEP_HAS_LSP && last && last->has & PCEP_HAS_LSP);

    /* In an error, requests may stand before what went wrong with them or, as from FRR, after it. */
    if (d->row->type == PCEP_ERROR)
        starts = last && (object->has == PCEP_HAS_ERROR ? last->has & PCEP_HAS_ERROR :
                                                          last->has & (PCEP_HAS_SRP | PCEP_HAS_RP));
    if (last && !starts)
        return last;
    if (d->message->n_items == PCEP_ITEMS_MAX) {
        err_set(d->err, ERR_TOO_LARGE, "%s: more than %d LSPs or requests", d->row->name, PCEP_ITEMS_MAX);
        refuse(d, NULL, PCEP_ERR_INVALID_OBJECT, 11);
        return NULL;
    }
    return pcep_message_add(d->message);
}

static bool allowed(const struct message_row *row, uint8_t class, uint8_t type)
{
    for (size_t i = 0; i < OBJECTS_MAX; i++)
        if (row->order[i].class == class && row->order[i].type == type)
            return true;
    return false;
}

/* RFC 5440 §7.2: without P it is skipped. */
static int object_unknown(struct decoder *d, uint8_t class, uint8_t type, uint8_t flags, size_t at)
{
    const struct pcep_item *last = last_item(d->message);
    enum pcep_class_use use = pcep_class_use(class);

    if (!(flags & OBJECT_P))
        return 0;
    err_set(d->err, ERR_UNSUPPORTED, "%s: %s at byte %zu, of class %u and type %u, is %s, and must be heeded",
            d->row->name, pcep_class_name(class), at, class, type,
            use == CLASS_UNKNOWN ? "unknown" : "not supported here");
    if (use == CLASS_UNKNOWN)
        return refuse(d, last, PCEP_ERR_UNKNOWN_OBJECT, 1);
    if (use == CLASS_READ && !pcep_object_find(class, type))
        return refuse(d, last, PCEP_ERR_UNKNOWN_OBJECT, 2);
    return refuse(d, last, PCEP_ERR_NOT_SUPPORTED, 1);
}

static bool is_item_object(uint8_t class)
{
    return class != CLASS_OPEN && class != CLASS_CLOSE && class != CLASS_NOTIFICATION;
}

static int object_decode(struct decoder *d, struct wire *body, uint8_t class, uint8_t type, uint8_t flags, size_t at)
{
    const struct pcep_object *object = pcep_object_find(class, type);
    struct pcep_item *item = NULL;
    struct err why = {0};

    if (!object || !allowed(d->row, class, type))
        return object_unknown(d, class, type, flags, at);
    if (is_item_object(class) && !(item = item_for(d, object)))
        return d->err->code;
    d->has_own |= !item;
    if (wire_left(body) < object->least)
        wire_fail(body, ERR_SHORT);
    /* The first one counts where there should be one only. */
    else if (!item || !(item->has & object->has) || class == CLASS_METRIC)
        object->get(body, d->message, item, &why);
    if (item)
        item->has |= object->has;
    if (wire_ok(body))
        return 0;
    err_set(d->err, body->error, "%s: %s at byte %zu, of %zu bytes: %.350s", d->row->name, object->name, at,
            body->size + OBJECT_HEADER_SIZE, why.code ? why.text : err_name(body->error));
    /* RFC 5440 §7.15: an Open that cannot be read has an error of its own. RFC 8664 §5.1 has the other. */
    return class == CLASS_OPEN ? refuse(d, NULL, PCEP_ERR_OPEN, 1) : refuse(d, item, PCEP_ERR_INVALID_OBJECT, 11);
}

static int objects_decode(struct decoder *d, struct wire *r)
{
    while (wire_left(r) > 0) {
        size_t at = r->pos;
        uint8_t class = wire_get_u8(r), second = wire_get_u8(r);
        uint16_t length = wire_get_u16(r);

        if (!wire_ok(r) || length < OBJECT_HEADER_SIZE || length % 4 != 0 ||
            length - (size_t) OBJECT_HEADER_SIZE > wire_left(r)) {
            err_set(d->err, ERR_MALFORMED, "%s: %s at byte %zu: its length %u cannot be", d->row->name,
                    pcep_class_name(class), at, length);
            return d->row->type == PCEP_OPEN ? refuse(d, NULL, PCEP_ERR_OPEN, 1) : refuse(d, NULL, 0, 0);
        }
        struct wire body = wire_sub(r, length - (size_t) OBJECT_HEADER_SIZE);
        int rc = object_decode(d, &body, class, second >> 4, second & 0xf, at);

        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Each request gets the error that stands next to it: the one after it, or before it. What has none is no item. */
static void errors_pair(struct pcep_message *message)
{
    struct pcep_item *errors = message->items;
    size_t n = message->n_items, kept = 0;

    for (size_t i = n; i-- > 1;) {
        if (!(errors[i - 1].has & PCEP_HAS_ERROR) && errors[i].has & PCEP_HAS_ERROR) {
            errors[i - 1].error_type = errors[i].error_type;
            errors[i - 1].error_value = errors[i].error_value;
            errors[i - 1].has |= PCEP_HAS_ERROR;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (!(errors[i].has & PCEP_HAS_ERROR) && kept > 0) {
            errors[i].error_type = errors[kept - 1].error_type;
            errors[i].error_value = errors[kept - 1].error_value;
            errors[i].has |= PCEP_HAS_ERROR;
        }
        if (errors[i].has & PCEP_HAS_ERROR)
            errors[kept++] = errors[i];
    }
    message->n_items = kept;
}

static int missing(struct decoder *d, const struct pcep_item *item, uint8_t class, uint8_t value)
{
    err_set(d->err, ERR_MALFORMED, "%s: %s is missing", d->row->name, pcep_class_name(class));
    return refuse(d, item, PCEP_ERR_MISSING, value);
}

static uint8_t class_of(uint32_t has)
{
    switch (has) {
    case PCEP_HAS_RP:
        return CLASS_RP;
    case PCEP_HAS_SRP:
        return CLASS_SRP;
    case PCEP_HAS_LSP:
        return CLASS_LSP;
    default:
        return CLASS_ERO;
    }
}

static int complete(struct decoder *d)
{
    const struct message_row *row = d->row;
    const struct pcep_message *message = d->message;

    if (row->type == PCEP_OPEN && !message->has_open) {
        err_set(d->err, ERR_MALFORMED, "Open: the object OPEN is missing");
        return refuse(d, NULL, PCEP_ERR_OPEN, 1);
    }
    if (((row->type == PCEP_CLOSE || row->type == PCEP_NOTIFICATION) && !d->has_own) ||
        (row->type == PCEP_ERROR && message->n_items == 0)) {
        err_set(d->err, ERR_MALFORMED, "%s: its object is missing", row->name);
        return refuse(d, NULL, 0, 0);
    }
    if (row->must[0].has && message->n_items == 0)
        return missing(d, NULL, class_of(row->must[0].has), row->must[0].value);
    for (size_t i = 0; i < message->n_items; i++) {
        for (size_t j = 0; j < ARRAY_LEN(row->must) && row->must[j].has; j++)
            if (!(message->items[i].has & row->must[j].has))
                return missing(d, &message->items[i], class_of(row->must[j].has), row->must[j].value);
    }
    return 0;
}

int pcep_header_decode(const uint8_t *bytes, size_t size, uint8_t *type, uint16_t *length)
{
    struct wire r = wire_reader(bytes, size);
    uint8_t version = wire_get_u8(&r) >> 5, got_type = wire_get_u8(&r);
    uint16_t got_length = wire_get_u16(&r);

    if (!wire_ok(&r))
        return ERR_SHORT;
    if (version != PCEP_VERSION)
        return ERR_UNSUPPORTED;
    if (got_length < PCEP_HEADER_SIZE || got_length % 4 != 0)
        return ERR_MALFORMED;
    *type = got_type;
    *length = got_length;
    return 0;
}

int pcep_decode(const uint8_t *bytes, size_t size, struct pcep_message *message, struct pcep_refusal *refusal,
                struct err *err)
{
    struct pcep_message got = {0};
    struct pcep_refusal how = {0};
    struct err why = {0};
    uint16_t length;
    int rc = pcep_header_decode(bytes, size, &got.type, &length);

    if (rc < 0 || length != size) {
        *refusal = how;
        return err_set(err, rc < 0 ? rc : ERR_SHORT, "%zu bytes are not one whole PCEP message of version %d", size,
                       PCEP_VERSION);
    }
    struct decoder d = {.row = row_of(got.type), .message = &got, .refusal = &how, .err = &why};
    struct wire r = wire_reader(bytes, size);

    wire_skip(&r, PCEP_HEADER_SIZE);
    if (d.row) {
        rc = objects_decode(&d, &r);
        if (rc == 0 && got.type == PCEP_ERROR)
            errors_pair(&got);
        if (rc == 0)
            rc = complete(&d);
    }
    if (rc < 0) {
        pcep_message_free(&got);
        *refusal = how;
        if (err)
            *err = why;
        return rc;
    }
    *message = got;
    return 0;
}

/* Encoding */

static void object_encode(struct wire *w, const struct pcep_object *object, const struct pcep_message *message,
                          const struct pcep_item *item)
{
    size_t start = w->pos;
    /* RFC 5440 §7.4.1: in path computation, RP must be heeded; RFC 8231 §7: elsewhere P is 0. */
    bool heed = object->class == CLASS_RP || (message->type == PCEP_REQUEST && object->class == CLASS_ENDPOINTS);

    wire_put_u8(w, object->class);
    wire_put_u8(w, (uint8_t) (object->type << 4 | (heed ? OBJECT_P : 0)));
    wire_put_u16(w, 0);
    object->put(w, message, item);
    if (!wire_ok(w))
        return;
    /* Each further METRIC has a header of its own. */
    size_t length = object->class == CLASS_METRIC ? OBJECT_HEADER_SIZE + 8u : w->pos - start;

    wire_patch_u16(w, start + 2, (uint16_t) length);
}

static bool present(const struct pcep_object *object, const struct pcep_message *message, const struct pcep_item *item)
{
    if (object->class == CLASS_OPEN)
        return message->has_open;
    if (!is_item_object(object->class))
        return true;
    return object->has && object->put && item && (item->has & object->has) == object->has;
}

/* The objects of an item, or those that belong to the whole message. */
static void objects_encode(struct wire *w, const struct message_row *row, const struct pcep_message *message,
                           const struct pcep_item *item)
{
    for (size_t i = 0; i < OBJECTS_MAX && row->order[i].class; i++) {
        const struct pcep_object *object = pcep_object_find(row->order[i].class, row->order[i].type);

        if (is_item_object(object->class) == (item != NULL) && present(object, message, item))
            object_encode(w, object, message, item);
    }
}

int pcep_encode(struct wire *w, const struct pcep_message *message, struct err *err)
{
    const struct message_row *row = row_of(message->type);
    size_t start = w->pos;

    if (!row)
        return err_set(err, ERR_INVALID, "there is no PCEP message of type %u to send", message->type);
    wire_put_u8(w, PCEP_VERSION << 5);
    wire_put_u8(w, message->type);
    wire_put_u16(w, 0);
    for (size_t i = 0; i < message->n_items; i++)
        objects_encode(w, row, message, &message->items[i]);
    objects_encode(w, row, message, NULL);
    if (wire_ok(w) && w->pos - start > PCEP_MESSAGE_MAX)
        wire_fail(w, ERR_TOO_LARGE);
    if (!wire_ok(w))
        return err_set(err, w->error == ERR_SHORT ? ERR_TOO_LARGE : w->error, "a %s cannot be written: %s", row->name,
                       err_name(w->error));
    wire_patch_u16(w, start + 2, (uint16_t) (w->pos - start));
    return 0;
}
