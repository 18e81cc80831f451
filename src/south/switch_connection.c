/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "core/pipeline.h"
#include "south/switch_internal.h"
#include "south/switch_queue_rows.h"

#define ETHERTYPE_OFFSET 12
#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_LLDP 0x88cc
#define ETHERTYPE_VLAN 0x8100
#define VLAN_TAG_SIZE 4

#define PORT_NAME_CUT (OF_PORT_NAME_SIZE - 2) /* OpenFlow 1.3.5 §7.2.1: 16 bytes with a null; longer names are cut */

struct switch_connection *switch_connection_find(const struct openflow_driver *driver, const char *name)
{
    struct switch_connection *connection = driver->connections;

    while (connection && (!connection->server || strcmp(connection->info.name, name) != 0))
        connection = connection->next;
    return connection;
}

struct switch_connection *switch_connection_by_dpid(const struct openflow_driver *driver, uint64_t dpid)
{
    struct switch_connection *connection = driver->connections;

    while (connection && (!connection->info.up || connection->info.dpid != dpid))
        connection = connection->next;
    return connection;
}

struct switch_port *switch_connection_port(const struct switch_connection *connection, uint32_t number)
{
    for (size_t i = 0; i < connection->info.n_ports; i++) {
        if (connection->info.ports[i].number == number)
            return &connection->info.ports[i];
    }
    return NULL;
}

/* For the log. */
static const char *label(const struct switch_connection *connection)
{
    return connection->server ? connection->info.name : connection->peer;
}

void switch_connection_free(struct switch_connection *connection)
{
    struct switch_connection **at = &connection->driver->connections;

    while (*at != connection)
        at = &(*at)->next;
    *at = connection->next;
    openflow_connection_close(&connection->openflow);
    timer_free(connection->name_timer);
    timer_free(connection->changes_timer);
    switch_requests_free(connection);
    switch_queues_free(connection);
    switch_info_free(&connection->info);
    free(connection->peer);
    free(connection);
}

/* Ports */

static bool is_real_port(uint32_t number)
{
    return number && number < PORT_MAX;
}

/* What OVSDB knows of a port: its whole name, which OpenFlow may have cut, whether the spanning tree has it, and its
 * MTU. True if that has changed. */
static bool describe_port(const struct switch_connection *connection, struct switch_port *port)
{
    if (!connection->server)
        return false;
    const struct ovsdb_db *db = ovsdb_session_db(connection->server->session);
    const struct ovsdb_bridge *bridge = ovsdb_db_bridge(db, connection->info.name);
    const struct ovsdb_port *row;
    const struct ovsdb_interface *interface = bridge ? ovsdb_db_interface(db, bridge, port->number, &row) : NULL;

    if (!interface || strncmp(interface->name, port->name, PORT_NAME_CUT) != 0)
        return false;
    bool fabric = bridge->rstp && row->rstp != 0;
    uint32_t mtu = interface->mtu > 0 && interface->mtu <= UINT32_MAX ? (uint32_t) interface->mtu : 0;
    uint32_t rate = switch_port_rate(row, interface);
    bool changed = fabric != port->fabric || mtu != port->mtu || rate != port->rate_kbps ||
                   strcmp(interface->name, port->name) != 0;
    name_copy(port->name, interface->name);
    port->fabric = fabric;
    port->mtu = mtu;
    port->rate_kbps = rate;
    return changed;
}

/* How many flows its tables take. True if that has changed. */
static bool describe_limits(struct switch_connection *connection)
{
    struct switch_info *info = &connection->info;
    const struct ovsdb_db *db = ovsdb_session_db(connection->server->session);
    const struct ovsdb_bridge *bridge = ovsdb_db_bridge(db, info->name);
    struct flow_limit limits[SWITCH_LIMITS_MAX] = {0};
    uint8_t n = 0;

    if (!bridge)
        return false;
    for (unsigned table = 0; table < FLOW_TABLE_ALL && n < SWITCH_LIMITS_MAX; table++) {
        int64_t limit = ovsdb_db_flow_limit(db, bridge, (uint8_t) table);

        if (limit >= 0 && limit <= UINT32_MAX)
            limits[n++] = (struct flow_limit) {.table = (uint8_t) table, .flows = (uint32_t) limit};
    }
    bool changed = n != info->n_limits;

    for (unsigned i = 0; i < n && !changed; i++)
        changed = limits[i].table != info->limits[i].table || limits[i].flows != info->limits[i].flows;
    info->n_limits = n;
    memcpy(info->limits, limits, sizeof limits);
    return changed;
}

