/* SPDX-License-Identifier: Apache-2.0 */
/* north/backend.h on top of the gateway: commands checked before anything is touched, and peers' requests. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "model/json.h"
#include "proto/peer/peer.h"
#include "scgd/gateway.h"

struct gateway *gateway_entered(void *arg)
{
    struct gateway *gateway = arg;

    gateway->now = gateway->enter(gateway->enter_arg);
    return gateway;
}

/* ---- reading ---- */

static int get(void *arg, const char *collection, const char *name, json_t **out, struct err *err)
{
    return view_get(arg, collection, name, out, err);
}

static bool add_entry(void *arg, const struct store_journal_entry *entry)
{
    json_t *detail = json_string(entry->detail); /* null if a character was cut in two */

    json_array_append_new(arg, json_pack("{s:I, s:I, s:s, s:s, s:o}", "sequence", (json_int_t) entry->sequence, "time",
                                         (json_int_t) entry->time_ms, "step", entry->step, "event", entry->event,
                                         "detail", detail ? detail : json_string("")));
    return true;
}

static int journal(void *arg, const char *id, json_t **out, struct err *err)
{
    static const char *const roles[] = {"source", "target"};
    struct gateway *gateway = gateway_entered(arg);
    json_t *entries = json_array();

    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        int status = store_journal_each(gateway->store, id, roles[i], add_entry, entries, err);

        if (status && status != ERR_NOT_FOUND) {
            json_decref(entries);
            return status;
        }
    }
    if (json_array_size(entries) == 0) {
        json_decref(entries);
        return history_miss(gateway, id, err);
    }
    *out = json_pack("{s:o}", "journal", entries);
    return 0;
}

static char *metrics(void *arg)
{
    return view_metrics(arg);
}

/* ---- migrate ---- */

static int fill_vm(struct gateway *gateway, const char *name, struct migration_vm *out, struct err *err)
{
    const struct vm *vm = inventory_vm(&gateway->inventory, name);
    struct store_location location = {0};

    if (!vm)
        return err_set(err, ERR_NOT_FOUND, "there is no VM '%s' in data center %s; see 'scgctl vm list'", name,
                       gateway->config->dc);
    const struct migration *other = migration_of_vm(gateway, vm->uuid, NULL);
    if (other)
        return err_set(err, ERR_CONFLICT, "VM %s is already in migration %s, which is %s", name, other->saga->order.id,
                       saga_state_name(other->saga));
    if (vm->state != VM_RUNNING)
        return err_set(err, ERR_CONFLICT, "VM %s is %s; only a running VM can be migrated live", name,
                       vm_state_name(vm->state));

    const struct server *server = inventory_server(&gateway->inventory, vm->server);
    if (!server || !server->up)
        return err_set(err, ERR_UNREACHABLE, "the hypervisor of server %s, where VM %s runs, does not answer",
                       vm->server, name);
    uint32_t port;
    if (!network_tor(gateway, vm->server, &port, err))
        return err_prefix(err, "VM %s", name);
    const struct segment_state *segment = network_segment(gateway, vm->segment);
    if (segment && vm->n_nics && vm->nics[0].ip.family == IP_V4 &&
        network_check_vm(segment, vm->name, &vm->nics[0].ip, err) < 0)
        return err->code;
    store_location_get(gateway->store, vm->uuid, &location, NULL);
    memcpy(out->name, vm->name, NAME_SIZE);
    memcpy(out->uuid, vm->uuid, UUID_SIZE);
    memcpy(out->segment, vm->segment, NAME_SIZE);
    memcpy(out->server, vm->server, NAME_SIZE);
    snprintf(out->source_address, sizeof out->source_address, "%s",
             gateway_server_config(gateway, vm->server)->migration_address);
    out->memory_kib = vm->memory_kib;
    out->generation = location.generation + 1;
    out->n_nics = vm->n_nics;
    memcpy(out->nics, vm->nics, sizeof out->nics);
    return 0;
}

static int check_target(struct gateway *gateway, const char *dc, struct err *err)
{
    if (strcmp(dc, gateway->config->dc) == 0)
        return err_set(err, ERR_INVALID, "VMs are in data center %s already; name another one", dc);
    for (unsigned i = 0; i < gateway->config->peers_count; i++) {
        if (strcmp(gateway->config->peers[i].dc, dc) == 0)
            return 0;
    }
    return err_set(err, ERR_NOT_FOUND, "data center '%s' is not a peer of %s; add it under 'peers'", dc,
                   gateway->config->dc);
}

