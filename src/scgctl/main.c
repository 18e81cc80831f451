/* SPDX-License-Identifier: Apache-2.0 */
/* scgctl: the operator's command line, over the REST interface of a gateway. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "scgctl/cli.h"

#define DEFAULT_URL "http://127.0.0.1:8080"

static void complain(const char *format, va_list args)
{
    fputs("scgctl: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

void cli_complain(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    complain(format, args);
    va_end(args);
}

enum cli_exit cli_usage(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    complain(format, args);
    va_end(args);
    return CLI_USAGE;
}

enum cli_exit cli_fail(enum client_outcome outcome, const struct err *err)
{
    cli_complain("%s", err->text);
    return outcome == CLIENT_REFUSED ? CLI_FAILED : CLI_NO_GATEWAY;
}

void cli_print(const struct strbuf *text)
{
    if (text->length)
        fwrite(text->text, 1, text->length, stdout);
    fflush(stdout);
}

void cli_print_json(const json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2));
    fputc('\n', stdout);
}

static enum cli_exit check_usage(const struct options *options, const struct command *command, unsigned n_arguments)
{
    const char *verb = command->verb ? command->verb : "", *blank = command->verb ? " " : "";

    for (unsigned i = OPTION_TO; i < OPTIONS; i++) {
        if (options->given[i] && !(command->options & 1u << i))
            return cli_usage("'%s%s%s' takes no option '--%s'", command->noun, blank, verb, option_infos[i].name);
    }
    if (n_arguments < command->least || n_arguments > command->most)
        return cli_usage("'%s%s%s' takes %s", command->noun, blank, verb,
                         *command->arguments ? command->arguments : "no arguments");
    return CLI_DONE;
}

static enum cli_exit run(struct cli *cli, const struct command *command)
{
    const char *from_environment = getenv("SCG_URL");
    const char *url = cli->options.url                      ? cli->options.url :
                      from_environment && *from_environment ? from_environment :
                                                              DEFAULT_URL;
    struct err err = {0};

    cli->client = client_new(url, &err);
    if (!cli->client)
        return cli_usage("%s", err.text);
    return command->run(cli, command);
}

static enum cli_exit dispatch(struct cli *cli)
{
    const char *help_words[] = {"help"}, *version_words[] = {"version"};
    const struct options *options = &cli->options;
    AUTO_STRBUF struct strbuf text = {0};
    struct err err = {0};
    const char *const *words = options->words;
    unsigned n_words = options->n_words, n_own;

    if (options->given[OPTION_VERSION]) {
        words = version_words;
        n_words = 1;
    } else if (n_words == 0 && options->given[OPTION_HELP]) {
        words = help_words;
        n_words = 1;
    } else if (n_words == 0) {
        return cli_usage("no command given; see 'scgctl help'");
    }

    if (options->given[OPTION_HELP] && n_words == 1 && help_group(&text, words[0])) {
        cli_print(&text);
        return CLI_DONE;
    }

    const struct command *command = command_find(words, n_words, &n_own, &err);
    if (!command)
        return cli_usage("%s", err.text);
    if (options->given[OPTION_HELP] && words != help_words) {
        help_command(&text, command);
        cli_print(&text);
        return CLI_DONE;
    }
    cli->arguments = words + n_own;
    cli->n_arguments = n_words - n_own;
    enum cli_exit usage = check_usage(options, command, cli->n_arguments);
    return usage ? usage : run(cli, command);
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    struct err err = {0};

    if (options_parse(argc, argv, &cli.options, &err) < 0)
        return cli_usage("%s", err.text);

    enum cli_exit result = dispatch(&cli);
    client_free(cli.client);
    options_free(&cli.options);
    if (fflush(stdout) == EOF && result == CLI_DONE) {
        cli_complain("cannot write the output");
        result = CLI_FAILED;
    }
    return (int) result;
}
