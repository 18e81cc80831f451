/* SPDX-License-Identifier: Apache-2.0 */
#include "scgd/bookings.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "scgd/network_internal.h"

bool bookings_needed(const struct policy *policy)
{
    for (unsigned i = 0; i < policy->n_classes; i++) {
        if (policy_class_queued(&policy->classes[i], POLICY_FROM_VM) ||
            policy_class_queued(&policy->classes[i], POLICY_TO_VM))
            return true;
    }
    return false;
}

/* Which direction of a VM's packets leaves by the port: false if none does. */
static bool direction_of(const struct switch_port *port, uint32_t server_port, enum policy_direction *direction)
{
    *direction = port->number == server_port ? POLICY_TO_VM : POLICY_FROM_VM;
    /* A line that is down has no rate: it gets its queues when it is up. */
    return port->number == server_port || (port->fabric && port->number < PORT_MAX && (port->up || port->rate_kbps));
}

static uint64_t promised(const struct policy *policy, enum policy_direction direction)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < policy->n_classes; i++)
        sum += policy->classes[i].queue[direction].min_kbps;
    return sum;
}

static bool among(const struct booking *bookings, size_t n, const uint8_t uuid[UUID_SIZE])
{
    for (size_t i = 0; i < n; i++) {
        if (memcmp(bookings[i].uuid, uuid, UUID_SIZE) == 0)
            return true;
    }
    return false;
}

/* What one VM, at this server, was promised at the port of the ToR. */
static uint64_t promised_at(const struct gateway *gateway, const struct switch_info *tor,
                            const struct switch_port *port, const char *server, const struct policy *policy)
{
    enum policy_direction direction;
    uint32_t server_port;

    if (network_tor_seen(gateway, server, &server_port) != tor || !direction_of(port, server_port, &direction))
        return 0;
    return promised(policy, direction);
}

static bool promises(const struct policy *policy)
{
    return promised(policy, POLICY_FROM_VM) || promised(policy, POLICY_TO_VM);
}

/* What VMs but these were promised: those that are here, and those that orders bring. */
static uint64_t booked(const struct gateway *gateway, const struct switch_info *tor, const struct switch_port *port,
                       const struct booking *but, size_t n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < gateway->network.n_tenants; i++) {
        const struct tenant *tenant = &gateway->network.tenants[i];

        if (tenant->has_policy && promises(&tenant->policy) && !among(but, n, tenant->uuid))
            sum += promised_at(gateway, tor, port, tenant->server, &tenant->policy);
    }
    for (size_t m = 0; m < gateway->n_migrations; m++) {
        const struct saga *saga = gateway->migrations[m]->saga;
        const struct order *order = &saga->order;

        for (unsigned v = 0; v < order->n_vms && !saga_ended(saga) && order->role == ROLE_TARGET; v++) {
            const struct migration_vm *vm = &order->vms[v];

            if (vm->has_policy && vm->fate == FATE_OPEN && !among(but, n, vm->uuid) &&
                !network_tenant(gateway, vm->uuid))
                sum += promised_at(gateway, tor, port, order->target_server, &vm->policy);
        }
    }
    return sum;
}

uint64_t bookings_of_port(const struct gateway *gateway, const struct switch_info *tor, const struct switch_port *port)
{
    return booked(gateway, tor, port, NULL, 0);
}

static int check_rate(const struct switch_info *tor, const struct switch_port *port, const struct booking *booking,
                      const struct policy_class *class, enum policy_direction direction, struct err *err)
{
    const struct policy_queue *queue = &class->queue[direction];
    bool max = queue->max_kbps > port->rate_kbps;

    if (!max && queue->min_kbps <= port->rate_kbps)
        return 0;
    return err_set(err, ERR_REFUSED,
                   "policy %s: classes.%s.%s.queue.%s: %u is more than the %u kbit/s that port %s of switch %s passes",
                   booking->vm, class->name, direction == POLICY_FROM_VM ? "from-vm" : "to-vm",
                   max ? "max-kbps" : "min-kbps", max ? queue->max_kbps : queue->min_kbps, port->rate_kbps, port->name,
                   tor->name);
}

static int check_classes(const struct switch_info *tor, const struct switch_port *port, const struct booking *booking,
                         enum policy_direction direction, struct err *err)
{
    for (unsigned i = 0; i < booking->policy->n_classes; i++) {
        const struct policy_class *class = &booking->policy->classes[i];

        if (!policy_class_queued(class, direction))
            continue;
        if (!port->rate_kbps)
            return err_set(err, ERR_REFUSED,
                           "class %s of VM %s needs a queue, but port %s of switch %s does not tell its rate: set "
                           "external_ids:scg-rate-kbps of its row in OVSDB's Port",
                           class->name, booking->vm, port->name, tor->name);
        if (check_rate(tor, port, booking, class, direction, err) < 0)
            return err->code;
    }
    return 0;
}

static int check_port(const struct gateway *gateway, const struct switch_info *tor, const struct switch_port *port,
                      enum policy_direction direction, const struct booking *bookings, size_t n, struct err *err)
{
    uint64_t wanted = 0;

