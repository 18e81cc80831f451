/* SPDX-License-Identifier: Apache-2.0 */
/* Which migration channel an order takes: SPEC M2. Channels exist by configuration (a leased line), or are circuits
 * that the gateway has set up, or sets up for the order. */
#include <stdio.h>
#include <string.h>

#include "scgd/gateway.h"

uint32_t channel_booked_mbps(const struct gateway *gateway, const char *channel, const struct order *except)
{
    uint32_t booked = 0;

    for (size_t i = 0; i < gateway->n_migrations; i++) {
        const struct saga *saga = gateway->migrations[i]->saga;

        if (!saga_ended(saga) && strcmp(saga->order.channel, channel) == 0 &&
            !(except && except->role == saga->order.role && strcmp(except->id, saga->order.id) == 0))
            booked += saga->order.bandwidth_mbps;
    }
    return booked;
}

static uint32_t free_of(uint32_t mbps, uint32_t booked)
{
    return booked < mbps ? mbps - booked : 0;
}

static bool fits(uint32_t free_mbps, uint32_t wanted)
{
    return free_mbps > 0 && free_mbps >= wanted;
}

/* The channel of another open order between the same two servers: their streams cannot be told apart, so both take one
 * channel. */
static const struct order *same_servers(const struct gateway *gateway, const struct order *order)
{
    for (size_t i = 0; i < gateway->n_migrations; i++) {
        const struct saga *saga = gateway->migrations[i]->saga;
        const struct order *other = &saga->order;

        if (saga_ended(saga) || other->role != ROLE_SOURCE || strcmp(other->id, order->id) == 0 ||
            strcmp(other->target_dc, order->target_dc) != 0 || strcmp(other->target_server, order->target_server) != 0)
            continue;
        for (unsigned v = 0; v < order->n_vms; v++) {
            for (unsigned w = 0; w < other->n_vms; w++) {
                if (strcmp(order->vms[v].server, other->vms[w].server) == 0)
                    return other;
            }
        }
    }
    return NULL;
}

static uint32_t circuit_mbps(const struct circuit *circuit)
{
    return (uint32_t) (circuit->want.bandwidth_bps / 1000000);
}

/* The channel of that name, with what is free of it; false if there is none to that data center. */
static bool channel_by_name(const struct gateway *gateway, const struct order *order, const char *name,
                            struct channel_choice *choice, uint32_t *free_mbps)
{
    const struct circuit *circuit = circuit_find(gateway, name);
    uint32_t booked = channel_booked_mbps(gateway, name, order);

    name_copy(choice->name, name);
    for (unsigned i = 0; i < gateway->config->channels_count; i++) {
        const struct config_channel *channel = &gateway->config->channels[i];

        if (strcmp(channel->name, name) != 0 || strcmp(channel->peer, order->target_dc) != 0)
            continue;
        choice->by_configuration = true;
        choice->mbps = channel->bandwidth_mbps;
        *free_mbps = free_of(channel->bandwidth_mbps, booked);
        return true;
    }
    if (!circuit || circuit->state == CIRCUIT_REMOVING || strcmp(circuit->peer, order->target_dc) != 0)
        return false;
    choice->by_configuration = false;
    choice->circuit = *circuit;
    choice->mbps = circuit_mbps(circuit);
    *free_mbps = free_of(circuit_mbps(circuit), booked);
    return true;
}

/* Tries each channel there is that stands or is being set up, or each that waits to be; the widest is told if none
 * fits. */
static bool choose_existing(const struct gateway *gateway, const struct order *order, bool stands,
                            struct channel_choice *choice, uint32_t *widest)
{
    uint32_t free_mbps;

