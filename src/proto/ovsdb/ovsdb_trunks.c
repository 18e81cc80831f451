/* SPDX-License-Identifier: Apache-2.0 */
/* The tagged VLANs of a port: column "trunks" of table Port, ovs-vswitchd.conf.db(5).
 *
 * One transaction (RFC 7047 §4.1.3) checks that the port still belongs to the bridge, writes the column, and raises
 * next_cfg in the root table as every client of ovs-vswitchd does. The reply only says that it is stored; the request
 * ends when the monitored cur_cfg says that ovs-vswitchd has acted on it. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "proto/ovsdb/ovsdb_internal.h"
#include "proto/ovsdb/ovsdb_value.h"

/* An empty "trunks" means every VLAN. This one is reserved by 802.1Q (IEEE 802.1Q-2018 table 9-2), is never on a wire,
 * and so stands for none. */
#define VLAN_NONE 4095
#define VLAN_LAST 4094

enum { OP_WAIT, OP_UPDATE, OP_MUTATE, OP_SELECT, OPS };

static int compare_vlans(const void *a, const void *b)
{
    return (int) *(const uint16_t *) a - (int) *(const uint16_t *) b;
}

/* The column's value: rising, none twice, never empty. Caller frees. Null: a VLAN is out of range. */
static uint16_t *column_value(const uint16_t *vlans, size_t n, size_t *n_value)
{
    uint16_t *value = xcalloc(n + 1, sizeof *value);
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        if (vlans[i] == 0 || vlans[i] > VLAN_LAST) {
            free(value);
            return NULL;
        }
        value[i] = vlans[i];
    }
    qsort(value, n, sizeof *value, compare_vlans);
    for (size_t i = 0; i < n; i++) {
        if (used == 0 || value[used - 1] != value[i])
            value[used++] = value[i];
    }
    if (used == 0)
        value[used++] = VLAN_NONE;
    *n_value = used;
    return value;
}

static json_t *transaction(const struct ovsdb_bridge *bridge, const struct ovsdb_port *port, const uint16_t *vlans,
                           size_t n)
{
    json_t *wait = json_pack("{s:s, s:i, s:s, s:[[s, s, o], [s, s, o]], s:[s], s:s, s:[{s:s}]}",
                             "op", "wait", "timeout", 0, "table", "Bridge",
                             "where", "_uuid", "==", ovsdb_uuid_encode(bridge->uuid),
                             "ports", "includes", ovsdb_uuid_encode(port->uuid),
                             "columns", "name", "until", "==", "rows", "name", bridge->name);
    json_t *update = json_pack("{s:s, s:s, s:[[s, s, o]], s:{s:o}}", "op", "update", "table", "Port",
                               "where", "_uuid", "==", ovsdb_uuid_encode(port->uuid),
                               "row", "trunks", ovsdb_vlans_encode(vlans, n));
    json_t *mutate = json_pack("{s:s, s:s, s:[], s:[[s, s, i]]}", "op", "mutate", "table", "Open_vSwitch", "where",
                               "mutations", "next_cfg", "+=", 1);
    json_t *select = json_pack("{s:s, s:s, s:[], s:[s]}", "op", "select", "table", "Open_vSwitch", "where", "columns",
                               "next_cfg");

    return json_pack("[s, o, o, o, o]", OVSDB_NAME, wait, update, mutate, select);
}

static void end(struct ovsdb_session *session, size_t i, const struct err *err)
{
    ovsdb_push_event(session, OVSDB_DONE, session->pending[i].request, err);
    session->n_pending--;
    memmove(session->pending + i, session->pending + i + 1,
            (session->n_pending - i) * sizeof *session->pending);
}

/* The bridge's port whose trunks can be set; null and 'err' otherwise. */
static const struct ovsdb_port *find_port(const struct ovsdb_session *session, const char *bridge_name,
                                          const char *port_name, const struct ovsdb_bridge **bridge, struct err *err)
{
    if (!ovsdb_session_ready(session)) {
        err_set(err, ERR_UNREACHABLE, "switch %s: no session with its OVSDB server, so the VLANs of port %s stay as "
                "they are", bridge_name, port_name);
        return NULL;
    }
    *bridge = ovsdb_db_bridge(&session->db, bridge_name);
    const struct ovsdb_port *port = *bridge ? ovsdb_db_port(&session->db, *bridge, port_name) : NULL;
    if (!port) {
        err_set(err, ERR_NOT_FOUND, "switch %s has no port %s in OVSDB", bridge_name, port_name);
        return NULL;
    }
    bool access = port->vlan_mode[0] ? strcmp(port->vlan_mode, "access") == 0 : port->tag != OVSDB_UNSET;
    if (access || strcmp(port->vlan_mode, "dot1q-tunnel") == 0) {
        err_set(err, ERR_CONFLICT, "port %s of switch %s is no trunk (tag %lld, vlan_mode \"%s\" in OVSDB): clear both "
                "so that it can carry tagged VLANs", port_name, bridge_name, (long long) port->tag, port->vlan_mode);
        return NULL;
    }
    return port;
}

