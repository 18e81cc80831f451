/* SPDX-License-Identifier: Apache-2.0 */
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "gmpls_world.h"

#define NODES 4u
#define LSPS 1000u

static double seconds(void) /* of this process alone: others do not count */
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* The long way round, so that each LSP passes all four nodes: 3 hops. */
static void ask(struct net *net, unsigned l)
{
    uint32_t from = l % NODES;
    struct lsp_request request = {.ingress = net->nodes[from].router,
                                  .egress = net->nodes[(from + 3) % NODES].router,
                                  .ingress_client = {CLIENT_PORT_BRIDGE, CLIENT_VLAN_ANY},
                                  .egress_client = {CLIENT_PORT_BRIDGE, CLIENT_VLAN_ANY},
                                  .bandwidth_bps = 100000,
                                  .setup_priority = 7,
                                  .holding_priority = 7};
    struct err err = {0};

    snprintf(request.name, sizeof request.name, "l%u", l);
    for (uint32_t hop = 0; hop < 3; hop++)
        lsp_route_add(
            &request.route,
            (struct lsp_hop) {.type = HOP_IPV4, .address = topology_address((from + hop) % NODES, 1), .length = 32});
    net->lsps = array_reserve(net->lsps, net->n_lsps, &net->cap_lsps, sizeof *net->lsps);
    net->lsps[net->n_lsps++] = (struct net_lsp) {.ingress = from, .asked = 1};
    if (node_initiate(net->nodes[from].node, &request, 2 * (uint64_t) l + 2, net_now(net), &err))
        printf("refused: %s\n", err.text);
    net_drain(net, from);
    lsp_request_free(&request);
}

void rate_print(void)
{
    struct net *net = xcalloc(1, sizeof *net);
    struct mallinfo2 before, after;
    uint64_t messages, inputs;
    double began, took;

    net_ring(net, NODES, false);
    net_start(net);
    before = mallinfo2();
    messages = net->messages;
    inputs = net->happenings;
    began = seconds();
    for (unsigned l = 0; l < LSPS; l++) { /* back to back: each is up before the next */
        ask(net, l);
        while (net->reached_up <= l && net_step(net))
            continue;
    }
    took = seconds() - began;
    after = mallinfo2();
    printf(
        "%u LSPs over 3 hops of a ring of 4 nodes, one after the other: %.0f a second, %.1f us and %.1f messages each, "
        "%llu inputs\n",
        LSPS, LSPS / took, took * 1e6 / LSPS, (double) (net->messages - messages) / LSPS,
        (unsigned long long) (net->happenings - inputs));
    printf("memory: %.0f bytes for each LSP at each node, with its neighbours' soft state and the record on disk\n",
           (double) (after.uordblks - before.uordblks) / LSPS / NODES);
    messages = net->messages;
    net_run(net, 60000);
    printf("refresh: %.1f messages a second in the whole ring, Hellos and Acks included\n",
           (double) (net->messages - messages) / 60);
    net_free(net);
    free(net);
}
