/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

uint32_t chance(struct world *world, uint32_t n)
{
    /* xorshift64*: Vigna 2016 */
    world->random ^= world->random >> 12;
    world->random ^= world->random << 25;
    world->random ^= world->random >> 27;
    return (uint32_t) ((world->random * UINT64_C(0x2545F4914F6CDD1D)) >> 33) % n;
}

bool fault(struct world *world, unsigned percent)
{
    return world->now < world->faults_until && chance(world, 100) < percent;
}

void tell(struct world *world, const struct site *site, const char *format, ...)
{
    va_list args;

    if (!world->trace)
        return;
    printf("%8.3f %s ", (double) world->now / 1000, site ? site->dc : "-");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

struct site *site_other(struct site *site)
{
    return &site->world->sites[site == &site->world->sites[0]];
}

/* ---- what will happen ---- */

static bool earlier(const struct happening *a, const struct happening *b)
{
    return a->at < b->at || (a->at == b->at && a->sequence < b->sequence);
}

void world_at(struct world *world, int64_t ms, struct site *site, bool of_life, happening_fn *fn, void *arg,
              happening_fn *drop)
{
    world->heap = array_reserve(world->heap, world->n_heap, &world->cap_heap, sizeof *world->heap);

    size_t i = world->n_heap++;
    world->heap[i] = (struct happening) {
        world->now + ms, world->sequence++, site, of_life ? site->life : 0, fn, arg, drop};
    while (i && earlier(&world->heap[i], &world->heap[(i - 1) / 2])) {
        struct happening swap = world->heap[i];

        world->heap[i] = world->heap[(i - 1) / 2];
        world->heap[(i - 1) / 2] = swap;
        i = (i - 1) / 2;
    }
}

static struct happening take(struct world *world)
{
    struct happening first = world->heap[0];
    size_t i = 0;

    world->heap[0] = world->heap[--world->n_heap];
    for (;;) {
        size_t least = i;

        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < world->n_heap; child++) {
            if (earlier(&world->heap[child], &world->heap[least]))
                least = child;
        }
        if (least == i)
            return first;
        struct happening swap = world->heap[i];

        world->heap[i] = world->heap[least];
        world->heap[least] = swap;
        i = least;
    }
}

/* ---- events for a gateway ---- */

static void arrive(struct world *world, void *arg)
{
    struct event *event = arg;
    struct site *site = &world->sites[event->vm_cause >> 8];

    event->vm_cause &= 0xff;
    gateway_event(site->gateway, event, (struct mono) {world->now});
    event_discard(event);
}

static void drop_event(struct world *world, void *arg)
{
    (void) world;
    event_discard(arg);
}

void deliver(struct site *site, int64_t ms, struct event event)
{
    struct event *copy = xmemdup(&event, sizeof event);

    /* Which site it is for rides in unused bits, so that an event needs no envelope. */
    copy->vm_cause |= (unsigned) (site - site->world->sites) << 8;
    world_at(site->world, ms, site, true, arrive, copy, drop_event);
}

void deliver_done(struct site *site, int64_t ms, uint64_t request, int code, const char *text)
{
    struct event event = {.type = EVENT_DONE, .request = request};

    if (code)
        err_set(&event.err, code, "%s", text);
    deliver(site, ms, event);
}

/* ---- gateways ---- */

static int64_t unix_ms(void *arg)
{
    return ((struct world *) arg)->now;
}

static struct mono enter(void *arg)
{
    return (struct mono) {((struct world *) arg)->now};
}

static void make_uuid(void *arg, uint8_t uuid[UUID_SIZE])
{
    for (int i = 0; i < UUID_SIZE; i++)
        uuid[i] = (uint8_t) chance(arg, 256);
}

void gateway_begin(struct site *site)
{
    struct err err = {0};
    struct gateway_south south = {&site->switches, &site->hypervisors, &site->routes, &site->peers,
                                  site->config.transport ? &site->transport : NULL};

    site->life++;
    site->cut = false;
    site->gateway = gateway_new(&site->config, site->store, &err);
    if (!site->gateway) {
        site->world->broken = err;
        return;
    }
    site->gateway->enter = enter;
    site->gateway->enter_arg = site->world;
    site->gateway->unix_ms = unix_ms;
    site->gateway->unix_ms_arg = site->world;
    site->gateway->make_uuid = make_uuid;
    site->gateway->make_uuid_arg = site->world;
    tell(site->world, site, "gateway starts");
    gateway_start(site->gateway, &south, (struct mono) {site->world->now});
    fabric_tell_all(site);
    machines_tell_all(site);
    transport_tell_all(site);
}

