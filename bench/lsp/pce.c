/* SPDX-License-Identifier: Apache-2.0 */
#include "pce.h"

#include "base/alloc.h"
#include "model/ted.h"
#include "proto/pcep/pcep_session.h"

#define TIMEOUT_MS 30000

struct pcc {
    struct pce *pce;
    struct pcc *next;
    struct stream *stream;
    struct pcep_session *session;
    struct timer *timer;
    uint32_t router;
};

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
    if (pcc->stream)
        stream_finish(pcc->stream);
    pcep_session_free(pcc->session);
    timer_free(pcc->timer);
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

static void handle(struct pcc *pcc, const struct pcep_event *event)
{
    const struct pce *pce = pcc->pce;

    switch (event->type) {
    case PCEP_EVENT_UP:
        ipv4_parse(event->peer.speaker, &pcc->router);
        break;
    case PCEP_EVENT_SYNCED:
        pce->callbacks->synced(pce->arg, pcc->router);
        break;
    case PCEP_EVENT_REPORT:
        pce->callbacks->report(pce->arg, &event->report);
        break;
    default:
        if (event->err.code)
            pce->callbacks->failed(pce->arg, event->err.text);
    }
}

static void run(struct pcc *pcc)
{
    struct pcep_event event;

    flush(pcc);
    while (pcep_session_event(pcc->session, &event)) {
        bool last = event.type == PCEP_EVENT_DOWN;

        handle(pcc, &event);
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
    pcc->next = pce->pccs;
    pce->pccs = pcc;
    stream_set_callbacks(stream, &callbacks, pcc);
    run(pcc);
}

static struct pcc *pcc_of(const struct pce *pce, uint32_t router)
{
    struct pcc *pcc = pce->pccs;

    while (pcc && !(pcc->router == router && pcep_session_is_synced(pcc->session)))
        pcc = pcc->next;
    return pcc;
}

bool pce_initiate(struct pce *pce, const struct lsp_request *lsp)
{
    struct pcc *pcc = pcc_of(pce, lsp->ingress);

    if (!pcc)
        return false;
    pcep_session_initiate(pcc->session, lsp, 1, TIMEOUT_MS, loop_now(pce->loop));
    flush(pcc); /* events come with the answer, not from within */
    return true;
}

bool pce_remove(struct pce *pce, uint32_t ingress, const char *name)
{
    struct pcc *pcc = pcc_of(pce, ingress);

    if (!pcc)
        return false;
    pcep_session_remove(pcc->session, name, 1, TIMEOUT_MS, loop_now(pce->loop));
    flush(pcc);
    return true;
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
