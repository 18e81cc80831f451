/* SPDX-License-Identifier: Apache-2.0 */
/* LSPs that end though nobody wanted it: preempted, cut, refused by a switch, forgotten by a neighbour. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "gmpls_node_world.h"

#define UNTIL_GONE_MS 25000 /* silence is noticed, and the announced 20 s restart time passes */

static struct rsvp_message of_ours(struct rsvp_message message)
{
    message.session.extended_tunnel_id = message.sender.source = ROUTER_N;
    return message;
}

static struct rsvp_message error_of(uint8_t type, unsigned n, uint8_t code, uint16_t value, bool removed)
{
    struct rsvp_message message = about(type, n);

    message.error = (struct lsp_error) {
        .node = ROUTER(B), .code = code, .value = value, .interface_ip = 0x0afc0901, .path_state_removed = removed};
    return message;
}

static void transit_stands(struct node_world *w, unsigned n)
{
    says(w, A, path(n));          /* A --> N */
    says(w, B, resv(n, 600 + n)); /* N <-- B */
    xc_done(w, 0);
    pass_over(w);
}

/* ---- preemption ---- */

static struct rsvp_message path_of(unsigned n, unsigned setup, unsigned holding, uint64_t mbps)
{
    struct rsvp_message message = path(n);

    message.attribute.setup_priority = (uint8_t) setup;
    message.attribute.holding_priority = (uint8_t) holding;
    message.tspec.rate_bps = mbps * MBPS;
    return message;
}

static void the_worst_and_the_fewest_are_preempted(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    says(w, A, path_of(1, 7, 7, 20)); /* A --> N */
    says(w, A, path_of(2, 7, 7, 30)); /* A --> N */
    says(w, A, path_of(3, 5, 5, 40)); /* A --> N */
    pass_over(w);
    says(w, A, path_of(4, 4, 4, 35));                   /* A --> N: 10 are left, 25 to be had: LSP 2 will do */
    want(w, "A <-- PathErr 2/5 at 10.252.1.1 removed"); /* A <-- N */
    want(w, "B <-- PathTear");                          /* N --> B */
    want(w, "B <-- Path upstream 2003 ERO 10.252.2.2"); /* N --> B */
    assert_int_equal(usage(w).reserved_bps, 2 * (20 + 40 + 35) * MBPS);
    assert_int_equal(node_counters(w->node)->preempted, 1);
    says(w, A, path_of(5, 5, 5, 26));                   /* A --> N: only LSP 1 is worse than 5, and too little */
    want(w, "A <-- PathErr 1/2 at 10.252.1.1 removed"); /* A <-- N */
    says(w, A, path_of(6, 0, 0, 40));                   /* A --> N: LSP 3 alone does, LSP 1 need not go for it */
    want(w, "A <-- PathErr 2/5 at 10.252.1.1 removed"); /* A <-- N */
    want(w, "B <-- PathTear");                          /* N --> B */
    want(w, "B <-- Path upstream 2005 ERO 10.252.2.2"); /* N --> B */
    assert_int_equal(usage(w).reserved_bps, 2 * (20 + 35 + 40) * MBPS);
    node_world_end(w);
}

static void nobody_is_preempted_in_vain(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = path_of(2, 0, 0, 60);

    (void) state;
    says(w, A, path_of(1, 7, 7, 90)); /* A --> N --> B: A's link is full of worse ones */
    pass_over(w);
    ero(&message, 2, (const struct lsp_hop[]) {hop(LOCAL(C)), hop(REMOTE(B))});
    message.session.tunnel_id = 9;
    message.tspec.rate_bps = 10 * MBPS;
    says(w, C, message); /* C --> N --> B: 10 of the best on B's link */
    pass_over(w);
    says(w, A, path_of(3, 5, 5, 95));                   /* A --> N: of B's link only 90 can be had */
    want(w, "A <-- PathErr 1/2 at 10.252.2.1 removed"); /* A <-- N */
    assert_int_equal(usage(w).lsps, 2);
    node_world_end(w);
}

