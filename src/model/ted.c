/* SPDX-License-Identifier: Apache-2.0 */
#include "model/ted.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"

/* Links are compared as bytes. */
static_assert(sizeof(struct te_link_key) == 16, "a hole in struct te_link_key");
static_assert(sizeof(struct te_link) == 16 + 6 * 4 + (2 + TE_PRIORITIES) * 8, "a hole in struct te_link");

static int compare(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

int te_link_key_compare(const struct te_link_key *a, const struct te_link_key *b)
{
    int order = compare(a->area, b->area);

    if (!order)
        order = compare(a->from, b->from);
    if (!order)
        order = compare(a->local_ip, b->local_ip);
    return order ? order : compare(a->local_id, b->local_id);
}

/* The first link whose key is not less than 'key': where it is, or belongs. */
static size_t position(const struct ted *ted, const struct te_link_key *key)
{
    size_t low = 0, high = ted->n_links;

    /* Whoever loads a TED in the order of its keys shall not pay for the search. */
    if (high && te_link_key_compare(&ted->links[high - 1].key, key) < 0)
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (te_link_key_compare(&ted->links[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct ted *ted, size_t at, const struct te_link_key *key)
{
    return at < ted->n_links && te_link_key_compare(&ted->links[at].key, key) == 0;
}

bool ted_set(struct ted *ted, const struct te_link *link)
{
    size_t at = position(ted, &link->key);

    if (is_at(ted, at, &link->key)) {
        if (memcmp(&ted->links[at], link, sizeof *link) == 0)
            return false;
    } else {
        ted->links = array_reserve(ted->links, ted->n_links, &ted->cap_links, sizeof *ted->links);
        memmove(&ted->links[at + 1], &ted->links[at], (ted->n_links - at) * sizeof *ted->links);
        ted->n_links++;
    }
    ted->links[at] = *link;
    ted->version++;
    return true;
}

bool ted_remove(struct ted *ted, const struct te_link_key *key)
{
    size_t at = position(ted, key);

    if (!is_at(ted, at, key))
        return false;
    ted->n_links--;
    memmove(&ted->links[at], &ted->links[at + 1], (ted->n_links - at) * sizeof *ted->links);
    ted->version++;
    return true;
}

size_t ted_clear(struct ted *ted, const uint32_t *area)
{
    size_t kept = 0;

    for (size_t i = 0; i < ted->n_links; i++) {
        if (area && ted->links[i].key.area != *area)
            ted->links[kept++] = ted->links[i];
    }
    size_t gone = ted->n_links - kept;

    ted->n_links = kept;
    ted->version += gone > 0;
    return gone;
}

const struct te_link *ted_find(const struct ted *ted, const struct te_link_key *key)
{
    size_t at = position(ted, key);

    return is_at(ted, at, key) ? &ted->links[at] : NULL;
}

const struct te_link *ted_reverse(const struct ted *ted, const struct te_link *link)
{
    const bool numbered = link->key.local_ip != 0;
    const struct te_link *reverse = ted_find(ted, &(struct te_link_key) {.area = link->key.area,
                                                                         .from = link->to,
                                                                         .local_ip = numbered ? link->remote_ip : 0,
                                                                         .local_id = numbered ? 0 : link->remote_id});

    return reverse && reverse->to == link->key.from ? reverse : NULL;
}

const struct te_link *ted_find_address(const struct ted *ted, uint32_t local_ip)
{
    for (size_t i = 0; local_ip && i < ted->n_links; i++) {
        if (ted->links[i].key.local_ip == local_ip)
            return &ted->links[i];
    }
    return NULL;
}

const struct te_link *ted_of_node(const struct ted *ted, uint32_t area, uint32_t from, size_t *n)
{
    size_t first = position(ted, &(struct te_link_key) {.area = area, .from = from});
    size_t end = first;

    while (end < ted->n_links && ted->links[end].key.area == area && ted->links[end].key.from == from)
        end++;
    *n = end - first;
    return *n ? &ted->links[first] : NULL;
}

bool ted_has_node(const struct ted *ted, uint32_t router_id, uint32_t *area)
{
    for (size_t i = 0; i < ted->n_links; i++) {
        const struct te_link *link = &ted->links[i];

        if (link->key.from == router_id || link->to == router_id) {
            *area = link->key.area;
            return true;
        }
    }
    return false;
}

void ted_free(struct ted *ted)
{
    free(ted->links);
    *ted = (struct ted) {0};
}

char *ipv4_format(uint32_t address, char *buffer)
{
    snprintf(buffer, IPV4_TEXT_SIZE, "%u.%u.%u.%u", address >> 24, address >> 16 & 0xff, address >> 8 & 0xff,
             address & 0xff);
    return buffer;
}

int ipv4_parse(const char *text, uint32_t *address)
{
    uint32_t parsed = 0;

    for (int i = 0; i < 4; i++) {
        size_t digits = strspn(text, "0123456789");
        unsigned long part = strtoul(text, NULL, 10);

        /* A leading zero would mean octal to some, decimal to others. */
        if (digits == 0 || digits > 3 || (digits > 1 && text[0] == '0') || part > 255 ||
            text[digits] != (i < 3 ? '.' : '\0'))
            return ERR_INVALID;
        parsed = parsed << 8 | (uint32_t) part;
        text += digits + 1;
    }
    *address = parsed;
    return 0;
}

uint64_t bps_from_float_bits(uint32_t bits)
{
    float bytes;

    memcpy(&bytes, &bits, sizeof bytes);
    double bps = (double) bytes * 8;
    if (!(bps > 0)) /* NaN too */
        return 0;
    return bps >= 0x1p64 ? UINT64_MAX : (uint64_t) bps;
}

uint32_t bps_to_float_bits(uint64_t bps)
{
    uint32_t bits;

    /* Down to 24 significant bits: the conversion is exact then, and nothing is rounded up. */
    for (unsigned shift = 0; bps >> shift; shift++) {
        if (bps >> shift < UINT64_C(1) << 24) {
            bps = bps >> shift << shift;
            break;
        }
    }
    float bytes = (float) bps / 8;

    memcpy(&bits, &bytes, sizeof bits);
    return bits;
}
