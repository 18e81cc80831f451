/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what the pipelines would do to a switch, in ovs-ofctl's words (flow_txn_format()), so that a test can install
 * it on an Open vSwitch. Requests follow each other on the command line, joined by "+" into one transaction:
 *
 *   p | tor SERVER-PORTS FABRIC-PORTS | pe UPLINK FABRIC-PORTS | inter-dc FABRIC-PORTS
 *   segment-tor SEGMENT SERVER-PORTS | segment-pe SEGMENT | segment-remove SEGMENT | neighbour UPLINK MAC|-
 *   vm-tor SEGMENT VM POLICY-FILE|- FIRST-METER | vm-pe SEGMENT VM | vm-remove VM
 *   channel-open NAME SERVER-PORT UPLINK-PORT LOCAL REMOTE | channel-close NAME
 *   circuit-pe SEGMENT NAME PORT VLAN ADDRESSES
 *   vpls (what follows is of VPLS mode)
 *   head TUNNEL END LABEL PORT | transit TUNNEL IN-LABEL OUT-LABEL PORT | tail TUNNEL LABEL | tunnel-remove TUNNEL
 *   pseudowires tor|pe SEGMENT LABEL PEERS KNOWN USERS
 *
 * where ...-PORTS are numbers joined by commas, or "-"; SEGMENT is NUMBER VLAN GATEWAY-MAC GATEWAY/LENGTH; UPLINK is
 * UPLINK-PORT ROUTER-PORT ROUTER NEXT-HOP; VM is NAME MAC ADDRESSES SERVER-PORT, one address of IPv4 and then those of
 * IPv6, joined by commas; TUNNEL is a name; PEERS are END=LABEL,
 * KNOWN are MAC=END, USERS ADDRESS=END, each joined by commas, or "-". */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "core/pipeline.h"
#include "core/policy.h"
#include "core/vpls.h"
#include "model/user.h"

struct arguments {
    char **next;
    bool vpls;
};

struct ports {
    uint32_t numbers[PIPELINE_PORTS_MAX];
    size_t n;
};

static const char *take(struct arguments *a)
{
    if (!*a->next) {
        fprintf(stderr, "pipeline_dump: an argument is missing\n");
        exit(2);
    }
    return *a->next++;
}

static void check(int status, const char *text)
{
    if (status) {
        fprintf(stderr, "pipeline_dump: cannot read '%s'\n", text);
        exit(2);
    }
}

static uint32_t take_number(struct arguments *a)
{
    const char *text = take(a);
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    check(*end || end == text || number > UINT32_MAX, text);
    return (uint32_t) number;
}

static struct mac take_mac(struct arguments *a)
{
    const char *text = take(a);
    struct mac mac;

    check(mac_parse(text, &mac), text);
    return mac;
}

static struct ip take_ip(struct arguments *a)
{
    const char *text = take(a);
    struct ip ip;

    check(ip_parse(text, &ip), text);
    return ip;
}

static struct ports take_ports(struct arguments *a)
{
    const char *text = take(a);
    struct ports ports = {.n = 0};
    const char *p = text;

    while (strcmp(text, "-") != 0) {
        char *end;

        check(ports.n == PIPELINE_PORTS_MAX, text);
        ports.numbers[ports.n++] = (uint32_t) strtoul(p, &end, 10);
        check(end == p || (*end && *end != ','), text);
        if (!*end)
            break;
        p = end + 1;
    }
    return ports;
}

static struct pipeline_segment take_segment(struct arguments *a)
{
    struct pipeline_segment segment = {.number = take_number(a), .vpls = a->vpls};
    char name[32];
    const char *gateway;

    snprintf(name, sizeof name, "segment-%u", segment.number);
    segment.cookie = cookie_of_name(COOKIE_SEGMENT, name);
    segment.vlan = (uint16_t) take_number(a);
    segment.gateway_mac = take_mac(a);
    gateway = take(a);
    check(ip_with_length_parse(gateway, &segment.gateway, &segment.length), gateway);
    return segment;
}

static struct pipeline_uplink take_uplink(struct arguments *a)
{
    struct pipeline_uplink uplink = {.uplink_port = take_number(a)};

