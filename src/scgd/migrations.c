/* SPDX-License-Identifier: Apache-2.0 */
/* Orders and their sagas. The order of things is what makes a crash harmless: the saga steps, it and its notes go to
 * disk in one transaction, then its actions go out. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "proto/peer/peer.h"
#include "scgd/gateway.h"
#include "scgd/probing.h"

static struct saga_limits limits_of(const struct gateway *gateway)
{
    return (struct saga_limits) {
        .transfers = gateway->config->limits.transfers,
        .confirm_ms = (int64_t) gateway->config->timeouts.peer * 1000,
        .transfer_ms = (int64_t) gateway->config->timeouts.transfer * 1000,
    };
}

#define MIGRATIONS_AT_HAND 100

/* ---- the list ---- */

static struct migration *add(struct gateway *gateway, struct saga *saga, int64_t created_ms)
{
    struct migration *migration = xcalloc(1, sizeof *migration);

    migration->saga = saga;
    migration->serials = xcalloc(saga->n_steps, sizeof *migration->serials);
    migration->vms = xcalloc(saga->order.n_vms, sizeof *migration->vms);
    migration->created_ms = created_ms;
    gateway->migrations = array_reserve(gateway->migrations, gateway->n_migrations, &gateway->cap_migrations,
                                        sizeof *gateway->migrations);
    gateway->migrations[gateway->n_migrations++] = migration;
    return migration;
}

void backend_refuse(struct backend_reply *reply, const struct err *err)
{
    backend_reply_send(reply, problem_http_status(err->code), problem_encode(err));
}

void backend_refuse_stopping(struct backend_reply *reply)
{
    static const struct err stopping = {ERR_UNKNOWN, "the gateway is stopping"};

    backend_refuse(reply, &stopping);
}

void migration_free(struct migration *migration)
{
    if (migration->configure_reply)
        backend_refuse_stopping(migration->configure_reply);
    if (migration->end_reply)
        backend_refuse_stopping(migration->end_reply);
    saga_free(migration->saga);
    free(migration->serials);
    free(migration->vms);
    free(migration);
}

struct migration *migration_find(const struct gateway *gateway, const char *id, enum migration_role role)
{
    for (size_t i = 0; i < gateway->n_migrations; i++) {
        const struct order *order = &gateway->migrations[i]->saga->order;

        if (order->role == role && strcmp(order->id, id) == 0)
            return gateway->migrations[i];
    }
    return NULL;
}

struct migration *migration_of_vm(const struct gateway *gateway, const uint8_t uuid[UUID_SIZE], int *vm)
{
    for (size_t i = 0; i < gateway->n_migrations; i++) {
        const struct saga *saga = gateway->migrations[i]->saga;

        for (unsigned v = 0; v < saga->order.n_vms && !saga_ended(saga); v++) {
            if (memcmp(saga->order.vms[v].uuid, uuid, UUID_SIZE) == 0) {
                if (vm)
                    *vm = (int) v;
                return gateway->migrations[i];
            }
        }
    }
    return NULL;
}

/* ---- journal ---- */

static void describe(const struct saga *saga, const struct saga_note *note, struct store_journal_entry *entry)
{
    if (note->step == SAGA_NOTE_SAGA) {
        snprintf(entry->step, sizeof entry->step, "migration");
    } else {
        const struct step *step = &saga->steps[note->step];
        const char *name = step_infos[step->kind].name;

        if (step->vm == STEP_SHARED)
            snprintf(entry->step, sizeof entry->step, "%s", name);
        else
            snprintf(entry->step, sizeof entry->step, "%s %.40s", name, saga->order.vms[step->vm].name);
    }
    snprintf(entry->event, sizeof entry->event, "%s", note->what);
    snprintf(entry->detail, sizeof entry->detail, "%s", note->detail);
}

static int save(struct gateway *gateway, const struct migration *migration, struct err *err)
{
    const struct saga *saga = migration->saga;
    const struct order *order = &saga->order;
    json_t *json = saga_to_json(saga);
    AUTO_FREE char *document = json_dumps(json, JSON_COMPACT);
    struct store_migration row = {.document = document,
                                  .created_ms = migration->created_ms,
                                  .updated_ms = gateway->unix_ms(gateway->unix_ms_arg),
                                  .ended = saga_ended(saga)};

    json_decref(json);
    snprintf(row.id, sizeof row.id, "%s", order->id);
    snprintf(row.role, sizeof row.role, "%s", migration_role_name(order->role));
    snprintf(row.peer, sizeof row.peer, "%s", order->role == ROLE_SOURCE ? order->target_dc : order->source_dc);
    snprintf(row.state, sizeof row.state, "%s", saga_state_name(saga));

    int status = store_begin(gateway->store, err);
    if (status == 0)
        status = store_migration_put(gateway->store, &row, err);
    for (size_t i = 0; i < saga->n_notes && status == 0; i++) {
        struct store_journal_entry entry = {.time_ms = row.updated_ms};

        describe(saga, &saga->notes[i], &entry);
        status = store_journal_add(gateway->store, order->id, row.role, &entry, err);
    }
    if (status == 0 && row.ended)
        status = history_prune(gateway, order, err);
    if (status == 0)
        return store_commit(gateway->store, err);
    store_rollback(gateway->store);
    return status;
}

