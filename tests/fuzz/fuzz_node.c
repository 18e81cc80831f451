/* SPDX-License-Identifier: Apache-2.0 */
/* A transport node between two neighbours, a switch, an asker and a disk, that do anything at all, in any order. What
 * they say is well formed, as decoders hand on nothing else, but it need not make sense. Must hold after each step:
 * what the node sends can be encoded, and no two cross-connects take the same frames; and once all links are cut,
 * nothing is left of anything, nor in the switch or on disk. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "gmpls/node.h"
#include "proto/rsvp/rsvp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX 400
#define ROUTER_N 1u
#define ROUTER_A 2u
#define ROUTER_B 3u
#define LOCAL(link) (0x10u + 2 * (uint32_t) (link))
#define REMOTE(link) (0x11u + 2 * (uint32_t) (link))
#define LINK_BPS 100000000u

struct record {
    uint64_t key;
    char *text;
};

struct world {
    const uint8_t *data;
    size_t size;
    struct gmpls_node *node;
    struct mono now;
    uint32_t instance;
    struct record *records;
    size_t n_records, cap_records;
    struct node_xc *xcs; /* in the switch */
    size_t n_xcs, cap_xcs;
    struct node_xc *held; /* that were there at the last start */
    size_t n_held;
    uint32_t *waiting; /* ids of XC_SETs without an answer */
    size_t n_waiting, cap_waiting;
    uint64_t nonce;
    struct rsvp_session session; /* of the last Path that was sent */
    struct rsvp_sender sender;
};

static unsigned pick(struct world *w, unsigned n)
{
    unsigned byte = w->size ? *w->data : 0;

    if (w->size) {
        w->data++;
        w->size--;
    }
    return byte % n;
}

#define ONE_OF(w, ...) (((const uint64_t[]) {__VA_ARGS__})[pick(w, ARRAY_LEN(((const uint64_t[]) {__VA_ARGS__})))])

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

/* ---- what the node does ---- */

static void forget(struct world *w, uint64_t key)
{
    for (size_t r = 0; r < w->n_records; r++) {
        if (w->records[r].key == key) {
            free(w->records[r].text);
            w->records[r] = w->records[--w->n_records];
            return;
        }
    }
}

static void save(struct world *w, uint64_t key, char *text)
{
    forget(w, key);
    w->records = array_reserve(w->records, w->n_records, &w->cap_records, sizeof *w->records);
    w->records[w->n_records++] = (struct record) {key, text};
}

static void clear(struct world *w, uint32_t id)
{
    for (size_t x = 0; x < w->n_xcs; x++)
        if (w->xcs[x].id == id)
            w->xcs[x--] = w->xcs[--w->n_xcs];
}

static bool same_frames(const struct node_side *a, const struct node_side *b)
{
    if (a->link != b->link)
        return false;
    if (a->link != NODE_LINK_NONE)
        return a->in_label == b->in_label;
    return a->client == b->client && a->vlan == b->vlan && a->vlan != CLIENT_VLAN_NONE;
}

static void set(struct world *w, const struct node_xc *xc)
{
    const struct node_side *sides[] = {&xc->in, &xc->out};

    clear(w, xc->id);
    must(xc->id && !same_frames(sides[0], sides[1]), "a cross-connect of one side with itself");
    for (size_t x = 0; x < w->n_xcs; x++)
        for (size_t s = 0; s < 2; s++)
            must(!same_frames(sides[s], &w->xcs[x].in) && !same_frames(sides[s], &w->xcs[x].out),
                 "two cross-connects take the same frames");
    w->xcs = array_reserve(w->xcs, w->n_xcs, &w->cap_xcs, sizeof *w->xcs);
    w->xcs[w->n_xcs++] = *xc;
    w->waiting = array_reserve(w->waiting, w->n_waiting, &w->cap_waiting, sizeof *w->waiting);
    w->waiting[w->n_waiting++] = xc->id;
}

