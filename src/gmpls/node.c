/* SPDX-License-Identifier: Apache-2.0 */
#include "gmpls/node.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "gmpls/node_internal.h"

/* ---- life ---- */

static int check_link(const struct node_config *config, size_t l, struct err *err)
{
    const struct node_link_config *link = &config->links[l];

    if (link->label_first < NODE_LABEL_MIN || link->label_last > NODE_LABEL_MAX || link->label_last < link->label_first)
        return err_set(err, ERR_INVALID, "link %s: labels %u to %u are not a range within %u to %u", link->name,
                       link->label_first, link->label_last, NODE_LABEL_MIN, NODE_LABEL_MAX);
    if (!link->local || !link->remote || link->local == link->remote)
        return err_set(err, ERR_INVALID, "link %s: needs the addresses of its two ends", link->name);
    for (size_t m = 0; m < l; m++) {
        if (config->links[m].local == link->local)
            return err_set(err, ERR_INVALID, "links %s and %s have the same address", config->links[m].name,
                           link->name);
    }
    return 0;
}

static int check_client(const struct node_config *config, size_t c, struct err *err)
{
    const struct node_client_config *client = &config->clients[c];

    if (client->id == 0)
        return err_set(err, ERR_INVALID, "client %s: needs an interface id that is not 0", client->name);
    if (client->mode == NODE_CLIENT_VLAN &&
        (client->vlan_first < 1 || client->vlan_last > 4094 || client->vlan_last < client->vlan_first))
        return err_set(err, ERR_INVALID, "client %s: VLANs %u to %u are not a range within 1 to 4094", client->name,
                       client->vlan_first, client->vlan_last);
    for (size_t d = 0; d < c; d++) {
        if (config->clients[d].id == client->id)
            return err_set(err, ERR_INVALID, "clients %s and %s have the same interface id %u", config->clients[d].name,
                           client->name, client->id);
    }
    return 0;
}

static int check_config(const struct node_config *config, struct err *err)
{
    int status = 0;

    if (config->router_id == 0)
        return err_set(err, ERR_INVALID, "the node needs a router id");
    if (config->n_links > NODE_LINKS_MAX || config->n_clients > NODE_CLIENTS_MAX)
        return err_set(err, ERR_INVALID, "more than %d links or %d clients", NODE_LINKS_MAX, NODE_CLIENTS_MAX);
    if (!config->setup_ms || !config->probe_ms || !config->delete_ms || !config->hello_ms || !config->refresh_ms ||
        !config->retry_ms || !config->retries || config->hello_miss < 2 || !config->instance)
        return err_set(err, ERR_INVALID, "timers, retries and instance must not be 0, hello_miss at least 2");
    for (size_t l = 0; l < config->n_links && status == 0; l++)
        status = check_link(config, l, err);
    for (size_t c = 0; c < config->n_clients && status == 0; c++)
        status = check_client(config, c, err);
    return status;
}

static void init_link(struct gmpls_node *node, size_t l, const struct node_config *config, struct mono now)
{
    struct node_link *link = &node->links[l];
    struct neighbour_config with = {.local = config->links[l].local,
                                    .remote = config->links[l].remote,
                                    .hello_ms = config->hello_ms,
                                    .hello_miss = config->hello_miss,
                                    .refresh_ms = config->refresh_ms,
                                    .retry_ms = config->retry_ms,
                                    .retries = config->retries,
                                    .restart_ms = config->restart_ms,
                                    .recovery_ms = config->recovery_ms,
                                    .instance = config->instance,
                                    .epoch = config->epoch,
                                    .seed = config->seed + (uint32_t) l};

    link->config = config->links[l];
    link->neighbour = neighbour_new(&with, now);
    link->gone_at = link->held_until = MONO_NEVER;
    /* Labels that were given out shortly before a crash, and of which no record tells, are not given out again soon. */
    label_pool_init(&link->labels, link->config.label_first, link->config.label_last, config->seed);
}

struct gmpls_node *node_new(const struct node_config *config, struct mono now, struct err *err)
{
    struct gmpls_node *node;

    if (check_config(config, err))
        return NULL;
    node = xcalloc(1, sizeof *node);
    node->config = *config;
    if (config->lsps_max == 0 || config->lsps_max > NODE_LSPS_MAX)
        node->config.lsps_max = NODE_LSPS_MAX;
    node->recovery_until = MONO_NEVER;
    /* What an LSP left in the switch of which no record tells is found by its id, which no other is to get. */
    node->next_id = config->seed >> 1;
    node->lines_due = node->hold_due = MONO_NEVER;
    node->config.links = NULL;
    node->config.clients = NULL;
    node->n_links = config->n_links;
    node->n_ports = config->n_clients;
    node->links = xcalloc(node->n_links + 1, sizeof *node->links);
    node->ports = xcalloc(node->n_ports + 1, sizeof *node->ports);
    for (size_t l = 0; l < node->n_links; l++)
        init_link(node, l, config, now);
    for (size_t p = 0; p < node->n_ports; p++) {
        node->ports[p].config = config->clients[p];
        node->ports[p].up = true;
        node->ports[p].held_until = MONO_NEVER;
    }
    node->lsp_id = (uint16_t) (config->epoch ^ config->epoch >> 16);
    if (node->lsp_id == 0)
        node->lsp_id = 1;
    return node;
}

