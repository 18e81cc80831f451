/* SPDX-License-Identifier: Apache-2.0 */
/* Joins that wait for internal channels: until all who are concerned have confirmed, or one cannot. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "scgd/tunnels_internal.h"

static bool takes(const struct vpls_ends *ends, const struct tunnel *tunnel)
{
    return segment_has_end(ends, tunnel->ends[0]) && segment_has_end(ends, tunnel->ends[1]);
}

bool tunnels_segment_takes(const struct gateway *gateway, unsigned segment, const struct tunnel *tunnel)
{
    return takes(&gateway->tunnels.segments[segment], tunnel);
}

/* Whether it holds what it shall: of what leads through it, and of what it shall give up. */
static bool way_settled(const struct tunnel *tunnel, const struct tunnel_way *way, const char *switch_name)
{
    const struct holder *holder = holders_find(&way->holders, switch_name);

    if (holder)
        return holder->confirmed >= way->holders.changed;
    return tunnel_path_index(&tunnel->path, switch_name) < 0;
}

bool tunnels_settled(const struct gateway *gateway, const char *switch_name)
{
    const struct tunnels *tunnels = &gateway->tunnels;

    if (!tunnels_used(gateway))
        return true;
    for (size_t i = 0; i < tunnels->n_tunnels; i++) {
        for (unsigned w = 0; w < 2; w++) {
            if (!way_settled(tunnels->tunnels[i], &tunnels->tunnels[i]->ways[w], switch_name))
                return false;
        }
    }
    for (unsigned i = 0; i < gateway->config->segments_count; i++) {
        const struct holders *holders = &tunnels->segments[i].holders;
        const struct holder *holder = holders_find(holders, switch_name);

        if (holder && holder->confirmed < holders->changed)
            return false;
    }
    return true;
}

bool tunnel_up(const struct tunnel *tunnel)
{
    for (unsigned w = 0; w < 2; w++) {
        const struct holders *holders = &tunnel->ways[w].holders;

        for (unsigned i = 0; i < tunnel->path.n; i++) {
            const struct holder *holder = holders_find(holders, tunnel->path.nodes[i].name);

            if (!holder || holder->confirmed < holders->changed)
                return false;
        }
    }
    return tunnel->path.n > 0;
}

/* Of what somebody waits for: it is so, it will be when switches have answered, or it cannot be, now. */
enum verdict { VERDICT_DONE, VERDICT_WAIT, VERDICT_CANNOT };

/* Other ends of the segment get what they need, too, but nobody's order depends on them. */
static bool concerns_end(const struct gateway *gateway, const struct tunnel_waiter *waiter, const char *switch_name)
{
    return strcmp(switch_name, waiter->tor) == 0 || tunnels_is_pe(gateway, switch_name);
}

static bool concerns_tunnel(const struct gateway *gateway, const struct tunnel_waiter *waiter,
                            const struct tunnel *tunnel)
{
    return concerns_end(gateway, waiter, tunnel->ends[0]) && concerns_end(gateway, waiter, tunnel->ends[1]);
}

/* Neither the PE nor the waiter's ToR was left out. */
static bool has_ends_of(const struct gateway *gateway, const struct vpls_ends *ends, const struct tunnel_waiter *waiter)
{
    const struct config_edge *pe = network_edge_config(gateway, EDGE_IP);

    return pe && segment_has_end(ends, pe->switch_name) && (!*waiter->tor || segment_has_end(ends, waiter->tor));
}

static enum verdict judge_segment(const struct gateway *gateway, const struct tunnel_waiter *waiter, struct err *err)
{
    const struct segment_state *state = network_segment(gateway, waiter->segment);
    const struct vpls_ends *ends = &gateway->tunnels.segments[state - gateway->network.segments];
    enum verdict verdict = VERDICT_DONE;

    if (!network_segment_open(state))
        return VERDICT_DONE;
    if (ends->err.code && !has_ends_of(gateway, ends, waiter)) {
        *err = ends->err;
        return VERDICT_CANNOT;
    }
    for (unsigned i = 0; i < ends->n; i++) {
        const struct switch_info *sw = inventory_switch(&gateway->inventory, ends->ends[i].name);
        const struct holder *holder = holders_find(&ends->holders, ends->ends[i].name);

        if (!concerns_end(gateway, waiter, ends->ends[i].name))
            continue;
        if (!sw || !sw->up) {
            err_set(err, ERR_UNREACHABLE, "switch %s, an end of segment %s, is not connected to this gateway",
                    ends->ends[i].name, waiter->segment);
            return VERDICT_CANNOT;
        }
        if (!holder || holder->confirmed < ends->holders.changed)
            verdict = VERDICT_WAIT;
    }
    for (size_t i = 0; i < gateway->tunnels.n_tunnels; i++) {
        const struct tunnel *tunnel = gateway->tunnels.tunnels[i];

        if (!takes(ends, tunnel) || !concerns_tunnel(gateway, waiter, tunnel))
            continue;
        if (tunnel->err.code) {
            *err = tunnel->err;
            return VERDICT_CANNOT;
        }
        if (!tunnel_up(tunnel))
            verdict = VERDICT_WAIT;
    }
    return verdict;
}

