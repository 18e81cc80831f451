/* SPDX-License-Identifier: Apache-2.0 */
/* Objects: what each class looks like, and what is done about it. */
#include "proto/rsvp/rsvp_internal.h"

#include <string.h>

#include "base/alloc.h"

static void session_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype)
{
    struct rsvp_session *session = &r->message.session;

    (void) ctype;
    session->destination = wire_get_u32(w);
    wire_skip(w, 2); /* must be zero; RFC 3474 has a call id there */
    session->tunnel_id = wire_get_u16(w);
    session->extended_tunnel_id = wire_get_u32(w);
}

static uint8_t session_write(const struct rsvp_message *m, size_t index, struct wire *w)
{
    (void) index;
    wire_put_u32(w, m->session.destination);
    wire_put_u16(w, 0);
    wire_put_u16(w, m->session.tunnel_id);
    wire_put_u32(w, m->session.extended_tunnel_id);
    return 7;
}

static void sender_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype)
{
    (void) ctype;
    r->message.sender.source = wire_get_u32(w);
    wire_skip(w, 2);
    r->message.sender.lsp_id = wire_get_u16(w);
}

static uint8_t sender_write(const struct rsvp_message *m, size_t index, struct wire *w)
{
    (void) index;
    wire_put_u32(w, m->sender.source);
    wire_put_u16(w, 0);
    wire_put_u16(w, m->sender.lsp_id);
    return 7;
}

#define IF_TLV_IPV4_SIZE 8   /* of TLV RSVP_IF_IPV4, RFC 3471 §9.1.1 */
#define IF_TLV_INDEX_SIZE 12 /* of TLV RSVP_IF_INDEX */

/* One TLV of an IF_ID object. Returns its type, or 0 if it names no interface in a way that we know; its length is
 * checked. */
static uint8_t interface_read(struct rsvp_reading *r, struct wire *w, uint32_t *ip, uint32_t *id)
{
    uint16_t type = wire_get_u16(w), length = wire_get_u16(w);
    struct wire tlv = wire_sub(w, length < 4 ? SIZE_MAX : length - 4u);

    if (!wire_ok(w) || length % 4 != 0) {
        rsvp_refuse(r, ERR_MALFORMED, 0, 0, "the length of a TLV does not fit");
        wire_fail(w, ERR_MALFORMED);
        return 0;
    }
    if (type != RSVP_IF_IPV4 && type != RSVP_IF_INDEX)
        return 0;
    if (length != (type == RSVP_IF_IPV4 ? IF_TLV_IPV4_SIZE : IF_TLV_INDEX_SIZE)) {
        rsvp_refuse(r, ERR_MALFORMED, 0, 0, "TLV %u of %u bytes", type, length);
        return 0;
    }
    *ip = wire_get_u32(&tlv);
    *id = type == RSVP_IF_INDEX ? wire_get_u32(&tlv) : 0;
    return (uint8_t) type;
}

static void interface_write(uint8_t type, uint32_t ip, uint32_t id, struct wire *w)
{
    wire_put_u16(w, type);
    wire_put_u16(w, type == RSVP_IF_IPV4 ? IF_TLV_IPV4_SIZE : IF_TLV_INDEX_SIZE);
    wire_put_u32(w, ip);
    if (type == RSVP_IF_INDEX)
        wire_put_u32(w, id);
}

/* A second interface would be that of the other direction (RFC 3473 §8.1.2), or of a bundle (RFC 4201): not ours. */
static void hop_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype)
{
    struct rsvp_hop *hop = &r->message.hop;

    (void) ctype;
    hop->address = wire_get_u32(w);
    hop->lih = wire_get_u32(w);
    while (wire_left(w) > 0) {
        uint32_t ip = 0, id = 0;
        uint8_t type = interface_read(r, w, &ip, &id);

        if (type == 0 || hop->if_type != RSVP_IF_NONE) {
            rsvp_refuse(r, ERR_UNSUPPORTED, RSVP_ERR_ROUTING, RSVP_ROUTING_UNKNOWN_INTERFACE,
                        "it does not name one interface by address or index");
            continue;
        }
        hop->if_type = type;
        hop->if_address = ip;
        hop->if_id = id;
    }
}

