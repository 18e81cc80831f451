/* SPDX-License-Identifier: Apache-2.0 */
/* In which order probe packets go into a ToR. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "core/probe.h"
#include "fabric_world.h"
#include "policy_text.h"
#include "scgd/probing.h"

#define PROBES_MAX 100

static struct world {
    struct fabric_world *fabric;
    struct probe *probes;
    size_t n;
    unsigned sent[PROBES_MAX]; /* how often */
    struct strbuf order;       /* a letter of each that was sent: Allowed, Denied, Rejected */
    bool ended;
    struct err err;
} world;

static void make_uuid(void *arg, uint8_t uuid[UUID_SIZE])
{
    (void) arg;
    memset(uuid, 0, UUID_SIZE);
}

static void comes_back(const char *tor, uint64_t cookie, const struct switch_injection *injection)
{
    struct event *event = event_push(&world.fabric->queue, EVENT_PACKET);

    name_copy(event->name, tor);
    event->owns = EVENT_OWNS_PACKET;
    event->packet.cookie = cookie;
    event->packet.size = injection->size;
    event->packet.frame = xmemdup(injection->frame, injection->size);
}

/* The ToR does what the policy says, but loses the first packet of all that it is to tell of. */
static void inject(struct switch_driver *driver, const char *name, const struct switch_injection *injection)
{
    const uint64_t divert = cookie_make(COOKIE_PROBE, 0);
    uint8_t dscp;
    uint16_t id;
    (void) driver;

    assert_true(probe_read(injection->frame, injection->size, 0, &id, &dscp));
    if (id >= world.n) {
        comes_back(name, divert, injection);
        return;
    }
    enum policy_verdict verdict = world.probes[id].packet.verdict;
    strbuf_puts(&world.order, verdict == POLICY_ALLOW ? "A" : verdict == POLICY_DENY ? "D" : "R");
    if (++world.sent[id] > 1 && verdict != POLICY_DENY)
        comes_back(name, verdict == POLICY_ALLOW ? divert : cookie_make(COOKIE_VM, 1), injection);
}

static void done(struct gateway *gateway, struct join *join, const struct probing_report *report, const struct err *err)
{
    (void) gateway;
    (void) join;
    assert_int_equal(report->sent, world.n);
    assert_int_equal(report->left, 0);
    world.ended = true;
    if (err)
        world.err = *err;
}

static void nothing_is_taught_before_what_must_not_pass(void **state)
{
    struct fabric_world *w = *state;
    const struct switch_ops *before = w->switches.ops;
    struct switch_ops ops = *before;
    struct err err;

    vm_is(w, 'a', VM_RUNNING);
    struct tenant *tenant = &w->gateway->network.tenants[0];
    tenant->has_policy = true;
    tenant->policy = policy_of_text(
        "{\"policy\": \"Va\", \"rules\": ["
        "{\"direction\": \"from-vm\", \"action\": \"allow\", \"protocol\": \"icmp\", \"stateful\": true},"
        "{\"direction\": \"to-vm\", \"action\": \"reject\", \"protocol\": \"icmp\", \"icmp-type\": 0}]}");
    assert_int_equal(probe_choose(&tenant->policy, IP_V4, PROBING_MAX, &world.probes, &world.n, &err), 0);
    assert_in_range(world.n, 3, PROBES_MAX);
    world.fabric = w;
    ops.inject = inject;
    w->switches.ops = &ops;
    w->gateway->make_uuid = make_uuid;

    struct join *join = network_background_join();
    probing_start(w->gateway, inventory_switch(&w->gateway->inventory, "tor-a"), tenant, join, done);
    join_close(w->gateway, join);
    pass_ms(w, 10000);
    assert_true(world.ended);
    assert_string_equal(world.err.text, "");

    const char *order = world.order.text, *allowed = strchr(order, 'A');
    for (size_t i = 0; i < world.n; i++)
        assert_int_equal(world.sent[i], world.probes[i].packet.verdict == POLICY_DENY ? 1 : 2);
    assert_true(strchr(order, 'D') && strchr(order, 'R') && allowed);
    assert_true(strrchr(order, 'D') < allowed && strrchr(order, 'R') < allowed);
    free(world.probes);
    strbuf_free(&world.order);
    w->switches.ops = before;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(nothing_is_taught_before_what_must_not_pass,
                                                                       fabric_world_setup, fabric_world_teardown)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
