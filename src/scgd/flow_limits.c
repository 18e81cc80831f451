/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the tables of a ToR take the flows of VMs. What others have put there is not counted: if it is in the way,
 * the switch says so, and nothing of the bundle stands. */
#include <string.h>

#include "base/alloc.h"
#include "scgd/network_internal.h"

#define TABLES 256

static void count_txn(const struct flow_txn *txn, uint32_t counts[TABLES])
{
    for (size_t i = 0; i < txn->n_mods; i++)
        counts[txn->mods[i].flow.table] += txn->mods[i].command == FLOW_ADD;
}

/* Flows of a VM, with any numbers for its meters: how many there are does not depend on which. */
static void count_vm(const struct tenant *tenant, const struct policy *policy, uint32_t counts[TABLES])
{
    static const struct pipeline_segment segment = {.number = 1, .vlan = 1};
    struct pipeline_vm vm = network_pipeline_vm(tenant, 1);
    struct policy_numbers numbers = {0};
    struct flow_txn txn = {0};

    for (unsigned d = 0; policy && d < 2; d++) {
        numbers.meters[d] = policy->rate[d].kbps > 0;
        numbers.limit_meters[d] = policy->new_limit[d].per_second > 0;
        for (unsigned c = 0; c < policy->n_classes; c++)
            numbers.class_meters[d][c] = policy->classes[c].rate[d].kbps > 0;
    }
    pipeline_vm_tor(&txn, &segment, &vm, policy, &numbers);
    count_txn(&txn, counts);
    flow_txn_free(&txn);
}

static void count_tenant(const struct tenant *tenant, uint32_t counts[TABLES])
{
    count_vm(tenant, tenant->has_policy ? &tenant->policy : NULL, counts);
}

/* As count_tenant(), of one that the network serves: its policy is made into flows once. */
static void count_served(struct tenant *tenant, uint32_t counts[TABLES])
{
    if (!tenant->counted) {
        uint32_t own[TABLES] = {0};

        count_tenant(tenant, own);
        memcpy(tenant->flows, own, sizeof tenant->flows);
        tenant->counted = true;
    }
    for (unsigned i = 0; i < ARRAY_LEN(tenant->flows); i++)
        counts[i] += tenant->flows[i];
}

static bool is_at(const struct gateway *gateway, const struct switch_info *tor, const char *server)
{
    uint32_t port;

    return network_tor(gateway, server, &port, NULL) == tor;
}

/* What the ToR holds, and what other orders have been promised; but for the VM 'uuid', which may be null. */
static void count_held(struct gateway *gateway, const struct switch_info *tor, const struct migration *except,
                       const uint8_t *uuid, uint32_t counts[TABLES])
{
    struct flow_txn base = {0};
    struct err err;

    if (network_expected_base(gateway, tor, &base, &err) == 0)
        count_txn(&base, counts);
    flow_txn_free(&base);
    for (size_t i = 0; i < gateway->network.n_tenants; i++) {
        struct tenant *tenant = &gateway->network.tenants[i];

        if ((!uuid || memcmp(tenant->uuid, uuid, UUID_SIZE) != 0) && is_at(gateway, tor, tenant->server))
            count_served(tenant, counts);
    }
    for (size_t m = 0; m < gateway->n_migrations; m++) {
        const struct migration *migration = gateway->migrations[m];
        const struct order *order = &migration->saga->order;

        if (migration == except || saga_ended(migration->saga) || order->role != ROLE_TARGET ||
            !is_at(gateway, tor, order->target_server))
            continue;
        for (unsigned v = 0; v < order->n_vms; v++) {
            struct tenant tenant = tenant_of_order(order, v);

            if (order->vms[v].fate == FATE_OPEN && !network_tenant(gateway, tenant.uuid))
                count_tenant(&tenant, counts);
        }
    }
}

static int check(const struct switch_info *tor, const uint32_t held[TABLES], const uint32_t wanted[TABLES],
                 const char *what, struct err *err)
{
    for (unsigned i = 0; i < tor->n_limits; i++) {
        const struct flow_limit *limit = &tor->limits[i];

        if (wanted[limit->table] && (uint64_t) held[limit->table] + wanted[limit->table] > limit->flows)
            return err_set(err, ERR_REFUSED,
                           "table %u of switch %s takes %u flows (Flow_Table flow_limit), of which %u are taken or "
                           "promised; %s needs %u: raise the limit, or use rules that need fewer flows",
                           limit->table, tor->name, limit->flows, held[limit->table], what, wanted[limit->table]);
    }
    return 0;
}

int flow_limits_check_order(struct gateway *gateway, const struct switch_info *tor, const struct order *order,
                            const struct migration *migration, struct err *err)
{
    uint32_t held[TABLES] = {0}, wanted[TABLES] = {0};

    if (tor->n_limits == 0)
        return 0;
    count_held(gateway, tor, migration, NULL, held);
    for (unsigned v = 0; v < order->n_vms; v++) {
        struct tenant tenant = tenant_of_order(order, v);

        count_tenant(&tenant, wanted);
    }
    return check(tor, held, wanted, "the order", err);
}

int flow_limits_check_policy(struct gateway *gateway, const uint8_t uuid[UUID_SIZE], const struct policy *policy,
                             struct err *err)
{
    const struct tenant *tenant = network_tenant(gateway, uuid);
    uint32_t held[TABLES] = {0}, wanted[TABLES] = {0}, port;
    const struct switch_info *tor = tenant ? network_tor(gateway, tenant->server, &port, NULL) : NULL;

    if (!tor || tor->n_limits == 0)
        return 0;
    count_held(gateway, tor, NULL, uuid, held);
    count_vm(tenant, policy, wanted);
    return check(tor, held, wanted, "the policy", err);
}

void flow_limits_used(struct gateway *gateway, const struct switch_info *sw, uint32_t *used)
{
    uint32_t held[TABLES] = {0};

    count_held(gateway, sw, NULL, NULL, held);
    for (unsigned i = 0; i < sw->n_limits; i++)
        used[i] = held[sw->limits[i].table];
}
