/* SPDX-License-Identifier: Apache-2.0 */
#include "circuit_world_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"

/* ---- the loop ---- */

struct event *world_push(struct circuit_world *w, enum event_type type)
{
    return event_push(&w->queue, type);
}

void world_run(struct circuit_world *w)
{
    for (struct event *event; (event = event_pop(&w->queue)); event_discard(event)) {
        if (w->gateway)
            gateway_event(w->gateway, event, (struct mono) {w->now});
    }
}

void pass_ms(struct circuit_world *w, int64_t ms)
{
    int64_t end = w->now + ms;

    world_run(w);
    for (struct mono next; (next = gateway_deadline(w->gateway)).ms <= end; world_run(w)) {
        w->now = next.ms > w->now ? next.ms : w->now;
        gateway_tick(w->gateway, (struct mono) {w->now});
    }
    w->now = end;
}

/* ---- the gateway ---- */

static int64_t unix_ms(void *arg)
{
    return ((struct circuit_world *) arg)->now;
}

static struct mono enter(void *arg)
{
    return (struct mono) {((struct circuit_world *) arg)->now};
}

static void make_uuid(void *arg, uint8_t uuid[UUID_SIZE])
{
    memset(uuid, 0, UUID_SIZE);
    uuid[0] = 0xab;
    uuid[UUID_SIZE - 1] = (uint8_t)++((struct circuit_world *) arg)->orders;
}

static void start(struct circuit_world *w)
{
    struct gateway_south south = {&w->switches, &w->hypervisors, &w->routes, &w->peers, &w->transport};
    struct err err = {0};

    w->gateway = gateway_new(&w->config, w->store, &err);
    if (!w->gateway)
        fail_msg("%s", err.text);
    w->gateway->enter = enter;
    w->gateway->unix_ms = unix_ms;
    w->gateway->make_uuid = make_uuid;
    w->gateway->enter_arg = w->gateway->unix_ms_arg = w->gateway->make_uuid_arg = w;
    w->backend = gateway_backend(w->gateway);
    gateway_start(w->gateway, &south, (struct mono) {w->now});
    world_devices_tell(w);
    world_run(w);
}

static void stop(struct circuit_world *w)
{
    gateway_free(w->gateway);
    w->gateway = NULL;
    event_queue_clear(&w->queue);
    for (size_t i = 0; i < w->n_pending; i++)
        lsp_request_free(&w->pending[i].lsp);
    w->n_pending = 0;
    w->peer_request = 0;
    strbuf_clear(&w->asked);
    strbuf_clear(&w->told);
}

void restart(struct circuit_world *w)
{
    stop(w);
    start(w);
}

void in_vpls_mode(struct circuit_world *w, struct config_vpls *vpls)
{
    w->config.mode = MODE_VPLS;
    w->config.vpls = vpls;
    restart(w);
    topology_up(w);
    ingress_up(w, PE);
    ingress_up(w, GATE);
    link_seen(w, "tor", 2, "pe", 3);
    pass_ms(w, 0);
    strbuf_clear(&w->asked);
    assert_true(w->gateway->ready);
}

/* Texts of a configuration are not const. */
#define TEXT(text) ((char[]) {text})

static struct config_server servers[] = {
    {TEXT("server-a"), TEXT("test"), TEXT("qemu://a"), TEXT("10.254.0.11")},
};
static struct config_peer peers[] = {
    {.dc = TEXT("B"),
     .address = TEXT("10.255.0.2"),
     .name = TEXT("scg-b"),
     .transport = {TEXT("10.253.0.14"), 0x0afd000e, 4}},
    {.dc = TEXT("C"), .address = TEXT("10.255.0.3"), .name = TEXT("scg-c")},
};
static struct config_segment segments[] = {
    {.name = TEXT("web"), .gateway = TEXT("10.100.0.1/24"), .gateway_mac = TEXT("02:5c:67:00:00:01")},
    {.name = TEXT("db"), .gateway = TEXT("10.101.0.1/24"), .gateway_mac = TEXT("02:5c:67:00:00:02")},
};
static const struct config_edge all_edges[] = {
    {.switch_name = TEXT("pe"),
     .role = EDGE_IP,
     .uplink_port = TEXT("up"),
     .router_port = TEXT("router"),
     .router_ip = {IP_V4, {192, 0, 2, 2}},
     .next_hop_ip = {IP_V4, {192, 0, 2, 1}},
     .transport_port = TEXT("tn"),
     .transport = {TEXT("10.253.0.11"), 0x0afd000b, 1}},
    {.switch_name = TEXT("gate"),
     .role = EDGE_INTER_DC,
     .transport_port = TEXT("tn"),
     .transport = {TEXT("10.253.0.13"), 0x0afd000d, 2},
     .migration_mbps = 500},
};

