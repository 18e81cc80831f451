/* SPDX-License-Identifier: Apache-2.0 */
#include "gmpls/crossconnect.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

#define TTL_FIRST 255 /* RFC 3443: the pipe's own */
#define BURST_MIN_KBIT 145

#define COOKIE_MARK UINT64_C(0x5c67)
#define COOKIE_EXACT UINT64_MAX

enum {
    PRIORITY_NEVER = 300,
    PRIORITY_NOT_FROM_BRIDGE = 250,
    PRIORITY_END = 200,
    PRIORITY_UNKNOWN = 200,
    PRIORITY_EXPIRED = 150,
    PRIORITY_KNOWN = 130,
    PRIORITY_HELD = 120,
    PRIORITY_FRESH = 110,
    PRIORITY_TEACHES = 110,
    PRIORITY_TRANSIT = 100,
    PRIORITY_REST = 100
};

uint64_t xc_cookie(enum xc_cookie_kind kind, uint32_t id)
{
    return COOKIE_MARK << 48 | (uint64_t) kind << 40 | id;
}

bool xc_cookie_parse(uint64_t cookie, enum xc_cookie_kind *kind, uint32_t *id)
{
    unsigned got = cookie >> 40 & 0xff;

    if (cookie >> 48 != COOKIE_MARK || (cookie >> 32 & 0xff) || got < XC_COOKIE_BASE || got > XC_COOKIE_BRIDGE)
        return false;
    *kind = (enum xc_cookie_kind) got;
    *id = (uint32_t) cookie;
    return true;
}

struct mac xc_link_mac(uint32_t node, uint32_t port)
{
    return (struct mac) {{0x02, 0x5c, (uint8_t) (node >> 8), (uint8_t) node, (uint8_t) (port >> 8), (uint8_t) port}};
}

/* What is right */

static int side_check(const struct xc *xc, const struct xc_side *side, const char *name, struct err *err)
{
    if (side->port < 1 || side->port > XC_PORT_MAX)
        return err_set(err, ERR_INVALID, "LSP %u has port %u at its '%s' side; 1..%u can be used", xc->id, side->port,
                       name, XC_PORT_MAX);
    if (side->kind == XC_VLAN && (side->vlan < 1 || side->vlan > 4094))
        return err_set(err, ERR_INVALID, "LSP %u has VLAN %u at its '%s' side; 1..4094 can be used", xc->id, side->vlan,
                       name);
    if (side->kind == XC_LINK && (side->in_label < XC_LABEL_MIN || side->in_label > XC_LABEL_MAX ||
                                  side->out_label < XC_LABEL_MIN || side->out_label > XC_LABEL_MAX))
        return err_set(err, ERR_INVALID, "LSP %u has labels %u and %u at its '%s' side; %u..%u can be used", xc->id,
                       side->in_label, side->out_label, name, XC_LABEL_MIN, XC_LABEL_MAX);
    return 0;
}

int xc_check(const struct xc *xc, struct err *err)
{
    int rc;

    if (xc->id < 1 || xc->id > XC_ID_MAX)
        return err_set(err, ERR_INVALID, "an LSP has id %u; 1..%u can be used", xc->id, XC_ID_MAX);
    if (xc->in.kind != XC_LINK && xc->out.kind != XC_LINK)
        return err_set(err, ERR_INVALID, "LSP %u has clients on both sides; one of them has to be a link", xc->id);
    if ((rc = side_check(xc, &xc->in, "in", err)) < 0 || (rc = side_check(xc, &xc->out, "out", err)) < 0)
        return rc;
    return 0;
}

/* Pieces of flows */

static struct flow lsp_flow(const struct xc *xc, enum xc_table table, uint16_t priority)
{
    return flow_make((uint8_t) table, priority, xc_cookie(XC_COOKIE_LSP, xc->id));
}

static struct flow base_flow(enum xc_table table, uint16_t priority)
{
    return flow_make((uint8_t) table, priority, xc_cookie(XC_COOKIE_BASE, 0));
}

