/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway as JSON, for REST and peers. docs/openapi.yaml describes the same. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "model/json.h"
#include "proto/peer/peer.h"
#include "scgd/bookings.h"

static json_t *view_vm(const struct gateway *gateway, const struct vm *vm)
{
    char uuid[UUID_TEXT_SIZE], mac[MAC_TEXT_SIZE], ip[IP_TEXT_SIZE];
    const struct tenant *tenant = network_tenant(gateway, vm->uuid);
    const struct migration *migration = migration_of_vm(gateway, vm->uuid, NULL);
    struct store_location location = {0};
    json_t *nics = json_array();

    uuid_format(vm->uuid, uuid);
    for (unsigned i = 0; i < vm->n_nics; i++)
        json_array_append_new(nics, json_pack("{s:s, s:s, s:o, s:i}", "mac", mac_format(&vm->nics[i].mac, mac),
                                              "address", ip_format(&vm->nics[i].ip, ip), "ipv6",
                                              ip6_list_to_json(&vm->nics[i].ip6), "mtu", (int) vm->nics[i].mtu));
    store_location_get(gateway->store, vm->uuid, &location, NULL);
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:s, s:b, s:I}", "name", vm->name, "uuid", uuid,
                             "server", vm->server, "state", vm_state_name(vm->state), "segment", vm->segment,
                             "memory-kib", (json_int_t) vm->memory_kib, "interfaces", nics, "policy",
                             tenant && tenant->has_policy ? "set" : "none", "present", tenant && tenant->present,
                             "generation", (json_int_t) location.generation);

    if (migration)
        json_object_set_new(json, "migration", json_string(migration->saga->order.id));
    return json;
}

static json_t *view_server(const struct gateway *gateway, const struct server *server)
{
    uint32_t port;
    const struct switch_info *tor = network_tor(gateway, server->name, &port, NULL);
    unsigned vms = 0;

    for (size_t i = 0; i < gateway->inventory.n_vms; i++)
        vms += strcmp(gateway->inventory.vms[i].server, server->name) == 0 &&
               gateway->inventory.vms[i].state == VM_RUNNING;
    return json_pack("{s:s, s:b, s:I, s:I, s:i, s:i, s:s}", "name", server->name, "up", server->up, "memory-kib",
                     (json_int_t) server->memory_kib, "memory-free-kib", (json_int_t) server->memory_free_kib, "cpus",
                     (int) server->cpus, "vms", (int) vms, "tor", tor ? tor->name : "");
}

static json_t *view_port(const struct gateway *gateway, const struct switch_info *sw, const struct switch_port *port)
{
    json_t *json = json_pack("{s:I, s:s, s:b, s:b}", "number", (json_int_t) port->number, "name", port->name, "up",
                             port->up, "fabric", port->fabric);

    if (port->mtu)
        json_object_set_new(json, "mtu", json_integer(port->mtu));
    if (port->rate_kbps)
        json_object_set_new(json, "rate-kbps", json_integer(port->rate_kbps));
    if (network_switch_role(gateway, sw) == SWITCH_ROLE_TOR)
        json_object_set_new(json, "booked-kbps", json_integer((json_int_t) bookings_of_port(gateway, sw, port)));
    return json;
}

/* Those of which OVSDB tells how many flows they take. */
static json_t *view_tables(struct gateway *gateway, const struct switch_info *sw)
{
    json_t *tables = json_array();
    uint32_t used[SWITCH_LIMITS_MAX] = {0};

    if (sw->n_limits)
        flow_limits_used(gateway, sw, used);
    for (unsigned i = 0; i < sw->n_limits; i++)
        json_array_append_new(tables, json_pack("{s:i, s:I, s:I}", "table", sw->limits[i].table, "limit",
                                                (json_int_t) sw->limits[i].flows, "used", (json_int_t) used[i]));
    return tables;
}

static json_t *view_switch(struct gateway *gateway, const struct switch_info *sw)
{
    char dpid[20];
    json_t *ports = json_array();

    snprintf(dpid, sizeof dpid, "%016llx", (unsigned long long) sw->dpid);
    for (size_t i = 0; i < sw->n_ports; i++) {
        if (sw->ports[i].number < PORT_MAX)
            json_array_append_new(ports, view_port(gateway, sw, &sw->ports[i]));
    }
    return json_pack("{s:s, s:s, s:b, s:s, s:o, s:o}", "name", sw->name, "dpid", dpid, "up", sw->up, "role",
                     switch_role_name(network_switch_role(gateway, sw)), "tables", view_tables(gateway, sw), "ports",
                     ports);
}

