/* SPDX-License-Identifier: Apache-2.0 */
/* Internal channels in VPLS mode when the gateway starts again. fabric_world.h has the map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "fabric_world.h"

static void restart(void **state)
{
    struct fabric_world *w = *state;

    vm_is(w, 'a', VM_RUNNING);
    link_set(w, P1, PE, false);
    link_set(w, P1, PE, true);
    stop(w);
    strbuf_clear(&w->ways);
    unsigned before = flows_of(w, PE, COOKIE_SEGMENT) + flows_of(w, PE, COOKIE_TUNNEL);
    start(w);
    /* The fabric has not been seen: nothing is touched */
    assert_false(w->gateway->ready);
    assert_int_equal(flows_of(w, PE, COOKIE_SEGMENT) + flows_of(w, PE, COOKIE_TUNNEL), before);
    assert_string_equal(tunnel(w, "pe:tor-a"), "setting-up: pe p3 p2 tor-a");
    links_up(w);
    vm_is(w, 'a', VM_RUNNING);
    servers_listed(w);
    assert_true(w->gateway->ready);
    assert_string_equal(tunnel(w, "pe:tor-a"), "up: pe p3 p2 tor-a");
    assert_string_equal(ends(w), "pe 100, tor-a 100");
    assert_int_equal(flows_of(w, PE, COOKIE_SEGMENT) + flows_of(w, PE, COOKIE_TUNNEL), before);
}

/* The VM went while the gateway was away. */
static void restart_without(void **state)
{
    struct fabric_world *w = *state;

    vm_is(w, 'a', VM_RUNNING);
    stop(w);
    start(w);
    links_up(w);
    servers_listed(w);
    pass_ms(w, 1000);
    assert_string_equal(tunnel(w, "pe:tor-a"), "gone");
    for (unsigned i = 0; i < SWITCHES; i++) {
        assert_int_equal(flows_of(w, i, COOKIE_TUNNEL) + flows_of(w, i, COOKIE_SEGMENT), 0);
        assert_int_equal(labels_of(w, i), 0);
    }
}

static bool count_document(void *arg, const char *name, const char *text)
{
    (void) name;
    (void) text;
    ++*(unsigned *) arg;
    return true;
}

static unsigned stored_tunnels(const struct fabric_world *w)
{
    unsigned n = 0;

    assert_int_equal(store_document_each(w->store, "tunnel", count_document, &n, NULL), 0);
    return n;
}

/* The order of a tunnel's ends depends on which switch is the PE. */
static void restart_with_another_pe(void **state)
{
    struct fabric_world *w = *state;
    struct config_edge edges[2];

    vm_is(w, 'a', VM_RUNNING);
    vm_is(w, 'b', VM_RUNNING);
    assert_string_equal(tunnel(w, "tor-a:tor-b"), "up: tor-a p2 tor-b");
    assert_int_equal(stored_tunnels(w), 3);
    stop(w);
    memcpy(edges, w->config.edges, sizeof edges);
    edges[0].switch_name = (char[]) {"tor-b"};
    w->config.edges = edges;
    start(w);
    links_up(w);
    servers_listed(w);
    vm_is(w, 'a', VM_RUNNING);
    pass_ms(w, GATEWAY_GRACE_MS);
    assert_string_equal(tunnel(w, "tor-b:tor-a"), "up: tor-b p2 tor-a");
    assert_int_equal(w->gateway->tunnels.n_tunnels, 1);
    assert_int_equal(stored_tunnels(w), 1);
}

static void store_long_path(struct fabric_world *w, unsigned n)
{
    AUTO_STRBUF struct strbuf text = {0};

    strbuf_puts(&text, "{\"from\":\"pe\",\"to\":\"tor-a\",\"forth\":[],\"back\":[],\"nodes\":[");
    for (unsigned i = 0; i < n; i++)
        strbuf_printf(&text, "%s{\"switch\":\"s%u\",\"in\":1,\"out\":2}", i ? "," : "", i);
    strbuf_puts(&text, "]}");
    assert_int_equal(store_document_put(w->store, "tunnel", "pe>tor-a", text.text, NULL), 0);
}

static void restart_with_long_path(void **state)
{
    struct fabric_world *w = *state;
    struct err err = {0};

    stop(w);
    store_long_path(w, TUNNEL_NODES_MAX);
    start(w);
    assert_string_equal(tunnel(w, "pe:tor-a"), "setting-up: s0 s1 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 s12 s13 s14 s15");
    stop(w);
    store_long_path(w, TUNNEL_NODES_MAX + 1);
    assert_null(gateway_new(&w->config, w->store, &err));
    assert_string_equal(err.text, "tunnel pe>tor-a in the store: 17 nodes; a tunnel may have 16");
}

/* The ToR is away, and has been since before the gateway started. */
static void restart_without_tor(void **state)
{
    struct fabric_world *w = *state;

    vm_is(w, 'a', VM_RUNNING);
    stop(w);
    w->away[TOR_A] = true;
    start(w);
    links_up(w);
    servers_listed(w);
    pass_ms(w, GATEWAY_GRACE_MS + 1000);
    assert_true(w->gateway->ready);
    assert_int_equal(flows_of(w, PE, COOKIE_SEGMENT), 0);
    assert_int_equal(labels_of(w, TOR_A), 2);
    assert_int_equal(labels_of(w, PE), 2);
    assert_int_equal(numbers_of(w, "vlan"), 1);
    switch_up(w, TOR_A);
    assert_string_equal(ends(w), "");
    for (unsigned i = 0; i < SWITCHES; i++) {
        assert_int_equal(flows_of(w, i, COOKIE_TUNNEL) + flows_of(w, i, COOKIE_SEGMENT), 0);
        assert_int_equal(labels_of(w, i), 0);
    }
    assert_int_equal(numbers_of(w, "vlan"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fabric_world_setup, fabric_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(restart),
        TEST(restart_without),
        TEST(restart_with_another_pe),
        TEST(restart_with_long_path),
        TEST(restart_without_tor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
