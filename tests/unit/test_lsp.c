/* SPDX-License-Identifier: Apache-2.0 */
/* LSPs and RSVP messages as values: copies, comparison, text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "model/lsp.h"
#include "model/rsvp.h"

#define NODE(n) (0x0afd0000u + (n)) /* 10.253.0.n */
#define LINK(n) (0x0afc0000u + (n)) /* 10.252.0.n */

static struct lsp_route some_route(void)
{
    struct lsp_route route = {0};

    lsp_route_add(&route, (struct lsp_hop) {.type = HOP_IPV4, .address = LINK(1), .length = 32});
    lsp_route_add(&route, (struct lsp_hop) {.type = HOP_UNNUMBERED, .address = NODE(5), .interface = 3});
    lsp_route_add(&route, (struct lsp_hop) {.type = HOP_LABEL, .label = 101});
    return route;
}

static void assert_text(char *text, const char *expected)
{
    assert_string_equal(text, expected);
    free(text);
}

static void a_route_is_told_hop_by_hop(void **state)
{
    (void) state;
    struct lsp_route route = some_route(), none = {0};

    assert_text(lsp_route_format(&route), "10.252.0.1 10.253.0.5/3 label 101");
    assert_text(lsp_route_format(&none), "");
    lsp_route_add(&route, (struct lsp_hop) {.type = HOP_LABEL, .label = 7, .upstream = true});
    lsp_route_add(&route, (struct lsp_hop) {.type = HOP_IPV4, .loose = true, .address = LINK(0), .length = 24});
    assert_text(lsp_route_format(&route),
                "10.252.0.1 10.253.0.5/3 label 101 upstream label 7 loose 10.252.0.0 of 24 bits");
    lsp_route_free(&route);
    assert_int_equal(route.n, 0);
}

static void routes_are_equal_if_every_hop_is(void **state)
{
    (void) state;
    struct lsp_route a = some_route(), b = lsp_route_copy(&a), none = {0};

    assert_ptr_not_equal(a.hops, b.hops);
    assert_true(lsp_route_equal(&a, &b));
    b.hops[0].interface = 9; /* means nothing for an address */
    assert_true(lsp_route_equal(&a, &b));
    for (unsigned change = 0; change < 6; change++) {
        struct lsp_route c = lsp_route_copy(&a);

        switch (change) {
        case 0:
            c.hops[0].address++;
            break;
        case 1:
            c.hops[0].loose = true;
            break;
        case 2:
            c.hops[1].interface++;
            break;
        case 3:
            c.hops[2].label++;
            break;
        case 4:
            c.hops[2].upstream = true;
            break;
        default:
            c.n--;
            break;
        }
        assert_false(lsp_route_equal(&a, &c));
        lsp_route_free(&c);
    }
    assert_false(lsp_route_equal(&a, &none));
    lsp_route_add(&b, (struct lsp_hop) {.type = HOP_LABEL}); /* a copy grows, too */
    assert_false(lsp_route_equal(&a, &b));
    lsp_route_free(&a);
    lsp_route_free(&b);
}

static void an_error_is_told_with_its_place(void **state)
{
    (void) state;
    struct lsp_error error = {.node = NODE(1), .code = 1, .value = 2, .interface_ip = LINK(5)};

    assert_text(lsp_error_format(&error), "requested bandwidth unavailable (1/2) at 10.253.0.1, interface 10.252.0.5");
    error.interface_id = 3;
    assert_text(lsp_error_format(&error),
                "requested bandwidth unavailable (1/2) at 10.253.0.1, interface 10.252.0.5/3");
    error = (struct lsp_error) {.code = 24, .value = 77, .interface_id = 3};
    assert_text(lsp_error_format(&error), "routing problem (24/77), interface 3");
    error = (struct lsp_error) {0};
    assert_text(lsp_error_format(&error), "no error");
    assert_string_equal(rsvp_error_name(24, 6), "unacceptable label value");
    assert_string_equal(rsvp_error_name(99, 0), "unknown error");
    assert_string_equal(lsp_state_name(LSP_GOING_UP), "going up");
    assert_string_equal(lsp_state_name((enum lsp_state) 9), "unknown");
}

static void requests_and_reports_are_copied_whole(void **state)
{
    (void) state;
    struct lsp_request request = {.name = "migration", .bandwidth_bps = 1000, .route = some_route()};
    struct lsp_request asked = lsp_request_copy(&request);

    assert_string_equal(asked.name, "migration");
    assert_true(lsp_route_equal(&asked.route, &request.route));
    lsp_request_free(&request);
    assert_int_equal(asked.route.n, 3);

    struct lsp_report report = {.name = "migration", .route = some_route(), .record = some_route()};
    struct lsp_report told = lsp_report_copy(&report);

    lsp_report_free(&report);
    assert_int_equal(told.route.n, 3);
    assert_int_equal(told.record.n, 3);
    lsp_report_free(&told);
    lsp_request_free(&asked);
}

