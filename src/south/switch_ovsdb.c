/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/log.h"
#include "south/switch_internal.h"

/* A server that sends requests and does not read our answers is given up at this many bytes. */
#define UNSENT_MAX (32u << 20)

static void server_run(struct switch_server *server);

/* Says it once in an outage. */
static void tell_trouble(struct switch_server *server, const struct err *err)
{
    if (server->trouble_told)
        return;
    server->trouble_told = true;
    log_warn(FAULT_PEER, server->where, "no session with the OVSDB server, trying again: %s", err->text);
}

/* The stream is gone. */
static void server_lost(struct switch_server *server)
{
    server->stream = NULL;
    ovsdb_session_disconnected(server->session);
}

static void server_drop(struct switch_server *server, const struct err *err)
{
    tell_trouble(server, err);
    stream_close(server->stream);
    server_lost(server);
    reconnect_disconnected(&server->reconnect, loop_now(server->driver->loop));
}

static void stream_up(void *arg)
{
    struct switch_server *server = arg;
    struct mono now = loop_now(server->driver->loop);

    reconnect_connected(&server->reconnect, now);
    ovsdb_session_connected(server->session, now);
    server_run(server);
}

static size_t stream_data(void *arg, const uint8_t *bytes, size_t n)
{
    struct switch_server *server = arg;
    struct err err = {0};

    reconnect_received(&server->reconnect, loop_now(server->driver->loop));
    if (stream_pending(server->stream) > UNSENT_MAX)
        err_set(&err, ERR_TOO_LARGE, "it does not read what it asks for");
    else
        ovsdb_session_input(server->session, bytes, n, &err);
    if (err.code)
        server_drop(server, &err);
    server_run(server);
    return n;
}

static void stream_down(void *arg, const struct err *reason)
{
    struct switch_server *server = arg;

    tell_trouble(server, reason);
    server_lost(server);
    reconnect_disconnected(&server->reconnect, loop_now(server->driver->loop));
    server_run(server);
}

static const struct stream_callbacks callbacks = {.up = stream_up, .data = stream_data, .down = stream_down};

static void handle_events(struct switch_server *server)
{
    enum ovsdb_event event;
    uint64_t id;
    struct err err;

    while (ovsdb_session_event(server->session, &event)) {
        switch (event) {
        case OVSDB_READY:
            log_info(server->where, "the OVSDB server tells its bridges");
            server->trouble_told = false;
            switch_connections_rename(server->driver);
            break;
        case OVSDB_CHANGED:
            switch_connections_rename(server->driver);
            break;
        case OVSDB_DONE:
            ovsdb_session_done(server->session, &id, &err);
            switch_queues_done(server, id, &err);
            break;
        }
    }
}

static void act(struct switch_server *server, enum reconnect_action action, struct err *err)
{
    switch (action) {
    case RECONNECT_NOTHING:
        break;
    case RECONNECT_CONNECT:
        server->stream = stream_connect(server->driver->loop, server->where, &callbacks, server, err);
        break;
    case RECONNECT_PROBE:
        ovsdb_session_probe(server->session);
        break;
    case RECONNECT_DISCONNECT:
        err_set(err, ERR_TIMEOUT, "it did not answer within %u ms", server->driver->timeout_ms);
        tell_trouble(server, err);
        stream_close(server->stream);
        server_lost(server);
        break;
    }
}

void switch_server_send(struct switch_server *server)
{
    size_t n;
    AUTO_FREE char *output = ovsdb_session_output(server->session, &n);

    if (server->stream && output)
        stream_write(server->stream, output, n);
}

/* Does what is due, acts on events, and sends. */
static void server_run(struct switch_server *server)
{
    struct mono now = loop_now(server->driver->loop);
    struct err err = {0};

    act(server, reconnect_run(&server->reconnect, now), &err);
    if (server->stream && ovsdb_session_tick(server->session, now, &err) < 0)
        server_drop(server, &err);

    handle_events(server);
    switch_server_send(server);
    timer_set(server->timer, mono_min(reconnect_deadline(&server->reconnect), ovsdb_session_deadline(server->session)));
}

static void timer_rings(void *arg)
{
    server_run(arg);
}

int switch_server_start(struct switch_server *server, struct openflow_driver *driver, const char *where,
                        struct err *err)
{
    *server = (struct switch_server) {
        .driver = driver,
        .where = xstrdup(where),
        .session = ovsdb_session_new(driver->timeout_ms),
        .timer = timer_new(driver->loop, timer_rings, server),
    };
    reconnect_init(&server->reconnect, driver->timeout_ms, loop_now(driver->loop));
    act(server, reconnect_run(&server->reconnect, loop_now(driver->loop)), err);
    if (!server->stream)
        return ERR_INVALID;
    timer_set(server->timer, reconnect_deadline(&server->reconnect));
    return 0;
}

void switch_server_free(struct switch_server *server)
{
    if (server->stream)
        stream_close(server->stream);
    timer_free(server->timer);
    ovsdb_session_free(server->session);
    free(server->where);
}
