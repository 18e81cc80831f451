/* SPDX-License-Identifier: Apache-2.0 */
/* What an asker wants of us as an ingress, and what it is told. */
#include <string.h>

#include "base/alloc.h"
#include "gmpls/node_internal.h"

#define ATTRIBUTE_LABEL_RECORDING 0x02 /* RFC 3209 §4.7.1 */
#define PROBE_WAIT_MAX 16              /* times the first */
#define FRAME_MTU 1522
#define BURST_LEAST_BITS (8 * 15000u)

/* ---- reports ---- */

enum lsp_state ingress_state(const struct gmpls_lsp *lsp)
{
    switch (lsp_phase(lsp)) {
    case PHASE_ESTABLISHED:
    case PHASE_RECOVERING:
        return LSP_UP;
    case PHASE_DELETING:
        return LSP_GOING_DOWN;
    case PHASE_GONE:
        return LSP_DOWN;
    default:
        return LSP_GOING_UP;
    }
}

/* Both routes without the clients, that have members of their own. */
static void report_routes(struct lsp_report *report, const struct gmpls_lsp *lsp)
{
    size_t h = 0;

    for (; h < lsp->ero.n && lsp->ero.hops[h].type != HOP_UNNUMBERED; h++)
        lsp_route_add(&report->route, lsp->ero.hops[h]);
    if (h < lsp->ero.n)
        report->egress_client.interface = lsp->ero.hops[h].interface;
    if (h + 1 < lsp->ero.n)
        report->egress_client.vlan = (uint16_t) lsp->ero.hops[h + 1].label;
    for (h = 0; h < lsp->resv_rro.n && lsp->resv_rro.hops[h].type != HOP_UNNUMBERED; h++)
        lsp_route_add(&report->record, lsp->resv_rro.hops[h]);
    if (h < lsp->resv_rro.n)
        report->egress_client.interface = lsp->resv_rro.hops[h].interface;
    if (h + 1 < lsp->resv_rro.n && lsp->resv_rro.hops[h + 1].type == HOP_LABEL)
        report->egress_client.vlan = (uint16_t) lsp->resv_rro.hops[h + 1].label;
}

struct lsp_report *ingress_report_of(const struct gmpls_node *node, const struct gmpls_lsp *lsp, enum lsp_state state)
{
    struct lsp_report *report = xcalloc(1, sizeof *report);

    memcpy(report->name, lsp->attribute.name, sizeof report->name);
    report->ingress = node->config.router_id;
    report->egress = lsp->session.destination;
    report->tunnel_id = lsp->session.tunnel_id;
    report->lsp_id = lsp->sender.lsp_id;
    report->state = (uint8_t) state;
    report->bandwidth_bps = lsp->tspec.rate_bps;
    report->ingress_client = (struct lsp_client) {lsp->in.side.client, lsp->in.side.vlan};
    report_routes(report, lsp);
    return report;
}

void ingress_report(struct gmpls_node *node, struct gmpls_lsp *lsp, enum lsp_state state, bool removed,
                    const struct lsp_error *error, uint64_t cookie)
{
    struct node_action *action = node_queue(node, NODE_REPORT);

    action->report = ingress_report_of(node, lsp, state);
    action->report->removed = removed;
    if (error)
        action->report->error = *error;
    action->cookie = cookie;
}

void ingress_gone(struct gmpls_node *node, struct gmpls_lsp *lsp, const struct lsp_error *error)
{
    struct lsp_ingress *ingress = lsp->ingress;

    if (lsp->saved)
        node_queue_first(node, NODE_FORGET)->key = lsp->id;
    if (ingress->setup_cookie)
        ingress_report(node, lsp, LSP_DOWN, true, error, ingress->setup_cookie);
    if (ingress->remove_cookie || !ingress->setup_cookie)
        ingress_report(node, lsp, LSP_DOWN, true, error, ingress->remove_cookie);
}

/* ---- set-up ---- */

