/* SPDX-License-Identifier: Apache-2.0 */
/* What audit.c and audit_judge.c share. */
#ifndef SCGD_AUDIT_INTERNAL_H
#define SCGD_AUDIT_INTERNAL_H

#include "scgd/audit.h"

/* The fingerprint of a flow that shall be there. */
struct audit_mark {
    uint64_t hash;
    bool seen;
};

/* A meter that shall be there. */
struct audit_meter {
    struct flow_meter meter;
    size_t vm; /* index */
};

struct audit_vm {
    uint8_t uuid[UUID_SIZE]; /* of the tenant, which is looked up again after the answer */
    char name[NAME_SIZE];
    uint64_t cookie;
    bool has_policy; /* else the flows of others in the policy tables are what it has */
    struct proof_vm packets;
};

bool audit_is_ours(const struct flow *flow);
enum cookie_kind audit_kind_of(const struct flow *flow);
/* The mark of an expected flow, or null. */
struct audit_mark *audit_mark(const struct audit *audit, const struct flow *flow);
/* Whether the flow is one that the VM's policy is read from. */
bool audit_says_policy(const struct audit_vm *vm, const struct flow *flow);
/* Which packets of a VM the flow may not take. */
enum proof_way audit_ways_of(const struct flow *flow);
/* The VM's flows on this ToR, in 'txn'. False if it has none, also because it was left out. */
bool audit_expect_vm(const struct audit *audit, const struct tenant *tenant, uint32_t *port, struct flow_txn *txn);

/* Whether the flow is of a segment that is just being opened or closed at the PE. It may be there or not. */
bool audit_is_undecided(const struct audit *audit, const struct flow *flow);
/* The flows of nobody in particular against which others' are held; valid while the audit is. */
struct proof_base audit_base(const struct audit *audit);

/* Finds what differs, from what was read. */
void audit_judge(struct audit *audit, const struct event *event);
void audit_free_finding(struct finding *finding); /* its members */

#endif