static void free_lsp(struct gmpls_node *node, struct gmpls_lsp *lsp, void *arg)
{
    (void) arg;
    lsp_free(node, lsp);
}

static void free_queue(struct action_queue *queue)
{
    for (size_t a = queue->first; a < queue->n; a++)
        node_action_free(&queue->actions[a]);
    free(queue->actions);
}

void node_free(struct gmpls_node *node)
{
    if (!node)
        return;
    lsp_each(node, free_lsp, NULL);
    free_queue(&node->queue);
    free_queue(&node->later);
    for (size_t l = 0; l < node->n_links; l++) {
        neighbour_free(node->links[l].neighbour);
        free(node->links[l].labels.used);
    }
    for (size_t n = 0; n < node->n_notifies; n++)
        rsvp_message_free(&node->notifies[n].message);
    free(node->notifies);
    adoption_free(node);
    hmap_free(&node->by_key);
    hmap_free(&node->by_id);
    hmap_free(&node->by_name);
    timers_free(&node->timers);
    free(node->dirty);
    free(node->links);
    free(node->ports);
    free(node);
}

/* ---- the queue of actions ---- */

static struct node_action *queue_add(struct action_queue *queue, enum node_action_type type)
{
    struct node_action *action;

    queue->actions = array_reserve(queue->actions, queue->n, &queue->capacity, sizeof *queue->actions);
    action = &queue->actions[queue->n++];
    *action = (struct node_action) {.type = type, .link = NODE_LINK_NONE};
    return action;
}

struct node_action *node_queue(struct gmpls_node *node, enum node_action_type type)
{
    return queue_add(&node->later, type);
}

struct node_action *node_queue_first(struct gmpls_node *node, enum node_action_type type)
{
    return queue_add(&node->queue, type);
}

bool node_action(struct gmpls_node *node, struct node_action *action)
{
    if (node_action_now(node, action))
        return true;
    node_save_dirty(node);
    return node_action_now(node, action);
}

bool node_has_records(const struct gmpls_node *node)
{
    return node->n_dirty > 0;
}

bool node_action_now(struct gmpls_node *node, struct node_action *action)
{
    struct action_queue *queue = &node->queue;

    if (queue->first == queue->n)
        return false;
    *action = queue->actions[queue->first++];
    if (queue->first == queue->n)
        queue->first = queue->n = 0;
    return true;
}

void node_action_free(struct node_action *action)
{
    if (action->message) {
        rsvp_message_free(action->message);
        free(action->message);
    }
    if (action->report) {
        lsp_report_free(action->report);
        free(action->report);
    }
    free(action->text);
    action->message = NULL;
    action->report = NULL;
    action->text = NULL;
}

/* ---- what is said ---- */

#define LINE_EACH_MS 60000

static void say(struct gmpls_node *node, bool severe, const char *text)
{
    struct node_action *action = node_queue(node, NODE_LOG);

    action->text = xstrdup(text);
    action->severe = severe;
}

void node_say(struct gmpls_node *node, enum node_line line, int link, bool severe, struct mono now, const char *format,
              ...)
{
    struct node_lines *lines = link == NODE_LINK_NONE ? &node->lines[line] : &node->links[link].lines[line];
    char text[ERR_TEXT_SIZE];
    va_list args;

    if (!mono_reached(lines->next, now)) {
        lines->left_out++;
        node->lines_due = mono_min(node->lines_due, lines->next);
        return;
    }
    lines->next = mono_add(now, LINE_EACH_MS);
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    say(node, severe, text);
}