static void drain(struct world *w)
{
    static uint8_t bytes[RSVP_MESSAGE_MAX];
    struct node_action action;
    struct err err = {0};

    while (node_action(w->node, &action)) {
        switch (action.type) {
        case NODE_SEND:
            must(rsvp_encode(action.message, bytes, sizeof bytes, &err) > 0, err.text);
            if (action.message->type == RSVP_PATH) {
                w->session = action.message->session;
                w->sender = action.message->sender;
            }
            break;
        case NODE_XC_SET:
            set(w, &action.xc);
            break;
        case NODE_XC_CLEAR:
            clear(w, action.xc.id);
            break;
        case NODE_PROBE:
            w->nonce = action.nonce;
            break;
        case NODE_SAVE:
            save(w, action.key, action.text);
            action.text = NULL;
            break;
        case NODE_FORGET:
            forget(w, action.key);
            break;
        default:
            break;
        }
        node_action_free(&action);
    }
    (void) node_deadline(w->node);
}

/* ---- what others do ---- */

static struct lsp_hop some_hop(struct world *w)
{
    switch (pick(w, 4)) {
    case 0:
        return (struct lsp_hop) {
            .type = HOP_UNNUMBERED, .address = (uint32_t) ONE_OF(w, ROUTER_N, ROUTER_B), .interface = pick(w, 4)};
    case 1:
        return (struct lsp_hop) {
            .type = HOP_LABEL, .label = (uint32_t) ONE_OF(w, 0, 16, 17, 18, 100, UINT32_MAX), .upstream = pick(w, 2)};
    default:
        return (struct lsp_hop) {
            .type = HOP_IPV4,
            .loose = pick(w, 8) == 7,
            .length = (uint8_t) ONE_OF(w, 32, 32, 32, 24, 0),
            .address = (uint32_t) ONE_OF(w, LOCAL(0), REMOTE(1), LOCAL(1), REMOTE(0), ROUTER_N, ROUTER_A, ROUTER_B, 0)};
    }
}

static struct lsp_route some_route(struct world *w)
{
    struct lsp_route route = {0};
    unsigned n = pick(w, 8);

    while (route.n < (n == 7 ? LSP_HOPS_MAX : n))
        lsp_route_add(&route, some_hop(w));
    return route;
}

/* From one side to the other, or to client 1; or anywhere. */
static struct lsp_route some_ero(struct world *w, int link)
{
    struct lsp_route route = {0};
    unsigned which = pick(w, 4);

    if (which == 3)
        return some_route(w);
    lsp_route_add(&route, (struct lsp_hop) {.type = HOP_IPV4, .length = 32, .address = LOCAL(link)});
    if (which == 0)
        lsp_route_add(&route, (struct lsp_hop) {.type = HOP_IPV4, .length = 32, .address = REMOTE(!link)});
    else
        lsp_route_add(&route, (struct lsp_hop) {.type = HOP_UNNUMBERED, .address = ROUTER_N, .interface = which});
    return route;
}

static uint32_t some_label(struct world *w)
{
    return (uint32_t) ONE_OF(w, 16, 17, 18, 19, 1000, 0, 15, NODE_LABEL_MAX, NODE_LABEL_MAX + 1, UINT32_MAX);
}

static struct rsvp_message some_message(struct world *w, int link)
{
    struct rsvp_message m = {.type = (uint8_t) ONE_OF(w, RSVP_PATH, RSVP_RESV, RSVP_PATH, RSVP_RESV, RSVP_PATH_ERR,
                                                      RSVP_RESV_ERR, RSVP_PATH_TEAR, RSVP_RESV_TEAR, RSVP_RESV_CONF,
                                                      RSVP_NOTIFY),
                             .refresh_reduction = true};

