/* SPDX-License-Identifier: Apache-2.0 */
/* The header, the messages other than multipart, and bundles. Section numbers are of OpenFlow 1.3.5. */
#include <string.h>

#include "base/alloc.h"
#include "proto/openflow/openflow_internal.h"

#define OFPHET_VERSIONBITMAP 1
#define FRAME_SIZE_MIN 14
#define FRAME_SIZE_MAX 60000

enum { OFPFC_ADD = 0, OFPFC_DELETE = 3, OFPFC_DELETE_STRICT = 4 };

/* EXT-230 §3: exp_type of bundle messages in 1.3, and the flags that we always use. */
enum { ONF_BUNDLE_CONTROL = 2300, ONF_BUNDLE_ADD = 2301 };
enum { OFPBF_ATOMIC = 1, OFPBF_ORDERED = 2 };

typedef void message_decode_fn(struct wire *r, struct of_message *message, struct err *err);

static void hello_decode(struct wire *r, struct of_message *message, struct err *err)
{
    (void) err;
    while (wire_left(r) >= 4) {
        uint16_t type = wire_get_u16(r), length = wire_get_u16(r);
        struct wire body;

        if (length < 4) {
            wire_fail(r, ERR_MALFORMED);
            return;
        }
        body = wire_sub(r, length - 4u);
        wire_skip(r, (8 - length % 8u) % 8);
        /* Bitmaps beyond the first hold versions of 32 and above (§7.5.1). */
        if (type == OFPHET_VERSIONBITMAP && wire_left(&body) >= 4) {
            message->hello.has_bitmap = true;
            message->hello.bitmap = wire_get_u32(&body);
        }
    }
}

static struct of_bytes rest(struct wire *r)
{
    size_t n = wire_left(r);

    return (struct of_bytes) {wire_sub(r, n).data, n};
}

static void error_decode(struct wire *r, struct of_message *message, struct err *err)
{
    (void) err;
    message->error.type = wire_get_u16(r);
    message->error.code = wire_get_u16(r);
    if (message->error.type == OFPET_EXPERIMENTER)
        message->error.experimenter = wire_get_u32(r);
    message->error.data = rest(r);
}

static void echo_decode(struct wire *r, struct of_message *message, struct err *err)
{
    (void) err;
    message->echo = rest(r);
}

static void experimenter_decode(struct wire *r, struct of_message *message, struct err *err)
{
    (void) err;
    if (wire_get_u32(r) != OF_EXPERIMENTER_ONF || wire_get_u32(r) != ONF_BUNDLE_CONTROL)
        return;
    message->is_bundle = true;
    message->bundle.id = wire_get_u32(r);
    message->bundle.type = wire_get_u16(r);
    message->bundle.flags = wire_get_u16(r);
}

static void features_decode(struct wire *r, struct of_message *message, struct err *err)
{
    (void) err;
    message->features.dpid = wire_get_u64(r);
    message->features.n_buffers = wire_get_u32(r);
    message->features.n_tables = wire_get_u8(r);
    message->features.auxiliary_id = wire_get_u8(r);
    wire_skip(r, 2);
    message->features.capabilities = wire_get_u32(r);
}

static void packet_in_decode(struct wire *r, struct of_message *message, struct err *err)
{
    struct of_packet_in *packet = &message->packet_in;
    struct flow_match match;
    bool has_unknown = false;
    uint64_t in_port;

    wire_skip(r, 4); /* buffer_id: we asked for whole packets (OFPCML_NO_BUFFER) */
    packet->total_size = wire_get_u16(r);
    packet->reason = wire_get_u8(r);
    packet->table = wire_get_u8(r);
    packet->cookie = wire_get_u64(r);
    int rc = of_match_decode(r, &match, &has_unknown, err);

    if (rc < 0) {
        wire_fail(r, rc);
        return;
    }
    if (match_get_u(&match, FIELD_IN_PORT, &in_port))
        packet->in_port = (uint32_t) in_port;
    wire_skip(r, 2);
    packet->frame = rest(r);
}

void of_port_get(struct wire *r, struct of_port *port)
{
    *port = (struct of_port) {.number = wire_get_u32(r)};
    wire_skip(r, 4);
    wire_get(r, port->mac.bytes, sizeof port->mac.bytes);
    wire_skip(r, 2);
    wire_get(r, port->name, sizeof port->name - 1);
    port->config_down = wire_get_u32(r) & 1; /* OFPPC_PORT_DOWN */
    port->link_down = wire_get_u32(r) & 1;   /* OFPPS_LINK_DOWN */
    wire_skip(r, 16);
    port->curr_speed = wire_get_u32(r);
    port->max_speed = wire_get_u32(r);
}

