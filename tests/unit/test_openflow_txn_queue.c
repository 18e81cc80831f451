/* SPDX-License-Identifier: Apache-2.0 */
/* Transcripts of several transactions: which of them are begun together, share a bundle, or wait for others. */
#include "test_openflow_txns.h"

/* The switch gets the second while it is busy with the first; it is committed when the first is, and not before. */
static void test_one_while_the_other(void **state)
{
    (void) state;
    struct peer peer = peer_up();

    ask(&peer, make_txn(1, 0), 1);
    assert_sent(&peer, "bundle 1 open\nbundle 1 add cookie 1 command 0\nOFPT_BARRIER_REQUEST\n");
    uint32_t first = peer.xids[2];

    ask(&peer, make_txn(1, 1), 2);
    assert_sent(&peer, "meter add 1\nOFPT_BARRIER_REQUEST\n");
    switch_barrier(&peer, peer.xids[1]);
    assert_sent(&peer, "bundle 2 open\nbundle 2 add cookie 1 command 0\nOFPT_BARRIER_REQUEST\n");
    /* <-- the second barrier first, which no switch would send; the second waits */
    switch_barrier(&peer, peer.xids[2]);
    assert_sent(&peer, "");
    switch_barrier(&peer, first);
    /* --> both commits, in order */
    assert_sent(&peer, "bundle 1 commit\nbundle 2 commit\n");
    uint32_t commits[] = {peer.xids[0], peer.xids[1]};

    switch_bundle(&peer, commits[0], 1, OFPBCT_COMMIT_REPLY);
    assert_events(&peer, "DONE 1 OK\n");
    switch_bundle(&peer, commits[1], 2, OFPBCT_COMMIT_REPLY);
    assert_events(&peer, "DONE 2 OK\n");
    of_session_free(peer.session);
}

/* What is refused leaves nothing of it, and does not keep the next one. */
static void test_one_refused_while_the_other(void **state)
{
    (void) state;
    struct peer peer = peer_up();

    ask(&peer, make_txn(1, 0), 1);
    assert_sent(&peer, "bundle 1 open\nbundle 1 add cookie 1 command 0\nOFPT_BARRIER_REQUEST\n");
    uint32_t flow = peer.xids[1], first = peer.xids[2];

    ask(&peer, make_txn(1, 0), 2);
    assert_sent(&peer, "bundle 2 open\nbundle 2 add cookie 1 command 0\nOFPT_BARRIER_REQUEST\n");
    uint32_t second = peer.xids[2];

    switch_error(&peer, flow, 2, 4);
    switch_barrier(&peer, first);
    assert_sent(&peer, "bundle 1 discard\nOFPT_BARRIER_REQUEST\n");
    first = peer.xids[1];
    switch_barrier(&peer, second);
    assert_sent(&peer, "bundle 2 commit\n");
    switch_barrier(&peer, first);
    switch_bundle(&peer, peer.xids[0], 2, OFPBCT_COMMIT_REPLY);
    assert_events(&peer, "DONE 1 ERR_REFUSED: switch 00005c6700000001 refused a flow "
                         "(OFPET_BAD_ACTION/OFPBAC_BAD_OUT_PORT): "
                         "cookie=0x1,table=0,priority=101,actions=output:1\n"
                         "DONE 2 OK\n");
    of_session_free(peer.session);
}

/* Those that name one meter wait for each other's end. */
static void test_one_meter_after_the_other(void **state)
{
    (void) state;
    struct peer peer = peer_up();
    struct flow_txn user = make_txn(1, 0), delete = {0};

    user.mods[0].flow.meter = 1;
    flow_txn_meter_delete(&delete, 1);
    ask(&peer, user, 1);
    assert_sent(&peer, "bundle 1 open\nbundle 1 add cookie 1 command 0\nOFPT_BARRIER_REQUEST\n");
    ask(&peer, delete, 2);
    ask(&peer, make_txn(0, 1), 3);
    assert_sent(&peer, "");
    switch_barrier(&peer, peer.xids[2]);
    assert_sent(&peer, "bundle 1 commit\n");
    switch_bundle(&peer, peer.xids[0], 1, OFPBCT_COMMIT_REPLY);
    assert_sent(&peer, "meter delete 1\nOFPT_BARRIER_REQUEST\n");
    switch_barrier(&peer, peer.xids[1]);
    assert_sent(&peer, "meter add 1\nOFPT_BARRIER_REQUEST\n");
    switch_barrier(&peer, peer.xids[1]);
    assert_events(&peer, "DONE 1 OK\nDONE 2 OK\nDONE 3 OK\n");
    of_session_free(peer.session);
}

