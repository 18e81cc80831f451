/* SPDX-License-Identifier: Apache-2.0 */
/* What a target refuses because the VM's frames would not fit: V9 has an MTU of 1500 and comes to server-a. */
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

static void what_is_not_told_is_no_obstacle(void **state)
{
    assert_admitted(*state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, circuit_world_setup, circuit_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(port_of_the_server), TEST(narrowest_port_of_the_fabric),    TEST(labels_take_room),
        TEST(fabric_that_is_cut), TEST(what_is_not_told_is_no_obstacle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
