/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions that a switch gets while it is busy with others, at random: one that refuses flows, commits and meters
 * now and then never sees half a transaction, nor commits in another order, nor a meter that goes too early, nor more
 * than may be under way; and all of them end. */
#include "test_openflow_switch.h"

#include "test_openflow_random.h"

enum { TXNS = 400, METERS = 6, BUNDLES = 4 * TXNS, TURNS = 10 * TXNS };
enum { FLOW_MOD_FAILED = 5, METER_MOD_FAILED = 12, BUNDLE_FAILED = 2313 };

struct bundle {
    bool open, refused;
    uint64_t first, last;  /* cookies; 0: none yet */
    size_t adds[TXNS + 1]; /* by cookie */
    uint32_t last_xid;     /* of an add */
    uint32_t meter;        /* that its flows use */
};

struct asked {
    size_t mods;
    bool wrong; /* cannot be encoded */
    bool committed, done;
};

struct world {
    struct peer peer;
    struct rng rng;
    struct asked txns[TXNS + 1]; /* by cookie and request */
    struct bundle *bundles;
    bool shared; /* a bundle was, and was committed */
    bool meters[METERS];
    uint64_t last; /* cookie that was committed */
    size_t asked, done;
    size_t waiting; /* flow changes in open bundles */
    uint8_t *bytes; /* that the switch has not read */
    size_t n, capacity;
};

static bool chance(struct world *w, uint32_t n)
{
    return rng_below(&w->rng, n) == 0;
}

/* ---- the gateway ---- */

/* A tenth makes a meter that its flows use, another deletes one. */
static void ask(struct world *w)
{
    uint64_t cookie = ++w->asked;
    uint32_t meter = 1 + rng_below(&w->rng, METERS - 1), kind = rng_below(&w->rng, 10);
    size_t n = 1 + rng_below(&w->rng, chance(w, 20) ? 3000 : 100);
    struct flow_txn txn = {0};

    if (kind == 0)
        flow_txn_meter_add(&txn, (struct flow_meter) {.id = meter, .rate = 1000});
    else if (kind == 1)
        flow_txn_meter_delete(&txn, meter);
    for (size_t i = 0; i < n; i++) {
        struct flow flow = flow_make(0, (uint16_t) i, cookie);

        flow.meter = kind == 0 ? meter : 0;
        flow_txn_add(&txn, flow);
    }
    w->txns[cookie].mods = n;
    w->txns[cookie].wrong = chance(w, 50);
    if (w->txns[cookie].wrong) {
        struct flow flow = flow_make(0, 1, cookie);

        match_u(&flow.match, FIELD_UDP_DST, 53); /* of no UDP */
        flow_txn_add(&txn, flow);
    }
    of_session_txn(w->peer.session, &txn, cookie, 1000000, w->peer.now);
    assert_int_equal(txn.n_mods, 0);
}

static void hear(struct world *w)
{
    struct of_event event;

    while (of_session_event(w->peer.session, &event)) {
        struct asked *txn = &w->txns[event.request];

        assert_int_equal(event.type, OF_EVENT_DONE);
        assert_false(txn->done);
        assert_int_equal(event.err.code, txn->wrong ? ERR_INVALID : txn->committed ? 0 : ERR_REFUSED);
        txn->done = true;
        w->done++;
        of_event_free(&event);
    }
}

/* ---- the switch ---- */

static void close_bundle(struct world *w, struct bundle *bundle)
{
    bundle->open = false;
    for (uint64_t cookie = bundle->first; cookie <= bundle->last; cookie++)
        w->waiting -= bundle->adds[cookie];
}

static void commit(struct world *w, struct bundle *bundle, uint32_t id, uint32_t xid)
{
    assert_true(bundle->open);
    assert_false(bundle->refused);
    assert_true(bundle->first > w->last);
    for (uint64_t cookie = bundle->first; cookie <= bundle->last; cookie++)
        assert_true(bundle->adds[cookie] == w->txns[cookie].mods || bundle->adds[cookie] == 0);
    assert_true(bundle->meter == 0 || w->meters[bundle->meter]);
    close_bundle(w, bundle);
    if (chance(w, 10)) {
        switch_error(&w->peer, bundle->last_xid, FLOW_MOD_FAILED, 1);
        switch_error(&w->peer, xid, OFPET_EXPERIMENTER, BUNDLE_FAILED);
        return;
    }
    for (uint64_t cookie = bundle->first; cookie <= bundle->last; cookie++)
        w->txns[cookie].committed |= bundle->adds[cookie] > 0;
    w->shared |= bundle->first < bundle->last;
    w->last = bundle->last;
    switch_bundle(&w->peer, xid, id, OFPBCT_COMMIT_REPLY);
}

