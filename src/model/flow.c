/* SPDX-License-Identifier: Apache-2.0 */
#include "model/flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

const struct mac flow_mpls_next_hop = {{0x01, 0x00, 0x5e, 0x90, 0x00, 0x00}};

#define ETH_TYPE_IPV4 0x0800
#define ETH_TYPE_ARP 0x0806
#define ETH_TYPE_IPV6 0x86dd
#define MAX_LEN_ALL 0xffff /* OFPCML_NO_BUFFER: the whole packet */

static const struct {
    const char *name;
    uint8_t size;
    uint8_t bits;
} fields[FLOW_FIELDS] = {
#define FLOW_FIELD_ROW(name, text, bytes, bits) [FIELD_##name] = {text, bytes, bits},
    FLOW_FIELD_TABLE(FLOW_FIELD_ROW)
#undef FLOW_FIELD_ROW
};

const char *flow_field_name(unsigned id)
{
    return id < FLOW_FIELDS ? fields[id].name : "unknown";
}

size_t flow_field_size(unsigned id)
{
    return id < FLOW_FIELDS ? fields[id].size : 0;
}

unsigned flow_field_bits(unsigned id)
{
    return id < FLOW_FIELDS ? fields[id].bits : 0;
}

/* Fields */

static void put_number(uint8_t *to, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t) (value >> (8 * (size - 1 - i)));
}

static uint64_t get_number(const uint8_t *from, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size && i < 8; i++)
        value = value << 8 | from[i];
    return value;
}

/* Ones in every bit of the field that exists; they are its low bits. */
#define LOW_BITS(n) ((n) >= 8 ? 0xff : (n) > 0 ? (1 << ((n) &7)) - 1 : 0)
#define ONES_AT(i, bytes, bits) ((i) < (bytes) ? LOW_BITS((bits) -8 * ((bytes) -1 - (i))) : 0)
static const uint8_t ones[FLOW_FIELDS][16] = {
#define FLOW_FIELD_ONES(name, text, bytes, bits) \
    [FIELD_##name] = { \
        ONES_AT(0, bytes, bits),  ONES_AT(1, bytes, bits),  ONES_AT(2, bytes, bits),  ONES_AT(3, bytes, bits), \
        ONES_AT(4, bytes, bits),  ONES_AT(5, bytes, bits),  ONES_AT(6, bytes, bits),  ONES_AT(7, bytes, bits), \
        ONES_AT(8, bytes, bits),  ONES_AT(9, bytes, bits),  ONES_AT(10, bytes, bits), ONES_AT(11, bytes, bits), \
        ONES_AT(12, bytes, bits), ONES_AT(13, bytes, bits), ONES_AT(14, bytes, bits), ONES_AT(15, bytes, bits)},
    FLOW_FIELD_TABLE(FLOW_FIELD_ONES)
#undef FLOW_FIELD_ONES
};

static struct flow_field field_make(unsigned id, const uint8_t *value, const uint8_t *mask)
{
    struct flow_field field = {.id = (uint8_t) id};
    size_t size = flow_field_size(id);

    memcpy(field.value, value, size);
    memcpy(field.mask, ones[id], sizeof field.mask);
    for (size_t i = 0; mask && i < size; i++)
        field.mask[i] &= mask[i];
    for (size_t i = 0; i < sizeof field.value; i++) /* all of them: the compiler makes one instruction of it */
        field.value[i] &= field.mask[i];
    return field;
}

static struct flow_field field_make_u(unsigned id, uint64_t value, uint64_t mask)
{
    uint8_t value_bytes[16] = {0}, mask_bytes[16] = {0};
    size_t size = flow_field_size(id);

    if (size == 0 || size > 8) {
        fprintf(stderr, "flow: field %s is not a number\n", flow_field_name(id));
        abort();
    }
    put_number(value_bytes, size, value);
    put_number(mask_bytes, size, mask);
    return field_make(id, value_bytes, mask_bytes);
}

bool flow_field_exact(const struct flow_field *field)
{
    return memcmp(field->mask, ones[field->id], sizeof field->mask) == 0;
}

uint64_t flow_field_u(const struct flow_field *field)
{
    return get_number(field->value, flow_field_size(field->id));
}

uint64_t flow_field_mask_u(const struct flow_field *field)
{
    return get_number(field->mask, flow_field_size(field->id));
}

/* Matches */

static bool is_zero(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i])
            return false;
    }
    return true;
}

