/* SPDX-License-Identifier: Apache-2.0 */
/* Random items of PCEP messages, from a seed. */
#ifndef TESTS_UNIT_PCEP_RANDOM_H
#define TESTS_UNIT_PCEP_RANDOM_H

#include "base/alloc.h"
#include "proto/pcep/pcep.h"

struct rng {
    uint64_t state;
};

static inline uint32_t rng_below(struct rng *rng, uint32_t n) /* xorshift64* */
{
    rng->state ^= rng->state >> 12;
    rng->state ^= rng->state << 25;
    rng->state ^= rng->state >> 27;
    return (uint32_t) ((rng->state * UINT64_C(2685821657736338717)) >> 33) % n;
}

static inline uint32_t rng_u32(struct rng *rng)
{
    return rng_below(rng, 1u << 16) << 16 | rng_below(rng, 1u << 16);
}

static inline void random_route(struct rng *rng, struct lsp_route *route, bool record)
{
    for (uint32_t n = rng_below(rng, 6); n > 0; n--) {
        struct lsp_hop hop = {.type = (uint8_t) rng_below(rng, 3)};

        hop.loose = hop.type != HOP_LABEL && !record && rng_below(rng, 2);
        if (hop.type == HOP_LABEL) {
            hop.label = rng_u32(rng);
            hop.upstream = rng_below(rng, 2);
        } else {
            hop.address = rng_u32(rng);
        }
        if (hop.type == HOP_UNNUMBERED)
            hop.interface = rng_u32(rng);
        if (hop.type == HOP_IPV4)
            hop.length = (uint8_t) rng_below(rng, 33);
        lsp_route_add(route, hop);
    }
}

static inline void random_segments(struct rng *rng, struct pcep_item *item)
{
    for (uint32_t n = rng_below(rng, 5); n > 0; n--) {
        struct pcep_segment segment = {.loose = rng_below(rng, 2),
                                       .has_sid = rng_below(rng, 2),
                                       .mpls = rng_below(rng, 2),
                                       .complete = rng_below(rng, 2),
                                       .nai_type = (uint8_t) (rng_below(rng, 2) * (1 + 2 * rng_below(rng, 2)))};

        if (segment.nai_type == 0)
            segment.has_sid = true;
        if (segment.has_sid)
            segment.sid = rng_u32(rng);
        if (segment.nai_type)
            segment.nai[0] = rng_u32(rng);
        if (segment.nai_type == 3)
            segment.nai[1] = rng_u32(rng);
        item->segments = array_reserve(item->segments, item->n_segments, &item->cap_segments, sizeof segment);
        item->segments[item->n_segments++] = segment;
    }
}

static inline void random_name(struct rng *rng, char *name)
{
    uint32_t n = 1 + rng_below(rng, LSP_NAME_SIZE - 1);

    for (uint32_t i = 0; i < n; i++)
        name[i] = (char) (' ' + rng_below(rng, 95));
}

static inline void random_lsp(struct rng *rng, struct pcep_item *item)
{
    item->plsp_id = rng_u32(rng) >> 12;
    item->flags = rng_u32(rng) & (PCEP_DELEGATE | PCEP_SYNC | PCEP_REMOVE | PCEP_ADMIN_UP | PCEP_CREATE);
    item->state = (uint8_t) rng_below(rng, 8);
    if (item->has & PCEP_HAS_NAME)
        random_name(rng, item->name);
    if (item->has & PCEP_HAS_IDENTIFIERS)
        item->identifiers = (struct pcep_identifiers) {rng_u32(rng), (uint16_t) rng_u32(rng), (uint16_t) rng_u32(rng),
                                                       rng_u32(rng), rng_u32(rng)};
    if (item->has & PCEP_HAS_LSP_ERROR)
        item->lsp_error = rng_u32(rng);
    if (item->has & PCEP_HAS_RSVP_ERROR)
        item->error = (struct lsp_error) {.node = rng_u32(rng),
                                          .code = (uint8_t) rng_u32(rng),
                                          .value = (uint16_t) rng_u32(rng),
                                          .interface_ip = rng_below(rng, 2) * rng_u32(rng),
                                          .interface_id = rng_below(rng, 2) * rng_u32(rng),
                                          .path_state_removed = rng_below(rng, 2)};
    if (item->has & PCEP_HAS_EXTENDED)
        item->extended = rng_u32(rng);
}

static inline void random_item(struct rng *rng, struct pcep_item *item, uint32_t may)
{
    item->has = rng_u32(rng) & may;
    if (item->has & PCEP_HAS_ENDPOINTS)
        item->has &= ~(uint32_t) PCEP_HAS_GENERALIZED_ENDPOINTS;
    item->id = item->has & (PCEP_HAS_SRP | PCEP_HAS_RP) ? rng_u32(rng) : 0;
    item->remove = item->has & PCEP_HAS_SRP && rng_below(rng, 2);
    item->setup = item->has & PCEP_HAS_SETUP ? (uint8_t) rng_u32(rng) : 0;
    random_lsp(rng, item);
    if (item->has & (PCEP_HAS_ENDPOINTS | PCEP_HAS_GENERALIZED_ENDPOINTS))
        item->endpoints = (struct pcep_endpoints) {.source = rng_u32(rng), .destination = rng_u32(rng)};
    if (item->has & PCEP_HAS_GENERALIZED_ENDPOINTS) {
        item->endpoints.source_interface = rng_below(rng, 2) * rng_u32(rng);
        item->endpoints.destination_interface = rng_below(rng, 2) * rng_u32(rng);
        item->endpoints.has_label_request = rng_below(rng, 2);
        item->endpoints.gpid = item->endpoints.has_label_request ? (uint16_t) rng_u32(rng) : 0;
        item->endpoints.switching = item->endpoints.has_label_request ? (uint8_t) rng_u32(rng) : 0;
    }
    if (item->has & PCEP_HAS_ERO && rng_below(rng, 2))
        random_route(rng, &item->ero, false);
    else if (item->has & PCEP_HAS_ERO)
        random_segments(rng, item);
    if (item->has & PCEP_HAS_RRO)
        random_route(rng, &item->rro, true);
    if (item->has & PCEP_HAS_LSPA) {
        item->exclude_any = rng_u32(rng);
        item->include_any = rng_u32(rng);
        item->include_all = rng_u32(rng);
        item->setup_priority = (uint8_t) rng_below(rng, 8);
        item->holding_priority = (uint8_t) rng_below(rng, 8);
        item->local_protection = rng_below(rng, 2);
    }
    if (item->has & PCEP_HAS_BANDWIDTH)
        item->bandwidth_bps = UINT64_C(8) * rng_below(rng, 1 << 24);
    if (item->has & PCEP_HAS_METRIC) {
        for (item->n_metrics = 0; item->n_metrics <= rng_below(rng, PCEP_METRICS_MAX); item->n_metrics++)
            item->metrics[item->n_metrics] = (struct pcep_metric) {(uint8_t) rng_u32(rng), rng_below(rng, 2),
                                                                   rng_below(rng, 2), (float) rng_below(rng, 1000) / 8};
    }
}

#endif
