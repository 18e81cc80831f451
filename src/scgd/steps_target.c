/* SPDX-License-Identifier: Apache-2.0 */
/* The target's steps. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/audit.h"
#include "scgd/probing.h"
#include "scgd/steps_internal.h"

struct tenant tenant_of_order(const struct order *order, unsigned v)
{
    const struct migration_vm *vm = &order->vms[v];
    struct tenant tenant = {.mac = vm->nics[0].mac,
                            .ip = vm->nics[0].ip,
                            .ip6 = vm->nics[0].ip6,
                            .has_policy = vm->has_policy,
                            .policy = vm->policy};

    memcpy(tenant.uuid, vm->uuid, UUID_SIZE);
    memcpy(tenant.name, vm->name, NAME_SIZE);
    memcpy(tenant.server, order->role == ROLE_TARGET ? order->target_server : vm->server, NAME_SIZE);
    memcpy(tenant.segment, vm->segment, NAME_SIZE);
    return tenant;
}

/* ---- admit ---- */

static int admit(struct gateway *gateway, struct migration *migration, struct err *err)
{
    struct order *order = &migration->saga->order;
    const struct config_server *server = gateway_server_config(gateway, order->target_server);
    int status = admission_check(gateway, order, migration, err);

    for (unsigned v = 0; v < order->n_vms && status == 0; v++)
        status = network_allocate(gateway, order->vms[v].segment, err);
    if (status)
        return status;
    snprintf(order->target_uri, sizeof order->target_uri, "%s", server->migration_uri);
    snprintf(order->target_address, sizeof order->target_address, "%s", server->migration_address);
    return 0;
}

/* ---- verify ---- */

/* Read as a policy, the flows of the ToR are the policy that was asked for. */
static void prove_policy(const struct gateway *gateway, const struct migration_vm *vm, const struct audit *audit,
                         struct err *err)
{
    const struct tenant *tenant = network_tenant(gateway, vm->uuid);
    struct policy_site sites[PIPELINE_SITES_MAX];
    unsigned n = pipeline_policy_sites(cookie_of_vm(vm->uuid), &vm->nics[0].mac, &vm->nics[0].ip, &vm->nics[0].ip6,
                                       sites);
    struct policy held = {0};
    AUTO_FREE char *witness = NULL;

    for (unsigned i = 0; i < n; i++) {
        sites[i].queues = audit->queues;
        sites[i].n_queues = audit->n_queues;
        if (tenant)
            network_tor_seen(gateway, tenant->server, &sites[i].server_port);
    }
    if (policy_from_sites(audit->policy_flows.flows, audit->policy_flows.n, audit->meters, audit->n_meters, sites, n,
                          true, vm->name, &held, err) < 0)
        return;
    if (!policy_equivalent_in(&vm->policy, &held, n > 1 ? IP_NONE : IP_V4, &witness))
        err_set(err, ERR_REFUSED, "%s enforces another policy (the second) than that of VM %s (the first): %s",
                audit->switch_name, vm->name, witness);
    policy_free(&held);
}

/* Nothing is in the way of the VM's packets but what shall be there, and all of that is there. */
static void prove_flows(const struct migration_vm *vm, const struct audit *audit, struct err *err)
{
    struct err policy = *err;

    for (size_t i = 0; i < audit->n_findings; i++) {
        const struct finding *finding = &audit->findings[i];

        /* Of what belongs to all VMs: while the switch is being changed, what is read may be what was there before. */
        if (!finding->vm[0] && !audit->settled)
            continue;
        if (policy.code == ERR_REFUSED && finding->flow)
            err_set(err, ERR_REFUSED, "%.300s, by %.200s", policy.text, finding->flow);
        else
            err_set(err, ERR_REFUSED, "VM %s is not safe there: %s", vm->name, finding->text);
        return;
    }
}

static void probed(struct gateway *gateway, struct join *join, const struct probing_report *report,
                   const struct err *err)
{
    AUTO_FREE char *left = report->left ? xasprintf(", %zu of which rate limits held back", report->left) : xstrdup("");
    (void) gateway;

    if (err && err->code == ERR_TOO_LARGE)
        log_warn(FAULT_OPERATOR, step_vm(join->migration, join->step)->name, "no probe packets: %s", err->text);
    else if (err)
        join_fail(join, err);
    else
        step_join_note(join, xasprintf("%s, %zu probe packets%s, in %" PRId64 " ms", (char *) join->context,
                                       report->sent, left, report->ms));
}

static void verified(struct gateway *gateway, struct join *join, struct audit *audit, const struct err *error,
                     void *context)
{
    const struct tenant *tenant;
    const struct migration_vm *vm = step_vm(join->migration, join->step);
    struct err err = error ? *error : (struct err) {0};
    (void) context;

    if (!error && audit->n_vms == 0) {
        err_set(&err, ERR_UNKNOWN, "%s is not the ToR of VM %s any more", audit->switch_name, vm->name);
    } else if (!error) {
        prove_policy(gateway, vm, audit, &err);
        prove_flows(vm, audit, &err);
    }
    if (err.code) {
        join_fail(join, &err);
        return;
    }
    step_join_note(join, xasprintf("proved %zu flows", audit->n_expected));
    tenant = network_tenant(gateway, vm->uuid);
    if (tenant && tenant->has_policy)
        probing_start(gateway, inventory_switch(&gateway->inventory, audit->switch_name), tenant, join, probed);
}

static void verify(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial)
{
    struct join *join = step_join(migration, step, serial, false);
    struct err err = {0};
    uint32_t port;
    const struct switch_info *tor = network_tor(gateway, migration->saga->order.target_server, &port, &err);

    if (tor)
        audit_switch(gateway, tor, step_vm(migration, step)->uuid, join, verified, NULL);
    else
        join_fail(join, &err);
    join_close(gateway, join);
}

