/* SPDX-License-Identifier: Apache-2.0 */
/* Each reason for which a node refuses, said in the codes of RFC 3209 §7.3 and RFC 3473 §13; nothing of it stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "gmpls_node_world.h"

#define N_HOPS(...) sizeof((const struct lsp_hop[]) {__VA_ARGS__}) / sizeof(struct lsp_hop)
#define ERO(m, ...) ero(m, N_HOPS(__VA_ARGS__), (const struct lsp_hop[]) {__VA_ARGS__})

static void no_ero(struct rsvp_message *m)
{
    lsp_route_free(&m->ero);
    m->has &= ~(uint32_t) RSVP_HAS_ERO;
}

static void starts_elsewhere(struct rsvp_message *m)
{
    ERO(m, hop(REMOTE(B)));
}

static void starts_with_a_label(struct rsvp_message *m)
{
    ERO(m, hop(LOCAL(A)), label_hop(7, false), hop(REMOTE(B)));
}

static void strict_and_far_away(struct rsvp_message *m)
{
    ERO(m, hop(LOCAL(A)), hop(ROUTER(B) + 1));
}

static void loose_and_far_away(struct rsvp_message *m)
{
    ERO(m, hop(LOCAL(A)), hop(ROUTER(B) + 1));
    m->ero.hops[1].loose = true;
}

static void not_just_an_address(struct rsvp_message *m)
{
    ERO(m, hop(LOCAL(A)), hop(0x0afd0900));
    m->ero.hops[1].length = 24;
}

static void ends_here_without_client(struct rsvp_message *m)
{
    m->session.destination = ROUTER_N;
    ERO(m, hop(LOCAL(A)));
}

static void ends_here_but_is_for_another(struct rsvp_message *m)
{
    ERO(m, hop(LOCAL(A)), client_hop(ROUTER_N, 7));
}

static void goes_on_behind_its_end(struct rsvp_message *m)
{
    m->session.destination = ROUTER_N;
    ERO(m, hop(LOCAL(A)), client_hop(ROUTER_N, 7), label_hop(0, false), hop(REMOTE(B)));
}

static void goes_back(struct rsvp_message *m)
{
    ERO(m, hop(LOCAL(A)), hop(REMOTE(A)));
}

static void was_here(struct rsvp_message *m)
{
    lsp_route_add(&m->rro, hop(LOCAL(C)));
}

static void unknown_client(struct rsvp_message *m)
{
    m->session.destination = ROUTER_N;
    ERO(m, hop(LOCAL(A)), client_hop(ROUTER_N, 6));
}

static void vlan_of_no_port(struct rsvp_message *m)
{
    m->session.destination = ROUTER_N;
    ERO(m, hop(LOCAL(A)), client_hop(ROUTER_N, 7), label_hop(4095, false));
}

static void vlan_of_a_bridge(struct rsvp_message *m)
{
    m->session.destination = ROUTER_N;
    ERO(m, hop(LOCAL(A)), client_hop(ROUTER_N, 8), label_hop(100, false));
}

static void label_that_is_no_vlan(struct rsvp_message *m)
{
    m->session.destination = ROUTER_N;
    ERO(m, hop(LOCAL(A)), client_hop(ROUTER_N, 7), label_hop(65536 + 100, false));
}

static void not_ethernet(struct rsvp_message *m)
{
    m->session.destination = ROUTER_N;
    ERO(m, hop(LOCAL(A)), client_hop(ROUTER_N, 7));
    m->label_request.gpid = 0x800;
}

static void an_area_that_we_are_in(struct rsvp_message *m)
{
    m->session.destination = ROUTER_N;
    ERO(m, hop(LOCAL(A)), hop(REMOTE(B))); /* 10.252.2.0/24 is us: then that is the end */
    m->ero.hops[1].length = 24;
}

static void one_way(struct rsvp_message *m)
{
    m->has &= ~(uint32_t) RSVP_HAS_UPSTREAM_LABEL;
    m->upstream_label = 0;
}

static void reserved_label(struct rsvp_message *m)
{
    m->upstream_label = 3;
}

static void lambda(struct rsvp_message *m)
{
    m->label_request.switching = 150;
}

