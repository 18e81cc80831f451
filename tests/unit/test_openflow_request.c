/* SPDX-License-Identifier: Apache-2.0 */
/* Transcripts of requests: transactions that go well, are refused at each point, time out or lose the switch; reads. */
#include "test_openflow_switch.h"

#include "test_openflow_random.h"

#define METER_MOD_FAILED 12

/* 'n' flows with cookies 1..n that go out of port 1, and 'meters' meters from 1. */
static struct flow_txn make_txn(unsigned n, unsigned meters)
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

static void ask(struct peer *peer, struct flow_txn txn, uint64_t request)
{
    of_session_txn(peer->session, &txn, request, 2000, peer->now);
    flow_txn_free(&txn);
}

static void test_bundle(void **state)
{
    (void) state;
    struct peer peer = peer_up();
    struct flow_txn txn = {0};

    flow_txn_delete_cookie(&txn, FLOW_TABLE_ALL, 7, UINT64_MAX);
    flow_txn_add(&txn, flow_make(0, 1, 8));
    flow_txn_delete_strict(&txn, flow_make(0, 2, 9));
    flow_txn_meter_delete(&txn, 5);
    flow_txn_meter_delete(&txn, 6);
    ask(&peer, txn, 1);
    /* --> all of the bundle, and a barrier before the commit */
    assert_sent(&peer, "bundle 1 open\nbundle 1 add cookie 7 command 3\nbundle 1 add cookie 8 command 0\n"
                       "bundle 1 add cookie 9 command 4\nOFPT_BARRIER_REQUEST\n");
    /* <-- opened, barrier */
    switch_bundle(&peer, peer.xids[0], 1, OFPBCT_OPEN_REPLY);
    assert_sent(&peer, "");
    switch_barrier(&peer, peer.xids[0] + 4);
    /* --> commit */
    assert_sent(&peer, "bundle 1 commit\n");
    /* <-- committed */
    switch_bundle(&peer, peer.xids[0], 1, OFPBCT_COMMIT_REPLY);
    /* --> meters deleted */
    assert_sent(&peer, "meter delete 5\nmeter delete 6\nOFPT_BARRIER_REQUEST\n");
    assert_events(&peer, "");
    /* <-- meter 6 is not there, which is what we want; barrier */
    switch_error(&peer, peer.xids[1], METER_MOD_FAILED, OFPMMFC_UNKNOWN_METER);
    switch_barrier(&peer, peer.xids[2]);
    assert_events(&peer, "DONE 1 OK\n");
    assert_sent(&peer, "");
    of_session_free(peer.session);
}

static void test_meters_before_the_bundle(void **state)
{
    (void) state;
    struct peer peer = peer_up();

    ask(&peer, make_txn(1, 2), 1);
    /* --> meters, barrier; <-- barrier */
    assert_sent(&peer, "meter add 1\nmeter add 2\nOFPT_BARRIER_REQUEST\n");
    switch_barrier(&peer, peer.xids[2]);
    /* --> bundle; <-- barrier; --> commit; <-- committed */
    assert_sent(&peer, "bundle 1 open\nbundle 1 add cookie 1 command 0\nOFPT_BARRIER_REQUEST\n");
    switch_barrier(&peer, peer.xids[2]);
    assert_sent(&peer, "bundle 1 commit\n");
    switch_bundle(&peer, peer.xids[0], 1, OFPBCT_COMMIT_REPLY);
    assert_sent(&peer, "");
    assert_events(&peer, "DONE 1 OK\n");
    of_session_free(peer.session);
}