static void an_ingress_reports_that_it_was_preempted(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    to_up(w);
    says(w, A, path_of(2, 3, 3, 95));                   /* A --> N */
    want(w, "B <-- PathTear");                          /* N --> B */
    want(w, "B <-- Path upstream 2001 ERO 10.252.2.2"); /* N --> B */
    want(w, "report lsp1 down removed 2/5 at 10.252.2.1");
    want(w, "xc clear client 7 VLAN 100 B 2000/600");
    node_world_end(w);
}

/* ---- switch, link, client ---- */

static void a_switch_that_refuses_ends_it(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    says(w, A, path(1));      /* A --> N */
    says(w, B, resv(1, 600)); /* N <-- B */
    pass_over(w);
    xc_done(w, ERR_REFUSED);
    want(w, "A <-- PathErr 23/1 removed"); /* A <-- N */
    want(w, "B <-- PathTear");             /* N --> B */
    want(w, "xc clear A 1000/501 B 2000/600");
    nothing_left(w);
    node_world_end(w);
}

static void a_cut_link_ends_what_goes_over_it(void **state)
{
    struct node_world *w = node_world();
    uint64_t unreserved[TE_PRIORITIES];

    (void) state;
    transit_stands(w, 1);
    node_link_data(w->node, B, false, w->now);
    carry(w);
    want(w, "A <-- PathErr 25/9 at 10.252.2.1 removed"); /* A <-- N */
    want(w, "B <-- PathTear");                           /* N --> B: over the control channel, which lives */
    want(w, "xc clear A 1000/501 B 2000/601");
    nothing_left(w);
    node_unreserved(w->node, B, unreserved);
    assert_int_equal(unreserved[0], 0); /* nobody is to try it */
    node_link_data(w->node, B, true, w->now);
    transit_stands(w, 2);
    node_link_data(w->node, A, false, w->now);
    carry(w);
    want(w, "A <-- PathErr 25/9 at 10.252.1.1 removed"); /* A <-- N */
    want(w, "B <-- PathTear");                           /* N --> B */
    want(w, "xc clear A 1001/502 B 2001/602");
    nothing_left(w);
    node_world_end(w);
}

static void a_client_that_goes_down_ends_its_own(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    to_up(w);
    transit_stands(w, 2);
    node_client(w->node, 7, false, w->now);
    carry(w);
    want(w, "B <-- PathTear"); /* N --> B */
    want(w, "report lsp1 down removed 25/9 at client 7");
    want(w, "xc clear client 7 VLAN 100 B 2000/600");
    silent(w);
    assert_int_equal(usage(w).lsps, 1);
    node_world_end(w);
}

static struct node_world *holding_world(void)
{
    struct node_world *w = node_world();

    crash(w);
    w->link_hold_ms = 2000;
    w->client_hold_ms = 3000;
    revive(w);
    pass_ms(w, 5000);
    pass_over(w);
    return w;
}

static void a_link_that_is_back_in_time_costs_nothing(void **state)
{
    struct node_world *w = holding_world();
    uint64_t unreserved[TE_PRIORITIES];

    (void) state;
    transit_stands(w, 1);
    for (unsigned flap = 0; flap < 3; flap++) {
        node_link_data(w->node, B, false, w->now);
        node_unreserved(w->node, B, unreserved);
        assert_int_equal(unreserved[0], 0);
        pass_ms(w, 1500);
        node_link_data(w->node, B, true, w->now);
        pass_ms(w, 1500);
    }
    silent(w);
    node_unreserved(w->node, B, unreserved);
    assert_int_equal(unreserved[7], 90 * MBPS);
    node_link_data(w->node, B, false, w->now);
    pass_ms(w, 1000);
    node_link_data(w->node, B, false, w->now); /* said again, which gives no more time */
    pass_ms(w, 999);
    silent(w);
    pass_ms(w, 1);
    want(w, "A <-- PathErr 25/9 at 10.252.2.1 removed"); /* A <-- N */
    want(w, "B <-- PathTear");                           /* N --> B */
    want(w, "xc clear A 1000/501 B 2000/601");
    nothing_left(w);
    node_world_end(w);
}

