/* SPDX-License-Identifier: Apache-2.0 */
/* Whether this data center can take the VMs of an order. Nothing here changes anything. */
#include <string.h>

#include "scgd/bookings.h"

#define GENERATION_MAX (UINT64_C(1) << 48) /* nobody moves a VM so often; more would exhaust the number */

/* ---- names, addresses, generations ---- */

/* Those of one interface of the VM and of one of another VM; 'server' may be empty. */
static int check_addresses(const char *vm, const struct vm_nic *nic, const char *name, const char *server,
                           const struct vm_nic *other, struct err *err)
{
    const struct ip *clash = nic->ip.family != IP_NONE && ip_equal(&other->ip, &nic->ip) ? &nic->ip : NULL;
    char text[IP_TEXT_SIZE];

    for (unsigned i = 0; i < nic->ip6.n && !clash; i++) {
        if (ip6_list_has(&other->ip6, &nic->ip6.items[i]))
            clash = &nic->ip6.items[i];
    }
    return clash ? err_set(err, ERR_CONFLICT, "address %s of VM %s is that of VM %s%s%s", ip_format(clash, text), vm,
                           name, *server ? " on " : "", server) :
                   0;
}

/* Neither MAC nor address may be that of another VM on 'server' ("": it is not said where that one is). */
static int check_nics(const char *vm, const struct vm_nic *nic, const char *other, const char *server,
                      const struct vm_nic *theirs, struct err *err)
{
    char text[IP_TEXT_SIZE];

    if (mac_equal(&nic->mac, &theirs->mac))
        return err_set(err, ERR_CONFLICT, "MAC address %s of VM %s is that of VM %s%s%s", mac_format(&nic->mac, text),
                       vm, other, *server ? " on " : "", server);
    return check_addresses(vm, nic, other, server, theirs, err);
}

static int check_clash(const struct gateway *gateway, const struct migration_vm *vm, struct err *err)
{
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
                if (check_nics(vm->name, &vm->nics[m], other->name, other->server, &other->nics[n], err) < 0)
                    return err->code;
            }
        }
    }
    return 0;
}

/* Other VMs that were promised a place, or have one, and are not in the inventory: addresses and cookies must differ.
 * So must addresses of users on transport networks. */
static int check_against(const struct migration_vm *vm, const char *name, const uint8_t uuid[UUID_SIZE],
                         const struct vm_nic *nic, struct err *err)
{
    if (memcmp(uuid, vm->uuid, UUID_SIZE) == 0)
        return 0;
    if (cookie_of_vm(uuid) == cookie_of_vm(vm->uuid))
        return err_set(err, ERR_CONFLICT, "the UUIDs of VMs %s and %s end alike, so their flows cannot be told apart",
                       vm->name, name);
    return check_nics(vm->name, &vm->nics[0], name, "", nic, err);
}

static int check_of_order(const struct vm *vm, const struct order *order, struct err *err)
{
    for (unsigned v = 0; v < order->n_vms; v++) {
        const struct migration_vm *other = &order->vms[v];

        if (memcmp(other->uuid, vm->uuid, UUID_SIZE) != 0 &&
            check_nics(vm->name, &vm->nics[0], other->name, order->target_server, &other->nics[0], err) < 0)
            return err->code;
    }
    return 0;
}

int admission_check_running(const struct gateway *gateway, const struct vm *vm, struct err *err)
{
    for (size_t i = 0; i < gateway->network.n_tenants; i++) {
        const struct tenant *tenant = &gateway->network.tenants[i];
        const struct vm_nic nic = {.mac = tenant->mac, .ip = tenant->ip, .ip6 = tenant->ip6};

        if (memcmp(tenant->uuid, vm->uuid, UUID_SIZE) != 0 &&
            check_nics(vm->name, &vm->nics[0], tenant->name, tenant->server, &nic, err) < 0)
            return err->code;
    }
    for (size_t m = 0; m < gateway->n_migrations; m++) {
        const struct saga *saga = gateway->migrations[m]->saga;

        if (!saga_ended(saga) && saga->order.role == ROLE_TARGET && check_of_order(vm, &saga->order, err) < 0)
            return err->code;
    }
    for (size_t i = 0; i < gateway->network.n_served; i++) {
        const struct served *served = &gateway->network.served[i];

        if (served_counts(gateway, served) && memcmp(served->uuid, vm->uuid, UUID_SIZE) != 0 &&
            check_nics(vm->name, &vm->nics[0], served->name, served->server, &served->nic, err) < 0)
            return err->code;
    }
    return 0;
}

