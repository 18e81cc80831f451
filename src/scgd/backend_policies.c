/* SPDX-License-Identifier: Apache-2.0 */
/* Of north/backend.h: VMs' policies, and the address sets that they share. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "scgd/bookings.h"

#define KIND_ADDRESS_SET "address-set" /* of documents in the store */

static void reinstall(struct gateway *gateway, const char *vm, const struct policy *policy)
{
    struct vm *known = inventory_vm(&gateway->inventory, vm);
    struct tenant *tenant = known ? network_tenant(gateway, known->uuid) : NULL;

    if (!tenant)
        return;

    struct tenant like = *tenant;
    struct join *join = network_background_join();

    like.has_policy = policy != NULL;
    like.policy = policy ? policy_copy(policy) : (struct policy) {0};
    network_set_tenant(gateway, &like);
    policy_free(&like.policy);
    network_install(gateway, known->uuid, join);
    join_close(gateway, join);
}

/* A VM on its way has its policy with it; changing it here now would be lost or come too late. */
static int check_settled(struct gateway *gateway, const char *vm, struct err *err)
{
    struct vm *known = inventory_vm(&gateway->inventory, vm);
    struct migration *migration = known ? migration_of_vm(gateway, known->uuid, NULL) : NULL;

    if (migration)
        return err_set(err, ERR_CONFLICT, "VM %s is in migration %s; change its policy when that has ended", vm,
                       migration->saga->order.id);
    return 0;
}

/* The VM's port can keep what the policy promises. */
static int check_bookings(const struct gateway *gateway, const char *name, const struct policy *policy, struct err *err)
{
    const struct vm *vm = inventory_vm(&gateway->inventory, name);
    const struct booking booking = {vm->uuid, vm->name, policy};

    return bookings_check(gateway, vm->server, &booking, 1, err);
}

int backend_policy_put(void *arg, const char *vm, const json_t *json, struct err *err)
{
    struct gateway *gateway = gateway_entered(arg);
    struct policy_book book = address_set_book(gateway);
    struct policy policy = {0};
    int status = check_settled(gateway, vm, err);

    if (status == 0)
        status = policy_from_json_with(json, &book, &policy, err);
    if (status)
        return status;
    if (!inventory_vm(&gateway->inventory, vm))
        status = err_set(err, ERR_NOT_FOUND, "there is no VM '%s' in data center %s", vm, gateway->config->dc);
    else if (*policy.name && strcmp(policy.name, vm) != 0)
        status = err_set(err, ERR_INVALID, "the policy is for '%s', not for '%s'", policy.name, vm);
    if (status == 0)
        status = flow_limits_check_policy(gateway, inventory_vm(&gateway->inventory, vm)->uuid, &policy, err);
    if (status == 0)
        status = check_bookings(gateway, vm, &policy, err);
    if (status == 0) {
        snprintf(policy.name, sizeof policy.name, "%s", vm);

        json_t *normal = policy_to_json_without(&policy);
        AUTO_FREE char *text = json_dumps(normal, JSON_COMPACT);

        json_decref(normal);
        status = store_policy_put(gateway->store, vm, text, err);
    }
    if (status == 0)
        reinstall(gateway, vm, &policy);
    policy_free(&policy);
    return status;
}

int backend_policy_delete(void *arg, const char *vm, struct err *err)
{
    struct gateway *gateway = gateway_entered(arg);
    AUTO_FREE char *text = NULL;
    int status = check_settled(gateway, vm, err);

    if (status == 0)
        status = store_policy_get(gateway->store, vm, &text, err);
    if (status == ERR_NOT_FOUND)
        return err_set(err, ERR_NOT_FOUND, "there is no policy of '%s' in data center %s", vm, gateway->config->dc);
    if (status == 0)
        status = store_policy_delete(gateway->store, vm, err);
    if (status == 0)
        reinstall(gateway, vm, NULL);
    return status;
}

/* ---- address sets ---- */

/* VMs whose stored policies use a set. */
struct users_of_set {
    const char *name;
    json_t *vms;
};

static bool add_user_of_set(void *arg, const char *vm, const char *text)
{
    struct users_of_set *users = arg;
    json_t *policy = json_loads(text, 0, NULL);

    if (policy_json_uses_set(policy, users->name))
        json_array_append_new(users->vms, json_string(vm));
    json_decref(policy);
    return true;
}

static json_t *address_set_users(const struct gateway *gateway, const char *name)
{
    struct users_of_set users = {name, json_array()};

    store_policy_each(gateway->store, add_user_of_set, &users, NULL);
    return users.vms;
}

struct wanted_set {
    const char *name;
    struct address_set *set;
};

static bool find_set(void *arg, const char *name, const char *text)
{
    struct wanted_set *wanted = arg;

    if (strcmp(name, wanted->name) != 0)
        return true;
    json_t *json = json_loads(text, 0, NULL);
    wanted->set = address_set_from_document(json, NULL);
    json_decref(json);
    return false;
}

static struct address_set *book_find(void *arg, const char *name)
{
    const struct gateway *gateway = arg;
    struct wanted_set wanted = {.name = name};

    store_document_each(gateway->store, KIND_ADDRESS_SET, find_set, &wanted, NULL);
    return wanted.set;
}

