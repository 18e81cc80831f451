/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions with an OVSDB server: "<-" is what the server sends, "->" what we send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "proto/ovsdb/ovsdb_frame.h"
#include "proto/ovsdb/ovsdb_session.h"

#define B "00000000-0000-0000-0000-0000000000b1"
#define P1 "00000000-0000-0000-0000-0000000000f1"
#define P2 "00000000-0000-0000-0000-0000000000f2"
#define ROOT "00000000-0000-0000-0000-0000000000aa"

#define COLUMNS \
    "{\"Bridge\":[{\"columns\":[\"name\",\"datapath_id\",\"rstp_enable\",\"ports\"]}]," \
    "\"Port\":[{\"columns\":[\"name\",\"vlan_mode\",\"tag\",\"other_config\",\"trunks\",\"interfaces\"]}]," \
    "\"Interface\":[{\"columns\":[\"name\",\"ofport\"]}]," \
    "\"Open_vSwitch\":[{\"columns\":[\"cur_cfg\",\"next_cfg\"]}]}"

#define SNAPSHOT(kind) \
    "{\"id\":\"scg\",\"error\":null,\"result\":{" \
    "\"Bridge\":{\"" B "\":{\"" kind "\":{\"name\":\"tor-a\",\"datapath_id\":\"00000000000000a1\"," \
    "\"ports\":[\"set\",[[\"uuid\",\"" P1 "\"],[\"uuid\",\"" P2 "\"]]]}}}," \
    "\"Port\":{\"" P1 "\":{\"" kind "\":{\"name\":\"up1\",\"trunks\":[\"set\",[10,20]]}}," \
    "\"" P2 "\":{\"" kind "\":{\"name\":\"srv\",\"tag\":5}}}," \
    "\"Open_vSwitch\":{\"" ROOT "\":{\"" kind "\":{\"cur_cfg\":7,\"next_cfg\":7}}}}}"

#define TRANSACTION(id, trunks) \
    "{\"method\":\"transact\",\"id\":" id ",\"params\":[\"Open_vSwitch\"," \
    "{\"op\":\"wait\",\"timeout\":0,\"table\":\"Bridge\",\"where\":[[\"_uuid\",\"==\",[\"uuid\",\"" B "\"]]," \
    "[\"ports\",\"includes\",[\"uuid\",\"" P1 "\"]]],\"columns\":[\"name\"],\"until\":\"==\"," \
    "\"rows\":[{\"name\":\"tor-a\"}]}," \
    "{\"op\":\"update\",\"table\":\"Port\",\"where\":[[\"_uuid\",\"==\",[\"uuid\",\"" P1 "\"]]]," \
    "\"row\":{\"trunks\":[\"set\"," trunks "]}}," \
    "{\"op\":\"mutate\",\"table\":\"Open_vSwitch\",\"where\":[],\"mutations\":[[\"next_cfg\",\"+=\",1]]}," \
    "{\"op\":\"select\",\"table\":\"Open_vSwitch\",\"where\":[],\"columns\":[\"next_cfg\"]}]}"

#define STORED(id, cfg) \
    "{\"id\":" id ",\"error\":null,\"result\":[{},{\"count\":1},{\"count\":1},{\"rows\":[{\"next_cfg\":" cfg "}]}]}"
#define IN_EFFECT(cfg) \
    "{\"id\":null,\"method\":\"update2\",\"params\":[\"scg\",{\"Open_vSwitch\":{\"" ROOT "\":" \
    "{\"modify\":{\"cur_cfg\":" cfg "}}}}]}"

static const struct mono start = {1000};
#define TIMEOUT 5000

static void receive(struct ovsdb_session *session, const char *text)
{
    struct err err = {0};

    if (ovsdb_session_input(session, text, strlen(text), &err) < 0)
        fail_msg("%s", err.text);
}

static void receive_bad(struct ovsdb_session *session, const char *text, int code)
{
    struct err err = {0};

    assert_int_equal(ovsdb_session_input(session, text, strlen(text), &err), code);
    assert_int_equal(err.code, code);
    assert_string_not_equal(err.text, "");
}

