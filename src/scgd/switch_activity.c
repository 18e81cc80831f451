/* SPDX-License-Identifier: Apache-2.0 */
/* What has been sent to each switch, what of it has failed, and when that is put right. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/network_internal.h"

#define RESYNC_FIRST_MS 2000
#define RESYNC_LAST_MS 60000

/* Nobody waits for it, so it is put right by bringing every switch to what it shall hold, later. */
void network_background_done(struct gateway *gateway, struct join *join)
{
    struct network *network = &gateway->network;

    if (join->err.code == 0 || join->err.code == ERR_CANCELLED) /* nobody wants it any more */
        return;
    if (join->err.code == ERR_NOT_FOUND || join->err.code == ERR_UNREACHABLE)
        log_info(NULL, "not yet: %s", join->err.text); /* it comes again with the switch or its neighbours */
    else
        log_warn(FAULT_PEER, NULL, "%s", join->err.text);
    bool again = mono_diff(gateway->now, network->resync_failed) < 2 * RESYNC_LAST_MS;
    network->resync_failed = gateway->now;
    network->resync_ms = network->resync_ms && again ? network->resync_ms * 2 : RESYNC_FIRST_MS;
    if (network->resync_ms > RESYNC_LAST_MS)
        network->resync_ms = RESYNC_LAST_MS;
    network->resync_at = mono_min(network->resync_at, mono_add(gateway->now, network->resync_ms));
}

struct join *network_background_join(void)
{
    return join_new(network_background_done);
}

struct switch_activity *network_activity(struct gateway *gateway, const char *switch_name)
{
    struct network *network = &gateway->network;

    for (size_t i = 0; i < network->n_activities; i++) {
        if (strcmp(network->activities[i].name, switch_name) == 0)
            return &network->activities[i];
    }
    network->activities = array_reserve(network->activities, network->n_activities, &network->cap_activities,
                                        sizeof *network->activities);
    struct switch_activity *activity = &network->activities[network->n_activities++];
    *activity = (struct switch_activity) {.index = network->n_activities};
    snprintf(activity->name, sizeof activity->name, "%s", switch_name);
    return activity;
}

static struct failed_change failure_of(const struct gateway *gateway, const struct join *join)
{
    struct failed_change failure = {.at = gateway->now};

    if (join->migration) {
        const struct order *order = &join->migration->saga->order;

        memcpy(failure.order, order->id, sizeof failure.order);
        failure.role = order->role;
        failure.step = join->step;
    }
    return failure;
}

static bool same_change(const struct failed_change *a, const struct failed_change *b)
{
    return strcmp(a->order, b->order) == 0 && a->role == b->role && a->step == b->step;
}

static void done_again(struct switch_activity *activity, size_t i)
{
    activity->failed[i] = activity->failed[--activity->n_failed];
}

void network_sent(struct gateway *gateway, const struct request *request, const struct err *err)
{
    struct switch_activity *activity = &gateway->network.activities[request->activity - 1];
    struct failed_change change = failure_of(gateway, request->join);

    activity->in_flight--;
    if (err->code == 0)
        network_meters_deleted(gateway, activity->name, request->meters, request->n_meters);
    if (request->change == CHANGE_QUEUES || (request->change == CHANGE_PART && err->code == ERR_REFUSED))
        return;
    for (size_t i = activity->n_failed; i-- > 0;) {
        const struct failed_change *failed = &activity->failed[i];
        /* What failed after it was sent may be about what it does not have. */
        bool covered = request->change == CHANGE_WHOLE && !failed->order[0] && failed->number <= request->failures;

        if (err->code || change.order[0] ? same_change(failed, &change) : covered)
            done_again(activity, i);
    }
    if (err->code == 0)
        return;
    activity->failed = array_reserve(activity->failed, activity->n_failed, &activity->cap_failed,
                                     sizeof *activity->failed);
    change.number = ++activity->failures;
    activity->failed[activity->n_failed++] = change;
}

void network_filled_by_parts(struct gateway *gateway, const char *switch_name, uint64_t last)
{
    struct switch_activity *activity = network_activity(gateway, switch_name);

    for (size_t i = activity->n_failed; i-- > 0;) {
        if (!activity->failed[i].order[0] && activity->failed[i].number <= last)
            done_again(activity, i);
    }
}

/* A step of the order, or a resync, will put right what has failed. */
static bool will_repeat(const struct gateway *gateway, const struct failed_change *failure)
{
    const struct migration *migration = failure->order[0] ? migration_find(gateway, failure->order, failure->role) :
                                                            NULL;

    return failure->order[0] ? migration && !saga_ended(migration->saga) :
                               mono_diff(gateway->now, failure->at) < 2 * RESYNC_LAST_MS;
}

bool network_settled(struct gateway *gateway, const char *switch_name)
{
    struct switch_activity *activity = network_activity(gateway, switch_name);

    for (size_t i = activity->n_failed; i-- > 0;) {
        if (!will_repeat(gateway, &activity->failed[i]))
            done_again(activity, i);
    }
    return !activity->in_flight && !activity->n_failed && tunnels_settled(gateway, switch_name);
}

void network_begin(struct gateway *gateway, const char *switch_name, enum change_kind kind)
{
    struct switch_activity *activity = network_activity(gateway, switch_name);

    activity->changes++;
    activity->in_flight++;
    gateway->requests[gateway->n_requests - 1].activity = activity->index;
    gateway->requests[gateway->n_requests - 1].change = kind;
    gateway->requests[gateway->n_requests - 1].failures = activity->failures;
}

void network_begun(struct gateway *gateway, enum change_kind kind)
{
    gateway->requests[gateway->n_requests - 1].change = kind;
}

void network_send(struct gateway *gateway, uint64_t request, const char *switch_name, struct flow_txn *txn)
{
    network_begin(gateway, switch_name, CHANGE_FLOWS);
    if (txn->n_meters_delete) {
        struct request *sent = &gateway->requests[gateway->n_requests - 1];

        sent->meters = xmemdup(txn->meters_delete, txn->n_meters_delete * sizeof *sent->meters);
        sent->n_meters = txn->n_meters_delete;
    }
    gateway->south.switches->ops->apply(gateway->south.switches, request, switch_name, txn);
}

void network_apply(struct gateway *gateway, const struct switch_info *sw, struct flow_txn *txn, struct join *join)
{
    uint64_t request = gateway_request(gateway, join, NULL, NULL);

    network_send(gateway, request, sw->name, txn);
}
