/* SPDX-License-Identifier: Apache-2.0 */
/* Policies to flows and back: packet by packet against a reference, round trips, and flows that others wrote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/pipeline.h"
#include "core/policy.h"
#include "policy_random.h"

#define FROM_METER 7
#define TO_METER 8

static struct policy_site site_of(const char *address)
{
    struct policy_site site = {
        .cookie = cookie_make(COOKIE_VM, 1),
        .table = {TOR_POLICY_FROM, TOR_POLICY_TO},
        .next_table = {TOR_POLICY_TO, TOR_FORWARD},
    };

    assert_int_equal(ip_parse(address, &site.ip), 0);
    return site;
}

static void list_of_txn(const struct flow_txn *txn, struct flow_list *list)
{
    for (size_t i = 0; i < txn->n_mods; i++) {
        assert_int_equal(txn->mods[i].command, FLOW_ADD);
        flow_list_add(list, flow_copy(&txn->mods[i].flow));
    }
}

static struct flow_list flows_of(const struct policy *policy, const struct policy_site *site)
{
    struct flow_txn txn = {0};
    struct flow_list list = {0};

    policy_to_flows(policy, site, &txn);
    list_of_txn(&txn, &list);
    flow_txn_free(&txn);
    return list;
}

/* The reference for flows: a packet's header as a match with every field exact. */
static struct flow_match header_of(const struct policy_site *site, enum policy_direction direction,
                                   const struct packet *p)
{
    struct flow_match header = {0};
    bool from_vm = direction == POLICY_FROM_VM, v6 = p->remote.family == IP_V6;
    struct prefix vm = prefix_of(&site->ip, (uint8_t) ip_bits(site->ip.family));
    struct prefix remote = prefix_of(&p->remote, (uint8_t) ip_bits(p->remote.family));

    match_prefix(&header, FIELD_IPV4_SRC, FIELD_IPV6_SRC, from_vm ? &vm : &remote);
    match_prefix(&header, FIELD_IPV4_DST, FIELD_IPV6_DST, from_vm ? &remote : &vm);
    match_u(&header, FIELD_IP_PROTO, p->protocol);
    if (p->protocol == 6 || p->protocol == 17) {
        match_u(&header, p->protocol == 6 ? FIELD_TCP_SRC : FIELD_UDP_SRC, p->source);
        match_u(&header, p->protocol == 6 ? FIELD_TCP_DST : FIELD_UDP_DST, p->destination);
    }
    if (p->protocol == (v6 ? 58 : 1))
        match_u(&header, v6 ? FIELD_ICMPV6_TYPE : FIELD_ICMPV4_TYPE, p->icmp_type);
    return header;
}

static bool flow_meets(const struct flow *flow, const struct flow_match *header)
{
    for (unsigned i = 0; i < flow->match.n; i++) {
        const struct flow_field *field = &flow->match.fields[i], *value = match_find(header, field->id);

        if (!value)
            return false;
        for (unsigned b = 0; b < sizeof field->mask; b++) {
            if ((value->value[b] & field->mask[b]) != field->value[b])
                return false;
        }
    }
    return true;
}

/* -1: dropped; 0..63, 64 as in policy_decide(). The meter, too, has to be the direction's. */
static int flows_decide(const struct flow_list *list, const struct policy_site *site, enum policy_direction direction,
                        const struct packet *p)
{
    struct flow_match header = header_of(site, direction, p);
    const struct flow *best = NULL;

    for (size_t i = 0; i < list->n; i++) {
        const struct flow *flow = &list->flows[i];

        if (flow->table == site->table[direction] && flow_meets(flow, &header) &&
            (!best || flow->priority > best->priority))
            best = flow;
    }
    assert_non_null(best);
    if (best->goto_table == FLOW_NO_GOTO) {
        assert_int_equal(best->n_actions, 0);
        return -1;
    }
    assert_int_equal(best->goto_table, site->next_table[direction]);
    assert_int_equal(best->meter, site->meters[direction]);
    if (!best->n_actions)
        return 64;
    assert_int_equal(best->n_actions, 1);
    assert_int_equal(best->actions[0].field.id, FIELD_IP_DSCP);
    return (int) flow_field_u(&best->actions[0].field);
}