static void tell_limits(const struct switch_connection *connection)
{
    struct event *event = event_push(connection->driver->events, EVENT_SWITCH_LIMITS);

    name_copy(event->name, connection->info.name);
    event->sw.n_limits = connection->info.n_limits;
    memcpy(event->sw.limits, connection->info.limits, sizeof event->sw.limits);
}

static struct switch_port port_from_openflow(const struct of_port *from)
{
    struct switch_port port = {
        .number = from->number,
        .mac = from->mac,
        .up = !from->config_down && !from->link_down,
    };

    name_copy(port.name, from->name);
    return port;
}

static struct switch_port *add_port(struct switch_connection *connection, struct switch_port port)
{
    struct switch_info *info = &connection->info;

    info->ports = array_reserve(info->ports, info->n_ports, &connection->cap_ports, sizeof *info->ports);
    info->ports[info->n_ports] = port;
    return &info->ports[info->n_ports++];
}

static void tell_port(struct switch_connection *connection, const struct switch_port *port)
{
    struct event *event = event_push(connection->driver->events, EVENT_PORT);

    name_copy(event->name, connection->info.name);
    event->port = *port;
    if (port->up)
        switch_discovery_hasten(connection->driver);
    else
        switch_discovery_forget(connection->driver, connection->info.name, port->number);
}

static bool port_equal(const struct switch_port *a, const struct switch_port *b)
{
    return a->up == b->up && a->fabric == b->fabric && a->mtu == b->mtu && a->rate_kbps == b->rate_kbps &&
           mac_equal(&a->mac, &b->mac) && strcmp(a->name, b->name) == 0;
}

/* Takes the new state of a port in and tells the user if it differs. */
static void set_port(struct switch_connection *connection, struct switch_port now)
{
    struct switch_port *port = switch_connection_port(connection, now.number);

    describe_port(connection, &now);
    if (port && port_equal(port, &now))
        return;
    if (port) {
        *port = now;
    } else if (connection->info.n_ports < OF_PORTS_MAX) {
        add_port(connection, now);
    } else {
        log_warn(FAULT_PEER, label(connection), "port %s is left out: it has more than %d", now.name, OF_PORTS_MAX);
        return;
    }
    if (connection->server)
        tell_port(connection, &now);
}

static void handle_port_status(struct switch_connection *connection, const struct of_port_status *status)
{
    struct switch_port now = port_from_openflow(&status->port);

    if (!is_real_port(now.number))
        return;
    if (status->reason != OFPPR_DELETE) {
        set_port(connection, now);
        return;
    }
    struct switch_port *port = switch_connection_port(connection, now.number);
    if (!port)
        return;
    now.up = false;
    set_port(connection, now);
    *port = connection->info.ports[--connection->info.n_ports];
}

/* Joining with OVSDB */

/* The server that has a bridge of this datapath id, and the bridge. */
static struct switch_server *find_server(const struct switch_connection *connection, const struct ovsdb_bridge **bridge)
{
    const struct openflow_driver *driver = connection->driver;

    for (size_t i = 0; i < driver->n_servers; i++) {
        *bridge = ovsdb_db_bridge_by_dpid(ovsdb_session_db(driver->servers[i].session), connection->info.dpid);
        if (*bridge)
            return &driver->servers[i];
    }
    return NULL;
}

static void tell_up(struct switch_connection *connection)
{
    struct event *event = event_push(connection->driver->events, EVENT_SWITCH_UP);
    const struct switch_info *info = &connection->info;

    log_info(info->name, "up: datapath id %016llx, %zu ports, from %s", (unsigned long long) info->dpid, info->n_ports,
             connection->peer);
    event->owns = EVENT_OWNS_SWITCH;
    name_copy(event->name, info->name);
    event->sw = *info;
    event->sw.ports = xmemdup(info->ports, info->n_ports * sizeof *info->ports);
    switch_discovery_back(connection);
    switch_discovery_hasten(connection->driver);
}

