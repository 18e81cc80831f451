/* SPDX-License-Identifier: Apache-2.0 */
/* TLVs (RFC 5440 §7.1): type, length of the value without the padding to four bytes, value. One table for each kind of
 * object that has any. */
#include <string.h>

#include "base/alloc.h"
#include "proto/pcep/pcep_internal.h"

enum {
    TLV_NO_PATH_VECTOR = 1,
    TLV_STATEFUL_CAPABILITY = 16,
    TLV_NAME = 17,
    TLV_IPV4_IDENTIFIERS = 18,
    TLV_LSP_ERROR = 20,
    TLV_RSVP_ERROR_SPEC = 21,
    TLV_SPEAKER = 24,
    TLV_SR_CAPABILITY = 26,
    TLV_SETUP = 28,
    TLV_SETUP_CAPABILITY = 34,
    TLV_IPV4_ADDRESS = 39,
    TLV_UNNUMBERED = 41,
    TLV_LABEL_REQUEST = 42,
    TLV_GMPLS_CAPABILITY = 45,
    TLV_EXTENDED_FLAG = 64
};

/* RSVP's, inside RSVP-ERROR-SPEC. */
enum { ERROR_SPEC_CLASS = 6, ERROR_SPEC_IPV4 = 1, ERROR_SPEC_IF_ID_IPV4 = 3 };
enum { IF_ID_IPV4 = 1, IF_ID_INDEX = 3 }; /* RFC 3471 §9.1.1 */
enum { ERROR_FLAG_STATE_REMOVED = 0x04 }; /* RFC 3473 §4.4 */

static size_t padding(size_t size)
{
    return (4 - size % 4) % 4;
}

void pcep_tlvs_get(struct wire *r, const struct pcep_tlv *rows, size_t n_rows, void *to, struct err *err)
{
    while (wire_ok(r) && wire_left(r) > 0) {
        uint16_t type = wire_get_u16(r), length = wire_get_u16(r);
        struct wire value = wire_sub(r, length);
        size_t pad = padding(length), left = wire_left(r);

        wire_skip(r, pad < left ? pad : left);
        if (!wire_ok(r)) {
            err_set(err, r->error, "a TLV of type %u leaves its object", type);
            return;
        }
        for (size_t i = 0; i < n_rows; i++) {
            if (rows[i].type != type)
                continue;
            if (length < rows[i].least)
                wire_fail(&value, ERR_SHORT);
            else
                rows[i].get(&value, to, err);
            if (!wire_ok(&value)) {
                wire_fail(r, value.error);
                if (!err->code)
                    err_set(err, r->error, "%s", err_name(r->error));
                err_prefix(err, "TLV %s of %u bytes", rows[i].name, length);
                return;
            }
        }
    }
}

size_t pcep_tlv_begin(struct wire *w, uint16_t type)
{
    size_t start = w->pos;

    wire_put_u16(w, type);
    wire_put_u16(w, 0);
    return start;
}

void pcep_tlv_end(struct wire *w, size_t start)
{
    if (!wire_ok(w))
        return;
    size_t length = w->pos - start - 4;

    wire_patch_u16(w, start + 2, (uint16_t) length);
    wire_put_zeros(w, padding(length));
}

/* OPEN */

static void stateful_get(struct wire *r, void *to, struct err *err)
{
    struct pcep_open *open = to;

    (void) err;
    open->stateful = true;
    open->stateful_flags = wire_get_u32(r);
}

static void gmpls_get(struct wire *r, void *to, struct err *err)
{
    struct pcep_open *open = to;

    (void) err;
    open->gmpls = true;
    open->gmpls_flags = wire_get_u32(r);
}

/* Opaque by its RFC, so one that is no text of ours is no error. */
static void speaker_get(struct wire *r, void *to, struct err *err)
{
    struct pcep_open *open = to;
    size_t n = wire_left(r);

    (void) err;
    if (n >= sizeof open->speaker)
        return;
    wire_get(r, open->speaker, n);
    open->speaker[n] = '\0';
    for (size_t i = 0; i < n; i++) {
        if (open->speaker[i] < 0x21 || open->speaker[i] > 0x7e)
            open->speaker[0] = '\0';
    }
}

