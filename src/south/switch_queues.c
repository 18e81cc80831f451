/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "south/switch_internal.h"
#include "south/switch_queue_rows.h"

static const struct ovsdb_bridge *bridge_of(const struct switch_connection *connection)
{
    return ovsdb_db_bridge(ovsdb_session_db(connection->server->session), connection->info.name);
}

/* The first 'n' that wait end: each with 'err', or with what it was not given if that is null. */
static void end_requests(struct switch_connection *connection, size_t n, const struct err *err)
{
    struct switch_queues *queues = &connection->queues;

    for (size_t i = 0; i < n; i++) {
        const struct queue_request *waiting = &queues->waiting[i];

        event_push_done(connection->driver->events, waiting->request,
                        err                    ? err :
                        waiting->err.code != 0 ? &waiting->err :
                                                 NULL);
    }
    queues->n_waiting -= n;
    if (n && queues->n_waiting)
        memmove(queues->waiting, queues->waiting + n, queues->n_waiting * sizeof *queues->waiting);
}

static void warn_of_netdev(struct switch_connection *connection, const struct ovsdb_bridge *bridge)
{
    if (connection->queues.netdev_told || !connection->queues.n || strcmp(bridge->datapath_type, "netdev") != 0)
        return;
    connection->queues.netdev_told = true;
    log_warn(FAULT_OPERATOR, connection->info.name,
             "it has queues, but its datapath (netdev) sends all packets by queue 0: only what sorts them by DSCP "
             "behind it keeps their rates");
}

/* The operations that make the switch's queues what is wanted. Each request that waits learns what they leave out. */
static json_t *plan_change(struct switch_connection *connection, const struct ovsdb_bridge *bridge)
{
    struct switch_queues *queues = &connection->queues;
    struct switch_queue_set set = {queues->wanted, queues->n, queues->complete, NULL};
    struct queue_problems problems = {0};
    json_t *operations = switch_queue_rows_change(ovsdb_session_db(connection->server->session), bridge, &set,
                                                  &problems);

    for (size_t i = 0; i < queues->n_waiting; i++) {
        struct queue_request *waiting = &queues->waiting[i];

        set.vm = waiting->vm[0] ? waiting->vm : NULL;
        const struct err *problem = switch_queue_rows_problem(&problems, &set);
        waiting->err = problem ? *problem : (struct err) {0};
    }
    free(problems.problems);
    return operations;
}

/* Sends the transaction that makes the switch's queues what is wanted, if one is needed. */
static void change(struct switch_connection *connection)
{
    struct switch_queues *queues = &connection->queues;
    struct ovsdb_session *session = connection->server->session;
    const struct ovsdb_bridge *bridge = bridge_of(connection);
    struct err err = {0};
    json_t *operations = NULL;

    if (bridge)
        operations = plan_change(connection, bridge);
    else
        err_set(&err, ERR_UNREACHABLE, "OVSDB does not have switch %s any more", connection->info.name);
    bool ready = ovsdb_session_ready(session);

    if (json_array_size(operations) && !ready)
        err_set(&err, ERR_UNREACHABLE, "the OVSDB server of switch %s is not connected", connection->info.name);
    if (!ready || !json_array_size(operations)) {
        end_requests(connection, queues->n_waiting, err.code ? &err : NULL);
        json_decref(operations);
        return;
    }
    warn_of_netdev(connection, bridge);
    queues->busy = true;
    queues->n_covered = queues->n_waiting;
    queues->transaction = connection->driver->last_id += 2;
    ovsdb_session_transact(session, operations, queues->transaction);
    switch_server_send(connection->server);
}

void switch_queues_set(struct switch_connection *connection, uint64_t request, const struct switch_queue_set *set)
{
    struct switch_queues *queues = &connection->queues;
    struct queue_request waiting = {.request = request};

    free(queues->wanted);
    queues->wanted = set->n ? xmemdup(set->queues, set->n * sizeof *set->queues) : NULL;
    queues->n = set->n;
    queues->complete = set->complete;
    if (set->vm)
        snprintf(waiting.vm, sizeof waiting.vm, "%s", set->vm);
    queues->waiting = array_reserve(queues->waiting, queues->n_waiting, &queues->cap_waiting, sizeof *queues->waiting);
    queues->waiting[queues->n_waiting++] = waiting;
    if (!queues->busy)
        change(connection);
}

void switch_queues_done(struct switch_server *server, uint64_t id, const struct err *err)
{
    for (struct switch_connection *connection = server->driver->connections; connection;
         connection = connection->next) {
        struct switch_queues *queues = &connection->queues;
        struct err told = *err;

        if (!queues->busy || queues->transaction != id)
            continue;
        queues->busy = false;
        if (err->code)
            err_prefix(&told, "queues of switch %s", connection->info.name);
        end_requests(connection, queues->n_covered, told.code ? &told : NULL);
        if (queues->n_waiting)
            change(connection);
        return;
    }
}

size_t switch_queues_read(const struct switch_connection *connection, struct flow_queue **queues)
{
    const struct ovsdb_bridge *bridge = connection->server ? bridge_of(connection) : NULL;

    *queues = NULL;
    return bridge ? switch_queue_rows_read(ovsdb_session_db(connection->server->session), bridge, queues) : 0;
}

void switch_queues_end(struct switch_connection *connection, const struct err *reason)
{
    struct err err = *reason;

    err.code = ERR_UNKNOWN;
    end_requests(connection, connection->queues.n_waiting, &err);
}

void switch_queues_free(struct switch_connection *connection)
{
    free(connection->queues.wanted);
    free(connection->queues.waiting);
}