static void port_status_decode(struct wire *r, struct of_message *message, struct err *err)
{
    (void) err;
    message->port_status.reason = wire_get_u8(r);
    wire_skip(r, 7);
    of_port_get(r, &message->port_status.port);
}

static void multipart_decode(struct wire *r, struct of_message *message, struct err *err)
{
    (void) err;
    message->multipart.type = wire_get_u16(r);
    message->multipart.more = wire_get_u16(r) & 1; /* OFPMPF_REPLY_MORE */
    wire_skip(r, 4);
    message->multipart.body = wire_sub(r, wire_left(r));
}

/* Every type of 1.3 (§7.1); 'decode' is null for those whose body a controller has no use for. */
static const struct message_row {
    const char *name;
    uint16_t body; /* least bytes after the header */
    message_decode_fn *decode;
} rows[] = {
    [OFPT_HELLO] = {"OFPT_HELLO", 0, hello_decode},
    [OFPT_ERROR] = {"OFPT_ERROR", 4, error_decode},
    [OFPT_ECHO_REQUEST] = {"OFPT_ECHO_REQUEST", 0, echo_decode},
    [OFPT_ECHO_REPLY] = {"OFPT_ECHO_REPLY", 0, echo_decode},
    [OFPT_EXPERIMENTER] = {"OFPT_EXPERIMENTER", 8, experimenter_decode},
    [OFPT_FEATURES_REQUEST] = {"OFPT_FEATURES_REQUEST", 0, NULL},
    [OFPT_FEATURES_REPLY] = {"OFPT_FEATURES_REPLY", 24, features_decode},
    [7] = {"OFPT_GET_CONFIG_REQUEST", 0, NULL},
    [8] = {"OFPT_GET_CONFIG_REPLY", 4, NULL},
    [OFPT_SET_CONFIG] = {"OFPT_SET_CONFIG", 4, NULL},
    [OFPT_PACKET_IN] = {"OFPT_PACKET_IN", 26, packet_in_decode},
    [OFPT_FLOW_REMOVED] = {"OFPT_FLOW_REMOVED", 48, NULL},
    [OFPT_PORT_STATUS] = {"OFPT_PORT_STATUS", 72, port_status_decode},
    [OFPT_PACKET_OUT] = {"OFPT_PACKET_OUT", 16, NULL},
    [OFPT_FLOW_MOD] = {"OFPT_FLOW_MOD", 48, NULL},
    [15] = {"OFPT_GROUP_MOD", 8, NULL},
    [16] = {"OFPT_PORT_MOD", 32, NULL},
    [17] = {"OFPT_TABLE_MOD", 8, NULL},
    [OFPT_MULTIPART_REQUEST] = {"OFPT_MULTIPART_REQUEST", 8, NULL},
    [OFPT_MULTIPART_REPLY] = {"OFPT_MULTIPART_REPLY", 8, multipart_decode},
    [OFPT_BARRIER_REQUEST] = {"OFPT_BARRIER_REQUEST", 0, NULL},
    [OFPT_BARRIER_REPLY] = {"OFPT_BARRIER_REPLY", 0, NULL},
    [22] = {"OFPT_QUEUE_GET_CONFIG_REQUEST", 8, NULL},
    [23] = {"OFPT_QUEUE_GET_CONFIG_REPLY", 8, NULL},
    [24] = {"OFPT_ROLE_REQUEST", 16, NULL},
    [25] = {"OFPT_ROLE_REPLY", 16, NULL},
    [26] = {"OFPT_GET_ASYNC_REQUEST", 0, NULL},
    [27] = {"OFPT_GET_ASYNC_REPLY", 24, NULL},
    [28] = {"OFPT_SET_ASYNC", 24, NULL},
    [OFPT_METER_MOD] = {"OFPT_METER_MOD", 8, NULL},
};

const char *of_type_name(unsigned type)
{
    return type < ARRAY_LEN(rows) ? rows[type].name : "OFPT_?";
}

int of_header_decode(const uint8_t *bytes, size_t size, struct of_header *header)
{
    struct wire r = wire_reader(bytes, size);
    struct of_header got = {.version = wire_get_u8(&r), .type = wire_get_u8(&r)};

    got.length = wire_get_u16(&r);
    got.xid = wire_get_u32(&r);
    if (!wire_ok(&r))
        return ERR_SHORT;
    if (got.length < OF_HEADER_SIZE)
        return ERR_MALFORMED;
    *header = got;
    return 0;
}

