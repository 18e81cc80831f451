/* SPDX-License-Identifier: Apache-2.0 */
/* OpenFlow 1.3 as a controller speaks it: messages as bytes to and from structs. Pure: no socket, no clock.
 *
 * Siblings
 *   openflow.h          this contract
 *   openflow_codec.c    header, messages other than multipart, bundles (the table of message types is there)
 *   openflow_multipart.c  multipart requests, and the objects in multipart replies
 *   openflow_monitor.c  flow monitors: what others change
 *   openflow_match.c    match fields: one table of OXM and NXM fields, with sizes and prerequisites
 *   openflow_action.c   actions
 *   openflow_learn.c    the learn action
 *   openflow_instruction.c  instructions
 *   openflow_error.c    names of errors
 *   openflow_session.c  a connection: version, handshake, keep-alive, framing, events (contract: openflow_session.h)
 *   openflow_request.c  what is asked of a switch; reads
 *   openflow_txn.c      transactions
 *
 * Documents
 *   OpenFlow Switch Specification 1.3.5 (ONF TS-023): §7.1 header, §7.2.3 matches, §7.2.4 instructions,
 *   §7.2.5 actions, §7.3.1 handshake, §7.3.4.2 flow-mod, §7.3.4.5 meter-mod, §7.3.5 multipart, §7.3.7 packet-out,
 *   §7.3.8 barrier, §7.4.1 packet-in, §7.4.3 port status, §7.4.4 errors, §7.5.1 hello.
 *   ONF extension EXT-230: bundles for 1.3; EXT-187: flow monitors.
 *   ovs-fields(7) and ovs-actions(7): registers, reg_load, reg_load2, reg_move, resubmit, encap, decap, clone,
 *   learn.
 *
 * Departures, and why
 *   - Version 0x04 only. Open vSwitch and hardware switches speak it, and one dialect is one set of mistakes.
 *   - Registers go as NXM_NX_REGn (class 0x0001), which is what Open vSwitch sends back; the 64-bit packet registers of
 *     OpenFlow 1.5 (class 0x8001) are counted as unknown fields.
 *   - tcp_flags goes as ONF's experimenter field 42, the form that Open vSwitch sends back; NXM_NX_TCP_FLAGS is read,
 *     too.
 *   - A set-field of part of a field goes as NXAST_REG_LOAD2. Open vSwitch stores either form of a partial set-field,
 *     but gives back one reg_load for each run of ones in the mask unless it came as reg_load2; the read-back would
 *     differ.
 *   - in_port is set with NXAST_REG_LOAD to the 16-bit NXM_OF_IN_PORT: "from no port" is 0xffff there, and Open vSwitch
 *     takes PORT_NONE in no other form.
 *   - mpls_ttl goes as NXM_NX_MPLS_TTL (OpenFlow has no field for it), packet_type as OpenFlow 1.5's field 44, which
 *     Open vSwitch takes in 1.3, too.
 *   - in_port goes as NXM_OF_IN_PORT in what a learn action matches, as Open vSwitch sends it back. Only whole fields
 *     are learned.
 *   - A received action, instruction or field that we do not know is kept or counted (ACTION_UNKNOWN, has_unknown),
 *     never an error: switches hold flows of others. A length that contradicts itself is always an error.
 *   - OFPMP_TABLE_FEATURES is never sent: Open vSwitch answers it with more than a megabyte. */
#ifndef PROTO_OPENFLOW_OPENFLOW_H
#define PROTO_OPENFLOW_OPENFLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/wire.h"
#include "model/flow.h"

#define OF_VERSION 0x04
#define OF_HEADER_SIZE 8
#define OF_MESSAGE_MAX 65535

#define OF_EXPERIMENTER_ONF 0x4f4e4600u
#define OF_EXPERIMENTER_NICIRA 0x00002320u

enum of_type {
    OFPT_HELLO = 0,
    OFPT_ERROR = 1,
    OFPT_ECHO_REQUEST = 2,
    OFPT_ECHO_REPLY = 3,
    OFPT_EXPERIMENTER = 4,
    OFPT_FEATURES_REQUEST = 5,
    OFPT_FEATURES_REPLY = 6,
    OFPT_SET_CONFIG = 9,
    OFPT_PACKET_IN = 10,
    OFPT_FLOW_REMOVED = 11,
    OFPT_PORT_STATUS = 12,
    OFPT_PACKET_OUT = 13,
    OFPT_FLOW_MOD = 14,
    OFPT_MULTIPART_REQUEST = 18,
    OFPT_MULTIPART_REPLY = 19,
    OFPT_BARRIER_REQUEST = 20,
    OFPT_BARRIER_REPLY = 21,
    OFPT_METER_MOD = 29
};

enum of_multipart_type {
    OFPMP_DESC = 0,
    OFPMP_FLOW = 1,
    OFPMP_METER_CONFIG = 10,
    OFPMP_METER_FEATURES = 11,
    OFPMP_PORT_DESC = 13,
    OFPMP_EXPERIMENTER = 0xffff
};

