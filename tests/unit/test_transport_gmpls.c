/* SPDX-License-Identifier: Apache-2.0 */
/* The transport driver against an ingress that is scripted, over real streams. Arrows show what is sent:
 * > from the driver to the ingress, < from the ingress. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "proto/pcep/pcep_session.h"
#include "south/transport_gmpls.h"

#define ROUTER 0x0afd000b /* 10.253.0.11 */
#define PATIENCE_MS 10000

struct world;

/* An ingress: a PCC that does what the test says. */
struct pcc {
    struct world *world;
    struct stream *stream;
    struct pcep_session *session;
    struct lsp_report has[4]; /* what it reports first */
    size_t n_has;
    void (*initiate)(struct pcc *pcc, const struct pcep_event *event);
    bool ended;
};

struct world {
    struct loop *loop;
    struct event_queue queue;
    struct timer *patience;
    struct transport_driver *driver;
    struct pcc pccs[2];
    bool late;
};

/* ---- the ingress ---- */

static void pcc_send(struct pcc *pcc)
{
    size_t size;
    const uint8_t *bytes = pcep_session_output(pcc->session, &size);

    if (size && pcc->stream) {
        stream_write(pcc->stream, bytes, size);
        pcep_session_sent(pcc->session, size, loop_now(pcc->world->loop));
    }
}

static struct lsp_report report_of(const char *name, enum lsp_state state)
{
    struct lsp_report report = {.ingress = ROUTER, .egress = 0x0afd000f, .tunnel_id = 1, .lsp_id = 1, .state = state};

    snprintf(report.name, sizeof report.name, "%s", name);
    report.ingress_client = (struct lsp_client) {1, 200};
    report.egress_client = (struct lsp_client) {3, CLIENT_VLAN_NONE};
    return report;
}

static void pcc_report(struct pcc *pcc, struct lsp_report report, uint32_t srp_id)
{
    pcep_session_report(pcc->session, &report, PCEP_DELEGATE | PCEP_CREATE, srp_id);
}

static void pcc_run(struct pcc *pcc)
{
    struct pcep_event event;

    while (pcep_session_event(pcc->session, &event)) {
        switch (event.type) {
        case PCEP_EVENT_UP:
            for (size_t i = 0; i < pcc->n_has; i++)
                pcc_report(pcc, pcc->has[i], 0);
            pcep_session_synced(pcc->session);
            break;
        case PCEP_EVENT_INITIATE:
            pcc->initiate(pcc, &event);
            break;
        case PCEP_EVENT_REMOVE: {
            struct lsp_report gone = report_of(event.lsp.name, LSP_DOWN);

            gone.removed = true;
            pcc_report(pcc, report_of(event.lsp.name, LSP_GOING_DOWN), event.srp_id);
            pcc_report(pcc, gone, event.srp_id);
            break;
        }
        case PCEP_EVENT_DOWN:
            pcc->ended = true;
            loop_stop(pcc->world->loop);
            break;
        default:
            break;
        }
        pcep_event_free(&event);
    }
    pcc_send(pcc);
}

static void pcc_up(void *arg)
{
    pcc_send(arg);
}

static size_t pcc_data(void *arg, const uint8_t *bytes, size_t n)
{
    struct pcc *pcc = arg;

    pcep_session_receive(pcc->session, bytes, n, loop_now(pcc->world->loop));
    pcc_run(pcc);
    return n;
}

static void pcc_down(void *arg, const struct err *reason)
{
    struct pcc *pcc = arg;

    pcc->stream = NULL;
    pcep_session_closed(pcc->session, ERR_UNREACHABLE, reason->text);
    pcc_run(pcc);
}

static struct pcc *pcc_start(struct world *w, int i)
{
    static const struct stream_callbacks callbacks = {.up = pcc_up, .data = pcc_data, .down = pcc_down};
    struct pcep_session_config config = PCEP_SESSION_DEFAULTS(PCEP_PCC);
    AUTO_FREE char *where = xasprintf("tcp:127.0.0.1:%u", transport_gmpls_port(w->driver));
    struct pcc *pcc = &w->pccs[i];
    struct err err = {0};

