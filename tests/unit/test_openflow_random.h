/* SPDX-License-Identifier: Apache-2.0 */
/* Random flows that a switch accepts, from a seed; and flows as a switch returns them. */
#ifndef TESTS_UNIT_TEST_OPENFLOW_RANDOM_H
#define TESTS_UNIT_TEST_OPENFLOW_RANDOM_H

#include <stdint.h>
#include <string.h>

#include "base/wire.h"
#include "proto/openflow/openflow.h"

struct rng {
    uint64_t state;
};

/* 0..n-1 (xorshift64*) */
static inline uint32_t rng_below(struct rng *rng, uint32_t n)
{
    rng->state ^= rng->state >> 12;
    rng->state ^= rng->state << 25;
    rng->state ^= rng->state >> 27;
    return (uint32_t) ((rng->state * UINT64_C(2685821657736338717)) >> 33) % n;
}

static inline uint64_t rng_u64(struct rng *rng)
{
    return (uint64_t) rng_below(rng, UINT32_C(1) << 31) << 33 ^ (uint64_t) rng_below(rng, UINT32_C(1) << 31) << 16 ^
           rng_below(rng, 1 << 16);
}

static inline void rng_bytes(struct rng *rng, uint8_t *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (uint8_t) rng_below(rng, 256);
}

/* Value and mask at random; every other one is exact. */
static inline void random_field(struct rng *rng, struct flow_match *match, enum flow_field_id id)
{
    uint8_t value[16], mask[16];

    rng_bytes(rng, value, sizeof value);
    rng_bytes(rng, mask, sizeof mask);
    match_bytes(match, id, value, rng_below(rng, 2) ? mask : NULL);
}

static inline void maybe_field(struct rng *rng, struct flow_match *match, enum flow_field_id id)
{
    if (rng_below(rng, 3) == 0)
        random_field(rng, match, id);
}

/* A solicitation or an advertisement. */
static inline void random_neighbour_discovery(struct rng *rng, struct flow_match *match)
{
    bool solicits = rng_below(rng, 2);

    match_u(match, FIELD_IP_PROTO, 58);
    match_u(match, FIELD_ICMPV6_TYPE, solicits ? 135 : 136);
    maybe_field(rng, match, FIELD_ND_TARGET);
    maybe_field(rng, match, solicits ? FIELD_ND_SLL : FIELD_ND_TLL);
}

static inline void random_l4(struct rng *rng, struct flow_match *match, bool v4)
{
    switch (rng_below(rng, 5)) {
    case 0:
        match_u(match, FIELD_IP_PROTO, 6);
        maybe_field(rng, match, FIELD_TCP_SRC);
        maybe_field(rng, match, FIELD_TCP_DST);
        maybe_field(rng, match, FIELD_TCP_FLAGS);
        break;
    case 1:
        match_u(match, FIELD_IP_PROTO, 17);
        maybe_field(rng, match, FIELD_UDP_SRC);
        maybe_field(rng, match, FIELD_UDP_DST);
        break;
    case 2:
        match_u(match, FIELD_IP_PROTO, v4 ? 1 : 58);
        maybe_field(rng, match, v4 ? FIELD_ICMPV4_TYPE : FIELD_ICMPV6_TYPE);
        maybe_field(rng, match, v4 ? FIELD_ICMPV4_CODE : FIELD_ICMPV6_CODE);
        break;
    case 3:
        if (!v4)
            random_neighbour_discovery(rng, match);
        break;
    default:
        break;
    }
}

