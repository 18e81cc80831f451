/* SPDX-License-Identifier: Apache-2.0 */
#include "core/proof.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "core/pipeline.h"
#include "core/pipeline_flows.h"

#define FIELD_BYTES 16
#define COVERS_MAX 64 /* beyond that many flows a recursion would go too deep */

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

/* Whether a packet can match both. */
static bool match_meets(const struct flow_match *a, const struct flow_match *b)
{
    for (unsigned i = 0, j = 0; i < a->n && j < b->n;) {
        const struct flow_field *x = &a->fields[i], *y = &b->fields[j];

        for (unsigned k = 0; k < FIELD_BYTES && x->id == y->id; k++) {
            if ((x->value[k] ^ y->value[k]) & x->mask[k] & y->mask[k])
                return false;
        }
        i += x->id <= y->id;
        j += y->id <= x->id;
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

/* Those of ND and IPV6 are about one IPv6 address of the VM, its link-local one or another, if not about all. */
enum pattern {
    FROM_IP,
    FROM_ARP,
    FROM_ND, /* all */
    FROM_IPV6,
    FROM_OTHER, /* of one ethertype that its policy allows */
    TO_IP,
    TO_ARP,
    TO_ND, /* all */
    TO_IPV6,
    TO_OTHER,
    TO_ASKED_ARP, /* to all: who has its address */
    TO_ASKED_ND,
    AS_IP, /* from others: that they have its address */
    AS_ARP,
    AS_ND_TARGET, /* advertised */
    AS_ND_SOURCE,
    AS_ND_PROBE, /* RFC 4862 §5.4: a VM that hears it takes its own address for a duplicate */
    AS_IPV6,
    PATTERNS
};

static enum proof_way way_of(enum pattern pattern)
{
    return pattern < TO_IP ? PROOF_FROM_VM : pattern < AS_IP ? PROOF_TO_VM : PROOF_AS_VM;
}

/* A VM sends and gets by its link-local address nothing but what finds hosts; what is not about an address of IPv6
 * counts as that one's. */
static bool is_about(enum pattern pattern, bool link_local)
{
    switch (pattern) {
    case FROM_IPV6:
    case TO_IPV6:
    case AS_IPV6:
        return !link_local;
    case TO_ASKED_ND:
    case AS_ND_SOURCE:
    case AS_ND_TARGET:
    case AS_ND_PROBE:
        return true;
    default:
        return link_local;
    }
}

/* Its link-local address, then the others; returns how many. */
static unsigned own_addresses(const struct proof_vm *vm, struct ip own[1 + IP6_LIST_MAX])
{
    own[0] = ip_link_local(&vm->mac);
    memcpy(own + 1, vm->ip6.items, vm->ip6.n * sizeof *own);
    return 1u + vm->ip6.n;
}

static bool knows_segment(uint8_t table)
{
    return table != TOR_CLASSIFY && table != TOR_VLAN && table != TOR_SPOOF;
}

/* Of a message of neighbour discovery; its target may be null. */
static void match_discovery(struct flow_match *match, uint8_t type, const struct ip *target)
{
    match_u(match, FIELD_ETH_TYPE, ETH_TYPE_IPV6);
    match_u(match, FIELD_IP_PROTO, ICMPV6_PROTOCOL);
    if (type)
        match_u(match, FIELD_ICMPV6_TYPE, type);
    if (target)
        match_bytes(match, FIELD_ND_TARGET, target->bytes, NULL);
}

/* RFC 4291 §2.7.1, RFC 2464 §7. */
static struct mac solicited_node(const struct ip *ip)
{
    struct mac mac = {{0x33, 0x33, 0xff, ip->bytes[13], ip->bytes[14], ip->bytes[15]}};

    return mac;
}

/* What the patterns are about, besides where the packets come from and go to. */
static void pattern_contents(const struct proof_vm *vm, enum pattern pattern, const struct ip *own,
                             struct flow_match *match)
{
    static const struct ip unspecified;

    switch (pattern) {
    case FROM_IP:
    case AS_IP:
        match_ip(match, FIELD_IPV4_SRC, &vm->ip);
        break;
    case TO_IP:
        match_ip(match, FIELD_IPV4_DST, &vm->ip);
        break;
    case FROM_ARP:
    case AS_ARP:
        match_ip(match, FIELD_ARP_SPA, &vm->ip);
        break;
    case TO_ARP:
        match_u(match, FIELD_ETH_TYPE, ETH_TYPE_ARP);
        break;
    case TO_ASKED_ARP:
        match_ip(match, FIELD_ARP_TPA, &vm->ip);
        break;
    case FROM_IPV6:
    case AS_IPV6:
        match_ip(match, FIELD_IPV6_SRC, own);
        break;
    case TO_IPV6:
        match_ip(match, FIELD_IPV6_DST, own);
        break;
    case FROM_ND:
    case TO_ND:
        match_discovery(match, 0, NULL);
        break;
    case TO_ASKED_ND:
        match_discovery(match, ND_SOLICITATION, own);
        break;
    case AS_ND_SOURCE:
        match_discovery(match, 0, NULL);
        match_bytes(match, FIELD_IPV6_SRC, own->bytes, NULL);
        break;
    case AS_ND_TARGET:
        match_discovery(match, ND_ADVERTISEMENT, own);
        break;
    case AS_ND_PROBE:
        match_discovery(match, ND_SOLICITATION, own);
        match_bytes(match, FIELD_IPV6_SRC, unspecified.bytes, NULL);
        break;
    case FROM_OTHER:
    case TO_OTHER:
    case PATTERNS:
        break;
    }
}

static struct mac destination_of(const struct proof_vm *vm, enum pattern pattern, const struct ip *own)
{
    return pattern == TO_ASKED_ARP ? mac_broadcast : pattern == TO_ASKED_ND ? solicited_node(own) : vm->mac;
}

static struct flow_match pattern_match(const struct proof_vm *vm, enum pattern pattern, const struct ip *own,
                                       uint8_t table)
{
    enum proof_way way = way_of(pattern);
    struct flow_match match = {0};

    if (knows_segment(table))
        match_u(&match, FIELD_REG0, vm->segment);
    if (way == PROOF_TO_VM) {
        struct mac destination = destination_of(vm, pattern, own);

        match_mac(&match, FIELD_ETH_DST, &destination);
    } else if (way == PROOF_FROM_VM) {
        match_u(&match, FIELD_IN_PORT, vm->port);
        match_mac(&match, FIELD_ETH_SRC, &vm->mac);
    }
    if (way != PROOF_TO_VM && table == TOR_CLASSIFY)
        match_u(&match, FIELD_VLAN_VID, 0);
    pattern_contents(vm, pattern, own, &match);
    return match;
}

/* Whether packets come to the table after their sender was judged. */
static bool is_for_receivers(uint8_t table)
{
    return table >= TOR_POLICY_TO && table != TOR_STATE_FROM;
}

static bool is_other(const struct flow_field *field, const uint8_t *bytes)
{
    return field && flow_field_exact(field) && memcmp(field->value, bytes, flow_field_size(field->id)) != 0;
}

static bool is_group(const struct flow_field *mac)
{
    return mac->value[0] & mac->mask[0] & 1;
}

/* Whether the field is one exact address of IPv6 that is none of the VM's. */
static bool is_other_ipv6(const struct proof_vm *vm, const struct flow_field *field)
{
    struct ip own[1 + IP6_LIST_MAX];
    bool other = field && flow_field_exact(field);

    for (unsigned i = own_addresses(vm, own); i-- > 0 && other;)
        other = memcmp(field->value, own[i].bytes, sizeof own[i].bytes) != 0;
    return other;
}

static bool is_to_another(const struct proof_vm *vm, const struct flow *flow)
{
    const struct flow_field *ipv6 = match_find(&flow->match, FIELD_IPV6_DST);
    const struct flow_field *mac = match_find(&flow->match, FIELD_ETH_DST);

    return is_other(match_find(&flow->match, FIELD_IPV4_DST), vm->ip.bytes) ||
           (is_other_ipv6(vm, ipv6) && ipv6->value[0] != 0xff) || (is_other(mac, vm->mac.bytes) && !is_group(mac));
}

/* Those of any link-local address are how a sender asks whom it likes. */
static bool names_target(const struct flow *flow)
{
    const struct flow_field *target = match_find(&flow->match, FIELD_ND_TARGET);

    return target && flow_field_exact(target);
}

static bool names_receiver(const struct flow *flow, enum pattern pattern)
{
    return match_find(&flow->match, FIELD_IPV4_DST) || match_find(&flow->match, FIELD_IPV6_DST) ||
           match_find(&flow->match, FIELD_ETH_DST) ||
           (pattern == TO_ASKED_ARP && match_find(&flow->match, FIELD_ARP_TPA)) ||
           (pattern == TO_ASKED_ND && names_target(flow));
}

/* Whether a packet that meets it may get anywhere. */
static bool passes_on(const struct flow *flow)
{
    if (flow->goto_table != FLOW_NO_GOTO || flow->has_unknown)
        return true;
    for (unsigned i = 0; i < flow->n_actions; i++) {
        const struct flow_action *action = &flow->actions[i];

        if (action->type == ACTION_OUTPUT || action->type == ACTION_GROUP || action->type == ACTION_RESUBMIT ||
            action->type == ACTION_UNKNOWN)
            return true;
    }
    return false;
}

/* Whether it sends packets into the pipeline otherwise than by SPOOF. */
static bool avoids_spoof(const struct flow *flow)
{
    if (flow->goto_table != FLOW_NO_GOTO)
        return flow->goto_table != TOR_SPOOF;
    for (unsigned i = 0; i < flow->n_actions; i++) {
        if (flow->actions[i].type == ACTION_RESUBMIT && flow->actions[i].table != TOR_SPOOF)
            return true;
    }
    return false;
}

/* Most flows of a switch are not about the VM: that is told at once. */
static bool is_of_another(const struct proof_vm *vm, const struct flow *flow, enum pattern pattern)
{
    static const struct ip unspecified;
    const struct flow_field *ipv6_source = match_find(&flow->match, FIELD_IPV6_SRC);

    switch (way_of(pattern)) {
    case PROOF_FROM_VM:
        /* What a receiver is to get is that VM's matter, what a sender may send is the sender's. */
        return is_other(match_find(&flow->match, FIELD_IPV4_SRC), vm->ip.bytes) ||
               (is_other_ipv6(vm, ipv6_source) && is_other(ipv6_source, unspecified.bytes)) ||
               is_other(match_find(&flow->match, FIELD_ETH_SRC), vm->mac.bytes) ||
               (is_for_receivers(flow->table) && is_to_another(vm, flow));
    case PROOF_TO_VM:
        return is_to_another(vm, flow) ||
               (flow->table >= TOR_SPOOF && !is_for_receivers(flow->table) && !names_receiver(flow, pattern));
    case PROOF_AS_VM:
        return flow->table == TOR_SPOOF ? !passes_on(flow) : flow->table != TOR_CLASSIFY || !avoids_spoof(flow);
    default:
        return true;
    }
}

/* Where the search for packets of the VM that a flow matches has come to: zeroed before the first. */
struct meeting {
    enum pattern pattern;
    unsigned item; /* the next: of its addresses of IPv6, or of ethertypes */
    struct flow_match packets;
};

/* Of patterns that are about ethertypes: the VM's; else null. */
static const uint16_t *ethertypes_of(const struct proof_vm *vm, enum pattern pattern)
{
    return pattern == FROM_OTHER ? vm->ethertypes[POLICY_FROM_VM] :
           pattern == TO_OTHER   ? vm->ethertypes[POLICY_TO_VM] :
                                   NULL;
}

/* The next pattern of one of the ways that has such packets; false: there is none. */
static bool next_meeting(const struct proof_vm *vm, const struct flow *flow, enum proof_way way, struct meeting *at)
{
    struct ip own[1 + IP6_LIST_MAX];
    unsigned n_own = own_addresses(vm, own);

    for (; at->pattern < PATTERNS; at->pattern++, at->item = 0) {
        if (!(way_of(at->pattern) & way) || is_of_another(vm, flow, at->pattern))
            continue;
        const uint16_t *types = ethertypes_of(vm, at->pattern);
        unsigned n = types ? vm->n_ethertypes[at->pattern == TO_OTHER ? POLICY_TO_VM : POLICY_FROM_VM] : n_own;

        while (at->item < n) {
            unsigned i = at->item++;

            if (!types && !is_about(at->pattern, i == 0))
                continue;
            at->packets = pattern_match(vm, at->pattern, types ? NULL : &own[i], flow->table);
            if (types)
                match_u(&at->packets, FIELD_ETH_TYPE, types[i]);
            if (match_meets(&at->packets, &flow->match))
                return true;
        }
    }
    return false;
}

bool proof_meets(const struct proof_vm *vm, const struct flow *flow, enum proof_way way)
{
    struct meeting at = {0};

    return next_meeting(vm, flow, way, &at);
}

/* ---- what is left of a cube ---- */

struct search {
    const struct flow *covers[COVERS_MAX];
    size_t n;
    unsigned *steps;
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
    if (*search->steps == 0)
        return true;
    (*search->steps)--;
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

#define LOOKED_AT_A_STEP 64 /* flows of ours */

static unsigned less(unsigned steps, size_t spent)
{
    return spent < steps ? steps - (unsigned) spent : 0;
}

static bool takes(const struct flow *flow, struct cube *cube, const struct flow *ours, size_t n_ours, unsigned *steps)
{
    struct search search = {.steps = steps};
    struct cube left;
    size_t n = 0;

    cube_narrow(cube, &flow->match);
    *steps = less(*steps, n_ours / LOOKED_AT_A_STEP);
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

/* Stops at the first pattern that it takes a packet of. */
static enum proof_answer taken(const struct proof_vm *vm, const struct flow *flow, enum proof_way way,
                               const struct flow *ours, size_t n_ours, unsigned *steps, char **packet)
{
    struct meeting at = {0};

    while (next_meeting(vm, flow, way, &at)) {
        struct cube cube = {0};

        cube_narrow(&cube, &at.packets);
        if (!takes(flow, &cube, ours, n_ours, steps))
            continue;
        if (*steps == 0)
            return PROOF_TOO_MUCH;
        if (packet)
            *packet = cube_format(&cube);
        return PROOF_TAKES;
    }
    return PROOF_TAKES_NOTHING;
}

enum proof_answer proof_takes(const struct proof_vm *vm, const struct flow *flow, enum proof_way way,
                              const struct flow *ours, size_t n_ours, unsigned *steps, char **packet)
{
    /* The better example first. */
    enum proof_way first = !is_for_receivers(flow->table) ? PROOF_FROM_VM : PROOF_TO_VM;
    enum proof_answer answer = taken(vm, flow, way & first, ours, n_ours, steps, packet);

    return answer == PROOF_TAKES_NOTHING ? taken(vm, flow, way & ~first, ours, n_ours, steps, packet) : answer;
}

/* ---- flows that are nobody's in particular ---- */

/* Whether the flow, which is ours, takes whatever comes, or comes by a port, with a tag or without. */
static bool takes_anything(const struct flow *flow)
{
    for (unsigned i = 0; i < flow->match.n; i++) {
        if (flow->match.fields[i].id != FIELD_IN_PORT && flow->match.fields[i].id != FIELD_VLAN_VID)
            return false;
    }
    return flow->match.n == 0 || match_find(&flow->match, FIELD_VLAN_VID);
}

/* LLDP comes from everywhere. A flow that is about all packets of a port, or of a host, is not about this. */
static bool is_by_the_way(const struct flow *ours, const struct flow *flow)
{
    uint64_t type;

    return match_get_u(&ours->match, FIELD_ETH_TYPE, &type) && type == ETH_TYPE_LLDP && flow->match.n &&
           !match_find(&flow->match, FIELD_ETH_TYPE) && !match_find(&flow->match, FIELD_ETH_DST);
}

static bool is_before(const struct flow *ours, const struct flow *flow)
{
    return ours->table == flow->table && ours->priority <= flow->priority && match_meets(&ours->match, &flow->match) &&
           !is_by_the_way(ours, flow);
}

bool proof_base_meets(const struct proof_base *base, const struct flow *flow)
{
    for (size_t i = 0; i < base->n; i++) {
        bool anything = takes_anything(&base->flows[i]), met = !anything;

        if (!is_before(&base->flows[i], flow))
            continue;
        for (size_t t = 0; t < base->n_traffic && !met; t++)
            met = match_meets(&base->traffic[t], &flow->match) && match_meets(&base->traffic[t], &base->flows[i].match);
        if (met)
            return true;
    }
    return false;
}

/* What would go to 'ours' if the flow were not there; 'traffic' may be null. */
static enum proof_answer base_taken(const struct proof_base *base, const struct flow *ours,
                                    const struct flow_match *traffic, const struct flow *flow, unsigned *steps,
                                    char **packet)
{
    struct cube cube = {0};

    cube_narrow(&cube, &ours->match);
    if (traffic && !cube_meets(&cube, traffic))
        return PROOF_TAKES_NOTHING;
    if (traffic)
        cube_narrow(&cube, traffic);
    if (!cube_meets(&cube, &flow->match) || !takes(flow, &cube, base->flows, base->n, steps))
        return PROOF_TAKES_NOTHING;
    if (*steps == 0)
        return PROOF_TOO_MUCH;
    if (packet)
        *packet = cube_format(&cube);
    return PROOF_TAKES;
}

enum proof_answer proof_base_takes(const struct proof_base *base, const struct flow *flow, unsigned *steps,
                                   char **packet)
{
    enum proof_answer answer = PROOF_TAKES_NOTHING;

    for (size_t i = 0; i < base->n && answer == PROOF_TAKES_NOTHING; i++) {
        const struct flow *ours = &base->flows[i];

        if (!is_before(ours, flow))
            continue;
        if (!takes_anything(ours))
            answer = base_taken(base, ours, NULL, flow, steps, packet);
        for (size_t t = 0; takes_anything(ours) && t < base->n_traffic && answer == PROOF_TAKES_NOTHING; t++)
            answer = base_taken(base, ours, &base->traffic[t], flow, steps, packet);
    }
    return answer;
}
