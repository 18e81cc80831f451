/* SPDX-License-Identifier: Apache-2.0 */
#include "store/lsp_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/db.h"

#define APPLICATION_ID 0x474d504c /* "GMPL" */

static const char *const steps[] = {
    "CREATE TABLE lsp (key INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;"
    "CREATE TABLE owner (name TEXT PRIMARY KEY, owner TEXT NOT NULL) STRICT, WITHOUT ROWID;",
};

enum { PUT, REMOVE, ALL, OWN, DISOWN, OWNERS, N_STATEMENTS };

static const char *const sql[] = {
    [PUT] = "INSERT INTO lsp (key, text) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET text = excluded.text",
    [REMOVE] = "DELETE FROM lsp WHERE key = ?1",
    [ALL] = "SELECT key, text FROM lsp ORDER BY key",
    [OWN] = "INSERT INTO owner (name, owner) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET owner = excluded.owner",
    [DISOWN] = "DELETE FROM owner WHERE name = ?1",
    [OWNERS] = "SELECT name, owner FROM owner ORDER BY name",
};

struct lsp_store {
    struct db db;
};

struct lsp_store *lsp_store_open(const char *path, struct err *err)
{
    const struct db_schema schema = {APPLICATION_ID, steps, ARRAY_LEN(steps), false};
    struct lsp_store *store = xcalloc(1, sizeof *store);

    if (db_open(&store->db, path, &schema, sql, N_STATEMENTS, err) < 0) {
        free(store);
        return NULL;
    }
    return store;
}

static int move_file(const char *path, const char *to, const char *suffix, struct err *err)
{
    AUTO_FREE char *old = xasprintf("%s%s", path, suffix), *new = xasprintf("%s%s", to, suffix);

    if (rename(old, new) < 0 && errno != ENOENT)
        return err_set(err, ERR_IO, "%s: cannot be renamed to %s: %s", old, new, strerror(errno));
    return 0;
}

int lsp_store_set_aside(const char *path, char **aside, struct err *err)
{
    unsigned number = 1;
    char *to = xasprintf("%s.damaged-%u", path, number);
    int status;

    while (access(to, F_OK) == 0) {
        free(to);
        to = xasprintf("%s.damaged-%u", path, ++number);
    }
    /* The log first: a new database must not find it. */
    if ((status = move_file(path, to, "-wal", err)) < 0 || (status = move_file(path, to, "", err)) < 0) {
        free(to);
        return status;
    }
    *aside = to;
    return 0;
}

void lsp_store_close(struct lsp_store *store)
{
    if (!store)
        return;
    lsp_store_commit(store, NULL);
    db_close(&store->db);
    free(store);
}

static int begin_change(struct lsp_store *store, size_t index, sqlite3_stmt **statement, struct err *err)
{
    int status = store->db.in_transaction ? 0 : db_begin(&store->db, err);

    return status < 0 ? status : db_statement(&store->db, index, statement, err);
}

/* SQLite's keys are signed; the same 64 bits go there and back. */
static int change(struct lsp_store *store, size_t index, uint64_t key, const char *text, struct err *err)
{
    sqlite3_stmt *statement;
    int status = begin_change(store, index, &statement, err);

    if (status < 0)
        return status;
    db_bind_int(statement, 1, (int64_t) key);
    if (text)
        db_bind_text(statement, 2, text);
    return db_step(&store->db, statement, err);
}

int lsp_store_put(struct lsp_store *store, uint64_t key, const char *text, struct err *err)
{
    return change(store, PUT, key, text, err);
}

int lsp_store_remove(struct lsp_store *store, uint64_t key, struct err *err)
{
    return change(store, REMOVE, key, NULL, err);
}

bool lsp_store_pending(const struct lsp_store *store)
{
    return store->db.in_transaction;
}

int lsp_store_commit(struct lsp_store *store, struct err *err)
{
    return store->db.in_transaction ? db_commit(&store->db, err) : 0;
}

int lsp_store_each(struct lsp_store *store, lsp_store_fn *fn, void *arg, struct err *err)
{
    sqlite3_stmt *statement;
    int status = db_statement(&store->db, ALL, &statement, err);

    if (status < 0)
        return status;
    while ((status = db_step(&store->db, statement, err)) == 1) {
        if (!fn(arg, (uint64_t) sqlite3_column_int64(statement, 0), db_text(statement, 1))) {
            db_end(statement);
            return 0;
        }
    }
    return status;
}

int lsp_store_own(struct lsp_store *store, const char *name, const char *owner, struct err *err)
{
    sqlite3_stmt *statement;
    int status = begin_change(store, owner ? OWN : DISOWN, &statement, err);

    if (status < 0)
        return status;
    db_bind_text(statement, 1, name);
    if (owner)
        db_bind_text(statement, 2, owner);
    return db_step(&store->db, statement, err);
}

int lsp_store_owners(struct lsp_store *store, lsp_store_owner_fn *fn, void *arg, struct err *err)
{
    sqlite3_stmt *statement;
    int status = db_statement(&store->db, OWNERS, &statement, err);

    if (status < 0)
        return status;
    while ((status = db_step(&store->db, statement, err)) == 1) {
        if (!fn(arg, db_text(statement, 0), db_text(statement, 1))) {
            db_end(statement);
            return 0;
        }
    }
    return status;
}
