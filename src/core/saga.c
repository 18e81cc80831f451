/* SPDX-License-Identifier: Apache-2.0 */
/* The engine of core/saga.h. saga_step() lets one event change the steps it concerns (take_event), then advances until
 * nothing moves: fates are settled, undoing and forward steps are started, the state follows from the steps. The state
 * is derived; what persists is the steps and the fates. */
#include "core/saga.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define BACKOFF_FIRST_MS 200
#define BACKOFF_LAST_MS 5000
#define ATTEMPTS_MAX 3 /* of a reversible step whose outcome was unknown and that turns out to be absent */

#define RETRIES_NOTED 8

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

static const struct step_info *info_of(const struct saga *saga, unsigned i)
{
    return &step_infos[saga->steps[i].kind];
}

static bool step_ended(const struct saga *saga, unsigned i)
{
    switch (saga->steps[i].state) {
    case STEP_DONE:
    case STEP_UNDONE:
    case STEP_SKIPPED:
        return true;
    case STEP_FAILED:
        return info_of(saga, i)->nature == STEP_PIVOT;
    default:
        return false;
    }
}

static bool every_vm_has(const struct saga *saga, enum vm_fate fate)
{
    for (unsigned v = 0; v < saga->order.n_vms; v++) {
        if (saga->order.vms[v].fate != fate)
            return false;
    }
    return true;
}

static bool any_vm_has(const struct saga *saga, enum vm_fate fate)
{
    for (unsigned v = 0; v < saga->order.n_vms; v++) {
        if (saga->order.vms[v].fate == fate)
            return true;
    }
    return false;
}

static bool related(const struct saga *saga, unsigned a, unsigned b)
{
    int va = saga->steps[a].vm, vb = saga->steps[b].vm;

    return va == STEP_SHARED || vb == STEP_SHARED || va == vb;
}

/* Whether what the step did, or might have done, has to go. */
static bool step_unwanted(const struct saga *saga, unsigned i)
{
    int vm = saga->steps[i].vm;

    if (vm != STEP_SHARED)
        return saga->order.vms[vm].fate == FATE_STAYED;
    return every_vm_has(saga, FATE_STAYED);
}

static int pivot_of(const struct saga *saga, int vm)
{
    for (unsigned i = 0; i < saga->n_steps; i++) {
        if (saga->steps[i].vm == vm && info_of(saga, i)->nature == STEP_PIVOT)
            return (int) i;
    }
    return -1;
}

static bool passive(enum step_kind kind)
{
    return kind == STEP_ARRIVAL || kind == STEP_AWAIT_COMMIT;
}

/* ---- changes ---- */

static void note(struct saga *saga, unsigned step, const char *what, const char *detail)
{
    saga->notes = array_reserve(saga->notes, saga->n_notes, &saga->cap_notes, sizeof *saga->notes);

    struct saga_note *n = &saga->notes[saga->n_notes++];
    n->step = step;
    n->what = what;
    snprintf(n->detail, sizeof n->detail, "%s", detail ? detail : "");
}

/* An outage of days must not fill the journal: the first tries of a state are noted. */
static void note_retry(struct saga *saga, unsigned step, const char *what, const char *detail)
{
    if (saga->clocks[step].retries < RETRIES_NOTED)
        note(saga, step, what, detail);
}

static void act(struct saga *saga, enum saga_action_type type, unsigned step)
{
    saga->actions = array_reserve(saga->actions, saga->n_actions, &saga->cap_actions, sizeof *saga->actions);
    saga->actions[saga->n_actions++] = (struct saga_action) {type, step};
}

static void set_state(struct saga *saga, unsigned i, enum step_state state, struct mono now, const char *detail)
{
    static const char *const words[STEP_STATES] = {"pending", "intent", "unknown", "done",
                                                   "failed",  "undo",   "undone",  "skipped"};
    struct saga_clock *clock = &saga->clocks[i];

    saga->steps[i].state = state;
    clock->began = now;
    clock->retries = 0;
    clock->retry_at = MONO_NEVER;
    note(saga, i, words[state], detail);
}

