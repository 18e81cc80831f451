/* SPDX-License-Identifier: Apache-2.0 */
/* Transcripts of a PCE's session: synchronisation, what it asks and how that ends, reports. "<--" is what the PCC
 * sends, "-->" what the session sends. */
#include "test_pcep_peers.h"

#define LSP_TEXT \
    "extended 0xc0000000 from 10.253.0.2 to 10.253.0.5 ERO [10.253.0.2/7 label 100 10.252.0.6 10.252.0.18 " \
    "10.253.0.5/9 label 0] priority 4/3 affinity 0x1/0x6/0x8 100000000 bit/s\n"
#define INITIATE_TEXT "PCInitiate SRP 1 setup type 0 LSP 0 down delegated admin-up 'external/user1' " LSP_TEXT
#define RECORD "10.252.0.6 label 1000 upstream label 2000 10.252.0.18 label 1001 upstream label 2001"
#define REFUSED "the ingress refused to "

static const unsigned ours = PCEP_DELEGATE | PCEP_CREATE;

static void initiate(struct peer *peer, uint64_t request)
{
    struct lsp_request lsp = sample_request();

    pcep_session_initiate(peer->session, &lsp, request, 5000, peer->now);
    lsp_request_free(&lsp);
}

static void test_synchronisation(void **state)
{
    (void) state;
    struct peer peer = peer_connect(PCEP_PCE);
    struct lsp_report report = sample_report(false);

    receive(&peer, OPEN_OF_PEER KEEPALIVE);
    pcep_session_sent(peer.session, SIZE_MAX, peer.now);
    assert_events(&peer, "UP keepalive 30 dead 120\n");
    /* Nothing may be asked yet. */
    initiate(&peer, 1);
    assert_events(&peer, "DONE 1 ERR_UNREACHABLE: the ingress has not told all of its LSPs yet; try again in a "
                         "moment\n");
    /* <-- PCRpt, sync; and a second LSP, of somebody else */
    receive_report(&peer, &report, 1, ours | PCEP_SYNC, 0);
    snprintf(report.name, sizeof report.name, "other");
    receive_report(&peer, &report, 2, PCEP_SYNC, 0);
    assert_events(&peer, "REPORT 1 'external/user1' up by " RECORD " delegated created\n"
                         "REPORT 2 'other' up by " RECORD "\n");
    assert_false(pcep_session_is_synced(peer.session));
    /* <-- the end; and once more */
    receive(&peer, END_OF_SYNC END_OF_SYNC);
    assert_events(&peer, "SYNCED\n");
    assert_true(pcep_session_is_synced(peer.session));
    /* <-- the first LSP again: nothing new */
    snprintf(report.name, sizeof report.name, "external/user1");
    receive_report(&peer, &report, 1, ours, 0);
    assert_events(&peer, "");
    /* What is known is not asked for again; what is not ours is left alone. */
    initiate(&peer, 2);
    pcep_session_remove(peer.session, "other", 3, 1000, peer.now);
    pcep_session_remove(peer.session, "none", 4, 1000, peer.now);
    assert_events(&peer, "DONE 2 ERR_EXISTS: the ingress has an LSP 'external/user1' already\n"
                         "DONE 3 ERR_CONFLICT: LSP 'other' is not delegated to us\n"
                         "DONE 4 ERR_NOT_FOUND: the ingress has no LSP 'none'\n");
    assert_sent(&peer, "");
    lsp_report_free(&report);
    peer_gone(&peer);
}

static void test_the_life_of_an_lsp(void **state)
{
    (void) state;
    struct peer peer = peer_up(PCEP_PCE);
    struct lsp_report report = sample_report(false);
    struct lsp_request lsp = sample_request();

    /* --> PCInitiate */
    initiate(&peer, 1);
    assert_sent(&peer, INITIATE_TEXT);
    assert_events(&peer, "");
    /* <-- PCRpt, going up, which is the answer */
    report.state = LSP_GOING_UP;
    receive_report(&peer, &report, 7, ours, 1);
    assert_events(&peer, "REPORT 7 'external/user1' going up by " RECORD " delegated created\n"
                         "DONE 1 'external/user1' going up by " RECORD "\n");
    /* <-- PCRpt, up, twice in one segment, under the same SRP-ID */
    report.state = LSP_UP;
    receive_report(&peer, &report, 7, ours, 1);
    receive_report(&peer, &report, 7, ours, 1);
    assert_events(&peer, "REPORT 7 'external/user1' up by " RECORD " delegated created\n");
    /* --> PCUpd <-- PCRpt, up: nothing has changed, but it is the answer */
    pcep_session_update(peer.session, &lsp, 2, 5000, peer.now);
    assert_sent(&peer, "PCUpd SRP 2 setup type 0 LSP 7 down delegated admin-up 'external/user1' " LSP_TEXT);
    receive_report(&peer, &report, 7, ours, 2);
    assert_events(&peer, "DONE 2 'external/user1' up by " RECORD "\n");
    /* --> PCInitiate, remove <-- PCRpt, removed, twice */
    pcep_session_remove(peer.session, "external/user1", 3, 5000, peer.now);
    assert_sent(&peer, "PCInitiate SRP 3 remove setup type 0 LSP 7 down delegated 'external/user1'\n");
    report.removed = true;
    report.state = LSP_DOWN;
    receive_report(&peer, &report, 7, ours, 3);
    receive_report(&peer, &report, 7, ours, 3);
    assert_events(&peer, "REPORT 7 'external/user1' down removed by " RECORD " delegated created\n"
                         "DONE 3 'external/user1' down removed by " RECORD "\n");
    /* The name is free again. */
    initiate(&peer, 4);
    assert_events(&peer, "");
    lsp_report_free(&report);
    lsp_request_free(&lsp);
    peer_gone(&peer);
}

