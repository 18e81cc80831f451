/* SPDX-License-Identifier: Apache-2.0 */
/* What the PE holds of users on transport networks. */
#include <string.h>

#include "base/log.h"
#include "scgd/circuits_internal.h"
#include "scgd/network_internal.h"

uint32_t transport_port(const struct gateway *gateway, const struct switch_info *pe)
{
    const struct config_edge *edge = network_edge_config(gateway, EDGE_IP);
    const struct switch_port *port = edge && edge->transport_port && strcmp(edge->switch_name, pe->name) == 0 ?
                                         switch_port_by_name(pe, edge->transport_port) :
                                         NULL;

    return port ? port->number : 0;
}

static uint64_t cookie_of_user(const char *user)
{
    return cookie_of_name(COOKIE_CIRCUIT, user);
}

/* 0, also with no flow: no VM of the segment is here, so it is closed, and the flows come when it is opened.
 * ERR_NOT_FOUND: nobody uses the circuit any more, or the PE lacks the port. */
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
    if (segment && !network_segment_open(segment) && !user_expected(gateway, user->name)) {
        pipeline_circuit_remove(txn, cookie_of_user(user->name)); /* it may have been of another one */
        return 0;
    }
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

void users_each_address(const struct gateway *gateway, const char *segment, void (*fn)(void *arg, const struct ip *ip),
                        void *arg)
{
    for (size_t i = 0; i < gateway->transport.n_circuits; i++) {
        const struct circuit *circuit = gateway->transport.circuits[i];
        const struct user *user = user_known(gateway, circuit->user);

        for (unsigned a = 0; of_segment(gateway, circuit, segment) && a < user->n_addresses; a++)
            fn(arg, &user->addresses[a]);
    }
}

/* The VM's MAC to whatever learns MACs on the circuit, and the VM and each address of the user to each other: while
 * there was no circuit, the PE answered for the user when the VM asked, as for all else in the segment; but for IPv6,
 * of which the user is only told that the VM has come. */
static void tell(struct gateway *gateway, const struct switch_info *pe, const struct circuit *circuit,
                 const struct tenant *tenant)
{
    const struct user *user = user_known(gateway, circuit->user);
    const struct switch_ops *ops = gateway->south.switches->ops;
    uint16_t vlan = circuit->want.ingress_client.vlan;
    uint32_t port = transport_port(gateway, pe);
    uint8_t frame[ND_FRAME_SIZE];
    size_t size = pipeline_garp(&tenant->mac, &tenant->ip, vlan, frame);

    ops->packet_out(gateway->south.switches, pe->name, port, frame, size);
    for (unsigned a = 0; a < user->n_addresses; a++) {
        if (user->addresses[a].family != IP_V4)
            continue;
        size = pipeline_arp_request(&tenant->mac, &tenant->ip, &user->addresses[a], vlan, frame);
        ops->packet_out(gateway->south.switches, pe->name, port, frame, size);
    }
    for (unsigned a = 0; a < tenant->ip6.n; a++) {
        size = pipeline_nd_advertisement(&tenant->mac, &tenant->ip6.items[a], vlan, frame);
        ops->packet_out(gateway->south.switches, pe->name, port, frame, size);
    }
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
    tunnels_update(gateway);
}

void user_announce_vms(struct gateway *gateway, const struct circuit *circuit)
{
    const struct switch_info *pe = network_edge(gateway, SWITCH_ROLE_PE, NULL);

    for (size_t i = 0; i < gateway->network.n_tenants && pe; i++) {
        const struct tenant *tenant = &gateway->network.tenants[i];

        if (tenant->present && of_segment(gateway, circuit, tenant->segment))
            tell(gateway, pe, circuit, tenant);
    }
}

void user_uninstall(struct gateway *gateway, const char *user, struct join *join)
{
    struct err err = {0};
    const struct switch_info *pe = network_edge(gateway, SWITCH_ROLE_PE, &err);
    struct flow_txn txn = {0};

    if (!pe) {
        join_fail(join, &err);
        return;
    }
    pipeline_circuit_remove(&txn, cookie_of_user(user));
    network_apply(gateway, pe, &txn, join);
}

void users_fill_segment(struct gateway *gateway, const struct switch_info *pe, const char *segment,
                        struct flow_txn *txn)
{
    for (size_t i = 0; i < gateway->transport.n_circuits; i++) {
        const struct circuit *circuit = gateway->transport.circuits[i];
        struct err err = {0};

        if (of_segment(gateway, circuit, segment) && circuit->stands && circuit->state != CIRCUIT_REMOVING &&
            add_flows(gateway, circuit, pe, txn, &err) < 0)
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

void users_announce_vm(struct gateway *gateway, const struct tenant *tenant)
{
    const struct switch_info *pe = network_edge(gateway, SWITCH_ROLE_PE, NULL);

    for (size_t i = 0; i < gateway->transport.n_circuits && pe; i++) {
        const struct circuit *circuit = gateway->transport.circuits[i];
        if (circuit->state == CIRCUIT_UP && of_segment(gateway, circuit, tenant->segment))
            tell(gateway, pe, circuit, tenant);
    }
}
