/* SPDX-License-Identifier: Apache-2.0 */
/* scgd: the gateway of one data center, put together. The only file that knows every driver. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/alloc.h"
#include "base/log.h"
#include "config/command_line.h"
#include "io/footprint.h"
#include "io/loop.h"
#include "north/peer_api.h"
#include "north/rest.h"
#include "scgd/config.h"
#include "scgd/gateway.h"
#include "south/hypervisor_libvirt.h"
#include "south/peer_https.h"
#include "south/routes_bird.h"
#include "south/switch_openflow.h"
#include "south/transport_gmpls.h"

struct daemon {
    struct config *config;
    struct loop *loop;
    struct event_queue queue;
    bool draining; /* drain() is posted and has not run */
    bool settled;  /* the gateway was ready, and what only the start needed has been given back */
    struct timer *timer;
    struct store *store;
    struct tls *tls;
    struct gateway *gateway;
    struct gateway_south south;
    struct backend backend;
    struct rest *rest;
    struct peer_api *peer_api;
};

/* ---- the gateway's view of the world ---- */

static int64_t unix_ms(void *arg)
{
    struct timespec now;

    (void) arg;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A random UUID: RFC 9562 §5.4. */
static void make_uuid(void *arg, uint8_t uuid[UUID_SIZE])
{
    (void) arg;
    if (getrandom(uuid, UUID_SIZE, 0) != UUID_SIZE) {
        log_error(FAULT_OURS, NULL, "no random numbers: %s", strerror(errno));
        abort();
    }
    uuid[6] = (uint8_t) ((uuid[6] & 0x0f) | 0x40);
    uuid[8] = (uint8_t) ((uuid[8] & 0x3f) | 0x80);
}

static void notify(void *arg, const char *type, json_t *json)
{
    struct daemon *daemon = arg;

    if (daemon->rest)
        rest_notify(daemon->rest, type, json);
}

static void set_timer(struct daemon *daemon)
{
    timer_set(daemon->timer, gateway_deadline(daemon->gateway));
}

static void drain(void *arg)
{
    struct daemon *daemon = arg;
    struct event *event;

    daemon->draining = false;
    while ((event = event_pop(&daemon->queue))) {
        gateway_event(daemon->gateway, event, loop_now(daemon->loop));
        event_discard(event);
    }
    if (daemon->gateway->ready && !daemon->settled) {
        daemon->settled = true;
        footprint_trim();
    }
    set_timer(daemon);
}

static void wake(void *arg)
{
    struct daemon *daemon = arg;

    if (daemon->draining)
        return;
    daemon->draining = true;
    loop_post(daemon->loop, drain, daemon);
}

static void tick(void *arg)
{
    struct daemon *daemon = arg;

    gateway_tick(daemon->gateway, loop_now(daemon->loop));
    set_timer(daemon);
}

/* Requests from the north come between events: the gateway is told the time, and its timer is set again afterwards. */
static struct mono enter(void *arg)
{
    struct daemon *daemon = arg;

    wake(daemon);
    return loop_now(daemon->loop);
}

/* ---- putting it together ---- */

static int start_south(struct daemon *daemon, struct err *err)
{
    const struct config *config = daemon->config;
    struct switch_openflow_config switches = {.address = config->openflow.address,
                                              .port = config->openflow.port,
                                              .ovsdb = (const char *const *) config->ovsdb,
                                              .n_ovsdb = config->ovsdb_count,
                                              .timeout_ms = config->timeouts.switch_ * 1000};
    AUTO_FREE struct hypervisor_libvirt_server *servers = xcalloc(config->servers_count, sizeof *servers);
    AUTO_FREE struct peer_https_peer *peers = xcalloc(config->peers_count, sizeof *peers);

    for (unsigned i = 0; i < config->servers_count; i++)
        servers[i] = (struct hypervisor_libvirt_server) {config->servers[i].name, config->servers[i].uri};
    for (unsigned i = 0; i < config->peers_count; i++)
        peers[i] = (struct peer_https_peer) {config->peers[i].dc, config->peers[i].address, config->peers[i].port};

    struct hypervisor_libvirt_config hypervisors = {servers, config->servers_count, config->limits.transfers};
    struct peer_https_config https = {peers, config->peers_count, daemon->tls, config->limits.message_bytes};

    daemon->south.switches = switch_openflow_new(daemon->loop, &daemon->queue, &switches, err);
    if (!daemon->south.switches)
        return err->code;
    daemon->south.routes = routes_bird_new(daemon->loop, &daemon->queue, config->routes.socket, config->routes.include,
                                           err);
    if (!daemon->south.routes)
        return err->code;
    if (config->transport) {
        struct transport_gmpls_config transport = {
            .pcep_address = config->transport->pcep.address,
            .pcep_port = config->transport->pcep.port,
            .ospf_address = config->transport->ospf_api.address,
            .ospf_port = config->transport->ospf_api.port,
            .setup_ms = config->timeouts.switch_ * 1000,
        };

        daemon->south.transport = transport_gmpls_new(daemon->loop, &daemon->queue, &transport, err);
        if (!daemon->south.transport)
            return err->code;
    }
    daemon->south.peers = peer_https_new(daemon->loop, &daemon->queue, &https);
    daemon->south.hypervisors = hypervisor_libvirt_new(daemon->loop, &daemon->queue, &hypervisors);
    return 0;
}

static int start_north(struct daemon *daemon, struct err *err)
{
    const struct config *config = daemon->config;

    daemon->backend = gateway_backend(daemon->gateway);
    daemon->peer_api = peer_api_new(daemon->loop, config->peer.address, config->peer.port, daemon->tls,
                                    config->limits.message_bytes, &daemon->backend, err);
    if (!daemon->peer_api)
        return err->code;
    daemon->rest = rest_new(daemon->loop, config->rest.address, config->rest.port, config->limits.message_bytes,
                            &daemon->backend, err);
    return daemon->rest ? 0 : err->code;
}

static int start(struct daemon *daemon, struct err *err)
{
    const struct config *config = daemon->config;
    struct tls_config tls = {config->peer.ca, config->peer.certificate, config->peer.key};

    daemon->loop = loop_new();
    loop_handle_signals(daemon->loop);
    daemon->queue.wake = wake;
    daemon->queue.wake_arg = daemon;
    daemon->timer = timer_new(daemon->loop, tick, daemon);
    daemon->store = store_open(config->store, err);
    if (!daemon->store)
        return err->code;
    daemon->tls = tls_new(&tls, err);
    if (!daemon->tls)
        return err->code;
    daemon->gateway = gateway_new(config, daemon->store, err);
    if (!daemon->gateway)
        return err->code;
    daemon->gateway->enter = enter;
    daemon->gateway->enter_arg = daemon;
    daemon->gateway->unix_ms = unix_ms;
    daemon->gateway->make_uuid = make_uuid;
    daemon->gateway->notify = notify;
    daemon->gateway->notify_arg = daemon;

    int status = start_south(daemon, err);
    if (status == 0) {
        gateway_start(daemon->gateway, &daemon->south, loop_now(daemon->loop));
        peer_watch_begin(daemon->gateway);
        set_timer(daemon);
        status = start_north(daemon, err);
    }
    return status;
}

/* The gateway first, for it owes peers answers; then what it used. */
static void stop(struct daemon *daemon)
{
    gateway_free(daemon->gateway);
    daemon->gateway = NULL;
    peer_api_free(daemon->peer_api);
    rest_free(daemon->rest);
    if (daemon->south.hypervisors)
        daemon->south.hypervisors->ops->free(daemon->south.hypervisors);
    if (daemon->south.transport)
        daemon->south.transport->ops->free(daemon->south.transport);
    if (daemon->south.peers)
        daemon->south.peers->ops->free(daemon->south.peers);
    if (daemon->south.routes)
        daemon->south.routes->ops->free(daemon->south.routes);
    if (daemon->south.switches)
        daemon->south.switches->ops->free(daemon->south.switches);
    event_queue_clear(&daemon->queue);
    timer_free(daemon->timer);
    tls_free(daemon->tls);
    if (daemon->store)
        store_close(daemon->store);
    loop_free(daemon->loop);
    config_free(daemon->config);
}

int main(int argc, char **argv)
{
    struct command_line line = command_line_read("scgd", argc, argv);
    struct daemon daemon = {0};
    struct err err = {0};

    if (!line.config)
        return line.status;
    daemon.config = config_load(line.config, &err);
    if (!daemon.config) {
        fprintf(stderr, "scgd: %s\n", err.text);
        return 1;
    }
    if (line.check) {
        printf("%s: fine\n", line.config);
        config_free(daemon.config);
        return 0;
    }
    log_set_level(daemon.config->log_level);

    int status = start(&daemon, &err);
    if (status == 0) {
        log_info(NULL, "gateway of data center %s: REST on %s port %u, peers on %s port %u, switches on %s port %u",
                 daemon.config->dc, daemon.config->rest.address, daemon.config->rest.port, daemon.config->peer.address,
                 daemon.config->peer.port, daemon.config->openflow.address, daemon.config->openflow.port);
        loop_run(daemon.loop);
        log_info(NULL, "stopping");
    } else {
        log_error(FAULT_OPERATOR, NULL, "%s", err.text);
    }
    stop(&daemon);
    return status == 0 ? 0 : 1;
}
