/* SPDX-License-Identifier: Apache-2.0 */
/* The node crashes and comes back with its records, or a neighbour does: RFC 3473 §9. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "gmpls_node_world.h"

#define RRO "10.252.1.1 label 1000 upstream label 501 10.252.2.2 label 600"

static void transit_stands(struct node_world *w)
{
    says(w, A, path(1));      /* A --> N */
    says(w, B, resv(1, 600)); /* N <-- B */
    xc_done(w, 0);
    pass_over(w);
}

static void count_xc(void *arg, const struct node_xc *xc)
{
    unsigned *n = arg;

    ++*n;
    assert_int_equal(xc->in.in_label, 1000);
    assert_int_equal(xc->in.out_label, 501);
    assert_int_equal(xc->out.in_label, 2000);
    assert_int_equal(xc->out.out_label, 600);
    assert_int_equal(xc->rate_bps, 10 * MBPS);
}

static void a_transit_lives_on_with_its_labels(void **state)
{
    struct node_world *w = node_world();
    unsigned xcs = 0;

    (void) state;
    transit_stands(w);
    crash(w);
    revive(w);
    node_xc_each(w->node, count_xc, &xcs);
    assert_int_equal(xcs, 1);
    pass_ms(w, 5000);
    want(w, "A <-- Resv label 1000 RRO " RRO);                       /* A <-- N */
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2 recovery 600"); /* N --> B */
    silent(w);                                                       /* nothing to the switch */
    assert_int_equal(node_counters(w->node)->recovered, 1);
    pass_ms(w, 300000);
    silent(w);
    says(w, A, path(2));                                /* A --> N: what LSP 1 has is not given out again */
    want(w, "B <-- Path upstream 2001 ERO 10.252.2.2"); /* N --> B */
    node_world_end(w);
}

static void what_is_not_refreshed_in_time_goes(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message tear = about(RSVP_PATH_TEAR, 1);

    (void) state;
    transit_stands(w);
    crash(w);
    neighbour_send(w->peers[A], &tear, w->now); /* A --> x: N is not there */
    pass_ms(w, 2000);
    revive(w);
    pass_ms(w, 15000);
    want(w, "A <-- Resv label 1000 RRO " RRO); /* A <-- N: A knows it no longer, and says nothing */
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2 recovery 600"); /* N --> B */
    silent(w);
    pass_ms(w, 10000);
    want(w, "B <-- PathTear"); /* N --> B */
    want(w, "xc clear A 1000/501 B 2000/600");
    nothing_left(w);
    node_world_end(w);
}

static void an_upstream_without_state_says_so(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message tear = about(RSVP_PATH_TEAR, 1), error = about(RSVP_RESV_ERR, 1);

    (void) state;
    transit_stands(w);
    crash(w);
    neighbour_send(w->peers[A], &tear, w->now); /* A --> x */
    pass_ms(w, 2000);
    revive(w);
    pass_ms(w, 3000);
    pass_over(w);
    error.error = (struct lsp_error) {.node = ROUTER(A), .code = RSVP_ERR_NO_PATH};
    says(w, A, error);         /* A --> N: as a node of ours would */
    want(w, "B <-- PathTear"); /* N --> B */
    want(w, "xc clear A 1000/501 B 2000/600");
    nothing_left(w);
    node_world_end(w);
}

static void an_ingress_lives_on_too(void **state)
{
    struct node_world *w = node_world();
    struct err err = {0};

    (void) state;
    to_up(w);
    crash(w);
    revive(w);
    pass_ms(w, 5000);
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2 10.253.0.20/3 label 0 recovery 600"); /* N --> B */
    silent(w);
    assert_int_equal(node_counters(w->node)->recovered, 1);
    assert_int_equal(node_remove(w->node, "lsp1", true, 6, w->now, &err), 0);
    carry(w);
    want(w, "B <-- PathTear"); /* N --> B */
    want(w, "report lsp1 down removed cookie 6");
    want(w, "xc clear client 7 VLAN 100 B 2000/600");
    nothing_left(w);
    node_world_end(w);
}

