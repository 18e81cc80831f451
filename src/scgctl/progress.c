/* SPDX-License-Identifier: Apache-2.0 */
#include "scgctl/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "scgctl/format.h"

#define BAR_MOST 24
#define BAR_LEAST 4

struct progress {
    char *state; /* of the migration, that the last line told; null: none */
    char **told; /* by VM: its step and percentage */
    size_t n_told;
    unsigned drawn; /* lines of the last picture */
};

/* One VM at one moment. */
struct moment {
    const char *name;
    char step[64];              /* or "moved", "stayed", "waiting" */
    int percent;                /* -1: not known */
    uint64_t done, total, rate; /* bytes, bytes/s */
    double eta;                 /* seconds */
    int64_t downtime_ms;
    const char *error; /* "" if none */
    bool moved, stayed;
};

/* ---- from JSON ---- */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

static uint64_t number_of(const json_t *object, const char *name)
{
    json_int_t number = json_integer_value(json_object_get(object, name));

    return number > 0 ? (uint64_t) number : 0;
}

static bool is_active(const char *state)
{
    return strcmp(state, "applying") == 0 || strcmp(state, "confirming") == 0 || strcmp(state, "undoing") == 0;
}

/* The first step under way of a VM, or, with vm "", of all VMs together; null if there is none. */
static const json_t *active_step(const json_t *migration, const char *vm)
{
    const json_t *steps = json_object_get(migration, "steps");

    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);

        if (strcmp(text_of(step, "vm"), vm) == 0 && is_active(text_of(step, "state")))
            return step;
    }
    return NULL;
}

static bool has_pending_step(const json_t *vm)
{
    const char *name;
    json_t *state;

    json_object_foreach(json_object_get(vm, "steps"), name, state) {
        const char *text = json_string_value(state);

        if (text && strcmp(text, "pending") == 0)
            return true;
    }
    return false;
}

static void read_step(const json_t *migration, const json_t *vm, struct moment *moment)
{
    const char *fate = text_of(vm, "fate");
    bool decided = strcmp(fate, "open") != 0 && (progress_ended(migration) || !has_pending_step(vm));
    const json_t *own = active_step(migration, moment->name), *step = own ? own : active_step(migration, "");

    if (!own && decided) {
        moment->moved = strcmp(fate, "crossed") == 0;
        moment->stayed = !moment->moved;
        snprintf(moment->step, sizeof moment->step, "%s", moment->moved ? "moved" : "stayed");
    } else if (step) {
        const char *state = text_of(step, "state");

        snprintf(moment->step, sizeof moment->step, "%s%s",
                 strcmp(state, "undoing") == 0    ? "undo " :
                 strcmp(state, "confirming") == 0 ? "confirm " :
                                                    "",
                 text_of(step, "step"));
    } else {
        snprintf(moment->step, sizeof moment->step, "waiting");
    }
}

static struct moment moment_of(const json_t *migration, const json_t *vm)
{
    const json_t *progress = json_object_get(vm, "progress");
    uint64_t remaining = number_of(progress, "bytes-remaining");
    struct moment moment = {.name = text_of(vm, "name"), .percent = -1, .error = text_of(vm, "error")};

    read_step(migration, vm, &moment);
    moment.total = number_of(progress, "bytes-total");
    moment.done = remaining < moment.total ? moment.total - remaining : 0;
    moment.rate = number_of(progress, "rate");
    moment.eta = json_number_value(json_object_get(progress, "eta-seconds"));
    moment.downtime_ms = (int64_t) number_of(progress, "downtime-ms");
    if (strcmp(moment.step, "transfer") == 0 && moment.total > 0)
        moment.percent = (int) ((double) moment.done * 100 / (double) moment.total);
    return moment;
}

bool progress_ended(const json_t *migration)
{
    return json_is_true(json_object_get(migration, "ended"));
}

bool progress_succeeded(const json_t *migration, struct strbuf *reasons)
{
    const json_t *vms = json_object_get(migration, "vms");
    const char *reason = text_of(migration, "reason");
    size_t moved = 0, told = 0;

    for (size_t i = 0; i < json_array_size(vms); i++) {
        const json_t *vm = json_array_get(vms, i);
        const char *error = text_of(vm, "error");

        if (strcmp(text_of(vm, "fate"), "crossed") == 0) {
            moved++;
        } else if (*error) {
            strbuf_printf(reasons, "%s stayed: %s\n", text_of(vm, "name"), error);
            told++;
        } else {
            strbuf_printf(reasons, "%s stayed\n", text_of(vm, "name"));
        }
    }
    if (moved == json_array_size(vms))
        return true;
    if (told == 0 && *reason)
        strbuf_printf(reasons, "%s\n", reason);
    return false;
}

/* ---- life ---- */

struct progress *progress_new(void)
{
    return xcalloc(1, sizeof(struct progress));
}

void progress_free(struct progress *progress)
{
    if (!progress)
        return;
    for (size_t i = 0; i < progress->n_told; i++)
        free(progress->told[i]);
    free(progress->told);
    free(progress->state);
    free(progress);
}

/* ---- lines ---- */

/* Whether 'text' differs from what '*told' holds, which it becomes. */
static bool is_news(char **told, const char *text)
{
    if (*told && strcmp(*told, text) == 0)
        return false;
    free(*told);
    *told = xstrdup(text);
    return true;
}

static void add_ending(struct strbuf *out, const struct moment *moment)
{
    if (moment->moved && moment->downtime_ms)
        strbuf_printf(out, " (paused for %" PRId64 " ms)", moment->downtime_ms);
    if (moment->stayed && *moment->error)
        strbuf_printf(out, ": %s", moment->error);
}

