/* SPDX-License-Identifier: Apache-2.0 */
/* What a target refuses because the VM's frames, or its flows, would not fit: V9 has an MTU of 1500 and comes to
 * server-a. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "circuit_world.h"

static const char *reason(const struct circuit_world *w)
{
    const char *text = json_string_value(json_object_get(w->reply_body, "reason"));

    return text ? text : "";
}

static unsigned made; /* how often flows of a VM were made */

void __real_pipeline_vm_tor(struct flow_txn *txn, const struct pipeline_segment *segment, const struct pipeline_vm *vm,
                            const struct policy *policy, const struct policy_numbers *numbers);
void __wrap_pipeline_vm_tor(struct flow_txn *txn, const struct pipeline_segment *segment, const struct pipeline_vm *vm,
                            const struct policy *policy, const struct policy_numbers *numbers);

void __wrap_pipeline_vm_tor(struct flow_txn *txn, const struct pipeline_segment *segment, const struct pipeline_vm *vm,
                            const struct policy *policy, const struct policy_numbers *numbers)
{
    made++;
    __real_pipeline_vm_tor(txn, segment, vm, policy, numbers);
}

/* V9's order goes as far as it can: its user's circuit is asked for. */
static void assert_admitted(struct circuit_world *w)
{
    order_from_peer(w, "ce5", NULL);
    assert_string_equal(state_of(w, w->peer_order), "internal_channel");
}

static void assert_refused(struct circuit_world *w, const char *text)
{
    order_from_peer(w, "ce5", NULL);
    assert_string_equal(reason(w), text);
    assert_int_equal(w->reply_status, 409);
    assert_string_equal(state_of(w, w->peer_order), "rolled_back");
}

static void port_of_the_server(void **state)
{
    struct circuit_world *w = *state;

    port_mtu(w, "tor", 1, 1499);
    assert_refused(w,
                   "VM V9 has an MTU of 1500 and needs 1500 on the link to its server; port tor-server of switch tor "
                   "has 1499: raise it to 1500 at both ends of the link, or lower the VM's to 1499");
    port_mtu(w, "tor", 1, 1500);
    assert_admitted(w);
}

static void narrowest_port_of_the_fabric(void **state)
{
    struct circuit_world *w = *state;

    port_mtu(w, "tor", 1, 1500);
    port_mtu(w, "tor", 2, 1500);
    port_mtu(w, "tor", 3, 1400);
    port_mtu(w, "pe", 3, 1450);
    assert_refused(w,
                   "VM V9 has an MTU of 1500 and needs 1500 on every link of the fabric; port tor-gate of switch tor "
                   "has 1400: raise it to 1500 at both ends of the link, or lower the VM's to 1400");
    port_mtu(w, "tor", 3, 9000);
    assert_refused(w, "VM V9 has an MTU of 1500 and needs 1500 on every link of the fabric; port pe-tor of switch pe "
                      "has 1450: raise it to 1500 at both ends of the link, or lower the VM's to 1450");
    /* Ports that lead elsewhere do not matter. */
    port_mtu(w, "pe", 3, 1500);
    port_mtu(w, "pe", 1, 576);
    port_mtu(w, "gate", 2, 576);
    assert_admitted(w);
}

static void labels_take_room(void **state)
{
    struct circuit_world *w = *state;
    struct config_vpls vpls = {.labels = {100, 199}};

    in_vpls_mode(w, &vpls);
    port_mtu(w, "tor", 1, 1500);
    port_mtu(w, "tor", 2, 1521);
    port_mtu(w, "tor", 3, 576); /* is not on the way */
    assert_refused(w, "VM V9 has an MTU of 1500 and needs 1522 on every link of the tunnel to its PE; port tor-pe of "
                      "switch tor has 1521: raise it to 1522 at both ends of the link, or lower the VM's to 1499");
    port_mtu(w, "tor", 2, 1522);
    port_mtu(w, "pe", 3, 1400);
    assert_refused(w, "VM V9 has an MTU of 1500 and needs 1522 on every link of the tunnel to its PE; port pe-tor of "
                      "switch pe has 1400: raise it to 1522 at both ends of the link, or lower the VM's to 1378");
    port_mtu(w, "pe", 3, 1522);
    assert_admitted(w);
}

