/* SPDX-License-Identifier: Apache-2.0 */
/* What switching.c and switching_repair.c share. */
#ifndef GMPLSD_SWITCHING_INTERNAL_H
#define GMPLSD_SWITCHING_INTERNAL_H

#include "gmpls/crossconnect.h"
#include "gmplsd/bridge.h"
#include "gmplsd/daemon.h"

#define RETRY_MS 1000

struct id_list {
    uint32_t *ids;
    size_t n, capacity;
};

struct port {
    const char *name; /* the configuration's */
    uint32_t number;  /* 0: not there, or not known yet */
    bool link;
    bool told; /* the node knows of 'link' */
};

struct switching {
    struct daemon *daemon;
    struct bridge *bridge;
    struct port *links, *clients; /* as in the configuration */
    struct timer *timer;
    struct mono dead;   /* the bridge counts as dead then */
    struct mono repair; /* flows are read and put right then */
    bool repairing;     /* the bridge is being asked */
    /* Until 'recovered', LSPs that the node does not know may come back with what the bridge has of them, and are left
     * there; at 'strays' the rest is removed. */
    struct mono recovered, strays;
    bool read;           /* what it held at our start is known; until then nothing is set: */
    struct id_list held; /* LSPs that are to be set then */
    uint64_t refused, probes;
};

/* ---- switching.c ---- */

void switching_set_timer(struct switching *s);
void switching_repair_at(struct switching *s, struct mono at);
/* In the switch's words; ERR_NOT_FOUND if it lacks a port. */
int switching_xc(const struct switching *s, const struct node_xc *from, struct xc *xc, struct err *err);
/* Brings the flood of the client port to which 'side' leads up to date, if there is one. */
int switching_put_bridge(const struct switching *s, struct flow_txn *txn, const struct node_side *side,
                         struct err *err);

/* ---- switching_repair.c ---- */

void switching_start_repair(struct switching *s); /* if the bridge is there, and not being asked already */
/* This LSP is set, and the node told so, once the bridge has been read for the first time. */
void switching_hold(struct switching *s, uint32_t id);

#endif