static void an_ingress_whose_lsp_is_gone_reports_it(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    to_up(w);
    crash(w);
    w->deaf[B] = true;
    revive(w);
    pass_ms(w, 21000);
    want(w, "report lsp1 down removed 25/9 at 10.252.2.1");
    want(w, "xc clear client 7 VLAN 100 B 2000/600");
    nothing_left(w);
    node_world_end(w);
}

static void a_removal_under_way_is_finished(void **state)
{
    struct node_world *w = node_world();
    struct err err = {0};

    (void) state;
    to_up(w);
    assert_int_equal(node_remove(w->node, "lsp1", false, 6, w->now, &err), 0);
    carry(w);
    pass_over(w);
    crash(w);
    revive(w);
    pass_ms(w, 3000);
    want(w, "B <-- PathTear"); /* N --> B */
    want(w, "report lsp1 down removed");
    want(w, "xc clear client 7 VLAN 100 B 2000/600");
    nothing_left(w);
    node_world_end(w);
}

static void a_set_up_under_way_is_forgotten(void **state)
{
    struct node_world *w = node_world();
    struct err err = {0};

    (void) state;
    assert_int_equal(initiate(w, request(), &err), 0);
    pass_over(w);
    crash(w);
    revive(w);
    pass_ms(w, 60000);
    nothing_left(w);
    node_world_end(w);
}

/* B keeps what it had: it sends Resv with the label that it is reminded of. */
static void a_neighbour_that_restarts_is_reminded(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    transit_stands(w);
    peer_restarts(w, B);
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2 recovery 600"); /* N --> B */
    silent(w);
    says(w, B, resv(1, 600)); /* N <-- B */
    pass_ms(w, 60000);
    silent(w);
    assert_int_equal(usage(w).xcs, 1);
    node_world_end(w);
}

static void a_neighbour_that_restarts_without_its_label(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    transit_stands(w);
    peer_restarts(w, B);
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2 recovery 600");                                    /* N --> B */
    says(w, B, resv(1, 611));                                                                           /* N <-- B */
    want(w, "A <-- Resv label 1000 RRO 10.252.1.1 label 1000 upstream label 501 10.252.2.2 label 611"); /* A <-- N */
    want(w, "xc set A 1000/501 B 2000/611");
    node_world_end(w);
}

static void a_neighbour_that_restarts_and_says_nothing(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    transit_stands(w);
    peer_restarts(w, A);
    want(w, "A <-- Resv label 1000 RRO " RRO); /* A <-- N */
    silent(w);
    pass_ms(w, 25000);         /* its recovery time */
    want(w, "B <-- PathTear"); /* N --> B */
    want(w, "xc clear A 1000/501 B 2000/600");
    nothing_left(w);
    node_world_end(w);
}

static void a_neighbour_that_kept_nothing(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    transit_stands(w);
    w->peer_recovery_ms = 0; /* RFC 3473 §9.1: its cross-connects are gone */
    peer_restarts(w, B);
    want(w, "A <-- PathErr 25/5 at 10.252.2.1 removed"); /* A <-- N */
    want(w, "B <-- PathTear");                           /* N --> B */
    want(w, "xc clear A 1000/501 B 2000/600");
    nothing_left(w);
    node_world_end(w);
}

static void a_recovery_label_is_kept(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = path(1);

    (void) state;
    message.has |= RSVP_HAS_RECOVERY_LABEL; /* N has lost its record of LSP 1 */
    message.recovery_label = 1002;
    says(w, A, message);                                                                                /* A --> N */
    says(w, B, resv(1, 600));                                                                           /* N <-- B */
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2");                                                 /* N --> B */
    want(w, "A <-- Resv label 1002 RRO 10.252.1.1 label 1002 upstream label 501 10.252.2.2 label 600"); /* A <-- N */
    want(w, "xc set A 1002/501 B 2000/600");
    node_world_end(w);
}

