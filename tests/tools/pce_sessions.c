/* SPDX-License-Identifier: Apache-2.0 */
#include "pce_sessions.h"

#include "base/alloc.h"
#include "model/ted.h"

#define TIMEOUT_MS 30000
#define SRP_ID_GIVE_BACK 0x7f000000u /* none that the session reaches */

struct pce {
    struct loop *loop;
    struct listener *listener;
    const struct pce_callbacks *callbacks;
    void *arg;
    struct pcc *pccs;
};

static void free_pcc(struct pcc *pcc)
{
    struct pcc **at = &pcc->pce->pccs;

    while (*at != pcc)
        at = &(*at)->next;
    *at = pcc->next;
    if (pcc->pce->callbacks->gone)
        pcc->pce->callbacks->gone(pcc->pce->arg, pcc);
    if (pcc->stream)
        stream_finish(pcc->stream);
    pcep_session_free(pcc->session);
    timer_free(pcc->timer);
    json_decref(pcc->lsps);
    free(pcc);
}

static void flush(struct pcc *pcc)
{
    size_t n;
    const uint8_t *bytes = pcep_session_output(pcc->session, &n);

    if (!n || !pcc->stream)
        return;
    stream_write(pcc->stream, bytes, n);
    pcep_session_sent(pcc->session, n, loop_now(pcc->pce->loop));
}

static void run(struct pcc *pcc)
{
    struct pcep_event event;

    flush(pcc);
    while (pcep_session_event(pcc->session, &event)) {
        bool last = event.type == PCEP_EVENT_DOWN;

        if (event.type == PCEP_EVENT_UP)
            ipv4_parse(event.peer.speaker, &pcc->router);
        if (event.type == PCEP_EVENT_SYNCED)
            pcc->synced = true;
        pcc->pce->callbacks->event(pcc->pce->arg, pcc, &event);
        pcep_event_free(&event);
        flush(pcc);
        if (last) {
            free_pcc(pcc);
            return;
        }
    }
    timer_set(pcc->timer, pcep_session_deadline(pcc->session));
}

static void timer_rings(void *arg)
{
    struct pcc *pcc = arg;

    pcep_session_tick(pcc->session, loop_now(pcc->pce->loop));
    run(pcc);
}

static size_t stream_data(void *arg, const uint8_t *bytes, size_t n)
{
    struct pcc *pcc = arg;

    pcep_session_receive(pcc->session, bytes, n, loop_now(pcc->pce->loop));
    run(pcc);
    return n;
}

static void stream_down(void *arg, const struct err *reason)
{
    struct pcc *pcc = arg;

    pcc->stream = NULL;
    pcep_session_closed(pcc->session, reason->code, reason->text);
    run(pcc);
}

static void accepted(void *arg, struct stream *stream)
{
    static const struct stream_callbacks callbacks = {.data = stream_data, .down = stream_down};
    struct pce *pce = arg;
    struct pcc *pcc = xcalloc(1, sizeof *pcc);
    struct pcep_session_config config = PCEP_SESSION_DEFAULTS(PCEP_PCE);

    pcc->pce = pce;
    pcc->stream = stream;
    pcc->session = pcep_session_new(&config, loop_now(pce->loop));
    pcc->timer = timer_new(pce->loop, timer_rings, pcc);
    pcc->lsps = json_object();
    pcc->next = pce->pccs;
    pce->pccs = pcc;
    stream_set_callbacks(stream, &callbacks, pcc);
    run(pcc);
}

struct pcc *pce_first(const struct pce *pce)
{
    return pce->pccs;
}

struct pcc *pce_find(const struct pce *pce, uint32_t router)
{
    struct pcc *pcc = pce->pccs;

    while (pcc && pcc->router != router)
        pcc = pcc->next;
    return pcc;
}

void pce_initiate(struct pcc *pcc, const struct lsp_request *lsp, uint64_t request)
{
    pcep_session_initiate(pcc->session, lsp, request, TIMEOUT_MS, loop_now(pcc->pce->loop));
    run(pcc);
}

void pce_remove(struct pcc *pcc, const char *name, uint64_t request)
{
    pcep_session_remove(pcc->session, name, request, TIMEOUT_MS, loop_now(pcc->pce->loop));
    run(pcc);
}

/* Our own PCE gives nothing back, so it is written here. */
void pce_give_back(struct pcc *pcc, uint32_t plsp_id)
{
    struct pcep_item item = {
        .has = PCEP_HAS_SRP | PCEP_HAS_LSP | PCEP_HAS_ERO, .id = SRP_ID_GIVE_BACK, .plsp_id = plsp_id};
    uint8_t bytes[64];
    struct wire w = wire_writer(bytes, sizeof bytes);

    if (pcep_encode(&w, &(struct pcep_message) {.type = PCEP_UPDATE, .items = &item, .n_items = 1}, NULL) == 0)
        stream_write(pcc->stream, bytes, w.pos);
}

struct pce *pce_new(struct loop *loop, const char *address, uint16_t port, const struct pce_callbacks *callbacks,
                    void *arg, struct err *err)
{
    struct pce *pce = xcalloc(1, sizeof *pce);

    *pce = (struct pce) {.loop = loop, .callbacks = callbacks, .arg = arg};
    pce->listener = listener_new(loop, address, port, accepted, pce, err);
    if (!pce->listener) {
        free(pce);
        return NULL;
    }
    return pce;
}

void pce_free(struct pce *pce)
{
    listener_free(pce->listener);
    while (pce->pccs)
        free_pcc(pce->pccs);
    free(pce);
}
