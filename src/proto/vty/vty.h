/* SPDX-License-Identifier: Apache-2.0 */
/* The command line that each of FRR's daemons has on a Unix socket (/run/frr/zebra.vty, the one that vtysh uses), and
 * the commands with which zebra is told the TE parameters of a link. Bytes to structs and back; no session.
 *
 * A command is its text and a null byte. The answer is the text that it prints, three null bytes, and one byte with the
 * status: 0, or one of FRR's CMD_* codes. Found by trying with FRR 8.4.4:
 *   - every command that sets a parameter is passed on to ospfd by itself, and ospfd floods the first at once (if the
 *     LSA is older than 5 s, its MinLSInterval, which cannot be configured), and what follows not until 5 s later, with
 *     the newest values of then. So only what has changed is to be sent, the best priority first: a reader that takes
 *     no more for a worse priority than for a better (proto/ospf/ospf_te.h) then reads the right value at once
 *   - unreserved bandwidth above the maximum of the link is refused (status 13); the maximum of a veth is wrong (its
 *     10 Gbit/s overflow 32 bits) unless `bandwidth N`, in Mbit/s, stands before `link-params` in the configuration
 *   - numbers are read by scanf(): a group must be written as 0xHEX, and takes no 0; the reason that a number was
 *     refused for is nonsense ("Resource temporarily unavailable")
 *   - an interface that does not exist is accepted, and kept for when it will */
#ifndef PROTO_VTY_H
#define PROTO_VTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "model/ted.h"

#define VTY_ZEBRA_PATH "/run/frr/zebra.vty"
#define VTY_ANSWER_MAX 65536 /* bytes; longer ones are refused */
#define VTY_TEXT_SIZE 256
#define VTY_INTERFACE_SIZE 16 /* as the kernel's IFNAMSIZ */

struct vty_answer {
    uint8_t status;           /* 0: done */
    char text[VTY_TEXT_SIZE]; /* its first line, cut; control characters are '?' */
};

/* The answer at the beginning of 'n' bytes: how many bytes it has, 0 if it is not there as a whole, ERR_MALFORMED or
 * ERR_TOO_LARGE. */
int vty_answer_decode(const uint8_t *bytes, size_t n, struct vty_answer *answer);

/* What is to be flooded for a link. */
struct vty_link {
    char interface[VTY_INTERFACE_SIZE]; /* of the kernel */
    uint64_t unreserved_bps[TE_PRIORITIES];
    bool sets_metric, sets_admin_group, sets_delay; /* else zebra's configuration counts */
    uint32_t metric;
    uint32_t admin_group; /* 0 means what it was before: it cannot be written */
    uint32_t delay_us;    /* 0..16777215; TE_DELAY_NONE: none */
};

bool vty_interface_is_valid(const char *name); /* 1..15 characters that cannot be taken for another command */

/* Appends the commands, each with its null byte, that change what zebra has for a link from 'have' to 'want'; 'have'
 * null: nobody knows what it has. Nothing is appended if nothing differs. The first leave whatever mode the command
 * line is in, the last is "end". Rates are rounded down to what a float holds. Returns how many. */
size_t vty_link_encode(const struct vty_link *want, const struct vty_link *have, struct strbuf *commands);

#endif