static int check_promised(const struct gateway *gateway, const struct migration_vm *vm, struct err *err)
{
    char text[IP_TEXT_SIZE];

    for (size_t i = 0; i < gateway->network.n_tenants; i++) {
        const struct tenant *tenant = &gateway->network.tenants[i];
        const struct vm_nic nic = {.mac = tenant->mac, .ip = tenant->ip, .ip6 = tenant->ip6};

        if (check_against(vm, tenant->name, tenant->uuid, &nic, err) < 0)
            return err->code;
    }
    for (size_t u = 0; u < gateway->transport.n_users; u++) {
        const struct user *user = &gateway->transport.users[u];

        for (unsigned a = 0; a < user->n_addresses; a++) {
            const struct ip *ip = &user->addresses[a];

            if (ip_equal(ip, &vm->nics[0].ip) || ip6_list_has(&vm->nics[0].ip6, ip))
                return err_set(err, ERR_CONFLICT, "address %s of VM %s is that of user %s", ip_format(ip, text),
                               vm->name, user->name);
        }
    }
    for (size_t m = 0; m < gateway->n_migrations; m++) {
        const struct saga *saga = gateway->migrations[m]->saga;

        for (unsigned v = 0; v < saga->order.n_vms && !saga_ended(saga) && saga->order.role == ROLE_TARGET; v++) {
            const struct migration_vm *other = &saga->order.vms[v];

            if (other != vm && check_against(vm, other->name, other->uuid, &other->nics[0], err) < 0)
                return err->code;
        }
    }
    return 0;
}

static int check_address(const struct gateway *gateway, const struct migration_vm *vm, struct err *err)
{
    const struct segment_state *segment = network_segment(gateway, vm->segment);
    char text[MAC_TEXT_SIZE];

    if (!segment)
        return err_set(err, ERR_NOT_FOUND, "segment %s of VM %s is not known in data center %s", vm->segment, vm->name,
                       gateway->config->dc);
    if (network_check_vm(segment, vm->name, &vm->nics[0].ip, err) < 0)
        return err->code;
    if (vm->nics[0].mac.bytes[0] & 1)
        return err_set(err, ERR_INVALID, "MAC address %s of VM %s is a group's", mac_format(&vm->nics[0].mac, text),
                       vm->name);
    return 0;
}

static int check_generation(const struct gateway *gateway, const struct migration_vm *vm, struct err *err)
{
    struct store_location location;

    if (vm->generation > GENERATION_MAX)
        return err_set(err, ERR_INVALID, "VM %s: generation %llu is beyond reason", vm->name,
                       (unsigned long long) vm->generation);
    if (store_location_get(gateway->store, vm->uuid, &location, NULL) == 0 && location.generation >= vm->generation)
        return err_set(err, ERR_STALE, "VM %s: generation %llu is claimed, but %llu is known here", vm->name,
                       (unsigned long long) vm->generation, (unsigned long long) location.generation);
    return 0;
}

/* ---- MTU ---- */

/* Of all fabric: the spanning tree of Ethernet mode may take any link of it, now or after a failure. */
static struct narrowest narrowest_of_fabric(const struct gateway *gateway)
{
    struct narrowest narrowest = {0};

    for (size_t s = 0; s < gateway->inventory.n_switches; s++) {
        const struct switch_info *sw = &gateway->inventory.switches[s];

        for (size_t p = 0; p < sw->n_ports && sw->up; p++) {
            if (sw->ports[p].fabric && sw->ports[p].up)
                narrowest_consider(&narrowest, sw, &sw->ports[p]);
        }
    }
    return narrowest;
}

