/* SPDX-License-Identifier: Apache-2.0 */
/* Ends of segments: the PE and every ToR with a VM of the segment, each with a number, a VC label of its own, and the
 * MACs that are behind it; behind the PE also users' addresses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "scgd/tunnels_internal.h"

#define END_NUMBER_MAX 0xffff

static struct vpls_ends *ends_of(const struct gateway *gateway, const struct segment_state *segment)
{
    return &gateway->tunnels.segments[segment - gateway->network.segments];
}

static const struct vpls_end *find_end(const struct vpls_ends *ends, const char *switch_name)
{
    for (unsigned i = 0; i < ends->n; i++) {
        if (strcmp(ends->ends[i].name, switch_name) == 0)
            return &ends->ends[i];
    }
    return NULL;
}

bool segment_has_end(const struct vpls_ends *ends, const char *switch_name)
{
    return find_end(ends, switch_name) != NULL;
}

static char *label_owner(const char *segment)
{
    return xasprintf("vc %s", segment);
}

int segment_take_end(struct gateway *gateway, const char *segment, const char *switch_name, struct vpls_end *end,
                     struct err *err)
{
    AUTO_FREE char *owner = label_owner(segment);
    struct vpls_end taken = {0};

    snprintf(taken.name, sizeof taken.name, "%s", switch_name);
    /* The label first: it is what runs out, and then no number is left behind. */
    if (label_take(gateway, switch_name, owner, &taken.label, err) < 0 ||
        store_number_take(gateway->store, "end", switch_name, 1, END_NUMBER_MAX, &taken.number, err) < 0)
        return err->code;
    *end = taken;
    return 0;
}

int segment_check_room(unsigned n_ends, const char *segment, const char *switch_name, struct err *err)
{
    if (n_ends <= VPLS_PEERS_MAX)
        return 0;
    return err_set(err, ERR_TOO_LARGE, "segment %s can have VMs at %d ToRs; %s would be one more", segment,
                   VPLS_PEERS_MAX, switch_name);
}

/* ---- planning ---- */

struct planning {
    struct gateway *gateway;
    const struct segment_state *segment;
    struct vpls_end ends[VPLS_PEERS_MAX + 1]; /* by name */
    unsigned n;
    struct err err;
};

/* A label is taken for a new end, and left to one that was an end before. */
static void add_end(struct planning *planning, const struct vpls_ends *before, const char *switch_name)
{
    const char *segment = planning->segment->config->name;
    const struct vpls_end *known = find_end(before, switch_name);
    struct vpls_end end;
    unsigned i = 0;

    while (i < planning->n && strcmp(planning->ends[i].name, switch_name) < 0)
        i++;
    if (i < planning->n && strcmp(planning->ends[i].name, switch_name) == 0)
        return;
    if (segment_check_room(planning->n, segment, switch_name, &planning->err) < 0)
        return;
    if (known)
        end = *known;
    else if (segment_take_end(planning->gateway, segment, switch_name, &end, &planning->err) < 0)
        return;
    memmove(&planning->ends[i + 1], &planning->ends[i], (planning->n++ - i) * sizeof *planning->ends);
    planning->ends[i] = end;
}

/* ToRs with VMs: those that are ends already, or those that are not. */
static void plan_tors(struct planning *planning, const struct vpls_ends *before, bool standing)
{
    const struct gateway *gateway = planning->gateway;

    for (size_t i = 0; i < gateway->network.n_tenants; i++) {
        const struct tenant *tenant = &gateway->network.tenants[i];
        const struct switch_info *tor;

        if (strcmp(tenant->segment, planning->segment->config->name) == 0 &&
            (tor = network_tor_seen(gateway, tenant->server, NULL)) && segment_has_end(before, tor->name) == standing)
            add_end(planning, before, tor->name);
    }
}

/* If there is no room for all, ends that stand come first. Servers that have not been listed may have VMs where there
 * were some before. */
static void plan_ends(struct planning *planning, const struct vpls_ends *before)
{
    struct gateway *gateway = planning->gateway;
    const struct config_edge *pe = network_edge_config(gateway, EDGE_IP);
    bool listed = gateway->ready && gateway_servers_listed(gateway);

    if (!network_segment_open(planning->segment))
        return;
    if (pe)
        add_end(planning, before, pe->switch_name);
    for (unsigned i = 0; i < before->n && !listed; i++)
        add_end(planning, before, before->ends[i].name);
    plan_tors(planning, before, true);
    for (size_t i = 0; i < before->holders.n && !listed; i++)
        add_end(planning, before, before->holders.list[i].name);
    plan_tors(planning, before, false);
}

/* What is behind an end. Calls 'fn' for each. */
static void each_mac(const struct gateway *gateway, const struct segment_state *segment, const char *end,
                     void (*fn)(void *arg, const struct mac *mac), void *arg)
{
    if (tunnels_is_pe(gateway, end))
        fn(arg, &segment->flows.gateway_mac);
    for (size_t i = 0; i < gateway->network.n_tenants; i++) {
        const struct tenant *tenant = &gateway->network.tenants[i];
        const struct switch_info *tor;

        if (strcmp(tenant->segment, segment->config->name) == 0 &&
            (tor = network_tor_seen(gateway, tenant->server, NULL)) && strcmp(tor->name, end) == 0)
            fn(arg, &tenant->mac);
    }
}

