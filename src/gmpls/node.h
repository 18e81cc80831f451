/* SPDX-License-Identifier: Apache-2.0 */
/* The decisions of a GMPLS node: which LSPs it carries, over which labels and how much bandwidth, and what it says
 * about them to its neighbours, its switch and whoever asked for them. Pure: no socket, no clock; `now` is an argument.
 *
 * Siblings: gmpls/neighbour (one control channel: soft state, reliability, Hello; the node owns one for each link),
 * gmpls/crossconnect (a cross-connect as flows), proto/rsvp (bytes), proto/pcep (where requests come from).
 *
 * Set-up, of one bidirectional LSP in one round trip (RFC 3209, RFC 3473 §3):
 *
 *     asker        ingress                       transit                       egress
 *       | initiate    |                             |                             |
 *       |------------>| admit, choose upstream      |                             |
 *       |  GOING_UP   | label                       |                             |
 *       |<------------|--Path(ERO, UPSTREAM_LABEL)->| admit both directions of    |
 *       |             |                             | both its links, labels      |
 *       |             |                             |--Path---------------------->| client port and VLAN
 *       |             |                             |<-------Resv(LABEL, RRO)-----| cross-connect
 *       |             |<-------Resv(LABEL, RRO)-----| cross-connect               |
 *       |             | cross-connect               |                             |
 *       |             |==probe through the data plane, and back==================>|
 *       |     UP      |<==========================================================|
 *       |<------------|
 *
 *   A node says Resv before its switch is ready, so signalling takes no switch's time; that the path carries frames is
 *   what the probe shows (RFC 7746 has the idea; the egress turns it around in its switch). No ResvConf is needed for
 *   it. Each end of a link admits what it sends: the downstream direction at its upstream end, the upstream direction
 *   at its downstream end. A label is chosen by the end that receives it. The last ERO sub-objects name the egress's
 *   client port, unnumbered, and its VLAN as a label (RFC 4003); Resv's RRO starts, at the egress, with the same.
 *
 * Failure: whoever finds it (admission, label, switch, link, silent neighbour) drops its own state, then tells both
 * sides:
 *
 *     ingress <--PathErr(state removed)-- node --PathTear--> egress        RFC 3473 §4.4, §8.2: IF_ID names the
 *                                                                           interface, so that a new route avoids it
 *   Every node that forwards such a PathErr has dropped its state before. There is no local repair and no crankback in
 *   between: the asker has the whole picture and asks anew; a failed LSP is reported down and removed.
 *
 * Removal: the ingress sends Path with ADMIN_STATUS D and R, the egress reflects it in Resv, the ingress sends PathTear
 * (RFC 3473 §7.2.1). If no reflection comes in time, or by force, PathTear at once.
 *
 * Restart of the node (RFC 3473 §9): its records say what it carried, its switch kept its cross-connects. LSPs are
 * 'recovering' until both sides have refreshed them with the same labels; what is not refreshed in the recovery time is
 * torn. A neighbour's restart: Path is sent again with RECOVERY_LABEL. A neighbour that falls silent after set-up has
 * the restart time that it announced; data flows on meanwhile; then its LSPs are torn.
 *
 * Departures, and why:
 *   - Every LSP is bidirectional; a Path without UPSTREAM_LABEL is refused. Nobody here asks for another kind.
 *   - An LSP without bandwidth is refused (ERR_INVALID; to a Path traffic control error, bad Tspec, RFC 2205 §B): its
 *     ends could not police it, and links would be full of what nobody counts.
 *   - A node that kept its records sends Path and Resv after a restart without waiting for its neighbours' (RFC 3473
 *     §9.5.2 makes it wait because it presumes that control state was lost).
 *   - Make-before-break (RFC 3209 §2.5) is not done: whoever wants another route asks for a second LSP, and removes the
 *     first when the traffic has moved. All LSPs are therefore in a session of their own.
 *   - ADSPEC, path MTU discovery and blockade state (RFC 2205 §3.5) are of no use with one receiver and strict routes.
 *
 * Records: no message of a set-up waits for a disk. The ingress saves before it reports UP and before it begins a
 * removal, and forgets before PathTear. The others save when Resv has gone on and nothing else is left to do. A crash
 * loses what was not saved yet. Of an LSP that stands nowhere else, that is its end: after the restart nobody refreshes
 * it. One that stands elsewhere comes again with its neighbours' refreshes and RECOVERY_LABEL, once the switch has told
 * what it still holds (RFC 3473 §9.5.2): all of its labels stay, and no frame is lost.
 */
