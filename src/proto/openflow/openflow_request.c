/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of a session: reads, and transactions as state machines. Answers are matched by xid. */
#include <string.h>

#include "base/alloc.h"
#include "proto/openflow/openflow_session_internal.h"

enum request_kind { REQUEST_TXN, REQUEST_FLOWS, REQUEST_METERS, REQUEST_PORTS };

/* Each state of a transaction waits for one message: a barrier reply, or the reply to the commit. */
enum txn_state {
    TXN_QUEUED, /* an earlier transaction runs */
    TXN_METERS, /* meters added */
    TXN_BUNDLE, /* bundle opened and filled */
    TXN_COMMIT,
    TXN_FINISH, /* meters that existed already modified, others deleted */
    TXN_UNDO,   /* after a refusal: bundle discarded, added meters deleted */
    TXN_DONE
};

static const struct sm_state txn_states[] = {
    [TXN_QUEUED] = {"queued", SM_TO(TXN_METERS) | SM_TO(TXN_BUNDLE) | SM_TO(TXN_FINISH) | SM_TO(TXN_DONE), false},
    [TXN_METERS] = {"meters", SM_TO(TXN_BUNDLE) | SM_TO(TXN_FINISH) | SM_TO(TXN_UNDO) | SM_TO(TXN_DONE), false},
    [TXN_BUNDLE] = {"bundle", SM_TO(TXN_COMMIT) | SM_TO(TXN_UNDO) | SM_TO(TXN_DONE), false},
    [TXN_COMMIT] = {"commit", SM_TO(TXN_FINISH) | SM_TO(TXN_UNDO) | SM_TO(TXN_DONE), false},
    [TXN_FINISH] = {"finish", SM_TO(TXN_DONE), false},
    [TXN_UNDO] = {"undo", SM_TO(TXN_DONE), false},
    [TXN_DONE] = {"done", 0, true},
};

enum meter_state { METER_ADDED, METER_EXISTED, METER_REFUSED };

struct of_request {
    struct of_request *next;
    uint64_t id;
    enum request_kind kind;
    struct mono deadline;
    uint32_t xid; /* the answer that it waits for */

    /* Of a transaction */
    struct sm sm;
    struct flow_txn txn;
    struct of_buffer bundle_bytes; /* encoded before anything is sent, so that what cannot be encoded changes nothing */
    uint32_t bundle;
    uint32_t open_xid, meters_xid, mods_xid, deletes_xid; /* the first of each kind's */
    uint8_t *meters;                                      /* enum meter_state of each of txn.meters_add */
    bool bundle_is_open;
    struct err failure; /* the first refusal */
};

static void txn_start(struct of_session *session, struct of_request *request);

static struct of_request *running_txn(const struct of_session *session)
{
    for (struct of_request *r = session->requests; r; r = r->next) {
        if (r->kind == REQUEST_TXN)
            return r;
    }
    return NULL;
}

/* Takes the request out, tells the caller, and starts the transaction that waited behind it. */
static void finish(struct of_session *session, struct of_request *request, const struct err *err)
{
    struct of_request **link = &session->requests;
    bool is_txn = request->kind == REQUEST_TXN;
    struct of_event *event = of_session_event_add(session, OF_EVENT_DONE);

    event->request = request->id;
    event->err = *err;
    while (*link != request)
        link = &(*link)->next;
    *link = request->next;
    if (is_txn)
        sm_move(&request->sm, TXN_DONE);
    flow_txn_free(&request->txn);
    of_buffer_free(&request->bundle_bytes);
    free(request->meters);
    free(request);

    struct of_request *waiting = is_txn && of_session_is_up(session) ? running_txn(session) : NULL;

    if (waiting && waiting->sm.current == TXN_QUEUED)
        txn_start(session, waiting);
}

static struct of_request *request_new(struct of_session *session, enum request_kind kind, uint64_t id,
                                      int64_t timeout_ms, struct mono now)
{
    struct of_request **link = &session->requests;
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
    while (*link)
        link = &(*link)->next;
    *link = request;
    return request;
}

/* Transactions: sending */

