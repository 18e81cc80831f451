/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator types or writes: options, slips, URLs, and YAML. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "scgctl/client.h"
#include "scgctl/options.h"
#include "scgctl/yaml_json.h"

/* ---- options ---- */

#define WORDS_MAX 24

/* Splits at blanks. */
static int parse(const char *line, struct options *options, struct err *err)
{
    static char text[256];
    char *argv[WORDS_MAX] = {(char *) (uintptr_t) "scgctl"}, *next = NULL;
    int argc = 1;

    snprintf(text, sizeof text, "%s", line);
    for (char *word = strtok_r(text, " ", &next); word; word = strtok_r(NULL, " ", &next))
        argv[argc++] = word;
    return options_parse(argc, argv, options, err);
}

static void options_anywhere(void **state)
{
    struct options options;
    struct err err = {0};

    (void) state;
    assert_int_equal(parse("-o json migrate V2 --to=B/server-b V3 --bandwidth 100 --watch --url http://x -- --dry-run",
                           &options, &err),
                     0);
    assert_true(options.json);
    assert_string_equal(options.to, "B/server-b");
    assert_string_equal(options.url, "http://x");
    assert_int_equal(options.bandwidth_mbps, 100);
    assert_true(options.given[OPTION_WATCH]);
    assert_false(options.given[OPTION_DRY_RUN]);
    assert_int_equal(options.n_words, 4);
    assert_string_equal(options.words[0], "migrate");
    assert_string_equal(options.words[3], "--dry-run");
    options_free(&options);

    assert_int_equal(parse("policy apply - -otable", &options, &err), 0);
    assert_int_equal(options.n_words, 3);
    assert_string_equal(options.words[2], "-");
    assert_false(options.json);
    options_free(&options);
}

static void options_that_are_wrong(void **state)
{
    static const char *const rows[][2] = {
        {"--wach", "unknown option '--wach'; did you mean '--watch'?"},
        {"--bandwith=7", "unknown option '--bandwith'; did you mean '--bandwidth'?"},
        {"--everything", "unknown option '--everything'"},
        {"-x", "unknown option '-x'"},
        {"-xjson", "unknown option '-x'"},
        {"-o xml", "--output: 'xml' is neither 'table' nor 'json'"},
        {"-o", "--output needs a value: table|json"},
        {"--to=", "--to needs a value: DC/SERVER"},
        {"--watch=yes", "--watch takes no value"},
        {"--bandwidth 0", "--bandwidth: '0' is no number of Mbit/s from 1 to 4294967295"},
        {"--bandwidth -1", "--bandwidth: '-1' is no number of Mbit/s from 1 to 4294967295"},
        {"--bandwidth 1g", "--bandwidth: '1g' is no number of Mbit/s from 1 to 4294967295"},
        {"--bandwidth 4294967296", "--bandwidth: '4294967296' is no number of Mbit/s from 1 to 4294967295"},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct options options;
        struct err err = {0};

        assert_int_equal(parse(rows[i][0], &options, &err), ERR_INVALID);
        assert_string_equal(err.text, rows[i][1]);
    }
}

static void slips(void **state)
{
    static const char *const candidates[] = {"migrate", "migration", "vm", "policy", "list", "show"};
    static const char *const rows[][2] = {
        {"migrat", "migrate"},
        {"migratoin", "migration"},
        {"mv", "vm"},
        {"lsit", "list"},
        {"shwo", "show"},
        {"polcy", "policy"},
        {"x", NULL},
        {"reboot", NULL},
        {"", NULL},
        {"vms", "vm"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *nearest = nearest_word(rows[i][0], candidates, ARRAY_LEN(candidates));

        if (rows[i][1])
            assert_string_equal(nearest, rows[i][1]);
        else
            assert_null(nearest);
    }
}

/* ---- URLs ---- */

static void urls(void **state)
{
    static const char *const good[] = {"http://127.0.0.1:8080", "http://gateway", "HTTP://gateway:80/",
                                       "http://[::1]:8080/scg/", "http://[::1]"};
    static const char *const bad[] = {"",
                                      "127.0.0.1:8080",
                                      "https://gateway",
                                      "http://",
                                      "http://:80",
                                      "http://gateway:",
                                      "http://gateway:http",
                                      "http://gateway:123456",
                                      "http://[::1",
                                      "http://[::1]x"};
    struct err err = {0};

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct client *client = client_new(good[i], &err);

        if (!client)
            fail_msg("%s", err.text);
        client_free(client);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_FREE char *text = xasprintf("'%s' is no URL of a gateway, expected http://HOST:PORT", bad[i]);

        if (client_new(bad[i], &err))
            fail_msg("'%s' passed", bad[i]);
        assert_string_equal(err.text, text);
    }
}

static void escapes(void **state)
{
    AUTO_FREE char *text = client_escape("B\xc3\xbcro 1/2?a~b-c_d.e");

    (void) state;
    assert_string_equal(text, "B%C3%BCro%201%2F2%3Fa~b-c_d.e");
}

