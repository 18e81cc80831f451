/* SPDX-License-Identifier: Apache-2.0 */
/* Transcripts of a PCC's session: synchronisation, what the PCE asks and what of it is refused; then both roles against
 * each other, with one PCE and with two. "<--" is what the PCE sends, "-->" what the session sends. */
#include "test_pcep_peers.h"

#define LSP_TEXT \
    "'external/user1' 10.253.0.2 to 10.253.0.5 tunnel 3/1 extended 184352770 extended 0xc0000000 from 10.253.0.2 to " \
    "10.253.0.5 ERO [10.253.0.2/7 label 100 10.252.0.6 10.252.0.18 10.253.0.5/9 label 200]"
#define RECORD "10.252.0.6 label 1000 upstream label 2000 10.252.0.18 label 1001 upstream label 2001"
#define RRO " RRO [10.253.0.2/7 label 100 " RECORD " 10.253.0.5/9 label 200]"
#define RATE " 100000000 bit/s\n"
#define WISH "'external/user1' by 10.252.0.6 10.252.0.18 with 100000000 bit/s\n"

static const unsigned ours = PCEP_DELEGATE | PCEP_CREATE;

/* A PCInitiate or PCUpd; 'change' may break it. */
static void ask(struct peer *peer, uint8_t type, uint32_t srp_id, uint32_t plsp_id,
                void (*change)(struct pcep_item *item))
{
    struct lsp_request lsp = sample_request();
    struct pcep_item item = {.id = srp_id, .plsp_id = plsp_id};

    pcep_item_from_request(&item, &lsp, true);
    item.has |= PCEP_HAS_SRP;
    if (change)
        change(&item);
    receive_message(peer, &(struct pcep_message) {.type = type, .items = &item, .n_items = 1});
    pcep_item_free(&item);
    lsp_request_free(&lsp);
}

static void test_synchronisation(void **state)
{
    (void) state;
    struct peer peer = peer_connect(PCEP_PCC);
    struct lsp_report report = sample_report(false);

    /* Before it is up, and for what was never told, nothing is sent. */
    pcep_session_report(peer.session, &report, 0, 0);
    pcep_session_synced(peer.session);
    receive(&peer, OPEN_OF_PEER KEEPALIVE);
    assert_sent(&peer, OPEN_TEXT "Keepalive\n");
    report.removed = true;
    pcep_session_report(peer.session, &report, 0, 0);
    assert_sent(&peer, "");
    report.removed = false;
    /* --> PCRpt, sync, of each LSP; the end */
    pcep_session_report(peer.session, &report, ours, 0);
    snprintf(report.name, sizeof report.name, "other");
    pcep_session_report(peer.session, &report, 0, 0);
    pcep_session_synced(peer.session);
    assert_sent(&peer, "PCRpt LSP 1 up delegated sync admin-up created " LSP_TEXT RRO RATE
                       "PCRpt LSP 2 up sync admin-up 'other' 10.253.0.2 to 10.253.0.5 tunnel 3/1 extended 184352770 "
                       "extended 0xc0000000 from 10.253.0.2 to 10.253.0.5 ERO [10.253.0.2/7 label 100 10.252.0.6 "
                       "10.252.0.18 10.253.0.5/9 label 200]" RRO RATE
                       "PCRpt LSP 0 down 0.0.0.0 to 0.0.0.0 tunnel 0/0 extended 0 ERO []\n");
    assert_true(pcep_session_is_synced(peer.session));
    pcep_session_synced(peer.session);
    assert_sent(&peer, "");
    /* --> PCRpt of a change, unasked */
    report.state = LSP_DOWN;
    lsp_route_free(&report.record);
    pcep_session_report(peer.session, &report, 0, 0);
    assert_sent(&peer, "PCRpt LSP 2 down admin-up 'other' 10.253.0.2 to 10.253.0.5 tunnel 3/1 extended 184352770 "
                       "extended 0xc0000000 from 10.253.0.2 to 10.253.0.5 ERO [10.253.0.2/7 label 100 10.252.0.6 "
                       "10.252.0.18 10.253.0.5/9 label 200]" RATE);
    lsp_report_free(&report);
    peer_gone(&peer);
}

