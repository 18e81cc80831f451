/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: MAC, IP and IP prefixes, as bytes in network order, with their text forms (RFC 4291, RFC 5952). */
#ifndef MODEL_ADDR_H
#define MODEL_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mac {
    uint8_t bytes[6];
};

enum ip_family { IP_NONE = 0, IP_V4 = 4, IP_V6 = 6 };

/* Protocol numbers of IANA. */
enum ip_protocol { IP_ICMP = 1, IP_TCP = 6, IP_UDP = 17, IP_ICMPV6 = 58 };

struct ip {
    uint8_t family;    /* enum ip_family */
    uint8_t bytes[16]; /* IPv4 uses the first four; the rest is zero */
};

struct prefix {
    struct ip ip;   /* bits beyond 'length' are zero */
    uint8_t length; /* bits: 0..32 or 0..128 */
};

/* IPv6 addresses of one interface: global or unique local ones, none twice. Its link-local one comes of its MAC. */
#define IP6_LIST_MAX 4
struct ip6_list {
    uint8_t n;
    struct ip items[IP6_LIST_MAX];
};

#define MAC_TEXT_SIZE 18
#define IP_TEXT_SIZE 46
#define PREFIX_TEXT_SIZE 50

/* Each parser returns 0, or ERR_INVALID and leaves its output alone. */
int mac_parse(const char *text, struct mac *mac);
int ip_parse(const char *text, struct ip *ip);
/* "10.0.0.0/8"; without "/" the full length. Host bits beyond the length are an error. */
int prefix_parse(const char *text, struct prefix *prefix);
/* "10.100.0.1/24" where the host bits matter (an interface address): '*ip' keeps them, '*length' is the prefix's. */
int ip_with_length_parse(const char *text, struct ip *ip, uint8_t *length);

/* Each formatter writes a null-terminated string and returns 'buffer', which has at least *_TEXT_SIZE bytes. */
char *mac_format(const struct mac *mac, char *buffer);
char *ip_format(const struct ip *ip, char *buffer);
char *prefix_format(const struct prefix *prefix, char *buffer); /* always with "/" */

bool mac_equal(const struct mac *a, const struct mac *b);
bool ip_equal(const struct ip *a, const struct ip *b);
bool prefix_equal(const struct prefix *a, const struct prefix *b);

unsigned ip_bits(uint8_t family); /* 32, 128, or 0 */
bool prefix_contains(const struct prefix *prefix, const struct ip *ip);
/* What an address is in the subnet of a prefix. Those of 31 bits and more (of IPv6, 127) have hosts only (RFC 3021,
 * RFC 6164). */
enum prefix_place {
    PREFIX_OUTSIDE,
    PREFIX_HOST,
    PREFIX_NETWORK, /* the first: of the subnet itself; of IPv6, the anycast address of its routers, RFC 4291 §2.6.1 */
    PREFIX_BROADCAST /* the last, of IPv4 only: RFC 919 §7 */
};
enum prefix_place prefix_place(const struct prefix *prefix, const struct ip *ip);
/* The link-local address that a host makes of its MAC: fe80::/64 and a modified EUI-64 (RFC 4291 appendix A). */
struct ip ip_link_local(const struct mac *mac);
struct prefix prefix_of(const struct ip *ip, uint8_t length); /* masks the host bits */

bool ip_is_unicast6(const struct ip *ip); /* a global (2000::/3) or unique local (fc00::/7) address of IPv6 */
bool ip6_list_has(const struct ip6_list *list, const struct ip *ip);
bool ip6_list_equal(const struct ip6_list *a, const struct ip6_list *b); /* whatever their order */
/* 0, ERR_INVALID if it is not ip_is_unicast6(), ERR_CONFLICT if it is there,
 * ERR_TOO_LARGE if there are IP6_LIST_MAX. */
int ip6_list_add(struct ip6_list *list, const struct ip *ip);
/* What one of these codes says, to go behind the address: "is no global ... address". */
const char *ip6_list_error(int code);

#endif
