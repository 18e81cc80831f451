/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of OSPF share: bytes from tests/data/ospf, and TE LSAs made on the spot. */
#ifndef UNIT_OSPF_VECTORS_H
#define UNIT_OSPF_VECTORS_H

#include <stddef.h>
#include <stdint.h>

#include "proto/ospf/ospf_router.h"

#define VECTOR_MAX 512
#define VECTORS_MAX 64

struct vector {
    char tag[16]; /* the word in front of the bytes, "" if there is none */
    uint8_t bytes[VECTOR_MAX];
    size_t size;
};

/* The lines of a file of hex, but for those that begin with '#'. Returns how many. */
size_t vectors_read(const char *path, struct vector vectors[VECTORS_MAX]);

/* One link from 10.253.0.FROM to 10.253.0.TO, numbered by 10.252.FROM.TO and its reverse, all of its bandwidth free. */
struct ospf_te_lsa te_lsa(uint32_t opaque_id, uint8_t from, uint8_t to, uint64_t bps);
/* Encoded. */
struct vector te_lsa_vector(const struct ospf_te_lsa *lsa);
/* The router LSA of 10.253.0.ROUTER, encoded: it runs OSPF on the interfaces of links to two routers, and has full
 * neighbours at the first 'full' of them. */
struct vector router_lsa_vector(uint8_t router, const uint8_t others[2], size_t full, uint32_t sequence);

#endif
