/* SPDX-License-Identifier: Apache-2.0 */
#include "core/policy_state.h"

#include <string.h>

#include "base/alloc.h"
#include "core/pipeline.h"
#include "core/policy_field.h"
#include "core/policy_passing.h"
#include "core/policy_reject.h"
#include "model/connection.h"

#define ETH_TYPE_IPV4 0x0800
#define ETH_TYPE_IPV6 0x86dd

static enum policy_direction other(enum policy_direction direction)
{
    return direction == POLICY_FROM_VM ? POLICY_TO_VM : POLICY_FROM_VM;
}

unsigned policy_rule_parts(const struct policy_rule *rule, struct policy_rule parts[POLICY_PARTS_MAX])
{
    static const int16_t protocols[] = {IP_TCP, IP_UDP, IP_ICMP, IP_ICMPV6};
    unsigned n = 0;

    if (rule->ethertype)
        return 0;
    if (!rule->stateful) {
        parts[0] = *rule;
        return 1;
    }
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        struct policy_rule part = *rule;
        uint8_t family = protocols[i] == IP_ICMP ? IP_V4 : protocols[i] == IP_ICMPV6 ? IP_V6 : IP_NONE;

        if ((rule->protocol != POLICY_ANY && rule->protocol != protocols[i]) ||
            (family != IP_NONE && rule->family != IP_NONE && rule->family != family))
            continue;
        part.protocol = protocols[i];
        if (family != IP_NONE) {
            part.family = family;
            part.icmp_type = family == IP_V6 ? ICMPV6_ECHO_REQUEST : ICMP_ECHO_REQUEST;
        }
        parts[n++] = part;
    }
    return n;
}

/* Whether the rule can match a packet of the family. */
static bool is_of_family(const struct policy_rule *rule, enum ip_family family)
{
    bool has_remote = !rule->remotes;

    for (size_t i = 0; rule->remotes && i < rule->remotes->n; i++)
        has_remote |= family == IP_NONE || rule->remotes->prefixes[i].ip.family == family;
    return has_remote && (family == IP_NONE || rule->family == IP_NONE || rule->family == family);
}

bool policy_awaits_replies(const struct policy *policy, enum policy_direction direction, enum ip_family family)
{
    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct policy_rule *rule = &policy->rules[i];
        struct policy_rule parts[POLICY_PARTS_MAX];
        unsigned n = rule->stateful && rule->direction == other(direction) ? policy_rule_parts(rule, parts) : 0;

        for (unsigned p = 0; p < n; p++) {
            if (is_of_family(&parts[p], family))
                return true;
        }
    }
    return false;
}

bool policy_passes_any(const struct policy *policy, enum policy_direction direction)
{
    bool passes = policy->default_verdict[direction] == POLICY_ALLOW ||
                  policy_awaits_replies(policy, direction, IP_NONE);

    for (size_t i = 0; i < policy->n_rules; i++)
        passes |= policy->rules[i].direction == direction && policy->rules[i].verdict == POLICY_ALLOW;
    return passes;
}

bool policy_is_stateful(const struct policy *policy)
{
    return policy_awaits_replies(policy, POLICY_FROM_VM, IP_NONE) ||
           policy_awaits_replies(policy, POLICY_TO_VM, IP_NONE);
}

static void learn_value(struct flow_learn *learn, enum flow_learn_type type, enum flow_field_id field, uint64_t value)
{
    flow_learn_add(learn, (struct flow_learn_spec) {(uint8_t) type, 0, (uint8_t) field, value});
}

/* Each of the two fields matches what the other one of the packet is. */
static void learn_swapped(struct flow_learn *learn, enum flow_field_id a, enum flow_field_id b)
{
    flow_learn_add(learn, (struct flow_learn_spec) {LEARN_MATCH_FIELD, (uint8_t) b, (uint8_t) a, 0});
    flow_learn_add(learn, (struct flow_learn_spec) {LEARN_MATCH_FIELD, (uint8_t) a, (uint8_t) b, 0});
}

/* In reg6, of a packet in the state and verdict tables. */
enum { STATE_KNOWN = 1, STATE_TEACHES = 2 };

