/* SPDX-License-Identifier: Apache-2.0 */
/* The node as a PCC (RFC 8231, RFC 8281): sessions to its PCEs, which ask for LSPs that begin here. Each PCE is told of
 * every LSP, and each LSP is delegated to the PCE that asked for it, also after a restart of this daemon. A PCE that
 * goes leaves its LSPs as they are, for ever (RFC 8281 §6 leaves the timeout to us): a circuit outlives its gateway. To
 * have another PCE take over what one leaves behind, take that one out of the configuration: its LSPs are delegated to
 * the first that is left; or have the PCE give them back (PCUpd without its delegate flag). */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hmap.h"
#include "base/log.h"
#include "gmplsd/daemon.h"
#include "proto/ovsdb/reconnect.h"
#include "proto/pcep/pcep_session.h"

#define CONNECT_MS 5000
#define OPEN_MS 10000
#define UNSENT_MAX PCEP_OUTPUT_MAX /* a PCE that does not read is given up */

/* The cookie of all requests: which of them a report answers, the LSP's name says. */
#define COOKIE 1

struct pcc {
    struct pccs *pccs;
    const struct config_endpoint *pce;
    char where[64];
    struct stream *stream; /* null: no connection, nor an attempt */
    struct pcep_session *session;
    struct reconnect reconnect;
    struct timer *timer;
    uint8_t sid;
    bool trouble_told; /* a warning of this outage is in the log */
    bool running;
};

/* What an LSP that begins here has to do with the PCEs. */
struct circuit {
    struct hmap_node by_name;
    char name[LSP_NAME_SIZE];
    struct pcc *owner; /* null: there is no PCE, or it gave the LSP back and nobody has had it since */
    struct pcc *asker; /* of the request that the next report answers, */
    uint32_t srp_id;   /* and its number; 0: none */
};

struct pccs {
    struct daemon *daemon;
    struct pcc each[CONFIG_PCES_MAX];
    unsigned n;
    struct hmap circuits;
};

static void run(struct pcc *pcc);

/* ---- circuits ---- */

static uint32_t hash_name(const char *name)
{
    uint32_t hash = 0;

    for (; *name; name++)
        hash = hash_add(hash, (unsigned char) *name);
    return hash;
}

static struct circuit *find_circuit(const struct pccs *pccs, const char *name)
{
    for (struct hmap_node *at = hmap_first(&pccs->circuits, hash_name(name)); at; at = hmap_same(at)) {
        struct circuit *circuit = OWNER_OF(at, struct circuit, by_name);

        if (strcmp(circuit->name, name) == 0)
            return circuit;
    }
    return NULL;
}

static struct circuit *add_circuit(struct pccs *pccs, const char *name, struct pcc *owner)
{
    struct circuit *circuit = xcalloc(1, sizeof *circuit);

    snprintf(circuit->name, sizeof circuit->name, "%s", name);
    circuit->owner = owner;
    hmap_insert(&pccs->circuits, &circuit->by_name, hash_name(name));
    return circuit;
}

static void asked_by(struct circuit *circuit, struct pcc *asker, uint32_t srp_id)
{
    circuit->asker = asker;
    circuit->srp_id = srp_id;
}

static void keep_owner(struct pccs *pccs, const char *name, const char *owner)
{
    struct err err;

    if (lsp_store_own(pccs->daemon->store, name, owner, &err) < 0)
        log_error(FAULT_OPERATOR, name, "which PCE it belongs to is not kept: %s", err.text);
}

static void drop_circuit(struct pccs *pccs, struct circuit *circuit)
{
    keep_owner(pccs, circuit->name, NULL);
    hmap_remove(&pccs->circuits, &circuit->by_name);
    free(circuit);
}

/* ---- reports ---- */

static void report_to(struct pcc *pcc, const struct lsp_report *report, const struct circuit *circuit)
{
    bool owner = circuit && circuit->owner == pcc, asker = circuit && circuit->asker == pcc;

    if (pcc->session)
        pcep_session_report(pcc->session, report, PCEP_CREATE | (owner ? PCEP_DELEGATE : 0),
                            asker ? circuit->srp_id : 0);
}