/* ---- LSPs of which no record tells: N was killed right after its Resv ---- */

static struct rsvp_message recovery_path(void)
{
    struct rsvp_message message = path(1);

    message.has |= RSVP_HAS_RECOVERY_LABEL;
    message.recovery_label = 1000;
    return message;
}

static void record_is_lost(struct node_world *w)
{
    struct rsvp_message message = recovery_path();

    transit_stands(w);
    crash(w);
    neighbour_keep(w->peers[A], &message, w->now); /* which A says once it hears N again, as B says Resv */
    for (size_t key = 0; key < RECORDS_MAX; key++) {
        free(w->records[key]);
        w->records[key] = NULL;
    }
    w->n_found = 1; /* as in flows, where nothing tells which side is which */
    w->found[0] = (struct node_xc) {.id = 7,
                                    .in = {.link = B, .in_label = 2000, .out_label = 600},
                                    .out = {.link = A, .in_label = 1000, .out_label = 501}};
}

static void without_a_record_it_lives_on_with_what_the_switch_has(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    record_is_lost(w);
    revive_without_links(w);
    carry(w);
    pass_ms(w, 5000); /* A --> N <-- B */
    silent(w);        /* until the switch is back */
    assert_int_equal(usage(w).lsps, 0);
    links_up(w);
    carry(w);
    want(w, "A <-- Resv label 1000 RRO " RRO);                       /* A <-- N: all as before */
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2 recovery 600"); /* N --> B */
    want(w, "xc set A 1000/501 B 2000/600");
    assert_int_equal(w->xc, 7); /* whose flows stand */
    xc_done(w, 0);
    pass_ms(w, 60000);
    silent(w);
    assert_int_equal(usage(w).xcs, 1);
    node_world_end(w);
}

static void what_comes_after_the_switch_is_adopted_too(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    record_is_lost(w);
    revive_without_links(w);
    w->deaf[A] = true;
    links_up(w);
    pass_ms(w, 3000); /* N <-- B: waits for its Path */
    silent(w);
    w->deaf[A] = false;
    pass_ms(w, 3000);                                                /* A --> N */
    want(w, "A <-- Resv label 1000 RRO " RRO);                       /* A <-- N */
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2 recovery 600"); /* N --> B */
    want(w, "xc set A 1000/501 B 2000/600");
    pass_over(w);
    node_world_end(w);
}

static void what_is_torn_meanwhile_does_not_come_back(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    record_is_lost(w);
    revive_without_links(w);
    pass_ms(w, 5000);                     /* A --> N <-- B */
    says(w, A, about(RSVP_PATH_TEAR, 1)); /* A --> N */
    links_up(w);
    pass_ms(w, 5000);
    silent(w);
    pass_ms(w, 15000);            /* the recovery time is over */
    want(w, "B <-- ResvErr 3/0"); /* N --> B: of a leftover */
    nothing_left(w);
    node_world_end(w);
}

static void a_switch_that_does_not_come_back_ends_it(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    record_is_lost(w);
    revive_without_links(w);
    pass_ms(w, 19000); /* A --> N <-- B */
    silent(w);
    pass_ms(w, 2000);
    want(w, "A <-- PathErr 24/5 at 10.252.1.1 removed"); /* A <-- N */
    want(w, "B <-- ResvErr 3/0");                        /* N --> B */
    nothing_left(w);
    node_world_end(w);
}

static void an_egress_without_a_record_has_its_vlan_again(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = path_to_client(1, 7, 0);

    (void) state;
    crash(w);
    w->n_found = 1;
    w->found[0] = (struct node_xc) {.id = 7,
                                    .in = {.link = NODE_LINK_NONE, .client = 7, .vlan = 102},
                                    .out = {.link = A, .in_label = 1002, .out_label = 501}};
    revive(w);
    pass_ms(w, 3000);
    message.has |= RSVP_HAS_RECOVERY_LABEL;
    message.recovery_label = 1002;
    says(w, A, message); /* A --> N: any VLAN will do */
    want(w, "A <-- Resv label 1002 RRO 10.252.1.1 label 1002 upstream label 501 10.253.0.1/7 label 102"); /* A <-- N */
    want(w, "xc set A 1002/501 client 7 VLAN 102");
    assert_int_equal(w->xc, 7);
    pass_over(w);
    node_world_end(w);
}

