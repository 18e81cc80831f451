/* SPDX-License-Identifier: Apache-2.0 */
/* The messages between gateways: round trips, every member that is missing or of the wrong type, and errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "proto/peer/peer.h"

#define ID "0d6b8f5e-3a9c-4f0e-9d0b-1c5a2e7f1a01"

static const char order_text[] =
    "{\"version\": 1, \"id\": \"" ID "\", \"source-dc\": \"A\", \"target-dc\": \"B\", \"target-server\": \"server-b\","
    " \"channel\": \"A:channel:B:1\", \"channel-source-vlan\": 100, \"channel-target-vlan\": 104,"
    " \"bandwidth-mbps\": 100, \"target-uri\": \"\", \"target-address\": \"\", \"vms\": ["
    "{\"name\": \"V2\", \"uuid\": \"6a1d3a3e-0000-4000-8000-000000000002\", \"segment\": \"web\","
    " \"server\": \"server-a\", \"source-address\": \"10.254.0.11\", \"memory-kib\": 131072, \"generation\": 3,"
    " \"interfaces\": [{\"mac\": \"52:54:00:00:00:02\", \"address\": \"10.100.0.12\", \"ipv6\": [\"2001:db8::12\"],"
    " \"mtu\": 9000}],"
    " \"policy-from-switch\": false, \"fate\": \"open\","
    " \"policy\": {\"policy\": \"V2\", \"rules\": [{\"direction\": \"to-vm\", \"action\": \"allow\"}]}}],"
    " \"users\": [{\"name\": \"ce1\", \"segment\": \"web\", \"access\": {\"router\": \"10.253.0.15\", \"client\": 1,"
    " \"vlan\": 30}, \"bandwidth-mbps\": 100, \"addresses\": [\"10.100.0.101\"], \"vms\": [\"V2\"]}]}";

static const char status_text[] =
    "{\"version\": 1, \"state\": \"configured\", \"ended\": false, \"target-uri\": \"qemu+tcp://10.254.0.12/system\","
    " \"target-address\": \"10.254.0.12\", \"vms\": [{\"name\": \"V2\", \"fate\": \"crossed\", \"place\": \"running\","
    " \"active\": true}]}";

static const char plan_text[] =
    "{\"version\": 1, \"steps\": [{\"stage\": 0, \"step\": \"admit\", \"undo\": \"give memory back\"},"
    " {\"stage\": 3, \"step\": \"verify\", \"vm\": \"V2\", \"undo\": \"nothing, it only reads\","
    " \"channel\": \"web by VLAN 100\"}]}";
static const char refusal_text[] =
    "{\"version\": 1, \"refused\": {\"error\": \"ERR_CONFLICT\", \"reason\": \"VM V2 already runs on server-b\"}}";

static const char connections_text[] =
    "{\"vm\": \"V2\", \"connections\": [{\"replies\": \"to-vm\", \"protocol\": \"tcp\", \"remote\": \"198.51.100.7\","
    " \"remote-port\": 22, \"vm-port\": 40000, \"idle-timeout\": 7440},"
    " {\"replies\": \"from-vm\", \"protocol\": \"icmpv6\", \"remote\": \"2001:db8::7\", \"local\": \"2001:db8::12\","
    " \"idle-timeout\": 60}]}";

/* Each edit spoils one member, which 'path' leads to: names, or indexes in digits, joined by '/'. */
struct edit {
    const char *path;
    const char *value; /* JSON; null: the member is removed */
    const char *text;  /* of the error; null: it is fine */
};

static json_t *load(const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, JSON_DECODE_ANY, &error);

    if (!json)
        fail_msg("line %d column %d: %s: %s", error.line, error.column, error.text, text);
    return json;
}

