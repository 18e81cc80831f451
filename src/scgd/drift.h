/* SPDX-License-Identifier: Apache-2.0 */
/* Drift: what somebody else changed at a switch. Each switch is audited (audit.h) every drift.interval seconds, and
 * soon after its flow monitor has told of a change that is not ours. What two readings in a row show, while nothing
 * of ours was on its way, is drift: each finding is logged, told as an event, counted, and put right if drift.repair
 * says so, for itself (drift_ledger.h): what comes and goes hides nothing else. */
#ifndef SCGD_DRIFT_H
#define SCGD_DRIFT_H

#include "base/mono.h"
#include "model/event.h"
#include "north/backend.h"
#include "scgd/drift_ledger.h"

struct gateway;

struct drift_switch {
    char name[NAME_SIZE];
    struct mono due;    /* of the next audit, */
    struct mono rested; /* but not before: so an audit takes the switch a fifth of its time at most */
    bool busy;          /* it is being read, or put right */
    unsigned unsettled; /* audits in a row during which we changed it */
    struct drift_ledger ledger;
    size_t standing;     /* findings that were told and not put right; all, if they are more than an audit keeps */
    uint64_t *repairing; /* ids of those that are being put right */
    size_t n_repairing, cap_repairing;
};

struct drift {
    struct drift_switch **switches;
    size_t n_switches, cap_switches;
    uint64_t audits, found, repaired; /* since the start */
};

void drift_free(struct gateway *gateway);
void drift_flows_changed(struct gateway *gateway, const char *switch_name);
void drift_tick(struct gateway *gateway);
struct mono drift_deadline(const struct gateway *gateway);
/* Reads now what concerns a VM, or (null) every ToR, and answers with what was found: backend.h. */
void backend_verify(void *arg, const char *vm, struct backend_reply *reply);

#endif
