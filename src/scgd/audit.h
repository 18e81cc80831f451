/* SPDX-License-Identifier: Apache-2.0 */
/* What a switch holds, held against what it shall hold.
 *
 * All of its flows are read, but as they come only fingerprints of what is expected are looked up, so 50,000 flows take
 * some 16 bytes each. What is not expected is kept: flows with a cookie of ours that the gateway did not put there, or
 * not like that, and flows of others that take packets of a VM or, in tables where no flow is a VM's, packets that a
 * flow of ours is for (core/proof.h). What is expected and did not come is missing. Learned flows (that a packet taught
 * the switch) are only counted, diverts of probe packets are let be. Of a ToR meters and queues are looked at, too.
 *
 *   audit_switch() reads until the switch was quiet meanwhile, so that a change of ours is not taken for others';
 *                  of one VM, what is its own is judged in any case. Between two times it rests, and one of a whole
 *                  switch waits until no other reads all of that switch
 *   finding.repair the change that puts one right; empty if there is none
 *
 * Findings come in an order that only depends on what they are: by VM, kind and flow. Each is about one VM and one
 * flow, so a flow in the way of many VMs is found many times. */
#ifndef SCGD_AUDIT_H
#define SCGD_AUDIT_H

#include "core/proof.h"
#include "scgd/gateway.h"

enum finding_kind {
    FINDING_MISSING, /* a flow that shall be there is not */
    FINDING_CHANGED, /* one that is there has other actions, timeouts or another cookie */
    FINDING_ADDED,   /* a flow with a cookie of ours that the gateway did not put there */
    FINDING_FOREIGN, /* a flow of somebody else that takes a VM's packets */
    FINDING_METER,   /* a meter is missing, or has another rate */
    FINDING_QUEUE,   /* likewise a queue in OVSDB, or there is one more at a port that has some */
    FINDINGS
};
const char *finding_kind_name(enum finding_kind kind);

#define AUDIT_FINDINGS_MAX 1000 /* that are kept; all are counted */
#define AUDIT_HELD_MAX 4096     /* flows that nobody expects that are kept until all have come: some 2.5 MB */

struct finding {
    enum finding_kind kind;
    uint64_t id; /* of the VM and the flow's place, or the meter: the same in each audit, whatever stands there */
    char vm[NAME_SIZE];     /* whose packets it is about; empty: all of the switch's */
    char *flow;             /* that is there, or shall be there if it is missing; null: a meter */
    char *packet;           /* of FINDING_FOREIGN: that shows it; null: it is one flow more than can be judged */
    char *text;             /* a sentence */
    struct flow_txn repair; /* empty: there is none, or it is setting the switch's queues (FINDING_QUEUE) */
};

/* What the ToR has learned of a VM's connections. */
struct connection_count {
    uint64_t id; /* the last 40 bits of its cookies */
    struct known_connections known;
};

struct audit {
    struct audit *next;
    struct gateway *gateway;
    char switch_name[NAME_SIZE];
    bool of_vm; /* only what concerns the VM 'uuid' */
    uint8_t uuid[UUID_SIZE];
    unsigned tries;
    struct mono began;   /* to read, the last time */
    struct mono again;   /* it waits until then; MONO_NEVER: it reads */
    struct join *waiter; /* while it waits: 'join', held open */
    uint64_t changes;    /* sent to the switch before it was read */
    bool was_busy;
    struct audit_vm *vms;
    size_t n_vms, cap_vms;
    struct connection_count *counts; /* of the VMs, in rising id */
    size_t n_counts;
    struct audit_mark *expected; /* by hash */
    size_t n_expected, cap_expected;
    bool is_tor;
    struct flow_list base;      /* expected, but for those of a ToR's VMs */
    struct flow_list own;       /* those of 'base' that are in tables without flows of VMs; they borrow */
    struct flow_match *traffic; /* in such tables: what segments' packets look like */
    size_t n_traffic;
    size_t n_held;  /* that nobody expects */
    char *too_many; /* the first flow beyond AUDIT_HELD_MAX */
    struct flow_queue *wanted_queues;
    size_t n_wanted_queues;
    struct audit_meter *wanted;
    size_t n_wanted, cap_wanted;
    void (*done)(struct gateway *gateway, struct join *join, struct audit *audit, const struct err *err, void *context);
    void *context;

    unsigned steps; /* of core/proof.h, that are left */

    /* For 'done': */
    bool settled; /* no change of ours was on its way */
    struct finding *findings;
    size_t n_findings, cap_findings, n_found;
    struct flow_list policy_flows; /* of one VM: what policy_from_flows() needs */
    const struct flow_meter *meters;
    size_t n_meters;
    const struct flow_queue *queues;
    size_t n_queues;
};

typedef void audit_fn(struct gateway *gateway, struct join *join, struct audit *audit, const struct err *err,
                      void *context);

/* Reads the switch: all of it, or ('uuid' not null, a ToR) what concerns one VM. 'done' is called once; 'audit' is
 * freed after it. An error says that it could not be read. 'context' is null or from malloc(): 'done' frees it, or the
 * gateway if it ends first. */
void audit_switch(struct gateway *gateway, const struct switch_info *sw, const uint8_t *uuid, struct join *join,
                  audit_fn *done, void *context);
void audits_free(struct gateway *gateway); /* those that have not ended */
void audits_tick(struct gateway *gateway);
struct mono audits_deadline(const struct gateway *gateway);

#endif
