/* SPDX-License-Identifier: Apache-2.0 */
#include "scgd/audit_internal.h"

#include <string.h>

#include "base/alloc.h"
#include "core/probe.h"
#include "core/vpls.h"
#include "scgd/bookings.h"
#include "scgd/network_internal.h"

#define TRIES_MAX 5
#define REST_MS 100 /* after the first try; after each further one twice as much */
#define TURN_MS 50  /* how often one that waits for another looks */

const char *finding_kind_name(enum finding_kind kind)
{
    static const char *const names[FINDINGS] = {"missing", "changed", "added", "foreign", "meter", "queue"};

    return names[kind];
}

static void audit_clear(struct audit *audit)
{
    for (size_t i = 0; i < audit->n_findings; i++)
        audit_free_finding(&audit->findings[i]);
    free(audit->findings);
    free(audit->counts);
    free(audit->expected);
    free(audit->wanted);
    free(audit->vms);
    free(audit->own.flows);
    free(audit->traffic);
    free(audit->too_many);
    free(audit->wanted_queues);
    flow_list_free(&audit->base);
    flow_list_free(&audit->policy_flows);
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
    for (struct audit *audit; (audit = gateway->network.audits);) {
        if (audit->waiter)
            join_drop(audit->waiter);
        free(audit->context);
        audit_end(audit);
    }
}

/* ---- what is expected ---- */

