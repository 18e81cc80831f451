/* SPDX-License-Identifier: Apache-2.0 */
/* The target's steps. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/gateway.h"

#define GENERATION_MAX (UINT64_C(1) << 48) /* nobody moves a VM so often; more would exhaust the number */

static struct migration_vm *vm_of(struct migration *migration, unsigned step)
{
    return &migration->saga->order.vms[migration->saga->steps[step].vm];
}

struct tenant tenant_of_order(const struct order *order, unsigned v)
{
    const struct migration_vm *vm = &order->vms[v];
    struct tenant tenant = {
        .mac = vm->nics[0].mac, .ip = vm->nics[0].ip, .has_policy = vm->has_policy, .policy = vm->policy};

    memcpy(tenant.uuid, vm->uuid, UUID_SIZE);
    memcpy(tenant.name, vm->name, NAME_SIZE);
    memcpy(tenant.server, order->role == ROLE_TARGET ? order->target_server : vm->server, NAME_SIZE);
    memcpy(tenant.segment, vm->segment, NAME_SIZE);
    return tenant;
}

/* ---- admit ---- */

static int check_clash(const struct gateway *gateway, const struct migration_vm *vm, struct err *err)
{
    char text[IP_TEXT_SIZE];

    for (size_t i = 0; i < gateway->inventory.n_vms; i++) {
        const struct vm *other = &gateway->inventory.vms[i];
        bool same = memcmp(other->uuid, vm->uuid, UUID_SIZE) == 0;

        if (same && other->state != VM_SHUT_OFF)
            return err_set(err, ERR_CONFLICT, "VM %s already runs on %s", vm->name, other->server);
        if (!same && strcmp(other->name, vm->name) == 0)
            return err_set(err, ERR_CONFLICT, "another VM on %s is called %s; rename one of them", other->server,
                           vm->name);
        for (unsigned n = 0; n < other->n_nics && !same; n++) {
            for (unsigned m = 0; m < vm->n_nics; m++) {
                if (mac_equal(&other->nics[n].mac, &vm->nics[m].mac))
                    return err_set(err, ERR_CONFLICT, "MAC address %s of VM %s is that of VM %s on %s",
                                   mac_format(&vm->nics[m].mac, text), vm->name, other->name, other->server);
                if (vm->nics[m].ip.family != IP_NONE && ip_equal(&other->nics[n].ip, &vm->nics[m].ip))
                    return err_set(err, ERR_CONFLICT, "address %s of VM %s is that of VM %s on %s",
                                   ip_format(&vm->nics[m].ip, text), vm->name, other->name, other->server);
            }
        }
    }
    return 0;
}

/* Other VMs that were promised a place, or have one, and are not in the inventory: addresses and cookies must differ.
 * So must addresses of users on transport networks. */
static int check_against(const struct migration_vm *vm, const char *name, const uint8_t uuid[UUID_SIZE],
                         const struct mac *mac, const struct ip *ip, struct err *err)
{
    char text[IP_TEXT_SIZE];

    if (memcmp(uuid, vm->uuid, UUID_SIZE) == 0)
        return 0;
    if (cookie_of_vm(uuid) == cookie_of_vm(vm->uuid))
        return err_set(err, ERR_CONFLICT, "the UUIDs of VMs %s and %s end alike, so their flows cannot be told apart",
                       vm->name, name);
    if (mac_equal(mac, &vm->nics[0].mac))
        return err_set(err, ERR_CONFLICT, "MAC address %s of VM %s is that of VM %s", mac_format(mac, text), vm->name,
                       name);
    if (ip_equal(ip, &vm->nics[0].ip))
        return err_set(err, ERR_CONFLICT, "address %s of VM %s is that of VM %s", ip_format(ip, text), vm->name, name);
    return 0;
}

