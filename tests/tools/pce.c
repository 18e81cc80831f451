/* SPDX-License-Identifier: Apache-2.0 */
/* A PCE for tests, without a head of its own: what it is told over HTTP it asks of the PCCs that have connected.
 *
 * pce ADDRESS PCEP-PORT HTTP-PORT
 *
 *   GET /lsps             {"ROUTER ID": {"synced": bool, "lsps": {"NAME": report}}}
 *   PUT /lsps/NAME        {"ingress", "egress": "ROUTER ID", "ingress-client", "egress-client": [interface, VLAN],
 *                         "bandwidth-mbps", "setup", "holding", "route": ["ADDRESS"]}; answered when the LSP is up
 *                         (200, its report), or gone (409: the report with the error, or {"error": "..."})
 *   DELETE /lsps/NAME     answered when it is gone */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "io/http.h"
#include "proto/pcep/pcep_session.h"

#define TIMEOUT_MS 30000

struct waiting {
    struct waiting *next;
    struct http_request *request;
    struct pcc *pcc; /* that was asked */
    uint64_t id;
    char name[LSP_NAME_SIZE];
    bool removal;
};

struct pcc {
    struct pce *pce;
    struct pcc *next;
    struct stream *stream;
    struct pcep_session *session;
    struct timer *timer;
    char name[64]; /* its router id */
    json_t *lsps;
};

struct pce {
    struct loop *loop;
    struct pcc *pccs;
    struct waiting *waiting;
    uint64_t last_id;
};

/* ---- reports and answers ---- */

static json_t *client_json(const struct lsp_client *client)
{
    return json_pack("[I, I]", (json_int_t) client->interface, (json_int_t) client->vlan);
}

static json_t *report_json(const struct lsp_report *report)
{
    AUTO_FREE char *record = lsp_route_format(&report->record);
    AUTO_FREE char *error = report->error.code ? lsp_error_format(&report->error) : xstrdup("");

    return json_pack("{s:s, s:b, s:s, s:s, s:I, s:I, s:o, s:o, s:I}", "state", lsp_state_name(report->state), "removed",
                     report->removed, "record", record, "error", error, "code", (json_int_t) report->error.code,
                     "value", (json_int_t) report->error.value, "ingress-client", client_json(&report->ingress_client),
                     "egress-client", client_json(&report->egress_client), "bandwidth-bps",
                     (json_int_t) report->bandwidth_bps);
}

static void answer(struct http_request *request, int status, json_t *json)
{
    char *text = json_dumps(json, 0);

    http_reply(request, status, NULL, text, strlen(text));
    free(text);
    json_decref(json);
}

static void answer_waiting(struct pce *pce, struct waiting *waiting, int status, json_t *json)
{
    struct waiting **at = &pce->waiting;

    while (*at != waiting)
        at = &(*at)->next;
    *at = waiting->next;
    answer(waiting->request, status, json);
    free(waiting);
}

static void take_report(struct pcc *pcc, const struct lsp_report *report)
{
    if (report->removed)
        json_object_del(pcc->lsps, report->name);
    else
        json_object_set_new(pcc->lsps, report->name, report_json(report));
    for (struct waiting *w = pcc->pce->waiting, *next; w; w = next) {
        next = w->next;
        if (strcmp(w->name, report->name) != 0)
            continue;
        if (report->removed)
            answer_waiting(pcc->pce, w, w->removal ? 200 : 409, report_json(report));
        else if (!w->removal && report->state == LSP_UP)
            answer_waiting(pcc->pce, w, 200, report_json(report));
    }
}

static void take_done(struct pcc *pcc, const struct pcep_event *event)
{
    for (struct waiting *w = pcc->pce->waiting; w && event->err.code; w = w->next) {
        if (w->id != event->request)
            continue;
        answer_waiting(pcc->pce, w, 409, json_pack("{s:s}", "error", event->err.text));
        return;
    }
}

/* ---- sessions ---- */

