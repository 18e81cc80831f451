/* SPDX-License-Identifier: Apache-2.0 */
/* Messages out of a stream of JSON, and the copy of rows that table updates keep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/err.h"
#include "proto/ovsdb/ovsdb_db.h"
#include "proto/ovsdb/ovsdb_frame.h"

/* What ovsdb-server really sent; see tests/data/ovsdb/README.md. */
static char *read_capture(const char *name, size_t *size)
{
    AUTO_FREE char *path = xasprintf("%s/ovsdb/%s", TEST_DATA, name);
    FILE *file = fopen(path, "rb");
    char *bytes = xmalloc(1 << 16);

    assert_non_null(file);
    *size = fread(bytes, 1, 1 << 16, file);
    fclose(file);
    assert_true(*size > 0 && *size < 1 << 16);
    return bytes;
}

static unsigned count_messages(struct ovsdb_framer *framer)
{
    const char *message;
    size_t size;
    unsigned n = 0;
    int status;

    while ((status = ovsdb_framer_next(framer, &message, &size)) > 0) {
        assert_int_equal(message[0], '{');
        assert_int_equal(message[size - 1], '}');
        n++;
    }
    assert_int_equal(status, 0);
    return n;
}

static void captured_messages_are_found_at_any_split(void **state)
{
    static const struct {
        const char *name;
        unsigned messages;
    } captures[] = {{"vsctl-requests.jsonrpc", 3},
                    {"vsctl-answers.jsonrpc", 3},
                    {"ovsdb-client-requests.jsonrpc", 4},
                    {"ovsdb-client-answers.jsonrpc", 4}};

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(captures); i++) {
        size_t size;
        AUTO_FREE char *bytes = read_capture(captures[i].name, &size);

        for (size_t chunk = 1; chunk <= size; chunk = chunk < 8 ? chunk + 1 : chunk * 2 + 1) {
            struct ovsdb_framer framer = {0};
            unsigned n = 0;

            for (size_t at = 0; at < size; at += chunk) {
                ovsdb_framer_add(&framer, bytes + at, at + chunk < size ? chunk : size - at);
                n += count_messages(&framer);
            }
            assert_int_equal(n, captures[i].messages);
            ovsdb_framer_free(&framer);
        }
        struct ovsdb_framer framer = {0};
        ovsdb_framer_add(&framer, bytes, size - 1);
        assert_int_equal(count_messages(&framer), captures[i].messages - 1);
        ovsdb_framer_free(&framer);
    }
}

static void brackets_in_strings_and_white_space_do_not_matter(void **state)
{
    static const char text[] = " \r\n{\"a\":\"}\\\"}\\\\\"}\t{\"[\":[{},[]]}\n";
    struct ovsdb_framer framer = {0};
    const char *message;
    size_t size;

    (void) state;
    ovsdb_framer_add(&framer, text, sizeof text - 1);
    assert_int_equal(ovsdb_framer_next(&framer, &message, &size), 1);
    assert_int_equal(size, strlen("{\"a\":\"}\\\"}\\\\\"}"));
    assert_int_equal(ovsdb_framer_next(&framer, &message, &size), 1);
    assert_memory_equal(message, "{\"[\":[{},[]]}", size);
    assert_int_equal(ovsdb_framer_next(&framer, &message, &size), 0);
    ovsdb_framer_free(&framer);
}

static int first_result(const char *text, size_t n)
{
    struct ovsdb_framer framer = {0};
    const char *message;
    size_t size;

    ovsdb_framer_add(&framer, text, n);
    int status = ovsdb_framer_next(&framer, &message, &size);
    ovsdb_framer_free(&framer);
    return status;
}

