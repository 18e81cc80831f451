/* SPDX-License-Identifier: Apache-2.0 */
/* Policies to flows and back: packet by packet against a reference, and round trips. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow_lookup.h"
#include "policy_random.h"
#include "policy_site.h"

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
    match_u(&header, FIELD_IP_DSCP, p->dscp);
    if (p->protocol == 6)
        match_u(&header, FIELD_TCP_FLAGS, p->tcp_flags);
    if (p->protocol == 6 || p->protocol == 17) {
        match_u(&header, p->protocol == 6 ? FIELD_TCP_SRC : FIELD_UDP_SRC, p->source);
        match_u(&header, p->protocol == 6 ? FIELD_TCP_DST : FIELD_UDP_DST, p->destination);
    }
    if (p->protocol == (v6 ? 58 : 1)) {
        match_u(&header, v6 ? FIELD_ICMPV6_TYPE : FIELD_ICMPV4_TYPE, p->icmp_type);
        match_u(&header, v6 ? FIELD_ICMPV6_CODE : FIELD_ICMPV4_CODE, p->icmp_code);
    }
    return header;
}

static bool flow_marks_rejected(const struct flow *flow)
{
    return flow->n_actions && flow->actions[0].type == ACTION_SET_FIELD && flow->actions[0].field.id == FIELD_REG6 &&
           flow_field_u(&flow->actions[0].field) == 3;
}

static bool flow_asks(const struct flow *flow, const struct policy_site *site, enum policy_direction direction)
{
    const struct flow_action *last = flow->n_actions ? &flow->actions[flow->n_actions - 1] : NULL;

    return flow->n_actions == 1u + flow_marks_rejected(flow) && last->type == ACTION_RESUBMIT &&
           last->table == site->state_table[direction] && flow->goto_table == site->verdict_table[direction];
}

/* What is marked as rejected, and is no reply, goes to the gateway. */
static void expect_told(const struct flow_list *list, const struct policy_site *site, enum policy_direction direction,
                        const struct flow_match *header)
{
    struct flow_match marked = *header;

    match_u(&marked, FIELD_REG6, 3);
    const struct flow *verdict = flow_lookup(list, site->verdict_table[direction], &marked);
    assert_non_null(verdict);
    assert_int_equal(verdict->meter, site->numbers.reject_meters[direction]);
    assert_true(verdict->n_actions == 1 && verdict->goto_table == FLOW_NO_GOTO);
    assert_int_equal(verdict->actions[0].port, PORT_CONTROLLER);
    assert_int_equal(verdict->actions[0].max_len, site->ip.family == IP_V6 ? 1246 : 562);
}

/* How many actions a flow begins with that ask whether its packets teach: those of all rules with replies. */
static unsigned teaching(const struct flow *flow, const struct policy_site *site, enum policy_direction direction)
{
    const struct flow_action *a = flow->actions;

    if (!flow->n_actions || a[0].type != ACTION_SET_FIELD || a[0].field.id != FIELD_REG6)
        return 0;
    assert_int_equal(flow_field_u(&a[0].field), 2);
    assert_true(flow->n_actions >= 3 && a[1].type == ACTION_RESUBMIT && a[1].table == site->state_table[direction]);
    assert_true(a[2].type == ACTION_SET_FIELD && a[2].field.id == FIELD_REG6 && flow_field_u(&a[2].field) == 0);
    return 3;
}

/* Follows a packet that the flow lets pass to the next table. Its meters are that of its class (0: none), then that of
 * new connections, if it opens one, then the direction's. */
static void check_meters(const struct flow_list *list, const struct policy_site *site, enum policy_direction direction,
                         const struct packet *p, uint32_t class_meter, const struct flow *flow)
{
    struct flow_match header = header_of(site, direction, p);
    bool opens = p->protocol == 6 && (p->tcp_flags & 0x12) == 0x02;
    uint32_t wanted[] = {class_meter, opens ? site->numbers.limit_meters[direction] : 0,
                         site->numbers.meters[direction]};
    unsigned n = 0;

    for (uint8_t table = site->table[direction]; table != site->next_table[direction];) {
        if (flow && flow->meter) {
            while (n < ARRAY_LEN(wanted) - 1 && !wanted[n])
                n++;
            assert_in_range(n, 0, ARRAY_LEN(wanted) - 1);
            assert_int_equal(flow->meter, wanted[n++]);
        }
        uint8_t miss = table == site->limit_table[direction] ? site->rate_table[direction] :
                                                               site->next_table[direction];
        table = flow ? flow->goto_table : miss;
        flow = flow_lookup(list, table, &header);
    }
    while (n < ARRAY_LEN(wanted))
        assert_int_equal(wanted[n++], 0);
}

