/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions of a session, as state machines.
 *
 * A switch is busy with one transaction while it reads the next: several are under way at once, and only their commits
 * wait for each other. Those that are begun together and change no meters share a bundle, which is less work for the
 * switch; if it refuses the bundle, those that it had nothing against are begun anew, each in its own. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/openflow/openflow_request.h"

static const struct sm_state txn_states[] = {
    [TXN_QUEUED] = {"queued", SM_TO(TXN_METERS) | SM_TO(TXN_BUNDLE) | SM_TO(TXN_FINISH) | SM_TO(TXN_DONE), false},
    [TXN_METERS] = {"meters", SM_TO(TXN_BUNDLE) | SM_TO(TXN_FINISH) | SM_TO(TXN_UNDO) | SM_TO(TXN_DONE), false},
    [TXN_BUNDLE] = {"bundle", SM_TO(TXN_READY) | SM_TO(TXN_UNDO) | SM_TO(TXN_QUEUED) | SM_TO(TXN_DONE), false},
    [TXN_READY] = {"ready", SM_TO(TXN_COMMIT) | SM_TO(TXN_QUEUED) | SM_TO(TXN_DONE), false},
    [TXN_COMMIT] = {"commit", SM_TO(TXN_FINISH) | SM_TO(TXN_UNDO) | SM_TO(TXN_QUEUED) | SM_TO(TXN_DONE), false},
    [TXN_FINISH] = {"finish", SM_TO(TXN_DONE), false},
    [TXN_UNDO] = {"undo", SM_TO(TXN_DONE), false},
    [TXN_DONE] = {"done", 0, true},
};

/* Flow changes of those that share a bundle. With more under way than that, others begin when as much waits; with no
 * more, all that there are: a switch always has some to read while it answers a commit and the next are encoded. */
#define SHARED_MAX 1024
/* Flow changes of all transactions that are under way, unless there is one only: a bound on what waits in the switch
 * and on the way to it. */
#define UNDER_WAY_MAX (4 * SHARED_MAX)

/* Sending */

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