static void count_lines(struct gmpls_node *node, struct node_lines *lines, const char *where, struct mono now)
{
    static const char *const about[LINES] = {[LINE_PATH_DROPPED] = "dropped Paths",
                                             [LINE_RESV_REFUSED] = "refused Resvs",
                                             [LINE_NOTIFY_IGNORED] = "Notifies that were left aside",
                                             [LINE_NEWS] = "news of LSPs",
                                             [LINE_XC_REFUSED] = "refused cross-connects",
                                             [LINE_SETUP_FAILED] = "LSPs that were not set up in time",
                                             [LINE_NEIGHBOUR_HEARD] = "the neighbour being heard",
                                             [LINE_NEIGHBOUR_SILENT] = "the neighbour being silent",
                                             [LINE_NEIGHBOUR_RESTARTED] = "the neighbour's restarts"};
    char text[ERR_TEXT_SIZE];

    for (unsigned line = 0; line < LINES; line++) {
        if (!lines[line].left_out)
            continue;
        if (mono_reached(lines[line].next, now)) {
            snprintf(text, sizeof text, "%s: %u more lines about %s were left out", where, lines[line].left_out,
                     about[line]);
            say(node, false, text);
            lines[line] = (struct node_lines) {.next = mono_add(now, LINE_EACH_MS)};
        } else {
            node->lines_due = mono_min(node->lines_due, lines[line].next);
        }
    }
}

static void lines_tick(struct gmpls_node *node, struct mono now)
{
    char where[48];

    if (!mono_reached(node->lines_due, now))
        return;
    node->lines_due = MONO_NEVER;
    count_lines(node, node->lines, node->config.name, now);
    for (size_t l = 0; l < node->n_links; l++) {
        snprintf(where, sizeof where, "link %s", node->links[l].config.name);
        count_lines(node, node->links[l].lines, where, now);
    }
}

/* ---- sending ---- */

static struct node_action *queue_message(struct gmpls_node *node, int link, const struct rsvp_message *message)
{
    struct node_action *action = queue_add(&node->queue, NODE_SEND);

    action->link = link;
    action->message = xmemdup(message, sizeof *message);
    return action;
}

void link_keep(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now)
{
    node->links[link].touched = true;
    neighbour_keep(node->links[link].neighbour, message, now);
}

void link_send(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now)
{
    node->links[link].touched = true;
    neighbour_send(node->links[link].neighbour, message, now);
}

void link_forward(struct gmpls_node *node, int link, const struct rsvp_message *message, struct mono now)
{
    struct rsvp_message copy = rsvp_message_copy(message);

    copy.has &= ~(uint32_t) (RSVP_HAS_MESSAGE_ID | RSVP_HAS_RESTART_CAP | RSVP_HAS_ACCEPTABLE_LABELS);
    free(copy.acks);
    free(copy.labels);
    copy.acks = NULL;
    copy.labels = NULL;
    copy.n_acks = copy.n_labels = 0;
    link_send(node, link, &copy, now);
}

void node_send_routed(struct gmpls_node *node, uint32_t source, uint32_t destination,
                      const struct rsvp_message *message)
{
    struct rsvp_message copy = rsvp_message_copy(message);
    struct node_action *action = queue_message(node, NODE_LINK_NONE, &copy);

    action->source = source;
    action->destination = destination;
}

bool node_is_mine(const struct gmpls_node *node, uint32_t address)
{
    if (address == node->config.router_id)
        return true;
    for (size_t l = 0; l < node->n_links; l++) {
        if (node->links[l].config.local == address)
            return true;
    }
    return false;
}

/* ---- one input ---- */

static void dispatch(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now)
{
    switch (message->type) {
    case RSVP_PATH:
        node->counters.path++;
        path_received(node, link, message, now);
        break;
    case RSVP_RESV:
        node->counters.resv++;
        resv_received(node, link, message, now);
        break;
    case RSVP_PATH_ERR:
        node->counters.path_err++;
        path_err_received(node, link, message, now);
        break;
    case RSVP_RESV_ERR:
        node->counters.resv_err++;
        resv_err_received(node, link, message, now);
        break;
    case RSVP_PATH_TEAR:
        node->counters.path_tear++;
        path_tear_received(node, link, message, now);
        break;
    case RSVP_RESV_TEAR:
        node->counters.resv_tear++;
        resv_tear_received(node, link, message, now);
        break;
    case RSVP_RESV_CONF:
        node->counters.resv_conf++;
        resv_conf_received(node, link, message, now);
        break;
    default:
        break;
    }
    rsvp_message_free(message);
}

static bool link_events(struct gmpls_node *node, int link, struct mono now)
{
    struct neighbour_event event;
    bool any = false;

    while (neighbour_event(node->links[link].neighbour, &event)) {
        any = true;
        node->links[link].touched = true;
        switch (event.type) {
        case NEIGHBOUR_MESSAGE:
            dispatch(node, link, &event.message, now);
            break;
        case NEIGHBOUR_EXPIRED:
            neighbour_expired(node, link, &event.key, now);
            break;
        case NEIGHBOUR_UNDELIVERED: /* a state is refreshed further on; anything else runs out at the other side */
            break;
        default:
            neighbour_changed(node, link, &event, now);
        }
    }
    return any;
}

