/* SPDX-License-Identifier: Apache-2.0 */
/* The peer driver (south/peer.h) over HTTPS with certificates both ways, in the URLs of proto/peer/peer.h. */
#ifndef SOUTH_PEER_HTTPS_H
#define SOUTH_PEER_HTTPS_H

#include "io/loop.h"
#include "south/peer.h"

struct peer_https_peer {
    const char *dc;
    const char *address; /* numeric or a DNS name; the peer's certificate must be valid for it */
    uint16_t port;
};

struct peer_https_config {
    const struct peer_https_peer *peers;
    size_t n_peers;
    struct tls *tls;
    size_t max_body; /* bytes of an answer; a larger one ends the call with ERR_UNKNOWN */
};

/* 'config' and its strings are copied; 'loop', 'queue' and 'config->tls' stay the caller's and must outlive the
 * driver. Nothing is connected before the first call. An answer below 300 that is no JSON ends the call with
 * ERR_MALFORMED; one of 300 or more, an error, has body null then. Freeing the driver ends calls that wait with
 * ERR_UNKNOWN. */
struct peer_driver *peer_https_new(struct loop *loop, struct event_queue *queue,
                                   const struct peer_https_config *config);

#endif
