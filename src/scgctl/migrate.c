/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "scgctl/cli.h"

/* The order as REST wants it. Null: a complaint was printed. */
static json_t *make_order(const struct cli *cli)
{
    const char *to = cli->options.to, *slash = to ? strchr(to, '/') : NULL;

    if (!to) {
        cli_complain("migrate needs --to DC/SERVER");
        return NULL;
    }
    if (!slash || slash == to || !slash[1] || strchr(slash + 1, '/')) {
        cli_complain("--to: '%s' is not DC/SERVER", to);
        return NULL;
    }

    json_t *vms = json_array();
    for (unsigned i = 0; i < cli->n_arguments; i++)
        json_array_append_new(vms, json_string(cli->arguments[i]));
    json_t *order = json_pack("{s:o, s:{s:s%, s:s}}", "vms", vms, "to", "dc", to, (size_t) (slash - to), "server",
                              slash + 1);
    if (order && cli->options.bandwidth_mbps)
        json_object_set_new(order, "bandwidth-mbps", json_integer(cli->options.bandwidth_mbps));
    if (!order)
        cli_complain("--to: '%s' is not UTF-8", to);
    return order;
}

static enum cli_exit dry_run(struct cli *cli, const json_t *order)
{
    AUTO_STRBUF struct strbuf text = {0};
    struct err err = {0};
    json_t *plan = NULL;
    enum client_outcome outcome = client_call(cli->client, "POST", "/v1/plans", order, &plan, &err);

    if (outcome)
        return cli_fail(outcome, &err);
    if (cli->options.json) {
        cli_print_json(plan);
    } else {
        const char *lines = json_string_value(json_object_get(plan, "text"));

        strbuf_puts(&text, lines ? lines : "");
        cli_print(&text);
    }
    json_decref(plan);
    return CLI_DONE;
}

static enum cli_exit ordered(struct cli *cli, const json_t *migration)
{
    AUTO_STRBUF struct strbuf text = {0};
    const char *id = json_string_value(json_object_get(migration, "id"));

    if (!id) {
        cli_complain("the gateway accepted the order and did not tell its id; see 'scgctl migration list'");
        return CLI_FAILED;
    }
    if (cli->options.given[OPTION_WATCH])
        return watch_migration(cli, id);
    if (cli->options.json) {
        cli_print_json(migration);
    } else {
        strbuf_printf(&text, "%s\n", id);
        cli_print(&text);
    }
    return CLI_DONE;
}

enum cli_exit run_migrate(struct cli *cli, const struct command *command)
{
    json_t *order = make_order(cli), *migration = NULL;
    struct err err = {0};
    enum cli_exit result;

    (void) command;
    if (!order)
        return CLI_USAGE;
    if (cli->options.given[OPTION_DRY_RUN]) {
        result = dry_run(cli, order);
    } else {
        enum client_outcome outcome = client_call(cli->client, "POST", "/v1/migrations", order, &migration, &err);

        result = outcome ? cli_fail(outcome, &err) : ordered(cli, migration);
        if (outcome == CLIENT_LOST)
            cli_complain("the migration may have begun; see 'scgctl migration list'");
    }
    json_decref(order);
    json_decref(migration);
    return result;
}