static void what_is_being_set_up_is_not_held(void **state)
{
    struct node_world *w = holding_world();

    (void) state;
    transit_stands(w, 1);
    says(w, A, path(2)); /* A --> N */
    pass_over(w);
    node_link_data(w->node, B, false, w->now);
    carry(w);
    want(w, "A <-- PathErr 25/9 at 10.252.2.1 removed"); /* A <-- N: LSP 2 */
    want(w, "B <-- PathTear");                           /* N --> B */
    says(w, A, path(3));                                 /* A --> N */
    want(w, "A <-- PathErr 24/5 at 10.252.2.1 removed"); /* A <-- N: not now */
    assert_int_equal(usage(w).lsps, 1);
    node_link_data(w->node, B, true, w->now);
    pass_ms(w, 5000);
    silent(w);
    node_world_end(w);
}

static void a_client_that_is_back_in_time_costs_nothing(void **state)
{
    struct node_world *w = holding_world();

    (void) state;
    says(w, A, path_to_client(1, 7, 100)); /* A --> N */
    xc_done(w, 0);
    pass_over(w);
    node_client(w->node, 7, false, w->now);
    says(w, A, path_to_client(2, 7, 0));               /* A --> N */
    want(w, "A <-- PathErr 24/5 at client 7 removed"); /* A <-- N: not now */
    pass_ms(w, 2999);
    node_client(w->node, 7, true, w->now);
    pass_ms(w, 5000);
    silent(w);
    node_client(w->node, 7, false, w->now);
    pass_ms(w, 3000);
    want(w, "A <-- PathErr 25/9 at client 7 removed"); /* A <-- N */
    want(w, "xc clear A 1000/501 client 7 VLAN 100");
    nothing_left(w);
    node_world_end(w);
}

/* ---- errors of others ---- */

static void errors_go_up(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    transit_stands(w, 1);
    says(w, B, error_of(RSVP_PATH_ERR, 1, 25, 6, false)); /* N <-- B: state is kept */
    want(w, "A <-- PathErr 25/6 at 10.252.9.1");          /* A <-- N */
    assert_int_equal(usage(w).lsps, 1);
    says(w, B, error_of(RSVP_PATH_ERR, 1, 24, 5, true)); /* N <-- B */
    want(w, "A <-- PathErr 24/5 at 10.252.9.1 removed"); /* A <-- N: as it came */
    want(w, "xc clear A 1000/501 B 2000/601");           /* and nothing to B, which has no state */
    nothing_left(w);
    node_world_end(w);
}

static void an_ingress_gives_up_on_any_error_but_news(void **state)
{
    struct node_world *w = node_world();
    struct err err = {0};

    (void) state;
    to_up(w);
    says(w, B, of_ours(error_of(RSVP_PATH_ERR, 1, 25, 6, false))); /* N <-- B: a better way exists */
    silent(w);
    says(w, B, of_ours(error_of(RSVP_PATH_ERR, 1, 1, 2, false))); /* N <-- B */
    want(w, "B <-- PathTear");                                    /* N --> B, that kept its state */
    want(w, "report lsp1 down removed 1/2 at 10.252.9.1");
    want(w, "xc clear client 7 VLAN 100 B 2000/600");
    nothing_left(w);
    assert_int_equal(initiate(w, request(), &err), 0);
    pass_over(w);
    says(w, B, of_ours(error_of(RSVP_PATH_ERR, 2, 24, 5, true))); /* N <-- B */
    want(w, "report lsp1 down removed 24/5 at 10.252.9.1 cookie 5");
    nothing_left(w);
    node_world_end(w);
}

