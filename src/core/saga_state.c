/* SPDX-License-Identifier: Apache-2.0 */
/* What an order's state follows from: its steps and the fates of its VMs. */
#include "core/saga_internal.h"

#include <stdio.h>

#include "base/alloc.h"

#define ROLL SM_TO(SAGA_ROLLING_BACK)

const struct sm_state saga_states[SAGA_STATES] = {
    [SAGA_ACCEPTED] = {"accepted", SM_TO(SAGA_CHANNEL_READY) | ROLL, false},
    [SAGA_CHANNEL_READY] = {"channel_ready", SM_TO(SAGA_POLICY_COLLECTED) | ROLL, false},
    [SAGA_POLICY_COLLECTED] = {"policy_collected", SM_TO(SAGA_TARGET_CONFIGURED) | ROLL, false},
    [SAGA_TARGET_CONFIGURED] = {"target_configured", SM_TO(SAGA_TRANSFERRING) | ROLL, false},
    [SAGA_TRANSFERRING] = {"transferring", SM_TO(SAGA_SWITCHED) | ROLL, false},
    [SAGA_SWITCHED] = {"switched", SM_TO(SAGA_REHOMED), false},
    [SAGA_REHOMED] = {"rehomed", SM_TO(SAGA_RELEASED), false},
    [SAGA_RELEASED] = {"released", SM_TO(SAGA_DONE), false},
    [SAGA_DONE] = {"done", 0, true},
    [SAGA_RECEIVED] = {"received", SM_TO(SAGA_ADMITTED) | ROLL, false},
    [SAGA_ADMITTED] = {"admitted", SM_TO(SAGA_POLICY_INSTALLED) | ROLL, false},
    [SAGA_POLICY_INSTALLED] = {"policy_installed", SM_TO(SAGA_INTERNAL_CHANNEL) | ROLL, false},
    [SAGA_INTERNAL_CHANNEL] = {"internal_channel", SM_TO(SAGA_EXTERNAL_CHANNEL) | ROLL, false},
    [SAGA_EXTERNAL_CHANNEL] = {"external_channel", SM_TO(SAGA_VERIFIED) | ROLL, false},
    [SAGA_VERIFIED] = {"verified", SM_TO(SAGA_CONFIGURED) | ROLL, false},
    [SAGA_CONFIGURED] = {"configured", SM_TO(SAGA_ACTIVATED) | ROLL, false},
    [SAGA_ACTIVATED] = {"activated", SM_TO(SAGA_COMMITTED), false},
    [SAGA_COMMITTED] = {"committed", 0, true},
    [SAGA_ROLLING_BACK] = {"rolling_back", SM_TO(SAGA_ROLLED_BACK), false},
    [SAGA_ROLLED_BACK] = {"rolled_back", 0, true},
};

/* ---- small questions ---- */

const struct step_info *saga_step_info(const struct saga *saga, unsigned i)
{
    return &step_infos[saga->steps[i].kind];
}

bool saga_step_ended(const struct saga *saga, unsigned i)
{
    switch (saga->steps[i].state) {
    case STEP_DONE:
    case STEP_UNDONE:
    case STEP_SKIPPED:
        return true;
    case STEP_FAILED:
        return saga_step_info(saga, i)->nature == STEP_PIVOT;
    default:
        return false;
    }
}

bool saga_every_vm_has(const struct saga *saga, enum vm_fate fate)
{
    for (unsigned v = 0; v < saga->order.n_vms; v++) {
        if (saga->order.vms[v].fate != fate)
            return false;
    }
    return true;
}

bool saga_any_vm_has(const struct saga *saga, enum vm_fate fate)
{
    for (unsigned v = 0; v < saga->order.n_vms; v++) {
        if (saga->order.vms[v].fate == fate)
            return true;
    }
    return false;
}

/* ---- what the caller is to do ---- */

void saga_note_add(struct saga *saga, unsigned step, const char *what, const char *detail)
{
    saga->notes = array_reserve(saga->notes, saga->n_notes, &saga->cap_notes, sizeof *saga->notes);

    struct saga_note *n = &saga->notes[saga->n_notes++];
    n->step = step;
    n->what = what;
    snprintf(n->detail, sizeof n->detail, "%s", detail ? detail : "");
}

void saga_act(struct saga *saga, enum saga_action_type type, unsigned step)
{
    saga->actions = array_reserve(saga->actions, saga->n_actions, &saga->cap_actions, sizeof *saga->actions);
    saga->actions[saga->n_actions++] = (struct saga_action) {type, step};
}

/* ---- the state that follows from the steps ---- */

