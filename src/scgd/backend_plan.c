/* SPDX-License-Identifier: Apache-2.0 */
/* Orders that are only planned, at the source and by the target. Nothing is journaled, taken or changed at either. */
#include "base/alloc.h"
#include "proto/peer/peer.h"
#include "scgd/gateway.h"

#define ANSWER_MS 5000 /* a peer answers at once */

/* ---- the source ---- */

/* A plan that waits for the target's. */
struct planning {
    struct backend_reply *reply;
    struct order order;
};

static void planning_free(struct planning *planning)
{
    order_free(&planning->order);
    free(planning);
}

static void drop_planning(struct join *join)
{
    planning_free(join->context);
}

/* What the target says: its plan in 'plan', or '*asked' false if its gateway does not know how; or why the order would
 * fail. */
static int read_plan(const struct event *event, const struct order *order, struct peer_plan *plan, bool *asked,
                     struct err *err)
{
    *asked = true;
    if (event->err.code) { /* the driver has named the data center */
        *err = event->err;
        return err->code;
    }
    if (event->answer.status == 404) {
        *asked = false;
        return 0;
    }
    if (event->answer.status >= 300) {
        problem_decode(event->answer.status, event->answer.body, err);
    } else if (peer_plan_decode(event->answer.body, plan, err) == 0) {
        if (plan->refused.code == 0)
            return 0;
        *err = plan->refused;
    }
    return err_prefix(err, "data center %s", order->target_dc);
}

static void target_planned(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    struct planning *planning = join->context;
    struct peer_plan plan = {0};
    struct err err = {0};
    json_t *body = NULL;
    bool asked;
    (void) context;

    if (read_plan(event, &planning->order, &plan, &asked, &err) == 0) {
        struct plan_target target = {plan.steps, plan.n_steps};

        view_plan(gateway, &planning->order, asked ? &target : NULL, &body, &err);
    }
    if (err.code)
        backend_refuse(planning->reply, &err);
    else
        backend_reply_send(planning->reply, 200, body);
    peer_plan_free(&plan);
    planning_free(planning);
}

static void policies_collected(struct gateway *gateway, struct join *join)
{
    struct planning *planning = join->context;

    if (join->err.code) {
        backend_refuse(planning->reply, &join->err);
        planning_free(planning);
        return;
    }

    struct join *asking = join_new(NULL);

    asking->context = planning;
    asking->drop = drop_planning;
    uint64_t request = gateway_request(gateway, asking, target_planned, NULL);
    gateway->south.peers->ops->call(gateway->south.peers, request, planning->order.target_dc, PEER_PLAN, "",
                                    peer_configure_encode(&planning->order), ANSWER_MS);
    join_close(gateway, asking);
}

void backend_plan(void *arg, const json_t *command, struct backend_reply *reply)
{
    struct gateway *gateway = gateway_entered(arg);
    struct order order = {0};
    uint8_t uuid[UUID_SIZE];
    struct err err = {0};

    if (gateway_check_ready(gateway, &err) < 0 || backend_read_order(gateway, command, &order, &err) < 0 ||
        migration_check_room(gateway, &err) < 0) {
        backend_refuse(reply, &err);
        order_free(&order);
        return;
    }
    gateway->make_uuid(gateway->make_uuid_arg, uuid);
    uuid_format(uuid, order.id);

    struct planning *planning = xmalloc(sizeof *planning);
    struct join *join = join_new(policies_collected);

    *planning = (struct planning) {reply, order};
    join->context = planning;
    join->drop = drop_planning;
    for (unsigned v = 0; v < planning->order.n_vms; v++)
        policy_collect(gateway, join, &planning->order.vms[v]);
    join_close(gateway, join);
}

/* ---- the target ---- */

/* Users on a transport network who have no circuit to here yet could have one now. */
static int check_circuits(struct gateway *gateway, const struct order *order, struct err *err)
{
    for (unsigned u = 0; u < order->n_users; u++) {
        struct circuit like;
        struct path_result path = {0};

        if (circuit_of_user(gateway, order->users[u].name))
            continue;
        if (user_plan_circuit(gateway, &order->users[u], &like, err) < 0)
            return err->code;
        if (transport_check(gateway, like.want.ingress, err) < 0 || circuit_path(gateway, &like, &path, err) < 0)
            return err_prefix(err, "circuit %s", like.name);
        path_result_free(&path);
    }
    return 0;
}

/* 0 and how its segments would be carried, or why the order would be refused. */
static int check_order(struct gateway *gateway, const char *peer, const struct order *order, struct strbuf *channels,
                       struct err *err)
{
    if (backend_check_order(gateway, peer, order, err) < 0 || migration_check_room(gateway, err) < 0 ||
        admission_check(gateway, order, NULL, err) < 0 || network_check_allocate(gateway, order, channels, err) < 0)
        return err->code;
    return check_circuits(gateway, order, err);
}

void backend_peer_plan(void *arg, const char *peer, const char *id, const json_t *body, struct backend_reply *reply)
{
    struct gateway *gateway = gateway_entered(arg);
    AUTO_STRBUF struct strbuf channels = {0};
    struct peer_plan plan = {0};
    struct order order = {0};
    struct err err = {0};
    (void) id;

    if (gateway_check_ready(gateway, &err) < 0 || peer_plan_request_decode(body, &order, &err) < 0) {
        backend_refuse(reply, &err);
        return;
    }
    if (check_order(gateway, peer, &order, &channels, &plan.refused) == 0) {
        plan.steps = plan_describe(&order, false, &plan.n_steps);
        plan_set_channel(plan.steps, plan.n_steps, channels.text);
    }
    backend_reply_send(reply, 200, peer_plan_encode(&plan));
    peer_plan_free(&plan);
    order_free(&order);
}
