/* SPDX-License-Identifier: Apache-2.0 */
/* What the transport networks say: their topology, their ingresses, their LSPs. */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/circuits_internal.h"

/* ---- LSPs ---- */

static bool of_this_dc(const struct gateway *gateway, const char *name)
{
    size_t n = strlen(gateway->config->dc);

    return strncmp(name, gateway->config->dc, n) == 0 && name[n] == ':';
}

/* Of this data center, and nobody here knows it: left over from a store that was lost, or from a removal whose answer
 * was. */
static void remove_stranger(struct gateway *gateway, const struct lsp_report *report)
{
    struct join *join = network_background_join();
    uint64_t request = gateway_request(gateway, join, NULL, NULL);

    log_info(report->name, "nobody knows this LSP any more, removes it");
    gateway->south.transport->ops->remove(gateway->south.transport, request, report->ingress, report->name);
    join_close(gateway, join);
}

static void lsp_reported(struct gateway *gateway, const struct lsp_report *report)
{
    struct circuit *circuit = circuit_find(gateway, report->name);
    bool stands = !report->removed && (report->state == LSP_UP || report->state == LSP_ACTIVE);
    bool fell = report->removed || report->state == LSP_DOWN;

    if (!circuit) {
        if (!report->removed && of_this_dc(gateway, report->name))
            remove_stranger(gateway, report);
        return;
    }
    if (stands && circuit->state == CIRCUIT_WAITING) {
        circuit_is_up(gateway, circuit, report);
    } else if (stands && circuit->state == CIRCUIT_UP) {
        circuit->reported = true;
        lsp_report_free(&circuit->report);
        circuit->report = lsp_report_copy(report);
    } else if (fell && circuit->state == CIRCUIT_UP) {
        AUTO_FREE char *why = lsp_error_format(&report->error);

        circuit_failed(gateway, circuit, &report->error, why);
    } else if (fell && circuit->state == CIRCUIT_WAITING) {
        circuit_fell(gateway, circuit);
    }
}

/* ---- ingresses ---- */

/* All its LSPs have been told: what was not has gone meanwhile. */
static void settle(struct gateway *gateway, struct circuit *circuit)
{
    static const struct lsp_error none = {0};

    if (circuit->state == CIRCUIT_REMOVING)
        circuit_take_down(gateway, circuit);
    else if (circuit->state == CIRCUIT_UP && !circuit->reported)
        circuit_failed(gateway, circuit, &none, "its ingress no longer has it");
    else if (circuit->state == CIRCUIT_WAITING)
        circuit_fell(gateway, circuit);
}

/* Into the list, which is sorted. */
static void add_ingress(struct transport *transport, uint32_t router)
{
    size_t i = transport->n_ingresses;

    transport->ingresses = array_reserve(transport->ingresses, transport->n_ingresses, &transport->cap_ingresses,
                                         sizeof *transport->ingresses);
    for (; i && transport->ingresses[i - 1] > router; i--)
        transport->ingresses[i] = transport->ingresses[i - 1];
    transport->ingresses[i] = router;
    transport->n_ingresses++;
}

static void remove_ingress(struct transport *transport, uint32_t router)
{
    size_t kept = 0;

    for (size_t i = 0; i < transport->n_ingresses; i++) {
        if (transport->ingresses[i] != router)
            transport->ingresses[kept++] = transport->ingresses[i];
    }
    transport->n_ingresses = kept;
}

static void ingress_up(struct gateway *gateway, uint32_t router)
{
    struct transport *transport = &gateway->transport;
    char text[IPV4_TEXT_SIZE];

    log_info(ipv4_format(router, text), "sets up LSPs for this gateway");
    if (!ingress_is_up(gateway, router))
        add_ingress(transport, router);
    for (size_t i = transport->n_circuits; i-- > 0;) {
        if (transport->circuits[i]->want.ingress == router)
            settle(gateway, transport->circuits[i]);
    }
    circuits_retry(gateway, true);
}

/* LSPs stand without the session; whether they do is told when it is back. */
static void ingress_down(struct gateway *gateway, uint32_t router, const struct err *why)
{
    struct transport *transport = &gateway->transport;
    char text[IPV4_TEXT_SIZE];

    log_warn(FAULT_PEER, ipv4_format(router, text), "no longer sets up LSPs for this gateway: %s", why->text);
    remove_ingress(transport, router);
    for (size_t i = 0; i < transport->n_circuits; i++) {
        if (transport->circuits[i]->want.ingress == router)
            transport->circuits[i]->reported = false;
    }
}

/* ---- all of it ---- */

void transport_event(struct gateway *gateway, const struct event *event)
{
    struct transport *transport = &gateway->transport;

    switch (event->type) {
    case EVENT_TE_LINK:
        ted_set(&transport->ted, &event->te_link);
        path_graph_set(transport->graph, &event->te_link);
        break;
    case EVENT_TE_LINK_GONE:
        ted_remove(&transport->ted, &event->te_link.key);
        path_graph_remove(transport->graph, &event->te_link.key);
        break;
    case EVENT_TE_SYNCED:
        log_info("transport", "topology is known: %zu links", transport->ted.n_links);
        transport->ted_synced = true;
        circuits_retry(gateway, true);
        break;
    case EVENT_TE_DOWN:
        log_warn(FAULT_PEER, "transport", "topology is no longer told: %s", event->err.text);
        transport->ted_synced = false;
        break;
    case EVENT_INGRESS_UP:
        ingress_up(gateway, event->router);
        break;
    case EVENT_INGRESS_DOWN:
        ingress_down(gateway, event->router, &event->err);
        break;
    case EVENT_LSP:
        lsp_reported(gateway, &event->lsp);
        break;
    default:
        break;
    }
}

bool transport_seen(const struct gateway *gateway)
{
    for (unsigned i = 0; i < gateway->config->edges_count; i++) {
        const struct config_edge *edge = &gateway->config->edges[i];

        if (edge->transport_port && !ingress_is_up(gateway, edge->transport.router))
            return false;
    }
    return !gateway->config->transport || gateway->transport.ted_synced;
}

void transport_tick(struct gateway *gateway)
{
    struct transport *transport = &gateway->transport;

    circuits_retry(gateway, false);
    for (size_t i = 0; i < transport->n_circuits; i++) {
        struct circuit *circuit = transport->circuits[i];

        if (circuit->state == CIRCUIT_REMOVING && mono_reached(circuit->retry_at, gateway->now))
            circuit_take_down(gateway, circuit);
    }
}

struct mono transport_deadline(const struct gateway *gateway)
{
    struct mono deadline = MONO_NEVER;

    for (size_t i = 0; i < gateway->transport.n_circuits; i++)
        deadline = mono_min(deadline, gateway->transport.circuits[i]->retry_at);
    return deadline;
}
