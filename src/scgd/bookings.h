/* SPDX-License-Identifier: Apache-2.0 */
/* Queues of ToRs' ports, and the bandwidth that policies promise by them: what is to a VM is queued at the port of its
 * server, what is from it at each port of the ToR towards the fabric. A port's promises add up to what it passes at
 * most; what passes is known by struct switch_port. */
#ifndef SCGD_BOOKINGS_H
#define SCGD_BOOKINGS_H

#include "scgd/gateway.h"

struct booking {
    const uint8_t *uuid; /* of the VM; all are borrowed */
    const char *vm;
    const struct policy *policy;
};

/* Whether the ports of the server's ToR can keep what these policies promise, beside what VMs that are there, and those
 * of other open orders to servers of this ToR, were promised. 0, or ERR_REFUSED with VM, class, port and numbers.
 * Success if the ToR is not known, or no policy has a queue. */
int bookings_check(const struct gateway *gateway, const char *server, const struct booking *bookings, size_t n,
                   struct err *err);
/* The same for an order to here. */
int bookings_check_order(const struct gateway *gateway, const struct order *order, struct err *err);
/* kbit/s that are promised at a port. */
uint64_t bookings_of_port(const struct gateway *gateway, const struct switch_info *tor, const struct switch_port *port);

/* The queues that the ToR's tenants' policies want, '*n' of them; the caller frees. */
struct flow_queue *bookings_queues(const struct gateway *gateway, const struct switch_info *tor, size_t *n);
/* Brings the ToR's queues to what its tenants' policies want. 'join' fails if a port cannot have those of 'tenant', or
 * anybody's if that is null. */
void bookings_sync(struct gateway *gateway, const struct switch_info *tor, const struct tenant *tenant,
                   struct join *join);
bool bookings_needed(const struct policy *policy); /* it has a queue */

#endif