    m.has = RSVP_HAS_SESSION | RSVP_HAS_SENDER | RSVP_HAS_HOP | RSVP_HAS_TIME_VALUES | RSVP_HAS_STYLE |
            RSVP_HAS_LABEL_REQUEST | RSVP_HAS_LABEL | RSVP_HAS_ERROR | RSVP_HAS_TSPEC;
    m.session = (struct rsvp_session) {(uint32_t) ONE_OF(w, ROUTER_B, ROUTER_N), (uint16_t) (1 + pick(w, 4)),
                                       (uint32_t) ONE_OF(w, ROUTER_A, ROUTER_N)};
    m.sender = (struct rsvp_sender) {m.session.extended_tunnel_id, (uint16_t) ONE_OF(w, 1, 2)};
    if (pick(w, 4) && w->sender.lsp_id) {
        m.session = w->session;
        m.sender = w->sender;
    }
    m.hop = (struct rsvp_hop) {.address = REMOTE(link), .lih = pick(w, 2)};
    m.refresh_ms = (uint32_t) ONE_OF(w, 30000, 1, UINT32_MAX);
    m.style = (uint8_t) ONE_OF(w, RSVP_STYLE_FF, RSVP_STYLE_SE);
    m.label_request = (struct rsvp_label_request) {(uint8_t) ONE_OF(w, 1, 1, 1, 2), 1, (uint16_t) ONE_OF(w, 33, 33, 9)};
    m.label = some_label(w);
    m.tspec = (struct rsvp_tspec) {.kind = RSVP_TSPEC_ETHERNET,
                                   .rate_bps = ONE_OF(w, 40000000, 0, LINK_BPS, LINK_BPS + 8, UINT64_C(0xffffff) << 40),
                                   .burst_bits = ONE_OF(w, 1000, UINT64_C(0xffffff) << 40)};
    m.error = (struct lsp_error) {.node = ROUTER_B,
                                  .code = (uint8_t) ONE_OF(w, 24, 1, 2, 3, 25),
                                  .value = (uint16_t) ONE_OF(w, 6, 2, 9, 0),
                                  .path_state_removed = pick(w, 2)};
    if (pick(w, 8) != 7) {
        m.has |= RSVP_HAS_UPSTREAM_LABEL;
        m.upstream_label = some_label(w);
    }
    if (pick(w, 8) != 7) {
        m.has |= RSVP_HAS_ERO;
        m.ero = some_ero(w, link);
    }
    return m;
}

static void add_options(struct world *w, struct rsvp_message *m)
{
    unsigned which = pick(w, 256);

    if (which & 1) {
        m->has |= RSVP_HAS_RRO;
        m->rro = some_route(w);
    }
    if (which & 2) {
        m->has |= RSVP_HAS_MESSAGE_ID;
        m->message_id = (struct rsvp_message_id) {RSVP_MESSAGE_ID_ACK_DESIRED, 7, pick(w, 256)};
    }
    if (which & 4) {
        m->has |= RSVP_HAS_ATTRIBUTE;
        m->attribute = (struct rsvp_attribute) {.setup_priority = (uint8_t) pick(w, 8),
                                                .holding_priority = (uint8_t) pick(w, 8),
                                                .flags = (uint8_t) pick(w, 8)};
    }
    if (which & 8) {
        m->has |= RSVP_HAS_ADMIN_STATUS;
        m->admin_status = (uint32_t) ONE_OF(w, RSVP_ADMIN_DELETION, RSVP_ADMIN_DELETION | RSVP_ADMIN_REFLECT, 0, 2);
    }
    if (which & 16) {
        m->has |= m->type == RSVP_PATH ? RSVP_HAS_LABEL_SET : RSVP_HAS_ACCEPTABLE_LABELS;
        m->n_labels = pick(w, 4);
        m->labels = m->n_labels ? xcalloc(m->n_labels, sizeof *m->labels) : NULL;
        for (size_t l = 0; l < m->n_labels; l++)
            m->labels[l] = some_label(w);
    }
    if (which & 32) {
        m->has |= (uint32_t) ONE_OF(w, RSVP_HAS_SUGGESTED_LABEL, RSVP_HAS_RECOVERY_LABEL);
        m->suggested_label = m->recovery_label = some_label(w);
    }
    if (which & 64) {
        m->has |= RSVP_HAS_NOTIFY_REQUEST | RSVP_HAS_RESV_CONFIRM;
        m->notify_node = (uint32_t) ONE_OF(w, ROUTER_A, ROUTER_N, 9);
        m->resv_confirm = ROUTER_B;
    }
    if (which & 128)
        m->unknown[m->n_unknown++] = (struct rsvp_unknown) {.class = 250, .ctype = (uint8_t) pick(w, 2)};
}

/* As gmplsd has it from a packet: nothing reaches a node that does not pass the codec. Takes 'm' over. 'routed': the
 * address that it comes from; 0: it is the neighbour's. */