    snprintf(config.speaker, sizeof config.speaker, "10.253.0.11");
    pcc->world = w;
    pcc->session = pcep_session_new(&config, loop_now(w->loop));
    pcc->stream = stream_connect(w->loop, where, &callbacks, pcc, &err);
    assert_non_null(pcc->stream);
    return pcc;
}

/* ---- the world ---- */

static void stop(void *arg)
{
    loop_stop(((struct world *) arg)->loop);
}

static void too_late(void *arg)
{
    struct world *w = arg;

    w->late = true;
    loop_stop(w->loop);
}

static int set_up_with(void **state, uint32_t setup_ms)
{
    struct transport_gmpls_config config = {"127.0.0.1", 0, "127.0.0.1", 1, setup_ms};
    struct world *w = xcalloc(1, sizeof *w);
    struct err err = {0};

    log_set_level(LOG_ERROR);
    w->loop = loop_new();
    w->queue.wake = stop;
    w->queue.wake_arg = w;
    w->patience = timer_new(w->loop, too_late, w);
    w->driver = transport_gmpls_new(w->loop, &w->queue, &config, &err);
    assert_non_null(w->driver);
    *state = w;
    return 0;
}

static int set_up(void **state)
{
    return set_up_with(state, 2 * PATIENCE_MS);
}

static int set_up_hastily(void **state)
{
    return set_up_with(state, 100);
}

static int tear_down(void **state)
{
    struct world *w = *state;

    w->driver->ops->free(w->driver);
    for (int i = 0; i < 2; i++) {
        if (w->pccs[i].stream)
            stream_close(w->pccs[i].stream);
        pcep_session_free(w->pccs[i].session);
    }
    event_queue_clear(&w->queue);
    timer_free(w->patience);
    loop_free(w->loop);
    free(w);
    return 0;
}

/* The next event, which is of this type. Caller discards. */
static struct event *expect(struct world *w, enum event_type type)
{
    struct event *event;

    timer_set(w->patience, mono_add(loop_now(w->loop), PATIENCE_MS));
    while (!(event = event_pop(&w->queue)) && !w->late)
        loop_run(w->loop);
    assert_non_null(event);
    assert_int_equal(event->type, type);
    return event;
}

static void expect_done(struct world *w, uint64_t request, int code)
{
    struct event *event = expect(w, EVENT_DONE);

    assert_int_equal(event->request, request);
    assert_int_equal(event->err.code, code);
    event_discard(event);
}

static struct pcc *with_ingress(struct world *w)
{
    struct pcc *pcc = pcc_start(w, 0);
    struct event *event = expect(w, EVENT_INGRESS_UP);

    assert_int_equal(event->router, ROUTER);
    event_discard(event);
    return pcc;
}

static void create(struct world *w, uint64_t request, const char *name)
{
    struct lsp_request lsp = {.ingress = ROUTER,
                              .egress = 0x0afd000f,
                              .ingress_client = {1, CLIENT_VLAN_ANY},
                              .egress_client = {3, CLIENT_VLAN_NONE},
                              .bandwidth_bps = 100000000,
                              .setup_priority = 3,
                              .holding_priority = 3};

    snprintf(lsp.name, sizeof lsp.name, "%s", name);
    lsp_route_add(&lsp.route, (struct lsp_hop) {.type = HOP_IPV4, .length = 32, .address = 0x0afc0102});
    w->driver->ops->create(w->driver, request, &lsp);
    lsp_request_free(&lsp);
}

/* ---- answers to Initiate ---- */

static void comes_up(struct pcc *pcc, const struct pcep_event *event)
{
    assert_string_equal(event->lsp.name, "A:user:ce1");
    assert_int_equal(event->lsp.route.n, 1);
    assert_int_equal(event->lsp.egress_client.interface, 3);
    pcc_report(pcc, report_of(event->lsp.name, LSP_GOING_UP), event->srp_id);
    pcc_report(pcc, report_of(event->lsp.name, LSP_UP), event->srp_id);
}

