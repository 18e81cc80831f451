/* SPDX-License-Identifier: Apache-2.0 */
/* Putting right what the bridge holds. When it has (re)connected, nothing is known of that: what it has too much is
 * removed, and what is to stand and does not, or not so, is set again. At our start the node may have lost the record
 * of an LSP that stands, and that its neighbours tell it of (gmpls/node.h): what the bridge has too much then is told
 * to the node, and stays until its recovery time is over. */
#include "base/alloc.h"
#include "base/log.h"
#include "gmplsd/switching_internal.h"

#define COOKIE_MASK UINT64_C(0xffff000000000000) /* of all cookies of gmpls/crossconnect.h */
#define LSPS_PER_TXN 50

struct repair {
    struct switching *switching;
    struct xc_held held;
    struct flow_txn txn;
    unsigned n; /* LSPs in 'txn' */
};

static void repaired(void *arg, uint64_t request, const struct err *err)
{
    struct switching *s = arg;

    (void) request;
    if (!err->code || err->code == ERR_UNREACHABLE)
        return;
    log_warn(FAULT_PEER, "bridge", "its flows could not be put right, which is tried again: %s", err->text);
    switching_repair_at(s, mono_add(loop_now(s->daemon->loop), RETRY_MS));
}

static void send_repair(struct repair *repair)
{
    if (repair->txn.n_mods || repair->txn.n_meters_add || repair->txn.n_meters_delete)
        bridge_apply(repair->switching->bridge, &repair->txn, 0, repaired);
    repair->txn = (struct flow_txn) {0};
    repair->n = 0;
}

/* Whether what this does stands; frees it. */
static bool stands(const struct repair *repair, struct flow_txn *txn)
{
    bool answer = xc_stands(&repair->held, txn);

    flow_txn_free(txn);
    return answer;
}

static void set_again(void *arg, const struct node_xc *from)
{
    struct repair *repair = arg;
    struct flow_txn txn = {0};
    struct err err = {0};
    struct xc xc;

    if (switching_xc(repair->switching, from, &xc, &err) < 0) {
        log_warn(FAULT_PEER, "bridge", "cross-connect %u cannot be set again: %s", from->id, err.text);
        return;
    }
    xc_set(&txn, &xc);
    if (stands(repair, &txn))
        return;
    xc_set(&repair->txn, &xc);
    if (++repair->n >= LSPS_PER_TXN)
        send_repair(repair);
}

static void set_bridges_again(struct repair *repair)
{
    const struct switching *s = repair->switching;

    for (unsigned i = 0; i < s->daemon->config->clients_count; i++) {
        struct node_side side = {.link = NODE_LINK_NONE, .client = s->daemon->config->clients[i].id};
        struct flow_txn txn = {0};

        if (switching_put_bridge(s, &txn, &side, NULL) == 0 && !stands(repair, &txn))
            switching_put_bridge(s, &repair->txn, &side, NULL);
    }
}

static void add_id(struct id_list *list, uint32_t id)
{
    list->ids = array_reserve(list->ids, list->n, &list->capacity, sizeof *list->ids);
    list->ids[list->n++] = id;
}

static void list_id(void *arg, const struct node_xc *xc)
{
    add_id(arg, xc->id);
}

static int compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

    return x < y ? -1 : x > y;
}

static void sort(struct id_list *list)
{
    if (list->n)
        qsort(list->ids, list->n, sizeof *list->ids, compare_ids);
}

static bool is_listed(const struct id_list *list, uint32_t id)
{
    return list->n && bsearch(&id, list->ids, list->n, sizeof id, compare_ids);
}

/* LSPs of which something is there, each once. A meter may be without flows: it is added before them. */
static struct id_list found_ids(const struct bridge_content *content)
{
    struct id_list found = {0};
    enum xc_cookie_kind kind;
    size_t n = 0;
    uint32_t id;

    for (size_t i = 0; i < content->flows.n; i++)
        if (xc_cookie_parse(content->flows.flows[i].cookie, &kind, &id) && kind == XC_COOKIE_LSP)
            add_id(&found, id);
    for (size_t i = 0; i < content->n_meters; i++)
        if (content->meters[i].id <= XC_ID_MAX)
            add_id(&found, content->meters[i].id);
    sort(&found);
    for (size_t i = 0; i < found.n; i++)
        if (!n || found.ids[i] != found.ids[n - 1])
            found.ids[n++] = found.ids[i];
    found.n = n;
    return found;
}

/* LSPs that are there, and are not to stand. */
static struct id_list stray_ids(const struct switching *s, const struct bridge_content *content)
{
    struct id_list standing = {0}, found = found_ids(content);
    size_t n = 0;

    node_xc_each(s->daemon->node, list_id, &standing);
    sort(&standing);
    for (size_t i = 0; i < found.n; i++)
        if (!is_listed(&standing, found.ids[i]))
            found.ids[n++] = found.ids[i];
    found.n = n;
    free(standing.ids);
    return found;
}

static void clear_strays(struct repair *repair, const struct id_list *strays)
{
    for (size_t i = 0; i < strays->n; i++)
        xc_clear(&repair->txn, strays->ids[i]);
    if (strays->n)
        log_info("bridge", "%zu cross-connects that nobody wants are removed", strays->n);
}

/* ---- what the bridge held at our start ---- */

