/* SPDX-License-Identifier: Apache-2.0 */
/* The session itself: framing, sending, timers, events, the table of LSPs. */
#include "proto/pcep/pcep_session.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/pcep/pcep_session_internal.h"

#define MINUTE_MS 60000

static const struct sm_state states[] = {
    [SESSION_OPEN_WAIT] = {"open wait", SM_TO(SESSION_KEEP_WAIT) | SM_TO(SESSION_UP) | SM_TO(SESSION_DOWN), false},
    [SESSION_KEEP_WAIT] = {"keep wait", SM_TO(SESSION_OPEN_WAIT) | SM_TO(SESSION_UP) | SM_TO(SESSION_DOWN), false},
    [SESSION_UP] = {"up", SM_TO(SESSION_DOWN), false},
    [SESSION_DOWN] = {"down", 0, true},
};

/* Events */

struct pcep_event *pcep_event_add(struct pcep_session *session, enum pcep_event_type type)
{
    if (session->first_event == session->n_events)
        session->first_event = session->n_events = 0;
    session->events = array_reserve(session->events, session->n_events, &session->cap_events,
                                    sizeof session->events[0]);
    struct pcep_event *event = &session->events[session->n_events++];

    memset(event, 0, sizeof *event);
    event->type = type;
    return event;
}

bool pcep_session_event(struct pcep_session *session, struct pcep_event *event)
{
    if (session->first_event == session->n_events)
        return false;
    *event = session->events[session->first_event++];
    return true;
}

void pcep_event_free(struct pcep_event *event)
{
    lsp_report_free(&event->report);
    lsp_request_free(&event->lsp);
}

