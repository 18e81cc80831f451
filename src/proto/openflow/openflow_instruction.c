/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions (OpenFlow 1.3.5 §7.2.4), in the order in which a switch executes them (§5.9): a table row for each. */
#include "base/alloc.h"
#include "proto/openflow/openflow_internal.h"

enum { OFPIT_GOTO_TABLE = 1, OFPIT_WRITE_METADATA = 2, OFPIT_APPLY_ACTIONS = 4, OFPIT_METER = 6 };

int of_instructions_encode(struct wire *w, const struct flow *flow, struct err *err)
{
    if (flow->meter) {
        wire_put_u16(w, OFPIT_METER);
        wire_put_u16(w, 8);
        wire_put_u32(w, flow->meter);
    }
    if (flow->n_actions) {
        size_t start = w->pos;

        wire_put_u16(w, OFPIT_APPLY_ACTIONS);
        wire_put_zeros(w, 6);
        int rc = of_actions_encode(w, flow->actions, flow->n_actions, err);

        if (rc < 0)
            return rc;
        wire_patch_u16(w, start + 2, (uint16_t) (w->pos - start));
    }
    if (flow->metadata_mask) {
        wire_put_u16(w, OFPIT_WRITE_METADATA);
        wire_put_u16(w, 24);
        wire_put_zeros(w, 4);
        wire_put_u64(w, flow->metadata);
        wire_put_u64(w, flow->metadata_mask);
    }
    if (flow->goto_table != FLOW_NO_GOTO) {
        wire_put_u16(w, OFPIT_GOTO_TABLE);
        wire_put_u16(w, 8);
        wire_put_u8(w, flow->goto_table);
        wire_put_zeros(w, 3);
    }
    return 0;
}

typedef int instruction_decode_fn(struct wire *r, struct flow *flow, struct err *err);

static int goto_decode(struct wire *r, struct flow *flow, struct err *err)
{
    (void) err;
    flow->goto_table = wire_get_u8(r);
    return 0;
}

static int write_metadata_decode(struct wire *r, struct flow *flow, struct err *err)
{
    (void) err;
    wire_skip(r, 4);
    flow->metadata = wire_get_u64(r);
    flow->metadata_mask = wire_get_u64(r);
    flow->metadata &= flow->metadata_mask;
    return 0;
}

static int apply_decode(struct wire *r, struct flow *flow, struct err *err)
{
    wire_skip(r, 4);
    return of_actions_decode(r, flow, err);
}

static int meter_decode(struct wire *r, struct flow *flow, struct err *err)
{
    (void) err;
    flow->meter = wire_get_u32(r);
    return 0;
}

static const struct instruction_row {
    uint16_t type;
    uint16_t size; /* the least length of the instruction; the exact one unless 'is_longer' */
    bool is_longer;
    instruction_decode_fn *decode;
} instruction_rows[] = {
    {OFPIT_GOTO_TABLE, 8, false, goto_decode},
    {OFPIT_WRITE_METADATA, 24, false, write_metadata_decode},
    {OFPIT_APPLY_ACTIONS, 8, true, apply_decode},
    {OFPIT_METER, 8, false, meter_decode},
};

static int instruction_decode(struct wire *r, struct flow *flow, unsigned *seen, struct err *err)
{
    uint16_t type = wire_get_u16(r), length = wire_get_u16(r);
    const struct instruction_row *row = NULL;

    if (!wire_ok(r) || length < 4 || length % 8)
        return err_set(err, ERR_MALFORMED, "an instruction claims %u bytes", length);
    struct wire body = wire_sub(r, length - 4u);

    if (!wire_ok(r))
        return err_set(err, ERR_SHORT, "an instruction claims %u bytes, beyond its message", length);
    for (size_t i = 0; i < ARRAY_LEN(instruction_rows); i++) {
        if (instruction_rows[i].type == type)
            row = &instruction_rows[i];
    }
    if (!row) {
        flow->has_unknown = true;
        return 0;
    }
    if (length < row->size || (!row->is_longer && length > row->size) || (*seen & 1u << type))
        return err_set(err, ERR_MALFORMED, "an instruction of type %u has %u bytes or comes twice", type, length);
    *seen |= 1u << type;
    return row->decode(&body, flow, err);
}

int of_instructions_decode(struct wire *r, struct flow *flow, struct err *err)
{
    unsigned seen = 0;
    int rc = 0;

    flow_free(flow);
    flow->goto_table = FLOW_NO_GOTO;
    flow->meter = 0;
    flow->metadata = flow->metadata_mask = 0;
    while (rc == 0 && wire_left(r))
        rc = instruction_decode(r, flow, &seen, err);
    if (rc < 0)
        flow_free(flow);
    return rc;
}
