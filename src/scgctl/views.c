/* SPDX-License-Identifier: Apache-2.0 */
/* Collections and objects of the gateway as tables. */
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/policy.h"
#include "scgctl/format.h"

#define COLUMNS_MAX 8

/* A column: its heading, and the member that it shows. "a.b" shows b of the object a, or of every object in the
 * array a; "a#" shows how many members the array a has; "a|b" shows b where there is no a. */
struct column {
    const char *heading, *member;
};

static const struct list {
    const char *collection;
    struct column columns[COLUMNS_MAX];
} lists[] = {
    {"vms",
     {{"NAME", "name"},
      {"STATE", "state"},
      {"SERVER", "server"},
      {"SEGMENT", "segment"},
      {"MEMORY", "memory-kib"},
      {"ADDRESS", "interfaces.address"},
      {"POLICY", "policy"},
      {"MIGRATION", "migration"}}},
    {"servers",
     {{"NAME", "name"},
      {"STATE", "up"},
      {"CPUS", "cpus"},
      {"MEMORY", "memory-kib"},
      {"FREE", "memory-free-kib"},
      {"VMS", "vms"},
      {"TOR", "tor"}}},
    {"switches", {{"NAME", "name"}, {"STATE", "up"}, {"ROLE", "role"}, {"DPID", "dpid"}, {"PORTS", "ports#"}}},
    {"links", {{"FROM", "from"}, {"PORT", "from-port"}, {"TO", "to"}, {"PORT", "to-port"}}},
    {"segments",
     {{"NAME", "name"},
      {"GATEWAY", "gateway"},
      {"OPEN", "open"},
      {"MODE", "mode"},
      {"VLAN", "vlan"},
      {"VMS", "vms"},
      {"ENDS", "ends.switch"},
      {"LABELS", "ends.label"}}},
    {"tunnels",
     {{"NAME", "name"}, {"STATE", "state"}, {"SEGMENTS", "segments"}, {"PATH", "path.node"}, {"ERROR", "error"}}},
    {"channels",
     {{"NAME", "name"},
      {"KIND", "kind"},
      {"STATE", "state"},
      {"FOR", "peer|user"},
      {"BANDWIDTH", "bandwidth-mbps"},
      {"FREE", "free-mbps"},
      {"PATH", "path.node|error"}}},
    {"users",
     {{"NAME", "name"},
      {"SEGMENT", "segment"},
      {"ROUTER", "access.router"},
      {"CLIENT", "access.client"},
      {"BANDWIDTH", "bandwidth-mbps"},
      {"ADDRESSES", "addresses"},
      {"VMS", "vms"},
      {"CONNECTED", "connected"}}},
    {"peers", {{"NAME", "name"}, {"ADDRESS", "address"}, {"PORT", "port"}, {"STATE", "state"}, {"ERROR", "error"}}},
    {"policies",
     {{"VM", "policy"},
      {"FROM-VM", "default.from-vm"},
      {"TO-VM", "default.to-vm"},
      {"RULES", "rules#"},
      {"KBIT/S FROM-VM", "rate-limit.from-vm.kbps"},
      {"KBIT/S TO-VM", "rate-limit.to-vm.kbps"}}},
    {"address-sets", {{"NAME", "name"}, {"PREFIXES", "prefixes"}, {"POLICIES", "policies"}}},
    {"migrations",
     {{"ID", "id"},
      {"STATE", "state"},
      {"VMS", "vms.name"},
      {"FATE", "vms.fate"},
      {"FROM", "from-dc"},
      {"TO", "to-dc"},
      {"SERVER", "to-server"},
      {"CREATED", "created-ms"}}},
    {"journal", {{"TIME", "time"}, {"STEP", "step"}, {"EVENT", "event"}, {"DETAIL", "detail"}}},
};

static void format_path(struct strbuf *out, const json_t *object, const char *path)
{
    size_t n = strcspn(path, ".#");
    AUTO_FREE char *name = xstrndup(path, n);
    const json_t *value = json_object_get(object, name);

    if (path[n] == '\0') {
        format_member(out, name, value);
    } else if (path[n] == '#') {
        strbuf_printf(out, "%zu", json_array_size(value));
    } else if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            strbuf_puts(out, i ? "," : "");
            format_path(out, json_array_get(value, i), path + n + 1);
        }
        if (json_array_size(value) == 0)
            strbuf_puts(out, "-");
    } else {
        format_path(out, value, path + n + 1);
    }
}

