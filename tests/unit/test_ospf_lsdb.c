/* SPDX-License-Identifier: Apache-2.0 */
/* From LSAs to the TED: what changes when an LSA comes, changes, is flushed, moves, or is not there after a new
 * connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/wire.h"
#include "proto/ospf/ospf_lsdb.h"
#include "ospf_vectors.h"

#define HOLD 100
#define MBIT UINT64_C(1000000)

struct world {
    struct ospf_lsdb *lsdb;
    struct mono now;
};

static struct world start(void)
{
    return (struct world) {ospf_lsdb_new(HOLD), {1000}};
}

static void update_in(struct world *w, uint32_t area, const struct ospf_te_lsa *lsa)
{
    struct vector v = te_lsa_vector(lsa);
    struct err err;

    assert_int_equal(ospf_lsdb_update(w->lsdb, area, v.bytes, v.size, w->now, &err), 0);
}

static void update(struct world *w, const struct ospf_te_lsa *lsa)
{
    update_in(w, 1, lsa);
}

static void deleted(struct world *w, const struct ospf_te_lsa *lsa)
{
    struct vector v = te_lsa_vector(lsa);
    struct err err;

    assert_int_equal(ospf_lsdb_delete(w->lsdb, 1, v.bytes, v.size, w->now, &err), 0);
}

static void pass(struct world *w, int64_t ms)
{
    w->now = mono_add(w->now, ms);
    ospf_lsdb_tick(w->lsdb, w->now);
}

static void expect(struct world *w, bool gone, uint8_t from, uint8_t to)
{
    struct ospf_lsdb_event event;

    assert_true(ospf_lsdb_event(w->lsdb, &event));
    assert_int_equal(event.gone, gone);
    assert_int_equal(event.key.from, 0x0afd0000u | from);
    assert_int_equal(event.key.local_ip, 0x0afc0000u | (uint32_t) from << 8 | to);
    if (!gone)
        assert_int_equal(te_link_key_compare(&event.key, &event.link.key), 0);
    if (!gone)
        assert_non_null(ted_find(ospf_lsdb_ted(w->lsdb), &event.key));
}

static void expect_nothing(struct world *w, size_t links)
{
    struct ospf_lsdb_event event;

    assert_false(ospf_lsdb_event(w->lsdb, &event));
    assert_int_equal(ospf_lsdb_ted(w->lsdb)->n_links, links);
}

/* Once ospfd has told the new instance, nobody sees that it took the old one away first. */
static void test_new_instance(void **state)
{
    (void) state;
    struct world w = start();
    struct ospf_te_lsa old = te_lsa(1, 1, 2, 1000 * MBIT), new = te_lsa(1, 1, 2, 900 * MBIT);

    new.header.sequence++;
    update(&w, &old);
    expect(&w, false, 1, 2);
    assert_int_equal(ospf_lsdb_deadline(w.lsdb).ms, MONO_NEVER.ms);
    deleted(&w, &old);
    assert_int_equal(ospf_lsdb_deadline(w.lsdb).ms, w.now.ms + HOLD);
    pass(&w, HOLD - 1);
    update(&w, &new);
    expect(&w, false, 1, 2);
    pass(&w, HOLD);
    expect_nothing(&w, 1);
    assert_int_equal(ospf_lsdb_ted(w.lsdb)->links[0].max_bps, 900 * MBIT);
    assert_int_equal(ospf_lsdb_deadline(w.lsdb).ms, MONO_NEVER.ms);

    /* A refresh that says the same */
    deleted(&w, &new);
    new.header.sequence++;
    update(&w, &new);
    pass(&w, HOLD);
    expect_nothing(&w, 1);
    ospf_lsdb_free(w.lsdb);
}

