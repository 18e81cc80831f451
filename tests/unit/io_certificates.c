/* SPDX-License-Identifier: Apache-2.0 */
#include "io_certificates.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"

struct row {
    const char *name, *common_name, *issuer, *alternatives;
};

static const struct row rows[] = {
    {"ca", "SCG test CA", "ca", NULL},
    {"other-ca", "another CA", "other-ca", NULL},
    {"server", "server", "ca", "IP:127.0.0.1,DNS:localhost"},
    {"client", "dc-a", "ca", "IP:127.0.0.1"},
    {"elsewhere", "elsewhere", "ca", "IP:192.0.2.1,DNS:elsewhere.example"},
    {"stranger", "server", "other-ca", "IP:127.0.0.1"},
};

char *certificates_path(const struct certificates *certificates, const char *name)
{
    return xasprintf("%s/%s", certificates->directory, name);
}

static FILE *open_file(const struct certificates *certificates, const char *name, const char *ending, const char *mode)
{
    AUTO_FREE char *file = xasprintf("%s%s", name, ending);
    AUTO_FREE char *path = certificates_path(certificates, file);
    FILE *stream = fopen(path, mode);

    assert_non_null(stream);
    return stream;
}

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void issue(const struct certificates *certificates, const struct row *row, long serial)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_PKEY *issuer_key = key;
    X509 *certificate = X509_new();
    X509 *issuer = certificate;
    const bool is_ca = strcmp(row->name, row->issuer) == 0;
    FILE *file;

    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                               (const unsigned char *) row->common_name, -1, -1, 0);
    if (!is_ca) {
        file = open_file(certificates, row->issuer, ".pem", "r");
        issuer = PEM_read_X509(file, NULL, NULL, NULL);
        fclose(file);
        file = open_file(certificates, row->issuer, ".key", "r");
        issuer_key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
        fclose(file);
    }
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    add_extension(certificate, NID_basic_constraints, is_ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (row->alternatives)
        add_extension(certificate, NID_subject_alt_name, row->alternatives);
    assert_true(X509_sign(certificate, issuer_key, EVP_sha256()) > 0);

    file = open_file(certificates, row->name, ".pem", "w");
    PEM_write_X509(file, certificate);
    fclose(file);
    file = open_file(certificates, row->name, ".key", "w");
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    if (!is_ca) {
        EVP_PKEY_free(issuer_key);
        X509_free(issuer);
    }
    EVP_PKEY_free(key);
    X509_free(certificate);
}

void certificates_make(struct certificates *certificates)
{
    strcpy(certificates->directory, "/tmp/test_io.XXXXXX");
    assert_non_null(mkdtemp(certificates->directory));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        issue(certificates, &rows[i], (long) i + 1);
}

void certificates_remove(const struct certificates *certificates)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *certificate = xasprintf("%s/%s.pem", certificates->directory, rows[i].name);
        AUTO_FREE char *key = xasprintf("%s/%s.key", certificates->directory, rows[i].name);

        unlink(certificate);
        unlink(key);
    }
    assert_int_equal(rmdir(certificates->directory), 0);
}

struct tls *certificates_tls(const struct certificates *certificates, const char *ca, const char *name)
{
    AUTO_FREE char *ca_path = xasprintf("%s/%s.pem", certificates->directory, ca);
    AUTO_FREE char *certificate = xasprintf("%s/%s.pem", certificates->directory, name);
    AUTO_FREE char *key = xasprintf("%s/%s.key", certificates->directory, name);
    struct tls_config config = {ca_path, certificate, key};
    struct err err = {0};
    struct tls *tls = tls_new(&config, &err);

    if (!tls)
        fail_msg("%s", err.text);
    return tls;
}
