/* SPDX-License-Identifier: Apache-2.0 */
/* LLDP frames (IEEE 802.1AB-2016 §8 and §9): sent by the gateway out of every switch port to find the links between
 * switches, and received from the servers' lldpd to find which server hangs off which port. Pure.
 *
 * The gateway's own frames have a locally assigned chassis id "scg:" and the switch's datapath id as 16 hex digits, and
 * a locally assigned port id that is the OpenFlow port number in decimal.
 *
 * Departures: management addresses and organisation-specific TLVs are skipped, as nothing here needs them; the
 * destination address is not checked, because the flow that brought the frame here has matched it. */
#ifndef PROTO_LLDP_LLDP_H
#define PROTO_LLDP_LLDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/addr.h"

#define LLDP_ETHERTYPE 0x88cc
#define LLDP_FRAME_MAX 1518
#define LLDP_TEXT_SIZE 256

enum lldp_chassis_subtype { LLDP_CHASSIS_MAC = 4, LLDP_CHASSIS_LOCAL = 7 };
enum lldp_port_subtype { LLDP_PORT_MAC = 3, LLDP_PORT_IF_NAME = 5, LLDP_PORT_LOCAL = 7 };

struct lldp_id {
    uint8_t subtype;
    uint8_t length; /* 1..255 */
    uint8_t bytes[255];
};

struct lldp {
    struct mac source;
    struct lldp_id chassis, port;
    uint16_t ttl;                          /* seconds; 0: the sender goes */
    char port_description[LLDP_TEXT_SIZE]; /* empty if absent; control characters are '?' */
    char system_name[LLDP_TEXT_SIZE];      /* the same */
};

/* Reads an Ethernet frame, untagged, with any padding. 0, or ERR_MALFORMED and why; '*lldp' is left alone then. Unknown
 * TLVs are skipped; the first three must be chassis id, port id and TTL (§9.2.7.7.1), and no TLV that is kept may come
 * twice. */
int lldp_decode(const uint8_t *frame, size_t size, struct lldp *lldp, struct err *err);

/* Writes a frame to the nearest bridge's address; empty texts are left out. 'frame' has 'capacity' bytes. The size, or
 * ERR_SHORT. */
int lldp_encode(const struct lldp *lldp, uint8_t *frame, size_t capacity);

/* The gateway's frame for one port of a switch. */
struct lldp lldp_of_port(uint64_t dpid, uint32_t port, const struct mac *source, uint16_t ttl);
/* Whether it is a frame of that form: '*dpid' and '*port' say whose. Another gateway's switches look the same. */
bool lldp_is_of_port(const struct lldp *lldp, uint64_t *dpid, uint32_t *port);

/* "52:54:00:12:34:56" for a MAC, the text itself for names and local ids that are printable, else hex digits.
 * 'mac_subtype' is LLDP_CHASSIS_MAC or LLDP_PORT_MAC. Returns 'buffer' of LLDP_ID_TEXT_SIZE. */
#define LLDP_ID_TEXT_SIZE 512
char *lldp_id_format(const struct lldp_id *id, uint8_t mac_subtype, char *buffer);

#endif
