/* SPDX-License-Identifier: Apache-2.0 */
#include "south/transport_gmpls.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "proto/pcep/pcep_session.h"
#include "south/transport_ospf.h"

#define UNSENT_MAX (16u << 20) /* of an ingress that does not read */

struct gmpls_driver;

/* What the user waits for, from the call to its EVENT_DONE. */
struct transport_request {
    uint64_t request;
    bool remove;
    char name[LSP_NAME_SIZE];
    struct mono deadline;
};

/* A PCEP session. */
struct ingress {
    struct gmpls_driver *driver;
    struct ingress *next;
    struct stream *stream; /* null: gone */
    struct pcep_session *session;
    struct timer *timer;
    char *peer;      /* the other end, for the log */
    uint32_t router; /* 0: not known yet */
    bool told;       /* the user knows of it */
    struct transport_request *requests;
    size_t n_requests, cap_requests;
};

struct gmpls_driver {
    struct transport_driver driver; /* first: the user's pointer is to this */
    struct loop *loop;
    struct event_queue *events;
    uint32_t setup_ms;
    struct listener *listener;
    struct ingress *ingresses;
    struct te_feed *feed;
};

static struct gmpls_driver *gmpls_driver(struct transport_driver *driver)
{
    return (struct gmpls_driver *) driver;
}

/* ---- requests ---- */

static void end_request(struct ingress *ingress, size_t i, int code, const char *text, const struct lsp_report *lsp)
{
    struct event *event = event_push(ingress->driver->events, EVENT_DONE);

    event->request = ingress->requests[i].request;
    if (code)
        err_set(&event->err, code, "%s: %s", ingress->requests[i].name, text);
    if (lsp) {
        event->lsp = lsp_report_copy(lsp);
        event->owns = EVENT_OWNS_LSP;
    }
    ingress->requests[i] = ingress->requests[--ingress->n_requests];
}

static void end_requests(struct ingress *ingress, int code, const char *text)
{
    while (ingress->n_requests)
        end_request(ingress, ingress->n_requests - 1, code, text, NULL);
}

/* -1 if there is none. */
static int find_request(const struct ingress *ingress, const char *name, bool remove)
{
    for (size_t i = 0; i < ingress->n_requests; i++) {
        if (ingress->requests[i].remove == remove && strcmp(ingress->requests[i].name, name) == 0)
            return (int) i;
    }
    return -1;
}

static bool is_gone(const struct lsp_report *report)
{
    return report->removed || (report->state == LSP_DOWN && report->error.code);
}

/* An LSP's report ends what waits for it: an LSP that is up, or that failed, or that is gone. */
static void settle_requests(struct ingress *ingress, const struct lsp_report *report)
{
    int create = find_request(ingress, report->name, false);

    if (create >= 0 && is_gone(report)) {
        AUTO_FREE char *why = lsp_error_format(&report->error);

        end_request(ingress, (size_t) create, ERR_REFUSED, why, report);
    } else if (create >= 0 && (report->state == LSP_UP || report->state == LSP_ACTIVE)) {
        end_request(ingress, (size_t) create, 0, NULL, report);
    }
    for (int remove; report->removed && (remove = find_request(ingress, report->name, true)) >= 0;)
        end_request(ingress, (size_t) remove, 0, NULL, NULL);
}

static void take_report(struct ingress *ingress, struct pcep_event *from)
{
    bool awaited = find_request(ingress, from->report.name, false) >= 0;

    settle_requests(ingress, &from->report);
    if (!awaited) {
        struct event *event = event_push(ingress->driver->events, EVENT_LSP);

        event->lsp = from->report;
        event->owns = EVENT_OWNS_LSP;
        from->report = (struct lsp_report) {0};
    }
}

/* The first answer to what was asked. If it is good, reports tell how the LSP goes on. */
static void answered(struct ingress *ingress, const struct pcep_event *from)
{
    for (size_t i = 0; i < ingress->n_requests; i++) {
        const struct transport_request *request = &ingress->requests[i];

        if (request->request != from->request || from->err.code == 0)
            continue;
        if (request->remove && from->err.code == ERR_NOT_FOUND)
            end_request(ingress, i, 0, NULL, NULL);
        else
            end_request(ingress, i,
                        from->err.code == ERR_TIMEOUT || from->err.code == ERR_MALFORMED    ? ERR_UNKNOWN :
                        from->err.code == ERR_UNSUPPORTED || from->err.code == ERR_CONFLICT ? ERR_REFUSED :
                                                                                              from->err.code,
                        from->err.text, from->has_report ? &from->report : NULL);
        return;
    }
}

/* ---- sessions ---- */

static void ingress_free(struct ingress *ingress)
{
    struct ingress **at = &ingress->driver->ingresses;

    while (*at != ingress)
        at = &(*at)->next;
    *at = ingress->next;
    if (ingress->stream)
        stream_finish(ingress->stream);
    timer_free(ingress->timer);
    pcep_session_free(ingress->session);
    free(ingress->requests);
    free(ingress->peer);
    free(ingress);
}

