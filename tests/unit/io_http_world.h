/* SPDX-License-Identifier: Apache-2.0 */
/* A world for the tests of HTTP: a loop, a server whose handler acts by path, a client, and raw connections. */
#ifndef IO_HTTP_WORLD_H
#define IO_HTTP_WORLD_H

#include "base/strbuf.h"
#include "io/http.h"
#include "io/loop.h"
#include "io_certificates.h"

#define HTTP_WORLD_MAX_BODY (9u << 20)

struct http_world {
    struct certificates certificates;
    struct loop *loop;
    struct timer *deadline; /* fails the test */
    struct tls *server_tls, *client_tls;
    struct http_server *server;
    struct http_client *client;

    unsigned n_handled;              /* requests that the handler has seen */
    struct http_request *held[8];    /* of /hold, /stream and /flood */
    unsigned n_held, stop_when_held; /* the loop stops when so many are held */
    unsigned n_closed;               /* streamed answers whose client went away */
    struct timer *flood;

    unsigned n_waiting; /* calls without an answer; the loop stops at 0 */

    struct listener *script; /* a server that does not keep to HTTP */
    struct script_connection *script_connections;
    const char *script_answer;
    unsigned n_script_answers;                    /* on one connection; after them it hangs up */
    unsigned n_script_connections, n_script_data; /* accepted; pieces of data that came */
};

/* How a call ended. */
struct http_result {
    struct http_world *w;
    unsigned n; /* callbacks */
    int status;
    struct strbuf body;
    struct err err;
};

/* A client that speaks what it is told. */
struct raw_client {
    struct http_world *w;
    struct stream *stream;
    struct strbuf got;
    const char *until; /* the loop stops when this was read */
    bool down;
};

int http_world_set_up(void **state);
int http_world_tear_down(void **state);

/* Paths of the handler: /echo answers 200 with "METHOD PATH q=QUERY x=HEADER peer=NAME body", /body answers 201 with
 * the body, /nothing answers 204, /late answers in a while, /hold is put into 'held', /stream starts a
 * streamed answer and is put there too, /flood streams without end; else 404. */
void http_world_serve(struct http_world *w, uint16_t port);
void http_world_serve_tls(struct http_world *w, const char *certificate);
/* Answers 'answer' to whatever comes, 'n' times on a connection, then hangs up instead. */
void http_world_script(struct http_world *w, const char *answer, unsigned n);

void http_world_call(struct http_world *w, struct http_result *result, const char *method, const char *path,
                     const void *body, size_t size, uint32_t timeout_ms);
/* Runs until no call waits. */
void http_world_run(struct http_world *w);
/* Same, for one call. */
void http_world_ask(struct http_world *w, struct http_result *result, const char *method, const char *path,
                    const char *body);
void http_result_free(struct http_result *result);

/* Connects to the server, sends, and reads until 'until' came or the server hangs up. */
void raw_ask(struct http_world *w, struct raw_client *raw, const char *text, const char *until);
void raw_free(struct raw_client *raw);

#endif
