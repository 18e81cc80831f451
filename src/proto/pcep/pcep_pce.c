/* SPDX-License-Identifier: Apache-2.0 */
/* The PCE's side: what is asked of the PCC, its reports, and which answer which (RFC 8231 §5.6, §6.1, RFC 8281 §5). */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/pcep/pcep_session_internal.h"

#define SRP_ID_MAX 0xfffffffeu       /* RFC 8231 §7.2: 0 and the last one are reserved */
#define NO_PATH_PCE_UNAVAILABLE 0x1u /* RFC 5440 §7.5 */

/* Asking */

/* Ends a request; returns its event, to which the caller may add the report. */
static struct pcep_event *done(struct pcep_session *session, uint64_t request, int code, const char *text)
{
    struct pcep_event *event = pcep_event_add(session, PCEP_EVENT_DONE);

    event->request = request;
    if (code)
        err_set(&event->err, code, "%s", text);
    return event;
}

/* Whether the PCC could do it at all: 0, or a code and a sentence. */
static int peer_check(const struct pcep_session *session, uint8_t type, uint8_t setup, struct err *err)
{
    const struct pcep_open *peer = &session->peer;
    uint32_t needed = type == PCEP_INITIATE ? PCEP_LSP_INITIATE : PCEP_LSP_UPDATE;
    uint32_t gmpls = type == PCEP_INITIATE ? PCEP_GMPLS_INITIATE : PCEP_GMPLS_UPDATE;

    if (session->sm.current != SESSION_UP)
        return err_set(err, ERR_UNREACHABLE, "the PCEP session with the ingress is not up");
    if (!peer->stateful || !(peer->stateful_flags & needed))
        return err_set(err, ERR_UNSUPPORTED,
                       "the ingress lets no PCE %s LSPs (its Open lacks flag %s of "
                       "STATEFUL-PCE-CAPABILITY); allow it there",
                       type == PCEP_INITIATE ? "initiate" : "update", type == PCEP_INITIATE ? "I" : "U");
    if (setup > 31 || !pcep_open_can(peer, setup) || !pcep_open_can(&session->own, setup))
        return err_set(err, ERR_UNSUPPORTED,
                       "path setup type %u%s is not among those that both the ingress and we "
                       "announce in PATH-SETUP-TYPE-CAPABILITY",
                       setup,
                       setup == PCEP_RSVP_TE ? " (RSVP-TE)" :
                       setup == PCEP_SR      ? " (segment routing)" :
                                               "");
    if (setup == PCEP_RSVP_TE && (!peer->gmpls || !(peer->gmpls_flags & gmpls)))
        return err_set(err, ERR_UNSUPPORTED,
                       "the ingress signals no bidirectional LSPs for a PCE (its Open lacks flag "
                       "%s of GMPLS-CAPABILITY)",
                       type == PCEP_INITIATE ? "I" : "U");
    if (!session->synced)
        return err_set(err, ERR_UNREACHABLE, "the ingress has not told all of its LSPs yet; try again in a moment");
    return 0;
}

static int name_check(struct pcep_session *session, uint8_t type, bool remove, const char *name, struct err *err)
{
    const struct pcep_lsp *lsp = pcep_lsp_find_name(session, name);

    if (type == PCEP_INITIATE && !remove) {
        if (!name[0])
            return err_set(err, ERR_INVALID, "an LSP needs a name");
        for (size_t i = 0; i < session->n_waits; i++)
            if (strcmp(session->waits[i].name, name) == 0)
                return err_set(err, ERR_EXISTS, "LSP '%s' is being asked for already", name);
        return lsp ? err_set(err, ERR_EXISTS, "the ingress has an LSP '%s' already", name) : 0;
    }
    if (!lsp)
        return err_set(err, ERR_NOT_FOUND, "the ingress has no LSP '%s'", name);
    if (!lsp->delegated)
        return err_set(err, ERR_CONFLICT, "LSP '%s' is not delegated to us", name);
    if (remove && !lsp->created)
        return err_set(err, ERR_CONFLICT, "LSP '%s' was set up by the ingress itself, which alone can remove it", name);
    return 0;
}

