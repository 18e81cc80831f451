/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the node share.
 *
 *   node.c             life, inputs, the queue of actions, time
 *   node_table.c       LSPs: found by session and sender, by id, by name; lists of a link; timers
 *   node_admission.c   labels, VLANs, bandwidth, preemption
 *   node_path.c        Path, PathTear          node_resv.c    Resv, ResvTear, ResvErr, ResvConf, the switch's answer
 *   node_failure.c     PathErr, Notify, links, clients and neighbours that fail or return
 *   node_ingress.c     what an asker wants, probes, reports
 *   node_message.c     messages from an LSP's state
 *   node_record.c      records, own restart    node_adopt.c   LSPs without a record that others still know
 *   node_view.c        for people and tests */
#ifndef GMPLS_NODE_INTERNAL_H
#define GMPLS_NODE_INTERNAL_H

#include "base/hmap.h"
#include "base/sm.h"
#include "base/timers.h"
#include "gmpls/neighbour.h"
#include "gmpls/node.h"

enum lsp_phase {
    PHASE_SIGNALLED, /* Path went on; no Resv yet */
    PHASE_RESERVED,  /* Resv is known (egress: said); the switch is being set */
    PHASE_PROBED,    /* ingress: the switch is set, a probe is on its way */
    PHASE_ESTABLISHED,
    PHASE_RECOVERING, /* loaded after our restart; not yet refreshed by both sides */
    PHASE_DELETING,   /* ingress: waits for the reflected ADMIN_STATUS */
    PHASE_GONE,
    PHASES
};
extern const struct sm_state lsp_phases[PHASES];

struct label_pool {
    uint32_t first, last, next;
    size_t n_used;
    uint64_t *used; /* a bit a label */
};

struct gmpls_lsp;

/* One side of an LSP at this node: towards its ingress, or towards its egress. */
struct lsp_end {
    struct node_side side;
    struct gmpls_lsp *lsp;
    struct lsp_end *previous, *next; /* of the same link or client */
    bool listed, reserved;
};

struct lsp_ingress { /* what only the ingress knows */
    uint64_t setup_cookie, remove_cookie;
    struct mono deadline; /* of set-up, or of removal */
    struct mono probe_at;
    uint32_t probe_wait_ms;
    struct timer_entry timer; /* the nearer of both */
    struct hmap_node by_name;
    struct gmpls_lsp *lsp;
};

/* Objects of a Path or Resv that go on as they came. */
struct lsp_unknown {
    struct rsvp_unknown *objects; /* owned */
    unsigned n;
};

struct gmpls_lsp {
    struct hmap_node by_key, by_id;
    struct sm sm;
    uint32_t id; /* of the cross-connect, and of the record */
    uint32_t previous_lih;
    struct rsvp_session session;
    struct rsvp_sender sender;
    struct lsp_end in, out;
    struct rsvp_tspec tspec;
    struct rsvp_label_request label_request;
    struct rsvp_attribute attribute;
    struct lsp_route ero;                /* as received, or asked for */
    struct lsp_route path_rro, resv_rro; /* as received */
    struct lsp_unknown path_unknown, resv_unknown;
    struct lsp_ingress *ingress; /* null elsewhere */
    uint32_t admin_status, resv_admin_status;
    uint32_t notify_node, resv_confirm;
    unsigned xc_waits;      /* NODE_XC_SETs without an answer */
    uint8_t label_tries;    /* other upstream labels after 'unacceptable' */
    uint8_t setup, holding; /* in force */
    uint8_t style;
    bool has_attribute, recording;
    bool xc_set;                 /* the switch was told */
    bool path_fresh, resv_fresh; /* RECOVERING: refreshed since our start */
    bool unfinished;             /* RECOVERING: was not set up when we ended, and is not to be */
    bool dirty, saved;           /* to be saved after all other actions; there is a record */
};

/* What is said: a line a minute of each kind and link, as a peer may cause any number of them. */
enum node_line {
    LINE_PATH_DROPPED,
    LINE_RESV_REFUSED,
    LINE_NOTIFY_IGNORED,
    LINE_NEWS, /* of an LSP */
    LINE_XC_REFUSED,
    LINE_SETUP_FAILED,
    LINE_NEIGHBOUR_HEARD,
    LINE_NEIGHBOUR_SILENT,
    LINE_NEIGHBOUR_RESTARTED,
    LINES
};

struct node_lines {   /* of one kind */
    struct mono next; /* until then they are left out */
    unsigned left_out;
};

