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

#define COLUMNS \
    "{\"Bridge\":[{\"columns\":[\"name\",\"datapath_id\",\"rstp_enable\",\"datapath_type\",\"ports\"," \
    "\"flow_tables\"]}]," \
    "\"Port\":[{\"columns\":[\"name\",\"other_config\",\"interfaces\",\"qos\",\"external_ids\"]}]," \
    "\"Interface\":[{\"columns\":[\"name\",\"ofport\",\"mtu\",\"link_speed\"]}]," \
    "\"Flow_Table\":[{\"columns\":[\"flow_limit\"]}]," \
    "\"QoS\":[{\"columns\":[\"type\",\"other_config\",\"external_ids\",\"queues\"]}]," \
    "\"Queue\":[{\"columns\":[\"other_config\",\"external_ids\"]}]}"

#define SNAPSHOT(kind) \
    "{\"id\":\"scg\",\"error\":null,\"result\":{" \
    "\"Bridge\":{\"" B "\":{\"" kind "\":{\"name\":\"tor-a\",\"datapath_id\":\"00000000000000a1\"," \
    "\"ports\":[\"set\",[[\"uuid\",\"" P1 "\"],[\"uuid\",\"" P2 "\"]]]}}}," \
    "\"Port\":{\"" P1 "\":{\"" kind "\":{\"name\":\"up1\"}}," \
    "\"" P2 "\":{\"" kind "\":{\"name\":\"srv\"}}}}}"

#define RSTP_ON \
    "{\"id\":null,\"method\":\"update2\",\"params\":[\"scg\",{\"Bridge\":{\"" B "\":" \
    "{\"modify\":{\"rstp_enable\":true}}}}]}"

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

static void expect_event(struct ovsdb_session *session, enum ovsdb_event wanted)
{
    enum ovsdb_event event;

    assert_true(ovsdb_session_event(session, &event));
    assert_int_equal(event, wanted);
}