void ovsdb_session_set_trunks(struct ovsdb_session *session, uint64_t request, const char *bridge_name,
                              const char *port_name, const uint16_t *vlans, size_t n, struct mono now)
{
    const struct ovsdb_bridge *bridge;
    struct err err = {0};
    size_t n_value = 0;
    AUTO_FREE uint16_t *value = column_value(vlans, n, &n_value);
    const struct ovsdb_port *port = NULL;

    if (!value)
        err_set(&err, ERR_INVALID, "VLANs of port %s of switch %s: each has to be 1..%d", port_name, bridge_name,
                VLAN_LAST);
    else
        port = find_port(session, bridge_name, port_name, &bridge, &err);
    if (!port) {
        ovsdb_push_event(session, OVSDB_DONE, request, &err);
        return;
    }

    const struct ovsdb_root *root = ovsdb_db_root(&session->db);
    struct ovsdb_pending pending = {
        .id = ++session->last_id,
        .request = request,
        .deadline = mono_add(now, session->timeout_ms),
        .next_cfg = OVSDB_CFG_NOT_KNOWN,
    };
    name_copy(pending.bridge, bridge->name);
    name_copy(pending.port, port->name);
    if (root && ovsdb_set_equals_vlans(&port->trunks, value, n_value))
        pending.next_cfg = root->next_cfg;
    else
        ovsdb_send_request(session, "transact", transaction(bridge, port, value, n_value), json_integer(pending.id));
    session->pending =
        array_reserve(session->pending, session->n_pending, &session->cap_pending, sizeof *session->pending);
    session->pending[session->n_pending++] = pending;
    ovsdb_trunks_settle(session);
}

/* 0 and the next_cfg that the transaction left, or a code and 'err'. */
static int transaction_result(const struct ovsdb_pending *pending, const json_t *result, int64_t *next_cfg,
                              struct err *err)
{
    const json_t *select = json_array_get(result, OP_SELECT);
    const json_t *row = json_array_get(json_object_get(select, "rows"), 0);
    const json_t *count = json_object_get(json_array_get(result, OP_UPDATE), "count");
    const json_t *operation;
    size_t i;

    /* An operation that failed has an error, those after it are null; one more element tells of a failed commit. */
    json_array_foreach(result, i, operation) {
        char why[256];

        if (!json_object_get(operation, "error"))
            continue;
        ovsdb_error_text(operation, why, sizeof why);
        if (i == OP_WAIT)
            return err_set(err, ERR_NOT_FOUND, "switch %s has no port %s any more", pending->bridge, pending->port);
        return err_set(err, ERR_REFUSED, "switch %s: its OVSDB server did not change the VLANs of port %s (%s)",
                       pending->bridge, pending->port, why);
    }
    if (json_integer_value(count) != 1 || !json_is_integer(json_object_get(row, "next_cfg")))
        return err_set(err, ERR_UNKNOWN, "switch %s: its OVSDB server answered the change of port %s with something "
                       "else than was asked", pending->bridge, pending->port);
    *next_cfg = json_integer_value(json_object_get(row, "next_cfg"));
    return 0;
}

void ovsdb_trunks_reply(struct ovsdb_session *session, int64_t id, const json_t *result, const json_t *error)
{
    struct err err = {0};
    size_t i = 0;

    while (i < session->n_pending && session->pending[i].id != id)
        i++;
    if (i == session->n_pending || session->pending[i].next_cfg != OVSDB_CFG_NOT_KNOWN)
        return;

    struct ovsdb_pending *pending = &session->pending[i];
    if (!json_is_null(error)) {
        char why[256];

        ovsdb_error_text(error, why, sizeof why);
        err_set(&err, ERR_REFUSED, "switch %s: its OVSDB server refused to change the VLANs of port %s (%s)",
                pending->bridge, pending->port, why);
    } else {
        transaction_result(pending, result, &pending->next_cfg, &err);
    }
    if (err.code)
        end(session, i, &err);
    ovsdb_trunks_settle(session);
}

void ovsdb_trunks_settle(struct ovsdb_session *session)
{
    const struct ovsdb_root *root = ovsdb_db_root(&session->db);

    for (size_t i = 0; root && i < session->n_pending;) {
        if (session->pending[i].next_cfg <= root->cur_cfg)
            end(session, i, NULL);
        else
            i++;
    }
}

void ovsdb_trunks_expire(struct ovsdb_session *session, struct mono now, const char *why)
{
    for (size_t i = 0; i < session->n_pending;) {
        const struct ovsdb_pending *pending = &session->pending[i];
        struct err err;

        if (!mono_reached(pending->deadline, now)) {
            i++;
            continue;
        }
        err_set(&err, ERR_UNKNOWN, "switch %s: whether port %s has its new VLANs is not known, for %s",
                pending->bridge, pending->port, why);
        end(session, i, &err);
    }
}
