/* SPDX-License-Identifier: Apache-2.0 */
/* What each switch shall hold follows from tenants, open segments and open channels. A step or an adoption changes
 * these and sends the difference; a switch that comes (back) gets all of it in one transaction. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/gateway.h"

#define COOKIE_KIND_MASK UINT64_C(0xffffff0000000000)

/* ---- roles ---- */

const char *switch_role_name(enum switch_role role)
{
    static const char *const names[] = {"unknown", "P", "ToR", "PE", "inter-DC PE"};

    return names[role];
}

const struct config_edge *network_edge_config(const struct gateway *gateway, enum config_edge_role role)
{
    for (unsigned i = 0; i < gateway->config->edges_count; i++) {
        if (gateway->config->edges[i].role == role)
            return &gateway->config->edges[i];
    }
    return NULL;
}

enum switch_role network_switch_role(const struct gateway *gateway, const struct switch_info *sw)
{
    size_t fabric = 0, other = 0;

    for (unsigned i = 0; i < gateway->config->edges_count; i++) {
        if (strcmp(gateway->config->edges[i].switch_name, sw->name) == 0)
            return gateway->config->edges[i].role == EDGE_IP ? SWITCH_ROLE_PE : SWITCH_ROLE_INTER_DC;
    }
    for (size_t i = 0; i < sw->n_ports; i++) {
        if (sw->ports[i].number >= PORT_MAX)
            continue;
        if (sw->ports[i].fabric)
            fabric++;
        else
            other++;
    }
    return other ? SWITCH_ROLE_TOR : fabric ? SWITCH_ROLE_P : SWITCH_ROLE_UNKNOWN;
}

const struct switch_info *network_edge(const struct gateway *gateway, enum switch_role role, struct err *err)
{
    const struct config_edge *edge = network_edge_config(gateway, role == SWITCH_ROLE_PE ? EDGE_IP : EDGE_INTER_DC);
    const struct switch_info *sw = edge ? inventory_switch(&gateway->inventory, edge->switch_name) : NULL;

    if (!edge) {
        err_set(err, ERR_NOT_FOUND, "data center %s has no %s; name one under 'edges' in the configuration",
                gateway->config->dc, switch_role_name(role));
        return NULL;
    }
    if (!sw || !sw->up) {
        err_set(err, ERR_UNREACHABLE, "%s %s is not connected to this gateway", switch_role_name(role),
                edge->switch_name);
        return NULL;
    }
    return sw;
}

const struct switch_info *network_tor(const struct gateway *gateway, const char *server, uint32_t *port,
                                      struct err *err)
{
    for (size_t i = 0; i < gateway->inventory.n_attachments; i++) {
        const struct attachment *a = &gateway->inventory.attachments[i];
        const struct switch_info *sw = inventory_switch(&gateway->inventory, a->switch_name);

        if (strcmp(a->server, server) != 0 || !sw || network_switch_role(gateway, sw) != SWITCH_ROLE_TOR)
            continue;
        if (!sw->up) {
            err_set(err, ERR_UNREACHABLE, "ToR %s of server %s is not connected to this gateway", sw->name, server);
            return NULL;
        }
        *port = a->port;
        return sw;
    }
    err_set(err, ERR_NOT_FOUND, "no ToR is known that server %s hangs off; does lldpd run on the server?", server);
    return NULL;
}

static size_t ports_of(const struct switch_info *sw, bool fabric, uint32_t ports[PIPELINE_PORTS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < sw->n_ports && n < PIPELINE_PORTS_MAX; i++) {
        if (sw->ports[i].number < PORT_MAX && sw->ports[i].fabric == fabric)
            ports[n++] = sw->ports[i].number;
    }
    return n;
}

/* ---- sending ---- */

#define RESYNC_FIRST_MS 2000
#define RESYNC_LAST_MS 60000

/* Nobody waits for it, so it is put right by bringing every switch to what it shall hold, later. */
static void background_done(struct gateway *gateway, struct join *join)
{
    struct network *network = &gateway->network;

    if (join->err.code == 0)
        return;
    if (join->err.code == ERR_NOT_FOUND || join->err.code == ERR_UNREACHABLE)
        log_info(NULL, "not yet: %s", join->err.text); /* it comes again with the switch or its neighbours */
    else
        log_warn(FAULT_PEER, NULL, "%s", join->err.text);
    bool again = mono_diff(gateway->now, network->resync_failed) < 2 * RESYNC_LAST_MS;
    network->resync_failed = gateway->now;
    network->resync_ms = network->resync_ms && again ? network->resync_ms * 2 : RESYNC_FIRST_MS;
    if (network->resync_ms > RESYNC_LAST_MS)
        network->resync_ms = RESYNC_LAST_MS;
    network->resync_at = mono_min(network->resync_at, mono_add(gateway->now, network->resync_ms));
}

