/* SPDX-License-Identifier: Apache-2.0 */
/* What the sender of a packet is told that a policy rejects: a frame in, the frame of the answer out. Pure.
 *
 * TCP gets a reset that its sender accepts in any state (RFC 9293 §3.10.7.1). All else gets "communication
 * administratively prohibited", by ICMP (RFC 792, code 13 of RFC 1812 §5.2.7.1) or ICMPv6 (RFC 4443 §3.1, code 1). The
 * answer seems to come from where the packet was to go, as a bridge that rejects has no address of its own: so no
 * inspection of addresses takes offence. */
#ifndef CORE_REJECT_H
#define CORE_REJECT_H

#include <stddef.h>
#include <stdint.h>

#include "model/addr.h"

/* IP packets of this size pass everywhere (RFC 1812 §4.3.2.3, RFC 4443 §2.4 c): an answer quotes what fits. */
#define REJECT_ICMP_MAX 576
#define REJECT_ICMPV6_MAX 1280
#define REJECT_ANSWER_MAX (14 + REJECT_ICMPV6_MAX)

/* The first bytes of a frame with a packet of the family that an answer can need. */
uint16_t reject_read_size(enum ip_family family);

/* Makes the answer to the untagged Ethernet frame whose first bytes are 'frame'; returns its size, or 0: there is none
 * to give. That is so for resets and ICMP errors, for what goes to many or comes from no single host, for fragments but
 * the first (RFC 1122 §3.2.2, RFC 4443 §2.4 e), for what is neither IPv4 nor IPv6, and for what is malformed or cut off
 * too early to tell. Nobody answers an answer. */
size_t reject_answer(const uint8_t *frame, size_t size, uint8_t answer[REJECT_ANSWER_MAX]);

#endif
