/* SPDX-License-Identifier: Apache-2.0 */
#include "scgd/drift.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/audit.h"

#define SOON_MS (2 * SWITCH_CHANGES_MS) /* the rest of what is being changed comes meanwhile */
#define AGAIN_MS 500
#define STANDING_MS 3000 /* while something differs, its end is looked for: the gateway may have put it right itself */
#define UNSETTLED_MAX 20 /* a ToR that we change all the time is left until the next interval */
#define TOLD_MAX 20      /* findings of one audit that are logged and told one by one */

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
    for (size_t i = 0; i < gateway->drift.n_tors; i++)
        free(gateway->drift.tors[i]);
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

static uint64_t hash_findings(const struct audit *audit)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ audit->n_found;

    for (size_t i = 0; i < audit->n_findings; i++) {
        for (const char *c = audit->findings[i].text; *c; c++)
            hash = (hash ^ (uint8_t) *c) * UINT64_C(0x100000001b3);
    }
    return hash ? hash : 1;
}

static void tell(struct gateway *gateway, const char *tor, const char *state, json_t *findings, size_t n)
{
    json_t *json = json_pack("{s:s, s:s, s:I, s:o}", "switch", tor, "state", state, "count", (json_int_t) n, "findings",
                             findings);

    if (gateway->notify)
        gateway->notify(gateway->notify_arg, "drift", json);
    json_decref(json);
}

static void report(struct gateway *gateway, const struct audit *audit)
{
    json_t *findings = json_array();

    gateway->drift.found += audit->n_found;
    for (size_t i = 0; i < audit->n_findings && i < TOLD_MAX; i++) {
        log_warn(FAULT_OPERATOR, audit->tor, "drift: %s", audit->findings[i].text);
        json_array_append_new(findings, finding_json(audit->tor, &audit->findings[i]));
    }
    if (audit->n_found > TOLD_MAX)
        log_warn(FAULT_OPERATOR, audit->tor, "drift: %zu more; see 'scgctl policy verify --all'",
                 audit->n_found - TOLD_MAX);
    tell(gateway, audit->tor, "found", findings, audit->n_found);
}

static void repaired(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    AUTO_FREE char *name = context;
    struct drift_tor *tor = drift_tor(gateway, name);

    tor->busy = false;
    tor->due = mono_add(gateway->now, AGAIN_MS);
    if (event->err.code) {
        join_fail(join, &event->err);
        return;
    }
    log_info(name, "drift: put right, %zu in all", tor->standing);
    gateway->drift.repaired += tor->standing;
    tell(gateway, name, "repaired", json_array(), tor->standing);
    tor->standing = 0;
    tor->told = tor->suspected = 0;
}

static void repair(struct gateway *gateway, struct drift_tor *tor, struct audit *audit)
{
    struct join *join = network_background_join();
    uint64_t request = gateway_request(gateway, join, repaired, xstrdup(tor->name));

    tor->busy = true;
    network_send(gateway, request, tor->name, &audit->repair);
    join_close(gateway, join);
}

/* Nothing differs any more. */
static void settle(struct gateway *gateway, struct drift_tor *tor)
{
    if (tor->told) {
        log_info(tor->name, "drift: all is as it shall be again");
        tell(gateway, tor->name, "gone", json_array(), tor->standing);
    }
    tor->told = tor->suspected = 0;
    tor->standing = 0;
}

/* What comes back, because somebody insists on it, or cannot be put right, is tried as often as ToRs are audited. */
static bool may_repair(const struct gateway *gateway, const struct drift_tor *tor, const struct audit *audit,
                       uint64_t found)
{
    int64_t interval_ms = (int64_t) gateway->config->drift.interval * 1000;

    return (audit->repair.n_mods || audit->repair.n_meters_add || audit->repair.n_meters_delete) &&
           (tor->tried != found || mono_reached(mono_add(tor->tried_at, interval_ms), gateway->now));
}

static void judge(struct gateway *gateway, struct drift_tor *tor, struct audit *audit)
{
    uint64_t found = audit->n_found ? hash_findings(audit) : 0;

    if (!found) {
        settle(gateway, tor);
        return;
    }
    if (tor->suspected != found) { /* a change of ours that arrives just now would be gone the next time */
        tor->suspected = found;
        tor->due = mono_add(gateway->now, AGAIN_MS);
        return;
    }
    if (tor->told != found)
        report(gateway, audit);
    tor->told = found;
    tor->standing = audit->n_found;
    tor->due = mono_min(tor->due, mono_add(gateway->now, STANDING_MS));
    if (gateway->config->drift.repair && may_repair(gateway, tor, audit, found)) {
        tor->tried = found;
        tor->tried_at = gateway->now;
        repair(gateway, tor, audit);
    }
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
    if (audit->settled || audit->n_found == 0) {
        tor->unsettled = 0;
        judge(gateway, tor, audit);
    } else if (++tor->unsettled < UNSETTLED_MAX) {
        tor->due = mono_add(gateway->now, AGAIN_MS);
    } else {
        tor->unsettled = 0;
    }
}

static void audit_failed(struct gateway *gateway, struct join *join)
{
    (void) gateway;
    if (join->err.code)
        log_info(NULL, "drift: a ToR could not be read: %s", join->err.text);
}

/* ---- time ---- */

void drift_tick(struct gateway *gateway)
{
    if (!gateway->ready || gateway->config->drift.interval == 0)
        return;
    for (size_t i = 0; i < gateway->inventory.n_switches; i++) {
        const struct switch_info *sw = &gateway->inventory.switches[i];

        if (!sw->up || network_switch_role(gateway, sw) != SWITCH_ROLE_TOR)
            continue;
        struct drift_tor *tor = drift_tor(gateway, sw->name);
        if (tor->busy || !mono_reached(tor->due, gateway->now))
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
            deadline = mono_min(deadline, tor->due);
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
