/* SPDX-License-Identifier: Apache-2.0 */
/* The PCC's side: what the PCE asks, checked against what it was told (RFC 8231 §5.8, RFC 8281 §5), and reports. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/pcep/pcep_session_internal.h"

/* Values of PCEP_ERR_OPERATION. */
enum {
    OPERATION_NOT_DELEGATED = 1,
    OPERATION_UNKNOWN_PLSP_ID = 3,
    OPERATION_LIMIT = 6,
    OPERATION_PLSP_ID_GIVEN = 8,
    OPERATION_NOT_INITIATED = 9,
    OPERATION_NO_GMPLS = 28
};

static bool can_report(const struct pcep_session *session)
{
    return session->sm.current == SESSION_UP && session->peer.stateful;
}

static bool with_gmpls(const struct pcep_session *session)
{
    return session->own.gmpls && session->peer.gmpls && session->peer.gmpls_flags & PCEP_GMPLS_REPORT;
}

static void refuse(struct pcep_session *session, const struct pcep_item *item, uint8_t type, uint8_t value)
{
    AUTO_FREE char *error = pcep_error_format(type, value);

    pcep_send_error(session, type, value, PCEP_HAS_SRP, item->id);
    pcep_complain(session, ERR_REFUSED, "the PCE's request %u for LSP '%s' is refused: %s", item->id, item->name,
                  error);
}

static struct pcep_event *wish(struct pcep_session *session, enum pcep_event_type type, const struct pcep_item *item,
                               const char *name)
{
    struct pcep_event *event = pcep_event_add(session, type);

    event->srp_id = item->id;
    event->delegated = true;
    snprintf(event->lsp.name, sizeof event->lsp.name, "%s", name);
    return event;
}

static uint32_t plsp_id_next(struct pcep_session *session)
{
    uint32_t id;

    do {
        id = session->next_plsp_id;
        session->next_plsp_id = id == PCEP_PLSP_ID_MAX ? 1 : id + 1;
    } while (pcep_lsp_find(session, id));
    return id;
}

/* Why the PCE cannot have this LSP; false if it can, as far as it can be seen here. */
static bool initiate_fault(struct pcep_session *session, const struct pcep_item *item, uint8_t *type, uint8_t *value)
{
    bool generalized = item->has & PCEP_HAS_GENERALIZED_ENDPOINTS;
    bool gmpls = item->has & PCEP_HAS_EXTENDED && item->extended & PCEP_EXTENDED_GMPLS;
    const struct {
        bool fault;
        uint8_t type, value;
    } checks[] = {
        {item->plsp_id != 0, PCEP_ERR_OPERATION, OPERATION_PLSP_ID_GIVEN},
        {item->setup > 31 || !pcep_open_can(&session->own, item->setup), PCEP_ERR_SETUP, 1},
        {!(item->has & PCEP_HAS_NAME), PCEP_ERR_INVALID_OBJECT, 8},
        {!(item->has & PCEP_HAS_ENDPOINTS) && !generalized, PCEP_ERR_MISSING, 3},
        {generalized && !gmpls, PCEP_ERR_OPERATION, OPERATION_NO_GMPLS}, /* RFC 9504 §7.4 */
        {generalized && !item->endpoints.has_label_request, PCEP_ERR_MISSING, 20},
        {!(item->has & PCEP_HAS_ERO), PCEP_ERR_MISSING, 9},
        {pcep_lsp_find_name(session, item->name), PCEP_ERR_PARAMETERS, 1},
        {session->n_lsps >= session->config.lsps_max, PCEP_ERR_OPERATION, OPERATION_LIMIT},
    };

    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        if (!checks[i].fault)
            continue;
        *type = checks[i].type;
        *value = checks[i].value;
        return true;
    }
    return false;
}

static void initiate_received(struct pcep_session *session, const struct pcep_item *item)
{
    struct lsp_request lsp;
    struct err err = {0};
    uint8_t type, value;
    int rc;

    if (initiate_fault(session, item, &type, &value)) {
        refuse(session, item, type, value);
    } else if ((rc = pcep_item_to_request(item, &lsp, &err)) < 0) {
        refuse(session, item, PCEP_ERR_INSTANTIATION, 1);
        pcep_complain(session, rc, "the PCE's request %u for LSP '%s': %.400s", item->id, item->name, err.text);
        lsp_request_free(&lsp);
    } else {
        struct pcep_lsp *entry = pcep_lsp_add(session, plsp_id_next(session), item->name);

        entry->delegated = entry->created = true;
        entry->initiating = item->id;
        wish(session, PCEP_EVENT_INITIATE, item, item->name)->lsp = lsp;
    }
}

/* The LSP that the PCE may change; null after refusing. */
static struct pcep_lsp *asked_for(struct pcep_session *session, const struct pcep_item *item)
{
    struct pcep_lsp *lsp = pcep_lsp_find(session, item->plsp_id);

