/* SPDX-License-Identifier: Apache-2.0 */
/* Internal channels in VPLS mode: ends, paths and labels. fabric_world.h has the map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "fabric_world.h"
#include "scgd/tunnels_internal.h"

/* ---- ends and paths ---- */

static void mesh(void **state)
{
    struct fabric_world *w = *state;

    assert_string_equal(ends(w), "");
    vm_is(w, 'a', VM_RUNNING);
    assert_string_equal(ends(w), "pe 100, tor-a 100");
    assert_string_equal(tunnel(w, "pe:tor-a"), "up: pe p1 tor-a");
    assert_string_equal(tunnel(w, "pe:tor-b"), "gone");
    /* From the tail to the head, each way */
    expect_ways(w, "pe>tor-a: tor-a\ntor-a>pe: pe\npe>tor-a: p1\ntor-a>pe: p1\npe>tor-a: pe\ntor-a>pe: tor-a\n");
    vm_is(w, 'b', VM_RUNNING);
    assert_string_equal(ends(w), "pe 100, tor-a 100, tor-b 100");
    /* Of paths that cost as much, always the same */
    assert_string_equal(tunnel(w, "pe:tor-b"), "up: pe p1 p2 tor-b");
    assert_string_equal(tunnel(w, "tor-a:tor-b"), "up: tor-a p2 tor-b");
    expect_ways(w, ""); /* what stands is not touched */
    assert_int_equal(flows_of(w, GATE, COOKIE_TUNNEL), 0);
    assert_int_equal(flows_of(w, P3, COOKIE_TUNNEL), 0);
    assert_string_equal(error_of(w, "pe:tor-a"), "");
}

static void goes_with_the_last_vm(void **state)
{
    struct fabric_world *w = *state;

    vm_is(w, 'a', VM_RUNNING);
    vm_is(w, 'b', VM_RUNNING);
    vm_is(w, 'b', VM_SHUT_OFF);
    assert_string_equal(tunnel(w, "pe:tor-b"), "gone");
    assert_string_equal(tunnel(w, "tor-a:tor-b"), "gone");
    assert_string_equal(tunnel(w, "pe:tor-a"), "up: pe p1 tor-a");
    assert_string_equal(ends(w), "pe 100, tor-a 100");
    assert_int_equal(flows_of(w, TOR_B, COOKIE_TUNNEL) + flows_of(w, TOR_B, COOKIE_SEGMENT), 0);
    assert_int_equal(labels_of(w, TOR_B) + labels_of(w, P2), 0);
    vm_is(w, 'a', VM_SHUT_OFF);
    assert_string_equal(tunnel(w, "pe:tor-a"), "gone");
    assert_string_equal(ends(w), "");
    for (unsigned i = 0; i < SWITCHES; i++) {
        assert_int_equal(flows_of(w, i, COOKIE_TUNNEL) + flows_of(w, i, COOKIE_SEGMENT), 0);
        assert_int_equal(labels_of(w, i), 0);
    }
    assert_int_equal(numbers_of(w, "end"), 0);
}

static void link_fails(void **state)
{
    struct fabric_world *w = *state;

    vm_is(w, 'a', VM_RUNNING);
    strbuf_clear(&w->ways);
    link_set(w, P1, PE, false);
    /* p1 - p3 costs 10 */
    assert_string_equal(tunnel(w, "pe:tor-a"), "up: pe p3 p2 tor-a");
    expect_ways(w, "pe>tor-a: tor-a\ntor-a>pe: pe\npe>tor-a: p2\ntor-a>pe: p3\npe>tor-a: p3\ntor-a>pe: p2\n"
                   "pe>tor-a: pe\ntor-a>pe: tor-a\npe>tor-a: p1\ntor-a>pe: p1\n");
    assert_string_equal(ends(w), "pe 100, tor-a 100");
    assert_int_equal(flows_of(w, P1, COOKIE_TUNNEL), 0);
    assert_int_equal(labels_of(w, P1), 0);
    /* It stays there */
    link_set(w, P1, PE, true);
    assert_string_equal(tunnel(w, "pe:tor-a"), "up: pe p3 p2 tor-a");
    expect_ways(w, "");
}