int of_decode(const uint8_t *bytes, size_t size, struct of_message *message, struct err *err)
{
    struct of_message got = {0};
    struct wire r = wire_reader(bytes, size);
    struct err why = {0};

    if (of_header_decode(bytes, size, &got.header) < 0 || got.header.length != size)
        return err_set(err, ERR_SHORT, "%zu bytes are not one whole OpenFlow message", size);
    /* A hello may carry a higher version: that is how versions are agreed (§6.3.1). An error may answer ours in
     * another. */
    if (got.header.version != OF_VERSION && got.header.type != OFPT_HELLO && got.header.type != OFPT_ERROR)
        return err_set(err, ERR_UNSUPPORTED, "OpenFlow version 0x%02x, not 0x%02x", got.header.version, OF_VERSION);
    if (got.header.type >= ARRAY_LEN(rows))
        return err_set(err, ERR_UNSUPPORTED, "there is no message of type %u in OpenFlow 1.3", got.header.type);

    const struct message_row *row = &rows[got.header.type];

    wire_skip(&r, OF_HEADER_SIZE);
    if (wire_left(&r) < row->body)
        return err_set(err, ERR_SHORT, "an %s of %zu bytes is too short", row->name, size);
    if (row->decode)
        row->decode(&r, &got, &why);
    if (!wire_ok(&r))
        return err_set(err, r.error, "an %s of %zu bytes: %s", row->name, size,
                       why.code ? why.text : err_name(r.error));
    *message = got;
    return 0;
}

bool of_hello_accepts(const struct of_header *header, const struct of_hello *hello)
{
    return hello->has_bitmap ? (hello->bitmap >> OF_VERSION & 1) : header->version >= OF_VERSION;
}

/* Encoding */

size_t of_begin(struct wire *w, enum of_type type, uint32_t xid)
{
    size_t start = w->pos;

    wire_put_u8(w, OF_VERSION);
    wire_put_u8(w, (uint8_t) type);
    wire_put_u16(w, 0);
    wire_put_u32(w, xid);
    return start;
}

void of_end(struct wire *w, size_t start)
{
    if (w->pos - start > OF_MESSAGE_MAX)
        wire_fail(w, ERR_TOO_LARGE);
    wire_patch_u16(w, start + 2, (uint16_t) (w->pos - start));
}

void of_pad(struct wire *w, size_t start)
{
    wire_put_zeros(w, (8 - (w->pos - start) % 8) % 8);
}

void of_hello_encode(struct wire *w, uint32_t xid)
{
    size_t start = of_begin(w, OFPT_HELLO, xid);

    wire_put_u16(w, OFPHET_VERSIONBITMAP);
    wire_put_u16(w, 8);
    wire_put_u32(w, 1u << OF_VERSION);
    of_end(w, start);
}

void of_error_encode(struct wire *w, uint32_t xid, uint16_t type, uint16_t code, struct of_bytes data)
{
    size_t start = of_begin(w, OFPT_ERROR, xid);

    wire_put_u16(w, type);
    wire_put_u16(w, code);
    wire_put(w, data.data, data.size);
    of_end(w, start);
}

void of_echo_encode(struct wire *w, enum of_type type, uint32_t xid, struct of_bytes data)
{
    size_t start = of_begin(w, type, xid);

    wire_put(w, data.data, data.size);
    of_end(w, start);
}

void of_empty_encode(struct wire *w, enum of_type type, uint32_t xid)
{
    of_end(w, of_begin(w, type, xid));
}

void of_set_config_encode(struct wire *w, uint32_t xid, uint16_t miss_send_len)
{
    size_t start = of_begin(w, OFPT_SET_CONFIG, xid);

    wire_put_u16(w, 0); /* OFPC_FRAG_NORMAL */
    wire_put_u16(w, miss_send_len);
    of_end(w, start);
}

int of_packet_out_encode(struct wire *w, uint32_t xid, const struct of_packet_out *packet, struct err *err)
{
    if (packet->frame_size < FRAME_SIZE_MIN || packet->frame_size > FRAME_SIZE_MAX)
        return err_set(err, ERR_INVALID, "a frame of %zu bytes cannot be sent", packet->frame_size);

    size_t start = of_begin(w, OFPT_PACKET_OUT, xid);

    wire_put_u32(w, OF_NO_BUFFER);
    wire_put_u32(w, packet->in_port);
    wire_put_zeros(w, 8);
    size_t actions = w->pos;
    int rc = of_actions_encode(w, packet->actions, packet->n_actions, err);

    if (rc < 0)
        return rc;
    wire_patch_u16(w, actions - 8, (uint16_t) (w->pos - actions));
    wire_put(w, packet->frame, packet->frame_size);
    of_end(w, start);
    return wire_ok(w) ? 0 : err_set(err, w->error, "a packet-out does not fit its buffer");
}