/* Names the switch if OVSDB knows it by now. */
static void join(struct switch_connection *connection)
{
    const struct ovsdb_bridge *bridge;
    struct switch_server *server = find_server(connection, &bridge);

    if (!server)
        return;
    const struct switch_connection *other = switch_connection_find(connection->driver, bridge->name);
    if (other) {
        if (!connection->name_warned)
            log_warn(FAULT_OPERATOR, bridge->name,
                     "two switches have this name, datapath ids %016llx and %016llx: the "
                     "second is left out; give one bridge another name",
                     (unsigned long long) other->info.dpid, (unsigned long long) connection->info.dpid);
        connection->name_warned = true;
        return;
    }
    timer_set(connection->name_timer, MONO_NEVER);
    connection->server = server;
    name_copy(connection->info.name, bridge->name);
    for (size_t i = 0; i < connection->info.n_ports; i++)
        describe_port(connection, &connection->info.ports[i]);
    describe_limits(connection);
    tell_up(connection);
}

void switch_connections_rename(struct openflow_driver *driver)
{
    for (struct switch_connection *connection = driver->connections; connection; connection = connection->next) {
        if (!connection->info.up)
            continue;
        if (!connection->server) {
            join(connection);
            continue;
        }
        if (describe_limits(connection))
            tell_limits(connection);
        for (size_t i = 0; i < connection->info.n_ports; i++) {
            if (describe_port(connection, &connection->info.ports[i]))
                tell_port(connection, &connection->info.ports[i]);
        }
    }
}

/* Events of the session */

static void handle_up(struct switch_connection *connection, const struct of_up *up)
{
    struct switch_connection *old = switch_connection_by_dpid(connection->driver, up->features.dpid);

    if (old) {
        of_session_closed(old->openflow.session, ERR_UNREACHABLE, "the switch opened another connection");
        openflow_connection_run(&old->openflow);
    }
    connection->info.up = true;
    connection->info.dpid = up->features.dpid;
    for (size_t i = 0; i < up->n_ports; i++) {
        if (is_real_port(up->ports[i].number))
            add_port(connection, port_from_openflow(&up->ports[i]));
    }
    of_session_monitor_flows(connection->openflow.session);
    timer_set(connection->name_timer, mono_add(loop_now(connection->driver->loop), connection->driver->timeout_ms));
    join(connection);
}

static void handle_down(struct switch_connection *connection, const struct err *reason)
{
    const char *name = label(connection);
    struct event *event;

    log_warn(FAULT_PEER, name, "the OpenFlow session has ended: %s", reason->text);
    if (!connection->server)
        return;
    event = event_push(connection->driver->events, EVENT_SWITCH_DOWN);
    name_copy(event->name, name);
    err_set(&event->err, reason->code, "switch %s: %s", name, reason->text);
}

static unsigned u16_at(struct of_bytes frame, size_t offset)
{
    struct wire r = wire_reader(frame.data, frame.size);

    wire_skip(&r, offset);
    return wire_get_u16(&r);
}

/* ARP, whatever flow sent it; else only what a flow sent that is there to send packets. */
static bool is_wanted(const struct of_packet_in *packet, unsigned type)
{
    static const enum cookie_kind kinds[] = {COOKIE_VM, COOKIE_PROBE};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if ((packet->cookie & COOKIE_KIND_MASK) == cookie_make(kinds[i], 0))
            return true;
    }
    return type == ETHERTYPE_ARP;
}

static void handle_packet_in(struct switch_connection *connection, const struct of_packet_in *packet)
{
    unsigned type = u16_at(packet->frame, ETHERTYPE_OFFSET);
    struct event *event;

    if (!connection->server)
        return;
    if (type == ETHERTYPE_LLDP) {
        switch_discovery_frame(connection, packet->in_port, packet->frame);
        return;
    }
    if (type == ETHERTYPE_VLAN)
        type = u16_at(packet->frame, ETHERTYPE_OFFSET + VLAN_TAG_SIZE);
    if (!is_wanted(packet, type))
        return;
    event = event_push(connection->driver->events, EVENT_PACKET);
    event->owns = EVENT_OWNS_PACKET;
    name_copy(event->name, connection->info.name);
    event->packet.port = packet->in_port;
    event->packet.table = packet->table;
    event->packet.cookie = packet->cookie;
    event->packet.size = packet->frame.size < EVENT_FRAME_MAX ? packet->frame.size : EVENT_FRAME_MAX;
    event->packet.frame = xmemdup(packet->frame.data, event->packet.size);
}

