/* SPDX-License-Identifier: Apache-2.0 */
/* What a ToR's flows do with an untagged IP packet, flow by flow: up to where it is sent to the controller, or leaves,
 * or is dropped. Nothing is learned, and meters let everything pass. */
#ifndef FLOW_WALK_H
#define FLOW_WALK_H

#include <string.h>

#include "base/wire.h"
#include "flow_lookup.h"

#define WALK_REGISTERS 7

struct flow_walk {
    const struct flow_list *flows;
    uint8_t frame[128];
    size_t size;
    uint32_t in_port, registers[WALK_REGISTERS];
    const struct flow *to_controller; /* the flow that sent it there */
    unsigned outputs;                 /* to ports */
    unsigned tables;                  /* that it has been through */
};

static inline bool walk_is_v6(const struct flow_walk *walk)
{
    return walk->frame[12] == 0x86;
}

static inline uint8_t walk_dscp(const struct flow_walk *walk)
{
    const uint8_t *ip = walk->frame + 14;

    return walk_is_v6(walk) ? (uint8_t) ((ip[0] << 8 | ip[1]) >> 6 & 0x3f) : ip[1] >> 2;
}

static inline void walk_set_dscp(struct flow_walk *walk, uint8_t dscp)
{
    uint8_t *ip = walk->frame + 14;

    if (walk_is_v6(walk)) {
        ip[0] = (uint8_t) ((ip[0] & 0xf0) | dscp >> 2);
        ip[1] = (uint8_t) ((ip[1] & 0x3f) | dscp << 6);
    } else {
        ip[1] = (uint8_t) (dscp << 2);
    }
}

static inline void walk_transport(const uint8_t *at, uint8_t protocol, bool v6, struct flow_match *header)
{
    unsigned source = (unsigned) at[0] << 8 | at[1], destination = (unsigned) at[2] << 8 | at[3];

    if (protocol == 6) {
        match_u(header, FIELD_TCP_SRC, source);
        match_u(header, FIELD_TCP_DST, destination);
        match_u(header, FIELD_TCP_FLAGS, ((unsigned) at[12] << 8 | at[13]) & 0xfff);
    } else if (protocol == 17) {
        match_u(header, FIELD_UDP_SRC, source);
        match_u(header, FIELD_UDP_DST, destination);
    } else if (protocol == (v6 ? 58 : 1)) {
        match_u(header, v6 ? FIELD_ICMPV6_TYPE : FIELD_ICMPV4_TYPE, at[0]);
        match_u(header, v6 ? FIELD_ICMPV6_CODE : FIELD_ICMPV4_CODE, at[1]);
    }
}

/* Registers that are 0 are left out, and so is what only the first table asks for: a match has not room for all. */
static inline struct flow_match walk_header(const struct flow_walk *walk, uint8_t table)
{
    const uint8_t *frame = walk->frame, *ip = frame + 14;
    struct flow_match header = {0};
    bool v6 = walk_is_v6(walk);
    uint8_t protocol = v6 ? ip[6] : ip[9];

    match_u(&header, FIELD_IN_PORT, walk->in_port);
    for (unsigned i = 0; i < WALK_REGISTERS; i++) {
        if (walk->registers[i])
            match_u(&header, (enum flow_field_id)(FIELD_REG0 + i), walk->registers[i]);
    }
    match_bytes(&header, FIELD_ETH_DST, frame, NULL);
    match_bytes(&header, FIELD_ETH_SRC, frame + 6, NULL);
    match_u(&header, FIELD_ETH_TYPE, (unsigned) frame[12] << 8 | frame[13]);
    if (table == 0)
        match_u(&header, FIELD_VLAN_VID, 0);
    match_u(&header, FIELD_IP_DSCP, walk_dscp(walk));
    match_u(&header, FIELD_IP_PROTO, protocol);
    match_bytes(&header, v6 ? FIELD_IPV6_SRC : FIELD_IPV4_SRC, v6 ? ip + 8 : ip + 12, NULL);
    match_bytes(&header, v6 ? FIELD_IPV6_DST : FIELD_IPV4_DST, v6 ? ip + 24 : ip + 16, NULL);
    if (table)
        walk_transport(v6 ? ip + 40 : ip + 20, protocol, v6, &header);
    return header;
}

static inline void walk_table(struct flow_walk *walk, uint8_t table);

static inline void walk_actions(struct flow_walk *walk, const struct flow *flow)
{
    for (unsigned i = 0; i < flow->n_actions; i++) {
        const struct flow_action *action = &flow->actions[i];
        unsigned id = action->field.id;

        if (action->type == ACTION_OUTPUT && action->port == PORT_CONTROLLER)
            walk->to_controller = flow;
        else if (action->type == ACTION_OUTPUT)
            walk->outputs++;
        else if (action->type == ACTION_RESUBMIT)
            walk_table(walk, action->table);
        else if (action->type == ACTION_SET_FIELD && id >= FIELD_REG0 && id < FIELD_REG0 + WALK_REGISTERS)
            walk->registers[id - FIELD_REG0] = (uint32_t) flow_field_u(&action->field);
        else if (action->type == ACTION_SET_FIELD && id == FIELD_IP_DSCP)
            walk_set_dscp(walk, (uint8_t) flow_field_u(&action->field));
    }
}

static inline void walk_table(struct flow_walk *walk, uint8_t table)
{
    struct flow_match header = walk_header(walk, table);
    const struct flow *flow = flow_lookup(walk->flows, table, &header);

    if (!flow || ++walk->tables > 64)
        return;
    walk_actions(walk, flow);
    if (flow->goto_table != FLOW_NO_GOTO)
        walk_table(walk, flow->goto_table);
}

/* A packet that the controller sends, with its actions as those of a flow. */
static inline struct flow_walk flow_walk(const struct flow_list *flows, uint32_t in_port, const struct flow *way,
                                         const uint8_t *frame, size_t size)
{
    struct flow_walk walk = {.flows = flows, .in_port = in_port, .size = size};

    memcpy(walk.frame, frame, size < sizeof walk.frame ? size : sizeof walk.frame);
    walk_actions(&walk, way);
    return walk;
}

#endif
