/* SPDX-License-Identifier: Apache-2.0 */
/* The sessions of a PCE that asks for what it is told to, and computes nothing. */
#ifndef TESTS_PCE_SESSIONS_H
#define TESTS_PCE_SESSIONS_H

#include <jansson.h>

#include "io/loop.h"
#include "proto/pcep/pcep_session.h"

struct pce;

struct pcc {
    struct pcc *next;
    uint32_t router; /* its router id; 0: its session is not up */
    bool synced;
    json_t *lsps; /* the user's; {} at first */
    /* For pce_sessions.c alone. */
    struct pce *pce;
    struct stream *stream;
    struct pcep_session *session;
    struct timer *timer;
};

struct pce_callbacks {
    void (*event)(void *arg, struct pcc *pcc, const struct pcep_event *event);
    void (*gone)(void *arg, struct pcc *pcc); /* before it is freed; null: nothing to do */
};

/* Null and 'err' if it cannot listen. */
struct pce *pce_new(struct loop *loop, const char *address, uint16_t port, const struct pce_callbacks *callbacks,
                    void *arg, struct err *err);
void pce_free(struct pce *pce);
struct pcc *pce_first(const struct pce *pce);
struct pcc *pce_find(const struct pce *pce, uint32_t router); /* null: it has no session that is up */

/* 'request' comes back in the PCEP_EVENT_DONE, from within if it cannot be sent. */
void pce_initiate(struct pcc *pcc, const struct lsp_request *lsp, uint64_t request);
void pce_remove(struct pcc *pcc, const char *name, uint64_t request);
/* PCUpd with an empty route and without the delegate flag. */
void pce_give_back(struct pcc *pcc, uint32_t plsp_id);

#endif
