/* SPDX-License-Identifier: Apache-2.0 */
/* Flow monitors of ONF's extension EXT-187, in the form that Open vSwitch speaks in OpenFlow 1.3: an experimenter's
 * multipart, whose objects are those of Nicira's extension. Measured with Open vSwitch 3.1. */
#include "proto/openflow/openflow_internal.h"

#define ONF_FLOW_MONITOR 1870

/* What is to be told: changes, without actions; of changes by this connection only their xids. */
enum { MONITOR_ADD = 2, MONITOR_DELETE = 4, MONITOR_MODIFY = 8 };

#define UPDATE_SIZE 24 /* of a whole one before its match */
#define ABBREVIATED_SIZE 8

void of_flow_monitor_encode(struct wire *w, uint32_t xid, uint32_t id)
{
    size_t start = of_begin(w, OFPT_MULTIPART_REQUEST, xid);
    const struct flow_match all = {0};

    wire_put_u16(w, OFPMP_EXPERIMENTER);
    wire_put_zeros(w, 6); /* flags: no more; pad */
    wire_put_u32(w, OF_EXPERIMENTER_ONF);
    wire_put_u32(w, ONF_FLOW_MONITOR);
    wire_put_u32(w, id);
    wire_put_u16(w, MONITOR_ADD | MONITOR_DELETE | MONITOR_MODIFY);
    wire_put_u16(w, 4); /* length of a match without fields, before its padding */
    wire_put_u32(w, PORT_NONE);
    wire_put_u8(w, FLOW_TABLE_ALL);
    wire_put_zeros(w, 3);
    of_match_encode(w, &all, NULL);
    of_end(w, start);
}

bool of_flow_monitor_begin(const struct of_multipart *multipart, struct wire *body)
{
    *body = multipart->body;
    return multipart->type == OFPMP_EXPERIMENTER && wire_get_u32(body) == OF_EXPERIMENTER_ONF &&
           wire_get_u32(body) == ONF_FLOW_MONITOR && wire_ok(body);
}

int of_flow_update_next(struct wire *body, struct of_flow_update *update, struct err *err)
{
    struct of_flow_update got = {0};

    if (wire_ok(body) && wire_left(body) == 0)
        return 0;
    uint16_t length = wire_get_u16(body);
    uint16_t event = wire_get_u16(body);
    size_t least = event == OF_FLOW_ABBREVIATED ? ABBREVIATED_SIZE : UPDATE_SIZE;

    if (!wire_ok(body) || length < least || event > OF_FLOW_ABBREVIATED)
        wire_fail(body, ERR_MALFORMED);
    struct wire r = wire_sub(body, length - 4u);
    if (!wire_ok(body))
        return err_set(err, body->error, "a flow update of kind %u claims %u bytes", event, length);
    got.event = (uint8_t) event;
    if (event == OF_FLOW_ABBREVIATED) {
        got.xid = wire_get_u32(&r);
    } else {
        wire_skip(&r, 2); /* reason */
        got.priority = wire_get_u16(&r);
        wire_skip(&r, 6); /* timeouts, length of the match */
        got.table = wire_get_u8(&r);
        wire_skip(&r, 1);
        got.cookie = wire_get_u64(&r);
    }
    *update = got;
    return 1;
}
