/* SPDX-License-Identifier: Apache-2.0 */
/* How a session comes up: both sides send Open at once, each takes the other's with a Keepalive, or proposes other
 * values in a PCErr, once (RFC 5440 §4.2.1, §6.2, §A). */
#include <string.h>

#include "base/alloc.h"
#include "proto/pcep/pcep_session_internal.h"

/* Values of PCEP_ERR_OPEN. */
enum {
    OPEN_INVALID = 1,
    OPEN_NONE_IN_TIME = 2,
    OPEN_NEGOTIABLE = 4,
    OPEN_SECOND_UNACCEPTABLE = 5,
    OPEN_PROPOSAL_UNACCEPTABLE = 6,
    OPEN_NO_KEEPALIVE_IN_TIME = 7,
    OPEN_VERSION = 8
};

static void send_open(struct pcep_session *session)
{
    pcep_send(session, &(struct pcep_message) {.type = PCEP_OPEN, .has_open = true, .open = session->own});
}

void pcep_open_begin(struct pcep_session *session, struct mono now)
{
    const struct pcep_session_config *config = &session->config;
    bool rsvp_te = config->setups >> PCEP_RSVP_TE & 1, sr = config->setups >> PCEP_SR & 1;

    session->own = (struct pcep_open) {
        .version = PCEP_VERSION,
        .keepalive_s = config->keepalive_s,
        .dead_s = config->dead_s,
        .sid = config->sid,
        .stateful = true,
        .stateful_flags = PCEP_LSP_UPDATE | PCEP_LSP_INITIATE,
        .has_setups = true,
        .setups = config->setups,
        .sr = sr,
        .sr_depth = config->sr_depth,
        .gmpls = rsvp_te,
        .gmpls_flags = rsvp_te ? PCEP_GMPLS_REPORT | PCEP_GMPLS_UPDATE | PCEP_GMPLS_INITIATE : 0,
    };
    memcpy(session->own.speaker, config->speaker, sizeof session->own.speaker);
    session->wait_until = mono_add(now, config->wait_ms);
    send_open(session);
}

/* The session has never been up: the error is the last that is sent (RFC 5440 §6.2). */
static void fail(struct pcep_session *session, uint8_t value, int code, const char *why)
{
    pcep_send_error(session, PCEP_ERR_OPEN, value, 0, 0);
    pcep_down(session, code, "%s", why);
}

/* A dead time that is shorter than what the peer itself lets pass would end every idle session. */
static bool is_acceptable(const struct pcep_open *open)
{
    return !open->keepalive_s || !open->dead_s || open->dead_s >= open->keepalive_s;
}

static void wait_in(struct pcep_session *session, enum pcep_session_state state, struct mono now)
{
    if (session->sm.current != state)
        sm_move(&session->sm, state);
    session->wait_until = mono_add(now, session->config.wait_ms);
}

static void come_up(struct pcep_session *session)
{
    sm_move(&session->sm, SESSION_UP);
    session->sent = session->heard;
    pcep_event_add(session, PCEP_EVENT_UP)->peer = session->peer;
}

static void propose(struct pcep_session *session, const struct pcep_open *open, struct mono now)
{
    struct pcep_item item = {.has = PCEP_HAS_ERROR, .error_type = PCEP_ERR_OPEN, .error_value = OPEN_NEGOTIABLE};
    struct pcep_message message = {.type = PCEP_ERROR, .items = &item, .n_items = 1, .has_open = true, .open = *open};

    if (session->retried) {
        fail(session, OPEN_SECOND_UNACCEPTABLE, ERR_UNSUPPORTED,
             "the peer's dead time is shorter than its keepalive time, also in its second Open");
        return;
    }
    session->retried = true;
    message.open.dead_s = open->keepalive_s > UINT8_MAX / 4 ? UINT8_MAX : (uint8_t) (open->keepalive_s * 4);
    pcep_send(session, &message);
    wait_in(session, session->local_ok ? SESSION_OPEN_WAIT : SESSION_KEEP_WAIT, now);
}

