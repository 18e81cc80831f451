/* SPDX-License-Identifier: Apache-2.0 */
/* LSPs are set up, changed and removed at a node that is their transit, egress or ingress. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "gmpls_node_world.h"

#define RRO_N "10.252.1.1 label 1000 upstream label 501 "

/* Sent in LSPs whose ingress is N. */
static struct rsvp_message of_ours(struct rsvp_message message)
{
    message.session.extended_tunnel_id = message.sender.source = ROUTER_N;
    return message;
}

/* ---- transit ---- */

static void transit_is_set_up_in_one_round_trip(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    says(w, A, path(1));                                /* A --> N */
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2"); /* N --> B */
    silent(w);
    assert_int_equal(usage(w).reserved_bps, 20 * MBPS);                 /* both directions, each where we send it */
    says(w, B, resv(1, 600));                                           /* N <-- B */
    want(w, "A <-- Resv label 1000 RRO " RRO_N "10.252.2.2 label 600"); /* A <-- N, before the switch is set */
    want(w, "xc set A 1000/501 B 2000/600");
    xc_done(w, 0);
    silent(w);
    assert_int_equal(node_counters(w->node)->set_up, 1);
    says(w, A, about(RSVP_PATH_TEAR, 1)); /* A --> N */
    want(w, "B <-- PathTear");            /* N --> B */
    want(w, "xc clear A 1000/501 B 2000/600");
    nothing_left(w);
    node_world_end(w);
}

static void bandwidth_of_each_priority_is_announced(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = path(1);
    uint64_t unreserved[TE_PRIORITIES];

    (void) state;
    message.attribute.setup_priority = 5;
    message.attribute.holding_priority = 3;
    says(w, A, message);                                /* A --> N */
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2"); /* N --> B */
    for (int l = A; l < PEERS; l++) {
        node_unreserved(w->node, l, unreserved);
        assert_int_equal(unreserved[2], 100 * MBPS);
        assert_int_equal(unreserved[3], l == C ? 100 * MBPS : 90 * MBPS);
        assert_int_equal(unreserved[7], l == C ? 100 * MBPS : 90 * MBPS);
    }
    node_world_end(w);
}

static void labels_are_those_that_are_wished_for(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = path(1);

    (void) state;
    message.has |= RSVP_HAS_SUGGESTED_LABEL;
    message.suggested_label = 1002;
    says(w, A, message);                                                                                /* A --> N */
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2");                                                 /* N --> B */
    says(w, B, resv(1, 600));                                                                           /* N <-- B */
    want(w, "A <-- Resv label 1002 RRO 10.252.1.1 label 1002 upstream label 501 10.252.2.2 label 600"); /* A <-- N */
    want(w, "xc set A 1002/501 B 2000/600");
    message = path(2);
    message.has |= RSVP_HAS_LABEL_SET | RSVP_HAS_SUGGESTED_LABEL;
    message.suggested_label = 1000; /* not in the set */
    message.labels = xmemdup((const uint32_t[]) {17, 1002, 1001}, 3 * sizeof(uint32_t));
    message.n_labels = 3;
    says(w, A, message);                                                                                /* A --> N */
    want(w, "B <-- Path upstream 2001 ERO 10.252.2.2");                                                 /* N --> B */
    says(w, B, resv(2, 601));                                                                           /* N <-- B */
    want(w, "A <-- Resv label 1001 RRO 10.252.1.1 label 1001 upstream label 502 10.252.2.2 label 601"); /* A <-- N */
    want(w, "xc set A 1001/502 B 2001/601");
    node_world_end(w);
}

static void labels_of_the_route_are_demanded(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = path(1);

    (void) state;
    ero(&message, 4,
        (const struct lsp_hop[]) {hop(LOCAL(A)), hop(REMOTE(B)), label_hop(640, false), label_hop(2040, true)});
    says(w, A, message);                                        /* A --> N */
    want(w, "B <-- Path upstream 2040 ERO 10.252.2.2 set 640"); /* N --> B */
    says(w, B, resv(1, 641));                                   /* N <-- B: another one */
    want(w, "A <-- PathErr 24/6 at 10.252.2.1 removed");        /* A <-- N */
    want(w, "B <-- ResvErr 24/6");                              /* N --> B */
    want(w, "B <-- PathTear");                                  /* N --> B */
    nothing_left(w);
    node_world_end(w);
}

