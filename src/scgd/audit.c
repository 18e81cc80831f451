/* SPDX-License-Identifier: Apache-2.0 */
#include "scgd/audit.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "scgd/network_internal.h"

#define TRIES_MAX 5

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

const char *finding_kind_name(enum finding_kind kind)
{
    static const char *const names[FINDINGS] = {"missing", "changed", "added", "foreign", "meter"};

    return names[kind];
}

static void free_finding(struct finding *finding)
{
    free(finding->flow);
    free(finding->packet);
    free(finding->text);
}

static void audit_clear(struct audit *audit)
{
    for (size_t i = 0; i < audit->n_findings; i++)
        free_finding(&audit->findings[i]);
    free(audit->findings);
    free(audit->expected);
    free(audit->wanted);
    free(audit->vms);
    flow_list_free(&audit->base);
    flow_list_free(&audit->policy_flows);
    flow_txn_free(&audit->repair);
}

static void audit_end(struct audit *audit)
{
    struct audit **at = &audit->gateway->network.audits;

    while (*at != audit)
        at = &(*at)->next;
    *at = audit->next;
    audit_clear(audit);
    free(audit);
}

void audits_free(struct gateway *gateway)
{
    while (gateway->network.audits) {
        free(gateway->network.audits->context);
        audit_end(gateway->network.audits);
    }
}

/* ---- what is expected ---- */

