/* SPDX-License-Identifier: Apache-2.0 */
#include "circuit_world.h"

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
#include "model/json.h"

#define AREA 1u
#define MEMBER(type, member, pointer) ((type *) (void *) ((char *) (pointer) -offsetof(type, member)))

static const char *const switch_names[SWITCHES] = {"tor", "pe", "gate"};

/* ---- the loop ---- */

static struct event *push(struct circuit_world *w, enum event_type type)
{
    return event_push(&w->queue, type);
}

static void run(struct circuit_world *w)
{
    for (struct event *event; (event = event_pop(&w->queue)); event_discard(event)) {
        if (w->gateway)
            gateway_event(w->gateway, event, (struct mono) {w->now});
    }
}

void pass_ms(struct circuit_world *w, int64_t ms)
{
    int64_t end = w->now + ms;

    run(w);
    for (struct mono next; (next = gateway_deadline(w->gateway)).ms <= end; run(w)) {
        w->now = next.ms > w->now ? next.ms : w->now;
        gateway_tick(w->gateway, (struct mono) {w->now});
    }
    w->now = end;
}

/* ---- switches ---- */

static struct circuit_world *of_switches(struct switch_driver *driver)
{
    return MEMBER(struct circuit_world, switches, driver);
}

static size_t switch_index(const char *name)
{
    size_t i = 0;

    while (i < SWITCHES && strcmp(switch_names[i], name) != 0)
        i++;
    assert_in_range(i, 0, SWITCHES - 1);
    return i;
}

static void change(struct flow_list *flows, const struct flow_mod *mod)
{
    for (size_t i = flows->n; i-- > 0;) {
        const struct flow *held = &flows->flows[i];
        bool hit = mod->command == FLOW_DELETE ?
                       (held->cookie & mod->cookie_mask) == (mod->flow.cookie & mod->cookie_mask) :
                       held->table == mod->flow.table && held->priority == mod->flow.priority &&
                           match_equal(&held->match, &mod->flow.match);

        if (hit) {
            flow_free(&flows->flows[i]);
            flows->flows[i] = flows->flows[--flows->n];
        }
    }
    if (mod->command == FLOW_ADD)
        flow_list_add(flows, flow_copy(&mod->flow));
}

static void apply(struct switch_driver *driver, uint64_t request, const char *name, struct flow_txn *txn)
{
    struct circuit_world *w = of_switches(driver);
    size_t sw = switch_index(name);
    struct err err = {0};

    if (sw == 1 && w->flows_refused) {
        w->flows_refused--;
        err_set(&err, ERR_REFUSED, "the PE refuses");
    } else {
        for (size_t i = 0; i < txn->n_mods; i++)
            change(&w->flows[sw], &txn->mods[i]);
    }
    flow_txn_free(txn);
    event_push_done(&w->queue, request, err.code ? &err : NULL);
}

static void read_flows(struct switch_driver *driver, uint64_t request, const char *name, uint8_t table, uint64_t cookie,
                       uint64_t mask)
{
    struct circuit_world *w = of_switches(driver);
    const struct flow_list *flows = &w->flows[switch_index(name)];
    struct event *event = event_push_done(&w->queue, request, NULL);

    event->owns = EVENT_OWNS_READ;
    for (size_t i = 0; i < flows->n; i++) {
        if ((table == FLOW_TABLE_ALL || flows->flows[i].table == table) &&
            (flows->flows[i].cookie & mask) == (cookie & mask))
            flow_list_add(&event->read.flows, flow_copy(&flows->flows[i]));
    }
}

/* Of a tagged gratuitous ARP the VLAN and the address. */
static void packet_out(struct switch_driver *driver, const char *name, uint32_t port, const void *frame, size_t size)
{
    struct circuit_world *w = of_switches(driver);
    const uint8_t *bytes = frame;

    if (strcmp(name, "pe") == 0 && port == 4) {
        assert_int_equal(size, GARP_FRAME_SIZE);
        strbuf_printf(&w->told, "VLAN %u %u.%u.%u.%u\n", bytes[14] << 8 | bytes[15], bytes[32], bytes[33], bytes[34],
                      bytes[35]);
    }
}

