/* SPDX-License-Identifier: Apache-2.0 */
/* The transport network, which the test plays. */
#include "circuit_world_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"

#define AREA 1u

/* ---- the transport network: what it is asked ---- */

static uint32_t router_id(uint32_t n)
{
    return 0x0afd0000 | n;
}

static uint32_t address_of(uint32_t from, uint32_t to)
{
    return 0x0afc0000 | from << 8 | to;
}

static void write_vlan(struct strbuf *out, uint16_t vlan)
{
    if (vlan == CLIENT_VLAN_ANY || vlan == CLIENT_VLAN_NONE)
        strbuf_puts(out, vlan == CLIENT_VLAN_ANY ? "any" : "none");
    else
        strbuf_printf(out, "%u", vlan);
}

static void note(struct circuit_world *w, uint64_t request, bool remove, struct lsp_request lsp)
{
    assert_in_range(w->n_pending, 0, PENDING_MAX - 1);
    w->pending[w->n_pending++] = (struct pending) {request, remove, lsp};
}

static void create(struct transport_driver *driver, uint64_t request, const struct lsp_request *lsp)
{
    struct circuit_world *w = WORLD_OF(transport, driver);

    strbuf_printf(&w->asked, "create %s: %u", lsp->name, lsp->ingress & 0xff);
    for (size_t i = 0; i < lsp->route.n; i++)
        strbuf_printf(&w->asked, " %u", lsp->route.hops[i].address >> 8 & 0xff);
    strbuf_printf(&w->asked, ", %llu Mbit/s, VLAN ", (unsigned long long) lsp->bandwidth_bps / 1000000);
    write_vlan(&w->asked, lsp->ingress_client.vlan);
    strbuf_puts(&w->asked, "/");
    write_vlan(&w->asked, lsp->egress_client.vlan);
    strbuf_puts(&w->asked, "\n");
    note(w, request, false, lsp_request_copy(lsp));
}

static void remove_lsp(struct transport_driver *driver, uint64_t request, uint32_t ingress, const char *name)
{
    struct circuit_world *w = WORLD_OF(transport, driver);
    struct lsp_request lsp = {.ingress = ingress};

    snprintf(lsp.name, sizeof lsp.name, "%s", name);
    strbuf_printf(&w->asked, "remove %s at %u\n", name, ingress & 0xff);
    note(w, request, true, lsp);
}

static const struct transport_ops transport_ops = {.create = create, .remove = remove_lsp};

void expect(struct circuit_world *w, const char *text)
{
    world_run(w);
    assert_string_equal(w->asked.text ? w->asked.text : "", text);
    strbuf_clear(&w->asked);
}

/* ---- what it says ---- */

static struct lsp_error error_at(uint32_t node, uint32_t neighbour)
{
    return (struct lsp_error) {.node = router_id(node),
                               .code = 1, /* admission control failure: requested bandwidth unavailable */
                               .value = 2,
                               .interface_ip = neighbour ? address_of(node, neighbour) : 0};
}

static struct lsp_report report_of(const struct lsp_request *lsp, enum lsp_state state, uint16_t ingress_vlan,
                                   uint16_t egress_vlan)
{
    struct lsp_report report = {.ingress = lsp->ingress, .egress = lsp->egress, .state = (uint8_t) state};

    memcpy(report.name, lsp->name, sizeof report.name);
    report.ingress_client = (struct lsp_client) {lsp->ingress_client.interface, ingress_vlan};
    report.egress_client = (struct lsp_client) {lsp->egress_client.interface, egress_vlan};
    for (size_t i = 0; i < lsp->route.n; i++) {
        lsp_route_add(&report.record, lsp->route.hops[i]);
        lsp_route_add(&report.record, (struct lsp_hop) {.type = HOP_LABEL, .label = 1000 + (uint32_t) i});
        lsp_route_add(&report.record,
                      (struct lsp_hop) {.type = HOP_LABEL, .upstream = true, .label = 2000 + (uint32_t) i});
    }
    return report;
}

static void push_report(struct circuit_world *w, struct lsp_report lsp)
{
    struct event *event = world_push(w, EVENT_LSP);

    event->lsp = lsp;
    event->owns = EVENT_OWNS_LSP;
    world_run(w);
}

void report(struct circuit_world *w, uint32_t ingress, const char *name, enum lsp_state state, uint16_t ingress_vlan,
            uint16_t egress_vlan)
{
    struct lsp_request lsp = {.ingress = router_id(ingress)};

    snprintf(lsp.name, sizeof lsp.name, "%s", name);
    push_report(w, report_of(&lsp, state, ingress_vlan, egress_vlan));
}

void report_failed(struct circuit_world *w, uint32_t ingress, const char *name, uint32_t node, uint32_t neighbour)
{
    struct lsp_report lsp = {.ingress = router_id(ingress), .state = LSP_DOWN, .removed = true};

    snprintf(lsp.name, sizeof lsp.name, "%s", name);
    lsp.error = error_at(node, neighbour);
    push_report(w, lsp);
}

