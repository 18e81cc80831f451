/* SPDX-License-Identifier: Apache-2.0 */
/* Transcripts of transactions that go well, are refused at each point, time out or lose the switch. */
#include "test_openflow_txns.h"

#define METER_MOD_FAILED 12

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
        cmocka_unit_test(test_what_cannot_be_encoded),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_switch_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
