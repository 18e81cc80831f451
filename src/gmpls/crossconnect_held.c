/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing what a switch holds with what it is to hold, and reading an LSP back from its flows. */
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

    return found && flow_meter_equal(found, meter);
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

/* Reading back: from the flows that have its ports, labels and VLAN a cross-connect is made, and then compared with all
 * that is there. */

struct reading {
    struct xc_side links[2];
    uint32_t swapped[2]; /* the label that what comes by this link leaves with */
    unsigned n_links;
    struct xc_side client; /* port 0: none */
    uint32_t out_label;    /* of what the client sends */
};

static uint32_t label_set(const struct flow *flow)
{
    for (uint16_t i = 0; i < flow->n_actions; i++) {
        if (flow->actions[i].type == ACTION_SET_FIELD && flow->actions[i].field.id == FIELD_MPLS_LABEL)
            return (uint32_t) flow_field_u(&flow->actions[i].field);
    }
    return 0;
}

static uint32_t port_of_output(const struct flow *flow)
{
    for (uint16_t i = 0; i < flow->n_actions; i++) {
        if (flow->actions[i].type == ACTION_OUTPUT)
            return flow->actions[i].port;
    }
    return 0;
}

static void read_classify(struct reading *reading, const struct flow *flow)
{
    uint64_t port, label, bottom, vlan;

    if (!match_get_u(&flow->match, FIELD_IN_PORT, &port))
        return;
    if (match_get_u(&flow->match, FIELD_MPLS_LABEL, &label)) {
        if (!match_get_u(&flow->match, FIELD_MPLS_BOS, &bottom) || !bottom || reading->n_links == 2)
            return; /* S = 0 is the probe's, which says nothing more */
        reading->links[reading->n_links] = (struct xc_side) {
            .kind = XC_LINK, .port = (uint32_t) port, .in_label = (uint32_t) label};
        reading->swapped[reading->n_links++] = label_set(flow);
    } else if (match_get_u(&flow->match, FIELD_VLAN_VID, &vlan)) {
        reading->client = (struct xc_side) {
            .kind = XC_VLAN, .port = (uint32_t) port, .vlan = (uint16_t) (vlan & 0xfff)};
        reading->out_label = label_set(flow);
    }
}

static struct reading read_flows(const struct xc_held *held, uint64_t cookie)
{
    struct reading reading = {0};

    for (size_t i = first_of(held, cookie); i < held->n_flows && held->flows[i]->cookie == cookie; i++) {
        const struct flow *flow = held->flows[i];

        if (flow->table == XC_CLASSIFY)
            read_classify(&reading, flow);
        else if (flow->table == XC_ENCAP)
            reading.out_label = label_set(flow);
        else if (flow->table == XC_DELIVER && !reading.client.port)
            reading.client = (struct xc_side) {.kind = XC_BRIDGE, .port = port_of_output(flow)};
    }
    return reading;
}

static uint64_t rate_of(const struct xc_held *held, uint32_t id)
{
    for (size_t m = 0; m < held->n_meters; m++) {
        if (held->meters[m].id == id)
            return (uint64_t) held->meters[m].rate * 1000;
    }
    return 0;
}

static bool is_there(const struct xc_held *held, const struct xc *xc)
{
    struct flow_txn txn = {0};
    bool there = xc_check(xc, NULL) == 0;

    if (there) {
        xc_set(&txn, xc);
        there = xc_stands(held, &txn);
    }
    flow_txn_free(&txn);
    return there;
}

bool xc_read(const struct xc_held *held, uint32_t node, uint32_t id, struct xc *xc)
{
    struct reading reading = read_flows(held, xc_cookie(XC_COOKIE_LSP, id));
    struct xc read = {.id = id, .node = node, .rate_bps = rate_of(held, id)};

    if (reading.n_links == 2) {
        reading.links[0].out_label = reading.swapped[1];
        reading.links[1].out_label = reading.swapped[0];
        read.in = reading.links[0];
        read.out = reading.links[1];
    } else {
        reading.links[0].out_label = reading.out_label;
        read.in = reading.client;
        read.out = reading.links[0];
        if (!is_there(held, &read)) { /* nothing but the probe's flow tells an ingress from an egress */
            read.in = reading.links[0];
            read.out = reading.client;
        }
    }
    if (!is_there(held, &read))
        return false;
    *xc = read;
    return true;
}