static void expect_quiet(struct ovsdb_session *session)
{
    enum ovsdb_event event;

    expect_sent(session, NULL);
    assert_false(ovsdb_session_event(session, &event));
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

static int64_t limit_of(const struct ovsdb_session *session, uint8_t table)
{
    const struct ovsdb_db *db = ovsdb_session_db(session);

    return ovsdb_db_flow_limit(db, ovsdb_db_bridge(db, "tor-a"), table);
}

/* A map's difference: a pair that stood as it comes goes, one with another value stands from now on. */
static void limits_of_tables_are_known(void **state)
{
    struct ovsdb_session *session = ready_session();

    (void) state;
    assert_int_equal(limit_of(session, 3), OVSDB_UNSET);
    receive(session, "{\"id\":null,\"method\":\"update2\",\"params\":[\"scg\",{\"Flow_Table\":{"
                     "\"" P1 "\":{\"insert\":{\"flow_limit\":100}},\"" P2 "\":{\"insert\":{}}},"
                     "\"Bridge\":{\"" B "\":{\"modify\":{\"flow_tables\":[\"map\",[[3,[\"uuid\",\"" P1 "\"]],"
                     "[4,[\"uuid\",\"" P2 "\"]]]]}}}}]}");
    assert_int_equal(limit_of(session, 3), 100);
    assert_int_equal(limit_of(session, 4), OVSDB_UNSET);
    receive(session, "{\"id\":null,\"method\":\"update2\",\"params\":[\"scg\",{\"Bridge\":{\"" B
                     "\":{\"modify\":{\"flow_tables\":[\"map\",[[3,[\"uuid\",\"" P1 "\"]],"
                     "[4,[\"uuid\",\"" P1 "\"]]]]}}}}]}");
    assert_int_equal(limit_of(session, 3), OVSDB_UNSET);
    assert_int_equal(limit_of(session, 4), 100);
    receive(session, "{\"id\":null,\"method\":\"update2\",\"params\":[\"scg\",{\"Flow_Table\":{"
                     "\"" P1 "\":{\"modify\":{\"flow_limit\":[\"set\",[]]}}}}]}");
    assert_int_equal(limit_of(session, 4), OVSDB_UNSET);
    receive_bad(session,
                "{\"id\":null,\"method\":\"update2\",\"params\":[\"scg\",{\"Bridge\":{\"" B
                "\":{\"modify\":{\"flow_tables\":[\"map\",[[255,[\"uuid\",\"" P1 "\"]]]]}}}}]}",
                ERR_MALFORMED);
    ovsdb_session_free(session);
}

static void expect_done(struct ovsdb_session *session, uint64_t id, int code, const char *text)
{
    uint64_t ended = 0;
    struct err err = {0};

    expect_event(session, OVSDB_DONE);
    ovsdb_session_done(session, &ended, &err);
    assert_int_equal(ended, id);
    assert_int_equal(err.code, code);
    if (text)
        assert_string_equal(err.text, text);
}

#define OPERATION "{\"op\":\"comment\",\"comment\":\"x\"}"
#define TRANSACT "{\"method\":\"transact\",\"params\":[\"Open_vSwitch\"," OPERATION "],\"id\":\"transaction\"}"

static void transactions_end_in_their_order(void **state)
{
    struct ovsdb_session *session = ready_session();
    const char *const refused = "the OVSDB server refused a change: constraint violation: no such row";

    (void) state;
    for (uint64_t id = 7; id < 11; id++) {
        ovsdb_session_transact(session, json_loads("[" OPERATION "]", 0, NULL), id);
        expect_sent(session, TRANSACT);
    }
    receive(session, "{\"id\":\"transaction\",\"result\":[{}],\"error\":null}");
    expect_done(session, 7, 0, NULL);
    receive(session, "{\"id\":\"transaction\",\"result\":[null,{\"error\":\"constraint violation\",\"details\":"
                     "\"no such row\"}],\"error\":null}"
                     "{\"id\":\"transaction\",\"result\":null,\"error\":\"unknown database\"}");
    expect_done(session, 8, ERR_REFUSED, refused);
    expect_done(session, 9, ERR_REFUSED, "the OVSDB server refused a change: unknown database");
    ovsdb_session_disconnected(session);
    expect_done(session, 10, ERR_UNKNOWN, "the connection to the OVSDB server ended before it answered");
    expect_quiet(session);
    ovsdb_session_free(session);
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

static void lost_connection_keeps_the_copy(void **state)
{
    struct ovsdb_session *session = ready_session();

    (void) state;
    ovsdb_session_probe(session);
    receive(session, "{\"id\":null,\"method\":\"upd");
    ovsdb_session_disconnected(session);
    expect_quiet(session);
    assert_false(ovsdb_session_ready(session));
    assert_non_null(ovsdb_db_bridge_by_dpid(ovsdb_session_db(session), 0xa1));

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
        "{\"id\":1,\"result\":[],\"error\":null}",
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
    static const char text[] = SNAPSHOT("initial") RSTP_ON;

    (void) state;
    for (size_t n = 0; n <= strlen(text); n++) {
        struct ovsdb_session *session = ovsdb_session_new(TIMEOUT);
        struct err err = {0};

        ovsdb_session_connected(session, start);
        if (ovsdb_session_input(session, text, n, &err) < 0 ||
            ovsdb_session_input(session, text + n, strlen(text) - n, &err) < 0)
            fail_msg("split at %zu: %s", n, err.text);
        expect_event(session, OVSDB_READY);
        expect_event(session, OVSDB_CHANGED);
        assert_true(ovsdb_db_bridge(ovsdb_session_db(session), "tor-a")->rstp);
        ovsdb_session_free(session);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_of_tables_are_known),
        cmocka_unit_test(transactions_end_in_their_order),
        cmocka_unit_test(server_without_monitor_cond_is_asked_for_monitor),
        cmocka_unit_test(server_without_the_database_is_given_up),
        cmocka_unit_test(silent_server_is_given_up_in_time),
        cmocka_unit_test(echo_is_answered_and_probes_are_sent),
        cmocka_unit_test(lost_connection_keeps_the_copy),
        cmocka_unit_test(nonsense_ends_the_session),
        cmocka_unit_test(every_prefix_of_a_transcript_is_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