static const char *port_name(const struct gateway *gateway, const char *switch_name, uint32_t number)
{
    const struct switch_port *port = switch_port_by_number(inventory_switch(&gateway->inventory, switch_name), number);

    return port ? port->name : "";
}

static json_t *view_links(const struct gateway *gateway)
{
    json_t *array = json_array();

    for (size_t i = 0; i < gateway->inventory.n_links; i++) {
        const struct link *link = &gateway->inventory.links[i];

        json_array_append_new(array,
                              json_pack("{s:s, s:s, s:s, s:s}", "from", link->from_switch, "from-port",
                                        port_name(gateway, link->from_switch, link->from_port), "to", link->to_switch,
                                        "to-port", port_name(gateway, link->to_switch, link->to_port)));
    }
    for (size_t i = 0; i < gateway->inventory.n_attachments; i++) {
        const struct attachment *a = &gateway->inventory.attachments[i];

        json_array_append_new(array,
                              json_pack("{s:s, s:s, s:s, s:s}", "from", a->server, "from-port", a->server_port, "to",
                                        a->switch_name, "to-port", port_name(gateway, a->switch_name, a->port)));
    }
    return array;
}

static json_t *view_segment(const struct gateway *gateway, unsigned index)
{
    const struct segment_state *segment = &gateway->network.segments[index];
    unsigned vms = 0;

    for (size_t i = 0; i < gateway->network.n_tenants; i++)
        vms += strcmp(gateway->network.tenants[i].segment, segment->config->name) == 0;
    json_t *json = json_pack("{s:s, s:s, s:b, s:i, s:i}", "name", segment->config->name, "gateway",
                             segment->config->gateway, "open", segment->flows.vlan != 0, "vlan",
                             (int) segment->flows.vlan, "vms", (int) vms);

    view_segment_channel(gateway, index, json);
    return json;
}

/* ---- migrations ---- */

static json_t *view_progress(const struct transfer_progress *p)
{
    double rate = (double) p->rate_bps;

    return json_pack("{s:I, s:I, s:I, s:I, s:i, s:i, s:f}", "bytes-total", (json_int_t) p->bytes_total,
                     "bytes-processed", (json_int_t) p->bytes_processed, "bytes-remaining",
                     (json_int_t) p->bytes_remaining, "rate", (json_int_t) p->rate_bps, "iteration", (int) p->iteration,
                     "downtime-ms", (int) p->downtime_ms, "eta-seconds",
                     rate > 0 ? (double) p->bytes_remaining / rate : 0.0);
}

static json_t *view_migration_vm(const struct migration *migration, unsigned v)
{
    const struct migration_vm *vm = &migration->saga->order.vms[v];
    json_t *steps = json_object();
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:I}", "name", vm->name, "from-server", vm->server, "fate",
        vm_fate_name(vm->fate), "policy-from",
        !vm->has_policy        ? "" :
        vm->policy_from_switch ? "switch" :
                                 "store",
        "progress", view_progress(&migration->vms[v].progress), "began-ms", (json_int_t) migration->vms[v].began_ms,
        "paused-ms", (json_int_t) migration->vms[v].paused_ms, "resumed-ms", (json_int_t) migration->vms[v].resumed_ms,
        "ended-ms", (json_int_t) migration->vms[v].ended_ms);

    for (unsigned i = 0; i < migration->saga->n_steps; i++) {
        const struct step *step = &migration->saga->steps[i];

        if (step->vm == (int) v)
            json_object_set_new(steps, step_infos[step->kind].name, json_string(step_state_name(step->state)));
    }
    json_object_set_new(json, "steps", steps);
    if (vm->error.code)
        json_object_set_new(json, "error", json_string(vm->error.text));
    return json;
}

