/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands, and those that are one call each. */
#include <string.h>

#include "base/alloc.h"
#include "scgctl/cli.h"
#include "scgctl/format.h"

/* By 'format', or as JSON if that is wanted. */
static void print_answer(const struct cli *cli, const json_t *json,
                         void (*format)(struct strbuf *out, const json_t *json))
{
    AUTO_STRBUF struct strbuf text = {0};

    if (cli->options.json) {
        cli_print_json(json);
    } else {
        format(&text, json);
        cli_print(&text);
    }
}

/* GETs 'path' and hands the answer to 'format', or prints it as JSON. */
static enum cli_exit show(struct cli *cli, const char *path, void (*format)(struct strbuf *out, const json_t *json))
{
    struct err err = {0};
    json_t *json = NULL;
    enum client_outcome outcome = client_call(cli->client, "GET", path, NULL, &json, &err);

    if (outcome)
        return cli_fail(outcome, &err);
    print_answer(cli, json, format);
    json_decref(json);
    return CLI_DONE;
}

/* A list's answer is an object with one member, called like its collection. */
static void format_list(struct strbuf *out, const json_t *json)
{
    format_collection(out, json_object_iter_key(json_object_iter((json_t *) json)), json);
}

static enum cli_exit run_list(struct cli *cli, const struct command *command)
{
    AUTO_FREE char *path = xasprintf("/v1/%s", command->collection);

    return show(cli, path, format_list);
}

static enum cli_exit run_show(struct cli *cli, const struct command *command)
{
    AUTO_FREE char *name = client_escape(cli->arguments[0]);
    AUTO_FREE char *path = xasprintf("/v1/%s/%s", command->collection, name);

    return show(cli, path,
                strcmp(command->collection, "policies") == 0 ? format_policy :
                strcmp(command->collection, "channels") == 0 ? format_channel :
                strcmp(command->collection, "tunnels") == 0  ? format_tunnel :
                strcmp(command->collection, "users") == 0    ? format_user :
                                                               format_object);
}

static enum cli_exit run_transport(struct cli *cli, const struct command *command)
{
    (void) command;
    if (cli->options.given[OPTION_DOT] && cli->options.json)
        return cli_usage("--dot and --output json are two things; give one of them");
    return show(cli, "/v1/transport", cli->options.given[OPTION_DOT] ? format_transport_dot : format_transport);
}

static enum cli_exit run_journal(struct cli *cli, const struct command *command)
{
    AUTO_FREE char *id = client_escape(cli->arguments[0]);
    AUTO_FREE char *path = xasprintf("/v1/%s/%s/journal", command->collection, id);

    return show(cli, path, format_list);
}

static enum cli_exit run_cancel(struct cli *cli, const struct command *command)
{
    AUTO_STRBUF struct strbuf text = {0};
    AUTO_FREE char *id = client_escape(cli->arguments[0]);
    AUTO_FREE char *path = xasprintf("/v1/%s/%s/cancel", command->collection, id);
    struct err err = {0};
    json_t *json = NULL;
    enum client_outcome outcome = client_call(cli->client, "POST", path, NULL, &json, &err);

    if (outcome)
        return cli_fail(outcome, &err);
    if (cli->options.json) {
        cli_print_json(json);
    } else {
        strbuf_printf(&text, "migration %s is being cancelled; see 'scgctl migration watch %s'\n", cli->arguments[0],
                      cli->arguments[0]);
        cli_print(&text);
    }
    json_decref(json);
    return CLI_DONE;
}

/* It fails if something differs, so that scripts see it. */
static enum cli_exit run_verify(struct cli *cli, const struct command *command)
{
    struct err err = {0};
    json_t *json = NULL;
    (void) command;

    if (cli->options.given[OPTION_ALL] == (cli->n_arguments == 1))
        return cli_usage("policy verify needs a VM or --all");
    AUTO_FREE char *vm = cli->n_arguments ? client_escape(cli->arguments[0]) : NULL;
    AUTO_FREE char *path = vm ? xasprintf("/v1/vms/%s/verification", vm) : xstrdup("/v1/verification");
    enum client_outcome outcome = client_call(cli->client, "POST", path, NULL, &json, &err);