static void test_meter_exists(void **state)
{
    (void) state;
    struct peer peer = peer_up();

    ask(&peer, make_txn(1, 3), 1);
    /* --> meters; <-- meter 2 exists; <-- barrier */
    assert_sent(&peer, "meter add 1\nmeter add 2\nmeter add 3\nOFPT_BARRIER_REQUEST\n");
    switch_error(&peer, peer.xids[1], METER_MOD_FAILED, OFPMMFC_METER_EXISTS);
    switch_barrier(&peer, peer.xids[3]);
    assert_sent(&peer, "bundle 1 open\nbundle 1 add cookie 1 command 0\nOFPT_BARRIER_REQUEST\n");
    switch_barrier(&peer, peer.xids[2]);
    assert_sent(&peer, "bundle 1 commit\n");
    switch_bundle(&peer, peer.xids[0], 1, OFPBCT_COMMIT_REPLY);
    /* --> modified, now that nothing can be refused any more */
    assert_sent(&peer, "meter modify 2\nOFPT_BARRIER_REQUEST\n");
    switch_barrier(&peer, peer.xids[1]);
    assert_events(&peer, "DONE 1 OK\n");

    /* Without flows, it is modified at once; and the switch does not like its new rate */
    ask(&peer, make_txn(0, 1), 2);
    assert_sent(&peer, "meter add 1\nOFPT_BARRIER_REQUEST\n");
    switch_error(&peer, peer.xids[0], METER_MOD_FAILED, OFPMMFC_METER_EXISTS);
    switch_barrier(&peer, peer.xids[1]);
    assert_sent(&peer, "meter modify 1\nOFPT_BARRIER_REQUEST\n");
    switch_error(&peer, peer.xids[0], METER_MOD_FAILED, 6);
    switch_barrier(&peer, peer.xids[1]);
    assert_events(&peer, "DONE 2 ERR_UNKNOWN: the flow changes stand, but: switch 00005c6700000001 refused meter 1 "
                         "(OFPET_METER_MOD_FAILED/OFPMMFC_BAD_RATE)\n");
    of_session_free(peer.session);
}

static void test_meter_exists_and_a_flow_is_refused(void **state)
{
    (void) state;
    struct peer peer = peer_up();

    ask(&peer, make_txn(1, 3), 1);
    assert_sent(&peer, "meter add 1\nmeter add 2\nmeter add 3\nOFPT_BARRIER_REQUEST\n");
    switch_error(&peer, peer.xids[1], METER_MOD_FAILED, OFPMMFC_METER_EXISTS);
    switch_barrier(&peer, peer.xids[3]);
    assert_sent(&peer, "bundle 1 open\nbundle 1 add cookie 1 command 0\nOFPT_BARRIER_REQUEST\n");
    switch_error(&peer, peer.xids[1], 2, 4);
    switch_barrier(&peer, peer.xids[2]);
    /* --> of the meters only those go that were added; the one that existed was not touched */
    assert_sent(&peer, "bundle 1 discard\nmeter delete 1\nmeter delete 3\nOFPT_BARRIER_REQUEST\n");
    switch_barrier(&peer, peer.xids[3]);
    assert_events(&peer, "DONE 1 ERR_REFUSED: switch 00005c6700000001 refused a flow "
                         "(OFPET_BAD_ACTION/OFPBAC_BAD_OUT_PORT): "
                         "cookie=0x1,table=0,priority=101,actions=output:1\n");
    of_session_free(peer.session);
}

static void test_meter_refused(void **state)
{
    (void) state;
    struct peer peer = peer_up();

    ask(&peer, make_txn(1, 3), 1);
    assert_sent(&peer, "meter add 1\nmeter add 2\nmeter add 3\nOFPT_BARRIER_REQUEST\n");
    /* <-- meter 2: no more; meter 3: neither */
    switch_error(&peer, peer.xids[1], METER_MOD_FAILED, 10);
    switch_error(&peer, peer.xids[2], METER_MOD_FAILED, 10);
    switch_barrier(&peer, peer.xids[3]);
    /* --> the one that was added goes, no bundle was opened */
    assert_sent(&peer, "meter delete 1\nOFPT_BARRIER_REQUEST\n");
    switch_barrier(&peer, peer.xids[1]);
    assert_events(&peer, "DONE 1 ERR_REFUSED: switch 00005c6700000001 refused meter 2 "
                         "(OFPET_METER_MOD_FAILED/OFPMMFC_OUT_OF_METERS)\n");
    of_session_free(peer.session);
}

