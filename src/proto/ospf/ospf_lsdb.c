/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/ospf/ospf_lsdb.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/ospf/ospf_router.h"
#include "proto/ospf/ospf_te.h"

struct lsa {
    uint32_t area;
    struct ospf_lsa_header header;
    struct te_link *links; /* of a TE LSA */
    size_t n_links;
    struct ospf_router_link *adjacencies; /* of a router LSA */
    size_t n_adjacencies;
    uint64_t arrival;    /* counts updates: of two that carry the same link the later is right */
    struct mono gone_at; /* MONO_NEVER, or it has been deleted and goes then */
    bool seen;           /* since the last ospf_lsdb_sync_begin() */
};

struct ospf_lsdb {
    int64_t hold_ms;
    struct lsa *lsas; /* sorted by area, advertising router, type, link state id */
    uint64_t arrivals;
    size_t n_lsas, cap_lsas;
    struct ted ted;
    struct ospf_lsdb_event *events;
    size_t first_event, n_events, cap_events;
};

struct ospf_lsdb *ospf_lsdb_new(int64_t hold_ms)
{
    struct ospf_lsdb *lsdb = xcalloc(1, sizeof *lsdb);

    lsdb->hold_ms = hold_ms;
    return lsdb;
}

void ospf_lsdb_free(struct ospf_lsdb *lsdb)
{
    if (!lsdb)
        return;
    for (size_t i = 0; i < lsdb->n_lsas; i++) {
        free(lsdb->lsas[i].links);
        free(lsdb->lsas[i].adjacencies);
    }
    free(lsdb->lsas);
    free(lsdb->events);
    ted_free(&lsdb->ted);
    free(lsdb);
}

/* ---- Events ---- */

static void push(struct ospf_lsdb *lsdb, const struct ospf_lsdb_event *event)
{
    lsdb->events = array_reserve(lsdb->events, lsdb->n_events, &lsdb->cap_events, sizeof *lsdb->events);
    lsdb->events[lsdb->n_events++] = *event;
}

bool ospf_lsdb_event(struct ospf_lsdb *lsdb, struct ospf_lsdb_event *event)
{
    if (lsdb->first_event == lsdb->n_events) {
        lsdb->first_event = lsdb->n_events = 0;
        return false;
    }
    *event = lsdb->events[lsdb->first_event++];
    return true;
}

/* ---- LSAs ---- */

static int lsa_compare(const struct lsa *lsa, uint32_t area, const struct ospf_lsa_header *header)
{
    if (lsa->area != area)
        return lsa->area < area ? -1 : 1;
    if (lsa->header.advertising_router != header->advertising_router)
        return lsa->header.advertising_router < header->advertising_router ? -1 : 1;
    if (lsa->header.type != header->type)
        return lsa->header.type < header->type ? -1 : 1;
    return (lsa->header.id > header->id) - (lsa->header.id < header->id);
}

