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
#define P3 "00000000-0000-0000-0000-0000000000f3"
#define I1 "00000000-0000-0000-0000-0000000000e1"
#define I2 "00000000-0000-0000-0000-0000000000e2"
#define I3 "00000000-0000-0000-0000-0000000000e3"
#define I4 "00000000-0000-0000-0000-0000000000e4"

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
    assert_null(ovsdb_db_bridge(&db, "pe9"));
    const struct ovsdb_port *port;
    const struct ovsdb_interface *interface = ovsdb_db_interface(&db, bridge, 65534, &port);
    assert_non_null(interface);
    assert_string_equal(interface->name, "pe2");
    assert_string_equal(port->name, "pe2");
    ovsdb_db_free(&db);
    ovsdb_framer_free(&framer);
}

#define BRIDGE(members) "{\"Bridge\":{\"" B "\":{" members "}}}"
#define PORT(members) "{\"Port\":{\"" P1 "\":{" members "}}}"
#define MAP(pairs) "\"other_config\":[\"map\",[" pairs "]]"

static void differences_of_sets_are_toggled_and_single_values_replaced(void **state)
{
    struct ovsdb_db db = {0};

    (void) state;
    update(&db, "{\"Bridge\":{\"" B "\":{\"initial\":{\"name\":\"tor\",\"datapath_id\":\"00000000000000A1\","
                "\"ports\":[\"uuid\",\"" P1 "\"]}}},"
                "\"Port\":{\"" P1 "\":{\"initial\":{\"name\":\"up1\",\"interfaces\":[\"uuid\",\"" I1 "\"]}},"
                "\"" P2 "\":{\"initial\":{\"name\":\"up2\",\"interfaces\":[\"uuid\",\"" I2 "\"]}}},"
                "\"Interface\":{\"" I1 "\":{\"initial\":{\"ofport\":1}},\"" I2 "\":{\"initial\":{\"ofport\":2}}},"
                "\"Manager\":{\"x\":3}}");
    const struct ovsdb_bridge *bridge = ovsdb_db_bridge_by_dpid(&db, 0xa1);
    assert_non_null(bridge);
    assert_non_null(ovsdb_db_interface(&db, bridge, 1, NULL));
    assert_null(ovsdb_db_interface(&db, bridge, 2, NULL));

    update(&db, "{\"Bridge\":{\"" B "\":{\"modify\":{\"datapath_id\":\"00000000000000a2\",\"ports\":[\"set\","
                "[[\"uuid\",\"" P1 "\"],[\"uuid\",\"" P2 "\"]]]}}},"
                "\"Interface\":{\"" I2 "\":{\"modify\":{\"ofport\":3,\"mtu\":1400}}}}");
    assert_null(ovsdb_db_bridge_by_dpid(&db, 0xa1));
    bridge = ovsdb_db_bridge_by_dpid(&db, 0xa2);
    assert_non_null(bridge);
    assert_null(ovsdb_db_interface(&db, bridge, 1, NULL));
    assert_null(ovsdb_db_interface(&db, bridge, 2, NULL));
    assert_int_equal(ovsdb_db_interface(&db, bridge, 3, NULL)->mtu, 1400);
    update(&db, "{\"Interface\":{\"" I2 "\":{\"modify\":{\"ofport\":[\"set\",[]]}}}}");
    assert_null(ovsdb_db_interface(&db, bridge, 3, NULL));

    update(&db, "{\"Port\":{\"" P2 "\":{\"delete\":null}},"
                "\"Interface\":{\"" I2 "\":{\"insert\":{\"ofport\":3}}},"
                "\"Bridge\":{\"" B "\":{\"modify\":{\"datapath_id\":[\"set\",[]]}}}}");
    assert_null(ovsdb_db_bridge_by_dpid(&db, 0xa2));
    assert_null(ovsdb_db_bridge_by_dpid(&db, 0));
    assert_null(ovsdb_db_interface(&db, ovsdb_db_bridge(&db, "tor"), 3, NULL));
    ovsdb_db_free(&db);
}

