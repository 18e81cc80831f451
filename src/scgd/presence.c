/* SPDX-License-Identifier: Apache-2.0 */
/* Where users find a VM: the PE's flows to it, ARP in its segment, its host route. And VMs that appear at hypervisors
 * without a migration, which the network adopts. */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/gateway.h"

#define ROUTES_RETRY_MS 2000

int presence_uplink(const struct gateway *gateway, const struct switch_info *pe, struct pipeline_uplink *uplink,
                    struct err *err)
{
    const struct config_edge *edge = network_edge_config(gateway, EDGE_IP);
    const struct switch_port *out = switch_port_by_name(pe, edge->uplink_port);
    const struct switch_port *router = switch_port_by_name(pe, edge->router_port);

    if (!out || !router)
        return err_set(err, ERR_NOT_FOUND, "PE %s has no port %s, its %s by the configuration", pe->name,
                       out ? edge->router_port : edge->uplink_port, out ? "router-port" : "uplink-port");
    *uplink = (struct pipeline_uplink) {out->number, router->number, edge->router_ip, edge->next_hop_ip};
    return 0;
}

/* ---- host routes ---- */

/* Who waits for the request that is out. */
struct round {
    struct join **waiters;
    size_t n;
};

static void send_routes(struct gateway *gateway);

static void drop_round(struct join *join)
{
    struct round *round = join->context;

    for (size_t i = 0; i < round->n; i++)
        join_drop(round->waiters[i]);
    free(round->waiters);
    free(round);
}

static void routes_set(struct gateway *gateway, struct join *join)
{
    struct round *round = join->context;

    for (size_t i = 0; i < round->n; i++) {
        if (join->err.code)
            join_fail(round->waiters[i], &join->err);
        join_close(gateway, round->waiters[i]);
    }
    free(round->waiters);
    free(round);
    gateway->network.routes_busy = false;
    if (join->err.code) {
        log_warn(FAULT_PEER, "routes", "%s", join->err.text);
        gateway->network.routes_wanted = true;
        gateway->network.routes_retry = mono_add(gateway->now, ROUTES_RETRY_MS);
    } else {
        send_routes(gateway);
    }
}

struct hosts {
    struct ip *ips;
    size_t n, capacity;
};

static void add_host(struct hosts *hosts, const struct ip *ip)
{
    for (size_t i = 0; i < hosts->n; i++) {
        if (ip_equal(&hosts->ips[i], ip))
            return;
    }
    hosts->ips = array_reserve(hosts->ips, hosts->n, &hosts->capacity, sizeof *hosts->ips);
    hosts->ips[hosts->n++] = *ip;
}

/* One request at a time; what changes meanwhile goes with the next. Nothing is sent before every hypervisor was heard
 * once: after a restart of the gateway BIRD still announces what stood before, and that is right until known better. */
static void send_routes(struct gateway *gateway)
{
    struct network *network = &gateway->network;

    if (!network->routes_wanted || network->routes_busy || !gateway_servers_heard(gateway))
        return;

    struct hosts hosts = {0};
    for (size_t i = 0; i < network->n_tenants; i++) {
        if (network->tenants[i].present)
            add_host(&hosts, &network->tenants[i].ip);
    }
    for (size_t i = 0; i < network->n_served; i++) {
        if (served_counts(gateway, &network->served[i]))
            add_host(&hosts, &network->served[i].nic.ip);
    }

    struct join *join = join_new(routes_set);
    struct round *round = xmalloc(sizeof *round);

    *round = (struct round) {network->route_waiters, network->n_route_waiters};
    join->context = round;
    join->drop = drop_round;
    network->route_waiters = NULL;
    network->n_route_waiters = network->cap_route_waiters = 0;
    network->routes_wanted = false;
    network->routes_busy = true;
    network->routes_retry = MONO_NEVER;
    uint64_t request = gateway_request(gateway, join, NULL, NULL);
    gateway->south.routes->ops->set(gateway->south.routes, request, hosts.ips, hosts.n);
    join_close(gateway, join);
    free(hosts.ips);
}

