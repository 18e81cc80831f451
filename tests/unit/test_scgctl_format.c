/* SPDX-License-Identifier: Apache-2.0 */
/* What scgctl prints of what tests/data/scgctl/gateway.json says, held against tests/data/scgctl/NAME.txt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "dummy_backend.h"
#include "golden.h"
#include "scgctl/format.h"
#include "scgctl/progress.h"

static int set_up(void **state)
{
    struct dummy_backend *dummy = xcalloc(1, sizeof *dummy);

    setenv("TZ", "UTC", 1);
    tzset();
    dummy_backend_init(dummy, TEST_DATA "/scgctl/gateway.json");
    *state = dummy;
    return 0;
}

static int tear_down(void **state)
{
    dummy_backend_free(*state);
    free(*state);
    return 0;
}

/* Compares, and empties the text. */
static void golden(const char *name, struct strbuf *text)
{
    AUTO_FREE char *file = xasprintf("scgctl/%s.txt", name);

    golden_text(file, text->text);
    strbuf_clear(text);
}

static void collections(void **state)
{
    static const char *const names[] = {"vms",      "servers", "switches", "links",    "segments",  "tunnels",
                                        "channels", "users",   "peers",    "policies", "migrations"};
    const struct dummy_backend *dummy = *state;
    AUTO_STRBUF struct strbuf text = {0};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        format_collection(&text, names[i], dummy->facts);
        golden(names[i], &text);
    }
}

static void empty_collection(void **state)
{
    AUTO_STRBUF struct strbuf text = {0};
    json_t *json = json_loads("{\"peers\": []}", 0, NULL);

    (void) state;
    format_collection(&text, "peers", json);
    assert_string_equal(text.text, "NAME  ADDRESS  PORT  STATE  ERROR\n");
    json_decref(json);
}

/* In whatever order the gateway has them. */
static void unsorted_collections(void **state)
{
    static const struct {
        const char *collection, *key, *names[4];
    } rows[] = {
        {"vms", "name", {"V10", "V2", "V1"}},         {"servers", "name", {"server-10", "server-a", "server-2"}},
        {"switches", "name", {"tor-b", "p10", "p2"}}, {"segments", "name", {"web", "db", "app"}},
        {"policies", "policy", {"V10", "V1", "V2"}},
    };
    AUTO_STRBUF struct strbuf text = {0};

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *array = json_array(), *json = json_pack("{s:o}", rows[i].collection, array);

        for (size_t n = 0; rows[i].names[n]; n++)
            json_array_append_new(array, json_pack("{s:s}", rows[i].key, rows[i].names[n]));
        format_collection(&text, rows[i].collection, json);
        json_decref(json);
    }
    golden("unsorted-names", &text);

    json_t *json = json_pack("{s:[{s:s, s:s, s:s}, {s:s, s:s, s:s}, {s:s, s:s, s:s}]}", "links", "from", "tor-a",
                             "from-port", "eth10", "to", "p2", "from", "tor-a", "from-port", "eth2", "to", "p1", "from",
                             "p1", "from-port", "eth3", "to", "tor-a");
    format_collection(&text, "links", json);
    json_decref(json);
    golden("unsorted-links", &text);

    json = json_pack("{s:[{s:s, s:I}, {s:s, s:I}, {s:s, s:I}, {s:s, s:I}]}", "migrations", "id", "b", "created-ms",
                     (json_int_t) 1795446245000, "id", "a", "created-ms", (json_int_t) 1795446246000, "id", "d",
                     "created-ms", (json_int_t) 1795446245000, "id", "c", "created-ms", (json_int_t) 1795446247000);
    format_collection(&text, "migrations", json);
    json_decref(json);
    golden("unsorted-migrations", &text);
}

static void objects(void **state)
{
    static const struct {
        const char *collection;
        size_t index;
        const char *name;
    } rows[] = {
        {"vms", 1, "vm"},
        {"vms", 2, "vm-off"},
        {"servers", 0, "server"},
        {"switches", 0, "switch"},
        {"migrations", 3, "migration-partial"},
    };
    const struct dummy_backend *dummy = *state;
    AUTO_STRBUF struct strbuf text = {0};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        format_object(&text, json_array_get(json_object_get(dummy->facts, rows[i].collection), rows[i].index));
        golden(rows[i].name, &text);
    }
    format_object(&text, json_object_get(dummy->facts, "health"));
    golden("health", &text);
}

