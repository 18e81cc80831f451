/* SPDX-License-Identifier: Apache-2.0 */
#include "south/transport_ospf.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "proto/ospf/ospf_api.h"
#include "proto/ospf/ospf_lsdb.h"
#include "proto/ovsdb/reconnect.h"

#define LOG_ID "ospfd"
#define LOCALHOST "127.0.0.1"
#define TIMEOUT_MS 10000
#define GRACE_MS 15000
#define PORT_FIRST 24000
#define PORT_PAIRS 500

struct te_feed {
    struct loop *loop;
    struct te_feed_callbacks callbacks;
    void *arg;
    char *address, *where;
    int64_t grace_ms;
    struct reconnect reconnect;
    struct ospf_api *api;
    struct ospf_lsdb *lsdb;
    struct timer *timer;
    unsigned pair;             /* of ports, that the next attempt takes */
    struct listener *listener; /* for the stream that ospfd opens; null while there is none to come */
    struct stream *sync, *async;
    bool up;
    bool failed; /* since it was up last; so the log has the first failure only */
};

static void run(struct te_feed *feed);

/* ---- The two connections ---- */

static void close_all(struct te_feed *feed)
{
    if (feed->sync)
        stream_close(feed->sync);
    if (feed->async)
        stream_close(feed->async);
    listener_free(feed->listener);
    feed->sync = feed->async = NULL;
    feed->listener = NULL;
    ospf_api_down(feed->api);
}

/* What 'reconnect' knows already: it has given up itself. */
static void give_up(struct te_feed *feed, enum log_fault fault, const struct err *reason)
{
    const bool was_up = feed->up;

    close_all(feed);
    if (was_up || !feed->failed)
        log_warn(fault, LOG_ID, "the TED is not kept up to date: %s; trying again", reason->text);
    feed->failed = true;
    feed->up = false;
    if (was_up)
        feed->callbacks.down(feed->arg, reason);
    run(feed);
}

/* The session has failed. The next attempt comes with the timer. */
static void fail(struct te_feed *feed, enum log_fault fault, const struct err *reason)
{
    reconnect_disconnected(&feed->reconnect, loop_now(feed->loop));
    give_up(feed, fault, reason);
}

static size_t take(struct te_feed *feed, enum ospf_api_stream stream, const uint8_t *bytes, size_t n)
{
    struct err err;

    reconnect_received(&feed->reconnect, loop_now(feed->loop));
    int taken = ospf_api_input(feed->api, stream, bytes, n, &err);
    if (taken < 0) {
        fail(feed, FAULT_PEER, &err);
        return n;
    }
    run(feed);
    return (size_t) taken;
}

static size_t sync_data(void *arg, const uint8_t *bytes, size_t n)
{
    return take(arg, OSPF_API_SYNC, bytes, n);
}

static size_t async_data(void *arg, const uint8_t *bytes, size_t n)
{
    return take(arg, OSPF_API_ASYNC, bytes, n);
}

static void sync_down(void *arg, const struct err *reason)
{
    struct te_feed *feed = arg;

    feed->sync = NULL;
    fail(feed, reason->code == ERR_UNREACHABLE ? FAULT_OPERATOR : FAULT_PEER, reason);
}

static void async_down(void *arg, const struct err *reason)
{
    struct te_feed *feed = arg;

    feed->async = NULL;
    fail(feed, FAULT_PEER, reason);
}

static void sync_up(void *arg)
{
    struct te_feed *feed = arg;

    reconnect_connected(&feed->reconnect, loop_now(feed->loop));
    ospf_api_up(feed->api, OSPF_API_SYNC, loop_now(feed->loop));
    run(feed);
}

/* ospfd has accepted our connection and connects back; it may be faster than our own notice that we are connected. */
static void async_accepted(void *arg, struct stream *stream)
{
    static const struct stream_callbacks callbacks = {.data = async_data, .down = async_down};
    struct te_feed *feed = arg;

    if (feed->async) {
        stream_close(stream);
        return;
    }
    feed->async = stream;
    stream_set_callbacks(stream, &callbacks, feed);
    ospf_api_up(feed->api, OSPF_API_ASYNC, loop_now(feed->loop));
    run(feed);
}

/* Two ports in a row for the two connections, below those that the kernel gives to others' connections by itself: one
 * of these could be in use at any time, and for a minute after. Another pair each time, since ours may linger likewise.
 * Null if every pair is taken. */
static struct listener *listen_above_free_port(struct te_feed *feed, struct err *err)
{
    struct listener *listener = NULL;

    for (unsigned i = 0; i < PORT_PAIRS && !listener; i++) {
        uint16_t port = (uint16_t) (PORT_FIRST + 2 * (feed->pair++ % PORT_PAIRS));
        struct listener *trial = listener_new(feed->loop, feed->address, port, async_accepted, feed, err);

        if (trial)
            listener = listener_new(feed->loop, feed->address, (uint16_t) (port + 1), async_accepted, feed, err);
        listener_free(trial);
    }
    return listener;
}

static void connect_now(struct te_feed *feed)
{
    static const struct stream_callbacks callbacks = {.up = sync_up, .data = sync_data, .down = sync_down};
    struct err err;

    feed->listener = listen_above_free_port(feed, &err);
    if (feed->listener)
        feed->sync = stream_connect_from(feed->loop, feed->where, (uint16_t) (listener_port(feed->listener) - 1),
                                         &callbacks, feed, &err);
    if (!feed->sync)
        fail(feed, FAULT_OPERATOR, &err);
}

