/* SPDX-License-Identifier: Apache-2.0 */
/* Queues as rows of OVSDB: what has to be changed, what is left alone, and what is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "south/switch_queue_rows.h"

#define ID(n) "00000000-0000-0000-0000-0000000000" n
#define UUID(n) "['uuid', '" ID(n) "']"
/* A bridge with two ports: p1 (OpenFlow port 1) has this in its columns qos and external_ids. */
#define ROWS(qos, ids, more) \
    "{'Bridge': {'" ID("01") "': {'initial': {'name': 'tor', 'ports': ['set', [" UUID("11") ", " UUID( \
        "12") "]]}}}, " \
              "'Port': {'" ID("11") "': {'initial': {'name': 'p1', 'interfaces': " UUID( \
                  "21") ", 'qos': " qos ", 'external_ids': ['map', [" ids "]]}}, " \
                        "'" ID("12") "': {'initial': {'name': 'p2', 'interfaces': " UUID( \
                            "22") "}}}, " \
                                  "'Interface': {'" ID( \
                                      "21") "': {'initial': {'name': 'p1', 'ofport': 1, 'link_speed': 10000000000}}, " \
                                            "'" ID("22") "': {'initial': {'name': 'p2', 'ofport': 2}}}" more "}"
#define QUEUE_IDS \
    "['scg-switch', 'tor'], ['scg-vm', 'V1'], ['scg-direction', 'to-vm'], ['scg-address', '10.0.0.1'], ['scg-dscp', " \
    "'46']"
/* With a queue 3 at p1 that is ours. */
/* clang-format off */
#define OURS \
    ", 'QoS': {'" ID("31") "': {'initial': {'type': 'linux-htb', 'other_config': ['map', " \
    "[['max-rate', '10000000000']]], 'external_ids': ['map', [['scg-switch', 'tor']]], " \
    "'queues': ['map', [[3, " UUID("41") "]]]}}}, " \
    "'Queue': {'" ID("41") "': {'initial': {'other_config': ['map', [['min-rate', '100000'], " \
    "['max-rate', '200000'], ['priority', '7']]], 'external_ids': ['map', [" QUEUE_IDS "]]}}, " \
    "'" ID("42") "': {'initial': {'other_config': ['map', [['min-rate', '5']]]}}}"
/* clang-format on */

static const struct flow_queue queue = {.port = 1,
                                        .id = 3,
                                        .min_kbps = 100,
                                        .max_kbps = 200,
                                        .priority = 7,
                                        .vm = "V1",
                                        .ip = {IP_V4, {10, 0, 0, 1}},
                                        .dscp = 46};

static struct ovsdb_db rows(const char *text)
{
    AUTO_FREE char *quoted = xstrdup(text);
    struct ovsdb_db db = {0};
    struct err err = {0};

