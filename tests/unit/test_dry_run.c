/* SPDX-License-Identifier: Apache-2.0 */
/* Orders that are only planned: what the target answers, what the source makes of it, and that nothing is changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "circuit_world.h"
#include "proto/peer/peer.h"

/* What must be the same before and after: flows of every switch, migrations, numbers, circuits. */
static char *everything(struct circuit_world *w)
{
    static const char *const collections[] = {"migrations", "segments", "channels", "users", "policies", "vms"};
    struct strbuf text = {0};

    for (size_t s = 0; s < SWITCHES; s++) {
        for (size_t f = 0; f < w->flows[s].n; f++) {
            AUTO_FREE char *line = flow_format(&w->flows[s].flows[f]);

            strbuf_printf(&text, "%zu %s\n", s, line);
        }
    }
    for (size_t c = 0; c < ARRAY_LEN(collections); c++) {
        json_t *json = NULL;

        assert_int_equal(w->backend.get(w->gateway, collections[c], NULL, &json, NULL), 0);
        AUTO_FREE char *line = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
        strbuf_printf(&text, "%s\n", line);
        json_decref(json);
    }
    strbuf_printf(&text, "%s", w->asked.text ? w->asked.text : "");
    return strbuf_take(&text);
}

static void assert_same(struct circuit_world *w, const char *before)
{
    AUTO_FREE char *after = everything(w);

    assert_string_equal(after, before);
}

static const char *member(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));

    return text ? text : "";
}

/* ---- the target ---- */

/* It would refuse the order. */
static void assert_refused(struct circuit_world *w, json_t *message, const char *error, const char *reason)
{
    AUTO_FREE char *before = everything(w);

    plan_for_peer(w, message);
    const json_t *refused = json_object_get(w->reply_body, "refused");
    assert_int_equal(w->reply_status, 200);
    assert_string_equal(member(refused, "reason"), reason);
    assert_string_equal(member(refused, "error"), error);
    assert_null(json_object_get(w->reply_body, "steps"));
    assert_same(w, before);
}

static json_t *of_vm(json_t *message, const char *name, json_t *value)
{
    json_t *vm = json_array_get(json_object_get(message, "vms"), 0);

    if (value)
        json_object_set_new(vm, name, value);
    else
        json_object_del(vm, name);
    return message;
}

static void target_tells_its_steps(void **state)
{
    struct circuit_world *w = *state;
    AUTO_FREE char *before = everything(w);
    struct strbuf told = {0};
    size_t i;
    json_t *step;

    plan_for_peer(w, of_vm(peer_message(w, "ce5", NULL), "policy", NULL)); /* it will come when the order runs */
    assert_int_equal(w->reply_status, 200);
    json_array_foreach(json_object_get(w->reply_body, "steps"), i, step) {
        strbuf_printf(&told, "%d %s %s\n", (int) json_integer_value(json_object_get(step, "stage")),
                      member(step, "step"), member(step, "vm"));
    }
    assert_string_equal(told.text, "0 admit \n1 policy-install V9\n2 segment-open \n2 circuit-open \n2 channel-open \n"
                                   "3 verify V9\n4 arrival V9\n5 activate V9\n6 await-commit \n7 channel-close \n");
    strbuf_free(&told);
    assert_same(w, before);
    assert_string_equal(shown(w, "migrations", w->peer_order, "state"), "gone");
}

static void what_the_target_would_refuse(void **state)
{
    struct circuit_world *w = *state;

    assert_refused(w, of_vm(peer_message(w, "ce5", NULL), "memory-kib", json_integer(INT64_C(1) << 34)), "ERR_REFUSED",
                   "server server-a has 1024 MiB of memory free, 0 MiB of it promised; the order needs 16777216 MiB");
    assert_refused(w,
                   of_vm(peer_message(w, "ce5", NULL), "interfaces",
                         json_pack("[{s:s, s:s}]", "mac", "52:54:00:00:00:19", "address", "10.100.0.11")),
                   "ERR_CONFLICT", "address 10.100.0.11 of VM V9 is that of VM V1 on server-a");
    port_mtu(w, "tor", 2, 1400);
    assert_refused(w, peer_message(w, "ce5", NULL), "ERR_REFUSED",
                   "VM V9 has an MTU of 1500 and needs 1500 on every link of the fabric; port tor-pe of switch tor has "
                   "1400: raise it to 1500 at both ends of the link, or lower the VM's to 1400");
}