static int check_route(const struct lsp_request *request, struct err *err)
{
    if (request->route.n == 0)
        return err_set(err, ERR_INVALID, "LSP %s: has no route", request->name);
    if (request->route.n > LSP_HOPS_MAX - 2)
        return err_set(err, ERR_INVALID, "LSP %s: a route of %zu hops is too long", request->name, request->route.n);
    for (size_t h = 0; h < request->route.n; h++) {
        if (request->route.hops[h].type == HOP_UNNUMBERED)
            return err_set(err, ERR_INVALID, "LSP %s: hop %zu of the route is unnumbered, links here are numbered",
                           request->name, h);
    }
    return 0;
}

static int check_request(const struct gmpls_node *node, const struct lsp_request *request, struct err *err)
{
    if (request->name[0] == '\0' || !memchr(request->name, 0, sizeof request->name))
        return err_set(err, ERR_INVALID, "an LSP needs a name of 1 to %d bytes", LSP_NAME_SIZE - 1);
    if (lsp_find_name(node, request->name))
        return err_set(err, ERR_EXISTS, "LSP %s exists already", request->name);
    if (node->usage.lsps >= node->config.lsps_max)
        return err_set(err, ERR_EXHAUSTED, "LSP %s: the node carries %u already, the most that it takes", request->name,
                       node->config.lsps_max);
    if (request->ingress != node->config.router_id)
        return err_set(err, ERR_INVALID, "LSP %s: its ingress is another node", request->name);
    if (request->egress == 0 || node_is_mine(node, request->egress))
        return err_set(err, ERR_INVALID, "LSP %s: its egress must be another node", request->name);
    if (request->setup_priority > 7 || request->holding_priority > request->setup_priority)
        return err_set(err, ERR_INVALID, "LSP %s: priorities are 0 (best) to 7, holding not worse than setup",
                       request->name);
    if (request->bandwidth_bps == 0) /* a meter of 0 polices nothing */
        return err_set(err, ERR_INVALID,
                       "LSP %s: has a bandwidth of 0, which nobody can police; it needs what it is to carry",
                       request->name);
    if (!node_port(node, request->ingress_client.interface))
        return err_set(err, ERR_INVALID, "LSP %s: there is no client port %u here", request->name,
                       request->ingress_client.interface);
    return check_route(request, err);
}

/* Tunnel ids go round; the LSP id is another after each restart, so that leftovers are not taken for it. */
static struct gmpls_lsp *new_lsp(struct gmpls_node *node, const struct lsp_request *request)
{
    struct rsvp_session session = {.destination = request->egress, .extended_tunnel_id = node->config.router_id};
    struct rsvp_sender sender = {.source = node->config.router_id, .lsp_id = node->lsp_id};

    do {
        session.tunnel_id = ++node->next_tunnel;
    } while (session.tunnel_id == 0 || lsp_find(node, &session, &sender));
    return lsp_new(node, &session, &sender, 0);
}

static void set_attribute(struct gmpls_lsp *lsp, const struct lsp_request *request)
{
    lsp->has_attribute = true;
    lsp->attribute = (struct rsvp_attribute) {.setup_priority = request->setup_priority,
                                              .holding_priority = request->holding_priority,
                                              .flags = ATTRIBUTE_LABEL_RECORDING,
                                              .has_affinity = request->exclude_any || request->include_any ||
                                                              request->include_all,
                                              .exclude_any = request->exclude_any,
                                              .include_any = request->include_any,
                                              .include_all = request->include_all};
    memcpy(lsp->attribute.name, request->name, sizeof lsp->attribute.name);
    lsp_take_priorities(lsp);
}

static struct gmpls_lsp *lsp_of_request(struct gmpls_node *node, const struct lsp_request *request)
{
    struct gmpls_lsp *lsp = new_lsp(node, request);
    uint64_t burst = request->bandwidth_bps / 20; /* what comes in 50 ms */

