/* SPDX-License-Identifier: Apache-2.0 */
/* sim [--seeds N] [--first S] [--seed S]: runs seeds one after another; --seed tells the whole story of one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "scgd/audit.h"
#include "base/log.h"
#include "core/policy.h"
#include "seeds.h"
#include "world.h"

#define SETTLE_MS 20000
#define PATIENCE_MS 3600000 /* of virtual time, after the faults have ended */

/* ---- the cast ---- */

static struct policy random_policy(struct world *world, const char *name)
{
    struct policy policy = {.default_verdict = {POLICY_ALLOW, POLICY_DENY}};
    unsigned n = 1 + chance(world, 4);

    snprintf(policy.name, sizeof policy.name, "%s", name);
    for (unsigned i = 0; i < n; i++) {
        struct policy_rule rule = policy_rule_any(chance(world, 2) ? POLICY_TO_VM : POLICY_FROM_VM,
                                                  chance(world, 3) ? POLICY_ALLOW : POLICY_DENY);

        rule.family = IP_V4;
        rule.protocol = chance(world, 2) ? 6 : 17;
        rule.destination_port.first = rule.destination_port.last = (uint16_t) (1 + chance(world, 1000));
        rule.stateful = rule.verdict == POLICY_ALLOW && chance(world, 2);
        policy_add_rule(&policy, rule);
    }
    return policy;
}

static void write_to_store(struct site *site, const struct sim_vm *vm)
{
    json_t *json = policy_to_json(&vm->policy);
    AUTO_FREE char *text = json_dumps(json, JSON_COMPACT);
    struct err err = {0};

    json_decref(json);
    store_policy_put(site->store, vm->vm.name, text, &err);
}

/* As an administrator does it with ovs-ofctl: flows with a cookie of nobody. */
static void write_to_switch(struct site *site, const struct sim_vm *vm)
{
    struct policy_site sites[PIPELINE_SITES_MAX];
    unsigned n = pipeline_policy_sites(0xadadad, &vm->vm.nics[0].mac, &vm->vm.nics[0].ip, &vm->vm.nics[0].ip6, sites);
    struct flow_txn txn = {0};

    for (unsigned i = 0; i < n; i++)
        policy_to_flows(&vm->policy, &sites[i], &txn);
    for (size_t i = 0; i < txn.n_mods; i++)
        flow_list_add(&device(site, SIM_TOR)->flows, flow_copy(&txn.mods[i].flow));
    flow_txn_free(&txn);
}

/* A stateful policy has let something pass. */
static void connect_vm(struct sim_vm *vm)
{
    struct policy_site where = pipeline_policy_site(cookie_of_vm(vm->vm.uuid), &vm->vm.nics[0].ip);
    struct connection connection = {.direction = POLICY_TO_VM,
                                    .protocol = 6,
                                    .remote = {IP_V4, {192, 0, 2, 1}},
                                    .remote_port = 22,
                                    .vm_port = 40000,
                                    .idle_timeout = CONNECTION_TCP_IDLE_S};
    struct connection_list list = {.items = &connection, .n = 1};
    struct flow_txn txn = {0};

    vm->connected = true;
    connections_to_flows(&list, &where, &txn);
    flow_list_add(&device(vm->at, SIM_TOR)->flows, flow_copy(&txn.mods[0].flow));
    flow_txn_free(&txn);
}

static void cast(struct world *world)
{
    world->n_vms = 1 + chance(world, SIM_VMS_MAX);
    world->user_vms = world->has_transport ? chance(world, world->n_vms + 1) : 0;
    for (unsigned v = 0; v < world->n_vms; v++) {
        struct sim_vm *vm = &world->vms[v];

        snprintf(vm->vm.name, NAME_SIZE, "V%u", v + 1);
        snprintf(vm->vm.segment, NAME_SIZE, "web");
        vm->vm.uuid[15] = (uint8_t) (v + 1);
        vm->vm.memory_kib = 131072;
        vm->vm.n_nics = 1;
        vm->vm.nics[0].mac = (struct mac) {{0x52, 0x54, 0, 0, 0, (uint8_t) (0x11 + v)}};
        vm->vm.nics[0].mtu = MTU_ETHERNET;
        vm->vm.nics[0].ip = (struct ip) {IP_V4, {10, 100, 0, (uint8_t) (11 + v)}};
        if (v % 2)
            vm->vm.nics[0].ip6 = (struct ip6_list) {1, {{IP_V6, {0x20, 0x01, 0x0d, 0xb8, [15] = (uint8_t) (11 + v)}}}};
        vm->at = &world->sites[0];
        vm->running = true;
        vm->policy = random_policy(world, vm->vm.name);
        vm->foreign = chance(world, 3) == 0;
        if (!vm->foreign && chance(world, 2))
            vm->policy.rate[chance(world, 2)].kbps = 1000 + chance(world, 100000);
        if (!vm->foreign && chance(world, 2))
            vm->policy.new_limit[chance(world, 2)].per_second = 1 + chance(world, 1000);
        if (vm->foreign)
            write_to_switch(vm->at, vm);
        else
            write_to_store(vm->at, vm);
        if (!vm->foreign && policy_is_stateful(&vm->policy))
            connect_vm(vm);
    }
}