static void photonic(struct rsvp_message *m)
{
    m->label_request.encoding = 8;
}

static void too_wide(struct rsvp_message *m)
{
    m->tspec.rate_bps = 101 * MBPS;
}

static void of_no_width(struct rsvp_message *m)
{
    m->tspec.rate_bps = 0;
}

static void only_foreign_labels(struct rsvp_message *m)
{
    m->has |= RSVP_HAS_LABEL_SET;
    m->labels = xmemdup((const uint32_t[]) {16, 17}, 2 * sizeof(uint32_t));
    m->n_labels = 2;
}

static void upstream_label_of_nobody(struct rsvp_message *m)
{
    ERO(m, hop(LOCAL(A)), hop(REMOTE(B)), label_hop(17, true));
}

static const struct {
    void (*spoil)(struct rsvp_message *message);
    const char *answer;
} refusals[] = {
    {no_ero, "24/5"},
    {starts_elsewhere, "24/4"},
    {starts_with_a_label, "24/1"},
    {strict_and_far_away, "24/2"},
    {loose_and_far_away, "24/3"},
    {not_just_an_address, "24/2"},
    {an_area_that_we_are_in, "24/5"},
    {ends_here_without_client, "24/5"},
    {ends_here_but_is_for_another, "24/5"},
    {goes_on_behind_its_end, "24/1"},
    {goes_back, "24/7 at 10.252.1.1"},
    {was_here, "24/7 at 10.252.1.1"},
    {unknown_client, "24/16 at client 6"},
    {vlan_of_no_port, "24/6 at client 7"},
    {vlan_of_a_bridge, "24/6 at client 8"},
    {label_that_is_no_vlan, "24/6"},
    {not_ethernet, "24/10"},
    {lambda, "24/12 at 10.252.1.1"},
    {photonic, "24/14 at 10.252.1.1"},
    {too_wide, "1/2 at 10.252.1.1"},
    {of_no_width, "21/4 at 10.252.1.1"},
    {only_foreign_labels, "24/11 at 10.252.1.1"},
    {upstream_label_of_nobody, "24/11 at 10.252.2.1"},
};

static void each_reason_has_its_code(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    for (size_t r = 0; r < ARRAY_LEN(refusals); r++) {
        struct rsvp_message message = path(1);
        AUTO_FREE char *line = xasprintf("A <-- PathErr %s removed", refusals[r].answer);

        refusals[r].spoil(&message);
        says(w, A, message); /* A --> N */
        want(w, line);       /* A <-- N */
        nothing_left(w);
    }
    assert_int_equal(node_counters(w->node)->refused, ARRAY_LEN(refusals));
    node_world_end(w);
}

static void labels_that_would_do_are_named(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = path(1);

    (void) state;
    one_way(&message);
    says(w, A, message);                                                            /* A --> N */
    want(w, "A <-- PathErr 24/6 at 10.252.1.1 removed acceptable 1000 and 3 more"); /* A <-- N */
    message = path(1);
    reserved_label(&message);
    says(w, A, message);                                                            /* A --> N */
    want(w, "A <-- PathErr 24/6 at 10.252.1.1 removed acceptable 1000 and 3 more"); /* A <-- N */
    says(w, A, path(1));                                                            /* A --> N: now it is right */
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2");                             /* N --> B */
    node_world_end(w);
}

