/* SPDX-License-Identifier: Apache-2.0 */
/* pcep_tool decode FILE          the PCEP messages in a capture, one line of JSON each: the values of their fields
 *                                under the names that tshark has for them, or why they are refused
 * pcep_tool sample FILE          writes a capture with messages of each type, as we send them
 * pcep_tool capture HEX FILE     the same, of the messages in HEX (as in tests/data/pcep)
 *
 * For tests that hold our codec against tshark. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "../unit/pcep_samples.h"
#include "base/strbuf.h"
#include "capture.h"
#include "fields.h"
#include "proto/pcep/pcep.h"

#define IPPROTO_TCP_NUMBER 6
#define TCP_HEADER_SIZE 20
#define TCP_SYN 0x02
#define TCP_ACK 0x10
#define TCP_PUSH 0x08
#define STREAMS_MAX 256

/* Fields */

static void add_open(json_t *fields, const struct pcep_open *open)
{
    fields_add_number(fields, "pcep.obj.open.pcep_version", open->version);
    fields_add_number(fields, "pcep.obj.open.keepalive", open->keepalive_s);
    fields_add_number(fields, "pcep.obj.open.deadtime", open->dead_s);
    fields_add_number(fields, "pcep.obj.open.sid", open->sid);
    if (open->stateful) {
        fields_add_number(fields, "pcep.stateful-pce-capability.flags", open->stateful_flags);
        fields_add(fields, "pcep.stateful-pce-capability.lsp-update",
                   json_boolean(open->stateful_flags & PCEP_LSP_UPDATE));
        fields_add(fields, "pcep.stateful-pce-capability.lsp-instantiation",
                   json_boolean(open->stateful_flags & PCEP_LSP_INITIATE));
    }
    for (unsigned i = 0; i < 32; i++)
        if (open->setups >> i & 1)
            fields_add_number(fields, "pcep.pst_capability.pst", i);
    if (open->sr)
        fields_add_number(fields, "pcep.sub-tlv.sr-pce-capability.msd", open->sr_depth);
}

static void add_lsp(json_t *fields, const struct pcep_item *item)
{
    static const struct {
        unsigned flag;
        const char *name;
    } flags[] = {{PCEP_DELEGATE, "pcep.obj.lsp.flags.delegate"},
                 {PCEP_SYNC, "pcep.obj.lsp.flags.sync"},
                 {PCEP_REMOVE, "pcep.obj.lsp.flags.remove"},
                 {PCEP_ADMIN_UP, "pcep.obj.lsp.flags.administrative"},
                 {PCEP_CREATE, "pcep.obj.lsp.flags.create"}};

    fields_add_number(fields, "pcep.obj.lsp.plsp-id", item->plsp_id);
    fields_add_number(fields, "pcep.obj.lsp.flags.operational", item->state);
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        fields_add(fields, flags[i].name, json_boolean(item->flags & flags[i].flag));
    if (item->has & PCEP_HAS_NAME)
        fields_add(fields, "pcep.tlv.symbolic-path-name", json_string(item->name));
    if (item->has & PCEP_HAS_IDENTIFIERS) {
        fields_add_address(fields, "pcep.tlv.ipv4-lsp-id.tunnel-sender-addr", item->identifiers.sender);
        fields_add_number(fields, "pcep.tlv.ipv4-lsp-id.lsp-id", item->identifiers.lsp_id);
        fields_add_number(fields, "pcep.tlv.ipv4-lsp-id.tunnel-id", item->identifiers.tunnel_id);
        fields_add_number(fields, "pcep.tlv.ipv4-lsp-id.extended-tunnel-id", item->identifiers.extended_tunnel_id);
        fields_add_address(fields, "pcep.tlv.ipv4-lsp-id.tunnel-endpoint-addr", item->identifiers.endpoint);
    }
    if (item->has & PCEP_HAS_LSP_ERROR)
        fields_add_number(fields, "pcep.tlv.lsp-error-code", item->lsp_error);
}

/* To tshark a string of bytes, as generalized labels may be longer. */
static void add_label(json_t *fields, uint32_t label)
{
    char text[9];

    snprintf(text, sizeof text, "%08x", label);
    fields_add(fields, "pcep.subobj.label_control.label", json_string(text));
}

