/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "gmpls/node_internal.h"

/* ---- labels: next fit, so that one that was given back rests as long as possible ---- */

void label_pool_init(struct label_pool *pool, uint32_t first, uint32_t last, uint32_t start)
{
    uint32_t n = last - first + 1;

    *pool = (struct label_pool) {.first = first, .last = last, .next = start % n};
    pool->used = xcalloc((n + 63) / 64, sizeof *pool->used);
    if (n % 64) /* what is beyond the range counts as used */
        pool->used[n / 64] = ~UINT64_C(0) << n % 64;
}

bool label_is_free(const struct label_pool *pool, uint32_t label)
{
    uint32_t bit = label - pool->first;

    return label >= pool->first && label <= pool->last && !(pool->used[bit / 64] >> bit % 64 & 1);
}

void label_take(struct label_pool *pool, uint32_t label)
{
    uint32_t bit = label - pool->first;

    pool->used[bit / 64] |= UINT64_C(1) << bit % 64;
    pool->n_used++;
}

uint32_t label_choose(struct label_pool *pool)
{
    uint32_t n = pool->last - pool->first + 1;
    uint32_t words = (n + 63) / 64, word = pool->next / 64;
    uint64_t mask = ~UINT64_C(0) << pool->next % 64;

    for (uint32_t tried = 0; tried <= words; tried++, word = (word + 1) % words, mask = ~UINT64_C(0)) {
        uint64_t unused = ~pool->used[word] & mask;

        if (unused) {
            uint32_t bit = word * 64 + (uint32_t) __builtin_ctzll(unused);

            pool->next = (bit + 1) % n;
            label_take(pool, pool->first + bit);
            return pool->first + bit;
        }
    }
    return 0;
}

void label_give_back(struct label_pool *pool, uint32_t label)
{
    uint32_t bit = label - pool->first;

    pool->used[bit / 64] &= ~(UINT64_C(1) << bit % 64);
    pool->n_used--;
}

static uint32_t label_from_set(struct label_pool *pool, const struct label_wish *wish)
{
    for (size_t i = 0; i < wish->n_set; i++) {
        if (label_is_free(pool, wish->set[i])) {
            label_take(pool, wish->set[i]);
            return wish->set[i];
        }
    }
    return 0;
}

static bool in_set(const struct label_wish *wish, uint32_t label)
{
    for (size_t i = 0; i < wish->n_set; i++) {
        if (wish->set[i] == label)
            return true;
    }
    return !wish->set;
}

struct refusal end_take_label(struct gmpls_node *node, struct lsp_end *end, const struct label_wish *wish)
{
    struct label_pool *pool = &node->links[end->side.link].labels;

    if (wish->suggested && in_set(wish, wish->suggested) && label_is_free(pool, wish->suggested)) {
        label_take(pool, wish->suggested);
        end->side.in_label = wish->suggested;
    } else {
        end->side.in_label = wish->set ? label_from_set(pool, wish) : label_choose(pool);
    }
    if (end->side.in_label == 0) /* RFC 3473 §2.6.1: none of the set would do */
        return refuse_link(RSVP_ERR_ROUTING, wish->set ? RSVP_ROUTING_LABEL_SET : RSVP_ROUTING_NO_LABEL,
                           end->side.link);
    node->usage.labels++;
    return ACCEPTED;
}

/* ---- client ports ---- */

static bool vlan_used(const struct node_port *port, uint16_t vlan)
{
    return port->vlans[vlan / 64] >> vlan % 64 & 1;
}

static uint16_t choose_vlan(struct node_port *port)
{
    unsigned n = (unsigned) (port->config.vlan_last - port->config.vlan_first) + 1;

    for (unsigned i = 0; i < n; i++) {
        uint16_t vlan = (uint16_t) (port->config.vlan_first + (port->next_vlan + i) % n);

        if (!vlan_used(port, vlan)) {
            port->next_vlan = (uint16_t) ((vlan - port->config.vlan_first + 1u) % n);
            return vlan;
        }
    }
    return CLIENT_VLAN_ANY;
}

static struct refusal refuse_client(uint16_t value, uint32_t client)
{
    return (struct refusal) {.code = RSVP_ERR_ROUTING, .value = value, .link = NODE_LINK_NONE, .client = client};
}

/* The errors are those of RFC 4003 §3.1 for a label that the egress cannot use. */
struct refusal end_take_client(struct gmpls_node *node, struct lsp_end *end, uint32_t client, uint16_t vlan)
{
    struct node_port *port = node_port(node, client);

    if (!port)
        return refuse_client(RSVP_ROUTING_UNKNOWN_INTERFACE, client);
    if (!port->up)
        return refuse_client(RSVP_ROUTING_NO_ROUTE, client);
    if (port->config.mode == NODE_CLIENT_BRIDGE) {
        if (vlan != CLIENT_VLAN_ANY && vlan != CLIENT_VLAN_NONE)
            return refuse_client(RSVP_ROUTING_UNACCEPTABLE_LABEL, client);
        vlan = CLIENT_VLAN_NONE;
    } else {
        if (vlan == CLIENT_VLAN_ANY && (vlan = choose_vlan(port)) == CLIENT_VLAN_ANY)
            return refuse_client(RSVP_ROUTING_NO_LABEL, client);
        if (vlan > 4094 || vlan_used(port, vlan))
            return refuse_client(RSVP_ROUTING_UNACCEPTABLE_LABEL, client);
        port->vlans[vlan / 64] |= UINT64_C(1) << vlan % 64;
        node->usage.vlans++;
    }
    end->side.link = NODE_LINK_NONE;
    end->side.client = client;
    end->side.vlan = vlan;
    end_list(node, end);
    return ACCEPTED;
}