static struct ingress *find_ingress(const struct gmpls_driver *driver, uint32_t router)
{
    struct ingress *ingress = driver->ingresses;

    while (ingress && ingress->router != router)
        ingress = ingress->next;
    return ingress;
}

/* Its own word, else where it connects from. */
static uint32_t router_of(const struct ingress *ingress, const struct pcep_open *open)
{
    AUTO_FREE char *address = xstrndup(ingress->peer, strcspn(ingress->peer, ":"));
    uint32_t router;

    return ipv4_parse(open->speaker, &router) == 0 || ipv4_parse(address, &router) == 0 ? router : 0;
}

static void session_up(struct ingress *ingress, const struct pcep_open *open)
{
    uint32_t router = router_of(ingress, open);

    if (router == 0) {
        log_warn(FAULT_OPERATOR, ingress->peer, "an ingress that has neither an IPv4 router id nor an IPv4 address");
        pcep_session_end(ingress->session, "its router id is not known");
    } else if (find_ingress(ingress->driver, router)) {
        log_warn(FAULT_PEER, ingress->peer, "is the second session of %s, which has one already", open->speaker);
        pcep_session_reject(ingress->session);
    } else {
        ingress->router = router;
    }
}

static void tell(struct ingress *ingress, enum event_type type, const struct err *err)
{
    struct event *event = event_push(ingress->driver->events, type);

    event->router = ingress->router;
    if (err)
        event->err = *err;
    ingress->told = type == EVENT_INGRESS_UP;
}

static void session_down(struct ingress *ingress, const struct err *err)
{
    end_requests(ingress, ERR_UNKNOWN, err->text);
    if (ingress->told)
        tell(ingress, EVENT_INGRESS_DOWN, err);
    else
        log_warn(FAULT_PEER, ingress->peer, "PCEP session ends: %s", err->text);
}

/* True if the session has ended. */
static bool handle(struct ingress *ingress, struct pcep_event *event)
{
    switch (event->type) {
    case PCEP_EVENT_UP:
        session_up(ingress, &event->peer);
        break;
    case PCEP_EVENT_SYNCED:
        if (ingress->router)
            tell(ingress, EVENT_INGRESS_UP, NULL);
        break;
    case PCEP_EVENT_REPORT:
        if (ingress->router && event->setup == PCEP_RSVP_TE)
            take_report(ingress, event);
        break;
    case PCEP_EVENT_DONE:
        answered(ingress, event);
        break;
    case PCEP_EVENT_ERROR:
        log_warn(FAULT_PEER, ingress->peer, "%s", event->err.text);
        break;
    case PCEP_EVENT_DOWN:
        session_down(ingress, &event->err);
        return true;
    default:
        break;
    }
    return false;
}

static void set_timer(struct ingress *ingress)
{
    struct mono at = pcep_session_deadline(ingress->session);

    for (size_t i = 0; i < ingress->n_requests; i++)
        at = mono_min(at, ingress->requests[i].deadline);
    timer_set(ingress->timer, at);
}

/* Sends what the session has to send and acts on its events. May free the ingress. */
static void run(struct ingress *ingress)
{
    struct mono now = loop_now(ingress->driver->loop);
    struct pcep_event event;
    bool ended = false;

    while (!ended && pcep_session_event(ingress->session, &event)) {
        ended = handle(ingress, &event);
        pcep_event_free(&event);
    }

    size_t size;
    const uint8_t *bytes = pcep_session_output(ingress->session, &size);

    if (size && ingress->stream) {
        stream_write(ingress->stream, bytes, size);
        pcep_session_sent(ingress->session, size, now);
    }
    if (ended)
        ingress_free(ingress);
    else
        set_timer(ingress);
}

static void timer_rings(void *arg)
{
    struct ingress *ingress = arg;
    struct mono now = loop_now(ingress->driver->loop);

    pcep_session_tick(ingress->session, now);
    for (size_t i = ingress->n_requests; i-- > 0;) {
        if (mono_reached(ingress->requests[i].deadline, now))
            end_request(ingress, i, ERR_UNKNOWN, "the ingress did not say in time how it went", NULL);
    }
    run(ingress);
}

static size_t stream_data(void *arg, const uint8_t *bytes, size_t n)
{
    struct ingress *ingress = arg;

    if (stream_pending(ingress->stream) > UNSENT_MAX)
        pcep_session_closed(ingress->session, ERR_TOO_LARGE, "it does not read what it is told");
    pcep_session_receive(ingress->session, bytes, n, loop_now(ingress->driver->loop));
    run(ingress);
    return n;
}

static void stream_down(void *arg, const struct err *reason)
{
    struct ingress *ingress = arg;

    ingress->stream = NULL;
    pcep_session_closed(ingress->session, ERR_UNREACHABLE, reason->text);
    run(ingress);
}