static void begin_again(struct world *world, void *arg)
{
    (void) world;
    gateway_begin(arg);
}

void gateway_crash(struct site *site)
{
    tell(site->world, site, "gateway crashes");
    site->world->crashes++;
    site->cut = true;
    gateway_free(site->gateway);
    site->gateway = NULL;
    site->cut = false;
    world_at(site->world, 100 + chance(site->world, 20000), site, false, begin_again, site, NULL);
}

void maybe_crash(struct site *site)
{
    if (!site->cut && fault(site->world, site->world->percent_crash))
        site->cut = true;
}

/* Ticks are not happenings: the gateway's deadline is asked for before each step. */
static bool tick_before(struct world *world, int64_t next)
{
    struct site *due = NULL;
    int64_t at = next;

    for (int s = 0; s < 2; s++) {
        struct site *site = &world->sites[s];
        struct mono deadline = site->gateway ? gateway_deadline(site->gateway) : MONO_NEVER;

        if (deadline.ms < at) {
            at = deadline.ms;
            due = site;
        }
    }
    if (!due)
        return false;
    world->now = at > world->now ? at : world->now;
    gateway_tick(due->gateway, (struct mono) {world->now});
    return true;
}

bool world_step(struct world *world)
{
    if (world->broken.code)
        return false;
    if (!tick_before(world, world->n_heap ? world->heap[0].at : INT64_MAX)) {
        if (world->n_heap == 0)
            return false;

        struct happening happening = take(world);
        bool alive = happening.life == 0 || (happening.site->gateway && happening.site->life == happening.life);

        world->now = happening.at;
        if (alive)
            happening.fn(world, happening.arg);
        else if (happening.drop)
            happening.drop(world, happening.arg);
    }
    world->events++;
    for (int s = 0; s < 2; s++) {
        if (world->sites[s].cut)
            gateway_crash(&world->sites[s]);
    }
    if (world->broken.code == 0)
        check_always(world);
    return world->broken.code == 0;
}

/* ---- making it ---- */

static char *copy(const char *s)
{
    return xstrdup(s);
}

static void make_config(struct site *site, unsigned transfers)
{
    struct config *c = &site->config;

    c->dc = copy(site->dc);
    c->servers = xcalloc(1, sizeof *c->servers);
    c->servers_count = 1;
    c->servers[0] = (struct config_server) {xasprintf("server-%s", site->dc), copy("test"),
                                            xasprintf("qemu://%s", site->dc),
                                            copy(*site->dc == 'A' ? "10.254.0.11" : "10.254.0.12")};
    c->peers = xcalloc(1, sizeof *c->peers);
    c->peers_count = 1;
    c->peers[0].dc = copy(site->other_dc);
    c->peers[0].name = copy(site->other_dc);
    c->segments = xcalloc(1, sizeof *c->segments);
    c->segments_count = 1;
    c->segments[0].name = copy("web");
    c->segments[0].gateway = copy("10.100.0.1/24");
    ip_with_length_parse("10.100.0.1/24", &c->segments[0].gateway_ip, &c->segments[0].length);
    mac_parse("02:5c:67:00:00:01", &c->segments[0].mac);
    c->vlan_first = 100;
    c->vlan_last = 109;
    c->edges = xcalloc(2, sizeof *c->edges);
    c->edges_count = 2;
    c->edges[0] = (struct config_edge) {.switch_name = copy(SIM_PE),
                                        .role = EDGE_IP,
                                        .uplink_port = copy("up"),
                                        .router_port = copy("router"),
                                        .router = copy("192.0.2.2"),
                                        .next_hop = copy("192.0.2.1")};
    ip_parse("192.0.2.2", &c->edges[0].router_ip);
    ip_parse("192.0.2.1", &c->edges[0].next_hop_ip);
    c->edges[1] = (struct config_edge) {
        .switch_name = copy(SIM_INTER_DC), .role = EDGE_INTER_DC, .uplink_port = copy("up")};
    c->channels = xcalloc(1, sizeof *c->channels);
    c->channels_count = 1;
    c->channels[0] = (struct config_channel) {copy("wan"), copy(site->other_dc), copy(SIM_INTER_DC), 1000};
    c->limits.migrations = 8;
    c->limits.vms_per_order = 16;
    c->limits.transfers = transfers;
    c->limits.message_bytes = 1 << 20;
    c->timeouts.peer = 30;
    c->timeouts.transfer = 60;
    c->timeouts.switch_ = 10;
    c->drift.interval = 2 + (uint32_t) (site->world->seed % 3);
    c->history.migrations = site->world->seed % 4 == 0 ? 2 : 1000; /* an order's end is looked for after another's */
}

