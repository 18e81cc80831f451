/* SPDX-License-Identifier: Apache-2.0 */
/* Transcripts of PCEP sessions: how they come up, live and end; framing. "<--" is what the other side sends, "-->" what
 * the session sends. */
#include "test_pcep_peers.h"

static void test_open_and_keepalive(void **state)
{
    (void) state;
    struct peer peer = peer_connect(PCEP_PCE);

    /* --> Open */
    assert_sent(&peer, OPEN_TEXT);
    assert_int_equal(mono_diff(pcep_session_deadline(peer.session), peer.now), 60000);
    /* <-- Open --> Keepalive */
    receive(&peer, OPEN_OF_PEER);
    assert_sent(&peer, "Keepalive\n");
    assert_events(&peer, "");
    assert_false(pcep_session_is_up(peer.session));
    /* <-- Keepalive: up */
    receive(&peer, KEEPALIVE);
    assert_sent(&peer, "");
    assert_events(&peer, "UP keepalive 30 dead 120\n");
    assert_true(pcep_session_is_up(peer.session));
    peer_gone(&peer);
}

static void test_two_sessions_with_each_other(void **state)
{
    (void) state;
    struct peer pcc = peer_connect(PCEP_PCC), pce = peer_connect(PCEP_PCE);

    /* Both Opens cross, both Keepalives cross. */
    exchange(&pcc, &pce);
    assert_events(&pcc, "UP keepalive 30 dead 120\n");
    assert_events(&pce, "UP keepalive 30 dead 120\n");
    pcep_session_synced(pcc.session);
    exchange(&pcc, &pce);
    assert_events(&pce, "SYNCED\n");
    assert_true(pcep_session_is_synced(pce.session));
    /* An idle hour */
    for (int i = 0; i < 360; i++) {
        peer_wait(&pcc, 10000);
        peer_wait(&pce, 10000);
        exchange(&pcc, &pce);
    }
    assert_events(&pcc, "");
    assert_events(&pce, "");
    /* --> Close */
    pcep_session_end(pce.session, "the gateway stops");
    exchange(&pcc, &pce);
    assert_events(&pce, "DOWN ERR_CANCELLED: the gateway stops\n");
    assert_events(&pcc, "DOWN ERR_REFUSED: the peer closed the session: no explanation\n");
    peer_gone(&pcc);
    peer_gone(&pce);
}

static void test_byte_by_byte_and_all_at_once(void **state)
{
    (void) state;
    static const char *const digits = OPEN_OF_PEER KEEPALIVE END_OF_SYNC;
    struct peer peer = peer_connect(PCEP_PCE), whole = peer_connect(PCEP_PCE);
    char byte[3] = "";

    for (const char *at = digits; *at; at += 2) {
        at += strspn(at, " ");
        memcpy(byte, at, 2);
        receive(&peer, byte);
    }
    assert_sent(&peer, OPEN_TEXT "Keepalive\n");
    assert_events(&peer, "UP keepalive 30 dead 120\nSYNCED\n");
    receive(&whole, digits);
    assert_sent(&whole, OPEN_TEXT "Keepalive\n");
    assert_events(&whole, "UP keepalive 30 dead 120\nSYNCED\n");
    peer_gone(&peer);
    peer_gone(&whole);
}

static void test_timers_while_it_comes_up(void **state)
{
    (void) state;
    struct peer peer = peer_connect(PCEP_PCE);

    assert_sent(&peer, OPEN_TEXT);
    peer_wait(&peer, 59999);
    assert_events(&peer, "");
    /* A minute without Open --> PCErr */
    peer_wait(&peer, 1);
    assert_sent(&peer, "PCErr no Open in time (1/2)\n");
    assert_events(&peer, "DOWN ERR_TIMEOUT: the peer sent no Open in time\n");
    assert_int_equal(pcep_session_deadline(peer.session).ms, MONO_NEVER.ms);
    peer_gone(&peer);

    peer = peer_connect(PCEP_PCE);
    /* <-- Open --> Keepalive; a minute without Keepalive --> PCErr */
    peer_wait(&peer, 50000);
    receive(&peer, OPEN_OF_PEER);
    assert_sent(&peer, OPEN_TEXT "Keepalive\n");
    peer_wait(&peer, 59999);
    assert_events(&peer, "");
    peer_wait(&peer, 1);
    assert_sent(&peer, "PCErr no Keepalive or PCErr in time (1/7)\n");
    assert_events(&peer, "DOWN ERR_TIMEOUT: the peer did not answer our Open in time\n");
    peer_gone(&peer);
}

