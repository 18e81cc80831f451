/* SPDX-License-Identifier: Apache-2.0 */
/* Nicira's learn action (ovs-actions(7)). What of it we do not use is kept as an unknown action: parts of fields,
 * loads of more than 8 bytes, and results that are written to a register. */
#include "base/alloc.h"
#include "proto/openflow/openflow_internal.h"

enum { SEND_FLOW_REM = 1, DELETE_LEARNED = 2 };

/* The header of a flow_mod_spec: how many bits, where they come from, and what they are for. */
enum { SPEC_BITS = 0x07ff, SPEC_VALUE = 1 << 13, SPEC_MATCH = 0 << 11, SPEC_LOAD = 1 << 11, SPEC_OUTPUT = 2 << 11 };

static const struct spec_row {
    uint16_t header; /* but for the bits */
    uint8_t type;    /* enum flow_learn_type */
} rows[] = {
    {SPEC_VALUE | SPEC_MATCH, LEARN_MATCH_VALUE},
    {SPEC_MATCH, LEARN_MATCH_FIELD},
    {SPEC_VALUE | SPEC_LOAD, LEARN_LOAD_VALUE},
    {SPEC_LOAD, LEARN_LOAD_FIELD},
    {SPEC_OUTPUT, LEARN_OUTPUT},
};

static bool has_value(uint8_t type)
{
    return type == LEARN_MATCH_VALUE || type == LEARN_LOAD_VALUE;
}

/* How a field is named in a spec; null if it has no name that fits. */
static const struct of_field *spec_field(unsigned id)
{
    const struct of_field *row = id == FIELD_IN_PORT ? of_field_of_header(OF_NXM_IN_PORT) : of_field_row(id);

    return row && of_field_of_header(of_field_header(row)) ? row : NULL;
}

/* Bytes of a value of so many bits: whole 16-bit words. */
static size_t value_size(unsigned bits)
{
    return (bits + 15) / 16 * 2;
}

/* Decoding */

/* A field and an offset. False unless it is all of a field that has 'bits' bits. */
static bool field_get(struct wire *r, unsigned bits, uint8_t *id)
{
    const struct of_field *row = of_field_of_header(wire_get_u32(r));
    bool is_whole = wire_get_u16(r) == 0;

    if (!row || !is_whole || of_field_row_bits(row) != bits || !spec_field(row->id) ||
        of_field_row_bits(spec_field(row->id)) != bits)
        return false;
    *id = row->id;
    return true;
}

static bool value_get(struct wire *r, unsigned bits, uint64_t *value)
{
    size_t size = value_size(bits);
    uint64_t got = 0;

    if (bits > 64)
        return false;
    for (size_t i = 0; i < size; i++)
        got = got << 8 | wire_get_u8(r);
    if (bits < 64 && got >> bits)
        return false;
    *value = got;
    return true;
}

/* 1: it is '*spec'; 0: a form that we do not know. */
static int spec_get(struct wire *r, uint16_t header, struct flow_learn_spec *spec)
{
    unsigned bits = header & SPEC_BITS;
    const struct spec_row *row = NULL;
    struct flow_learn_spec got = {0};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].header == (header & ~SPEC_BITS))
            row = &rows[i];
    }
    if (!row || bits == 0)
        return 0;
    got.type = row->type;
    if (has_value(got.type) ? !value_get(r, bits, &got.value) : !field_get(r, bits, &got.source))
        return 0;
    if (got.type != LEARN_OUTPUT && !field_get(r, bits, &got.destination))
        return 0;
    if (bits > 64 && got.type != LEARN_MATCH_FIELD)
        return 0;
    if (got.type == LEARN_MATCH_VALUE && got.destination == FIELD_IN_PORT)
        got.value = of_port_from_16((uint16_t) got.value);
    *spec = got;
    return 1;
}

static int specs_get(struct wire *r, struct flow_learn *learn)
{
    while (wire_left(r) >= 2) {
        uint16_t header = wire_get_u16(r);

        if (header == 0)
            break;
        if (learn->n_specs == FLOW_LEARN_SPECS_MAX || spec_get(r, header, &learn->specs[learn->n_specs]) == 0)
            return 0;
        learn->n_specs++;
    }
    while (wire_left(r)) {
        if (wire_get_u8(r))
            return 0;
    }
    return 1;
}