static void match_label(struct flow *flow, const struct xc_side *link, bool is_bottom)
{
    match_u(&flow->match, FIELD_IN_PORT, link->port);
    match_u(&flow->match, FIELD_ETH_TYPE, ETH_TYPE_MPLS);
    match_u(&flow->match, FIELD_MPLS_LABEL, link->in_label);
    match_u(&flow->match, FIELD_MPLS_BOS, is_bottom);
}

/* To the link, over which MPLS goes out with this label. */
static void output_label(struct flow *flow, const struct xc *xc, const struct xc_side *link, bool turn)
{
    struct mac source = xc_link_mac(xc->node, link->port);

    flow_set_u(flow, FIELD_MPLS_LABEL, link->out_label);
    flow_set_u(flow, FIELD_MPLS_TC, 0);
    flow_set_mac(flow, FIELD_ETH_SRC, &source);
    flow_set_mac(flow, FIELD_ETH_DST, &flow_mpls_next_hop);
    flow_output(flow, turn ? PORT_IN_PORT : link->port);
}

static void encapsulate(struct flow *flow)
{
    flow_add_action(flow, ACTION_ENCAP)->packet_type = PACKET_TYPE_MPLS;
    flow_add_action(flow, ACTION_ENCAP)->packet_type = PACKET_TYPE_ETHERNET;
}

/* The TTL is what encap(mpls) would take from the client's packet. */
static void enter_lsp(struct flow *flow, const struct xc *xc, const struct xc_side *link)
{
    flow_set_u(flow, FIELD_MPLS_TTL, TTL_FIRST);
    output_label(flow, xc, link, false);
}

/* Base */

static void drop_expired(struct flow_txn *txn, uint8_t ttl)
{
    struct flow flow = base_flow(XC_CLASSIFY, PRIORITY_EXPIRED);

    match_u(&flow.match, FIELD_ETH_TYPE, ETH_TYPE_MPLS);
    match_u(&flow.match, FIELD_MPLS_TTL, ttl);
    flow_txn_add(txn, flow);
}

static void drop_tagged(struct flow_txn *txn, uint16_t ethertype)
{
    struct flow flow = base_flow(XC_CLASSIFY, PRIORITY_NEVER);

    match_u_masked(&flow.match, FIELD_VLAN_VID, VLAN_PRESENT, VLAN_PRESENT);
    match_u(&flow.match, FIELD_ETH_TYPE, ethertype);
    flow_txn_add(txn, flow);
}

void xc_base(struct flow_txn *txn)
{
    struct flow held = base_flow(XC_TEACH, PRIORITY_HELD);

    flow_txn_meter_add(txn, (struct flow_meter) {.id = XC_PUNT_METER, .rate = XC_PUNT_KBPS, .burst = XC_PUNT_KBPS});
    flow_txn_delete_cookie(txn, FLOW_TABLE_ALL, xc_cookie(XC_COOKIE_BASE, 0), COOKIE_EXACT);
    drop_tagged(txn, ETH_TYPE_MPLS);
    drop_tagged(txn, ETH_TYPE_MPLS_MULTICAST);
    drop_expired(txn, 0);
    drop_expired(txn, 1);
    flow_txn_add(txn, base_flow(XC_CLASSIFY, 0));
    match_u(&held.match, FIELD_REG3, 1);
    flow_txn_add(txn, held);
}

/* LSPs */

static void add_transit(struct flow_txn *txn, const struct xc *xc, const struct xc_side *from, const struct xc_side *to)
{
    for (unsigned is_bottom = 0; is_bottom < 2; is_bottom++) {
        struct flow flow = lsp_flow(xc, XC_CLASSIFY, PRIORITY_TRANSIT);

        match_label(&flow, from, is_bottom);
        flow_add_action(&flow, ACTION_DEC_MPLS_TTL);
        output_label(&flow, xc, to, from->port == to->port);
        flow_txn_add(txn, flow);
    }
}

