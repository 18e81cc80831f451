/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway: one data center's inventory, network and migrations, joined to whatever drivers it is given. It knows
 * the drivers' contracts only (south/), so the daemon runs it over libvirt, OpenFlow, BIRD and HTTPS, and the
 * simulation over dummies. It has no loop and no clock: events and time come in as arguments.
 *
 *   gateway.c     events in, requests and their answers, inventory
 *   network.c     what the DC's network is to be: roles of switches, segments
 *   switch_activity.c  what was sent to a switch, and what of it failed
 *   tenants.c     VMs on their ToRs
 *   rejects.c     answers to what their policies reject
 *   bookings.c    queues of ToRs' ports, and what they promise
 *   switches.c    a whole switch brought to what it shall hold; channels
 *   switches_parts.c  the same by VM, for a ToR that does not take it as one
 *   audit.c, audit_judge.c    what a switch holds, held against what it shall hold: see audit.h
 *   probing.c     whether a ToR does what its flows say: see probing.h
 *   drift.c, drift_ledger.c   what others changed at switches: see drift.h
 *   presence.c    users' ways to VMs: PE, host routes; VMs that are just there
 *   circuits.c    transport networks: see circuits.h
 *   tunnels.c     internal channels in VPLS mode: see tunnels.h
 *   channels.c    which migration channel an order takes
 *   migrations.c  orders and their sagas: notes to the journal, actions to steps
 *   history.c     how long those that have ended are remembered
 *   steps_source.c  apply, confirm and undo of the source's steps
 *   steps_crossing.c  those from the pivot on
 *   steps_target.c  of the target's
 *   connections.c  what stateful policies let pass, on its way with a VM
 *   peer_watch.c  whether other gateways answer
 *   admission.c   whether this DC can take what an order brings
 *   views.c, views_plan.c, views_transport.c    the gateway as JSON
 *   backend.c, backend_plan.c, backend_transport.c    north/backend.h on top of all this */
#ifndef SCGD_GATEWAY_H
#define SCGD_GATEWAY_H

#include "base/mono.h"
#include "base/strbuf.h"
#include "core/pipeline.h"
#include "core/plan.h"
#include "core/policy.h"
#include "core/saga.h"
#include "model/event.h"
#include "model/inventory.h"
#include "north/backend.h"
#include "scgd/circuits.h"
#include "scgd/config.h"
#include "scgd/drift.h"
#include "scgd/tunnels.h"
#include "south/hypervisor.h"
#include "south/peer.h"
#include "south/routes.h"
#include "south/switch.h"
#include "south/transport.h"
#include "store/store.h"

struct gateway;
struct migration;

struct gateway_south {
    struct switch_driver *switches;
    struct hypervisor_driver *hypervisors;
    struct routes_driver *routes;
    struct peer_driver *peers;
    struct transport_driver *transport; /* null: no transport network is configured */
};

/* ---- requests to drivers, and several of them as one ---- */

/* Several requests that end together: 'done' is called once all have ended, with the first error. */
struct join {
    unsigned open;
    struct err err;
    void (*done)(struct gateway *gateway, struct join *join);
    struct migration *migration; /* these three say which step waits, for 'done' */
    unsigned step, serial;
    void *context;                   /* for 'done' */
    void (*drop)(struct join *join); /* frees 'context' if the gateway ends first; null: nothing to free */
};

/* A new join that is held open once: add requests, then join_close(). */
struct join *join_new(void (*done)(struct gateway *gateway, struct join *join));
void join_fail(struct join *join, const struct err *err); /* keeps the first */
void join_close(struct gateway *gateway, struct join *join);

/* Called with the EVENT_DONE of the request. */
typedef void answer_fn(struct gateway *gateway, struct join *join, const struct event *event, void *context);
/* Registers a request that belongs to 'join', and returns its number. 'fn' null: only its error matters. */
/* 'context' is null or from malloc(): 'fn' frees it, or the gateway if it ends first. */
uint64_t gateway_request(struct gateway *gateway, struct join *join, answer_fn *fn, void *context);
/* The gateway ends: lets go of a join that will never be done. */
void join_drop(struct join *join);