static void silent_link(void **state)
{
    struct fabric_world *w = *state;

    vm_is(w, 'a', VM_RUNNING);
    push_link(w, EVENT_LINK_GONE, P1, PE);
    run(w);
    assert_string_equal(tunnel(w, "pe:tor-a"), "up: pe p3 p2 tor-a");
    push_link(w, EVENT_LINK_GONE, P3, P2);
    run(w); /* a link that is heard in one direction is none */
    assert_string_equal(tunnel(w, "pe:tor-a"), "up: pe p3 p1 tor-a");
}

static void switch_fails(void **state)
{
    struct fabric_world *w = *state;

    vm_is(w, 'a', VM_RUNNING);
    switch_down(w, P1);
    assert_string_equal(tunnel(w, "pe:tor-a"), "up: pe p3 p2 tor-a");
    /* It may still hold what it was told */
    assert_int_equal(labels_of(w, P1), 2);
    switch_up(w, P1);
    assert_int_equal(labels_of(w, P1), 0);
    assert_int_equal(flows_of(w, P1, COOKIE_TUNNEL), 0);
    assert_string_equal(tunnel(w, "pe:tor-a"), "up: pe p3 p2 tor-a");
}

/* Its port went down while the gateway could not see it, and the one at the other end did not. */
static void link_fails_while_its_switch_is_away(void **state)
{
    struct fabric_world *w = *state;

    vm_is(w, 'a', VM_RUNNING);
    switch_down(w, P1);
    w->cut[link_between(P1, PE)] = true;
    switch_up(w, P1);
    link_set(w, P3, PE, false);
    assert_string_equal(tunnel(w, "pe:tor-a"), "down: pe p3 p2 tor-a");
    push_port(w, P1, PE, true);
    run(w);
    assert_string_equal(tunnel(w, "pe:tor-a"), "down: pe p3 p2 tor-a");
    link_set(w, P1, PE, true);
    assert_string_equal(tunnel(w, "pe:tor-a"), "up: pe p1 tor-a");
}

static void end_is_away(void **state)
{
    struct fabric_world *w = *state;

    vm_is(w, 'a', VM_RUNNING);
    switch_down(w, TOR_A);
    assert_string_equal(tunnel(w, "pe:tor-a"), "up: pe p1 tor-a");
    assert_string_equal(ends(w), "pe 100, tor-a 100");
    vm_is(w, 'a', VM_SHUT_OFF);
    assert_string_equal(tunnel(w, "pe:tor-a"), "removing:");
    assert_int_equal(labels_of(w, TOR_A), 2);
    switch_up(w, TOR_A);
    assert_string_equal(tunnel(w, "pe:tor-a"), "gone");
    assert_int_equal(labels_of(w, TOR_A), 0);
}

/* As an order does that moves a VM away. */
static void remove_vm(struct fabric_world *w, char letter)
{
    const struct vm *vm = inventory_vm(&w->gateway->inventory, (char[]) {'V', letter, 0});
    struct tenant like = *network_tenant(w->gateway, vm->uuid);
    struct join *join = join_new(NULL);

    network_remove(w->gateway, &like, false, join);
    join_close(w->gateway, join);
    run(w);
}

static void vm_leaves_while_its_tor_is_away(void **state)
{
    struct fabric_world *w = *state;

    vm_is(w, 'a', VM_RUNNING);
    vm_is(w, 'b', VM_RUNNING);
    switch_down(w, TOR_A);
    unsigned flows = flows_of(w, TOR_B, COOKIE_SEGMENT);
    remove_vm(w, 'a');
    assert_string_equal(ends(w), "pe 100, tor-b 100");
    assert_in_range(flows_of(w, TOR_B, COOKIE_SEGMENT), 1, flows - 1);
    assert_int_equal(labels_of(w, TOR_A), 3);
    switch_up(w, TOR_A);
    assert_int_equal(labels_of(w, TOR_A), 0);
}

