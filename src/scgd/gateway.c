/* SPDX-License-Identifier: Apache-2.0 */
#include "scgd/gateway.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/audit.h"
#include "scgd/probing.h"

/* ---- requests ---- */

struct join *join_new(void (*done)(struct gateway *gateway, struct join *join))
{
    struct join *join = xcalloc(1, sizeof *join);

    join->open = 1;
    join->done = done;
    return join;
}

void join_fail(struct join *join, const struct err *err)
{
    if (join->err.code == 0)
        join->err = *err;
}

void join_close(struct gateway *gateway, struct join *join)
{
    if (--join->open > 0)
        return;
    if (join->done)
        join->done(gateway, join);
    free(join);
}

void join_drop(struct join *join)
{
    if (--join->open > 0)
        return;
    if (join->drop)
        join->drop(join);
    free(join);
}

uint64_t gateway_request(struct gateway *gateway, struct join *join, answer_fn *fn, void *context)
{
    gateway->requests = array_reserve(gateway->requests, gateway->n_requests, &gateway->cap_requests,
                                      sizeof *gateway->requests);
    join->open++;
    gateway->requests[gateway->n_requests++] = (struct request) {
        .number = ++gateway->last_request, .join = join, .fn = fn, .context = context};
    return gateway->last_request;
}

static void answer(struct gateway *gateway, const struct event *event)
{
    for (size_t i = 0; i < gateway->n_requests; i++) {
        if (gateway->requests[i].number != event->request)
            continue;

        struct request request = gateway->requests[i];

        gateway->requests[i] = gateway->requests[--gateway->n_requests];
        if (request.activity)
            network_sent(gateway, &request, &event->err);
        free(request.meters);
        if (request.fn)
            request.fn(gateway, request.join, event, request.context);
        else if (event->err.code)
            join_fail(request.join, &event->err);
        join_close(gateway, request.join);
        return;
    }
}

/* ---- inventory ---- */

static int server_index(const struct gateway *gateway, const char *name)
{
    for (unsigned i = 0; i < gateway->config->servers_count; i++) {
        if (strcmp(gateway->config->servers[i].name, name) == 0)
            return (int) i;
    }
    return -1;
}

const struct config_server *gateway_server_config(const struct gateway *gateway, const char *name)
{
    int i = server_index(gateway, name);

    return i < 0 ? NULL : &gateway->config->servers[i];
}

const struct config_peer *gateway_peer_config(const struct gateway *gateway, const char *dc)
{
    for (unsigned i = 0; i < gateway->config->peers_count; i++) {
        if (strcmp(gateway->config->peers[i].dc, dc) == 0)
            return &gateway->config->peers[i];
    }
    return NULL;
}

static void notify(struct gateway *gateway, const char *type, const char *collection, const char *name)
{
    json_t *json = NULL;

    if (!gateway->notify || view_get(gateway, collection, name, &json, NULL) < 0)
        return;
    gateway->notify(gateway->notify_arg, type, json);
    json_decref(json);
}

static void vm_seen(struct gateway *gateway, const struct event *event)
{
    struct vm vm = event->vm;
    struct vm *known = inventory_vm_by_uuid(&gateway->inventory, vm.uuid);
    int index;

    /* An event that had to be quick does not carry what takes a look at the domain's XML. */
    if (known && vm.n_nics == 0 && strcmp(known->server, vm.server) == 0) {
        enum vm_state state = vm.state;
        bool job_active = vm.job_active;

        vm = *known;
        vm.state = state;
        vm.job_active = job_active;
    }
    inventory_set_vm(&gateway->inventory, &vm);

    struct migration *migration = migration_of_vm(gateway, vm.uuid, &index);
    if (!migration) {
        network_adopt(gateway, &vm);
    } else if (migration->saga->order.role == ROLE_TARGET) {
        if (vm.state == VM_RUNNING) {
            if (!migration->vms[index].resumed_ms)
                migration->vms[index].resumed_ms = gateway->unix_ms(gateway->unix_ms_arg);
            migration_event(gateway, migration, (struct saga_event) {.type = SAGA_VM_HERE, .vm = index});
        }
    } else {
        if (event->vm_cause == CAUSE_MIGRATION_PAUSED)
            source_paused(gateway, migration, (unsigned) index);
        /* Its memory has gone over: users will find it at the target. If the transfer fails after all, it runs again.
         */
        if (migration->saga->order.vms[index].fate != FATE_CROSSED &&
            (vm.state != VM_PAUSED || event->vm_cause == CAUSE_MIGRATION_PAUSED))
            network_adopt(gateway, &vm);
    }
    notify(gateway, "vm", "vms", vm.name);
}

