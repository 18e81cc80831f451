/* SPDX-License-Identifier: Apache-2.0 */
/* One PCEP session as a pure state machine, for both roles: bytes, requests and time go in; bytes to send and events
 * come out. No socket, no clock: `now` is an argument, and pcep_session_deadline() says when to call again.
 *
 *   created: Open sent ── Open ──> Keepalive sent, keep wait ── Keepalive ──> UP
 *   open wait, keep wait: values that the other side does not want are negotiated once (RFC 5440 §6.2, §A)
 *   any state ── silence, Close, error, broken framing, pcep_session_closed() ──> DOWN
 *
 * How a driver uses it: after each call, send what pcep_session_output() has, and drain pcep_session_event(). Once an
 * event PCEP_EVENT_DOWN has come, send what is left, close the socket and free the session; the next connection gets a
 * new one. That a peer has one session only is the driver's business: pcep_session_reject() for the second.
 *
 * The PCE (RFC 8231, 8281)
 *   After UP the PCC tells all LSPs that it has: PCEP_EVENT_REPORT each, then PCEP_EVENT_SYNCED. Nothing is asked of it
 *   before. Each of initiate, update and remove ends with exactly one PCEP_EVENT_DONE: when the first report comes that
 *   answers it, or an error, or none in time, or when the session goes. How a signalled LSP goes on, its reports tell:
 *   taken and going up, then up, or down with the error. A report that says nothing new makes no event (real PCCs
 *   repeat themselves); the one that ends a request comes before its DONE.
 *   Path computation requests are answered: no path (RFC 5440 §6.5), as the gateway computes what it initiates itself.
 *
 * The PCC
 *   After UP its owner reports every LSP, then calls pcep_session_synced(); until then reports have the SYNC flag. The
 *   PCE's wishes are events; the owner answers each by a report with its SRP-ID, or by pcep_session_refuse(). What the
 *   PCE must not ask (unknown or foreign LSPs, names in use, other path setup types) is refused without an event.
 *   PLSP-IDs are the session's; the owner knows LSPs by name. It says in each report whether the LSP is delegated to
 *   this PCE, so that with sessions to two PCEs, it is to the one that asked for it. */
#ifndef PROTO_PCEP_SESSION_H
#define PROTO_PCEP_SESSION_H

#include "base/mono.h"
#include "proto/pcep/pcep.h"

enum pcep_role { PCEP_PCC, PCEP_PCE };

struct pcep_session_config {
    enum pcep_role role;
    uint8_t keepalive_s; /* how often we let the peer hear of us; 0: never, when idle */
    uint8_t dead_s;      /* after which silence of ours the peer may give up; >= keepalive_s; 0 if that is 0 */
    uint8_t sid;         /* another one for each session with a peer (RFC 5440 §7.3) */
    uint32_t setups;     /* bit n: path setup type n is spoken */
    uint8_t sr_depth;    /* if segment routing is */
    char speaker[PCEP_SPEAKER_SIZE]; /* who we are, printable ASCII without blanks: a PCC's router id; "": not told */
    int64_t wait_ms;                 /* for Open, and then for Keepalive; > 0 */
    unsigned unknown_per_minute;     /* more messages that are not known, or answers to nothing, end the session */
    size_t lsps_max;                 /* more are not kept by a PCE, and not set up by a PCC */
};

#define PCEP_SESSION_DEFAULTS(of_role) \
    ((struct pcep_session_config) {.role = (of_role), \
                                   .keepalive_s = 30, \
                                   .dead_s = 120, \
                                   .setups = 1u << PCEP_RSVP_TE, \
                                   .wait_ms = 60000, \
                                   .unknown_per_minute = 5, \
                                   .lsps_max = 65536})

#define PCEP_OUTPUT_MAX (16u << 20) /* a peer that reads so slowly that more waits is given up */

enum pcep_event_type {
    PCEP_EVENT_UP, /* peer */
    /* err: ERR_TIMEOUT, ERR_REFUSED, ERR_MALFORMED, ERR_UNSUPPORTED, ERR_TOO_LARGE, ERR_CANCELLED after
     * pcep_session_end(), or the code that pcep_session_closed() was given */
    PCEP_EVENT_DOWN,
    PCEP_EVENT_ERROR, /* err: what nobody waits for; for the log */
    /* Of a PCE: */
    PCEP_EVENT_SYNCED, /* the reports so far are all that the PCC has */
    PCEP_EVENT_REPORT, /* report, plsp_id, setup, delegated, created */
    PCEP_EVENT_DONE,   /* request, err; has_report: report, too, the one that is the answer */
    /* Of a PCC: */
    PCEP_EVENT_INITIATE, /* srp_id, lsp */
    PCEP_EVENT_UPDATE,   /* srp_id, lsp: its name is filled in, the rest is what the PCE says; delegated: false if the
                          * PCE gives the delegation back, and then it says no more than the name */
    PCEP_EVENT_REMOVE    /* srp_id, lsp: its name */
};