/* Adds a cell that shows 'path' of 'object'. What is absent is '-', but an absent default of a policy is 'deny'. */
static void add_cell(struct table *table, const json_t *object, const char *path)
{
    AUTO_STRBUF struct strbuf cell = {0};
    bool of_default = strncmp(path, "default.", 8) == 0;

    do {
        size_t n = strcspn(path, "|");
        AUTO_FREE char *one = xstrndup(path, n);

        strbuf_clear(&cell);
        format_path(&cell, object, one);
        path += path[n] ? n + 1 : n;
    } while (*path && strcmp(cell.text, "-") == 0);
    table_add(table, of_default && strcmp(cell.text, "-") == 0 ? "deny" : cell.text);
}

static int compare_names(const json_t *a, const json_t *b, const char *key)
{
    const char *left = json_string_value(json_object_get(a, key));
    const char *right = json_string_value(json_object_get(b, key));

    return left && right ? strverscmp(left, right) : 0;
}

static int by_name(const void *a, const void *b, void *key)
{
    return compare_names(*(json_t *const *) a, *(json_t *const *) b, key);
}

static int by_port(const void *a, const void *b)
{
    const json_t *left = *(json_t *const *) a, *right = *(json_t *const *) b;
    int order = compare_names(left, right, "from");

    return order ? order : compare_names(left, right, "from-port");
}

/* Latest first; of one millisecond, by id, so that the list is always the same. */
static int by_time(const void *a, const void *b)
{
    const json_t *left = *(json_t *const *) a, *right = *(json_t *const *) b;
    json_int_t l = json_integer_value(json_object_get(left, "created-ms"));
    json_int_t r = json_integer_value(json_object_get(right, "created-ms"));

    return l != r ? (l < r ? 1 : -1) : -compare_names(left, right, "id");
}

static void sort_rows(json_t **rows, size_t n, const struct list *list)
{
    const char *key = list->columns[0].member;

    if (strcmp(key, "name") == 0 || strcmp(key, "policy") == 0)
        qsort_r(rows, n, sizeof *rows, by_name, (void *) (uintptr_t) key);
    else if (strcmp(list->collection, "links") == 0)
        qsort(rows, n, sizeof *rows, by_port);
    else if (strcmp(list->collection, "migrations") == 0)
        qsort(rows, n, sizeof *rows, by_time);
}

static void format_list(struct strbuf *out, const struct list *list, const json_t *array)
{
    size_t n = json_array_size(array);
    AUTO_FREE json_t **rows = xcalloc(n + 1, sizeof *rows);
    struct table table = {0};

    for (size_t i = 0; i < n; i++)
        rows[i] = json_array_get(array, i);
    sort_rows(rows, n, list);
    while (table.n_columns < COLUMNS_MAX && list->columns[table.n_columns].heading)
        table_add(&table, list->columns[table.n_columns++].heading);
    for (size_t i = 0; i < n; i++) {
        for (unsigned c = 0; c < table.n_columns; c++)
            add_cell(&table, rows[i], list->columns[c].member);
    }
    table_format(&table, "", out);
    table_free(&table);
}

void format_collection(struct strbuf *out, const char *collection, const json_t *json)
{
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        if (strcmp(lists[i].collection, collection) == 0)
            format_list(out, &lists[i], json_object_get(json, collection));
    }
}

/* ---- one object ---- */

static bool is_table(const json_t *value)
{
    return json_is_object(json_array_get(value, 0));
}

/* A member's name without its unit, which stands with the value. Caller frees. */
static char *label_of(const char *name)
{
    static const char *const units[] = {"-kib", "-mbps", "-ms"};
    size_t n = strlen(name);

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        size_t m = strlen(units[i]);

        if (n > m && strcmp(name + n - m, units[i]) == 0)
            return xstrndup(name, n - m);
    }
    return xstrdup(name);
}

/* Columns are the members of the first row that has the most; rows of steps and ports are all alike. */
static void format_rows(struct strbuf *out, const char *title, const json_t *array)
{
    struct table table = {0};
    const json_t *widest = json_array_get(array, 0);
    const char *name;
    json_t *value;

    for (size_t i = 1; i < json_array_size(array); i++) {
        if (json_object_size(json_array_get(array, i)) > json_object_size(widest))
            widest = json_array_get(array, i);
    }
    strbuf_printf(out, "\n%s:\n", title);
    json_object_foreach((json_t *) widest, name, value) {
        AUTO_FREE char *heading = label_of(name);

        if (json_is_object(value))
            continue;
        for (char *c = heading; *c; c++)
            *c = (char) toupper((unsigned char) *c);
        table_add(&table, heading);
        table.n_columns++;
    }
    for (size_t i = 0; i < json_array_size(array); i++) {
        json_object_foreach((json_t *) widest, name, value) {
            if (!json_is_object(value))
                add_cell(&table, json_array_get(array, i), name);
        }
    }
    if (table.n_columns)
        table_format(&table, "  ", out);
    table_free(&table);
}