static void user_without_a_path(void **state)
{
    struct circuit_world *w = *state;

    link_down(w, CE_PE, T1);
    link_down(w, CE_PE, T2);
    assert_refused(w, peer_message(w, "ce5", NULL), "ERR_UNREACHABLE",
                   "circuit A:user:ce5: 10.253.0.11 and 10.253.0.15 are not connected by any links that OSPF floods: "
                   "links are down, or missing");
}

/* V9 would be the first VM of segment db. */
static json_t *of_segment_db(struct circuit_world *w)
{
    json_t *message = peer_message(w, "ce5", NULL);

    json_object_del(message, "users");
    of_vm(message, "segment", json_string("db"));
    of_vm(message, "interfaces", json_pack("[{s:s, s:s}]", "mac", "52:54:00:00:00:19", "address", "10.101.0.19"));
    return message;
}

static void no_vlan_for_the_segment(void **state)
{
    struct circuit_world *w = *state;
    uint32_t number;

    plan_for_peer(w, of_segment_db(w));
    assert_non_null(json_object_get(w->reply_body, "steps"));
    assert_int_equal(store_number_get(w->store, "vlan", "db", &number, NULL), ERR_NOT_FOUND);
    assert_int_equal(store_number_get(w->store, "segment", "db", &number, NULL), ERR_NOT_FOUND);

    w->config.vlan_last = w->config.vlan_first; /* which segment web has */
    assert_refused(w, of_segment_db(w), "ERR_EXHAUSTED",
                   "pool vlan: every number from 100 to 100 is taken, none is left for db");
}

/* A new segment needs a VC label on tor; the tunnel to pe, and segment web, have one each. */
static void no_label_for_the_segment(void **state)
{
    struct circuit_world *w = *state;
    struct config_vpls vpls = {.labels = {100, 102}};
    uint32_t number;

    in_vpls_mode(w, &vpls);
    plan_for_peer(w, of_segment_db(w));
    assert_non_null(json_object_get(w->reply_body, "steps"));
    assert_int_equal(store_number_get(w->store, "label/tor", "vc db", &number, NULL), ERR_NOT_FOUND);
    vpls.labels.last = 101;
    assert_refused(w, of_segment_db(w), "ERR_EXHAUSTED",
                   "all labels of switch pe, 100 to 101, are in use; widen vpls.labels");
}

static void no_way_through_the_fabric(void **state)
{
    struct circuit_world *w = *state;
    struct config_vpls vpls = {.labels = {100, 199}};

    in_vpls_mode(w, &vpls);
    port_down(w, "tor", 2);
    plan_for_peer(w, peer_message(w, "ce5", NULL));
    assert_memory_equal(member(json_object_get(w->reply_body, "refused"), "reason"),
                        "the fabric of data center A is cut between pe and tor", 53);
}

static void peer_that_may_not_ask(void **state)
{
    struct circuit_world *w = *state;
    json_t *message = peer_message(w, "ce5", NULL);

    json_object_set_new(message, "source-dc", json_string("C"));
    assert_refused(w, message, "ERR_REFUSED", "certificate 'scg-b' may not speak for data center C");
    plan_for_peer(w, json_pack("{s:i}", "version", 2));
    assert_int_equal(w->reply_status, 400);
    assert_string_equal(member(w->reply_body, "reason"), "migration.version is 2, this gateway speaks 1");
}

/* ---- the source ---- */

static void both_sides_are_shown(void **state)
{
    struct circuit_world *w = *state;
    AUTO_FREE char *before = everything(w);
    struct order order;
    struct err err = {0};

    plan(w, "V1");
    assert_int_equal(w->reply_status, 0);
    assert_int_equal(w->peer_verb, PEER_PLAN);
    assert_int_equal(peer_plan_request_decode(w->peer_body, &order, &err), 0);
    assert_string_equal(order.target_server, "server-b");
    assert_string_equal(order.vms[0].name, "V1");
    assert_true(order.vms[0].has_policy);
    order_free(&order);
    peer_answers(w, 200,
                 json_pack("{s:i, s:[{s:i, s:s, s:s, s:s}]}", "version", 1, "steps", "stage", 3, "step", "levitate",
                           "vm", "V1", "undo", "put it down"));
    assert_int_equal(w->reply_status, 200);
    const char *text = member(w->reply_body, "text");
    assert_non_null(strstr(text, "\n\ndata center A:\nstage 0  channel-reserve"));
    assert_non_null(strstr(text, "\n\ndata center B:\nstage 3  levitate V1                      undo: put it down\n"));
    AUTO_FREE char *target = json_dumps(json_object_get(w->reply_body, "target"), JSON_COMPACT);
    assert_string_equal(target,
                        "{\"dc\":\"B\",\"asked\":true,\"plan\":[{\"stage\":3,\"step\":\"levitate\",\"vm\":\"V1\","
                        "\"undo\":\"put it down\"}]}");
    assert_same(w, before);
}

