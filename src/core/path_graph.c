/* SPDX-License-Identifier: Apache-2.0 */
#include "core/path_graph.h"

#include <stdlib.h>
#include <string.h>

/* -- indices ------------------------------------------------------------------------------------------------------- */

static uint32_t mix(uint64_t a, uint64_t b)
{
    uint64_t hash = (a ^ (b * 0x9e3779b97f4a7c15u)) * 0xd6e8feb86659fd93u;
    hash = (hash ^ (hash >> 32)) * 0xd6e8feb86659fd93u;
    return (uint32_t) (hash >> 32);
}

static uint32_t hash_key(const struct te_link_key *key)
{
    return mix((uint64_t) key->area << 32 | key->from, (uint64_t) key->local_ip << 32 | key->local_id);
}

static uint32_t hash_node(uint32_t area, uint32_t router)
{
    return mix((uint64_t) area << 32 | router, 0);
}

static void index_put(struct path_index *index, uint32_t hash, uint32_t item)
{
    size_t at = hash & (index->size - 1);
    while (index->table[at] != PATH_NONE)
        at = (at + 1) & (index->size - 1);
    index->table[at] = item;
}

/* Room for 'n' items, half of it free. True: it is empty now, and all items have to be put in anew. */
static bool index_grow(struct path_index *index, size_t n)
{
    if (2 * n <= index->size)
        return false;
    index->size = index->size ? index->size : 16;
    while (2 * n > index->size)
        index->size *= 2;
    index->table = xrealloc(index->table, index->size, sizeof(*index->table));
    memset(index->table, 0xff, index->size * sizeof(*index->table));
    return true;
}

uint32_t path_slot_find(const struct path_graph *graph, const struct te_link_key *key)
{
    const struct path_index *index = &graph->slot_index;
    if (!index->size)
        return PATH_NONE;
    for (size_t at = hash_key(key) & (index->size - 1);; at = (at + 1) & (index->size - 1)) {
        uint32_t slot = index->table[at];
        if (slot == PATH_NONE || !te_link_key_compare(&graph->slots[slot].link.key, key))
            return slot;
    }
}

uint32_t path_node_find(const struct path_graph *graph, uint32_t area, uint32_t router)
{
    const struct path_index *index = &graph->node_index;
    if (!index->size)
        return PATH_NONE;
    for (size_t at = hash_node(area, router) & (index->size - 1);; at = (at + 1) & (index->size - 1)) {
        uint32_t node = index->table[at];
        if (node == PATH_NONE || (graph->nodes[node].area == area && graph->nodes[node].router == router))
            return node;
    }
}

static uint32_t node_make(struct path_graph *graph, uint32_t area, uint32_t router)
{
    uint32_t node = path_node_find(graph, area, router);
    if (node != PATH_NONE)
        return node;
    graph->nodes = array_reserve(graph->nodes, graph->n_nodes, &graph->cap_nodes, sizeof(*graph->nodes));
    node = (uint32_t) graph->n_nodes++;
    graph->nodes[node] = (struct path_node) {area, router, PATH_NONE};
    graph->stale = true;
    if (index_grow(&graph->node_index, graph->n_nodes)) {
        for (uint32_t i = 0; i < graph->n_nodes; i++)
            index_put(&graph->node_index, hash_node(graph->nodes[i].area, graph->nodes[i].router), i);
    } else {
        index_put(&graph->node_index, hash_node(area, router), node);
    }
    return node;
}

static uint32_t slot_make(struct path_graph *graph, const struct te_link *link)
{
    graph->slots = array_reserve(graph->slots, graph->n_slots, &graph->cap_slots, sizeof(*graph->slots));
    uint32_t slot = (uint32_t) graph->n_slots++;
    graph->slots[slot] = (struct path_slot) {.link = *link,
                                             .node = node_make(graph, link->key.area, link->key.from),
                                             .reverse = PATH_NONE,
                                             .arc = PATH_NONE};
    if (index_grow(&graph->slot_index, graph->n_slots)) {
        for (uint32_t i = 0; i < graph->n_slots; i++)
            index_put(&graph->slot_index, hash_key(&graph->slots[i].link.key), i);
    } else {
        index_put(&graph->slot_index, hash_key(&link->key), slot);
    }
    return slot;
}