static void test_flush(void **state)
{
    (void) state;
    struct world w = start();
    struct ospf_te_lsa a = te_lsa(1, 1, 2, MBIT), b = te_lsa(2, 1, 3, MBIT);

    update(&w, &a);
    update(&w, &b);
    expect(&w, false, 1, 2);
    expect(&w, false, 1, 3);
    /* A deletion alone */
    deleted(&w, &a);
    pass(&w, HOLD - 1);
    expect_nothing(&w, 2);
    pass(&w, 1);
    expect(&w, true, 1, 2);
    expect_nothing(&w, 1);
    /* An instance of MaxAge; further deletions do not put it off */
    b.header.age = OSPF_LSA_MAX_AGE;
    update(&w, &b);
    pass(&w, HOLD / 2);
    deleted(&w, &b);
    pass(&w, HOLD / 2);
    expect(&w, true, 1, 3);
    expect_nothing(&w, 0);
    /* Of what nobody knows */
    deleted(&w, &a);
    update(&w, &b);
    pass(&w, HOLD);
    expect_nothing(&w, 0);
    ospf_lsdb_free(w.lsdb);
}

static void test_sequence(void **state)
{
    (void) state;
    struct world w = start();
    struct ospf_te_lsa old = te_lsa(1, 1, 2, 1 * MBIT), new = te_lsa(1, 1, 2, 2 * MBIT);

    new.header.sequence++;
    update(&w, &new);
    expect(&w, false, 1, 2);
    /* What is older than what is held does neither replace nor delete it */
    update(&w, &old);
    deleted(&w, &old);
    pass(&w, HOLD);
    expect_nothing(&w, 1);
    assert_int_equal(ospf_lsdb_ted(w.lsdb)->links[0].max_bps, 2 * MBIT);
    /* but it does once that was deleted: the router has started anew */
    deleted(&w, &new);
    update(&w, &old);
    expect(&w, false, 1, 2);
    pass(&w, HOLD);
    expect_nothing(&w, 1);
    assert_int_equal(ospf_lsdb_ted(w.lsdb)->links[0].max_bps, 1 * MBIT);
    ospf_lsdb_free(w.lsdb);
}

static void test_links_of_an_lsa(void **state)
{
    (void) state;
    struct world w = start();
    struct ospf_te_lsa lsa = te_lsa(1, 1, 2, MBIT), other = te_lsa(1, 1, 3, MBIT);

    /* Two links, then one of them and a third */
    lsa.links[lsa.n_links++] = other.links[0];
    update(&w, &lsa);
    expect(&w, false, 1, 2);
    expect(&w, false, 1, 3);
    lsa.header.sequence++;
    lsa.links[0] = te_lsa(1, 1, 4, MBIT).links[0];
    update(&w, &lsa);
    expect(&w, false, 1, 4);
    expect(&w, true, 1, 2);
    expect_nothing(&w, 2);
    /* None that a TED could have */
    lsa.header.sequence++;
    lsa.links[0].type = lsa.links[1].type = OSPF_TE_MULTI_ACCESS;
    update(&w, &lsa);
    expect(&w, true, 1, 4);
    expect(&w, true, 1, 3);
    expect_nothing(&w, 0);
    ospf_lsdb_free(w.lsdb);
}

/* A router that starts anew floods its link as another LSA; then the old one is flushed. */
static void test_link_moves(void **state)
{
    (void) state;
    struct world w = start();
    struct ospf_te_lsa old = te_lsa(1, 1, 2, 1 * MBIT), new = te_lsa(9, 1, 2, 2 * MBIT),
                       others[2] = {te_lsa(5, 1, 3, MBIT), te_lsa(3, 2, 1, MBIT)};

    update(&w, &old);
    update(&w, &others[0]);
    update(&w, &others[1]);
    expect(&w, false, 1, 2);
    expect(&w, false, 1, 3);
    expect(&w, false, 2, 1);
    update(&w, &new);
    expect(&w, false, 1, 2);
    deleted(&w, &old);
    pass(&w, HOLD);
    expect_nothing(&w, 3);
    /* The other way round: the one that is left says what counts */
    update(&w, &old);
    expect(&w, false, 1, 2);
    deleted(&w, &old);
    pass(&w, HOLD);
    expect(&w, false, 1, 2);
    expect_nothing(&w, 3);
    deleted(&w, &new);
    pass(&w, HOLD);
    expect(&w, true, 1, 2);
    expect_nothing(&w, 2);
    ospf_lsdb_free(w.lsdb);
}

