/* SPDX-License-Identifier: Apache-2.0 */
#include "gmplsd/bridge.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "south/openflow_connection.h"

#define CONNECTIONS_MAX 8 /* of which all but the bridge's are on their way out */

struct request {
    struct request *next;
    uint64_t id;      /* the session's */
    uint64_t request; /* the caller's */
    bridge_done_fn *done;
    bridge_read_fn *read;
    struct bridge_content content; /* that was read so far */
    bool meters;                   /* the flows are there, and the meters are being read */
};

struct connection {
    struct bridge *bridge;
    struct connection *next;
    struct openflow_connection openflow;
};

struct bridge {
    struct loop *loop;
    struct bridge_config config;
    struct bridge_callbacks callbacks;
    void *arg;
    struct listener *listener;
    struct connection *connections;
    struct connection *active; /* the one that is up; null: the bridge is down */
    struct of_port *ports;     /* of 'active' */
    size_t n_ports, cap_ports;
    struct request *requests; /* of 'active', the oldest first */
    struct request **requests_end;
    uint64_t last_id;
};

/* ---- ports ---- */

static bool has_link(const struct of_port *port)
{
    return !port->config_down && !port->link_down;
}

static struct of_port *find_port(const struct bridge *bridge, uint32_t number)
{
    for (size_t i = 0; i < bridge->n_ports; i++)
        if (bridge->ports[i].number == number)
            return &bridge->ports[i];
    return NULL;
}

static void put_port(struct bridge *bridge, const struct of_port *port)
{
    struct of_port *old = find_port(bridge, port->number);

    if (!old) {
        bridge->ports = array_reserve(bridge->ports, bridge->n_ports, &bridge->cap_ports, sizeof *bridge->ports);
        old = &bridge->ports[bridge->n_ports++];
    }
    *old = *port;
}

static void handle_port(struct bridge *bridge, const struct of_port_status *status)
{
    struct of_port *old = find_port(bridge, status->port.number);

    if (!status->port.number || status->port.number >= PORT_MAX)
        return;
    if (status->reason == OFPPR_DELETE) {
        if (old)
            *old = bridge->ports[--bridge->n_ports];
        bridge->callbacks.port(bridge->arg, status->port.name, 0, false);
        return;
    }
    if (old && strcmp(old->name, status->port.name) == 0 && has_link(old) == has_link(&status->port))
        return; /* another thing about it changed */
    put_port(bridge, &status->port);
    bridge->callbacks.port(bridge->arg, status->port.name, status->port.number, has_link(&status->port));
}

uint32_t bridge_port(const struct bridge *bridge, const char *name, bool *link)
{
    for (size_t i = 0; bridge->active && i < bridge->n_ports; i++) {
        if (strcmp(bridge->ports[i].name, name) != 0)
            continue;
        if (link)
            *link = has_link(&bridge->ports[i]);
        return bridge->ports[i].number;
    }
    return 0;
}

/* ---- requests ---- */

static struct request *add_request(struct bridge *bridge, uint64_t request)
{
    struct request *r = xcalloc(1, sizeof *r);

    r->id = ++bridge->last_id;
    r->request = request;
    *bridge->requests_end = r;
    bridge->requests_end = &r->next;
    return r;
}

static struct request *find_request(const struct bridge *bridge, uint64_t id)
{
    struct request *r = bridge->requests;

    while (r && r->id != id)
        r = r->next;
    return r;
}

static void free_content(struct bridge_content *content)
{
    flow_list_free(&content->flows);
    free(content->meters);
    *content = (struct bridge_content) {0};
}

static void end_request(struct bridge *bridge, struct request *r, const struct err *err)
{
    struct request **at = &bridge->requests;

    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    if (!r->next)
        bridge->requests_end = at;
    if (err->code)
        free_content(&r->content);
    if (r->read)
        r->read(bridge->arg, &r->content, err);
    else
        r->done(bridge->arg, r->request, err);
    free_content(&r->content);
    free(r);
}

