/* SPDX-License-Identifier: Apache-2.0 */
/* A world in memory around two real gateways: virtual time, devices, hypervisors and a network between gateways that
 * lose, delay, repeat and refuse, and gateways that crash, all from one seed. One event at a time is taken; after each
 * the invariants are checked.
 *
 *   world.c       time, chance, gateways' lives      devices.c     dummy switches and routes
 *   machines.c    dummy hypervisors                  post.c        dummy peer calls
 *   transport.c   dummy transport network            fabric.c      links between switches
 *   walk.c        frames through the tables of dummy switches
 *   invariants.c  what must hold                     sim.c         the run of a seed, the command line */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "model/event.h"
#include "scgd/gateway.h"

#define SIM_VMS_MAX 3
#define SIM_TOR "tor"
#define SIM_PE "pe"
#define SIM_INTER_DC "gate"
#define SIM_P1 "p1" /* these two in VPLS mode */
#define SIM_P2 "p2"
#define SIM_SWITCHES 5
#define SIM_PORTS 5 /* of a switch */

/* Transport nodes that the data centers' PEs are joined to. */
enum { SIM_ROUTER_PE_A = 11, SIM_ROUTER_PE_B = 12, SIM_ROUTER_GATE_A = 13, SIM_ROUTER_GATE_B = 14 };
#define SIM_USER "ce1"

struct world;
struct site;

typedef void happening_fn(struct world *world, void *arg);

/* Something that will happen. Of one gateway's life ('life' not 0): only if that life still lasts. */
struct happening {
    int64_t at;
    uint64_t sequence; /* ties are broken by age */
    struct site *site;
    unsigned life;
    happening_fn *fn;
    void *arg;
    happening_fn *drop; /* frees 'arg' when the happening is dropped; may be null */
};

struct sim_switch {
    char name[NAME_SIZE];
    struct flow_list flows;
    struct flow_meter meters[64];
    size_t n_meters;
    int64_t busy_until; /* a session is a stream: orders arrive in the order in which they were given */
    unsigned version;   /* raised by each change */
    unsigned checked;   /* the version that the invariants have seen */
    bool off;
    bool cut[SIM_PORTS]; /* by port: the link there */
};

struct site { /* one data center */
    struct world *world;
    const char *dc, *other_dc;
    struct config config;
    struct store *store;
    struct gateway *gateway; /* null: crashed */
    unsigned life;           /* of the gateway; raised at each start */
    bool cut;                /* the gateway is about to crash: what it orders no longer leaves */
    struct event_queue queue;
    struct switch_driver switches;
    struct hypervisor_driver hypervisors;
    struct routes_driver routes;
    struct peer_driver peers;
    struct backend_reply plan_reply; /* of whoever has orders planned; it may never come */
    struct transport_driver transport;
    int64_t ingress_busy_until; /* orders arrive in the order in which they were given */
    struct sim_switch sw[SIM_SWITCHES];
    unsigned n_switches;
    bool disturbed;     /* a switch or a link of the fabric failed since the last order */
    int64_t told_until; /* a hypervisor tells things in the order in which they happened */
    struct ip routes_set[SIM_VMS_MAX];
    size_t n_routes;
};

enum sim_vm_phase { VM_STILL, VM_COPYING, VM_STOPPED, VM_ARRIVED };

struct sim_vm { /* what the hypervisors know */
    struct vm vm;
    struct site *at; /* where it runs, or is paused */
    bool running;
    enum sim_vm_phase phase; /* of a transfer */
    struct site *to;
    uint64_t request;
    unsigned life;     /* of the gateway that asked */
    unsigned transfer; /* counts transfers, so that late happenings of an old one are seen */
    bool aborted;
    bool off;             /* the guest was shut down, for good */
    bool foreign;         /* its policy was written to the switch by an administrator */
    struct policy policy; /* what it must always be under */
    bool connected;       /* its ToR has learned a connection of it, which has to go with it */
};

