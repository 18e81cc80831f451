/* SPDX-License-Identifier: Apache-2.0 */
/* What a switch sends. The first byte is the size of the pieces in which the rest arrives after a handshake that went
 * well; while it does, a transaction and reads wait for answers under the xids that a switch would use. A flow that is
 * understood must come back the same when it is sent. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/openflow/openflow_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t opening[] = {
    4, 0,  0, 8,  0, 0, 0, 1,                                                                            /* hello */
    4, 6,  0, 32, 0, 0, 0, 2, 0, 0,  0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 254, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* features */
    4, 1,  0, 12, 0, 0, 0, 3, 0, 1,  0, 2,                                                               /* no desc */
    4, 1,  0, 12, 0, 0, 0, 4, 0, 1,  0, 2,                                                               /* no meters */
    4, 19, 0, 16, 0, 0, 0, 5, 0, 13, 0, 0, 0, 0, 0, 0,                                                   /* no ports */
};

static void there_and_back(const struct flow *flow)
{
    static uint8_t bytes[OF_MESSAGE_MAX];
    struct wire w = wire_writer(bytes, sizeof bytes);
    struct flow back = flow_make(flow->table, flow->priority, flow->cookie);
    struct err err;
    back.idle_timeout = flow->idle_timeout;
    back.hard_timeout = flow->hard_timeout;
    back.send_flow_removed = flow->send_flow_removed;
    /* A switch may hold what we would not send: a match without its prerequisites, a long unknown action... */
    if (flow->has_unknown || of_match_encode(&w, &flow->match, &err) < 0 || of_instructions_encode(&w, flow, &err) < 0)
        return;
    struct wire r = wire_reader(bytes, w.pos);

    if (of_match_decode(&r, &back.match, &back.has_unknown, &err) < 0 || of_instructions_decode(&r, &back, &err) < 0 ||
        !flow_equal(flow, &back))
        abort();
    flow_free(&back);
}

static void drain(struct of_session *session)
{
    struct of_event event;
    size_t size;

    while (of_session_event(session, &event)) {
        if (event.type == OF_EVENT_FLOW) {
            free(flow_format(&event.flow));
            there_and_back(&event.flow);
        }
        of_event_free(&event);
    }
    of_session_output(session, &size);
    of_session_sent(session, size);
}

static void request(struct of_session *session, struct mono now)
{
    struct flow_txn txn = {0}, again;

    flow_txn_meter_add(&txn, (struct flow_meter) {.id = 1, .rate = 1});
    flow_txn_add(&txn, flow_make(0, 1, 1));
    flow_txn_meter_delete(&txn, 2);
    of_session_read_flows(session, &(struct of_flow_query) {.table = FLOW_TABLE_ALL}, 1, 1000, now); /* xid 7 */
    of_session_read_meters(session, 2, 1000, now);                                                   /* xid 8 */
    of_session_read_ports(session, 3, 1000, now);                                                    /* xid 9 */
    again = flow_txn_copy(&txn);
    of_session_txn(session, &txn, 4, 1000, now);
    of_session_txn(session, &again, 5, 2000, now);
    of_session_monitor_flows(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mono now = {0};
    struct of_session *session = of_session_new(&OF_SESSION_DEFAULTS, now);

    if (size > 0) {
        size_t piece = data[0] ? data[0] : size;

        of_session_receive(session, opening, sizeof opening, now);
        if (!of_session_is_up(session))
            abort();
        request(session, now);
        for (size_t at = 1; at < size; at += piece) {
            of_session_receive(session, data + at, at + piece < size ? piece : size - at, now);
            drain(session);
        }
        of_session_tick(session, mono_add(now, 1000));
        of_session_closed(session, ERR_IO, "closed");
        drain(session);
    }
    of_session_free(session);
    return 0;
}
