/* SPDX-License-Identifier: Apache-2.0 */
/* The move as a saga: (saga, event, now) -> saga and what is to be done. Pure: no clock, no I/O, no driver.
 *
 * Both roles run the same machine over different steps (model/migration.h). Rules, in the order of their weight:
 *
 *  1. A step is done when its device said so, or when a look at the outside world (confirm) says so. An answer that
 *     does not come makes a step CONFIRMING, never FAILED.
 *  2. Each VM has a fate of its own. It is OPEN until its pivot (TRANSFER, ARRIVAL) is decided by the hypervisors;
 *     before that, a failure makes it stay and everything prepared for it is undone in reverse; after it, only forward.
 *  3. When one VM of an order fails, transfers that have not begun do not begin; those under way meet their fate. The
 *     order ends 'done' if any VM crossed (its VMs' fates tell which), else 'rolled_back'.
 *  4. Undoing and forward steps are repeated with backoff until they succeed; they have no deadline.
 *
 * The caller carries out, in this order: put the saga and the journal entries on disk, then the actions. After a crash
 * it loads the saga and sends SAGA_RESTART: every step whose outcome is open is confirmed before anything else. */
#ifndef CORE_SAGA_H
#define CORE_SAGA_H

#include <jansson.h>

#include "base/mono.h"
#include "base/sm.h"
#include "model/event.h"
#include "model/migration.h"

enum saga_state {
    /* source */
    SAGA_ACCEPTED,
    SAGA_CHANNEL_READY,
    SAGA_POLICY_COLLECTED,
    SAGA_TARGET_CONFIGURED,
    SAGA_TRANSFERRING,
    SAGA_SWITCHED, /* every VM's fate is decided and at least one runs at the target */
    SAGA_REHOMED,  /* the target has activated them: users reach them there */
    SAGA_RELEASED, /* nothing of them is left at the source */
    SAGA_DONE,
    /* target */
    SAGA_RECEIVED,
    SAGA_ADMITTED,
    SAGA_POLICY_INSTALLED,
    SAGA_INTERNAL_CHANNEL,
    SAGA_EXTERNAL_CHANNEL,
    SAGA_VERIFIED,
    SAGA_CONFIGURED, /* the source has been told, or asks */
    SAGA_ACTIVATED,
    SAGA_COMMITTED,
    /* both */
    SAGA_ROLLING_BACK,
    SAGA_ROLLED_BACK,
    SAGA_STATES
};

extern const struct sm_state saga_states[SAGA_STATES];

struct saga_limits {
    unsigned transfers;  /* at once */
    int64_t confirm_ms;  /* how long a reversible step may stay unknown before it counts as failed */
    int64_t transfer_ms; /* for one VM's memory; then it is aborted */
};

enum saga_event_type {
    SAGA_START,
    SAGA_RESTART,
    SAGA_STEP_OK,      /* step: applied */
    SAGA_STEP_FAILED,  /* step, err: certainly not applied; ERR_UNKNOWN and ERR_TIMEOUT count as SAGA_STEP_UNKNOWN */
    SAGA_STEP_UNKNOWN, /* step, err */
    SAGA_STEP_PRESENT, /* step: confirm says that it is done */
    SAGA_STEP_ABSENT,  /* step, err: confirm says that it is certainly not done */
    SAGA_STEP_BUSY,    /* step: confirm says that it is under way, or could not tell */
    SAGA_UNDO_OK,      /* step */
    SAGA_UNDO_FAILED,  /* step, err: to be repeated */
    SAGA_VM_HERE,      /* target, vm: the hypervisor says that it runs here */
    SAGA_ABORT,        /* target: the source wants undone what has not crossed */
    SAGA_COMMIT,       /* target: the source has decided the fate of every VM; what has not crossed is undone */
    SAGA_CANCEL,       /* source: the operator's */
    SAGA_TICK          /* time has passed */
};

struct saga_event {
    enum saga_event_type type;
    unsigned step;
    int vm;
    const struct err *err;
    const char *note; /* of SAGA_STEP_OK: what was found, for the journal; may be null */
};

enum saga_action_type {
    SAGA_DO_APPLY,
    SAGA_DO_CONFIRM,
    SAGA_DO_UNDO,
    SAGA_DO_ABORT_TRANSFER,    /* step: of a TRANSFER under way; its outcome comes as that step's */
    SAGA_DO_REPORT_CONFIGURED, /* target: answer the source */
    SAGA_DO_END                /* the saga has reached a final state */
};

struct saga_action {
    enum saga_action_type type;
    unsigned step;
};

struct saga_note {    /* a journal entry */
    unsigned step;    /* index, or SAGA_NOTE_SAGA */
    const char *what; /* "intent", "done", "failed", "unknown", "undo", "undone", "skipped", or a state's name */
    char detail[160];
};
#define SAGA_NOTE_SAGA UINT32_MAX

struct saga_clock {
    struct mono retry_at; /* MONO_NEVER: none */
    struct mono began;    /* of its present state */
    bool in_flight;       /* an APPLY, CONFIRM or UNDO is out: at most one at a time */
    bool abort_sent;
    unsigned retries; /* for the backoff */
    struct err error; /* of the last failure; code 0: none */
};

struct saga {
    struct order order;
    struct sm sm;
    struct saga_limits limits;
    struct step *steps;
    unsigned n_steps;
    bool failing;      /* no transfer begins any more */
    bool settling;     /* target: SAGA_ABORT or SAGA_COMMIT came; no VM's fate stays open */
    bool committed;    /* target: SAGA_COMMIT came */
    struct err reason; /* the first failure */
    /* Not persistent: */
    struct saga_clock *clocks;   /* by step */
    struct saga_action *actions; /* what the last saga_step() wants; cleared by the next */
    size_t n_actions, cap_actions;
    struct saga_note *notes;
    size_t n_notes, cap_notes;
};

/* Takes over order's memory. The saga has its steps, and does nothing before SAGA_START. */
struct saga *saga_new(struct order *order, const struct saga_limits *limits);
void saga_free(struct saga *saga);

/* Advances. Afterwards saga->notes and saga->actions hold what the caller has to do, and stay until the next call. An
 * event that no longer fits (a late or repeated answer) changes nothing. */
void saga_step(struct saga *saga, const struct saga_event *event, struct mono now);

/* When SAGA_TICK is wanted next; MONO_NEVER if not at all. */
struct mono saga_deadline(const struct saga *saga);

bool saga_ended(const struct saga *saga);
/* Whether the fate of a VM is still open. */
bool saga_open(const struct saga *saga);
const char *saga_state_name(const struct saga *saga);
/* Whether at least one VM crossed and at least one stayed. */
bool saga_partial(const struct saga *saga);

json_t *saga_to_json(const struct saga *saga); /* for the journal: everything that is persistent */
struct saga *saga_from_json(const json_t *json, const struct saga_limits *limits, struct err *err);

#endif