static void a_reservation_may_be_taken_back(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    transit_stands(w, 1);
    says(w, B, about(RSVP_RESV_TEAR, 1)); /* N <-- B */
    want(w, "A <-- ResvTear");            /* A <-- N */
    want(w, "xc clear A 1000/501 B 2000/601");
    assert_int_equal(usage(w).lsps, 1); /* Path stands */
    says(w, B, resv(1, 700));           /* N <-- B: and given anew */
    want(w, "A <-- Resv label 1000 RRO 10.252.1.1 label 1000 upstream label 501 10.252.2.2 label 700"); /* A <-- N */
    want(w, "xc set A 1000/501 B 2000/700");
    xc_done(w, 0);
    says(w, B, about(RSVP_RESV_TEAR, 1)); /* N <-- B */
    pass_over(w);
    xc_done(w, ERR_REFUSED); /* of a cross-connect that is no longer wanted */
    silent(w);
    node_world_end(w);
}

static void an_ingress_that_loses_its_reservation_gives_up(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    to_up(w);
    says(w, B, of_ours(about(RSVP_RESV_TEAR, 1))); /* N <-- B */
    want(w, "B <-- PathTear");                     /* N --> B */
    want(w, "report lsp1 down removed 25/9");
    want(w, "xc clear client 7 VLAN 100 B 2000/600");
    nothing_left(w);
    node_world_end(w);
}

static void refused_reservations(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message;

    (void) state;
    transit_stands(w, 1);
    says(w, A, error_of(RSVP_RESV_ERR, 1, 1, 2, false)); /* A --> N */
    want(w, "B <-- ResvErr 1/2 at 10.252.9.1");          /* N --> B */
    says(w, A, error_of(RSVP_RESV_ERR, 1, 3, 0, false)); /* A --> N: it does not know the LSP */
    want(w, "B <-- PathTear");                           /* N --> B */
    want(w, "xc clear A 1000/501 B 2000/601");
    nothing_left(w);
    transit_stands(w, 2);
    message = resv(2, 3);                                /* a reserved label */
    says(w, B, message);                                 /* N <-- B */
    want(w, "A <-- PathErr 24/6 at 10.252.2.1 removed"); /* A <-- N */
    want(w, "B <-- ResvErr 24/6");                       /* N --> B */
    want(w, "B <-- PathTear");                           /* N --> B */
    want(w, "xc clear A 1001/502 B 2001/602");
    nothing_left(w);
    node_world_end(w);
}

/* ---- Notify ---- */

static void whoever_asked_is_notified(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = path(1);
    struct rsvp_ack ack;

    (void) state;
    message.has |= RSVP_HAS_NOTIFY_REQUEST;
    message.notify_node = 0x0afd0063;
    says(w, A, message);      /* A --> N */
    says(w, B, resv(1, 601)); /* N <-- B */
    pass_over(w);
    node_link_data(w->node, B, false, w->now);
    carry(w);
    want(w, "routed <-- Notify 25/9 at 10.252.2.1 removed"); /* N --> 10.253.0.99 */
    assert_int_equal(w->routed_from, LOCAL(A));              /* as the ingress has it in its record */
    pass_over(w);
    pass_ms(w, 100);
    want(w, "routed <-- Notify 25/9 at 10.252.2.1 removed"); /* N --> 10.253.0.99: again */
    ack = (struct rsvp_ack) {.epoch = w->routed.message_id.epoch, .id = w->routed.message_id.id};
    message = (struct rsvp_message) {.type = RSVP_ACK, .acks = xmemdup(&ack, sizeof ack), .n_acks = 1};
    node_receive_routed(w->node, 0x0afd0063, &message, w->now); /* 10.253.0.99 --> N */
    carry(w);
    pass_ms(w, 1000);
    nothing_left(w);
    node_world_end(w);
}

