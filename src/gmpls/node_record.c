/* SPDX-License-Identifier: Apache-2.0 */
/* One record for each LSP, as JSON, and what happens to them after a restart. A record holds what neighbours would not
 * tell again: labels, client, and whose it is. Unknown objects come again with Path. */
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "gmpls/node_internal.h"
#include "model/json.h"

/* ---- writing: by hand, as one is written for each LSP at each node ---- */

static void put_number(struct strbuf *text, uint64_t n)
{
    char digits[24];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char) ('0' + n % 10);
        n /= 10;
    } while (n);
    strbuf_add(text, digits + at, sizeof digits - at);
}

static void put_numbers(struct strbuf *text, const char *before, const uint64_t *numbers, size_t n)
{
    strbuf_puts(text, before);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            strbuf_add(text, ",", 1);
        put_number(text, numbers[i]);
    }
    strbuf_add(text, "]", 1);
}

#define PUT(text, before, ...) \
    put_numbers(text, before, (const uint64_t[]) {__VA_ARGS__}, ARRAY_LEN(((const uint64_t[]) {__VA_ARGS__})))

static void put_route(struct strbuf *text, const char *before, const struct lsp_route *route)
{
    strbuf_puts(text, before);
    for (size_t h = 0; h < route->n; h++) {
        const struct lsp_hop *hop = &route->hops[h];

        PUT(text, h ? ",[" : "[", hop->type, (uint64_t) hop->loose | (uint64_t) hop->upstream << 1, hop->length,
            hop->address, hop->interface, hop->label);
    }
    strbuf_add(text, "]", 1);
}

/* Links by their address: their numbers may be others after the restart. */
static void put_end(const struct gmpls_node *node, struct strbuf *text, const char *before, const struct lsp_end *end)
{
    const struct node_side *side = &end->side;

    PUT(text, before, end_is_link(end) ? node->links[side->link].config.local : 0, side->in_label, side->out_label,
        side->client, side->vlan);
}

static void put_attribute(struct strbuf *text, const struct rsvp_attribute *attribute)
{
    json_t *name = json_string(attribute->name);
    AUTO_FREE char *quoted = name ? json_dumps(name, JSON_ENCODE_ANY) : NULL;

    json_decref(name);
    /* A transit node is told names by others; one that is no UTF-8 is of no use to it. */
    strbuf_puts(text, ",\"name\":");
    strbuf_puts(text, quoted ? quoted : "\"\"");
    PUT(text, ",\"attribute\":[", attribute->setup_priority, attribute->holding_priority, attribute->flags,
        attribute->has_affinity, attribute->exclude_any, attribute->include_any, attribute->include_all);
}

/* Integers of JSON are signed here; what is beyond them was infinite in the Path. */
static uint64_t at_most_int64(uint64_t n)
{
    return n < INT64_MAX ? n : INT64_MAX;
}

char *record_format(const struct gmpls_node *node, const struct gmpls_lsp *lsp)
{
    struct strbuf text = {0};

    PUT(&text, "{\"session\":[", lsp->session.destination, lsp->session.tunnel_id, lsp->session.extended_tunnel_id);
    PUT(&text, ",\"sender\":[", lsp->sender.source, lsp->sender.lsp_id);
    put_end(node, &text, ",\"in\":[", &lsp->in);
    put_end(node, &text, ",\"out\":[", &lsp->out);
    PUT(&text, ",\"tspec\":[", lsp->tspec.kind, at_most_int64(lsp->tspec.rate_bps),
        at_most_int64(lsp->tspec.burst_bits), lsp->tspec.mtu);
    PUT(&text, ",\"request\":[", lsp->label_request.encoding, lsp->label_request.switching, lsp->label_request.gpid);
    PUT(&text, ",\"misc\":[", lsp->previous_lih, lsp->admin_status, lsp->resv_admin_status, lsp->notify_node,
        lsp->style, lsp->recording, !lsp->ingress || lsp_phase(lsp) == PHASE_ESTABLISHED);
    put_route(&text, ",\"ero\":[", &lsp->ero);
    put_route(&text, ",\"path_rro\":[", &lsp->path_rro);
    put_route(&text, ",\"resv_rro\":[", &lsp->resv_rro);
    if (lsp->has_attribute)
        put_attribute(&text, &lsp->attribute);
    strbuf_puts(&text, "}");
    return strbuf_take(&text);
}

