/* SPDX-License-Identifier: Apache-2.0 */
/* policy apply, set apply, user apply: every file is read and checked before the first document is sent. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "model/address_set.h"
#include "model/policy.h"
#include "model/user.h"
#include "scgctl/cli.h"
#include "scgctl/yaml_json.h"

struct source {
    const char *name; /* for errors */
    struct yaml_documents documents;
};

static int check_policy(const json_t *json, struct err *err)
{
    struct policy policy = {0};
    int status = policy_from_json_with(json, &policy_book_unknown, &policy, err);

    if (status == 0 && !*policy.name)
        status = err_set(err, ERR_INVALID, "policy: missing");
    policy_free(&policy);
    return status;
}

static int check_set(const json_t *json, struct err *err)
{
    struct address_set *set = address_set_from_document(json, err);

    address_set_unref(set);
    return set ? 0 : ERR_INVALID;
}

static int check_user(const json_t *json, struct err *err)
{
    struct user user = {0};
    int status = user_from_json(json, "user", false, &user, err);

    user_free(&user);
    return status;
}

/* What a document may hold. */
static const struct kind {
    const char *collection;
    const char *thing, *of; /* "policy of V2", "user ce1" */
    const char *key;        /* the member that names it */
    int (*check)(const json_t *json, struct err *err);
} kinds[] = {{"policies", "policy", " of", "policy", check_policy},
             {"users", "user", "", "name", check_user},
             {"address-sets", "set", "", "name", check_set}};

static const struct kind *kind_of(const struct command *command)
{
    const struct kind *kind = kinds;

    while (strcmp(command->collection, kind->collection) != 0)
        kind++;
    return kind;
}

static int read_source(const struct kind *kind, const char *path, struct source *source, struct err *err)
{
    bool input = strcmp(path, "-") == 0;
    FILE *file = input ? stdin : fopen(path, "re");

    source->name = input ? "<stdin>" : path;
    if (!file)
        return err_set(err, err_from_errno(errno), "%s: %s", path, strerror(errno));

    int status = yaml_json_read(file, source->name, &source->documents, err);
    if (!input)
        fclose(file);
    for (size_t i = 0; i < source->documents.n && status == 0; i++) {
        status = kind->check(source->documents.all[i].json, err);
        if (status)
            err_prefix(err, "%s:%zu", source->name, source->documents.all[i].line);
    }
    if (status == 0 && source->documents.n == 0)
        status = err_set(err, ERR_INVALID, "%s: there is no %s in it", source->name, kind->thing);
    return status;
}

static enum cli_exit send_document(struct cli *cli, const struct kind *kind, const struct source *source,
                                   const struct yaml_document *document)
{
    AUTO_STRBUF struct strbuf text = {0};
    const char *name = json_string_value(json_object_get(document->json, kind->key));
    AUTO_FREE char *escaped = client_escape(name);
    AUTO_FREE char *path = xasprintf("/v1/%s/%s", kind->collection, escaped);
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
        strbuf_printf(&text, "%s%s %s applied\n", kind->thing, kind->of, name);
        cli_print(&text);
    }
    json_decref(answer);
    return CLI_DONE;
}

enum cli_exit run_apply(struct cli *cli, const struct command *command)
{
    const struct kind *kind = kind_of(command);
    AUTO_FREE struct source *sources = xcalloc(cli->n_arguments, sizeof *sources);
    enum cli_exit result = CLI_DONE;
    struct err err = {0};

    for (unsigned i = 0; i < cli->n_arguments && result == CLI_DONE; i++) {
        if (read_source(kind, cli->arguments[i], &sources[i], &err) < 0) {
            cli_complain("%s", err.text);
            result = CLI_FAILED;
        }
    }
    for (unsigned i = 0; i < cli->n_arguments; i++) {
        for (size_t d = 0; d < sources[i].documents.n && result == CLI_DONE; d++)
            result = send_document(cli, kind, &sources[i], &sources[i].documents.all[d]);
        yaml_documents_free(&sources[i].documents);
    }
    return result;
}
