/* SPDX-License-Identifier: Apache-2.0 */
#include "gmpls_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* ---- chance, story ---- */

uint32_t net_chance(struct net *net, uint32_t n)
{
    return topology_random_below(&net->random, n);
}

bool net_fault(struct net *net, unsigned percent)
{
    return percent && net->now < net->faults_until && net_chance(net, 100) < percent;
}

struct mono net_now(const struct net *net)
{
    return (struct mono) {net->now};
}

void net_tell(struct net *net, const char *format, ...)
{
    va_list args;

    if (!net->trace)
        return;
    printf("%8lld.%03d ", (long long) net->now / 1000, (int) (net->now % 1000));
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

void net_break(struct net *net, const char *format, ...)
{
    char text[400];
    va_list args;

    if (net->broken.code)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    net_tell(net, "BROKEN %s", text);
    err_set(&net->broken, ERR_INTERNAL, "%s", text);
}

/* ---- happenings: a heap ---- */

static bool earlier(const struct net_happening *a, const struct net_happening *b)
{
    return a->at != b->at ? a->at < b->at : a->sequence < b->sequence;
}

static void swap(struct net *net, size_t i, size_t j)
{
    struct net_happening keep = net->heap[i];

    net->heap[i] = net->heap[j];
    net->heap[j] = keep;
}

static size_t sift_up(struct net *net, size_t i)
{
    for (; i > 0 && earlier(&net->heap[i], &net->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(net, i, (i - 1) / 2);
    return i;
}

struct net_happening *net_at(struct net *net, int64_t ms, enum happening_type type, uint32_t a)
{
    struct net_happening *h;

    net->heap = array_reserve(net->heap, net->n_heap, &net->cap_heap, sizeof *net->heap);
    h = &net->heap[net->n_heap++];
    *h = (struct net_happening) {.at = net->now + ms, .sequence = net->sequence++, .type = type, .a = a};
    if (type != HAPPENS_MESSAGE && type != HAPPENS_ROUTED && type != HAPPENS_CABLE)
        h->life = net->nodes[a].life;
    return &net->heap[sift_up(net, net->n_heap - 1)];
}

static struct net_happening take_first(struct net *net)
{
    struct net_happening first = net->heap[0];
    size_t i = 0;

    net->heap[0] = net->heap[--net->n_heap];
    for (;;) {
        size_t child = 2 * i + 1;

        if (child + 1 < net->n_heap && earlier(&net->heap[child + 1], &net->heap[child]))
            child++;
        if (child >= net->n_heap || !earlier(&net->heap[child], &net->heap[i]))
            return first;
        swap(net, i, child);
        i = child;
    }
}

/* ---- what nodes want done ---- */

static void send_once(struct net *net, uint32_t cable, unsigned to, const struct rsvp_message *message)
{
    struct rsvp_message copy = rsvp_message_copy(message);
    struct net_happening *h = net_at(net, 1 + net_chance(net, (uint32_t) net->delay_max), HAPPENS_MESSAGE, cable);

    h->b = to;
    h->message = xmemdup(&copy, sizeof copy);
}

static void send_over(struct net *net, uint32_t n, const struct node_action *action)
{
    struct net_node *from = &net->nodes[n];
    uint32_t cable = from->cables[action->link];
    unsigned to = 1u - from->ends[action->link];

    if (net->trace && action->message->type != RSVP_HELLO && action->message->type != RSVP_ACK) {
        AUTO_FREE char *text = rsvp_message_format(action->message);

        net_tell(net, "%u --> %u %s", n, net->cables[cable].nodes[to], text);
    }
    net->messages++;
    if (!net->cables[cable].control_up || net_fault(net, net->percent_lost))
        return;
    send_once(net, cable, to, action->message);
    if (net_fault(net, net->percent_twice))
        send_once(net, cable, to, action->message);
}

static bool has_address(const struct net_node *node, uint32_t address)
{
    for (size_t l = 0; l < node->n_links; l++) {
        if (node->links[l].local == address)
            return true;
    }
    return node->router == address;
}

static void send_routed(struct net *net, const struct node_action *action)
{
    struct rsvp_message copy;
    struct net_happening *h;

    for (uint32_t to = 0; to < net->n_nodes; to++) {
        if (!has_address(&net->nodes[to], action->destination) || net_fault(net, net->percent_lost))
            continue;
        copy = rsvp_message_copy(action->message);
        h = net_at(net, 1 + net_chance(net, (uint32_t) net->delay_max), HAPPENS_ROUTED, action->source);
        h->b = to;
        h->message = xmemdup(&copy, sizeof copy);
    }
}

static void order_switch(struct net *net, uint32_t n, const struct node_action *action)
{
    struct net_node *node = &net->nodes[n];
    struct net_happening *h;

    if (node->busy_until < net->now)
        node->busy_until = net->now;
    node->busy_until += net->quick ? 0 : net_chance(net, 4);
    h = net_at(net, node->busy_until - net->now, HAPPENS_SWITCH, n);
    h->clear = action->type == NODE_XC_CLEAR;
    h->xc = action->xc;
}

static void save_record(struct net_node *node, uint64_t key, char *text)
{
    size_t r = 0;

    while (r < node->n_records && node->records[r].key != key)
        r++;
    if (r == node->n_records) {
        node->records = array_reserve(node->records, node->n_records, &node->cap_records, sizeof *node->records);
        node->records[node->n_records++] = (struct net_record) {key, NULL};
    }
    free(node->records[r].text);
    node->records[r].text = text;
}

static void forget_record(struct net_node *node, uint64_t key)
{
    for (size_t r = 0; r < node->n_records; r++) {
        if (node->records[r].key == key) {
            free(node->records[r].text);
            node->records[r] = node->records[--node->n_records];
            return;
        }
    }
}

static void carry_out(struct net *net, uint32_t n, struct node_action *action)
{
    struct net_node *node = &net->nodes[n];
    struct net_happening *h;

    switch (action->type) {
    case NODE_SEND:
        if (action->link == NODE_LINK_NONE)
            send_routed(net, action);
        else
            send_over(net, n, action);
        break;
    case NODE_XC_SET:
    case NODE_XC_CLEAR:
        order_switch(net, n, action);
        break;
    case NODE_PROBE:
        h = net_at(net, 1, HAPPENS_PROBE, n);
        h->xc = action->xc;
        h->nonce = action->nonce;
        break;
    case NODE_REPORT:
        asker_told(net, n, action->report, action->cookie);
        break;
    case NODE_SAVE:
        save_record(node, action->key, action->text);
        action->text = NULL;
        break;
    case NODE_FORGET:
        forget_record(node, action->key);
        break;
    case NODE_LOG:
        net_tell(net, "%u says: %s", n, action->text);
        break;
    case NODE_BANDWIDTH:
        break;
    }
}

/* A crash may come between any two actions; right after a cross-connect was ordered, its record is lost. */
static bool crashes_now(struct net *net, bool ordered)
{
    return net->crash_within && net->now < net->faults_until && net_chance(net, ordered ? 100 : 5000) == 0;
}

void net_drain(struct net *net, uint32_t n)
{
    struct net_node *node = &net->nodes[n];
    struct node_action action;
    int64_t due;

    while (node_action(node->node, &action)) {
        bool ordered = action.type == NODE_XC_SET;

        if (!node->crashing)
            carry_out(net, n, &action);
        node_action_free(&action);
        node->crashing = node->crashing || crashes_now(net, ordered);
    }
    if (node->crashing) {
        node->crashing = false;
        net_crash(net, n, 500 + net_chance(net, 15000));
        return;
    }
    due = node_deadline(node->node).ms;
    if (due < node->tick_at || node->tick_at <= net->now) {
        node->tick_at = due;
        net_at(net, due > net->now ? due - net->now : 0, HAPPENS_TICK, n);
    }
}

/* ---- lives ---- */

static struct node_config node_config_of(struct net *net, uint32_t n, const struct node_client_config *clients)
{
    struct net_node *node = &net->nodes[n];
    struct node_config config = {.router_id = node->router,
                                 .links = node->links,
                                 .n_links = node->n_links,
                                 .clients = clients,
                                 .n_clients = 2,
                                 .setup_ms = 8000,
                                 .probe_first_ms = net->seed % 2 ? 3 : 0,
                                 .probe_ms = 20,
                                 .delete_ms = 1000,
                                 .link_hold_ms = net->seed % 5 == 0 ? 3000 : 0,
                                 .client_hold_ms = net->seed % 2 * 2000,
                                 .notify = net->seed % 3 == 0,
                                 .hello_ms = net->n_nodes > 100 ? 3000 : 1000,
                                 .hello_miss = 3,
                                 .refresh_ms = 5000,
                                 .retry_ms = 100,
                                 .retries = 5,
                                 .restart_ms = 8000,
                                 .recovery_ms = 10000,
                                 .instance = node->life + 1,
                                 .epoch = node->life + 1,
                                 .seed = (uint32_t) net->seed + n * 1000 + node->life};

    snprintf(config.name, sizeof config.name, "n%u", n);
    return config;
}

static void begin(struct net *net, uint32_t n)
{
    static const struct node_client_config clients[] = {
        {.name = "vlan", .id = CLIENT_PORT_VLAN, .mode = NODE_CLIENT_VLAN, .vlan_first = 100, .vlan_last = 115},
        {.name = "bridge", .id = CLIENT_PORT_BRIDGE, .mode = NODE_CLIENT_BRIDGE}};
    struct net_node *node = &net->nodes[n];
    struct node_config config = node_config_of(net, n, clients);
    struct err err = {0};

    node->node = node_new(&config, net_now(net), &err);
    if (!node->node) {
        net_break(net, "node %u does not start: %s", n, err.text);
        return;
    }
    for (size_t r = 0; r < node->n_records; r++) {
        if (node_load(node->node, node->records[r].key, node->records[r].text, &err))
            net_break(net, "node %u does not take its record %s: %s", n, node->records[r].text, err.text);
    }
    node->tick_at = INT64_MAX;
    node_start(node->node, net_now(net));
    net_drain(net, n);
    if (!node->node)
        return;
    asker_sync(net, n);
    net_at(net, node->life ? net_chance(net, 5000) : 0, HAPPENS_READ, n);
    net_at(net, config.recovery_ms + 1, HAPPENS_REPAIR, n);
}

static void switch_is_back(struct net *net, uint32_t n)
{
    struct net_node *node = &net->nodes[n];

    node->connected = true;
    for (size_t l = 0; l < node->n_links && node->node; l++) {
        node_link_data(node->node, (int) l, net->cables[node->cables[l]].data_up, net_now(net));
        net_drain(net, n);
    }
    if (node->node)
        plane_read(net, node);
}

void net_crash(struct net *net, uint32_t n, int64_t back_after_ms)
{
    struct net_node *node = &net->nodes[n];

    net_tell(net, "%u crashes", n);
    node_free(node->node);
    node->node = NULL;
    node->life++;
    node->busy_until = 0;
    node->connected = false;
    net->crashes++;
    net_at(net, back_after_ms, HAPPENS_RESTART, n);
}

void net_cable_set(struct net *net, uint32_t c, bool data_up, bool control_up)
{
    struct net_cable *cable = &net->cables[c];
    bool changed = cable->data_up != data_up;

    net_tell(net, "cable %u (%u-%u): data %s, control %s", c, cable->nodes[0], cable->nodes[1], data_up ? "up" : "down",
             control_up ? "up" : "down");
    cable->data_up = data_up;
    cable->control_up = control_up;
    for (int e = 0; e < 2 && changed; e++) {
        struct net_node *node = &net->nodes[cable->nodes[e]];

        if (node->node && node->connected) {
            node_link_data(node->node, cable->links[e], data_up, net_now(net));
            net_drain(net, cable->nodes[e]);
        }
    }
}

static void add_end(struct net *net, uint32_t c, unsigned end)
{
    struct net_cable *cable = &net->cables[c];
    struct net_node *node = &net->nodes[cable->nodes[end]];
    struct node_link_config *link = &node->links[node->n_links];
    bool scarce = net_chance(net, 4) == 0;

    *link = (struct node_link_config) {.local = topology_address(c, (int) end),
                                       .remote = topology_address(c, 1 - (int) end),
                                       .remote_router = net->nodes[cable->nodes[1 - end]].router,
                                       .bandwidth_bps = CABLE_BPS,
                                       .label_first = 16 + net_chance(net, 1000),
                                       .label_last = NODE_LABEL_MAX};
    link->label_last = link->label_first + (scarce ? net_chance(net, 4) : 2000);
    snprintf(link->name, sizeof link->name, "c%u.%u", c, end);
    cable->links[end] = (int) node->n_links;
    node->cables[node->n_links] = c;
    node->ends[node->n_links++] = (uint8_t) end;
}

static void build(struct net *net)
{
    net->n_nodes = net->topology.n_nodes;
    net->n_cables = net->topology.n_links;
    net->nodes = xcalloc(net->n_nodes, sizeof *net->nodes);
    net->cables = xcalloc(net->n_cables, sizeof *net->cables);
    for (uint32_t n = 0; n < net->n_nodes; n++)
        net->nodes[n].router = topology_router(n);
    for (uint32_t c = 0; c < net->n_cables; c++) {
        net->cables[c] = (struct net_cable) {
            .nodes = {net->topology.links[c].a, net->topology.links[c].b}, .data_up = true, .control_up = true};
        add_end(net, c, 0);
        add_end(net, c, 1);
    }
}

void net_init(struct net *net, uint64_t seed, const char *topology, bool trace)
{
    *net = (struct net) {.seed = seed, .random = seed, .trace = trace, .delay_max = 1};
    topology_load(&net->topology, topology);
    build(net);
}

void net_ring(struct net *net, unsigned nodes, bool trace)
{
    *net = (struct net) {.seed = 1, .random = 1, .trace = trace, .delay_max = 1, .quick = true};
    net->topology.n_nodes = net->topology.n_links = nodes;
    net->topology.links = xcalloc(nodes, sizeof *net->topology.links);
    for (unsigned n = 0; n < nodes; n++)
        net->topology.links[n] = (struct topology_link) {.a = n, .b = (n + 1) % nodes, .length_m = 1000};
    build(net);
    for (unsigned n = 0; n < nodes; n++) {
        for (size_t l = 0; l < net->nodes[n].n_links; l++)
            net->nodes[n].links[l].label_last = net->nodes[n].links[l].label_first + 20000;
    }
}

void net_start(struct net *net)
{
    for (uint32_t n = 0; n < net->n_nodes; n++)
        begin(net, n);
    net_run(net, 8000);
}

void net_free(struct net *net)
{
    for (size_t h = 0; h < net->n_heap; h++) {
        if (net->heap[h].message)
            rsvp_message_free(net->heap[h].message);
        free(net->heap[h].message);
    }
    for (size_t n = 0; n < net->n_nodes; n++) {
        node_free(net->nodes[n].node);
        for (size_t r = 0; r < net->nodes[n].n_records; r++)
            free(net->nodes[n].records[r].text);
        free(net->nodes[n].records);
        free(net->nodes[n].xcs);
    }
    free(net->heap);
    free(net->nodes);
    free(net->cables);
    free(net->lsps);
    topology_free(&net->topology);
}

/* ---- one step ---- */

/* Returns the node that it concerned, or UINT32_MAX. */
static uint32_t message_arrives(struct net *net, struct net_happening *h)
{
    uint32_t n = h->type == HAPPENS_ROUTED ? h->b : net->cables[h->a].nodes[h->b];
    struct net_node *node = &net->nodes[n];

    if (!node->node || (h->type == HAPPENS_MESSAGE && !net->cables[h->a].control_up)) {
        rsvp_message_free(h->message);
        n = UINT32_MAX;
    } else if (h->type == HAPPENS_ROUTED) {
        node_receive_routed(node->node, h->a, h->message, net_now(net));
    } else {
        node_receive(node->node, net->cables[h->a].links[h->b], h->message, net_now(net));
    }
    free(h->message);
    return n;
}

static void switch_ordered(struct net *net, struct net_happening *h)
{
    struct net_happening *answer;
    int code = 0;

    if (h->clear) {
        plane_clear(&net->nodes[h->a], h->xc.id);
        return;
    }
    if (net_fault(net, net->percent_refused))
        code = ERR_REFUSED;
    else
        plane_set(&net->nodes[h->a], &h->xc);
    if (h->life != net->nodes[h->a].life)
        return;
    answer = net_at(net, net->quick ? 0 : 1, HAPPENS_DONE, h->a);
    answer->b = h->xc.id;
    answer->code = code;
}

static uint32_t node_happening(struct net *net, struct net_happening *h)
{
    struct net_node *node = &net->nodes[h->a];

    if (h->type == HAPPENS_RESTART) {
        net_tell(net, "%u is back", h->a);
        begin(net, h->a);
        return UINT32_MAX;
    }
    if (h->type == HAPPENS_SWITCH) { /* also if who ordered it has crashed */
        switch_ordered(net, h);
        return UINT32_MAX;
    }
    if (!node->node || h->life != node->life)
        return UINT32_MAX;
    switch (h->type) {
    case HAPPENS_DONE:
        node_xc_done(node->node, h->b, h->code, net_now(net));
        return h->a;
    case HAPPENS_PROBE:
        if (!net_fault(net, net->percent_lost) && plane_walk(net, h->a, &h->xc))
            net_at(net, 1, HAPPENS_SEEN, h->a)->nonce = h->nonce;
        return UINT32_MAX;
    case HAPPENS_READ:
        switch_is_back(net, h->a);
        return h->a;
    case HAPPENS_REPAIR:
        plane_repair(node);
        return UINT32_MAX;
    case HAPPENS_SEEN:
        node_probe_seen(node->node, h->nonce, net_now(net));
        return h->a;
    default:                        /* TICK */
        if (h->at != node->tick_at) /* another one is nearer */
            return UINT32_MAX;
        node_tick(node->node, net_now(net));
        return h->a;
    }
}

bool net_step(struct net *net)
{
    struct net_happening h = take_first(net);
    uint32_t n;

    net->now = h.at;
    net->happenings++;
    if (h.type == HAPPENS_CABLE) {
        net_cable_set(net, h.a, h.b & 1, h.b & 2);
        n = UINT32_MAX;
    } else if (h.type == HAPPENS_MESSAGE || h.type == HAPPENS_ROUTED) {
        n = message_arrives(net, &h);
    } else {
        n = node_happening(net, &h);
    }
    if (n != UINT32_MAX && net->nodes[n].node) {
        net_drain(net, n);
        if (!net->quick && net->nodes[n].node)
            check_node(net, n);
    }
    return net->broken.code == 0;
}

void net_run(struct net *net, int64_t ms)
{
    int64_t until = net->now + ms;

    while (net->broken.code == 0 && net->n_heap && net->heap[0].at <= until && net_step(net))
        continue;
    if (net->now < until)
        net->now = until;
}