static void match_put(struct flow_match *match, struct flow_field field)
{
    unsigned i = 0;

    while (i < match->n && match->fields[i].id < field.id)
        i++;
    bool present = i < match->n && match->fields[i].id == field.id;

    if (is_zero(field.mask, sizeof field.mask)) {
        if (present) {
            match->n--;
            memmove(&match->fields[i], &match->fields[i + 1], (match->n - i) * sizeof field);
            match->fields[match->n] = (struct flow_field) {0};
        }
        return;
    }
    if (!present) {
        if (match->n == FLOW_MATCH_MAX) {
            fprintf(stderr, "flow: a match has no room for %s\n", flow_field_name(field.id));
            abort();
        }
        memmove(&match->fields[i + 1], &match->fields[i], (match->n - i) * sizeof field);
        match->n++;
    }
    match->fields[i] = field;
}

void match_u(struct flow_match *match, enum flow_field_id id, uint64_t value)
{
    match_put(match, field_make_u(id, value, UINT64_MAX));
}

void match_u_masked(struct flow_match *match, enum flow_field_id id, uint64_t value, uint64_t mask)
{
    match_put(match, field_make_u(id, value, mask));
}

void match_bytes(struct flow_match *match, enum flow_field_id id, const uint8_t *value, const uint8_t *mask)
{
    match_put(match, field_make(id, value, mask));
}

void match_mac(struct flow_match *match, enum flow_field_id id, const struct mac *mac)
{
    match_put(match, field_make(id, mac->bytes, NULL));
}

void match_prefix(struct flow_match *match, enum flow_field_id v4, enum flow_field_id v6, const struct prefix *prefix)
{
    bool is_v4 = prefix->ip.family == IP_V4;
    bool is_arp = is_v4 && (v4 == FIELD_ARP_SPA || v4 == FIELD_ARP_TPA);
    uint8_t mask[16] = {0};

    for (unsigned bit = 0; bit < prefix->length && bit < 128; bit++)
        mask[bit / 8] |= (uint8_t) (0x80 >> (bit % 8));
    match_u(match, FIELD_ETH_TYPE, is_arp ? ETH_TYPE_ARP : is_v4 ? ETH_TYPE_IPV4 : ETH_TYPE_IPV6);
    match_put(match, field_make(is_v4 ? v4 : v6, prefix->ip.bytes, mask));
}

const struct flow_field *match_find(const struct flow_match *match, enum flow_field_id id)
{
    for (unsigned i = 0; i < match->n; i++) {
        if (match->fields[i].id == id)
            return &match->fields[i];
    }
    return NULL;
}

bool match_get_u(const struct flow_match *match, enum flow_field_id id, uint64_t *value)
{
    const struct flow_field *field = match_find(match, id);

    if (!field || flow_field_size(id) > 8 || !flow_field_exact(field))
        return false;
    *value = flow_field_u(field);
    return true;
}

bool match_equal(const struct flow_match *a, const struct flow_match *b)
{
    return a->n == b->n && memcmp(a->fields, b->fields, a->n * sizeof a->fields[0]) == 0;
}

/* Flows */

struct flow flow_make(uint8_t table, uint16_t priority, uint64_t cookie)
{
    return (struct flow) {.table = table, .goto_table = FLOW_NO_GOTO, .priority = priority, .cookie = cookie};
}

struct flow_action *flow_add_action(struct flow *flow, enum flow_action_type type)
{
    flow->actions = xrealloc(flow->actions, flow->n_actions + 1u, sizeof flow->actions[0]);
    struct flow_action *action = &flow->actions[flow->n_actions++];

    *action = (struct flow_action) {.type = (uint8_t) type};
    return action;
}

void flow_output(struct flow *flow, uint32_t port)
{
    struct flow_action *action = flow_add_action(flow, ACTION_OUTPUT);

    action->port = port;
    if (port == PORT_CONTROLLER)
        action->max_len = MAX_LEN_ALL;
}

void flow_set_u(struct flow *flow, enum flow_field_id id, uint64_t value)
{
    /* OpenFlow 1.3.5 §7.2.3.7: a VLAN that is set is there. */
    if (id == FIELD_VLAN_VID)
        value |= VLAN_PRESENT;
    flow_add_action(flow, ACTION_SET_FIELD)->field = field_make_u(id, value, UINT64_MAX);
}

void flow_set_bytes(struct flow *flow, enum flow_field_id id, const uint8_t *value, const uint8_t *mask)
{
    flow_add_action(flow, ACTION_SET_FIELD)->field = field_make(id, value, mask);
}

