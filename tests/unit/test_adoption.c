/* SPDX-License-Identifier: Apache-2.0 */
/* VMs that are just there: which of them get a network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "fabric_world.h"

static char warned[ERR_TEXT_SIZE];

void __wrap_log_write(enum log_level level, enum log_fault fault, const char *subject, const char *format, ...);

void __wrap_log_write(enum log_level level, enum log_fault fault, const char *subject, const char *format, ...)
{
    va_list arguments;

    (void) fault;
    (void) subject;
    if (level != LOG_WARNING)
        return;
    va_start(arguments, format);
    vsnprintf(warned, sizeof warned, format, arguments);
    va_end(arguments);
}

static void vm_on(struct fabric_world *w, char letter, const char *server, const char *ip, const char *ip6,
                  enum vm_state state)
{
    struct vm *vm = &event_push(&w->queue, EVENT_VM)->vm;

    snprintf(vm->name, NAME_SIZE, "V%c", letter);
    snprintf(vm->segment, NAME_SIZE, "web");
    snprintf(vm->server, NAME_SIZE, "%s", server);
    vm->uuid[15] = (uint8_t) letter;
    vm->state = state;
    vm->n_nics = 1;
    vm->nics[0].mac = (struct mac) {{0x52, 0x54, 0, 0, 0, (uint8_t) letter}};
    assert_int_equal(ip_parse(ip, &vm->nics[0].ip), 0);
    if (ip6)
        assert_int_equal(ip_parse(ip6, &vm->nics[0].ip6.items[vm->nics[0].ip6.n++]), 0);
    warned[0] = '\0';
    run(w);
}

/* Va, Vb ... on server-a. */
static void vm_with(struct fabric_world *w, char letter, const char *ip, const char *ip6, enum vm_state state)
{
    vm_on(w, letter, "server-a", ip, ip6, state);
}

static void listed(struct fabric_world *w, const char *server)
{
    snprintf(event_push(&w->queue, EVENT_SERVER_LISTED)->name, NAME_SIZE, "%s", server);
    run(w);
    pass_ms(w, 10);
}

static void starts_again(struct fabric_world *w)
{
    stop(w);
    start(w);
    links_up(w);
}

static bool has_network(const struct fabric_world *w, char letter)
{
    const uint8_t uuid[UUID_SIZE] = {[15] = (uint8_t) letter};
    unsigned n = 0;

    for (size_t i = 0; i < w->flows[TOR_A].n; i++)
        n += w->flows[TOR_A].flows[i].cookie == cookie_of_vm(uuid);
    assert_int_equal(network_tenant(w->gateway, uuid) != NULL, n > 0);
    return n > 0;
}

static void address_of_another_one(void **state)
{
    struct fabric_world *w = *state;

    vm_with(w, 'a', "10.100.0.97", "fd00::1", VM_RUNNING);
    vm_with(w, 'b', "10.100.0.98", "fd00::1", VM_RUNNING);
    assert_true(has_network(w, 'a') && !has_network(w, 'b'));
    assert_string_equal(warned, "gets no network: address fd00::1 of VM Vb is that of VM Va on server-a; give one of "
                                "them another, or shut one of them off");
    vm_with(w, 'c', "10.100.0.97", NULL, VM_RUNNING);
    assert_false(has_network(w, 'c'));
    assert_non_null(strstr(warned, "address 10.100.0.97 of VM Vc is that of VM Va on server-a"));

    vm_with(w, 'd', "10.100.0.99", NULL, VM_RUNNING);
    struct vm *twin = &event_push(&w->queue, EVENT_VM)->vm;
    *twin = (struct vm) {.uuid = {[15] = 'e'}, .state = VM_RUNNING, .n_nics = 1, .name = "Ve", .segment = "web"};
    snprintf(twin->server, NAME_SIZE, "server-a");
    twin->nics[0].mac = (struct mac) {{0x52, 0x54, 0, 0, 0, 'd'}};
    assert_int_equal(ip_parse("10.100.0.96", &twin->nics[0].ip), 0);
    run(w);
    assert_false(has_network(w, 'e'));
    assert_non_null(strstr(warned, "MAC address 52:54:00:00:00:64 of VM Ve is that of VM Vd on server-a"));

    vm_with(w, 'a', "10.100.0.97", "fd00::1", VM_SHUT_OFF);
    pass_ms(w, 10);
    assert_true(!has_network(w, 'a') && has_network(w, 'b') && has_network(w, 'c'));
}

static void another_one_takes_another_address(void **state)
{
    struct fabric_world *w = *state;

    vm_with(w, 'a', "10.100.0.97", "fd00::1", VM_RUNNING);
    vm_with(w, 'b', "10.100.0.98", "fd00::1", VM_RUNNING);
    vm_with(w, 'a', "10.100.0.97", "fd00::2", VM_RUNNING);
    pass_ms(w, 10);
    assert_true(has_network(w, 'a') && has_network(w, 'b'));
    assert_string_equal(warned, "");
}

