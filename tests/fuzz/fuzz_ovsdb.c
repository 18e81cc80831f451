/* SPDX-License-Identifier: Apache-2.0 */
/* What an OVSDB server sends. The first byte is the size of the pieces in which the rest arrives. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "proto/ovsdb/ovsdb_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void drain(struct ovsdb_session *session)
{
    enum ovsdb_event event;
    size_t n;

    while (ovsdb_session_event(session, &event))
        continue;
    free(ovsdb_session_output(session, &n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ovsdb_session *session = ovsdb_session_new(1000);
    struct mono now = {0};
    struct err err;

    if (size == 0) {
        ovsdb_session_free(session);
        return 0;
    }
    size_t piece = data[0] ? data[0] : size;
    ovsdb_session_connected(session, now);
    for (size_t at = 1; at < size; at += piece) {
        if (ovsdb_session_input(session, data + at, at + piece < size ? piece : size - at, &err) < 0)
            break;
        drain(session);
    }
    (void) ovsdb_session_tick(session, mono_add(now, 1000), &err);
    ovsdb_session_disconnected(session);
    drain(session);
    ovsdb_session_free(session);
    return 0;
}
