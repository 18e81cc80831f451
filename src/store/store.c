/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "store/db.h"
#include "store/schema.h"

enum {
    MIGRATION_PUT,
    MIGRATION_GET,
    MIGRATION_ALL,
    MIGRATION_OPEN,
    MIGRATION_ENDED,
    MIGRATION_OLDEST,
    MIGRATION_DELETE,
    TOMBSTONE_PUT,
    TOMBSTONE_GET,
    TOMBSTONE_EXPIRE,
    JOURNAL_ADD,
    JOURNAL_ALL,
    JOURNAL_DELETE,
    POLICY_PUT,
    POLICY_GET,
    POLICY_DELETE,
    POLICY_ALL,
    DOCUMENT_PUT,
    DOCUMENT_DELETE,
    DOCUMENT_ALL,
    LOCATION_PUT,
    LOCATION_GET,
    NUMBER_FREE,
    NUMBER_PUT,
    NUMBER_GET,
    NUMBER_DELETE,
    NUMBER_ALL,
    N_STATEMENTS
};

#define MIGRATION_COLUMNS "id, role, peer, state, document, created_ms, updated_ms, ended"

/* Listings sort by an expression: SQLite then reads all rows before it yields the first one, and whoever gets the rows
 * may change the table. */
static const char *const sql[N_STATEMENTS] = {
    [MIGRATION_PUT] = "INSERT INTO migration (" MIGRATION_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
                      " ON CONFLICT (id, role) DO UPDATE SET peer = ?3, state = ?4, document = ?5, created_ms = ?6,"
                      " updated_ms = ?7, ended = ?8",
    [MIGRATION_GET] = "SELECT " MIGRATION_COLUMNS " FROM migration WHERE id = ?1 AND role = ?2",
    [MIGRATION_ALL] = "SELECT " MIGRATION_COLUMNS " FROM migration ORDER BY +created_ms DESC, +rowid DESC",
    [MIGRATION_OPEN] = "SELECT " MIGRATION_COLUMNS " FROM migration WHERE NOT ended"
                       " ORDER BY +created_ms DESC, +rowid DESC",
    [MIGRATION_ENDED] = "SELECT count(*) FROM migration WHERE ended = 1",
    [MIGRATION_OLDEST] = "SELECT id, role, peer, state, updated_ms FROM migration"
                         " WHERE ended = 1 AND NOT (id = ?1 AND role = ?2) ORDER BY updated_ms, rowid LIMIT 1",
    [MIGRATION_DELETE] = "DELETE FROM migration WHERE id = ?1 AND role = ?2",
    [TOMBSTONE_PUT] = "INSERT INTO tombstone (id, peer, state, ended_ms, called_off) VALUES (?1, ?2, ?3, ?4, ?5)"
                      " ON CONFLICT (id) DO NOTHING",
    [TOMBSTONE_GET] = "SELECT id, peer, state, ended_ms, called_off FROM tombstone WHERE id = ?1",
    [TOMBSTONE_EXPIRE] = "DELETE FROM tombstone WHERE NOT called_off AND ended_ms < ?1",
    [JOURNAL_ADD] = "INSERT INTO journal (id, role, time_ms, step, event, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [JOURNAL_ALL] = "SELECT sequence, time_ms, step, event, detail FROM journal WHERE id = ?1 AND role = ?2"
                    " ORDER BY +sequence",
    [JOURNAL_DELETE] = "DELETE FROM journal WHERE id = ?1 AND role = ?2",
    [POLICY_PUT] = "INSERT INTO policy (vm, json) VALUES (?1, ?2) ON CONFLICT (vm) DO UPDATE SET json = ?2",
    [POLICY_GET] = "SELECT json FROM policy WHERE vm = ?1",
    [POLICY_DELETE] = "DELETE FROM policy WHERE vm = ?1",
    [POLICY_ALL] = "SELECT vm, json FROM policy ORDER BY +vm",
    [DOCUMENT_PUT] = "INSERT INTO document (kind, name, json) VALUES (?1, ?2, ?3)"
                     " ON CONFLICT (kind, name) DO UPDATE SET json = ?3",
    [DOCUMENT_DELETE] = "DELETE FROM document WHERE kind = ?1 AND name = ?2",
    [DOCUMENT_ALL] = "SELECT name, json FROM document WHERE kind = ?1 ORDER BY +name",
    [LOCATION_PUT] = "INSERT INTO location (uuid, vm, dc, generation) VALUES (?1, ?2, ?3, ?4)"
                     " ON CONFLICT (uuid) DO UPDATE SET vm = ?2, dc = ?3, generation = ?4",
    [LOCATION_GET] = "SELECT vm, dc, generation FROM location WHERE uuid = ?1",
    /* The lowest free number is the first one of the range or follows one that is in use. */
    [NUMBER_FREE] = "SELECT ?2 WHERE NOT EXISTS (SELECT 1 FROM number WHERE pool = ?1 AND number = ?2)"
                    " UNION ALL "
                    "SELECT * FROM (SELECT n.number + 1 FROM number AS n"
                    "  WHERE n.pool = ?1 AND n.number >= ?2 AND n.number < ?3"
                    "  AND NOT EXISTS (SELECT 1 FROM number WHERE pool = ?1 AND number = n.number + 1)"
                    "  ORDER BY n.number LIMIT 1)"
                    " LIMIT 1",
    [NUMBER_PUT] = "INSERT INTO number (pool, owner, number) VALUES (?1, ?2, ?3)",
    [NUMBER_GET] = "SELECT number FROM number WHERE pool = ?1 AND owner = ?2",
    [NUMBER_DELETE] = "DELETE FROM number WHERE pool = ?1 AND owner = ?2",
    [NUMBER_ALL] = "SELECT owner, number FROM number WHERE pool = ?1 ORDER BY +number",
};

