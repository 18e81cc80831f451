/* SPDX-License-Identifier: Apache-2.0 */
/* Users on transport networks: which of them this data center serves, their circuits, and what the PE holds of them. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/circuits.h"
#include "scgd/network_internal.h"

#define KIND "user" /* of documents in the store */

struct user *user_find(const struct gateway *gateway, const char *name)
{
    for (size_t i = 0; i < gateway->transport.n_users; i++) {
        if (strcmp(gateway->transport.users[i].name, name) == 0)
            return &gateway->transport.users[i];
    }
    return NULL;
}

/* An open order that brings VMs of the user here, and has not given that up. */
static const struct user *user_expected(const struct gateway *gateway, const char *name)
{
    for (size_t i = 0; i < gateway->n_migrations; i++) {
        const struct saga *saga = gateway->migrations[i]->saga;
        bool coming = !saga_ended(saga) && saga->order.role == ROLE_TARGET;

        for (unsigned s = 0; s < saga->n_steps && coming; s++) {
            if (saga->steps[s].kind == STEP_CIRCUIT_OPEN)
                coming = saga->steps[s].state != STEP_UNDOING && saga->steps[s].state != STEP_UNDONE;
        }
        for (unsigned u = 0; u < saga->order.n_users && coming; u++) {
            const struct user *user = &saga->order.users[u];

            if (strcmp(user->name, name) != 0)
                continue;
            for (unsigned v = 0; v < user->n_vms; v++) {
                if (saga->order.vms[order_find_vm(&saga->order, user->vms[v])].fate != FATE_STAYED)
                    return user;
            }
        }
    }
    return NULL;
}

/* As it is served here, or will be; null: neither. */
static const struct user *user_known(const struct gateway *gateway, const char *name)
{
    const struct user *user = user_find(gateway, name);

    return user ? user : user_expected(gateway, name);
}

