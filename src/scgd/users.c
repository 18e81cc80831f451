/* SPDX-License-Identifier: Apache-2.0 */
/* Users on transport networks: which of them this data center serves, and their circuits. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/circuits_internal.h"

#define KIND "user" /* of documents in the store */

struct user *user_find(const struct gateway *gateway, const char *name)
{
    for (size_t i = 0; i < gateway->transport.n_users; i++) {
        if (strcmp(gateway->transport.users[i].name, name) == 0)
            return &gateway->transport.users[i];
    }
    return NULL;
}

/* The order brings VMs here, and has not given that up. */
static bool is_coming(const struct saga *saga)
{
    bool coming = !saga_ended(saga) && saga->order.role == ROLE_TARGET;

    for (unsigned s = 0; s < saga->n_steps && coming; s++) {
        if (saga->steps[s].kind == STEP_CIRCUIT_OPEN)
            coming = saga->steps[s].state != STEP_UNDOING && saga->steps[s].state != STEP_UNDONE;
    }
    return coming;
}

/* One of its VMs may still come. */
static bool is_expected(const struct order *order, const struct user *user)
{
    for (unsigned v = 0; v < user->n_vms; v++) {
        if (order->vms[order_find_vm(order, user->vms[v])].fate != FATE_STAYED)
            return true;
    }
    return false;
}

const struct user *user_expected(const struct gateway *gateway, const char *name)
{
    for (size_t i = 0; i < gateway->n_migrations; i++) {
        const struct saga *saga = gateway->migrations[i]->saga;

        for (unsigned u = 0; u < saga->order.n_users && is_coming(saga); u++) {
            const struct user *user = &saga->order.users[u];

            if (strcmp(user->name, name) == 0 && is_expected(&saga->order, user))
                return user;
        }
    }
    return NULL;
}

const struct user *user_known(const struct gateway *gateway, const char *name)
{
    const struct user *user = user_find(gateway, name);

    return user ? user : user_expected(gateway, name);
}

bool user_is_served(const struct gateway *gateway, const char *name)
{
    const struct user *user = user_find(gateway, name);

    return (user && user->n_vms && user_check_access(gateway, user, NULL) == 0) || user_expected(gateway, name);
}

/* ---- its circuit ---- */

int user_plan_circuit(const struct gateway *gateway, const struct user *user, struct circuit *like, struct err *err)
{
    const struct config_edge *edge = network_edge_config(gateway, EDGE_IP);

    if (!gateway->config->transport || !edge || !edge->transport_port)
        return err_set(err, ERR_NOT_FOUND, "user %s needs a circuit, but the configuration of data center %s has no %s",
                       user->name, gateway->config->dc,
                       gateway->config->transport ? "edge of role ip with a transport-port" : "section 'transport'");
    *like = (struct circuit) {.want = {.ingress = edge->transport.router,
                                       .egress = user->access_router,
                                       .ingress_client = {edge->transport.client, CLIENT_VLAN_ANY},
                                       .egress_client = user->access,
                                       .bandwidth_bps = (uint64_t) user->bandwidth_mbps * 1000000,
                                       .setup_priority = 3,
                                       .holding_priority = 3}};
    memcpy(like->user, user->name, sizeof like->user);
    if (snprintf(like->name, sizeof like->name, "%s:user:%s", gateway->config->dc, user->name) >=
        (int) sizeof like->name)
        return err_set(err, ERR_TOO_LARGE, "the name of data center %s is too long for an LSP's name",
                       gateway->config->dc);
    memcpy(like->want.name, like->name, sizeof like->want.name);
    return 0;
}

void user_disconnect(struct gateway *gateway, const char *user, struct join *join)
{
    const struct circuit *circuit = circuit_of_user(gateway, user);

    user_uninstall(gateway, user, join);
    if (circuit)
        circuit_close(gateway, circuit->name, join);
    tunnels_update(gateway); /* ends of its segment know its addresses no more */
}

/* ---- the list ---- */