static void test_one_bad_flow_in_the_bundle(void **state)
{
    (void) state;
    struct peer peer = peer_up();

    ask(&peer, make_txn(3, 1), 1);
    assert_sent(&peer, "meter add 1\nOFPT_BARRIER_REQUEST\n");
    switch_barrier(&peer, peer.xids[1]);
    assert_sent(&peer, "bundle 1 open\nbundle 1 add cookie 1 command 0\nbundle 1 add cookie 2 command 0\n"
                       "bundle 1 add cookie 3 command 0\nOFPT_BARRIER_REQUEST\n");
    /* <-- flow 2 refused while it is added; barrier */
    switch_error(&peer, peer.xids[2], 2, 4);
    switch_barrier(&peer, peer.xids[4]);
    /* --> no commit */
    assert_sent(&peer, "bundle 1 discard\nmeter delete 1\nOFPT_BARRIER_REQUEST\n");
    switch_bundle(&peer, peer.xids[0], 1, OFPBCT_DISCARD_REPLY);
    assert_events(&peer, "");
    switch_barrier(&peer, peer.xids[2]);
    assert_events(&peer, "DONE 1 ERR_REFUSED: switch 00005c6700000001 refused a flow "
                         "(OFPET_BAD_ACTION/OFPBAC_BAD_OUT_PORT): "
                         "cookie=0x2,table=0,priority=102,actions=output:1\n");
    of_session_free(peer.session);
}

static void test_commit_refused(void **state)
{
    (void) state;
    struct peer peer = peer_up();

    ask(&peer, make_txn(2, 1), 1);
    assert_sent(&peer, "meter add 1\nOFPT_BARRIER_REQUEST\n");
    switch_barrier(&peer, peer.xids[1]);
    assert_sent(&peer, "bundle 1 open\nbundle 1 add cookie 1 command 0\nbundle 1 add cookie 2 command 0\n"
                       "OFPT_BARRIER_REQUEST\n");
    uint32_t second = peer.xids[2];

    switch_barrier(&peer, peer.xids[3]);
    assert_sent(&peer, "bundle 1 commit\n");
    /* <-- table full, under the xid of flow 2; then the commit's own error */
    switch_error(&peer, second, 5, 1);
    assert_sent(&peer, "");
    switch_error(&peer, peer.xids[0], OFPET_EXPERIMENTER, 2313);
    /* --> the bundle is gone already */
    assert_sent(&peer, "meter delete 1\nOFPT_BARRIER_REQUEST\n");
    switch_barrier(&peer, peer.xids[1]);
    assert_events(&peer, "DONE 1 ERR_REFUSED: switch 00005c6700000001 refused a flow "
                         "(OFPET_FLOW_MOD_FAILED/OFPFMFC_TABLE_FULL): "
                         "cookie=0x2,table=0,priority=102,actions=output:1\n");
    of_session_free(peer.session);
}

/* An error under the xid of the barrier is about no meter and no flow. */
static void test_error_about_something_else(void **state)
{
    (void) state;
    struct peer peer = peer_up();

    ask(&peer, make_txn(1, 2), 1);
    assert_sent(&peer, "meter add 1\nmeter add 2\nOFPT_BARRIER_REQUEST\n");
    switch_error(&peer, peer.xids[0] - 1, METER_MOD_FAILED, 10);
    switch_error(&peer, peer.xids[2], METER_MOD_FAILED, 10);
    assert_events(&peer, "ERROR ERR_REFUSED: switch 00005c6700000001 refused an OFPT_EXPERIMENTER with "
                         "OFPET_METER_MOD_FAILED/OFPMMFC_OUT_OF_METERS\n"
                         "ERROR ERR_REFUSED: switch 00005c6700000001 refused an OFPT_EXPERIMENTER with "
                         "OFPET_METER_MOD_FAILED/OFPMMFC_OUT_OF_METERS\n");
    switch_barrier(&peer, peer.xids[2]);
    assert_sent(&peer, "bundle 1 open\nbundle 1 add cookie 1 command 0\nOFPT_BARRIER_REQUEST\n");
    of_session_free(peer.session);
}

