/* SPDX-License-Identifier: Apache-2.0 */
/* The peer interface, SCG to SCG: HTTPS with certificates both ways, JSON, version 1. All requests are idempotent by
 * the migration's id; unknown members are ignored, missing ones refused by name.
 *
 *   PUT  /peer/v1/migrations/{id}           the VM migration message; answered when the target is configured
 *   POST /peer/v1/migrations/{id}/activate  the VM named in "vm" runs at the target: make it reachable there
 *   PUT  /peer/v1/migrations/{id}/connections  connections of the VM named in "vm", by which its replies are known
 *   POST /peer/v1/migrations/{id}/commit    every VM's fate is decided; undo what did not cross
 *   POST /peer/v1/migrations/{id}/abort     undo everything that has not crossed
 *   GET  /peer/v1/migrations/{id}           where it stands
 *   POST /peer/v1/plans                     the VM migration message of an order that may come: nothing is begun
 *
 * Every answer to the first six but an error is a status message. That to the last is a plan message, with the steps
 * that the target would take, or why it would refuse; 404 says that the gateway is of a version that does not plan.
 * HTTP status: 200, 202 while it is under way, 400 malformed, 404 unknown id, 409 refused, 413 too large, 429 too many
 * migrations. Errors are those of model/problem.h. docs/peer.md tells more. */
#ifndef PROTO_PEER_H
#define PROTO_PEER_H

#include <jansson.h>

#include "base/err.h"
#include "model/connection.h"
#include "model/event.h"
#include "model/migration.h"
#include "model/problem.h"

#define PEER_VERSION 1

/* The VM migration message: the order with its policies. New reference. */
json_t *peer_configure_encode(const struct order *order);
/* The order in the target's role. ERR_UNSUPPORTED for another version, ERR_INVALID naming the member. */
int peer_configure_decode(const json_t *json, struct order *order, struct err *err);

/* The same message in a request for a plan: policies may be missing, for they are collected when the order runs. */
int peer_plan_request_decode(const json_t *json, struct order *order, struct err *err);

struct peer_plan {
    struct err refused; /* code 0: it is not */
    struct planned_step *steps;
    size_t n_steps;
};

/* {"version": 1, "steps": [...]}, or {"version": 1, "refused": {"error": "ERR_...", "reason": "a sentence"}}. */
json_t *peer_plan_encode(const struct peer_plan *plan);
/* 0, or ERR_INVALID naming the member. peer_plan_free() is due after success. */
int peer_plan_decode(const json_t *json, struct peer_plan *plan, struct err *err);
void peer_plan_free(struct peer_plan *plan); /* its members */

#define PEER_CONNECTIONS_MAX 1000 /* in one message; further ones go in further messages */

struct peer_connections {
    char vm[NAME_SIZE];
    struct connection_list list;
};

/* {"vm": "V2", "connections": [...]} as in model/connection.h. New reference. */
json_t *peer_connections_encode(const char *vm, const struct connection_list *list);
/* 0, or ERR_INVALID naming the member; connection_list_free() of the list is due after success. */
int peer_connections_decode(const json_t *json, struct peer_connections *connections, struct err *err);

struct peer_vm_status {
    char name[NAME_SIZE];
    enum vm_fate fate;
    enum vm_place place; /* at the answering gateway */
    bool active;         /* its users reach it there */
};

struct peer_status {
    char state[32]; /* of the answering gateway's saga */
    bool ended;
    char target_uri[MIGRATION_URI_SIZE];
    char target_address[IP_TEXT_SIZE];
    struct err reason; /* code 0: none */
    unsigned n_vms;
    struct peer_vm_status vms[MIGRATION_VMS_MAX];
};

json_t *peer_status_encode(const struct peer_status *status);
int peer_status_decode(const json_t *json, struct peer_status *status, struct err *err);

#endif