void flow_set_mac(struct flow *flow, enum flow_field_id id, const struct mac *mac)
{
    flow_set_bytes(flow, id, mac->bytes, NULL);
}

void flow_move(struct flow *flow, enum flow_field_id source, enum flow_field_id destination)
{
    struct flow_action *action = flow_add_action(flow, ACTION_MOVE);

    action->source = (uint8_t) source;
    action->destination = (uint8_t) destination;
}

uint16_t flow_clone_begin(struct flow *flow)
{
    flow_add_action(flow, ACTION_CLONE);
    return (uint16_t) (flow->n_actions - 1);
}

void flow_clone_end(struct flow *flow, uint16_t clone)
{
    flow->actions[clone].nested = (uint16_t) (flow->n_actions - clone - 1);
}

void flow_learn_add(struct flow_learn *learn, struct flow_learn_spec spec)
{
    if (learn->n_specs == FLOW_LEARN_SPECS_MAX) {
        fprintf(stderr, "flow: an action of learning has no room for %s\n", flow_field_name(spec.destination));
        abort();
    }
    learn->specs[learn->n_specs++] = spec;
}

void flow_free(struct flow *flow)
{
    free(flow->actions);
    flow->actions = NULL;
    flow->n_actions = 0;
}

struct flow flow_copy(const struct flow *flow)
{
    struct flow copy = *flow;

    copy.actions = flow->n_actions ? xmemdup(flow->actions, flow->n_actions * sizeof flow->actions[0]) : NULL;
    return copy;
}

static bool field_equal(const struct flow_field *a, const struct flow_field *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static bool learn_equal(const struct flow_learn *a, const struct flow_learn *b)
{
    if (a->table != b->table || a->n_specs != b->n_specs || a->priority != b->priority ||
        a->idle_timeout != b->idle_timeout || a->hard_timeout != b->hard_timeout ||
        a->send_flow_removed != b->send_flow_removed || a->delete_learned != b->delete_learned ||
        a->limit != b->limit || a->fin.idle_timeout != b->fin.idle_timeout ||
        a->fin.hard_timeout != b->fin.hard_timeout || a->cookie != b->cookie)
        return false;
    for (unsigned i = 0; i < a->n_specs; i++) {
        const struct flow_learn_spec *x = &a->specs[i], *y = &b->specs[i];

        if (x->type != y->type || x->source != y->source || x->destination != y->destination || x->value != y->value)
            return false;
    }
    return true;
}

static bool action_equal(const struct flow_action *a, const struct flow_action *b)
{
    if (a->type != b->type)
        return false;
    switch ((enum flow_action_type) a->type) {
    case ACTION_OUTPUT:
        return a->port == b->port && (a->port != PORT_CONTROLLER || a->max_len == b->max_len);
    case ACTION_PUSH_VLAN:
    case ACTION_POP_VLAN:
    case ACTION_DEC_TTL:
    case ACTION_DEC_MPLS_TTL:
        return true;
    case ACTION_PUSH_MPLS:
    case ACTION_POP_MPLS:
        return a->ethertype == b->ethertype;
    case ACTION_SET_MPLS_TTL:
        return a->ttl == b->ttl;
    case ACTION_SET_FIELD:
        return field_equal(&a->field, &b->field);
    case ACTION_MOVE:
        return a->source == b->source && a->destination == b->destination;
    case ACTION_SET_QUEUE:
        return a->queue == b->queue;
    case ACTION_GROUP:
        return a->group == b->group;
    case ACTION_RESUBMIT:
        return a->table == b->table;
    case ACTION_ENCAP:
    case ACTION_DECAP:
        return a->packet_type == b->packet_type;
    case ACTION_CLONE:
        return a->nested == b->nested;
    case ACTION_LEARN:
        return learn_equal(&a->learn, &b->learn);
    case ACTION_CONJUNCTION:
        return a->conjunction.id == b->conjunction.id && a->conjunction.clause == b->conjunction.clause &&
               a->conjunction.n_clauses == b->conjunction.n_clauses;
    case ACTION_FIN_TIMEOUT:
        return a->fin.idle_timeout == b->fin.idle_timeout && a->fin.hard_timeout == b->fin.hard_timeout;
    case ACTION_UNKNOWN:
        /* Beyond what 'raw' keeps, nobody can say that they are equal. */
        return a->raw_length == b->raw_length && a->raw_length <= sizeof a->raw &&
               memcmp(a->raw, b->raw, a->raw_length) == 0;
    }
    return false;
}

bool flow_equal(const struct flow *a, const struct flow *b)
{
    /* What was not understood cannot be said to be equal. */
    if (a->has_unknown || b->has_unknown)
        return false;
    if (a->table != b->table || a->goto_table != b->goto_table || a->priority != b->priority ||
        a->idle_timeout != b->idle_timeout || a->hard_timeout != b->hard_timeout ||
        a->send_flow_removed != b->send_flow_removed || a->meter != b->meter || a->cookie != b->cookie ||
        a->metadata != b->metadata || a->metadata_mask != b->metadata_mask || a->n_actions != b->n_actions ||
        !match_equal(&a->match, &b->match))
        return false;
    for (unsigned i = 0; i < a->n_actions; i++) {
        if (!action_equal(&a->actions[i], &b->actions[i]))
            return false;
    }
    return true;
}

static void hash_number(uint64_t *hash, uint64_t number)
{
    *hash = (*hash ^ number) * UINT64_C(0x9e3779b97f4a7c15);
    *hash ^= *hash >> 29;
}

static void hash_bytes(uint64_t *hash, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
        uint64_t number = 0;

        memcpy(&number, bytes + i, size - i < sizeof number ? size - i : sizeof number);
        hash_number(hash, number);
    }
}