/* Where the LSA is, or belongs. */
static size_t position(const struct ospf_lsdb *lsdb, uint32_t area, const struct ospf_lsa_header *header)
{
    size_t low = 0, high = lsdb->n_lsas;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (lsa_compare(&lsdb->lsas[middle], area, header) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct lsa *find(const struct ospf_lsdb *lsdb, uint32_t area, const struct ospf_lsa_header *header)
{
    size_t at = position(lsdb, area, header);

    return at < lsdb->n_lsas && lsa_compare(&lsdb->lsas[at], area, header) == 0 ? &lsdb->lsas[at] : NULL;
}

static struct lsa *add(struct ospf_lsdb *lsdb, uint32_t area, const struct ospf_lsa_header *header)
{
    size_t at = position(lsdb, area, header);

    lsdb->lsas = array_reserve(lsdb->lsas, lsdb->n_lsas, &lsdb->cap_lsas, sizeof *lsdb->lsas);
    memmove(&lsdb->lsas[at + 1], &lsdb->lsas[at], (lsdb->n_lsas - at) * sizeof *lsdb->lsas);
    lsdb->n_lsas++;
    lsdb->lsas[at] = (struct lsa) {.area = area, .gone_at = MONO_NEVER};
    return &lsdb->lsas[at];
}

/* ---- From LSAs to links ---- */

/* The link of that key that was told last. The LSAs of a router are neighbours in the array, and few. */
static const struct te_link *link_carried(const struct ospf_lsdb *lsdb, const struct te_link_key *key)
{
    const struct te_link *found = NULL;
    uint64_t arrival = 0;

    for (size_t at = position(lsdb, key->area, &(struct ospf_lsa_header) {.advertising_router = key->from});
         at < lsdb->n_lsas; at++) {
        const struct lsa *lsa = &lsdb->lsas[at];

        if (lsa->area != key->area || lsa->header.advertising_router != key->from)
            break;
        for (size_t i = 0; i < lsa->n_links && lsa->arrival > arrival; i++) {
            if (te_link_key_compare(&lsa->links[i].key, key) == 0) {
                found = &lsa->links[i];
                arrival = lsa->arrival;
            }
        }
    }
    return found;
}

/* Whether a router says that it has no neighbour 'other' at its interface with this address. */
static bool has_lost(const struct ospf_lsdb *lsdb, uint32_t area, uint32_t router, uint32_t address, uint32_t other)
{
    const struct lsa *lsa = find(
        lsdb, area, &(struct ospf_lsa_header) {.type = OSPF_LSA_ROUTER, .advertising_router = router, .id = router});

    return address && lsa && ospf_router_has_lost(lsa->adjacencies, lsa->n_adjacencies, address, other);
}

/* Has the TED say of a link what the LSAs say. */
static void settle(struct ospf_lsdb *lsdb, const struct te_link_key *key)
{
    const struct te_link *link = link_carried(lsdb, key);
    const bool stands = link && !has_lost(lsdb, key->area, key->from, key->local_ip, link->to) &&
                        !has_lost(lsdb, key->area, link->to, link->remote_ip, key->from);

    if (stands && ted_set(&lsdb->ted, link))
        push(lsdb, &(struct ospf_lsdb_event) {.key = *key, .link = *link});
    else if (!stands && ted_remove(&lsdb->ted, key))
        push(lsdb, &(struct ospf_lsdb_event) {.gone = true, .key = *key});
}

/* Takes 'links' over. */
static void lsa_set_links(struct ospf_lsdb *lsdb, struct lsa *lsa, struct te_link *links, size_t n)
{
    AUTO_FREE struct te_link *old = lsa->links;
    size_t n_old = lsa->n_links;

    lsa->links = links;
    lsa->n_links = n;
    for (size_t i = 0; i < n; i++)
        settle(lsdb, &links[i].key);
    for (size_t i = 0; i < n_old; i++)
        settle(lsdb, &old[i].key);
}

/* Takes 'adjacencies' over. They count for links that begin or end at the router. */
static void lsa_set_adjacencies(struct ospf_lsdb *lsdb, struct lsa *lsa, struct ospf_router_link *adjacencies, size_t n)
{
    const uint32_t router = lsa->header.advertising_router;

    free(lsa->adjacencies);
    lsa->adjacencies = adjacencies;
    lsa->n_adjacencies = n;
    for (size_t i = 0; i < lsdb->n_lsas; i++) {
        const struct lsa *other = &lsdb->lsas[i];

        for (size_t j = 0; j < other->n_links && other->area == lsa->area; j++) {
            if (other->links[j].key.from == router || other->links[j].to == router)
                settle(lsdb, &other->links[j].key);
        }
    }
}

static void drop(struct ospf_lsdb *lsdb, struct lsa *lsa)
{
    if (lsa->header.type == OSPF_LSA_ROUTER)
        lsa_set_adjacencies(lsdb, lsa, NULL, 0);
    else
        lsa_set_links(lsdb, lsa, NULL, 0);
    lsdb->n_lsas--;
    memmove(lsa, lsa + 1, (size_t) (&lsdb->lsas[lsdb->n_lsas] - lsa) * sizeof *lsa);
}

static struct te_link *links_of(const struct ospf_te_lsa *lsa, uint32_t area, size_t *n)
{
    struct te_link *links = xcalloc(lsa->n_links + 1, sizeof *links);

    *n = 0;
    for (size_t i = 0; i < lsa->n_links; i++)
        *n += ospf_te_link_to_ted(&lsa->links[i], area, lsa->header.advertising_router, &links[*n]);
    return links;
}

/* Whether an instance replaces what is held. One that was deleted, or that was known before the connection came up, is
 * replaced by any: its router may have started anew, and count from the first number again. */
static bool replaces(const struct lsa *held, const struct ospf_lsa_header *header)
{
    return held->gone_at.ms != MONO_NEVER.ms || !held->seen || ospf_lsa_compare(header, &held->header) >= 0;
}

static bool is_of_use(const struct ospf_lsa_header *header)
{
    return ospf_lsa_is_te(header) || header->type == OSPF_LSA_ROUTER;
}

/* Where an instance that replaces what is held goes; null if it does not. */
static struct lsa *take_in(struct ospf_lsdb *lsdb, uint32_t area, const struct ospf_lsa_header *header)
{
    struct lsa *lsa = find(lsdb, area, header);

    if (lsa && !replaces(lsa, header))
        return NULL;
    if (!lsa)
        lsa = add(lsdb, area, header);
    lsa->header = *header;
    lsa->arrival = ++lsdb->arrivals;
    lsa->gone_at = MONO_NEVER;
    lsa->seen = true;
    return lsa;
}

int ospf_lsdb_update(struct ospf_lsdb *lsdb, uint32_t area, const uint8_t *bytes, size_t size, struct mono now,
                     struct err *err)
{
    AUTO_FREE struct ospf_te_lsa *te = xcalloc(1, sizeof *te);
    struct ospf_router_link *adjacencies = NULL;
    struct ospf_lsa_header header;
    size_t n = 0;
    int status = ospf_lsa_header_decode(bytes, size, &header, err);

    if (status < 0)
        return status;
    if (!is_of_use(&header))
        return 0;
    if (header.age >= OSPF_LSA_MAX_AGE)
        return ospf_lsdb_delete(lsdb, area, bytes, size, now, err);
    if (lsdb->n_lsas == OSPF_LSDB_LSAS_MAX && !find(lsdb, area, &header))
        return err_set(err, ERR_EXHAUSTED, "more than %d TE and router LSAs", OSPF_LSDB_LSAS_MAX);
    if (header.type == OSPF_LSA_ROUTER)
        status = ospf_router_lsa_decode(bytes, size, &adjacencies, &n, err);
    else
        status = ospf_te_lsa_decode(bytes, size, te, err);
    if (status < 0 && !ospf_lsa_is_intact(bytes, header.length))
        return status;
    struct lsa *lsa = take_in(lsdb, area, &header);

    /* Content that is wrong has left both empty. */
    if (!lsa) {
        free(adjacencies);
    } else if (header.type == OSPF_LSA_ROUTER) {
        lsa_set_adjacencies(lsdb, lsa, adjacencies, n);
    } else {
        struct te_link *links = links_of(te, area, &n);

        lsa_set_links(lsdb, lsa, links, n);
    }
    return status;
}

int ospf_lsdb_delete(struct ospf_lsdb *lsdb, uint32_t area, const uint8_t *bytes, size_t size, struct mono now,
                     struct err *err)
{
    struct ospf_lsa_header header;
    int status = ospf_lsa_header_decode(bytes, size, &header, err);

    if (status < 0)
        return status;
    struct lsa *lsa = find(lsdb, area, &header);
    if (!is_of_use(&header) || !lsa)
        return 0;
    /* A flush leaves sequence number and checksum as they were (RFC 2328 §14.1). */
    if (lsa->seen && ospf_lsa_compare(&header, &lsa->header) < 0)
        return 0;
    lsa->seen = true;
    lsa->gone_at = mono_min(lsa->gone_at, mono_add(now, lsdb->hold_ms));
    return 0;
}

/* ---- Synchronisation and time ---- */

void ospf_lsdb_sync_begin(struct ospf_lsdb *lsdb)
{
    for (size_t i = 0; i < lsdb->n_lsas; i++)
        lsdb->lsas[i].seen = false;
}

void ospf_lsdb_sync_end(struct ospf_lsdb *lsdb, struct mono now, int64_t grace_ms)
{
    for (size_t i = 0; i < lsdb->n_lsas; i++) {
        struct lsa *lsa = &lsdb->lsas[i];

        if (!lsa->seen)
            lsa->gone_at = mono_min(lsa->gone_at, mono_add(now, grace_ms));
    }
    ospf_lsdb_tick(lsdb, now);
}

void ospf_lsdb_tick(struct ospf_lsdb *lsdb, struct mono now)
{
    for (size_t i = lsdb->n_lsas; i > 0; i--) {
        if (mono_reached(lsdb->lsas[i - 1].gone_at, now))
            drop(lsdb, &lsdb->lsas[i - 1]);
    }
}

struct mono ospf_lsdb_deadline(const struct ospf_lsdb *lsdb)
{
    struct mono deadline = MONO_NEVER;

    for (size_t i = 0; i < lsdb->n_lsas; i++)
        deadline = mono_min(deadline, lsdb->lsas[i].gone_at);
    return deadline;
}

const struct ted *ospf_lsdb_ted(const struct ospf_lsdb *lsdb)
{
    return &lsdb->ted;
}
