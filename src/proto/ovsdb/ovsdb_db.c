/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/ovsdb/ovsdb_db.h"

#include <string.h>

#include "base/alloc.h"
#include "proto/ovsdb/ovsdb_value.h"

struct column {
    const char *name;
    enum ovsdb_kind kind;
    size_t offset; /* of its member in the row */
};

struct table {
    const char *name;
    size_t row_size;
    const struct column *columns;
    size_t n_columns;
};

static const struct column bridge_columns[] = {
    {"name", OVSDB_KIND_NAME, offsetof(struct ovsdb_bridge, name)},
    {"datapath_id", OVSDB_KIND_DPID, offsetof(struct ovsdb_bridge, dpid)},
    {"rstp_enable", OVSDB_KIND_BOOL, offsetof(struct ovsdb_bridge, rstp)},
    {"datapath_type", OVSDB_KIND_NAME, offsetof(struct ovsdb_bridge, datapath_type)},
    {"ports", OVSDB_KIND_UUIDS, offsetof(struct ovsdb_bridge, ports)},
    {"flow_tables", OVSDB_KIND_TABLES, offsetof(struct ovsdb_bridge, flow_tables)},
};

static const struct column port_columns[] = {
    {"name", OVSDB_KIND_NAME, offsetof(struct ovsdb_port, name)},
    {"other_config", OVSDB_KIND_RSTP, offsetof(struct ovsdb_port, rstp)},
    {"interfaces", OVSDB_KIND_UUIDS, offsetof(struct ovsdb_port, interfaces)},
    {"qos", OVSDB_KIND_UUID, offsetof(struct ovsdb_port, qos)},
    {"external_ids", OVSDB_KIND_MAP, offsetof(struct ovsdb_port, external_ids)},
};

static const struct column interface_columns[] = {
    {"name", OVSDB_KIND_NAME, offsetof(struct ovsdb_interface, name)},
    {"ofport", OVSDB_KIND_OPTIONAL, offsetof(struct ovsdb_interface, ofport)},
    {"mtu", OVSDB_KIND_OPTIONAL, offsetof(struct ovsdb_interface, mtu)},
    {"link_speed", OVSDB_KIND_OPTIONAL, offsetof(struct ovsdb_interface, link_speed)},
};

static const struct column qos_columns[] = {
    {"type", OVSDB_KIND_NAME, offsetof(struct ovsdb_qos, type)},
    {"other_config", OVSDB_KIND_MAP, offsetof(struct ovsdb_qos, other_config)},
    {"external_ids", OVSDB_KIND_MAP, offsetof(struct ovsdb_qos, external_ids)},
    {"queues", OVSDB_KIND_MAP, offsetof(struct ovsdb_qos, queues)},
};

static const struct column queue_columns[] = {
    {"other_config", OVSDB_KIND_MAP, offsetof(struct ovsdb_queue, other_config)},
    {"external_ids", OVSDB_KIND_MAP, offsetof(struct ovsdb_queue, external_ids)},
};

static const struct column flow_table_columns[] = {
    {"flow_limit", OVSDB_KIND_OPTIONAL, offsetof(struct ovsdb_flow_table, limit)},
};

#define COLUMNS(columns) columns, ARRAY_LEN(columns)
static const struct table tables[OVSDB_TABLES] = {
    [OVSDB_BRIDGE] = {"Bridge", sizeof(struct ovsdb_bridge), COLUMNS(bridge_columns)},
    [OVSDB_PORT] = {"Port", sizeof(struct ovsdb_port), COLUMNS(port_columns)},
    [OVSDB_INTERFACE] = {"Interface", sizeof(struct ovsdb_interface), COLUMNS(interface_columns)},
    [OVSDB_FLOW_TABLE] = {"Flow_Table", sizeof(struct ovsdb_flow_table), COLUMNS(flow_table_columns)},
    [OVSDB_QOS] = {"QoS", sizeof(struct ovsdb_qos), COLUMNS(qos_columns)},
    [OVSDB_QUEUE] = {"Queue", sizeof(struct ovsdb_queue), COLUMNS(queue_columns)},
};