static void send_barrier(struct of_session *session, struct of_request *request)
{
    struct wire w = of_buffer_room(&session->output);

    request->xid = of_session_xids(session, 1);
    of_empty_encode(&w, OFPT_BARRIER_REQUEST, request->xid);
    of_buffer_commit(&session->output, &w);
}

static void send_bundle(struct of_session *session, uint32_t xid, uint32_t bundle, enum of_bundle_type type)
{
    struct wire w = of_buffer_room(&session->output);

    of_bundle_encode(&w, xid, bundle, type);
    of_buffer_commit(&session->output, &w);
}

static void send_meter(struct of_session *session, uint32_t xid, enum of_meter_command command,
                       const struct flow_meter *meter)
{
    struct wire w = of_buffer_room(&session->output);

    of_meter_mod_encode(&w, xid, command, meter);
    of_buffer_commit(&session->output, &w);
}

static void send_meters(struct of_session *session, struct of_request *request, enum of_meter_command command,
                        enum meter_state which)
{
    const struct flow_txn *txn = &request->txn;

    request->meters_xid = of_session_xids(session, txn->n_meters_add);
    for (size_t i = 0; i < txn->n_meters_add; i++) {
        if (request->meters[i] == which)
            send_meter(session, request->meters_xid + (uint32_t) i, command, &txn->meters_add[i]);
    }
}

static int encode_bundle(struct of_session *session, struct of_request *request, struct err *err)
{
    const struct flow_txn *txn = &request->txn;
    struct of_buffer *draft = &session->draft;

    of_buffer_drop(draft, draft->length); /* of one that could not be encoded */
    request->bundle = session->next_bundle++;
    request->open_xid = of_session_xids(session, 1);
    request->mods_xid = of_session_xids(session, txn->n_mods);
    for (size_t i = 0; i < txn->n_mods; i++) {
        struct wire w = of_buffer_room(draft);
        int rc = of_bundle_add_encode(&w, request->mods_xid + (uint32_t) i, request->bundle, &txn->mods[i], err);

        if (rc < 0) {
            AUTO_FREE char *text = flow_format(&txn->mods[i].flow);
            char reason[ERR_TEXT_SIZE];

            memcpy(reason, err->text, sizeof reason);
            return err_set(err, rc, "%.200s, in flow %.280s", reason, text);
        }
        of_buffer_commit(draft, &w);
    }
    of_buffer_add(&request->bundle_bytes, draft->data + draft->start, draft->length);
    of_buffer_drop(draft, draft->length);
    return 0;
}

static void enter_finish(struct of_session *session, struct of_request *request)
{
    const struct flow_txn *txn = &request->txn;

    sm_move(&request->sm, TXN_FINISH);
    if (txn->n_meters_add)
        send_meters(session, request, OFPMC_MODIFY, METER_EXISTED);
    request->deletes_xid = of_session_xids(session, txn->n_meters_delete);
    for (size_t i = 0; i < txn->n_meters_delete; i++)
        send_meter(session, request->deletes_xid + (uint32_t) i, OFPMC_DELETE,
                   &(struct flow_meter) {.id = txn->meters_delete[i]});
    send_barrier(session, request);
}

static void enter_bundle(struct of_session *session, struct of_request *request)
{
    if (request->txn.n_mods == 0) {
        enter_finish(session, request);
        return;
    }
    sm_move(&request->sm, TXN_BUNDLE);
    send_bundle(session, request->open_xid, request->bundle, OFPBCT_OPEN_REQUEST);
    request->bundle_is_open = true;
    of_buffer_add(&session->output, request->bundle_bytes.data, request->bundle_bytes.length);
    of_buffer_free(&request->bundle_bytes);
    send_barrier(session, request);
}

/* What a refusal, or giving up, leaves to be taken back. */
static void send_undo(struct of_session *session, struct of_request *request)
{
    if (request->bundle_is_open)
        send_bundle(session, of_session_xids(session, 1), request->bundle, OFPBCT_DISCARD_REQUEST);
    request->bundle_is_open = false;
    if (request->txn.n_meters_add)
        send_meters(session, request, OFPMC_DELETE, METER_ADDED);
}

