/* SPDX-License-Identifier: Apache-2.0 */
/* What ospfd's API sends: records of one byte that names the stream, one that says how many bytes come on it, and
 * these. A stream keeps what was not taken, as the loop does. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/ospf/ospf_api.h"
#include "proto/ospf/ospf_lsdb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct rest {
    uint8_t bytes[70000];
    size_t n;
};

static void drain(struct ospf_api *api, struct ospf_lsdb *lsdb)
{
    const struct mono now = {0};
    struct ospf_api_event event;
    struct err err;
    size_t n;

    while (ospf_api_event(api, &event)) {
        const struct ospf_api_notice *notice = &event.notice;

        if (event.type == OSPF_API_EVENT_SYNC_BEGINS)
            ospf_lsdb_sync_begin(lsdb);
        if (event.type == OSPF_API_EVENT_SYNCED)
            ospf_lsdb_sync_end(lsdb, now, 0);
        if (notice->type == OSPF_API_LSA_UPDATE)
            (void) ospf_lsdb_update(lsdb, notice->area, notice->lsa, notice->lsa_size, now, &err);
        if (notice->type == OSPF_API_LSA_DELETE)
            (void) ospf_lsdb_delete(lsdb, notice->area, notice->lsa, notice->lsa_size, now, &err);
        ospf_api_event_free(&event);
    }
    free(ospf_api_output(api, &n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rest rests[2];
    const struct mono now = {0};
    struct ospf_api *api = ospf_api_new(1000);
    struct ospf_lsdb *lsdb = ospf_lsdb_new(0);
    struct err err;

    rests[0].n = rests[1].n = 0;
    ospf_api_up(api, OSPF_API_SYNC, now);
    ospf_api_up(api, OSPF_API_ASYNC, now);
    for (size_t at = 0; at + 2 <= size;) {
        enum ospf_api_stream stream = data[at] & 1 ? OSPF_API_ASYNC : OSPF_API_SYNC;
        size_t left = size - at - 2, n = data[at + 1] < left ? data[at + 1] : left;
        struct rest *rest = &rests[stream];

        if (rest->n + n > sizeof rest->bytes)
            abort(); /* a message is shorter than that, and must have been taken */
        memcpy(rest->bytes + rest->n, data + at + 2, n);
        rest->n += n;
        at += 2 + n;
        int taken = ospf_api_input(api, stream, rest->bytes, rest->n, &err);
        if (taken < 0)
            break;
        rest->n -= (size_t) taken;
        memmove(rest->bytes, rest->bytes + taken, rest->n);
        drain(api, lsdb);
    }
    (void) ospf_api_tick(api, now, &err);
    ospf_api_free(api);
    ospf_lsdb_free(lsdb);
    return 0;
}
