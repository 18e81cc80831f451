/* SPDX-License-Identifier: Apache-2.0 */
/* Switches, hypervisors, BIRD and the peer, which do at once what they are told. */
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
#include "flow_table.h"
#include "flow_walk.h"

static const char *const switch_names[SWITCHES] = {"tor", "pe", "gate"};

/* ---- switches ---- */

static struct circuit_world *of_switches(struct switch_driver *driver)
{
    return WORLD_OF(switches, driver);
}

static size_t switch_index(const char *name)
{
    size_t i = 0;

    while (i < SWITCHES && strcmp(switch_names[i], name) != 0)
        i++;
    assert_in_range(i, 0, SWITCHES - 1);
    return i;
}

/* All changes, or none if there were more flows than the table takes. */
static bool change_flows(struct flow_list *flows, const struct flow_txn *txn, size_t room)
{
    struct flow_list changed = {0};

    for (size_t i = 0; i < flows->n; i++)
        flow_list_add(&changed, flow_copy(&flows->flows[i]));
    for (size_t i = 0; i < txn->n_mods; i++)
        flow_table_change(&changed, &txn->mods[i]);
    if (room && changed.n > room) {
        flow_list_free(&changed);
        return false;
    }
    flow_list_free(flows);
    *flows = changed;
    return true;
}

static void apply(struct switch_driver *driver, uint64_t request, const char *name, struct flow_txn *txn)
{
    struct circuit_world *w = of_switches(driver);
    size_t sw = switch_index(name);
    struct err err = {0};

    if (sw == 1 && w->flows_refused) {
        w->flows_refused--;
        err_set(&err, ERR_REFUSED, "the PE refuses");
    } else if (sw == 0 && w->tor_refuses) {
        w->tor_refuses--;
        err_set(&err, ERR_REFUSED, "the ToR refuses");
    } else if (!change_flows(&w->flows[sw], txn, sw == 0 ? w->tor_room : 0)) {
        err_set(&err, ERR_REFUSED, "the ToR's table is full");
    }
    flow_txn_free(txn);
    event_push_done(&w->queue, request, err.code ? &err : NULL);
}

static void read_flows(struct switch_driver *driver, uint64_t request, const char *name,
                       const struct switch_query *query)
{
    struct circuit_world *w = of_switches(driver);
    const struct flow_list *flows = &w->flows[switch_index(name)];
    struct event *event = event_push_done(&w->queue, request, NULL);

    w->reads += query->table == FLOW_TABLE_ALL && query->mask == 0;
    event->owns = EVENT_OWNS_READ;
    if (strcmp(name, "tor") == 0 && w->n_held_queues) {
        event->read.queues = xmemdup(w->held_queues, w->n_held_queues * sizeof *w->held_queues);
        event->read.n_queues = w->n_held_queues;
    }
    for (size_t i = 0; i < flows->n; i++) {
        const struct flow *flow = &flows->flows[i];

        if ((query->table == FLOW_TABLE_ALL || flow->table == query->table) &&
            (flow->cookie & query->mask) == (query->cookie & query->mask) &&
            (!query->keep || query->keep(query->arg, flow)))
            flow_list_add(&event->read.flows, flow_copy(flow));
    }
}

/* Of a tagged ARP request the VLAN and the address, and whom it asks; a gratuitous one asks for itself. */
static void packet_out(struct switch_driver *driver, const char *name, uint32_t port, const void *frame, size_t size)
{
    struct circuit_world *w = of_switches(driver);
    const uint8_t *bytes = frame;

    if (strcmp(name, "pe") == 0 && port == 4) {
        assert_int_equal(size, GARP_FRAME_SIZE);
        strbuf_printf(&w->told, "VLAN %u %u.%u.%u.%u", bytes[14] << 8 | bytes[15], bytes[32], bytes[33], bytes[34],
                      bytes[35]);
        if (memcmp(bytes + 32, bytes + 42, 4) != 0)
            strbuf_printf(&w->told, " asks %u.%u.%u.%u", bytes[42], bytes[43], bytes[44], bytes[45]);
        strbuf_puts(&w->told, "\n");
    }
}