enum of_error_type {
    OFPET_HELLO_FAILED = 0,
    OFPET_BAD_REQUEST = 1,
    OFPET_METER_MOD_FAILED = 12,
    OFPET_EXPERIMENTER = 0xffff
};
#define OFPHFC_INCOMPATIBLE 0
#define OFPBRC_BAD_TYPE 1
#define OFPMMFC_METER_EXISTS 1
#define OFPMMFC_UNKNOWN_METER 3

enum of_meter_command { OFPMC_ADD = 0, OFPMC_MODIFY = 1, OFPMC_DELETE = 2 };
enum of_bundle_type {
    OFPBCT_OPEN_REQUEST = 0,
    OFPBCT_OPEN_REPLY = 1,
    OFPBCT_COMMIT_REQUEST = 4,
    OFPBCT_COMMIT_REPLY = 5,
    OFPBCT_DISCARD_REQUEST = 6,
    OFPBCT_DISCARD_REPLY = 7
};
enum of_port_reason { OFPPR_ADD = 0, OFPPR_DELETE = 1, OFPPR_MODIFY = 2 };
enum of_packet_in_reason { OFPR_NO_MATCH = 0, OFPR_ACTION = 1, OFPR_INVALID_TTL = 2 };

#define OF_CONTROLLER_NO_BUFFER 0xffff /* OFPCML_NO_BUFFER: the whole packet goes to the controller */

struct of_header {
    uint8_t version;
    uint8_t type;
    uint16_t length; /* of the whole message */
    uint32_t xid;
};

/* Bytes of the message that was decoded; valid as long as that is. */
struct of_bytes {
    const uint8_t *data;
    size_t size;
};

struct of_hello {
    bool has_bitmap;
    uint32_t bitmap; /* bit n: version n is spoken */
};

struct of_error {
    uint16_t type, code;   /* OFPET_EXPERIMENTER: 'code' is the experimenter's exp_type */
    uint32_t experimenter; /* 0 unless type is OFPET_EXPERIMENTER */
    struct of_bytes data;  /* the beginning of the offending message, or a text for OFPET_HELLO_FAILED */
};

struct of_features {
    uint64_t dpid;
    uint32_t n_buffers;
    uint8_t n_tables;
    uint8_t auxiliary_id;
    uint32_t capabilities;
};

#define OF_PORT_NAME_SIZE 17
struct of_port {
    uint32_t number;
    struct mac mac;
    char name[OF_PORT_NAME_SIZE];
    bool config_down;               /* OFPPC_PORT_DOWN: an administrator's wish */
    bool link_down;                 /* OFPPS_LINK_DOWN: no carrier */
    uint32_t curr_speed, max_speed; /* kbit/s, 0: unknown */
};

struct of_port_status {
    uint8_t reason; /* enum of_port_reason */
    struct of_port port;
};

struct of_packet_in {
    uint32_t in_port; /* 0: the switch did not say */
    uint64_t cookie;
    uint8_t table;
    uint8_t reason;      /* enum of_packet_in_reason */
    uint16_t total_size; /* of the packet in the switch; frame.size may be less */
    struct of_bytes frame;
};

struct of_multipart {
    uint16_t type;
    bool more;        /* another reply with the same xid follows */
    struct wire body; /* whole objects; a multipart reply never splits one (§7.3.5) */
};

struct of_bundle {
    uint32_t id;
    uint16_t type; /* enum of_bundle_type */
    uint16_t flags;
};

/* What a controller receives. Which member holds, header.type says; types that are not in the union (barrier reply,
 * flow removed, experimenters that we do not know, requests) have none. */
struct of_message {
    struct of_header header;
    bool is_bundle; /* an OFPT_EXPERIMENTER that is ONF's bundle control */
    union {
        struct of_hello hello;
        struct of_error error;
        struct of_bytes echo;
        struct of_features features;
        struct of_packet_in packet_in;
        struct of_port_status port_status;
        struct of_multipart multipart;
        struct of_bundle bundle;
    };
};

/* As Open vSwitch numbers them. */
enum of_flow_event { OF_FLOW_ADDED = 0, OF_FLOW_DELETED = 1, OF_FLOW_MODIFIED = 2, OF_FLOW_ABBREVIATED = 3 };

/* What a flow monitor tells. Of a change that this connection made there is only its xid. */
struct of_flow_update {
    uint8_t event; /* enum of_flow_event */
    uint8_t table;
    uint16_t priority;
    uint32_t xid; /* of OF_FLOW_ABBREVIATED */
    uint64_t cookie;
};

struct of_flow_query {
    uint8_t table; /* or FLOW_TABLE_ALL */
    uint64_t cookie;
    uint64_t cookie_mask; /* 0: any cookie */
};

struct of_packet_out {
    uint32_t in_port; /* PORT_CONTROLLER if it came from none */
    const struct flow_action *actions;
    size_t n_actions;
    const uint8_t *frame;
    size_t frame_size; /* 14..60000 */
};

