/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of events and the names of places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "model/event.h"

static void count_wake(void *arg)
{
    ++*(unsigned *) arg;
}

static void test_order_survives_growth_and_wrapping(void **state)
{
    (void) state;
    unsigned wakes = 0;
    struct event_queue queue = {.wake = count_wake, .wake_arg = &wakes};
    uint64_t pushed = 0, popped = 0;

    /* Three in, two out: the ring wraps and grows many times over. */
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned i = 0; i < 3; i++)
            event_push(&queue, EVENT_PROGRESS)->request = ++pushed;
        for (unsigned i = 0; i < 2; i++) {
            struct event *event = event_pop(&queue);

            assert_non_null(event);
            assert_int_equal(event->request, ++popped);
            event_discard(event);
        }
    }
    assert_int_equal(queue.n, 200);
    assert_int_equal(wakes, 600);
    for (struct event *event; (event = event_pop(&queue)); event_discard(event))
        assert_int_equal(event->request, ++popped);
    assert_int_equal(popped, pushed);
    assert_null(event_pop(&queue));
    event_queue_clear(&queue);
}

static void test_event_is_zeroed(void **state)
{
    (void) state;
    struct event_queue queue = {0};
    static const struct event zero = {.type = EVENT_VM};
    const struct event *event = event_push(&queue, EVENT_VM);

    assert_memory_equal(event, &zero, sizeof zero);
    event_queue_clear(&queue);
}

static void test_done_carries_the_error(void **state)
{
    (void) state;
    struct event_queue queue = {0};
    struct err err;

    err_set(&err, ERR_TIMEOUT, "VM V1: no answer");
    const struct event *failed = event_push_done(&queue, 7, &err);
    const struct event *fine = event_push_done(&queue, 8, NULL);

    assert_int_equal(failed->type, EVENT_DONE);
    assert_int_equal(failed->request, 7);
    assert_int_equal(failed->err.code, ERR_TIMEOUT);
    assert_string_equal(failed->err.text, "VM V1: no answer");
    assert_int_equal(fine->request, 8);
    assert_int_equal(fine->err.code, 0);
    event_queue_clear(&queue);
}

/* What leaks here, the address sanitizer reports. */
static void test_free_releases_what_the_event_owns(void **state)
{
    (void) state;
    struct event_queue queue = {0};
    struct event *event = event_push(&queue, EVENT_SWITCH_UP);

    event->sw.ports = xcalloc(2, sizeof *event->sw.ports);
    event->sw.n_ports = 2;
    event->owns = EVENT_OWNS_SWITCH;

    event = event_push_done(&queue, 1, NULL);
    struct flow flow = flow_make(0, 1, 2);
    flow_output(&flow, 3);
    flow_list_add(&event->read.flows, flow);
    event->read.meters = xcalloc(1, sizeof *event->read.meters);
    event->owns = EVENT_OWNS_READ;

    event = event_push_done(&queue, 2, NULL);
    json_t *body = json_object();
    event->answer.body = json_incref(body);
    event->owns = EVENT_OWNS_ANSWER;

    event = event_push(&queue, EVENT_LSP);
    lsp_route_add(&event->lsp.route, (struct lsp_hop) {.address = 1});
    lsp_route_add(&event->lsp.record, (struct lsp_hop) {.address = 2});
    event->owns = EVENT_OWNS_LSP;

    event_queue_clear(&queue);
    assert_int_equal(body->refcount, 1);
    json_decref(body);
    assert_int_equal(queue.n, 0);
    event_discard(NULL);
}

static void test_places(void **state)
{
    (void) state;
    enum vm_place place = PLACE_MOVING;

    for (enum vm_place each = PLACE_UNKNOWN; each <= PLACE_PAUSED; each++) {
        assert_int_equal(vm_place_parse(vm_place_name(each), &place), 0);
        assert_int_equal(place, each);
    }
    assert_int_equal(vm_place_parse("nowhere", &place), ERR_INVALID);
    assert_int_equal(vm_place_parse("", &place), ERR_INVALID);
    assert_int_equal(place, PLACE_PAUSED);
    assert_string_equal(vm_place_name((enum vm_place) 99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_survives_growth_and_wrapping),
        cmocka_unit_test(test_event_is_zeroed),
        cmocka_unit_test(test_done_carries_the_error),
        cmocka_unit_test(test_free_releases_what_the_event_owns),
        cmocka_unit_test(test_places),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