static void test_the_life_of_an_lsp(void **state)
{
    (void) state;
    struct peer peer = peer_up(PCEP_PCC);
    struct lsp_report report = sample_report(false);

    pcep_session_synced(peer.session);
    pcep_session_sent(peer.session, SIZE_MAX, peer.now);
    /* <-- PCInitiate --> PCRpt, up */
    ask(&peer, PCEP_INITIATE, 8, 0, NULL);
    assert_events(&peer, "INITIATE 8 " WISH);
    pcep_session_report(peer.session, &report, ours, 8);
    assert_sent(&peer, "PCRpt SRP 8 LSP 1 up delegated admin-up created " LSP_TEXT RRO RATE);
    /* <-- PCUpd --> PCErr */
    ask(&peer, PCEP_UPDATE, 9, 1, NULL);
    assert_events(&peer, "UPDATE 9 " WISH);
    pcep_session_refuse(peer.session, 9, PCEP_ERR_INSTANTIATION, 1);
    assert_sent(&peer, "PCErr SRP 9 unacceptable instantiation parameters (24/1)\n");
    /* <-- PCInitiate, remove --> PCRpt, removed */
    receive(&peer, "200c0018 2110000c 00000001 0000000a 20100008 00001000");
    assert_events(&peer, "REMOVE 10 'external/user1'\n");
    report.removed = true;
    report.state = LSP_DOWN;
    lsp_route_free(&report.record);
    pcep_session_report(peer.session, &report, ours, 10);
    assert_sent(&peer, "PCRpt SRP 10 remove LSP 1 down delegated removed created " LSP_TEXT RATE);
    /* <-- the same again --> PCErr */
    receive(&peer, "200c0018 2110000c 00000001 0000000b 20100008 00001000");
    assert_sent(&peer, "PCErr SRP 11 unknown PLSP-ID (19/3)\n");
    lsp_report_free(&report);
    peer_gone(&peer);
}

static void given_back(struct pcep_item *item)
{
    item->flags = PCEP_ADMIN_UP;
}

static void given_back_without_a_word(struct pcep_item *item)
{
    pcep_item_free(item);
    *item = (struct pcep_item) {.has = PCEP_HAS_SRP | PCEP_HAS_LSP | PCEP_HAS_ERO, .id = item->id, .plsp_id = 1};
}

/* RFC 8231 §5.7.3: whatever else the update says. */
static void test_a_delegation_is_returned(void **state)
{
    (void) state;
    struct peer peer = peer_up(PCEP_PCC);
    struct lsp_report report = sample_report(false);

    pcep_session_report(peer.session, &report, ours, 0);
    pcep_session_synced(peer.session);
    pcep_session_sent(peer.session, SIZE_MAX, peer.now);
    /* <-- PCUpd without D --> PCRpt, not delegated */
    ask(&peer, PCEP_UPDATE, 9, 1, given_back_without_a_word);
    assert_events(&peer, "UPDATE 9 'external/user1' not delegated by  with 0 bit/s\n");
    ask(&peer, PCEP_UPDATE, 10, 1, given_back);
    assert_events(&peer, "UPDATE 10 'external/user1' not delegated by  with 0 bit/s\n");
    pcep_session_report(peer.session, &report, PCEP_CREATE, 10);
    assert_sent(&peer, "PCRpt SRP 10 LSP 1 up admin-up created " LSP_TEXT RRO RATE);
    /* <-- PCUpd --> PCErr */
    ask(&peer, PCEP_UPDATE, 11, 1, NULL);
    assert_sent(&peer, "PCErr SRP 11 the LSP is not delegated (19/1)\n");
    lsp_report_free(&report);
    peer_gone(&peer);
}