struct store {
    struct db db;
};

struct store *store_open(const char *path, struct err *err)
{
    const struct db_schema schema = {SCHEMA_APPLICATION_ID, schema_steps, schema_version(), true};
    struct store *store = xcalloc(1, sizeof *store);

    if (db_open(&store->db, path, &schema, sql, N_STATEMENTS, err) < 0) {
        free(store);
        return NULL;
    }
    return store;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    db_close(&store->db);
    free(store);
}

int store_begin(struct store *store, struct err *err)
{
    return db_begin(&store->db, err);
}

int store_commit(struct store *store, struct err *err)
{
    return db_commit(&store->db, err);
}

void store_rollback(struct store *store)
{
    db_rollback(&store->db);
}

/* A statement with its first parameters bound; 'b' may be null: there is only one. Returns as db_statement(). */
static int prepare(struct store *store, size_t index, const char *a, const char *b, sqlite3_stmt **statement,
                   struct err *err)
{
    int status = db_statement(&store->db, index, statement, err);

    if (!status) {
        db_bind_text(*statement, 1, a);
        if (b)
            db_bind_text(*statement, 2, b);
    }
    return status;
}

/* Changes rows by a statement whose parameters are all text. */
static int change(struct store *store, size_t index, const char *a, const char *b, struct err *err)
{
    sqlite3_stmt *statement;
    int status = prepare(store, index, a, b, &statement, err);

    return status < 0 ? status : db_step(&store->db, statement, err);
}

static void copy_text(char *to, size_t size, sqlite3_stmt *statement, int column)
{
    snprintf(to, size, "%s", db_text(statement, column));
}

int store_migration_put(struct store *store, const struct store_migration *migration, struct err *err)
{
    sqlite3_stmt *statement;
    int status = prepare(store, MIGRATION_PUT, migration->id, migration->role, &statement, err);

    if (status < 0)
        return status;
    db_bind_text(statement, 3, migration->peer);
    db_bind_text(statement, 4, migration->state);
    db_bind_text(statement, 5, migration->document);
    db_bind_int(statement, 6, migration->created_ms);
    db_bind_int(statement, 7, migration->updated_ms);
    db_bind_int(statement, 8, migration->ended);
    return db_step(&store->db, statement, err);
}