static void cut_off(void **state)
{
    struct fabric_world *w = *state;

    vm_is(w, 'a', VM_RUNNING);
    link_set(w, P1, PE, false);
    unsigned flows = flows_of(w, TOR_A, COOKIE_TUNNEL);
    link_set(w, P3, PE, false);
    assert_string_equal(tunnel(w, "pe:tor-a"), "down: pe p3 p2 tor-a");
    assert_string_equal(error_of(w, "pe:tor-a"),
                        "the fabric of data center A is cut between pe and tor-a: pe reaches no other switch: not "
                        "gate, p1, p2, p3, tor-a, tor-b; see 'scgctl link list'");
    assert_int_equal(flows_of(w, TOR_A, COOKIE_TUNNEL), flows);
    link_set(w, P1, PE, true);
    assert_string_equal(tunnel(w, "pe:tor-a"), "up: pe p1 tor-a");
    assert_string_equal(error_of(w, "pe:tor-a"), "");
}

struct outcome {
    bool ended;
    struct err err;
};

static void ended(struct gateway *gateway, struct join *join)
{
    struct outcome *outcome = join->context;

    (void) gateway;
    outcome->ended = true;
    outcome->err = join->err;
}

/* What the step of an order waits for: the way between the PE and that server's ToR. */
static void open_for(struct fabric_world *w, const char *server, struct outcome *outcome)
{
    struct join *join = join_new(ended);

    *outcome = (struct outcome) {0};
    join->context = outcome;
    network_open_segment(w->gateway, "web", server, join);
    join_close(w->gateway, join);
    run(w);
}

static void who_waits(void **state)
{
    struct fabric_world *w = *state;
    struct outcome a, b;

    vm_is(w, 'a', VM_RUNNING);
    link_set(w, TOR_B, P2, false);
    vm_is(w, 'b', VM_RUNNING);
    open_for(w, "server-a", &a);
    assert_true(a.ended);
    assert_int_equal(a.err.code, 0);
    open_for(w, "server-b", &b);
    assert_true(b.ended);
    assert_int_equal(b.err.code, ERR_UNREACHABLE);
    assert_string_equal(b.err.text,
                        "the fabric of data center A is cut between pe and tor-b: pe reaches gate, p1, p2, p3, tor-a, "
                        "but not tor-b; see 'scgctl link list'");
    /* It ends when all have answered, and not before */
    w->slow = "p2";
    link_set(w, TOR_B, P2, true);
    open_for(w, "server-b", &b);
    assert_false(b.ended);
    w->slow = NULL;
    switch_down(w, P2); /* and so it cannot be any more: there is no other way */
    assert_true(b.ended);
    assert_int_equal(b.err.code, ERR_UNREACHABLE);
    switch_up(w, P2);
    open_for(w, "server-b", &b);
    assert_true(b.ended);
    assert_int_equal(b.err.code, 0);
}

/* An end that is left out is the matter of orders to there. */
static void who_is_left_out(void **state)
{
    struct fabric_world *w = *state;
    struct outcome outcome;
    uint32_t label;

    for (unsigned i = 0; i < 100; i++) {
        AUTO_FREE char *owner = xasprintf("other %u", i);

        assert_int_equal(store_number_take(w->store, "label/tor-b", owner, 100, 199, &label, NULL), 0);
    }
    vm_is(w, 'a', VM_RUNNING);
    vm_is(w, 'b', VM_RUNNING);
    assert_string_equal(ends(w), "pe 100, tor-a 100");
    assert_int_equal(numbers_of(w, "end"), 2);
    open_for(w, "server-b", &outcome);
    assert_string_equal(outcome.err.text, "all labels of switch tor-b, 100 to 199, are in use; widen vpls.labels");
    open_for(w, "server-a", &outcome);
    assert_true(outcome.ended);
    assert_string_equal(outcome.err.text, "");
}

/* What the step of an order waits for when its segment may be closed. */
static void close_unused(struct fabric_world *w, struct outcome *outcome)
{
    struct join *join = join_new(ended);

    *outcome = (struct outcome) {0};
    join->context = outcome;
    network_close_segments(w->gateway, join);
    join_close(w->gateway, join);
    run(w);
}