json_t *view_migration(const struct migration *migration)
{
    const struct saga *saga = migration->saga;
    const struct order *order = &saga->order;
    json_t *vms = json_array(), *steps = json_array();

    for (unsigned v = 0; v < order->n_vms; v++)
        json_array_append_new(vms, view_migration_vm(migration, v));
    for (unsigned i = 0; i < saga->n_steps; i++) {
        const struct step *step = &saga->steps[i];
        json_t *json = json_pack("{s:s, s:s}", "step", step_infos[step->kind].name, "state",
                                 step_state_name(step->state));

        if (step->vm != STEP_SHARED)
            json_object_set_new(json, "vm", json_string(order->vms[step->vm].name));
        json_array_append_new(steps, json);
    }
    json_t *json = json_pack("{s:s, s:s, s:s, s:b, s:b, s:s, s:s, s:s, s:s, s:I, s:o, s:o}", "id", order->id, "role",
                             order->role == ROLE_SOURCE ? "source" : "target", "state", saga_state_name(saga), "ended",
                             saga_ended(saga), "partial", saga_partial(saga), "from-dc", order->source_dc, "to-dc",
                             order->target_dc, "to-server", order->target_server, "channel", order->channel,
                             "created-ms", (json_int_t) migration->created_ms, "vms", vms, "steps", steps);

    if (order->n_users) {
        json_t *users = json_array();

        for (unsigned u = 0; u < order->n_users; u++)
            json_array_append_new(users, json_string(order->users[u].name));
        json_object_set_new(json, "users", users);
    }

    if (saga->reason.code)
        json_object_set_new(json, "reason", json_string(saga->reason.text));
    return json;
}

/* Where it is by what the hypervisors have told; unknown while one of them is away. */
static enum vm_place place_here(const struct gateway *gateway, const uint8_t uuid[UUID_SIZE])
{
    const struct vm *vm = inventory_vm_by_uuid(&gateway->inventory, uuid);
    const struct server *server = vm ? inventory_server(&gateway->inventory, vm->server) : NULL;

    if (!vm)
        return gateway_servers_up(gateway) ? PLACE_ABSENT : PLACE_UNKNOWN;
    if (!server || !server->up)
        return PLACE_UNKNOWN;
    switch (vm->state) {
    case VM_RUNNING:
        return vm->job_active ? PLACE_MOVING : PLACE_RUNNING;
    case VM_PAUSED:
        return PLACE_PAUSED;
    case VM_INCOMING:
        return PLACE_INCOMING;
    default:
        return PLACE_ABSENT;
    }
}

json_t *view_peer_status(struct gateway *gateway, const struct migration *migration)
{
    const struct saga *saga = migration->saga;
    struct peer_status *status = xcalloc(1, sizeof *status);

    snprintf(status->state, sizeof status->state, "%s", saga_state_name(saga));
    status->ended = saga_ended(saga);
    status->reason = saga->reason;
    memcpy(status->target_uri, saga->order.target_uri, sizeof status->target_uri);
    memcpy(status->target_address, saga->order.target_address, sizeof status->target_address);
    status->n_vms = saga->order.n_vms;
    for (unsigned v = 0; v < saga->order.n_vms; v++) {
        const struct migration_vm *vm = &saga->order.vms[v];

        memcpy(status->vms[v].name, vm->name, NAME_SIZE);
        status->vms[v].fate = vm->fate;
        status->vms[v].place = place_here(gateway, vm->uuid);
        for (unsigned i = 0; i < saga->n_steps; i++) {
            if (saga->steps[i].vm == (int) v && saga->steps[i].kind == STEP_ACTIVATE)
                status->vms[v].active = saga->steps[i].state == STEP_DONE;
        }
    }

    json_t *json = peer_status_encode(status);
    free(status);
    return json;
}

json_t *view_tombstone(const struct store_tombstone *tombstone)
{
    struct peer_status *status = xcalloc(1, sizeof *status);

    memcpy(status->state, tombstone->state, sizeof status->state);
    status->ended = true;

    json_t *json = peer_status_encode(status);
    free(status);
    return json;
}

/* ---- collections ---- */

static bool add_policy(void *arg, const char *vm, const char *text)
{
    json_t *policy = json_loads(text, 0, NULL);

    json_object_set_new(policy, "policy", json_string(vm));
    json_array_append_new(arg, policy);
    return true;
}

struct past {
    const struct gateway *gateway;
    json_t *array;
};