static uint8_t hop_write(const struct rsvp_message *m, size_t index, struct wire *w)
{
    const struct rsvp_hop *hop = &m->hop;

    (void) index;
    wire_put_u32(w, hop->address);
    wire_put_u32(w, hop->lih);
    if (hop->if_type == RSVP_IF_NONE)
        return 1;
    if (hop->if_type != RSVP_IF_IPV4 && hop->if_type != RSVP_IF_INDEX)
        wire_fail(w, ERR_INVALID);
    interface_write(hop->if_type, hop->if_address, hop->if_id, w);
    return 3;
}

#define ERROR_PATH_STATE_REMOVED 0x04

/* TLVs that name no interface tell more about the error (RFC 4920); the first interface is the one. */
static void error_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype)
{
    struct lsp_error *error = &r->message.error;
    bool found = false;

    (void) ctype;
    error->node = wire_get_u32(w);
    error->path_state_removed = wire_get_u8(w) & ERROR_PATH_STATE_REMOVED;
    error->code = wire_get_u8(w);
    error->value = wire_get_u16(w);
    while (wire_left(w) > 0) {
        uint32_t ip = 0, id = 0;

        if (interface_read(r, w, &ip, &id) != 0 && !found) {
            found = true;
            error->interface_ip = ip;
            error->interface_id = id;
        }
    }
}

static uint8_t error_write(const struct rsvp_message *m, size_t index, struct wire *w)
{
    const struct lsp_error *error = &m->error;

    (void) index;
    wire_put_u32(w, error->node);
    wire_put_u8(w, error->path_state_removed ? ERROR_PATH_STATE_REMOVED : 0);
    wire_put_u8(w, error->code);
    wire_put_u16(w, error->value);
    if (error->interface_ip == 0 && error->interface_id == 0)
        return 1;
    interface_write(error->interface_id ? RSVP_IF_INDEX : RSVP_IF_IPV4, error->interface_ip, error->interface_id, w);
    return 3;
}

/* A period of zero would let state run out as it comes. */
static void time_values_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype)
{
    (void) ctype;
    r->message.refresh_ms = wire_get_u32(w);
    if (r->message.refresh_ms == 0)
        rsvp_refuse(r, ERR_MALFORMED, 0, 0, "a refresh period of 0 ms");
}

static uint8_t time_values_write(const struct rsvp_message *m, size_t index, struct wire *w)
{
    (void) index;
    if (m->refresh_ms == 0)
        wire_fail(w, ERR_INVALID);
    wire_put_u32(w, m->refresh_ms);
    return 1;
}

static void style_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype)
{
    uint32_t style = wire_get_u32(w) & 0xffffff; /* behind flags that nobody has defined */

    (void) ctype;
    r->message.style = (uint8_t) style;
    if (style != RSVP_STYLE_FF && style != RSVP_STYLE_SE) /* wildcard is not for LSPs: RFC 3209 §2.4 */
        rsvp_refuse(r, ERR_UNSUPPORTED, RSVP_ERR_UNKNOWN_STYLE, 0, "style 0x%x is not for LSPs", style);
}

static uint8_t style_write(const struct rsvp_message *m, size_t index, struct wire *w)
{
    (void) index;
    if (m->style != RSVP_STYLE_FF && m->style != RSVP_STYLE_SE)
        wire_fail(w, ERR_INVALID);
    wire_put_u32(w, m->style);
    return 1;
}

#define ATTRIBUTE_AFFINITY 1 /* C-Types, RFC 3209 §4.7 */
#define ATTRIBUTE_PLAIN 7

