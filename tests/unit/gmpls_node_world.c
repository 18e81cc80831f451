/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "gmpls_node_world.h"

/* ---- lines ---- */

static void add_line(struct node_world *w, struct strbuf *text)
{
    assert_true(w->n_lines < LINES_MAX);
    w->lines[w->n_lines++] = strbuf_take(text);
}

void want(struct node_world *w, const char *line)
{
    if (w->first == w->n_lines)
        fail_msg("nothing is said, instead of: %s", line);
    assert_string_equal(w->lines[w->first], line);
    w->first++;
}

void silent(struct node_world *w)
{
    if (w->first < w->n_lines)
        fail_msg("not silent: %s", w->lines[w->first]);
}

void pass_over(struct node_world *w)
{
    w->first = w->n_lines;
}

static void tell_flags(struct strbuf *text, const struct rsvp_message *m)
{
    if (m->has & RSVP_HAS_ADMIN_STATUS)
        strbuf_printf(text, " status%s%s", m->admin_status & RSVP_ADMIN_DELETION ? " D" : "",
                      m->admin_status & RSVP_ADMIN_REFLECT ? " R" : "");
    if (m->has & RSVP_HAS_RECOVERY_LABEL)
        strbuf_printf(text, " recovery %u", m->recovery_label);
    if (m->has & RSVP_HAS_LABEL_SET)
        strbuf_printf(text, " set %u", m->labels[0]);
    if (m->has & RSVP_HAS_ACCEPTABLE_LABELS)
        strbuf_printf(text, " acceptable %u and %zu more", m->labels[0], m->n_labels - 1);
    for (unsigned u = 0; u < m->n_unknown; u++)
        strbuf_printf(text, " class %u", m->unknown[u].class);
}

static void tell_error(struct strbuf *text, const struct lsp_error *error)
{
    char address[16];

    strbuf_printf(text, " %u/%u", error->code, error->value);
    if (error->interface_ip)
        strbuf_printf(text, " at %s", ipv4_format(error->interface_ip, address));
    if (error->interface_id)
        strbuf_printf(text, " at client %u", error->interface_id);
    if (error->path_state_removed)
        strbuf_puts(text, " removed");
}

static void tell_message(struct node_world *w, const char *to, const struct rsvp_message *m)
{
    AUTO_FREE char *route = lsp_route_format(m->type == RSVP_PATH ? &m->ero : &m->rro);
    struct strbuf text = {0};

    strbuf_printf(&text, "%s <-- %s", to, rsvp_type_name(m->type));
    if (m->type == RSVP_PATH)
        strbuf_printf(&text, " upstream %u ERO %s", m->upstream_label, route);
    if (m->type == RSVP_RESV)
        strbuf_printf(&text, " label %u RRO %s", m->label, route);
    if (m->has & RSVP_HAS_ERROR && m->error.code)
        tell_error(&text, &m->error);
    tell_flags(&text, m);
    add_line(w, &text);
}

static void tell_side(struct strbuf *text, const struct node_side *side)
{
    if (side->link != NODE_LINK_NONE)
        strbuf_printf(text, " %c %u/%u", 'A' + side->link, side->in_label, side->out_label);
    else if (side->vlan == CLIENT_VLAN_NONE)
        strbuf_printf(text, " client %u", side->client);
    else
        strbuf_printf(text, " client %u VLAN %u", side->client, side->vlan);
}

static void tell_xc(struct node_world *w, const char *what, const struct node_xc *xc)
{
    struct strbuf text = {0};

    strbuf_puts(&text, what);
    tell_side(&text, &xc->in);
    tell_side(&text, &xc->out);
    add_line(w, &text);
}