static void test_areas(void **state)
{
    (void) state;
    struct world w = start();
    struct ospf_te_lsa lsa = te_lsa(1, 1, 2, MBIT);

    update_in(&w, 1, &lsa);
    update_in(&w, 2, &lsa);
    expect(&w, false, 1, 2);
    expect(&w, false, 1, 2);
    deleted(&w, &lsa);
    pass(&w, HOLD);
    expect(&w, true, 1, 2);
    expect_nothing(&w, 1);
    assert_int_equal(ospf_lsdb_ted(w.lsdb)->links[0].key.area, 2);
    ospf_lsdb_free(w.lsdb);
}

/* A new connection: what is told again stays, and nobody notices; what is not told by the end goes. */
static void test_synchronisation(void **state)
{
    (void) state;
    struct world w = start();
    struct ospf_te_lsa stays = te_lsa(1, 1, 2, MBIT), changes = te_lsa(2, 1, 3, MBIT), goes = te_lsa(1, 2, 1, MBIT),
                       dies = te_lsa(1, 3, 1, MBIT), comes = te_lsa(1, 4, 1, MBIT);

    changes.header.sequence += 5;
    update(&w, &stays);
    update(&w, &changes);
    update(&w, &goes);
    update(&w, &dies);
    expect(&w, false, 1, 2);
    expect(&w, false, 1, 3);
    expect(&w, false, 2, 1);
    expect(&w, false, 3, 1);

    ospf_lsdb_sync_begin(w.lsdb);
    update(&w, &stays);
    changes = te_lsa(2, 1, 3, 2 * MBIT); /* counted from the first number again */
    update(&w, &changes);
    update(&w, &comes);
    dies.header.age = OSPF_LSA_MAX_AGE; /* still with ospfd */
    update(&w, &dies);
    expect(&w, false, 1, 3);
    expect(&w, false, 4, 1);
    expect_nothing(&w, 5);
    ospf_lsdb_sync_end(w.lsdb, w.now, 0);
    expect(&w, true, 2, 1);
    expect_nothing(&w, 4);
    pass(&w, HOLD);
    expect(&w, true, 3, 1);
    expect_nothing(&w, 3);

    ospf_lsdb_sync_begin(w.lsdb);
    ospf_lsdb_sync_end(w.lsdb, w.now, 0);
    expect(&w, true, 4, 1);
    expect(&w, true, 1, 3);
    expect(&w, true, 1, 2);
    expect_nothing(&w, 0);
    ospf_lsdb_free(w.lsdb);
}

/* An ospfd that has just started: it has nothing, then what its neighbours give it. */
static void test_grace(void **state)
{
    (void) state;
    struct world w = start();
    struct ospf_te_lsa stays = te_lsa(1, 1, 2, MBIT), goes = te_lsa(1, 2, 1, MBIT);

    update(&w, &stays);
    update(&w, &goes);
    expect(&w, false, 1, 2);
    expect(&w, false, 2, 1);
    ospf_lsdb_sync_begin(w.lsdb);
    ospf_lsdb_sync_end(w.lsdb, w.now, 10 * HOLD);
    assert_int_equal(ospf_lsdb_deadline(w.lsdb).ms, w.now.ms + 10 * HOLD);
    pass(&w, 9 * HOLD);
    update(&w, &stays);
    expect_nothing(&w, 2);
    pass(&w, HOLD);
    expect(&w, true, 2, 1);
    expect_nothing(&w, 1);
    /* A flush need not wait for it */
    ospf_lsdb_sync_begin(w.lsdb);
    ospf_lsdb_sync_end(w.lsdb, w.now, 10 * HOLD);
    deleted(&w, &stays);
    pass(&w, HOLD);
    expect(&w, true, 1, 2);
    expect_nothing(&w, 0);
    ospf_lsdb_free(w.lsdb);
}