static void retry_later(struct saga *saga, unsigned i, struct mono now)
{
    unsigned n = saga->clocks[i].retries++;
    int64_t ms = n > 5 ? BACKOFF_LAST_MS : BACKOFF_FIRST_MS << n;

    saga->clocks[i].retry_at = mono_add(now, ms > BACKOFF_LAST_MS ? BACKOFF_LAST_MS : ms);
}

static void launch(struct saga *saga, unsigned i, enum saga_action_type type)
{
    saga->clocks[i].in_flight = true;
    saga->clocks[i].retry_at = MONO_NEVER;
    if (type == SAGA_DO_APPLY) {
        saga->steps[i].attempts++;
        saga->clocks[i].abort_sent = false;
    }
    act(saga, type, i);
}

static void cross(struct saga *saga, int vm)
{
    saga->order.vms[vm].fate = FATE_CROSSED;
}

static void stay(struct saga *saga, int vm, const struct err *why)
{
    struct migration_vm *v = &saga->order.vms[vm];

    if (v->fate != FATE_OPEN)
        return;
    v->fate = FATE_STAYED;
    v->error = *why;
}

/* Records the first reason, and lets every VM stay whose transfer has not begun. */
static void fail_order(struct saga *saga, const struct err *why)
{
    if (saga->reason.code == 0)
        saga->reason = *why;
    saga->failing = true;
    for (unsigned v = 0; v < saga->order.n_vms; v++) {
        int p = pivot_of(saga, (int) v);

        if (p >= 0 && saga->steps[p].state == STEP_PENDING)
            stay(saga, (int) v, why);
    }
}

static void fail_step(struct saga *saga, unsigned i, const struct err *why, struct mono now)
{
    int vm = saga->steps[i].vm;

    set_state(saga, i, STEP_FAILED, now, why->text);
    if (vm != STEP_SHARED)
        stay(saga, vm, why);
    fail_order(saga, why);
}

static void finish_step(struct saga *saga, unsigned i, struct mono now)
{
    set_state(saga, i, STEP_DONE, now, NULL);
    if (info_of(saga, i)->nature == STEP_PIVOT)
        cross(saga, saga->steps[i].vm);
}

static void confirm_step(struct saga *saga, unsigned i, struct mono now, const char *why)
{
    if (saga->steps[i].state != STEP_CONFIRMING)
        set_state(saga, i, STEP_CONFIRMING, now, why);
    launch(saga, i, SAGA_DO_CONFIRM);
}

static bool definite(const struct err *err)
{
    return err->code != 0 && err->code != ERR_UNKNOWN && err->code != ERR_TIMEOUT;
}

/* ---- events ---- */

static void step_failed(struct saga *saga, unsigned i, const struct err *err, struct mono now)
{
    saga->clocks[i].error = *err;
    switch (info_of(saga, i)->nature) {
    case STEP_PIVOT:
        /* The hypervisors decide where the VM is, whatever the call said. */
        confirm_step(saga, i, now, err->text);
        break;
    case STEP_FORWARD:
        note_retry(saga, i, "retry", err->text);
        retry_later(saga, i, now);
        break;
    case STEP_REVERSIBLE:
        if (definite(err))
            fail_step(saga, i, err, now);
        else
            confirm_step(saga, i, now, err->text);
        break;
    }
}

/* Confirm says that it is certainly not done: give up, or do it (again)? */
static void step_absent(struct saga *saga, unsigned i, const struct err *err, struct mono now)
{
    static const struct err aborted = {ERR_CANCELLED, "the source gateway called the migration off"};
    struct err why = definite(&saga->clocks[i].error) ? saga->clocks[i].error : err ? *err : (struct err) {0};

    if (saga->steps[i].kind == STEP_ARRIVAL) {
        if (saga->settling)
            fail_step(saga, i, &aborted, now);
        else
            set_state(saga, i, STEP_APPLYING, now, "not here yet");
        return;
    }
    if (info_of(saga, i)->nature != STEP_FORWARD) {
        /* Whatever an aborted call says, it failed because it was aborted. */
        if (saga->failing && (!definite(&why) || saga->reason.code == ERR_CANCELLED))
            why = saga->reason;
        if (!definite(&why) && saga->steps[i].attempts >= ATTEMPTS_MAX)
            err_set(&why, ERR_REFUSED, "step %s was tried %u times without effect", info_of(saga, i)->name,
                    saga->steps[i].attempts);
        if (definite(&why)) {
            fail_step(saga, i, &why, now);
            return;
        }
    }
    set_state(saga, i, STEP_APPLYING, now, "again: it was not done");
    launch(saga, i, SAGA_DO_APPLY);
}