static void test_no_bundles_in_this_switch(void **state)
{
    (void) state;
    struct peer peer = peer_up();

    ask(&peer, make_txn(1, 0), 1);
    assert_sent(&peer, "bundle 1 open\nbundle 1 add cookie 1 command 0\nOFPT_BARRIER_REQUEST\n");
    switch_error(&peer, peer.xids[0], OFPET_BAD_REQUEST, 3);
    switch_error(&peer, peer.xids[1], OFPET_BAD_REQUEST, 3);
    switch_barrier(&peer, peer.xids[2]);
    assert_sent(&peer, "bundle 1 discard\nOFPT_BARRIER_REQUEST\n");
    switch_error(&peer, peer.xids[0], OFPET_BAD_REQUEST, 3);
    switch_barrier(&peer, peer.xids[1]);
    assert_events(&peer, "ERROR ERR_REFUSED: switch 00005c6700000001 refused an OFPT_EXPERIMENTER with "
                         "OFPET_BAD_REQUEST/OFPBRC_BAD_EXPERIMENTER\n"
                         "DONE 1 ERR_REFUSED: switch 00005c6700000001 refused to open a bundle "
                         "(OFPET_BAD_REQUEST/OFPBRC_BAD_EXPERIMENTER)\n");
    of_session_free(peer.session);
}

static void test_meter_that_cannot_be_deleted(void **state)
{
    (void) state;
    struct peer peer = peer_up();
    struct flow_txn txn = {0};

    flow_txn_meter_delete(&txn, 5);
    ask(&peer, txn, 1);
    assert_sent(&peer, "meter delete 5\nOFPT_BARRIER_REQUEST\n");
    switch_error(&peer, peer.xids[0], METER_MOD_FAILED, 4);
    switch_barrier(&peer, peer.xids[1]);
    assert_events(&peer, "DONE 1 ERR_UNKNOWN: the flow changes stand, but: switch 00005c6700000001 refused meter 5 "
                         "(OFPET_METER_MOD_FAILED/OFPMMFC_BAD_COMMAND)\n");
    of_session_free(peer.session);
}

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

static void test_what_cannot_be_encoded(void **state)
{
    (void) state;
    struct peer peer = peer_up();
    struct flow_txn txn = make_txn(1, 1);
    struct flow flow = flow_make(0, 1, 2);

    match_u(&flow.match, FIELD_UDP_DST, 53);
    flow_txn_add(&txn, flow);
    ask(&peer, txn, 1);
    /* Nothing is sent, not even its meter. */
    assert_sent(&peer, "");
    assert_events(
        &peer,
        "DONE 1 ERR_INVALID: a match on udp_dst lacks the eth_type, ip_proto, icmpv6_type or VLAN tag that udp_dst "
        "needs, in flow cookie=0x2,table=0,priority=1,udp_dst=53,actions=drop\n");
    of_session_free(peer.session);
}