static void update_bytes(struct world *w, const struct vector *v)
{
    struct err err;

    assert_int_equal(ospf_lsdb_update(w->lsdb, 1, v->bytes, v->size, w->now, &err), 0);
}

/* 1 === 2: links of both directions; then 2 dies, and what it flooded stays. */
static void test_dead_neighbour(void **state)
{
    (void) state;
    struct world w = start();
    struct ospf_te_lsa ab = te_lsa(1, 1, 2, MBIT), ba = te_lsa(1, 2, 1, MBIT), ac = te_lsa(2, 1, 6, MBIT);
    struct vector a_full = router_lsa_vector(1, (uint8_t[]) {2, 6}, 2, 0x80000001),
                  b = router_lsa_vector(2, (uint8_t[]) {1, 9}, 1, 0x80000001);
    const uint8_t others[2] = {6, 2};

    update(&w, &ab);
    update(&w, &ba);
    update(&w, &ac);
    expect(&w, false, 1, 2);
    expect(&w, false, 2, 1);
    expect(&w, false, 1, 6);
    update_bytes(&w, &a_full);
    update_bytes(&w, &b);
    expect_nothing(&w, 3);
    /* 1 has no full neighbour on that interface any more: neither direction is a link, the other link is */
    struct vector a_lost = router_lsa_vector(1, others, 1, 0x80000002);
    update_bytes(&w, &a_lost);
    expect(&w, true, 1, 2);
    expect(&w, true, 2, 1);
    expect_nothing(&w, 1);
    /* whatever is flooded of it */
    ab.header.sequence++;
    ab.links[0].metric = 9;
    ab.links[0].present |= OSPF_TE_METRIC;
    update(&w, &ab);
    expect_nothing(&w, 1);
    /* and it is back with the neighbour */
    a_full = router_lsa_vector(1, others, 2, 0x80000003);
    update_bytes(&w, &a_full);
    expect(&w, false, 1, 2);
    expect(&w, false, 2, 1);
    expect_nothing(&w, 3);
    assert_int_equal(ospf_lsdb_ted(w.lsdb)->links[0].metric, 9);
    /* Without a router LSA nothing is known against a link */
    a_lost = router_lsa_vector(1, others, 1, 0x80000004);
    update_bytes(&w, &a_lost);
    expect(&w, true, 1, 2);
    expect(&w, true, 2, 1);
    struct err err;
    assert_int_equal(ospf_lsdb_delete(w.lsdb, 1, a_lost.bytes, a_lost.size, w.now, &err), 0);
    pass(&w, HOLD);
    expect(&w, false, 1, 2);
    expect(&w, false, 2, 1);
    expect_nothing(&w, 3);
    ospf_lsdb_free(w.lsdb);
}

/* Links without an address, or on interfaces where OSPF does not run, have their control channel elsewhere. */
static void test_control_channel_elsewhere(void **state)
{
    (void) state;
    struct world w = start();
    struct ospf_te_lsa unnumbered = te_lsa(1, 1, 2, MBIT), data_link = te_lsa(2, 1, 22, MBIT);
    struct vector a = router_lsa_vector(1, (uint8_t[]) {2, 6}, 0, 0x80000001);

    unnumbered.links[0].local_ip = unnumbered.links[0].remote_ip = 0;
    unnumbered.links[0].present |= OSPF_TE_INTERFACE_IDS;
    unnumbered.links[0].local_id = 3;
    update_bytes(&w, &a);
    update(&w, &unnumbered);
    update(&w, &data_link);
    assert_int_equal(ospf_lsdb_ted(w.lsdb)->n_links, 2);
    ospf_lsdb_free(w.lsdb);
}

