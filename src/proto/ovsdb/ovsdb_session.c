/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/ovsdb/ovsdb_session.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sm.h"
#include "base/strbuf.h"
#include "proto/ovsdb/ovsdb_frame.h"

#define MONITOR "scg" /* names the monitor in updates, and the request that starts it */
#define PROBE "probe"
#define TRANSACTION "transaction" /* the server answers them in their order */

enum { DISCONNECTED, ASKING, ASKING_PLAIN, READY };

static const struct sm_state states[] = {
    [DISCONNECTED] = {"disconnected", SM_TO(ASKING) | SM_TO(DISCONNECTED), false},
    [ASKING] = {"asking", SM_TO(DISCONNECTED) | SM_TO(ASKING_PLAIN) | SM_TO(READY), false},
    [ASKING_PLAIN] = {"asking-plain", SM_TO(DISCONNECTED) | SM_TO(READY), false},
    [READY] = {"ready", SM_TO(DISCONNECTED), false},
};

struct ovsdb_session {
    struct sm sm;
    uint32_t timeout_ms;
    struct mono monitor_deadline; /* MONO_NEVER unless asking */
    struct ovsdb_framer framer;
    struct ovsdb_db db;
    struct strbuf output;
    enum ovsdb_event *events;
    size_t first_event, n_events, cap_events;
    struct transaction *transactions; /* oldest first; those in front may have ended and not been told */
    size_t n_transactions, cap_transactions;
};

struct transaction {
    uint64_t id;
    bool ended;
    struct err err;
};

struct ovsdb_session *ovsdb_session_new(uint32_t timeout_ms)
{
    struct ovsdb_session *session = xcalloc(1, sizeof *session);

    session->sm = (struct sm) {states, ARRAY_LEN(states), DISCONNECTED};
    session->timeout_ms = timeout_ms;
    session->monitor_deadline = MONO_NEVER;
    return session;
}

void ovsdb_session_free(struct ovsdb_session *session)
{
    ovsdb_framer_free(&session->framer);
    ovsdb_db_free(&session->db);
    strbuf_free(&session->output);
    free(session->events);
    free(session->transactions);
    free(session);
}

static void push_event(struct ovsdb_session *session, enum ovsdb_event event)
{
    session->events = array_reserve(session->events, session->n_events, &session->cap_events, sizeof *session->events);
    session->events[session->n_events++] = event;
}

bool ovsdb_session_event(struct ovsdb_session *session, enum ovsdb_event *event)
{
    if (session->first_event == session->n_events) {
        session->first_event = session->n_events = 0;
        return false;
    }
    *event = session->events[session->first_event++];
    return true;
}

static void send_message(struct ovsdb_session *session, json_t *message)
{
    AUTO_FREE char *text = json_dumps(message, JSON_COMPACT);

    json_decref(message);
    strbuf_puts(&session->output, text);
}

/* Takes over 'params'. */
static void send_request(struct ovsdb_session *session, const char *method, json_t *params, const char *id)
{
    send_message(session, json_pack("{s:s, s:o, s:s}", "method", method, "params", params, "id", id));
}

char *ovsdb_session_output(struct ovsdb_session *session, size_t *n)
{
    *n = session->output.length;
    return *n ? strbuf_take(&session->output) : NULL;
}

static void send_monitor(struct ovsdb_session *session, const char *method)
{
    send_request(session, method, json_pack("[s, s, o]", OVSDB_NAME, MONITOR, ovsdb_db_monitor_requests()), MONITOR);
}

void ovsdb_session_connected(struct ovsdb_session *session, struct mono now)
{
    sm_move(&session->sm, ASKING);
    session->monitor_deadline = mono_add(now, session->timeout_ms);
    send_monitor(session, "monitor_cond");
}