static void take_step_event(struct saga *saga, const struct saga_event *event, struct mono now)
{
    static const struct err unknown = {ERR_UNKNOWN, "no answer came"};
    unsigned i = event->step;

    if (i >= saga->n_steps || !saga->clocks[i].in_flight)
        return;

    const struct err *err = event->err ? event->err : &unknown;
    enum step_state state = saga->steps[i].state;

    saga->clocks[i].in_flight = false;
    switch (event->type) {
    case SAGA_STEP_OK:
    case SAGA_STEP_PRESENT:
        if (state == STEP_APPLYING || state == STEP_CONFIRMING)
            finish_step(saga, i, now);
        break;
    case SAGA_STEP_FAILED:
    case SAGA_STEP_UNKNOWN:
        if (state == STEP_APPLYING)
            step_failed(saga, i, err, now);
        else if (state == STEP_CONFIRMING)
            retry_later(saga, i, now);
        break;
    case SAGA_STEP_ABSENT:
        if (state == STEP_CONFIRMING)
            step_absent(saga, i, event->err, now);
        break;
    case SAGA_STEP_BUSY:
        if (state == STEP_CONFIRMING)
            retry_later(saga, i, now);
        break;
    case SAGA_UNDO_OK:
        if (state == STEP_UNDOING)
            set_state(saga, i, STEP_UNDONE, now, NULL);
        break;
    case SAGA_UNDO_FAILED:
        if (state == STEP_UNDOING) {
            note_retry(saga, i, "undo-retry", err->text);
            retry_later(saga, i, now);
        }
        break;
    default:
        break;
    }
}

static void vm_here(struct saga *saga, int vm, struct mono now)
{
    int p = vm >= 0 && (unsigned) vm < saga->order.n_vms ? pivot_of(saga, vm) : -1;

    if (p < 0 || saga->order.vms[vm].fate != FATE_OPEN)
        return;
    finish_step(saga, (unsigned) p, now);
}

static void restart(struct saga *saga, struct mono now)
{
    for (unsigned i = 0; i < saga->n_steps; i++) {
        switch (saga->steps[i].state) {
        case STEP_APPLYING:
        case STEP_CONFIRMING:
            if (saga->steps[i].kind != STEP_AWAIT_COMMIT)
                confirm_step(saga, i, now, "restarted");
            break;
        case STEP_UNDOING:
            launch(saga, i, SAGA_DO_UNDO);
            break;
        default:
            break;
        }
    }
}

/* Also one that was under way before a restart, and is only watched since. */
static bool transfer_abortable(const struct saga *saga, unsigned i)
{
    enum step_state state = saga->steps[i].state;

    return saga->steps[i].kind == STEP_TRANSFER && (state == STEP_APPLYING || state == STEP_CONFIRMING) &&
           !saga->clocks[i].abort_sent;
}

static void cancel(struct saga *saga)
{
    static const struct err why = {ERR_CANCELLED, "cancelled by the operator"};

    fail_order(saga, &why);
    for (unsigned i = 0; i < saga->n_steps; i++) {
        if (transfer_abortable(saga, i)) {
            saga->clocks[i].abort_sent = true;
            act(saga, SAGA_DO_ABORT_TRANSFER, i);
        }
    }
}

static void take_event(struct saga *saga, const struct saga_event *event, struct mono now)
{
    switch (event->type) {
    case SAGA_START:
    case SAGA_TICK:
        break;
    case SAGA_RESTART:
        restart(saga, now);
        break;
    case SAGA_VM_HERE:
        vm_here(saga, event->vm, now);
        break;
    case SAGA_ABORT:
    case SAGA_COMMIT: {
        static const struct err why = {ERR_CANCELLED, "the source gateway called the migration off"};

        saga->settling = true;
        if (event->type == SAGA_COMMIT)
            saga->committed = true;
        else if (!any_vm_has(saga, FATE_CROSSED))
            fail_order(saga, &why);
        break;
    }
    case SAGA_CANCEL:
        cancel(saga);
        break;
    default:
        take_step_event(saga, event, now);
        break;
    }
}

