/* SPDX-License-Identifier: Apache-2.0 */
/* What the node wants of its switch. While the bridge is connected, each cross-connect is set and cleared as the node
 * says. What it holds when it has (re)connected is switching_repair.c's. */
#include "base/alloc.h"
#include "base/log.h"
#include "gmpls/crossconnect.h"
#include "gmplsd/switching_internal.h"

#define BRIDGE_TIMEOUT_MS 10000

#define CLEARING UINT64_C(0x100000000) /* added to the LSP's id in requests */

/* After so long without its controller's connection, the bridge counts as dead, and its links as cut. */
static uint32_t hold_ms(const struct switching *s)
{
    return s->daemon->config->timers.openflow_hold_ms;
}

void switching_set_timer(struct switching *s)
{
    timer_set(s->timer, mono_min(mono_min(s->dead, s->repair), s->strays));
}

void switching_repair_at(struct switching *s, struct mono at)
{
    s->repair = mono_min(s->repair, at);
    switching_set_timer(s);
}

/* ---- from the node's words to the switch's ---- */

static int client_index(const struct switching *s, uint32_t id)
{
    for (unsigned i = 0; i < s->daemon->config->clients_count; i++)
        if (s->daemon->config->clients[i].id == id)
            return (int) i;
    return -1;
}

static const struct config_client *bridge_client(const struct switching *s, const struct node_side *side)
{
    int i = side->link == NODE_LINK_NONE ? client_index(s, side->client) : -1;

    return i >= 0 && s->daemon->config->clients[i].mode == NODE_CLIENT_BRIDGE ? &s->daemon->config->clients[i] : NULL;
}

static struct xc_side side_of(const struct switching *s, const struct node_side *side)
{
    if (side->link != NODE_LINK_NONE)
        return (struct xc_side) {.kind = XC_LINK,
                                 .port = s->links[side->link].number,
                                 .in_label = side->in_label,
                                 .out_label = side->out_label};

    int i = client_index(s, side->client);
    uint32_t port = i < 0 ? 0 : s->clients[i].number;
    if (side->vlan == CLIENT_VLAN_NONE)
        return (struct xc_side) {.kind = XC_BRIDGE, .port = port};
    return (struct xc_side) {.kind = XC_VLAN, .port = port, .vlan = side->vlan};
}

static const char *side_name(const struct switching *s, const struct node_side *side)
{
    if (side->link != NODE_LINK_NONE)
        return s->links[side->link].name;

    int i = client_index(s, side->client);
    return i < 0 ? "?" : s->clients[i].name;
}

int switching_xc(const struct switching *s, const struct node_xc *from, struct xc *xc, struct err *err)
{
    *xc = (struct xc) {.id = from->id,
                       .node = s->daemon->config->router,
                       .in = side_of(s, &from->in),
                       .out = side_of(s, &from->out),
                       .rate_bps = from->rate_bps};
    if (!xc->in.port || !xc->out.port)
        return err_set(err, ERR_NOT_FOUND, "the bridge has no port %s",
                       side_name(s, xc->in.port ? &from->out : &from->in));
    return xc_check(xc, err);
}

/* The LSPs that end at one client port in bridge mode. */
struct members {
    uint32_t client;
    uint32_t ids[XC_BRIDGE_LSPS_MAX];
    size_t n; /* also those that found no room */
};

static void add_member(void *arg, const struct node_xc *xc)
{
    struct members *members = arg;
    const struct node_side *sides[] = {&xc->in, &xc->out};

    for (unsigned i = 0; i < 2; i++) {
        if (sides[i]->link != NODE_LINK_NONE || sides[i]->client != members->client)
            continue;
        if (members->n < XC_BRIDGE_LSPS_MAX)
            members->ids[members->n] = xc->id;
        members->n++;
    }
}

/* Brings the flood of the client port to which 'side' leads up to date, if there is one. */
int switching_put_bridge(const struct switching *s, struct flow_txn *txn, const struct node_side *side, struct err *err)
{
    const struct config_client *client = bridge_client(s, side);
    struct members members = {0};

    if (!client)
        return 0;
    members.client = client->id;
    node_xc_each(s->daemon->node, add_member, &members);
    if (members.n > XC_BRIDGE_LSPS_MAX)
        return err_set(err, ERR_EXHAUSTED, "client port %s has %u LSPs already, the most that it can flood to",
                       client->port, XC_BRIDGE_LSPS_MAX);
    if (s->clients[client_index(s, client->id)].number)
        xc_bridge(txn, s->clients[client_index(s, client->id)].number, members.ids, members.n);
    return 0;
}

