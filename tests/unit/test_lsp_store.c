/* SPDX-License-Identifier: Apache-2.0 */
/* The LSPs of a transport node on disk: what was committed comes back, also after kill -9. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "store/lsp_store.h"
#include "store/store.h"

struct fixture {
    char dir[64], path[96];
    struct err err;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);

    snprintf(f->dir, sizeof f->dir, "/tmp/test_lsp_store.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/gmplsd.db", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};

    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        AUTO_FREE char *path = xasprintf("%s%s", f->path, suffixes[i]);

        unlink(path);
    }
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

static bool collect(void *arg, uint64_t key, const char *text)
{
    strbuf_printf(arg, "%llx=%s ", (unsigned long long) key, text);
    return true;
}

static void expect(struct lsp_store *store, const char *expected)
{
    AUTO_STRBUF struct strbuf all = {0};

    strbuf_puts(&all, "");
    assert_int_equal(lsp_store_each(store, collect, &all, NULL), 0);
    assert_string_equal(all.text, expected);
}

static struct lsp_store *open_store(struct fixture *f)
{
    struct lsp_store *store = lsp_store_open(f->path, &f->err);

    if (!store)
        fail_msg("%s", f->err.text);
    return store;
}

static void what_was_put_comes_back(void **state)
{
    struct fixture *f = *state;
    struct lsp_store *store = open_store(f);

    expect(store, "");
    assert_int_equal(lsp_store_put(store, 2, "two", &f->err), 0);
    assert_int_equal(lsp_store_put(store, 1, "one", &f->err), 0);
    assert_int_equal(lsp_store_put(store, UINT64_MAX, "last", &f->err), 0);
    expect(store, "ffffffffffffffff=last 1=one 2=two ");
    assert_int_equal(lsp_store_commit(store, &f->err), 0);
    assert_int_equal(lsp_store_commit(store, &f->err), 0);
    assert_int_equal(lsp_store_put(store, 2, "zwei", &f->err), 0);
    assert_int_equal(lsp_store_remove(store, 1, &f->err), 0);
    assert_int_equal(lsp_store_remove(store, 7, &f->err), 0);
    lsp_store_close(store);
    store = open_store(f);
    expect(store, "ffffffffffffffff=last 2=zwei ");
    lsp_store_close(store);
}

static void commits_survive_a_kill(void **state)
{
    struct fixture *f = *state;
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        struct lsp_store *store = lsp_store_open(f->path, NULL);

        lsp_store_put(store, 1, "one", NULL);
        lsp_store_commit(store, NULL);
        lsp_store_put(store, 2, "two", NULL);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    struct lsp_store *store = open_store(f);
    expect(store, "1=one ");
    lsp_store_close(store);
}

static bool collect_owner(void *arg, const char *name, const char *owner)
{
    strbuf_printf(arg, "%s=%s ", name, owner);
    return true;
}

static void owners_are_kept(void **state)
{
    struct fixture *f = *state;
    struct lsp_store *store = open_store(f);
    AUTO_STRBUF struct strbuf all = {0};

    assert_int_equal(lsp_store_own(store, "b", "10.255.0.2", &f->err), 0);
    assert_int_equal(lsp_store_own(store, "a", "10.255.0.2", &f->err), 0);
    assert_int_equal(lsp_store_own(store, "a", "10.255.0.1", &f->err), 0);
    assert_int_equal(lsp_store_own(store, "c", "10.255.0.1", &f->err), 0);
    assert_int_equal(lsp_store_own(store, "c", NULL, &f->err), 0);
    lsp_store_close(store);
    store = open_store(f);
    assert_int_equal(lsp_store_owners(store, collect_owner, &all, NULL), 0);
    assert_string_equal(all.text, "a=10.255.0.1 b=10.255.0.2 ");
    lsp_store_close(store);
}

static bool remove_it(void *arg, uint64_t key, const char *text)
{
    (void) text;
    assert_int_equal(lsp_store_remove(arg, key, NULL), 0);
    return key < 50;
}

static void a_listing_may_remove_and_stop(void **state)
{
    struct fixture *f = *state;
    struct lsp_store *store = open_store(f);

    for (uint64_t key = 1; key <= 52; key++)
        assert_int_equal(lsp_store_put(store, key, "x", NULL), 0);
    assert_int_equal(lsp_store_each(store, remove_it, store, NULL), 0);
    expect(store, "33=x 34=x ");
    lsp_store_close(store);
}

static void a_second_daemon_is_refused(void **state)
{
    struct fixture *f = *state;
    struct lsp_store *store = open_store(f);

    assert_null(lsp_store_open(f->path, &f->err));
    assert_int_equal(f->err.code, ERR_CONFLICT);
    lsp_store_close(store);
}

static void a_gateways_database_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *gateway = store_open(f->path, &f->err);

    assert_non_null(gateway);
    store_close(gateway);
    assert_null(lsp_store_open(f->path, &f->err));
    assert_int_equal(f->err.code, ERR_UNSUPPORTED); /* and is not set aside */
    assert_non_null(strstr(f->err.text, "another program"));
}

static void write_nonsense(const char *path)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    for (unsigned i = 0; i < 2000; i++)
        assert_true(fputs("nonsense", file) >= 0);
    fclose(file);
}

static void a_damaged_database_is_set_aside(void **state)
{
    struct fixture *f = *state;

    for (unsigned time = 1; time <= 2; time++) {
        AUTO_FREE char *name = xasprintf("%s.damaged-%u", f->path, time), *aside = NULL;
        struct lsp_store *store;

        write_nonsense(f->path);
        assert_null(lsp_store_open(f->path, &f->err));
        assert_int_equal(f->err.code, ERR_MALFORMED);
        assert_int_equal(lsp_store_set_aside(f->path, &aside, &f->err), 0);
        assert_string_equal(aside, name);
        store = open_store(f);
        expect(store, "");
        lsp_store_close(store);
    }
    for (unsigned time = 1; time <= 2; time++) {
        AUTO_FREE char *name = xasprintf("%s.damaged-%u", f->path, time);

        assert_int_equal(unlink(name), 0); /* each is kept */
    }
}

static void a_missing_directory_is_named(void **state)
{
    struct fixture *f = *state;

    assert_null(lsp_store_open("/nonexistent/gmplsd.db", &f->err));
    assert_int_equal(f->err.code, ERR_IO);
    assert_non_null(strstr(f->err.text, "/nonexistent/gmplsd.db"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_put_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(commits_survive_a_kill, setup, teardown),
        cmocka_unit_test_setup_teardown(a_listing_may_remove_and_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(owners_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_daemon_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_gateways_database_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_database_is_set_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_directory_is_named, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