struct join *network_background_join(void)
{
    return join_new(background_done);
}

void network_apply(struct gateway *gateway, const struct switch_info *sw, struct flow_txn *txn, struct join *join)
{
    uint64_t request = gateway_request(gateway, join, NULL, NULL);

    gateway->south.switches->ops->apply(gateway->south.switches, request, sw->name, txn);
}

/* ---- segments ---- */

void network_init(struct gateway *gateway)
{
    struct network *network = &gateway->network;
    const struct config *config = gateway->config;

    network->segments = xcalloc(config->segments_count, sizeof *network->segments);
    for (unsigned i = 0; i < config->segments_count; i++) {
        const struct config_segment *segment = &config->segments[i];
        struct segment_state *state = &network->segments[i];
        uint32_t number;

        state->config = segment;
        state->flows.cookie = cookie_of_name(COOKIE_SEGMENT, segment->name);
        state->flows.gateway_mac = segment->mac;
        state->flows.gateway = segment->gateway_ip;
        state->flows.length = segment->length;
        if (store_number_get(gateway->store, "segment", segment->name, &number, NULL) == 0)
            state->flows.number = number;
        if (store_number_get(gateway->store, "vlan", segment->name, &number, NULL) == 0)
            state->flows.vlan = (uint16_t) number;
    }
    network->next_probe = MONO_NEVER;
    network->resync_at = MONO_NEVER;
    network->routes_retry = MONO_NEVER;
    network->routes_wanted = true; /* whatever BIRD announces from before */
}

void network_free(struct gateway *gateway)
{
    struct network *network = &gateway->network;

    for (size_t i = 0; i < network->n_tenants; i++)
        policy_free(&network->tenants[i].policy);
    for (size_t i = 0; i < network->n_route_waiters; i++)
        join_drop(network->route_waiters[i]);
    free(network->tenants);
    free(network->segments);
    free(network->channels);
    free(network->route_waiters);
}

struct segment_state *network_segment(const struct gateway *gateway, const char *name)
{
    for (unsigned i = 0; i < gateway->config->segments_count; i++) {
        if (strcmp(gateway->network.segments[i].config->name, name) == 0)
            return &gateway->network.segments[i];
    }
    return NULL;
}

static bool segment_open(const struct segment_state *segment)
{
    return segment->flows.vlan && !segment->closing;
}

int network_allocate(struct gateway *gateway, const char *segment, struct err *err)
{
    struct segment_state *state = network_segment(gateway, segment);
    uint32_t number, vlan;

    if (!state)
        return err_set(err, ERR_NOT_FOUND, "segment %s is not known in data center %s; add it under 'segments'",
                       segment, gateway->config->dc);
    state->closing = false;
    if (state->flows.vlan)
        return 0;

    int status = store_number_take(gateway->store, "segment", segment, 1, 0xffff, &number, err);
    if (status == 0)
        status = store_number_take(gateway->store, "vlan", segment, gateway->config->vlan_first,
                                   gateway->config->vlan_last, &vlan, err);
    if (status)
        return status;
    state->flows.number = number;
    state->flows.vlan = (uint16_t) vlan;
    return 0;
}

static bool segment_in_use(const struct gateway *gateway, const char *name)
{
    if (!gateway_servers_listed(gateway))
        return true;
    for (size_t i = 0; i < gateway->network.n_tenants; i++) {
        if (strcmp(gateway->network.tenants[i].segment, name) == 0)
            return true;
    }
    return false;
}