static void test_timeouts(void **state)
{
    (void) state;
    struct peer peer = peer_up();

    ask(&peer, make_txn(1, 1), 1);
    assert_sent(&peer, "meter add 1\nOFPT_BARRIER_REQUEST\n");
    switch_barrier(&peer, peer.xids[1]);
    assert_sent(&peer, "bundle 1 open\nbundle 1 add cookie 1 command 0\nOFPT_BARRIER_REQUEST\n");
    uint32_t barrier = peer.xids[2];

    assert_int_equal(mono_diff(of_session_deadline(peer.session), peer.now), 2000);
    peer_wait(&peer, 1999);
    assert_events(&peer, "");
    /* No barrier within 2 s: what is not committed is taken back, without waiting */
    peer_wait(&peer, 1);
    assert_sent(&peer, "bundle 1 discard\nmeter delete 1\n");
    assert_events(&peer, "DONE 1 ERR_TIMEOUT: switch 00005c6700000001 did not answer in time\n");
    /* <-- the barrier, late: nobody waits for it */
    switch_barrier(&peer, barrier);
    assert_sent(&peer, "");

    /* The commit is not answered: it may stand. The others are too large to be under way with it */
    ask(&peer, make_txn(1, 0), 2);
    ask(&peer, make_txn(5000, 0), 3);
    peer_wait(&peer, 1000);
    ask(&peer, make_txn(1, 0), 4);
    assert_sent(&peer, "bundle 2 open\nbundle 2 add cookie 1 command 0\nOFPT_BARRIER_REQUEST\n");
    switch_barrier(&peer, peer.xids[2]);
    assert_sent(&peer, "bundle 2 commit\n");
    peer_wait(&peer, 1000);
    /* 3 waited for it all that time and is not begun; 4, behind it, is */
    assert_events(&peer, "DONE 3 ERR_TIMEOUT: switch 00005c6700000001 was busy with earlier changes; nothing of these "
                         "was sent\n"
                         "DONE 2 ERR_TIMEOUT: switch 00005c6700000001 did not answer in time\n");
    assert_sent(&peer, "bundle 3 open\nbundle 3 add cookie 1 command 0\nOFPT_BARRIER_REQUEST\n");
    of_session_free(peer.session);
}

static void test_switch_lost(void **state)
{
    (void) state;
    struct peer peer = peer_up();

    /* In the commit, with one more in its bundle and a read under way */
    ask(&peer, make_txn(1, 0), 1);
    ask(&peer, make_txn(1, 0), 2);
    of_session_read_meters(peer.session, 3, 2000, peer.now);
    assert_sent(&peer, "bundle 1 open\nbundle 1 add cookie 1 command 0\nOFPT_BARRIER_REQUEST\n"
                       "bundle 2 open\nbundle 2 add cookie 1 command 0\nOFPT_BARRIER_REQUEST\nmultipart 10\n");
    switch_barrier(&peer, peer.xids[2]);
    assert_sent(&peer, "bundle 1 commit\n");
    of_session_closed(peer.session, ERR_IO, "connection reset");
    assert_events(&peer,
                  "DONE 1 ERR_UNKNOWN: switch 00005c6700000001 was lost while it applied changes: connection reset\n"
                  "DONE 2 ERR_UNREACHABLE: switch 00005c6700000001 was lost: connection reset\n"
                  "DONE 3 ERR_UNREACHABLE: switch 00005c6700000001 was lost: connection reset\n"
                  "DOWN ERR_IO: connection reset\n");
    /* And afterwards */
    ask(&peer, make_txn(1, 0), 4);
    assert_events(&peer, "DONE 4 ERR_UNREACHABLE: the switch is not connected\n");
    of_session_free(peer.session);

    /* In the bundle: an open bundle dies with its connection */
    peer = peer_up();
    ask(&peer, make_txn(1, 0), 1);
    of_session_closed(peer.session, ERR_IO, "connection reset");
    assert_events(&peer, "DONE 1 ERR_UNREACHABLE: switch 00005c6700000001 was lost: connection reset\n"
                         "DOWN ERR_IO: connection reset\n");
    of_session_free(peer.session);

    /* With a meter added, which does not */
    peer = peer_up();
    ask(&peer, make_txn(1, 1), 1);
    of_session_closed(peer.session, ERR_IO, "connection reset");
    assert_events(&peer,
                  "DONE 1 ERR_UNKNOWN: switch 00005c6700000001 was lost while it applied changes: connection reset\n"
                  "DOWN ERR_IO: connection reset\n");
    of_session_free(peer.session);
}

