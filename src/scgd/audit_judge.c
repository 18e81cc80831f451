/* SPDX-License-Identifier: Apache-2.0 */
/* What an audit found: see audit.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "scgd/audit_internal.h"
#include "scgd/network_internal.h"

#define PAIRS_A_STEP 8 /* of a VM and a flow, that are looked at */

/* ---- findings ---- */

void audit_free_finding(struct finding *finding)
{
    free(finding->flow);
    free(finding->packet);
    free(finding->text);
    flow_txn_free(&finding->repair);
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (uint8_t) *text) * UINT64_C(0x100000001b3);
    return (hash ^ 0xff) * UINT64_C(0x100000001b3);
}

/* Takes over the members. 'vm' is null for all; 'place' tells what of the VM it is about. */
static void add_finding(struct audit *audit, const char *vm, const char *place, struct finding finding)
{
    audit->n_found++;
    if (audit->n_findings == AUDIT_FINDINGS_MAX) {
        audit_free_finding(&finding);
        return;
    }
    if (vm)
        memcpy(finding.vm, vm, NAME_SIZE);
    finding.id = hash_text(hash_text(UINT64_C(0xcbf29ce484222325), finding.vm), place);
    audit->findings = array_reserve(audit->findings, audit->n_findings, &audit->cap_findings, sizeof finding);
    audit->findings[audit->n_findings++] = finding;
}

/* Where it stands: a flow there takes the place of any other. */
static char *place_of(const struct flow *flow)
{
    AUTO_FREE char *match = flow_match_format(&flow->match);

    return xasprintf("%u %u %s", flow->table, flow->priority, match);
}

static void add_flow_finding(struct audit *audit, const char *vm, const struct flow *at, struct finding finding)
{
    AUTO_FREE char *place = place_of(at);

    add_finding(audit, vm, place, finding);
}

static int compare_findings(const void *a, const void *b)
{
    const struct finding *x = a, *y = b;
    int vm = strcmp(x->vm, y->vm);

    return vm ? vm : x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : strcmp(x->text, y->text);
}

/* ---- what shall be there ---- */

/* The VM here whose flows on this switch have the cookie, or null. */
static const char *vm_of_cookie(const struct audit *audit, uint64_t cookie)
{
    const struct network *network = &audit->gateway->network;

    for (size_t i = 0; i < audit->n_vms; i++) {
        if (audit->vms[i].cookie == cookie)
            return audit->vms[i].name;
    }
    for (size_t i = 0; i < network->n_tenants && !audit->is_tor; i++) {
        if (network->tenants[i].present && cookie_of_vm(network->tenants[i].uuid) == cookie)
            return network->tenants[i].name;
    }
    return NULL;
}

static bool same_place(const struct flow *a, const struct flow *b)
{
    return a->table == b->table && a->priority == b->priority && match_equal(&a->match, &b->match);
}

/* Of an expected flow that did not come: what stands in its place is marked as dealt with. */
static void judge_missing(struct audit *audit, const struct flow *flow, const char *vm, const struct flow_list *held,
                          bool *dealt)
{
    AUTO_FREE char *text = flow_format(flow);
    struct finding finding = {.kind = FINDING_MISSING};

    for (size_t i = 0; i < held->n && finding.kind == FINDING_MISSING; i++) {
        if (!same_place(&held->flows[i], flow))
            continue;
        dealt[i] = true;
        finding.kind = FINDING_CHANGED;
        finding.flow = flow_format(&held->flows[i]);
        finding.text = xasprintf("%s holds %s in place of %s", audit->switch_name, finding.flow, text);
    }
    if (finding.kind == FINDING_MISSING) {
        finding.flow = xstrdup(text);
        finding.text = xasprintf("%s does not hold %s", audit->switch_name, text);
    }
    flow_txn_add(&finding.repair, flow_copy(flow));
    add_flow_finding(audit, vm, flow, finding);
}

static void judge_expected(struct audit *audit, const struct flow_txn *txn, const char *vm,
                           const struct flow_list *held, bool *dealt)
{
    for (size_t i = 0; i < txn->n_mods; i++) {
        const struct audit_mark *mark;

        if (txn->mods[i].command != FLOW_ADD)
            continue;
        mark = audit_mark(audit, &txn->mods[i].flow);
        if (mark && !mark->seen)
            judge_missing(audit, &txn->mods[i].flow, vm, held, dealt);
    }
}

