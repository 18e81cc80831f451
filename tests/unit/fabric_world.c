/* SPDX-License-Identifier: Apache-2.0 */
#include "fabric_world.h"

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
#include "flow_table.h"

#define TEXT(text) ((char[]) {text})

const char *const fabric_names[SWITCHES] = {"tor-a", "tor-b", "p1", "p2", "p3", "pe", "gate"};

const struct fabric_link fabric_links[FABRIC_LINKS] = {{TOR_A, P1}, {TOR_A, P2}, {TOR_B, P2}, {P1, P2},  {P1, PE},
                                                       {P1, P3},    {P2, P3},    {P3, PE},    {GATE, P3}};

static struct fabric_world *world_of(const void *member, size_t offset)
{
    return (void *) ((char *) member - offset);
}

#define WORLD_OF(member, pointer) world_of(pointer, offsetof(struct fabric_world, member))

static unsigned index_of(const char *name)
{
    unsigned i = 0;

    while (i < SWITCHES && strcmp(fabric_names[i], name) != 0)
        i++;
    assert_in_range(i, 0, SWITCHES - 1);
    return i;
}

/* ---- devices ---- */

static void apply(struct switch_driver *driver, uint64_t request, const char *name, struct flow_txn *txn)
{
    struct fabric_world *w = WORLD_OF(switches, driver);
    static const char *const ways[] = {"pe>tor-a", "tor-a>pe"};

    for (size_t i = 0; i < txn->n_mods; i++) {
        const struct flow_mod *mod = &txn->mods[i];

        flow_table_change(&w->flows[index_of(name)], mod);
        for (size_t d = 0; d < 2 && mod->command == FLOW_DELETE && mod->cookie_mask == COOKIE_EXACT; d++) {
            if (mod->flow.cookie == cookie_of_name(COOKIE_TUNNEL, ways[d]))
                strbuf_printf(&w->ways, "%s: %s\n", ways[d], name);
        }
    }
    flow_txn_free(txn);
    if (!w->slow || strcmp(w->slow, name) != 0)
        event_push_done(&w->queue, request, NULL);
    else if (w->n_unanswered < ARRAY_LEN(w->unanswered))
        w->unanswered[w->n_unanswered++] = request;
}

static void read_flows(struct switch_driver *driver, uint64_t request, const char *name,
                       const struct switch_query *query)
{
    (void) name;
    (void) query;
    event_push_done(&WORLD_OF(switches, driver)->queue, request, NULL)->owns = EVENT_OWNS_READ;
}

static void packet_out(struct switch_driver *driver, const char *name, uint32_t port, const void *frame, size_t size)
{
    if (size > ARP_FRAME_SIZE && port >= FABRIC_LINK_PORT) /* tagged */
        strbuf_printf(&WORLD_OF(switches, driver)->garp, "%s %s\n", name, port == PORT_TABLE ? "table" : "port");
    (void) frame;
}

static void set_queues(struct switch_driver *driver, uint64_t request, const char *name,
                       const struct switch_queue_set *set)
{
    struct fabric_world *w = WORLD_OF(switches, driver);

    strbuf_printf(&w->queues, "%s %zu%s\n", name, set->n, set->complete ? " complete" : "");
    event_push_done(&w->queue, request, NULL);
}

static const struct switch_ops switch_ops = {
    .apply = apply, .set_queues = set_queues, .read = read_flows, .packet_out = packet_out};
static const struct hypervisor_ops hypervisor_ops = {0};

static void set_routes(struct routes_driver *driver, uint64_t request, const struct ip *hosts, size_t n)
{
    (void) hosts;
    (void) n;
    event_push_done(&WORLD_OF(routes, driver)->queue, request, NULL);
}

static const struct routes_ops routes_ops = {.set = set_routes};

/* ---- what happens ---- */

void run(struct fabric_world *w)
{
    for (struct event *event; (event = event_pop(&w->queue)); event_discard(event))
        gateway_event(w->gateway, event, (struct mono) {w->now});
}

void answer_until(struct fabric_world *w, uint64_t last)
{
    size_t n = 0;

    for (; n < w->n_unanswered && w->unanswered[n] <= last; n++)
        event_push_done(&w->queue, w->unanswered[n], NULL);
    w->n_unanswered -= n;
    memmove(w->unanswered, &w->unanswered[n], w->n_unanswered * sizeof *w->unanswered);
    run(w);
}

void fail_unanswered(struct fabric_world *w)
{
    struct err err = {0};

    err_set(&err, ERR_UNREACHABLE, "gone");
    for (size_t i = 0; i < w->n_unanswered; i++)
        event_push_done(&w->queue, w->unanswered[i], &err);
    w->n_unanswered = 0;
    run(w);
}