/* Ports of the ToR with servers that have a VM of the segment. */
static size_t segment_ports(const struct gateway *gateway, const struct switch_info *tor, const char *segment,
                            uint32_t ports[PIPELINE_PORTS_MAX])
{
    size_t n = 0;

    for (size_t t = 0; t < gateway->network.n_tenants; t++) {
        const struct tenant *tenant = &gateway->network.tenants[t];
        uint32_t port;
        size_t i = 0;

        if (strcmp(tenant->segment, segment) != 0 || network_tor(gateway, tenant->server, &port, NULL) != tor)
            continue;
        while (i < n && ports[i] != port)
            i++;
        if (i == n && n < PIPELINE_PORTS_MAX)
            ports[n++] = port;
    }
    for (unsigned s = 0; s < gateway->config->servers_count && n < PIPELINE_PORTS_MAX; s++) {
        const char *server = gateway->config->servers[s].name;
        uint32_t port;

        if (!gateway_server_listed(gateway, server) && network_tor(gateway, server, &port, NULL) == tor)
            ports[n++] = port; /* it may have VMs of any segment */
    }
    return n;
}

static void add_segment_tor(struct gateway *gateway, const struct switch_info *tor, const struct segment_state *segment,
                            struct flow_txn *txn)
{
    uint32_t ports[PIPELINE_PORTS_MAX];
    size_t n = segment_ports(gateway, tor, segment->config->name, ports);

    if (n)
        pipeline_segment_tor(txn, &segment->flows, ports, n);
    else
        pipeline_segment_remove(txn, &segment->flows);
}

void network_open_segment(struct gateway *gateway, const char *segment, struct join *join)
{
    struct err err = {0};
    const struct switch_info *pe;
    struct flow_txn txn = {0};

    if (network_allocate(gateway, segment, &err) < 0 || !(pe = network_edge(gateway, SWITCH_ROLE_PE, &err))) {
        join_fail(join, &err);
        return;
    }
    pipeline_segment_pe(&txn, &network_segment(gateway, segment)->flows);
    network_apply(gateway, pe, &txn, join);
}

struct closing {
    struct join *outer;
    struct segment_state *segment;
    bool everywhere; /* no switch that may hold it was down */
};

static void drop_closing(struct join *join)
{
    struct closing *closing = join->context;

    join_drop(closing->outer);
    free(closing);
}

static void segment_closed(struct gateway *gateway, struct join *join)
{
    struct closing *closing = join->context;
    struct segment_state *segment = closing->segment;

    if (join->err.code) {
        join_fail(closing->outer, &join->err);
    } else if (segment->closing && closing->everywhere) {
        struct err err = {0};

        if (store_number_free(gateway->store, "vlan", segment->config->name, &err) < 0)
            join_fail(closing->outer, &err);
        else
            segment->flows.vlan = 0;
        segment->closing = false;
    }
    join_close(gateway, closing->outer);
    free(closing);
}

void network_close_segments(struct gateway *gateway, struct join *join)
{
    for (unsigned i = 0; i < gateway->config->segments_count; i++) {
        struct segment_state *segment = &gateway->network.segments[i];

        if (!segment->flows.vlan || segment_in_use(gateway, segment->config->name))
            continue;

        struct join *inner = join_new(segment_closed);
        struct closing *closing = xmalloc(sizeof *closing);

        *closing = (struct closing) {join, segment, true};
        segment->closing = true;
        inner->context = closing;
        inner->drop = drop_closing;
        join->open++;
        for (size_t s = 0; s < gateway->inventory.n_switches; s++) {
            const struct switch_info *sw = &gateway->inventory.switches[s];
            enum switch_role role = network_switch_role(gateway, sw);
            struct flow_txn txn = {0};

            if (role != SWITCH_ROLE_TOR && role != SWITCH_ROLE_PE)
                continue;
            if (!sw->up) { /* it is cleaned, and the VLAN freed, when it comes back */
                closing->everywhere = false;
                continue;
            }
            pipeline_segment_remove(&txn, &segment->flows);
            network_apply(gateway, sw, &txn, inner);
        }
        join_close(gateway, inner);
    }
}

void network_tidy(struct gateway *gateway)
{
    struct join *join = network_background_join();

    network_close_segments(gateway, join);
    join_close(gateway, join);
}

/* ---- tenants ---- */

struct tenant *network_tenant(const struct gateway *gateway, const uint8_t uuid[UUID_SIZE])
{
    for (size_t i = 0; i < gateway->network.n_tenants; i++) {
        if (memcmp(gateway->network.tenants[i].uuid, uuid, UUID_SIZE) == 0)
            return &gateway->network.tenants[i];
    }
    return NULL;
}