static void what_is_no_object_or_too_deep_or_too_large_is_refused(void **state)
{
    char deep[OVSDB_DEPTH_MAX + 2];
    AUTO_FREE char *large = xmalloc(OVSDB_MESSAGE_MAX + 1);

    (void) state;
    assert_int_equal(first_result("[1]", 3), ERR_MALFORMED);
    assert_int_equal(first_result("x", 1), ERR_MALFORMED);
    assert_int_equal(first_result("}", 1), ERR_MALFORMED);
    memset(deep, '[', sizeof deep);
    deep[0] = '{';
    assert_int_equal(first_result(deep, sizeof deep - 2), 0);
    assert_int_equal(first_result(deep, sizeof deep), ERR_MALFORMED);
    memset(large, ' ', OVSDB_MESSAGE_MAX + 1);
    large[0] = '{';
    assert_int_equal(first_result(large, OVSDB_MESSAGE_MAX), 0);
    assert_int_equal(first_result(large, OVSDB_MESSAGE_MAX + 1), ERR_TOO_LARGE);
    large[OVSDB_MESSAGE_MAX - 1] = '}';
    assert_int_equal(first_result(large, OVSDB_MESSAGE_MAX), 1);
}

static void update(struct ovsdb_db *db, const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    struct err err = {0};

    assert_non_null(json);
    if (ovsdb_db_update(db, json, &err) < 0)
        fail_msg("%s", err.text);
    json_decref(json);
}

static void refuse(struct ovsdb_db *db, const char *text, int code)
{
    json_t *json = json_loads(text, 0, NULL);
    struct err err = {0};

    assert_non_null(json);
    assert_int_equal(ovsdb_db_update(db, json, &err), code);
    assert_int_equal(err.code, code);
    assert_string_not_equal(err.text, "");
    json_decref(json);
}

#define B "00000000-0000-0000-0000-0000000000b1"
#define P1 "00000000-0000-0000-0000-0000000000f1"
#define P2 "00000000-0000-0000-0000-0000000000f2"
#define I1 "00000000-0000-0000-0000-0000000000e1"

static void captured_snapshot_gives_bridges_ports_and_interfaces(void **state)
{
    size_t size;
    AUTO_FREE char *bytes = read_capture("vsctl-answers.jsonrpc", &size);
    struct ovsdb_framer framer = {0};
    struct ovsdb_db db = {0};
    const char *message;
    size_t length;

    (void) state;
    ovsdb_framer_add(&framer, bytes, size);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(ovsdb_framer_next(&framer, &message, &length), 1);
    /* The reply to monitor_cond_since: [found, last transaction, <table-updates2>]. */
    json_t *reply = json_loadb(message, length, 0, NULL);
    assert_int_equal(ovsdb_db_update(&db, json_array_get(json_object_get(reply, "result"), 2), NULL), 0);
    json_decref(reply);

    assert_int_equal(db.tables[OVSDB_BRIDGE].n, 3);
    const struct ovsdb_bridge *bridge = ovsdb_db_bridge(&db, "pe2");
    assert_non_null(bridge);
    assert_int_equal(bridge->ports.n, 3);
    assert_non_null(ovsdb_db_port(&db, bridge, "pe2"));
    assert_null(ovsdb_db_port(&db, bridge, "swb"));
    assert_null(ovsdb_db_bridge(&db, "pe9"));
    const struct ovsdb_interface *interface = ovsdb_db_interface(&db, bridge, 65534, NULL);
    assert_non_null(interface);
    assert_string_equal(interface->name, "pe2");
    ovsdb_db_free(&db);
    ovsdb_framer_free(&framer);
}