/* The user of the first VMs comes to their data center by a circuit. */
static void connect_user(struct world *world)
{
    struct site *site = &world->sites[0];
    struct backend backend = gateway_backend(site->gateway);
    json_t *vms = json_array();
    struct err err = {0};

    for (unsigned v = 0; v < world->user_vms; v++)
        json_array_append_new(vms, json_string(world->vms[v].vm.name));
    json_t *user = json_pack("{s:s, s:s, s:{s:s, s:i}, s:i, s:[s], s:o}", "name", SIM_USER, "segment", "web", "access",
                             "router", "0.0.0.15", "client", 1, "bandwidth-mbps", 100, "addresses", "10.100.0.101",
                             "vms", vms);
    if (backend.user_put(site->gateway, SIM_USER, user, &err) < 0)
        world->broken = err;
    json_decref(user);
}

/* ---- one order ---- */

/* Requests but for those of audits, which may always be under way. */
static size_t requests_of(const struct gateway *gateway)
{
    size_t n = gateway->n_requests;

    for (const struct audit *audit = gateway->network.audits; audit; audit = audit->next)
        n -= !audit->waiter;
    return n;
}

static bool quiet(const struct world *world)
{
    for (int s = 0; s < 2; s++) {
        const struct gateway *gateway = world->sites[s].gateway;

        if (!gateway || !gateway_servers_listed(gateway) || requests_of(gateway) || gateway->network.routes_wanted ||
            gateway->network.routes_busy || gateway->network.resync_at.ms != MONO_NEVER.ms ||
            gateway->network.parts_at.ms != MONO_NEVER.ms)
            return false;
        for (size_t c = 0; c < gateway->transport.n_circuits; c++) {
            if (gateway->transport.circuits[c]->state != CIRCUIT_UP)
                return false;
        }
        for (size_t m = 0; m < gateway->n_migrations; m++) {
            if (!saga_ended(gateway->migrations[m]->saga))
                return false;
        }
    }
    for (unsigned v = 0; v < world->n_vms; v++) {
        if (world->vms[v].phase != VM_STILL)
            return false;
    }
    return true;
}

static bool run_until(struct world *world, int64_t at)
{
    while (world->now < at && world_step(world))
        continue;
    return world->broken.code == 0;
}

static bool run_until_quiet(struct world *world)
{
    int64_t limit = world->faults_until + PATIENCE_MS;

    while ((world->now < world->faults_until || !quiet(world)) && world->now < limit && world_step(world))
        continue;
    /* What is on its way when all seems quiet (a late repeated letter) must not wake anything. */
    if (world->broken.code == 0 && !run_until(world, world->now + SETTLE_MS))
        return false;
    if (world->broken.code == 0 && !quiet(world))
        err_set(&world->broken, ERR_INTERNAL, "3: not quiet after an hour without faults");
    return world->broken.code == 0;
}

static bool in_migration(const struct site *site, const struct sim_vm *vm)
{
    return site->gateway && migration_of_vm(site->gateway, vm->vm.uuid, NULL);
}

static void take_plan(struct backend_reply *reply, int status, json_t *body)
{
    struct site *site = (struct site *) ((char *) reply - offsetof(struct site, plan_reply));

    tell(site->world, site, "plan: %d", status);
    json_decref(body);
}

/* Of some of the VMs that are at the site and in no other order. Some orders are planned first, which must not change
 * anything, at whatever moment either gateway crashes. */
