/* SPDX-License-Identifier: Apache-2.0 */
#include "model/json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *type_text(const json_t *value)
{
    static const char *const texts[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",
        [JSON_STRING] = "a string",  [JSON_INTEGER] = "a whole number",
        [JSON_REAL] = "a fraction",  [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };

    return texts[json_typeof(value)];
}

__attribute__((format(printf, 3, 0))) static void fail_v(struct json_reader *r, const char *name, const char *format,
                                                         va_list args)
{
    char text[ERR_TEXT_SIZE];
    const char *dot = r->path[0] && name[0] ? "." : "", *colon = r->path[0] || name[0] ? ": " : "";

    if (r->status)
        return;
    vsnprintf(text, sizeof text, format, args);
    r->status = err_set(r->err, ERR_INVALID, "%s%s%s%s%s", r->path, dot, name, colon, text);
}

void json_fail(struct json_reader *r, const char *name, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fail_v(r, name, format, args);
    va_end(args);
}

struct json_reader json_reader_init(const json_t *object, const char *path, struct err *err)
{
    struct json_reader r = {.object = object, .path = path ? path : "", .err = err};

    if (!json_is_object(object))
        json_fail(&r, "", "expected an object, found %s", object ? type_text(object) : "nothing");
    return r;
}

/* The member if it is there; null if it is not or if an earlier read failed. */
static const json_t *find(struct json_reader *r, const char *name)
{
    return r->status ? NULL : json_object_get(r->object, name);
}

static const json_t *find_required(struct json_reader *r, const char *name)
{
    const json_t *value = find(r, name);

    if (!value)
        json_fail(r, name, "missing");
    return value;
}

static bool expect(struct json_reader *r, const char *name, const json_t *value, bool fits, const char *expected)
{
    if (value && !fits)
        json_fail(r, name, "expected %s, found %s", expected, type_text(value));
    return value && fits;
}

static const char *string_of(struct json_reader *r, const char *name, const json_t *value, const char *fallback)
{
    return expect(r, name, value, json_is_string(value), "a string") ? json_string_value(value) : fallback;
}

static int64_t int_of(struct json_reader *r, const char *name, const json_t *value, int64_t min, int64_t max,
                      int64_t fallback)
{
    if (!expect(r, name, value, json_is_integer(value), "a whole number"))
        return fallback;

    int64_t number = json_integer_value(value);
    if (number < min || number > max) {
        json_fail(r, name, "expected %" PRId64 "..%" PRId64 ", found %" PRId64, min, max, number);
        return fallback;
    }
    return number;
}

static const json_t *array_of(struct json_reader *r, const char *name, const json_t *value)
{
    return expect(r, name, value, json_is_array(value), "an array") ? value : NULL;
}

static const json_t *object_of(struct json_reader *r, const char *name, const json_t *value)
{
    return expect(r, name, value, json_is_object(value), "an object") ? value : NULL;
}

const char *json_get_string(struct json_reader *r, const char *name)
{
    return string_of(r, name, find_required(r, name), "");
}

int64_t json_get_int(struct json_reader *r, const char *name, int64_t min, int64_t max)
{
    return int_of(r, name, find_required(r, name), min, max, min);
}

const json_t *json_get_array(struct json_reader *r, const char *name)
{
    return array_of(r, name, find_required(r, name));
}

const json_t *json_get_object(struct json_reader *r, const char *name)
{
    return object_of(r, name, find_required(r, name));
}

const char *json_opt_string(struct json_reader *r, const char *name, const char *fallback)
{
    return string_of(r, name, find(r, name), fallback);
}

int64_t json_opt_int(struct json_reader *r, const char *name, int64_t min, int64_t max, int64_t fallback)
{
    return int_of(r, name, find(r, name), min, max, fallback);
}

bool json_opt_bool(struct json_reader *r, const char *name, bool fallback)
{
    const json_t *value = find(r, name);

    return expect(r, name, value, json_is_boolean(value), "true or false") ? json_is_true(value) : fallback;
}

const json_t *json_opt_array(struct json_reader *r, const char *name)
{
    return array_of(r, name, find(r, name));
}

const json_t *json_opt_object(struct json_reader *r, const char *name)
{
    return object_of(r, name, find(r, name));
}

json_t *ip6_list_to_json(const struct ip6_list *list)
{
    json_t *array = json_array();
    char text[IP_TEXT_SIZE];

    for (unsigned i = 0; i < list->n; i++)
        json_array_append_new(array, json_string(ip_format(&list->items[i], text)));
    return array;
}

void json_opt_ip6_list(struct json_reader *r, const char *name, struct ip6_list *list)
{
    const json_t *array = json_opt_array(r, name);

    *list = (struct ip6_list) {0};
    for (size_t i = 0; i < json_array_size(array) && !r->status; i++) {
        const char *text = json_string_value(json_array_get(array, i));
        struct ip ip = {0};
        int status = text ? ip_parse(text, &ip) : ERR_INVALID;

        if (!status)
            status = ip6_list_add(list, &ip);
        if (status)
            json_fail(r, name, "member %zu %s", i, ip6_list_error(status));
    }
}

void json_only(struct json_reader *r, const char *const *known)
{
    const char *name;
    json_t *value;

    if (r->status)
        return;
    /* The macro wants a mutable object only to hand out mutable values. */
    json_object_foreach((json_t *) r->object, name, value) {
        const char *const *k = known;

        while (*k && strcmp(*k, name) != 0)
            k++;
        if (!*k) {
            json_fail(r, name, "unknown member");
            return;
        }
    }
}
