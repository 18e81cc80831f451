/* SPDX-License-Identifier: Apache-2.0 */
/* What each switch shall hold follows from tenants, open segments and open channels. A step or an adoption changes
 * these and sends the difference; a switch that comes (back) gets all of it in one transaction. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "scgd/audit.h"
#include "scgd/network_internal.h"
#include "scgd/probing.h"

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

static bool is_attached(const struct gateway *gateway, const struct switch_info *sw, uint32_t port)
{
    for (size_t i = 0; i < gateway->inventory.n_attachments; i++) {
        const struct attachment *a = &gateway->inventory.attachments[i];

        if (a->port == port && strcmp(a->switch_name, sw->name) == 0)
            return true;
    }
    return false;
}

enum switch_role network_switch_role(const struct gateway *gateway, const struct switch_info *sw)
{
    size_t fabric = 0, other = 0;

    for (unsigned i = 0; i < gateway->config->edges_count; i++) {
        if (strcmp(gateway->config->edges[i].switch_name, sw->name) == 0)
            return gateway->config->edges[i].role == EDGE_IP ? SWITCH_ROLE_PE : SWITCH_ROLE_INTER_DC;
    }
    for (size_t i = 0; i < sw->n_ports; i++) {
        const struct switch_port *port = &sw->ports[i];

        if (port->number >= PORT_MAX)
            continue;
        if (port->fabric)
            fabric++;
        else if (port->up || !tunnels_used(gateway) || is_attached(gateway, sw, port->number))
            other++; /* in VPLS mode a port that is down has not shown yet what it leads to */
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

const struct switch_info *network_tor_seen(const struct gateway *gateway, const char *server, uint32_t *port)
{
    for (size_t i = 0; i < gateway->inventory.n_attachments; i++) {
        const struct attachment *a = &gateway->inventory.attachments[i];
        const struct switch_info *sw = inventory_switch(&gateway->inventory, a->switch_name);

        if (strcmp(a->server, server) != 0 || !sw || network_switch_role(gateway, sw) != SWITCH_ROLE_TOR)
            continue;
        if (port)
            *port = a->port;
        return sw;
    }
    return NULL;
}

const struct switch_info *network_tor(const struct gateway *gateway, const char *server, uint32_t *port,
                                      struct err *err)
{
    uint32_t number;
    const struct switch_info *sw = network_tor_seen(gateway, server, &number);

    if (!sw) {
        err_set(err, ERR_NOT_FOUND, "no ToR is known that server %s hangs off; does lldpd run on the server?", server);
        return NULL;
    }
    if (!sw->up) {
        err_set(err, ERR_UNREACHABLE, "ToR %s of server %s is not connected to this gateway", sw->name, server);
        return NULL;
    }
    *port = number;
    return sw;
}

size_t network_ports_of(const struct switch_info *sw, bool fabric, uint32_t ports[PIPELINE_PORTS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < sw->n_ports && n < PIPELINE_PORTS_MAX; i++) {
        if (sw->ports[i].number < PORT_MAX && sw->ports[i].fabric == fabric)
            ports[n++] = sw->ports[i].number;
    }
    return n;
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
        state->flows.vpls = tunnels_used(gateway);
        if (store_number_get(gateway->store, "segment", segment->name, &number, NULL) == 0)
            state->flows.number = number;
        if (store_number_get(gateway->store, "vlan", segment->name, &number, NULL) == 0)
            state->flows.vlan = (uint16_t) number;
    }
    network->next_hop.probe_at = MONO_NEVER;
    network->resync_at = MONO_NEVER;
    network->adopt_at = MONO_NEVER;
    network->parts_at = MONO_NEVER;
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
    for (size_t i = 0; i < network->n_activities; i++)
        free(network->activities[i].failed);
    free(network->activities);
    audits_free(gateway);
    probing_free(gateway);
    free(network->channels);
    free(network->served);
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

int network_check_host(const struct segment_state *segment, const struct ip *ip, const char *whose, const char *fix,
                       struct err *err)
{
    static const char *const places[] = {[PREFIX_OUTSIDE] = "not in",
                                         [PREFIX_HOST] = "that of the gateway of",
                                         [PREFIX_NETWORK] = "the network address of",
                                         [PREFIX_BROADCAST] = "the broadcast address of"};
    struct prefix subnet = prefix_of(&segment->flows.gateway, segment->flows.length);
    enum prefix_place place = prefix_place(&subnet, ip);
    char text[IP_TEXT_SIZE];

    if (place == PREFIX_HOST && !ip_equal(ip, &segment->flows.gateway))
        return 0;
    return err_set(err, ERR_CONFLICT, "%s: address %s is %s segment %s, %s; %s", whose, ip_format(ip, text),
                   places[place], segment->config->name, segment->config->gateway, fix);
}

int network_check_vm(const struct segment_state *segment, const char *vm, const struct ip *ip, struct err *err)
{
    char whose[NAME_SIZE + sizeof "VM "];

    snprintf(whose, sizeof whose, "VM %s", vm);
    return network_check_host(segment, ip, whose,
                              "put a host's into its domain's metadata, <scg:interface address='...'>", err);
}

bool network_segment_open(const struct segment_state *segment)
{
    return segment->flows.vlan && !segment->closing;
}