static int give_order(struct world *world, struct site *site, char id[UUID_TEXT_SIZE])
{
    struct backend backend = gateway_backend(site->gateway);
    json_t *vms = json_array(), *out = NULL;
    struct err err = {0};

    for (unsigned v = 0; v < world->n_vms; v++) {
        if (world->vms[v].at == site && !world->vms[v].off && !in_migration(site, &world->vms[v]) &&
            (chance(world, 3) || json_array_size(vms) == 0))
            json_array_append_new(vms, json_string(world->vms[v].vm.name));
    }
    json_t *command = json_pack("{s:o, s:{s:s, s:s}}", "vms", vms, "to", "dc", site->other_dc, "server",
                                *site->other_dc == 'A' ? "server-A" : "server-B");
    if (!chance(world, 3)) {
        site->plan_reply.send = take_plan;
        backend.plan(site->gateway, command, &site->plan_reply);
    }
    int status = backend.migrate(site->gateway, command, &out, &err);

    json_decref(command);
    tell(world, site, "order: %s", status ? err.text : json_string_value(json_object_get(out, "id")));
    if (status == 0)
        snprintf(id, UUID_TEXT_SIZE, "%s", json_string_value(json_object_get(out, "id")));
    json_decref(out);
    return status;
}

static void cancel_order(struct world *world, struct site *site, const char *id)
{
    struct backend backend;
    struct err err = {0};

    if (!site->gateway)
        return;
    backend = gateway_backend(site->gateway);
    tell(world, site, "the operator cancels");
    backend.migration_cancel(site->gateway, id, &err);
}

/* 6. After a rollback the network is as before ('before' null: it cannot be, something else happened, too). */
static void check_end(struct world *world, struct site *source, const char *id, char *const before[2])
{
    struct store_migration row = {0};

    if (store_migration_get(source->store, id, "source", &row, NULL) < 0) {
        err_set(&world->broken, ERR_INTERNAL, "4: the source has forgotten migration %s", id);
        return;
    }
    world->migrations++;
    if (strcmp(row.state, "rolled_back") == 0) {
        world->rolled_back++;
        for (int s = 0; s < 2 && before; s++) {
            AUTO_FREE char *after = network_snapshot(&world->sites[s]);

            if (strcmp(before[s], after) != 0) {
                tell(world, &world->sites[s], "before:\n%safter:\n%s", before[s], after);
                err_set(&world->broken, ERR_INTERNAL, "6: the network of %s differs from before the rollback",
                        world->sites[s].dc);
            }
        }
    } else {
        world->crossed++;
    }
    store_migration_free(&row);
}

/* Something that nobody ordered. */
static bool mishap(struct world *world)
{
    struct site *site = &world->sites[chance(world, 2)];
    struct sim_vm *vm = &world->vms[chance(world, world->n_vms)];

    run_until(world, world->now + chance(world, 8000));
    switch (chance(world, 7)) {
    case 0:
        if (vm->phase == VM_STILL || vm->phase == VM_COPYING) {
            machine_off(vm);
            return true;
        }
        return false;
    case 1:
        /* A gate that reboots cuts what goes through it: that a transfer fails then is QEMU's affair. */
        if (vm->phase == VM_STILL && !world->vms[0].to && !world->vms[world->n_vms - 1].to)
            switch_reboots(site, SIM_PE);
        return site->config.mode == MODE_VPLS; /* its tunnels may be left on another path */
    case 2:
        lsp_fails(world);
        return false;
    case 3:
    case 4:
        if (site->config.mode == MODE_VPLS && chance(world, 2))
            switch_reboots(site, chance(world, 2) ? SIM_P1 : SIM_P2);
        for (unsigned n = chance(world, 3); n > 0 && site->config.mode == MODE_VPLS; n--)
            fabric_cut(site);
        return site->config.mode == MODE_VPLS;
    default:
        return false;
    }
}

static struct site *source_of(struct world *world)
{
    for (unsigned v = 0; v < world->n_vms; v++) {
        if (!world->vms[v].off)
            return world->vms[v].at;
    }
    return &world->sites[0];
}

static void order_somehow(struct world *world, struct site *source, char id[UUID_TEXT_SIZE])
{
    for (int tries = 0; tries < 20 && !*id && world->broken.code == 0; tries++) {
        if (!source->gateway || give_order(world, source, id))
            run_until(world, world->now + 2000);
    }
}

