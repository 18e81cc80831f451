/* SPDX-License-Identifier: Apache-2.0 */
/* What the store keeps by kind and name, also over its reopening and its older versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "store/store.h"

struct fixture {
    char dir[32];
    char *path;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);

    strcpy(f->dir, "/tmp/test_documents.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->path = xasprintf("%s/scgd.db", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        AUTO_FREE char *path = xasprintf("%s%s", f->path, suffixes[i]);

        unlink(path);
    }
    rmdir(f->dir);
    free(f->path);
    free(f);
    return 0;
}

static struct store *open_store(const struct fixture *f)
{
    struct err err = {0};
    struct store *store = store_open(f->path, &err);

    if (!store)
        fail_msg("%s", err.text);
    return store;
}

static bool render(void *arg, const char *name, const char *json)
{
    strbuf_printf(arg, "%s=%s; ", name, json);
    return strcmp(name, "stop") != 0;
}

static void assert_documents(struct store *store, const char *kind, const char *expected)
{
    AUTO_STRBUF struct strbuf text = {0};

    assert_int_equal(store_document_each(store, kind, render, &text, NULL), 0);
    assert_string_equal(text.text ? text.text : "", expected);
}

static void put_and_deleted(void **state)
{
    struct store *store = open_store(*state);
    struct err err;

    assert_documents(store, "user", "");
    assert_int_equal(store_document_put(store, "user", "ce2", "{}", NULL), 0);
    assert_int_equal(store_document_put(store, "user", "ce1", "[1]", NULL), 0);
    assert_int_equal(store_document_put(store, "user", "ce1", "[2]", NULL), 0);
    assert_int_equal(store_document_put(store, "channel", "ce1", "[3]", NULL), 0); /* a kind is a world of its own */
    store_close(store);

    store = open_store(*state);
    assert_documents(store, "user", "ce1=[2]; ce2={}; ");
    assert_documents(store, "channel", "ce1=[3]; ");
    assert_int_equal(store_document_delete(store, "user", "ce1", NULL), 0);
    assert_int_equal(store_document_delete(store, "user", "ce1", NULL), 0);
    assert_documents(store, "user", "ce2={}; ");
    assert_documents(store, "channel", "ce1=[3]; ");
    assert_int_equal(store_document_put(store, "user", "ce3", NULL, &err), ERR_INTERNAL);
    assert_documents(store, "user", "ce2={}; ");
    store_close(store);
}

static void reader_that_has_had_enough(void **state)
{
    struct store *store = open_store(*state);

    assert_int_equal(store_document_put(store, "user", "ce1", "{}", NULL), 0);
    assert_int_equal(store_document_put(store, "user", "stop", "1", NULL), 0);
    assert_int_equal(store_document_put(store, "user", "zz", "2", NULL), 0);
    assert_documents(store, "user", "ce1={}; stop=1; ");
    store_close(store);
}

/* What version 1 did not have is made; what it had is kept. */
static void older_version(void **state)
{
    struct fixture *f = *state;
    struct store *store = open_store(f);
    AUTO_FREE char *policy = NULL;
    sqlite3 *db;

    struct store_migration called_off = {"x", "target", "scg-b", "rolled_back", (char[]) {"{\"called-off\": true}"},
                                         1,   2,        true};
    struct store_tombstone tombstone;

    assert_int_equal(store_policy_put(store, "V1", "[1]", NULL), 0);
    assert_int_equal(store_migration_put(store, &called_off, NULL), 0);
    store_close(store);
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "DROP TABLE document; DROP TABLE tombstone; DROP INDEX migration_ended; "
                                  "PRAGMA user_version = 1",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);

    store = open_store(f);
    assert_int_equal(store_policy_get(store, "V1", &policy, NULL), 0);
    assert_string_equal(policy, "[1]");
    /* What was called off is no longer among the migrations. */
    assert_int_equal(store_migration_get(store, "x", "target", &called_off, NULL), ERR_NOT_FOUND);
    assert_int_equal(store_tombstone_get(store, "x", &tombstone, NULL), 0);
    assert_string_equal(tombstone.peer, "scg-b");
    assert_string_equal(tombstone.state, "rolled_back");
    assert_int_equal(tombstone.ended_ms, 2);
    assert_true(tombstone.called_off);
    assert_int_equal(store_document_put(store, "user", "ce1", "{}", NULL), 0);
    assert_documents(store, "user", "ce1={}; ");
    store_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(put_and_deleted),
        TEST(reader_that_has_had_enough),
        TEST(older_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
