/* SPDX-License-Identifier: Apache-2.0 */
/* What an order would do, as JSON and as text: the channel that it would take, who would get a circuit, its steps. */
#include "base/alloc.h"
#include "scgd/gateway.h"

/* The nodes that a channel takes, or would take now; none if that is not known. */
static size_t nodes_of_channel(struct gateway *gateway, const struct channel_choice *choice, bool exists,
                               uint32_t nodes[LSP_HOPS_MAX + 1])
{
    const struct lsp_route *record = &choice->circuit.report.record;
    struct path_result path = {0};
    size_t n = 0;

    if (choice->by_configuration || (exists && choice->circuit.state != CIRCUIT_UP))
        return 0;
    nodes[n++] = choice->circuit.want.ingress;
    if (!exists && circuit_path(gateway, &choice->circuit, &path, NULL) < 0)
        return 0;
    for (size_t i = 0; i < path.n && n <= LSP_HOPS_MAX; i++)
        nodes[n++] = path.links[i].to;
    for (size_t i = 0; i < record->n && exists && n <= LSP_HOPS_MAX; i++) {
        if (record->hops[i].type == HOP_IPV4)
            nodes[n++] = transport_node_at(gateway, record->hops[i].address);
    }
    path_result_free(&path);
    return n;
}

static json_t *view_plan_channel(const struct order *order, const struct plan_channel *channel)
{
    json_t *nodes = json_array(), *json = json_pack("{s:s, s:b, s:I}", "name", order->channel, "exists",
                                                    channel->exists, "bandwidth-mbps", (json_int_t) channel->mbps);
    char router[IPV4_TEXT_SIZE];

    for (size_t i = 0; i < channel->n_nodes; i++)
        json_array_append_new(nodes, json_string(ipv4_format(channel->nodes[i], router)));
    if (channel->n_nodes)
        json_object_set(json, "nodes", nodes);
    json_decref(nodes);
    return json;
}

static json_t *view_plan_users(const struct order *order)
{
    json_t *users = json_array();

    for (unsigned u = 0; u < order->n_users; u++) {
        json_t *vms = json_array();

        for (unsigned v = 0; v < order->users[u].n_vms; v++)
            json_array_append_new(vms, json_string(order->users[u].vms[v]));
        json_array_append_new(users, json_pack("{s:s, s:o}", "name", order->users[u].name, "vms", vms));
    }
    return users;
}

static json_t *view_plan_target(const struct order *order, const struct plan_target *target)
{
    json_t *json = json_pack("{s:s, s:b}", "dc", order->target_dc, "asked", target != NULL);

    if (target)
        json_object_set_new(json, "plan", planned_steps_to_json(target->steps, target->n));
    return json;
}

int view_plan(struct gateway *gateway, const struct order *order, const struct plan_target *target, json_t **out,
              struct err *err)
{
    uint32_t nodes[LSP_HOPS_MAX + 1];
    struct channel_choice choice;
    struct plan_channel channel;
    size_t n;

    if (channel_choose(gateway, order, &choice, err) < 0)
        return err->code;
    channel.exists = choice.by_configuration || circuit_find(gateway, choice.name);
    channel.mbps = choice.mbps;
    channel.nodes = nodes;
    channel.n_nodes = nodes_of_channel(gateway, &choice, channel.exists, nodes);

    AUTO_FREE struct planned_step *steps = plan_describe(order, !channel.exists, &n);
    AUTO_FREE char *text = plan_format(order, &channel, target);
    *out = json_pack("{s:o, s:o, s:o, s:o, s:s}", "channel", view_plan_channel(order, &channel), "users",
                     view_plan_users(order), "plan", planned_steps_to_json(steps, n), "target",
                     view_plan_target(order, target), "text", text);
    return 0;
}