static void test_an_lsp_that_fails(void **state)
{
    (void) state;
    struct peer peer = peer_up(PCEP_PCE);
    struct lsp_report report = sample_report(true);

#define WHY "requested bandwidth unavailable (1/2) at 10.253.0.11, interface 10.252.0.17"
    /* --> PCInitiate <-- PCRpt, down, with the RSVP error */
    initiate(&peer, 1);
    receive_report(&peer, &report, 7, ours, 1);
    assert_events(&peer, "REPORT 7 'external/user1' down: " WHY " delegated created\n"
                         "DONE 1 'external/user1' down: " WHY " ERR_REFUSED: LSP 'external/user1' failed: " WHY "\n");
    /* --> PCInitiate, remove <-- PCErr: it knows none; another error that nobody waits for */
    pcep_session_remove(peer.session, "external/user1", 2, 5000, peer.now);
    receive(&peer, "20060018 2110000c 00000000 00000002 0d100008 00001303 2006000c 0d100008 00001801");
    assert_events(&peer,
                  "DONE 2 ERR_REFUSED: " REFUSED "remove LSP 'external/user1': unknown PLSP-ID (19/3)\n"
                  "ERROR ERR_REFUSED: the ingress sent an error: unacceptable instantiation parameters (24/1)\n");
    lsp_report_free(&report);
    peer_gone(&peer);
}

static void test_each_request_ends_once(void **state)
{
    (void) state;
    struct peer peer = peer_up(PCEP_PCE);
    struct lsp_report report = sample_report(false);
    struct lsp_request lsp = sample_request();

    /* --> PCInitiate; the same name at once */
    initiate(&peer, 1);
    initiate(&peer, 2);
    assert_events(&peer, "DONE 2 ERR_EXISTS: LSP 'external/user1' is being asked for already\n");
    /* no answer for 5 s */
    assert_int_equal(mono_diff(pcep_session_deadline(peer.session), peer.now), 5000);
    peer_wait(&peer, 5000);
    assert_events(&peer, "DONE 1 ERR_TIMEOUT: the ingress did not answer in time what was asked for LSP "
                         "'external/user1'\n");
    /* <-- PCRpt, too late: what it says is heard */
    receive_report(&peer, &report, 7, ours, 1);
    assert_events(&peer, "REPORT 7 'external/user1' up by " RECORD " delegated created\n");
    /* --> PCUpd, PCUpd <-- PCErr for both */
    pcep_session_update(peer.session, &lsp, 3, 5000, peer.now);
    pcep_session_update(peer.session, &lsp, 4, 5000, peer.now);
    receive(&peer, "20060024 2110000c 00000000 00000002 2110000c 00000000 00000003 0d100008 00001302");
    assert_events(&peer, "DONE 3 ERR_REFUSED: " REFUSED "change LSP 'external/user1': stateful capability not "
                         "advertised (19/2)\n"
                         "DONE 4 ERR_REFUSED: " REFUSED "change LSP 'external/user1': stateful capability not "
                         "advertised (19/2)\n");
    /* --> PCUpd <-- PCRpt that cannot be read */
    pcep_session_update(peer.session, &lsp, 5, 5000, peer.now);
    pcep_session_sent(peer.session, SIZE_MAX, peer.now);
    receive(&peer, "200a0018 2110000c 00000000 00000004 20100008 00007000");
    assert_sent(&peer, "PCErr SRP 4 ERO object missing (6/9)\n");
    assert_events(&peer, "ERROR ERR_MALFORMED: the peer sent what cannot be read: PCRpt: ERO is missing\n"
                         "DONE 5 ERR_MALFORMED: PCRpt: ERO is missing\n");
    /* --> PCUpd, and the session goes */
    pcep_session_update(peer.session, &lsp, 6, 5000, peer.now);
    pcep_session_closed(peer.session, ERR_IO, "connection reset");
    assert_events(&peer, "DONE 6 ERR_UNKNOWN: connection reset\nDOWN ERR_IO: connection reset\n");
    pcep_session_update(peer.session, &lsp, 7, 5000, peer.now);
    assert_events(&peer, "DONE 7 ERR_UNREACHABLE: the PCEP session with the ingress is not up\n");
    lsp_report_free(&report);
    lsp_request_free(&lsp);
    peer_gone(&peer);
}

