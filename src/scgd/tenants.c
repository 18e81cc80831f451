/* SPDX-License-Identifier: Apache-2.0 */
/* VMs on their ToRs: flows and meters put there, and taken away. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/bookings.h"
#include "scgd/network_internal.h"

/* ---- tenants ---- */

struct tenant *network_tenant(const struct gateway *gateway, const uint8_t uuid[UUID_SIZE])
{
    for (size_t i = 0; i < gateway->network.n_tenants; i++) {
        if (memcmp(gateway->network.tenants[i].uuid, uuid, UUID_SIZE) == 0)
            return &gateway->network.tenants[i];
    }
    return NULL;
}

struct tenant *network_set_tenant(struct gateway *gateway, const struct tenant *like)
{
    struct network *network = &gateway->network;
    struct tenant *tenant = network_tenant(gateway, like->uuid);
    bool present = tenant && tenant->present;

    if (tenant) {
        policy_free(&tenant->policy);
        network_address_free(gateway);
    } else {
        network->tenants = array_reserve(network->tenants, network->n_tenants, &network->cap_tenants,
                                         sizeof *network->tenants);
        tenant = &network->tenants[network->n_tenants++];
    }
    *tenant = *like;
    tenant->policy = policy_copy(&like->policy);
    tenant->present = present;
    tenant->counted = false;
    return tenant;
}

static void forget(struct gateway *gateway, const uint8_t uuid[UUID_SIZE])
{
    struct network *network = &gateway->network;
    struct tenant *tenant = network_tenant(gateway, uuid);

    if (!tenant)
        return;
    policy_free(&tenant->policy);
    *tenant = network->tenants[--network->n_tenants];
    network_address_free(gateway);
}

struct pipeline_vm network_pipeline_vm(const struct tenant *tenant, uint32_t port)
{
    return (struct pipeline_vm) {.cookie = cookie_of_vm(tenant->uuid),
                                 .mac = tenant->mac,
                                 .ip = tenant->ip,
                                 .ip6 = tenant->ip6,
                                 .server_port = port};
}

/* How much of what a VM's policy rejects in a direction the gateway answers; the senders of more are not told. A flood
 * must not keep the gateway busy, and answers are to be limited (RFC 1812 §4.3.2.8, RFC 4443 §2.4 f). */
#define REJECTED_PER_SECOND 20
#define REJECTED_BURST 50

/* A VM's meters: that of each direction, those of its classes in it, of new connections, and of what it rejects. */
#define CLASS_METERS_END (2 * (1 + POLICY_CLASSES_MAX))
#define METERS_OF_VM (CLASS_METERS_END + 4)

static enum policy_direction meter_direction(unsigned meter)
{
    return meter % 2 ? POLICY_TO_VM : POLICY_FROM_VM;
}

/* The number of the class, from 1, or 0 for all of the direction; or one of these. */
#define METER_OF_NEW (1 + POLICY_CLASSES_MAX)
#define METER_OF_REJECTED (2 + POLICY_CLASSES_MAX)

static unsigned meter_class(unsigned meter)
{
    return meter / 2;
}

static void meter_owner(const struct tenant *tenant, unsigned meter, char owner[NUMBER_OWNER_SIZE])
{
    const char *direction = meter_direction(meter) == POLICY_FROM_VM ? "from" : "to";
    char uuid[UUID_TEXT_SIZE];

    uuid_format(tenant->uuid, uuid);
    if (meter_class(meter) == METER_OF_REJECTED)
        snprintf(owner, NUMBER_OWNER_SIZE, "%s/%s/rejected", uuid, direction);
    else if (meter_class(meter) == METER_OF_NEW)
        snprintf(owner, NUMBER_OWNER_SIZE, "%s/%s/new", uuid, direction);
    else if (meter_class(meter))
        snprintf(owner, NUMBER_OWNER_SIZE, "%s/%s/%u", uuid, direction, meter_class(meter));
    else
        snprintf(owner, NUMBER_OWNER_SIZE, "%s/%s", uuid, direction);
}

