/* SPDX-License-Identifier: Apache-2.0 */
/* policy ADDRESS PORT BLAST-PORT OVSDB BRIDGE: the controller of a measurement. The bridge connects to the first port,
 * and listens on the second one. Each line of its input is a JSON object that says what to do, each line of its output
 * the answer to one:
 *
 *   {"do": "await"}                       until the bridge has connected
 *   {"do": "install", "vms": N}           as the gateway does it: one atomic bundle for each VM
 *   {"do": "blast", "vms": N, "atomic"}   the same changes, encoded before the clock starts; in one bundle for each VM
 *                                         if 'atomic' is true; the gateway connects anew afterwards
 *   {"do": "write", "vms": N, "file", "policies"}   the same flows for ovs-ofctl(8); only those of the policies' tables
 *                                         if 'policies' is true
 *   {"do": "clear"}                       the flows of all VMs go
 *   {"do": "policy", "rules": N}          one VM's, with many rules of all kinds
 *   {"do": "prove", "rules": N}           reads all flows of the bridge, and proves that this policy is what it does
 *
 * Times are nanoseconds. What goes wrong ends the program with a sentence. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base/alloc.h"
#include "blast.h"
#include "core/pipeline.h"
#include "core/policy.h"
#include "orders.h"
#include "south/switch_openflow.h"

#define RULES 50 /* of each VM */
#define PORT_OF_SERVER 1
#define TIMEOUT_MS 60000

struct proof {
    struct policy_site site;
    struct policy policy; /* that is to be proven */
    size_t seen, kept;    /* flows */
    int64_t begin_ns, end_ns;
};

struct meter {
    struct loop *loop;
    struct event_queue events;
    struct switch_openflow_config config;
    struct switch_driver *driver;
    const char *bridge;
    uint16_t blast_port;
    struct timer *timer;
    bool up, waiting;
    uint32_t asked, wanted, done; /* requests */
    struct proof proof;
};

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

static void failed(const char *text)
{
    fprintf(stderr, "policy: %s\n", text);
    exit(1);
}

/* ---- what the bridge says ---- */

static bool seen(void *arg, const struct flow *flow)
{
    struct proof *proof = arg;

    proof->seen++;
    return policy_flow_concerns(&proof->site, flow);
}

static void read_done(struct meter *meter, const struct event *event)
{
    struct proof *proof = &meter->proof;
    AUTO_FREE char *witness = NULL;
    struct policy held;
    struct err err;

    proof->begin_ns = now_ns();
    if (policy_from_flows(event->read.flows.flows, event->read.flows.n, event->read.meters, event->read.n_meters,
                          &proof->site, true, "", &held, &err) < 0)
        failed(err.text);
    if (!policy_equivalent_in(&proof->policy, &held, IP_V4, &witness))
        failed(witness);
    proof->end_ns = now_ns();
    proof->kept = event->read.flows.n;
    policy_free(&held);
}

static void handle(struct meter *meter, const struct event *event)
{
    if (event->type == EVENT_SWITCH_UP) {
        meter->up = true;
    } else if (event->type == EVENT_SWITCH_DOWN) {
        failed(event->err.text);
    } else if (event->type == EVENT_DONE) {
        if (event->err.code)
            failed(event->err.text);
        meter->done++;
        if (event->owns == EVENT_OWNS_READ)
            read_done(meter, event);
    }
}

static void drain(void *arg)
{
    struct meter *meter = arg;
    struct event *event;

    while ((event = event_pop(&meter->events))) {
        handle(meter, event);
        event_discard(event);
    }
    if (meter->waiting && meter->up && meter->done == meter->wanted)
        loop_stop(meter->loop);
}

static void wake(void *arg)
{
    struct meter *meter = arg;

    loop_post(meter->loop, drain, meter);
}

/* ---- policies ---- */

/* A service each, for a network or a host, in both directions by turns; one flow a rule. */
static struct policy policy_of(uint32_t vm)
{
    static const uint8_t lengths[] = {32, 24, 16, 28};
    struct policy policy = {.default_verdict = {POLICY_DENY, POLICY_DENY}};

    for (uint32_t i = 0; i < RULES; i++) {
        struct policy_rule rule = policy_rule_any(i % 2 ? POLICY_TO_VM : POLICY_FROM_VM, POLICY_ALLOW);
        struct ip remote = {IP_V4, {198, (uint8_t) (18 + i % 2), (uint8_t) (vm + i), (uint8_t) (16 * i)}};

        rule.protocol = i % 3 ? 6 : 17;
        rule.family = IP_V4;
        rule.remote = prefix_of(&remote, lengths[i / 2 % 4]);
        rule.destination_port = (struct port_range) {(uint16_t) (1000 + i), (uint16_t) (1000 + i)};
        policy_add_rule(&policy, rule);
    }
    return policy;
}