static void test_read_flows_in_parts(void **state)
{
    (void) state;
    struct peer peer = peer_up();
    struct rng rng = {1};
    uint8_t body[8192];
    struct wire w = wire_writer(body, sizeof body);
    struct flow flow = flow_make(2, 10, 0x77);

    match_u(&flow.match, FIELD_IN_PORT, 4);
    flow_output(&flow, 1);
    put_flow_stats(&w, &flow);
    of_session_read_flows(peer.session, &(struct of_flow_query) {.table = FLOW_TABLE_ALL}, 5, 2000, peer.now);
    /* --> flows? while a transaction goes on */
    ask(&peer, make_txn(1, 0), 6);
    assert_sent(&peer, "multipart 1\nbundle 1 open\nbundle 1 add cookie 1 command 0\nOFPT_BARRIER_REQUEST\n");
    uint32_t read = peer.xids[0], barrier = peer.xids[3];

    /* <-- one flow, more; barrier; one flow, the last */
    switch_multipart(&peer, read, OFPMP_FLOW, true, body, w.pos);
    assert_events(&peer, "FLOW 5 cookie=0x77,table=2,priority=10,in_port=4,actions=output:1\n");
    switch_barrier(&peer, barrier);
    assert_sent(&peer, "bundle 1 commit\n");
    switch_multipart(&peer, read, OFPMP_FLOW, false, body, w.pos);
    assert_events(&peer, "FLOW 5 cookie=0x77,table=2,priority=10,in_port=4,actions=output:1\nDONE 5 OK\n");
    /* <-- once more: nobody asked */
    switch_multipart(&peer, read, OFPMP_FLOW, false, body, w.pos);
    assert_events(&peer, "");
    flow_free(&flow);

    /* An empty switch */
    of_session_read_flows(peer.session, &(struct of_flow_query) {.table = 1}, 7, 2000, peer.now);
    assert_sent(&peer, "multipart 1\n");
    switch_multipart(&peer, peer.xids[0], OFPMP_FLOW, false, NULL, 0);
    assert_events(&peer, "DONE 7 OK\n");

    /* Many flows come as they are decoded: never more events than the bytes that came hold */
    of_session_read_flows(peer.session, &(struct of_flow_query) {.table = FLOW_TABLE_ALL}, 8, 2000, peer.now);
    assert_sent(&peer, "multipart 1\n");
    for (unsigned i = 0; i < 2000; i++) {
        struct of_event event;
        unsigned n = 0;

        flow = random_flow(&rng);
        w.pos = 0;
        put_flow_stats(&w, &flow);
        switch_multipart(&peer, peer.xids[0], OFPMP_FLOW, i < 1999, body, w.pos);
        while (of_session_event(peer.session, &event)) {
            assert_true(n < 2);
            assert_int_equal(event.type, n++ == 0 ? OF_EVENT_FLOW : OF_EVENT_DONE);
            assert_true(event.type != OF_EVENT_FLOW || flow_equal(&event.flow, &flow));
            of_event_free(&event);
        }
        assert_int_equal(n, i < 1999 ? 1 : 2);
        flow_free(&flow);
    }
    of_session_free(peer.session);
}