static void deliver(struct world *w, int link, struct rsvp_message *m, uint32_t routed)
{
    static uint8_t bytes[RSVP_MESSAGE_MAX];
    struct rsvp_packet packet = {.data = bytes};
    struct rsvp_refusal refusal;
    struct rsvp_message got;
    struct err err = {0};
    int size = rsvp_encode(m, bytes, sizeof bytes, &err), status;

    rsvp_message_free(m);
    if (size < 0)
        return;
    packet.size = (size_t) size;
    if (pick(w, 16) == 15) { /* damaged, and without a checksum */
        bytes[2] = bytes[3] = 0;
        bytes[RSVP_HEADER_SIZE + pick(w, 256) % (packet.size - RSVP_HEADER_SIZE)] = (uint8_t) pick(w, 256);
    }
    while ((status = rsvp_decode(&packet, &got, &refusal, &err)) != 0) {
        if (status > 0 && routed)
            node_receive_routed(w->node, routed, &got, w->now);
        else if (status > 0)
            node_receive(w->node, link, &got, w->now);
        else if (refusal.answer)
            node_refuse(w->node, link, &refusal.about, refusal.code, refusal.value, w->now);
    }
}

static void hello(struct world *w, int link)
{
    struct rsvp_message m = {
        .type = RSVP_HELLO,
        .refresh_reduction = pick(w, 4) != 3,
        .has = RSVP_HAS_HELLO | RSVP_HAS_RESTART_CAP,
        .hello = {.ack = pick(w, 2), .source_instance = 5 + pick(w, 2), .destination_instance = w->instance},
        .restart_cap = {(uint32_t) ONE_OF(w, 10000, 0, UINT32_MAX), (uint32_t) ONE_OF(w, 10000, 0, UINT32_MAX)}};

    deliver(w, link, &m, 0);
}

static void some_words(struct world *w, int link)
{
    struct rsvp_message m;

    switch (pick(w, 8)) {
    case 0:
        m = (struct rsvp_message) {
            .type = RSVP_SREFRESH, .srefresh_epoch = 7, .n_srefresh = 1, .refresh_reduction = true};
        m.srefresh = xcalloc(1, sizeof *m.srefresh);
        m.srefresh[0] = pick(w, 256);
        break;
    case 1:
        m = (struct rsvp_message) {.type = RSVP_ACK, .n_acks = 1, .refresh_reduction = true};
        m.acks = xcalloc(1, sizeof *m.acks);
        m.acks[0] = (struct rsvp_ack) {pick(w, 2), w->instance, pick(w, 64)};
        break;
    default:
        m = some_message(w, link);
        add_options(w, &m);
    }
    deliver(w, link, &m, m.type == RSVP_NOTIFY ? (uint32_t) ONE_OF(w, REMOTE(1), ROUTER_A) : 0);
}

static void ask(struct world *w)
{
    struct lsp_request request = {.ingress = ROUTER_N,
                                  .egress = ROUTER_B,
                                  .ingress_client = {pick(w, 4), (uint16_t) ONE_OF(w, 0, 1, 2, CLIENT_VLAN_NONE, 4095)},
                                  .egress_client = {3, (uint16_t) ONE_OF(w, 0, 7)},
                                  .bandwidth_bps = ONE_OF(w, 40000000, 0, LINK_BPS),
                                  .setup_priority = (uint8_t) pick(w, 8)};
    struct err err = {0};

    snprintf(request.name, sizeof request.name, "lsp%u", pick(w, 3));
    switch (pick(w, 4)) {
    case 0:
    case 1:
        request.holding_priority = (uint8_t) pick(w, request.setup_priority + 1u);
        request.route = some_route(w);
        if (pick(w, 4)) {
            lsp_route_free(&request.route);
            lsp_route_add(&request.route, (struct lsp_hop) {.type = HOP_IPV4, .length = 32, .address = REMOTE(1)});
        }
        node_initiate(w->node, &request, 1, w->now, &err);
        break;
    case 2:
        node_remove(w->node, request.name, pick(w, 2), 2, w->now, &err);
        break;
    default:
        node_update(w->node, &request, 3, w->now, &err);
    }
    lsp_request_free(&request);
}