    for (unsigned i = 0; i < gateway->config->channels_count && stands; i++) {
        if (!channel_by_name(gateway, order, gateway->config->channels[i].name, choice, &free_mbps))
            continue;
        if (fits(free_mbps, order->bandwidth_mbps))
            return true;
        *widest = free_mbps > *widest ? free_mbps : *widest;
    }
    for (size_t i = 0; i < gateway->transport.n_circuits; i++) {
        const struct circuit *circuit = gateway->transport.circuits[i];

        if (stands != (circuit->state != CIRCUIT_WAITING) ||
            !channel_by_name(gateway, order, circuit->name, choice, &free_mbps))
            continue;
        if (fits(free_mbps, order->bandwidth_mbps))
            return true;
        *widest = free_mbps > *widest ? free_mbps : *widest;
    }
    return false;
}

static int plan_new(const struct gateway *gateway, const struct order *order, struct channel_choice *choice,
                    struct err *err)
{
    *choice = (struct channel_choice) {0};
    if (circuit_plan_channel(gateway, order->target_dc, order->bandwidth_mbps, &choice->circuit, err) < 0)
        return err->code;
    choice->circuit.keep = gateway->config->transport->keep_channels;
    choice->mbps = circuit_mbps(&choice->circuit);
    name_copy(choice->name, choice->circuit.name);
    return 0;
}

static bool can_be_had(struct gateway *gateway, const struct circuit *circuit)
{
    struct path_result path = {0};
    bool had = transport_check(gateway, circuit->want.ingress, NULL) == 0 &&
               circuit_path(gateway, circuit, &path, NULL) == 0;

    path_result_free(&path);
    return had;
}

int channel_choose(struct gateway *gateway, const struct order *order, struct channel_choice *choice, struct err *err)
{
    const struct order *other = same_servers(gateway, order);
    const char *bound = other ? other->channel : order->channel;
    struct channel_choice new;
    struct err none = {0};
    uint32_t free_mbps, widest = 0;

    *choice = (struct channel_choice) {0};
    if (*bound && channel_by_name(gateway, order, bound, choice, &free_mbps)) {
        if (fits(free_mbps, order->bandwidth_mbps))
            return 0;
        if (other)
            return err_set(err, ERR_EXHAUSTED,
                           "migration %s moves VMs between the same servers through channel %s, of which %u Mbit/s are "
                           "free; wait for it, or ask for less than %u",
                           other->id, bound, free_mbps, order->bandwidth_mbps);
    }
    if (choose_existing(gateway, order, true, choice, &widest))
        return 0;
    /* One that waits is no channel yet, and perhaps not soon: better one that can be had now. */
    bool planned = plan_new(gateway, order, &new, &none) == 0;
    if (!(planned && can_be_had(gateway, &new.circuit)) && choose_existing(gateway, order, false, choice, &widest))
        return 0;
    if (planned) {
        *choice = new;
        return 0;
    }
    if (widest)
        return err_set(err, ERR_EXHAUSTED, "no channel to data center %s has %u Mbit/s free; the widest has %u",
                       order->target_dc, order->bandwidth_mbps, widest);
    return err_set(err, none.code, "there is no channel to data center %s; %s", order->target_dc, none.text);
}

/* Whether the order has taken its channel, or is about to, and has not given it back. */
static bool holds_channel(const struct saga *saga, const char *channel)
{
    bool taken = false;

    if (saga_ended(saga) || saga->order.role != ROLE_SOURCE || strcmp(saga->order.channel, channel) != 0)
        return false;
    for (unsigned i = 0; i < saga->n_steps; i++) {
        enum step_state state = saga->steps[i].state;

        if (saga->steps[i].kind == STEP_CHANNEL_RESERVE)
            taken = state == STEP_APPLYING || state == STEP_CONFIRMING || state == STEP_DONE;
        else if (saga->steps[i].kind == STEP_CHANNEL_CLOSE)
            taken &= state == STEP_PENDING || state == STEP_SKIPPED;
    }
    return taken;
}

