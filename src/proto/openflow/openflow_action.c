/* SPDX-License-Identifier: Apache-2.0 */
/* Actions (OpenFlow 1.3.5 §7.2.5, and Nicira's of ovs-actions(7)): a table row for each. */
#include <string.h>

#include "base/alloc.h"
#include "proto/openflow/openflow_internal.h"

#define ETHERTYPE_VLAN 0x8100

enum {
    OFPAT_OUTPUT = 0,
    OFPAT_SET_MPLS_TTL = 15,
    OFPAT_DEC_MPLS_TTL = 16,
    OFPAT_PUSH_VLAN = 17,
    OFPAT_POP_VLAN = 18,
    OFPAT_PUSH_MPLS = 19,
    OFPAT_POP_MPLS = 20,
    OFPAT_SET_QUEUE = 21,
    OFPAT_GROUP = 22,
    OFPAT_DEC_NW_TTL = 24,
    OFPAT_SET_FIELD = 25,
    OFPAT_EXPERIMENTER = 0xffff
};

static bool conjunction_is_whole(const struct flow_conjunction *conjunction)
{
    return conjunction->n_clauses >= 2 && conjunction->n_clauses <= 64 && conjunction->clause >= 1 &&
           conjunction->clause <= conjunction->n_clauses;
}

/* Reads the action's own bytes. 1: understood; 0: a form of it that we do not know; negative: malformed. */
typedef int action_decode_fn(struct wire *r, struct flow_action *action);

struct action_row {
    uint16_t code; /* OFPAT_*, or NXAST_* in Nicira's table */
    uint16_t size; /* the least length of the action; the exact one unless 'is_longer' */
    bool is_longer;
    action_decode_fn *decode;
};

static int output_decode(struct wire *r, struct flow_action *action)
{
    action->type = ACTION_OUTPUT;
    action->port = wire_get_u32(r);
    uint16_t max_len = wire_get_u16(r);

    /* It means something for the controller alone (§7.2.5.1). */
    if (action->port == PORT_CONTROLLER)
        action->max_len = max_len;
    return 1;
}

static int push_vlan_decode(struct wire *r, struct flow_action *action)
{
    action->type = ACTION_PUSH_VLAN;
    return wire_get_u16(r) == ETHERTYPE_VLAN;
}

static int pop_vlan_decode(struct wire *r, struct flow_action *action)
{
    (void) r;
    action->type = ACTION_POP_VLAN;
    return 1;
}

static bool is_mpls(uint16_t ethertype)
{
    return ethertype == 0x8847 || ethertype == 0x8848;
}

static int push_mpls_decode(struct wire *r, struct flow_action *action)
{
    action->type = ACTION_PUSH_MPLS;
    action->ethertype = wire_get_u16(r);
    return is_mpls(action->ethertype);
}

static int pop_mpls_decode(struct wire *r, struct flow_action *action)
{
    action->type = ACTION_POP_MPLS;
    action->ethertype = wire_get_u16(r);
    return 1;
}

static int set_mpls_ttl_decode(struct wire *r, struct flow_action *action)
{
    action->type = ACTION_SET_MPLS_TTL;
    action->ttl = wire_get_u8(r);
    return 1;
}

static int dec_mpls_ttl_decode(struct wire *r, struct flow_action *action)
{
    (void) r;
    action->type = ACTION_DEC_MPLS_TTL;
    return 1;
}

static int set_queue_decode(struct wire *r, struct flow_action *action)
{
    action->type = ACTION_SET_QUEUE;
    action->queue = wire_get_u32(r);
    return 1;
}

static int group_decode(struct wire *r, struct flow_action *action)
{
    action->type = ACTION_GROUP;
    action->group = wire_get_u32(r);
    return 1;
}

static int dec_ttl_decode(struct wire *r, struct flow_action *action)
{
    (void) r;
    action->type = ACTION_DEC_TTL;
    return 1;
}

static int set_field_decode(struct wire *r, struct flow_action *action)
{
    action->type = ACTION_SET_FIELD;
    return of_oxm_get(r, &action->field);
}

