/* SPDX-License-Identifier: Apache-2.0 */
/* The libvirt driver against libvirt's own test driver, which lives in this process: one server with one running VM,
 * "test". What is no request of the driver's is done to the VM by a second connection, as virsh would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <libvirt/libvirt.h>

#include "base/alloc.h"
#include "south/hypervisor_libvirt.h"

static const uint8_t vm_uuid[UUID_SIZE] = {0x66, 0x95, 0xeb, 0x01, 0xf6, 0xa4, 0x83, 0x04,
                                           0x79, 0xaa, 0x97, 0xf2, 0x50, 0x2e, 0x19, 0x3f};

struct bench {
    struct loop *loop;
    struct event_queue queue;
    struct hypervisor_driver *driver;
    virConnectPtr virsh;
    virDomainPtr domain;
};

static void stop_loop(void *loop)
{
    loop_stop(loop);
}

/* The next event, which has to be of that type. */
static struct event *expect(struct bench *bench, enum event_type type)
{
    while (!bench->queue.n)
        loop_run(bench->loop);

    struct event *event = event_pop(&bench->queue);
    assert_int_equal(event->type, type);
    return event;
}

static void expect_vm(struct bench *bench, enum vm_state state)
{
    struct event *event = expect(bench, EVENT_VM);

    assert_int_equal(event->vm_cause, CAUSE_DISCOVERED);
    assert_string_equal(event->vm.name, "test");
    assert_string_equal(event->vm.server, "server-a");
    assert_memory_equal(event->vm.uuid, vm_uuid, UUID_SIZE);
    assert_int_equal(event->vm.state, state);
    event_discard(event);
}

static void expect_place(struct bench *bench, uint64_t request, const uint8_t *uuid, enum vm_place place)
{
    bench->driver->ops->locate(bench->driver, request, "server-a", uuid);
    struct event *event = expect(bench, EVENT_DONE);

    assert_int_equal(event->request, request);
    assert_int_equal(event->err.code, 0);
    assert_string_equal(vm_place_name(event->location), vm_place_name(place));
    event_discard(event);
}

static void expect_up(struct bench *bench)
{
    struct event *event = expect(bench, EVENT_SERVER_UP);

    assert_string_equal(event->name, "server-a");
    assert_true(event->server.up);
    assert_true(event->server.memory_free_kib <= event->server.memory_kib);
    event_discard(event);
}

static int set_up(void **state)
{
    static const struct hypervisor_libvirt_server servers[] = {{"server-a", "test:///default"}};
    static const struct hypervisor_libvirt_config config = {servers, ARRAY_LEN(servers), 1};
    struct bench *bench = xcalloc(1, sizeof *bench);

    bench->loop = loop_new();
    bench->queue.wake = stop_loop;
    bench->queue.wake_arg = bench->loop;
    bench->driver = hypervisor_libvirt_new(bench->loop, &bench->queue, &config);
    expect_up(bench);
    expect_vm(bench, VM_RUNNING);
    event_discard(expect(bench, EVENT_SERVER_LISTED));
    bench->virsh = virConnectOpen("test:///default");
    bench->domain = virDomainLookupByUUID(bench->virsh, vm_uuid);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    virDomainFree(bench->domain);
    bench->driver->ops->free(bench->driver);
    virConnectClose(bench->virsh);
    event_queue_clear(&bench->queue);
    loop_free(bench->loop);
    free(bench);
    return 0;
}

static void test_locate(void **state)
{
    struct bench *bench = *state;
    const uint8_t other[UUID_SIZE] = {1};

    expect_place(bench, 1, vm_uuid, PLACE_RUNNING);
    expect_place(bench, 2, other, PLACE_ABSENT);

    bench->driver->ops->locate(bench->driver, 3, "server-z", vm_uuid);
    struct event *event = expect(bench, EVENT_DONE);
    assert_int_equal(event->request, 3);
    assert_int_equal(event->err.code, ERR_NOT_FOUND);
    assert_int_equal(event->location, PLACE_UNKNOWN);
    event_discard(event);
}

static void test_changes_are_told(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(virDomainSuspend(bench->domain), 0);
    expect_vm(bench, VM_PAUSED);
    expect_place(bench, 1, vm_uuid, PLACE_PAUSED);
    assert_int_equal(virDomainResume(bench->domain), 0);
    expect_vm(bench, VM_RUNNING);

    /* Shut off it takes no memory, so the server's free memory is told, too. */
    assert_int_equal(virDomainDestroy(bench->domain), 0);
    expect_vm(bench, VM_SHUT_OFF);
    expect_up(bench);
    expect_place(bench, 2, vm_uuid, PLACE_ABSENT);

    assert_int_equal(virDomainUndefine(bench->domain), 0);
    struct event *event = expect(bench, EVENT_VM_GONE);
    assert_string_equal(event->vm.name, "test");
    assert_string_equal(event->vm.server, "server-a");
    assert_memory_equal(event->vm.uuid, vm_uuid, UUID_SIZE);
    event_discard(event);
}

