/* SPDX-License-Identifier: Apache-2.0 */
#include "south/switch_openflow.h"

#include "base/alloc.h"
#include "base/log.h"
#include "south/switch_internal.h"

#define TIMEOUT_MS 10000
#define LLDP_INTERVAL_MS 5000

static struct openflow_driver *openflow_driver(struct switch_driver *driver)
{
    return (struct openflow_driver *) driver;
}

/* The switch, or null after the request was ended. */
static struct switch_connection *find_or_end(struct openflow_driver *driver, uint64_t request, const char *name)
{
    struct switch_connection *connection = switch_connection_find(driver, name);
    struct err err;

    if (connection)
        return connection;
    err_set(&err, ERR_UNREACHABLE, "switch %s is not connected", name);
    event_push_done(driver->events, request, &err);
    return NULL;
}

static void driver_apply(struct switch_driver *base, uint64_t request, const char *switch_name, struct flow_txn *txn)
{
    struct switch_connection *connection = find_or_end(openflow_driver(base), request, switch_name);

    if (connection)
        switch_request_apply(connection, request, txn);
    else
        flow_txn_free(txn);
}

static void driver_set_queues(struct switch_driver *base, uint64_t request, const char *switch_name,
                              const struct switch_queue_set *set)
{
    struct switch_connection *connection = find_or_end(openflow_driver(base), request, switch_name);

    if (connection)
        switch_queues_set(connection, request, set);
}

static void driver_read(struct switch_driver *base, uint64_t request, const char *switch_name,
                        const struct switch_query *query)
{
    struct switch_connection *connection = find_or_end(openflow_driver(base), request, switch_name);

    if (connection)
        switch_request_read(connection, request, query);
}

static void driver_inject(struct switch_driver *base, const char *switch_name, const struct switch_injection *injection)
{
    struct switch_connection *connection = switch_connection_find(openflow_driver(base), switch_name);
    struct of_packet_out packet = {.in_port = injection->in_port,
                                   .actions = injection->actions,
                                   .n_actions = injection->n_actions,
                                   .frame = injection->frame,
                                   .frame_size = injection->size};
    struct err err;

    if (!connection)
        return;
    if (of_session_packet_out(connection->openflow.session, &packet, &err) < 0)
        log_warn(FAULT_OURS, switch_name, "a frame is not sent: %s", err.text);
    openflow_connection_run(&connection->openflow);
}

static void driver_packet_out(struct switch_driver *base, const char *switch_name, uint32_t port, const void *frame,
                              size_t size)
{
    struct flow_action output = {.type = ACTION_OUTPUT, .port = port};
    const struct switch_injection injection = {
        .in_port = PORT_CONTROLLER, .actions = &output, .n_actions = 1, .frame = frame, .size = size};

    driver_inject(base, switch_name, &injection);
}

static void driver_free(struct switch_driver *base)
{
    struct openflow_driver *driver = openflow_driver(base);

    while (driver->connections)
        switch_connection_free(driver->connections);
    for (size_t i = 0; i < driver->n_servers; i++)
        switch_server_free(&driver->servers[i]);
    free(driver->servers);
    listener_free(driver->listener);
    timer_free(driver->lldp_timer);
    free(driver->sightings);
    free(driver);
}

static const struct switch_ops ops = {
    .apply = driver_apply,
    .set_queues = driver_set_queues,
    .read = driver_read,
    .packet_out = driver_packet_out,
    .inject = driver_inject,
    .free = driver_free,
};

struct switch_driver *switch_openflow_new(struct loop *loop, struct event_queue *events,
                                          const struct switch_openflow_config *config, struct err *err)
{
    struct openflow_driver *driver = xcalloc(1, sizeof *driver);

    driver->driver.ops = &ops;
    driver->loop = loop;
    driver->events = events;
    driver->timeout_ms = config->timeout_ms ? config->timeout_ms : TIMEOUT_MS;
    driver->lldp_interval_ms = config->lldp_interval_ms ? config->lldp_interval_ms : LLDP_INTERVAL_MS;
    driver->lldp_timer = timer_new(loop, switch_discovery_round, driver);
    driver->lldp_due = MONO_NEVER;
    driver->lldp_sent = loop_now(loop);
    driver->listener = listener_new(loop, config->address, config->port, switch_connection_accepted, driver, err);
    driver->servers = xcalloc(config->n_ovsdb, sizeof *driver->servers);
    bool ok = driver->listener;
    while (ok && driver->n_servers < config->n_ovsdb) {
        size_t i = driver->n_servers++;

        ok = switch_server_start(&driver->servers[i], driver, config->ovsdb[i], err) == 0;
    }
    if (!ok) {
        driver_free(&driver->driver);
        return NULL;
    }
    log_info(NULL, "switches may connect to %s port %u", config->address, listener_port(driver->listener));
    return &driver->driver;
}