/* Instead of a channel that exists: each edge is joined to a transport node. */
static void join_transport(struct site *site)
{
    struct config *c = &site->config;
    bool a = site == &site->world->sites[0];

    c->channels_count = 0;
    c->transport = xcalloc(1, sizeof *c->transport);
    c->transport->keep_channels = chance(site->world, 4) == 0;
    c->edges[0].transport_port = copy("tn");
    c->edges[0].transport = (struct config_attachment) {NULL, a ? SIM_ROUTER_PE_A : SIM_ROUTER_PE_B, 1};
    c->edges[1].transport_port = copy("tn");
    c->edges[1].transport = (struct config_attachment) {NULL, a ? SIM_ROUTER_GATE_A : SIM_ROUTER_GATE_B, 1};
    c->edges[1].migration_mbps = 500;
    c->peers[0].transport = (struct config_attachment) {copy("far"), a ? SIM_ROUTER_GATE_B : SIM_ROUTER_GATE_A, 1};
}

static void use_vpls(struct config *c)
{
    c->mode = MODE_VPLS;
    c->vpls = xcalloc(1, sizeof *c->vpls);
    c->vpls->labels = (struct config_range) {16, 31};
}

static void free_config(struct config *c)
{
    free(c->dc);
    free(c->servers[0].name);
    free(c->servers[0].uri);
    free(c->servers[0].migration_uri);
    free(c->servers[0].migration_address);
    free(c->servers);
    free(c->peers[0].dc);
    free(c->peers[0].name);
    free(c->peers[0].transport.router_id);
    free(c->peers);
    free(c->segments[0].name);
    free(c->segments[0].gateway);
    free(c->segments);
    for (unsigned i = 0; i < c->edges_count; i++) {
        free(c->edges[i].switch_name);
        free(c->edges[i].uplink_port);
        free(c->edges[i].transport_port);
        free(c->edges[i].router_port);
        free(c->edges[i].router);
        free(c->edges[i].next_hop);
    }
    free(c->edges);
    free(c->channels[0].name);
    free(c->channels[0].peer);
    free(c->channels[0].switch_name);
    free(c->channels);
    free(c->transport);
    free(c->vpls);
}

void world_init(struct world *world, uint64_t seed, bool trace)
{
    *world = (struct world) {.seed = seed, .random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1, .trace = trace};
    world->has_transport = chance(world, 2);
    for (int s = 0; s < 2; s++) {
        struct site *site = &world->sites[s];
        struct err err = {0};

        site->world = world;
        site->dc = s == 0 ? "A" : "B";
        site->other_dc = s == 0 ? "B" : "A";
        make_config(site, 1 + chance(world, 2));
        if (chance(world, 2))
            use_vpls(&site->config);
        if (world->has_transport)
            join_transport(site);
        site->store = store_open(":memory:", &err);
        if (!site->store)
            world->broken = err;
        devices_init(site);
        machines_init(site);
        post_init(site);
        transport_init(site);
    }
}

void world_free(struct world *world)
{
    for (int s = 0; s < 2; s++) {
        struct site *site = &world->sites[s];

        gateway_free(site->gateway);
        store_close(site->store);
        free_config(&site->config);
        for (unsigned i = 0; i < site->n_switches; i++)
            flow_list_free(&site->sw[i].flows);
    }
    /* Not before the gateways, which answer what waits in them when they end. */
    for (size_t i = 0; i < world->n_heap; i++) {
        if (world->heap[i].drop)
            world->heap[i].drop(world, world->heap[i].arg);
    }
    free(world->heap);
    for (unsigned v = 0; v < world->n_vms; v++)
        policy_free(&world->vms[v].policy);
    for (size_t i = 0; i < world->n_lsps; i++)
        lsp_report_free(&world->lsps[i].report);
    free(world->lsps);
}
