/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of io/ share and nobody above them sees. */
#ifndef IO_INTERNAL_H
#define IO_INTERNAL_H

#include <event2/event.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "io/loop.h"

struct event_base *loop_base(const struct loop *loop);
/* Streams that only send what is queued belong to the loop: it frees those that are left. */
struct stream **loop_finishing(struct loop *loop);
void stream_free_now(struct stream *stream);

/* An SSL object for one connection. 'server_name' null: our side is the server; else the peer's certificate must be
 * valid for that address or DNS name. Owned by the caller. */
SSL *tls_session_new(const struct tls *tls, const char *server_name);
/* Why 'ssl' failed: a certificate or offer that one side refused (true), else the text of 'error', which is OpenSSL's
 * and may be 0, else "". */
bool tls_failure(const SSL *ssl, unsigned long error, char *text, size_t size);
/* Common name of the peer's certificate, "" if it has none. */
void tls_peer_name(const SSL *ssl, char *name, size_t size);

/* "ADDRESS:PORT", IPv6 in brackets. */
#define ADDRESS_TEXT_SIZE 128
void address_format(const struct sockaddr *address, char *text, size_t size);
/* Parses a numeric IPv4 or IPv6 address. 0 or ERR_INVALID. */
int address_parse(const char *address, uint16_t port, struct sockaddr_storage *ret_address, socklen_t *ret_size);

/* A stream over 'fd', which it owns; reads nothing before stream_set_callbacks(). */
struct stream *stream_accepted(struct loop *loop, int fd, const struct sockaddr *from, const struct tls *tls);
void socket_send_at_once(int fd);
/* True if nothing has arrived that was not yet read: neither bytes nor the end. Only for a stream that is up. */
bool stream_quiet(const struct stream *stream);
/* Offers the bytes that were not consumed again, from the loop. */
void stream_again(struct stream *stream);
/* Ends the stream with down(), from the loop, because of 'errnum'. */
void stream_fail(struct stream *stream, int errnum);

#endif
