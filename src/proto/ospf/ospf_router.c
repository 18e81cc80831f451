/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/ospf/ospf_router.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/wire.h"

#define METRIC_SIZE 4 /* of a type of service, RFC 2328 §A.4.2 */

int ospf_router_lsa_decode(const uint8_t *bytes, size_t size, struct ospf_router_link **ret_links, size_t *ret_n,
                           struct err *err)
{
    struct ospf_lsa_header header;
    struct ospf_router_link *links = NULL;
    size_t n = 0, capacity = 0;
    char router[IPV4_TEXT_SIZE];
    int status = ospf_lsa_header_decode(bytes, size, &header, err);

    if (status < 0)
        return status;
    ipv4_format(header.advertising_router, router);
    if (header.type != OSPF_LSA_ROUTER)
        return err_set(err, ERR_UNSUPPORTED, "an LSA of type %u is no router LSA", header.type);
    if (!ospf_lsa_is_intact(bytes, header.length))
        return err_set(err, ERR_MALFORMED, "router LSA of %s: its checksum is wrong", router);
    struct wire r = wire_reader(bytes + OSPF_LSA_HEADER_SIZE, header.length - OSPF_LSA_HEADER_SIZE);
    wire_skip(&r, 2);
    for (unsigned left = wire_get_u16(&r); left > 0 && wire_ok(&r); left--) {
        struct ospf_router_link link = {.id = wire_get_u32(&r)};

        link.data = wire_get_u32(&r);
        link.type = wire_get_u8(&r);
        size_t services = wire_get_u8(&r);
        wire_skip(&r, 2 + services * METRIC_SIZE);
        links = array_reserve(links, n, &capacity, sizeof *links);
        links[n++] = link;
    }
    if (!wire_ok(&r)) {
        free(links);
        return err_set(err, ERR_SHORT, "router LSA of %s: it ends within link %zu", router, n);
    }
    *ret_links = links;
    *ret_n = n;
    return 0;
}

int ospf_router_lsa_encode(const struct ospf_lsa_header *header, const struct ospf_router_link *links, size_t n,
                           uint8_t *bytes, size_t size)
{
    struct wire w = wire_writer(bytes, size < UINT16_MAX ? size : UINT16_MAX);

    ospf_lsa_header_encode(&w, header);
    wire_put_zeros(&w, 2);
    wire_put_u16(&w, (uint16_t) n);
    for (size_t i = 0; i < n; i++) {
        wire_put_u32(&w, links[i].id);
        wire_put_u32(&w, links[i].data);
        wire_put_u8(&w, links[i].type);
        wire_put_zeros(&w, 3);
    }
    return ospf_lsa_seal(&w);
}

bool ospf_router_has_lost(const struct ospf_router_link *links, size_t n, uint32_t address, uint32_t neighbour)
{
    bool runs = false;

    for (size_t i = 0; i < n; i++) {
        const struct ospf_router_link *link = &links[i];

        if (link->type == OSPF_ROUTER_POINT_TO_POINT && link->data == address && link->id == neighbour)
            return false;
        runs |= link->type == OSPF_ROUTER_STUB && link->data && (address & link->data) == link->id;
    }
    return runs;
}