/* ---- the DC's network ---- */

/* How many connections of a VM its ToR knows, by the direction of their replies. */
struct known_connections {
    unsigned whole[2], half_open[2];
};

/* A VM that this DC's network serves. */
struct tenant {
    uint8_t uuid[UUID_SIZE];
    char name[NAME_SIZE];
    char server[NAME_SIZE];
    char segment[NAME_SIZE];
    struct mac mac;
    struct ip ip;
    struct ip6_list ip6;
    bool has_policy;
    struct policy policy;
    bool counted;                   /* since it was set: */
    uint32_t flows[TOR_TABLES];     /* by table of its ToR */
    uint32_t meters[2];             /* on its ToR, by direction; 0: none */
    bool present;                   /* it runs here: the PE routes to it and its host route is announced */
    struct known_connections known; /* as its ToR was last read */
    bool known_full[2];             /* told of: as many as a switch learns of */
    uint64_t sent;                  /* the number of the last time that its flows were sent to its ToR */
    bool left_out;                  /* its ToR had no room for its flows, so it has none there; they are tried again */
};

struct segment_state {
    const struct config_segment *config;
    struct pipeline_segment flows; /* vlan 0: not open in this DC */
    /* 0, or the last attempt's number: no switch is to hold it any more; its VLAN is free when all have said so. */
    uint64_t closing;
    bool on_pe; /* the PE was sent its flows since it was opened: it has a VLAN before that */
};

/* A way through the inter-DC PE between two servers' migration addresses. Orders between the same two share its flows:
 * each has an entry, and the flows go with the last. */
struct open_channel {
    char owner[UUID_TEXT_SIZE]; /* id of the migration */
    char server[NAME_SIZE];
    struct ip local, remote;
    uint16_t vlan; /* of the transport port; 0: untagged on the uplink */
};

enum change_kind {
    CHANGE_FLOWS,  /* some of its flows, and meters */
    CHANGE_WHOLE,  /* all flows that it shall hold */
    CHANGE_PART,   /* those of one VM; if it is refused, who sent it leaves the VM out */
    CHANGE_QUEUES, /* if that fails, flows may be judged all the same */
};

/* A change of a switch that failed. */
struct failed_change {
    char order[UUID_TEXT_SIZE]; /* whose step will be repeated, or undone; empty: the whole switch will be filled */
    enum migration_role role;   /* here, of the order */
    unsigned step;
    struct mono at;
    uint64_t number; /* of failures */
};

/* What has been sent to a switch. What it is read to hold means something only if nothing was, meanwhile. */
struct switch_activity {
    char name[NAME_SIZE];
    size_t index;                 /* from 1 */
    unsigned in_flight;           /* changes that are not answered */
    uint64_t changes;             /* ever sent */
    struct failed_change *failed; /* and not done again yet */
    size_t n_failed, cap_failed;
    uint64_t failures; /* ever */
};

/* A VM that is present, or was when the gateway ended; kept in the store. */
struct served {
    uint8_t uuid[UUID_SIZE];
    char name[NAME_SIZE], server[NAME_SIZE];
    struct vm_nic nic;
};

struct network {
    struct tenant *tenants;
    size_t n_tenants, cap_tenants;
    struct segment_state *segments; /* one for each of the configuration's */
    uint64_t last_closing;
    struct open_channel *channels;
    size_t n_channels, cap_channels;
    struct next_hop {
        struct mac mac; /* all zero: not known */
        bool answered;  /* since the gateway started; until then its MAC may be the one of before */
        struct mono probe_at;
    } next_hop; /* of the PE towards the IP network */
    struct served *served;
    size_t n_served, cap_served;
    bool routes_wanted, routes_busy; /* a change waits; a request is out */
    struct mono routes_retry;
    bool adopt_waits;            /* a VM that runs has another one's address, and no network */
    struct mono adopt_at;        /* it may have it now */
    struct mono resync_at;       /* switches are to be brought to what they shall hold */
    struct mono parts_at;        /* VMs that were left out are to be tried again */
    uint64_t sent;               /* how often a VM's flows were sent */
    struct mono resync_failed;   /* when that was last needed, and */
    int64_t resync_ms;           /* its backoff */
    bool has_queues;             /* some ToR has, or had since the start */
    struct join **route_waiters; /* for the change that waits */
    size_t n_route_waiters, cap_route_waiters;
    struct switch_activity *activities; /* by index - 1 */
    size_t n_activities, cap_activities;
    struct audit *audits;     /* under way: audit.h */
    struct probing *probings; /* under way, or waiting: probing.h */
};

