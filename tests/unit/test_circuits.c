/* SPDX-License-Identifier: Apache-2.0 */
/* Circuits in the gateway: what it asks of the transport network, and what an operator sees of it. An arrow comment
 * stands for each message; circuit_world.h has the map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "circuit_world.h"

#define CE1 "A:user:ce1"

/* ce1 is set and its circuit is up by t1, at VLAN 200 of the PE. */
static void connect_ce1(struct circuit_world *w)
{
    struct err err;

    assert_int_equal(put_user(w, "ce1", NULL, &err), 0);
    expect(w, "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN any/none\n");
    answer_up(w, CE1, 200, CLIENT_VLAN_NONE);
}

/* ---- one circuit ---- */

static void user_is_connected(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    /* operator -> gateway: ce1 */
    assert_int_equal(put_user(w, "ce1", NULL, &err), 0);
    /* gateway -> pe: PCInitiate, by t1, which is nearer */
    expect(w, "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN any/none\n");
    assert_string_equal(shown(w, "channels", CE1, "state"), "setting-up");
    assert_string_equal(shown(w, "users", "ce1", "connected"), "false");
    assert_int_equal(vlan_of_user(w, "ce1"), 0);
    /* pe -> gateway: PCRpt, up */
    answer_up(w, CE1, 200, CLIENT_VLAN_NONE);
    assert_string_equal(shown(w, "channels", CE1, "state"), "up");
    assert_string_equal(shown(w, "channels", CE1, "ingress-vlan"), "200");
    assert_string_equal(shown(w, "channels", CE1, "egress-vlan"), "0");
    assert_string_equal(
        shown(w, "channels", CE1, "path"),
        "[{\"node\":\"10.253.0.11\"},"
        "{\"node\":\"10.253.0.1\",\"interface\":\"10.252.1.11\",\"label\":1000,\"upstream-label\":2000},"
        "{\"node\":\"10.253.0.15\",\"interface\":\"10.252.15.1\",\"label\":1001,\"upstream-label\":2001}]");
    assert_string_equal(shown(w, "users", "ce1", "circuit"), CE1);
    assert_string_equal(shown(w, "users", "ce1", "connected"), "true");
    /* gateway -> PE's switch: flows; and to ce1 through the circuit: where the VMs are that run, whom it answers */
    assert_int_equal(vlan_of_user(w, "ce1"), 200);
    assert_string_equal(w->told.text, "VLAN 200 10.100.0.11\nVLAN 200 10.100.0.11 asks 10.100.0.101\n"
                                      "VLAN 200 10.100.0.12\nVLAN 200 10.100.0.12 asks 10.100.0.101\n");
    /* operator -> gateway: no more; gateway -> pe: PCInitiate with R */
    assert_int_equal(w->backend.user_delete(w->gateway, "ce1", &err), 0);
    expect(w, "remove A:user:ce1 at 11\n");
    assert_int_equal(vlan_of_user(w, "ce1"), 0);
    assert_string_equal(shown(w, "channels", CE1, "state"), "removing");
    /* pe -> gateway: PCRpt, removed */
    answer_removed(w, CE1);
    assert_string_equal(shown(w, "channels", CE1, "state"), "gone");
}

static void crankback(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(put_user(w, "ce1", NULL, &err), 0);
    expect(w, "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN any/none\n");
    /* t1 -> pe -> gateway: PathErr, no bandwidth on the link to ce1's PE. gateway -> pe: not by that link */
    answer_refused(w, CE1, T1, CE_PE);
    expect(w, "create A:user:ce1: 11 2 15, 100 Mbit/s, VLAN any/none\n");
    /* pe -> gateway: PathErr, about the link to t2. A detour is left */
    answer_refused(w, CE1, PE, T2);
    expect(w, "create A:user:ce1: 11 1 2 15, 100 Mbit/s, VLAN any/none\n");
    /* t2 -> t1 -> pe -> gateway: PathErr, about t2 as such. Nothing is left to try */
    answer_refused(w, CE1, T2, 0);
    expect(w, "");
    assert_string_equal(shown(w, "channels", CE1, "state"), "waiting");
    assert_string_equal(
        shown(w, "channels", CE1, "error"),
        "A:user:ce1: requested bandwidth unavailable (1/2) at 10.253.0.2; no other path: the exclusions "
        "(1 node, 2 links) bar every path between 10.253.0.11 and 10.253.0.15");
    /* A second later everything may be otherwise */
    pass_ms(w, 999);
    expect(w, "");
    pass_ms(w, 1);
    expect(w, "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN any/none\n");
    /* and after the next round, two */
    answer_error(w, CE1, ERR_REFUSED);
    pass_ms(w, 1999);
    expect(w, "");
    pass_ms(w, 1);
    expect(w, "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN any/none\n");
    answer_up(w, CE1, 200, CLIENT_VLAN_NONE);
    assert_string_equal(shown(w, "channels", CE1, "error"), "");
}

