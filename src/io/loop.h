/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: timers, streams over TCP, TLS or Unix sockets, and work that blocks. One thread runs the loop and
 * everything in the program but the functions given to worker_run(). A thin skin over libevent, so that nothing above
 * io/ knows it. */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mono.h"

struct loop;

struct loop *loop_new(void); /* SIGPIPE is ignored from then on */
/* For a program that has no other thread, nor a worker_pool: takes no locks. */
struct loop *loop_new_alone(void);
/* To be freed after all that was made with it. Posts that have not run are dropped. Null is fine. */
void loop_free(struct loop *loop);
/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
struct mono loop_now(const struct loop *loop);
/* SIGTERM and SIGINT stop the loop. */
void loop_handle_signals(struct loop *loop);

/* Calls 'fn' from the loop thread, soon. May be called from any thread. */
typedef void loop_fn(void *arg);
void loop_post(struct loop *loop, loop_fn *fn, void *arg);

/* Timers: one shot, set again at will, no wake-up while not set. They never ring early, and in the order of their
 * deadlines; those of one deadline in the order in which they were set. */
struct timer;
struct timer *timer_new(struct loop *loop, loop_fn *fn, void *arg);
void timer_set(struct timer *timer, struct mono at); /* MONO_NEVER: cancels */
void timer_free(struct timer *timer);                /* null is fine */

/* TLS with certificates both ways. */
struct tls;
struct tls_config {
    const char *ca, *certificate, *key; /* PEM files */
};
/* Null and 'err' naming the file if one cannot be used. TLS 1.2 at least; the peer's certificate is demanded. An
 * encrypted key is an error: nobody could type its passphrase. */
struct tls *tls_new(const struct tls_config *config, struct err *err);
/* To be freed after the servers, clients and streams that use it. Null is fine. */
void tls_free(struct tls *tls);

/* A connected or connecting stream. Callbacks come from the loop, never from within a stream_* call. */
struct stream;
struct stream_callbacks {
    void (*up)(void *arg); /* connected; TLS done. May be null. Not called for a stream of listener_new(): it is up */
    /* Bytes have arrived; returns how many were consumed, the rest comes again with what follows. A rest of more than
     * 16 MiB ends the stream with ERR_TOO_LARGE. */
    size_t (*data)(void *arg, const uint8_t *bytes, size_t n);
    /* Closed or failed; the stream frees itself afterwards. ERR_UNREACHABLE: never came up. ERR_REFUSED: one side
     * refused the other's certificate, which with TLS 1.3 the client learns only after 'up'; nothing was handed to the
     * program at the other end. ERR_IO: anything else, also an orderly end by the other side. The text begins with the
     * peer. */
    void (*down)(void *arg, const struct err *reason);
};
/* 'where' is tcp:ADDRESS:PORT (a numeric address, IPv6 in brackets) or unix:PATH. Null and 'err' only if 'where' cannot
 * be parsed. */
struct stream *stream_connect(struct loop *loop, const char *where, const struct stream_callbacks *callbacks, void *arg,
                              struct err *err);
/* The same over TCP from a given local port, 1..65535. That it is in use is told as a failure to connect. */
struct stream *stream_connect_from(struct loop *loop, const char *where, uint16_t local_port,
                                   const struct stream_callbacks *callbacks, void *arg, struct err *err);
/* The same over TLS. The server's certificate must be valid for 'server_name', an address or a DNS name. */
struct stream *stream_connect_tls(struct loop *loop, const char *where, struct tls *tls, const char *server_name,
                                  const struct stream_callbacks *callbacks, void *arg, struct err *err);
/* May be called before the stream is up. */
void stream_write(struct stream *stream, const void *bytes, size_t n); /* queues; never blocks */
size_t stream_pending(const struct stream *stream);                    /* bytes queued and not yet sent */
/* Sends nothing more, calls nothing back, frees. May be called from within any callback, those of this stream too. */
void stream_close(struct stream *stream);
/* Like stream_close(), but what is queued is sent first, in the background, for up to 10 s. */
void stream_finish(struct stream *stream);
/* "ADDRESS:PORT" of the other end, or the path. Borrowed. */
const char *stream_peer(const struct stream *stream);
/* Common name of the peer's certificate once the stream is up; "" without TLS. Borrowed. */
const char *stream_peer_name(struct stream *stream);

struct listener;
/* 'accepted' is called with each new stream, which has no callbacks yet: stream_set_callbacks() or stream_close() must
 * follow at once. */
typedef void listener_fn(void *arg, struct stream *stream);
/* 'address' is numeric. Port 0: any free one. Null and 'err' if it cannot listen. */
struct listener *listener_new(struct loop *loop, const char *address, uint16_t port, listener_fn *accepted, void *arg,
                              struct err *err);
/* The same over TLS, both sides showing certificates. */
struct listener *listener_new_tls(struct loop *loop, const char *address, uint16_t port, const struct tls *tls,
                                  listener_fn *accepted, void *arg, struct err *err);
uint16_t listener_port(const struct listener *listener); /* the one bound */
/* Its streams stay. Null is fine. */
void listener_free(struct listener *listener);
void stream_set_callbacks(struct stream *stream, const struct stream_callbacks *callbacks, void *arg);

/* Work that blocks, on a pool of threads that are started when first needed. 'work' runs on a worker; 'done' then runs
 * on the loop thread with the same argument. Functions that run on a worker are called worker_*. */
struct worker_pool;
struct worker_pool *worker_pool_new(struct loop *loop, unsigned threads); /* 1 at least */
/* Only from the loop thread. Work is begun in the order of these calls. */
void worker_run(struct worker_pool *pool, loop_fn *work, loop_fn *done, void *arg);
/* Waits for running work, drops the rest. Each 'done' that is outstanding is called from here, those of dropped work
 * too; none of them may call worker_run(). Null is fine. */
void worker_pool_free(struct worker_pool *pool);

#endif
