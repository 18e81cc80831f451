/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a command by its words, and help. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "scgctl/cli.h"

#define COMMON_OPTIONS (1u << OPTION_URL | 1u << OPTION_OUTPUT | 1u << OPTION_HELP | 1u << OPTION_VERSION)

/* What a noun goes with, as "list, show"; '*ret_verbs' gets the verbs themselves. */
static void verbs_of(const char *noun, const char **ret_verbs, size_t *ret_n, struct strbuf *out)
{
    *ret_n = 0;
    for (size_t i = 0; i < n_commands; i++) {
        if (strcmp(commands[i].noun, noun) == 0 && commands[i].verb) {
            strbuf_printf(out, "%s%s", *ret_n ? ", " : "", commands[i].verb);
            ret_verbs[(*ret_n)++] = commands[i].verb;
        }
    }
}

static void no_such_verb(const char *noun, const char *verb, struct err *err)
{
    AUTO_STRBUF struct strbuf text = {0};
    AUTO_FREE const char **verbs = xcalloc(n_commands, sizeof *verbs);
    size_t n;

    verbs_of(noun, verbs, &n, &text);
    const char *nearest = verb ? nearest_word(verb, verbs, n) : NULL;
    if (!verb)
        err_set(err, ERR_INVALID, "'%s' needs one of: %s", noun, text.text);
    else if (nearest)
        err_set(err, ERR_INVALID, "unknown command '%s %s'; did you mean '%s %s'?", noun, verb, noun, nearest);
    else
        err_set(err, ERR_INVALID, "unknown command '%s %s'; '%s' takes one of: %s", noun, verb, noun, text.text);
}

static void no_such_noun(const char *noun, struct err *err)
{
    AUTO_FREE const char **nouns = xcalloc(n_commands, sizeof *nouns);

    for (size_t i = 0; i < n_commands; i++)
        nouns[i] = commands[i].noun;
    const char *nearest = nearest_word(noun, nouns, n_commands);
    if (nearest)
        err_set(err, ERR_INVALID, "unknown command '%s'; did you mean '%s'?", noun, nearest);
    else
        err_set(err, ERR_INVALID, "unknown command '%s'; see 'scgctl help'", noun);
}

const struct command *command_find(const char *const *words, unsigned n_words, unsigned *ret_words, struct err *err)
{
    const char *noun = words[0], *verb = n_words > 1 ? words[1] : NULL;
    bool known = false;

    for (size_t i = 0; i < n_commands; i++) {
        const struct command *command = &commands[i];

        if (strcmp(command->noun, noun) != 0)
            continue;
        known = true;
        if (!command->verb || (verb && strcmp(command->verb, verb) == 0)) {
            *ret_words = command->verb ? 2 : 1;
            return command;
        }
    }
    if (known)
        no_such_verb(noun, verb, err);
    else
        no_such_noun(noun, err);
    return NULL;
}

/* ---- help ---- */

static char *command_title(const struct command *command)
{
    return xasprintf("%s%s%s%s%s%s", command->noun, command->verb ? " " : "", command->verb ? command->verb : "",
                     *command->arguments ? " " : "", command->arguments,
                     command->options & 1u << OPTION_TO ? " --to DC/SERVER" : "");
}

static void help_options(struct strbuf *out, unsigned options)
{
    for (unsigned i = 0; i < OPTIONS; i++) {
        const struct option_info *info = &option_infos[i];
        char letter[8] = "    ";

        if (!(options & 1u << i))
            continue;
        if (info->letter)
            snprintf(letter, sizeof letter, "-%c, ", info->letter);
        AUTO_FREE char *title = xasprintf("%s--%s%s%s", letter, info->name, info->value ? " " : "",
                                          info->value ? info->value : "");
        strbuf_printf(out, "  %-24s %s\n", title, info->help);
    }
}

static void help_titles(struct strbuf *out, const char *noun)
{
    strbuf_puts(out, "Commands:\n");
    for (size_t i = 0; i < n_commands; i++) {
        AUTO_FREE char *title = command_title(&commands[i]);

        if (!noun || strcmp(noun, commands[i].noun) == 0)
            strbuf_printf(out, "  %-30s %s\n", title, commands[i].summary);
    }
}

void help_all(struct strbuf *out)
{
    strbuf_puts(out,
                "Usage: scgctl [OPTION...] COMMAND\n\n"
                "Moves virtual machines between data centers, and shows what a Service Control Gateway knows.\n\n");
    help_titles(out, NULL);
    strbuf_puts(out, "\nOptions of every command:\n");
    help_options(out, COMMON_OPTIONS);
    strbuf_puts(out, "\nExit status: 0 done; 1 refused, or a migration that did not move every VM; 2 wrong usage;\n"
                     "3 no connection to the gateway. 'scgctl help COMMAND' tells more of one command.\n");
}

void help_command(struct strbuf *out, const struct command *command)
{
    AUTO_FREE char *title = command_title(command);

    strbuf_printf(out, "Usage: scgctl %s%s\n\n%s.\n", title,
                  command->options & ~(1u << OPTION_TO) ? " [OPTION...]" : "", command->summary);
    if (command->options) {
        strbuf_puts(out, "\nOptions:\n");
        help_options(out, command->options);
    }
}

bool help_group(struct strbuf *out, const char *noun)
{
    for (size_t i = 0; i < n_commands; i++) {
        if (strcmp(commands[i].noun, noun) == 0 && commands[i].verb) {
            strbuf_printf(out, "Usage: scgctl %s COMMAND\n\n", noun);
            help_titles(out, noun);
            return true;
        }
    }
    return false;
}
