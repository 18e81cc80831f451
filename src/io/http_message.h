/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 messages (RFC 9112), read piece by piece as they arrive. Shared by server and client; pure. */
#ifndef IO_HTTP_MESSAGE_H
#define IO_HTTP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

enum http_state {
    HTTP_FIRST_LINE,
    HTTP_FIELDS,
    HTTP_BODY,
    HTTP_CHUNK_SIZE,
    HTTP_CHUNK,
    HTTP_CHUNK_END,
    HTTP_TRAILER,
    HTTP_COMPLETE,
    HTTP_BAD,
};

struct http_field {
    char *name, *value;
};

struct http_message {
    bool is_answer;
    size_t max_body;
    enum http_state state;
    int fault;       /* HTTP_BAD: the status to answer with */
    const char *why; /* HTTP_BAD: what is wrong with the message; static */

    char *method, *target; /* of a request */
    int status;            /* of an answer */
    unsigned minor;        /* HTTP/1.minor */
    struct http_field *fields;
    size_t n_fields, fields_capacity;
    bool keep_alive, expects_continue;
    struct strbuf body;

    size_t head_left; /* bytes that the head and the trailer may still have */
    size_t body_left; /* bytes of the body or chunk still to come */
};

/* 'max_body' in bytes. A head may have 64 KiB and 100 fields. */
void http_message_init(struct http_message *message, bool is_answer, size_t max_body);
void http_message_free(struct http_message *message);

/* Takes in what it can of 'n' bytes and returns how much that was; the rest is to be offered again with what follows.
 * Once HTTP_COMPLETE or HTTP_BAD it takes nothing. Answers 1xx are skipped. */
size_t http_message_feed(struct http_message *message, const void *bytes, size_t n);

/* Value of the first field of that name, in any case, or null. Borrowed. */
const char *http_message_field(const struct http_message *message, const char *name);

#endif