/* Flows by which packets teach. */
#define TEACHER_PRIORITY 50

static const struct teacher {
    uint8_t protocol; /* of IPv4; IPv6 has another number for echoes */
    uint8_t priority; /* above TEACHER_PRIORITY */
    uint16_t tcp_flag;
    uint16_t idle_timeout; /* of what is learned, in seconds; 0: nothing is */
} teachers[] = {{IP_TCP, 0, 0, CONNECTION_TCP_IDLE_S},
                {IP_TCP, 1, TCP_SYN, CONNECTION_HALF_OPEN_IDLE_S},
                {IP_TCP, 2, TCP_RST, 0},
                {IP_UDP, 0, 0, CONNECTION_UDP_IDLE_S},
                {IP_ICMP, 0, 0, CONNECTION_ECHO_IDLE_S}};

static uint64_t protocol_of(const struct policy_site *site, const struct teacher *teacher)
{
    return teacher->protocol == IP_ICMP && site->ip.family == IP_V6 ? IP_ICMPV6 : teacher->protocol;
}

static struct flow_learn learn_of(const struct policy_site *site, enum policy_direction direction,
                                  const struct teacher *teacher)
{
    bool v6 = site->ip.family == IP_V6, half_open = teacher->tcp_flag == TCP_SYN;
    struct flow_learn learn = {
        .table = site->state_table[other(direction)],
        .priority = half_open ? STATE_PRIORITY_HALF_OPEN : STATE_PRIORITY,
        .idle_timeout = teacher->idle_timeout,
        .limit = half_open ? CONNECTIONS_HALF_OPEN_MAX : CONNECTIONS_MAX,
        .cookie = half_open ? site->half_open_cookie : site->state_cookie,
    };

    if (teacher->protocol == IP_TCP && !half_open)
        learn.fin.idle_timeout = CONNECTION_FIN_IDLE_S;
    learn_value(&learn, LEARN_MATCH_VALUE, FIELD_ETH_TYPE, v6 ? ETH_TYPE_IPV6 : ETH_TYPE_IPV4);
    learn_value(&learn, LEARN_MATCH_VALUE, FIELD_IP_PROTO, protocol_of(site, teacher));
    learn_swapped(&learn, v6 ? FIELD_IPV6_SRC : FIELD_IPV4_SRC, v6 ? FIELD_IPV6_DST : FIELD_IPV4_DST);
    if (teacher->protocol == IP_TCP)
        learn_swapped(&learn, FIELD_TCP_SRC, FIELD_TCP_DST);
    else if (teacher->protocol == IP_UDP)
        learn_swapped(&learn, FIELD_UDP_SRC, FIELD_UDP_DST);
    else
        learn_value(&learn, LEARN_MATCH_VALUE, v6 ? FIELD_ICMPV6_TYPE : FIELD_ICMPV4_TYPE,
                    v6 ? ICMPV6_ECHO_REPLY : ICMP_ECHO_REPLY);
    learn_value(&learn, LEARN_LOAD_VALUE, FIELD_REG6, STATE_KNOWN);
    return learn;
}

static struct flow teacher_flow(const struct policy_site *site, enum policy_direction direction,
                                const struct teacher *teacher)
{
    struct flow flow = flow_make(site->state_table[direction], (uint16_t) (TEACHER_PRIORITY + teacher->priority),
                                 site->cookie);

    policy_match_vm(&flow.match, site, direction);
    match_u(&flow.match, FIELD_REG6, STATE_TEACHES);
    match_u(&flow.match, FIELD_IP_PROTO, protocol_of(site, teacher));
    match_u_masked(&flow.match, FIELD_TCP_FLAGS, teacher->tcp_flag, teacher->tcp_flag);
    if (teacher->idle_timeout)
        flow_add_action(&flow, ACTION_LEARN)->learn = learn_of(site, direction, teacher);
    return flow;
}

void policy_state_teach(const struct policy_site *site, enum policy_direction direction, struct flow *flow)
{
    flow_set_u(flow, FIELD_REG6, STATE_TEACHES);
    flow_add_action(flow, ACTION_RESUBMIT)->table = site->state_table[direction];
    flow_set_u(flow, FIELD_REG6, 0);
}