#define ADD(bundle) "bundle " bundle " add cookie 1 command 0\n"

/* Three that waited for a large one (bundle 1) are begun together, in one bundle. */
static struct peer peer_shares(void)
{
    struct peer peer = peer_up();
    size_t size;

    ask(&peer, make_txn(4000, 0), 1);
    const uint8_t *bytes = of_session_output(peer.session, &size);
    uint32_t barrier = (uint32_t) bytes[size - 2] << 8 | bytes[size - 1]; /* the last message's xid */

    of_session_sent(peer.session, size);
    for (uint64_t request = 2; request <= 4; request++)
        ask(&peer, make_txn(1, 0), request);
    assert_sent(&peer, "");
    switch_barrier(&peer, barrier);
    assert_sent(&peer, "bundle 1 commit\n");
    switch_bundle(&peer, peer.xids[0], 1, OFPBCT_COMMIT_REPLY);
    assert_events(&peer, "DONE 1 OK\n");
    assert_sent(&peer, "bundle 2 open\n" ADD("2") ADD("2") ADD("2") "OFPT_BARRIER_REQUEST\n");
    return peer;
}

static void test_shared_bundle(void **state)
{
    (void) state;
    struct peer peer = peer_shares();

    switch_bundle(&peer, peer.xids[0], 2, OFPBCT_OPEN_REPLY);
    switch_barrier(&peer, peer.xids[4]);
    assert_sent(&peer, "bundle 2 commit\n");
    uint32_t commit = peer.xids[0];

    /* The next one is filled, but not committed before this one is: what is refused would come after it. */
    ask(&peer, make_txn(1, 0), 5);
    assert_sent(&peer, "bundle 3 open\n" ADD("3") "OFPT_BARRIER_REQUEST\n");
    switch_barrier(&peer, peer.xids[2]);
    assert_sent(&peer, "");
    switch_bundle(&peer, commit, 2, OFPBCT_COMMIT_REPLY);
    assert_events(&peer, "DONE 2 OK\nDONE 3 OK\nDONE 4 OK\n");
    assert_sent(&peer, "bundle 3 commit\n");
    of_session_free(peer.session);
}

#define REFUSED(request, error) \
    "DONE " request " ERR_REFUSED: switch 00005c6700000001 refused a flow (" error "): " \
    "cookie=0x1,table=0,priority=101,actions=output:1\n"

static void test_shared_bundle_with_a_bad_flow(void **state)
{
    (void) state;
    struct peer peer = peer_shares();

    /* <-- the second one's flow refused; barrier */
    switch_error(&peer, peer.xids[2], 2, 4);
    switch_barrier(&peer, peer.xids[4]);
    /* --> the others anew, each in its own */
    assert_sent(&peer, "bundle 2 discard\nOFPT_BARRIER_REQUEST\nbundle 3 open\n" ADD("3") "bundle 4 open\n" ADD(
                           "4") "OFPT_BARRIER_REQUEST\n");
    uint32_t barrier = peer.xids[6];

    switch_barrier(&peer, peer.xids[1]);
    assert_events(&peer, REFUSED("3", "OFPET_BAD_ACTION/OFPBAC_BAD_OUT_PORT"));
    switch_barrier(&peer, barrier);
    assert_sent(&peer, "bundle 3 commit\nbundle 4 commit\n");
    uint32_t commits[] = {peer.xids[0], peer.xids[1]};

    switch_bundle(&peer, commits[0], 3, OFPBCT_COMMIT_REPLY);
    switch_bundle(&peer, commits[1], 4, OFPBCT_COMMIT_REPLY);
    assert_events(&peer, "DONE 2 OK\nDONE 4 OK\n");
    of_session_free(peer.session);
}