/* False for what we do not know. */
static bool head_get(struct wire *r, struct flow_learn *learn)
{
    learn->idle_timeout = wire_get_u16(r);
    learn->hard_timeout = wire_get_u16(r);
    learn->priority = wire_get_u16(r);
    learn->cookie = wire_get_u64(r);
    uint16_t flags = wire_get_u16(r);

    learn->send_flow_removed = flags & SEND_FLOW_REM;
    learn->delete_learned = flags & DELETE_LEARNED;
    learn->table = wire_get_u8(r);
    wire_skip(r, 1);
    learn->fin.idle_timeout = wire_get_u16(r);
    learn->fin.hard_timeout = wire_get_u16(r);

    return !(flags & ~(SEND_FLOW_REM | DELETE_LEARNED));
}

int of_learn_get(struct wire *r, struct flow_learn *learn)
{
    return head_get(r, learn) ? specs_get(r, learn) : 0;
}

int of_learn2_get(struct wire *r, struct flow_learn *learn)
{
    bool known = head_get(r, learn);

    learn->limit = wire_get_u32(r);
    wire_skip(r, 4);
    return known ? specs_get(r, learn) : 0;
}

/* Encoding */

static void field_put(struct wire *w, const struct of_field *field)
{
    wire_put_u32(w, of_field_header(field));
    wire_put_u16(w, 0);
}

static void value_put(struct wire *w, unsigned bits, uint64_t value)
{
    for (size_t i = value_size(bits); i-- > 0;)
        wire_put_u8(w, (uint8_t) (value >> 8 * i));
}

static int spec_put(struct wire *w, const struct flow_learn_spec *spec, struct err *err)
{
    const struct spec_row *row = NULL;
    const struct of_field *source = has_value(spec->type) ? NULL : spec_field(spec->source);
    const struct of_field *destination = spec->type == LEARN_OUTPUT ? source : spec_field(spec->destination);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].type == spec->type)
            row = &rows[i];
    }
    if (!row || !destination || (!has_value(spec->type) && !source) ||
        (source && of_field_row_bits(source) != of_field_row_bits(destination)) ||
        (spec->type != LEARN_MATCH_FIELD && of_field_row_bits(destination) > 64))
        return err_set(err, ERR_INVALID, "nothing can be learned into %s from %s", flow_field_name(spec->destination),
                       has_value(spec->type) ? "a value" : flow_field_name(spec->source));
    unsigned bits = of_field_row_bits(destination);
    uint64_t value = spec->value;

    if (spec->type == LEARN_MATCH_VALUE && spec->destination == FIELD_IN_PORT && value >= OF_PORT16_RESERVED)
        value = of_port_from_16((uint16_t) value) == value ? of_port_to_16((uint32_t) value) : UINT64_MAX;
    if (bits < 64 && value >> bits)
        return err_set(err, ERR_INVALID, "0x%llx does not fit %s", (unsigned long long) spec->value,
                       flow_field_name(spec->destination));
    wire_put_u16(w, (uint16_t) (row->header | bits));
    if (source)
        field_put(w, source);
    else
        value_put(w, bits, value);
    if (spec->type != LEARN_OUTPUT)
        field_put(w, destination);
    return 0;
}

int of_learn_put(struct wire *w, const struct flow_learn *learn, struct err *err)
{
    if (learn->n_specs > FLOW_LEARN_SPECS_MAX)
        return err_set(err, ERR_INVALID, "an action of learning has %u specs; at most %d are supported", learn->n_specs,
                       FLOW_LEARN_SPECS_MAX);
    of_nicira_begin(w, learn->limit ? NXAST_LEARN2 : NXAST_LEARN);
    wire_put_u16(w, learn->idle_timeout);
    wire_put_u16(w, learn->hard_timeout);
    wire_put_u16(w, learn->priority);
    wire_put_u64(w, learn->cookie);
    wire_put_u16(
        w, (uint16_t) ((learn->send_flow_removed ? SEND_FLOW_REM : 0) | (learn->delete_learned ? DELETE_LEARNED : 0)));
    wire_put_u8(w, learn->table);
    wire_put_zeros(w, 1);
    wire_put_u16(w, learn->fin.idle_timeout);
    wire_put_u16(w, learn->fin.hard_timeout);
    if (learn->limit) {
        wire_put_u32(w, learn->limit);
        wire_put_zeros(w, 4);
    }
    for (unsigned i = 0; i < learn->n_specs; i++) {
        int rc = spec_put(w, &learn->specs[i], err);

        if (rc < 0)
            return rc;
    }
    return 0;
}
