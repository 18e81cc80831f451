/* SPDX-License-Identifier: Apache-2.0 */
/* Dummy hypervisors. A transfer goes through libvirt's stages: the target prepares, memory is copied, the source stops,
 * the target runs, libvirt ends. It may fail in each; once the target runs it can no longer fail, only go unanswered. A
 * transfer goes on when the gateway that asked for it dies. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "world.h"

static struct site *site_of(struct hypervisor_driver *driver)
{
    return (struct site *) ((char *) driver - offsetof(struct site, hypervisors));
}

static struct sim_vm *find(struct world *world, const uint8_t uuid[UUID_SIZE])
{
    for (unsigned v = 0; v < world->n_vms; v++) {
        if (memcmp(world->vms[v].vm.uuid, uuid, UUID_SIZE) == 0)
            return &world->vms[v];
    }
    return NULL;
}

static enum vm_place place_at(const struct sim_vm *vm, const struct site *site)
{
    if (vm->off)
        return PLACE_ABSENT;
    if (vm->at == site)
        return vm->phase == VM_COPYING || vm->phase == VM_STOPPED ? PLACE_MOVING :
               vm->running                                        ? PLACE_RUNNING :
                                                                    PLACE_PAUSED;
    return vm->to == site && (vm->phase == VM_COPYING || vm->phase == VM_STOPPED) ? PLACE_INCOMING : PLACE_ABSENT;
}

static void tell_in_order(struct site *site, int64_t ms, struct event event)
{
    int64_t at = site->world->now + ms;

    site->told_until = at > site->told_until ? at : site->told_until + 1;
    deliver(site, site->told_until - site->world->now, event);
}

static void tell_vm(struct site *site, const struct sim_vm *vm, enum vm_state state, enum vm_cause cause)
{
    struct event event = {.type = EVENT_VM, .vm_cause = cause};

    if (!site->gateway)
        return;
    event.vm = vm->vm;
    event.vm.state = state;
    event.vm.job_active = vm->phase == VM_COPYING || vm->phase == VM_STOPPED;
    snprintf(event.vm.server, NAME_SIZE, "%s", site->config.servers[0].name);
    snprintf(event.name, NAME_SIZE, "%s", vm->vm.name);
    tell_in_order(site, 1 + chance(site->world, 5), event);
}

static void tell_gone(struct site *site, const struct sim_vm *vm)
{
    struct event event = {.type = EVENT_VM_GONE};

    if (!site->gateway)
        return;
    event.vm = vm->vm;
    snprintf(event.vm.server, NAME_SIZE, "%s", site->config.servers[0].name);
    tell_in_order(site, 1 + chance(site->world, 5), event);
}

/* ---- a transfer's stages ---- */

struct stage {
    struct sim_vm *vm;
    unsigned transfer;
};

static void next_stage(struct world *world, struct sim_vm *vm, int64_t ms, happening_fn *fn);

static void drop_stage(struct world *world, void *arg)
{
    (void) world;
    free(arg);
}

static struct sim_vm *begin_stage(void *arg)
{
    struct stage *stage = arg;
    struct sim_vm *vm = stage->vm;
    bool current = stage->transfer == vm->transfer;

    free(stage);
    return current ? vm : NULL;
}

static void answer(struct sim_vm *vm, struct site *asked, int code, const char *text)
{
    if (asked->gateway && asked->life == vm->life)
        deliver_done(asked, 1 + chance(asked->world, 10), vm->request, code, text);
}

static void fail(struct world *world, struct sim_vm *vm, int code, const char *text)
{
    struct site *target = vm->to;

    tell(world, vm->at, "transfer of %s fails: %s", vm->vm.name, text);
    vm->phase = VM_STILL;
    vm->to = NULL;
    vm->transfer++;
    vm->running = true;
    tell_vm(vm->at, vm, VM_RUNNING, CAUSE_DISCOVERED);
    tell_gone(target, vm);
    answer(vm, vm->at, fault(world, world->percent_lost) ? ERR_UNKNOWN : code, text);
}

static void end(struct world *world, void *arg)
{
    struct sim_vm *vm = begin_stage(arg);

    if (!vm)
        return;

    struct site *source = site_other(vm->at);
    vm->phase = VM_STILL;
    vm->to = NULL;
    vm->transfer++;
    tell(world, source, "libvirt has finished with %s", vm->vm.name);
    tell_gone(source, vm);
    if (fault(world, world->percent_lost))
        answer(vm, source, ERR_UNKNOWN, "the dummy hypervisor lost the connection");
    else
        answer(vm, source, 0, NULL);
}

static void resume(struct world *world, void *arg)
{
    struct sim_vm *vm = begin_stage(arg);

    if (!vm)
        return;
    if (fault(world, world->percent_refused)) {
        fail(world, vm, ERR_REFUSED, "the target's QEMU died before it could resume");
        return;
    }
    vm->at = vm->to;
    vm->running = true;
    vm->phase = VM_ARRIVED;
    tell(world, vm->at, "%s runs here now", vm->vm.name);
    tell_vm(vm->at, vm, VM_RUNNING, CAUSE_MIGRATION_RESUMED);
    next_stage(world, vm, 1500 + chance(world, 500), end);
}

static void stop(struct world *world, void *arg)
{
    struct sim_vm *vm = begin_stage(arg);

    if (!vm)
        return;
    if (vm->aborted || fault(world, world->percent_refused)) {
        fail(world, vm, vm->aborted ? ERR_CANCELLED : ERR_REFUSED, "the transfer was aborted");
        return;
    }
    vm->running = false;
    vm->phase = VM_STOPPED;
    tell_vm(vm->at, vm, VM_PAUSED, CAUSE_MIGRATION_PAUSED);
    next_stage(world, vm, 16 + chance(world, 180), resume);
}