/* Appends the bundle but for its opening; nothing on failure. */
static int encode_bundle(const struct of_request *request, struct of_buffer *buffer, struct err *err)
{
    const struct flow_txn *txn = &request->txn;
    size_t before = buffer->length;

    for (size_t i = 0; i < txn->n_mods; i++) {
        struct wire w = of_buffer_room(buffer);
        int rc = of_bundle_add_encode(&w, request->mods_xid + (uint32_t) i, request->bundle, &txn->mods[i], err);

        if (rc < 0) {
            AUTO_FREE char *text = flow_format(&txn->mods[i].flow);
            char reason[ERR_TEXT_SIZE];

            buffer->length = before;
            memcpy(reason, err->text, sizeof reason);
            return err_set(err, rc, "%.200s, in flow %.280s", reason, text);
        }
        of_buffer_commit(buffer, &w);
    }
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

/* After the commit; DONE at once if there is nothing left to do. */
static void txn_committed(struct of_session *session, struct of_request *request)
{
    const struct flow_txn *txn = &request->txn;
    bool has_more = txn->n_meters_delete > 0;

    request->bundle_is_open = false;
    for (size_t i = 0; i < txn->n_meters_add; i++)
        has_more |= request->meters[i] == METER_EXISTED;
    if (has_more)
        enter_finish(session, request);
    else
        of_request_end(session, request, &request->failure);
}

static void want_barrier(struct of_session *session, struct of_request *request)
{
    request->wants_barrier = true;
    session->wants_barrier = true;
}

static void bundle_opened(struct of_session *session, struct of_request *request)
{
    sm_move(&request->sm, TXN_BUNDLE);
    request->bundle_is_open = true;
    want_barrier(session, request);
}

/* The meters are there. */
static void enter_bundle(struct of_session *session, struct of_request *request)
{
    if (request->txn.n_mods == 0) {
        txn_committed(session, request);
        return;
    }
    send_bundle(session, request->open_xid, request->bundle, OFPBCT_OPEN_REQUEST);
    of_buffer_add(&session->output, request->bundle_bytes.data, request->bundle_bytes.length);
    of_buffer_free(&request->bundle_bytes);
    bundle_opened(session, request);
}

/* The next in this bundle, from 'request' on, or null. */
static struct of_request *in_bundle(struct of_request *request, uint32_t bundle)
{
    while (request && !(request->bundle_is_open && request->bundle == bundle))
        request = request->next;
    return request;
}

/* The bundle is gone: 'except' is seen to by the caller, all others of it that were not refused are begun anew, and
 * those that were end when the switch has read all of them. */
static void bundle_gone(struct of_session *session, uint32_t bundle, const struct of_request *except)
{
    for (struct of_request *r = session->requests; (r = in_bundle(r, bundle)); r = r->next) {
        if (r == except)
            continue;
        r->bundle_is_open = false;
        r->xid = 0; /* an answer that it waited for says nothing any more */
        r->alone = true;
        r->shared = false;
        r->wants_barrier = false;
        if (r->failure.code)
            want_barrier(session, r);
        sm_move(&r->sm, r->failure.code ? TXN_UNDO : TXN_QUEUED);
    }
}

/* What a refusal, or giving up, leaves to be taken back. */
void of_txn_undo(struct of_session *session, struct of_request *request)
{
    if (request->bundle_is_open) {
        send_bundle(session, of_session_xids(session, 1), request->bundle, OFPBCT_DISCARD_REQUEST);
        bundle_gone(session, request->bundle, request);
    }
    request->bundle_is_open = false;
    /* Before the barrier behind them nobody knows which existed before; and with a meter go the flows that name it. One
     * too many hurts nobody. */
    if (request->txn.n_meters_add && request->sm.current != TXN_METERS)
        send_meters(session, request, OFPMC_DELETE, METER_ADDED);
}

static void enter_undo(struct of_session *session, struct of_request *request)
{
    sm_move(&request->sm, TXN_UNDO);
    of_txn_undo(session, request);
    send_barrier(session, request);
}

/* What needs no meters is encoded where it is sent from. What does waits for them in a buffer of its own, for it must
 * be known before that it can be encoded. */
static int txn_encode(struct of_session *session, struct of_request *request, const struct of_request *shares,
                      struct err *err)
{
    struct of_buffer *draft = &session->draft;
    size_t before = session->output.length;
    int rc;

    request->bundle = shares ? shares->bundle : session->next_bundle++;
    request->open_xid = shares ? shares->open_xid : of_session_xids(session, 1);
    request->mods_xid = of_session_xids(session, request->txn.n_mods);
    if (request->txn.n_meters_add == 0) {
        if (!shares)
            send_bundle(session, request->open_xid, request->bundle, OFPBCT_OPEN_REQUEST);
        rc = encode_bundle(request, &session->output, err);
        if (rc < 0)
            session->output.length = before;
        return rc;
    }
    rc = encode_bundle(request, draft, err);
    of_buffer_add(&request->bundle_bytes, draft->data + draft->start, draft->length);
    of_buffer_drop(draft, draft->length);
    return rc;
}

/* 'shares': whose bundle it shares, or null. False if it has ended, because it cannot be encoded. */
static bool txn_start(struct of_session *session, struct of_request *request, const struct of_request *shares)
{
    struct err err = {0};

    if (request->txn.n_mods == 0 && request->txn.n_meters_add == 0) {
        enter_finish(session, request);
        return true;
    }
    if (txn_encode(session, request, shares, &err) < 0) {
        of_request_end(session, request, &err);
        return false;
    }
    if (request->txn.n_meters_add == 0) {
        bundle_opened(session, request);
        return true;
    }
    sm_move(&request->sm, TXN_METERS);
    request->meters = xcalloc(request->txn.n_meters_add, 1);
    send_meters(session, request, OFPMC_ADD, METER_ADDED);
    want_barrier(session, request);
    return true;
}

/* All that share the bundle: none of them was refused. */
static void enter_commit(struct of_session *session, struct of_request *request)
{
    uint32_t xid = of_session_xids(session, 1), bundle = request->bundle;

    for (struct of_request *r = request; (r = in_bundle(r, bundle)); r = r->next) {
        sm_move(&r->sm, TXN_COMMIT);
        r->xid = xid;
    }
    send_bundle(session, xid, bundle, OFPBCT_COMMIT_REQUEST);
}

/* Whether one makes or deletes a meter that the other names: then the later one has to see the end of the earlier. */
static bool shares_meters(const struct of_request *a, const struct of_request *b)
{
    if (!a->changes_meters && !b->changes_meters)
        return false;
    for (size_t i = 0, j = 0; i < a->n_named && j < b->n_named;) {
        if (a->named[i] == b->named[j])
            return true;
        if (a->named[i] < b->named[j])
            i++;
        else
            j++;
    }
    return false;
}

/* 'under_way': flow changes of those before it. */
static bool may_start(const struct of_session *session, const struct of_request *request, size_t under_way)
{
    if (under_way && under_way + request->txn.n_mods > UNDER_WAY_MAX)
        return false;
    for (const struct of_request *r = session->requests; r != request; r = r->next)
        if (r->kind == REQUEST_TXN && shares_meters(r, request))
            return false;
    return true;
}

/* Whether 'first' and those behind it are enough to begin a bundle with. */
static bool may_begin_bundle(const struct of_request *first, size_t under_way)
{
    size_t waiting = 0;

    if (under_way <= SHARED_MAX)
        return true;
    for (const struct of_request *r = first; r && waiting < SHARED_MAX; r = r->next)
        waiting += r->txn.n_mods;
    return waiting >= SHARED_MAX && under_way + SHARED_MAX <= UNDER_WAY_MAX;
}

/* One for all that want one. */
static void send_barriers(struct of_session *session)
{
    uint32_t xid = 0;

    if (!session->wants_barrier)
        return;
    session->wants_barrier = false;
    for (struct of_request *r = session->requests; r; r = r->next) {
        if (!r->wants_barrier)
            continue;
        if (!xid) {
            send_barrier(session, r);
            xid = r->xid;
        }
        r->xid = xid;
        r->wants_barrier = false;
    }
}

/* Commits in the order in which they came, and starts what may start. */
static void commit_and_start(struct of_session *session)
{
    size_t under_way = 0;
    bool in_order = true;             /* the commits of all before are sent, or will not be */
    struct of_request *shares = NULL; /* whose bundle the next one may share */
    size_t shared = 0;
    struct of_request *next;

    for (struct of_request *r = session->requests; r; r = next) {
        size_t n_mods = r->txn.n_mods;

        next = r->next;
        if (r->kind != REQUEST_TXN)
            continue;
        if (r->sm.current == TXN_QUEUED) {
            bool sharing = n_mods > 0 && !r->changes_meters && !r->alone;

            if (!sharing || shared + n_mods > SHARED_MAX)
                shares = NULL;
            if ((!shares && !may_begin_bundle(r, under_way)) || !may_start(session, r, under_way))
                return;
            if (!txn_start(session, r, shares))
                continue;
            if (sharing) {
                if (shares)
                    shares->shared = r->shared = true;
                shared = (shares ? shared : 0) + n_mods;
                shares = r;
            }
            in_order = false;
        } else if (r->sm.current == TXN_READY && in_order) {
            enter_commit(session, r);
            in_order = !r->shared; /* what is committed with others may have to be begun anew */
        } else {
            in_order &= r->sm.current > TXN_COMMIT || (r->sm.current == TXN_COMMIT && !r->shared);
        }
        under_way += n_mods;
    }
}

void of_txns_advance(struct of_session *session)
{
    commit_and_start(session);
    send_barriers(session);
}

/* What comes back */

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

/* The switch has dropped the bundle; the error that names the flow came before (EXT-230 §4.3). */
static void commit_refused(struct of_session *session, struct of_request *request, const struct of_error *error)
{
    if (request->shared) {
        bundle_gone(session, request->bundle, NULL);
        of_txns_advance(session);
        return;
    }
    refused(session, request, "to commit a bundle", "", error);
    request->bundle_is_open = false;
    enter_undo(session, request);
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
        commit_refused(session, request, error);
    } else if (state == TXN_FINISH && is_among(xid, request->deletes_xid, txn->n_meters_delete)) {
        if (!is_meter || error->code != OFPMMFC_UNKNOWN_METER)
            meter_refused(session, request, txn->meters_delete[xid - request->deletes_xid], error);
    } else {
        return false;
    }
    return true;
}