void network_server_heard(struct gateway *gateway)
{
    gateway->network.routes_wanted = true;
    send_routes(gateway);
    network_address_free(gateway);
    if (gateway->ready)
        network_resync(gateway);
}

static void want_routes(struct gateway *gateway, struct join *join)
{
    struct network *network = &gateway->network;

    network->route_waiters = array_reserve(network->route_waiters, network->n_route_waiters,
                                           &network->cap_route_waiters, sizeof *network->route_waiters);
    network->route_waiters[network->n_route_waiters++] = join;
    join->open++;
    network->routes_wanted = true;
    send_routes(gateway);
}

/* ---- presence ---- */

/* That 'ip' is at 'mac', in the way of its family. */
static size_t announcement(const struct mac *mac, const struct ip *ip, uint16_t vlan, uint8_t frame[ND_FRAME_SIZE])
{
    return ip->family == IP_V6 ? pipeline_nd_advertisement(mac, ip, vlan, frame) : pipeline_garp(mac, ip, vlan, frame);
}

/* Out of every port that is up: of the fabric with the segment's tag, of the others without one. In VPLS mode the
 * switch's own tables take it to the other ends of the segment. */
static void tell_segment(struct gateway *gateway, const struct switch_info *sw, const struct mac *mac,
                         const struct ip *ip, uint16_t vlan, bool servers)
{
    const struct switch_ops *ops = gateway->south.switches->ops;
    uint8_t frame[ND_FRAME_SIZE];
    size_t size;

    for (size_t i = 0; i < sw->n_ports; i++) {
        const struct switch_port *port = &sw->ports[i];

        if (!port->up || (port->fabric ? tunnels_used(gateway) : !servers))
            continue;
        size = announcement(mac, ip, port->fabric ? vlan : 0, frame);
        ops->packet_out(gateway->south.switches, sw->name, port->number, frame, size);
    }
    if (tunnels_used(gateway)) {
        size = announcement(mac, ip, vlan, frame);
        ops->packet_out(gateway->south.switches, sw->name, PORT_TABLE, frame, size);
    }
}

/* Tells the segment who answers for the VM's addresses now: the VM itself, or the gateway, if it lives elsewhere, but
 * only for that of IPv4: it does not route IPv6, and those of a VM that is gone are found by nobody. A frame
 * with the VM's MAC enters the fabric where the VM is, at its ToR: P switches learn the way to it from there, and a VM
 * that has nothing to say is found all the same. */
static void announce(struct gateway *gateway, const struct switch_info *pe, const struct tenant *tenant)
{
    const struct segment_state *segment = network_segment(gateway, tenant->segment);
    uint32_t port;
    const struct switch_info *tor = network_tor(gateway, tenant->server, &port, NULL);

    if (!tenant->present)
        tell_segment(gateway, pe, &segment->flows.gateway_mac, &tenant->ip, segment->flows.vlan, false);
    else if (tor)
        tell_segment(gateway, tor, &tenant->mac, &tenant->ip, segment->flows.vlan, true);
    for (unsigned i = 0; tenant->present && tor && i < tenant->ip6.n; i++)
        tell_segment(gateway, tor, &tenant->mac, &tenant->ip6.items[i], segment->flows.vlan, true);
}

void network_set_present(struct gateway *gateway, const uint8_t uuid[UUID_SIZE], bool present, struct join *join)
{
    struct tenant *tenant = network_tenant(gateway, uuid);
    struct err err = {0};
    const struct switch_info *pe = network_edge(gateway, SWITCH_ROLE_PE, &err);

    if (!tenant) {
        err_set(&err, ERR_INTERNAL, "a VM that the network does not serve cannot be made reachable");
        join_fail(join, &err);
        return;
    }
    tenant->present = present;
    if (pe) {
        struct pipeline_vm vm = {.cookie = cookie_of_vm(tenant->uuid),
                                 .mac = tenant->mac,
                                 .ip = tenant->ip,
                                 .transport_port = transport_port(gateway, pe)};
        const struct segment_state *segment = network_segment(gateway, tenant->segment);
        struct flow_txn txn = {0};

        if (present)
            pipeline_vm_pe(&txn, &segment->flows, &vm);
        else
            pipeline_vm_remove(&txn, &vm);
        network_apply(gateway, pe, &txn, join);
        if (segment->flows.vlan)
            announce(gateway, pe, tenant);
        if (present)
            users_announce_vm(gateway, tenant);
    } else {
        join_fail(join, &err);
    }
    if ((present ? served_keep(gateway, tenant, &err) : served_forget(gateway, tenant->uuid, &err)) < 0)
        join_fail(join, &err);
    want_routes(gateway, join);
}

