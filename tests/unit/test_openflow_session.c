/* SPDX-License-Identifier: Apache-2.0 */
/* Transcripts of an OpenFlow connection: handshake, framing, keep-alive, what comes unasked. */
#include "test_openflow_switch.h"

static void test_handshake(void **state)
{
    (void) state;
    struct peer peer = peer_connect();
    uint8_t desc[1056] = "Nicira, Inc.";

    memcpy(desc + 512, "3.1.0", 5);
    /* --> hello */
    assert_sent(&peer, "OFPT_HELLO\n");
    /* <-- hello with a higher version and no bitmap: 1.3 it is */
    switch_hello(&peer, 0x06);
    /* --> features?, description?, meters?, ports?, whole packets please */
    assert_sent(&peer, HANDSHAKE);
    assert_int_equal(of_session_dpid(peer.session), 0);
    /* <-- features */
    switch_features(&peer, peer.xids[0], 0);
    assert_int_equal(of_session_dpid(peer.session), TEST_DPID);
    /* <-- description */
    switch_multipart(&peer, peer.xids[1], OFPMP_DESC, false, desc, sizeof desc);
    /* <-- no meters here */
    switch_error(&peer, peer.xids[2], OFPET_BAD_REQUEST, 2);
    assert_false(of_session_is_up(peer.session));
    /* <-- ports, in two parts */
    switch_ports(&peer, peer.xids[3]);
    assert_events(&peer, "UP 00005c6700000001 meters 0 '3.1.0' 1=eth1 2=eth2\n");
    assert_sent(&peer, "");
    of_session_free(peer.session);
}

static void test_bytes_one_by_one(void **state)
{
    (void) state;
    struct peer peer = peer_connect();
    uint8_t bytes[64];
    struct wire w = wire_writer(bytes, sizeof bytes);

    /* --> hello */
    assert_sent(&peer, "OFPT_HELLO\n");
    /* <-- hello, echo request, echo request: byte by byte */
    end(&w, begin(&w, OF_VERSION, OFPT_HELLO, 1));
    of_echo_encode(&w, OFPT_ECHO_REQUEST, 7, (struct of_bytes) {(const uint8_t *) "abc", 3});
    of_echo_encode(&w, OFPT_ECHO_REQUEST, 8, (struct of_bytes) {0});
    for (size_t i = 0; i < w.pos; i++)
        of_session_receive(peer.session, bytes + i, 1, peer.now);
    /* --> the questions, both echoes answered under their xids */
    assert_sent(&peer, HANDSHAKE "OFPT_ECHO_REPLY\nOFPT_ECHO_REPLY\n");
    assert_int_equal(peer.xids[5], 7);
    assert_int_equal(peer.xids[6], 8);
    assert_events(&peer, "");
    of_session_free(peer.session);
}

static void test_several_messages_in_one_piece(void **state)
{
    (void) state;
    struct peer peer = peer_connect();
    uint8_t bytes[64];
    struct wire w = wire_writer(bytes, sizeof bytes);

    assert_sent(&peer, "OFPT_HELLO\n");
    /* <-- hello, echo request, and half an echo request */
    end(&w, begin(&w, OF_VERSION, OFPT_HELLO, 1));
    of_echo_encode(&w, OFPT_ECHO_REQUEST, 7, (struct of_bytes) {0});
    of_echo_encode(&w, OFPT_ECHO_REQUEST, 8, (struct of_bytes) {0});
    of_session_receive(peer.session, bytes, w.pos - 4, peer.now);
    assert_sent(&peer, HANDSHAKE "OFPT_ECHO_REPLY\n");
    /* <-- the other half */
    of_session_receive(peer.session, bytes + w.pos - 4, 4, peer.now);
    assert_sent(&peer, "OFPT_ECHO_REPLY\n");
    of_session_free(peer.session);
}