static void vm_gone(struct gateway *gateway, const struct event *event)
{
    struct vm vm = event->vm;
    int index;

    inventory_remove_vm(&gateway->inventory, vm.uuid, vm.server);
    if (migration_of_vm(gateway, vm.uuid, &index))
        return;
    vm.state = VM_SHUT_OFF;
    network_adopt(gateway, &vm);
}

/* The server has been listed for the first time: VMs of orders that ended before are gone if they are not there. */
static void settle_tenants(struct gateway *gateway, const char *server)
{
    for (size_t i = gateway->network.n_tenants; i-- > 0;) {
        const struct tenant *tenant = &gateway->network.tenants[i];
        struct vm vm = {.state = VM_SHUT_OFF};

        if (strcmp(tenant->server, server) != 0 || inventory_vm_by_uuid(&gateway->inventory, tenant->uuid))
            continue;
        memcpy(vm.uuid, tenant->uuid, UUID_SIZE);
        memcpy(vm.name, tenant->name, NAME_SIZE);
        memcpy(vm.server, tenant->server, NAME_SIZE);
        network_adopt(gateway, &vm);
    }
}

static void server_heard(struct gateway *gateway, const char *name, bool listed)
{
    int i = server_index(gateway, name);
    bool news;

    if (i < 0)
        return;
    news = !gateway->servers_heard[i] || (listed && !gateway->servers_listed[i]);
    gateway->servers_heard[i] = true;
    if (listed && !gateway->servers_listed[i]) {
        gateway->servers_listed[i] = true;
        settle_tenants(gateway, name);
        served_tidy(gateway, name);
    }
    if (news)
        network_server_heard(gateway);
}

bool gateway_server_listed(const struct gateway *gateway, const char *name)
{
    int i = server_index(gateway, name);

    return i >= 0 && gateway->servers_listed[i];
}

bool gateway_servers_listed(const struct gateway *gateway)
{
    for (unsigned i = 0; i < gateway->config->servers_count; i++) {
        if (!gateway->servers_listed[i])
            return false;
    }
    return true;
}

bool gateway_servers_heard(const struct gateway *gateway)
{
    for (unsigned i = 0; i < gateway->config->servers_count; i++) {
        if (!gateway->servers_heard[i])
            return false;
    }
    return true;
}

bool gateway_servers_up(const struct gateway *gateway)
{
    for (size_t i = 0; i < gateway->inventory.n_servers; i++) {
        if (!gateway->inventory.servers[i].up)
            return false;
    }
    return gateway_servers_listed(gateway);
}

/* Hypervisors heard, each server seen on its ToR and on the inter-DC PE, PEs up, transport networks known. */
static bool dc_seen(const struct gateway *gateway)
{
    const struct switch_info *gate = network_edge(gateway, SWITCH_ROLE_INTER_DC, NULL);
    uint32_t port;

    for (unsigned i = 0; i < gateway->config->servers_count; i++) {
        const char *server = gateway->config->servers[i].name;

        if (!network_tor(gateway, server, &port, NULL) ||
            (gate && !inventory_attachment(&gateway->inventory, server, gate->name)))
            return false;
    }
    return gateway_servers_heard(gateway) && network_edge(gateway, SWITCH_ROLE_PE, NULL) && gate &&
           transport_seen(gateway) && tunnels_seen(gateway);
}

static void become_ready(struct gateway *gateway)
{
    if (gateway->ready || (!dc_seen(gateway) && !mono_reached(gateway->ready_at, gateway->now)))
        return;
    gateway->ready = true;
    gateway->ready_at = MONO_NEVER;
    log_info(NULL, "ready: %zu switches, %zu VMs, %zu open migrations", gateway->inventory.n_switches,
             gateway->inventory.n_vms, gateway->n_migrations);
    attachments_recall(gateway);
    network_resync(gateway);
    migrations_restart(gateway);
}

int gateway_keep(struct gateway *gateway, const char *kind, const char *name, json_t *json, struct err *err)
{
    AUTO_FREE char *text = json_dumps(json, JSON_COMPACT);

    json_decref(json);
    return store_document_put(gateway->store, kind, name, text, err);
}

int gateway_check_ready(const struct gateway *gateway, struct err *err)
{
    if (gateway->ready)
        return 0;
    return err_set(err, ERR_UNREACHABLE,
                   "the gateway of data center %s has just started and is still looking at its switches"
                   " and servers; try again in some seconds",
                   gateway->config->dc);
}