struct sim_lsp {
    struct lsp_report report;
};

struct world {
    bool forgets;  /* a ToR was rebooted, or refused to take connections */
    bool cuts_off; /* a ToR refused flows of a VM that is there */
    uint64_t seed, random;
    int64_t now, faults_until;
    unsigned percent_lost, percent_refused, percent_crash; /* while faults last */
    struct happening *heap;
    size_t n_heap, cap_heap;
    uint64_t sequence;
    struct site sites[2];
    struct sim_vm vms[SIM_VMS_MAX];
    unsigned n_vms;
    bool has_transport; /* channels between the data centers are set up, and the VMs below have a user at a circuit */
    bool lsp_failed;    /* one did, by itself: what it carried was cut until it stood again */
    unsigned user_vms;  /* the first so many VMs are the user's */
    struct sim_lsp *lsps;
    size_t n_lsps, cap_lsps;
    bool trace;
    struct err broken; /* the invariant that does not hold */
    uint64_t events, migrations, crashes, crossed, rolled_back;
};

/* world.c */
void world_init(struct world *world, uint64_t seed, bool trace);
void world_free(struct world *world);
bool world_step(struct world *world); /* false: nothing will happen any more, or an invariant broke */
void world_at(struct world *world, int64_t ms, struct site *site, bool of_life, happening_fn *fn, void *arg,
              happening_fn *drop);
uint32_t chance(struct world *world, uint32_t n);  /* 0..n-1 */
bool fault(struct world *world, unsigned percent); /* never after faults_until */
void tell(struct world *world, const struct site *site, const char *format, ...) __attribute__((format(printf, 3, 4)));
void gateway_begin(struct site *site);
void gateway_crash(struct site *site);
void maybe_crash(struct site *site); /* called where an order leaves: before it, or after it */
struct site *site_other(struct site *site);
/* An event for the gateway, after a delay. */
void deliver(struct site *site, int64_t ms, struct event event);
void deliver_done(struct site *site, int64_t ms, uint64_t request, int code, const char *text);

/* devices.c, machines.c, post.c */
void devices_init(struct site *site);
struct sim_switch *device(struct site *site, const char *name);
void machines_init(struct site *site);
void machines_tell_all(struct site *site);
void machine_off(struct sim_vm *vm); /* the guest shuts itself down */
void post_init(struct site *site);
void transport_init(struct site *site);
void transport_tell_all(struct site *site);
void lsp_fails(struct world *world); /* one of them, by itself */
/* Whether an LSP stands whose name begins so. */
bool lsp_stands(struct world *world, uint32_t ingress, const char *begin);

/* fabric.c */
void fabric_init(struct site *site);
void fabric_tell_all(struct site *site);
void switch_reboots(struct site *site, const char *name); /* empty afterwards */
void fabric_cut(struct site *site);                       /* one link, for a while; in VPLS mode */
/* The switch at the other end of a port, and the port there; null: there is none, or the link is down. */
const struct sim_switch *fabric_next(struct site *site, const struct sim_switch *sw, uint32_t port, uint32_t *ret_port);

/* walk.c: a frame of the segment, to 'to' (null: flooded), enters the fabric at an end in VPLS mode. How often it comes
 * out at other ends; '*ret_at' gets the last one of them. A frame that goes wrong breaks the world. */
unsigned walk(struct site *site, const char *from, uint16_t vlan, const struct mac *to, const char **ret_at);

/* pseudowires.c: in VPLS mode. 'wanted': VMs are there. */
void check_pseudowires(struct site *site);
void check_labels(struct site *site, bool wanted);

/* invariants.c */
void check_always(struct world *world);
void check_quiet(struct world *world);
unsigned vms_at(const struct world *world, const struct site *site);
char *network_snapshot(struct site *site); /* every flow and meter of a site's switches, as text; caller frees */

#endif