static void test_version_that_is_not_ours(void **state)
{
    (void) state;
    struct peer peer = peer_connect();

    assert_sent(&peer, "OFPT_HELLO\n");
    /* <-- hello of OpenFlow 1.0 */
    switch_hello(&peer, 0x01);
    /* --> hello failed, incompatible, under the xid of its hello */
    assert_sent(&peer, "error 0/0\n");
    assert_int_equal(peer.xids[0], 1);
    assert_events(&peer, "DOWN ERR_UNSUPPORTED: the switch speaks no OpenFlow 1.3 (its hello has version 0x01); "
                         "enable it there\n");
    assert_int_equal(of_session_deadline(peer.session).ms, MONO_NEVER.ms);
    of_session_free(peer.session);
}

static void test_switch_refuses_our_hello(void **state)
{
    (void) state;
    struct peer peer = peer_connect();

    switch_error(&peer, 1, OFPET_HELLO_FAILED, OFPHFC_INCOMPATIBLE);
    assert_events(&peer, "DOWN ERR_REFUSED: the switch refused our hello: OFPET_HELLO_FAILED/OFPHFC_INCOMPATIBLE\n");
    of_session_free(peer.session);
}

static void test_no_hello_first(void **state)
{
    (void) state;
    struct peer peer = peer_connect();

    switch_features(&peer, 1, 0);
    assert_events(&peer, "DOWN ERR_MALFORMED: the switch began with OFPT_FEATURES_REPLY, not with a hello\n");
    of_session_free(peer.session);
}

static void test_handshake_failures(void **state)
{
    (void) state;
    struct peer peer = peer_connect();

    /* <-- hello; --> questions; <-- an auxiliary connection */
    switch_hello(&peer, OF_VERSION);
    assert_sent(&peer, "OFPT_HELLO\n" HANDSHAKE);
    switch_features(&peer, peer.xids[1], 1);
    assert_events(&peer, "DOWN ERR_UNSUPPORTED: the switch opened an auxiliary connection; only main ones are used\n");
    of_session_free(peer.session);

    /* <-- hello; --> questions; <-- ports? an error */
    peer = peer_connect();
    switch_hello(&peer, OF_VERSION);
    assert_sent(&peer, "OFPT_HELLO\n" HANDSHAKE);
    switch_error(&peer, peer.xids[4], OFPET_BAD_REQUEST, 2);
    assert_events(&peer, "DOWN ERR_REFUSED: the switch does not tell its ports: "
                         "OFPET_BAD_REQUEST/OFPBRC_BAD_MULTIPART\n");
    of_session_free(peer.session);

    /* <-- hello; --> questions; silence, broken by echoes only */
    peer = peer_connect();
    switch_hello(&peer, OF_VERSION);
    for (int i = 0; i < 3; i++) {
        peer_wait(&peer, 3000);
        switch_sends(&peer, OFPT_ECHO_REPLY, 0, NULL, 0);
        assert_events(&peer, "");
    }
    assert_int_equal(mono_diff(of_session_deadline(peer.session), peer.now), 1000);
    peer_wait(&peer, 1000);
    assert_events(&peer, "DOWN ERR_TIMEOUT: the switch did not finish the OpenFlow handshake in time\n");
    of_session_free(peer.session);
}

static void test_more_ports_than_allowed(void **state)
{
    (void) state;
    static uint8_t body[512 * 64];
    struct peer peer = peer_connect();
    struct wire w = wire_writer(body, sizeof body);

    for (uint32_t i = 1; i <= 512; i++)
        put_port(&w, i, "p", false);
    switch_hello(&peer, OF_VERSION);
    assert_sent(&peer, "OFPT_HELLO\n" HANDSHAKE);
    for (int i = 0; i < OF_PORTS_MAX / 512; i++)
        switch_multipart(&peer, peer.xids[4], OFPMP_PORT_DESC, true, body, sizeof body);
    assert_events(&peer, "");
    switch_multipart(&peer, peer.xids[4], OFPMP_PORT_DESC, true, body, 64);
    assert_events(&peer, "DOWN ERR_TOO_LARGE: the switch has more than 4096 ports\n");
    of_session_free(peer.session);
}

