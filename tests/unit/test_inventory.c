/* SPDX-License-Identifier: Apache-2.0 */
/* The inventory: identities, replacement, removal, finders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/err.h"
#include "model/inventory.h"

static struct vm make_vm(const char *name, uint8_t number, const char *server, enum vm_state state)
{
    struct vm vm = {.uuid = {number}, .state = state};

    assert_int_equal(name_copy(vm.name, name), 0);
    assert_int_equal(name_copy(vm.server, server), 0);
    return vm;
}

static void test_uuid(void **state)
{
    (void) state;
    const char *text = "5c670000-0000-4000-8000-525400000011";
    const uint8_t bytes[UUID_SIZE] = {0x5c, 0x67, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0x52, 0x54, 0, 0, 0, 0x11};
    uint8_t uuid[UUID_SIZE];
    char back[UUID_TEXT_SIZE];

    assert_int_equal(uuid_parse(text, uuid), 0);
    assert_memory_equal(uuid, bytes, UUID_SIZE);
    uuid_format(uuid, back);
    assert_string_equal(back, text);
    assert_int_equal(uuid_parse("5C670000-0000-4000-8000-525400000011", uuid), 0);
    assert_memory_equal(uuid, bytes, UUID_SIZE);
}

static void test_uuid_nonsense_leaves_the_output_alone(void **state)
{
    (void) state;
    static const char *const nonsense[] = {
        "",
        "5",
        "5c670000",
        "5c670000-0000-4000-8000-52540000001",
        "5c670000-0000-4000-8000-5254000000111",
        "5c6700000000400080005254000000110000",
        "5c670000-0000-4000-8000-52540000001g",
        " 5c670000-0000-4000-8000-525400000011",
        "5c670000-0000-4000-8000_525400000011",
    };
    uint8_t uuid[UUID_SIZE] = {1, 2, 3};
    const uint8_t before[UUID_SIZE] = {1, 2, 3};

    for (size_t i = 0; i < ARRAY_LEN(nonsense); i++)
        assert_int_equal(uuid_parse(nonsense[i], uuid), ERR_INVALID);
    assert_memory_equal(uuid, before, UUID_SIZE);
}

static void test_name_copy_at_its_limit(void **state)
{
    (void) state;
    char fits[NAME_SIZE], longer[NAME_SIZE + 1], to[NAME_SIZE] = "before";

    memset(fits, 'x', sizeof fits);
    fits[NAME_SIZE - 1] = '\0';
    memset(longer, 'x', sizeof longer);
    longer[NAME_SIZE] = '\0';
    assert_int_equal(name_copy(to, fits), 0);
    assert_string_equal(to, fits);
    assert_int_equal(name_copy(to, longer), ERR_TOO_LARGE);
    assert_string_equal(to, "");
}

static void test_vm_is_identified_by_uuid_and_server(void **state)
{
    (void) state;
    struct inventory inventory = {0};
    struct vm vm = make_vm("V1", 1, "server-a", VM_PAUSED);

    inventory_set_vm(&inventory, &vm);
    vm = make_vm("V1", 1, "server-b", VM_INCOMING);
    inventory_set_vm(&inventory, &vm);
    assert_int_equal(inventory.n_vms, 2);

    vm = make_vm("V1", 1, "server-b", VM_RUNNING);
    inventory_set_vm(&inventory, &vm);
    assert_int_equal(inventory.n_vms, 2);

    /* Where both servers have it, the one that runs it is meant. */
    const uint8_t uuid[UUID_SIZE] = {1};
    assert_string_equal(inventory_vm(&inventory, "V1")->server, "server-b");
    assert_string_equal(inventory_vm_by_uuid(&inventory, uuid)->server, "server-b");

    inventory_remove_vm(&inventory, uuid, "server-c");
    assert_int_equal(inventory.n_vms, 2);
    inventory_remove_vm(&inventory, uuid, "server-b");
    assert_string_equal(inventory_vm(&inventory, "V1")->server, "server-a");
    inventory_remove_vm(&inventory, uuid, "server-a");
    assert_null(inventory_vm(&inventory, "V1"));
    assert_null(inventory_vm_by_uuid(&inventory, uuid));
    inventory_free(&inventory);
}

static void test_removal_keeps_the_order(void **state)
{
    (void) state;
    struct inventory inventory = {0};

    for (uint8_t i = 0; i < 20; i++) {
        char name[8];

        snprintf(name, sizeof name, "V%u", i);
        struct vm vm = make_vm(name, i, "server-a", VM_RUNNING);
        inventory_set_vm(&inventory, &vm);
    }
    const uint8_t third[UUID_SIZE] = {3}, last[UUID_SIZE] = {19};
    inventory_remove_vm(&inventory, third, "server-a");
    inventory_remove_vm(&inventory, last, "server-a");
    assert_int_equal(inventory.n_vms, 18);
    for (size_t i = 0; i < 18; i++)
        assert_int_equal(inventory.vms[i].uuid[0], i < 3 ? i : i + 1);
    inventory_free(&inventory);
}

static struct switch_info make_switch(const char *name, uint32_t n_ports)
{
    struct switch_info sw = {.up = true, .n_ports = n_ports};

    assert_int_equal(name_copy(sw.name, name), 0);
    sw.ports = xcalloc(n_ports, sizeof *sw.ports);
    for (uint32_t i = 0; i < n_ports; i++) {
        sw.ports[i].number = i + 1;
        snprintf(sw.ports[i].name, NAME_SIZE, "%s-%u", name, i + 1);
    }
    return sw;
}