static int check_promised(const struct gateway *gateway, const struct migration_vm *vm, struct err *err)
{
    char text[IP_TEXT_SIZE];

    for (size_t i = 0; i < gateway->network.n_tenants; i++) {
        const struct tenant *tenant = &gateway->network.tenants[i];

        if (check_against(vm, tenant->name, tenant->uuid, &tenant->mac, &tenant->ip, err) < 0)
            return err->code;
    }
    for (size_t u = 0; u < gateway->transport.n_users; u++) {
        const struct user *user = &gateway->transport.users[u];

        for (unsigned a = 0; a < user->n_addresses; a++) {
            if (ip_equal(&user->addresses[a], &vm->nics[0].ip))
                return err_set(err, ERR_CONFLICT, "address %s of VM %s is that of user %s",
                               ip_format(&vm->nics[0].ip, text), vm->name, user->name);
        }
    }
    for (size_t m = 0; m < gateway->n_migrations; m++) {
        const struct saga *saga = gateway->migrations[m]->saga;

        for (unsigned v = 0; v < saga->order.n_vms && !saga_ended(saga) && saga->order.role == ROLE_TARGET; v++) {
            const struct migration_vm *other = &saga->order.vms[v];

            if (other != vm &&
                check_against(vm, other->name, other->uuid, &other->nics[0].mac, &other->nics[0].ip, err) < 0)
                return err->code;
        }
    }
    return 0;
}

static int check_address(const struct gateway *gateway, const struct migration_vm *vm, struct err *err)
{
    const struct segment_state *segment = network_segment(gateway, vm->segment);
    struct prefix subnet;
    char text[IP_TEXT_SIZE];

    if (!segment)
        return err_set(err, ERR_NOT_FOUND, "segment %s of VM %s is not known in data center %s", vm->segment, vm->name,
                       gateway->config->dc);
    subnet = prefix_of(&segment->flows.gateway, segment->flows.length);
    if (!prefix_contains(&subnet, &vm->nics[0].ip) || ip_equal(&vm->nics[0].ip, &segment->flows.gateway) ||
        ip_equal(&vm->nics[0].ip, &subnet.ip))
        return err_set(err, ERR_CONFLICT, "address %s of VM %s is not a host's in segment %s, %s",
                       ip_format(&vm->nics[0].ip, text), vm->name, vm->segment, segment->config->gateway);
    if (vm->nics[0].mac.bytes[0] & 1)
        return err_set(err, ERR_INVALID, "MAC address %s of VM %s is a group's", mac_format(&vm->nics[0].mac, text),
                       vm->name);
    return 0;
}

/* Memory that other open orders have been promised on the server and that has not arrived yet. */
static uint64_t promised_kib(const struct gateway *gateway, const struct migration *except, const char *server)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < gateway->n_migrations; i++) {
        const struct saga *saga = gateway->migrations[i]->saga;

        if (gateway->migrations[i] == except || saga_ended(saga) || saga->order.role != ROLE_TARGET ||
            strcmp(saga->order.target_server, server) != 0)
            continue;
        for (unsigned v = 0; v < saga->order.n_vms; v++)
            sum += saga->order.vms[v].fate == FATE_OPEN ? saga->order.vms[v].memory_kib : 0;
    }
    return sum;
}