static void removal_waits_for_none_that_is_away(void **state)
{
    struct fabric_world *w = *state;
    struct outcome outcome;

    vm_is(w, 'a', VM_RUNNING);
    switch_down(w, TOR_A);
    w->slow = "p1";
    vm_is(w, 'a', VM_SHUT_OFF);
    close_unused(w, &outcome);
    assert_false(outcome.ended);
    w->slow = NULL;
    switch_down(w, P1);
    assert_true(outcome.ended);
    switch_up(w, P1);
    assert_string_equal(tunnel(w, "pe:tor-a"), "removing:");
    close_unused(w, &outcome);
    assert_true(outcome.ended);
    assert_int_equal(outcome.err.code, 0);
}

/* A ToR that refuses all as one gets it in parts; who waits for it goes on to wait. */
static void refused_as_one(void **state)
{
    struct fabric_world *w = *state;
    struct outcome outcome;
    struct err err = {0};

    w->slow = "tor-a";
    vm_is(w, 'a', VM_RUNNING);
    open_for(w, "server-a", &outcome);
    assert_false(outcome.ended);
    size_t before = w->n_unanswered;
    network_switch_changed(w->gateway, "tor-a");
    assert_int_equal(w->n_unanswered, before + 1);
    err_set(&err, ERR_REFUSED, "no room");
    event_push_done(&w->queue, w->unanswered[--w->n_unanswered], &err);
    run(w);
    assert_false(outcome.ended);
    w->slow = NULL;
    answer_until(w, UINT64_MAX);
    assert_true(outcome.ended);
    assert_int_equal(outcome.err.code, 0);
}

/* A switch is done with one way of a tunnel that leads through it no more, and cannot be done with the other. */
static void removal_fails_at_one_way(void **state)
{
    struct fabric_world *w = *state;
    struct outcome outcome;
    struct err err = {0};

    vm_is(w, 'a', VM_RUNNING);
    w->slow = "p1";
    vm_is(w, 'a', VM_SHUT_OFF);
    const struct tunnel *tunnel = tunnel_find(w->gateway, "pe", "tor-a");
    assert_non_null(tunnel);
    assert_int_equal(w->n_unanswered, 2);
    answer_until(w, w->unanswered[0]);
    assert_int_equal(tunnel->ways[0].holders.n, 0);
    assert_int_not_equal(tunnel->ways[1].holders.n, 0);
    close_unused(w, &outcome);
    assert_false(outcome.ended);
    network_switch_changed(w->gateway, "p1");
    err_set(&err, ERR_UNREACHABLE, "no answer");
    event_push_done(&w->queue, w->unanswered[w->n_unanswered - 1], &err);
    run(w);
    assert_true(outcome.ended);
    assert_int_equal(outcome.err.code, ERR_UNREACHABLE);
    w->n_unanswered--;
    answer_until(w, UINT64_MAX);
}

/* An attempt to close the segment ends after it was opened again, and while another attempt cannot end. */
static void closed_opened_and_closed(void **state)
{
    struct fabric_world *w = *state;

    vm_is(w, 'a', VM_RUNNING);
    w->slow = "tor-a";
    vm_is(w, 'a', VM_SHUT_OFF);
    uint64_t first = w->gateway->last_request;
    vm_is(w, 'b', VM_RUNNING);
    assert_in_range(flows_of(w, TOR_B, COOKIE_SEGMENT), 1, UINT32_MAX);
    switch_down(w, TOR_B);
    vm_is(w, 'b', VM_SHUT_OFF);
    answer_until(w, first);
    assert_int_equal(numbers_of(w, "vlan"), 1);
    assert_int_equal(labels_of(w, TOR_B), 2);
    w->slow = NULL;
    answer_until(w, w->gateway->last_request);
    switch_up(w, TOR_B);
    assert_int_equal(numbers_of(w, "vlan"), 0);
    assert_int_equal(labels_of(w, TOR_A) + labels_of(w, TOR_B), 0);
}