static void open_received(struct pcep_session *session, const struct pcep_open *open, struct mono now)
{
    session->heard_open = true;
    if (open->version != PCEP_VERSION) {
        fail(session, OPEN_VERSION, ERR_UNSUPPORTED, "the peer's Open is of another PCEP version than 1");
        return;
    }
    if (!is_acceptable(open)) {
        propose(session, open, now);
        return;
    }
    session->peer = *open;
    session->remote_ok = true;
    pcep_send_empty(session, PCEP_KEEPALIVE);
    if (session->local_ok)
        come_up(session);
    else
        wait_in(session, SESSION_KEEP_WAIT, now);
}

static void keepalive_received(struct pcep_session *session, struct mono now)
{
    if (session->local_ok)
        return; /* and the wait for the peer's other Open goes on */
    session->local_ok = true;
    if (session->remote_ok)
        come_up(session);
    else
        wait_in(session, SESSION_OPEN_WAIT, now);
}

static void error_received(struct pcep_session *session, const struct pcep_message *message, struct mono now)
{
    const struct pcep_item *item = &message->items[0];
    AUTO_FREE char *error = pcep_error_format(item->error_type, item->error_value);

    if (item->error_type != PCEP_ERR_OPEN || item->error_value != OPEN_NEGOTIABLE) {
        pcep_down(session, ERR_REFUSED, "the peer refused the session: %s", error);
        return;
    }
    /* Once is enough: our second Open is the peer's own proposal. */
    if (!message->has_open || !is_acceptable(&message->open) || session->local_ok || session->adjusted) {
        fail(session, OPEN_PROPOSAL_UNACCEPTABLE, ERR_REFUSED,
             "the peer wants other values in our Open than keepalive and dead time, or such as cannot be");
        return;
    }
    session->adjusted = true;
    session->own.keepalive_s = message->open.keepalive_s;
    session->own.dead_s = message->open.keepalive_s ? message->open.dead_s : 0;
    send_open(session);
    wait_in(session, session->remote_ok ? SESSION_KEEP_WAIT : SESSION_OPEN_WAIT, now);
}

void pcep_open_message(struct pcep_session *session, const struct pcep_message *message, struct mono now)
{
    switch (message->type) {
    case PCEP_OPEN:
        if (!session->remote_ok) {
            open_received(session, &message->open, now);
            return;
        }
        break;
    case PCEP_KEEPALIVE:
        if (session->heard_open) {
            keepalive_received(session, now);
            return;
        }
        break;
    case PCEP_ERROR:
        error_received(session, message, now);
        return;
    case PCEP_CLOSE:
        pcep_down(session, ERR_REFUSED, "the peer closed the session before it was up: %s",
                  pcep_close_name(message->close_reason));
        return;
    default:
        break;
    }
    pcep_send_error(session, PCEP_ERR_OPEN, OPEN_INVALID, 0, 0);
    pcep_down(session, ERR_MALFORMED, "the peer sent a %s where an Open or Keepalive was due",
              pcep_type_name(message->type));
}

void pcep_open_undecodable(struct pcep_session *session, const struct pcep_refusal *refusal, const struct err *err)
{
    bool version = refusal->type == PCEP_ERR_OPEN && refusal->value == OPEN_VERSION;

    pcep_send_error(session, PCEP_ERR_OPEN, version ? OPEN_VERSION : OPEN_INVALID, 0, 0);
    pcep_down(session, err->code, "the peer does not speak PCEP as we do: %.400s", err->text);
}

void pcep_open_timeout(struct pcep_session *session)
{
    if (session->sm.current == SESSION_OPEN_WAIT)
        fail(session, OPEN_NONE_IN_TIME, ERR_TIMEOUT, "the peer sent no Open in time");
    else
        fail(session, OPEN_NO_KEEPALIVE_IN_TIME, ERR_TIMEOUT, "the peer did not answer our Open in time");
}