static void fails(struct pcc *pcc, const struct pcep_event *event)
{
    struct lsp_report failed = report_of(event->lsp.name, LSP_DOWN);

    pcc_report(pcc, report_of(event->lsp.name, LSP_GOING_UP), event->srp_id);
    failed.removed = true;
    failed.error = (struct lsp_error) {0x0afd0001, 1, 2, 0x0afc0101, 0, true};
    pcc_report(pcc, failed, event->srp_id);
}

static void says_nothing_more(struct pcc *pcc, const struct pcep_event *event)
{
    pcc_report(pcc, report_of(event->lsp.name, LSP_GOING_UP), event->srp_id);
}

static void goes_away(struct pcc *pcc, const struct pcep_event *event)
{
    (void) event;
    stream_close(pcc->stream);
    pcc->stream = NULL;
}

/* ---- tests ---- */

/* < Open, Keepalive, Report (sync) x 2, Report (end)   the LSPs are told before the ingress is */
static void lsps_are_told_before_their_ingress(void **state)
{
    struct world *w = *state;

    w->pccs[0].has[0] = report_of("A:user:ce1", LSP_UP);
    w->pccs[0].has[1] = report_of("B:other", LSP_UP);
    w->pccs[0].n_has = 2;
    pcc_start(w, 0);
    struct event *first = expect(w, EVENT_LSP), *second = expect(w, EVENT_LSP), *up = expect(w, EVENT_INGRESS_UP);
    assert_string_equal(first->lsp.name, "A:user:ce1");
    assert_int_equal(first->lsp.ingress, ROUTER);
    assert_int_equal(first->lsp.ingress_client.vlan, 200);
    assert_string_equal(second->lsp.name, "B:other");
    assert_int_equal(up->router, ROUTER);
    event_discard(first);
    event_discard(second);
    event_discard(up);
}

/* > Initiate    < Report (going up), Report (up) */
static void a_set_up_ends_when_the_lsp_is_up(void **state)
{
    struct world *w = *state;

    with_ingress(w)->initiate = comes_up;
    create(w, 7, "A:user:ce1");
    struct event *done = expect(w, EVENT_DONE);
    assert_int_equal(done->request, 7);
    assert_int_equal(done->err.code, 0);
    assert_int_equal(done->lsp.state, LSP_UP);
    assert_int_equal(done->lsp.ingress_client.vlan, 200);
    event_discard(done);
}

/* > Initiate    < Report (going up), Report (removed, RSVP-ERROR-SPEC) */
static void a_refusal_says_what_to_avoid(void **state)
{
    struct world *w = *state;

    with_ingress(w)->initiate = fails;
    create(w, 8, "A:user:ce1");
    struct event *done = expect(w, EVENT_DONE);
    assert_int_equal(done->err.code, ERR_REFUSED);
    assert_non_null(strstr(done->err.text, "A:user:ce1: "));
    assert_non_null(strstr(done->err.text, "10.252.1.1"));
    assert_int_equal(done->owns, EVENT_OWNS_LSP);
    assert_int_equal(done->lsp.error.code, 1);
    assert_int_equal(done->lsp.error.interface_ip, 0x0afc0101);
    event_discard(done);
}

/* > Initiate (remove)    < Report (going down), Report (removed); of one that it does not have, nothing is sent */
static void a_removal_ends_when_the_lsp_is_gone(void **state)
{
    struct world *w = *state;

    with_ingress(w)->initiate = comes_up;
    create(w, 1, "A:user:ce1");
    expect_done(w, 1, 0);
    w->driver->ops->remove(w->driver, 2, ROUTER, "A:user:ce1");
    struct event *going_down = expect(w, EVENT_LSP);
    assert_int_equal(going_down->lsp.state, LSP_GOING_DOWN);
    event_discard(going_down);
    expect_done(w, 2, 0);
    struct event *gone = expect(w, EVENT_LSP);
    assert_true(gone->lsp.removed);
    event_discard(gone);
    w->driver->ops->remove(w->driver, 3, ROUTER, "A:user:ce1");
    expect_done(w, 3, 0);
}

