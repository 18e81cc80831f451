/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that the backend owes: requests of which a server has handed it a reply. */
#ifndef NORTH_OWED_H
#define NORTH_OWED_H

#include "io/http.h"
#include "north/backend.h"

struct owed;

struct owed_list {
    struct owed *first; /* null: none is owed */
};

/* What the backend answers the request by. The request stays valid until then, whether its client waits or not. */
struct backend_reply *owed_add(struct owed_list *list, struct http_request *request);
/* The server ends: those who wait are told that the outcome is not known. The backend must not answer them any more. */
void owed_end(struct owed_list *list);

#endif
