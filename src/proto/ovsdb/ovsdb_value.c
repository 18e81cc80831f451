/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/ovsdb/ovsdb_value.h"

#include <string.h>

#include "base/alloc.h"

#define DPID_DIGITS 16

/* The elements of a set in either of its forms: ["set", [...]], or one element by itself. */
struct elements {
    const json_t *value;
    const json_t *array; /* null: 'value' is the only one */
    size_t n;
};

static int elements_of(const json_t *value, struct elements *elements)
{
    const json_t *first = json_array_get(value, 0);

    *elements = (struct elements) {.value = value, .n = 1};
    if (!json_is_string(first) || strcmp(json_string_value(first), "set") != 0)
        return 0;
    elements->array = json_array_get(value, 1);
    if (json_array_size(value) != 2 || !json_is_array(elements->array))
        return ERR_MALFORMED;
    elements->n = json_array_size(elements->array);
    return elements->n > OVSDB_SET_MAX ? ERR_TOO_LARGE : 0;
}

static const json_t *element_at(const struct elements *elements, size_t i)
{
    return elements->array ? json_array_get(elements->array, i) : elements->value;
}

/* ["uuid", "..."] */
static int uuid_decode(const json_t *value, uint8_t uuid[UUID_SIZE])
{
    const char *tag = json_string_value(json_array_get(value, 0));
    const char *text = json_string_value(json_array_get(value, 1));

    if (!tag || strcmp(tag, "uuid") != 0 || !text || json_array_size(value) != 2)
        return ERR_MALFORMED;
    return uuid_parse(text, uuid) < 0 ? ERR_MALFORMED : 0;
}

/* Adds the identity; or removes it, if it was there and 'toggle' is set. */
static int set_put(struct ovsdb_set *set, const uint8_t uuid[UUID_SIZE], bool toggle)
{
    size_t low = 0, high = set->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (memcmp(set->uuids[middle], uuid, UUID_SIZE) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < set->n && memcmp(set->uuids[low], uuid, UUID_SIZE) == 0) {
        if (toggle) {
            set->n--;
            memmove(set->uuids + low, set->uuids + low + 1, (set->n - low) * UUID_SIZE);
        }
        return 0;
    }
    if (set->n == OVSDB_SET_MAX)
        return ERR_TOO_LARGE;
    set->uuids = array_reserve(set->uuids, set->n, &set->capacity, UUID_SIZE);
    memmove(set->uuids + low + 1, set->uuids + low, (set->n - low) * UUID_SIZE);
    memcpy(set->uuids[low], uuid, UUID_SIZE);
    set->n++;
    return 0;
}

static int set_decode(const struct elements *elements, bool difference, struct ovsdb_set *set)
{
    uint8_t uuid[UUID_SIZE];

    if (!difference)
        set->n = 0;
    for (size_t i = 0; i < elements->n; i++) {
        int status = uuid_decode(element_at(elements, i), uuid);

        if (status == 0)
            status = set_put(set, uuid, difference);
        if (status < 0)
            return status;
    }
    return 0;
}

static int dpid_decode(const char *text, uint64_t *dpid)
{
    size_t n = strlen(text);

    if (n == 0 || n > DPID_DIGITS || strspn(text, "0123456789abcdefABCDEF") != n)
        return ERR_MALFORMED;
    *dpid = strtoull(text, NULL, 16);
    return 0;
}

/* The pairs of ["map", [[KEY, VALUE], ...]]. In a difference one that is there as it stands is removed, any other is
 * set. */
static int pairs_of(const json_t *value, const json_t **pairs)
{
    const char *tag = json_string_value(json_array_get(value, 0));

    *pairs = json_array_get(value, 1);
    if (!tag || strcmp(tag, "map") != 0 || json_array_size(value) != 2 || !json_is_array(*pairs))
        return ERR_MALFORMED;
    return json_array_size(*pairs) > OVSDB_SET_MAX ? ERR_TOO_LARGE : 0;
}

static void table_put(struct ovsdb_table_refs *tables, const struct ovsdb_table_ref *ref, bool toggle)
{
    for (size_t i = 0; i < tables->n; i++) {
        if (tables->refs[i].number != ref->number)
            continue;
        if (toggle && memcmp(tables->refs[i].uuid, ref->uuid, UUID_SIZE) == 0)
            tables->refs[i] = tables->refs[--tables->n];
        else
            tables->refs[i] = *ref;
        return;
    }
    tables->refs = array_reserve(tables->refs, tables->n, &tables->capacity, sizeof *tables->refs);
    tables->refs[tables->n++] = *ref;
}

static int tables_decode(const json_t *value, bool difference, struct ovsdb_table_refs *tables)
{
    const json_t *pairs;
    int status = pairs_of(value, &pairs);

    if (status < 0)
        return status;
    if (!difference)
        tables->n = 0;
    for (size_t i = 0; i < json_array_size(pairs); i++) {
        const json_t *pair = json_array_get(pairs, i), *key = json_array_get(pair, 0);
        struct ovsdb_table_ref ref;

        if (json_array_size(pair) != 2 || !json_is_integer(key) || json_integer_value(key) < 0 ||
            json_integer_value(key) > 254 || uuid_decode(json_array_get(pair, 1), ref.uuid) < 0)
            return ERR_MALFORMED;
        ref.number = (uint8_t) json_integer_value(key);
        table_put(tables, &ref, difference);
    }
    return 0;
}