static void log_notes(const struct saga *saga)
{
    for (size_t i = 0; i < saga->n_notes; i++) {
        struct store_journal_entry entry;

        describe(saga, &saga->notes[i], &entry);
        log_info(saga->order.id, "%s %s%s%s", entry.step, entry.event, *entry.detail ? ": " : "", entry.detail);
    }
}

/* ---- actions ---- */

static void reply_to_source(struct gateway *gateway, struct migration *migration)
{
    const struct saga *saga = migration->saga;

    if (migration->configure_reply && saga->reason.code)
        backend_refuse(migration->configure_reply, &saga->reason);
    else if (migration->configure_reply)
        backend_reply_send(migration->configure_reply, 200, view_peer_status(gateway, migration));
    migration->configure_reply = NULL;
    if (migration->end_reply && saga_ended(saga)) {
        backend_reply_send(migration->end_reply, 200, view_peer_status(gateway, migration));
        migration->end_reply = NULL;
    }
}

/* What happened to a VM while its order was open, and was left to the order: it may have stopped, or gone. */
static void settle_vms(struct gateway *gateway, const struct migration *migration)
{
    const struct order *order = &migration->saga->order;
    bool gone = false;

    for (unsigned v = 0; v < order->n_vms; v++) {
        const struct vm *seen = inventory_vm_by_uuid(&gateway->inventory, order->vms[v].uuid);
        struct vm vm = {.state = VM_SHUT_OFF};

        if (seen) {
            vm = *seen;
        } else {
            memcpy(vm.uuid, order->vms[v].uuid, UUID_SIZE);
            memcpy(vm.name, order->vms[v].name, NAME_SIZE);
            memcpy(vm.server, order->role == ROLE_SOURCE ? order->vms[v].server : order->target_server, NAME_SIZE);
            if (!gateway_server_listed(gateway, vm.server))
                continue; /* whether it is gone will be seen then */
        }
        /* The side that it should be at. */
        gone |= vm.state == VM_SHUT_OFF &&
                order->vms[v].fate == (order->role == ROLE_SOURCE ? FATE_STAYED : FATE_CROSSED);
        network_adopt(gateway, &vm);
    }
    network_address_free(gateway);
    if (gone) /* after a restart, its flows may be of a VM that was never told */
        network_resync(gateway);
    if (order->n_users) {
        /* A circuit that another order, of the same user, left to this one. */
        struct join *join = network_background_join();

        circuits_tidy(gateway, join);
        join_close(gateway, join);
    }
}

static void carry_out(struct gateway *gateway, struct migration *migration, struct saga_action action)
{
    bool source = migration->saga->order.role == ROLE_SOURCE;
    unsigned i = action.step;

    switch (action.type) {
    case SAGA_DO_APPLY:
        (source ? source_apply : target_apply)(gateway, migration, i, ++migration->serials[i]);
        break;
    case SAGA_DO_CONFIRM:
        (source ? source_confirm : target_confirm)(gateway, migration, i, ++migration->serials[i]);
        break;
    case SAGA_DO_UNDO:
        (source ? source_undo : target_undo)(gateway, migration, i, ++migration->serials[i]);
        break;
    case SAGA_DO_ABORT_TRANSFER:
        source_abort_transfer(gateway, migration, i);
        break;
    case SAGA_DO_REPORT_CONFIGURED:
        reply_to_source(gateway, migration);
        break;
    case SAGA_DO_END:
        reply_to_source(gateway, migration);
        settle_vms(gateway, migration);
        break;
    }
}

/* A step may end while it is begun (nothing to wait for), so events can arrive inside carry_out(): they are taken one
 * after another, each with its own notes on disk before its actions. */
void migration_event(struct gateway *gateway, struct migration *migration, struct saga_event event)
{
    struct saga *saga = migration->saga;
    struct err err = {0};

    saga_step(saga, &event, gateway->now);
    if (saga->n_notes == 0 && saga->n_actions == 0)
        return;
    log_notes(saga);
    if (save(gateway, migration, &err) < 0) {
        /* Without a journal nothing may happen any more: what is not on disk cannot be undone after a crash. */
        log_error(FAULT_OURS, saga->order.id, "the journal cannot be written, stopping: %s", err.text);
        abort();
    }

    size_t n = saga->n_actions;
    AUTO_FREE struct saga_action *actions = xmemdup(saga->actions, n * sizeof *actions);
    for (size_t i = 0; i < n; i++)
        carry_out(gateway, migration, actions[i]);
    if (gateway->notify) {
        json_t *json = view_migration(migration);

        gateway->notify(gateway->notify_arg, "migration", json);
        json_decref(json);
    }
}

