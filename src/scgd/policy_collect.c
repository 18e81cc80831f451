/* SPDX-License-Identifier: Apache-2.0 */
/* A VM's policy: from the store, or as its switch enforces it. */
#include "base/alloc.h"
#include "scgd/gateway.h"

struct collecting {
    struct migration_vm *vm;
    struct policy_site sites[PIPELINE_SITES_MAX];
    unsigned n_sites;
};

static void policy_read(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    AUTO_FREE struct collecting *collecting = context;
    struct migration_vm *vm = collecting->vm;
    struct err err = event->err;
    (void) gateway;

    for (unsigned i = 0; i < collecting->n_sites; i++) {
        collecting->sites[i].queues = event->read.queues;
        collecting->sites[i].n_queues = event->read.n_queues;
    }
    if (err.code == 0) {
        if (policy_from_sites(event->read.flows.flows, event->read.flows.n, event->read.meters, event->read.n_meters,
                              collecting->sites, collecting->n_sites, true, vm->name, &vm->policy, &err) == 0 &&
            policy_check(&vm->policy, &err) == 0) {
            vm->has_policy = true;
            vm->policy_from_switch = true;
        } else if (err.code == ERR_NOT_FOUND || err.code == 0) {
            err_set(&err, ERR_NOT_FOUND,
                    "VM %s has no policy, neither in the store nor on its switch; set one with 'scgctl policy apply'",
                    vm->name);
        } else {
            err_prefix(&err, "the policy of VM %s on its switch", vm->name);
        }
    }
    if (err.code)
        join_fail(join, &err);
}

static bool policy_concerned(void *arg, const struct flow *flow)
{
    const struct collecting *collecting = arg;

    for (unsigned i = 0; i < collecting->n_sites; i++) {
        if (policy_flow_concerns(&collecting->sites[i], flow))
            return true;
    }
    return false;
}

void policy_collect(struct gateway *gateway, struct join *join, struct migration_vm *vm)
{
    struct err err = {0};
    uint32_t port;

    policy_free(&vm->policy);
    vm->policy_from_switch = false;
    int status = network_stored_policy(gateway, vm->name, &vm->policy, &err);

    vm->has_policy = status == 0;
    if (status == 0)
        return;

    const struct switch_info *tor = status == ERR_NOT_FOUND ? network_tor(gateway, vm->server, &port, &err) : NULL;

    if (!tor) {
        join_fail(join, &err);
        return;
    }

    struct collecting *collecting = xcalloc(1, sizeof *collecting);

    collecting->vm = vm;
    collecting->n_sites = pipeline_policy_sites(cookie_of_vm(vm->uuid), &vm->nics[0].mac, &vm->nics[0].ip,
                                                &vm->nics[0].ip6, collecting->sites);
    for (unsigned i = 0; i < collecting->n_sites; i++)
        collecting->sites[i].server_port = port;
    const struct switch_query query = {FLOW_TABLE_ALL, 0, 0, policy_concerned, collecting};
    uint64_t request = gateway_request(gateway, join, policy_read, collecting);

    gateway->south.switches->ops->read(gateway->south.switches, request, tor->name, &query);
}