static void no_path(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    link_free(w, CE_PE, T1, 99);
    link_free(w, CE_PE, T2, 60);
    assert_int_equal(put_user(w, "ce1", NULL, &err), 0);
    expect(w, "");
    assert_string_equal(
        shown(w, "channels", CE1, "error"),
        "no path between 10.253.0.11 and 10.253.0.15 has 100 Mbit/s free at priority 3: 99 Mbit/s would "
        "fit, and link 10.252.1.15 (10.253.0.1 to 10.253.0.15) limits it");
    /* ospfd -> gateway: there is room now. The next try finds it */
    link_free(w, CE_PE, T2, 200);
    pass_ms(w, 1000);
    expect(w, "create A:user:ce1: 11 2 15, 100 Mbit/s, VLAN any/none\n");
    answer_up(w, CE1, 200, CLIENT_VLAN_NONE);
}

static void what_is_missing_is_waited_for(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(put_user(w, "ce1", NULL, &err), ERR_UNREACHABLE); /* the gateway has just begun */
    pass_ms(w, GATEWAY_GRACE_MS);
    assert_int_equal(put_user(w, "ce1", NULL, &err), 0);
    assert_string_equal(shown(w, "channels", CE1, "error"),
                        "transport node 10.253.0.11 has no PCEP session with the gateway of data center A");
    pass_ms(w, 60000);
    expect(w, "");
    /* pe -> gateway: Open */
    ingress_up(w, PE);
    expect(w, "");
    pass_ms(w, 60000);
    assert_string_equal(shown(w, "channels", CE1, "error"),
                        "transport node 10.253.0.11 has no PCEP session with the gateway of data center A");
    /* ospfd -> gateway: all of it */
    topology_up(w);
    expect(w, "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN any/none\n");
    /* pe hangs up before it has answered, comes back, and reports no LSP */
    ingress_down(w, PE);
    answer_error(w, CE1, ERR_UNKNOWN);
    pass_ms(w, 60000);
    expect(w, "");
    ingress_up(w, PE);
    expect(w, "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN any/none\n");
    answer_up(w, CE1, 200, CLIENT_VLAN_NONE);
    assert_string_equal(shown(w, "users", "ce1", "connected"), "true");
}

/* It was made, and the answer got lost. */
static void answer_that_was_lost(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(put_user(w, "ce1", NULL, &err), 0);
    expect(w, "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN any/none\n");
    answer_error(w, CE1, ERR_UNKNOWN);
    /* pe -> gateway: PCRpt of the one that there is */
    report(w, PE, CE1, LSP_UP, 200, CLIENT_VLAN_NONE);
    pass_ms(w, 60000);
    expect(w, "");
    assert_int_equal(vlan_of_user(w, "ce1"), 200);
}

static void one_of_that_name_is_there(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(put_user(w, "ce1", NULL, &err), 0);
    expect(w, "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN any/none\n");
    /* pe -> gateway: PCErr, there is one. It may stand on any path: away with it, and once more */
    answer_error(w, CE1, ERR_EXISTS);
    expect(w, "remove A:user:ce1 at 11\n");
    answer_removed(w, CE1);
    expect(w, "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN any/none\n");
    /* Somebody makes it again and again: not at once any more */
    answer_error(w, CE1, ERR_EXISTS);
    expect(w, "");
    assert_string_equal(shown(w, "channels", CE1, "error"), "A:user:ce1: the test says so");
    pass_ms(w, 1000);
    expect(w, "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN any/none\n");
    answer_up(w, CE1, 200, CLIENT_VLAN_NONE);
    expect(w, "");
}

/* An answer that comes after all is not taken for one to what has the same name now. */
static void answer_to_a_circuit_of_before(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(put_user(w, "ce1", NULL, &err), 0);
    expect(w, "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN any/none\n");
    assert_int_equal(w->backend.user_delete(w->gateway, "ce1", &err), 0);
    expect(w, "remove A:user:ce1 at 11\n");
    answer_removed(w, CE1);
    assert_int_equal(put_user(w, "ce1", NULL, &err), 0);
    expect(w, "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN any/none\n");
    answer_refused(w, CE1, T1, 0); /* to the first */
    expect(w, "");
    assert_string_equal(shown(w, "channels", CE1, "state"), "setting-up");
    answer_up(w, CE1, 200, CLIENT_VLAN_NONE);
    assert_string_equal(shown(w, "channels", CE1, "state"), "up");
}