void policy_state_teachers(const struct policy_site *site, enum policy_direction direction, struct flow_txn *txn)
{
    for (size_t i = 0; i < ARRAY_LEN(teachers); i++)
        flow_txn_add(txn, teacher_flow(site, direction, &teachers[i]));
}

void policy_state_ask(const struct policy_site *site, enum policy_direction direction, struct flow *flow)
{
    flow_add_action(flow, ACTION_RESUBMIT)->table = site->state_table[direction];
    flow->goto_table = site->verdict_table[direction];
}

struct flow policy_state_verdict(const struct policy_site *site, enum policy_direction direction)
{
    struct flow flow = flow_make(site->verdict_table[direction], STATE_PRIORITY, site->cookie);

    policy_match_vm(&flow.match, site, direction);
    match_u(&flow.match, FIELD_REG6, STATE_KNOWN);
    flow_set_u(&flow, FIELD_REG6, 0);
    policy_pass(site, direction, 0, &flow);
    return flow;
}

unsigned policy_state_teaching(const struct policy_site *site, enum policy_direction direction, const struct flow *flow)
{
    struct flow teaches = {0}, begins = {0};

    policy_state_teach(site, direction, &teaches);
    for (unsigned i = 0; i < teaches.n_actions && i < flow->n_actions; i++)
        *flow_add_action(&begins, ACTION_UNKNOWN) = flow->actions[i];
    unsigned n = flow_equal(&teaches, &begins) ? teaches.n_actions : 0;

    flow_free(&teaches);
    flow_free(&begins);
    return n;
}

bool policy_state_has_replies(const struct policy_rule *rule)
{
    struct policy_rule stateful = *rule, parts[POLICY_PARTS_MAX];

    stateful.stateful = true;
    return policy_rule_parts(&stateful, parts) == 1 && parts[0].protocol == rule->protocol &&
           parts[0].icmp_type == rule->icmp_type;
}

bool policy_state_is_teacher(const struct flow *flow)
{
    return match_find(&flow->match, FIELD_REG6) != NULL;
}

static bool has_teacher(struct flow *wanted, const struct flow *flows, size_t n_flows)
{
    for (size_t i = 0; i < n_flows; i++) {
        const struct flow *held = &flows[i];

        if (held->table != wanted->table || held->priority != wanted->priority || held->n_actions != wanted->n_actions)
            continue;
        wanted->cookie = held->cookie;
        if (wanted->n_actions && held->actions[0].type == ACTION_LEARN)
            wanted->actions[0].learn.cookie = held->actions[0].learn.cookie;
        if (flow_equal(wanted, held))
            return true;
    }
    return false;
}

bool policy_state_has_teachers(const struct policy_site *site, enum policy_direction direction,
                               const struct flow *flows, size_t n_flows)
{
    bool has = true;

    for (size_t i = 0; i < ARRAY_LEN(teachers); i++) {
        struct flow wanted = teacher_flow(site, direction, &teachers[i]);

        has = has && has_teacher(&wanted, flows, n_flows);
        flow_free(&wanted);
    }
    return has;
}

bool policy_state_is_ask(const struct policy_site *site, enum policy_direction direction, const struct flow *flow)
{
    unsigned n = policy_reject_marks(flow);

    return flow->n_actions == n + 1 && flow->actions[n].type == ACTION_RESUBMIT &&
           flow->actions[n].table == site->state_table[direction] && flow->goto_table == site->verdict_table[direction];
}

const struct flow *policy_find_verdict(struct flow wanted, const struct flow *flows, size_t n_flows)
{
    const struct flow *found = NULL;

    for (size_t i = 0; i < n_flows && !found; i++) {
        if (flows[i].table != wanted.table || flows[i].priority != wanted.priority)
            continue;
        wanted.cookie = flows[i].cookie;
        wanted.meter = flows[i].meter;
        if (flow_equal(&wanted, &flows[i]))
            found = &flows[i];
    }
    flow_free(&wanted);
    return found;
}