static void test_switch_is_replaced_by_name(void **state)
{
    (void) state;
    struct inventory inventory = {0};

    inventory_set_switch(&inventory, make_switch("tor-a", 2));
    inventory_set_switch(&inventory, make_switch("p1", 1));
    inventory_set_switch(&inventory, make_switch("tor-a", 4));
    assert_int_equal(inventory.n_switches, 2);

    const struct switch_info *tor = inventory_switch(&inventory, "tor-a");
    assert_int_equal(tor->n_ports, 4);
    assert_int_equal(switch_port_by_name(tor, "tor-a-3")->number, 3);
    assert_null(switch_port_by_name(tor, "tor-a-5"));
    assert_null(inventory_switch(&inventory, "p2"));

    /* The same ports handed back must not be freed. */
    struct switch_info down = *tor;
    down.up = false;
    inventory_set_switch(&inventory, down);
    assert_false(inventory_switch(&inventory, "tor-a")->up);
    assert_int_equal(switch_port_by_name(inventory_switch(&inventory, "tor-a"), "tor-a-4")->number, 4);
    inventory_free(&inventory);
}

static void test_server_is_replaced_by_name(void **state)
{
    (void) state;
    struct inventory inventory = {0};

    inventory_set_server(&inventory, &(struct server) {.name = "server-a", .up = true, .cpus = 2});
    inventory_set_server(&inventory, &(struct server) {.name = "server-a", .up = false, .cpus = 2});
    assert_int_equal(inventory.n_servers, 1);
    assert_false(inventory_server(&inventory, "server-a")->up);
    assert_null(inventory_server(&inventory, "server-b"));
    inventory_free(&inventory);
}

static void test_links(void **state)
{
    (void) state;
    struct inventory inventory = {0};
    const struct link links[] = {
        {.from_switch = "p1", .from_port = 1, .to_switch = "p2", .to_port = 7},
        {.from_switch = "p2", .from_port = 7, .to_switch = "p1", .to_port = 1},
        {.from_switch = "p1", .from_port = 2, .to_switch = "p3", .to_port = 1},
        {.from_switch = "p1", .from_port = 2, .to_switch = "p4", .to_port = 1}, /* recabled */
    };

    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        inventory_set_link(&inventory, &links[i]);
    assert_int_equal(inventory.n_links, 3);
    assert_string_equal(inventory.links[2].to_switch, "p4");

    /* One direction, and not one to where it does not lead. */
    inventory_remove_link(&inventory, &links[2]);
    assert_int_equal(inventory.n_links, 3);
    inventory_remove_link(&inventory, &links[1]);
    assert_int_equal(inventory.n_links, 2);
    assert_string_equal(inventory.links[0].to_switch, "p2");
    inventory_set_link(&inventory, &links[1]);

    /* Both directions end at the port. */
    inventory_remove_links(&inventory, "p1", 1);
    assert_int_equal(inventory.n_links, 1);
    assert_int_equal(inventory.links[0].from_port, 2);
    inventory_remove_links(&inventory, "p1", 9);
    assert_int_equal(inventory.n_links, 1);
    inventory_free(&inventory);
}

static void test_attachments(void **state)
{
    (void) state;
    struct inventory inventory = {0};
    const struct attachment attachments[] = {
        {.server = "server-a", .server_port = "mig", .switch_name = "pe3", .port = 2},
        {.server = "server-a", .server_port = "uplink", .switch_name = "tor-a", .port = 3},
        {.server = "server-b", .server_port = "uplink", .switch_name = "tor-b", .port = 3},
    };

    for (size_t i = 0; i < ARRAY_LEN(attachments); i++)
        inventory_set_attachment(&inventory, &attachments[i]);

    assert_string_equal(inventory_attachment(&inventory, "server-a", "pe3")->server_port, "mig");
    assert_string_equal(inventory_attachment(&inventory, "server-a", "tor-a")->server_port, "uplink");
    assert_null(inventory_attachment(&inventory, "server-a", "tor-b"));
    assert_null(inventory_attachment(&inventory, "server-c", "tor-a"));

    /* Another server behind the same port: the cable was moved. */
    const struct attachment moved = {.server = "server-c", .server_port = "uplink", .switch_name = "tor-a", .port = 3};
    inventory_set_attachment(&inventory, &moved);
    assert_int_equal(inventory.n_attachments, 3);
    assert_null(inventory_attachment(&inventory, "server-a", "tor-a"));

    /* The same interface behind another port. */
    const struct attachment plugged = {
        .server = "server-b", .server_port = "uplink", .switch_name = "tor-a", .port = 4};
    inventory_set_attachment(&inventory, &plugged);
    assert_int_equal(inventory.n_attachments, 3);
    assert_null(inventory_attachment(&inventory, "server-b", "tor-b"));
    assert_int_equal(inventory_attachment(&inventory, "server-b", "tor-a")->port, 4);
    inventory_free(&inventory);
}

static void test_state_names_differ(void **state)
{
    (void) state;
    for (enum vm_state a = VM_SHUT_OFF; a <= VM_CRASHED; a++)
        for (enum vm_state b = VM_SHUT_OFF; b < a; b++)
            assert_string_not_equal(vm_state_name(a), vm_state_name(b));
    assert_string_equal(vm_state_name(VM_RUNNING), "running");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_uuid_nonsense_leaves_the_output_alone),
        cmocka_unit_test(test_name_copy_at_its_limit),
        cmocka_unit_test(test_vm_is_identified_by_uuid_and_server),
        cmocka_unit_test(test_removal_keeps_the_order),
        cmocka_unit_test(test_switch_is_replaced_by_name),
        cmocka_unit_test(test_server_is_replaced_by_name),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_attachments),
        cmocka_unit_test(test_state_names_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