static void no_name(struct pcep_item *item)
{
    item->has &= ~(uint32_t) PCEP_HAS_NAME;
}

static void no_ends(struct pcep_item *item)
{
    item->has &= ~(uint32_t) PCEP_HAS_ENDPOINTS;
}

static void no_route(struct pcep_item *item)
{
    item->has &= ~(uint32_t) PCEP_HAS_ERO;
}

static void by_segments(struct pcep_item *item)
{
    item->has |= PCEP_HAS_SETUP;
    item->setup = PCEP_SR;
}

static void generalized(struct pcep_item *item)
{
    no_ends(item);
    item->has |= PCEP_HAS_GENERALIZED_ENDPOINTS;
}

static void generalized_of_no_gmpls(struct pcep_item *item)
{
    generalized(item);
    item->has &= ~(uint32_t) PCEP_HAS_EXTENDED;
}

static void bad_priority(struct pcep_item *item)
{
    item->holding_priority = 7;
}

static void test_what_is_refused(void **state)
{
    (void) state;
    static const struct {
        uint8_t type;
        uint32_t plsp_id;
        void (*change)(struct pcep_item *item);
        const char *sent;
    } cases[] = {
        {PCEP_INITIATE, 0, no_name, "SYMBOLIC-PATH-NAME TLV missing (10/8)"},
        {PCEP_INITIATE, 0, no_ends, "END-POINTS object missing (6/3)"},
        {PCEP_INITIATE, 0, generalized, "LABEL-REQUEST TLV missing (6/20)"},
        {PCEP_INITIATE, 0, generalized_of_no_gmpls, "generalized endpoints of an LSP that is not GMPLS (19/28)"},
        {PCEP_INITIATE, 0, no_route, "ERO object missing (6/9)"},
        {PCEP_INITIATE, 0, by_segments, "unsupported path setup type (21/1)"},
        {PCEP_INITIATE, 0, bad_priority, "unacceptable instantiation parameters (24/1)"},
        {PCEP_INITIATE, 5, NULL, "PLSP-ID in a request for a new LSP (19/8)"},
        {PCEP_UPDATE, 5, NULL, "unknown PLSP-ID (19/3)"},
        {PCEP_UPDATE, 1, NULL, "the LSP is not delegated (19/1)"},
        {PCEP_UPDATE, 2, by_segments, "unsupported path setup type (21/1)"},
        {PCEP_UPDATE, 2, bad_priority, "unacceptable instantiation parameters (24/1)"},
    };
    struct peer peer = peer_up(PCEP_PCC);
    struct lsp_report report = sample_report(true);

    snprintf(report.name, sizeof report.name, "not delegated");
    pcep_session_report(peer.session, &report, PCEP_CREATE, 0);
    snprintf(report.name, sizeof report.name, "not initiated");
    pcep_session_report(peer.session, &report, PCEP_DELEGATE, 0);
    pcep_session_sent(peer.session, SIZE_MAX, peer.now);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_FREE char *expected = xasprintf("PCErr SRP %zu %s\n", i, cases[i].sent);
        struct pcep_event event;

        ask(&peer, cases[i].type, (uint32_t) i, cases[i].plsp_id, cases[i].change);
        assert_sent(&peer, expected);
        while (pcep_session_event(peer.session, &event)) {
            assert_int_equal(event.type, PCEP_EVENT_ERROR);
            pcep_event_free(&event);
        }
    }
    /* <-- PCInitiate, remove, of both */
    receive(&peer, "200c0018 2110000c 00000001 0000000a 20100008 00001000");
    receive(&peer, "200c0018 2110000c 00000001 0000000b 20100008 00002000");
    assert_sent(&peer, "PCErr SRP 10 the LSP is not delegated (19/1)\n"
                       "PCErr SRP 11 the LSP was not initiated by a PCE (19/9)\n");
    assert_events(&peer, "ERROR ERR_REFUSED: the PCE's request 10 for LSP '' is refused: the LSP is not delegated "
                         "(19/1)\n"
                         "ERROR ERR_REFUSED: the PCE's request 11 for LSP '' is refused: the LSP was not initiated by "
                         "a PCE (19/9)\n");
    lsp_report_free(&report);
    peer_gone(&peer);
}

