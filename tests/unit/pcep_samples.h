/* SPDX-License-Identifier: Apache-2.0 */
/* One message of each type and kind that we send, with every object and TLV: for golden bytes, and for tshark. */
#ifndef TESTS_UNIT_PCEP_SAMPLES_H
#define TESTS_UNIT_PCEP_SAMPLES_H

#include <stdio.h>

#include "base/alloc.h"
#include "proto/pcep/pcep.h"

#define SAMPLE_NODE(n) (0x0afd0000u + (n)) /* 10.253.0.n */
#define SAMPLE_LINK(n) (0x0afc0000u + (n)) /* 10.252.0.n */

/* pe2 to pe5 over t1: VLAN 100 in, any out. To be freed with lsp_request_free(). */
static inline struct lsp_request sample_request(void)
{
    struct lsp_request request = {.ingress = SAMPLE_NODE(2),
                                  .egress = SAMPLE_NODE(5),
                                  .ingress_client = {.interface = 7, .vlan = 100},
                                  .egress_client = {.interface = 9, .vlan = CLIENT_VLAN_ANY},
                                  .bandwidth_bps = 100000000,
                                  .setup_priority = 4,
                                  .holding_priority = 3,
                                  .exclude_any = 1,
                                  .include_any = 6,
                                  .include_all = 8};

    snprintf(request.name, sizeof request.name, "external/user1");
    lsp_route_add(&request.route, (struct lsp_hop) {.type = HOP_IPV4, .length = 32, .address = SAMPLE_LINK(6)});
    lsp_route_add(&request.route, (struct lsp_hop) {.type = HOP_IPV4, .length = 32, .address = SAMPLE_LINK(18)});
    return request;
}

/* The same LSP, up; or, with 'down', failed. To be freed with lsp_report_free(). */
static inline struct lsp_report sample_report(bool down)
{
    struct lsp_request request = sample_request();
    struct lsp_report report = {.ingress = request.ingress,
                                .egress = request.egress,
                                .tunnel_id = 3,
                                .lsp_id = 1,
                                .state = down ? LSP_DOWN : LSP_UP,
                                .bandwidth_bps = request.bandwidth_bps,
                                .ingress_client = request.ingress_client,
                                .egress_client = {.interface = 9, .vlan = 200},
                                .route = request.route};

    snprintf(report.name, sizeof report.name, "%s", request.name);
    if (down) {
        report.error = (struct lsp_error) {.node = SAMPLE_NODE(11),
                                           .code = 1,
                                           .value = 2,
                                           .interface_ip = SAMPLE_LINK(17),
                                           .path_state_removed = true};
        report.egress_client.vlan = CLIENT_VLAN_ANY;
        return report;
    }
    for (size_t i = 0; i < report.route.n; i++) {
        lsp_route_add(&report.record, report.route.hops[i]);
        lsp_route_add(&report.record, (struct lsp_hop) {.type = HOP_LABEL, .label = 1000 + (uint32_t) i});
        lsp_route_add(&report.record,
                      (struct lsp_hop) {.type = HOP_LABEL, .upstream = true, .label = 2000 + (uint32_t) i});
    }
    return report;
}

static inline void sample_lsp_items(unsigned which, struct pcep_message *message)
{
    struct lsp_request request = sample_request();
    struct lsp_report up = sample_report(false), down = sample_report(true);
    struct pcep_item *item = pcep_message_add(message);

    item->has = PCEP_HAS_SRP | PCEP_HAS_SETUP;
    item->id = 77;
    if (which < 2)
        pcep_item_from_request(item, &request, true);
    if (which == 1)
        item->plsp_id = 5;
    if (which == 2) {
        pcep_item_from_report(item, &up, true);
        item->plsp_id = 5;
        item->flags |= PCEP_DELEGATE | PCEP_CREATE;
        item = pcep_message_add(message);
        pcep_item_from_report(item, &down, true);
        item->plsp_id = PCEP_PLSP_ID_MAX;
        item->error.interface_id = 12;
    }
    lsp_request_free(&request);
    lsp_report_free(&up);
    lsp_report_free(&down);
}

static inline void sample_segments(struct pcep_item *item)
{
    static const struct pcep_segment segments[] = {
        {.has_sid = true, .mpls = true, .sid = 16001u << 12},
        {.loose = true,
         .nai_type = 1,
         .has_sid = true,
         .mpls = true,
         .complete = true,
         .sid = 16002u << 12 | 0x1ff,
         .nai = {SAMPLE_NODE(1)}},
        {.nai_type = 3, .nai = {SAMPLE_LINK(1), SAMPLE_LINK(2)}},
    };

    item->has |= PCEP_HAS_ERO | PCEP_HAS_LSP | PCEP_HAS_NAME | PCEP_HAS_GENERALIZED_ENDPOINTS | PCEP_HAS_METRIC;
    snprintf(item->name, sizeof item->name, "sr");
    for (size_t i = 0; i < sizeof segments / sizeof segments[0]; i++) {
        item->segments = array_reserve(item->segments, item->n_segments, &item->cap_segments, sizeof segments[0]);
        item->segments[item->n_segments++] = segments[i];
    }
    item->endpoints = (struct pcep_endpoints) {.source = SAMPLE_NODE(1),
                                               .destination = SAMPLE_NODE(2),
                                               .destination_interface = 3,
                                               .has_label_request = true,
                                               .encoding = 2,
                                               .switching = 51,
                                               .gpid = 33};
    item->metrics[0] = (struct pcep_metric) {.type = 2, .bound = true, .value = 20};
    item->metrics[1] = (struct pcep_metric) {.type = 1, .computed = true, .value = 2.5f};
    item->n_metrics = 2;
}