/* A column of at most one element is sent whole, a map as what differs. */
static void differences_of_queues(void **state)
{
    struct ovsdb_db db = {0};
    uint8_t uuid[UUID_SIZE];
    const struct ovsdb_port *port;
    const struct ovsdb_qos *qos;

    (void) state;
    update(&db, "{\"Port\":{\"" P1 "\":{\"initial\":{\"name\":\"p\",\"qos\":[\"uuid\",\"" I1 "\"]}}},"
                "\"QoS\":{\"" I2 "\":{\"initial\":{\"type\":\"linux-htb\",\"other_config\":[\"map\",[[\"a\",\"1\"],"
                "[\"b\",\"2\"]]],\"queues\":[\"map\",[[1,[\"uuid\",\"" P1 "\"]]]]}}}}");
    update(&db, "{\"Port\":{\"" P1 "\":{\"modify\":{\"qos\":[\"uuid\",\"" I2 "\"]}}},"
                "\"QoS\":{\"" I2 "\":{\"modify\":{\"other_config\":[\"map\",[[\"a\",\"1\"],[\"b\",\"3\"],"
                "[\"c\",\"4\"]]],\"queues\":[\"map\",[[12,[\"uuid\",\"" P2 "\"]]]]}}}}");
    assert_int_equal(uuid_parse(P1, uuid), 0);
    port = ovsdb_db_row(&db, OVSDB_PORT, uuid);
    assert_int_equal(port->qos.n, 1);
    qos = ovsdb_db_row(&db, OVSDB_QOS, port->qos.uuids[0]);
    assert_non_null(qos);
    assert_int_equal(json_object_size(qos->other_config), 2);
    assert_string_equal(json_string_value(json_object_get(qos->other_config, "b")), "3");
    assert_string_equal(json_string_value(json_object_get(qos->other_config, "c")), "4");
    assert_string_equal(json_string_value(json_object_get(qos->queues, "1")), P1);
    assert_string_equal(json_string_value(json_object_get(qos->queues, "12")), P2);
    update(&db, "{\"Port\":{\"" P1 "\":{\"modify\":{\"qos\":[\"set\",[]]}}}}");
    assert_int_equal(port->qos.n, 0);
    ovsdb_db_free(&db);
}

static void updates_of_rfc_7047_replace_whole_rows(void **state)
{
    struct ovsdb_db db = {0};

    (void) state;
    update(&db, "{\"Bridge\":{\"" B "\":{\"new\":{\"name\":\"tor\",\"datapath_id\":\"1\",\"ports\":[\"set\","
                "[[\"uuid\",\"" P1 "\"]]]}}},\"Port\":{\"" P1 "\":{\"new\":{\"name\":\"up1\","
                "\"interfaces\":[\"uuid\",\"" I1 "\"]}}},"
                "\"Interface\":{\"" I1 "\":{\"new\":{\"name\":\"a-name-beyond-15-bytes\",\"ofport\":3}}}}");
    const struct ovsdb_bridge *bridge = ovsdb_db_bridge_by_dpid(&db, 1);
    assert_string_equal(ovsdb_db_interface(&db, bridge, 3, NULL)->name, "a-name-beyond-15-bytes");
    assert_null(ovsdb_db_interface(&db, bridge, 4, NULL));
    update(&db, "{\"Port\":{\"" P1 "\":{\"old\":{\"interfaces\":[\"uuid\",\"" I1 "\"]},"
                "\"new\":{\"name\":\"up1\",\"interfaces\":[\"set\",[]]}}}}");
    assert_null(ovsdb_db_interface(&db, bridge, 3, NULL));
    update(&db, "{\"Bridge\":{\"" B "\":{\"old\":{\"name\":\"tor\"}}}}");
    assert_null(ovsdb_db_bridge(&db, "tor"));
    ovsdb_db_free(&db);
}

static void interfaces_are_found_with_their_port(void **state)
{
    struct ovsdb_db db = {0};
    const struct ovsdb_port *port = NULL;

    (void) state;
    /* A port of one interface, a bond of two, and a port of another bridge with the same OpenFlow number. */
    update(&db, "{\"Bridge\":{\"" B "\":{\"new\":{\"name\":\"tor\",\"ports\":[\"set\",[[\"uuid\",\"" P1 "\"],"
                "[\"uuid\",\"" P2 "\"]]]}}},"
                "\"Port\":{\"" P1 "\":{\"new\":{\"name\":\"srv\",\"interfaces\":[\"uuid\",\"" I1 "\"]}},"
                "\"" P2 "\":{\"new\":{\"name\":\"bond\",\"interfaces\":[\"set\",[[\"uuid\",\"" I3 "\"],"
                "[\"uuid\",\"" I2 "\"]]]}},"
                "\"" P3 "\":{\"new\":{\"name\":\"far\",\"interfaces\":[\"uuid\",\"" I4 "\"]}}},"
                "\"Interface\":{\"" I1 "\":{\"new\":{\"name\":\"srv\",\"ofport\":1}},"
                "\"" I2 "\":{\"new\":{\"name\":\"up1\",\"ofport\":2,\"mtu\":1600}},"
                "\"" I3 "\":{\"new\":{\"name\":\"up2\",\"ofport\":3}},"
                "\"" I4 "\":{\"new\":{\"name\":\"far\",\"ofport\":4}}}}");
    const struct ovsdb_bridge *bridge = ovsdb_db_bridge(&db, "tor");

    assert_string_equal(ovsdb_db_interface(&db, bridge, 1, &port)->name, "srv");
    assert_string_equal(port->name, "srv");
    assert_int_equal(ovsdb_db_interface(&db, bridge, 1, NULL)->mtu, OVSDB_UNSET);
    assert_string_equal(ovsdb_db_interface(&db, bridge, 2, &port)->name, "up1");
    assert_int_equal(ovsdb_db_interface(&db, bridge, 2, NULL)->mtu, 1600);
    assert_string_equal(port->name, "bond");
    assert_string_equal(ovsdb_db_interface(&db, bridge, 1, &port)->name, "srv");
    assert_string_equal(port->name, "srv");
    assert_string_equal(ovsdb_db_interface(&db, bridge, 3, &port)->name, "up2");
    assert_string_equal(port->name, "bond");
    /* That of the other bridge is not found, and no port is told. */
    port = NULL;
    assert_null(ovsdb_db_interface(&db, bridge, 4, &port));
    assert_null(port);
    ovsdb_db_free(&db);
}