/* The plan fails like the order would. */
static void assert_fails(struct circuit_world *w, int status, const char *reason)
{
    assert_int_equal(w->reply_status, status);
    assert_string_equal(member(w->reply_body, "reason"), reason);
}

static void target_refuses(void **state)
{
    struct circuit_world *w = *state;
    AUTO_FREE char *before = everything(w);

    plan(w, "V1");
    peer_answers(w, 200,
                 json_pack("{s:i, s:{s:s, s:s}}", "version", 1, "refused", "error", "ERR_NOT_FOUND", "reason",
                           "server server-b is not known in data center B"));
    assert_fails(w, 404, "data center B: server server-b is not known in data center B");
    plan(w, "V1");
    peer_answers(w, 503, json_pack("{s:s, s:s}", "error", "ERR_UNREACHABLE", "reason", "not ready"));
    assert_fails(w, 503, "data center B: not ready");
    plan(w, "V1");
    peer_answers(w, 200, json_pack("{s:i}", "version", 1));
    assert_fails(w, 400, "data center B: plan.steps: missing");
    assert_same(w, before);
}

/* Its switch is read, as the order would do. */
static void policy_is_on_the_switch_or_nowhere(void **state)
{
    struct circuit_world *w = *state;
    struct order order;
    struct err err = {0};

    store_policy_delete(w->store, "V1", NULL);
    plan(w, "V1");
    assert_int_equal(w->reply_status, 0);
    assert_int_equal(peer_plan_request_decode(w->peer_body, &order, &err), 0);
    assert_true(order.vms[0].has_policy);
    order_free(&order);
    peer_answers(w, 404, json_pack("{s:s, s:s}", "error", "ERR_NOT_FOUND", "reason", "there is no path"));
    assert_int_equal(w->reply_status, 200);

    flow_list_free(&w->flows[0]); /* of the ToR */
    w->flows[0] = (struct flow_list) {0};
    AUTO_FREE char *before = everything(w);
    plan(w, "V1");
    assert_fails(w, 404,
                 "VM V1 has no policy, neither in the store nor on its switch; set one with 'scgctl policy apply'");
    assert_same(w, before);
}

static void target_of_an_earlier_version(void **state)
{
    struct circuit_world *w = *state;

    plan(w, "V1");
    peer_answers(w, 404,
                 json_pack("{s:s, s:s}", "error", "ERR_NOT_FOUND", "reason", "there is no path '/peer/v1/plans'"));
    assert_int_equal(w->reply_status, 200);
    AUTO_FREE char *target = json_dumps(json_object_get(w->reply_body, "target"), JSON_COMPACT);
    assert_string_equal(target, "{\"dc\":\"B\",\"asked\":false}");
    assert_non_null(strstr(member(w->reply_body, "text"), "\n\ndata center B was not asked: "));
}

static void target_that_is_away(void **state)
{
    struct circuit_world *w = *state;

    plan(w, "V1");
    peer_away(w);
    assert_fails(w, 503, "the peer is away");
}

static void source_ends_meanwhile(void **state)
{
    struct circuit_world *w = *state;

    plan(w, "V1");
    restart(w);
    assert_int_equal(w->reply_status, 0); /* its server tells who asked */
}

static void as_many_orders_as_allowed(void **state)
{
    struct circuit_world *w = *state;
    struct err err;

    w->config.limits.migrations = 1;
    assert_non_null(order(w, "V1", 0, &err));
    plan(w, "V2");
    assert_fails(w, 429, "1 migrations are open, as many as limits.migrations allows; try again later");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, circuit_world_setup, circuit_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(target_tells_its_steps),
        TEST(what_the_target_would_refuse),
        TEST(user_without_a_path),
        TEST(no_vlan_for_the_segment),
        TEST(no_label_for_the_segment),
        TEST(no_way_through_the_fabric),
        TEST(peer_that_may_not_ask),
        TEST(both_sides_are_shown),
        TEST(target_refuses),
        TEST(target_of_an_earlier_version),
        TEST(target_that_is_away),
        TEST(source_ends_meanwhile),
        TEST(policy_is_on_the_switch_or_nowhere),
        TEST(as_many_orders_as_allowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
