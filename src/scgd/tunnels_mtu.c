/* SPDX-License-Identifier: Apache-2.0 */
/* What MTU a tunnel needs for the VMs at its ends, and what its links have. A longer frame is lost without a word. */
#include <string.h>

#include "base/log.h"
#include "scgd/tunnels_internal.h"

/* ---- what ports have ---- */

void narrowest_consider(struct narrowest *narrowest, const struct switch_info *sw, const struct switch_port *port)
{
    if (port && port->mtu && (!narrowest->port || port->mtu < narrowest->port->mtu))
        *narrowest = (struct narrowest) {sw, port};
}

struct narrowest tunnels_narrowest(const struct gateway *gateway, const struct tunnel_path *path)
{
    struct narrowest narrowest = {0};

    for (unsigned i = 0; i < path->n; i++) {
        const struct switch_info *sw = inventory_switch(&gateway->inventory, path->nodes[i].name);

        narrowest_consider(&narrowest, sw, switch_port_by_number(sw, path->nodes[i].in_port));
        narrowest_consider(&narrowest, sw, switch_port_by_number(sw, path->nodes[i].out_port));
    }
    return narrowest;
}

bool tunnel_path_fits(const struct gateway *gateway, const struct tunnel_path *path, uint32_t mtu)
{
    struct narrowest narrowest = tunnels_narrowest(gateway, path);

    return !narrowest.port || narrowest.port->mtu >= mtu;
}

/* ---- what VMs need ---- */

uint32_t tunnels_mtu_of_order(const struct order *order)
{
    uint32_t mtu = 0;

    for (unsigned v = 0; v < order->n_vms; v++) {
        if (order->vms[v].nics[0].mtu > mtu)
            mtu = order->vms[v].nics[0].mtu;
    }
    return mtu ? mtu + VPLS_OVERHEAD : 0;
}

/* Of a VM that is on its way here, the order tells. 0: not known. */
static uint32_t mtu_of_tenant(const struct gateway *gateway, const struct tenant *tenant)
{
    const struct vm *vm = inventory_vm_by_uuid(&gateway->inventory, tenant->uuid);

    for (unsigned n = 0; vm && n < vm->n_nics; n++) {
        if (mac_equal(&vm->nics[n].mac, &tenant->mac))
            return vm->nics[n].mtu;
    }
    for (size_t m = 0; m < gateway->n_migrations; m++) {
        const struct order *order = &gateway->migrations[m]->saga->order;

        for (unsigned v = 0; v < order->n_vms && order->role == ROLE_TARGET; v++) {
            if (memcmp(order->vms[v].uuid, tenant->uuid, UUID_SIZE) == 0)
                return order->vms[v].nics[0].mtu;
        }
    }
    return 0;
}

static void measure(struct tunnel *tunnel, const struct tenant *tenant, uint32_t mtu)
{
    if (mtu < tunnel->vm_mtu || (mtu == tunnel->vm_mtu && strcmp(tenant->name, tunnel->longest) > 0))
        return;
    tunnel->vm_mtu = mtu;
    memcpy(tunnel->longest, tenant->name, NAME_SIZE);
}

void tunnels_measure(struct gateway *gateway)
{
    struct tunnels *tunnels = &gateway->tunnels;

    for (size_t i = 0; i < tunnels->n_tunnels; i++)
        tunnels->tunnels[i]->vm_mtu = 0;
    for (size_t t = 0; t < gateway->network.n_tenants; t++) {
        const struct tenant *tenant = &gateway->network.tenants[t];
        const struct switch_info *tor = network_tor_seen(gateway, tenant->server, NULL);
        const struct segment_state *segment = network_segment(gateway, tenant->segment);
        uint32_t mtu = mtu_of_tenant(gateway, tenant);

        for (size_t i = 0; i < tunnels->n_tunnels && tor && segment && mtu; i++) {
            struct tunnel *tunnel = tunnels->tunnels[i];

            if ((strcmp(tor->name, tunnel->ends[0]) == 0 || strcmp(tor->name, tunnel->ends[1]) == 0) &&
                tunnels_segment_takes(gateway, (unsigned) (segment - gateway->network.segments), tunnel))
                measure(tunnel, tenant, mtu);
        }
    }
}

uint32_t tunnel_mtu(const struct tunnel *tunnel)
{
    return tunnel->vm_mtu ? tunnel->vm_mtu + VPLS_OVERHEAD : 0;
}

static void check_mtu(const struct gateway *gateway, const struct tunnel *tunnel, struct err *err)
{
    struct narrowest narrowest = tunnels_narrowest(gateway, &tunnel->path);
    uint32_t needed = tunnel_mtu(tunnel);

    if (!narrowest.port || narrowest.port->mtu >= needed)
        return;
    err_set(err, ERR_TOO_LARGE,
            "long frames are lost: VM %s has an MTU of %u and needs %u on every link of the tunnel between %s and %s; "
            "port %s of switch %s has %u, and no path is wider: raise it to %u at both ends of the link, or lower the "
            "VM's to %u",
            tunnel->longest, tunnel->vm_mtu, needed, tunnel->ends[0], tunnel->ends[1], narrowest.port->name,
            narrowest.sw->name, narrowest.port->mtu, needed,
            narrowest.port->mtu > VPLS_OVERHEAD ? narrowest.port->mtu - VPLS_OVERHEAD : 0);
}

void tunnel_judge_mtu(const struct gateway *gateway, struct tunnel *tunnel)
{
    struct err narrow = {0};

    if (!tunnel->err.code)
        check_mtu(gateway, tunnel, &narrow);
    if (narrow.code && strcmp(narrow.text, tunnel->narrow.text) != 0)
        log_warn(FAULT_OPERATOR, tunnel->ends[1], "%s", narrow.text);
    tunnel->narrow = narrow;
}
