/* SPDX-License-Identifier: Apache-2.0 */
#include "model/user.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "model/json.h"

int user_find_vm(const struct user *user, const char *vm)
{
    for (unsigned i = 0; i < user->n_vms; i++) {
        if (strcmp(user->vms[i], vm) == 0)
            return (int) i;
    }
    return -1;
}

void user_add_vm(struct user *user, const char *vm)
{
    if (user_find_vm(user, vm) >= 0)
        return;
    user->vms = xrealloc(user->vms, user->n_vms + 1, sizeof *user->vms);
    snprintf(user->vms[user->n_vms++], NAME_SIZE, "%s", vm);
}

void user_remove_vm(struct user *user, const char *vm)
{
    int i = user_find_vm(user, vm);

    if (i >= 0)
        memmove(user->vms[i], user->vms[i + 1], (--user->n_vms - (unsigned) i) * sizeof *user->vms);
}

struct user user_copy(const struct user *user)
{
    struct user copy = *user;

    copy.vms = user->n_vms ? xmemdup(user->vms, user->n_vms * sizeof *user->vms) : NULL;
    return copy;
}

void user_free(struct user *user)
{
    free(user->vms);
    *user = (struct user) {0};
}

json_t *user_to_json(const struct user *user)
{
    json_t *addresses = json_array(), *vms = json_array(), *access;
    char text[IP_TEXT_SIZE];

    for (unsigned i = 0; i < user->n_addresses; i++)
        json_array_append_new(addresses, json_string(ip_format(&user->addresses[i], text)));
    for (unsigned i = 0; i < user->n_vms; i++)
        json_array_append_new(vms, json_string(user->vms[i]));
    access = json_pack("{s:s, s:I}", "router", ipv4_format(user->access_router, text), "client",
                       (json_int_t) user->access.interface);
    if (user->access.vlan != CLIENT_VLAN_NONE)
        json_object_set_new(access, "vlan", json_integer(user->access.vlan));
    return json_pack("{s:s, s:s, s:o, s:I, s:o, s:o}", "name", user->name, "segment", user->segment, "access", access,
                     "bandwidth-mbps", (json_int_t) user->bandwidth_mbps, "addresses", addresses, "vms", vms);
}

static void read_name(struct json_reader *r, const char *member, char *to, size_t size)
{
    const char *text = json_get_string(r, member);

    if (r->status)
        return;
    if (!*text || strlen(text) >= size)
        json_fail(r, member, "is empty or longer than %zu bytes", size - 1);
    else
        memcpy(to, text, strlen(text) + 1);
}

/* It is part of an LSP's name, which travels far. */
static void check_name(struct json_reader *r, const char *name)
{
    for (const char *c = name; *c && !r->status; c++) {
        if (!isalnum((unsigned char) *c) && !strchr("-_.", *c))
            json_fail(r, "name", "'%s' is not of letters, digits and '-', '_', '.' alone", name);
    }
}

static void read_access(struct json_reader *r, bool lenient, struct user *user)
{
    static const char *const known[] = {"router", "client", "vlan", NULL};
    char path[128];

    snprintf(path, sizeof path, "%s.access", r->path);
    const json_t *access = json_get_object(r, "access");
    if (r->status)
        return;

    struct json_reader a = json_reader_init(access, path, r->err);
    const char *router = json_get_string(&a, "router");
    user->access.interface = (uint32_t) json_get_int(&a, "client", 1, UINT32_MAX);
    user->access.vlan = (uint16_t) json_opt_int(&a, "vlan", 1, 4094, CLIENT_VLAN_NONE);
    if (!lenient)
        json_only(&a, known);
    if (!a.status && (ipv4_parse(router, &user->access_router) < 0 || user->access_router == 0))
        json_fail(&a, "router", "'%s' is not a router id such as 10.253.0.15", router);
    r->status = a.status;
}

static void read_addresses(struct json_reader *r, struct user *user)
{
    const json_t *array = json_get_array(r, "addresses");
    size_t n = json_array_size(array);

    if (!r->status && (n == 0 || n > USER_ADDRESSES_MAX))
        json_fail(r, "addresses", "has %zu members, expected 1 to %d", n, USER_ADDRESSES_MAX);
    for (size_t i = 0; i < n && !r->status; i++) {
        const char *text = json_string_value(json_array_get(array, i));

        if (!text || ip_parse(text, &user->addresses[i]) < 0 ||
            (user->addresses[i].family != IP_V4 && !ip_is_unicast6(&user->addresses[i])))
            json_fail(r, "addresses", "member %zu is no IPv4 address, nor a global or unique local one of IPv6", i);
        for (size_t other = 0; other < i && !r->status; other++) {
            if (ip_equal(&user->addresses[other], &user->addresses[i]))
                json_fail(r, "addresses", "%s is named twice", text);
        }
    }
    user->n_addresses = (unsigned) n;
}

static void read_vms(struct json_reader *r, struct user *user)
{
    const json_t *array = json_get_array(r, "vms");
    size_t n = json_array_size(array);

    if (!r->status && n > USER_VMS_MAX)
        json_fail(r, "vms", "has %zu members, at most %d are allowed", n, USER_VMS_MAX);
    for (size_t i = 0; i < n && !r->status; i++) {
        const char *text = json_string_value(json_array_get(array, i));

        if (!text || !*text || strlen(text) >= NAME_SIZE)
            json_fail(r, "vms", "member %zu is not the name of a VM", i);
        else
            user_add_vm(user, text);
    }
}

int user_from_json(const json_t *json, const char *path, bool lenient, struct user *user, struct err *err)
{
    static const char *const known[] = {"name", "segment", "access", "bandwidth-mbps", "addresses", "vms", NULL};
    struct user read = {0};
    struct json_reader r = json_reader_init(json, path, err);

    read_name(&r, "name", read.name, sizeof read.name);
    check_name(&r, read.name);
    read_name(&r, "segment", read.segment, sizeof read.segment);
    read_access(&r, lenient, &read);
    read.bandwidth_mbps = (uint32_t) json_get_int(&r, "bandwidth-mbps", 1, 1000000);
    read_addresses(&r, &read);
    read_vms(&r, &read);
    if (!lenient)
        json_only(&r, known);
    if (r.status) {
        user_free(&read);
        return r.status;
    }
    *user = read;
    return 0;
}