/* ---- What ospfd tells ---- */

static void tell_changes(struct te_feed *feed)
{
    struct ospf_lsdb_event event;

    while (ospf_lsdb_event(feed->lsdb, &event)) {
        if (event.gone)
            feed->callbacks.link_gone(feed->arg, &event.key);
        else
            feed->callbacks.link(feed->arg, &event.link);
    }
}

static void handle_notice(struct te_feed *feed, const struct ospf_api_notice *notice)
{
    const struct mono now = loop_now(feed->loop);
    struct err err;
    int status = 0;

    if (notice->type == OSPF_API_LSA_UPDATE)
        status = ospf_lsdb_update(feed->lsdb, notice->area, notice->lsa, notice->lsa_size, now, &err);
    else if (notice->type == OSPF_API_LSA_DELETE)
        status = ospf_lsdb_delete(feed->lsdb, notice->area, notice->lsa, notice->lsa_size, now, &err);
    if (status < 0)
        log_warn(FAULT_PEER, LOG_ID, "a TE link is left out: %s", err.text);
}

static void handle_event(struct te_feed *feed, const struct ospf_api_event *event)
{
    switch (event->type) {
    case OSPF_API_EVENT_NOTICE:
        handle_notice(feed, &event->notice);
        break;
    case OSPF_API_EVENT_SYNC_BEGINS:
        ospf_lsdb_sync_begin(feed->lsdb);
        break;
    case OSPF_API_EVENT_SYNCED:
        ospf_lsdb_sync_end(feed->lsdb, loop_now(feed->loop), feed->grace_ms);
        tell_changes(feed);
        feed->up = true;
        feed->failed = false;
        log_info(LOG_ID, "the TED is up to date: %zu links", te_feed_ted(feed)->n_links);
        feed->callbacks.up(feed->arg);
        break;
    }
}

/* To be called after whatever may have given the session something to say. */
static void run(struct te_feed *feed)
{
    struct ospf_api_event event;
    size_t n;

    while (ospf_api_event(feed->api, &event)) {
        handle_event(feed, &event);
        ospf_api_event_free(&event);
    }
    tell_changes(feed);
    AUTO_FREE char *output = ospf_api_output(feed->api, &n);
    if (output)
        stream_write(feed->sync, output, n);
    struct mono deadline = mono_min(reconnect_deadline(&feed->reconnect), ospf_api_deadline(feed->api));
    timer_set(feed->timer, mono_min(deadline, ospf_lsdb_deadline(feed->lsdb)));
}

static void timer_rings(void *arg)
{
    struct te_feed *feed = arg;
    const struct mono now = loop_now(feed->loop);
    struct err err;

    ospf_lsdb_tick(feed->lsdb, now);
    if (ospf_api_tick(feed->api, now, &err) < 0) {
        fail(feed, FAULT_PEER, &err);
        return;
    }
    switch (reconnect_run(&feed->reconnect, now)) {
    case RECONNECT_NOTHING:
        break;
    case RECONNECT_CONNECT:
        connect_now(feed);
        break;
    case RECONNECT_PROBE:
        ospf_api_probe(feed->api);
        break;
    case RECONNECT_DISCONNECT:
        err_set(&err, ERR_TIMEOUT, "ospfd at %s does not answer", feed->where);
        give_up(feed, FAULT_PEER, &err);
        return;
    }
    run(feed);
}

/* ---- Life ---- */

struct te_feed *te_feed_new(struct loop *loop, const struct te_feed_config *config,
                            const struct te_feed_callbacks *callbacks, void *arg, struct err *err)
{
    const char *address = config->address ? config->address : LOCALHOST;
    const uint32_t timeout_ms = config->timeout_ms ? config->timeout_ms : TIMEOUT_MS;
    /* The address is tried before anything relies on it. */
    struct listener *trial = listener_new(loop, address, 0, async_accepted, NULL, err);

    if (!trial)
        return NULL;
    listener_free(trial);
    struct te_feed *feed = xcalloc(1, sizeof *feed);
    feed->loop = loop;
    feed->pair = (unsigned) (loop_now(loop).ms / 100 % PORT_PAIRS); /* another one than before a restart */
    feed->callbacks = *callbacks;
    feed->arg = arg;
    feed->address = xstrdup(address);
    feed->where = xasprintf(strchr(address, ':') ? "tcp:[%s]:%u" : "tcp:%s:%u", address,
                            config->port ? config->port : OSPF_API_PORT);
    feed->grace_ms = config->grace_ms ? config->grace_ms : GRACE_MS;
    feed->api = ospf_api_new(timeout_ms);
    feed->lsdb = ospf_lsdb_new(OSPF_LSDB_HOLD_MS);
    feed->timer = timer_new(loop, timer_rings, feed);
    reconnect_init(&feed->reconnect, timeout_ms, loop_now(loop));
    run(feed);
    return feed;
}

void te_feed_free(struct te_feed *feed)
{
    if (!feed)
        return;
    close_all(feed);
    timer_free(feed->timer);
    ospf_api_free(feed->api);
    ospf_lsdb_free(feed->lsdb);
    free(feed->address);
    free(feed->where);
    free(feed);
}

bool te_feed_is_up(const struct te_feed *feed)
{
    return feed->up;
}

const struct ted *te_feed_ted(const struct te_feed *feed)
{
    return ospf_lsdb_ted(feed->lsdb);
}
