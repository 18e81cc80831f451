/* SPDX-License-Identifier: Apache-2.0 */
/* The source's steps from the pivot on: the transfer of a VM, and what follows it. */
#include <string.h>

#include "base/log.h"
#include "scgd/steps_internal.h"

#define TELL_TRIES 5 /* to bring a VM's connections to the target before it is activated there */
#define MISSED_MAX 5 /* libvirt tells domains that come and go with some delay */

/* ---- transfer ---- */

static void transfer_ended(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    struct migration *migration = join->migration;
    int vm = migration->saga->steps[join->step].vm;
    (void) context;

    migration->vms[vm].request = 0;
    migration->vms[vm].ended_ms = gateway->unix_ms(gateway->unix_ms_arg);
    source_outcome(gateway, join, event->err.code ? SAGA_STEP_FAILED : SAGA_STEP_OK, &event->err);
}

/* What one VM's stream may take. A circuit polices: a stream that is sent faster than it loses packets, and the frames
 * on the circuit are some percent longer than what QEMU counts. */
static uint64_t stream_mbps(const struct gateway *gateway, const struct order *order)
{
    const struct circuit *circuit = circuit_find(gateway, order->channel);
    uint32_t streams = order->n_vms < gateway->config->limits.transfers ? order->n_vms :
                                                                          gateway->config->limits.transfers;
    uint64_t mbps = order->bandwidth_mbps;

    if (mbps == 0 && circuit)
        mbps = circuit->want.bandwidth_bps / 1000000;
    mbps = (circuit ? mbps * 95 / 100 : mbps) / streams;
    return mbps || (!order->bandwidth_mbps && !circuit) ? mbps : 1;
}

void source_transfer(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial)
{
    const struct order *order = step_order(migration);
    const struct migration_vm *vm = step_vm(migration, step);
    int index = migration->saga->steps[step].vm;
    struct hypervisor_transfer transfer = {.bandwidth_mbps = stream_mbps(gateway, order)};
    struct join *join = join_new(NULL);

    join->migration = migration;
    join->step = step;
    join->serial = serial;
    memcpy(transfer.vm, vm->name, NAME_SIZE);
    memcpy(transfer.uuid, vm->uuid, UUID_SIZE);
    memcpy(transfer.server, vm->server, NAME_SIZE);
    memcpy(transfer.target_uri, order->target_uri, sizeof transfer.target_uri);
    memcpy(transfer.target_address, order->target_address, sizeof transfer.target_address);
    migration->vms[index].began_ms = gateway->unix_ms(gateway->unix_ms_arg);
    migration->vms[index].request = gateway_request(gateway, join, transfer_ended, NULL);
    gateway->south.hypervisors->ops->transfer(gateway->south.hypervisors, migration->vms[index].request, &transfer);
    join_close(gateway, join);
}

void source_abort_transfer(struct gateway *gateway, struct migration *migration, unsigned step)
{
    const struct migration_vm *vm = step_vm(migration, step);
    struct join *join = network_background_join();
    uint64_t request = gateway_request(gateway, join, NULL, NULL);

    gateway->south.hypervisors->ops->abort(gateway->south.hypervisors, request, vm->server, vm->uuid);
    join_close(gateway, join);
}

/* The source's hypervisor does not say that the VM runs there: what does the target's say? */
static void judge_target(struct gateway *gateway, struct join *join, const struct event *event, bool source_has_none)
{
    const struct migration_vm *vm = step_vm(join->migration, join->step);
    const struct peer_vm_status *there = NULL;
    unsigned *missed = &join->migration->vms[join->migration->saga->steps[join->step].vm].missed;
    struct peer_status status;
    struct err err = {0};

    if (source_read_status(event, &status, &err) == 0)
        there = source_status_of_vm(&status, vm->name);
    if (there && (there->place == PLACE_RUNNING || there->place == PLACE_PAUSED || there->fate == FATE_CROSSED)) {
        source_outcome(gateway, join, SAGA_STEP_PRESENT, NULL);
    } else if (there && there->place == PLACE_ABSENT && source_has_none && ++*missed >= MISSED_MAX) {
        err_set(&err, ERR_CONFLICT, "VM %s was shut off while it moved; it runs at neither side", vm->name);
        source_outcome(gateway, join, SAGA_STEP_ABSENT, &err);
    } else {
        if (there && there->place != PLACE_ABSENT)
            *missed = 0;
        source_outcome(gateway, join, SAGA_STEP_BUSY, NULL);
    }
}

static void target_asked(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    (void) context;
    judge_target(gateway, join, event, false);
}

static void target_asked_last(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    (void) context;
    judge_target(gateway, join, event, true);
}

static void source_located(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    (void) context;
    switch (event->err.code ? PLACE_UNKNOWN : event->location) {
    case PLACE_RUNNING:
        source_outcome(gateway, join, SAGA_STEP_ABSENT, NULL);
        break;
    case PLACE_MOVING:
    case PLACE_INCOMING:
        source_outcome(gateway, join, SAGA_STEP_BUSY, NULL);
        break;
    case PLACE_UNKNOWN:
    case PLACE_ABSENT:
    case PLACE_PAUSED:
        source_call_peer(gateway, join->migration, join->step, join->serial, PEER_STATUS, NULL, PEER_QUICK_MS,
                         event->err.code == 0 && event->location == PLACE_ABSENT ? target_asked_last : target_asked);
        break;
    }
}