static void what_is_used_up(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message;

    (void) state;
    for (unsigned n = 1; n <= 3; n++) {
        message = path_to_client(n, 7, 99 + n);
        message.tspec.rate_bps = 33 * MBPS;
        says(w, A, message); /* A --> N */
        pass_over(w);
    }
    says(w, A, path_to_client(4, 7, 102));              /* A --> N: that VLAN is taken */
    want(w, "A <-- PathErr 24/6 at client 7 removed");  /* A <-- N */
    says(w, A, path_to_client(5, 7, 0));                /* A --> N: so are all to choose from */
    want(w, "A <-- PathErr 24/9 at client 7 removed");  /* A <-- N */
    says(w, A, path(6));                                /* A --> N: 1 Mbit/s is left towards A */
    want(w, "A <-- PathErr 1/2 at 10.252.1.1 removed"); /* A <-- N */
    message = path(7);
    message.tspec.rate_bps = MBPS / 2;
    says(w, A, message);                                /* A --> N */
    want(w, "B <-- Path upstream 2001 ERO 10.252.2.2"); /* N --> B: 2000 was taken for a moment by LSP 6 */
    message = path(8);
    message.tspec.rate_bps = MBPS / 2;
    says(w, A, message);                                 /* A --> N: all four labels of the link are taken */
    want(w, "A <-- PathErr 24/9 at 10.252.1.1 removed"); /* A <-- N */
    message = about(RSVP_PATH_TEAR, 2);
    message.session.destination = ROUTER_N;
    says(w, A, message); /* A --> N */
    want(w, "xc clear A 1001/502 client 7 VLAN 101");
    says(w, A, path_to_client(9, 7, 0)); /* A --> N: its label and VLAN can be had again */
    want(w, "A <-- Resv label 1001 RRO 10.252.1.1 label 1001 upstream label 509 10.253.0.1/7 label 101"); /* A <-- N */
    want(w, "xc set A 1001/509 client 7 VLAN 101");
    node_world_end(w);
}

static void more_lsps_than_it_carries(void **state)
{
    struct node_world *w = node_world();
    struct lsp_request with = request();
    struct err err = {0};

    (void) state;
    crash(w);
    w->lsps_max = 2;
    revive(w);
    pass_ms(w, 5000);
    says(w, A, path(1)); /* A --> N */
    assert_int_equal(initiate(w, request(), &err), 0);
    pass_over(w);
    says(w, A, path(2));                                 /* A --> N */
    want(w, "A <-- PathErr 24/9 at 10.252.1.1 removed"); /* A <-- N */
    strcpy(with.name, "lsp2");
    assert_int_equal(initiate(w, with, &err), ERR_EXHAUSTED);
    assert_int_equal(usage(w).lsps, 2);
    says(w, A, about(RSVP_PATH_TEAR, 1)); /* A --> N */
    pass_over(w);
    says(w, A, path(3)); /* A --> N */
    assert_int_equal(usage(w).lsps, 2);
    pass_over(w);
    node_world_end(w);
}

static void the_next_link_may_be_full(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = path(1);

    (void) state;
    ero(&message, 2, (const struct lsp_hop[]) {hop(LOCAL(C)), hop(REMOTE(B))});
    message.tspec.rate_bps = 95 * MBPS;
    says(w, C, message);                                /* C --> N */
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2"); /* N --> B */
    says(w, A, path(2));                                /* A --> N */
    want(w, "A <-- PathErr 1/2 at 10.252.2.1 removed"); /* A <-- N */
    node_world_end(w);
}

static void links_and_clients_may_be_down(void **state)
{
    struct node_world *w = node_world();
    struct err err = {0};

    (void) state;
    node_link_data(w->node, B, false, w->now);
    node_client(w->node, 7, false, w->now);
    says(w, A, path(1));                                 /* A --> N */
    want(w, "A <-- PathErr 24/5 at 10.252.2.1 removed"); /* A <-- N */
    says(w, A, path_to_client(2, 7, 0));                 /* A --> N */
    want(w, "A <-- PathErr 24/5 at client 7 removed");   /* A <-- N */
    assert_int_equal(initiate(w, request(), &err), 0);
    want(w, "report lsp1 down removed 24/5 at 10.252.2.1 cookie 5");
    node_link_data(w->node, B, true, w->now);
    assert_int_equal(initiate(w, request(), &err), 0);
    want(w, "report lsp1 down removed 24/5 at client 7 cookie 5");
    node_link_data(w->node, A, false, w->now);
    says(w, A, path(3));                                 /* A --> N: the control channel lives */
    want(w, "A <-- PathErr 24/5 at 10.252.1.1 removed"); /* A <-- N */
    nothing_left(w);
    node_world_end(w);
}