static void save(struct gmpls_node *node, struct gmpls_lsp *lsp)
{
    struct node_action *action = node_queue_first(node, NODE_SAVE);

    action->key = lsp->id;
    action->text = record_format(node, lsp);
    lsp->saved = true;
    lsp->dirty = false;
}

void lsp_save_first(struct gmpls_node *node, struct gmpls_lsp *lsp)
{
    save(node, lsp);
}

void lsp_save(struct gmpls_node *node, struct gmpls_lsp *lsp)
{
    if (lsp->dirty)
        return;
    lsp->dirty = true;
    node->dirty = array_reserve(node->dirty, node->n_dirty, &node->cap_dirty, sizeof *node->dirty);
    node->dirty[node->n_dirty++] = lsp->id;
}

/* Called when all else was carried out: a record is written while its message travels already. */
void node_save_dirty(struct gmpls_node *node)
{
    for (size_t d = 0; d < node->n_dirty; d++) {
        struct gmpls_lsp *lsp = lsp_find_id(node, node->dirty[d]);

        if (lsp && lsp->dirty)
            save(node, lsp);
    }
    node->n_dirty = 0;
}

/* ---- reading ---- */

/* Numbers of a record: an array of integers, each within its bounds. */
static int64_t number(struct json_reader *r, const char *name, const json_t *array, size_t i, int64_t max)
{
    const json_t *value = json_array_get(array, i);
    int64_t n = json_integer_value(value);

    if (r->status == 0 && (!json_is_integer(value) || n < 0 || n > max))
        json_fail(r, name, "element %zu must be a whole number from 0 to %lld", i, (long long) max);
    return r->status ? 0 : n;
}

static uint32_t word(struct json_reader *r, const char *name, const json_t *array, size_t i)
{
    return (uint32_t) number(r, name, array, i, UINT32_MAX);
}

static struct lsp_route route_from_json(struct json_reader *r, const char *name)
{
    const json_t *array = json_get_array(r, name);
    struct lsp_route route = {0};

    for (size_t h = 0; h < json_array_size(array) && h < LSP_HOPS_MAX && r->status == 0; h++) {
        const json_t *json = json_array_get(array, h);
        int64_t flags = number(r, name, json, 1, 3);

        lsp_route_add(&route, (struct lsp_hop) {.type = (uint8_t) number(r, name, json, 0, HOP_LABEL),
                                                .loose = flags & 1,
                                                .upstream = flags & 2,
                                                .length = (uint8_t) number(r, name, json, 2, 32),
                                                .address = word(r, name, json, 3),
                                                .interface = word(r, name, json, 4),
                                                .label = word(r, name, json, 5)});
    }
    return route;
}

static struct node_side side_from_json(struct json_reader *r, const char *name, const struct gmpls_node *node)
{
    const json_t *array = json_get_array(r, name);
    uint32_t local = word(r, name, array, 0);
    struct node_side side = {.link = NODE_LINK_NONE};

    for (size_t l = 0; l < node->n_links; l++) {
        if (node->links[l].config.local == local)
            side.link = (int) l;
    }
    if (r->status == 0 && local && side.link == NODE_LINK_NONE)
        json_fail(r, name, "a link with that address is no longer configured");
    side.in_label = (uint32_t) number(r, name, array, 1, NODE_LABEL_MAX);
    side.out_label = (uint32_t) number(r, name, array, 2, NODE_LABEL_MAX);
    side.client = word(r, name, array, 3);
    side.vlan = (uint16_t) number(r, name, array, 4, UINT16_MAX);
    return side;
}

