/* SPDX-License-Identifier: Apache-2.0 */
/* Flows as text, in the form that ovs-ofctl(8) reads. */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "model/flow.h"

static uint64_t number_of(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size && i < 8; i++)
        value = value << 8 | bytes[i];
    return value;
}

static void format_port(struct strbuf *s, uint32_t port)
{
    static const struct {
        uint32_t port;
        const char *name;
    } names[] = {{PORT_IN_PORT, "IN_PORT"},       {PORT_NORMAL, "NORMAL"}, {PORT_FLOOD, "FLOOD"}, {PORT_ALL, "ALL"},
                 {PORT_CONTROLLER, "CONTROLLER"}, {PORT_LOCAL, "LOCAL"},   {PORT_NONE, "ANY"}};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (names[i].port == port) {
            strbuf_puts(s, names[i].name);
            return;
        }
    }
    strbuf_printf(s, "%" PRIu32, port);
}

static void format_bytes(struct strbuf *s, const struct flow_field *field, const uint8_t *bytes)
{
    size_t size = flow_field_size(field->id);
    struct ip ip = {.family = size == 4 ? IP_V4 : IP_V6};
    char text[IP_TEXT_SIZE];

    switch ((enum flow_field_id) field->id) {
    case FIELD_ETH_DST:
    case FIELD_ETH_SRC:
    case FIELD_ARP_SHA:
    case FIELD_ARP_THA:
    case FIELD_ND_SLL:
    case FIELD_ND_TLL:
        strbuf_printf(s, "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]);
        return;
    case FIELD_IPV4_SRC:
    case FIELD_IPV4_DST:
    case FIELD_ARP_SPA:
    case FIELD_ARP_TPA:
    case FIELD_IPV6_SRC:
    case FIELD_IPV6_DST:
    case FIELD_ND_TARGET:
        memcpy(ip.bytes, bytes, size);
        strbuf_puts(s, ip_format(&ip, text));
        return;
    case FIELD_IN_PORT:
        format_port(s, (uint32_t) number_of(bytes, size));
        return;
    case FIELD_PACKET_TYPE:
        strbuf_printf(s, "(%u,0x%x)", bytes[0] << 8 | bytes[1], bytes[2] << 8 | bytes[3]);
        return;
    case FIELD_ETH_TYPE:
        strbuf_printf(s, "0x%04" PRIx64, number_of(bytes, size));
        return;
    case FIELD_METADATA:
    case FIELD_REG0:
    case FIELD_REG1:
    case FIELD_REG2:
    case FIELD_REG3:
    case FIELD_REG4:
    case FIELD_REG5:
    case FIELD_REG6:
    case FIELD_VLAN_VID:
    case FIELD_TCP_FLAGS:
        strbuf_printf(s, "0x%" PRIx64, number_of(bytes, size));
        return;
    default:
        strbuf_printf(s, flow_field_exact(field) ? "%" PRIu64 : "0x%" PRIx64, number_of(bytes, size));
        return;
    }
}

/* ovs-ofctl has words for fragments, and takes nothing else. */
static const char *fragment_word(const struct flow_field *field)
{
    static const char *const words[4][4] = {[IP_FRAG_ANY] = {"no", "yes"},
                                            [IP_FRAG_LATER] = {"not_later", NULL, "later"},
                                            [IP_FRAG_ANY | IP_FRAG_LATER] = {"no", "first", NULL, "later"}};

    return words[field->mask[0] & 3][field->value[0] & 3];
}

static void format_field_value(struct strbuf *s, const struct flow_field *field)
{
    if (field->id == FIELD_IP_FRAG && fragment_word(field)) {
        strbuf_puts(s, fragment_word(field));
        return;
    }
    format_bytes(s, field, field->value);
    /* ovs-ofctl takes a bare tcp_flags=0x12 for the short form of flags, so it always gets its mask. */
    if (!flow_field_exact(field) || field->id == FIELD_TCP_FLAGS) {
        strbuf_puts(s, "/");
        format_bytes(s, field, field->mask);
    }
}

static void format_learn_spec(struct strbuf *s, const struct flow_learn_spec *spec)
{
    struct flow_match one = {0};
    const char *source = flow_field_name(spec->source), *destination = flow_field_name(spec->destination);

    switch ((enum flow_learn_type) spec->type) {
    case LEARN_MATCH_VALUE:
        match_u(&one, spec->destination, spec->value);
        strbuf_printf(s, ",%s=", destination);
        format_field_value(s, &one.fields[0]);
        return;
    case LEARN_MATCH_FIELD:
        strbuf_printf(s, ",%s[]=%s[]", destination, source);
        return;
    case LEARN_LOAD_VALUE:
        strbuf_printf(s, ",load:0x%" PRIx64 "->%s[]", spec->value, destination);
        return;
    case LEARN_LOAD_FIELD:
        strbuf_printf(s, ",load:%s[]->%s[]", source, destination);
        return;
    case LEARN_OUTPUT:
        strbuf_printf(s, ",output:%s[]", source);
        return;
    }
}

static void format_learn(struct strbuf *s, const struct flow_learn *learn)
{
    strbuf_printf(s, "learn(table=%u", learn->table);
    if (learn->idle_timeout)
        strbuf_printf(s, ",idle_timeout=%u", learn->idle_timeout);
    if (learn->hard_timeout)
        strbuf_printf(s, ",hard_timeout=%u", learn->hard_timeout);
    if (learn->fin.idle_timeout)
        strbuf_printf(s, ",fin_idle_timeout=%u", learn->fin.idle_timeout);
    if (learn->fin.hard_timeout)
        strbuf_printf(s, ",fin_hard_timeout=%u", learn->fin.hard_timeout);
    strbuf_printf(s, ",priority=%u", learn->priority);
    if (learn->send_flow_removed)
        strbuf_puts(s, ",send_flow_rem");
    if (learn->delete_learned)
        strbuf_puts(s, ",delete_learned");
    strbuf_printf(s, ",cookie=0x%" PRIx64, learn->cookie);
    if (learn->limit)
        strbuf_printf(s, ",limit=%" PRIu32, learn->limit);
    for (unsigned i = 0; i < learn->n_specs; i++)
        format_learn_spec(s, &learn->specs[i]);
    strbuf_puts(s, ")");
}

static void format_encap(struct strbuf *s, uint32_t packet_type)
{
    if (packet_type == PACKET_TYPE_ETHERNET)
        strbuf_puts(s, "encap(ethernet)");
    else if (packet_type == PACKET_TYPE_MPLS)
        strbuf_puts(s, "encap(mpls)");
    else
        strbuf_printf(s, "encap(0x%08" PRIx32 ")", packet_type);
}

static void format_decap(struct strbuf *s, uint32_t packet_type)
{
    if (packet_type == PACKET_TYPE_NEXT)
        strbuf_puts(s, "decap()");
    else
        strbuf_printf(s, "decap(packet_type(ns=%" PRIu32 ",type=%#" PRIx32 "))", packet_type >> 16,
                      packet_type & 0xffff);
}

/* All but a clone, which is more than one. */
static void format_action(struct strbuf *s, const struct flow_action *action)
{
    switch ((enum flow_action_type) action->type) {
    case ACTION_OUTPUT:
        if (action->port == PORT_CONTROLLER) {
            strbuf_printf(s, "CONTROLLER:%u", action->max_len);
        } else {
            strbuf_puts(s, "output:");
            format_port(s, action->port);
        }
        return;
    case ACTION_PUSH_VLAN:
        strbuf_puts(s, "push_vlan:0x8100");
        return;
    case ACTION_POP_VLAN:
        strbuf_puts(s, "pop_vlan");
        return;
    case ACTION_PUSH_MPLS:
        strbuf_printf(s, "push_mpls:0x%04x", action->ethertype);
        return;
    case ACTION_POP_MPLS:
        strbuf_printf(s, "pop_mpls:0x%04x", action->ethertype);
        return;
    case ACTION_SET_FIELD:
        /* in_port has 16 bits in what a switch can load. */
        if (action->field.id == FIELD_IN_PORT) {
            strbuf_printf(s, "load:0x%" PRIx64 "->in_port[]", flow_field_u(&action->field) & 0xffff);
            return;
        }
        strbuf_puts(s, "set_field:");
        format_field_value(s, &action->field);
        strbuf_printf(s, "->%s", flow_field_name(action->field.id));
        return;
    case ACTION_MOVE:
        strbuf_printf(s, "move:%s[]->%s[]", flow_field_name(action->source), flow_field_name(action->destination));
        return;
    case ACTION_DEC_TTL:
        strbuf_puts(s, "dec_ttl");
        return;
    case ACTION_SET_MPLS_TTL:
        strbuf_printf(s, "set_mpls_ttl(%u)", action->ttl);
        return;
    case ACTION_DEC_MPLS_TTL:
        strbuf_puts(s, "dec_mpls_ttl");
        return;
    case ACTION_SET_QUEUE:
        strbuf_printf(s, "set_queue:%" PRIu32, action->queue);
        return;
    case ACTION_GROUP:
        strbuf_printf(s, "group:%" PRIu32, action->group);
        return;
    case ACTION_RESUBMIT:
        strbuf_printf(s, "resubmit(,%u)", action->table);
        return;
    case ACTION_ENCAP:
        format_encap(s, action->packet_type);
        return;
    case ACTION_DECAP:
        format_decap(s, action->packet_type);
        return;
    case ACTION_CLONE:
        return;
    case ACTION_LEARN:
        format_learn(s, &action->learn);
        return;
    case ACTION_FIN_TIMEOUT:
        strbuf_printf(s, "fin_timeout(idle_timeout=%u,hard_timeout=%u)", action->fin.idle_timeout,
                      action->fin.hard_timeout);
        return;
    case ACTION_CONJUNCTION:
        strbuf_printf(s, "conjunction(%" PRIu32 ",%u/%u)", action->conjunction.id, action->conjunction.clause,
                      action->conjunction.n_clauses);
        return;
    case ACTION_UNKNOWN:
        strbuf_puts(s, "unknown(");
        for (size_t i = 0; i < action->raw_length && i < sizeof action->raw; i++)
            strbuf_printf(s, "%02x", action->raw[i]);
        strbuf_puts(s, action->raw_length > sizeof action->raw ? "...)" : ")");
        return;
    }
}

static void format_actions(struct strbuf *s, const struct flow_action *actions, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t nested = 0;

        strbuf_puts(s, i ? "," : "");
        if (actions[i].type == ACTION_CLONE) {
            nested = actions[i].nested < n - i - 1 ? actions[i].nested : n - i - 1;
            strbuf_puts(s, "clone(");
            format_actions(s, &actions[i + 1], nested);
            strbuf_puts(s, ")");
        } else {
            format_action(s, &actions[i]);
        }
        i += nested;
    }
}