/* ---- what waits ---- */

void network_address_free(struct gateway *gateway)
{
    if (gateway->network.adopt_waits)
        gateway->network.adopt_at = gateway->now;
}

/* What a server that is away was last seen to run may run elsewhere now. */
static bool may_wait(const struct gateway *gateway, const struct vm *vm)
{
    const struct server *server = inventory_server(&gateway->inventory, vm->server);
    const struct tenant *tenant = network_tenant(gateway, vm->uuid);

    return vm->state == VM_RUNNING && server && server->up && (!tenant || strcmp(tenant->server, vm->server) == 0);
}

/* VMs of open orders are left to these. */
static void adopt_again(struct gateway *gateway)
{
    gateway->network.adopt_waits = false;
    gateway->network.adopt_at = MONO_NEVER;
    for (size_t i = 0; i < gateway->inventory.n_vms; i++) {
        const struct vm *vm = &gateway->inventory.vms[i];

        if (may_wait(gateway, vm) && !migration_of_vm(gateway, vm->uuid, NULL))
            network_adopt(gateway, vm);
    }
}

void network_tick(struct gateway *gateway)
{
    struct network *network = &gateway->network;

    if (mono_reached(network->next_hop.probe_at, gateway->now))
        next_hop_probe(gateway);
    if (mono_reached(network->routes_retry, gateway->now))
        send_routes(gateway);
    if (mono_reached(network->resync_at, gateway->now))
        network_resync(gateway);
    if (mono_reached(network->adopt_at, gateway->now))
        adopt_again(gateway);
    if (mono_reached(network->parts_at, gateway->now))
        network_retry_parts(gateway);
}

struct mono network_deadline(const struct gateway *gateway)
{
    const struct network *network = &gateway->network;

    return mono_min(mono_min(network->next_hop.probe_at, mono_min(network->adopt_at, network->parts_at)),
                    mono_min(network->routes_retry, network->resync_at));
}

/* ---- VMs that are just there ---- */

/* Whether this DC may serve the VM: another DC's claim of a generation is stronger than a domain that turns up here. */
static bool claimed_here(struct gateway *gateway, const struct vm *vm)
{
    struct store_location location = {0};
    struct err err = {0};

    if (store_location_get(gateway->store, vm->uuid, &location, &err) == 0) {
        if (strcmp(location.dc, gateway->config->dc) == 0)
            return true;
        log_warn(FAULT_OPERATOR, vm->name,
                 "runs on %s, but generation %llu of it belongs to data center %s; it gets no network here", vm->server,
                 (unsigned long long) location.generation, location.dc);
        return false;
    }
    memcpy(location.uuid, vm->uuid, UUID_SIZE);
    name_copy(location.vm, vm->name);
    name_copy(location.dc, gateway->config->dc);
    if (store_location_put(gateway->store, &location, &err) < 0) {
        log_error(FAULT_OURS, vm->name, "%s", err.text);
        return false;
    }
    return true;
}

int network_stored_policy(const struct gateway *gateway, const char *vm, struct policy *policy, struct err *err)
{
    AUTO_FREE char *text = NULL;
    int status = store_policy_get(gateway->store, vm, &text, err);

    if (status == 0) {
        json_t *json = json_loads(text, 0, NULL);
        struct policy_book book = address_set_book(gateway);

        status = policy_from_json_with(json, &book, policy, err);
        json_decref(json);
        if (status)
            err_prefix(err, "the stored policy of VM %s", vm);
    }
    return status;
}

