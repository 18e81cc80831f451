/* SPDX-License-Identifier: Apache-2.0 */
/* What scgctl's commands share. */
#ifndef SCGCTL_CLI_H
#define SCGCTL_CLI_H

#include "base/strbuf.h"
#include "scgctl/client.h"
#include "scgctl/options.h"

/* Exit statuses of the program. */
enum cli_exit {
    CLI_DONE = 0,
    CLI_FAILED = 1, /* refused by the gateway, or a migration that did not move every VM */
    CLI_USAGE = 2,
    CLI_NO_GATEWAY = 3,   /* not reachable, or the connection was lost */
    CLI_INTERRUPTED = 130 /* Ctrl-C while watching */
};

struct cli {
    struct options options;
    struct client *client;
    const char *const *arguments; /* the words after the command's */
    unsigned n_arguments;
};

/* A row of the table of commands. */
struct command {
    const char *noun, *verb; /* verb null: the noun alone */
    const char *arguments;   /* for help, e.g. "NAME" */
    unsigned least, most;    /* arguments */
    unsigned options;        /* bits 1 << enum option that it takes besides the common ones */
    const char *summary;
    enum cli_exit (*run)(struct cli *cli, const struct command *command);
    const char *collection; /* of REST, where the command is about one */
};

#define ANY_NUMBER UINT32_MAX

extern const struct command commands[];
extern const size_t n_commands;

/* Each prints and returns the exit status that belongs to it. */
enum cli_exit cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
enum cli_exit cli_fail(enum client_outcome outcome, const struct err *err);
void cli_complain(const char *format, ...) __attribute__((format(printf, 1, 2))); /* "scgctl: ..." on stderr */
void cli_print(const struct strbuf *text);                                        /* on stdout, at once */
void cli_print_json(const json_t *json);                                          /* indented, with a newline */

/* The command that the words name. Null and 'err' if there is none. '*ret_words' is how many words it has. */
const struct command *command_find(const char *const *words, unsigned n_words, unsigned *ret_words, struct err *err);
void help_all(struct strbuf *out);
void help_command(struct strbuf *out, const struct command *command);
/* Of all commands that begin with the noun; false, and nothing written, if it has none of several words. */
bool help_group(struct strbuf *out, const char *noun);

/* Commands in files of their own. */
enum cli_exit run_migrate(struct cli *cli, const struct command *command);
enum cli_exit run_watch(struct cli *cli, const struct command *command);
enum cli_exit run_events(struct cli *cli, const struct command *command);
enum cli_exit run_apply(struct cli *cli, const struct command *command);

/* Follows a migration until it has ended. */
enum cli_exit watch_migration(struct cli *cli, const char *id);

#endif
