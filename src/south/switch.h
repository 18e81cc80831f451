/* SPDX-License-Identifier: Apache-2.0 */
/* The switches of a DC: the contract that the OpenFlow + OVSDB driver and the tests' dummy fulfil.
 *
 * No function blocks. Each request ends in one EVENT_DONE with its number, in the event queue that the driver was made
 * with; ERR_UNKNOWN means that the switch may or may not have done it (ask with 'read'); ERR_UNREACHABLE that it
 * certainly did nothing; ERR_REFUSED that it said no and holds what it held before. The driver also appends
 * EVENT_SWITCH_UP/DOWN/LIMITS, EVENT_PORT, EVENT_LINK, EVENT_LINK_GONE, EVENT_ATTACHMENT, EVENT_PACKET and
 * EVENT_FLOWS_CHANGED on its own; the last one at most each SWITCH_CHANGES_MS, and always after the last change. */
#ifndef SOUTH_SWITCH_H
#define SOUTH_SWITCH_H

#include "model/event.h"
#include "model/flow.h"

#define SWITCH_CHANGES_MS 100

struct switch_driver;

/* What of a switch is read. */
struct switch_query {
    uint8_t table; /* or FLOW_TABLE_ALL */
    uint64_t cookie, mask;
    /* Called with each flow as it comes, before the request's EVENT_DONE, which only brings those that it returns true
     * for: so memory is bounded however many a switch holds. Null: all are kept. 'arg' stays valid until the EVENT_DONE
     * was handled, or the driver is not run any more. */
    bool (*keep)(void *arg, const struct flow *flow);
    void *arg;
};

/* A packet that begins its way as if it had come in by a port. */
struct switch_injection {
    uint32_t in_port;                  /* PORT_CONTROLLER: none */
    const struct flow_action *actions; /* what is done to it first, e.g. ACTION_RESUBMIT into a table */
    size_t n_actions;
    const void *frame;
    size_t size; /* 14.. */
};

struct switch_queue_set {
    const struct flow_queue *queues; /* those of a port stand together */
    size_t n;
    bool complete;  /* what is not said goes; else VMs that are not named keep theirs */
    const char *vm; /* whose queues the request is about: ports where it has none do not fail it. Null: all of them */
};

struct switch_ops {
    /* Applies 'txn' as one: all of it or nothing. Takes over txn's memory and leaves it empty. */
    void (*apply)(struct switch_driver *driver, uint64_t request, const char *switch_name, struct flow_txn *txn);

    /* Makes the queues of the switch's ports what 'set' says; it is borrowed. Only queues made by this function are
     * touched: ERR_CONFLICT if a port has others, which names port and QoS row; the other ports get theirs all the
     * same. A request that follows before this one ends may end both. Success without asking where there are none and
     * shall be none. */
    void (*set_queues)(struct switch_driver *driver, uint64_t request, const char *switch_name,
                       const struct switch_queue_set *set);

    /* Reads flows of 'table' whose cookie equals 'cookie' under 'mask', all meters, and all queues as OVSDB has told
     * them. Done event: 'read'. The query is copied. */
    void (*read)(struct switch_driver *driver, uint64_t request, const char *switch_name,
                 const struct switch_query *query);

    /* Sends a frame out of a port. Best effort, no request. */
    void (*packet_out)(struct switch_driver *driver, const char *switch_name, uint32_t port, const void *frame,
                       size_t size);

    /* The same for a packet that goes where actions lead. */
    void (*inject)(struct switch_driver *driver, const char *switch_name, const struct switch_injection *injection);

    void (*free)(struct switch_driver *driver); /* ends sessions; no event follows */
};

struct switch_driver {
    const struct switch_ops *ops;
};

#endif
