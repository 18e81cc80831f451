/* SPDX-License-Identifier: Apache-2.0 */
/* The traffic engineering database (TED): transport nodes and the links between them, as their routing protocol floods
 * them (RFC 3630, RFC 4203, RFC 7471). A link is one direction of a physical link; the other direction is a link of its
 * own, because each end floods its own bandwidth.
 *
 * Router ids and addresses are IPv4 in host byte order; 0 is none. Rates are bits per second. */
#ifndef MODEL_TED_H
#define MODEL_TED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TE_PRIORITIES 8 /* 0 is the best (RFC 3209 §4.7.1) */
#define TE_DELAY_NONE UINT32_MAX

/* What identifies one direction of a link: who floods it, and the address (or, unnumbered, the id) of its interface. */
struct te_link_key {
    uint32_t area;     /* of OSPF: transport networks that are managed by one gateway are areas of their own */
    uint32_t from;     /* router id of the node that floods it */
    uint32_t local_ip; /* address of the interface; 0: unnumbered */
    uint32_t local_id; /* of the interface, RFC 4203 §1.1; 0: numbered */
};

struct te_link {
    struct te_link_key key;
    uint32_t to; /* router id of the node at the other end */
    uint32_t remote_ip, remote_id;
    uint32_t metric;      /* TE metric, RFC 3630 §2.5.5 */
    uint32_t admin_group; /* a bit a colour, RFC 3630 §2.5.9 */
    uint32_t delay_us;    /* RFC 7471 §4.1; TE_DELAY_NONE: not flooded */
    uint64_t max_bps, reservable_bps;
    uint64_t unreserved_bps[TE_PRIORITIES]; /* what a new LSP of that setup priority may take */
};

struct ted {
    struct te_link *links; /* sorted by key */
    size_t n_links, cap_links;
    uint64_t version; /* rises with every change */
};

/* Compares as memcmp() would: area, from, local_ip, local_id. */
int te_link_key_compare(const struct te_link_key *a, const struct te_link_key *b);
/* Adds or replaces by key. Returns whether anything changed. */
bool ted_set(struct ted *ted, const struct te_link *link);
/* Returns whether there was one. */
bool ted_remove(struct ted *ted, const struct te_link_key *key);
/* Removes all links of an area, or of every area if 'area' is null (the routing protocol's session has ended and starts
 * anew). Returns how many. */
size_t ted_clear(struct ted *ted, const uint32_t *area);
/* Null if there is none. Valid until the TED changes. */
const struct te_link *ted_find(const struct ted *ted, const struct te_link_key *key);
/* The same link seen from its other end (numbered: local and remote address swapped; unnumbered: ids), or null if that
 * end does not flood it, or says that it leads elsewhere. */
const struct te_link *ted_reverse(const struct ted *ted, const struct te_link *link);
/* The link whose interface has this address, or null. */
const struct te_link *ted_find_address(const struct ted *ted, uint32_t local_ip);
/* The links of a node, as a run of the array: returns the first and how many; null and 0 if it has none. */
const struct te_link *ted_of_node(const struct ted *ted, uint32_t area, uint32_t from, size_t *n);
/* Whether any link starts or ends at the node, and in which area (the first such; untouched if none). */
bool ted_has_node(const struct ted *ted, uint32_t router_id, uint32_t *area);
void ted_free(struct ted *ted); /* its members */

#define IPV4_TEXT_SIZE 16
/* "10.253.0.1" into 'buffer' of at least IPV4_TEXT_SIZE bytes, which is returned; and back: 0 or ERR_INVALID. */
char *ipv4_format(uint32_t address, char *buffer);
int ipv4_parse(const char *text, uint32_t *address);

/* Rates on the wire are IEEE 754 floats of bytes per second (RFC 3630 §2.5.6). Negative and NaN become 0, what is
 * beyond 64 bits the greatest. To a float, of 24 significant bits, a rate is rounded down: nobody shall be promised
 * more than there is. */
uint64_t bps_from_float_bits(uint32_t bits);
uint32_t bps_to_float_bits(uint64_t bps);

#endif
