/* SPDX-License-Identifier: Apache-2.0 */
#include "scgd/drift.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/audit_internal.h"
#include "scgd/bookings.h"

#define SOON_MS (2 * SWITCH_CHANGES_MS) /* the rest of what is being changed comes meanwhile */
#define AGAIN_MS 500
#define STANDING_MS 3000 /* while something differs, its end is looked for: the gateway may have put it right itself */
#define UNSETTLED_MAX 6
#define REST 4      /* times as long as it took to read */
#define TOLD_MAX 20 /* findings of one audit that are logged and told one by one */

/* ---- switches ---- */

static struct drift_switch *drift_switch(struct gateway *gateway, const char *name)
{
    struct drift *drift = &gateway->drift;

    for (size_t i = 0; i < drift->n_switches; i++) {
        if (strcmp(drift->switches[i]->name, name) == 0)
            return drift->switches[i];
    }
    drift->switches = array_reserve(drift->switches, drift->n_switches, &drift->cap_switches, sizeof *drift->switches);
    struct drift_switch *watched = drift->switches[drift->n_switches++] = xcalloc(1, sizeof *watched);
    memcpy(watched->name, name, strlen(name) + 1);
    watched->due = mono_add(gateway->now, (int64_t) gateway->config->drift.interval * 1000);
    return watched;
}

void drift_free(struct gateway *gateway)
{
    for (size_t i = 0; i < gateway->drift.n_switches; i++) {
        drift_ledger_free(&gateway->drift.switches[i]->ledger);
        free(gateway->drift.switches[i]->repairing);
        free(gateway->drift.switches[i]);
    }
    free(gateway->drift.switches);
}

void drift_flows_changed(struct gateway *gateway, const char *switch_name)
{
    const struct switch_info *sw = inventory_switch(&gateway->inventory, switch_name);

    if (!sw || network_switch_role(gateway, sw) == SWITCH_ROLE_UNKNOWN)
        return;
    struct drift_switch *watched = drift_switch(gateway, switch_name);
    watched->due = mono_min(watched->due, mono_add(gateway->now, SOON_MS));
}

/* ---- what was found ---- */

static json_t *finding_json(const char *sw, const struct finding *finding)
{
    json_t *json = json_pack("{s:s, s:s, s:s}", "kind", finding_kind_name(finding->kind), "switch", sw, "text",
                             finding->text);

    if (finding->vm[0])
        json_object_set_new(json, "vm", json_string(finding->vm));
    if (finding->flow)
        json_object_set_new(json, "flow", json_string(finding->flow));
    if (finding->packet)
        json_object_set_new(json, "packet", json_string(finding->packet));
    return json;
}

/* Takes over 'told', of which an event brings the first few. */
static void tell(struct gateway *gateway, const char *sw, const char *state, json_t *told)
{
    size_t n = json_array_size(told);

    while (json_array_size(told) > TOLD_MAX)
        json_array_remove(told, json_array_size(told) - 1);
    json_t *json = json_pack("{s:s, s:s, s:I, s:o}", "switch", sw, "state", state, "count", (json_int_t) n, "findings",
                             told);
    if (gateway->notify && n)
        gateway->notify(gateway->notify_arg, "drift", json);
    json_decref(json);
}

static void report(struct gateway *gateway, const struct audit *audit, json_t *news)
{
    size_t n = json_array_size(news), i;
    json_t *json;

    gateway->drift.found += n;
    json_array_foreach(news, i, json) {
        if (i < TOLD_MAX)
            log_warn(FAULT_OPERATOR, audit->switch_name, "drift: %s", json_string_value(json_object_get(json, "text")));
    }
    if (n > TOLD_MAX)
        log_warn(FAULT_OPERATOR, audit->switch_name, "drift: %zu more; see 'scgctl policy verify --all'", n - TOLD_MAX);
    tell(gateway, audit->switch_name, "found", news);
}