static void tell_changes(void *arg)
{
    struct switch_connection *connection = arg;

    connection->changes_wait = false;
    connection->changes_told = loop_now(connection->driver->loop);
    name_copy(event_push(connection->driver->events, EVENT_FLOWS_CHANGED)->name, connection->info.name);
}

/* What others change comes in storms: told at once, and then at most so often; each change is told of after it was. */
void switch_connection_changed(struct switch_connection *connection)
{
    struct mono next = mono_add(connection->changes_told, SWITCH_CHANGES_MS);

    if (!connection->server || connection->changes_wait)
        return;
    if (mono_reached(next, loop_now(connection->driver->loop))) {
        tell_changes(connection);
        return;
    }
    connection->changes_wait = true;
    timer_set(connection->changes_timer, next);
}

/* Learned flows come and go with packets. */
static void handle_flow_update(struct switch_connection *connection, const struct of_flow_update *update)
{
    if (!cookie_is_learned(update->cookie))
        switch_connection_changed(connection);
}

static void handle_event(void *arg, struct of_event *event)
{
    struct switch_connection *connection = arg;

    switch (event->type) {
    case OF_EVENT_UP:
        handle_up(connection, &event->up);
        break;
    case OF_EVENT_PORT_STATUS:
        handle_port_status(connection, &event->port_status);
        break;
    case OF_EVENT_PACKET_IN:
        handle_packet_in(connection, &event->packet_in);
        break;
    case OF_EVENT_FLOW_UPDATE:
        handle_flow_update(connection, &event->flow_update);
        break;
    case OF_EVENT_FLOW:
    case OF_EVENT_METER:
    case OF_EVENT_DONE:
        switch_request_event(connection, event);
        break;
    case OF_EVENT_ERROR:
        log_warn(FAULT_PEER, label(connection), "the switch complains: %s", event->err.text);
        break;
    case OF_EVENT_PORT: /* not asked for */
    case OF_EVENT_DOWN: /* session_ended() is told */
        break;
    }
}

static void session_ended(void *arg, const struct err *reason)
{
    struct switch_connection *connection = arg;
    struct openflow_driver *driver = connection->driver;

    handle_down(connection, reason);
    switch_queues_end(connection, reason);
    switch_connection_free(connection);
    switch_connections_rename(driver); /* another one may have waited for its name */
}

static void tell_nameless(const struct switch_connection *connection)
{
    const struct openflow_driver *driver = connection->driver;
    bool all_ready = true;

    for (size_t i = 0; i < driver->n_servers; i++)
        all_ready = all_ready && ovsdb_session_ready(driver->servers[i].session);
    log_warn(FAULT_OPERATOR, connection->peer,
             "the switch with datapath id %016llx is left out: none of the OVSDB "
             "servers has a bridge with it; %s",
             (unsigned long long) connection->info.dpid,
             all_ready ? "add its server to the configuration" : "not all of them answer");
}

static void name_is_due(void *arg)
{
    struct switch_connection *connection = arg;

    if (!connection->name_warned)
        tell_nameless(connection);
    connection->name_warned = true;
}

void switch_connection_accepted(void *arg, struct stream *stream)
{
    static const struct openflow_callbacks callbacks = {.event = handle_event, .ended = session_ended};
    struct openflow_driver *driver = arg;
    struct switch_connection *connection = xcalloc(1, sizeof *connection);

    connection->driver = driver;
    connection->peer = xstrdup(stream_peer(stream));
    connection->name_timer = timer_new(driver->loop, name_is_due, connection);
    connection->changes_timer = timer_new(driver->loop, tell_changes, connection);
    connection->requests_end = &connection->requests;
    connection->next = driver->connections;
    driver->connections = connection;
    openflow_connection_start(&connection->openflow, driver->loop, stream, driver->timeout_ms, &callbacks, connection);
}
