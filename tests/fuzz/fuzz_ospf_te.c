/* SPDX-License-Identifier: Apache-2.0 */
/* TE LSAs, and the TED that follows. What is understood must come back the same when it is sent. The checksum is put
 * right first: no random input would have it. */
#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "proto/ospf/ospf_lsdb.h"
#include "proto/ospf/ospf_te.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void there_and_back(const struct ospf_te_lsa *lsa)
{
    static uint8_t first[65536], second[65536];
    static struct ospf_te_lsa back;
    struct err err;
    int length = ospf_te_lsa_encode(lsa, first, sizeof first);

    /* It cannot be longer than it came: what is unknown is left out. */
    if (length < 0 || ospf_te_lsa_decode(first, (size_t) length, &back, &err) < 0 || back.n_links != lsa->n_links ||
        ospf_te_lsa_encode(&back, second, sizeof second) != length || memcmp(first, second, (size_t) length) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ospf_te_lsa lsa;
    uint8_t *bytes = malloc(size + 1);
    struct ospf_lsdb *lsdb = ospf_lsdb_new(0);
    const struct mono now = {0};
    struct err err;

    memcpy(bytes, data, size);
    if (size >= OSPF_LSA_HEADER_SIZE && size <= UINT16_MAX) {
        struct wire w = wire_writer(bytes + 16, 4);

        wire_put_u32(&w, (uint32_t) size);
        w.pos = 0;
        wire_put_u16(&w, ospf_lsa_checksum(bytes, size));
    }
    if (ospf_te_lsa_decode(bytes, size, &lsa, &err) == 0)
        there_and_back(&lsa);
    (void) ospf_lsdb_update(lsdb, 1, bytes, size, now, &err);
    (void) ospf_lsdb_delete(lsdb, 1, bytes, size, now, &err);
    ospf_lsdb_tick(lsdb, now);
    if (ospf_lsdb_ted(lsdb)->n_links)
        abort();
    ospf_lsdb_free(lsdb);
    free(bytes);
    return 0;
}