static void attribute_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype)
{
    struct rsvp_attribute *attribute = &r->message.attribute;

    attribute->has_affinity = ctype == ATTRIBUTE_AFFINITY;
    if (attribute->has_affinity) {
        attribute->exclude_any = wire_get_u32(w);
        attribute->include_any = wire_get_u32(w);
        attribute->include_all = wire_get_u32(w);
    }
    attribute->setup_priority = wire_get_u8(w);
    attribute->holding_priority = wire_get_u8(w);
    attribute->flags = wire_get_u8(w);
    uint8_t length = wire_get_u8(w);

    if (attribute->setup_priority >= TE_PRIORITIES || attribute->holding_priority >= TE_PRIORITIES)
        rsvp_refuse(r, ERR_MALFORMED, 0, 0, "priorities %u and %u, there are 0 to 7", attribute->setup_priority,
                    attribute->holding_priority);
    if (length > wire_left(w))
        rsvp_refuse(r, ERR_MALFORMED, 0, 0, "a name of %u bytes in %zu", length, wire_left(w));
    size_t taken = length < LSP_NAME_SIZE ? length : LSP_NAME_SIZE - 1;

    if (taken > wire_left(w))
        taken = 0;
    wire_get(w, attribute->name, taken);
    for (char *c = attribute->name; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    size_t used = strlen(attribute->name); /* zeros within the name end it, too */

    memset(attribute->name + used, 0, sizeof attribute->name - used);
    wire_skip(w, wire_left(w));
}

static uint8_t attribute_write(const struct rsvp_message *m, size_t index, struct wire *w)
{
    const struct rsvp_attribute *attribute = &m->attribute;
    const size_t length = strnlen(attribute->name, sizeof attribute->name);

    (void) index;
    if (length >= sizeof attribute->name || attribute->setup_priority >= TE_PRIORITIES ||
        attribute->holding_priority >= TE_PRIORITIES)
        wire_fail(w, ERR_INVALID);
    if (attribute->has_affinity) {
        wire_put_u32(w, attribute->exclude_any);
        wire_put_u32(w, attribute->include_any);
        wire_put_u32(w, attribute->include_all);
    }
    wire_put_u8(w, attribute->setup_priority);
    wire_put_u8(w, attribute->holding_priority);
    wire_put_u8(w, attribute->flags);
    wire_put_u8(w, (uint8_t) length);
    wire_put(w, attribute->name, length);
    wire_put_zeros(w, -length % 4);
    return attribute->has_affinity ? ATTRIBUTE_AFFINITY : ATTRIBUTE_PLAIN;
}

#define NUMBER_OBJECT(name, field) \
    static void name##_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype) \
    { \
        (void) ctype; \
        r->message.field = wire_get_u32(w); \
    } \
\
    static uint8_t name##_write(const struct rsvp_message *m, size_t index, struct wire *w) \
    { \
        (void) index; \
        wire_put_u32(w, m->field); \
        return 1; \
    }
NUMBER_OBJECT(admin_status, admin_status)
NUMBER_OBJECT(notify_request, notify_node)
NUMBER_OBJECT(resv_confirm, resv_confirm)
#undef NUMBER_OBJECT

#define EPOCH_MAX 0xffffffu

static void message_id_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype)
{
    (void) ctype;
    r->message.message_id.flags = wire_get_u8(w);
    r->message.message_id.epoch = wire_get_u24(w);
    r->message.message_id.id = wire_get_u32(w);
}

static uint8_t message_id_write(const struct rsvp_message *m, size_t index, struct wire *w)
{
    (void) index;
    if (m->message_id.epoch > EPOCH_MAX)
        wire_fail(w, ERR_INVALID);
    wire_put_u8(w, m->message_id.flags);
    wire_put_u24(w, m->message_id.epoch);
    wire_put_u32(w, m->message_id.id);
    return 1;
}

#define ACK_CTYPE_ACK 1
#define ACK_CTYPE_NACK 2

static void ack_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype)
{
    struct rsvp_message *m = &r->message;
    struct rsvp_ack ack = {.nack = ctype == ACK_CTYPE_NACK};

    wire_skip(w, 1);
    ack.epoch = wire_get_u24(w);
    ack.id = wire_get_u32(w);
    if (m->n_acks == RSVP_ACKS_MAX) {
        rsvp_refuse(r, ERR_TOO_LARGE, 0, 0, "more than %d in one message", RSVP_ACKS_MAX);
        return;
    }
    m->acks = array_reserve(m->acks, m->n_acks, &r->cap_acks, sizeof *m->acks);
    m->acks[m->n_acks++] = ack;
}

static uint8_t ack_write(const struct rsvp_message *m, size_t index, struct wire *w)
{
    if (m->n_acks > RSVP_ACKS_MAX)
        wire_fail(w, ERR_TOO_LARGE);
    else if (m->acks[index].epoch > EPOCH_MAX)
        wire_fail(w, ERR_INVALID);
    wire_put_u8(w, 0);
    wire_put_u24(w, m->acks[index].epoch);
    wire_put_u32(w, m->acks[index].id);
    return m->acks[index].nack ? ACK_CTYPE_NACK : ACK_CTYPE_ACK;
}