/* ---- labels ---- */

static void no_label_before_all_have_confirmed(void **state)
{
    struct fabric_world *w = *state;

    vm_is(w, 'a', VM_RUNNING);
    w->slow = "pe"; /* the head of the way to tor-a */
    link_set(w, P1, PE, false);
    assert_string_equal(tunnel(w, "pe:tor-a"), "setting-up: pe p3 p2 tor-a");
    assert_int_equal(labels_of(w, P1), 2);
    w->slow = NULL;
    switch_down(w, PE);
    switch_up(w, PE);
    assert_string_equal(tunnel(w, "pe:tor-a"), "up: pe p3 p2 tor-a");
    assert_int_equal(labels_of(w, P1), 0);
}

static void labels_run_out(void **state)
{
    struct fabric_world *w = *state;

    w->vpls.labels.last = 100;
    vm_is(w, 'a', VM_RUNNING);
    assert_string_equal(tunnel(w, "pe:tor-a"), "down:");
    assert_string_equal(error_of(w, "pe:tor-a"),
                        "all labels of switch tor-a, 100 to 100, are in use; widen vpls.labels");
    /* Nothing was taken in vain */
    assert_int_equal(labels_of(w, P1), 0);
    w->vpls.labels.last = 101;
    link_set(w, GATE, P3, false);
    assert_string_equal(tunnel(w, "pe:tor-a"), "up: pe p1 tor-a");
}

/* What a dry run asks. */
static void room_for_one_more_tor(void **state)
{
    struct fabric_world *w = *state;
    struct vpls_ends *web = w->gateway->tunnels.segments;
    struct err err = {0};

    vm_is(w, 'a', VM_RUNNING);
    assert_int_equal(store_begin(w->store, &err), 0);
    assert_int_equal(tunnels_try(w->gateway, "web", "tor-b", 0, &err), 0);
    while (web->n < ARRAY_LEN(web->ends))
        snprintf(web->ends[web->n++].name, NAME_SIZE, "tor-z");
    assert_int_equal(tunnels_try(w->gateway, "web", "tor-b", 0, &err), ERR_TOO_LARGE);
    assert_string_equal(err.text, "segment web can have VMs at 25 ToRs; tor-b would be one more");
    assert_int_equal(tunnels_try(w->gateway, "web", "tor-a", 0, &err), 0);
    store_rollback(w->store);
}

/* A ToR that hangs off nothing, with a VM of web. */
static void add_tor(struct fabric_world *w, unsigned number)
{
    struct inventory *inventory = &w->gateway->inventory;
    struct network *network = &w->gateway->network;
    struct switch_info sw = {.ports = xcalloc(1, sizeof *sw.ports), .n_ports = 1};
    struct attachment at = {.port = 1};
    struct tenant tenant = {.segment = "web"};

    snprintf(sw.name, NAME_SIZE, "tor-%02u", number);
    sw.ports[0] = (struct switch_port) {.number = 1, .up = true};
    inventory_set_switch(inventory, sw);
    snprintf(at.server, NAME_SIZE, "server-%02u", number);
    snprintf(at.switch_name, NAME_SIZE, "tor-%02u", number);
    inventory_set_attachment(inventory, &at);
    snprintf(tenant.server, NAME_SIZE, "server-%02u", number);
    network->tenants = array_reserve(network->tenants, network->n_tenants, &network->cap_tenants,
                                     sizeof *network->tenants);
    network->tenants[network->n_tenants++] = tenant;
}

/* Whichever VM is listed first. */
static void new_tor_displaces_none(void **state)
{
    struct fabric_world *w = *state;
    const struct vpls_ends *web = w->gateway->tunnels.segments;
    struct network *network = &w->gateway->network;

    vm_is(w, 'a', VM_RUNNING);
    for (unsigned i = 1; i <= VPLS_PEERS_MAX; i++)
        add_tor(w, i);
    tunnels_update(w->gateway);
    assert_int_equal(web->n, VPLS_PEERS_MAX + 1);
    assert_false(segment_has_end(web, "tor-25"));
    struct tenant first = network->tenants[0];
    network->tenants[0] = network->tenants[network->n_tenants - 1];
    network->tenants[network->n_tenants - 1] = first;
    tunnels_update(w->gateway);
    assert_true(segment_has_end(web, "tor-a"));
    assert_false(segment_has_end(web, "tor-25"));
    assert_string_equal(web->err.text, "segment web can have VMs at 25 ToRs; tor-25 would be one more");
}

