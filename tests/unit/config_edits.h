/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of a daemon's configuration: texts that are loaded as files, and edits that spoil a good one, each with the
 * exact sentence that an operator gets. Goes behind the daemon's config.h. */
#ifndef CONFIG_EDITS_H
#define CONFIG_EDITS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/strbuf.h"

/* Replaces the first 'from' by 'to'. 'sentence' null: that is fine. */
struct config_edit {
    const char *from, *to, *sentence;
};

/* tests/data/config/NAME. */
static inline void config_read_data(const char *name, struct strbuf *text)
{
    AUTO_FREE char *path = xasprintf("%s/config/%s", TEST_DATA, name);
    FILE *file = fopen(path, "r");
    int c;

    assert_non_null(file);
    while ((c = fgetc(file)) != EOF)
        strbuf_printf(text, "%c", c);
    fclose(file);
}

/* Loads 'text' as a file; '*err' names it FILE. */
static inline struct config *config_load_text(const char *text, struct err *err)
{
    char path[] = "/tmp/test_config.XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    *err = (struct err) {0};
    struct config *config = config_load(path, err);
    unlink(path);
    if (!config) {
        assert_memory_equal(err->text, path, strlen(path));
        memmove(err->text + 4, err->text + strlen(path), strlen(err->text + strlen(path)) + 1);
        memcpy(err->text, "FILE", 4);
    }
    return config;
}

static inline struct config *config_load_file(const char *path)
{
    struct err err = {0};
    struct config *config = config_load(path, &err);

    if (!config)
        fail_msg("%s", err.text);
    return config;
}

/* Caller frees. */
static inline char *config_edited(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);

    if (!at)
        fail_msg("the file does not contain: %s", from);
    return xasprintf("%.*s%s%s", (int) (at - text), text, to, at + strlen(from));
}

/* Makes each edit alone in tests/data/config/NAME. */
static inline void config_assert_edits(const char *name, const struct config_edit *edits, size_t n)
{
    AUTO_STRBUF struct strbuf text = {0};
    unsigned failed = 0;

    config_read_data(name, &text);
    for (size_t i = 0; i < n; i++) {
        AUTO_FREE char *edited = config_edited(text.text, edits[i].from, edits[i].to);
        struct err err;
        struct config *config = config_load_text(edited, &err);

        if (!edits[i].sentence && !config)
            fail_msg("%s", err.text);
        if (edits[i].sentence && (config || err.code != ERR_INVALID || strcmp(err.text, edits[i].sentence) != 0)) {
            print_error("\"%s\" for \"%s\":\n  expected %s\n  got      %s\n", edits[i].to, edits[i].from,
                        edits[i].sentence, config ? "a configuration" : err.text);
            failed++;
        }
        config_free(config);
    }
    assert_int_equal(failed, 0);
}

#endif