static void free_pcc(struct pcc *pcc)
{
    struct pcc **at = &pcc->pce->pccs;

    for (struct waiting *w = pcc->pce->waiting, *next; w; w = next) {
        next = w->next;
        if (w->pcc == pcc)
            answer_waiting(pcc->pce, w, 409, json_pack("{s:s}", "error", "the session has gone"));
    }

    while (*at != pcc)
        at = &(*at)->next;
    *at = pcc->next;
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
            snprintf(pcc->name, sizeof pcc->name, "%s", event.peer.speaker);
        if (event.type == PCEP_EVENT_REPORT)
            take_report(pcc, &event.report);
        if (event.type == PCEP_EVENT_DONE)
            take_done(pcc, &event);
        if (event.type == PCEP_EVENT_ERROR || last)
            fprintf(stderr, "%s: %s\n", pcc->name, event.err.text);
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

/* ---- what it is told ---- */

static uint32_t address_of(const json_t *body, const char *key)
{
    const char *text = json_string_value(json_object_get(body, key));
    uint32_t address = 0;

    if (text)
        ipv4_parse(text, &address);
    return address;
}

static struct lsp_client client_of(const json_t *body, const char *key)
{
    const json_t *pair = json_object_get(body, key);

    return (struct lsp_client) {(uint32_t) json_integer_value(json_array_get(pair, 0)),
                                (uint16_t) json_integer_value(json_array_get(pair, 1))};
}

static struct lsp_request request_of(const json_t *body, const char *name)
{
    struct lsp_request lsp = {.ingress = address_of(body, "ingress"),
                              .egress = address_of(body, "egress"),
                              .ingress_client = client_of(body, "ingress-client"),
                              .egress_client = client_of(body, "egress-client"),
                              .bandwidth_bps = (uint64_t) json_integer_value(json_object_get(body, "bandwidth-mbps")) *
                                               1000000,
                              .setup_priority = (uint8_t) json_integer_value(json_object_get(body, "setup")),
                              .holding_priority = (uint8_t) json_integer_value(json_object_get(body, "holding"))};
    const json_t *route = json_object_get(body, "route");
    size_t i;
    json_t *hop;

    snprintf(lsp.name, sizeof lsp.name, "%s", name);
    json_array_foreach(route, i, hop) {
        struct lsp_hop to = {.type = HOP_IPV4, .length = 32};

        ipv4_parse(json_string_value(hop), &to.address);
        lsp_route_add(&lsp.route, to);
    }
    return lsp;
}

static struct pcc *pcc_of(const struct pce *pce, const char *router)
{
    struct pcc *pcc = pce->pccs;

    while (pcc && (!router || strcmp(pcc->name, router) != 0))
        pcc = pcc->next;
    return pcc;
}

static struct pcc *pcc_with(const struct pce *pce, const char *lsp)
{
    struct pcc *pcc = pce->pccs;

    while (pcc && !json_object_get(pcc->lsps, lsp))
        pcc = pcc->next;
    return pcc;
}

static struct waiting *wait_for(struct pcc *pcc, struct http_request *request, const char *name, bool removal)
{
    struct waiting *waiting = xcalloc(1, sizeof *waiting);
    struct pce *pce = pcc->pce;

    *waiting = (struct waiting) {
        .next = pce->waiting, .request = request, .pcc = pcc, .id = ++pce->last_id, .removal = removal};
    snprintf(waiting->name, sizeof waiting->name, "%s", name);
    pce->waiting = waiting;
    return waiting;
}

static void create(struct pce *pce, struct http_request *request, const char *name)
{
    size_t size;
    const char *text = http_body(request, &size);
    json_t *body = json_loadb(text, size, 0, NULL);
    struct pcc *pcc = pcc_of(pce, json_string_value(json_object_get(body, "ingress")));
    struct lsp_request lsp = request_of(body, name);

    if (pcc) {
        struct waiting *waiting = wait_for(pcc, request, name, false);

        pcep_session_initiate(pcc->session, &lsp, waiting->id, TIMEOUT_MS, loop_now(pce->loop));
        run(pcc);
    } else {
        answer(request, 409, json_pack("{s:s}", "error", "the ingress has no session"));
    }
    lsp_request_free(&lsp);
    json_decref(body);
}

static void delete (struct pce *pce, struct http_request *request, const char *name)
{
    struct pcc *pcc = pcc_with(pce, name);

    if (pcc) {
        struct waiting *waiting = wait_for(pcc, request, name, true);

        pcep_session_remove(pcc->session, name, waiting->id, TIMEOUT_MS, loop_now(pce->loop));
        run(pcc);
    } else {
        answer(request, 404, json_pack("{s:s}", "error", "nobody has reported such an LSP"));
    }
}

static json_t *view(const struct pce *pce)
{
    json_t *json = json_object();

    for (const struct pcc *pcc = pce->pccs; pcc; pcc = pcc->next)
        json_object_set_new(json, pcc->name,
                            json_pack("{s:b, s:O}", "synced", pcep_session_is_synced(pcc->session), "lsps", pcc->lsps));
    return json;
}

static void handle(void *arg, struct http_request *request)
{
    static const char prefix[] = "/lsps/";
    struct pce *pce = arg;
    AUTO_FREE char *path = xstrdup(http_path(request));
    const char *name = strncmp(path, prefix, sizeof prefix - 1) == 0 ? path + sizeof prefix - 1 : NULL;

    if (name && strcmp(http_method(request), "PUT") == 0)
        create(pce, request, name);
    else if (name && strcmp(http_method(request), "DELETE") == 0)
        delete (pce, request, name);
    else
        answer(request, 200, view(pce));
}

int main(int argc, char **argv)
{
    struct pce pce = {.loop = loop_new()};
    struct err err;

    if (argc != 4) {
        fprintf(stderr, "usage: pce ADDRESS PCEP-PORT HTTP-PORT\n");
        return 2;
    }
    loop_handle_signals(pce.loop);

    struct listener *listener = listener_new(pce.loop, argv[1], (uint16_t) atoi(argv[2]), accepted, &pce, &err);
    struct http_server *server = listener ? http_server_new(pce.loop, argv[1], (uint16_t) atoi(argv[3]), NULL, 65536,
                                                            handle, &pce, &err) :
                                            NULL;
    if (!server) {
        fprintf(stderr, "pce: %s\n", err.text);
        return 1;
    }
    loop_run(pce.loop);
    while (pce.pccs)
        free_pcc(pce.pccs);
    while (pce.waiting)
        answer_waiting(&pce, pce.waiting, 503, json_object());
    http_server_free(server);
    listener_free(listener);
    loop_free(pce.loop);
    return 0;
}
