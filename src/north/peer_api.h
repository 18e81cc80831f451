/* SPDX-License-Identifier: Apache-2.0 */
/* What other gateways call: the server of the interface in proto/peer/peer.h. A peer is known by the common name of its
 * certificate; which data center it may speak for is the backend's business. */
#ifndef NORTH_PEER_API_H
#define NORTH_PEER_API_H

#include "io/loop.h"
#include "north/backend.h"

struct peer_api;

/* Listens. 'address' is numeric; port 0: any free one; 'max_body' in bytes. 'tls' and 'backend' stay the caller's
 * and must outlive the server. Null and 'err' if it cannot listen. */
struct peer_api *peer_api_new(struct loop *loop, const char *address, uint16_t port, struct tls *tls, size_t max_body,
                              const struct backend *backend, struct err *err);
/* Answers that the backend still owes are not given any more: it must not call backend_reply_send() afterwards. Null is
 * fine. */
void peer_api_free(struct peer_api *api);
uint16_t peer_api_port(const struct peer_api *api); /* the one bound */

#endif