enum switch_role { SWITCH_ROLE_UNKNOWN, SWITCH_ROLE_P, SWITCH_ROLE_TOR, SWITCH_ROLE_PE, SWITCH_ROLE_INTER_DC };
enum switch_role network_switch_role(const struct gateway *gateway, const struct switch_info *sw);
const char *switch_role_name(enum switch_role role);

void network_init(struct gateway *gateway);
void network_free(struct gateway *gateway);
/* A join for what no step waits for: a failure is logged. */
struct join *network_background_join(void);
/* Its end: a failure leads to bringing every switch to what it shall hold, later. */
void network_background_done(struct gateway *gateway, struct join *join);
/* Sends a transaction, which is empty afterwards; a switch that is down fails the join by name. */
void network_apply(struct gateway *gateway, const struct switch_info *sw, struct flow_txn *txn, struct join *join);
/* The same for the request that was registered last, which need not end a join by its error. */
void network_send(struct gateway *gateway, uint64_t request, const char *switch_name, struct flow_txn *txn);
/* The request that was registered last leads to a change of the switch: from now on it is not what it shall be. */
void network_begin(struct gateway *gateway, const char *switch_name, enum change_kind kind);
/* What was sent last is all flows that the switch shall hold, or a VM's. */
void network_begun(struct gateway *gateway, enum change_kind kind);
/* Valid until the next call. */
struct switch_activity *network_activity(struct gateway *gateway, const char *switch_name);
/* All that was sent to it stands, so that it holds what it shall hold. */
bool network_settled(struct gateway *gateway, const char *switch_name);
struct request;
void network_sent(struct gateway *gateway, const struct request *request, const struct err *err); /* its answer came */
const struct config_edge *network_edge_config(const struct gateway *gateway, enum config_edge_role role);
struct tenant *network_tenant(const struct gateway *gateway, const uint8_t uuid[UUID_SIZE]);
/* The ToR of a server and the port that the server hangs off; null and 'err' naming what is missing or down. */
const struct switch_info *network_tor(const struct gateway *gateway, const char *server, uint32_t *port,
                                      struct err *err);
/* The same, whether or not it is connected; 'port' may be null. Null: none has been seen. */
const struct switch_info *network_tor_seen(const struct gateway *gateway, const char *server, uint32_t *port);

/* The tenant with that uuid, made or changed to what 'like' says (its policy is copied). */
struct tenant *network_set_tenant(struct gateway *gateway, const struct tenant *like);
/* Installs, or replaces, a VM's flows and meters on its ToR. Errors reach 'join'. */
void network_install(struct gateway *gateway, const uint8_t uuid[UUID_SIZE], struct join *join);
/* Takes a VM's flows and meters off every switch and forgets the tenant. 'foreign': also flows that others installed
 * for exactly this VM's address in the ToR's policy tables. */
void network_remove(struct gateway *gateway, const struct tenant *like, bool foreign, struct join *join);
/* Whether users are to reach the VM in this DC: PE flows, gratuitous ARP, host route. */
void network_set_present(struct gateway *gateway, const uint8_t uuid[UUID_SIZE], bool present, struct join *join);
/* Opens a segment in this DC (its VLAN, the PE; in VPLS mode the way between the PE and the server's ToR); closes those
 * that no tenant needs. */
void network_open_segment(struct gateway *gateway, const char *segment, const char *server, struct join *join);
void network_close_segments(struct gateway *gateway, struct join *join);
/* Closes them with nobody waiting: a switch or a server that it depended on is back. */
void network_tidy(struct gateway *gateway);
/* Whether the order's segments could all have one, and what they need in VPLS mode (tunnels_try()): 0, or what
 * network_allocate() would say, and in 'channels' by what each would be carried: "web by VLAN 100". Nothing is kept. */
