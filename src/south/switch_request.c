/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "south/switch_internal.h"

/* Of one read: what a switch can make us hold. */
#define READ_FLOWS_MAX (1u << 20)
#define READ_METERS_MAX (1u << 16)

static struct switch_request *request_new(struct switch_connection *connection, uint64_t request, bool is_read)
{
    struct switch_request *r = xcalloc(1, sizeof *r);

    r->id = connection->driver->last_id += 2;
    r->request = request;
    r->is_read = is_read;
    r->waiting = is_read ? 2 : 1;
    *connection->requests_end = r;
    connection->requests_end = &r->next;
    return r;
}

static void request_free(struct switch_request *r)
{
    flow_list_free(&r->flows);
    free(r->meters);
    free(r);
}

void switch_requests_free(struct switch_connection *connection)
{
    struct switch_request *r;

    while ((r = connection->requests)) {
        connection->requests = r->next;
        request_free(r);
    }
    connection->requests_end = &connection->requests;
}

void switch_request_apply(struct switch_connection *connection, uint64_t request, struct flow_txn *txn)
{
    struct switch_request *r = request_new(connection, request, false);

    of_session_txn(connection->openflow.session, txn, r->id, connection->driver->timeout_ms,
                   loop_now(connection->driver->loop));
    openflow_connection_run(&connection->openflow);
}

void switch_request_read(struct switch_connection *connection, uint64_t request, const struct switch_query *query)
{
    struct switch_request *r = request_new(connection, request, true);
    struct of_flow_query flows = {.table = query->table, .cookie = query->cookie, .cookie_mask = query->mask};
    struct mono now = loop_now(connection->driver->loop);

    r->keep = query->keep;
    r->keep_arg = query->arg;
    of_session_read_flows(connection->openflow.session, &flows, r->id, connection->driver->timeout_ms, now);
    of_session_read_meters(connection->openflow.session, r->id + 1, connection->driver->timeout_ms, now);
    openflow_connection_run(&connection->openflow);
}

static void request_end(struct switch_connection *connection, struct switch_request *r)
{
    struct switch_request **at = &connection->requests;
    struct event *event;

    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    if (!r->next)
        connection->requests_end = at;

    /* A change that was not answered may stand; a read changes nothing. */
    if (r->err.code == ERR_TIMEOUT && !r->is_read)
        r->err.code = ERR_UNKNOWN;
    if (r->err.code) {
        err_prefix(&r->err, "%s", connection->info.name);
    } else if (!r->is_read && !connection->has_flows) {
        /* Its flows may send LLDP to us only now: what its neighbours sent before is lost. */
        connection->has_flows = true;
        switch_discovery_hasten(connection->driver);
    }
    event = event_push_done(connection->driver->events, r->request, &r->err);
    if (!r->err.code && r->is_read) {
        event->owns = EVENT_OWNS_READ;
        event->read.flows = r->flows;
        event->read.meters = r->meters;
        event->read.n_meters = r->n_meters;
        event->read.n_queues = switch_queues_read(connection, &event->read.queues);
        r->flows = (struct flow_list) {0};
        r->meters = NULL;
    }
    request_free(r);
}

static void add_flow(struct switch_request *r, struct of_event *event)
{
    if (r->keep && !r->keep(r->keep_arg, &event->flow))
        return;
    if (r->flows.n == READ_FLOWS_MAX) {
        err_set(&r->err, ERR_TOO_LARGE, "it has more than %u flows of this cookie", READ_FLOWS_MAX);
        return;
    }
    flow_list_add(&r->flows, event->flow);
    event->flow.actions = NULL; /* now the list's */
}

static void add_meter(struct switch_request *r, struct flow_meter meter)
{
    if (r->n_meters == READ_METERS_MAX) {
        err_set(&r->err, ERR_TOO_LARGE, "it has more than %u meters", READ_METERS_MAX);
        return;
    }
    r->meters = array_reserve(r->meters, r->n_meters, &r->cap_meters, sizeof *r->meters);
    r->meters[r->n_meters++] = meter;
}

void switch_request_event(struct switch_connection *connection, struct of_event *event)
{
    struct switch_request *r = connection->requests;

    while (r && r->id != (event->request & ~UINT64_C(1)))
        r = r->next;
    if (!r)
        return;
    if (event->type == OF_EVENT_FLOW) {
        add_flow(r, event);
    } else if (event->type == OF_EVENT_METER) {
        add_meter(r, event->meter);
    } else {
        if (event->err.code && !r->err.code)
            r->err = event->err;
        if (--r->waiting == 0)
            request_end(connection, r);
    }
}
