/* SPDX-License-Identifier: Apache-2.0 */
/* The strict JSON reader: values, fallbacks, and the sentence of each failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"
#include "model/json.h"

#define DOCUMENT \
    "{\"s\": \"text\", \"i\": 7, \"big\": 9007199254740993, \"f\": 1.5, \"t\": true, \"n\": null, \"a\": [1]," \
    " \"o\": {\"x\": 1}}"

static int setup(void **state)
{
    *state = json_loads(DOCUMENT, 0, NULL);
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    json_decref(*state);
    return 0;
}

static void reads_values(void **state)
{
    struct err err = {0};
    struct json_reader r = json_reader_init(*state, "doc", &err);

    assert_string_equal(json_get_string(&r, "s"), "text");
    assert_int_equal(json_get_int(&r, "i", 7, 7), 7);
    assert_true(json_get_int(&r, "big", 0, INT64_MAX) == INT64_C(9007199254740993));
    assert_int_equal(json_array_size(json_get_array(&r, "a")), 1);
    assert_int_equal(json_object_size(json_get_object(&r, "o")), 1);
    assert_string_equal(json_opt_string(&r, "s", "x"), "text");
    assert_int_equal(json_opt_int(&r, "i", 0, 9, 1), 7);
    assert_true(json_opt_bool(&r, "t", false));
    assert_non_null(json_opt_array(&r, "a"));
    assert_non_null(json_opt_object(&r, "o"));
    json_only(&r, (const char *const[]) {"s", "i", "big", "f", "t", "n", "a", "o", "more", NULL});
    assert_int_equal(r.status, 0);
    assert_int_equal(err.code, 0);
}

static void absent_members_fall_back(void **state)
{
    struct json_reader r = json_reader_init(*state, "doc", NULL);

    assert_string_equal(json_opt_string(&r, "none", "x"), "x");
    assert_null(json_opt_string(&r, "none", NULL));
    assert_int_equal(json_opt_int(&r, "none", 0, 9, -1), -1);
    assert_true(json_opt_bool(&r, "none", true));
    assert_null(json_opt_array(&r, "none"));
    assert_null(json_opt_object(&r, "none"));
    assert_int_equal(r.status, 0);
}

static void get_string(struct json_reader *r, const char *name)
{
    assert_string_equal(json_get_string(r, name), "");
}

static void get_int(struct json_reader *r, const char *name)
{
    assert_int_equal(json_get_int(r, name, 1, 6), 1);
}

static void get_array(struct json_reader *r, const char *name)
{
    assert_null(json_get_array(r, name));
}

static void get_object(struct json_reader *r, const char *name)
{
    assert_null(json_get_object(r, name));
}

static void opt_string(struct json_reader *r, const char *name)
{
    assert_string_equal(json_opt_string(r, name, "x"), "x");
}

static void opt_int(struct json_reader *r, const char *name)
{
    assert_int_equal(json_opt_int(r, name, 1, 6, 5), 5);
}

static void opt_bool(struct json_reader *r, const char *name)
{
    assert_false(json_opt_bool(r, name, false));
}

static void opt_array(struct json_reader *r, const char *name)
{
    assert_null(json_opt_array(r, name));
}

static void opt_object(struct json_reader *r, const char *name)
{
    assert_null(json_opt_object(r, name));
}

static void failures_name_the_member(void **state)
{
    static const struct {
        void (*read)(struct json_reader *r, const char *name);
        const char *name, *sentence;
    } cases[] = {
        {get_string, "none", "doc.x[1].none: missing"},
        {get_string, "i", "doc.x[1].i: expected a string, found a whole number"},
        {get_string, "n", "doc.x[1].n: expected a string, found null"},
        {get_int, "none", "doc.x[1].none: missing"},
        {get_int, "f", "doc.x[1].f: expected a whole number, found a fraction"},
        {get_int, "s", "doc.x[1].s: expected a whole number, found a string"},
        {get_int, "i", "doc.x[1].i: expected 1..6, found 7"},
        {get_array, "o", "doc.x[1].o: expected an array, found an object"},
        {get_array, "none", "doc.x[1].none: missing"},
        {get_object, "a", "doc.x[1].a: expected an object, found an array"},
        {get_object, "none", "doc.x[1].none: missing"},
        {opt_string, "t", "doc.x[1].t: expected a string, found true"},
        {opt_int, "i", "doc.x[1].i: expected 1..6, found 7"},
        {opt_int, "n", "doc.x[1].n: expected a whole number, found null"},
        {opt_bool, "i", "doc.x[1].i: expected true or false, found a whole number"},
        {opt_array, "s", "doc.x[1].s: expected an array, found a string"},
        {opt_object, "s", "doc.x[1].s: expected an object, found a string"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct json_reader r = json_reader_init(*state, "doc.x[1]", &err);

        cases[i].read(&r, cases[i].name);
        assert_int_equal(r.status, ERR_INVALID);
        assert_int_equal(err.code, ERR_INVALID);
        assert_string_equal(err.text, cases[i].sentence);
    }
}

static void the_first_failure_stays(void **state)
{
    struct err err = {0};
    struct json_reader r = json_reader_init(*state, "", &err);

    json_get_string(&r, "none");
    json_get_string(&r, "i");
    json_fail(&r, "s", "too late");
    json_only(&r, (const char *const[]) {NULL});
    assert_string_equal(json_get_string(&r, "s"), ""); /* nothing is read any more */
    assert_string_equal(err.text, "none: missing");

    r = json_reader_init(*state, "doc", NULL); /* without an err the status alone tells */
    json_get_string(&r, "none");
    assert_int_equal(r.status, ERR_INVALID);
}

static void unknown_members_and_callers_sentences(void **state)
{
    struct err err = {0};
    struct json_reader r = json_reader_init(*state, "doc", &err);

    json_only(&r, (const char *const[]) {"s", "i", "big", "f", "t", "n", "a", NULL});
    assert_string_equal(err.text, "doc.o: unknown member");

    r = json_reader_init(*state, "doc", &err);
    json_fail(&r, "i", "%d is %s", 7, "odd");
    assert_string_equal(err.text, "doc.i: 7 is odd");
}

static void only_objects_are_read(void **state)
{
    struct err err = {0};
    struct json_reader r = json_reader_init(json_object_get(*state, "a"), "doc", &err);

    assert_string_equal(err.text, "doc: expected an object, found an array");
    assert_string_equal(json_get_string(&r, "s"), "");
    r = json_reader_init(NULL, "", &err);
    assert_string_equal(err.text, "expected an object, found nothing");
    assert_int_equal(r.status, ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_values),
        cmocka_unit_test(absent_members_fall_back),
        cmocka_unit_test(failures_name_the_member),
        cmocka_unit_test(the_first_failure_stays),
        cmocka_unit_test(unknown_members_and_callers_sentences),
        cmocka_unit_test(only_objects_are_read),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