static void differences_of_sets_are_toggled_and_single_values_replaced(void **state)
{
    struct ovsdb_db db = {0};

    (void) state;
    update(&db, "{\"Bridge\":{\"" B "\":{\"initial\":{\"name\":\"tor\",\"datapath_id\":\"00000000000000A1\","
                "\"ports\":[\"uuid\",\"" P1 "\"]}}},"
                "\"Port\":{\"" P1 "\":{\"initial\":{\"name\":\"up1\",\"trunks\":[\"set\",[300,100]]}},"
                "\"" P2 "\":{\"initial\":{\"name\":\"up2\",\"tag\":7,\"vlan_mode\":\"access\"}}},"
                "\"Interface\":{},\"Open_vSwitch\":{\"" B "\":{\"initial\":{\"cur_cfg\":4,\"next_cfg\":5}}},"
                "\"Manager\":{\"x\":3}}");
    const struct ovsdb_bridge *bridge = ovsdb_db_bridge_by_dpid(&db, 0xa1);
    assert_non_null(bridge);
    const struct ovsdb_port *port = ovsdb_db_port(&db, bridge, "up1");
    assert_non_null(port);
    assert_int_equal(port->tag, OVSDB_UNSET);
    assert_true(ovsdb_set_equals_vlans(&port->trunks, (const uint16_t[]) {100, 300}, 2));
    assert_null(ovsdb_db_port(&db, bridge, "up2"));
    assert_int_equal(ovsdb_db_root(&db)->cur_cfg, 4);

    update(&db, "{\"Bridge\":{\"" B "\":{\"modify\":{\"datapath_id\":\"00000000000000a2\",\"ports\":[\"set\","
                "[[\"uuid\",\"" P1 "\"],[\"uuid\",\"" P2 "\"]]]}}},"
                "\"Port\":{\"" P2 "\":{\"modify\":{\"trunks\":[\"set\",[9]],\"tag\":[\"set\",[]]}}}}");
    assert_null(ovsdb_db_bridge_by_dpid(&db, 0xa1));
    bridge = ovsdb_db_bridge_by_dpid(&db, 0xa2);
    assert_non_null(bridge);
    assert_null(ovsdb_db_port(&db, bridge, "up1"));
    port = ovsdb_db_port(&db, bridge, "up2");
    assert_non_null(port);
    assert_int_equal(port->tag, OVSDB_UNSET);
    assert_true(ovsdb_set_equals_vlans(&port->trunks, (const uint16_t[]) {9}, 1));

    update(&db, "{\"Port\":{\"" P2 "\":{\"delete\":null}},\"Bridge\":{\"" B "\":{\"modify\":{\"datapath_id\":"
                "[\"set\",[]]}}}}");
    assert_null(ovsdb_db_bridge_by_dpid(&db, 0xa2));
    assert_null(ovsdb_db_bridge_by_dpid(&db, 0));
    assert_null(ovsdb_db_port(&db, ovsdb_db_bridge(&db, "tor"), "up2"));
    ovsdb_db_free(&db);
}

static void updates_of_rfc_7047_replace_whole_rows(void **state)
{
    struct ovsdb_db db = {0};

    (void) state;
    update(&db, "{\"Bridge\":{\"" B "\":{\"new\":{\"name\":\"tor\",\"datapath_id\":\"1\",\"ports\":[\"set\","
                "[[\"uuid\",\"" P1 "\"]]]}}},\"Port\":{\"" P1 "\":{\"new\":{\"name\":\"up1\",\"trunks\":7,"
                "\"interfaces\":[\"uuid\",\"" I1 "\"]}}},"
                "\"Interface\":{\"" I1 "\":{\"new\":{\"name\":\"a-name-beyond-15-bytes\",\"ofport\":3}}}}");
    const struct ovsdb_bridge *bridge = ovsdb_db_bridge_by_dpid(&db, 1);
    assert_string_equal(ovsdb_db_interface(&db, bridge, 3, NULL)->name, "a-name-beyond-15-bytes");
    assert_null(ovsdb_db_interface(&db, bridge, 4, NULL));
    update(&db, "{\"Port\":{\"" P1 "\":{\"old\":{\"trunks\":7},\"new\":{\"name\":\"up1\",\"trunks\":[\"set\",[]],"
                "\"interfaces\":[\"uuid\",\"" I1 "\"]}}}}");
    assert_int_equal(ovsdb_db_port(&db, ovsdb_db_bridge(&db, "tor"), "up1")->trunks.n, 0);
    update(&db, "{\"Bridge\":{\"" B "\":{\"old\":{\"name\":\"tor\"}}}}");
    assert_null(ovsdb_db_bridge(&db, "tor"));
    ovsdb_db_free(&db);
}

