/* SPDX-License-Identifier: Apache-2.0 */
#include "scgd/drift.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/audit.h"

#define SOON_MS (2 * SWITCH_CHANGES_MS) /* the rest of what is being changed comes meanwhile */
#define AGAIN_MS 500
#define STANDING_MS 3000 /* while something differs, its end is looked for: the gateway may have put it right itself */
#define UNSETTLED_MAX 6
#define REST 4      /* times as long as it took to read */
#define TOLD_MAX 20 /* findings of one audit that are logged and told one by one */

/* ---- ToRs ---- */

static struct drift_tor *drift_tor(struct gateway *gateway, const char *name)
{
    struct drift *drift = &gateway->drift;

    for (size_t i = 0; i < drift->n_tors; i++) {
        if (strcmp(drift->tors[i]->name, name) == 0)
            return drift->tors[i];
    }
    drift->tors = array_reserve(drift->tors, drift->n_tors, &drift->cap_tors, sizeof *drift->tors);
    struct drift_tor *tor = drift->tors[drift->n_tors++] = xcalloc(1, sizeof *tor);
    memcpy(tor->name, name, strlen(name) + 1);
    tor->due = mono_add(gateway->now, (int64_t) gateway->config->drift.interval * 1000);
    return tor;
}

void drift_free(struct gateway *gateway)
{
    for (size_t i = 0; i < gateway->drift.n_tors; i++) {
        drift_ledger_free(&gateway->drift.tors[i]->ledger);
        free(gateway->drift.tors[i]->repairing);
        free(gateway->drift.tors[i]);
    }
    free(gateway->drift.tors);
}

void drift_flows_changed(struct gateway *gateway, const char *switch_name)
{
    const struct switch_info *sw = inventory_switch(&gateway->inventory, switch_name);

    if (!sw || network_switch_role(gateway, sw) != SWITCH_ROLE_TOR)
        return;
    struct drift_tor *tor = drift_tor(gateway, switch_name);
    tor->due = mono_min(tor->due, mono_add(gateway->now, SOON_MS));
}

/* ---- what was found ---- */