static void flows_treat_packets_as_the_policy(void **state)
{
    struct random r = {11};
    const char *const addresses[] = {"10.0.0.1", "2000::1"};

    (void) state;
    for (unsigned round = 0; round < 2000; round++) {
        struct policy_site site = site_of(addresses[round % 2]);
        struct policy policy = random_policy(&r, random_below(&r, 10), false);

        site.meters[0] = 5;
        struct flow_list list = flows_of(&policy, &site);
        for (unsigned i = 0; i < 40; i++) {
            struct packet p = random_packet(&r, site.ip.family);
            enum policy_direction direction = random_below(&r, 2);

            assert_int_equal(flows_decide(&list, &site, direction, &p), policy_decide(&policy, direction, &p));
        }
        flow_list_free(&list);
        policy_free(&policy);
    }
}

static void ranges_become_the_fewest_masks(void **state)
{
    static const struct {
        struct port_range range;
        size_t masks;
    } cases[] = {
        {{0, 65535}, 1},     {{80, 80}, 1},     {{1024, 65535}, 6}, {{1, 65534}, 30}, {{0, 0}, 1},
        {{65535, 65535}, 1}, {{1000, 1999}, 7}, {{80, 81}, 1},      {{81, 82}, 2},    {{32768, 65535}, 1},
    };
    struct policy_site site = site_of("10.0.0.1");

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct policy policy = {.name = "V1"};
        struct policy_rule rule = policy_rule_any(POLICY_TO_VM, POLICY_ALLOW);

        rule.protocol = 6;
        rule.destination_port = cases[i].range;
        policy_add_rule(&policy, rule);
        struct flow_list list = flows_of(&policy, &site);
        assert_int_equal(list.n, cases[i].masks + 2);

        /* Disjoint, and each port is covered just if it is in the range. */
        for (unsigned port = 0; port < 65536; port++) {
            unsigned n = 0;

            for (size_t f = 0; f + 2 < list.n; f++) {
                const struct flow_field *field = match_find(&list.flows[f].match, FIELD_TCP_DST);

                n += !field || (port & flow_field_mask_u(field)) == flow_field_u(field);
            }
            assert_int_equal(n, port >= cases[i].range.first && port <= cases[i].range.last);
        }
        flow_list_free(&list);
        policy_free(&policy);
    }
}

static void flow_text_of_a_policy(void **state)
{
    struct policy_site site = site_of("10.0.0.1");
    struct policy policy = {.name = "V1", .default_verdict = {POLICY_ALLOW, POLICY_DENY}};
    struct policy_rule rule = policy_rule_any(POLICY_TO_VM, POLICY_ALLOW);

    (void) state;
    site.meters[POLICY_TO_VM] = TO_METER;
    rule.protocol = 6;
    rule.family = IP_V4;
    assert_int_equal(prefix_parse("198.51.100.0/24", &rule.remote), 0);
    rule.destination_port = (struct port_range) {80, 80};
    rule.set_dscp = 46;
    policy_add_rule(&policy, rule);
    rule = policy_rule_any(POLICY_TO_VM, POLICY_ALLOW);
    rule.family = IP_V6;
    policy_add_rule(&policy, rule);

    struct flow_list list = flows_of(&policy, &site);
    assert_int_equal(list.n, 3); /* nothing of the IPv6 rule */
    const struct flow *flow = &list.flows[0];
    uint64_t value;
    assert_int_equal(flow->priority, POLICY_PRIORITY_FIRST);
    assert_int_equal(flow->table, TOR_POLICY_TO);
    assert_int_equal(flow->goto_table, TOR_FORWARD);
    assert_int_equal(flow->meter, TO_METER);
    assert_true(flow->cookie == site.cookie);
    assert_int_equal(flow->match.n, 5);
    assert_true(match_get_u(&flow->match, FIELD_IPV4_DST, &value) && value == 0x0a000001);
    assert_true(match_get_u(&flow->match, FIELD_IP_PROTO, &value) && value == 6);
    assert_true(match_get_u(&flow->match, FIELD_TCP_DST, &value) && value == 80);
    assert_int_equal(flow_field_mask_u(match_find(&flow->match, FIELD_IPV4_SRC)), 0xffffff00);
    assert_int_equal(list.flows[1].priority, POLICY_PRIORITY_DEFAULT);
    assert_int_equal(list.flows[1].goto_table, TOR_POLICY_TO);
    assert_int_equal(list.flows[1].match.n, 2);
    assert_int_equal(list.flows[2].goto_table, FLOW_NO_GOTO);
    flow_list_free(&list);
    policy_free(&policy);
}