void ovsdb_session_transact(struct ovsdb_session *session, json_t *operations, uint64_t id)
{
    json_array_insert_new(operations, 0, json_string(OVSDB_NAME));
    send_request(session, "transact", operations, TRANSACTION);
    session->transactions = array_reserve(session->transactions, session->n_transactions, &session->cap_transactions,
                                          sizeof *session->transactions);
    session->transactions[session->n_transactions++] = (struct transaction) {.id = id};
}

void ovsdb_session_done(struct ovsdb_session *session, uint64_t *id, struct err *err)
{
    *id = session->transactions[0].id;
    *err = session->transactions[0].err;
    session->n_transactions--;
    memmove(session->transactions, session->transactions + 1, session->n_transactions * sizeof *session->transactions);
}

/* The oldest that has not ended ends with what 'err' says. False: there is none. */
static bool end_transaction(struct ovsdb_session *session, const struct err *err)
{
    for (size_t i = 0; i < session->n_transactions; i++) {
        struct transaction *transaction = &session->transactions[i];

        if (transaction->ended)
            continue;
        transaction->ended = true;
        transaction->err = *err;
        push_event(session, OVSDB_DONE);
        return true;
    }
    return false;
}

void ovsdb_session_disconnected(struct ovsdb_session *session)
{
    sm_move(&session->sm, DISCONNECTED);
    session->monitor_deadline = MONO_NEVER;
    ovsdb_framer_free(&session->framer);
    strbuf_clear(&session->output);

    struct err err = {0};
    err_set(&err, ERR_UNKNOWN, "the connection to the OVSDB server ended before it answered");
    while (end_transaction(session, &err)) {
    }
}

void ovsdb_session_probe(struct ovsdb_session *session)
{
    send_request(session, "echo", json_array(), PROBE);
}

/* "ERROR: DETAILS" of an <error> object, or the string that it is; "" if it is neither. */
static void error_text(const json_t *error, char *text, size_t size)
{
    const char *name = json_string_value(json_is_object(error) ? json_object_get(error, "error") : error);
    const char *details = json_string_value(json_object_get(error, "details"));

    snprintf(text, size, "%s%s%s", name ? name : "", details ? ": " : "", details ? details : "");
}

static int monitor_reply(struct ovsdb_session *session, const json_t *result, const json_t *error, struct err *err)
{
    char why[256];

    if (json_is_null(error)) {
        struct ovsdb_db db = {0};
        int status = ovsdb_db_update(&db, result, err);

        if (status < 0) {
            ovsdb_db_free(&db);
            return status;
        }
        ovsdb_db_free(&session->db);
        session->db = db;
        session->monitor_deadline = MONO_NEVER;
        sm_move(&session->sm, READY);
        push_event(session, OVSDB_READY);
        return 0;
    }
    if (session->sm.current == ASKING) {
        /* Servers older than Open vSwitch 2.6, and other makers', know only RFC 7047. */
        sm_move(&session->sm, ASKING_PLAIN);
        send_monitor(session, "monitor");
        return 0;
    }
    error_text(error, why, sizeof why);
    return err_set(err, ERR_REFUSED, "the OVSDB server does not let database " OVSDB_NAME " be monitored (%s)", why);
}

/* RFC 7047 §4.1.3: a result for each operation; the one that failed has an error, and so has a commit that failed. */
static int transact_reply(struct ovsdb_session *session, const json_t *result, const json_t *error, struct err *err)
{
    struct err outcome = {0};
    char why[256];

    for (size_t i = 0; json_is_null(error) && i < json_array_size(result); i++) {
        const json_t *failed = json_array_get(result, i);

        if (json_is_object(failed) && json_object_get(failed, "error"))
            error = failed;
    }
    if (!json_is_null(error)) {
        error_text(error, why, sizeof why);
        err_set(&outcome, ERR_REFUSED, "the OVSDB server refused a change: %s", why);
    }
    if (!end_transaction(session, &outcome))
        return err_set(err, ERR_MALFORMED, "the OVSDB server sent a reply to a transaction that was not made");
    return 0;
}

