/* SPDX-License-Identifier: Apache-2.0 */
#include "south/switch_queue_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define OWNER "scg-switch"
#define TYPE "linux-htb"

uint32_t switch_port_rate(const struct ovsdb_port *port, const struct ovsdb_interface *interface)
{
    const char *said = json_string_value(json_object_get(port->external_ids, "scg-rate-kbps"));
    char *end = NULL;
    unsigned long long kbps = said ? strtoull(said, &end, 10) : 0;

    if (said && (end == said || *end || kbps > UINT32_MAX))
        kbps = 0;
    if (!kbps && interface->link_speed > 0)
        kbps = (unsigned long long) interface->link_speed / 1000;
    return kbps > UINT32_MAX ? UINT32_MAX : (uint32_t) kbps;
}

/* ---- values of columns ---- */

static json_t *identity(const uint8_t uuid[UUID_SIZE])
{
    char text[UUID_TEXT_SIZE];

    uuid_format(uuid, text);
    return json_pack("[s, s]", "uuid", text);
}

/* ["map", [[KEY, VALUE], ...]] of an object of texts. */
static json_t *map_value(const json_t *object)
{
    json_t *pairs = json_array();
    const char *key;
    json_t *value;

    json_object_foreach((json_t *) object, key, value) {
        json_array_append_new(pairs, json_pack("[s, O]", key, value));
    }
    return json_pack("[s, o]", "map", pairs);
}

static void set_rate(json_t *object, const char *key, uint32_t kbps)
{
    if (kbps)
        json_object_set_new(object, key, json_sprintf("%llu", (unsigned long long) kbps * 1000));
}

static json_t *rates_of(const struct flow_queue *queue)
{
    json_t *object = json_object();

    set_rate(object, "min-rate", queue->min_kbps);
    set_rate(object, "max-rate", queue->max_kbps);
    if (queue->priority)
        json_object_set_new(object, "priority", json_sprintf("%u", queue->priority));
    return object;
}

static json_t *ids_of(const struct ovsdb_bridge *bridge, const struct flow_queue *queue)
{
    char address[IP_TEXT_SIZE];

    return json_pack("{s:s, s:s, s:s, s:s, s:o}", OWNER, bridge->name, "scg-vm", queue->vm, "scg-direction",
                     queue->from_vm ? "from-vm" : "to-vm", "scg-address", ip_format(&queue->ip, address), "scg-dscp",
                     json_sprintf("%u", queue->dscp));
}

static bool maps_equal(const json_t *a, const json_t *b)
{
    return (json_object_size(a) == 0 && json_object_size(b) == 0) || json_equal(a, b);
}

static bool is_ours(const json_t *external_ids, const struct ovsdb_bridge *bridge)
{
    const char *owner = json_string_value(json_object_get(external_ids, OWNER));

    return owner && strcmp(owner, bridge->name) == 0;
}

/* ---- changes ---- */

struct change {
    const struct ovsdb_db *db;
    const struct ovsdb_bridge *bridge;
    const struct switch_queue_set *set;
    json_t *operations;
    json_t *kept; /* an object whose keys are identities of rows that stay */
};

static void keep(struct change *change, const uint8_t uuid[UUID_SIZE])
{
    char text[UUID_TEXT_SIZE];

    uuid_format(uuid, text);
    json_object_set_new(change->kept, text, json_true());
}

static void add_update(struct change *change, const char *table, const uint8_t uuid[UUID_SIZE], json_t *row)
{
    json_array_append_new(change->operations, json_pack("{s:s, s:s, s:[[s, s, o]], s:o}", "op", "update", "table",
                                                        table, "where", "_uuid", "==", identity(uuid), "row", row));
}

static const struct ovsdb_queue *queue_row(const struct change *change, const char *identity_text)
{
    uint8_t uuid[UUID_SIZE];

    return identity_text && uuid_parse(identity_text, uuid) == 0 ? ovsdb_db_row(change->db, OVSDB_QUEUE, uuid) : NULL;
}

/* Whether it is a row of ours of a VM that nothing is wanted of, and which may not go. */
static bool is_of_absent(const struct change *change, const struct ovsdb_queue *row)
{
    const char *vm = row ? json_string_value(json_object_get(row->external_ids, "scg-vm")) : NULL;

    if (change->set->complete || !vm || !is_ours(row->external_ids, change->bridge))
        return false;
    for (size_t i = 0; i < change->set->n; i++) {
        if (strcmp(change->set->queues[i].vm, vm) == 0)
            return false;
    }
    return true;
}