/* Reads a row of MIGRATION_COLUMNS; the caller frees it. */
static void read_migration(sqlite3_stmt *statement, struct store_migration *migration)
{
    *migration = (struct store_migration) {.document = xstrdup(db_text(statement, 4))};
    copy_text(migration->id, sizeof migration->id, statement, 0);
    copy_text(migration->role, sizeof migration->role, statement, 1);
    copy_text(migration->peer, sizeof migration->peer, statement, 2);
    copy_text(migration->state, sizeof migration->state, statement, 3);
    migration->created_ms = sqlite3_column_int64(statement, 5);
    migration->updated_ms = sqlite3_column_int64(statement, 6);
    migration->ended = sqlite3_column_int(statement, 7) != 0;
}

int store_migration_get(struct store *store, const char *id, const char *role, struct store_migration *migration,
                        struct err *err)
{
    sqlite3_stmt *statement;
    int status = prepare(store, MIGRATION_GET, id, role, &statement, err);

    if (status < 0)
        return status;

    status = db_step(&store->db, statement, err);
    if (status < 0)
        return status;
    if (!status)
        return err_set(err, ERR_NOT_FOUND, "migration %s (%s): there is no such migration", id, role);
    read_migration(statement, migration);
    db_end(statement);
    return 0;
}

int store_migration_each(struct store *store, bool only_open, store_migration_fn *fn, void *arg, struct err *err)
{
    sqlite3_stmt *statement;
    bool go_on = true;
    int status = db_statement(&store->db, only_open ? MIGRATION_OPEN : MIGRATION_ALL, &statement, err);

    if (status < 0)
        return status;
    while (go_on && (status = db_step(&store->db, statement, err)) > 0) {
        struct store_migration migration;

        read_migration(statement, &migration);
        go_on = fn(arg, &migration);
        store_migration_free(&migration);
    }
    db_end(statement);
    return status < 0 ? status : 0;
}

void store_migration_free(struct store_migration *migration)
{
    free(migration->document);
    migration->document = NULL;
}

int store_tombstone_put(struct store *store, const struct store_tombstone *tombstone, struct err *err)
{
    sqlite3_stmt *statement;
    int status = prepare(store, TOMBSTONE_PUT, tombstone->id, tombstone->peer, &statement, err);

    if (status < 0)
        return status;
    db_bind_text(statement, 3, tombstone->state);
    db_bind_int(statement, 4, tombstone->ended_ms);
    db_bind_int(statement, 5, tombstone->called_off);
    return db_step(&store->db, statement, err);
}

int store_tombstone_get(struct store *store, const char *id, struct store_tombstone *tombstone, struct err *err)
{
    sqlite3_stmt *statement;
    int status = prepare(store, TOMBSTONE_GET, id, NULL, &statement, err);

    if (status == 0)
        status = db_step(&store->db, statement, err);
    if (status < 0)
        return status;
    if (!status)
        return err_set(err, ERR_NOT_FOUND, "migration %s: it has no tombstone", id);
    copy_text(tombstone->id, sizeof tombstone->id, statement, 0);
    copy_text(tombstone->peer, sizeof tombstone->peer, statement, 1);
    copy_text(tombstone->state, sizeof tombstone->state, statement, 2);
    tombstone->ended_ms = sqlite3_column_int64(statement, 3);
    tombstone->called_off = sqlite3_column_int(statement, 4) != 0;
    db_end(statement);
    return 0;
}

/* How many have ended, or a failure of the database. */
static int64_t count_ended(struct store *store, struct err *err)
{
    sqlite3_stmt *statement;
    int64_t count = 0;
    int status = db_statement(&store->db, MIGRATION_ENDED, &statement, err);

    if (status == 0)
        status = db_step(&store->db, statement, err);
    if (status > 0) {
        count = sqlite3_column_int64(statement, 0);
        db_end(statement);
    }
    return status < 0 ? status : count;
}