static void add_line(struct strbuf *out, const struct moment *moment, double seconds)
{
    strbuf_printf(out, "%.1fs %s %s", seconds, moment->name, moment->step);
    if (moment->percent >= 0) {
        strbuf_printf(out, " %d %% ", moment->percent);
        format_sizes(out, moment->done, moment->total);
    }
    if (moment->percent >= 0 && moment->rate) {
        strbuf_puts(out, " ");
        format_size(out, moment->rate);
        strbuf_puts(out, "/s");
    }
    add_ending(out, moment);
    strbuf_puts(out, "\n");
}

void progress_lines(struct progress *progress, const json_t *migration, int64_t elapsed_ms, struct strbuf *out)
{
    const json_t *vms = json_object_get(migration, "vms");
    size_t n = json_array_size(vms);
    double seconds = (double) elapsed_ms / 1000;

    if (n > progress->n_told) {
        progress->told = xrealloc(progress->told, n, sizeof *progress->told);
        while (progress->n_told < n)
            progress->told[progress->n_told++] = NULL;
    }
    if (is_news(&progress->state, text_of(migration, "state")))
        strbuf_printf(out, "%.1fs migration %s\n", seconds, progress->state);
    for (size_t i = 0; i < n; i++) {
        struct moment moment = moment_of(migration, json_array_get(vms, i));
        AUTO_FREE char *key = xasprintf("%s %d %s %" PRId64, moment.step, moment.percent, moment.error,
                                        moment.moved ? moment.downtime_ms : 0);

        if (is_news(&progress->told[i], key))
            add_line(out, &moment, seconds);
    }
}

/* ---- picture ---- */

static void add_eta(struct strbuf *out, double eta)
{
    unsigned long seconds = eta < 360000 ? (unsigned long) (eta + 0.5) : 360000;

    if (seconds >= 3600)
        strbuf_printf(out, "  ETA %lu:%02lu:%02lu", seconds / 3600, seconds / 60 % 60, seconds % 60);
    else
        strbuf_printf(out, "  ETA %lu:%02lu", seconds / 60, seconds % 60);
}

static void add_numbers(struct strbuf *out, const struct moment *moment)
{
    strbuf_printf(out, "  %3d %%  ", moment->percent);
    format_sizes(out, moment->done, moment->total);
    if (moment->rate) {
        strbuf_puts(out, "  ");
        format_size(out, moment->rate);
        strbuf_puts(out, "/s");
        add_eta(out, moment->eta);
    }
}

/* A bar as wide as 'room' allows; none if it would say nothing. */
static void add_bar(struct strbuf *out, int percent, size_t room)
{
    int width = room > BAR_MOST + 4 ? BAR_MOST : (int) room - 4;

    if (width < BAR_LEAST)
        return;
    strbuf_puts(out, "  [");
    for (int i = 0; i < width; i++)
        strbuf_puts(out, i < percent * width / 100 ? "#" : "-");
    strbuf_puts(out, "]");
}

/* Adds a line, cut to the screen, in a colour (an SGR number, 0 for none). */
static void add_screen_line(struct strbuf *out, const char *text, const struct screen *screen, unsigned colour)
{
    size_t end = 0;
    unsigned width = 0;

    while (text[end]) {
        bool starts_character = ((unsigned char) text[end] & 0xc0) != 0x80;

        if (starts_character && ++width >= screen->columns)
            break;
        end++;
    }
    strbuf_puts(out, "\r\033[K");
    if (colour && screen->colours)
        strbuf_printf(out, "\033[%um", colour);
    strbuf_add(out, text, end);
    strbuf_puts(out, colour && screen->colours ? "\033[0m\n" : "\n");
}

static void draw_vm(const struct moment *moment, int name_width, const struct screen *screen, struct strbuf *out)
{
    AUTO_STRBUF struct strbuf line = {0};

    strbuf_printf(&line, "%-*s  %s", name_width, moment->name, moment->step);
    if (moment->percent >= 0) {
        AUTO_STRBUF struct strbuf numbers = {0};

        add_numbers(&numbers, moment);
        size_t used = line.length + numbers.length + 1;
        add_bar(&line, moment->percent, used < screen->columns ? screen->columns - used : 0);
        strbuf_puts(&line, numbers.text);
    } else {
        add_ending(&line, moment);
    }
    add_screen_line(out, line.text, screen, moment->moved ? 32 : moment->stayed ? 31 : 0);
}

void progress_draw(struct progress *progress, const json_t *migration, int64_t elapsed_ms, const struct screen *screen,
                   struct strbuf *out)
{
    const json_t *vms = json_object_get(migration, "vms");
    size_t n = json_array_size(vms), room = screen->rows > 3 ? screen->rows - 3 : 1, shown = n > room ? room : n;
    AUTO_FREE char *head = xasprintf("%s  %.1fs  migration %s", text_of(migration, "state"), (double) elapsed_ms / 1000,
                                     text_of(migration, "id"));
    int name_width = 0;

    for (size_t i = 0; i < shown; i++) {
        int length = (int) strlen(text_of(json_array_get(vms, i), "name"));

        name_width = length > name_width ? length : name_width;
    }
    if (progress->drawn)
        strbuf_printf(out, "\033[%uA", progress->drawn);
    add_screen_line(out, head, screen, 0);
    for (size_t i = 0; i < shown; i++) {
        struct moment moment = moment_of(migration, json_array_get(vms, i));

        draw_vm(&moment, name_width, screen, out);
    }
    progress->drawn = (unsigned) shown + 1;
    if (shown < n) {
        AUTO_FREE char *rest = xasprintf("... and %zu more VMs", n - shown);

        add_screen_line(out, rest, screen, 0);
        progress->drawn++;
    }
}
