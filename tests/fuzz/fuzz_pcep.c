/* SPDX-License-Identifier: Apache-2.0 */
/* What a PCEP peer sends. Of the first byte, bit 7 is our role, bit 6 whether the handshake went well before, and the
 * rest the size of the pieces in which the bytes arrive (0: all at once). A PCE waits for answers meanwhile; each
 * request must end once. What is understood must be so again after it was written. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/pcep/pcep_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t opening[] = {
    0x20, 1,  0, 40, 1, 0x10, 0, 36, 0x20, 30, 120, 9, 0, 16, 0, 4, 0, 0, 0, 5, /* Open, stateful U, I */
    0,    34, 0, 8,  0, 0,    0, 1,  0,    0,  0,   0, 0, 45, 0, 4, 0, 0, 0, 7, /* setup type 0, GMPLS */
    0x20, 2,  0, 4,                                                             /* Keepalive */
};
static const uint8_t end_of_sync[] = {0x20, 10, 0, 16, 0x20, 0x10, 0, 8, 0, 0, 0, 0, 7, 0x10, 0, 4};

static void there_and_back(const uint8_t *bytes, size_t size)
{
    static uint8_t again[PCEP_MESSAGE_MAX];
    struct wire w = wire_writer(again, sizeof again);
    struct pcep_message message, back;
    struct pcep_refusal refusal;
    struct err err = {0};

    if (pcep_decode(bytes, size, &message, &refusal, &err) < 0)
        return;
    AUTO_FREE char *text = pcep_message_format(&message);

    for (size_t i = 0; i < message.n_items; i++) {
        struct lsp_request request;
        struct lsp_report report;

        pcep_item_to_request(&message.items[i], &request, &err);
        pcep_item_to_report(&message.items[i], &report, &err);
        lsp_request_free(&request);
        lsp_report_free(&report);
        /* Of what an item has of both kinds of endpoints, and of what was skipped, only a part is written. */
        if (message.items[i].has & PCEP_HAS_ENDPOINTS)
            message.items[i].has &= ~(uint32_t) PCEP_HAS_GENERALIZED_ENDPOINTS;
    }
    bool written = text && pcep_encode(&w, &message, &err) == 0;

    if (written && pcep_decode(again, w.pos, &back, &refusal, &err) < 0)
        abort();
    if (written)
        pcep_message_free(&back);
    pcep_message_free(&message);
}

static unsigned drain(struct pcep_session *session)
{
    struct pcep_event event;
    unsigned done = 0;
    size_t size;

    while (pcep_session_event(session, &event)) {
        done += event.type == PCEP_EVENT_DONE;
        if (event.type == PCEP_EVENT_INITIATE && event.lsp.route.n % 2)
            pcep_session_refuse(session, event.srp_id, PCEP_ERR_INSTANTIATION, 1);
        else if (event.type == PCEP_EVENT_INITIATE || event.type == PCEP_EVENT_REMOVE) {
            struct lsp_report report = {.removed = event.type == PCEP_EVENT_REMOVE};

            memcpy(report.name, event.lsp.name, sizeof report.name);
            pcep_session_report(session, &report, PCEP_DELEGATE | PCEP_CREATE, event.srp_id);
        }
        pcep_event_free(&event);
    }
    pcep_session_output(session, &size);
    pcep_session_sent(session, size, (struct mono) {0});
    return done;
}

static unsigned ask(struct pcep_session *session, struct mono now)
{
    struct lsp_request lsp = {.ingress = 1, .egress = 2, .name = "a"};

    for (uint64_t i = 1; i <= 4; i++) {
        lsp.name[0] = (char) ('a' + i);
        pcep_session_initiate(session, &lsp, i, 1000, now);
    }
    lsp_request_free(&lsp);
    return 4;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mono now = {0};

    if (size == 0)
        return 0;
    struct pcep_session_config config = PCEP_SESSION_DEFAULTS(data[0] & 0x80 ? PCEP_PCE : PCEP_PCC);
    size_t piece = data[0] & 0x3f ? data[0] & 0x3f : size;
    unsigned asked = 0, done = 0;

    there_and_back(data + 1, size - 1);
    config.setups |= 1u << PCEP_SR;
    struct pcep_session *session = pcep_session_new(&config, now);

    if (data[0] & 0x40) {
        pcep_session_receive(session, opening, sizeof opening, now);
        if (!pcep_session_is_up(session))
            abort();
        if (config.role == PCEP_PCE) {
            pcep_session_receive(session, end_of_sync, sizeof end_of_sync, now);
            asked = ask(session, now);
        }
    }
    for (size_t at = 1; at < size; at += piece) {
        pcep_session_receive(session, data + at, at + piece < size ? piece : size - at, now);
        done += drain(session);
    }
    pcep_session_tick(session, mono_add(now, 500));
    pcep_session_closed(session, ERR_IO, "closed");
    done += drain(session);
    if (done != asked)
        abort();
    pcep_session_free(session);
    return 0;
}