/* Networks and hosts, allowed and denied, with ranges of ports, that overlap at random. */
static struct policy long_policy(uint32_t rules)
{
    struct policy policy = {.default_verdict = {POLICY_ALLOW, POLICY_DENY}};
    uint32_t random = 1;

    for (uint32_t i = 0; i < rules; i++) {
        struct policy_rule rule = policy_rule_any(i % 2 ? POLICY_TO_VM : POLICY_FROM_VM,
                                                  i % 3 ? POLICY_ALLOW : POLICY_DENY);

        random = random * 1664525 + 1013904223; /* D. Knuth, TAOCP vol. 2, §3.3.4: Lavaux and Janssens */
        struct ip remote = {IP_V4, {198, 18, (uint8_t) (random >> 24), (uint8_t) (random >> 16)}};
        uint16_t port = (uint16_t) (1024 + (random >> 8) % 8192);

        rule.family = IP_V4;
        rule.remote = prefix_of(&remote, (uint8_t) (20 + (random >> 12) % 13));
        rule.protocol = i % 5 ? 6 : i % 2 ? 17 : 1;
        if (rule.protocol == 1)
            rule.icmp_type = 8;
        else
            rule.destination_port = (struct port_range) {port, (uint16_t) (port + (random >> 20) % 64)};
        policy_add_rule(&policy, rule);
    }
    return policy;
}

static struct pipeline_vm vm_of(uint32_t n)
{
    return (struct pipeline_vm) {
        .cookie = cookie_make(COOKIE_VM, n + 1),
        .mac = {{0x52, 0x54, 0, 0, (uint8_t) (n >> 8), (uint8_t) n}},
        .ip = {IP_V4, {10, 100, (uint8_t) (n >> 8), (uint8_t) n}},
        .server_port = PORT_OF_SERVER,
    };
}

/* All that a ToR has of a VM. */
static struct flow_txn txn_with(uint32_t n, const struct policy *policy)
{
    static const struct pipeline_segment segment = {.number = 1, .vlan = 100};
    static const struct policy_numbers none;
    struct pipeline_vm vm = vm_of(n);
    struct flow_txn txn = {0};

    pipeline_vm_tor(&txn, &segment, &vm, policy, &none);
    return txn;
}

static struct flow_txn txn_of(uint32_t n)
{
    struct policy policy = policy_of(n);
    struct flow_txn txn = txn_with(n, &policy);

    policy_free(&policy);
    return txn;
}

/* ---- commands ---- */

static uint32_t number(const json_t *json, const char *key)
{
    return (uint32_t) json_integer_value(json_object_get(json, key));
}

/* Until the bridge is there, and has answered all. */
static void run(struct meter *meter)
{
    meter->waiting = !meter->up || meter->done < meter->wanted;
    if (meter->waiting)
        loop_run(meter->loop);
    meter->waiting = false;
}

static json_t *await(struct meter *meter)
{
    run(meter);
    return json_object();
}

/* One VM in each turn of the loop, as a gateway gets to know of them. */
static void install_next(void *arg)
{
    struct meter *meter = arg;
    struct flow_txn txn = txn_of(meter->asked);

    meter->driver->ops->apply(meter->driver, ++meter->asked, meter->bridge, &txn);
    if (meter->asked < meter->wanted)
        timer_set(meter->timer, loop_now(meter->loop));
}

static json_t *install(struct meter *meter, uint32_t vms)
{
    int64_t begin = now_ns();

    meter->asked = meter->done = 0;
    meter->wanted = vms;
    install_next(meter);
    run(meter);
    return json_pack("{s:I}", "ns", (json_int_t) (now_ns() - begin));
}

static json_t *clear(struct meter *meter)
{
    struct flow_txn txn = {0};

    flow_txn_delete_cookie(&txn, FLOW_TABLE_ALL, cookie_make(COOKIE_VM, 0), COOKIE_KIND_MASK);
    meter->done = 0;
    meter->wanted = 1;
    meter->driver->ops->apply(meter->driver, 1, meter->bridge, &txn);
    run(meter);
    return json_object();
}

static json_t *install_policy(struct meter *meter, uint32_t rules)
{
    struct policy policy = long_policy(rules);
    struct flow_txn txn = txn_with(0, &policy);
    size_t flows = txn.n_mods;

    meter->done = 0;
    meter->wanted = 1;
    meter->driver->ops->apply(meter->driver, 1, meter->bridge, &txn);
    run(meter);
    policy_free(&policy);
    return json_pack("{s:I}", "flows", (json_int_t) flows);
}

