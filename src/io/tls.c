/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "io/io_internal.h"

struct tls {
    SSL_CTX *context;
};

/* The first error of OpenSSL's queue is the cause, the later ones are its callers' complaints. */
static int tls_error(struct err *err, const char *what, const char *file)
{
    unsigned long error = ERR_get_error();
    const char *why = ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error)) : ERR_reason_error_string(error);

    ERR_clear_error();
    return err_set(err, ERR_INVALID, "tls: cannot read %s %s: %s", what, file, why ? why : "not usable");
}

/* OpenSSL would ask on the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *arg)
{
    (void) buffer;
    (void) size;
    (void) writing;
    *(bool *) arg = true;
    return -1;
}

static int load_files(SSL_CTX *context, const struct tls_config *config, struct err *err)
{
    bool encrypted = false;

    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(context, &encrypted);
    ERR_clear_error();
    if (SSL_CTX_load_verify_file(context, config->ca) != 1)
        return tls_error(err, "CA certificate", config->ca);
    if (SSL_CTX_use_certificate_chain_file(context, config->certificate) != 1)
        return tls_error(err, "certificate", config->certificate);
    const bool key_used = SSL_CTX_use_PrivateKey_file(context, config->key, SSL_FILETYPE_PEM) == 1;
    SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
    if (encrypted)
        return err_set(err, ERR_INVALID, "tls: cannot read key %s: it is encrypted; store it without a passphrase",
                       config->key);
    return key_used ? 0 : tls_error(err, "key", config->key);
}

struct tls *tls_new(const struct tls_config *config, struct err *err)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());

    if (!context)
        abort(); /* out of memory */
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    /* Connections are few and long: no resumption, so that every one of them shows its certificate. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_num_tickets(context, 0);
    /* The output buffer may move between two attempts to write the same bytes. */
    SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
    if (load_files(context, config, err) < 0) {
        SSL_CTX_free(context);
        return NULL;
    }
    struct tls *tls = xmalloc(sizeof *tls);
    tls->context = context;
    return tls;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->context);
    free(tls);
}

SSL *tls_session_new(const struct tls *tls, const char *server_name)
{
    SSL *ssl = SSL_new(tls->context);

    if (!ssl)
        abort(); /* out of memory */
    if (!server_name)
        return ssl;
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), server_name) != 1) {
        ERR_clear_error(); /* a name, not an address */
        SSL_set1_host(ssl, server_name);
        SSL_set_tlsext_host_name(ssl, server_name);
    }
    return ssl;
}

/* Alerts by which a server ends a handshake, RFC 8446 section 6.2. */
static bool alert_refuses(int reason)
{
    switch (reason - SSL_AD_REASON_OFFSET) {
    case SSL_AD_HANDSHAKE_FAILURE:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_PROTOCOL_VERSION:
    case SSL_AD_INSUFFICIENT_SECURITY:
    case SSL_AD_CERTIFICATE_REQUIRED:
        return true;
    default:
        return false;
    }
}

bool tls_failure(const SSL *ssl, unsigned long error, char *text, size_t size)
{
    long verify = SSL_get_verify_result(ssl);
    const char *reason = error ? ERR_reason_error_string(error) : NULL;

    text[0] = '\0';
    if (verify != X509_V_OK) {
        snprintf(text, size, "its certificate is refused: %s", X509_verify_cert_error_string(verify));
        return true;
    }
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && alert_refuses(ERR_GET_REASON(error))) {
        snprintf(text, size, "it refuses our certificate: %s", reason ? reason : "TLS alert");
        return true;
    }
    if (error)
        snprintf(text, size, "TLS: %s", reason ? reason : "failed");
    return false;
}

void tls_peer_name(const SSL *ssl, char *name, size_t size)
{
    X509 *certificate = SSL_get0_peer_certificate(ssl);

    name[0] = '\0';
    if (!certificate)
        return;
    X509_NAME *subject = X509_get_subject_name(certificate);
    int position = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (position < 0)
        return;
    unsigned char *text;
    int length = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, position)));
    if (length < 0)
        return;
    /* A name with a null byte inside must not pass for the part before it. */
    if (strlen((char *) text) == (size_t) length)
        snprintf(name, size, "%s", (char *) text);
    OPENSSL_free(text);
}