struct pcep_event {
    enum pcep_event_type type;
    uint64_t request;
    /* Of PCEP_EVENT_DONE: code 0, or
     *   ERR_REFUSED       the PCC answered with an error, or with a report of an LSP that failed; the text has the
     *                     words of the RFC
     *   ERR_UNSUPPORTED   the PCC cannot do it (no RSVP-TE, no GMPLS, no initiation); nothing was sent
     *   ERR_EXISTS        initiate: it has an LSP of that name; nothing was sent
     *   ERR_NOT_FOUND     update, remove: it has none; nothing was sent
     *   ERR_CONFLICT      update, remove: the LSP is not delegated to us, or no PCE initiated it; nothing was sent
     *   ERR_UNREACHABLE   the session is not up, or not synchronised yet; nothing was sent
     *   ERR_TOO_LARGE, ERR_INVALID   it cannot be encoded; nothing was sent
     *   ERR_TIMEOUT       no answer in time
     *   ERR_MALFORMED     the answer cannot be read
     *   ERR_UNKNOWN       the session went before an answer came */
    struct err err;
    struct pcep_open peer;
    uint32_t srp_id, plsp_id;
    uint8_t setup; /* path setup type */
    bool delegated, created, has_report;
    struct lsp_report report; /* owned by the event, unless the caller takes the members and zeroes it */
    struct lsp_request lsp;   /* the same */
};

struct pcep_session;

/* The connection stands. Never null; the Open is in the output already. */
struct pcep_session *pcep_session_new(const struct pcep_session_config *config, struct mono now);
void pcep_session_free(struct pcep_session *session); /* null is fine */

/* Bytes of the stream as they came, any number. All messages that are whole are handled before it returns; the events
 * that wait are bounded by the size of these bytes. */
void pcep_session_receive(struct pcep_session *session, const uint8_t *bytes, size_t size, struct mono now);
/* The stream is gone; 'reason' becomes the text of PCEP_EVENT_DOWN, 'code' its code. No-op after DOWN. */
void pcep_session_closed(struct pcep_session *session, int code, const char *reason);
/* To be called at pcep_session_deadline() or later; harmless before. */
void pcep_session_tick(struct pcep_session *session, struct mono now);
struct mono pcep_session_deadline(const struct pcep_session *session); /* MONO_NEVER after DOWN */

/* The bytes to send. They stay until pcep_session_sent() says how many went; null and 0 if there are none. */
const uint8_t *pcep_session_output(const struct pcep_session *session, size_t *size);
void pcep_session_sent(struct pcep_session *session, size_t size, struct mono now);

/* Takes the oldest event; false if there is none. The caller ends each with pcep_event_free(). */
bool pcep_session_event(struct pcep_session *session, struct pcep_event *event);
void pcep_event_free(struct pcep_event *event);

bool pcep_session_is_up(const struct pcep_session *session);
bool pcep_session_is_synced(const struct pcep_session *session); /* either role */

/* Sends Close and goes DOWN; no-op after DOWN. */
void pcep_session_end(struct pcep_session *session, const char *reason);
/* Sends PCErr 9/1 and goes DOWN: the peer has a session already (RFC 5440 §7.15). */
void pcep_session_reject(struct pcep_session *session);

/* Requests of a PCE. 'request' names it in its PCEP_EVENT_DONE, which may wait at once; 'timeout_ms' > 0. */
void pcep_session_initiate(struct pcep_session *session, const struct lsp_request *lsp, uint64_t request,
                           int64_t timeout_ms, struct mono now);
/* The LSP of that name shall have this route, bandwidth and so on. */
void pcep_session_update(struct pcep_session *session, const struct lsp_request *lsp, uint64_t request,
                         int64_t timeout_ms, struct mono now);
void pcep_session_remove(struct pcep_session *session, const char *name, uint64_t request, int64_t timeout_ms,
                         struct mono now);
/* An item as the codec has it, whose 'setup', name, endpoints, ERO and attributes are filled in: for LSPs of segment
 * routing. 'type' is PCEP_INITIATE or PCEP_UPDATE. The item's members are the session's then. */
void pcep_session_ask(struct pcep_session *session, enum pcep_type type, struct pcep_item *item, uint64_t request,
                      int64_t timeout_ms, struct mono now);

/* Of a PCC. No-ops unless the session is up with a stateful PCE. */

/* 'flags': PCEP_DELEGATE, PCEP_CREATE (some PCE initiated it), or 0. 'srp_id': of the event that it answers, which it
 * stays in all reports until the LSP's state is settled; 0: unasked. After a report of a removed LSP its name is
 * free. */
void pcep_session_report(struct pcep_session *session, const struct lsp_report *report, unsigned flags,
                         uint32_t srp_id);
/* All LSPs have been reported. */
void pcep_session_synced(struct pcep_session *session);
/* Refuses what an event asked: with a PCErr, e.g. PCEP_ERR_INSTANTIATION, 1. */
void pcep_session_refuse(struct pcep_session *session, uint32_t srp_id, uint8_t type, uint8_t value);

#endif