void step_outcome(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial,
                  enum saga_event_type type, const struct err *err)
{
    if (serial != migration->serials[step])
        return;
    migration_event(gateway, migration, (struct saga_event) {.type = type, .step = step, .err = err});
}

static void step_applied(struct gateway *gateway, struct join *join)
{
    AUTO_FREE char *note = join->context;

    if (join->err.code == ERR_UNKNOWN || join->err.code == ERR_TIMEOUT)
        step_outcome(gateway, join->migration, join->step, join->serial, SAGA_STEP_UNKNOWN, &join->err);
    else if (join->err.code)
        step_outcome(gateway, join->migration, join->step, join->serial, SAGA_STEP_FAILED, &join->err);
    else if (join->serial == join->migration->serials[join->step])
        migration_event(gateway, join->migration,
                        (struct saga_event) {.type = SAGA_STEP_OK, .step = join->step, .note = note});
}

static void drop_note(struct join *join)
{
    free(join->context);
}

void step_join_note(struct join *join, char *note)
{
    free(join->context);
    join->context = note;
    join->drop = drop_note;
}

static void step_undone(struct gateway *gateway, struct join *join)
{
    step_outcome(gateway, join->migration, join->step, join->serial, join->err.code ? SAGA_UNDO_FAILED : SAGA_UNDO_OK,
                 &join->err);
}

struct join *step_join(struct migration *migration, unsigned step, unsigned serial, bool undo)
{
    struct join *join = join_new(undo ? step_undone : step_applied);

    join->migration = migration;
    join->step = step;
    join->serial = serial;
    return join;
}

/* ---- life ---- */

static bool is_waited_for(const struct gateway *gateway, const struct migration *migration)
{
    for (size_t i = 0; i < gateway->n_requests; i++) {
        if (gateway->requests[i].join->migration == migration)
            return true;
    }
    return migration->configure_reply || migration->end_reply || probing_waits(gateway, migration);
}

/* The store remembers more; the latest that ended are kept at hand for those who watch. */
static void forget_ended(struct gateway *gateway)
{
    for (size_t i = 0; gateway->n_migrations > MIGRATIONS_AT_HAND && i < gateway->n_migrations;) {
        struct migration *migration = gateway->migrations[i];

        if (!saga_ended(migration->saga) || is_waited_for(gateway, migration)) {
            i++;
            continue;
        }
        migration_free(migration);
        memmove(&gateway->migrations[i], &gateway->migrations[i + 1],
                (--gateway->n_migrations - i) * sizeof *gateway->migrations);
    }
}

int migration_check_room(const struct gateway *gateway, struct err *err)
{
    unsigned open = 0;

    for (size_t i = 0; i < gateway->n_migrations; i++)
        open += !saga_ended(gateway->migrations[i]->saga);
    if (open >= gateway->config->limits.migrations)
        return err_set(err, ERR_EXHAUSTED,
                       "%u migrations are open, as many as limits.migrations allows; try again later", open);
    return 0;
}

struct migration *migration_begin(struct gateway *gateway, struct order *order, struct backend_reply *reply,
                                  struct err *err)
{
    struct saga_limits limits = limits_of(gateway);

    if (migration_check_room(gateway, err) < 0)
        return NULL;
    forget_ended(gateway);

    struct migration *migration = add(gateway, saga_new(order, &limits), gateway->unix_ms(gateway->unix_ms_arg));
    if (save(gateway, migration, err) < 0) {
        migration_free(gateway->migrations[--gateway->n_migrations]);
        return NULL;
    }
    migration->configure_reply = reply;
    migration_event(gateway, migration, (struct saga_event) {.type = SAGA_START});
    return migration;
}

struct loading {
    struct gateway *gateway;
    struct err err;
};

static bool load_one(void *arg, const struct store_migration *row)
{
    struct loading *loading = arg;
    struct saga_limits limits = limits_of(loading->gateway);
    json_t *json = json_loads(row->document, 0, NULL);
    struct saga *saga = json ? saga_from_json(json, &limits, &loading->err) : NULL;

    json_decref(json);
    if (!saga) {
        if (loading->err.code == 0)
            err_set(&loading->err, ERR_MALFORMED, "the journal's document is not JSON");
        err_prefix(&loading->err, "migration %s in the store", row->id);
        return false;
    }
    for (unsigned v = 0; v < saga->order.n_vms && !saga_ended(saga); v++) {
        if (network_segment(loading->gateway, saga->order.vms[v].segment))
            continue;
        err_set(&loading->err, ERR_CONFLICT,
                "open migration %s moves VM %s of segment %s, which is no longer under "
                "'segments'; put it back until the migration has ended",
                row->id, saga->order.vms[v].name, saga->order.vms[v].segment);
        saga_free(saga);
        return false;
    }
    add(loading->gateway, saga, row->created_ms);
    return true;
}