/* By kind, and by how far they are. */
static void channels_and_users(void **state)
{
    static const char *const channels[] = {"channel-configured", "channel-up", "channel-waiting", "channel-setting-up",
                                           "channel-of-user"};
    static const char *const tunnels[] = {"tunnel-up", "tunnel-down"};
    static const char *const users[] = {"user", "user-at-vlan"};
    const struct dummy_backend *dummy = *state;
    AUTO_STRBUF struct strbuf text = {0};

    for (size_t i = 0; i < ARRAY_LEN(channels); i++) {
        format_channel(&text, json_array_get(json_object_get(dummy->facts, "channels"), i));
        golden(channels[i], &text);
    }
    for (size_t i = 0; i < ARRAY_LEN(tunnels); i++) {
        format_tunnel(&text, json_array_get(json_object_get(dummy->facts, "tunnels"), i));
        golden(tunnels[i], &text);
    }
    for (size_t i = 0; i < ARRAY_LEN(users); i++) {
        format_user(&text, json_array_get(json_object_get(dummy->facts, "users"), i));
        golden(users[i], &text);
    }
}

static void transport(void **state)
{
    const struct dummy_backend *dummy = *state;
    json_t *topology = json_object_get(dummy->facts, "transport");
    AUTO_STRBUF struct strbuf text = {0};

    format_transport(&text, topology);
    golden("transport", &text);
    format_transport_dot(&text, topology);
    golden("transport-dot", &text);

    json_object_set_new(topology, "synced", json_false());
    format_transport(&text, topology);
    assert_memory_equal(text.text, "topology   old: there is no session with ospfd; this is what it told last\n", 74);
    strbuf_clear(&text);
    json_array_clear(json_object_get(topology, "links"));
    json_array_clear(json_object_get(topology, "ingresses"));
    format_transport(&text, topology);
    assert_string_equal(text.text, "topology   unknown: there is no session with ospfd\n"
                                   "ingresses  -: no transport node sets up LSPs for this gateway\n");
    strbuf_clear(&text);
    format_transport_dot(&text, topology);
    assert_string_equal(text.text, "digraph transport {\n  node [shape=box];\n  edge [dir=both, fontsize=10];\n}\n");
}

static void policies_and_journal(void **state)
{
    const struct dummy_backend *dummy = *state;
    const json_t *policies = json_object_get(dummy->facts, "policies");
    AUTO_STRBUF struct strbuf text = {0};

    format_policy(&text, json_array_get(policies, 0));
    golden("policy-empty", &text);
    format_policy(&text, json_array_get(policies, 1));
    golden("policy", &text);

    json_t *later = json_deep_copy(json_array_get(policies, 1));
    json_object_set_new(later, "schedule", json_string("weekdays"));
    format_policy(&text, later);
    golden("policy-of-a-later-version", &text);
    json_decref(later);

    const json_t *journals = json_object_get(dummy->facts, "journal");
    json_t *journal = json_pack("{s:O}", "journal", json_object_iter_value(json_object_iter((json_t *) journals)));
    format_collection(&text, "journal", journal);
    golden("journal", &text);
    json_decref(journal);
}

static void sizes(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        {0, "0 B"},
        {1, "1 B"},
        {1023, "1023 B"},
        {1024, "1 KiB"},
        {1536, "1.5 KiB"},
        {1048575, "1024.0 KiB"},
        {1048576, "1 MiB"},
        {140718899, "134.2 MiB"},
        {UINT64_C(3) << 30, "3 GiB"},
        {UINT64_C(5) << 40, "5 TiB"},
        {UINT64_MAX, "16777216.0 TiB"},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_STRBUF struct strbuf text = {0};

        format_size(&text, rows[i].bytes);
        assert_string_equal(text.text, rows[i].text);
    }
    AUTO_STRBUF struct strbuf text = {0};
    format_sizes(&text, 60, 140718899);
    assert_string_equal(text.text, "0.0/134.2 MiB");
}

/* ---- progress ---- */