static void add_route(json_t *fields, const struct lsp_route *route)
{
    for (size_t i = 0; i < route->n; i++) {
        const struct lsp_hop *hop = &route->hops[i];

        switch (hop->type) {
        case HOP_IPV4:
            fields_add_address(fields, "pcep.subobj.ipv4.ipv4", hop->address);
            fields_add_number(fields, "pcep.subobj.ipv4.prefix_length", hop->length);
            break;
        case HOP_UNNUMBERED:
            fields_add_address(fields, "pcep.subobj.unnumb_interfaceID.router_id", hop->address);
            fields_add_number(fields, "pcep.subobj.unnumb_interfaceID.interface_id", hop->interface);
            break;
        default:
            fields_add(fields, "pcep.subobj.label_control.u", json_boolean(hop->upstream));
            add_label(fields, hop->label);
        }
    }
}

static void add_segments(json_t *fields, const struct pcep_item *item)
{
    for (size_t i = 0; i < item->n_segments; i++) {
        const struct pcep_segment *segment = &item->segments[i];

        fields_add(fields, "pcep.subobj.sr.l", json_boolean(segment->loose));
        fields_add_number(fields, "pcep.subobj.sr.st", segment->nai_type);
        fields_add(fields, "pcep.subobj.sr.flags.m", json_boolean(segment->mpls));
        fields_add(fields, "pcep.subobj.sr.flags.c", json_boolean(segment->complete));
        fields_add(fields, "pcep.subobj.sr.flags.s", json_boolean(!segment->has_sid));
        fields_add(fields, "pcep.subobj.sr.flags.f", json_boolean(!segment->nai_type));
        if (segment->has_sid)
            fields_add_number(fields, "pcep.subobj.sr.sid", segment->sid);
        if (segment->nai_type == 1)
            fields_add_address(fields, "pcep.subobj.sr.nai.ipv4node", segment->nai[0]);
        if (segment->nai_type == 3) {
            fields_add_address(fields, "pcep.subobj.sr.nai.localipv4addr", segment->nai[0]);
            fields_add_address(fields, "pcep.subobj.sr.nai.remoteipv4addr", segment->nai[1]);
        }
    }
}

static void add_attributes(json_t *fields, const struct pcep_item *item)
{
    if (item->has & PCEP_HAS_LSPA) {
        fields_add_number(fields, "pcep.obj.lspa.exclude_any", item->exclude_any);
        fields_add_number(fields, "pcep.obj.lspa.include_any", item->include_any);
        fields_add_number(fields, "pcep.obj.lspa.include_all", item->include_all);
        fields_add_number(fields, "pcep.obj.lspa.setup_priority", item->setup_priority);
        fields_add_number(fields, "pcep.obj.lspa.holding_priority", item->holding_priority);
        fields_add(fields, "pcep.lspa.flags.l", json_boolean(item->local_protection));
    }
    if (item->has & PCEP_HAS_BANDWIDTH) /* on the wire these are bytes, not bits */
        fields_add(fields, "pcep.bandwidth", json_real((double) item->bandwidth_bps / 8));
    for (unsigned i = 0; i < item->n_metrics; i++) {
        fields_add_number(fields, "pcep.obj.metric.type", 1); /* the object's type has the same name */
        fields_add_number(fields, "pcep.obj.metric.type", item->metrics[i].type);
        fields_add(fields, "pcep.metric.flags.b", json_boolean(item->metrics[i].bound));
        fields_add(fields, "pcep.metric.flags.c", json_boolean(item->metrics[i].computed));
        fields_add(fields, "pcep.obj.metric.metric_value", json_real((double) item->metrics[i].value));
    }
}

