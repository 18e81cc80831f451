/* SPDX-License-Identifier: Apache-2.0 */
/* What a switch of a test's world does with a change of its flows. */
#ifndef FLOW_TABLE_H
#define FLOW_TABLE_H

#include "model/flow.h"

static inline void flow_table_change(struct flow_list *flows, const struct flow_mod *mod)
{
    for (size_t i = flows->n; i-- > 0;) {
        const struct flow *held = &flows->flows[i];
        bool hit = mod->command == FLOW_DELETE ?
                       (held->cookie & mod->cookie_mask) == (mod->flow.cookie & mod->cookie_mask) :
                       held->table == mod->flow.table && held->priority == mod->flow.priority &&
                           match_equal(&held->match, &mod->flow.match);

        if (hit) {
            flow_free(&flows->flows[i]);
            flows->flows[i] = flows->flows[--flows->n];
        }
    }
    if (mod->command == FLOW_ADD)
        flow_list_add(flows, flow_copy(&mod->flow));
}

#endif