static void read_attribute(struct json_reader *r, struct gmpls_lsp *lsp)
{
    const json_t *numbers = json_opt_array(r, "attribute");

    if (!numbers)
        return;
    lsp->has_attribute = true;
    strncpy(lsp->attribute.name, json_opt_string(r, "name", ""), sizeof lsp->attribute.name - 1);
    lsp->attribute.setup_priority = (uint8_t) number(r, "attribute", numbers, 0, 255);
    lsp->attribute.holding_priority = (uint8_t) number(r, "attribute", numbers, 1, 255);
    lsp->attribute.flags = (uint8_t) number(r, "attribute", numbers, 2, 255);
    lsp->attribute.has_affinity = number(r, "attribute", numbers, 3, 1);
    lsp->attribute.exclude_any = word(r, "attribute", numbers, 4);
    lsp->attribute.include_any = word(r, "attribute", numbers, 5);
    lsp->attribute.include_all = word(r, "attribute", numbers, 6);
}

static void read_values(struct json_reader *r, struct gmpls_lsp *lsp)
{
    const json_t *tspec = json_get_array(r, "tspec"), *request = json_get_array(r, "request");
    const json_t *misc = json_get_array(r, "misc");

    lsp->tspec = (struct rsvp_tspec) {.kind = (uint8_t) number(r, "tspec", tspec, 0, 255),
                                      .rate_bps = (uint64_t) number(r, "tspec", tspec, 1, INT64_MAX),
                                      .burst_bits = (uint64_t) number(r, "tspec", tspec, 2, INT64_MAX),
                                      .mtu = (uint16_t) number(r, "tspec", tspec, 3, UINT16_MAX)};
    lsp->label_request = (struct rsvp_label_request) {.encoding = (uint8_t) number(r, "request", request, 0, 255),
                                                      .switching = (uint8_t) number(r, "request", request, 1, 255),
                                                      .gpid = (uint16_t) number(r, "request", request, 2, UINT16_MAX)};
    lsp->previous_lih = word(r, "misc", misc, 0);
    lsp->admin_status = word(r, "misc", misc, 1);
    lsp->resv_admin_status = word(r, "misc", misc, 2);
    lsp->notify_node = word(r, "misc", misc, 3);
    lsp->style = (uint8_t) number(r, "misc", misc, 4, 255);
    lsp->recording = number(r, "misc", misc, 5, 1);
    lsp->unfinished = number(r, "misc", misc, 6, 1) == 0;
    read_attribute(r, lsp);
    lsp_take_priorities(lsp);
}

/* Takes back what the record says that the LSP has. */
static void reclaim(struct json_reader *r, struct gmpls_node *node, struct lsp_end *end, const char *name,
                    const struct node_side *side)
{
    struct label_wish wish = {.set = &side->in_label, .n_set = 1};

    if (r->status)
        return;
    if (side->link == NODE_LINK_NONE) {
        if (end_take_client(node, end, side->client, side->vlan).code)
            json_fail(r, name, "client port %u or its VLAN %u cannot be had", side->client, side->vlan);
        return;
    }
    end->side.link = side->link;
    end->side.out_label = side->out_label;
    end_list(node, end);
    if (end_take_label(node, end, &wish).code)
        json_fail(r, name, "label %u of link %s cannot be had", side->in_label, node->links[side->link].config.name);
    else
        end_reserve(node, end);
}

/* Whether an LSP of this node can have these two ends: the file may be another node's. */
static void check_ends(struct json_reader *r, const struct gmpls_node *node, const struct rsvp_session *session,
                       const struct rsvp_sender *sender, const struct node_side *in, const struct node_side *out)
{
    if (r->status)
        return;
    if (in->link == out->link)
        json_fail(r, "out", "both ends are one link, or clients");
    else if (in->link == NODE_LINK_NONE && sender->source != node->config.router_id)
        json_fail(r, "sender", "its ingress is another node");
    else if (out->link == NODE_LINK_NONE && !node_is_mine(node, session->destination))
        json_fail(r, "session", "its egress is another node");
}