static void failure_after_set_up(void **state)
{
    struct circuit_world *w = *state;

    connect_ce1(w);
    /* t1 -> pe -> gateway: the link to ce1's PE is down. The flows go: another circuit may get that VLAN */
    report_failed(w, PE, CE1, T1, CE_PE);
    assert_int_equal(vlan_of_user(w, "ce1"), 0);
    expect(w, "create A:user:ce1: 11 2 15, 100 Mbit/s, VLAN 200/none\n");
    assert_string_equal(shown(w, "channels", CE1, "error"),
                        "it failed: requested bandwidth unavailable (1/2) at 10.253.0.1, interface 10.252.1.15");
    answer_up(w, CE1, 200, CLIENT_VLAN_NONE);
    assert_int_equal(vlan_of_user(w, "ce1"), 200);
    assert_string_equal(shown(w, "channels", CE1, "error"), "");
    /* If the VLAN cannot be had, a user's circuit takes any */
    report_failed(w, PE, CE1, T2, CE_PE);
    expect(w, "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN 200/none\n");
    answer_error(w, CE1, ERR_REFUSED);
    pass_ms(w, 1000);
    expect(w, "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN any/none\n");
    answer_up(w, CE1, 205, CLIENT_VLAN_NONE);
    assert_int_equal(vlan_of_user(w, "ce1"), 205);
}

/* What the LSP had is to be had again: here the link to t1, which has room for one, and the only way left. */
static void failure_gives_the_bandwidth_back(void **state)
{
    struct circuit_world *w = *state;

    link_free(w, PE, T1, 150);
    connect_ce1(w);
    link_down(w, PE, T2);
    report_failed(w, PE, CE1, T1, CE_PE);
    expect(w, "create A:user:ce1: 11 1 2 15, 100 Mbit/s, VLAN 200/none\n");
}

/* A PE that refuses the flows of a circuit gets them again with all the rest. */
static void flows_that_are_refused(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(put_user(w, "ce1", NULL, &err), 0);
    w->flows_refused = 1;
    answer_up(w, CE1, 200, CLIENT_VLAN_NONE);
    assert_int_equal(vlan_of_user(w, "ce1"), 0);
    pass_ms(w, 10000);
    assert_int_equal(vlan_of_user(w, "ce1"), 200);
}

static const char *topology(struct circuit_world *w, const char *member)
{
    return shown(w, "transport", NULL, member);
}

static void topology_is_shown(void **state)
{
    struct circuit_world *w = *state;

    ingress_down(w, PE);
    assert_string_equal(topology(w, "ingresses"), "[\"10.253.0.13\"]");
    ingress_up(w, PE);
    ingress_up(w, PE);
    ingress_up(w, 12);
    assert_string_equal(topology(w, "ingresses"), "[\"10.253.0.11\",\"10.253.0.12\",\"10.253.0.13\"]");
    assert_string_equal(topology(w, "synced"), "true");
    topology_down(w);
    assert_string_equal(topology(w, "synced"), "false");
    static const char first[] = "[{\"area\":\"0.0.0.1\",\"from\":\"10.253.0.1\",\"to\":\"10.253.0.2\","
                                "\"local\":\"10.252.1.2\",\"remote\":\"10.252.2.1\",\"metric\":20,\"admin-group\":0,"
                                "\"bandwidth-mbps\":1000,\"reservable-mbps\":1000,"
                                "\"unreserved-mbps\":[1000,1000,1000,1000,1000,1000,1000,1000]},";
    assert_memory_equal(topology(w, "links"), first, strlen(first));
}

/* Whoever else wants it gone while that is being done waits with the first. */
static void removal_is_asked_for_once(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    connect_ce1(w);
    assert_int_equal(w->backend.user_delete(w->gateway, "ce1", &err), 0);
    expect(w, "remove A:user:ce1 at 11\n");
    network_tidy(w->gateway);
    expect(w, "");
    answer_removed(w, CE1);
    assert_string_equal(shown(w, "channels", CE1, "state"), "gone");
}

/* ---- restarts ---- */