    set_attribute(lsp, request);
    lsp->label_request = (struct rsvp_label_request) {.encoding = 1, .switching = 1, .gpid = 33};
    lsp->tspec = (struct rsvp_tspec) {.kind = RSVP_TSPEC_ETHERNET,
                                      .rate_bps = request->bandwidth_bps,
                                      .burst_bits = burst > BURST_LEAST_BITS ? burst : BURST_LEAST_BITS,
                                      .mtu = FRAME_MTU};
    lsp->recording = true;
    lsp->notify_node = node->config.notify ? node->config.router_id : 0;
    lsp->ero = lsp_route_copy(&request->route);
    lsp_route_add(&lsp->ero, (struct lsp_hop) {.type = HOP_UNNUMBERED,
                                               .address = request->egress,
                                               .interface = request->egress_client.interface});
    lsp_route_add(&lsp->ero, (struct lsp_hop) {.type = HOP_LABEL, .label = request->egress_client.vlan});
    lsp_make_ingress(node, lsp);
    return lsp;
}

static struct refusal claim(struct gmpls_node *node, struct gmpls_lsp *lsp, const struct lsp_client *client,
                            struct mono now)
{
    struct next_hop next;
    struct refusal refusal = ero_next(node, &lsp->ero, true, &next, NULL);

    if (refusal.code == 0 && next.egress)
        refusal = refuse(RSVP_ERR_ROUTING, RSVP_ROUTING_BAD_ERO);
    if (refusal.code == 0 && !node_link_usable(node, next.link))
        refusal = refuse_link(RSVP_ERR_ROUTING, RSVP_ROUTING_NO_ROUTE, next.link);
    if (refusal.code == 0)
        refusal = end_take_client(node, &lsp->in, client->interface, client->vlan);
    if (refusal.code == 0)
        refusal = lsp_claim_next(node, lsp, &next);
    if (refusal.code == 0)
        refusal = lsp_admit(node, lsp, now);
    return refusal;
}

int node_initiate(struct gmpls_node *node, const struct lsp_request *request, uint64_t cookie, struct mono now,
                  struct err *err)
{
    struct gmpls_lsp *lsp;
    struct refusal refusal;
    int status = check_request(node, request, err);

    if (status)
        return status;
    lsp = lsp_of_request(node, request);
    lsp->ingress->setup_cookie = cookie;
    refusal = claim(node, lsp, &request->ingress_client, now);
    if (refusal.code) {
        struct lsp_error error = refusal_error(node, &refusal);

        node->counters.refused++;
        lsp_end_it(node, lsp, TELL_UP, &error, now);
    } else {
        lsp->ingress->deadline = mono_add(now, node->config.setup_ms);
        lsp_timer(node, lsp);
        lsp_send_path(node, lsp, false, now);
        ingress_report(node, lsp, LSP_GOING_UP, false, NULL, 0);
    }
    node_settle(node, now);
    return 0;
}

/* ---- the probe ---- */

static uint64_t nonce_of(const struct gmpls_node *node, const struct gmpls_lsp *lsp)
{
    return (uint64_t) lsp->id << 32 | hash_add(node->config.instance, lsp->id);
}

static void probe(struct gmpls_node *node, struct gmpls_lsp *lsp, struct mono now)
{
    struct node_action *action = node_queue(node, NODE_PROBE);

    action->xc = lsp_xc(lsp);
    action->nonce = nonce_of(node, lsp);
    lsp->ingress->probe_at = mono_add(now, lsp->ingress->probe_wait_ms);
    if (lsp->ingress->probe_wait_ms < node->config.probe_ms * PROBE_WAIT_MAX)
        lsp->ingress->probe_wait_ms *= 2;
    lsp_timer(node, lsp);
}

void ingress_connected(struct gmpls_node *node, struct gmpls_lsp *lsp, struct mono now)
{
    lsp_move(lsp, PHASE_PROBED);
    lsp->ingress->probe_wait_ms = node->config.probe_ms;
    lsp->ingress->probe_at = mono_add(now, node->config.probe_first_ms);
    if (node->config.probe_first_ms)
        lsp_timer(node, lsp);
    else
        probe(node, lsp, now);
}

