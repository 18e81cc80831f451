/* SPDX-License-Identifier: Apache-2.0 */
#include "gmplsd/daemon.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/log.h"

#define PROBE_FIRST_MS 3 /* from our switch's answer to the first probe: the other switches have had theirs by then */
#define PROBE_MS 10      /* until its first repeat */
#define DELETE_MS 2000   /* how long a removal waits for the egress's answer */
#define RECORD_MS 5      /* for which a record may wait */
#define EPOCH_MASK 0xffffffu

/* ---- records ---- */

/* Also the daemon's end of a full disk: what is not kept is lost with the daemon, not before. */
static void tell_store(const struct err *err)
{
    log_error(FAULT_OPERATOR, NULL, "an LSP is not kept over a restart: %s", err->text);
}

static void save(struct daemon *daemon, uint64_t key, const char *text)
{
    struct err err;

    daemon->recorded = true;
    if (lsp_store_put(daemon->store, key, text, &err) < 0)
        tell_store(&err);
}

static void forget(struct daemon *daemon, uint64_t key)
{
    struct err err;

    daemon->recorded = true;
    if (lsp_store_remove(daemon->store, key, &err) < 0)
        tell_store(&err);
}

static void commit(struct daemon *daemon)
{
    struct err err;

    if (lsp_store_commit(daemon->store, &err) < 0)
        tell_store(&err);
}

/* What a node records before it says something is on the disk then. */
static void commit_recorded(struct daemon *daemon)
{
    if (daemon->recorded)
        commit(daemon);
    daemon->recorded = false;
}

/* ---- actions ---- */

static void carry_out(struct daemon *daemon, struct node_action *action)
{
    switch (action->type) {
    case NODE_SEND:
        commit_recorded(daemon);
        signalling_send(daemon->signalling, action);
        break;
    case NODE_XC_SET:
        switching_set(daemon->switching, &action->xc);
        break;
    case NODE_XC_CLEAR:
        switching_clear(daemon->switching, &action->xc);
        break;
    case NODE_PROBE:
        switching_probe(daemon->switching, &action->xc, action->nonce);
        break;
    case NODE_REPORT:
        commit_recorded(daemon);
        pccs_report(daemon->pccs, action->report);
        break;
    case NODE_BANDWIDTH:
        flooding_set(daemon->flooding, action->link, action->unreserved);
        break;
    case NODE_SAVE:
        save(daemon, action->key, action->text);
        break;
    case NODE_FORGET:
        forget(daemon, action->key);
        break;
    case NODE_LOG:
        if (action->severe)
            log_warn(FAULT_PEER, daemon->config->node, "%s", action->text);
        else
            log_info(daemon->config->node, "%s", action->text);
        break;
    }
    node_action_free(action);
}

/* Signalling goes first: whatever our messages woke on this processor, in the lab the next node, runs before the switch
 * and zebra have their turn. With a processor to ourselves this costs nothing. */
static void let_messages_pass(enum node_action_type before, enum node_action_type next)
{
    if (before == NODE_SEND && next != NODE_SEND)
        sched_yield();
}

/* Records that nobody waits for: all that came within a moment share a transaction. */
static void write_records(void *arg)
{
    struct daemon *daemon = arg;
    struct node_action action;

    while (node_action(daemon->node, &action))
        carry_out(daemon, &action);
    daemon->recorded = false;
    daemon->records_due = false;
    commit(daemon);
}

static void records_later(struct daemon *daemon)
{
    daemon->recorded = false;
    if (daemon->records_due || (!node_has_records(daemon->node) && !lsp_store_pending(daemon->store)))
        return;
    daemon->records_due = true;
    timer_set(daemon->records, mono_add(loop_now(daemon->loop), RECORD_MS));
}

void daemon_drain(struct daemon *daemon)
{
    enum node_action_type before = NODE_LOG;
    struct node_action action;

    if (daemon->draining || !daemon->status) /* while starting, what is there waits */
        return;
    daemon->draining = true;
    while (node_action_now(daemon->node, &action)) {
        let_messages_pass(before, action.type);
        before = action.type;
        carry_out(daemon, &action);
    }
    daemon->draining = false;
    records_later(daemon);
    timer_set(daemon->timer, node_deadline(daemon->node));
}

static void timer_rings(void *arg)
{
    struct daemon *daemon = arg;

    node_tick(daemon->node, loop_now(daemon->loop));
    daemon_drain(daemon);
}

/* ---- start ---- */

static uint32_t random_number(void)
{
    uint32_t number;

    if (getrandom(&number, sizeof number, 0) != sizeof number) {
        log_error(FAULT_OURS, NULL, "no random numbers: %s", strerror(errno));
        abort();
    }
    return number;
}

static void copy_links(const struct config *config, struct node_link_config *links)
{
    for (unsigned i = 0; i < config->te_links_count; i++) {
        const struct config_te_link *from = &config->te_links[i];

        links[i] = (struct node_link_config) {.local = from->local_address,
                                              .remote = from->remote_address,
                                              .remote_router = from->remote_router_id,
                                              .bandwidth_bps = from->bandwidth_mbps * UINT64_C(1000000),
                                              .label_first = from->labels.first,
                                              .label_last = from->labels.last};
        snprintf(links[i].name, sizeof links[i].name, "%s", from->name);
    }
}

