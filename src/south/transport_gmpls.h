/* SPDX-License-Identifier: Apache-2.0 */
/* Transport networks whose topology FRR's ospfd tells over its OSPF API, and whose nodes set LSPs up for whoever asks
 * by PCEP: the gateway is their PCE (RFC 8231, RFC 8281), each ingress a PCC that connects to it.
 *
 *   transport_gmpls.c   PCEP sessions, requests
 *   transport_ospf.c    the topology
 *
 * An ingress is known by the router id that it names in its Open (SPEAKER-ENTITY-ID, RFC 8232 §3.3.2, as text), or else
 * by the address that it connects from. One that has a session does not get a second one (RFC 5440 §7.15). */
#ifndef SOUTH_TRANSPORT_GMPLS_H
#define SOUTH_TRANSPORT_GMPLS_H

#include "io/loop.h"
#include "south/transport.h"

struct transport_gmpls_config {
    const char *pcep_address; /* numeric, to listen on */
    uint16_t pcep_port;       /* 0: any free one */
    const char *ospf_address; /* of ospfd's OSPF API */
    uint16_t ospf_port;
    uint32_t setup_ms; /* for an LSP to be up, or gone; > 0 */
};

/* 'events' and 'loop' stay the caller's. Null and 'err' if it cannot listen. */
struct transport_driver *transport_gmpls_new(struct loop *loop, struct event_queue *events,
                                             const struct transport_gmpls_config *config, struct err *err);
uint16_t transport_gmpls_port(const struct transport_driver *driver); /* that ingresses connect to */

#endif