static char *canonical_text(const struct policy *policy)
{
    struct policy canonical = policy_canonical(policy);
    json_t *json = policy_to_json(&canonical);
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);

    json_decref(json);
    policy_free(&canonical);
    return text;
}

static void fail_with_policies(const struct policy *a, const struct policy *b, const char *why)
{
    json_t *x = policy_to_json(a), *y = policy_to_json(b);

    json_dumpf(x, stderr, 0);
    fprintf(stderr, "\n");
    json_dumpf(y, stderr, 0);
    json_decref(x);
    json_decref(y);
    fail_msg("%s", why);
}

static void round_trip(struct random *r, unsigned round)
{
    bool plain = round % 2;
    struct policy_site site = site_of(!plain && round % 4 ? "2000::1" : "10.0.0.1");
    struct policy policy = random_policy(r, random_below(r, 9), plain), back;
    struct flow_meter meters[2];
    struct err err = {0};
    char *witness = NULL;

    for (unsigned d = 0; d < 2; d++) {
        site.meters[d] = policy.rate[d].kbps ? FROM_METER + d : 0;
        meters[d] = (struct flow_meter) {FROM_METER + d, policy.rate[d].kbps, policy.rate[d].burst_kbit};
    }
    struct flow_list list = flows_of(&policy, &site);
    if (policy_from_flows(list.flows, list.n, meters, 2, &site, round % 3, "V1", &back, &err) < 0)
        fail_with_policies(&policy, &policy, err.text);
    assert_int_equal(policy_check(&back, &err), 0);
    if (!policy_equivalent_in(&policy, &back, site.ip.family, &witness))
        fail_with_policies(&policy, &back, witness);
    if (plain) {
        char *a = canonical_text(&policy), *b = canonical_text(&back), hash[2][17];

        if (!policy_equivalent(&policy, &back, &witness))
            fail_with_policies(&policy, &back, witness);
        assert_string_equal(a, b);
        policy_hash(&policy, hash[0]);
        policy_hash(&back, hash[1]);
        assert_string_equal(hash[0], hash[1]);
        free(a);
        free(b);
    }
    policy_free(&back);
    policy_free(&policy);
    flow_list_free(&list);
}

static void policy_to_flows_to_policy(void **state)
{
    struct random r = {5};

    (void) state;
    for (unsigned round = 0; round < 20000; round++)
        round_trip(&r, round);
}

/* Flows that an administrator wrote */

struct admin {
    struct flow_list list;
    struct policy_site site;
    struct flow_meter meters[2];
    bool miss_allows;
    struct policy policy;
    struct err err;
};

static struct admin admin_start(void)
{
    return (struct admin) {.site = site_of("10.0.0.1"), .meters = {{FROM_METER, 1000, 100}, {TO_METER, 2000, 0}}};
}

/* A flow of table TOR_POLICY_TO to 'destination' (null: any address); goto the next table if 'allow'. */
static struct flow *admin_add(struct admin *admin, uint16_t priority, const char *destination, bool allow)
{
    struct flow flow = flow_make(TOR_POLICY_TO, priority, 0);

    if (destination) {
        struct prefix prefix;

        assert_int_equal(prefix_parse(destination, &prefix), 0);
        match_prefix(&flow.match, FIELD_IPV4_DST, FIELD_IPV6_DST, &prefix);
    }
    if (allow)
        flow.goto_table = TOR_FORWARD;
    flow_list_add(&admin->list, flow);
    return &admin->list.flows[admin->list.n - 1];
}

static void match_tcp(struct flow *flow, uint16_t port, uint16_t mask)
{
    match_u(&flow->match, FIELD_ETH_TYPE, 0x0800);
    match_u(&flow->match, FIELD_IP_PROTO, 6);
    match_u_masked(&flow->match, FIELD_TCP_DST, port, mask);
}

static int admin_read(struct admin *admin)
{
    return policy_from_flows(admin->list.flows, admin->list.n, admin->meters, 2, &admin->site, admin->miss_allows, "V1",
                             &admin->policy, &admin->err);
}

static void admin_end(struct admin *admin)
{
    flow_list_free(&admin->list);
    policy_free(&admin->policy);
}

