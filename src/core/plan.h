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

/* What the target's gateway has planned; borrowed. */
struct plan_target {
    const struct planned_step *steps;
    size_t n;
};

/* The steps for people: what each is called and its undo. 'set_up': the order's channel does not exist yet. Caller
 * frees; '*n' says how many. */
struct planned_step *plan_describe(const struct order *order, bool set_up, size_t *n);

/* Says at the step that opens segments how they would be carried, "web by VLAN 100"; null: nothing is known. */
void plan_set_channel(struct planned_step *steps, size_t n, const char *channel);
/* The source's order as text: the channel, a line for each user on a transport network, and the steps at either side, a
 * line each: "stage 3  transfer V2            undo: none, it decides". 'target' null: it was not asked, because its
 * gateway does not plan. Caller frees. */
char *plan_format(const struct order *order, const struct plan_channel *channel, const struct plan_target *target);

#endif