static int admit(struct gateway *gateway, struct migration *migration, struct err *err)
{
    struct order *order = &migration->saga->order;
    const struct config_server *configured = gateway_server_config(gateway, order->target_server);
    const struct server *server = inventory_server(&gateway->inventory, order->target_server);
    uint64_t wanted = 0, promised = promised_kib(gateway, migration, order->target_server);
    uint32_t port;
    int status = 0;

    if (!configured || !server)
        return err_set(err, ERR_NOT_FOUND, "server %s is not known in data center %s", order->target_server,
                       gateway->config->dc);
    if (!server->up)
        return err_set(err, ERR_UNREACHABLE, "the hypervisor of server %s does not answer", server->name);
    if (!network_tor(gateway, server->name, &port, err) || !network_edge(gateway, SWITCH_ROLE_PE, err) ||
        !network_edge(gateway, SWITCH_ROLE_INTER_DC, err))
        return err->code;
    for (unsigned v = 0; v < order->n_vms && status == 0; v++) {
        struct store_location location;

        wanted += order->vms[v].memory_kib;
        status = check_clash(gateway, &order->vms[v], err);
        if (status == 0)
            status = check_promised(gateway, &order->vms[v], err);
        if (status == 0)
            status = check_address(gateway, &order->vms[v], err);
        if (status == 0 && order->vms[v].generation > GENERATION_MAX)
            status = err_set(err, ERR_INVALID, "VM %s: generation %llu is beyond reason", order->vms[v].name,
                             (unsigned long long) order->vms[v].generation);
        if (status == 0 && store_location_get(gateway->store, order->vms[v].uuid, &location, NULL) == 0 &&
            location.generation >= order->vms[v].generation)
            status = err_set(err, ERR_STALE, "VM %s: generation %llu is claimed, but %llu is known here",
                             order->vms[v].name, (unsigned long long) order->vms[v].generation,
                             (unsigned long long) location.generation);
        if (status == 0)
            status = network_allocate(gateway, order->vms[v].segment, err);
    }
    if (status == 0 && wanted + promised > server->memory_free_kib)
        status = err_set(err, ERR_REFUSED,
                         "server %s has %llu MiB of memory free, %llu MiB of it promised; the order needs %llu MiB",
                         server->name, (unsigned long long) server->memory_free_kib / 1024,
                         (unsigned long long) promised / 1024, (unsigned long long) wanted / 1024);
    if (status == 0)
        status = users_admit(gateway, order, err);
    if (status)
        return status;
    snprintf(order->target_uri, sizeof order->target_uri, "%s", configured->migration_uri);
    snprintf(order->target_address, sizeof order->target_address, "%s", configured->migration_address);
    return 0;
}

/* ---- verify ---- */

/* The ToR holds exactly the flows that it was given, and read as a policy they are the policy that was asked for. */
static void verified(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    const struct migration_vm *vm = vm_of(join->migration, join->step);
    const struct tenant *tenant = network_tenant(gateway, vm->uuid);
    struct policy_site site = network_policy_site(&vm->nics[0].ip, cookie_of_vm(vm->uuid));
    struct policy held = {0};
    AUTO_FREE char *witness = NULL;
    struct err err = event->err;
    struct flow_txn want = {0};
    (void) context;

    if (err.code == 0 && network_expected(gateway, tenant, &want, &err) == 0) {
        for (size_t m = 0; m < want.n_mods && err.code == 0; m++) {
            bool found = want.mods[m].command != FLOW_ADD;

            for (size_t f = 0; f < event->read.flows.n && !found; f++)
                found = flow_equal(&want.mods[m].flow, &event->read.flows.flows[f]);
            if (!found) {
                AUTO_FREE char *text = flow_format(&want.mods[m].flow);

                err_set(&err, ERR_REFUSED, "the ToR of %s does not hold this flow of VM %s: %s", tenant->server,
                        vm->name, text);
            }
        }
        if (err.code == 0 && policy_from_flows(event->read.flows.flows, event->read.flows.n, event->read.meters,
                                               event->read.n_meters, &site, true, vm->name, &held, &err) == 0) {
            if (!policy_equivalent_in(&vm->policy, &held, vm->nics[0].ip.family, &witness))
                err_set(&err, ERR_REFUSED, "the ToR of %s enforces another policy for VM %s: %s", tenant->server,
                        vm->name, witness);
            policy_free(&held);
        }
    }
    flow_txn_free(&want);
    if (err.code)
        join_fail(join, &err);
}

static void verify(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial)
{
    const struct migration_vm *vm = vm_of(migration, step);
    struct join *join = step_join(migration, step, serial, false);
    struct err err = {0};
    uint32_t port;
    const struct switch_info *tor = network_tor(gateway, migration->saga->order.target_server, &port, &err);

    if (tor) {
        uint64_t request = gateway_request(gateway, join, verified, NULL);

        gateway->south.switches->ops->read(gateway->south.switches, request, tor->name, FLOW_TABLE_ALL,
                                           cookie_of_vm(vm->uuid), COOKIE_EXACT);
    } else {
        join_fail(join, &err);
    }
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
                                            vm_of(migration, step)->uuid);
    join_close(gateway, join);
}

/* ---- activate ---- */

static void activate(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial)
{
    const struct migration_vm *vm = vm_of(migration, step);
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
        network_open_segment(gateway, order->vms[v].segment, join);
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
