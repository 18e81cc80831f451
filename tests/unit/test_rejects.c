/* SPDX-License-Identifier: Apache-2.0 */
/* Packets that ToRs hand to the gateway because a policy rejects them, and where its answers go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "fabric_world.h"
#include "rsvp_hex.h"

/* TCP, a SYN; then its RST with another source, which nobody answers. */
#define SYN \
    "025c67000001 02000000000b 0800 4500002c 12344000 3f06f54e 0a01000b c633640a 9c400019 fffffffe 00000000 6002faf0 " \
    "cc930000 020405b4"
#define RST \
    "02000000000b 025c67000001 0800 45000028 00004000 40060687 c633640a 0a01000b 00199c40 00000000 ffffffff 50140000 " \
    "df2d0000"

static struct strbuf sent; /* "port 1: 54 bytes" a line */

static void packet_out(struct switch_driver *driver, const char *name, uint32_t port, const void *frame, size_t size)
{
    (void) driver;
    (void) frame;
    strbuf_printf(&sent, "%s, port %u: %zu bytes\n", name, port, size);
}

static void inject(struct switch_driver *driver, const char *name, const struct switch_injection *injection)
{
    struct flow flow = {.n_actions = (uint16_t) injection->n_actions,
                        .actions = xmemdup(injection->actions, injection->n_actions * sizeof *injection->actions),
                        .goto_table = FLOW_NO_GOTO};
    AUTO_FREE char *text = flow_format(&flow);

    (void) driver;
    strbuf_printf(&sent, "%s, from port %u by %s: %zu bytes\n", name, injection->in_port, strstr(text, "actions="),
                  injection->size);
    flow_free(&flow);
}

static void comes(struct fabric_world *w, const char *tor, uint64_t cookie, uint8_t table, const char *hex,
                  const char *expected)
{
    struct event *event = event_push(&w->queue, EVENT_PACKET);
    uint8_t frame[256];

    strbuf_clear(&sent);
    name_copy(event->name, tor);
    event->owns = EVENT_OWNS_PACKET;
    event->packet.cookie = cookie;
    event->packet.table = table;
    event->packet.size = from_hex(hex, frame);
    event->packet.frame = xmemdup(frame, event->packet.size);
    run(w);
    assert_string_equal(sent.text ? sent.text : "", expected);
}

static void answers_go_where_they_shall(void **state)
{
    struct fabric_world *w = *state;
    struct switch_ops ops = *w->switches.ops;
    const struct switch_ops *before = w->switches.ops;

    ops.packet_out = packet_out;
    ops.inject = inject;
    links_up(w);
    vm_is(w, 'a', VM_RUNNING);
    vm_is(w, 'b', VM_RUNNING);
    w->switches.ops = &ops;

    const struct tenant *tenant = &w->gateway->network.tenants[0];
    uint64_t cookie = cookie_of_vm(tenant->uuid);
    comes(w, "tor-a", cookie, TOR_VERDICT_FROM, SYN, "tor-a, port 1: 54 bytes\n");
    AUTO_FREE char *as_vm = xasprintf("tor-a, from port 1 by actions=set_field:0x%x->reg0,set_field:0x1->reg1,"
                                      "resubmit(,%d): 54 bytes\n",
                                      network_segment(w->gateway, tenant->segment)->flows.number, TOR_POLICY_TO);
    comes(w, "tor-a", cookie, TOR_VERDICT_TO, SYN, as_vm);
    comes(w, "tor-a", cookie, TOR_VERDICT_FROM, RST, "");
    comes(w, "tor-a", cookie, TOR_POLICY_FROM, SYN, "");                        /* somebody's flow with our cookie */
    comes(w, "tor-b", cookie, TOR_VERDICT_FROM, SYN, "");                       /* where the VM is not */
    comes(w, "tor-a", cookie_make(COOKIE_VM, 0x77), TOR_VERDICT_FROM, SYN, ""); /* a VM that has gone */
    comes(w, "tor-a", cookie_make(COOKIE_BASE, 0), TOR_VERDICT_FROM, SYN, "");
    strbuf_free(&sent);
    w->switches.ops = before;
}

