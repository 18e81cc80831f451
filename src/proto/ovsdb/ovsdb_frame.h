/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of JSON-RPC 1.0 out of a byte stream (RFC 7047 §4): JSON objects one after the other, with nothing or white
 * space between them, split anywhere. Only their extent is found here; whether they are JSON is the parser's to say. */
#ifndef PROTO_OVSDB_FRAME_H
#define PROTO_OVSDB_FRAME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"

#define OVSDB_MESSAGE_MAX (16u << 20) /* bytes of one message */
#define OVSDB_DEPTH_MAX 64            /* brackets within brackets; OVSDB's own messages have fewer than 20 */

struct ovsdb_framer {
    struct strbuf buffer; /* what has come and was not given out */
    size_t start;         /* of the next message within the buffer */
    size_t scanned;       /* up to where its end was looked for */
    unsigned depth;       /* of brackets at 'scanned' */
    bool in_string, escaped;
};

/* Takes over all 'n' bytes. */
void ovsdb_framer_add(struct ovsdb_framer *framer, const void *bytes, size_t n);

/* The next whole message: returns 1 with its first byte and size, which stay valid until the next call on the framer;
 * 0 if it has not come whole; ERR_MALFORMED if something but an object begins, or is nested too deep; ERR_TOO_LARGE.
 * After an error the stream cannot be read further. */
int ovsdb_framer_next(struct ovsdb_framer *framer, const char **message, size_t *size);

void ovsdb_framer_free(struct ovsdb_framer *framer); /* its members; it is then empty and usable again */

#endif
