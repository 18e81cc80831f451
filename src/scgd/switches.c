/* SPDX-License-Identifier: Apache-2.0 */
/* Whole switches: what one holds that comes, or changes, and what nobody knows any more; channels on the inter-DC PE.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/bookings.h"
#include "scgd/network_internal.h"
#include "scgd/probing.h"

/* ---- channels ---- */

static uint64_t channel_cookie(const struct open_channel *channel)
{
    char key[2 * IP_TEXT_SIZE], local[IP_TEXT_SIZE], remote[IP_TEXT_SIZE];

    snprintf(key, sizeof key, "%s-%s", ip_format(&channel->local, local), ip_format(&channel->remote, remote));
    return cookie_of_name(COOKIE_CHANNEL, key);
}

static bool channel_in_use(const struct network *network, uint64_t cookie)
{
    for (size_t i = 0; i < network->n_channels; i++) {
        if (channel_cookie(&network->channels[i]) == cookie)
            return true;
    }
    return false;
}

static int add_channel(struct gateway *gateway, const struct open_channel *channel, const struct switch_info *pe,
                       struct flow_txn *txn, struct err *err)
{
    const struct config_edge *edge = network_edge_config(gateway, EDGE_INTER_DC);
    const struct attachment *at = inventory_attachment(&gateway->inventory, channel->server, pe->name);
    const char *name = channel->vlan ? edge->transport_port : edge->uplink_port;
    const struct switch_port *uplink = name ? switch_port_by_name(pe, name) : NULL;

    if (!at)
        return err_set(err, ERR_NOT_FOUND,
                       "server %s is not seen on inter-DC PE %s; does lldpd run on its migration port?",
                       channel->server, pe->name);
    if (!name)
        return err_set(err, ERR_NOT_FOUND, "the channel ends at the %s of inter-DC PE %s, but its edge has none",
                       channel->vlan ? "transport-port" : "uplink-port", pe->name);
    if (!uplink)
        return err_set(err, ERR_NOT_FOUND, "inter-DC PE %s has no port %s, its %s by the configuration", pe->name, name,
                       channel->vlan ? "transport-port" : "uplink-port");

    struct pipeline_channel flows = {channel_cookie(channel), at->port,       uplink->number,
                                     channel->vlan,           channel->local, channel->remote};
    pipeline_channel_open(txn, &flows);
    return 0;
}

void network_restore_channel(struct gateway *gateway, const struct open_channel *channel)
{
    struct network *network = &gateway->network;

    for (size_t i = 0; i < network->n_channels; i++) {
        if (strcmp(network->channels[i].owner, channel->owner) == 0 &&
            channel_cookie(&network->channels[i]) == channel_cookie(channel))
            return;
    }
    network->channels = array_reserve(network->channels, network->n_channels, &network->cap_channels,
                                      sizeof *network->channels);
    network->channels[network->n_channels++] = *channel;
}

void network_open_channel(struct gateway *gateway, const struct open_channel *channel, struct join *join)
{
    struct err err = {0};
    const struct switch_info *pe = network_edge(gateway, SWITCH_ROLE_INTER_DC, &err);
    struct flow_txn txn = {0};

    if (!pe || add_channel(gateway, channel, pe, &txn, &err) < 0) {
        join_fail(join, &err);
        return;
    }
    network_restore_channel(gateway, channel);
    network_apply(gateway, pe, &txn, join);
}

void network_close_channels(struct gateway *gateway, const struct open_channel *channels, size_t n, struct join *join)
{
    struct network *network = &gateway->network;
    struct err err = {0};
    const struct switch_info *pe = network_edge(gateway, SWITCH_ROLE_INTER_DC, &err);
    struct flow_txn txn = {0};

    if (!pe) {
        join_fail(join, &err);
        return;
    }
    for (size_t c = 0; c < n; c++) {
        uint64_t cookie = channel_cookie(&channels[c]);

        for (size_t i = network->n_channels; i-- > 0;) {
            if (strcmp(network->channels[i].owner, channels[c].owner) == 0 &&
                channel_cookie(&network->channels[i]) == cookie)
                network->channels[i] = network->channels[--network->n_channels];
        }
        if (!channel_in_use(network, cookie))
            pipeline_channel_close(&txn, cookie);
    }
    if (txn.n_mods)
        network_apply(gateway, pe, &txn, join);
}