void pass_ms(struct fabric_world *w, int64_t ms)
{
    int64_t end = w->now + ms;

    run(w);
    for (struct mono next; (next = gateway_deadline(w->gateway)).ms <= end; run(w)) {
        w->now = next.ms > w->now ? next.ms : w->now;
        gateway_tick(w->gateway, (struct mono) {w->now});
    }
    w->now = end;
}

static struct switch_port port_make(const char *name, uint32_t number, bool up)
{
    struct switch_port port = {.number = number, .up = up};

    snprintf(port.name, NAME_SIZE, "%s", name);
    return port;
}

static struct switch_port link_port(const struct fabric_world *w, unsigned sw, unsigned n, bool up)
{
    struct switch_port port = {.number = n + FABRIC_LINK_PORT, .up = up, .fabric = w->rstp[sw], .mtu = w->mtu[n]};

    snprintf(port.name, sizeof port.name, "link-%u", n);
    return port;
}

void switch_up(struct fabric_world *w, unsigned i)
{
    struct event *event = event_push(&w->queue, EVENT_SWITCH_UP);

    snprintf(event->name, NAME_SIZE, "%s", fabric_names[i]);
    snprintf(event->sw.name, NAME_SIZE, "%s", fabric_names[i]);
    event->owns = EVENT_OWNS_SWITCH;
    event->sw.dpid = i + 1;
    event->sw.ports = xcalloc(FABRIC_LINKS + 3, sizeof *event->sw.ports);
    for (uint32_t n = 0; n < FABRIC_LINKS; n++) {
        if (fabric_links[n].a == i || fabric_links[n].b == i)
            event->sw.ports[event->sw.n_ports++] = link_port(w, i, n, !w->cut[n]);
    }
    if (i == TOR_A || i == TOR_B || i == GATE)
        event->sw.ports[event->sw.n_ports++] = port_make("server", 1, true);
    if (i == PE || i == GATE)
        event->sw.ports[event->sw.n_ports++] = port_make("up", 2, true);
    if (i == PE)
        event->sw.ports[event->sw.n_ports++] = port_make("router", 3, true);
    run(w);
}

void switch_down(struct fabric_world *w, unsigned i)
{
    struct event *event = event_push(&w->queue, EVENT_SWITCH_DOWN);

    snprintf(event->name, NAME_SIZE, "%s", fabric_names[i]);
    err_set(&event->err, ERR_UNREACHABLE, "gone");
    run(w);
}

unsigned link_between(unsigned a, unsigned b)
{
    unsigned n = 0;

    while (n < FABRIC_LINKS && !(fabric_links[n].a == a && fabric_links[n].b == b) &&
           !(fabric_links[n].a == b && fabric_links[n].b == a))
        n++;
    assert_in_range(n, 0, FABRIC_LINKS - 1);
    return n;
}

void push_link(struct fabric_world *w, enum event_type type, unsigned from, unsigned to)
{
    struct link *link = &event_push(&w->queue, type)->link;

    snprintf(link->from_switch, NAME_SIZE, "%s", fabric_names[from]);
    snprintf(link->to_switch, NAME_SIZE, "%s", fabric_names[to]);
    link->from_port = link->to_port = link_between(from, to) + FABRIC_LINK_PORT;
}

void push_port(struct fabric_world *w, unsigned sw, unsigned other, bool up)
{
    struct event *event = event_push(&w->queue, EVENT_PORT);

    snprintf(event->name, NAME_SIZE, "%s", fabric_names[sw]);
    event->port = link_port(w, sw, link_between(sw, other), up);
}

void link_set(struct fabric_world *w, unsigned a, unsigned b, bool up)
{
    w->cut[link_between(a, b)] = !up;
    push_port(w, a, b, up);
    push_port(w, b, a, up);
    if (up) {
        push_link(w, EVENT_LINK, a, b);
        push_link(w, EVENT_LINK, b, a);
    }
    run(w);
}

void attach(struct fabric_world *w, const char *server, unsigned sw)
{
    struct attachment *at = &event_push(&w->queue, EVENT_ATTACHMENT)->attachment;

    snprintf(at->server, NAME_SIZE, "%s", server);
    snprintf(at->server_port, NAME_SIZE, "to-%s", fabric_names[sw]);
    snprintf(at->switch_name, NAME_SIZE, "%s", fabric_names[sw]);
    at->port = sw == GATE && strcmp(server, "server-b") == 0 ? 2 : 1;
}

