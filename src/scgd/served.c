/* SPDX-License-Identifier: Apache-2.0 */
/* VMs that users can reach, as the store remembers them. Until a server has been listed since the gateway's start, what
 * was known of its VMs counts: their host routes stay announced, and nobody else gets their addresses. */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/network_internal.h"

#define KIND "served" /* of documents in the store, by the VM's UUID */

static struct served *find(const struct network *network, const uint8_t uuid[UUID_SIZE])
{
    for (size_t i = 0; i < network->n_served; i++) {
        if (memcmp(network->served[i].uuid, uuid, UUID_SIZE) == 0)
            return &network->served[i];
    }
    return NULL;
}

static struct served *add(struct network *network, const struct served *served)
{
    network->served = array_reserve(network->served, network->n_served, &network->cap_served, sizeof *network->served);
    network->served[network->n_served] = *served;
    return &network->served[network->n_served++];
}

bool served_counts(const struct gateway *gateway, const struct served *served)
{
    return gateway_server_config(gateway, served->server) && !gateway_server_listed(gateway, served->server);
}

bool served_before(const struct gateway *gateway, const struct vm *vm)
{
    const struct served *known = find(&gateway->network, vm->uuid);

    return known && strcmp(known->server, vm->server) == 0;
}

/* ---- loading ---- */

static bool read_addresses(const json_t *addresses, struct vm_nic *nic)
{
    const json_t *text;
    struct ip ip;
    size_t i;

    json_array_foreach(addresses, i, text) {
        if (!json_is_string(text) || ip_parse(json_string_value(text), &ip) < 0)
            return false;
        if (ip.family == IP_V4)
            nic->ip = ip;
        else if (ip6_list_add(&nic->ip6, &ip) < 0)
            return false;
    }
    return nic->ip.family == IP_V4;
}

static bool load(void *arg, const char *uuid, const char *text)
{
    struct gateway *gateway = arg;
    const char *vm = NULL, *server = NULL, *mac = NULL;
    const json_t *addresses = NULL;
    json_t *json = json_loads(text, 0, NULL);
    struct served served = {0};

    if (json_unpack(json, "{s:s, s:s, s:s, s:o}", "vm", &vm, "server", &server, "mac", &mac, "addresses", &addresses) ==
            0 &&
        uuid_parse(uuid, served.uuid) == 0 && name_copy(served.name, vm) == 0 &&
        name_copy(served.server, server) == 0 && mac_parse(mac, &served.nic.mac) == 0 &&
        read_addresses(addresses, &served.nic))
        add(&gateway->network, &served);
    else
        log_error(FAULT_OURS, uuid, "what the store remembers of this VM is damaged, and is left out");
    json_decref(json);
    return true;
}

int served_load(struct gateway *gateway, struct err *err)
{
    return store_document_each(gateway->store, KIND, load, gateway, err);
}

/* ---- keeping ---- */

static int put(struct gateway *gateway, const struct served *served, struct err *err)
{
    char uuid[UUID_TEXT_SIZE], mac[MAC_TEXT_SIZE], ip[IP_TEXT_SIZE];
    json_t *addresses = json_pack("[s]", ip_format(&served->nic.ip, ip));

    for (unsigned i = 0; i < served->nic.ip6.n; i++)
        json_array_append_new(addresses, json_string(ip_format(&served->nic.ip6.items[i], ip)));

    json_t *json = json_pack("{s:s, s:s, s:s, s:o}", "vm", served->name, "server", served->server, "mac",
                             mac_format(&served->nic.mac, mac), "addresses", addresses);

    uuid_format(served->uuid, uuid);
    return gateway_keep(gateway, KIND, uuid, json, err);
}

static bool same(const struct served *a, const struct served *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->server, b->server) == 0 && mac_equal(&a->nic.mac, &b->nic.mac) &&
           ip_equal(&a->nic.ip, &b->nic.ip) && ip6_list_equal(&a->nic.ip6, &b->nic.ip6);
}

int served_keep(struct gateway *gateway, const struct tenant *tenant, struct err *err)
{
    struct served served = {.nic = {.mac = tenant->mac, .ip = tenant->ip, .ip6 = tenant->ip6}};
    struct served *known = find(&gateway->network, tenant->uuid);

    memcpy(served.uuid, tenant->uuid, UUID_SIZE);
    memcpy(served.name, tenant->name, NAME_SIZE);
    memcpy(served.server, tenant->server, NAME_SIZE);
    if (known && same(known, &served))
        return 0;
    if (known)
        *known = served;
    else
        add(&gateway->network, &served);
    return put(gateway, &served, err);
}

int served_forget(struct gateway *gateway, const uint8_t uuid[UUID_SIZE], struct err *err)
{
    struct network *network = &gateway->network;
    struct served *known = find(network, uuid);
    char text[UUID_TEXT_SIZE];

    if (!known)
        return 0;
    uuid_format(uuid, text);
    *known = network->served[--network->n_served];
    return store_document_delete(gateway->store, KIND, text, err);
}

void served_tidy(struct gateway *gateway, const char *server)
{
    struct network *network = &gateway->network;
    struct err err = {0};

    for (size_t i = network->n_served; i-- > 0;) {
        const struct served one = network->served[i];

        if (strcmp(one.server, server) == 0 && !network_vm_known(gateway, cookie_of_vm(one.uuid)) &&
            served_forget(gateway, one.uuid, &err) < 0)
            log_warn(FAULT_OPERATOR, one.name, "is gone, and is not forgotten: %s", err.text);
    }
}
