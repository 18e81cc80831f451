/* SPDX-License-Identifier: Apache-2.0 */
/* What an order will do, before anything is touched: its steps in order, each with its undo. Pure. The saga runs
 * exactly these steps; plan_format() prints them. */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/migration.h"

struct plan {
    struct step *steps; /* owned */
    unsigned n_steps;
};

/* The steps of this gateway's role in 'order': by stage, then by VM. The same for every order of equal VMs; those of
 * circuits only if it has users on a transport network. */
struct plan plan_make(const struct order *order);
void plan_free(struct plan *plan);

/* The order checked in itself: at least one VM, none twice, names and addresses present, source and target differ. 0 or
 * ERR_INVALID with a sentence. */
int plan_check(const struct order *order, struct err *err);

/* The migration channel that an order would take, which 'order.channel' names. */
struct plan_channel {
    bool exists; /* else it is to be set up */
    uint32_t mbps;
    const uint32_t *nodes; /* router ids from ingress to egress; borrowed; null: not known */
    size_t n_nodes;
};

/* The channel (null: none is told), a line for each user on a transport network, and, below an empty line, one for each
 * step: "stage 3  transfer V2            undo: none, it decides". Caller frees. */
char *plan_format(const struct order *order, const struct plan_channel *channel);

#endif
