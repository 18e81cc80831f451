/* SPDX-License-Identifier: Apache-2.0 */
#include "store/db.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"

/* What SQLite's last failure means to a person. */
static int explain(struct db *db, const char *doing, struct err *err)
{
    int code = sqlite3_extended_errcode(db->handle);

    if (code == SQLITE_CONSTRAINT_FOREIGNKEY)
        return err_set(err, ERR_NOT_FOUND, "%s: %s: what it belongs to is not in the database", db->path, doing);
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, ERR_CONFLICT, "%s: %s: another process has this database open; stop it first", db->path,
                       doing);
    case SQLITE_FULL:
        return err_set(err, ERR_EXHAUSTED, "%s: %s: the disk is full; free space on it", db->path, doing);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(err, ERR_MALFORMED, "%s: %s: the file is damaged or not a database (%s); restore a copy of it",
                       db->path, doing, sqlite3_errmsg(db->handle));
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
        return err_set(err, ERR_REFUSED, "%s: %s: the file or its directory cannot be written (%s)", db->path, doing,
                       sqlite3_errmsg(db->handle));
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR: {
        int errnum = sqlite3_system_errno(db->handle);

        return err_set(err, ERR_IO, "%s: %s: %s (%s)", db->path, doing, sqlite3_errmsg(db->handle),
                       errnum ? strerror(errnum) : "no system error");
    }
    default:
        return err_set(err, ERR_INTERNAL, "%s: %s: %s", db->path, doing, sqlite3_errmsg(db->handle));
    }
}

/* Reports SQLite's last failure, which also dooms the transaction that it happened in. */
static int db_fail(struct db *db, const char *doing, struct err *err)
{
    struct err failure;

    explain(db, doing, &failure);
    if (db->in_transaction && !db->failure.code)
        db->failure = failure;
    return err_set(err, failure.code, "%s", failure.text);
}

/* 'statement' is prepared when first used, unlike those of execute(). */
static int execute_often(struct db *db, sqlite3_stmt **statement, const char *sql, const char *doing, struct err *err)
{
    int code = SQLITE_OK;

    if (!*statement)
        code = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
    if (code == SQLITE_OK && sqlite3_step(*statement) != SQLITE_DONE)
        code = SQLITE_ERROR;
    if (*statement)
        sqlite3_reset(*statement);
    return code == SQLITE_OK ? 0 : db_fail(db, doing, err);
}

static int execute(struct db *db, const char *sql, const char *doing, struct err *err)
{
    return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_fail(db, doing, err);
}

/* The single text value of 'sql' in '*text', which the caller frees. */
static int query_text(struct db *db, const char *sql, const char *doing, char **text, struct err *err)
{
    sqlite3_stmt *statement;

    if (sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL) != SQLITE_OK)
        return db_fail(db, doing, err);

    int status = 0;
    if (sqlite3_step(statement) == SQLITE_ROW)
        *text = xstrdup(db_text(statement, 0));
    else
        status = db_fail(db, doing, err);
    sqlite3_finalize(statement);
    return status;
}

static int query_int(struct db *db, const char *sql, const char *doing, int *value, struct err *err)
{
    AUTO_FREE char *text = NULL;
    int status = query_text(db, sql, doing, &text, err);

    if (!status)
        *value = atoi(text);
    return status;
}

/* Refuses what another program or a newer version of this one has made. */
static int check_identity(struct db *db, int *version, struct err *err)
{
    static const char doing[] = "reading the version";
    int application = 0, tables = 0;
    int status;

    if ((status = query_int(db, "PRAGMA application_id", doing, &application, err)) < 0 ||
        (status = query_int(db, "PRAGMA user_version", doing, version, err)) < 0 ||
        (status = query_int(db, "SELECT count(*) FROM sqlite_schema", doing, &tables, err)) < 0)
        return status;
    if (tables && application != db->schema.application_id)
        return err_set(err, ERR_UNSUPPORTED, "%s: this database was made by another program; name another file",
                       db->path);
    if (*version > db->schema.n_steps)
        return err_set(err, ERR_UNSUPPORTED,
                       "%s: this database has version %d, this program knows versions up to %d; upgrade the program",
                       db->path, *version, db->schema.n_steps);
    return 0;
}

static int apply_schema(struct db *db, struct err *err)
{
    static const char doing[] = "bringing the tables up to date";
    int version = 0;
    int status = db_begin(db, err);

    if (status < 0)
        return status;
    status = check_identity(db, &version, err);
    if (!status && version < db->schema.n_steps) {
        char pragmas[96];

        snprintf(pragmas, sizeof pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %d",
                 db->schema.application_id, db->schema.n_steps);
        for (int v = version; !status && v < db->schema.n_steps; v++)
            status = execute(db, db->schema.steps[v], doing, err);
        if (!status)
            status = execute(db, pragmas, doing, err);
    }
    if (status < 0) {
        db_rollback(db);
        return status;
    }
    return db_commit(db, err);
}

