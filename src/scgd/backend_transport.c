/* SPDX-License-Identifier: Apache-2.0 */
/* Of north/backend.h: users on transport networks, and channels. */
#include <string.h>

#include "model/json.h"
#include "scgd/gateway.h"

int backend_user_put(void *arg, const char *name, const json_t *json, struct err *err)
{
    struct gateway *gateway = gateway_entered(arg);
    struct user user;
    int status = gateway_check_ready(gateway, err);

    if (status == 0)
        status = user_from_json(json, "user", false, &user, err);
    if (status)
        return status;
    if (strcmp(user.name, name) != 0)
        status = err_set(err, ERR_INVALID, "user.name is '%s', the request is for '%s'", user.name, name);
    else
        status = user_set(gateway, &user, err);
    user_free(&user);
    return status;
}

int backend_user_delete(void *arg, const char *name, struct err *err)
{
    struct gateway *gateway = gateway_entered(arg);
    int status = gateway_check_ready(gateway, err);

    return status ? status : user_delete(gateway, name, err);
}

int backend_channel_create(void *arg, const json_t *json, json_t **out, struct err *err)
{
    static const char *const known[] = {"peer", "bandwidth-mbps", NULL};
    struct gateway *gateway = gateway_entered(arg);
    struct json_reader r = json_reader_init(json, "channel", err);
    char name[LSP_NAME_SIZE];

    const char *peer = json_get_string(&r, "peer");
    uint32_t mbps = (uint32_t) json_opt_int(&r, "bandwidth-mbps", 1, 1000000, 0);
    json_only(&r, known);
    if (r.status || gateway_check_ready(gateway, err) < 0)
        return r.status ? r.status : err->code;
    if (strcmp(peer, gateway->config->dc) == 0)
        return err_set(err, ERR_INVALID, "a channel leads to another data center, and '%s' is this one", peer);
    if (!gateway_peer_config(gateway, peer))
        return err_set(err, ERR_NOT_FOUND, "data center '%s' is not a peer of %s; add it under 'peers'", peer,
                       gateway->config->dc);
    if (channel_create(gateway, peer, mbps, name, err) < 0)
        return err->code;
    return view_get(gateway, "channels", name, out, err);
}

int backend_channel_delete(void *arg, const char *name, struct err *err)
{
    struct gateway *gateway = gateway_entered(arg);
    int status = gateway_check_ready(gateway, err);

    return status ? status : channel_delete(gateway, name, err);
}