/* All of the bundle is there. */
static void bundle_filled(struct of_session *session, struct of_request *request)
{
    struct of_request *first = in_bundle(session->requests, request->bundle), *r;

    for (r = first; (r = in_bundle(r, request->bundle)); r = r->next)
        if (r->failure.code)
            break;
    if (r) {
        enter_undo(session, r);
        return;
    }
    for (r = first; (r = in_bundle(r, request->bundle)); r = r->next)
        sm_move(&r->sm, TXN_READY);
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
        bundle_filled(session, request);
        return;
    case TXN_FINISH:
        if (failed) {
            err_prefix(&request->failure, "the flow changes stand, but");
            request->failure.code = ERR_UNKNOWN; /* neither all of it nor nothing */
        }
        of_request_end(session, request, &request->failure);
        return;
    case TXN_UNDO:
        of_request_end(session, request, &request->failure);
        return;
    case TXN_QUEUED:
    case TXN_READY:
    case TXN_COMMIT:
    case TXN_DONE:
        return;
    }
}

bool of_txn_message(struct of_session *session, struct of_request *request, const struct of_message *message)
{
    uint32_t xid = message->header.xid;

    if (request->sm.current == TXN_QUEUED)
        return false;
    if (message->header.type == OFPT_ERROR)
        return txn_error(session, request, xid, &message->error);
    if (message->is_bundle && message->bundle.type == OFPBCT_OPEN_REPLY && xid == request->open_xid)
        return true;
    if (xid != request->xid)
        return false;
    if (message->is_bundle && message->bundle.type == OFPBCT_COMMIT_REPLY && request->sm.current == TXN_COMMIT) {
        uint32_t bundle = request->bundle;

        while ((request = in_bundle(session->requests, bundle)))
            txn_committed(session, request); /* is out of the bundle, and may have ended */
        of_txns_advance(session);
    }
    return true;
}

