/* SPDX-License-Identifier: Apache-2.0 */
#include "dummy_backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "model/problem.h"

static void record(struct dummy_backend *dummy, const char *what, const char *name, const json_t *json)
{
    AUTO_FREE char *text = json ? json_dumps(json, JSON_COMPACT) : xstrdup("-");

    strbuf_printf(&dummy->log, "%s %s %s\n", what, name, text);
}

static json_t *find(const struct dummy_backend *dummy, const char *collection, const char *name, size_t *ret_index)
{
    const char *key = strcmp(collection, "migrations") == 0 ? "id" :
                      strcmp(collection, "policies") == 0   ? "policy" :
                                                              "name";
    json_t *array = json_object_get(dummy->facts, collection);

    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *value = json_string_value(json_object_get(json_array_get(array, i), key));

        if (value && strcmp(value, name) == 0) {
            *ret_index = i;
            return json_array_get(array, i);
        }
    }
    return NULL;
}

static int get(void *arg, const char *collection, const char *name, json_t **out, struct err *err)
{
    struct dummy_backend *dummy = arg;
    json_t *all = json_object_get(dummy->facts, collection);
    size_t index;

    assert_non_null(all);
    if (strcmp(collection, "health") == 0 || strcmp(collection, "transport") == 0)
        *out = json_incref(all);
    else if (!name)
        *out = json_pack("{s:O}", collection, all);
    else {
        json_t *one = find(dummy, collection, name, &index);

        if (!one)
            return err_set(err, ERR_NOT_FOUND, "%s: there is no '%s' in data center A", collection, name);
        *out = json_incref(one);
    }
    return 0;
}

static int journal(void *arg, const char *id, json_t **out, struct err *err)
{
    struct dummy_backend *dummy = arg;
    json_t *entries = json_object_get(json_object_get(dummy->facts, "journal"), id);

    if (!entries)
        return err_set(err, ERR_NOT_FOUND, "there is no migration '%s' in data center A", id);
    *out = json_pack("{s:O}", "journal", entries);
    return 0;
}

/* Adds the member, or sets it anew. */
static void set(struct dummy_backend *dummy, const char *collection, const char *name, json_t *member)
{
    json_t *array = json_object_get(dummy->facts, collection);
    size_t index;

    if (find(dummy, collection, name, &index))
        json_array_set_new(array, index, member);
    else
        json_array_append_new(array, member);
}

static int policy_put(void *arg, const char *vm, const json_t *policy, struct err *err)
{
    struct dummy_backend *dummy = arg;
    size_t index;

    if (json_object_get(policy, "bad"))
        return err_set(err, ERR_INVALID, "policy.bad: unknown member");
    if (!find(dummy, "vms", vm, &index))
        return err_set(err, ERR_NOT_FOUND, "there is no VM '%s' in data center A", vm);
    record(dummy, "policy_put", vm, policy);
    json_t *copy = json_deep_copy(policy);
    json_object_set_new(copy, "policy", json_string(vm));
    set(dummy, "policies", vm, copy);
    return 0;
}

static int policy_delete(void *arg, const char *vm, struct err *err)
{
    struct dummy_backend *dummy = arg;
    size_t index;

    if (!find(dummy, "policies", vm, &index))
        return err_set(err, ERR_NOT_FOUND, "there is no policy of '%s' in data center A", vm);
    record(dummy, "policy_delete", vm, NULL);
    json_array_remove(json_object_get(dummy->facts, "policies"), index);
    return 0;
}

static int address_set_put(void *arg, const char *name, const json_t *set_json, struct err *err)
{
    struct dummy_backend *dummy = arg;

    if (json_object_get(set_json, "bad"))
        return err_set(err, ERR_INVALID, "set.bad: unknown member");
    record(dummy, "address_set_put", name, set_json);
    set(dummy, "address-sets", name, json_deep_copy(set_json));
    return 0;
}

static int address_set_delete(void *arg, const char *name, struct err *err)
{
    struct dummy_backend *dummy = arg;
    size_t index;

    if (!find(dummy, "address-sets", name, &index))
        return err_set(err, ERR_NOT_FOUND, "there is no address set '%s' in data center A", name);
    record(dummy, "address_set_delete", name, NULL);
    json_array_remove(json_object_get(dummy->facts, "address-sets"), index);
    return 0;
}