/* -- links --------------------------------------------------------------------------------------------------------- */

static bool is_reverse(const struct te_link *a, const struct te_link *b)
{
    if (a->key.area != b->key.area || a->to != b->key.from || b->to != a->key.from || a->to == b->to)
        return false;
    if (a->key.local_ip)
        return a->key.local_ip == b->remote_ip && b->key.local_ip == a->remote_ip;
    return !b->key.local_ip && a->key.local_id == b->remote_id && b->key.local_id == a->remote_id;
}

static void unpair(struct path_graph *graph, uint32_t slot)
{
    struct path_slot *one = &graph->slots[slot];
    if (one->reverse == PATH_NONE)
        return;
    graph->slots[one->reverse].reverse = PATH_NONE;
    one->reverse = PATH_NONE;
    graph->stale = true;
}

static void pair(struct path_graph *graph, uint32_t slot)
{
    struct path_slot *one = &graph->slots[slot];
    const struct te_link *link = &one->link;
    struct te_link_key key = {.area = link->key.area,
                              .from = link->to,
                              .local_ip = link->key.local_ip ? link->remote_ip : 0,
                              .local_id = link->key.local_ip ? 0 : link->remote_id};
    uint32_t other = path_slot_find(graph, &key);
    if (other == PATH_NONE || other == slot || !is_reverse(link, &graph->slots[other].link))
        return;
    one->reverse = other;
    graph->slots[other].reverse = slot;
    graph->stale = true;
}

bool path_pair_present(const struct path_graph *graph, const struct path_slot *slot)
{
    return slot->present && slot->reverse != PATH_NONE && graph->slots[slot->reverse].present;
}

static uint64_t slot_bps(const struct path_slot *slot, uint8_t priority)
{
    uint64_t free = slot->link.unreserved_bps[priority], booked = slot->booked ? slot->booked[priority] : 0;
    return free > booked ? free - booked : 0;
}

uint64_t path_arc_bps(const struct path_graph *graph, uint32_t arc, uint8_t priority)
{
    const struct path_slot *slot = &graph->slots[graph->arcs.slot[arc]];
    uint64_t there = slot_bps(slot, priority), back = slot_bps(&graph->slots[slot->reverse], priority);
    return there < back ? there : back;
}

static void arc_usable(struct path_graph *graph, uint32_t arc)
{
    struct path_arcs *arcs = &graph->arcs;
    bool present = path_pair_present(graph, &graph->slots[arcs->slot[arc]]);
    for (uint8_t p = 0; p < TE_PRIORITIES; p++) {
        uint32_t usable = present ? path_usable(path_arc_bps(graph, arc, p)) : 0;
        arcs->usable[p][arc] = arcs->usable[p][arcs->twin[arc]] = usable;
    }
}

static void arc_weights(struct path_graph *graph, uint32_t arc)
{
    struct path_arcs *arcs = &graph->arcs;
    const struct te_link *link = &graph->slots[arcs->slot[arc]].link;
    const struct te_link *back = &graph->slots[graph->slots[arcs->slot[arc]].reverse].link;
    arcs->colours[arc] = link->admin_group;
    arcs->weight[PATH_TE_METRIC][arc] = link->metric;
    /* NONE is larger than any delay. */
    arcs->weight[PATH_DELAY][arc] = link->delay_us > back->delay_us ? link->delay_us : back->delay_us;
}

static void pair_refresh(struct path_graph *graph, uint32_t arc, bool weights)
{
    arc_usable(graph, arc);
    if (weights) {
        arc_weights(graph, arc);
        arc_weights(graph, graph->arcs.twin[arc]);
    }
}

