/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of core/saga.h share:
 *   saga.c        one event, and what it moves: steps and fates
 *   saga_state.c  the state that follows from them
 *   saga_json.c   a saga in the journal */
#ifndef CORE_SAGA_INTERNAL_H
#define CORE_SAGA_INTERNAL_H

#include "core/saga.h"

const struct step_info *saga_step_info(const struct saga *saga, unsigned i);
bool saga_step_ended(const struct saga *saga, unsigned i);
bool saga_every_vm_has(const struct saga *saga, enum vm_fate fate);
bool saga_any_vm_has(const struct saga *saga, enum vm_fate fate);

/* To the notes and the actions of this saga_step(). 'detail' may be null. */
void saga_note_add(struct saga *saga, unsigned step, const char *what, const char *detail);
void saga_act(struct saga *saga, enum saga_action_type type, unsigned step);

/* Moves the state as far as the steps have come; a final one is acted upon with SAGA_DO_END. */
void saga_follow_steps(struct saga *saga);

#endif