static uint8_t command_of(enum flow_command command)
{
    switch (command) {
    case FLOW_ADD:
        return OFPFC_ADD;
    case FLOW_DELETE:
        return OFPFC_DELETE;
    case FLOW_DELETE_STRICT:
        return OFPFC_DELETE_STRICT;
    }
    return OFPFC_ADD;
}

int of_flow_mod_encode(struct wire *w, uint32_t xid, const struct flow_mod *mod, struct err *err)
{
    const struct flow *flow = &mod->flow;
    size_t start = of_begin(w, OFPT_FLOW_MOD, xid);
    int rc;

    if (flow->has_unknown)
        return err_set(err, ERR_UNSUPPORTED, "a flow that was not wholly understood cannot be sent");
    if (flow->table == FLOW_TABLE_ALL && mod->command != FLOW_DELETE)
        return err_set(err, ERR_INVALID, "a flow needs one table");
    wire_put_u64(w, flow->cookie);
    wire_put_u64(w, mod->command == FLOW_ADD ? 0 : mod->cookie_mask);
    wire_put_u8(w, flow->table);
    wire_put_u8(w, command_of(mod->command));
    wire_put_u16(w, flow->idle_timeout);
    wire_put_u16(w, flow->hard_timeout);
    wire_put_u16(w, flow->priority);
    wire_put_u32(w, OF_NO_BUFFER);
    wire_put_u32(w, PORT_NONE); /* OFPP_ANY: deletes whatever the output port */
    wire_put_u32(w, OF_GROUP_ANY);
    wire_put_u16(w, flow->send_flow_removed ? OFPFF_SEND_FLOW_REM : 0);
    wire_put_zeros(w, 2);
    if ((rc = of_match_encode(w, &flow->match, err)) < 0)
        return rc;
    if (mod->command == FLOW_ADD && (rc = of_instructions_encode(w, flow, err)) < 0)
        return rc;
    of_end(w, start);
    return wire_ok(w) ? 0 : err_set(err, w->error, "a flow-mod does not fit its buffer");
}

void of_meter_mod_encode(struct wire *w, uint32_t xid, enum of_meter_command command, const struct flow_meter *meter)
{
    size_t start = of_begin(w, OFPT_METER_MOD, xid);

    wire_put_u16(w, (uint16_t) command);
    wire_put_u16(w, command == OFPMC_DELETE ?
                        0 :
                        (meter->packets ? OFPMF_PKTPS : OFPMF_KBPS) | (meter->burst ? OFPMF_BURST : 0));
    wire_put_u32(w, meter->id);
    if (command != OFPMC_DELETE) {
        wire_put_u16(w, OFPMBT_DROP);
        wire_put_u16(w, 16);
        wire_put_u32(w, meter->rate);
        wire_put_u32(w, meter->burst);
        wire_put_zeros(w, 4);
    }
    of_end(w, start);
}

static size_t bundle_begin(struct wire *w, uint32_t xid, uint32_t type, uint32_t bundle)
{
    size_t start = of_begin(w, OFPT_EXPERIMENTER, xid);

    wire_put_u32(w, OF_EXPERIMENTER_ONF);
    wire_put_u32(w, type);
    wire_put_u32(w, bundle);
    return start;
}

void of_bundle_encode(struct wire *w, uint32_t xid, uint32_t bundle, enum of_bundle_type type)
{
    size_t start = bundle_begin(w, xid, ONF_BUNDLE_CONTROL, bundle);

    wire_put_u16(w, (uint16_t) type);
    wire_put_u16(w, OFPBF_ATOMIC | OFPBF_ORDERED);
    of_end(w, start);
}

int of_bundle_add_encode(struct wire *w, uint32_t xid, uint32_t bundle, const struct flow_mod *mod, struct err *err)
{
    size_t start = bundle_begin(w, xid, ONF_BUNDLE_ADD, bundle);
    int rc;

    wire_put_u16(w, 0);
    wire_put_u16(w, OFPBF_ATOMIC | OFPBF_ORDERED);
    rc = of_flow_mod_encode(w, xid, mod, err);
    if (rc < 0)
        return rc;
    of_end(w, start);
    return wire_ok(w) ? 0 : err_set(err, w->error, "a bundled flow-mod does not fit its buffer");
}