/* Takes 'user' over. */
static int put(struct gateway *gateway, struct user user, struct err *err)
{
    struct transport *transport = &gateway->transport;
    struct user *known = user_find(gateway, user.name);

    if (gateway_keep(gateway, KIND, user.name, user_to_json(&user), err) < 0) {
        user_free(&user);
        return err->code;
    }
    if (known) {
        user_free(known);
    } else {
        transport->users = array_reserve(transport->users, transport->n_users, &transport->cap_users,
                                         sizeof *transport->users);
        known = &transport->users[transport->n_users++];
    }
    *known = user;
    return 0;
}

static int forget(struct gateway *gateway, const char *name, struct err *err)
{
    struct transport *transport = &gateway->transport;
    struct user *user = user_find(gateway, name);

    if (store_document_delete(gateway->store, KIND, name, err) < 0)
        return err->code;
    user_free(user);
    memmove(user, user + 1, (size_t) (&transport->users[--transport->n_users] - user) * sizeof *user);
    return 0;
}

/* None of them is being moved: an order has taken along what it knew of their users. */
static int check_settled(const struct gateway *gateway, const struct user *user, const char *what, struct err *err)
{
    for (unsigned v = 0; v < user->n_vms; v++) {
        const struct vm *vm = inventory_vm(&gateway->inventory, user->vms[v]);
        const struct migration *migration = vm ? migration_of_vm(gateway, vm->uuid, NULL) : NULL;

        if (migration)
            return err_set(err, ERR_CONFLICT, "user %s: its VM %s is in migration %s; %s it when that has ended",
                           user->name, vm->name, migration->saga->order.id, what);
    }
    return 0;
}

/* The PE where users have their access learns the VMs' MACs by port, from whichever circuit announced them last: of two
 * users of a segment at one port, one would get the other's frames. */
static int check_access(const struct user *user, const struct user *other, struct err *err)
{
    char router[IPV4_TEXT_SIZE], where[sizeof "VLAN 65535 of "] = "";

    if (strcmp(other->segment, user->segment) != 0 || other->access_router != user->access_router ||
        other->access.interface != user->access.interface)
        return 0;
    if (other->access.vlan != user->access.vlan && other->access.vlan != CLIENT_VLAN_NONE &&
        user->access.vlan != CLIENT_VLAN_NONE)
        return 0;
    if (other->access.vlan != CLIENT_VLAN_NONE)
        snprintf(where, sizeof where, "VLAN %u of ", other->access.vlan);
    return err_set(err, ERR_CONFLICT,
                   "user %s: user %s, of segment %s too, has its access at %sclient port %u of %s, and the PE there "
                   "cannot tell two users of a segment apart at one port; give each a client port, or a VLAN of it, of "
                   "its own, or make them one user with the addresses of both",
                   user->name, other->name, user->segment, where, user->access.interface,
                   ipv4_format(user->access_router, router));
}

/* Two users that are served, or are to be, by the same data center. */
static int check_against(const struct user *user, const struct user *other, struct err *err)
{
    char text[IP_TEXT_SIZE];

    if (strcmp(other->name, user->name) == 0)
        return 0;
    for (unsigned a = 0; a < user->n_addresses; a++) {
        for (unsigned o = 0; o < other->n_addresses; o++) {
            if (ip_equal(&other->addresses[o], &user->addresses[a]))
                return err_set(err, ERR_CONFLICT, "user %s: address %s is that of user %s", user->name,
                               ip_format(&user->addresses[a], text), other->name);
        }
    }
    return check_access(user, other, err);
}

/* Those that the data center knows, and those that come with VMs of open orders. */
static int check_others(const struct gateway *gateway, const struct user *user, struct err *err)
{
    for (size_t i = 0; i < gateway->transport.n_users; i++) {
        if (check_against(user, &gateway->transport.users[i], err) < 0)
            return err->code;
    }
    for (size_t i = 0; i < gateway->n_migrations; i++) {
        const struct saga *saga = gateway->migrations[i]->saga;

        for (unsigned u = 0; u < saga->order.n_users && is_coming(saga); u++) {
            if (is_expected(&saga->order, &saga->order.users[u]) && check_against(user, &saga->order.users[u], err) < 0)
                return err->code;
        }
    }
    return 0;
}