static void free_switches(struct switch_driver *driver)
{
    (void) driver;
}

static const struct switch_ops switch_ops = {
    .apply = apply, .read = read_flows, .packet_out = packet_out, .free = free_switches};

static void tell_switch(struct circuit_world *w, size_t i)
{
    static const char *const ports[SWITCHES][4] = {{"tor-server", "tor-pe", "tor-gate"},
                                                   {"up", "router", "pe-tor", "tn"},
                                                   {"up", "gate-server", "gate-tor", "tn"}};
    struct event *event = push(w, EVENT_SWITCH_UP);

    event->owns = EVENT_OWNS_SWITCH;
    snprintf(event->name, NAME_SIZE, "%s", switch_names[i]);
    snprintf(event->sw.name, NAME_SIZE, "%s", switch_names[i]);
    event->sw.dpid = i + 1;
    event->sw.up = true;
    event->sw.ports = xcalloc(4, sizeof *event->sw.ports);
    for (uint32_t p = 0; p < 4 && ports[i][p]; p++) {
        bool fabric = strstr(ports[i][p], "tor-pe") || strstr(ports[i][p], "-tor") || strstr(ports[i][p], "tor-gate");

        event->sw.ports[p] = (struct switch_port) {.number = p + 1, .up = true, .fabric = fabric};
        snprintf(event->sw.ports[p].name, NAME_SIZE, "%s", ports[i][p]);
        event->sw.n_ports++;
    }
}

static void attach(struct circuit_world *w, const char *switch_name, uint32_t port)
{
    struct event *event = push(w, EVENT_ATTACHMENT);

    snprintf(event->attachment.server, NAME_SIZE, "server-a");
    snprintf(event->attachment.server_port, NAME_SIZE, "to-%s", switch_name);
    snprintf(event->attachment.switch_name, NAME_SIZE, "%s", switch_name);
    event->attachment.port = port;
}

static bool vlan_of(const struct flow *flow, unsigned *vlan)
{
    AUTO_FREE char *text = flow_format(flow);
    const char *at = strstr(text, ",vlan_vid=0x1");

    return at && sscanf(at, ",vlan_vid=0x1%x", vlan) == 1;
}

unsigned vlan_of_user(struct circuit_world *w, const char *user)
{
    uint64_t cookie = cookie_of_name(COOKIE_CIRCUIT, user);
    unsigned found = 0, vlan = 0;

    for (size_t i = 0; i < w->flows[1].n; i++) {
        const struct flow *flow = &w->flows[1].flows[i];

        if (flow->cookie != cookie || flow->table != 0 || !vlan_of(flow, &vlan))
            continue;
        assert_true(found == 0 || found == vlan);
        found = vlan;
    }
    return found;
}

unsigned channel_flows(struct circuit_world *w, unsigned *vlan)
{
    unsigned n = 0;

    *vlan = 0;
    for (size_t i = 0; i < w->flows[2].n; i++) {
        if ((w->flows[2].flows[i].cookie & COOKIE_KIND_MASK) == cookie_make(COOKIE_CHANNEL, 0)) {
            n++;
            vlan_of(&w->flows[2].flows[i], vlan);
        }
    }
    return n;
}

/* ---- hypervisors, routes, peer ---- */

static void locate(struct hypervisor_driver *driver, uint64_t request, const char *server,
                   const uint8_t uuid[UUID_SIZE])
{
    struct circuit_world *w = MEMBER(struct circuit_world, hypervisors, driver);

    (void) server;
    event_push_done(&w->queue, request, NULL)->location = inventory_vm_by_uuid(&w->gateway->inventory, uuid) ?
                                                              PLACE_RUNNING :
                                                              PLACE_ABSENT;
}

static const struct hypervisor_ops hypervisor_ops = {.locate = locate};

static void set_routes(struct routes_driver *driver, uint64_t request, const struct ip *hosts, size_t n)
{
    (void) hosts;
    (void) n;
    event_push_done(&MEMBER(struct circuit_world, routes, driver)->queue, request, NULL);
}