#ifndef GMPLS_NODE_H
#define GMPLS_NODE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mono.h"
#include "model/lsp.h"
#include "model/rsvp.h"

#define NODE_LINKS_MAX 64
#define NODE_CLIENTS_MAX 256
#define NODE_LSPS_MAX 32768 /* that a node carries; also fewer than an ingress has tunnel ids to one egress */
#define NODE_LINK_NONE (-1)
#define NODE_LABEL_MIN 16u /* RFC 3032 §2.1: those below are reserved */
#define NODE_LABEL_MAX 1048575u

/* A data link to another node, with the control channel that belongs to it. */
struct node_link_config {
    char name[32];
    uint32_t local, remote;           /* addresses of the two ends; what EROs name */
    uint32_t remote_router;           /* router id of the other end; 0: not known */
    uint64_t bandwidth_bps;           /* each direction; what may be reserved */
    uint32_t label_first, label_last; /* that we give out on this link, for what we receive */
};

enum node_client_mode {
    NODE_CLIENT_VLAN,  /* a VLAN of the port is an LSP */
    NODE_CLIENT_BRIDGE /* the whole port; it may have several LSPs, MACs are learned */
};

struct node_client_config {
    char name[32];
    uint32_t id; /* interface id, not 0; what unnumbered hops name */
    enum node_client_mode mode;
    uint16_t vlan_first,
        vlan_last; /* of VLAN: to choose from when none is asked for; any of 1..4094 may be asked for */
};

struct node_config {
    char name[32];
    uint32_t router_id;
    const struct node_link_config *links; /* copied; index = number of the link in all calls */
    size_t n_links;
    const struct node_client_config *clients; /* copied */
    size_t n_clients;
    uint32_t setup_ms; /* from initiate to the probe's return; then the set-up has failed */
    /* From our switch's answer to the first probe, 0: at once. The other switches were asked before, but may be slower;
     * and one that has no flow for a probe yet may remember that for a while. */
    uint32_t probe_first_ms;
    uint32_t probe_ms;  /* until the first repeat of a probe; doubles up to 16 times that */
    uint32_t delete_ms; /* how long a removal waits for the reflected ADMIN_STATUS */
    /* How long a link or a client's port may be down before the LSPs that stand there end; 0: not at all. What is only
     * being set up ends at once, and what is asked for meanwhile is refused. */
    uint32_t link_hold_ms, client_hold_ms;
    uint32_t lsps_max; /* carried at once, up to NODE_LSPS_MAX; 0: that many */
    bool notify;       /* ask for Notify messages as an ingress, RFC 3473 §4.3 */
    /* Of the neighbours; see gmpls/neighbour.h */
    uint32_t hello_ms, refresh_ms, retry_ms, restart_ms, recovery_ms;
    unsigned hello_miss, retries;
    uint32_t instance; /* of this start; not 0, and another than the last one's */
    uint32_t epoch;    /* 24 bits; another than the last one's */
    uint32_t seed;
};

/* One side of a cross-connect: a link with the labels used on it, or a client port. */
struct node_side {
    int link;                     /* NODE_LINK_NONE: a client */
    uint32_t in_label, out_label; /* of frames that come from there, that go there */
    uint32_t client;              /* id of the client port */
    uint16_t vlan;                /* CLIENT_VLAN_NONE: in bridge mode */
};

/* Both directions of one LSP at this node. A client side polices what enters to 'rate_bps'. */
struct node_xc {
    uint32_t id;         /* not 0; unique among those that stand, also over restarts */
    struct node_side in; /* towards the ingress; a client there: this is the ingress */
    struct node_side out;
    uint64_t rate_bps;
};

