/* SPDX-License-Identifier: Apache-2.0 */
/* Queues of a switch as rows of OVSDB (ovs-vswitchd.conf.db(5)): what a transaction has to change. Rows that are ours
 * say so, and whose switch they are of, in external_ids:scg-switch; no others are touched. */
#ifndef SOUTH_SWITCH_QUEUE_ROWS_H
#define SOUTH_SWITCH_QUEUE_ROWS_H

#include <jansson.h>

#include "model/flow.h"
#include "proto/ovsdb/ovsdb_db.h"
#include "south/switch.h"

/* Why a port does not get its queues: ERR_CONFLICT if it has a QoS that is not ours, ERR_NOT_FOUND if it is not there
 * or its rate is not known. */
struct queue_problem {
    uint32_t port;
    struct err err;
};

struct queue_problems {
    struct queue_problem *problems; /* the owner frees */
    size_t n, capacity;
};

/* The operations (RFC 7047 §5.2) that make the queues of 'bridge' what 'set' says, a new reference to an array that is
 * empty if they are so already. They leave out the ports that are appended to 'problems'. */
json_t *switch_queue_rows_change(const struct ovsdb_db *db, const struct ovsdb_bridge *bridge,
                                 const struct switch_queue_set *set, struct queue_problems *problems);

/* The first problem with a port where set->vm has a queue, or of all if it is null; null if there is none. Borrowed. */
const struct err *switch_queue_rows_problem(const struct queue_problems *problems, const struct switch_queue_set *set);

/* All queues of the bridge's ports, whoever made them; the caller frees '*queues'. */
size_t switch_queue_rows_read(const struct ovsdb_db *db, const struct ovsdb_bridge *bridge, struct flow_queue **queues);

/* kbit/s that the port passes: its external_ids:scg-rate-kbps, else the interface's link_speed; 0: not known. */
uint32_t switch_port_rate(const struct ovsdb_port *port, const struct ovsdb_interface *interface);

#endif
