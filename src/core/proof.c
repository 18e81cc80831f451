/* SPDX-License-Identifier: Apache-2.0 */
#include "core/proof.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "core/pipeline.h"
#include "core/pipeline_flows.h"

#define FIELD_BYTES 16
#define COVERS_MAX 64 /* beyond that many flows a recursion would go too deep */
#define ICMPV6 58

/* The packets whose bits are those of 'value' where 'mask' has ones. Elsewhere 'value' is what an example may have. */
struct cube {
    uint8_t value[FLOW_FIELDS][FIELD_BYTES], mask[FLOW_FIELDS][FIELD_BYTES];
};

static bool cube_meets(const struct cube *cube, const struct flow_match *match)
{
    for (unsigned i = 0; i < match->n; i++) {
        const struct flow_field *field = &match->fields[i];

        for (unsigned b = 0; b < FIELD_BYTES; b++) {
            if ((cube->value[field->id][b] ^ field->value[b]) & cube->mask[field->id][b] & field->mask[b])
                return false;
        }
    }
    return true;
}

/* What both let through; they meet. */
static void cube_narrow(struct cube *cube, const struct flow_match *match)
{
    for (unsigned i = 0; i < match->n; i++) {
        const struct flow_field *field = &match->fields[i];

        for (unsigned b = 0; b < FIELD_BYTES; b++) {
            cube->value[field->id][b] = (uint8_t) ((cube->value[field->id][b] & ~field->mask[b]) | field->value[b]);
            cube->mask[field->id][b] |= field->mask[b];
        }
    }
}

/* One packet of it: fields of which it says nothing are left out. */
static char *cube_format(const struct cube *cube)
{
    struct flow_match match = {0};
    unsigned n = 0;

    for (unsigned f = 0; f < FLOW_FIELDS && n < FLOW_MATCH_MAX; f++) {
        static const uint8_t none[FIELD_BYTES];

        if (memcmp(cube->mask[f], none, FIELD_BYTES) == 0)
            continue;
        match_bytes(&match, f, cube->value[f], NULL);
        n++;
    }
    return flow_match_format(&match);
}

/* ---- the VM's packets ---- */

enum pattern { PATTERN_IP, PATTERN_ARP, PATTERN_ND, PATTERNS };

static bool knows_segment(uint8_t table)
{
    return table != TOR_CLASSIFY && table != TOR_VLAN && table != TOR_SPOOF;
}

static void pattern_match(const struct proof_vm *vm, enum proof_way way, enum pattern pattern, uint8_t table,
                          struct flow_match *match)
{
    bool from = way == PROOF_FROM_VM;

    *match = (struct flow_match) {0};
    if (from)
        match_u(match, FIELD_IN_PORT, vm->port);
    if (knows_segment(table))
        match_u(match, FIELD_REG0, vm->segment);
    match_mac(match, from ? FIELD_ETH_SRC : FIELD_ETH_DST, &vm->mac);
    if (from && table == TOR_CLASSIFY)
        match_u(match, FIELD_VLAN_VID, 0);
    switch (pattern) {
    case PATTERN_IP:
        match_ip(match, from ? FIELD_IPV4_SRC : FIELD_IPV4_DST, &vm->ip);
        break;
    case PATTERN_ARP:
        if (from)
            match_ip(match, FIELD_ARP_SPA, &vm->ip);
        else
            match_u(match, FIELD_ETH_TYPE, ETH_TYPE_ARP);
        break;
    default:
        match_u(match, FIELD_ETH_TYPE, ETH_TYPE_IPV6);
        match_u(match, FIELD_IP_PROTO, ICMPV6);
        break;
    }
}

/* The VM's packets that meet the flow, or false. */
static bool common(const struct proof_vm *vm, const struct flow *flow, enum proof_way way, enum pattern pattern,
                   struct cube *cube)
{
    struct flow_match packets;

    pattern_match(vm, way, pattern, flow->table, &packets);
    memset(cube, 0, sizeof *cube);
    cube_narrow(cube, &packets);
    return cube_meets(cube, &flow->match);
}

/* Whether packets come to the table after their sender was judged. */
static bool is_for_receivers(uint8_t table)
{
    return table >= TOR_POLICY_TO && table != TOR_STATE_FROM;
}

/* Most flows of a switch are about other VMs: their addresses tell at once. */
static bool is_of_another(const struct proof_vm *vm, const struct flow *flow, enum proof_way way)
{
    bool from = way == PROOF_FROM_VM;
    const struct flow_field *ip = match_find(&flow->match, from ? FIELD_IPV4_SRC : FIELD_IPV4_DST);
    const struct flow_field *mac = match_find(&flow->match, from ? FIELD_ETH_SRC : FIELD_ETH_DST);

    if ((ip && flow_field_exact(ip) && memcmp(ip->value, vm->ip.bytes, 4) != 0) ||
        (mac && flow_field_exact(mac) && memcmp(mac->value, vm->mac.bytes, 6) != 0))
        return true;
    /* What a receiver is to get is that VM's matter, what a sender may send is the sender's. */
    if (from)
        return is_for_receivers(flow->table) && is_of_another(vm, flow, PROOF_TO_VM);
    return flow->table >= TOR_SPOOF && !is_for_receivers(flow->table) && !ip && !mac;
}