static void another_upstream_label_is_tried(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = about(RSVP_PATH_ERR, 1);

    (void) state;
    says(w, A, path(1));                                /* A --> N */
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2"); /* N --> B */
    message.error = (struct lsp_error) {.node = ROUTER(B), .code = 24, .value = 6, .path_state_removed = true};
    message.has |= RSVP_HAS_ACCEPTABLE_LABELS;
    message.labels = xmemdup((const uint32_t[]) {7, 2500}, 2 * sizeof(uint32_t));
    message.n_labels = 2;
    says(w, B, message);                                /* N <-- B */
    want(w, "B <-- Path upstream 2500 ERO 10.252.2.2"); /* N --> B */
    silent(w);
    assert_int_equal(usage(w).labels, 2);
    message = about(RSVP_PATH_ERR, 1); /* of something further down, where no other label would do */
    message.error = (struct lsp_error) {.node = ROUTER(C), .code = 24, .value = 6, .path_state_removed = true};
    says(w, B, message);                   /* N <-- B */
    want(w, "A <-- PathErr 24/6 removed"); /* A <-- N */
    nothing_left(w);
    node_world_end(w);
}

static void what_is_not_known_goes_on(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = path(1);

    (void) state;
    message.unknown[0] = (struct rsvp_unknown) {.class = 250, .ctype = 1, .size = 4, .body = xmemdup("abcd", 4)};
    message.n_unknown = 1;
    says(w, A, message);                                          /* A --> N */
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2 class 250"); /* N --> B */
    says(w, A, path(1));                                          /* A --> N: without it */
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2");           /* N --> B */
    message = resv(1, 600);
    message.unknown[0] = (struct rsvp_unknown) {.class = 251, .ctype = 1, .size = 4, .body = xmemdup("efgh", 4)};
    message.n_unknown = 1;
    says(w, B, message);                                                          /* N <-- B */
    want(w, "A <-- Resv label 1000 RRO " RRO_N "10.252.2.2 label 600 class 251"); /* A <-- N */
    want(w, "xc set A 1000/501 B 2000/600");
    says(w, B, resv(1, 600));                                           /* N <-- B: without it */
    want(w, "A <-- Resv label 1000 RRO " RRO_N "10.252.2.2 label 600"); /* A <-- N */
    says(w, B, about(RSVP_RESV_TEAR, 1));                               /* N <-- B */
    want(w, "A <-- ResvTear");                                          /* A <-- N */
    want(w, "xc clear A 1000/501 B 2000/600");
    node_world_end(w);
}

/* RFC 3209 §4.4.3: with what is added here, it could not be sent. */
static void a_record_that_is_too_long_ends_here(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = resv(1, 600);

    (void) state;
    says(w, A, path(1)); /* A --> N */
    pass_over(w);
    while (message.rro.n < LSP_HOPS_MAX - 2)
        lsp_route_add(&message.rro, hop(REMOTE(B)));
    says(w, B, message);                   /* N <-- B */
    want(w, "A <-- Resv label 1000 RRO "); /* A <-- N */
    want(w, "xc set A 1000/501 B 2000/600");
    node_world_end(w);
}