/* Users on a transport network, each with those of the order's VMs that it uses. */
static int fill_users(const struct gateway *gateway, struct order *order, struct err *err)
{
    const struct transport *transport = &gateway->transport;

    order->users = xcalloc(transport->n_users + 1, sizeof *order->users);
    for (size_t u = 0; u < transport->n_users; u++) {
        struct user user = user_copy(&transport->users[u]);

        for (unsigned v = user.n_vms; v-- > 0;) {
            if (order_find_vm(order, user.vms[v]) < 0)
                user_remove_vm(&user, user.vms[v]);
        }
        if (user.n_vms == 0) {
            user_free(&user);
            continue;
        }
        if (user_check_access(gateway, &transport->users[u], err) < 0) {
            user_free(&user);
            return err->code;
        }
        if (order->n_users == MIGRATION_USERS_MAX) {
            user_free(&user);
            return err_set(err, ERR_TOO_LARGE,
                           "the order's VMs have more than %d users on a transport network; move fewer VMs at once",
                           MIGRATION_USERS_MAX);
        }
        order->users[order->n_users++] = user;
    }
    return 0;
}

/* The channel that it would take, and whether one could be set up now. */
static int fill_channel(struct gateway *gateway, struct order *order, struct err *err)
{
    struct channel_choice choice;
    struct path_result path = {0};
    int status = channel_choose(gateway, order, &choice, err);

    bool new = status == 0 && !choice.by_configuration && !circuit_find(gateway, choice.name);

    if (new)
        status = transport_check(gateway, choice.circuit.want.ingress, err);
    if (new &&status == 0)
        status = circuit_path(gateway, &choice.circuit, &path, err);
    if (status)
        return status;
    memcpy(order->channel, choice.name, NAME_SIZE);
    path_result_free(&path);
    return 0;
}

int backend_read_order(struct gateway *gateway, const json_t *command, struct order *order, struct err *err)
{
    static const char *const known[] = {"vms", "to", "bandwidth-mbps", NULL};
    static const char *const known_to[] = {"dc", "server", NULL};
    struct json_reader r = json_reader_init(command, "order", err);
    const json_t *vms = json_get_array(&r, "vms"), *to = json_get_object(&r, "to");
    uint32_t mbps = (uint32_t) json_opt_int(&r, "bandwidth-mbps", 0, UINT32_MAX, 0);
    size_t n = json_array_size(vms), most = gateway->config->limits.vms_per_order;

    json_only(&r, known);
    if (r.status)
        return r.status;
    if (n == 0 || n > most || n > MIGRATION_VMS_MAX)
        return err_set(err, n ? ERR_TOO_LARGE : ERR_INVALID, "order.vms names %zu VMs; 1 to %zu are allowed", n, most);

    struct json_reader t = json_reader_init(to, "order.to", err);
    const char *dc = json_get_string(&t, "dc"), *server = json_get_string(&t, "server");
    json_only(&t, known_to);
    if (t.status)
        return t.status;

    int status = check_target(gateway, dc, err);
    if (status == 0 && name_copy(order->target_server, server) < 0)
        status = err_set(err, ERR_INVALID, "order.to.server is longer than %d bytes", NAME_SIZE - 1);
    if (status == 0 &&
        (!network_edge(gateway, SWITCH_ROLE_INTER_DC, err) || !network_edge(gateway, SWITCH_ROLE_PE, err)))
        status = err->code;
    if (status)
        return status;

    order->role = ROLE_SOURCE;
    order->bandwidth_mbps = mbps;
    name_copy(order->source_dc, gateway->config->dc);
    name_copy(order->target_dc, dc);
    order->vms = xcalloc(n, sizeof *order->vms);
    order->n_vms = (unsigned) n;
    for (size_t v = 0; v < n && status == 0; v++) {
        const char *name = json_string_value(json_array_get(vms, v));

        if (!name)
            return err_set(err, ERR_INVALID, "order.vms[%zu] is not a string", v);
        status = fill_vm(gateway, name, &order->vms[v], err);
    }
    if (status == 0)
        status = plan_check(order, err);
    if (status == 0)
        status = fill_users(gateway, order, err);
    return status == 0 ? fill_channel(gateway, order, err) : status;
}

