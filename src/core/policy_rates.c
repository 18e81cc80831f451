/* SPDX-License-Identifier: Apache-2.0 */
/* What meters and queues say of the packets that a direction's flows let pass: rates, limits and classes. */
#include <string.h>

#include "core/policy_passing.h"
#include "core/policy_reader.h"

/* What the meter that the flow leads to says, in packets or bits. */
static int find_meter(struct reader *reader, const struct flow *flow, uint32_t id, bool packets,
                      struct flow_meter *ret_meter)
{
    for (size_t i = 0; i < reader->meters.n; i++) {
        const struct flow_meter *meter = &reader->meters.meters[i];

        if (meter->id != id)
            continue;
        if (!meter->rate)
            return refuse(reader, flow, NULL, "its meter is not one that drops what is beyond one rate");
        if (meter->packets != packets)
            return refuse(reader, flow, NULL, packets ? "its meter counts bits" : "its meter counts packets");
        if (!policy_burst_fits(meter->rate, meter->burst))
            return refuse(reader, flow, NULL, "its meter's burst is too small for its rate, it lets nothing pass");
        *ret_meter = *meter;
        return 0;
    }
    return refuse(reader, flow, NULL, "the switch did not show its meter");
}

static int find_rate(struct reader *reader, const struct flow *flow, uint32_t id, struct policy_rate *rate)
{
    struct flow_meter meter;

    if (find_meter(reader, flow, id, false, &meter) < 0)
        return ERR_UNSUPPORTED;
    *rate = (struct policy_rate) {meter.rate, meter.burst};
    return 0;
}

/* The rates and the priority of the flow's queue. Where several ports have one of that number they have to agree. */
static int find_queue(struct reader *reader, const struct reading *reading, struct policy_queue *queue)
{
    const struct policy_site *site = reader->site;
    const struct flow *flow = reading->flow;
    const struct flow_queue *found = NULL;

    for (size_t i = 0; i < site->n_queues; i++) {
        const struct flow_queue *one = &site->queues[i];
        bool to_vm = one->port == site->server_port;

        if (one->id != reading->queue || to_vm != (reading->rule.direction == POLICY_TO_VM))
            continue;
        if (found && (found->min_kbps != one->min_kbps || found->max_kbps != one->max_kbps))
            return refuse(reader, flow, NULL, "its queue has other rates at one port than at another");
        if (found && found->priority != one->priority)
            return refuse(reader, flow, NULL, "its queue has another priority at one port than at another");
        found = one;
    }
    if (!found)
        return refuse(reader, flow, NULL, "the switch did not show its queue");
    if (!found->min_kbps && !found->max_kbps && !found->priority)
        return refuse(reader, flow, NULL, "its queue has neither a least nor a greatest rate, nor a priority");
    *queue = (struct policy_queue) {found->min_kbps, found->max_kbps, found->priority};
    if (queue->priority > POLICY_PRIORITY_MAX)
        queue->priority = POLICY_PRIORITY_MAX; /* as Linux does */
    return 0;
}

int class_read(struct reader *reader, const struct reading *reading, struct policy *policy)
{
    unsigned d = reading->rule.direction;
    struct policy_rate rate = {0};
    struct policy_queue queue = {0};
    bool is_new = policy_class_find(policy, reading->rule.set_dscp) < 0;
    int at = policy_class_obtain(policy, (uint8_t) reading->rule.set_dscp);

    if (at < 0)
        return refuse(reader, reading->flow, NULL, "the VM has more classes than a policy can have");
    if ((reading->has_meter && find_rate(reader, reading->flow, reading->meter, &rate) < 0) ||
        (reading->queue && find_queue(reader, reading, &queue) < 0))
        return ERR_UNSUPPORTED;

    struct policy_class *class = &policy->classes[at];
    bool known = !is_new && (class->rate[d].kbps || policy_class_queued(class, d));
    if (known &&
        (memcmp(&class->rate[d], &rate, sizeof rate) != 0 || memcmp(&class->queue[d], &queue, sizeof queue) != 0))
        return refuse(reader, reading->flow, NULL, "another flow gives the class of its DSCP another rate or queue");
    class->rate[d] = rate;
    class->queue[d] = queue;
    reader->uses.class_meters[d][class->dscp] = reading->has_meter ? reading->meter : 0;
    reader->uses.class_queues[d][class->dscp] = reading->queue;
    return 0;
}

int passing_join(struct reader *reader, enum policy_direction direction, struct passing passing, struct passing *common)
{
    bool limited = policy_is_limited(reader->site, direction, passing.flow);
    const struct flow *limit = reader->limit_flows[direction], *rate = reader->rate_flows[direction];

    passing.rate = passing.flow->meter;
    if (passing.classed || limited)
        passing.rate = rate ? rate->meter : 0;
    if (limited)
        passing.limit = limit ? limit->meter : 0;
    if (!common->flow)
        *common = passing;
    if (passing.rate != common->rate && passing.classed != common->classed)
        return refuse(reader, passing.classed ? common->flow : passing.flow,
                      passing.classed ? passing.flow : common->flow,
                      "behind the meter of the second's class is another than the first's");
    if (passing.rate != common->rate)
        return refuse(reader, common->flow, passing.flow, "they have different meters in one direction");
    if (passing.limit != common->limit)
        return refuse(reader, common->flow, passing.flow, "they have different limits of new connections");
    return 0;
}

int passing_read(struct reader *reader, enum policy_direction direction, const struct passing *common, bool misses_pass,
                 struct policy *policy)
{
    struct flow_meter limit;

    if (common->rate && misses_pass)
        return refuse(reader, common->flow, NULL, "it has a meter, but packets that miss every flow pass without one");
    if (common->limit && misses_pass)
        return refuse(reader, common->flow, NULL,
                      "it limits new connections, but packets that miss every flow pass without that");
    reader->uses.meters[direction] = common->rate;
    reader->uses.limit_meters[direction] = common->limit;
    if (common->rate && find_rate(reader, common->flow, common->rate, &policy->rate[direction]) < 0)
        return ERR_UNSUPPORTED;
    if (common->limit) {
        if (find_meter(reader, reader->limit_flows[direction], common->limit, true, &limit) < 0)
            return ERR_UNSUPPORTED;
        policy->new_limit[direction] = (struct policy_new_limit) {limit.rate, limit.burst};
    }
    return 0;
}