struct tenant *network_set_tenant(struct gateway *gateway, const struct tenant *like)
{
    struct network *network = &gateway->network;
    struct tenant *tenant = network_tenant(gateway, like->uuid);
    bool present = tenant && tenant->present;

    if (tenant) {
        policy_free(&tenant->policy);
    } else {
        network->tenants = array_reserve(network->tenants, network->n_tenants, &network->cap_tenants,
                                         sizeof *network->tenants);
        tenant = &network->tenants[network->n_tenants++];
    }
    *tenant = *like;
    tenant->policy = policy_copy(&like->policy);
    tenant->present = present;
    return tenant;
}

static void forget(struct gateway *gateway, const uint8_t uuid[UUID_SIZE])
{
    struct network *network = &gateway->network;
    struct tenant *tenant = network_tenant(gateway, uuid);

    if (!tenant)
        return;
    policy_free(&tenant->policy);
    *tenant = network->tenants[--network->n_tenants];
}

struct policy_site network_policy_site(const struct ip *ip, uint64_t cookie)
{
    return (struct policy_site) {
        .cookie = cookie,
        .ip = *ip,
        .table = {[POLICY_FROM_VM] = TOR_POLICY_FROM, [POLICY_TO_VM] = TOR_POLICY_TO},
        .next_table = {[POLICY_FROM_VM] = TOR_POLICY_TO, [POLICY_TO_VM] = TOR_FORWARD},
    };
}

static struct pipeline_vm pipeline_vm_of(const struct tenant *tenant, uint32_t port)
{
    return (struct pipeline_vm) {
        .cookie = cookie_of_vm(tenant->uuid), .mac = tenant->mac, .ip = tenant->ip, .server_port = port};
}

static void meter_owner(const struct tenant *tenant, int direction, char owner[UUID_TEXT_SIZE + 8])
{
    char uuid[UUID_TEXT_SIZE];

    uuid_format(tenant->uuid, uuid);
    snprintf(owner, UUID_TEXT_SIZE + 8, "%s/%s", uuid, direction == POLICY_FROM_VM ? "from" : "to");
}

static void meter_pool(const struct switch_info *tor, char pool[NAME_SIZE + 8])
{
    snprintf(pool, NAME_SIZE + 8, "meter/%s", tor->name);
}

/* Numbers and adds the meters that the tenant's policy wants; removes those that it no longer wants. */
static int add_meters(struct gateway *gateway, const struct tenant *tenant, const struct switch_info *tor,
                      struct flow_txn *txn, uint32_t meters[2], struct err *err)
{
    char owner[UUID_TEXT_SIZE + 8], pool[NAME_SIZE + 8];

    meter_pool(tor, pool);
    for (int d = POLICY_FROM_VM; d <= POLICY_TO_VM; d++) {
        const struct policy_rate *rate = &tenant->policy.rate[d];
        uint32_t old;

        meters[d] = 0;
        meter_owner(tenant, d, owner);
        if (tenant->has_policy && rate->kbps) {
            int status = store_number_take(gateway->store, pool, owner, 1, 0xffff, &meters[d], err);

            if (status)
                return status;
            flow_txn_meter_add(txn, (struct flow_meter) {meters[d], rate->kbps, rate->burst_kbit});
        } else if (store_number_get(gateway->store, pool, owner, &old, NULL) == 0) {
            flow_txn_meter_delete(txn, old);
            if (store_number_free(gateway->store, pool, owner, err) < 0)
                return err->code;
        }
    }
    return 0;
}

static int add_tenant_tor(struct gateway *gateway, const struct tenant *tenant, const struct switch_info *tor,
                          uint32_t port, struct flow_txn *txn, struct err *err)
{
    const struct segment_state *segment = network_segment(gateway, tenant->segment);
    struct pipeline_vm vm = pipeline_vm_of(tenant, port);
    uint32_t meters[2];
    int status = add_meters(gateway, tenant, tor, txn, meters, err);

    if (status)
        return status;
    pipeline_vm_tor(txn, &segment->flows, &vm, tenant->has_policy ? &tenant->policy : NULL, meters);
    return 0;
}

int network_expected(struct gateway *gateway, const struct tenant *tenant, struct flow_txn *txn, struct err *err)
{
    uint32_t port;
    const struct switch_info *tor = network_tor(gateway, tenant->server, &port, err);

    return tor ? add_tenant_tor(gateway, tenant, tor, port, txn, err) : err->code;
}