static void test_shared_bundle_of_bad_flows(void **state)
{
    (void) state;
    struct peer peer = peer_shares();
    uint32_t barrier = peer.xids[4];

    for (size_t i = 1; i <= 3; i++)
        switch_error(&peer, peer.xids[i], 2, 4);
    switch_barrier(&peer, barrier);
    assert_sent(&peer, "bundle 2 discard\nOFPT_BARRIER_REQUEST\nOFPT_BARRIER_REQUEST\n");
    uint32_t barriers[] = {peer.xids[1], peer.xids[2]};

    switch_barrier(&peer, barriers[0]);
    switch_barrier(&peer, barriers[1]);
    assert_events(&peer, REFUSED("2", "OFPET_BAD_ACTION/OFPBAC_BAD_OUT_PORT")
                             REFUSED("3", "OFPET_BAD_ACTION/OFPBAC_BAD_OUT_PORT")
                                 REFUSED("4", "OFPET_BAD_ACTION/OFPBAC_BAD_OUT_PORT"));
    of_session_free(peer.session);
}

static void test_shared_bundle_whose_commit_is_refused(void **state)
{
    (void) state;
    struct peer peer = peer_shares();
    uint32_t last = peer.xids[3];

    switch_barrier(&peer, peer.xids[4]);
    assert_sent(&peer, "bundle 2 commit\n");
    switch_error(&peer, last, 5, 1);
    switch_error(&peer, peer.xids[0], OFPET_EXPERIMENTER, 2313);
    /* --> the two others anew; a barrier for all */
    assert_sent(&peer, "bundle 3 open\n" ADD("3") "bundle 4 open\n" ADD("4") "OFPT_BARRIER_REQUEST\n");
    switch_barrier(&peer, peer.xids[4]);
    assert_events(&peer, REFUSED("4", "OFPET_FLOW_MOD_FAILED/OFPFMFC_TABLE_FULL"));
    assert_sent(&peer, "bundle 3 commit\nbundle 4 commit\n");
    of_session_free(peer.session);
}

/* One that waited longer runs out of time: the others go on. */
static void test_shared_bundle_of_which_one_is_late(void **state)
{
    (void) state;
    struct peer peer = peer_shares();

    switch_barrier(&peer, peer.xids[4]);
    assert_sent(&peer, "bundle 2 commit\n");
    peer_wait(&peer, 1000);
    ask(&peer, make_txn(1, 0), 5);
    assert_sent(&peer, "bundle 3 open\n" ADD("3") "OFPT_BARRIER_REQUEST\n");
    switch_barrier(&peer, peer.xids[2]);
    peer_wait(&peer, 1000);
    assert_events(&peer, "DONE 4 ERR_TIMEOUT: switch 00005c6700000001 did not answer in time\n"
                         "DONE 3 ERR_TIMEOUT: switch 00005c6700000001 did not answer in time\n"
                         "DONE 2 ERR_TIMEOUT: switch 00005c6700000001 did not answer in time\n");
    assert_sent(&peer, "bundle 3 commit\n");
    of_session_free(peer.session);
}

/* Bytes that wait to be sent, which are sent. */
static size_t sent_bytes(struct peer *peer)
{
    size_t size;

    of_session_output(peer->session, &size);
    of_session_sent(peer->session, size);
    return size;
}

/* The switch has read all that was sent, and committed it. */
static void switch_does(struct peer *peer, uint32_t bundle)
{
    size_t size;
    const uint8_t *bytes = of_session_output(peer->session, &size);
    struct of_header header;

    assert_true(size > OF_HEADER_SIZE); /* and a barrier behind it */
    assert_int_equal(of_header_decode(bytes + size - OF_HEADER_SIZE, OF_HEADER_SIZE, &header), 0);
    of_session_sent(peer->session, size);
    switch_barrier(peer, header.xid);
    bytes = of_session_output(peer->session, &size);
    assert_int_equal(of_header_decode(bytes, size, &header), 0);
    of_session_sent(peer->session, header.length);
    switch_bundle(peer, header.xid, bundle, OFPBCT_COMMIT_REPLY);
}

