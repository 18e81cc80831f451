/* SPDX-License-Identifier: Apache-2.0 */
/* The TE LSAs and router LSAs that ospfd holds, and the TED that follows from them: pure, told of each LSA that comes,
 * changes or goes, and answering with the links that have changed. It keeps which LSA carried which link, so that a
 * flush takes the right ones away.
 *
 * What is odd about ospfd's API, and dealt with here:
 *   - a new instance of an LSA is told as a deletion of the old one and then an update with the new one, a flush as a
 *     deletion alone, of the age that the LSA last had. A deletion is held until an update of the same LSA, or until
 *     its time is up, so that a link does not go away for a moment each time its free bandwidth changes.
 *   - an LSA of MaxAge (RFC 2328 §14) is in ospfd's database until all neighbours have acknowledged its flush: it is
 *     gone.
 *   - after a new connection all LSAs are told. What was known stays until the end of that, and what was not told by
 *     then for a while longer: an ospfd that has just started has no LSAs before its neighbours have given it theirs.
 *   - the TE LSA of a link is flooded on when its neighbour has died, and those of the dead stay for an hour. So a
 *     numbered link is in the TED only while OSPF does not know better: if it runs on the interface of one of the ends
 *     (the router LSA has its network), there must be a full neighbour. Of other links, whose control channel may be
 *     elsewhere (RFC 4203), nothing can be said.
 * An opaque id means nothing (RFC 3630 §2.4.1): a router that starts anew may flood the same link in another LSA before
 * the old one is flushed. The link goes when no LSA carries it any more. */
#ifndef PROTO_OSPF_LSDB_H
#define PROTO_OSPF_LSDB_H

#include "base/err.h"
#include "base/mono.h"
#include "model/ted.h"

#define OSPF_LSDB_HOLD_MS 200    /* ospfd tells deletion and update in one go; this is for a machine that is busy */
#define OSPF_LSDB_LSAS_MAX 65536 /* further ones are refused */

struct ospf_lsdb_event {
    bool gone; /* else new or changed */
    struct te_link_key key;
    struct te_link link; /* unless it is gone */
};

struct ospf_lsdb;

struct ospf_lsdb *ospf_lsdb_new(int64_t hold_ms); /* >= 0 */
void ospf_lsdb_free(struct ospf_lsdb *lsdb);      /* null is fine */

/* ospfd has told of an LSA of 'size' bytes in an area: added or changed; deleted. Other LSAs than TE and router LSAs,
 * and instances older than what is held, are passed over. 0, or an error of ospf_te_lsa_decode() or
 * ospf_router_lsa_decode(): a header or checksum that is wrong leaves all as it was, while an LSA whose content is
 * wrong has no links. ERR_EXHAUSTED: too many LSAs. */
int ospf_lsdb_update(struct ospf_lsdb *lsdb, uint32_t area, const uint8_t *lsa, size_t size, struct mono now,
                     struct err *err);
int ospf_lsdb_delete(struct ospf_lsdb *lsdb, uint32_t area, const uint8_t *lsa, size_t size, struct mono now,
                     struct err *err);

/* All LSAs are going to be told; all have been: those that were not go 'grace_ms' from now unless they are told after
 * all. */
void ospf_lsdb_sync_begin(struct ospf_lsdb *lsdb);
void ospf_lsdb_sync_end(struct ospf_lsdb *lsdb, struct mono now, int64_t grace_ms);

/* Carries out what was held until 'now'. */
void ospf_lsdb_tick(struct ospf_lsdb *lsdb, struct mono now);
struct mono ospf_lsdb_deadline(const struct ospf_lsdb *lsdb); /* when to tick; MONO_NEVER: nothing is held */

/* The oldest change that was not taken; false if there is none. The TED has all of them already. */
bool ospf_lsdb_event(struct ospf_lsdb *lsdb, struct ospf_lsdb_event *event);
const struct ted *ospf_lsdb_ted(const struct ospf_lsdb *lsdb);

#endif