void source_locate(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial)
{
    const struct migration_vm *vm = step_vm(migration, step);
    struct join *join = join_new(NULL);

    join->migration = migration;
    join->step = step;
    join->serial = serial;
    uint64_t request = gateway_request(gateway, join, source_located, NULL);
    gateway->south.hypervisors->ops->locate(gateway->south.hypervisors, request, vm->server, vm->uuid);
    join_close(gateway, join);
}

/* ---- after the pivot ---- */

static void activated(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    const struct order *order = step_order(join->migration);
    const struct migration_vm *vm = step_vm(join->migration, join->step);
    const struct peer_vm_status *there = NULL;
    struct store_location location = {.generation = vm->generation};
    struct peer_status status;
    struct err err = {0};
    (void) context;

    if (source_read_status(event, &status, &err) == 0) {
        there = source_status_of_vm(&status, vm->name);
        err_set(&err, ERR_UNKNOWN, "data center %s has not activated VM %s yet", order->target_dc, vm->name);
        if (there && there->fate == FATE_STAYED)
            log_error(FAULT_PEER, order->id, "VM %s has crossed, but data center %s holds that it stayed; look there",
                      vm->name, order->target_dc);
    }
    if (!there || !there->active) {
        source_outcome(gateway, join, SAGA_STEP_FAILED, &err);
        return;
    }
    memcpy(location.uuid, vm->uuid, UUID_SIZE);
    memcpy(location.vm, vm->name, NAME_SIZE);
    memcpy(location.dc, order->target_dc, NAME_SIZE);
    if (store_location_put(gateway->store, &location, &err) < 0 && err.code != ERR_STALE)
        source_outcome(gateway, join, SAGA_STEP_FAILED, &err);
    else
        source_outcome(gateway, join, SAGA_STEP_OK, NULL);
}

/* The target has been told of the connections that its ToR may not know yet. A ToR that is gone for good must not keep
 * the VM from its network: its connections are left behind, then. */
static void connections_told(struct gateway *gateway, struct join *join)
{
    if (join->err.code && join->migration->saga->steps[join->step].attempts <= TELL_TRIES) {
        source_outcome(gateway, join, SAGA_STEP_FAILED, &join->err);
        return;
    }
    if (join->err.code)
        log_warn(FAULT_PEER, step_order(join->migration)->id, "connections of VM %s are left behind: %s",
                 step_vm(join->migration, join->step)->name, join->err.text);
    source_call_peer(gateway, join->migration, join->step, join->serial, PEER_ACTIVATE,
                     json_pack("{s:s}", "vm", step_vm(join->migration, join->step)->name), PEER_QUICK_MS, activated);
}

void source_activate(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial)
{
    struct join *join = join_new(connections_told);

    join->migration = migration;
    join->step = step;
    join->serial = serial;
    connections_send(gateway, migration, (unsigned) migration->saga->steps[step].vm, CONNECTIONS_IDLE_ANY, join);
    join_close(gateway, join);
}

void source_paused(struct gateway *gateway, struct migration *migration, unsigned v)
{
    struct join *join = join_new(NULL);

    migration->vms[v].paused_ms = gateway->unix_ms(gateway->unix_ms_arg);
    /* It will run at the target before the transfer has ended here, and be sent packets there. */
    connections_send(gateway, migration, v, CONNECTIONS_IDLE_ANY, join);
    join_close(gateway, join);
}

void source_remove_vm(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial)
{
    const struct migration_vm *vm = step_vm(migration, step);
    struct tenant tenant = tenant_of_order(step_order(migration), (unsigned) migration->saga->steps[step].vm);
    struct join *join = step_join(migration, step, serial, false);
    struct err err = {0};

    network_remove(gateway, &tenant, true, join);
    if (store_policy_delete(gateway->store, vm->name, &err) < 0 || users_vm_left(gateway, vm->name, &err) < 0)
        join_fail(join, &err);
    join_close(gateway, join);
}

static void committed(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    struct peer_status status;
    struct err err = {0};
    (void) context;

    if (source_read_status(event, &status, &err) == 0) {
        if (status.ended) {
            source_outcome(gateway, join, SAGA_STEP_OK, NULL);
            return;
        }
        err_set(&err, ERR_UNKNOWN, "data center %s is still %s", step_order(join->migration)->target_dc, status.state);
    } else if (event->err.code == 0 && event->answer.status == 404) {
        source_outcome(gateway, join, SAGA_STEP_OK,
                       NULL); /* its answer was lost, long ago: it forgets only what has ended */
        return;
    }
    source_outcome(gateway, join, SAGA_STEP_FAILED, &err);
}

void source_commit(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial)
{
    source_call_peer(gateway, migration, step, serial, PEER_COMMIT, NULL, PEER_QUICK_MS, committed);
}
