/* SPDX-License-Identifier: Apache-2.0 */
/* ospf_tool decode FILE    the LSAs of link state updates in a capture, one line of JSON an LSA: the values of their
 *                          fields under the names that tshark has for them, or why they are refused
 * ospf_tool sample FILE    writes a capture with TE LSAs of ours that have all that we encode
 *
 * For tests that hold our codec against tshark. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/wire.h"
#include "capture.h"
#include "fields.h"
#include "proto/ospf/ospf_te.h"

#define IPPROTO_OSPF_NUMBER 89
#define OSPF_HEADER_SIZE 24
#define LS_UPDATE 4 /* RFC 2328 §A.3.5 */
#define ALL_ROUTERS 0xe0000005u
#define PACKET_MAX 2048

/* Fields */

static void add_float(json_t *fields, const char *name, uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    fields_add(fields, name, json_real((double) value));
}

static void add_header(json_t *fields, const struct ospf_lsa_header *header)
{
    fields_add_number(fields, "ospf.lsa.age", header->age & 0x7fff); /* beside it: DoNotAge, RFC 1793 */
    fields_add_number(fields, "ospf.v2.options", header->options);
    fields_add_number(fields, "ospf.lsa", header->type);
    if (ospf_lsa_is_te(header)) {
        fields_add_number(fields, "ospf.lsid_opaque_type", header->id >> 24);
        fields_add_number(fields, "ospf.lsid_te_lsa.instance", header->id & 0xffff);
    } else {
        fields_add_address(fields, "ospf.lsa.id", header->id);
    }
    fields_add_address(fields, "ospf.advrouter", header->advertising_router);
    fields_add_number(fields, "ospf.lsa.seqnum", header->sequence);
    fields_add_number(fields, "ospf.lsa.chksum", header->checksum);
    fields_add_number(fields, "ospf.lsa.length", header->length);
}