static int user_put(void *arg, const char *name, const json_t *user, struct err *err)
{
    struct dummy_backend *dummy = arg;

    if (json_object_get(user, "bad"))
        return err_set(err, ERR_INVALID, "user.bad: unknown member");
    record(dummy, "user_put", name, user);
    json_t *copy = json_deep_copy(user);
    json_object_set_new(copy, "connected", json_false());
    set(dummy, "users", name, copy);
    return 0;
}

static int user_delete(void *arg, const char *name, struct err *err)
{
    struct dummy_backend *dummy = arg;
    size_t index;

    if (!find(dummy, "users", name, &index))
        return err_set(err, ERR_NOT_FOUND, "there is no user '%s' in data center A", name);
    record(dummy, "user_delete", name, NULL);
    json_array_remove(json_object_get(dummy->facts, "users"), index);
    return 0;
}

static int channel_create(void *arg, const json_t *channel, json_t **out, struct err *err)
{
    struct dummy_backend *dummy = arg;
    const char *peer = json_string_value(json_object_get(channel, "peer"));
    size_t index;

    if (!peer)
        return err_set(err, ERR_INVALID, "channel.peer: missing");
    if (strcmp(peer, "full") == 0)
        return err_set(err, ERR_EXHAUSTED, "no path has 5000 Mbit/s free; the widest has 100");
    record(dummy, "channel_create", peer, channel);
    *out = json_incref(find(dummy, "channels", "A:channel:B:2", &index));
    return 0;
}

static int channel_delete(void *arg, const char *name, struct err *err)
{
    struct dummy_backend *dummy = arg;
    size_t index;
    const json_t *channel = find(dummy, "channels", name, &index);

    if (!channel)
        return err_set(err, ERR_NOT_FOUND, "there is no channel '%s' in data center A", name);
    if (json_object_get(channel, "user"))
        return err_set(err, ERR_CONFLICT, "circuit %s belongs to user %s; delete the user", name,
                       json_string_value(json_object_get(channel, "user")));
    record(dummy, "channel_delete", name, NULL);
    json_array_remove(json_object_get(dummy->facts, "channels"), index);
    return 0;
}

/* Writes the order down, or refuses it. */
static int take_order(struct dummy_backend *dummy, const char *what, const json_t *command, struct err *err)
{
    const char *dc = json_string_value(json_object_get(json_object_get(command, "to"), "dc"));

    if (!dc)
        return err_set(err, ERR_INVALID, "order.to: missing");
    if (strcmp(dc, "full") == 0)
        return err_set(err, ERR_EXHAUSTED, "8 migrations are open, as many as limits.migrations allows");
    record(dummy, what, dc, command);
    return 0;
}

static int migrate(void *arg, const json_t *command, json_t **out, struct err *err)
{
    struct dummy_backend *dummy = arg;
    int status = take_order(dummy, "migrate", command, err);

    if (status == 0)
        *out = json_incref(dummy_backend_migration(dummy, '1'));
    return status;
}

static void plan(void *arg, const json_t *command, struct backend_reply *reply)
{
    struct dummy_backend *dummy = arg;
    struct err err = {0};

    if (take_order(dummy, "plan", command, &err) < 0)
        backend_reply_send(reply, problem_http_status(err.code), problem_encode(&err));
    else if (dummy->hold)
        dummy->replies[dummy->n_replies++] = reply;
    else
        backend_reply_send(reply, 200, json_incref(json_object_get(dummy->facts, "plan")));
    if (dummy->asked)
        dummy->asked(dummy->asked_arg);
}

static void verify(void *arg, const char *vm, struct backend_reply *reply)
{
    struct dummy_backend *dummy = arg;
    bool differs = vm && strcmp(vm, "V2") == 0;
    json_t *finding = json_pack("{s:s, s:s, s:s, s:s}", "kind", "missing", "switch", "tor-b", "text",
                                "tor-b does not hold table=0", "vm", vm ? vm : "-");

    strbuf_printf(&dummy->log, "verify %s\n", vm ? vm : "-");
    backend_reply_send(reply, 200,
                       json_pack("{s:b, s:i, s:[{s:s, s:i, s:i, s:b}], s:o}", "verified", !differs, "count", differs,
                                 "switches", "name", "tor-b", "vms", 1, "flows", 31, "settled", 1, "findings",
                                 differs ? json_pack("[O]", finding) : json_array()));
    json_decref(finding);
}

