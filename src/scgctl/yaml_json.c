/* SPDX-License-Identifier: Apache-2.0 */
#include "scgctl/yaml_json.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"

#define DEPTH_MAX 32

struct reader {
    yaml_parser_t parser;
    const char *name;
    struct err *err;
    unsigned depth;
};

static int fail_at(struct reader *r, yaml_mark_t mark, const char *what, const char *thing)
{
    return err_set(r->err, ERR_INVALID, "%s:%zu:%zu: %s%s%s", r->name, mark.line + 1, mark.column + 1, what,
                   *thing ? " " : "", thing);
}

static int next_event(struct reader *r, yaml_event_t *event)
{
    if (yaml_parser_parse(&r->parser, event))
        return 0;
    if (r->parser.error == YAML_READER_ERROR) /* it has no mark for it, only an offset in bytes */
        return err_set(r->err, ERR_INVALID, "%s: byte %zu: %s", r->name, r->parser.problem_offset, r->parser.problem);
    return fail_at(r, r->parser.problem_mark, r->parser.problem, "");
}

/* ---- scalars ---- */

static bool is_one_of(const char *text, const char *const *words)
{
    while (*words && strcmp(text, *words) != 0)
        words++;
    return *words != NULL;
}

static bool is_number(const char *text, bool *ret_whole)
{
    const char *p = text + strspn(text, "+-");
    size_t digits = strspn(p, "0123456789"), decimals = 0;

    if (p > text + 1)
        return false;
    p += digits;
    *ret_whole = *p == '\0';
    if (*p == '.') {
        decimals = strspn(++p, "0123456789");
        p += decimals;
    }
    if (digits + decimals == 0)
        return false;
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '+' || *p == '-';
        size_t exponent = strspn(p, "0123456789");
        if (exponent == 0)
            return false;
        p += exponent;
    }
    return *p == '\0';
}

/* YAML 1.2 section 10.3.2, without octal and hexadecimal numbers, infinity and NaN: JSON has none of them. */
static json_t *plain_scalar(const char *text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    bool whole;

    if (is_one_of(text, nulls))
        return json_null();
    if (is_one_of(text, trues))
        return json_true();
    if (is_one_of(text, falses))
        return json_false();
    if (!is_number(text, &whole))
        return json_string(text);
    if (whole) {
        errno = 0;
        long long number = strtoll(text, NULL, 10);
        if (errno == 0)
            return json_integer(number);
    }
    return json_real(strtod(text, NULL));
}

static int read_scalar(struct reader *r, const yaml_event_t *event, json_t **ret_json)
{
    const char *text = (const char *) event->data.scalar.value;

    if (strlen(text) != event->data.scalar.length)
        return fail_at(r, event->start_mark, "a null character is not allowed", "");
    if (event->data.scalar.tag)
        return fail_at(r, event->start_mark, "tags are not supported:", (const char *) event->data.scalar.tag);
    *ret_json = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain_scalar(text) : json_string(text);
    if (!*ret_json) /* a number beyond what a double holds */
        return fail_at(r, event->start_mark, "cannot be represented:", text);
    return 0;
}

/* ---- collections ---- */

static int read_value(struct reader *r, yaml_event_t *event, json_t **ret_json);

static int read_sequence(struct reader *r, json_t *array)
{
    for (;;) {
        yaml_event_t event;
        json_t *member = NULL;
        int status = next_event(r, &event);

        if (status)
            return status;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return 0;
        }
        status = read_value(r, &event, &member);
        if (status)
            return status;
        json_array_append_new(array, member);
    }
}

static int check_key(struct reader *r, const yaml_event_t *key, const json_t *object)
{
    if (key->type != YAML_SCALAR_EVENT)
        return fail_at(r, key->start_mark, "a key must be a string", "");
    if (json_object_get(object, (const char *) key->data.scalar.value))
        return fail_at(r, key->start_mark, "repeated key:", (const char *) key->data.scalar.value);
    return 0;
}

static int read_mapping(struct reader *r, json_t *object)
{
    for (;;) {
        yaml_event_t key, event;
        json_t *member = NULL;
        int status = next_event(r, &key);

        if (status)
            return status;
        bool end = key.type == YAML_MAPPING_END_EVENT;
        if (!end)
            status = check_key(r, &key, object);
        if (!end && status == 0)
            status = next_event(r, &event);
        if (!end && status == 0)
            status = read_value(r, &event, &member);
        if (member)
            json_object_set_new(object, (const char *) key.data.scalar.value, member);
        yaml_event_delete(&key);
        if (end || status)
            return status;
    }
}

static int read_collection(struct reader *r, const yaml_event_t *event, json_t **ret_json)
{
    bool mapping = event->type == YAML_MAPPING_START_EVENT;
    json_t *json = mapping ? json_object() : json_array();
    int status;

    if (mapping ? event->data.mapping_start.tag : event->data.sequence_start.tag)
        status = fail_at(r, event->start_mark, "tags are not supported", "");
    else if (r->depth == DEPTH_MAX)
        status = fail_at(r, event->start_mark, "nested too deeply", "");
    else {
        r->depth++;
        status = mapping ? read_mapping(r, json) : read_sequence(r, json);
        r->depth--;
    }
    if (status)
        json_decref(json);
    else
        *ret_json = json;
    return status;
}

/* The value that begins with 'event', which is freed. */
static int read_value(struct reader *r, yaml_event_t *event, json_t **ret_json)
{
    int status;

    switch (event->type) {
    case YAML_SCALAR_EVENT:
        status = read_scalar(r, event, ret_json);
        break;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        status = read_collection(r, event, ret_json);
        break;
    case YAML_ALIAS_EVENT:
        status = fail_at(r, event->start_mark, "aliases are not supported:", (const char *) event->data.alias.anchor);
        break;
    default:
        status = fail_at(r, event->start_mark, "expected a value", "");
        break;
    }
    yaml_event_delete(event);
    return status;
}

static int read_document(struct reader *r, struct yaml_documents *documents)
{
    yaml_event_t event;
    json_t *json = NULL;
    int status = next_event(r, &event);

    if (status)
        return status;
    size_t line = event.start_mark.line + 1;
    status = read_value(r, &event, &json);
    if (status)
        return status;
    if (json_is_null(json)) {
        json_decref(json);
        return 0;
    }
    documents->all = array_reserve(documents->all, documents->n, &documents->capacity, sizeof *documents->all);
    documents->all[documents->n++] = (struct yaml_document) {json, line};
    return 0;
}

int yaml_json_read(FILE *file, const char *name, struct yaml_documents *documents, struct err *err)
{
    struct reader r = {.name = name, .err = err};
    bool end = false;
    int status = 0;

    *documents = (struct yaml_documents) {0};
    if (!yaml_parser_initialize(&r.parser))
        abort(); /* out of memory */
    yaml_parser_set_input_file(&r.parser, file);
    while (status == 0 && !end) {
        yaml_event_t event;

        status = next_event(&r, &event);
        if (status)
            break;
        end = event.type == YAML_STREAM_END_EVENT;
        bool document = event.type == YAML_DOCUMENT_START_EVENT;
        yaml_event_delete(&event);
        if (document)
            status = read_document(&r, documents);
    }
    yaml_parser_delete(&r.parser);
    if (status)
        yaml_documents_free(documents);
    return status;
}

void yaml_documents_free(struct yaml_documents *documents)
{
    for (size_t i = 0; i < documents->n; i++)
        json_decref(documents->all[i].json);
    free(documents->all);
    *documents = (struct yaml_documents) {0};
}
