/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a directory of its own, for the store's tests. */
#ifndef STORE_WORLD_H
#define STORE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "store/store.h"

struct fixture {
    char dir[64], path[96];
    struct err err;
};

static inline int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);

    snprintf(f->dir, sizeof f->dir, "/tmp/test_store.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/scgd.db", f->dir);
    *state = f;
    return 0;
}

static inline void remove_database(struct fixture *f)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};

    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        AUTO_FREE char *path = xasprintf("%s%s", f->path, suffixes[i]);

        unlink(path);
    }
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    remove_database(f);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

static inline struct store *open_store(struct fixture *f)
{
    struct store *store = store_open(f->path, &f->err);

    if (!store)
        fail_msg("%s", f->err.text);
    return store;
}

static inline bool render_policy(void *arg, const char *vm, const char *json)
{
    strbuf_printf(arg, "%s=%s; ", vm, json);
    return true;
}

static inline void assert_policies(struct store *store, const char *expected)
{
    AUTO_STRBUF struct strbuf text = {0};

    strbuf_puts(&text, "");
    assert_int_equal(store_policy_each(store, render_policy, &text, NULL), 0);
    assert_string_equal(text.text, expected);
}

static inline int claim(struct store *store, const char *dc, uint64_t generation, struct err *err)
{
    struct store_location location = {.uuid = {1, 2, 3}, .vm = "V2", .generation = generation};

    snprintf(location.dc, sizeof location.dc, "%s", dc);
    return store_location_put(store, &location, err);
}

static inline uint32_t take(struct store *store, const char *pool, const char *owner, uint32_t first, uint32_t last)
{
    uint32_t number = 0;
    struct err err;

    if (store_number_take(store, pool, owner, first, last, &number, &err) < 0)
        fail_msg("%s", err.text);
    return number;
}

#endif
