/* SPDX-License-Identifier: Apache-2.0 */
#include "south/libvirt_session.h"

#include <libvirt/virterror.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "south/libvirt_calls.h"

struct mail {
    struct libvirt_session *session; /* holds a reference */
    struct session_event event;
};

struct libvirt_events {
    struct loop *loop;
    pthread_t thread;
    atomic_bool stop;
    int wake_timer;
    pthread_mutex_t lock; /* of what follows */
    struct mail *mails;
    size_t n_mails, cap_mails;
};

static void session_ref(struct libvirt_session *session)
{
    __atomic_add_fetch(&session->refs, 1, __ATOMIC_RELAXED);
}

static void session_unref(void *arg)
{
    struct libvirt_session *session = arg;

    if (!__atomic_sub_fetch(&session->refs, 1, __ATOMIC_ACQ_REL))
        free(session);
}

/* Loop thread. */
static void deliver(void *arg)
{
    struct libvirt_events *events = arg;

    pthread_mutex_lock(&events->lock);
    AUTO_FREE struct mail *mails = events->mails;
    size_t n = events->n_mails;
    events->mails = NULL;
    events->n_mails = events->cap_mails = 0;
    pthread_mutex_unlock(&events->lock);

    for (size_t i = 0; i < n; i++) {
        struct libvirt_session *session = mails[i].session;

        if (session->fn)
            session->fn(session->arg, &mails[i].event);
        session_unref(session);
    }
}

/* libvirt's event thread, as are the callbacks below. */
static void post(struct libvirt_session *session, const struct session_event *event)
{
    struct libvirt_events *events = session->events;

    session_ref(session);
    pthread_mutex_lock(&events->lock);
    events->mails = array_reserve(events->mails, events->n_mails, &events->cap_mails, sizeof *events->mails);
    events->mails[events->n_mails++] = (struct mail) {session, *event};
    pthread_mutex_unlock(&events->lock);
    loop_post(events->loop, deliver, events);
}

static int on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *arg)
{
    struct session_event posted = {.type = SESSION_LIFECYCLE, .event = event, .detail = detail};

    (void) connection;
    virDomainGetUUID(domain, posted.uuid);
    name_copy(posted.name, virDomainGetName(domain));
    post(arg, &posted);
    return 0;
}

static void on_job(virConnectPtr connection, virDomainPtr domain, virTypedParameterPtr params, int n, void *arg)
{
    struct session_event posted = {.type = SESSION_JOB};
    unsigned long long downtime = 0;

    (void) connection;
    virDomainGetUUID(domain, posted.uuid);
    progress_from_params(params, n, &posted.progress);
    virTypedParamsGetULLong(params, n, VIR_DOMAIN_JOB_DOWNTIME, &downtime);
    posted.progress.downtime_ms = (uint32_t) downtime;
    post(arg, &posted);
}

static void on_iteration(virConnectPtr connection, virDomainPtr domain, int iteration, void *arg)
{
    struct session_event posted = {.type = SESSION_ITERATION};

    (void) connection;
    virDomainGetUUID(domain, posted.uuid);
    posted.progress.iteration = (uint32_t) iteration;
    post(arg, &posted);
}

static void on_close(virConnectPtr connection, int reason, void *arg)
{
    struct session_event posted = {.type = SESSION_CLOSED};

    (void) connection;
    if (reason == VIR_CONNECT_CLOSE_REASON_KEEPALIVE)
        err_set(&posted.err, ERR_TIMEOUT, "libvirtd has not answered for %d s", LIBVIRT_DEAD_SECONDS);
    else if (reason == VIR_CONNECT_CLOSE_REASON_EOF)
        err_set(&posted.err, ERR_UNREACHABLE, "libvirtd has closed the connection");
    else
        err_set(&posted.err, ERR_UNREACHABLE, "the connection to libvirtd has failed");
    post(arg, &posted);
}

static int register_domain_events(struct libvirt_session *session)
{
    static const int ids[] = {VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_ID_JOB_COMPLETED,
                              VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION};
    const virConnectDomainEventGenericCallback callbacks[] = {VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle),
                                                              VIR_DOMAIN_EVENT_CALLBACK(on_job),
                                                              VIR_DOMAIN_EVENT_CALLBACK(on_iteration)};

    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        session_ref(session);
        session->callbacks[i] = virConnectDomainEventRegisterAny(session->connection, NULL, ids[i], callbacks[i],
                                                                 session, session_unref);
        if (session->callbacks[i] < 0) {
            session_unref(session);
            return -1;
        }
    }
    return 0;
}

struct libvirt_session *worker_session_open(struct libvirt_events *events, const char *uri, struct err *err)
{
    struct libvirt_session *session = xcalloc(1, sizeof *session);

    session->events = events;
    session->refs = 1;
    memset(session->callbacks, -1, sizeof session->callbacks);
    session->connection = worker_connect(uri, err);
    if (!session->connection) {
        worker_session_close(session);
        return NULL;
    }
    /* Without a reference: unregistering waits for a callback that runs, and drivers without a wire never would give
     * the reference back. */
    if (virConnectRegisterCloseCallback(session->connection, on_close, session, NULL) ||
        register_domain_events(session)) {
        libvirt_error(err, "libvirtd at %s", uri);
        worker_session_close(session);
        return NULL;
    }
    return session;
}

void session_listen(struct libvirt_session *session, session_event_fn *fn, void *arg)
{
    session->fn = fn;
    session->arg = arg;
}

void worker_session_close(struct libvirt_session *session)
{
    for (size_t i = 0; i < ARRAY_LEN(session->callbacks); i++)
        if (session->callbacks[i] >= 0)
            virConnectDomainEventDeregisterAny(session->connection, session->callbacks[i]);
    if (session->connection) {
        virConnectUnregisterCloseCallback(session->connection, on_close);
        virConnectClose(session->connection);
    }
    session_unref(session);
}

static void *run_events(void *arg)
{
    struct libvirt_events *events = arg;

    while (!atomic_load(&events->stop))
        virEventRunDefaultImpl();
    return NULL;
}

static void be_silent(void *arg, virErrorPtr error)
{
    (void) arg;
    (void) error;
}

static void initialize_libvirt(void)
{
    virEventRegisterDefaultImpl();
    virInitialize();
    /* libvirt's client would print every error to stderr; ours go into sentences. */
    virSetErrorFunc(NULL, be_silent);
}

static void on_wake_timer(int timer, void *arg)
{
    (void) arg;
    virEventUpdateTimeout(timer, -1);
}

struct libvirt_events *libvirt_events_start(struct loop *loop)
{
    /* libvirt's own state is process-wide and is set up once in a process's life, whoever comes first. */
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct libvirt_events *events = xcalloc(1, sizeof *events);

    pthread_once(&once, initialize_libvirt);
    events->loop = loop;
    pthread_mutex_init(&events->lock, NULL);
    events->wake_timer = virEventAddTimeout(-1, on_wake_timer, NULL, NULL);

    /* Signals are the loop thread's. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&events->thread, NULL, run_events, events))
        abort(); /* no thread left at the start of the program */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return events;
}

void libvirt_events_stop(struct libvirt_events *events)
{
    atomic_store(&events->stop, true);
    virEventUpdateTimeout(events->wake_timer, 0);
    pthread_join(events->thread, NULL);
    virEventRemoveTimeout(events->wake_timer);
    deliver(events); /* nobody listens any more: lets go of the sessions */
    pthread_mutex_destroy(&events->lock);
    free(events);
}