static void test_echo_and_its_loss(void **state)
{
    (void) state;
    struct peer peer = peer_up();

    assert_int_equal(mono_diff(of_session_deadline(peer.session), peer.now), 5000);
    peer_wait(&peer, 4999);
    assert_sent(&peer, "");
    /* 5 s of silence --> echo request */
    peer_wait(&peer, 1);
    assert_sent(&peer, "OFPT_ECHO_REQUEST\n");
    assert_int_equal(mono_diff(of_session_deadline(peer.session), peer.now), 5000);
    /* <-- anything counts as an answer */
    peer_wait(&peer, 4000);
    switch_barrier(&peer, 12345);
    peer_wait(&peer, 4000);
    assert_sent(&peer, "");
    /* 5 s of silence --> echo request; 5 s more: down */
    peer_wait(&peer, 1000);
    assert_sent(&peer, "OFPT_ECHO_REQUEST\n");
    peer_wait(&peer, 4999);
    assert_events(&peer, "");
    peer_wait(&peer, 1);
    assert_events(&peer, "DOWN ERR_TIMEOUT: the switch is silent and does not answer an echo request\n");
    /* Nothing more comes of it. */
    switch_barrier(&peer, 1);
    peer_wait(&peer, 100000);
    of_session_closed(peer.session, ERR_IO, "closed");
    assert_events(&peer, "");
    assert_sent(&peer, "");
    of_session_free(peer.session);
}

static void test_what_comes_unasked(void **state)
{
    (void) state;
    struct peer peer = peer_up();
    uint8_t bytes[128] = {0};
    struct wire w = wire_writer(bytes, sizeof bytes);

    /* <-- port 2 has a link now */
    wire_put_u8(&w, OFPPR_MODIFY);
    wire_put_zeros(&w, 7);
    put_port(&w, 2, "eth2", false);
    switch_sends(&peer, OFPT_PORT_STATUS, 0, bytes, w.pos);
    assert_events(&peer, "PORT_STATUS 2 eth2 up\n");

    /* <-- a packet */
    struct flow_match match = {0};

    match_u(&match, FIELD_IN_PORT, 2);
    w.pos = 0;
    wire_put_u32(&w, 0xffffffff);
    wire_put_u16(&w, 14);
    wire_put_u8(&w, OFPR_ACTION);
    wire_put_u8(&w, 0);
    wire_put_u64(&w, 5);
    of_match_encode(&w, &match, NULL);
    wire_put_zeros(&w, 2 + 14);
    switch_sends(&peer, OFPT_PACKET_IN, 0, bytes, w.pos);
    assert_events(&peer, "PACKET_IN port 2 14 bytes\n");

    /* <-- an error that nobody waits for */
    switch_error(&peer, 999, 2, 4);
    assert_events(&peer, "ERROR ERR_REFUSED: switch 00005c6700000001 refused an OFPT_EXPERIMENTER with "
                         "OFPET_BAD_ACTION/OFPBAC_BAD_OUT_PORT\n");
    switch_sends(&peer, OFPT_ERROR, 999, (const uint8_t[]) {0, 1, 0, 6}, 4);
    assert_events(&peer, "ERROR ERR_REFUSED: switch 00005c6700000001 sent an error: "
                         "OFPET_BAD_REQUEST/OFPBRC_BAD_LEN\n");

    /* <-- flow removed, a role reply, an experimenter's message: nothing to us */
    switch_sends(&peer, OFPT_FLOW_REMOVED, 0, bytes, 48);
    switch_sends(&peer, 25, 0, bytes, 16);
    switch_sends(&peer, OFPT_EXPERIMENTER, 0, bytes, 8);
    assert_events(&peer, "");
    assert_sent(&peer, "");
    of_session_free(peer.session);
}