static inline void random_match(struct rng *rng, struct flow_match *match)
{
    if (rng_below(rng, 2))
        match_u(match, FIELD_IN_PORT, rng_below(rng, 4) ? rng_below(rng, PORT_MAX) : PORT_LOCAL);
    maybe_field(rng, match, FIELD_METADATA);
    maybe_field(rng, match, (enum flow_field_id)(FIELD_REG0 + rng_below(rng, 6)));
    maybe_field(rng, match, FIELD_ETH_DST);
    maybe_field(rng, match, FIELD_ETH_SRC);
    switch (rng_below(rng, 4)) {
    case 0:
        match_u(match, FIELD_VLAN_VID, 0);
        break;
    case 1:
        match_u(match, FIELD_VLAN_VID, VLAN_PRESENT | rng_below(rng, 4095));
        maybe_field(rng, match, FIELD_VLAN_PCP);
        break;
    case 2:
        match_u_masked(match, FIELD_VLAN_VID, VLAN_PRESENT, VLAN_PRESENT);
        maybe_field(rng, match, FIELD_VLAN_PCP);
        break;
    default:
        break;
    }
    uint32_t kind = rng_below(rng, 5);

    if (kind == 4) {
        match_u(match, FIELD_ETH_TYPE, 0x8847 + rng_below(rng, 2));
        for (unsigned id = FIELD_MPLS_LABEL; id <= FIELD_MPLS_TTL; id++)
            maybe_field(rng, match, (enum flow_field_id) id);
    } else if (kind == 0) {
        match_u(match, FIELD_ETH_TYPE, 0x0806);
        for (unsigned id = FIELD_ARP_OP; id <= FIELD_ARP_THA; id++)
            maybe_field(rng, match, (enum flow_field_id) id);
    } else if (kind < 3) {
        bool v4 = kind == 1;

        match_u(match, FIELD_ETH_TYPE, v4 ? 0x0800 : 0x86dd);
        maybe_field(rng, match, FIELD_IP_DSCP);
        maybe_field(rng, match, FIELD_IP_TTL);
        maybe_field(rng, match, FIELD_IP_FRAG);
        maybe_field(rng, match, v4 ? FIELD_IPV4_SRC : FIELD_IPV6_SRC);
        maybe_field(rng, match, v4 ? FIELD_IPV4_DST : FIELD_IPV6_DST);
        random_l4(rng, match, v4);
    }
}

static inline void random_set_field(struct rng *rng, struct flow *flow)
{
    enum flow_field_id id = (enum flow_field_id) rng_below(rng, FLOW_FIELDS);
    uint8_t value[16], mask[16];

    if (id == FIELD_IN_PORT) {
        flow_set_u(flow, id, rng_below(rng, 2) ? PORT_NONE : rng_below(rng, 0xff00));
    } else if (id == FIELD_VLAN_VID) {
        flow_set_u(flow, id, rng_below(rng, 4095));
    } else {
        rng_bytes(rng, value, sizeof value);
        rng_bytes(rng, mask, sizeof mask);
        mask[0] |= 1; /* never empty */
        flow_set_bytes(flow, id, value, rng_below(rng, 2) ? mask : NULL);
    }
}

static inline void random_learn(struct rng *rng, struct flow_learn *learn)
{
    static const struct flow_learn_spec specs[] = {
        {LEARN_MATCH_VALUE, 0, FIELD_IN_PORT, 5},
        {LEARN_MATCH_VALUE, 0, FIELD_IN_PORT, PORT_LOCAL},
        {LEARN_MATCH_VALUE, 0, FIELD_METADATA, UINT64_C(0x123456789abcdef0)},
        {LEARN_MATCH_FIELD, FIELD_ETH_SRC, FIELD_ETH_DST, 0},
        {LEARN_MATCH_FIELD, FIELD_IPV6_SRC, FIELD_IPV6_DST, 0},
        {LEARN_MATCH_FIELD, FIELD_VLAN_VID, FIELD_VLAN_VID, 0},
        {LEARN_LOAD_VALUE, 0, FIELD_REG0, 0xffffffff},
        {LEARN_LOAD_VALUE, 0, FIELD_MPLS_LABEL, 1048575},
        {LEARN_LOAD_FIELD, FIELD_REG1, FIELD_REG2, 0},
        {LEARN_OUTPUT, FIELD_REG3, 0, 0},
    };

    *learn = (struct flow_learn) {
        .table = (uint8_t) rng_below(rng, 254),
        .priority = (uint16_t) rng_below(rng, 65536),
        .idle_timeout = (uint16_t) rng_below(rng, 65536),
        .hard_timeout = (uint16_t) rng_below(rng, 65536),
        .fin = {(uint16_t) rng_below(rng, 65536), (uint16_t) rng_below(rng, 65536)},
        .send_flow_removed = rng_below(rng, 2),
        .delete_learned = rng_below(rng, 2),
        .limit = rng_below(rng, 2) * rng_below(rng, 1000),
        .cookie = rng_u64(rng),
    };
    for (uint32_t n = rng_below(rng, FLOW_LEARN_SPECS_MAX + 1); n > 0; n--)
        flow_learn_add(learn, specs[rng_below(rng, sizeof specs / sizeof specs[0])]);
}