/* A migration that ended before the gateway was started. */
static bool add_past(void *arg, const struct store_migration *row)
{
    struct past *past = arg;
    struct saga_limits limits = {.transfers = 1};

    if (migration_find(past->gateway, row->id, strcmp(row->role, "source") == 0 ? ROLE_SOURCE : ROLE_TARGET))
        return true;

    json_t *json = json_loads(row->document, 0, NULL);
    struct migration migration = {.saga = saga_from_json(json, &limits, NULL), .created_ms = row->created_ms};

    json_decref(json);
    if (migration.saga) {
        migration.vms = xcalloc(migration.saga->order.n_vms, sizeof *migration.vms);
        json_array_append_new(past->array, view_migration(&migration));
        free(migration.vms);
        saga_free(migration.saga);
    }
    return true;
}

static json_t *collect_migrations(struct gateway *gateway)
{
    struct past past = {gateway, json_array()};

    for (size_t i = gateway->n_migrations; i-- > 0;) {
        if (history_has(gateway, gateway->migrations[i]))
            json_array_append_new(past.array, view_migration(gateway->migrations[i]));
    }
    store_migration_each(gateway->store, false, add_past, &past, NULL);
    return past.array;
}

static json_t *view_peer(const struct gateway *gateway, unsigned index)
{
    static const char *const names[] = {"unknown", "reachable", "unreachable"};
    const struct peer_watch *watch = gateway->peer_watches ? &gateway->peer_watches[index] : NULL;
    const struct config_peer *peer = &gateway->config->peers[index];
    json_t *json = json_pack("{s:s, s:s, s:i, s:s}", "name", peer->dc, "address", peer->address, "port",
                             (int) peer->port, "state", names[watch ? watch->state : PEER_UNKNOWN]);

    if (watch && watch->err.code)
        json_object_set_new(json, "error", json_string(watch->err.text));
    return json;
}

static json_t *collect(struct gateway *gateway, const char *collection)
{
    const struct inventory *inventory = &gateway->inventory;
    const struct config *config = gateway->config;
    json_t *array = json_array();

    if (strcmp(collection, "vms") == 0) {
        for (size_t i = 0; i < inventory->n_vms; i++)
            json_array_append_new(array, view_vm(gateway, &inventory->vms[i]));
    } else if (strcmp(collection, "servers") == 0) {
        for (size_t i = 0; i < inventory->n_servers; i++)
            json_array_append_new(array, view_server(gateway, &inventory->servers[i]));
    } else if (strcmp(collection, "switches") == 0) {
        for (size_t i = 0; i < inventory->n_switches; i++)
            json_array_append_new(array, view_switch(gateway, &inventory->switches[i]));
    } else if (strcmp(collection, "links") == 0) {
        json_decref(array);
        return view_links(gateway);
    } else if (strcmp(collection, "segments") == 0) {
        for (unsigned i = 0; i < config->segments_count; i++)
            json_array_append_new(array, view_segment(gateway, i));
    } else if (strcmp(collection, "tunnels") == 0) {
        view_tunnels(gateway, array);
    } else if (strcmp(collection, "channels") == 0) {
        view_channels(gateway, array);
    } else if (strcmp(collection, "users") == 0) {
        view_users(gateway, array);
    } else if (strcmp(collection, "peers") == 0) {
        for (unsigned i = 0; i < config->peers_count; i++)
            json_array_append_new(array, view_peer(gateway, i));
    } else if (strcmp(collection, "address-sets") == 0) {
        view_address_sets(gateway, array);
    } else if (strcmp(collection, "policies") == 0) {
        store_policy_each(gateway->store, add_policy, array, NULL);
    } else if (strcmp(collection, "migrations") == 0) {
        json_decref(array);
        return collect_migrations(gateway);
    } else {
        json_decref(array);
        return NULL;
    }
    return array;
}

/* How many there are of something, and how many of them are up; adds both. Returns whether all are. */
static bool add_health(json_t *json, const char *name, size_t up, size_t all)
{
    AUTO_FREE char *up_name = xasprintf("%s-up", name);

    json_object_set_new(json, up_name, json_integer((json_int_t) up));
    json_object_set_new(json, name, json_integer((json_int_t) all));
    return up >= all;
}

