/* SPDX-License-Identifier: Apache-2.0 */
#include "model/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

int mac_parse(const char *text, struct mac *mac)
{
    unsigned b[6];
    int used = 0;

    /* sscanf alone would take blanks, signs and "0x". */
    if (strlen(text) != MAC_TEXT_SIZE - 1 || strspn(text, "0123456789abcdefABCDEF:") != MAC_TEXT_SIZE - 1 ||
        sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &used) != 6 ||
        used != MAC_TEXT_SIZE - 1)
        return ERR_INVALID;
    for (int i = 0; i < 6; i++)
        mac->bytes[i] = (uint8_t) b[i];
    return 0;
}

int ip_parse(const char *text, struct ip *ip)
{
    struct ip parsed = {0};

    if (inet_pton(AF_INET, text, parsed.bytes) == 1)
        parsed.family = IP_V4;
    else if (inet_pton(AF_INET6, text, parsed.bytes) == 1)
        parsed.family = IP_V6;
    else
        return ERR_INVALID;
    *ip = parsed;
    return 0;
}

int ip_with_length_parse(const char *text, struct ip *ip, uint8_t *length)
{
    char address[IP_TEXT_SIZE];
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t) (slash - text) : strlen(text);
    struct ip parsed;

    if (n >= sizeof address)
        return ERR_INVALID;
    memcpy(address, text, n);
    address[n] = '\0';
    if (ip_parse(address, &parsed) < 0)
        return ERR_INVALID;

    unsigned long bits = ip_bits(parsed.family);
    if (slash) {
        char *end;

        bits = strtoul(slash + 1, &end, 10);
        if (slash[1] < '0' || slash[1] > '9' || *end || bits > ip_bits(parsed.family))
            return ERR_INVALID;
    }
    *ip = parsed;
    *length = (uint8_t) bits;
    return 0;
}

int prefix_parse(const char *text, struct prefix *prefix)
{
    struct ip ip;
    uint8_t length;

    if (ip_with_length_parse(text, &ip, &length) < 0)
        return ERR_INVALID;

    struct prefix masked = prefix_of(&ip, length);
    if (!ip_equal(&masked.ip, &ip))
        return ERR_INVALID;
    *prefix = masked;
    return 0;
}

char *mac_format(const struct mac *mac, char *buffer)
{
    const uint8_t *b = mac->bytes;

    snprintf(buffer, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
    return buffer;
}

char *ip_format(const struct ip *ip, char *buffer)
{
    if (!ip_bits(ip->family) || !inet_ntop(ip->family == IP_V6 ? AF_INET6 : AF_INET, ip->bytes, buffer, IP_TEXT_SIZE))
        snprintf(buffer, IP_TEXT_SIZE, "none");
    return buffer;
}

char *prefix_format(const struct prefix *prefix, char *buffer)
{
    char address[IP_TEXT_SIZE];

    snprintf(buffer, PREFIX_TEXT_SIZE, "%s/%u", ip_format(&prefix->ip, address), prefix->length);
    return buffer;
}

bool mac_equal(const struct mac *a, const struct mac *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
    return a->length == b->length && ip_equal(&a->ip, &b->ip);
}

unsigned ip_bits(uint8_t family)
{
    return family == IP_V4 ? 32 : family == IP_V6 ? 128 : 0;
}

bool prefix_contains(const struct prefix *prefix, const struct ip *ip)
{
    if (prefix->ip.family != ip->family)
        return false;

    struct prefix masked = prefix_of(ip, prefix->length);
    return ip_equal(&masked.ip, &prefix->ip);
}

struct ip ip_link_local(const struct mac *mac)
{
    const uint8_t *m = mac->bytes;

    return (struct ip) {IP_V6, {0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}};
}

struct prefix prefix_of(const struct ip *ip, uint8_t length)
{
    struct prefix prefix = {.ip = {.family = ip->family}, .length = length};

    for (unsigned i = 0; i < sizeof ip->bytes; i++) {
        unsigned bits = length > i * 8 ? length - i * 8 : 0;
        uint8_t mask = (uint8_t) (bits >= 8 ? 0xff : 0xff00 >> bits);

        prefix.ip.bytes[i] = ip->bytes[i] & mask;
    }
    return prefix;
}

enum prefix_place prefix_place(const struct prefix *prefix, const struct ip *ip)
{
    unsigned bits = ip_bits(ip->family);
    bool last = ip->family == IP_V4;

    if (!prefix_contains(prefix, ip))
        return PREFIX_OUTSIDE;
    if (prefix->length + 2u > bits)
        return PREFIX_HOST;
    if (ip_equal(ip, &prefix->ip))
        return PREFIX_NETWORK;
    for (unsigned bit = prefix->length; bit < bits && last; bit++)
        last = ip->bytes[bit / 8] & 0x80 >> bit % 8;
    return last ? PREFIX_BROADCAST : PREFIX_HOST;
}

bool ip6_list_has(const struct ip6_list *list, const struct ip *ip)
{
    for (unsigned i = 0; i < list->n; i++) {
        if (ip_equal(&list->items[i], ip))
            return true;
    }
    return false;
}

bool ip6_list_equal(const struct ip6_list *a, const struct ip6_list *b)
{
    for (unsigned i = 0; i < a->n; i++) {
        if (!ip6_list_has(b, &a->items[i]))
            return false;
    }
    return a->n == b->n;
}

bool ip_is_unicast6(const struct ip *ip)
{
    return ip->family == IP_V6 && ((ip->bytes[0] & 0xe0) == 0x20 || (ip->bytes[0] & 0xfe) == 0xfc);
}

int ip6_list_add(struct ip6_list *list, const struct ip *ip)
{
    if (!ip_is_unicast6(ip))
        return ERR_INVALID;
    if (ip6_list_has(list, ip))
        return ERR_CONFLICT;
    if (list->n == IP6_LIST_MAX)
        return ERR_TOO_LARGE;
    list->items[list->n++] = *ip;
    return 0;
}

const char *ip6_list_error(int code)
{
    return code == ERR_CONFLICT  ? "is named twice" :
           code == ERR_TOO_LARGE ? "is one too many: an interface has at most 4 of IPv6" :
                                   "is no global or unique local IPv6 address";
}