void path_slot_booked(struct path_graph *graph, uint32_t slot)
{
    if (!graph->stale && graph->slots[slot].arc != PATH_NONE)
        arc_usable(graph, graph->slots[slot].arc);
}

/* Puts what a slot is into the arrays, if it has its place there. */
static void slot_changed(struct path_graph *graph, const struct path_slot *slot, bool weights, bool longer)
{
    if (graph->stale || slot->arc == PATH_NONE)
        return;
    pair_refresh(graph, slot->arc, weights);
    if (longer)
        path_landmarks_longer(graph);
    else if (weights)
        path_landmarks_shorter(graph, slot->arc);
}

static bool is_same_pair(const struct te_link *a, const struct te_link *b)
{
    return a->to == b->to && a->remote_ip == b->remote_ip && a->remote_id == b->remote_id;
}

bool path_graph_set(struct path_graph *graph, const struct te_link *link)
{
    uint32_t at = path_slot_find(graph, &link->key);
    bool is_new = at == PATH_NONE;
    if (is_new)
        at = slot_make(graph, link);
    /* The far end's node is known from now on, even if it floods nothing. */
    node_make(graph, link->key.area, link->to);
    struct path_slot *slot = &graph->slots[at];
    if (!is_new && slot->present && !memcmp(&slot->link, link, sizeof(*link)))
        return false;
    struct te_link old = slot->link;
    bool returns = !slot->present;
    slot->link = *link;
    slot->present = true;
    graph->n_present += returns;
    if (is_new || !is_same_pair(&old, link)) {
        unpair(graph, at);
        pair(graph, at);
    }
    if (memcmp(old.unreserved_bps, link->unreserved_bps, sizeof(old.unreserved_bps)))
        path_booking_flooded(graph, at, &old);
    bool weights = returns || old.metric != link->metric || old.delay_us != link->delay_us ||
                   old.admin_group != link->admin_group;
    slot_changed(graph, slot, weights,
                 !returns && old.metric <= link->metric && old.delay_us <= link->delay_us &&
                     (old.metric < link->metric || old.delay_us < link->delay_us));
    return true;
}

static void remove_slot(struct path_graph *graph, struct path_slot *slot)
{
    slot->present = false;
    graph->n_present--;
    slot_changed(graph, slot, false, true);
}

bool path_graph_remove(struct path_graph *graph, const struct te_link_key *key)
{
    uint32_t at = path_slot_find(graph, key);
    if (at == PATH_NONE || !graph->slots[at].present)
        return false;
    remove_slot(graph, &graph->slots[at]);
    return true;
}

size_t path_graph_clear(struct path_graph *graph, const uint32_t *area)
{
    size_t before = graph->n_present;
    for (size_t i = 0; i < graph->n_slots; i++) {
        if (graph->slots[i].present && (!area || graph->slots[i].link.key.area == *area))
            remove_slot(graph, &graph->slots[i]);
    }
    return before - graph->n_present;
}

void path_graph_load(struct path_graph *graph, const struct ted *ted)
{
    for (size_t i = 0; i < graph->n_slots; i++) {
        if (graph->slots[i].present && !ted_find(ted, &graph->slots[i].link.key))
            remove_slot(graph, &graph->slots[i]);
    }
    for (size_t i = 0; i < ted->n_links; i++)
        path_graph_set(graph, &ted->links[i]);
}

/* -- the arrays ---------------------------------------------------------------------------------------------------- */

static void free_arcs(struct path_arcs *arcs)
{
    uint32_t *arrays[] = {arcs->first, arcs->node,    arcs->head,      arcs->twin,
                          arcs->slot,  arcs->colours, arcs->weight[0], arcs->weight[1]};
    for (size_t i = 0; i < ARRAY_LEN(arrays); i++)
        free(arrays[i]);
    for (size_t p = 0; p < TE_PRIORITIES; p++)
        free(arcs->usable[p]);
    *arcs = (struct path_arcs) {0};
}