/* Whether a VM's frames, in 'overhead' bytes more, pass the port; one whose MTU is not told is taken to pass them. */
static int check_port(const struct migration_vm *vm, const struct narrowest *narrowest, uint32_t overhead,
                      const char *where, struct err *err)
{
    const struct switch_port *port = narrowest->port;
    uint32_t mtu = vm->nics[0].mtu, needed = mtu + overhead;

    if (!port || port->mtu >= needed)
        return 0;
    return err_set(
        err, ERR_REFUSED,
        "VM %s has an MTU of %u and needs %u on %s; port %s of switch %s has %u: raise it to %u at both ends "
        "of the link, or lower the VM's to %u",
        vm->name, mtu, needed, where, port->name, narrowest->sw->name, port->mtu, needed,
        port->mtu > overhead ? port->mtu - overhead : 0);
}

/* Of the way between server and PE. Neither Linux nor Open vSwitch counts a VLAN tag in an MTU. */
static int check_mtu(const struct gateway *gateway, const struct order *order, const struct switch_info *pe,
                     const struct switch_info *tor, uint32_t server_port, struct err *err)
{
    bool tunnels = tunnels_used(gateway);
    const char *where = tunnels ? "every link of the tunnel to its PE" : "every link of the fabric";
    struct narrowest edge = {0}, fabric;
    struct tunnel_path path = {0};
    int status = 0;

    narrowest_consider(&edge, tor, switch_port_by_number(tor, server_port));
    if (tunnels)
        status = tunnels_path(gateway, pe->name, tor->name, tunnels_mtu_of_order(order), &path, err);
    fabric = tunnels ? tunnels_narrowest(gateway, &path) : narrowest_of_fabric(gateway);
    for (unsigned v = 0; v < order->n_vms && status == 0; v++) {
        status = check_port(&order->vms[v], &edge, 0, "the link to its server", err);
        if (status == 0)
            status = check_port(&order->vms[v], &fabric, tunnels ? VPLS_OVERHEAD : 0, where, err);
    }
    return status;
}

/* ---- memory ---- */

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

static int check_memory(const struct gateway *gateway, const struct order *order, const struct migration *migration,
                        const struct server *server, struct err *err)
{
    uint64_t wanted = 0, promised = promised_kib(gateway, migration, order->target_server);

    for (unsigned v = 0; v < order->n_vms; v++)
        wanted += order->vms[v].memory_kib;
    if (wanted + promised > server->memory_free_kib)
        return err_set(err, ERR_REFUSED,
                       "server %s has %llu MiB of memory free, %llu MiB of it promised; the order needs %llu MiB",
                       server->name, (unsigned long long) server->memory_free_kib / 1024,
                       (unsigned long long) promised / 1024, (unsigned long long) wanted / 1024);
    return 0;
}

int admission_check(struct gateway *gateway, const struct order *order, const struct migration *migration,
                    struct err *err)
{
    const struct server *server = inventory_server(&gateway->inventory, order->target_server);
    const struct switch_info *tor, *pe;
    uint32_t port;
    int status = 0;

    if (!gateway_server_config(gateway, order->target_server) || !server)
        return err_set(err, ERR_NOT_FOUND, "server %s is not known in data center %s", order->target_server,
                       gateway->config->dc);
    if (!server->up)
        return err_set(err, ERR_UNREACHABLE, "the hypervisor of server %s does not answer", server->name);
    tor = network_tor(gateway, server->name, &port, err);
    pe = tor ? network_edge(gateway, SWITCH_ROLE_PE, err) : NULL;
    if (!pe || !network_edge(gateway, SWITCH_ROLE_INTER_DC, err))
        return err->code;
    for (unsigned v = 0; v < order->n_vms && status == 0; v++) {
        const struct migration_vm *vm = &order->vms[v];

        status = check_clash(gateway, vm, err);
        if (status == 0)
            status = check_promised(gateway, vm, err);
        if (status == 0)
            status = check_address(gateway, vm, err);
        if (status == 0)
            status = check_generation(gateway, vm, err);
    }
    if (status == 0)
        status = check_mtu(gateway, order, pe, tor, port, err);
    if (status == 0)
        status = bookings_check_order(gateway, order, err);
    if (status == 0)
        status = check_memory(gateway, order, migration, server, err);
    if (status == 0)
        status = flow_limits_check_order(gateway, tor, order, migration, err);
    return status == 0 ? users_admit(gateway, order, err) : status;
}