bool proof_meets(const struct proof_vm *vm, const struct flow *flow, enum proof_way way)
{
    struct cube cube;

    for (enum proof_way w = PROOF_FROM_VM; w <= PROOF_TO_VM; w++) {
        if (!(way & w) || is_of_another(vm, flow, w))
            continue;
        for (enum pattern p = 0; p < PATTERNS; p++) {
            if (common(vm, flow, w, p, &cube))
                return true;
        }
    }
    return false;
}

/* ---- what is left of a cube ---- */

struct search {
    const struct flow *covers[COVERS_MAX];
    size_t n;
    unsigned steps;
    struct cube *left; /* gets a part that none of them takes */
};

static unsigned bits_of(const struct flow_match *match)
{
    unsigned n = 0;

    for (unsigned i = 0; i < match->n; i++) {
        for (unsigned b = 0; b < FIELD_BYTES * 8; b++)
            n += match->fields[i].mask[b / 8] >> b % 8 & 1;
    }
    return n;
}

/* The widest first: one of them may take all. */
static int compare_width(const void *a, const void *b)
{
    const struct flow *const *x = a, *const *y = b;
    unsigned n = bits_of(&(*x)->match), m = bits_of(&(*y)->match);

    return n < m ? -1 : n > m;
}

static bool search_from(struct search *search, const struct cube *cube, size_t first);

/* The parts of the cube that the flow, which it meets, leaves to those after it: one for each bit that the flow asks
 * for and the cube leaves open. */
static bool search_parts(struct search *search, const struct cube *cube, size_t at)
{
    const struct flow_match *match = &search->covers[at]->match;
    struct cube part = *cube;

    for (unsigned i = 0; i < match->n; i++) {
        const struct flow_field *field = &match->fields[i];

        for (unsigned b = 0; b < FIELD_BYTES; b++) {
            uint8_t open = (uint8_t) ~part.mask[field->id][b], *value = &part.value[field->id][b];

            *value = (uint8_t) ((*value & ~open) | (field->value[b] & open));
        }
        for (unsigned b = FIELD_BYTES * 8; b-- > 0;) {
            uint8_t bit = (uint8_t) (0x80 >> b % 8), *value = &part.value[field->id][b / 8];

            if (!(field->mask[b / 8] & bit) || part.mask[field->id][b / 8] & bit)
                continue;
            part.mask[field->id][b / 8] |= bit;
            *value = (uint8_t) ((*value & ~bit) | (~field->value[b / 8] & bit));
            if (search_from(search, &part, at + 1))
                return true;
            *value ^= bit;
        }
    }
    return false;
}

static bool search_from(struct search *search, const struct cube *cube, size_t first)
{
    if (search->steps == 0)
        return true;
    search->steps--;
    for (size_t i = first; i < search->n; i++) {
        if (cube_meets(cube, &search->covers[i]->match))
            return search_parts(search, cube, i);
    }
    *search->left = *cube;
    return true;
}

/* Whether every packet that matches the flow meets it, and it alone. */
static bool is_plain(const struct flow *flow)
{
    /* A flow of a conjunctive match is met only by packets that meet its other flows, too. */
    if (flow->has_unknown || match_find(&flow->match, FIELD_CONJ_ID))
        return false;
    for (unsigned i = 0; i < flow->n_actions; i++) {
        if (flow->actions[i].type == ACTION_UNKNOWN || flow->actions[i].type == ACTION_CONJUNCTION)
            return false;
    }
    return true;
}

static bool takes(const struct flow *flow, struct cube *cube, const struct flow *ours, size_t n_ours)
{
    struct search search = {.steps = PROOF_STEPS_MAX};
    struct cube left;
    size_t n = 0;

    cube_narrow(cube, &flow->match);
    const struct flow **before = xcalloc(n_ours + 1, sizeof *before);
    for (size_t i = 0; i < n_ours; i++) {
        if (ours[i].table == flow->table && ours[i].priority > flow->priority && is_plain(&ours[i]) &&
            cube_meets(cube, &ours[i].match))
            before[n++] = &ours[i];
    }
    qsort(before, n, sizeof *before, compare_width);
    search.n = n < COVERS_MAX ? n : COVERS_MAX;
    memcpy(search.covers, before, search.n * sizeof *before);
    free(before);
    left = *cube;
    search.left = &left;
    if (!search_from(&search, cube, 0))
        return false;
    *cube = left;
    return true;
}

/* A packet of that direction that the flow takes, or null. */
static char *taken(const struct proof_vm *vm, const struct flow *flow, enum proof_way way, const struct flow *ours,
                   size_t n_ours)
{
    struct cube cube;

    for (enum pattern p = 0; p < PATTERNS && !is_of_another(vm, flow, way); p++) {
        if (common(vm, flow, way, p, &cube) && takes(flow, &cube, ours, n_ours))
            return cube_format(&cube);
    }
    return NULL;
}

bool proof_takes(const struct proof_vm *vm, const struct flow *flow, enum proof_way way, const struct flow *ours,
                 size_t n_ours, char **packet)
{
    /* The better example first. */
    enum proof_way first = !is_for_receivers(flow->table) ? PROOF_FROM_VM : PROOF_TO_VM, second = PROOF_BOTH ^ first;
    AUTO_FREE char *text = way & first ? taken(vm, flow, first, ours, n_ours) : NULL;

    if (!text && way & second)
        text = taken(vm, flow, second, ours, n_ours);
    if (!text)
        return false;
    if (packet) {
        *packet = text;
        text = NULL;
    }
    return true;
}