static uint32_t *array_of(size_t n)
{
    return xcalloc(n + 1, sizeof(uint32_t));
}

/* Forgets links and nodes that are gone, when they have become the most of what is kept for them. Links that are booked
 * stay: the booking counts again when they are back. */
static void forget_gone(struct path_graph *graph)
{
    if (graph->n_slots - graph->n_present <= graph->n_present + 64)
        return;
    struct path_slot *slots = graph->slots;
    size_t n = graph->n_slots;
    graph->slots = NULL;
    graph->n_slots = graph->cap_slots = graph->n_nodes = 0;
    memset(graph->slot_index.table, 0xff, graph->slot_index.size * sizeof(uint32_t));
    memset(graph->node_index.table, 0xff, graph->node_index.size * sizeof(uint32_t));
    for (size_t i = 0; i < n; i++) {
        if (!slots[i].present && !slots[i].booked)
            continue;
        uint32_t at = slot_make(graph, &slots[i].link);
        node_make(graph, slots[i].link.key.area, slots[i].link.to);
        graph->slots[at].present = slots[i].present;
        graph->slots[at].booked = slots[i].booked;
        graph->slots[at].bookings = slots[i].bookings;
    }
    free(slots);
    for (uint32_t i = 0; i < graph->n_slots; i++) {
        if (graph->slots[i].reverse == PATH_NONE)
            pair(graph, i);
    }
    /* Nodes have other numbers now. */
    for (size_t metric = 0; metric < PATH_METRICS; metric++)
        path_landmarks_free(&graph->landmarks[metric]);
}

struct keyed {
    struct te_link_key key;
    uint32_t slot;
};

static int by_key(const void *a, const void *b)
{
    return te_link_key_compare(&((const struct keyed *) a)->key, &((const struct keyed *) b)->key);
}

/* 'list' has the slots of paired links by their node, from start[node] to start[node + 1], in the order of keys. */
static void list_slots(const struct path_graph *graph, uint32_t *start, uint32_t *list)
{
    size_t n = graph->n_nodes, cap = 0;
    AUTO_FREE uint32_t *next = array_of(n);
    AUTO_FREE struct keyed *keyed = NULL;
    for (size_t i = 0; i < graph->n_slots; i++)
        start[graph->slots[i].node + 1] += graph->slots[i].reverse != PATH_NONE;
    for (size_t i = 0; i < n; i++)
        start[i + 1] += start[i];
    memcpy(next, start, n * sizeof(*next));
    for (uint32_t i = 0; i < graph->n_slots; i++) {
        if (graph->slots[i].reverse != PATH_NONE)
            list[next[graph->slots[i].node]++] = i;
    }
    for (size_t i = 0; i < n; i++) {
        size_t count = 0;
        for (uint32_t at = start[i]; at < start[i + 1]; at++) {
            keyed = array_reserve(keyed, count, &cap, sizeof(*keyed));
            keyed[count++] = (struct keyed) {graph->slots[list[at]].link.key, list[at]};
        }
        if (count > 1)
            qsort(keyed, count, sizeof(*keyed), by_key);
        for (size_t at = 0; at < count; at++)
            list[start[i] + at] = keyed[at].slot;
    }
}

/* Gives each node its place: breadth first, so that what is near in the network is near in memory. */
static void give_places(struct path_graph *graph, const uint32_t *start, const uint32_t *list, uint32_t *order)
{
    uint32_t n = 0;
    for (size_t i = 0; i < graph->n_nodes; i++)
        graph->nodes[i].place = PATH_NONE;
    for (uint32_t root = 0; root < graph->n_nodes; root++) {
        if (graph->nodes[root].place != PATH_NONE)
            continue;
        uint32_t done = n;
        graph->nodes[root].place = n;
        order[n++] = root;
        for (; done < n; done++) {
            for (uint32_t at = start[order[done]]; at < start[order[done] + 1]; at++) {
                uint32_t other = graph->slots[graph->slots[list[at]].reverse].node;
                if (graph->nodes[other].place == PATH_NONE) {
                    graph->nodes[other].place = n;
                    order[n++] = other;
                }
            }
        }
    }
}