static void refuse_request(struct bridge *bridge, struct request *r)
{
    struct err err;

    err_set(&err, ERR_UNREACHABLE, "the bridge with datapath id %016llx is not connected",
            (unsigned long long) bridge->config.dpid);
    end_request(bridge, r, &err);
}

void bridge_apply(struct bridge *bridge, struct flow_txn *txn, uint64_t request, bridge_done_fn *done)
{
    struct request *r = add_request(bridge, request);

    r->done = done;
    if (bridge->active) {
        of_session_txn(bridge->active->openflow.session, txn, r->id, 2 * (int64_t) bridge->config.timeout_ms,
                       loop_now(bridge->loop));
        openflow_connection_run(&bridge->active->openflow);
        return;
    }
    flow_txn_free(txn);
    refuse_request(bridge, r);
}

void bridge_read(struct bridge *bridge, uint64_t cookie, uint64_t mask, bridge_read_fn *done)
{
    struct request *r = add_request(bridge, 0);
    struct of_flow_query query = {FLOW_TABLE_ALL, cookie, mask};

    r->read = done;
    if (!bridge->active) {
        refuse_request(bridge, r);
        return;
    }
    of_session_read_flows(bridge->active->openflow.session, &query, r->id, bridge->config.timeout_ms,
                          loop_now(bridge->loop));
    openflow_connection_run(&bridge->active->openflow);
}

/* One part of an answer is there as a whole. */
static void request_done(struct bridge *bridge, struct request *r, const struct err *err)
{
    if (!r->read || err->code || r->meters) {
        end_request(bridge, r, err);
        return;
    }
    r->meters = true;
    of_session_read_meters(bridge->active->openflow.session, r->id, bridge->config.timeout_ms, loop_now(bridge->loop));
}

int bridge_packet_out(struct bridge *bridge, uint32_t in_port, const struct flow_action *actions, size_t n_actions,
                      const uint8_t *frame, size_t size, struct err *err)
{
    struct of_packet_out packet = {in_port, actions, n_actions, frame, size};
    int status;

    if (!bridge->active)
        return err_set(err, ERR_UNREACHABLE, "the bridge with datapath id %016llx is not connected",
                       (unsigned long long) bridge->config.dpid);
    status = of_session_packet_out(bridge->active->openflow.session, &packet, err);
    openflow_connection_run(&bridge->active->openflow);
    return status;
}

/* ---- events of a session ---- */

static void handle_up(struct connection *connection, const struct of_up *up)
{
    struct bridge *bridge = connection->bridge;

    if (up->features.dpid != bridge->config.dpid) {
        log_warn(FAULT_OPERATOR, stream_peer(connection->openflow.stream),
                 "a bridge with datapath id %016llx is turned away: this node's has %016llx; set its controller or the "
                 "configuration right",
                 (unsigned long long) up->features.dpid, (unsigned long long) bridge->config.dpid);
        of_session_closed(connection->openflow.session, ERR_REFUSED, "it is not the bridge of this node");
        return;
    }
    if (bridge->active) {
        of_session_closed(bridge->active->openflow.session, ERR_UNREACHABLE, "the bridge opened another connection");
        openflow_connection_run(&bridge->active->openflow);
    }
    bridge->active = connection;
    bridge->n_ports = 0;
    for (size_t i = 0; i < up->n_ports; i++)
        if (up->ports[i].number && up->ports[i].number < PORT_MAX)
            put_port(bridge, &up->ports[i]);
    log_info(NULL, "the bridge is up: datapath id %016llx, %zu ports, from %s",
             (unsigned long long) bridge->config.dpid, bridge->n_ports, stream_peer(connection->openflow.stream));
    bridge->callbacks.up(bridge->arg);
}

