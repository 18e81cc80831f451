/* SPDX-License-Identifier: Apache-2.0 */
/* Which flow of a table a packet meets: Open vSwitch's rules (ovs-fields(7), "Conjunctive Match Fields"), flow by flow,
 * as a reference for those who make flows and those who read them. */
#ifndef FLOW_LOOKUP_H
#define FLOW_LOOKUP_H

#include "model/flow.h"

/* 'header' has the packet's fields, all of them exact. Fields that it has not are not in the packet. */
static inline bool flow_meets(const struct flow *flow, const struct flow_match *header)
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

static inline bool flow_is_clause(const struct flow *flow)
{
    return flow->n_actions && flow->actions[0].type == ACTION_CONJUNCTION;
}

/* The best flow but for clauses. */
static inline const struct flow *flow_lookup_plain(const struct flow_list *list, uint8_t table,
                                                   const struct flow_match *header)
{
    const struct flow *best = NULL;

    for (size_t i = 0; i < list->n; i++) {
        const struct flow *flow = &list->flows[i];

        if (flow->table == table && !flow_is_clause(flow) && flow_meets(flow, header) &&
            (!best || flow->priority > best->priority))
            best = flow;
    }
    return best;
}

/* Whether the packet meets a flow at 'priority' of each of the conjunction's clauses. */
static inline bool flow_conjunction_met(const struct flow_list *list, uint8_t table, const struct flow_match *header,
                                        uint16_t priority, const struct flow_conjunction *of)
{
    uint64_t met = 0;

    for (size_t i = 0; i < list->n; i++) {
        const struct flow *flow = &list->flows[i];

        if (flow->table != table || flow->priority != priority || !flow_is_clause(flow) || !flow_meets(flow, header))
            continue;
        for (unsigned a = 0; a < flow->n_actions; a++) {
            if (flow->actions[a].conjunction.id == of->id)
                met |= UINT64_C(1) << (flow->actions[a].conjunction.clause - 1);
        }
    }
    return met == UINT64_MAX >> (64 - of->n_clauses);
}

/* Null: none. */
static inline const struct flow *flow_lookup(const struct flow_list *list, uint8_t table,
                                             const struct flow_match *header)
{
    const struct flow *plain = flow_lookup_plain(list, table, header), *best = NULL;
    const struct flow_conjunction *of = NULL;

    for (size_t i = 0; i < list->n; i++) {
        const struct flow *flow = &list->flows[i];

        if (flow->table != table || !flow_is_clause(flow) || !flow_meets(flow, header) ||
            (plain && flow->priority <= plain->priority) || (best && flow->priority <= best->priority))
            continue;
        for (unsigned a = 0; a < flow->n_actions; a++) {
            if (!flow_conjunction_met(list, table, header, flow->priority, &flow->actions[a].conjunction))
                continue;
            best = flow;
            of = &flow->actions[a].conjunction;
        }
    }
    if (!best)
        return plain;

    struct flow_match joined = *header;
    match_u(&joined, FIELD_CONJ_ID, of->id);
    return flow_lookup_plain(list, table, &joined);
}

#endif
