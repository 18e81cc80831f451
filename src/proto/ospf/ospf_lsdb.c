/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/ospf/ospf_lsdb.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/ospf/ospf_te.h"

struct lsa {
    uint32_t area;
    struct ospf_lsa_header header;
    struct te_link *links;
    size_t n_links;
    struct mono gone_at; /* MONO_NEVER, or it has been deleted and goes then */
    bool seen;           /* since the last ospf_lsdb_sync_begin() */
};

struct ospf_lsdb {
    int64_t hold_ms;
    struct lsa *lsas; /* sorted by area, advertising router, link state id */
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
    for (size_t i = 0; i < lsdb->n_lsas; i++)
        free(lsdb->lsas[i].links);
    free(lsdb->lsas);
    free(lsdb->events);
    ted_free(&lsdb->ted);
    free(lsdb);
}

/* ---- Links and their changes ---- */

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

static void link_set(struct ospf_lsdb *lsdb, const struct te_link *link)
{
    if (ted_set(&lsdb->ted, link))
        push(lsdb, &(struct ospf_lsdb_event) {.key = link->key, .link = *link});
}

/* The link of that key which some LSA carries. Those of one router are neighbours in the array, and few. */
static const struct te_link *link_carried(const struct ospf_lsdb *lsdb, const struct lsa *near,
                                          const struct te_link_key *key)
{
    const struct lsa *end = lsdb->lsas + lsdb->n_lsas, *first = near;

    while (first > lsdb->lsas && first[-1].area == key->area && first[-1].header.advertising_router == key->from)
        first--;
    for (const struct lsa *lsa = first; lsa < end && lsa->area == key->area; lsa++) {
        if (lsa->header.advertising_router != key->from)
            break;
        for (size_t i = 0; i < lsa->n_links; i++) {
            if (te_link_key_compare(&lsa->links[i].key, key) == 0)
                return &lsa->links[i];
        }
    }
    return NULL;
}

/* 'lsa' carries other links than these, now. */
static void links_dropped(struct ospf_lsdb *lsdb, const struct lsa *lsa, const struct te_link *links, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct te_link *still = link_carried(lsdb, lsa, &links[i].key);

        if (still)
            link_set(lsdb, still);
        else if (ted_remove(&lsdb->ted, &links[i].key))
            push(lsdb, &(struct ospf_lsdb_event) {.gone = true, .key = links[i].key});
    }
}

/* Takes 'links' over. */
static void lsa_set_links(struct ospf_lsdb *lsdb, struct lsa *lsa, struct te_link *links, size_t n)
{
    struct te_link *old = lsa->links;
    size_t n_old = lsa->n_links;

    lsa->links = links;
    lsa->n_links = n;
    for (size_t i = 0; i < n; i++)
        link_set(lsdb, &links[i]);
    links_dropped(lsdb, lsa, old, n_old);
    free(old);
}

/* ---- LSAs ---- */

static int lsa_compare(const struct lsa *lsa, uint32_t area, const struct ospf_lsa_header *header)
{
    if (lsa->area != area)
        return lsa->area < area ? -1 : 1;
    if (lsa->header.advertising_router != header->advertising_router)
        return lsa->header.advertising_router < header->advertising_router ? -1 : 1;
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

static void drop(struct ospf_lsdb *lsdb, struct lsa *lsa)
{
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

int ospf_lsdb_update(struct ospf_lsdb *lsdb, uint32_t area, const uint8_t *bytes, size_t size, struct mono now,
                     struct err *err)
{
    AUTO_FREE struct ospf_te_lsa *decoded = xcalloc(1, sizeof *decoded);
    struct ospf_lsa_header header;
    int status = ospf_lsa_header_decode(bytes, size, &header, err);

    if (status < 0)
        return status;
    if (!ospf_lsa_is_te(&header))
        return 0;
    if (header.age >= OSPF_LSA_MAX_AGE)
        return ospf_lsdb_delete(lsdb, area, bytes, size, now, err);
    status = ospf_te_lsa_decode(bytes, size, decoded, err);
    if (status < 0 && !ospf_lsa_is_intact(bytes, header.length))
        return status;

    struct lsa *lsa = find(lsdb, area, &header);
    size_t n;
    if (lsa && !replaces(lsa, &header))
        return 0;
    if (!lsa && lsdb->n_lsas == OSPF_LSDB_LSAS_MAX)
        return err_set(err, ERR_EXHAUSTED, "more than %d TE LSAs", OSPF_LSDB_LSAS_MAX);
    if (!lsa)
        lsa = add(lsdb, area, &header);
    lsa->header = header;
    lsa->gone_at = MONO_NEVER;
    lsa->seen = true;
    /* Content that is wrong leaves 'decoded' empty. */
    struct te_link *links = links_of(decoded, area, &n);
    lsa_set_links(lsdb, lsa, links, n);
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
    if (!ospf_lsa_is_te(&header) || !lsa)
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
