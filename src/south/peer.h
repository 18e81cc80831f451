/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to other gateways: the contract that the HTTPS driver and the tests' dummy fulfil. */
#ifndef SOUTH_PEER_H
#define SOUTH_PEER_H

#include <jansson.h>

#include "model/event.h"

struct peer_driver;

enum peer_verb {
    PEER_CONFIGURE,   /* PUT  /peer/v1/migrations/{id}: the VM migration message */
    PEER_ACTIVATE,    /* POST /peer/v1/migrations/{id}/activate */
    PEER_CONNECTIONS, /* PUT  /peer/v1/migrations/{id}/connections */
    PEER_ABORT,       /* POST /peer/v1/migrations/{id}/abort */
    PEER_COMMIT,      /* POST /peer/v1/migrations/{id}/commit */
    PEER_STATUS,      /* GET  /peer/v1/migrations/{id} */
    PEER_PLAN         /* POST /peer/v1/plans; has no id */
};

struct peer_ops {
    /* Sends a request to the gateway of data center 'dc'. 'body' may be null; the reference is taken over. Ends in one
     * EVENT_DONE: 'answer' with HTTP status and body if there was an answer (err.code 0, whatever the status);
     * ERR_UNREACHABLE if it certainly was not received; ERR_UNKNOWN or ERR_TIMEOUT if it may have been. */
    void (*call)(struct peer_driver *driver, uint64_t request, const char *dc, enum peer_verb verb, const char *id,
                 json_t *body, uint32_t timeout_ms);
    void (*free)(struct peer_driver *driver);
};

struct peer_driver {
    const struct peer_ops *ops;
};

#endif