/* The segment's numbers, taken in the store if it has none yet. */
static int take_numbers(struct gateway *gateway, const struct segment_state *segment, uint32_t *number, uint32_t *vlan,
                        struct err *err)
{
    const char *name = segment->config->name;
    int status = store_number_take(gateway->store, "segment", name, 1, 0xffff, number, err);

    return status ? status :
                    store_number_take(gateway->store, "vlan", name, gateway->config->vlan_first,
                                      gateway->config->vlan_last, vlan, err);
}

/* Says of the order's VM that is the first of its segment how that would be carried. */
static void describe_channel(const struct gateway *gateway, const struct order *order, unsigned vm, const char *tor,
                             uint32_t vlan, struct strbuf *channels)
{
    const char *segment = order->vms[vm].segment;

    for (unsigned v = 0; v < vm; v++) {
        if (strcmp(order->vms[v].segment, segment) == 0)
            return;
    }
    strbuf_printf(channels, "%s%s by ", channels->length ? "; " : "", segment);
    if (tunnels_used(gateway))
        tunnels_describe(gateway, tor, tunnels_mtu_of_order(order), channels);
    else
        strbuf_printf(channels, "VLAN %u", vlan);
}

int network_check_allocate(struct gateway *gateway, const struct order *order, struct strbuf *channels, struct err *err)
{
    uint32_t number, vlan, port;
    const struct switch_info *tor = network_tor(gateway, order->target_server, &port, err);
    int status = tor ? store_begin(gateway->store, err) : err->code;

    if (status)
        return status;
    for (unsigned v = 0; v < order->n_vms && status == 0; v++) {
        const char *segment = order->vms[v].segment;

        status = take_numbers(gateway, network_segment(gateway, segment), &number, &vlan, err);
        if (status == 0)
            status = tunnels_try(gateway, segment, tor->name, tunnels_mtu_of_order(order), err);
        if (status == 0)
            describe_channel(gateway, order, v, tor->name, vlan, channels);
    }
    store_rollback(gateway->store);
    return status;
}

int network_allocate(struct gateway *gateway, const char *segment, struct err *err)
{
    struct segment_state *state = network_segment(gateway, segment);
    uint32_t number, vlan;

    if (!state)
        return err_set(err, ERR_NOT_FOUND, "segment %s is not known in data center %s; add it under 'segments'",
                       segment, gateway->config->dc);
    state->closing = 0;
    if (state->flows.vlan)
        return 0;

    int status = take_numbers(gateway, state, &number, &vlan, err);
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

void network_add_segment_tor(struct gateway *gateway, const struct switch_info *tor,
                             const struct segment_state *segment, struct flow_txn *txn)
{
    uint32_t ports[PIPELINE_PORTS_MAX];
    size_t n = segment_ports(gateway, tor, segment->config->name, ports);

    if (n == 0) {
        pipeline_segment_remove(txn, &segment->flows);
        return;
    }
    pipeline_segment_tor(txn, &segment->flows, ports, n);
    tunnels_add_segment(gateway, tor, segment, txn);
}

void network_add_segment_pe(struct gateway *gateway, const struct switch_info *pe, const struct segment_state *segment,
                            struct flow_txn *txn)
{
    pipeline_segment_pe(txn, &segment->flows);
    tunnels_add_segment(gateway, pe, segment, txn);
}

void network_open_segment(struct gateway *gateway, const char *segment, const char *server, struct join *join)
{
    struct err err = {0};
    const struct switch_info *pe;
    struct flow_txn txn = {0};

    if (network_allocate(gateway, segment, &err) < 0 || !(pe = network_edge(gateway, SWITCH_ROLE_PE, &err))) {
        join_fail(join, &err);
        return;
    }
    tunnels_update(gateway);
    network_add_segment_pe(gateway, pe, network_segment(gateway, segment), &txn);
    users_fill_segment(gateway, pe, segment, &txn);
    network_segment(gateway, segment)->on_pe = true;
    network_apply(gateway, pe, &txn, join);
    tunnels_await_segment(gateway, segment, server, join);
}

struct closing {
    struct join *outer;
    struct segment_state *segment;
    uint64_t number;
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
    } else if (segment->closing == closing->number && closing->everywhere) { /* it was not opened meanwhile */
        struct err err = {0};

        if (store_number_free(gateway->store, "vlan", segment->config->name, &err) < 0)
            join_fail(closing->outer, &err);
        else
            segment->flows.vlan = 0;
        segment->closing = 0;
        if (segment->flows.vlan == 0)
            tunnels_segment_closed(gateway, segment);
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

        segment->closing = ++gateway->network.last_closing;
        segment->on_pe = false;
        *closing = (struct closing) {join, segment, segment->closing, !tunnels_holder_away(gateway, segment)};
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
            if (role == SWITCH_ROLE_PE)
                users_clear_segment(gateway, segment->config->name, &txn);
            network_apply(gateway, sw, &txn, inner);
        }
        join_close(gateway, inner);
    }
    tunnels_update(gateway);
    tunnels_await_removal(gateway, join);
}

void network_tidy(struct gateway *gateway)
{
    struct join *join = network_background_join();

    network_close_segments(gateway, join);
    circuits_tidy(gateway, join);
    join_close(gateway, join);
}
