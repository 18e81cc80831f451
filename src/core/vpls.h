/* SPDX-License-Identifier: Apache-2.0 */
/* VPLS mode: the VM's Ethernet frames travel in MPLS inside the DC, as flows. Pure: tunnels and segments in, flow
 * transactions out. OpenFlow 1.3 but for Nicira's encap, decap, clone, resubmit and registers. */
#ifndef CORE_VPLS_H
#define CORE_VPLS_H

#include <stddef.h>
#include <stdint.h>

#include "core/pipeline.h"
#include "model/addr.h"
#include "model/flow.h"

/* Beside the tables of core/pipeline.h, the same on every switch. */
enum vpls_table { VPLS_LABEL = 20, VPLS_VC, VPLS_TUNNEL, VPLS_DELIVER };

#define VPLS_LABEL_MIN 16u /* RFC 3032 §2.1 */
#define VPLS_LABEL_MAX 1048575u
/* Far ends of a segment that one end floods to; what fits a flow (FLOW_ACTIONS_MAX). */
#define VPLS_PEERS_MAX 28
/* What a frame grows by between the ends: its own Ethernet header counts in the MTU of the links, and two labels. */
#define VPLS_OVERHEAD 22

/* A tunnel leads from one end to another, for all segments that they share; "from>to" names it, and its cookie is
 * cookie_of_name(COOKIE_TUNNEL, "from>to") on every switch. Each of the three sets what one switch does for it, in
 * place of what that switch did before. Labels are VPLS_LABEL_MIN..VPLS_LABEL_MAX, ports OpenFlow ports of fabric
 * links. Set the tail first and the head last; remove the head first.
 *   head     of the first switch: for frames to 'end', the number of the far end (1..); 'out_label' is the next node's
 *   transit  'in_label' is this node's, 'out_label' the next one's
 *   tail     of the last switch: what comes with 'in_label' loses it, and goes by its VC label */
void vpls_tunnel_head(struct flow_txn *txn, uint64_t cookie, uint32_t end, uint32_t out_label, uint32_t out_port);
void vpls_tunnel_transit(struct flow_txn *txn, uint64_t cookie, uint32_t in_label, uint32_t out_label,
                         uint32_t out_port);
void vpls_tunnel_tail(struct flow_txn *txn, uint64_t cookie, uint32_t in_label);
/* Of one switch; a tunnel that is not there does no harm. */
void vpls_tunnel_remove(struct flow_txn *txn, uint64_t cookie);

/* A far end of a segment, as one of its ends sees it. */
struct vpls_peer {
    uint32_t end;   /* its number, 1.. */
    uint32_t label; /* the VC label that it gave the segment: it expects our frames under it */
};

/* A MAC that is behind a far end: of a VM, or the gateway's. */
struct vpls_known {
    struct mac mac;
    uint32_t end;
};

enum vpls_edge { VPLS_TOR, VPLS_PE };

/* A segment at one of its ends: a virtual switch instance (RFC 4762 §4). All is borrowed. */
struct vpls_instance {
    enum vpls_edge edge;
    uint32_t label;                /* the VC label that this end gave the segment */
    const struct vpls_peer *peers; /* at most VPLS_PEERS_MAX; more is our defect: abort */
    size_t n_peers;
    const struct vpls_known *known; /* none twice; one whose end is no peer is flooded to, like one that is unknown */
    size_t n_known;
};

/* Adds the pseudowires of a segment, under its cookie: in the same transaction, after pipeline_segment_tor() or
 * pipeline_segment_pe(), which delete by that cookie. 'segment->vpls' is set. */
void vpls_segment(struct flow_txn *txn, const struct pipeline_segment *segment, const struct vpls_instance *instance);

#endif