    for (size_t i = 0; i < n; i++) {
        if (check_classes(tor, port, &bookings[i], direction, err) < 0)
            return err->code;
        wanted += promised(bookings[i].policy, direction);
    }
    uint64_t others = wanted ? booked(gateway, tor, port, bookings, n) : 0;
    if (wanted && wanted + others > port->rate_kbps)
        return err_set(err, ERR_REFUSED,
                       "port %s of switch %s passes %u kbit/s, of which %llu are promised to other VMs; %s%s promised "
                       "%llu %s",
                       port->name, tor->name, port->rate_kbps, (unsigned long long) others,
                       n == 1 ? bookings[0].vm : "the order's VMs", n == 1 ? " is" : " are",
                       (unsigned long long) wanted, direction == POLICY_FROM_VM ? "from it" : "to it");
    return 0;
}

int bookings_check(const struct gateway *gateway, const char *server, const struct booking *bookings, size_t n,
                   struct err *err)
{
    uint32_t server_port;
    const struct switch_info *tor = network_tor_seen(gateway, server, &server_port);

    for (size_t p = 0; tor && p < tor->n_ports; p++) {
        enum policy_direction direction;

        if (direction_of(&tor->ports[p], server_port, &direction) &&
            check_port(gateway, tor, &tor->ports[p], direction, bookings, n, err) < 0)
            return err->code;
    }
    return 0;
}

int bookings_check_order(const struct gateway *gateway, const struct order *order, struct err *err)
{
    AUTO_FREE struct booking *bookings = xcalloc(order->n_vms, sizeof *bookings);
    size_t n = 0;

    for (unsigned v = 0; v < order->n_vms; v++) {
        const struct migration_vm *vm = &order->vms[v];

        if (vm->has_policy)
            bookings[n++] = (struct booking) {vm->uuid, vm->name, &vm->policy};
    }
    return bookings_check(gateway, order->target_server, bookings, n, err);
}

/* ---- queues ---- */

struct wanted {
    struct flow_queue *queues;
    size_t n, capacity;
};

/* The queues of a VM, of one direction, at the port. */
static void add_queues(const struct switch_port *port, const struct tenant *tenant, enum policy_direction direction,
                       const uint32_t *numbers, struct wanted *wanted)
{
    for (unsigned i = 0; i < tenant->policy.n_classes; i++) {
        const struct policy_class *class = &tenant->policy.classes[i];
        struct flow_queue queue = {
            .port = port->number,
            .id = numbers[i],
            .min_kbps = class->queue[direction].min_kbps,
            .max_kbps = class->queue[direction].max_kbps,
            .priority = class->queue[direction].priority,
            .ip = tenant->ip,
            .from_vm = direction == POLICY_FROM_VM,
            .dscp = class->dscp,
        };

        if (!policy_class_queued(class, direction) || !queue.id)
            continue;
        memcpy(queue.vm, tenant->name, sizeof queue.vm);
        wanted->queues = array_reserve(wanted->queues, wanted->n, &wanted->capacity, sizeof *wanted->queues);
        wanted->queues[wanted->n++] = queue;
    }
}

static void add_tenant(const struct gateway *gateway, const struct switch_info *tor, const struct tenant *tenant,
                       struct wanted *wanted)
{
    uint32_t server_port, numbers[2][POLICY_CLASSES_MAX];

    if (!tenant->has_policy || !bookings_needed(&tenant->policy) ||
        network_tor_seen(gateway, tenant->server, &server_port) != tor)
        return;
    for (unsigned d = 0; d < 2; d++) {
        for (unsigned i = 0; i < tenant->policy.n_classes; i++)
            numbers[d][i] = network_queue_number(gateway, tenant, tor, d, i);
    }
    for (size_t p = 0; p < tor->n_ports; p++) {
        enum policy_direction direction;

        if (direction_of(&tor->ports[p], server_port, &direction))
            add_queues(&tor->ports[p], tenant, direction, numbers[direction], wanted);
    }
}

static int compare_places(const void *a, const void *b)
{
    const struct flow_queue *x = a, *y = b;

    return x->port != y->port ? (x->port > y->port) - (x->port < y->port) : (x->id > y->id) - (x->id < y->id);
}

struct flow_queue *bookings_queues(const struct gateway *gateway, const struct switch_info *tor, size_t *n)
{
    struct wanted wanted = {0};

    for (size_t i = 0; i < gateway->network.n_tenants; i++)
        add_tenant(gateway, tor, &gateway->network.tenants[i], &wanted);
    if (wanted.n)
        qsort(wanted.queues, wanted.n, sizeof *wanted.queues, compare_places);
    *n = wanted.n;
    return wanted.queues;
}

void bookings_sync(struct gateway *gateway, const struct switch_info *tor, const struct tenant *tenant,
                   struct join *join)
{
    size_t n;
    AUTO_FREE struct flow_queue *queues = bookings_queues(gateway, tor, &n);
    /* Until the gateway is ready, it may know VMs of servers whose ports it does not know. */
    bool complete = gateway->ready && gateway_servers_up(gateway);
    const struct switch_queue_set set = {queues, n, complete, tenant ? tenant->name : NULL};

    gateway->network.has_queues |= n > 0;
    uint64_t request = gateway_request(gateway, join, NULL, NULL);
    network_begin(gateway, tor->name, CHANGE_QUEUES);
    gateway->south.switches->ops->set_queues(gateway->south.switches, request, tor->name, &set);
}