static void a_silent_neighbour_is_not_asked(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    w->deaf[B] = true;
    pass_ms(w, 5000);
    assert_false(node_link_usable(w->node, B));
    says(w, A, path(1));                                 /* A --> N */
    want(w, "A <-- PathErr 24/5 at 10.252.2.1 removed"); /* A <-- N */
    nothing_left(w);
    node_world_end(w);
}

static void the_same_over_two_links_is_a_loop(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = path(1);

    (void) state;
    says(w, A, path(1));                                /* A --> N */
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2"); /* N --> B */
    ero(&message, 2, (const struct lsp_hop[]) {hop(LOCAL(C)), hop(REMOTE(B))});
    says(w, C, message);                                 /* C --> N */
    want(w, "C <-- PathErr 24/7 at 10.252.3.1 removed"); /* C <-- N */
    assert_int_equal(usage(w).lsps, 1);
    node_world_end(w);
}

static void ingress_says_what_it_cannot_do_itself(void **state)
{
    struct node_world *w = node_world();
    struct lsp_request with = request();
    struct err err = {0};

    (void) state;
    with.bandwidth_bps = 200 * MBPS;
    assert_int_equal(initiate(w, with, &err), 0);
    want(w, "report lsp1 down removed 1/2 at 10.252.2.1 cookie 5");
    with = request();
    with.route.hops[0].address++;
    assert_int_equal(initiate(w, with, &err), 0);
    want(w, "report lsp1 down removed 24/2 cookie 5");
    with = request();
    with.ingress_client.vlan = 4095;
    assert_int_equal(initiate(w, with, &err), 0);
    want(w, "report lsp1 down removed 24/6 at client 7 cookie 5");
    nothing_left(w);
    node_world_end(w);
}

static void what_the_decoder_refused_is_answered(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = path(1);

    (void) state;
    node_refuse(w->node, A, &message, RSVP_ERR_UNKNOWN_CLASS, 0x4a01, w->now); /* A --> N */
    carry(w);
    want(w, "A <-- PathErr 13/18945 removed"); /* A <-- N */
    message = resv(1, 600);
    node_refuse(w->node, B, &message, RSVP_ERR_UNKNOWN_CTYPE, 0x0809, w->now); /* N <-- B */
    carry(w);
    want(w, "B <-- ResvErr 14/2057"); /* N --> B */
    message = (struct rsvp_message) {.type = RSVP_PATH};
    node_refuse(w->node, A, &message, RSVP_ERR_UNKNOWN_CLASS, 0x4a01, w->now); /* A --> N: of what? */
    message = about(RSVP_PATH_TEAR, 1);
    node_refuse(w->node, A, &message, RSVP_ERR_UNKNOWN_CLASS, 0x4a01, w->now); /* A --> N: no answer to that */
    carry(w);
    message = path(1);
    node_refuse(w->node, A, &message, 0, 0, w->now); /* A --> N: there is no error that says why */
    carry(w);
    message = path(1);
    message.has &= ~(uint32_t) RSVP_HAS_TSPEC;
    says(w, A, message); /* A --> N: dropped */
    nothing_left(w);
    node_world_end(w);
}

static void drops_paths(struct node_world *w, enum peer peer, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct rsvp_message message = path(i + 1);

        message.has &= ~(uint32_t) RSVP_HAS_TSPEC;
        says(w, peer, message);
    }
}

static void a_neighbour_does_not_fill_the_log(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    w->logged = 0;
    drops_paths(w, A, 100); /* A --> N */
    assert_int_equal(w->logged, 1);
    drops_paths(w, C, 1); /* C --> N: another one's are told */
    assert_int_equal(w->logged, 2);
    pass_ms(w, 60000);
    assert_int_equal(w->logged, 3);
    assert_string_equal(w->log, "link A: 99 more lines about dropped Paths were left out");
    drops_paths(w, A, 2); /* A --> N */
    pass_ms(w, 60000);
    assert_int_equal(w->logged, 4);
    assert_string_equal(w->log, "link A: 2 more lines about dropped Paths were left out");
    pass_ms(w, 120000);
    drops_paths(w, A, 1); /* A --> N: all is forgotten */
    assert_int_equal(w->logged, 5);
    node_world_end(w);
}

