/* SPDX-License-Identifier: Apache-2.0 */
/* transport: the links that the routing protocol of the transport networks has told, as a table or a graph. */
#include <string.h>

#include "base/alloc.h"
#include "scgctl/cli.h"
#include "scgctl/format.h"

/* What the worst priority finds free: nothing has to be preempted for it. */
static json_int_t free_mbps(const json_t *link)
{
    const json_t *unreserved = json_object_get(link, "unreserved-mbps");

    return json_integer_value(json_array_get(unreserved, json_array_size(unreserved) - 1));
}

static const char *text_of(const json_t *link, const char *member)
{
    const char *text = json_string_value(json_object_get(link, member));

    return text ? text : "";
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

/* One edge for both directions of a link; an edge with one arrow is a link that only one of its ends tells of. */
static void format_dot(struct strbuf *out, const json_t *transport)
{
    const json_t *links = json_object_get(transport, "links");

    strbuf_puts(out, "digraph transport {\n  node [shape=box];\n  edge [dir=both, fontsize=10];\n");
    for (size_t i = 0; i < json_array_size(json_object_get(transport, "ingresses")); i++)
        strbuf_printf(out, "  \"%s\" [peripheries=2];\n",
                      json_string_value(json_array_get(json_object_get(transport, "ingresses"), i)));
    for (size_t i = 0; i < json_array_size(links); i++) {
        const json_t *link = json_array_get(links, i), *other = other_direction(links, link);

        if (other && strcmp(text_of(link, "local"), text_of(link, "remote")) > 0)
            continue;
        strbuf_printf(out, "  \"%s\" -> \"%s\" [label=\"%lld/%lld Mbit/s, metric %lld\"%s];\n", text_of(link, "from"),
                      text_of(link, "to"), (long long) free_mbps(link),
                      (long long) json_integer_value(json_object_get(link, "bandwidth-mbps")),
                      (long long) json_integer_value(json_object_get(link, "metric")), other ? "" : ", dir=forward");
    }
    strbuf_puts(out, "}\n");
}

static void format_table(struct strbuf *out, const json_t *transport)
{
    json_t *links = json_deep_copy(json_object_get(transport, "links"));
    const json_t *ingresses = json_object_get(transport, "ingresses");

    for (size_t i = 0; i < json_array_size(links); i++)
        json_object_set_new(json_array_get(links, i), "free-mbps", json_integer(free_mbps(json_array_get(links, i))));
    if (!json_is_true(json_object_get(transport, "synced")))
        strbuf_puts(out, "ospfd does not tell the topology at present; this is what it told last\n");
    strbuf_puts(out, "nodes that set up LSPs for this gateway:");
    for (size_t i = 0; i < json_array_size(ingresses); i++)
        strbuf_printf(out, " %s", json_string_value(json_array_get(ingresses, i)));
    strbuf_puts(out, json_array_size(ingresses) ? "\n" : " none\n");

    json_t *list = json_pack("{s:o}", "links-of-transport", links);
    format_collection(out, "links-of-transport", list);
    json_decref(list);
}

enum cli_exit run_transport(struct cli *cli, const struct command *command)
{
    AUTO_STRBUF struct strbuf text = {0};
    struct err err = {0};
    json_t *json = NULL;
    enum client_outcome outcome = client_call(cli->client, "GET", "/v1/transport", NULL, &json, &err);

    (void) command;
    if (outcome)
        return cli_fail(outcome, &err);
    if (cli->options.json && !cli->options.given[OPTION_DOT]) {
        cli_print_json(json);
    } else {
        (cli->options.given[OPTION_DOT] ? format_dot : format_table)(&text, json);
        cli_print(&text);
    }
    json_decref(json);
    return CLI_DONE;
}