static int put_xc(const struct switching *s, struct flow_txn *txn, const struct node_xc *from, struct err *err)
{
    struct xc xc;
    int status = switching_xc(s, from, &xc, err);

    if (status < 0)
        return status;
    xc_set(txn, &xc);
    status = switching_put_bridge(s, txn, &from->in, err);
    return status < 0 ? status : switching_put_bridge(s, txn, &from->out, err);
}

/* ---- setting and clearing ---- */

static void set_failed(struct switching *s, uint32_t id, const struct err *err)
{
    s->refused++;
    log_warn(FAULT_PEER, "bridge", "cross-connect %u was not set: %s", id, err->text);
}

static void set_done(void *arg, uint64_t request, const struct err *err)
{
    struct switching *s = arg;
    uint32_t id = (uint32_t) request;

    if (err->code)
        set_failed(s, id, err);
    node_xc_done(s->daemon->node, id, err->code, loop_now(s->daemon->loop));
    daemon_drain(s->daemon);
}

void switching_set(struct switching *s, const struct node_xc *xc)
{
    struct flow_txn txn = {0};
    struct err err = {0};

    if (!s->read) {
        switching_hold(s, xc->id);
        return;
    }
    if (put_xc(s, &txn, xc, &err) < 0) {
        flow_txn_free(&txn);
        set_failed(s, xc->id, &err);
        node_xc_done(s->daemon->node, xc->id, err.code, loop_now(s->daemon->loop));
        return;
    }
    bridge_apply(s->bridge, &txn, xc->id, set_done);
}

/* A bridge that was not reached is read when it comes back. */
static void clear_done(void *arg, uint64_t request, const struct err *err)
{
    struct switching *s = arg;

    if (!err->code || err->code == ERR_UNREACHABLE)
        return;
    log_warn(FAULT_PEER, "bridge", "cross-connect %u was not removed, which is tried again: %s", (uint32_t) request,
             err->text);
    switching_repair_at(s, mono_add(loop_now(s->daemon->loop), RETRY_MS));
}

void switching_clear(struct switching *s, const struct node_xc *xc)
{
    struct flow_txn txn = {0};
    struct err err = {0};

    if (switching_put_bridge(s, &txn, &xc->in, &err) < 0 || switching_put_bridge(s, &txn, &xc->out, &err) < 0)
        switching_repair_at(s, mono_add(loop_now(s->daemon->loop), RETRY_MS));
    xc_clear(&txn, xc->id);
    bridge_apply(s->bridge, &txn, CLEARING | xc->id, clear_done);
}

/* ---- ports ---- */

static void tell_link(struct switching *s, unsigned i, bool link)
{
    struct port *port = &s->links[i];

    if (port->told && port->link == link)
        return;
    if (port->told || !link)
        log_info(port->name, "the data link is %s", link ? "up" : "down");
    port->told = true;
    port->link = link;
    node_link_data(s->daemon->node, (int) i, link, loop_now(s->daemon->loop));
}

static void tell_client(struct switching *s, unsigned i, bool link)
{
    struct port *port = &s->clients[i];

    if (port->told && port->link == link)
        return;
    if (port->told || !link)
        log_info(port->name, "the client's port is %s", link ? "up" : "down");
    port->told = true;
    port->link = link;
    node_client(s->daemon->node, s->daemon->config->clients[i].id, link, loop_now(s->daemon->loop));
}

/* Reads off the bridge what became of our ports. True if one has another number than before. */
static bool look_at_ports(struct switching *s)
{
    const struct config *config = s->daemon->config;
    bool renumbered = false;

    for (unsigned i = 0; i < config->te_links_count + config->clients_count; i++) {
        bool is_link = i < config->te_links_count;
        struct port *port = is_link ? &s->links[i] : &s->clients[i - config->te_links_count];
        bool link = false;
        uint32_t number = bridge_port(s->bridge, port->name, &link);

        renumbered = renumbered || (number && port->number && number != port->number);
        port->number = number ? number : port->number;
        if (is_link)
            tell_link(s, i, number && link);
        else
            tell_client(s, i - config->te_links_count, number && link);
    }
    return renumbered;
}

static void bridge_up(void *arg)
{
    struct switching *s = arg;

    s->dead = MONO_NEVER;
    switching_repair_at(s, loop_now(s->daemon->loop));
    look_at_ports(s);
    for (unsigned i = 0; i < s->daemon->config->te_links_count; i++)
        if (!s->links[i].number)
            log_warn(FAULT_OPERATOR, "bridge", "it has no port %s for TE link %s", s->links[i].name,
                     s->daemon->config->te_links[i].name);
    for (unsigned i = 0; i < s->daemon->config->clients_count; i++)
        if (!s->clients[i].number)
            log_warn(FAULT_OPERATOR, "bridge", "it has no port %s for client %s", s->clients[i].name,
                     s->daemon->config->clients[i].name);
    daemon_drain(s->daemon);
}