static void hash_learn(uint64_t *hash, const struct flow_learn *learn)
{
    hash_number(hash, learn->table | (uint64_t) learn->priority << 8 | (uint64_t) learn->idle_timeout << 24 |
                          (uint64_t) learn->hard_timeout << 40 | (uint64_t) learn->delete_learned << 56);
    hash_number(hash, learn->cookie);
    hash_number(hash,
                (uint64_t) learn->limit << 32 | (uint64_t) learn->fin.idle_timeout << 16 | learn->fin.hard_timeout);
    for (unsigned i = 0; i < learn->n_specs; i++) {
        hash_number(hash, (uint64_t) learn->specs[i].type << 16 | (uint64_t) learn->specs[i].source << 8 |
                              learn->specs[i].destination);
        hash_number(hash, learn->specs[i].value);
    }
}

/* What action_equal() compares. */
static void hash_action(uint64_t *hash, const struct flow_action *action)
{
    hash_number(hash, action->type);
    switch ((enum flow_action_type) action->type) {
    case ACTION_SET_FIELD:
        hash_bytes(hash, &action->field, sizeof action->field);
        break;
    case ACTION_LEARN:
        hash_learn(hash, &action->learn);
        break;
    case ACTION_UNKNOWN:
        hash_bytes(hash, action->raw, action->raw_length <= sizeof action->raw ? action->raw_length : 0);
        break;
    case ACTION_OUTPUT:
        hash_number(hash, action->port);
        break;
    case ACTION_PUSH_MPLS:
    case ACTION_POP_MPLS:
        hash_number(hash, action->ethertype);
        break;
    case ACTION_SET_MPLS_TTL:
        hash_number(hash, action->ttl);
        break;
    case ACTION_MOVE:
        hash_number(hash, (uint64_t) action->source << 8 | action->destination);
        break;
    case ACTION_SET_QUEUE:
        hash_number(hash, action->queue);
        break;
    case ACTION_GROUP:
        hash_number(hash, action->group);
        break;
    case ACTION_RESUBMIT:
        hash_number(hash, action->table);
        break;
    case ACTION_ENCAP:
    case ACTION_DECAP:
        hash_number(hash, action->packet_type);
        break;
    case ACTION_CLONE:
        hash_number(hash, action->nested);
        break;
    case ACTION_CONJUNCTION:
        hash_number(hash, (uint64_t) action->conjunction.id << 16 | (uint64_t) action->conjunction.clause << 8 |
                              action->conjunction.n_clauses);
        break;
    case ACTION_FIN_TIMEOUT:
        hash_number(hash, (uint64_t) action->fin.idle_timeout << 16 | action->fin.hard_timeout);
        break;
    case ACTION_PUSH_VLAN:
    case ACTION_POP_VLAN:
    case ACTION_DEC_TTL:
    case ACTION_DEC_MPLS_TTL:
        break;
    }
}

