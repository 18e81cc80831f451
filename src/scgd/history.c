/* SPDX-License-Identifier: Apache-2.0 */
/* How long migrations that have ended are remembered: the last history.migrations of them, with their journals.
 *
 * What the protocol between gateways needs of those that are pruned:
 *
 *  - The source needs nothing: it ends only after the target has answered that it has ended, and asks nothing then.
 *  - The target may be asked by a source that has not heard its answer to a commit or an abort, and a message may come
 *    that the source has given up long ago: begun anew, it would wait for ever for a source that has ended, too. So a
 *    target's migration leaves a tombstone, which answers the one and refuses the other.
 *  - A message that late can only have waited in a connection of its time, so a pruned one's tombstone stays for
 *    TOMBSTONE_MS after the end, which is far beyond what timeouts.peer allows and TCP keeps. What crossed, the VM's
 *    generation fences for ever. A source that was away for longer takes 404 for the answer to its commit or abort: a
 *    target forgets nothing that is open.
 *  - One that was called off before its message came is never forgotten. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "scgd/gateway.h"

#define TOMBSTONE_MS ((int64_t) 24 * 3600 * 1000)
#define SLICE 20 /* how many go at once, each with some dozens of journal entries: some milliseconds */
#define SLICE_PAUSE_MS 100

const char *migration_role_name(enum migration_role role)
{
    return role == ROLE_SOURCE ? "source" : "target";
}

int migration_bury(struct gateway *gateway, const char *id, const char *peer, struct err *err)
{
    struct store_tombstone tombstone = {.ended_ms = gateway->unix_ms(gateway->unix_ms_arg), .called_off = true};

    snprintf(tombstone.id, sizeof tombstone.id, "%s", id);
    snprintf(tombstone.peer, sizeof tombstone.peer, "%s", peer);
    snprintf(tombstone.state, sizeof tombstone.state, "%s", saga_states[SAGA_ROLLED_BACK].name);
    return store_tombstone_put(gateway->store, &tombstone, err);
}

bool migration_is_buried(const struct gateway *gateway, const char *id, struct store_tombstone *tombstone)
{
    return store_tombstone_get(gateway->store, id, tombstone, NULL) == 0;
}

int history_prune(struct gateway *gateway, const struct order *ended, struct err *err)
{
    struct store_pruning pruning = {.keep = gateway->config->history.migrations,
                                    .most = SLICE,
                                    .tombstones_ms = gateway->unix_ms(gateway->unix_ms_arg) - TOMBSTONE_MS,
                                    .id = ended ? ended->id : NULL,
                                    .role = ended ? migration_role_name(ended->role) : NULL};
    uint32_t n = 0;
    int status = store_migration_prune(gateway->store, &pruning, &n, err);

    if (status == 0)
        gateway->prune_at = n == SLICE ? mono_add(gateway->now, SLICE_PAUSE_MS) : MONO_NEVER;
    return status;
}

bool history_has(const struct gateway *gateway, const struct migration *migration)
{
    const struct order *order = &migration->saga->order;
    struct store_migration row = {0};

    /* One that ended lately may still be at hand after its row has gone. */
    if (saga_ended(migration->saga) &&
        store_migration_get(gateway->store, order->id, migration_role_name(order->role), &row, NULL) == ERR_NOT_FOUND)
        return false;
    store_migration_free(&row);
    return true;
}

int history_miss(const struct gateway *gateway, const char *id, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND,
                   "there is no migration '%s' in data center %s; of those that have ended only the last %u are kept",
                   id, gateway->config->dc, gateway->config->history.migrations);
}

/* At the start, 'history.migrations' may be less than it was, or the store an older gateway's. */
void history_tick(struct gateway *gateway)
{
    struct err err = {0};

    if (!mono_reached(gateway->prune_at, gateway->now))
        return;
    gateway->prune_at = MONO_NEVER;
    int status = store_begin(gateway->store, &err);
    if (status == 0) {
        status = history_prune(gateway, NULL, &err);
        if (status == 0)
            status = store_commit(gateway->store, &err);
        else
            store_rollback(gateway->store);
    }
    if (status < 0)
        log_error(FAULT_OURS, NULL, "migrations of the past are not forgotten until the next one ends: %s", err.text);
}
