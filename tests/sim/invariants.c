/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold, in the words of the design: after every event (1, 2), and when all is quiet (1, 3 to 6, 12; sim.c
 * does 6). */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "core/policy.h"
#include "world.h"

#define BROKEN(world, ...) err_set(&(world)->broken, ERR_INTERNAL, __VA_ARGS__)

static enum cookie_kind kind_of(uint64_t cookie)
{
    return (cookie & COOKIE_SCG_MASK) == COOKIE_SCG ? (enum cookie_kind)(cookie >> 40 & 0xff) : 0;
}

/* Whether the ToR lets any packet of the VM through. */
static bool served(const struct sim_switch *tor, uint64_t cookie)
{
    for (size_t i = 0; i < tor->flows.n; i++) {
        const struct flow *flow = &tor->flows.flows[i];

        if (flow->cookie == cookie && (flow->table == TOR_SPOOF || flow->table == TOR_FORWARD))
            return true;
    }
    return false;
}

static uint32_t pe_of(const struct site *site)
{
    return site == &site->world->sites[0] ? SIM_ROUTER_PE_A : SIM_ROUTER_PE_B;
}

static const char *circuit_name(const struct site *site)
{
    return site == &site->world->sites[0] ? "A:user:" SIM_USER : "B:user:" SIM_USER;
}

/* 8. A VM's user on a transport network has a circuit to where the VM runs, from the moment that it does. */
static void check_circuits(struct world *world)
{
    for (unsigned v = 0; v < world->user_vms; v++) {
        const struct sim_vm *vm = &world->vms[v];

        if (vm->phase == VM_ARRIVED && !world->lsp_failed && !lsp_stands(world, pe_of(vm->at), circuit_name(vm->at)))
            BROKEN(world, "8: %s runs at %s, to which its user has no circuit", vm->vm.name, vm->at->dc);
    }
}

/* 2. No packet reaches a VM, or leaves it, but under its policy. */
static void check_policy(struct world *world, struct site *site, const struct sim_vm *vm)
{
    struct sim_switch *tor = device(site, SIM_TOR);
    uint64_t cookie = cookie_of_vm(vm->vm.uuid);
    struct policy_site sites[PIPELINE_SITES_MAX];
    unsigned n = pipeline_policy_sites(cookie, &vm->vm.nics[0].mac, &vm->vm.nics[0].ip, &vm->vm.nics[0].ip6, sites);
    struct policy held = {0};
    struct err err = {0};
    AUTO_FREE char *witness = NULL;

    if (!served(tor, cookie))
        return;
    if (policy_from_sites(tor->flows.flows, tor->flows.n, tor->meters, tor->n_meters, sites, n, true, vm->vm.name,
                          &held, &err) < 0) {
        BROKEN(world, "2: %s serves %s without its policy: %s", site->dc, vm->vm.name, err.text);
        return;
    }
    if (!policy_equivalent_in(&held, &vm->policy, n > 1 ? IP_NONE : IP_V4, &witness))
        BROKEN(world, "2: %s serves %s under another policy: %s", site->dc, vm->vm.name, witness);
    policy_free(&held);
}

static bool has_channel(const struct sim_switch *gate)
{
    for (size_t i = 0; i < gate->flows.n; i++) {
        if (kind_of(gate->flows.flows[i].cookie) == COOKIE_CHANNEL)
            return true;
    }
    return false;
}

/* A transfer is not cut: its channel stands at both ends while memory goes over. */
static void check_channels(struct world *world)
{
    for (unsigned v = 0; v < world->n_vms; v++) {
        const struct sim_vm *vm = &world->vms[v];

        if (vm->phase != VM_COPYING && vm->phase != VM_STOPPED)
            continue;
        for (int s = 0; s < 2; s++) {
            if (!has_channel(device(&world->sites[s], SIM_INTER_DC)))
                BROKEN(world, "7: %s is being moved without a channel at %s", vm->vm.name, world->sites[s].dc);
        }
        if (world->has_transport && !world->lsp_failed &&
            !lsp_stands(world, vm->at == &world->sites[0] ? SIM_ROUTER_GATE_A : SIM_ROUTER_GATE_B,
                        vm->at == &world->sites[0] ? "A:channel:" : "B:channel:"))
            BROKEN(world, "7: %s is being moved without an LSP between the data centers", vm->vm.name);
    }
}

