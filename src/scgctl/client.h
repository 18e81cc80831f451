/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to the gateway's REST interface, one after another. */
#ifndef SCGCTL_CLIENT_H
#define SCGCTL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum client_outcome {
    CLIENT_OK,
    CLIENT_REFUSED,     /* the gateway answered with an error: 'err' has its sentence */
    CLIENT_UNREACHABLE, /* the gateway has not got the request */
    CLIENT_LOST,        /* the connection broke, or no answer came: it may have got the request */
    CLIENT_INTERRUPTED  /* a byte can be read from the descriptor of client_stream() */
};

struct client;

/* 'url' is http://HOST[:PORT][/PREFIX], the port being 80 where it is left out. Connects only when called. Null and
 * 'err', a sentence without the program's name, for anything else. */
struct client *client_new(const char *url, struct err *err);
void client_free(struct client *client); /* null is fine */

/* 'body' may be null and stays the caller's. '*ret_answer' gets a new reference, null if the answer has no body; it
 * is left alone unless CLIENT_OK. */
enum client_outcome client_call(struct client *client, const char *method, const char *path, const json_t *body,
                                json_t **ret_answer, struct err *err);

/* GETs a stream of lines. 'line' gets each, null-terminated without its newline, and returns whether to go on:
 * CLIENT_OK once it does not. A stream that ends before is CLIENT_LOST. 'interrupt' is a descriptor. */
typedef bool client_line_fn(void *arg, const char *line);
enum client_outcome client_stream(struct client *client, const char *path, int interrupt, client_line_fn *line,
                                  void *arg, struct err *err);

/* One part of a path, percent-encoded (RFC 3986 section 2.1). Caller frees. */
char *client_escape(const char *part);

#endif