/* > Initiate (remove) x 2    < Report (going down), Report (removed), PCErr: there is no such LSP */
static void removals_of_one_lsp_end_together(void **state)
{
    struct world *w = *state;

    with_ingress(w)->initiate = comes_up;
    create(w, 1, "A:user:ce1");
    expect_done(w, 1, 0);
    w->driver->ops->remove(w->driver, 2, ROUTER, "A:user:ce1");
    w->driver->ops->remove(w->driver, 3, ROUTER, "A:user:ce1");
    event_discard(expect(w, EVENT_LSP));
    expect_done(w, 2, 0);
    expect_done(w, 3, 0);
}

/* < Report (removed, error), unasked */
static void a_failure_is_told(void **state)
{
    struct world *w = *state;
    struct pcc *pcc = with_ingress(w);
    struct lsp_report failed = report_of("A:user:ce1", LSP_DOWN);

    pcc->initiate = comes_up;
    create(w, 1, "A:user:ce1");
    expect_done(w, 1, 0);
    failed.removed = true;
    failed.error = (struct lsp_error) {.node = 0x0afd0001, .code = 25, .value = 11, .interface_ip = 0x0afc0101};
    pcc_report(pcc, failed, 0);
    pcc_send(pcc);
    struct event *event = expect(w, EVENT_LSP);
    assert_true(event->lsp.removed);
    assert_int_equal(event->lsp.error.code, 25);
    event_discard(event);
}

static void without_an_ingress_nothing_is_asked(void **state)
{
    struct world *w = *state;

    create(w, 1, "A:user:ce1");
    expect_done(w, 1, ERR_UNREACHABLE);
    w->driver->ops->remove(w->driver, 2, ROUTER, "A:user:ce1");
    expect_done(w, 2, ERR_UNREACHABLE);
}

/* > Initiate    the session goes: whether the LSP stands is unknown */
static void a_session_that_goes_leaves_it_open(void **state)
{
    struct world *w = *state;

    with_ingress(w)->initiate = goes_away;
    create(w, 1, "A:user:ce1");
    expect_done(w, 1, ERR_UNKNOWN);
    struct event *down = expect(w, EVENT_INGRESS_DOWN);
    assert_int_equal(down->router, ROUTER);
    assert_int_not_equal(down->err.code, 0);
    event_discard(down);
    create(w, 2, "A:user:ce1");
    expect_done(w, 2, ERR_UNREACHABLE);
}

/* > Initiate    < Report (going up), and then nothing */
static void an_ingress_that_falls_silent_leaves_it_open(void **state)
{
    struct world *w = *state;

    with_ingress(w)->initiate = says_nothing_more;
    create(w, 1, "A:user:ce1");
    expect_done(w, 1, ERR_UNKNOWN);
}

/* A second session of the same node: > PCErr 9/1; the first one stays. */
static void a_node_has_one_session(void **state)
{
    struct world *w = *state;

    with_ingress(w)->initiate = comes_up;
    struct pcc *second = pcc_start(w, 1);
    timer_set(w->patience, mono_add(loop_now(w->loop), PATIENCE_MS));
    while (!second->ended && !w->late)
        loop_run(w->loop);
    assert_true(second->ended);
    assert_null(event_pop(&w->queue));
    create(w, 1, "A:user:ce1");
    expect_done(w, 1, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lsps_are_told_before_their_ingress),
        TEST(a_set_up_ends_when_the_lsp_is_up),
        TEST(a_refusal_says_what_to_avoid),
        TEST(a_removal_ends_when_the_lsp_is_gone),
        TEST(removals_of_one_lsp_end_together),
        TEST(a_failure_is_told),
        TEST(without_an_ingress_nothing_is_asked),
        TEST(a_session_that_goes_leaves_it_open),
        cmocka_unit_test_setup_teardown(an_ingress_that_falls_silent_leaves_it_open, set_up_hastily, tear_down),
        TEST(a_node_has_one_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