static void tell_report(struct node_world *w, const struct lsp_report *report, uint64_t cookie)
{
    AUTO_FREE char *record = lsp_route_format(&report->record);
    struct strbuf text = {0};

    strbuf_printf(&text, "report %s %s%s", report->name, lsp_state_name(report->state),
                  report->removed ? " removed" : "");
    if (report->error.code) {
        struct lsp_error error = report->error;

        error.path_state_removed = false;
        tell_error(&text, &error);
    }
    if (report->state == LSP_UP)
        strbuf_printf(&text, " %u.%u to %u.%u over %s", report->ingress_client.interface, report->ingress_client.vlan,
                      report->egress_client.interface, report->egress_client.vlan, record);
    if (cookie)
        strbuf_printf(&text, " cookie %llu", (unsigned long long) cookie);
    add_line(w, &text);
}

/* ---- passing things on ---- */

/* As any node does, it refreshes no longer what was ended. */
static void peer_forgets(struct node_world *w, enum peer peer, const struct rsvp_message *message)
{
    struct neighbour_key key = {RSVP_RESV, message->session, message->sender};

    if (message->type == RSVP_PATH_ERR && message->error.path_state_removed)
        key.type = RSVP_PATH;
    else if (message->type != RSVP_PATH_TEAR && message->type != RSVP_RESV_ERR)
        return;
    neighbour_forget(w->peers[peer], &key);
}

static void peer_hears(struct node_world *w, enum peer peer)
{
    struct neighbour_event event;
    char name[2] = {(char) ('A' + peer), 0};

    while (neighbour_event(w->peers[peer], &event)) {
        if (event.type != NEIGHBOUR_MESSAGE)
            continue;
        tell_message(w, name, &event.message);
        if (!w->stubborn)
            peer_forgets(w, peer, &event.message);
        rsvp_message_free(&event.message);
    }
}

static void to_peer(struct node_world *w, struct node_action *action)
{
    if (action->link == NODE_LINK_NONE) {
        w->routed_from = action->source;
        rsvp_message_free(&w->routed);
        w->routed = rsvp_message_copy(action->message);
        tell_message(w, "routed", action->message);
        rsvp_message_free(action->message);
        return;
    }
    if (w->deaf[action->link]) {
        rsvp_message_free(action->message);
        return;
    }
    neighbour_receive(w->peers[action->link], action->message, w->now);
    peer_hears(w, (enum peer) action->link);
}

static void save(struct node_world *w, uint64_t key, char *text)
{
    assert_true(key < RECORDS_MAX);
    free(w->records[key]);
    w->records[key] = text;
}

static bool drain(struct node_world *w)
{
    struct node_action action;
    bool any = false;

    while (node_action(w->node, &action)) {
        any = true;
        switch (action.type) {
        case NODE_SEND:
            to_peer(w, &action);
            break;
        case NODE_XC_SET:
            w->xc = action.xc.id;
            tell_xc(w, "xc set", &action.xc);
            break;
        case NODE_XC_CLEAR:
            tell_xc(w, "xc clear", &action.xc);
            break;
        case NODE_PROBE: {
            struct strbuf text = {0};

            w->nonce = action.nonce;
            strbuf_puts(&text, "probe");
            add_line(w, &text);
            break;
        }
        case NODE_REPORT:
            tell_report(w, action.report, action.cookie);
            break;
        case NODE_SAVE:
            save(w, action.key, action.text);
            action.text = NULL;
            break;
        case NODE_FORGET:
            save(w, action.key, NULL);
            break;
        case NODE_LOG:
            w->logged++;
            snprintf(w->log, sizeof w->log, "%s", action.text);
            break;
        case NODE_BANDWIDTH:
            break;
        }
        node_action_free(&action);
    }
    return any;
}

static bool from_peers(struct node_world *w)
{
    struct rsvp_message message;
    bool any = false;

    for (int peer = A; peer < PEERS; peer++) {
        while (w->peers[peer] && neighbour_output(w->peers[peer], &message)) {
            any = true;
            if (w->deaf[peer] || !w->node)
                rsvp_message_free(&message);
            else
                node_receive(w->node, peer, &message, w->now);
        }
    }
    return any;
}

void carry(struct node_world *w)
{
    bool any;

    do {
        any = w->node && drain(w);
        any |= from_peers(w);
    } while (any);
}

static struct mono next_deadline(const struct node_world *w)
{
    struct mono next = w->node ? node_deadline(w->node) : MONO_NEVER;

