/* SPDX-License-Identifier: Apache-2.0 */
/* Between items of messages and LSPs. What the ends of ERO and RRO mean is decided here alone: see pcep.h. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/pcep/pcep.h"

#define LSP_ERROR_SIGNALING 8 /* RFC 8231 §7.3.3: RSVP signaling error */
#define PRIORITY_WORST 7

static void client_put(struct lsp_route *route, uint32_t node, const struct lsp_client *client)
{
    if (!client->interface)
        return;
    lsp_route_add(route, (struct lsp_hop) {.type = HOP_UNNUMBERED, .address = node, .interface = client->interface});
    lsp_route_add(route, (struct lsp_hop) {.type = HOP_LABEL, .label = client->vlan});
}

/* The route with the clients' hops around it. */
static struct lsp_route route_with_clients(const struct lsp_route *route, uint32_t ingress,
                                           const struct lsp_client *ingress_client, uint32_t egress,
                                           const struct lsp_client *egress_client)
{
    struct lsp_route whole = {0};

    client_put(&whole, ingress, ingress_client);
    for (size_t i = 0; i < route->n; i++)
        lsp_route_add(&whole, route->hops[i]);
    client_put(&whole, egress, egress_client);
    return whole;
}

static bool is_client(const struct lsp_hop *hop, uint32_t node)
{
    return hop->type == HOP_UNNUMBERED && hop->address == node && hop->interface != 0 && !hop->loose &&
           hop[1].type == HOP_LABEL && !hop[1].upstream;
}

/* Takes the clients' hops off again. A link's hop has no label in an ERO and two in an RRO, of which the second is for
 * the way back; a client's has one, for both. */
static int route_without_clients(const struct lsp_route *whole, uint32_t ingress, struct lsp_client *ingress_client,
                                 uint32_t egress, struct lsp_client *egress_client, struct lsp_route *route,
                                 struct err *err)
{
    size_t first = 0, last = whole->n;
    const struct lsp_hop *hops = whole->hops;

    if (last >= 2 && is_client(&hops[0], ingress) && !(last >= 3 && hops[2].type == HOP_LABEL)) {
        *ingress_client = (struct lsp_client) {.interface = hops[0].interface, .vlan = (uint16_t) hops[1].label};
        first = 2;
    }
    if (last - first >= 2 && is_client(&hops[last - 2], egress)) {
        *egress_client = (struct lsp_client) {.interface = hops[last - 2].interface,
                                              .vlan = (uint16_t) hops[last - 1].label};
        last -= 2;
    }
    if ((first && hops[1].label > UINT16_MAX) || (last < whole->n && hops[last + 1].label > UINT16_MAX))
        return err_set(err, ERR_UNSUPPORTED, "the label of a client's interface, %u, is no VLAN",
                       first && hops[1].label > UINT16_MAX ? hops[1].label : hops[last + 1].label);
    for (size_t i = first; i < last; i++)
        lsp_route_add(route, hops[i]);
    return 0;
}

static void put_name(char *to, const char *name)
{
    snprintf(to, LSP_NAME_SIZE, "%s", name);
}

static void put_ends(struct pcep_item *item, uint32_t ingress, uint32_t egress, bool gmpls)
{
    item->has |= PCEP_HAS_LSP | PCEP_HAS_NAME | PCEP_HAS_ENDPOINTS | PCEP_HAS_ERO | PCEP_HAS_BANDWIDTH;
    item->endpoints = (struct pcep_endpoints) {.source = ingress, .destination = egress};
    if (gmpls) {
        item->has |= PCEP_HAS_EXTENDED;
        item->extended = PCEP_EXTENDED_GMPLS | PCEP_EXTENDED_BIDIRECTIONAL;
    }
}

void pcep_item_from_request(struct pcep_item *item, const struct lsp_request *request, bool gmpls)
{
    put_ends(item, request->ingress, request->egress, gmpls);
    item->has |= PCEP_HAS_LSPA;
    put_name(item->name, request->name);
    item->flags = PCEP_DELEGATE | PCEP_ADMIN_UP;
    item->ero = route_with_clients(&request->route, request->ingress, &request->ingress_client, request->egress,
                                   &request->egress_client);
    item->bandwidth_bps = request->bandwidth_bps;
    item->setup_priority = request->setup_priority;
    item->holding_priority = request->holding_priority;
    item->exclude_any = request->exclude_any;
    item->include_any = request->include_any;
    item->include_all = request->include_all;
}