void network_install(struct gateway *gateway, const uint8_t uuid[UUID_SIZE], struct join *join)
{
    const struct tenant *tenant = network_tenant(gateway, uuid);
    struct flow_txn txn = {0};
    struct err err = {0};
    uint32_t port;
    const struct switch_info *tor = network_tor(gateway, tenant->server, &port, &err);

    if (!tor || network_allocate(gateway, tenant->segment, &err) < 0 ||
        add_tenant_tor(gateway, tenant, tor, port, &txn, &err) < 0) {
        flow_txn_free(&txn);
        join_fail(join, &err);
        return;
    }
    add_segment_tor(gateway, tor, network_segment(gateway, tenant->segment), &txn);
    network_apply(gateway, tor, &txn, join);
}

/* ---- removing a tenant ---- */

struct removal {
    struct tenant tenant; /* without its policy */
    char tor[NAME_SIZE];
    bool foreign;
};

static void tenant_removed(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    struct removal *removal = context;
    char owner[UUID_TEXT_SIZE + 8], pool[NAME_SIZE + 8];
    struct err err = {0};

    if (event->err.code) {
        join_fail(join, &event->err);
    } else if (!network_tenant(gateway, removal->tenant.uuid)) { /* else it came back and took its numbers again */
        snprintf(pool, sizeof pool, "meter/%s", removal->tor);
        for (int d = POLICY_FROM_VM; d <= POLICY_TO_VM; d++) {
            meter_owner(&removal->tenant, d, owner);
            if (store_number_free(gateway->store, pool, owner, &err) < 0)
                join_fail(join, &err);
        }
    }
    free(removal);
}

/* Flows in the policy tables that match exactly the VM's address: they are the VM's, whoever installed them. */
static bool concerns_only(const struct flow *flow, const struct ip *ip)
{
    enum flow_field_id field = flow->table == TOR_POLICY_FROM ? FIELD_IPV4_SRC : FIELD_IPV4_DST;
    const struct flow_field *f = match_find(&flow->match, field);

    return (flow->table == TOR_POLICY_FROM || flow->table == TOR_POLICY_TO) && f && flow_field_exact(f) &&
           memcmp(f->value, ip->bytes, 4) == 0;
}

static void send_removal(struct gateway *gateway, struct join *join, struct removal *removal,
                         const struct flow_list *held)
{
    const struct switch_info *tor = inventory_switch(&gateway->inventory, removal->tor);
    const struct segment_state *segment = network_segment(gateway, removal->tenant.segment);
    struct pipeline_vm vm = pipeline_vm_of(&removal->tenant, 0);
    struct flow_txn txn = {0};
    char owner[UUID_TEXT_SIZE + 8], pool[NAME_SIZE + 8];
    uint32_t meter;

    for (size_t i = 0; held && i < held->n; i++) {
        if (concerns_only(&held->flows[i], &removal->tenant.ip))
            flow_txn_delete_strict(&txn, flow_copy(&held->flows[i]));
    }
    pipeline_vm_remove(&txn, &vm);
    meter_pool(tor, pool);
    for (int d = POLICY_FROM_VM; d <= POLICY_TO_VM; d++) {
        meter_owner(&removal->tenant, d, owner);
        if (store_number_get(gateway->store, pool, owner, &meter, NULL) == 0)
            flow_txn_meter_delete(&txn, meter);
    }
    if (segment && segment->flows.vlan)
        add_segment_tor(gateway, tor, segment, &txn);

    uint64_t request = gateway_request(gateway, join, tenant_removed, removal);
    gateway->south.switches->ops->apply(gateway->south.switches, request, tor->name, &txn);
}

static void foreign_read(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    struct removal *removal = context;

    if (event->err.code) {
        join_fail(join, &event->err);
        free(removal);
        return;
    }
    send_removal(gateway, join, removal, &event->read.flows);
}

static void remove_from_pe(struct gateway *gateway, const struct tenant *tenant, struct join *join)
{
    struct err err = {0};
    const struct switch_info *pe = network_edge(gateway, SWITCH_ROLE_PE, &err);
    struct pipeline_vm vm = pipeline_vm_of(tenant, 0);
    struct flow_txn txn = {0};

    if (!pe) {
        join_fail(join, &err);
        return;
    }
    pipeline_vm_remove(&txn, &vm);
    network_apply(gateway, pe, &txn, join);
}

