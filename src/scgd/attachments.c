/* SPDX-License-Identifier: Apache-2.0 */
/* Where servers hung before the gateway started. Their lldpd may be silent for half a minute, or not run, and a ToR may
 * come back first: it must not lose its segments meanwhile, for the VMs of these servers are there. */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "scgd/gateway.h"

#define KIND "attachment" /* of documents in the store, by switch and port */

static char *document_name(const struct attachment *at)
{
    return xasprintf("%s/%u", at->switch_name, at->port);
}

struct remembered {
    struct attachment at;
    char port_name[NAME_SIZE]; /* of the switch's port, whose number may be another one's after the switch's restart */
};

static bool read_remembered(const char *text, struct remembered *out)
{
    const char *server = NULL, *server_port = NULL, *switch_name = NULL, *port_name = NULL;
    json_t *json = json_loads(text, 0, NULL);
    json_int_t port = 0;

    *out = (struct remembered) {0};
    bool ok = json_unpack(json, "{s:s, s:s, s:s, s:I, s:s}", "server", &server, "server-port", &server_port, "switch",
                          &switch_name, "port", &port, "port-name", &port_name) == 0 &&
              name_copy(out->at.server, server) == 0 && name_copy(out->at.server_port, server_port) == 0 &&
              name_copy(out->at.switch_name, switch_name) == 0 && name_copy(out->port_name, port_name) == 0 &&
              port > 0 && port < PORT_MAX;
    out->at.port = (uint32_t) port;
    json_decref(json);
    return ok;
}

/* ---- keeping ---- */

struct outdated {
    const struct attachment *now;
    char *name; /* owned; null: none */
};

static bool find_outdated(void *arg, const char *name, const char *text)
{
    struct outdated *outdated = arg;
    AUTO_FREE char *here = document_name(outdated->now);
    struct remembered one;

    if (strcmp(name, here) != 0 && read_remembered(text, &one) && strcmp(one.at.server, outdated->now->server) == 0 &&
        strcmp(one.at.server_port, outdated->now->server_port) == 0)
        outdated->name = xstrdup(name);
    return !outdated->name;
}

/* A server's port is at one place. */
static int forget_elsewhere(struct gateway *gateway, const struct attachment *at, struct err *err)
{
    struct outdated outdated = {.now = at};
    int status = store_document_each(gateway->store, KIND, find_outdated, &outdated, err);
    AUTO_FREE char *name = outdated.name;

    return status == 0 && name ? store_document_delete(gateway->store, KIND, name, err) : status;
}

void attachment_keep(struct gateway *gateway, const struct attachment *at)
{
    const struct switch_info *sw = inventory_switch(&gateway->inventory, at->switch_name);
    const struct switch_port *port = switch_port_by_number(sw, at->port);
    AUTO_FREE char *name = document_name(at);
    struct err err = {0};

    if (!port || !gateway_server_config(gateway, at->server))
        return;

    json_t *json = json_pack("{s:s, s:s, s:s, s:I, s:s}", "server", at->server, "server-port", at->server_port,
                             "switch", at->switch_name, "port", (json_int_t) at->port, "port-name", port->name);
    if (gateway_keep(gateway, KIND, name, json, &err) < 0 || forget_elsewhere(gateway, at, &err) < 0)
        log_error(FAULT_OURS, at->switch_name, "that server %s hangs off port %u cannot be kept: %s", at->server,
                  at->port, err.text);
}

/* ---- recalling ---- */

/* LLDP has shown something at the port, or the server's port elsewhere. */
static bool is_seen(const struct gateway *gateway, const struct attachment *at)
{
    const struct inventory *inventory = &gateway->inventory;

    for (size_t i = 0; i < inventory->n_attachments; i++) {
        const struct attachment *seen = &inventory->attachments[i];

        if ((seen->port == at->port && strcmp(seen->switch_name, at->switch_name) == 0) ||
            (strcmp(seen->server, at->server) == 0 && strcmp(seen->server_port, at->server_port) == 0))
            return true;
    }
    return false;
}

static bool recall(void *arg, const char *name, const char *text)
{
    struct gateway *gateway = arg;
    struct remembered one;

    if (!read_remembered(text, &one)) {
        log_error(FAULT_OURS, name, "what the store knows of the server at this port is damaged, and is left out");
        return true;
    }
    const struct switch_info *sw = inventory_switch(&gateway->inventory, one.at.switch_name);
    const struct switch_port *port = switch_port_by_number(sw, one.at.port);

    if (!gateway_server_config(gateway, one.at.server) || !port || port->fabric ||
        strcmp(port->name, one.port_name) != 0 || is_seen(gateway, &one.at))
        return true;
    log_info(one.at.switch_name, "server %s is taken to hang off port %u, as before the gateway's start", one.at.server,
             one.at.port);
    inventory_set_attachment(&gateway->inventory, &one.at);
    return true;
}

void attachments_recall(struct gateway *gateway)
{
    struct err err = {0};

    if (store_document_each(gateway->store, KIND, recall, gateway, &err) < 0)
        log_error(FAULT_OURS, NULL, "where servers hung before cannot be read: %s", err.text);
}
