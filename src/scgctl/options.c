/* SPDX-License-Identifier: Apache-2.0 */
#include "scgctl/options.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"

#define WORD_MAX 32 /* longer words are no slips of anything */
#define SLIPS_MAX 2

const struct option_info option_infos[OPTIONS] = {
#define OPTION_INFO(name, text, letter, value, help) {text, letter, value, help},
    OPTION_TABLE(OPTION_INFO)
#undef OPTION_INFO
};

/* ---- did you mean ---- */

static unsigned smallest(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Characters to add, drop, change, or swap with their neighbour. */
static unsigned distance(const char *a, const char *b)
{
    unsigned rows[WORD_MAX + 1][WORD_MAX + 1];
    size_t n = strlen(a), m = strlen(b);

    for (size_t i = 0; i <= n; i++)
        rows[i][0] = (unsigned) i;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = (unsigned) j;
    for (size_t i = 1; i <= n; i++) {
        for (size_t j = 1; j <= m; j++) {
            rows[i][j] = smallest(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && rows[i - 2][j - 2] + 1 < rows[i][j])
                rows[i][j] = rows[i - 2][j - 2] + 1;
        }
    }
    return rows[n][m];
}

const char *nearest_word(const char *word, const char *const *candidates, size_t n)
{
    const char *nearest = NULL;
    unsigned least = SLIPS_MAX + 1;

    for (size_t i = 0; i < n && strlen(word) <= WORD_MAX; i++) {
        unsigned slips = strlen(candidates[i]) <= WORD_MAX ? distance(word, candidates[i]) : least;

        /* A word that would have to be replaced by half is another word. */
        if (slips < least && slips * 2 <= strlen(candidates[i])) {
            least = slips;
            nearest = candidates[i];
        }
    }
    return nearest;
}

/* ---- parsing ---- */

struct arguments {
    int argc, next;
    char *const *argv;
};

static int unknown_option(const char *word, size_t name_size, struct err *err)
{
    const char *names[OPTIONS];
    AUTO_FREE char *name = xstrndup(word, name_size);

    for (size_t i = 0; i < OPTIONS; i++)
        names[i] = option_infos[i].name;
    const char *nearest = strncmp(name, "--", 2) == 0 ? nearest_word(name + 2, names, OPTIONS) : NULL;
    return err_set(err, ERR_INVALID, "unknown option '%s'%s%s%s", name, nearest ? "; did you mean '--" : "",
                   nearest ? nearest : "", nearest ? "'?" : "");
}

/* The option of 'word', and its value if that stands in the same word. */
static int find_option(const char *word, enum option *ret_option, const char **ret_value, struct err *err)
{
    bool is_long = word[1] == '-';
    size_t n = is_long ? strcspn(word, "=") : 2;

    *ret_value = is_long ? (word[n] ? word + n + 1 : NULL) : word[2] ? word + 2 : NULL;
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct option_info *info = &option_infos[i];

        bool same_name = is_long && strlen(info->name) == n - 2 && strncmp(word + 2, info->name, n - 2) == 0;

        if (same_name || (!is_long && info->letter == word[1])) {
            *ret_option = (enum option) i;
            return 0;
        }
    }
    return unknown_option(word, n, err);
}

static int read_bandwidth(const char *value, uint32_t *ret_mbps, struct err *err)
{
    char *end;

    errno = 0;
    unsigned long mbps = strtoul(value, &end, 10);
    if (errno || *end || strspn(value, "0123456789") == 0 || mbps == 0 || mbps > UINT32_MAX)
        return err_set(err, ERR_INVALID, "--bandwidth: '%s' is no number of Mbit/s from 1 to %u", value, UINT32_MAX);
    *ret_mbps = (uint32_t) mbps;
    return 0;
}

static int take_value(struct options *options, enum option option, const char *value, struct err *err)
{
    switch (option) {
    case OPTION_URL:
        options->url = value;
        return 0;
    case OPTION_OUTPUT:
        options->json = strcmp(value, "json") == 0;
        if (!options->json && strcmp(value, "table") != 0)
            return err_set(err, ERR_INVALID, "--output: '%s' is neither 'table' nor 'json'", value);
        return 0;
    case OPTION_TO:
        options->to = value;
        return 0;
    case OPTION_BANDWIDTH:
        return read_bandwidth(value, &options->bandwidth_mbps, err);
    default:
        return 0;
    }
}

static int take_option(struct options *options, struct arguments *arguments, const char *word, struct err *err)
{
    const char *value;
    enum option option = OPTIONS;
    int status = find_option(word, &option, &value, err);

    if (status)
        return status;
    const struct option_info *info = &option_infos[option];
    if (!info->value && value)
        return err_set(err, ERR_INVALID, "--%s takes no value", info->name);
    if (info->value && !value && arguments->next < arguments->argc)
        value = arguments->argv[arguments->next++];
    if (info->value && (!value || !*value))
        return err_set(err, ERR_INVALID, "--%s needs a value: %s", info->name, info->value);
    options->given[option] = true;
    return take_value(options, option, value, err);
}

int options_parse(int argc, char *const *argv, struct options *options, struct err *err)
{
    struct arguments arguments = {.argc = argc, .next = 1, .argv = argv};
    bool only_words = false;
    int status = 0;

    *options = (struct options) {.words = xcalloc((size_t) argc, sizeof *options->words)};
    while (status == 0 && arguments.next < argc) {
        const char *word = argv[arguments.next++];

        if (!only_words && strcmp(word, "--") == 0)
            only_words = true;
        else if (!only_words && word[0] == '-' && word[1])
            status = take_option(options, &arguments, word, err);
        else
            options->words[options->n_words++] = word;
    }
    if (status)
        options_free(options);
    return status;
}

void options_free(struct options *options)
{
    free(options->words);
    options->words = NULL;
    options->n_words = 0;
}