void pccs_report(struct pccs *pccs, const struct lsp_report *report)
{
    struct circuit *circuit = find_circuit(pccs, report->name);

    for (unsigned i = 0; i < pccs->n; i++)
        report_to(&pccs->each[i], report, circuit);
    if (circuit)
        circuit->srp_id = 0;
    if (circuit && report->removed)
        drop_circuit(pccs, circuit);
    for (unsigned i = 0; i < pccs->n; i++)
        run(&pccs->each[i]);
}

static void report_at_start(void *arg, const struct lsp_report *report)
{
    struct pcc *pcc = arg;

    report_to(pcc, report, find_circuit(pcc->pccs, report->name));
}

/* ---- what a PCE asks ---- */

static void initiate(struct pcc *pcc, const struct pcep_event *event)
{
    struct daemon *daemon = pcc->pccs->daemon;
    struct circuit *circuit = find_circuit(pcc->pccs, event->lsp.name);
    struct err err = {0};
    int status = ERR_EXISTS;

    if (!circuit) {
        circuit = add_circuit(pcc->pccs, event->lsp.name, pcc);
        asked_by(circuit, pcc, event->srp_id);
        keep_owner(pcc->pccs, circuit->name, pcc->pce->address);
        status = node_initiate(daemon->node, &event->lsp, COOKIE, loop_now(daemon->loop), &err);
        if (status < 0)
            drop_circuit(pcc->pccs, circuit);
    }
    if (status == 0)
        return;
    log_warn(FAULT_PEER, event->lsp.name, "the PCE at %s asks for an LSP that cannot be: %s", pcc->pce->address,
             status == ERR_EXISTS ? "there is one of this name" : err.text);
    if (status == ERR_EXISTS) /* RFC 8281 §5.3 */
        pcep_session_refuse(pcc->session, event->srp_id, PCEP_ERR_PARAMETERS, 1);
    else if (status == ERR_EXHAUSTED) /* RFC 8281 §5.3.1: the limit of initiated LSPs is reached */
        pcep_session_refuse(pcc->session, event->srp_id, PCEP_ERR_OPERATION, 6);
    else
        pcep_session_refuse(pcc->session, event->srp_id, PCEP_ERR_INSTANTIATION, 1);
}

struct handing_over {
    const struct circuit *circuit;
    const struct pcc *from;
    uint32_t srp_id;
};

static void report_hand_over(void *arg, const struct lsp_report *report)
{
    const struct handing_over *over = arg;
    struct pccs *pccs = over->from->pccs;

    if (strcmp(report->name, over->circuit->name) != 0)
        return;
    for (unsigned i = 0; i < pccs->n; i++) {
        const struct pcc *to = &pccs->each[i];

        if (to->session)
            pcep_session_report(to->session, report, PCEP_CREATE | (over->circuit->owner == to ? PCEP_DELEGATE : 0),
                                over->from == to ? over->srp_id : 0);
    }
}

/* RFC 8231 §5.7.3, RFC 8281 §6: the LSP stays as it is. The other PCE gets it, if it is there; else the one whose
 * session begins next. */
static void delegation_returned(struct pcc *pcc, struct circuit *circuit, uint32_t srp_id)
{
    struct pccs *pccs = pcc->pccs;
    struct handing_over over = {circuit, pcc, srp_id};

    circuit->owner = NULL;
    for (unsigned i = 0; i < pccs->n; i++)
        if (&pccs->each[i] != pcc && pccs->each[i].session && pcep_session_is_up(pccs->each[i].session))
            circuit->owner = &pccs->each[i];
    keep_owner(pccs, circuit->name, circuit->owner ? circuit->owner->pce->address : NULL);
    log_info(circuit->name, "the PCE at %s gives it back: %s%s", pcc->pce->address,
             circuit->owner ? "it is now that at " : "the next that connects has it",
             circuit->owner ? circuit->owner->pce->address : "");
    node_report_each(pccs->daemon->node, report_hand_over, &over);
    if (circuit->owner)
        run(circuit->owner);
}