/* ---- a switch that comes, or changes ---- */

static struct pipeline_fabric fabric_of(const struct gateway *gateway, const struct switch_info *sw,
                                        uint32_t ports[PIPELINE_PORTS_MAX])
{
    return (struct pipeline_fabric) {ports, network_ports_of(sw, true, ports), tunnels_used(gateway)};
}

/* Segments that were closed while the switch was away. Those that are open follow in the same bundle. */
static void delete_closed_segments(struct flow_txn *txn)
{
    flow_txn_delete_cookie(txn, FLOW_TABLE_ALL, cookie_make(COOKIE_SEGMENT, 0), COOKIE_KIND_MASK);
}

/* Without VMs. */
static void fill_tor_base(struct gateway *gateway, const struct switch_info *sw, struct flow_txn *txn)
{
    uint32_t ports[PIPELINE_PORTS_MAX], servers[PIPELINE_PORTS_MAX];
    struct pipeline_fabric fabric = fabric_of(gateway, sw, ports);

    /* Every port that is not the fabric's may be a server's: only what SPOOF knows gets further. */
    pipeline_base_tor(txn, servers, network_ports_of(sw, false, servers), &fabric);
    if (!gateway->ready)
        return; /* what it holds of segments is right until the servers have been seen */
    delete_closed_segments(txn);
    for (unsigned i = 0; i < gateway->config->segments_count; i++) {
        if (network_segment_open(&gateway->network.segments[i]))
            network_add_segment_tor(gateway, sw, &gateway->network.segments[i], txn);
    }
}

static void fill_tor(struct gateway *gateway, const struct switch_info *sw, struct flow_txn *txn, struct err *err)
{
    fill_tor_base(gateway, sw, txn);
    probing_fill(gateway, sw, txn);
    for (size_t i = 0; i < gateway->network.n_tenants && gateway->ready; i++) {
        struct tenant *tenant = &gateway->network.tenants[i];
        uint32_t port;

        if (network_tor(gateway, tenant->server, &port, NULL) == sw &&
            network_allocate(gateway, tenant->segment, err) == 0 &&
            network_add_tenant_tor(gateway, tenant, sw, port, txn, err) == 0)
            network_tenant_sent(gateway, tenant);
    }
}

static void fill_pe(struct gateway *gateway, const struct switch_info *sw, struct flow_txn *txn, struct err *err)
{
    uint32_t ports[PIPELINE_PORTS_MAX];
    struct pipeline_fabric fabric = fabric_of(gateway, sw, ports);
    struct pipeline_uplink uplink;

    if (presence_uplink(gateway, sw, &uplink, err) < 0)
        return;
    pipeline_base_pe(txn, &uplink, &fabric);
    delete_closed_segments(txn);
    pipeline_neighbour_pe(txn, &uplink, next_hop_mac(gateway));
    for (unsigned i = 0; i < gateway->config->segments_count; i++) {
        if (network_segment_open(&gateway->network.segments[i]))
            network_add_segment_pe(gateway, sw, &gateway->network.segments[i], txn);
    }
    for (size_t i = 0; i < gateway->network.n_tenants; i++) {
        const struct tenant *tenant = &gateway->network.tenants[i];
        struct pipeline_vm vm = network_pipeline_vm(tenant, 0);

        vm.transport_port = transport_port(gateway, sw);
        if (tenant->present)
            pipeline_vm_pe(txn, &network_segment(gateway, tenant->segment)->flows, &vm);
    }
    users_fill_pe(gateway, sw, txn);
}

static void pe_is_filled(struct gateway *gateway)
{
    gateway->network.next_hop.probe_at = gateway->now;
    for (unsigned i = 0; i < gateway->config->segments_count; i++)
        gateway->network.segments[i].on_pe = network_segment_open(&gateway->network.segments[i]);
}

/* Before the server of a channel has been seen at a port, what stands of the channel is right: a transfer may go
 * through it. After that, only what is open may stand. */