static int migration_cancel(void *arg, const char *id, struct err *err)
{
    struct dummy_backend *dummy = arg;
    size_t index;
    json_t *migration = find(dummy, "migrations", id, &index);

    if (!migration)
        return err_set(err, ERR_NOT_FOUND, "there is no open migration '%s' in data center A", id);
    if (json_is_true(json_object_get(migration, "ended")))
        return err_set(err, ERR_CONFLICT, "migration %s has ended: %s", id,
                       json_string_value(json_object_get(migration, "state")));
    record(dummy, "cancel", id, NULL);
    return 0;
}

static char *metrics(void *arg)
{
    (void) arg;
    return xstrdup("# TYPE scg_vms gauge\nscg_vms 3\n");
}

/* ---- peers ---- */

static void asked(struct dummy_backend *dummy, const char *verb, const char *peer, const char *id, const json_t *body,
                  struct backend_reply *reply)
{
    AUTO_FREE char *name = xasprintf("%s %s", peer, id);

    record(dummy, verb, name, body);
    if (dummy->hold)
        dummy->replies[dummy->n_replies++] = reply;
    else
        backend_reply_send(reply, 200, json_pack("{s:s}", "verb", verb));
    if (dummy->asked)
        dummy->asked(dummy->asked_arg);
}

static void configure(void *arg, const char *peer, const char *id, const json_t *body, struct backend_reply *reply)
{
    asked(arg, "configure", peer, id, body, reply);
}

static void activate(void *arg, const char *peer, const char *id, const json_t *body, struct backend_reply *reply)
{
    asked(arg, "activate", peer, id, body, reply);
}

static void take_connections(void *arg, const char *peer, const char *id, const json_t *body,
                             struct backend_reply *reply)
{
    asked(arg, "connections", peer, id, body, reply);
}

static void abort_migration(void *arg, const char *peer, const char *id, struct backend_reply *reply)
{
    asked(arg, "abort", peer, id, NULL, reply);
}

static void commit(void *arg, const char *peer, const char *id, const json_t *body, struct backend_reply *reply)
{
    asked(arg, "commit", peer, id, body, reply);
}

static void peer_plan(void *arg, const char *peer, const char *id, const json_t *body, struct backend_reply *reply)
{
    asked(arg, "plan", peer, *id ? id : "-", body, reply);
}

static void status(void *arg, const char *peer, const char *id, struct backend_reply *reply)
{
    asked(arg, "status", peer, id, NULL, reply);
}

void dummy_backend_init(struct dummy_backend *dummy, const char *path)
{
    json_error_t error;

    *dummy = (struct dummy_backend) {
        .backend =
            {
                .gateway = dummy,
                .get = get,
                .journal = journal,
                .policy_put = policy_put,
                .policy_delete = policy_delete,
                .address_set_put = address_set_put,
                .address_set_delete = address_set_delete,
                .user_put = user_put,
                .user_delete = user_delete,
                .channel_create = channel_create,
                .channel_delete = channel_delete,
                .migrate = migrate,
                .plan = plan,
                .verify = verify,
                .migration_cancel = migration_cancel,
                .metrics = metrics,
                .peer_configure = configure,
                .peer_activate = activate,
                .peer_connections = take_connections,
                .peer_abort = abort_migration,
                .peer_commit = commit,
                .peer_status = status,
                .peer_plan = peer_plan,
            },
        .facts = json_load_file(path, 0, &error),
    };
    if (!dummy->facts)
        fail_msg("%s:%d: %s", path, error.line, error.text);
}

void dummy_backend_free(struct dummy_backend *dummy)
{
    json_decref(dummy->facts);
    strbuf_free(&dummy->log);
}

json_t *dummy_backend_migration(const struct dummy_backend *dummy, char ending)
{
    json_t *migrations = json_object_get(dummy->facts, "migrations");

    for (size_t i = 0; i < json_array_size(migrations); i++) {
        const char *id = json_string_value(json_object_get(json_array_get(migrations, i), "id"));

        if (id[strlen(id) - 1] == ending)
            return json_array_get(migrations, i);
    }
    fail_msg("no migration ends with %c", ending);
    return NULL;
}