static void update(struct pcc *pcc, const struct pcep_event *event)
{
    struct daemon *daemon = pcc->pccs->daemon;
    struct circuit *circuit = find_circuit(pcc->pccs, event->lsp.name);
    struct err err = {0};

    if (circuit && !event->delegated) {
        delegation_returned(pcc, circuit, event->srp_id);
        return;
    }
    if (circuit)
        asked_by(circuit, pcc, event->srp_id);
    if (node_update(daemon->node, &event->lsp, COOKIE, loop_now(daemon->loop), &err) == 0)
        return;
    if (circuit)
        circuit->srp_id = 0;
    log_warn(FAULT_PEER, event->lsp.name, "the PCE at %s asks for a change: %s", pcc->pce->address, err.text);
    pcep_session_refuse(pcc->session, event->srp_id, PCEP_ERR_INSTANTIATION, 1);
}

static void remove_lsp(struct pcc *pcc, const struct pcep_event *event)
{
    struct daemon *daemon = pcc->pccs->daemon;
    struct circuit *circuit = find_circuit(pcc->pccs, event->lsp.name);
    struct err err = {0};
    int status;

    if (circuit)
        asked_by(circuit, pcc, event->srp_id);
    status = node_remove(daemon->node, event->lsp.name, false, COOKIE, loop_now(daemon->loop), &err);
    if (status == 0 || status == ERR_CONFLICT)
        return; /* the report that it is gone answers also who asks again */
    if (circuit)
        circuit->srp_id = 0;
    log_warn(FAULT_PEER, event->lsp.name, "the PCE at %s asks for its removal: %s", pcc->pce->address, err.text);
    pcep_session_refuse(pcc->session, event->srp_id, PCEP_ERR_OPERATION, 3); /* unknown PLSP-ID: RFC 8231 §8.5 */
}

/* ---- a session ---- */

static void tell_trouble(struct pcc *pcc, const char *text)
{
    if (!pcc->trouble_told)
        log_warn(FAULT_PEER, pcc->where, "no PCEP session: %s", text);
    pcc->trouble_told = true;
}

/* Of LSPs that a PCE gave back. */
static void take_orphans(struct pcc *pcc)
{
    struct pccs *pccs = pcc->pccs;

    for (struct hmap_node *at = hmap_next(&pccs->circuits, NULL); at; at = hmap_next(&pccs->circuits, at)) {
        struct circuit *circuit = OWNER_OF(at, struct circuit, by_name);

        if (circuit->owner)
            continue;
        circuit->owner = pcc;
        keep_owner(pccs, circuit->name, pcc->pce->address);
    }
}

static void handle_up(struct pcc *pcc)
{
    log_info(pcc->where, "PCEP session is up");
    pcc->trouble_told = false;
    take_orphans(pcc);
    node_report_each(pcc->pccs->daemon->node, report_at_start, pcc);
    pcep_session_synced(pcc->session);
}

/* True if it was the session's last one. */
static bool handle_event(struct pcc *pcc, const struct pcep_event *event)
{
    switch (event->type) {
    case PCEP_EVENT_UP:
        handle_up(pcc);
        break;
    case PCEP_EVENT_DOWN:
        tell_trouble(pcc, event->err.text);
        return true;
    case PCEP_EVENT_ERROR:
        log_warn(FAULT_PEER, pcc->where, "the PCE complains: %s", event->err.text);
        break;
    case PCEP_EVENT_INITIATE:
        initiate(pcc, event);
        break;
    case PCEP_EVENT_UPDATE:
        update(pcc, event);
        break;
    case PCEP_EVENT_REMOVE:
        remove_lsp(pcc, event);
        break;
    default: /* of a PCE */
        break;
    }
    return false;
}