/* A string, number or identity as text, which the caller frees; null if it is none. */
static char *atom_text(const json_t *atom)
{
    uint8_t uuid[UUID_SIZE];

    if (json_is_string(atom))
        return xstrdup(json_string_value(atom));
    if (json_is_integer(atom))
        return xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(atom));
    return uuid_decode(atom, uuid) == 0 ? xstrdup(json_string_value(json_array_get(atom, 1))) : NULL;
}

static int map_decode(const json_t *value, bool difference, json_t **map)
{
    const json_t *pairs;
    int status = pairs_of(value, &pairs);

    if (status < 0)
        return status;
    if (!*map)
        *map = json_object();
    if (!difference)
        json_object_clear(*map);
    for (size_t i = 0; i < json_array_size(pairs); i++) {
        const json_t *pair = json_array_get(pairs, i);
        AUTO_FREE char *key = atom_text(json_array_get(pair, 0));
        AUTO_FREE char *text = atom_text(json_array_get(pair, 1));

        if (!key || !text || json_array_size(pair) != 2)
            return ERR_MALFORMED;
        const char *old = json_string_value(json_object_get(*map, key));
        if (difference && old && strcmp(old, text) == 0)
            json_object_del(*map, key);
        else
            json_object_set_new(*map, key, json_string(text));
    }
    return 0;
}

static int rstp_decode(const json_t *value, bool difference, int64_t *rstp)
{
    const json_t *pairs;
    int status = pairs_of(value, &pairs);

    if (status < 0)
        return status;
    if (!difference)
        *rstp = OVSDB_UNSET;
    for (size_t i = 0; i < json_array_size(pairs); i++) {
        const json_t *pair = json_array_get(pairs, i);
        const char *key = json_string_value(json_array_get(pair, 0));
        const char *text = json_string_value(json_array_get(pair, 1));

        if (!key || !text || json_array_size(pair) != 2)
            return ERR_MALFORMED;
        if (strcmp(key, "rstp-enable") != 0)
            continue;
        int64_t now = strcmp(text, "false") != 0;

        *rstp = difference && *rstp == now ? OVSDB_UNSET : now;
    }
    return 0;
}

void ovsdb_value_reset(enum ovsdb_kind kind, void *member)
{
    struct ovsdb_set *set = member;
    struct ovsdb_table_refs *table_refs = member;

    switch (kind) {
    case OVSDB_KIND_NAME:
        *(char *) member = '\0';
        break;
    case OVSDB_KIND_DPID:
        *(uint64_t *) member = 0;
        break;
    case OVSDB_KIND_BOOL:
        *(bool *) member = false;
        break;
    case OVSDB_KIND_OPTIONAL:
    case OVSDB_KIND_RSTP:
        *(int64_t *) member = OVSDB_UNSET;
        break;
    case OVSDB_KIND_UUIDS:
    case OVSDB_KIND_UUID:
        free(set->uuids);
        *set = (struct ovsdb_set) {0};
        break;
    case OVSDB_KIND_TABLES:
        free(table_refs->refs);
        *table_refs = (struct ovsdb_table_refs) {0};
        break;
    case OVSDB_KIND_MAP:
        json_decref(*(json_t **) member);
        *(json_t **) member = NULL;
        break;
    }
}

int ovsdb_value_decode(enum ovsdb_kind kind, const json_t *value, bool difference, void *member)
{
    struct elements elements;
    int status = elements_of(value, &elements);

    if (kind == OVSDB_KIND_RSTP)
        return rstp_decode(value, difference, member);
    if (kind == OVSDB_KIND_TABLES)
        return tables_decode(value, difference, member);
    if (kind == OVSDB_KIND_MAP)
        return map_decode(value, difference, member);
    if (status < 0)
        return status;
    if (kind == OVSDB_KIND_UUIDS)
        return set_decode(&elements, difference, member);
    if (kind == OVSDB_KIND_UUID)
        return elements.n > 1 ? ERR_MALFORMED : set_decode(&elements, false, member);

    const json_t *only = elements.n ? element_at(&elements, 0) : NULL;
    const char *text = json_string_value(only);

    if (elements.n > 1)
        return ERR_MALFORMED;
    if (!only) {
        ovsdb_value_reset(kind, member);
        return 0;
    }
    if (kind == OVSDB_KIND_OPTIONAL) {
        if (!json_is_integer(only))
            return ERR_MALFORMED;
        *(int64_t *) member = json_integer_value(only);
        return 0;
    }
    if (kind == OVSDB_KIND_BOOL) {
        if (!json_is_boolean(only))
            return ERR_MALFORMED;
        *(bool *) member = json_is_true(only);
        return 0;
    }
    if (!text)
        return ERR_MALFORMED;
    if (kind == OVSDB_KIND_DPID)
        return dpid_decode(text, member);
    (void) name_copy(member, text); /* one that is too long becomes "": see struct ovsdb_bridge */
    return 0;
}
