/* SPDX-License-Identifier: Apache-2.0 */
/* Users on transport networks in the gateway: what may be set and deleted when, and how one comes and goes with its
 * VMs. circuit_world.h has the map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "circuit_world.h"

#define CE1 "A:user:ce1"
#define PORT2 "\"access\": {\"router\": \"10.253.0.15\", \"client\": 2}"
#define CE2 "{\"addresses\": [\"10.100.0.102\"], " PORT2 "}"

/* ---- setting and deleting ---- */

static void refusals_of_put(void **state)
{
    struct circuit_world *w = *state;
    static const struct {
        const char *changes;
        int code;
        const char *text;
    } rows[] = {
        {"{\"name\": \"ce2\"}", ERR_INVALID, "user.name is 'ce2', the request is for 'ce1'"},
        {"{\"colour\": 1}", ERR_INVALID, "user.colour: unknown member"},
        {"{\"bandwidth-mbps\": 0}", ERR_INVALID, "user.bandwidth-mbps: expected 1..1000000, found 0"},
        {"{\"segment\": \"lan\"}", ERR_NOT_FOUND, "user ce1: segment lan is not known in data center A"},
        {"{\"vms\": []}", ERR_INVALID, "user ce1 uses no VM; name at least one under 'vms'"},
        {"{\"vms\": [\"V1\", \"V8\"]}", ERR_NOT_FOUND, "user ce1: there is no VM 'V8' in data center A"},
        {"{\"segment\": \"db\"}", ERR_CONFLICT, "user ce1: VM V1 is in segment 'web', not in db"},
        {"{\"addresses\": [\"10.101.0.7\"]}", ERR_CONFLICT,
         "user ce1: address 10.101.0.7 is not in segment web, 10.100.0.1/24; name a host's under 'addresses'"},
        {"{\"addresses\": [\"10.100.0.1\"]}", ERR_CONFLICT,
         "user ce1: address 10.100.0.1 is that of the gateway of segment web, 10.100.0.1/24; name a host's under "
         "'addresses'"},
        {"{\"addresses\": [\"10.100.0.0\"]}", ERR_CONFLICT,
         "user ce1: address 10.100.0.0 is the network address of segment web, 10.100.0.1/24; name a host's under "
         "'addresses'"},
        {"{\"addresses\": [\"10.100.0.255\"]}", ERR_CONFLICT,
         "user ce1: address 10.100.0.255 is the broadcast address of segment web, 10.100.0.1/24; name a host's under "
         "'addresses'"},
        {"{\"addresses\": [\"10.100.0.12\"]}", ERR_CONFLICT, "user ce1: address 10.100.0.12 is that of VM V2"},
        {"{\"addresses\": [\"2001:db8::12\"]}", ERR_CONFLICT, "user ce1: address 2001:db8::12 is that of VM V2"},
        {"{\"addresses\": [\"10.100.0.102\"]}", ERR_CONFLICT, "user ce1: address 10.100.0.102 is that of user ce2"},
    };
    struct err err;

    for (size_t i = 0; i < w->gateway->network.n_tenants; i++) {
        struct tenant *tenant = &w->gateway->network.tenants[i];

        if (strcmp(tenant->name, "V2") == 0)
            tenant->ip6 = (struct ip6_list) {1, {{IP_V6, {0x20, 0x01, 0x0d, 0xb8, [15] = 0x12}}}};
    }
    assert_int_equal(put_user(w, "ce2", CE2, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(put_user(w, "ce1", rows[i].changes, &err), rows[i].code);
        assert_string_equal(err.text, rows[i].text);
        assert_string_equal(shown(w, "users", "ce1", "name"), "gone");
    }
    /* One that there is keeps its own address */
    assert_int_equal(put_user(w, "ce2", "{\"addresses\": [\"10.100.0.102\", \"10.100.0.103\"], " PORT2 "}", &err), 0);

    w->edges[0].transport_port = NULL;
    assert_int_equal(put_user(w, "ce1", NULL, &err), ERR_NOT_FOUND);
    assert_string_equal(err.text,
                        "user ce1 needs a circuit, but the configuration of data center A has no edge of role "
                        "ip with a transport-port");
    w->config.transport = NULL;
    assert_int_equal(put_user(w, "ce1", NULL, &err), ERR_NOT_FOUND);
    assert_string_equal(err.text,
                        "user ce1 needs a circuit, but the configuration of data center A has no section 'transport'");
}

/* ---- two of one segment at one port ---- */

#define AT_PORT1(vlan) \
    "{\"addresses\": [\"10.100.0.102\"], \"access\": {\"router\": \"10.253.0.15\", \"client\": 1" vlan "}}"
#define CLASH(user, other, where) \
    "user " user ": user " other ", of segment web too, has its access at " where \
    "client port 1 of 10.253.0.15, and the " \
    "PE there cannot tell two users of a segment apart at one port; give each a client port, or a VLAN of it, of its " \
    "own, or make them one user with the addresses of both"

static void two_users_at_one_port(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(put_user(w, "ce1", NULL, &err), 0);
    assert_int_equal(put_user(w, "ce2", AT_PORT1(""), &err), ERR_CONFLICT);
    assert_string_equal(err.text, CLASH("ce2", "ce1", ""));
    assert_int_equal(put_user(w, "ce2", AT_PORT1(", \"vlan\": 7"), &err), ERR_CONFLICT); /* ce1 has all of it */
    assert_string_equal(err.text, CLASH("ce2", "ce1", ""));
    assert_string_equal(shown(w, "users", "ce2", "name"), "gone");
    assert_int_equal(put_user(w, "ce2", CE2, &err), 0);
    assert_int_equal(w->backend.user_delete(w->gateway, "ce1", &err), 0);
    assert_int_equal(w->backend.user_delete(w->gateway, "ce2", &err), 0);
    /* VLANs of the port are ports of their own */
    assert_int_equal(put_user(w, "ce2", AT_PORT1(", \"vlan\": 7"), &err), 0);
    assert_int_equal(put_user(w, "ce1", NULL, &err), ERR_CONFLICT);
    assert_string_equal(err.text, CLASH("ce1", "ce2", "VLAN 7 of "));
    static const char at_vlan_7[] = "{\"access\": {\"router\": \"10.253.0.15\", \"client\": 1, \"vlan\": 7}}";
    assert_int_equal(put_user(w, "ce1", at_vlan_7, &err), ERR_CONFLICT);
    static const char at_vlan_8[] = "{\"access\": {\"router\": \"10.253.0.15\", \"client\": 1, \"vlan\": 8}}";
    assert_int_equal(put_user(w, "ce1", at_vlan_8, &err), 0);
    static const char elsewhere[] = "{\"addresses\": [\"10.100.0.103\"], "
                                    "\"access\": {\"router\": \"10.253.0.14\", \"client\": 1}}";
    assert_int_equal(put_user(w, "ce3", elsewhere, &err), 0);
}

static void second_user_at_a_port_comes_by_an_order(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(put_user(w, "ce1", NULL, &err), 0);
    order_from_peer(w, "ce2", AT_PORT1(""));
    assert_string_equal(state_of(w, w->peer_order), "rolled_back");
    assert_string_equal(json_string_value(json_object_get(w->reply_body, "reason")), CLASH("ce2", "ce1", ""));
    assert_int_equal(w->backend.user_delete(w->gateway, "ce1", &err), 0);
    /* The first comes by an order, and has not arrived yet */
    order_from_peer(w, "ce2", AT_PORT1(""));
    assert_string_equal(state_of(w, w->peer_order), "internal_channel");
    assert_int_equal(put_user(w, "ce1", NULL, &err), ERR_CONFLICT);
    assert_string_equal(err.text, CLASH("ce1", "ce2", ""));
    assert_int_equal(put_user(w, "ce1", "{\"addresses\": [\"10.100.0.102\"], " PORT2 "}", &err), ERR_CONFLICT);
    assert_string_equal(err.text, "user ce1: address 10.100.0.102 is that of user ce2");
}

/* Both users are in one order, of which nothing is known yet as long as it is only planned. */
static void users_of_one_order_that_are_in_each_others_way(void **state)
{
    struct circuit_world *w = *state;
    static const struct {
        const char *changes, *text;
    } rows[] = {
        {AT_PORT1(""), CLASH("ce6", "ce5", "")},
        {"{" PORT2 "}", "user ce6: address 10.100.0.101 is that of user ce5"},
        {"{\"addresses\": [\"10.100.0.19\"], " PORT2 "}", "user ce6: address 10.100.0.19 is that of VM V9"},
        {CE2, ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *message = peer_message(w, "ce5", NULL), *changes = json_loads(rows[i].changes, 0, NULL);
        json_t *users = json_object_get(message, "users"), *other = json_copy(json_array_get(users, 0));

        json_object_set_new(other, "name", json_string("ce6"));
        json_object_update(other, changes);
        json_array_append_new(users, other);
        json_decref(changes);
        plan_for_peer(w, message);
        const json_t *refused = json_object_get(w->reply_body, "refused");
        const char *reason = json_string_value(json_object_get(refused, "reason"));
        assert_string_equal(reason ? reason : "", rows[i].text);
    }
}

static void second_user_at_a_port_is_in_the_store(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(put_user(w, "ce1", "{\"vms\": [\"V1\"]}", &err), 0);
    store_document_put(
        w->store, "user", "ce2",
        "{\"name\": \"ce2\", \"segment\": \"web\", \"access\": {\"router\": \"10.253.0.15\", \"client\": 1},"
        " \"bandwidth-mbps\": 100, \"addresses\": [\"10.100.0.102\"], \"vms\": [\"V2\"]}",
        NULL);
    store_document_put(w->store, "channel", "A:user:ce2",
                       "{\"user\": \"ce2\", \"ingress\": 184352779, \"egress\": 184352783, \"ingress-client\": 1,"
                       " \"ingress-vlan\": 201, \"egress-client\": 1, \"egress-vlan\": 65535, \"bandwidth-bps\":"
                       " 100000000, \"setup-priority\": 3, \"holding-priority\": 3}",
                       NULL);
    restart(w);
    topology_up(w);
    report(w, PE, "A:user:ce2", LSP_UP, 201, CLIENT_VLAN_NONE);
    ingress_up(w, PE);
    ingress_up(w, GATE);
    pass_ms(w, 0);
    /* ce1 is connected, and ce2 is not: what stands of its circuit goes */
    expect(w, "remove A:user:ce2 at 11\ncreate A:user:ce1: 11 1 15, 100 Mbit/s, VLAN any/none\n");
    answer_removed(w, "A:user:ce2");
    answer_up(w, CE1, 200, CLIENT_VLAN_NONE);
    assert_string_equal(shown(w, "channels", "A:user:ce2", "state"), "gone");
    assert_int_equal(vlan_of_user(w, "ce1"), 200);
    assert_int_equal(vlan_of_user(w, "ce2"), 0);
    assert_string_equal(shown(w, "users", "ce1", "error"), "");
    assert_string_equal(shown(w, "users", "ce2", "error"), CLASH("ce2", "ce1", ""));
    assert_string_equal(shown(w, "users", "ce2", "connected"), "false");
    /* Its VM is not moved to where it would be served */
    assert_null(order(w, "V2", 10, &err));
    assert_string_equal(err.text, CLASH("ce2", "ce1", ""));
    /* When ce1 makes room, it is */
    assert_int_equal(w->backend.user_delete(w->gateway, "ce1", &err), 0);
    expect(w, "remove A:user:ce1 at 11\ncreate A:user:ce2: 11 1 15, 100 Mbit/s, VLAN any/none\n");
    answer_up(w, "A:user:ce2", 201, CLIENT_VLAN_NONE);
    assert_int_equal(vlan_of_user(w, "ce2"), 201);
}

/* ---- changing ---- */

static void changes(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(put_user(w, "ce1", NULL, &err), 0);
    expect(w, "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN any/none\n");
    answer_up(w, CE1, 200, CLIENT_VLAN_NONE);
    /* What concerns the flows alone is changed on the spot */
    size_t before = w->flows[1].n;
    assert_int_equal(put_user(w, "ce1", "{\"addresses\": [\"10.100.0.101\", \"10.100.0.102\"]}", &err), 0);
    expect(w, "");
    assert_int_equal(w->flows[1].n, before + 4);
    assert_int_equal(put_user(w, "ce1", "{\"vms\": [\"V2\"]}", &err), 0);
    expect(w, "");
    assert_string_equal(shown(w, "users", "ce1", "vms"), "[\"V2\"]");
    /* An LSP is what it is */
    static const char *const others[] = {"{\"bandwidth-mbps\": 50}",
                                         "{\"access\": {\"router\": \"10.253.0.15\", \"client\": 2}}",
                                         "{\"access\": {\"router\": \"10.253.0.14\", \"client\": 1}}",
                                         "{\"access\": {\"router\": \"10.253.0.15\", \"client\": 1, \"vlan\": 7}}"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_int_equal(put_user(w, "ce1", others[i], &err), ERR_CONFLICT);
        assert_string_equal(err.text,
                            "user ce1 has a circuit with other ends or another bandwidth; delete the user first");
    }
    /* So it is deleted, and set anew before the old LSP has gone: the new one waits for that */
    assert_int_equal(w->backend.user_delete(w->gateway, "ce1", &err), 0);
    expect(w, "remove A:user:ce1 at 11\n");
    assert_int_equal(put_user(w, "ce1", others[3], &err), 0);
    expect(w, "");
    answer_removed(w, CE1);
    expect(w, "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN any/7\n");
    answer_up(w, CE1, 201, 7);
    assert_int_equal(vlan_of_user(w, "ce1"), 201);
}

/* The user and VMs are told of each other when the PE lets their answers through, not before. */
static void nothing_is_told_before_the_flows_stand(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(put_user(w, "ce1", NULL, &err), 0);
    answer_up(w, CE1, 200, CLIENT_VLAN_NONE);
    strbuf_clear(&w->told);
    w->flows_refused = 1;
    assert_int_equal(put_user(w, "ce1", "{\"addresses\": [\"10.100.0.102\"]}", &err), 0);
    assert_int_equal(w->told.length, 0);
    assert_int_equal(put_user(w, "ce1", "{\"addresses\": [\"10.100.0.103\"], \"vms\": [\"V1\"]}", &err), 0);
    assert_string_equal(w->told.text, "VLAN 200 10.100.0.11\nVLAN 200 10.100.0.11 asks 10.100.0.103\n"
                                      "VLAN 200 10.100.0.12\nVLAN 200 10.100.0.12 asks 10.100.0.103\n");
}

/* A segment of which no VM runs here is closed: until it is opened, the PE lets nothing of the user pass. */
static void user_changes_to_a_segment_that_is_closed(void **state)
{
    struct circuit_world *w = *state;
    struct event *event;
    struct err err;

    assert_int_equal(put_user(w, "ce1", NULL, &err), 0);
    answer_up(w, CE1, 200, CLIENT_VLAN_NONE);
    assert_int_equal(vlan_of_user(w, "ce1"), 200);
    event = event_push(&w->queue, EVENT_VM);
    snprintf(event->vm.name, NAME_SIZE, "V7");
    snprintf(event->vm.segment, NAME_SIZE, "db");
    snprintf(event->vm.server, NAME_SIZE, "server-a");
    event->vm.uuid[0] = 7;
    event->vm.state = VM_SHUT_OFF;
    pass_ms(w, 0);
    assert_int_equal(
        put_user(w, "ce1", "{\"segment\": \"db\", \"addresses\": [\"10.101.0.101\"], \"vms\": [\"V7\"]}", &err), 0);
    assert_int_equal(vlan_of_user(w, "ce1"), 0);
}

/* An order takes along what is known of the users of its VMs, so meanwhile nothing of it changes. */
static void refusals_during_a_migration(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(w->backend.user_delete(w->gateway, "ce1", &err), ERR_NOT_FOUND);
    assert_string_equal(err.text, "there is no user 'ce1' in data center A");
    assert_int_equal(put_user(w, "ce1", NULL, &err), 0);
    AUTO_FREE char *id = xstrdup(order(w, "V1", 10, &err));
    AUTO_FREE char *change = xasprintf("user ce1: its VM V1 is in migration %s; change it when that has ended", id);
    AUTO_FREE char *delete = xasprintf("user ce1: its VM V1 is in migration %s; delete it when that has ended", id);
    AUTO_FREE char *other = xasprintf("user ce2: its VM V1 is in migration %s; change it when that has ended", id);

    assert_string_equal(shown(w, "migrations", id, "users"), "[\"ce1\"]");
    assert_int_equal(put_user(w, "ce1", "{\"vms\": [\"V2\"]}", &err), ERR_CONFLICT); /* V1 would lose it */
    assert_string_equal(err.text, change);
    assert_int_equal(put_user(w, "ce2", CE2, &err), ERR_CONFLICT); /* V1 would get it */
    assert_string_equal(err.text, other);
    assert_int_equal(w->backend.user_delete(w->gateway, "ce1", &err), ERR_CONFLICT);
    assert_string_equal(err.text, delete);
    assert_int_equal(put_user(w, "ce2", "{\"addresses\": [\"10.100.0.102\"], " PORT2 ", \"vms\": [\"V2\"]}", &err), 0);
}

static void segment_that_was_taken_out_of_the_configuration(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(put_user(w, "ce1", NULL, &err), 0);
    answer_up(w, CE1, 200, CLIENT_VLAN_NONE);
    store_document_put(
        w->store, "user", "ce1",
        "{\"name\": \"ce1\", \"segment\": \"lan\", \"access\": {\"router\": \"10.253.0.15\", \"client\": 1},"
        " \"bandwidth-mbps\": 100, \"addresses\": [\"10.100.0.101\"], \"vms\": [\"V1\"]}",
        NULL);
    restart(w);
    topology_up(w);
    report(w, PE, CE1, LSP_UP, 200, CLIENT_VLAN_NONE);
    ingress_up(w, PE);
    ingress_up(w, GATE);
    pass_ms(w, 0);
    assert_int_equal(vlan_of_user(w, "ce1"), 0);
}

static void documents_that_are_damaged(void **state)
{
    struct circuit_world *w = *state;
    struct err err = {0};
    struct gateway *gateway;

    store_document_put(w->store, "user", "ce1", "{\"name\": \"ce1\"}", NULL);
    gateway = gateway_new(&w->config, w->store, &err);
    assert_null(gateway);
    assert_string_equal(err.text, "user ce1 in the store: user.segment: missing");
    store_document_delete(w->store, "user", "ce1", NULL);
    store_document_put(w->store, "channel", CE1, "[]", NULL);
    gateway = gateway_new(&w->config, w->store, &err);
    assert_null(gateway);
    assert_string_equal(err.text, "circuit A:user:ce1 in the store: A:user:ce1: expected an object, found an array");
    store_document_delete(w->store, "channel", CE1, NULL);
}

/* A user is stored before its circuit is: what lies between the two is made good. */
static void user_without_a_circuit(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(put_user(w, "ce1", NULL, &err), 0);
    store_document_delete(w->store, "channel", CE1, NULL);
    restart(w);
    topology_up(w);
    ingress_up(w, PE);
    ingress_up(w, GATE);
    pass_ms(w, 0);
    expect(w, "create A:user:ce1: 11 1 15, 100 Mbit/s, VLAN any/none\n");
}

/* ---- coming with a VM ---- */

static void user_comes_with_its_vm(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    /* B -> gateway: V9 with ce5. gateway -> pe: its circuit; V9 is not let in before that stands */
    order_from_peer(w, "ce5", NULL);
    expect(w, "create A:user:ce5: 11 1 15, 100 Mbit/s, VLAN any/none\n");
    assert_int_equal(w->reply_status, 0);
    assert_string_equal(state_of(w, w->peer_order), "internal_channel");
    assert_string_equal(shown(w, "users", "ce5", "name"), "gone"); /* it is served when V9 is here */
    assert_int_equal(put_user(w, "ce5", NULL, &err), ERR_CONFLICT);
    assert_string_equal(err.text, "user ce5 comes with VMs of an open migration; change it when that has ended");
    answer_up(w, "A:user:ce5", 200, CLIENT_VLAN_NONE);
    assert_int_equal(vlan_of_user(w, "ce5"), 200);
    assert_string_equal(state_of(w, w->peer_order), "configured");
    assert_int_equal(w->reply_status, 200);
    /* It arrives: ce5 is told by gratuitous ARP where it is now */
    strbuf_clear(&w->told);
    vm_arrives(w, "V9");
    assert_string_equal(w->told.text, "VLAN 200 10.100.0.19\nVLAN 200 10.100.0.19 asks 10.100.0.101\n");
    assert_string_equal(shown(w, "users", "ce5", "vms"), "[\"V9\"]");
    assert_string_equal(shown(w, "users", "ce5", "connected"), "true");
    expect(w, "");
}

static void no_path_for_the_user(void **state)
{
    struct circuit_world *w = *state;

    link_down(w, CE_PE, T1);
    link_down(w, CE_PE, T2);
    order_from_peer(w, "ce5", NULL);
    assert_string_equal(state_of(w, w->peer_order), "rolled_back");
    expect(w, ""); /* nobody was asked, so nobody has to be told */
    assert_int_equal(w->reply_status, 503);
    assert_string_equal(
        json_string_value(json_object_get(w->reply_body, "reason")),
        "circuit A:user:ce5: 10.253.0.11 and 10.253.0.15 are not connected by any links that OSPF floods: "
        "links are down, or missing");
    assert_int_equal(vlan_of_user(w, "ce5"), 0);
    assert_string_equal(shown(w, "channels", "A:user:ce5", "state"), "gone");
}

static void users_that_are_not_admitted(void **state)
{
    struct circuit_world *w = *state;
    struct err err;
    static const struct {
        const char *user, *changes, *text;
    } rows[] = {
        {"ce1", "{\"bandwidth-mbps\": 50}",
         "user ce1 is known in data center A, with another segment, access, bandwidth or addresses; have it alike in "
         "both data centers"},
        {"ce1", "{\"addresses\": [\"10.100.0.101\", \"10.100.0.102\"]}",
         "user ce1 is known in data center A, with another segment, access, bandwidth or addresses; have it alike in "
         "both data centers"},
        {"ce1", "{\"addresses\": [\"10.100.0.102\"]}",
         "user ce1 is known in data center A, with another segment, access, bandwidth or addresses; have it alike in "
         "both data centers"},
        {"ce5", NULL, "user ce5: address 10.100.0.101 is that of user ce1"},
        {"ce5", "{\"addresses\": [\"10.100.0.255\"]}",
         "user ce5: address 10.100.0.255 is the broadcast address of segment web, 10.100.0.1/24; name a host's under "
         "'addresses'"},
        {"ce5", "{\"addresses\": [\"10.100.0.11\"]}", "user ce5: address 10.100.0.11 is that of VM V1"},
        {"ce5", "{\"addresses\": [\"10.100.1.11\"]}",
         "user ce5: address 10.100.1.11 is not in segment web, 10.100.0.1/24; name a host's under 'addresses'"},
    };

    assert_int_equal(put_user(w, "ce1", NULL, &err), 0);
    strbuf_clear(&w->asked);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        order_from_peer(w, rows[i].user, rows[i].changes);
        assert_string_equal(json_string_value(json_object_get(w->reply_body, "reason")), rows[i].text);
    }
}

static void vm_with_the_address_of_a_user(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(put_user(w, "ce1", "{\"addresses\": [\"10.100.0.19\"]}", &err), 0);
    order_from_peer(w, "ce5", NULL);
    assert_string_equal(json_string_value(json_object_get(w->reply_body, "reason")),
                        "address 10.100.0.19 of VM V9 is that of user ce1");
}

/* In whatever order it names its addresses. */
static void user_that_is_known_comes_with_another_vm(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    assert_int_equal(put_user(w, "ce1", "{\"addresses\": [\"10.100.0.101\", \"10.100.0.102\"]}", &err), 0);
    answer_up(w, CE1, 200, CLIENT_VLAN_NONE);
    order_from_peer(w, "ce1", "{\"addresses\": [\"10.100.0.102\", \"10.100.0.101\"]}");
    assert_string_equal(state_of(w, w->peer_order), "configured");
    vm_arrives(w, "V9");
    assert_string_equal(shown(w, "users", "ce1", "vms"), "[\"V1\",\"V2\",\"V9\"]");
}

/* From a peer; and here, as soon as it runs. */
static void vm_with_an_address_that_no_host_can_have(void **state)
{
    struct circuit_world *w = *state;
    size_t tenants = w->gateway->network.n_tenants;
    struct err err;

    w->peer_vm_address = "10.100.0.255";
    order_from_peer(w, "ce5", NULL);
    assert_string_equal(json_string_value(json_object_get(w->reply_body, "reason")),
                        "VM V9: address 10.100.0.255 is the broadcast address of segment web, 10.100.0.1/24; put a "
                        "host's into its domain's metadata, <scg:interface address='...'>");
    vm_arrives(w, "V245");
    assert_int_equal(w->gateway->network.n_tenants, tenants);
    assert_null(order(w, "V245", 10, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_string_equal(err.text, "VM V245: address 10.100.0.255 is the broadcast address of segment web, "
                                  "10.100.0.1/24; put a host's into its domain's metadata, "
                                  "<scg:interface address='...'>");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, circuit_world_setup, circuit_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refusals_of_put),
        TEST(two_users_at_one_port),
        TEST(second_user_at_a_port_comes_by_an_order),
        TEST(users_of_one_order_that_are_in_each_others_way),
        TEST(second_user_at_a_port_is_in_the_store),
        TEST(changes),
        TEST(nothing_is_told_before_the_flows_stand),
        TEST(user_changes_to_a_segment_that_is_closed),
        TEST(refusals_during_a_migration),
        TEST(segment_that_was_taken_out_of_the_configuration),
        TEST(documents_that_are_damaged),
        TEST(user_without_a_circuit),
        TEST(user_comes_with_its_vm),
        TEST(no_path_for_the_user),
        TEST(users_that_are_not_admitted),
        TEST(user_that_is_known_comes_with_another_vm),
        TEST(vm_with_the_address_of_a_user),
        TEST(vm_with_an_address_that_no_host_can_have),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