static const struct routes_ops routes_ops = {.set = set_routes};

static void call_peer(struct peer_driver *driver, uint64_t request, const char *dc, enum peer_verb verb, const char *id,
                      json_t *body, uint32_t timeout_ms)
{
    (void) dc;
    (void) verb;
    (void) id;
    (void) timeout_ms;
    MEMBER(struct circuit_world, peers, driver)->peer_request = request;
    json_decref(body);
}

static const struct peer_ops peer_ops = {.call = call_peer};

void peer_away(struct circuit_world *w)
{
    struct err err;

    assert_int_not_equal(w->peer_request, 0);
    err_set(&err, ERR_UNREACHABLE, "the peer is away");
    event_push_done(&w->queue, w->peer_request, &err);
    w->peer_request = 0;
    run(w);
}

static void tell_vm(struct circuit_world *w, unsigned n, enum vm_state state)
{
    struct vm *vm = &push(w, EVENT_VM)->vm;

    snprintf(vm->name, NAME_SIZE, "V%u", n);
    snprintf(vm->segment, NAME_SIZE, "web");
    snprintf(vm->server, NAME_SIZE, "server-a");
    vm->uuid[15] = (uint8_t) n;
    vm->state = state;
    vm->memory_kib = 1024;
    vm->n_nics = 1;
    vm->nics[0].mac = (struct mac) {{0x52, 0x54, 0, 0, 0, (uint8_t) (0x10 + n)}};
    vm->nics[0].ip = (struct ip) {IP_V4, {10, 100, 0, (uint8_t) (10 + n)}};
}

void vm_arrives(struct circuit_world *w, const char *vm)
{
    tell_vm(w, (unsigned) (vm[1] - '0'), VM_RUNNING);
    run(w);
}

/* ---- the transport network: what it is asked ---- */

static uint32_t router_id(uint32_t n)
{
    return 0x0afd0000 | n;
}

static uint32_t address_of(uint32_t from, uint32_t to)
{
    return 0x0afc0000 | from << 8 | to;
}

static void write_vlan(struct strbuf *out, uint16_t vlan)
{
    if (vlan == CLIENT_VLAN_ANY || vlan == CLIENT_VLAN_NONE)
        strbuf_puts(out, vlan == CLIENT_VLAN_ANY ? "any" : "none");
    else
        strbuf_printf(out, "%u", vlan);
}

static void note(struct circuit_world *w, uint64_t request, bool remove, struct lsp_request lsp)
{
    assert_in_range(w->n_pending, 0, PENDING_MAX - 1);
    w->pending[w->n_pending++] = (struct pending) {request, remove, lsp};
}

static void create(struct transport_driver *driver, uint64_t request, const struct lsp_request *lsp)
{
    struct circuit_world *w = MEMBER(struct circuit_world, transport, driver);

    strbuf_printf(&w->asked, "create %s: %u", lsp->name, lsp->ingress & 0xff);
    for (size_t i = 0; i < lsp->route.n; i++)
        strbuf_printf(&w->asked, " %u", lsp->route.hops[i].address >> 8 & 0xff);
    strbuf_printf(&w->asked, ", %llu Mbit/s, VLAN ", (unsigned long long) lsp->bandwidth_bps / 1000000);
    write_vlan(&w->asked, lsp->ingress_client.vlan);
    strbuf_puts(&w->asked, "/");
    write_vlan(&w->asked, lsp->egress_client.vlan);
    strbuf_puts(&w->asked, "\n");
    note(w, request, false, lsp_request_copy(lsp));
}

static void remove_lsp(struct transport_driver *driver, uint64_t request, uint32_t ingress, const char *name)
{
    struct circuit_world *w = MEMBER(struct circuit_world, transport, driver);
    struct lsp_request lsp = {.ingress = ingress};

    snprintf(lsp.name, sizeof lsp.name, "%s", name);
    strbuf_printf(&w->asked, "remove %s at %u\n", name, ingress & 0xff);
    note(w, request, true, lsp);
}

