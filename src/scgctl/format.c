/* SPDX-License-Identifier: Apache-2.0 */
#include "scgctl/format.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"

/* ---- tables ---- */

void table_add(struct table *table, const char *text)
{
    table->cells = array_reserve(table->cells, table->n_cells, &table->capacity, sizeof *table->cells);
    table->cells[table->n_cells++] = xstrdup(text);
}

static unsigned width(const char *text)
{
    unsigned n = 0;

    for (; *text; text++)
        n += ((unsigned char) *text & 0xc0) != 0x80;
    return n;
}

void table_format(const struct table *table, const char *indent, struct strbuf *out)
{
    AUTO_FREE unsigned *widths = xcalloc(table->n_columns, sizeof *widths);

    for (size_t i = 0; i < table->n_cells; i++) {
        unsigned *column = &widths[i % table->n_columns], w = width(table->cells[i]);

        *column = w > *column ? w : *column;
    }
    for (size_t i = 0; i < table->n_cells; i++) {
        unsigned column = (unsigned) (i % table->n_columns);

        strbuf_printf(out, "%s%s", column ? "" : indent, table->cells[i]);
        if (column + 1 == table->n_columns)
            strbuf_puts(out, "\n");
        else
            strbuf_printf(out, "%*s", (int) (widths[column] - width(table->cells[i]) + 2), "");
    }
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->n_cells; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct table) {0};
}

/* ---- values ---- */

static const struct unit {
    uint64_t bytes;
    const char *name;
} units[] = {
    {UINT64_C(1) << 40, "TiB"},
    {UINT64_C(1) << 30, "GiB"},
    {UINT64_C(1) << 20, "MiB"},
    {UINT64_C(1) << 10, "KiB"},
    {1, "B"},
};

static const struct unit *unit_of(uint64_t bytes)
{
    const struct unit *unit = units;

    while (unit->bytes > 1 && bytes < unit->bytes)
        unit++;
    return unit;
}

static void format_in(struct strbuf *out, uint64_t bytes, const struct unit *unit)
{
    if (unit->bytes == 1 || bytes % unit->bytes == 0)
        strbuf_printf(out, "%" PRIu64, bytes / unit->bytes);
    else
        strbuf_printf(out, "%.1f", (double) bytes / (double) unit->bytes);
}

void format_size(struct strbuf *out, uint64_t bytes)
{
    const struct unit *unit = unit_of(bytes);

    format_in(out, bytes, unit);
    strbuf_printf(out, " %s", unit->name);
}

void format_sizes(struct strbuf *out, uint64_t done, uint64_t total)
{
    const struct unit *unit = unit_of(total);

    format_in(out, done, unit);
    strbuf_puts(out, "/");
    format_in(out, total, unit);
    strbuf_printf(out, " %s", unit->name);
}

void format_time(struct strbuf *out, int64_t unix_ms)
{
    time_t seconds = (time_t) (unix_ms / 1000);
    struct tm tm;
    char text[64];

    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", localtime_r(&seconds, &tm));
    strbuf_puts(out, text);
}

static bool ends_with(const char *text, const char *ending)
{
    size_t n = strlen(text), m = strlen(ending);

    return n >= m && strcmp(text + n - m, ending) == 0;
}

/* Points of time; other members in milliseconds are durations. */
static bool is_time(const char *name)
{
    static const char *const names[] = {"time", "created-ms", "began-ms", "paused-ms", "resumed-ms", "ended-ms"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

static void format_number(struct strbuf *out, const char *name, int64_t number)
{
    if (is_time(name)) {
        if (number)
            format_time(out, number);
        else
            strbuf_puts(out, "-");
    } else if (ends_with(name, "-kib"))
        format_size(out, (uint64_t) number * 1024);
    else if (strncmp(name, "bytes-", 6) == 0)
        format_size(out, (uint64_t) number);
    else if (ends_with(name, "-mbps"))
        strbuf_printf(out, "%" PRId64 " Mbit/s", number);
    else if (ends_with(name, "-ms"))
        strbuf_printf(out, "%" PRId64 " ms", number);
    else
        strbuf_printf(out, "%" PRId64, number);
}

static void format_array(struct strbuf *out, const char *name, const json_t *array)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        strbuf_puts(out, i ? ", " : "");
        format_member(out, name, json_array_get(array, i));
    }
}

void format_member(struct strbuf *out, const char *name, const json_t *value)
{
    const char *text = json_string_value(value);
    bool up = strcmp(name, "up") == 0;

    if (json_is_integer(value))
        format_number(out, name, json_integer_value(value));
    else if (json_is_real(value))
        strbuf_printf(out, "%.1f", json_real_value(value));
    else if (json_is_boolean(value))
        strbuf_puts(out, json_is_true(value) ? (up ? "up" : "yes") : up ? "down" : "no");
    else if (text && *text)
        strbuf_puts(out, text);
    else if (json_array_size(value) > 0)
        format_array(out, name, value);
    else if (json_object_size(value) > 0) {
        AUTO_FREE char *json = json_dumps(value, JSON_COMPACT);

        strbuf_puts(out, json);
    } else
        strbuf_puts(out, "-");
}