static void accepted(void *arg, struct stream *stream)
{
    static const struct stream_callbacks callbacks = {.data = stream_data, .down = stream_down};
    struct pcep_session_config config = PCEP_SESSION_DEFAULTS(PCEP_PCE);
    struct gmpls_driver *driver = arg;
    struct ingress *ingress = xcalloc(1, sizeof *ingress);

    ingress->driver = driver;
    ingress->stream = stream;
    ingress->peer = xstrdup(stream_peer(stream));
    ingress->session = pcep_session_new(&config, loop_now(driver->loop));
    ingress->timer = timer_new(driver->loop, timer_rings, ingress);
    ingress->next = driver->ingresses;
    driver->ingresses = ingress;
    stream_set_callbacks(stream, &callbacks, ingress);
    run(ingress);
}

/* ---- the topology ---- */

static void link_set(void *arg, const struct te_link *link)
{
    struct gmpls_driver *driver = arg;

    event_push(driver->events, EVENT_TE_LINK)->te_link = *link;
}

static void link_gone(void *arg, const struct te_link_key *key)
{
    struct gmpls_driver *driver = arg;

    event_push(driver->events, EVENT_TE_LINK_GONE)->te_link.key = *key;
}

static void synced(void *arg)
{
    struct gmpls_driver *driver = arg;

    event_push(driver->events, EVENT_TE_SYNCED);
}

static void lost(void *arg, const struct err *reason)
{
    struct gmpls_driver *driver = arg;

    event_push(driver->events, EVENT_TE_DOWN)->err = *reason;
}

/* ---- the contract ---- */

/* The ingress to ask, with the request noted; or null, and the request has been ended. */
static struct ingress *note_request(struct gmpls_driver *driver, uint64_t request, uint32_t router, const char *name,
                                    bool remove)
{
    struct ingress *ingress = find_ingress(driver, router);
    struct transport_request note = {request, remove, "", mono_add(loop_now(driver->loop), driver->setup_ms)};
    struct err err;
    char text[16];

    if (!ingress || !ingress->told) {
        err_set(&err, ERR_UNREACHABLE, "%s: transport node %s has no PCEP session with this gateway", name,
                ipv4_format(router, text));
        event_push_done(driver->events, request, &err);
        return NULL;
    }
    memcpy(note.name, name, strlen(name) + 1);
    ingress->requests = array_reserve(ingress->requests, ingress->n_requests, &ingress->cap_requests,
                                      sizeof *ingress->requests);
    ingress->requests[ingress->n_requests++] = note;
    return ingress;
}

static void driver_create(struct transport_driver *base, uint64_t request, const struct lsp_request *lsp)
{
    struct gmpls_driver *driver = gmpls_driver(base);
    struct ingress *ingress = note_request(driver, request, lsp->ingress, lsp->name, false);

    if (!ingress)
        return;
    pcep_session_initiate(ingress->session, lsp, request, driver->setup_ms, loop_now(driver->loop));
    run(ingress);
}

static void driver_remove(struct transport_driver *base, uint64_t request, uint32_t router, const char *name)
{
    struct gmpls_driver *driver = gmpls_driver(base);
    struct ingress *ingress = note_request(driver, request, router, name, true);

    if (!ingress)
        return;
    pcep_session_remove(ingress->session, name, request, driver->setup_ms, loop_now(driver->loop));
    run(ingress);
}

static void driver_free(struct transport_driver *base)
{
    struct gmpls_driver *driver = gmpls_driver(base);

    te_feed_free(driver->feed);
    listener_free(driver->listener);
    while (driver->ingresses)
        ingress_free(driver->ingresses);
    free(driver);
}

static const struct transport_ops ops = {.create = driver_create, .remove = driver_remove, .free = driver_free};

struct transport_driver *transport_gmpls_new(struct loop *loop, struct event_queue *events,
                                             const struct transport_gmpls_config *config, struct err *err)
{
    static const struct te_feed_callbacks callbacks = {
        .link = link_set, .link_gone = link_gone, .up = synced, .down = lost};
    struct te_feed_config feed = {.address = config->ospf_address, .port = config->ospf_port};
    struct gmpls_driver *driver = xcalloc(1, sizeof *driver);

    driver->driver.ops = &ops;
    driver->loop = loop;
    driver->events = events;
    driver->setup_ms = config->setup_ms;
    driver->listener = listener_new(loop, config->pcep_address, config->pcep_port, accepted, driver, err);
    if (!driver->listener) {
        err_prefix(err, "PCEP");
        free(driver);
        return NULL;
    }
    driver->feed = te_feed_new(loop, &feed, &callbacks, driver, err);
    if (!driver->feed) {
        driver_free(&driver->driver);
        return NULL;
    }
    return &driver->driver;
}

uint16_t transport_gmpls_port(const struct transport_driver *driver)
{
    return listener_port(((const struct gmpls_driver *) driver)->listener);
}