static int migrate(void *arg, const json_t *command, json_t **out, struct err *err)
{
    struct gateway *gateway = gateway_entered(arg);
    struct order order = {0};
    uint8_t uuid[UUID_SIZE];
    int status = gateway_check_ready(gateway, err);

    if (status == 0)
        status = backend_read_order(gateway, command, &order, err);
    if (status == 0) {
        gateway->make_uuid(gateway->make_uuid_arg, uuid);
        uuid_format(uuid, order.id);

        struct migration *migration = migration_begin(gateway, &order, NULL, err);
        if (migration)
            *out = view_migration(migration);
        else
            status = err->code;
    }
    order_free(&order);
    return status;
}

static int migration_cancel(void *arg, const char *id, struct err *err)
{
    struct gateway *gateway = gateway_entered(arg);
    struct migration *migration = migration_find(gateway, id, ROLE_SOURCE);
    enum saga_event_type type = SAGA_CANCEL;

    if (!migration) {
        migration = migration_find(gateway, id, ROLE_TARGET);
        type = SAGA_ABORT;
    }
    if (!migration)
        return err_set(err, ERR_NOT_FOUND, "there is no open migration '%s' in data center %s", id,
                       gateway->config->dc);
    if (saga_ended(migration->saga))
        return err_set(err, ERR_CONFLICT, "migration %s has ended: %s", id, saga_state_name(migration->saga));
    if (!saga_open(migration->saga))
        return err_set(err, ERR_CONFLICT, "migration %s can only go forward: its VMs run at data center %s", id,
                       migration->saga->order.target_dc);
    if (type == SAGA_ABORT && migration->saga->sm.current >= SAGA_CONFIGURED)
        return err_set(err, ERR_CONFLICT,
                       "data center %s has begun, or may begin, to send the VMs; cancel migration %s there",
                       migration->saga->order.source_dc, id);
    migration_event(gateway, migration, (struct saga_event) {.type = type});
    return 0;
}

/* ---- peers ---- */

static void answer_status(struct gateway *gateway, const struct migration *migration, struct backend_reply *reply)
{
    unsigned state = migration->saga->sm.current;
    bool under_way = state < SAGA_CONFIGURED || state == SAGA_ROLLING_BACK;

    backend_reply_send(reply, under_way ? 202 : 200, view_peer_status(gateway, migration));
}

/* Answers when the migration has ended, which is soon, so that the source need not ask again. */
static void answer_at_end(struct gateway *gateway, struct migration *migration, struct backend_reply *reply)
{
    if (migration->end_reply)
        answer_status(gateway, migration, migration->end_reply);
    migration->end_reply = NULL;
    if (saga_ended(migration->saga))
        answer_status(gateway, migration, reply);
    else
        migration->end_reply = reply;
}

/* The target's migration with that id, also one that ended before a restart; null, and the peer has been answered: with
 * how it ended if it was pruned. */
static struct migration *peer_migration(struct gateway *gateway, const char *peer, const char *id,
                                        struct backend_reply *reply)
{
    struct migration *migration = migration_find(gateway, id, ROLE_TARGET);
    struct store_tombstone tombstone;
    struct err err = {0};

    if (gateway_check_ready(gateway, &err) < 0) {
        backend_refuse(reply, &err);
        return NULL;
    }
    if (!migration)
        migration = migration_recall(gateway, id, ROLE_TARGET);
    if (!migration && migration_is_buried(gateway, id, &tombstone) && !tombstone.called_off &&
        peer_is_dc(gateway, peer, tombstone.peer)) {
        backend_reply_send(reply, 200, view_tombstone(&tombstone));
        return NULL;
    }
    if (!migration)
        err_set(&err, ERR_NOT_FOUND, "there is no migration '%s' in data center %s", id, gateway->config->dc);
    else if (!peer_is_dc(gateway, peer, migration->saga->order.source_dc))
        err_set(&err, ERR_REFUSED, "certificate '%s' may not speak for data center %s", peer,
                migration->saga->order.source_dc);
    if (err.code) {
        backend_refuse(reply, &err);
        return NULL;
    }
    return migration;
}