/* What the flows send to the controller comes back. */
static void inject(struct switch_driver *driver, const char *name, const struct switch_injection *injection)
{
    struct circuit_world *w = of_switches(driver);
    const struct flow way = {.actions = (struct flow_action *) (uintptr_t) injection->actions,
                             .n_actions = (uint16_t) injection->n_actions};
    struct flow_walk walk = flow_walk(&w->flows[switch_index(name)], injection->in_port, &way, injection->frame,
                                      injection->size);

    assert_int_equal(walk.outputs, 0);
    if (!walk.to_controller)
        return;
    struct event *event = event_push(&w->queue, EVENT_PACKET);
    name_copy(event->name, name);
    event->owns = EVENT_OWNS_PACKET;
    event->packet.port = injection->in_port;
    event->packet.cookie = walk.to_controller->cookie;
    event->packet.size = walk.size;
    event->packet.frame = xmemdup(walk.frame, walk.size);
}

static void free_switches(struct switch_driver *driver)
{
    (void) driver;
}

/* As text: "PORT/NUMBER MIN-MAX DSCP VM" each. */
static void set_queues(struct switch_driver *driver, uint64_t request, const char *name,
                       const struct switch_queue_set *set)
{
    struct circuit_world *w = of_switches(driver);
    const struct flow_queue *queues = set->queues;
    size_t n = set->n;

    if (strcmp(name, "tor") == 0) {
        strbuf_clear(&w->queues);
        free(w->held_queues);
        w->held_queues = n ? xmemdup(queues, n * sizeof *queues) : NULL;
        w->n_held_queues = n;
        for (size_t i = 0; i < n; i++)
            strbuf_printf(&w->queues, "%u/%u %u-%u %u %s\n", queues[i].port, queues[i].id, queues[i].min_kbps,
                          queues[i].max_kbps, queues[i].dscp, queues[i].vm);
    }
    event_push_done(&w->queue, request, NULL);
}

static const struct switch_ops switch_ops = {
    .apply = apply,
    .set_queues = set_queues,
    .read = read_flows,
    .packet_out = packet_out,
    .inject = inject,
    .free = free_switches,
};

