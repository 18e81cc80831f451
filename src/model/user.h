/* SPDX-License-Identifier: Apache-2.0 */
/* A user on a connection-oriented transport network: who reaches VMs of a segment not over the IP network but through a
 * circuit of its own, from its access device (CE) over a PE of the transport network to the data center's PE. */
#ifndef MODEL_USER_H
#define MODEL_USER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "model/inventory.h"
#include "model/lsp.h"

#define USER_NAME_SIZE 32 /* it is part of an LSP's name */
#define USER_ADDRESSES_MAX 16
#define USER_VMS_MAX 256

struct user {
    char name[USER_NAME_SIZE]; /* of its access device, e.g. "ce1": letters, digits, '-', '_' and '.' */
    char segment[NAME_SIZE];   /* that it is a part of, by its circuit */
    uint32_t access_router;    /* router id of the PE that its access device hangs off */
    struct lsp_client access;  /* the client port there; vlan CLIENT_VLAN_NONE: the whole port */
    uint32_t bandwidth_mbps;   /* each direction */
    unsigned n_addresses;
    struct ip addresses[USER_ADDRESSES_MAX]; /* IPv4 of the segment's subnet, and IPv6 that ip_is_unicast6(): nothing
                                              * else passes the circuit */
    unsigned n_vms;
    char (*vms)[NAME_SIZE]; /* that it uses; owned */
};

/* Index of the VM in the user's list, or -1. */
int user_find_vm(const struct user *user, const char *vm);
/* No-ops if it is there already, or is not there. */
void user_add_vm(struct user *user, const char *vm);
void user_remove_vm(struct user *user, const char *vm);
struct user user_copy(const struct user *user);
void user_free(struct user *user); /* its members */

/* {"name", "segment", "access": {"router", "client", "vlan"?}, "bandwidth-mbps", "addresses": [...], "vms": [...]}.
 * user_from_json: 0, or ERR_INVALID naming the member below 'path'; members that are not known are ignored if 'lenient'
 * (what a peer sends), else an error. */
json_t *user_to_json(const struct user *user);
int user_from_json(const json_t *json, const char *path, bool lenient, struct user *user, struct err *err);

#endif