static void copy_memory(struct world *world, void *arg)
{
    struct sim_vm *vm = begin_stage(arg);

    if (!vm)
        return;
    if (fault(world, world->percent_refused)) {
        fail(world, vm, ERR_REFUSED, "the target could not prepare");
        return;
    }
    tell_vm(vm->to, vm, VM_INCOMING, CAUSE_DISCOVERED);
    next_stage(world, vm, 100 + chance(world, 3000), stop);
}

static void next_stage(struct world *world, struct sim_vm *vm, int64_t ms, happening_fn *fn)
{
    struct stage *stage = xmalloc(sizeof *stage);

    *stage = (struct stage) {vm, vm->transfer};
    world_at(world, ms, NULL, false, fn, stage, drop_stage);
}

void machine_off(struct sim_vm *vm)
{
    struct site *site = vm->at, *target = vm->to;

    tell(site->world, site, "%s shuts down", vm->vm.name);
    vm->off = true;
    vm->running = false;
    vm->transfer++;
    vm->to = NULL;
    if (vm->phase == VM_COPYING || vm->phase == VM_STOPPED) {
        tell_gone(target, vm);
        answer(vm, site, ERR_UNKNOWN, "the domain stopped while it was moved");
    }
    vm->phase = VM_STILL;
    tell_vm(site, vm, VM_SHUT_OFF, CAUSE_DISCOVERED);
}

/* ---- the contract ---- */

static void transfer(struct hypervisor_driver *driver, uint64_t request, const struct hypervisor_transfer *transfer)
{
    struct site *site = site_of(driver);
    struct world *world = site->world;
    struct sim_vm *vm = find(world, transfer->uuid);

    maybe_crash(site);
    if (site->cut)
        return;
    if (vm->off || vm->at != site || vm->phase != VM_STILL) {
        deliver_done(site, 5, request, ERR_CONFLICT, "no such running domain, or a job is active");
        return;
    }
    tell(world, site, "transfer of %s begins", vm->vm.name);
    vm->to = site_other(site);
    vm->phase = VM_COPYING;
    vm->request = request;
    vm->life = site->life;
    vm->aborted = false;
    vm->transfer++;
    next_stage(world, vm, 50 + chance(world, 200), copy_memory);
    maybe_crash(site);
}

static void abort_transfer(struct hypervisor_driver *driver, uint64_t request, const char *server,
                           const uint8_t uuid[UUID_SIZE])
{
    struct site *site = site_of(driver);
    struct sim_vm *vm = find(site->world, uuid);

    (void) server;
    if (site->cut)
        return;
    vm->aborted = true;
    deliver_done(site, 5, request, 0, NULL);
}

static void locate(struct hypervisor_driver *driver, uint64_t request, const char *server,
                   const uint8_t uuid[UUID_SIZE])
{
    struct site *site = site_of(driver);
    struct event event = {.type = EVENT_DONE, .request = request};

    (void) server;
    maybe_crash(site);
    if (site->cut)
        return;
    if (fault(site->world, site->world->percent_lost))
        err_set(&event.err, ERR_UNREACHABLE, "the dummy hypervisor is away");
    else
        event.location = place_at(find(site->world, uuid), site);
    deliver(site, 1 + chance(site->world, 50), event);
}

static void free_driver(struct hypervisor_driver *driver)
{
    (void) driver;
}

static const struct hypervisor_ops ops = {
    .transfer = transfer, .abort = abort_transfer, .locate = locate, .free = free_driver};

void machines_init(struct site *site)
{
    site->hypervisors.ops = &ops;
}

/* What the driver says after it has connected. Happens when it is said, not when it was asked for. */
static void tell_domains(struct world *world, void *arg)
{
    struct site *site = arg;

    if (fault(world, world->percent_lost)) {
        struct event down = {.type = EVENT_SERVER_DOWN};

        snprintf(down.name, NAME_SIZE, "%s", site->config.servers[0].name);
        err_set(&down.err, ERR_UNREACHABLE, "the dummy hypervisor is away");
        tell_in_order(site, 0, down);
        world_at(world, 1000 + chance(world, 30000), site, true, tell_domains, site, NULL);
        return;
    }
    struct event event = {.type = EVENT_SERVER_UP};
    struct event listed = {.type = EVENT_SERVER_LISTED};

    snprintf(event.name, NAME_SIZE, "%s", site->config.servers[0].name);
    snprintf(event.server.name, NAME_SIZE, "%s", site->config.servers[0].name);
    event.server.up = true;
    event.server.memory_kib = event.server.memory_free_kib = 8 << 20;
    tell_in_order(site, 0, event);
    for (unsigned v = 0; v < world->n_vms; v++) {
        struct sim_vm *vm = &world->vms[v];

        if (vm->off)
            continue;
        if (vm->at == site)
            tell_vm(site, vm, vm->running ? VM_RUNNING : VM_PAUSED, CAUSE_DISCOVERED);
        else if (vm->to == site)
            tell_vm(site, vm, VM_INCOMING, CAUSE_DISCOVERED);
    }
    snprintf(listed.name, NAME_SIZE, "%s", site->config.servers[0].name);
    tell_in_order(site, chance(world, 300), listed);
}

void machines_tell_all(struct site *site)
{
    world_at(site->world, 1 + chance(site->world, 2000), site, true, tell_domains, site, NULL);
}