#define OF_DESC_SIZE 257
struct of_desc {
    char manufacturer[OF_DESC_SIZE];
    char hardware[OF_DESC_SIZE];
    char software[OF_DESC_SIZE];
    char serial[33];
    char datapath[OF_DESC_SIZE];
};

/* Decoding. Each function returns 0 (or what it says), or a negative code and a sentence in 'err' (may be null):
 * ERR_SHORT or ERR_MALFORMED where lengths contradict each other, ERR_UNSUPPORTED for another version. */

/* Reads the header at the front of a stream. ERR_SHORT if fewer than OF_HEADER_SIZE bytes are there, ERR_MALFORMED if
 * the length that it claims is less than the header. */
int of_header_decode(const uint8_t *bytes, size_t size, struct of_header *header);
/* Reads one whole message; 'size' is what its header says. The message keeps pointers into 'bytes'. */
int of_decode(const uint8_t *bytes, size_t size, struct of_message *message, struct err *err);
/* A hello's sender speaks OF_VERSION (§7.5.1: by its bitmap, or else by its header). */
bool of_hello_accepts(const struct of_header *header, const struct of_hello *hello);

/* The next object of a multipart reply's body: 1, 0 at the end, or negative. */
int of_flow_stats_next(struct wire *body, struct flow *flow, struct err *err); /* free with flow_free() */
int of_port_desc_next(struct wire *body, struct of_port *port, struct err *err);
/* A meter that is no single drop band in kbit/s, as ours are, has a rate of 0. */
int of_meter_config_next(struct wire *body, struct flow_meter *meter, struct err *err);
/* Whether the multipart is one of flow updates; '*body' is then at the first. */
bool of_flow_monitor_begin(const struct of_multipart *multipart, struct wire *body);
int of_flow_update_next(struct wire *body, struct of_flow_update *update, struct err *err);
int of_meter_features_decode(struct wire *body, uint32_t *max_meters, struct err *err);
int of_desc_decode(struct wire *body, struct of_desc *desc, struct err *err);

int of_match_decode(struct wire *r, struct flow_match *match, bool *has_unknown, struct err *err);
/* Reads instructions up to the end of 'r' into the flow, whose old actions are freed. On failure the flow has none. */
int of_instructions_decode(struct wire *r, struct flow *flow, struct err *err);

/* Encoding. Each function appends one whole message; 'w' should have OF_MESSAGE_MAX bytes left. Where there is an
 * 'err', the function returns 0, or a negative code and a sentence; 'w' is then to be thrown away: ERR_INVALID for a
 * flow that contradicts itself, ERR_UNSUPPORTED for what was decoded as unknown, ERR_TOO_LARGE. */

void of_hello_encode(struct wire *w, uint32_t xid);
void of_error_encode(struct wire *w, uint32_t xid, uint16_t type, uint16_t code, struct of_bytes data);
void of_echo_encode(struct wire *w, enum of_type type, uint32_t xid, struct of_bytes data);
void of_empty_encode(struct wire *w, enum of_type type, uint32_t xid); /* FEATURES_REQUEST, BARRIER_REQUEST */
void of_set_config_encode(struct wire *w, uint32_t xid, uint16_t miss_send_len);
int of_packet_out_encode(struct wire *w, uint32_t xid, const struct of_packet_out *packet, struct err *err);
int of_flow_mod_encode(struct wire *w, uint32_t xid, const struct flow_mod *mod, struct err *err);
void of_meter_mod_encode(struct wire *w, uint32_t xid, enum of_meter_command command, const struct flow_meter *meter);
void of_bundle_encode(struct wire *w, uint32_t xid, uint32_t bundle, enum of_bundle_type type);
/* The flow change inside a bundle, both with the same xid (EXT-230 §3.4). */
int of_bundle_add_encode(struct wire *w, uint32_t xid, uint32_t bundle, const struct flow_mod *mod, struct err *err);
void of_multipart_encode(struct wire *w, uint32_t xid, enum of_multipart_type type); /* without a body */
void of_flow_request_encode(struct wire *w, uint32_t xid, const struct of_flow_query *query);
void of_meter_request_encode(struct wire *w, uint32_t xid); /* the configuration of all meters */
/* From now on all changes of flows are to be told. 'id' is unique on the connection. */
void of_flow_monitor_encode(struct wire *w, uint32_t xid, uint32_t id);

int of_match_encode(struct wire *w, const struct flow_match *match, struct err *err);
int of_instructions_encode(struct wire *w, const struct flow *flow, struct err *err);
int of_actions_encode(struct wire *w, const struct flow_action *actions, size_t n, struct err *err);

/* Names */

#define OF_ERROR_TEXT_SIZE 80
/* "OFPET_BAD_ACTION/OFPBAC_BAD_OUT_PORT"; numbers for what has no name. Returns 'buffer' of OF_ERROR_TEXT_SIZE. */
char *of_error_format(const struct of_error *error, char *buffer);
/* "OFPT_HELLO"; "OFPT_?" for a type that 1.3 does not have. */
const char *of_type_name(unsigned type);

#endif