/* ---- arrival ---- */

static void located(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    enum vm_place place = event->err.code ? PLACE_UNKNOWN : event->location;
    (void) context;

    step_outcome(gateway, join->migration, join->step, join->serial,
                 place == PLACE_RUNNING || place == PLACE_MOVING ? SAGA_STEP_PRESENT :
                 place == PLACE_ABSENT                           ? SAGA_STEP_ABSENT :
                                                                   SAGA_STEP_BUSY,
                 NULL);
}

static void locate(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial)
{
    struct join *join = join_new(NULL);

    join->migration = migration;
    join->step = step;
    join->serial = serial;
    uint64_t request = gateway_request(gateway, join, located, NULL);
    gateway->south.hypervisors->ops->locate(gateway->south.hypervisors, request, migration->saga->order.target_server,
                                            step_vm(migration, step)->uuid);
    join_close(gateway, join);
}

/* ---- activate ---- */

static void activate(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial)
{
    const struct migration_vm *vm = step_vm(migration, step);
    struct store_location location = {.generation = vm->generation};
    struct join *join = step_join(migration, step, serial, false);
    json_t *json = policy_to_json(&vm->policy);
    AUTO_FREE char *text = json_dumps(json, JSON_COMPACT);
    struct err err = {0};

    json_decref(json);
    memcpy(location.uuid, vm->uuid, UUID_SIZE);
    memcpy(location.vm, vm->name, NAME_SIZE);
    name_copy(location.dc, gateway->config->dc);
    if (store_location_put(gateway->store, &location, &err) < 0 ||
        store_policy_put(gateway->store, vm->name, text, &err) < 0 ||
        users_vm_arrived(gateway, migration->saga->order.users, migration->saga->order.n_users, vm->name, &err) < 0)
        join_fail(join, &err);
    else
        network_set_present(gateway, vm->uuid, true, join);
    join_close(gateway, join);
}

/* ---- the three verbs ---- */

static void open_segments(struct gateway *gateway, const struct order *order, struct join *join)
{
    for (unsigned v = 0; v < order->n_vms; v++)
        network_open_segment(gateway, order->vms[v].segment, order->target_server, join);
    join_close(gateway, join);
}

/* A circuit for each user on a transport network; 'join' is closed. */
static void open_circuits(struct gateway *gateway, const struct order *order, struct join *join)
{
    for (unsigned u = 0; u < order->n_users; u++) {
        struct circuit like;
        struct err err = {0};

        if (user_plan_circuit(gateway, &order->users[u], &like, &err) < 0)
            join_fail(join, &err);
        else
            circuit_open(gateway, &like, join);
    }
    join_close(gateway, join);
}

static void install(struct gateway *gateway, struct migration *migration, unsigned step, struct join *join)
{
    struct tenant like = tenant_of_order(&migration->saga->order, (unsigned) migration->saga->steps[step].vm);

    network_set_tenant(gateway, &like);
    network_install(gateway, like.uuid, join);
    join_close(gateway, join);
}

void target_apply(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial)
{
    struct err err = {0};

    switch (migration->saga->steps[step].kind) {
    case STEP_ADMIT:
        if (admit(gateway, migration, &err) < 0)
            step_outcome(gateway, migration, step, serial, SAGA_STEP_FAILED, &err);
        else
            step_outcome(gateway, migration, step, serial, SAGA_STEP_OK, NULL);
        break;
    case STEP_POLICY_INSTALL:
        install(gateway, migration, step, step_join(migration, step, serial, false));
        break;
    case STEP_SEGMENT_OPEN:
        open_segments(gateway, &migration->saga->order, step_join(migration, step, serial, false));
        break;
    case STEP_CIRCUIT_OPEN:
        open_circuits(gateway, &migration->saga->order, step_join(migration, step, serial, false));
        break;
    case STEP_TARGET_CHANNEL_OPEN:
        open_channels(gateway, migration, step_join(migration, step, serial, false));
        break;
    case STEP_VERIFY:
        verify(gateway, migration, step, serial);
        break;
    case STEP_ACTIVATE:
        activate(gateway, migration, step, serial);
        break;
    case STEP_TARGET_CHANNEL_CLOSE: {
        struct join *join = step_join(migration, step, serial, false);

        network_close_segments(gateway, join); /* of VMs that stayed at the source */
        close_circuits(gateway, &migration->saga->order, join);
        close_channels(gateway, migration, join);
        break;
    }
    default:
        break;
    }
}

void target_confirm(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial)
{
    if (migration->saga->steps[step].kind == STEP_ARRIVAL)
        locate(gateway, migration, step, serial);
    else
        /* Doing it again finds out, and costs no more than asking. */
        step_outcome(gateway, migration, step, serial, SAGA_STEP_ABSENT, NULL);
}

void target_undo(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial)
{
    struct join *join = step_join(migration, step, serial, true);

    switch (migration->saga->steps[step].kind) {
    case STEP_ADMIT:
        /* Of what was admitted only VLANs are held; memory is counted from open orders, meters go with their flows. */
        network_close_segments(gateway, join);
        break;
    case STEP_POLICY_INSTALL: {
        struct tenant like = tenant_of_order(&migration->saga->order, (unsigned) migration->saga->steps[step].vm);

        network_remove(gateway, &like, false, join);
        break;
    }
    case STEP_CIRCUIT_OPEN:
        close_circuits(gateway, &migration->saga->order, join);
        break;
    case STEP_TARGET_CHANNEL_OPEN:
        close_channels(gateway, migration, join);
        return;
    default:
        break;
    }
    join_close(gateway, join);
}