struct policy_book address_set_book(const struct gateway *gateway)
{
    return (struct policy_book) {book_find, (void *) gateway};
}

/* Gives the VMs that use the set their policies again. */
static void reinstall_users(struct gateway *gateway, const json_t *vms)
{
    size_t i;
    json_t *vm;

    json_array_foreach(vms, i, vm) {
        struct policy policy = {0};
        struct err err = {0};

        if (network_stored_policy(gateway, json_string_value(vm), &policy, &err) == 0)
            reinstall(gateway, json_string_value(vm), &policy);
        else
            log_error(FAULT_OURS, json_string_value(vm), "%s", err.text);
        policy_free(&policy);
    }
}

static int check_users_settled(struct gateway *gateway, const char *name, const json_t *vms, struct err *err)
{
    size_t i;
    json_t *vm;

    json_array_foreach(vms, i, vm) {
        if (check_settled(gateway, json_string_value(vm), err) < 0) {
            err_prefix(err, "address set %s", name);
            return ERR_CONFLICT;
        }
    }
    return 0;
}

/* The gateway's sets, one of them as it is to be. */
struct trial {
    struct gateway *gateway;
    struct address_set *set;
};

static struct address_set *find_trial(void *arg, const char *name)
{
    struct trial *trial = arg;

    return strcmp(name, trial->set->name) == 0 ? address_set_ref(trial->set) : book_find(trial->gateway, name);
}

/* The VM's policy with the set is still one, and its ToR has room for it. */
static int try_user(struct trial *trial, const char *vm, struct err *err)
{
    const struct vm *known = inventory_vm(&trial->gateway->inventory, vm);
    struct policy_book book = {find_trial, trial};
    struct policy policy = {0};
    AUTO_FREE char *text = NULL;
    int status = store_policy_get(trial->gateway->store, vm, &text, err);

    if (status < 0)
        return status;
    json_t *json = json_loads(text, 0, NULL);
    status = policy_from_json_with(json, &book, &policy, err);
    json_decref(json);
    if (status == 0 && known)
        status = flow_limits_check_policy(trial->gateway, known->uuid, &policy, err);
    policy_free(&policy);
    return status;
}

static int check_users(struct gateway *gateway, struct address_set *set, const json_t *vms, struct err *err)
{
    struct trial trial = {gateway, set};
    size_t i;
    json_t *vm;

    json_array_foreach(vms, i, vm) {
        if (try_user(&trial, json_string_value(vm), err) < 0)
            return err_prefix(err, "address set %s: VM %s", set->name, json_string_value(vm));
    }
    return 0;
}

int backend_address_set_put(void *arg, const char *name, const json_t *json, struct err *err)
{
    struct gateway *gateway = gateway_entered(arg);
    struct address_set *set = address_set_from_document(json, err);
    json_t *vms = address_set_users(gateway, name);
    int status = set ? check_users_settled(gateway, name, vms, err) : ERR_INVALID;

    if (status == 0 && strcmp(set->name, name) != 0)
        status = err_set(err, ERR_INVALID, "set.name is '%s', the request is for '%s'", set->name, name);
    if (status == 0)
        status = check_users(gateway, set, vms, err);
    if (status == 0)
        status = gateway_keep(gateway, KIND_ADDRESS_SET, name, address_set_to_document(set), err);
    if (status == 0)
        reinstall_users(gateway, vms);
    address_set_unref(set);
    json_decref(vms);
    return status;
}

/* "V1, V2"; caller frees. */
static char *list_of(const json_t *names)
{
    struct strbuf text = {0};
    size_t i;
    json_t *name;

    json_array_foreach(names, i, name) {
        strbuf_printf(&text, "%s%s", i ? ", " : "", json_string_value(name));
    }
    return strbuf_take(&text);
}

int backend_address_set_delete(void *arg, const char *name, struct err *err)
{
    struct gateway *gateway = gateway_entered(arg);
    struct address_set *set = book_find(gateway, name);
    json_t *vms = address_set_users(gateway, name);
    int status = 0;

    if (!set)
        status = err_set(err, ERR_NOT_FOUND, "there is no address set '%s' in data center %s", name,
                         gateway->config->dc);
    if (json_array_size(vms)) {
        AUTO_FREE char *users = list_of(vms);

        status = err_set(err, ERR_CONFLICT, "address set %s is used by the policies of %s; change them first", name,
                         users);
    }
    if (status == 0)
        status = store_document_delete(gateway->store, KIND_ADDRESS_SET, name, err);
    address_set_unref(set);
    json_decref(vms);
    return status;
}

struct listing {
    const struct gateway *gateway;
    json_t *array;
};

static bool add_set(void *arg, const char *name, const char *text)
{
    struct listing *listing = arg;
    json_t *set = json_loads(text, 0, NULL);

    json_object_set_new(set, "policies", address_set_users(listing->gateway, name));
    json_array_append_new(listing->array, set);
    return true;
}

void view_address_sets(const struct gateway *gateway, json_t *array)
{
    struct listing listing = {gateway, array};

    store_document_each(gateway->store, KIND_ADDRESS_SET, add_set, &listing, NULL);
}