struct node_link {
    struct node_link_config config;
    struct neighbour *neighbour;
    struct label_pool labels;
    struct lsp_end *ends;
    uint64_t reserved[TE_PRIORITIES]; /* by holding priority, of what we send */
    struct node_lines lines[LINES];
    struct rsvp_restart_cap restart; /* that the other end announces */
    struct mono gone_at;             /* silent: its LSPs end then; MONO_NEVER: none of this */
    struct mono held_until;          /* its data plane is down: the same */
    bool data_up, touched, bandwidth_changed;
    bool data_told; /* 'data_up' is the switch's word: until then others keep what they were told before our start */
};

struct node_port {
    struct node_client_config config;
    struct lsp_end *ends;
    uint64_t vlans[64]; /* used; a bit a VLAN */
    uint16_t next_vlan;
    bool up;
    struct mono held_until; /* it is down: its LSPs end then; MONO_NEVER: none of this */
};

struct node_notify { /* a routed Notify without an Ack yet */
    struct rsvp_message message;
    uint32_t source, destination;
    uint32_t wait_ms;
    unsigned tries;
    struct mono at;
};

struct node_waiting { /* a Path or Resv of an LSP that may come back, after our start */
    int link;
    struct rsvp_message message;
};

struct action_queue {
    struct node_action *actions;
    size_t first, n, capacity;
};

struct gmpls_node {
    struct node_config config;
    struct node_link *links;
    size_t n_links;
    struct node_port *ports;
    size_t n_ports;
    struct hmap by_key, by_id, by_name; /* LSPs; by name those whose ingress is here */
    struct timers timers;               /* of ingresses */
    struct node_lines lines[LINES];     /* of no link */
    struct mono hold_due;               /* the first 'held_until' of all */
    struct mono lines_due;              /* lines were left out that are to be counted then */
    struct node_notify *notifies;
    size_t n_notifies, cap_notifies;
    struct action_queue queue; /* to be drained */
    struct action_queue later; /* of the present input: after what it sends */
    struct node_waiting *waiting;
    size_t n_waiting, cap_waiting;
    struct node_xc *found; /* that the switch held at our start, and no record tells of */
    size_t n_found;
    struct mono recovery_until;
    bool switch_read;
    uint32_t *dirty; /* ids of LSPs to be saved */
    size_t n_dirty, cap_dirty;
    uint32_t next_id, next_notify;
    uint16_t next_tunnel, lsp_id;
    struct node_counters counters;
    struct node_usage usage;
};

/* Where in a refusal something went wrong: 'link' NODE_LINK_NONE: no interface is named. */
struct refusal {
    uint8_t code;
    uint16_t value;
    int link;
    uint32_t client; /* with NODE_LINK_NONE: the client port, 0: none */
    bool acceptable; /* say which labels would do, RFC 3473 §4.1 */
};
static inline struct refusal refuse(uint8_t code, uint16_t value)
{
    return (struct refusal) {.code = code, .value = value, .link = NODE_LINK_NONE};
}
static inline struct refusal refuse_link(uint8_t code, uint16_t value, int link)
{
    return (struct refusal) {.code = code, .value = value, .link = link};
}
#define ACCEPTED ((struct refusal) {0})

#define RSVP_NOTIFY_CONTROL_DEGRADED 5 /* values of RSVP_ERR_NOTIFY: RFC 3473 §13.1, RFC 4872 §15 */
#define RSVP_NOTIFY_LSP_FAILURE 9

/* ---- node.c ---- */
struct node_action *node_queue(struct gmpls_node *node, enum node_action_type type);       /* after what is sent */
struct node_action *node_queue_first(struct gmpls_node *node, enum node_action_type type); /* before it */
/* At the end of an input: what came of it goes into the queue, in the order in which it is to be carried out. */
void node_settle(struct gmpls_node *node, struct mono now);
/* 'link': NODE_LINK_NONE if the line is about none. */
void node_say(struct gmpls_node *node, enum node_line line, int link, bool severe, struct mono now, const char *format,
              ...) __attribute__((format(printf, 6, 7)));
void link_keep(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now);
void link_send(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now);
/* A copy without what concerns only the neighbour that it came from. */
void link_forward(struct gmpls_node *node, int link, const struct rsvp_message *message, struct mono now);
void node_send_routed(struct gmpls_node *node, uint32_t source, uint32_t destination,
                      const struct rsvp_message *message);
bool node_is_mine(const struct gmpls_node *node, uint32_t address); /* router id, or of a link's local end */

/* ---- node_table.c ---- */
struct gmpls_lsp *lsp_find(const struct gmpls_node *node, const struct rsvp_session *session,
                           const struct rsvp_sender *sender);
struct gmpls_lsp *lsp_find_id(const struct gmpls_node *node, uint32_t id);
struct gmpls_lsp *lsp_find_name(const struct gmpls_node *node, const char *name); /* of our ingress */
/* In the tables by key and id, from then on; 'id' 0: a new one. */
struct gmpls_lsp *lsp_new(struct gmpls_node *node, const struct rsvp_session *session, const struct rsvp_sender *sender,
                          uint32_t id);
