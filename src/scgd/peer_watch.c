/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the gateways of other data centers answer: each is asked now and then for a migration that there is none of,
 * which it says at once. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "model/problem.h"
#include "scgd/gateway.h"

#define INTERVAL_MS 30000
#define AGAIN_MS 5000 /* while it does not answer */
#define PATIENCE_MS 5000
#define NO_MIGRATION "00000000-0000-0000-0000-000000000000"

static void answered(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    AUTO_FREE unsigned *index = context;
    struct peer_watch *watch = &gateway->peer_watches[*index];
    const char *dc = gateway->config->peers[*index].dc;
    struct err err = event->err;
    (void) join;

    if (err.code == 0 && event->answer.status != 404 && event->answer.status >= 300)
        problem_decode(event->answer.status, event->answer.body, &err);
    bool reachable = err.code == 0;
    if (reachable && watch->state == PEER_UNREACHABLE)
        log_info(dc, "its gateway answers again");
    if (!reachable && watch->state != PEER_UNREACHABLE)
        log_info(dc, "its gateway does not answer: %s", err.text);
    watch->state = reachable ? PEER_REACHABLE : PEER_UNREACHABLE;
    watch->err = err;
    watch->due = mono_add(gateway->now, reachable ? INTERVAL_MS : AGAIN_MS);
}

static void ask(struct gateway *gateway, unsigned index)
{
    struct join *join = join_new(NULL);
    uint64_t request = gateway_request(gateway, join, answered, xmemdup(&index, sizeof index));

    gateway->peer_watches[index].due = MONO_NEVER;
    gateway->south.peers->ops->call(gateway->south.peers, request, gateway->config->peers[index].dc, PEER_STATUS,
                                    NO_MIGRATION, NULL, PATIENCE_MS);
    join_close(gateway, join);
}

void peer_watch_begin(struct gateway *gateway)
{
    gateway->peer_watches = xcalloc(gateway->config->peers_count + 1, sizeof *gateway->peer_watches);
    for (unsigned i = 0; i < gateway->config->peers_count; i++)
        gateway->peer_watches[i].due = gateway->now;
}

void peer_watch_tick(struct gateway *gateway)
{
    for (unsigned i = 0; gateway->peer_watches && i < gateway->config->peers_count; i++) {
        if (mono_reached(gateway->peer_watches[i].due, gateway->now))
            ask(gateway, i);
    }
}

struct mono peer_watch_deadline(const struct gateway *gateway)
{
    struct mono deadline = MONO_NEVER;

    for (unsigned i = 0; gateway->peer_watches && i < gateway->config->peers_count; i++)
        deadline = mono_min(deadline, gateway->peer_watches[i].due);
    return deadline;
}