static void an_ingress_believes_a_notify_of_its_route(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = of_ours(error_of(RSVP_NOTIFY, 1, 25, 6, false));

    (void) state;
    to_up(w);
    message.has |= RSVP_HAS_MESSAGE_ID;
    message.message_id = (struct rsvp_message_id) {.flags = RSVP_MESSAGE_ID_ACK_DESIRED, .epoch = 5, .id = 6};
    node_receive_routed(w->node, REMOTE(B), &message, w->now); /* B ..> N: news */
    carry(w);
    want(w, "routed <-- Ack"); /* B <.. N */
    assert_int_equal(w->routed.acks[0].id, 6);
    message = of_ours(error_of(RSVP_NOTIFY, 1, 25, 9, false));
    node_receive_routed(w->node, ROUTER(C), &message, w->now); /* C ..> N: failed, says one that is not on the route */
    carry(w);
    silent(w);
    message = error_of(RSVP_NOTIFY, 1, 25, 9, false);
    node_receive_routed(w->node, REMOTE(B), &message, w->now); /* B ..> N: failed, of another ingress */
    carry(w);
    silent(w);
    assert_int_equal(usage(w).lsps, 1);
    message = of_ours(error_of(RSVP_NOTIFY, 1, 25, 9, false));
    node_receive_routed(w->node, REMOTE(B), &message, w->now); /* B ..> N: failed */
    carry(w);
    want(w, "B <-- PathTear"); /* N --> B */
    want(w, "report lsp1 down removed 25/9 at 10.252.9.1");
    want(w, "xc clear client 7 VLAN 100 B 2000/600");
    nothing_left(w);
    node_world_end(w);
}

/* ---- time ---- */

static void a_set_up_without_answer_ends(void **state)
{
    struct node_world *w = node_world();
    struct err err = {0};

    (void) state;
    assert_int_equal(initiate(w, request(), &err), 0);
    pass_over(w);
    pass_ms(w, 4999);
    silent(w);
    pass_ms(w, 1);
    want(w, "B <-- PathTear"); /* N --> B */
    want(w, "report lsp1 down removed 25/9 cookie 5");
    nothing_left(w);
    node_world_end(w);
}

static void a_set_up_whose_probe_stays_away_ends(void **state)
{
    struct node_world *w = node_world();
    struct err err = {0};
    unsigned probes = 0;

    (void) state;
    assert_int_equal(initiate(w, request(), &err), 0);
    says(w, B, of_ours(resv(1, 600))); /* N <-- B */
    xc_done(w, 0);
    pass_over(w);
    pass_ms(w, 5000);
    for (; strcmp(w->lines[w->first], "probe") == 0; w->first++)
        probes++;
    assert_in_range(probes, 10, 30);
    want(w, "B <-- PathTear"); /* N --> B */
    want(w, "report lsp1 down removed 25/9 cookie 5");
    want(w, "xc clear client 7 VLAN 100 B 2000/600");
    nothing_left(w);
    node_world_end(w);
}

static void a_silent_neighbour_has_its_restart_time(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    transit_stands(w, 1);
    w->deaf[B] = true;
    pass_ms(w, 15000);
    silent(w); /* data goes on */
    assert_int_equal(usage(w).xcs, 1);
    w->deaf[B] = false;
    pass_ms(w, 60000); /* it was only the control channel */
    silent(w);
    assert_int_equal(usage(w).xcs, 1);
    w->deaf[B] = true;
    pass_ms(w, UNTIL_GONE_MS);
    want(w, "A <-- PathErr 25/5 at 10.252.2.1 removed"); /* A <-- N */
    want(w, "xc clear A 1000/501 B 2000/601");
    nothing_left(w);
    node_world_end(w);
}

static void a_silent_upstream_has_it_too(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    transit_stands(w, 1);
    w->deaf[A] = true;
    pass_ms(w, 15000);
    silent(w);
    pass_ms(w, UNTIL_GONE_MS - 15000);
    want(w, "B <-- PathTear"); /* N --> B */
    want(w, "xc clear A 1000/501 B 2000/601");
    nothing_left(w);
    node_world_end(w);
}

static void a_set_up_does_not_wait_for_the_silent(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    says(w, A, path(1));                                /* A --> N */
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2"); /* N --> B */
    w->deaf[B] = true;
    pass_ms(w, 5000);
    want(w, "A <-- PathErr 24/5 at 10.252.2.1 removed"); /* A <-- N */
    nothing_left(w);
    node_world_end(w);
}

