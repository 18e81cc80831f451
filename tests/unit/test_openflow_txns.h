/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions for transcripts of a session. */
#ifndef TESTS_UNIT_TEST_OPENFLOW_TXNS_H
#define TESTS_UNIT_TEST_OPENFLOW_TXNS_H

#include "test_openflow_switch.h"

/* 'n' flows with cookies 1..n that go out of port 1, and 'meters' meters from 1. */
static inline struct flow_txn make_txn(unsigned n, unsigned meters)
{
    struct flow_txn txn = {0};

    for (uint32_t i = 1; i <= meters; i++)
        flow_txn_meter_add(&txn, (struct flow_meter) {.id = i, .rate = 1000});
    for (unsigned i = 1; i <= n; i++) {
        struct flow flow = flow_make(0, (uint16_t) (100 + i), i);

        flow_output(&flow, 1);
        flow_txn_add(&txn, flow);
    }
    return txn;
}

static inline void ask(struct peer *peer, struct flow_txn txn, uint64_t request)
{
    of_session_txn(peer->session, &txn, request, 2000, peer->now);
    flow_txn_free(&txn);
}

#endif