static void edit_member(json_t *json, const struct edit *edit)
{
    AUTO_FREE char *path = xstrdup(edit->path);
    char *next = NULL, *name = strtok_r(path, "/", &next);

    for (char *after; (after = strtok_r(NULL, "/", &next)); name = after)
        json = json_is_array(json) ? json_array_get(json, strtoul(name, NULL, 10)) : json_object_get(json, name);
    if (edit->value)
        json_object_set_new(json, name, load(edit->value));
    else
        assert_int_equal(json_object_del(json, name), 0);
}

static void configure_round_trip(void **state)
{
    struct order order = {0};
    struct err err = {0};
    json_t *json = load(order_text);

    (void) state;
    if (peer_configure_decode(json, &order, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(order.role, ROLE_TARGET);
    assert_string_equal(order.id, ID);
    assert_string_equal(order.target_server, "server-b");
    assert_int_equal(order.bandwidth_mbps, 100);
    assert_int_equal(order.n_vms, 1);
    assert_string_equal(order.vms[0].name, "V2");
    assert_int_equal(order.vms[0].generation, 3);
    assert_int_equal(order.vms[0].n_nics, 1);
    assert_int_equal(order.vms[0].nics[0].mtu, 9000);
    assert_int_equal(order.vms[0].nics[0].ip6.n, 1);
    assert_int_equal(order.vms[0].policy.n_rules, 1);
    assert_int_equal(order.channel_vlan[ROLE_SOURCE], 100);
    assert_int_equal(order.channel_vlan[ROLE_TARGET], 104);
    assert_int_equal(order.n_users, 1);
    assert_string_equal(order.users[0].name, "ce1");
    assert_int_equal(order.users[0].access.vlan, 30);
    assert_string_equal(order.users[0].vms[0], "V2");

    json_t *again = peer_configure_encode(&order);
    if (!json_equal(json, again))
        fail_msg("%s", json_dumps(again, 0));
    json_decref(again);
    json_decref(json);
    order_free(&order);
}

static const struct edit configure_edits[] = {
    {"version", NULL, "migration.version: missing"},
    {"version", "2", "migration.version is 2, this gateway speaks 1"},
    {"version", "0", "migration.version: expected 1..2147483647, found 0"},
    {"version", "\"1\"", "migration.version: expected a whole number, found a string"},
    {"id", NULL, "migration.id: missing"},
    {"id", "7", "migration.id: expected a string, found a whole number"},
    {"id", "\"x\"", "migration.id: 'x' is not a UUID"},
    {"id", "\"" ID "0\"", "migration.id: is longer than 36 bytes"},
    {"source-dc", NULL, "migration.source-dc: missing"},
    {"source-dc", "[]", "migration.source-dc: expected a string, found an array"},
    {"target-dc", NULL, "migration.target-dc: missing"},
    {"target-server", NULL, "migration.target-server: missing"},
    {"target-server", "null", "migration.target-server: expected a string, found null"},
    {"channel", NULL, "migration.channel: missing"},
    {"channel-source-vlan", NULL, NULL}, /* of a gateway without transport networks */
    {"channel-target-vlan", NULL, NULL},
    {"channel-source-vlan", "4095", "migration.channel-source-vlan: expected 0..4094, found 4095"},
    {"channel-target-vlan", "-1", "migration.channel-target-vlan: expected 0..4094, found -1"},
    {"channel-target-vlan", "\"7\"", "migration.channel-target-vlan: expected a whole number, found a string"},
    {"bandwidth-mbps", NULL, NULL},
    {"bandwidth-mbps", "-1", "migration.bandwidth-mbps: expected 0..4294967295, found -1"},
    {"bandwidth-mbps", "1.5", "migration.bandwidth-mbps: expected a whole number, found a fraction"},
    {"target-uri", NULL, NULL},
    {"target-address", NULL, NULL},
    {"vms", NULL, "migration.vms: missing"},
    {"vms", "{}", "migration.vms: expected an array, found an object"},
    {"vms", "[]", "migration.vms: has 0 members, expected 1 to 64"},
    {"vms", "[7]", "migration.vms[0]: expected an object, found a whole number"},
    {"vms/0/name", NULL, "migration.vms[0].name: missing"},
    {"vms/0/name", "\"V23456789012345678901234567890123456789012345678901234567890123\"", /* not longer than that */
     "migration.users[0].vms: VM V2 is not in the order"},
    {"vms/0/name", "\"V234567890123456789012345678901234567890123456789012345678901234\"",
     "migration.vms[0].name: is longer than 63 bytes"},
    {"vms/0/uuid", NULL, "migration.vms[0].uuid: missing"},
    {"vms/0/uuid", "\"6a1d3a3e\"", "migration.vms[0].uuid: '6a1d3a3e' is not a UUID"},
    {"vms/0/segment", NULL, "migration.vms[0].segment: missing"},
    {"vms/0/server", NULL, NULL},
    {"vms/0/source-address", NULL, "migration.vms[0].source-address: missing"},
    {"vms/0/memory-kib", NULL, "migration.vms[0].memory-kib: missing"},
    {"vms/0/memory-kib", "0", "migration.vms[0].memory-kib: expected 1..1099511627776, found 0"},
    {"vms/0/generation", NULL, "migration.vms[0].generation: missing"},
    {"vms/0/generation", "-1", "migration.vms[0].generation: expected 0..9223372036854775807, found -1"},
    {"vms/0/interfaces", NULL, "migration.vms[0].interfaces: missing"},
    {"vms/0/interfaces", "[1]", "migration.vms[0].interfaces[0]: expected an object, found a whole number"},
    {"vms/0/interfaces", "[{},{},{},{},{},{},{},{},{}]",
     "migration.vms[0].interfaces: has 9 members, at most 8 are supported"},
    {"vms/0/interfaces/0/mac", NULL, "migration.vms[0].interfaces[0].mac: missing"},
    {"vms/0/interfaces/0/mac", "\"52:54\"", "migration.vms[0].interfaces[0].mac: '52:54' is not a MAC address"},
    {"vms/0/interfaces/0/address", NULL, NULL},
    {"vms/0/interfaces/0/address", "\"10.0.0\"",
     "migration.vms[0].interfaces[0].address: '10.0.0' is not an IP address"},
    {"vms/0/interfaces/0/mtu", NULL, NULL}, /* of an earlier gateway */
    {"vms/0/interfaces/0/mtu", "67", "migration.vms[0].interfaces[0].mtu: expected 68..65535, found 67"},
    {"vms/0/interfaces/0/mtu", "65536", "migration.vms[0].interfaces[0].mtu: expected 68..65535, found 65536"},
    {"vms/0/interfaces/0/mtu", "\"1500\"",
     "migration.vms[0].interfaces[0].mtu: expected a whole number, found a string"},
    {"vms/0/policy-from-switch", NULL, NULL},
    {"vms/0/policy-from-switch", "1",
     "migration.vms[0].policy-from-switch: expected true or false, found a whole number"},
    {"vms/0/fate", NULL, NULL},
    {"vms/0/fate", "\"lost\"", "migration.vms[0].fate: 'lost' is not a fate"},
    {"vms/0/policy", NULL, "migration.vms[0].policy: missing"},
    {"vms/0/policy", "[]", "migration.vms[0].policy: expected an object, found an array"},
    {"vms/0/policy/colour", "1", "migration.vms[0].policy: "},
    {"users", NULL, NULL},
    {"users", "[]", NULL},
    {"users", "{}", "migration.users: expected an array, found an object"},
    {"users", "[7]", "migration.users[0]: expected an object, found a whole number"},
    {"users/0/name", NULL, "migration.users[0].name: missing"},
    {"users/0/segment", NULL, "migration.users[0].segment: missing"},
    {"users/0/segment", "\"db\"", "migration.users[0].segment: 'db' is not the segment of its VM V2, web"},
    {"users/0/access", NULL, "migration.users[0].access: missing"},
    {"users/0/access/router", "\"pe5\"",
     "migration.users[0].access.router: 'pe5' is not a router id such as 10.253.0.15"},
    {"users/0/access/vlan", NULL, NULL},
    {"users/0/bandwidth-mbps", "0", "migration.users[0].bandwidth-mbps: expected 1..1000000, found 0"},
    {"users/0/addresses", "[]", "migration.users[0].addresses: has 0 members, expected 1 to 16"},
    {"users/0/vms", NULL, "migration.users[0].vms: missing"},
    {"users/0/vms", "[]", "migration.users[0].vms: names no VM of the order"},
    {"users/0/vms", "[\"V9\"]", "migration.users[0].vms: VM V9 is not in the order"},
    {"colour", "\"green\"", NULL},
    {"vms/0/colour", "\"green\"", NULL},
    {"vms/0/interfaces/0/ipv6", NULL, NULL},
    {"vms/0/interfaces/0/ipv6", "\"2001:db8::12\"",
     "migration.vms[0].interfaces[0].ipv6: expected an array, found a string"},
    {"vms/0/interfaces/0/ipv6", "[\"10.100.0.12\"]",
     "migration.vms[0].interfaces[0].ipv6: member 0 is no global or unique local IPv6 address"},
    {"vms/0/interfaces/0/ipv6", "[\"fe80::1\"]",
     "migration.vms[0].interfaces[0].ipv6: member 0 is no global or unique local IPv6 address"},
    {"vms/0/interfaces/0/ipv6", "[\"fd00::1\", \"fd00::1\"]",
     "migration.vms[0].interfaces[0].ipv6: member 1 is named twice"},
    {"vms/0/interfaces/0/ipv6", "[\"fd00::1\", \"fd00::2\", \"fd00::3\", \"fd00::4\", \"fd00::5\"]",
     "migration.vms[0].interfaces[0].ipv6: member 4 is one too many: an interface has at most 4 of IPv6"},
    {"vms/0/interfaces/0/colour", "{}", NULL},
    {"users/0/colour", "7", NULL},
    {"users/0/access/colour", "7", NULL},
};

static const struct edit status_edits[] = {
    {"version", NULL, NULL},
    {"state", NULL, "status.state: missing"},
    {"state", "1", "status.state: expected a string, found a whole number"},
    {"state", "\"12345678901234567890123456789012\"", "status.state: is longer than 31 bytes"},
    {"ended", NULL, NULL},
    {"ended", "0", "status.ended: expected true or false, found a whole number"},
    {"target-uri", NULL, "status.target-uri: missing"},
    {"target-address", NULL, "status.target-address: missing"},
    {"target-address", "{}", "status.target-address: expected a string, found an object"},
    {"reason", "\"why\"", NULL},
    {"reason", "1", "status.reason: expected a string, found a whole number"},
    {"vms", NULL, "status.vms: missing"},
    {"vms", "[]", NULL},
    {"vms", "[null]", "status.vms[0]: expected an object, found null"},
    {"vms/0/name", NULL, "status.vms[0].name: missing"},
    {"vms/0/place", NULL, "status.vms[0].place: missing"},
    {"vms/0/place", "\"moon\"", "status.vms[0].place: 'moon' is not a place"},
    {"vms/0/active", NULL, NULL},
    {"vms/0/active", "\"yes\"", "status.vms[0].active: expected true or false, found a string"},
    {"vms/0/fate", NULL, NULL},
    {"vms/0/fate", "1", "status.vms[0].fate: expected a string, found a whole number"},
    {"vms/0/fate", "\"lost\"", "status.vms[0].fate: 'lost' is not a fate"},
    {"colour", "\"green\"", NULL},
    {"vms/0/colour", "\"green\"", NULL},
};

static const struct edit plan_edits[] = {
    {"version", NULL, NULL},
    {"steps", NULL, "plan.steps: missing"},
    {"steps", "{}", "plan.steps: expected an array, found an object"},
    {"steps", "[]", NULL},
    {"steps", "[7]", "plan.steps[0]: expected an object, found a whole number"},
    {"steps/1/stage", NULL, "plan.steps[1].stage: missing"},
    {"steps/1/stage", "-1", "plan.steps[1].stage: expected 0..2147483647, found -1"},
    {"steps/1/step", NULL, "plan.steps[1].step: missing"},
    {"steps/1/step", "\"V234567890123456789012345678901234567890123456789012345678901234\"",
     "plan.steps[1].step: is longer than 63 bytes"},
    {"steps/1/vm", NULL, NULL},
    {"steps/1/vm", "2", "plan.steps[1].vm: expected a string, found a whole number"},
    {"steps/1/undo", NULL, "plan.steps[1].undo: missing"},
    {"steps/1/channel", NULL, NULL},
    {"steps/1/channel", "7", "plan.steps[1].channel: expected a string, found a whole number"},
    {"refused", "7", "plan.refused: expected an object, found a whole number"},
    {"refused", "{}", NULL},
    {"colour", "\"green\"", NULL},
    {"steps/1/colour", "\"green\"", NULL},
};

/* Decodes and forgets. */
static int try_plan(const json_t *json, struct err *err)
{
    struct peer_plan plan = {0};
    int status = peer_plan_decode(json, &plan, err);

    peer_plan_free(&plan);
    return status;
}

static int try_connections(const json_t *json, struct err *err)
{
    struct peer_connections connections = {0};
    int status = peer_connections_decode(json, &connections, err);

    connection_list_free(&connections.list);
    return status;
}

static int try_configure(const json_t *json, struct err *err)
{
    struct order order = {0};
    int status = peer_configure_decode(json, &order, err);

    order_free(&order);
    return status;
}

static int try_status(const json_t *json, struct err *err)
{
    struct peer_status *status = xcalloc(1, sizeof *status);
    int result = peer_status_decode(json, status, err);

    free(status);
    return result;
}

static void try_edits(const char *text, const struct edit *edits, size_t n,
                      int (*decode)(const json_t *json, struct err *err))
{
    for (size_t i = 0; i < n; i++) {
        struct err err = {0};
        json_t *json = load(text);

        edit_member(json, &edits[i]);
        int status = decode(json, &err);
        if (!edits[i].text) {
            if (status)
                fail_msg("%s: %s", edits[i].path, err.text);
        } else {
            assert_memory_equal(err.text, edits[i].text, strlen(edits[i].text));
            assert_int_equal(status, err.code);
            assert_int_equal(status, strstr(err.text, "this gateway speaks") ? ERR_UNSUPPORTED : ERR_INVALID);
        }
        json_decref(json);
    }
}

static void configure_members(void **state)
{
    (void) state;
    try_edits(order_text, configure_edits, ARRAY_LEN(configure_edits), try_configure);
}

static void plan_members(void **state)
{
    (void) state;
    try_edits(plan_text, plan_edits, ARRAY_LEN(plan_edits), try_plan);
}

static void plan_round_trip(void **state)
{
    static const char *const texts[] = {plan_text, refusal_text};

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct peer_plan plan;
        json_t *json = load(texts[i]);

        assert_int_equal(peer_plan_decode(json, &plan, NULL), 0);
        assert_int_equal(plan.refused.code, i ? ERR_CONFLICT : 0);
        assert_int_equal(plan.n_steps, i ? 0 : 2);
        json_t *again = peer_plan_encode(&plan);
        assert_true(json_equal(json, again));
        json_decref(again);
        json_decref(json);
        peer_plan_free(&plan);
    }
}

static void too_many_steps(void **state)
{
    json_t *json = load(plan_text), *steps = json_object_get(json, "steps");
    struct peer_plan plan;
    struct err err = {0};

    (void) state;
    while (json_array_size(steps) <= PLANNED_STEPS_MAX)
        json_array_append(steps, json_array_get(steps, 0));
    assert_int_equal(peer_plan_decode(json, &plan, &err), ERR_INVALID);
    assert_string_equal(err.text, "plan.steps: has 4097 members, at most 4096 are allowed");
    json_decref(json);
}

/* Only a plan goes without policies. */
static void request_for_a_plan(void **state)
{
    json_t *json = load(order_text);
    struct order order;
    struct err err = {0};

    (void) state;
    json_object_del(json_array_get(json_object_get(json, "vms"), 0), "policy");
    assert_int_equal(peer_plan_request_decode(json, &order, &err), 0);
    assert_int_equal(order.role, ROLE_TARGET);
    assert_false(order.vms[0].has_policy);
    order_free(&order);
    assert_int_equal(peer_configure_decode(json, &order, &err), ERR_INVALID);
    assert_string_equal(err.text, "migration.vms[0].policy: missing");
    json_decref(json);
}

static void status_members(void **state)
{
    (void) state;
    try_edits(status_text, status_edits, ARRAY_LEN(status_edits), try_status);
}

static void no_object(void **state)
{
    struct err err = {0};

    (void) state;
    assert_int_equal(try_configure(NULL, &err), ERR_INVALID);
    assert_string_equal(err.text, "migration: expected an object, found nothing");
    assert_int_equal(try_status(NULL, &err), ERR_INVALID);
    assert_string_equal(err.text, "status: expected an object, found nothing");
}

static void too_many_vms(void **state)
{
    struct err err = {0};
    json_t *order = load(order_text), *status = load(status_text);
    json_t *in_order = json_object_get(order, "vms"), *in_status = json_object_get(status, "vms");

    (void) state;
    while (json_array_size(in_order) < MIGRATION_VMS_MAX)
        json_array_append(in_order, json_array_get(in_order, 0));
    while (json_array_size(in_status) < MIGRATION_VMS_MAX)
        json_array_append(in_status, json_array_get(in_status, 0));
    assert_int_equal(try_configure(order, &err), 0);
    assert_int_equal(try_status(status, &err), 0);
    json_array_append(in_order, json_array_get(in_order, 0));
    json_array_append(in_status, json_array_get(in_status, 0));
    assert_int_equal(try_configure(order, &err), ERR_INVALID);
    assert_string_equal(err.text, "migration.vms: has 65 members, expected 1 to 64");
    assert_int_equal(try_status(status, &err), ERR_INVALID);
    assert_string_equal(err.text, "status.vms: has more than 64 members");
    json_decref(order);
    json_decref(status);
}

static void too_many_users(void **state)
{
    struct err err = {0};
    json_t *order = load(order_text), *users = json_object_get(order, "users");

    (void) state;
    for (int i = 2; json_array_size(users) < MIGRATION_USERS_MAX; i++) {
        AUTO_FREE char *name = xasprintf("ce%d", i);
        json_t *user = json_deep_copy(json_array_get(users, 0));

        json_object_set_new(user, "name", json_string(name));
        json_array_append_new(users, user);
    }
    assert_int_equal(try_configure(order, &err), 0);
    json_array_append(users, json_array_get(users, 0));
    assert_int_equal(try_configure(order, &err), ERR_INVALID);
    assert_string_equal(err.text, "migration.users: has 65 members, at most 64 are allowed");
    json_array_remove(users, 1);
    assert_int_equal(try_configure(order, &err), ERR_INVALID);
    assert_string_equal(err.text, "migration.users[63].name: 'ce1' is the name of users[0] already");
    json_decref(order);
}

static void status_round_trip(void **state)
{
    struct peer_status *status = xcalloc(1, sizeof *status);
    struct err err = {0};
    json_t *json = load(status_text);

    (void) state;
    if (peer_status_decode(json, status, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(status->state, "configured");
    assert_false(status->ended);
    assert_int_equal(status->reason.code, 0);
    assert_int_equal(status->n_vms, 1);
    assert_int_equal(status->vms[0].fate, FATE_CROSSED);
    assert_int_equal(status->vms[0].place, PLACE_RUNNING);
    assert_true(status->vms[0].active);

    json_t *again = peer_status_encode(status);
    assert_true(json_equal(json, again));
    json_decref(again);

    err_set(&status->reason, ERR_TIMEOUT, "tor-b: no answer");
    again = peer_status_encode(status);
    assert_int_equal(peer_status_decode(again, status, &err), 0);
    assert_string_equal(status->reason.text, "tor-b: no answer");
    assert_int_not_equal(status->reason.code, 0);
    json_decref(again);
    json_decref(json);
    free(status);
}

/* A decoder that fails leaves its output alone. */
static void failure_leaves_the_output(void **state)
{
    struct order order = {.n_vms = 7};
    json_t *json = load(order_text);

    (void) state;
    json_object_del(json_array_get(json_object_get(json, "vms"), 0), "policy");
    json_object_del(json, "id");
    assert_int_equal(peer_configure_decode(json, &order, NULL), ERR_INVALID);
    assert_int_equal(order.n_vms, 7);
    json_decref(json);
}

/* ---- errors ---- */

static void errors_round_trip(void **state)
{
    static const struct {
        int code, http_status;
    } rows[] = {
        {ERR_INVALID, 400}, {ERR_SHORT, 409},     {ERR_MALFORMED, 400}, {ERR_UNSUPPORTED, 400}, {ERR_NOT_FOUND, 404},
        {ERR_EXISTS, 409},  {ERR_CONFLICT, 409},  {ERR_EXHAUSTED, 429}, {ERR_UNREACHABLE, 503}, {ERR_REFUSED, 409},
        {ERR_TIMEOUT, 504}, {ERR_CANCELLED, 409}, {ERR_STALE, 409},     {ERR_TOO_LARGE, 413},   {ERR_IO, 500},
        {ERR_UNKNOWN, 503}, {ERR_INTERNAL, 500},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err sent = {0}, got = {0};

        err_set(&sent, rows[i].code, "sentence %zu", i);
        json_t *json = problem_encode(&sent);
        assert_int_equal(problem_http_status(sent.code), rows[i].http_status);
        problem_decode(rows[i].http_status, json, &got);
        assert_int_equal(got.code, sent.code);
        assert_string_equal(got.text, sent.text);
        json_decref(json);
    }
}

static void errors_of_others(void **state)
{
    static const struct {
        int http_status;
        const char *json;
        int code;
        const char *text;
    } rows[] = {
        {404, NULL, ERR_NOT_FOUND, "answered HTTP status 404 without a reason"},
        {400, "[]", ERR_INVALID, "answered HTTP status 400 without a reason"},
        {503, "{}", ERR_UNKNOWN, "answered HTTP status 503 without a reason"},
        {500, "{\"error\": 7, \"reason\": 8}", ERR_INTERNAL, "answered HTTP status 500 without a reason"},
        {429, "{\"error\": \"ERR_LATER\", \"reason\": \"too many\"}", ERR_EXHAUSTED, "too many"},
        {418, "{\"reason\": \"short and stout\"}", ERR_REFUSED, "short and stout"},
        {409, "{\"error\": \"OK\", \"reason\": \"well\"}", ERR_REFUSED, "well"},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {0};
        json_t *json = rows[i].json ? load(rows[i].json) : NULL;

        problem_decode(rows[i].http_status, json, &err);
        assert_int_equal(err.code, rows[i].code);
        assert_string_equal(err.text, rows[i].text);
        json_decref(json);
    }
}

static void connections_round_trip(void **state)
{
    json_t *json = load(connections_text);
    struct peer_connections read = {0};
    struct err err = {0};

    (void) state;
    if (peer_connections_decode(json, &read, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(read.vm, "V2");
    assert_int_equal(read.list.n, 2);
    assert_int_equal(read.list.items[0].direction, POLICY_TO_VM);
    assert_int_equal(read.list.items[0].protocol, 6);
    assert_int_equal(read.list.items[0].remote_port, 22);
    assert_int_equal(read.list.items[0].vm_port, 40000);
    assert_int_equal(read.list.items[1].direction, POLICY_FROM_VM);
    assert_int_equal(read.list.items[1].remote.family, IP_V6);
    json_t *again = peer_connections_encode(read.vm, &read.list);
    assert_true(json_equal(json, again));
    connection_list_free(&read.list);
    json_decref(again);
    json_decref(json);
}

static const struct edit connection_edits[] = {
    {"vm", NULL, "connections.vm: missing"},
    {"connections", NULL, "connections.connections: missing"},
    {"connections/0/replies", "\"both\"",
     "connections.connections[0].replies: expected from-vm or to-vm, found \"both\""},
    {"connections/0/remote", "\"198.51.100.0/24\"",
     "connections.connections[0].remote: expected an IP address, found \"198.51.100.0/24\""},
    {"connections/0/protocol", "\"gre\"",
     "connections.connections[0].protocol: expected tcp, udp, icmp or icmpv6, found \"gre\""},
    {"connections/0/protocol", "\"icmpv6\"",
     "connections.connections[0].protocol: icmpv6 contradicts the remote's address"},
    {"connections/0/vm-port", NULL, "connections.connections[0].vm-port: missing"},
    {"connections/0/remote-port", "65536", "connections.connections[0].remote-port: expected 0..65535, found 65536"},
    {"connections/1/idle-timeout", "0", "connections.connections[1].idle-timeout: expected 1..65535, found 0"},
    {"connections/1/local", NULL, NULL},
    {"connections/1/local", "\"10.100.0.12\"",
     "connections.connections[1].local: expected an address of the remote's family, found \"10.100.0.12\""},
    {"connections/1/of-tomorrow", "1", NULL},
    {"connections", "[]", NULL},
};

static void connection_members(void **state)
{
    (void) state;
    try_edits(connections_text, connection_edits, ARRAY_LEN(connection_edits), try_connections);
}

static void too_many_connections(void **state)
{
    json_t *json = load(connections_text), *list = json_object_get(json, "connections");
    struct err err = {0};

    (void) state;
    while (json_array_size(list) < PEER_CONNECTIONS_MAX)
        json_array_append(list, json_array_get(list, 0));
    assert_int_equal(try_connections(json, &err), 0);
    json_array_append(list, json_array_get(list, 0));
    assert_int_equal(try_connections(json, &err), ERR_INVALID);
    assert_string_equal(err.text, "connections.connections: 1001 are too many, a message has at most 1000");
    json_decref(json);
}

static void errors_that_are_not_utf8(void **state)
{
    struct err err = {0};

    (void) state;
    err_set(&err, ERR_INVALID, "B\xc3\xbcro \xff");
    json_t *json = problem_encode(&err);
    assert_string_equal(json_string_value(json_object_get(json, "reason")), "B??ro ?");
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configure_round_trip),
        cmocka_unit_test(configure_members),
        cmocka_unit_test(status_round_trip),
        cmocka_unit_test(status_members),
        cmocka_unit_test(plan_members),
        cmocka_unit_test(plan_round_trip),
        cmocka_unit_test(too_many_steps),
        cmocka_unit_test(request_for_a_plan),
        cmocka_unit_test(no_object),
        cmocka_unit_test(too_many_vms),
        cmocka_unit_test(too_many_users),
        cmocka_unit_test(connections_round_trip),
        cmocka_unit_test(connection_members),
        cmocka_unit_test(too_many_connections),
        cmocka_unit_test(failure_leaves_the_output),
        cmocka_unit_test(errors_round_trip),
        cmocka_unit_test(errors_of_others),
        cmocka_unit_test(errors_that_are_not_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