int network_check_allocate(struct gateway *gateway, const struct order *order, struct strbuf *channels,
                           struct err *err);
/* 0 or ERR_EXHAUSTED, ERR_NOT_FOUND: the segment has a VLAN in this DC. */
int network_allocate(struct gateway *gateway, const char *segment, struct err *err);
struct segment_state *network_segment(const struct gateway *gateway, const char *name);
/* 0, or ERR_CONFLICT: the address is not one that a host of the segment can have. 'whose' begins the sentence
 * ("VM V1"), 'fix' ends it. */
int network_check_host(const struct segment_state *segment, const struct ip *ip, const char *whose, const char *fix,
                       struct err *err);
/* The same for a VM of it. */
int network_check_vm(const struct segment_state *segment, const char *vm, const struct ip *ip, struct err *err);
void network_open_channel(struct gateway *gateway, const struct open_channel *channel, struct join *join);
void network_close_channels(struct gateway *gateway, const struct open_channel *channels, size_t n, struct join *join);
/* Only remembers it: a migration that is under way at a restart has it open. */
void network_restore_channel(struct gateway *gateway, const struct open_channel *channel);

/* What the inventory says has changed: everything that the switch shall hold is put there again. */
void network_switch_changed(struct gateway *gateway, const char *switch_name);
void network_resync(struct gateway *gateway); /* the same for every switch */
/* VMs whose ToRs had no room for their flows are tried again. */
void network_retry_parts(struct gateway *gateway);
/* VMs that were present when the gateway ended. */
int served_load(struct gateway *gateway, struct err *err);
/* Its server has not been listed since the gateway's start, so it may still run there. */
bool served_counts(const struct gateway *gateway, const struct served *served);
/* The VM was present on its server when it was last seen, which may be before the gateway's start. */
bool served_before(const struct gateway *gateway, const struct vm *vm);
/* The store remembers a VM while it is present. */
int served_keep(struct gateway *gateway, const struct tenant *tenant, struct err *err);
int served_forget(struct gateway *gateway, const uint8_t uuid[UUID_SIZE], struct err *err); /* 0 also if it is none */
/* The server has just been listed: those of its VMs that nobody knows any more are forgotten. */
void served_tidy(struct gateway *gateway, const char *server);
/* Keeps in the store where a server of the configuration hangs, instead of where it hung before. */
void attachment_keep(struct gateway *gateway, const struct attachment *at);
/* Servers that LLDP has not shown since the gateway's start are taken to hang where the store knows them, as far as
 * these ports are there and LLDP has shown nothing else at them. For a gateway that is ready. */
void attachments_recall(struct gateway *gateway);
/* What the store knows of the PE's next hop. */
int next_hop_load(struct gateway *gateway, struct err *err);
/* Its MAC as the PE shall have it; null: none is known. */
const struct mac *next_hop_mac(const struct gateway *gateway);
/* Asks it now for its MAC, and when to ask again. */
void next_hop_probe(struct gateway *gateway);
/* The packet of an EVENT_PACKET, which may be its answer. */
void next_hop_packet(struct gateway *gateway, const struct event *event);
/* Answers the packet of an EVENT_PACKET, if it is one that a VM's policy rejects; false: it is none. */
bool rejects_packet(struct gateway *gateway, const struct event *event);
void network_tick(struct gateway *gateway);
/* A hypervisor was heard, or listed, for the first time. */
void network_server_heard(struct gateway *gateway);
struct mono network_deadline(const struct gateway *gateway);
/* A VM seen at a hypervisor, or gone, that no migration moves to here. */
void network_adopt(struct gateway *gateway, const struct vm *vm);
/* A VM has gone, has other addresses, or was promised a place that it did not take: another one may wait for them. */
void network_address_free(struct gateway *gateway);
/* The flows that the ToR shall hold of a tenant, in 'txn'. */
int network_expected(struct gateway *gateway, const struct tenant *tenant, struct flow_txn *txn, struct err *err);
/* The flows that a switch shall hold, of a ToR but for those of tenants. 0, or why that cannot be told now. */
int network_expected_base(struct gateway *gateway, const struct switch_info *sw, struct flow_txn *txn, struct err *err);
/* The address sets in the store, for policies that use them; as long as the gateway lives. */
struct policy_book address_set_book(const struct gateway *gateway);
/* The policy in the store, which the caller frees. ERR_NOT_FOUND if there is none; any other failure is not "none". */
int network_stored_policy(const struct gateway *gateway, const char *vm, struct policy *policy, struct err *err);
/* Gives the VM its policy, from the store, or else as its ToR enforces it. Errors, also that there is none, reach
 * 'join', which the VM outlives. */