/* A TSPEC of no kind cannot be encoded. */
static void answers_hold_nothing_that_was_not_read(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = about(RSVP_PATH, 1);
    struct node_action action;

    (void) state;
    message.has = RSVP_HAS_SESSION | RSVP_HAS_SENDER;
    node_refuse(w->node, A, &message, RSVP_ERR_TRAFFIC, 4, w->now); /* A --> N */
    assert_true(node_action(w->node, &action));
    assert_int_equal(action.type, NODE_SEND);
    assert_false(action.message->has & RSVP_HAS_TSPEC); /* A <-- N */
    node_action_free(&action);
    message = about(RSVP_RESV, 1);
    message.has = RSVP_HAS_SESSION | RSVP_HAS_SENDER;
    node_refuse(w->node, B, &message, RSVP_ERR_TRAFFIC, 3, w->now); /* N <-- B */
    assert_true(node_action(w->node, &action));
    assert_int_equal(action.type, NODE_SEND);
    assert_false(action.message->has & RSVP_HAS_TSPEC); /* N --> B */
    node_action_free(&action);
    node_world_end(w);
}

/* Upstream would forget an LSP that is said to be removed, without a PathTear. */
static void a_refused_refresh_does_not_end_what_stands(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = path(1);

    (void) state;
    says(w, A, path(1)); /* A --> N */
    pass_over(w);
    lsp_route_free(&message.ero);
    node_refuse(w->node, A, &message, RSVP_ERR_UNKNOWN_CLASS, 0x4a01, w->now); /* A --> N */
    carry(w);
    want(w, "A <-- PathErr 13/18945"); /* A <-- N */
    silent(w);
    assert_int_equal(usage(w).lsps, 1);
    node_world_end(w);
}

static void configs_that_cannot_be_are_named(void **state)
{
    struct node_link_config link = {.name = "x", .local = 1, .remote = 2, .label_first = 16, .label_last = 20};
    struct node_client_config client = {.name = "y", .id = 1, .vlan_first = 1, .vlan_last = 2};
    const struct node_config good = {.router_id = 1,
                                     .links = &link,
                                     .n_links = 1,
                                     .clients = &client,
                                     .n_clients = 1,
                                     .setup_ms = 1,
                                     .probe_ms = 1,
                                     .delete_ms = 1,
                                     .hello_ms = 1,
                                     .refresh_ms = 1,
                                     .retry_ms = 1,
                                     .retries = 1,
                                     .hello_miss = 2,
                                     .instance = 1};
    struct node_config config = good;
    struct err err = {0};
    struct mono now = {0};

    (void) state;
    link.label_first = 15;
    assert_null(node_new(&config, now, &err));
    assert_non_null(strstr(err.text, "labels 15"));
    link.label_first = 16;
    link.remote = 1;
    assert_null(node_new(&config, now, &err));
    assert_non_null(strstr(err.text, "two ends"));
    link.remote = 2;
    client.vlan_last = 4095;
    assert_null(node_new(&config, now, &err));
    assert_non_null(strstr(err.text, "VLANs"));
    client.vlan_last = 2;
    config.setup_ms = 0;
    assert_null(node_new(&config, now, &err));
    config = good;
    config.router_id = 0;
    assert_null(node_new(&config, now, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_reason_has_its_code),
        cmocka_unit_test(labels_that_would_do_are_named),
        cmocka_unit_test(what_is_used_up),
        cmocka_unit_test(more_lsps_than_it_carries),
        cmocka_unit_test(the_next_link_may_be_full),
        cmocka_unit_test(links_and_clients_may_be_down),
        cmocka_unit_test(a_silent_neighbour_is_not_asked),
        cmocka_unit_test(the_same_over_two_links_is_a_loop),
        cmocka_unit_test(ingress_says_what_it_cannot_do_itself),
        cmocka_unit_test(what_the_decoder_refused_is_answered),
        cmocka_unit_test(a_neighbour_does_not_fill_the_log),
        cmocka_unit_test(answers_hold_nothing_that_was_not_read),
        cmocka_unit_test(a_refused_refresh_does_not_end_what_stands),
        cmocka_unit_test(configs_that_cannot_be_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