/* That exactly this message is sent; null: none. */
static void expect_sent(struct ovsdb_session *session, const char *text)
{
    size_t n;
    AUTO_FREE char *bytes = ovsdb_session_output(session, &n);

    if (!text) {
        assert_null(bytes);
        return;
    }
    assert_non_null(bytes);
    json_t *sent = json_loadb(bytes, n, 0, NULL);
    json_t *wanted = json_loads(text, 0, NULL);
    assert_non_null(wanted);
    if (!json_equal(sent, wanted))
        fail_msg("sent %.*s instead of %s", (int) n, bytes, text);
    json_decref(sent);
    json_decref(wanted);
}

static void expect_event(struct ovsdb_session *session, enum ovsdb_event_type type)
{
    struct ovsdb_event event;

    assert_true(ovsdb_session_event(session, &event));
    assert_int_equal(event.type, type);
}

static void expect_done(struct ovsdb_session *session, uint64_t request, int code, const char *word)
{
    struct ovsdb_event event;

    assert_true(ovsdb_session_event(session, &event));
    assert_int_equal(event.type, OVSDB_DONE);
    assert_int_equal(event.request, request);
    assert_int_equal(event.err.code, code);
    if (!strstr(event.err.text, word))
        fail_msg("\"%s\" does not say %s", event.err.text, word);
}

static void expect_quiet(struct ovsdb_session *session)
{
    struct ovsdb_event event;

    expect_sent(session, NULL);
    assert_false(ovsdb_session_event(session, &event));
}

static void set_trunks(struct ovsdb_session *session, uint64_t request, const char *port, uint16_t vlan)
{
    ovsdb_session_set_trunks(session, request, "tor-a", port, &vlan, 1, start);
}

static struct ovsdb_session *ready_session(void)
{
    struct ovsdb_session *session = ovsdb_session_new(TIMEOUT);

    ovsdb_session_connected(session, start);
    /* -> monitor_cond */
    expect_sent(session,
                "{\"method\":\"monitor_cond\",\"id\":\"scg\",\"params\":[\"Open_vSwitch\",\"scg\"," COLUMNS "]}");
    assert_false(ovsdb_session_ready(session));
    /* <- the rows */
    receive(session, SNAPSHOT("initial"));
    assert_true(ovsdb_session_ready(session));
    expect_event(session, OVSDB_READY);
    expect_quiet(session);
    assert_non_null(ovsdb_db_bridge_by_dpid(ovsdb_session_db(session), 0xa1));
    assert_int_equal(ovsdb_session_deadline(session).ms, MONO_NEVER.ms);
    return session;
}

static void server_without_monitor_cond_is_asked_for_monitor(void **state)
{
    struct ovsdb_session *session = ovsdb_session_new(TIMEOUT);

    (void) state;
    ovsdb_session_connected(session, start);
    free(ovsdb_session_output(session, &(size_t) {0}));
    /* <- error */
    receive(session, "{\"id\":\"scg\",\"result\":null,\"error\":{\"error\":\"unknown method\"}}");
    /* -> monitor */
    expect_sent(session, "{\"method\":\"monitor\",\"id\":\"scg\",\"params\":[\"Open_vSwitch\",\"scg\"," COLUMNS "]}");
    /* <- the rows */
    receive(session, SNAPSHOT("new"));
    expect_event(session, OVSDB_READY);
    /* <- update */
    receive(session, "{\"id\":null,\"method\":\"update\",\"params\":[\"scg\",{\"Bridge\":{\"" B "\":{\"old\":{}}}}]}");
    expect_event(session, OVSDB_CHANGED);
    assert_null(ovsdb_db_bridge(ovsdb_session_db(session), "tor-a"));
    expect_quiet(session);
    ovsdb_session_free(session);
}