static void test_names_and_limits(void **state)
{
    (void) state;
    struct pcep_session_config config = PCEP_SESSION_DEFAULTS(PCEP_PCC);

    config.lsps_max = 1;
    struct peer peer = peer_connect_with(&config);

    receive(&peer, OPEN_OF_PEER KEEPALIVE);
    pcep_session_sent(peer.session, SIZE_MAX, peer.now);
    assert_events(&peer, "UP keepalive 30 dead 120\n");
    /* <-- PCInitiate, twice at once: the name is taken though nothing was reported yet */
    ask(&peer, PCEP_INITIATE, 1, 0, NULL);
    ask(&peer, PCEP_INITIATE, 2, 0, NULL);
    assert_sent(&peer, "PCErr SRP 2 symbolic path name in use (23/1)\n");
    assert_events(&peer, "INITIATE 1 " WISH
                         "ERROR ERR_REFUSED: the PCE's request 2 for LSP 'external/user1' is refused: symbolic path "
                         "name in use (23/1)\n");
    /* --> PCErr: the name is free again */
    pcep_session_refuse(peer.session, 1, PCEP_ERR_INSTANTIATION, 2);
    assert_sent(&peer, "PCErr SRP 1 internal error (24/2)\n");
    ask(&peer, PCEP_INITIATE, 3, 0, NULL);
    assert_events(&peer, "INITIATE 3 " WISH);
    /* <-- one LSP too many */
    struct pcep_item item = {
        .has = PCEP_HAS_SRP | PCEP_HAS_LSP | PCEP_HAS_NAME | PCEP_HAS_ENDPOINTS | PCEP_HAS_ERO, .id = 4, .name = "b"};

    receive_message(&peer, &(struct pcep_message) {.type = PCEP_INITIATE, .items = &item, .n_items = 1});
    assert_sent(&peer, "PCErr SRP 4 limit of LSPs that a PCE initiates reached (19/6)\n");
    peer_gone(&peer);
}

/* Both roles */

static void connected(struct peer *pcc, struct peer *pce)
{
    *pcc = peer_connect(PCEP_PCC);
    *pce = peer_connect(PCEP_PCE);
    exchange(pcc, pce);
    assert_events(pcc, "UP keepalive 30 dead 120\n");
    assert_events(pce, "UP keepalive 30 dead 120\n");
}

static void test_an_lsp_between_both_roles(void **state)
{
    (void) state;
    struct peer pcc, pce;
    struct lsp_request lsp = sample_request();
    struct lsp_report report = sample_report(false);

    connected(&pcc, &pce);
    pcep_session_synced(pcc.session);
    exchange(&pcc, &pce);
    assert_events(&pce, "SYNCED\n");
    pcep_session_initiate(pce.session, &lsp, 1, 1000, pce.now);
    exchange(&pcc, &pce);
    assert_events(&pcc, "INITIATE 1 " WISH);
    report.state = LSP_GOING_UP;
    pcep_session_report(pcc.session, &report, ours, 1);
    report.state = LSP_UP;
    pcep_session_report(pcc.session, &report, ours, 1);
    exchange(&pcc, &pce);
    assert_events(&pce, "REPORT 1 'external/user1' going up by " RECORD " delegated created\n"
                        "DONE 1 'external/user1' going up by " RECORD "\n"
                        "REPORT 1 'external/user1' up by " RECORD " delegated created\n");
    pcep_session_update(pce.session, &lsp, 2, 1000, pce.now);
    exchange(&pcc, &pce);
    assert_events(&pcc, "UPDATE 2 " WISH);
    pcep_session_refuse(pcc.session, 2, PCEP_ERR_INSTANTIATION, 3);
    exchange(&pcc, &pce);
    assert_events(&pce, "DONE 2 ERR_REFUSED: the ingress refused to change LSP 'external/user1': signaling error "
                        "(24/3)\n");
    pcep_session_remove(pce.session, "external/user1", 3, 1000, pce.now);
    exchange(&pcc, &pce);
    assert_events(&pcc, "REMOVE 3 'external/user1'\n");
    report.removed = true;
    report.state = LSP_DOWN;
    pcep_session_report(pcc.session, &report, ours, 3);
    exchange(&pcc, &pce);
    assert_events(&pce, "REPORT 1 'external/user1' down removed by " RECORD " delegated created\n"
                        "DONE 3 'external/user1' down removed by " RECORD "\n");
    assert_events(&pcc, "");
    lsp_request_free(&lsp);
    lsp_report_free(&report);
    peer_gone(&pcc);
    peer_gone(&pce);
}