    for (int peer = A; peer < PEERS; peer++)
        next = mono_min(next, neighbour_deadline(w->peers[peer]));
    return next;
}

void pass_ms(struct node_world *w, int64_t ms)
{
    struct mono until = mono_add(w->now, ms), next;

    carry(w);
    while ((next = next_deadline(w)).ms <= until.ms) {
        w->now = next.ms > w->now.ms ? next : mono_add(w->now, 1);
        if (w->node && mono_reached(node_deadline(w->node), w->now))
            node_tick(w->node, w->now);
        for (int peer = A; peer < PEERS; peer++) {
            if (mono_reached(neighbour_deadline(w->peers[peer]), w->now))
                neighbour_tick(w->peers[peer], w->now);
            peer_hears(w, (enum peer) peer);
        }
        carry(w);
    }
    w->now = until;
}

/* ---- beginning and end ---- */

static void start_peer(struct node_world *w, enum peer peer, uint32_t instance)
{
    struct neighbour_config config = {.local = REMOTE(peer),
                                      .remote = LOCAL(peer),
                                      .hello_ms = 1000,
                                      .hello_miss = 3,
                                      .refresh_ms = w->peer_refresh_ms,
                                      .retry_ms = 100,
                                      .retries = 3,
                                      .restart_ms = w->peer_restart_ms,
                                      .recovery_ms = w->peer_recovery_ms,
                                      .instance = instance,
                                      .epoch = instance};

    w->peers[peer] = neighbour_new(&config, w->now);
}

static void start_node(struct node_world *w)
{
    static const struct node_client_config clients[] = {
        {.name = "vlan", .id = 7, .mode = NODE_CLIENT_VLAN, .vlan_first = 100, .vlan_last = 102},
        {.name = "bridge", .id = 8, .mode = NODE_CLIENT_BRIDGE}};
    struct node_link_config links[PEERS];
    struct node_config config = {.name = "N",
                                 .router_id = ROUTER_N,
                                 .links = links,
                                 .n_links = PEERS,
                                 .clients = clients,
                                 .n_clients = 2,
                                 .setup_ms = 5000,
                                 .probe_first_ms = 3,
                                 .probe_ms = 20,
                                 .delete_ms = 500,
                                 .lsps_max = w->lsps_max,
                                 .link_hold_ms = w->link_hold_ms,
                                 .client_hold_ms = w->client_hold_ms,
                                 .hello_ms = 1000,
                                 .hello_miss = 3,
                                 .refresh_ms = 30000,
                                 .retry_ms = 100,
                                 .retries = 3,
                                 .restart_ms = 20000,
                                 .recovery_ms = 20000,
                                 .instance = w->instance,
                                 .epoch = w->instance};
    struct err err = {0};

    for (int l = A; l < PEERS; l++) {
        links[l] = (struct node_link_config) {.local = LOCAL(l),
                                              .remote = REMOTE(l),
                                              .remote_router = ROUTER(l),
                                              .bandwidth_bps = 100 * MBPS,
                                              .label_first = 1000 * (uint32_t) (l + 1),
                                              .label_last = 1000 * (uint32_t) (l + 1) + (l == A ? 3 : 999)};
        snprintf(links[l].name, sizeof links[l].name, "%c", 'A' + l);
    }
    w->node = node_new(&config, w->now, &err);
    assert_non_null(w->node);
    for (uint64_t key = 0; key < RECORDS_MAX; key++) {
        if (w->records[key] && node_load(w->node, key, w->records[key], &err))
            fail_msg("record not taken: %s", err.text);
    }
    node_start(w->node, w->now);
}

/* As the switch says at once. */
void links_up(struct node_world *w)
{
    for (int l = A; l < PEERS; l++)
        node_link_data(w->node, l, true, w->now);
    node_switch_read(w->node, w->found, w->n_found, w->now);
}

struct node_world *node_world(void)
{
    struct node_world *w = xcalloc(1, sizeof *w);