static void sr_get(struct wire *r, void *to, struct err *err)
{
    struct pcep_open *open = to;

    (void) err;
    open->sr = true;
    wire_skip(r, 2);
    open->sr_flags = wire_get_u8(r);
    open->sr_depth = wire_get_u8(r);
}

static void setups_get(struct wire *r, void *to, struct err *err)
{
    static const struct pcep_tlv subs[] = {{TLV_SR_CAPABILITY, "SR-PCE-CAPABILITY", 4, sr_get}};
    struct pcep_open *open = to;

    open->has_setups = true;
    wire_skip(r, 3);
    uint8_t n = wire_get_u8(r);

    for (unsigned i = 0; i < n; i++) {
        uint8_t setup = wire_get_u8(r);

        if (wire_ok(r) && setup < 32)
            open->setups |= UINT32_C(1) << setup;
    }
    size_t pad = padding(n), left = wire_left(r);

    wire_skip(r, pad < left ? pad : left);
    pcep_tlvs_get(r, subs, ARRAY_LEN(subs), to, err);
}

void pcep_open_tlvs_get(struct wire *r, struct pcep_open *open, struct err *err)
{
    static const struct pcep_tlv rows[] = {
        {TLV_STATEFUL_CAPABILITY, "STATEFUL-PCE-CAPABILITY", 4, stateful_get}, /* RFC 8231 §7.1.1 */
        {TLV_SPEAKER, "SPEAKER-ENTITY-ID", 0, speaker_get},                    /* RFC 8232 §3.3.2 */
        {TLV_SETUP_CAPABILITY, "PATH-SETUP-TYPE-CAPABILITY", 4, setups_get},   /* RFC 8408 §3 */
        {TLV_GMPLS_CAPABILITY, "GMPLS-CAPABILITY", 4, gmpls_get},              /* RFC 8779 §2.1.2 */
        {TLV_SR_CAPABILITY, "SR-PCE-CAPABILITY", 4, sr_get},                   /* before RFC 8664 it was on its own */
    };

    pcep_tlvs_get(r, rows, ARRAY_LEN(rows), open, err);
}

static void sr_put(struct wire *w, const struct pcep_open *open)
{
    size_t start = pcep_tlv_begin(w, TLV_SR_CAPABILITY);

    wire_put_u16(w, 0);
    wire_put_u8(w, open->sr_flags);
    wire_put_u8(w, open->sr_depth);
    pcep_tlv_end(w, start);
}

static void setups_put(struct wire *w, const struct pcep_open *open)
{
    size_t start = pcep_tlv_begin(w, TLV_SETUP_CAPABILITY);
    uint8_t n = 0;

    wire_put_u24(w, 0);
    for (unsigned i = 0; i < 32; i++)
        n = (uint8_t) (n + (open->setups >> i & 1));
    wire_put_u8(w, n);
    for (unsigned i = 0; i < 32; i++)
        if (open->setups >> i & 1)
            wire_put_u8(w, (uint8_t) i);
    wire_put_zeros(w, padding(n));
    if (open->sr)
        sr_put(w, open);
    pcep_tlv_end(w, start);
}

void pcep_open_tlvs_put(struct wire *w, const struct pcep_open *open)
{
    size_t start;

    if (open->stateful) {
        start = pcep_tlv_begin(w, TLV_STATEFUL_CAPABILITY);
        wire_put_u32(w, open->stateful_flags);
        pcep_tlv_end(w, start);
    }
    if (*open->speaker) {
        start = pcep_tlv_begin(w, TLV_SPEAKER);
        wire_put(w, open->speaker, strlen(open->speaker));
        pcep_tlv_end(w, start);
    }
    if (open->has_setups)
        setups_put(w, open);
    else if (open->sr)
        sr_put(w, open);
    if (open->gmpls) {
        start = pcep_tlv_begin(w, TLV_GMPLS_CAPABILITY);
        wire_put_u32(w, open->gmpls_flags);
        pcep_tlv_end(w, start);
    }
}

/* SRP and RP */

static void setup_get(struct wire *r, void *to, struct err *err)
{
    struct pcep_item *item = to;

    (void) err;
    wire_skip(r, 3);
    item->setup = wire_get_u8(r);
    item->has |= PCEP_HAS_SETUP;
}

