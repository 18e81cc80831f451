/* SPDX-License-Identifier: Apache-2.0 */
/* Queues of a ToR's ports, and what policies promise by them. V1 and V2 run at port 1 of the ToR; ports 2 and 3 lead
 * into the fabric. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "circuit_world.h"
#include "circuit_world_internal.h"
#include "scgd/bookings.h"

#define CLASS(name, dscp, way, queue) "{\"" name "\": {\"dscp\": " dscp ", \"" way "\": {\"queue\": " queue "}}}"

static void rates_are(struct circuit_world *w, uint32_t server, uint32_t fabric)
{
    port_rate(w, "tor", 1, server);
    port_rate(w, "tor", 2, fabric);
    port_rate(w, "tor", 3, fabric);
}

static json_t *policy_of(const char *vm, const char *classes)
{
    json_t *json = json_pack("{s:s, s:o}", "policy", vm, "classes", json_loads(classes, 0, NULL));

    assert_non_null(json);
    return json;
}

static int put(struct circuit_world *w, const char *vm, const char *classes, struct err *err)
{
    json_t *json = policy_of(vm, classes);
    int status = w->backend.policy_put(w->gateway, vm, json, err);

    json_decref(json);
    world_run(w);
    return status;
}

static void accept(struct circuit_world *w, const char *vm, const char *classes, const char *queues)
{
    struct err err = {0};

    if (put(w, vm, classes, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(w->queues.length ? w->queues.text : "", queues);
}

static void refuse(struct circuit_world *w, const char *vm, const char *classes, const char *sentence)
{
    struct err err = {0};

    assert_int_equal(put(w, vm, classes, &err), ERR_REFUSED);
    assert_string_equal(err.text, sentence);
}

static uint64_t booked(const struct circuit_world *w, uint32_t port)
{
    const struct switch_info *tor = inventory_switch(&w->gateway->inventory, "tor");

    return bookings_of_port(w->gateway, tor, switch_port_by_number(tor, port));
}

static void queues_follow_policies(void **state)
{
    struct circuit_world *w = *state;

    rates_are(w, 10000, 8000);
    accept(w, "V1", CLASS("voice", "46", "to-vm", "{\"min-kbps\": 3000}"), "1/1 3000-0 46 V1\n");
    /* What is from a VM may leave by any port of the fabric. */
    accept(w, "V2", CLASS("bulk", "10", "from-vm", "{\"min-kbps\": 1000, \"max-kbps\": 2000}"),
           "1/1 3000-0 46 V1\n2/2 1000-2000 10 V2\n3/2 1000-2000 10 V2\n");
    assert_int_equal(booked(w, 1), 3000);
    assert_int_equal(booked(w, 2), 1000);
    assert_int_equal(booked(w, 3), 1000);
    accept(w, "V1", CLASS("voice", "46", "to-vm", "{\"max-kbps\": 5000}"),
           "1/1 0-5000 46 V1\n2/2 1000-2000 10 V2\n3/2 1000-2000 10 V2\n");
    assert_int_equal(booked(w, 1), 0);
    accept(w, "V1", "{\"voice\": {\"dscp\": 46}}", "2/2 1000-2000 10 V2\n3/2 1000-2000 10 V2\n");
    /* Its number is free again. */
    accept(w, "V2", "{}", "");
    accept(w, "V2", CLASS("bulk", "10", "to-vm", "{\"max-kbps\": 2000}"), "1/1 0-2000 10 V2\n");
}

static void promises_are_kept(void **state)
{
    struct circuit_world *w = *state;

    rates_are(w, 10000, 8000);
    refuse(w, "V1", CLASS("voice", "46", "to-vm", "{\"min-kbps\": 10001}"),
           "policy V1: classes.voice.to-vm.queue.min-kbps: 10001 is more than the 10000 kbit/s that port tor-server of "
           "switch tor passes");
    refuse(w, "V1", CLASS("voice", "46", "from-vm", "{\"max-kbps\": 8001}"),
           "policy V1: classes.voice.from-vm.queue.max-kbps: 8001 is more than the 8000 kbit/s that port tor-pe of "
           "switch tor passes");
    accept(w, "V1", CLASS("voice", "46", "to-vm", "{\"min-kbps\": 6000}"), "1/1 6000-0 46 V1\n");
    refuse(w, "V2", CLASS("voice", "46", "to-vm", "{\"min-kbps\": 4001}"),
           "port tor-server of switch tor passes 10000 kbit/s, of which 6000 are promised to other VMs; V2 is promised "
           "4001 to it");
    /* A policy in place of itself. */
    accept(w, "V1", CLASS("voice", "46", "to-vm", "{\"min-kbps\": 10000}"), "1/1 10000-0 46 V1\n");
    accept(w, "V1", CLASS("voice", "46", "to-vm", "{\"min-kbps\": 6000}"), "1/1 6000-0 46 V1\n");
    accept(w, "V2", CLASS("voice", "46", "to-vm", "{\"min-kbps\": 4000}"), "1/1 6000-0 46 V1\n1/2 4000-0 46 V2\n");
    rates_are(w, 0, 0);
    refuse(w, "V1", CLASS("voice", "46", "to-vm", "{\"max-kbps\": 1}"),
           "class voice of VM V1 needs a queue, but port tor-server of switch tor does not tell its rate: set "
           "external_ids:scg-rate-kbps of its row in OVSDB's Port");
}

/* V9, which comes, is promised this much; in a plan, and in an order. */
static void bring(struct circuit_world *w, bool only_plan)
{
    json_t *message = peer_message(w, "ce5", NULL);
    json_t *vm = json_array_get(json_object_get(message, "vms"), 0);

    json_object_set_new(vm, "policy", policy_of("V9", CLASS("voice", "46", "to-vm", "{\"min-kbps\": 4001}")));
    if (only_plan) {
        plan_for_peer(w, message);
        return;
    }
    w->backend.peer_configure(w->gateway, "scg-b", w->peer_order, message, next_reply(w));
    json_decref(message);
    world_run(w);
}

static const char *reason(const struct circuit_world *w)
{
    const char *text = json_string_value(json_object_get(w->reply_body, "reason"));

    return text ? text : "";
}

static void target_refuses_before_the_move(void **state)
{
    struct circuit_world *w = *state;
    const char *sentence =
        "port tor-server of switch tor passes 10000 kbit/s, of which 6000 are promised to other VMs; "
        "V9 is promised 4001 to it";

    rates_are(w, 10000, 8000);
    accept(w, "V1", CLASS("voice", "46", "to-vm", "{\"min-kbps\": 6000}"), "1/1 6000-0 46 V1\n");
    bring(w, true);
    assert_string_equal(json_string_value(json_object_get(json_object_get(w->reply_body, "refused"), "reason")),
                        sentence);
    bring(w, false);
    assert_string_equal(reason(w), sentence);
    assert_int_equal(booked(w, 1), 6000);

    accept(w, "V1", "{}", "");
    bring(w, false);
    assert_int_equal(booked(w, 1), 4001);
    assert_string_equal(w->queues.text, "1/1 4001-0 46 V9\n");
    refuse(w, "V1", CLASS("voice", "46", "to-vm", "{\"min-kbps\": 6000}"),
           "port tor-server of switch tor passes 10000 kbit/s, of which 4001 are promised to other VMs; V1 is promised "
           "6000 to it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(queues_follow_policies, circuit_world_setup, circuit_world_teardown),
        cmocka_unit_test_setup_teardown(promises_are_kept, circuit_world_setup, circuit_world_teardown),
        cmocka_unit_test_setup_teardown(target_refuses_before_the_move, circuit_world_setup, circuit_world_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