static void adopted_after_a_restart(void **state)
{
    struct circuit_world *w = *state;

    connect_ce1(w);
    restart(w);
    assert_string_equal(shown(w, "channels", CE1, "state"), "waiting");
    assert_int_equal(vlan_of_user(w, "ce1"), 200); /* nothing is touched */
    topology_up(w);
    /* pe -> gateway: PCRpt, up; and that this was all */
    report(w, PE, CE1, LSP_UP, 200, CLIENT_VLAN_NONE);
    ingress_up(w, PE);
    ingress_up(w, GATE);
    pass_ms(w, 60000);
    expect(w, "");
    assert_string_equal(shown(w, "channels", CE1, "state"), "up");
    assert_int_equal(vlan_of_user(w, "ce1"), 200);
}

static void gone_during_a_restart(void **state)
{
    struct circuit_world *w = *state;

    connect_ce1(w);
    restart(w);
    topology_up(w);
    ingress_up(w, PE); /* and has reported nothing */
    expect(w, "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN 200/none\n");
    assert_int_equal(vlan_of_user(w, "ce1"), 0);
    answer_up(w, CE1, 200, CLIENT_VLAN_NONE);
    assert_int_equal(vlan_of_user(w, "ce1"), 200);
}

static void gone_while_the_session_was_down(void **state)
{
    struct circuit_world *w = *state;

    connect_ce1(w);
    /* pe hangs up: what it forwards, it forwards */
    ingress_down(w, PE);
    assert_string_equal(shown(w, "channels", CE1, "state"), "up");
    assert_int_equal(vlan_of_user(w, "ce1"), 200);
    /* and comes back with it */
    report(w, PE, CE1, LSP_UP, 200, CLIENT_VLAN_NONE);
    ingress_up(w, PE);
    expect(w, "");
    /* and once more, without it */
    ingress_down(w, PE);
    ingress_up(w, PE);
    expect(w, "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN 200/none\n");
    assert_string_equal(shown(w, "channels", CE1, "error"), "it failed: its ingress no longer has it");
}

static void strangers_are_removed(void **state)
{
    struct circuit_world *w = *state;

    /* pe -> gateway: PCRpts at the start of a session */
    report(w, PE, "A:user:ce7", LSP_UP, 200, CLIENT_VLAN_NONE);
    expect(w, "remove A:user:ce7 at 11\n");
    report(w, PE, "B:user:ce7", LSP_UP, 201, CLIENT_VLAN_NONE); /* somebody else's */
    report(w, PE, "AB:user:ce7", LSP_UP, 202, CLIENT_VLAN_NONE);
    expect(w, "");
    answer_removed(w, "A:user:ce7");
    report_failed(w, PE, "A:user:ce7", T1, 0); /* its last words */
    expect(w, "");
}

static void removal_outlives_what_stands_in_its_way(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    connect_ce1(w);
    assert_int_equal(w->backend.user_delete(w->gateway, "ce1", &err), 0);
    expect(w, "remove A:user:ce1 at 11\n");
    answer_error(w, CE1, ERR_REFUSED);
    assert_string_equal(shown(w, "channels", CE1, "error"), "A:user:ce1: the test says so");
    pass_ms(w, 60000);
    assert_non_null(strstr(w->asked.text, "remove A:user:ce1 at 11\n"));
    strbuf_clear(&w->asked);
    ingress_down(w, PE);
    answer_error(w, CE1, ERR_UNKNOWN);
    ingress_up(w, PE);
    assert_non_null(strstr(w->asked.text, "remove A:user:ce1 at 11\n"));
    strbuf_clear(&w->asked);
    /* The gateway starts anew: it is still to go */
    restart(w);
    topology_up(w);
    ingress_up(w, PE);
    ingress_up(w, GATE);
    pass_ms(w, 0);
    assert_non_null(strstr(w->asked.text, "remove A:user:ce1 at 11\n"));
    strbuf_clear(&w->asked);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, circuit_world_setup, circuit_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(user_is_connected),
        TEST(crankback),
        TEST(no_path),
        cmocka_unit_test_setup_teardown(what_is_missing_is_waited_for, circuit_world_setup_without_transport,
                                        circuit_world_teardown),
        TEST(answer_that_was_lost),
        TEST(one_of_that_name_is_there),
        TEST(answer_to_a_circuit_of_before),
        TEST(failure_after_set_up),
        TEST(failure_gives_the_bandwidth_back),
        TEST(flows_that_are_refused),
        TEST(topology_is_shown),
        TEST(removal_is_asked_for_once),
        TEST(adopted_after_a_restart),
        TEST(gone_during_a_restart),
        TEST(gone_while_the_session_was_down),
        TEST(strangers_are_removed),
        TEST(removal_outlives_what_stands_in_its_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