static const char story[] = "1672";

/* The story of a migration, told by states of four. */
static void lines(void **state)
{
    const struct dummy_backend *dummy = *state;
    AUTO_STRBUF struct strbuf text = {0};
    struct progress *progress = progress_new();

    for (size_t i = 0; story[i]; i++) {
        const json_t *migration = dummy_backend_migration(dummy, story[i]);

        progress_lines(progress, migration, (int64_t) i * 1234, &text);
        size_t length = text.length;
        progress_lines(progress, migration, (int64_t) i * 1234 + 100, &text);
        assert_int_equal(text.length, length); /* nothing has changed */
    }
    golden("progress-lines", &text);
    progress_free(progress);
}

static void lines_follow_the_percentage(void **state)
{
    const struct dummy_backend *dummy = *state;
    AUTO_STRBUF struct strbuf text = {0};
    struct progress *progress = progress_new();
    json_t *migration = dummy_backend_migration(dummy, '2');
    json_t *vm = json_array_get(json_object_get(migration, "vms"), 0), *facts = json_object_get(vm, "progress");

    progress_lines(progress, migration, 0, &text);
    strbuf_clear(&text);
    json_object_set_new(facts, "bytes-remaining", json_integer(77699481 - 1000)); /* still 44 % */
    progress_lines(progress, migration, 100, &text);
    assert_int_equal(text.length, 0);
    json_object_set_new(facts, "bytes-remaining", json_integer(1 << 20));
    json_object_set_new(facts, "rate", json_integer(0));
    progress_lines(progress, migration, 12345, &text);
    assert_string_equal(text.text, "12.3s V2 transfer 99 % 133.2/134.2 MiB\n");
    progress_free(progress);
}

static void pictures(void **state)
{
    const struct dummy_backend *dummy = *state;
    AUTO_STRBUF struct strbuf text = {0};
    const struct screen wide = {120, 40, true}, narrow = {40, 5, false};
    struct progress *progress = progress_new();

    for (size_t i = 0; story[i]; i++)
        progress_draw(progress, dummy_backend_migration(dummy, story[i]), (int64_t) i * 1234, &wide, &text);
    progress_draw(progress, dummy_backend_migration(dummy, '4'), 99999, &wide, &text);
    golden("progress-picture", &text);
    progress_free(progress);

    progress = progress_new();
    progress_draw(progress, dummy_backend_migration(dummy, '2'), 99999, &narrow, &text);
    progress_draw(progress, dummy_backend_migration(dummy, '3'), 100999, &narrow, &text);
    golden("progress-picture-narrow", &text);
    progress_free(progress);

    /* The bar gives way to the numbers. */
    const struct screen usual = {80, 24, false};
    progress = progress_new();
    progress_draw(progress, dummy_backend_migration(dummy, '2'), 3700, &usual, &text);
    golden("progress-picture-usual", &text);
    progress_free(progress);
}

static void results(void **state)
{
    static const struct {
        char migration;
        bool ended, succeeded;
        const char *reasons;
    } rows[] = {
        {'1', false, false, NULL},
        {'3', true, true, ""},
        {'4', true, false, "V3 stayed: VM V3: server-b: not enough memory: 512 MiB are free, 1 GiB is needed\n"},
        {'5', true, false, "V2 stayed\ndata center B: cannot reach 10.255.0.2:8443: Connection refused\n"},
    };
    const struct dummy_backend *dummy = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_STRBUF struct strbuf reasons = {0};
        const json_t *migration = dummy_backend_migration(dummy, rows[i].migration);

        assert_int_equal(progress_ended(migration), rows[i].ended);
        assert_int_equal(progress_succeeded(migration, &reasons), rows[i].succeeded);
        if (rows[i].reasons)
            assert_string_equal(reasons.text ? reasons.text : "", rows[i].reasons);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(collections),
        cmocka_unit_test(empty_collection),
        cmocka_unit_test(unsorted_collections),
        TEST(objects),
        TEST(channels_and_users),
        TEST(transport),
        TEST(policies_and_journal),
        cmocka_unit_test(sizes),
        TEST(lines),
        TEST(lines_follow_the_percentage),
        TEST(pictures),
        TEST(results),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