static const struct config_transport transport = {.ospf_api = {TEXT("127.0.0.1"), 2607}};
static const struct config config = {.dc = TEXT("A"),
                                     .servers = servers,
                                     .servers_count = ARRAY_LEN(servers),
                                     .peers = peers,
                                     .peers_count = ARRAY_LEN(peers),
                                     .segments = segments,
                                     .segments_count = ARRAY_LEN(segments),
                                     .vlan_first = 100,
                                     .vlan_last = 109,
                                     .edges_count = ARRAY_LEN(all_edges),
                                     .limits = {8, 16, 2, 1 << 20},
                                     .timeouts = {30, 60, 10},
                                     .history = {1000}};

int circuit_world_setup_without_transport(void **state)
{
    struct circuit_world *w = xcalloc(1, sizeof *w);
    struct err err = {0};

    log_set_level(getenv("TEST_LOG") ? LOG_INFO : LOG_ERROR);
    for (size_t i = 0; i < ARRAY_LEN(segments); i++) {
        ip_with_length_parse(segments[i].gateway, &segments[i].gateway_ip, &segments[i].length);
        mac_parse(segments[i].gateway_mac, &segments[i].mac);
    }
    memcpy(w->edges, all_edges, sizeof w->edges);
    w->transport_config = transport;
    w->config = config;
    w->config.edges = w->edges;
    w->config.transport = &w->transport_config;
    world_devices_init(w);
    world_transport_init(w);
    w->now = 1000000;
    w->store = store_open(":memory:", &err);
    if (!w->store)
        fail_msg("%s", err.text);
    store_policy_put(w->store, "V1", "{\"policy\": \"V1\"}", NULL);
    store_policy_put(w->store, "V2", "{\"policy\": \"V2\"}", NULL);
    start(w);
    *state = w;
    return 0;
}

int circuit_world_setup(void **state)
{
    circuit_world_setup_without_transport(state);
    topology_up(*state);
    ingress_up(*state, PE);
    ingress_up(*state, GATE);
    pass_ms(*state, 0);
    assert_true(((struct circuit_world *) *state)->gateway->ready);
    return 0;
}

int circuit_world_teardown(void **state)
{
    struct circuit_world *w = *state;

    stop(w);
    store_close(w->store);
    for (size_t i = 0; i < SWITCHES; i++)
        flow_list_free(&w->flows[i]);
    strbuf_free(&w->asked);
    strbuf_free(&w->told);
    strbuf_free(&w->queues);
    free(w->held_queues);
    json_decref(w->reply_body);
    json_decref(w->peer_body);
    free(w);
    return 0;
}

/* ---- from the north ---- */

const char *shown(struct circuit_world *w, const char *collection, const char *name, const char *member)
{
    static char text[ERR_TEXT_SIZE];
    json_t *json = NULL;
    struct err err = {0};

    world_run(w);
    text[0] = '\0';
    if (w->backend.get(w->gateway, collection, name, &json, &err) < 0) {
        snprintf(text, sizeof text, "gone");
    } else {
        const json_t *value = json_object_get(json, member);
        AUTO_FREE char *dump = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

        snprintf(text, sizeof text, "%s", json_is_string(value) ? json_string_value(value) : dump ? dump : "");
    }
    json_decref(json);
    return text;
}

