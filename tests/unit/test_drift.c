/* SPDX-License-Identifier: Apache-2.0 */
/* What others change at switches, as a gateway tells of it: V1 and V2 hang off port 1 of the ToR. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "circuit_world.h"
#include "circuit_world_internal.h"
#include "scgd/audit.h"

#define INTERVAL_S 60
#define MOMENT_MS 2000 /* for two audits */

enum { TOR_SWITCH, PE_SWITCH, GATE_SWITCH };
static const char *const names[SWITCHES] = {"tor", "pe", "gate"};

static struct strbuf told; /* "STATE KIND VM PRIORITY" a line each finding of each event */

static void hear(void *arg, const char *type, json_t *json)
{
    const char *state = json_string_value(json_object_get(json, "state"));
    json_t *finding;
    size_t i;

    (void) arg;
    if (strcmp(type, "drift") != 0)
        return;
    json_array_foreach(json_object_get(json, "findings"), i, finding) {
        const char *vm = json_string_value(json_object_get(finding, "vm"));
        const char *flow = json_string_value(json_object_get(finding, "flow"));
        const char *priority = flow ? strstr(flow, "priority=") : NULL;
        unsigned number = 0;

        if (priority)
            sscanf(priority, "priority=%u", &number);
        strbuf_printf(&told, "%s %s %s %u\n", state, json_string_value(json_object_get(finding, "kind")), vm ? vm : "-",
                      number);
    }
}

static int setup(void **state)
{
    struct circuit_world *w;

    circuit_world_setup(state);
    w = *state;
    w->config.drift.interval = INTERVAL_S;
    w->gateway->notify = hear;
    pass_ms(w, 2 * INTERVAL_S * 1000);
    strbuf_clear(&told);
    return 0;
}

static int teardown(void **state)
{
    strbuf_free(&told);
    return circuit_world_teardown(state);
}

static void expect_told(const char *text)
{
    assert_string_equal(told.length ? told.text : "", text);
    strbuf_clear(&told);
}

static void changed(struct circuit_world *w, int sw)
{
    snprintf(world_push(w, EVENT_FLOWS_CHANGED)->name, NAME_SIZE, "%s", names[sw]);
    world_run(w);
}

/* A flow of somebody else, which drops what is to V1 or to V2. */
static struct flow foreign(uint16_t priority, const char *vm)
{
    struct flow flow = flow_make(TOR_POLICY_TO, priority, 0x666);
    struct prefix host;

    assert_int_equal(prefix_parse(strcmp(vm, "V1") == 0 ? "10.100.0.11" : "10.100.0.12", &host), 0);
    match_prefix(&flow.match, FIELD_IPV4_DST, FIELD_IPV6_DST, &host);
    return flow;
}

/* In front of the others, so that the order of all findings changes. */
static void plant(struct circuit_world *w, int sw, struct flow flow)
{
    struct flow_list *flows = &w->flows[sw];

    flow_list_add(flows, flow);
    memmove(&flows->flows[1], &flows->flows[0], (flows->n - 1) * sizeof flow);
    flows->flows[0] = flow;
}

static void pull(struct circuit_world *w, int sw, uint16_t priority)
{
    struct flow_list *flows = &w->flows[sw];

    for (size_t i = flows->n; i-- > 0;) {
        if (flows->flows[i].cookie != 0x666 || flows->flows[i].priority != priority)
            continue;
        flow_free(&flows->flows[i]);
        memmove(&flows->flows[i], &flows->flows[i + 1], (--flows->n - i) * sizeof *flows->flows);
    }
}