static int check_addresses(const struct gateway *gateway, const struct user *user, struct err *err)
{
    const struct segment_state *segment = network_segment(gateway, user->segment);
    char text[IP_TEXT_SIZE], whose[USER_NAME_SIZE + sizeof "user "];

    snprintf(whose, sizeof whose, "user %s", user->name);
    for (unsigned a = 0; a < user->n_addresses; a++) {
        const struct ip *ip = &user->addresses[a];

        if (ip->family == IP_V4 && network_check_host(segment, ip, whose, "name a host's under 'addresses'", err) < 0)
            return err->code;
        for (size_t i = 0; i < gateway->network.n_tenants; i++) {
            const struct tenant *tenant = &gateway->network.tenants[i];

            if (ip_equal(&tenant->ip, ip) || ip6_list_has(&tenant->ip6, ip))
                return err_set(err, ERR_CONFLICT, "user %s: address %s is that of VM %s", user->name,
                               ip_format(ip, text), tenant->name);
        }
    }
    return check_others(gateway, user, err);
}

int user_check_access(const struct gateway *gateway, const struct user *user, struct err *err)
{
    for (const struct user *earlier = gateway->transport.users; earlier < user; earlier++) {
        int status = check_access(user, earlier, err);

        if (status)
            return status;
    }
    return 0;
}

static int check_user(const struct gateway *gateway, const struct user *user, struct err *err)
{
    const struct user *known = user_find(gateway, user->name);

    if (!network_segment(gateway, user->segment))
        return err_set(err, ERR_NOT_FOUND, "user %s: segment %s is not known in data center %s", user->name,
                       user->segment, gateway->config->dc);
    if (user->n_vms == 0)
        return err_set(err, ERR_INVALID, "user %s uses no VM; name at least one under 'vms'", user->name);
    for (unsigned v = 0; v < user->n_vms; v++) {
        const struct vm *vm = inventory_vm(&gateway->inventory, user->vms[v]);

        if (!vm)
            return err_set(err, ERR_NOT_FOUND, "user %s: there is no VM '%s' in data center %s", user->name,
                           user->vms[v], gateway->config->dc);
        if (strcmp(vm->segment, user->segment) != 0)
            return err_set(err, ERR_CONFLICT, "user %s: VM %s is in segment '%s', not in %s", user->name, vm->name,
                           vm->segment, user->segment);
    }
    if (check_settled(gateway, user, "change", err) < 0 || (known && check_settled(gateway, known, "change", err) < 0))
        return err->code;
    if (user_expected(gateway, user->name))
        return err_set(err, ERR_CONFLICT, "user %s comes with VMs of an open migration; change it when that has ended",
                       user->name);
    return check_addresses(gateway, user, err);
}

static bool same_access(const struct user *a, const struct user *b)
{
    return a->access_router == b->access_router && a->access.interface == b->access.interface &&
           a->access.vlan == b->access.vlan && a->bandwidth_mbps == b->bandwidth_mbps;
}

/* An LSP is what it is: it does not get other ends or another bandwidth. */
static bool circuit_serves(const struct circuit *circuit, const struct circuit *like, const struct user *known,
                           const struct user *user)
{
    return circuit->want.ingress == like->want.ingress &&
           circuit->want.ingress_client.interface == like->want.ingress_client.interface &&
           (!known || same_access(known, user));
}

int user_set(struct gateway *gateway, const struct user *user, struct err *err)
{
    struct circuit *old = circuit_of_user(gateway, user->name), like;
    int status = check_user(gateway, user, err);

    if (status == 0)
        status = user_plan_circuit(gateway, user, &like, err);
    if (status == 0 && old && old->state != CIRCUIT_REMOVING &&
        !circuit_serves(old, &like, user_find(gateway, user->name), user))
        status = err_set(err, ERR_CONFLICT,
                         "user %s has a circuit with other ends or another bandwidth; delete the user first",
                         user->name);
    if (status == 0)
        status = put(gateway, user_copy(user), err);
    if (status)
        return status;

    if (old && old->state == CIRCUIT_REMOVING) /* it is opened when the old one has gone */
        return 0;
    struct join *join = network_background_join();
    circuit_open(gateway, &like, join);
    join_close(gateway, join);
    return 0;
}

