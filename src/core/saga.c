/* SPDX-License-Identifier: Apache-2.0 */
/* The engine of core/saga.h. saga_step() lets one event change the steps it concerns (take_event), then advances until
 * nothing moves: fates are settled, undoing and forward steps are started. The state then follows from the steps
 * (saga_state.c). It is derived; what persists is the steps and the fates. */
#include "core/saga_internal.h"

#define BACKOFF_FIRST_MS 200
#define BACKOFF_LAST_MS 5000
#define ATTEMPTS_MAX 3 /* of a reversible step whose outcome was unknown and that turns out to be absent */

#define RETRIES_NOTED 8

/* ---- small questions ---- */

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
    return saga_every_vm_has(saga, FATE_STAYED);
}

static int pivot_of(const struct saga *saga, int vm)
{
    for (unsigned i = 0; i < saga->n_steps; i++) {
        if (saga->steps[i].vm == vm && saga_step_info(saga, i)->nature == STEP_PIVOT)
            return (int) i;
    }
    return -1;
}

static bool passive(enum step_kind kind)
{
    return kind == STEP_ARRIVAL || kind == STEP_AWAIT_COMMIT;
}

/* ---- changes ---- */

/* An outage of days must not fill the journal: the first tries of a state are noted. */
static void note_retry(struct saga *saga, unsigned step, const char *what, const char *detail)
{
    if (saga->clocks[step].retries < RETRIES_NOTED)
        saga_note_add(saga, step, what, detail);
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
    saga_note_add(saga, i, words[state], detail);
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
    saga_act(saga, type, i);
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

static void finish_step(struct saga *saga, unsigned i, struct mono now, const char *note)
{
    set_state(saga, i, STEP_DONE, now, note);
    if (saga_step_info(saga, i)->nature == STEP_PIVOT)
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
    switch (saga_step_info(saga, i)->nature) {
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
    if (saga_step_info(saga, i)->nature != STEP_FORWARD) {
        /* Whatever an aborted call says, it failed because it was aborted. */
        if (saga->failing && (!definite(&why) || saga->reason.code == ERR_CANCELLED))
            why = saga->reason;
        if (!definite(&why) && saga->steps[i].attempts >= ATTEMPTS_MAX)
            err_set(&why, ERR_REFUSED, "step %s was tried %u times without effect", saga_step_info(saga, i)->name,
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
            finish_step(saga, i, now, event->note);
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
    finish_step(saga, (unsigned) p, now, NULL);
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
            saga_act(saga, SAGA_DO_ABORT_TRANSFER, i);
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
        else if (!saga_any_vm_has(saga, FATE_CROSSED))
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
    bool pivot = saga_step_info(saga, i)->nature == STEP_PIVOT;

    for (unsigned j = 0; j < saga->n_steps; j++) {
        if (saga_step_info(saga, j)->stage < saga_step_info(saga, i)->stage && (pivot || related(saga, i, j)) &&
            !saga_step_ended(saga, j))
            return false;
    }
    return true;
}

/* Undoing goes in reverse: everything of a higher stage that is to go has gone. */
static bool undo_ready(const struct saga *saga, unsigned i)
{
    for (unsigned j = 0; j < saga->n_steps; j++) {
        if (saga_step_info(saga, j)->stage > saga_step_info(saga, i)->stage && related(saga, i, j) &&
            step_unwanted(saga, j) &&
            !(saga->steps[j].state == STEP_UNDONE || saga->steps[j].state == STEP_SKIPPED ||
              (saga->steps[j].state == STEP_FAILED && saga_step_info(saga, j)->nature == STEP_PIVOT)))
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
        if (saga_step_info(saga, i)->nature == STEP_PIVOT)
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
        if (!saga->committed || saga_any_vm_has(saga, FATE_OPEN))
            return false;
        finish_step(saga, i, now, NULL);
        return true;
    }
    if (transfer_abortable(saga, i) && mono_reached(mono_add(clock->began, saga->limits.transfer_ms), now)) {
        clock->abort_sent = true;
        saga_act(saga, SAGA_DO_ABORT_TRANSFER, i);
    }
    if (clock->in_flight)
        return false;
    if (step->kind == STEP_ARRIVAL && step->state == STEP_APPLYING) {
        if (!saga->settling)
            return false;
        confirm_step(saga, i, now, "the source asks for an end");
        return true;
    }
    if (step->state == STEP_CONFIRMING && saga_step_info(saga, i)->nature == STEP_REVERSIBLE &&
        mono_reached(mono_add(clock->began, saga->limits.confirm_ms), now)) {
        struct err why = clock->error;

        if (why.code == 0)
            err_set(&why, ERR_TIMEOUT, "step %s: its outcome could not be found out", saga_step_info(saga, i)->name);
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
    bool open_pivot = saga_step_info(saga, i)->nature == STEP_PIVOT && saga->steps[i].state != STEP_PENDING &&
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
    saga_follow_steps(saga);
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
