/* SPDX-License-Identifier: Apache-2.0 */
/* Multipart requests, and the objects in multipart replies (OpenFlow 1.3.5 §7.3.5). */
#include <string.h>

#include "proto/openflow/openflow_internal.h"

#define FLOW_STATS_SIZE 48 /* of the fixed part, before the match */
#define METER_CONFIG_SIZE 8
#define METER_BAND_SIZE 16
#define OF_METER_ALL 0xffffffffu

/* Carves the next object, which begins with its own length, out of 'body': 1, 0 at the end, or negative. '*object' is
 * at what follows the length. */
static int object_next(struct wire *body, size_t least, const char *what, struct wire *object, struct err *err)
{
    if (!wire_ok(body))
        return err_set(err, body->error, "a list of %s is malformed", what);
    if (wire_left(body) == 0)
        return 0;
    uint16_t length = wire_get_u16(body);

    if (wire_ok(body) && length >= least)
        *object = wire_sub(body, length - 2u);
    else
        wire_fail(body, ERR_MALFORMED);
    return wire_ok(body) ? 1 : err_set(err, body->error, "a %s claims %u bytes", what, length);
}

int of_flow_stats_next(struct wire *body, struct flow *flow, struct err *err)
{
    struct wire r;
    struct flow got = flow_make(0, 0, 0);
    int rc = object_next(body, FLOW_STATS_SIZE + 8, "flow", &r, err);

    if (rc <= 0)
        return rc;
    got.table = wire_get_u8(&r);
    wire_skip(&r, 9); /* pad, duration */
    got.priority = wire_get_u16(&r);
    got.idle_timeout = wire_get_u16(&r);
    got.hard_timeout = wire_get_u16(&r);
    got.send_flow_removed = wire_get_u16(&r) & OFPFF_SEND_FLOW_REM;
    wire_skip(&r, 4);
    got.cookie = wire_get_u64(&r);
    got.packets = wire_get_u64(&r);
    got.bytes = wire_get_u64(&r);
    if ((rc = of_match_decode(&r, &got.match, &got.has_unknown, err)) < 0 ||
        (rc = of_instructions_decode(&r, &got, err)) < 0) {
        wire_fail(body, rc);
        return rc;
    }
    *flow = got;
    return 1;
}

int of_port_desc_next(struct wire *body, struct of_port *port, struct err *err)
{
    struct of_port got;

    if (wire_ok(body) && wire_left(body) == 0)
        return 0;
    of_port_get(body, &got);
    if (!wire_ok(body))
        return err_set(err, body->error, "a port description is cut off");
    *port = got;
    return 1;
}

int of_meter_config_next(struct wire *body, struct flow_meter *meter, struct err *err)
{
    struct wire r;
    int rc = object_next(body, METER_CONFIG_SIZE, "meter", &r, err);

    if (rc <= 0)
        return rc;
    uint16_t flags = wire_get_u16(&r);
    struct flow_meter got = {.id = wire_get_u32(&r)};

    if (wire_left(&r) == METER_BAND_SIZE && wire_get_u16(&r) == OFPMBT_DROP && (flags & (OFPMF_KBPS | OFPMF_PKTPS))) {
        wire_skip(&r, 2);
        got.rate = wire_get_u32(&r);
        got.burst = wire_get_u32(&r);
        if (!(flags & OFPMF_BURST))
            got.burst = 0;
        got.packets = flags & OFPMF_PKTPS;
    }
    *meter = got;
    return 1;
}

int of_meter_features_decode(struct wire *body, uint32_t *max_meters, struct err *err)
{
    uint32_t max = wire_get_u32(body);

    wire_skip(body, 12);
    if (!wire_ok(body))
        return err_set(err, ERR_SHORT, "the features of meters are cut off");
    *max_meters = max;
    return 0;
}

int of_desc_decode(struct wire *body, struct of_desc *desc, struct err *err)
{
    struct of_desc got = {0};

    wire_get(body, got.manufacturer, sizeof got.manufacturer - 1);
    wire_get(body, got.hardware, sizeof got.hardware - 1);
    wire_get(body, got.software, sizeof got.software - 1);
    wire_get(body, got.serial, sizeof got.serial - 1);
    wire_get(body, got.datapath, sizeof got.datapath - 1);
    if (!wire_ok(body))
        return err_set(err, ERR_SHORT, "the description of a switch is cut off");
    *desc = got;
    return 0;
}

static size_t multipart_begin(struct wire *w, uint32_t xid, enum of_multipart_type type)
{
    size_t start = of_begin(w, OFPT_MULTIPART_REQUEST, xid);

    wire_put_u16(w, (uint16_t) type);
    wire_put_zeros(w, 6); /* flags: no more; pad */
    return start;
}

void of_multipart_encode(struct wire *w, uint32_t xid, enum of_multipart_type type)
{
    of_end(w, multipart_begin(w, xid, type));
}

void of_flow_request_encode(struct wire *w, uint32_t xid, const struct of_flow_query *query)
{
    size_t start = multipart_begin(w, xid, OFPMP_FLOW);
    const struct flow_match all = {0};

    wire_put_u8(w, query->table);
    wire_put_zeros(w, 3);
    wire_put_u32(w, PORT_NONE); /* OFPP_ANY */
    wire_put_u32(w, OF_GROUP_ANY);
    wire_put_zeros(w, 4);
    wire_put_u64(w, query->cookie);
    wire_put_u64(w, query->cookie_mask);
    of_match_encode(w, &all, NULL);
    of_end(w, start);
}

void of_meter_request_encode(struct wire *w, uint32_t xid)
{
    size_t start = multipart_begin(w, xid, OFPMP_METER_CONFIG);

    wire_put_u32(w, OF_METER_ALL);
    wire_put_zeros(w, 4);
    of_end(w, start);
}
