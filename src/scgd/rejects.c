/* SPDX-License-Identifier: Apache-2.0 */
/* Answers to what the policies of VMs reject. A ToR hands over the beginning of such a packet, no more of them than a
 * meter lets pass; without a gateway, and beyond the meter, it is denied without a word. */
#include <string.h>

#include "core/reject.h"
#include "scgd/network_internal.h"

static const struct tenant *tenant_of_cookie(const struct gateway *gateway, uint64_t cookie)
{
    for (size_t i = 0; i < gateway->network.n_tenants; i++) {
        if (cookie_of_vm(gateway->network.tenants[i].uuid) == cookie)
            return &gateway->network.tenants[i];
    }
    return NULL;
}

/* As if the VM had sent it: to wherever the pipeline leads its packets. */
static void send_as_vm(struct gateway *gateway, const char *tor, const struct tenant *tenant, uint32_t port,
                       const uint8_t *frame, size_t size)
{
    const struct switch_ops *ops = gateway->south.switches->ops;
    const struct segment_state *segment = network_segment(gateway, tenant->segment);
    struct flow passed = {0};

    pipeline_passed(&passed, &segment->flows);
    const struct switch_injection injection = {
        .in_port = port, .actions = passed.actions, .n_actions = passed.n_actions, .frame = frame, .size = size};
    ops->inject(gateway->south.switches, tor, &injection);
    flow_free(&passed);
}

bool rejects_packet(struct gateway *gateway, const struct event *event)
{
    uint8_t answer[REJECT_ANSWER_MAX];
    uint32_t port;

    if ((event->packet.cookie & COOKIE_KIND_MASK) != cookie_make(COOKIE_VM, 0))
        return false;

    const struct tenant *tenant = tenant_of_cookie(gateway, event->packet.cookie);
    const struct switch_info *tor = tenant ? network_tor(gateway, tenant->server, &port, NULL) : NULL;
    if (!tor || strcmp(tor->name, event->name) != 0)
        return true;

    size_t size = reject_answer(event->packet.frame, event->packet.size, answer);
    if (size && event->packet.table == TOR_VERDICT_FROM)
        gateway->south.switches->ops->packet_out(gateway->south.switches, tor->name, port, answer, size);
    else if (size && event->packet.table == TOR_VERDICT_TO)
        send_as_vm(gateway, tor->name, tenant, port, answer, size);
    return true;
}