    for (char *c = quoted; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json_t *json = json_loads(quoted, 0, NULL);
    assert_non_null(json);
    if (ovsdb_db_update(&db, json, &err) < 0)
        fail_msg("%s", err.text);
    json_decref(json);
    return db;
}

/* The operations, "OP TABLE" a line each. */
static char *changes(const struct ovsdb_db *db, const struct switch_queue_set *set, struct queue_problems *problems)
{
    struct strbuf text = {0};
    json_t *operations = switch_queue_rows_change(db, ovsdb_db_bridge(db, "tor"), set, problems);
    json_t *operation;
    size_t i;

    json_array_foreach(operations, i, operation) {
        strbuf_printf(&text, "%s %s\n", json_string_value(json_object_get(operation, "op")),
                      json_string_value(json_object_get(operation, "table")));
    }
    json_decref(operations);
    return text.text ? strbuf_take(&text) : xstrdup("");
}

static void expect_changes_of(const char *text, const struct flow_queue *wanted, size_t n, bool complete,
                              const char *expected)
{
    struct ovsdb_db db = rows(text);
    struct queue_problems problems = {0};
    AUTO_FREE char *told = changes(&db, &(struct switch_queue_set) {wanted, n, complete, NULL}, &problems);

    assert_int_equal(problems.n, 0);
    assert_string_equal(told, expected);
    ovsdb_db_free(&db);
}

static void expect_changes(const char *text, const struct flow_queue *wanted, size_t n, const char *expected)
{
    expect_changes_of(text, wanted, n, true, expected);
}

static void first_queue_makes_rows(void **state)
{
    struct ovsdb_db db = rows(ROWS("['set', []]", "", ""));
    struct queue_problems problems = {0};
    json_t *operations = switch_queue_rows_change(&db, ovsdb_db_bridge(&db, "tor"),
                                                  &(struct switch_queue_set) {&queue, 1, true, NULL}, &problems);
    AUTO_FREE char *text = json_dumps(operations, JSON_COMPACT);

    (void) state;
    json_decref(operations);
    assert_int_equal(problems.n, 0);
    /* clang-format off */
    assert_string_equal(
        text,
        "[{\"op\":\"insert\",\"table\":\"Queue\",\"uuid-name\":\"q1_3\",\"row\":{\"other_config\":[\"map\","
        "[[\"min-rate\",\"100000\"],[\"max-rate\",\"200000\"],[\"priority\",\"7\"]]],\"external_ids\":[\"map\","
        "[[\"scg-switch\",\"tor\"],[\"scg-vm\",\"V1\"],"
        "[\"scg-direction\",\"to-vm\"],[\"scg-address\",\"10.0.0.1\"],[\"scg-dscp\",\"46\"]]]}},"
        "{\"op\":\"insert\",\"table\":\"QoS\",\"uuid-name\":\"qos1\",\"row\":{\"type\":\"linux-htb\","
        "\"other_config\":"
        "[\"map\",[[\"max-rate\",\"10000000000\"]]],\"queues\":[\"map\",[[3,[\"named-uuid\",\"q1_3\"]]]],"
        "\"external_ids\":[\"map\",[[\"scg-switch\",\"tor\"]]]}},"
        "{\"op\":\"wait\",\"timeout\":0,\"table\":\"Port\",\"where\":[[\"_uuid\",\"==\",[\"uuid\",\"" ID("11") "\"]]],"
        "\"columns\":[\"qos\"],\"until\":\"==\",\"rows\":[{\"qos\":[\"set\",[]]}]},"
        "{\"op\":\"update\",\"table\":\"Port\",\"where\":[[\"_uuid\",\"==\",[\"uuid\",\"" ID("11") "\"]]],\"row\":"
        "{\"qos\":[\"named-uuid\",\"qos1\"]}}]");
    /* clang-format on */
    ovsdb_db_free(&db);
}

static void rows_that_stand_are_taken_over(void **state)
{
    struct flow_queue other = queue, second = queue;

    (void) state;
    expect_changes(ROWS(UUID("31"), "", OURS), &queue, 1, "");
    other.max_kbps = 300;
    expect_changes(ROWS(UUID("31"), "", OURS), &other, 1, "update Queue\n");
    other = queue;
    other.priority = 0;
    expect_changes(ROWS(UUID("31"), "", OURS), &other, 1, "update Queue\n");
    other = queue;
    other.dscp = 10;
    expect_changes(ROWS(UUID("31"), "", OURS), &other, 1, "update Queue\n");
    second.id = 4;
    expect_changes(ROWS(UUID("31"), "", OURS), (const struct flow_queue[]) {queue, second}, 2,
                   "insert Queue\nupdate QoS\n");
    expect_changes(ROWS(UUID("31"), "", OURS), &second, 1, "insert Queue\nupdate QoS\ndelete Queue\n");
    /* What the port passes has changed. */
    expect_changes(ROWS(UUID("31"), "['scg-rate-kbps', '5000']", OURS), &queue, 1, "update QoS\n");
}

static void rows_go_with_the_last_queue(void **state)
{
    (void) state;
    expect_changes(ROWS(UUID("31"), "", OURS), NULL, 0, "wait Port\nupdate Port\ndelete QoS\ndelete Queue\n");
    /* The port was made anew, without them. */
    expect_changes(ROWS("['set', []]", "", OURS), NULL, 0, "delete QoS\ndelete Queue\n");
    expect_changes(ROWS("['set', []]", "", ""), NULL, 0, "");
}

/* Some VMs may still be found here: theirs stay. */
static void absent_vms_keep_theirs(void **state)
{
    struct flow_queue others = queue;

    (void) state;
    expect_changes_of(ROWS(UUID("31"), "", OURS), NULL, 0, false, "");
    others.id = 4;
    expect_changes_of(ROWS(UUID("31"), "", OURS), &others, 1, false, "insert Queue\nupdate QoS\ndelete Queue\n");
    strcpy(others.vm, "V2");
    expect_changes_of(ROWS(UUID("31"), "", OURS), &others, 1, false, "insert Queue\nupdate QoS\n");
    expect_changes_of(ROWS(UUID("31"), "", OURS), (const struct flow_queue[]) {queue, others}, 2, false,
                      "insert Queue\nupdate QoS\n");
    others.id = queue.id; /* V1 has left, and its number is V2's now */
    expect_changes_of(ROWS(UUID("31"), "", OURS), &others, 1, false, "update Queue\n");
    /* The port is gone from the bridge's ports, so nothing can refer to the queue. */
    expect_changes_of(ROWS("['set', []]", "", OURS), NULL, 0, false, "delete QoS\ndelete Queue\n");
}

static void expect_refusal(const char *text, const struct flow_queue *wanted, size_t n, int code, const char *sentence,
                           const char *expected)
{
    struct ovsdb_db db = rows(text);
    struct queue_problems problems = {0};
    const struct switch_queue_set set = {wanted, n, true, NULL};
    AUTO_FREE char *told = changes(&db, &set, &problems);
    const struct err *err = switch_queue_rows_problem(&problems, &set);

    assert_non_null(err);
    assert_int_equal(err->code, code);
    assert_string_equal(err->text, sentence);
    assert_string_equal(told, expected);
    free(problems.problems);
    ovsdb_db_free(&db);
}

#define THEIRS \
    ", 'QoS': {'" ID("32") "': {'initial': {'type': 'linux-hfsc', 'queues': ['map', [[0, " UUID( \
        "42") "]]]}}}, " \
              "'Queue': {'" ID("42") "': {'initial': {'other_config': ['map', [['min-rate', '5000000']]]}}}"

static void an_administrator_s_are_not_touched(void **state)
{
    struct flow_queue nowhere = queue, silent = queue;

    (void) state;
    expect_refusal(ROWS(UUID("32"), "", THEIRS), &queue, 1, ERR_CONFLICT,
                   "port p1 of switch tor has a QoS that is not the gateway's (row " ID(
                       "32") "): remove it (ovs-vsctl clear Port p1 qos), or give the VM's classes no queue",
                   "");
    expect_changes(ROWS(UUID("32"), "", THEIRS), NULL, 0, "");
    nowhere.port = 9;
    expect_refusal(ROWS("['set', []]", "", ""), &nowhere, 1, ERR_NOT_FOUND, "OVSDB does not know port 9 of switch tor",
                   "");
    expect_refusal(ROWS("['set', []]", "", ""), (const struct flow_queue[]) {nowhere, queue}, 2, ERR_NOT_FOUND,
                   "OVSDB does not know port 9 of switch tor",
                   "insert Queue\ninsert QoS\nwait Port\nupdate Port\n"); /* port 1 has its own all the same */
    silent.port = 2;
    expect_refusal(ROWS("['set', []]", "", ""), &silent, 1, ERR_NOT_FOUND,
                   "port p2 of switch tor does not tell its rate: set external_ids:scg-rate-kbps of the Port", "");
}

static void a_port_fails_only_whom_it_concerns(void **state)
{
    struct ovsdb_db db = rows(ROWS(UUID("32"), "['scg-rate-kbps', '5000']", THEIRS));
    struct flow_queue wanted[] = {queue, queue, queue};
    struct switch_queue_set set = {wanted, ARRAY_LEN(wanted), true, NULL};
    struct queue_problems problems = {0};

    (void) state;
    strcpy(wanted[1].vm, "V2"); /* V1 and V2 at p1, V3 elsewhere */
    strcpy(wanted[2].vm, "V3");
    wanted[2].port = 9;
    free(changes(&db, &set, &problems));
    assert_int_equal(problems.n, 2);
    assert_int_equal(switch_queue_rows_problem(&problems, &set)->code, ERR_CONFLICT);
    set.vm = "V2";
    assert_int_equal(switch_queue_rows_problem(&problems, &set)->code, ERR_CONFLICT);
    set.vm = "V3";
    assert_int_equal(switch_queue_rows_problem(&problems, &set)->code, ERR_NOT_FOUND);
    set.vm = "V4";
    assert_null(switch_queue_rows_problem(&problems, &set));
    free(problems.problems);
    ovsdb_db_free(&db);
}

static void queues_are_read_whoever_made_them(void **state)
{
    struct ovsdb_db ours = rows(ROWS(UUID("31"), "", OURS)), theirs = rows(ROWS(UUID("32"), "", THEIRS));
    struct flow_queue *queues;

    (void) state;
    assert_int_equal(switch_queue_rows_read(&ours, ovsdb_db_bridge(&ours, "tor"), &queues), 1);
    assert_true(queues[0].port == 1 && queues[0].id == 3 && queues[0].min_kbps == 100 && queues[0].max_kbps == 200 &&
                queues[0].priority == 7);
    free(queues);
    assert_int_equal(switch_queue_rows_read(&theirs, ovsdb_db_bridge(&theirs, "tor"), &queues), 1);
    assert_true(queues[0].port == 1 && queues[0].id == 0 && queues[0].min_kbps == 5000 && queues[0].max_kbps == 0 &&
                queues[0].priority == 0);
    free(queues);
    ovsdb_db_free(&ours);
    ovsdb_db_free(&theirs);
}

static void rates_of_ports(void **state)
{
    static const struct {
        const char *said; /* null: nothing */
        int64_t speed;
        uint32_t kbps;
    } cases[] = {{NULL, OVSDB_UNSET, 0},
                 {NULL, 1000000000, 1000000},
                 {"5000", 1000000000, 5000},
                 {"5000", OVSDB_UNSET, 5000},
                 {"5 Mbit/s", 1000000000, 1000000},
                 {"0", 1000000000, 1000000},
                 {"", 0, 0},
                 {"99999999999", 1000, 1},
                 {NULL, INT64_MAX, UINT32_MAX}};

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ovsdb_interface interface = {.link_speed = cases[i].speed};
        struct ovsdb_port port = {0};

        if (cases[i].said)
            port.external_ids = json_pack("{s:s}", "scg-rate-kbps", cases[i].said);
        assert_int_equal(switch_port_rate(&port, &interface), cases[i].kbps);
        json_decref(port.external_ids);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_queue_makes_rows),
        cmocka_unit_test(rows_that_stand_are_taken_over),
        cmocka_unit_test(rows_go_with_the_last_queue),
        cmocka_unit_test(absent_vms_keep_theirs),
        cmocka_unit_test(an_administrator_s_are_not_touched),
        cmocka_unit_test(a_port_fails_only_whom_it_concerns),
        cmocka_unit_test(queues_are_read_whoever_made_them),
        cmocka_unit_test(rates_of_ports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