void network_remove(struct gateway *gateway, const struct tenant *like, bool foreign, struct join *join)
{
    struct err err = {0};
    uint32_t port;
    const struct switch_info *tor = network_tor(gateway, like->server, &port, &err);
    struct removal *removal = xcalloc(1, sizeof *removal);

    removal->tenant = *like;
    removal->tenant.policy = (struct policy) {0};
    if (network_tenant(gateway, like->uuid))
        network_set_present(gateway, like->uuid, false, join);
    else
        remove_from_pe(gateway, like, join); /* repeated after a restart */
    forget(gateway, removal->tenant.uuid);
    if (!tor) {
        join_fail(join, &err);
        free(removal);
        return;
    }
    snprintf(removal->tor, sizeof removal->tor, "%s", tor->name);
    if (foreign) {
        uint64_t request = gateway_request(gateway, join, foreign_read, removal);

        gateway->south.switches->ops->read(gateway->south.switches, request, tor->name, FLOW_TABLE_ALL, 0, 0);
    } else {
        send_removal(gateway, join, removal, NULL);
    }
}

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
    const struct attachment *at = inventory_attachment(&gateway->inventory, channel->server, pe->name, NULL, 0);
    const struct switch_port *uplink = switch_port_by_name(pe, edge->uplink_port);

    if (!at)
        return err_set(err, ERR_NOT_FOUND,
                       "server %s is not seen on inter-DC PE %s; does lldpd run on its migration port?",
                       channel->server, pe->name);
    if (!uplink)
        return err_set(err, ERR_NOT_FOUND, "inter-DC PE %s has no port %s, its uplink by the configuration", pe->name,
                       edge->uplink_port);

    struct pipeline_channel flows = {channel_cookie(channel), at->port, uplink->number, channel->local,
                                     channel->remote};
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

/* Segments that were closed while the switch was away. Those that are open follow in the same bundle. */
static void delete_closed_segments(struct flow_txn *txn)
{
    flow_txn_delete_cookie(txn, FLOW_TABLE_ALL, cookie_make(COOKIE_SEGMENT, 0), COOKIE_KIND_MASK);
}

static void fill_tor(struct gateway *gateway, const struct switch_info *sw, struct flow_txn *txn, struct err *err)
{
    uint32_t fabric[PIPELINE_PORTS_MAX], servers[PIPELINE_PORTS_MAX];

    /* Every port that is not the fabric's may be a server's: only what SPOOF knows gets further. */
    pipeline_base_tor(txn, servers, ports_of(sw, false, servers), fabric, ports_of(sw, true, fabric));
    if (!gateway->ready)
        return; /* what it holds of segments is right until the servers have been seen */
    delete_closed_segments(txn);
    for (unsigned i = 0; i < gateway->config->segments_count; i++) {
        if (segment_open(&gateway->network.segments[i]))
            add_segment_tor(gateway, sw, &gateway->network.segments[i], txn);
    }
    for (size_t i = 0; i < gateway->network.n_tenants; i++) {
        const struct tenant *tenant = &gateway->network.tenants[i];
        uint32_t port;

        if (network_tor(gateway, tenant->server, &port, NULL) == sw &&
            network_allocate(gateway, tenant->segment, err) == 0)
            add_tenant_tor(gateway, tenant, sw, port, txn, err);
    }
}

static void fill_pe(struct gateway *gateway, const struct switch_info *sw, struct flow_txn *txn, struct err *err)
{
    const struct config_edge *edge = network_edge_config(gateway, EDGE_IP);
    uint32_t fabric[PIPELINE_PORTS_MAX];
    struct pipeline_uplink uplink;

    if (presence_uplink(gateway, sw, &uplink, err) < 0)
        return;
    pipeline_base_pe(txn, &uplink, fabric, ports_of(sw, true, fabric));
    delete_closed_segments(txn);
    pipeline_neighbour_pe(txn, &uplink, gateway->network.next_hop_known ? &gateway->network.next_hop_mac : NULL);
    for (unsigned i = 0; i < gateway->config->segments_count; i++) {
        if (segment_open(&gateway->network.segments[i]))
            pipeline_segment_pe(txn, &gateway->network.segments[i].flows);
    }
    for (size_t i = 0; i < gateway->network.n_tenants; i++) {
        const struct tenant *tenant = &gateway->network.tenants[i];
        struct pipeline_vm vm = pipeline_vm_of(tenant, 0);

        if (tenant->present)
            pipeline_vm_pe(txn, &network_segment(gateway, tenant->segment)->flows, &vm);
    }
    if (edge)
        gateway->network.next_probe = gateway->now;
}