/* Reads the flows and compares rule texts, in order, and the default of TO_VM; ends the case. */
static void expect_rules(struct admin *admin, enum policy_verdict verdict, const char *const *texts)
{
    size_t n = 0;

    if (admin_read(admin) < 0)
        fail_msg("%s", admin->err.text);
    for (; texts[n]; n++) {
        assert_true(n < admin->policy.n_rules);
        char *text = policy_rule_format(&admin->policy.rules[n]);
        assert_string_equal(text, texts[n]);
        free(text);
    }
    assert_int_equal(admin->policy.n_rules, n);
    assert_int_equal(admin->policy.default_verdict[POLICY_TO_VM], verdict);
    assert_string_equal(admin->policy.name, "V1");
    admin_end(admin);
}

/* Expects a refusal that says 'why' and names 'flow' (a piece of its text). */
static void expect_refusal(struct admin *admin, const char *why, const char *flow)
{
    admin->policy.n_rules = 12345;
    assert_int_equal(admin_read(admin), ERR_UNSUPPORTED);
    assert_int_equal(admin->policy.n_rules, 12345); /* left alone */
    admin->policy.n_rules = 0;
    if (!strstr(admin->err.text, why) || !strstr(admin->err.text, flow))
        fail_msg("expected \"%s\" and \"%s\" in: %s", why, flow, admin->err.text);
    admin_end(admin);
}

static void reads_prefixes_wildcards_and_foreign_priorities(void **state)
{
    struct admin a = admin_start();

    (void) state;
    match_tcp(admin_add(&a, 500, "10.0.0.0/24", true), 22, 0xffff);
    match_tcp(admin_add(&a, 900, NULL, false), 23, 0xffff);
    admin_add(&a, 700, "10.0.1.0/24", true);            /* of other VMs */
    struct flow *flow = admin_add(&a, 600, NULL, true); /* no packet of an IPv4 address */
    match_u(&flow->match, FIELD_ETH_TYPE, 0x86dd);
    flow = admin_add(&a, 32768, NULL, true); /* our own base flow */
    flow->cookie = cookie_make(COOKIE_BASE, 0);
    flow = admin_add(&a, 100, "10.0.0.1", false);
    flow_add_action(flow, ACTION_RESUBMIT)->table = TOR_FORWARD;
    match_u_masked(&flow->match, FIELD_IPV4_SRC, 0xc6336400, 0xffffff00);
    expect_rules(&a, POLICY_DENY,
                 (const char *const[]) {"to-vm deny tcp destination-port 23", "to-vm allow tcp destination-port 22",
                                        "to-vm allow any remote 198.51.100.0/24", NULL});
}

static void reads_default_dscp_meter_and_miss(void **state)
{
    struct admin a = admin_start();

    (void) state;
    flow_set_u(admin_add(&a, 10, "10.0.0.1", true), FIELD_IP_DSCP, 46);
    a.list.flows[0].meter = TO_METER;
    admin_add(&a, 5, "10.0.0.1", false); /* never met */
    assert_int_equal(admin_read(&a), 0);
    assert_int_equal(a.policy.rate[POLICY_TO_VM].kbps, 2000);
    assert_int_equal(a.policy.rate[POLICY_FROM_VM].kbps, 0);
    policy_free(&a.policy);
    expect_rules(&a, POLICY_ALLOW, (const char *const[]) {"to-vm allow any set-dscp 46", NULL});

    a = admin_start();
    a.miss_allows = true;
    match_tcp(admin_add(&a, 10, "10.0.0.1", false), 22, 0xffff);
    expect_rules(&a, POLICY_ALLOW, (const char *const[]) {"to-vm deny tcp destination-port 22", NULL});
}

static void joins_masks_of_one_priority(void **state)
{
    struct admin a = admin_start();

    (void) state;
    match_tcp(admin_add(&a, 10, "10.0.0.1", true), 1000, 0xfff8);
    match_tcp(admin_add(&a, 10, "10.0.0.1", true), 1008, 0xfff0);
    match_tcp(admin_add(&a, 10, "10.0.0.1", true), 1024, 0xffff);
    match_tcp(admin_add(&a, 11, "10.0.0.1", true), 1025, 0xffff);
    match_tcp(admin_add(&a, 10, "10.0.0.1", true), 1026, 0xffff);
    expect_rules(&a, POLICY_DENY,
                 (const char *const[]) {"to-vm allow tcp destination-port 1025",
                                        "to-vm allow tcp destination-port 1000-1024",
                                        "to-vm allow tcp destination-port 1026", NULL});
}