void policy_collect(struct gateway *gateway, struct join *join, struct migration_vm *vm);
/* The PE's ports as the pipeline wants them, or ERR_NOT_FOUND naming the port. */
int presence_uplink(const struct gateway *gateway, const struct switch_info *pe, struct pipeline_uplink *uplink,
                    struct err *err);
/* The switch with a role that there is one of, or null and 'err' saying that none is up. */
const struct switch_info *network_edge(const struct gateway *gateway, enum switch_role role, struct err *err);

/* ---- connections of stateful policies ---- */

/* Sends what the source's ToR has learned of the order's VM to the target. Failures that may pass reach 'join', others
 * are logged. Nothing is sent for a policy without stateful rules. At the target, a connection goes when it has been
 * idle for 'idle_max' seconds, if it would stay longer: early tellings must not fill its ToR with what has ended. */
#define CONNECTIONS_IDLE_ANY UINT16_MAX
void connections_send(struct gateway *gateway, struct migration *migration, unsigned v, uint16_t idle_max,
                      struct join *join);
/* Puts connections of a VM on its ToR. Errors reach 'join'. Of a VM that is no tenant, or whose policy is not stateful,
 * nothing is put anywhere. */
void connections_install(struct gateway *gateway, const uint8_t uuid[UUID_SIZE], const struct connection_list *list,
                         struct join *join);

/* The VM's ToR has been read: tells once when it has learned as much as it may. */
void connections_counted(struct tenant *tenant, const struct known_connections *known);

/* ---- migrations ---- */

/* One VM on its way. */
struct move {
    uint64_t request; /* of the transfer; 0: none */
    unsigned missed;  /* how often in a row neither hypervisor knew the VM */
    struct transfer_progress progress;
    int64_t began_ms, paused_ms, resumed_ms, ended_ms; /* Unix time; 0: not yet */
};

struct migration {
    struct saga *saga;
    unsigned *serials; /* by step: the answer that counts is the latest one's */
    int64_t created_ms;
    struct backend_reply *configure_reply; /* a peer that waits for "configured" */
    struct backend_reply *end_reply;       /* a peer that waits for the end, after its commit or abort */
    struct move *vms;                      /* by index of the order */
    bool target_untouched;                 /* the migration message certainly never arrived */
};

/* Of a driver, until its EVENT_DONE. */
struct request {
    uint64_t number;
    struct join *join;
    answer_fn *fn;
    void *context;
    size_t activity; /* of the switch that it changes, from 1; 0: it changes none */
    enum change_kind change;
    uint64_t failures; /* of that switch, when it was sent */
    uint32_t *meters;  /* that it deletes there */
    size_t n_meters;
};

enum peer_state { PEER_UNKNOWN, PEER_REACHABLE, PEER_UNREACHABLE };

struct peer_watch {
    enum peer_state state;
    struct err err;  /* why it is unreachable */
    struct mono due; /* when it is asked again; MONO_NEVER: it has been asked */
};