void node_probe_seen(struct gmpls_node *node, uint64_t nonce, struct mono now)
{
    struct gmpls_lsp *lsp = lsp_find_id(node, (uint32_t) (nonce >> 32));

    if (!lsp || !lsp->ingress || lsp_phase(lsp) != PHASE_PROBED || nonce != nonce_of(node, lsp))
        return;
    lsp_move(lsp, PHASE_ESTABLISHED);
    node->counters.set_up++;
    lsp->ingress->deadline = lsp->ingress->probe_at = MONO_NEVER;
    lsp_timer(node, lsp);
    lsp_save_first(node, lsp);
    ingress_report(node, lsp, LSP_UP, false, NULL, lsp->ingress->setup_cookie);
    lsp->ingress->setup_cookie = 0;
    node_settle(node, now);
}

/* ---- changes, removal, time ---- */

int node_update(struct gmpls_node *node, const struct lsp_request *request, uint64_t cookie, struct mono now,
                struct err *err)
{
    struct gmpls_lsp *lsp = lsp_find_name(node, request->name);
    struct lsp_report *report;
    bool same;

    if (!lsp)
        return err_set(err, ERR_NOT_FOUND, "there is no LSP %s", request->name);
    report = ingress_report_of(node, lsp, ingress_state(lsp));
    same = lsp_route_equal(&report->route, &request->route) && report->bandwidth_bps == request->bandwidth_bps;
    lsp_report_free(report);
    free(report);
    if (!same)
        return err_set(
            err, ERR_UNSUPPORTED,
            "LSP %s: route and bandwidth of a standing LSP are not changed; set up another one and remove it",
            request->name);
    ingress_report(node, lsp, ingress_state(lsp), false, NULL, cookie);
    node_settle(node, now);
    return 0;
}

int node_remove(struct gmpls_node *node, const char *name, bool force, uint64_t cookie, struct mono now,
                struct err *err)
{
    struct gmpls_lsp *lsp = lsp_find_name(node, name);

    if (!lsp)
        return err_set(err, ERR_NOT_FOUND, "there is no LSP %s", name);
    if (lsp_phase(lsp) == PHASE_DELETING)
        return err_set(err, ERR_CONFLICT, "LSP %s is being removed already", name);
    lsp->ingress->remove_cookie = cookie;
    if (force || lsp_phase(lsp) == PHASE_SIGNALLED) {
        node->counters.removed++;
        lsp_end_it(node, lsp, TELL_DOWN, NULL, now);
    } else {
        lsp_move(lsp, PHASE_DELETING);
        lsp->ingress->deadline = mono_add(now, node->config.delete_ms);
        lsp->ingress->probe_at = MONO_NEVER;
        lsp_timer(node, lsp);
        lsp->admin_status = RSVP_ADMIN_DELETION | RSVP_ADMIN_REFLECT;
        lsp_save_first(node, lsp);
        lsp_send_path(node, lsp, false, now);
        ingress_report(node, lsp, LSP_GOING_DOWN, false, NULL, 0);
    }
    node_settle(node, now);
    return 0;
}

void ingress_tick(struct gmpls_node *node, struct gmpls_lsp *lsp, struct mono now)
{
    struct lsp_error error = {
        .node = node->config.router_id, .code = RSVP_ERR_NOTIFY, .value = RSVP_NOTIFY_LSP_FAILURE};

    if (mono_reached(lsp->ingress->deadline, now)) {
        if (lsp_phase(lsp) == PHASE_DELETING) {
            node->counters.removed++;
            lsp_end_it(node, lsp, TELL_DOWN, NULL, now);
            return;
        }
        node->counters.failed++;
        node_say(node, LINE_SETUP_FAILED, lsp->out.side.link, true, now, "LSP %s: %s", lsp->attribute.name,
                 lsp_phase(lsp) == PHASE_PROBED ? "signalled, but no probe came back through it in time" :
                                                  "was not set up in time");
        lsp_end_it(node, lsp, TELL_BOTH, &error, now);
        return;
    }
    if (mono_reached(lsp->ingress->probe_at, now))
        probe(node, lsp, now);
    lsp_timer(node, lsp);
}
