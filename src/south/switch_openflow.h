/* SPDX-License-Identifier: Apache-2.0 */
/* The switches of a DC as they really are: OpenFlow 1.3 sessions that switches open to us, joined with the OVSDB
 * servers that hold their configuration, which we connect to (RFC 7047). */
#ifndef SOUTH_SWITCH_OPENFLOW_H
#define SOUTH_SWITCH_OPENFLOW_H

#include "io/loop.h"
#include "south/switch.h"

struct switch_openflow_config {
    const char *address;      /* numeric, to listen on for switches, e.g. "10.255.0.1" */
    uint16_t port;            /* e.g. 6653; 0: any free one */
    const char *const *ovsdb; /* "tcp:ADDRESS:PORT" or "unix:PATH" of each OVSDB server */
    size_t n_ovsdb;
    uint32_t timeout_ms;       /* of each request, and of a silent switch; 0: 10,000 */
    uint32_t lldp_interval_ms; /* between the LLDP frames that leave each port; 0: 5,000 */
};

/* Starts to listen and to connect. 'loop' and 'events' stay the caller's and must outlive the driver; 'config' is
 * copied. Null and 'err' if it cannot listen, or if an OVSDB address cannot be parsed.
 *
 * Switches. A switch is known by the name of the bridge in OVSDB that has its datapath id. EVENT_SWITCH_UP comes once
 * the OpenFlow session has told its ports and the bridge's name is known; EVENT_SWITCH_DOWN when the OpenFlow session
 * ends. When only the OVSDB session ends, the switch stays up under its name (but ovs-vswitchd 3.1 itself falls silent
 * while its OVSDB server is away, and so goes down after 'timeout_ms'). When a switch connects while its old connection
 * still stands, the new one wins: DOWN, then UP. A switch that no OVSDB server knows, or whose name another one has, is
 * left out with a warning.
 *
 * Ports. Only real ports are told (1..PORT_MAX-1), by their names in OVSDB where OpenFlow cuts them. A port that is
 * removed is told as down, once.
 *
 * Discovery. LLDP leaves every port that is up, periodically, and at once (at most once a second) when a switch or a
 * port comes up and when the first transaction of a session has succeeded, for its flows may be what sends LLDP to us.
 * Links and attachments are told when they are new or have changed; they are told again after the switch or port was
 * down, or after nothing was seen for three intervals. A link that falls silent so is told as gone; while a switch is
 * away its links are not, and after it has come back they have three intervals. */
struct switch_driver *switch_openflow_new(struct loop *loop, struct event_queue *events,
                                          const struct switch_openflow_config *config, struct err *err);

#endif