int backend_check_order(struct gateway *gateway, const char *peer, const struct order *order, struct err *err)
{
    if (strcmp(order->target_dc, gateway->config->dc) != 0)
        return err_set(err, ERR_INVALID, "migration.target-dc is '%s', this is data center %s", order->target_dc,
                       gateway->config->dc);
    if (!peer_is_dc(gateway, peer, order->source_dc))
        return err_set(err, ERR_REFUSED, "certificate '%s' may not speak for data center %s", peer, order->source_dc);
    if (order->n_vms > gateway->config->limits.vms_per_order)
        return err_set(err, ERR_TOO_LARGE, "migration.vms has %u members; data center %s takes %u at once",
                       order->n_vms, gateway->config->dc, gateway->config->limits.vms_per_order);
    for (unsigned v = 0; v < order->n_vms; v++) {
        const struct migration *other = migration_of_vm(gateway, order->vms[v].uuid, NULL);

        if (other)
            return err_set(err, ERR_CONFLICT, "VM %s is in migration %s, which is %s", order->vms[v].name,
                           other->saga->order.id, saga_state_name(other->saga));
    }
    return plan_check(order, err);
}

static int check_configure(struct gateway *gateway, const char *peer, const char *id, const struct order *order,
                           struct err *err)
{
    if (strcmp(order->id, id) != 0)
        return err_set(err, ERR_INVALID, "migration.id is '%s', the request is for '%s'", order->id, id);
    return backend_check_order(gateway, peer, order, err);
}

static void peer_configure(void *arg, const char *peer, const char *id, const json_t *body, struct backend_reply *reply)
{
    struct gateway *gateway = gateway_entered(arg);
    struct migration *known = migration_find(gateway, id, ROLE_TARGET);
    struct store_tombstone tombstone;
    struct order order = {0};
    struct err err = {0};

    if (gateway_check_ready(gateway, &err) < 0) {
        backend_refuse(reply, &err);
        return;
    }
    if (!known)
        known = migration_recall(gateway, id, ROLE_TARGET);
    if (known) { /* the message again: where it stands is the answer */
        if (!peer_is_dc(gateway, peer, known->saga->order.source_dc))
            err_set(&err, ERR_REFUSED, "certificate '%s' may not speak for data center %s", peer,
                    known->saga->order.source_dc);
        else if (known->saga->reason.code)
            err = known->saga->reason;
        if (err.code)
            backend_refuse(reply, &err);
        else
            answer_status(gateway, known, reply);
        return;
    }
    if (migration_is_buried(gateway, id, &tombstone))
        err_set(&err, ERR_CANCELLED,
                tombstone.called_off ? "migration %s was called off before its message came" :
                                       "migration %s has ended; its message comes too late",
                id);
    if (err.code || peer_configure_decode(body, &order, &err) < 0 ||
        check_configure(gateway, peer, id, &order, &err) < 0 || !migration_begin(gateway, &order, reply, &err))
        backend_refuse(reply, &err);
    order_free(&order);
}

static void peer_activate(void *arg, const char *peer, const char *id, const json_t *body, struct backend_reply *reply)
{
    struct gateway *gateway = gateway_entered(arg);
    struct migration *migration = peer_migration(gateway, peer, id, reply);
    struct err err = {0};

    if (!migration)
        return;

    struct json_reader r = json_reader_init(body, "activate", &err);
    const char *name = json_get_string(&r, "vm");
    int vm = r.status ? -1 : order_find_vm(&migration->saga->order, name);

    if (!r.status && vm < 0)
        err_set(&err, ERR_NOT_FOUND, "migration %s has no VM '%s'", id, name);
    if (err.code) {
        backend_refuse(reply, &err);
        return;
    }
    /* The source's hypervisor has ended the transfer well. So the VM runs here, or did: a guest may shut down as soon
     * as it has arrived. Only one that is still coming in has to be waited for, and hypervisors that are away. */
    const struct vm *here = inventory_vm_by_uuid(&gateway->inventory, migration->saga->order.vms[vm].uuid);
    if (here ? here->state != VM_INCOMING : gateway_servers_up(gateway))
        migration_event(gateway, migration, (struct saga_event) {.type = SAGA_VM_HERE, .vm = vm});
    answer_status(gateway, migration, reply);
}

/* A peer's connections that are being put on a ToR. */
struct taking {
    struct backend_reply *reply;
    struct migration *migration;
};

