/* SPDX-License-Identifier: Apache-2.0 */
/* Transport networks as a gateway sees them: the TED, the nodes that set LSPs up for it (ingresses), and the LSPs that
 * it wants, called circuits: migration channels to other data centers, and users' circuits.
 *
 * A circuit is wanted state, kept in the store. What follows from it happens by itself: a path is computed and
 * signalled; where a node refuses, the path avoids the link that it names and is tried again (crankback); an LSP that
 * fails is set up anew on another path, with the same VLANs at its ends if it can be; after a restart of the gateway,
 * or of a session with an ingress, LSPs that stand are found by their names, and those that do not are set up anew.
 * LSPs with names of this data center ("A:...") that nobody wants are removed.
 *
 *   circuits.c          the list, setting up, taking down
 *   circuits_events.c   what the transport networks say
 *   circuits_store.c    what outlives the gateway
 *   circuit_path.c      from a circuit and the TED to a route
 *   channels.c          which migration channel an order takes
 *   users.c             users and their circuits
 *   users_flows.c       what the PE holds of them */
#ifndef SCGD_CIRCUITS_H
#define SCGD_CIRCUITS_H

#include <jansson.h>

#include "base/mono.h"
#include "core/path.h"
#include "model/event.h"
#include "model/lsp.h"
#include "model/ted.h"
#include "model/user.h"

struct gateway;
struct join;
struct tenant;
struct order;

#define CIRCUIT_TRIES_MAX 16 /* paths in one round of tries */

enum circuit_state {
    CIRCUIT_WAITING, /* for its ingress, for the TED, or for the next try */
    CIRCUIT_SETTING_UP,
    CIRCUIT_UP,
    CIRCUIT_REMOVING
};

struct circuit {
    char name[LSP_NAME_SIZE];  /* of the LSP: "A:user:ce1", "A:channel:B:1" */
    char user[USER_NAME_SIZE]; /* of a user's circuit; else "" */
    char peer[NAME_SIZE];      /* of a migration channel: the data center that it leads to; else "" */
    bool keep;                 /* a migration channel that stays without orders */
    struct lsp_request want;   /* its route is that of the last try */
    enum circuit_state state;
    bool signalled;     /* something of it may stand; else no ingress was ever asked for it */
    bool stands;        /* as far as is known: since the gateway was started, its ingress has not said otherwise */
    bool reported;      /* while it is up: its ingress has said so since its session came up */
    uint32_t attempt;   /* answers to earlier ones do not count */
    bool removal_asked; /* and not answered yet */
    bool cleared;       /* in this round of tries another LSP of its name was removed */
    struct lsp_error avoid[CIRCUIT_TRIES_MAX]; /* what refused, or failed, in this round of tries */
    unsigned n_avoid;
    unsigned rounds; /* that failed, for the backoff */
    struct mono retry_at;
    struct err err;           /* why it is not up; code 0: it is, or nothing is known */
    struct lsp_report report; /* the last; while it is up, the LSP as it is */
    struct join **waiters;    /* for it to be up, or gone */
    size_t n_waiters, cap_waiters;
};

struct transport {
    struct ted ted;
    bool ted_synced;
    struct path_graph *graph; /* of the same links, with what circuits have booked */
    uint32_t *ingresses;      /* that are up: router ids, sorted */
    size_t n_ingresses, cap_ingresses;
    struct circuit **circuits;
    size_t n_circuits, cap_circuits;
    uint32_t attempts; /* that circuits have made: numbers the next one */
    struct user *users;
    size_t n_users, cap_users;
};

/* From the store. */
int transport_load(struct gateway *gateway, struct err *err);
void transport_free(struct gateway *gateway);
void transport_event(struct gateway *gateway, const struct event *event);
void transport_tick(struct gateway *gateway);
struct mono transport_deadline(const struct gateway *gateway);
/* The TED is there, and the ingresses of this data center are up; true without a transport network. */
bool transport_seen(const struct gateway *gateway);
/* 0, or ERR_UNREACHABLE and what is missing so that an LSP from that ingress could be computed and signalled at all. */
int transport_check(const struct gateway *gateway, uint32_t ingress, struct err *err);

/* Router id of the node that has the interface; the address itself if the TED does not know it. */
uint32_t transport_node_at(const struct gateway *gateway, uint32_t address);

/* ---- circuits ---- */