enum node_action_type {
    NODE_SEND,      /* 'message' over the control channel of 'link'; the taker's: rsvp_message_free(). With
                     * NODE_LINK_NONE: routed, from 'source' to 'destination' (Notify, RFC 3473 §4.3; Ack of one) */
    NODE_XC_SET,    /* 'xc', new or with other labels than before; answer with node_xc_done() */
    NODE_XC_CLEAR,  /* 'xc', as it was set; not answered, and repeated by the caller until the switch did it */
    NODE_PROBE,     /* a frame with 'nonce' into LSP 'xc' (whose 'in' is a client, 'out' a link), that the egress turns
                     * around; answer with node_probe_seen() when it is back */
    NODE_REPORT,    /* 'report': the taker's, lsp_report_free(). 'cookie' not 0: this is the answer to that request */
    NODE_BANDWIDTH, /* 'unreserved' of 'link', to be flooded; not before its node_link_data() */
    NODE_SAVE,      /* 'text' (JSON) under 'key', for node_load(); the taker frees it */
    NODE_FORGET,    /* 'key' */
    /* 'text': one sentence for an operator, the taker frees it; 'severe': something is wrong. What a peer may cause
     * again and again is said once a minute for each link and kind, and how much was left out after that minute. */
    NODE_LOG
};

struct node_action {
    enum node_action_type type;
    int link;
    uint32_t source, destination; /* routed: addresses of this node and of the other */
    struct rsvp_message *message; /* to be freed itself, too */
    struct node_xc xc;
    uint64_t nonce;
    struct lsp_report *report; /* to be freed itself, too */
    uint64_t cookie;
    uint64_t unreserved[TE_PRIORITIES];
    uint64_t key;
    char *text;
    bool severe;
};

struct node_counters {
    uint64_t path, resv, path_err, resv_err, path_tear, resv_tear, resv_conf, notify; /* received, new or changed */
    uint64_t set_up, refused, failed, preempted, removed, expired, recovered,
        adopted; /* LSPs; the last without a record */
};

struct gmpls_node;

/* The config must be right: label ranges within NODE_LABEL_MIN..MAX, client ids and addresses unique, timers not 0.
 * Null and 'err' if it is not. All links count as down until node_link_data(). */
struct gmpls_node *node_new(const struct node_config *config, struct mono now, struct err *err);
void node_free(struct gmpls_node *node);

/* Before node_start(), once for each record that was saved. A record that cannot be used (link or client no longer
 * configured, label taken) is an error: the caller forgets it, and its cross-connect. */
int node_load(struct gmpls_node *node, uint64_t key, const char *text, struct err *err);
/* Hellos begin; what was loaded is recovered. The caller then brings its switch to what node_xc_each() names: sets what
 * is missing, tells what is beyond it, node_switch_read(), and removes that when the recovery time is over. */
void node_start(struct gmpls_node *node, struct mono now);

/* ---- inputs; after each, and after node_start(), drain node_action() ---- */

/* What the switch holds of LSPs beyond those of node_xc_each(), read after our start and after node_link_data(): of
 * each 'id' and both sides, 'in' and 'out' in either order. They are to stay until the recovery time is over. An LSP
 * that a neighbour still knows (Path with RECOVERY_LABEL) comes back with its id and labels; its Path waits for this
 * call. Only the first call counts. */
void node_switch_read(struct gmpls_node *node, const struct node_xc *found, size_t n, struct mono now);
/* A decoded message of the control channel; taken over. */
void node_receive(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now);
/* A message that the decoder refused, with what it had read of it (SESSION, sender and hop if 'has' says so; taken
 * over): answered by PathErr or ResvErr with that error if it is a Path or Resv and names its LSP, else dropped. An LSP
 * that stands stays as it is. RFC 2205 §3.10: code 13 (unknown class) or 14 (unknown C-Type), value class << 8 |
 * C-Type; 0: no answer. */