void lsp_make_ingress(struct gmpls_node *node, struct gmpls_lsp *lsp); /* and in the table by name: attribute.name */
void lsp_free(struct gmpls_node *node, struct gmpls_lsp *lsp);         /* out of all tables; holds nothing any more */
typedef void lsp_fn(struct gmpls_node *node, struct gmpls_lsp *lsp, void *arg);
void lsp_each(struct gmpls_node *node, lsp_fn *fn, void *arg); /* 'fn' may end the LSP that it is given */
void end_list(struct gmpls_node *node, struct lsp_end *end);   /* with its link or client */
void end_unlist(struct gmpls_node *node, struct lsp_end *end);
void lsp_timer(struct gmpls_node *node, struct gmpls_lsp *lsp); /* after its deadlines changed */
void lsp_move(struct gmpls_lsp *lsp, enum lsp_phase phase);
static inline enum lsp_phase lsp_phase(const struct gmpls_lsp *lsp)
{
    return (enum lsp_phase) lsp->sm.current;
}
static inline bool end_is_link(const struct lsp_end *end)
{
    return end->side.link != NODE_LINK_NONE;
}
struct node_port *node_port(const struct gmpls_node *node, uint32_t client);

/* ---- node_admission.c ---- */
void label_pool_init(struct label_pool *pool, uint32_t first, uint32_t last, uint32_t start);
bool label_is_free(const struct label_pool *pool, uint32_t label); /* in range, and free */
void label_take(struct label_pool *pool, uint32_t label);
uint32_t label_choose(struct label_pool *pool); /* takes it; 0: none is left */
void label_give_back(struct label_pool *pool, uint32_t label);
uint64_t link_unreserved(const struct node_link *link, unsigned priority);
/* What the received Path, or its absence at the ingress, says about the labels that we choose. */
struct label_wish {
    const uint32_t *set; /* LABEL_SET; null: any */
    size_t n_set;
    uint32_t suggested; /* 0: none */
};
struct refusal end_take_label(struct gmpls_node *node, struct lsp_end *end, const struct label_wish *wish);
struct refusal end_take_client(struct gmpls_node *node, struct lsp_end *end, uint32_t client, uint16_t vlan);
/* Bandwidth on whichever of both ends is a link, after preempting what is in the way. */
struct refusal lsp_admit(struct gmpls_node *node, struct gmpls_lsp *lsp, struct mono now);
void end_reserve(struct gmpls_node *node, struct lsp_end *end);
void end_release(struct gmpls_node *node, struct lsp_end *end); /* label, VLAN, bandwidth, list */

/* ---- node_path.c, node_resv.c ---- */
void path_received(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now);
void path_tear_received(struct gmpls_node *node, int link, const struct rsvp_message *message, struct mono now);
void lsp_take_priorities(struct gmpls_lsp *lsp); /* from its attribute */
/* From the ERO of the LSP: which end is next, what ERO goes on (null: not wanted) and which labels it wishes. */
struct next_hop {
    bool egress;
    int link;
    uint32_t client;
    uint16_t vlan;
    uint32_t label, upstream_label; /* explicit label control; 0: none */
};
struct refusal ero_next(const struct gmpls_node *node, const struct lsp_route *ero, bool initial, struct next_hop *next,
                        struct lsp_route *rest);
/* Its label on the next link, or its client port. */
struct refusal lsp_claim_next(struct gmpls_node *node, struct gmpls_lsp *lsp, const struct next_hop *next);
void resv_received(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now);
void resv_tear_received(struct gmpls_node *node, int link, const struct rsvp_message *message, struct mono now);
void resv_err_received(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now);
void resv_conf_received(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now);
void lsp_connect(struct gmpls_node *node, struct gmpls_lsp *lsp);    /* tells the switch */
void lsp_disconnect(struct gmpls_node *node, struct gmpls_lsp *lsp); /* if it was told */
/* Everything to the neighbours that the LSP's state says. */
void lsp_send_path(struct gmpls_node *node, struct gmpls_lsp *lsp, bool recovery, struct mono now);
void lsp_send_resv(struct gmpls_node *node, struct gmpls_lsp *lsp, struct mono now);
/* RECOVERING, and refreshed from both sides: goes on as before. */
void lsp_maybe_recovered(struct gmpls_node *node, struct gmpls_lsp *lsp);
struct node_xc lsp_xc(const struct gmpls_lsp *lsp);