static void add_probe(struct flow_txn *txn, const struct xc *xc, const struct xc_side *link, bool is_ingress)
{
    struct flow flow = lsp_flow(xc, XC_CLASSIFY, PRIORITY_END);

    match_label(&flow, link, false);
    if (is_ingress) {
        flow.meter = XC_PUNT_METER;
        flow_output(&flow, PORT_CONTROLLER);
    } else {
        flow_add_action(&flow, ACTION_DEC_MPLS_TTL);
        output_label(&flow, xc, link, true);
    }
    flow_txn_add(txn, flow);
}

static void add_decap(struct flow_txn *txn, const struct xc *xc, const struct xc_side *link)
{
    struct flow flow = lsp_flow(xc, XC_CLASSIFY, PRIORITY_END);

    match_label(&flow, link, true);
    flow_set_u(&flow, FIELD_REG0, xc->id);
    flow_add_action(&flow, ACTION_DECAP)->packet_type =
        PACKET_TYPE_NEXT; /* the link's Ethernet header, then the label */
    flow_add_action(&flow, ACTION_DECAP)->packet_type = PACKET_TYPE_ETHERNET;
    flow.goto_table = XC_DELIVER;
    flow_txn_add(txn, flow);
}

static void add_vlan(struct flow_txn *txn, const struct xc *xc, const struct xc_side *client,
                     const struct xc_side *link, uint32_t meter)
{
    struct flow from = lsp_flow(xc, XC_CLASSIFY, PRIORITY_END), to = lsp_flow(xc, XC_DELIVER, PRIORITY_REST);

    match_u(&from.match, FIELD_IN_PORT, client->port);
    match_u(&from.match, FIELD_VLAN_VID, VLAN_PRESENT | client->vlan);
    from.meter = meter;
    flow_add_action(&from, ACTION_POP_VLAN);
    encapsulate(&from);
    enter_lsp(&from, xc, link);
    flow_txn_add(txn, from);
    match_u(&to.match, FIELD_REG0, xc->id);
    flow_add_action(&to, ACTION_PUSH_VLAN);
    flow_set_u(&to, FIELD_VLAN_VID, client->vlan);
    flow_output(&to, client->port);
    flow_txn_add(txn, to);
}

/* Of a frame's sender, into a table that is keyed by client port and destination. */
static struct flow_learn learning(const struct xc *xc, enum xc_table table, const struct xc_side *client)
{
    struct flow_learn learn = {
        .table = (uint8_t) table,
        .priority = PRIORITY_REST,
        .limit = XC_MACS_MAX,
        .cookie = xc_cookie(XC_COOKIE_LSP, xc->id),
    };

    flow_learn_add(&learn, (struct flow_learn_spec) {LEARN_MATCH_VALUE, 0, FIELD_REG1, client->port});
    flow_learn_add(&learn, (struct flow_learn_spec) {LEARN_MATCH_FIELD, FIELD_ETH_SRC, FIELD_ETH_DST, 0});
    return learn;
}

static void add_teach_mac(struct flow *flow, const struct xc *xc, const struct xc_side *client)
{
    struct flow_learn learn = learning(xc, XC_MAC, client);

    learn.idle_timeout = XC_MAC_IDLE_S;
    flow_learn_add(&learn, (struct flow_learn_spec) {LEARN_LOAD_VALUE, 0, FIELD_REG2, xc->id});
    flow_add_action(flow, ACTION_LEARN)->learn = learn;
}

static void add_teach_hold(struct flow *flow, const struct xc *xc, const struct xc_side *client)
{
    struct flow_learn learn = learning(xc, XC_HOLD, client);

    learn.hard_timeout = XC_HOLD_S;
    flow_learn_add(&learn, (struct flow_learn_spec) {LEARN_LOAD_VALUE, 0, FIELD_REG3, 1});
    flow_add_action(flow, ACTION_LEARN)->learn = learn;
}