static void values_of_the_wrong_kind_are_refused(void **state)
{
    static const char *const texts[] = {
        "[]",
        "{\"Bridge\":[]}",
        "{\"Bridge\":{\"no-uuid\":{\"new\":{}}}}",
        "{\"Bridge\":{\"" B "\":7}}",
        "{\"Bridge\":{\"" B "\":{\"modify\":{\"name\":\"x\"}}}}",
        "{\"Bridge\":{\"" B "\":{\"new\":{\"name\":7}}}}",
        "{\"Bridge\":{\"" B "\":{\"new\":{\"datapath_id\":\"xyz\"}}}}",
        "{\"Bridge\":{\"" B "\":{\"new\":{\"datapath_id\":\"12345678901234567\"}}}}",
        "{\"Bridge\":{\"" B "\":{\"new\":{\"ports\":[\"set\",[7]]}}}}",
        "{\"Bridge\":{\"" B "\":{\"new\":{\"ports\":[\"set\"]}}}}",
        "{\"Bridge\":{\"" B "\":{\"new\":{\"ports\":[\"uuid\",\"zz\"]}}}}",
        "{\"Port\":{\"" P1 "\":{\"new\":{\"trunks\":4096}}}}",
        "{\"Port\":{\"" P1 "\":{\"new\":{\"trunks\":-1}}}}",
        "{\"Port\":{\"" P1 "\":{\"new\":{\"tag\":[\"set\",[1,2]]}}}}",
        "{\"Port\":{\"" P1 "\":{\"new\":{\"tag\":\"1\"}}}}",
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct ovsdb_db db = {0};

        refuse(&db, texts[i], ERR_MALFORMED);
        ovsdb_db_free(&db);
    }
}

static void a_name_beyond_the_model_hides_its_row_only(void **state)
{
    struct ovsdb_db db = {0};

    (void) state;
    update(&db, "{\"Bridge\":{\"" B "\":{\"new\":{\"name\":\"0123456789012345678901234567890123456789012345678901234567"
                "89abcd\",\"datapath_id\":\"1\"}},\"" P1 "\":{\"new\":{\"name\":\"tor\",\"datapath_id\":\"2\"}}}}");
    assert_null(ovsdb_db_bridge_by_dpid(&db, 1));
    assert_non_null(ovsdb_db_bridge_by_dpid(&db, 2));
    ovsdb_db_free(&db);
}

static void sets_are_bounded(void **state)
{
    json_t *trunks = json_array(), *update_;
    struct ovsdb_db db = {0};

    (void) state;
    for (unsigned i = 0; i <= OVSDB_SET_MAX; i++)
        json_array_append_new(trunks, json_integer(1));
    update_ = json_pack("{s:{s:{s:{s:[s,o]}}}}", "Port", P1, "new", "trunks", "set", trunks);
    assert_int_equal(ovsdb_db_update(&db, update_, NULL), ERR_TOO_LARGE);
    json_decref(update_);
    ovsdb_db_free(&db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captured_messages_are_found_at_any_split),
        cmocka_unit_test(brackets_in_strings_and_white_space_do_not_matter),
        cmocka_unit_test(what_is_no_object_or_too_deep_or_too_large_is_refused),
        cmocka_unit_test(captured_snapshot_gives_bridges_ports_and_interfaces),
        cmocka_unit_test(differences_of_sets_are_toggled_and_single_values_replaced),
        cmocka_unit_test(updates_of_rfc_7047_replace_whole_rows),
        cmocka_unit_test(values_of_the_wrong_kind_are_refused),
        cmocka_unit_test(a_name_beyond_the_model_hides_its_row_only),
        cmocka_unit_test(sets_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
