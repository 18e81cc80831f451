/* SPDX-License-Identifier: Apache-2.0 */
/* Probe packets through a ToR, one VM after another: whether the ToR does what its flows say (core/probe.h).
 *
 *   diverts put in place ─> what the policy denies and rejects ─> what is missing of that ─┐
 *                     diverts gone <─ what is missing of that <─ what the policy lets pass ─┘
 *
 * What is let pass comes last, because it may teach the switch about replies; what was taught goes with the diverts.
 * They go out in batches, each with a sentinel behind it that comes back whatever the rules say: what has not come by
 * then was dropped. A meter may have dropped what should come back: that is sent again, at last alone and after a pause
 * in which any meter lets one packet through. */
#ifndef SCGD_PROBING_H
#define SCGD_PROBING_H

#include "scgd/gateway.h"

#define PROBING_MAX 4096 /* probes of one address */

struct probing_report {
    size_t sent; /* probes */
    size_t left; /* of these: which meters let through too slowly to be waited for */
    int64_t ms;
};

/* Called once. 'err' null: all of them met the fate that they should have. */
typedef void probing_fn(struct gateway *gateway, struct join *join, const struct probing_report *report,
                        const struct err *err);

/* Sends the probes of a tenant whose policy the ToR holds, and whose connections it does not know yet: what it has
 * learned of them goes. 'join' stays open until 'done' was called. ERR_REFUSED names the packet that went wrong;
 * ERR_TIMEOUT: the switch does not send packets back. */
void probing_start(struct gateway *gateway, const struct switch_info *tor, const struct tenant *tenant,
                   struct join *join, probing_fn *done);
/* Takes what is a probe; false: it is something else. */
bool probing_packet(struct gateway *gateway, const struct event *event);
/* The diverts of a ToR as they shall be now. */
void probing_fill(const struct gateway *gateway, const struct switch_info *tor, struct flow_txn *txn);
void probing_tick(struct gateway *gateway);
struct mono probing_deadline(const struct gateway *gateway);
/* Whether the outcome of one of the migration's steps depends on probes that are under way. */
bool probing_waits(const struct gateway *gateway, const struct migration *migration);
void probing_free(struct gateway *gateway);

#endif
