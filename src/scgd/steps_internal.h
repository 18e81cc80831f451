/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of steps share. Every function that is given a step and a serial ends in exactly one step_outcome() of
 * them, now or later. */
#ifndef SCGD_STEPS_INTERNAL_H
#define SCGD_STEPS_INTERNAL_H

#include "proto/peer/peer.h"
#include "scgd/gateway.h"

#define PEER_QUICK_MS 5000 /* for what a peer answers at once */

static inline struct order *step_order(struct migration *migration)
{
    return &migration->saga->order;
}

/* Of a step that is one VM's. */
static inline struct migration_vm *step_vm(struct migration *migration, unsigned step)
{
    return &migration->saga->order.vms[migration->saga->steps[step].vm];
}

/* ---- steps_source.c ---- */

/* A call to the other gateway whose answer 'fn' turns into the step's outcome. The join only carries the context. */
void source_call_peer(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial,
                      enum peer_verb verb, json_t *body, uint32_t timeout_ms, answer_fn *fn);
/* Of the step that the join carries. */
void source_outcome(struct gateway *gateway, const struct join *join, enum saga_event_type type, const struct err *err);
/* The peer's status, or its refusal, or that there was no answer. */
int source_read_status(const struct event *event, struct peer_status *status, struct err *err);
/* Null: the peer does not tell of the VM. */
const struct peer_vm_status *source_status_of_vm(const struct peer_status *status, const char *name);

/* ---- steps_crossing.c: what source_apply() and source_confirm() do with the pivot and what follows ---- */

void source_transfer(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial);
/* Finds out at which side the VM runs. */
void source_locate(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial);
void source_activate(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial);
void source_remove_vm(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial);
void source_commit(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial);

#endif