/* 13. Nobody else changes a ToR here, so nothing is drift. */
static void check_drift(struct world *world)
{
    for (int s = 0; s < 2; s++) {
        const struct gateway *gateway = world->sites[s].gateway;

        if (gateway && gateway->drift.found)
            BROKEN(world, "13: %s takes what it did itself for drift", world->sites[s].dc);
    }
}

void check_always(struct world *world)
{
    check_drift(world);
    check_channels(world);
    check_circuits(world);
    for (int s = 0; s < 2 && !world->broken.code; s++) {
        struct sim_switch *tor = device(&world->sites[s], SIM_TOR);

        if (tor->checked == tor->version)
            continue;
        tor->checked = tor->version;
        for (unsigned v = 0; v < world->n_vms && !world->broken.code; v++)
            check_policy(world, &world->sites[s], &world->vms[v]);
    }
    /* 1. A VM never runs where nothing was prepared for it: the transfer is the last thing to be ordered. */
    for (unsigned v = 0; v < world->n_vms && !world->broken.code; v++) {
        const struct sim_vm *vm = &world->vms[v];

        if (vm->phase == VM_ARRIVED && !served(device(vm->at, SIM_TOR), cookie_of_vm(vm->vm.uuid)))
            BROKEN(world, "1: %s runs at %s, whose ToR does not serve it", vm->vm.name, vm->at->dc);
        else if (vm->phase == VM_ARRIVED && vm->at->config.mode == MODE_VPLS && !vm->at->disturbed)
            check_pseudowires(vm->at);
    }
}

/* ---- when all is quiet ---- */

static const struct sim_vm *vm_of_cookie(const struct world *world, uint64_t cookie)
{
    for (unsigned v = 0; v < world->n_vms; v++) {
        if (cookie_of_vm(world->vms[v].vm.uuid) == cookie)
            return &world->vms[v];
    }
    return NULL;
}

unsigned vms_at(const struct world *world, const struct site *site)
{
    unsigned n = 0;

    for (unsigned v = 0; v < world->n_vms; v++)
        n += world->vms[v].at == site && !world->vms[v].off;
    return n;
}

/* 5. Nothing is left over. */
static unsigned user_vms_at(const struct world *world, const struct site *site)
{
    unsigned n = 0;

    for (unsigned v = 0; v < world->user_vms; v++)
        n += world->vms[v].at == site;
    return n;
}

static void check_lsps(struct world *world, struct site *site)
{
    unsigned flows = 0;
    bool wanted = user_vms_at(world, site) > 0;

    for (size_t i = 0; i < site->sw[1].flows.n; i++)
        flows += kind_of(site->sw[1].flows.flows[i].cookie) == COOKIE_CIRCUIT;
    if (lsp_stands(world, pe_of(site), "") != wanted)
        BROKEN(world, "5: %s %s the circuit of %s", site->dc, wanted ? "lacks" : "still has", SIM_USER);
    if ((flows > 0) != (wanted && vms_at(world, site) > 0)) /* a segment without VMs is closed */
        BROKEN(world, "5: the PE of %s has %u flows of the circuit of %s", site->dc, flows, SIM_USER);
    if (site->config.transport && !site->config.transport->keep_channels &&
        lsp_stands(world, site == &world->sites[0] ? SIM_ROUTER_GATE_A : SIM_ROUTER_GATE_B, ""))
        BROKEN(world, "5: %s still has an LSP to the other data center", site->dc);
}

