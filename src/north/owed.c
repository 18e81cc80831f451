/* SPDX-License-Identifier: Apache-2.0 */
#include "north/owed.h"

#include "base/alloc.h"
#include "model/problem.h"
#include "north/http_json.h"

struct owed {
    struct backend_reply reply; /* first: the backend knows no more of it */
    struct owed *next, **previous;
    struct http_request *request;
};

static void send_reply(struct backend_reply *reply, int status, json_t *body)
{
    struct owed *owed = (struct owed *) reply;

    *owed->previous = owed->next;
    if (owed->next)
        owed->next->previous = owed->previous;
    http_json_reply(owed->request, status, body);
    free(owed);
}

struct backend_reply *owed_add(struct owed_list *list, struct http_request *request)
{
    struct owed *owed = xcalloc(1, sizeof *owed);

    *owed = (struct owed) {.reply = {send_reply}, .next = list->first, .previous = &list->first, .request = request};
    if (owed->next)
        owed->next->previous = &owed->next;
    list->first = owed;
    return &owed->reply;
}

void owed_end(struct owed_list *list)
{
    struct err err = {0};

    err_set(&err, ERR_UNKNOWN, "the gateway is being stopped");
    while (list->first)
        backend_reply_send(&list->first->reply, problem_http_status(err.code), problem_encode(&err));
}