static void each_finding_is_told_once(void **state)
{
    struct circuit_world *w = *state;

    plant(w, TOR_SWITCH, foreign(65001, "V1"));
    changed(w, TOR_SWITCH);
    pass_ms(w, MOMENT_MS);
    expect_told("found foreign V1 65001\n");
    plant(w, TOR_SWITCH, foreign(65002, "V2"));
    plant(w, TOR_SWITCH, foreign(65003, "V1"));
    changed(w, TOR_SWITCH);
    pass_ms(w, MOMENT_MS);
    expect_told("found foreign V1 65003\nfound foreign V2 65002\n");
    pull(w, TOR_SWITCH, 65001);
    pass_ms(w, 2 * INTERVAL_S * 1000);
    expect_told("gone foreign V1 65001\n");
    assert_int_equal(w->gateway->drift.found, 3);
    pull(w, TOR_SWITCH, 65002);
    pull(w, TOR_SWITCH, 65003);
    pass_ms(w, 2 * INTERVAL_S * 1000);
    expect_told("gone foreign V1 65003\ngone foreign V2 65002\n");
}

/* One flow is in the way of two VMs. */
static void findings_are_by_vm(void **state)
{
    struct circuit_world *w = *state;
    struct flow all = flow_make(TOR_POLICY_TO, 65001, 0x666);

    plant(w, TOR_SWITCH, all);
    changed(w, TOR_SWITCH);
    pass_ms(w, MOMENT_MS);
    expect_told("found foreign V1 65001\nfound foreign V2 65001\n");
}

static void what_flaps_hides_nothing(void **state)
{
    struct circuit_world *w = *state;

    for (unsigned i = 0; i < 20; i++) {
        uint64_t audits = w->gateway->drift.audits;

        if (i % 2)
            pull(w, TOR_SWITCH, 65001);
        else
            plant(w, TOR_SWITCH, foreign(65001, "V1"));
        if (i == 5)
            plant(w, TOR_SWITCH, foreign(65002, "V2"));
        changed(w, TOR_SWITCH);
        while (w->gateway->drift.audits == audits)
            pass_ms(w, 10);
    }
    expect_told("found foreign V2 65002\n");
}

static void each_finding_is_put_right_for_itself(void **state)
{
    struct circuit_world *w = *state;

    w->config.drift.repair = true;
    plant(w, TOR_SWITCH, foreign(65001, "V1"));
    changed(w, TOR_SWITCH);
    pass_ms(w, MOMENT_MS);
    expect_told("found foreign V1 65001\nrepaired foreign V1 65001\n");
    /* Somebody insists: once an interval, and that does not delay others. */
    plant(w, TOR_SWITCH, foreign(65001, "V1"));
    changed(w, TOR_SWITCH);
    pass_ms(w, MOMENT_MS);
    expect_told("found foreign V1 65001\n");
    plant(w, TOR_SWITCH, foreign(65002, "V2"));
    changed(w, TOR_SWITCH);
    pass_ms(w, MOMENT_MS);
    expect_told("found foreign V2 65002\nrepaired foreign V2 65002\n");
    pass_ms(w, INTERVAL_S * 1000);
    expect_told("repaired foreign V1 65001\n");
    assert_int_equal(w->gateway->drift.repaired, 3);
}

static void put_policy(struct circuit_world *w)
{
    static unsigned n;
    json_t *policy = json_pack("{s:s, s:{s:s}}", "policy", "V1", "default", "to-vm", n++ % 2 ? "allow" : "deny");
    struct err err = {0};

    w->backend.policy_put(w->gateway, "V1", policy, &err);
    json_decref(policy);
    world_run(w);
}

/* What failed is done again, though an order is open all the time. */
static void open_orders_hide_nothing(void **state)
{
    struct circuit_world *w = *state;
    struct err err = {0};

    if (!order(w, "V2", 0, &err))
        fail_msg("%s", err.text);
    w->tor_refuses = 1;
    put_policy(w);
    plant(w, TOR_SWITCH, foreign(65001, "V1"));
    changed(w, TOR_SWITCH);
    pass_ms(w, 300);
    expect_told(""); /* of a switch that does not hold what it shall nothing can be said */
    pass_ms(w, 10000);
    expect_told("found foreign V1 65001\n");
}