static void add_text(void *arg, const struct mac *mac)
{
    char text[MAC_TEXT_SIZE];

    strbuf_printf(arg, " %s", mac_format(mac, text));
}

static void add_user_text(void *arg, const struct ip *ip)
{
    char text[IP_TEXT_SIZE];

    strbuf_printf(arg, "%s\n", ip_format(ip, text));
}

static char *text_of(const struct planning *planning)
{
    struct strbuf text = {0};

    for (unsigned i = 0; i < planning->n; i++) {
        const struct vpls_end *end = &planning->ends[i];

        strbuf_printf(&text, "%s %u %u", end->name, end->number, end->label);
        each_mac(planning->gateway, planning->segment, end->name, add_text, &text);
        strbuf_puts(&text, "\n");
    }
    users_each_address(planning->gateway, planning->segment->config->name, add_user_text, &text);
    return text.text ? strbuf_take(&text) : xstrdup("");
}

static void plan_segment(struct gateway *gateway, const struct segment_state *segment)
{
    struct vpls_ends *ends = ends_of(gateway, segment);
    struct planning *planning = xcalloc(1, sizeof *planning);
    struct err err = {0};

    planning->gateway = gateway;
    planning->segment = segment;
    plan_ends(planning, ends);
    if (planning->err.code && strcmp(planning->err.text, ends->err.text) != 0)
        log_warn(FAULT_OPERATOR, segment->config->name, "%s", planning->err.text);
    ends->err = planning->err;

    char *text = text_of(planning);
    if (ends->text && strcmp(text, ends->text) == 0) {
        free(text);
    } else {
        bool same = ends->n == planning->n;

        free(ends->text);
        ends->text = text;
        ends->holders.changed = ++gateway->tunnels.last_change;
        for (unsigned i = 0; i < planning->n; i++) {
            same = same && holders_find(&ends->holders, planning->ends[i].name);
            holders_add(&ends->holders, planning->ends[i].name);
        }
        ends->n = planning->n;
        memcpy(ends->ends, planning->ends, planning->n * sizeof *ends->ends);
        if (!same && segment_ends_store(gateway, segment->config->name, ends, &err) < 0)
            log_error(FAULT_OURS, segment->config->name, "%s", err.text);
    }
    free(planning);
}

void segments_plan(struct gateway *gateway)
{
    for (unsigned i = 0; i < gateway->config->segments_count; i++)
        plan_segment(gateway, &gateway->network.segments[i]);
}

/* ---- flows ---- */

struct knowing {
    struct vpls_known *list;
    struct vpls_user *users;
    size_t n, capacity, n_users, cap_users;
    uint32_t end;
};

static void add_user(void *arg, const struct ip *ip)
{
    struct knowing *knowing = arg;

    for (size_t i = 0; i < knowing->n_users; i++) {
        if (ip_equal(&knowing->users[i].ip, ip))
            return;
    }
    knowing->users = array_reserve(knowing->users, knowing->n_users, &knowing->cap_users, sizeof *knowing->users);
    knowing->users[knowing->n_users++] = (struct vpls_user) {*ip, knowing->end};
}

static void add_known(void *arg, const struct mac *mac)
{
    struct knowing *knowing = arg;

    for (size_t i = 0; i < knowing->n; i++) {
        if (mac_equal(&knowing->list[i].mac, mac))
            return;
    }
    knowing->list = array_reserve(knowing->list, knowing->n, &knowing->capacity, sizeof *knowing->list);
    knowing->list[knowing->n++] = (struct vpls_known) {*mac, knowing->end};
}

void tunnels_add_segment(struct gateway *gateway, const struct switch_info *sw, const struct segment_state *segment,
                         struct flow_txn *txn)
{
    const struct vpls_ends *ends;
    const struct vpls_end *here;
    struct vpls_peer peers[VPLS_PEERS_MAX];
    struct knowing knowing = {0};
    struct vpls_instance instance = {.peers = peers};

    if (!tunnels_used(gateway))
        return;
    ends = ends_of(gateway, segment);
    here = find_end(ends, sw->name);
    if (!here)
        return;
    instance.edge = network_switch_role(gateway, sw) == SWITCH_ROLE_PE ? VPLS_PE : VPLS_TOR;
    instance.label = here->label;
    for (unsigned i = 0; i < ends->n; i++) {
        const struct vpls_end *end = &ends->ends[i];

        if (end == here)
            continue;
        peers[instance.n_peers++] = (struct vpls_peer) {end->number, end->label};
        knowing.end = end->number;
        each_mac(gateway, segment, end->name, add_known, &knowing);
        if (tunnels_is_pe(gateway, end->name))
            users_each_address(gateway, segment->config->name, add_user, &knowing);
    }
    instance.known = knowing.list;
    instance.n_known = knowing.n;
    instance.users = knowing.users;
    instance.n_users = knowing.n_users;
    vpls_segment(txn, &segment->flows, &instance);
    free(knowing.list);
    free(knowing.users);
}