    if (outcome)
        return cli_fail(outcome, &err);
    print_answer(cli, json, format_verification);
    bool verified = json_is_true(json_object_get(json, "verified"));
    json_decref(json);
    return verified ? CLI_DONE : CLI_FAILED;
}

static enum cli_exit run_delete(struct cli *cli, const struct command *command)
{
    AUTO_STRBUF struct strbuf text = {0};
    AUTO_FREE char *name = client_escape(cli->arguments[0]);
    AUTO_FREE char *path = xasprintf("/v1/%s/%s", command->collection, name);
    struct err err = {0};
    enum client_outcome outcome = client_call(cli->client, "DELETE", path, NULL, NULL, &err);

    if (outcome)
        return cli_fail(outcome, &err);
    if (!cli->options.json) {
        strbuf_printf(&text, "%s%s %s %s\n", command->noun, strcmp(command->noun, "policy") == 0 ? " of" : "",
                      cli->arguments[0], strcmp(command->noun, "channel") == 0 ? "is being taken down" : "deleted");
        cli_print(&text);
    }
    return CLI_DONE;
}

static enum cli_exit run_channel_create(struct cli *cli, const struct command *command)
{
    AUTO_STRBUF struct strbuf text = {0};
    AUTO_FREE char *path = xasprintf("/v1/%s", command->collection);
    json_t *body = json_pack("{s:s}", "peer", cli->arguments[0]), *answer = NULL;
    struct err err = {0};

    if (cli->options.given[OPTION_BANDWIDTH])
        json_object_set_new(body, "bandwidth-mbps", json_integer(cli->options.bandwidth_mbps));
    enum client_outcome outcome = client_call(cli->client, "POST", path, body, &answer, &err);

    json_decref(body);
    if (outcome)
        return cli_fail(outcome, &err);
    if (cli->options.json) {
        cli_print_json(answer);
    } else {
        const char *name = json_string_value(json_object_get(answer, "name"));

        strbuf_printf(&text, "channel %s is being set up; see 'scgctl channel show %s'\n", name, name);
        cli_print(&text);
    }
    json_decref(answer);
    return CLI_DONE;
}

static enum cli_exit run_health(struct cli *cli, const struct command *command)
{
    (void) command;
    return show(cli, "/healthz", format_object);
}

static enum cli_exit run_version(struct cli *cli, const struct command *command)
{
    AUTO_STRBUF struct strbuf text = {0};

    (void) cli;
    (void) command;
    strbuf_puts(&text, "scgctl " SCG_VERSION "\n");
    cli_print(&text);
    return CLI_DONE;
}

static enum cli_exit run_help(struct cli *cli, const struct command *command)
{
    AUTO_STRBUF struct strbuf text = {0};
    struct err err = {0};
    unsigned words;

    (void) command;
    if (cli->n_arguments == 0) {
        help_all(&text);
    } else if (cli->n_arguments > 1 || !help_group(&text, cli->arguments[0])) {
        const struct command *about = command_find(cli->arguments, cli->n_arguments, &words, &err);

        if (!about)
            return cli_usage("%s", err.text);
        help_command(&text, about);
    }
    cli_print(&text);
    return CLI_DONE;
}

#define MIGRATE_OPTIONS (1u << OPTION_TO | 1u << OPTION_BANDWIDTH | 1u << OPTION_DRY_RUN | 1u << OPTION_WATCH)