/* One that has confirmed stays a holder until all have. */
static bool expects_answer(const struct gateway *gateway, const struct holders *holders)
{
    for (size_t i = 0; i < holders->n; i++) {
        const struct switch_info *sw = inventory_switch(&gateway->inventory, holders->list[i].name);

        if (sw && sw->up && holders->list[i].confirmed < holders->changed)
            return true;
    }
    return false;
}

static enum verdict judge_removal(const struct gateway *gateway)
{
    for (size_t i = 0; i < gateway->tunnels.n_tunnels; i++) {
        const struct tunnel *tunnel = gateway->tunnels.tunnels[i];

        for (unsigned w = 0; w < 2 && !tunnel->wanted; w++) {
            if (expects_answer(gateway, &tunnel->ways[w].holders))
                return VERDICT_WAIT;
        }
    }
    return VERDICT_DONE;
}

static void release(struct gateway *gateway, size_t i, const struct err *err)
{
    struct join *join = gateway->tunnels.waiters[i].join;

    gateway->tunnels.waiters[i] = gateway->tunnels.waiters[--gateway->tunnels.n_waiters];
    if (err->code)
        join_fail(join, err);
    join_close(gateway, join);
}

/* What a join's end sets off may add waiters and end others: hence from the start each time. */
void tunnels_check_waiters(struct gateway *gateway)
{
    struct tunnels *tunnels = &gateway->tunnels;

    for (size_t i = 0; i < tunnels->n_waiters;) {
        struct err err = {0};
        enum verdict verdict = *tunnels->waiters[i].segment ? judge_segment(gateway, &tunnels->waiters[i], &err) :
                                                              judge_removal(gateway);

        if (verdict == VERDICT_WAIT) {
            i++;
            continue;
        }
        release(gateway, i, &err);
        i = 0;
    }
}

void tunnels_fail_tunnel(struct gateway *gateway, const struct tunnel *tunnel, const struct err *err)
{
    struct tunnels *tunnels = &gateway->tunnels;

    for (size_t i = 0; i < tunnels->n_waiters;) {
        const struct tunnel_waiter *waiter = &tunnels->waiters[i];

        if (*waiter->segment ? !concerns_tunnel(gateway, waiter, tunnel) : tunnel->wanted) {
            i++;
            continue;
        }
        release(gateway, i, err);
        i = 0;
    }
}

void tunnels_fail_segment(struct gateway *gateway, const char *segment, const char *switch_name, const struct err *err)
{
    struct tunnels *tunnels = &gateway->tunnels;

    for (size_t i = 0; i < tunnels->n_waiters;) {
        const struct tunnel_waiter *waiter = &tunnels->waiters[i];

        if (strcmp(waiter->segment, segment) != 0 || !concerns_end(gateway, waiter, switch_name)) {
            i++;
            continue;
        }
        release(gateway, i, err);
        i = 0;
    }
}

static void await(struct gateway *gateway, const char *segment, const char *tor, struct join *join)
{
    struct tunnels *tunnels = &gateway->tunnels;
    struct tunnel_waiter waiter = {.join = join};

    if (!tunnels_used(gateway) || !gateway->ready)
        return;
    snprintf(waiter.segment, sizeof waiter.segment, "%s", segment);
    snprintf(waiter.tor, sizeof waiter.tor, "%s", tor);
    join->open++;
    tunnels->waiters = array_reserve(tunnels->waiters, tunnels->n_waiters, &tunnels->cap_waiters,
                                     sizeof *tunnels->waiters);
    tunnels->waiters[tunnels->n_waiters++] = waiter;
    tunnels_check_waiters(gateway);
}

void tunnels_await_segment(struct gateway *gateway, const char *segment, const char *server, struct join *join)
{
    const struct switch_info *tor = network_tor_seen(gateway, server, NULL);

    await(gateway, segment, tor ? tor->name : "", join);
}

void tunnels_await_removal(struct gateway *gateway, struct join *join)
{
    await(gateway, "", "", join);
}