static void flush(struct pcc *pcc)
{
    size_t n = 0;
    const uint8_t *bytes = pcc->session ? pcep_session_output(pcc->session, &n) : NULL;

    if (!n || !pcc->stream)
        return;
    stream_write(pcc->stream, bytes, n);
    pcep_session_sent(pcc->session, n, loop_now(pcc->pccs->daemon->loop));
}

/* The stream goes, after what is queued, and with it the session. */
static void hang_up(struct pcc *pcc)
{
    flush(pcc);
    if (pcc->stream)
        stream_finish(pcc->stream);
    pcc->stream = NULL;
    pcep_session_free(pcc->session);
    pcc->session = NULL;
    reconnect_disconnected(&pcc->reconnect, loop_now(pcc->pccs->daemon->loop));
}

static void connect_to(struct pcc *pcc);

static void act(struct pcc *pcc, enum reconnect_action action)
{
    if (action == RECONNECT_CONNECT)
        connect_to(pcc);
    if (action == RECONNECT_DISCONNECT) {
        tell_trouble(pcc, "it does not accept a connection");
        if (pcc->stream)
            stream_close(pcc->stream);
        pcc->stream = NULL;
    }
}

/* Does what is due, sends, and acts on events; those that come of events are left to the outer call. */
static void run(struct pcc *pcc)
{
    struct pcep_event event;

    flush(pcc);
    if (pcc->running)
        return;
    pcc->running = true;
    while (pcc->session && pcep_session_event(pcc->session, &event)) {
        bool last = handle_event(pcc, &event);

        pcep_event_free(&event);
        daemon_drain(pcc->pccs->daemon);
        if (last)
            hang_up(pcc);
        flush(pcc);
    }
    pcc->running = false;
    if (!pcc->session) /* a session has timers of its own */
        act(pcc, reconnect_run(&pcc->reconnect, loop_now(pcc->pccs->daemon->loop)));
    timer_set(pcc->timer, pcc->session ? pcep_session_deadline(pcc->session) : reconnect_deadline(&pcc->reconnect));
}

static void timer_rings(void *arg)
{
    struct pcc *pcc = arg;

    if (pcc->session)
        pcep_session_tick(pcc->session, loop_now(pcc->pccs->daemon->loop));
    run(pcc);
}

static void stream_up(void *arg)
{
    struct pcc *pcc = arg;
    struct mono now = loop_now(pcc->pccs->daemon->loop);
    struct pcep_session_config config = PCEP_SESSION_DEFAULTS(PCEP_PCC);

    config.sid = pcc->sid++;
    config.wait_ms = OPEN_MS;
    snprintf(config.speaker, sizeof config.speaker, "%s", pcc->pccs->daemon->config->router_id);
    reconnect_connected(&pcc->reconnect, now);
    pcc->session = pcep_session_new(&config, now);
    run(pcc);
}

static size_t stream_data(void *arg, const uint8_t *bytes, size_t n)
{
    struct pcc *pcc = arg;

    if (stream_pending(pcc->stream) > UNSENT_MAX)
        pcep_session_closed(pcc->session, ERR_TOO_LARGE, "it does not read what it is told");
    pcep_session_receive(pcc->session, bytes, n, loop_now(pcc->pccs->daemon->loop));
    run(pcc);
    return n;
}

static void stream_down(void *arg, const struct err *reason)
{
    struct pcc *pcc = arg;

    pcc->stream = NULL;
    if (pcc->session) {
        pcep_session_closed(pcc->session, reason->code, reason->text);
    } else {
        tell_trouble(pcc, reason->text);
        reconnect_disconnected(&pcc->reconnect, loop_now(pcc->pccs->daemon->loop));
    }
    run(pcc);
}

static void connect_to(struct pcc *pcc)
{
    static const struct stream_callbacks callbacks = {.up = stream_up, .data = stream_data, .down = stream_down};
    struct err err;

    pcc->stream = stream_connect(pcc->pccs->daemon->loop, pcc->where, &callbacks, pcc, &err);
}

/* ---- life ---- */