/* Two PCEs; the LSP is delegated to the one that asked for it. The other sees it, and cannot touch it. */
static void test_two_pces(void **state)
{
    (void) state;
    struct peer pcc[2], pce[2];
    struct lsp_request lsp = sample_request();
    struct lsp_report report = sample_report(false);

    for (unsigned i = 0; i < 2; i++) {
        connected(&pcc[i], &pce[i]);
        pcep_session_synced(pcc[i].session);
        exchange(&pcc[i], &pce[i]);
        assert_events(&pce[i], "SYNCED\n");
    }
    pcep_session_initiate(pce[0].session, &lsp, 1, 1000, pce[0].now);
    exchange(&pcc[0], &pce[0]);
    assert_events(&pcc[0], "INITIATE 1 " WISH);
    pcep_session_report(pcc[0].session, &report, ours, 1);
    pcep_session_report(pcc[1].session, &report, PCEP_CREATE, 0);
    for (unsigned i = 0; i < 2; i++)
        exchange(&pcc[i], &pce[i]);
    assert_events(&pce[0], "REPORT 1 'external/user1' up by " RECORD " delegated created\n"
                           "DONE 1 'external/user1' up by " RECORD "\n");
    assert_events(&pce[1], "REPORT 1 'external/user1' up by " RECORD " created\n");
    pcep_session_initiate(pce[1].session, &lsp, 1, 1000, pce[1].now);
    pcep_session_remove(pce[1].session, lsp.name, 2, 1000, pce[1].now);
    assert_events(&pce[1], "DONE 1 ERR_EXISTS: the ingress has an LSP 'external/user1' already\n"
                           "DONE 2 ERR_CONFLICT: LSP 'external/user1' is not delegated to us\n");
    /* The first PCE goes and the LSP is delegated to the second, which removes it. */
    pcep_session_report(pcc[1].session, &report, ours, 0);
    exchange(&pcc[1], &pce[1]);
    assert_events(&pce[1], "REPORT 1 'external/user1' up by " RECORD " delegated created\n");
    pcep_session_remove(pce[1].session, lsp.name, 3, 1000, pce[1].now);
    exchange(&pcc[1], &pce[1]);
    assert_events(&pcc[1], "REMOVE 1 'external/user1'\n");
    for (unsigned i = 0; i < 2; i++) {
        peer_gone(&pcc[i]);
        peer_gone(&pce[i]);
    }
    lsp_request_free(&lsp);
    lsp_report_free(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_synchronisation),           cmocka_unit_test(test_the_life_of_an_lsp),
        cmocka_unit_test(test_what_is_refused),           cmocka_unit_test(test_names_and_limits),
        cmocka_unit_test(test_an_lsp_between_both_roles), cmocka_unit_test(test_two_pces),
        cmocka_unit_test(test_a_delegation_is_returned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
