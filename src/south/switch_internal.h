/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the OpenFlow + OVSDB driver share:
 *   switch_openflow.c    the driver as its user sees it
 *   switch_connection.c  OpenFlow connections, one a switch
 *   switch_request.c     what is asked of a switch, until its answer is whole
 *   switch_ovsdb.c       OVSDB servers, which name the switches
 *   switch_queues.c      queues of their ports, in OVSDB
 *   switch_queue_rows.c  the rows of these
 *   switch_discovery.c   links and attachments, by LLDP */
#ifndef SOUTH_SWITCH_INTERNAL_H
#define SOUTH_SWITCH_INTERNAL_H

#include "proto/ovsdb/ovsdb_session.h"
#include "proto/ovsdb/reconnect.h"
#include "south/openflow_connection.h"
#include "south/switch_openflow.h"

/* A request to one switch, from the call to its EVENT_DONE. */
struct switch_request {
    struct switch_request *next;
    uint64_t id;      /* even: the session's number of it; a read's meters are asked for as id + 1 */
    uint64_t request; /* the caller's */
    bool is_read;
    bool (*keep)(void *arg, const struct flow *flow); /* of a read: as its query says */
    void *keep_arg;
    unsigned waiting; /* answers that have not come */
    struct err err;   /* the first failure */
    struct flow_list flows;
    struct flow_meter *meters;
    size_t n_meters, cap_meters;
};

/* An OpenFlow connection; once it is joined with a bridge of OVSDB, a switch. */
struct switch_connection {
    struct openflow_driver *driver;
    struct switch_connection *next;
    struct openflow_connection openflow;
    char *peer;                   /* the other end, for the log */
    struct timer *name_timer;     /* rings if no OVSDB server has named it in time */
    bool name_warned;             /* of a name that is missing or taken: once is enough */
    struct switch_server *server; /* that named it; null: none has, and the user does not know of the switch */
    struct switch_info info;      /* info.up: the session has told dpid and ports */
    size_t cap_ports;
    struct mono changes_told;                        /* when the user was last told that others change flows */
    struct timer *changes_timer;                     /* to tell again, if */
    bool changes_wait;                               /* there was another change since */
    bool has_flows;                                  /* a transaction of this session has succeeded */
    struct switch_request *requests, **requests_end; /* the oldest first */
    struct switch_queues {
        struct flow_queue *wanted;
        size_t n;
        bool complete; /* queues of other VMs go */
        bool busy;     /* a transaction is out: what is wanted since then comes after it */
        uint64_t transaction;
        bool netdev_told; /* that its datapath ignores queues */
        struct queue_request {
            uint64_t request;
            char vm[NAME_SIZE]; /* whose queues it is about; empty: everybody's */
            struct err err;     /* what the transaction leaves out */
        } * waiting;            /* the first 'n_covered' end with the transaction */
        size_t n_waiting, cap_waiting, n_covered;
    } queues;
};

/* An OVSDB server. */
struct switch_server {
    struct openflow_driver *driver;
    char *where;
    struct stream *stream; /* null: no connection, nor an attempt */
    struct ovsdb_session *session;
    struct reconnect reconnect;
    struct timer *timer;
    bool trouble_told; /* a warning of this outage is in the log */
};

/* A link by its 'from' end, or an attachment by switch and port, that was seen and not yet forgotten. */
struct switch_sighting {
    bool is_link;
    union {
        struct link link;
        struct attachment attachment;
    };
    struct mono heard;
    bool again; /* the user is to be told when it is seen again, though it is known */
};

struct openflow_driver {
    struct switch_driver driver; /* first: the user's pointer is to this */
    struct loop *loop;
    struct event_queue *events;
    uint32_t timeout_ms, lldp_interval_ms;
    uint64_t last_id; /* of struct switch_request, and of transactions of queues; even */
    struct listener *listener;
    struct switch_connection *connections;
    struct switch_server *servers;
    size_t n_servers;
    struct timer *lldp_timer;
    struct mono lldp_due, lldp_sent; /* next round; last round */
    struct switch_sighting *sightings;
    size_t n_sightings, cap_sightings;
};

/* switch_connection.c */

listener_fn switch_connection_accepted;                            /* arg: the driver */
void switch_connection_free(struct switch_connection *connection); /* closes; no event */
/* The switch that the user knows by this name, or null. */
struct switch_connection *switch_connection_find(const struct openflow_driver *driver, const char *name);
struct switch_connection *switch_connection_by_dpid(const struct openflow_driver *driver, uint64_t dpid);
struct switch_port *switch_connection_port(const struct switch_connection *connection, uint32_t number);
/* Somebody else has changed what the switch holds. */
void switch_connection_changed(struct switch_connection *connection);
/* Rows of OVSDB have changed: names switches that have none, and ports whose full name is known now. */
void switch_connections_rename(struct openflow_driver *driver);

/* switch_request.c */

/* Takes the transaction's memory over. */
void switch_request_apply(struct switch_connection *connection, uint64_t request, struct flow_txn *txn);
void switch_request_read(struct switch_connection *connection, uint64_t request, const struct switch_query *query);
/* OF_EVENT_FLOW, OF_EVENT_METER or OF_EVENT_DONE. Takes a flow's actions over. */
void switch_request_event(struct switch_connection *connection, struct of_event *event);
void switch_requests_free(struct switch_connection *connection); /* those that have not ended */

/* switch_ovsdb.c */

/* Starts to connect. 0, or ERR_INVALID and 'err'; switch_server_free() is due in both cases. */
int switch_server_start(struct switch_server *server, struct openflow_driver *driver, const char *where,
                        struct err *err);
void switch_server_free(struct switch_server *server); /* its members */

/* switch_queues.c */

void switch_queues_set(struct switch_connection *connection, uint64_t request, const struct switch_queue_set *set);
/* The server has ended the transaction with this id. */
void switch_queues_done(struct switch_server *server, uint64_t id, const struct err *err);
/* All queues of the switch's ports that OVSDB has told, whoever made them; the caller frees '*queues'. */
size_t switch_queues_read(const struct switch_connection *connection, struct flow_queue **queues);
/* The switch is gone: the requests that wait end. */
void switch_queues_end(struct switch_connection *connection, const struct err *reason);
void switch_queues_free(struct switch_connection *connection);
/* Sends what the server's session has for it. */
void switch_server_send(struct switch_server *server);

/* switch_discovery.c */

/* Sends LLDP out of all ports soon, and not only when it is due. */
void switch_discovery_hasten(struct openflow_driver *driver);
loop_fn switch_discovery_round; /* arg: the driver */
/* A frame of ethertype 0x88cc came in at a port of the switch. */
void switch_discovery_frame(struct switch_connection *connection, uint32_t in_port, struct of_bytes frame);
/* What was seen at this port is to be reported again when it is seen again. */
void switch_discovery_forget(struct openflow_driver *driver, const char *switch_name, uint32_t port);
/* A switch has a name now. What was seen there before it went away ages from now on, and is reported again when it is
 * seen again; but what was at ports that are down or gone is forgotten. */
void switch_discovery_back(struct switch_connection *connection);

#endif
