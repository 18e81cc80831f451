/* SPDX-License-Identifier: Apache-2.0 */
/* What drivers tell the gateway. Drivers never call back: they append events to one queue, which the loop drains into
 * the gateway. Every request to a driver carries a number of the caller's choice and ends in exactly one EVENT_DONE
 * with that number. */
#ifndef MODEL_EVENT_H
#define MODEL_EVENT_H

#include <jansson.h>

#include "base/err.h"
#include "model/flow.h"
#include "model/inventory.h"
#include "model/lsp.h"
#include "model/ted.h"

enum event_type {
    EVENT_DONE,          /* request, err, and what was asked for in 'read', 'location', 'answer' or 'lsp' */
    EVENT_SWITCH_UP,     /* name, sw: its ports are known and it takes flows */
    EVENT_SWITCH_DOWN,   /* name, err: why */
    EVENT_SWITCH_LIMITS, /* name, sw.limits and nothing else of sw: they have changed */
    EVENT_PORT,          /* name of the switch, port: changed or new */
    EVENT_LINK,          /* link seen by LLDP */
    EVENT_LINK_GONE,     /* link: LLDP has not shown it for a while, though its ports are up */
    EVENT_ATTACHMENT,    /* attachment seen by LLDP */
    EVENT_PACKET,        /* name of the switch, packet: one that a flow sent to the controller */
    EVENT_FLOWS_CHANGED, /* name of the switch: somebody else has changed its flows */
    EVENT_SERVER_UP,     /* name, server */
    EVENT_SERVER_DOWN,   /* name, err */
    EVENT_SERVER_LISTED, /* name: every VM of the server has been told since it came up */
    EVENT_VM,            /* vm: discovered or changed; 'vm_cause' */
    EVENT_VM_GONE,       /* vm: uuid, name, server */
    EVENT_PROGRESS,      /* request of the migration, progress */
    EVENT_TE_LINK,       /* te_link: flooded, new or changed */
    EVENT_TE_LINK_GONE,  /* te_link.key */
    EVENT_TE_SYNCED,     /* every link has been told since the session with the routing protocol came up */
    EVENT_TE_DOWN,       /* err: that session has ended; what was told may be old */
    EVENT_INGRESS_UP,    /* router: a node that sets LSPs up; each of them has been reported */
    EVENT_INGRESS_DOWN,  /* router, err */
    EVENT_LSP            /* lsp: an ingress reports it */
};

enum vm_cause {
    CAUSE_DISCOVERED,       /* also every other change */
    CAUSE_MIGRATION_PAUSED, /* source: suspended because its memory has gone over; it will run at the target */
    CAUSE_MIGRATION_RESUMED /* target: it runs here now (the point of no return) */
};

/* Where one hypervisor says that a VM is. */
enum vm_place {
    PLACE_UNKNOWN,  /* the hypervisor did not answer */
    PLACE_ABSENT,   /* no such domain, or defined and shut off */
    PLACE_INCOMING, /* a migration to here has not ended */
    PLACE_RUNNING,
    PLACE_MOVING, /* it runs here and a migration job is active */
    PLACE_PAUSED  /* here, not running, no job */
};

const char *vm_place_name(enum vm_place place);             /* "running", ...; never null */
int vm_place_parse(const char *name, enum vm_place *place); /* 0 or ERR_INVALID */

struct transfer_progress {
    uint64_t bytes_total, bytes_processed, bytes_remaining; /* memory */
    uint64_t rate_bps;                                      /* bytes/s, as libvirt measures it; 0: not known */
    uint32_t iteration;
    uint32_t elapsed_ms;
    uint32_t downtime_ms; /* 0 until it ended */
};

#define EVENT_FRAME_MAX 2048

struct event {
    enum event_type type;
    enum vm_cause vm_cause;
    uint64_t request;
    char name[NAME_SIZE];
    struct err err; /* code 0: success */
    union {
        struct switch_info sw;
        struct switch_port port;
        struct link link;
        struct attachment attachment;
        struct server server;
        struct vm vm;
        struct transfer_progress progress;
        enum vm_place location;
        struct {
            uint32_t port;   /* that it came in by; 0: the switch did not say */
            uint8_t table;   /* of the flow */
            uint64_t cookie; /* of the flow: what it was sent for */
            size_t size;     /* of what the switch sent of it, at most EVENT_FRAME_MAX */
            uint8_t *frame;
        } packet;
        struct {
            struct flow_list flows;
            struct flow_meter *meters;
            size_t n_meters;
            struct flow_queue *queues; /* of all ports, whoever made them */
            size_t n_queues;
        } read;
        struct te_link te_link;
        uint32_t router; /* router id */
        struct lsp_report lsp;
        struct {
            int status;   /* of HTTP */
            json_t *body; /* may be null */
        } answer;
    };
    /* Which union member owns memory: */
    enum {
        EVENT_OWNS_NOTHING,
        EVENT_OWNS_SWITCH,
        EVENT_OWNS_READ,
        EVENT_OWNS_PACKET,
        EVENT_OWNS_ANSWER,
        EVENT_OWNS_LSP
    } owns;
};

struct event_queue {
    struct event **events;
    size_t head, n, capacity;
    /* Called after each append; wakes the loop. May be null. */
    void (*wake)(void *arg);
    void *wake_arg;
};

/* Appends a zeroed event of 'type' and returns it for filling in; it belongs to the queue. Loop thread only. */
struct event *event_push(struct event_queue *queue, enum event_type type);
/* EVENT_DONE of 'request'; err null: success. */
struct event *event_push_done(struct event_queue *queue, uint64_t request, const struct err *err);
/* The oldest event, now the caller's (event_discard), or null. */
struct event *event_pop(struct event_queue *queue);
void event_discard(struct event *event); /* null is fine; libevent has taken the name event_free() */
void event_queue_clear(struct event_queue *queue);

#endif