/* The order of that name, which is no longer pending. */
static struct pending take(struct circuit_world *w, const char *name, bool remove)
{
    for (size_t i = 0; i < w->n_pending; i++) {
        struct pending pending = w->pending[i];

        if (pending.remove == remove && strcmp(pending.lsp.name, name) == 0) {
            w->pending[i] = w->pending[--w->n_pending];
            return pending;
        }
    }
    fail_msg("no one waits for %s to be %s", name, remove ? "removed" : "up");
    return (struct pending) {0};
}

void answer_up(struct circuit_world *w, const char *name, uint16_t ingress_vlan, uint16_t egress_vlan)
{
    struct pending pending = take(w, name, false);
    struct event *event = event_push_done(&w->queue, pending.request, NULL);

    event->lsp = report_of(&pending.lsp, LSP_UP, ingress_vlan, egress_vlan);
    event->owns = EVENT_OWNS_LSP;
    lsp_request_free(&pending.lsp);
    world_run(w);
}

void answer_refused(struct circuit_world *w, const char *name, uint32_t node, uint32_t neighbour)
{
    struct pending pending = take(w, name, false);
    struct lsp_report lsp = report_of(&pending.lsp, LSP_DOWN, 0, 0);
    struct err err;

    lsp.removed = true;
    lsp.error = error_at(node, neighbour);
    AUTO_FREE char *text = lsp_error_format(&lsp.error);
    err_set(&err, ERR_REFUSED, "%s: %s", name, text);
    struct event *event = event_push_done(&w->queue, pending.request, &err);
    event->lsp = lsp;
    event->owns = EVENT_OWNS_LSP;
    lsp_request_free(&pending.lsp);
    world_run(w);
}

static void answer_code(struct circuit_world *w, const char *name, bool remove, int code)
{
    struct pending pending = take(w, name, remove);
    struct err err;

    if (code)
        err_set(&err, code, "%s: the test says so", name);
    event_push_done(&w->queue, pending.request, code ? &err : NULL);
    lsp_request_free(&pending.lsp);
    world_run(w);
}

/* Of the creation if one waits, else of the removal. */
void answer_error(struct circuit_world *w, const char *name, int code)
{
    bool remove = true;

    for (size_t i = 0; i < w->n_pending; i++)
        remove &= w->pending[i].remove || strcmp(w->pending[i].lsp.name, name) != 0;
    answer_code(w, name, remove, code);
}

void answer_removed(struct circuit_world *w, const char *name)
{
    answer_code(w, name, true, 0);
}

static void tell_link(struct circuit_world *w, uint32_t from, uint32_t to, uint32_t mbps)
{
    struct te_link *link = &world_push(w, EVENT_TE_LINK)->te_link;

    *link = (struct te_link) {.key = {AREA, router_id(from), address_of(from, to), 0},
                              .to = router_id(to),
                              .remote_ip = address_of(to, from),
                              .metric = from == T2 || to == T2 ? 20 : 10,
                              .delay_us = TE_DELAY_NONE,
                              .max_bps = UINT64_C(1000000000),
                              .reservable_bps = UINT64_C(1000000000)};
    for (unsigned p = 0; p < TE_PRIORITIES; p++)
        link->unreserved_bps[p] = (uint64_t) mbps * 1000000;
}

void topology_up(struct circuit_world *w)
{
    static const uint32_t leaves[] = {PE, GATE, GATE_B, CE_PE}, hubs[] = {T1, T2};

    for (size_t l = 0; l < ARRAY_LEN(leaves); l++) {
        for (size_t h = 0; h < ARRAY_LEN(hubs); h++) {
            tell_link(w, leaves[l], hubs[h], 1000);
            tell_link(w, hubs[h], leaves[l], 1000);
        }
    }
    tell_link(w, T1, T2, 1000);
    tell_link(w, T2, T1, 1000);
    world_push(w, EVENT_TE_SYNCED);
    world_run(w);
}

void topology_down(struct circuit_world *w)
{
    err_set(&world_push(w, EVENT_TE_DOWN)->err, ERR_UNREACHABLE, "ospfd has gone");
    world_run(w);
}

void link_down(struct circuit_world *w, uint32_t from, uint32_t to)
{
    world_push(w, EVENT_TE_LINK_GONE)->te_link.key = (struct te_link_key) {AREA, router_id(from), address_of(from, to),
                                                                           0};
    world_push(w, EVENT_TE_LINK_GONE)->te_link.key = (struct te_link_key) {AREA, router_id(to), address_of(to, from),
                                                                           0};
    world_run(w);
}

void link_free(struct circuit_world *w, uint32_t from, uint32_t to, uint32_t mbps)
{
    tell_link(w, from, to, mbps);
    tell_link(w, to, from, mbps);
    world_run(w);
}

void ingress_up(struct circuit_world *w, uint32_t router)
{
    world_push(w, EVENT_INGRESS_UP)->router = router_id(router);
    world_run(w);
}

void ingress_down(struct circuit_world *w, uint32_t router)
{
    struct event *event = world_push(w, EVENT_INGRESS_DOWN);

    event->router = router_id(router);
    err_set(&event->err, ERR_UNREACHABLE, "it hung up");
    world_run(w);
}

void world_transport_init(struct circuit_world *w)
{
    w->transport.ops = &transport_ops;
}
