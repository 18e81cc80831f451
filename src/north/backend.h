/* SPDX-License-Identifier: Apache-2.0 */
/* What the interfaces towards operators and other gateways ask of the gateway. The gateway fills this in; REST and peer
 * servers call it and know nothing else of it. All functions run on the loop thread and do not block. */
#ifndef NORTH_BACKEND_H
#define NORTH_BACKEND_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

/* An answer that is given once, now or later. Whoever took the request embeds it. */
struct backend_reply {
    void (*send)(struct backend_reply *reply, int status, json_t *body); /* takes over both */
};

static inline void backend_reply_send(struct backend_reply *reply, int status, json_t *body)
{
    reply->send(reply, status, body);
}

struct backend {
    void *gateway;

    /* The member 'name' of 'collection' as an object, or, with 'name' null, {"<collection>": [...]}. Collections:
     * vms, servers, switches, links, segments, tunnels, channels, users, peers, policies, address-sets, migrations; and
     * health and transport, which are an object each. '*out' is a new reference. ERR_NOT_FOUND names what is
     * missing. */
    int (*get)(void *gateway, const char *collection, const char *name, json_t **out, struct err *err);

    /* Journal entries of a migration: {"journal": [{"sequence", "time", "step", "event", "detail"}]}. */
    int (*journal)(void *gateway, const char *id, json_t **out, struct err *err);

    /* Sets (PUT) or removes a VM's policy; a policy of a VM that runs here is installed on its switch. */
    int (*policy_put)(void *gateway, const char *vm, const json_t *policy, struct err *err);
    int (*policy_delete)(void *gateway, const char *vm, struct err *err);

    /* Sets (PUT) or removes a set of addresses that policies use by its name: model/address_set.h. VMs whose policies
     * do get what follows from it at once; one that is used is not removed. */
    int (*address_set_put)(void *gateway, const char *name, const json_t *set, struct err *err);
    int (*address_set_delete)(void *gateway, const char *name, struct err *err);

    /* Sets (PUT) or removes a user on a transport network: model/user.h. Its circuit is made, or taken down,
     * afterwards. */
    int (*user_put)(void *gateway, const char *name, const json_t *user, struct err *err);
    int (*user_delete)(void *gateway, const char *name, struct err *err);

    /* {"peer": "B", "bandwidth-mbps": 500}: a migration channel that stays. '*out': the channel as 'get' shows it,
     * being set up. A channel that an order uses is not deleted. */
    int (*channel_create)(void *gateway, const json_t *channel, json_t **out, struct err *err);
    int (*channel_delete)(void *gateway, const char *name, struct err *err);

    /* {"vms": ["V2"], "to": {"dc": "B", "server": "server-b"}, "bandwidth-mbps": 100}. '*out': the migration as
     * 'get' shows it, accepted. */
    int (*migrate)(void *gateway, const json_t *command, json_t **out, struct err *err);
    /* The same order planned, here and by the other data center; nothing is touched. Answered with HTTP status 200 and
     * {"channel", "users", "plan", "target", "text"}, or with the error that the order would get. */
    void (*plan)(void *gateway, const json_t *command, struct backend_reply *reply);
    /* Reads now what the VM's ToR holds, or (null) every ToR, and holds it against what they shall hold. Answered with
     * HTTP status 200 and {"verified", "count", "switches", "findings"}; nothing is changed. */
    void (*verify)(void *gateway, const char *vm, struct backend_reply *reply);
    int (*migration_cancel)(void *gateway, const char *id, struct err *err);

    /* Text in Prometheus exposition format; caller frees. */
    char *(*metrics)(void *gateway);

    /* A peer's request (south/peer.h names the verbs). 'peer' is the common name of its certificate. */
    void (*peer_configure)(void *gateway, const char *peer, const char *id, const json_t *body,
                           struct backend_reply *reply);
    void (*peer_activate)(void *gateway, const char *peer, const char *id, const json_t *body,
                          struct backend_reply *reply);
    void (*peer_connections)(void *gateway, const char *peer, const char *id, const json_t *body,
                             struct backend_reply *reply);
    void (*peer_abort)(void *gateway, const char *peer, const char *id, struct backend_reply *reply);
    void (*peer_commit)(void *gateway, const char *peer, const char *id, const json_t *body,
                        struct backend_reply *reply);
    void (*peer_status)(void *gateway, const char *peer, const char *id, struct backend_reply *reply);
    void (*peer_plan)(void *gateway, const char *peer, const char *id, const json_t *body,
                      struct backend_reply *reply); /* 'id' is empty: nothing is begun that would have one */
};

#endif
