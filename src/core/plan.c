/* SPDX-License-Identifier: Apache-2.0 */
#include "core/plan.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"

static const char *undo_of(enum step_kind kind, bool set_up)
{
    switch (kind) {
    case STEP_CHANNEL_RESERVE:
        return set_up ? "give the bandwidth back; take the channel down" : "give the bandwidth back";
    case STEP_TARGET_CONFIGURE:
        return "have the target undo everything";
    case STEP_CHANNEL_OPEN:
    case STEP_TARGET_CHANNEL_OPEN:
        return "close the channel";
    case STEP_CIRCUIT_OPEN:
        return "take down the circuits that no VM here needs";
    case STEP_ADMIT:
        return "give memory, VLAN and meters back";
    case STEP_POLICY_INSTALL:
        return "remove the VM's flows and meters";
    case STEP_SEGMENT_OPEN:
        return "close the segment if no VM of it is left";
    case STEP_POLICY_COLLECT:
    case STEP_VERIFY:
        return "nothing, it only reads";
    default:
        return step_infos[kind].nature == STEP_PIVOT ? "none, it decides where the VM runs" : "none, only forward";
    }
}

static bool of_circuits(enum step_kind kind)
{
    return kind == STEP_CIRCUIT_OPEN || kind == STEP_CIRCUIT_CLOSE;
}

struct plan plan_make(const struct order *order)
{
    struct plan plan = {.steps = xcalloc((size_t) STEP_KINDS * (order->n_vms + 1), sizeof *plan.steps)};

    /* STEP_TABLE lists each role's kinds by rising stage. */
    for (int kind = 0; kind < STEP_KINDS; kind++) {
        if (step_infos[kind].role != order->role || (of_circuits((enum step_kind) kind) && order->n_users == 0))
            continue;
        unsigned n = step_infos[kind].per_vm ? order->n_vms : 1;

        for (unsigned v = 0; v < n; v++) {
            plan.steps[plan.n_steps++] = (struct step) {
                .kind = (enum step_kind) kind,
                .vm = step_infos[kind].per_vm ? (int) v : STEP_SHARED,
                .state = STEP_PENDING,
            };
        }
    }
    return plan;
}

void plan_free(struct plan *plan)
{
    free(plan->steps);
    *plan = (struct plan) {0};
}

static int check_vm(const struct order *order, unsigned v, struct err *err)
{
    const struct migration_vm *vm = &order->vms[v];

    if (!*vm->name)
        return err_set(err, ERR_INVALID, "VM %u of the order has no name", v + 1);
    for (unsigned other = 0; other < v; other++) {
        if (strcmp(order->vms[other].name, vm->name) == 0)
            return err_set(err, ERR_INVALID, "VM %s is named twice in the order; name it once", vm->name);
    }
    if (!*vm->segment)
        return err_set(err, ERR_INVALID,
                       "VM %s belongs to no segment; put <scg:vm segment='...'> into its domain's metadata", vm->name);
    if (vm->n_nics == 0 || vm->nics[0].ip.family == IP_NONE)
        return err_set(err, ERR_INVALID,
                       "VM %s has no known address; put <scg:interface mac='...' address='...'> into its metadata",
                       vm->name);
    if (vm->n_nics > 1)
        return err_set(err, ERR_UNSUPPORTED, "VM %s has %u interfaces; VMs with one can be migrated", vm->name,
                       vm->n_nics);
    if (vm->nics[0].ip.family == IP_V6)
        return err_set(err, ERR_UNSUPPORTED, "VM %s has an IPv6 address; VMs with an IPv4 address can be migrated",
                       vm->name);
    return 0;
}

int plan_check(const struct order *order, struct err *err)
{
    if (order->n_vms == 0)
        return err_set(err, ERR_INVALID, "the order names no VM");
    if (strcmp(order->source_dc, order->target_dc) == 0)
        return err_set(err, ERR_INVALID, "source and target are the same data center, %s", order->source_dc);
    for (unsigned v = 0; v < order->n_vms; v++) {
        int status = check_vm(order, v, err);

        if (status)
            return status;
    }
    return 0;
}

static void format_channel(struct strbuf *text, const struct order *order, const struct plan_channel *channel)
{
    char router[IPV4_TEXT_SIZE];

    strbuf_printf(text, "channel %s, %s%s", order->channel, channel->exists ? "which exists" : "to be set up",
                  channel->n_nodes ? ":" : "");
    for (size_t i = 0; i < channel->n_nodes; i++)
        strbuf_printf(text, " %s", ipv4_format(channel->nodes[i], router));
    strbuf_printf(text, ", %u Mbit/s\n", channel->mbps);
}

static void format_user(struct strbuf *text, const struct order *order, const struct user *user)
{
    strbuf_printf(text, "user %s (", user->name);
    for (unsigned v = 0; v < user->n_vms; v++)
        strbuf_printf(text, "%s%s", v ? ", " : "", user->vms[v]);
    strbuf_printf(text, "): a circuit from data center %s\n", order->target_dc);
}

struct planned_step *plan_describe(const struct order *order, bool set_up, size_t *n)
{
    struct plan plan = plan_make(order);
    struct planned_step *steps = xcalloc(plan.n_steps + 1, sizeof *steps);

    for (unsigned i = 0; i < plan.n_steps; i++) {
        const struct step *step = &plan.steps[i];

        steps[i].stage = step_infos[step->kind].stage;
        snprintf(steps[i].step, sizeof steps[i].step, "%s", step_infos[step->kind].name);
        if (step->vm != STEP_SHARED)
            memcpy(steps[i].vm, order->vms[step->vm].name, NAME_SIZE);
        snprintf(steps[i].undo, sizeof steps[i].undo, "%s", undo_of(step->kind, set_up));
    }
    *n = plan.n_steps;
    plan_free(&plan);
    return steps;
}

void plan_set_channel(struct planned_step *steps, size_t n, const char *channel)
{
    for (size_t i = 0; i < n && channel; i++) {
        if (strcmp(steps[i].step, step_infos[STEP_SEGMENT_OPEN].name) == 0)
            snprintf(steps[i].channel, sizeof steps[i].channel, "%s", channel);
    }
}

static void format_steps(struct strbuf *text, const struct planned_step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        AUTO_FREE char *what = xasprintf("%s%s%s", steps[i].step, *steps[i].vm ? " " : "", steps[i].vm);

        strbuf_printf(text, "stage %u  %-32s undo: %s\n", steps[i].stage, what, steps[i].undo);
        if (*steps[i].channel)
            strbuf_printf(text, "         %s\n", steps[i].channel);
    }
}

char *plan_format(const struct order *order, const struct plan_channel *channel, const struct plan_target *target)
{
    struct strbuf text = {0};
    size_t n;
    AUTO_FREE struct planned_step *steps = plan_describe(order, !channel->exists, &n);

    format_channel(&text, order, channel);
    for (unsigned u = 0; u < order->n_users; u++)
        format_user(&text, order, &order->users[u]);
    strbuf_printf(&text, "\ndata center %s:\n", order->source_dc);
    format_steps(&text, steps, n);
    if (target) {
        strbuf_printf(&text, "\ndata center %s:\n", order->target_dc);
        format_steps(&text, target->steps, target->n);
    } else {
        strbuf_printf(&text, "\ndata center %s was not asked: its gateway does not know how to plan. It may refuse.\n",
                      order->target_dc);
    }
    return strbuf_take(&text);
}
