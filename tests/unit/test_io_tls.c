/* SPDX-License-Identifier: Apache-2.0 */
/* Streams over TLS with certificates both ways: who gets in, who is refused, and what a person is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "io/loop.h"
#include "io_certificates.h"

#define DEADLINE_MS 60000

struct world;

struct end {
    struct world *w;
    struct stream *stream;
    struct strbuf got;
    size_t expect;
    bool echo, up, down;
    struct err reason;
};

struct world {
    struct certificates certificates;
    struct loop *loop;
    struct timer *deadline;
    struct tls *server_tls, *client_tls;
    struct listener *listener;
    struct end client, server;
    unsigned stop_after_downs;
};

static void too_late(void *arg)
{
    (void) arg;
    fail_msg("nothing happened for %d ms", DEADLINE_MS);
}

static void on_up(void *arg)
{
    struct end *end = arg;

    end->up = true;
}

static size_t on_data(void *arg, const uint8_t *bytes, size_t n)
{
    struct end *end = arg;

    if (end->echo)
        stream_write(end->stream, bytes, n);
    else
        strbuf_add(&end->got, bytes, n);
    if (end->expect && end->got.length >= end->expect)
        loop_stop(end->w->loop);
    return n;
}

static void on_down(void *arg, const struct err *reason)
{
    struct end *end = arg;

    end->down = true;
    end->reason = *reason;
    end->stream = NULL;
    if (--end->w->stop_after_downs == 0)
        loop_stop(end->w->loop);
}

static const struct stream_callbacks callbacks = {on_up, on_data, on_down};

static void on_accepted(void *arg, struct stream *stream)
{
    struct world *w = arg;

    w->server.stream = stream;
    stream_set_callbacks(stream, &callbacks, &w->server);
}

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);

    certificates_make(&w->certificates);
    w->loop = loop_new();
    w->deadline = timer_new(w->loop, too_late, w);
    timer_set(w->deadline, mono_add(loop_now(w->loop), DEADLINE_MS));
    w->client.w = w->server.w = w;
    *state = w;
    return 0;
}

static void end_close(struct end *end)
{
    if (end->stream)
        stream_close(end->stream);
    strbuf_free(&end->got);
}

static int tear_down(void **state)
{
    struct world *w = *state;

    end_close(&w->client);
    end_close(&w->server);
    listener_free(w->listener);
    timer_free(w->deadline);
    loop_free(w->loop);
    tls_free(w->client_tls);
    tls_free(w->server_tls);
    certificates_remove(&w->certificates);
    free(w);
    return 0;
}

/* The server shows 'server' and trusts ca; the client shows 'client', trusts 'client_ca' and expects 'name'. */
static void connect_ends(struct world *w, const char *server, const char *client_ca, const char *client,
                         const char *name)
{
    struct err err = {0};

    w->server_tls = certificates_tls(&w->certificates, "ca", server);
    w->client_tls = certificates_tls(&w->certificates, client_ca, client);
    w->listener = listener_new_tls(w->loop, "127.0.0.1", 0, w->server_tls, on_accepted, w, &err);
    assert_non_null(w->listener);
    AUTO_FREE char *where = xasprintf("tcp:127.0.0.1:%u", listener_port(w->listener));
    w->client.stream = stream_connect_tls(w->loop, where, w->client_tls, name, &callbacks, &w->client, &err);
    assert_non_null(w->client.stream);
}

static void test_eight_mebibytes_both_ways(void **state)
{
    enum { SIZE = 8 << 20 };
    struct world *w = *state;
    AUTO_FREE char *message = xmalloc(SIZE);

    for (size_t i = 0; i < SIZE; i++)
        message[i] = (char) (i * 13 >> 5);
    w->server.echo = true;
    w->client.expect = SIZE;
    connect_ends(w, "server", "ca", "client", "127.0.0.1");
    stream_write(w->client.stream, message, SIZE);
    loop_run(w->loop);
    assert_true(w->client.up);
    assert_true(w->server.up);
    assert_int_equal(w->client.got.length, SIZE);
    assert_memory_equal(w->client.got.text, message, SIZE);
    assert_string_equal(stream_peer_name(w->client.stream), "server");
    assert_string_equal(stream_peer_name(w->server.stream), "dc-a");
}