static void handle_event(void *arg, struct of_event *event)
{
    struct connection *connection = arg;
    struct bridge *bridge = connection->bridge;
    struct request *r;

    if (event->type == OF_EVENT_UP) {
        handle_up(connection, &event->up);
        return;
    }
    if (connection != bridge->active)
        return;
    switch (event->type) {
    case OF_EVENT_PORT_STATUS:
        handle_port(bridge, &event->port_status);
        break;
    case OF_EVENT_PACKET_IN:
        bridge->callbacks.packet(bridge->arg, event->packet_in.in_port, event->packet_in.cookie,
                                 event->packet_in.frame.data, event->packet_in.frame.size);
        break;
    case OF_EVENT_FLOW:
        r = find_request(bridge, event->request);
        if (r && r->read) {
            flow_list_add(&r->content.flows, event->flow);
            event->flow.actions = NULL;
        }
        break;
    case OF_EVENT_METER:
        r = find_request(bridge, event->request);
        if (r && r->read) {
            struct bridge_content *content = &r->content;

            content->meters = array_reserve(content->meters, content->n_meters, &content->cap_meters,
                                            sizeof *content->meters);
            content->meters[content->n_meters++] = event->meter;
        }
        break;
    case OF_EVENT_DONE:
        r = find_request(bridge, event->request);
        if (r)
            request_done(bridge, r, &event->err);
        break;
    case OF_EVENT_ERROR:
        log_warn(FAULT_PEER, "bridge", "the switch complains: %s", event->err.text);
        break;
    default:
        break;
    }
}

/* ---- connections ---- */

static void free_connection(struct connection *connection)
{
    struct connection **at = &connection->bridge->connections;

    while (*at != connection)
        at = &(*at)->next;
    *at = connection->next;
    openflow_connection_close(&connection->openflow);
    free(connection);
}

static void session_ended(void *arg, const struct err *reason)
{
    struct connection *connection = arg;
    struct bridge *bridge = connection->bridge;
    bool was_active = connection == bridge->active;

    if (was_active)
        bridge->active = NULL;
    free_connection(connection);
    if (!was_active)
        return;
    log_warn(FAULT_PEER, "bridge", "the OpenFlow session has ended: %s", reason->text);
    bridge->callbacks.down(bridge->arg, reason);
}

static void accepted(void *arg, struct stream *stream)
{
    static const struct openflow_callbacks callbacks = {.event = handle_event, .ended = session_ended};
    struct bridge *bridge = arg;
    struct connection *connection;
    unsigned n = 0;

    for (connection = bridge->connections; connection; connection = connection->next)
        n++;
    if (n >= CONNECTIONS_MAX) {
        log_warn(FAULT_PEER, stream_peer(stream), "turned away: %u connections are open already", n);
        stream_close(stream);
        return;
    }
    connection = xcalloc(1, sizeof *connection);
    connection->bridge = bridge;
    connection->next = bridge->connections;
    bridge->connections = connection;
    openflow_connection_start(&connection->openflow, bridge->loop, stream, bridge->config.timeout_ms, &callbacks,
                              connection);
}

/* ---- life ---- */

struct bridge *bridge_new(struct loop *loop, const struct bridge_config *config,
                          const struct bridge_callbacks *callbacks, void *arg, struct err *err)
{
    struct bridge *bridge = xcalloc(1, sizeof *bridge);

    bridge->loop = loop;
    bridge->config = *config;
    bridge->callbacks = *callbacks;
    bridge->arg = arg;
    bridge->requests_end = &bridge->requests;
    bridge->listener = listener_new(loop, config->address, config->port, accepted, bridge, err);
    if (!bridge->listener) {
        free(bridge);
        return NULL;
    }
    return bridge;
}

void bridge_free(struct bridge *bridge)
{
    if (!bridge)
        return;
    listener_free(bridge->listener);
    while (bridge->connections)
        free_connection(bridge->connections);
    while (bridge->requests) {
        struct request *next = bridge->requests->next;

        free_content(&bridge->requests->content);
        free(bridge->requests);
        bridge->requests = next;
    }
    free(bridge->ports);
    free(bridge);
}

uint16_t bridge_listen_port(const struct bridge *bridge)
{
    return listener_port(bridge->listener);
}

bool bridge_is_up(const struct bridge *bridge)
{
    return bridge->active;
}