static void repaired(struct gateway *gateway, struct join *join)
{
    AUTO_FREE char *name = join->context;
    struct drift_switch *watched = drift_switch(gateway, name);
    struct mono next = mono_add(gateway->now, (int64_t) gateway->config->drift.interval * 1000);
    json_t *told = json_array();

    watched->busy = false;
    watched->due = mono_add(gateway->now, AGAIN_MS);
    for (size_t i = 0; i < watched->n_repairing && join->err.code == 0; i++) {
        json_t *one = drift_ledger_repaired(&watched->ledger, watched->repairing[i], next);

        if (one)
            json_array_append_new(told, one);
    }
    watched->n_repairing = 0;
    watched->standing = watched->ledger.n_told;
    gateway->drift.repaired += json_array_size(told);
    if (join->err.code == 0)
        log_info(name, "drift: put right, %zu in all", json_array_size(told));
    tell(gateway, name, "repaired", told);
    network_background_done(gateway, join);
}

static void drop_name(struct join *join)
{
    free(join->context);
}

/* The findings' ids are in 'repairing'. */
static void send_repair(struct gateway *gateway, struct drift_switch *watched, struct flow_txn *txn, bool queues)
{
    const struct switch_info *sw = inventory_switch(&gateway->inventory, watched->name);
    struct join *join = join_new(repaired);

    watched->busy = true;
    join->context = xstrdup(watched->name);
    join->drop = drop_name;
    if (!flow_txn_is_empty(txn))
        network_apply(gateway, sw, txn, join);
    if (queues)
        bookings_sync(gateway, sw, NULL, join);
    join_close(gateway, join);
}

static bool can_repair(const struct finding *finding)
{
    return finding->kind == FINDING_QUEUE || !flow_txn_is_empty(&finding->repair);
}

/* Appends what puts it right. A VM some of whose flows are there and others are not may be sent what its policy denies,
 * and an audit does not keep all that is missing: so a VM gets all of its flows, or none. They are in 'txn' already if
 * 'whole', the last VM that got them, is the finding's. */
static void add_repair(struct gateway *gateway, const struct audit *audit, const struct finding *finding,
                       const char **whole, struct flow_txn *txn)
{
    bool of_vm = finding->vm[0] && (finding->kind == FINDING_MISSING || finding->kind == FINDING_CHANGED);

    if (of_vm && *whole && strcmp(*whole, finding->vm) == 0)
        return;
    for (size_t i = 0; i < audit->n_vms && of_vm; i++) {
        const struct tenant *tenant = network_tenant(gateway, audit->vms[i].uuid);
        uint32_t port;

        if (tenant && strcmp(audit->vms[i].name, finding->vm) == 0 && audit_expect_vm(audit, tenant, &port, txn)) {
            *whole = finding->vm;
            return;
        }
    }
    flow_txn_append(txn, &finding->repair);
}

/* What comes back, because somebody insists on it, or cannot be put right, is tried once an interval. */
static void repair(struct gateway *gateway, struct drift_switch *watched, const struct audit *audit)
{
    struct mono next = mono_add(gateway->now, (int64_t) gateway->config->drift.interval * 1000);
    struct flow_txn txn = {0};
    const char *whole = NULL;
    bool queues = false;

    for (size_t i = 0; i < audit->n_findings; i++) {
        const struct finding *finding = &audit->findings[i];
        struct drift_entry *entry;

        if (!can_repair(finding) || drift_ledger_see(&watched->ledger, finding->id, &entry) != DRIFT_KNOWN ||
            !mono_reached(entry->next, gateway->now))
            continue;
        entry->next = next;
        queues |= finding->kind == FINDING_QUEUE;
        add_repair(gateway, audit, finding, &whole, &txn);
        watched->repairing = array_reserve(watched->repairing, watched->n_repairing, &watched->cap_repairing,
                                           sizeof *watched->repairing);
        watched->repairing[watched->n_repairing++] = finding->id;
    }
    if (watched->n_repairing)
        send_repair(gateway, watched, &txn, queues);
}