static void add_item(json_t *fields, const struct pcep_item *item)
{
    if (item->has & PCEP_HAS_SRP) {
        fields_add_number(fields, "pcep.obj.srp.id-number", item->id);
        fields_add(fields, "pcep.obj.srp.flags.remove", json_boolean(item->remove));
    }
    if (item->has & PCEP_HAS_RP) {
        fields_add_number(fields, "pcep.obj.rp.requested_id_number", item->id);
        fields_add_number(fields, "pcep.obj.rp.flags", item->rp_flags);
    }
    if (item->has & PCEP_HAS_SETUP)
        fields_add_number(fields, "pcep.pst", item->setup);
    if (item->has & PCEP_HAS_NO_PATH) {
        fields_add_number(fields, "pcep.obj.no_path.nature_of_issue", item->no_path);
        if (item->no_path_vector)
            fields_add(fields, "pcep.no_path_tlvs.pce", json_boolean(item->no_path_vector & 1));
    }
    if (item->has & PCEP_HAS_ERROR) {
        fields_add_number(fields, "pcep.error.type", item->error_type);
        fields_add_number(fields, "pcep.error.value", item->error_value);
    }
    if (item->has & PCEP_HAS_LSP)
        add_lsp(fields, item);
    if (item->has & PCEP_HAS_ENDPOINTS) {
        fields_add_address(fields, "pcep.obj.end_point.source_ipv4_address", item->endpoints.source);
        fields_add_address(fields, "pcep.obj.end_point.destination_ipv4_address", item->endpoints.destination);
    }
    add_route(fields, &item->ero);
    add_segments(fields, item);
    add_route(fields, &item->rro);
    add_attributes(fields, item);
}

static void print_message(unsigned frame, const uint8_t *bytes, size_t size)
{
    struct pcep_message message;
    struct pcep_refusal refusal;
    struct err err = {0};
    json_t *line = json_object(), *fields = json_object();

    json_object_set_new(line, "frame", json_integer(frame));
    if (pcep_decode(bytes, size, &message, &refusal, &err) < 0) {
        json_object_set_new(line, "refused", json_string(err.text));
        json_decref(fields);
    } else {
        fields_add_number(fields, "pcep.msg", message.type);
        if (message.has_open)
            add_open(fields, &message.open);
        for (size_t i = 0; i < message.n_items; i++)
            add_item(fields, &message.items[i]);
        if (message.type == PCEP_CLOSE)
            fields_add_number(fields, "pcep.obj.close.reason", message.close_reason);
        if (message.type == PCEP_NOTIFICATION)
            fields_add_number(fields, "pcep.obj.notification.value", message.notification_value);
        json_object_set_new(line, "fields", fields);
        pcep_message_free(&message);
    }
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(line);
}

/* Streams: each direction of each connection, in the order of its sequence numbers; what overtook is lost. */

struct stream {
    uint32_t source, destination;
    uint32_t ports;
    uint32_t next; /* sequence number */
    struct strbuf bytes;
};

struct streams {
    struct stream list[STREAMS_MAX];
    size_t n;
};

static struct stream *stream_find(struct streams *streams, uint32_t source, uint32_t destination, uint32_t ports)
{
    for (size_t i = 0; i < streams->n; i++) {
        struct stream *stream = &streams->list[i];

        if (stream->source == source && stream->destination == destination && stream->ports == ports)
            return stream;
    }
    if (streams->n == STREAMS_MAX)
        return NULL;
    streams->list[streams->n] = (struct stream) {.source = source, .destination = destination, .ports = ports};
    return &streams->list[streams->n++];
}

static void stream_print(struct stream *stream, unsigned frame)
{
    size_t used = 0;
    uint8_t type;
    uint16_t length;

    while (used < stream->bytes.length) {
        const uint8_t *at = (const uint8_t *) stream->bytes.text + used;
        size_t left = stream->bytes.length - used;
        int rc = pcep_header_decode(at, left, &type, &length);

        if (rc == ERR_SHORT || (rc == 0 && length > left))
            break;
        if (rc < 0)
            length = (uint16_t) left;
        print_message(frame, at, length);
        used += length;
    }
    stream->bytes.length -= used;
    memmove(stream->bytes.text, stream->bytes.text + used, stream->bytes.length);
}

static void take_segment(void *context, const struct capture_packet *packet)
{
    struct wire r = wire_reader(packet->payload, packet->size);
    uint32_t ports = wire_get_u32(&r), sequence = wire_get_u32(&r);

    wire_skip(&r, 4);
    uint16_t flags = wire_get_u16(&r);
    size_t header = (flags >> 12) * 4u;
    struct stream *stream = NULL;

    if (!wire_ok(&r) || header > packet->size || ((ports & 0xffff) != PCEP_PORT && ports >> 16 != PCEP_PORT) ||
        !(stream = stream_find(context, packet->source, packet->destination, ports)))
        return;
    if (flags & TCP_SYN) {
        stream->next = sequence + 1;
        strbuf_clear(&stream->bytes);
        return;
    }
    size_t repeated = (uint32_t) (stream->next - sequence), size = packet->size - header;

    if (repeated >= size)
        return;
    strbuf_add(&stream->bytes, packet->payload + header + repeated, size - repeated);
    stream->next = sequence + (uint32_t) size;
    stream_print(stream, packet->frame);
}

