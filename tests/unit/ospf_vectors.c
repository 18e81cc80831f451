/* SPDX-License-Identifier: Apache-2.0 */
#include "ospf_vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

size_t vectors_read(const char *path, struct vector vectors[VECTORS_MAX])
{
    FILE *file = fopen(path, "r");
    char line[2 * VECTOR_MAX + 32];
    size_t n = 0;

    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        const char *hex = strchr(line, ' ');
        unsigned byte;

        if (line[0] == '#')
            continue;
        assert_true(n < VECTORS_MAX);
        struct vector *vector = &vectors[n++];
        *vector = (struct vector) {0};
        if (hex)
            snprintf(vector->tag, sizeof vector->tag, "%.*s", (int) (hex - line), line);
        for (hex = hex ? hex + 1 : line; sscanf(hex, "%2x", &byte) == 1; hex += 2) {
            assert_true(vector->size < VECTOR_MAX);
            vector->bytes[vector->size++] = (uint8_t) byte;
        }
    }
    fclose(file);
    return n;
}

struct ospf_te_lsa te_lsa(uint32_t opaque_id, uint8_t from, uint8_t to, uint64_t bps)
{
    struct ospf_te_lsa lsa = {
        .header = {.options = 0x42,
                   .type = OSPF_LSA_OPAQUE_AREA,
                   .id = (uint32_t) OSPF_OPAQUE_TE << 24 | opaque_id,
                   .advertising_router = 0x0afd0000u | from,
                   .sequence = OSPF_LSA_SEQUENCE_FIRST},
        .n_links = 1,
    };
    struct ospf_te_link *link = &lsa.links[0];

    link->present = OSPF_TE_TYPE | OSPF_TE_ID | OSPF_TE_LOCAL_IP | OSPF_TE_REMOTE_IP | OSPF_TE_MAX | OSPF_TE_UNRESERVED;
    link->type = OSPF_TE_POINT_TO_POINT;
    link->id = 0x0afd0000u | to;
    link->local_ip = 0x0afc0000u | (uint32_t) from << 8 | to;
    link->remote_ip = 0x0afc0000u | (uint32_t) to << 8 | from;
    link->max_bandwidth = bps_to_float_bits(bps);
    for (size_t p = 0; p < TE_PRIORITIES; p++)
        link->unreserved_bandwidth[p] = link->max_bandwidth;
    return lsa;
}

struct vector te_lsa_vector(const struct ospf_te_lsa *lsa)
{
    struct vector vector = {0};
    int size = ospf_te_lsa_encode(lsa, vector.bytes, sizeof vector.bytes);

    assert_true(size > 0);
    vector.size = (size_t) size;
    return vector;
}

struct vector router_lsa_vector(uint8_t router, const uint8_t others[2], size_t full, uint32_t sequence)
{
    const struct ospf_lsa_header header = {.options = 0x02,
                                           .type = OSPF_LSA_ROUTER,
                                           .id = 0x0afd0000u | router,
                                           .advertising_router = 0x0afd0000u | router,
                                           .sequence = sequence};
    struct ospf_router_link links[4];
    struct vector vector = {0};
    size_t n = 0;

    for (size_t i = 0; i < 2; i++) {
        const uint32_t address = 0x0afc0000u | (uint32_t) router << 8 | others[i];

        if (i < full)
            links[n++] = (struct ospf_router_link) {OSPF_ROUTER_POINT_TO_POINT, 0x0afd0000u | others[i], address};
        links[n++] = (struct ospf_router_link) {OSPF_ROUTER_STUB, address & 0xfffffffcu, 0xfffffffcu};
    }
    int size = ospf_router_lsa_encode(&header, links, n, vector.bytes, sizeof vector.bytes);

    assert_true(size > 0);
    vector.size = (size_t) size;
    return vector;
}
