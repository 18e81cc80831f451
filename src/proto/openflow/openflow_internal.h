/* SPDX-License-Identifier: Apache-2.0 */
/* What the codec's files share. */
#ifndef PROTO_OPENFLOW_INTERNAL_H
#define PROTO_OPENFLOW_INTERNAL_H

#include "proto/openflow/openflow.h"

/* The 16-bit reserved ports of OpenFlow 1.0 that Nicira's actions and fields use begin here; the same port has
 * 0xffff in its upper half in 1.3. */
#define OF_PORT16_RESERVED 0xff00u

#define OF_NO_BUFFER 0xffffffffu
#define OF_GROUP_ANY 0xffffffffu
#define OFPFF_SEND_FLOW_REM 1
#define OFPMF_KBPS 1
#define OFPMF_PKTPS 2
#define OFPMF_BURST 4
#define OFPMBT_DROP 1
#define OF_NXM_IN_PORT 0x00000002u /* header of NXM_OF_IN_PORT: the port in 16 bits */

/* Nicira's actions (ovs-actions(7)). */
enum of_nicira_action {
    NXAST_REG_MOVE = 6,
    NXAST_REG_LOAD = 7,
    NXAST_RESUBMIT_TABLE = 14,
    NXAST_LEARN = 16,
    NXAST_FIN_TIMEOUT = 19,
    NXAST_REG_LOAD2 = 33,
    NXAST_CONJUNCTION = 34,
    NXAST_CLONE = 42,
    NXAST_LEARN2 = 45,
    NXAST_ENCAP = 46,
    NXAST_DECAP = 47
};

/* One way to write a match field. */
struct of_field {
    uint8_t id; /* enum flow_field_id */
    uint16_t class;
    uint8_t number;
    uint8_t size;  /* bytes of its value */
    uint8_t needs; /* the prerequisite; known to openflow_match.c */
};

/* How we write a field. */
const struct of_field *of_field_row(unsigned id);
/* The field that a four-byte header without mask names (as in reg_load and reg_move), or null. */
const struct of_field *of_field_of_header(uint32_t header);
uint32_t of_field_header(const struct of_field *row);
unsigned of_field_row_bits(const struct of_field *row);

/* A whole OXM: header, value, and the mask unless it is exact. */
void of_oxm_put(struct wire *w, const struct flow_field *field);
/* Reads a whole OXM. 1: it is '*field', 0: one that we do not know, skipped; negative: malformed. */
int of_oxm_get(struct wire *r, struct flow_field *field);

/* Appends the actions in 'r' to the flow's. */
int of_actions_decode(struct wire *r, struct flow *flow, struct err *err);

/* NXAST_LEARN, or with a limit NXAST_LEARN2, but for its length and padding. */
int of_learn_put(struct wire *w, const struct flow_learn *learn, struct err *err);
/* Read what follows the subtype. 1: it is '*learn'; 0: a form that we do not know; the cursor tells what is short. */
int of_learn_get(struct wire *r, struct flow_learn *learn);
int of_learn2_get(struct wire *r, struct flow_learn *learn);
/* The experimenter action's first ten bytes, with a length of zero. */
void of_nicira_begin(struct wire *w, uint16_t subtype);

uint16_t of_port_to_16(uint32_t port);
uint32_t of_port_from_16(uint16_t port);

/* Starts a message and returns where it begins; of_end() writes its length. */
size_t of_begin(struct wire *w, enum of_type type, uint32_t xid);
void of_end(struct wire *w, size_t start);

/* Zeros up to a multiple of 8 bytes from 'start'. */
void of_pad(struct wire *w, size_t start);

/* A port as in a port description or a port status: 64 bytes. */
void of_port_get(struct wire *r, struct of_port *port);

#endif