struct migration *migration_recall(struct gateway *gateway, const char *id, enum migration_role role)
{
    struct loading loading = {.gateway = gateway};
    struct store_migration row = {0};
    size_t before = gateway->n_migrations;

    if (store_migration_get(gateway->store, id, migration_role_name(role), &row, NULL) < 0)
        return NULL;
    if (!load_one(&loading, &row))
        log_error(FAULT_OURS, id, "%s", loading.err.text);
    store_migration_free(&row);
    return gateway->n_migrations > before ? gateway->migrations[before] : NULL;
}

bool peer_is_known(const struct gateway *gateway, const char *common_name)
{
    for (unsigned i = 0; i < gateway->config->peers_count; i++) {
        if (strcmp(gateway->config->peers[i].name, common_name) == 0)
            return true;
    }
    return false;
}

bool peer_is_dc(const struct gateway *gateway, const char *common_name, const char *dc)
{
    for (unsigned i = 0; i < gateway->config->peers_count; i++) {
        const struct config_peer *peer = &gateway->config->peers[i];

        if (strcmp(peer->dc, dc) == 0)
            return strcmp(peer->name, common_name) == 0;
    }
    return false;
}

int migrations_load(struct gateway *gateway, struct err *err)
{
    struct loading loading = {.gateway = gateway};
    int status = store_migration_each(gateway->store, true, load_one, &loading, err);

    if (status == 0 && loading.err.code) {
        *err = loading.err;
        status = err->code;
    }
    return status;
}

/* Tenants of a target that was configured before the restart: the network shall hold them as before. */
static void restore_tenants(struct gateway *gateway, const struct saga *saga)
{
    for (unsigned i = 0; i < saga->n_steps; i++) {
        const struct step *step = &saga->steps[i];

        if (step->kind == STEP_POLICY_INSTALL && step->state == STEP_DONE) {
            struct tenant like = tenant_of_order(&saga->order, (unsigned) step->vm);

            network_set_tenant(gateway, &like);
        } else if (step->kind == STEP_ACTIVATE && step->state == STEP_DONE) {
            network_tenant(gateway, saga->order.vms[step->vm].uuid)->present = true;
        }
    }
}

/* Channels that were opened, or may have been, and not closed again. */
static void restore_channels(struct gateway *gateway, const struct saga *saga)
{
    AUTO_FREE struct open_channel *channels = xcalloc(saga->order.n_vms, sizeof *channels);
    unsigned n = channels_of_order(&saga->order, channels);

    bool open = false;

    for (unsigned i = 0; i < saga->n_steps; i++) {
        const struct step *step = &saga->steps[i];

        if (step->kind == STEP_CHANNEL_OPEN || step->kind == STEP_TARGET_CHANNEL_OPEN)
            open = step->state == STEP_APPLYING || step->state == STEP_CONFIRMING || step->state == STEP_DONE;
        else if (step->kind == STEP_CHANNEL_CLOSE || step->kind == STEP_TARGET_CHANNEL_CLOSE)
            open &= step->state == STEP_PENDING;
    }
    for (unsigned c = 0; c < n && open; c++)
        network_restore_channel(gateway, &channels[c]);
}

void migrations_restore_network(struct gateway *gateway)
{
    for (size_t i = 0; i < gateway->n_migrations; i++) {
        const struct saga *saga = gateway->migrations[i]->saga;

        if (saga->order.role == ROLE_TARGET)
            restore_tenants(gateway, saga);
        restore_channels(gateway, saga);
    }
}

void migrations_restart(struct gateway *gateway)
{
    for (size_t i = 0; i < gateway->n_migrations; i++)
        migration_event(gateway, gateway->migrations[i], (struct saga_event) {.type = SAGA_RESTART});
}

void migrations_tick(struct gateway *gateway)
{
    for (size_t i = 0; i < gateway->n_migrations; i++) {
        if (mono_reached(saga_deadline(gateway->migrations[i]->saga), gateway->now))
            migration_event(gateway, gateway->migrations[i], (struct saga_event) {.type = SAGA_TICK});
    }
}

struct mono migrations_deadline(const struct gateway *gateway)
{
    struct mono deadline = MONO_NEVER;

    for (size_t i = 0; i < gateway->n_migrations; i++)
        deadline = mono_min(deadline, saga_deadline(gateway->migrations[i]->saga));
    return deadline;
}