/* It may be the one that several wait for. */
bool of_txns_barrier(struct of_session *session, uint32_t xid)
{
    struct of_request *next;
    bool found = false;

    for (struct of_request *r = session->requests; r; r = next) {
        bool is_its = r->kind == REQUEST_TXN && r->sm.current != TXN_QUEUED && r->xid == xid;

        next = r->next;
        if (is_its)
            txn_barrier(session, r);
        found |= is_its;
    }
    if (found)
        of_txns_advance(session);
    return found;
}

bool of_txn_may_stand(const struct of_request *request)
{
    return request->kind == REQUEST_TXN && request->sm.current != TXN_QUEUED &&
           ((request->sm.current != TXN_BUNDLE && request->sm.current != TXN_READY) || request->txn.n_meters_add > 0);
}

/* From the driver */

static void name_meter(struct of_request *request, uint32_t id)
{
    if (!id || (request->n_named && request->named[request->n_named - 1] == id))
        return;
    request->named = array_reserve(request->named, request->n_named, &request->cap_named, sizeof id);
    request->named[request->n_named++] = id;
}

static int by_id(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

static void name_meters(struct of_request *request)
{
    const struct flow_txn *txn = &request->txn;

    request->changes_meters = txn->n_meters_add || txn->n_meters_delete;
    for (size_t i = 0; i < txn->n_meters_add; i++)
        name_meter(request, txn->meters_add[i].id);
    for (size_t i = 0; i < txn->n_meters_delete; i++)
        name_meter(request, txn->meters_delete[i]);
    for (size_t i = 0; i < txn->n_mods; i++)
        name_meter(request, txn->mods[i].flow.meter);
    if (request->n_named)
        qsort(request->named, request->n_named, sizeof *request->named, by_id);
}

void of_session_txn(struct of_session *session, struct flow_txn *txn, uint64_t id, int64_t timeout_ms, struct mono now)
{
    struct of_request *request = of_request_new(session, REQUEST_TXN, id, timeout_ms, now);

    if (!request) {
        flow_txn_free(txn);
        return;
    }
    request->sm = (struct sm) {.states = txn_states, .n_states = ARRAY_LEN(txn_states), .current = TXN_QUEUED};
    request->txn = *txn;
    *txn = (struct flow_txn) {0};
    name_meters(request);
    of_txns_advance(session);
}
