/* SPDX-License-Identifier: Apache-2.0 */
#include "store/schema.h"

#include "base/alloc.h"

const char *const schema_steps[] = {
    "CREATE TABLE migration ("
    "  id TEXT NOT NULL,"
    "  role TEXT NOT NULL CHECK (role IN ('source', 'target')),"
    "  peer TEXT NOT NULL,"
    "  state TEXT NOT NULL,"
    "  document TEXT NOT NULL,"
    "  created_ms INTEGER NOT NULL,"
    "  updated_ms INTEGER NOT NULL,"
    "  ended INTEGER NOT NULL CHECK (ended IN (0, 1)),"
    "  PRIMARY KEY (id, role)"
    ") STRICT;"
    "CREATE INDEX migration_open ON migration (created_ms) WHERE NOT ended;"
    /* AUTOINCREMENT: a sequence number is never used twice. */
    "CREATE TABLE journal ("
    "  sequence INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  id TEXT NOT NULL,"
    "  role TEXT NOT NULL,"
    "  time_ms INTEGER NOT NULL,"
    "  step TEXT NOT NULL,"
    "  event TEXT NOT NULL,"
    "  detail TEXT NOT NULL,"
    "  FOREIGN KEY (id, role) REFERENCES migration (id, role)"
    ") STRICT;"
    "CREATE INDEX journal_migration ON journal (id, role, sequence);"
    "CREATE TABLE policy ("
    "  vm TEXT NOT NULL PRIMARY KEY,"
    "  json TEXT NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE location ("
    "  uuid BLOB NOT NULL PRIMARY KEY CHECK (length(uuid) = 16),"
    "  vm TEXT NOT NULL,"
    "  dc TEXT NOT NULL,"
    "  generation INTEGER NOT NULL CHECK (generation >= 0)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE number ("
    "  pool TEXT NOT NULL,"
    "  owner TEXT NOT NULL,"
    "  number INTEGER NOT NULL CHECK (number BETWEEN 0 AND 4294967295),"
    "  PRIMARY KEY (pool, owner),"
    "  UNIQUE (pool, number)"
    ") STRICT, WITHOUT ROWID;",
    "CREATE TABLE document ("
    "  kind TEXT NOT NULL,"
    "  name TEXT NOT NULL,"
    "  json TEXT NOT NULL,"
    "  PRIMARY KEY (kind, name)"
    ") STRICT, WITHOUT ROWID;",
    "CREATE INDEX migration_ended ON migration (ended, updated_ms);"
    "CREATE TABLE tombstone ("
    "  id TEXT NOT NULL PRIMARY KEY,"
    "  peer TEXT NOT NULL,"
    "  state TEXT NOT NULL,"
    "  ended_ms INTEGER NOT NULL,"
    "  called_off INTEGER NOT NULL CHECK (called_off IN (0, 1))"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX tombstone_pruned ON tombstone (ended_ms) WHERE NOT called_off;"
    /* Version 2 kept what was called off among the migrations. */
    "INSERT INTO tombstone SELECT id, peer, state, updated_ms, 1 FROM migration"
    "  WHERE document = '{\"called-off\": true}' AND role = 'target';"
    "DELETE FROM migration WHERE document = '{\"called-off\": true}' AND role = 'target';",
};

int schema_version(void)
{
    return (int) ARRAY_LEN(schema_steps);
}