static void test_what_the_ingress_cannot_do(void **state)
{
    (void) state;
    static const struct {
        const char *open, *why;
    } cases[] = {
        /* pathd's: segment routing only */
        {"20010028 01100024 200a7800 00100004 00000005 00220010 00000001 01000000 001a0004 0000000a",
         "path setup type 0 (RSVP-TE) is not among those that both the ingress and we announce in "
         "PATH-SETUP-TYPE-CAPABILITY"},
        {"2001000c 01100008 201e7800", "the ingress lets no PCE initiate LSPs (its Open lacks flag I of "
                                       "STATEFUL-PCE-CAPABILITY); allow it there"},
        {"20010014 01100010 201e7800 00100004 00000001",
         "the ingress lets no PCE initiate LSPs (its Open lacks flag I of STATEFUL-PCE-CAPABILITY); allow it there"},
        {"20010014 01100010 201e7800 00100004 00000005",
         "the ingress signals no bidirectional LSPs for a PCE (its Open lacks flag I of GMPLS-CAPABILITY)"},
        {"2001001c 01100018 201e7800 00100004 00000005 002d0004 00000003",
         "the ingress signals no bidirectional LSPs for a PCE (its Open lacks flag I of GMPLS-CAPABILITY)"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct peer peer = peer_connect(PCEP_PCE);
        AUTO_FREE char *expected = xasprintf("DONE 1 ERR_UNSUPPORTED: %s\n", cases[i].why);
        struct pcep_event event;

        receive(&peer, cases[i].open);
        receive(&peer, KEEPALIVE END_OF_SYNC);
        while (pcep_session_event(peer.session, &event))
            pcep_event_free(&event);
        pcep_session_sent(peer.session, SIZE_MAX, peer.now);
        initiate(&peer, 1);
        assert_events(&peer, expected);
        assert_sent(&peer, "");
        peer_gone(&peer);
    }
}

static void test_segment_routing(void **state)
{
    (void) state;
    struct pcep_session_config config = PCEP_SESSION_DEFAULTS(PCEP_PCE);
    struct pcep_item item = {.setup = PCEP_SR};

    config.setups |= 1u << PCEP_SR;
    struct peer peer = peer_connect_with(&config);

    receive(&peer, "20010028 01100024 200a7800 00100004 00000005 00220010 00000001 01000000 001a0004 0000000a" KEEPALIVE
                   " 200a0024 2012001c 00000000 00120010 00000000 00000000 00000000 00000000 07120004");
    assert_events(&peer, "UP keepalive 10 dead 120\nSYNCED\n");
    pcep_session_sent(peer.session, SIZE_MAX, peer.now);
    /* --> PCInitiate */
    sample_segments(&item);
    item.n_segments = 1;
    pcep_session_ask(peer.session, PCEP_INITIATE, &item, 1, 1000, peer.now);
    assert_sent(&peer, "PCInitiate SRP 1 setup type 1 LSP 0 down delegated admin-up 'sr' from 10.253.0.1/0 to "
                       "10.253.0.2/3 label request 2/51/33 ERO [segment label 16001] metric 2 20 bound metric 1 2.5 "
                       "computed\n");
    /* <-- what pathd answers: down, then going up, then that again */
    receive(&peer, "200a0048 21120014 00000000 00000001 001c0004 00000001 20120024 00002089 00120010 0ac90001 00000000"
                   "0ac90001 0afe0007 00110002 73720000 0712000c 24080009 03e81000");
    receive(&peer, "200a0048 21120014 00000000 00000001 001c0004 00000001 20120024 000020c9 00120010 0ac90001 00000000"
                   "0ac90001 0afe0007 00110002 73720000 0712000c 24080009 03e81000");
    receive(&peer, "200a0048 21120014 00000000 00000001 001c0004 00000001 20120024 000020c9 00120010 0ac90001 00000000"
                   "0ac90001 0afe0007 00110002 73720000 0712000c 24080009 03e81000");
    assert_events(&peer, "REPORT 2 'sr' down delegated created\nDONE 1 'sr' down\nREPORT 2 'sr' going up delegated "
                         "created\n");
    /* --> PCInitiate, remove, with the path setup type of the LSP */
    pcep_session_remove(peer.session, "sr", 2, 1000, peer.now);
    assert_sent(&peer, "PCInitiate SRP 2 remove setup type 1 LSP 2 down delegated 'sr'\n");
    peer_gone(&peer);
}

static void test_reports_that_say_little(void **state)
{
    (void) state;
    struct peer peer = peer_up(PCEP_PCE);
    struct lsp_report report = sample_report(false);

    /* <-- PCRpt of a new LSP without a name --> PCErr */
    receive(&peer, "200a0010 20100008 00001019 07100004");
    assert_sent(&peer, "PCErr SYMBOLIC-PATH-NAME TLV missing (10/8)\n");
    assert_events(&peer, "ERROR ERR_MALFORMED: the ingress reports LSP 1, which is new, without a name\n");
    /* <-- PCRpt of a gone LSP that was never heard of */
    receive(&peer, "200a0010 20100008 0000100c 07100004");
    assert_sent(&peer, "");
    /* <-- PCRpt with a name, then without: what is known is filled in */
    receive_report(&peer, &report, 1, 0, 0);
    receive(&peer, "200a0010 20100008 00001001 07100004");
    assert_events(&peer, "REPORT 1 'external/user1' up by " RECORD "\nREPORT 1 'external/user1' down delegated\n");
    /* <-- PCRpt of the name under another PLSP-ID: it took the other's place */
    receive_report(&peer, &report, 2, ours, 0);
    assert_events(&peer, "REPORT 2 'external/user1' up by " RECORD " delegated created\n");
    /* <-- two reports in one message */
    receive(&peer, "200a001c 20100008 00002001 07100004 20100008 0000200d 07100004");
    assert_events(&peer, "REPORT 2 'external/user1' down delegated\n"
                         "REPORT 2 'external/user1' down removed delegated\n");
    lsp_report_free(&report);
    peer_gone(&peer);
}

static void test_more_lsps_than_allowed(void **state)
{
    (void) state;
    struct pcep_session_config config = PCEP_SESSION_DEFAULTS(PCEP_PCE);
    struct lsp_report report = sample_report(false);

    config.lsps_max = 2;
    struct peer peer = peer_connect_with(&config);

    receive(&peer, OPEN_OF_PEER KEEPALIVE);
    pcep_session_sent(peer.session, SIZE_MAX, peer.now);
    assert_events(&peer, "UP keepalive 30 dead 120\n");
    for (uint32_t i = 1; i <= 3; i++) {
        snprintf(report.name, sizeof report.name, "lsp%u", i);
        receive_report(&peer, &report, i, 0, 0);
    }
    assert_sent(&peer, "PCErr a valid report cannot be processed (20/1)\n");
    assert_events(&peer, "REPORT 1 'lsp1' up by " RECORD "\nREPORT 2 'lsp2' up by " RECORD "\n"
                         "ERROR ERR_TOO_LARGE: the ingress reports more than 2 LSPs; 'lsp3' is not kept\n");
    lsp_report_free(&report);
    peer_gone(&peer);
}

static void test_path_requests_are_answered(void **state)
{
    (void) state;
    struct peer peer = peer_up(PCEP_PCE);

    /* <-- PCReq of pathd's dynamic policies --> PCRep, no path */
    receive(&peer,
            "2003002c 02120014 00000080 00000001 001c0004 00000001 0412000c 0ac90001 0afe0009 05100008 47c35000");
    assert_sent(&peer, "PCRep RP 1 flags 0x0 setup type 1 no path (0, 0x1)\n");
    assert_events(&peer, "ERROR ERR_UNSUPPORTED: the ingress asked for 1 paths; we compute none on request\n");
    /* <-- PCReq with an XRO that must be heeded --> PCErr for it */
    receive(&peer, "20030024 0212000c 00000000 00000002 0412000c 0ac90001 0afe0009 11120008 00000000");
    assert_sent(&peer, "PCErr RP 2 flags 0x0 not supported object class (4/1)\n");
    peer_gone(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_synchronisation),
        cmocka_unit_test(test_the_life_of_an_lsp),
        cmocka_unit_test(test_an_lsp_that_fails),
        cmocka_unit_test(test_each_request_ends_once),
        cmocka_unit_test(test_what_the_ingress_cannot_do),
        cmocka_unit_test(test_segment_routing),
        cmocka_unit_test(test_reports_that_say_little),
        cmocka_unit_test(test_more_lsps_than_allowed),
        cmocka_unit_test(test_path_requests_are_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
