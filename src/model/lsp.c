/* SPDX-License-Identifier: Apache-2.0 */
#include "model/lsp.h"

#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"

#define IPV4_TEXT_SIZE 16

void lsp_route_add(struct lsp_route *route, struct lsp_hop hop)
{
    route->hops = array_reserve(route->hops, route->n, &route->capacity, sizeof *route->hops);
    route->hops[route->n++] = hop;
}

struct lsp_route lsp_route_copy(const struct lsp_route *route)
{
    if (route->n == 0)
        return (struct lsp_route) {0};
    return (struct lsp_route) {
        .hops = xmemdup(route->hops, route->n * sizeof *route->hops), .n = route->n, .capacity = route->n};
}

static bool hop_equal(const struct lsp_hop *a, const struct lsp_hop *b)
{
    if (a->type != b->type || a->loose != b->loose)
        return false;
    switch (a->type) {
    case HOP_IPV4:
        return a->address == b->address && a->length == b->length;
    case HOP_UNNUMBERED:
        return a->address == b->address && a->interface == b->interface;
    default:
        return a->label == b->label && a->upstream == b->upstream;
    }
}

bool lsp_route_equal(const struct lsp_route *a, const struct lsp_route *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!hop_equal(&a->hops[i], &b->hops[i]))
            return false;
    return true;
}

void lsp_route_free(struct lsp_route *route)
{
    free(route->hops);
    *route = (struct lsp_route) {0};
}

static void format_hop(struct strbuf *text, const struct lsp_hop *hop)
{
    char address[IPV4_TEXT_SIZE];

    if (hop->loose)
        strbuf_puts(text, "loose ");
    switch (hop->type) {
    case HOP_IPV4:
        strbuf_puts(text, ipv4_format(hop->address, address));
        if (hop->length != 32)
            strbuf_printf(text, " of %u bits", hop->length);
        break;
    case HOP_UNNUMBERED:
        strbuf_printf(text, "%s/%u", ipv4_format(hop->address, address), hop->interface);
        break;
    default:
        strbuf_printf(text, "%slabel %u", hop->upstream ? "upstream " : "", hop->label);
    }
}

char *lsp_route_format(const struct lsp_route *route)
{
    struct strbuf text = {0};

    for (size_t i = 0; i < route->n; i++) {
        if (i > 0)
            strbuf_puts(&text, " ");
        format_hop(&text, &route->hops[i]);
    }
    return strbuf_take(&text);
}

const char *lsp_state_name(enum lsp_state state)
{
    static const char *const names[] = {"down", "up", "active", "going down", "going up"};

    return (size_t) state < ARRAY_LEN(names) ? names[state] : "unknown";
}

#define VALUE_ANY 0x10000 /* of the codes whose values have no names here */

const char *rsvp_error_name(uint8_t code, uint16_t value)
{
    static const struct {
        uint32_t value;
        uint8_t code;
        const char *name;
    } names[] = {
        {VALUE_ANY, 0, "no error"},
        {1, 1, "delay bound cannot be met"},
        {2, 1, "requested bandwidth unavailable"},
        {3, 1, "MTU in flowspec larger than interface MTU"},
        {VALUE_ANY, 1, "admission control failure"},
        {5, 2, "preempted"},
        {VALUE_ANY, 2, "policy control failure"},
        {VALUE_ANY, 3, "no path information for this Resv"},
        {VALUE_ANY, 4, "no sender information for this Resv"},
        {VALUE_ANY, 5, "conflicting reservation style"},
        {VALUE_ANY, 6, "unknown reservation style"},
        {VALUE_ANY, 7, "conflicting destination ports"},
        {VALUE_ANY, 8, "conflicting sender ports"},
        {VALUE_ANY, 12, "service preempted"},
        {VALUE_ANY, 13, "unknown object class"},
        {VALUE_ANY, 14, "unknown object C-Type"},
        {1, 21, "service conflict"},
        {2, 21, "service unsupported"},
        {3, 21, "bad flowspec value"},
        {4, 21, "bad Tspec value"},
        {5, 21, "bad Adspec value"},
        {VALUE_ANY, 21, "traffic control error"},
        {VALUE_ANY, 22, "traffic control system error"},
        {1, 23,
         "the switch does not take the cross-connect"}, /* as our nodes use it: values are the implementation's */
        {VALUE_ANY, 23, "RSVP system error"},
        {1, 24, "bad EXPLICIT_ROUTE object"},
        {2, 24, "bad strict node"},
        {3, 24, "bad loose node"},
        {4, 24, "bad initial subobject"},
        {5, 24, "no route available toward destination"},
        {6, 24, "unacceptable label value"},
        {7, 24, "RRO indicated routing loops"},
        {8, 24, "non-RSVP-capable router stands in the path"},
        {9, 24, "MPLS label allocation failure"},
        {10, 24, "unsupported L3PID"},
        {11, 24, "label set"},
        {12, 24, "switching type"},
        {14, 24, "unsupported encoding"},
        {15, 24, "unsupported link protection"},
        {16, 24, "unknown interface index"},
        {17, 24, "unsupported LSP protection"},
        {22, 24, "rerouting limit exceeded"},
        {VALUE_ANY, 24, "routing problem"},
        {1, 25, "RRO too large for MTU"},
        {2, 25, "RRO notification"},
        {3, 25, "tunnel locally repaired"},
        {4, 25, "control channel active state"},
        {5, 25, "control channel degraded state"},
        {6, 25, "preferable path exists"},
        {7, 25, "link maintenance required"},
        {8, 25, "node maintenance required"},
        {9, 25, "LSP failure"},
        {VALUE_ANY, 25, "notify error"},
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].code == code && (names[i].value == value || names[i].value == VALUE_ANY))
            return names[i].name;
    return "unknown error";
}

char *lsp_error_format(const struct lsp_error *error)
{
    struct strbuf text = {0};
    char address[IPV4_TEXT_SIZE];

    strbuf_puts(&text, rsvp_error_name(error->code, error->value));
    if (error->code)
        strbuf_printf(&text, " (%u/%u)", error->code, error->value);
    if (error->node)
        strbuf_printf(&text, " at %s", ipv4_format(error->node, address));
    if (error->interface_ip)
        strbuf_printf(&text, ", interface %s", ipv4_format(error->interface_ip, address));
    if (error->interface_id)
        strbuf_printf(&text, error->interface_ip ? "/%u" : ", interface %u", error->interface_id);
    return strbuf_take(&text);
}

void lsp_request_free(struct lsp_request *request)
{
    lsp_route_free(&request->route);
}

struct lsp_request lsp_request_copy(const struct lsp_request *request)
{
    struct lsp_request copy = *request;

    copy.route = lsp_route_copy(&request->route);
    return copy;
}

void lsp_report_free(struct lsp_report *report)
{
    lsp_route_free(&report->route);
    lsp_route_free(&report->record);
}

struct lsp_report lsp_report_copy(const struct lsp_report *report)
{
    struct lsp_report copy = *report;

    copy.route = lsp_route_copy(&report->route);
    copy.record = lsp_route_copy(&report->record);
    return copy;
}