static void check_flow(struct world *world, struct site *site, const struct sim_switch *sw, const struct flow *flow)
{
    AUTO_FREE char *text = flow_format(flow);
    const struct sim_vm *vm = vm_of_cookie(world, flow->cookie);
    const struct sim_vm *learner = vm_of_cookie(world, cookie_make(COOKIE_VM, flow->cookie));

    switch ((int) kind_of(flow->cookie)) {
    case COOKIE_BASE:
    case COOKIE_NEIGHBOUR:
        return;
    case COOKIE_CIRCUIT: /* check_lsps() */
        return;
    case COOKIE_SEGMENT:
        if (vms_at(world, site) == 0)
            BROKEN(world, "5: %s %s: a flow of a segment without VMs: %s", site->dc, sw->name, text);
        return;
    case COOKIE_TUNNEL:
        if (vms_at(world, site) == 0)
            BROKEN(world, "5: %s %s: a flow of a tunnel without VMs: %s", site->dc, sw->name, text);
        return;
    case COOKIE_VM:
        if (!vm || vm->at != site || vm->off)
            BROKEN(world, "5: %s %s: a flow of a VM that is elsewhere: %s", site->dc, sw->name, text);
        return;
    case COOKIE_STATE:
    case COOKIE_HALF_OPEN:
        if (!learner || learner->at != site || learner->off)
            BROKEN(world, "5: %s %s: a connection of a VM that is elsewhere: %s", site->dc, sw->name, text);
        return;
    case COOKIE_PROBE:
        BROKEN(world, "5: %s %s: a divert of probe packets: %s", site->dc, sw->name, text);
        return;
    case COOKIE_CHANNEL:
        BROKEN(world, "5: %s %s: a flow of a channel: %s", site->dc, sw->name, text);
        return;
    default: /* an administrator's */
        for (unsigned v = 0; v < world->n_vms; v++) {
            const struct flow_field *src = match_find(&flow->match, FIELD_IPV4_SRC);
            const struct flow_field *dst = match_find(&flow->match, FIELD_IPV4_DST);
            const uint8_t *ip = world->vms[v].vm.nics[0].ip.bytes;

            if (world->vms[v].at != site && !world->vms[v].off &&
                ((src && memcmp(src->value, ip, 4) == 0) || (dst && memcmp(dst->value, ip, 4) == 0)))
                BROKEN(world, "5: %s %s: an administrator's flow of a VM that is elsewhere: %s", site->dc, sw->name,
                       text);
        }
    }
}

static void check_leftovers(struct world *world, struct site *site)
{
    unsigned meters = 0;
    uint32_t vlan;

    for (unsigned i = 0; i < site->n_switches; i++) {
        for (size_t f = 0; f < site->sw[i].flows.n && !world->broken.code; f++)
            check_flow(world, site, &site->sw[i], &site->sw[i].flows.flows[f]);
    }
    for (unsigned v = 0; v < world->n_vms; v++) {
        const struct sim_vm *vm = &world->vms[v];

        for (unsigned d = 0; d < 2 && vm->at == site && !vm->foreign && !vm->off; d++)
            meters += (vm->policy.rate[d].kbps ? 1u : 0u) + (vm->policy.new_limit[d].per_second ? 1u : 0u);
    }
    if (site->sw[0].n_meters != meters)
        BROKEN(world, "5: %s: the ToR has %zu meters, its VMs need %u", site->dc, site->sw[0].n_meters, meters);
    if ((store_number_get(site->store, "vlan", "web", &vlan, NULL) == 0) != (vms_at(world, site) > 0))
        BROKEN(world, "5: %s: the segment's VLAN does not match its %u VMs", site->dc, vms_at(world, site));
    if (site->n_routes != vms_at(world, site))
        BROKEN(world, "5: %s announces %zu host routes for %u VMs", site->dc, site->n_routes, vms_at(world, site));
    for (unsigned v = 0; v < world->n_vms; v++) {
        bool announced = false;

        for (size_t r = 0; r < site->n_routes; r++)
            announced |= ip_equal(&site->routes_set[r], &world->vms[v].vm.nics[0].ip);
        if (announced != (world->vms[v].at == site && !world->vms[v].off))
            BROKEN(world, "5: %s: host route of %s", site->dc, world->vms[v].vm.name);
    }
}

/* 4. Both journals agree, and with them the locations. */
struct comparison {
    struct world *world;
    struct site *target;
    uint32_t n;
};