static void server_without_the_database_is_given_up(void **state)
{
    struct ovsdb_session *session = ovsdb_session_new(TIMEOUT);

    (void) state;
    ovsdb_session_connected(session, start);
    receive(session, "{\"id\":\"scg\",\"result\":null,\"error\":{\"error\":\"unknown database\"}}");
    receive_bad(session, "{\"id\":\"scg\",\"result\":null,\"error\":{\"error\":\"unknown database\"}}", ERR_REFUSED);
    ovsdb_session_free(session);
}

static void silent_server_is_given_up_in_time(void **state)
{
    struct ovsdb_session *session = ovsdb_session_new(TIMEOUT);
    struct err err = {0};

    (void) state;
    ovsdb_session_connected(session, start);
    struct mono deadline = ovsdb_session_deadline(session);
    assert_int_equal(mono_diff(deadline, start), TIMEOUT);
    assert_int_equal(ovsdb_session_tick(session, (struct mono) {deadline.ms - 1}, &err), 0);
    assert_int_equal(ovsdb_session_tick(session, deadline, &err), ERR_TIMEOUT);
    ovsdb_session_free(session);
}

static void echo_is_answered_and_probes_are_sent(void **state)
{
    struct ovsdb_session *session = ready_session();

    (void) state;
    /* <- echo */
    receive(session, "{\"id\":\"echo\",\"method\":\"echo\",\"params\":[1,\"x\"]}");
    /* -> its params */
    expect_sent(session, "{\"id\":\"echo\",\"result\":[1,\"x\"],\"error\":null}");
    ovsdb_session_probe(session);
    /* -> echo */
    expect_sent(session, "{\"id\":\"probe\",\"method\":\"echo\",\"params\":[]}");
    /* <- its answer */
    receive(session, "{\"id\":\"probe\",\"result\":[],\"error\":null}");
    /* <- a request that we do not serve */
    receive(session, "{\"id\":4,\"method\":\"steal\",\"params\":[]}");
    expect_sent(session, "{\"id\":4,\"result\":null,\"error\":\"unknown method\"}");
    /* <- a notification that we do not know */
    receive(session, "{\"id\":null,\"method\":\"stolen\",\"params\":[]}");
    expect_quiet(session);
    ovsdb_session_free(session);
}

static void trunks_are_done_when_in_effect(void **state)
{
    struct ovsdb_session *session = ready_session();

    (void) state;
    ovsdb_session_set_trunks(session, 42, "tor-a", "up1", (const uint16_t[]) {30, 10, 30}, 3, start);
    /* -> transact */
    expect_sent(session, TRANSACTION("1", "[10,30]"));
    /* <- the change, then the reply, as ovsdb-server orders them */
    receive(session, "{\"id\":null,\"method\":\"update2\",\"params\":[\"scg\",{\"Port\":{\"" P1 "\":{\"modify\":"
                     "{\"trunks\":[\"set\",[20,30]]}}},"
                     "\"Open_vSwitch\":{\"" ROOT "\":{\"modify\":{\"next_cfg\":8}}}}]}");
    expect_event(session, OVSDB_CHANGED);
    receive(session, STORED("1", "8"));
    expect_quiet(session);
    /* <- ovs-vswitchd has done it */
    receive(session, IN_EFFECT("8"));
    expect_event(session, OVSDB_CHANGED);
    expect_done(session, 42, 0, "");
    /* A second time nothing is written. */
    ovsdb_session_set_trunks(session, 43, "tor-a", "up1", (const uint16_t[]) {10, 30}, 2, start);
    expect_done(session, 43, 0, "");
    expect_quiet(session);
    ovsdb_session_free(session);
}

static void trunks_that_are_stored_and_not_in_effect_are_waited_for(void **state)
{
    struct ovsdb_session *session = ready_session();

    (void) state;
    receive(session, "{\"id\":null,\"method\":\"update2\",\"params\":[\"scg\",{\"Open_vSwitch\":{\"" ROOT "\":"
                     "{\"modify\":{\"next_cfg\":9}}}}]}");
    expect_event(session, OVSDB_CHANGED);
    ovsdb_session_set_trunks(session, 1, "tor-a", "up1", (const uint16_t[]) {10, 20}, 2, start);
    expect_quiet(session);
    receive(session, IN_EFFECT("9"));
    expect_event(session, OVSDB_CHANGED);
    expect_done(session, 1, 0, "");
    ovsdb_session_free(session);
}

