/* SPDX-License-Identifier: Apache-2.0 */
#include "central.h"

#include <stdio.h>

#include "base/alloc.h"
#include "gmpls/crossconnect.h"
#include "gmplsd/bridge.h"

/* None of gmplsd's, as its node makes them. */
#define FIRST_ID 200000u
#define FIRST_LABEL 300000u
#define FIRST_VLAN 2048u

#define RATE_BPS 1000000
#define TIMEOUT_MS 10000
#define PROBE_MS 10 /* as gmplsd's */

struct site {
    struct central *central;
    struct bridge *bridge;
};

struct central {
    struct site sites[CENTRAL_NODES_MAX + 1]; /* by the node's number */
    uint32_t nodes;
    const struct central_callbacks *callbacks;
    void *arg;
    struct loop *loop;
    struct timer *timer;
    /* The one LSP that is being set or cleared. */
    uint32_t n;
    unsigned waits;   /* bridges that have not answered */
    struct xc probed; /* at the ingress; its id is 0 if no probe is due */
};

static void up(void *arg)
{
    const struct site *site = arg;

    site->central->callbacks->up(site->central->arg);
}

static void down(void *arg, const struct err *reason)
{
    const struct site *site = arg;

    site->central->callbacks->failed(site->central->arg, reason->text);
}

static void port(void *arg, const char *name, uint32_t number, bool link)
{
    (void) arg;
    (void) name;
    (void) number;
    (void) link;
}

static void end(struct central *central)
{
    timer_set(central->timer, MONO_NEVER);
    central->callbacks->done(central->arg, central->n);
}

static void packet(void *arg, uint32_t in_port, uint64_t cookie, const uint8_t *frame, size_t size)
{
    const struct site *site = arg;
    struct central *central = site->central;
    uint32_t label;
    uint64_t nonce;

    (void) in_port;
    (void) cookie;
    if (!central->probed.id || xc_probe_decode(frame, size, &label, &nonce) < 0 || nonce != central->probed.id)
        return; /* one of gmplsd's: controllers see each other's */
    central->probed.id = 0;
    end(central);
}

static void probe(void *arg)
{
    struct central *central = arg;
    struct flow_action action = {.type = ACTION_OUTPUT, .port = central->probed.out.port};
    uint8_t frame[XC_PROBE_SIZE_MIN];
    struct err err;

    xc_probe_encode(&central->probed, central->probed.id, frame, sizeof frame);
    bridge_packet_out(central->sites[central->probed.node].bridge, PORT_CONTROLLER, &action, 1, frame, sizeof frame,
                      &err);
    timer_set(central->timer, mono_add(loop_now(central->loop), PROBE_MS));
}

static void done(void *arg, uint64_t request, const struct err *err)
{
    const struct site *site = arg;
    struct central *central = site->central;

    (void) request;
    if (err->code)
        central->callbacks->failed(central->arg, err->text);
    else if (--central->waits == 0 && central->probed.id)
        probe(central);
    else if (central->waits == 0)
        end(central);
}

/* Towards the node that comes before or after on the path; 0: the client. */
static struct xc_side side_of(const struct site *site, uint32_t node, uint32_t other, uint32_t n)
{
    struct xc_side side = {.kind = other ? XC_LINK : XC_VLAN};
    char name[32];

    if (other) {
        snprintf(name, sizeof name, "d%u-%u", node, other);
        side.in_label = side.out_label = FIRST_LABEL + n;
    } else {
        snprintf(name, sizeof name, "x%u", node);
        side.vlan = (uint16_t) (FIRST_VLAN + n);
    }
    side.port = bridge_port(site->bridge, name, NULL);
    return side;
}

void central_set(struct central *central, uint32_t n, const uint32_t *path, size_t hops)
{
    central->n = n;
    central->waits = (unsigned) hops + 1;
    for (size_t i = 0; i <= hops; i++) {
        struct site *site = &central->sites[path[i]];
        struct xc xc = {.id = FIRST_ID + n,
                        .node = path[i],
                        .in = side_of(site, path[i], i ? path[i - 1] : 0, n),
                        .out = side_of(site, path[i], i < hops ? path[i + 1] : 0, n),
                        .rate_bps = RATE_BPS};
        struct flow_txn txn = {0};

        if (i == 0)
            central->probed = xc;
        xc_set(&txn, &xc);
        bridge_apply(site->bridge, &txn, n, done);
    }
}

void central_clear(struct central *central, uint32_t n, const uint32_t *path, size_t hops)
{
    central->n = n;
    central->waits = (unsigned) hops + 1;
    central->probed.id = 0;
    for (size_t i = 0; i <= hops; i++) {
        struct flow_txn txn = {0};

        xc_clear(&txn, FIRST_ID + n);
        bridge_apply(central->sites[path[i]].bridge, &txn, n, done);
    }
}

struct central *central_new(struct loop *loop, const char *address, uint16_t first_port, uint32_t nodes,
                            const struct central_callbacks *callbacks, void *arg, struct err *err)
{
    static const struct bridge_callbacks of_bridge = {up, down, port, packet};
    struct central *central = xcalloc(1, sizeof *central);

    central->callbacks = callbacks;
    central->arg = arg;
    central->nodes = nodes;
    central->loop = loop;
    central->timer = timer_new(loop, probe, central);
    for (uint32_t node = 1; node <= nodes; node++) {
        struct bridge_config config = {address, (uint16_t) (first_port + node), node, TIMEOUT_MS};

        central->sites[node].central = central;
        central->sites[node].bridge = bridge_new(loop, &config, &of_bridge, &central->sites[node], err);
        if (!central->sites[node].bridge) {
            central_free(central);
            return NULL;
        }
    }
    return central;
}

void central_free(struct central *central)
{
    if (!central)
        return;
    for (uint32_t node = 1; node <= central->nodes; node++)
        bridge_free(central->sites[node].bridge);
    timer_free(central->timer);
    free(central);
}
