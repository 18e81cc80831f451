/* SPDX-License-Identifier: Apache-2.0 */
/* A PCE for tests, without a head of its own: what it is told over HTTP it asks of the PCCs that have connected.
 *
 * pce ADDRESS PCEP-PORT HTTP-PORT
 *
 *   GET /lsps             {"ROUTER ID": {"synced": bool, "lsps": {"NAME": report}}}
 *   PUT /lsps/NAME        {"ingress", "egress": "ROUTER ID", "ingress-client", "egress-client": [interface, VLAN],
 *                         "bandwidth-mbps", "setup", "holding", "route": ["ADDRESS"]}; answered when the LSP is up
 *                         (200, its report), or gone (409: the report with the error, or {"error": "..."})
 *   DELETE /lsps/NAME     answered when it is gone
 *   DELETE /delegations/NAME  gives the LSP back to its PCC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "io/http.h"
#include "model/ted.h"
#include "pce_sessions.h"

struct waiting {
    struct waiting *next;
    struct http_request *request;
    struct pcc *pcc; /* that was asked */
    uint64_t id;
    char name[LSP_NAME_SIZE];
    bool removal;
};

struct tool {
    struct pce *pce;
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

static void answer_waiting(struct tool *tool, struct waiting *waiting, int status, json_t *json)
{
    struct waiting **at = &tool->waiting;

    while (*at != waiting)
        at = &(*at)->next;
    *at = waiting->next;
    answer(waiting->request, status, json);
    free(waiting);
}

static void keep_report(struct pcc *pcc, const struct pcep_event *event)
{
    json_t *json = report_json(&event->report);

    json_object_set_new(json, "plsp-id", json_integer(event->plsp_id));
    json_object_set_new(json, "delegated", json_boolean(event->delegated));
    json_object_set_new(pcc->lsps, event->report.name, json);
}

static void take_report(struct tool *tool, struct pcc *pcc, const struct pcep_event *event)
{
    const struct lsp_report *report = &event->report;

    if (report->removed)
        json_object_del(pcc->lsps, report->name);
    else
        keep_report(pcc, event);
    for (struct waiting *w = tool->waiting, *next; w; w = next) {
        next = w->next;
        if (strcmp(w->name, report->name) != 0)
            continue;
        if (report->removed)
            answer_waiting(tool, w, w->removal ? 200 : 409, report_json(report));
        else if (!w->removal && report->state == LSP_UP)
            answer_waiting(tool, w, 200, report_json(report));
    }
}

static void take_done(struct tool *tool, const struct pcep_event *event)
{
    for (struct waiting *w = tool->waiting; w && event->err.code; w = w->next) {
        if (w->id != event->request)
            continue;
        answer_waiting(tool, w, 409, json_pack("{s:s}", "error", event->err.text));
        return;
    }
}

/* ---- sessions ---- */

static void handle_event(void *arg, struct pcc *pcc, const struct pcep_event *event)
{
    struct tool *tool = arg;
    char router[16];

    if (event->type == PCEP_EVENT_REPORT)
        take_report(tool, pcc, event);
    if (event->type == PCEP_EVENT_DONE)
        take_done(tool, event);
    if (event->type == PCEP_EVENT_ERROR || event->type == PCEP_EVENT_DOWN)
        fprintf(stderr, "%s: %s\n", ipv4_format(pcc->router, router), event->err.text);
}

static void session_gone(void *arg, struct pcc *pcc)
{
    struct tool *tool = arg;

    for (struct waiting *w = tool->waiting, *next; w; w = next) {
        next = w->next;
        if (w->pcc == pcc)
            answer_waiting(tool, w, 409, json_pack("{s:s}", "error", "the session has gone"));
    }
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

static struct pcc *pcc_with(const struct tool *tool, const char *lsp)
{
    struct pcc *pcc = pce_first(tool->pce);

    while (pcc && !json_object_get(pcc->lsps, lsp))
        pcc = pcc->next;
    return pcc;
}

static struct waiting *wait_for(struct tool *tool, struct pcc *pcc, struct http_request *request, const char *name,
                                bool removal)
{
    struct waiting *waiting = xcalloc(1, sizeof *waiting);

    *waiting = (struct waiting) {
        .next = tool->waiting, .request = request, .pcc = pcc, .id = ++tool->last_id, .removal = removal};
    snprintf(waiting->name, sizeof waiting->name, "%s", name);
    tool->waiting = waiting;
    return waiting;
}

static void create(struct tool *tool, struct http_request *request, const char *name)
{
    size_t size;
    const char *text = http_body(request, &size);
    json_t *body = json_loadb(text, size, 0, NULL);
    struct lsp_request lsp = request_of(body, name);
    struct pcc *pcc = pce_find(tool->pce, lsp.ingress);

    if (pcc)
        pce_initiate(pcc, &lsp, wait_for(tool, pcc, request, name, false)->id);
    else
        answer(request, 409, json_pack("{s:s}", "error", "the ingress has no session"));
    lsp_request_free(&lsp);
    json_decref(body);
}

static void delete (struct tool *tool, struct http_request *request, const char *name)
{
    struct pcc *pcc = pcc_with(tool, name);

    if (pcc)
        pce_remove(pcc, name, wait_for(tool, pcc, request, name, true)->id);
    else
        answer(request, 404, json_pack("{s:s}", "error", "nobody has reported such an LSP"));
}

static void give_back(struct tool *tool, struct http_request *request, const char *name)
{
    struct pcc *pcc = pcc_with(tool, name);

    if (pcc) {
        const json_t *lsp = json_object_get(pcc->lsps, name);

        pce_give_back(pcc, (uint32_t) json_integer_value(json_object_get(lsp, "plsp-id")));
        answer(request, 200, json_object());
    } else {
        answer(request, 404, json_pack("{s:s}", "error", "nobody has reported such an LSP"));
    }
}

static json_t *view(const struct tool *tool)
{
    char router[16];
    json_t *json = json_object();

    for (const struct pcc *pcc = pce_first(tool->pce); pcc; pcc = pcc->next)
        json_object_set_new(json, ipv4_format(pcc->router, router),
                            json_pack("{s:b, s:O}", "synced", pcc->synced, "lsps", pcc->lsps));
    return json;
}

static void handle(void *arg, struct http_request *request)
{
    static const char prefix[] = "/lsps/", delegations[] = "/delegations/";
    struct tool *tool = arg;
    AUTO_FREE char *path = xstrdup(http_path(request));
    const char *name = strncmp(path, prefix, sizeof prefix - 1) == 0 ? path + sizeof prefix - 1 : NULL;

    if (strncmp(path, delegations, sizeof delegations - 1) == 0 && strcmp(http_method(request), "DELETE") == 0)
        give_back(tool, request, path + sizeof delegations - 1);
    else if (name && strcmp(http_method(request), "PUT") == 0)
        create(tool, request, name);
    else if (name && strcmp(http_method(request), "DELETE") == 0)
        delete (tool, request, name);
    else
        answer(request, 200, view(tool));
}

int main(int argc, char **argv)
{
    static const struct pce_callbacks callbacks = {.event = handle_event, .gone = session_gone};
    struct tool tool = {0};
    struct err err;

    if (argc != 4) {
        fprintf(stderr, "usage: pce ADDRESS PCEP-PORT HTTP-PORT\n");
        return 2;
    }

    struct loop *loop = loop_new();
    struct http_server *server = NULL;

    loop_handle_signals(loop);
    tool.pce = pce_new(loop, argv[1], (uint16_t) atoi(argv[2]), &callbacks, &tool, &err);
    if (tool.pce)
        server = http_server_new(loop, argv[1], (uint16_t) atoi(argv[3]), NULL, 65536, handle, &tool, &err);
    if (!server) {
        fprintf(stderr, "pce: %s\n", err.text);
        return 1;
    }
    loop_run(loop);
    pce_free(tool.pce);
    http_server_free(server);
    loop_free(loop);
    return 0;
}