    if (!lsp)
        refuse(session, item, PCEP_ERR_OPERATION, OPERATION_UNKNOWN_PLSP_ID);
    else if (!lsp->delegated)
        refuse(session, item, PCEP_ERR_OPERATION, OPERATION_NOT_DELEGATED);
    else
        return lsp;
    return NULL;
}

static void update_received(struct pcep_session *session, const struct pcep_item *item)
{
    const struct pcep_lsp *lsp = asked_for(session, item);
    struct lsp_request request;
    struct err err = {0};
    int rc;

    if (!lsp)
        return;
    if (!(item->flags & PCEP_DELEGATE)) { /* RFC 8231 §5.7.3: a return, whatever else it says */
        wish(session, PCEP_EVENT_UPDATE, item, lsp->name)->delegated = false;
        return;
    }
    if (item->setup > 31 || !pcep_open_can(&session->own, item->setup)) {
        refuse(session, item, PCEP_ERR_SETUP, 1);
        return;
    }
    if ((rc = pcep_item_to_request(item, &request, &err)) < 0) {
        refuse(session, item, PCEP_ERR_INSTANTIATION, 1);
        pcep_complain(session, rc, "the PCE's request %u for LSP '%s': %.400s", item->id, lsp->name, err.text);
        lsp_request_free(&request);
        return;
    }
    memcpy(request.name, lsp->name, sizeof request.name);
    wish(session, PCEP_EVENT_UPDATE, item, lsp->name)->lsp = request;
}

static void removal_received(struct pcep_session *session, const struct pcep_item *item)
{
    const struct pcep_lsp *lsp = asked_for(session, item);

    if (!lsp)
        return;
    if (!lsp->created)
        refuse(session, item, PCEP_ERR_OPERATION, OPERATION_NOT_INITIATED);
    else
        wish(session, PCEP_EVENT_REMOVE, item, lsp->name);
}

void pcep_pcc_message(struct pcep_session *session, const struct pcep_message *message)
{
    for (size_t i = 0; i < message->n_items && session->sm.current == SESSION_UP; i++) {
        const struct pcep_item *item = &message->items[i];

        if (message->type == PCEP_UPDATE) {
            update_received(session, item);
        } else if (message->type == PCEP_INITIATE && item->remove) {
            removal_received(session, item);
        } else if (message->type == PCEP_INITIATE) {
            initiate_received(session, item);
        } else if (message->type == PCEP_ERROR) {
            AUTO_FREE char *error = pcep_error_format(item->error_type, item->error_value);

            pcep_complain(session, ERR_REFUSED, "the PCE sent an error: %s", error);
        }
    }
    /* A PCC of ours asks for no path. */
    if (message->type == PCEP_REPLY)
        pcep_count_unasked(session);
}

/* Reports */

void pcep_session_report(struct pcep_session *session, const struct lsp_report *report, unsigned flags, uint32_t srp_id)
{
    struct pcep_lsp *lsp = pcep_lsp_find_name(session, report->name);
    struct pcep_item item = {0};

    /* What the PCE was never told of need not be told to be gone, unless it asks. */
    if (!can_report(session) || (!lsp && report->removed && !srp_id))
        return;
    if (!lsp)
        lsp = pcep_lsp_add(session, plsp_id_next(session), report->name);
    lsp->delegated = flags & PCEP_DELEGATE;
    lsp->created = flags & PCEP_CREATE;
    lsp->initiating = 0;
    pcep_item_from_report(&item, report, with_gmpls(session));
    item.plsp_id = lsp->plsp_id;
    item.flags |= (flags & (PCEP_DELEGATE | PCEP_CREATE)) | (session->synced ? 0 : PCEP_SYNC);
    if (srp_id) {
        item.has |= PCEP_HAS_SRP;
        item.id = srp_id;
        item.remove = report->removed;
    }
    pcep_send(session, &(struct pcep_message) {.type = PCEP_REPORT, .items = &item, .n_items = 1});
    pcep_item_free(&item);
    if (report->removed)
        pcep_lsp_remove(session, lsp);
}

void pcep_session_synced(struct pcep_session *session)
{
    struct pcep_item end = {.has = PCEP_HAS_LSP | PCEP_HAS_IDENTIFIERS | PCEP_HAS_ERO};

    if (!can_report(session) || session->synced)
        return;
    session->synced = true;
    pcep_send(session, &(struct pcep_message) {.type = PCEP_REPORT, .items = &end, .n_items = 1});
}

void pcep_session_refuse(struct pcep_session *session, uint32_t srp_id, uint8_t type, uint8_t value)
{
    if (!can_report(session))
        return;
    for (size_t i = session->n_lsps; i-- > 0;)
        if (session->lsps[i].initiating == srp_id)
            pcep_lsp_remove(session, &session->lsps[i]);
    pcep_send_error(session, type, value, PCEP_HAS_SRP, srp_id);
}