static json_t *finding_json(const char *tor, const struct finding *finding)
{
    json_t *json = json_pack("{s:s, s:s, s:s}", "kind", finding_kind_name(finding->kind), "switch", tor, "text",
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
static void tell(struct gateway *gateway, const char *tor, const char *state, json_t *told)
{
    size_t n = json_array_size(told);

    while (json_array_size(told) > TOLD_MAX)
        json_array_remove(told, json_array_size(told) - 1);
    json_t *json = json_pack("{s:s, s:s, s:I, s:o}", "switch", tor, "state", state, "count", (json_int_t) n, "findings",
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
            log_warn(FAULT_OPERATOR, audit->tor, "drift: %s", json_string_value(json_object_get(json, "text")));
    }
    if (n > TOLD_MAX)
        log_warn(FAULT_OPERATOR, audit->tor, "drift: %zu more; see 'scgctl policy verify --all'", n - TOLD_MAX);
    tell(gateway, audit->tor, "found", news);
}

static void repaired(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    AUTO_FREE char *name = context;
    struct drift_tor *tor = drift_tor(gateway, name);
    struct mono next = mono_add(gateway->now, (int64_t) gateway->config->drift.interval * 1000);
    json_t *told = json_array();

    tor->busy = false;
    tor->due = mono_add(gateway->now, AGAIN_MS);
    for (size_t i = 0; i < tor->n_repairing && event->err.code == 0; i++) {
        json_t *one = drift_ledger_repaired(&tor->ledger, tor->repairing[i], next);

        if (one)
            json_array_append_new(told, one);
    }
    tor->n_repairing = 0;
    tor->standing = tor->ledger.n_told;
    gateway->drift.repaired += json_array_size(told);
    if (event->err.code)
        join_fail(join, &event->err);
    else
        log_info(name, "drift: put right, %zu in all", json_array_size(told));
    tell(gateway, name, "repaired", told);
}

/* What comes back, because somebody insists on it, or cannot be put right, is tried as often as ToRs are audited. */
static void repair(struct gateway *gateway, struct drift_tor *tor, const struct audit *audit)
{
    struct mono next = mono_add(gateway->now, (int64_t) gateway->config->drift.interval * 1000);
    struct flow_txn txn = {0};

    for (size_t i = 0; i < audit->n_findings; i++) {
        const struct finding *finding = &audit->findings[i];
        struct drift_entry *entry;

        if (flow_txn_is_empty(&finding->repair) || drift_ledger_see(&tor->ledger, finding->id, &entry) != DRIFT_KNOWN ||
            !mono_reached(entry->next, gateway->now))
            continue;
        entry->next = next;
        flow_txn_append(&txn, &finding->repair);
        tor->repairing = array_reserve(tor->repairing, tor->n_repairing, &tor->cap_repairing, sizeof *tor->repairing);
        tor->repairing[tor->n_repairing++] = finding->id;
    }
    if (tor->n_repairing == 0)
        return;
    struct join *join = network_background_join();
    uint64_t request = gateway_request(gateway, join, repaired, xstrdup(tor->name));

    tor->busy = true;
    network_send(gateway, request, tor->name, &txn);
    join_close(gateway, join);
}

static void judge(struct gateway *gateway, struct drift_tor *tor, const struct audit *audit)
{
    json_t *news = json_array(), *gone;
    bool suspects = false;

    drift_ledger_begin(&tor->ledger);
    for (size_t i = 0; i < audit->n_findings; i++) {
        struct drift_entry *entry;

        switch (drift_ledger_see(&tor->ledger, audit->findings[i].id, &entry)) {
        case DRIFT_SUSPECTED: /* a change of ours that arrives just now would be gone the next time */
            suspects = true;
            break;
        case DRIFT_BELIEVED:
            drift_ledger_tell(&tor->ledger, entry, finding_json(audit->tor, &audit->findings[i]));
            json_array_append(news, entry->told);
            break;
        case DRIFT_KNOWN:
            break;
        }
    }
    gone = drift_ledger_end(&tor->ledger, gateway->now);
    report(gateway, audit, news);
    if (json_array_size(gone))
        log_info(tor->name, "drift: %zu found before are gone, %zu stand", json_array_size(gone), tor->ledger.n_told);
    tell(gateway, tor->name, "gone", gone);
    tor->standing = tor->ledger.n_told + audit->n_found - audit->n_findings;
    if (tor->standing)
        tor->due = mono_min(tor->due, mono_add(gateway->now, STANDING_MS));
    if (suspects)
        tor->due = mono_min(tor->due, mono_add(gateway->now, AGAIN_MS));
    if (gateway->config->drift.repair)
        repair(gateway, tor, audit);
}

static void audited(struct gateway *gateway, struct join *join, struct audit *audit, const struct err *err,
                    void *context)
{
    struct drift_tor *tor = drift_tor(gateway, audit->tor);
    (void) context;

    tor->busy = false;
    if (err) {
        join_fail(join, err);
        return;
    }
    gateway->drift.audits++;
    tor->rested = mono_add(gateway->now, REST * mono_diff(gateway->now, audit->began));
    if (audit->settled || audit->n_found == 0) {
        tor->unsettled = 0;
        judge(gateway, tor, audit);
        return;
    }
    /* A ToR that we change all the time is tried less and less often, but always again. */
    tor->due = mono_min(tor->due, mono_add(gateway->now, (int64_t) AGAIN_MS << tor->unsettled));
    if (tor->unsettled < UNSETTLED_MAX)
        tor->unsettled++;
}

static void audit_failed(struct gateway *gateway, struct join *join)
{
    (void) gateway;
    if (join->err.code)
        log_info(NULL, "drift: a ToR could not be read: %s", join->err.text);
}

/* ---- time ---- */

static struct mono next_audit(const struct drift_tor *tor)
{
    return mono_reached(tor->rested, tor->due) ? tor->due : tor->rested;
}

void drift_tick(struct gateway *gateway)
{
    if (!gateway->ready || gateway->config->drift.interval == 0)
        return;
    for (size_t i = 0; i < gateway->inventory.n_switches; i++) {
        const struct switch_info *sw = &gateway->inventory.switches[i];

        if (!sw->up || network_switch_role(gateway, sw) != SWITCH_ROLE_TOR)
            continue;
        struct drift_tor *tor = drift_tor(gateway, sw->name);
        if (tor->busy || !mono_reached(next_audit(tor), gateway->now))
            continue;
        struct join *join = join_new(audit_failed);

        tor->busy = true;
        tor->due = mono_add(gateway->now, (int64_t) gateway->config->drift.interval * 1000);
        audit_tor(gateway, sw, NULL, join, audited, NULL);
        join_close(gateway, join);
    }
}

struct mono drift_deadline(const struct gateway *gateway)
{
    struct mono deadline = MONO_NEVER;

    if (!gateway->ready || gateway->config->drift.interval == 0)
        return deadline;
    for (size_t i = 0; i < gateway->drift.n_tors; i++) {
        const struct drift_tor *tor = gateway->drift.tors[i];
        const struct switch_info *sw = inventory_switch(&gateway->inventory, tor->name);

        if (!tor->busy && sw && sw->up && network_switch_role(gateway, sw) == SWITCH_ROLE_TOR)
            deadline = mono_min(deadline, next_audit(tor));
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
                          json_pack("{s:s, s:I, s:I, s:b}", "name", audit->tor, "vms", (json_int_t) audit->n_vms,
                                    "flows", (json_int_t) audit->n_expected, "settled", (int) audit->settled));
    for (size_t i = 0; i < audit->n_findings; i++)
        json_array_append_new(verification->findings, finding_json(audit->tor, &audit->findings[i]));
    verification->n_found += audit->n_found;
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

    if (tor)
        audit_tor(gateway, tor, tenant->uuid, join, verification_read, NULL);
    else
        join_fail(join, &err);
}

static void verify_all(struct gateway *gateway, struct join *join)
{
    struct err err;

    for (size_t i = 0; i < gateway->inventory.n_switches; i++) {
        const struct switch_info *sw = &gateway->inventory.switches[i];

        if (network_switch_role(gateway, sw) != SWITCH_ROLE_TOR)
            continue;
        if (sw->up) {
            audit_tor(gateway, sw, NULL, join, verification_read, NULL);
        } else {
            err_set(&err, ERR_UNREACHABLE, "ToR %s is not connected to this gateway", sw->name);
            join_fail(join, &err);
        }
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