/* ---- advancing ---- */

/* A step may begin when everything of a lower stage that concerns the same VM has ended; a pivot only when that holds
 * for every VM of the order, lest one VM cross while another is still being refused. */
static bool ready(const struct saga *saga, unsigned i)
{
    bool pivot = info_of(saga, i)->nature == STEP_PIVOT;

    for (unsigned j = 0; j < saga->n_steps; j++) {
        if (info_of(saga, j)->stage < info_of(saga, i)->stage && (pivot || related(saga, i, j)) && !step_ended(saga, j))
            return false;
    }
    return true;
}

/* Undoing goes in reverse: everything of a higher stage that is to go has gone. */
static bool undo_ready(const struct saga *saga, unsigned i)
{
    for (unsigned j = 0; j < saga->n_steps; j++) {
        if (info_of(saga, j)->stage > info_of(saga, i)->stage && related(saga, i, j) && step_unwanted(saga, j) &&
            !(saga->steps[j].state == STEP_UNDONE || saga->steps[j].state == STEP_SKIPPED ||
              (saga->steps[j].state == STEP_FAILED && info_of(saga, j)->nature == STEP_PIVOT)))
            return false;
    }
    return true;
}

static unsigned transfers_under_way(const struct saga *saga)
{
    unsigned n = 0;

    for (unsigned i = 0; i < saga->n_steps; i++) {
        if (saga->steps[i].kind == STEP_TRANSFER &&
            (saga->steps[i].state == STEP_APPLYING || saga->steps[i].state == STEP_CONFIRMING))
            n++;
    }
    return n;
}

static bool advance_unwanted(struct saga *saga, unsigned i, struct mono now)
{
    switch (saga->steps[i].state) {
    case STEP_PENDING:
        set_state(saga, i, STEP_SKIPPED, now, NULL);
        return true;
    case STEP_APPLYING:
    case STEP_CONFIRMING:
        if (saga->clocks[i].in_flight)
            return false;
        break;
    case STEP_DONE:
        break;
    case STEP_FAILED:
        if (info_of(saga, i)->nature == STEP_PIVOT)
            return false;
        break;
    default:
        return false;
    }
    if (!undo_ready(saga, i))
        return false;
    set_state(saga, i, STEP_UNDOING, now, NULL);
    launch(saga, i, SAGA_DO_UNDO);
    return true;
}

static bool begin_step(struct saga *saga, unsigned i, struct mono now)
{
    enum step_kind kind = saga->steps[i].kind;

    if (!ready(saga, i))
        return false;
    if (kind == STEP_TRANSFER && (saga->failing || transfers_under_way(saga) >= saga->limits.transfers))
        return false;
    set_state(saga, i, STEP_APPLYING, now, NULL);
    if (!passive(kind))
        launch(saga, i, SAGA_DO_APPLY);
    return true;
}

/* A step that waits: for its retry, for somebody else, or for too long. */
static bool advance_waiting(struct saga *saga, unsigned i, struct mono now)
{
    struct saga_clock *clock = &saga->clocks[i];
    struct step *step = &saga->steps[i];

    if (step->kind == STEP_AWAIT_COMMIT) {
        if (!saga->committed || any_vm_has(saga, FATE_OPEN))
            return false;
        finish_step(saga, i, now);
        return true;
    }
    if (transfer_abortable(saga, i) && mono_reached(mono_add(clock->began, saga->limits.transfer_ms), now)) {
        clock->abort_sent = true;
        act(saga, SAGA_DO_ABORT_TRANSFER, i);
    }
    if (clock->in_flight)
        return false;
    if (step->kind == STEP_ARRIVAL && step->state == STEP_APPLYING) {
        if (!saga->settling)
            return false;
        confirm_step(saga, i, now, "the source asks for an end");
        return true;
    }
    if (step->state == STEP_CONFIRMING && info_of(saga, i)->nature == STEP_REVERSIBLE &&
        mono_reached(mono_add(clock->began, saga->limits.confirm_ms), now)) {
        struct err why = clock->error;

        if (why.code == 0)
            err_set(&why, ERR_TIMEOUT, "step %s: its outcome could not be found out", info_of(saga, i)->name);
        fail_step(saga, i, &why, now);
        return true;
    }
    if (!mono_reached(clock->retry_at, now))
        return false;
    launch(saga, i,
           step->state == STEP_CONFIRMING ? SAGA_DO_CONFIRM :
           step->state == STEP_UNDOING    ? SAGA_DO_UNDO :
                                            SAGA_DO_APPLY);
    return true;
}