static int reg_load_decode(struct wire *r, struct flow_action *action)
{
    uint16_t offset_bits = wire_get_u16(r);
    unsigned offset = offset_bits >> 6, bits = (offset_bits & 0x3fu) + 1;
    const struct of_field *row = of_field_of_header(wire_get_u32(r));
    uint64_t value = wire_get_u64(r);
    uint8_t bytes[16] = {0}, mask[16] = {0};

    if (!row || offset + bits > row->size * 8u)
        return 0;
    if (row->size < flow_field_size(row->id)) {
        /* The 16-bit in_port: only all of it is a port. */
        if (bits != row->size * 8u)
            return 0;
        value = of_port_from_16((uint16_t) value);
        bits = 32;
    }
    size_t size = flow_field_size(row->id);

    for (unsigned bit = 0; bit < bits; bit++) {
        size_t at = size - 1 - (offset + bit) / 8;
        uint8_t one = (uint8_t) (1u << ((offset + bit) % 8));

        mask[at] |= one;
        if (value >> bit & 1)
            bytes[at] |= one;
    }
    struct flow_match match = {0};

    match_bytes(&match, row->id, bytes, mask);
    if (match.n == 0)
        return 0;
    action->type = ACTION_SET_FIELD;
    action->field = match.fields[0];
    return 1;
}

static int reg_move_decode(struct wire *r, struct flow_action *action)
{
    uint16_t bits = wire_get_u16(r), source_offset = wire_get_u16(r), destination_offset = wire_get_u16(r);
    const struct of_field *source = of_field_of_header(wire_get_u32(r));
    const struct of_field *destination = of_field_of_header(wire_get_u32(r));

    if (!source || !destination || source_offset || destination_offset || bits != of_field_row_bits(source) ||
        bits != of_field_row_bits(destination) || flow_field_bits(source->id) != bits ||
        flow_field_bits(destination->id) != bits)
        return 0;
    action->type = ACTION_MOVE;
    action->source = source->id;
    action->destination = destination->id;
    return 1;
}

static int resubmit_decode(struct wire *r, struct flow_action *action)
{
    uint16_t in_port = wire_get_u16(r);

    action->type = ACTION_RESUBMIT;
    action->table = wire_get_u8(r);
    return in_port == of_port_to_16(PORT_IN_PORT);
}

/* A size that is given, and properties, we do not know. */
static int encap_decode(struct wire *r, struct flow_action *action)
{
    uint16_t header_size = wire_get_u16(r);

    action->type = ACTION_ENCAP;
    action->packet_type = wire_get_u32(r);
    return header_size == 0 && wire_left(r) == 0;
}

static int decap_decode(struct wire *r, struct flow_action *action)
{
    wire_skip(r, 2);
    action->type = ACTION_DECAP;
    action->packet_type = wire_get_u32(r);
    return 1;
}

static int learn_decode(struct wire *r, struct flow_action *action)
{
    action->type = ACTION_LEARN;
    return of_learn_get(r, &action->learn);
}

static int learn2_decode(struct wire *r, struct flow_action *action)
{
    action->type = ACTION_LEARN;
    return of_learn2_get(r, &action->learn);
}

static int fin_timeout_decode(struct wire *r, struct flow_action *action)
{
    action->type = ACTION_FIN_TIMEOUT;
    action->fin.idle_timeout = wire_get_u16(r);
    action->fin.hard_timeout = wire_get_u16(r);
    return 1;
}

static int conjunction_decode(struct wire *r, struct flow_action *action)
{
    action->type = ACTION_CONJUNCTION;
    action->conjunction.clause = (uint8_t) (wire_get_u8(r) + 1);
    action->conjunction.n_clauses = wire_get_u8(r);
    action->conjunction.id = wire_get_u32(r);
    return conjunction_is_whole(&action->conjunction);
}

static const struct action_row standard_rows[] = {
    {OFPAT_OUTPUT, 16, false, output_decode},
    {OFPAT_SET_MPLS_TTL, 8, false, set_mpls_ttl_decode},
    {OFPAT_DEC_MPLS_TTL, 8, false, dec_mpls_ttl_decode},
    {OFPAT_PUSH_VLAN, 8, false, push_vlan_decode},
    {OFPAT_POP_VLAN, 8, false, pop_vlan_decode},
    {OFPAT_PUSH_MPLS, 8, false, push_mpls_decode},
    {OFPAT_POP_MPLS, 8, false, pop_mpls_decode},
    {OFPAT_SET_QUEUE, 8, false, set_queue_decode},
    {OFPAT_GROUP, 8, false, group_decode},
    {OFPAT_DEC_NW_TTL, 8, false, dec_ttl_decode},
    {OFPAT_SET_FIELD, 16, true, set_field_decode},
};