static void rstp_of_a_bridge_is_off_unless_told(void **state)
{
    struct ovsdb_db db = {0};

    (void) state;
    /* RFC 7047: whole rows. */
    update(&db, BRIDGE("\"new\":{\"name\":\"tor\",\"rstp_enable\":true}"));
    assert_true(ovsdb_db_bridge(&db, "tor")->rstp);
    update(&db, BRIDGE("\"new\":{\"name\":\"tor\",\"rstp_enable\":false}"));
    assert_false(ovsdb_db_bridge(&db, "tor")->rstp);
    /* monitor_cond: what is at its default is left out, what has changed is sent. */
    update(&db, BRIDGE("\"initial\":{\"name\":\"tor\",\"rstp_enable\":true}"));
    assert_true(ovsdb_db_bridge(&db, "tor")->rstp);
    update(&db, BRIDGE("\"modify\":{\"rstp_enable\":false}"));
    assert_false(ovsdb_db_bridge(&db, "tor")->rstp);
    update(&db, BRIDGE("\"modify\":{\"rstp_enable\":true}"));
    update(&db, BRIDGE("\"modify\":{\"datapath_id\":\"1\"}"));
    assert_true(ovsdb_db_bridge(&db, "tor")->rstp);
    update(&db, BRIDGE("\"initial\":{\"name\":\"tor\"}"));
    assert_false(ovsdb_db_bridge(&db, "tor")->rstp);
    ovsdb_db_free(&db);
}

static int64_t port_rstp_after(struct ovsdb_db *db, const char *text)
{
    update(db, text);
    assert_int_equal(db->tables[OVSDB_PORT].n, 1);
    return ((const struct ovsdb_port *) db->tables[OVSDB_PORT].rows[0])->rstp;
}

#define ENABLE "[\"rstp-enable\",\"true\"]"
#define DISABLE "[\"rstp-enable\",\"false\"]"
#define OTHER "[\"rstp-path-cost\",\"7\"]"

static void rstp_of_a_port_in_whole_rows(void **state)
{
    struct ovsdb_db db = {0};

    (void) state;
    assert_int_equal(port_rstp_after(&db, PORT("\"new\":{" MAP(DISABLE) "}")), 0);
    assert_int_equal(port_rstp_after(&db, PORT("\"new\":{" MAP(OTHER "," ENABLE) "}")), 1);
    /* The same row once more is no difference. */
    assert_int_equal(port_rstp_after(&db, PORT("\"new\":{" MAP(OTHER "," ENABLE) "}")), 1);
    assert_int_equal(port_rstp_after(&db, PORT("\"new\":{" MAP(OTHER) "}")), OVSDB_UNSET);
    assert_int_equal(port_rstp_after(&db, PORT("\"new\":{" MAP(DISABLE "," OTHER) "}")), 0);
    assert_int_equal(port_rstp_after(&db, PORT("\"new\":{" MAP("") "}")), OVSDB_UNSET);
    assert_int_equal(port_rstp_after(&db, PORT("\"initial\":{" MAP(DISABLE) "}")), 0);
    assert_int_equal(port_rstp_after(&db, PORT("\"insert\":{\"name\":\"up1\"}")), OVSDB_UNSET);
    ovsdb_db_free(&db);
}