static const struct transport_ops transport_ops = {.create = create, .remove = remove_lsp};

void expect(struct circuit_world *w, const char *text)
{
    run(w);
    assert_string_equal(w->asked.text ? w->asked.text : "", text);
    strbuf_clear(&w->asked);
}

/* ---- what it says ---- */

static struct lsp_error error_at(uint32_t node, uint32_t neighbour)
{
    return (struct lsp_error) {.node = router_id(node),
                               .code = 1, /* admission control failure: requested bandwidth unavailable */
                               .value = 2,
                               .interface_ip = neighbour ? address_of(node, neighbour) : 0};
}

static struct lsp_report report_of(const struct lsp_request *lsp, enum lsp_state state, uint16_t ingress_vlan,
                                   uint16_t egress_vlan)
{
    struct lsp_report report = {.ingress = lsp->ingress, .egress = lsp->egress, .state = (uint8_t) state};

    memcpy(report.name, lsp->name, sizeof report.name);
    report.ingress_client = (struct lsp_client) {lsp->ingress_client.interface, ingress_vlan};
    report.egress_client = (struct lsp_client) {lsp->egress_client.interface, egress_vlan};
    for (size_t i = 0; i < lsp->route.n; i++) {
        lsp_route_add(&report.record, lsp->route.hops[i]);
        lsp_route_add(&report.record, (struct lsp_hop) {.type = HOP_LABEL, .label = 1000 + (uint32_t) i});
        lsp_route_add(&report.record,
                      (struct lsp_hop) {.type = HOP_LABEL, .upstream = true, .label = 2000 + (uint32_t) i});
    }
    return report;
}

static void push_report(struct circuit_world *w, struct lsp_report lsp)
{
    struct event *event = push(w, EVENT_LSP);

    event->lsp = lsp;
    event->owns = EVENT_OWNS_LSP;
    run(w);
}

void report(struct circuit_world *w, uint32_t ingress, const char *name, enum lsp_state state, uint16_t ingress_vlan,
            uint16_t egress_vlan)
{
    struct lsp_request lsp = {.ingress = router_id(ingress)};

    snprintf(lsp.name, sizeof lsp.name, "%s", name);
    push_report(w, report_of(&lsp, state, ingress_vlan, egress_vlan));
}

void report_failed(struct circuit_world *w, uint32_t ingress, const char *name, uint32_t node, uint32_t neighbour)
{
    struct lsp_report lsp = {.ingress = router_id(ingress), .state = LSP_DOWN, .removed = true};

    snprintf(lsp.name, sizeof lsp.name, "%s", name);
    lsp.error = error_at(node, neighbour);
    push_report(w, lsp);
}

/* The order of that name, which is no longer pending. */
static struct pending take(struct circuit_world *w, const char *name, bool remove)
{
    for (size_t i = 0; i < w->n_pending; i++) {
        struct pending pending = w->pending[i];

        if (pending.remove == remove && strcmp(pending.lsp.name, name) == 0) {
            w->pending[i] = w->pending[--w->n_pending];
            return pending;
        }
    }
    fail_msg("no one waits for %s to be %s", name, remove ? "removed" : "up");
    return (struct pending) {0};
}

void answer_up(struct circuit_world *w, const char *name, uint16_t ingress_vlan, uint16_t egress_vlan)
{
    struct pending pending = take(w, name, false);
    struct event *event = event_push_done(&w->queue, pending.request, NULL);

    event->lsp = report_of(&pending.lsp, LSP_UP, ingress_vlan, egress_vlan);
    event->owns = EVENT_OWNS_LSP;
    lsp_request_free(&pending.lsp);
    run(w);
}

