/* SPDX-License-Identifier: Apache-2.0 */
/* Our copy of what we need of a switch's configuration: rows of the tables of database Open_vSwitch
 * (ovs-vswitchd.conf.db(5)), kept up to date by table updates of either dialect:
 * - RFC 7047 §4.1.6 (monitor): {"old": ..., "new": ROW}, a row being complete;
 * - ovsdb-server(7) 4.1.14 (monitor_cond): "initial", "insert", "delete" and "modify", in which columns at their
 *   defaults are left out and a set that changed is sent as what was added or removed. */
#ifndef PROTO_OVSDB_DB_H
#define PROTO_OVSDB_DB_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/inventory.h"

#define OVSDB_NAME "Open_vSwitch"
#define OVSDB_ROWS_MAX 65536 /* of one table */
#define OVSDB_SET_MAX 16384  /* elements of one set or pairs of one map */
#define OVSDB_UNSET (-1)

struct ovsdb_set { /* of row identities; rising, none twice */
    uint8_t (*uuids)[UUID_SIZE];
    size_t n, capacity;
};

/* Which row each of a bridge's OpenFlow tables has, if it has one. */
struct ovsdb_table_refs {
    struct ovsdb_table_ref {
        uint8_t number;
        uint8_t uuid[UUID_SIZE];
    } * refs;
    size_t n, capacity;
};

/* A name longer than the model's names is kept as "": such a row is never found by name. */
struct ovsdb_bridge {
    uint8_t uuid[UUID_SIZE];
    char name[NAME_SIZE];
    uint64_t dpid; /* 0: the switch has not told it yet */
    bool rstp;     /* rstp_enable */
    char datapath_type[NAME_SIZE];
    struct ovsdb_set ports;
    struct ovsdb_table_refs flow_tables;
};

struct ovsdb_port {
    uint8_t uuid[UUID_SIZE];
    char name[NAME_SIZE];
    int64_t rstp; /* other_config:rstp-enable as 0 or 1, or OVSDB_UNSET, which means yes */
    struct ovsdb_set interfaces;
    struct ovsdb_set qos; /* at most one */
    json_t *external_ids;
};

struct ovsdb_interface {
    uint8_t uuid[UUID_SIZE];
    char name[NAME_SIZE]; /* OpenFlow gives only its first 15 bytes */
    int64_t ofport;       /* OpenFlow port, or OVSDB_UNSET */
    int64_t mtu;          /* bytes, as the switch has found it, or OVSDB_UNSET */
    int64_t link_speed;   /* bit/s, as the switch has found it, or OVSDB_UNSET */
};

struct ovsdb_flow_table {
    uint8_t uuid[UUID_SIZE];
    int64_t limit; /* flows that it takes, or OVSDB_UNSET */
};

struct ovsdb_qos {
    uint8_t uuid[UUID_SIZE];
    char type[NAME_SIZE];
    json_t *other_config, *external_ids;
    json_t *queues; /* row identities by queue number */
};

struct ovsdb_queue {
    uint8_t uuid[UUID_SIZE];
    json_t *other_config, *external_ids;
};

enum ovsdb_table_id {
    OVSDB_BRIDGE,
    OVSDB_PORT,
    OVSDB_INTERFACE,
    OVSDB_FLOW_TABLE,
    OVSDB_QOS,
    OVSDB_QUEUE,
    OVSDB_TABLES
};

struct ovsdb_db {
    struct ovsdb_rows {
        void **rows; /* by identity; each a struct of the table's type */
        size_t n, capacity;
    } tables[OVSDB_TABLES];
};

/* What to ask for: the <monitor-requests> object for all tables and columns here. New reference. */
json_t *ovsdb_db_monitor_requests(void);

/* Takes <table-updates> in. Unknown tables and columns are ignored. 0, or ERR_MALFORMED or ERR_TOO_LARGE with table and
 * column; the copy is then of no use but to be freed. */
int ovsdb_db_update(struct ovsdb_db *db, const json_t *updates, struct err *err);

void ovsdb_db_free(struct ovsdb_db *db); /* its members */

/* The row with that identity, or null; a struct of the table's type, valid until the next update. */
const void *ovsdb_db_row(const struct ovsdb_db *db, enum ovsdb_table_id table, const uint8_t uuid[UUID_SIZE]);
/* Each finder returns null if there is none; what it returns is valid until the next update. */
const struct ovsdb_bridge *ovsdb_db_bridge_by_dpid(const struct ovsdb_db *db, uint64_t dpid);
const struct ovsdb_bridge *ovsdb_db_bridge(const struct ovsdb_db *db, const char *name);
/* '*port' (may be null) gets the port that the interface belongs to. */
const struct ovsdb_interface *ovsdb_db_interface(const struct ovsdb_db *db, const struct ovsdb_bridge *bridge,
                                                 uint32_t ofport, const struct ovsdb_port **port);
/* How many flows the bridge's OpenFlow table of this number takes, or OVSDB_UNSET. */
int64_t ovsdb_db_flow_limit(const struct ovsdb_db *db, const struct ovsdb_bridge *bridge, uint8_t number);

#endif