static void switch_up(struct gateway *gateway, const struct event *event)
{
    struct switch_info sw = event->sw;

    sw.ports = xmemdup(event->sw.ports, event->sw.n_ports * sizeof *event->sw.ports);
    sw.up = true;
    tunnels_judge_ports(gateway, event->name, sw.ports, sw.n_ports);
    inventory_set_switch(&gateway->inventory, sw);
    for (size_t i = 0; i < sw.n_ports; i++) {
        if (!sw.ports[i].up) /* since it was away: LLDP has to show anew what it leads to */
            inventory_remove_links(&gateway->inventory, event->name, sw.ports[i].number);
    }
    log_info(event->name, "switch is up, datapath %016llx, %zu ports", (unsigned long long) sw.dpid, sw.n_ports);
    if (gateway->ready)
        attachments_recall(gateway);
    tunnels_plan(gateway);
    network_switch_changed(gateway, event->name);
    tunnels_update(gateway);
    if (gateway->ready)
        network_tidy(gateway);
}

static void port_changed(struct gateway *gateway, const struct event *event)
{
    struct switch_info *sw = inventory_switch(&gateway->inventory, event->name);
    struct switch_port port = event->port;
    size_t i = 0;

    if (!sw)
        return;
    while (i < sw->n_ports && sw->ports[i].number != port.number)
        i++;
    enum switch_role role = network_switch_role(gateway, sw);
    tunnels_judge_ports(gateway, event->name, &port, 1);
    bool structure = i == sw->n_ports || sw->ports[i].fabric != port.fabric;
    if (i == sw->n_ports)
        sw->ports = xrealloc(sw->ports, ++sw->n_ports, sizeof *sw->ports);
    sw->ports[i] = port;
    if (!port.up)
        inventory_remove_links(&gateway->inventory, event->name, port.number);
    tunnels_update(gateway);
    if (structure || network_switch_role(gateway, sw) != role)
        network_switch_changed(gateway, event->name);
}

static void link_seen(struct gateway *gateway, const struct link *link)
{
    inventory_set_link(&gateway->inventory, link);
    if (tunnels_link_seen(gateway, link->from_switch, link->from_port))
        network_switch_changed(gateway, link->from_switch);
    if (tunnels_link_seen(gateway, link->to_switch, link->to_port))
        network_switch_changed(gateway, link->to_switch);
    tunnels_update(gateway);
}

/* In Ethernet mode a link that RSTP has blocked is silent, too. */
static void link_gone(struct gateway *gateway, const struct link *link)
{
    if (!tunnels_used(gateway))
        return;
    log_warn(FAULT_PEER, link->to_switch, "nothing comes from %s at port %u any more", link->from_switch,
             link->to_port);
    inventory_remove_link(&gateway->inventory, link);
    tunnels_update(gateway);
}

/* Another device of a server may speak at its port, too, as its management controller, or its network card. */
static bool is_beside_server(const struct gateway *gateway, const struct attachment *at)
{
    for (size_t i = 0; i < gateway->inventory.n_attachments; i++) {
        const struct attachment *known = &gateway->inventory.attachments[i];

        if (known->port == at->port && strcmp(known->switch_name, at->switch_name) == 0)
            return gateway_server_config(gateway, known->server) && !gateway_server_config(gateway, at->server);
    }
    return false;
}

static void server_seen(struct gateway *gateway, const struct attachment *at)
{
    if (is_beside_server(gateway, at))
        return;
    log_info(at->switch_name, "server %s (%s) hangs off port %u", at->server, at->server_port, at->port);
    inventory_set_attachment(&gateway->inventory, at);
    attachment_keep(gateway, at);
    tunnels_server_seen(gateway, at->switch_name, at->port);
    tunnels_plan(gateway);
    network_switch_changed(gateway, at->switch_name);
    tunnels_update(gateway);
}