/* What the meter is to have, without its number; rate 0: there is to be none. */
static struct flow_meter meter_wanted(const struct tenant *tenant, unsigned meter)
{
    static const struct flow_meter rejected = {.rate = REJECTED_PER_SECOND, .burst = REJECTED_BURST, .packets = true};
    enum policy_direction direction = meter_direction(meter);
    const struct policy *policy = &tenant->policy;
    unsigned class = meter_class(meter);

    if (!tenant->has_policy || (class > policy->n_classes && class < METER_OF_NEW))
        return (struct flow_meter) {0};
    if (class == METER_OF_REJECTED)
        return policy_rejects(policy, direction, IP_NONE) ? rejected : (struct flow_meter) {0};
    if (class == METER_OF_NEW)
        return (struct flow_meter) {.rate = policy->new_limit[direction].per_second,
                                    .burst = policy->new_limit[direction].burst,
                                    .packets = true};

    const struct policy_rate *rate = class ? &policy->classes[class - 1].rate[direction] : &policy->rate[direction];
    return (struct flow_meter) {.rate = rate->kbps, .burst = rate->burst_kbit};
}

static uint32_t *meter_number(struct policy_numbers *numbers, unsigned meter)
{
    enum policy_direction direction = meter_direction(meter);
    unsigned class = meter_class(meter);

    if (class == METER_OF_REJECTED)
        return &numbers->reject_meters[direction];
    if (class == METER_OF_NEW)
        return &numbers->limit_meters[direction];
    return class ? &numbers->class_meters[direction][class - 1] : &numbers->meters[direction];
}

void network_meter_pool(const char *tor, char pool[NAME_SIZE + 8])
{
    snprintf(pool, NAME_SIZE + 8, "meter/%s", tor);
}

static void queue_pool(const char *tor, char pool[NAME_SIZE + 8])
{
    snprintf(pool, NAME_SIZE + 8, "queue/%s", tor);
}

uint32_t network_queue_number(const struct gateway *gateway, const struct tenant *tenant, const struct switch_info *tor,
                              enum policy_direction direction, unsigned class)
{
    char owner[NUMBER_OWNER_SIZE], pool[NAME_SIZE + 8];
    uint32_t number = 0;

    queue_pool(tor->name, pool);
    meter_owner(tenant, 2 * (class + 1) + (direction == POLICY_TO_VM), owner);
    return store_number_get(gateway->store, pool, owner, &number, NULL) == 0 ? number : 0;
}

/* Numbers the queues that the tenant's policy wants. A number is one queue of all ports of the ToR, so a packet that
 * has one set on its way to the fabric meets no other VM's queue if it turns round. */
static int number_queues(struct gateway *gateway, const struct tenant *tenant, const struct switch_info *tor,
                         struct policy_numbers *numbers, struct err *err)
{
    char owner[NUMBER_OWNER_SIZE], pool[NAME_SIZE + 8];

    queue_pool(tor->name, pool);
    for (unsigned m = 2; m < CLASS_METERS_END; m++) {
        enum policy_direction direction = meter_direction(m);
        unsigned class = meter_class(m) - 1;
        bool queued = tenant->has_policy && class < tenant->policy.n_classes &&
                      policy_class_queued(&tenant->policy.classes[class], direction);
        int status;

        meter_owner(tenant, m, owner);
        if (queued)
            status = store_number_take(gateway->store, pool, owner, 1, FLOW_QUEUE_MAX,
                                       &numbers->class_queues[direction][class], err);
        else
            status = store_number_free(gateway->store, pool, owner, err);
        if (status)
            return status;
    }
    return 0;
}

/* The number of a meter that the tenant's policy no longer wants; false: it has none. */
static bool unwanted_meter(const struct gateway *gateway, const struct tenant *tenant, unsigned meter, const char *pool,
                           char owner[NUMBER_OWNER_SIZE], uint32_t *number)
{
    meter_owner(tenant, meter, owner);
    return !meter_wanted(tenant, meter).rate && store_number_get(gateway->store, pool, owner, number, NULL) == 0;
}