json_t *ovsdb_db_monitor_requests(void)
{
    json_t *requests = json_object();

    for (size_t i = 0; i < OVSDB_TABLES; i++) {
        json_t *columns = json_array();

        for (size_t j = 0; j < tables[i].n_columns; j++)
            json_array_append_new(columns, json_string(tables[i].columns[j].name));
        json_object_set_new(requests, tables[i].name, json_pack("[{s:o}]", "columns", columns));
    }
    return requests;
}

static void *member_of(void *row, const struct column *column)
{
    return (uint8_t *) row + column->offset;
}

static void *row_new(const struct table *table, const uint8_t uuid[UUID_SIZE])
{
    uint8_t *row = xcalloc(1, table->row_size);

    memcpy(row, uuid, UUID_SIZE); /* every row begins with it */
    for (size_t i = 0; i < table->n_columns; i++)
        ovsdb_value_reset(table->columns[i].kind, member_of(row, &table->columns[i]));
    return row;
}

static void row_free(const struct table *table, void *row)
{
    for (size_t i = 0; i < table->n_columns; i++)
        ovsdb_value_reset(table->columns[i].kind, member_of(row, &table->columns[i]));
    free(row);
}

/* Where the row is, or where it would have to stand. */
static size_t row_position(const struct ovsdb_rows *rows, const uint8_t uuid[UUID_SIZE], bool *found)
{
    size_t low = 0, high = rows->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (memcmp(rows->rows[middle], uuid, UUID_SIZE) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < rows->n && memcmp(rows->rows[low], uuid, UUID_SIZE) == 0;
    return low;
}

static void *row_find(const struct ovsdb_rows *rows, const uint8_t uuid[UUID_SIZE])
{
    bool found;
    size_t at = row_position(rows, uuid, &found);

    return found ? rows->rows[at] : NULL;
}

static void row_remove(const struct table *table, struct ovsdb_rows *rows, const uint8_t uuid[UUID_SIZE])
{
    bool found;
    size_t at = row_position(rows, uuid, &found);

    if (!found)
        return;
    row_free(table, rows->rows[at]);
    rows->n--;
    memmove(rows->rows + at, rows->rows + at + 1, (rows->n - at) * sizeof *rows->rows);
}

/* An empty row of that identity, in place of what stood there. Null: too many. */
static void *row_replace(const struct table *table, struct ovsdb_rows *rows, const uint8_t uuid[UUID_SIZE])
{
    bool found;
    size_t at = row_position(rows, uuid, &found);

    if (found) {
        row_free(table, rows->rows[at]);
    } else {
        if (rows->n == OVSDB_ROWS_MAX)
            return NULL;
        rows->rows = array_reserve(rows->rows, rows->n, &rows->capacity, sizeof *rows->rows);
        memmove(rows->rows + at + 1, rows->rows + at, (rows->n - at) * sizeof *rows->rows);
        rows->n++;
    }
    rows->rows[at] = row_new(table, uuid);
    return rows->rows[at];
}

/* Sets the columns that 'values' has; 'difference': its sets and maps hold what was added or removed. */
static int row_set(const struct table *table, void *row, const json_t *values, bool difference, struct err *err)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        const struct column *column = &table->columns[i];
        const json_t *value = json_object_get(values, column->name);
        int status = value ? ovsdb_value_decode(column->kind, value, difference, member_of(row, column)) : 0;

        if (status < 0)
            return err_set(err, status, "OVSDB sent a value for column %s of table %s that cannot be used: %s",
                           column->name, table->name, err_name(status));
    }
    return 0;
}

static int row_update(const struct table *table, struct ovsdb_rows *rows, const char *key, const json_t *update,
                      struct err *err)
{
    uint8_t uuid[UUID_SIZE];

    if (uuid_parse(key, uuid) < 0 || !json_is_object(update))
        return err_set(err, ERR_MALFORMED, "OVSDB sent an update of table %s that names no row", table->name);

    const json_t *whole = json_object_get(update, "initial");
    if (!whole)
        whole = json_object_get(update, "insert");
    if (!whole)
        whole = json_object_get(update, "new");
    if (whole) {
        void *row = row_replace(table, rows, uuid);

        if (!row)
            return err_set(err, ERR_TOO_LARGE, "OVSDB has more than %d rows in table %s", OVSDB_ROWS_MAX, table->name);
        return row_set(table, row, whole, false, err);
    }

