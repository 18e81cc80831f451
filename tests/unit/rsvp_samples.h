/* SPDX-License-Identifier: Apache-2.0 */
/* RSVP messages for tests: one whole message of each type, and whether two messages are the same. */
#ifndef TESTS_RSVP_SAMPLES_H
#define TESTS_RSVP_SAMPLES_H

#include <string.h>

#include "base/alloc.h"
#include "model/rsvp.h"

#define SAMPLE_NODE(n) (0x0afd0000u + (n)) /* 10.253.0.n, a router id */
#define SAMPLE_LINK(n) (0x0afc0000u + (n)) /* 10.252.0.n, an interface */

static inline void sample_address(struct lsp_route *route, uint32_t address, bool loose)
{
    lsp_route_add(route, (struct lsp_hop) {.type = HOP_IPV4, .address = address, .length = 32, .loose = loose});
}

static inline void sample_label(struct lsp_route *route, uint32_t label, bool upstream)
{
    lsp_route_add(route, (struct lsp_hop) {.type = HOP_LABEL, .label = label, .upstream = upstream});
}

static inline void sample_unnumbered(struct lsp_route *route, uint32_t node, uint32_t interface)
{
    lsp_route_add(route, (struct lsp_hop) {.type = HOP_UNNUMBERED, .address = node, .interface = interface});
}

static inline void sample_labels(struct rsvp_message *m)
{
    m->n_labels = 3;
    m->labels = xcalloc(m->n_labels, sizeof *m->labels);
    for (size_t i = 0; i < m->n_labels; i++)
        m->labels[i] = 100 + (uint32_t) i;
}

static inline void sample_acks(struct rsvp_message *m)
{
    m->n_acks = 2;
    m->acks = xcalloc(m->n_acks, sizeof *m->acks);
    m->acks[0] = (struct rsvp_ack) {.epoch = 0x123456, .id = 7};
    m->acks[1] = (struct rsvp_ack) {.nack = true, .epoch = 0x123456, .id = 8};
}

static inline void sample_path(struct rsvp_message *m)
{
    m->has |= RSVP_HAS_HOP | RSVP_HAS_TIME_VALUES | RSVP_HAS_ERO | RSVP_HAS_LABEL_REQUEST | RSVP_HAS_LABEL_SET |
              RSVP_HAS_ATTRIBUTE | RSVP_HAS_NOTIFY_REQUEST | RSVP_HAS_ADMIN_STATUS | RSVP_HAS_TSPEC | RSVP_HAS_RRO |
              RSVP_HAS_SUGGESTED_LABEL | RSVP_HAS_RECOVERY_LABEL | RSVP_HAS_UPSTREAM_LABEL;
    sample_address(&m->ero, SAMPLE_LINK(2), false);
    sample_unnumbered(&m->ero, SAMPLE_NODE(5), 3);
    sample_label(&m->ero, 101, false);
    sample_label(&m->ero, 102, true);
    sample_address(&m->ero, SAMPLE_NODE(9), true);
    sample_address(&m->rro, SAMPLE_LINK(1), false);
    sample_label(&m->rro, 1001, true);
    sample_unnumbered(&m->rro, SAMPLE_NODE(1), 12);
    sample_labels(m);
    sample_acks(m);
    m->label_request = (struct rsvp_label_request) {.encoding = 2, .switching = 51, .gpid = 33};
    m->attribute = (struct rsvp_attribute) {.setup_priority = 4,
                                            .holding_priority = 3,
                                            .flags = 0x02,
                                            .has_affinity = true,
                                            .exclude_any = 1,
                                            .include_any = 2,
                                            .include_all = 4,
                                            .name = "migration"};
    m->notify_node = SAMPLE_NODE(1);
    m->admin_status = RSVP_ADMIN_REFLECT | RSVP_ADMIN_DOWN;
    m->suggested_label = 1003;
    m->recovery_label = 1004;
    m->upstream_label = 1001;
    m->unknown[m->n_unknown++] = (struct rsvp_unknown) {
        .class = 248, .ctype = 1, .size = 8, .body = xmemdup("\1\2\3\4\5\6\7\10", 8)};
}

