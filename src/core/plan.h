/* SPDX-License-Identifier: Apache-2.0 */
/* What an order will do, before anything is touched: its steps in order, each with its undo. Pure. The saga runs
 * exactly these steps; plan_format() prints them. */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

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

/* A line per step: "stage 3  transfer V2            undo: none, it decides". Caller frees. */
char *plan_format(const struct order *order);

#endif