static void test_router_lsas(void **state)
{
    (void) state;
    struct vector v = router_lsa_vector(1, (uint8_t[]) {2, 6}, 2, 0x80000001);
    struct ospf_router_link *links = NULL;
    struct err err;
    size_t n = 77;

    assert_int_equal(ospf_router_lsa_decode(v.bytes, v.size, &links, &n, &err), 0);
    assert_int_equal(n, 4);
    assert_true(ospf_router_has_lost(links, n, 0x0afc0102, 0x0afd0003)); /* another neighbour */
    assert_false(ospf_router_has_lost(links, n, 0x0afc0102, 0x0afd0002));
    assert_false(ospf_router_has_lost(links, n, 0x0afc0202, 0x0afd0003)); /* no interface of it */
    free(links);
    links = NULL;
    for (size_t size = 0; size < v.size; size++)
        assert_int_equal(ospf_router_lsa_decode(v.bytes, size, &links, &n, &err), ERR_SHORT);
    /* It counts more links than it has; types of service are skipped */
    v.bytes[23]++;
    struct wire w = wire_writer(v.bytes, v.size);
    w.pos = v.size;
    assert_int_equal(ospf_lsa_seal(&w), v.size);
    assert_int_equal(ospf_router_lsa_decode(v.bytes, v.size, &links, &n, &err), ERR_SHORT);
    v.bytes[23] -= 2;
    v.bytes[24 + 9] = 3;
    w.pos = v.size;
    assert_int_equal(ospf_lsa_seal(&w), v.size);
    assert_int_equal(ospf_router_lsa_decode(v.bytes, v.size, &links, &n, &err), 0);
    free(links);
    links = NULL;
    v.bytes[30] ^= 1;
    assert_int_equal(ospf_router_lsa_decode(v.bytes, v.size, &links, &n, &err), ERR_MALFORMED);
    v.bytes[3] = 2;
    assert_int_equal(ospf_router_lsa_decode(v.bytes, v.size, &links, &n, &err), ERR_UNSUPPORTED);
    assert_null(links);
}

static void test_wrong(void **state)
{
    (void) state;
    struct world w = start();
    struct ospf_te_lsa lsa = te_lsa(1, 1, 2, MBIT), bad = te_lsa(1, 1, 2, 2 * MBIT);
    struct err err;

    update(&w, &lsa);
    expect(&w, false, 1, 2);
    /* Damaged on its way: as if it had not come */
    bad.header.sequence++;
    struct vector v = te_lsa_vector(&bad);
    v.bytes[60] ^= 1;
    assert_int_equal(ospf_lsdb_update(w.lsdb, 1, v.bytes, v.size, w.now, &err), ERR_MALFORMED);
    assert_int_equal(ospf_lsdb_update(w.lsdb, 1, v.bytes, v.size - 1, w.now, &err), ERR_SHORT);
    assert_int_equal(ospf_lsdb_delete(w.lsdb, 1, v.bytes, 19, w.now, &err), ERR_SHORT);
    expect_nothing(&w, 1);
    /* Flooded like that: its router does not say any more that there is the link */
    bad.links[0].present &= ~(uint32_t) OSPF_TE_ID;
    v = te_lsa_vector(&bad);
    assert_int_equal(ospf_lsdb_update(w.lsdb, 1, v.bytes, v.size, w.now, &err), ERR_MALFORMED);
    expect(&w, true, 1, 2);
    expect_nothing(&w, 0);
    /* Other LSAs are no concern of ours */
    bad.header.type = 11;
    v = te_lsa_vector(&bad);
    assert_int_equal(ospf_lsdb_update(w.lsdb, 1, v.bytes, v.size, w.now, &err), 0);
    assert_int_equal(ospf_lsdb_delete(w.lsdb, 1, v.bytes, v.size, w.now, &err), 0);
    expect_nothing(&w, 0);
    ospf_lsdb_free(w.lsdb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_instance),    cmocka_unit_test(test_flush),
        cmocka_unit_test(test_sequence),        cmocka_unit_test(test_links_of_an_lsa),
        cmocka_unit_test(test_link_moves),      cmocka_unit_test(test_areas),
        cmocka_unit_test(test_synchronisation), cmocka_unit_test(test_grace),
        cmocka_unit_test(test_dead_neighbour),  cmocka_unit_test(test_control_channel_elsewhere),
        cmocka_unit_test(test_router_lsas),     cmocka_unit_test(test_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
