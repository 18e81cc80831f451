/* SPDX-License-Identifier: Apache-2.0 */
/* Transcripts of reads. */
#include "test_openflow_txns.h"

#include "test_openflow_random.h"

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
        cmocka_unit_test(test_read_flows_in_parts),
        cmocka_unit_test(test_read_meters_and_ports),
        cmocka_unit_test(test_reads_that_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