static void fill_inter_dc(struct gateway *gateway, const struct switch_info *sw, struct flow_txn *txn, struct err *err)
{
    struct flow_txn channels = {0};
    uint32_t ports[PIPELINE_PORTS_MAX];
    struct pipeline_fabric fabric = fabric_of(gateway, sw, ports);
    bool all = gateway->ready;

    pipeline_base_inter_dc(txn, &fabric);
    for (size_t i = 0; i < gateway->network.n_channels && all; i++)
        all = add_channel(gateway, &gateway->network.channels[i], sw, &channels, err) == 0;
    if (all)
        flow_txn_delete_cookie(txn, FLOW_TABLE_ALL, cookie_make(COOKIE_CHANNEL, 0), COOKIE_KIND_MASK);
    for (size_t i = 0; i < channels.n_mods && all; i++) {
        if (channels.mods[i].command == FLOW_ADD)
            flow_txn_add(txn, flow_copy(&channels.mods[i].flow));
    }
    flow_txn_free(&channels);
}

/* ---- what nobody knows any more ---- */

bool network_vm_known(const struct gateway *gateway, uint64_t cookie)
{
    for (size_t i = 0; i < gateway->network.n_tenants; i++) {
        if (cookie_of_vm(gateway->network.tenants[i].uuid) == cookie)
            return true;
    }
    for (size_t m = 0; m < gateway->n_migrations; m++) {
        const struct saga *saga = gateway->migrations[m]->saga;

        for (unsigned v = 0; v < saga->order.n_vms && !saga_ended(saga); v++) {
            if (cookie_of_vm(saga->order.vms[v].uuid) == cookie)
                return true;
        }
    }
    return false;
}

struct unused_meters {
    const struct gateway *gateway;
    struct flow_txn *txn; /* only while it is filled */
    char pool[NAME_SIZE + 8];
    char owners[16][NUMBER_OWNER_SIZE]; /* the rest goes with the next time */
    size_t n;
};

static bool find_unused(void *arg, const char *owner, uint32_t number)
{
    struct unused_meters *unused = arg;
    uint8_t uuid[UUID_SIZE];
    char text[UUID_TEXT_SIZE];

    snprintf(text, sizeof text, "%.36s", owner);
    if (unused->n < ARRAY_LEN(unused->owners) && uuid_parse(text, uuid) == 0 &&
        !network_vm_known(unused->gateway, cookie_of_vm(uuid))) {
        flow_txn_meter_delete(unused->txn, number);
        snprintf(unused->owners[unused->n++], NUMBER_OWNER_SIZE, "%s", owner);
    }
    return true;
}

static answer_fn purged;

static void purge_read(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    AUTO_FREE char *name = context;
    const struct switch_info *sw = inventory_switch(&gateway->inventory, name);
    struct flow_txn txn = {0};

    if (event->err.code || !sw) {
        join_fail(join, &event->err);
        return;
    }
    for (size_t i = 0; i < event->read.flows.n; i++) {
        uint64_t cookie = event->read.flows.flows[i].cookie;

        if (!network_vm_known(gateway, cookie)) {
            flow_txn_delete_cookie(&txn, FLOW_TABLE_ALL, cookie, COOKIE_EXACT);
            pipeline_state_remove(&txn, cookie);
        }
    }
    struct unused_meters *unused = xcalloc(1, sizeof *unused);
    unused->gateway = gateway;
    unused->txn = &txn;
    network_meter_pool(sw->name, unused->pool);
    store_number_each(gateway->store, unused->pool, find_unused, unused, NULL);
    if (txn.n_mods || txn.n_meters_delete) {
        log_info(sw->name, "removes what is left of VMs that are gone: %zu flows, %zu meters", txn.n_mods,
                 txn.n_meters_delete);
        uint64_t request = gateway_request(gateway, join, purged, unused);

        network_send(gateway, request, sw->name, &txn);
    } else {
        free(unused);
    }
}

/* Meters that came into use again meanwhile keep their numbers. */
static void purged(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    AUTO_FREE struct unused_meters *unused = context;
    struct err err = {0};

    if (event->err.code)
        join_fail(join, &event->err);
    for (size_t i = 0; i < unused->n && event->err.code == 0; i++) {
        uint8_t uuid[UUID_SIZE];
        char text[UUID_TEXT_SIZE];

        snprintf(text, sizeof text, "%.36s", unused->owners[i]);
        if (uuid_parse(text, uuid) == 0 && !network_vm_known(gateway, cookie_of_vm(uuid)) &&
            store_number_free(gateway->store, unused->pool, unused->owners[i], &err) < 0)
            join_fail(join, &err);
    }
}

