/* SPDX-License-Identifier: Apache-2.0 */
/* pcep_pce ADDRESS PORT: a PCE for one PCC at a time, to be driven by a test. It speaks both RSVP-TE and segment
 * routing.
 *
 * Commands on standard input, one a line; NUMBER names the request in its answer:
 *   initiate-sr NUMBER NAME SOURCE DESTINATION LABEL...
 *   update-sr NUMBER NAME LABEL...
 *   initiate NUMBER NAME SOURCE DESTINATION ADDRESS...     by RSVP-TE
 *   remove NUMBER NAME
 *   close
 * The end of the input ends the program. Events are lines of JSON on standard output. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "io/loop.h"
#include "proto/pcep/pcep_session.h"

#define REQUEST_MS 5000
#define LABEL_SHIFT 12
#define WORDS_MAX 32

struct pce {
    struct loop *loop;
    struct worker_pool *pool;
    struct timer *timer;
    struct stream *stream;
    struct pcep_session *session;
    uint8_t sid;
    char line[1024]; /* of the worker while it reads */
    bool ended;
};

static void print(json_t *event)
{
    json_dumpf(event, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(event);
}

static json_t *named(const char *name)
{
    return json_pack("{s:s}", "event", name);
}

static void set(json_t *event, const char *key, json_t *value)
{
    json_object_set_new(event, key, value);
}

static void set_report(json_t *event, const struct lsp_report *report)
{
    char ingress[16], egress[16];

    set(event, "report",
        json_pack("{s:s, s:s, s:b, s:s, s:s}", "name", report->name, "state", lsp_state_name(report->state), "removed",
                  report->removed, "ingress", ipv4_format(report->ingress, ingress), "egress",
                  ipv4_format(report->egress, egress)));
}

static void print_event(const struct pcep_event *event)
{
    static const char *const names[] = {"up",   "down",     "error",  "synced", "report",
                                        "done", "initiate", "update", "remove"};
    json_t *line = named(names[event->type]);

    if (event->type == PCEP_EVENT_UP) {
        set(line, "keepalive", json_integer(event->peer.keepalive_s));
        set(line, "dead", json_integer(event->peer.dead_s));
        set(line, "setups", json_integer(event->peer.setups));
        set(line, "depth", json_integer(event->peer.sr_depth));
    }
    if (event->type == PCEP_EVENT_REPORT) {
        set(line, "plsp", json_integer(event->plsp_id));
        set(line, "setup", json_integer(event->setup));
        set(line, "delegated", json_boolean(event->delegated));
        set(line, "created", json_boolean(event->created));
    }
    if (event->type == PCEP_EVENT_REPORT || event->has_report)
        set_report(line, &event->report);
    if (event->type == PCEP_EVENT_DONE)
        set(line, "request", json_integer((json_int_t) event->request));
    if (event->type == PCEP_EVENT_DONE || event->err.code) {
        set(line, "code", json_string(err_id(event->err.code)));
        set(line, "text", json_string(event->err.text));
    }
    print(line);
}

/* After whatever was done with the session. */
static void settle(struct pce *pce)
{
    struct pcep_event event;
    bool down = false;
    size_t size;

    if (!pce->session)
        return;
    while (pcep_session_event(pce->session, &event)) {
        print_event(&event);
        down |= event.type == PCEP_EVENT_DOWN;
        pcep_event_free(&event);
    }
    const uint8_t *bytes = pcep_session_output(pce->session, &size);

    if (size && pce->stream)
        stream_write(pce->stream, bytes, size);
    pcep_session_sent(pce->session, size, loop_now(pce->loop));
    timer_set(pce->timer, pcep_session_deadline(pce->session));
    if (!down)
        return;
    if (pce->stream)
        stream_finish(pce->stream);
    pcep_session_free(pce->session);
    pce->stream = NULL;
    pce->session = NULL;
}

static size_t data(void *arg, const uint8_t *bytes, size_t n)
{
    struct pce *pce = arg;

    pcep_session_receive(pce->session, bytes, n, loop_now(pce->loop));
    settle(pce);
    return n;
}

static void gone(void *arg, const struct err *reason)
{
    struct pce *pce = arg;

    pce->stream = NULL;
    pcep_session_closed(pce->session, reason->code, reason->text);
    settle(pce);
}

static void accepted(void *arg, struct stream *stream)
{
    static const struct stream_callbacks callbacks = {.data = data, .down = gone};
    struct pcep_session_config config = PCEP_SESSION_DEFAULTS(PCEP_PCE);
    struct pce *pce = arg;

    if (pce->session) {
        stream_close(stream);
        return;
    }
    config.setups |= 1u << PCEP_SR;
    config.sr_depth = 10;
    config.sid = pce->sid++;
    print(json_pack("{s:s, s:s}", "event", "connected", "peer", stream_peer(stream)));
    stream_set_callbacks(stream, &callbacks, pce);
    pce->stream = stream;
    pce->session = pcep_session_new(&config, loop_now(pce->loop));
    settle(pce);
}

static void ring(void *arg)
{
    struct pce *pce = arg;

    if (pce->session)
        pcep_session_tick(pce->session, loop_now(pce->loop));
    settle(pce);
}

/* Commands */

static void put_labels(struct pcep_item *item, char **labels, size_t n)
{
    item->has |= PCEP_HAS_ERO;
    for (size_t i = 0; i < n; i++) {
        item->segments = array_reserve(item->segments, item->n_segments, &item->cap_segments, sizeof item->segments[0]);
        item->segments[item->n_segments++] = (struct pcep_segment) {
            .has_sid = true, .mpls = true, .sid = (uint32_t) strtoul(labels[i], NULL, 10) << LABEL_SHIFT};
    }
}

static bool command_sr(struct pce *pce, bool initiate, uint64_t request, char **words, size_t n)
{
    struct pcep_item item = {.has = PCEP_HAS_NAME, .setup = PCEP_SR};
    size_t labels = initiate ? 5 : 3;

    if (n <= labels)
        return false;
    snprintf(item.name, sizeof item.name, "%s", words[2]);
    if (initiate) {
        item.has |= PCEP_HAS_ENDPOINTS;
        if (ipv4_parse(words[3], &item.endpoints.source) < 0 || ipv4_parse(words[4], &item.endpoints.destination) < 0)
            return false;
    }
    put_labels(&item, words + labels, n - labels);
    pcep_session_ask(pce->session, initiate ? PCEP_INITIATE : PCEP_UPDATE, &item, request, REQUEST_MS,
                     loop_now(pce->loop));
    return true;
}

static bool command_rsvp(struct pce *pce, uint64_t request, char **words, size_t n)
{
    struct lsp_request lsp = {.bandwidth_bps = 1000000};
    bool fine = n > 5 && ipv4_parse(words[3], &lsp.ingress) == 0 && ipv4_parse(words[4], &lsp.egress) == 0;

    for (size_t i = 5; fine && i < n; i++) {
        struct lsp_hop hop = {.type = HOP_IPV4, .length = 32};

        fine = ipv4_parse(words[i], &hop.address) == 0;
        lsp_route_add(&lsp.route, hop);
    }
    if (fine) {
        snprintf(lsp.name, sizeof lsp.name, "%s", words[2]);
        pcep_session_initiate(pce->session, &lsp, request, REQUEST_MS, loop_now(pce->loop));
    }
    lsp_request_free(&lsp);
    return fine;
}

static bool command(struct pce *pce, char *line)
{
    char *words[WORDS_MAX], *rest = NULL;
    size_t n = 0;

    for (char *word = strtok_r(line, " \n", &rest); word && n < WORDS_MAX; word = strtok_r(NULL, " \n", &rest))
        words[n++] = word;
    if (n == 0)
        return true;
    if (!pce->session)
        return false;
    uint64_t request = n > 1 ? strtoull(words[1], NULL, 10) : 0;

    if (strcmp(words[0], "close") == 0) {
        pcep_session_end(pce->session, "closed by command");
    } else if (strcmp(words[0], "initiate-sr") == 0 || strcmp(words[0], "update-sr") == 0) {
        return command_sr(pce, words[0][0] == 'i', request, words, n);
    } else if (strcmp(words[0], "initiate") == 0) {
        return command_rsvp(pce, request, words, n);
    } else if (strcmp(words[0], "remove") == 0 && n == 3) {
        pcep_session_remove(pce->session, words[2], request, REQUEST_MS, loop_now(pce->loop));
    } else {
        return false;
    }
    return true;
}

static void worker_read(void *arg)
{
    struct pce *pce = arg;

    pce->ended = !fgets(pce->line, sizeof pce->line, stdin);
}

static void was_read(void *arg)
{
    struct pce *pce = arg;

    if (pce->ended) {
        loop_stop(pce->loop);
        return;
    }
    if (!command(pce, pce->line))
        print(named("no such command, or no session"));
    settle(pce);
    worker_run(pce->pool, worker_read, was_read, pce);
}

int main(int argc, char **argv)
{
    struct pce pce = {.loop = loop_new()};
    struct err err = {0};

    if (argc != 3) {
        fprintf(stderr, "usage: pcep_pce ADDRESS PORT\n");
        return 2;
    }
    struct listener *listener = listener_new(pce.loop, argv[1], (uint16_t) strtoul(argv[2], NULL, 10), accepted, &pce,
                                             &err);

    if (!listener) {
        fprintf(stderr, "pcep_pce: %s\n", err.text);
        return 1;
    }
    pce.timer = timer_new(pce.loop, ring, &pce);
    pce.pool = worker_pool_new(pce.loop, 1);
    print(named("listening"));
    worker_run(pce.pool, worker_read, was_read, &pce);
    loop_run(pce.loop);
    if (pce.stream)
        stream_close(pce.stream);
    pcep_session_free(pce.session);
    worker_pool_free(pce.pool);
    timer_free(pce.timer);
    listener_free(listener);
    loop_free(pce.loop);
    return 0;
}
