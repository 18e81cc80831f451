/* SPDX-License-Identifier: Apache-2.0 */
/* An order of two VMs, V1 and V2, for tests. */
#ifndef ORDER_SAMPLES_H
#define ORDER_SAMPLES_H

#include <stdio.h>

#include "base/alloc.h"
#include "core/plan.h"

static inline struct order sample_order(enum migration_role role)
{
    struct order order = {.id = "5f1d2c3b-0000-4000-8000-000000000001",
                          .role = role,
                          .source_dc = "A",
                          .target_dc = "B",
                          .target_server = "server-b",
                          .channel = "wan",
                          .n_vms = 2};

    order.vms = xcalloc(2, sizeof *order.vms);
    for (unsigned v = 0; v < 2; v++) {
        struct migration_vm *vm = &order.vms[v];

        snprintf(vm->name, sizeof vm->name, "V%u", v + 1);
        snprintf(vm->segment, sizeof vm->segment, "web");
        snprintf(vm->server, sizeof vm->server, "server-a");
        snprintf(vm->source_address, sizeof vm->source_address, "10.254.0.11");
        vm->uuid[15] = (uint8_t) (v + 1);
        vm->memory_kib = 131072;
        vm->generation = 1;
        vm->n_nics = 1;
        vm->nics[0].mtu = MTU_ETHERNET;
        vm->nics[0].ip = (struct ip) {IP_V4, {10, 100, 0, (uint8_t) (11 + v)}};
    }
    return order;
}

/* A user on a transport network comes along. */
static inline void sample_user(struct order *order)
{
    order->users = xcalloc(1, sizeof *order->users);
    order->n_users = 1;
    snprintf(order->users[0].name, sizeof order->users[0].name, "ce1");
    snprintf(order->users[0].segment, sizeof order->users[0].segment, "web");
    order->users[0].access_router = 0x0afd000f;
    order->users[0].access = (struct lsp_client) {1, CLIENT_VLAN_NONE};
    order->users[0].bandwidth_mbps = 100;
    order->users[0].n_addresses = 1;
    order->users[0].addresses[0] = (struct ip) {IP_V4, {10, 100, 0, 101}};
    user_add_vm(&order->users[0], "V1");
    user_add_vm(&order->users[0], "V2");
}

#endif