    w->now = (struct mono) {1000};
    w->instance = 1;
    w->peer_restart_ms = w->peer_recovery_ms = 20000;
    w->peer_refresh_ms = 30000;
    for (int peer = A; peer < PEERS; peer++)
        start_peer(w, (enum peer) peer, 77);
    start_node(w);
    links_up(w);
    pass_ms(w, 3000);
    for (int l = A; l < PEERS; l++)
        assert_true(node_link_usable(w->node, l));
    silent(w);
    return w;
}

void node_world_end(struct node_world *w)
{
    silent(w);
    for (unsigned l = 0; l < w->n_lines; l++)
        free(w->lines[l]);
    for (size_t key = 0; key < RECORDS_MAX; key++)
        free(w->records[key]);
    for (int peer = A; peer < PEERS; peer++)
        neighbour_free(w->peers[peer]);
    rsvp_message_free(&w->routed);
    node_free(w->node);
    free(w);
}

void crash(struct node_world *w)
{
    node_free(w->node);
    w->node = NULL;
    w->instance++;
}

void revive_without_links(struct node_world *w)
{
    start_node(w);
}

void revive(struct node_world *w)
{
    start_node(w);
    links_up(w);
    carry(w);
}

void peer_restarts(struct node_world *w, enum peer peer)
{
    neighbour_free(w->peers[peer]);
    start_peer(w, peer, 78);
    pass_ms(w, 3000);
}

/* ---- what neighbours say ---- */

struct lsp_hop hop(uint32_t address)
{
    return (struct lsp_hop) {.type = HOP_IPV4, .address = address, .length = 32};
}

struct lsp_hop label_hop(uint32_t label, bool upstream)
{
    return (struct lsp_hop) {.type = HOP_LABEL, .label = label, .upstream = upstream};
}

struct lsp_hop client_hop(uint32_t router, uint32_t interface)
{
    return (struct lsp_hop) {.type = HOP_UNNUMBERED, .address = router, .interface = interface};
}

void ero(struct rsvp_message *message, size_t n, const struct lsp_hop *hops)
{
    lsp_route_free(&message->ero);
    for (size_t h = 0; h < n; h++)
        lsp_route_add(&message->ero, hops[h]);
}

struct rsvp_message about(uint8_t type, unsigned n)
{
    return (struct rsvp_message) {
        .type = type,
        .has = RSVP_HAS_SESSION | RSVP_HAS_SENDER | RSVP_HAS_HOP | RSVP_HAS_TSPEC | RSVP_HAS_STYLE |
               (type == RSVP_PATH_ERR || type == RSVP_RESV_ERR || type == RSVP_NOTIFY ? RSVP_HAS_ERROR : 0u),
        .session = {ROUTER(B), (uint16_t) n, ROUTER(A)},
        .sender = {ROUTER(A), 1},
        .hop = {.address = REMOTE(A), .lih = 9, .if_type = RSVP_IF_IPV4, .if_address = REMOTE(A)},
        .style = RSVP_STYLE_FF,
        .tspec = {.kind = RSVP_TSPEC_ETHERNET, .rate_bps = 10 * MBPS, .burst_bits = 1000, .mtu = 1500}};
}

struct rsvp_message path(unsigned n)
{
    struct rsvp_message message = about(RSVP_PATH, n);

    message.has &= ~(uint32_t) RSVP_HAS_STYLE;
    message.style = 0;
    message.has |= RSVP_HAS_ERO | RSVP_HAS_RRO | RSVP_HAS_LABEL_REQUEST | RSVP_HAS_UPSTREAM_LABEL | RSVP_HAS_ATTRIBUTE;
    message.label_request = (struct rsvp_label_request) {.encoding = 1, .switching = 1, .gpid = 33};
    message.upstream_label = 500 + n;
    message.attribute = (struct rsvp_attribute) {.setup_priority = 7, .holding_priority = 7, .flags = 2};
    snprintf(message.attribute.name, sizeof message.attribute.name, "lsp%u", n);
    ero(&message, 2, (const struct lsp_hop[]) {hop(LOCAL(A)), hop(REMOTE(B))});
    lsp_route_add(&message.rro, hop(REMOTE(A)));
    return message;
}