static void a_path_that_changes_takes_the_place_of_the_old(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = path(1);

    (void) state;
    says(w, A, path(1));                                                /* A --> N */
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2");                 /* N --> B */
    says(w, B, resv(1, 600));                                           /* N <-- B */
    want(w, "A <-- Resv label 1000 RRO " RRO_N "10.252.2.2 label 600"); /* A <-- N */
    want(w, "xc set A 1000/501 B 2000/600");
    xc_done(w, 0);
    message.tspec.rate_bps = 30 * MBPS;
    says(w, A, message);                                /* A --> N: wider, the same way */
    want(w, "B <-- Path upstream 2001 ERO 10.252.2.2"); /* N --> B: no PathTear, it might overtake */
    want(w, "xc clear A 1000/501 B 2000/600");
    assert_int_equal(usage(w).reserved_bps, 60 * MBPS);
    message = path(1);
    ero(&message, 2, (const struct lsp_hop[]) {hop(LOCAL(A)), hop(REMOTE(C))});
    says(w, A, message);                                /* A --> N: another way */
    want(w, "B <-- PathTear");                          /* N --> B */
    want(w, "C <-- Path upstream 3000 ERO 10.252.3.2"); /* N --> C */
    message = path(1);
    message.upstream_label = 777;
    ero(&message, 2, (const struct lsp_hop[]) {hop(LOCAL(A)), hop(REMOTE(C))});
    says(w, A, message);                                /* A --> N: A has lost its labels */
    want(w, "C <-- Path upstream 3001 ERO 10.252.3.2"); /* N --> C */
    message = path(1);
    message.tspec.rate_bps = 500 * MBPS;
    says(w, A, message);                                /* A --> N: more than there is */
    want(w, "A <-- PathErr 1/2 at 10.252.1.1 removed"); /* A <-- N */
    want(w, "C <-- PathTear");                          /* N --> C */
    nothing_left(w);
    node_world_end(w);
}

static void status_goes_through(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = path(1);

    (void) state;
    says(w, A, path(1));                                                /* A --> N */
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2");                 /* N --> B */
    says(w, B, resv(1, 600));                                           /* N <-- B */
    want(w, "A <-- Resv label 1000 RRO " RRO_N "10.252.2.2 label 600"); /* A <-- N */
    want(w, "xc set A 1000/501 B 2000/600");
    xc_done(w, 0);
    message.has |= RSVP_HAS_ADMIN_STATUS;
    message.admin_status = RSVP_ADMIN_DELETION | RSVP_ADMIN_REFLECT;
    says(w, A, message);                                           /* A --> N */
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2 status D R"); /* N --> B */
    message = resv(1, 600);
    message.has |= RSVP_HAS_ADMIN_STATUS;
    message.admin_status = RSVP_ADMIN_DELETION;
    says(w, B, message);                                                         /* N <-- B */
    want(w, "A <-- Resv label 1000 RRO " RRO_N "10.252.2.2 label 600 status D"); /* A <-- N */
    node_world_end(w);
}

static void a_new_label_goes_to_the_switch(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    says(w, A, path(1));                                                /* A --> N */
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2");                 /* N --> B */
    says(w, B, resv(1, 600));                                           /* N <-- B */
    want(w, "A <-- Resv label 1000 RRO " RRO_N "10.252.2.2 label 600"); /* A <-- N */
    want(w, "xc set A 1000/501 B 2000/600");
    says(w, B, resv(1, 700));                                           /* N <-- B: before the switch has answered */
    want(w, "A <-- Resv label 1000 RRO " RRO_N "10.252.2.2 label 700"); /* A <-- N */
    want(w, "xc set A 1000/501 B 2000/700");
    xc_done(w, 0);
    assert_int_equal(node_counters(w->node)->set_up, 0);
    xc_done(w, 0);
    assert_int_equal(node_counters(w->node)->set_up, 1);
    xc_done(w, ERR_REFUSED); /* an answer too many harms nobody */
    node_world_end(w);
}

static void messages_out_of_order_and_of_nobody_do_no_harm(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = about(RSVP_PATH_ERR, 1);

    (void) state;
    message.error = (struct lsp_error) {.node = ROUTER(B), .code = 24, .value = 5, .path_state_removed = true};
    says(w, B, message);                  /* N <-- B */
    says(w, A, about(RSVP_PATH_TEAR, 1)); /* A --> N */
    says(w, B, about(RSVP_RESV_TEAR, 1)); /* N <-- B */
    says(w, A, about(RSVP_RESV_ERR, 1));  /* A --> N */
    says(w, A, about(RSVP_RESV_CONF, 1)); /* A --> N */
    silent(w);
    pass_ms(w, 20000);                                  /* its recovery time, in which a Path might be about to come */
    says(w, B, resv(1, 600));                           /* N <-- B: before any Path */
    want(w, "B <-- ResvErr 3/0");                       /* N --> B */
    says(w, A, path(1));                                /* A --> N */
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2"); /* N --> B */
    says(w, B, about(RSVP_PATH_TEAR, 1));               /* N <-- B: not the upstream */
    says(w, A, about(RSVP_RESV_TEAR, 1));               /* A --> N: not the downstream */
    message = about(RSVP_PATH_ERR, 1);
    message.error = (struct lsp_error) {.node = ROUTER(A), .code = 24, .value = 5, .path_state_removed = true};
    says(w, A, message); /* A --> N: not the downstream */
    silent(w);
    assert_int_equal(usage(w).lsps, 1);
    node_world_end(w);
}