/* A switch that refuses what it shall hold is not read all the time. */
static void audits_are_few(void **state)
{
    struct circuit_world *w = *state;
    unsigned before = w->reads;

    w->tor_refuses = UINT64_MAX;
    put_policy(w);
    plant(w, TOR_SWITCH, foreign(65001, "V1"));
    for (unsigned ms = 0; ms < INTERVAL_S * 1000; ms += 100) {
        changed(w, TOR_SWITCH);
        pass_ms(w, 100);
    }
    expect_told("");
    assert_in_range(w->reads - before, 10, 4 * INTERVAL_S);
    w->tor_refuses = 0;
    pass_ms(w, 2 * INTERVAL_S * 1000);
    expect_told("found foreign V1 65001\n");
}

/* From V1 to as many others as there are. */
static void learn(struct circuit_world *w, uint64_t cookie, uint32_t first, unsigned n)
{
    bool half_open = (cookie & COOKIE_KIND_MASK) == cookie_make(COOKIE_HALF_OPEN, 0);

    for (unsigned i = 0; i < n; i++) {
        struct flow flow = flow_make(TOR_STATE_TO, half_open ? STATE_PRIORITY_HALF_OPEN : STATE_PRIORITY, cookie);

        flow.idle_timeout = 30;
        match_u(&flow.match, FIELD_ETH_TYPE, 0x0800);
        match_u(&flow.match, FIELD_IPV4_SRC, first + i);
        match_u(&flow.match, FIELD_IPV4_DST, 0x0a64000b);
        match_u(&flow.match, FIELD_IP_PROTO, 6);
        match_u(&flow.match, FIELD_TCP_SRC, 443);
        match_u(&flow.match, FIELD_TCP_DST, 40000);
        if (!half_open)
            flow_add_action(&flow, ACTION_FIN_TIMEOUT)->fin.idle_timeout = CONNECTION_FIN_IDLE_S;
        flow_set_u(&flow, FIELD_REG6, 1);
        flow_list_add(&w->flows[TOR_SWITCH], flow);
    }
}

static void forget(struct circuit_world *w, size_t n)
{
    while (n-- > 0)
        flow_free(&w->flows[TOR_SWITCH].flows[--w->flows[TOR_SWITCH].n]);
}

static const struct tenant *tenant_named(const struct circuit_world *w, const char *name)
{
    size_t i = 0;

    while (strcmp(w->gateway->network.tenants[i].name, name) != 0)
        i++;
    return &w->gateway->network.tenants[i];
}

static void expect_known(const struct circuit_world *w, const char *line)
{
    AUTO_FREE char *text = view_metrics(w->gateway);

    if (!strstr(text, line))
        fail_msg("no %s in %s", line, text);
}

/* What a ToR has learned of a VM is counted, and that it is as much as it learns of is noticed once. */
static void connections_are_counted(void **state)
{
    struct circuit_world *w = *state;
    uint64_t cookie = cookie_of_vm(tenant_named(w, "V1")->uuid);
    size_t before = w->flows[TOR_SWITCH].n;

    learn(w, cookie_of_state(cookie), 0x0a000000, CONNECTIONS_MAX - 1);
    learn(w, cookie_of_half_open(cookie), 0x0b000000, 5);
    pass_ms(w, 2 * INTERVAL_S * 1000);
    expect_known(w, "scg_connections{vm=\"V1\",replies=\"to-vm\",state=\"open\"} 4095\n");
    expect_known(w, "scg_connections{vm=\"V1\",replies=\"to-vm\",state=\"half-open\"} 5\n");
    assert_false(tenant_named(w, "V1")->known_full[POLICY_TO_VM]);
    learn(w, cookie_of_state(cookie), 0x0c000000, 1);
    pass_ms(w, 2 * INTERVAL_S * 1000);
    assert_true(tenant_named(w, "V1")->known_full[POLICY_TO_VM]);
    assert_false(tenant_named(w, "V1")->known_full[POLICY_FROM_VM]);
    assert_false(tenant_named(w, "V2")->known_full[POLICY_TO_VM]);
    forget(w, 100); /* not news if it fills again */
    pass_ms(w, 2 * INTERVAL_S * 1000);
    assert_true(tenant_named(w, "V1")->known_full[POLICY_TO_VM]);
    forget(w, w->flows[TOR_SWITCH].n - before);
    pass_ms(w, 2 * INTERVAL_S * 1000);
    assert_false(tenant_named(w, "V1")->known_full[POLICY_TO_VM]);
    expect_told("");
}