/* Sends the item; its has, id and plsp_id are filled in here. */
static void ask(struct pcep_session *session, uint8_t type, bool remove, struct pcep_item *item, uint64_t request,
                int64_t timeout_ms, struct mono now)
{
    struct pcep_message message = {.type = type, .items = item, .n_items = 1};
    struct err err = {0};
    int rc = peer_check(session, type, item->setup, &err);
    const struct pcep_lsp *lsp;

    if (rc == 0)
        rc = name_check(session, type, remove, item->name, &err);
    if (rc == 0) {
        lsp = pcep_lsp_find_name(session, item->name);
        item->has |= PCEP_HAS_SRP | PCEP_HAS_SETUP | PCEP_HAS_LSP;
        item->id = session->next_srp_id;
        item->remove = remove;
        item->plsp_id = lsp ? lsp->plsp_id : 0;
        if (remove)
            item->setup = lsp->setup;
        rc = pcep_try_send(session, &message, &err);
    }
    if (rc == 0) {
        session->waits = array_reserve(session->waits, session->n_waits, &session->cap_waits, sizeof session->waits[0]);
        struct pcep_wait *wait = &session->waits[session->n_waits++];

        *wait = (struct pcep_wait) {
            .srp_id = item->id, .request = request, .until = mono_add(now, timeout_ms), .type = type, .remove = remove};
        memcpy(wait->name, item->name, sizeof wait->name);
        session->next_srp_id = session->next_srp_id == SRP_ID_MAX ? 1 : session->next_srp_id + 1;
    } else {
        done(session, request, rc, err.text);
    }
    pcep_item_free(item);
}

void pcep_session_initiate(struct pcep_session *session, const struct lsp_request *lsp, uint64_t request,
                           int64_t timeout_ms, struct mono now)
{
    struct pcep_item item = {.setup = PCEP_RSVP_TE};

    pcep_item_from_request(&item, lsp, true);
    ask(session, PCEP_INITIATE, false, &item, request, timeout_ms, now);
}

void pcep_session_update(struct pcep_session *session, const struct lsp_request *lsp, uint64_t request,
                         int64_t timeout_ms, struct mono now)
{
    struct pcep_item item = {.setup = PCEP_RSVP_TE};

    pcep_item_from_request(&item, lsp, true);
    ask(session, PCEP_UPDATE, false, &item, request, timeout_ms, now);
}

void pcep_session_remove(struct pcep_session *session, const char *name, uint64_t request, int64_t timeout_ms,
                         struct mono now)
{
    const struct pcep_lsp *lsp = pcep_lsp_find_name(session, name);
    struct pcep_item item = {.has = PCEP_HAS_NAME, .setup = lsp ? lsp->setup : PCEP_RSVP_TE, .flags = PCEP_DELEGATE};

    snprintf(item.name, sizeof item.name, "%s", name);
    ask(session, PCEP_INITIATE, true, &item, request, timeout_ms, now);
}

void pcep_session_ask(struct pcep_session *session, enum pcep_type type, struct pcep_item *item, uint64_t request,
                      int64_t timeout_ms, struct mono now)
{
    item->flags |= PCEP_DELEGATE | PCEP_ADMIN_UP;
    ask(session, (uint8_t) type, false, item, request, timeout_ms, now);
}

/* Answers */

static struct pcep_wait *wait_find(struct pcep_session *session, uint32_t srp_id)
{
    for (size_t i = 0; i < session->n_waits; i++)
        if (session->waits[i].srp_id == srp_id)
            return &session->waits[i];
    return NULL;
}

static void wait_remove(struct pcep_session *session, struct pcep_wait *wait)
{
    size_t at = (size_t) (wait - session->waits);

    memmove(wait, wait + 1, (--session->n_waits - at) * sizeof *wait);
}

static void answered_by_report(struct pcep_session *session, struct pcep_wait *wait, const struct lsp_report *report)
{
    bool failed = !wait->remove && (report->removed || (report->state == LSP_DOWN && report->error.code));
    AUTO_FREE char *why = failed ? lsp_error_format(&report->error) : NULL;
    AUTO_FREE char *text = failed ? xasprintf("LSP '%s' failed: %s", report->name, why) : NULL;
    struct pcep_event *event = done(session, wait->request, failed ? ERR_REFUSED : 0, text);

    event->has_report = true;
    event->report = lsp_report_copy(report);
    wait_remove(session, wait);
}

