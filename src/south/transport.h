/* SPDX-License-Identifier: Apache-2.0 */
/* The transport networks that a gateway's circuits are made in: the contract that the OSPF + PCEP driver and the tests'
 * dummy fulfil.
 *
 * No function blocks. Each request ends in one EVENT_DONE with its number. On its own the driver appends EVENT_TE_LINK
 * and EVENT_TE_LINK_GONE (the TED, as the routing protocol floods it), EVENT_TE_SYNCED (all of it has been told since
 * the routing protocol's session came up), EVENT_TE_DOWN (that session has ended; what was told may be old),
 * EVENT_INGRESS_UP (all LSPs that the node has of this gateway have been reported by then), EVENT_INGRESS_DOWN,
 * and EVENT_LSP whenever an ingress reports one of its LSPs. */
#ifndef SOUTH_TRANSPORT_H
#define SOUTH_TRANSPORT_H

#include "model/event.h"
#include "model/lsp.h"

struct transport_driver;

struct transport_ops {
    /* Has the ingress set an LSP up. The done event comes when the LSP is up, with the report in 'lsp'; or with why
     * not:
     * ERR_UNREACHABLE  the ingress has no session; nothing was asked
     * ERR_REFUSED      it failed, nothing of it is left; 'lsp' holds the RSVP error if there is one
     * ERR_EXISTS       the ingress has an LSP of that name
     * ERR_UNKNOWN      the session went, or no answer came in time: whether it stands is told after EVENT_INGRESS_UP */
    void (*create)(struct transport_driver *driver, uint64_t request, const struct lsp_request *lsp);
    /* Has the ingress take an LSP down. It is fine if there is none. ERR_UNREACHABLE, ERR_REFUSED, ERR_UNKNOWN. */
    void (*remove)(struct transport_driver *driver, uint64_t request, uint32_t ingress, const char *name);
    void (*free)(struct transport_driver *driver);
};

struct transport_driver {
    const struct transport_ops *ops;
};

#endif