static void test_what_cannot_be_read(void **state)
{
    (void) state;
    struct peer peer = peer_up();

    /* <-- a type that 1.3 does not have; --> bad request, bad type */
    switch_sends(&peer, 99, 77, NULL, 0);
    assert_sent(&peer, "error 1/1\n");
    assert_int_equal(peer.xids[0], 77);
    assert_events(&peer, "ERROR ERR_UNSUPPORTED: switch 00005c6700000001 sent what we cannot read: "
                         "there is no message of type 99 in OpenFlow 1.3\n");
    /* <-- a port status cut short: told, and the stream goes on */
    switch_sends(&peer, OFPT_PORT_STATUS, 0, NULL, 0);
    assert_events(&peer, "ERROR ERR_SHORT: switch 00005c6700000001 sent what we cannot read: "
                         "an OFPT_PORT_STATUS of 8 bytes is too short\n");
    switch_sends(&peer, OFPT_ECHO_REQUEST, 5, NULL, 0);
    assert_sent(&peer, "OFPT_ECHO_REPLY\n");
    /* <-- a header whose length is 7: the framing is lost */
    of_session_receive(peer.session, (const uint8_t[]) {4, 2, 0, 7, 0, 0, 0, 0}, 8, peer.now);
    assert_events(&peer, "DOWN ERR_MALFORMED: the switch sent a header whose length is less than its own\n");
    of_session_free(peer.session);
}

static void test_version_changes(void **state)
{
    (void) state;
    struct peer peer = peer_up();

    of_session_receive(peer.session, (const uint8_t[]) {5, 20, 0, 8, 0, 0, 0, 0}, 8, peer.now);
    assert_events(&peer, "DOWN ERR_UNSUPPORTED: OpenFlow version 0x05, not 0x04\n");
    of_session_free(peer.session);

    peer = peer_up();
    of_session_receive(peer.session, (const uint8_t[]) {5, 0, 0, 8, 0, 0, 0, 0}, 8, peer.now);
    assert_events(&peer, "DOWN ERR_UNSUPPORTED: the switch changed the OpenFlow version\n");
    of_session_free(peer.session);
}

static void test_packet_out(void **state)
{
    (void) state;
    struct peer peer = peer_connect();
    struct flow_action output = {.type = ACTION_OUTPUT, .port = 1};
    uint8_t frame[60] = {0};
    struct of_packet_out packet = {PORT_CONTROLLER, &output, 1, frame, sizeof frame};
    struct err err;

    assert_int_equal(of_session_packet_out(peer.session, &packet, &err), ERR_UNREACHABLE);
    of_session_free(peer.session);
    peer = peer_up();
    assert_int_equal(of_session_packet_out(peer.session, &packet, &err), 0);
    assert_sent(&peer, "OFPT_PACKET_OUT\n");
    packet.frame_size = 13;
    assert_int_equal(of_session_packet_out(peer.session, &packet, &err), ERR_INVALID);
    assert_string_equal(err.text, "a frame of 13 bytes cannot be sent");
    assert_sent(&peer, "");
    of_session_free(peer.session);
}