static void keep_qos(struct change *change, const struct ovsdb_qos *qos)
{
    const char *number;
    json_t *value;

    keep(change, qos->uuid);
    json_object_foreach(qos->queues, number, value) {
        const struct ovsdb_queue *row = queue_row(change, json_string_value(value));

        if (row)
            keep(change, row->uuid);
    }
}

static bool is_wanted(const struct flow_queue *wanted, size_t n, uint32_t id)
{
    while (n > 0 && wanted[n - 1].id != id)
        n--;
    return n > 0;
}

/* Adds the port's queues of absent VMs to a map of queues, but for those whose number another VM has now; returns how
 * many. */
static size_t keep_absent(struct change *change, const struct ovsdb_qos *qos, const struct flow_queue *wanted,
                          size_t n_wanted, json_t *pairs)
{
    const char *number;
    json_t *value;
    size_t n = 0;

    json_object_foreach(qos->queues, number, value) {
        const struct ovsdb_queue *row = queue_row(change, json_string_value(value));

        if (!is_of_absent(change, row) || is_wanted(wanted, n_wanted, (uint32_t) strtoul(number, NULL, 10)))
            continue;
        keep(change, row->uuid);
        json_array_append_new(pairs, json_pack("[i, o]", atoi(number), identity(row->uuid)));
        n++;
    }
    return n;
}

/* A Queue row as the queue is to be: the one that stands, changed if need be, or a new one. Returns how a map names it
 * and, in '*stands', the text of its identity (null: it is new). */
static json_t *place_queue(struct change *change, const struct ovsdb_qos *qos, const struct flow_queue *queue,
                           const char **stands)
{
    AUTO_FREE char *number = xasprintf("%u", queue->id);
    const char *held = qos ? json_string_value(json_object_get(qos->queues, number)) : NULL;
    const struct ovsdb_queue *row = queue_row(change, held);
    json_t *rates = rates_of(queue), *ids = ids_of(change->bridge, queue);
    json_t *name;

    if (row && is_ours(row->external_ids, change->bridge)) {
        keep(change, row->uuid);
        if (!maps_equal(rates, row->other_config) || !maps_equal(ids, row->external_ids))
            add_update(change, "Queue", row->uuid,
                       json_pack("{s:o, s:o}", "other_config", map_value(rates), "external_ids", map_value(ids)));
        *stands = held;
        name = identity(row->uuid);
    } else {
        AUTO_FREE char *named = xasprintf("q%u_%u", queue->port, queue->id);

        json_array_append_new(change->operations, json_pack("{s:s, s:s, s:s, s:{s:o, s:o}}", "op", "insert", "table",
                                                            "Queue", "uuid-name", named, "row", "other_config",
                                                            map_value(rates), "external_ids", map_value(ids)));
        *stands = NULL;
        name = json_pack("[s, s]", "named-uuid", named);
    }
    json_decref(rates);
    json_decref(ids);
    return name;
}

/* The Port row gets this QoS, an array of a set, unless somebody has changed it meanwhile. */
static void add_port_qos(struct change *change, const struct ovsdb_port *port, json_t *qos)
{
    json_t *held = port->qos.n ? identity(port->qos.uuids[0]) : json_pack("[s, []]", "set");

    json_array_append_new(change->operations,
                          json_pack("{s:s, s:i, s:s, s:[[s, s, o]], s:[s], s:s, s:[{s:o}]}", "op", "wait", "timeout", 0,
                                    "table", "Port", "where", "_uuid", "==", identity(port->uuid), "columns", "qos",
                                    "until", "==", "rows", "qos", held));
    add_update(change, "Port", port->uuid, json_pack("{s:o}", "qos", qos));
}

