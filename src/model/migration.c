/* SPDX-License-Identifier: Apache-2.0 */
#include "model/migration.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "model/json.h"

const struct step_info step_infos[STEP_KINDS] = {
#define STEP_INFO(name, text, role, stage, per_vm, nature) [STEP_##name] = {text, role, stage, per_vm, nature},
    STEP_TABLE(STEP_INFO)
#undef STEP_INFO
};

const char *step_state_name(enum step_state state)
{
    static const char *const names[STEP_STATES] = {"pending", "applying", "confirming", "done",
                                                   "failed",  "undoing",  "undone",     "skipped"};

    return names[state];
}

const char *vm_fate_name(enum vm_fate fate)
{
    static const char *const names[] = {"open", "crossed", "stayed"};

    return names[fate];
}

int vm_fate_parse(const char *name, enum vm_fate *fate)
{
    for (int f = FATE_OPEN; f <= FATE_STAYED; f++) {
        if (strcmp(vm_fate_name((enum vm_fate) f), name) == 0) {
            *fate = (enum vm_fate) f;
            return 0;
        }
    }
    return ERR_INVALID;
}

void order_free(struct order *order)
{
    for (unsigned v = 0; v < order->n_vms; v++)
        policy_free(&order->vms[v].policy);
    for (unsigned u = 0; u < order->n_users; u++)
        user_free(&order->users[u]);
    free(order->vms);
    free(order->users);
    *order = (struct order) {0};
}

struct order order_copy(const struct order *order)
{
    struct order copy = *order;

    copy.vms = xmemdup(order->vms, order->n_vms * sizeof *order->vms);
    for (unsigned v = 0; v < order->n_vms; v++)
        copy.vms[v].policy = policy_copy(&order->vms[v].policy);
    copy.users = order->n_users ? xcalloc(order->n_users, sizeof *copy.users) : NULL;
    for (unsigned u = 0; u < order->n_users; u++)
        copy.users[u] = user_copy(&order->users[u]);
    return copy;
}

int order_find_vm(const struct order *order, const char *name)
{
    for (unsigned v = 0; v < order->n_vms; v++) {
        if (strcmp(order->vms[v].name, name) == 0)
            return (int) v;
    }
    return -1;
}

/* ---- JSON ---- */

static json_t *nics_to_json(const struct migration_vm *vm)
{
    json_t *array = json_array();
    char mac[MAC_TEXT_SIZE], ip[IP_TEXT_SIZE];

    for (unsigned i = 0; i < vm->n_nics; i++) {
        json_t *nic = json_pack("{s:s, s:i}", "mac", mac_format(&vm->nics[i].mac, mac), "mtu", (int) vm->nics[i].mtu);

        if (vm->nics[i].ip.family != IP_NONE)
            json_object_set_new(nic, "address", json_string(ip_format(&vm->nics[i].ip, ip)));
        if (vm->nics[i].ip6.n)
            json_object_set_new(nic, "ipv6", ip6_list_to_json(&vm->nics[i].ip6));
        json_array_append_new(array, nic);
    }
    return array;
}

static json_t *vm_to_json(const struct migration_vm *vm)
{
    char uuid[UUID_TEXT_SIZE];

    uuid_format(vm->uuid, uuid);
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:b, s:s}", "name", vm->name, "uuid", uuid,
                             "segment", vm->segment, "server", vm->server, "source-address", vm->source_address,
                             "memory-kib", (json_int_t) vm->memory_kib, "generation", (json_int_t) vm->generation,
                             "interfaces", nics_to_json(vm), "policy-from-switch", vm->policy_from_switch, "fate",
                             vm_fate_name(vm->fate));

    if (vm->has_policy)
        json_object_set_new(json, "policy", policy_to_json(&vm->policy));
    if (vm->error.code)
        json_object_set_new(json, "error", json_pack("{s:i, s:s}", "code", vm->error.code, "text", vm->error.text));
    return json;
}

json_t *order_to_json(const struct order *order)
{
    json_t *vms = json_array(), *users = json_array();

    for (unsigned v = 0; v < order->n_vms; v++)
        json_array_append_new(vms, vm_to_json(&order->vms[v]));
    for (unsigned u = 0; u < order->n_users; u++)
        json_array_append_new(users, user_to_json(&order->users[u]));
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:I, s:s, s:s, s:o, s:o}", "id", order->id, "role",
                     order->role == ROLE_SOURCE ? "source" : "target", "source-dc", order->source_dc, "target-dc",
                     order->target_dc, "target-server", order->target_server, "channel", order->channel,
                     "channel-source-vlan", order->channel_vlan[ROLE_SOURCE], "channel-target-vlan",
                     order->channel_vlan[ROLE_TARGET], "bandwidth-mbps", (json_int_t) order->bandwidth_mbps,
                     "target-uri", order->target_uri, "target-address", order->target_address, "vms", vms, "users",
                     users);
}