/* A VM whose policy cannot be read gets no network: it must not run without it. */
static int tenant_of_vm(struct gateway *gateway, const struct vm *vm, struct tenant *out, struct err *err)
{
    struct tenant tenant = {.mac = vm->nics[0].mac, .ip = vm->nics[0].ip, .ip6 = vm->nics[0].ip6};

    memcpy(tenant.uuid, vm->uuid, UUID_SIZE);
    memcpy(tenant.name, vm->name, NAME_SIZE);
    memcpy(tenant.server, vm->server, NAME_SIZE);
    memcpy(tenant.segment, vm->segment, NAME_SIZE);

    int status = network_stored_policy(gateway, vm->name, &tenant.policy, err);
    tenant.has_policy = status == 0;
    if (status && status != ERR_NOT_FOUND)
        return err_prefix(err, "VM %s gets no network, for its stored policy cannot be read", vm->name);
    *out = tenant;
    return 0;
}

/* Flows of policies are told apart by address alone: two VMs with the same one would be under one policy. So the one
 * that comes later waits. */
static void take_in(struct gateway *gateway, const struct vm *vm)
{
    struct tenant *known = network_tenant(gateway, vm->uuid);
    bool moved = known && strcmp(known->server, vm->server) != 0;

    if (!network_segment(gateway, vm->segment) || !vm->n_nics || vm->nics[0].ip.family != IP_V4)
        return;
    if (known && known->present && !moved && mac_equal(&known->mac, &vm->nics[0].mac) &&
        ip_equal(&known->ip, &vm->nics[0].ip) && ip6_list_equal(&known->ip6, &vm->nics[0].ip6) &&
        strcmp(known->segment, vm->segment) == 0)
        return;
    struct err err = {0};
    if (network_check_vm(network_segment(gateway, vm->segment), vm->name, &vm->nics[0].ip, &err) < 0) {
        log_warn(FAULT_OPERATOR, vm->name, "gets no network: %s", err.text);
        return;
    }
    if (admission_check_running(gateway, vm, &err) < 0) {
        log_warn(FAULT_OPERATOR, vm->name, "gets no network: %s; give one of them another, or shut one of them off",
                 err.text);
        gateway->network.adopt_waits = true;
        return;
    }
    if (!claimed_here(gateway, vm))
        return;

    struct tenant like;
    if (tenant_of_vm(gateway, vm, &like, &err) < 0) {
        log_error(FAULT_OURS, vm->name, "%s", err.text);
        return;
    }
    struct join *join = network_background_join();

    if (moved) { /* within the data center, by hand */
        struct tenant old = *known;

        network_remove(gateway, &old, false, join);
    }
    network_set_tenant(gateway, &like);
    policy_free(&like.policy);
    network_open_segment(gateway, vm->segment, vm->server, join);
    network_install(gateway, vm->uuid, join);
    network_set_present(gateway, vm->uuid, true, join);
    join_close(gateway, join);
}

void network_adopt(struct gateway *gateway, const struct vm *vm)
{
    struct tenant *known = network_tenant(gateway, vm->uuid);

    switch (vm->state) {
    case VM_RUNNING:
        take_in(gateway, vm);
        break;
    case VM_PAUSED:
        /* Paused by an operator, and the gateway has started meanwhile: it keeps what it had. */
        if (!known && served_before(gateway, vm) && !migration_of_vm(gateway, vm->uuid, NULL))
            take_in(gateway, vm);
        if (known && known->present && migration_of_vm(gateway, vm->uuid, NULL)) {
            struct join *join = network_background_join();

            network_set_present(gateway, vm->uuid, false, join);
            join_close(gateway, join);
        }
        break;
    case VM_SHUT_OFF:
    case VM_CRASHED:
        if (known && strcmp(known->server, vm->server) == 0 && !migration_of_vm(gateway, vm->uuid, NULL)) {
            struct tenant like = *known;
            struct join *join = network_background_join();

            network_remove(gateway, &like, false, join);
            network_close_segments(gateway, join);
            join_close(gateway, join);
        }
        break;
    case VM_INCOMING:
        break;
    }
}