static void enter_undo(struct of_session *session, struct of_request *request)
{
    sm_move(&request->sm, TXN_UNDO);
    send_undo(session, request);
    send_barrier(session, request);
}

static void txn_start(struct of_session *session, struct of_request *request)
{
    struct err err = {0};

    if (encode_bundle(session, request, &err) < 0) {
        finish(session, request, &err);
        return;
    }
    if (request->txn.n_meters_add == 0) {
        enter_bundle(session, request);
        return;
    }
    sm_move(&request->sm, TXN_METERS);
    request->meters = xcalloc(request->txn.n_meters_add, 1);
    send_meters(session, request, OFPMC_ADD, METER_ADDED);
    send_barrier(session, request);
}

/* Transactions: what comes back */

static bool is_among(uint32_t xid, uint32_t first, size_t n)
{
    return xid - first < n;
}

static void refused(struct of_session *session, struct of_request *request, const char *what, const char *detail,
                    const struct of_error *error)
{
    char name[OF_ERROR_TEXT_SIZE];

    if (!request->failure.code)
        err_set(&request->failure, ERR_REFUSED, "switch %016llx refused %s (%s)%s%.320s",
                (unsigned long long) of_session_dpid(session), what, of_error_format(error, name), *detail ? ": " : "",
                detail);
}

static void meter_refused(struct of_session *session, struct of_request *request, uint32_t meter,
                          const struct of_error *error)
{
    AUTO_FREE char *what = xasprintf("meter %u", meter);

    refused(session, request, what, "", error);
}

static void flow_refused(struct of_session *session, struct of_request *request, size_t i, const struct of_error *error)
{
    AUTO_FREE char *text = flow_format(&request->txn.mods[i].flow);

    refused(session, request, request->txn.mods[i].command == FLOW_ADD ? "a flow" : "deleting a flow", text, error);
}

/* An error of this transaction's, or false. */
static bool txn_error(struct of_session *session, struct of_request *request, uint32_t xid,
                      const struct of_error *error)
{
    const struct flow_txn *txn = &request->txn;
    unsigned state = request->sm.current;
    bool is_meter = error->type == OFPET_METER_MOD_FAILED;

    if (state == TXN_METERS && is_among(xid, request->meters_xid, txn->n_meters_add)) {
        size_t i = xid - request->meters_xid;
        bool existed = is_meter && error->code == OFPMMFC_METER_EXISTS;

        request->meters[i] = existed ? METER_EXISTED : METER_REFUSED;
        if (!existed)
            meter_refused(session, request, txn->meters_add[i].id, error);
    } else if (state == TXN_FINISH && is_among(xid, request->meters_xid, txn->n_meters_add)) {
        meter_refused(session, request, txn->meters_add[xid - request->meters_xid].id, error);
    } else if ((state == TXN_BUNDLE || state == TXN_COMMIT) && is_among(xid, request->mods_xid, txn->n_mods)) {
        flow_refused(session, request, xid - request->mods_xid, error);
    } else if (state == TXN_BUNDLE && xid == request->open_xid) {
        refused(session, request, "to open a bundle", "", error);
    } else if (state == TXN_COMMIT && xid == request->xid) {
        /* The switch has dropped the bundle; the error that names the flow came before (EXT-230 §4.3). */
        refused(session, request, "to commit a bundle", "", error);
        request->bundle_is_open = false;
        enter_undo(session, request);
    } else if (state == TXN_FINISH && is_among(xid, request->deletes_xid, txn->n_meters_delete)) {
        if (!is_meter || error->code != OFPMMFC_UNKNOWN_METER)
            meter_refused(session, request, txn->meters_delete[xid - request->deletes_xid], error);
    } else {
        return false;
    }
    return true;
}

/* All answers to what the state sent have come. */
static void txn_barrier(struct of_session *session, struct of_request *request)
{
    bool failed = request->failure.code;

    switch ((enum txn_state) request->sm.current) {
    case TXN_METERS:
        if (failed)
            enter_undo(session, request);
        else
            enter_bundle(session, request);
        return;
    case TXN_BUNDLE:
        if (failed) {
            enter_undo(session, request);
            return;
        }
        sm_move(&request->sm, TXN_COMMIT);
        request->xid = of_session_xids(session, 1);
        send_bundle(session, request->xid, request->bundle, OFPBCT_COMMIT_REQUEST);
        return;
    case TXN_FINISH:
        if (failed)
            err_prefix(&request->failure, "the flow changes stand, but");
        finish(session, request, &request->failure);
        return;
    case TXN_UNDO:
        finish(session, request, &request->failure);
        return;
    case TXN_QUEUED:
    case TXN_COMMIT:
    case TXN_DONE:
        return;
    }
}