static bool run_orders(struct world *world)
{
    struct site *source = source_of(world);
    char ids[2][UUID_TEXT_SIZE] = {"", ""};
    char *before[2];
    bool undisturbed;

    for (int s = 0; s < 2; s++)
        before[s] = network_snapshot(&world->sites[s]);
    world->faults_until = world->now + 60000;
    world->sites[0].disturbed = world->sites[1].disturbed = false;
    run_until(world, world->now + chance(world, 3000));
    order_somehow(world, source, ids[0]);
    if (world->n_vms > 1 && chance(world, 2)) { /* a second one beside it */
        run_until(world, world->now + chance(world, 1000));
        order_somehow(world, source, ids[1]);
    }
    if (*ids[0] && chance(world, 5) == 0) {
        run_until(world, world->now + chance(world, 5000));
        cancel_order(world, source, ids[0]);
    }
    undisturbed = !mishap(world) && !*ids[1];
    if (run_until_quiet(world)) {
        check_quiet(world);
        for (int i = 0; i < 2 && world->broken.code == 0; i++) {
            if (*ids[i])
                check_end(world, source, ids[i], undisturbed && !world->cuts_off ? before : NULL);
        }
    }
    free(before[0]);
    free(before[1]);
    return world->broken.code == 0;
}

/* 10. When all else is well, one link or one P that fails cuts nobody off for more than a second. */
static bool fail_alone(struct world *world)
{
    struct site *site = &world->sites[chance(world, 2)];

    if (site->config.mode != MODE_VPLS)
        return true;
    if (chance(world, 2))
        fabric_cut(site);
    else
        switch_reboots(site, chance(world, 2) ? SIM_P1 : SIM_P2);
    run_until(world, world->now + 900);
    if (world->broken.code == 0 && vms_at(world, site))
        check_pseudowires(site);
    if (world->broken.code == 0 && run_until(world, world->now + SETTLE_MS))
        check_quiet(world);
    return world->broken.code == 0;
}

/* ---- one seed ---- */

static bool run_seed(uint64_t seed, bool trace, struct world *totals)
{
    struct world *world = xmalloc(sizeof *world);
    bool fine;

    world_init(world, seed, trace);
    cast(world);
    world->percent_lost = chance(world, 12);
    world->percent_refused = chance(world, 8);
    world->percent_crash = chance(world, 4);
    gateway_begin(&world->sites[0]);
    gateway_begin(&world->sites[1]);
    run_until(world, SETTLE_MS);
    if (world->user_vms && world->broken.code == 0) {
        connect_user(world);
        run_until(world, 2 * SETTLE_MS);
    }
    if (world->broken.code == 0)
        check_quiet(world);
    for (unsigned n = 1 + chance(world, 3); n > 0 && world->broken.code == 0; n--)
        if (run_orders(world))
            fail_alone(world);
    fine = world->broken.code == 0;
    if (!fine)
        printf("%sseed %llu: %s\n", trace ? "" : "FAILED ", (unsigned long long) seed, world->broken.text);
    totals->events += world->events;
    totals->migrations += world->migrations;
    totals->crashes += world->crashes;
    totals->crossed += world->crossed;
    totals->rolled_back += world->rolled_back;
    world_free(world);
    free(world);
    return fine;
}

int main(int argc, char **argv)
{
    struct seeds seeds = {.first = 1, .n = 1000};
    uint64_t failed = 0;
    struct world *totals = xcalloc(1, sizeof *totals);

    if (!seeds_read("sim", argc, argv, &seeds)) {
        free(totals);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    log_set_level(getenv("SIM_LOG") ? LOG_INFO : LOG_ERROR);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.n; seed++) {
        if (run_seed(seed, seeds.trace, totals))
            continue;
        if (failed++ == 0 && !seeds.trace) {
            struct world again = {0};

            printf("the story of seed %llu:\n", (unsigned long long) seed);
            run_seed(seed, true, &again);
        }
    }
    printf("sim: %llu seeds, %llu events, %llu migrations: %llu crossed, %llu rolled back, %llu crashes\n",
           (unsigned long long) seeds.n, (unsigned long long) totals->events, (unsigned long long) totals->migrations,
           (unsigned long long) totals->crossed, (unsigned long long) totals->rolled_back,
           (unsigned long long) totals->crashes);
    printf("%llu passed, %llu failed\n", (unsigned long long) (seeds.n - failed), (unsigned long long) failed);
    free(totals);
    return failed ? 1 : 0;
}