/* A policy has a rate, its successor rejects: no meter of the one is deleted with the flows of the other. */
static void meters_of_one_transaction_are_others(void **state)
{
    struct fabric_world *w = *state;
    struct flow_txn first = {0}, second = {0};
    struct err err;

    links_up(w);
    vm_is(w, 'a', VM_RUNNING);
    struct tenant *tenant = &w->gateway->network.tenants[0];
    tenant->has_policy = true;
    tenant->policy.rate[POLICY_FROM_VM].kbps = 1000;
    assert_int_equal(network_expected(w->gateway, tenant, &first, &err), 0);
    assert_int_equal(first.n_meters_add, 1);
    tenant->policy.rate[POLICY_FROM_VM].kbps = 0;
    tenant->policy.default_verdict[POLICY_TO_VM] = POLICY_REJECT;
    assert_int_equal(network_expected(w->gateway, tenant, &second, &err), 0);
    assert_true(second.n_meters_add == 1 && second.n_meters_delete == 1);
    assert_true(second.meters_add[0].packets);
    assert_int_equal(second.meters_delete[0], first.meters_add[0].id);
    assert_int_not_equal(second.meters_add[0].id, first.meters_add[0].id);
    flow_txn_free(&first);
    flow_txn_free(&second);
}

static uint32_t added[8], deleted[8]; /* meters of what was sent last, and had any */
static size_t n_added, n_deleted;
static const struct switch_ops *apply_to;

static void note_meters(struct switch_driver *driver, uint64_t request, const char *name, struct flow_txn *txn)
{
    if (txn->n_meters_add || txn->n_meters_delete) {
        assert_true(txn->n_meters_add <= ARRAY_LEN(added) && txn->n_meters_delete <= ARRAY_LEN(deleted));
        n_added = txn->n_meters_add;
        n_deleted = txn->n_meters_delete;
        for (size_t i = 0; i < n_added; i++)
            added[i] = txn->meters_add[i].id;
        for (size_t i = 0; i < n_deleted; i++)
            deleted[i] = txn->meters_delete[i];
    }
    apply_to->apply(driver, request, name, txn);
}

static void limit(struct tenant *tenant, uint32_t kbps)
{
    tenant->has_policy = true;
    tenant->policy.rate[POLICY_FROM_VM].kbps = kbps;
}

/* While a ToR is away one of its VMs loses its rate and another gets one; and the ToR does not answer at first. */
static void meters_of_one_vm_are_anothers_once_they_are_gone(void **state)
{
    struct fabric_world *w = *state;
    struct switch_ops ops = *w->switches.ops;

    apply_to = w->switches.ops;
    ops.apply = note_meters;
    links_up(w);
    vm_is(w, 'a', VM_RUNNING);
    vm_is(w, 'c', VM_RUNNING);
    w->switches.ops = &ops;
    struct tenant *first = &w->gateway->network.tenants[0], *second = &w->gateway->network.tenants[1];
    limit(first, 1000);
    switch_up(w, TOR_A);
    assert_true(n_added == 1 && n_deleted == 0);
    uint32_t number = added[0];
    assert_int_equal(numbers_of(w, "meter/tor-a"), 1);
    limit(first, 0);
    limit(second, 2000);
    w->slow = "tor-a";
    switch_down(w, TOR_A);
    switch_up(w, TOR_A);
    assert_true(n_added == 1 && n_deleted == 1);
    assert_int_equal(deleted[0], number);
    assert_int_not_equal(added[0], number);
    assert_int_equal(numbers_of(w, "meter/tor-a"), 2);
    fail_unanswered(w); /* what it held of the first VM may still use the meter */
    assert_int_equal(numbers_of(w, "meter/tor-a"), 2);
    w->slow = NULL;
    switch_up(w, TOR_A);
    assert_true(n_deleted == 1 && deleted[0] == number);
    assert_int_equal(numbers_of(w, "meter/tor-a"), 1);
    w->switches.ops = apply_to;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_go_where_they_shall, fabric_world_setup, fabric_world_teardown),
        cmocka_unit_test_setup_teardown(meters_of_one_transaction_are_others, fabric_world_setup,
                                        fabric_world_teardown),
        cmocka_unit_test_setup_teardown(meters_of_one_vm_are_anothers_once_they_are_gone, fabric_world_setup,
                                        fabric_world_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