static void test_keepalives_and_their_loss(void **state)
{
    (void) state;
    struct peer peer = peer_up(PCEP_PCE);

    peer_wait(&peer, 29999);
    assert_sent(&peer, "");
    /* 30 s without a message of ours --> Keepalive */
    peer_wait(&peer, 1);
    assert_sent(&peer, "Keepalive\n");
    peer_wait(&peer, 29999);
    assert_sent(&peer, "");
    peer_wait(&peer, 1);
    assert_sent(&peer, "Keepalive\n");
    /* <-- Keepalive after 119 s: in time */
    peer_wait(&peer, 59000);
    receive(&peer, KEEPALIVE);
    peer_wait(&peer, 119999);
    assert_events(&peer, "");
    /* 120 s of silence --> Close */
    pcep_session_sent(peer.session, SIZE_MAX, peer.now);
    peer_wait(&peer, 1);
    assert_sent(&peer, "Close: dead timer expired (2)\n");
    assert_events(&peer, "DOWN ERR_TIMEOUT: the peer was silent for 120 s, its dead time\n");
    /* Nothing more comes of it. */
    receive(&peer, KEEPALIVE "ffffffff");
    pcep_session_closed(peer.session, ERR_IO, "closed");
    pcep_session_end(peer.session, "end");
    peer_wait(&peer, 1000000);
    assert_events(&peer, "");
    assert_sent(&peer, "");
    peer_gone(&peer);
}

static void test_no_keepalives(void **state)
{
    (void) state;
    struct pcep_session_config config = PCEP_SESSION_DEFAULTS(PCEP_PCE);

    config.keepalive_s = config.dead_s = 0;
    struct peer peer = peer_connect_with(&config);

    /* <-- Open with keepalive 0: its dead time does not count */
    receive(&peer, "2001000c 01100008 20007809" KEEPALIVE);
    pcep_session_sent(peer.session, SIZE_MAX, peer.now);
    assert_events(&peer, "UP keepalive 0 dead 120\n");
    assert_int_equal(pcep_session_deadline(peer.session).ms, MONO_NEVER.ms);
    peer_wait(&peer, 1000000000);
    assert_sent(&peer, "");
    assert_events(&peer, "");
    peer_gone(&peer);
}

static void test_an_open_that_is_negotiated(void **state)
{
    (void) state;
    struct peer peer = peer_connect(PCEP_PCE);

    /* <-- Open that calls the peer dead before it speaks --> PCErr with a proposal */
    receive(&peer, "2001000c 01100008 20280a09");
    assert_sent(&peer,
                OPEN_TEXT "PCErr version 1 keepalive 40 s dead 160 s sid 9 unacceptable session characteristics, "
                          "negotiable (1/4)\n");
    /* <-- Keepalive: ours is fine */
    receive(&peer, KEEPALIVE);
    assert_events(&peer, "");
    /* <-- Open as proposed --> Keepalive: up */
    receive(&peer, "2001000c 01100008 2028a009");
    assert_sent(&peer, "Keepalive\n");
    assert_events(&peer, "UP keepalive 40 dead 160\n");
    peer_gone(&peer);

    /* The same, and no better the second time. */
    peer = peer_connect(PCEP_PCE);
    receive(&peer, "2001000c 01100008 20c80a09");
    assert_sent(&peer, OPEN_TEXT "PCErr version 1 keepalive 200 s dead 255 s sid 9 unacceptable session "
                                 "characteristics, negotiable (1/4)\n");
    receive(&peer, "2001000c 01100008 20280a09");
    assert_sent(&peer, "PCErr the second Open has unacceptable session characteristics, too (1/5)\n");
    assert_events(&peer, "DOWN ERR_UNSUPPORTED: the peer's dead time is shorter than its keepalive time, also in its "
                         "second Open\n");
    peer_gone(&peer);

    /* A second one that does not come is not waited for longer because of Keepalives. */
    peer = peer_connect(PCEP_PCE);
    receive(&peer, "2001000c 01100008 20280a09" KEEPALIVE);
    peer_wait(&peer, 50000);
    receive(&peer, KEEPALIVE);
    assert_events(&peer, "");
    peer_wait(&peer, 10000);
    assert_events(&peer, "DOWN ERR_TIMEOUT: the peer sent no Open in time\n");
    peer_gone(&peer);
}

