/* SPDX-License-Identifier: Apache-2.0 */
/* What a gateway that has started knows of where servers hang, before their LLDP comes. fabric_world.h has the map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fabric_world.h"

/* The gateway starts again, hears nothing of server-a by LLDP, and is tired of waiting for it. */
static void starts_without_lldp(struct fabric_world *w)
{
    stop(w);
    w->silent[0] = true;
    start(w);
    links_up(w);
    servers_listed(w);
    assert_false(w->gateway->ready);
    vm_is(w, 'a', VM_RUNNING);
    vm_is(w, 'b', VM_RUNNING);
    pass_ms(w, GATEWAY_GRACE_MS);
    assert_true(w->gateway->ready);
}

static void expect_at(struct fabric_world *w, const char *server, const char *tor)
{
    const struct switch_info *sw = network_tor_seen(w->gateway, server, NULL);

    assert_string_equal(sw ? sw->name : "", tor);
}

/* Flows of the segment and of Va at tor-a. */
static void expect_at_tor_a(struct fabric_world *w, unsigned segment, unsigned vm)
{
    assert_int_equal(flows_of(w, TOR_A, COOKIE_SEGMENT), segment);
    assert_int_equal(flows_of(w, TOR_A, COOKIE_VM), vm);
}

static void outlives_the_gateway(struct fabric_world *w, enum config_mode mode)
{
    w->config.mode = mode;
    stop(w);
    for (unsigned i = 0; i < SWITCHES; i++)
        w->rstp[i] = mode == MODE_ETHERNET;
    start(w);
    links_up(w);
    servers_listed(w);
    vm_is(w, 'a', VM_RUNNING);
    vm_is(w, 'b', VM_RUNNING);
    unsigned segment = flows_of(w, TOR_A, COOKIE_SEGMENT), vm = flows_of(w, TOR_A, COOKIE_VM);
    assert_true(segment > 0 && vm > 0);
    starts_without_lldp(w);
    expect_at_tor_a(w, segment, vm);
    expect_at(w, "server-a", "tor-a");
    starts_without_lldp(w); /* what was recalled is still remembered */
    expect_at_tor_a(w, segment, vm);
}

static void outlives_the_gateway_in_ethernet_mode(void **state)
{
    outlives_the_gateway(*state, MODE_ETHERNET);
}

static void outlives_the_gateway_in_vpls_mode(void **state)
{
    struct fabric_world *w = *state;

    outlives_the_gateway(w, MODE_VPLS);
    assert_string_equal(ends(w), "pe 100, tor-a 100, tor-b 100");
}

/* The ToR is back before the server's LLDP is. */
static void tor_comes_later(void **state)
{
    struct fabric_world *w = *state;

    vm_is(w, 'a', VM_RUNNING);
    vm_is(w, 'b', VM_RUNNING);
    unsigned segment = flows_of(w, TOR_A, COOKIE_SEGMENT), vm = flows_of(w, TOR_A, COOKIE_VM);
    w->away[TOR_A] = true;
    starts_without_lldp(w);
    expect_at(w, "server-a", "");
    w->away[TOR_A] = false;
    switch_up(w, TOR_A);
    links_up(w);
    expect_at_tor_a(w, segment, vm);
}

/* A server that hangs elsewhere now, as LLDP shows. */
static void is_moved(void **state)
{
    struct fabric_world *w = *state;

    w->silent[1] = true;
    struct attachment *at = &event_push(&w->queue, EVENT_ATTACHMENT)->attachment;
    *at = (struct attachment) {"server-a", "to-tor-a", "tor-b", 1};
    run(w);
    expect_at(w, "server-a", "tor-b");
    starts_without_lldp(w);
    expect_at(w, "server-a", "tor-b");
    expect_at(w, "server-b", ""); /* where that was, is this one */
    attach(w, "server-a", TOR_A);
    run(w);
    expect_at(w, "server-a", "tor-a"); /* what is seen is believed */
    starts_without_lldp(w);
    expect_at(w, "server-a", "tor-a");
}

static void speaks(struct fabric_world *w, const char *system)
{
    struct attachment *at = &event_push(&w->queue, EVENT_ATTACHMENT)->attachment;

    *at = (struct attachment) {.server_port = "1", .switch_name = "tor-a", .port = 1};
    snprintf(at->server, NAME_SIZE, "%s", system);
    run(w);
}

/* A management controller that shares the server's network card. */
static void has_a_neighbour_at_its_port(void **state)
{
    struct fabric_world *w = *state;

    vm_is(w, 'a', VM_RUNNING);
    unsigned segment = flows_of(w, TOR_A, COOKIE_SEGMENT), vm = flows_of(w, TOR_A, COOKIE_VM);
    speaks(w, "controller");
    expect_at(w, "server-a", "tor-a");
    expect_at(w, "controller", "");
    expect_at_tor_a(w, segment, vm);
    speaks(w, "server-b"); /* which is one of the data center's */
    expect_at(w, "server-a", "");
    stop(w);
    w->silent[0] = true;
    start(w);
    speaks(w, "controller");
    expect_at(w, "controller", "tor-a");
    speaks(w, "server-a");
    expect_at(w, "server-a", "tor-a");
    expect_at(w, "controller", "");
}

/* What is there now is another switch. */
static void gives_way_to_a_link(void **state)
{
    struct fabric_world *w = *state;

    stop(w);
    w->silent[0] = true;
    start(w);
    struct link *link = &event_push(&w->queue, EVENT_LINK)->link;
    *link = (struct link) {"p1", "tor-a", FABRIC_LINK_PORT, 1};
    links_up(w);
    pass_ms(w, GATEWAY_GRACE_MS);
    expect_at(w, "server-a", "");
}

static void is_damaged(void **state)
{
    static const char *const texts[] = {"{", "{}",
                                        "{\"server\": \"server-a\", \"server-port\": \"to-tor-a\", \"switch\": "
                                        "\"tor-a\", \"port\": 0, \"port-name\": \"server\"}",
                                        "{\"server\": \"server-a\", \"server-port\": \"to-tor-a\", \"switch\": "
                                        "\"tor-a\", \"port\": 1, \"port-name\": \"another\"}",
                                        "{\"server\": \"server-z\", \"server-port\": \"to-tor-a\", \"switch\": "
                                        "\"tor-a\", \"port\": 1, \"port-name\": \"server\"}"};
    struct fabric_world *w = *state;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(store_document_put(w->store, "attachment", "tor-a/1", texts[i], NULL), 0);
        starts_without_lldp(w);
        expect_at(w, "server-a", "");
    }
    attach(w, "server-a", TOR_A);
    run(w);
    starts_without_lldp(w);
    expect_at(w, "server-a", "tor-a");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fabric_world_setup, fabric_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(outlives_the_gateway_in_ethernet_mode),
        TEST(outlives_the_gateway_in_vpls_mode),
        TEST(tor_comes_later),
        TEST(is_moved),
        TEST(has_a_neighbour_at_its_port),
        TEST(gives_way_to_a_link),
        TEST(is_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
