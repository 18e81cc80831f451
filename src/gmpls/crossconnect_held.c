/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing what a switch holds with what it is to hold. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "gmpls/crossconnect.h"

static int compare_cookies(const void *a, const void *b)
{
    const struct flow *const *x = a, *const *y = b;

    return (*x)->cookie < (*y)->cookie ? -1 : (*x)->cookie > (*y)->cookie;
}

static int compare_meters(const void *a, const void *b)
{
    const struct flow_meter *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

struct xc_held xc_held_make(const struct flow_list *flows, const struct flow_meter *meters, size_t n_meters)
{
    struct xc_held held = {.flows = xcalloc(flows->n + 1, sizeof *held.flows),
                           .meters = xcalloc(n_meters + 1, sizeof *held.meters),
                           .n_flows = flows->n,
                           .n_meters = n_meters};

    for (size_t i = 0; i < flows->n; i++)
        held.flows[i] = &flows->flows[i];
    if (n_meters)
        memcpy(held.meters, meters, n_meters * sizeof *meters);
    qsort(held.flows, held.n_flows, sizeof *held.flows, compare_cookies);
    qsort(held.meters, held.n_meters, sizeof *held.meters, compare_meters);
    return held;
}

void xc_held_free(struct xc_held *held)
{
    free(held->flows);
    free(held->meters);
}

/* The first with that cookie, or where it would be. */
static size_t first_of(const struct xc_held *held, uint64_t cookie)
{
    size_t low = 0, high = held->n_flows;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (held->flows[middle]->cookie < cookie)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool holds_flow(const struct xc_held *held, const struct flow *flow)
{
    for (size_t i = first_of(held, flow->cookie); i < held->n_flows && held->flows[i]->cookie == flow->cookie; i++) {
        if (flow_equal(held->flows[i], flow))
            return true;
    }
    return false;
}

static size_t count_deleted(const struct xc_held *held, const struct flow *of)
{
    size_t n = 0;

    for (size_t i = first_of(held, of->cookie); i < held->n_flows && held->flows[i]->cookie == of->cookie; i++)
        n += of->table == FLOW_TABLE_ALL || of->table == held->flows[i]->table;
    return n;
}

static bool holds_meter(const struct xc_held *held, const struct flow_meter *meter)
{
    const struct flow_meter *found = held->n_meters ?
                                         bsearch(meter, held->meters, held->n_meters, sizeof *meter, compare_meters) :
                                         NULL;

    return found && found->rate_kbps == meter->rate_kbps && found->burst_kbit == meter->burst_kbit;
}

bool xc_stands(const struct xc_held *held, const struct flow_txn *txn)
{
    size_t added = 0, deleted = 0;

    for (size_t i = 0; i < txn->n_meters_add; i++) {
        if (!holds_meter(held, &txn->meters_add[i]))
            return false;
    }
    for (size_t i = 0; i < txn->n_mods; i++) {
        const struct flow_mod *mod = &txn->mods[i];

        added += mod->command == FLOW_ADD;
        deleted += mod->command == FLOW_DELETE ? count_deleted(held, &mod->flow) : 0;
        if (mod->command == FLOW_ADD && !holds_flow(held, &mod->flow))
            return false;
    }
    return added == deleted && txn->n_meters_delete == 0;
}