static void add_link(json_t *fields, const struct ospf_te_link *link)
{
    const struct {
        uint32_t bit, value;
        void (*add)(json_t *fields, const char *name, uint32_t value);
        const char *name;
    } rows[] = {
        {OSPF_TE_TYPE, link->type, fields_add_number, "ospf.mpls.linktype"},
        {OSPF_TE_ID, link->id, fields_add_address, "ospf.mpls.linkid"},
        {OSPF_TE_LOCAL_IP, link->local_ip, fields_add_address, "ospf.mpls.local_addr"},
        {OSPF_TE_REMOTE_IP, link->remote_ip, fields_add_address, "ospf.mpls.remote_addr"},
        {OSPF_TE_METRIC, link->metric, fields_add_number, "ospf.mpls.te_metric"},
        {OSPF_TE_MAX, link->max_bandwidth, add_float, "ospf.mpls.link_max_bw"},
        {OSPF_TE_RESERVABLE, link->reservable_bandwidth, add_float, "ospf.mpls.link_max_bw"},
        {OSPF_TE_ADMIN_GROUP, link->admin_group, fields_add_number, "ospf.mpls.linkcolor"},
        {OSPF_TE_INTERFACE_IDS, link->local_id, fields_add_number, "ospf.mpls.local_id"},
        {OSPF_TE_INTERFACE_IDS, link->remote_id, fields_add_number, "ospf.mpls.remote_id"},
        {OSPF_TE_PROTECTION, link->protection, fields_add_number, "ospf.mpls.protection_capability"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (link->present & rows[i].bit)
            rows[i].add(fields, rows[i].name, rows[i].value);
    }
    for (size_t p = 0; p < TE_PRIORITIES && link->present & OSPF_TE_UNRESERVED; p++)
        add_float(fields, "ospf.mpls.pri", link->unreserved_bandwidth[p]);
    for (size_t i = 0; i < link->n_iscds; i++) {
        fields_add_number(fields, "ospf.mpls.switching_type", link->iscds[i].capability);
        fields_add_number(fields, "ospf.mpls.encoding", link->iscds[i].encoding);
        for (size_t p = 0; p < TE_PRIORITIES; p++)
            add_float(fields, "ospf.mpls.pri", link->iscds[i].max_lsp_bandwidth[p]);
    }
    for (size_t i = 0; i < link->n_srlgs; i++)
        fields_add_number(fields, "ospf.mpls.shared_risk_link_group", link->srlgs[i]);
}

static int add_lsa(json_t *fields, const uint8_t *bytes, size_t size, struct err *err)
{
    struct ospf_lsa_header header;
    struct ospf_te_lsa lsa;

    if (ospf_lsa_header_decode(bytes, size, &header, err) < 0)
        return err->code;
    if (ospf_lsa_is_te(&header)) {
        if (ospf_te_lsa_decode(bytes, size, &lsa, err) < 0)
            return err->code;
        if (lsa.router_address)
            fields_add_address(fields, "ospf.mpls.routerid", lsa.router_address);
        for (size_t i = 0; i < lsa.n_links; i++)
            add_link(fields, &lsa.links[i]);
    }
    add_header(fields, &header);
    return 0;
}

static void print_lsa(unsigned frame, const uint8_t *bytes, size_t size)
{
    json_t *line = json_object(), *fields = json_object();
    struct err err;

    json_object_set_new(line, "frame", json_integer(frame));
    if (add_lsa(fields, bytes, size, &err) < 0)
        json_object_set_new(line, "refused", json_string(err.text));
    else
        json_object_set(line, "fields", fields);
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(fields);
    json_decref(line);
}

static void take(void *context, const struct capture_packet *packet)
{
    struct wire r = wire_reader(packet->payload, packet->size);

    (void) context;
    wire_skip(&r, 1);
    if (wire_get_u8(&r) != LS_UPDATE)
        return;
    wire_skip(&r, OSPF_HEADER_SIZE - 2);
    for (uint32_t left = wire_get_u32(&r); left > 0 && wire_left(&r) >= OSPF_LSA_HEADER_SIZE; left--) {
        const uint8_t *lsa = r.data + r.pos;
        size_t size = (size_t) lsa[18] << 8 | lsa[19];

        print_lsa(packet->frame, lsa, wire_left(&r));
        wire_skip(&r, size < OSPF_LSA_HEADER_SIZE ? OSPF_LSA_HEADER_SIZE : size);
    }
}

/* Samples */

static struct ospf_te_lsa sample(uint32_t opaque_id, uint32_t present)
{
    struct ospf_te_lsa lsa = {
        .header = {.age = 1,
                   .options = 0x42,
                   .type = OSPF_LSA_OPAQUE_AREA,
                   .id = (uint32_t) OSPF_OPAQUE_TE << 24 | opaque_id,
                   .advertising_router = 0x0afd0001,
                   .sequence = OSPF_LSA_SEQUENCE_FIRST},
        .n_links = 1,
    };
    struct ospf_te_link *link = &lsa.links[0];

    *link = (struct ospf_te_link) {
        .present = present,
        .type = OSPF_TE_POINT_TO_POINT,
        .id = 0x0afd0002,
        .local_ip = 0x0afc0101,
        .remote_ip = 0x0afc0102,
        .metric = 10,
        .max_bandwidth = bps_to_float_bits(1000000000),
        .reservable_bandwidth = bps_to_float_bits(900000000),
        .admin_group = 0xdeadbeef,
        .local_id = 3,
        .remote_id = 7,
        .protection = 2,
        .delay = {true, 1000},
        .delay_min = {false, 900},
        .delay_max = 1100,
        .delay_variation = 20,
        .loss = {false, 30},
        .residual_bandwidth = bps_to_float_bits(800000000),
        .available_bandwidth = bps_to_float_bits(700000000),
        .utilized_bandwidth = bps_to_float_bits(300000000),
    };
    for (size_t p = 0; p < TE_PRIORITIES; p++)
        link->unreserved_bandwidth[p] = bps_to_float_bits(800000000 - p * 100000000);
    return lsa;
}

static uint16_t internet_checksum(const uint8_t *bytes, size_t size)
{
    uint32_t sum = 0;

    for (size_t i = 0; i + 1 < size; i += 2)
        sum += (uint32_t) bytes[i] << 8 | bytes[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

static void add_update(FILE *file, const struct ospf_te_lsa *lsa)
{
    uint8_t bytes[PACKET_MAX];
    struct wire w = wire_writer(bytes, sizeof bytes);

    wire_put_u8(&w, 2);
    wire_put_u8(&w, LS_UPDATE);
    wire_put_u16(&w, 0);
    wire_put_u32(&w, lsa->header.advertising_router);
    wire_put_u32(&w, 1); /* area */
    wire_put_zeros(&w, OSPF_HEADER_SIZE - 12);
    wire_put_u32(&w, 1); /* LSA */
    int size = ospf_te_lsa_encode(lsa, bytes + w.pos, sizeof bytes - w.pos);
    if (size < 0)
        return;
    const size_t total = w.pos + (size_t) size;
    wire_patch_u16(&w, 2, (uint16_t) total);
    wire_patch_u16(&w, 12, internet_checksum(bytes, total));
    capture_add(file, IPPROTO_OSPF_NUMBER, lsa->links[0].local_ip, ALL_ROUTERS, bytes, total);
}

static int write_sample(const char *path)
{
    FILE *file = fopen(path, "wb");

    if (!file)
        return 1;
    capture_begin(file);
    /* What FRR floods; all of RFC 4203; all of RFC 7471, which tshark 4.0 skips */
    struct ospf_te_lsa lsa = sample(1, (OSPF_TE_ADMIN_GROUP << 1) - 1);
    lsa.router_address = lsa.header.advertising_router;
    add_update(file, &lsa);
    lsa = sample(2, (OSPF_TE_PROTECTION << 1) - 1);
    lsa.links[0].local_ip = lsa.links[0].remote_ip = 0;
    lsa.links[0].n_iscds = 2;
    lsa.links[0].iscds[0] = (struct ospf_te_iscd) {.capability = 51, .encoding = 2, .max_lsp_bandwidth = {0x4cee6b28}};
    lsa.links[0].iscds[1] = (struct ospf_te_iscd) {.capability = 150, .encoding = 8};
    lsa.links[0].n_srlgs = 2;
    lsa.links[0].srlgs[0] = 100;
    lsa.links[0].srlgs[1] = UINT32_MAX;
    add_update(file, &lsa);
    lsa = sample(3, (OSPF_TE_UTILIZED << 1) - 1);
    add_update(file, &lsa);
    return fclose(file) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct err err;

    if (argc == 3 && strcmp(argv[1], "sample") == 0)
        return write_sample(argv[2]);
    if (argc != 3 || strcmp(argv[1], "decode") != 0) {
        fprintf(stderr, "usage: ospf_tool decode FILE | sample FILE\n");
        return 2;
    }
    if (capture_read(argv[2], IPPROTO_OSPF_NUMBER, take, NULL, &err) == 0)
        return 0;
    fprintf(stderr, "ospf_tool: %s\n", err.text);
    return 1;
}