    uplink.router_port = take_number(a);
    uplink.router = take_ip(a);
    uplink.next_hop = take_ip(a);
    return uplink;
}

static void take_addresses(struct arguments *a, struct pipeline_vm *vm)
{
    AUTO_FREE char *text = xstrdup(take(a));
    char *next = NULL, *word = strtok_r(text, ",", &next);

    check(!word || ip_parse(word, &vm->ip), text);
    while ((word = strtok_r(NULL, ",", &next))) {
        struct ip ip = {0};

        check(ip_parse(word, &ip) || ip6_list_add(&vm->ip6, &ip), word);
    }
}

static struct pipeline_vm take_vm(struct arguments *a)
{
    struct pipeline_vm vm = {.cookie = cookie_of_name(COOKIE_VM, take(a))};

    vm.mac = take_mac(a);
    take_addresses(a, &vm);
    vm.server_port = take_number(a);
    return vm;
}

static void add_p(struct flow_txn *txn, struct arguments *a)
{
    pipeline_base_p(txn, a->vpls);
}

static void add_tor(struct flow_txn *txn, struct arguments *a)
{
    struct ports servers = take_ports(a), ports = take_ports(a);

    pipeline_base_tor(txn, servers.numbers, servers.n, &(struct pipeline_fabric) {ports.numbers, ports.n, a->vpls});
}

static void add_pe(struct flow_txn *txn, struct arguments *a)
{
    struct pipeline_uplink uplink = take_uplink(a);
    struct ports ports = take_ports(a);

    pipeline_base_pe(txn, &uplink, &(struct pipeline_fabric) {ports.numbers, ports.n, a->vpls});
}

static void add_inter_dc(struct flow_txn *txn, struct arguments *a)
{
    struct ports ports = take_ports(a);

    pipeline_base_inter_dc(txn, &(struct pipeline_fabric) {ports.numbers, ports.n, a->vpls});
}

static void add_segment_tor(struct flow_txn *txn, struct arguments *a)
{
    struct pipeline_segment segment = take_segment(a);
    struct ports servers = take_ports(a);

    pipeline_segment_tor(txn, &segment, servers.numbers, servers.n);
}

static void add_segment_pe(struct flow_txn *txn, struct arguments *a)
{
    struct pipeline_segment segment = take_segment(a);

    pipeline_segment_pe(txn, &segment);
}

static void add_segment_remove(struct flow_txn *txn, struct arguments *a)
{
    struct pipeline_segment segment = take_segment(a);

    pipeline_segment_remove(txn, &segment);
}

static void add_neighbour(struct flow_txn *txn, struct arguments *a)
{
    struct pipeline_uplink uplink = take_uplink(a);
    const char *text = take(a);
    struct mac mac;

    if (strcmp(text, "-") == 0) {
        pipeline_neighbour_pe(txn, &uplink, NULL);
        return;
    }
    check(mac_parse(text, &mac), text);
    pipeline_neighbour_pe(txn, &uplink, &mac);
}

static struct policy load_policy(const char *path)
{
    json_t *json = json_load_file(path, 0, NULL);
    struct policy policy;
    struct err err;

    check(!json, path);
    if (policy_from_json(json, &policy, &err)) {
        fprintf(stderr, "pipeline_dump: %s: %s\n", path, err.text);
        exit(2);
    }
    json_decref(json);
    return policy;
}

/* From a VM's first meter on; before them are those of rates. */
#define METER_OF_REJECTED (2 + 2 * POLICY_CLASSES_MAX)
#define METER_OF_NEW (METER_OF_REJECTED + 2)

/* The meter's id, or 0 if it has no rate. */
static uint32_t add_meter(struct flow_txn *txn, struct flow_meter meter)
{
    if (!meter.rate)
        return 0;
    flow_txn_meter_add(txn, meter);
    return meter.id;
}

static uint32_t add_rate(struct flow_txn *txn, uint32_t id, const struct policy_rate *rate)
{
    return add_meter(txn, (struct flow_meter) {id, rate->kbps, rate->burst_kbit, false});
}