/* ---- egress ---- */

static void egress_chooses_what_was_left_to_it(void **state)
{
    struct node_world *w = node_world();

    (void) state;
    says(w, A, path_to_client(1, 7, 0));                                  /* A --> N */
    want(w, "A <-- Resv label 1000 RRO " RRO_N "10.253.0.1/7 label 100"); /* A <-- N */
    want(w, "xc set A 1000/501 client 7 VLAN 100");
    xc_done(w, 0);
    says(w, A, path_to_client(2, 7, 333));                                                                /* A --> N */
    want(w, "A <-- Resv label 1001 RRO 10.252.1.1 label 1001 upstream label 502 10.253.0.1/7 label 333"); /* A <-- N */
    want(w, "xc set A 1001/502 client 7 VLAN 333");
    says(w, A, path_to_client(3, 8, 0)); /* A --> N */
    want(w,
         "A <-- Resv label 1002 RRO 10.252.1.1 label 1002 upstream label 503 10.253.0.1/8 label 65535"); /* A <-- N */
    want(w, "xc set A 1002/503 client 8");
    says(w, A, path_to_client(4, 8, CLIENT_VLAN_NONE)); /* A --> N: a bridge has several */
    want(w,
         "A <-- Resv label 1003 RRO 10.252.1.1 label 1003 upstream label 504 10.253.0.1/8 label 65535"); /* A <-- N */
    want(w, "xc set A 1003/504 client 8");
    node_world_end(w);
}

static void egress_reflects(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = path_to_client(1, 7, 0);

    (void) state;
    says(w, A, path_to_client(1, 7, 0));                                  /* A --> N */
    want(w, "A <-- Resv label 1000 RRO " RRO_N "10.253.0.1/7 label 100"); /* A <-- N */
    want(w, "xc set A 1000/501 client 7 VLAN 100");
    xc_done(w, 0);
    message.has |= RSVP_HAS_ADMIN_STATUS;
    message.admin_status = RSVP_ADMIN_DELETION | RSVP_ADMIN_REFLECT;
    says(w, A, message);                                                           /* A --> N */
    want(w, "A <-- Resv label 1000 RRO " RRO_N "10.253.0.1/7 label 100 status D"); /* A <-- N */
    message = about(RSVP_PATH_TEAR, 1);
    message.session.destination = ROUTER_N;
    says(w, A, message); /* A --> N */
    want(w, "xc clear A 1000/501 client 7 VLAN 100");
    nothing_left(w);
    node_world_end(w);
}

/* ---- ingress ---- */

static void ingress_reports_what_the_probe_proved(void **state)
{
    struct node_world *w = node_world();
    struct err err = {0};

    (void) state;
    assert_int_equal(initiate(w, request(), &err), 0);
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2 10.253.0.20/3 label 0"); /* N --> B */
    want(w, "report lsp1 going up");
    says(w, B, of_ours(resv(1, 600))); /* N <-- B */
    want(w, "xc set client 7 VLAN 100 B 2000/600");
    silent(w); /* the switch is not ready */
    assert_null(w->records[1]);
    xc_done(w, 0);
    silent(w); /* nor may those of the others be */
    pass_ms(w, 3);
    want(w, "probe");
    node_probe_seen(w->node, w->nonce + 1, w->now); /* not ours */
    carry(w);
    pass_ms(w, 70);
    want(w, "probe"); /* after 20 ms */
    want(w, "probe"); /* and 40 more */
    silent(w);
    node_probe_seen(w->node, w->nonce, w->now);
    carry(w);
    want(w, "report lsp1 up 7.100 to 3.0 over 10.252.2.2 label 600 cookie 5");
    assert_non_null(w->records[1]);
    node_probe_seen(w->node, w->nonce, w->now); /* a late one */
    carry(w);
    pass_ms(w, 60000);
    node_world_end(w);
}