static void test_our_open_is_negotiated(void **state)
{
    (void) state;
    struct peer peer = peer_connect(PCEP_PCC);

    assert_sent(&peer, OPEN_TEXT);
    receive(&peer, OPEN_OF_PEER);
    /* <-- PCErr with other values --> Open with these */
    receive(&peer, "20060014 0d100008 00000104 01100008 200a2809");
    assert_sent(&peer, "Keepalive\nOpen version 1 keepalive 10 s dead 40 s sid 0 stateful update initiate (0x5) setup "
                       "types 0x1 GMPLS 0x7\n");
    /* <-- Keepalive: up, and we speak every 10 s */
    receive(&peer, KEEPALIVE);
    assert_events(&peer, "UP keepalive 30 dead 120\n");
    peer_wait(&peer, 10000);
    assert_sent(&peer, "Keepalive\n");
    peer_gone(&peer);

    /* A second proposal, one that cannot be, and none at all, are refused. */
    static const char *const proposals[] = {
        "20060014 0d100008 00000104 01100008 200a2809 20060014 0d100008 00000104 01100008 200b2809",
        "20060014 0d100008 00000104 01100008 200a0509", "2006000c 0d100008 00000104"};

    for (size_t i = 0; i < ARRAY_LEN(proposals); i++) {
        peer = peer_connect(PCEP_PCC);
        receive(&peer, proposals[i]);
        assert_events(&peer, "DOWN ERR_REFUSED: the peer wants other values in our Open than keepalive and dead time, "
                             "or such as cannot be\n");
        peer_gone(&peer);
    }
}

