/* SPDX-License-Identifier: Apache-2.0 */
#include "model/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "model/policy_internal.h"
#include "model/policy_sets.h"

#define PORT_MAX_NUMBER 65535

const char *const policy_direction_names[2] = {[POLICY_FROM_VM] = "from-vm", [POLICY_TO_VM] = "to-vm"};
static const char *const verdict_names[] = {
    [POLICY_DENY] = "deny", [POLICY_ALLOW] = "allow", [POLICY_REJECT] = "reject"};

const char *policy_verdict_name(enum policy_verdict verdict)
{
    return (size_t) verdict < ARRAY_LEN(verdict_names) ? verdict_names[verdict] : "?";
}

static const struct protocol_name {
    int16_t number;
    const char *name;
} protocol_names[] = {{POLICY_ANY, "any"}, {IP_ICMP, "icmp"}, {IP_TCP, "tcp"}, {IP_UDP, "udp"}, {IP_ICMPV6, "icmpv6"}};

struct policy_rule policy_rule_any(enum policy_direction direction, enum policy_verdict verdict)
{
    return (struct policy_rule) {
        .direction = (uint8_t) direction,
        .verdict = (uint8_t) verdict,
        .protocol = POLICY_ANY,
        .source_port = {0, PORT_MAX_NUMBER},
        .destination_port = {0, PORT_MAX_NUMBER},
        .icmp_type = POLICY_ANY,
        .icmp_code = POLICY_ANY,
        .dscp = POLICY_ANY,
        .set_dscp = POLICY_ANY,
    };
}

void policy_add_rule(struct policy *policy, struct policy_rule rule)
{
    policy->rules = array_reserve(policy->rules, policy->n_rules, &policy->cap_rules, sizeof *policy->rules);
    policy->rules[policy->n_rules++] = rule;
}

void policy_free(struct policy *policy)
{
    for (size_t i = 0; i < policy->n_sets; i++)
        address_set_unref(policy->sets[i]);
    free(policy->sets);
    free(policy->rules);
    policy->sets = NULL;
    policy->rules = NULL;
    policy->n_sets = policy->cap_sets = 0;
    policy->n_rules = policy->cap_rules = 0;
}

struct policy policy_copy(const struct policy *policy)
{
    struct policy copy = *policy;

    copy.rules = policy->n_rules ? xmemdup(policy->rules, policy->n_rules * sizeof *policy->rules) : NULL;
    copy.cap_rules = policy->n_rules;
    copy.sets = policy->n_sets ? xmemdup(policy->sets, policy->n_sets * sizeof(struct address_set *)) : NULL;
    copy.cap_sets = policy->n_sets;
    for (size_t i = 0; i < policy->n_sets; i++)
        address_set_ref(policy->sets[i]);
    return copy;
}

static bool has_ports(const struct port_range *range)
{
    return range->first != 0 || range->last != PORT_MAX_NUMBER;
}

/* The family that remote or ICMP type force upon a rule; IP_NONE if neither is given. */
static uint8_t implied_family(const struct policy_rule *rule)
{
    if (rule->remote.ip.family != IP_NONE)
        return rule->remote.ip.family;
    if (rule->icmp_type == POLICY_ANY)
        return IP_NONE;
    return rule->protocol == IP_ICMPV6 ? IP_V6 : IP_V4;
}

static int check_ports(const struct policy_rule *rule, const struct port_range *range, const char *member,
                       struct err *err)
{
    if (range->first > range->last)
        return err_set(err, ERR_INVALID, "%s: range %u-%u is upside down", member, range->first, range->last);
    if (has_ports(range) && rule->protocol != IP_TCP && rule->protocol != IP_UDP)
        return err_set(err, ERR_INVALID, "%s: only tcp and udp have ports; set protocol to one of them", member);
    return 0;
}

static int check_remote(const struct policy_rule *rule, struct err *err)
{
    const struct prefix *remote = &rule->remote;

    if (rule->remotes && remote->ip.family != IP_NONE)
        return err_set(err, ERR_INVALID, "remote: a prefix and a set at once");
    if (remote->ip.family == IP_NONE)
        return remote->length ? err_set(err, ERR_INVALID, "remote: a length without an address") : 0;
    if (remote->length > ip_bits(remote->ip.family))
        return err_set(err, ERR_INVALID, "remote: /%u is longer than the address", remote->length);

    struct prefix masked = prefix_of(&remote->ip, remote->length);
    if (!prefix_equal(&masked, remote))
        return err_set(err, ERR_INVALID, "remote: bits are set beyond /%u", remote->length);
    if (remote->ip.family != rule->family)
        return err_set(err, ERR_INVALID, "remote: the address is of another family than \"family\" says");
    return 0;
}