struct gateway {
    const struct config *config;
    struct store *store;
    struct gateway_south south;
    struct inventory inventory;
    struct network network;
    struct transport transport;
    struct tunnels tunnels;
    struct drift drift;
    struct mono now;
    /* Asked at the start of each request from the north for the time; gateway_deadline() may have changed afterwards.
     */
    struct mono (*enter)(void *arg);
    void *enter_arg;
    int64_t (*unix_ms)(void *arg); /* for time stamps of the journal */
    void *unix_ms_arg;
    void (*make_uuid)(void *arg, uint8_t uuid[UUID_SIZE]);
    void *make_uuid_arg;
    /* Told of each change that watchers care about: type and JSON (borrowed). May be null. */
    void (*notify)(void *arg, const char *type, json_t *json);
    void *notify_arg;

    struct peer_watch *peer_watches; /* by index of the configuration's peers; null: none is watched */
    struct request *requests;
    size_t n_requests, cap_requests;
    uint64_t last_request;

    struct migration **migrations; /* open ones, and the latest of those that have ended */
    size_t n_migrations, cap_migrations;
    /* By configured server, since the start. Of a server that was never listed nothing counts as gone. */
    bool *servers_heard;  /* its VMs were listed, or it was down */
    bool *servers_listed; /* its VMs were listed */

    /* Until the DC has been seen, or for GATEWAY_GRACE_MS, migrations wait: what a gateway does not know yet after its
     * start must not count as missing. */
    bool ready;
    struct mono ready_at;
    struct mono prune_at; /* when more of the ended migrations are to be forgotten; MONO_NEVER: there are no more */
};

#define GATEWAY_GRACE_MS 20000

/* 'config', 'store' and drivers stay the caller's. Loads open migrations from the store; once the gateway is ready they
 * get SAGA_RESTART. */
struct gateway *gateway_new(const struct config *config, struct store *store, struct err *err);
void gateway_start(struct gateway *gateway, const struct gateway_south *south, struct mono now);
void gateway_free(struct gateway *gateway);
void gateway_event(struct gateway *gateway, const struct event *event, struct mono now);
void gateway_tick(struct gateway *gateway, struct mono now);
struct mono gateway_deadline(const struct gateway *gateway); /* when gateway_tick() is wanted */
/* From now on it finds out now and then whether its peers answer. */
void peer_watch_begin(struct gateway *gateway);
void peer_watch_tick(struct gateway *gateway);
struct mono peer_watch_deadline(const struct gateway *gateway);
/* north/backend.h over this gateway. */
struct backend gateway_backend(struct gateway *gateway);
/* The gateway behind a backend's argument, told what time it is. */
struct gateway *gateway_entered(void *arg);
/* The source's order that a command asks for, checked against the inventory; order_free() is due in any case. */
int backend_read_order(struct gateway *gateway, const json_t *command, struct order *order, struct err *err);
/* 0, or why a peer's order, for which that certificate speaks, is not taken, whatever the data center has room for. */
int backend_check_order(struct gateway *gateway, const char *peer, const struct order *order, struct err *err);
/* Members of the backend that stand in a file of their own. */
void backend_plan(void *arg, const json_t *command, struct backend_reply *reply);
void backend_peer_plan(void *arg, const char *peer, const char *id, const json_t *body, struct backend_reply *reply);
int backend_policy_put(void *arg, const char *vm, const json_t *json, struct err *err);
int backend_policy_delete(void *arg, const char *vm, struct err *err);
int backend_address_set_put(void *arg, const char *name, const json_t *json, struct err *err);
int backend_address_set_delete(void *arg, const char *name, struct err *err);
int backend_user_put(void *arg, const char *name, const json_t *json, struct err *err);
int backend_user_delete(void *arg, const char *name, struct err *err);
int backend_channel_create(void *arg, const json_t *json, json_t **out, struct err *err);
int backend_channel_delete(void *arg, const char *name, struct err *err);
/* Every configured hypervisor was heard since the start. */
bool gateway_servers_heard(const struct gateway *gateway);
bool gateway_servers_up(const struct gateway *gateway); /* and listed */
bool gateway_server_listed(const struct gateway *gateway, const char *name);
bool gateway_servers_listed(const struct gateway *gateway); /* every one */
/* 0, or ERR_UNREACHABLE with a sentence, while the gateway is not ready. */
int gateway_check_ready(const struct gateway *gateway, struct err *err);
/* Puts a document into the store (store_document_put()). Takes over 'json'. */
int gateway_keep(struct gateway *gateway, const char *kind, const char *name, json_t *json, struct err *err);
const struct config_server *gateway_server_config(const struct gateway *gateway, const char *name);
const struct config_peer *gateway_peer_config(const struct gateway *gateway, const char *dc);

