/* SPDX-License-Identifier: Apache-2.0 */
/* Following streams of events. The stream of one migration begins with its present state, so nothing is lost
 * between. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/mono.h"
#include "scgctl/cli.h"
#include "scgctl/format.h"
#include "scgctl/progress.h"

/* Ctrl-C becomes readable instead of ending the program. */
static int catch_interrupt(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static struct mono now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct mono) {(int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000};
}

static void print_line(const char *line)
{
    AUTO_STRBUF struct strbuf text = {0};

    strbuf_printf(&text, "%s\n", line);
    cli_print(&text);
}

/* ---- one migration ---- */

struct watch {
    bool json;
    bool terminal;
    bool colours;
    struct mono began;
    struct progress *progress;
    json_t *migration; /* its last state; null before the first */
};

static struct screen screen_size(const struct watch *watch)
{
    struct screen screen = {.columns = 80, .rows = 24, .colours = watch->colours};
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
        screen.columns = size.ws_col;
        screen.rows = size.ws_row;
    }
    return screen;
}

static void show(struct watch *watch)
{
    AUTO_STRBUF struct strbuf text = {0};
    int64_t elapsed = mono_diff(now(), watch->began);

    if (watch->terminal) {
        struct screen screen = screen_size(watch);

        progress_draw(watch->progress, watch->migration, elapsed, &screen, &text);
    } else {
        progress_lines(watch->progress, watch->migration, elapsed, &text);
    }
    cli_print(&text);
}

static bool take_event(void *arg, const char *line)
{
    struct watch *watch = arg;
    json_t *event = json_loads(line, 0, NULL);
    json_t *migration = json_object_get(event, "data");

    if (migration) {
        json_decref(watch->migration);
        watch->migration = json_incref(migration);
        if (watch->json)
            print_line(line);
        else
            show(watch);
    }
    json_decref(event);
    return !watch->migration || !progress_ended(watch->migration);
}

static enum cli_exit tell_result(const struct watch *watch)
{
    AUTO_STRBUF struct strbuf reasons = {0};
    char *next = NULL;

    if (progress_succeeded(watch->migration, &reasons))
        return CLI_DONE;
    for (char *line = strtok_r(reasons.text, "\n", &next); line; line = strtok_r(NULL, "\n", &next))
        cli_complain("%s", line);
    return CLI_FAILED;
}

static enum cli_exit tell_broken(enum client_outcome outcome, const struct watch *watch, const char *id,
                                 const struct err *err)
{
    if (outcome == CLIENT_INTERRUPTED) {
        cli_complain("no longer watching; migration %s goes on, see 'scgctl migration watch %s'", id, id);
        return CLI_INTERRUPTED;
    }

    enum cli_exit result = cli_fail(outcome, err);
    if (outcome == CLIENT_LOST || watch->migration)
        cli_complain("migration %s goes on, see 'scgctl migration watch %s'", id, id);
    return result;
}

enum cli_exit watch_migration(struct cli *cli, const char *id)
{
    bool json = cli->options.json, terminal = !json && isatty(STDOUT_FILENO);
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    struct watch watch = {.json = json,
                          .terminal = terminal && term && strcmp(term, "dumb") != 0,
                          .colours = terminal && !(no_color && *no_color),
                          .began = now(),
                          .progress = progress_new()};
    AUTO_FREE char *escaped = client_escape(id);
    AUTO_FREE char *path = xasprintf("/v1/events?migration=%s", escaped);
    struct err err = {0};
    int interrupt = catch_interrupt();
    enum client_outcome outcome = client_stream(cli->client, path, interrupt, take_event, &watch, &err);
    enum cli_exit result = outcome ? tell_broken(outcome, &watch, id, &err) : tell_result(&watch);

    close(interrupt);
    json_decref(watch.migration);
    progress_free(watch.progress);
    return result;
}

enum cli_exit run_watch(struct cli *cli, const struct command *command)
{
    (void) command;
    return watch_migration(cli, cli->arguments[0]);
}

/* ---- everything ---- */

static void format_event(struct strbuf *out, const char *type, const json_t *data)
{
    static const char *const of_migration[] = {"id", "state", NULL}, *const of_vm[] = {"name", "state", "server", NULL},
                             *const of_channel[] = {"name", "state", "error", NULL};
    const char *const *members = strcmp(type, "migration") == 0 ? of_migration :
                                 strcmp(type, "channel") == 0   ? of_channel :
                                                                  of_vm;

    strbuf_puts(out, type);
    for (; *members; members++) {
        const json_t *value = json_object_get(data, *members);

        if (!value && members[0] == of_channel[2]) /* of a channel that is well */
            continue;
        strbuf_puts(out, " ");
        format_member(out, *members, value);
    }
}

static bool take_any(void *arg, const char *line)
{
    const struct cli *cli = arg;
    AUTO_STRBUF struct strbuf text = {0};
    json_t *event = json_loads(line, 0, NULL);
    const char *type = json_string_value(json_object_get(event, "type"));

    if (cli->options.json) {
        print_line(line);
    } else if (type) {
        format_time(&text, (int64_t) time(NULL) * 1000);
        strbuf_puts(&text, " ");
        format_event(&text, type, json_object_get(event, "data"));
        strbuf_puts(&text, "\n");
        cli_print(&text);
    }
    json_decref(event);
    return true;
}

enum cli_exit run_events(struct cli *cli, const struct command *command)
{
    struct err err = {0};
    int interrupt = catch_interrupt();
    enum client_outcome outcome = client_stream(cli->client, "/v1/events", interrupt, take_any, cli, &err);

    (void) command;
    close(interrupt);
    return outcome == CLIENT_INTERRUPTED ? CLI_DONE : cli_fail(outcome, &err);
}