static void judge(struct gateway *gateway, struct drift_switch *watched, const struct audit *audit)
{
    size_t dropped = audit->n_found - audit->n_findings;
    json_t *news = json_array(), *gone;
    bool suspects = false;

    drift_ledger_begin(&watched->ledger);
    for (size_t i = 0; i < audit->n_findings; i++) {
        struct drift_entry *entry;

        switch (drift_ledger_see(&watched->ledger, audit->findings[i].id, &entry)) {
        case DRIFT_SUSPECTED: /* a change of ours that arrives just now would be gone the next time */
            suspects = true;
            break;
        case DRIFT_BELIEVED:
            drift_ledger_tell(&watched->ledger, entry, finding_json(audit->switch_name, &audit->findings[i]));
            json_array_append(news, entry->told);
            break;
        case DRIFT_KNOWN:
            break;
        }
    }
    gone = drift_ledger_end(&watched->ledger, dropped == 0, gateway->now);
    report(gateway, audit, news);
    if (json_array_size(gone))
        log_info(watched->name, "drift: %zu found before are gone, %zu stand", json_array_size(gone),
                 watched->ledger.n_told);
    tell(gateway, watched->name, "gone", gone);
    watched->standing = dropped ? audit->n_found : watched->ledger.n_told;
    if (watched->standing)
        watched->due = mono_min(watched->due, mono_add(gateway->now, STANDING_MS));
    if (suspects)
        watched->due = mono_min(watched->due, mono_add(gateway->now, AGAIN_MS));
    if (gateway->config->drift.repair)
        repair(gateway, watched, audit);
}

static void audited(struct gateway *gateway, struct join *join, struct audit *audit, const struct err *err,
                    void *context)
{
    struct drift_switch *watched = drift_switch(gateway, audit->switch_name);
    (void) context;

    watched->busy = false;
    if (err) {
        join_fail(join, err);
        return;
    }
    gateway->drift.audits++;
    watched->rested = mono_add(gateway->now, REST * mono_diff(gateway->now, audit->began));
    if (audit->settled || audit->n_found == 0) {
        watched->unsettled = 0;
        judge(gateway, watched, audit);
        return;
    }
    /* A switch that we change all the time is tried less and less often, but always again. */
    watched->due = mono_min(watched->due, mono_add(gateway->now, (int64_t) AGAIN_MS << watched->unsettled));
    if (watched->unsettled < UNSETTLED_MAX)
        watched->unsettled++;
}

static void audit_failed(struct gateway *gateway, struct join *join)
{
    (void) gateway;
    if (join->err.code)
        log_info(NULL, "drift: a switch could not be read: %s", join->err.text);
}

/* ---- time ---- */

static struct mono next_audit(const struct drift_switch *watched)
{
    return mono_reached(watched->rested, watched->due) ? watched->due : watched->rested;
}

void drift_tick(struct gateway *gateway)
{
    if (!gateway->ready || gateway->config->drift.interval == 0)
        return;
    for (size_t i = 0; i < gateway->inventory.n_switches; i++) {
        const struct switch_info *sw = &gateway->inventory.switches[i];

        if (!sw->up || network_switch_role(gateway, sw) == SWITCH_ROLE_UNKNOWN)
            continue;
        struct drift_switch *watched = drift_switch(gateway, sw->name);
        if (watched->busy || !mono_reached(next_audit(watched), gateway->now))
            continue;
        struct join *join = join_new(audit_failed);

        watched->busy = true;
        watched->due = mono_add(gateway->now, (int64_t) gateway->config->drift.interval * 1000);
        audit_switch(gateway, sw, NULL, join, audited, NULL);
        join_close(gateway, join);
    }
}

struct mono drift_deadline(const struct gateway *gateway)
{
    struct mono deadline = MONO_NEVER;

    if (!gateway->ready || gateway->config->drift.interval == 0)
        return deadline;
    for (size_t i = 0; i < gateway->drift.n_switches; i++) {
        const struct drift_switch *watched = gateway->drift.switches[i];
        const struct switch_info *sw = inventory_switch(&gateway->inventory, watched->name);

        if (!watched->busy && sw && sw->up && network_switch_role(gateway, sw) != SWITCH_ROLE_UNKNOWN)
            deadline = mono_min(deadline, next_audit(watched));
    }
    return deadline;
}

/* ---- asked for ---- */

struct verification {
    struct backend_reply *reply;
    json_t *switches, *findings;
    size_t n_found;
    char vm[NAME_SIZE]; /* empty: all */
};

static void drop_verification(struct join *join)
{
    struct verification *verification = join->context;

    json_decref(verification->switches);
    json_decref(verification->findings);
    free(verification);
}

static void verification_done(struct gateway *gateway, struct join *join)
{
    struct verification *verification = join->context;
    (void) gateway;

    if (join->err.code) {
        backend_refuse(verification->reply, &join->err);
    } else {
        json_t *body = json_pack("{s:b, s:I, s:O, s:O}", "verified", verification->n_found == 0, "count",
                                 (json_int_t) verification->n_found, "switches", verification->switches, "findings",
                                 verification->findings);

        if (verification->vm[0])
            json_object_set_new(body, "vm", json_string(verification->vm));
        backend_reply_send(verification->reply, 200, body);
    }
    drop_verification(join);
}