static const struct action_row nicira_rows[] = {
    {NXAST_REG_MOVE, 24, true, reg_move_decode},
    {NXAST_REG_LOAD, 24, false, reg_load_decode},
    {NXAST_RESUBMIT_TABLE, 16, false, resubmit_decode},
    {NXAST_LEARN, 32, true, learn_decode},
    {NXAST_FIN_TIMEOUT, 16, false, fin_timeout_decode},
    {NXAST_REG_LOAD2, 16, true, set_field_decode},
    {NXAST_CONJUNCTION, 16, false, conjunction_decode},
    {NXAST_LEARN2, 40, true, learn2_decode},
    {NXAST_ENCAP, 16, true, encap_decode},
    {NXAST_DECAP, 16, false, decap_decode},
};

static const struct action_row *row_find(const struct action_row *rows, size_t n, uint16_t code)
{
    for (size_t i = 0; i < n; i++) {
        if (rows[i].code == code)
            return &rows[i];
    }
    return NULL;
}

/* Reads one action of 'whole', which holds exactly it. */
static int action_decode(struct wire whole, struct flow_action *action)
{
    struct wire raw = whole;
    uint16_t code = wire_get_u16(&whole);
    const struct action_row *row = NULL;
    struct flow_action got = {0};

    wire_skip(&whole, 2);
    if (code != OFPAT_EXPERIMENTER)
        row = row_find(standard_rows, ARRAY_LEN(standard_rows), code);
    else if (wire_get_u32(&whole) == OF_EXPERIMENTER_NICIRA)
        row = row_find(nicira_rows, ARRAY_LEN(nicira_rows), wire_get_u16(&whole));
    if (row && (raw.size < row->size || (!row->is_longer && raw.size > row->size)))
        return ERR_MALFORMED;

    int rc = row ? row->decode(&whole, &got) : 0;

    if (rc < 0 || !wire_ok(&whole))
        return ERR_MALFORMED;
    if (rc == 0) {
        got = (struct flow_action) {.type = ACTION_UNKNOWN, .raw_length = (uint16_t) raw.size};
        wire_get(&raw, got.raw, raw.size < sizeof got.raw ? raw.size : sizeof got.raw);
    }
    *action = got;
    return 0;
}

/* Whether 'whole' is a clone, and the actions in it. */
static bool clone_begins(struct wire whole, struct wire *nested)
{
    bool is_clone = wire_get_u16(&whole) == OFPAT_EXPERIMENTER;

    wire_skip(&whole, 2);
    is_clone &= wire_get_u32(&whole) == OF_EXPERIMENTER_NICIRA;
    is_clone &= wire_get_u16(&whole) == NXAST_CLONE;
    wire_skip(&whole, 6);
    *nested = whole;
    return is_clone && wire_ok(&whole);
}

static int actions_decode(struct wire *r, struct flow *flow, unsigned depth, struct err *err);

static int nested_decode(struct wire *nested, struct flow *flow, unsigned depth, struct err *err)
{
    uint16_t clone = flow_clone_begin(flow);
    int rc = actions_decode(nested, flow, depth, err);

    flow_clone_end(flow, clone);
    return rc;
}

static int actions_decode(struct wire *r, struct flow *flow, unsigned depth, struct err *err)
{
    while (wire_left(r)) {
        struct wire peek = *r, nested;

        wire_skip(&peek, 2);
        uint16_t length = wire_get_u16(&peek);
        struct flow_action action;

        if (!wire_ok(&peek) || length < 8 || length % 8 || length > wire_left(r))
            return err_set(err, ERR_MALFORMED, "an action claims %u bytes, %zu are left", length, wire_left(r));
        struct wire whole = wire_sub(r, length);

        if (flow->n_actions == FLOW_ACTIONS_MAX) {
            flow->has_unknown = true;
        } else if (depth < FLOW_CLONE_DEPTH_MAX && clone_begins(whole, &nested)) {
            int rc = nested_decode(&nested, flow, depth + 1, err);

            if (rc < 0)
                return rc;
        } else if (action_decode(whole, &action) < 0) {
            return err_set(err, ERR_MALFORMED, "an action of %u bytes contradicts its own length", length);
        } else {
            *flow_add_action(flow, action.type) = action;
        }
    }
    return 0;
}

int of_actions_decode(struct wire *r, struct flow *flow, struct err *err)
{
    return actions_decode(r, flow, 0, err);
}

/* Encoding */

void of_nicira_begin(struct wire *w, uint16_t subtype)
{
    wire_put_u16(w, OFPAT_EXPERIMENTER);
    wire_put_u16(w, 0);
    wire_put_u32(w, OF_EXPERIMENTER_NICIRA);
    wire_put_u16(w, subtype);
}