const struct flow *policy_state_find_verdict(const struct policy_site *site, enum policy_direction direction,
                                             const struct flow *flows, size_t n_flows)
{
    struct policy_site plain = *site, limited = *site;

    plain.numbers.limit_meters[direction] = 0;
    limited.numbers.limit_meters[direction] = 1;
    const struct flow *found = policy_find_verdict(policy_state_verdict(&plain, direction), flows, n_flows);
    if (found)
        return found;
    /* What leads to the limit meets the direction's meter behind that. */
    found = policy_find_verdict(policy_state_verdict(&limited, direction), flows, n_flows);
    return found && !found->meter ? found : NULL;
}

/* ---- connections ---- */

static struct flow flow_of_connection(const struct policy_site *site, const struct connection *connection,
                                      bool half_open)
{
    bool from_vm = connection->direction == POLICY_FROM_VM, v6 = site->ip.family == IP_V6;
    bool tcp = connection->protocol == IP_TCP;
    struct flow flow = flow_make(site->state_table[connection->direction],
                                 half_open ? STATE_PRIORITY_HALF_OPEN : STATE_PRIORITY,
                                 half_open ? site->half_open_cookie : site->state_cookie);
    struct prefix vm = prefix_of(&site->ip, (uint8_t) ip_bits(site->ip.family));
    struct prefix remote = prefix_of(&connection->remote, (uint8_t) ip_bits(site->ip.family));

    flow.idle_timeout = connection->idle_timeout;
    match_prefix(&flow.match, FIELD_IPV4_SRC, FIELD_IPV6_SRC, from_vm ? &vm : &remote);
    match_prefix(&flow.match, FIELD_IPV4_DST, FIELD_IPV6_DST, from_vm ? &remote : &vm);
    match_u(&flow.match, FIELD_IP_PROTO, connection->protocol);
    if (tcp || connection->protocol == IP_UDP) {
        match_u(&flow.match, tcp ? FIELD_TCP_SRC : FIELD_UDP_SRC,
                from_vm ? connection->vm_port : connection->remote_port);
        match_u(&flow.match, tcp ? FIELD_TCP_DST : FIELD_UDP_DST,
                from_vm ? connection->remote_port : connection->vm_port);
    } else {
        match_u(&flow.match, v6 ? FIELD_ICMPV6_TYPE : FIELD_ICMPV4_TYPE, v6 ? ICMPV6_ECHO_REPLY : ICMP_ECHO_REPLY);
    }
    if (tcp && !half_open)
        flow_add_action(&flow, ACTION_FIN_TIMEOUT)->fin.idle_timeout = CONNECTION_FIN_IDLE_S;
    flow_set_u(&flow, FIELD_REG6, STATE_KNOWN);
    return flow;
}

void connections_to_flows(const struct connection_list *list, const struct policy_site *site, struct flow_txn *txn)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct ip *local = &list->items[i].local;

        if (list->items[i].remote.family == site->ip.family && (local->family == IP_NONE || ip_equal(local, &site->ip)))
            flow_txn_add(txn, flow_of_connection(site, &list->items[i], false));
    }
}

static uint16_t port_of(const struct flow *flow, enum flow_field_id tcp, enum flow_field_id udp)
{
    uint64_t port = 0;

    if (!match_get_u(&flow->match, tcp, &port))
        match_get_u(&flow->match, udp, &port);
    return (uint16_t) port;
}

/* Takes what it can from the flow; whether that is all, and right, is found out by making a flow of it again. */
static bool read_connection(const struct policy_site *site, const struct flow *flow, bool half_open,
                            struct connection *connection)
{
    bool from_vm = flow->table == site->state_table[POLICY_FROM_VM], v6 = site->ip.family == IP_V6;
    const struct flow_field *remote = match_find(&flow->match, from_vm ? (v6 ? FIELD_IPV6_DST : FIELD_IPV4_DST) :
                                                                         (v6 ? FIELD_IPV6_SRC : FIELD_IPV4_SRC));
    uint16_t source = port_of(flow, FIELD_TCP_SRC, FIELD_UDP_SRC);
    uint16_t destination = port_of(flow, FIELD_TCP_DST, FIELD_UDP_DST);
    uint64_t protocol = 0;