static int place_port(struct change *change, const struct ovsdb_port *port, const struct ovsdb_interface *interface,
                      const struct flow_queue *wanted, size_t n, struct err *err)
{
    const struct ovsdb_qos *qos = port->qos.n ? ovsdb_db_row(change->db, OVSDB_QOS, port->qos.uuids[0]) : NULL;
    uint32_t rate = switch_port_rate(port, interface);
    char text[UUID_TEXT_SIZE] = "";

    if (port->qos.n)
        uuid_format(port->qos.uuids[0], text);
    if (port->qos.n && (!qos || !is_ours(qos->external_ids, change->bridge)))
        return err_set(err, ERR_CONFLICT,
                       "port %s of switch %s has a QoS that is not the gateway's (row %s): remove it (ovs-vsctl clear "
                       "Port %s qos), or give the VM's classes no queue",
                       port->name, change->bridge->name, text, port->name);
    if (!rate) {
        if (qos)
            keep_qos(change, qos);
        return err_set(err, ERR_NOT_FOUND,
                       "port %s of switch %s does not tell its rate: set external_ids:scg-rate-kbps of the Port",
                       port->name, change->bridge->name);
    }

    json_t *pairs = json_array(), *config = json_object();
    size_t absent = qos ? keep_absent(change, qos, wanted, n, pairs) : 0;
    bool same = qos && json_object_size(qos->queues) == n + absent && strcmp(qos->type, TYPE) == 0;
    for (size_t i = 0; i < n; i++) {
        const char *stands;

        json_array_append_new(pairs,
                              json_pack("[i, o]", (int) wanted[i].id, place_queue(change, qos, &wanted[i], &stands)));
        same = same && stands;
    }
    set_rate(config, "max-rate", rate);
    same = same && maps_equal(config, qos->other_config);

    json_t *row = json_pack("{s:s, s:o, s:[s, o], s:[s, [[s, s]]]}", "type", TYPE, "other_config", map_value(config),
                            "queues", "map", pairs, "external_ids", "map", OWNER, change->bridge->name);
    if (qos)
        keep(change, qos->uuid);
    if (qos && !same) {
        add_update(change, "QoS", qos->uuid, json_incref(row));
    } else if (!qos) {
        AUTO_FREE char *named = xasprintf("qos%u", wanted[0].port);

        json_array_append_new(change->operations, json_pack("{s:s, s:s, s:s, s:O}", "op", "insert", "table", "QoS",
                                                            "uuid-name", named, "row", row));
        add_port_qos(change, port, json_pack("[s, s]", "named-uuid", named));
    }
    json_decref(row);
    json_decref(config);
    return 0;
}

static const struct ovsdb_port *port_of(const struct change *change, size_t i)
{
    return ovsdb_db_row(change->db, OVSDB_PORT, change->bridge->ports.uuids[i]);
}

static bool has_absent(const struct change *change, const struct ovsdb_qos *qos)
{
    const char *number;
    json_t *value;

    json_object_foreach(qos->queues, number, value) {
        if (is_of_absent(change, queue_row(change, json_string_value(value))))
            return true;
    }
    return false;
}

/* Ports that have a QoS of ours and are to have no queue: theirs goes with its queues. */
static void clear_ports(struct change *change)
{
    for (size_t i = 0; i < change->bridge->ports.n; i++) {
        const struct ovsdb_port *port = port_of(change, i);
        const struct ovsdb_qos *qos = port && port->qos.n ? ovsdb_db_row(change->db, OVSDB_QOS, port->qos.uuids[0]) :
                                                            NULL;
        char text[UUID_TEXT_SIZE];

        if (!qos || !is_ours(qos->external_ids, change->bridge))
            continue;
        if (has_absent(change, qos))
            keep_qos(change, qos);
        uuid_format(qos->uuid, text);
        if (!json_object_get(change->kept, text))
            add_port_qos(change, port, json_pack("[s, []]", "set"));
    }
}

/* Rows of ours that nothing is to refer to. 'ids' is where external_ids stands in a row. */
static void delete_rows(struct change *change, enum ovsdb_table_id table, const char *name, size_t ids)
{
    const struct ovsdb_rows *rows = &change->db->tables[table];

    for (size_t i = 0; i < rows->n; i++) {
        const uint8_t *row = rows->rows[i]; /* it begins with its identity */
        char text[UUID_TEXT_SIZE];

        uuid_format(row, text);
        if (!is_ours(*(json_t *const *) (const void *) (row + ids), change->bridge) ||
            json_object_get(change->kept, text))
            continue;
        json_array_append_new(change->operations, json_pack("{s:s, s:s, s:[[s, s, o]]}", "op", "delete", "table", name,
                                                            "where", "_uuid", "==", identity(row)));
    }
}

