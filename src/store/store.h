/* SPDX-License-Identifier: Apache-2.0 */
/* What a gateway must not forget: migrations and their journal, VMs' policies and locations, VLANs and meters in use.
 * SQLite (WAL, synchronous=FULL), one writer. Every function that changes something returns after it is on disk.
 * Behind this header so that a replicated store can take SQLite's place. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "model/inventory.h"

struct store;

/* Opens or creates; ":memory:" for tests. Applies schema migrations in order (PRAGMA user_version); a database of a
 * newer version than this program, or of another program, is refused (ERR_UNSUPPORTED), and so are one that another
 * process has open (ERR_CONFLICT) and one that is damaged (ERR_MALFORMED).
 *
 * Every function below may also fail with ERR_EXHAUSTED (the disk is full), ERR_IO, ERR_REFUSED or ERR_MALFORMED. */
struct store *store_open(const char *path, struct err *err);
void store_close(struct store *store);

/* A transaction around several changes; nesting is not allowed. If the disk or the database failed a change within it,
 * the commit changes nothing and returns that failure. A location's ERR_STALE and ERR_CONFLICT and a number pool's
 * ERR_EXHAUSTED are the caller's to judge: commit what else was changed, or roll back. */
int store_begin(struct store *store, struct err *err);
int store_commit(struct store *store, struct err *err);
void store_rollback(struct store *store);

/* In every listing below, 'fn' may change the store but not start the same listing again; it returns false to stop. */

/* Migrations: one row each, 'document' is the saga's own JSON (order, plan, states) as text; the journal is
 * append-only. */
struct store_migration {
    char id[UUID_TEXT_SIZE];
    char role[8]; /* "source" or "target" */
    char peer[NAME_SIZE];
    char state[32];
    char *document;                 /* caller frees (store_migration_free) */
    int64_t created_ms, updated_ms; /* Unix time */
    bool ended;
};
int store_migration_put(struct store *store, const struct store_migration *migration, struct err *err);
/* 0, or ERR_NOT_FOUND. A gateway may be source and target of one id (a DC moving to itself), hence 'role'. */
int store_migration_get(struct store *store, const char *id, const char *role, struct store_migration *migration,
                        struct err *err);
/* Newest first; 'only_open': those that have not ended. */
typedef bool store_migration_fn(void *arg, const struct store_migration *migration);
int store_migration_each(struct store *store, bool only_open, store_migration_fn *fn, void *arg, struct err *err);
void store_migration_free(struct store_migration *migration);

/* What is left of a target's migration that is no longer among the others, so that its id is not taken for a new one:
 * it was called off before its message came, or pruned after it had ended. */
struct store_tombstone {
    char id[UUID_TEXT_SIZE];
    char peer[NAME_SIZE]; /* of a called-off one: the certificate's name; else the source's data center */
    char state[32];
    int64_t ended_ms; /* Unix time */
    bool called_off;
};
int store_tombstone_put(struct store *store, const struct store_tombstone *tombstone, struct err *err); /* first wins */
int store_tombstone_get(struct store *store, const char *id, struct store_tombstone *tombstone,
                        struct err *err); /* ERR_NOT_FOUND */

/* Removes, with their journals, those that ended first, until 'keep' of the ended ones are left or 'most' are removed;
 * open ones stay. Each of a target leaves a tombstone; tombstones of pruned ones that ended before 'tombstones_ms' go,
 * too. 'id' and 'role' (null: none) name one that stays, however old its time stamp is. '*n' gets how many were
 * removed. To be called within a transaction. */
struct store_pruning {
    uint32_t keep, most;
    int64_t tombstones_ms; /* Unix time */
    const char *id, *role;
};
int store_migration_prune(struct store *store, const struct store_pruning *pruning, uint32_t *n, struct err *err);

struct store_journal_entry {
    int64_t sequence; /* given by the store, ascending; ignored by store_journal_add() */
    int64_t time_ms;  /* Unix time */
    char step[64];    /* "transfer V2" */
    char event[32];   /* "intent", "done", "failed", "unknown", "undo", "undone", ... */
    char detail[256];
};
/* ERR_NOT_FOUND: there is no such migration. */
int store_journal_add(struct store *store, const char *id, const char *role, const struct store_journal_entry *entry,
                      struct err *err);
/* Oldest first. */
typedef bool store_journal_fn(void *arg, const struct store_journal_entry *entry);
int store_journal_each(struct store *store, const char *id, const char *role, store_journal_fn *fn, void *arg,
                       struct err *err);

/* Policies: JSON text by VM name. */
int store_policy_put(struct store *store, const char *vm, const char *json, struct err *err);
/* ERR_NOT_FOUND, or 0 and '*json', which the caller frees. */
int store_policy_get(struct store *store, const char *vm, char **json, struct err *err);
int store_policy_delete(struct store *store, const char *vm, struct err *err); /* 0 also if there was none */
/* By name. */
typedef bool store_policy_fn(void *arg, const char *vm, const char *json);
int store_policy_each(struct store *store, store_policy_fn *fn, void *arg, struct err *err);

/* Other things that the gateway was told and must not forget, as JSON text by kind ("user", "channel", "address-set")
 * and name. To delete one that is not there is fine. */
int store_document_put(struct store *store, const char *kind, const char *name, const char *json, struct err *err);
int store_document_delete(struct store *store, const char *kind, const char *name, struct err *err);
/* By name. */
typedef bool store_document_fn(void *arg, const char *name, const char *json);
int store_document_each(struct store *store, const char *kind, store_document_fn *fn, void *arg, struct err *err);

/* Where a VM is, with the generation that fences claims. A put with a generation lower than what is stored is refused
 * with ERR_STALE and changes nothing; an equal one with the same dc is fine, with another dc ERR_CONFLICT. */
struct store_location {
    uint8_t uuid[UUID_SIZE];
    char vm[NAME_SIZE];
    char dc[NAME_SIZE];
    uint64_t generation; /* 0..INT64_MAX, else ERR_INVALID */
};
int store_location_put(struct store *store, const struct store_location *location, struct err *err);
int store_location_get(struct store *store, const uint8_t uuid[UUID_SIZE], struct store_location *location,
                       struct err *err); /* ERR_NOT_FOUND */

/* Small numbers in use: VLANs of segments, meters of VMs, segment numbers. 'pool' is "vlan", "meter/tor-a", ...; one
 * owner has one number in a pool. */
int store_number_take(struct store *store, const char *pool, const char *owner, uint32_t first, uint32_t last,
                      uint32_t *number, struct err *err); /* the owner's, or the lowest free one; ERR_EXHAUSTED */
int store_number_get(struct store *store, const char *pool, const char *owner, uint32_t *number, struct err *err);
int store_number_free(struct store *store, const char *pool, const char *owner, struct err *err); /* 0 also if none */
/* Ascending. */
typedef bool store_number_fn(void *arg, const char *owner, uint32_t number);
int store_number_each(struct store *store, const char *pool, store_number_fn *fn, void *arg, struct err *err);

#endif
