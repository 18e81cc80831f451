/* SPDX-License-Identifier: Apache-2.0 */
/* RSVP-TE messages as bytes, to and from 'struct rsvp_message' (model/rsvp.h). Pure: no socket, no clock.
 *
 * Siblings
 *   rsvp.h          this contract
 *   rsvp_codec.c    packets, common header, checksum, what a message holds in which order (the table of message types)
 *   rsvp_object.c   objects: one table row a class, with what is done about it
 *   rsvp_label.c    LABEL_REQUEST, the label objects and the sets of labels
 *   rsvp_route.c    sub-objects of EXPLICIT_ROUTE and RECORD_ROUTE
 *   rsvp_traffic.c  SENDER_TSPEC and FLOWSPEC, of Ethernet and of integrated services
 *
 * Documents
 *   RFC 2205 §3.1 messages, §3.10 unknown objects, §A objects, §B errors; RFC 2210 §3 integrated services;
 *   RFC 2961 §3 Bundle, §4 MESSAGE_ID, §5 Srefresh; RFC 3209 §3 messages, §4 objects, §5 Hello;
 *   RFC 3471 and RFC 3473 generalized labels, interface ids, Notify, ADMIN_STATUS, explicit label control, restart;
 *   RFC 3477 unnumbered links; RFC 6003 Ethernet traffic parameters.
 *
 * Objects of unknown classes are treated as RFC 2205 §3.10 says: 0bbbbbbb the message is refused, 10bbbbbb they are
 * ignored, 11bbbbbb they are kept in 'unknown' and go where the message goes. So CALL_ID (230), ASSOCIATION (199),
 * LSP_ATTRIBUTES (197) and FAST_REROUTE (205) are forwarded, DETOUR (63) and LSP_REQUIRED_ATTRIBUTES (67) are refused,
 * as their RFCs want of who does not know them. Classes that are known and deliberately not used have rows in
 * rsvp_object.c that say why. An unknown C-Type of a known class refuses the message.
 *
 * Departures, and why
 *   - One session, and one sender in it, a message. The flow descriptor lists of shared-explicit reservations and the
 *     lists of sessions in a Notify are refused: each LSP here is a reservation of its own.
 *   - Objects may come in any order, RFC 2205 §3.1.1 permits that. They are sent in the order of the RFCs.
 *   - A known object in a message whose format has no place for it is ignored.
 *   - Labels have 32 bits. An exclusive LABEL_SET, or one of more than RSVP_LABELS_MAX labels, is refused by the error
 *     that stands for "no label of that set".
 *   - What is only passed on has bounds, RSVP_UNKNOWN_MAX objects and RSVP_UNKNOWN_BYTES_MAX bytes: each LSP keeps it.
 *   - Sub-objects of an RRO that are unknown, and the flags of those that are known, are not passed on: a record tells
 *     what this program understands. Of an ERROR_SPEC the flags InPlace and NotGuilty, and all TLVs but the first that
 *     names an interface, are not passed on either.
 *   - The name in a SESSION_ATTRIBUTE is cut at 63 bytes, and bytes outside printable ASCII become '?', because it ends
 *     up in logs and in JSON.
 *   - A checksum of zero is accepted, as RFC 2205 §3.1.1 says: none was sent. INTEGRITY is not checked: there are no
 *     keys, and control channels are private to the network. */
#ifndef PROTO_RSVP_RSVP_H
#define PROTO_RSVP_RSVP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/rsvp.h"

#define RSVP_PROTOCOL 46 /* of IP */
#define RSVP_HEADER_SIZE 8
#define RSVP_MESSAGE_MAX 65512 /* bytes in an IPv4 packet with a router alert, and a multiple of 4 */

/* Writes a message with header and checksum into 'buffer' of 'size' bytes; the version and the length are filled in.
 * Objects for which the type of message has no place are left out, whatever 'has' says; one that it must have and has
 * not is an error, as is one of 'has' whose value cannot be sent. Returns how many bytes were written, or ERR_INVALID,
 * ERR_TOO_LARGE (a list is longer than its limit in model/rsvp.h), ERR_SHORT (the buffer is). */
int rsvp_encode(const struct rsvp_message *message, uint8_t *buffer, size_t size, struct err *err);

/* Why a message was refused, and what its sender is to be told. */
struct rsvp_refusal {
    uint8_t answer; /* RSVP_PATH_ERR, RSVP_RESV_ERR; 0: none, the message is only dropped */
    uint8_t code;   /* of the answer's ERROR_SPEC */
    uint16_t value;
    struct rsvp_message about; /* what could be read of the message, but for lists and routes; owns nothing. Also its
                                * MESSAGE_ID: without an Ack it would come again */
};

/* A packet that is being taken apart: one message, or a Bundle of them (RFC 2961 §3). Zero-initialise it but for
 * 'data', the payload of one IP packet, and 'size' in bytes. */
struct rsvp_packet {
    const uint8_t *data; /* must stay until the last message is out */
    size_t size;
    size_t pos; /* how much was taken */
    bool done;
};

/* Takes the next message out of the packet. Returns
 *   1         '*message' is it; the caller frees it by rsvp_message_free()
 *   0         there is none left
 *   negative  the next one was refused: ERR_SHORT, ERR_MALFORMED, ERR_UNSUPPORTED or ERR_TOO_LARGE. 'err' says why, in
 *             which object and at which byte of the message; 'refusal' (may be null) what to answer. '*message' is as
 *             it was. Go on until 0: what else is in a Bundle is not harmed. */
int rsvp_decode(struct rsvp_packet *packet, struct rsvp_message *message, struct rsvp_refusal *refusal,
                struct err *err);

#endif