const struct command commands[] = {
    {"vm", "list", "", 0, 0, 0, "List the VMs of the data center", run_list, "vms"},
    {"vm", "show", "NAME", 1, 1, 0, "Show a VM", run_show, "vms"},
    {"server", "list", "", 0, 0, 0, "List the servers", run_list, "servers"},
    {"server", "show", "NAME", 1, 1, 0, "Show a server", run_show, "servers"},
    {"switch", "list", "", 0, 0, 0, "List the switches", run_list, "switches"},
    {"switch", "show", "NAME", 1, 1, 0, "Show a switch and its ports", run_show, "switches"},
    {"link", "list", "", 0, 0, 0, "List the links that LLDP has found", run_list, "links"},
    {"segment", "list", "", 0, 0, 0, "List the segments and how they are carried here", run_list, "segments"},
    {"tunnel", "list", "", 0, 0, 0, "List the tunnels between ToRs and PE, of VPLS mode", run_list, "tunnels"},
    {"tunnel", "show", "NAME", 1, 1, 0, "Show a tunnel with the nodes and labels of its path", run_show, "tunnels"},
    {"channel", "list", "", 0, 0, 0, "List migration channels and users' circuits", run_list, "channels"},
    {"channel", "show", "NAME", 1, 1, 0, "Show a channel with the nodes and labels of its path", run_show, "channels"},
    {"channel", "create", "DC", 1, 1, 1u << OPTION_BANDWIDTH, "Set up a migration channel that stays",
     run_channel_create, "channels"},
    {"channel", "delete", "NAME", 1, 1, 0, "Take a migration channel down", run_delete, "channels"},
    {"user", "list", "", 0, 0, 0, "List the users on transport networks", run_list, "users"},
    {"user", "show", "NAME", 1, 1, 0, "Show a user", run_show, "users"},
    {"user", "apply", "FILE...", 1, ANY_NUMBER, 0, "Set users from YAML or JSON files, '-' being the input", run_apply,
     "users"},
    {"user", "delete", "NAME", 1, 1, 0, "Delete a user, and take its circuit down", run_delete, "users"},
    {"transport", NULL, "", 0, 0, 1u << OPTION_DOT, "Show the transport networks and what is free on their links",
     run_transport, "transport"},
    {"peer", "list", "", 0, 0, 0, "List the gateways of other data centers", run_list, "peers"},
    {"policy", "list", "", 0, 0, 0, "List the policies of VMs", run_list, "policies"},
    {"policy", "show", "VM", 1, 1, 0, "Show a VM's policy", run_show, "policies"},
    {"policy", "apply", "FILE...", 1, ANY_NUMBER, 0, "Set policies from YAML or JSON files, '-' being the input",
     run_apply, "policies"},
    {"policy", "delete", "VM", 1, 1, 0, "Delete a VM's policy", run_delete, "policies"},
    {"policy", "verify", "[VM]", 0, 1, 1u << OPTION_ALL,
     "Hold a VM's ToR, or with --all every one, against its policies", run_verify, "policies"},
    {"set", "list", "", 0, 0, 0, "List the address sets that policies share", run_list, "address-sets"},
    {"set", "show", "NAME", 1, 1, 0, "Show an address set, and whose policies use it", run_show, "address-sets"},
    {"set", "apply", "FILE...", 1, ANY_NUMBER, 0, "Set address sets from YAML or JSON files, '-' being the input",
     run_apply, "address-sets"},
    {"set", "delete", "NAME", 1, 1, 0, "Delete an address set that no policy uses", run_delete, "address-sets"},
    {"migrate", NULL, "VM...", 1, ANY_NUMBER, MIGRATE_OPTIONS, "Move VMs to a server of another data center",
     run_migrate, "migrations"},
    {"migration", "list", "", 0, 0, 0, "List the migrations, latest first", run_list, "migrations"},
    {"migration", "show", "ID", 1, 1, 0, "Show a migration with its VMs and steps", run_show, "migrations"},
    {"migration", "watch", "ID", 1, 1, 0, "Follow a migration until it has ended", run_watch, "migrations"},
    {"migration", "cancel", "ID", 1, 1, 0, "Undo a migration as far as its VMs have not moved", run_cancel,
     "migrations"},
    {"migration", "journal", "ID", 1, 1, 0, "Show what was done for a migration, in order", run_journal, "migrations"},
    {"events", NULL, "", 0, 0, 0, "Follow what happens, until interrupted", run_events, NULL},
    {"health", NULL, "", 0, 0, 0, "Show how the gateway is", run_health, NULL},
    {"version", NULL, "", 0, 0, 0, "Print the version of scgctl", run_version, NULL},
    {"help", NULL, "[COMMAND]", 0, 2, 0, "Print help, of one command or of all", run_help, NULL},
};
const size_t n_commands = ARRAY_LEN(commands);