/* in_port, MAC and registers are the VM's own where another flow says so. */
static void accepts_the_vms_own_mac_and_port(void **state)
{
    struct admin a = admin_start();
    struct flow *flow = admin_add(&a, 10, "10.0.0.1", true);
    struct flow spoof = flow_make(TOR_SPOOF, 100, 0);

    (void) state;
    match_u(&flow->match, FIELD_REG0, 3);
    match_tcp(flow, 22, 0xffff);
    flow = admin_add(&a, 9, NULL, true);
    match_u(&flow->match, FIELD_REG0, 3);
    match_u(&flow->match, FIELD_ETH_DST, 0x525400000001);
    match_tcp(flow, 23, 0xffff);
    flow = admin_add(&a, 8, NULL, true); /* somebody else's MAC */
    match_u(&flow->match, FIELD_ETH_DST, 0x525400000002);
    match_tcp(flow, 24, 0xffff);
    match_u(&spoof.match, FIELD_IN_PORT, 4);
    match_u(&spoof.match, FIELD_ETH_SRC, 0x525400000001);
    match_u(&spoof.match, FIELD_ETH_TYPE, 0x0800);
    match_u(&spoof.match, FIELD_IPV4_SRC, 0x0a000001);
    flow_list_add(&a.list, spoof);
    expect_rules(
        &a, POLICY_DENY,
        (const char *const[]) {"to-vm allow tcp destination-port 22", "to-vm allow tcp destination-port 23", NULL});

    a = admin_start();
    flow = admin_add(&a, 9, NULL, true);
    match_u(&flow->match, FIELD_ETH_DST, 0x525400000001);
    expect_refusal(&a, "no other flow tells", "priority=9");

    a = admin_start();
    match_u(&admin_add(&a, 9, "10.0.0.1", true)->match, FIELD_REG0, 1);
    match_u(&admin_add(&a, 8, "10.0.0.1", true)->match, FIELD_REG0, 2);
    expect_refusal(&a, "disagree", "priority=8");

    a = admin_start();
    match_u(&admin_add(&a, 9, "10.0.0.1", true)->match, FIELD_IN_PORT, 1); /* where a packet to the VM came from */
    expect_refusal(&a, "no word for", "in_port=1");
}

static void refuses_what_a_policy_cannot_say(void **state)
{
    static const struct {
        enum flow_field_id field;
        uint64_t value, mask;
        const char *why;
    } cases[] = {
        {FIELD_TCP_FLAGS, 2, 0xfff, "no word for"},
        {FIELD_IP_DSCP, 46, 0x3f, "no word for"},
        {FIELD_IP_ECN, 1, 3, "no word for"},
        {FIELD_METADATA, 1, 1, "no word for"},
        {FIELD_VLAN_VID, 0x1005, 0x1fff, "no word for"},
        {FIELD_TCP_DST, 1, 1, "no range"},
        {FIELD_TCP_SRC, 0x50, 0xf0ff, "no range"},
        {FIELD_IPV4_SRC, 1, 0xff0000ff, "no prefix"},
        {FIELD_UDP_DST, 1, 0xffff, "without their protocol"},
        {FIELD_ICMPV4_TYPE, 8, 0xff, "without its protocol"},
        {FIELD_REG2, 1, 0xffffffff, "no word for"},
        {FIELD_IP_PROTO, 4, 0xfc, "masks a protocol"},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct admin a = admin_start();
        struct flow *flow = admin_add(&a, 10, "10.0.0.1", true);

        match_u(&flow->match, FIELD_IP_PROTO, 6);
        match_u_masked(&flow->match, cases[i].field, cases[i].value, cases[i].mask);
        admin_add(&a, 9, "10.0.0.1", true);
        expect_refusal(&a, cases[i].why, "priority=10");
    }
}