void users_connect(struct gateway *gateway)
{
    for (size_t i = 0; i < gateway->transport.n_users; i++) {
        const struct user *user = &gateway->transport.users[i];
        struct circuit like;
        struct err err = {0};

        if (!user_is_served(gateway, user->name) || circuit_of_user(gateway, user->name))
            continue;
        if (user_plan_circuit(gateway, user, &like, &err) < 0) {
            log_warn(FAULT_OPERATOR, user->name, "%s", err.text);
            continue;
        }

        struct join *join = network_background_join();
        circuit_open(gateway, &like, join);
        join_close(gateway, join);
    }
}

static bool same_addresses(const struct user *a, const struct user *b)
{
    unsigned found = 0;

    for (unsigned i = 0; i < a->n_addresses; i++) {
        for (unsigned j = 0; j < b->n_addresses; j++)
            found += ip_equal(&a->addresses[i], &b->addresses[j]);
    }
    return found == a->n_addresses && found == b->n_addresses;
}

/* Of one order: against the others, which are known of nowhere yet if it is only planned. */
static int check_within(const struct order *order, unsigned u, struct err *err)
{
    const struct user *user = &order->users[u];
    char text[IP_TEXT_SIZE];

    for (unsigned other = 0; other < u; other++) {
        int status = check_against(user, &order->users[other], err);

        if (status)
            return status;
    }
    for (unsigned v = 0; v < order->n_vms; v++) {
        for (unsigned a = 0; a < user->n_addresses; a++) {
            const struct vm_nic *nic = &order->vms[v].nics[0];

            if (ip_equal(&user->addresses[a], &nic->ip) || ip6_list_has(&nic->ip6, &user->addresses[a]))
                return err_set(err, ERR_CONFLICT, "user %s: address %s is that of VM %s", user->name,
                               ip_format(&user->addresses[a], text), order->vms[v].name);
        }
    }
    return 0;
}

int users_admit(const struct gateway *gateway, const struct order *order, struct err *err)
{
    for (unsigned u = 0; u < order->n_users; u++) {
        const struct user *user = &order->users[u], *known = user_find(gateway, user->name);

        if (known &&
            (strcmp(known->segment, user->segment) != 0 || !same_access(known, user) || !same_addresses(known, user)))
            return err_set(err, ERR_CONFLICT,
                           "user %s is known in data center %s, with another segment, access, bandwidth or addresses; "
                           "have it alike in both data centers",
                           user->name, gateway->config->dc);
        if (check_within(order, u, err) < 0 || check_addresses(gateway, user, err) < 0)
            return err->code;
    }
    return 0;
}

int user_delete(struct gateway *gateway, const char *name, struct err *err)
{
    struct user *user = user_find(gateway, name);

    if (!user)
        return err_set(err, ERR_NOT_FOUND, "there is no user '%s' in data center %s", name, gateway->config->dc);
    if (check_settled(gateway, user, "delete", err) < 0)
        return err->code;

    AUTO_FREE char *kept = xstrdup(name); /* 'name' may be the user's own */
    if (forget(gateway, kept, err) < 0)
        return err->code;
    struct join *join = network_background_join();
    circuits_tidy(gateway, join);
    join_close(gateway, join);
    return 0;
}

int users_vm_arrived(struct gateway *gateway, const struct user *users, unsigned n, const char *vm, struct err *err)
{
    for (unsigned u = 0; u < n; u++) {
        const struct user *known = user_find(gateway, users[u].name);
        struct user user;

        if (user_find_vm(&users[u], vm) < 0 || (known && user_find_vm(known, vm) >= 0))
            continue;
        user = user_copy(known ? known : &users[u]);
        if (!known)
            user.n_vms = 0; /* of the others of the order each comes by itself, or does not */
        user_add_vm(&user, vm);
        if (put(gateway, user, err) < 0)
            return err->code;
    }
    return 0;
}

int users_vm_left(struct gateway *gateway, const char *vm, struct err *err)
{
    for (size_t i = gateway->transport.n_users; i-- > 0;) {
        struct user user = user_copy(&gateway->transport.users[i]);
        int status = 0;

        if (user_find_vm(&user, vm) < 0) {
            user_free(&user);
            continue;
        }
        user_remove_vm(&user, vm);
        if (user.n_vms) {
            status = put(gateway, user, err);
        } else {
            status = forget(gateway, user.name, err);
            user_free(&user);
        }
        if (status)
            return status;
    }
    return 0;
}