static void announce_bandwidth(struct gmpls_node *node)
{
    for (size_t l = 0; l < node->n_links; l++) {
        struct node_action *action;

        if (!node->links[l].bandwidth_changed || !node->links[l].data_told)
            continue;
        node->links[l].bandwidth_changed = false;
        action = queue_add(&node->queue, NODE_BANDWIDTH);
        action->link = (int) l;
        node_unreserved(node, (int) l, action->unreserved);
    }
}

static bool all_events(struct gmpls_node *node, struct mono now)
{
    bool any = false;

    for (size_t l = 0; l < node->n_links; l++)
        any |= node->links[l].touched && link_events(node, (int) l, now);
    return any;
}

void node_settle(struct gmpls_node *node, struct mono now)
{
    struct rsvp_message message;

    while (all_events(node, now)) /* what comes over one link may touch another */
        continue;
    for (size_t l = 0; l < node->n_links; l++) {
        while (node->links[l].touched && neighbour_output(node->links[l].neighbour, &message))
            queue_message(node, (int) l, &message);
        node->links[l].touched = false;
    }
    for (size_t a = 0; a < node->later.n; a++)
        *queue_add(&node->queue, NODE_LOG) = node->later.actions[a];
    node->later.n = 0;
    announce_bandwidth(node);
}

void node_receive(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now)
{
    if (message->has & RSVP_HAS_RESTART_CAP)
        node->links[link].restart = message->restart_cap;
    node->links[link].touched = true;
    neighbour_receive(node->links[link].neighbour, message, now);
    node_settle(node, now);
}

void node_refuse(struct gmpls_node *node, int link, struct rsvp_message *message, uint8_t code, uint16_t value,
                 struct mono now)
{
    bool named = code && message->has & RSVP_HAS_SESSION && message->has & RSVP_HAS_SENDER;
    uint32_t unread = ~message->has & RSVP_HAS_TSPEC;

    if (named && message->type == RSVP_PATH) {
        struct lsp_error error = {.node = node->config.router_id,
                                  .code = code,
                                  .value = value,
                                  .path_state_removed = !lsp_find(node, &message->session, &message->sender)};
        struct rsvp_message answer = message_path_err(&message->session, &message->sender, &message->tspec, &error);

        answer.has &= ~unread;
        link_send(node, link, &answer, now);
    } else if (named && message->type == RSVP_RESV) {
        struct rsvp_message answer = message_resv_err(node, link, message, code, value);

        answer.has &= ~unread;
        link_send(node, link, &answer, now);
    }
    rsvp_message_free(message);
    node_settle(node, now);
}

void node_receive_routed(struct gmpls_node *node, uint32_t source, struct rsvp_message *message, struct mono now)
{
    notify_acked(node, message);
    if (message->type == RSVP_NOTIFY) {
        if (message->has & RSVP_HAS_MESSAGE_ID && message->message_id.flags & RSVP_MESSAGE_ID_ACK_DESIRED) {
            struct rsvp_ack ack = {.epoch = message->message_id.epoch, .id = message->message_id.id};
            struct rsvp_message answer = {.type = RSVP_ACK, .ttl = 255, .acks = &ack, .n_acks = 1};

            node_send_routed(node, node->config.router_id, source, &answer);
        }
        node->counters.notify++;
        notify_received(node, source, message, now);
    }
    rsvp_message_free(message);
    node_settle(node, now);
}

/* ---- time ---- */

void node_tick(struct gmpls_node *node, struct mono now)
{
    struct timer_entry *due;

    for (size_t l = 0; l < node->n_links; l++) {
        struct node_link *link = &node->links[l];

        if (mono_reached(neighbour_deadline(link->neighbour), now)) {
            link->touched = true;
            neighbour_tick(link->neighbour, now);
        }
        if (mono_reached(link->gone_at, now))
            link_gone(node, (int) l, now);
    }
    while ((due = timers_due(&node->timers, now)))
        ingress_tick(node, OWNER_OF(due, struct lsp_ingress, timer)->lsp, now);
    hold_tick(node, now);
    recovery_tick(node, now);
    notify_tick(node, now);
    lines_tick(node, now);
    node_settle(node, now);
}

struct mono node_deadline(const struct gmpls_node *node)
{
    struct mono deadline = mono_min(timers_deadline(&node->timers), mono_min(node->lines_due, node->hold_due));

    if (node->recovery_until.ms > 0)
        deadline = mono_min(deadline, node->recovery_until);
    for (size_t l = 0; l < node->n_links; l++) {
        deadline = mono_min(deadline, neighbour_deadline(node->links[l].neighbour));
        deadline = mono_min(deadline, node->links[l].gone_at);
    }
    for (size_t n = 0; n < node->n_notifies; n++)
        deadline = mono_min(deadline, node->notifies[n].at);
    return deadline;
}
