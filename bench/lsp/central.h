/* SPDX-License-Identifier: Apache-2.0 */
/* A controller of all bridges at once, which needs no signalling: it gives them the flows that gmplsd would give them,
 * and sends the same probe through them. What an LSP costs more than that is what PCEP, RSVP and records cost. */
#ifndef BENCH_CENTRAL_H
#define BENCH_CENTRAL_H

#include "io/loop.h"

#define CENTRAL_NODES_MAX 16

struct central;

struct central_callbacks {
    void (*up)(void *arg);               /* one more bridge has connected */
    void (*done)(void *arg, uint32_t n); /* LSP 'n' is there: its probe is back; or its flows are gone */
    void (*failed)(void *arg, const char *text);
};

/* Listens on ports first_port + 1 .. first_port + nodes, for the bridges with these datapath ids (less 'first_port').
 * Null and 'err' if it cannot. */
struct central *central_new(struct loop *loop, const char *address, uint16_t first_port, uint32_t nodes,
                            const struct central_callbacks *callbacks, void *arg, struct err *err);
void central_free(struct central *central); /* null is fine */
/* One LSP after the other. 'path': numbers of nodes; bridge n has ports dN-M to its neighbours and xN to its client. */
void central_set(struct central *central, uint32_t n, const uint32_t *path, size_t hops);
void central_clear(struct central *central, uint32_t n, const uint32_t *path, size_t hops);

#endif