static void what_is_no_longer_refreshed_ends(void **state)
{
    struct node_world *w = node_world();
    struct neighbour_key key = {.type = RSVP_PATH};

    (void) state;
    transit_stands(w, 1);
    key.session = about(RSVP_PATH, 1).session;
    key.sender = about(RSVP_PATH, 1).sender;
    neighbour_forget(w->peers[A], &key); /* A says no more of it, and no PathTear */
    pass_ms(w, 600000);
    want(w, "B <-- PathTear"); /* N --> B */
    want(w, "xc clear A 1000/501 B 2000/601");
    nothing_left(w);
    transit_stands(w, 2);
    key.type = RSVP_RESV;
    key.session = about(RSVP_PATH, 2).session;
    neighbour_forget(w->peers[B], &key);
    pass_ms(w, 600000);
    want(w, "A <-- PathErr 25/9 at 10.252.2.1 removed"); /* A <-- N */
    want(w, "B <-- PathTear");                           /* N --> B */
    want(w, "xc clear A 1001/502 B 2001/602");
    nothing_left(w);
    assert_int_equal(node_counters(w->node)->expired, 2);
    node_world_end(w);
}

/* Whoever refreshes what is gone is told so, and has to say all of it again. */
static void what_is_gone_is_not_refreshed(void **state)
{
    struct node_world *w = node_world();
    struct neighbour_key key = {RSVP_RESV, about(RSVP_RESV, 1).session, about(RSVP_RESV, 1).sender};

    (void) state;
    w->stubborn = true;
    transit_stands(w, 1);
    node_link_data(w->node, B, false, w->now);
    node_link_data(w->node, B, true, w->now);
    carry(w);
    want(w, "A <-- PathErr 25/9 at 10.252.2.1 removed"); /* A <-- N */
    want(w, "B <-- PathTear");                           /* N --> B */
    want(w, "xc clear A 1000/501 B 2000/601");
    neighbour_forget(w->peers[B], &key); /* first A alone */
    pass_ms(w, 60000);
    want(w, "B <-- Path upstream 2001 ERO 10.252.2.2"); /* N --> B */
    says(w, B, resv(1, 600));                           /* N <-- B */
    says(w, A, about(RSVP_PATH_TEAR, 1));               /* A --> N */
    pass_over(w);
    nothing_left(w);
    pass_ms(w, 60000);
    want(w, "B <-- ResvErr 3/0"); /* N --> B */
    pass_over(w);
    node_world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worst_and_the_fewest_are_preempted),
        cmocka_unit_test(nobody_is_preempted_in_vain),
        cmocka_unit_test(an_ingress_reports_that_it_was_preempted),
        cmocka_unit_test(a_switch_that_refuses_ends_it),
        cmocka_unit_test(a_cut_link_ends_what_goes_over_it),
        cmocka_unit_test(a_client_that_goes_down_ends_its_own),
        cmocka_unit_test(a_link_that_is_back_in_time_costs_nothing),
        cmocka_unit_test(what_is_being_set_up_is_not_held),
        cmocka_unit_test(a_client_that_is_back_in_time_costs_nothing),
        cmocka_unit_test(errors_go_up),
        cmocka_unit_test(an_ingress_gives_up_on_any_error_but_news),
        cmocka_unit_test(a_reservation_may_be_taken_back),
        cmocka_unit_test(an_ingress_that_loses_its_reservation_gives_up),
        cmocka_unit_test(refused_reservations),
        cmocka_unit_test(whoever_asked_is_notified),
        cmocka_unit_test(an_ingress_believes_a_notify_of_its_route),
        cmocka_unit_test(a_set_up_without_answer_ends),
        cmocka_unit_test(a_set_up_whose_probe_stays_away_ends),
        cmocka_unit_test(a_silent_neighbour_has_its_restart_time),
        cmocka_unit_test(a_silent_upstream_has_it_too),
        cmocka_unit_test(a_set_up_does_not_wait_for_the_silent),
        cmocka_unit_test(what_is_no_longer_refreshed_ends),
        cmocka_unit_test(what_is_gone_is_not_refreshed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
