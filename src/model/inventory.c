/* SPDX-License-Identifier: Apache-2.0 */
#include "model/inventory.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"

void uuid_format(const uint8_t uuid[UUID_SIZE], char text[UUID_TEXT_SIZE])
{
    size_t at = 0;

    for (size_t i = 0; i < UUID_SIZE; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text[at++] = '-';
        snprintf(text + at, 3, "%02x", (unsigned) uuid[i]);
        at += 2;
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int uuid_parse(const char *text, uint8_t uuid[UUID_SIZE])
{
    uint8_t parsed[UUID_SIZE];

    for (size_t i = 0; i < UUID_SIZE; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
            return ERR_INVALID;
        int high = hex_digit(text[0]);
        int low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0)
            return ERR_INVALID;
        parsed[i] = (uint8_t) (high << 4 | low);
        text += 2;
    }
    if (*text)
        return ERR_INVALID;
    memcpy(uuid, parsed, sizeof parsed);
    return 0;
}

const char *vm_state_name(enum vm_state state)
{
    switch (state) {
    case VM_SHUT_OFF:
        return "shut-off";
    case VM_RUNNING:
        return "running";
    case VM_PAUSED:
        return "paused";
    case VM_INCOMING:
        return "incoming";
    case VM_CRASHED:
        return "crashed";
    }
    return "unknown";
}

int name_copy(char to[NAME_SIZE], const char *from)
{
    size_t length = strnlen(from, NAME_SIZE);

    if (length == NAME_SIZE) {
        to[0] = '\0';
        return ERR_TOO_LARGE;
    }
    memcpy(to, from, length + 1);
    return 0;
}

struct vm *inventory_vm(const struct inventory *inventory, const char *name)
{
    struct vm *found = NULL;

    for (size_t i = 0; i < inventory->n_vms; i++) {
        struct vm *vm = &inventory->vms[i];

        if (!strcmp(vm->name, name) && (!found || (vm->state == VM_RUNNING && found->state != VM_RUNNING)))
            found = vm;
    }
    return found;
}

struct vm *inventory_vm_by_uuid(const struct inventory *inventory, const uint8_t uuid[UUID_SIZE])
{
    struct vm *found = NULL;

    for (size_t i = 0; i < inventory->n_vms; i++) {
        struct vm *vm = &inventory->vms[i];

        if (!memcmp(vm->uuid, uuid, UUID_SIZE) && (!found || (vm->state == VM_RUNNING && found->state != VM_RUNNING)))
            found = vm;
    }
    return found;
}

struct server *inventory_server(const struct inventory *inventory, const char *name)
{
    for (size_t i = 0; i < inventory->n_servers; i++)
        if (!strcmp(inventory->servers[i].name, name))
            return &inventory->servers[i];
    return NULL;
}

struct switch_info *inventory_switch(const struct inventory *inventory, const char *name)
{
    for (size_t i = 0; i < inventory->n_switches; i++)
        if (!strcmp(inventory->switches[i].name, name))
            return &inventory->switches[i];
    return NULL;
}

const struct switch_port *switch_port_by_name(const struct switch_info *sw, const char *name)
{
    for (size_t i = 0; i < sw->n_ports; i++)
        if (!strcmp(sw->ports[i].name, name))
            return &sw->ports[i];
    return NULL;
}

const struct switch_port *switch_port_by_number(const struct switch_info *sw, uint32_t number)
{
    for (size_t i = 0; sw && i < sw->n_ports; i++)
        if (sw->ports[i].number == number)
            return &sw->ports[i];
    return NULL;
}

struct attachment *inventory_attachment(const struct inventory *inventory, const char *server, const char *switch_name)
{
    for (size_t i = 0; i < inventory->n_attachments; i++) {
        struct attachment *attachment = &inventory->attachments[i];

        if (!strcmp(attachment->server, server) && !strcmp(attachment->switch_name, switch_name))
            return attachment;
    }
    return NULL;
}

void inventory_set_vm(struct inventory *inventory, const struct vm *vm)
{
    for (size_t i = 0; i < inventory->n_vms; i++) {
        struct vm *old = &inventory->vms[i];

        if (!memcmp(old->uuid, vm->uuid, UUID_SIZE) && !strcmp(old->server, vm->server)) {
            *old = *vm;
            return;
        }
    }
    inventory->vms = array_reserve(inventory->vms, inventory->n_vms, &inventory->cap_vms, sizeof *inventory->vms);
    inventory->vms[inventory->n_vms++] = *vm;
}

/* The others keep their order, so that lists shown to people do not jump about. */
static void remove_at(void *array, size_t *n, size_t i, size_t element_size)
{
    char *bytes = array;

    --*n;
    memmove(bytes + i * element_size, bytes + (i + 1) * element_size, (*n - i) * element_size);
}

void inventory_remove_vm(struct inventory *inventory, const uint8_t uuid[UUID_SIZE], const char *server)
{
    for (size_t i = 0; i < inventory->n_vms; i++) {
        const struct vm *vm = &inventory->vms[i];

        if (!memcmp(vm->uuid, uuid, UUID_SIZE) && !strcmp(vm->server, server)) {
            remove_at(inventory->vms, &inventory->n_vms, i, sizeof *inventory->vms);
            return;
        }
    }
}

void inventory_set_server(struct inventory *inventory, const struct server *server)
{
    struct server *old = inventory_server(inventory, server->name);

    if (old) {
        *old = *server;
        return;
    }
    inventory->servers = array_reserve(inventory->servers, inventory->n_servers, &inventory->cap_servers,
                                       sizeof *inventory->servers);
    inventory->servers[inventory->n_servers++] = *server;
}

void inventory_set_switch(struct inventory *inventory, struct switch_info sw)
{
    struct switch_info *old = inventory_switch(inventory, sw.name);

    if (old) {
        /* The caller may hand back the very ports that stand here, with only 'up' changed. */
        if (old->ports != sw.ports)
            switch_info_free(old);
        *old = sw;
        return;
    }
    inventory->switches = array_reserve(inventory->switches, inventory->n_switches, &inventory->cap_switches,
                                        sizeof *inventory->switches);
    inventory->switches[inventory->n_switches++] = sw;
}

void inventory_set_link(struct inventory *inventory, const struct link *link)
{
    for (size_t i = 0; i < inventory->n_links; i++) {
        struct link *old = &inventory->links[i];

        if (old->from_port == link->from_port && !strcmp(old->from_switch, link->from_switch)) {
            *old = *link;
            return;
        }
    }
    inventory->links = array_reserve(inventory->links, inventory->n_links, &inventory->cap_links,
                                     sizeof *inventory->links);
    inventory->links[inventory->n_links++] = *link;
}

void inventory_remove_link(struct inventory *inventory, const struct link *link)
{
    for (size_t i = 0; i < inventory->n_links; i++) {
        const struct link *known = &inventory->links[i];

        if (known->from_port == link->from_port && known->to_port == link->to_port &&
            !strcmp(known->from_switch, link->from_switch) && !strcmp(known->to_switch, link->to_switch)) {
            remove_at(inventory->links, &inventory->n_links, i, sizeof *inventory->links);
            return;
        }
    }
}

void inventory_remove_links(struct inventory *inventory, const char *switch_name, uint32_t port)
{
    for (size_t i = inventory->n_links; i-- > 0;) {
        const struct link *link = &inventory->links[i];
        bool from = link->from_port == port && !strcmp(link->from_switch, switch_name);
        bool to = link->to_port == port && !strcmp(link->to_switch, switch_name);

        if (from || to)
            remove_at(inventory->links, &inventory->n_links, i, sizeof *inventory->links);
    }
}

void inventory_set_attachment(struct inventory *inventory, const struct attachment *attachment)
{
    for (size_t i = inventory->n_attachments; i-- > 0;) {
        struct attachment *old = &inventory->attachments[i];
        bool same_port = old->port == attachment->port && !strcmp(old->switch_name, attachment->switch_name);
        bool same_end = !strcmp(old->server, attachment->server) && !strcmp(old->server_port, attachment->server_port);

        if (same_port || same_end)
            *old = inventory->attachments[--inventory->n_attachments];
    }
    inventory->attachments = array_reserve(inventory->attachments, inventory->n_attachments,
                                           &inventory->cap_attachments, sizeof *inventory->attachments);
    inventory->attachments[inventory->n_attachments++] = *attachment;
}

void switch_info_free(struct switch_info *sw)
{
    free(sw->ports);
    sw->ports = NULL;
    sw->n_ports = 0;
}

void inventory_free(struct inventory *inventory)
{
    for (size_t i = 0; i < inventory->n_switches; i++)
        switch_info_free(&inventory->switches[i]);
    free(inventory->vms);
    free(inventory->servers);
    free(inventory->switches);
    free(inventory->links);
    free(inventory->attachments);
    *inventory = (struct inventory) {0};
}