static json_t *prove(struct meter *meter, uint32_t rules)
{
    struct pipeline_vm vm = vm_of(0);
    struct proof *proof = &meter->proof;
    struct switch_query query = {.table = FLOW_TABLE_ALL, .keep = seen, .arg = proof};
    int64_t begin = now_ns();

    *proof = (struct proof) {.site = pipeline_policy_site(vm.cookie, &vm.ip), .policy = long_policy(rules)};
    meter->done = 0;
    meter->wanted = 1;
    meter->driver->ops->read(meter->driver, 1, meter->bridge, &query);
    run(meter);
    policy_free(&proof->policy);
    return json_pack("{s:I, s:I, s:I, s:I}", "read_ns", (json_int_t) (proof->begin_ns - begin), "proof_ns",
                     (json_int_t) (proof->end_ns - proof->begin_ns), "flows", (json_int_t) proof->seen, "kept",
                     (json_int_t) proof->kept);
}

static void listen_for_bridge(struct meter *meter)
{
    struct err err;

    meter->up = false;
    meter->driver = switch_openflow_new(meter->loop, &meter->events, &meter->config, &err);
    if (!meter->driver)
        failed(err.text);
}

/* The gateway's connection ends before, for it monitors flows: the bridge would tell it of each that is not its own. */
static json_t *send_blast(struct meter *meter, uint32_t vms, bool atomic)
{
    struct blast *blast = blast_new(meter->config.address, meter->blast_port);

    meter->driver->ops->free(meter->driver);
    event_queue_clear(&meter->events);
    for (uint32_t n = 0; n < vms; n++) {
        struct flow_txn txn = txn_of(n);

        blast_add(blast, &txn, atomic);
        flow_txn_free(&txn);
    }

    blast_connect(blast);

    int64_t begin = now_ns();

    blast_send(blast);

    int64_t end = now_ns();

    blast_free(blast);
    listen_for_bridge(meter);
    run(meter);
    return json_pack("{s:I}", "ns", (json_int_t) (end - begin));
}

static json_t *write_flows(uint32_t vms, const char *path, bool policies)
{
    FILE *file = path ? fopen(path, "w") : NULL;
    size_t flows = 0;

    if (!file)
        failed("the file for ovs-ofctl cannot be written");
    for (uint32_t n = 0; n < vms; n++) {
        struct flow_txn txn = txn_of(n);

        for (size_t i = 0; i < txn.n_mods; i++) {
            const struct flow *flow = &txn.mods[i].flow;

            if (txn.mods[i].command != FLOW_ADD ||
                (policies && flow->table != TOR_POLICY_FROM && flow->table != TOR_POLICY_TO))
                continue;
            AUTO_FREE char *text = flow_format(flow);

            fprintf(file, "%s\n", text);
            flows++;
        }
        flow_txn_free(&txn);
    }
    fclose(file);
    return json_pack("{s:I}", "flows", (json_int_t) flows);
}

static json_t *obey(void *arg, const json_t *order)
{
    struct meter *meter = arg;
    const char *what = json_string_value(json_object_get(order, "do"));

    if (what && strcmp(what, "await") == 0)
        return await(meter);
    if (what && strcmp(what, "install") == 0)
        return install(meter, number(order, "vms"));
    if (what && strcmp(what, "blast") == 0)
        return send_blast(meter, number(order, "vms"), json_is_true(json_object_get(order, "atomic")));
    if (what && strcmp(what, "write") == 0)
        return write_flows(number(order, "vms"), json_string_value(json_object_get(order, "file")),
                           json_is_true(json_object_get(order, "policies")));
    if (what && strcmp(what, "policy") == 0)
        return install_policy(meter, number(order, "rules"));
    if (what && strcmp(what, "prove") == 0)
        return prove(meter, number(order, "rules"));
    if (what && strcmp(what, "clear") == 0)
        return clear(meter);
    failed("an order that it does not know");
    return NULL;
}

int main(int argc, char **argv)
{
    struct meter meter = {.loop = loop_new(), .events = {.wake = wake, .wake_arg = &meter}};

    if (argc != 6) {
        fputs("usage: policy ADDRESS PORT BLAST-PORT OVSDB BRIDGE\n", stderr);
        return 2;
    }
    meter.config = (struct switch_openflow_config) {.address = argv[1],
                                                    .port = (uint16_t) atoi(argv[2]),
                                                    .ovsdb = (const char *const[]) {argv[4]},
                                                    .n_ovsdb = 1,
                                                    .timeout_ms = TIMEOUT_MS};
    meter.bridge = argv[5];
    meter.blast_port = (uint16_t) atoi(argv[3]);
    meter.timer = timer_new(meter.loop, install_next, &meter);
    listen_for_bridge(&meter);
    orders_serve(meter.loop, obey, &meter);
    meter.driver->ops->free(meter.driver);
    timer_free(meter.timer);
    event_queue_clear(&meter.events);
    loop_free(meter.loop);
    return 0;
}