/* Nothing, while the switch has not said how its links are: what is flooded then stays for 5 s at least. */
static void free_bandwidth_is_told_once_it_is_known(void **state)
{
    struct node_world *w = node_world();
    struct node_action action;
    unsigned told = 0;

    (void) state;
    transit_stands(w);
    crash(w);
    revive_without_links(w);
    while (node_action(w->node, &action)) {
        assert_int_not_equal(action.type, NODE_BANDWIDTH);
        node_action_free(&action);
    }
    node_link_data(w->node, B, true, w->now);
    while (node_action(w->node, &action)) {
        if (action.type == NODE_BANDWIDTH) {
            told++;
            assert_int_equal(action.link, B);
            assert_int_equal(action.unreserved[7], 90 * MBPS);
        }
        node_action_free(&action);
    }
    assert_int_equal(told, 1);
    node_world_end(w);
}

/* ---- records ---- */

static void load_fails(struct node_world *w, uint64_t key, const char *text, const char *reason)
{
    struct err err = {0};
    struct node_usage before = usage(w), after;

    assert_true(node_load(w->node, key, text, &err) < 0);
    if (!strstr(err.text, reason))
        fail_msg("\"%s\" does not say: %s", err.text, reason);
    after = usage(w);
    assert_int_equal(after.lsps, before.lsps);
    assert_int_equal(after.labels, before.labels);
    assert_int_equal(after.vlans, before.vlans);
    assert_int_equal(after.reserved_bps, before.reserved_bps);
}

static char *changed(const char *record, const char *from, const char *to)
{
    const char *at = strstr(record, from);

    if (!at)
        fail_msg("\"%s\" is not in %s", from, record);
    return xasprintf("%.*s%s%s", (int) (at - record), record, to, at + strlen(from));
}

static void load_changed_fails(struct node_world *w, const char *record, const char *from, const char *to,
                               const char *reason)
{
    AUTO_FREE char *text = changed(record, from, to);

    load_fails(w, 9, text, reason);
}

static void records_that_are_of_no_use_are_named(void **state)
{
    struct node_world *w = node_world(), *other = node_world();
    const char *record;

    (void) state;
    to_up(w);
    record = w->records[1];
    load_fails(w, 9, "{", "no JSON");
    load_fails(w, 9, "[]", "none of ours");
    load_fails(w, 9, "{}", "session");
    load_fails(w, 0, record, "none of ours");
    load_fails(w, 1, record, "loaded already");
    load_changed_fails(w, record, "\"session\":[184352788,1,", "\"session\":[184352788,2,", "name of its own");
    load_changed_fails(other, record, "\"session\":[", "\"session\":[true,", "session");
    load_changed_fails(other, record, "\"out\":[184287745,2000,", "\"out\":[184287745,17,", "label 17 of link B");
    load_changed_fails(other, record, "184287745", "184287999", "no longer configured");
    load_changed_fails(other, record, "\"in\":[0,0,0,7,", "\"in\":[0,0,0,6,", "client port 6");
    load_changed_fails(other, record, "\"in\":[0,", "\"in\":[184287745,", "both ends");
    load_changed_fails(other, record, "\"out\":[184287745,", "\"out\":[0,", "both ends");
    load_changed_fails(other, record, "\"sender\":[184352769,", "\"sender\":[184352770,", "ingress is another node");
    node_world_end(other);
    node_world_end(w);
}