static void standard_begin(struct wire *w, uint16_t code)
{
    wire_put_u16(w, code);
    wire_put_u16(w, 0);
}

static int set_in_port_encode(struct wire *w, const struct flow_field *field, struct err *err)
{
    const struct of_field *narrow = of_field_of_header(OF_NXM_IN_PORT);
    uint32_t port = (uint32_t) flow_field_u(field);

    if (!flow_field_exact(field) || of_port_from_16(of_port_to_16(port)) != port)
        return err_set(err, ERR_INVALID, "in_port cannot be set to 0x%x: it takes 16 bits", port);
    of_nicira_begin(w, NXAST_REG_LOAD);
    wire_put_u16(w, (uint16_t) (narrow->size * 8 - 1));
    wire_put_u32(w, of_field_header(narrow));
    wire_put_u64(w, of_port_to_16(port));
    return 0;
}

static int set_field_encode(struct wire *w, const struct flow_field *field, struct err *err)
{
    if (field->id >= FLOW_FIELDS)
        return err_set(err, ERR_INVALID, "a set-field has no field");
    if (field->id == FIELD_IN_PORT)
        return set_in_port_encode(w, field, err);
    if (!flow_field_exact(field)) {
        of_nicira_begin(w, NXAST_REG_LOAD2);
        of_oxm_put(w, field);
        return 0;
    }
    /* §7.2.3.7: a VLAN that is set is there. */
    if (field->id == FIELD_VLAN_VID && !(flow_field_u(field) & VLAN_PRESENT))
        return err_set(err, ERR_INVALID, "a set-field of vlan_vid lacks VLAN_PRESENT");
    standard_begin(w, OFPAT_SET_FIELD);
    of_oxm_put(w, field);
    return 0;
}

static int move_encode(struct wire *w, const struct flow_action *action, struct err *err)
{
    const struct of_field *source = of_field_row(action->source), *destination = of_field_row(action->destination);

    if (!source || !destination || !of_field_of_header(of_field_header(source)) ||
        !of_field_of_header(of_field_header(destination)) ||
        of_field_row_bits(source) != of_field_row_bits(destination))
        return err_set(err, ERR_INVALID, "%s cannot be moved to %s", flow_field_name(action->source),
                       flow_field_name(action->destination));
    of_nicira_begin(w, NXAST_REG_MOVE);
    wire_put_u16(w, (uint16_t) of_field_row_bits(source));
    wire_put_zeros(w, 4);
    wire_put_u32(w, of_field_header(source));
    wire_put_u32(w, of_field_header(destination));
    return 0;
}

static int mpls_encode(struct wire *w, uint16_t code, uint16_t ethertype, struct err *err)
{
    if (code == OFPAT_PUSH_MPLS && !is_mpls(ethertype))
        return err_set(err, ERR_INVALID, "push_mpls of 0x%04x, which is not MPLS", ethertype);
    standard_begin(w, code);
    wire_put_u16(w, ethertype);
    return 0;
}

static void packet_type_put(struct wire *w, uint16_t subtype, uint32_t packet_type)
{
    of_nicira_begin(w, subtype);
    wire_put_u16(w, 0);
    wire_put_u32(w, packet_type);
}

static int conjunction_encode(struct wire *w, const struct flow_conjunction *conjunction, struct err *err)
{
    if (!conjunction_is_whole(conjunction))
        return err_set(err, ERR_INVALID, "a conjunction has no clause %u of %u", conjunction->clause,
                       conjunction->n_clauses);
    of_nicira_begin(w, NXAST_CONJUNCTION);
    wire_put_u8(w, (uint8_t) (conjunction->clause - 1));
    wire_put_u8(w, conjunction->n_clauses);
    wire_put_u32(w, conjunction->id);
    return 0;
}

static int unknown_encode(struct wire *w, const struct flow_action *action, struct err *err)
{
    if (action->raw_length > sizeof action->raw || action->raw_length < 8)
        return err_set(err, ERR_UNSUPPORTED, "an unknown action of %u bytes was not kept whole", action->raw_length);
    wire_put(w, action->raw, action->raw_length);
    return 0;
}