void pcep_item_from_report(struct pcep_item *item, const struct lsp_report *report, bool gmpls)
{
    put_ends(item, report->ingress, report->egress, gmpls);
    item->has |= PCEP_HAS_IDENTIFIERS;
    put_name(item->name, report->name);
    item->flags = report->removed ? PCEP_REMOVE : PCEP_ADMIN_UP;
    item->state = report->state;
    item->identifiers = (struct pcep_identifiers) {.sender = report->ingress,
                                                   .lsp_id = report->lsp_id,
                                                   .tunnel_id = report->tunnel_id,
                                                   .extended_tunnel_id = report->ingress,
                                                   .endpoint = report->egress};
    item->ero = route_with_clients(&report->route, report->ingress, &report->ingress_client, report->egress,
                                   &report->egress_client);
    item->bandwidth_bps = report->bandwidth_bps;
    if (report->record.n) {
        item->has |= PCEP_HAS_RRO;
        item->rro = route_with_clients(&report->record, report->ingress, &report->ingress_client, report->egress,
                                       &report->egress_client);
    }
    if (report->error.code) {
        item->has |= PCEP_HAS_LSP_ERROR | PCEP_HAS_RSVP_ERROR;
        item->lsp_error = LSP_ERROR_SIGNALING;
        item->error = report->error;
    }
}

/* What both have in common. */
static void get_ends(const struct pcep_item *item, char *name, uint32_t *ingress, uint32_t *egress)
{
    if (item->has & PCEP_HAS_NAME)
        put_name(name, item->name);
    if (item->has & (PCEP_HAS_ENDPOINTS | PCEP_HAS_GENERALIZED_ENDPOINTS)) {
        *ingress = item->endpoints.source;
        *egress = item->endpoints.destination;
    } else if (item->has & PCEP_HAS_IDENTIFIERS) {
        *ingress = item->identifiers.sender;
        *egress = item->identifiers.endpoint;
    }
}

int pcep_item_to_request(const struct pcep_item *item, struct lsp_request *request, struct err *err)
{
    *request = (struct lsp_request) {.setup_priority = PRIORITY_WORST, .holding_priority = PRIORITY_WORST};
    get_ends(item, request->name, &request->ingress, &request->egress);
    request->bandwidth_bps = item->bandwidth_bps;
    if (item->has & PCEP_HAS_LSPA) {
        request->setup_priority = item->setup_priority;
        request->holding_priority = item->holding_priority;
        request->exclude_any = item->exclude_any;
        request->include_any = item->include_any;
        request->include_all = item->include_all;
    }
    if (request->setup_priority > PRIORITY_WORST || request->holding_priority > request->setup_priority)
        return err_set(err, ERR_INVALID,
                       "priorities %u (setup) and %u (holding): 0 is the best, 7 the worst, and "
                       "holding must not be worse than setup",
                       request->setup_priority, request->holding_priority);
    if (item->n_segments)
        return err_set(err, ERR_UNSUPPORTED, "the route has segments of segment routing");
    if (item->n_unknown)
        return err_set(err, ERR_UNSUPPORTED, "%u sub-objects of the ERO are neither IPv4, unnumbered nor label",
                       item->n_unknown);
    return route_without_clients(&item->ero, request->ingress, &request->ingress_client, request->egress,
                                 &request->egress_client, &request->route, err);
}

int pcep_item_to_report(const struct pcep_item *item, struct lsp_report *report, struct err *err)
{
    int rc = 0;

    *report = (struct lsp_report) {.state = item->state, .removed = item->flags & PCEP_REMOVE};
    get_ends(item, report->name, &report->ingress, &report->egress);
    report->tunnel_id = item->identifiers.tunnel_id;
    report->lsp_id = item->identifiers.lsp_id;
    report->bandwidth_bps = item->bandwidth_bps;
    report->error = item->error;
    rc = route_without_clients(&item->ero, report->ingress, &report->ingress_client, report->egress,
                               &report->egress_client, &report->route, err);
    /* What is used counts, not what was asked for. */
    if (rc == 0)
        rc = route_without_clients(&item->rro, report->ingress, &report->ingress_client, report->egress,
                                   &report->egress_client, &report->record, err);
    return rc;
}