static int load(struct gmpls_node *node, uint32_t id, const json_t *json, struct err *err)
{
    struct json_reader r = json_reader_init(json, "record", err);
    const json_t *session_json = json_get_array(&r, "session"), *sender_json = json_get_array(&r, "sender");
    struct rsvp_session session = {.destination = word(&r, "session", session_json, 0),
                                   .tunnel_id = (uint16_t) number(&r, "session", session_json, 1, UINT16_MAX),
                                   .extended_tunnel_id = word(&r, "session", session_json, 2)};
    struct rsvp_sender sender = {.source = word(&r, "sender", sender_json, 0),
                                 .lsp_id = (uint16_t) number(&r, "sender", sender_json, 1, UINT16_MAX)};
    struct node_side in = side_from_json(&r, "in", node), out = side_from_json(&r, "out", node);
    struct gmpls_lsp *lsp;

    check_ends(&r, node, &session, &sender, &in, &out);
    if (r.status)
        return r.status;
    if (lsp_find(node, &session, &sender) || lsp_find_id(node, id))
        return err_set(err, ERR_EXISTS, "record: its LSP is loaded already");
    lsp = lsp_new(node, &session, &sender, id);
    read_values(&r, lsp);
    lsp->ero = route_from_json(&r, "ero");
    lsp->path_rro = route_from_json(&r, "path_rro");
    lsp->resv_rro = route_from_json(&r, "resv_rro");
    if (in.link == NODE_LINK_NONE && (!lsp->has_attribute || lsp_find_name(node, lsp->attribute.name)))
        json_fail(&r, "attribute", "an ingress needs a name of its own for the LSP");
    reclaim(&r, node, &lsp->in, "in", &in);
    reclaim(&r, node, &lsp->out, "out", &out);
    if (r.status == 0 && in.link == NODE_LINK_NONE)
        lsp_make_ingress(node, lsp);
    lsp->unfinished |= out.link != NODE_LINK_NONE && out.out_label == 0;
    lsp->sm.current = PHASE_RECOVERING;
    lsp->saved = r.status == 0;
    lsp->xc_set = r.status == 0 && !(out.link != NODE_LINK_NONE && out.out_label == 0);
    node->usage.xcs += lsp->xc_set;
    if (r.status)
        lsp_release(node, lsp);
    return r.status;
}

int node_load(struct gmpls_node *node, uint64_t key, const char *text, struct err *err)
{
    json_error_t at;
    json_t *json = json_loads(text, 0, &at);
    int status;

    if (!json)
        return err_set(err, ERR_MALFORMED, "record %llu is no JSON: %s", (unsigned long long) key, at.text);
    if (key == 0 || key > UINT32_MAX || !json_is_object(json))
        status = err_set(err, ERR_MALFORMED, "record %llu is none of ours", (unsigned long long) key);
    else
        status = load(node, (uint32_t) key, json, err);
    json_decref(json);
    return status;
}

/* ---- after the restart ---- */

/* RFC 3473 §9.5: both sides are sent what we know, and have the recovery time to do likewise. */
static void recover(struct gmpls_node *node, struct gmpls_lsp *lsp, void *arg)
{
    struct mono now = *(const struct mono *) arg;
    struct neighbour_key path = lsp_key(lsp, RSVP_PATH), resv = lsp_key(lsp, RSVP_RESV);

    if (lsp->unfinished) { /* whoever asked for it is gone, or a neighbour knows more than we */
        lsp_end_it(node, lsp, TELL_DOWN, NULL, now);
        return;
    }
    if (end_is_link(&lsp->in)) {
        neighbour_expect_received(node->links[lsp->in.side.link].neighbour, &path, node->config.recovery_ms, now);
        lsp_send_resv(node, lsp, now);
    }
    if (end_is_link(&lsp->out)) {
        neighbour_expect_received(node->links[lsp->out.side.link].neighbour, &resv, node->config.recovery_ms, now);
        lsp_send_path(node, lsp, true, now);
    }
}

void node_start(struct gmpls_node *node, struct mono now)
{
    node->recovery_until = mono_add(now, node->config.recovery_ms);
    lsp_each(node, recover, &now);
    for (size_t l = 0; l < node->n_links; l++) {
        node->links[l].touched = true;
        node->links[l].bandwidth_changed = true;
    }
    node_settle(node, now);
}
