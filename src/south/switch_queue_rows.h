/* SPDX-License-Identifier: Apache-2.0 */
/* Queues of a switch as rows of OVSDB (ovs-vswitchd.conf.db(5)): what a transaction has to change. Rows that are ours
 * say so, and whose switch they are of, in external_ids:scg-switch; no others are touched. */
#ifndef SOUTH_SWITCH_QUEUE_ROWS_H
#define SOUTH_SWITCH_QUEUE_ROWS_H

#include <jansson.h>

#include "model/flow.h"
#include "proto/ovsdb/ovsdb_db.h"

/* The operations (RFC 7047 §5.2) that make the queues of 'bridge' what is wanted, a new reference to an array that is
 * empty if they are so already. Not 'complete': VMs that are not named keep the queues that they have.
 * 'err', which is zeroed before: ERR_CONFLICT if a port has a QoS that is not ours, ERR_NOT_FOUND if a port is not
 * there or its rate is not known; the operations are about the other ports then. */
json_t *switch_queue_rows_change(const struct ovsdb_db *db, const struct ovsdb_bridge *bridge,
                                 const struct flow_queue *wanted, size_t n, bool complete, struct err *err);

/* All queues of the bridge's ports, whoever made them; the caller frees '*queues'. */
size_t switch_queue_rows_read(const struct ovsdb_db *db, const struct ovsdb_bridge *bridge, struct flow_queue **queues);

/* kbit/s that the port passes: its external_ids:scg-rate-kbps, else the interface's link_speed; 0: not known. */
uint32_t switch_port_rate(const struct ovsdb_port *port, const struct ovsdb_interface *interface);

#endif