bool user_is_served(const struct gateway *gateway, const char *name)
{
    const struct user *user = user_find(gateway, name);

    return (user && user->n_vms) || user_expected(gateway, name);
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

/* ---- its flows ---- */

uint32_t transport_port(const struct gateway *gateway, const struct switch_info *sw)
{
    for (unsigned i = 0; i < gateway->config->edges_count; i++) {
        const struct config_edge *edge = &gateway->config->edges[i];
        const struct switch_port *port;

        if (strcmp(edge->switch_name, sw->name) != 0 || !edge->transport_port)
            continue;
        port = switch_port_by_name(sw, edge->transport_port);
        return port ? port->number : 0;
    }
    return 0;
}

static uint64_t cookie_of_user(const char *user)
{
    return cookie_of_name(COOKIE_CIRCUIT, user);
}

/* 0, also with no flow: no VM of the segment is here, so it is closed; the flows come when it is opened. ERR_NOT_FOUND:
 * nobody uses the circuit any more, or the PE lacks the port. */
static int add_flows(struct gateway *gateway, const struct circuit *circuit, const struct switch_info *pe,
                     struct flow_txn *txn, struct err *err)
{
    const struct user *user = user_known(gateway, circuit->user);
    const struct segment_state *segment;
    uint32_t port = transport_port(gateway, pe);

    if (!user)
        return err_set(err, ERR_NOT_FOUND, "user %s is not served here any more", circuit->user);
    if (!port)
        return err_set(err, ERR_NOT_FOUND, "PE %s has no port %s, its transport-port by the configuration", pe->name,
                       network_edge_config(gateway, EDGE_IP)->transport_port);
    segment = network_segment(gateway, user->segment);
    if (!network_segment_open(segment) && !user_expected(gateway, user->name))
        return 0;
    if (network_allocate(gateway, user->segment, err) < 0)
        return err->code;

    struct pipeline_circuit flows = {cookie_of_user(user->name), port, circuit->want.ingress_client.vlan,
                                     user->addresses, user->n_addresses};
    pipeline_circuit_pe(txn, &segment->flows, &flows);
    return 0;
}

static bool of_segment(const struct gateway *gateway, const struct circuit *circuit, const char *segment)
{
    const struct user *user = *circuit->user ? user_known(gateway, circuit->user) : NULL;

    return user && (!segment || strcmp(user->segment, segment) == 0);
}

static void tell(struct gateway *gateway, const struct switch_info *pe, const struct circuit *circuit,
                 const struct mac *mac, const struct ip *ip)
{
    uint8_t frame[GARP_FRAME_SIZE];
    size_t size = pipeline_garp(mac, ip, circuit->want.ingress_client.vlan, frame);

    gateway->south.switches->ops->packet_out(gateway->south.switches, pe->name, transport_port(gateway, pe), frame,
                                             size);
}

void user_install(struct gateway *gateway, const struct circuit *circuit, struct join *join)
{
    struct err err = {0};
    const struct switch_info *pe = network_edge(gateway, SWITCH_ROLE_PE, &err);
    struct flow_txn txn = {0};

    if (!pe || add_flows(gateway, circuit, pe, &txn, &err) < 0) {
        join_fail(join, &err);
        return;
    }
    if (txn.n_mods)
        network_apply(gateway, pe, &txn, join);
    for (size_t i = 0; i < gateway->network.n_tenants; i++) {
        const struct tenant *tenant = &gateway->network.tenants[i];

        if (tenant->present && of_segment(gateway, circuit, tenant->segment))
            tell(gateway, pe, circuit, &tenant->mac, &tenant->ip);
    }
}

void user_disconnect(struct gateway *gateway, const char *user, struct join *join)
{
    const struct circuit *circuit = circuit_of_user(gateway, user);
    struct err err = {0};
    const struct switch_info *pe = network_edge(gateway, SWITCH_ROLE_PE, &err);
    struct flow_txn txn = {0};

    if (pe) {
        pipeline_circuit_remove(&txn, cookie_of_user(user));
        network_apply(gateway, pe, &txn, join);
    } else {
        join_fail(join, &err);
    }
    if (circuit)
        circuit_close(gateway, circuit->name, join);
}

void users_fill_segment(struct gateway *gateway, const struct switch_info *pe, const char *segment,
                        struct flow_txn *txn)
{
    for (size_t i = 0; i < gateway->transport.n_circuits; i++) {
        const struct circuit *circuit = gateway->transport.circuits[i];
        struct err err = {0};

        if (of_segment(gateway, circuit, segment) && circuit->want.ingress_client.vlan &&
            circuit->state != CIRCUIT_REMOVING && add_flows(gateway, circuit, pe, txn, &err) < 0)
            log_warn(FAULT_OPERATOR, circuit->name, "%s", err.text);
    }
}

void users_clear_segment(struct gateway *gateway, const char *segment, struct flow_txn *txn)
{
    for (size_t i = 0; i < gateway->transport.n_circuits; i++) {
        if (of_segment(gateway, gateway->transport.circuits[i], segment))
            pipeline_circuit_remove(txn, cookie_of_user(gateway->transport.circuits[i]->user));
    }
}

void users_fill_pe(struct gateway *gateway, const struct switch_info *pe, struct flow_txn *txn)
{
    /* Before the ingress has told which circuits stand, what the PE holds of them is right. */
    if (!gateway->ready)
        return;
    flow_txn_delete_cookie(txn, FLOW_TABLE_ALL, cookie_make(COOKIE_CIRCUIT, 0), COOKIE_KIND_MASK);
    users_fill_segment(gateway, pe, NULL, txn);
}

void users_announce_vm(struct gateway *gateway, const char *segment, const struct mac *mac, const struct ip *ip)
{
    const struct switch_info *pe = network_edge(gateway, SWITCH_ROLE_PE, NULL);

    for (size_t i = 0; i < gateway->transport.n_circuits && pe; i++) {
        const struct circuit *circuit = gateway->transport.circuits[i];
        if (circuit->state == CIRCUIT_UP && of_segment(gateway, circuit, segment))
            tell(gateway, pe, circuit, mac, ip);
    }
}

/* ---- the list ---- */

static int put_document(struct gateway *gateway, const struct user *user, struct err *err)
{
    json_t *json = user_to_json(user);
    AUTO_FREE char *text = json_dumps(json, JSON_COMPACT);

    json_decref(json);
    return store_document_put(gateway->store, KIND, user->name, text, err);
}

/* Takes 'user' over. */
static int put(struct gateway *gateway, struct user user, struct err *err)
{
    struct transport *transport = &gateway->transport;
    struct user *known = user_find(gateway, user.name);

    if (put_document(gateway, &user, err) < 0) {
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
    *user = transport->users[--transport->n_users];
    return 0;
}

static int check_addresses(const struct gateway *gateway, const struct user *user, struct err *err)
{
    const struct segment_state *segment = network_segment(gateway, user->segment);
    struct prefix subnet = prefix_of(&segment->flows.gateway, segment->flows.length);
    char text[IP_TEXT_SIZE];

    for (unsigned a = 0; a < user->n_addresses; a++) {
        const struct ip *ip = &user->addresses[a];

        if (!prefix_contains(&subnet, ip) || ip_equal(ip, &segment->flows.gateway) || ip_equal(ip, &subnet.ip))
            return err_set(err, ERR_CONFLICT, "user %s: address %s is not a host's in segment %s, %s", user->name,
                           ip_format(ip, text), user->segment, segment->config->gateway);
        for (size_t i = 0; i < gateway->network.n_tenants; i++) {
            if (ip_equal(&gateway->network.tenants[i].ip, ip))
                return err_set(err, ERR_CONFLICT, "user %s: address %s is that of VM %s", user->name,
                               ip_format(ip, text), gateway->network.tenants[i].name);
        }
        for (size_t i = 0; i < gateway->transport.n_users; i++) {
            const struct user *other = &gateway->transport.users[i];

            for (unsigned o = 0; o < other->n_addresses && strcmp(other->name, user->name) != 0; o++) {
                if (ip_equal(&other->addresses[o], ip))
                    return err_set(err, ERR_CONFLICT, "user %s: address %s is that of user %s", user->name,
                                   ip_format(ip, text), other->name);
            }
        }
    }
    return 0;
}

static int check_user(const struct gateway *gateway, const struct user *user, struct err *err)
{
    const struct user *known = user_find(gateway, user->name);
    struct circuit like;

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
    for (unsigned v = 0; v < (known ? known->n_vms : 0); v++) {
        const struct vm *vm = inventory_vm(&gateway->inventory, known->vms[v]);
        const struct migration *migration = vm ? migration_of_vm(gateway, vm->uuid, NULL) : NULL;

        if (migration)
            return err_set(err, ERR_CONFLICT, "user %s: its VM %s is in migration %s; change it when that has ended",
                           user->name, vm->name, migration->saga->order.id);
    }
    if (check_addresses(gateway, user, err) < 0)
        return err->code;
    return user_plan_circuit(gateway, user, &like, err);
}

static bool same_ends(const struct circuit *a, const struct circuit *b)
{
    return a->want.ingress == b->want.ingress && a->want.egress == b->want.egress &&
           a->want.ingress_client.interface == b->want.ingress_client.interface &&
           a->want.egress_client.interface == b->want.egress_client.interface &&
           a->want.bandwidth_bps == b->want.bandwidth_bps;
}

int user_set(struct gateway *gateway, const struct user *user, struct err *err)
{
    struct circuit *old = circuit_of_user(gateway, user->name), like;
    int status = check_user(gateway, user, err);

    if (status == 0)
        status = user_plan_circuit(gateway, user, &like, err);
    if (status == 0 && old && !same_ends(old, &like))
        status = err_set(err, ERR_CONFLICT,
                         "user %s has a circuit with other ends or another bandwidth; delete the user first",
                         user->name);
    if (status == 0)
        status = put(gateway, user_copy(user), err);
    if (status)
        return status;

    struct join *join = network_background_join();
    circuit_open(gateway, &like, join);
    join_close(gateway, join);
    return 0;
}

int user_delete(struct gateway *gateway, const char *name, struct err *err)
{
    struct user *user = user_find(gateway, name);

    if (!user)
        return err_set(err, ERR_NOT_FOUND, "there is no user '%s' in data center %s", name, gateway->config->dc);
    for (unsigned v = 0; v < user->n_vms; v++) {
        const struct vm *vm = inventory_vm(&gateway->inventory, user->vms[v]);
        const struct migration *migration = vm ? migration_of_vm(gateway, vm->uuid, NULL) : NULL;

        if (migration)
            return err_set(err, ERR_CONFLICT, "user %s: its VM %s is in migration %s; delete it when that has ended",
                           name, vm->name, migration->saga->order.id);
    }

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