void network_meters_deleted(struct gateway *gateway, const char *tor, const uint32_t *numbers, size_t n)
{
    char owner[NUMBER_OWNER_SIZE], pool[NAME_SIZE + 8];
    struct err err;

    network_meter_pool(tor, pool);
    for (size_t i = 0; i < gateway->network.n_tenants && n; i++) {
        const struct switch_info *seen = network_tor_seen(gateway, gateway->network.tenants[i].server, NULL);

        for (unsigned m = 0; m < METERS_OF_VM && (!seen || strcmp(seen->name, tor) == 0); m++) {
            bool deleted = false;
            uint32_t number;

            if (!unwanted_meter(gateway, &gateway->network.tenants[i], m, pool, owner, &number))
                continue;
            for (size_t k = 0; k < n; k++)
                deleted |= numbers[k] == number;
            if (deleted && store_number_free(gateway->store, pool, owner, &err) < 0)
                log_warn(FAULT_OPERATOR, tor, "meter %" PRIu32 " stays in use: %s", number, err.text);
        }
    }
}

/* Numbers and adds the meters that the tenant's policy wants, and removes the others, whose numbers are free when the
 * switch has said that they are gone: until then they are not to be another's. */
static int add_meters(struct gateway *gateway, const struct tenant *tenant, const struct switch_info *tor,
                      struct flow_txn *txn, struct policy_numbers *numbers, struct err *err)
{
    char owner[NUMBER_OWNER_SIZE], pool[NAME_SIZE + 8];

    *numbers = (struct policy_numbers) {0};
    network_meter_pool(tor->name, pool);
    for (unsigned m = 0; m < METERS_OF_VM; m++) {
        struct flow_meter meter = meter_wanted(tenant, m);
        uint32_t *number = meter_number(numbers, m);

        if (!meter.rate)
            continue;
        meter_owner(tenant, m, owner);
        int status = store_number_take(gateway->store, pool, owner, 1, 0xffff, number, err);
        if (status)
            return status;
        meter.id = *number;
        flow_txn_meter_add(txn, meter);
    }
    for (unsigned m = 0; m < METERS_OF_VM; m++) {
        uint32_t number;

        if (unwanted_meter(gateway, tenant, m, pool, owner, &number))
            flow_txn_meter_delete(txn, number);
    }
    return 0;
}

int network_add_tenant_tor(struct gateway *gateway, const struct tenant *tenant, const struct switch_info *tor,
                           uint32_t port, struct flow_txn *txn, struct err *err)
{
    const struct segment_state *segment = network_segment(gateway, tenant->segment);
    struct pipeline_vm vm = network_pipeline_vm(tenant, port);
    struct policy_numbers numbers;
    int status = add_meters(gateway, tenant, tor, txn, &numbers, err);

    if (status == 0)
        status = number_queues(gateway, tenant, tor, &numbers, err);
    if (status)
        return status;
    pipeline_vm_tor(txn, &segment->flows, &vm, tenant->has_policy ? &tenant->policy : NULL, &numbers);
    return 0;
}

void network_tenant_sent(struct gateway *gateway, struct tenant *tenant)
{
    tenant->sent = ++gateway->network.sent;
    tenant->left_out = false;
}

/* Of a pool. */
struct unknown_queues {
    struct gateway *gateway;
    char pool[NAME_SIZE + 8];
    char owners[16][NUMBER_OWNER_SIZE];
    size_t n;
};

static bool find_unknown(void *arg, const char *owner, uint32_t number)
{
    struct unknown_queues *unknown = arg;
    uint8_t uuid[UUID_SIZE];
    char text[UUID_TEXT_SIZE];
    (void) number;

    snprintf(text, sizeof text, "%.36s", owner);
    if (uuid_parse(text, uuid) == 0 && !network_vm_known(unknown->gateway, cookie_of_vm(uuid)))
        snprintf(unknown->owners[unknown->n++], NUMBER_OWNER_SIZE, "%s", owner);
    return unknown->n < ARRAY_LEN(unknown->owners);
}

