/* SPDX-License-Identifier: Apache-2.0 */
/* The TED, fed by the OSPF API of the ospfd that runs beside this gateway (proto/ospf/ospf_api.h). The connection is
 * made anew whenever it fails, at growing intervals; ospfd that has started again tells all its LSAs, and only what
 * differs from what was known is told on.
 *
 * ospfd of FRR 8.4 serves the API on every address, without a password, and connects back to where a client comes from:
 * it and the gateway are to share a network namespace, and the firewall is to close the port. */
#ifndef SOUTH_TRANSPORT_OSPF_H
#define SOUTH_TRANSPORT_OSPF_H

#include "io/loop.h"
#include "model/ted.h"

/* Called from the loop, never from within a te_feed_* call; none may free the feed. What they are given is borrowed. */
struct te_feed_callbacks {
    void (*link)(void *arg, const struct te_link *link); /* is new, or has changed */
    void (*link_gone)(void *arg, const struct te_link_key *key);
    /* All that ospfd holds has been told. What it does not hold any more is told to be gone after 'grace_ms'. */
    void (*up)(void *arg);
    /* The session has ended, after 'up'. What was told stays as it is until the next 'up', but may be old. */
    void (*down)(void *arg, const struct err *reason);
};

struct te_feed_config {
    const char *address; /* numeric, of this host; null: 127.0.0.1 */
    uint16_t port;       /* 0: 2607 */
    uint32_t timeout_ms; /* of connecting, of telling all LSAs, of silence before a probe, of its answer; 0: 10 s */
    /* How long links stay that ospfd does not know after a new connection: it may just have started, and learn them
     * again from its neighbours. 0: 15 s */
    uint32_t grace_ms;
};

struct te_feed;

/* Begins to connect, and goes on until it is freed. Null and 'err' if the address is not numeric. */
struct te_feed *te_feed_new(struct loop *loop, const struct te_feed_config *config,
                            const struct te_feed_callbacks *callbacks, void *arg, struct err *err);
void te_feed_free(struct te_feed *feed); /* null is fine */

bool te_feed_is_up(const struct te_feed *feed);
/* The links as they have been told, or are being told by the callback. Valid until the loop goes on. */
const struct ted *te_feed_ted(const struct te_feed *feed);

#endif