static void refuses_other_instructions(void **state)
{
    (void) state;
    for (unsigned i = 0; i < 9; i++) {
        struct admin a = admin_start();
        struct flow *flow = admin_add(&a, 10, "10.0.0.1", i != 1 && i != 2);
        static const char *const why[] = {"something else", "something else", "another table",
                                          "another table",  "metadata",       "expires",
                                          "expires",        "not understood", "something else"};

        switch (i) {
        case 0:
            flow_set_u(flow, FIELD_ETH_DST, 1);
            break;
        case 1:
            flow_output(flow, 3);
            break;
        case 2:
            flow_add_action(flow, ACTION_RESUBMIT)->table = 77;
            break;
        case 3:
            flow->goto_table = 77;
            break;
        case 4:
            flow->metadata_mask = 1;
            break;
        case 5:
            flow->idle_timeout = 1;
            break;
        case 6:
            flow->hard_timeout = 1;
            break;
        case 7:
            flow->has_unknown = true;
            break;
        case 8: /* passed on twice */
            flow_add_action(flow, ACTION_RESUBMIT)->table = TOR_FORWARD;
            break;
        }
        expect_refusal(&a, why[i], "priority=10");
    }
}

static void refuses_ambiguous_overlaps(void **state)
{
    struct admin a = admin_start();

    (void) state;
    match_tcp(admin_add(&a, 10, "10.0.0.1", true), 80, 0xfff0);
    match_u_masked(&admin_add(&a, 10, "10.0.0.1", false)->match, FIELD_IPV4_SRC, 0x0a000000, 0xff000000);
    expect_refusal(&a, "overlap", "actions=drop and cookie");

    /* Apart, alike or at another priority they are fine. */
    a = admin_start();
    match_tcp(admin_add(&a, 10, "10.0.0.1", true), 80, 0xffff);
    match_tcp(admin_add(&a, 10, "10.0.0.1", false), 81, 0xffff);
    match_tcp(admin_add(&a, 10, "10.0.0.0/24", true), 80, 0xfffe);
    a.list.flows[2].priority = 9;
    match_tcp(admin_add(&a, 8, "10.0.0.1", false), 80, 0xfffe);
    match_u_masked(&admin_add(&a, 8, "10.0.0.1", false)->match, FIELD_IPV4_SRC, 0x0a000000, 0xff000000);
    assert_int_equal(admin_read(&a), 0);
    assert_int_equal(a.policy.n_rules, 5);
    admin_end(&a);
}

static void refuses_meters_that_differ_or_are_unknown(void **state)
{
    struct admin a = admin_start();

    (void) state;
    match_tcp(admin_add(&a, 10, "10.0.0.1", true), 80, 0xffff);
    a.list.flows[0].meter = TO_METER;
    match_tcp(admin_add(&a, 9, "10.0.0.1", true), 81, 0xffff);
    expect_refusal(&a, "different meters", "priority=9");

    a = admin_start();
    admin_add(&a, 10, "10.0.0.1", true)->meter = 99;
    expect_refusal(&a, "did not show its meter", "priority=10");

    a = admin_start();
    a.miss_allows = true;
    match_tcp(admin_add(&a, 10, "10.0.0.1", true), 80, 0xffff);
    a.list.flows[0].meter = TO_METER;
    expect_refusal(&a, "miss every flow", "priority=10");
}

static void finds_nothing_for_another_vm(void **state)
{
    struct admin a = admin_start();

    (void) state;
    admin_add(&a, 10, "10.0.0.2", true);
    admin_add(&a, 10, "10.0.0.1", true)->table = TOR_FORWARD;
    assert_int_equal(admin_read(&a), ERR_NOT_FOUND);
    assert_string_equal(a.err.text, "policy V1: no flow of the policy tables concerns the VM's address");
    admin_end(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flows_treat_packets_as_the_policy),
        cmocka_unit_test(ranges_become_the_fewest_masks),
        cmocka_unit_test(flow_text_of_a_policy),
        cmocka_unit_test(policy_to_flows_to_policy),
        cmocka_unit_test(reads_prefixes_wildcards_and_foreign_priorities),
        cmocka_unit_test(reads_default_dscp_meter_and_miss),
        cmocka_unit_test(joins_masks_of_one_priority),
        cmocka_unit_test(accepts_the_vms_own_mac_and_port),
        cmocka_unit_test(refuses_what_a_policy_cannot_say),
        cmocka_unit_test(refuses_other_instructions),
        cmocka_unit_test(refuses_ambiguous_overlaps),
        cmocka_unit_test(refuses_meters_that_differ_or_are_unknown),
        cmocka_unit_test(finds_nothing_for_another_vm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