static bool node_side_of(const struct switching *s, const struct xc_side *side, struct node_side *to)
{
    const struct config *config = s->daemon->config;

    *to = (struct node_side) {.link = NODE_LINK_NONE, .in_label = side->in_label, .out_label = side->out_label};
    for (unsigned i = 0; side->kind == XC_LINK && i < config->te_links_count; i++)
        if (s->links[i].number == side->port)
            to->link = (int) i;
    for (unsigned i = 0; side->kind != XC_LINK && i < config->clients_count; i++) {
        if (s->clients[i].number != side->port)
            continue;
        to->client = config->clients[i].id;
        to->vlan = side->kind == XC_VLAN ? side->vlan : CLIENT_VLAN_NONE;
    }
    return side->kind == XC_LINK ? to->link != NODE_LINK_NONE : to->client != 0;
}

/* Hands the strays to the node, that may know them yet. */
static void tell_found(struct repair *repair, const struct id_list *strays)
{
    struct switching *s = repair->switching;
    AUTO_FREE struct node_xc *found = xcalloc(strays->n + 1, sizeof *found);
    size_t n = 0;

    for (size_t i = 0; i < strays->n; i++) {
        struct xc xc;

        if (xc_read(&repair->held, s->daemon->config->router, strays->ids[i], &xc) &&
            node_side_of(s, &xc.in, &found[n].in) && node_side_of(s, &xc.out, &found[n].out))
            found[n++].id = xc.id;
    }
    node_switch_read(s->daemon->node, found, n, loop_now(s->daemon->loop));
}

void switching_hold(struct switching *s, uint32_t id)
{
    add_id(&s->held, id);
}

struct held {
    const struct id_list *ids;
    struct node_xc *xcs;
    size_t n;
};

static void take_held(void *arg, const struct node_xc *xc)
{
    struct held *held = arg;

    for (size_t i = 0; i < held->ids->n; i++)
        if (held->ids->ids[i] == xc->id)
            held->xcs[held->n++] = *xc;
}

/* Once for each time that it was asked for. */
static void set_held(struct switching *s)
{
    struct id_list ids = s->held;
    struct held held = {&ids, xcalloc(ids.n + 1, sizeof *held.xcs), 0};

    s->held = (struct id_list) {0};
    node_xc_each(s->daemon->node, take_held, &held);
    for (size_t i = 0; i < held.n; i++)
        switching_set(s, &held.xcs[i]);
    free(held.xcs);
    free(ids.ids);
}

/* ---- floods ---- */

static bool is_bridge_port(const struct switching *s, uint32_t number)
{
    for (unsigned i = 0; i < s->daemon->config->clients_count; i++)
        if (s->daemon->config->clients[i].mode == NODE_CLIENT_BRIDGE && s->clients[i].number == number)
            return true;
    return false;
}

/* Floods of ports that no bridge client has any more: the configuration changed, or the switch gave the client's port
 * another number. They would keep LSPs off a link that has the number now. */
static void close_strays(struct repair *repair, const struct bridge_content *content)
{
    struct id_list ports = {0};
    enum xc_cookie_kind kind;
    struct node_xc xc = {0};

    for (size_t i = 0; i < content->flows.n; i++)
        if (xc_cookie_parse(content->flows.flows[i].cookie, &kind, &xc.id) && kind == XC_COOKIE_BRIDGE)
            list_id(&ports, &xc);
    sort(&ports);
    for (size_t i = 0; i < ports.n; i++)
        if ((!i || ports.ids[i] != ports.ids[i - 1]) && !is_bridge_port(repair->switching, ports.ids[i]))
            xc_bridge(&repair->txn, ports.ids[i], NULL, 0);
    free(ports.ids);
}

/* The node is told first, so that what it takes back is set as it stands. */
static void put_right(struct repair *repair, const struct bridge_content *content)
{
    struct switching *s = repair->switching;
    struct id_list strays = stray_ids(s, content);
    struct flow_txn base = {0};

    if (!s->read)
        tell_found(repair, &strays);
    xc_base(&base);
    if (!stands(repair, &base))
        xc_base(&repair->txn);
    if (mono_reached(s->recovered, loop_now(s->daemon->loop)))
        clear_strays(repair, &strays);
    else if (strays.n)
        s->strays = s->recovered;
    close_strays(repair, content);
    send_repair(repair);
    node_xc_each(s->daemon->node, set_again, repair);
    set_bridges_again(repair);
    send_repair(repair);
    free(strays.ids);
}

static void content_read(void *arg, const struct bridge_content *content, const struct err *err)
{
    struct switching *s = arg;
    struct repair repair = {.switching = s};

    s->repairing = false;
    if (err->code) {
        repaired(s, 0, err);
        return;
    }
    repair.held = xc_held_make(&content->flows, content->meters, content->n_meters);
    put_right(&repair, content);
    xc_held_free(&repair.held);
    if (!s->read) {
        s->read = true;
        set_held(s);
        daemon_drain(s->daemon);
    }
    switching_set_timer(s);
}

void switching_start_repair(struct switching *s)
{
    s->repair = s->strays = MONO_NEVER;
    if (!bridge_is_up(s->bridge) || s->repairing)
        return;
    s->repairing = true;
    bridge_read(s->bridge, xc_cookie(XC_COOKIE_BASE, 0), COOKIE_MASK, content_read);
}