static bool txn_message(struct of_session *session, struct of_request *request, const struct of_message *message)
{
    uint32_t xid = message->header.xid;

    if (request->sm.current == TXN_QUEUED)
        return false;
    if (message->header.type == OFPT_ERROR)
        return txn_error(session, request, xid, &message->error);
    if (xid != request->xid)
        return false;
    if (message->header.type == OFPT_BARRIER_REPLY) {
        txn_barrier(session, request);
    } else if (message->is_bundle && message->bundle.type == OFPBCT_COMMIT_REPLY && request->sm.current == TXN_COMMIT) {
        request->bundle_is_open = false;
        enter_finish(session, request);
    }
    return true;
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

    for (struct of_request *r = session->requests; r; r = next) {
        next = r->next;
        if (r->kind == REQUEST_TXN ? txn_message(session, r, message) : read_message(session, r, message))
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
            send_undo(session, request);
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

struct mono of_requests_deadline(const struct of_session *session)
{
    struct mono next = MONO_NEVER;

    for (const struct of_request *r = session->requests; r; r = r->next)
        next = mono_min(next, r->deadline);
    return next;
}

/* Whether something of it may stand in the switch although the connection, and with it an open bundle, is gone. */
static bool may_stand(const struct of_request *request)
{
    return request->kind == REQUEST_TXN && request->sm.current != TXN_QUEUED &&
           (request->sm.current != TXN_BUNDLE || request->txn.n_meters_add > 0);
}

void of_requests_end(struct of_session *session, const char *reason)
{
    while (session->requests) {
        struct of_request *request = session->requests;
        struct err err;

        if (may_stand(request))
            err_set(&err, ERR_UNKNOWN, "switch %016llx was lost while it applied changes: %.300s",
                    (unsigned long long) of_session_dpid(session), reason);
        else
            err_set(&err, ERR_UNREACHABLE, "switch %016llx was lost: %.300s",
                    (unsigned long long) of_session_dpid(session), reason);
        finish(session, request, &err);
    }
}

/* For the driver */

void of_session_txn(struct of_session *session, const struct flow_txn *txn, uint64_t id, int64_t timeout_ms,
                    struct mono now)
{
    struct of_request *request = request_new(session, REQUEST_TXN, id, timeout_ms, now);

    if (!request)
        return;
    request->sm = (struct sm) {.states = txn_states, .n_states = ARRAY_LEN(txn_states), .current = TXN_QUEUED};
    request->txn = flow_txn_copy(txn);
    if (running_txn(session) == request)
        txn_start(session, request);
}

void of_session_read_flows(struct of_session *session, const struct of_flow_query *query, uint64_t id,
                           int64_t timeout_ms, struct mono now)
{
    struct of_request *request = request_new(session, REQUEST_FLOWS, id, timeout_ms, now);

    if (!request)
        return;
    struct wire w = of_buffer_room(&session->output);

    request->xid = of_session_xids(session, 1);
    of_flow_request_encode(&w, request->xid, query);
    of_buffer_commit(&session->output, &w);
}

void of_session_read_meters(struct of_session *session, uint64_t id, int64_t timeout_ms, struct mono now)
{
    struct of_request *request = request_new(session, REQUEST_METERS, id, timeout_ms, now);

    if (!request)
        return;
    struct wire w = of_buffer_room(&session->output);

    request->xid = of_session_xids(session, 1);
    of_meter_request_encode(&w, request->xid);
    of_buffer_commit(&session->output, &w);
}

void of_session_read_ports(struct of_session *session, uint64_t id, int64_t timeout_ms, struct mono now)
{
    struct of_request *request = request_new(session, REQUEST_PORTS, id, timeout_ms, now);

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