static int view_health(const struct gateway *gateway, json_t **out)
{
    const struct transport *transport = &gateway->transport;
    const struct tunnels *tunnels = &gateway->tunnels;
    size_t servers = 0, switches = 0, peers = 0, circuits = 0, wanted = 0, ways = 0;
    json_t *json = json_pack("{s:s, s:s}", "dc", gateway->config->dc, "status", "starting");

    for (size_t i = 0; i < gateway->inventory.n_servers; i++)
        servers += gateway->inventory.servers[i].up;
    for (size_t i = 0; i < gateway->inventory.n_switches; i++)
        switches += gateway->inventory.switches[i].up;
    for (unsigned i = 0; i < gateway->config->peers_count; i++)
        peers += gateway->peer_watches && gateway->peer_watches[i].state == PEER_REACHABLE;
    for (size_t i = 0; i < transport->n_circuits; i++) {
        circuits += transport->circuits[i]->state == CIRCUIT_UP;
        wanted += transport->circuits[i]->state != CIRCUIT_REMOVING;
    }
    for (size_t i = 0; i < tunnels->n_tunnels; i++)
        ways += tunnel_up(tunnels->tunnels[i]) && !tunnels->tunnels[i]->err.code;
    bool all = add_health(json, "servers", servers, gateway->config->servers_count);
    all &= add_health(json, "switches", switches, gateway->inventory.n_switches);
    all &= add_health(json, "peers", peers, gateway->config->peers_count);
    all &= add_health(json, "circuits", circuits, wanted);
    all &= add_health(json, "tunnels", ways, tunnels->n_tunnels);
    json_object_set_new(json, "next-hop-resolved", json_boolean(gateway->network.next_hop.answered));
    if (gateway->ready)
        json_object_set_new(json, "status", json_string(all ? "ok" : "degraded"));
    *out = json;
    return 0;
}

/* What is asked for often, while it changes, is found without looking at all the rest. */
static json_t *find_quickly(struct gateway *gateway, const char *collection, const char *name)
{
    if (strcmp(collection, "migrations") == 0) {
        const struct migration *migration = migration_find(gateway, name, ROLE_SOURCE);

        if (!migration)
            migration = migration_find(gateway, name, ROLE_TARGET);
        return migration && history_has(gateway, migration) ? view_migration(migration) : NULL;
    }
    if (strcmp(collection, "vms") == 0) {
        const struct vm *vm = inventory_vm(&gateway->inventory, name);

        return vm ? view_vm(gateway, vm) : NULL;
    }
    if (strcmp(collection, "channels") == 0) {
        const struct circuit *circuit = circuit_find(gateway, name);

        return circuit ? view_circuit(gateway, circuit) : NULL;
    }
    return NULL;
}

int view_get(struct gateway *gateway, const char *collection, const char *name, json_t **out, struct err *err)
{
    if (strcmp(collection, "health") == 0)
        return view_health(gateway, out);
    if (strcmp(collection, "transport") == 0 && !name) {
        *out = view_transport(gateway);
        return 0;
    }

    json_t *quick = name ? find_quickly(gateway, collection, name) : NULL;
    if (quick) {
        *out = quick;
        return 0;
    }

    json_t *array = collect(gateway, collection);
    const char *key = strcmp(collection, "migrations") == 0 ? "id" :
                      strcmp(collection, "policies") == 0   ? "policy" :
                                                              "name";

    if (!array)
        return err_set(err, ERR_NOT_FOUND, "there is no collection '%s'", collection);
    if (!name) {
        *out = json_pack("{s:o}", collection, array);
        return 0;
    }
    for (size_t i = 0; i < json_array_size(array); i++) {
        json_t *member = json_array_get(array, i);
        const char *value = json_string_value(json_object_get(member, key));

        if (value && strcmp(value, name) == 0) {
            *out = json_incref(member);
            json_decref(array);
            return 0;
        }
    }
    json_decref(array);
    if (strcmp(collection, "migrations") == 0)
        return history_miss(gateway, name, err);
    return err_set(err, ERR_NOT_FOUND, "%s: there is no '%s' in data center %s", collection, name, gateway->config->dc);
}

static void metrics_of_drift(const struct drift *drift, struct strbuf *text)
{
    size_t standing = 0;

    for (size_t i = 0; i < drift->n_switches; i++)
        standing += drift->switches[i]->standing;
    strbuf_printf(
        text,
        "# HELP scg_audits_total Readings of a whole ToR.\n# TYPE scg_audits_total counter\n"
        "scg_audits_total %llu\n"
        "# HELP scg_drift Differences that others have made at switches and that stand.\n# TYPE scg_drift gauge\n"
        "scg_drift %zu\n"
        "# HELP scg_drift_found_total Differences found.\n# TYPE scg_drift_found_total counter\n"
        "scg_drift_found_total %llu\n"
        "# HELP scg_drift_repaired_total Differences put right.\n# TYPE scg_drift_repaired_total counter\n"
        "scg_drift_repaired_total %llu\n",
        (unsigned long long) drift->audits, standing, (unsigned long long) drift->found,
        (unsigned long long) drift->repaired);
}

