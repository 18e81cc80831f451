/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about what is neither IP nor ARP. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/json.h"
#include "model/policy.h"
#include "model/policy_internal.h"

#define ETHERTYPE_MIN 0x0600 /* less is a length: IEEE 802.3 */
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_IPV6 0x86dd

/* What no rule can be about, and why. */
static const struct {
    uint16_t type;
    const char *why;
} others[] = {
    {ETHERTYPE_ARP, "ARP is inspected and passes whatever policies say; remove the rule"},
    {0x8100, "a VM's frames have no VLAN tags; tagged ones are dropped"},
    {0x88a8, "a VM's frames have no VLAN tags; tagged ones are dropped"},
    {0x8847, "a VM's frames have no MPLS labels; labelled ones are dropped"},
    {0x8848, "a VM's frames have no MPLS labels; labelled ones are dropped"},
    {0x88cc, "LLDP is not for VMs; theirs is dropped"},
};

static int compare_types(const void *a, const void *b)
{
    const uint16_t *x = a, *y = b;

    return *x - *y;
}

static bool among(const uint16_t *types, unsigned n, uint16_t type)
{
    while (n > 0 && types[n - 1] != type)
        n--;
    return n > 0;
}

unsigned policy_ethertypes(const struct policy *policy, enum policy_direction direction,
                           uint16_t types[POLICY_ETHERTYPES_MAX])
{
    uint16_t decided[POLICY_ETHERTYPES_MAX];
    unsigned n = 0, n_decided = 0;

    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct policy_rule *rule = &policy->rules[i];

        if (!rule->ethertype || rule->direction != direction || n_decided == POLICY_ETHERTYPES_MAX ||
            among(decided, n_decided, rule->ethertype))
            continue;
        decided[n_decided++] = rule->ethertype;
        if (rule->verdict == POLICY_ALLOW)
            types[n++] = rule->ethertype;
    }
    qsort(types, n, sizeof *types, compare_types);
    return n;
}

void policy_ethertype_read(struct json_reader *r, struct policy_rule *rule)
{
    const json_t *value = json_object_get(r->object, "ethertype");
    const char *text = json_string_value(value);
    json_int_t type = json_integer_value(value);
    char *end = NULL;

    if (!value || r->status)
        return;
    if (text && (strcmp(text, "ipv4") == 0 || strcmp(text, "ipv6") == 0))
        type = strcmp(text, "ipv6") == 0 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4;
    else if (text && strcmp(text, "arp") == 0)
        type = ETHERTYPE_ARP;
    else if (text && strncmp(text, "0x", 2) == 0 && strlen(text) == 6)
        type = strtol(text + 2, &end, 16);
    else if (text)
        type = -1;
    if ((!text && !json_is_integer(value)) || (end && *end) || type < ETHERTYPE_MIN || type > UINT16_MAX) {
        json_fail(r, "ethertype", "expected ipv4, ipv6 or 0x0600 to 0xffff");
        return;
    }
    if (type != ETHERTYPE_IPV4 && type != ETHERTYPE_IPV6) {
        rule->ethertype = (uint16_t) type;
        return;
    }
    uint8_t family = type == ETHERTYPE_IPV6 ? IP_V6 : IP_V4;
    if (rule->family != IP_NONE && rule->family != family)
        json_fail(r, "ethertype", "%s contradicts the family, remote or icmp-type of the same rule",
                  family == IP_V6 ? "ipv6" : "ipv4");
    rule->family = family;
}

/* The first member that only IP has; null: there is none. */
static const char *member_of_ip(const struct policy_rule *rule)
{
    const struct policy_rule any = policy_rule_any(rule->direction, rule->verdict);

    if (rule->verdict != POLICY_ALLOW && rule->verdict != POLICY_DENY)
        return "action";
    if (rule->protocol != POLICY_ANY)
        return "protocol";
    if (rule->remotes || rule->remote.ip.family != IP_NONE)
        return "remote";
    if (rule->family != IP_NONE)
        return "family";
    if (rule->source_port.first != any.source_port.first || rule->source_port.last != any.source_port.last)
        return "source-port";
    if (rule->destination_port.first != any.destination_port.first ||
        rule->destination_port.last != any.destination_port.last)
        return "destination-port";
    if (rule->icmp_type != POLICY_ANY || rule->icmp_code != POLICY_ANY)
        return "icmp-type";
    if (rule->tcp_flags.mask)
        return "tcp-flags";
    if (rule->dscp != POLICY_ANY)
        return "dscp";
    if (rule->stateful)
        return "stateful";
    if (rule->in_class)
        return "class";
    return rule->set_dscp != POLICY_ANY ? "set-dscp" : NULL;
}

int policy_ethertype_check(const struct policy_rule *rule, struct err *err)
{
    const char *member = rule->ethertype ? member_of_ip(rule) : NULL;

    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        if (rule->ethertype == others[i].type)
            return err_set(err, ERR_INVALID, "ethertype: %s", others[i].why);
    }
    if (rule->ethertype == ETHERTYPE_IPV4 || rule->ethertype == ETHERTYPE_IPV6 ||
        (rule->ethertype && rule->ethertype < ETHERTYPE_MIN))
        return err_set(err, ERR_INVALID, "ethertype: 0x%04x is not for rules", rule->ethertype);
    if (member)
        return err_set(err, ERR_INVALID, "%s: only IP has that, and the rule is about ethertype 0x%04x; remove one",
                       member, rule->ethertype);
    return 0;
}

int policy_ethertypes_check(const struct policy *policy, struct err *err)
{
    uint16_t types[POLICY_ETHERTYPES_MAX];
    unsigned n = 0;

    for (size_t i = 0; i < policy->n_rules; i++) {
        uint16_t type = policy->rules[i].ethertype;

        if (!type || among(types, n, type))
            continue;
        if (n == POLICY_ETHERTYPES_MAX)
            return err_set(err, ERR_INVALID,
                           "policy %s: rule %zu: ethertype: 0x%04x is one too many, at most %d differ", policy->name,
                           i + 1, type, POLICY_ETHERTYPES_MAX);
        types[n++] = type;
    }
    return 0;
}
