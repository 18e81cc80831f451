/* SPDX-License-Identifier: Apache-2.0 */
/* The REST interface for operators, network managers and balancers. docs/openapi.yaml describes it. */
#ifndef NORTH_REST_H
#define NORTH_REST_H

#include "io/loop.h"
#include "north/backend.h"

struct rest;

/* Listens. 'address' is numeric; port 0: any free one; 'max_body' in bytes. 'backend' stays the caller's and must
 * outlive the server. Null and 'err' if it cannot listen. */
struct rest *rest_new(struct loop *loop, const char *address, uint16_t port, size_t max_body,
                      const struct backend *backend, struct err *err);
/* Ends every stream and connection. Answers that the backend still owes are not given any more: it must not call
 * backend_reply_send() afterwards. Null is fine. */
void rest_free(struct rest *rest);
uint16_t rest_port(const struct rest *rest); /* the one bound */

/* Tells the clients that follow /v1/events of a change: "migration" or "vm", and the JSON that GET shows of it,
 * borrowed. A stream of one migration gets only that migration's, and ends after the one with "ended": true. */
void rest_notify(struct rest *rest, const char *type, json_t *json);

#endif