static void removal_waits_for_the_reflection(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = of_ours(resv(1, 600));
    struct err err = {0};

    (void) state;
    to_up(w);
    assert_int_equal(node_remove(w->node, "lsp1", false, 6, w->now, &err), 0);
    carry(w);
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2 10.253.0.20/3 label 0 status D R"); /* N --> B */
    want(w, "report lsp1 going down");
    assert_int_equal(node_remove(w->node, "lsp1", true, 7, w->now, &err), ERR_CONFLICT);
    message.has |= RSVP_HAS_ADMIN_STATUS;
    message.admin_status = RSVP_ADMIN_DELETION;
    says(w, B, message);       /* N <-- B */
    want(w, "B <-- PathTear"); /* N --> B */
    want(w, "report lsp1 down removed cookie 6");
    want(w, "xc clear client 7 VLAN 100 B 2000/600");
    nothing_left(w);
    assert_int_equal(node_remove(w->node, "lsp1", false, 8, w->now, &err), ERR_NOT_FOUND);
    node_world_end(w);
}

static void removal_does_not_wait_for_ever(void **state)
{
    struct node_world *w = node_world();
    struct err err = {0};

    (void) state;
    to_up(w);
    assert_int_equal(node_remove(w->node, "lsp1", false, 6, w->now, &err), 0);
    pass_ms(w, 499);
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2 10.253.0.20/3 label 0 status D R"); /* N --> B */
    want(w, "report lsp1 going down");
    silent(w);
    pass_ms(w, 1);
    want(w, "B <-- PathTear"); /* N --> B */
    want(w, "report lsp1 down removed cookie 6");
    want(w, "xc clear client 7 VLAN 100 B 2000/600");
    nothing_left(w);
    node_world_end(w);
}

static void removal_by_force_and_during_set_up_is_at_once(void **state)
{
    struct node_world *w = node_world();
    struct err err = {0};

    (void) state;
    to_up(w);
    assert_int_equal(node_remove(w->node, "lsp1", true, 6, w->now, &err), 0);
    carry(w);
    want(w, "B <-- PathTear"); /* N --> B */
    want(w, "report lsp1 down removed cookie 6");
    want(w, "xc clear client 7 VLAN 100 B 2000/600");
    assert_int_equal(initiate(w, request(), &err), 0);
    want(w, "B <-- Path upstream 2001 ERO 10.252.2.2 10.253.0.20/3 label 0"); /* N --> B */
    want(w, "report lsp1 going up");
    assert_int_equal(node_remove(w->node, "lsp1", false, 7, w->now, &err), 0);
    carry(w);
    want(w, "B <-- PathTear");                    /* N --> B */
    want(w, "report lsp1 down removed cookie 5"); /* each request has its answer */
    want(w, "report lsp1 down removed cookie 7");
    nothing_left(w);
    node_world_end(w);
}

static void the_egress_may_end_it(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = of_ours(resv(1, 600));

    (void) state;
    to_up(w);
    message.has |= RSVP_HAS_ADMIN_STATUS;
    message.admin_status = RSVP_ADMIN_DELETION;
    says(w, B, message);       /* N <-- B */
    want(w, "B <-- PathTear"); /* N --> B */
    want(w, "report lsp1 down removed");
    want(w, "xc clear client 7 VLAN 100 B 2000/600");
    nothing_left(w);
    node_world_end(w);
}

static void ingress_confirms_if_asked(void **state)
{
    struct node_world *w = node_world();
    struct rsvp_message message = of_ours(resv(1, 600));
    struct err err = {0};

    (void) state;
    assert_int_equal(initiate(w, request(), &err), 0);
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2 10.253.0.20/3 label 0"); /* N --> B */
    want(w, "report lsp1 going up");
    message.has |= RSVP_HAS_RESV_CONFIRM;
    message.resv_confirm = ROUTER(B);
    says(w, B, message);       /* N <-- B */
    want(w, "B <-- ResvConf"); /* N --> B */
    want(w, "xc set client 7 VLAN 100 B 2000/600");
    says(w, A, path(1));                                /* A --> N: and a transit node hands it on */
    want(w, "B <-- Path upstream 2001 ERO 10.252.2.2"); /* N --> B */
    message = about(RSVP_RESV_CONF, 1);
    message.has |= RSVP_HAS_RESV_CONFIRM;
    message.resv_confirm = ROUTER(B);
    says(w, A, message);       /* A --> N */
    want(w, "B <-- ResvConf"); /* N --> B */
    node_world_end(w);
}

