/* SPDX-License-Identifier: Apache-2.0 */
/* A condition on the flags of a TCP header (RFC 9293 §3.1; ns: RFC 3540), e.g. "syn,!ack": set, and clear. */
#ifndef MODEL_TCP_FLAGS_H
#define MODEL_TCP_FLAGS_H

#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"

#define TCP_FLAGS_BITS 9 /* fin 0x1, syn, rst, psh, ack, urg, ece, cwr, ns 0x100; those above are reserved */
#define TCP_SYN_BIT 1
#define TCP_ACK_BIT 4
#define TCP_FIN 1u
#define TCP_SYN (1u << TCP_SYN_BIT)
#define TCP_RST (1u << 2)
#define TCP_ACK (1u << TCP_ACK_BIT)
#define TCP_FLAGS_ALL ((1u << TCP_FLAGS_BITS) - 1)

struct tcp_flags {
    uint16_t value, mask; /* bits of 'value' outside 'mask' are 0; mask 0: any */
};

/* Reads names with commas between them, '!' before those that are to be clear. 0, or ERR_INVALID with a sentence, and
 * '*flags' left alone. */
int tcp_flags_parse(const char *text, struct tcp_flags *flags, struct err *err);
/* Appends what tcp_flags_parse() reads. */
void tcp_flags_format(const struct tcp_flags *flags, struct strbuf *text);

#endif