static inline void random_action(struct rng *rng, struct flow *flow, unsigned depth);

static inline void random_clone(struct rng *rng, struct flow *flow, unsigned depth)
{
    uint16_t clone = flow_clone_begin(flow);

    for (uint32_t n = rng_below(rng, 3); n > 0; n--)
        random_action(rng, flow, depth + 1);
    flow_clone_end(flow, clone);
}

static inline void random_action(struct rng *rng, struct flow *flow, unsigned depth)
{
    static const uint32_t ports[] = {PORT_IN_PORT, PORT_NORMAL, PORT_FLOOD, PORT_ALL, PORT_CONTROLLER, PORT_LOCAL};
    struct flow_action *action;

    switch (rng_below(rng, ACTION_UNKNOWN + 1)) {
    case ACTION_OUTPUT:
        flow_output(flow, rng_below(rng, 2) ? ports[rng_below(rng, 6)] : 1 + rng_below(rng, 1000));
        break;
    case ACTION_PUSH_VLAN:
        flow_add_action(flow, ACTION_PUSH_VLAN);
        break;
    case ACTION_POP_VLAN:
        flow_add_action(flow, ACTION_POP_VLAN);
        break;
    case ACTION_PUSH_MPLS:
        flow_add_action(flow, ACTION_PUSH_MPLS)->ethertype = (uint16_t) (0x8847 + rng_below(rng, 2));
        break;
    case ACTION_POP_MPLS:
        flow_add_action(flow, ACTION_POP_MPLS)->ethertype = (uint16_t) rng_below(rng, 65536);
        break;
    case ACTION_SET_FIELD:
        random_set_field(rng, flow);
        break;
    case ACTION_MOVE:
        flow_move(flow, rng_below(rng, 2) ? FIELD_ETH_SRC : FIELD_ARP_SHA, FIELD_ETH_DST);
        break;
    case ACTION_DEC_TTL:
        flow_add_action(flow, ACTION_DEC_TTL);
        break;
    case ACTION_SET_MPLS_TTL:
        flow_add_action(flow, ACTION_SET_MPLS_TTL)->ttl = (uint8_t) rng_below(rng, 256);
        break;
    case ACTION_DEC_MPLS_TTL:
        flow_add_action(flow, ACTION_DEC_MPLS_TTL);
        break;
    case ACTION_SET_QUEUE:
        flow_add_action(flow, ACTION_SET_QUEUE)->queue = rng_below(rng, 100);
        break;
    case ACTION_GROUP:
        flow_add_action(flow, ACTION_GROUP)->group = rng_below(rng, 100);
        break;
    case ACTION_RESUBMIT:
        flow_add_action(flow, ACTION_RESUBMIT)->table = (uint8_t) rng_below(rng, 254);
        break;
    case ACTION_ENCAP:
        flow_add_action(flow, ACTION_ENCAP)->packet_type = rng_below(rng, 2) ? PACKET_TYPE_MPLS : PACKET_TYPE_ETHERNET;
        break;
    case ACTION_DECAP:
        flow_add_action(flow, ACTION_DECAP)->packet_type = rng_below(rng, 2) ? PACKET_TYPE_NEXT : PACKET_TYPE_ETHERNET;
        break;
    case ACTION_CLONE:
        if (depth < FLOW_CLONE_DEPTH_MAX)
            random_clone(rng, flow, depth);
        break;
    case ACTION_LEARN:
        random_learn(rng, &flow_add_action(flow, ACTION_LEARN)->learn);
        break;
    case ACTION_FIN_TIMEOUT:
        flow_add_action(flow, ACTION_FIN_TIMEOUT)->fin = (struct flow_fin) {(uint16_t) rng_below(rng, 65536),
                                                                            (uint16_t) rng_below(rng, 65536)};
        break;
    case ACTION_CONJUNCTION:
        action = flow_add_action(flow, ACTION_CONJUNCTION);
        action->conjunction.id = rng_below(rng, 1000);
        action->conjunction.n_clauses = (uint8_t) (2 + rng_below(rng, 63));
        action->conjunction.clause = (uint8_t) (1 + rng_below(rng, action->conjunction.n_clauses));
        break;
    default:
        action = flow_add_action(flow, ACTION_UNKNOWN);
        action->raw_length = (uint16_t) (8 * (1 + rng_below(rng, 8)));
        rng_bytes(rng, action->raw, action->raw_length);
        memcpy(action->raw, (const uint8_t[]) {0x12, 0x34, 0, (uint8_t) action->raw_length}, 4);
        break;
    }
}