static int check_icmp(const struct policy_rule *rule, struct err *err)
{
    if (rule->icmp_code < POLICY_ANY || rule->icmp_code > 255)
        return err_set(err, ERR_INVALID, "icmp-code: expected 0..255, found %d", rule->icmp_code);
    if (rule->icmp_code != POLICY_ANY && rule->icmp_type == POLICY_ANY)
        return err_set(err, ERR_INVALID, "icmp-code: codes belong to a type; set icmp-type, too");
    if (rule->icmp_type == POLICY_ANY)
        return 0;
    if (rule->icmp_type < 0 || rule->icmp_type > 255)
        return err_set(err, ERR_INVALID, "icmp-type: expected 0..255, found %d", rule->icmp_type);
    if (rule->protocol != IP_ICMP && rule->protocol != IP_ICMPV6)
        return err_set(err, ERR_INVALID, "icmp-type: only icmp and icmpv6 have types; set protocol to one of them");
    if (rule->family != (rule->protocol == IP_ICMPV6 ? IP_V6 : IP_V4))
        return err_set(err, ERR_INVALID, "icmp-type: types of icmp go with family ipv4, types of icmpv6 with ipv6");
    return 0;
}

static int check_tcp_flags(const struct policy_rule *rule, struct err *err)
{
    const struct tcp_flags *flags = &rule->tcp_flags;

    if (flags->mask & ~TCP_FLAGS_ALL || flags->value & ~flags->mask)
        return err_set(err, ERR_INVALID, "tcp-flags: no such flags (0x%x/0x%x)", flags->value, flags->mask);
    if (flags->mask && rule->protocol != IP_TCP)
        return err_set(err, ERR_INVALID, "tcp-flags: only tcp has them; set protocol to tcp");
    return 0;
}

/* Echo requests are the only ones of ICMP that are told from their replies by type, and answered. */
static int check_stateful(const struct policy_rule *rule, struct err *err)
{
    int16_t echo = rule->protocol == IP_ICMPV6 ? 128 : 8;

    if (!rule->stateful)
        return 0;
    if (rule->verdict != POLICY_ALLOW)
        return err_set(err, ERR_INVALID, "stateful: what is denied has no replies; remove it or allow the packets");
    if (rule->protocol != POLICY_ANY && rule->protocol != IP_ICMP && rule->protocol != IP_TCP &&
        rule->protocol != IP_UDP && rule->protocol != IP_ICMPV6)
        return err_set(err, ERR_INVALID, "stateful: only tcp, udp, icmp and icmpv6 have replies that can be told");
    if (rule->icmp_type != POLICY_ANY && rule->icmp_type != echo)
        return err_set(err, ERR_INVALID, "stateful: of %s only echo requests have replies; set icmp-type to %d",
                       rule->protocol == IP_ICMPV6 ? "icmpv6" : "icmp", echo);
    if ((rule->protocol == IP_ICMP && rule->family == IP_V6) || (rule->protocol == IP_ICMPV6 && rule->family == IP_V4))
        return err_set(err, ERR_INVALID, "stateful: icmp goes with family ipv4, icmpv6 with ipv6");
    return 0;
}

static int check_rule(const struct policy_rule *rule, struct err *err)
{
    if (rule->direction > POLICY_TO_VM)
        return err_set(err, ERR_INVALID, "direction: no such direction (%u)", rule->direction);
    if (rule->verdict > POLICY_REJECT)
        return err_set(err, ERR_INVALID, "action: no such action (%u)", rule->verdict);
    if (rule->family != IP_NONE && !ip_bits(rule->family))
        return err_set(err, ERR_INVALID, "family: no such family (%u)", rule->family);
    if (policy_ethertype_check(rule, err) < 0)
        return ERR_INVALID;
    if (rule->protocol < POLICY_ANY || rule->protocol > 255)
        return err_set(err, ERR_INVALID, "protocol: expected 0..255, found %d", rule->protocol);
    if (rule->dscp < POLICY_ANY || rule->dscp > 63)
        return err_set(err, ERR_INVALID, "dscp: expected 0..63, found %d", rule->dscp);
    if (check_remote(rule, err) < 0 || check_icmp(rule, err) < 0 || check_tcp_flags(rule, err) < 0 ||
        check_ports(rule, &rule->source_port, "source-port", err) < 0 ||
        check_ports(rule, &rule->destination_port, "destination-port", err) < 0)
        return ERR_INVALID;
    if (rule->set_dscp < POLICY_ANY || rule->set_dscp > 63)
        return err_set(err, ERR_INVALID, "set-dscp: expected 0..63, found %d", rule->set_dscp);
    if (rule->set_dscp != POLICY_ANY && !rule->in_class && rule->verdict != POLICY_ALLOW)
        return err_set(err, ERR_INVALID, "set-dscp: packets that are denied cannot be marked; remove it or allow them");
    return check_stateful(rule, err);
}