static void judge_base(struct audit *audit, const struct flow_list *held, bool *dealt)
{
    for (size_t i = 0; i < audit->base.n; i++) {
        const struct audit_mark *mark = audit_mark(audit, &audit->base.flows[i]);

        if (mark && !mark->seen)
            judge_missing(audit, &audit->base.flows[i], vm_of_cookie(audit, audit->base.flows[i].cookie), held, dealt);
    }
}

/* A VM's own flows. */
static void judge_own(struct audit *audit, const struct audit_vm *vm, const struct flow_list *held, bool *dealt)
{
    const struct tenant *tenant = network_tenant(audit->gateway, vm->uuid);
    struct flow_txn txn = {0};
    uint32_t port;

    if (tenant && audit_expect_vm(audit, tenant, &port, &txn))
        judge_expected(audit, &txn, vm->name, held, dealt);
    flow_txn_free(&txn);
}

static void judge_meter(struct audit *audit, const struct flow_meter *want, const char *vm)
{
    AUTO_FREE char *place = xasprintf("meter %" PRIu32, want->id);
    struct finding finding = {.kind = FINDING_METER};
    size_t m = 0;

    while (m < audit->n_meters && audit->meters[m].id != want->id)
        m++;
    if (m < audit->n_meters && flow_meter_equal(&audit->meters[m], want))
        return;
    AUTO_FREE char *wanted = flow_meter_format(want);
    AUTO_FREE char *held = m < audit->n_meters ? flow_meter_format(&audit->meters[m]) : NULL;
    finding.text = held ? xasprintf("%s of %s lets %s pass in place of %s", place, audit->switch_name, held, wanted) :
                          xasprintf("%s has no %s of %s", audit->switch_name, place, wanted);
    flow_txn_meter_add(&finding.repair, *want);
    add_finding(audit, vm, place, finding);
}

static const struct flow_queue *find_queue(const struct flow_queue *queues, size_t n, const struct flow_queue *like)
{
    for (size_t i = 0; i < n; i++) {
        if (queues[i].port == like->port && queues[i].id == like->id)
            return &queues[i];
    }
    return NULL;
}

static bool has_queues(const struct audit *audit, uint32_t port)
{
    for (size_t i = 0; i < audit->n_wanted_queues; i++) {
        if (audit->wanted_queues[i].port == port)
            return true;
    }
    return false;
}

static void found_queue(struct audit *audit, const char *vm, const struct flow_queue *queue, char *text)
{
    AUTO_FREE char *place = xasprintf("queue %" PRIu32 " %" PRIu32, queue->port, queue->id);

    add_finding(audit, vm, place, (struct finding) {.kind = FINDING_QUEUE, .text = text});
}

static void judge_queue(struct audit *audit, const struct flow_queue *want)
{
    const struct flow_queue *held = find_queue(audit->queues, audit->n_queues, want);
    char *text;

    if ((held && held->min_kbps == want->min_kbps && held->max_kbps == want->max_kbps &&
         held->priority == want->priority) ||
        (audit->of_vm && (audit->n_vms == 0 || strcmp(want->vm, audit->vms[0].name) != 0)))
        return;
    if (held)
        text = xasprintf("queue %" PRIu32 " at port %" PRIu32 " of %s has %" PRIu32 " to %" PRIu32
                         " kbit/s with priority %" PRIu32 " in place of %" PRIu32 " to %" PRIu32 " with %" PRIu32,
                         want->id, want->port, audit->switch_name, held->min_kbps, held->max_kbps, held->priority,
                         want->min_kbps, want->max_kbps, want->priority);
    else
        text = xasprintf("port %" PRIu32 " of %s has no queue %" PRIu32, want->port, audit->switch_name, want->id);
    found_queue(audit, want->vm, want, text);
}