static inline void sample_resv(struct rsvp_message *m)
{
    m->has |= RSVP_HAS_HOP | RSVP_HAS_TIME_VALUES | RSVP_HAS_RESV_CONFIRM | RSVP_HAS_NOTIFY_REQUEST |
              RSVP_HAS_ADMIN_STATUS | RSVP_HAS_STYLE | RSVP_HAS_TSPEC | RSVP_HAS_LABEL | RSVP_HAS_RRO;
    m->resv_confirm = SAMPLE_NODE(5);
    m->notify_node = SAMPLE_NODE(5);
    m->admin_status = RSVP_ADMIN_DELETION;
    m->label = 2002;
    sample_address(&m->rro, SAMPLE_LINK(2), false);
    sample_label(&m->rro, 2002, false);
    sample_label(&m->rro, 1001, true);
    sample_unnumbered(&m->rro, SAMPLE_NODE(5), 3);
}

static inline void sample_of_lsp(struct rsvp_message *m)
{
    m->has |= RSVP_HAS_SESSION | RSVP_HAS_SENDER | RSVP_HAS_MESSAGE_ID;
    m->session = (struct rsvp_session) {
        .destination = SAMPLE_NODE(5), .tunnel_id = 7, .extended_tunnel_id = SAMPLE_NODE(1)};
    m->sender = (struct rsvp_sender) {.source = SAMPLE_NODE(1), .lsp_id = 3};
    m->message_id = (struct rsvp_message_id) {
        .flags = RSVP_MESSAGE_ID_ACK_DESIRED, .epoch = 0xabcdef, .id = 0x01020304};
    m->hop = (struct rsvp_hop) {
        .address = SAMPLE_LINK(1), .lih = 12, .if_type = RSVP_IF_INDEX, .if_address = SAMPLE_NODE(1), .if_id = 12};
    m->refresh_ms = 30000;
    m->tspec = (struct rsvp_tspec) {
        .kind = RSVP_TSPEC_ETHERNET, .rate_bps = 10000000, .burst_bits = 80000, .mtu = 1500};
    m->style = RSVP_STYLE_FF;
    m->error = (struct lsp_error) {.node = SAMPLE_NODE(2),
                                   .code = RSVP_ERR_ADMISSION,
                                   .value = RSVP_ADMISSION_BANDWIDTH,
                                   .interface_ip = SAMPLE_NODE(2),
                                   .interface_id = 5,
                                   .path_state_removed = true};
}