static void handle(struct gateway *gateway, const struct event *event)
{
    struct switch_info *sw;

    switch (event->type) {
    case EVENT_DONE:
        answer(gateway, event);
        break;
    case EVENT_SWITCH_UP:
        switch_up(gateway, event);
        break;
    case EVENT_SWITCH_DOWN:
        log_warn(FAULT_PEER, event->name, "switch is down: %s", event->err.text);
        sw = inventory_switch(&gateway->inventory, event->name);
        if (sw)
            sw->up = false;
        tunnels_update(gateway);
        break;
    case EVENT_SWITCH_LIMITS:
        sw = inventory_switch(&gateway->inventory, event->name);
        if (sw) {
            sw->n_limits = event->sw.n_limits;
            memcpy(sw->limits, event->sw.limits, sizeof sw->limits);
        }
        break;
    case EVENT_PORT:
        port_changed(gateway, event);
        break;
    case EVENT_LINK:
        link_seen(gateway, &event->link);
        break;
    case EVENT_LINK_GONE:
        link_gone(gateway, &event->link);
        break;
    case EVENT_ATTACHMENT:
        server_seen(gateway, &event->attachment);
        break;
    case EVENT_PACKET:
        if (!probing_packet(gateway, event) && !rejects_packet(gateway, event))
            next_hop_packet(gateway, event);
        break;
    case EVENT_FLOWS_CHANGED:
        drift_flows_changed(gateway, event->name);
        break;
    case EVENT_SERVER_UP:
        inventory_set_server(&gateway->inventory, &event->server);
        break;
    case EVENT_SERVER_LISTED:
        server_heard(gateway, event->name, true);
        break;
    case EVENT_SERVER_DOWN: {
        struct server *server = inventory_server(&gateway->inventory, event->name);

        log_warn(FAULT_PEER, event->name, "hypervisor is down: %s", event->err.text);
        server_heard(gateway, event->name, false);
        if (server)
            server->up = false;
        break;
    }
    case EVENT_VM:
        vm_seen(gateway, event);
        break;
    case EVENT_VM_GONE:
        vm_gone(gateway, event);
        break;
    case EVENT_TE_LINK:
    case EVENT_TE_LINK_GONE:
    case EVENT_TE_SYNCED:
    case EVENT_TE_DOWN:
    case EVENT_INGRESS_UP:
    case EVENT_INGRESS_DOWN:
    case EVENT_LSP:
        transport_event(gateway, event);
        break;
    case EVENT_PROGRESS:
        for (size_t m = 0; m < gateway->n_migrations; m++) {
            struct migration *migration = gateway->migrations[m];

            for (unsigned v = 0; v < migration->saga->order.n_vms; v++) {
                if (migration->vms[v].request == event->request) {
                    migration->vms[v].progress = event->progress;
                    notify(gateway, "migration", "migrations", migration->saga->order.id);
                }
            }
        }
        break;
    }
}

/* ---- life ---- */

struct gateway *gateway_new(const struct config *config, struct store *store, struct err *err)
{
    struct gateway *gateway = xcalloc(1, sizeof *gateway);

    gateway->config = config;
    gateway->store = store;
    gateway->servers_heard = xcalloc(config->servers_count, sizeof *gateway->servers_heard);
    gateway->servers_listed = xcalloc(config->servers_count, sizeof *gateway->servers_listed);
    for (unsigned i = 0; i < config->servers_count; i++) {
        struct server server = {0};

        if (name_copy(server.name, config->servers[i].name) == 0)
            inventory_set_server(&gateway->inventory, &server);
    }
    network_init(gateway);
    if (next_hop_load(gateway, err) < 0 || served_load(gateway, err) < 0 || tunnels_load(gateway, err) < 0 ||
        transport_load(gateway, err) < 0 || migrations_load(gateway, err) < 0) {
        gateway_free(gateway);
        return NULL;
    }
    return gateway;
}

void gateway_start(struct gateway *gateway, const struct gateway_south *south, struct mono now)
{
    gateway->south = *south;
    gateway->now = now;
    gateway->ready_at = mono_add(now, GATEWAY_GRACE_MS);
    gateway->prune_at = now;
    migrations_restore_network(gateway);
}

void gateway_free(struct gateway *gateway)
{
    if (!gateway)
        return;
    for (size_t i = 0; i < gateway->n_migrations; i++)
        migration_free(gateway->migrations[i]);
    free(gateway->migrations);
    for (size_t i = 0; i < gateway->n_requests; i++) {
        free(gateway->requests[i].context);
        free(gateway->requests[i].meters);
        join_drop(gateway->requests[i].join);
    }
    free(gateway->requests);
    free(gateway->peer_watches);
    tunnels_free(gateway);
    drift_free(gateway);
    network_free(gateway);
    transport_free(gateway);
    inventory_free(&gateway->inventory);
    free(gateway->servers_heard);
    free(gateway->servers_listed);
    free(gateway);
}

void gateway_event(struct gateway *gateway, const struct event *event, struct mono now)
{
    gateway->now = now;
    handle(gateway, event);
    become_ready(gateway);
}

void gateway_tick(struct gateway *gateway, struct mono now)
{
    gateway->now = now;
    become_ready(gateway);
    network_tick(gateway);
    transport_tick(gateway);
    history_tick(gateway);
    audits_tick(gateway);
    drift_tick(gateway);
    probing_tick(gateway);
    peer_watch_tick(gateway);
    if (gateway->ready)
        migrations_tick(gateway);
}

struct mono gateway_deadline(const struct gateway *gateway)
{
    struct mono deadline = mono_min(mono_min(network_deadline(gateway), transport_deadline(gateway)),
                                    mono_min(gateway->ready_at, gateway->prune_at));

    deadline = mono_min(deadline, mono_min(audits_deadline(gateway), drift_deadline(gateway)));
    deadline = mono_min(deadline, probing_deadline(gateway));
    deadline = mono_min(deadline, peer_watch_deadline(gateway));
    return gateway->ready ? mono_min(deadline, migrations_deadline(gateway)) : deadline;
}