static void add_teaching(struct flow_txn *txn, const struct xc *xc, const struct xc_side *client)
{
    struct flow known = lsp_flow(xc, XC_TEACH, PRIORITY_KNOWN), fresh = lsp_flow(xc, XC_TEACH, PRIORITY_FRESH);
    struct flow moved = lsp_flow(xc, XC_TEACH, PRIORITY_REST);

    match_u(&known.match, FIELD_REG0, xc->id);
    match_u(&known.match, FIELD_REG2, xc->id);
    flow_txn_add(txn, known);
    match_u(&fresh.match, FIELD_REG0, xc->id);
    match_u(&fresh.match, FIELD_REG2, 0);
    add_teach_mac(&fresh, xc, client);
    flow_txn_add(txn, fresh);
    /* The hold comes first: from then on, nothing that is counted late moves the MAC back. */
    match_u(&moved.match, FIELD_REG0, xc->id);
    add_teach_hold(&moved, xc, client);
    add_teach_mac(&moved, xc, client);
    flow_txn_add(txn, moved);
}

/* Looks the sender up as if it were the destination, in a copy that goes nowhere. */
static void look_up_sender(struct flow *flow, const struct xc_side *client)
{
    uint16_t clone;

    flow_set_u(flow, FIELD_REG1, client->port);
    clone = flow_clone_begin(flow);
    flow_move(flow, FIELD_ETH_SRC, FIELD_ETH_DST);
    flow_add_action(flow, ACTION_RESUBMIT)->table = XC_MAC;
    flow_add_action(flow, ACTION_RESUBMIT)->table = XC_HOLD;
    flow_add_action(flow, ACTION_RESUBMIT)->table = XC_TEACH;
    flow_clone_end(flow, clone);
}

static void add_bridge(struct flow_txn *txn, const struct xc *xc, const struct xc_side *client,
                       const struct xc_side *link, uint32_t meter)
{
    struct flow from = lsp_flow(xc, XC_ENCAP, PRIORITY_REST), to = lsp_flow(xc, XC_DELIVER, PRIORITY_REST);
    struct flow teaches = lsp_flow(xc, XC_DELIVER, PRIORITY_TEACHES);

    match_u(&from.match, FIELD_REG0, xc->id);
    match_u(&from.match, FIELD_ETH_TYPE, ETH_TYPE_MPLS);
    from.meter = meter;
    enter_lsp(&from, xc, link);
    flow_txn_add(txn, from);
    match_u(&to.match, FIELD_REG0, xc->id);
    flow_output(&to, client->port);
    flow_txn_add(txn, to);
    /* A group address, learned, would take the floods for itself. */
    match_u(&teaches.match, FIELD_REG0, xc->id);
    match_u_masked(&teaches.match, FIELD_ETH_SRC, 0, UINT64_C(0x010000000000));
    look_up_sender(&teaches, client);
    flow_output(&teaches, client->port);
    flow_txn_add(txn, teaches);
    add_teaching(txn, xc, client);
}

static uint32_t add_meter(struct flow_txn *txn, const struct xc *xc)
{
    uint64_t kbps = xc->rate_bps / 1000 + (xc->rate_bps % 1000 != 0);
    uint32_t rate = kbps < UINT32_MAX ? (uint32_t) kbps : UINT32_MAX;

    if (rate == 0)
        return 0;
    flow_txn_meter_add(txn, (struct flow_meter) {.id = xc->id,
                                                 .rate = rate,
                                                 .burst = rate / 10 > BURST_MIN_KBIT ? rate / 10 : BURST_MIN_KBIT});
    return xc->id;
}

static void add_end(struct flow_txn *txn, const struct xc *xc, const struct xc_side *client, const struct xc_side *link)
{
    uint32_t meter = add_meter(txn, xc);

    add_decap(txn, xc, link);
    add_probe(txn, xc, link, client == &xc->in);
    if (client->kind == XC_VLAN)
        add_vlan(txn, xc, client, link, meter);
    else
        add_bridge(txn, xc, client, link, meter);
}

void xc_set(struct flow_txn *txn, const struct xc *xc)
{
    static const enum xc_table tables[] = {XC_CLASSIFY, XC_TEACH, XC_ENCAP, XC_DELIVER};

    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        flow_txn_delete_cookie(txn, (uint8_t) tables[i], xc_cookie(XC_COOKIE_LSP, xc->id), COOKIE_EXACT);
    if (xc->in.kind != XC_LINK) {
        add_end(txn, xc, &xc->in, &xc->out);
    } else if (xc->out.kind != XC_LINK) {
        add_end(txn, xc, &xc->out, &xc->in);
    } else {
        add_transit(txn, xc, &xc->in, &xc->out);
        add_transit(txn, xc, &xc->out, &xc->in);
    }
}