static void no_vlan_at_all_is_not_the_empty_set(void **state)
{
    struct ovsdb_session *session = ready_session();

    (void) state;
    ovsdb_session_set_trunks(session, 1, "tor-a", "up1", NULL, 0, start);
    /* An empty "trunks" would carry every VLAN. */
    expect_sent(session, TRANSACTION("1", "[4095]"));
    ovsdb_session_free(session);
}

static void trunks_that_cannot_be_set_say_why(void **state)
{
    struct ovsdb_session *session = ready_session();

    (void) state;
    set_trunks(session, 1, "up9", 10);
    expect_done(session, 1, ERR_NOT_FOUND, "switch tor-a has no port up9");
    ovsdb_session_set_trunks(session, 2, "tor-z", "up1", (const uint16_t[]) {10}, 1, start);
    expect_done(session, 2, ERR_NOT_FOUND, "switch tor-z has no port up1");
    set_trunks(session, 3, "srv", 10);
    expect_done(session, 3, ERR_CONFLICT, "srv");
    set_trunks(session, 4, "up1", 0);
    expect_done(session, 4, ERR_INVALID, "up1");
    set_trunks(session, 5, "up1", 4095);
    expect_done(session, 5, ERR_INVALID, "up1");
    expect_quiet(session);
    ovsdb_session_free(session);
}

static void refused_transactions_say_why(void **state)
{
    struct ovsdb_session *session = ready_session();

    (void) state;
    for (uint64_t request = 1; request <= 5; request++)
        set_trunks(session, request, "up1", 30);
    free(ovsdb_session_output(session, &(size_t) {0}));
    receive(session, "{\"id\":1,\"error\":null,\"result\":[{\"error\":\"timed out\"},null,null,null]}");
    expect_done(session, 1, ERR_NOT_FOUND, "up1");
    receive(session, "{\"id\":2,\"error\":null,\"result\":[{},{\"error\":\"constraint violation\",\"details\":\"why\"},"
                     "null,null]}");
    expect_done(session, 2, ERR_REFUSED, "constraint violation: why");
    receive(session, "{\"id\":3,\"error\":\"not owner\",\"result\":null}");
    expect_done(session, 3, ERR_REFUSED, "not owner");
    receive(session, "{\"id\":4,\"error\":null,\"result\":[{},{\"count\":1},{\"count\":1},"
                     "{\"rows\":[{\"next_cfg\":8}]},{\"error\":\"referential integrity violation\"}]}");
    expect_done(session, 4, ERR_REFUSED, "referential integrity violation");
    receive(session, "{\"id\":5,\"error\":null,\"result\":[]}");
    expect_done(session, 5, ERR_UNKNOWN, "up1");
    /* <- a late reply */
    receive(session, STORED("1", "8"));
    expect_quiet(session);
    ovsdb_session_free(session);
}

static void requests_without_an_answer_are_unknown(void **state)
{
    struct ovsdb_session *session = ready_session();
    struct err err;

    (void) state;
    set_trunks(session, 1, "up1", 30);
    set_trunks(session, 2, "up1", 31);
    receive(session, STORED("2", "9"));
    struct mono deadline = ovsdb_session_deadline(session);
    assert_int_equal(mono_diff(deadline, start), TIMEOUT);
    assert_int_equal(ovsdb_session_tick(session, deadline, &err), 0);
    expect_done(session, 1, ERR_UNKNOWN, "up1");
    expect_done(session, 2, ERR_UNKNOWN, "up1");
    assert_int_equal(ovsdb_session_deadline(session).ms, MONO_NEVER.ms);
    ovsdb_session_free(session);
}