static size_t count_remotes(const struct policy *policy)
{
    size_t n = 0;

    for (size_t i = 0; i < policy->n_rules; i++)
        n += policy->rules[i].remotes ? policy->rules[i].remotes->n : 1;
    return n;
}

int policy_check(const struct policy *policy, struct err *err)
{
    size_t name_length = strnlen(policy->name, sizeof policy->name);

    if (name_length == 0 || name_length > POLICY_NAME_MAX)
        return err_set(err, ERR_INVALID, "policy: the name has to have 1..%d bytes", POLICY_NAME_MAX);
    for (unsigned d = 0; d < 2; d++) {
        if (policy->default_verdict[d] > POLICY_REJECT)
            return err_set(err, ERR_INVALID, "policy %s: default.%s: no such action", policy->name,
                           policy_direction_names[d]);
        if (policy_limits_check(policy, d, err) < 0) {
            err_prefix(err, "policy %s", policy->name);
            return ERR_INVALID;
        }
    }
    if (policy->n_rules > POLICY_RULES_MAX)
        return err_set(err, ERR_INVALID, "policy %s: rules: %zu are too many, at most %d are kept", policy->name,
                       policy->n_rules, POLICY_RULES_MAX);
    if (policy_classes_check(policy, err) < 0) {
        err_prefix(err, "policy %s", policy->name);
        return ERR_INVALID;
    }
    size_t remotes = count_remotes(policy);
    if (remotes > POLICY_REMOTES_MAX)
        return err_set(
            err, ERR_INVALID,
            "policy %s: rules: %zu remote addresses and prefixes in all, each as often as a rule names it or "
            "its set, are too many, at most %d are kept",
            policy->name, remotes, POLICY_REMOTES_MAX);
    for (size_t i = 0; i < policy->n_rules; i++) {
        if (check_rule(&policy->rules[i], err) < 0 || policy_class_of_rule_check(policy, &policy->rules[i], err) < 0) {
            err_prefix(err, "policy %s: rule %zu", policy->name, i + 1);
            return ERR_INVALID;
        }
    }
    return policy_ethertypes_check(policy, err);
}

/* Index of 'text' in 'names', or -1 and a failure of the member. */
static int read_word(struct json_reader *r, const char *member, const char *text, const char *const *names, int n)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(names[i], text) == 0)
            return i;
    }
    json_fail(r, member, "expected %s%s%s or %s, found \"%.40s\"", names[0], n > 2 ? ", " : "", n > 2 ? names[1] : "",
              names[n - 1], text);
    return -1;
}

/* POLICY_DENY, too, where the reader has failed. */
static enum policy_verdict read_verdict(struct json_reader *r, const char *member, const char *text)
{
    int verdict = read_word(r, member, text, verdict_names, ARRAY_LEN(verdict_names));

    return verdict < 0 ? POLICY_DENY : (enum policy_verdict) verdict;
}

static int16_t read_protocol(struct json_reader *r)
{
    const json_t *value = json_object_get(r->object, "protocol");

    if (!json_is_string(value))
        return (int16_t) json_opt_int(r, "protocol", 0, 255, POLICY_ANY);
    for (size_t i = 0; i < ARRAY_LEN(protocol_names); i++) {
        if (strcmp(json_string_value(value), protocol_names[i].name) == 0)
            return protocol_names[i].number;
    }
    json_fail(r, "protocol", "expected any, tcp, udp, icmp, icmpv6 or a number, found \"%.40s\"",
              json_string_value(value));
    return POLICY_ANY;
}

static struct port_range read_ports(struct json_reader *r, const char *member)
{
    const json_t *value = json_object_get(r->object, member);
    struct port_range any = {0, PORT_MAX_NUMBER};