/* Copies a string member into a field of 'size' bytes. */
static void read_text(struct json_reader *r, const char *name, char *to, size_t size, const char *fallback)
{
    const char *text = fallback ? json_opt_string(r, name, fallback) : json_get_string(r, name);

    if (r->status)
        return;
    if (strlen(text) >= size)
        json_fail(r, name, "is longer than %zu bytes", size - 1);
    else
        memcpy(to, text, strlen(text) + 1);
}

static void read_nics(struct json_reader *r, struct migration_vm *vm)
{
    const json_t *array = json_get_array(r, "interfaces");
    size_t n = json_array_size(array);

    if (n > VM_NICS_MAX) {
        json_fail(r, "interfaces", "has %zu members, at most %d are supported", n, VM_NICS_MAX);
        return;
    }
    for (size_t i = 0; i < n && !r->status; i++) {
        char path[256];

        snprintf(path, sizeof path, "%s.interfaces[%zu]", r->path, i);
        struct json_reader nic = json_reader_init(json_array_get(array, i), path, r->err);
        const char *mac = json_get_string(&nic, "mac"), *ip = json_opt_string(&nic, "address", "");

        vm->nics[i].mtu = (uint32_t) json_opt_int(&nic, "mtu", MTU_MIN, MTU_MAX, MTU_ETHERNET);
        if (!nic.status && mac_parse(mac, &vm->nics[i].mac) < 0)
            json_fail(&nic, "mac", "'%s' is not a MAC address", mac);
        if (!nic.status && *ip && ip_parse(ip, &vm->nics[i].ip) < 0)
            json_fail(&nic, "address", "'%s' is not an IP address", ip);
        json_opt_ip6_list(&nic, "ipv6", &vm->nics[i].ip6);
        r->status = nic.status;
        vm->n_nics = (unsigned) i + 1;
    }
}

static void read_vm(struct json_reader *r, struct migration_vm *vm)
{
    read_text(r, "name", vm->name, sizeof vm->name, NULL);
    const char *uuid = json_get_string(r, "uuid");
    if (!r->status && uuid_parse(uuid, vm->uuid) < 0)
        json_fail(r, "uuid", "'%s' is not a UUID", uuid);
    read_text(r, "segment", vm->segment, sizeof vm->segment, NULL);
    read_text(r, "server", vm->server, sizeof vm->server, "");
    read_text(r, "source-address", vm->source_address, sizeof vm->source_address, NULL);
    vm->memory_kib = (uint64_t) json_get_int(r, "memory-kib", 1, INT64_C(1) << 40);
    vm->generation = (uint64_t) json_get_int(r, "generation", 0, INT64_MAX);
    read_nics(r, vm);
    vm->policy_from_switch = json_opt_bool(r, "policy-from-switch", false);

    const char *fate = json_opt_string(r, "fate", "open");
    if (!r->status && vm_fate_parse(fate, &vm->fate) < 0)
        json_fail(r, "fate", "'%s' is not a fate", fate);
    const json_t *error = json_opt_object(r, "error");
    if (error && !r->status) {
        struct json_reader e = json_reader_init(error, r->path, r->err);
        const char *text = json_get_string(&e, "text");

        vm->error.code = (int) json_get_int(&e, "code", -1000, -1);
        snprintf(vm->error.text, sizeof vm->error.text, "%s", text ? text : "");
        r->status = e.status;
    }
    const json_t *policy = json_opt_object(r, "policy");
    if (policy && !r->status) {
        r->status = policy_from_json(policy, &vm->policy, r->err);
        if (r->status)
            err_prefix(r->err, "%s.policy", r->path);
        else
            vm->has_policy = true;
    }
}

/* It is of the segment of each of its VMs, all of which are in the order; and no other user has its name. */
static void check_user(struct json_reader *r, const struct order *order, unsigned u)
{
    const struct user *user = &order->users[u];

    if (user->n_vms == 0)
        json_fail(r, "vms", "names no VM of the order");
    for (unsigned v = 0; v < user->n_vms && !r->status; v++) {
        int vm = order_find_vm(order, user->vms[v]);

        if (vm < 0)
            json_fail(r, "vms", "VM %s is not in the order", user->vms[v]);
        else if (strcmp(order->vms[vm].segment, user->segment) != 0)
            json_fail(r, "segment", "'%s' is not the segment of its VM %s, %s", user->segment, user->vms[v],
                      order->vms[vm].segment);
    }
    for (unsigned other = 0; other < u && !r->status; other++) {
        if (strcmp(order->users[other].name, user->name) == 0)
            json_fail(r, "name", "'%s' is the name of users[%u] already", user->name, other);
    }
}