    const json_t *modify = json_object_get(update, "modify");
    if (!modify) {
        row_remove(table, rows, uuid);
        return 0;
    }
    void *row = row_find(rows, uuid);
    if (!row)
        return err_set(err, ERR_MALFORMED, "OVSDB modified row %s of table %s, which it never sent", key, table->name);
    return row_set(table, row, modify, true, err);
}

int ovsdb_db_update(struct ovsdb_db *db, const json_t *updates, struct err *err)
{
    if (!json_is_object(updates))
        return err_set(err, ERR_MALFORMED, "OVSDB sent table updates that are no object");
    for (size_t i = 0; i < OVSDB_TABLES; i++) {
        json_t *rows = json_object_get(updates, tables[i].name);
        const char *key;
        json_t *update;

        if (rows && !json_is_object(rows))
            return err_set(err, ERR_MALFORMED, "OVSDB sent an update of table %s that is no object", tables[i].name);
        json_object_foreach(rows, key, update) {
            int status = row_update(&tables[i], &db->tables[i], key, update, err);

            if (status < 0)
                return status;
        }
    }
    return 0;
}

void ovsdb_db_free(struct ovsdb_db *db)
{
    for (size_t i = 0; i < OVSDB_TABLES; i++) {
        for (size_t j = 0; j < db->tables[i].n; j++)
            row_free(&tables[i], db->tables[i].rows[j]);
        free(db->tables[i].rows);
    }
    *db = (struct ovsdb_db) {0};
}

const void *ovsdb_db_row(const struct ovsdb_db *db, enum ovsdb_table_id table, const uint8_t uuid[UUID_SIZE])
{
    return row_find(&db->tables[table], uuid);
}

const struct ovsdb_bridge *ovsdb_db_bridge_by_dpid(const struct ovsdb_db *db, uint64_t dpid)
{
    const struct ovsdb_rows *bridges = &db->tables[OVSDB_BRIDGE];

    for (size_t i = 0; i < bridges->n; i++) {
        const struct ovsdb_bridge *bridge = bridges->rows[i];

        if (bridge->dpid == dpid && dpid && bridge->name[0])
            return bridge;
    }
    return NULL;
}

const struct ovsdb_bridge *ovsdb_db_bridge(const struct ovsdb_db *db, const char *name)
{
    const struct ovsdb_rows *bridges = &db->tables[OVSDB_BRIDGE];

    for (size_t i = 0; i < bridges->n; i++) {
        const struct ovsdb_bridge *bridge = bridges->rows[i];

        if (strcmp(bridge->name, name) == 0)
            return bridge;
    }
    return NULL;
}

const struct ovsdb_interface *ovsdb_db_interface(const struct ovsdb_db *db, const struct ovsdb_bridge *bridge,
                                                 uint32_t ofport, const struct ovsdb_port **port)
{
    for (size_t i = 0; i < bridge->ports.n; i++) {
        const struct ovsdb_port *row = row_find(&db->tables[OVSDB_PORT], bridge->ports.uuids[i]);

        for (size_t j = 0; row && j < row->interfaces.n; j++) {
            const struct ovsdb_interface *interface = row_find(&db->tables[OVSDB_INTERFACE], row->interfaces.uuids[j]);

            if (!interface || interface->ofport != (int64_t) ofport)
                continue;
            if (port)
                *port = row;
            return interface;
        }
    }
    return NULL;
}

int64_t ovsdb_db_flow_limit(const struct ovsdb_db *db, const struct ovsdb_bridge *bridge, uint8_t number)
{
    for (size_t i = 0; i < bridge->flow_tables.n; i++) {
        const struct ovsdb_table_ref *ref = &bridge->flow_tables.refs[i];
        const struct ovsdb_flow_table *row = ref->number == number ?
                                                 row_find(&db->tables[OVSDB_FLOW_TABLE], ref->uuid) :
                                                 NULL;

        if (row)
            return row->limit;
    }
    return OVSDB_UNSET;
}