static void test_read_meters_and_ports(void **state)
{
    (void) state;
    struct peer peer = peer_up();
    uint8_t body[64];
    struct wire w = wire_writer(body, sizeof body);

    /* Meter 3: one drop band of 1000 kbit/s; meter 4: of 1000 packets/s */
    for (uint32_t id = 3; id <= 4; id++) {
        wire_put_u16(&w, 24);
        wire_put_u16(&w, id == 3 ? 1 : 2);
        wire_put_u32(&w, id);
        wire_put_u16(&w, 1);
        wire_put_u16(&w, 16);
        wire_put_u32(&w, 1000);
        wire_put_zeros(&w, 8);
    }
    of_session_read_meters(peer.session, 1, 2000, peer.now);
    of_session_read_ports(peer.session, 2, 2000, peer.now);
    assert_sent(&peer, "multipart 10\nmultipart 13\n");
    uint32_t meters = peer.xids[0], ports = peer.xids[1];

    /* <-- the ports first: order does not matter */
    switch_ports(&peer, ports);
    assert_events(&peer, "PORT 2 eth1\nPORT 2 eth2\nDONE 2 OK\n");
    switch_multipart(&peer, meters, OFPMP_METER_CONFIG, false, body, w.pos);
    assert_events(&peer, "METER 1 3 1000\nMETER 1 4 1000 packets/s\nDONE 1 OK\n");
    of_session_free(peer.session);
}

static void test_reads_that_fail(void **state)
{
    (void) state;
    struct peer peer = peer_up();

    /* Refused */
    of_session_read_flows(peer.session, &(struct of_flow_query) {.table = 1}, 1, 2000, peer.now);
    assert_sent(&peer, "multipart 1\n");
    switch_error(&peer, peer.xids[0], OFPET_BAD_REQUEST, 9);
    assert_events(&peer, "DONE 1 ERR_REFUSED: switch 00005c6700000001 refused to be read: "
                         "OFPET_BAD_REQUEST/OFPBRC_BAD_TABLE_ID\n");
    /* Another kind of answer */
    of_session_read_flows(peer.session, &(struct of_flow_query) {.table = 1}, 2, 2000, peer.now);
    assert_sent(&peer, "multipart 1\n");
    switch_ports(&peer, peer.xids[0]);
    assert_events(&peer, "DONE 2 ERR_MALFORMED: the switch answered a read with something else "
                         "(OFPT_MULTIPART_REPLY)\n");
    /* An object that is cut off, and a message that is too short for its type */
    of_session_read_flows(peer.session, &(struct of_flow_query) {.table = 1}, 3, 2000, peer.now);
    of_session_read_meters(peer.session, 4, 2000, peer.now);
    assert_sent(&peer, "multipart 1\nmultipart 10\n");
    switch_multipart(&peer, peer.xids[0], OFPMP_FLOW, false, (const uint8_t[]) {0, 56, 0, 0}, 4);
    switch_sends(&peer, OFPT_MULTIPART_REPLY, peer.xids[1], NULL, 0);
    assert_events(&peer, "DONE 3 ERR_SHORT: a flow claims 56 bytes\n"
                         "DONE 4 ERR_SHORT: an OFPT_MULTIPART_REPLY of 8 bytes is too short\n");
    /* No answer */
    of_session_read_flows(peer.session, &(struct of_flow_query) {.table = 1}, 5, 2000, peer.now);
    assert_sent(&peer, "multipart 1\n");
    peer_wait(&peer, 2000);
    assert_events(&peer, "DONE 5 ERR_TIMEOUT: switch 00005c6700000001 did not answer in time\n");
    of_session_free(peer.session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bundle),
        cmocka_unit_test(test_meters_before_the_bundle),
        cmocka_unit_test(test_meter_exists),
        cmocka_unit_test(test_meter_exists_and_a_flow_is_refused),
        cmocka_unit_test(test_meter_refused),
        cmocka_unit_test(test_one_bad_flow_in_the_bundle),
        cmocka_unit_test(test_commit_refused),
        cmocka_unit_test(test_error_about_something_else),
        cmocka_unit_test(test_no_bundles_in_this_switch),
        cmocka_unit_test(test_meter_that_cannot_be_deleted),
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
        cmocka_unit_test(test_what_cannot_be_encoded),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_switch_lost),
        cmocka_unit_test(test_read_flows_in_parts),
        cmocka_unit_test(test_read_meters_and_ports),
        cmocka_unit_test(test_reads_that_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