/* The packet is in the class of its DSCP: it has that one's queue and meter. */
static int flows_decide_class(const struct flow_list *list, const struct policy *policy, const struct policy_site *site,
                              enum policy_direction direction, const struct packet *p, const struct flow *flow)
{
    unsigned teaches = teaching(flow, site, direction);
    int dscp = (int) flow_field_u(&flow->actions[teaches].field), class = policy_class_find(policy, dscp);
    uint32_t queue = flow->n_actions > teaches + 1 ? flow->actions[teaches + 1].queue : 0;

    assert_int_equal(queue, site->numbers.class_queues[direction][class]);
    check_meters(list, site, direction, p, site->numbers.class_meters[direction][class], flow);
    return DECIDED_CLASS + dscp;
}

/* As policy_decide(). The meters, too, have to be the class's and the direction's. */
static int flows_decide(const struct flow_list *list, const struct policy *policy, const struct policy_site *site,
                        enum policy_direction direction, const struct packet *p)
{
    struct flow_match header = header_of(site, direction, p);
    const struct flow *best = flow_lookup(list, site->table[direction], &header);

    assert_non_null(best);
    if (best->goto_table == FLOW_NO_GOTO) {
        assert_int_equal(best->n_actions, 0);
        return DECIDED_DENY;
    }
    if (flow_marks_rejected(best)) {
        assert_true(best->n_actions == 1 || flow_asks(best, site, direction));
        assert_int_equal(best->goto_table, site->verdict_table[direction]);
        expect_told(list, site, direction, &header);
        return DECIDED_REJECT;
    }
    if (flow_asks(best, site, direction))
        return DECIDED_DENY;
    unsigned teaches = teaching(best, site, direction);
    int replies = teaches ? DECIDED_REPLIES : 0;
    bool limited = best->goto_table == site->limit_table[direction];
    assert_int_equal(limited, site->numbers.limit_meters[direction] != 0);
    if (best->goto_table == site->rate_table[direction] || (limited && best->meter) || best->n_actions > 1 + teaches)
        return flows_decide_class(list, policy, site, direction, p, best) + replies;
    check_meters(list, site, direction, p, 0, best);
    if (best->n_actions == teaches)
        return 64 + replies;
    assert_int_equal(best->n_actions, 1 + teaches);
    assert_int_equal(best->actions[teaches].field.id, FIELD_IP_DSCP);
    return (int) flow_field_u(&best->actions[teaches].field) + replies;
}

/* Policies of a test: SCG_POLICY_ROUNDS raises how many. */
static unsigned rounds(unsigned least)
{
    const char *text = getenv("SCG_POLICY_ROUNDS");
    unsigned long wanted = text ? strtoul(text, NULL, 10) : 0;

    return wanted > least ? (unsigned) wanted : least;
}

static void compare_packets(struct random *r, const struct flow_list *list, const struct policy *policy,
                            const struct policy_site *site, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        enum policy_direction direction = random_below(r, 2);
        struct packet p = random_packet(r, site->ip.family);

        if (policy->n_rules && random_below(r, 4))
            packet_at_border(r, &policy->rules[random_below(r, (uint32_t) policy->n_rules)], &p);
        assert_int_equal(flows_decide(list, policy, site, direction, &p), policy_decide(policy, direction, &p));
    }
}

static size_t count_clauses(const struct flow_list *list)
{
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++)
        n += flow_is_clause(&list->flows[i]);
    return n;
}

static void flows_treat_packets_as_the_policy(void **state)
{
    struct random r = {11};
    const char *const addresses[] = {"10.0.0.1", "2000::1"};
    unsigned n_conjunctive = 0, n_rounds = rounds(4000);

    (void) state;
    for (unsigned round = 0; round < n_rounds; round++) {
        struct policy_site site = site_of(addresses[round % 2]);
        struct policy policy = random_policy(&r, random_below(&r, 10), false);
        struct flow_meter meters[METERS_MAX];
        struct flow_queue queues[QUEUES_MAX];

        number_meters(&policy, &site, meters);
        number_queues(&policy, &site, queues);
        struct flow_list list = flows_of(&policy, &site);
        compare_packets(&r, &list, &policy, &site, 20);
        n_conjunctive += count_clauses(&list) > 0;
        flow_list_free(&list);
        policy_free(&policy);
    }
    assert_true(n_conjunctive > n_rounds / 100);
}