static bool take_owner(void *arg, const char *name, const char *owner)
{
    struct pccs *pccs = arg;
    struct circuit *circuit = add_circuit(pccs, name, NULL);

    for (unsigned i = 0; i < pccs->n; i++)
        if (strcmp(pccs->each[i].pce->address, owner) == 0)
            circuit->owner = &pccs->each[i];
    return true;
}

/* Of owners of LSPs that are no longer there; and LSPs whose owner is none of our PCEs find one. */
static void mark_circuit(void *arg, const struct lsp_report *report)
{
    struct pccs *pccs = arg;
    struct circuit *circuit = find_circuit(pccs, report->name);

    if (!circuit)
        circuit = add_circuit(pccs, report->name, NULL);
    circuit->srp_id = 1;
    if (circuit->owner || !pccs->n)
        return;
    circuit->owner = &pccs->each[0];
    keep_owner(pccs, circuit->name, circuit->owner->pce->address);
    log_info(circuit->name, "its PCE gave it back or is gone from the configuration: it is now that at %s",
             circuit->owner->pce->address);
}

static void sweep_circuits(struct pccs *pccs)
{
    struct hmap_node *at, *next;

    node_report_each(pccs->daemon->node, mark_circuit, pccs);
    for (at = hmap_next(&pccs->circuits, NULL); at; at = next) {
        struct circuit *circuit = OWNER_OF(at, struct circuit, by_name);

        next = hmap_next(&pccs->circuits, at);
        if (circuit->srp_id)
            circuit->srp_id = 0;
        else
            drop_circuit(pccs, circuit);
    }
}

struct pccs *pccs_new(struct daemon *daemon, struct err *err)
{
    struct pccs *pccs = xcalloc(1, sizeof *pccs);

    pccs->daemon = daemon;
    pccs->n = daemon->config->pces_count;
    for (unsigned i = 0; i < pccs->n; i++) {
        struct pcc *pcc = &pccs->each[i];
        bool v6 = strchr(daemon->config->pces[i].address, ':');

        pcc->pccs = pccs;
        pcc->pce = &daemon->config->pces[i];
        snprintf(pcc->where, sizeof pcc->where, v6 ? "tcp:[%s]:%u" : "tcp:%s:%u", pcc->pce->address, pcc->pce->port);
        pcc->timer = timer_new(daemon->loop, timer_rings, pcc);
        reconnect_init(&pcc->reconnect, CONNECT_MS, loop_now(daemon->loop));
    }
    if (lsp_store_owners(daemon->store, take_owner, pccs, err) < 0) {
        pccs_free(pccs);
        return NULL;
    }
    sweep_circuits(pccs);
    for (unsigned i = 0; i < pccs->n; i++)
        run(&pccs->each[i]);
    return pccs;
}

void pccs_free(struct pccs *pccs)
{
    struct hmap_node *at;

    if (!pccs)
        return;
    for (unsigned i = 0; i < pccs->n; i++) {
        struct pcc *pcc = &pccs->each[i];

        if (pcc->session)
            pcep_session_end(pcc->session, "this node's daemon stops");
        flush(pcc);
        if (pcc->stream)
            stream_close(pcc->stream);
        pcep_session_free(pcc->session);
        timer_free(pcc->timer);
    }
    while ((at = hmap_any(&pccs->circuits))) {
        hmap_remove(&pccs->circuits, at);
        free(OWNER_OF(at, struct circuit, by_name));
    }
    hmap_free(&pccs->circuits);
    free(pccs);
}

json_t *pccs_view(const struct pccs *pccs)
{
    json_t *view = json_array();

    for (unsigned i = 0; i < pccs->n; i++) {
        const struct pcc *pcc = &pccs->each[i];

        json_array_append_new(view, json_pack("{s:s, s:b, s:b}", "pce", pcc->where, "up",
                                              pcc->session && pcep_session_is_up(pcc->session), "synced",
                                              pcc->session && pcep_session_is_synced(pcc->session)));
    }
    return view;
}