static void control(struct world *w, struct wire *r, uint32_t xid)
{
    uint32_t id = wire_get_u32(r);
    uint16_t type = wire_get_u16(r);
    struct bundle *bundle = &w->bundles[id];

    assert_true(id < BUNDLES);
    if (type == OFPBCT_OPEN_REQUEST) {
        assert_false(bundle->open || bundle->first);
        bundle->open = true;
        switch_bundle(&w->peer, xid, id, OFPBCT_OPEN_REPLY);
    } else if (type == OFPBCT_COMMIT_REQUEST) {
        commit(w, bundle, id, xid);
    } else {
        assert_int_equal(type, OFPBCT_DISCARD_REQUEST);
        assert_true(bundle->open && bundle->refused);
        close_bundle(w, bundle);
        switch_bundle(&w->peer, xid, id, OFPBCT_DISCARD_REPLY);
    }
}

static void add(struct world *w, struct wire *r, uint32_t xid)
{
    struct bundle *bundle = &w->bundles[wire_get_u32(r)];
    static const uint8_t meter_instruction[] = {0, 6, 0, 8};
    const uint8_t *end = r->data + r->size;

    assert_true(bundle->open);
    wire_skip(r, 4 + OF_HEADER_SIZE);
    uint64_t cookie = wire_get_u64(r);

    assert_in_range(cookie, bundle->last ? bundle->last : 1, TXNS);
    bundle->first = bundle->first ? bundle->first : cookie;
    bundle->last = cookie;
    bundle->adds[cookie]++;
    assert_in_range(++w->waiting, 1, 4096);
    bundle->last_xid = xid;
    if (memcmp(end - 8, meter_instruction, sizeof meter_instruction) == 0)
        bundle->meter = end[-1];
    if (chance(w, 2000) || (bundle->meter && !w->meters[bundle->meter])) {
        bundle->refused = true;
        switch_error(&w->peer, xid, FLOW_MOD_FAILED, 0);
    }
}

static void meter(struct world *w, struct wire *r, uint32_t xid)
{
    uint16_t command = wire_get_u16(r);

    wire_skip(r, 2);
    uint32_t id = wire_get_u32(r);

    assert_in_range(id, 1, METERS - 1);
    if (command == OFPMC_ADD && w->meters[id])
        switch_error(&w->peer, xid, METER_MOD_FAILED, OFPMMFC_METER_EXISTS);
    else if (command != OFPMC_ADD && !w->meters[id])
        switch_error(&w->peer, xid, METER_MOD_FAILED, OFPMMFC_UNKNOWN_METER);
    else if (command != OFPMC_MODIFY)
        w->meters[id] = command == OFPMC_ADD;
}

static void handle(struct world *w, const struct of_header *header, struct wire r)
{
    wire_skip(&r, OF_HEADER_SIZE);
    if (header->type == OFPT_BARRIER_REQUEST) {
        switch_barrier(&w->peer, header->xid);
    } else if (header->type == OFPT_METER_MOD) {
        meter(w, &r, header->xid);
    } else {
        assert_int_equal(header->type, OFPT_EXPERIMENTER);
        wire_skip(&r, 4);
        if (wire_get_u32(&r) == 2300)
            control(w, &r, header->xid);
        else
            add(w, &r, header->xid);
    }
}

/* Takes what the session has to send, and does the next 'messages' of all that it has. */
static void serve(struct world *w, size_t messages)
{
    size_t size, at = 0;
    const uint8_t *output = of_session_output(w->peer.session, &size);

    if (w->n + size > w->capacity) {
        w->capacity = 2 * (w->n + size);
        w->bytes = xrealloc(w->bytes, w->capacity, 1);
    }
    if (size)
        memcpy(w->bytes + w->n, output, size);
    w->n += size;
    of_session_sent(w->peer.session, size);
    for (; messages > 0 && at < w->n; messages--) {
        struct of_header header;

        assert_int_equal(of_header_decode(w->bytes + at, w->n - at, &header), 0);
        handle(w, &header, wire_reader(w->bytes + at, header.length));
        at += header.length;
    }
    memmove(w->bytes, w->bytes + at, w->n - at);
    w->n -= at;
}

static void run(uint64_t seed)
{
    struct world *w = xcalloc(1, sizeof *w);
    size_t committed = 0;

    w->bundles = xcalloc(BUNDLES, sizeof *w->bundles);
    w->peer = peer_up();
    w->rng.state = seed;
    for (size_t turns = 0; w->done < TXNS; turns++) {
        assert_in_range(turns, 0, TURNS); /* nothing goes on any more */
        for (uint32_t n = rng_below(&w->rng, 30); n > 0 && w->asked < TXNS; n--)
            ask(w);
        serve(w, rng_below(&w->rng, 3000));
        hear(w);
    }
    serve(w, SIZE_MAX);
    for (size_t i = 0; i < BUNDLES; i++)
        assert_false(w->bundles[i].open);
    for (size_t i = 1; i <= TXNS; i++)
        committed += w->txns[i].committed;
    assert_in_range(committed, TXNS / 2, TXNS - 1); /* some were refused */
    of_session_free(w->peer.session);
    assert_true(w->shared);
    free(w->bundles);
    free(w->bytes);
    free(w);
}

static void test_chance(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 20; seed++)
        run(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chance)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