static void drop_taking(struct join *join)
{
    struct taking *taking = join->context;

    backend_refuse_stopping(taking->reply);
    free(taking);
}

static void taken(struct gateway *gateway, struct join *join)
{
    AUTO_FREE struct taking *taking = join->context;

    if (join->err.code)
        backend_refuse(taking->reply, &join->err);
    else
        answer_status(gateway, taking->migration, taking->reply);
}

static void peer_connections(void *arg, const char *peer, const char *id, const json_t *body,
                             struct backend_reply *reply)
{
    struct gateway *gateway = gateway_entered(arg);
    struct migration *migration = peer_migration(gateway, peer, id, reply);
    struct peer_connections connections = {0};
    struct err err = {0};

    if (!migration)
        return;
    int vm = peer_connections_decode(body, &connections, &err) < 0 ?
                 -1 :
                 order_find_vm(&migration->saga->order, connections.vm);
    if (!err.code && vm < 0)
        err_set(&err, ERR_NOT_FOUND, "migration %s has no VM '%s'", id, connections.vm);
    if (err.code) {
        backend_refuse(reply, &err);
    } else {
        struct join *join = join_new(taken);
        struct taking *taking = xmalloc(sizeof *taking);

        *taking = (struct taking) {reply, migration};
        join->context = taking;
        join->drop = drop_taking;
        join->migration = migration;
        if (!saga_ended(migration->saga) && migration->saga->order.vms[vm].fate != FATE_STAYED)
            connections_install(gateway, migration->saga->order.vms[vm].uuid, &connections.list, join);
        join_close(gateway, join);
    }
    connection_list_free(&connections.list);
}

static int migration_bury_unknown(struct gateway *gateway, const char *id, const char *peer, struct err *err)
{
    return migration_recall(gateway, id, ROLE_TARGET) ? 0 : migration_bury(gateway, id, peer, err);
}

static void peer_abort(void *arg, const char *peer, const char *id, struct backend_reply *reply)
{
    struct gateway *gateway = gateway_entered(arg);
    struct err err = {0};
    uint8_t uuid[UUID_SIZE];

    if (gateway->ready && peer_is_known(gateway, peer) && !migration_find(gateway, id, ROLE_TARGET) &&
        uuid_parse(id, uuid) == 0 && migration_bury_unknown(gateway, id, peer, &err) < 0) {
        backend_refuse(reply, &err);
        return;
    }

    struct migration *migration = peer_migration(gateway, peer, id, reply);
    if (!migration)
        return;
    migration_event(gateway, migration, (struct saga_event) {.type = SAGA_ABORT});
    answer_at_end(gateway, migration, reply);
}

static void peer_commit(void *arg, const char *peer, const char *id, const json_t *body, struct backend_reply *reply)
{
    struct gateway *gateway = gateway_entered(arg);
    struct migration *migration = peer_migration(gateway, peer, id, reply);

    (void) body;
    if (!migration)
        return;
    migration_event(gateway, migration, (struct saga_event) {.type = SAGA_COMMIT});
    answer_at_end(gateway, migration, reply);
}

static void peer_status(void *arg, const char *peer, const char *id, struct backend_reply *reply)
{
    struct gateway *gateway = gateway_entered(arg);
    struct migration *migration = peer_migration(gateway, peer, id, reply);

    if (migration)
        answer_status(gateway, migration, reply);
}

struct backend gateway_backend(struct gateway *gateway)
{
    return (struct backend) {
        .gateway = gateway,
        .get = get,
        .journal = journal,
        .policy_put = backend_policy_put,
        .policy_delete = backend_policy_delete,
        .address_set_put = backend_address_set_put,
        .address_set_delete = backend_address_set_delete,
        .user_put = backend_user_put,
        .user_delete = backend_user_delete,
        .channel_create = backend_channel_create,
        .channel_delete = backend_channel_delete,
        .migrate = migrate,
        .plan = backend_plan,
        .verify = backend_verify,
        .migration_cancel = migration_cancel,
        .metrics = metrics,
        .peer_configure = peer_configure,
        .peer_activate = peer_activate,
        .peer_connections = peer_connections,
        .peer_abort = peer_abort,
        .peer_commit = peer_commit,
        .peer_status = peer_status,
        .peer_plan = backend_peer_plan,
    };
}