/* A sender has one epoch as long as it runs, so that a second list of a message is of the same. */
static void message_id_list_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype)
{
    struct rsvp_message *m = &r->message;
    const size_t n = (wire_left(w) - 4) / 4;

    (void) ctype;
    wire_skip(w, 1);
    uint32_t epoch = wire_get_u24(w);

    if (m->n_srefresh > 0 && epoch != m->srefresh_epoch)
        rsvp_refuse(r, ERR_UNSUPPORTED, 0, 0, "lists of two epochs, %x and %x", m->srefresh_epoch, epoch);
    if (n > RSVP_SREFRESH_MAX - m->n_srefresh) {
        rsvp_refuse(r, ERR_TOO_LARGE, 0, 0, "more than %d ids", RSVP_SREFRESH_MAX);
        wire_skip(w, wire_left(w));
        return;
    }
    m->srefresh_epoch = epoch;
    while (wire_left(w) >= 4) {
        m->srefresh = array_reserve(m->srefresh, m->n_srefresh, &r->cap_srefresh, sizeof *m->srefresh);
        m->srefresh[m->n_srefresh++] = wire_get_u32(w);
    }
}

static uint8_t message_id_list_write(const struct rsvp_message *m, size_t index, struct wire *w)
{
    (void) index;
    if (m->n_srefresh > RSVP_SREFRESH_MAX)
        wire_fail(w, ERR_TOO_LARGE);
    else if (m->srefresh_epoch > EPOCH_MAX)
        wire_fail(w, ERR_INVALID);
    wire_put_u8(w, 0);
    wire_put_u24(w, m->srefresh_epoch);
    for (size_t i = 0; i < m->n_srefresh && wire_ok(w); i++)
        wire_put_u32(w, m->srefresh[i]);
    return 1;
}

#define HELLO_CTYPE_REQUEST 1
#define HELLO_CTYPE_ACK 2

static void hello_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype)
{
    r->message.hello.ack = ctype == HELLO_CTYPE_ACK;
    r->message.hello.source_instance = wire_get_u32(w);
    r->message.hello.destination_instance = wire_get_u32(w);
}

static uint8_t hello_write(const struct rsvp_message *m, size_t index, struct wire *w)
{
    (void) index;
    wire_put_u32(w, m->hello.source_instance);
    wire_put_u32(w, m->hello.destination_instance);
    return m->hello.ack ? HELLO_CTYPE_ACK : HELLO_CTYPE_REQUEST;
}

static void restart_cap_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype)
{
    (void) ctype;
    r->message.restart_cap.restart_ms = wire_get_u32(w);
    r->message.restart_cap.recovery_ms = wire_get_u32(w);
}

static uint8_t restart_cap_write(const struct rsvp_message *m, size_t index, struct wire *w)
{
    (void) index;
    wire_put_u32(w, m->restart_cap.restart_ms);
    wire_put_u32(w, m->restart_cap.recovery_ms);
    return 1;
}

/* In the last byte of the first word, of both C-Types: RFC 3471 §7.1. */
#define PROTECTION_LINK_FLAGS 0x3f
#define PROTECTION_LINK_NONE 0x03 /* extra traffic, unprotected */

/* Links here have no protection of their own: whoever wants it, and nothing less, is told so. */
static void protection_read(struct rsvp_reading *r, struct wire *w, uint8_t ctype)
{
    uint8_t flags = wire_get_u32(w) & PROTECTION_LINK_FLAGS;

    (void) ctype;
    wire_skip(w, wire_left(w));
    if (flags != 0 && !(flags & PROTECTION_LINK_NONE))
        rsvp_refuse(r, ERR_UNSUPPORTED, RSVP_ERR_ROUTING, RSVP_ROUTING_LINK_PROTECTION,
                    "links are not protected, 0x%02x is wanted", flags);
}

#define USE(c1, l1, c2, l2, flag, rep, function) \
    .ctype = {c1, c2}, .least = {l1, l2}, .has = (flag), .disposition = RSVP_USE, .repeats = (rep), \
    .read = function##_read, .write = function##_write