void network_free_unknown_queues(struct gateway *gateway, const struct switch_info *tor)
{
    struct unknown_queues unknown = {.gateway = gateway};

    queue_pool(tor->name, unknown.pool);
    do {
        unknown.n = 0;
        store_number_each(gateway->store, unknown.pool, find_unknown, &unknown, NULL);
        for (size_t i = 0; i < unknown.n; i++) {
            if (store_number_free(gateway->store, unknown.pool, unknown.owners[i], NULL) < 0)
                return;
        }
    } while (unknown.n == ARRAY_LEN(unknown.owners));
}

int network_expected(struct gateway *gateway, const struct tenant *tenant, struct flow_txn *txn, struct err *err)
{
    uint32_t port;
    const struct switch_info *tor = network_tor(gateway, tenant->server, &port, err);

    return tor ? network_add_tenant_tor(gateway, tenant, tor, port, txn, err) : err->code;
}

/* Of a ToR that has queues, or had some. The VM waits for them only if it has some itself. */
static void sync_queues(struct gateway *gateway, const struct switch_info *tor, const struct tenant *tenant,
                        struct join *join)
{
    bool own = tenant && tenant->has_policy && bookings_needed(&tenant->policy);
    struct join *background = own || !gateway->network.has_queues ? NULL : network_background_join();

    gateway->network.has_queues |= own;
    if (own || background)
        bookings_sync(gateway, tor, tenant, background ? background : join);
    if (background)
        join_close(gateway, background);
}

void network_install(struct gateway *gateway, const uint8_t uuid[UUID_SIZE], struct join *join)
{
    struct tenant *tenant = network_tenant(gateway, uuid);
    const struct segment_state *segment = network_segment(gateway, tenant->segment);
    struct flow_txn txn = {0};
    struct err err = {0};
    uint32_t port;
    const struct switch_info *tor = network_tor(gateway, tenant->server, &port, &err);

    if (!tor || network_allocate(gateway, tenant->segment, &err) < 0 ||
        network_add_tenant_tor(gateway, tenant, tor, port, &txn, &err) < 0) {
        flow_txn_free(&txn);
        join_fail(join, &err);
        return;
    }
    tunnels_update(gateway);
    network_add_segment_tor(gateway, tor, segment, &txn);
    sync_queues(gateway, tor, tenant, join);
    network_tenant_sent(gateway, tenant);
    network_apply(gateway, tor, &txn, join);
}

/* ---- removing a tenant ---- */

struct removal {
    struct tenant tenant; /* without its policy */
    char tor[NAME_SIZE];
    bool foreign;
};

static void tenant_removed(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    struct removal *removal = context;
    char owner[NUMBER_OWNER_SIZE], pool[NAME_SIZE + 8], queues[NAME_SIZE + 8];
    struct err err = {0};

    if (event->err.code) {
        join_fail(join, &event->err);
    } else if (!network_tenant(gateway, removal->tenant.uuid)) { /* else it came back and took its numbers again */
        network_meter_pool(removal->tor, pool);
        queue_pool(removal->tor, queues);
        for (unsigned m = 0; m < METERS_OF_VM; m++) {
            meter_owner(&removal->tenant, m, owner);
            if (store_number_free(gateway->store, pool, owner, &err) < 0 ||
                store_number_free(gateway->store, queues, owner, &err) < 0)
                join_fail(join, &err);
        }
    }
    free(removal);
}

/* Flows in the policy's tables that match exactly an address of the VM: they are the VM's, whoever installed them. */
static bool concerns_only(void *arg, const struct flow *flow)
{
    const struct tenant *tenant = arg;
    bool from = (flow->table >= TOR_POLICY_FROM && flow->table < TOR_POLICY_TO) || flow->table == TOR_STATE_FROM;
    bool to = (flow->table >= TOR_POLICY_TO && flow->table < TOR_FORWARD) || flow->table == TOR_STATE_TO;
    const struct flow_field *v4 = match_find(&flow->match, from ? FIELD_IPV4_SRC : FIELD_IPV4_DST);
    const struct flow_field *v6 = match_find(&flow->match, from ? FIELD_IPV6_SRC : FIELD_IPV6_DST);
    struct ip ip = {.family = IP_V6};

    if (!from && !to)
        return false;
    if (v6 && flow_field_exact(v6)) {
        memcpy(ip.bytes, v6->value, sizeof ip.bytes);
        return ip6_list_has(&tenant->ip6, &ip);
    }
    return v4 && flow_field_exact(v4) && memcmp(v4->value, tenant->ip.bytes, 4) == 0;
}