static void add_vm_tor(struct flow_txn *txn, struct arguments *a)
{
    struct pipeline_segment segment = take_segment(a);
    struct pipeline_vm vm = take_vm(a);
    const char *path = take(a);
    uint32_t meter = take_number(a);
    struct policy_numbers numbers = {0};
    struct policy policy;

    if (strcmp(path, "-") == 0) {
        pipeline_vm_tor(txn, &segment, &vm, NULL, &numbers);
        return;
    }
    policy = load_policy(path);
    for (unsigned d = 0; d < 2; d++) {
        const struct policy_new_limit *limit = &policy.new_limit[d];

        numbers.meters[d] = add_rate(txn, meter + d, &policy.rate[d]);
        numbers.limit_meters[d] = add_meter(
            txn, (struct flow_meter) {meter + METER_OF_NEW + d, limit->per_second, limit->burst, true});
        for (unsigned c = 0; c < policy.n_classes; c++)
            numbers.class_meters[d][c] = add_rate(txn, meter + 2 + 2 * c + d, &policy.classes[c].rate[d]);
        if (policy_rejects(&policy, d, IP_NONE)) {
            numbers.reject_meters[d] = meter + METER_OF_REJECTED + d;
            flow_txn_meter_add(txn, (struct flow_meter) {numbers.reject_meters[d], 20, 10, true});
        }
    }
    pipeline_vm_tor(txn, &segment, &vm, &policy, &numbers);
    policy_free(&policy);
}

static void add_vm_pe(struct flow_txn *txn, struct arguments *a)
{
    struct pipeline_segment segment = take_segment(a);
    struct pipeline_vm vm = take_vm(a);

    pipeline_vm_pe(txn, &segment, &vm);
}

static void add_vm_remove(struct flow_txn *txn, struct arguments *a)
{
    struct pipeline_vm vm = take_vm(a);

    pipeline_vm_remove(txn, &vm);
}

static void add_channel_open(struct flow_txn *txn, struct arguments *a)
{
    struct pipeline_channel channel = {.cookie = cookie_of_name(COOKIE_CHANNEL, take(a))};

    channel.server_port = take_number(a);
    channel.uplink_port = take_number(a);
    channel.local = take_ip(a);
    channel.remote = take_ip(a);
    pipeline_channel_open(txn, &channel);
}

static void add_channel_close(struct flow_txn *txn, struct arguments *a)
{
    pipeline_channel_close(txn, cookie_of_name(COOKIE_CHANNEL, take(a)));
}

static void add_circuit_pe(struct flow_txn *txn, struct arguments *a)
{
    struct pipeline_segment segment = take_segment(a);
    struct pipeline_circuit circuit = {.cookie = cookie_of_name(COOKIE_CIRCUIT, take(a))};
    struct ip addresses[USER_ADDRESSES_MAX];
    char *next = NULL;

    circuit.transport_port = take_number(a);
    circuit.vlan = (uint16_t) take_number(a);
    AUTO_FREE char *text = xstrdup(take(a));
    for (const char *word = strtok_r(text, ",", &next); word; word = strtok_r(NULL, ",", &next)) {
        check(circuit.n_addresses == USER_ADDRESSES_MAX || ip_parse(word, &addresses[circuit.n_addresses]), word);
        circuit.n_addresses++;
    }
    circuit.addresses = addresses;
    pipeline_circuit_pe(txn, &segment, &circuit);
}

static void set_vpls(struct flow_txn *txn, struct arguments *a)
{
    (void) txn;
    a->vpls = true;
}

static void add_head(struct flow_txn *txn, struct arguments *a)
{
    uint64_t cookie = cookie_of_name(COOKIE_TUNNEL, take(a));
    uint32_t end = take_number(a), label = take_number(a);

    vpls_tunnel_head(txn, cookie, end, label, take_number(a));
}

static void add_transit(struct flow_txn *txn, struct arguments *a)
{
    uint64_t cookie = cookie_of_name(COOKIE_TUNNEL, take(a));
    uint32_t in_label = take_number(a), out_label = take_number(a);

    vpls_tunnel_transit(txn, cookie, in_label, out_label, take_number(a));
}

static void add_tail(struct flow_txn *txn, struct arguments *a)
{
    uint64_t cookie = cookie_of_name(COOKIE_TUNNEL, take(a));

    vpls_tunnel_tail(txn, cookie, take_number(a));
}