/* What has the cookie of what is learned, but lets pass more than a connection's replies. */
static void what_looks_learned_is_judged(void **state)
{
    struct circuit_world *w = *state;
    uint64_t cookie = cookie_of_vm(tenant_named(w, "V1")->uuid);
    struct flow opens = flow_make(TOR_STATE_TO, 65001, cookie_of_state(cookie));

    flow_set_u(&opens, FIELD_REG6, 1);
    w->config.drift.repair = true;
    learn(w, cookie_of_state(cookie), 0x0a000000, 2);
    plant(w, TOR_SWITCH, opens);
    size_t before = w->flows[TOR_SWITCH].n;
    pass_ms(w, 2 * INTERVAL_S * 1000);
    expect_told("found added - 65001\nrepaired added - 65001\n");
    assert_int_equal(w->flows[TOR_SWITCH].n, before - 1);
    expect_known(w, "scg_connections{vm=\"V1\",replies=\"to-vm\",state=\"open\"} 2\n");
}

/* The first flow of the table is lost. */
static void lose(struct circuit_world *w, int sw, uint8_t table)
{
    struct flow_list *flows = &w->flows[sw];
    size_t i = 0;

    while (i < flows->n && (flows->flows[i].table != table || flows->flows[i].cookie == 0x666))
        i++;
    assert_true(i < flows->n);
    flow_free(&flows->flows[i]);
    memmove(&flows->flows[i], &flows->flows[i + 1], (--flows->n - i) * sizeof *flows->flows);
}

/* Also where no flow is a VM's. */
static void every_switch_is_watched(void **state)
{
    struct circuit_world *w = *state;
    struct flow added = flow_make(PE_VLAN, 300, cookie_make(COOKIE_BASE, 0));
    struct flow arp = flow_make(PE_VLAN, 300, 0x666), lldp = flow_make(0, 300, 0x666);
    struct flow own = flow_make(0, 299, 0x666);

    w->config.drift.repair = true;
    match_u(&arp.match, FIELD_ETH_TYPE, 0x0806);
    match_u(&lldp.match, FIELD_ETH_TYPE, 0x88cc);
    match_u(&own.match, FIELD_IN_PORT, 77); /* a port of the administrator's own: no business of ours */
    for (int sw = 0; sw < SWITCHES; sw++) {
        size_t n = w->flows[sw].n;

        if (sw != TOR_SWITCH) /* there VMs' packets may come by it */
            plant(w, sw, flow_copy(&own));
        lose(w, sw, 0);
        changed(w, sw);
        pass_ms(w, MOMENT_MS);
        assert_non_null(told.text);
        assert_non_null(strstr(told.text, "found missing - "));
        assert_non_null(strstr(told.text, "repaired missing - "));
        strbuf_clear(&told);
        assert_int_equal(w->flows[sw].n, n + (sw != TOR_SWITCH));
        plant(w, sw, flow_copy(&lldp));
        changed(w, sw);
        pass_ms(w, MOMENT_MS);
        expect_told("found foreign - 300\nrepaired foreign - 300\n");
    }
    plant(w, PE_SWITCH, added);
    changed(w, PE_SWITCH);
    pass_ms(w, MOMENT_MS);
    expect_told("found added - 300\nrepaired added - 300\n");
    plant(w, PE_SWITCH, arp);
    changed(w, PE_SWITCH);
    pass_ms(w, MOMENT_MS);
    expect_told("found foreign - 300\nrepaired foreign - 300\n");
    lose(w, PE_SWITCH, PE_ROUTE); /* of V1 or V2 */
    changed(w, PE_SWITCH);
    pass_ms(w, MOMENT_MS);
    assert_non_null(strstr(told.text, "found missing V"));
    strbuf_clear(&told);
}