/* VMs of whose connections their ToRs know none are left out. */
static void metrics_of_connections(const struct network *network, struct strbuf *text)
{
    strbuf_puts(text,
                "# HELP scg_connections Connections by stateful rules that a VM's ToR knows, at its last audit, by "
                "direction of their replies.\n# TYPE scg_connections gauge\n");
    for (size_t i = 0; i < network->n_tenants; i++) {
        const struct tenant *tenant = &network->tenants[i];

        for (unsigned d = 0; d < 2; d++) {
            const char *replies = d == POLICY_TO_VM ? "to-vm" : "from-vm";

            if (tenant->known.whole[d] || tenant->known.half_open[d])
                strbuf_printf(text,
                              "scg_connections{vm=\"%s\",replies=\"%s\",state=\"open\"} %u\n"
                              "scg_connections{vm=\"%s\",replies=\"%s\",state=\"half-open\"} %u\n",
                              tenant->name, replies, tenant->known.whole[d], tenant->name, replies,
                              tenant->known.half_open[d]);
        }
    }
}

char *view_metrics(const struct gateway *gateway)
{
    struct strbuf text = {0};
    unsigned states[SAGA_STATES] = {0}, up = 0, circuits = 0, tunnels = 0;

    for (size_t i = 0; i < gateway->n_migrations; i++)
        states[gateway->migrations[i]->saga->sm.current]++;
    for (size_t i = 0; i < gateway->inventory.n_switches; i++)
        up += gateway->inventory.switches[i].up;
    for (size_t i = 0; i < gateway->transport.n_circuits; i++)
        circuits += gateway->transport.circuits[i]->state == CIRCUIT_UP;
    for (size_t i = 0; i < gateway->tunnels.n_tunnels; i++)
        tunnels += tunnel_up(gateway->tunnels.tunnels[i]) && !gateway->tunnels.tunnels[i]->err.code;
    strbuf_puts(&text, "# HELP scg_migrations Migrations since the gateway was started, by state.\n"
                       "# TYPE scg_migrations gauge\n");
    for (unsigned s = 0; s < SAGA_STATES; s++)
        strbuf_printf(&text, "scg_migrations{state=\"%s\"} %u\n", saga_states[s].name, states[s]);
    strbuf_printf(&text,
                  "# HELP scg_switches_up Switches connected to the gateway.\n# TYPE scg_switches_up gauge\n"
                  "scg_switches_up %u\n"
                  "# HELP scg_vms VMs known in the data center.\n# TYPE scg_vms gauge\nscg_vms %zu\n"
                  "# HELP scg_tenants VMs that the network serves.\n# TYPE scg_tenants gauge\nscg_tenants %zu\n"
                  "# HELP scg_circuits Circuits that the gateway wants.\n# TYPE scg_circuits gauge\n"
                  "scg_circuits %zu\n"
                  "# HELP scg_circuits_up Circuits that are up.\n# TYPE scg_circuits_up gauge\nscg_circuits_up %u\n"
                  "# HELP scg_tunnels Tunnels between ends of segments, in VPLS mode.\n# TYPE scg_tunnels gauge\n"
                  "scg_tunnels %zu\n"
                  "# HELP scg_tunnels_up Tunnels that carry frames.\n# TYPE scg_tunnels_up gauge\nscg_tunnels_up %u\n"
                  "# HELP scg_te_links Links of the transport networks, each direction.\n# TYPE scg_te_links gauge\n"
                  "scg_te_links %zu\n",
                  up, gateway->inventory.n_vms, gateway->network.n_tenants, gateway->transport.n_circuits, circuits,
                  gateway->tunnels.n_tunnels, tunnels, gateway->transport.ted.n_links);
    metrics_of_drift(&gateway->drift, &text);
    metrics_of_connections(&gateway->network, &text);
    return strbuf_take(&text);
}
