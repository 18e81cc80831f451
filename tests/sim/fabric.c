/* SPDX-License-Identifier: Apache-2.0 */
/* How the switches of a data center are joined, and what of that fails and comes back. In Ethernet mode OVSDB tells
 * which ports are the fabric's, in VPLS mode LLDP does:
 *
 *     tor ── pe          tor ── p1 ── pe
 *      └──── gate         │   ╱  │╲   │         The server hangs off tor and gate. The number of a port is its place
 *                         └─ p2 ─┘ gate         below, from 1.
 *                             └── pe                                                                              */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "world.h"

struct map_port {
    const char *name;
    const char *to; /* the switch that it leads to; null: none */
    uint32_t port;  /* there */
};

struct map {
    const char *name;
    struct map_port ports[5];
};

static const struct map ethernet[] = {
    {SIM_TOR, {{"tor-server", NULL, 0}, {"tor-pe", SIM_PE, 3}, {"tor-gate", SIM_INTER_DC, 3}}},
    {SIM_PE, {{"up", NULL, 0}, {"router", NULL, 0}, {"pe-tor", SIM_TOR, 2}, {"tn", NULL, 0}}},
    {SIM_INTER_DC, {{"up", NULL, 0}, {"gate-server", NULL, 0}, {"gate-tor", SIM_TOR, 3}, {"tn", NULL, 0}}},
};

static const struct map vpls[SIM_SWITCHES] = {
    {SIM_TOR, {{"tor-server", NULL, 0}, {"tor-p1", SIM_P1, 1}, {"tor-p2", SIM_P2, 1}}},
    {SIM_PE, {{"up", NULL, 0}, {"router", NULL, 0}, {"pe-p1", SIM_P1, 3}, {"tn", NULL, 0}, {"pe-p2", SIM_P2, 3}}},
    {SIM_INTER_DC, {{"up", NULL, 0}, {"gate-server", NULL, 0}, {"gate-p1", SIM_P1, 4}, {"tn", NULL, 0}}},
    {SIM_P1, {{"p1-tor", SIM_TOR, 2}, {"p1-p2", SIM_P2, 2}, {"p1-pe", SIM_PE, 3}, {"p1-gate", SIM_INTER_DC, 3}}},
    {SIM_P2, {{"p2-tor", SIM_TOR, 3}, {"p2-p1", SIM_P1, 2}, {"p2-pe", SIM_PE, 5}}},
};

static const struct map *map_of(const struct site *site)
{
    return site->config.mode == MODE_VPLS ? vpls : ethernet;
}

void fabric_init(struct site *site)
{
    site->n_switches = site->config.mode == MODE_VPLS ? ARRAY_LEN(vpls) : ARRAY_LEN(ethernet);
    for (unsigned i = 0; i < site->n_switches; i++)
        snprintf(site->sw[i].name, NAME_SIZE, "%s", map_of(site)[i].name);
}

static unsigned index_of(const struct site *site, const char *name)
{
    unsigned i = 0;

    while (strcmp(map_of(site)[i].name, name) != 0)
        i++;
    return i;
}

static bool switch_on(const struct site *site, const char *name)
{
    return !site->sw[index_of(site, name)].off;
}

/* A port is up while both its ends are, and nobody has cut the link between them. */
static bool port_up(const struct site *site, unsigned sw, unsigned port)
{
    const struct map_port *p = &map_of(site)[sw].ports[port];

    if (!p->to)
        return true;
    return !site->sw[sw].cut[port] && switch_on(site, p->to) && !site->sw[index_of(site, p->to)].cut[p->port - 1];
}

const struct sim_switch *fabric_next(struct site *site, const struct sim_switch *sw, uint32_t port, uint32_t *ret_port)
{
    unsigned i = (unsigned) (sw - site->sw);
    const struct map_port *p = &map_of(site)[i].ports[port - 1];

    if (port == 0 || port > SIM_PORTS || !p->to || sw->off || !port_up(site, i, port - 1))
        return NULL;
    *ret_port = p->port;
    return device(site, p->to);
}

/* ---- telling ---- */

static struct switch_port port_at(const struct site *site, unsigned sw, unsigned port)
{
    const struct map_port *p = &map_of(site)[sw].ports[port];
    struct switch_port out = {
        .number = port + 1, .up = port_up(site, sw, port), .fabric = p->to && site->config.mode == MODE_ETHERNET};

    snprintf(out.name, NAME_SIZE, "%s", p->name);
    return out;
}

static void attach(struct site *site, const char *switch_name, uint32_t port, const char *server_port)
{
    struct event event = {.type = EVENT_ATTACHMENT};

    snprintf(event.attachment.server, NAME_SIZE, "%s", site->config.servers[0].name);
    snprintf(event.attachment.server_port, NAME_SIZE, "%s", server_port);
    snprintf(event.attachment.switch_name, NAME_SIZE, "%s", switch_name);
    event.attachment.port = port;
    deliver(site, 50 + chance(site->world, 500), event);
}