static void rstp_of_a_port_in_differences(void **state)
{
    struct ovsdb_db db = {0};

    (void) state;
    assert_int_equal(port_rstp_after(&db, PORT("\"initial\":{\"name\":\"up1\"}")), OVSDB_UNSET);
    /* Added, another value, removed: the pair stands as it is sent. */
    assert_int_equal(port_rstp_after(&db, PORT("\"modify\":{" MAP(DISABLE) "}")), 0);
    assert_int_equal(port_rstp_after(&db, PORT("\"modify\":{" MAP(ENABLE) "}")), 1);
    assert_int_equal(port_rstp_after(&db, PORT("\"modify\":{" MAP(ENABLE) "}")), OVSDB_UNSET);
    assert_int_equal(port_rstp_after(&db, PORT("\"modify\":{" MAP(DISABLE) "}")), 0);
    /* Other pairs and other columns come and go. */
    assert_int_equal(port_rstp_after(&db, PORT("\"modify\":{" MAP(OTHER) "}")), 0);
    assert_int_equal(port_rstp_after(&db, PORT("\"modify\":{\"name\":\"up2\"}")), 0);
    assert_int_equal(port_rstp_after(&db, PORT("\"modify\":{" MAP(OTHER "," DISABLE) "}")), OVSDB_UNSET);
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
        "{\"Interface\":{\"" I1 "\":{\"new\":{\"ofport\":[\"set\",[1,2]]}}}}",
        "{\"Interface\":{\"" I1 "\":{\"new\":{\"ofport\":\"1\"}}}}",
        BRIDGE("\"new\":{\"rstp_enable\":1}"),
        BRIDGE("\"new\":{\"rstp_enable\":\"true\"}"),
        BRIDGE("\"new\":{\"rstp_enable\":null}"),
        BRIDGE("\"new\":{\"rstp_enable\":[\"set\",[true,false]]}"),
        PORT("\"new\":{\"other_config\":7}"),
        PORT("\"new\":{\"other_config\":[]}"),
        PORT("\"new\":{\"other_config\":{\"rstp-enable\":\"true\"}}"),
        PORT("\"new\":{\"other_config\":[\"map\"]}"),
        PORT("\"new\":{\"other_config\":[\"map\",{}]}"),
        PORT("\"new\":{\"other_config\":[\"map\",[],[]]}"),
        PORT("\"new\":{\"other_config\":[\"set\",[]]}"),
        PORT("\"new\":{\"other_config\":[\"set\",[" ENABLE "]]}"),
        PORT("\"new\":{" MAP("7") "}"),
        PORT("\"new\":{" MAP("[]") "}"),
        PORT("\"new\":{" MAP("\"rstp-enable\"") "}"),
        PORT("\"new\":{" MAP("[\"rstp-enable\"]") "}"),
        PORT("\"new\":{" MAP("[\"rstp-enable\",true]") "}"),
        PORT("\"new\":{" MAP("[7,\"true\"]") "}"),
        PORT("\"new\":{" MAP("[\"rstp-enable\",\"true\",\"false\"]") "}"),
        PORT("\"new\":{" MAP(ENABLE ",[\"x\"]") "}"),
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

static void sets_and_maps_are_bounded(void **state)
{
    static const struct {
        const char *table, *column, *tag, *a, *b;
    } columns[] = {{"Bridge", "ports", "set", "uuid", P1}, {"Port", "other_config", "map", "key", "value"}};

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        json_t *elements = json_array();
        struct ovsdb_db db = {0};
        struct err err = {0};

        for (unsigned n = 0; n < OVSDB_SET_MAX; n++)
            json_array_append_new(elements, json_pack("[s,s]", columns[i].a, columns[i].b));
        json_t *updates = json_pack("{s:{s:{s:{s:[s,O]}}}}", columns[i].table, P1, "new", columns[i].column,
                                    columns[i].tag, elements);
        assert_int_equal(ovsdb_db_update(&db, updates, &err), 0);
        json_array_append_new(elements, json_pack("[s,s]", columns[i].a, columns[i].b));
        assert_int_equal(ovsdb_db_update(&db, updates, &err), ERR_TOO_LARGE);
        json_decref(elements);
        json_decref(updates);
        ovsdb_db_free(&db);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captured_messages_are_found_at_any_split),
        cmocka_unit_test(brackets_in_strings_and_white_space_do_not_matter),
        cmocka_unit_test(what_is_no_object_or_too_deep_or_too_large_is_refused),
        cmocka_unit_test(captured_snapshot_gives_bridges_ports_and_interfaces),
        cmocka_unit_test(differences_of_sets_are_toggled_and_single_values_replaced),
        cmocka_unit_test(differences_of_queues),
        cmocka_unit_test(updates_of_rfc_7047_replace_whole_rows),
        cmocka_unit_test(interfaces_are_found_with_their_port),
        cmocka_unit_test(rstp_of_a_bridge_is_off_unless_told),
        cmocka_unit_test(rstp_of_a_port_in_whole_rows),
        cmocka_unit_test(rstp_of_a_port_in_differences),
        cmocka_unit_test(values_of_the_wrong_kind_are_refused),
        cmocka_unit_test(a_name_beyond_the_model_hides_its_row_only),
        cmocka_unit_test(sets_and_maps_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
