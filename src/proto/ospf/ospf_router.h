/* SPDX-License-Identifier: Apache-2.0 */
/* Router LSAs (type 1, RFC 2328 §A.4.2): to whom a router is adjacent, and what networks it has. Of use here only to
 * learn whether a TE link has still a neighbour at its end: FRR goes on flooding the TE link of an interface whose
 * neighbour is dead. */
#ifndef PROTO_OSPF_ROUTER_H
#define PROTO_OSPF_ROUTER_H

#include "proto/ospf/ospf_te.h"

#define OSPF_LSA_ROUTER 1

enum { OSPF_ROUTER_POINT_TO_POINT = 1, OSPF_ROUTER_STUB = 3 };

struct ospf_router_link {
    uint8_t type;
    uint32_t id;   /* point-to-point: router id of the neighbour; stub: network */
    uint32_t data; /* point-to-point: our address; stub: mask */
};

/* Decodes a whole LSA; bytes behind its length are not looked at. 0 and '*links' that the caller frees, or with 'err'
 * ERR_SHORT, ERR_MALFORMED (its checksum is wrong) or ERR_UNSUPPORTED (no router LSA). */
int ospf_router_lsa_decode(const uint8_t *bytes, size_t size, struct ospf_router_link **links, size_t *n,
                           struct err *err);
/* Writes an LSA with that header; its length and checksum are computed. The bytes written, or ERR_SHORT. */
int ospf_router_lsa_encode(const struct ospf_lsa_header *header, const struct ospf_router_link *links, size_t n,
                           uint8_t *bytes, size_t size);

/* Whether OSPF runs on the interface of that address, but has no full neighbour 'neighbour' there. */
bool ospf_router_has_lost(const struct ospf_router_link *links, size_t n, uint32_t address, uint32_t neighbour);

#endif