void answer_refused(struct circuit_world *w, const char *name, uint32_t node, uint32_t neighbour)
{
    struct pending pending = take(w, name, false);
    struct lsp_report lsp = report_of(&pending.lsp, LSP_DOWN, 0, 0);
    struct err err;

    lsp.removed = true;
    lsp.error = error_at(node, neighbour);
    AUTO_FREE char *text = lsp_error_format(&lsp.error);
    err_set(&err, ERR_REFUSED, "%s: %s", name, text);
    struct event *event = event_push_done(&w->queue, pending.request, &err);
    event->lsp = lsp;
    event->owns = EVENT_OWNS_LSP;
    lsp_request_free(&pending.lsp);
    run(w);
}

static void answer_code(struct circuit_world *w, const char *name, bool remove, int code)
{
    struct pending pending = take(w, name, remove);
    struct err err;

    if (code)
        err_set(&err, code, "%s: the test says so", name);
    event_push_done(&w->queue, pending.request, code ? &err : NULL);
    lsp_request_free(&pending.lsp);
    run(w);
}

/* Of the creation if one waits, else of the removal. */
void answer_error(struct circuit_world *w, const char *name, int code)
{
    bool remove = true;

    for (size_t i = 0; i < w->n_pending; i++)
        remove &= w->pending[i].remove || strcmp(w->pending[i].lsp.name, name) != 0;
    answer_code(w, name, remove, code);
}

void answer_removed(struct circuit_world *w, const char *name)
{
    answer_code(w, name, true, 0);
}

static void tell_link(struct circuit_world *w, uint32_t from, uint32_t to, uint32_t mbps)
{
    struct te_link *link = &push(w, EVENT_TE_LINK)->te_link;

    *link = (struct te_link) {.key = {AREA, router_id(from), address_of(from, to), 0},
                              .to = router_id(to),
                              .remote_ip = address_of(to, from),
                              .metric = from == T2 || to == T2 ? 20 : 10,
                              .delay_us = TE_DELAY_NONE,
                              .max_bps = UINT64_C(1000000000),
                              .reservable_bps = UINT64_C(1000000000)};
    for (unsigned p = 0; p < TE_PRIORITIES; p++)
        link->unreserved_bps[p] = (uint64_t) mbps * 1000000;
}

void topology_up(struct circuit_world *w)
{
    static const uint32_t leaves[] = {PE, GATE, GATE_B, CE_PE}, hubs[] = {T1, T2};

    for (size_t l = 0; l < ARRAY_LEN(leaves); l++) {
        for (size_t h = 0; h < ARRAY_LEN(hubs); h++) {
            tell_link(w, leaves[l], hubs[h], 1000);
            tell_link(w, hubs[h], leaves[l], 1000);
        }
    }
    tell_link(w, T1, T2, 1000);
    tell_link(w, T2, T1, 1000);
    push(w, EVENT_TE_SYNCED);
    run(w);
}

void topology_down(struct circuit_world *w)
{
    err_set(&push(w, EVENT_TE_DOWN)->err, ERR_UNREACHABLE, "ospfd has gone");
    run(w);
}

void link_down(struct circuit_world *w, uint32_t from, uint32_t to)
{
    push(w, EVENT_TE_LINK_GONE)->te_link.key = (struct te_link_key) {AREA, router_id(from), address_of(from, to), 0};
    push(w, EVENT_TE_LINK_GONE)->te_link.key = (struct te_link_key) {AREA, router_id(to), address_of(to, from), 0};
    run(w);
}

void link_free(struct circuit_world *w, uint32_t from, uint32_t to, uint32_t mbps)
{
    tell_link(w, from, to, mbps);
    tell_link(w, to, from, mbps);
    run(w);
}

void ingress_up(struct circuit_world *w, uint32_t router)
{
    push(w, EVENT_INGRESS_UP)->router = router_id(router);
    run(w);
}