static void tell_switch(struct site *site, unsigned i, int64_t ms)
{
    struct event event = {.type = EVENT_SWITCH_UP, .owns = EVENT_OWNS_SWITCH};
    const struct map *map = &map_of(site)[i];

    snprintf(event.name, NAME_SIZE, "%s", map->name);
    snprintf(event.sw.name, NAME_SIZE, "%s", map->name);
    event.sw.dpid = i + 1;
    event.sw.up = true;
    event.sw.ports = xcalloc(ARRAY_LEN(map->ports), sizeof *event.sw.ports);
    for (unsigned p = 0; p < ARRAY_LEN(map->ports) && map->ports[p].name; p++)
        event.sw.ports[event.sw.n_ports++] = port_at(site, i, p);
    deliver(site, ms, event);
}

/* LLDP passes a link, in one direction. */
static void tell_link(struct site *site, unsigned sw, unsigned port, int64_t ms)
{
    const struct map_port *p = &map_of(site)[sw].ports[port];
    struct event event = {.type = EVENT_LINK};

    if (!p->to || !port_up(site, sw, port) || site->sw[sw].off)
        return;
    snprintf(event.link.from_switch, NAME_SIZE, "%s", map_of(site)[sw].name);
    snprintf(event.link.to_switch, NAME_SIZE, "%s", p->to);
    event.link.from_port = port + 1;
    event.link.to_port = p->port;
    deliver(site, ms, event);
}

/* Of a link's state, at both its ends. */
static void tell_ends(struct site *site, unsigned sw, unsigned port)
{
    const struct map_port *p = &map_of(site)[sw].ports[port];
    unsigned ends[2][2] = {{sw, port}, {index_of(site, p->to), p->port - 1}};

    for (unsigned e = 0; e < 2 && site->gateway; e++) {
        struct event event = {.type = EVENT_PORT};

        if (site->sw[ends[e][0]].off)
            continue;
        snprintf(event.name, NAME_SIZE, "%s", map_of(site)[ends[e][0]].name);
        event.port = port_at(site, ends[e][0], ends[e][1]);
        deliver(site, 1 + e, event);
        tell_link(site, ends[e][0], ends[e][1], 200 + chance(site->world, 500));
    }
}

void fabric_tell_all(struct site *site)
{
    for (unsigned i = 0; i < site->n_switches; i++) {
        if (!site->sw[i].off)
            tell_switch(site, i, 1 + chance(site->world, 300));
    }
    for (unsigned i = 0; i < site->n_switches && site->config.mode == MODE_VPLS; i++) {
        for (unsigned p = 0; p < SIM_PORTS; p++)
            tell_link(site, i, p, 400 + chance(site->world, 500));
    }
    attach(site, SIM_TOR, 1, "uplink");
    attach(site, SIM_INTER_DC, 2, "mig");
}

/* ---- failures ---- */

struct failure {
    struct site *site;
    unsigned sw, port;
};

static void drop_failure(struct world *world, void *arg)
{
    (void) world;
    free(arg);
}

static void mend(struct world *world, void *arg)
{
    struct failure *failure = arg;

    tell(world, failure->site, "the link of %s is mended",
         map_of(failure->site)[failure->sw].ports[failure->port].name);
    failure->site->sw[failure->sw].cut[failure->port] = false;
    tell_ends(failure->site, failure->sw, failure->port);
    free(failure);
}

void fabric_cut(struct site *site)
{
    unsigned sw = 3 + chance(site->world, 2), port = chance(site->world, sw == 3 ? 4 : 3);
    struct failure *failure = xcalloc(1, sizeof *failure);

    tell(site->world, site, "the link of %s is cut", map_of(site)[sw].ports[port].name);
    site->disturbed = true;
    *failure = (struct failure) {site, sw, port};
    site->sw[sw].cut[port] = true;
    tell_ends(site, sw, port);
    world_at(site->world, 100 + chance(site->world, 8000), site, false, mend, failure, drop_failure);
}

static void boot(struct world *world, void *arg)
{
    struct failure *failure = arg;
    struct site *site = failure->site;

    tell(world, site, "%s is back", site->sw[failure->sw].name);
    site->sw[failure->sw].off = false;
    for (unsigned p = 0; p < SIM_PORTS; p++) {
        if (map_of(site)[failure->sw].ports[p].to)
            tell_ends(site, failure->sw, p);
    }
    if (site->gateway)
        tell_switch(site, failure->sw, 1 + chance(world, 100));
    free(failure);
}

void switch_reboots(struct site *site, const char *name)
{
    struct sim_switch *sw = device(site, name);
    struct event event = {.type = EVENT_SWITCH_DOWN};
    struct failure *failure = xcalloc(1, sizeof *failure);

    tell(site->world, site, "%s reboots", name);
    site->disturbed = true;
    site->world->forgets = true;
    flow_list_free(&sw->flows);
    sw->flows = (struct flow_list) {0};
    sw->n_meters = 0;
    sw->version++;
    sw->off = true;
    *failure = (struct failure) {site, (unsigned) (sw - site->sw), 0};
    world_at(site->world, 1000 + chance(site->world, 3000), site, false, boot, failure, drop_failure);
    if (!site->gateway)
        return;
    snprintf(event.name, NAME_SIZE, "%s", name);
    err_set(&event.err, ERR_UNREACHABLE, "the dummy switch reboots");
    deliver(site, 1, event);
    for (unsigned p = 0; p < SIM_PORTS && site->config.mode == MODE_VPLS; p++) {
        if (map_of(site)[failure->sw].ports[p].to)
            tell_ends(site, failure->sw, p);
    }
}
