/* SPDX-License-Identifier: Apache-2.0 */
/* A ToR that does not take all that it shall hold: V1 and V2 hang off it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "circuit_world.h"
#include "circuit_world_internal.h"

#define TOR_SWITCH 0
#define PATIENCE_MS 180000

static size_t count_flows(const struct circuit_world *w, uint64_t cookie, uint64_t mask)
{
    size_t n = 0;

    for (size_t i = 0; i < w->flows[TOR_SWITCH].n; i++)
        n += (w->flows[TOR_SWITCH].flows[i].cookie & mask) == cookie;
    return n;
}

static size_t flows_of_vm(const struct circuit_world *w, const char *name)
{
    for (size_t i = 0; i < w->gateway->network.n_tenants; i++) {
        if (strcmp(w->gateway->network.tenants[i].name, name) == 0)
            return count_flows(w, cookie_of_vm(w->gateway->network.tenants[i].uuid), COOKIE_EXACT);
    }
    return 0;
}

static size_t base_flows(const struct circuit_world *w)
{
    return count_flows(w, cookie_make(COOKIE_BASE, 0), COOKIE_KIND_MASK);
}

/* The ToR comes back with nothing, or with what it held. */
static void come_back(struct circuit_world *w, bool empty)
{
    if (empty)
        flow_list_free(&w->flows[TOR_SWITCH]);
    network_switch_changed(w->gateway, "tor");
    world_run(w);
}

static void what_fits_is_there(void **state)
{
    struct circuit_world *w = *state;
    size_t all = w->flows[TOR_SWITCH].n, base = base_flows(w), one = flows_of_vm(w, "V1");

    assert_true(base > 0 && one > 0 && flows_of_vm(w, "V2") > 0);
    w->tor_room = all - 1;
    come_back(w, true);
    assert_int_equal(base_flows(w), base);
    assert_int_equal(flows_of_vm(w, "V1") + flows_of_vm(w, "V2"), one);
    /* It is tried again. */
    w->tor_room = 0;
    pass_ms(w, PATIENCE_MS);
    assert_int_equal(w->flows[TOR_SWITCH].n, all);
    assert_int_equal(flows_of_vm(w, "V1"), one);
}

/* What it held of a VM whose flows do not fit might let pass too much. */
static void who_does_not_fit_is_cut_off(void **state)
{
    struct circuit_world *w = *state;
    json_t *policy = json_pack("{s:s, s:[{s:s, s:s, s:[s, s, s]}]}", "policy", "V2", "rules", "direction", "to-vm",
                               "action", "deny", "remote", "192.0.2.1", "192.0.2.3", "192.0.2.5");
    size_t one = flows_of_vm(w, "V1");
    struct err err = {0};

    w->tor_refuses = UINT64_MAX;
    assert_int_equal(w->backend.policy_put(w->gateway, "V2", policy, &err), 0);
    json_decref(policy);
    world_run(w);
    w->tor_refuses = 0;
    w->tor_room = w->flows[TOR_SWITCH].n;
    come_back(w, false);
    assert_int_equal(flows_of_vm(w, "V1"), one);
    assert_int_equal(flows_of_vm(w, "V2"), 0);
}

/* A ToR that takes nothing is no reason to stop; nor is one that went away. */
static void nothing_fits(void **state)
{
    struct circuit_world *w = *state;
    size_t all = w->flows[TOR_SWITCH].n;

    w->tor_room = 1;
    come_back(w, true);
    assert_int_equal(w->flows[TOR_SWITCH].n, 0);
    w->tor_room = 0;
    pass_ms(w, PATIENCE_MS);
    assert_int_equal(w->flows[TOR_SWITCH].n, all);
}

static uint64_t changes_of(struct circuit_world *w, const char *sw)
{
    return network_activity(w->gateway, sw)->changes;
}

/* Who asks, for the VM or for all, is told of it. */
static void expect_left_out(struct circuit_world *w, const char *vm)
{
    w->backend.verify(w->gateway, vm, next_reply(w));
    world_run(w);
    assert_int_equal(w->reply_status, 200);
    assert_int_equal(json_integer_value(json_object_get(w->reply_body, "count")), 1);

    const json_t *finding = json_array_get(json_object_get(w->reply_body, "findings"), 0);
    assert_string_equal(json_string_value(json_object_get(finding, "kind")), "left-out");
    assert_string_equal(json_string_value(json_object_get(finding, "vm")), flows_of_vm(w, "V1") ? "V2" : "V1");
}

/* A VM that does not fit is no reason to watch the others less, or to send every switch all again. */
static void the_others_are_watched(void **state)
{
    struct circuit_world *w = *state;
    size_t all = w->flows[TOR_SWITCH].n, one = flows_of_vm(w, "V1");
    uint64_t found;

    w->config.drift.interval = 60;
    w->tor_room = all - 1;
    come_back(w, true);
    pass_ms(w, 1000);
    assert_true(network_settled(w->gateway, "tor"));
    uint64_t pe = changes_of(w, "pe"), tor = changes_of(w, "tor");

    pass_ms(w, PATIENCE_MS);
    assert_int_equal(changes_of(w, "pe"), pe);
    assert_in_range(changes_of(w, "tor") - tor, 1, 2 * PATIENCE_MS / 60000);
    assert_int_equal(flows_of_vm(w, "V1") + flows_of_vm(w, "V2"), one);
    /* What is missing of the VM that was left out is no drift; a flow of somebody else is. */
    found = w->gateway->drift.found;
    assert_int_equal(found, 0);
    expect_left_out(w, flows_of_vm(w, "V1") ? "V2" : "V1");
    expect_left_out(w, NULL);
    flow_list_add(&w->flows[TOR_SWITCH], flow_make(TOR_POLICY_TO, 65001, 0x666));
    pass_ms(w, PATIENCE_MS);
    assert_int_equal(w->gateway->drift.found, 1);
    w->tor_room = 0;
    pass_ms(w, PATIENCE_MS);
    assert_int_equal(flows_of_vm(w, "V1"), one);
    assert_int_equal(flows_of_vm(w, "V2"), one);
    assert_int_equal(changes_of(w, "pe"), pe);
}

/* That a VM's flows were refused is known only after others of it were sent and taken. */
static void a_late_refusal_cuts_nobody_off(void **state)
{
    struct circuit_world *w = *state;
    json_t *policy = json_pack("{s:s, s:{s:s}}", "policy", "V2", "default", "to-vm", "deny");
    size_t all = w->flows[TOR_SWITCH].n;
    struct err err = {0};

    flow_list_free(&w->flows[TOR_SWITCH]);
    w->tor_room = all - 1;
    network_switch_changed(w->gateway, "tor");
    while (base_flows(w) == 0) {
        struct event *event = event_pop(&w->queue);

        assert_non_null(event);
        gateway_event(w->gateway, event, (struct mono) {w->now});
        event_discard(event);
    }
    assert_int_equal(flows_of_vm(w, "V2"), 0);
    w->tor_room = 0;
    assert_int_equal(w->backend.policy_put(w->gateway, "V2", policy, &err), 0);
    json_decref(policy);
    assert_true(flows_of_vm(w, "V2") > 0);
    world_run(w);
    assert_true(flows_of_vm(w, "V2") > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, circuit_world_setup, circuit_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(what_fits_is_there), TEST(who_does_not_fit_is_cut_off), TEST(nothing_fits),
                                       TEST(the_others_are_watched), TEST(a_late_refusal_cuts_nobody_off)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