static void add_tunnel_remove(struct flow_txn *txn, struct arguments *a)
{
    vpls_tunnel_remove(txn, cookie_of_name(COOKIE_TUNNEL, take(a)));
}

#define PAIRS_MAX 64

struct pairs {
    struct {
        char key[IP_TEXT_SIZE];
        uint32_t number;
    } list[PAIRS_MAX];
    size_t n;
};

/* KEY=NUMBER, joined by commas, or "-". */
static struct pairs take_pairs(struct arguments *a)
{
    const char *text = take(a);
    struct pairs pairs = {.n = 0};

    for (const char *p = text; strcmp(text, "-") != 0; p++) {
        int length = 0;

        check(pairs.n == PAIRS_MAX ||
                  sscanf(p, "%45[^=]=%u%n", pairs.list[pairs.n].key, &pairs.list[pairs.n].number, &length) != 2,
              text);
        pairs.n++;
        p += length;
        if (!*p)
            break;
    }
    return pairs;
}

static void add_pseudowires(struct flow_txn *txn, struct arguments *a)
{
    struct vpls_instance instance = {.edge = strcmp(take(a), "pe") == 0 ? VPLS_PE : VPLS_TOR};
    struct pipeline_segment segment = take_segment(a);
    struct vpls_peer peers[PAIRS_MAX];
    struct vpls_known known[PAIRS_MAX];
    struct vpls_user users[PAIRS_MAX];
    struct pairs pairs;

    instance.label = take_number(a);
    pairs = take_pairs(a);
    for (size_t i = 0; i < pairs.n; i++)
        peers[i] = (struct vpls_peer) {(uint32_t) strtoul(pairs.list[i].key, NULL, 10), pairs.list[i].number};
    instance.peers = peers;
    instance.n_peers = pairs.n;
    pairs = take_pairs(a);
    for (size_t i = 0; i < pairs.n; i++) {
        check(mac_parse(pairs.list[i].key, &known[i].mac), pairs.list[i].key);
        known[i].end = pairs.list[i].number;
    }
    instance.known = known;
    instance.n_known = pairs.n;
    pairs = take_pairs(a);
    for (size_t i = 0; i < pairs.n; i++) {
        check(ip_parse(pairs.list[i].key, &users[i].ip), pairs.list[i].key);
        users[i].end = pairs.list[i].number;
    }
    instance.users = users;
    instance.n_users = pairs.n;
    vpls_segment(txn, &segment, &instance);
}

static const struct {
    const char *name;
    void (*add)(struct flow_txn *txn, struct arguments *a);
} requests[] = {
    {"p", add_p},
    {"tor", add_tor},
    {"pe", add_pe},
    {"inter-dc", add_inter_dc},
    {"segment-tor", add_segment_tor},
    {"segment-pe", add_segment_pe},
    {"segment-remove", add_segment_remove},
    {"neighbour", add_neighbour},
    {"vm-tor", add_vm_tor},
    {"vm-pe", add_vm_pe},
    {"vm-remove", add_vm_remove},
    {"channel-open", add_channel_open},
    {"channel-close", add_channel_close},
    {"circuit-pe", add_circuit_pe},
    {"vpls", set_vpls},
    {"head", add_head},
    {"transit", add_transit},
    {"tail", add_tail},
    {"tunnel-remove", add_tunnel_remove},
    {"pseudowires", add_pseudowires},
};

static void add_request(struct flow_txn *txn, struct arguments *a)
{
    const char *name = take(a);

    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        if (strcmp(requests[i].name, name) == 0) {
            requests[i].add(txn, a);
            return;
        }
    }
    check(-1, name);
}

int main(int argc, char **argv)
{
    struct arguments a = {.next = argv + 1};
    struct flow_txn txn = {0};
    char *text;

    (void) argc;
    add_request(&txn, &a);
    while (*a.next) {
        const char *plus = take(&a);

        check(strcmp(plus, "+") != 0, plus);
        add_request(&txn, &a);
    }
    text = flow_txn_format(&txn);
    fputs(text, stdout);
    free(text);
    flow_txn_free(&txn);
    return 0;
}