/* The queues of one port stand together. What is wrong with one port is no matter of the others. */
static void place_ports(struct change *change, struct queue_problems *problems)
{
    const struct flow_queue *wanted = change->set->queues;

    for (size_t first = 0, next; first < change->set->n; first = next) {
        const struct ovsdb_port *port;
        const struct ovsdb_interface *interface = ovsdb_db_interface(change->db, change->bridge, wanted[first].port,
                                                                     &port);
        struct queue_problem problem = {.port = wanted[first].port};

        for (next = first + 1; next < change->set->n && wanted[next].port == wanted[first].port;)
            next++;
        if (interface)
            place_port(change, port, interface, &wanted[first], next - first, &problem.err);
        else
            err_set(&problem.err, ERR_NOT_FOUND, "OVSDB does not know port %u of switch %s", problem.port,
                    change->bridge->name);
        if (!problem.err.code)
            continue;
        problems->problems = array_reserve(problems->problems, problems->n, &problems->capacity,
                                           sizeof *problems->problems);
        problems->problems[problems->n++] = problem;
    }
}

json_t *switch_queue_rows_change(const struct ovsdb_db *db, const struct ovsdb_bridge *bridge,
                                 const struct switch_queue_set *set, struct queue_problems *problems)
{
    struct change change = {.db = db, .bridge = bridge, .set = set, .operations = json_array(), .kept = json_object()};

    place_ports(&change, problems);
    clear_ports(&change);
    delete_rows(&change, OVSDB_QOS, "QoS", offsetof(struct ovsdb_qos, external_ids));
    delete_rows(&change, OVSDB_QUEUE, "Queue", offsetof(struct ovsdb_queue, external_ids));
    json_decref(change.kept);
    return change.operations;
}

const struct err *switch_queue_rows_problem(const struct queue_problems *problems, const struct switch_queue_set *set)
{
    for (size_t i = 0; i < problems->n; i++) {
        for (size_t q = 0; q < set->n; q++) {
            if (set->queues[q].port == problems->problems[i].port &&
                (!set->vm || strcmp(set->queues[q].vm, set->vm) == 0))
                return &problems->problems[i].err;
        }
    }
    return NULL;
}

/* ---- reading ---- */

static uint32_t kbps_of(const struct ovsdb_queue *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row->other_config, key));
    unsigned long long bps = text ? strtoull(text, NULL, 10) : 0;

    return bps / 1000 > UINT32_MAX ? UINT32_MAX : (uint32_t) (bps / 1000);
}

static uint32_t priority_of(const struct ovsdb_queue *row)
{
    const char *text = json_string_value(json_object_get(row->other_config, "priority"));
    unsigned long long priority = text ? strtoull(text, NULL, 10) : 0;

    return priority > UINT32_MAX ? UINT32_MAX : (uint32_t) priority;
}

static void read_port(const struct change *change, const struct ovsdb_port *port, uint32_t number,
                      struct flow_queue **queues, size_t *n, size_t *capacity)
{
    const struct ovsdb_qos *qos = port->qos.n ? ovsdb_db_row(change->db, OVSDB_QOS, port->qos.uuids[0]) : NULL;
    const char *key;
    json_t *value;

    if (!qos)
        return;
    json_object_foreach(qos->queues, key, value) {
        const struct ovsdb_queue *row = queue_row(change, json_string_value(value));

        if (!row)
            continue;
        *queues = array_reserve(*queues, *n, capacity, sizeof **queues);
        (*queues)[(*n)++] = (struct flow_queue) {
            .port = number,
            .id = (uint32_t) strtoul(key, NULL, 10),
            .min_kbps = kbps_of(row, "min-rate"),
            .max_kbps = kbps_of(row, "max-rate"),
            .priority = priority_of(row),
        };
    }
}

size_t switch_queue_rows_read(const struct ovsdb_db *db, const struct ovsdb_bridge *bridge, struct flow_queue **queues)
{
    const struct change change = {.db = db, .bridge = bridge};
    size_t n = 0, capacity = 0;

    *queues = NULL;
    for (size_t i = 0; i < bridge->ports.n; i++) {
        const struct ovsdb_port *port = port_of(&change, i);

        for (size_t j = 0; port && j < port->interfaces.n; j++) {
            const struct ovsdb_interface *interface = ovsdb_db_row(db, OVSDB_INTERFACE, port->interfaces.uuids[j]);

            if (interface && interface->ofport > 0)
                read_port(&change, port, (uint32_t) interface->ofport, queues, &n, &capacity);
        }
    }
    return n;
}