static void error_received(struct pcep_session *session, const struct pcep_item *item)
{
    AUTO_FREE char *error = pcep_error_format(item->error_type, item->error_value);
    struct pcep_wait *wait = item->has & PCEP_HAS_SRP ? wait_find(session, item->id) : NULL;

    if (!wait) {
        pcep_complain(session, ERR_REFUSED, "the ingress sent an error: %s", error);
        return;
    }
    AUTO_FREE char *text = xasprintf("the ingress refused to %s LSP '%s': %s",
                                     wait->remove                ? "remove" :
                                     wait->type == PCEP_INITIATE ? "set up" :
                                                                   "change",
                                     wait->name, error);

    done(session, wait->request, ERR_REFUSED, text);
    wait_remove(session, wait);
}

void pcep_pce_undecodable(struct pcep_session *session, uint32_t srp_id, const struct err *err)
{
    struct pcep_wait *wait = wait_find(session, srp_id);

    if (!wait)
        return;
    done(session, wait->request, ERR_MALFORMED, err->text);
    wait_remove(session, wait);
}

/* Reports */

/* The report as bytes, without what differs from one repetition to the next. True if they are the same as last time. */
static bool repeats(struct pcep_lsp *lsp, const struct pcep_item *item)
{
    uint8_t bytes[PCEP_MESSAGE_MAX];
    struct wire w = wire_writer(bytes, sizeof bytes);
    struct pcep_item same = *item;

    same.has &= ~(uint32_t) PCEP_HAS_SRP;
    same.flags = (uint16_t) (same.flags & ~(unsigned) PCEP_SYNC);
    if (pcep_encode(&w, &(struct pcep_message) {.type = PCEP_REPORT, .items = &same, .n_items = 1}, NULL) < 0)
        return false;
    if (lsp->last && lsp->last_size == w.pos && memcmp(lsp->last, bytes, w.pos) == 0)
        return true;
    free(lsp->last);
    lsp->last = xmemdup(bytes, w.pos);
    lsp->last_size = w.pos;
    return false;
}

/* The LSP that a report is about, added if it is new; null if the report cannot be taken, after saying so. */
static struct pcep_lsp *reported(struct pcep_session *session, const struct pcep_item *item)
{
    uint32_t has = item->has & PCEP_HAS_SRP;
    struct pcep_lsp *lsp = pcep_lsp_find(session, item->plsp_id);

    if (lsp)
        return lsp;
    if (!(item->has & PCEP_HAS_NAME)) {
        pcep_complain(session, ERR_MALFORMED, "the ingress reports LSP %u, which is new, without a name",
                      item->plsp_id);
        pcep_send_error(session, PCEP_ERR_INVALID_OBJECT, 8, has, item->id);
        return NULL;
    }
    if (session->n_lsps >= session->config.lsps_max) {
        pcep_complain(session, ERR_TOO_LARGE, "the ingress reports more than %zu LSPs; '%s' is not kept",
                      session->config.lsps_max, item->name);
        pcep_send_error(session, PCEP_ERR_SYNC, 1, has, item->id);
        return NULL;
    }
    /* PLSP-IDs stay for the life of a session (RFC 8231 §7.3): this LSP took the place of one that went unheard. */
    if ((lsp = pcep_lsp_find_name(session, item->name)))
        pcep_lsp_remove(session, lsp);
    return pcep_lsp_add(session, item->plsp_id, item->name);
}

/* What an LSP's later reports need not repeat (RFC 8231 §7.3.2). */
static void merge(struct pcep_lsp *lsp, struct pcep_item *item, struct lsp_report *report)
{
    if (!report->name[0])
        memcpy(report->name, lsp->name, sizeof report->name);
    if (!report->ingress && !report->egress) {
        report->ingress = lsp->ingress;
        report->egress = lsp->egress;
    }
    memcpy(lsp->name, report->name, sizeof lsp->name);
    lsp->ingress = report->ingress;
    lsp->egress = report->egress;
    lsp->delegated = item->flags & PCEP_DELEGATE;
    lsp->created = item->flags & PCEP_CREATE;
    if (item->has & PCEP_HAS_SETUP)
        lsp->setup = item->setup;
}