static void queues_are_watched(void **state)
{
    struct circuit_world *w = *state;
    json_t *policy = json_pack("{s:s, s:{s:{s:i, s:{s:{s:i, s:i}}}}}", "policy", "V1", "classes", "voice", "dscp", 46,
                               "to-vm", "queue", "min-kbps", 300, "priority", 3);
    struct err err = {0};

    port_rate(w, "tor", 1, 1000);
    if (w->backend.policy_put(w->gateway, "V1", policy, &err) < 0)
        fail_msg("%s", err.text);
    json_decref(policy);
    pass_ms(w, 2 * INTERVAL_S * 1000);
    expect_told("");
    assert_int_equal(w->n_held_queues, 1);
    w->held_queues[0].min_kbps = 200;
    changed(w, TOR_SWITCH);
    pass_ms(w, MOMENT_MS);
    expect_told("found queue V1 0\n");
    w->held_queues[0].min_kbps = 300;
    changed(w, TOR_SWITCH);
    pass_ms(w, MOMENT_MS);
    expect_told("gone queue V1 0\n");
    w->held_queues[0].priority = 0;
    changed(w, TOR_SWITCH);
    pass_ms(w, MOMENT_MS);
    expect_told("found queue V1 0\n");
    w->config.drift.repair = true;
    w->n_held_queues = 0;
    pass_ms(w, 2 * INTERVAL_S * 1000);
    expect_told("repaired queue V1 0\n");
    assert_int_equal(w->n_held_queues, 1);
    assert_int_equal(w->held_queues[0].min_kbps, 300);
    assert_int_equal(w->held_queues[0].priority, 3);
}

/* However many flows somebody puts there, few are kept and judged. */
static void hostile_tables_are_bounded(void **state)
{
    struct circuit_world *w = *state;

    for (unsigned i = 0; i < 3 * AUDIT_HELD_MAX; i++) {
        struct flow flow = flow_make(TOR_POLICY_TO, (uint16_t) (65000 - i), 0x666);

        match_u(&flow.match, FIELD_ETH_TYPE, 0x0800);
        match_u_masked(&flow.match, FIELD_IPV4_SRC, i << 8, 0xffffff00);
        flow_list_add(&w->flows[TOR_SWITCH], flow);
    }
    changed(w, TOR_SWITCH);
    pass_ms(w, MOMENT_MS);
    assert_int_equal(w->gateway->drift.found, AUDIT_FINDINGS_MAX);
    /* What they are about is told first: that of one VM is read as well, at the same time. */
    w->backend.verify(w->gateway, "V1", next_reply(w));
    changed(w, TOR_SWITCH);
    pass_ms(w, MOMENT_MS);
    assert_int_equal(w->reply_status, 200);
    assert_true(json_integer_value(json_object_get(w->reply_body, "count")) >= AUDIT_FINDINGS_MAX);
}