void format_object(struct strbuf *out, const json_t *json)
{
    struct table table = {.n_columns = 2};
    const char *name;
    json_t *value;

    json_object_foreach((json_t *) json, name, value) {
        AUTO_STRBUF struct strbuf cell = {0};
        AUTO_FREE char *label = label_of(name);

        if (is_table(value))
            continue;
        format_member(&cell, name, value);
        table_add(&table, label);
        table_add(&table, cell.text);
    }
    table_format(&table, "", out);
    table_free(&table);
    json_object_foreach((json_t *) json, name, value) {
        if (is_table(value))
            format_rows(out, name, value);
    }
}

/* ---- policies ---- */

static void format_direction(struct strbuf *out, const struct policy *policy, enum policy_direction direction)
{
    const struct policy_rate *rate = &policy->rate[direction];
    const struct policy_new_limit *limit = &policy->new_limit[direction];

    strbuf_printf(out, "%s  %s by default", direction == POLICY_FROM_VM ? "from-vm" : "to-vm  ",
                  policy_verdict_name(policy->default_verdict[direction]));
    if (rate->kbps)
        strbuf_printf(out, ", at most %u kbit/s", rate->kbps);
    if (rate->burst_kbit)
        strbuf_printf(out, " with bursts of %u kbit", rate->burst_kbit);
    if (limit->per_second)
        strbuf_printf(out, ", at most %u new connections/s", limit->per_second);
    if (limit->burst)
        strbuf_printf(out, ", %u at once", limit->burst);
    strbuf_puts(out, "\n");
}

static void format_class(struct strbuf *out, const struct policy_class *class)
{
    strbuf_printf(out, "  %s, DSCP %u", class->name, class->dscp);
    for (unsigned d = 0; d < 2; d++) {
        const struct policy_rate *rate = &class->rate[d];
        const struct policy_queue *queue = &class->queue[d];
        const char *way = d == POLICY_FROM_VM ? "from-vm" : "to-vm";

        if (rate->kbps)
            strbuf_printf(out, ", %s at most %u kbit/s", way, rate->kbps);
        if (rate->burst_kbit)
            strbuf_printf(out, " with bursts of %u kbit", rate->burst_kbit);
        if (policy_class_queued(class, d))
            strbuf_printf(out, ", %s queued", way);
        if (queue->min_kbps)
            strbuf_printf(out, ", promised %u kbit/s", queue->min_kbps);
        if (queue->max_kbps)
            strbuf_printf(out, ", up to %u kbit/s", queue->max_kbps);
        if (queue->priority)
            strbuf_printf(out, ", priority %u", queue->priority);
    }
    strbuf_puts(out, "\n");
}

void format_policy(struct strbuf *out, const json_t *json)
{
    struct policy policy = {0};

    if (policy_from_json_with(json, &policy_book_unknown, &policy, NULL) < 0) { /* of a later version */
        format_object(out, json);
        return;
    }
    strbuf_printf(out, "policy   %s\n", policy.name);
    format_direction(out, &policy, POLICY_FROM_VM);
    format_direction(out, &policy, POLICY_TO_VM);
    if (policy.n_classes)
        strbuf_puts(out, "classes:\n");
    for (unsigned i = 0; i < policy.n_classes; i++)
        format_class(out, &policy.classes[i]);
    for (size_t i = 0; i < policy.n_rules; i++) {
        AUTO_FREE char *rule = policy_rule_format(&policy.rules[i]);

        strbuf_printf(out, "%s%4zu  %s\n", i ? "" : "rules:\n", i + 1, rule);
    }
    policy_free(&policy);
}

void format_verification(struct strbuf *out, const json_t *json)
{
    json_int_t count = json_integer_value(json_object_get(json, "count"));
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(json, "findings"), i, item) {
        strbuf_printf(out, "%s: %s\n", json_string_value(json_object_get(item, "kind")),
                      json_string_value(json_object_get(item, "text")));
    }
    json_array_foreach(json_object_get(json, "switches"), i, item) {
        strbuf_printf(out, "%s: %lld flows expected, of %lld VMs and the switch itself%s\n",
                      json_string_value(json_object_get(item, "name")),
                      (long long) json_integer_value(json_object_get(item, "flows")),
                      (long long) json_integer_value(json_object_get(item, "vms")),
                      json_is_true(json_object_get(item, "settled")) ? "" : "; it was being changed meanwhile");
    }
    if (count)
        strbuf_printf(out, "%lld differences\n", (long long) count);
    else
        strbuf_puts(out, "all is as it shall be\n");
}