/* Removes the one that ended first: 1, 0: there is none, or a failure of the database. */
static int prune_oldest(struct store *store, const struct store_pruning *pruning, struct err *err)
{
    struct store_tombstone tombstone = {0};
    char role[8];
    sqlite3_stmt *statement;
    int status = prepare(store, MIGRATION_OLDEST, pruning->id ? pruning->id : "", pruning->role ? pruning->role : "",
                         &statement, err);

    if (status == 0)
        status = db_step(&store->db, statement, err);
    if (status <= 0)
        return status;
    copy_text(tombstone.id, sizeof tombstone.id, statement, 0);
    copy_text(role, sizeof role, statement, 1);
    copy_text(tombstone.peer, sizeof tombstone.peer, statement, 2);
    copy_text(tombstone.state, sizeof tombstone.state, statement, 3);
    tombstone.ended_ms = sqlite3_column_int64(statement, 4);
    db_end(statement);

    status = strcmp(role, "target") == 0 ? store_tombstone_put(store, &tombstone, err) : 0;
    if (status == 0)
        status = change(store, JOURNAL_DELETE, tombstone.id, role, err);
    if (status == 0)
        status = change(store, MIGRATION_DELETE, tombstone.id, role, err);
    return status < 0 ? status : 1;
}

int store_migration_prune(struct store *store, const struct store_pruning *pruning, uint32_t *n, struct err *err)
{
    int64_t ended = count_ended(store, err);
    uint32_t pruned = 0;
    sqlite3_stmt *statement;
    int status = ended < 0 ? (int) ended : 1;

    while (status > 0 && ended - pruned > pruning->keep && pruned < pruning->most) {
        status = prune_oldest(store, pruning, err);
        pruned += status > 0;
    }
    if (status >= 0)
        status = db_statement(&store->db, TOMBSTONE_EXPIRE, &statement, err);
    if (status < 0)
        return status;
    db_bind_int(statement, 1, pruning->tombstones_ms);
    status = db_step(&store->db, statement, err);
    if (status == 0)
        *n = pruned;
    return status;
}

int store_journal_add(struct store *store, const char *id, const char *role, const struct store_journal_entry *entry,
                      struct err *err)
{
    sqlite3_stmt *statement;
    int status = prepare(store, JOURNAL_ADD, id, role, &statement, err);

    if (status < 0)
        return status;
    db_bind_int(statement, 3, entry->time_ms);
    db_bind_text(statement, 4, entry->step);
    db_bind_text(statement, 5, entry->event);
    db_bind_text(statement, 6, entry->detail);
    return db_step(&store->db, statement, err);
}

int store_journal_each(struct store *store, const char *id, const char *role, store_journal_fn *fn, void *arg,
                       struct err *err)
{
    sqlite3_stmt *statement;
    bool go_on = true;
    int status = prepare(store, JOURNAL_ALL, id, role, &statement, err);

    if (status < 0)
        return status;
    while (go_on && (status = db_step(&store->db, statement, err)) > 0) {
        struct store_journal_entry entry = {.sequence = sqlite3_column_int64(statement, 0),
                                            .time_ms = sqlite3_column_int64(statement, 1)};

        copy_text(entry.step, sizeof entry.step, statement, 2);
        copy_text(entry.event, sizeof entry.event, statement, 3);
        copy_text(entry.detail, sizeof entry.detail, statement, 4);
        go_on = fn(arg, &entry);
    }
    db_end(statement);
    return status < 0 ? status : 0;
}

int store_policy_put(struct store *store, const char *vm, const char *json, struct err *err)
{
    return change(store, POLICY_PUT, vm, json, err);
}

int store_policy_get(struct store *store, const char *vm, char **json, struct err *err)
{
    sqlite3_stmt *statement;
    int status = prepare(store, POLICY_GET, vm, NULL, &statement, err);

    if (status < 0)
        return status;

    status = db_step(&store->db, statement, err);
    if (status < 0)
        return status;
    if (!status)
        return err_set(err, ERR_NOT_FOUND, "VM %s: no policy is stored", vm);
    *json = xstrdup(db_text(statement, 0));
    db_end(statement);
    return 0;
}