/* WAL with a lock that is kept: no shared memory file, and no second daemon on the same file. */
static int set_modes(struct db *db, struct err *err)
{
    AUTO_FREE char *mode = NULL;
    int status = execute(db, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA foreign_keys = ON", "setting its modes", err);

    if (!status)
        status = query_text(db, "PRAGMA journal_mode = WAL", "switching to WAL", &mode, err);
    if (status < 0)
        return status;
    if (strcmp(mode, "memory") == 0)
        return 0;
    if (strcmp(mode, "wal") != 0)
        return err_set(err, ERR_UNSUPPORTED, "%s: the file system does not allow a write-ahead log (mode is %s)",
                       db->path, mode);
    return execute(db, db->schema.survives_power_loss ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
                   "setting its modes", err);
}

static int check_integrity(struct db *db, struct err *err)
{
    AUTO_FREE char *verdict = NULL;
    int status = query_text(db, "PRAGMA quick_check(1)", "checking it", &verdict, err);

    if (status < 0 || strcmp(verdict, "ok") == 0)
        return status;
    return err_set(err, ERR_MALFORMED, "%s: the file is damaged (%s); restore a copy of it", db->path, verdict);
}

int db_open(struct db *db, const char *path, const struct db_schema *schema, const char *const *sql,
            size_t n_statements, struct err *err)
{
    *db = (struct db) {.schema = *schema, .path = xstrdup(path), .sql = sql, .n_statements = n_statements};
    db->statements = xcalloc(n_statements, sizeof *db->statements);

    int status = 0;
    if (sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        status = db_fail(db, "opening it", err);
    if (!status)
        status = set_modes(db, err);
    if (!status)
        status = check_integrity(db, err);
    if (!status)
        status = apply_schema(db, err);
    if (status < 0)
        db_close(db);
    return status;
}

void db_close(struct db *db)
{
    for (size_t i = 0; i < db->n_statements; i++)
        sqlite3_finalize(db->statements[i]);
    sqlite3_finalize(db->begin);
    sqlite3_finalize(db->commit);
    sqlite3_close(db->handle);
    free(db->statements);
    free(db->path);
    *db = (struct db) {0};
}

int db_begin(struct db *db, struct err *err)
{
    if (db->in_transaction)
        return err_set(err, ERR_INTERNAL, "%s: a transaction was begun within another", db->path);

    int status = execute_often(db, &db->begin, "BEGIN EXCLUSIVE", "beginning a transaction", err);
    if (!status) {
        db->in_transaction = true;
        db->failure = (struct err) {0};
    }
    return status;
}

int db_commit(struct db *db, struct err *err)
{
    if (!db->in_transaction)
        return err_set(err, ERR_INTERNAL, "%s: there is no transaction to commit", db->path);
    if (db->failure.code) {
        db_rollback(db);
        return err_set(err, db->failure.code, "%s", db->failure.text);
    }

    int status = execute_often(db, &db->commit, "COMMIT", "committing a transaction", err);
    if (status < 0)
        db_rollback(db);
    db->in_transaction = false;
    return status;
}

void db_rollback(struct db *db)
{
    /* SQLite has rolled back by itself after some failures, such as a full disk. */
    if (!sqlite3_get_autocommit(db->handle))
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    db->in_transaction = false;
}

int db_statement(struct db *db, size_t index, sqlite3_stmt **statement, struct err *err)
{
    sqlite3_stmt **cached = &db->statements[index];

    if (*cached && sqlite3_stmt_busy(*cached))
        return err_set(err, ERR_INTERNAL, "%s: a listing was started within itself", db->path);
    if (!*cached &&
        sqlite3_prepare_v3(db->handle, db->sql[index], -1, SQLITE_PREPARE_PERSISTENT, cached, NULL) != SQLITE_OK)
        return db_fail(db, "preparing a statement", err);
    *statement = *cached;
    return 0;
}

void db_bind_text(sqlite3_stmt *statement, int parameter, const char *text)
{
    sqlite3_bind_text(statement, parameter, text, -1, SQLITE_STATIC);
}

void db_bind_int(sqlite3_stmt *statement, int parameter, int64_t value)
{
    sqlite3_bind_int64(statement, parameter, value);
}

int db_step(struct db *db, sqlite3_stmt *statement, struct err *err)
{
    int status = 0;

    switch (sqlite3_step(statement)) {
    case SQLITE_ROW:
        return 1;
    case SQLITE_DONE:
        break;
    default:
        status = db_fail(db, sqlite3_stmt_readonly(statement) ? "reading" : "writing", err);
        break;
    }
    db_end(statement);
    return status;
}

void db_end(sqlite3_stmt *statement)
{
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

const char *db_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);

    return text ? (const char *) text : "";
}