static int compare_marks(const void *a, const void *b)
{
    const struct audit_mark *x = a, *y = b;

    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

struct audit_mark *audit_mark(const struct audit *audit, const struct flow *flow)
{
    const struct audit_mark key = {.hash = flow_hash(flow)};

    return flow->has_unknown || !audit->n_expected ?
               NULL :
               bsearch(&key, audit->expected, audit->n_expected, sizeof key, compare_marks);
}

bool audit_is_undecided(const struct audit *audit, const struct flow *flow)
{
    const struct gateway *gateway = audit->gateway;

    if (audit->is_tor || !audit_is_ours(flow))
        return false;
    for (unsigned i = 0; i < gateway->config->segments_count; i++) {
        const struct segment_state *segment = &gateway->network.segments[i];

        if (segment->flows.cookie == flow->cookie)
            return segment->flows.vlan && !segment->on_pe;
    }
    return false;
}

static void expect(struct audit *audit, const struct flow_txn *txn)
{
    for (size_t i = 0; i < txn->n_mods; i++) {
        if (txn->mods[i].command != FLOW_ADD || audit_is_undecided(audit, &txn->mods[i].flow))
            continue;
        audit->expected = array_reserve(audit->expected, audit->n_expected, &audit->cap_expected,
                                        sizeof *audit->expected);
        audit->expected[audit->n_expected++] = (struct audit_mark) {flow_hash(&txn->mods[i].flow), false};
    }
}

bool audit_expect_vm(const struct audit *audit, const struct tenant *tenant, uint32_t *port, struct flow_txn *txn)
{
    const struct switch_info *tor = network_tor(audit->gateway, tenant->server, port, NULL);
    const struct segment_state *segment = network_segment(audit->gateway, tenant->segment);

    return tor && !tenant->left_out && segment && segment->flows.vlan && strcmp(tor->name, audit->switch_name) == 0 &&
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

        if (audit_expect_vm(audit, tenant, &port, &txn)) {
            struct audit_vm vm = {.cookie = cookie_of_vm(tenant->uuid),
                                  .has_policy = tenant->has_policy,
                                  .packets = {.port = port,
                                              .segment = network_segment(audit->gateway, tenant->segment)->flows.number,
                                              .mac = tenant->mac,
                                              .ip = tenant->ip,
                                              .ip6 = tenant->ip6}};

            for (unsigned d = 0; d < 2 && tenant->has_policy; d++)
                vm.packets.n_ethertypes[d] = (uint8_t) policy_ethertypes(&tenant->policy, d, vm.packets.ethertypes[d]);

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

#define COOKIE_ID_MASK (~COOKIE_KIND_MASK)

static int compare_counts(const void *a, const void *b)
{
    const struct connection_count *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

static void begin_counts(struct audit *audit)
{
    audit->n_counts = audit->n_vms;
    audit->counts = xcalloc(audit->n_vms + 1, sizeof *audit->counts);
    for (size_t i = 0; i < audit->n_vms; i++)
        audit->counts[i].id = audit->vms[i].cookie & COOKIE_ID_MASK;
    qsort(audit->counts, audit->n_counts, sizeof *audit->counts, compare_counts);
}

static struct connection_count *find_count(const struct audit *audit, uint64_t cookie)
{
    const struct connection_count key = {.id = cookie & COOKIE_ID_MASK};

    return bsearch(&key, audit->counts, audit->n_counts, sizeof key, compare_counts);
}

/* Where no flow is a VM's, what is ours is all in 'base'. */
static bool is_vms_table(const struct audit *audit, uint8_t table)
{
    return audit->is_tor && table != TOR_CLASSIFY && table != TOR_VLAN && table != TOR_RETURN && table != TOR_FABRIC &&
           (table < VPLS_LABEL || table > VPLS_DELIVER);
}

static void expect_traffic(struct audit *audit)
{
    const struct gateway *gateway = audit->gateway;

    audit->traffic = xcalloc(gateway->config->segments_count + 1, sizeof *audit->traffic);
    for (unsigned i = 0; i < gateway->config->segments_count; i++) {
        const struct segment_state *segment = &gateway->network.segments[i];

        if (network_segment_open(segment))
            match_u(&audit->traffic[audit->n_traffic++], FIELD_VLAN_VID, VLAN_PRESENT | segment->flows.vlan);
    }
}

static void expect_base(struct audit *audit, const struct flow_txn *base)
{
    expect(audit, base);
    for (size_t i = 0; i < base->n_mods; i++) {
        if (base->mods[i].command == FLOW_ADD && !audit_is_undecided(audit, &base->mods[i].flow))
            flow_list_add(&audit->base, flow_copy(&base->mods[i].flow));
    }
    audit->own.flows = xcalloc(audit->base.n + 1, sizeof *audit->own.flows);
    for (size_t i = 0; i < audit->base.n; i++) {
        if (!is_vms_table(audit, audit->base.flows[i].table))
            audit->own.flows[audit->own.n++] = audit->base.flows[i];
    }
    expect_traffic(audit);
}

static int expect_all(struct audit *audit, const struct switch_info *sw, struct err *err)
{
    struct flow_txn base = {0};
    int status = network_expected_base(audit->gateway, sw, &base, err);

    audit->is_tor = network_switch_role(audit->gateway, sw) == SWITCH_ROLE_TOR;
    if (status == 0) {
        expect_base(audit, &base);
        if (audit->is_tor) {
            expect_vms(audit);
            audit->wanted_queues = bookings_queues(audit->gateway, sw, &audit->n_wanted_queues);
        }
        begin_counts(audit);
        if (audit->n_expected)
            qsort(audit->expected, audit->n_expected, sizeof *audit->expected, compare_marks);
    }
    flow_txn_free(&base);
    return status;
}

struct proof_base audit_base(const struct audit *audit)
{
    return (struct proof_base) {audit->own.flows, audit->own.n, audit->traffic, audit->n_traffic};
}

/* ---- what is read ---- */

bool audit_is_ours(const struct flow *flow)
{
    return (flow->cookie & COOKIE_SCG_MASK) == COOKIE_SCG;
}

enum cookie_kind audit_kind_of(const struct flow *flow)
{
    return (enum cookie_kind)(flow->cookie >> 40 & 0xff);
}

bool audit_says_policy(const struct audit_vm *vm, const struct flow *flow)
{
    struct policy_site sites[PIPELINE_SITES_MAX];
    unsigned n = pipeline_policy_sites(vm->cookie, &vm->packets.mac, &vm->packets.ip, &vm->packets.ip6, sites);

    for (unsigned i = 0; i < n; i++) {
        if (policy_flow_concerns(&sites[i], flow))
            return true;
    }
    return false;
}

/* Those that another VM's flows can take: packets from it go on to others. */
enum proof_way audit_ways_of(const struct flow *flow)
{
    return audit_is_ours(flow) && audit_kind_of(flow) == COOKIE_VM && flow->table >= TOR_POLICY_TO ? PROOF_TO_VM :
                                                                                                     PROOF_ALL;
}

static void count_learned(const struct audit *audit, const struct flow *flow)
{
    struct connection_count *count = find_count(audit, flow->cookie);
    enum policy_direction replies = flow->table == TOR_STATE_TO ? POLICY_TO_VM : POLICY_FROM_VM;

    if (count && audit_kind_of(flow) == COOKIE_HALF_OPEN)
        count->known.half_open[replies]++;
    else if (count)
        count->known.whole[replies]++;
}

static void tell_counts(const struct audit *audit)
{
    for (size_t i = 0; i < audit->n_vms; i++) {
        struct tenant *tenant = network_tenant(audit->gateway, audit->vms[i].uuid);

        if (tenant)
            connections_counted(tenant, &find_count(audit, audit->vms[i].cookie)->known);
    }
}

static bool keep_for_vm(const struct audit *audit, const struct flow *flow, bool expected)
{
    for (size_t i = 0; i < audit->n_vms; i++) {
        const struct audit_vm *vm = &audit->vms[i];

        if (audit_is_ours(flow) && flow->cookie == vm->cookie)
            return true;
        if (expected ? audit_says_policy(vm, flow) : proof_meets(&vm->packets, flow, audit_ways_of(flow)))
            return true;
    }
    return false;
}

/* Whether an unexpected flow may be a finding. */
static bool is_suspicious(const struct audit *audit, const struct flow *flow)
{
    struct proof_base base = audit_base(audit);

    if (audit_is_ours(flow))
        return true;
    for (size_t i = 0; i < audit->n_vms; i++) {
        if (proof_meets(&audit->vms[i].packets, flow, PROOF_ALL))
            return true;
    }
    return !is_vms_table(audit, flow->table) && proof_base_meets(&base, flow);
}

static bool keep(void *arg, const struct flow *flow)
{
    struct audit *audit = arg;
    struct audit_mark *mark = audit_mark(audit, flow);

    /* It comes and goes, and lets nothing pass but replies. What only has its cookie is as unexpected as any. */
    if (connections_is_learned(flow)) {
        count_learned(audit, flow);
        return false;
    }
    if (probe_is_divert(flow))
        return false;
    if (mark)
        mark->seen = true;
    if (mark || !(audit->of_vm ? keep_for_vm(audit, flow, false) : is_suspicious(audit, flow)))
        return mark && audit->of_vm && keep_for_vm(audit, flow, true);
    if (audit->n_held++ < AUDIT_HELD_MAX)
        return true;
    if (!audit->too_many)
        audit->too_many = flow_format(flow);
    return false;
}

/* ---- reading ---- */

static void start(struct audit *audit, struct join *join);

static void audit_done(struct audit *audit, struct join *join, const struct err *err)
{
    audit->done(audit->gateway, join, audit, err, audit->context);
    audit_end(audit);
}

static void rest(struct audit *audit, struct join *join, int64_t ms)
{
    audit->again = mono_add(audit->gateway->now, ms);
    audit->waiter = join;
    join->open++;
}

/* Somebody reads all of the switch for its own purpose. */
static bool must_wait(const struct audit *audit)
{
    for (const struct audit *other = audit->gateway->network.audits; other; other = other->next) {
        if (other != audit && !audit->of_vm && !other->of_vm && !other->waiter &&
            strcmp(other->switch_name, audit->switch_name) == 0)
            return true;
    }
    return false;
}

void audits_tick(struct gateway *gateway)
{
    struct audit *audit = gateway->network.audits;

    while (audit) {
        struct join *join = audit->waiter;

        if (!join || !mono_reached(audit->again, gateway->now)) {
            audit = audit->next;
            continue;
        }
        audit->waiter = NULL;
        start(audit, join);
        join_close(gateway, join);
        audit = gateway->network.audits; /* it may have ended, and others with it */
    }
}

struct mono audits_deadline(const struct gateway *gateway)
{
    struct mono deadline = MONO_NEVER;

    for (const struct audit *audit = gateway->network.audits; audit; audit = audit->next) {
        if (audit->waiter)
            deadline = mono_min(deadline, audit->again);
    }
    return deadline;
}

static void came(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    AUTO_FREE struct audit **pointer = context;
    struct audit *audit = *pointer;
    struct err err = event->err;

    if (err.code == 0) {
        audit->settled = !audit->was_busy && network_settled(gateway, audit->switch_name) &&
                         network_activity(gateway, audit->switch_name)->changes == audit->changes;
        audit_judge(audit, event);
        tell_counts(audit);
        if (audit->n_found && !audit->settled && ++audit->tries < TRIES_MAX) {
            rest(audit, join, REST_MS << (audit->tries - 1));
            return;
        }
    }
    audit_done(audit, join, err.code ? &err : NULL);
}

static void start(struct audit *audit, struct join *join)
{
    struct gateway *gateway = audit->gateway;
    const struct switch_info *tor = inventory_switch(&gateway->inventory, audit->switch_name);
    struct audit again = {.next = audit->next,
                          .gateway = gateway,
                          .of_vm = audit->of_vm,
                          .tries = audit->tries,
                          .steps = PROOF_STEPS_MAX,
                          .began = gateway->now,
                          .done = audit->done,
                          .context = audit->context};
    struct err err = {0};

    if (must_wait(audit)) {
        rest(audit, join, TURN_MS);
        return;
    }
    memcpy(again.switch_name, audit->switch_name, NAME_SIZE);
    memcpy(again.uuid, audit->uuid, UUID_SIZE);
    audit_clear(audit);
    *audit = again;
    if (!tor || expect_all(audit, tor, &err) < 0) {
        if (!tor)
            err_set(&err, ERR_NOT_FOUND, "switch %s is not known any more", audit->switch_name);
        audit_done(audit, join, &err);
        return;
    }
    audit->changes = network_activity(gateway, audit->switch_name)->changes;
    audit->was_busy = !network_settled(gateway, audit->switch_name);

    const struct switch_query query = {FLOW_TABLE_ALL, 0, 0, keep, audit};
    uint64_t request = gateway_request(gateway, join, came, xmemdup(&audit, sizeof audit));
    gateway->south.switches->ops->read(gateway->south.switches, request, audit->switch_name, &query);
}

void audit_switch(struct gateway *gateway, const struct switch_info *sw, const uint8_t *uuid, struct join *join,
                  audit_fn *done, void *context)
{
    struct audit *audit = xcalloc(1, sizeof *audit);

    audit->next = gateway->network.audits;
    gateway->network.audits = audit;
    audit->gateway = gateway;
    audit->of_vm = uuid != NULL;
    if (uuid)
        memcpy(audit->uuid, uuid, UUID_SIZE);
    memcpy(audit->switch_name, sw->name, NAME_SIZE);
    audit->done = done;
    audit->context = context;
    start(audit, join);
}