static inline struct flow random_flow(struct rng *rng)
{
    struct flow flow = flow_make((uint8_t) rng_below(rng, 254), (uint16_t) rng_below(rng, 65536), rng_u64(rng));

    random_match(rng, &flow.match);
    /* A clone has at most 30 actions. */
    for (uint32_t n = rng_below(rng, rng_below(rng, 50) ? 8 : FLOW_ACTIONS_MAX + 1);
         n > 0 && flow.n_actions < FLOW_ACTIONS_MAX - 30; n--)
        random_action(rng, &flow, 0);
    if (rng_below(rng, 3) == 0)
        flow.meter = 1 + rng_below(rng, 1000);
    if (rng_below(rng, 3) == 0)
        flow.goto_table = (uint8_t) rng_below(rng, 254);
    if (rng_below(rng, 3) == 0) {
        flow.metadata_mask = rng_u64(rng) | 1;
        flow.metadata = rng_u64(rng) & flow.metadata_mask;
    }
    if (rng_below(rng, 3) == 0) {
        flow.idle_timeout = (uint16_t) rng_below(rng, 65536);
        flow.hard_timeout = (uint16_t) rng_below(rng, 65536);
        flow.send_flow_removed = true;
    }
    return flow;
}

/* An entry of a multipart reply, as a switch that holds this flow sends it (OpenFlow 1.3.5 §7.3.5.2). */
static inline void put_flow_stats(struct wire *w, const struct flow *flow)
{
    size_t start = w->pos;

    wire_put_u16(w, 0);
    wire_put_u8(w, flow->table);
    wire_put_u8(w, 0);
    wire_put_u32(w, 12);
    wire_put_u32(w, 345);
    wire_put_u16(w, flow->priority);
    wire_put_u16(w, flow->idle_timeout);
    wire_put_u16(w, flow->hard_timeout);
    wire_put_u16(w, flow->send_flow_removed ? 1 : 0);
    wire_put_zeros(w, 4);
    wire_put_u64(w, flow->cookie);
    wire_put_u64(w, flow->packets);
    wire_put_u64(w, flow->bytes);
    of_match_encode(w, &flow->match, NULL);
    of_instructions_encode(w, flow, NULL);
    wire_patch_u16(w, start, (uint16_t) (w->pos - start));
}

#endif
