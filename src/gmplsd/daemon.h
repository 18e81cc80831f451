/* SPDX-License-Identifier: Apache-2.0 */
/* gmplsd: a GMPLS node (gmpls/node.h) between its neighbours, its bridge, those who ask for LSPs, and its records.
 *
 *   daemon.c      the node's actions, carried out one by one; start and stop
 *   signalling.c  RSVP over raw IP, by the links' control channels
 *   bridge.c      the OpenFlow connection of the bridge
 *   switching*.c  cross-connects and probes as flows and frames; ports; what the bridge holds
 *   pcc.c         PCEP sessions to the PCEs, and which of them an LSP is delegated to
 *   flooding.c    free bandwidth to OSPF-TE, through zebra
 *   status.c      the node as JSON over HTTP
 *
 * Whoever gives the node an input calls daemon_drain() afterwards. Actions are carried out in their order, and answers
 * that come at once are inputs, too. */
#ifndef GMPLSD_DAEMON_H
#define GMPLSD_DAEMON_H

#include "gmpls/node.h"
#include "gmplsd/config.h"
#include "io/loop.h"
#include "store/lsp_store.h"

struct daemon {
    const struct config *config;
    struct loop *loop;
    struct timer *timer;
    struct lsp_store *store;
    struct gmpls_node *node;
    struct signalling *signalling;
    struct switching *switching;
    struct pccs *pccs;
    struct flooding *flooding;
    struct status *status;
    struct timer *records;
    bool draining;
    bool recorded;    /* since the last message or report */
    bool records_due; /* 'records' is set */
};

/* 0, or an error and 'err'; daemon_stop() is due in both cases. 'daemon' is zeroed but for 'config' and 'loop'. */
int daemon_start(struct daemon *daemon, struct err *err);
void daemon_stop(struct daemon *daemon); /* what stands in the switch stays */
void daemon_drain(struct daemon *daemon);

/* ---- signalling.c ---- */

struct signalling *signalling_new(struct daemon *daemon, struct err *err);
void signalling_free(struct signalling *signalling); /* null is fine */
/* NODE_SEND, which stays the caller's. */
void signalling_send(struct signalling *signalling, const struct node_action *send);
json_t *signalling_view(const struct signalling *signalling); /* new reference */

/* ---- switching.c ---- */

struct switching *switching_new(struct daemon *daemon, struct err *err);
void switching_free(struct switching *switching);
void switching_set(struct switching *switching, const struct node_xc *xc);
void switching_clear(struct switching *switching, const struct node_xc *xc);
void switching_probe(struct switching *switching, const struct node_xc *xc, uint64_t nonce);
json_t *switching_view(const struct switching *switching);

/* ---- pcc.c ---- */

struct pccs *pccs_new(struct daemon *daemon, struct err *err);
void pccs_free(struct pccs *pccs);
void pccs_report(struct pccs *pccs, const struct lsp_report *report);
json_t *pccs_view(const struct pccs *pccs);

/* ---- flooding.c ---- */

struct flooding *flooding_new(struct daemon *daemon, struct err *err);
void flooding_free(struct flooding *flooding);
void flooding_set(struct flooding *flooding, int link, const uint64_t unreserved[TE_PRIORITIES]);

/* ---- status.c ---- */

struct status *status_new(struct daemon *daemon, struct err *err);
void status_free(struct status *status);

#endif