static void fabric_that_is_cut(void **state)
{
    struct circuit_world *w = *state;
    struct config_vpls vpls = {.labels = {100, 199}};

    in_vpls_mode(w, &vpls);
    port_down(w, "tor", 2);
    order_from_peer(w, "ce5", NULL);
    assert_int_equal(w->reply_status, 503);
    assert_non_null(strstr(reason(w), "the fabric of data center A is cut between pe and tor"));
}

/* V9 needs seven flows against spoofing; V1 and V2 have as many each at the same ToR, and seven are for all. */
static void table_that_is_full(void **state)
{
    struct circuit_world *w = *state;

    AUTO_FREE char *refusal = xasprintf(
        "table %d of switch tor takes 27 flows (Flow_Table flow_limit), of which 21 are "
        "taken or promised; the order needs 7: raise the limit, or use rules that need "
        "fewer flows",
        TOR_SPOOF);

    table_limit(w, "tor", TOR_SPOOF, 27);
    assert_refused(w, refusal);
    table_limit(w, "tor", TOR_SPOOF, 28);
    assert_admitted(w);
}

static void assert_policy(struct circuit_world *w, const char *ports, const char *refusal)
{
    json_t *policy = json_pack("{s:s, s:[{s:s, s:s, s:s, s:s}]}", "policy", "V1", "rules", "direction", "to-vm",
                               "action", "allow", "protocol", "tcp", "destination-port", ports);
    struct err err = {0};

    w->backend.policy_put(w->gateway, "V1", policy, &err);
    assert_string_equal(err.text, refusal ? refusal : "");
    json_decref(policy);
}

/* Refused before it is stored; one may replace itself. */
static void policy_that_is_too_large(void **state)
{
    struct circuit_world *w = *state;
    AUTO_FREE char *before = NULL, *after = NULL;

    table_limit(w, "tor", TOR_POLICY_TO, 9);
    assert_policy(w, "1-8", NULL);
    assert_int_equal(store_policy_get(w->store, "V1", &before, NULL), 0);
    AUTO_FREE char *refusal = xasprintf("table %d of switch tor takes 9 flows (Flow_Table flow_limit), of which 4 are "
                                        "taken or promised; the policy needs 6: raise the limit, or use rules that "
                                        "need fewer flows",
                                        TOR_POLICY_TO);

    assert_policy(w, "1-16", refusal);
    assert_int_equal(store_policy_get(w->store, "V1", &after, NULL), 0);
    assert_string_equal(before, after);
    assert_policy(w, "2-9", NULL);
}

static void assert_used(struct circuit_world *w, unsigned used)
{
    json_t *json = NULL;

    assert_int_equal(w->backend.get(w->gateway, "switches", "tor", &json, NULL), 0);
    const json_t *table = json_array_get(json_object_get(json, "tables"), 0);
    assert_int_equal(json_integer_value(json_object_get(table, "used")), used);
    json_decref(json);
}

static void looking_is_cheap(void **state)
{
    struct circuit_world *w = *state;

    table_limit(w, "tor", TOR_POLICY_TO, 100);
    assert_policy(w, "1-8", NULL);
    assert_used(w, 9);
    made = 0;
    assert_used(w, 9);
    assert_int_equal(made, 0);
    assert_policy(w, "1-16", NULL);
    assert_used(w, 10);
}

static void what_is_not_told_is_no_obstacle(void **state)
{
    assert_admitted(*state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, circuit_world_setup, circuit_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(port_of_the_server), TEST(narrowest_port_of_the_fabric),
        TEST(labels_take_room),   TEST(fabric_that_is_cut),
        TEST(table_that_is_full), TEST(policy_that_is_too_large),
        TEST(looking_is_cheap),   TEST(what_is_not_told_is_no_obstacle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
