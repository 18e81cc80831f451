/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/peer/peer.h"

#include <stdio.h>
#include <string.h>

#include "model/json.h"

json_t *peer_configure_encode(const struct order *order)
{
    json_t *json = order_to_json(order);

    json_object_set_new(json, "version", json_integer(PEER_VERSION));
    json_object_del(json, "role");
    return json;
}

int peer_plan_request_decode(const json_t *json, struct order *order, struct err *err)
{
    struct json_reader r = json_reader_init(json, "migration", err);
    int64_t version = json_get_int(&r, "version", 1, INT32_MAX);

    if (r.status)
        return r.status;
    if (version != PEER_VERSION)
        return err_set(err, ERR_UNSUPPORTED, "migration.version is %lld, this gateway speaks %d", (long long) version,
                       PEER_VERSION);

    int status = order_from_json(json, order, err);
    if (status)
        return status;
    order->role = ROLE_TARGET;
    for (unsigned v = 0; v < order->n_vms; v++)
        order->vms[v].fate = FATE_OPEN;
    return 0;
}

int peer_configure_decode(const json_t *json, struct order *order, struct err *err)
{
    struct order read;
    int status = peer_plan_request_decode(json, &read, err);

    for (unsigned v = 0; status == 0 && v < read.n_vms; v++) {
        if (read.vms[v].has_policy)
            continue;
        status = err_set(err, ERR_INVALID, "migration.vms[%u].policy: missing", v);
        order_free(&read);
    }
    if (status == 0)
        *order = read;
    return status;
}

/* ---- plans ---- */

json_t *peer_plan_encode(const struct peer_plan *plan)
{
    json_t *json = json_pack("{s:i}", "version", PEER_VERSION);

    if (plan->refused.code)
        json_object_set_new(json, "refused", problem_encode(&plan->refused));
    else
        json_object_set_new(json, "steps", planned_steps_to_json(plan->steps, plan->n_steps));
    return json;
}

int peer_plan_decode(const json_t *json, struct peer_plan *plan, struct err *err)
{
    struct peer_plan read = {0};
    struct json_reader r = json_reader_init(json, "plan", err);
    const json_t *refused = json_opt_object(&r, "refused");
    const json_t *steps = refused || r.status ? NULL : json_get_array(&r, "steps");

    if (r.status)
        return r.status;
    if (refused) {
        problem_decode(409, refused, &read.refused);
    } else {
        int status = planned_steps_from_json(steps, "plan.steps", &read.steps, &read.n_steps, err);

        if (status)
            return status;
    }
    *plan = read;
    return 0;
}

void peer_plan_free(struct peer_plan *plan)
{
    free(plan->steps);
    *plan = (struct peer_plan) {0};
}

/* ---- connections ---- */

json_t *peer_connections_encode(const char *vm, const struct connection_list *list)
{
    return json_pack("{s:s, s:o}", "vm", vm, "connections", connection_list_to_json(list));
}

int peer_connections_decode(const json_t *json, struct peer_connections *connections, struct err *err)
{
    struct peer_connections read = {0};
    struct json_reader r = json_reader_init(json, "connections", err);
    const char *vm = json_get_string(&r, "vm");
    const json_t *list = json_get_array(&r, "connections");

    if (!r.status && strlen(vm) >= sizeof read.vm)
        json_fail(&r, "vm", "is longer than %zu bytes", sizeof read.vm - 1);
    if (!r.status && json_array_size(list) > PEER_CONNECTIONS_MAX)
        json_fail(&r, "connections", "%zu are too many, a message has at most %d", json_array_size(list),
                  PEER_CONNECTIONS_MAX);
    if (r.status || connection_list_from_json(list, "connections.connections", &read.list, err) < 0)
        return ERR_INVALID;
    strcpy(read.vm, vm);
    *connections = read;
    return 0;
}

/* ---- status ---- */

json_t *peer_status_encode(const struct peer_status *status)
{
    json_t *vms = json_array();

    for (unsigned v = 0; v < status->n_vms; v++) {
        const struct peer_vm_status *vm = &status->vms[v];

        json_array_append_new(vms, json_pack("{s:s, s:s, s:s, s:b}", "name", vm->name, "fate", vm_fate_name(vm->fate),
                                             "place", vm_place_name(vm->place), "active", vm->active));
    }
    json_t *json = json_pack("{s:i, s:s, s:b, s:s, s:s, s:o}", "version", PEER_VERSION, "state", status->state, "ended",
                             status->ended, "target-uri", status->target_uri, "target-address", status->target_address,
                             "vms", vms);

    if (status->reason.code)
        json_object_set_new(json, "reason", json_string(status->reason.text));
    return json;
}

static void copy_text(struct json_reader *r, const char *name, char *to, size_t size)
{
    const char *text = json_get_string(r, name);

    if (!r->status && strlen(text) >= size)
        json_fail(r, name, "is longer than %zu bytes", size - 1);
    else if (!r->status)
        memcpy(to, text, strlen(text) + 1);
}

static void read_vm(struct json_reader *r, struct peer_vm_status *vm)
{
    copy_text(r, "name", vm->name, sizeof vm->name);
    const char *place = json_get_string(r, "place");

    if (!r->status && vm_place_parse(place, &vm->place) < 0)
        json_fail(r, "place", "'%s' is not a place", place);
    vm->active = json_opt_bool(r, "active", false);

    const char *fate = json_opt_string(r, "fate", "open");
    if (!r->status && vm_fate_parse(fate, &vm->fate) < 0)
        json_fail(r, "fate", "'%s' is not a fate", fate);
}

int peer_status_decode(const json_t *json, struct peer_status *status, struct err *err)
{
    struct peer_status read = {0};
    struct json_reader r = json_reader_init(json, "status", err);

    copy_text(&r, "state", read.state, sizeof read.state);
    read.ended = json_opt_bool(&r, "ended", false);
    copy_text(&r, "target-uri", read.target_uri, sizeof read.target_uri);
    copy_text(&r, "target-address", read.target_address, sizeof read.target_address);
    const char *reason = json_opt_string(&r, "reason", "");
    if (!r.status && *reason)
        err_set(&read.reason, ERR_REFUSED, "%s", reason);

    const json_t *vms = json_get_array(&r, "vms");
    if (!r.status && json_array_size(vms) > MIGRATION_VMS_MAX)
        json_fail(&r, "vms", "has more than %d members", MIGRATION_VMS_MAX);
    for (size_t v = 0; !r.status && v < json_array_size(vms); v++) {
        char path[64];

        snprintf(path, sizeof path, "status.vms[%zu]", v);
        struct json_reader vm = json_reader_init(json_array_get(vms, v), path, err);
        read_vm(&vm, &read.vms[v]);
        r.status = vm.status;
        read.n_vms = (unsigned) v + 1;
    }
    if (r.status)
        return r.status;
    *status = read;
    return 0;
}