void pcep_complain(struct pcep_session *session, int code, const char *format, ...)
{
    char text[ERR_TEXT_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err_set(&pcep_event_add(session, PCEP_EVENT_ERROR)->err, code, "%s", text);
}

/* LSPs */

/* Where the LSP is, or would be. */
static size_t lsp_place(const struct pcep_session *session, uint32_t plsp_id)
{
    size_t low = 0, high = session->n_lsps;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (session->lsps[middle].plsp_id < plsp_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct pcep_lsp *pcep_lsp_find(struct pcep_session *session, uint32_t plsp_id)
{
    size_t at = lsp_place(session, plsp_id);

    return at < session->n_lsps && session->lsps[at].plsp_id == plsp_id ? &session->lsps[at] : NULL;
}

struct pcep_lsp *pcep_lsp_find_name(struct pcep_session *session, const char *name)
{
    for (size_t i = 0; i < session->n_lsps; i++)
        if (strcmp(session->lsps[i].name, name) == 0)
            return &session->lsps[i];
    return NULL;
}

struct pcep_lsp *pcep_lsp_add(struct pcep_session *session, uint32_t plsp_id, const char *name)
{
    size_t at = lsp_place(session, plsp_id);

    session->lsps = array_reserve(session->lsps, session->n_lsps, &session->cap_lsps, sizeof session->lsps[0]);
    memmove(&session->lsps[at + 1], &session->lsps[at], (session->n_lsps - at) * sizeof session->lsps[0]);
    session->n_lsps++;
    session->lsps[at] = (struct pcep_lsp) {.plsp_id = plsp_id};
    snprintf(session->lsps[at].name, sizeof session->lsps[at].name, "%s", name);
    return &session->lsps[at];
}

void pcep_lsp_remove(struct pcep_session *session, struct pcep_lsp *lsp)
{
    size_t at = (size_t) (lsp - session->lsps);

    free(lsp->last);
    memmove(lsp, lsp + 1, (--session->n_lsps - at) * sizeof *lsp);
}

/* Sending */

int pcep_try_send(struct pcep_session *session, const struct pcep_message *message, struct err *err)
{
    uint8_t bytes[PCEP_MESSAGE_MAX];
    struct wire w = wire_writer(bytes, sizeof bytes);
    int rc;

    if (session->sm.current == SESSION_DOWN)
        return err_set(err, ERR_UNREACHABLE, "the session is down");
    if ((rc = pcep_encode(&w, message, err)) < 0)
        return rc;
    strbuf_add(&session->output, bytes, w.pos);
    if (session->output.length > PCEP_OUTPUT_MAX)
        pcep_down(session, ERR_TOO_LARGE, "the peer does not read: more than %u bytes wait to be sent",
                  PCEP_OUTPUT_MAX);
    return 0;
}

void pcep_send(struct pcep_session *session, const struct pcep_message *message)
{
    struct err err = {0};

    if (session->sm.current != SESSION_DOWN && pcep_try_send(session, message, &err) < 0)
        pcep_complain(session, err.code, "%s", err.text);
}

void pcep_send_empty(struct pcep_session *session, enum pcep_type type)
{
    pcep_send(session, &(struct pcep_message) {.type = (uint8_t) type});
}

void pcep_send_error(struct pcep_session *session, uint8_t type, uint8_t value, uint32_t has, uint32_t id)
{
    struct pcep_item item = {.has = has | PCEP_HAS_ERROR, .id = id, .error_type = type, .error_value = value};

    pcep_send(session, &(struct pcep_message) {.type = PCEP_ERROR, .items = &item, .n_items = 1});
}

void pcep_send_close(struct pcep_session *session, enum pcep_close_reason reason)
{
    pcep_send(session, &(struct pcep_message) {.type = PCEP_CLOSE, .close_reason = (uint8_t) reason});
}

const uint8_t *pcep_session_output(const struct pcep_session *session, size_t *size)
{
    *size = session->output.length;
    return session->output.length ? (const uint8_t *) session->output.text : NULL;
}

static void drop_front(struct strbuf *buffer, size_t size)
{
    /* What a burst took must not stay for the life of the session. */
    if (size >= buffer->length) {
        strbuf_free(buffer);
        return;
    }
    buffer->length -= size;
    memmove(buffer->text, buffer->text + size, buffer->length);
}

void pcep_session_sent(struct pcep_session *session, size_t size, struct mono now)
{
    if (size == 0)
        return;
    session->sent = now;
    drop_front(&session->output, size);
}

/* Life */

struct pcep_session *pcep_session_new(const struct pcep_session_config *config, struct mono now)
{
    struct pcep_session *session = xcalloc(1, sizeof *session);

    session->config = *config;
    session->sm = (struct sm) {.states = states, .n_states = ARRAY_LEN(states), .current = SESSION_OPEN_WAIT};
    session->heard = session->sent = session->minute = now;
    session->next_srp_id = 1;
    session->next_plsp_id = 1;
    pcep_open_begin(session, now);
    return session;
}

void pcep_down(struct pcep_session *session, int code, const char *format, ...)
{
    char text[ERR_TEXT_SIZE];
    va_list args;

    if (session->sm.current == SESSION_DOWN)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sm_move(&session->sm, SESSION_DOWN);
    pcep_pce_end(session, text);
    err_set(&pcep_event_add(session, PCEP_EVENT_DOWN)->err, code, "%s", text);
}

void pcep_session_free(struct pcep_session *session)
{
    struct pcep_event event;

    if (!session)
        return;
    while (pcep_session_event(session, &event))
        pcep_event_free(&event);
    while (session->n_lsps)
        pcep_lsp_remove(session, &session->lsps[session->n_lsps - 1]);
    free(session->events);
    free(session->lsps);
    free(session->waits);
    strbuf_free(&session->input);
    strbuf_free(&session->output);
    free(session);
}

void pcep_session_closed(struct pcep_session *session, int code, const char *reason)
{
    pcep_down(session, code, "%s", reason);
}

void pcep_session_end(struct pcep_session *session, const char *reason)
{
    if (session->sm.current == SESSION_DOWN)
        return;
    pcep_send_close(session, PCEP_CLOSE_NONE);
    pcep_down(session, ERR_CANCELLED, "%s", reason);
}

void pcep_session_reject(struct pcep_session *session)
{
    if (session->sm.current == SESSION_DOWN)
        return;
    pcep_send_error(session, PCEP_ERR_SECOND_SESSION, 1, 0, 0);
    pcep_down(session, ERR_CANCELLED, "the peer has a session already");
}

bool pcep_session_is_up(const struct pcep_session *session)
{
    return session->sm.current == SESSION_UP;
}

bool pcep_session_is_synced(const struct pcep_session *session)
{
    return session->sm.current == SESSION_UP && session->synced;
}

/* Receiving */

static void minute_begin(struct pcep_session *session)
{
    if (mono_diff(session->heard, session->minute) >= MINUTE_MS) {
        session->minute = session->heard;
        session->unknown = session->unasked = 0;
    }
}

void pcep_count_unasked(struct pcep_session *session)
{
    minute_begin(session);
    if (++session->unasked <= session->config.unknown_per_minute)
        return;
    pcep_send_close(session, PCEP_CLOSE_UNKNOWN_REQUESTS);
    pcep_down(session, ERR_MALFORMED, "the peer sent more than %u answers in a minute to what was never asked",
              session->config.unknown_per_minute);
}

/* RFC 5440 §6.9 */
static void unknown_message(struct pcep_session *session, uint8_t type)
{
    minute_begin(session);
    pcep_complain(session, ERR_UNSUPPORTED, "the peer sent a message of type %u (%s), which is not for us", type,
                  pcep_type_name(type));
    if (++session->unknown <= session->config.unknown_per_minute) {
        pcep_send_error(session, PCEP_ERR_CAPABILITY, 0, 0, 0);
        return;
    }
    pcep_send_close(session, PCEP_CLOSE_UNKNOWN_MESSAGES);
    pcep_down(session, ERR_UNSUPPORTED, "the peer sent more than %u messages in a minute that are not for us",
              session->config.unknown_per_minute);
}

static void up_message(struct pcep_session *session, const struct pcep_message *message)
{
    bool pce = session->config.role == PCEP_PCE;

    switch (message->type) {
    case PCEP_KEEPALIVE:
        return;
    case PCEP_CLOSE:
        pcep_down(session, ERR_REFUSED, "the peer closed the session: %s", pcep_close_name(message->close_reason));
        return;
    case PCEP_OPEN:
        pcep_send_error(session, PCEP_ERR_SECOND_SESSION, 1, 0, 0);
        pcep_complain(session, ERR_MALFORMED, "the peer sent an Open while the session is up");
        return;
    case PCEP_NOTIFICATION:
        pcep_complain(session, ERR_REFUSED, "the peer notifies: type %u, value %u", message->notification_type,
                      message->notification_value);
        return;
    case PCEP_ERROR:
    case PCEP_REPLY:
    case PCEP_REPORT:
    case PCEP_REQUEST:
    case PCEP_UPDATE:
    case PCEP_INITIATE:
        /* Which of these is whose, RFC 8231 §6 and RFC 8281 §5 say. */
        if (message->type == PCEP_ERROR || message->type == PCEP_REPLY ||
            pce == (message->type == PCEP_REPORT || message->type == PCEP_REQUEST)) {
            if (pce)
                pcep_pce_message(session, message);
            else
                pcep_pcc_message(session, message);
            return;
        }
        break;
    default:
        break;
    }
    unknown_message(session, message->type);
}

static void undecodable(struct pcep_session *session, uint8_t type, const struct pcep_refusal *refusal,
                        const struct err *err)
{
    if (session->sm.current != SESSION_UP) {
        pcep_open_undecodable(session, refusal, err);
        return;
    }
    if (!refusal->type) {
        pcep_send_close(session, PCEP_CLOSE_MALFORMED);
        pcep_down(session, err->code, "the peer sent what cannot be read: %.400s", err->text);
        return;
    }
    pcep_complain(session, err->code, "the peer sent what cannot be read: %.400s", err->text);
    /* An error about an error would be answered with one. */
    if (type != PCEP_ERROR)
        pcep_send_error(session, refusal->type, refusal->value, refusal->has, refusal->id);
    if (refusal->has & PCEP_HAS_SRP && session->config.role == PCEP_PCE)
        pcep_pce_undecodable(session, refusal->id, err);
}

/* One message at the front of the input; returns its size, or 0 if it is not whole or the session is down. */
static size_t receive_one(struct pcep_session *session, const uint8_t *bytes, size_t size, struct mono now)
{
    struct pcep_message message;
    struct pcep_refusal refusal = {0};
    struct err err = {0};
    uint8_t type;
    uint16_t length;
    int rc = pcep_header_decode(bytes, size, &type, &length);

    if (rc == ERR_SHORT)
        return 0;
    if (rc < 0) {
        if (rc == ERR_UNSUPPORTED)
            err_set(&err, rc, "a message of PCEP version %u, not %d", bytes[0] >> 5, PCEP_VERSION);
        else
            err_set(&err, rc, "a message whose length, %u, cannot be", bytes[2] << 8 | bytes[3]);
        /* RFC 5440 §7.15. Once the session is up, nothing after such a header can be trusted. */
        if (session->sm.current != SESSION_UP)
            refusal = (struct pcep_refusal) {.type = PCEP_ERR_OPEN, .value = rc == ERR_UNSUPPORTED ? 8 : 1};
        undecodable(session, 0, &refusal, &err);
        return 0;
    }
    if (length > size)
        return 0;
    if (pcep_decode(bytes, length, &message, &refusal, &err) < 0) {
        undecodable(session, type, &refusal, &err);
        return length;
    }
    if (session->sm.current == SESSION_UP)
        up_message(session, &message);
    else
        pcep_open_message(session, &message, now);
    pcep_message_free(&message);
    return length;
}

void pcep_session_receive(struct pcep_session *session, const uint8_t *bytes, size_t size, struct mono now)
{
    size_t used = 0;

    if (session->sm.current == SESSION_DOWN || size == 0)
        return;
    session->heard = now;
    strbuf_add(&session->input, bytes, size);
    while (session->sm.current != SESSION_DOWN && used < session->input.length) {
        size_t one = receive_one(session, (const uint8_t *) session->input.text + used, session->input.length - used,
                                 now);

        if (one == 0)
            break;
        used += one;
    }
    drop_front(&session->input, used);
}

/* Time */

/* When the peer is to be given up: its own values count (RFC 5440 §7.3). */
static struct mono dead_at(const struct pcep_session *session)
{
    if (session->sm.current != SESSION_UP || !session->peer.keepalive_s || !session->peer.dead_s)
        return MONO_NEVER;
    return mono_add(session->heard, session->peer.dead_s * INT64_C(1000));
}

static struct mono keepalive_at(const struct pcep_session *session)
{
    if (session->sm.current != SESSION_UP || !session->own.keepalive_s)
        return MONO_NEVER;
    return mono_add(session->sent, session->own.keepalive_s * INT64_C(1000));
}

void pcep_session_tick(struct pcep_session *session, struct mono now)
{
    if (session->sm.current == SESSION_DOWN)
        return;
    if (session->sm.current != SESSION_UP) {
        if (mono_reached(session->wait_until, now))
            pcep_open_timeout(session);
        return;
    }
    if (mono_reached(dead_at(session), now)) {
        pcep_send_close(session, PCEP_CLOSE_DEAD);
        pcep_down(session, ERR_TIMEOUT, "the peer was silent for %u s, its dead time", session->peer.dead_s);
        return;
    }
    /* What waits in the output will be heard; its sending counts. */
    if (mono_reached(keepalive_at(session), now)) {
        session->sent = now;
        if (!session->output.length)
            pcep_send_empty(session, PCEP_KEEPALIVE);
    }
    pcep_pce_tick(session, now);
}

struct mono pcep_session_deadline(const struct pcep_session *session)
{
    if (session->sm.current == SESSION_DOWN)
        return MONO_NEVER;
    if (session->sm.current != SESSION_UP)
        return session->wait_until;
    return mono_min(mono_min(dead_at(session), keepalive_at(session)), pcep_pce_deadline(session));
}