/* Bytes as Open vSwitch 3.1 sends them. */
static void test_flow_monitor(void **state)
{
    static const uint8_t begins[] = {0xff, 0xff, 0, 0, 0, 0, 0, 0, 0x4f, 0x4e, 0x46, 0, 0, 0, 0x07, 0x4e};
    static const uint8_t ours[] = {0, 8, 0, 3, 0, 0, 0, 0x51};
    static const uint8_t added[] = {0, 0x20, 0, 0, 0,    0,    0,    7,    0, 0, 0, 0, 0, 4, 6, 0,
                                    0, 0,    0, 0, 0x12, 0x34, 0x56, 0x99, 0, 1, 0, 4, 0, 0, 0, 0};
    static const uint8_t expired[] = {0, 0x20, 0, 1, 0, 0, 0, 8, 0, 1, 0, 0, 0, 4, 6, 0,
                                      0, 0,    0, 0, 0, 0, 0, 9, 0, 1, 0, 4, 0, 0, 0, 0};
    static const uint8_t unknown[] = {0, 8, 0, 4, 0, 0, 0, 1};
    uint8_t body[sizeof begins + sizeof ours + sizeof added + sizeof expired];
    (void) state;
    struct peer peer = peer_up();
    struct of_event event;

    of_session_monitor_flows(peer.session);
    assert_sent(&peer, "multipart 65535\n");
    memcpy(body, begins, sizeof begins);
    switch_sends(&peer, OFPT_MULTIPART_REPLY, peer.xids[0], body, sizeof begins);
    assert_false(of_session_event(peer.session, &event)); /* nothing that we did not do */
    memcpy(body + sizeof begins, ours, sizeof ours);
    memcpy(body + sizeof begins + sizeof ours, added, sizeof added);
    memcpy(body + sizeof begins + sizeof ours + sizeof added, expired, sizeof expired);
    switch_sends(&peer, OFPT_MULTIPART_REPLY, 0, body, sizeof body);
    assert_true(of_session_event(peer.session, &event));
    assert_int_equal(event.type, OF_EVENT_FLOW_UPDATE);
    assert_int_equal(event.flow_update.event, OF_FLOW_ADDED);
    assert_int_equal(event.flow_update.table, 6);
    assert_int_equal(event.flow_update.priority, 7);
    assert_true(event.flow_update.cookie == 0x12345699);
    assert_true(of_session_event(peer.session, &event));
    assert_int_equal(event.flow_update.event, OF_FLOW_DELETED);
    assert_false(of_session_event(peer.session, &event));
    memcpy(body + sizeof begins, unknown, sizeof unknown);
    switch_sends(&peer, OFPT_MULTIPART_REPLY, 0, body, sizeof begins + sizeof unknown);
    assert_true(of_session_event(peer.session, &event));
    assert_int_equal(event.type, OF_EVENT_ERROR);
    assert_string_equal(event.err.text, "a flow update of kind 4 claims 8 bytes");
    of_event_free(&event);
    switch_error(&peer, peer.xids[0], OFPET_BAD_REQUEST, 3);
    assert_false(of_session_event(peer.session, &event)); /* a switch without monitors is no reason to complain */
    of_session_free(peer.session);
}

static void test_output_sent_in_pieces(void **state)
{
    (void) state;
    struct peer peer = peer_connect();
    size_t size, left;
    const uint8_t *bytes = of_session_output(peer.session, &size);
    AUTO_FREE uint8_t *copy = xmemdup(bytes, size);

    assert_int_equal(size, 16);
    of_session_sent(peer.session, 5);
    bytes = of_session_output(peer.session, &left);
    assert_int_equal(left, 11);
    assert_memory_equal(bytes, copy + 5, 11);
    switch_hello(&peer, OF_VERSION);
    bytes = of_session_output(peer.session, &left);
    assert_int_equal(left, 11 + 8 + 3 * 16 + 12);
    assert_memory_equal(bytes, copy + 5, 11);
    of_session_sent(peer.session, left);
    assert_null(of_session_output(peer.session, &left));
    of_session_free(peer.session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake),
        cmocka_unit_test(test_bytes_one_by_one),
        cmocka_unit_test(test_several_messages_in_one_piece),
        cmocka_unit_test(test_version_that_is_not_ours),
        cmocka_unit_test(test_switch_refuses_our_hello),
        cmocka_unit_test(test_no_hello_first),
        cmocka_unit_test(test_handshake_failures),
        cmocka_unit_test(test_more_ports_than_allowed),
        cmocka_unit_test(test_echo_and_its_loss),
        cmocka_unit_test(test_what_comes_unasked),
        cmocka_unit_test(test_what_cannot_be_read),
        cmocka_unit_test(test_version_changes),
        cmocka_unit_test(test_packet_out),
        cmocka_unit_test(test_flow_monitor),
        cmocka_unit_test(test_output_sent_in_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