static void expect_failure(struct bench *bench, uint64_t request, int code, const char *says)
{
    struct event *event = expect(bench, EVENT_DONE);

    assert_int_equal(event->request, request);
    assert_int_equal(event->err.code, code);
    assert_non_null(strstr(event->err.text, says));
    event_discard(event);
}

/* libvirt's test driver cannot migrate. */
static void test_requests_that_fail_say_why(void **state)
{
    struct bench *bench = *state;
    struct hypervisor_transfer transfer = {.vm = "test",
                                           .server = "server-a",
                                           .target_uri = "test:///other",
                                           .target_address = "192.0.2.1",
                                           .max_downtime_ms = 30};
    const uint8_t other[UUID_SIZE] = {1};

    memcpy(transfer.uuid, vm_uuid, UUID_SIZE);
    bench->driver->ops->transfer(bench->driver, 1, &transfer);
    expect_failure(bench, 1, ERR_UNSUPPORTED, "transfer of VM test from server-a to test:///other: ");
    expect_place(bench, 2, vm_uuid, PLACE_RUNNING);

    memcpy(transfer.uuid, other, UUID_SIZE);
    bench->driver->ops->transfer(bench->driver, 3, &transfer);
    expect_failure(bench, 3, ERR_NOT_FOUND, "01000000-0000-0000-0000-000000000000");

    memcpy(transfer.uuid, vm_uuid, UUID_SIZE);
    assert_int_equal(virDomainSuspend(bench->domain), 0);
    expect_vm(bench, VM_PAUSED);
    bench->driver->ops->transfer(bench->driver, 4, &transfer);
    expect_failure(bench, 4, ERR_CONFLICT, "VM test on server-a is paused");

    memcpy(transfer.server, "server-z", sizeof "server-z");
    bench->driver->ops->transfer(bench->driver, 5, &transfer);
    expect_failure(bench, 5, ERR_NOT_FOUND, "no server is called server-z");

    bench->driver->ops->abort(bench->driver, 6, "server-a", other);
    expect_failure(bench, 6, ERR_NOT_FOUND, "01000000-0000-0000-0000-000000000000");
    bench->driver->ops->abort(bench->driver, 7, "server-z", vm_uuid);
    expect_failure(bench, 7, ERR_NOT_FOUND, "no server is called server-z");
}

/* An address that nobody listens on: told once, and requests fail at once. */
static void test_server_that_is_down(void **state)
{
    static const struct hypervisor_libvirt_server servers[] = {
        {"server-b", "test+unix:///default?socket=/nonexistent"}};
    static const struct hypervisor_libvirt_config config = {servers, ARRAY_LEN(servers), 1};
    struct bench bench = {.loop = loop_new()};

    (void) state;
    bench.queue.wake = stop_loop;
    bench.queue.wake_arg = bench.loop;
    bench.driver = hypervisor_libvirt_new(bench.loop, &bench.queue, &config);
    struct event *event = expect(&bench, EVENT_SERVER_DOWN);
    assert_string_equal(event->name, "server-b");
    assert_int_equal(event->err.code, ERR_UNREACHABLE);
    assert_non_null(strstr(event->err.text, "/nonexistent"));
    event_discard(event);

    bench.driver->ops->locate(bench.driver, 1, "server-b", vm_uuid);
    event = expect(&bench, EVENT_DONE);
    assert_int_equal(event->err.code, ERR_UNREACHABLE);
    assert_int_equal(event->location, PLACE_UNKNOWN);
    event_discard(event);
    bench.driver->ops->free(bench.driver);
    event_queue_clear(&bench.queue);
    loop_free(bench.loop);
}

/* Freed at once, while it connects. */
static void test_free_while_connecting(void **state)
{
    static const struct hypervisor_libvirt_server servers[] = {{"server-a", "test:///default"},
                                                               {"server-b", "test:///default"}};
    static const struct hypervisor_libvirt_config config = {servers, ARRAY_LEN(servers), 1};
    struct loop *loop = loop_new();
    struct event_queue queue = {0};

    (void) state;
    struct hypervisor_driver *driver = hypervisor_libvirt_new(loop, &queue, &config);
    driver->ops->free(driver);
    assert_int_equal(queue.n, 0);
    event_queue_clear(&queue);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_locate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changes_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_requests_that_fail_say_why, set_up, tear_down),
        cmocka_unit_test(test_server_that_is_down),
        cmocka_unit_test(test_free_while_connecting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