/* A policy that would take some 100,000 flows as products, and what is read back from what it takes. */
static void large_policies_take_few_flows(void **state)
{
    struct random r = {12};
    struct policy_site site = site_of("10.0.0.1");
    struct policy policy = {.name = "V1"}, back;
    struct err err = {0};
    char *witness = NULL;

    (void) state;
    for (unsigned i = 0; i < 1000; i++) {
        struct policy_rule rule = policy_rule_any(random_below(&r, 2), random_below(&r, 2));

        rule.protocol = random_below(&r, 2) ? 6 : 17;
        rule.destination_port = (struct port_range) {(uint16_t) (i * 10 + 1), (uint16_t) (i * 10 + 1022)};
        if (i % 10 == 0)
            policy_add_set(&policy, random_set(&r, true, ""));
        rule.remotes = policy.sets[i / 10];
        policy_add_rule(&policy, rule);
    }
    struct flow_list list = flows_of(&policy, &site);
    assert_in_range(list.n, 10000, 30000);
    assert_true(count_clauses(&list) > 0);
    compare_packets(&r, &list, &policy, &site, 50);
    if (policy_from_flows(list.flows, list.n, NULL, 0, &site, false, "V1", &back, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(back.n_rules <= policy.n_rules);
    if (!policy_equivalent(&policy, &back, &witness))
        fail_msg("%s", witness);
    policy_free(&back);
    policy_free(&policy);
    flow_list_free(&list);
}

/* As many rules as a policy may have, each of which stands as three. */
static void rules_without_a_protocol_read_back_as_one(void **state)
{
    struct policy_site site = site_of("10.0.0.1");
    struct policy policy = {.name = "V1"}, back;
    struct err err = {0};
    char *witness = NULL;

    (void) state;
    for (unsigned i = 0; i < POLICY_RULES_MAX; i++) {
        struct policy_rule rule = policy_rule_any(i % 2, POLICY_ALLOW);

        rule.stateful = true;
        rule.family = IP_V4;
        rule.remote = prefix_of(&(struct ip) {IP_V4, {172, (uint8_t) (16 + i / 256), (uint8_t) i}}, 32);
        policy_add_rule(&policy, rule);
    }
    struct flow_list list = flows_of(&policy, &site);
    if (policy_from_flows(list.flows, list.n, NULL, 0, &site, false, "V1", &back, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(back.n_rules, policy.n_rules);
    if (policy_check(&back, &err) < 0)
        fail_msg("%s", err.text);
    if (!policy_equivalent_in(&policy, &back, IP_V4, &witness))
        fail_msg("%s", witness);
    policy_free(&back);
    policy_free(&policy);
    flow_list_free(&list);
}

/* What OVS makes of a learn action when it meets that packet. */
static struct flow learned(const struct flow_learn *learn, const struct flow_match *header)
{
    struct flow flow = flow_make(learn->table, learn->priority, learn->cookie);

    flow.idle_timeout = learn->idle_timeout;
    if (learn->fin.idle_timeout || learn->fin.hard_timeout)
        flow_add_action(&flow, ACTION_FIN_TIMEOUT)->fin = learn->fin;
    for (unsigned i = 0; i < learn->n_specs; i++) {
        const struct flow_learn_spec *spec = &learn->specs[i];
        const struct flow_field *source = match_find(header, spec->source);

        if (spec->type == LEARN_MATCH_VALUE)
            match_u(&flow.match, spec->destination, spec->value);
        else if (spec->type == LEARN_MATCH_FIELD)
            match_bytes(&flow.match, spec->destination, source->value, NULL);
        else
            flow_set_u(&flow, spec->destination, spec->value);
    }
    return flow;
}

static struct packet reply_to(const struct packet *p)
{
    struct packet reply = *p;

    reply.source = p->destination;
    reply.destination = p->source;
    reply.icmp_type = p->remote.family == IP_V6 ? 129 : 0;
    return reply;
}

/* Whether a packet that the direction's rules deny gets past the verdict table. */
static bool passes_as_reply(const struct flow_list *list, const struct policy_site *site,
                            enum policy_direction direction, const struct packet *p)
{
    struct flow_match header = header_of(site, direction, p);
    const struct flow *denies = flow_lookup(list, site->table[direction], &header);

    if (!flow_asks(denies, site, direction))
        return false;
    const struct flow *state = flow_lookup(list, site->state_table[direction], &header);
    if (state) {
        const struct flow_action *mark = &state->actions[state->n_actions - 1];

        assert_int_equal(mark->field.id, FIELD_REG6);
        match_u(&header, FIELD_REG6, flow_field_u(&mark->field));
    } else {
        match_u(&header, FIELD_REG6, flow_marks_rejected(denies) ? 3 : 0);
    }
    const struct flow *verdict = flow_lookup(list, site->verdict_table[direction], &header);
    assert_int_equal(verdict && verdict->goto_table == FLOW_NO_GOTO, !state && flow_marks_rejected(denies));
    if (!verdict || verdict->goto_table == FLOW_NO_GOTO)
        return false;
    check_meters(list, site, direction, p, 0, verdict);
    assert_true(verdict->n_actions == 1 && verdict->actions[0].field.id == FIELD_REG6 &&
                flow_field_u(&verdict->actions[0].field) == 0);
    return true;
}

/* What was learned is the one connection, reads back as it, and as flows again is what was learned. */
static void travels(const struct flow *flow, const struct policy_site *site, enum policy_direction replies,
                    const struct packet *p)
{
    struct connection_list read = {0};
    struct flow_txn txn = {0};

    assert_int_equal(connections_from_flows(flow, 1, site, &read, NULL), 0);
    assert_int_equal(read.n, 1);
    assert_int_equal(read.items[0].direction, replies);
    assert_int_equal(read.items[0].protocol, p->protocol);
    assert_true(ip_equal(&read.items[0].remote, &p->remote));
    connections_to_flows(&read, site, &txn);
    assert_int_equal(txn.n_mods, 1);
    assert_true(flow_equal(&txn.mods[0].flow, flow));
    flow_txn_free(&txn);
    connection_list_free(&read);
}

/* What a packet that a stateful rule lets pass meets in the state table of its direction. */
static const struct flow *teacher(const struct flow_list *list, const struct policy_site *site,
                                  enum policy_direction direction, const struct packet *p)
{
    struct flow_match header = header_of(site, direction, p);

    assert_int_equal(teaching(flow_lookup(list, site->table[direction], &header), site, direction), 3);
    match_u(&header, FIELD_REG6, 2);
    return flow_lookup(list, site->state_table[direction], &header);
}

/* Whether it teaches: adds what is learned to the list. */
static bool teaches(struct flow_list *list, const struct policy_site *site, enum policy_direction direction,
                    const struct packet *p)
{
    enum policy_direction back = direction == POLICY_FROM_VM ? POLICY_TO_VM : POLICY_FROM_VM;
    struct flow_match header = header_of(site, direction, p);
    const struct flow *flow = teacher(list, site, direction, p);
    bool tcp = p->protocol == 6, syn = tcp && p->tcp_flags & 2;

    if (tcp && p->tcp_flags & 4) {
        assert_int_equal(flow->n_actions, 0);
        return false;
    }
    assert_true(flow->n_actions == 1 && flow->actions[0].type == ACTION_LEARN);
    struct flow learns = learned(&flow->actions[0].learn, &header);
    assert_int_equal(learns.idle_timeout, syn ? 30 : tcp ? 7440 : p->protocol == 17 ? 300 : 60);
    assert_int_equal(flow->actions[0].learn.limit, syn ? 2048 : 4096);
    assert_int_equal(learns.cookie, syn ? site->half_open_cookie : site->state_cookie);
    assert_true(connections_is_learned(&learns));
    if (syn)
        assert_false(connections_concern(site, &learns));
    else
        travels(&learns, site, back, p);
    flow_list_add(list, learns);
    return true;
}

static void replies_pass_and_nothing_else(void **state)
{
    struct random r = {12};
    const char *const addresses[] = {"10.0.0.1", "2000::1"};
    unsigned n_passed = 0, n_dropped = 0, n_answers = 0;

    (void) state;
    for (unsigned round = 0; round < 4000; round++) {
        struct policy_site site = site_of(addresses[round % 2]);
        struct policy policy = random_policy(&r, random_below(&r, 10), false);
        enum policy_direction d = random_below(&r, 2), back = d == POLICY_FROM_VM ? POLICY_TO_VM : POLICY_FROM_VM;
        struct packet p = random_packet(&r, site.ip.family), reply = reply_to(&p), other = reply;

        for (unsigned i = 0; i < 2 && round % 3 == 0; i++) {
            struct policy_rule any = policy_rule_any(i, POLICY_ALLOW);

            any.stateful = true;
            policy_add_rule(&policy, any);
        }
        site.numbers.meters[back] = 5;
        site.numbers.limit_meters[back] = random_below(&r, 2) ? 6 : 0;
        struct flow_list list = flows_of(&policy, &site);
        int decided = policy_decide(&policy, d, &p), decided_back = policy_decide(&policy, back, &reply);
        bool taught = decided >= DECIDED_REPLIES && teaches(&list, &site, d, &p);
        if (decided_back < 0) {
            bool passed = passes_as_reply(&list, &site, back, &reply);

            assert_int_equal(passed, taught);
            n_passed += passed;
            n_dropped += !passed;
            other.remote.bytes[1] ^= 1;
            if (policy_decide(&policy, back, &other) < 0)
                assert_false(passes_as_reply(&list, &site, back, &other));
        } else if (decided_back >= DECIDED_REPLIES && taught) {
            const struct flow *known = teacher(&list, &site, back, &reply);

            /* It is a reply itself. */
            assert_true(flow_equal(known, &list.flows[list.n - 1]));
            n_answers++;
        }
        flow_list_free(&list);
        policy_free(&policy);
    }
    assert_true(n_passed > 20 && n_dropped > 500 && n_answers > 100);
}

/* What is no connection is named, and the others are read; what others' addresses have is nobody's business. */
static void connections_and_what_is_none(void **state)
{
    struct policy_site site = site_of("10.0.0.1"), neighbour = site_of("10.0.0.2");
    struct connection echo = {.protocol = 1, .direction = POLICY_TO_VM, .remote = {IP_V4, {10, 9}}, .idle_timeout = 60};
    struct connection_list list = {.items = &echo, .n = 1}, read = {0};
    struct flow_list flows = {0};
    struct flow_txn txn = {0};
    struct err err = {0};

    (void) state;
    connections_to_flows(&list, &site, &txn);
    connections_to_flows(&list, &neighbour, &txn);
    echo.remote.family = IP_V6; /* of an address that the VM does not have */
    connections_to_flows(&list, &site, &txn);
    assert_int_equal(txn.n_mods, 2);
    list_of_txn(&txn, &flows);
    flow_list_add(&flows, flow_copy(&txn.mods[0].flow));
    flows.flows[2].priority++;
    flow_list_add(&flows, flow_copy(&txn.mods[0].flow));
    flows.flows[3].idle_timeout = 0;
    assert_int_equal(connections_from_flows(flows.flows, flows.n, &site, &read, &err), ERR_UNSUPPORTED);
    if (!strstr(err.text, "priority=101"))
        fail_msg("%s", err.text);
    assert_int_equal(read.n, 1);
    assert_int_equal(read.items[0].protocol, 1);
    connection_list_free(&read);
    flow_list_free(&flows);
    flow_txn_free(&txn);
}

/* One odd flow of one address keeps back nothing of the others. */
static void connections_of_all_addresses(void **state)
{
    struct policy_site sites[] = {site_of("10.0.0.1"), site_of("2000::1")};
    struct connection echoes[] = {
        {.protocol = 1, .direction = POLICY_TO_VM, .remote = {IP_V4, {10, 9}}, .idle_timeout = 60},
        {.protocol = 58, .direction = POLICY_TO_VM, .remote = {IP_V6, {0x20, 9}}, .idle_timeout = 60}};
    struct connection_list list = {.items = echoes, .n = 2}, read = {0};
    struct flow_list flows = {0};
    struct flow_txn txn = {0};
    struct err err = {0};

    (void) state;
    for (size_t i = 0; i < 2; i++)
        connections_to_flows(&list, &sites[i], &txn);
    list_of_txn(&txn, &flows);
    assert_int_equal(flows.n, 2);
    flows.flows[0].priority++;
    assert_int_equal(connections_from_sites(flows.flows, flows.n, sites, 2, &read, &err), ERR_UNSUPPORTED);
    if (!strstr(err.text, "priority=101"))
        fail_msg("%s", err.text);
    assert_int_equal(read.n, 1);
    assert_int_equal(read.items[0].protocol, 58);
    connection_list_free(&read);
    flow_list_free(&flows);
    flow_txn_free(&txn);
}

static void what_is_learned_has_the_shape(void **state)
{
    struct policy_site site = site_of("10.0.0.1");
    struct connection echo = {.protocol = 1, .direction = POLICY_TO_VM, .remote = {IP_V4, {10, 9}}, .idle_timeout = 60};
    struct connection_list list = {.items = &echo, .n = 1};
    struct flow_txn txn = {0};

    (void) state;
    connections_to_flows(&list, &site, &txn);
    struct flow *flow = &txn.mods[0].flow;
    struct flow all = flow_make(flow->table, STATE_PRIORITY, flow->cookie);
    all.idle_timeout = 60;
    flow_set_u(&all, FIELD_REG6, 1);
    assert_true(connections_is_learned(flow));
    assert_false(connections_is_learned(&all));
    flow->cookie = site.half_open_cookie; /* of TCP only, and at a priority of its own */
    assert_false(connections_is_learned(flow));
    flow->priority = STATE_PRIORITY_HALF_OPEN;
    assert_false(connections_is_learned(flow));
    flow->cookie = site.cookie;
    flow->priority = STATE_PRIORITY;
    assert_false(connections_is_learned(flow));
    flow->cookie = site.state_cookie;
    flow->table = TOR_VERDICT_TO;
    assert_false(connections_is_learned(flow));
    flow->table = TOR_STATE_TO;
    flow->idle_timeout = 0;
    assert_false(connections_is_learned(flow));
    flow->idle_timeout = 60;
    flow->hard_timeout = 60;
    assert_false(connections_is_learned(flow));
    flow->hard_timeout = 0;
    flow->actions[0].field.value[0] ^= 2; /* reg6 */
    assert_false(connections_is_learned(flow));
    flow->actions[0].field.value[0] ^= 2;
    flow_output(flow, 1);
    assert_false(connections_is_learned(flow));
    flow_free(&all);
    flow_txn_free(&txn);
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
    site.numbers.meters[POLICY_TO_VM] = TO_METER;
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
    struct flow_meter meters[METERS_MAX];
    size_t n_meters = number_meters(&policy, &site, meters);
    struct flow_queue queues[QUEUES_MAX];
    struct err err = {0};
    char *witness = NULL;

    number_queues(&policy, &site, queues);
    struct flow_list list = flows_of(&policy, &site);
    if (policy_from_flows(list.flows, list.n, meters, n_meters, &site, round % 3, "V1", &back, &err) < 0)
        fail_with_policies(&policy, &policy, err.text);
    assert_int_equal(policy_check(&back, &err), 0);
    if (!policy_equivalent_in(&policy, &back, site.ip.family, &witness))
        fail_with_policies(&policy, &back, witness);
    if (plain && !policy_equivalent(&policy, &back, &witness))
        fail_with_policies(&policy, &back, witness);
    if (plain && round % 8 == 1) {
        char *a = canonical_text(&policy), *b = canonical_text(&back), hash[2][17];

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

/* Of a VM with addresses of both families: all of the policy comes back. */
static void policy_to_flows_of_all_addresses_to_policy(void **state)
{
    static const struct ip v4 = {IP_V4, {10, 0, 0, 1}};
    static const struct ip6_list v6 = {2, {{IP_V6, {0x20, [15] = 1}}, {IP_V6, {0x20, [15] = 2}}}};
    static const struct mac vm_mac = {{0x52, 0x54, 0, 0, 0, 1}};
    struct random r = {6};

    (void) state;
    for (unsigned round = 0, n = rounds(20000); round < n; round++) {
        struct policy_site sites[PIPELINE_SITES_MAX];
        unsigned n_sites = pipeline_policy_sites(cookie_make(COOKIE_VM, 1), &vm_mac, &v4, &v6, sites);

        n_sites = round % 3 ? n_sites : 1;
        struct policy policy = random_policy(&r, random_below(&r, 9), round % 2), back;
        struct flow_meter meters[METERS_MAX];
        struct flow_queue queues[QUEUES_MAX];
        size_t n_meters = number_meters(&policy, &sites[0], meters);
        struct flow_list list = {0};
        struct flow_txn others = {0};
        struct err err = {0};
        char *witness = NULL;

        for (unsigned n_types = random_below(&r, 4); n_types > 0; n_types--) {
            struct policy_rule rule = policy_rule_any(random_below(&r, 2), random_below(&r, 2));

            rule.ethertype = (uint16_t) (0x88b5 + random_below(&r, 3));
            policy_add_rule(&policy, rule);
        }
        number_queues(&policy, &sites[0], queues);
        policy_ethertypes_to_flows(&policy, &sites[0], &others);
        for (size_t i = 0; i < others.n_mods; i++)
            flow_list_add(&list, flow_copy(&others.mods[i].flow));
        flow_txn_free(&others);
        for (unsigned i = 0; i < n_sites; i++) {
            struct ip ip = sites[i].ip;

            sites[i] = sites[0];
            sites[i].ip = ip;
            struct flow_list part = flows_of(&policy, &sites[i]);
            for (size_t f = 0; f < part.n; f++)
                flow_list_add(&list, flow_copy(&part.flows[f]));
            flow_list_free(&part);
        }
        if (policy_from_sites(list.flows, list.n, meters, n_meters, sites, n_sites, round % 3, "V1", &back, &err) < 0)
            fail_with_policies(&policy, &policy, err.text);
        assert_int_equal(policy_check(&back, &err), 0);
        if (!policy_equivalent_in(&policy, &back, n_sites > 1 ? IP_NONE : IP_V4, &witness))
            fail_with_policies(&policy, &back, witness);
        if (round % 16 == 1) {
            char *a = canonical_text(&policy), *b = canonical_text(&back);

            assert_string_equal(a, b);
            free(a);
            free(b);
        }
        policy_free(&back);
        policy_free(&policy);
        flow_list_free(&list);
    }
}

/* What an administrator can write, but no policy say. */
static void addresses_that_differ_are_refused(void **state)
{
    static const struct ip v4 = {IP_V4, {10, 0, 0, 1}};
    static const struct ip6_list v6 = {2, {{IP_V6, {0x20, [15] = 1}}, {IP_V6, {0x20, [15] = 2}}}};
    static const struct mac vm_mac = {{0x52, 0x54, 0, 0, 0, 1}};
    static const struct flow_meter meters[] = {{1, 1000, 0, false}, {2, 1000, 0, false}};
    struct policy_site sites[PIPELINE_SITES_MAX];
    unsigned n = pipeline_policy_sites(cookie_make(COOKIE_VM, 1), &vm_mac, &v4, &v6, sites);
    struct policy open = {.name = "V1", .default_verdict = {POLICY_ALLOW, POLICY_ALLOW}}, back;
    struct policy closed = {.name = "V1", .default_verdict = {POLICY_ALLOW, POLICY_DENY}};
    struct flow_list list = {0};
    struct err err = {0};

    (void) state;
    assert_int_equal(policy_from_sites(NULL, 0, NULL, 0, sites, n, true, "V1", &back, &err), ERR_NOT_FOUND);
    for (unsigned i = 0; i < 2; i++) { /* IPv4 is closed, one address of IPv6, too */
        struct flow_list part = flows_of(&closed, &sites[i]);

        for (size_t f = 0; f < part.n; f++)
            flow_list_add(&list, flow_copy(&part.flows[f]));
        flow_list_free(&part);
    }
    assert_int_equal(policy_from_sites(list.flows, list.n, NULL, 0, sites, n, true, "V1", &back, &err),
                     ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "2000::2"));
    /* The second closed, too: one policy, with no rules. */
    struct flow_list second = flows_of(&closed, &sites[2]);
    for (size_t f = 0; f < second.n; f++)
        flow_list_add(&list, flow_copy(&second.flows[f]));
    flow_list_free(&second);
    assert_int_equal(policy_from_sites(list.flows, list.n, NULL, 0, sites, n, true, "V1", &back, &err), 0);
    assert_true(policy_equivalent(&closed, &back, NULL));
    assert_int_equal(back.n_rules, 0);
    policy_free(&back);
    /* Only IPv4 is closed: the rest is what misses. */
    struct flow_list first = flows_of(&closed, &sites[0]);
    assert_int_equal(policy_from_sites(first.flows, first.n, NULL, 0, sites, n, true, "V1", &back, &err), 0);
    assert_true(policy_equivalent_in(&closed, &back, IP_V4, NULL));
    assert_true(policy_equivalent_in(&open, &back, IP_V6, NULL));
    policy_free(&back);
    flow_list_free(&first);
    flow_list_free(&list);
    list = (struct flow_list) {0};
    /* Two meters of one rate are no limit on the sum. */
    for (unsigned i = 0; i < 2; i++) {
        sites[i].numbers.meters[POLICY_FROM_VM] = 1 + i;
        struct flow_list part = flows_of(&open, &sites[i]);

        for (size_t f = 0; f < part.n; f++)
            flow_list_add(&list, flow_copy(&part.flows[f]));
        flow_list_free(&part);
    }
    assert_int_equal(policy_from_sites(list.flows, list.n, meters, 2, sites, 2, true, "V1", &back, &err),
                     ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "meters"));
    flow_list_free(&list);
}

static void add_flows(const struct policy *policy, const struct policy_site *site, struct flow_list *list)
{
    struct flow_list part = flows_of(policy, site);

    for (size_t f = 0; f < part.n; f++)
        flow_list_add(list, flow_copy(&part.flows[f]));
    flow_list_free(&part);
}

/* Each family has as many as a policy can have. */
static void classes_of_both_families_are_too_many(void **state)
{
    struct policy_site sites[] = {site_of("10.0.0.1"), site_of("2000::1")};
    struct flow_meter meters[2 * POLICY_CLASSES_MAX];
    struct flow_list list = {0};
    struct policy back;
    struct err err = {0};

    (void) state;
    for (unsigned i = 0; i < 2; i++) {
        struct policy policy = {.name = "V1"};

        for (unsigned c = 0; c < POLICY_CLASSES_MAX; c++) {
            struct policy_rule rule = policy_rule_any(POLICY_TO_VM, POLICY_ALLOW);
            uint8_t dscp = (uint8_t) (1 + POLICY_CLASSES_MAX * i + c);
            int at = policy_class_obtain(&policy, dscp);
            uint32_t meter = 20 + dscp;

            rule.protocol = 6;
            rule.destination_port = (struct port_range) {dscp, dscp};
            rule.set_dscp = dscp;
            rule.in_class = true;
            policy.classes[at].rate[POLICY_TO_VM].kbps = 1000;
            sites[i].numbers.class_meters[POLICY_TO_VM][at] = meter;
            meters[POLICY_CLASSES_MAX * i + c] = (struct flow_meter) {meter, 1000, 0, false};
            policy_add_rule(&policy, rule);
        }
        add_flows(&policy, &sites[i], &list);
        policy_free(&policy);
    }
    assert_int_equal(
        policy_from_sites(list.flows, list.n, meters, ARRAY_LEN(meters), sites, 2, true, "V1", &back, &err),
        ERR_UNSUPPORTED);
    if (!strstr(err.text, "more classes than the 7 that a policy can have"))
        fail_msg("%s", err.text);
    flow_list_free(&list);
}

/* Each of its lists of both families is read as two. */
static void rules_of_both_families_may_be_many(void **state)
{
    struct policy_site sites[] = {site_of("10.0.0.1"), site_of("2000::1")};
    struct policy policy = {.name = "V1"}, back;
    struct prefix prefixes[2];
    struct flow_list list = {0};
    struct err err = {0};
    char *witness = NULL;

    (void) state;
    assert_int_equal(prefix_parse("192.0.2.0/24", &prefixes[0]), 0);
    assert_int_equal(prefix_parse("2001:db8::/32", &prefixes[1]), 0);
    struct address_set *both = address_set_new("both", prefixes, 2);
    policy_add_set(&policy, both);
    for (unsigned i = 0; i <= POLICY_RULES_MAX / 2; i++) {
        struct policy_rule rule = policy_rule_any(POLICY_TO_VM, POLICY_ALLOW);

        rule.protocol = 6;
        rule.destination_port = (struct port_range) {(uint16_t) (2 * i), (uint16_t) (2 * i)};
        rule.remotes = both;
        policy_add_rule(&policy, rule);
    }
    assert_int_equal(policy_check(&policy, &err), 0);
    for (unsigned i = 0; i < 2; i++)
        add_flows(&policy, &sites[i], &list);
    if (policy_from_sites(list.flows, list.n, NULL, 0, sites, 2, true, "V1", &back, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(back.n_rules > POLICY_RULES_MAX);
    if (!policy_equivalent(&policy, &back, &witness))
        fail_msg("%s", witness);
    assert_int_equal(policy_check(&back, &err), ERR_INVALID);
    policy_free(&back);
    policy_free(&policy);
    flow_list_free(&list);
}

static void policy_to_flows_to_policy(void **state)
{
    struct random r = {5};

    (void) state;
    for (unsigned round = 0, n = rounds(50000); round < n; round++)
        round_trip(&r, round);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_pass_and_nothing_else),
        cmocka_unit_test(connections_and_what_is_none),
        cmocka_unit_test(connections_of_all_addresses),
        cmocka_unit_test(what_is_learned_has_the_shape),
        cmocka_unit_test(classes_of_both_families_are_too_many),
        cmocka_unit_test(rules_of_both_families_may_be_many),
        cmocka_unit_test(flows_treat_packets_as_the_policy),
        cmocka_unit_test(large_policies_take_few_flows),
        cmocka_unit_test(rules_without_a_protocol_read_back_as_one),
        cmocka_unit_test(ranges_become_the_fewest_masks),
        cmocka_unit_test(flow_text_of_a_policy),
        cmocka_unit_test(policy_to_flows_to_policy),
        cmocka_unit_test(policy_to_flows_of_all_addresses_to_policy),
        cmocka_unit_test(addresses_that_differ_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
