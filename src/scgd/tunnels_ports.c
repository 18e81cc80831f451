/* SPDX-License-Identifier: Apache-2.0 */
/* Which ports are the fabric's in VPLS mode: those where LLDP has shown another switch of the data center. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/tunnels_internal.h"

static struct fabric_port *find(struct tunnels *tunnels, const char *switch_name, uint32_t number)
{
    for (size_t i = 0; i < tunnels->n_ports; i++) {
        if (tunnels->ports[i].number == number && strcmp(tunnels->ports[i].switch_name, switch_name) == 0)
            return &tunnels->ports[i];
    }
    return NULL;
}

static struct switch_port *port_at(const struct gateway *gateway, const char *switch_name, uint32_t number)
{
    struct switch_info *sw = inventory_switch(&gateway->inventory, switch_name);
    const struct switch_port *port = switch_port_by_number(sw, number);

    return port ? &sw->ports[port - sw->ports] : NULL;
}

static bool runs_rstp(const struct switch_port *ports, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (ports[i].rstp)
            return true;
    }
    return false;
}

void tunnels_judge_ports(struct gateway *gateway, const char *switch_name, struct switch_port *ports, size_t n)
{
    const struct switch_info *before = inventory_switch(&gateway->inventory, switch_name);

    if (!tunnels_used(gateway))
        return;
    for (size_t i = 0; i < n; i++) {
        const struct fabric_port *known = find(&gateway->tunnels, switch_name, ports[i].number);

        ports[i].rstp = ports[i].fabric;
        ports[i].fabric = known && strcmp(known->port_name, ports[i].name) == 0;
    }
    if (runs_rstp(ports, n) && !(before && runs_rstp(before->ports, before->n_ports)))
        log_warn(FAULT_OPERATOR, switch_name,
                 "runs RSTP, which blocks links that tunnels may take; in VPLS mode turn it off: ovs-vsctl set Bridge "
                 "%s rstp_enable=false",
                 switch_name);
}

bool tunnels_link_seen(struct gateway *gateway, const char *switch_name, uint32_t port)
{
    struct tunnels *tunnels = &gateway->tunnels;
    struct switch_port *at = port_at(gateway, switch_name, port);
    struct fabric_port *known = find(tunnels, switch_name, port);

    if (!tunnels_used(gateway) || !at || at->fabric)
        return false;
    if (!known) {
        tunnels->ports = array_reserve(tunnels->ports, tunnels->n_ports, &tunnels->cap_ports, sizeof *tunnels->ports);
        known = &tunnels->ports[tunnels->n_ports++];
    }
    *known = (struct fabric_port) {.number = port};
    snprintf(known->switch_name, sizeof known->switch_name, "%s", switch_name);
    memcpy(known->port_name, at->name, NAME_SIZE);
    at->fabric = true;
    return true;
}

void tunnels_server_seen(struct gateway *gateway, const char *switch_name, uint32_t port)
{
    struct tunnels *tunnels = &gateway->tunnels;
    struct switch_port *at = port_at(gateway, switch_name, port);
    struct fabric_port *known = find(tunnels, switch_name, port);

    if (!tunnels_used(gateway) || !known)
        return;
    *known = tunnels->ports[--tunnels->n_ports];
    if (at)
        at->fabric = false;
}