static struct rsvp_message some_path(void)
{
    struct rsvp_message m = {
        .type = RSVP_PATH,
        .has = RSVP_HAS_SESSION | RSVP_HAS_SENDER | RSVP_HAS_HOP | RSVP_HAS_ERO | RSVP_HAS_UPSTREAM_LABEL |
               RSVP_HAS_LABEL_SET | RSVP_HAS_ADMIN_STATUS | RSVP_HAS_MESSAGE_ID,
        .session = {.destination = NODE(5), .tunnel_id = 7},
        .sender = {.source = NODE(1), .lsp_id = 1},
        .hop = {.address = LINK(1), .if_type = RSVP_IF_INDEX, .if_address = NODE(1), .if_id = 4},
        .ero = some_route(),
        .upstream_label = 17,
        .admin_status = RSVP_ADMIN_REFLECT | RSVP_ADMIN_DELETION,
        .message_id = {.flags = RSVP_MESSAGE_ID_ACK_DESIRED, .epoch = 0xabc, .id = 5},
        .n_labels = 2,
        .n_acks = 2,
        .n_unknown = 1,
    };

    m.labels = xcalloc(2, sizeof *m.labels);
    m.labels[0] = 16;
    m.labels[1] = 18;
    m.acks = xcalloc(2, sizeof *m.acks);
    m.acks[0] = (struct rsvp_ack) {.epoch = 0xdef, .id = 1};
    m.acks[1] = (struct rsvp_ack) {.nack = true, .epoch = 0xdef, .id = 2};
    m.unknown[0] = (struct rsvp_unknown) {.class = 250, .ctype = 1, .size = 4, .body = xcalloc(1, 4)};
    return m;
}

#define PATH_TEXT \
    "Path 10.253.0.5/7 from 10.253.0.1/1 hop 10.252.0.1 interface 10.253.0.1/4 " \
    "ERO [10.252.0.1 10.253.0.5/3 label 101] upstream label 17 label set [16 18] admin status R D " \
    "id abc/5 ack desired ack def/1 nack def/2 object 250/1"

static void a_message_is_copied_whole_and_told_on_one_line(void **state)
{
    (void) state;
    struct rsvp_message path = some_path(), copy = rsvp_message_copy(&path);

    assert_text(rsvp_message_format(&path), PATH_TEXT);
    rsvp_message_free(&path);
    assert_text(rsvp_message_format(&copy), PATH_TEXT);
    rsvp_message_free(&copy);
    assert_int_equal(copy.n_acks + copy.n_labels + copy.ero.n + copy.n_unknown, 0);
    rsvp_message_free(&copy); /* a second time does nothing */
}

static void messages_between_neighbours_are_told(void **state)
{
    (void) state;
    uint32_t ids[] = {3, 4};
    struct rsvp_message hello = {.type = RSVP_HELLO,
                                 .has = RSVP_HAS_HELLO | RSVP_HAS_RESTART_CAP,
                                 .hello = {.source_instance = 0x10, .destination_instance = 0x20},
                                 .restart_cap = {.restart_ms = 1000, .recovery_ms = 2000}};
    struct rsvp_message srefresh = {.type = RSVP_SREFRESH, .srefresh_epoch = 0xabc, .srefresh = ids, .n_srefresh = 2};
    struct rsvp_message error = {.type = RSVP_PATH_ERR,
                                 .has = RSVP_HAS_ERROR,
                                 .error = {.node = NODE(2), .code = 24, .value = 9, .path_state_removed = true}};

    assert_text(rsvp_message_format(&hello), "Hello request 10 to 20 restart 1000 ms recovery 2000 ms");
    assert_text(rsvp_message_format(&srefresh), "Srefresh refreshes abc/3,4");
    assert_text(rsvp_message_format(&error),
                "PathErr error MPLS label allocation failure (24/9) at 10.253.0.2, path state removed");
    assert_string_equal(rsvp_type_name(0), "unknown message");
    assert_string_equal(rsvp_type_name(200), "unknown message");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_route_is_told_hop_by_hop),
        cmocka_unit_test(routes_are_equal_if_every_hop_is),
        cmocka_unit_test(an_error_is_told_with_its_place),
        cmocka_unit_test(requests_and_reports_are_copied_whole),
        cmocka_unit_test(a_message_is_copied_whole_and_told_on_one_line),
        cmocka_unit_test(messages_between_neighbours_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