/* ---- ports ---- */

/* A port that has shown a link is the fabric's, also while it is down. */
static void roles(void **state)
{
    struct fabric_world *w = *state;

    assert_int_equal(network_switch_role(w->gateway, inventory_switch(&w->gateway->inventory, "p1")), SWITCH_ROLE_P);
    assert_int_equal(network_switch_role(w->gateway, inventory_switch(&w->gateway->inventory, "tor-a")),
                     SWITCH_ROLE_TOR);
    link_set(w, P1, P2, false);
    assert_int_equal(network_switch_role(w->gateway, inventory_switch(&w->gateway->inventory, "p1")), SWITCH_ROLE_P);
    assert_int_equal(network_switch_role(w->gateway, inventory_switch(&w->gateway->inventory, "p2")), SWITCH_ROLE_P);
}

static void gratuitous_arp(void **state)
{
    struct fabric_world *w = *state;

    vm_is(w, 'a', VM_RUNNING);
    assert_string_equal(w->garp.text, "tor-a table\n");
}

/* ---- users ---- */

static unsigned flows_to(const struct fabric_world *w, unsigned sw, const struct ip *ip)
{
    unsigned n = 0;

    for (size_t i = 0; i < w->flows[sw].n; i++) {
        const struct flow_field *field = match_find(&w->flows[sw].flows[i].match, FIELD_IPV4_DST);

        n += field && w->flows[sw].flows[i].table == TOR_FABRIC && memcmp(field->value, ip->bytes, 4) == 0;
    }
    return n;
}

static void user_behind_the_pe(void **state)
{
    struct fabric_world *w = *state;
    struct transport *transport = &w->gateway->transport;
    struct user user = {.name = "ce1", .segment = "web", .n_addresses = 1, .addresses = {{IP_V4, {10, 100, 0, 201}}}};
    struct circuit circuit = {.user = "ce1"}, *circuits[] = {&circuit, &circuit}; /* one is to replace the other */
    struct transport before = *transport;

    vm_is(w, 'a', VM_RUNNING);
    transport->users = &user;
    transport->circuits = circuits;
    transport->n_users = 1;
    transport->n_circuits = 2;
    tunnels_update(w->gateway);
    run(w);
    assert_int_equal(flows_to(w, TOR_A, &user.addresses[0]), 1);
    assert_int_equal(flows_of(w, TOR_B, COOKIE_SEGMENT), 0);
    transport->n_users = transport->n_circuits = 0;
    tunnels_update(w->gateway);
    run(w);
    assert_int_equal(flows_to(w, TOR_A, &user.addresses[0]), 0);
    assert_int_equal(flows_of(w, TOR_A, COOKIE_SEGMENT) > 0, 1);
    transport->users = before.users;
    transport->circuits = before.circuits;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fabric_world_setup, fabric_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mesh),
        TEST(goes_with_the_last_vm),
        TEST(link_fails),
        TEST(silent_link),
        TEST(switch_fails),
        TEST(link_fails_while_its_switch_is_away),
        TEST(end_is_away),
        TEST(vm_leaves_while_its_tor_is_away),
        TEST(cut_off),
        TEST(who_waits),
        TEST(who_is_left_out),
        TEST(removal_waits_for_none_that_is_away),
        TEST(removal_fails_at_one_way),
        TEST(refused_as_one),
        TEST(closed_opened_and_closed),
        TEST(no_label_before_all_have_confirmed),
        TEST(labels_run_out),
        TEST(room_for_one_more_tor),
        TEST(new_tor_displaces_none),
        TEST(roles),
        TEST(gratuitous_arp),
        TEST(user_behind_the_pe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
