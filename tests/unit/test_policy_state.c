/* SPDX-License-Identifier: Apache-2.0 */
/* What flows of stateful rules learn: which replies pass, and connections that travel. */
#include <string.h>

#include "policy_flows.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_pass_and_nothing_else),
        cmocka_unit_test(connections_and_what_is_none),
        cmocka_unit_test(connections_of_all_addresses),
        cmocka_unit_test(what_is_learned_has_the_shape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