static void bridge_down(void *arg, const struct err *reason)
{
    struct switching *s = arg;

    (void) reason;
    s->repairing = false;
    s->dead = mono_add(loop_now(s->daemon->loop), hold_ms(s));
    switching_set_timer(s);
}

static void port_changed(void *arg, const char *name, uint32_t number, bool link)
{
    struct switching *s = arg;

    (void) name;
    (void) number;
    (void) link;
    if (look_at_ports(s))
        switching_repair_at(s, loop_now(s->daemon->loop)); /* flows name ports by number */
    daemon_drain(s->daemon);
}

static void timer_rings(void *arg)
{
    struct switching *s = arg;
    struct mono now = loop_now(s->daemon->loop);

    if (mono_reached(s->repair, now) || mono_reached(s->strays, now))
        switching_start_repair(s);
    if (mono_reached(s->dead, now)) {
        s->dead = MONO_NEVER;
        log_error(FAULT_PEER, "bridge", "it has not connected again within %u ms: its links count as cut", hold_ms(s));
        for (unsigned i = 0; i < s->daemon->config->te_links_count; i++)
            tell_link(s, i, false);
    }
    switching_set_timer(s);
    daemon_drain(s->daemon);
}

/* ---- the probe ---- */

void switching_probe(struct switching *s, const struct node_xc *from, uint64_t nonce)
{
    struct flow_action action = {.type = ACTION_OUTPUT};
    uint8_t frame[XC_PROBE_SIZE_MIN];
    struct err err = {0};
    struct xc xc;

    s->probes++;
    if (switching_xc(s, from, &xc, &err) < 0)
        return; /* which its cross-connect's failure tells */
    xc_probe_encode(&xc, nonce, frame, sizeof frame);
    action.port = xc.out.port;
    bridge_packet_out(s->bridge, PORT_CONTROLLER, &action, 1, frame, sizeof frame, &err);
}

static void packet(void *arg, uint32_t in_port, uint64_t cookie, const uint8_t *frame, size_t size)
{
    struct switching *s = arg;
    uint32_t label;
    uint64_t nonce;

    (void) in_port;
    (void) cookie;
    if (xc_probe_decode(frame, size, &label, &nonce) < 0)
        return;
    node_probe_seen(s->daemon->node, nonce, loop_now(s->daemon->loop));
    daemon_drain(s->daemon);
}

/* ---- life ---- */

struct switching *switching_new(struct daemon *daemon, struct err *err)
{
    static const struct bridge_callbacks callbacks = {bridge_up, bridge_down, port_changed, packet};
    const struct config *config = daemon->config;
    struct bridge_config bridge = {config->openflow.address, config->openflow.port, config->bridge.dpid,
                                   BRIDGE_TIMEOUT_MS};
    struct switching *s = xcalloc(1, sizeof *s);

    s->daemon = daemon;
    s->dead = mono_add(loop_now(daemon->loop), hold_ms(s));
    s->repair = s->strays = MONO_NEVER;
    s->recovered = mono_add(loop_now(daemon->loop), config->timers.recovery_ms);
    s->links = xcalloc(config->te_links_count + 1, sizeof *s->links);
    s->clients = xcalloc(config->clients_count + 1, sizeof *s->clients);
    for (unsigned i = 0; i < config->te_links_count; i++)
        s->links[i].name = config->te_links[i].port;
    for (unsigned i = 0; i < config->clients_count; i++)
        s->clients[i].name = config->clients[i].port;
    s->timer = timer_new(daemon->loop, timer_rings, s);
    s->bridge = bridge_new(daemon->loop, &bridge, &callbacks, s, err);
    if (!s->bridge) {
        switching_free(s);
        return NULL;
    }
    switching_set_timer(s);
    return s;
}

void switching_free(struct switching *s)
{
    if (!s)
        return;
    bridge_free(s->bridge);
    timer_free(s->timer);
    free(s->links);
    free(s->clients);
    free(s->held.ids);
    free(s);
}

json_t *switching_view(const struct switching *s)
{
    return json_pack("{s:b, s:b, s:I, s:I}", "connected", bridge_is_up(s->bridge), "settled",
                     !s->repairing && s->repair.ms == MONO_NEVER.ms, "refused", (json_int_t) s->refused, "probes",
                     (json_int_t) s->probes);
}
