/* SPDX-License-Identifier: Apache-2.0 */
/* Channels, tunnels, users and the transport networks that they need: objects and topology, as tables and a graph. */
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "scgctl/format.h"

static const char *text_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));

    return text ? text : "-";
}

static long long number_of(const json_t *object, const char *member)
{
    return (long long) json_integer_value(json_object_get(object, member));
}

/* ---- channels ---- */

/* The nodes of a path, as the links between them: each frame crosses one with these two labels. Caller frees. */
static json_t *links_of_path(const json_t *path)
{
    json_t *links = json_array();

    for (size_t i = 1; i < json_array_size(path); i++) {
        const json_t *node = json_array_get(path, i);
        json_t *link = json_pack("{s:s, s:s}", "from", text_of(json_array_get(path, i - 1), "node"), "to",
                                 text_of(node, "node"));

        json_object_update_missing(link, (json_t *) node);
        json_object_del(link, "node");
        json_array_append_new(links, link);
    }
    return links;
}

/* "10.253.0.13, VLAN 100" */
static json_t *view_end(const json_t *channel, const char *end)
{
    AUTO_FREE char *member = xasprintf("%s-vlan", end);
    long long vlan = number_of(channel, member);
    bool up = strcmp(text_of(channel, "state"), "up") == 0;
    AUTO_FREE char *text = vlan ? xasprintf("%s, VLAN %lld", text_of(channel, end), vlan) :
                                  xasprintf("%s%s", text_of(channel, end), up ? ", the whole port" : "");

    return json_string(text);
}

void format_channel(struct strbuf *out, const json_t *json)
{
    json_t *view = json_copy((json_t *) json);

    if (json_object_get(json, "ingress")) {
        json_object_set_new(view, "ingress", view_end(json, "ingress"));
        json_object_set_new(view, "egress", view_end(json, "egress"));
    }
    json_object_del(view, "ingress-vlan");
    json_object_del(view, "egress-vlan");
    if (json_object_get(json, "path"))
        json_object_set_new(view, "path", links_of_path(json_object_get(json, "path")));
    format_object(out, view);
    json_decref(view);
}

void format_tunnel(struct strbuf *out, const json_t *json)
{
    json_t *view = json_copy((json_t *) json);

    json_object_set_new(view, "path", links_of_path(json_object_get(json, "path")));
    format_object(out, view);
    json_decref(view);
}

/* ---- users ---- */

void format_user(struct strbuf *out, const json_t *json)
{
    const json_t *access = json_object_get(json, "access");
    long long vlan = number_of(access, "vlan");
    AUTO_FREE char *port = xasprintf("%s, client port %lld", text_of(access, "router"), number_of(access, "client"));
    AUTO_FREE char *text = vlan ? xasprintf("%s, VLAN %lld", port, vlan) : xasprintf("%s, the whole port", port);
    json_t *view = json_copy((json_t *) json);

    json_object_set_new(view, "access", json_string(text));
    format_object(out, view);
    json_decref(view);
}

/* ---- the topology ---- */

/* "9000 Mbit/s", or, where priorities differ, "0-3: 10000, 4-7: 5000 Mbit/s". */
static char *free_text(const json_t *link)
{
    const json_t *unreserved = json_object_get(link, "unreserved-mbps");
    size_t n = json_array_size(unreserved);
    struct strbuf text = {0};

    for (size_t first = 0, next; first < n; first = next) {
        json_int_t mbps = json_integer_value(json_array_get(unreserved, first));

        for (next = first + 1; next < n && json_integer_value(json_array_get(unreserved, next)) == mbps;)
            next++;
        if (first)
            strbuf_puts(&text, ", ");
        if (next - first < n && next - first > 1)
            strbuf_printf(&text, "%zu-%zu: ", first, next - 1);
        else if (next - first < n)
            strbuf_printf(&text, "%zu: ", first);
        strbuf_printf(&text, "%lld", (long long) mbps);
    }
    strbuf_puts(&text, n ? " Mbit/s" : "-");
    return strbuf_take(&text);
}

/* "-" for 0. */
static void add_number(struct table *table, const char *unit, long long number)
{
    AUTO_FREE char *text = number ? xasprintf("%lld%s", number, unit) : xstrdup("-");

    table_add(table, text);
}