static void tell_switch(struct circuit_world *w, size_t i)
{
    static const char *const ports[SWITCHES][4] = {{"tor-server", "tor-pe", "tor-gate"},
                                                   {"up", "router", "pe-tor", "tn"},
                                                   {"up", "gate-server", "gate-tor", "tn"}};
    struct event *event = world_push(w, EVENT_SWITCH_UP);

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

/* The port as the gateway knows it, in an event that the caller changes. */
static struct event *tell_port(struct circuit_world *w, const char *switch_name, uint32_t port)
{
    const struct switch_info *sw = inventory_switch(&w->gateway->inventory, switch_name);
    struct event *event = world_push(w, EVENT_PORT);

    assert_in_range(port, 1, sw->n_ports);
    snprintf(event->name, NAME_SIZE, "%s", switch_name);
    event->port = sw->ports[port - 1];
    return event;
}

void port_down(struct circuit_world *w, const char *switch_name, uint32_t port)
{
    tell_port(w, switch_name, port)->port.up = false;
    world_run(w);
}

void port_rate(struct circuit_world *w, const char *switch_name, uint32_t port, uint32_t kbps)
{
    tell_port(w, switch_name, port)->port.rate_kbps = kbps;
    world_run(w);
}

void port_mtu(struct circuit_world *w, const char *switch_name, uint32_t port, uint32_t mtu)
{
    tell_port(w, switch_name, port)->port.mtu = mtu;
    world_run(w);
}

void table_limit(struct circuit_world *w, const char *switch_name, uint8_t table, uint32_t flows)
{
    struct event *event = world_push(w, EVENT_SWITCH_LIMITS);

    snprintf(event->name, NAME_SIZE, "%s", switch_name);
    event->sw.n_limits = 1;
    event->sw.limits[0] = (struct flow_limit) {.table = table, .flows = flows};
    world_run(w);
}

void link_seen(struct circuit_world *w, const char *one, uint32_t one_port, const char *other, uint32_t other_port)
{
    struct event *there = world_push(w, EVENT_LINK);

    snprintf(there->link.from_switch, NAME_SIZE, "%s", one);
    snprintf(there->link.to_switch, NAME_SIZE, "%s", other);
    there->link.from_port = one_port;
    there->link.to_port = other_port;

    struct event *back = world_push(w, EVENT_LINK);
    snprintf(back->link.from_switch, NAME_SIZE, "%s", other);
    snprintf(back->link.to_switch, NAME_SIZE, "%s", one);
    back->link.from_port = other_port;
    back->link.to_port = one_port;
    world_run(w);
}

static void attach(struct circuit_world *w, const char *switch_name, uint32_t port)
{
    struct event *event = world_push(w, EVENT_ATTACHMENT);

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
    struct circuit_world *w = WORLD_OF(hypervisors, driver);

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
    event_push_done(&WORLD_OF(routes, driver)->queue, request, NULL);
}

static const struct routes_ops routes_ops = {.set = set_routes};

static void call_peer(struct peer_driver *driver, uint64_t request, const char *dc, enum peer_verb verb, const char *id,
                      json_t *body, uint32_t timeout_ms)
{
    struct circuit_world *w = WORLD_OF(peers, driver);
    (void) dc;
    (void) id;
    (void) timeout_ms;

    json_decref(w->peer_body);
    w->peer_request = request;
    w->peer_verb = verb;
    w->peer_body = body;
}

static const struct peer_ops peer_ops = {.call = call_peer};

void peer_away(struct circuit_world *w)
{
    struct err err;

    assert_int_not_equal(w->peer_request, 0);
    err_set(&err, ERR_UNREACHABLE, "the peer is away");
    event_push_done(&w->queue, w->peer_request, &err);
    w->peer_request = 0;
    world_run(w);
}

void peer_answers(struct circuit_world *w, int status, json_t *body)
{
    struct event *event;

    assert_int_not_equal(w->peer_request, 0);
    event = event_push_done(&w->queue, w->peer_request, NULL);
    event->owns = EVENT_OWNS_ANSWER;
    event->answer.status = status;
    event->answer.body = body;
    w->peer_request = 0;
    world_run(w);
}

static void tell_vm(struct circuit_world *w, unsigned n, enum vm_state state)
{
    struct vm *vm = &world_push(w, EVENT_VM)->vm;

    snprintf(vm->name, NAME_SIZE, "V%u", n);
    snprintf(vm->segment, NAME_SIZE, "web");
    snprintf(vm->server, NAME_SIZE, "server-a");
    vm->uuid[15] = (uint8_t) n;
    vm->state = state;
    vm->memory_kib = 1024;
    vm->n_nics = 1;
    vm->nics[0].mac = (struct mac) {{0x52, 0x54, 0, 0, 0, (uint8_t) (0x10 + n)}};
    vm->nics[0].mtu = MTU_ETHERNET;
    vm->nics[0].ip = (struct ip) {IP_V4, {10, 100, 0, (uint8_t) (10 + n)}};
}

void vm_arrives(struct circuit_world *w, const char *vm)
{
    tell_vm(w, (unsigned) strtoul(vm + 1, NULL, 10), VM_RUNNING);
    world_run(w);
}

void world_devices_init(struct circuit_world *w)
{
    w->switches.ops = &switch_ops;
    w->hypervisors.ops = &hypervisor_ops;
    w->routes.ops = &routes_ops;
    w->peers.ops = &peer_ops;
}

void world_devices_tell(struct circuit_world *w)
{
    for (size_t i = 0; i < SWITCHES; i++)
        tell_switch(w, i);
    attach(w, "tor", 1);
    attach(w, "gate", 2);
    struct server *server = &world_push(w, EVENT_SERVER_UP)->server;
    snprintf(server->name, NAME_SIZE, "server-a");
    server->up = true;
    server->memory_free_kib = 1 << 20;
    tell_vm(w, 1, VM_RUNNING);
    tell_vm(w, 2, VM_RUNNING);
    tell_vm(w, 3, VM_SHUT_OFF);
    snprintf(world_push(w, EVENT_SERVER_LISTED)->name, NAME_SIZE, "server-a");
}