static void test_what_is_no_open(void **state)
{
    (void) state;
    static const struct {
        const char *bytes, *sent, *events;
    } cases[] = {
        {KEEPALIVE, "PCErr the first message is no valid Open (1/1)\n",
         "DOWN ERR_MALFORMED: the peer sent a Keepalive where an Open or Keepalive was due\n"},
        {"200a0010 20100008 00000000 07100004", "PCErr the first message is no valid Open (1/1)\n",
         "DOWN ERR_MALFORMED: the peer sent a PCRpt where an Open or Keepalive was due\n"},
        {"2001000c 01100008 40000000", "PCErr PCEP version not supported (1/8)\n",
         "DOWN ERR_UNSUPPORTED: the peer's Open is of another PCEP version than 1\n"},
        {"4001000c 01100008 40000000", "PCErr PCEP version not supported (1/8)\n",
         "DOWN ERR_UNSUPPORTED: the peer does not speak PCEP as we do: a message of PCEP version 2, not 1\n"},
        {"20010003", "PCErr the first message is no valid Open (1/1)\n",
         "DOWN ERR_MALFORMED: the peer does not speak PCEP as we do: a message whose length, 3, cannot be\n"},
        {"20010004", "PCErr the first message is no valid Open (1/1)\n",
         "DOWN ERR_MALFORMED: the peer does not speak PCEP as we do: Open: the object OPEN is missing\n"},
        {"2001000c 01100010 20000000", "PCErr the first message is no valid Open (1/1)\n",
         "DOWN ERR_MALFORMED: the peer does not speak PCEP as we do: Open: OPEN at byte 4: its length 16 cannot be\n"},
        {"2001001c 01100018 201e7800 00220008 00000008 01020304 00000000",
         "PCErr the first message is no valid Open (1/1)\n",
         "DOWN ERR_SHORT: the peer does not speak PCEP as we do: Open: OPEN at byte 4, of 24 bytes: TLV "
         "PATH-SETUP-TYPE-CAPABILITY of 8 bytes: message is shorter than its content\n"},
        {"2006000c 0d100008 00000901", "",
         "DOWN ERR_REFUSED: the peer refused the session: attempt to establish a second session (9/1)\n"},
        {"2007000c 0f100008 00000001", "",
         "DOWN ERR_REFUSED: the peer closed the session before it was up: no explanation\n"},
        {OPEN_OF_PEER OPEN_OF_PEER, "Keepalive\nPCErr the first message is no valid Open (1/1)\n",
         "DOWN ERR_MALFORMED: the peer sent a Open where an Open or Keepalive was due\n"},
        {"47455420 2f204854 54502f31", "PCErr PCEP version not supported (1/8)\n",
         "DOWN ERR_UNSUPPORTED: the peer does not speak PCEP as we do: a message of PCEP version 2, not 1\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct peer peer = peer_connect(i % 2 ? PCEP_PCC : PCEP_PCE);

        assert_sent(&peer, OPEN_TEXT);
        receive(&peer, cases[i].bytes);
        assert_sent(&peer, cases[i].sent);
        assert_events(&peer, cases[i].events);
        peer_gone(&peer);
    }
}

static void test_garbage_in_a_session(void **state)
{
    (void) state;
    struct peer peer = peer_up(PCEP_PCE);

    /* <-- an object that leaves its message --> Close */
    receive(&peer, "200a000c 20100018 00001000");
    assert_sent(&peer, "Close: malformed message received (3)\n");
    assert_events(&peer, "DOWN ERR_MALFORMED: the peer sent what cannot be read: PCRpt: LSP at byte 4: its length 24 "
                         "cannot be\n");
    peer_gone(&peer);

    /* <-- a message that is truncated, and the next in its place --> Close */
    peer = peer_up(PCEP_PCE);
    receive(&peer, "200a0010 20100008 00001000 200a0010 20100008");
    assert_sent(&peer, "Close: malformed message received (3)\n");
    assert_events(&peer, "DOWN ERR_MALFORMED: the peer sent what cannot be read: PCRpt: LSP at byte 12: its length 16 "
                         "cannot be\n");
    peer_gone(&peer);
}

static void test_what_can_be_answered_is_answered(void **state)
{
    (void) state;
    struct peer peer = peer_up(PCEP_PCE);

    /* <-- PCRpt with an unknown object that must be heeded --> PCErr; the session goes on */
    receive(&peer, "200a0018 20100008 00001000 07100004 63120008 00000000");
    assert_sent(&peer, "PCErr unknown object class (3/1)\n");
    assert_events(&peer, "ERROR ERR_UNSUPPORTED: the peer sent what cannot be read: PCRpt: an object at byte 16, of "
                         "class 99 and type 1, is unknown, and must be heeded\n");
    /* <-- the same without the P flag */
    receive(&peer, "200a0018 20100008 00000000 07100004 63100008 00000000");
    assert_sent(&peer, "");
    /* <-- PCErr that cannot be read: no answer */
    receive(&peer, "20060010 0d100008 00001801 63120004");
    assert_sent(&peer, "");
    assert_events(&peer, "ERROR ERR_UNSUPPORTED: the peer sent what cannot be read: PCErr: an object at byte 12, of "
                         "class 99 and type 1, is unknown, and must be heeded\n");
    /* <-- Open --> PCErr: this session stays */
    receive(&peer, OPEN_OF_PEER);
    assert_sent(&peer, "PCErr attempt to establish a second session (9/1)\n");
    assert_events(&peer, "ERROR ERR_MALFORMED: the peer sent an Open while the session is up\n");
    /* <-- PCNtf */
    receive(&peer, "2005000c 0c100008 00000201");
    assert_events(&peer, "ERROR ERR_REFUSED: the peer notifies: type 2, value 1\n");
    assert_true(pcep_session_is_up(peer.session));
    peer_gone(&peer);
}

static void test_unknown_messages_are_counted(void **state)
{
    (void) state;
    struct peer peer = peer_up(PCEP_PCE);

    for (int i = 0; i < 5; i++) {
        receive(&peer, "20630008 00000000");
        assert_sent(&peer, "PCErr capability not supported (2/0)\n");
    }
    pcep_session_sent(peer.session, SIZE_MAX, peer.now);
    peer_wait(&peer, 60000);
    for (int i = 0; i < 5; i++)
        receive(&peer, i % 2 ? "20630008 00000000" : "200c0018 2110000c 00000000 00000001 20100008 00000000");
    assert_true(pcep_session_is_up(peer.session));
    pcep_session_sent(peer.session, SIZE_MAX, peer.now);
    /* <-- the sixth in a minute --> Close */
    receive(&peer, "20630008 00000000");
    assert_sent(&peer, "Close: too many unrecognized messages (5)\n");
    assert_false(pcep_session_is_up(peer.session));
    peer_gone(&peer);
}

static void test_answers_to_nothing_are_counted(void **state)
{
    (void) state;
    for (unsigned role = 0; role < 2; role++) {
        struct peer peer = peer_up(role ? PCEP_PCE : PCEP_PCC);

        for (int i = 0; i < 5; i++)
            receive(&peer, "20040010 0210000c 00000000 00000001");
        assert_events(&peer, "");
        receive(&peer, "20040010 0210000c 00000000 00000001");
        assert_sent(&peer, "Close: too many unknown requests or replies (4)\n");
        assert_events(&peer, "DOWN ERR_MALFORMED: the peer sent more than 5 answers in a minute to what was never "
                             "asked\n");
        peer_gone(&peer);
    }
}

static void test_a_second_session(void **state)
{
    (void) state;
    struct peer pcc = peer_connect(PCEP_PCC), pce = peer_connect(PCEP_PCE);

    pcep_session_reject(pce.session);
    assert_events(&pce, "DOWN ERR_CANCELLED: the peer has a session already\n");
    exchange(&pcc, &pce);
    /* The Open of the PCE came before. */
    assert_events(&pcc,
                  "DOWN ERR_REFUSED: the peer refused the session: attempt to establish a second session (9/1)\n");
    peer_gone(&pcc);
    peer_gone(&pce);
}

static void test_a_peer_that_does_not_read(void **state)
{
    (void) state;
    struct peer peer = peer_up(PCEP_PCC);
    struct lsp_report report = sample_report(false);

    for (unsigned i = 0; pcep_session_is_up(peer.session); i++) {
        assert_true(i < PCEP_OUTPUT_MAX / 100);
        pcep_session_report(peer.session, &report, 0, 0);
    }
    assert_events(&peer, "DOWN ERR_TOO_LARGE: the peer does not read: more than 16777216 bytes wait to be sent\n");
    lsp_report_free(&report);
    peer_gone(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_and_keepalive),
        cmocka_unit_test(test_two_sessions_with_each_other),
        cmocka_unit_test(test_byte_by_byte_and_all_at_once),
        cmocka_unit_test(test_timers_while_it_comes_up),
        cmocka_unit_test(test_keepalives_and_their_loss),
        cmocka_unit_test(test_no_keepalives),
        cmocka_unit_test(test_an_open_that_is_negotiated),
        cmocka_unit_test(test_our_open_is_negotiated),
        cmocka_unit_test(test_what_is_no_open),
        cmocka_unit_test(test_garbage_in_a_session),
        cmocka_unit_test(test_what_can_be_answered_is_answered),
        cmocka_unit_test(test_unknown_messages_are_counted),
        cmocka_unit_test(test_answers_to_nothing_are_counted),
        cmocka_unit_test(test_a_second_session),
        cmocka_unit_test(test_a_peer_that_does_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