static void send_removal(struct gateway *gateway, struct join *join, struct removal *removal,
                         const struct flow_list *held)
{
    const struct switch_info *tor = inventory_switch(&gateway->inventory, removal->tor);
    const struct segment_state *segment = network_segment(gateway, removal->tenant.segment);
    struct pipeline_vm vm = network_pipeline_vm(&removal->tenant, 0);
    struct flow_txn txn = {0};
    char owner[NUMBER_OWNER_SIZE], pool[NAME_SIZE + 8];
    uint32_t meter;

    for (size_t i = 0; held && i < held->n; i++) {
        flow_txn_delete_strict(&txn, flow_copy(&held->flows[i]));
    }
    pipeline_vm_remove(&txn, &vm);
    pipeline_state_remove(&txn, vm.cookie);
    network_meter_pool(tor->name, pool);
    for (unsigned m = 0; m < METERS_OF_VM; m++) {
        meter_owner(&removal->tenant, m, owner);
        if (store_number_get(gateway->store, pool, owner, &meter, NULL) == 0)
            flow_txn_meter_delete(&txn, meter);
    }
    if (segment && segment->flows.vlan)
        network_add_segment_tor(gateway, tor, segment, &txn);
    sync_queues(gateway, tor, NULL, join);

    uint64_t request = gateway_request(gateway, join, tenant_removed, removal);
    network_send(gateway, request, tor->name, &txn);
}

static void foreign_read(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    struct removal *removal = context;

    if (event->err.code) {
        join_fail(join, &event->err);
        free(removal);
        return;
    }
    send_removal(gateway, join, removal, &event->read.flows);
}

static void remove_from_pe(struct gateway *gateway, const struct tenant *tenant, struct join *join)
{
    struct err err = {0};
    const struct switch_info *pe = network_edge(gateway, SWITCH_ROLE_PE, &err);
    struct pipeline_vm vm = network_pipeline_vm(tenant, 0);
    struct flow_txn txn = {0};

    if (!pe) {
        join_fail(join, &err);
        return;
    }
    pipeline_vm_remove(&txn, &vm);
    network_apply(gateway, pe, &txn, join);
}

void network_remove(struct gateway *gateway, const struct tenant *like, bool foreign, struct join *join)
{
    struct err err = {0};
    uint32_t port;
    const struct switch_info *tor = network_tor(gateway, like->server, &port, &err);
    struct removal *removal = xcalloc(1, sizeof *removal);

    removal->tenant = *like;
    removal->tenant.policy = (struct policy) {0};
    if (network_tenant(gateway, like->uuid)) {
        network_set_present(gateway, like->uuid, false, join);
    } else { /* repeated after a restart */
        struct err failed = {0};

        remove_from_pe(gateway, like, join);
        if (served_forget(gateway, like->uuid, &failed) < 0)
            join_fail(join, &failed);
    }
    forget(gateway, removal->tenant.uuid);
    if (!tor) {
        join_fail(join, &err);
        free(removal);
        tunnels_update(gateway); /* the other ends need not wait for that ToR */
        return;
    }
    snprintf(removal->tor, sizeof removal->tor, "%s", tor->name);
    if (foreign) {
        uint64_t request = gateway_request(gateway, join, foreign_read, removal);
        const struct switch_query query = {FLOW_TABLE_ALL, 0, 0, concerns_only, &removal->tenant};

        network_begin(gateway, tor->name, CHANGE_FLOWS);
        gateway->south.switches->ops->read(gateway->south.switches, request, tor->name, &query);
    } else {
        send_removal(gateway, join, removal, NULL);
    }
    tunnels_update(gateway);
}