static int handle_reply(struct ovsdb_session *session, const json_t *message, const json_t *id, struct err *err)
{
    const json_t *result = json_object_get(message, "result");
    const json_t *error = json_object_get(message, "error");
    const char *text = json_string_value(id);

    /* RFC 7047 §4: both are there, one of them null; "error" is tested, for a result may be null, too. */
    if (!result || !error)
        return err_set(err, ERR_MALFORMED, "the OVSDB server sent a reply without result or error");
    if (text && strcmp(text, PROBE) == 0)
        return 0;
    if (text && strcmp(text, MONITOR) == 0 && session->sm.current != READY)
        return monitor_reply(session, result, error, err);
    if (text && strcmp(text, TRANSACTION) == 0)
        return transact_reply(session, result, error, err);
    return err_set(err, ERR_MALFORMED, "the OVSDB server sent a reply to a request that was not made");
}

static int handle_update(struct ovsdb_session *session, const json_t *params, struct err *err)
{
    const char *monitor = json_string_value(json_array_get(params, 0));

    if (session->sm.current != READY || !monitor || strcmp(monitor, MONITOR) != 0)
        return err_set(err, ERR_MALFORMED, "the OVSDB server sent an update of a monitor that was not asked for");
    int status = ovsdb_db_update(&session->db, json_array_get(params, 1), err);
    if (status < 0)
        return status;
    push_event(session, OVSDB_CHANGED);
    return 0;
}

static int handle_message(struct ovsdb_session *session, const json_t *message, struct err *err)
{
    const char *method = json_string_value(json_object_get(message, "method"));
    json_t *params = json_object_get(message, "params");
    json_t *id = json_object_get(message, "id");

    if (!id || (method && !json_is_array(params)))
        return err_set(err, ERR_MALFORMED, "the OVSDB server sent a message that is not JSON-RPC 1.0");
    if (!method)
        return handle_reply(session, message, id, err);
    if (strcmp(method, "update") == 0 || strcmp(method, "update2") == 0)
        return handle_update(session, params, err);
    if (strcmp(method, "monitor_canceled") == 0)
        return err_set(err, ERR_NOT_FOUND, "the OVSDB server took database " OVSDB_NAME " away");
    if (json_is_null(id))
        return 0; /* other notifications are of features that were not asked for */
    if (strcmp(method, "echo") == 0)
        send_message(session, json_pack("{s:O, s:n, s:O}", "result", params, "error", "id", id));
    else
        send_message(session, json_pack("{s:n, s:s, s:O}", "result", "error", "unknown method", "id", id));
    return 0;
}

int ovsdb_session_input(struct ovsdb_session *session, const void *bytes, size_t n, struct err *err)
{
    const char *text;
    size_t size;
    int status;

    ovsdb_framer_add(&session->framer, bytes, n);
    while ((status = ovsdb_framer_next(&session->framer, &text, &size)) > 0) {
        json_error_t where;
        json_t *message = json_loadb(text, size, 0, &where);

        if (!message)
            return err_set(err, ERR_MALFORMED, "the OVSDB server sent a message that is not JSON: %s at byte %d",
                           where.text, where.position);
        status = handle_message(session, message, err);
        json_decref(message);
        if (status < 0)
            return status;
    }
    if (status < 0)
        return err_set(err, status, "the OVSDB server sent what is no message of JSON-RPC: %s", err_name(status));
    return 0;
}

int ovsdb_session_tick(struct ovsdb_session *session, struct mono now, struct err *err)
{
    if (!mono_reached(session->monitor_deadline, now))
        return 0;
    return err_set(err, ERR_TIMEOUT, "the OVSDB server did not answer within %u ms", session->timeout_ms);
}

struct mono ovsdb_session_deadline(const struct ovsdb_session *session)
{
    return session->monitor_deadline;
}

bool ovsdb_session_ready(const struct ovsdb_session *session)
{
    return session->sm.current == READY;
}

const struct ovsdb_db *ovsdb_session_db(const struct ovsdb_session *session)
{
    return &session->db;
}