static void lost_connection_ends_requests_and_keeps_the_copy(void **state)
{
    struct ovsdb_session *session = ready_session();

    (void) state;
    set_trunks(session, 1, "up1", 30);
    receive(session, "{\"id\":null,\"method\":\"upd");
    ovsdb_session_disconnected(session);
    expect_done(session, 1, ERR_UNKNOWN, "up1");
    expect_quiet(session);
    assert_non_null(ovsdb_db_bridge_by_dpid(ovsdb_session_db(session), 0xa1));
    set_trunks(session, 2, "up1", 30);
    expect_done(session, 2, ERR_UNREACHABLE, "tor-a");

    ovsdb_session_connected(session, start);
    free(ovsdb_session_output(session, &(size_t) {0}));
    receive(session, "{\"id\":\"scg\",\"error\":null,\"result\":{}}");
    expect_event(session, OVSDB_READY);
    assert_null(ovsdb_db_bridge_by_dpid(ovsdb_session_db(session), 0xa1));
    ovsdb_session_free(session);
}

static void nonsense_ends_the_session(void **state)
{
    static const char *const texts[] = {
        "nonsense",
        "{]",
        "{\"id\":1}",
        "{\"result\":1,\"error\":null}",
        "{\"id\":1,\"result\":1}",
        "{\"id\":\"other\",\"result\":1,\"error\":null}",
        "{\"id\":\"scg\",\"result\":1,\"error\":null}",
        "{\"id\":null,\"method\":\"echo\",\"params\":7}",
        "{\"id\":null,\"method\":\"update2\",\"params\":[]}",
        "{\"id\":null,\"method\":\"update2\",\"params\":[\"other\",{}]}",
        "{\"id\":null,\"method\":\"update2\",\"params\":[\"scg\"]}",
        "{\"id\":null,\"method\":\"update2\",\"params\":[\"scg\",{\"Port\":7}]}",
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct ovsdb_session *session = ready_session();

        receive_bad(session, texts[i], ERR_MALFORMED);
        ovsdb_session_free(session);
    }
    struct ovsdb_session *session = ready_session();
    receive_bad(session, "{\"id\":null,\"method\":\"monitor_canceled\",\"params\":[\"scg\"]}", ERR_NOT_FOUND);
    ovsdb_session_free(session);
}

static void every_prefix_of_a_transcript_is_waited_for(void **state)
{
    static const char text[] = SNAPSHOT("initial") IN_EFFECT("8");

    (void) state;
    for (size_t n = 0; n <= strlen(text); n++) {
        struct ovsdb_session *session = ovsdb_session_new(TIMEOUT);
        struct err err = {0};

        ovsdb_session_connected(session, start);
        if (ovsdb_session_input(session, text, n, &err) < 0 || ovsdb_session_input(session, text + n,
                                                                                   strlen(text) - n, &err) < 0)
            fail_msg("split at %zu: %s", n, err.text);
        expect_event(session, OVSDB_READY);
        expect_event(session, OVSDB_CHANGED);
        assert_int_equal(ovsdb_db_root(ovsdb_session_db(session))->cur_cfg, 8);
        ovsdb_session_free(session);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_without_monitor_cond_is_asked_for_monitor),
        cmocka_unit_test(server_without_the_database_is_given_up),
        cmocka_unit_test(silent_server_is_given_up_in_time),
        cmocka_unit_test(echo_is_answered_and_probes_are_sent),
        cmocka_unit_test(trunks_are_done_when_in_effect),
        cmocka_unit_test(trunks_that_are_stored_and_not_in_effect_are_waited_for),
        cmocka_unit_test(no_vlan_at_all_is_not_the_empty_set),
        cmocka_unit_test(trunks_that_cannot_be_set_say_why),
        cmocka_unit_test(refused_transactions_say_why),
        cmocka_unit_test(requests_without_an_answer_are_unknown),
        cmocka_unit_test(lost_connection_ends_requests_and_keeps_the_copy),
        cmocka_unit_test(nonsense_ends_the_session),
        cmocka_unit_test(every_prefix_of_a_transcript_is_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