void pcep_setup_tlv_get(struct wire *r, struct pcep_item *item, struct err *err)
{
    static const struct pcep_tlv rows[] = {{TLV_SETUP, "PATH-SETUP-TYPE", 4, setup_get}}; /* RFC 8408 §4 */

    pcep_tlvs_get(r, rows, ARRAY_LEN(rows), item, err);
}

void pcep_setup_tlv_put(struct wire *w, const struct pcep_item *item)
{
    if (!(item->has & PCEP_HAS_SETUP))
        return;
    size_t start = pcep_tlv_begin(w, TLV_SETUP);

    wire_put_u24(w, 0);
    wire_put_u8(w, item->setup);
    pcep_tlv_end(w, start);
}

/* LSP */

static void name_get(struct wire *r, void *to, struct err *err)
{
    struct pcep_item *item = to;
    size_t size = wire_left(r);
    char name[LSP_NAME_SIZE] = {0};

    if (size >= sizeof name) {
        wire_fail(r, ERR_UNSUPPORTED);
        err_set(err, r->error, "a name of more than %d bytes", LSP_NAME_SIZE - 1);
        return;
    }
    wire_get(r, name, size);
    for (size_t i = 0; i < size; i++) {
        if (name[i] < ' ' || name[i] > '~') {
            wire_fail(r, ERR_UNSUPPORTED);
            err_set(err, r->error, "a name with byte 0x%02x, which is no printable ASCII", (uint8_t) name[i]);
            return;
        }
    }
    memcpy(item->name, name, sizeof name);
    item->has |= PCEP_HAS_NAME;
}

static void identifiers_get(struct wire *r, void *to, struct err *err)
{
    struct pcep_item *item = to;

    (void) err;
    item->identifiers.sender = wire_get_u32(r);
    item->identifiers.lsp_id = wire_get_u16(r);
    item->identifiers.tunnel_id = wire_get_u16(r);
    item->identifiers.extended_tunnel_id = wire_get_u32(r);
    item->identifiers.endpoint = wire_get_u32(r);
    item->has |= PCEP_HAS_IDENTIFIERS;
}

static void lsp_error_get(struct wire *r, void *to, struct err *err)
{
    struct pcep_item *item = to;

    (void) err;
    item->lsp_error = wire_get_u32(r);
    item->has |= PCEP_HAS_LSP_ERROR;
}

/* The first TLV of each type counts: of a link that is a bundle, the rest are its components. */
static void if_id_get(struct wire *r, struct lsp_error *error)
{
    while (wire_ok(r) && wire_left(r) > 0) {
        uint16_t type = wire_get_u16(r), length = wire_get_u16(r);

        if (length < 4) {
            wire_fail(r, ERR_MALFORMED);
            return;
        }
        struct wire value = wire_sub(r, length - 4u);

        if (type == IF_ID_IPV4 && wire_left(&value) >= 4 && !error->interface_ip) {
            error->interface_ip = wire_get_u32(&value);
        } else if (type == IF_ID_INDEX && wire_left(&value) >= 8 && !error->interface_id) {
            error->interface_ip = wire_get_u32(&value);
            error->interface_id = wire_get_u32(&value);
        }
    }
}

/* One RSVP object: ERROR_SPEC, IPv4 or IF_ID (RFC 2205 §A.5, RFC 3473 §8.2). A USER_ERROR_SPEC is skipped. */
static void rsvp_error_get(struct wire *r, void *to, struct err *err)
{
    struct pcep_item *item = to;
    uint16_t length = wire_get_u16(r);
    uint8_t class = wire_get_u8(r), type = wire_get_u8(r);
    struct lsp_error error = {0};

    if (length < 4) {
        wire_fail(r, ERR_MALFORMED);
        err_set(err, r->error, "an RSVP object of %u bytes", length);
        return;
    }
    struct wire body = wire_sub(r, length - 4u);

    if (!wire_ok(r) || class != ERROR_SPEC_CLASS || (type != ERROR_SPEC_IPV4 && type != ERROR_SPEC_IF_ID_IPV4))
        return;
    error.node = wire_get_u32(&body);
    error.path_state_removed = wire_get_u8(&body) & ERROR_FLAG_STATE_REMOVED;
    error.code = wire_get_u8(&body);
    error.value = wire_get_u16(&body);
    if (type == ERROR_SPEC_IF_ID_IPV4)
        if_id_get(&body, &error);
    if (!wire_ok(&body)) {
        wire_fail(r, body.error);
        return;
    }
    item->error = error;
    item->has |= PCEP_HAS_RSVP_ERROR;
}