struct migration *migration_find(const struct gateway *gateway, const char *id, enum migration_role role);
/* A migration that ended before the gateway was started, from the store; null if there is none. */
struct migration *migration_recall(struct gateway *gateway, const char *id, enum migration_role role);
/* Remembers that a target's migration was called off before its message came. */
int migration_bury(struct gateway *gateway, const char *id, const char *peer, struct err *err);
/* Whether a target's migration was called off or pruned; '*tombstone' tells. */
bool migration_is_buried(const struct gateway *gateway, const char *id, struct store_tombstone *tombstone);
/* Forgets what ended before the last history.migrations, in the transaction that writes the end of 'ended'. */
int history_prune(struct gateway *gateway, const struct order *ended, struct err *err);
/* Whether a migration is still among those that operators are told of. */
bool history_has(const struct gateway *gateway, const struct migration *migration);
/* ERR_NOT_FOUND, and the sentence that says how many are kept. */
int history_miss(const struct gateway *gateway, const char *id, struct err *err);
void history_tick(struct gateway *gateway);
const char *migration_role_name(enum migration_role role);
/* Whether a certificate's common name is that of the gateway of 'dc': peers[].name, by default "scg-" and the DC's name
 * in lower case. */
bool peer_is_known(const struct gateway *gateway, const char *common_name);
bool peer_is_dc(const struct gateway *gateway, const char *common_name, const char *dc);
/* The open migration that is in charge of a VM, or null; '*vm' gets its index. */
struct migration *migration_of_vm(const struct gateway *gateway, const uint8_t uuid[UUID_SIZE], int *vm);
int migrations_load(struct gateway *gateway, struct err *err);
void migrations_restore_network(struct gateway *gateway);
void migrations_restart(struct gateway *gateway);
void migration_free(struct migration *migration);
/* Answers with an error. */
void backend_refuse(struct backend_reply *reply, const struct err *err);
void backend_refuse_stopping(struct backend_reply *reply); /* what becomes of the request is not known */
void backend_refuse_stopping(struct backend_reply *reply); /* what becomes of the request is not known */
/* 0, or ERR_EXHAUSTED: as many are open as may be. */
int migration_check_room(const struct gateway *gateway, struct err *err);
/* Accepts an order: journal first, then SAGA_START. Takes over 'order'. */
struct migration *migration_begin(struct gateway *gateway, struct order *order, struct backend_reply *reply,
                                  struct err *err);
void migration_event(struct gateway *gateway, struct migration *migration, struct saga_event event);
/* The outcome of a step's action, from 'done' of a join or at once. */
void step_outcome(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial,
                  enum saga_event_type type, const struct err *err);
void migrations_tick(struct gateway *gateway);
struct mono migrations_deadline(const struct gateway *gateway);
/* What open orders but 'except' have booked of a channel to another data center, Mbit/s. */
uint32_t channel_booked_mbps(const struct gateway *gateway, const char *channel, const struct order *except);
/* The channel that an order takes. Existing ones first: by configuration, then circuits; of these one that the order
 * has already chosen. Else one that is to be set up, unless there is no way for it now, but a circuit that waits for
 * one. 0, or ERR_EXHAUSTED, ERR_NOT_FOUND. */
struct channel_choice {
    char name[NAME_SIZE];
    uint32_t mbps; /* of the whole channel */
    bool by_configuration;
    struct circuit circuit; /* else; to be opened, which is fine if it exists. What it owns is not the choice's */
};
int channel_choose(struct gateway *gateway, const struct order *order, struct channel_choice *choice, struct err *err);
/* Whether an open order but 'except' has the channel. */
bool channel_held(const struct gateway *gateway, const char *channel, const struct order *except);
/* The order needs its channel no more: takes it down if it was set up for orders and none is left. */
void channel_release(struct gateway *gateway, const struct order *order, struct join *join);

