/* SPDX-License-Identifier: Apache-2.0 */
/* Flows of policies, and what becomes of a packet by them. */
#ifndef POLICY_FLOWS_H
#define POLICY_FLOWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "flow_lookup.h"
#include "policy_random.h"
#include "policy_site.h"

static inline void list_of_txn(const struct flow_txn *txn, struct flow_list *list)
{
    for (size_t i = 0; i < txn->n_mods; i++) {
        assert_int_equal(txn->mods[i].command, FLOW_ADD);
        flow_list_add(list, flow_copy(&txn->mods[i].flow));
    }
}

static inline struct flow_list flows_of(const struct policy *policy, const struct policy_site *site)
{
    struct flow_txn txn = {0};
    struct flow_list list = {0};

    policy_to_flows(policy, site, &txn);
    list_of_txn(&txn, &list);
    flow_txn_free(&txn);
    return list;
}

/* The reference for flows: a packet's header as a match with every field exact. */
static inline struct flow_match header_of(const struct policy_site *site, enum policy_direction direction,
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

static inline bool flow_marks_rejected(const struct flow *flow)
{
    return flow->n_actions && flow->actions[0].type == ACTION_SET_FIELD && flow->actions[0].field.id == FIELD_REG6 &&
           flow_field_u(&flow->actions[0].field) == 3;
}

static inline bool flow_asks(const struct flow *flow, const struct policy_site *site, enum policy_direction direction)
{
    const struct flow_action *last = flow->n_actions ? &flow->actions[flow->n_actions - 1] : NULL;

    return flow->n_actions == 1u + flow_marks_rejected(flow) && last->type == ACTION_RESUBMIT &&
           last->table == site->state_table[direction] && flow->goto_table == site->verdict_table[direction];
}

/* How many actions a flow begins with that ask whether its packets teach: those of all rules with replies. */
static inline unsigned teaching(const struct flow *flow, const struct policy_site *site,
                                enum policy_direction direction)
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
static inline void check_meters(const struct flow_list *list, const struct policy_site *site,
                                enum policy_direction direction, const struct packet *p, uint32_t class_meter,
                                const struct flow *flow)
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

/* Policies of a test: SCG_POLICY_ROUNDS raises how many. */
static inline unsigned rounds(unsigned least)
{
    const char *text = getenv("SCG_POLICY_ROUNDS");
    unsigned long wanted = text ? strtoul(text, NULL, 10) : 0;

    return wanted > least ? (unsigned) wanted : least;
}

#endif