int store_policy_delete(struct store *store, const char *vm, struct err *err)
{
    return change(store, POLICY_DELETE, vm, NULL, err);
}

/* Hands out rows of two texts. */
static int each_pair(struct store *store, sqlite3_stmt *statement, store_document_fn *fn, void *arg, struct err *err)
{
    bool go_on = true;
    int status = 0;

    while (go_on && (status = db_step(&store->db, statement, err)) > 0)
        go_on = fn(arg, db_text(statement, 0), db_text(statement, 1));
    db_end(statement);
    return status < 0 ? status : 0;
}

int store_policy_each(struct store *store, store_policy_fn *fn, void *arg, struct err *err)
{
    sqlite3_stmt *statement;
    int status = db_statement(&store->db, POLICY_ALL, &statement, err);

    return status < 0 ? status : each_pair(store, statement, fn, arg, err);
}

int store_document_put(struct store *store, const char *kind, const char *name, const char *json, struct err *err)
{
    sqlite3_stmt *statement;
    int status = prepare(store, DOCUMENT_PUT, kind, name, &statement, err);

    if (status < 0)
        return status;
    db_bind_text(statement, 3, json);
    return db_step(&store->db, statement, err);
}

int store_document_delete(struct store *store, const char *kind, const char *name, struct err *err)
{
    return change(store, DOCUMENT_DELETE, kind, name, err);
}

int store_document_each(struct store *store, const char *kind, store_document_fn *fn, void *arg, struct err *err)
{
    sqlite3_stmt *statement;
    int status = prepare(store, DOCUMENT_ALL, kind, NULL, &statement, err);

    return status < 0 ? status : each_pair(store, statement, fn, arg, err);
}

/* 1 and '*location', 0: not known, or a failure of the database. */
static int find_location(struct store *store, const uint8_t uuid[UUID_SIZE], struct store_location *location,
                         struct err *err)
{
    sqlite3_stmt *statement;
    int status = db_statement(&store->db, LOCATION_GET, &statement, err);

    if (status < 0)
        return status;
    sqlite3_bind_blob(statement, 1, uuid, UUID_SIZE, SQLITE_STATIC);
    status = db_step(&store->db, statement, err);
    if (status <= 0)
        return status;
    memcpy(location->uuid, uuid, UUID_SIZE);
    copy_text(location->vm, sizeof location->vm, statement, 0);
    copy_text(location->dc, sizeof location->dc, statement, 1);
    location->generation = (uint64_t) sqlite3_column_int64(statement, 2);
    db_end(statement);
    return 1;
}

/* Fences off a claim that is older than what is known, or equal and of another data center. */
static int check_claim(const struct store_location *claim, const struct store_location *known, struct err *err)
{
    if (claim->generation < known->generation)
        return err_set(err, ERR_STALE,
                       "VM %s: generation %" PRIu64 " (in %s) is older than %" PRIu64 " (in %s), which is known here",
                       claim->vm, claim->generation, claim->dc, known->generation, known->dc);
    if (claim->generation == known->generation && strcmp(claim->dc, known->dc) != 0)
        return err_set(err, ERR_CONFLICT, "VM %s: generation %" PRIu64 " is claimed by %s, but it belongs to %s",
                       claim->vm, claim->generation, claim->dc, known->dc);
    return 0;
}

int store_location_put(struct store *store, const struct store_location *location, struct err *err)
{
    struct store_location known;
    sqlite3_stmt *statement;

    if (location->generation > INT64_MAX)
        return err_set(err, ERR_INVALID, "VM %s: generation %" PRIu64 " is larger than %" PRId64, location->vm,
                       location->generation, INT64_MAX);

    int status = find_location(store, location->uuid, &known, err);
    if (status > 0)
        status = check_claim(location, &known, err);
    if (!status)
        status = db_statement(&store->db, LOCATION_PUT, &statement, err);
    if (status < 0)
        return status;
    sqlite3_bind_blob(statement, 1, location->uuid, UUID_SIZE, SQLITE_STATIC);
    db_bind_text(statement, 2, location->vm);
    db_bind_text(statement, 3, location->dc);
    db_bind_int(statement, 4, (int64_t) location->generation);
    return db_step(&store->db, statement, err);
}