bool channel_held(const struct gateway *gateway, const char *channel, const struct order *except)
{
    for (size_t i = 0; i < gateway->n_migrations; i++) {
        const struct saga *saga = gateway->migrations[i]->saga;

        if (holds_channel(saga, channel) && !(except && strcmp(saga->order.id, except->id) == 0))
            return true;
    }
    return false;
}

void channel_release(struct gateway *gateway, const struct order *order, struct join *join)
{
    const struct circuit *circuit = circuit_find(gateway, order->channel);

    if (circuit && !circuit->keep && !channel_held(gateway, order->channel, order))
        circuit_close(gateway, order->channel, join);
}

int circuit_plan_channel(const struct gateway *gateway, const char *dc, uint32_t mbps, struct circuit *like,
                         struct err *err)
{
    const struct config_edge *edge = network_edge_config(gateway, EDGE_INTER_DC);
    const struct config_peer *peer = gateway_peer_config(gateway, dc);
    unsigned number = 1;

    if (!gateway->config->transport || !edge || !edge->transport_port || !peer || !peer->transport.router_id)
        return err_set(err, ERR_NOT_FOUND, "no channel to data center %s can be set up: the configuration has no %s",
                       dc,
                       !gateway->config->transport    ? "section 'transport'" :
                       !edge || !edge->transport_port ? "inter-dc edge with a transport-port" :
                                                        "transport-router-id of that peer");
    *like = (struct circuit) {.want = {.ingress = edge->transport.router,
                                       .egress = peer->transport.router,
                                       .ingress_client = {edge->transport.client, CLIENT_VLAN_ANY},
                                       .egress_client = {peer->transport.client, CLIENT_VLAN_ANY},
                                       .bandwidth_bps = (uint64_t) (mbps ? mbps : edge->migration_mbps) * 1000000,
                                       .setup_priority = 4,
                                       .holding_priority = 4}};
    name_copy(like->peer, dc);
    do {
        if (snprintf(like->name, sizeof like->name, "%s:channel:%s:%u", gateway->config->dc, dc, number++) >=
            (int) sizeof like->name)
            return err_set(err, ERR_TOO_LARGE, "the names of data centers %s and %s are too long for an LSP's name",
                           gateway->config->dc, dc);
    } while (circuit_find(gateway, like->name));
    memcpy(like->want.name, like->name, sizeof like->want.name);
    return 0;
}

int channel_create(struct gateway *gateway, const char *dc, uint32_t mbps, char name[LSP_NAME_SIZE], struct err *err)
{
    struct circuit like;
    struct path_result path = {0};

    if (circuit_plan_channel(gateway, dc, mbps, &like, err) < 0 ||
        transport_check(gateway, like.want.ingress, err) < 0 || circuit_path(gateway, &like, &path, err) < 0)
        return err->code;
    path_result_free(&path);
    like.keep = true;
    memcpy(name, like.name, LSP_NAME_SIZE);

    struct join *join = network_background_join();
    circuit_open(gateway, &like, join);
    join_close(gateway, join);
    return 0;
}

int channel_delete(struct gateway *gateway, const char *name, struct err *err)
{
    const struct circuit *circuit = circuit_find(gateway, name);

    for (unsigned i = 0; i < gateway->config->channels_count; i++) {
        if (strcmp(gateway->config->channels[i].name, name) == 0)
            return err_set(err, ERR_CONFLICT, "channel %s exists by configuration; remove it there", name);
    }
    if (!circuit)
        return err_set(err, ERR_NOT_FOUND, "there is no channel '%s' in data center %s", name, gateway->config->dc);
    if (*circuit->user)
        return err_set(err, ERR_CONFLICT, "circuit %s belongs to user %s; delete the user", name, circuit->user);
    if (channel_held(gateway, name, NULL))
        return err_set(err, ERR_CONFLICT, "a migration uses channel %s; delete it when that has ended", name);

    struct join *join = network_background_join();
    circuit_close(gateway, name, join);
    join_close(gateway, join);
    return 0;
}
