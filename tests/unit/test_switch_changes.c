/* SPDX-License-Identifier: Apache-2.0 */
/* How the driver tells that others change a switch's flows: not too often, and always after the last change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "io/io_internal.h"
#include "loop_until.h"
#include "south/switch.h"
#include "south/switch_internal.h"

struct world {
    struct loop *loop;
    struct event_queue queue;
    struct openflow_driver driver;
    struct switch_server server;
    struct switch_connection *connection;
    int other_end; /* of the switch's stream, where nobody says anything */
    unsigned told;
};

static void connect_switch(struct world *w)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    w->other_end = pair[1];
    switch_connection_accepted(&w->driver, stream_accepted(w->loop, pair[0], (struct sockaddr *) &from, NULL));
    w->connection = w->driver.connections;
    w->connection->server = &w->server;
    name_copy(w->connection->info.name, "tor");
}

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);

    log_set_level(LOG_ERROR);
    w->loop = loop_new();
    w->driver.loop = w->loop;
    w->driver.events = &w->queue;
    w->driver.timeout_ms = 10000;
    w->driver.lldp_timer = timer_new(w->loop, switch_discovery_round, &w->driver);
    connect_switch(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    while (w->driver.connections)
        switch_connection_free(w->driver.connections);
    close(w->other_end);
    timer_free(w->driver.lldp_timer);
    event_queue_clear(&w->queue);
    loop_free(w->loop);
    free(w);
    return 0;
}

/* Since the last time. */
static unsigned events(struct world *w)
{
    unsigned n = 0;

    for (struct event *event; (event = event_pop(&w->queue)); event_discard(event)) {
        assert_int_equal(event->type, EVENT_FLOWS_CHANGED);
        assert_string_equal(event->name, "tor");
        n++;
    }
    return n;
}

static bool is_told(struct world *w)
{
    w->told += events(w);
    return w->told > 0;
}

static void last_change_is_told(void **state)
{
    struct world *w = *state;

    switch_connection_changed(w->connection);
    assert_int_equal(events(w), 1); /* the gateway may read the switch now */
    for (unsigned i = 0; i < 10; i++)
        switch_connection_changed(w->connection);
    assert_int_equal(events(w), 0);
    loop_until(w->loop, is_told, w);
    assert_int_equal(w->told, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(last_change_is_told, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
