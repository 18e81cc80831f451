/* SPDX-License-Identifier: Apache-2.0 */
/* The skin over SQLite that store.c and lsp_store.c stand on: one connection that has its file for itself, statements
 * that are prepared once, transactions that remember their first failure. Knows no table. */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Whose database it is and what its tables are: steps[n] brings version n to n + 1. */
struct db_schema {
    int application_id; /* PRAGMA application_id */
    const char *const *steps;
    int n_steps;
    bool survives_power_loss; /* each commit is on disk before it returns; else it survives only the process */
};

struct db {
    sqlite3 *handle;
    struct db_schema schema;
    char *path;
    const char *const *sql;    /* text of each statement; borrowed for the life of the connection */
    sqlite3_stmt **statements; /* of the same index; null until first used */
    size_t n_statements;
    sqlite3_stmt *begin, *commit; /* null until first used */
    bool in_transaction;
    struct err failure; /* the first failure within the transaction */
};

/* Opens or creates 'path', locks it against every other connection and brings its tables to the newest version.
 * 0; ERR_CONFLICT: someone else has it open; ERR_UNSUPPORTED: a newer version, or not ours; ERR_MALFORMED: damaged;
 * ERR_EXHAUSTED: the disk is full; ERR_REFUSED, ERR_IO. After a failure there is nothing to close. */
int db_open(struct db *db, const char *path, const struct db_schema *schema, const char *const *sql,
            size_t n_statements, struct err *err);
void db_close(struct db *db); /* rolls an open transaction back */

int db_begin(struct db *db, struct err *err);
/* Rolls back and returns the first failure if something within the transaction failed. */
int db_commit(struct db *db, struct err *err);
void db_rollback(struct db *db);

/* Statement 'index', ready for binding. ERR_INTERNAL if it is being stepped through. */
int db_statement(struct db *db, size_t index, sqlite3_stmt **statement, struct err *err);
/* Parameters count from 1. Text and blobs must stay until the statement ends. */
void db_bind_text(sqlite3_stmt *statement, int parameter, const char *text);
void db_bind_int(sqlite3_stmt *statement, int parameter, int64_t value);
/* 1: a row can be read; 0: no more; an error as in db_open(), or ERR_NOT_FOUND: what a row refers to does not exist.
 * After anything but 1 the statement has ended. */
int db_step(struct db *db, sqlite3_stmt *statement, struct err *err);
/* Ends a statement before its last row; called on one that has ended, it does nothing. */
void db_end(sqlite3_stmt *statement);
/* Text of a column (from 0), borrowed until the next step; "" for null. */
const char *db_text(sqlite3_stmt *statement, int column);

#endif
