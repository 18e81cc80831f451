/* SPDX-License-Identifier: Apache-2.0 */
#include "scgd/drift_ledger.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void drift_ledger_free(struct drift_ledger *ledger)
{
    for (size_t i = 0; i < ledger->n; i++)
        json_decref(ledger->entries[i].told);
    free(ledger->entries);
    *ledger = (struct drift_ledger) {0};
}

void drift_ledger_begin(struct drift_ledger *ledger)
{
    for (size_t i = 0; i < ledger->n; i++) {
        ledger->entries[i].seen_before = ledger->entries[i].seen;
        ledger->entries[i].seen = false;
    }
}

/* Of the first entry that is not before it. */
static size_t index_of(const struct drift_ledger *ledger, uint64_t id)
{
    size_t low = 0, high = ledger->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ledger->entries[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct drift_entry *find(const struct drift_ledger *ledger, uint64_t id)
{
    size_t i = index_of(ledger, id);

    return i < ledger->n && ledger->entries[i].id == id ? &ledger->entries[i] : NULL;
}

static struct drift_entry *insert(struct drift_ledger *ledger, uint64_t id)
{
    size_t i = index_of(ledger, id);

    ledger->entries = array_reserve(ledger->entries, ledger->n, &ledger->capacity, sizeof *ledger->entries);
    memmove(&ledger->entries[i + 1], &ledger->entries[i], (ledger->n - i) * sizeof *ledger->entries);
    ledger->n++;
    ledger->entries[i] = (struct drift_entry) {.id = id};
    return &ledger->entries[i];
}

enum drift_news drift_ledger_see(struct drift_ledger *ledger, uint64_t id, struct drift_entry **at)
{
    struct drift_entry *entry = find(ledger, id);

    if (!entry)
        entry = insert(ledger, id);
    entry->seen = true;
    *at = entry;
    return entry->told ? DRIFT_KNOWN : entry->seen_before ? DRIFT_BELIEVED : DRIFT_SUSPECTED;
}

void drift_ledger_tell(struct drift_ledger *ledger, struct drift_entry *entry, json_t *words)
{
    entry->told = words;
    ledger->n_told++;
}

static json_t *untell(struct drift_ledger *ledger, struct drift_entry *entry)
{
    json_t *told = entry->told;

    ledger->n_told -= told != NULL;
    entry->told = NULL;
    return told;
}

static int compare_member(const json_t *a, const json_t *b, const char *key)
{
    const char *x = json_string_value(json_object_get(a, key)), *y = json_string_value(json_object_get(b, key));

    return strcmp(x ? x : "", y ? y : "");
}

static int compare_told(const void *a, const void *b)
{
    const json_t *const *x = a, *const *y = b;
    int vm = compare_member(*x, *y, "vm");

    return vm ? vm : compare_member(*x, *y, "text");
}

json_t *drift_ledger_end(struct drift_ledger *ledger, bool all, struct mono now)
{
    AUTO_FREE json_t **gone = xcalloc(ledger->n + 1, sizeof(json_t *));
    json_t *array = json_array();
    size_t kept = 0, n = 0;

    for (size_t i = 0; i < ledger->n; i++) {
        struct drift_entry *entry = &ledger->entries[i];
        bool stands = entry->seen || (!all && entry->told && ledger->n_told <= DRIFT_TOLD_MAX);
        json_t *told = stands ? NULL : untell(ledger, entry);

        if (told && all)
            gone[n++] = told;
        else
            json_decref(told);
        if (stands || !mono_reached(entry->next, now))
            ledger->entries[kept++] = *entry;
    }
    ledger->n = kept;
    qsort(gone, n, sizeof *gone, compare_told);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, gone[i]);
    return array;
}

json_t *drift_ledger_repaired(struct drift_ledger *ledger, uint64_t id, struct mono next)
{
    struct drift_entry *entry = find(ledger, id);

    if (!entry)
        return NULL;
    entry->seen = entry->seen_before = false;
    entry->next = next;
    return untell(ledger, entry);
}