int store_location_get(struct store *store, const uint8_t uuid[UUID_SIZE], struct store_location *location,
                       struct err *err)
{
    int status = find_location(store, uuid, location, err);

    if (!status) {
        char text[UUID_TEXT_SIZE];

        uuid_format(uuid, text);
        return err_set(err, ERR_NOT_FOUND, "VM %s: no location is known", text);
    }
    return status < 0 ? status : 0;
}

/* Steps to the one row of a statement that yields a number, if there is one: 1, 0, or a failure of the database. */
static int step_number(struct store *store, sqlite3_stmt *statement, uint32_t *number, struct err *err)
{
    int status = db_step(&store->db, statement, err);

    if (status > 0) {
        *number = (uint32_t) sqlite3_column_int64(statement, 0);
        db_end(statement);
    }
    return status;
}

/* 1 and the owner's number, 0: it has none, or a failure of the database. */
static int find_number(struct store *store, const char *pool, const char *owner, uint32_t *number, struct err *err)
{
    sqlite3_stmt *statement;
    int status = prepare(store, NUMBER_GET, pool, owner, &statement, err);

    return status < 0 ? status : step_number(store, statement, number, err);
}

/* 1 and the lowest free number of a range, 0: all are taken, or a failure of the database. */
static int find_free_number(struct store *store, const char *pool, uint32_t first, uint32_t last, uint32_t *number,
                            struct err *err)
{
    sqlite3_stmt *statement;
    int status = prepare(store, NUMBER_FREE, pool, NULL, &statement, err);

    if (status < 0)
        return status;
    db_bind_int(statement, 2, first);
    db_bind_int(statement, 3, last);
    return step_number(store, statement, number, err);
}

int store_number_take(struct store *store, const char *pool, const char *owner, uint32_t first, uint32_t last,
                      uint32_t *number, struct err *err)
{
    sqlite3_stmt *statement;
    uint32_t lowest = 0;

    if (first > last)
        return err_set(err, ERR_INVALID, "pool %s: the range %u to %u is empty", pool, first, last);

    int status = find_number(store, pool, owner, number, err);
    if (status)
        return status < 0 ? status : 0;
    status = find_free_number(store, pool, first, last, &lowest, err);
    if (!status)
        return err_set(err, ERR_EXHAUSTED, "pool %s: every number from %u to %u is taken, none is left for %s", pool,
                       first, last, owner);
    if (status > 0)
        status = prepare(store, NUMBER_PUT, pool, owner, &statement, err);
    if (status < 0)
        return status;
    db_bind_int(statement, 3, lowest);
    status = db_step(&store->db, statement, err);
    if (!status)
        *number = lowest;
    return status;
}

int store_number_get(struct store *store, const char *pool, const char *owner, uint32_t *number, struct err *err)
{
    int status = find_number(store, pool, owner, number, err);

    if (!status)
        return err_set(err, ERR_NOT_FOUND, "pool %s: %s has no number", pool, owner);
    return status < 0 ? status : 0;
}

int store_number_free(struct store *store, const char *pool, const char *owner, struct err *err)
{
    return change(store, NUMBER_DELETE, pool, owner, err);
}

int store_number_each(struct store *store, const char *pool, store_number_fn *fn, void *arg, struct err *err)
{
    sqlite3_stmt *statement;
    bool go_on = true;
    int status = prepare(store, NUMBER_ALL, pool, NULL, &statement, err);

    if (status < 0)
        return status;
    while (go_on && (status = db_step(&store->db, statement, err)) > 0)
        go_on = fn(arg, db_text(statement, 0), (uint32_t) sqlite3_column_int64(statement, 1));
    db_end(statement);
    return status < 0 ? status : 0;
}