static void add_link(struct table *table, const json_t *link)
{
    AUTO_FREE char *group = xasprintf("0x%llx", number_of(link, "admin-group"));
    AUTO_FREE char *free_mbps = free_text(link);

    table_add(table, text_of(link, "from"));
    table_add(table, text_of(link, "to"));
    table_add(table, text_of(link, "local"));
    table_add(table, text_of(link, "remote"));
    add_number(table, "", number_of(link, "metric"));
    add_number(table, " us", number_of(link, "delay-us"));
    table_add(table, number_of(link, "admin-group") ? group : "-");
    add_number(table, " Mbit/s", number_of(link, "bandwidth-mbps"));
    table_add(table, free_mbps);
}

/* The links of an area that follow each other. Returns the index of the first that is of another one. */
static size_t format_area(struct strbuf *out, const json_t *links, size_t first)
{
    static const char *const headings[] = {"FROM",  "TO",    "LOCAL",     "REMOTE", "METRIC",
                                           "DELAY", "GROUP", "BANDWIDTH", "FREE"};
    const char *area = text_of(json_array_get(links, first), "area");
    struct table table = {.n_columns = ARRAY_LEN(headings)};
    size_t i = first;

    for (size_t h = 0; h < ARRAY_LEN(headings); h++)
        table_add(&table, headings[h]);
    for (; i < json_array_size(links) && strcmp(text_of(json_array_get(links, i), "area"), area) == 0; i++)
        add_link(&table, json_array_get(links, i));
    strbuf_printf(out, "\narea %s:\n", area);
    table_format(&table, "  ", out);
    table_free(&table);
    return i;
}

void format_transport(struct strbuf *out, const json_t *json)
{
    const json_t *links = json_object_get(json, "links"), *ingresses = json_object_get(json, "ingresses");

    strbuf_printf(out, "topology   %s\n",
                  json_is_true(json_object_get(json, "synced")) ? "as ospfd tells it" :
                  json_array_size(links) ? "old: there is no session with ospfd; this is what it told last" :
                                           "unknown: there is no session with ospfd");
    strbuf_puts(out, "ingresses  ");
    format_member(out, "ingresses", ingresses);
    strbuf_puts(out, json_array_size(ingresses) ? "\n" : ": no transport node sets up LSPs for this gateway\n");
    for (size_t i = 0; i < json_array_size(links);)
        i = format_area(out, links, i);
}

/* What the worst priority finds free: nothing has to be preempted for it. */
static long long least_free(const json_t *link)
{
    const json_t *unreserved = json_object_get(link, "unreserved-mbps");

    return (long long) json_integer_value(json_array_get(unreserved, json_array_size(unreserved) - 1));
}

static const json_t *other_direction(const json_t *links, const json_t *link)
{
    for (size_t i = 0; i < json_array_size(links); i++) {
        const json_t *other = json_array_get(links, i);

        if (strcmp(text_of(other, "local"), text_of(link, "remote")) == 0 &&
            strcmp(text_of(other, "remote"), text_of(link, "local")) == 0)
            return other;
    }
    return NULL;
}

static void format_edge(struct strbuf *out, const json_t *links, const json_t *link)
{
    const json_t *other = other_direction(links, link);
    long long free_mbps = least_free(link);

    if (other && strcmp(text_of(link, "local"), text_of(link, "remote")) > 0)
        return;
    if (other && least_free(other) < free_mbps)
        free_mbps = least_free(other);
    strbuf_printf(out, "  \"%s\" -> \"%s\" [label=\"%lld of %lld Mbit/s free\\nmetric %lld\"%s];\n",
                  text_of(link, "from"), text_of(link, "to"), free_mbps, number_of(link, "bandwidth-mbps"),
                  number_of(link, "metric"), other ? "" : ", dir=forward, style=dashed");
}

void format_transport_dot(struct strbuf *out, const json_t *json)
{
    const json_t *links = json_object_get(json, "links"), *ingresses = json_object_get(json, "ingresses");

    strbuf_puts(out, "digraph transport {\n  node [shape=box];\n  edge [dir=both, fontsize=10];\n");
    for (size_t i = 0; i < json_array_size(ingresses); i++)
        strbuf_printf(out, "  \"%s\" [peripheries=2];\n", json_string_value(json_array_get(ingresses, i)));
    for (size_t i = 0; i < json_array_size(links); i++)
        format_edge(out, links, json_array_get(links, i));
    strbuf_puts(out, "}\n");
}