static int compare_marks(const void *a, const void *b)
{
    const struct audit_mark *x = a, *y = b;

    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static struct audit_mark *find_mark(const struct audit *audit, const struct flow *flow)
{
    const struct audit_mark key = {.hash = flow_hash(flow)};

    return flow->has_unknown || !audit->n_expected ?
               NULL :
               bsearch(&key, audit->expected, audit->n_expected, sizeof key, compare_marks);
}

static void expect(struct audit *audit, const struct flow_txn *txn)
{
    for (size_t i = 0; i < txn->n_mods; i++) {
        if (txn->mods[i].command != FLOW_ADD)
            continue;
        audit->expected = array_reserve(audit->expected, audit->n_expected, &audit->cap_expected,
                                        sizeof *audit->expected);
        audit->expected[audit->n_expected++] = (struct audit_mark) {flow_hash(&txn->mods[i].flow), false};
    }
}

/* The VM's flows on this ToR, in 'txn'. False if it has none. */
static bool expect_vm(const struct audit *audit, const struct tenant *tenant, uint32_t *port, struct flow_txn *txn)
{
    const struct switch_info *tor = network_tor(audit->gateway, tenant->server, port, NULL);
    const struct segment_state *segment = network_segment(audit->gateway, tenant->segment);

    return tor && segment && segment->flows.vlan && strcmp(tor->name, audit->tor) == 0 &&
           (!audit->of_vm || memcmp(tenant->uuid, audit->uuid, UUID_SIZE) == 0) &&
           network_add_tenant_tor(audit->gateway, tenant, tor, *port, txn, NULL) == 0;
}

static void want_meters(struct audit *audit, const struct flow_txn *txn, size_t vm)
{
    for (size_t i = 0; i < txn->n_meters_add; i++) {
        audit->wanted = array_reserve(audit->wanted, audit->n_wanted, &audit->cap_wanted, sizeof *audit->wanted);
        audit->wanted[audit->n_wanted++] = (struct audit_meter) {txn->meters_add[i], vm};
    }
}

static void expect_vms(struct audit *audit)
{
    const struct network *network = &audit->gateway->network;

    for (size_t i = 0; i < network->n_tenants; i++) {
        const struct tenant *tenant = &network->tenants[i];
        struct flow_txn txn = {0};
        uint32_t port;

        if (expect_vm(audit, tenant, &port, &txn)) {
            struct audit_vm vm = {.cookie = cookie_of_vm(tenant->uuid),
                                  .has_policy = tenant->has_policy,
                                  .packets = {port, network_segment(audit->gateway, tenant->segment)->flows.number,
                                              tenant->mac, tenant->ip}};

            memcpy(vm.uuid, tenant->uuid, UUID_SIZE);
            memcpy(vm.name, tenant->name, NAME_SIZE);
            audit->vms = array_reserve(audit->vms, audit->n_vms, &audit->cap_vms, sizeof vm);
            want_meters(audit, &txn, audit->n_vms);
            audit->vms[audit->n_vms++] = vm;
            expect(audit, &txn);
        }
        flow_txn_free(&txn);
    }
}

static int expect_all(struct audit *audit, const struct switch_info *tor, struct err *err)
{
    struct flow_txn base = {0};
    int status = network_expected_tor(audit->gateway, tor, &base, err);

    if (status == 0) {
        expect(audit, &base);
        for (size_t i = 0; i < base.n_mods; i++) {
            if (base.mods[i].command == FLOW_ADD)
                flow_list_add(&audit->base, flow_copy(&base.mods[i].flow));
        }
        expect_vms(audit);
        if (audit->n_expected)
            qsort(audit->expected, audit->n_expected, sizeof *audit->expected, compare_marks);
    }
    flow_txn_free(&base);
    return status;
}

/* ---- what is read ---- */

static bool is_ours(const struct flow *flow)
{
    return (flow->cookie & COOKIE_SCG_MASK) == COOKIE_SCG;
}

static enum cookie_kind kind_of(const struct flow *flow)
{
    return (enum cookie_kind)(flow->cookie >> 40 & 0xff);
}

static bool says_policy(const struct audit_vm *vm, const struct flow *flow)
{
    struct policy_site site = pipeline_policy_site(vm->cookie, &vm->packets.ip);

    return policy_flow_concerns(&site, flow);
}

/* Those that another VM's flows can take: packets from it go on to others. */
static enum proof_way ways_of(const struct flow *flow)
{
    return is_ours(flow) && kind_of(flow) == COOKIE_VM && flow->table >= TOR_POLICY_TO ? PROOF_TO_VM : PROOF_ALL;
}

/* What stateful rules have learned: it comes and goes, and lets nothing pass but replies. */
static bool is_learned(const struct flow *flow)
{
    return is_ours(flow) && kind_of(flow) == COOKIE_STATE &&
           (flow->table == TOR_STATE_FROM || flow->table == TOR_STATE_TO);
}

static bool keep_for_vm(const struct audit *audit, const struct flow *flow, bool expected)
{
    for (size_t i = 0; i < audit->n_vms; i++) {
        const struct audit_vm *vm = &audit->vms[i];

        if (is_ours(flow) && flow->cookie == vm->cookie)
            return true;
        if (expected ? says_policy(vm, flow) : proof_meets(&vm->packets, flow, ways_of(flow)))
            return true;
    }
    return false;
}

static bool keep(void *arg, const struct flow *flow)
{
    struct audit *audit = arg;
    struct audit_mark *mark = find_mark(audit, flow);

    if (is_learned(flow))
        return false;
    if (mark)
        mark->seen = true;
    if (audit->of_vm)
        return keep_for_vm(audit, flow, mark != NULL);
    if (mark)
        return false;
    if (is_ours(flow))
        return true;
    for (size_t i = 0; i < audit->n_vms; i++) {
        if (proof_meets(&audit->vms[i].packets, flow, PROOF_ALL))
            return true;
    }
    return false;
}

/* ---- what is found ---- */

/* Takes over the texts. */
static void add_finding(struct audit *audit, const char *vm, struct finding finding)
{
    audit->n_found++;
    if (audit->n_findings == AUDIT_FINDINGS_MAX) {
        free_finding(&finding);
        return;
    }
    if (vm)
        memcpy(finding.vm, vm, NAME_SIZE);
    audit->findings = array_reserve(audit->findings, audit->n_findings, &audit->cap_findings, sizeof finding);
    audit->findings[audit->n_findings++] = finding;
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

    flow_txn_add(&audit->repair, flow_copy(flow));
    for (size_t i = 0; i < held->n; i++) {
        if (!same_place(&held->flows[i], flow))
            continue;
        char *other = flow_format(&held->flows[i]);

        dealt[i] = true;
        add_finding(audit, vm,
                    (struct finding) {.kind = FINDING_CHANGED,
                                      .flow = other,
                                      .text = xasprintf("%s holds %s in place of %s", audit->tor, other, text)});
        return;
    }
    add_finding(audit, vm,
                (struct finding) {.kind = FINDING_MISSING,
                                  .flow = xstrdup(text),
                                  .text = xasprintf("%s does not hold %s", audit->tor, text)});
}

static void judge_expected(struct audit *audit, const struct flow_txn *txn, const char *vm,
                           const struct flow_list *held, bool *dealt)
{
    for (size_t i = 0; i < txn->n_mods; i++) {
        const struct audit_mark *mark;

        if (txn->mods[i].command != FLOW_ADD)
            continue;
        mark = find_mark(audit, &txn->mods[i].flow);
        if (mark && !mark->seen)
            judge_missing(audit, &txn->mods[i].flow, vm, held, dealt);
    }
}

static void judge_meter(struct audit *audit, const struct flow_meter *want, const char *vm)
{
    size_t m = 0;

    while (m < audit->n_meters && audit->meters[m].id != want->id)
        m++;
    if (m < audit->n_meters && flow_meter_equal(&audit->meters[m], want))
        return;
    flow_txn_meter_add(&audit->repair, *want);
    AUTO_FREE char *wanted = flow_meter_format(want);
    AUTO_FREE char *held = m < audit->n_meters ? flow_meter_format(&audit->meters[m]) : NULL;
    char *what = held ? xasprintf("meter %" PRIu32 " of %s lets %s pass in place of %s", want->id, audit->tor, held,
                                  wanted) :
                        xasprintf("%s has no meter %" PRIu32 " of %s", audit->tor, want->id, wanted);
    add_finding(audit, vm, (struct finding) {.kind = FINDING_METER, .text = what});
}

static const char *vm_of_cookie(const struct audit *audit, uint64_t cookie)
{
    for (size_t i = 0; i < audit->n_vms; i++) {
        if (audit->vms[i].cookie == cookie)
            return audit->vms[i].name;
    }
    return NULL;
}

/* Takes the flow away, if it is wholly understood: no other can be told to the switch. */
static void put_right(struct audit *audit, const struct flow *flow)
{
    if (!flow->has_unknown)
        flow_txn_delete_strict(&audit->repair, flow_copy(flow));
}

/* Flows of ours that nobody expects. Those of a VM that is not at this ToR are what is left of it, until they are
 * purged; in the way of others they are like anybody's. */
static void judge_added(struct audit *audit, const struct flow_list *held, bool *dealt)
{
    for (size_t i = 0; i < held->n; i++) {
        const struct flow *flow = &held->flows[i];

        if (dealt[i] || !is_ours(flow) || find_mark(audit, flow) ||
            ((audit->of_vm || kind_of(flow) == COOKIE_VM) && !vm_of_cookie(audit, flow->cookie)))
            continue;
        char *text = flow_format(flow);

        dealt[i] = true;
        add_finding(audit, vm_of_cookie(audit, flow->cookie),
                    (struct finding) {.kind = FINDING_ADDED,
                                      .flow = text,
                                      .text = xasprintf("%s holds a flow with a cookie of the gateway, but not of its "
                                                        "making: %s",
                                                        audit->tor, text)});
        put_right(audit, flow);
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

static void judge_foreign(struct audit *audit, const struct audit_vm *vm, const struct flow_list *ours,
                          const struct flow_list *held, bool *dealt)
{
    for (size_t i = 0; i < held->n; i++) {
        const struct flow *flow = &held->flows[i];
        char *packet = NULL;

        if (dealt[i] || !leads_to(ours, flow->table) || find_mark(audit, flow) ||
            (!vm->has_policy && says_policy(vm, flow)) ||
            !proof_takes(&vm->packets, flow, ways_of(flow), ours->flows, ours->n, &packet))
            continue;
        char *text = flow_format(flow);

        dealt[i] = true;
        add_finding(audit, vm->name,
                    (struct finding) {.kind = FINDING_FOREIGN,
                                      .flow = text,
                                      .packet = packet,
                                      .text = xasprintf("on %s a flow that is not the gateway's takes packets of VM "
                                                        "%s, such as %s: %s",
                                                        audit->tor, vm->name, packet, text)});
        put_right(audit, flow);
    }
}

/* A VM's own flows. */
static void judge_own(struct audit *audit, const struct audit_vm *vm, const struct flow_list *held, bool *dealt)
{
    const struct tenant *tenant = network_tenant(audit->gateway, vm->uuid);
    struct flow_txn txn = {0};
    uint32_t port;

    if (tenant && expect_vm(audit, tenant, &port, &txn))
        judge_expected(audit, &txn, vm->name, held, dealt);
    flow_txn_free(&txn);
}

static bool all_came(const struct audit *audit)
{
    for (size_t i = 0; i < audit->n_expected; i++) {
        if (!audit->expected[i].seen)
            return false;
    }
    return true;
}

/* What is in its way. */
static void judge_others(struct audit *audit, const struct audit_vm *vm, const struct flow_list *held, bool *dealt)
{
    const struct tenant *tenant = network_tenant(audit->gateway, vm->uuid);
    struct flow_list ours = {0}; /* borrows flows */
    struct flow_txn txn = {0};
    uint32_t port;

    if (tenant && expect_vm(audit, tenant, &port, &txn)) {
        ours.flows = xcalloc(audit->base.n + txn.n_mods, sizeof *ours.flows);
        for (size_t i = 0; i < audit->base.n; i++)
            ours.flows[ours.n++] = audit->base.flows[i];
        for (size_t i = 0; i < txn.n_mods; i++) {
            if (txn.mods[i].command == FLOW_ADD)
                ours.flows[ours.n++] = txn.mods[i].flow;
        }
        judge_foreign(audit, vm, &ours, held, dealt);
        free(ours.flows);
    }
    flow_txn_free(&txn);
}

static void judge_base(struct audit *audit, const struct flow_list *held, bool *dealt)
{
    for (size_t i = 0; i < audit->base.n; i++) {
        const struct audit_mark *mark = find_mark(audit, &audit->base.flows[i]);

        if (mark && !mark->seen)
            judge_missing(audit, &audit->base.flows[i], NULL, held, dealt);
    }
}

static void judge(struct audit *audit, const struct event *event)
{
    const struct flow_list *held = &event->read.flows;
    AUTO_FREE bool *dealt = xcalloc(held->n + 1, sizeof *dealt);

    audit->meters = event->read.meters;
    audit->n_meters = event->read.n_meters;
    audit->queues = event->read.queues;
    audit->n_queues = event->read.n_queues;
    for (size_t i = 0; i < held->n; i++) {
        const struct flow *flow = &held->flows[i];

        if (audit->of_vm && audit->n_vms && says_policy(&audit->vms[0], flow))
            flow_list_add(&audit->policy_flows, flow_copy(flow));
    }
    for (size_t i = 0; i < audit->n_wanted; i++)
        judge_meter(audit, &audit->wanted[i].meter, audit->vms[audit->wanted[i].vm].name);
    /* To find out whose flow is missing, all have to be made anew. */
    bool complete = all_came(audit);
    if (!complete)
        judge_base(audit, held, dealt);
    for (size_t i = 0; i < audit->n_vms && !complete; i++)
        judge_own(audit, &audit->vms[i], held, dealt);
    judge_added(audit, held, dealt);
    for (size_t i = 0; i < audit->n_vms && held->n; i++)
        judge_others(audit, &audit->vms[i], held, dealt);
}

/* ---- reading ---- */

static void start(struct audit *audit, struct join *join);

static void audit_done(struct audit *audit, struct join *join, const struct err *err)
{
    audit->done(audit->gateway, join, audit, err, audit->context);
    audit_end(audit);
}

static void came(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    AUTO_FREE struct audit **pointer = context;
    struct audit *audit = *pointer;
    struct err err = event->err;

    if (err.code == 0) {
        audit->settled = !audit->was_busy && network_settled(gateway, audit->tor) &&
                         network_activity(gateway, audit->tor)->changes == audit->changes;
        judge(audit, event);
        if (audit->n_found && !audit->settled && ++audit->tries < TRIES_MAX) {
            start(audit, join);
            return;
        }
    }
    audit_done(audit, join, err.code ? &err : NULL);
}

static void start(struct audit *audit, struct join *join)
{
    struct gateway *gateway = audit->gateway;
    const struct switch_info *tor = inventory_switch(&gateway->inventory, audit->tor);
    struct audit again = {.next = audit->next,
                          .gateway = gateway,
                          .of_vm = audit->of_vm,
                          .tries = audit->tries,
                          .done = audit->done,
                          .context = audit->context};
    struct err err = {0};

    memcpy(again.tor, audit->tor, NAME_SIZE);
    memcpy(again.uuid, audit->uuid, UUID_SIZE);
    audit_clear(audit);
    *audit = again;
    if (!tor || expect_all(audit, tor, &err) < 0) {
        if (!tor)
            err_set(&err, ERR_NOT_FOUND, "switch %s is not known any more", audit->tor);
        audit_done(audit, join, &err);
        return;
    }
    audit->changes = network_activity(gateway, audit->tor)->changes;
    audit->was_busy = !network_settled(gateway, audit->tor);

    const struct switch_query query = {FLOW_TABLE_ALL, 0, 0, keep, audit};
    uint64_t request = gateway_request(gateway, join, came, xmemdup(&audit, sizeof audit));
    gateway->south.switches->ops->read(gateway->south.switches, request, audit->tor, &query);
}

void audit_tor(struct gateway *gateway, const struct switch_info *tor, const uint8_t *uuid, struct join *join,
               audit_fn *done, void *context)
{
    struct audit *audit = xcalloc(1, sizeof *audit);

    audit->next = gateway->network.audits;
    gateway->network.audits = audit;
    audit->gateway = gateway;
    audit->of_vm = uuid != NULL;
    if (uuid)
        memcpy(audit->uuid, uuid, UUID_SIZE);
    memcpy(audit->tor, tor->name, NAME_SIZE);
    audit->done = done;
    audit->context = context;
    start(audit, join);
}