static inline void sample_requests(struct pcep_message *message, bool reply)
{
    for (uint32_t i = 1; i <= 2; i++) {
        struct pcep_item *item = pcep_message_add(message);

        item->has = PCEP_HAS_RP;
        item->id = i;
        item->rp_flags = reply ? 0 : 0x80;
        if (!reply) {
            item->has |= PCEP_HAS_ENDPOINTS | PCEP_HAS_BANDWIDTH;
            item->endpoints = (struct pcep_endpoints) {.source = SAMPLE_NODE(1), .destination = SAMPLE_NODE(i)};
            item->bandwidth_bps = 8000 * i;
        } else if (i == 1) {
            item->has |= PCEP_HAS_NO_PATH;
            item->no_path_vector = 1;
        } else {
            item->has |= PCEP_HAS_ERO;
            lsp_route_add(&item->ero,
                          (struct lsp_hop) {.type = HOP_IPV4, .loose = true, .length = 24, .address = SAMPLE_LINK(0)});
        }
    }
}

static inline void sample_errors(struct pcep_message *message)
{
    static const uint8_t values[] = {3, 1};

    for (uint32_t i = 0; i < 2; i++) {
        struct pcep_item *item = pcep_message_add(message);

        item->has = PCEP_HAS_SRP | PCEP_HAS_ERROR;
        item->id = 5 + i;
        item->error_type = i ? PCEP_ERR_INSTANTIATION : PCEP_ERR_OPERATION;
        item->error_value = values[i];
    }
}

static inline void sample_open(struct pcep_message *message, bool sr)
{
    message->has_open = true;
    message->open = (struct pcep_open) {.version = PCEP_VERSION,
                                        .keepalive_s = 30,
                                        .dead_s = 120,
                                        .sid = 9,
                                        .stateful = true,
                                        .stateful_flags = PCEP_LSP_UPDATE | PCEP_LSP_INITIATE,
                                        .has_setups = true,
                                        .setups = sr ? 3 : 1,
                                        .sr = sr,
                                        .sr_depth = sr ? 10 : 0,
                                        .gmpls = !sr,
                                        .gmpls_flags = sr ? 0 : 7};
    if (!sr)
        memcpy(message->open.speaker, "10.253.0.11", sizeof "10.253.0.11");
}

#define N_SAMPLES 14

/* The n-th sample, to be freed by the caller; returns its name. */
static inline const char *sample(unsigned n, struct pcep_message *message)
{
    static const uint8_t types[N_SAMPLES] = {PCEP_OPEN,   PCEP_OPEN,   PCEP_KEEPALIVE, PCEP_INITIATE,    PCEP_UPDATE,
                                             PCEP_REPORT, PCEP_REPORT, PCEP_INITIATE,  PCEP_INITIATE,    PCEP_REQUEST,
                                             PCEP_REPLY,  PCEP_ERROR,  PCEP_CLOSE,     PCEP_NOTIFICATION};
    static const char *const names[N_SAMPLES] = {"open",
                                                 "open SR",
                                                 "keepalive",
                                                 "initiate",
                                                 "update",
                                                 "reports",
                                                 "report end of synchronization",
                                                 "initiate removal",
                                                 "initiate SR",
                                                 "requests",
                                                 "replies",
                                                 "errors",
                                                 "close",
                                                 "notification"};

    *message = (struct pcep_message) {.type = types[n]};
    switch (n) {
    case 0:
    case 1:
        sample_open(message, n);
        break;
    case 3:
    case 4:
    case 5:
        sample_lsp_items(n - 3, message);
        break;
    case 6:
        *pcep_message_add(message) = (struct pcep_item) {.has = PCEP_HAS_LSP | PCEP_HAS_IDENTIFIERS | PCEP_HAS_ERO};
        break;
    case 7:
        *pcep_message_add(message) = (struct pcep_item) {
            .has = PCEP_HAS_SRP | PCEP_HAS_LSP, .id = 78, .remove = true, .plsp_id = 5};
        break;
    case 8:
        *pcep_message_add(message) = (struct pcep_item) {
            .has = PCEP_HAS_SRP | PCEP_HAS_SETUP, .id = 79, .setup = PCEP_SR};
        sample_segments(message->items);
        break;
    case 9:
    case 10:
        sample_requests(message, n == 10);
        break;
    case 11:
        sample_errors(message);
        break;
    case 12:
        message->close_reason = PCEP_CLOSE_DEAD;
        break;
    case 13:
        message->notification_type = 2;
        message->notification_value = 1;
        break;
    default:
        break;
    }
    return names[n];
}

#endif