static int decode(const char *path)
{
    static struct streams streams;
    struct err err = {0};
    int rc = capture_read(path, IPPROTO_TCP_NUMBER, take_segment, &streams, &err);

    for (size_t i = 0; i < streams.n; i++)
        strbuf_free(&streams.list[i].bytes);
    if (rc < 0)
        fprintf(stderr, "pcep_tool: %s\n", err.text);
    return rc < 0 ? 1 : 0;
}

/* Writing */

static void put_segment(FILE *file, uint32_t *sequence, uint16_t flags, const uint8_t *bytes, size_t size)
{
    static uint8_t segment[TCP_HEADER_SIZE + PCEP_MESSAGE_MAX];
    struct wire w = wire_writer(segment, sizeof segment);

    wire_put_u16(&w, PCEP_PORT);
    wire_put_u16(&w, PCEP_PORT);
    wire_put_u32(&w, *sequence);
    wire_put_u32(&w, 0);
    wire_put_u16(&w, (TCP_HEADER_SIZE / 4) << 12 | flags);
    wire_put_u16(&w, UINT16_MAX);
    wire_put_u32(&w, 0);
    wire_put(&w, bytes, size);
    capture_add(file, IPPROTO_TCP_NUMBER, SAMPLE_NODE(1), SAMPLE_NODE(2), segment, w.pos);
    *sequence += flags & TCP_SYN ? 1 : (uint32_t) size;
}

static int write_samples(FILE *file)
{
    static uint8_t bytes[PCEP_MESSAGE_MAX];
    uint32_t sequence = 0;

    put_segment(file, &sequence, TCP_SYN, NULL, 0);
    for (unsigned i = 0; i < N_SAMPLES; i++) {
        struct wire w = wire_writer(bytes, sizeof bytes);
        struct pcep_message message;
        struct err err = {0};
        const char *name = sample(i, &message);
        int rc = pcep_encode(&w, &message, &err);

        pcep_message_free(&message);
        if (rc < 0) {
            fprintf(stderr, "pcep_tool: %s: %s\n", name, err.text);
            return 1;
        }
        put_segment(file, &sequence, TCP_ACK | TCP_PUSH, bytes, w.pos);
    }
    return 0;
}

static int write_hex(FILE *file, FILE *hex)
{
    char line[256];
    uint8_t bytes[4096];
    size_t size = 0;
    uint32_t sequence = 0;
    unsigned byte;
    bool more = true;

    put_segment(file, &sequence, TCP_SYN, NULL, 0);
    while (more) {
        more = fgets(line, sizeof line, hex);
        if ((!more || line[0] == '#') && size) {
            put_segment(file, &sequence, TCP_ACK | TCP_PUSH, bytes, size);
            size = 0;
        }
        if (!more || line[0] == '#')
            continue;
        for (const char *at = line; size < sizeof bytes && sscanf(at, "%2x", &byte) == 1; at += 2)
            bytes[size++] = (uint8_t) byte;
    }
    return 0;
}

static int write_capture(const char *hex_path, const char *path)
{
    FILE *hex = hex_path ? fopen(hex_path, "r") : NULL, *file = fopen(path, "wb");
    int status = 1;

    if ((hex_path && !hex) || !file) {
        perror(hex_path && !hex ? hex_path : path);
    } else {
        capture_begin(file);
        status = hex ? write_hex(file, hex) : write_samples(file);
    }
    if (hex)
        fclose(hex);
    if (file && fclose(file) != 0)
        status = 1;
    return status;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "decode") == 0)
        return decode(argv[2]);
    if (argc == 3 && strcmp(argv[1], "sample") == 0)
        return write_capture(NULL, argv[2]);
    if (argc == 4 && strcmp(argv[1], "capture") == 0)
        return write_capture(argv[2], argv[3]);
    fprintf(stderr, "usage: pcep_tool decode FILE | sample FILE | capture HEX FILE\n");
    return 2;
}