uint64_t flow_hash(const struct flow *flow)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    hash_number(&hash, flow->table | (uint64_t) flow->goto_table << 8 | (uint64_t) flow->priority << 16 |
                           (uint64_t) flow->idle_timeout << 32 | (uint64_t) flow->hard_timeout << 48);
    hash_number(&hash, flow->cookie);
    hash_number(&hash, (uint64_t) flow->send_flow_removed << 32 | flow->meter);
    hash_number(&hash, flow->metadata);
    hash_number(&hash, flow->metadata_mask);
    hash_bytes(&hash, flow->match.fields, flow->match.n * sizeof flow->match.fields[0]);
    for (unsigned i = 0; i < flow->n_actions; i++)
        hash_action(&hash, &flow->actions[i]);
    return hash;
}

int flow_compare(const void *a, const void *b)
{
    const struct flow *x = a, *y = b;

    if (x->table != y->table)
        return x->table < y->table ? -1 : 1;
    if (x->priority != y->priority)
        return x->priority > y->priority ? -1 : 1;
    size_t common = x->match.n < y->match.n ? x->match.n : y->match.n;
    int order = memcmp(x->match.fields, y->match.fields, common * sizeof x->match.fields[0]);

    if (order)
        return order;
    if (x->match.n != y->match.n)
        return x->match.n < y->match.n ? -1 : 1;
    return x->cookie < y->cookie ? -1 : x->cookie > y->cookie;
}

/* Lists and transactions */

void flow_list_add(struct flow_list *list, struct flow flow)
{
    list->flows = array_reserve(list->flows, list->n, &list->capacity, sizeof flow);
    list->flows[list->n++] = flow;
}

void flow_list_free(struct flow_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        flow_free(&list->flows[i]);
    free(list->flows);
    *list = (struct flow_list) {0};
}

static struct flow_mod *txn_add_mod(struct flow_txn *txn, enum flow_command command, uint64_t cookie_mask)
{
    txn->mods = array_reserve(txn->mods, txn->n_mods, &txn->cap_mods, sizeof *txn->mods);
    struct flow_mod *mod = &txn->mods[txn->n_mods++];

    mod->command = command;
    mod->cookie_mask = cookie_mask;
    return mod;
}

void flow_txn_add(struct flow_txn *txn, struct flow flow)
{
    txn_add_mod(txn, FLOW_ADD, 0)->flow = flow;
}

void flow_txn_delete_cookie(struct flow_txn *txn, uint8_t table, uint64_t cookie, uint64_t mask)
{
    txn_add_mod(txn, FLOW_DELETE, mask)->flow = flow_make(table, 0, cookie);
}

void flow_txn_delete_strict(struct flow_txn *txn, struct flow flow)
{
    txn_add_mod(txn, FLOW_DELETE_STRICT, 0)->flow = flow;
}

bool flow_meter_equal(const struct flow_meter *a, const struct flow_meter *b)
{
    return a->id == b->id && a->rate == b->rate && a->burst == b->burst && a->packets == b->packets;
}

void flow_txn_meter_add(struct flow_txn *txn, struct flow_meter meter)
{
    txn->meters_add = array_reserve(txn->meters_add, txn->n_meters_add, &txn->cap_meters_add, sizeof meter);
    txn->meters_add[txn->n_meters_add++] = meter;
}

void flow_txn_meter_delete(struct flow_txn *txn, uint32_t id)
{
    txn->meters_delete = array_reserve(txn->meters_delete, txn->n_meters_delete, &txn->cap_meters_delete, sizeof id);
    txn->meters_delete[txn->n_meters_delete++] = id;
}

void flow_txn_append(struct flow_txn *txn, const struct flow_txn *from)
{
    for (size_t i = 0; i < from->n_meters_add; i++)
        flow_txn_meter_add(txn, from->meters_add[i]);
    for (size_t i = 0; i < from->n_mods; i++) {
        const struct flow_mod *mod = &from->mods[i];

        txn_add_mod(txn, mod->command, mod->cookie_mask)->flow = flow_copy(&mod->flow);
    }
    for (size_t i = 0; i < from->n_meters_delete; i++)
        flow_txn_meter_delete(txn, from->meters_delete[i]);
}

struct flow_txn flow_txn_copy(const struct flow_txn *txn)
{
    struct flow_txn copy = {0};

    flow_txn_append(&copy, txn);
    return copy;
}

bool flow_txn_is_empty(const struct flow_txn *txn)
{
    return !txn->n_meters_add && !txn->n_mods && !txn->n_meters_delete;
}

void flow_txn_free(struct flow_txn *txn)
{
    for (size_t i = 0; i < txn->n_mods; i++)
        flow_free(&txn->mods[i].flow);
    free(txn->mods);
    free(txn->meters_add);
    free(txn->meters_delete);
    *txn = (struct flow_txn) {0};
}
