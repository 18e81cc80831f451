/* SPDX-License-Identifier: Apache-2.0 */
/* What is wanted of the transport networks outlives the gateway: circuits and users in its store. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "model/json.h"
#include "scgd/circuits_internal.h"

#define KIND "channel" /* of documents in the store */

int circuit_store(struct gateway *gateway, const struct circuit *circuit, struct err *err)
{
    const struct lsp_request *want = &circuit->want;
    json_t *json = json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:i, s:I, s:i, s:I, s:i, s:i}", "user", circuit->user,
                             "peer", circuit->peer, "keep", circuit->keep, "ingress", (json_int_t) want->ingress,
                             "egress", (json_int_t) want->egress, "ingress-client",
                             (json_int_t) want->ingress_client.interface, "ingress-vlan", want->ingress_client.vlan,
                             "egress-client", (json_int_t) want->egress_client.interface, "egress-vlan",
                             want->egress_client.vlan, "bandwidth-bps", (json_int_t) want->bandwidth_bps,
                             "setup-priority", want->setup_priority, "holding-priority", want->holding_priority);

    return gateway_keep(gateway, KIND, circuit->name, json, err);
}

int circuit_unstore(struct gateway *gateway, const struct circuit *circuit, struct err *err)
{
    return store_document_delete(gateway->store, KIND, circuit->name, err);
}

/* ---- life ---- */

struct loading {
    struct gateway *gateway;
    struct err err;
};

static bool load_one(void *arg, const char *name, const char *text)
{
    struct loading *loading = arg;
    struct circuit like = {0};
    json_t *json = json_loads(text, 0, NULL);
    struct json_reader r = json_reader_init(json, name, &loading->err);

    const char *user = json_opt_string(&r, "user", ""), *peer = json_opt_string(&r, "peer", "");
    snprintf(like.name, sizeof like.name, "%s", name);
    memcpy(like.want.name, like.name, sizeof like.want.name);
    snprintf(like.user, sizeof like.user, "%s", user ? user : "");
    snprintf(like.peer, sizeof like.peer, "%s", peer ? peer : "");
    like.keep = json_opt_bool(&r, "keep", false);
    like.want.ingress = (uint32_t) json_get_int(&r, "ingress", 1, UINT32_MAX);
    like.want.egress = (uint32_t) json_get_int(&r, "egress", 1, UINT32_MAX);
    like.want.ingress_client.interface = (uint32_t) json_get_int(&r, "ingress-client", 1, UINT32_MAX);
    like.want.ingress_client.vlan = (uint16_t) json_get_int(&r, "ingress-vlan", 0, UINT16_MAX);
    like.want.egress_client.interface = (uint32_t) json_get_int(&r, "egress-client", 1, UINT32_MAX);
    like.want.egress_client.vlan = (uint16_t) json_get_int(&r, "egress-vlan", 0, UINT16_MAX);
    like.want.bandwidth_bps = (uint64_t) json_get_int(&r, "bandwidth-bps", 1, INT64_MAX);
    like.want.setup_priority = (uint8_t) json_get_int(&r, "setup-priority", 0, 7);
    like.want.holding_priority = (uint8_t) json_get_int(&r, "holding-priority", 0, 7);
    if (r.status == 0) {
        struct circuit *circuit = circuit_add(loading->gateway, &like);

        circuit->signalled = true;
        circuit->stands = like.want.ingress_client.vlan != CLIENT_VLAN_ANY;
    } else {
        err_prefix(&loading->err, "circuit %s in the store", name);
    }
    json_decref(json);
    return r.status == 0;
}

static bool load_user(void *arg, const char *name, const char *text)
{
    struct loading *loading = arg;
    struct transport *transport = &loading->gateway->transport;
    json_t *json = json_loads(text, 0, NULL);
    struct user user;

    if (user_from_json(json, "user", true, &user, &loading->err) < 0) {
        err_prefix(&loading->err, "user %s in the store", name);
    } else {
        transport->users = array_reserve(transport->users, transport->n_users, &transport->cap_users,
                                         sizeof *transport->users);
        transport->users[transport->n_users++] = user;
    }
    json_decref(json);
    return loading->err.code == 0;
}

/* Users that could have been stored, but cannot be served: nothing is set up for them. */
static void check_users(struct gateway *gateway)
{
    for (size_t i = 0; i < gateway->transport.n_users; i++) {
        const struct user *user = &gateway->transport.users[i];
        struct circuit *circuit = circuit_of_user(gateway, user->name);
        struct err err;

        if (user_check_access(gateway, user, &err) == 0)
            continue;
        log_warn(FAULT_OPERATOR, user->name, "is in the store, and gets no circuit: %s", err.text);
        if (circuit)
            circuit->state = CIRCUIT_REMOVING;
    }
}

int transport_load(struct gateway *gateway, struct err *err)
{
    struct loading loading = {.gateway = gateway};

    gateway->transport.graph = path_graph_new();

    int status = store_document_each(gateway->store, KIND, load_one, &loading, err);
    if (status == 0 && loading.err.code == 0)
        status = store_document_each(gateway->store, "user", load_user, &loading, err);
    if (status == 0 && loading.err.code) {
        *err = loading.err;
        status = err->code;
    }
    check_users(gateway);
    return status;
}

void transport_free(struct gateway *gateway)
{
    struct transport *transport = &gateway->transport;

    for (size_t i = 0; i < transport->n_circuits; i++) {
        for (size_t w = 0; w < transport->circuits[i]->n_waiters; w++)
            join_drop(transport->circuits[i]->waiters[w]);
        circuit_free(transport->circuits[i]);
    }
    for (size_t i = 0; i < transport->n_users; i++)
        user_free(&transport->users[i]);
    free(transport->circuits);
    free(transport->users);
    free(transport->ingresses);
    path_graph_free(transport->graph);
    ted_free(&transport->ted);
}