void vm_is(struct fabric_world *w, char letter, enum vm_state state)
{
    struct vm *vm = &event_push(&w->queue, EVENT_VM)->vm;

    snprintf(vm->name, NAME_SIZE, "V%c", letter);
    snprintf(vm->segment, NAME_SIZE, letter < 'c' ? "web" : "db");
    snprintf(vm->server, NAME_SIZE, "server-%c", letter < 'c' ? letter : letter - 2);
    vm->uuid[15] = (uint8_t) letter;
    vm->state = state;
    vm->n_nics = 1;
    vm->nics[0].mac = (struct mac) {{0x52, 0x54, 0, 0, 0, (uint8_t) letter}};
    vm->nics[0].mtu = w->vm_mtu;
    vm->nics[0].ip = (struct ip) {IP_V4, {10, 100, 0, (uint8_t) letter}};
    run(w);
}

static int64_t unix_ms(void *arg)
{
    return ((struct fabric_world *) arg)->now;
}

static struct mono enter(void *arg)
{
    return (struct mono) {((struct fabric_world *) arg)->now};
}

void start(struct fabric_world *w)
{
    struct gateway_south south = {&w->switches, &w->hypervisors, &w->routes, NULL, NULL};
    struct err err = {0};

    w->gateway = gateway_new(&w->config, w->store, &err);
    if (!w->gateway)
        fail_msg("%s", err.text);
    w->gateway->enter = enter;
    w->gateway->unix_ms = unix_ms;
    w->gateway->enter_arg = w->gateway->unix_ms_arg = w;
    w->backend = gateway_backend(w->gateway);
    gateway_start(w->gateway, &south, (struct mono) {w->now});
    for (unsigned i = 0; i < SWITCHES; i++) {
        if (!w->away[i])
            switch_up(w, i);
    }
    for (unsigned i = 0; i < ARRAY_LEN(w->silent); i++) {
        if (!w->silent[i]) {
            attach(w, i ? "server-b" : "server-a", i ? TOR_B : TOR_A);
            attach(w, i ? "server-b" : "server-a", GATE);
        }
    }
    for (char letter = 'a'; letter <= 'b'; letter++) {
        struct server *server = &event_push(&w->queue, EVENT_SERVER_UP)->server;

        snprintf(server->name, NAME_SIZE, "server-%c", letter);
        server->up = true;
    }
    run(w);
}

void links_up(struct fabric_world *w)
{
    for (unsigned n = 0; n < FABRIC_LINKS; n++) {
        if (w->cut[n])
            continue;
        push_link(w, EVENT_LINK, fabric_links[n].a, fabric_links[n].b);
        push_link(w, EVENT_LINK, fabric_links[n].b, fabric_links[n].a);
    }
    run(w);
}

void servers_listed(struct fabric_world *w)
{
    snprintf(event_push(&w->queue, EVENT_SERVER_LISTED)->name, NAME_SIZE, "server-a");
    snprintf(event_push(&w->queue, EVENT_SERVER_LISTED)->name, NAME_SIZE, "server-b");
    run(w);
}

static struct config_server servers[] = {{TEXT("server-a"), TEXT("test"), TEXT("qemu://a"), TEXT("10.254.0.11")},
                                         {TEXT("server-b"), TEXT("test"), TEXT("qemu://b"), TEXT("10.254.0.12")}};
static struct config_segment segments[] = {
    {.name = TEXT("web"), .gateway = TEXT("10.100.0.1/24"), .gateway_mac = TEXT("02:5c:67:00:00:01")},
    {.name = TEXT("db"), .gateway = TEXT("10.100.0.2/24"), .gateway_mac = TEXT("02:5c:67:00:00:02")}};
static struct config_edge edges[] = {{.switch_name = TEXT("pe"),
                                      .role = EDGE_IP,
                                      .uplink_port = TEXT("up"),
                                      .router_port = TEXT("router"),
                                      .router_ip = {IP_V4, {192, 0, 2, 2}},
                                      .next_hop = TEXT("192.0.2.1"),
                                      .next_hop_ip = {IP_V4, {192, 0, 2, 1}}},
                                     {.switch_name = TEXT("gate"), .role = EDGE_INTER_DC, .uplink_port = TEXT("up")}};
static struct config_link_metric metrics[] = {{TEXT("p3"), TEXT("p1"), 10}};
static const struct config config = {.dc = TEXT("A"),
                                     .servers = servers,
                                     .servers_count = ARRAY_LEN(servers),
                                     .segments = segments,
                                     .segments_count = ARRAY_LEN(segments),
                                     .vlan_first = 100,
                                     .vlan_last = 109,
                                     .mode = MODE_VPLS,
                                     .edges = edges,
                                     .edges_count = ARRAY_LEN(edges),
                                     .limits = {8, 16, 2, 1 << 20},
                                     .timeouts = {30, 60, 10},
                                     .history = {1000}};