static void extended_get(struct wire *r, void *to, struct err *err)
{
    struct pcep_item *item = to;

    (void) err;
    item->extended = wire_get_u32(r);
    item->has |= PCEP_HAS_EXTENDED;
}

void pcep_lsp_tlvs_get(struct wire *r, struct pcep_item *item, struct err *err)
{
    static const struct pcep_tlv rows[] = {
        {TLV_NAME, "SYMBOLIC-PATH-NAME", 1, name_get},                       /* RFC 8231 §7.3.2 */
        {TLV_IPV4_IDENTIFIERS, "IPV4-LSP-IDENTIFIERS", 16, identifiers_get}, /* RFC 8231 §7.3.1 */
        {TLV_LSP_ERROR, "LSP-ERROR-CODE", 4, lsp_error_get},                 /* RFC 8231 §7.3.3 */
        {TLV_RSVP_ERROR_SPEC, "RSVP-ERROR-SPEC", 4, rsvp_error_get},         /* RFC 8231 §7.3.4 */
        {TLV_EXTENDED_FLAG, "LSP-EXTENDED-FLAG", 4, extended_get},           /* RFC 9357 §3.1 */
    };

    pcep_tlvs_get(r, rows, ARRAY_LEN(rows), item, err);
}

static void rsvp_error_put(struct wire *w, const struct lsp_error *error)
{
    size_t start = pcep_tlv_begin(w, TLV_RSVP_ERROR_SPEC), object = w->pos;
    bool if_id = error->interface_ip || error->interface_id;

    wire_put_u16(w, 0);
    wire_put_u8(w, ERROR_SPEC_CLASS);
    wire_put_u8(w, if_id ? ERROR_SPEC_IF_ID_IPV4 : ERROR_SPEC_IPV4);
    wire_put_u32(w, error->node);
    wire_put_u8(w, error->path_state_removed ? ERROR_FLAG_STATE_REMOVED : 0);
    wire_put_u8(w, error->code);
    wire_put_u16(w, error->value);
    if (error->interface_id) {
        wire_put_u16(w, IF_ID_INDEX);
        wire_put_u16(w, 12);
        wire_put_u32(w, error->interface_ip);
        wire_put_u32(w, error->interface_id);
    } else if (error->interface_ip) {
        wire_put_u16(w, IF_ID_IPV4);
        wire_put_u16(w, 8);
        wire_put_u32(w, error->interface_ip);
    }
    if (wire_ok(w))
        wire_patch_u16(w, object, (uint16_t) (w->pos - object));
    pcep_tlv_end(w, start);
}

static void u32_put(struct wire *w, uint16_t type, uint32_t value)
{
    size_t start = pcep_tlv_begin(w, type);

    wire_put_u32(w, value);
    pcep_tlv_end(w, start);
}

void pcep_lsp_tlvs_put(struct wire *w, const struct pcep_item *item)
{
    if (item->has & PCEP_HAS_IDENTIFIERS) {
        size_t start = pcep_tlv_begin(w, TLV_IPV4_IDENTIFIERS);

        wire_put_u32(w, item->identifiers.sender);
        wire_put_u16(w, item->identifiers.lsp_id);
        wire_put_u16(w, item->identifiers.tunnel_id);
        wire_put_u32(w, item->identifiers.extended_tunnel_id);
        wire_put_u32(w, item->identifiers.endpoint);
        pcep_tlv_end(w, start);
    }
    if (item->has & PCEP_HAS_NAME) {
        size_t start = pcep_tlv_begin(w, TLV_NAME);

        wire_put(w, item->name, strnlen(item->name, sizeof item->name - 1));
        pcep_tlv_end(w, start);
    }
    if (item->has & PCEP_HAS_LSP_ERROR)
        u32_put(w, TLV_LSP_ERROR, item->lsp_error);
    if (item->has & PCEP_HAS_RSVP_ERROR)
        rsvp_error_put(w, &item->error);
    if (item->has & PCEP_HAS_EXTENDED)
        u32_put(w, TLV_EXTENDED_FLAG, item->extended);
}

