/* SPDX-License-Identifier: Apache-2.0 */
/* JSON over the HTTP server, for both northern interfaces: bodies, answers, errors, and one table of routes each. */
#ifndef NORTH_HTTP_JSON_H
#define NORTH_HTTP_JSON_H

#include <jansson.h>

#include "base/err.h"
#include "io/http.h"

/* The body as JSON. 0 and a new reference, null for an empty body; or ERR_MALFORMED with line and column. */
int http_json_body(const struct http_request *request, json_t **ret_json, struct err *err);

/* Each answers and frees the request. */
void http_json_reply(struct http_request *request, int status, json_t *body); /* takes over 'body' */
void http_json_error(struct http_request *request, const struct err *err);

/* "{}" in a pattern stands for one part of a path, which is not empty. */
#define ROUTE_NAME_SIZE 256

struct route {
    const char *method;
    const char *pattern;
    void (*fn)(void *arg, struct http_request *request, const char *name); /* 'name': what "{}" stood for, or "" */
};

/* Hands the request to its route. Where there is none, it is answered 404, naming the path, or 405 with the methods
 * that the path has. */
void http_json_route(const struct route *routes, size_t n_routes, struct http_request *request, void *arg);

#endif