static void updates_that_change_nothing_are_answered(void **state)
{
    struct node_world *w = node_world();
    struct lsp_request with = request();
    struct err err = {0};

    (void) state;
    to_up(w);
    assert_int_equal(node_update(w->node, &with, 9, w->now, &err), 0);
    carry(w);
    want(w, "report lsp1 up 7.100 to 3.44 over 10.252.2.2 label 600 upstream label 2000 cookie 9");
    with.bandwidth_bps *= 2;
    assert_int_equal(node_update(w->node, &with, 9, w->now, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "lsp1"));
    strcpy(with.name, "other");
    assert_int_equal(node_update(w->node, &with, 9, w->now, &err), ERR_NOT_FOUND);
    lsp_request_free(&with);
    node_world_end(w);
}

static void initiate_fails(struct node_world *w, struct lsp_request with, int code, const char *reason)
{
    struct err err = {0};

    assert_int_equal(initiate(w, with, &err), code);
    if (!strstr(err.text, reason))
        fail_msg("\"%s\" does not say: %s", err.text, reason);
    silent(w);
}

static void requests_that_cannot_be_are_refused_at_once(void **state)
{
    struct node_world *w = node_world();
    struct lsp_request with;

    (void) state;
    with = request(), with.name[0] = 0;
    initiate_fails(w, with, ERR_INVALID, "name");
    with = request(), with.ingress = ROUTER(A);
    initiate_fails(w, with, ERR_INVALID, "ingress is another");
    with = request(), with.egress = ROUTER_N;
    initiate_fails(w, with, ERR_INVALID, "egress");
    with = request(), with.holding_priority = 7, with.setup_priority = 6;
    initiate_fails(w, with, ERR_INVALID, "priorities");
    with = request();
    with.bandwidth_bps = 0;
    initiate_fails(w, with, ERR_INVALID, "bandwidth of 0");
    with = request(), with.ingress_client.interface = 9;
    initiate_fails(w, with, ERR_INVALID, "client port 9");
    with = request(), with.route.n = 0;
    initiate_fails(w, with, ERR_INVALID, "no route");
    with = request(), with.route.hops[0].type = HOP_UNNUMBERED;
    initiate_fails(w, with, ERR_INVALID, "unnumbered");
    nothing_left(w);
    to_up(w);
    initiate_fails(w, request(), ERR_EXISTS, "lsp1");
    node_world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transit_is_set_up_in_one_round_trip),
        cmocka_unit_test(bandwidth_of_each_priority_is_announced),
        cmocka_unit_test(labels_are_those_that_are_wished_for),
        cmocka_unit_test(labels_of_the_route_are_demanded),
        cmocka_unit_test(another_upstream_label_is_tried),
        cmocka_unit_test(what_is_not_known_goes_on),
        cmocka_unit_test(a_record_that_is_too_long_ends_here),
        cmocka_unit_test(a_path_that_changes_takes_the_place_of_the_old),
        cmocka_unit_test(status_goes_through),
        cmocka_unit_test(a_new_label_goes_to_the_switch),
        cmocka_unit_test(messages_out_of_order_and_of_nobody_do_no_harm),
        cmocka_unit_test(egress_chooses_what_was_left_to_it),
        cmocka_unit_test(egress_reflects),
        cmocka_unit_test(ingress_reports_what_the_probe_proved),
        cmocka_unit_test(removal_waits_for_the_reflection),
        cmocka_unit_test(removal_does_not_wait_for_ever),
        cmocka_unit_test(removal_by_force_and_during_set_up_is_at_once),
        cmocka_unit_test(the_egress_may_end_it),
        cmocka_unit_test(ingress_confirms_if_asked),
        cmocka_unit_test(updates_that_change_nothing_are_answered),
        cmocka_unit_test(requests_that_cannot_be_are_refused_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