static bool compare(void *arg, const struct store_migration *row)
{
    struct comparison *comparison = arg;
    struct store *store = comparison->target->store;
    struct store_migration other = {0};
    struct store_tombstone tombstone;
    bool done = strcmp(row->state, "done") == 0;

    comparison->n++;
    if (strcmp(row->role, "source") != 0)
        return true;
    if (!row->ended)
        BROKEN(comparison->world, "3: migration %s has not ended: %s", row->id, row->state);
    bool known = store_migration_get(store, row->id, "target", &other, NULL) == 0;
    if (!known && store_tombstone_get(store, row->id, &tombstone, NULL) == 0) {
        known = true;
        memcpy(other.state, tombstone.state, sizeof other.state);
    }
    if (done && (!known || strcmp(other.state, "committed") != 0))
        BROKEN(comparison->world, "4: migration %s is done at its source, %s at its target", row->id,
               known ? other.state : "unknown");
    if (!done && known && strcmp(other.state, "rolled_back") != 0)
        BROKEN(comparison->world, "4: migration %s is %s at its source, %s at its target", row->id, row->state,
               other.state);
    store_migration_free(&other);
    return true;
}

/* 12. A VM's connections are where it is. */
static void check_connections(struct world *world)
{
    for (unsigned v = 0; v < world->n_vms && !world->forgets && !world->cuts_off; v++) {
        const struct sim_vm *vm = &world->vms[v];
        const struct flow_list *held = &device(vm->at, SIM_TOR)->flows;
        unsigned n = 0;

        for (size_t i = 0; i < held->n; i++)
            n += held->flows[i].cookie == cookie_of_state(cookie_of_vm(vm->vm.uuid));
        if (vm->connected && !vm->off && n != 1)
            BROKEN(world, "12: %s runs at %s, whose ToR has %u connections of it, not 1", vm->vm.name, vm->at->dc, n);
    }
}

void check_quiet(struct world *world)
{
    check_connections(world);
    for (unsigned v = 0; v < world->n_vms; v++) {
        const struct sim_vm *vm = &world->vms[v];
        struct store_location location;

        if (vm->off) {
            for (int s = 0; s < 2; s++) {
                if (served(device(&world->sites[s], SIM_TOR), cookie_of_vm(vm->vm.uuid)))
                    BROKEN(world, "5: %s is off, but %s serves it", vm->vm.name, world->sites[s].dc);
            }
            continue;
        }
        if (!vm->running || vm->phase != VM_STILL)
            BROKEN(world, "1: %s does not run", vm->vm.name);
        if (store_location_get(vm->at->store, vm->vm.uuid, &location, NULL) < 0 || strcmp(location.dc, vm->at->dc) != 0)
            BROKEN(world, "4: %s runs at %s, which does not know", vm->vm.name, vm->at->dc);
        if (!served(device(vm->at, SIM_TOR), cookie_of_vm(vm->vm.uuid)))
            BROKEN(world, "1: %s runs at %s, whose ToR does not serve it", vm->vm.name, vm->at->dc);
    }
    for (int s = 0; s < 2 && !world->broken.code; s++) {
        struct comparison comparison = {world, site_other(&world->sites[s]), 0};

        check_leftovers(world, &world->sites[s]);
        check_lsps(world, &world->sites[s]);
        if (world->sites[s].config.mode == MODE_VPLS) {
            check_labels(&world->sites[s], vms_at(world, &world->sites[s]) > 0);
            if (vms_at(world, &world->sites[s]) && world->broken.code == 0)
                check_pseudowires(&world->sites[s]);
        }
        store_migration_each(world->sites[s].store, false, compare, &comparison, &world->broken);
        if (comparison.n > world->sites[s].config.history.migrations) /* all have ended */
            BROKEN(world, "11: %s remembers %u migrations that have ended", world->sites[s].dc, comparison.n);
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

char *network_snapshot(struct site *site)
{
    struct strbuf text = {0};

    for (unsigned i = 0; i < site->n_switches; i++) {
        const struct sim_switch *sw = &site->sw[i];
        char **lines = xcalloc(sw->flows.n, sizeof *lines);

        for (size_t f = 0; f < sw->flows.n; f++)
            lines[f] = flow_format(&sw->flows.flows[f]);
        qsort(lines, sw->flows.n, sizeof *lines, by_text);
        strbuf_printf(&text, "%s: %zu meters\n", sw->name, sw->n_meters);
        for (size_t f = 0; f < sw->flows.n; f++) {
            strbuf_printf(&text, "  %s\n", lines[f]);
            free(lines[f]);
        }
        free(lines);
    }
    return strbuf_take(&text);
}
