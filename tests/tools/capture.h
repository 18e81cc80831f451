/* SPDX-License-Identifier: Apache-2.0 */
/* Packets in files of tcpdump and Wireshark: what tests give to our decoders, without libpcap. */
#ifndef TESTS_CAPTURE_H
#define TESTS_CAPTURE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

struct capture_packet {
    unsigned frame; /* counts from 1 */
    uint32_t source, destination;
    const uint8_t *payload; /* of IPv4, as much of it as was captured */
    size_t size;
};
typedef void capture_taker(void *context, const struct capture_packet *packet);

/* Hands out the packets of that IP protocol in a file of pcap or pcapng, with frames of Ethernet, raw IP, BSD's
 * loopback, or Linux's cooked modes 1 and 2. Frames that are no such packet are passed over. Returns 0, ERR_IO or
 * ERR_MALFORMED. */
int capture_read(const char *path, uint8_t protocol, capture_taker *taker, void *context, struct err *err);

/* Begins a pcap file of raw IP, and adds a packet. */
void capture_begin(FILE *file);
void capture_add(FILE *file, uint8_t protocol, uint32_t source, uint32_t destination, const uint8_t *payload,
                 size_t size);

#endif