struct rsvp_message path_to_client(unsigned n, uint32_t client, uint32_t vlan)
{
    struct rsvp_message message = path(n);

    message.session.destination = ROUTER_N;
    ero(&message, 3, (const struct lsp_hop[]) {hop(LOCAL(A)), client_hop(ROUTER_N, client), label_hop(vlan, false)});
    return message;
}

struct rsvp_message resv(unsigned n, uint32_t label)
{
    struct rsvp_message message = about(RSVP_RESV, n);

    message.has |= RSVP_HAS_LABEL | RSVP_HAS_RRO;
    message.hop = (struct rsvp_hop) {.address = REMOTE(B), .lih = 2, .if_type = RSVP_IF_IPV4, .if_address = LOCAL(B)};
    message.label = label;
    lsp_route_add(&message.rro, hop(REMOTE(B)));
    lsp_route_add(&message.rro, label_hop(label, false));
    return message;
}

void says(struct node_world *w, enum peer peer, struct rsvp_message message)
{
    if (message.type == RSVP_PATH || message.type == RSVP_RESV)
        neighbour_keep(w->peers[peer], &message, w->now);
    else
        neighbour_send(w->peers[peer], &message, w->now);
    carry(w);
}

void xc_done(struct node_world *w, int code)
{
    node_xc_done(w->node, w->xc, code, w->now);
    carry(w);
}

struct node_usage usage(const struct node_world *w)
{
    return node_usage(w->node);
}

void nothing_left(struct node_world *w)
{
    struct node_usage left = node_usage(w->node);
    uint64_t unreserved[TE_PRIORITIES];

    silent(w);
    assert_int_equal(left.lsps, 0);
    assert_int_equal(left.labels, 0);
    assert_int_equal(left.vlans, 0);
    assert_int_equal(left.xcs, 0);
    assert_int_equal(left.reserved_bps, 0);
    for (int l = A; l < PEERS; l++) {
        node_unreserved(w->node, l, unreserved);
        assert_true(unreserved[7] == 100 * MBPS || unreserved[7] == 0);
    }
    for (size_t key = 0; key < RECORDS_MAX; key++)
        assert_null(w->records[key]);
}

/* ---- what askers want ---- */

struct lsp_request request(void)
{
    struct lsp_request with = {.name = "lsp1",
                               .ingress = ROUTER_N,
                               .egress = ROUTER(B),
                               .ingress_client = {7, CLIENT_VLAN_ANY},
                               .egress_client = {3, CLIENT_VLAN_ANY},
                               .bandwidth_bps = 10 * MBPS,
                               .setup_priority = 7,
                               .holding_priority = 7};

    lsp_route_add(&with.route, hop(REMOTE(B)));
    return with;
}

int initiate(struct node_world *w, struct lsp_request with, struct err *err)
{
    int status = node_initiate(w->node, &with, 5, w->now, err);

    lsp_request_free(&with);
    carry(w);
    return status;
}

void to_up(struct node_world *w)
{
    struct err err = {0};
    struct rsvp_message message;

    assert_int_equal(initiate(w, request(), &err), 0);
    want(w, "B <-- Path upstream 2000 ERO 10.252.2.2 10.253.0.20/3 label 0"); /* N --> B */
    want(w, "report lsp1 going up");
    message = resv(1, 600);
    message.session.extended_tunnel_id = message.sender.source = ROUTER_N;
    lsp_route_add(&message.rro, label_hop(2000, true));
    lsp_route_add(&message.rro, client_hop(ROUTER(B), 3));
    lsp_route_add(&message.rro, label_hop(44, false));
    says(w, B, message); /* N <-- B */
    want(w, "xc set client 7 VLAN 100 B 2000/600");
    xc_done(w, 0);
    pass_ms(w, 3);
    want(w, "probe");
    node_probe_seen(w->node, w->nonce, w->now);
    carry(w);
    want(w, "report lsp1 up 7.100 to 3.44 over 10.252.2.2 label 600 upstream label 2000 cookie 5");
    silent(w);
}