static void copy_clients(const struct config *config, struct node_client_config *clients)
{
    for (unsigned i = 0; i < config->clients_count; i++) {
        const struct config_client *from = &config->clients[i];

        clients[i] = (struct node_client_config) {.id = from->id, .mode = from->mode};
        if (from->vlans) {
            clients[i].vlan_first = (uint16_t) from->vlans->first;
            clients[i].vlan_last = (uint16_t) from->vlans->last;
        }
        snprintf(clients[i].name, sizeof clients[i].name, "%s", from->name);
    }
}

static struct gmpls_node *make_node(const struct daemon *daemon, struct err *err)
{
    const struct config *config = daemon->config;
    const struct config_timers *timers = &config->timers;
    AUTO_FREE struct node_link_config *links = xcalloc(config->te_links_count + 1, sizeof *links);
    AUTO_FREE struct node_client_config *clients = xcalloc(config->clients_count + 1, sizeof *clients);
    struct node_config node = {.router_id = config->router,
                               .links = links,
                               .n_links = config->te_links_count,
                               .clients = clients,
                               .n_clients = config->clients_count,
                               .setup_ms = timers->setup_ms,
                               .probe_first_ms = PROBE_FIRST_MS,
                               .probe_ms = PROBE_MS,
                               .delete_ms = DELETE_MS,
                               .link_hold_ms = timers->link_hold_ms,
                               .client_hold_ms = timers->client_hold_ms,
                               .notify = true,
                               .hello_ms = timers->hello_ms,
                               .hello_miss = timers->hello_miss,
                               .refresh_ms = timers->refresh_ms,
                               .retry_ms = timers->retry_ms,
                               .retries = timers->retries,
                               .restart_ms = timers->restart_ms,
                               .recovery_ms = timers->recovery_ms,
                               .epoch = random_number() & EPOCH_MASK,
                               .seed = random_number()};

    while (!node.instance)
        node.instance = random_number();
    snprintf(node.name, sizeof node.name, "%s", config->node);
    copy_links(config, links);
    copy_clients(config, clients);
    return node_new(&node, loop_now(daemon->loop), err);
}

struct loading {
    struct daemon *daemon;
    unsigned loaded;
};

static bool load(void *arg, uint64_t key, const char *text)
{
    struct loading *loading = arg;
    struct err err;

    if (node_load(loading->daemon->node, key, text, &err) == 0) {
        loading->loaded++;
    } else {
        log_warn(FAULT_OPERATOR, loading->daemon->config->node, "an LSP of before the restart is given up: %s",
                 err.text);
        forget(loading->daemon, key);
    }
    return true;
}

static int load_all(struct daemon *daemon, struct err *err)
{
    struct loading loading = {.daemon = daemon};
    int status = lsp_store_each(daemon->store, load, &loading, err);

    if (status == 0 && loading.loaded)
        log_info(daemon->config->node, "%u LSPs of before the restart are to be recovered", loading.loaded);
    return status;
}

/* What a damaged file told of LSPs is lost, but for what the neighbours know of those that pass here. A node that does
 * not start would lose them all. */
static struct lsp_store *open_store(const struct config *config, struct err *err)
{
    struct lsp_store *store = lsp_store_open(config->store, err);
    struct err damage = *err;
    AUTO_FREE char *aside = NULL;

    if (store || err->code != ERR_MALFORMED || lsp_store_set_aside(config->store, &aside, err) < 0)
        return store;
    log_error(FAULT_OPERATOR, config->node,
              "%s. It is set aside as %s, and the node begins without records: LSPs that begin here end", damage.text,
              aside);
    return lsp_store_open(config->store, err);
}

int daemon_start(struct daemon *daemon, struct err *err)
{
    loop_handle_signals(daemon->loop);
    daemon->timer = timer_new(daemon->loop, timer_rings, daemon);
    daemon->records = timer_new(daemon->loop, write_records, daemon);
    daemon->store = open_store(daemon->config, err);
    if (!daemon->store)
        return err->code;
    daemon->node = make_node(daemon, err);
    if (!daemon->node || load_all(daemon, err) < 0)
        return err->code;
    node_start(daemon->node, loop_now(daemon->loop));
    if (!(daemon->signalling = signalling_new(daemon, err)) || !(daemon->switching = switching_new(daemon, err)) ||
        !(daemon->flooding = flooding_new(daemon, err)) || !(daemon->pccs = pccs_new(daemon, err)) ||
        !(daemon->status = status_new(daemon, err)))
        return err->code;
    daemon_drain(daemon);
    return 0;
}

void daemon_stop(struct daemon *daemon)
{
    if (daemon->status)
        write_records(daemon);
    status_free(daemon->status);
    pccs_free(daemon->pccs);
    flooding_free(daemon->flooding);
    switching_free(daemon->switching);
    signalling_free(daemon->signalling);
    node_free(daemon->node);
    lsp_store_close(daemon->store);
    timer_free(daemon->records);
    timer_free(daemon->timer);
}
