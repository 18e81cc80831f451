/* SPDX-License-Identifier: Apache-2.0 */
/* A gateway that knows what tests/data/scgctl/gateway.json says, and records what it is asked to do. */
#ifndef DUMMY_BACKEND_H
#define DUMMY_BACKEND_H

#include "base/strbuf.h"
#include "north/backend.h"

#define DUMMY_REPLIES 8

struct dummy_backend {
    struct backend backend;
    json_t *facts;
    struct strbuf log; /* a line for each change or request of a peer: "policy_put V2 {...}" */
    bool hold;         /* peers' requests, and plans, are put into 'replies' and not answered */
    struct backend_reply *replies[DUMMY_REPLIES];
    unsigned n_replies;
    void (*asked)(void *arg); /* after each request of a peer and each plan; may be null */
    void *asked_arg;
};

/* 'path' of gateway.json. Fails the test if it cannot be read. */
void dummy_backend_init(struct dummy_backend *dummy, const char *path);
void dummy_backend_free(struct dummy_backend *dummy);

/* The migration in gateway.json whose id ends with 'ending'. Borrowed. */
json_t *dummy_backend_migration(const struct dummy_backend *dummy, char ending);

/* Orders: the dummy's new migration is always the one whose id ends with '1'. An order to data center "full" is
 * refused with ERR_EXHAUSTED. A policy or a user with the member "bad" is refused with ERR_INVALID. A channel that is
 * created is always A:channel:B:2, one to data center "full" is refused, and a user's circuit cannot be deleted. */

#endif
