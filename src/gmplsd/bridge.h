/* SPDX-License-Identifier: Apache-2.0 */
/* The bridge of a transport node: the one OpenFlow switch that this daemon is the controller of. The bridge connects to
 * us; one with another datapath id is turned away. */
#ifndef GMPLSD_BRIDGE_H
#define GMPLSD_BRIDGE_H

#include "io/loop.h"
#include "model/flow.h"

struct bridge;

struct bridge_config {
    const char *address; /* to listen on, numeric */
    uint16_t port;       /* 0: any free one */
    uint64_t dpid;
    uint32_t timeout_ms; /* for an answer of the bridge; twice that for a transaction, which may have to wait */
};

/* All are called from the loop. What the bridge held before 'up' is unknown: it may be a new one. */
struct bridge_callbacks {
    void (*up)(void *arg);
    void (*down)(void *arg, const struct err *reason);
    /* While it is up: a port appeared, vanished (number 0), or its link came or went. Not called for the ports that are
     * there at 'up'. */
    void (*port)(void *arg, const char *name, uint32_t number, bool link);
    void (*packet)(void *arg, uint32_t in_port, uint64_t cookie, const uint8_t *frame, size_t size);
};

/* The answer to one request: err.code 0, ERR_REFUSED (the bridge holds what it held before), ERR_UNKNOWN or ERR_TIMEOUT
 * (it may or may not have done it), ERR_UNREACHABLE (it has not). Called once for each request, also when the bridge
 * goes down; not by bridge_free(). */
typedef void bridge_done_fn(void *arg, uint64_t request, const struct err *err);
/* What a bridge holds; all empty after a failure. */
struct bridge_content {
    struct flow_list flows;
    struct flow_meter *meters;
    size_t n_meters, cap_meters;
};

/* The same for a read; 'content' is valid during the call. */
typedef void bridge_read_fn(void *arg, const struct bridge_content *content, const struct err *err);

/* Null and 'err' if it cannot listen. */
struct bridge *bridge_new(struct loop *loop, const struct bridge_config *config,
                          const struct bridge_callbacks *callbacks, void *arg, struct err *err);
void bridge_free(struct bridge *bridge); /* null is fine */
uint16_t bridge_listen_port(const struct bridge *bridge);

bool bridge_is_up(const struct bridge *bridge);
/* Number of the port of this name, 0 if there is none or the bridge is down. 'link' (may be null): frames can pass. */
uint32_t bridge_port(const struct bridge *bridge, const char *name, bool *link);

/* Applies 'txn' as one, after all that were given before; its memory is taken over. 'request' is the caller's. */
void bridge_apply(struct bridge *bridge, struct flow_txn *txn, uint64_t request, bridge_done_fn *done);
/* Reads all flows whose cookie equals 'cookie' under 'mask', and all meters. */
void bridge_read(struct bridge *bridge, uint64_t cookie, uint64_t mask, bridge_read_fn *done);
/* Puts a frame through these actions. Best effort. */
int bridge_packet_out(struct bridge *bridge, uint32_t in_port, const struct flow_action *actions, size_t n_actions,
                      const uint8_t *frame, size_t size, struct err *err);

#endif