    match_get_u(&flow->match, FIELD_IP_PROTO, &protocol);
    *connection = (struct connection) {
        .direction = from_vm ? POLICY_FROM_VM : POLICY_TO_VM,
        .protocol = (uint8_t) protocol,
        .remote.family = site->ip.family,
        .remote_port = from_vm ? destination : source,
        .vm_port = from_vm ? source : destination,
        .idle_timeout = flow->idle_timeout,
    };
    if (v6)
        connection->local = site->ip;
    if (remote)
        memcpy(connection->remote.bytes, remote->value, sizeof remote->value);

    struct flow again = flow_of_connection(site, connection, half_open);
    again.cookie = flow->cookie;
    bool is_connection = flow->idle_timeout &&
                         (protocol == IP_TCP || protocol == IP_UDP || protocol == (v6 ? IP_ICMPV6 : IP_ICMP)) &&
                         flow_equal(&again, flow);
    flow_free(&again);
    return is_connection;
}

bool connections_concern(const struct policy_site *site, const struct flow *flow)
{
    bool from_vm = flow->table == site->state_table[POLICY_FROM_VM], v6 = site->ip.family == IP_V6;
    const struct flow_field *vm = match_find(&flow->match, from_vm ? (v6 ? FIELD_IPV6_SRC : FIELD_IPV4_SRC) :
                                                                     (v6 ? FIELD_IPV6_DST : FIELD_IPV4_DST));

    return (from_vm || flow->table == site->state_table[POLICY_TO_VM]) && !policy_state_is_teacher(flow) &&
           flow->priority != STATE_PRIORITY_HALF_OPEN && vm && flow_field_exact(vm) &&
           memcmp(vm->value, site->ip.bytes, sizeof vm->value) == 0;
}

int connections_from_flows(const struct flow *flows, size_t n_flows, const struct policy_site *site,
                           struct connection_list *list, struct err *err)
{
    int status = 0;

    for (size_t i = 0; i < n_flows; i++) {
        struct connection connection;

        if (!connections_concern(site, &flows[i]))
            continue;
        if (read_connection(site, &flows[i], false, &connection)) {
            connection_list_add(list, &connection);
        } else if (!status) {
            AUTO_FREE char *text = flow_format(&flows[i]);

            status = err_set(err, ERR_UNSUPPORTED, "this flow is no connection of the VM's: %s", text);
        }
    }
    return status;
}

int connections_from_sites(const struct flow *flows, size_t n_flows, const struct policy_site *sites, size_t n_sites,
                           struct connection_list *list, struct err *err)
{
    int status = 0;

    for (size_t i = 0; i < n_sites; i++) {
        struct err one = {0};

        if (connections_from_flows(flows, n_flows, &sites[i], list, &one) < 0 && !status) {
            status = one.code;
            *err = one;
        }
    }
    return status;
}

bool connections_is_learned(const struct flow *flow)
{
    bool from_vm = flow->table == TOR_STATE_FROM;
    bool half_open = (flow->cookie & COOKIE_KIND_MASK) == cookie_make(COOKIE_HALF_OPEN, 0);
    const struct flow_field *v4 = match_find(&flow->match, from_vm ? FIELD_IPV4_SRC : FIELD_IPV4_DST);
    const struct flow_field *v6 = match_find(&flow->match, from_vm ? FIELD_IPV6_SRC : FIELD_IPV6_DST);
    struct ip vm = {.family = v4 ? IP_V4 : IP_V6};
    struct connection connection;

    if (!cookie_is_learned(flow->cookie) || (!from_vm && flow->table != TOR_STATE_TO) || (!v4 && !v6))
        return false;
    memcpy(vm.bytes, v4 ? v4->value : v6->value, sizeof vm.bytes);
    struct policy_site site = pipeline_policy_site(flow->cookie, &vm);
    return read_connection(&site, flow, half_open, &connection) && (!half_open || connection.protocol == IP_TCP);
}
