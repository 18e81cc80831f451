/* SPDX-License-Identifier: Apache-2.0 */
/* Links that LLDP has shown, while one of their switches goes away and comes back. Port 1 of "a" and port 2 of "b" are
 * the link. */
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
#include "base/strbuf.h"
#include "io/io_internal.h"
#include "proto/lldp/lldp.h"
#include "south/switch_internal.h"

#define INTERVAL_MS 5000
#define LONG_MS (4 * INTERVAL_MS)

struct fixture {
    struct loop *loop;
    struct event_queue queue;
    struct openflow_driver driver;
    struct switch_server server;
    struct switch_connection *a, *b;
    struct strbuf events;
};

/* A session that OVSDB has named. */
static struct switch_connection *connect_switch(struct fixture *f, const char *name, uint64_t dpid)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct switch_connection *connection;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    close(pair[1]);
    switch_connection_accepted(&f->driver, stream_accepted(f->loop, pair[0], (struct sockaddr *) &from, NULL));
    connection = f->driver.connections;
    connection->server = &f->server;
    connection->info.up = true;
    connection->info.dpid = dpid;
    name_copy(connection->info.name, name);
    connection->info.n_ports = 3;
    connection->info.ports = xcalloc(3, sizeof *connection->info.ports);
    for (uint32_t i = 0; i < 3; i++)
        connection->info.ports[i] = (struct switch_port) {.number = i + 1, .up = true};
    return connection;
}

static void disconnect_switch(struct switch_connection *connection)
{
    of_session_closed(connection->openflow.session, ERR_UNREACHABLE, "gone");
    openflow_connection_run(&connection->openflow);
}

/* LLDP of a's port 1 comes in at b's port 2. */
static void show_link(struct fixture *f)
{
    struct lldp lldp = lldp_of_port(1, 1, &(struct mac) {{2, 0, 0, 0, 0, 1}}, 15);
    uint8_t frame[LLDP_FRAME_MAX];
    int size = lldp_encode(&lldp, frame, sizeof frame);

    switch_discovery_frame(f->b, 2, (struct of_bytes) {frame, (size_t) size});
}

/* As if what was seen had been seen so much earlier. */
static void pass_ms(struct fixture *f, int64_t ms)
{
    for (size_t i = 0; i < f->driver.n_sightings; i++)
        f->driver.sightings[i].heard.ms -= ms;
    switch_discovery_round(&f->driver);
}

/* Since the last time. */
static void expect_events(struct fixture *f, const char *text)
{
    strbuf_clear(&f->events);
    for (struct event *event; (event = event_pop(&f->queue)); event_discard(event)) {
        const struct link *l = &event->link;

        if (event->type == EVENT_SWITCH_DOWN)
            strbuf_printf(&f->events, "%s down\n", event->name);
        else
            strbuf_printf(&f->events, "%s %s:%u %s:%u\n", event->type == EVENT_LINK ? "link" : "gone", l->from_switch,
                          l->from_port, l->to_switch, l->to_port);
    }
    assert_string_equal(f->events.text ? f->events.text : "", text);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);

    log_set_level(LOG_ERROR);
    f->loop = loop_new();
    f->driver.loop = f->loop;
    f->driver.events = &f->queue;
    f->driver.timeout_ms = 10000;
    f->driver.lldp_interval_ms = INTERVAL_MS;
    f->driver.lldp_timer = timer_new(f->loop, switch_discovery_round, &f->driver);
    f->server.session = ovsdb_session_new(f->driver.timeout_ms);
    f->a = connect_switch(f, "a", 1);
    f->b = connect_switch(f, "b", 2);
    show_link(f);
    expect_events(f, "link a:1 b:2\n");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    while (f->driver.connections)
        switch_connection_free(f->driver.connections);
    ovsdb_session_free(f->server.session);
    timer_free(f->driver.lldp_timer);
    free(f->driver.sightings);
    event_queue_clear(&f->queue);
    strbuf_free(&f->events);
    loop_free(f->loop);
    free(f);
    return 0;
}

static void silent_link(void **state)
{
    struct fixture *f = *state;

    pass_ms(f, LONG_MS);
    expect_events(f, "gone a:1 b:2\n");
    show_link(f);
    expect_events(f, "link a:1 b:2\n");
}

static void falls_silent_while_away(struct fixture *f, struct switch_connection **which, const char *name,
                                    uint64_t dpid)
{
    AUTO_FREE char *down = xasprintf("%s down\n", name);

    disconnect_switch(*which);
    expect_events(f, down);
    pass_ms(f, LONG_MS); /* nobody can know */
    expect_events(f, "");
    *which = connect_switch(f, name, dpid);
    switch_discovery_back(*which);
    pass_ms(f, INTERVAL_MS);
    expect_events(f, "");
    pass_ms(f, LONG_MS);
    expect_events(f, "gone a:1 b:2\n");
}

static void falls_silent_while_its_sender_is_away(void **state)
{
    struct fixture *f = *state;

    falls_silent_while_away(f, &f->a, "a", 1);
}

static void falls_silent_while_its_receiver_is_away(void **state)
{
    struct fixture *f = *state;

    falls_silent_while_away(f, &f->b, "b", 2);
}

static void seen_again(void **state)
{
    struct fixture *f = *state;

    disconnect_switch(f->a);
    expect_events(f, "a down\n");
    f->a = connect_switch(f, "a", 1);
    switch_discovery_back(f->a);
    show_link(f);
    expect_events(f, "link a:1 b:2\n");
    show_link(f); /* once */
    expect_events(f, "");
}

/* The user has taken its links away when it heard of the switch. */
static void port_went_down_meanwhile(void **state)
{
    struct fixture *f = *state;

    disconnect_switch(f->a);
    expect_events(f, "a down\n");
    f->a = connect_switch(f, "a", 1);
    f->a->info.ports[0].up = false;
    switch_discovery_back(f->a);
    assert_int_equal(f->driver.n_sightings, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(silent_link),
        TEST(falls_silent_while_its_sender_is_away),
        TEST(falls_silent_while_its_receiver_is_away),
        TEST(seen_again),
        TEST(port_went_down_meanwhile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