/* ---- bandwidth ---- */

uint64_t link_unreserved(const struct node_link *link, unsigned priority)
{
    uint64_t used = 0;

    for (unsigned p = 0; p <= priority; p++)
        used += link->reserved[p];
    return used < link->config.bandwidth_bps ? link->config.bandwidth_bps - used : 0;
}

void end_reserve(struct gmpls_node *node, struct lsp_end *end)
{
    struct node_link *link = &node->links[end->side.link];

    link->reserved[end->lsp->holding] += end->lsp->tspec.rate_bps;
    node->usage.reserved_bps += end->lsp->tspec.rate_bps;
    link->bandwidth_changed = true;
    end->reserved = true;
}

void end_release(struct gmpls_node *node, struct lsp_end *end)
{
    struct node_port *port;

    if (end->reserved) {
        struct node_link *link = &node->links[end->side.link];

        link->reserved[end->lsp->holding] -= end->lsp->tspec.rate_bps;
        node->usage.reserved_bps -= end->lsp->tspec.rate_bps;
        link->bandwidth_changed = true;
        end->reserved = false;
    }
    if (end_is_link(end) && end->side.in_label) {
        label_give_back(&node->links[end->side.link].labels, end->side.in_label);
        end->side.in_label = 0;
        node->usage.labels--;
    }
    if (!end_is_link(end) && end->listed && end->side.vlan != CLIENT_VLAN_NONE) {
        port = node_port(node, end->side.client);
        port->vlans[end->side.vlan / 64] &= ~(UINT64_C(1) << end->side.vlan % 64);
        node->usage.vlans--;
    }
    end_unlist(node, end);
}

static int worst_first(const void *a, const void *b)
{
    const struct gmpls_lsp *x = *(struct gmpls_lsp *const *) a, *y = *(struct gmpls_lsp *const *) b;

    if (x->holding != y->holding)
        return x->holding > y->holding ? -1 : 1;
    if (x->tspec.rate_bps != y->tspec.rate_bps)
        return x->tspec.rate_bps > y->tspec.rate_bps ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static size_t collect_worse(const struct node_link *link, unsigned priority, struct gmpls_lsp ***victims)
{
    size_t n = 0, capacity = 0;

    *victims = NULL;
    for (const struct lsp_end *end = link->ends; end; end = end->next) {
        if (!end->reserved || end->lsp->holding <= priority || end->lsp->tspec.rate_bps == 0)
            continue;
        *victims = array_reserve(*victims, n, &capacity, sizeof **victims);
        (*victims)[n++] = end->lsp;
    }
    return n;
}

/* RFC 3209 §4.7.3: the worst holding priorities go first; of those no more than it takes, and none whose bandwidth is
 * not needed after all once a better one had to go, too. */
static void preempt(struct gmpls_node *node, int link, const struct gmpls_lsp *for_whom, struct mono now)
{
    struct node_link *on = &node->links[link];
    AUTO_FREE struct gmpls_lsp **victims = NULL;
    uint64_t unused = link_unreserved(on, TE_PRIORITIES - 1), need = for_whom->tspec.rate_bps, gain = 0;
    size_t n = 0, chosen = 0;

    if (unused >= need)
        return;
    need -= unused;
    n = collect_worse(on, for_whom->setup, &victims);
    if (n > 1)
        qsort(victims, n, sizeof(struct gmpls_lsp *), worst_first);
    while (chosen < n && gain < need)
        gain += victims[chosen++]->tspec.rate_bps;
    for (size_t v = 0; v < chosen; v++) {
        if (gain - victims[v]->tspec.rate_bps >= need) {
            gain -= victims[v]->tspec.rate_bps;
            continue;
        }
        node->counters.preempted++;
        lsp_fail(node, victims[v], refuse_link(RSVP_ERR_POLICY, RSVP_POLICY_PREEMPTED, link), now);
    }
}

struct refusal lsp_admit(struct gmpls_node *node, struct gmpls_lsp *lsp, struct mono now)
{
    struct lsp_end *const ends[] = {&lsp->in, &lsp->out};

    /* Both are looked at before anybody is preempted for nothing. */
    for (size_t e = 0; e < ARRAY_LEN(ends); e++) {
        if (end_is_link(ends[e]) && link_unreserved(&node->links[ends[e]->side.link], lsp->setup) < lsp->tspec.rate_bps)
            return refuse_link(RSVP_ERR_ADMISSION, RSVP_ADMISSION_BANDWIDTH, ends[e]->side.link);
    }
    for (size_t e = 0; e < ARRAY_LEN(ends); e++) {
        if (end_is_link(ends[e])) {
            preempt(node, ends[e]->side.link, lsp, now);
            end_reserve(node, ends[e]);
        }
    }
    return ACCEPTED;
}