static void format_match(struct strbuf *s, const struct flow_match *match)
{
    for (unsigned i = 0; i < match->n; i++) {
        strbuf_printf(s, ",%s=", flow_field_name(match->fields[i].id));
        format_field_value(s, &match->fields[i]);
    }
}

static void format_instructions(struct strbuf *s, const struct flow *flow)
{
    const char *comma = "";

    if (flow->meter) {
        strbuf_printf(s, "meter:%" PRIu32, flow->meter);
        comma = ",";
    }
    if (flow->n_actions) {
        strbuf_puts(s, comma);
        format_actions(s, flow->actions, flow->n_actions);
        comma = ",";
    }
    if (flow->metadata_mask) {
        strbuf_printf(s, "%swrite_metadata:0x%" PRIx64 "/0x%" PRIx64, comma, flow->metadata, flow->metadata_mask);
        comma = ",";
    }
    if (flow->goto_table != FLOW_NO_GOTO) {
        strbuf_printf(s, "%sgoto_table:%u", comma, flow->goto_table);
        comma = ",";
    }
    if (!*comma)
        strbuf_puts(s, "drop");
}

static void format_flow(struct strbuf *s, const struct flow *flow)
{
    strbuf_printf(s, "cookie=0x%" PRIx64 ",table=%u,priority=%u", flow->cookie, flow->table, flow->priority);
    if (flow->idle_timeout)
        strbuf_printf(s, ",idle_timeout=%u", flow->idle_timeout);
    if (flow->hard_timeout)
        strbuf_printf(s, ",hard_timeout=%u", flow->hard_timeout);
    if (flow->send_flow_removed)
        strbuf_puts(s, ",send_flow_rem");
    format_match(s, &flow->match);
    if (flow->has_unknown)
        strbuf_puts(s, ",(and more that is not understood)");
    strbuf_puts(s, ",actions=");
    format_instructions(s, flow);
}