    if (!value)
        return any;
    if (json_is_string(value)) {
        unsigned first, last;
        int used = 0;
        const char *text = json_string_value(value);
        char again[16];

        /* Formatting it again refuses signs, blanks and leading zeros, which sscanf lets pass. */
        if (sscanf(text, "%5u-%5u%n", &first, &last, &used) == 2 && first <= PORT_MAX_NUMBER &&
            last <= PORT_MAX_NUMBER && snprintf(again, sizeof again, "%u-%u", first, last) == used &&
            strcmp(again, text) == 0)
            return (struct port_range) {(uint16_t) first, (uint16_t) last};
        json_fail(r, member, "expected a port or \"first-last\" within 0..65535, found \"%.40s\"", text);
        return any;
    }

    uint16_t port = (uint16_t) json_opt_int(r, member, 0, PORT_MAX_NUMBER, 0);
    return (struct port_range) {port, port};
}

static void read_tcp_flags(struct json_reader *r, struct policy_rule *rule)
{
    const char *text = json_opt_string(r, "tcp-flags", NULL);
    struct err why = {0};

    if (text && tcp_flags_parse(text, &rule->tcp_flags, &why) < 0)
        json_fail(r, "tcp-flags", "%s", why.text);
}

static void read_family(struct json_reader *r, struct policy_rule *rule)
{
    static const char *const names[] = {"ipv4", "ipv6"};
    const char *text = json_opt_string(r, "family", NULL);

    rule->family = implied_family(rule);
    if (!text)
        return;

    int i = read_word(r, "family", text, names, 2);
    uint8_t family = i == 1 ? IP_V6 : IP_V4;
    if (i >= 0 && rule->family != IP_NONE && rule->family != family)
        json_fail(r, "family", "%s contradicts %s of the same rule", text,
                  rule->remote.ip.family != IP_NONE ? "remote" : "icmp-type");
    rule->family = family;
}

static int read_rule(const json_t *json, const struct policy_book *book, struct policy *policy,
                     struct policy_rule *ret_rule, struct err *err)
{
    static const char *const known[] = {
        "direction", "action", "protocol",  "remote",   "family", "source-port", "destination-port", "icmp-type",
        "icmp-code", "dscp",   "tcp-flags", "set-dscp", "class",  "stateful",    "ethertype",        NULL};
    struct json_reader r = json_reader_init(json, "", err);
    struct policy_rule rule = policy_rule_any(POLICY_TO_VM, POLICY_DENY);

    json_only(&r, known);
    const char *direction = json_get_string(&r, "direction");
    const char *action = json_get_string(&r, "action");
    if (r.status)
        return r.status;
    rule.direction = (uint8_t) read_word(&r, "direction", direction, policy_direction_names, 2);
    rule.verdict = (uint8_t) read_verdict(&r, "action", action);
    rule.protocol = read_protocol(&r);
    policy_remote_read(&r, book, policy, &rule);
    rule.source_port = read_ports(&r, "source-port");
    rule.destination_port = read_ports(&r, "destination-port");
    rule.icmp_type = (int16_t) json_opt_int(&r, "icmp-type", 0, 255, POLICY_ANY);
    rule.icmp_code = (int16_t) json_opt_int(&r, "icmp-code", 0, 255, POLICY_ANY);
    rule.dscp = (int16_t) json_opt_int(&r, "dscp", 0, 63, POLICY_ANY);
    read_tcp_flags(&r, &rule);
    rule.set_dscp = (int16_t) json_opt_int(&r, "set-dscp", 0, 63, POLICY_ANY);
    rule.stateful = json_opt_bool(&r, "stateful", false);
    policy_class_of_rule_read(&r, policy, &rule);
    read_family(&r, &rule);
    policy_ethertype_read(&r, &rule);
    if (r.status)
        return r.status;
    *ret_rule = rule;
    return 0;
}

static int read_defaults(const json_t *json, struct policy *policy, struct err *err)
{
    static const char *const known[] = {"from-vm", "to-vm", NULL};
    struct json_reader r = json_reader_init(json, "default", err);

    json_only(&r, known);
    for (unsigned d = 0; d < 2; d++) {
        const char *text = json_opt_string(&r, policy_direction_names[d], verdict_names[POLICY_DENY]);

        policy->default_verdict[d] = read_verdict(&r, policy_direction_names[d], text);
    }
    return r.status;
}