static bool advance_step(struct saga *saga, unsigned i, struct mono now)
{
    /* A VM's pivot is settled by the hypervisors even if its order has failed. */
    bool open_pivot = info_of(saga, i)->nature == STEP_PIVOT && saga->steps[i].state != STEP_PENDING &&
                      saga->order.vms[saga->steps[i].vm].fate == FATE_OPEN;

    if (!open_pivot && step_unwanted(saga, i) && saga->steps[i].state != STEP_UNDOING)
        return advance_unwanted(saga, i, now);
    switch (saga->steps[i].state) {
    case STEP_PENDING:
        return begin_step(saga, i, now);
    case STEP_APPLYING:
    case STEP_CONFIRMING:
    case STEP_UNDOING:
        return advance_waiting(saga, i, now);
    default:
        return false;
    }
}

/* ---- the state that follows from the steps ---- */

static bool kinds_ended(const struct saga *saga, enum step_kind kind)
{
    for (unsigned i = 0; i < saga->n_steps; i++) {
        if (saga->steps[i].kind == kind && !step_ended(saga, i))
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
    bool crossed = any_vm_has(saga, FATE_CROSSED) && !any_vm_has(saga, FATE_OPEN);

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

static void follow_steps(struct saga *saga)
{
    while (!sm_final(&saga->sm)) {
        unsigned now = saga->sm.current, next = now + 1;

        if (now == SAGA_ROLLING_BACK) {
            for (unsigned i = 0; i < saga->n_steps; i++) {
                if (!step_ended(saga, i))
                    return;
            }
            next = SAGA_ROLLED_BACK;
        } else if (every_vm_has(saga, FATE_STAYED)) {
            next = SAGA_ROLLING_BACK;
        } else if (!reached(saga, (enum saga_state) next)) {
            return;
        }
        sm_move(&saga->sm, next);
        note(saga, SAGA_NOTE_SAGA, saga_states[next].name, next == SAGA_ROLLING_BACK ? saga->reason.text : NULL);
        if (next == SAGA_CONFIGURED)
            act(saga, SAGA_DO_REPORT_CONFIGURED, 0);
        if (sm_final(&saga->sm))
            act(saga, SAGA_DO_END, 0);
    }
}

void saga_step(struct saga *saga, const struct saga_event *event, struct mono now)
{
    bool moved = true;

    saga->n_actions = 0;
    saga->n_notes = 0;
    if (saga_ended(saga))
        return;
    take_event(saga, event, now);
    while (moved) {
        moved = false;
        for (unsigned i = 0; i < saga->n_steps; i++)
            moved |= advance_step(saga, i, now);
    }
    follow_steps(saga);
}

struct mono saga_deadline(const struct saga *saga)
{
    struct mono deadline = MONO_NEVER;

    if (saga_ended(saga))
        return deadline;
    for (unsigned i = 0; i < saga->n_steps; i++) {
        const struct saga_clock *clock = &saga->clocks[i];

        deadline = mono_min(deadline, clock->retry_at);
        if (transfer_abortable(saga, i))
            deadline = mono_min(deadline, mono_add(clock->began, saga->limits.transfer_ms));
    }
    return deadline;
}

bool saga_ended(const struct saga *saga)
{
    return sm_final(&saga->sm);
}

bool saga_open(const struct saga *saga)
{
    return any_vm_has(saga, FATE_OPEN);
}

const char *saga_state_name(const struct saga *saga)
{
    return sm_name(&saga->sm);
}

bool saga_partial(const struct saga *saga)
{
    return any_vm_has(saga, FATE_CROSSED) && any_vm_has(saga, FATE_STAYED);
}
