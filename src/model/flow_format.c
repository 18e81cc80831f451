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
        strbuf_printf(s, "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]);
        return;
    case FIELD_IPV4_SRC:
    case FIELD_IPV4_DST:
    case FIELD_ARP_SPA:
    case FIELD_ARP_TPA:
    case FIELD_IPV6_SRC:
    case FIELD_IPV6_DST:
        memcpy(ip.bytes, bytes, size);
        strbuf_puts(s, ip_format(&ip, text));
        return;
    case FIELD_IN_PORT:
        format_port(s, (uint32_t) number_of(bytes, size));
        return;
    case FIELD_ETH_TYPE:
        strbuf_printf(s, "0x%04" PRIx64, number_of(bytes, size));
        return;
    case FIELD_METADATA:
    case FIELD_REG0:
    case FIELD_REG1:
    case FIELD_REG2:
    case FIELD_REG3:
    case FIELD_VLAN_VID:
    case FIELD_TCP_FLAGS:
        strbuf_printf(s, "0x%" PRIx64, number_of(bytes, size));
        return;
    default:
        strbuf_printf(s, flow_field_exact(field) ? "%" PRIu64 : "0x%" PRIx64, number_of(bytes, size));
        return;
    }
}

static void format_field_value(struct strbuf *s, const struct flow_field *field)
{
    format_bytes(s, field, field->value);
    /* ovs-ofctl takes a bare tcp_flags=0x12 for the short form of flags, so it always gets its mask. */
    if (!flow_field_exact(field) || field->id == FIELD_TCP_FLAGS) {
        strbuf_puts(s, "/");
        format_bytes(s, field, field->mask);
    }
}

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
    case ACTION_SET_QUEUE:
        strbuf_printf(s, "set_queue:%" PRIu32, action->queue);
        return;
    case ACTION_GROUP:
        strbuf_printf(s, "group:%" PRIu32, action->group);
        return;
    case ACTION_RESUBMIT:
        strbuf_printf(s, "resubmit(,%u)", action->table);
        return;
    case ACTION_UNKNOWN:
        strbuf_puts(s, "unknown(");
        for (size_t i = 0; i < action->raw_length && i < sizeof action->raw; i++)
            strbuf_printf(s, "%02x", action->raw[i]);
        strbuf_puts(s, action->raw_length > sizeof action->raw ? "...)" : ")");
        return;
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
    for (unsigned i = 0; i < flow->n_actions; i++) {
        strbuf_puts(s, comma);
        format_action(s, &flow->actions[i]);
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

        strbuf_printf(&s,
                      "meter_add meter=%" PRIu32 ",kbps,burst,band=type=drop,rate=%" PRIu32 ",burst_size=%" PRIu32 "\n",
                      meter->id, meter->rate_kbps, meter->burst_kbit);
    }
    for (size_t i = 0; i < txn->n_mods; i++)
        format_mod(&s, &txn->mods[i]);
    for (size_t i = 0; i < txn->n_meters_delete; i++)
        strbuf_printf(&s, "meter_delete meter=%" PRIu32 "\n", txn->meters_delete[i]);
    return strbuf_take(&s);
}