static bool kinds_ended(const struct saga *saga, enum step_kind kind)
{
    for (unsigned i = 0; i < saga->n_steps; i++) {
        if (saga->steps[i].kind == kind && !saga_step_ended(saga, i))
            return false;
    }
    return true;
}

static bool transfer_begun(const struct saga *saga)
{
    for (unsigned i = 0; i < saga->n_steps; i++) {
        if (saga->steps[i].kind == STEP_TRANSFER && saga->steps[i].state != STEP_PENDING &&
            saga->steps[i].state != STEP_SKIPPED)
            return true;
    }
    return false;
}

static bool reached(const struct saga *saga, enum saga_state state)
{
    bool crossed = saga_any_vm_has(saga, FATE_CROSSED) && !saga_any_vm_has(saga, FATE_OPEN);

    switch (state) {
    case SAGA_CHANNEL_READY:
        return kinds_ended(saga, STEP_CHANNEL_RESERVE);
    case SAGA_POLICY_COLLECTED:
        return kinds_ended(saga, STEP_POLICY_COLLECT);
    case SAGA_TARGET_CONFIGURED:
        return kinds_ended(saga, STEP_TARGET_CONFIGURE);
    case SAGA_TRANSFERRING:
        return transfer_begun(saga);
    case SAGA_SWITCHED:
        return crossed && kinds_ended(saga, STEP_TRANSFER);
    case SAGA_REHOMED:
        return kinds_ended(saga, STEP_TARGET_ACTIVATE);
    case SAGA_RELEASED:
        return kinds_ended(saga, STEP_VM_REMOVE) && kinds_ended(saga, STEP_SEGMENT_CLOSE) &&
               kinds_ended(saga, STEP_CIRCUIT_CLOSE) && kinds_ended(saga, STEP_CHANNEL_CLOSE);
    case SAGA_DONE:
        return kinds_ended(saga, STEP_TARGET_COMMIT) && kinds_ended(saga, STEP_POLICY_COLLECT);
    case SAGA_ADMITTED:
        return kinds_ended(saga, STEP_ADMIT);
    case SAGA_POLICY_INSTALLED:
        return kinds_ended(saga, STEP_POLICY_INSTALL);
    case SAGA_INTERNAL_CHANNEL:
        return kinds_ended(saga, STEP_SEGMENT_OPEN) && kinds_ended(saga, STEP_TARGET_CHANNEL_OPEN);
    case SAGA_EXTERNAL_CHANNEL:
        return kinds_ended(saga, STEP_CIRCUIT_OPEN);
    case SAGA_VERIFIED:
    case SAGA_CONFIGURED:
        return kinds_ended(saga, STEP_VERIFY);
    case SAGA_ACTIVATED:
        return crossed && kinds_ended(saga, STEP_ACTIVATE);
    case SAGA_COMMITTED:
        return kinds_ended(saga, STEP_TARGET_CHANNEL_CLOSE) && kinds_ended(saga, STEP_POLICY_INSTALL);
    default:
        return false;
    }
}

void saga_follow_steps(struct saga *saga)
{
    while (!sm_final(&saga->sm)) {
        unsigned now = saga->sm.current, next = now + 1;

        if (now == SAGA_ROLLING_BACK) {
            for (unsigned i = 0; i < saga->n_steps; i++) {
                if (!saga_step_ended(saga, i))
                    return;
            }
            next = SAGA_ROLLED_BACK;
        } else if (saga_every_vm_has(saga, FATE_STAYED)) {
            next = SAGA_ROLLING_BACK;
        } else if (!reached(saga, (enum saga_state) next)) {
            return;
        }
        sm_move(&saga->sm, next);
        saga_note_add(saga, SAGA_NOTE_SAGA, saga_states[next].name,
                      next == SAGA_ROLLING_BACK ? saga->reason.text : NULL);
        if (next == SAGA_CONFIGURED)
            saga_act(saga, SAGA_DO_REPORT_CONFIGURED, 0);
        if (sm_final(&saga->sm))
            saga_act(saga, SAGA_DO_END, 0);
    }
}

bool saga_ended(const struct saga *saga)
{
    return sm_final(&saga->sm);
}

bool saga_open(const struct saga *saga)
{
    return saga_any_vm_has(saga, FATE_OPEN);
}

const char *saga_state_name(const struct saga *saga)
{
    return sm_name(&saga->sm);
}

bool saga_partial(const struct saga *saga)
{
    return saga_any_vm_has(saga, FATE_CROSSED) && saga_any_vm_has(saga, FATE_STAYED);
}