/* What V1 may be sent, one host a rule: more flows than findings are kept. */
static void put_long_policy(struct circuit_world *w)
{
    json_t *rules = json_array(), *policy;
    struct err err = {0};

    for (unsigned i = 0; i < AUDIT_FINDINGS_MAX + 200; i++) {
        AUTO_FREE char *host = xasprintf("192.0.%u.%u", i / 100, 2 * (i % 100) + 1);

        json_array_append_new(rules,
                              json_pack("{s:s, s:s, s:s}", "direction", "to-vm", "action", "allow", "remote", host));
    }
    policy = json_pack("{s:s, s:{s:s}, s:o}", "policy", "V1", "default", "to-vm", "deny", "rules", rules);
    if (w->backend.policy_put(w->gateway, "V1", policy, &err) < 0)
        fail_msg("%s", err.text);
    json_decref(policy);
    world_run(w);
}

static size_t flows_of_v1(const struct circuit_world *w)
{
    uint64_t cookie = cookie_of_vm(tenant_named(w, "V1")->uuid);
    size_t n = 0;

    for (size_t i = 0; i < w->flows[TOR_SWITCH].n; i++)
        n += w->flows[TOR_SWITCH].flows[i].cookie == cookie;
    return n;
}

static void lose_v1(struct circuit_world *w)
{
    struct flow_list *flows = &w->flows[TOR_SWITCH];
    uint64_t cookie = cookie_of_vm(tenant_named(w, "V1")->uuid);
    size_t kept = 0;

    for (size_t i = 0; i < flows->n; i++) {
        if (flows->flows[i].cookie == cookie)
            flow_free(&flows->flows[i]);
        else
            flows->flows[kept++] = flows->flows[i];
    }
    flows->n = kept;
}

/* With some of its flows a VM could be sent what its policy denies: that ends with the last of them. */
static void a_vm_is_put_right_as_a_whole(void **state)
{
    struct circuit_world *w = *state;
    size_t all;

    w->config.drift.repair = true;
    put_long_policy(w);
    pass_ms(w, MOMENT_MS);
    all = flows_of_v1(w);
    assert_true(all > AUDIT_FINDINGS_MAX);
    lose_v1(w);
    changed(w, TOR_SWITCH);
    for (unsigned ms = 0; flows_of_v1(w) == 0; ms += 10) {
        assert_true(ms < INTERVAL_S * 1000);
        pass_ms(w, 10);
    }
    assert_int_equal(flows_of_v1(w), all);
    assert_true(w->gateway->drift.repaired > 0);
}

/* What an audit has no room for may stand yet. */
static void what_was_not_kept_is_not_gone(void **state)
{
    struct circuit_world *w = *state;
    struct flow_list *flows = &w->flows[TOR_SWITCH];

    flow_list_add(flows, foreign(100, "V2"));
    changed(w, TOR_SWITCH);
    pass_ms(w, MOMENT_MS);
    expect_told("found foreign V2 100\n");
    for (unsigned i = 0; i < AUDIT_FINDINGS_MAX; i++)
        plant(w, TOR_SWITCH, foreign((uint16_t) (60000 - i), "V1"));
    changed(w, TOR_SWITCH);
    pass_ms(w, INTERVAL_S * 1000);
    assert_null(strstr(told.text, "gone"));
    strbuf_clear(&told);
    for (unsigned i = 0; i < AUDIT_FINDINGS_MAX; i++)
        pull(w, TOR_SWITCH, (uint16_t) (60000 - i));
    pull(w, TOR_SWITCH, 100);
    pass_ms(w, INTERVAL_S * 1000);
    assert_non_null(strstr(told.text, "gone foreign V1"));
    assert_int_equal(w->gateway->drift.found, AUDIT_FINDINGS_MAX + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_finding_is_told_once),     TEST(findings_are_by_vm),
        TEST(what_flaps_hides_nothing),      TEST(each_finding_is_put_right_for_itself),
        TEST(open_orders_hide_nothing),      TEST(audits_are_few),
        TEST(connections_are_counted),       TEST(what_looks_learned_is_judged),
        TEST(every_switch_is_watched),       TEST(queues_are_watched),
        TEST(hostile_tables_are_bounded),    TEST(a_vm_is_put_right_as_a_whole),
        TEST(what_was_not_kept_is_not_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