void xc_clear(struct flow_txn *txn, uint32_t id)
{
    flow_txn_delete_cookie(txn, FLOW_TABLE_ALL, xc_cookie(XC_COOKIE_LSP, id), COOKIE_EXACT);
    flow_txn_meter_delete(txn, id);
}

/* Clients in bridge mode */

static void drop_from_bridge(struct flow_txn *txn, struct flow flow, uint32_t port)
{
    match_u(&flow.match, FIELD_IN_PORT, port);
    flow_txn_add(txn, flow);
}

static void add_flood(struct flow_txn *txn, uint32_t port, const uint32_t *ids, size_t n)
{
    struct flow flow = flow_make(XC_FORWARD, PRIORITY_UNKNOWN, xc_cookie(XC_COOKIE_BRIDGE, port));

    match_u(&flow.match, FIELD_REG1, port);
    match_u(&flow.match, FIELD_REG2, 0);
    for (size_t i = 0; i < n; i++) {
        uint16_t clone = flow_clone_begin(&flow);

        flow_set_u(&flow, FIELD_REG0, ids[i]);
        encapsulate(&flow);
        flow_add_action(&flow, ACTION_RESUBMIT)->table = XC_ENCAP;
        flow_add_action(&flow, ACTION_DECAP)->packet_type = PACKET_TYPE_NEXT; /* crossconnect.h, traps */
        flow_clone_end(&flow, clone);
    }
    flow_txn_add(txn, flow);
}

void xc_bridge(struct flow_txn *txn, uint32_t port, const uint32_t *ids, size_t n)
{
    static const uint16_t mpls[] = {ETH_TYPE_MPLS, ETH_TYPE_MPLS_MULTICAST};
    uint64_t cookie = xc_cookie(XC_COOKIE_BRIDGE, port);
    struct flow flow = flow_make(XC_CLASSIFY, PRIORITY_END, cookie);

    if (n > XC_BRIDGE_LSPS_MAX) {
        fprintf(stderr, "crossconnect: %zu LSPs on client port %u\n", n, port);
        abort();
    }
    flow_txn_delete_cookie(txn, FLOW_TABLE_ALL, cookie, COOKIE_EXACT);
    if (n == 0)
        return;
    match_u(&flow.match, FIELD_IN_PORT, port);
    match_u(&flow.match, FIELD_VLAN_VID, 0);
    flow_set_u(&flow, FIELD_REG1, port);
    flow_add_action(&flow, ACTION_RESUBMIT)->table = XC_MAC;
    flow.goto_table = XC_FORWARD;
    flow_txn_add(txn, flow);
    for (size_t i = 0; i < ARRAY_LEN(mpls); i++) {
        flow = flow_make(XC_CLASSIFY, PRIORITY_NOT_FROM_BRIDGE, cookie);
        match_u(&flow.match, FIELD_ETH_TYPE, mpls[i]);
        drop_from_bridge(txn, flow, port);
    }
    /* IEEE 802.1Q §8.6.3: addresses that are the business of this very link. */
    flow = flow_make(XC_CLASSIFY, PRIORITY_NOT_FROM_BRIDGE, cookie);
    match_u_masked(&flow.match, FIELD_ETH_DST, UINT64_C(0x0180c2000000), UINT64_C(0xfffffffffff0));
    drop_from_bridge(txn, flow, port);
    add_flood(txn, port, ids, n);
    flow = flow_make(XC_FORWARD, PRIORITY_REST, cookie);
    match_u(&flow.match, FIELD_REG1, port);
    flow_move(&flow, FIELD_REG2, FIELD_REG0);
    encapsulate(&flow);
    flow_add_action(&flow, ACTION_RESUBMIT)->table = XC_ENCAP;
    flow_txn_add(txn, flow);
}
