/* SPDX-License-Identifier: Apache-2.0 */
#include "core/proof.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "core/pipeline.h"
#include "core/pipeline_flows.h"
#include "core/proof_internal.h"

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
    struct proof_meeting at = {0};

    while (proof_next_meeting(vm, flow, way, &at)) {
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
    enum proof_way first = !proof_is_for_receivers(flow->table) ? PROOF_FROM_VM : PROOF_TO_VM;
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
    return ours->table == flow->table && ours->priority <= flow->priority &&
           proof_match_meets(&ours->match, &flow->match) && !is_by_the_way(ours, flow);
}

bool proof_base_meets(const struct proof_base *base, const struct flow *flow)
{
    for (size_t i = 0; i < base->n; i++) {
        bool anything = takes_anything(&base->flows[i]), met = !anything;

        if (!is_before(&base->flows[i], flow))
            continue;
        for (size_t t = 0; t < base->n_traffic && !met; t++)
            met = proof_match_meets(&base->traffic[t], &flow->match) &&
                  proof_match_meets(&base->traffic[t], &base->flows[i].match);
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
