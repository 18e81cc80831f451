/* SPDX-License-Identifier: Apache-2.0 */
/* rsvp_tool decode FILE     the RSVP messages in a capture, one line of JSON each: the values of their fields under the
 *                           names that tshark has for them, or why they are refused
 * rsvp_tool unsummed FILE   the same, of packets whose checksum is not looked at
 * rsvp_tool sample FILE     writes a capture with a whole message of each type, and all of them in a Bundle
 *
 * For tests that hold our codec against tshark. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "../unit/rsvp_samples.h"
#include "base/strbuf.h"
#include "base/wire.h"
#include "capture.h"
#include "fields.h"
#include "proto/rsvp/rsvp.h"

/* On the wire these are bytes, not bits. */
static void add_rate(json_t *fields, const char *name, uint64_t bits)
{
    fields_add(fields, name, json_real((double) bits / 8));
}

static void add_interface(json_t *fields, uint32_t address, uint32_t id)
{
    fields_add_address(fields, "rsvp.ifid_tlv.ipv4_address", address);
    if (id)
        fields_add_number(fields, "rsvp.ifid_tlv.interface_id", id);
}

static void add_route(json_t *fields, const struct lsp_route *route, bool is_ero)
{
    for (size_t i = 0; i < route->n; i++) {
        const struct lsp_hop *hop = &route->hops[i];

        if (is_ero)
            fields_add(fields, "rsvp.loose_hop", json_boolean(hop->loose));
        if (hop->type == HOP_IPV4) {
            fields_add_address(fields, "rsvp.ero_rro_subobjects.ipv4_hop", hop->address);
            fields_add_number(fields, "rsvp.ero_rro_subobjects.prefix_length", hop->length);
        } else if (hop->type == HOP_UNNUMBERED) {
            fields_add_address(fields, "rsvp.ero_rro_subobjects.router_id", hop->address);
            fields_add_number(fields, "rsvp.ero_rro_subobjects.interface_id", hop->interface);
        } else {
            fields_add_number(fields, "rsvp.ero_rro_subobjects.label", hop->label);
        }
    }
}

static void add_tspec(json_t *fields, const struct rsvp_tspec *tspec, bool is_flowspec)
{
    if (tspec->kind == RSVP_TSPEC_ETHERNET) {
        fields_add_number(fields, is_flowspec ? "rsvp.flowspec.mtu" : "rsvp.tspec.mtu", tspec->mtu);
        add_rate(fields, "rsvp.eth_tspec.cir", tspec->rate_bps);
        add_rate(fields, "rsvp.eth_tspec.cbs", tspec->burst_bits);
    } else {
        add_rate(fields, is_flowspec ? "rsvp.flowspec.token_bucket_rate" : "rsvp.tspec.token_bucket_rate",
                 tspec->rate_bps);
        add_rate(fields, is_flowspec ? "rsvp.flowspec.token_bucket_size" : "rsvp.tspec.token_bucket_size",
                 tspec->burst_bits);
        fields_add_number(fields, "rsvp.maximum_packet_size", tspec->mtu);
    }
}

static void add_attribute(json_t *fields, const struct rsvp_attribute *attribute)
{
    if (attribute->has_affinity) {
        fields_add_number(fields, "rsvp.session_attribute.exclude_any", attribute->exclude_any);
        fields_add_number(fields, "rsvp.session_attribute.include_any", attribute->include_any);
        fields_add_number(fields, "rsvp.session_attribute.include_all", attribute->include_all);
    }
    fields_add_number(fields, "rsvp.session_attribute.setup_priority", attribute->setup_priority);
    fields_add_number(fields, "rsvp.session_attribute.hold_priority", attribute->holding_priority);
    fields_add_number(fields, "rsvp.session_attribute.flags", attribute->flags);
    fields_add(fields, "rsvp.session_attribute.name", json_string(attribute->name));
}

/* What is between neighbours. */
static void add_neighbour(json_t *fields, const struct rsvp_message *m)
{
    for (size_t i = 0; i < m->n_acks; i++) {
        fields_add_number(fields, "rsvp.ctype.message_id_ack", m->acks[i].nack ? 2 : 1);
        fields_add_number(fields, "rsvp.message_id_ack.epoch", m->acks[i].epoch);
        fields_add_number(fields, "rsvp.message_id_ack.message_id", m->acks[i].id);
    }
    if (m->has & RSVP_HAS_MESSAGE_ID) {
        fields_add_number(fields, "rsvp.message_id.flags", m->message_id.flags);
        fields_add_number(fields, "rsvp.message_id.epoch", m->message_id.epoch);
        fields_add_number(fields, "rsvp.message_id.message_id", m->message_id.id);
    }
    if (m->n_srefresh)
        fields_add_number(fields, "rsvp.message_id_list.epoch", m->srefresh_epoch);
    for (size_t i = 0; i < m->n_srefresh; i++)
        fields_add_number(fields, "rsvp.message_id_list.message_id", m->srefresh[i]);
    if (m->has & RSVP_HAS_HELLO) {
        fields_add_number(fields, "rsvp.ctype.hello", m->hello.ack ? 2 : 1);
        fields_add_number(fields, "rsvp.hello.source_instance", m->hello.source_instance);
        fields_add_number(fields, "rsvp.hello.destination_instance", m->hello.destination_instance);
    }
    if (m->has & RSVP_HAS_RESTART_CAP) {
        fields_add_number(fields, "rsvp.restart_cap.restart_time", m->restart_cap.restart_ms);
        fields_add_number(fields, "rsvp.restart_cap.recovery_time", m->restart_cap.recovery_ms);
    }
}