/* A message of the type with every object that it may have. The caller frees its members. */
static inline struct rsvp_message rsvp_sample(uint8_t type)
{
    struct rsvp_message m = {.type = type, .ttl = 63, .refresh_reduction = true};

    if (type <= RSVP_RESV_CONF || type == RSVP_NOTIFY)
        sample_of_lsp(&m);
    switch (type) {
    case RSVP_PATH:
        sample_path(&m);
        break;
    case RSVP_RESV:
        sample_resv(&m);
        break;
    case RSVP_PATH_ERR:
        m.has |= RSVP_HAS_ERROR | RSVP_HAS_ACCEPTABLE_LABELS | RSVP_HAS_TSPEC | RSVP_HAS_RRO;
        sample_labels(&m);
        sample_address(&m.rro, SAMPLE_LINK(1), false);
        break;
    case RSVP_RESV_ERR:
        m.has |= RSVP_HAS_HOP | RSVP_HAS_ERROR | RSVP_HAS_STYLE | RSVP_HAS_TSPEC | RSVP_HAS_LABEL;
        m.style = RSVP_STYLE_SE;
        m.error.interface_id = 0;
        m.hop.if_type = RSVP_IF_IPV4;
        m.hop.if_id = 0;
        m.label = 2002;
        break;
    case RSVP_PATH_TEAR:
        m.has |= RSVP_HAS_HOP | RSVP_HAS_ADMIN_STATUS | RSVP_HAS_TSPEC;
        m.admin_status = RSVP_ADMIN_DELETION | RSVP_ADMIN_TESTING;
        m.tspec.kind = RSVP_TSPEC_INTSERV;
        break;
    case RSVP_RESV_TEAR:
        m.has |= RSVP_HAS_HOP | RSVP_HAS_STYLE | RSVP_HAS_TSPEC;
        m.tspec.kind = RSVP_TSPEC_INTSERV;
        m.hop.if_type = RSVP_IF_NONE;
        m.hop.if_address = m.hop.if_id = 0;
        break;
    case RSVP_RESV_CONF:
        m.has |= RSVP_HAS_ERROR | RSVP_HAS_RESV_CONFIRM | RSVP_HAS_STYLE;
        m.error = (struct lsp_error) {.node = SAMPLE_NODE(1)};
        m.resv_confirm = SAMPLE_NODE(5);
        break;
    case RSVP_ACK:
        sample_acks(&m);
        break;
    case RSVP_SREFRESH:
        m.srefresh_epoch = 0xabcdef;
        m.n_srefresh = 3;
        m.srefresh = xcalloc(m.n_srefresh, sizeof *m.srefresh);
        for (size_t i = 0; i < m.n_srefresh; i++)
            m.srefresh[i] = 0x01020304 + (uint32_t) i;
        break;
    case RSVP_HELLO:
        m.has |= RSVP_HAS_HELLO | RSVP_HAS_RESTART_CAP;
        m.hello = (struct rsvp_hello) {.ack = true, .source_instance = 0x11223344, .destination_instance = 0x55667788};
        m.restart_cap = (struct rsvp_restart_cap) {.restart_ms = 60000, .recovery_ms = 120000};
        break;
    default:
        m.has |= RSVP_HAS_ERROR | RSVP_HAS_ADMIN_STATUS;
        m.admin_status = RSVP_ADMIN_DELETION;
        break;
    }
    return m;
}

static const uint8_t rsvp_sample_types[] = {RSVP_PATH,      RSVP_RESV,      RSVP_PATH_ERR,  RSVP_RESV_ERR,
                                            RSVP_PATH_TEAR, RSVP_RESV_TEAR, RSVP_RESV_CONF, RSVP_ACK,
                                            RSVP_SREFRESH,  RSVP_HELLO,     RSVP_NOTIFY};

static inline bool rsvp_same_list(const void *a, size_t n_a, const void *b, size_t n_b, size_t element_size)
{
    return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a * element_size) == 0);
}

static inline bool rsvp_same_error(const struct lsp_error *a, const struct lsp_error *b)
{
    return a->node == b->node && a->code == b->code && a->value == b->value && a->interface_ip == b->interface_ip &&
           a->interface_id == b->interface_id && a->path_state_removed == b->path_state_removed;
}

static inline bool rsvp_same_attribute(const struct rsvp_attribute *a, const struct rsvp_attribute *b)
{
    return a->setup_priority == b->setup_priority && a->holding_priority == b->holding_priority &&
           a->flags == b->flags && a->has_affinity == b->has_affinity && a->exclude_any == b->exclude_any &&
           a->include_any == b->include_any && a->include_all == b->include_all && strcmp(a->name, b->name) == 0;
}

static inline bool rsvp_same_lists(const struct rsvp_message *a, const struct rsvp_message *b)
{
    if (a->n_acks != b->n_acks || a->n_unknown != b->n_unknown)
        return false;
    for (size_t i = 0; i < a->n_acks; i++)
        if (a->acks[i].nack != b->acks[i].nack || a->acks[i].epoch != b->acks[i].epoch ||
            a->acks[i].id != b->acks[i].id)
            return false;
    for (unsigned i = 0; i < a->n_unknown; i++)
        if (a->unknown[i].class != b->unknown[i].class || a->unknown[i].ctype != b->unknown[i].ctype ||
            !rsvp_same_list(a->unknown[i].body, a->unknown[i].size, b->unknown[i].body, b->unknown[i].size, 1))
            return false;
    return rsvp_same_list(a->labels, a->n_labels, b->labels, b->n_labels, sizeof *a->labels) &&
           rsvp_same_list(a->srefresh, a->n_srefresh, b->srefresh, b->n_srefresh, sizeof *a->srefresh) &&
           (a->n_srefresh == 0 || a->srefresh_epoch == b->srefresh_epoch) && lsp_route_equal(&a->ero, &b->ero) &&
           lsp_route_equal(&a->rro, &b->rro);
}