/* Before the server of a channel has been seen at a port, what stands of the channel is right: a transfer may go
 * through it. After that, only what is open may stand. */
static void fill_inter_dc(struct gateway *gateway, const struct switch_info *sw, struct flow_txn *txn, struct err *err)
{
    struct flow_txn channels = {0};
    uint32_t fabric[PIPELINE_PORTS_MAX];
    bool all = gateway->ready;

    pipeline_base_inter_dc(txn, fabric, ports_of(sw, true, fabric));
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

static bool vm_known(const struct gateway *gateway, uint64_t cookie)
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
    char owners[16][UUID_TEXT_SIZE + 8]; /* the rest goes with the next time */
    size_t n;
};

static bool find_unused(void *arg, const char *owner, uint32_t number)
{
    struct unused_meters *unused = arg;
    uint8_t uuid[UUID_SIZE];
    char text[UUID_TEXT_SIZE];

    snprintf(text, sizeof text, "%.36s", owner);
    if (unused->n < ARRAY_LEN(unused->owners) && uuid_parse(text, uuid) == 0 &&
        !vm_known(unused->gateway, cookie_of_vm(uuid))) {
        flow_txn_meter_delete(unused->txn, number);
        snprintf(unused->owners[unused->n++], UUID_TEXT_SIZE + 8, "%s", owner);
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

        if (!vm_known(gateway, cookie))
            flow_txn_delete_cookie(&txn, FLOW_TABLE_ALL, cookie, COOKIE_EXACT);
    }
    struct unused_meters *unused = xcalloc(1, sizeof *unused);
    unused->gateway = gateway;
    unused->txn = &txn;
    meter_pool(sw, unused->pool);
    store_number_each(gateway->store, unused->pool, find_unused, unused, NULL);
    if (txn.n_mods || txn.n_meters_delete) {
        log_info(sw->name, "removes what is left of VMs that are gone: %zu flows, %zu meters", txn.n_mods,
                 txn.n_meters_delete);
        uint64_t request = gateway_request(gateway, join, purged, unused);

        gateway->south.switches->ops->apply(gateway->south.switches, request, sw->name, &txn);
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
        if (uuid_parse(text, uuid) == 0 && !vm_known(gateway, cookie_of_vm(uuid)) &&
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

    gateway->south.switches->ops->read(gateway->south.switches, request, sw->name, FLOW_TABLE_ALL,
                                       cookie_make(COOKIE_VM, 0), COOKIE_KIND_MASK);
}

void network_switch_changed(struct gateway *gateway, const char *switch_name)
{
    const struct switch_info *sw = inventory_switch(&gateway->inventory, switch_name);
    struct flow_txn txn = {0};
    struct err err = {0};

    if (!sw || !sw->up)
        return;
    switch (network_switch_role(gateway, sw)) {
    case SWITCH_ROLE_TOR:
        fill_tor(gateway, sw, &txn, &err);
        break;
    case SWITCH_ROLE_PE:
        fill_pe(gateway, sw, &txn, &err);
        break;
    case SWITCH_ROLE_INTER_DC:
        fill_inter_dc(gateway, sw, &txn, &err);
        break;
    case SWITCH_ROLE_P:
        pipeline_base_p(&txn);
        break;
    case SWITCH_ROLE_UNKNOWN:
        pipeline_base_tor(&txn, NULL, 0, NULL, 0);
        break;
    }
    if (err.code)
        log_warn(FAULT_OPERATOR, switch_name, "%s", err.text);

    struct join *join = network_background_join();
    network_apply(gateway, sw, &txn, join);
    if (gateway->ready)
        purge(gateway, sw, join);
    join_close(gateway, join);
}

void network_resync(struct gateway *gateway)
{
    gateway->network.resync_at = MONO_NEVER;
    for (size_t i = 0; i < gateway->inventory.n_switches; i++)
        network_switch_changed(gateway, gateway->inventory.switches[i].name);
    network_tidy(gateway);
}