static void verification_read(struct gateway *gateway, struct join *join, struct audit *audit, const struct err *err,
                              void *context)
{
    struct verification *verification = join->context;
    (void) gateway;
    (void) context;

    if (err) {
        join_fail(join, err);
        return;
    }
    json_array_append_new(verification->switches,
                          json_pack("{s:s, s:I, s:I, s:b}", "name", audit->switch_name, "vms",
                                    (json_int_t) audit->n_vms, "flows", (json_int_t) audit->n_expected, "settled",
                                    (int) audit->settled));
    for (size_t i = 0; i < audit->n_findings; i++)
        json_array_append_new(verification->findings, finding_json(audit->switch_name, &audit->findings[i]));
    verification->n_found += audit->n_found;
}

/* It is expected nowhere, so no audit misses it. */
static void find_left_out(struct verification *verification, const struct tenant *tenant, const char *tor)
{
    AUTO_FREE char *text = xasprintf("VM %s is cut off from the network: its ToR %s had no room for its flows; it is "
                                     "tried again each minute",
                                     tenant->name, tor);

    json_array_append_new(verification->findings, json_pack("{s:s, s:s, s:s, s:s}", "kind", "left-out", "switch", tor,
                                                            "vm", tenant->name, "text", text));
    verification->n_found++;
}

static void verify_vm(struct gateway *gateway, const char *name, struct join *join)
{
    const struct tenant *tenant = NULL;
    struct err err = {0};
    uint32_t port;

    for (size_t i = 0; i < gateway->network.n_tenants; i++) {
        if (strcmp(gateway->network.tenants[i].name, name) == 0)
            tenant = &gateway->network.tenants[i];
    }
    if (!tenant)
        err_set(&err, ERR_NOT_FOUND, "the network of data center %s serves no VM '%s'", gateway->config->dc, name);
    const struct switch_info *tor = tenant ? network_tor(gateway, tenant->server, &port, &err) : NULL;

    if (!tor)
        join_fail(join, &err);
    else if (tenant->left_out)
        find_left_out(join->context, tenant, tor->name);
    else
        audit_switch(gateway, tor, tenant->uuid, join, verification_read, NULL);
}

static void verify_all(struct gateway *gateway, struct join *join)
{
    struct err err;

    for (size_t i = 0; i < gateway->inventory.n_switches; i++) {
        const struct switch_info *sw = &gateway->inventory.switches[i];

        if (network_switch_role(gateway, sw) == SWITCH_ROLE_UNKNOWN)
            continue;
        if (sw->up) {
            audit_switch(gateway, sw, NULL, join, verification_read, NULL);
        } else {
            err_set(&err, ERR_UNREACHABLE, "switch %s is not connected to this gateway", sw->name);
            join_fail(join, &err);
        }
    }
    for (size_t i = 0; i < gateway->network.n_tenants; i++) {
        const struct tenant *tenant = &gateway->network.tenants[i];
        uint32_t port;
        const struct switch_info *tor = network_tor(gateway, tenant->server, &port, NULL);

        if (tor && tenant->left_out)
            find_left_out(join->context, tenant, tor->name);
    }
}

void backend_verify(void *arg, const char *vm, struct backend_reply *reply)
{
    struct gateway *gateway = gateway_entered(arg);
    struct verification *verification;
    struct err err = {0};

    if (gateway_check_ready(gateway, &err) < 0) {
        backend_refuse(reply, &err);
        return;
    }
    struct join *join = join_new(verification_done);
    verification = xcalloc(1, sizeof *verification);
    verification->reply = reply;
    verification->switches = json_array();
    verification->findings = json_array();
    join->context = verification;
    join->drop = drop_verification;
    if (vm && name_copy(verification->vm, vm) == 0) {
        verify_vm(gateway, vm, join);
    } else if (vm) {
        err_set(&err, ERR_NOT_FOUND, "no VM has a name as long as '%.100s'", vm);
        join_fail(join, &err);
    } else {
        verify_all(gateway, join);
    }
    join_close(gateway, join);
}