static void fill_arcs(struct path_graph *graph, const uint32_t *start, const uint32_t *list)
{
    struct path_arcs *arcs = &graph->arcs;
    uint32_t n = 0;
    for (uint32_t place = 0; place < arcs->n_places; place++) {
        arcs->first[place] = n;
        for (uint32_t at = start[arcs->node[place]]; at < start[arcs->node[place] + 1]; at++) {
            struct path_slot *slot = &graph->slots[list[at]];
            arcs->head[n] = graph->nodes[graph->slots[slot->reverse].node].place;
            arcs->slot[n] = list[at];
            slot->arc = n++;
        }
    }
    arcs->first[arcs->n_places] = n;
    for (uint32_t arc = 0; arc < n; arc++)
        arcs->twin[arc] = graph->slots[graph->slots[arcs->slot[arc]].reverse].arc;
    for (uint32_t arc = 0; arc < n; arc++) {
        arc_weights(graph, arc);
        if (arc < arcs->twin[arc])
            arc_usable(graph, arc);
    }
}

static void rebuild(struct path_graph *graph)
{
    forget_gone(graph);
    size_t n = graph->n_nodes;
    struct path_arcs *arcs = &graph->arcs;
    AUTO_FREE uint32_t *start = array_of(n + 1), *list = array_of(graph->n_slots), *before = array_of(n);
    list_slots(graph, start, list);
    for (size_t i = 0; i < n; i++)
        before[i] = graph->nodes[i].place;
    free_arcs(arcs);
    arcs->n_places = (uint32_t) n;
    arcs->n_arcs = start[n];
    arcs->first = array_of(n), arcs->node = array_of(n);
    arcs->head = array_of(arcs->n_arcs), arcs->twin = array_of(arcs->n_arcs), arcs->slot = array_of(arcs->n_arcs);
    arcs->colours = array_of(arcs->n_arcs);
    for (size_t i = 0; i < PATH_METRICS; i++)
        arcs->weight[i] = array_of(arcs->n_arcs);
    for (size_t p = 0; p < TE_PRIORITIES; p++)
        arcs->usable[p] = array_of(arcs->n_arcs);
    give_places(graph, start, list, arcs->node);
    for (size_t i = 0; i < graph->n_slots; i++)
        graph->slots[i].arc = PATH_NONE;
    fill_arcs(graph, start, list);
    graph->stale = false;
    AUTO_FREE uint32_t *former = array_of(n);
    for (size_t i = 0; i < n; i++)
        former[graph->nodes[i].place] = before[i];
    path_landmarks_move(graph, former);
    free(graph->states);
    graph->states = xcalloc(n + 1, sizeof(*graph->states));
    graph->stamp = 0;
}

void path_graph_fresh(struct path_graph *graph)
{
    if (graph->stale || !graph->states)
        rebuild(graph);
}

struct path_graph *path_graph_new(void)
{
    return xcalloc(1, sizeof(struct path_graph));
}

void path_graph_free(struct path_graph *graph)
{
    if (!graph)
        return;
    path_bookings_free(graph);
    for (size_t i = 0; i < graph->n_slots; i++)
        free(graph->slots[i].booked);
    free(graph->slots);
    free(graph->nodes);
    free(graph->slot_index.table);
    free(graph->node_index.table);
    free_arcs(&graph->arcs);
    for (size_t metric = 0; metric < PATH_METRICS; metric++)
        path_landmarks_free(&graph->landmarks[metric]);
    free(graph->states);
    free(graph->heap.entries);
    free(graph->trace.arcs);
    free(graph);
}