static void read_users(struct json_reader *r, struct order *order)
{
    const json_t *array = json_opt_array(r, "users");
    size_t n = json_array_size(array);

    if (!r->status && n > MIGRATION_USERS_MAX)
        json_fail(r, "users", "has %zu members, at most %d are allowed", n, MIGRATION_USERS_MAX);
    if (r->status || n == 0)
        return;
    order->users = xcalloc(n, sizeof *order->users);
    order->n_users = (unsigned) n;
    for (size_t u = 0; u < n && !r->status; u++) {
        char path[64];

        snprintf(path, sizeof path, "migration.users[%zu]", u);
        struct json_reader one = json_reader_init(json_array_get(array, u), path, r->err);
        one.status = user_from_json(json_array_get(array, u), path, true, &order->users[u], r->err);
        if (!one.status)
            check_user(&one, order, (unsigned) u);
        r->status = one.status;
    }
}

int order_from_json(const json_t *json, struct order *order, struct err *err)
{
    struct order read = {0};
    struct json_reader r = json_reader_init(json, "migration", err);

    read_text(&r, "id", read.id, sizeof read.id, NULL);
    uint8_t uuid[UUID_SIZE];
    if (!r.status && uuid_parse(read.id, uuid) < 0)
        json_fail(&r, "id", "'%s' is not a UUID", read.id);
    const char *role = json_opt_string(&r, "role", "target");
    read.role = !r.status && strcmp(role, "source") == 0 ? ROLE_SOURCE : ROLE_TARGET;
    read_text(&r, "source-dc", read.source_dc, sizeof read.source_dc, NULL);
    read_text(&r, "target-dc", read.target_dc, sizeof read.target_dc, NULL);
    read_text(&r, "target-server", read.target_server, sizeof read.target_server, NULL);
    read_text(&r, "channel", read.channel, sizeof read.channel, NULL);
    read.channel_vlan[ROLE_SOURCE] = (uint16_t) json_opt_int(&r, "channel-source-vlan", 0, 4094, 0);
    read.channel_vlan[ROLE_TARGET] = (uint16_t) json_opt_int(&r, "channel-target-vlan", 0, 4094, 0);
    read.bandwidth_mbps = (uint32_t) json_opt_int(&r, "bandwidth-mbps", 0, UINT32_MAX, 0);
    read_text(&r, "target-uri", read.target_uri, sizeof read.target_uri, "");
    read_text(&r, "target-address", read.target_address, sizeof read.target_address, "");

    const json_t *vms = json_get_array(&r, "vms");
    size_t n = json_array_size(vms);
    if (!r.status && (n == 0 || n > MIGRATION_VMS_MAX))
        json_fail(&r, "vms", "has %zu members, expected 1 to %d", n, MIGRATION_VMS_MAX);
    if (!r.status) {
        read.vms = xcalloc(n, sizeof *read.vms);
        read.n_vms = (unsigned) n;
    }
    for (size_t v = 0; v < read.n_vms && !r.status; v++) {
        char path[64];

        snprintf(path, sizeof path, "migration.vms[%zu]", v);
        struct json_reader vm = json_reader_init(json_array_get(vms, v), path, err);
        read_vm(&vm, &read.vms[v]);
        r.status = vm.status;
    }
    read_users(&r, &read);
    if (r.status) {
        order_free(&read);
        return r.status;
    }
    *order = read;
    return 0;
}

/* ---- plans ---- */

json_t *planned_steps_to_json(const struct planned_step *steps, size_t n)
{
    json_t *array = json_array();

    for (size_t i = 0; i < n; i++) {
        json_t *json = json_pack("{s:i, s:s}", "stage", (int) steps[i].stage, "step", steps[i].step);

        if (*steps[i].vm)
            json_object_set_new(json, "vm", json_string(steps[i].vm));
        json_object_set_new(json, "undo", json_string(steps[i].undo));
        if (*steps[i].channel)
            json_object_set_new(json, "channel", json_string(steps[i].channel));
        json_array_append_new(array, json);
    }
    return array;
}

int planned_steps_from_json(const json_t *json, const char *path, struct planned_step **steps, size_t *n,
                            struct err *err)
{
    size_t size = json_array_size(json);

    if (size > PLANNED_STEPS_MAX)
        return err_set(err, ERR_INVALID, "%s: has %zu members, at most %d are allowed", path, size, PLANNED_STEPS_MAX);

    AUTO_FREE struct planned_step *read = xcalloc(size + 1, sizeof *read);
    for (size_t i = 0; i < size; i++) {
        char member[256];

        snprintf(member, sizeof member, "%s[%zu]", path, i);
        struct json_reader r = json_reader_init(json_array_get(json, i), member, err);
        read[i].stage = (unsigned) json_get_int(&r, "stage", 0, INT32_MAX);
        read_text(&r, "step", read[i].step, sizeof read[i].step, NULL);
        read_text(&r, "vm", read[i].vm, sizeof read[i].vm, "");
        read_text(&r, "undo", read[i].undo, sizeof read[i].undo, NULL);
        read_text(&r, "channel", read[i].channel, sizeof read[i].channel, "");
        if (r.status)
            return r.status;
    }
    *steps = read;
    *n = size;
    read = NULL;
    return 0;
}