/* Those of ports where the gateway has none are an administrator's. */
static void judge_queues(struct audit *audit)
{
    for (size_t i = 0; i < audit->n_wanted_queues; i++)
        judge_queue(audit, &audit->wanted_queues[i]);
    for (size_t i = 0; i < audit->n_queues && !audit->of_vm; i++) {
        const struct flow_queue *held = &audit->queues[i];

        if (has_queues(audit, held->port) && !find_queue(audit->wanted_queues, audit->n_wanted_queues, held))
            found_queue(audit, NULL, held,
                        xasprintf("port %" PRIu32 " of %s has a queue %" PRIu32 " that is not of the gateway's making",
                                  held->port, audit->switch_name, held->id));
    }
}

/* ---- what shall not be there ---- */

/* Takes the flow away, if it is wholly understood: no other can be told to the switch. */
static void put_right(struct finding *finding, const struct flow *flow)
{
    if (!flow->has_unknown)
        flow_txn_delete_strict(&finding->repair, flow_copy(flow));
}

/* A user's circuit that is not wanted, or fails, is taken down step by step. */
static bool is_of_no_circuit(const struct audit *audit, const struct flow *flow)
{
    for (size_t i = 0; i < audit->base.n; i++) {
        if (audit->base.flows[i].cookie == flow->cookie)
            return false;
    }
    return audit_kind_of(flow) == COOKIE_CIRCUIT;
}

/* Flows of ours that nobody expects. Those of a VM that is not at this ToR are what is left of it, until they are
 * purged; in the way of others they are like anybody's. */
static void judge_added(struct audit *audit, const struct flow_list *held, bool *dealt)
{
    for (size_t i = 0; i < held->n; i++) {
        const struct flow *flow = &held->flows[i];
        struct finding finding = {.kind = FINDING_ADDED};

        if (dealt[i] || !audit_is_ours(flow) || audit_mark(audit, flow) || audit_is_undecided(audit, flow) ||
            is_of_no_circuit(audit, flow) ||
            ((audit->of_vm || audit_kind_of(flow) == COOKIE_VM) && !vm_of_cookie(audit, flow->cookie)))
            continue;
        dealt[i] = true;
        finding.flow = flow_format(flow);
        finding.text = xasprintf("%s holds a flow with a cookie of the gateway, but not of its making: %s",
                                 audit->switch_name, finding.flow);
        put_right(&finding, flow);
        add_flow_finding(audit, vm_of_cookie(audit, flow->cookie), flow, finding);
    }
}

/* Packets of ours come only to tables that flows of ours are in, or lead to. What an administrator does in others is no
 * business of the gateway's; a flow that leads packets there from one of ours is found here. */
static bool leads_to(const struct flow_list *ours, uint8_t table)
{
    for (size_t i = 0; i < ours->n; i++) {
        const struct flow *flow = &ours->flows[i];

        if (flow->table == table || flow->goto_table == table)
            return true;
        for (unsigned a = 0; a < flow->n_actions; a++) {
            if (flow->actions[a].type == ACTION_RESUBMIT && flow->actions[a].table == table)
                return true;
        }
    }
    return false;
}

/* 'vm' null: what it takes is no VM's. */
static void found_foreign(struct audit *audit, const char *vm, const struct flow *flow, char *packet)
{
    struct finding finding = {.kind = FINDING_FOREIGN, .flow = flow_format(flow), .packet = packet};

    finding.text = xasprintf("on %s a flow that is not the gateway's takes packets of %s%s, such as %s: %s",
                             audit->switch_name, vm ? "VM " : "its flows", vm ? vm : "", packet, finding.flow);
    put_right(&finding, flow);
    add_flow_finding(audit, vm, flow, finding);
}

/* What the rest of others' flows do is not known. Takes over 'flow'. */
static void found_too_much(struct audit *audit, char *flow)
{
    struct finding finding = {.kind = FINDING_FOREIGN, .flow = flow};

    finding.text = xasprintf("%s holds more flows that are not the gateway's, where its own are, than can be judged; "
                             "the first of these is %s",
                             audit->switch_name, flow);
    add_finding(audit, audit->of_vm && audit->n_vms ? audit->vms[0].name : NULL, "too much", finding);
}