int fabric_world_setup(void **state)
{
    struct fabric_world *w = xcalloc(1, sizeof *w);
    struct err err = {0};

    log_set_level(getenv("TEST_LOG") ? LOG_INFO : LOG_ERROR);
    for (unsigned i = 0; i < ARRAY_LEN(segments); i++) {
        ip_with_length_parse(segments[i].gateway, &segments[i].gateway_ip, &segments[i].length);
        mac_parse(segments[i].gateway_mac, &segments[i].mac);
    }
    w->vpls = (struct config_vpls) {{100, 199}, metrics, ARRAY_LEN(metrics)};
    w->config = config;
    w->config.vpls = &w->vpls;
    w->switches.ops = &switch_ops;
    w->hypervisors.ops = &hypervisor_ops;
    w->routes.ops = &routes_ops;
    w->now = 1000000;
    w->store = store_open(":memory:", &err);
    if (!w->store)
        fail_msg("%s", err.text);
    start(w);
    links_up(w);
    servers_listed(w);
    assert_true(w->gateway->ready);
    *state = w;
    return 0;
}

void stop(struct fabric_world *w)
{
    gateway_free(w->gateway);
    w->gateway = NULL;
    event_queue_clear(&w->queue);
}

int fabric_world_teardown(void **state)
{
    struct fabric_world *w = *state;

    stop(w);
    store_close(w->store);
    for (size_t i = 0; i < SWITCHES; i++)
        flow_list_free(&w->flows[i]);
    strbuf_free(&w->ways);
    strbuf_free(&w->garp);
    strbuf_free(&w->queues);
    free(w);
    return 0;
}

/* ---- what is seen ---- */

const char *tunnel(struct fabric_world *w, const char *name)
{
    static char text[ERR_TEXT_SIZE];
    json_t *json = NULL;
    size_t length;
    struct err err;

    if (w->backend.get(w->gateway, "tunnels", name, &json, &err) < 0)
        return "gone";
    length = (size_t) snprintf(text, sizeof text, "%s:", json_string_value(json_object_get(json, "state")));
    const json_t *path = json_object_get(json, "path");
    for (size_t i = 0; i < json_array_size(path); i++)
        length += (size_t) snprintf(text + length, sizeof text - length, " %s",
                                    json_string_value(json_object_get(json_array_get(path, i), "node")));
    json_decref(json);
    return text;
}

const char *error_of(struct fabric_world *w, const char *name)
{
    static char text[ERR_TEXT_SIZE];
    json_t *json = NULL;
    struct err err;

    assert_int_equal(w->backend.get(w->gateway, "tunnels", name, &json, &err), 0);
    const char *error = json_string_value(json_object_get(json, "error"));
    snprintf(text, sizeof text, "%s", error ? error : "");
    json_decref(json);
    return text;
}

const char *ends(struct fabric_world *w)
{
    static char text[ERR_TEXT_SIZE];
    json_t *json = NULL;
    size_t length = 0;
    struct err err;

    text[0] = '\0';
    assert_int_equal(w->backend.get(w->gateway, "segments", "web", &json, &err), 0);
    const json_t *array = json_object_get(json, "ends");
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *end = json_array_get(array, i);

        length += (size_t) snprintf(text + length, sizeof text - length, "%s%s %d", i ? ", " : "",
                                    json_string_value(json_object_get(end, "switch")),
                                    (int) json_integer_value(json_object_get(end, "label")));
    }
    json_decref(json);
    return text;
}

unsigned flows_of(const struct fabric_world *w, unsigned sw, enum cookie_kind kind)
{
    unsigned n = 0;

    for (size_t i = 0; i < w->flows[sw].n; i++)
        n += (w->flows[sw].flows[i].cookie & COOKIE_KIND_MASK) == cookie_make(kind, 0);
    return n;
}

static bool count(void *arg, const char *owner, uint32_t number)
{
    (void) owner;
    (void) number;
    ++*(unsigned *) arg;
    return true;
}

unsigned numbers_of(const struct fabric_world *w, const char *pool)
{
    unsigned n = 0;

    store_number_each(w->store, pool, count, &n, NULL);
    return n;
}

unsigned labels_of(const struct fabric_world *w, unsigned sw)
{
    AUTO_FREE char *pool = xasprintf("label/%s", fabric_names[sw]);

    return numbers_of(w, pool);
}

void expect_ways(struct fabric_world *w, const char *text)
{
    assert_string_equal(w->ways.text ? w->ways.text : "", text);
    strbuf_clear(&w->ways);
}