static void test_name_instead_of_address(void **state)
{
    struct world *w = *state;

    w->server.echo = true;
    w->client.expect = 1;
    connect_ends(w, "server", "ca", "client", "localhost");
    stream_write(w->client.stream, "x", 1);
    loop_run(w->loop);
    assert_true(w->client.up);
}

static void test_orderly_end(void **state)
{
    struct world *w = *state;

    w->server.expect = 3;
    connect_ends(w, "server", "ca", "client", "127.0.0.1");
    stream_write(w->client.stream, "bye", 3);
    loop_run(w->loop);
    stream_finish(w->client.stream);
    w->client.stream = NULL;
    w->stop_after_downs = 1;
    loop_run(w->loop);
    assert_int_equal(w->server.reason.code, ERR_IO);
    assert_non_null(strstr(w->server.reason.text, ": closed by the other end"));
}

static void expect_refused(const struct end *end, const char *why)
{
    assert_int_equal(end->reason.code, ERR_REFUSED);
    if (!strstr(end->reason.text, why))
        fail_msg("\"%s\" not in \"%s\"", why, end->reason.text);
}

static void test_server_of_another_ca_is_refused(void **state)
{
    struct world *w = *state;

    connect_ends(w, "stranger", "ca", "client", "127.0.0.1");
    w->stop_after_downs = 2;
    loop_run(w->loop);
    expect_refused(&w->client, "its certificate is refused: unable to get local issuer certificate");
    expect_refused(&w->server, "it refuses our certificate: tlsv1 alert unknown ca");
    assert_false(w->client.up);
    assert_false(w->server.up);
}

static void test_server_with_another_address_is_refused(void **state)
{
    struct world *w = *state;

    connect_ends(w, "elsewhere", "ca", "client", "127.0.0.1");
    w->stop_after_downs = 2;
    loop_run(w->loop);
    expect_refused(&w->client, "its certificate is refused: IP address mismatch");
    assert_false(w->client.up);
}

static void test_server_with_another_name_is_refused(void **state)
{
    struct world *w = *state;

    connect_ends(w, "elsewhere", "ca", "client", "localhost");
    w->stop_after_downs = 2;
    loop_run(w->loop);
    expect_refused(&w->client, "its certificate is refused: hostname mismatch");
    assert_false(w->client.up);
}

static void test_client_of_another_ca_is_refused(void **state)
{
    struct world *w = *state;

    connect_ends(w, "server", "ca", "stranger", "127.0.0.1");
    stream_write(w->client.stream, "let me in", 9);
    w->stop_after_downs = 2;
    loop_run(w->loop);
    expect_refused(&w->server, "its certificate is refused: unable to get local issuer certificate");
    expect_refused(&w->client, "it refuses our certificate: tlsv1 alert unknown ca");
    assert_false(w->server.up);
    assert_int_equal(w->server.got.length, 0);
}

/* A TLS client of OpenSSL's own that shows no certificate, moved along by the server's loop. */
struct bare_client {
    struct world *w;
    SSL *ssl;
    struct timer *again;
};

static void bare_handshake(void *arg)
{
    struct bare_client *bare = arg;
    char byte;

    if (SSL_do_handshake(bare->ssl) == 1)
        (void) SSL_read(bare->ssl, &byte, 1);
    if (!bare->w->server.down)
        timer_set(bare->again, mono_add(loop_now(bare->w->loop), 1));
}