/* Whether both say the same with the objects that they have. */
static inline bool rsvp_same(const struct rsvp_message *a, const struct rsvp_message *b)
{
#define SAME(flag, condition) (!(a->has & (flag)) || (condition))
    return a->type == b->type && a->ttl == b->ttl && a->refresh_reduction == b->refresh_reduction && a->has == b->has &&
           SAME(RSVP_HAS_SESSION, memcmp(&a->session, &b->session, sizeof a->session) == 0) &&
           SAME(RSVP_HAS_HOP, a->hop.address == b->hop.address && a->hop.lih == b->hop.lih &&
                                  a->hop.if_type == b->hop.if_type && a->hop.if_address == b->hop.if_address &&
                                  a->hop.if_id == b->hop.if_id) &&
           SAME(RSVP_HAS_TIME_VALUES, a->refresh_ms == b->refresh_ms) &&
           SAME(RSVP_HAS_ERROR, rsvp_same_error(&a->error, &b->error)) && SAME(RSVP_HAS_STYLE, a->style == b->style) &&
           SAME(RSVP_HAS_SENDER, a->sender.source == b->sender.source && a->sender.lsp_id == b->sender.lsp_id) &&
           SAME(RSVP_HAS_TSPEC, a->tspec.kind == b->tspec.kind && a->tspec.rate_bps == b->tspec.rate_bps &&
                                    a->tspec.burst_bits == b->tspec.burst_bits && a->tspec.mtu == b->tspec.mtu) &&
           SAME(RSVP_HAS_RESV_CONFIRM, a->resv_confirm == b->resv_confirm) &&
           SAME(RSVP_HAS_LABEL_REQUEST, a->label_request.encoding == b->label_request.encoding &&
                                            a->label_request.switching == b->label_request.switching &&
                                            a->label_request.gpid == b->label_request.gpid) &&
           SAME(RSVP_HAS_LABEL, a->label == b->label) &&
           SAME(RSVP_HAS_UPSTREAM_LABEL, a->upstream_label == b->upstream_label) &&
           SAME(RSVP_HAS_SUGGESTED_LABEL, a->suggested_label == b->suggested_label) &&
           SAME(RSVP_HAS_RECOVERY_LABEL, a->recovery_label == b->recovery_label) &&
           SAME(RSVP_HAS_ATTRIBUTE, rsvp_same_attribute(&a->attribute, &b->attribute)) &&
           SAME(RSVP_HAS_ADMIN_STATUS, a->admin_status == b->admin_status) &&
           SAME(RSVP_HAS_NOTIFY_REQUEST, a->notify_node == b->notify_node) &&
           SAME(RSVP_HAS_MESSAGE_ID, a->message_id.flags == b->message_id.flags &&
                                         a->message_id.epoch == b->message_id.epoch &&
                                         a->message_id.id == b->message_id.id) &&
           SAME(RSVP_HAS_HELLO, a->hello.ack == b->hello.ack && a->hello.source_instance == b->hello.source_instance &&
                                    a->hello.destination_instance == b->hello.destination_instance) &&
           SAME(RSVP_HAS_RESTART_CAP, a->restart_cap.restart_ms == b->restart_cap.restart_ms &&
                                          a->restart_cap.recovery_ms == b->restart_cap.recovery_ms) &&
           rsvp_same_lists(a, b);
#undef SAME
}

#endif
