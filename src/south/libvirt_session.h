/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to libvirtd, and libvirt's events on their way from its own thread to the loop.
 *
 * libvirt's client library wants an event loop for its life-cycle events and keepalives and offers one of its own,
 * which is process-wide: one thread runs it ('struct libvirt_events'). Its callbacks copy what they are told and post
 * it; all else happens on the loop thread. */
#ifndef SOUTH_LIBVIRT_SESSION_H
#define SOUTH_LIBVIRT_SESSION_H

#include <libvirt/libvirt.h>

#include "base/err.h"
#include "io/loop.h"
#include "model/event.h"

enum session_event_type {
    SESSION_LIFECYCLE, /* uuid, name, event, detail */
    SESSION_JOB,       /* uuid, progress: a job has ended, this is its last word */
    SESSION_ITERATION, /* uuid, progress.iteration: another pass over a migrating VM's memory begins */
    SESSION_CLOSED     /* err */
};

struct session_event {
    enum session_event_type type;
    uint8_t uuid[UUID_SIZE];
    char name[NAME_SIZE];
    int event, detail; /* virDomainEventType and its detail */
    struct transfer_progress progress;
    struct err err;
};

typedef void session_event_fn(void *arg, const struct session_event *event);

/* The thread that runs libvirt's event loop. One at a time in a process. */
struct libvirt_events;
struct libvirt_events *libvirt_events_start(struct loop *loop);
/* After every session is closed. The loop must not run again afterwards: a post of ours may still be queued. */
void libvirt_events_stop(struct libvirt_events *events);

/* A connection to one libvirtd, with its events.
 *
 * One thread at a time calls libvirt on it. libvirt's client takes calls of several threads on one connection, but that
 * of 9.0 crashes when the connection breaks while two threads wait for answers. (It seems to be CVE-2024-4418: a
 * callback that points to the stack frame of a thread that has gone on.) */
struct libvirt_session {
    virConnectPtr connection;
    struct libvirt_events *events;
    session_event_fn *fn; /* null: events are dropped */
    void *arg;
    int callbacks[3]; /* ids of what is registered, or -1 */
    int refs;         /* atomic */
};

/* Connects and registers for events, which are dropped until session_listen(). Null and 'err' if libvirtd cannot be
 * reached. */
struct libvirt_session *worker_session_open(struct libvirt_events *events, const char *uri, struct err *err);
/* Loop thread: 'fn' gets the session's events from now on; null: nobody. */
void session_listen(struct libvirt_session *session, session_event_fn *fn, void *arg);
/* After session_listen(null). */
void worker_session_close(struct libvirt_session *session);

#endif
