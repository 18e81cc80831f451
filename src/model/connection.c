/* SPDX-License-Identifier: Apache-2.0 */
#include "model/connection.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "model/json.h"
#include "model/policy.h"

static const char *const reply_names[] = {[POLICY_FROM_VM] = "from-vm", [POLICY_TO_VM] = "to-vm"};

static const struct {
    uint8_t number;
    uint8_t family; /* IP_NONE: both */
    bool has_ports;
    const char *name;
} protocols[] = {{IP_TCP, IP_NONE, true, "tcp"},
                 {IP_UDP, IP_NONE, true, "udp"},
                 {IP_ICMP, IP_V4, false, "icmp"},
                 {IP_ICMPV6, IP_V6, false, "icmpv6"}};

void connection_list_add(struct connection_list *list, const struct connection *connection)
{
    list->items = array_reserve(list->items, list->n, &list->capacity, sizeof *list->items);
    list->items[list->n++] = *connection;
}

void connection_list_free(struct connection_list *list)
{
    free(list->items);
    *list = (struct connection_list) {0};
}

static json_t *connection_to_json(const struct connection *connection)
{
    char remote[IP_TEXT_SIZE], local[IP_TEXT_SIZE];
    json_t *json = json_pack("{s:s, s:s}", "replies", reply_names[connection->direction], "remote",
                             ip_format(&connection->remote, remote));

    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        if (protocols[i].number != connection->protocol)
            continue;
        json_object_set_new(json, "protocol", json_string(protocols[i].name));
        if (protocols[i].has_ports) {
            json_object_set_new(json, "remote-port", json_integer(connection->remote_port));
            json_object_set_new(json, "vm-port", json_integer(connection->vm_port));
        }
    }
    if (connection->local.family != IP_NONE)
        json_object_set_new(json, "local", json_string(ip_format(&connection->local, local)));
    json_object_set_new(json, "idle-timeout", json_integer(connection->idle_timeout));
    return json;
}

json_t *connection_list_to_json(const struct connection_list *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->n; i++)
        json_array_append_new(array, connection_to_json(&list->items[i]));
    return array;
}

static void read_protocol(struct json_reader *r, struct connection *connection)
{
    const char *name = json_get_string(r, "protocol");
    size_t i = 0;

    while (i < ARRAY_LEN(protocols) && strcmp(name, protocols[i].name) != 0)
        i++;
    if (r->status)
        return;
    if (i == ARRAY_LEN(protocols)) {
        json_fail(r, "protocol", "expected tcp, udp, icmp or icmpv6, found \"%.40s\"", name);
        return;
    }
    connection->protocol = protocols[i].number;
    if (protocols[i].family != IP_NONE && protocols[i].family != connection->remote.family)
        json_fail(r, "protocol", "%s contradicts the remote's address", name);
    if (protocols[i].has_ports) {
        connection->remote_port = (uint16_t) json_get_int(r, "remote-port", 0, UINT16_MAX);
        connection->vm_port = (uint16_t) json_get_int(r, "vm-port", 0, UINT16_MAX);
    }
}

static int read_connection(const json_t *json, const char *path, struct connection *connection, struct err *err)
{
    struct json_reader r = json_reader_init(json, path, err);
    const char *replies = json_get_string(&r, "replies"), *remote = json_get_string(&r, "remote");
    const char *local = json_opt_string(&r, "local", "");

    if (r.status)
        return r.status;
    if (strcmp(replies, reply_names[POLICY_FROM_VM]) != 0 && strcmp(replies, reply_names[POLICY_TO_VM]) != 0)
        json_fail(&r, "replies", "expected from-vm or to-vm, found \"%.40s\"", replies);
    connection->direction = strcmp(replies, reply_names[POLICY_TO_VM]) == 0 ? POLICY_TO_VM : POLICY_FROM_VM;
    if (ip_parse(remote, &connection->remote) < 0)
        json_fail(&r, "remote", "expected an IP address, found \"%.60s\"", remote);
    if (!r.status && *local &&
        (ip_parse(local, &connection->local) < 0 || connection->local.family != connection->remote.family))
        json_fail(&r, "local", "expected an address of the remote's family, found \"%.60s\"", local);
    read_protocol(&r, connection);
    connection->idle_timeout = (uint16_t) json_get_int(&r, "idle-timeout", 1, UINT16_MAX);
    return r.status;
}

int connection_list_from_json(const json_t *json, const char *path, struct connection_list *list, struct err *err)
{
    __attribute__((cleanup(connection_list_free))) struct connection_list read = {0};
    size_t i;
    json_t *item;

    json_array_foreach(json, i, item) {
        struct connection connection = {0};
        char where[128];

        snprintf(where, sizeof where, "%s[%zu]", path, i);
        if (read_connection(item, where, &connection, err) < 0)
            return ERR_INVALID;
        connection_list_add(&read, &connection);
    }
    *list = read;
    read = (struct connection_list) {0};
    return 0;
}