/* GENERALIZED_ENDPOINTS (RFC 8779 §2.5.2): the first endpoint is the source, the second the destination; what restricts
 * them comes after each. */

struct endpoints_cursor {
    struct pcep_endpoints *endpoints;
    unsigned n;
};

static void endpoint(struct endpoints_cursor *to, uint32_t address, uint32_t interface)
{
    if (to->n == 0) {
        to->endpoints->source = address;
        to->endpoints->source_interface = interface;
    } else if (to->n == 1) {
        to->endpoints->destination = address;
        to->endpoints->destination_interface = interface;
    }
    to->n++;
}

static void address_get(struct wire *r, void *to, struct err *err)
{
    (void) err;
    endpoint(to, wire_get_u32(r), 0);
}

static void unnumbered_get(struct wire *r, void *to, struct err *err)
{
    uint32_t node = wire_get_u32(r);

    (void) err;
    endpoint(to, node, wire_get_u32(r));
}

static void label_request_get(struct wire *r, void *to, struct err *err)
{
    struct pcep_endpoints *endpoints = ((struct endpoints_cursor *) to)->endpoints;

    (void) err;
    endpoints->has_label_request = true;
    endpoints->encoding = wire_get_u8(r);
    endpoints->switching = wire_get_u8(r);
    endpoints->gpid = wire_get_u16(r);
}

void pcep_endpoints_tlvs_get(struct wire *r, struct pcep_endpoints *endpoints, struct err *err)
{
    static const struct pcep_tlv rows[] = {
        {TLV_IPV4_ADDRESS, "IPV4-ADDRESS", 4, address_get},
        {TLV_UNNUMBERED, "UNNUMBERED-ENDPOINT", 8, unnumbered_get},
        {TLV_LABEL_REQUEST, "LABEL-REQUEST", 4, label_request_get},
    };
    struct endpoints_cursor cursor = {.endpoints = endpoints};

    pcep_tlvs_get(r, rows, ARRAY_LEN(rows), &cursor, err);
    if (wire_ok(r) && cursor.n != 2) {
        wire_fail(r, ERR_MALFORMED);
        err_set(err, r->error, "%u endpoints that we know, not 2", cursor.n);
    }
}

static void endpoint_put(struct wire *w, uint32_t address, uint32_t interface)
{
    size_t start = pcep_tlv_begin(w, interface ? TLV_UNNUMBERED : TLV_IPV4_ADDRESS);

    wire_put_u32(w, address);
    if (interface)
        wire_put_u32(w, interface);
    pcep_tlv_end(w, start);
}

void pcep_endpoints_tlvs_put(struct wire *w, const struct pcep_endpoints *endpoints)
{
    endpoint_put(w, endpoints->source, endpoints->source_interface);
    if (endpoints->has_label_request) {
        size_t start = pcep_tlv_begin(w, TLV_LABEL_REQUEST);

        wire_put_u8(w, endpoints->encoding);
        wire_put_u8(w, endpoints->switching);
        wire_put_u16(w, endpoints->gpid);
        pcep_tlv_end(w, start);
    }
    endpoint_put(w, endpoints->destination, endpoints->destination_interface);
}

/* NO-PATH */

static void vector_get(struct wire *r, void *to, struct err *err)
{
    (void) err;
    ((struct pcep_item *) to)->no_path_vector = wire_get_u32(r);
}

void pcep_no_path_tlvs_get(struct wire *r, struct pcep_item *item, struct err *err)
{
    static const struct pcep_tlv rows[] = {{TLV_NO_PATH_VECTOR, "NO-PATH-VECTOR", 4, vector_get}}; /* RFC 5440 §7.5 */

    pcep_tlvs_get(r, rows, ARRAY_LEN(rows), item, err);
}

void pcep_no_path_tlvs_put(struct wire *w, const struct pcep_item *item)
{
    if (item->no_path_vector)
        u32_put(w, TLV_NO_PATH_VECTOR, item->no_path_vector);
}