static json_t *user_json(const char *name, const char *changes)
{
    json_t *user = json_pack("{s:s, s:s, s:{s:s, s:i}, s:i, s:[s], s:[s, s]}", "name", name, "segment", "web", "access",
                             "router", "10.253.0.15", "client", 1, "bandwidth-mbps", 100, "addresses", "10.100.0.101",
                             "vms", "V1", "V2");
    json_t *more = changes ? json_loads(changes, 0, NULL) : NULL;

    assert_true(!changes || more);
    if (more)
        json_object_update(user, more);
    json_decref(more);
    return user;
}

int put_user(struct circuit_world *w, const char *name, const char *changes, struct err *err)
{
    json_t *user = user_json(name, changes);

    *err = (struct err) {0};
    w->backend.user_put(w->gateway, name, user, err);
    json_decref(user);
    world_run(w);
    return err->code;
}

static json_t *order_command(const char *vm, unsigned mbps)
{
    return json_pack("{s:[s], s:{s:s, s:s}, s:i}", "vms", vm, "to", "dc", "B", "server", "server-b", "bandwidth-mbps",
                     (int) mbps);
}

const char *order(struct circuit_world *w, const char *vm, unsigned mbps, struct err *err)
{
    static char id[UUID_TEXT_SIZE];
    json_t *command = order_command(vm, mbps), *migration = NULL;

    *err = (struct err) {0};
    w->backend.migrate(w->gateway, command, &migration, err);
    json_decref(command);
    if (migration)
        snprintf(id, sizeof id, "%s", json_string_value(json_object_get(migration, "id")));
    json_decref(migration);
    world_run(w);
    return err->code ? NULL : id;
}

const char *state_of(struct circuit_world *w, const char *id)
{
    return shown(w, "migrations", id, "state");
}

static void take_reply(struct backend_reply *reply, int status, json_t *body)
{
    struct circuit_world *w = WORLD_OF(reply, reply);

    w->reply_status = status;
    json_decref(w->reply_body);
    w->reply_body = body;
}

json_t *peer_message(struct circuit_world *w, const char *user, const char *changes)
{
    char *id = w->peer_order;
    json_t *one = user_json(user, changes);

    snprintf(id, UUID_TEXT_SIZE, "0d6b8f5e-0000-4000-8000-%012u", ++w->orders);
    json_t *body = json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:s, s:[{s:s, s:s, s:s, s:s, s:i, s:i, s:[{s:s, s:s}], s:{s:s}}]}", "version", 1,
        "id", id, "source-dc", "B", "target-dc", "A", "target-server", "server-a", "channel", "B:channel:A:1", "vms",
        "name", "V9", "uuid", "00000000-0000-0000-0000-000000000009", "segment", "web", "source-address", "10.254.0.12",
        "memory-kib", 1024, "generation", 1, "interfaces", "mac", "52:54:00:00:00:19", "address",
        w->peer_vm_address ? w->peer_vm_address : "10.100.0.19", "policy", "policy", "V9");

    assert_non_null(body);
    json_object_set_new(one, "vms", json_pack("[s]", "V9"));
    json_object_set_new(body, "users", json_pack("[o]", one));
    json_object_set_new(body, "channel-source-vlan", json_integer(300));
    json_object_set_new(body, "channel-target-vlan", json_integer(301));
    return body;
}

struct backend_reply *next_reply(struct circuit_world *w)
{
    w->reply.send = take_reply;
    w->reply_status = 0;
    json_decref(w->reply_body);
    w->reply_body = NULL;
    return &w->reply;
}

void order_from_peer(struct circuit_world *w, const char *user, const char *changes)
{
    json_t *body = peer_message(w, user, changes);

    w->backend.peer_configure(w->gateway, "scg-b", w->peer_order, body, next_reply(w));
    json_decref(body);
    world_run(w);
}

void plan_for_peer(struct circuit_world *w, json_t *message)
{
    w->backend.peer_plan(w->gateway, "scg-b", "", message, next_reply(w));
    json_decref(message);
    world_run(w);
}

void plan(struct circuit_world *w, const char *vm)
{
    json_t *command = order_command(vm, 0);

    w->backend.plan(w->gateway, command, next_reply(w));
    json_decref(command);
    world_run(w);
}