static void start(struct world *w)
{
    const struct node_link_config links[] = {{"a", LOCAL(0), REMOTE(0), ROUTER_A, LINK_BPS, 16, 19},
                                             {"b", LOCAL(1), REMOTE(1), ROUTER_B, LINK_BPS, 16, 19}};
    const struct node_client_config clients[] = {
        {.name = "vlan", .id = 1, .mode = NODE_CLIENT_VLAN, .vlan_first = 1, .vlan_last = 3},
        {.name = "bridge", .id = 2, .mode = NODE_CLIENT_BRIDGE}};
    const struct node_config config = {.router_id = ROUTER_N,
                                       .links = links,
                                       .n_links = 2,
                                       .clients = clients,
                                       .n_clients = 2,
                                       .setup_ms = 5000,
                                       .probe_ms = 20,
                                       .delete_ms = 500,
                                       .lsps_max = 6,
                                       .notify = true,
                                       .hello_ms = 1000,
                                       .hello_miss = 3,
                                       .refresh_ms = 30000,
                                       .retry_ms = 100,
                                       .retries = 3,
                                       .restart_ms = 20000,
                                       .recovery_ms = 20000,
                                       .instance = ++w->instance,
                                       .epoch = w->instance};
    struct err err = {0};

    w->node = node_new(&config, w->now, &err);
    must(w->node, err.text);
    for (size_t r = 0; r < w->n_records; r++)
        must(node_load(w->node, w->records[r].key, w->records[r].text, &err) == 0, err.text);
    w->n_waiting = 0;
}

static void standing(void *arg, const struct node_xc *xc)
{
    struct world *w = arg;

    w->xcs = array_reserve(w->xcs, w->n_xcs, &w->cap_xcs, sizeof *w->xcs);
    w->xcs[w->n_xcs++] = *xc;
}

/* Its switch is brought to what is to stand, as gmplsd does. */
static void restart(struct world *w)
{
    node_free(w->node);
    start(w);
    free(w->held);
    w->held = w->xcs;
    w->n_held = w->n_xcs;
    w->xcs = NULL;
    w->n_xcs = w->cap_xcs = 0;
    node_xc_each(w->node, standing, w);
    node_start(w->node, w->now);
}

static void step(struct world *w)
{
    static const int64_t pauses[] = {1, 100, 1000, 5000, 40000, 1000000};

    switch (pick(w, 12)) {
    case 0:
        hello(w, (int) pick(w, 2));
        break;
    case 1:
        ask(w);
        break;
    case 2:
        if (w->n_waiting) {
            uint32_t id = w->waiting[0];

            memmove(w->waiting, w->waiting + 1, --w->n_waiting * sizeof *w->waiting);
            node_xc_done(w->node, id, pick(w, 4) == 3 ? ERR_REFUSED : 0, w->now);
        }
        break;
    case 3:
        node_probe_seen(w->node, w->nonce, w->now);
        break;
    case 4:
        w->now = mono_add(w->now, pauses[pick(w, ARRAY_LEN(pauses))]);
        node_tick(w->node, w->now);
        break;
    case 5:
        node_link_data(w->node, (int) pick(w, 2), pick(w, 8), w->now);
        node_switch_read(w->node, w->held, w->n_held, w->now);
        break;
    case 6:
        node_client(w->node, pick(w, 4), pick(w, 4), w->now);
        break;
    case 7:
        if (pick(w, 4) == 3)
            restart(w);
        else
            json_decref(node_view(w->node));
        break;
    default:
        some_words(w, (int) pick(w, 2));
    }
    drain(w);
}

static void end(struct world *w)
{
    struct node_usage left;
    uint64_t unreserved[TE_PRIORITIES];

    for (int link = 0; link < 2; link++)
        node_link_data(w->node, link, false, w->now);
    drain(w);
    left = node_usage(w->node);
    must(!left.lsps && !left.xcs && !left.labels && !left.vlans && !left.reserved_bps, "something is left in the node");
    must(!w->n_xcs, "a cross-connect is left in the switch");
    must(!w->n_records, "a record is left");
    for (int link = 0; link < 2; link++) {
        node_link_data(w->node, link, true, w->now);
        node_unreserved(w->node, link, unreserved);
        must(unreserved[0] == LINK_BPS && unreserved[7] == LINK_BPS, "bandwidth is left reserved");
    }
    node_free(w->node);
    free(w->records);
    free(w->xcs);
    free(w->held);
    free(w->waiting);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.data = data, .size = size, .now = {1000}};

    start(&w);
    node_start(w.node, w.now);
    for (int link = 0; link < 2; link++) {
        node_link_data(w.node, link, true, w.now);
        hello(&w, link);
    }
    node_switch_read(w.node, NULL, 0, w.now);
    for (unsigned steps = 0; w.size && steps < STEPS_MAX; steps++)
        step(&w);
    end(&w);
    return 0;
}
