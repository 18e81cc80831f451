/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of a session, and those that read. Answers are matched by xid. */
#include "base/alloc.h"
#include "proto/openflow/openflow_request.h"

/* After the end of a request whose deadline was the next one. */
static void next_deadline(struct of_session *session)
{
    struct mono was = session->requests_deadline, next = MONO_NEVER;

    for (const struct of_request *r = session->requests; r && next.ms != was.ms; r = r->next)
        next = mono_min(next, r->deadline);
    session->requests_deadline = next;
}

void of_request_end(struct of_session *session, struct of_request *request, const struct err *err)
{
    struct of_event *event = of_session_event_add(session, OF_EVENT_DONE);

    event->request = request->id;
    event->err = *err;
    *request->previous = request->next;
    if (request->next)
        request->next->previous = request->previous;
    else
        session->requests_end = request->previous;
    if (request->kind == REQUEST_TXN)
        sm_move(&request->sm, TXN_DONE);
    if (request->deadline.ms == session->requests_deadline.ms)
        next_deadline(session);
    flow_txn_free(&request->txn);
    of_buffer_free(&request->bundle_bytes);
    free(request->meters);
    free(request->named);
    free(request);
}

/* Lets the transactions go on that waited for this one, too. */
static void finish(struct of_session *session, struct of_request *request, const struct err *err)
{
    bool is_txn = request->kind == REQUEST_TXN;

    of_request_end(session, request, err);
    if (is_txn && of_session_is_up(session))
        of_txns_advance(session);
}

struct of_request *of_request_new(struct of_session *session, enum request_kind kind, uint64_t id, int64_t timeout_ms,
                                  struct mono now)
{
    struct of_request *request;

    if (!of_session_is_up(session)) {
        struct of_event *event = of_session_event_add(session, OF_EVENT_DONE);

        event->request = id;
        err_set(&event->err, ERR_UNREACHABLE, "the switch is not connected");
        return NULL;
    }
    request = xcalloc(1, sizeof *request);
    request->kind = kind;
    request->id = id;
    request->deadline = mono_add(now, timeout_ms);
    request->previous = session->requests_end;
    *request->previous = request;
    session->requests_end = &request->next;
    session->requests_deadline = mono_min(session->requests_deadline, request->deadline);
    return request;
}

/* Reads */

static int read_objects(struct of_session *session, struct of_request *request, struct wire body, struct err *err)
{
    struct of_event event = {.request = request->id};
    int rc;

    while (true) {
        switch (request->kind) {
        case REQUEST_FLOWS:
            event.type = OF_EVENT_FLOW;
            rc = of_flow_stats_next(&body, &event.flow, err);
            break;
        case REQUEST_METERS:
            event.type = OF_EVENT_METER;
            rc = of_meter_config_next(&body, &event.meter, err);
            break;
        default:
            event.type = OF_EVENT_PORT;
            rc = of_port_desc_next(&body, &event.port_status.port, err);
            break;
        }
        if (rc <= 0)
            return rc;
        *of_session_event_add(session, event.type) = event;
    }
}

static bool read_message(struct of_session *session, struct of_request *request, const struct of_message *message)
{
    static const uint16_t types[] = {
        [REQUEST_FLOWS] = OFPMP_FLOW, [REQUEST_METERS] = OFPMP_METER_CONFIG, [REQUEST_PORTS] = OFPMP_PORT_DESC};
    struct err err = {0};
    char name[OF_ERROR_TEXT_SIZE];

    if (message->header.xid != request->xid)
        return false;
    if (message->header.type == OFPT_ERROR)
        err_set(&err, ERR_REFUSED, "switch %016llx refused to be read: %s",
                (unsigned long long) of_session_dpid(session), of_error_format(&message->error, name));
    else if (message->header.type != OFPT_MULTIPART_REPLY || message->multipart.type != types[request->kind])
        err_set(&err, ERR_MALFORMED, "the switch answered a read with something else (%s)",
                of_type_name(message->header.type));
    else if (read_objects(session, request, message->multipart.body, &err) == 0 && message->multipart.more)
        return true;
    finish(session, request, &err);
    return true;
}

/* For the session */

bool of_requests_message(struct of_session *session, const struct of_message *message)
{
    struct of_request *next;

    if (message->header.type == OFPT_BARRIER_REPLY && of_txns_barrier(session, message->header.xid))
        return true;
    for (struct of_request *r = session->requests; r; r = next) {
        next = r->next;
        if (r->kind == REQUEST_TXN ? of_txn_message(session, r, message) : read_message(session, r, message))
            return true;
    }
    return false;
}