static void an_egress_of_another_node_is_none_of_ours(void **state)
{
    struct node_world *w = node_world(), *other = node_world();

    (void) state;
    says(w, A, path_to_client(1, 7, 100)); /* A --> N */
    load_changed_fails(other, w->records[1], "\"session\":[184352769,", "\"session\":[184352788,",
                       "egress is another node");
    pass_over(w);
    node_world_end(other);
    node_world_end(w);
}

static void an_infinite_burst_survives_a_restart(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = path(1);

    (void) state;
    message.tspec.burst_bits = UINT64_C(0xffffff) << 40; /* the greatest that proto/rsvp hands on */
    says(w, A, message);                                 /* A --> N */
    says(w, B, resv(1, 600));                            /* N <-- B */
    xc_done(w, 0);
    pass_over(w);
    crash(w);
    revive(w);
    assert_int_equal(usage(w).lsps, 1);
    pass_over(w);
    node_world_end(w);
}

/* Cut or changed anywhere, a record is refused or taken, and nothing else. */
static void no_record_does_harm(void **state)
{
    struct node_world *w = node_world(), *other;
    size_t length;

    (void) state;
    to_up(w);
    length = strlen(w->records[1]);
    other = node_world();
    for (size_t at = 0; at < length; at++) {
        AUTO_FREE char *cut = xstrndup(w->records[1], at);
        AUTO_FREE char *odd = xstrdup(w->records[1]);
        struct err err = {0};

        assert_true(node_load(other->node, 1000 + at, cut, &err) < 0);
        odd[at] = '9';
        node_load(other->node, 5000 + at, odd, &err);
    }
    pass_over(other);
    node_world_end(other);
    node_world_end(w);
}

static void the_view_shows_it_all(void **state)
{
    struct node_world *w = node_world();
    json_t *view, *lsp;

    (void) state;
    to_up(w);
    view = node_view(w->node);
    assert_non_null(view);
    assert_string_equal(json_string_value(json_object_get(view, "router_id")), "10.253.0.1");
    assert_int_equal(json_array_size(json_object_get(view, "links")), PEERS);
    lsp = json_array_get(json_object_get(view, "lsps"), 0);
    assert_string_equal(json_string_value(json_object_get(lsp, "name")), "lsp1");
    assert_string_equal(json_string_value(json_object_get(lsp, "state")), "established");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(view, "counters"), "set_up")), 1);
    json_decref(view);
    node_world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transit_lives_on_with_its_labels),
        cmocka_unit_test(what_is_not_refreshed_in_time_goes),
        cmocka_unit_test(an_upstream_without_state_says_so),
        cmocka_unit_test(an_ingress_lives_on_too),
        cmocka_unit_test(an_ingress_whose_lsp_is_gone_reports_it),
        cmocka_unit_test(a_removal_under_way_is_finished),
        cmocka_unit_test(a_set_up_under_way_is_forgotten),
        cmocka_unit_test(a_neighbour_that_restarts_is_reminded),
        cmocka_unit_test(a_neighbour_that_restarts_without_its_label),
        cmocka_unit_test(a_neighbour_that_restarts_and_says_nothing),
        cmocka_unit_test(a_neighbour_that_kept_nothing),
        cmocka_unit_test(a_recovery_label_is_kept),
        cmocka_unit_test(without_a_record_it_lives_on_with_what_the_switch_has),
        cmocka_unit_test(what_comes_after_the_switch_is_adopted_too),
        cmocka_unit_test(what_is_torn_meanwhile_does_not_come_back),
        cmocka_unit_test(a_switch_that_does_not_come_back_ends_it),
        cmocka_unit_test(an_egress_without_a_record_has_its_vlan_again),
        cmocka_unit_test(free_bandwidth_is_told_once_it_is_known),
        cmocka_unit_test(records_that_are_of_no_use_are_named),
        cmocka_unit_test(an_egress_of_another_node_is_none_of_ours),
        cmocka_unit_test(an_infinite_burst_survives_a_restart),
        cmocka_unit_test(no_record_does_harm),
        cmocka_unit_test(the_view_shows_it_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