/* ---- YAML ---- */

static int read_yaml(const char *text, struct yaml_documents *documents, struct err *err)
{
    FILE *file = fmemopen((char *) (uintptr_t) text, strlen(text), "r");

    assert_non_null(file);
    int status = yaml_json_read(file, "f.yaml", documents, err);
    fclose(file);
    return status;
}

static void yaml_values(void **state)
{
    static const char *const rows[][2] = {
        {"{\"a\": [1, \"2\", true, null]}", "{\"a\":[1,\"2\",true,null]}"},
        {"a: 80\nb: 1024-65535\nc: 198.51.100.0/24\nd: 10.0.0.1\ne: 02:5c:67:00:00:01",
         "{\"a\":80,\"b\":\"1024-65535\","
         "\"c\":\"198.51.100.0/24\",\"d\":\"10.0.0.1\",\"e\":\"02:5c:67:00:00:01\"}"},
        {"- -7\n- +7\n- 1.5\n- 1e3\n- .5\n- 010\n- '7'\n- 0x10\n- '-'\n- 1e\n- +-1\n- .",
         "[-7,7,1.5,1000.0,0.5,10,\"7\",\"0x10\",\"-\",\"1e\",\"+-1\",\".\"]"},
        {"- yes\n- on\n- True\n- FALSE\n- ~\n-\n- Null\n- ''", "[\"yes\",\"on\",true,false,null,null,null,\"\"]"},
        {"- 99999999999999999999", "[1e20]"},
        {"a: &x {b: 1}", "{\"a\":{\"b\":1}}"},
        {"t: |\n  one\n  two\n", "{\"t\":\"one\\ntwo\\n\"}"},
        {"B\xc3\xbcro: \"\\u00fc\"", "{\"B\xc3\xbcro\":\"\xc3\xbc\"}"},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct yaml_documents documents;
        struct err err = {0};

        if (read_yaml(rows[i][0], &documents, &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(documents.n, 1);
        AUTO_FREE char *text = json_dumps(documents.all[0].json, JSON_COMPACT | JSON_REAL_PRECISION(4));
        assert_string_equal(text, rows[i][1]);
        yaml_documents_free(&documents);
    }
}

static void yaml_documents(void **state)
{
    struct yaml_documents documents;
    struct err err = {0};

    (void) state;
    assert_int_equal(read_yaml("# policies\n\n---\npolicy: V1\n---\n# none\n---\npolicy: V2\n...\n", &documents, &err),
                     0);
    assert_int_equal(documents.n, 2);
    assert_int_equal(documents.all[0].line, 4);
    assert_int_equal(documents.all[1].line, 8);
    yaml_documents_free(&documents);
    assert_int_equal(read_yaml("# nothing\n", &documents, &err), 0);
    assert_int_equal(documents.n, 0);
    yaml_documents_free(&documents);
}

static void yaml_errors(void **state)
{
    static const char *const rows[][2] = {
        {"policy: V1\nrules:\n  - a: 1\n b: 2\n", "f.yaml:4:2: "},
        {"a: [1, 2", "f.yaml:2:1: did not find expected ',' or ']'"},
        {"a: 1\nb:\n  c: 1\n  c: 2\n", "f.yaml:4:3: repeated key: c"},
        {"a: &x 1\nb: *x\n", "f.yaml:2:4: aliases are not supported: x"},
        {"a: !!int 7\n", "f.yaml:1:4: tags are not supported: tag:yaml.org,2002:int"},
        {"a: !x {}\n", "f.yaml:1:4: tags are not supported"},
        {"? [a]\n: 1\n", "f.yaml:1:3: a key must be a string"},
        {"a: \"x\\0y\"\n", "f.yaml:1:4: a null character is not allowed"},
        {"a: 1e999\n", "f.yaml:1:4: cannot be represented: 1e999"},
        {"a: 1\n\tb: 2\n", "f.yaml:2:1: "},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "f.yaml:1:33: nested too deeply"},
        {"a: \xff\n", "f.yaml: byte 3: "},
        {"policy: V1\n---\nb: ]\n", "f.yaml:3:4: "},
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct yaml_documents documents;
        struct err err = {0};

        assert_int_equal(read_yaml(rows[i][0], &documents, &err), ERR_INVALID);
        if (strncmp(err.text, rows[i][1], strlen(rows[i][1])) != 0)
            fail_msg("'%s' does not begin with '%s'", err.text, rows[i][1]);
        assert_int_equal(documents.n, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_anywhere),
        cmocka_unit_test(options_that_are_wrong),
        cmocka_unit_test(slips),
        cmocka_unit_test(urls),
        cmocka_unit_test(escapes),
        cmocka_unit_test(yaml_values),
        cmocka_unit_test(yaml_documents),
        cmocka_unit_test(yaml_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
