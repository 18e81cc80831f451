/* SPDX-License-Identifier: Apache-2.0 */
#include "south/openflow_connection.h"

/* A switch that sends requests and does not read our answers is given up at this many bytes; far above any transaction
 * of ours, which may wait here, too. */
#define UNSENT_MAX (256u << 20)

static void flush(struct openflow_connection *connection)
{
    size_t n;
    const uint8_t *bytes = of_session_output(connection->session, &n);

    if (!n || !connection->stream)
        return;
    stream_write(connection->stream, bytes, n);
    of_session_sent(connection->session, n);
}

static void end(struct openflow_connection *connection, const struct err *reason)
{
    flush(connection);
    if (connection->stream)
        stream_finish(connection->stream);
    connection->stream = NULL;
    connection->callbacks->ended(connection->arg, reason);
}

void openflow_connection_run(struct openflow_connection *connection)
{
    struct of_event event;

    flush(connection);
    if (connection->running)
        return;
    connection->running = true;
    while (of_session_event(connection->session, &event)) {
        bool last = event.type == OF_EVENT_DOWN;

        if (last)
            end(connection, &event.err);
        else
            connection->callbacks->event(connection->arg, &event);
        of_event_free(&event);
        if (last)
            return;
        flush(connection);
    }
    connection->running = false;
    timer_set(connection->timer, of_session_deadline(connection->session));
}

static void timer_rings(void *arg)
{
    struct openflow_connection *connection = arg;

    of_session_tick(connection->session, loop_now(connection->loop));
    openflow_connection_run(connection);
}

static size_t stream_data(void *arg, const uint8_t *bytes, size_t n)
{
    struct openflow_connection *connection = arg;

    if (stream_pending(connection->stream) > UNSENT_MAX)
        of_session_closed(connection->session, ERR_TOO_LARGE, "it does not read what it asks for");
    of_session_receive(connection->session, bytes, n, loop_now(connection->loop));
    openflow_connection_run(connection);
    return n;
}

static void stream_down(void *arg, const struct err *reason)
{
    struct openflow_connection *connection = arg;

    of_session_closed(connection->session, ERR_UNREACHABLE, reason->text);
    connection->stream = NULL;
    openflow_connection_run(connection);
}

void openflow_connection_start(struct openflow_connection *connection, struct loop *loop, struct stream *stream,
                               uint32_t timeout_ms, const struct openflow_callbacks *callbacks, void *arg)
{
    static const struct stream_callbacks of_stream = {.data = stream_data, .down = stream_down};
    struct of_session_config config = {
        .idle_ms = timeout_ms / 2, .echo_ms = timeout_ms / 2, .handshake_ms = timeout_ms};

    connection->loop = loop;
    connection->stream = stream;
    connection->callbacks = callbacks;
    connection->arg = arg;
    connection->session = of_session_new(&config, loop_now(loop));
    connection->timer = timer_new(loop, timer_rings, connection);
    stream_set_callbacks(stream, &of_stream, connection);
    openflow_connection_run(connection);
}

void openflow_connection_close(struct openflow_connection *connection)
{
    if (connection->stream)
        stream_close(connection->stream);
    timer_free(connection->timer);
    of_session_free(connection->session);
}