static void test_client_without_certificate_is_refused(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    BIO *socket;
    struct bare_client bare = {.w = w, .ssl = SSL_new(context)};

    w->server_tls = certificates_tls(&w->certificates, "ca", "server");
    w->listener = listener_new_tls(w->loop, "127.0.0.1", 0, w->server_tls, on_accepted, w, &err);
    assert_non_null(w->listener);
    AUTO_FREE char *where = xasprintf("127.0.0.1:%u", listener_port(w->listener));
    socket = BIO_new_connect(where);
    assert_int_equal(BIO_do_connect(socket), 1); /* the backlog takes it */
    BIO_socket_nbio((int) BIO_get_fd(socket, NULL), 1);
    SSL_set_bio(bare.ssl, socket, socket);
    SSL_set_connect_state(bare.ssl);
    bare.again = timer_new(w->loop, bare_handshake, &bare);
    timer_set(bare.again, loop_now(w->loop));
    w->stop_after_downs = 1;
    loop_run(w->loop);
    assert_int_equal(w->server.reason.code, ERR_UNREACHABLE);
    assert_non_null(strstr(w->server.reason.text, "TLS: peer did not return a certificate"));
    assert_false(w->server.up);
    timer_free(bare.again);
    SSL_free(bare.ssl);
    SSL_CTX_free(context);
}

static void test_plain_client_of_a_tls_server(void **state)
{
    struct world *w = *state;
    struct err err = {0};

    w->server_tls = certificates_tls(&w->certificates, "ca", "server");
    w->listener = listener_new_tls(w->loop, "127.0.0.1", 0, w->server_tls, on_accepted, w, &err);
    AUTO_FREE char *where = xasprintf("tcp:127.0.0.1:%u", listener_port(w->listener));
    w->client.stream = stream_connect(w->loop, where, &callbacks, &w->client, &err);
    stream_write(w->client.stream, "GET / HTTP/1.1\r\n\r\n", 18);
    w->stop_after_downs = 2;
    loop_run(w->loop);
    assert_int_equal(w->server.reason.code, ERR_UNREACHABLE);
    assert_non_null(strstr(w->server.reason.text, "TLS: http request"));
}

static void expect_no_tls(const struct tls_config *config, const char *text)
{
    struct err err = {0};

    assert_null(tls_new(config, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.text, text);
}

static void write_encrypted_key(const char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(), (const unsigned char *) "secret", 6, NULL, NULL);
    fclose(file);
    EVP_PKEY_free(key);
}

static void test_files_that_cannot_be_used(void **state)
{
    struct world *w = *state;
    AUTO_FREE char *ca = certificates_path(&w->certificates, "ca.pem");
    AUTO_FREE char *certificate = certificates_path(&w->certificates, "server.pem");
    AUTO_FREE char *key = certificates_path(&w->certificates, "server.key");
    AUTO_FREE char *other_key = certificates_path(&w->certificates, "client.key");
    AUTO_FREE char *encrypted = certificates_path(&w->certificates, "encrypted.key");
    AUTO_FREE char *mismatch = xasprintf("tls: cannot read key %s: key values mismatch", other_key);
    AUTO_FREE char *no_pem = xasprintf("tls: cannot read certificate %s: no start line", key);
    AUTO_FREE char *locked = xasprintf("tls: cannot read key %s: it is encrypted; store it without a passphrase",
                                       encrypted);

    expect_no_tls(&(struct tls_config) {"/nowhere/ca.pem", certificate, key},
                  "tls: cannot read CA certificate /nowhere/ca.pem: No such file or directory");
    expect_no_tls(&(struct tls_config) {ca, "/nowhere/x.pem", key},
                  "tls: cannot read certificate /nowhere/x.pem: No such file or directory");
    expect_no_tls(&(struct tls_config) {ca, certificate, "/nowhere/x.key"},
                  "tls: cannot read key /nowhere/x.key: No such file or directory");
    expect_no_tls(&(struct tls_config) {ca, certificate, other_key}, mismatch);
    expect_no_tls(&(struct tls_config) {ca, key, key}, no_pem);
    write_encrypted_key(encrypted);
    expect_no_tls(&(struct tls_config) {ca, certificate, encrypted}, locked);
    unlink(encrypted);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_eight_mebibytes_both_ways),
        TEST(test_name_instead_of_address),
        TEST(test_orderly_end),
        TEST(test_server_of_another_ca_is_refused),
        TEST(test_server_with_another_address_is_refused),
        TEST(test_server_with_another_name_is_refused),
        TEST(test_client_of_another_ca_is_refused),
        TEST(test_client_without_certificate_is_refused),
        TEST(test_plain_client_of_a_tls_server),
        TEST(test_files_that_cannot_be_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