static void judge_foreign(struct audit *audit, const struct audit_vm *vm, const struct flow_list *ours,
                          const struct flow_list *held, const bool *dealt, bool *takes)
{
    for (size_t i = 0; i < held->n && audit->steps; i++) {
        const struct flow *flow = &held->flows[i];
        enum proof_answer answer;
        char *packet = NULL;

        audit->steps -= i % PAIRS_A_STEP == 0;
        if (dealt[i] || !leads_to(ours, flow->table) || audit_mark(audit, flow) ||
            (!vm->has_policy && audit_says_policy(vm, flow)))
            continue;
        answer = proof_takes(&vm->packets, flow, audit_ways_of(flow), ours->flows, ours->n, &audit->steps, &packet);
        if (answer == PROOF_TAKES) {
            found_foreign(audit, vm->name, flow, packet);
            takes[i] = true;
        }
        if (audit->steps == 0)
            found_too_much(audit, flow_format(flow));
    }
}

/* What is in a VM's way. */
static void judge_others(struct audit *audit, const struct audit_vm *vm, const struct flow_list *held,
                         const bool *dealt, bool *takes)
{
    const struct tenant *tenant = network_tenant(audit->gateway, vm->uuid);
    struct flow_list ours = {0}; /* borrows flows */
    struct flow_txn txn = {0};
    uint32_t port;

    if (tenant && audit_expect_vm(audit, tenant, &port, &txn)) {
        ours.flows = xcalloc(audit->base.n + txn.n_mods, sizeof *ours.flows);
        for (size_t i = 0; i < audit->base.n; i++)
            ours.flows[ours.n++] = audit->base.flows[i];
        for (size_t i = 0; i < txn.n_mods; i++) {
            if (txn.mods[i].command == FLOW_ADD)
                ours.flows[ours.n++] = txn.mods[i].flow;
        }
        judge_foreign(audit, vm, &ours, held, dealt, takes);
        free(ours.flows);
    }
    flow_txn_free(&txn);
}

/* What is in the way of flows that are nobody's in particular. */
static void judge_base_others(struct audit *audit, const struct flow_list *held, const bool *dealt, const bool *takes)
{
    struct proof_base base = audit_base(audit);

    for (size_t i = 0; i < held->n && audit->steps; i++) {
        const struct flow *flow = &held->flows[i];
        char *packet = NULL;

        audit->steps--;
        if (dealt[i] || takes[i] || audit_is_ours(flow))
            continue;
        if (proof_base_takes(&base, flow, &audit->steps, &packet) == PROOF_TAKES)
            found_foreign(audit, NULL, flow, packet);
        if (audit->steps == 0)
            found_too_much(audit, flow_format(flow));
    }
}

/* ---- all of it ---- */

static bool all_came(const struct audit *audit)
{
    for (size_t i = 0; i < audit->n_expected; i++) {
        if (!audit->expected[i].seen)
            return false;
    }
    return true;
}

void audit_judge(struct audit *audit, const struct event *event)
{
    const struct flow_list *held = &event->read.flows;
    AUTO_FREE bool *dealt = xcalloc(held->n + 1, sizeof *dealt), *takes = xcalloc(held->n + 1, sizeof *takes);

    audit->meters = event->read.meters;
    audit->n_meters = event->read.n_meters;
    audit->queues = event->read.queues;
    audit->n_queues = event->read.n_queues;
    for (size_t i = 0; i < held->n; i++) {
        const struct flow *flow = &held->flows[i];

        if (audit->of_vm && audit->n_vms && audit_says_policy(&audit->vms[0], flow))
            flow_list_add(&audit->policy_flows, flow_copy(flow));
    }
    for (size_t i = 0; i < audit->n_wanted; i++)
        judge_meter(audit, &audit->wanted[i].meter, audit->vms[audit->wanted[i].vm].name);
    judge_queues(audit);
    /* To find out whose flow is missing, all have to be made anew. */
    bool complete = all_came(audit);
    if (!complete)
        judge_base(audit, held, dealt);
    for (size_t i = 0; i < audit->n_vms && !complete; i++)
        judge_own(audit, &audit->vms[i], held, dealt);
    judge_added(audit, held, dealt);
    if (audit->too_many)
        found_too_much(audit, xstrdup(audit->too_many));
    for (size_t i = 0; i < audit->n_vms && held->n; i++)
        judge_others(audit, &audit->vms[i], held, dealt, takes);
    if (!audit->of_vm)
        judge_base_others(audit, held, dealt, takes);
    if (audit->n_findings)
        qsort(audit->findings, audit->n_findings, sizeof *audit->findings, compare_findings);
}
