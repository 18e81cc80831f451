/* SPDX-License-Identifier: Apache-2.0 */
#include "model/address_set.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "model/json.h"

struct address_set *address_set_new(const char *name, const struct prefix *prefixes, size_t n)
{
    struct address_set *set = xcalloc(1, sizeof *set + n * sizeof set->prefixes[0]);

    set->references = 1;
    strncpy(set->name, name, ADDRESS_SET_NAME_MAX);
    set->n = n;
    if (n)
        memcpy(set->prefixes, prefixes, n * sizeof *prefixes);
    return set;
}

struct address_set *address_set_ref(struct address_set *set)
{
    set->references++;
    return set;
}

void address_set_unref(struct address_set *set)
{
    if (set && --set->references == 0)
        free(set);
}

bool address_set_name_valid(const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char) name[i]) && !strchr("._-", name[i]))
            return false;
    }
    return length > 0 && length <= ADDRESS_SET_NAME_MAX;
}

/* By family, then address, the wider prefix first. */
static int compare_prefixes(const void *a, const void *b)
{
    const struct prefix *x = a, *y = b;
    int order = memcmp(&x->ip, &y->ip, sizeof x->ip);

    return order ? order : (int) x->length - (int) y->length;
}

static bool has_double(struct prefix *prefixes, size_t n, struct prefix *ret_double)
{
    qsort(prefixes, n, sizeof *prefixes, compare_prefixes);
    for (size_t i = 1; i < n; i++) {
        if (prefix_equal(&prefixes[i - 1], &prefixes[i])) {
            *ret_double = prefixes[i];
            return true;
        }
    }
    return false;
}

struct address_set *address_set_from_json(const char *name, const json_t *array, const char *path, struct err *err)
{
    size_t n = json_array_size(array), i;
    json_t *one;
    struct prefix twice;
    char text[PREFIX_TEXT_SIZE];

    if (n == 0) {
        err_set(err, ERR_INVALID, "%s: expected at least one address or prefix, found none", path);
        return NULL;
    }
    if (n > ADDRESS_SET_PREFIXES_MAX) {
        err_set(err, ERR_INVALID, "%s: %zu prefixes are too many, at most %d are kept", path, n,
                ADDRESS_SET_PREFIXES_MAX);
        return NULL;
    }
    AUTO_FREE struct prefix *prefixes = xcalloc(n, sizeof *prefixes);
    json_array_foreach(array, i, one) {
        const char *written = json_is_string(one) ? json_string_value(one) : "something else";

        if (prefix_parse(written, &prefixes[i]) < 0) {
            err_set(err, ERR_INVALID,
                    "%s[%zu]: expected an address or a prefix without bits beyond its length, found \"%.60s\"", path, i,
                    written);
            return NULL;
        }
    }
    struct address_set *set = address_set_new(name, prefixes, n);
    if (has_double(prefixes, n, &twice)) {
        err_set(err, ERR_INVALID, "%s: %s is named twice", path, prefix_format(&twice, text));
        address_set_unref(set);
        return NULL;
    }
    return set;
}

json_t *address_set_to_json(const struct address_set *set)
{
    json_t *array = json_array();
    char text[PREFIX_TEXT_SIZE];

    for (size_t i = 0; i < set->n; i++)
        json_array_append_new(array, json_string(prefix_format(&set->prefixes[i], text)));
    return array;
}

struct address_set *address_set_from_document(const json_t *json, struct err *err)
{
    static const char *const known[] = {"name", "prefixes", NULL};
    struct json_reader r = json_reader_init(json, "set", err);
    const char *name = json_get_string(&r, "name");
    const json_t *prefixes = json_get_array(&r, "prefixes");

    json_only(&r, known);
    if (!r.status && !address_set_name_valid(name))
        json_fail(&r, "name", "expected 1..%d letters, digits, '.', '_' or '-', found \"%.70s\"", ADDRESS_SET_NAME_MAX,
                  name);
    if (r.status)
        return NULL;

    struct address_set *set = address_set_from_json(name, prefixes, "prefixes", err);
    if (set)
        set->shared = true;
    else
        err_prefix(err, "set %s", name);
    return set;
}

json_t *address_set_to_document(const struct address_set *set)
{
    return json_pack("{s:s, s:o}", "name", set->name, "prefixes", address_set_to_json(set));
}

char *address_set_format(const struct address_set *set)
{
    struct strbuf list = {0};
    char text[PREFIX_TEXT_SIZE];

    if (*set->name)
        return xasprintf("@%s", set->name);
    for (size_t i = 0; i < set->n; i++)
        strbuf_printf(&list, "%s%s", i ? "," : "", prefix_format(&set->prefixes[i], text));
    return strbuf_take(&list);
}

bool address_set_contains(const struct address_set *set, const struct ip *ip)
{
    for (size_t i = 0; i < set->n; i++) {
        if (prefix_contains(&set->prefixes[i], ip))
            return true;
    }
    return false;
}

/* Whether 'a' and 'b', in rising order, are the two halves of a prefix; '*whole' is then that. */
static bool are_halves(const struct prefix *a, const struct prefix *b, struct prefix *whole)
{
    if (a->length != b->length || a->length == 0)
        return false;

    struct prefix x = prefix_of(&a->ip, (uint8_t) (a->length - 1)), y = prefix_of(&b->ip, (uint8_t) (b->length - 1));
    *whole = x;
    return prefix_equal(&x, &y);
}

size_t address_set_cover(const struct address_set *set, enum ip_family family, struct prefix **cover)
{
    struct prefix *prefixes = xcalloc(set->n + 1, sizeof *prefixes), whole;
    size_t n = 0, kept = 0;

    for (size_t i = 0; i < set->n; i++) {
        if (set->prefixes[i].ip.family == family)
            prefixes[n++] = set->prefixes[i];
    }
    qsort(prefixes, n, sizeof *prefixes, compare_prefixes);
    for (size_t i = 0; i < n; i++) {
        if (kept && prefix_contains(&prefixes[kept - 1], &prefixes[i].ip))
            continue;
        prefixes[kept++] = prefixes[i];
        for (; kept > 1 && are_halves(&prefixes[kept - 2], &prefixes[kept - 1], &whole); kept--)
            prefixes[kept - 2] = whole;
    }
    *cover = prefixes;
    return kept;
}
