/* SPDX-License-Identifier: Apache-2.0 */
/* policy apply: every file is read and checked before the first policy is sent. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "model/policy.h"
#include "scgctl/cli.h"
#include "scgctl/yaml_json.h"

struct source {
    const char *name; /* for errors */
    struct yaml_documents documents;
};

static int check_document(const struct source *source, const struct yaml_document *document, struct err *err)
{
    struct policy policy = {0};
    int status = policy_from_json(document->json, &policy, err);

    if (status == 0 && !*policy.name)
        status = err_set(err, ERR_INVALID, "policy: missing");
    if (status)
        err_prefix(err, "%s:%zu", source->name, document->line);
    policy_free(&policy);
    return status;
}

static int read_source(const char *path, struct source *source, struct err *err)
{
    bool input = strcmp(path, "-") == 0;
    FILE *file = input ? stdin : fopen(path, "re");

    source->name = input ? "<stdin>" : path;
    if (!file)
        return err_set(err, err_from_errno(errno), "%s: %s", path, strerror(errno));

    int status = yaml_json_read(file, source->name, &source->documents, err);
    if (!input)
        fclose(file);
    for (size_t i = 0; i < source->documents.n && status == 0; i++)
        status = check_document(source, &source->documents.all[i], err);
    if (status == 0 && source->documents.n == 0)
        status = err_set(err, ERR_INVALID, "%s: there is no policy in it", source->name);
    return status;
}

static enum cli_exit send_policy(struct cli *cli, const struct source *source, const struct yaml_document *document)
{
    AUTO_STRBUF struct strbuf text = {0};
    const char *vm = json_string_value(json_object_get(document->json, "policy"));
    AUTO_FREE char *name = client_escape(vm);
    AUTO_FREE char *path = xasprintf("/v1/policies/%s", name);
    struct err err = {0};
    json_t *answer = NULL;
    enum client_outcome outcome = client_call(cli->client, "PUT", path, document->json, &answer, &err);

    if (outcome == CLIENT_REFUSED)
        err_prefix(&err, "%s:%zu", source->name, document->line);
    if (outcome)
        return cli_fail(outcome, &err);
    if (cli->options.json) {
        cli_print_json(answer);
    } else {
        strbuf_printf(&text, "policy of %s applied\n", vm);
        cli_print(&text);
    }
    json_decref(answer);
    return CLI_DONE;
}

enum cli_exit run_policy_apply(struct cli *cli, const struct command *command)
{
    AUTO_FREE struct source *sources = xcalloc(cli->n_arguments, sizeof *sources);
    enum cli_exit result = CLI_DONE;
    struct err err = {0};

    (void) command;
    for (unsigned i = 0; i < cli->n_arguments && result == CLI_DONE; i++) {
        if (read_source(cli->arguments[i], &sources[i], &err) < 0) {
            cli_complain("%s", err.text);
            result = CLI_FAILED;
        }
    }
    for (unsigned i = 0; i < cli->n_arguments; i++) {
        for (size_t d = 0; d < sources[i].documents.n && result == CLI_DONE; d++)
            result = send_policy(cli, &sources[i], &sources[i].documents.all[d]);
        yaml_documents_free(&sources[i].documents);
    }
    return result;
}