/* Flows and meters of VMs that went while the gateway, or the switch, was away. */
static void purge(struct gateway *gateway, const struct switch_info *sw, struct join *join)
{
    enum switch_role role = network_switch_role(gateway, sw);

    if ((role != SWITCH_ROLE_TOR && role != SWITCH_ROLE_PE) || !gateway_servers_up(gateway))
        return;
    uint64_t request = gateway_request(gateway, join, purge_read, xstrdup(sw->name));
    const struct switch_query query = {FLOW_TABLE_ALL, cookie_make(COOKIE_VM, 0), COOKIE_KIND_MASK, .keep = NULL};

    gateway->south.switches->ops->read(gateway->south.switches, request, sw->name, &query);
}

/* A switch that is no ToR and no PE towards the IP network. */
static void fill_other(struct gateway *gateway, const struct switch_info *sw, struct flow_txn *txn, struct err *err)
{
    const struct pipeline_fabric none = {.vpls = tunnels_used(gateway)};

    switch (network_switch_role(gateway, sw)) {
    case SWITCH_ROLE_INTER_DC:
        fill_inter_dc(gateway, sw, txn, err);
        break;
    case SWITCH_ROLE_P:
        pipeline_base_p(txn, tunnels_used(gateway));
        break;
    default:
        pipeline_base_tor(txn, NULL, 0, &none);
        break;
    }
}

/* All that the switch shall hold. What could not be made of it is in 'err'. */
static void fill(struct gateway *gateway, const struct switch_info *sw, struct flow_txn *txn, struct err *err)
{
    switch (network_switch_role(gateway, sw)) {
    case SWITCH_ROLE_TOR:
        fill_tor(gateway, sw, txn, err);
        break;
    case SWITCH_ROLE_PE:
        fill_pe(gateway, sw, txn, err);
        if (err->code == 0)
            pe_is_filled(gateway);
        break;
    default:
        fill_other(gateway, sw, txn, err);
        break;
    }
    if (tunnels_used(gateway) && network_switch_role(gateway, sw) != SWITCH_ROLE_PE &&
        network_switch_role(gateway, sw) != SWITCH_ROLE_TOR)
        delete_closed_segments(txn); /* it may have been a ToR */
    tunnels_fill(gateway, sw, txn);
}

int network_expected_base(struct gateway *gateway, const struct switch_info *sw, struct flow_txn *txn, struct err *err)
{
    enum switch_role role = network_switch_role(gateway, sw);
    struct err failed = {0};

    if (gateway_check_ready(gateway, err) < 0)
        return err->code;
    if (role == SWITCH_ROLE_TOR)
        fill_tor_base(gateway, sw, txn);
    else if (role == SWITCH_ROLE_PE)
        fill_pe(gateway, sw, txn, &failed);
    else
        fill_other(gateway, sw, txn, &failed);
    tunnels_fill(gateway, sw, txn);
    if (failed.code)
        *err = failed;
    return failed.code;
}

void network_switch_changed(struct gateway *gateway, const char *switch_name)
{
    const struct switch_info *sw = inventory_switch(&gateway->inventory, switch_name);
    struct flow_txn txn = {0};
    struct err err = {0};

    if (!sw || !sw->up)
        return;

    struct join *join = network_background_join();
    if (tunnels_used(gateway) && !gateway->ready) {
        pipeline_lldp(&txn); /* what else it holds is right until the fabric has been seen */
        network_apply(gateway, sw, &txn, join);
        join_close(gateway, join);
        return;
    }
    fill(gateway, sw, &txn, &err);
    if (err.code)
        log_warn(FAULT_OPERATOR, switch_name, "%s", err.text);
    if (err.code) {
        network_apply(gateway, sw, &txn, join);
        network_begun(gateway, CHANGE_WHOLE);
    } else {
        network_apply_whole(gateway, sw, &txn, join);
    }
    if (gateway->ready)
        purge(gateway, sw, join);
    if (gateway->ready && network_switch_role(gateway, sw) == SWITCH_ROLE_TOR && gateway_servers_up(gateway)) {
        network_free_unknown_queues(gateway, sw);
        bookings_sync(gateway, sw, NULL, join);
    }
    join_close(gateway, join);
}

void network_resync(struct gateway *gateway)
{
    gateway->network.resync_at = MONO_NEVER;
    tunnels_plan(gateway);
    for (size_t i = 0; i < gateway->inventory.n_switches; i++)
        network_switch_changed(gateway, gateway->inventory.switches[i].name);
    network_tidy(gateway);
}