struct circuit *circuit_find(const struct gateway *gateway, const char *name);
struct circuit *circuit_of_user(const struct gateway *gateway, const char *user);
/* Wants a circuit, whose owner (user or peer), ends, bandwidth and priorities are filled in 'like'; one of that name
 * that is wanted already stays as it is. 'join' waits until it is up and its user's flows stand, or fails:
 * ERR_UNREACHABLE, ERR_EXHAUSTED, ERR_NOT_FOUND, ERR_REFUSED, ERR_UNKNOWN, and goes on to be tried. */
void circuit_open(struct gateway *gateway, const struct circuit *like, struct join *join);
/* Wants it no more. 'join' waits until its ingress has taken it down. Fine if there is none. */
void circuit_close(struct gateway *gateway, const char *name, struct join *join);
/* Closes those that neither a user nor an order needs; opens those that users lack. */
void circuits_tidy(struct gateway *gateway, struct join *join);

/* Sets a migration channel up that stays until channel_delete(), also without an order. '*name' is its name. */
int channel_create(struct gateway *gateway, const char *dc, uint32_t mbps, char name[LSP_NAME_SIZE], struct err *err);
int channel_delete(struct gateway *gateway, const char *name, struct err *err);
/* The migration channel that would be set up to a data center: ends and bandwidth ('mbps' 0: as configured). Its name
 * is free. 0, or ERR_NOT_FOUND saying what the configuration lacks. */
int circuit_plan_channel(const struct gateway *gateway, const char *dc, uint32_t mbps, struct circuit *like,
                         struct err *err);
/* 0 and the path that it would take now, which the caller frees; or why there is none. */
int circuit_path(struct gateway *gateway, const struct circuit *circuit, struct path_result *result, struct err *err);

/* ---- users ---- */

/* It has VMs here, or is to have by an open order: its circuit is wanted. */
bool user_is_served(const struct gateway *gateway, const char *name);
struct user *user_find(const struct gateway *gateway, const char *name);
/* 0, or ERR_CONFLICT: a user of the list, 'user', has its access where one before it in the list has, so it is not
 * served. Only a store from elsewhere, or of an older gateway, has such. */
int user_check_access(const struct gateway *gateway, const struct user *user, struct err *err);
/* Checks it against the data center, stores it and has its circuit made. */
int user_set(struct gateway *gateway, const struct user *user, struct err *err);
int user_delete(struct gateway *gateway, const char *name, struct err *err);
/* A VM has come to this data center: its users, as the order has them, are served here. Or it has gone. */
int users_vm_arrived(struct gateway *gateway, const struct user *users, unsigned n, const char *vm, struct err *err);
int users_vm_left(struct gateway *gateway, const char *vm, struct err *err);
/* The circuit that a user needs here. */
int user_plan_circuit(const struct gateway *gateway, const struct user *user, struct circuit *like, struct err *err);
/* The user's flows on the PE, once its circuit is up. */
void user_install(struct gateway *gateway, const struct circuit *circuit, struct join *join);
/* Tells them where the VMs are that run here, and these where they are. Its flows stand. */
void user_announce_vms(struct gateway *gateway, const struct circuit *circuit);
void user_uninstall(struct gateway *gateway, const char *user, struct join *join);
/* Its flows go, and its circuit if it has one. May be repeated. */
void user_disconnect(struct gateway *gateway, const char *user, struct join *join);
/* Opens the circuits that users who have VMs here lack. */
void users_connect(struct gateway *gateway);
/* An order's users can be served here: 0, or ERR_CONFLICT. */
int users_admit(const struct gateway *gateway, const struct order *order, struct err *err);
/* The flows of every user whose circuit stands, for a PE that comes back; of those of one segment (null: of all) that
 * is opened; and their removal with a segment that is closed. */
void users_fill_pe(struct gateway *gateway, const struct switch_info *pe, struct flow_txn *txn);
void users_fill_segment(struct gateway *gateway, const struct switch_info *pe, const char *segment,
                        struct flow_txn *txn);
/* Addresses of the segment's users that have a circuit, or are to get one. One with two circuits comes twice. */
void users_each_address(const struct gateway *gateway, const char *segment, void (*fn)(void *arg, const struct ip *ip),
                        void *arg);
void users_clear_segment(struct gateway *gateway, const char *segment, struct flow_txn *txn);
/* Tells users whose circuits are up where a VM that runs here is. */
void users_announce_vm(struct gateway *gateway, const struct tenant *tenant);
/* The transport port of a PE, by which circuits of users enter; 0 if it has none. */
uint32_t transport_port(const struct gateway *gateway, const struct switch_info *pe);

#endif