/* By class. */
static const struct rsvp_object objects[256] = {
    /* Its content is ignored by definition, RFC 2205 §3.1.2. */
    [CLASS_NULL] = {"NULL", .disposition = RSVP_IGNORE},
    /* RFC 3209 §4.6.1.1 */
    [CLASS_SESSION] = {"SESSION", USE(7, 12, 0, 0, RSVP_HAS_SESSION, RSVP_ONCE, session)},
    /* RFC 2205 §A.2, RFC 3473 §8.1.1 */
    [CLASS_HOP] = {"RSVP_HOP", USE(1, 8, 3, 8, RSVP_HAS_HOP, RSVP_ONCE, hop)},
    /* There are no keys to check it with: see rsvp.h. */
    [CLASS_INTEGRITY] = {"INTEGRITY", .disposition = RSVP_IGNORE},
    /* RFC 2205 §A.4 */
    [CLASS_TIME_VALUES] = {"TIME_VALUES", USE(1, 4, 0, 0, RSVP_HAS_TIME_VALUES, RSVP_ONCE, time_values)},
    /* RFC 2205 §A.5, RFC 3473 §8.2 */
    [CLASS_ERROR_SPEC] = {"ERROR_SPEC", USE(1, 8, 3, 8, RSVP_HAS_ERROR, RSVP_ONCE, error)},
    /* Of wildcard reservations, which LSPs never are: RFC 2205 §A.6. */
    [CLASS_SCOPE] = {"SCOPE", .disposition = RSVP_IGNORE},
    /* RFC 2205 §A.7 */
    [CLASS_STYLE] = {"STYLE", USE(1, 4, 0, 0, RSVP_HAS_STYLE, RSVP_ONCE, style)},
    /* RFC 2210 §3.2, RFC 6003 §5 */
    [CLASS_FLOWSPEC] = {"FLOWSPEC", USE(6, 4, 2, 32, RSVP_HAS_TSPEC, RSVP_ONCE, rsvp_flowspec)},
    /* RFC 3209 §4.6.3.1 */
    [CLASS_FILTER_SPEC] = {"FILTER_SPEC", USE(7, 8, 0, 0, RSVP_HAS_SENDER, RSVP_ONCE, sender)},
    /* RFC 3209 §4.6.2.1 */
    [CLASS_SENDER_TEMPLATE] = {"SENDER_TEMPLATE", USE(7, 8, 0, 0, RSVP_HAS_SENDER, RSVP_ONCE, sender)},
    /* RFC 2210 §3.1, RFC 6003 §4 */
    [CLASS_SENDER_TSPEC] = {"SENDER_TSPEC", USE(6, 4, 2, 32, RSVP_HAS_TSPEC, RSVP_ONCE, rsvp_tspec)},
    /* Collects what a path offers to a receiver that chooses its reservation; in a circuit the sender has chosen. Not
     * used with Ethernet, RFC 6003 §4. */
    [CLASS_ADSPEC] = {"ADSPEC", .disposition = RSVP_IGNORE},
    /* Goes through a node without policy control as it is: RFC 2750. */
    [CLASS_POLICY_DATA] = {"POLICY_DATA", .disposition = RSVP_FORWARD, .repeats = RSVP_MANY},
    /* RFC 2205 §A.14 */
    [CLASS_RESV_CONFIRM] = {"RESV_CONFIRM", USE(1, 4, 0, 0, RSVP_HAS_RESV_CONFIRM, RSVP_ONCE, resv_confirm)},
    /* RFC 3209 §4.1, RFC 3473 §2.3 */
    [CLASS_LABEL] = {"LABEL", USE(2, 4, 1, 4, RSVP_HAS_LABEL, RSVP_ONCE, rsvp_label)},
    /* RFC 3209 §4.2.1, RFC 3473 §2.1 */
    [CLASS_LABEL_REQUEST] = {"LABEL_REQUEST", USE(4, 4, 1, 4, RSVP_HAS_LABEL_REQUEST, RSVP_ONCE, rsvp_label_request)},
    /* RFC 3209 §4.3; an empty one is one */
    [CLASS_ERO] = {"EXPLICIT_ROUTE", USE(1, 0, 0, 0, RSVP_HAS_ERO, RSVP_FIRST, rsvp_ero)},
    /* RFC 3209 §4.4 */
    [CLASS_RRO] = {"RECORD_ROUTE", USE(1, 0, 0, 0, RSVP_HAS_RRO, RSVP_FIRST, rsvp_rro)},
    /* RFC 3209 §5.2 */
    [CLASS_HELLO] = {"HELLO", USE(HELLO_CTYPE_REQUEST, 8, HELLO_CTYPE_ACK, 8, RSVP_HAS_HELLO, RSVP_ONCE, hello)},
    /* RFC 2961 §4.2 */
    [CLASS_MESSAGE_ID] = {"MESSAGE_ID", USE(1, 8, 0, 0, RSVP_HAS_MESSAGE_ID, RSVP_ONCE, message_id)},
    /* RFC 2961 §4.3 */
    [CLASS_ACK] = {"MESSAGE_ID_ACK", USE(ACK_CTYPE_ACK, 8, ACK_CTYPE_NACK, 8, 0, RSVP_MANY, ack)},
    /* RFC 2961 §5.1 */
    [CLASS_MESSAGE_ID_LIST] = {"MESSAGE_ID_LIST", USE(1, 8, 0, 0, 0, RSVP_MANY, message_id_list)},
    /* RFC 3473 §9.5.1 */
    [CLASS_RECOVERY_LABEL] = {"RECOVERY_LABEL",
                              USE(2, 4, 1, 4, RSVP_HAS_RECOVERY_LABEL, RSVP_ONCE, rsvp_recovery_label)},
    /* RFC 3473 §3.1 */
    [CLASS_UPSTREAM_LABEL] = {"UPSTREAM_LABEL",
                              USE(2, 4, 1, 4, RSVP_HAS_UPSTREAM_LABEL, RSVP_ONCE, rsvp_upstream_label)},
    /* RFC 3473 §2.6 */
    [CLASS_LABEL_SET] = {"LABEL_SET", USE(1, 4, 0, 0, RSVP_HAS_LABEL_SET, RSVP_MANY, rsvp_label_set)},
    /* RFC 3473 §6.1, RFC 4872 §14.1; it is for all nodes, hence forwarded */
    [CLASS_PROTECTION] = {"PROTECTION", {1, 2}, {4, 8}, 0, RSVP_FORWARD, RSVP_FIRST, protection_read, NULL},
    /* RFC 3473 §2.5 */
    [CLASS_SUGGESTED_LABEL] = {"SUGGESTED_LABEL",
                               USE(2, 4, 1, 4, RSVP_HAS_SUGGESTED_LABEL, RSVP_ONCE, rsvp_suggested_label)},
    /* RFC 3473 §4.1 */
    [CLASS_ACCEPTABLE_LABEL_SET] = {"ACCEPTABLE_LABEL_SET",
                                    USE(1, 4, 0, 0, RSVP_HAS_ACCEPTABLE_LABELS, RSVP_MANY, rsvp_label_set)},
    /* RFC 3473 §9.1 */
    [CLASS_RESTART_CAP] = {"RESTART_CAP", USE(1, 8, 0, 0, RSVP_HAS_RESTART_CAP, RSVP_ONCE, restart_cap)},
    /* Helps a neighbour that has restarted to get its routes back (RFC 5063); nodes here keep theirs on disk. */
    [CLASS_CAPABILITY] = {"CAPABILITY", .disposition = RSVP_IGNORE},
    /* RFC 3473 §4.2.1 */
    [CLASS_NOTIFY_REQUEST] = {"NOTIFY_REQUEST", USE(1, 4, 0, 0, RSVP_HAS_NOTIFY_REQUEST, RSVP_FIRST, notify_request)},
    /* RFC 3473 §7.1 */
    [CLASS_ADMIN_STATUS] = {"ADMIN_STATUS", USE(1, 4, 0, 0, RSVP_HAS_ADMIN_STATUS, RSVP_ONCE, admin_status)},
    /* RFC 3209 §4.7 */
    [CLASS_ATTRIBUTE] = {"SESSION_ATTRIBUTE",
                         USE(ATTRIBUTE_PLAIN, 4, ATTRIBUTE_AFFINITY, 16, RSVP_HAS_ATTRIBUTE, RSVP_ONCE, attribute)},
};

const struct rsvp_object *rsvp_object_row(uint8_t class)
{
    return &objects[class];
}

size_t rsvp_object_count(const struct rsvp_message *m, uint8_t class)
{
    switch (class) {
    case CLASS_ACK:
        return m->n_acks;
    case CLASS_MESSAGE_ID_LIST:
        return m->n_srefresh > 0;
    default:
        return (m->has & objects[class].has) != 0;
    }
}