bool of_requests_undecodable(struct of_session *session, uint32_t xid, const struct err *err)
{
    for (struct of_request *r = session->requests; r; r = r->next) {
        if (r->kind != REQUEST_TXN && r->xid == xid) {
            finish(session, r, err);
            return true;
        }
    }
    return false;
}

static void expire(struct of_session *session, struct of_request *request)
{
    unsigned long long dpid = of_session_dpid(session);
    struct err err;

    if (request->kind == REQUEST_TXN && request->sm.current == TXN_QUEUED) {
        err_set(&err, ERR_TIMEOUT, "switch %016llx was busy with earlier changes; nothing of these was sent", dpid);
    } else {
        err_set(&err, ERR_TIMEOUT, "switch %016llx did not answer in time", dpid);
        if (request->failure.code)
            err_prefix(&err, "%.300s; then", request->failure.text);
        /* What is not committed is taken back without waiting for an answer. */
        if (request->kind == REQUEST_TXN && request->sm.current < TXN_COMMIT)
            of_txn_undo(session, request);
    }
    finish(session, request, &err);
}

/* The youngest, so that a transaction that waits is never started only to expire. */
static struct of_request *overdue(const struct of_session *session, struct mono now)
{
    struct of_request *found = NULL;

    for (struct of_request *r = session->requests; r; r = r->next) {
        if (mono_reached(r->deadline, now))
            found = r;
    }
    return found;
}

void of_requests_tick(struct of_session *session, struct mono now)
{
    struct of_request *request;

    while ((request = overdue(session, now)))
        expire(session, request);
}

void of_requests_begin(struct of_session *session)
{
    session->requests_end = &session->requests;
    session->requests_deadline = MONO_NEVER;
}

void of_requests_end(struct of_session *session, const char *reason)
{
    while (session->requests) {
        struct of_request *request = session->requests;
        struct err err;

        if (of_txn_may_stand(request))
            err_set(&err, ERR_UNKNOWN, "switch %016llx was lost while it applied changes: %.300s",
                    (unsigned long long) of_session_dpid(session), reason);
        else
            err_set(&err, ERR_UNREACHABLE, "switch %016llx was lost: %.300s",
                    (unsigned long long) of_session_dpid(session), reason);
        of_request_end(session, request, &err);
    }
}

/* For the driver */

void of_session_read_flows(struct of_session *session, const struct of_flow_query *query, uint64_t id,
                           int64_t timeout_ms, struct mono now)
{
    struct of_request *request = of_request_new(session, REQUEST_FLOWS, id, timeout_ms, now);

    if (!request)
        return;
    struct wire w = of_buffer_room(&session->output);

    request->xid = of_session_xids(session, 1);
    of_flow_request_encode(&w, request->xid, query);
    of_buffer_commit(&session->output, &w);
}

void of_session_read_meters(struct of_session *session, uint64_t id, int64_t timeout_ms, struct mono now)
{
    struct of_request *request = of_request_new(session, REQUEST_METERS, id, timeout_ms, now);

    if (!request)
        return;
    struct wire w = of_buffer_room(&session->output);

    request->xid = of_session_xids(session, 1);
    of_meter_request_encode(&w, request->xid);
    of_buffer_commit(&session->output, &w);
}

void of_session_read_ports(struct of_session *session, uint64_t id, int64_t timeout_ms, struct mono now)
{
    struct of_request *request = of_request_new(session, REQUEST_PORTS, id, timeout_ms, now);

    if (!request)
        return;
    struct wire w = of_buffer_room(&session->output);

    request->xid = of_session_xids(session, 1);
    of_multipart_encode(&w, request->xid, OFPMP_PORT_DESC);
    of_buffer_commit(&session->output, &w);
}

int of_session_packet_out(struct of_session *session, const struct of_packet_out *packet, struct err *err)
{
    if (!of_session_is_up(session))
        return err_set(err, ERR_UNREACHABLE, "the switch is not connected");
    struct wire w = of_buffer_room(&session->output);
    int rc = of_packet_out_encode(&w, of_session_xids(session, 1), packet, err);

    if (rc == 0)
        of_buffer_commit(&session->output, &w);
    return rc;
}