void node_refuse(struct gmpls_node *node, int link, struct rsvp_message *message, uint8_t code, uint16_t value,
                 struct mono now);
/* A routed message, taken over: Notify, wherever it came by, or Ack from a node that is no neighbour. A Notify is
 * believed if it is about an LSP that begins here, and 'source' is on the route that this LSP took. */
void node_receive_routed(struct gmpls_node *node, uint32_t source, struct rsvp_message *message, struct mono now);
void node_link_data(struct gmpls_node *node, int link, bool up, struct mono now); /* the data link's port */
void node_client(struct gmpls_node *node, uint32_t id, bool up, struct mono now); /* a client port; up at first */

/* Sets an LSP up; 'cookie' (not 0) is in the one report that ends the set-up: UP, or DOWN and removed. A report
 * GOING_UP comes before. ERR_INVALID (not our ingress, no route, unknown client ...), ERR_EXISTS (the name is in use),
 * ERR_EXHAUSTED (too many LSPs): the LSP does not exist and no report comes. */
int node_initiate(struct gmpls_node *node, const struct lsp_request *request, uint64_t cookie, struct mono now,
                  struct err *err);
/* PCUpd: an LSP that is to be as it is, is reported as it is, with the cookie. A change is ERR_UNSUPPORTED (see above);
 * ERR_NOT_FOUND. */
int node_update(struct gmpls_node *node, const struct lsp_request *request, uint64_t cookie, struct mono now,
                struct err *err);
/* Removes an LSP whose ingress is here; 'cookie' is in the report that it is gone. ERR_NOT_FOUND; ERR_CONFLICT: it is
 * being removed already (and 'force' does not hasten it). */
int node_remove(struct gmpls_node *node, const char *name, bool force, uint64_t cookie, struct mono now,
                struct err *err);

/* The answer to NODE_XC_SET, one each and in their order: 0, or an error of the switch. Late ones do no harm. */
void node_xc_done(struct gmpls_node *node, uint32_t id, int code, struct mono now);
void node_probe_seen(struct gmpls_node *node, uint64_t nonce, struct mono now);
void node_tick(struct gmpls_node *node, struct mono now);

/* ---- outputs ---- */

/* The oldest action, to be carried out in this order; false if there is none. */
bool node_action(struct gmpls_node *node, struct node_action *action);
/* The same without the records that may wait, which node_action() makes when nothing else is left. */
bool node_action_now(struct gmpls_node *node, struct node_action *action);
bool node_has_records(const struct gmpls_node *node);     /* such records wait */
void node_action_free(struct node_action *action);        /* its members, for a taker that does not use them */
struct mono node_deadline(const struct gmpls_node *node); /* of node_tick() */

/* ---- views ---- */

typedef void node_xc_fn(void *arg, const struct node_xc *xc);
/* Each cross-connect that is to stand in the switch: after a start, or when the switch has come back empty. */
void node_xc_each(const struct gmpls_node *node, node_xc_fn *fn, void *arg);
typedef void node_report_fn(void *arg, const struct lsp_report *report);
/* Each LSP whose ingress is here, as it would be reported: for the synchronisation of a PCE (RFC 8231 §5.6). */
void node_report_each(const struct gmpls_node *node, node_report_fn *fn, void *arg);
void node_unreserved(const struct gmpls_node *node, int link, uint64_t unreserved[TE_PRIORITIES]);
bool node_link_usable(const struct gmpls_node *node, int link); /* data plane up and neighbour heard */
const struct node_counters *node_counters(const struct gmpls_node *node);

struct node_usage { /* sums over the whole node: all 0 when it carries nothing */
    size_t lsps, xcs, labels, vlans;
    uint64_t reserved_bps;
};
struct node_usage node_usage(const struct gmpls_node *node);
/* Everything: {name, router_id, links: [{name, up, neighbour, unreserved, labels}], clients, lsps: [...], counters}.
 * For a status file and tests; new reference. */
json_t *node_view(const struct gmpls_node *node);

#endif