static int read_rules(const json_t *rules, const struct policy_book *book, struct policy *policy, struct err *err)
{
    size_t i;
    json_t *json;

    if (json_array_size(rules) > POLICY_RULES_MAX)
        return err_set(err, ERR_INVALID, "rules: %zu are too many, at most %d are kept", json_array_size(rules),
                       POLICY_RULES_MAX);
    json_array_foreach(rules, i, json) {
        struct policy_rule rule;

        if (read_rule(json, book, policy, &rule, err) < 0) {
            err_prefix(err, "rule %zu", i + 1);
            return ERR_INVALID;
        }
        policy_add_rule(policy, rule);
    }
    return 0;
}

int policy_from_json_with(const json_t *json, const struct policy_book *book, struct policy *policy, struct err *err)
{
    static const char *const known[] = {"policy",  "default", "rate-limit", "new-connections",
                                        "classes", "sets",    "rules",      NULL};
    struct json_reader r = json_reader_init(json, "policy", err);
    __attribute__((cleanup(policy_free))) struct policy read = {0};

    if (r.status)
        return r.status;
    r.path = "";
    const char *name = json_get_string(&r, "policy");
    if (!r.status && (!name[0] || strlen(name) > POLICY_NAME_MAX))
        json_fail(&r, "policy", "the name has to have 1..%d bytes", POLICY_NAME_MAX);
    if (r.status)
        return r.status;
    strcpy(read.name, name);

    json_only(&r, known);
    const json_t *defaults = json_opt_object(&r, "default");
    const json_t *rates = json_opt_object(&r, "rate-limit");
    const json_t *new_limits = json_opt_object(&r, "new-connections");
    const json_t *classes = json_opt_object(&r, "classes");
    const json_t *sets = json_opt_object(&r, "sets");
    const json_t *rules = json_opt_array(&r, "rules");
    if (r.status || (defaults && read_defaults(defaults, &read, err) < 0) ||
        (rates && policy_rates_read(rates, &read, err) < 0) ||
        (new_limits && policy_new_limits_read(new_limits, &read, err) < 0) ||
        (classes && policy_classes_read(classes, &read, err) < 0) || (sets && policy_sets_read(sets, &read, err) < 0) ||
        (rules && read_rules(rules, book, &read, err) < 0)) {
        err_prefix(err, "policy %s", read.name);
        return ERR_INVALID;
    }
    if (policy_check(&read, err) < 0)
        return ERR_INVALID;
    *policy = read;
    read = (struct policy) {0};
    return 0;
}

int policy_from_json(const json_t *json, struct policy *policy, struct err *err)
{
    return policy_from_json_with(json, NULL, policy, err);
}

static const char *protocol_name(int16_t number)
{
    for (size_t i = 0; i < ARRAY_LEN(protocol_names); i++) {
        if (protocol_names[i].number == number)
            return protocol_names[i].name;
    }
    return NULL;
}

static void set_ports(json_t *object, const char *member, const struct port_range *range)
{
    if (!has_ports(range))
        return;
    json_object_set_new(object, member,
                        range->first == range->last ? json_integer(range->first) :
                                                      json_sprintf("%u-%u", range->first, range->last));
}

static void set_tcp_flags(json_t *object, const struct tcp_flags *flags)
{
    struct strbuf text = {0};

    tcp_flags_format(flags, &text);
    AUTO_FREE char *taken = strbuf_take(&text);
    json_object_set_new(object, "tcp-flags", json_string(taken));
}

static json_t *rule_to_json(const struct policy *policy, const struct policy_rule *rule)
{
    json_t *object = json_object();
    const char *name = protocol_name(rule->protocol);
    json_t *remote = policy_remote_to_json(rule);

    json_object_set_new(object, "direction", json_string(policy_direction_names[rule->direction]));
    json_object_set_new(object, "action", json_string(verdict_names[rule->verdict]));
    if (rule->ethertype)
        json_object_set_new(object, "ethertype", json_sprintf("0x%04x", rule->ethertype));
    if (rule->family != IP_NONE && implied_family(rule) == IP_NONE)
        json_object_set_new(object, "family", json_string(rule->family == IP_V6 ? "ipv6" : "ipv4"));
    if (rule->protocol != POLICY_ANY)
        json_object_set_new(object, "protocol", name ? json_string(name) : json_integer(rule->protocol));
    if (remote)
        json_object_set_new(object, "remote", remote);
    set_ports(object, "source-port", &rule->source_port);
    set_ports(object, "destination-port", &rule->destination_port);
    if (rule->icmp_type != POLICY_ANY)
        json_object_set_new(object, "icmp-type", json_integer(rule->icmp_type));
    if (rule->icmp_code != POLICY_ANY)
        json_object_set_new(object, "icmp-code", json_integer(rule->icmp_code));
    if (rule->dscp != POLICY_ANY)
        json_object_set_new(object, "dscp", json_integer(rule->dscp));
    if (rule->tcp_flags.mask)
        set_tcp_flags(object, &rule->tcp_flags);
    if (rule->stateful)
        json_object_set_new(object, "stateful", json_true());
    if (rule->in_class)
        json_object_set_new(object, "class",
                            json_string(policy->classes[policy_class_find(policy, rule->set_dscp)].name));
    else if (rule->set_dscp != POLICY_ANY)
        json_object_set_new(object, "set-dscp", json_integer(rule->set_dscp));
    return object;
}