/* ---- sending ---- */

struct segment_change {
    char segment[NAME_SIZE], switch_name[NAME_SIZE];
    uint64_t number;
};

static void segment_changed(struct gateway *gateway, struct join *join, const struct event *event, void *context)
{
    AUTO_FREE struct segment_change *change = context;

    if (event->err.code) {
        join_fail(join, &event->err);
        tunnels_fail_segment(gateway, change->segment, change->switch_name, &event->err);
        return;
    }
    holders_confirm(&ends_of(gateway, network_segment(gateway, change->segment))->holders, change->switch_name,
                    change->number);
    tunnels_settle(gateway);
}

static void send_segment(struct gateway *gateway, const struct segment_state *segment, struct holder *holder,
                         const struct switch_info *sw)
{
    struct segment_change *change = xcalloc(1, sizeof *change);
    struct join *join = network_background_join();
    struct flow_txn txn = {0};

    snprintf(change->segment, sizeof change->segment, "%s", segment->config->name);
    memcpy(change->switch_name, sw->name, NAME_SIZE);
    change->number = holder->sent = ends_of(gateway, segment)->holders.changed;
    switch (network_switch_role(gateway, sw)) {
    case SWITCH_ROLE_PE:
        network_add_segment_pe(gateway, sw, segment, &txn);
        break;
    case SWITCH_ROLE_TOR:
        network_add_segment_tor(gateway, sw, segment, &txn);
        break;
    default:
        pipeline_segment_remove(&txn, &segment->flows);
        break;
    }
    uint64_t request = gateway_request(gateway, join, segment_changed, change);
    network_send(gateway, request, sw->name, &txn);
    join_close(gateway, join);
}

/* A segment that is being closed is taken away by network_close_segments(), which waits for every switch. */
void segments_send(struct gateway *gateway)
{
    for (unsigned i = 0; i < gateway->config->segments_count; i++) {
        const struct segment_state *segment = &gateway->network.segments[i];
        struct holders *holders = &gateway->tunnels.segments[i].holders;

        for (size_t h = 0; h < holders->n && network_segment_open(segment); h++) {
            struct holder *holder = &holders->list[h];
            const struct switch_info *sw = inventory_switch(&gateway->inventory, holder->name);

            if (sw && sw->up && holder->sent < holders->changed && holder->confirmed < holders->changed)
                send_segment(gateway, segment, holder, sw);
        }
    }
}

/* ---- what has become free ---- */

static int free_end(struct gateway *gateway, const struct segment_state *segment, const char *switch_name,
                    struct err *err)
{
    AUTO_FREE char *owner = label_owner(segment->config->name);
    char pool[LABEL_POOL_SIZE], name[NAME_SIZE];
    int status;

    snprintf(name, sizeof name, "%s", switch_name); /* which may be the holder's own */
    label_pool(name, pool);
    status = store_number_free(gateway->store, pool, owner, err);
    holders_remove(&ends_of(gateway, segment)->holders, name);
    return status == 0 ? tunnels_free_ends(gateway, name, err) : status;
}

static void free_ends(struct gateway *gateway, const struct segment_state *segment)
{
    struct vpls_ends *ends = ends_of(gateway, segment);
    struct err err = {0};
    bool any = false;
    int status = 0;

    for (size_t h = ends->holders.n; h-- > 0 && status == 0;) {
        if (find_end(ends, ends->holders.list[h].name))
            continue;
        any = true;
        status = free_end(gateway, segment, ends->holders.list[h].name, &err);
    }
    if (status == 0 && any)
        status = segment_ends_store(gateway, segment->config->name, ends, &err);
    if (status)
        log_error(FAULT_OURS, segment->config->name, "%s", err.text);
}

void segments_settle(struct gateway *gateway)
{
    for (unsigned i = 0; i < gateway->config->segments_count; i++) {
        if (holders_confirmed(&gateway->tunnels.segments[i].holders))
            free_ends(gateway, &gateway->network.segments[i]);
    }
}

bool tunnels_holder_away(const struct gateway *gateway, const struct segment_state *segment)
{
    const struct holders *holders = &ends_of(gateway, segment)->holders;

    for (size_t i = 0; i < holders->n; i++) {
        const struct switch_info *sw = inventory_switch(&gateway->inventory, holders->list[i].name);

        if (!sw || !sw->up)
            return true;
    }
    return false;
}

void tunnels_segment_closed(struct gateway *gateway, const struct segment_state *segment)
{
    if (!tunnels_used(gateway))
        return;
    tunnels_plan(gateway); /* it has no ends now */
    free_ends(gateway, segment);
    tunnels_update(gateway);
}
