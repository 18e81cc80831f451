/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 server and client, plain or TLS with certificates both ways. */
#ifndef IO_HTTP_H
#define IO_HTTP_H

#include "io/loop.h"

struct http_request; /* of the server; lives until http_reply() or http_stream_end() */

/* 'arg' is the server's. The handler answers now or later with exactly one http_reply(), or with http_stream_start(),
 * any number of http_stream_send() and http_stream_end(); also if the client or the server is gone by then. It must not
 * free the server. Only GET, PUT, POST, DELETE and PATCH come here; others are answered 501, what is no HTTP 400. */
typedef void http_handler_fn(void *arg, struct http_request *request);

struct http_server;
/* 'tls' null: plain HTTP. 'address' is numeric; port 0: any free one. A body of more than 'max_body' bytes is answered
 * 413. Null and 'err' if it cannot listen. */
struct http_server *http_server_new(struct loop *loop, const char *address, uint16_t port, struct tls *tls,
                                    size_t max_body, http_handler_fn *handler, void *arg, struct err *err);
uint16_t http_server_port(const struct http_server *server); /* the one bound */
/* Hangs up on all clients; requests that were not answered yet stay until they are. Null is fine. */
void http_server_free(struct http_server *server);

const char *http_method(const struct http_request *request); /* "GET", ... */
const char *http_path(const struct http_request *request);   /* decoded, without the query; begins with "/" */
const char *http_query(const struct http_request *request, const char *name); /* decoded value, or null */
/* Never null. */
const char *http_body(const struct http_request *request, size_t *size);
const char *http_header(const struct http_request *request, const char *name); /* or null */
/* Common name of the client's certificate, "" without TLS. */
const char *http_peer_name(const struct http_request *request);

/* A header of the answer, without line breaks in it; before http_reply() or http_stream_start(). */
void http_header_set(struct http_request *request, const char *name, const char *value);
/* Answers and frees. 'content_type' null: application/json. If the client has gone, nothing is sent. */
void http_reply(struct http_request *request, int status, const char *content_type, const void *body, size_t size);
/* Chunked answer with status 200. 'closed' (may be null) is called when the client goes away before http_stream_end(),
 * which must follow all the same. So does a client that leaves 4 MiB unread. */
void http_stream_start(struct http_request *request, const char *content_type, loop_fn *closed, void *arg);
void http_stream_send(struct http_request *request, const void *bytes, size_t n);
void http_stream_end(struct http_request *request);

/* Client: one call. */
struct http_answer {
    int status;       /* 0: none */
    const char *body; /* borrowed during the callback */
    size_t size;
};
/* 'err' code 0 with an answer. ERR_UNREACHABLE: the server has not got the request, because there was no connection,
 * TLS was refused, or it could not be sent whole in time. ERR_TIMEOUT: it was sent, and no answer came in time;
 * ERR_UNKNOWN: it was sent, and the connection broke or the answer cannot be understood. 'answer' is then null. The
 * client may be called and freed from here. */
typedef void http_answer_fn(void *arg, const struct http_answer *answer, const struct err *err);
struct http_client; /* keeps a connection to one server open between calls */
/* With 'tls', the server's certificate must be valid for 'address', which is numeric or a DNS name (IPv4 is preferred).
 * An answer of more than 'max_body' bytes is not understood. Connects only when called. */
struct http_client *http_client_new(struct loop *loop, const char *address, uint16_t port, struct tls *tls,
                                    size_t max_body);
/* Calls that wait end with ERR_CANCELLED, from here; they must not call the client. Waits for a look-up of its
 * name that is under way. Null is fine. */
void http_client_free(struct http_client *client);
/* 'fn' is called exactly once, from the loop, within 'timeout_ms' (1 or more). 'path' goes out as it is, with its
 * query, percent-encoded by the caller. The body, if 'size' is not 0, is JSON. Up to four calls run side by side,
 * others wait for them. A call whose kept connection turns out to be dead is sent once more on a new one, if the server
 * certainly has not processed it or if it is a GET. */
void http_call(struct http_client *client, const char *method, const char *path, const void *body, size_t size,
               uint32_t timeout_ms, http_answer_fn *fn, void *arg);

#endif