static void set_unless_empty(json_t *object, const char *member, json_t *value)
{
    if (json_object_size(value) || json_array_size(value))
        json_object_set_new(object, member, value);
    else
        json_decref(value);
}

static json_t *to_json(const struct policy *policy, bool shared)
{
    json_t *object = json_object(), *defaults = json_object(), *rules = json_array();

    json_object_set_new(object, "policy", json_string(policy->name));
    for (unsigned d = 0; d < 2; d++) {
        if (policy->default_verdict[d] != POLICY_DENY)
            json_object_set_new(defaults, policy_direction_names[d],
                                json_string(verdict_names[policy->default_verdict[d]]));
    }
    for (size_t i = 0; i < policy->n_rules; i++)
        json_array_append_new(rules, rule_to_json(policy, &policy->rules[i]));
    set_unless_empty(object, "default", defaults);
    set_unless_empty(object, "rate-limit", policy_rates_to_json(policy));
    set_unless_empty(object, "new-connections", policy_new_limits_to_json(policy));
    set_unless_empty(object, "classes", policy_classes_to_json(policy));
    set_unless_empty(object, "sets", policy_sets_to_json(policy, shared));
    set_unless_empty(object, "rules", rules);
    return object;
}

json_t *policy_to_json(const struct policy *policy)
{
    return to_json(policy, true);
}

json_t *policy_to_json_without(const struct policy *policy)
{
    return to_json(policy, false);
}

static void format_ports(struct strbuf *text, const char *member, const struct port_range *range)
{
    if (!has_ports(range))
        return;
    strbuf_printf(text, " %s %u", member, range->first);
    if (range->first != range->last)
        strbuf_printf(text, "-%u", range->last);
}

char *policy_rule_format(const struct policy_rule *rule)
{
    struct strbuf text = {0};
    const char *name = protocol_name(rule->protocol);
    char remote[PREFIX_TEXT_SIZE];

    strbuf_printf(&text, "%s %s", policy_direction_names[rule->direction], verdict_names[rule->verdict]);
    if (rule->family != IP_NONE && implied_family(rule) == IP_NONE)
        strbuf_puts(&text, rule->family == IP_V6 ? " ipv6" : " ipv4");
    if (rule->ethertype)
        strbuf_printf(&text, " ethertype 0x%04x", rule->ethertype);
    else if (name)
        strbuf_printf(&text, " %s", name);
    else
        strbuf_printf(&text, " protocol %d", rule->protocol);
    if (rule->remotes) {
        AUTO_FREE char *remotes = address_set_format(rule->remotes);

        strbuf_printf(&text, " remote %s", remotes);
    }
    if (rule->remote.ip.family != IP_NONE)
        strbuf_printf(&text, " remote %s", prefix_format(&rule->remote, remote));
    format_ports(&text, "source-port", &rule->source_port);
    format_ports(&text, "destination-port", &rule->destination_port);
    if (rule->icmp_type != POLICY_ANY)
        strbuf_printf(&text, " icmp-type %d", rule->icmp_type);
    if (rule->icmp_code != POLICY_ANY)
        strbuf_printf(&text, " icmp-code %d", rule->icmp_code);
    if (rule->dscp != POLICY_ANY)
        strbuf_printf(&text, " dscp %d", rule->dscp);
    if (rule->tcp_flags.mask) {
        strbuf_puts(&text, " tcp-flags ");
        tcp_flags_format(&rule->tcp_flags, &text);
    }
    if (rule->set_dscp != POLICY_ANY)
        strbuf_printf(&text, " %s %d", rule->in_class ? "class-dscp" : "set-dscp", rule->set_dscp);
    if (rule->stateful)
        strbuf_puts(&text, " stateful");
    return strbuf_take(&text);
}