/* One driver of steps for each role; 'serial' goes into step_outcome(). */
void source_apply(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial);
void source_confirm(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial);
void source_undo(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial);
/* Its hypervisor has paused the order's VM: it will run at the target. */
void source_paused(struct gateway *gateway, struct migration *migration, unsigned v);
void source_abort_transfer(struct gateway *gateway, struct migration *migration, unsigned step);
void target_apply(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial);
void target_confirm(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial);
void target_undo(struct gateway *gateway, struct migration *migration, unsigned step, unsigned serial);
/* Whether this data center can take the VMs of an order, which 'migration' carries out (null: nobody yet): server,
 * switches, names and addresses that clash, generations, MTU, memory, flow tables, users. Changes nothing. 0, or an
 * error that says what does not fit. */
int admission_check(struct gateway *gateway, const struct order *order, const struct migration *migration,
                    struct err *err);
/* 0, or ERR_CONFLICT: an address or the MAC of the VM, which runs here, is that of another one that has a network, that
 * had one before the gateway's start and may still run, or that an order brings here. */
int admission_check_running(const struct gateway *gateway, const struct vm *vm, struct err *err);
/* Whether the limits of the ToR's tables leave room for the flows of the order's VMs, or of a VM's new policy. 0, or
 * ERR_REFUSED with the table and the numbers. */
int flow_limits_check_order(struct gateway *gateway, const struct switch_info *tor, const struct order *order,
                            const struct migration *migration, struct err *err);
int flow_limits_check_policy(struct gateway *gateway, const uint8_t uuid[UUID_SIZE], const struct policy *policy,
                             struct err *err);
/* How many flows of each table with a limit are taken or promised: 'used' has one for each of the switch's limits. */
void flow_limits_used(struct gateway *gateway, const struct switch_info *sw, uint32_t *used);
/* The VM as the network of this gateway serves it; its policy is borrowed from the order. */
struct tenant tenant_of_order(const struct order *order, unsigned vm);
/* The ways between servers that an order needs at this gateway: 'channels' has room for one a VM; returns how many. */
unsigned channels_of_order(const struct order *order, struct open_channel *channels);
/* Open or close them; 'join' is closed. */
void open_channels(struct gateway *gateway, struct migration *migration, struct join *join);
void close_channels(struct gateway *gateway, struct migration *migration, struct join *join);
/* Takes down circuits of the order's users that this data center does not serve, or no more. */
void close_circuits(struct gateway *gateway, const struct order *order, struct join *join);
/* A join whose end is the outcome of a step (OK or FAILED, or UNDO_OK and UNDO_FAILED). */
struct join *step_join(struct migration *migration, unsigned step, unsigned serial, bool undo);
/* What the step found, for the journal if it ends well; 'note' is from malloc(), and replaces what was noted. Not of a
 * step that is undone. */
void step_join_note(struct join *join, char *note);

/* ---- views ---- */

json_t *view_migration(const struct migration *migration);
/* What the order, which names its channel, would do here and, by 'target' (null: it was not asked), there. 0, or what
 * channel_choose() says. */
int view_plan(struct gateway *gateway, const struct order *order, const struct plan_target *target, json_t **out,
              struct err *err);
json_t *view_circuit(const struct gateway *gateway, const struct circuit *circuit);
void view_channels(const struct gateway *gateway, json_t *array); /* appends them */
void view_users(const struct gateway *gateway, json_t *array);
void view_address_sets(const struct gateway *gateway, json_t *array);
json_t *view_transport(const struct gateway *gateway);
int view_get(struct gateway *gateway, const char *collection, const char *name, json_t **out, struct err *err);
char *view_metrics(const struct gateway *gateway);
/* What a peer is told of a migration. */
json_t *view_peer_status(struct gateway *gateway, const struct migration *migration);
/* The same of one that was pruned: how it ended, without VMs. */
json_t *view_tombstone(const struct store_tombstone *tombstone);

#endif
