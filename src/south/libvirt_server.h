/* SPDX-License-Identifier: Apache-2.0 */
/* One server of the libvirt driver: keeps a session with its libvirtd, knows its domains, and tells what changes.
 *
 * What a domain is, is always read from libvirtd by a worker, for libvirt's events say what happened and not what is.
 * Two events of a migration go out at once all the same, from what was read before, since milliseconds count: the pause
 * at the source and the start at the target. A reading that was begun before an event of its domain is thrown away and
 * begun again. */
#ifndef SOUTH_LIBVIRT_SERVER_H
#define SOUTH_LIBVIRT_SERVER_H

#include "south/libvirt_session.h"

struct libvirt_domain {
    struct vm vm;
    uint64_t touched; /* libvirt_server.clock at its last event */
    bool announced;   /* an EVENT_VM has gone out for it */
    bool incoming;    /* it has been seen on its way in and not yet running */
    bool reading;     /* a worker reads it */
    bool stale;       /* and an event came meanwhile */
    bool unread;      /* the last reading failed; tried again by 'timer' */
};

struct libvirt_server;
/* What libvirt tells of jobs: SESSION_JOB or SESSION_ITERATION. */
typedef void libvirt_job_fn(void *arg, const struct libvirt_server *server, const struct session_event *event);

struct libvirt_server {
    struct loop *loop;
    struct event_queue *queue;
    struct libvirt_events *events;
    libvirt_job_fn *on_job;
    void *on_job_arg;

    char name[NAME_SIZE];
    char *uri;
    uint64_t guests_kib;             /* memory of its VMs when its free memory was told last */
    struct worker_pool *pool;        /* of one thread; null once stopped */
    struct timer *timer;             /* without a session: connects; with one: reads what is unread */
    struct libvirt_session *session; /* null: down */
    unsigned failures;               /* of connecting, in a row */
    bool told_down;
    bool listed;    /* EVENT_SERVER_LISTED was told of this session */
    uint64_t clock; /* counts events */
    struct libvirt_domain *domains;
    size_t n_domains, cap_domains;
};

/* Begins to connect at once. Names and pointers must outlive the server, but for 'name' and 'uri'. */
struct libvirt_server *libvirt_server_new(struct loop *loop, struct event_queue *queue, struct libvirt_events *events,
                                          const char *name, const char *uri, libvirt_job_fn *on_job, void *on_job_arg);
/* Something may have happened to a domain of which libvirt tells no event. */
void libvirt_server_reread(struct libvirt_server *server, const uint8_t uuid[UUID_SIZE]);
/* Waits for the call that runs; no other follows, and the caller may use the connection himself. */
void libvirt_server_stop(struct libvirt_server *server);
/* Ends the session, after libvirt_server_stop(). */
void libvirt_server_free(struct libvirt_server *server);

/* The connection, for a call that is now handed to 'pool'; null and 'err' if the server is down. The pool has one
 * thread and keeps the order, so a session that ends is closed after the calls that were handed over before. */
virConnectPtr libvirt_server_connection(const struct libvirt_server *server, struct err *err);

#endif