/* No more flow changes are under way than this, but for one that is larger alone. */
static void test_bounded(void **state)
{
    (void) state;
    struct peer peer = peer_up();

    ask(&peer, make_txn(1000, 0), 1);
    ask(&peer, make_txn(3096, 0), 2);
    assert_true(sent_bytes(&peer) > 4096 * 100);
    of_session_free(peer.session);

    peer = peer_up();
    ask(&peer, make_txn(1000, 0), 1);
    size_t size;

    of_session_output(peer.session, &size);
    ask(&peer, make_txn(5000, 0), 2);
    ask(&peer, make_txn(1, 0), 3);
    size_t before = size;

    of_session_output(peer.session, &size);
    assert_int_equal(size, before);
    switch_does(&peer, 1);
    assert_true(sent_bytes(&peer) > 5000 * 100);
    of_session_free(peer.session);
}

/* While the switch has enough to do, those that are asked for wait until they fill a bundle, or it has little left. */
static void test_whole_bundles(void **state)
{
    (void) state;
    struct peer peer = peer_up();

    ask(&peer, make_txn(1000, 0), 1);
    assert_true(sent_bytes(&peer) > 1000 * 100);
    ask(&peer, make_txn(600, 0), 2);
    assert_true(sent_bytes(&peer) > 600 * 100);
    ask(&peer, make_txn(500, 0), 3);
    ask(&peer, make_txn(523, 0), 4);
    assert_int_equal(sent_bytes(&peer), 0);
    ask(&peer, make_txn(1, 0), 5);
    assert_true(sent_bytes(&peer) > 1024 * 100);
    ask(&peer, make_txn(600, 0), 6);
    ask(&peer, make_txn(500, 0), 7); /* as much waits; they do not fit into one */
    size_t size = sent_bytes(&peer);

    assert_in_range(size, 600 * 100, 900 * 100);
    ask(&peer, make_txn(600, 0), 8); /* there is room for 7, but not for a whole bundle */
    assert_int_equal(sent_bytes(&peer), 0);
    of_session_free(peer.session);

    peer = peer_up();
    ask(&peer, make_txn(1100, 0), 1);
    ask(&peer, make_txn(10, 0), 2);
    switch_does(&peer, 1);
    assert_true(sent_bytes(&peer) > 10 * 100);
    of_session_free(peer.session);
}

/* What is not begun is not under way. */
static void test_behind_what_cannot_be_encoded(void **state)
{
    (void) state;
    struct peer peer = peer_up();
    struct flow_txn txn = make_txn(1100, 0);
    struct flow flow = flow_make(0, 1, 2);

    match_u(&flow.match, FIELD_UDP_DST, 53);
    flow_txn_add(&txn, flow);
    ask(&peer, make_txn(4000, 0), 1);
    ask(&peer, txn, 2);
    ask(&peer, make_txn(1, 0), 3);
    switch_does(&peer, 1);
    assert_sent(&peer, "bundle 3 open\n" ADD("3") "OFPT_BARRIER_REQUEST\n");
    of_session_free(peer.session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_while_the_other),
        cmocka_unit_test(test_one_refused_while_the_other),
        cmocka_unit_test(test_one_meter_after_the_other),
        cmocka_unit_test(test_shared_bundle),
        cmocka_unit_test(test_shared_bundle_with_a_bad_flow),
        cmocka_unit_test(test_shared_bundle_of_bad_flows),
        cmocka_unit_test(test_shared_bundle_whose_commit_is_refused),
        cmocka_unit_test(test_shared_bundle_of_which_one_is_late),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_whole_bundles),
        cmocka_unit_test(test_behind_what_cannot_be_encoded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