/* Whichever of them a gateway that has started is told of first. */
static void address_of_another_one_after_a_restart(void **state)
{
    struct fabric_world *w = *state;

    vm_with(w, 'a', "10.100.0.97", "fd00::1", VM_RUNNING);
    vm_with(w, 'b', "10.100.0.97", NULL, VM_RUNNING);
    vm_with(w, 'c', "10.100.0.98", "fd00::1", VM_RUNNING);
    assert_true(has_network(w, 'a') && !has_network(w, 'b') && !has_network(w, 'c'));
    starts_again(w);
    vm_with(w, 'b', "10.100.0.97", NULL, VM_RUNNING);
    assert_string_equal(warned, "gets no network: address 10.100.0.97 of VM Vb is that of VM Va on server-a; give one "
                                "of them another, or shut one of them off");
    vm_with(w, 'c', "10.100.0.98", "fd00::1", VM_RUNNING);
    assert_non_null(strstr(warned, "address fd00::1 of VM Vc is that of VM Va on server-a"));
    vm_with(w, 'a', "10.100.0.97", "fd00::1", VM_RUNNING);
    listed(w, "server-a");
    listed(w, "server-b");
    assert_true(has_network(w, 'a') && !has_network(w, 'b') && !has_network(w, 'c'));
    vm_with(w, 'a', "10.100.0.97", "fd00::1", VM_SHUT_OFF);
    pass_ms(w, 10);
    assert_true(!has_network(w, 'a') && has_network(w, 'b') && has_network(w, 'c'));
}

/* It may still run, as long as its server has not said that it does not. */
static void address_of_one_that_is_not_seen_yet(void **state)
{
    struct fabric_world *w = *state;

    vm_with(w, 'a', "10.100.0.97", NULL, VM_RUNNING);
    for (unsigned i = 0; i < 2; i++) {
        starts_again(w);
        vm_on(w, 'b', "server-b", "10.100.0.97", NULL, VM_RUNNING);
        listed(w, "server-b");
        pass_ms(w, GATEWAY_GRACE_MS);
        assert_true(w->gateway->ready);
        assert_non_null(strstr(warned, "is that of VM Va on server-a"));
        assert_null(network_tenant(w->gateway, (const uint8_t[UUID_SIZE]) {[15] = 'b'}));
    }
    listed(w, "server-a");
    assert_non_null(network_tenant(w->gateway, (const uint8_t[UUID_SIZE]) {[15] = 'b'}));
    starts_again(w); /* Va is forgotten */
    vm_on(w, 'b', "server-b", "10.100.0.97", NULL, VM_RUNNING);
    assert_string_equal(warned, "");
    assert_non_null(network_tenant(w->gateway, (const uint8_t[UUID_SIZE]) {[15] = 'b'}));
}

/* What it had before the gateway's start is there when it goes on; one that is new waits for that. */
static void is_paused(void **state)
{
    struct fabric_world *w = *state;

    vm_with(w, 'a', "10.100.0.97", NULL, VM_RUNNING);
    vm_with(w, 'a', "10.100.0.97", NULL, VM_PAUSED);
    assert_true(has_network(w, 'a'));
    starts_again(w);
    vm_with(w, 'a', "10.100.0.97", NULL, VM_PAUSED);
    vm_with(w, 'b', "10.100.0.98", NULL, VM_PAUSED);
    listed(w, "server-a");
    listed(w, "server-b");
    assert_true(w->gateway->ready);
    assert_true(has_network(w, 'a') && !has_network(w, 'b'));
    assert_true(network_tenant(w->gateway, (const uint8_t[UUID_SIZE]) {[15] = 'a'})->present);
    vm_with(w, 'b', "10.100.0.98", NULL, VM_RUNNING);
    assert_true(has_network(w, 'b'));
}

static void memory_is_damaged(void **state)
{
    static const char uuid[] = "00000000-0000-0000-0000-000000000061";
    static const char *const texts[] = {
        "{", "{}", "{\"vm\": \"Va\", \"server\": \"server-a\", \"mac\": \"1\", \"addresses\": [\"10.100.0.97\"]}",
        "{\"vm\": \"Va\", \"server\": \"server-a\", \"mac\": \"52:54:00:00:00:61\", \"addresses\": []}",
        "{\"vm\": \"Va\", \"server\": \"server-a\", \"mac\": \"52:54:00:00:00:61\", \"addresses\": [1]}"};
    struct fabric_world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(store_document_put(w->store, "served", uuid, texts[i], NULL), 0);
        starts_again(w);
        vm_with(w, 'b', "10.100.0.97", NULL, VM_RUNNING);
        assert_string_equal(warned, "");
        assert_true(has_network(w, 'b'));
        vm_with(w, 'b', "10.100.0.97", NULL, VM_SHUT_OFF);
    }
}

/* A gateway that has started may know of a VM before it knows at which port of the ToR another one's server is. */
static void queues_of_others_stay(void **state)
{
    struct fabric_world *w = *state;

    assert_int_equal(store_policy_put(w->store, "Va",
                                      "{\"policy\": \"Va\", \"classes\": {\"voice\": {\"dscp\": 46, \"to-vm\": "
                                      "{\"queue\": {\"max-kbps\": 2000}}}}}",
                                      NULL),
                     0);
    stop(w);
    strbuf_clear(&w->queues);
    start(w);
    servers_listed(w);
    vm_with(w, 'a', "10.100.0.97", NULL, VM_RUNNING);
    assert_false(w->gateway->ready);
    assert_string_equal(w->queues.text, "tor-a 1\n");
    strbuf_clear(&w->queues);
    links_up(w);
    assert_true(w->gateway->ready);
    assert_non_null(strstr(w->queues.text, "tor-a 1 complete\n"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fabric_world_setup, fabric_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(address_of_another_one),
        TEST(another_one_takes_another_address),
        TEST(address_of_another_one_after_a_restart),
        TEST(address_of_one_that_is_not_seen_yet),
        TEST(is_paused),
        TEST(memory_is_damaged),
        TEST(queues_of_others_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