static void report_received(struct pcep_session *session, struct pcep_item *item)
{
    struct pcep_wait *wait = item->has & PCEP_HAS_SRP && item->id ? wait_find(session, item->id) : NULL;
    bool removed = item->flags & PCEP_REMOVE;
    struct lsp_report report;
    struct err err = {0};

    /* An LSP that is gone may be reported as gone more than once, also to answer a request. */
    if (removed && !pcep_lsp_find(session, item->plsp_id) && !wait)
        return;
    struct pcep_lsp *lsp = reported(session, item);

    if (!lsp)
        return;
    if (pcep_item_to_report(item, &report, &err) < 0)
        pcep_complain(session, err.code, "the ingress reports LSP '%s': %.400s", lsp->name, err.text);
    merge(lsp, item, &report);
    if (!repeats(lsp, item)) {
        struct pcep_event *event = pcep_event_add(session, PCEP_EVENT_REPORT);

        event->report = lsp_report_copy(&report);
        event->plsp_id = lsp->plsp_id;
        event->setup = lsp->setup;
        event->delegated = lsp->delegated;
        event->created = lsp->created;
    }
    if (wait)
        answered_by_report(session, wait, &report);
    if (removed)
        pcep_lsp_remove(session, lsp);
    lsp_report_free(&report);
}

/* RFC 8231 §5.6: the end of the synchronisation is a report of LSP 0. */
static void item_received(struct pcep_session *session, struct pcep_item *item)
{
    if (item->plsp_id != 0) {
        report_received(session, item);
        return;
    }
    if (item->flags & PCEP_SYNC || session->synced)
        return;
    session->synced = true;
    pcep_event_add(session, PCEP_EVENT_SYNCED);
}

static void requests_received(struct pcep_session *session, const struct pcep_message *message)
{
    struct pcep_message reply = {.type = PCEP_REPLY};

    for (size_t i = 0; i < message->n_items; i++) {
        struct pcep_item *item = pcep_message_add(&reply);

        item->has = PCEP_HAS_RP | PCEP_HAS_NO_PATH | (message->items[i].has & PCEP_HAS_SETUP);
        item->id = message->items[i].id;
        item->setup = message->items[i].setup;
        item->no_path_vector = NO_PATH_PCE_UNAVAILABLE;
    }
    pcep_send(session, &reply);
    pcep_complain(session, ERR_UNSUPPORTED, "the ingress asked for %zu paths; we compute none on request",
                  message->n_items);
    pcep_message_free(&reply);
}

void pcep_pce_message(struct pcep_session *session, const struct pcep_message *message)
{
    switch (message->type) {
    case PCEP_REPORT:
        for (size_t i = 0; i < message->n_items && session->sm.current == SESSION_UP; i++)
            item_received(session, &message->items[i]);
        break;
    case PCEP_REQUEST:
        requests_received(session, message);
        break;
    case PCEP_ERROR:
        for (size_t i = 0; i < message->n_items; i++)
            error_received(session, &message->items[i]);
        break;
    default: /* a reply to a request that a PCE does not make */
        pcep_count_unasked(session);
        break;
    }
}

/* Time, and the end */

void pcep_pce_tick(struct pcep_session *session, struct mono now)
{
    for (size_t i = 0; i < session->n_waits;) {
        struct pcep_wait *wait = &session->waits[i];

        if (!mono_reached(wait->until, now)) {
            i++;
            continue;
        }
        AUTO_FREE char *text = xasprintf("the ingress did not answer in time what was asked for LSP '%s'", wait->name);

        done(session, wait->request, ERR_TIMEOUT, text);
        wait_remove(session, wait);
    }
}

struct mono pcep_pce_deadline(const struct pcep_session *session)
{
    struct mono next = MONO_NEVER;

    for (size_t i = 0; i < session->n_waits; i++)
        next = mono_min(next, session->waits[i].until);
    return next;
}

void pcep_pce_end(struct pcep_session *session, const char *reason)
{
    for (size_t i = 0; i < session->n_waits; i++)
        done(session, session->waits[i].request, ERR_UNKNOWN, reason);
    session->n_waits = 0;
}
