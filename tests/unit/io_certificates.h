/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates for the tests of io/, made afresh in a directory under /tmp. */
#ifndef IO_CERTIFICATES_H
#define IO_CERTIFICATES_H

#include "io/loop.h"

struct certificates {
    char directory[32];
};

/* Makes, each with its key NAME.key beside NAME.pem: ca; server (CN=server, for 127.0.0.1 and localhost), client
 * (CN=dc-a) and elsewhere (for 192.0.2.1), all by ca; other-ca and stranger (for 127.0.0.1), by other-ca. */
void certificates_make(struct certificates *certificates);
void certificates_remove(const struct certificates *certificates);

/* DIRECTORY/NAME, to be freed. */
char *certificates_path(const struct certificates *certificates, const char *name);

/* Of ca CA.pem and NAME.pem. Fails the test if they cannot be used. */
struct tls *certificates_tls(const struct certificates *certificates, const char *ca, const char *name);

#endif