/* Whose LSP it is, and what happened to it. */
static void add_state(json_t *fields, const struct rsvp_message *m)
{
    if (m->has & RSVP_HAS_SESSION) {
        fields_add_address(fields, "rsvp.session.ip", m->session.destination);
        fields_add_number(fields, "rsvp.session.tunnel_id", m->session.tunnel_id);
        fields_add_number(fields, "rsvp.session.ext_tunnel_id", m->session.extended_tunnel_id);
    }
    if (m->has & RSVP_HAS_HOP) {
        fields_add_address(fields, "rsvp.hop.neighbor_address_ipv4", m->hop.address);
        fields_add_number(fields, "rsvp.hop.logical_interface", m->hop.lih);
        if (m->hop.if_type != RSVP_IF_NONE)
            add_interface(fields, m->hop.if_address, m->hop.if_id);
    }
    if (m->has & RSVP_HAS_TIME_VALUES)
        fields_add_number(fields, "rsvp.refresh_interval", m->refresh_ms);
    if (m->has & RSVP_HAS_ERROR) {
        fields_add_address(fields, "rsvp.error.error_node_ipv4", m->error.node);
        fields_add(fields, "rsvp.error_flags.path_state_removed", json_boolean(m->error.path_state_removed));
        fields_add_number(fields, "rsvp.error.error_code", m->error.code);
        fields_add_number(fields, "rsvp.error_value", m->error.value);
        if (m->error.interface_ip || m->error.interface_id)
            add_interface(fields, m->error.interface_ip, m->error.interface_id);
    }
    if (m->has & RSVP_HAS_STYLE)
        fields_add_number(fields, "rsvp.style.style", m->style);
    if (m->has & RSVP_HAS_RESV_CONFIRM)
        fields_add_address(fields, "rsvp.confirm.receiver_address_ipv4", m->resv_confirm);
    if (m->has & RSVP_HAS_SENDER) {
        fields_add_address(fields, "rsvp.sender.ip", m->sender.source);
        fields_add_number(fields, "rsvp.sender.lsp_id", m->sender.lsp_id);
    }
}

static void add_labels(json_t *fields, const struct rsvp_message *m)
{
    static const char label[] = "rsvp.label.generalized_label";

    if (m->has & RSVP_HAS_LABEL_REQUEST) {
        if (m->label_request.encoding) {
            fields_add_number(fields, "rsvp.label_request.lsp_encoding_type", m->label_request.encoding);
            fields_add_number(fields, "rsvp.label_request.switching_type", m->label_request.switching);
            fields_add_number(fields, "rsvp.label_request.g_pid", m->label_request.gpid);
        } else {
            fields_add_number(fields, "rsvp.label_request.l3pid", m->label_request.gpid);
        }
    }
    for (size_t i = 0; i < m->n_labels && m->has & RSVP_HAS_LABEL_SET; i++)
        fields_add_number(fields, "rsvp.label_set.subchannel", m->labels[i]);
    if (m->has & RSVP_HAS_LABEL)
        fields_add_number(fields, label, m->label);
    if (m->has & RSVP_HAS_SUGGESTED_LABEL)
        fields_add_number(fields, label, m->suggested_label);
    if (m->has & RSVP_HAS_RECOVERY_LABEL)
        fields_add_number(fields, label, m->recovery_label);
    if (m->has & RSVP_HAS_UPSTREAM_LABEL)
        fields_add_number(fields, label, m->upstream_label);
}

static void add_bytes(json_t *fields, const uint8_t *bytes, size_t size)
{
    AUTO_STRBUF struct strbuf text = {0};

    for (size_t i = 0; i < size; i++)
        strbuf_printf(&text, "%02x", bytes[i]);
    fields_add(fields, "rsvp.unknown.data", json_string(text.text));
}