char *flow_format(const struct flow *flow)
{
    struct strbuf s = {0};

    format_flow(&s, flow);
    return strbuf_take(&s);
}

char *flow_match_format(const struct flow_match *match)
{
    struct strbuf s = {0};

    format_match(&s, match);
    char *text = xstrdup(s.length ? s.text + 1 : "any packet");
    strbuf_free(&s);
    return text;
}

static void format_mod(struct strbuf *s, const struct flow_mod *mod)
{
    const struct flow *flow = &mod->flow;

    switch (mod->command) {
    case FLOW_ADD:
        strbuf_puts(s, "add ");
        format_flow(s, flow);
        break;
    case FLOW_DELETE:
        strbuf_printf(s, "delete cookie=0x%" PRIx64 "/0x%" PRIx64, flow->cookie, mod->cookie_mask);
        if (flow->table != FLOW_TABLE_ALL)
            strbuf_printf(s, ",table=%u", flow->table);
        format_match(s, &flow->match);
        break;
    case FLOW_DELETE_STRICT:
        strbuf_printf(s, "delete_strict table=%u,priority=%u", flow->table, flow->priority);
        format_match(s, &flow->match);
        break;
    }
    strbuf_puts(s, "\n");
}

char *flow_txn_format(const struct flow_txn *txn)
{
    struct strbuf s = {0};

    for (size_t i = 0; i < txn->n_meters_add; i++) {
        const struct flow_meter *meter = &txn->meters_add[i];

        strbuf_printf(&s, "meter_add meter=%" PRIu32 ",%s%s,band=type=drop,rate=%" PRIu32, meter->id,
                      meter->packets ? "pktps" : "kbps", meter->burst ? ",burst" : "", meter->rate);
        if (meter->burst)
            strbuf_printf(&s, ",burst_size=%" PRIu32, meter->burst);
        strbuf_puts(&s, "\n");
    }
    for (size_t i = 0; i < txn->n_mods; i++)
        format_mod(&s, &txn->mods[i]);
    for (size_t i = 0; i < txn->n_meters_delete; i++)
        strbuf_printf(&s, "meter_delete meter=%" PRIu32 "\n", txn->meters_delete[i]);
    return strbuf_take(&s);
}

char *flow_meter_format(const struct flow_meter *meter)
{
    struct strbuf s = {0};

    strbuf_printf(&s, "%" PRIu32 " %s", meter->rate, meter->packets ? "packets/s" : "kbit/s");
    if (meter->burst)
        strbuf_printf(&s, " with bursts of %" PRIu32 " %s", meter->burst, meter->packets ? "packets" : "kbit");
    return strbuf_take(&s);
}