void ingress_down(struct circuit_world *w, uint32_t router)
{
    struct event *event = push(w, EVENT_INGRESS_DOWN);

    event->router = router_id(router);
    err_set(&event->err, ERR_UNREACHABLE, "it hung up");
    run(w);
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
    for (size_t i = 0; i < SWITCHES; i++)
        tell_switch(w, i);
    attach(w, "tor", 1);
    attach(w, "gate", 2);
    struct server *server = &push(w, EVENT_SERVER_UP)->server;
    snprintf(server->name, NAME_SIZE, "server-a");
    server->up = true;
    server->memory_free_kib = 1 << 20;
    tell_vm(w, 1, VM_RUNNING);
    tell_vm(w, 2, VM_RUNNING);
    tell_vm(w, 3, VM_SHUT_OFF);
    snprintf(push(w, EVENT_SERVER_LISTED)->name, NAME_SIZE, "server-a");
    run(w);
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

/* Texts of a configuration are not const. */
#define TEXT(text) ((char[]) {text})

static struct config_server servers[] = {
    {TEXT("server-a"), TEXT("test"), TEXT("qemu://a"), TEXT("10.254.0.11")},
};
static struct config_peer peers[] = {
    {.dc = TEXT("B"), .name = TEXT("scg-b"), .transport = {TEXT("10.253.0.14"), 0x0afd000e, 4}},
    {.dc = TEXT("C"), .name = TEXT("scg-c")},
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
                                     .timeouts = {30, 60, 10}};

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
    w->switches.ops = &switch_ops;
    w->hypervisors.ops = &hypervisor_ops;
    w->routes.ops = &routes_ops;
    w->peers.ops = &peer_ops;
    w->transport.ops = &transport_ops;
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
    json_decref(w->reply_body);
    free(w);
    return 0;
}

/* ---- from the north ---- */

const char *shown(struct circuit_world *w, const char *collection, const char *name, const char *member)
{
    static char text[ERR_TEXT_SIZE];
    json_t *json = NULL;
    struct err err = {0};

    run(w);
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
    run(w);
    return err->code;
}

const char *order(struct circuit_world *w, const char *vm, unsigned mbps, struct err *err)
{
    static char id[UUID_TEXT_SIZE];
    json_t *command = json_pack("{s:[s], s:{s:s, s:s}, s:i}", "vms", vm, "to", "dc", "B", "server", "server-b",
                                "bandwidth-mbps", (int) mbps);
    json_t *migration = NULL;

    *err = (struct err) {0};
    w->backend.migrate(w->gateway, command, false, &migration, err);
    json_decref(command);
    if (migration)
        snprintf(id, sizeof id, "%s", json_string_value(json_object_get(migration, "id")));
    json_decref(migration);
    run(w);
    return err->code ? NULL : id;
}

const char *state_of(struct circuit_world *w, const char *id)
{
    return shown(w, "migrations", id, "state");
}

static void take_reply(struct peer_reply *reply, int status, json_t *body)
{
    struct circuit_world *w = MEMBER(struct circuit_world, reply, reply);

    w->reply_status = status;
    json_decref(w->reply_body);
    w->reply_body = body;
}

void order_from_peer(struct circuit_world *w, const char *user, const char *changes)
{
    char *id = w->peer_order;
    json_t *one = user_json(user, changes);

    snprintf(id, UUID_TEXT_SIZE, "0d6b8f5e-0000-4000-8000-%012u", ++w->orders);
    json_t *body = json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:s, s:[{s:s, s:s, s:s, s:s, s:i, s:i, s:[{s:s, s:s}], s:{s:s}}]}", "version", 1,
        "id", id, "source-dc", "B", "target-dc", "A", "target-server", "server-a", "channel", "B:channel:A:1", "vms",
        "name", "V9", "uuid", "00000000-0000-0000-0000-000000000009", "segment", "web", "source-address", "10.254.0.12",
        "memory-kib", 1024, "generation", 1, "interfaces", "mac", "52:54:00:00:00:19", "address", "10.100.0.19",
        "policy", "policy", "V9");

    assert_non_null(body);
    json_object_set_new(one, "vms", json_pack("[s]", "V9"));
    json_object_set_new(body, "users", json_pack("[o]", one));
    json_object_set_new(body, "channel-source-vlan", json_integer(300));
    json_object_set_new(body, "channel-target-vlan", json_integer(301));
    w->reply.send = take_reply;
    w->backend.peer_configure(w->gateway, "scg-b", id, body, &w->reply);
    json_decref(body);
    run(w);
}