/* Puts all of the action but its padding; the length is filled in by the caller. */
static int action_put(struct wire *w, const struct flow_action *action, struct err *err)
{
    switch ((enum flow_action_type) action->type) {
    case ACTION_OUTPUT:
        standard_begin(w, OFPAT_OUTPUT);
        wire_put_u32(w, action->port);
        wire_put_u16(w, action->port == PORT_CONTROLLER ? action->max_len : 0);
        wire_put_zeros(w, 6);
        return 0;
    case ACTION_PUSH_VLAN:
        standard_begin(w, OFPAT_PUSH_VLAN);
        wire_put_u16(w, ETHERTYPE_VLAN);
        return 0;
    case ACTION_POP_VLAN:
        standard_begin(w, OFPAT_POP_VLAN);
        return 0;
    case ACTION_PUSH_MPLS:
        return mpls_encode(w, OFPAT_PUSH_MPLS, action->ethertype, err);
    case ACTION_POP_MPLS:
        return mpls_encode(w, OFPAT_POP_MPLS, action->ethertype, err);
    case ACTION_SET_FIELD:
        return set_field_encode(w, &action->field, err);
    case ACTION_MOVE:
        return move_encode(w, action, err);
    case ACTION_DEC_TTL:
        standard_begin(w, OFPAT_DEC_NW_TTL);
        return 0;
    case ACTION_SET_MPLS_TTL:
        standard_begin(w, OFPAT_SET_MPLS_TTL);
        wire_put_u8(w, action->ttl);
        return 0;
    case ACTION_DEC_MPLS_TTL:
        standard_begin(w, OFPAT_DEC_MPLS_TTL);
        return 0;
    case ACTION_SET_QUEUE:
        standard_begin(w, OFPAT_SET_QUEUE);
        wire_put_u32(w, action->queue);
        return 0;
    case ACTION_GROUP:
        standard_begin(w, OFPAT_GROUP);
        wire_put_u32(w, action->group);
        return 0;
    case ACTION_RESUBMIT:
        of_nicira_begin(w, NXAST_RESUBMIT_TABLE);
        wire_put_u16(w, of_port_to_16(PORT_IN_PORT));
        wire_put_u8(w, action->table);
        wire_put_zeros(w, 3);
        return 0;
    case ACTION_ENCAP:
        packet_type_put(w, NXAST_ENCAP, action->packet_type);
        return 0;
    case ACTION_DECAP:
        packet_type_put(w, NXAST_DECAP, action->packet_type);
        return 0;
    case ACTION_CLONE:
        of_nicira_begin(w, NXAST_CLONE);
        wire_put_zeros(w, 6);
        return 0;
    case ACTION_LEARN:
        return of_learn_put(w, &action->learn, err);
    case ACTION_FIN_TIMEOUT:
        of_nicira_begin(w, NXAST_FIN_TIMEOUT);
        wire_put_u16(w, action->fin.idle_timeout);
        wire_put_u16(w, action->fin.hard_timeout);
        wire_put_zeros(w, 2);
        return 0;
    case ACTION_CONJUNCTION:
        return conjunction_encode(w, &action->conjunction, err);
    case ACTION_UNKNOWN:
        return unknown_encode(w, action, err);
    }
    return err_set(err, ERR_INVALID, "there is no action of type %u", action->type);
}

static int actions_put(struct wire *w, const struct flow_action *actions, size_t n, unsigned depth, struct err *err)
{
    if (depth > FLOW_CLONE_DEPTH_MAX)
        return err_set(err, ERR_TOO_LARGE, "clones within clones; at most %d are supported", FLOW_CLONE_DEPTH_MAX);
    for (size_t i = 0; i < n; i++) {
        size_t start = w->pos, nested = actions[i].type == ACTION_CLONE ? actions[i].nested : 0;
        int rc = action_put(w, &actions[i], err);

        if (rc == 0 && nested > n - i - 1)
            rc = err_set(err, ERR_INVALID, "a clone of %zu actions, of which %zu follow", nested, n - i - 1);
        if (rc == 0 && actions[i].type == ACTION_CLONE)
            rc = actions_put(w, &actions[i + 1], nested, depth + 1, err);
        if (rc < 0)
            return rc;
        of_pad(w, start);
        wire_patch_u16(w, start + 2, (uint16_t) (w->pos - start));
        i += nested;
    }
    return 0;
}

int of_actions_encode(struct wire *w, const struct flow_action *actions, size_t n, struct err *err)
{
    if (n > FLOW_ACTIONS_MAX)
        return err_set(err, ERR_TOO_LARGE, "%zu actions; at most %d are supported", n, FLOW_ACTIONS_MAX);
    return actions_put(w, actions, n, 0, err);
}