/* Objects into which tshark does not look: ACCEPTABLE_LABEL_SET, and those that we do not know either. */
static void add_unknown(json_t *fields, const struct rsvp_message *m)
{
    uint8_t bytes[4 + 4 * RSVP_LABELS_MAX];
    struct wire w = wire_writer(bytes, sizeof bytes);

    wire_put_u32(&w, 2); /* a list to choose from, of generalized labels */
    for (size_t i = 0; i < m->n_labels; i++)
        wire_put_u32(&w, m->labels[i]);
    if (m->has & RSVP_HAS_ACCEPTABLE_LABELS)
        add_bytes(fields, bytes, w.pos);
    for (unsigned i = 0; i < m->n_unknown; i++)
        add_bytes(fields, m->unknown[i].body, m->unknown[i].size);
}

static json_t *fields_of(const struct rsvp_message *m)
{
    json_t *fields = json_object();
    bool upstream = m->type == RSVP_RESV || m->type == RSVP_RESV_ERR || m->type == RSVP_RESV_TEAR;

    fields_add_number(fields, "rsvp.msg", m->type);
    fields_add_number(fields, "rsvp.flags", m->refresh_reduction);
    fields_add_number(fields, "rsvp.sending_ttl", m->ttl);
    add_neighbour(fields, m);
    add_state(fields, m);
    add_labels(fields, m);
    if (m->has & RSVP_HAS_TSPEC)
        add_tspec(fields, &m->tspec, upstream);
    add_unknown(fields, m);
    add_route(fields, &m->ero, true);
    add_route(fields, &m->rro, false);
    if (m->has & RSVP_HAS_ATTRIBUTE)
        add_attribute(fields, &m->attribute);
    if (m->has & RSVP_HAS_NOTIFY_REQUEST)
        fields_add_address(fields, "rsvp.notify_request.notify_node_address_ipv4", m->notify_node);
    if (m->has & RSVP_HAS_ADMIN_STATUS)
        fields_add_number(fields, "rsvp.admin_status.bits", m->admin_status);
    return fields;
}

static void print_packet(void *context, const struct capture_packet *captured)
{
    const bool unsummed = *(bool *) context;
    AUTO_FREE uint8_t *bytes = xmemdup(captured->payload, captured->size);
    struct rsvp_packet packet = {.data = bytes, .size = captured->size};
    struct rsvp_message message;
    struct err err = {0};
    int status;

    if (unsummed && captured->size >= RSVP_HEADER_SIZE)
        bytes[2] = bytes[3] = 0;
    while ((status = rsvp_decode(&packet, &message, NULL, &err)) != 0) {
        json_t *line = json_object();

        json_object_set_new(line, "frame", json_integer(captured->frame));
        if (status < 0) {
            json_object_set_new(line, "refused", json_string(err.text));
        } else {
            json_object_set_new(line, "fields", fields_of(&message));
            rsvp_message_free(&message);
        }
        json_dumpf(line, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
        putchar('\n');
        json_decref(line);
    }
}

static int sample(const char *path)
{
    static uint8_t bytes[RSVP_MESSAGE_MAX] = {0x10, RSVP_BUNDLE, 0, 0, 1, 0};
    FILE *file = fopen(path, "wb");
    size_t size = RSVP_HEADER_SIZE;

    if (!file) {
        perror(path);
        return 1;
    }
    capture_begin(file);
    for (size_t i = 0; i < sizeof rsvp_sample_types; i++) {
        struct rsvp_message message = rsvp_sample(rsvp_sample_types[i]);
        struct err err = {0};
        int n = rsvp_encode(&message, bytes + size, sizeof bytes - size, &err);

        rsvp_message_free(&message);
        if (n < 0) {
            fprintf(stderr, "rsvp_tool: %s\n", err.text);
            fclose(file);
            return 1;
        }
        capture_add(file, RSVP_PROTOCOL, SAMPLE_LINK(1), SAMPLE_LINK(2), bytes + size, (size_t) n);
        size += (size_t) n;
    }
    bytes[6] = (uint8_t) (size >> 8);
    bytes[7] = (uint8_t) size;
    capture_add(file, RSVP_PROTOCOL, SAMPLE_LINK(1), SAMPLE_LINK(2), bytes, size);
    return fclose(file) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    bool unsummed = argc == 3 && strcmp(argv[1], "unsummed") == 0;
    struct err err = {0};

    if (argc == 3 && strcmp(argv[1], "sample") == 0)
        return sample(argv[2]);
    if (unsummed || (argc == 3 && strcmp(argv[1], "decode") == 0)) {
        if (capture_read(argv[2], RSVP_PROTOCOL, print_packet, &unsummed, &err) == 0)
            return 0;
        fprintf(stderr, "rsvp_tool: %s\n", err.text);
        return 1;
    }
    fprintf(stderr, "usage: rsvp_tool decode|unsummed|sample FILE\n");
    return 2;
}
