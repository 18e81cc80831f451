/* SPDX-License-Identifier: Apache-2.0 */
/* Making sagas: from an order, and from and to the journal's JSON. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "core/plan.h"
#include "core/saga.h"
#include "model/json.h"

struct saga *saga_new(struct order *order, const struct saga_limits *limits)
{
    struct saga *saga = xcalloc(1, sizeof *saga);
    struct plan plan = plan_make(order);

    saga->order = *order;
    *order = (struct order) {0};
    saga->limits = *limits;
    saga->steps = plan.steps;
    saga->n_steps = plan.n_steps;
    saga->clocks = xcalloc(saga->n_steps, sizeof *saga->clocks);
    for (unsigned i = 0; i < saga->n_steps; i++)
        saga->clocks[i].retry_at = MONO_NEVER;
    saga->sm = (struct sm) {saga_states, SAGA_STATES, saga->order.role == ROLE_SOURCE ? SAGA_ACCEPTED : SAGA_RECEIVED};
    return saga;
}

void saga_free(struct saga *saga)
{
    if (!saga)
        return;
    order_free(&saga->order);
    free(saga->steps);
    free(saga->clocks);
    free(saga->actions);
    free(saga->notes);
    free(saga);
}

json_t *saga_to_json(const struct saga *saga)
{
    json_t *steps = json_array();

    for (unsigned i = 0; i < saga->n_steps; i++) {
        const struct step *step = &saga->steps[i];
        json_t *json = json_pack("{s:s, s:s, s:i}", "step", step_infos[step->kind].name, "state",
                                 step_state_name(step->state), "attempts", (int) step->attempts);

        if (step->vm != STEP_SHARED)
            json_object_set_new(json, "vm", json_string(saga->order.vms[step->vm].name));
        json_array_append_new(steps, json);
    }

    json_t *json = json_pack("{s:o, s:s, s:o, s:b, s:b, s:b}", "order", order_to_json(&saga->order), "state",
                             saga_state_name(saga), "steps", steps, "failing", saga->failing, "settling",
                             saga->settling, "committed", saga->committed);
    if (saga->reason.code)
        json_object_set_new(json, "reason",
                            json_pack("{s:i, s:s}", "code", saga->reason.code, "text", saga->reason.text));
    return json;
}

/* The steps follow from the order, so the journal's list must be the same list. */
static void read_steps(struct json_reader *r, struct saga *saga)
{
    const json_t *steps = json_get_array(r, "steps");

    if (!r->status && json_array_size(steps) != saga->n_steps)
        json_fail(r, "steps", "has %zu members where the order has %u", json_array_size(steps), saga->n_steps);
    for (unsigned i = 0; i < saga->n_steps && !r->status; i++) {
        char path[64];

        snprintf(path, sizeof path, "saga.steps[%u]", i);
        struct json_reader step = json_reader_init(json_array_get(steps, i), path, r->err);
        const char *name = json_get_string(&step, "step"), *state = json_get_string(&step, "state");

        saga->steps[i].attempts = (unsigned) json_get_int(&step, "attempts", 0, INT32_MAX);
        if (!step.status && strcmp(name, step_infos[saga->steps[i].kind].name) != 0)
            json_fail(&step, "step", "is '%s' where the order has '%s'", name, step_infos[saga->steps[i].kind].name);
        int found = -1;
        for (int s = 0; s < STEP_STATES && !step.status; s++) {
            if (strcmp(step_state_name((enum step_state) s), state) == 0)
                found = s;
        }
        if (!step.status && found < 0)
            json_fail(&step, "state", "'%s' is not a state of a step", state);
        else if (!step.status)
            saga->steps[i].state = (enum step_state) found;
        r->status = step.status;
    }
}

struct saga *saga_from_json(const json_t *json, const struct saga_limits *limits, struct err *err)
{
    struct json_reader r = json_reader_init(json, "saga", err);
    const json_t *order_json = json_get_object(&r, "order");
    struct order order;

    if (r.status || order_from_json(order_json, &order, err) < 0)
        return NULL;

    struct saga *saga = saga_new(&order, limits);
    const char *state = json_get_string(&r, "state");
    int found = r.status ? -1 : sm_find(saga_states, SAGA_STATES, state);

    if (found < 0)
        json_fail(&r, "state", "is not a state of a migration");
    else
        saga->sm.current = (unsigned) found;
    saga->failing = json_opt_bool(&r, "failing", false);
    saga->settling = json_opt_bool(&r, "settling", false);
    saga->committed = json_opt_bool(&r, "committed", false);

    const json_t *reason = json_opt_object(&r, "reason");
    if (reason) {
        struct json_reader e = json_reader_init(reason, "saga.reason", err);
        const char *text = json_get_string(&e, "text");

        err_set(&saga->reason, (int) json_get_int(&e, "code", -1000, -1), "%s", text ? text : "");
        r.status = r.status ? r.status : e.status;
    }
    read_steps(&r, saga);
    if (r.status) {
        saga_free(saga);
        return NULL;
    }
    return saga;
}