/* ---- node_failure.c ---- */
enum lsp_tell { TELL_NOBODY = 0, TELL_UP = 1, TELL_DOWN = 2, TELL_BOTH = 3 };
struct lsp_error refusal_error(const struct gmpls_node *node, const struct refusal *refusal);
/* Gives back everything, says nothing to anybody but the switch, and frees it. */
void lsp_release(struct gmpls_node *node, struct gmpls_lsp *lsp);
/* Ends the LSP here: tells upstream (PathErr with 'error', path state removed; an ingress reports), downstream
 * (PathTear), gives everything back and frees it. */
void lsp_end_it(struct gmpls_node *node, struct gmpls_lsp *lsp, unsigned tell, const struct lsp_error *error,
                struct mono now);
void lsp_fail(struct gmpls_node *node, struct gmpls_lsp *lsp, struct refusal why, struct mono now); /* tells both */
void path_err_received(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now);
void notify_received(struct gmpls_node *node, uint32_t source, const struct rsvp_message *message, struct mono now);
void notify_tick(struct gmpls_node *node, struct mono now);
void notify_acked(struct gmpls_node *node, const struct rsvp_message *message);
void neighbour_changed(struct gmpls_node *node, int link, const struct neighbour_event *event, struct mono now);
void neighbour_expired(struct gmpls_node *node, int link, const struct neighbour_key *key, struct mono now);
void link_gone(struct gmpls_node *node, int link, struct mono now); /* its restart time is over */
void hold_tick(struct gmpls_node *node, struct mono now);

/* ---- node_ingress.c ---- */
void ingress_report(struct gmpls_node *node, struct gmpls_lsp *lsp, enum lsp_state state, bool removed,
                    const struct lsp_error *error, uint64_t cookie);
void ingress_gone(struct gmpls_node *node, struct gmpls_lsp *lsp, const struct lsp_error *error);
void ingress_connected(struct gmpls_node *node, struct gmpls_lsp *lsp, struct mono now); /* the switch is set */
void ingress_tick(struct gmpls_node *node, struct gmpls_lsp *lsp, struct mono now);
struct lsp_report *ingress_report_of(const struct gmpls_node *node, const struct gmpls_lsp *lsp, enum lsp_state state);
enum lsp_state ingress_state(const struct gmpls_lsp *lsp);

/* ---- node_adopt.c ---- */
bool node_is_recovering(const struct gmpls_node *node, struct mono now); /* the recovery time of our start lasts */
/* Whether this message, of an LSP that is not known, is kept for later; it is taken over then. */
bool path_waits(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now);
bool resv_waits(struct gmpls_node *node, int link, struct rsvp_message *message, struct mono now);
/* What waits of this type and LSP is over. */
void waiting_drop(struct gmpls_node *node, int link, uint8_t type, const struct rsvp_message *about);
void waiting_resv(struct gmpls_node *node, const struct gmpls_lsp *lsp, struct mono now); /* is handled now */
/* The cross-connect that the switch still has of the LSP that this Path is about, 'in' towards the ingress. */
bool found_take(struct gmpls_node *node, int link, const struct rsvp_message *message, const struct next_hop *next,
                struct node_xc *xc);
bool found_has(const struct gmpls_node *node, uint32_t id);
void recovery_tick(struct gmpls_node *node, struct mono now);
void adoption_free(struct gmpls_node *node);

/* ---- node_message.c ---- */
void lsp_unknown_free(struct lsp_unknown *unknown);                               /* its members */
void lsp_unknown_take(struct lsp_unknown *unknown, struct rsvp_message *message); /* in place of what it has */
bool lsp_unknown_equal(const struct lsp_unknown *unknown, const struct rsvp_message *message);
struct rsvp_message message_path(const struct gmpls_node *node, const struct gmpls_lsp *lsp);
struct rsvp_message message_resv(const struct gmpls_node *node, const struct gmpls_lsp *lsp);
struct rsvp_message message_path_tear(const struct gmpls_node *node, const struct gmpls_lsp *lsp);
struct rsvp_message message_path_err(const struct rsvp_session *session, const struct rsvp_sender *sender,
                                     const struct rsvp_tspec *tspec, const struct lsp_error *error);
/* The answer to a Resv that is refused. */
struct rsvp_message message_resv_err(const struct gmpls_node *node, int link, const struct rsvp_message *resv,
                                     uint8_t code, uint16_t value);
void message_add_acceptable(struct rsvp_message *message, const struct node_link *link); /* ACCEPTABLE_LABEL_SET */
struct neighbour_key lsp_key(const struct gmpls_lsp *lsp, uint8_t type);

/* ---- node_record.c ---- */
char *record_format(const struct gmpls_node *node, const struct gmpls_lsp *lsp); /* caller frees */
void lsp_save_first(struct gmpls_node *node, struct gmpls_lsp *lsp);             /* before anything is sent */
void lsp_save(struct gmpls_node *node, struct gmpls_lsp *lsp);                   /* after it, once for this input */
void node_save_dirty(struct gmpls_node *node);

#endif
