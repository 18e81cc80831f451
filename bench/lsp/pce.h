/* SPDX-License-Identifier: Apache-2.0 */
/* A PCE that asks for what it is told to, and computes nothing. */
#ifndef BENCH_PCE_H
#define BENCH_PCE_H

#include "io/loop.h"
#include "model/lsp.h"

struct pce;

struct pce_callbacks {
    void (*synced)(void *arg, uint32_t router); /* that node's session is ready */
    void (*report)(void *arg, const struct lsp_report *report);
    void (*failed)(void *arg, const char *text); /* a session, or a request */
};

struct pce *pce_new(struct loop *loop, const char *address, uint16_t port, const struct pce_callbacks *callbacks,
                    void *arg, struct err *err);
void pce_free(struct pce *pce);
/* False if the ingress has no session. */
bool pce_initiate(struct pce *pce, const struct lsp_request *lsp);
bool pce_remove(struct pce *pce, uint32_t ingress, const char *name);

#endif
